/* tools/list, prompts/list, resources/list, resources/templates/list.
 *
 * A list waits for upstreams that are still to be heard of, at most until list_timeout after they were told to
 * open, or joined by an edit of the configuration, and no longer than that altogether; then it is answered without them,
 * and they are announced when they arrive. Tools are always fetched, the other lists from the time on that the IDE first
 * wants them: for these the time counts from then. A list that was given is kept true: whatever changes it later is
 * announced (listen.c). */
#include "mux/internal.h"

/* Files of pins are written when the lists that come together were answered. */
enum { KEEP_PINS_MS = 50 };

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

/* Of list_timeout, counted from then. */
static int64_t left_ms(const struct Router *router, int64_t since_us)
{
	int64_t until = since_us + (int64_t)router->config->mux.list_timeout_ms * 1000;
	return (until - g_get_monotonic_time()) / 1000;
}

/* For which a list may still wait for UP. */
static int64_t wait_left_ms(const struct Router *router, struct Upstream *up, enum McpList list)
{
	if (upstream_is_listed(up, list) || lists_has(up, list))
		return 0;
	const int64_t *joined_us = g_hash_table_lookup(router->joined, up);
	int64_t since_us = MAX(joined_us ? *joined_us : 0, router->opened_us);
	return left_ms(router, MAX(since_us, router->wanted_us[list]));
}

struct Upstream *lists_find_awaited(const struct Router *router, enum McpList list)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		if (wait_left_ms(router, router->upstreams->pdata[i], list) > 0)
			return router->upstreams->pdata[i];
	}
	return NULL;
}

void lists_joined(struct Router *router, struct Upstream *up)
{
	int64_t now_us = g_get_monotonic_time();
	g_hash_table_insert(router->joined, up, g_memdup2(&now_us, sizeof now_us));
	for (enum McpList list = MCP_PROMPTS; list < MCP_LISTS; list++) {
		if (router->wanted_us[list] != 0)
			upstream_want(up, list);
	}
}

/* For which REQUEST may still wait; 0 or less: its list is as complete as it will be soon. */
static int64_t request_left_ms(const struct Request *request)
{
	const struct Router *router = request->router;
	int64_t left = 0;
	for (guint i = 0; i < router->upstreams->len; i++)
		left = MAX(left, wait_left_ms(router, router->upstreams->pdata[i], request->list));
	return MIN(left, left_ms(router, request->since_us));
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
	int64_t least = G_MAXINT64;
	loop_timer_stop(&router->list_deadline);
	for (guint n = router->lists.length; n > 0 && router->lists.head; n--) {
		struct Request *request = router->lists.head->data;
		request_queue(request, &router->lists); /* to its end */
		int64_t left = request_left_ms(request);
		if (left > 0)
			least = MIN(least, left);
		else
			answer_list(request);
	}
	if (router->lists.head)
		loop_timer_start(router->loop, &router->list_deadline, (unsigned)least + 1,
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
	request->since_us = g_get_monotonic_time();
	if (request_left_ms(request) <= 0) {
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

void lists_settle_soon(struct Router *router)
{
	if (!router->settle.loop && !router->shut_down)
		loop_timer_start(router->loop, &router->settle, 0, on_settle, router);
}

void lists_state(struct Upstream *upstream, void *user)
{
	lists_session_state(upstream, user);
	lists_settle_soon(user);
}

static void on_other_tools(struct Router *router)
{
	listen_changed(router, MCP_TOOLS);
	calls_recheck(router);
}

void lists_renew_tools(struct Router *router)
{
	if (catalog_reconfigure(router->catalogs[MCP_TOOLS]))
		on_other_tools(router);
}

static void on_keep_pins(void *user)
{
	struct Router *router = user;
	if (pins_keep(router->options.pins))
		lists_renew_tools(router);
}

void lists_keep_pins(struct Router *router)
{
	if (router->options.pins && !router->keep_pins.loop && !router->shut_down)
		loop_timer_start(
			router->loop, &router->keep_pins, KEEP_PINS_MS, on_keep_pins, router);
}

void lists_tools(struct Upstream *upstream, void *user)
{
	struct Router *router = user;
	lists_keep_pins(router);
	if (catalog_set(router->catalogs[MCP_TOOLS], upstream_connector(upstream),
		    upstream_tools(upstream)))
		on_other_tools(router);
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
	if (!router->keep_pins.loop)
		return;
	loop_timer_stop(&router->keep_pins);
	(void)pins_keep(router->options.pins);
}
