/* demo-tracker [SECONDS]: an issue tracker as an MCP server of revision 2026-07-28 that wants to know who calls. Its
 * own authorization server (login.c) gives access tokens that last SECONDS (an hour by default) and says on
 * stderr what it does. SIGUSR1 makes it forget the access tokens that it gave. */
#include "login.h"
#include "modern.h"

struct Issue {
	char *title;
	bool open;
};

/* Used under this lock. */
static GMutex lock;
static GPtrArray *issues; /* struct Issue */

static const char tools_json[] =
	"[{\"name\":\"close_issue\",\"title\":\"Close issue\","
	"\"description\":\"Close an issue by its number\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"number\":{\"type\":\"integer\"}},"
	"\"required\":[\"number\"]},"
	"\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":false,\"idempotentHint\":true}"
	"},"
	"{\"name\":\"create_issue\",\"title\":\"Create issue\","
	"\"description\":\"Write down a new issue\","
	"\"inputSchema\":{\"type\":\"object\",\"properties\":{\"title\":{\"type\":\"string\"}},"
	"\"required\":[\"title\"]},"
	"\"annotations\":{\"readOnlyHint\":false,\"destructiveHint\":false}},"
	"{\"name\":\"list_issues\",\"title\":\"List issues\","
	"\"description\":\"The issues that are open\","
	"\"inputSchema\":{\"type\":\"object\"},\"annotations\":{\"readOnlyHint\":true}}]";

static void add_issue(const char *title)
{
	struct Issue *issue = g_new0(struct Issue, 1);

	issue->title = g_strdup(title);
	issue->open = true;
	g_ptr_array_add(issues, issue);
}

static char *list_issues(void)
{
	GString *text = g_string_new(NULL);

	for (guint i = 0; i < issues->len; i++) {
		const struct Issue *issue = issues->pdata[i];
		if (issue->open)
			g_string_append_printf(
				text, "%s#%u %s", text->len ? "; " : "", i + 1, issue->title);
	}
	return g_string_free(text, FALSE);
}

/* What TOOL says; NULL if there is none of that name or an argument is missing. */
static char *run_tool(const char *tool, struct Slice arguments)
{
	g_autofree char *title = json_string_dup(json_get(arguments, "title"));
	struct JsonValue number = json_get(arguments, "number");

	if (g_strcmp0(tool, "list_issues") == 0)
		return list_issues();
	if (g_strcmp0(tool, "create_issue") == 0 && title) {
		add_issue(title);
		return g_strdup_printf("Created #%u: %s", issues->len, title);
	}
	if (g_strcmp0(tool, "close_issue") == 0 && number.type == JSON_NUMBER) {
		g_autofree char *text = slice_dup(number.raw);
		guint64 n = g_ascii_strtoull(text, NULL, 10);
		if (n < 1 || n > issues->len)
			return g_strdup("There is no such issue");
		((struct Issue *)issues->pdata[n - 1])->open = false;
		return g_strdup_printf("Closed #%" G_GUINT64_FORMAT, n);
	}
	return NULL;
}

static enum MHD_Result answer_call(
	const struct DemoRequest *request, const struct RpcMessage *message)
{
	g_autofree char *tool = json_string_dup(json_get(message->params.raw, "name"));
	struct JsonWriter w;

	g_mutex_lock(&lock);
	g_autofree char *text = run_tool(tool, json_get(message->params.raw, "arguments").raw);
	g_mutex_unlock(&lock);
	if (!text)
		return demo_json(request, MHD_HTTP_OK,
			demo_error(message->id, RPC_INVALID_PARAMS,
				"Unknown tool, or an argument is missing", NULL));
	modern_begin_result(&w, message->id);
	demo_tool_text(&w, text, false);
	return demo_json(request, MHD_HTTP_OK, demo_end(&w));
}

static enum MHD_Result handle(const struct DemoRequest *request)
{
	static const struct ModernServer tracker = {
		.name = "demo-tracker",
		.instructions = "The issues of the team.",
		.tools_json = tools_json,
		.call = answer_call,
	};

	return login_admits(request) ? modern_answer(request, &tracker) : login_refuse(request);
}

int main(int argc, char **argv)
{
	issues = g_ptr_array_new();
	add_issue("Checkout times out on Mondays");
	add_issue("The search index is a day old");
	login_start(argc > 1 ? (unsigned)g_ascii_strtoull(argv[1], NULL, 10) : 3600);
	return demo_serve(&(struct DemoServer){
		.handler = handle, .elsewhere = login_answer, .change = login_expire_all});
}
