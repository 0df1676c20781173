/* demo-portal: a small internal developer portal as an MCP server of revision 2026-07-28 alone: no
 * session, every request on its own with its metadata in `_meta` and mirrored in headers. It knows three
 * services; get_scorecard answers as a stream with progress, everything else as plain JSON. */
#include "modern.h"

struct Service {
	const char *name, *team, *tier, *language, *on_call;
	bool has_runbook, has_alerts, has_owner;
};

static const struct Service services[] = {
	{"checkout", "payments", "tier-1", "Go", "Ada", true, true, true},
	{"ledger", "payments", "tier-1", "Java", "Grace", true, false, true},
	{"search", "discovery", "tier-2", "Rust", "Edsger", false, true, true},
};

static const char tools_json[] =
	"[{\"name\":\"create_incident\",\"title\":\"Create incident\","
	"\"description\":\"Open an incident for a service and page its on-call engineer\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"service\":{\"type\":\"string\"},"
	"\"title\":{\"type\":\"string\"}},\"required\":[\"service\",\"title\"]},"
	"\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":false}},"
	"{\"name\":\"get_scorecard\",\"title\":\"Service scorecard\","
	"\"description\":\"Check a service against the production readiness rules\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},"
	"\"required\":[\"name\"]},\"annotations\":{\"readOnlyHint\":true}},"
	"{\"name\":\"get_service\",\"title\":\"Get service\","
	"\"description\":\"Owner, tier, language and on-call engineer of one service\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},"
	"\"required\":[\"name\"]},\"annotations\":{\"readOnlyHint\":true}},"
	"{\"name\":\"list_services\",\"title\":\"List services\","
	"\"description\":\"The services of the catalogue\","
	"\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}}]";

static gint incidents;

static const struct Service *find_service(const char *name)
{
	for (size_t i = 0; name && i < G_N_ELEMENTS(services); i++)
		if (strcmp(services[i].name, name) == 0)
			return &services[i];
	return NULL;
}

/* --- tools --- */

static void write_service(struct JsonWriter *w, const struct Service *service)
{
	json_begin_object(w);
	json_member_string(w, "name", service->name);
	json_member_string(w, "team", service->team);
	json_member_string(w, "tier", service->tier);
	json_member_string(w, "language", service->language);
	json_member_string(w, "onCall", service->on_call);
	json_end_object(w);
}

static void call_list_services(struct JsonWriter *w)
{
	g_autoptr(GString) text = g_string_new("Services:");

	for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
		g_string_append_printf(
			text, "%s %s (%s)", i ? "," : "", services[i].name, services[i].team);
	demo_tool_text(w, text->str, false);
	json_key(w, "structuredContent");
	json_begin_object(w);
	json_key(w, "services");
	json_begin_array(w);
	for (size_t i = 0; i < G_N_ELEMENTS(services); i++)
		write_service(w, &services[i]);
	json_end_array(w);
	json_end_object(w);
}

static void call_get_service(struct JsonWriter *w, const struct Service *service)
{
	g_autofree char *text = g_strdup_printf(
		"%s belongs to %s, is %s, written in %s; on call: %s", service->name, service->team,
		service->tier, service->language, service->on_call);

	demo_tool_text(w, text, false);
	json_key(w, "structuredContent");
	write_service(w, service);
}

static void call_create_incident(
	struct JsonWriter *w, const struct Service *service, const char *title)
{
	int number = g_atomic_int_add(&incidents, 1) + 1;
	g_autofree char *text = g_strdup_printf("INC-%d opened for %s: %s; %s was paged", number,
		service->name, title ? title : "untitled", service->on_call);

	demo_tool_text(w, text, false);
}

/* --- the scorecard: a stream with one progress notification a rule --- */

struct Scorecard {
	struct DemoStream *stream;
	const struct Service *service;
	char *id; /* of the request, raw JSON */
	char *token; /* the caller's progress token, raw JSON; NULL: wants no progress */
};

static GString *progress(const char *token, int done, int total, const char *message)
{
	struct JsonWriter w;

	json_writer_init(&w, g_string_new(NULL));
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "method", "notifications/progress");
	json_key(&w, "params");
	json_begin_object(&w);
	json_member_raw(&w, "progressToken", slice_of(token));
	json_member_int(&w, "progress", done);
	json_member_int(&w, "total", total);
	json_member_string(&w, "message", message);
	return demo_end(&w);
}

