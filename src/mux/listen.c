/* Notices to the IDE: lists that changed, and the subscriptions in which a modern one hears of them and of resources
 * (watching.c).
 *
 * A legacy IDE has one session and hears what it could know of: lists that it was given, resources that it subscribed to. A
 * modern one opens subscriptions and hears in each, tagged with its id, what that one opted in for.
 *
 * A subscription is acknowledged before anything else is sent in it, with what was agreed: so the acknowledgement waits for
 * the upstreams' answers, list_timeout at most; what comes later is left out, and what happens meanwhile is told right
 * after it. */
#include "mux/watching.h"

enum { LISTENS_MAX = 100 }; /* at once */

void listen_init(struct Router *router)
{
	struct Listens *listens = g_new0(struct Listens, 1);
	listens->router = router;
	g_queue_init(&listens->all);
	listens->subscribed = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, watch_free);
	router->listens = listens;
}

static void listen_free(struct Listens *listens, struct Listen *listen)
{
	loop_timer_stop(&listen->limit);
	g_queue_unlink(&listens->all, &listen->link);
	g_ptr_array_unref(listen->watches);
	g_free(listen);
}

void listen_release(struct Router *router)
{
	g_hash_table_unref(router->listens->subscribed);
	g_free(router->listens);
}

/* ---- lists that changed ---- */

/* Resources and their templates share a notice. */
static unsigned bits_of(enum McpList list)
{
	return list == MCP_RESOURCES ? 1u << MCP_RESOURCES | 1u << MCP_TEMPLATES : 1u << list;
}

static void tell(const struct Listen *listen, enum McpList list)
{
	g_autofree char *text =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"%s\",\"params\":{\"_meta\":{"
				"\"" MCP_META_SUBSCRIPTION "\":%s}}}",
			mcp_lists[list].changed, listen->request->id);
	answer_notify(listen->request->router, slice_of(text));
}

static void announce(struct Listens *listens, enum McpList list, unsigned changed)
{
	struct Router *router = listens->router;
	if (router->revision && (listens->given & changed)) {
		g_autofree char *text = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"%s\"}", mcp_lists[list].changed);
		answer_notify(router, slice_of(text));
	}
	for (GList *link = listens->all.head; link; link = link->next) {
		struct Listen *listen = link->data;
		if (!(listen->kinds & 1u << list))
			continue;
		if (listen->acknowledged)
			tell(listen, list);
		else
			listen->missed |= 1u << list;
	}
}

static void on_announce(void *user)
{
	struct Listens *listens = user;
	/* They are announced when the IDE reads again. */
	if (listens->router->output_high)
		return;
	unsigned changed = listens->changed;
	listens->changed = 0;
	for (enum McpList list = MCP_TOOLS; list < MCP_TEMPLATES; list++) {
		if (changed & bits_of(list))
			announce(listens, list, changed & bits_of(list));
	}
}

static void announce_soon(struct Listens *listens)
{
	struct Router *router = listens->router;
	if (listens->changed != 0 && !listens->announce.loop && !router->shut_down)
		loop_timer_start(
			router->loop, &listens->announce, CHANGED_PAUSE_MS, on_announce, listens);
}

void listen_changed(struct Router *router, enum McpList list)
{
	struct Listens *listens = router->listens;
	if (listens->all.length == 0 && !(listens->given & 1u << list))
		return;
	listens->changed |= 1u << list;
	announce_soon(listens);
}

void listen_given(struct Router *router, enum McpList list)
{
	router->listens->given |= 1u << list;
	router->listens->changed &= ~(1u << list);
}

void listen_resume(struct Router *router)
{
	struct Listens *listens = router->listens;
	announce_soon(listens);
	watching_catch_up(listens, NULL);
	for (GList *link = listens->all.head; link; link = link->next)
		watching_catch_up(listens, link->data);
}

/* ---- a modern IDE's subscriptions ---- */

