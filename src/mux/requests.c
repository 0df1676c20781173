/* The IDE's requests in flight, by id. Ids are compared by value: 1 and 1.0 are the same id, "a" and
 * "\u0061" too; they go back in the bytes in which they came. */
#include "mux/internal.h"

/* The key of an id: a letter for its kind and its value. */
char *request_key(struct JsonValue id)
{
	int64_t number;
	if (json_int64(id, &number))
		return g_strdup_printf("n%" G_GINT64_FORMAT, number);
	g_autofree char *text = json_string_dup(id);
	if (text)
		return g_strconcat("s", text, NULL);
	g_autofree char *raw = slice_dup(id.raw);
	return g_strconcat("r", raw, NULL);
}

static void count(struct Router *router, size_t more, size_t less)
{
	size_t limit = 2 * router->config->mux.max_message;
	router->bytes += more;
	router->bytes -= less;
	bool high = router->bytes > (router->high ? limit / 2 : limit);
	if (high == router->high)
		return;
	router->high = high;
	parking_check(router);
}

void request_audit(struct Request *request, const struct McpParams *params)
{
	const struct Router *router = request->router;
	if (!request->kind->audited || request->audit.audit)
		return;
	struct Slice client_info = request->era == ERA_MODERN ? params->client_info.raw
							      : slice_of(router->client_info);
	audit_call_begin(
		router->options.audit, &request->audit, request->kind->name, client_info, params);
}

struct Request *request_begin(
	struct Router *router, const struct Incoming *incoming, const struct Method *kind)
{
	g_autofree char *key = request_key(incoming->message.id);
	if (g_hash_table_contains(router->requests, key)) {
		answer_fault(router, incoming->batch, incoming->message.id.raw, RPC_INVALID_REQUEST,
			"the id is in use", NULL);
		return NULL;
	}
	struct Request *request = g_new0(struct Request, 1);
	request->router = router;
	request->key = g_steal_pointer(&key);
	request->id = slice_dup(incoming->message.id.raw);
	request->era = incoming->era;
	request->kind = kind;
	request->method = kind->name;
	request->log_level = syslog_level_read(incoming->params.log_level);
	request->can = incoming->era == ERA_MODERN
			       ? capabilities_read(incoming->params.capabilities.raw)
			       : router->can;
	request->batch = incoming->batch;
	request->bytes = incoming->message.text.len;
	if (incoming->params.progress_token.type != JSON_NONE)
		request->token = slice_dup(incoming->params.progress_token.raw);
	if (request->batch)
		batch_expect(request->batch);
	g_hash_table_insert(router->requests, request->key, request);
	count(router, request->bytes, 0);
	request_audit(request, &incoming->params);
	return request;
}

bool request_waits(const struct Request *request)
{
	return request->call ? !upstream_call_is_out(request->call) : request->inputs != NULL;
}

GPtrArray *request_find_waiting(struct Router *router)
{
	GPtrArray *waiting = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, router->requests);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct Request *request = value;
		if (request_waits(request))
			g_ptr_array_add(waiting, g_strdup(request->key));
	}
	return waiting;
}

void request_queue(struct Request *request, GQueue *queue)
{
	if (request->queue)
		g_queue_unlink(request->queue, &request->link);
	request->queue = queue;
	request->link.data = request;
	if (queue)
		g_queue_push_tail_link(queue, &request->link);
}

void request_end(struct Request *request)
{
	struct Router *router = request->router;
	audit_call_end(&request->audit);
	request_queue(request, NULL);
	loop_timer_stop(&request->held_limit);
	questions_end_request(request);
	held_end_request(request);
	rounds_free(request->inputs);
	g_hash_table_remove(router->requests, request->key);
	if (request->batch)
		batch_drop(request->batch);
	size_t bytes = request->bytes;
	g_free(request->key);
	g_free(request->id);
	g_free(request->token);
	g_free(request->held);
	g_free(request->tool);
	g_free(request->item);
	g_free(request->digest);
	g_free(request);
	count(router, 0, bytes);
}

void request_stop_all(struct Router *router)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, router->requests);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct Request *request = value;
		audit_call_end(&request->audit);
		loop_timer_stop(&request->held_limit);
		request->call = NULL;
	}
}

struct Request *request_find(struct Router *router, struct JsonValue id)
{
	g_autofree char *key = request_key(id);
	return g_hash_table_lookup(router->requests, key);
}
