/* tools/list, prompts/list, resources/list, resources/templates/list.
 *
 * A list waits for upstreams that are still to be heard of, at most until list_timeout after they were told to
 * open; then it is answered without them, and they are announced when they arrive. Tools are always fetched, the other
 * lists from the time on that the IDE first wants them: for these the time counts from then. A list that was given is kept
 * true: whatever changes it later is announced (listen.c). */
#include "mux/internal.h"

bool lists_has(const struct Upstream *up, enum McpList list)
{
	return list == MCP_TOOLS ? upstream_tools(up) != NULL : upstream_items(up, list) != NULL;
}

void lists_want(struct Router *router, enum McpList list)
{
	if (list == MCP_TOOLS || router->wanted_us[list] != 0)
		return;
	router->wanted_us[list] = g_get_monotonic_time();
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_want(router->upstreams->pdata[i], list);
}

static int64_t wait_left_ms(const struct Router *router, enum McpList list)
{
	int64_t since = MAX(router->opened_us, router->wanted_us[list]);
	int64_t until = since + (int64_t)router->config->mux.list_timeout_ms * 1000;
	return (until - g_get_monotonic_time()) / 1000;
}

struct Upstream *lists_find_awaited(const struct Router *router, enum McpList list)
{
	if (wait_left_ms(router, list) <= 0)
		return NULL;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (!upstream_is_listed(up, list) && !lists_has(up, list))
			return up;
	}
	return NULL;
}

static bool must_wait(const struct Router *router, enum McpList list)
{
	return lists_find_awaited(router, list) != NULL;
}

/* Whether UP has that list at all: one that it does not offer is empty for good. */
static bool offers(const struct Upstream *up, enum McpList list)
{
	static const enum UpstreamOffer needed[MCP_LISTS] = {
		[MCP_TOOLS] = UPSTREAM_TOOLS,
		[MCP_PROMPTS] = UPSTREAM_PROMPTS,
		[MCP_RESOURCES] = UPSTREAM_RESOURCES,
		[MCP_TEMPLATES] = UPSTREAM_RESOURCES,
	};
	return upstream_offers(up) & needed[list];
}

/* The least that any part of the list stays fresh; none while a part is missing. */
static int64_t ttl_ms(const struct Router *router, enum McpList list)
{
	int64_t least = G_MAXINT64;
	for (guint i = 0; i < router->upstreams->len; i++) {
		const struct Upstream *up = router->upstreams->pdata[i];
		bool known = lists_has(up, list);
		bool is_out = upstream_state(up) == UPSTREAM_SIGNED_OUT;
		if (known ? !offers(up, list) : is_out)
			continue;
		int64_t fresh = known ? upstream_fresh_ms(up, list) : 0;
		least = MIN(least, fresh);
	}
	return least == G_MAXINT64 ? 0 : least;
}

static void answer_list(struct Request *request)
{
	struct Router *router = request->router;
	enum McpList list = request->list;
	bool modern = request->era == ERA_MODERN;
	struct Slice items = catalog_render(router->catalogs[list], !modern);
	g_autoptr(GString) out = g_string_sized_new(items.len + 1024);
	g_string_append_printf(
		out, "{%s\"%s\":[", answer_result_prefix(request->era), mcp_lists[list].member);
	g_string_append_len(out, items.data, (gssize)items.len);
	if (list == MCP_TOOLS)
		builtin_append(router, out, items.len == 0);
	g_string_append_c(out, ']');
	if (modern)
		g_string_append_printf(out,
			",\"ttlMs\":%" G_GINT64_FORMAT ",\"cacheScope\":\"private\",\"_meta\":{"
			"\"" MCP_META_SERVER_INFO "\":" MCP_IMPLEMENTATION "}",
			ttl_ms(router, list));
	g_string_append_c(out, '}');
	if (out->len > router->config->mux.max_result) {
		g_autofree char *text = g_strdup_printf(
			"the list of %s is larger than max_result; expose fewer of them",
			mcp_lists[list].member);
		answer_error(request, RPC_INTERNAL_ERROR, text);
	} else {
		answer_result(request, (struct Slice){out->str, out->len});
	}
	listen_given(router, list); /* of one that was too large a change is news, too */
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_refresh_stale(router->upstreams->pdata[i], list);
}

/* Answers the lists for which nothing more has to be waited, and sets the clock for the others. */
static void answer_waiting(void *user)
{
	struct Router *router = user;
	int64_t left = G_MAXINT64;
	loop_timer_stop(&router->list_deadline);
	for (guint n = router->lists.length; n > 0 && router->lists.head; n--) {
		struct Request *request = router->lists.head->data;
		request_queue(request, &router->lists); /* to its end */
		if (must_wait(router, request->list))
			left = MIN(left, wait_left_ms(router, request->list));
		else
			answer_list(request);
	}
	if (router->lists.head)
		loop_timer_start(router->loop, &router->list_deadline, (unsigned)left + 1,
			answer_waiting, router);
}

void lists_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	struct Router *router = request->router;
	enum JsonType cursor = params->cursor.type;
	(void)message;
	while (strcmp(mcp_lists[request->list].method, request->method) != 0)
		request->list++;
	if (cursor != JSON_NONE && cursor != JSON_NULL) {
		answer_error(request, RPC_INVALID_PARAMS, "unknown cursor: the list has one page");
		return;
	}
	lists_want(router, request->list);
	if (!must_wait(router, request->list)) {
		answer_list(request);
		return;
	}
	request_queue(request, &router->lists);
	answer_waiting(router);
}

/* ---- upstreams ---- */

static void on_settle(void *user)
{
	answer_waiting(user);
	forward_release_held(user);
	listen_settle(user);
}

void lists_session_state(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	if (router->shut_down)
		return;
	asking_state(router, upstream);
	if (upstream_state(upstream) != UPSTREAM_READY) {
		questions_end_upstream(router, upstream);
		held_end_upstream(router, upstream);
	}
}

void lists_state(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	lists_session_state(upstream, user);
	if (!router->settle.loop && !router->shut_down)
		loop_timer_start(router->loop, &router->settle, 0, on_settle, router);
}

void lists_tools(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	if (catalog_set(router->catalogs[MCP_TOOLS], upstream_connector(upstream),
		    upstream_tools(upstream)))
		listen_changed(router, MCP_TOOLS);
}

void lists_items(struct Upstream *upstream, enum McpList list, void *user)
{
	struct Router *router = user;
	if (catalog_set_items(router->catalogs[list], upstream_connector(upstream),
		    upstream_items(upstream, list)))
		listen_changed(router, list);
}

void lists_stop(struct Router *router)
{
	loop_timer_stop(&router->open);
	loop_timer_stop(&router->list_deadline);
	loop_timer_stop(&router->settle);
}
