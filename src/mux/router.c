/* The IDE's messages, one line each, and where they go: requests by the table of methods.
 *
 * The IDE is trusted to be the user's, not to be right: every message is validated as a whole before
 * anything is done, and what is wrong is answered with the error that JSON-RPC or MCP prescribes. A request
 * whose _meta has the reserved members is modern, whatever came before it; any other is legacy and needs
 * `initialize` first. State between requests: those in flight (requests.c), the legacy session, the
 * subscriptions (listen.c), sign-ins under way (asking.c), servers' questions to the IDE (questions.c, held.c). */
#include "mux/internal.h"

#include "base/log.h"

struct Upstream *router_new_upstream(struct Router *router, const struct ConnectorConfig *connector)
{
	static const struct UpstreamHandlers handlers = {
		.state = lists_state,
		.tools = lists_tools,
		.items = lists_items,
		.message = messages_upstream,
	};
	return upstream_new(&router->options.upstream, connector, &handlers, router);
}

struct Router *router_new(const struct RouterOptions *options)
{
	struct Router *router = g_new0(struct Router, 1);
	router->options = *options;
	router->config = options->config;
	router->loop = options->upstream.loop;
	router->out = options->out;
	router->requests = g_hash_table_new(g_str_hash, g_str_equal);
	for (enum McpList list = MCP_TOOLS; list < MCP_LISTS; list++)
		router->catalogs[list] = catalog_new(options->config, list);
	catalog_set_pins(router->catalogs[MCP_TOOLS], options->pins);
	router->upstreams = g_ptr_array_new_with_free_func((GDestroyNotify)upstream_free);
	sessions_init(router);
	router->log_level = SYSLOG_LEVEL_NONE;
	asking_init(router);
	questions_init(router);
	held_init(router);
	resources_init(router);
	listen_init(router);
	reconfigure_init(router);
	g_queue_init(&router->parked);
	g_queue_init(&router->lists);
	g_queue_init(&router->held);
	for (guint i = 0; i < router->config->connectors->len; i++) {
		const struct ConnectorConfig *connector = router->config->connectors->pdata[i];
		if (connector->enabled)
			g_ptr_array_add(router->upstreams, router_new_upstream(router, connector));
	}
	return router;
}

static void end_all(struct Router *router)
{
	GHashTableIter iter;
	gpointer value;
	for (;;) {
		g_hash_table_iter_init(&iter, router->requests);
		if (!g_hash_table_iter_next(&iter, NULL, &value))
			return;
		request_end(value);
	}
}

void router_free(struct Router *router)
{
	if (!router)
		return;
	router_shutdown(router);
	g_ptr_array_unref(router->upstreams);
	sessions_release(router);
	end_all(router);
	listen_release(router);
	resources_release(router);
	held_release(router);
	owners_free(router->tasks);
	questions_release(router);
	asking_release(router);
	g_hash_table_unref(router->requests);
	for (enum McpList list = MCP_TOOLS; list < MCP_LISTS; list++)
		catalog_free(router->catalogs[list]);
	reconfigure_release(router);
	g_free(router->client_info);
	g_free(router->capabilities);
	g_free(router->legacy_capabilities);
	g_free(router);
}

static void each_upstream(struct Router *router, void (*function)(struct Upstream *up))
{
	for (guint i = 0; i < router->upstreams->len; i++)
		function(router->upstreams->pdata[i]);
	sessions_each(router, function);
}

void router_shutdown(struct Router *router)
{
	if (router->shut_down)
		return;
	lists_stop(router);
	reconfigure_stop(router);
	listen_stop(router);
	parking_release(router);
	router->shut_down = true;
	asking_stop(router);
	each_upstream(router, upstream_shutdown);
	request_stop_all(router);
}

void router_reread_credentials(struct Router *router)
{
	each_upstream(router, upstream_reread_credential);
}

bool router_is_quiet(const struct Router *router)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		if (!upstream_is_quiet(router->upstreams->pdata[i]))
			return false;
	}
	return sessions_are_quiet(router) && reconfigure_is_quiet(router);
}

/* ---- requests ---- */

static void take_ping(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	(void)message;
	(void)params;
	answer_result(request, SLICE("{}"));
}

enum { LEGACY = 1u << ERA_LEGACY, MODERN = 1u << ERA_MODERN, BOTH = LEGACY | MODERN };

static const struct Method methods[] = {
	{"tools/call", BOTH, calls_take, true, true},
	{"tools/list", BOTH, lists_take, false, false},
	{"prompts/get", BOTH, prompts_get, true, true},
	{"prompts/list", BOTH, lists_take, false, false},
	{"resources/read", BOTH, resources_read, true, true},
	{"resources/list", BOTH, lists_take, false, false},
	{"resources/templates/list", BOTH, lists_take, false, false},
	{"resources/subscribe", LEGACY, resources_subscribe, false, false},
	{"resources/unsubscribe", LEGACY, resources_unsubscribe, false, false},
	{"completion/complete", BOTH, prompts_complete, false, true},
	{"logging/setLevel", LEGACY, ide_set_level, false, false},
	{"ping", LEGACY, take_ping, false, false},
	{"server/discover", MODERN, ide_discover, false, false},
	{"subscriptions/listen", MODERN, listen_take, false, false},
	{"tasks/get", MODERN, tasks_take, false, true},
	{"tasks/update", MODERN, tasks_take, false, true},
	{"tasks/cancel", MODERN, tasks_take, false, true},
};

static const struct Method *find_method(const struct RpcMessage *message, enum Era era)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
		if ((methods[i].eras & (1u << era)) && rpc_method_is(message, methods[i].name))
			return &methods[i];
	}
	return NULL;
}

