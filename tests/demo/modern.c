#include "modern.h"

#include "format/mcp_header.h"

#define REVISION "2026-07-28"
#define META "io.modelcontextprotocol/"

void modern_begin_result(struct JsonWriter *w, struct JsonValue id)
{
	demo_begin_result(w, id);
	json_member_string(w, "resultType", "complete");
}

/* --- what every request must carry --- */

static bool header_is(const struct DemoRequest *request, const char *name, const char *wanted)
{
	const char *value = demo_header(request, name);
	return value && strcmp(value, wanted) == 0;
}

/* The error that the metadata deserves, NULL if it is right. */
static GString *check_metadata(const struct DemoRequest *request, const struct RpcMessage *message)
{
	struct JsonValue meta = json_get(message->params.raw, "_meta");
	g_autofree char *version = json_string_dup(json_get(meta.raw, META "protocolVersion"));
	g_autofree char *method = json_string_dup((struct JsonValue){JSON_STRING, message->method});

	if (!version || strcmp(version, REVISION) != 0) {
		g_autoptr(GString) data =
			g_string_new("{\"supported\":[\"" REVISION "\"],\"requested\":");
		json_append_quoted(data, slice_of(version ? version : "none"));
		g_string_append_c(data, '}');
		return demo_error(message->id, RPC_UNSUPPORTED_VERSION,
			"This server speaks MCP " REVISION " alone", data->str);
	}
	if (!header_is(request, "MCP-Protocol-Version", version))
		return demo_error(message->id, RPC_HEADER_MISMATCH,
			"MCP-Protocol-Version is not what _meta says", NULL);
	if (!method || !header_is(request, "Mcp-Method", method))
		return demo_error(
			message->id, RPC_HEADER_MISMATCH, "Mcp-Method is not the method", NULL);
	if (json_get(meta.raw, META "clientInfo").type != JSON_OBJECT ||
		json_get(meta.raw, META "clientCapabilities").type != JSON_OBJECT)
		return demo_error(message->id, RPC_INVALID_PARAMS,
			"_meta lacks clientInfo or clientCapabilities", NULL);
	if (rpc_method_is(message, "tools/call")) {
		g_autofree char *tool = json_string_dup(json_get(message->params.raw, "name"));
		g_autoptr(GString) encoded = g_string_new(NULL);
		mcp_header_encode(slice_of(tool), encoded);
		if (!header_is(request, "Mcp-Name", encoded->str))
			return demo_error(
				message->id, RPC_HEADER_MISMATCH, "Mcp-Name is not the tool", NULL);
	}
	return NULL;
}

/* --- what it answers --- */

static enum MHD_Result answer_discover(const struct DemoRequest *request,
	const struct RpcMessage *message, const struct ModernServer *server)
{
	struct JsonWriter w;

	modern_begin_result(&w, message->id);
	json_member_raw(&w, "supportedVersions", SLICE("[\"" REVISION "\"]"));
	json_member_raw(&w, "capabilities", SLICE("{\"tools\":{\"listChanged\":true}}"));
	json_member_string(&w, "instructions", server->instructions);
	json_member_int(&w, "ttlMs", 60 * 1000);
	json_member_string(&w, "cacheScope", "private");
	json_key(&w, "_meta");
	json_begin_object(&w);
	json_key(&w, META "serverInfo");
	json_begin_object(&w);
	json_member_string(&w, "name", server->name);
	json_member_string(&w, "version", "1.0");
	json_end_object(&w);
	json_end_object(&w);
	return demo_json(request, MHD_HTTP_OK, demo_end(&w));
}

static enum MHD_Result answer_list(const struct DemoRequest *request,
	const struct RpcMessage *message, const struct ModernServer *server)
{
	struct JsonWriter w;

	modern_begin_result(&w, message->id);
	json_member_raw(&w, "tools", slice_of(server->tools_json));
	json_member_int(&w, "ttlMs", 60 * 1000);
	json_member_string(&w, "cacheScope", "private");
	return demo_json(request, MHD_HTTP_OK, demo_end(&w));
}

/* The list of tools never changes, so after the acknowledgement nothing but keep-alives follows. */
static enum MHD_Result answer_listen(
	const struct DemoRequest *request, const struct RpcMessage *message)
{
	struct JsonValue filter = json_get(message->params.raw, "notifications");
	bool tools = json_get(filter.raw, "toolsListChanged").type == JSON_TRUE;
	struct DemoStream *stream = demo_stream_new();
	struct JsonWriter w;

	json_writer_init(&w, g_string_new(NULL));
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "method", "notifications/subscriptions/acknowledged");
	json_key(&w, "params");
	json_begin_object(&w);
	json_key(&w, "_meta");
	json_begin_object(&w);
	json_member_raw(&w, META "subscriptionId", message->id.raw);
	json_end_object(&w);
	json_member_raw(
		&w, "notifications", tools ? SLICE("{\"toolsListChanged\":true}") : SLICE("{}"));
	demo_stream_send(stream, demo_end(&w));
	enum MHD_Result queued = demo_stream(request, stream);
	demo_stream_unref(stream);
	return queued;
}

enum MHD_Result modern_answer(const struct DemoRequest *request, const struct ModernServer *server)
{
	struct RpcMessage message;
	struct RpcFault fault;

	if (strcmp(request->method, "POST") != 0)
		return demo_answer(
			request, MHD_HTTP_METHOD_NOT_ALLOWED, NULL, NULL, "Allow", "POST");
	if (!rpc_parse(request->body, &message, &fault))
		return demo_json(request, MHD_HTTP_BAD_REQUEST,
			demo_error(fault.id, fault.code, fault.reason, NULL));
	if (message.kind == RPC_NOTIFICATION)
		return demo_answer(request, MHD_HTTP_ACCEPTED, NULL, NULL, NULL, NULL);
	if (message.kind != RPC_REQUEST)
		return demo_json(request, MHD_HTTP_BAD_REQUEST,
			demo_error(message.id, RPC_INVALID_REQUEST, "Send requests, one at a time",
				NULL));

	GString *fault_answer = check_metadata(request, &message);
	if (fault_answer)
		return demo_json(request, MHD_HTTP_BAD_REQUEST, fault_answer);
	if (rpc_method_is(&message, "server/discover"))
		return answer_discover(request, &message, server);
	if (rpc_method_is(&message, "tools/list"))
		return answer_list(request, &message, server);
	if (rpc_method_is(&message, "tools/call"))
		return server->call(request, &message);
	if (rpc_method_is(&message, "subscriptions/listen"))
		return answer_listen(request, &message);
	return demo_json(request, MHD_HTTP_NOT_FOUND,
		demo_error(message.id, RPC_METHOD_NOT_FOUND, "Method not found", NULL));
}