static void *run_scorecard(void *user)
{
	struct Scorecard *card = user;
	const struct {
		const char *name;
		bool passed;
	} rules[] = {
		{"has an owner", card->service->has_owner},
		{"has a runbook", card->service->has_runbook},
		{"has alerts", card->service->has_alerts},
	};
	int total = G_N_ELEMENTS(rules), passed = 0;
	g_autoptr(GString) text = g_string_new(NULL);
	struct JsonWriter w;

	for (int i = 0; i < total && !demo_stream_is_closed(card->stream); i++) {
		passed += rules[i].passed;
		g_string_append_printf(text, "%s%s: %s", i ? "; " : "", rules[i].name,
			rules[i].passed ? "yes" : "no");
		if (card->token)
			demo_stream_send(
				card->stream, progress(card->token, i + 1, total, rules[i].name));
		g_usleep(20 * 1000);
	}
	g_string_append_printf(text, " (%d of %d)", passed, total);
	modern_begin_result(&w, (struct JsonValue){JSON_STRING, slice_of(card->id)});
	demo_tool_text(&w, text->str, false);
	demo_stream_send(card->stream, demo_end(&w));
	demo_stream_end(card->stream);

	demo_stream_unref(card->stream);
	g_free(card->id);
	g_free(card->token);
	g_free(card);
	return NULL;
}

static enum MHD_Result answer_scorecard(const struct DemoRequest *request,
	const struct RpcMessage *message, const struct Service *service)
{
	struct JsonValue meta = json_get(message->params.raw, "_meta");
	struct JsonValue token = json_get(meta.raw, "progressToken");
	struct DemoStream *stream = demo_stream_new();
	struct Scorecard *card = g_new0(struct Scorecard, 1);

	card->stream = demo_stream_ref(stream);
	card->service = service;
	card->id = slice_dup(message->id.raw);
	card->token = token.type == JSON_NONE ? NULL : slice_dup(token.raw);
	g_thread_unref(g_thread_new("scorecard", run_scorecard, card));
	enum MHD_Result queued = demo_stream(request, stream);
	demo_stream_unref(stream);
	return queued;
}

static enum MHD_Result answer_call(
	const struct DemoRequest *request, const struct RpcMessage *message)
{
	struct JsonValue arguments = json_get(message->params.raw, "arguments");
	g_autofree char *tool = json_string_dup(json_get(message->params.raw, "name"));
	g_autofree char *name = json_string_dup(json_get(
		arguments.raw, g_strcmp0(tool, "create_incident") == 0 ? "service" : "name"));
	g_autofree char *title = json_string_dup(json_get(arguments.raw, "title"));
	const struct Service *service = find_service(name);
	bool lists = g_strcmp0(tool, "list_services") == 0;
	bool gets = g_strcmp0(tool, "get_service") == 0;
	bool checks = g_strcmp0(tool, "get_scorecard") == 0;
	bool creates = g_strcmp0(tool, "create_incident") == 0;
	struct JsonWriter w;

	if (!lists && !gets && !checks && !creates)
		return demo_json(request, MHD_HTTP_OK,
			demo_error(message->id, RPC_INVALID_PARAMS, "Unknown tool", NULL));
	if (service && checks)
		return answer_scorecard(request, message, service);

	modern_begin_result(&w, message->id);
	if (lists)
		call_list_services(&w);
	else if (!service)
		demo_tool_text(&w, "No such service; list_services knows them", true);
	else if (gets)
		call_get_service(&w, service);
	else
		call_create_incident(&w, service, title);
	return demo_json(request, MHD_HTTP_OK, demo_end(&w));
}

static enum MHD_Result handle(const struct DemoRequest *request)
{
	static const struct ModernServer portal = {
		.name = "demo-portal",
		.instructions = "The catalogue of services, their owners and incidents.",
		.tools_json = tools_json,
		.call = answer_call,
	};

	return modern_answer(request, &portal);
}

int main(void)
{
	return demo_serve(&(struct DemoServer){.handler = handle});
}
