/* demo-metrics: measurements of services as an MCP server of the handshake era (up to 2025-11-25) in its simplest
 * form: no session, no stream, plain JSON. Every request must carry an API key, in `X-API-Key` or as a bearer; the
 * key that it accepts is the first line of its standard input. */
#include "server.h"

enum { MAX_KEY_BYTES = 256 };

static char key[MAX_KEY_BYTES];

struct Metric {
	const char *service, *name, *value;
};

static const struct Metric metrics[] = {
	{"checkout", "error_rate", "0.2 %"},
	{"checkout", "latency_p99", "310 ms"},
	{"ledger", "error_rate", "0.0 %"},
	{"search", "error_rate", "4.1 %"},
};

static const char tools_json[] =
	"[{\"name\":\"list_metrics\",\"title\":\"List metrics\","
	"\"description\":\"What is measured, by service\","
	"\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}},"
	"{\"name\":\"query\",\"title\":\"Query a metric\","
	"\"description\":\"The present value of one metric of a service\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"service\":{\"type\":\"string\"},"
	"\"metric\":{\"type\":\"string\"}},\"required\":[\"service\",\"metric\"]},"
	"\"annotations\":{\"readOnlyHint\":true}}]";

static void call_list(struct JsonWriter *w)
{
	g_autoptr(GString) text = g_string_new(NULL);

	for (size_t i = 0; i < G_N_ELEMENTS(metrics); i++)
		g_string_append_printf(
			text, "%s%s of %s", i ? "; " : "", metrics[i].name, metrics[i].service);
	demo_tool_text(w, text->str, false);
}

static void call_query(struct JsonWriter *w, const char *service, const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(metrics); i++) {
		const struct Metric *metric = &metrics[i];
		if (g_strcmp0(metric->service, service) == 0 &&
			g_strcmp0(metric->name, name) == 0) {
			g_autofree char *text =
				g_strdup_printf("%s of %s: %s", name, service, metric->value);
			demo_tool_text(w, text, false);
			return;
		}
	}
	demo_tool_text(w, "Not measured; list_metrics knows what is", true);
}

static GString *answer_call(const struct RpcMessage *message)
{
	struct JsonValue arguments = json_get(message->params.raw, "arguments");
	g_autofree char *tool = json_string_dup(json_get(message->params.raw, "name"));
	g_autofree char *service = json_string_dup(json_get(arguments.raw, "service"));
	g_autofree char *metric = json_string_dup(json_get(arguments.raw, "metric"));
	struct JsonWriter w;

	if (g_strcmp0(tool, "list_metrics") != 0 && g_strcmp0(tool, "query") != 0)
		return demo_error(message->id, RPC_INVALID_PARAMS, "Unknown tool", NULL);
	demo_begin_result(&w, message->id);
	if (strcmp(tool, "query") == 0)
		call_query(&w, service, metric);
	else
		call_list(&w);
	return demo_end(&w);
}

static GString *answer_request(const struct RpcMessage *message)
{
	struct JsonWriter w;

	if (rpc_method_is(message, "initialize"))
		return demo_initialize(message, "demo-metrics",
			"What the services of the catalogue do now.", false);
	if (rpc_method_is(message, "tools/call"))
		return answer_call(message);
	if (!rpc_method_is(message, "tools/list") && !rpc_method_is(message, "ping"))
		return demo_error(message->id, RPC_METHOD_NOT_FOUND, "Method not found", NULL);
	demo_begin_result(&w, message->id);
	if (rpc_method_is(message, "tools/list"))
		json_member_raw(&w, "tools", slice_of(tools_json));
	return demo_end(&w);
}

static bool has_key(const struct DemoRequest *request)
{
	const char *bearer = demo_header(request, "Authorization");

	if (g_strcmp0(demo_header(request, "X-API-Key"), key) == 0)
		return true;
	return bearer && g_str_has_prefix(bearer, "Bearer ") && strcmp(bearer + 7, key) == 0;
}

static enum MHD_Result handle(const struct DemoRequest *request)
{
	struct RpcMessage message;
	struct RpcFault fault;

	if (!has_key(request))
		return demo_json(request, MHD_HTTP_UNAUTHORIZED,
			g_string_new("{\"error\":\"An API key is needed\"}"));
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
	return demo_json(request, MHD_HTTP_OK, answer_request(&message));
}

int main(void)
{
	if (!fgets(key, sizeof(key), stdin) || strcspn(key, "\n") == 0) {
		fprintf(stderr, "demo-metrics: give it the key on standard input\n");
		return 2;
	}
	key[strcspn(key, "\n")] = '\0';
	return demo_serve(&(struct DemoServer){.handler = handle});
}