static void refuse(
	struct Router *router, const struct Incoming *incoming, int code, const char *message)
{
	answer_fault(router, incoming->batch, incoming->message.id.raw, code, message, NULL);
}

/* A retry that brings a handle of ours back. */
static void resume(struct Request *request, const struct Incoming *incoming)
{
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	size_t len;
	const struct Method *kind = request->kind;
	g_autofree char *text = resume_take(request, &incoming->message, &incoming->params, &len);
	if (!text)
		return;
	if (rpc_parse((struct Slice){text, len}, &message, NULL) &&
		mcp_params_read(message.params, &params, &why))
		kind->take(request, &message, &params);
	else
		g_warn_if_reached(); /* it is a part of what was read before */
}

static void begin(struct Router *router, const struct Incoming *incoming)
{
	const struct Method *kind = find_method(&incoming->message, incoming->era);
	if (!kind) {
		refuse(router, incoming, RPC_METHOD_NOT_FOUND, "Method not found");
		return;
	}
	struct Request *request = request_begin(router, incoming, kind);
	if (!request)
		return;
	if (kind->take != ide_discover)
		ide_place_lists(router);
	if (kind->audited)
		ide_open_now(router);
	if (kind->inputs && incoming->era == ERA_MODERN && ask_state_is_ours(&incoming->params))
		resume(request, incoming);
	else
		kind->take(request, &incoming->message, &incoming->params);
	if (kind->take != ide_discover)
		ide_open_soon(router);
}

static void handle_modern(struct Router *router, const struct Incoming *incoming)
{
	if (incoming->batch) {
		refuse(router, incoming, RPC_INVALID_REQUEST,
			"batches exist in revision 2025-03-26 alone");
		return;
	}
	if (!ide_check_modern(router, incoming))
		return;
	/* Any request may be the first one, and a list waits for what is opening. */
	ide_open_upstreams(router, ERA_MODERN, incoming->params.capabilities.raw);
	begin(router, incoming);
}

static void handle_legacy(struct Router *router, const struct Incoming *incoming)
{
	const struct RpcMessage *message = &incoming->message;
	if (rpc_method_is(message, "initialize"))
		ide_initialize(router, incoming);
	else if (!router->revision && !rpc_method_is(message, "ping"))
		refuse(router, incoming, RPC_INVALID_PARAMS,
			"neither `initialize` came before, nor has _meta " MCP_META_VERSION);
	else
		begin(router, incoming);
}

static void handle_request(struct Router *router, struct Incoming *incoming)
{
	const char *why;
	if (!mcp_params_read(incoming->message.params, &incoming->params, &why)) {
		refuse(router, incoming, RPC_INVALID_PARAMS, why);
		return;
	}
	incoming->era = mcp_params_is_modern(&incoming->params) ? ERA_MODERN : ERA_LEGACY;
	if (incoming->era == ERA_MODERN)
		handle_modern(router, incoming);
	else
		handle_legacy(router, incoming);
}

static void answer_unreadable(
	struct Router *router, struct Batch *batch, const struct RpcFault *fault)
{
	g_autofree char *text = NULL;
	if (fault->code == RPC_PARSE_ERROR)
		text = g_strdup_printf("Parse error at byte %zu: %s", fault->offset, fault->reason);
	else
		text = g_strdup_printf("Invalid Request: %s", fault->reason);
	answer_fault(router, batch, fault->id.raw, fault->code, text, NULL);
}

void router_message(struct Router *router, struct Slice text, struct Batch *batch)
{
	struct Incoming incoming = {.batch = batch};
	struct RpcFault fault;
	if (!rpc_parse(text, &incoming.message, &fault)) {
		answer_unreadable(router, batch, &fault);
		return;
	}
	switch (incoming.message.kind) {
	case RPC_REQUEST:
		handle_request(router, &incoming);
		break;
	case RPC_NOTIFICATION:
		messages_ide(router, &incoming.message);
		break;
	case RPC_RESULT:
	case RPC_ERROR:
		if (!asking_take_answer(router, &incoming.message) &&
			!questions_take_answer(router, &incoming.message))
			log_debug(NULL, "the IDE answers a request that was never made");
		break;
	case RPC_BATCH:
		if (!batch && router->revision && strcmp(router->revision, "2025-03-26") == 0)
			batch_line(router, incoming.message.text);
		else
			answer_fault(router, batch, (struct Slice){0}, RPC_INVALID_REQUEST,
				"batches exist in revision 2025-03-26 alone", NULL);
		break;
	}
}

void router_line(struct Router *router, char *bytes, size_t len)
{
	struct RpcMessage message;
	struct Slice line = {bytes, len};
	if (router->shut_down)
		return;
	if (parking_is_due(router) && rpc_parse(line, &message, NULL) &&
		parking_take(router, &message))
		return;
	router_message(router, line, NULL);
}

void router_set_output_pressure(struct Router *router, bool high)
{
	router->output_high = high;
	parking_check(router);
	if (!high)
		listen_resume(router);
}

void router_overlong(struct Router *router, struct Slice head)
{
	struct RpcMessage message;
	struct RpcFault fault = {0};
	/* The id is known only if it stands near the beginning. */
	(void)rpc_parse(head, &message, &fault);
	g_autofree char *text = g_strdup_printf("a message is longer than max_message (%zu MiB)",
		router->config->mux.max_message >> 20);
	answer_fault(router, NULL, fault.id.raw, RPC_INVALID_REQUEST, text, NULL);
}
