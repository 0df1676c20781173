/* The IDE's messages, one line each, and where they go.
 *
 * The IDE is trusted to be the user's, not to be right: every message is validated as a whole before
 * anything is done, and what is wrong is answered with the error that JSON-RPC or MCP prescribes. A request
 * whose _meta has the reserved members is modern, whatever came before it; any other is legacy and needs
 * `initialize` first. State between requests: those in flight (requests.c), the legacy session, the
 * subscriptions (lists.c), sign-ins under way (asking.c). */
#include "mux/internal.h"

#include "base/log.h"

struct Router *router_new(const struct RouterOptions *options)
{
	static const struct UpstreamHandlers handlers = {lists_state, lists_tools};
	struct Router *router = g_new0(struct Router, 1);
	router->options = *options;
	router->config = options->config;
	router->loop = options->upstream.loop;
	router->out = options->out;
	router->requests = g_hash_table_new(g_str_hash, g_str_equal);
	router->catalog = catalog_new(options->config);
	router->upstreams = g_ptr_array_new_with_free_func((GDestroyNotify)upstream_free);
	asking_init(router);
	g_queue_init(&router->parked);
	g_queue_init(&router->lists);
	g_queue_init(&router->held);
	g_queue_init(&router->listens);
	g_queue_init(&router->idle_listens);
	for (guint i = 0; i < router->config->connectors->len; i++) {
		const struct ConnectorConfig *connector = router->config->connectors->pdata[i];
		if (connector->enabled)
			g_ptr_array_add(router->upstreams, upstream_new(&router->options.upstream,
								   connector, &handlers, router));
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
	end_all(router);
	asking_release(router);
	g_hash_table_unref(router->requests);
	catalog_free(router->catalog);
	g_free(router->client_info);
	g_free(router);
}

void router_shutdown(struct Router *router)
{
	if (router->shut_down)
		return;
	lists_stop(router);
	parking_release(router);
	router->shut_down = true;
	asking_stop(router);
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_shutdown(router->upstreams->pdata[i]);
	request_stop_all(router);
}

void router_reread_credentials(struct Router *router)
{
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_reread_credential(router->upstreams->pdata[i]);
}

bool router_is_quiet(const struct Router *router)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		if (!upstream_is_quiet(router->upstreams->pdata[i]))
			return false;
	}
	return true;
}

static void cancel(struct Router *router, struct JsonValue params)
{
	struct JsonValue id = json_get(params.raw, "requestId");
	if (id.type != JSON_STRING && id.type != JSON_NUMBER)
		return;
	struct Request *request = request_find(router, id);
	if (!request) {
		parking_cancel(router, id);
		return;
	}
	if (request->call)
		upstream_call_cancel(g_steal_pointer(&request->call));
	request_end(request);
}

static void answer_ping(struct Router *router, const struct Incoming *incoming)
{
	struct Request *request = request_begin(router, incoming, "ping");
	if (request)
		answer_result(request, SLICE("{}"));
}

static void refuse(
	struct Router *router, const struct Incoming *incoming, int code, const char *message)
{
	answer_fault(router, incoming->batch, incoming->message.id.raw, code, message, NULL);
}

static void handle_modern(struct Router *router, const struct Incoming *incoming)
{
	const struct RpcMessage *message = &incoming->message;
	if (!ide_check_modern(router, incoming))
		return;
	/* Any request may be the first one, and a list waits for what is opening. */
	ide_open_upstreams(router, ERA_MODERN);
	if (rpc_method_is(message, "tools/call"))
		calls_request(router, incoming);
	else if (rpc_method_is(message, "tools/list"))
		lists_request(router, incoming);
	else if (rpc_method_is(message, "server/discover"))
		ide_discover(router, incoming);
	else if (rpc_method_is(message, "subscriptions/listen"))
		lists_listen(router, incoming);
	else
		refuse(router, incoming, RPC_METHOD_NOT_FOUND, "Method not found");
}

static void handle_legacy(struct Router *router, const struct Incoming *incoming)
{
	const struct RpcMessage *message = &incoming->message;
	if (rpc_method_is(message, "initialize"))
		ide_initialize(router, incoming);
	else if (rpc_method_is(message, "ping"))
		answer_ping(router, incoming);
	else if (!router->revision)
		refuse(router, incoming, RPC_INVALID_PARAMS,
			"neither `initialize` came before, nor has _meta " MCP_META_VERSION);
	else if (rpc_method_is(message, "tools/call"))
		calls_request(router, incoming);
	else if (rpc_method_is(message, "tools/list"))
		lists_request(router, incoming);
	else
		refuse(router, incoming, RPC_METHOD_NOT_FOUND, "Method not found");
}

static void handle_request(struct Router *router, struct Incoming *incoming)
{
	const char *why;
	if (!mcp_params_read(incoming->message.params, &incoming->params, &why)) {
		refuse(router, incoming, RPC_INVALID_PARAMS, why);
		return;
	}
	incoming->era = mcp_params_is_modern(&incoming->params) ? ERA_MODERN : ERA_LEGACY;
	if (incoming->era == ERA_MODERN && !rpc_method_is(&incoming->message, "initialize"))
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
		if (rpc_method_is(&incoming.message, "notifications/cancelled"))
			cancel(router, incoming.message.params);
		break;
	case RPC_RESULT:
	case RPC_ERROR:
		if (!asking_take_answer(router, &incoming.message))
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
