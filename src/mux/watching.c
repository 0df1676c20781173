/* Resources that were updated, and whose IDE is told of them.
 *
 * A resource is watched at the one upstream that serves it (resources.c), and what another one says of the same URI is not
 * for this IDE; nor is what the same one says of resources that nobody watches. Between the moment at which a server agrees
 * and the one at which the IDE may be told, an update is only remembered: it says nothing but that there was one. So is
 * one that comes while the IDE does not read, since a server could fill the memory with them else.
 *
 * A resource whose server leaves, or whose connector may not show it any more, is looked for anew, since another one may
 * have it now: then it is watched there, and the IDE is told once that it was updated. Else its watch ends, of which
 * neither era can be told.
 *
 * A legacy IDE's resources/subscribe is answered when the server has agreed. Requests that wait for that are in the queue
 * of their watch and in none else, so one that ends is in no place that still points to it. */
#include "mux/watching.h"

#include "base/error.h"

#include <string.h>

struct Watch *watch_new(struct Listens *listens, const char *uri)
{
	struct Watch *watch = g_new0(struct Watch, 1);
	watch->listens = listens;
	watch->uri = g_strdup(uri);
	g_queue_init(&watch->waiting);
	return watch;
}

void watch_free(void *data)
{
	struct Watch *watch = data;
	while (watch->waiting.head)
		request_queue(watch->waiting.head->data, NULL);
	if (watch->up)
		upstream_unwatch(watch->up, watch->uri, watch);
	g_free(watch->uri);
	g_free(watch);
}

/* ---- telling ---- */

static bool can_tell(const struct Listens *listens, const struct Listen *listen)
{
	return !listens->router->output_high && (!listen || listen->acknowledged);
}

/* `_meta` of a notice for LISTEN: its tag in place of the server's, and all other members that were there; for the legacy
 * IDE (LISTEN is NULL) without a tag. */
static char *write_meta(struct JsonValue meta, const struct Listen *listen)
{
	GString *out = g_string_new(NULL);
	struct JsonMember member;
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	if (listen)
		json_member_raw(&w, MCP_META_SUBSCRIPTION, slice_of(listen->request->id));
	JSON_FOR_EACH_MEMBER (member, meta.raw) {
		if (meta.type != JSON_OBJECT ||
			json_string_is(member.key, SLICE(MCP_META_SUBSCRIPTION)))
			continue;
		json_key_raw(&w, member.key);
		json_raw(&w, member.value.raw);
	}
	json_end_object(&w);
	return g_string_free(out, FALSE);
}

/* Sends MESSAGE, a notice of an update. */
static void pass(const struct Listens *listens, const struct Listen *listen,
	const struct RpcMessage *message)
{
	struct Router *router = listens->router;
	struct Slice params = message->params.raw;
	struct JsonValue meta = json_get(params, "_meta");
	bool tagged = json_get(meta.raw, MCP_META_SUBSCRIPTION).type != JSON_NONE;
	g_autofree char *value = write_meta(meta, listen);
	g_autofree char *member = g_strconcat("\"_meta\":", value, ",", NULL); /* there is a uri */
	struct Edits edits = {0};
	if (meta.type != JSON_NONE && (listen || tagged))
		edits_replace(&edits, message->text, meta.raw, slice_of(value));
	else if (listen)
		edits_replace(&edits, message->text, (struct Slice){params.data + 1, 0},
			slice_of(member));
	size_t len;
	char *text = edits_apply(&edits, message->text, &len);
	json_make_one_line(text, len);
	out_queue_take(router->out, text, 0, len);
	out_queue_end_message(router->out);
}

/* Tells of an update of the watch that was missed. */
static void tell_missed(struct Watch *watch)
{
	g_autoptr(GString) text = g_string_new(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"
		"\"uri\":");
	json_append_quoted(text, slice_of(watch->uri));
	g_string_append(text, "}}");
	struct RpcMessage message;
	watch->missed = false;
	if (rpc_parse((struct Slice){text->str, text->len}, &message, NULL))
		pass(watch->listens, watch->listen, &message);
	else
		g_warn_if_reached();
}

static void catch_up(struct Watch *watch)
{
	if (watch->missed && watch->agreed && can_tell(watch->listens, watch->listen))
		tell_missed(watch);
}

void watching_catch_up(struct Listens *listens, struct Listen *listen)
{
	GHashTableIter iter;
	gpointer value;
	for (guint i = 0; listen && i < listen->watches->len; i++)
		catch_up(listen->watches->pdata[i]);
	g_hash_table_iter_init(&iter, listens->subscribed);
	while (!listen && g_hash_table_iter_next(&iter, NULL, &value))
		catch_up(value);
}

