/* tools/list and the notices that it changed.
 *
 * A list waits for upstreams that are still opening, at most until list_timeout after they were told to
 * open; then it is answered without them, and they are announced when they arrive. A list that was given
 * is kept true: whatever changes it later is announced, changes that come together once. */
#include "mux/internal.h"

/* ---- lists ---- */

/* Whether an upstream may still add its tools soon. */
static bool is_awaited(struct Upstream *up)
{
	return !upstream_is_settled(up) && !upstream_tools(up);
}

static int64_t wait_left_ms(const struct Router *router)
{
	int64_t until = router->opened_us + (int64_t)router->config->mux.list_timeout_ms * 1000;
	return (until - g_get_monotonic_time()) / 1000;
}

static bool must_wait(const struct Router *router)
{
	if (wait_left_ms(router) <= 0)
		return false;
	for (guint i = 0; i < router->upstreams->len; i++) {
		if (is_awaited(router->upstreams->pdata[i]))
			return true;
	}
	return false;
}

/* The least that any part of the list stays fresh; none while a part is missing. */
static int64_t list_ttl_ms(const struct Router *router)
{
	int64_t least = G_MAXINT64;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (upstream_state(up) == UPSTREAM_SIGNED_OUT && !upstream_tools(up))
			continue;
		int64_t fresh = upstream_tools(up) ? upstream_tools_fresh_ms(up) : 0;
		least = MIN(least, fresh);
	}
	return least == G_MAXINT64 ? 0 : least;
}

static void answer_list(struct Request *request)
{
	struct Router *router = request->router;
	bool modern = request->era == ERA_MODERN;
	struct Slice items = catalog_render(router->catalog, !modern);
	g_autoptr(GString) out = g_string_sized_new(items.len + 1024);
	g_string_append_printf(out, "{%s\"tools\":[", answer_result_prefix(request->era));
	g_string_append_len(out, items.data, (gssize)items.len);
	builtin_append(router, out, items.len == 0);
	g_string_append_c(out, ']');
	if (modern)
		g_string_append_printf(out,
			",\"ttlMs\":%" G_GINT64_FORMAT ",\"cacheScope\":\"private\",\"_meta\":{"
			"\"" MCP_META_SERVER_INFO "\":" MCP_IMPLEMENTATION "}",
			list_ttl_ms(router));
	g_string_append_c(out, '}');
	if (out->len > router->config->mux.max_result)
		answer_error(request, RPC_INTERNAL_ERROR,
			"the list of tools is larger than max_result; expose fewer of them");
	else
		answer_result(request, (struct Slice){out->str, out->len});
	router->listed = true;
	loop_timer_stop(&router->changed); /* the IDE has it now */
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_refresh_stale_tools(router->upstreams->pdata[i]);
}

static void answer_waiting(struct Router *router)
{
	loop_timer_stop(&router->list_deadline);
	while (router->lists.head)
		answer_list(router->lists.head->data);
}

static void on_list_deadline(void *user)
{
	answer_waiting(user);
}

void lists_request(struct Router *router, const struct Incoming *incoming)
{
	struct Request *request = request_begin(router, incoming, "tools/list");
	if (!request)
		return;
	enum JsonType cursor = incoming->params.cursor.type;
	if (cursor != JSON_NONE && cursor != JSON_NULL) {
		answer_error(request, RPC_INVALID_PARAMS, "unknown cursor: the list has one page");
		return;
	}
	if (!must_wait(router)) {
		answer_list(request);
		return;
	}
	request_queue(request, &router->lists);
	loop_timer_start(router->loop, &router->list_deadline, (unsigned)wait_left_ms(router) + 1,
		on_list_deadline, router);
}

/* ---- notices ---- */

/* The notice of one subscription, tagged with its id (2026-07-28, "Receiving Notifications"). */
static void notify_listen(struct Request *listen)
{
	g_autofree char *text = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\",\"params\":{"
		"\"_meta\":{\"" MCP_META_SUBSCRIPTION "\":%s}}}",
		listen->id);
	answer_notify(listen->router, slice_of(text));
}

static void on_changed(void *user)
{
	struct Router *router = user;
	if (router->revision && router->listed)
		answer_notify(router, SLICE("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/"
					    "list_changed\"}"));
	for (GList *link = router->listens.head; link; link = link->next)
		notify_listen(link->data);
}

static void on_settle(void *user)
{
	struct Router *router = user;
	if (!must_wait(router))
		answer_waiting(router);
	calls_release_held(router);
}

void lists_state(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	if (!router->shut_down)
		asking_state(router, upstream);
	if (!router->shut_down && !router->settle.loop)
		loop_timer_start(router->loop, &router->settle, 0, on_settle, router);
}

void lists_tools(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	if (!catalog_set(router->catalog, upstream_connector(upstream), upstream_tools(upstream)))
		return;
	if ((router->listed || router->listens.length > 0) && !router->changed.loop)
		loop_timer_start(
			router->loop, &router->changed, CHANGED_PAUSE_MS, on_changed, router);
}

/* ---- subscriptions/listen ---- */

void lists_listen(struct Router *router, const struct Incoming *incoming)
{
	struct JsonValue filter = incoming->params.notifications;
	struct Request *request = request_begin(router, incoming, "subscriptions/listen");
	if (!request)
		return;
	if (filter.type != JSON_OBJECT) {
		answer_error(request, RPC_INVALID_PARAMS, "params.notifications must be an object");
		return;
	}
	bool tools = json_get(filter.raw, "toolsListChanged").type == JSON_TRUE;
	g_autofree char *text = g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
						"subscriptions/acknowledged\",\"params\":{"
						"\"_meta\":{\"" MCP_META_SUBSCRIPTION
						"\":%s},\"notifications\":{%s}}}",
		request->id, tools ? "\"toolsListChanged\":true" : "");
	answer_notify(router, slice_of(text));
	/* A subscription to nothing stays open like any other: it is the IDE's to end. */
	request_queue(request, tools ? &router->listens : &router->idle_listens);
}

/* Ends a subscription from our side (2026-07-28, "Graceful Closure" and "Cancellation"). */
void lists_end_listen(struct Request *request)
{
	struct Router *router = request->router;
	g_autofree char *result = g_strdup_printf(
		"{\"resultType\":\"complete\",\"_meta\":{\"" MCP_META_SUBSCRIPTION "\":%s}}",
		request->id);
	g_autofree char *cancelled =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
				"cancelled\",\"params\":{\"requestId\":%s}}",
			request->id);
	answer_result(request, slice_of(result));
	answer_notify(router, slice_of(cancelled));
}

void lists_stop(struct Router *router)
{
	loop_timer_stop(&router->open);
	loop_timer_stop(&router->list_deadline);
	loop_timer_stop(&router->settle);
	loop_timer_stop(&router->changed);
	while (router->listens.head)
		lists_end_listen(router->listens.head->data);
	while (router->idle_listens.head)
		lists_end_listen(router->idle_listens.head->data);
}