static void write_acknowledgement(GString *out, const struct Listen *listen)
{
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "method", "notifications/subscriptions/acknowledged");
	json_key(&w, "params");
	json_begin_object(&w);
	json_key(&w, "_meta");
	json_begin_object(&w);
	json_member_raw(&w, MCP_META_SUBSCRIPTION, slice_of(listen->request->id));
	json_end_object(&w);
	json_key(&w, "notifications");
	json_begin_object(&w);
	for (enum McpList list = MCP_TOOLS; list < MCP_TEMPLATES; list++) {
		if (listen->kinds & 1u << list)
			json_member_bool(&w, mcp_lists[list].filter, true);
	}
	if (listen->watches->len > 0) {
		json_key(&w, "resourceSubscriptions");
		json_begin_array(&w);
		for (guint i = 0; i < listen->watches->len; i++) {
			const struct Watch *watch = listen->watches->pdata[i];
			json_cstring(&w, watch->uri);
		}
		json_end_array(&w);
	}
	json_end_object(&w);
	json_end_object(&w);
	json_end_object(&w);
}

/* All that is watched is agreed. */
static void acknowledge(struct Listen *listen)
{
	struct Router *router = listen->request->router;
	g_autoptr(GString) out = g_string_new(NULL);
	listen->acknowledged = true;
	loop_timer_stop(&listen->limit);
	write_acknowledgement(out, listen);
	answer_notify(router, (struct Slice){out->str, out->len});
	for (enum McpList list = MCP_TOOLS; list < MCP_TEMPLATES; list++) {
		if (listen->missed & 1u << list)
			tell(listen, list);
	}
	watching_catch_up(router->listens, listen);
}

static void on_limit(void *user)
{
	struct Listen *listen = user;
	for (guint i = listen->watches->len; i > 0; i--) {
		const struct Watch *watch = listen->watches->pdata[i - 1];
		if (!watch->agreed)
			g_ptr_array_remove_index(listen->watches, i - 1);
	}
	acknowledge(listen);
}

/* Acknowledges it if nothing is open any more. */
static void check(struct Listen *listen)
{
	for (guint i = 0; i < listen->watches->len; i++) {
		const struct Watch *watch = listen->watches->pdata[i];
		if (!watch->agreed)
			return;
	}
	if (!listen->acknowledged)
		acknowledge(listen);
}

static void on_watched(const GError *error, struct Slice error_object, void *user)
{
	struct Watch *watch = user;
	struct Listen *listen = watch->listen;
	(void)error_object;
	watch->agreed = !error;
	if (error) {
		watch->up = NULL; /* it has ended by itself */
		g_ptr_array_remove(listen->watches, watch);
	}
	if (listen->acknowledged)
		watching_catch_up(listen->request->router->listens, listen);
	else
		check(listen);
}

/* Begins to watch the resource of WATCH; false if nobody has it. */
static bool find_server(struct Watch *watch)
{
	struct Upstream *awaited = NULL;
	watch->up = resources_find(watch->listens->router, watch->uri, &awaited);
	if (watch->up)
		upstream_watch(watch->up, watch->uri, on_watched, watch);
	return watch->up || awaited;
}

/* Finds who serves the resources that are still open, or were lost, as far as that is known by now. */
static void find_servers(struct Listen *listen)
{
	for (guint i = 0; i < listen->watches->len;) {
		struct Watch *watch = listen->watches->pdata[i];
		if (watch->up || find_server(watch))
			i++;
		else
			g_ptr_array_remove_index(listen->watches, i);
	}
	check(listen);
}

void listen_settle(struct Router *router)
{
	for (GList *link = router->listens->all.head; link; link = link->next)
		find_servers(link->data);
	watching_settle(router->listens);
}