/* ---- what a server says ---- */

/* Whether URI is the resource SUBSCRIBED or one below it (2026-07-28, schema, "ResourceUpdatedNotificationParams"). */
static bool covers(const char *subscribed, const char *uri)
{
	size_t n = strlen(subscribed);
	if (strncmp(subscribed, uri, n) != 0)
		return false;
	return uri[n] == '\0' || (n > 0 && subscribed[n - 1] == '/') || strchr("/?#", uri[n]);
}

/* Whether the update is for this watch; sees to that then. */
static bool take(struct Watch *watch, const struct Upstream *up, const char *uri,
	const struct RpcMessage *message)
{
	if (watch->up != up || !covers(watch->uri, uri))
		return false;
	if (watch->agreed && can_tell(watch->listens, watch->listen))
		pass(watch->listens, watch->listen, message);
	else
		watch->missed = true;
	return true;
}

static void take_legacy(struct Listens *listens, const struct Upstream *up, const char *uri,
	const struct RpcMessage *message)
{
	GHashTableIter iter;
	gpointer value = g_hash_table_lookup(listens->subscribed, uri);
	if (value && take(value, up, uri, message))
		return;
	g_hash_table_iter_init(&iter, listens->subscribed);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (take(value, up, uri, message))
			return;
	}
}

void listen_updated(struct Router *router, struct Upstream *up, const struct RpcMessage *message)
{
	static const char *const routed[] = {"uri", "_meta"};
	struct Listens *listens = router->listens;
	g_autofree char *uri = json_string_dup(json_get(message->params.raw, "uri"));
	if (!uri || message->text.len > router->config->mux.max_result ||
		json_has_duplicate(message->params.raw, routed, G_N_ELEMENTS(routed)))
		return;
	take_legacy(listens, up, uri, message);
	for (GList *link = listens->all.head; link; link = link->next) {
		const struct Listen *listen = link->data;
		for (guint i = 0; i < listen->watches->len; i++) {
			if (take(listen->watches->pdata[i], up, uri, message))
				break;
		}
	}
}

/* ---- servers that leave, resources that are not allowed any more ---- */

static bool must_move(const struct Watch *watch, const struct Upstream *up)
{
	if (!watch->up || up)
		return watch->up && watch->up == up;
	const struct ConnectorConfig *connector = upstream_connector(watch->up);
	return policy_name(connector, ALLOW_RESOURCES, watch->uri).verdict != VERDICT_EXPOSED;
}

static void move(struct Watch *watch)
{
	upstream_unwatch(watch->up, watch->uri, watch);
	watch->up = NULL;
	watch->missed = watch->missed || watch->agreed;
	watch->agreed = false;
	while (watch->waiting.head)
		answer_failure(watch->waiting.head->data,
			"The configuration does not allow this resource any more.");
}

static void move_legacy(struct Listens *listens, const struct Upstream *up)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, listens->subscribed);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct Watch *watch = value;
		if (!must_move(watch, up))
			continue;
		move(watch);
		if (!watch->missed) /* it never began */
			g_hash_table_iter_remove(&iter);
	}
}

void listen_leave(struct Router *router, const struct Upstream *up)
{
	struct Listens *listens = router->listens;
	move_legacy(listens, up);
	for (GList *link = listens->all.head; link; link = link->next) {
		const struct Listen *listen = link->data;
		for (guint i = 0; i < listen->watches->len; i++) {
			if (must_move(listen->watches->pdata[i], up))
				move(listen->watches->pdata[i]);
		}
	}
}

/* ---- a legacy IDE's subscriptions (2025-11-25, "Resources: Subscriptions") ---- */

static struct Watch *find_waiting(const struct Listens *listens, const struct Request *request)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, listens->subscribed);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct Watch *watch = value;
		if (request->queue == &watch->waiting)
			return watch;
	}
	return NULL;
}

/* Ends those that wait for WATCH, and it: WORDS or ERROR_OBJECT say why. */
static void fail(struct Watch *watch, const char *words, struct Slice error_object)
{
	struct Listens *listens = watch->listens;
	GQueue waiting = G_QUEUE_INIT;
	while (watch->waiting.head)
		request_queue(watch->waiting.head->data, &waiting);
	g_hash_table_remove(listens->subscribed, watch->uri);
	while (waiting.head) {
		if (error_object.len > 0)
			answer_error_raw(waiting.head->data, error_object);
		else
			answer_failure(waiting.head->data, words);
	}
}

