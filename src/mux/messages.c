/* What servers say unasked, with a call or without, and what the IDE says besides requests.
 *
 * A server is not trusted: only the messages that MCP knows pass, in the direction and to the IDE that may get them. */
#include "mux/internal.h"

#include "base/log.h"

void messages_pass(struct Router *router, const struct RpcMessage *message)
{
	if (message->text.len > router->config->mux.max_result)
		return;
	char *text = slice_dup(message->text);
	json_make_one_line(text, message->text.len);
	out_queue_take(router->out, text, 0, message->text.len);
	out_queue_end_message(router->out);
}

/* ---- servers ---- */

/* A log message passes where LEVEL (SYSLOG_LEVEL_NONE: any) and what is above it is wanted. A server may ignore the level,
 * and one that is asked for two IDEs may have another one. Those that come while the IDE does not read are lost. */
static void pass_log(
	struct Router *router, const struct RpcMessage *message, enum SyslogLevel wanted)
{
	enum SyslogLevel level = syslog_level_read(json_get(message->params.raw, "level"));
	if (level >= wanted && !router->output_high)
		messages_pass(router, message);
}

/* A server takes a request of its back. */
static void take_cancelled(
	struct Router *router, struct Upstream *up, const struct RpcMessage *message)
{
	if (!questions_cancelled(router, up, message->params))
		held_cancelled(router, up, message->params);
}

/* 2025-11-25: the IDE was asked to open a URL, and that is over. */
static void pass_completion(struct Router *router, const struct RpcMessage *message)
{
	if (router->can & CLIENT_CAN_ELICIT_URL)
		messages_pass(router, message);
}

/* What belongs to no request is for a legacy IDE, which has one session, but for what is watched; a modern one hears of
 * nothing else. */
bool messages_upstream(struct Upstream *up, const struct RpcMessage *message, void *user)
{
	struct Router *router = user;
	bool is_legacy = router->revision != NULL;
	if (message->kind == RPC_REQUEST)
		return is_legacy && questions_take(router, up, NULL, message);
	if (rpc_method_is(message, "notifications/resources/updated"))
		listen_updated(router, up, message);
	else if (rpc_method_is(message, "notifications/cancelled"))
		take_cancelled(router, up, message);
	else if (is_legacy && rpc_method_is(message, "notifications/message"))
		pass_log(router, message, router->log_level);
	else if (is_legacy && rpc_method_is(message, "notifications/elicitation/complete"))
		pass_completion(router, message);
	else
		log_debug(upstream_connector(up)->name, "a notification is for nobody");
	return true;
}

/* A modern IDE gets the log messages of its own request, and only if it asked for them (2026-07-28, "Logging"). */
static void pass_log_of(struct Request *request, const struct RpcMessage *message)
{
	if (request->era == ERA_LEGACY)
		pass_log(request->router, message, request->router->log_level);
	else if (request->log_level != SYSLOG_LEVEL_NONE)
		pass_log(request->router, message, request->log_level);
}

bool messages_call(struct Request *request, const struct RpcMessage *message)
{
	struct Router *router = request->router;
	struct Upstream *up = request->upstream;
	bool is_modern = request->era == ERA_MODERN;
	if (message->kind == RPC_REQUEST && is_modern)
		return held_take(request, message);
	if (message->kind == RPC_REQUEST)
		return questions_take(router, up, request, message);
	if (rpc_method_is(message, "notifications/message"))
		pass_log_of(request, message);
	else if (rpc_method_is(message, "notifications/resources/updated"))
		/* It is watched there, whichever session the call was in. */
		listen_updated(router, routing_upstream(router, upstream_connector(up)), message);
	else if (!is_modern || rpc_method_is(message, "notifications/cancelled"))
		messages_upstream(up, message, router);
	return true;
}

/* ---- the IDE ---- */

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
	listen_cancelled(request);
	request_end(request);
}

/* Legacy servers were told in `initialize` whether the IDE's roots may change. */
static void tell_roots(struct Router *router, const struct RpcMessage *message)
{
	if (!(router->can & CLIENT_CAN_TELL_ROOTS))
		return;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		unsigned offered = capabilities_read(slice_of(upstream_client(up, ERA_LEGACY)));
		if (offered & CLIENT_CAN_TELL_ROOTS)
			upstream_notify(
				up, "notifications/roots/list_changed", message->params.raw);
	}
	sessions_tell_roots(router, message->params.raw);
}

void messages_ide(struct Router *router, const struct RpcMessage *message)
{
	if (rpc_method_is(message, "notifications/cancelled"))
		cancel(router, message->params);
	else if (rpc_method_is(message, "notifications/progress"))
		questions_progress(router, message);
	else if (rpc_method_is(message, "notifications/roots/list_changed"))
		tell_roots(router, message);
	else if (!rpc_method_is(message, "notifications/initialized"))
		log_debug(NULL, "a notification of the IDE is not known");
}