/* Reads resourceSubscriptions; false if it is no array of strings, or too long. */
static bool read_resources(struct Listen *listen, struct JsonValue uris)
{
	struct JsonMember item;
	if (uris.type == JSON_NONE)
		return true;
	if (uris.type != JSON_ARRAY)
		return false;
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	JSON_FOR_EACH_MEMBER (item, uris.raw) {
		g_autofree char *uri = json_string_dup(item.value);
		if (!uri || listen->watches->len >= WATCHES_MAX)
			return false;
		if (g_hash_table_contains(seen, uri))
			continue;
		struct Watch *watch = watch_new(listen->request->router->listens, uri);
		watch->listen = listen;
		g_hash_table_add(seen, watch->uri);
		g_ptr_array_add(listen->watches, watch);
	}
	return true;
}

static void want_lists(struct Router *router, const struct Listen *listen)
{
	if (listen->kinds & 1u << MCP_PROMPTS)
		lists_want(router, MCP_PROMPTS);
	if (listen->kinds & 1u << MCP_RESOURCES) {
		lists_want(router, MCP_RESOURCES);
		lists_want(router, MCP_TEMPLATES);
	}
}

void listen_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	struct Router *router = request->router;
	struct Listens *listens = router->listens;
	struct JsonValue filter = params->notifications;
	(void)message;
	if (filter.type != JSON_OBJECT) {
		answer_error(request, RPC_INVALID_PARAMS, "params.notifications must be an object");
		return;
	}
	if (listens->all.length >= LISTENS_MAX) {
		answer_error(request, RPC_INTERNAL_ERROR, "too many subscriptions are open");
		return;
	}
	struct Listen *listen = g_new0(struct Listen, 1);
	listen->request = request;
	listen->watches = g_ptr_array_new_with_free_func(watch_free);
	listen->link.data = listen;
	g_queue_push_tail_link(&listens->all, &listen->link);
	for (enum McpList list = MCP_TOOLS; list < MCP_TEMPLATES; list++) {
		if (json_get(filter.raw, mcp_lists[list].filter).type == JSON_TRUE)
			listen->kinds |= 1u << list;
	}
	if (!read_resources(listen, json_get(filter.raw, "resourceSubscriptions"))) {
		listen_free(listens, listen);
		g_autofree char *text = g_strdup_printf(
			"resourceSubscriptions must be an array of at most %d strings",
			WATCHES_MAX);
		answer_error(request, RPC_INVALID_PARAMS, text);
		return;
	}
	want_lists(router, listen);
	loop_timer_start(router->loop, &listen->limit, router->config->mux.list_timeout_ms,
		on_limit, listen);
	find_servers(listen);
}

static struct Listen *find(const struct Listens *listens, const struct Request *request)
{
	for (GList *link = listens->all.head; link; link = link->next) {
		struct Listen *listen = link->data;
		if (listen->request == request)
			return listen;
	}
	return NULL;
}

void listen_cancelled(struct Request *request)
{
	struct Listens *listens = request->router->listens;
	struct Listen *listen = find(listens, request);
	if (listen)
		listen_free(listens, listen);
	else
		watching_cancelled(listens, request);
}

static void end(struct Listens *listens, struct Listen *listen)
{
	struct Router *router = listens->router;
	struct Request *request = listen->request;
	if (!listen->acknowledged)
		on_limit(listen);
	g_autofree char *result = g_strdup_printf(
		"{\"resultType\":\"complete\",\"_meta\":{\"" MCP_META_SUBSCRIPTION "\":%s}}",
		request->id);
	g_autofree char *cancelled =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
				"cancelled\",\"params\":{\"requestId\":%s}}",
			request->id);
	listen_free(listens, listen);
	answer_result(request, slice_of(result));
	answer_notify(router, slice_of(cancelled));
}

void listen_stop(struct Router *router)
{
	struct Listens *listens = router->listens;
	loop_timer_stop(&listens->announce);
	while (listens->all.head)
		end(listens, listens->all.head->data);
	g_hash_table_remove_all(listens->subscribed);
}