static void fail_with(struct Watch *watch, const GError *error, struct Slice error_object)
{
	const struct Router *router = watch->listens->router;
	g_autofree char *words = answer_words(router, upstream_connector(watch->up), error);
	fail(watch, words, error_object);
}

static void on_subscribed(const GError *error, struct Slice error_object, void *user)
{
	struct Watch *watch = user;
	if (error) {
		g_autofree char *words =
			answer_words(watch->listens->router, upstream_connector(watch->up), error);
		watch->up = NULL; /* it has ended by itself */
		fail(watch, words, error_object);
		return;
	}
	watch->agreed = true;
	while (watch->waiting.head)
		answer_result(watch->waiting.head->data, SLICE("{}"));
	catch_up(watch);
}

static void on_limit(void *user)
{
	struct Request *request = user;
	g_autoptr(GError) error = g_error_new_literal(
		MUX_ERROR, MUX_ERROR_TIMEOUT, "it did not answer the subscription in time");
	g_autofree char *words =
		answer_words(request->router, upstream_connector(request->upstream), error);
	watching_cancelled(request->router->listens, request);
	answer_failure(request, words);
}

static void wait_for(struct Watch *watch, struct Request *request)
{
	struct Router *router = request->router;
	request->upstream = watch->up;
	request_queue(request, &watch->waiting);
	loop_timer_start(router->loop, &request->held_limit, router->config->mux.call_timeout_ms,
		on_limit, request);
}

void listen_subscribe(struct Request *request, struct Upstream *up, const char *uri)
{
	struct Listens *listens = request->router->listens;
	struct Watch *watch = g_hash_table_lookup(listens->subscribed, uri);
	forward_reopen(request, up); /* it may be back */
	if (watch && watch->up != up) {
		fail(watch, "Another server has this resource meanwhile.", (struct Slice){0});
		watch = NULL;
	}
	if (watch && watch->agreed) {
		answer_result(request, SLICE("{}"));
		return;
	}
	if (!watch && g_hash_table_size(listens->subscribed) >= WATCHES_MAX) {
		answer_error(request, RPC_INTERNAL_ERROR, "too many subscriptions");
		return;
	}
	if (!watch) {
		watch = watch_new(listens, uri);
		watch->up = up;
		g_hash_table_insert(listens->subscribed, watch->uri, watch);
		upstream_watch(up, uri, on_subscribed, watch);
	}
	wait_for(watch, request);
	watching_settle(listens);
}

void listen_unsubscribe(struct Request *request, const char *uri)
{
	struct Watch *watch = g_hash_table_lookup(request->router->listens->subscribed, uri);
	if (watch)
		fail(watch, "It was unsubscribed meanwhile.", (struct Slice){0});
	answer_result(request, SLICE("{}"));
}

/* Those of the legacy IDE for which FUNCTION is true, for g_ptr_array_unref. */
static GPtrArray *select_watches(
	const struct Listens *listens, bool (*function)(const struct Watch *watch))
{
	GPtrArray *selected = g_ptr_array_new();
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, listens->subscribed);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		if (function(value))
			g_ptr_array_add(selected, value);
	}
	return selected;
}

/* Whether nothing will come of WATCH soon. */
static bool is_hopeless(const struct Watch *watch)
{
	if (!watch->waiting.head)
		return false;
	enum UpstreamState state = upstream_state(watch->up);
	return state == UPSTREAM_SIGNED_OUT || state == UPSTREAM_FAILED;
}

static bool is_lost(const struct Watch *watch)
{
	return !watch->up;
}

static void find_again(struct Watch *watch)
{
	struct Upstream *awaited;
	watch->up = resources_find(watch->listens->router, watch->uri, &awaited);
	if (watch->up)
		upstream_watch(watch->up, watch->uri, on_subscribed, watch);
	else if (!awaited)
		g_hash_table_remove(watch->listens->subscribed, watch->uri);
}

void watching_settle(struct Listens *listens)
{
	g_autoptr(GPtrArray) lost = select_watches(listens, is_lost);
	for (guint i = 0; i < lost->len; i++)
		find_again(lost->pdata[i]);
	g_autoptr(GPtrArray) hopeless = select_watches(listens, is_hopeless);
	for (guint i = 0; i < hopeless->len; i++) {
		struct Watch *watch = hopeless->pdata[i];
		fail_with(watch, upstream_error(watch->up), (struct Slice){0});
	}
}

void watching_cancelled(struct Listens *listens, struct Request *request)
{
	struct Watch *watch = find_waiting(listens, request);
	if (!watch)
		return;
	request_queue(request, NULL);
	if (!watch->waiting.head)
		g_hash_table_remove(listens->subscribed, watch->uri);
}
