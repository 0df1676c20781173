/* resources/list, resources/templates/list, resources/read: what is shown, and whose a URI is. */
#include "items_fixture.h"

#define MODERN_READ(id, uri) MODERN(id, "resources/read", ",\"uri\":\"" uri "\"")
#define LINK(uri) "{\"type\":\"resource_link\",\"uri\":\"" uri "\",\"name\":\"n\"}"
#define EMBEDDED(uri) "{\"type\":\"resource\",\"resource\":{\"text\":\"\",\"uri\":\"" uri "\"}}"
#define ADD(id, connector) LEGACY(id, "tools/call", "\"name\":\"" connector "__add\"")

/* A legacy IDE before these servers of the legacy era, whose resources and templates are known. */
struct Part {
	const char *tools, *resources, *templates;
};

static void open_all(struct Ide *ide, const char *ini, const struct Part *parts, unsigned n)
{
	ide_init(ide, ini);
	ide_initialize(ide, "2025-11-25");
	ide_say(ide, LEGACY("\"open\"", "resources/list", ""));
	for (unsigned i = 0; i < n; i++) {
		peer_serve_initialize(&ide->peers[i], "2025-11-25", NULL,
			parts[i].resources ? OFFERS_QUIET : QUIET_TOOLS);
		peer_serve_tools(&ide->peers[i], parts[i].tools);
	}
	for (unsigned i = 0; i < n; i++) {
		if (parts[i].resources)
			peer_serve_list(&ide->peers[i], MCP_RESOURCES, parts[i].resources);
	}
	g_free(ide_answer(ide, "\"open\""));
	ide_say(ide, LEGACY("\"templates\"", "resources/templates/list", ""));
	for (unsigned i = 0; i < n; i++) {
		if (parts[i].resources)
			peer_serve_list(&ide->peers[i], MCP_TEMPLATES, parts[i].templates);
	}
	g_free(ide_answer(ide, "\"templates\""));
}

#define OPEN(ide, ini, ...)                                                                        \
	do {                                                                                       \
		static const struct Part parts_of_it[] = {__VA_ARGS__};                            \
		open_all((ide), (ini), parts_of_it, G_N_ELEMENTS(parts_of_it));                    \
	} while (0)

/* The tool `add` of peer N answers with RESULT. */
static void name_by_result(struct Ide *ide, unsigned n, const char *call, const char *result)
{
	ide_say(ide, call);
	hit_result(peer_await(&ide->peers[n], "tools/call"), result);
	g_free(ide_answer(ide, "\"call\""));
}

/* ---- lists ---- */

static void test_lists_of_all(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, NATIVE("@0") CONNECTOR("b", "@1") CONNECTOR("c", "@2"),
		{"", RESOURCE("n:1"), ""},
		{"", RESOURCE("x:2") "," RESOURCE("n:1") "," RESOURCE("x:1"), TEMPLATE("b:{x}")},
		{"", NULL, NULL});
	ide_expect_list(&ide, MCP_RESOURCES, "n:1 x:1 x:2 ");
	ide_expect_list(&ide, MCP_TEMPLATES, "b:{x} ");
	ide_expect_modern_list(&ide, MCP_RESOURCES, "n:1 x:1 x:2 ");
	ide_say(&ide, MODERN("1", "resources/templates/list", ""));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "{\"resultType\":\"complete\",\"resourceTemplates\":[{\"uriTemplate\":"
			   "\"b:{x}\",\"name\":\"n\"}],\"ttlMs\":0,\"cacheScope\":\"private\"");
	peer_expect_nothing(&ide.peers[2]);
	ide_release(&ide);
}

static void test_what_is_not_allowed_is_not_listed(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, "[connector:a]\nurl = @0\nauth = none\nallowed_resources = x:pub/*, y:{id}\n",
		{"", RESOURCE("x:pub/1") "," RESOURCE("x:1") "," RESOURCE("x:pub/../1"),
			TEMPLATE("y:{id}") "," TEMPLATE("y:{+all}") "," TEMPLATE("x:pub/{p}")});
	ide_expect_list(&ide, MCP_RESOURCES, "x:pub/1 ");
	ide_expect_list(&ide, MCP_TEMPLATES, "x:pub/{p} y:{id} ");
	ide_release(&ide);
}

/* ---- reading ---- */

static void test_bytes_pass_both_ways(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"), {"", RESOURCE("x:\\u00e4"), ""},
		{"", "", ""});
	ide_say(&ide, LEGACY("1", "resources/read", "\"z\":1.0, \"uri\":\"\\u0078:\\u00E4\""));
	struct Hit *hit = peer_await(&ide.peers[0], "resources/read");
	assert_has(hit->body, "\"params\":{\"z\":1.0, \"uri\":\"\\u0078:\\u00E4\"}");
	hit_result(hit, "{ \"contents\":[{\"uri\":\"x:\",\"text\":\"\\/\"}],\"y\":1.0 }");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer,
		"\"result\":{ \"contents\":[{\"uri\":\"x:\",\"text\":\"\\/\"}],\"y\":1.0 }");
	ide_release(&ide);
}

static void test_wrong_uris(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0"), {"", "", ""});
	ide_exchange(&ide, LEGACY("1", "resources/read", ""), "1", "-32602");
	ide_exchange(&ide, LEGACY("1", "resources/read", "\"uri\":5"), "1", "-32602");
	ide_exchange(&ide, READ("1", "x:\\ud800"), "1", "-32602");
	ide_exchange(&ide, READ("1", "x:\\u0000"), "1", "-32602");
	ide_exchange(&ide, READ("1", "x:1\",\"uri\":\"x:2"), "1", "-32602");
	ide_exchange(&ide, LEGACY("1", "resources/subscribe", ""), "1", "-32602");
	ide_exchange(&ide, LEGACY("1", "resources/unsubscribe", "\"uri\":[]"), "1", "-32602");
	g_autofree char *longest = g_strnfill(8 * 1024, 'x');
	expect_reader(&ide, longest, 0);
	g_autofree char *text = g_strdup_printf(READ("1", "%sx"), longest);
	ide_exchange(&ide, text, "1", "params.uri is too long");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_a_modern_servers_resource(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN_READ("1", "x:1"));
	ide_serve(&ide, 0, ERA_MODERN, OFFERS_QUIET);
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	struct Hit *hit = peer_await(&ide.peers[0], "resources/read");
	assert_header(hit, "Mcp-Method", "resources/read");
	assert_header(hit, "Mcp-Name", "x:1");
	hit_result(hit, "{\"resultType\":\"complete\",\"contents\":[],\"ttlMs\":5,\"cacheScope\":"
			"\"public\"}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"resultType\":\"complete\",\"contents\":[],\"ttlMs\":5,"
			   "\"cacheScope\":\"public\"}");
	ide_release(&ide);
}

/* A modern IDE gets what its revision demands, whatever of it is there already. */
static void test_caching_hints_for_a_modern_ide(void **state)
{
	(void)state;
	static const char *const results[][2] = {
		{"{\"contents\":[]}",
			"{\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\","
			"\"contents\":[]}"},
		{"{ }", "{\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\" }"},
		{"{\"ttlMs\":7,\"contents\":[]}",
			"{\"resultType\":\"complete\",\"cacheScope\":\"private\","
			"\"ttlMs\":7,\"contents\":[]}"},
		{"{\"contents\":[],\"cacheScope\":\"public\"}",
			"{\"resultType\":\"complete\",\"ttlMs\":0,\"contents\":[],\"cacheScope\":"
			"\"public\"}"},
		{"{\"resultType\":\"complete\",\"contents\":[]}",
			"{\"ttlMs\":0,\"cacheScope\":\"private\",\"resultType\":\"complete\","
			"\"contents\":[]}"},
		{"{\"cacheScope\":\"public\",\"ttlMs\":1,\"resultType\":\"complete\"}",
			"{\"cacheScope\":\"public\",\"ttlMs\":1,\"resultType\":\"complete\"}"},
	};
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0"), {"", RESOURCE("x:1"), ""});
	for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
		ide_say(&ide, MODERN_READ("1", "x:1"));
		hit_result(peer_await(&ide.peers[0], "resources/read"), results[i][0]);
		g_autofree char *answer = ide_answer(&ide, "1");
		g_autofree char *wanted = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}", results[i][1]);
		assert_string_equal(answer, wanted);
	}
	/* A legacy server has no such results. */
	ide_say(&ide, MODERN_READ("2", "x:1"));
	hit_result(peer_await(&ide.peers[0], "resources/read"),
		"{\"resultType\":\"input_required\",\"inputRequests\":{}}");
	ide_exchange(&ide, LEGACY("3", "ping", ""), "3", "{}");
	g_autofree char *odd = ide_answer(&ide, "2");
	assert_has(odd, "-32603");
	ide_release(&ide);
}

/* Each era has a code of its own for a resource that is not there. */
static void test_codes_of_resources_that_are_not_there(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0"), {"", RESOURCE("x:1"), ""});
	ide_say(&ide, MODERN_READ("1", "x:1"));
	hit_error(peer_await(&ide.peers[0], "resources/read"), 200, -32002,
		",\"data\":{\"uri\":\"x:\\u0031\"}");
	g_autofree char *modern = ide_answer(&ide, "1");
	assert_has(modern,
		"\"error\":{\"code\":-32602,\"message\":\"no\",\"data\":{\"uri\":\"x:\\u0031\"}}");
	ide_say(&ide, READ("2", "x:1"));
	hit_error(peer_await(&ide.peers[0], "resources/read"), 200, -32002, "");
	g_autofree char *legacy = ide_answer(&ide, "2");
	assert_has(legacy, "\"error\":{\"code\":-32002,\"message\":\"no\"}");
	ide_release(&ide);
	/* The other way round. */
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	for (unsigned i = 0; i < 2; i++) {
		hit_error(peer_await(&ide.peers[i], "initialize"), 400, -32022, "");
		ide_serve(&ide, i, ERA_MODERN, OFFERS_QUIET);
	}
	ide_say(&ide, READ("1", "x:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve_resources(&ide, 1, "", "");
	hit_error(peer_await(&ide.peers[0], "resources/read"), 200, -32602,
		",\"data\":{\"uri\":\"x:1\"}");
	g_autofree char *gone = ide_answer(&ide, "1");
	assert_has(
		gone, "\"error\":{\"code\":-32002,\"message\":\"no\",\"data\":{\"uri\":\"x:1\"}}");
	ide_say(&ide, READ("2", "x:1"));
	hit_error(peer_await(&ide.peers[0], "resources/read"), 200, -32602, "");
	g_autofree char *other = ide_answer(&ide, "2");
	assert_has(other, "\"error\":{\"code\":-32602,\"message\":\"no\"}");
	/* Ours. */
	expect_not_found(&ide, "y:1");
	ide_say(&ide, MODERN_READ("3", "y:1"));
	g_autofree char *ours = ide_answer(&ide, "3");
	assert_has(ours,
		"\"error\":{\"code\":-32602,\"message\":\"Resource not found: y:1\",\"data\":{"
		"\"uri\":\"y:1\"}}");
	ide_release(&ide);
}

/* ---- whose a URI is ---- */

static void test_native_comes_first(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, NATIVE("@0") CONNECTOR("b", "@1"),
		{"", RESOURCE("n:listed"), TEMPLATE("n:t/{x}") "," TEMPLATE("{+a}://all")},
		{"", RESOURCE("n:listed") "," RESOURCE("n:t/1") "," RESOURCE("b://all"),
			TEMPLATE("n:t/one/{x}") "," TEMPLATE("n:t/{x}")});
	expect_reader(&ide, "n:listed", 0);
	expect_reader(&ide, "n:t/1", 0);
	expect_reader(&ide, "b://all", 0);
	expect_reader(&ide, "n:t/one/1", 1);
	ide_release(&ide);
}

static void test_then_what_is_listed_then_templates(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") CONNECTOR("c", "@2"),
		{"", RESOURCE("x:both"), TEMPLATE("x:t/one/{+x}") "," TEMPLATE("x://{host}/{x}")},
		{"", RESOURCE("x:both") "," RESOURCE("x:t/one/1"),
			TEMPLATE("x:t/{+x}") "," TEMPLATE("x://{a}/{b}/{c}") "," TEMPLATE("{x")},
		{"", "", TEMPLATE("x://{a}/{b}/{c}") "," TEMPLATE("x:t/one/two/{x}")});
	expect_reader(&ide, "x:both", 0);
	expect_reader(&ide, "x:t/one/1", 1); /* listed */
	expect_reader(&ide, "x:t/one/2", 0); /* says more than x:t/ */
	expect_reader(&ide, "x:t/2", 1);
	expect_reader(&ide, "x:t/one/two/3", 2);
	expect_reader(&ide, "x://h/1", 0);
	expect_reader(&ide, "x://h/1/2", 1); /* says as much, and comes first */
	expect_not_found(&ide, "x:nobodys");
	ide_release(&ide);
}

/* What several list is that one's whose result the IDE saw last. */
static void test_a_result_tells_whose_of_several_it_is(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") CONNECTOR("c", "@2"),
		{ADD_TOOL, RESOURCE("x:1"), ""}, {ADD_TOOL, RESOURCE("x:1"), ""},
		{ADD_TOOL, "", ""});
	expect_reader(&ide, "x:1", 0);
	name_by_result(&ide, 1, ADD("\"call\"", "b"), "{\"content\":[" LINK("x:1") "]}");
	expect_reader(&ide, "x:1", 1);
	name_by_result(&ide, 0, ADD("\"call\"", "a"), "{\"content\":[" EMBEDDED("x:1") "]}");
	expect_reader(&ide, "x:1", 0);
	/* One that does not list it gets nothing by naming it. */
	name_by_result(&ide, 2, ADD("\"call\"", "c"), "{\"content\":[" LINK("x:1") "]}");
	expect_reader(&ide, "x:1", 0);
	ide_release(&ide);
}

static void test_what_a_result_named_is_found(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") CONNECTOR("c", "@2"),
		{ADD_TOOL, "", ""}, {ADD_TOOL, "", TEMPLATE("{+all}") "," TEMPLATE("x:t/{x}")},
		{ADD_TOOL, NULL, NULL});
	expect_reader(&ide, "x:1", 1); /* a template that matches anything */
	name_by_result(&ide, 0, ADD("\"call\"", "a"),
		"{\"content\":[{\"type\":\"text\",\"text\":\"\"}," LINK("x:1") "," EMBEDDED(
			"x:\\u0032") ",5,[],{\"type\":5},{\"type\":\"resource\"},{\"type\":"
				     "\"resource_link\",\"uri\":7}," LINK("x:t/1") "]}");
	expect_reader(&ide, "x:1", 0);
	expect_reader(&ide, "x:2", 0);
	/* But a template that says something says more. */
	expect_reader(&ide, "x:t/1", 1);
	/* What a server without resources names is not its. */
	name_by_result(&ide, 2, ADD("\"call\"", "c"), "{\"content\":[" LINK("x:1") "]}");
	expect_reader(&ide, "x:1", 0);
	/* The word in a text is none of this, nor is what stands elsewhere. */
	name_by_result(&ide, 0, ADD("\"call\"", "a"),
		"{\"content\":[{\"type\":\"text\",\"text\":\""
		"{\\\"type\\\":\\\"resource_link\\\","
		"\\\"uri\\\":\\\"x:3\\\"}\"}],\"structuredContent\":" LINK("x:3") "}");
	expect_reader(&ide, "x:3", 1);
	ide_release(&ide);
}

static void test_what_a_prompt_named_is_found(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"), {"", "", ""}, {"", "", ""});
	ide_say(&ide, LEGACY("1", "prompts/get", "\"name\":\"b__p\""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, "");
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("p"));
	hit_result(peer_await(&ide.peers[1], "prompts/get"),
		"{\"messages\":[5,{\"role\":\"user\",\"content\":" EMBEDDED(
			"x:1") "},{\"content\":5}]}");
	g_free(ide_answer(&ide, "1"));
	expect_reader(&ide, "x:1", 1);
	expect_not_found(&ide, "x:2");
	ide_release(&ide);
}

#define UI_TOOL(name, uri)                                                                         \
	"{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"},\"_meta\":{\"ui\":{"         \
	"\"resourceUri\":\"" uri "\"}}}"

static void test_what_shows_a_tool_is_found(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") "[tools:b]\nhidden = off\n",
		{ADD_TOOL, RESOURCE("ui://listed"), TEMPLATE("ui://t/{x}")},
		{UI_TOOL("x", "ui://x") "," UI_TOOL("l", "ui://listed") "," UI_TOOL(
			 "t", "ui://t/1") "," UI_TOOL("hidden", "ui://hidden"),
			"", TEMPLATE("{+any}")});
	expect_reader(&ide, "ui://x", 1);
	expect_reader(&ide, "ui://listed", 0);
	expect_reader(&ide, "ui://t/1", 0);
	/* A result does not take it away. */
	name_by_result(&ide, 0, ADD("\"call\"", "a"), "{\"content\":[" LINK("ui://x") "]}");
	expect_reader(&ide, "ui://x", 1);
	name_by_result(&ide, 0, ADD("\"call\"", "a"), "{\"content\":[" LINK("ui://hidden") "]}");
	expect_reader(&ide, "ui://hidden", 0);
	ide_release(&ide);
}

static void test_a_uri_that_nobody_knows_goes_to_the_only_one(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"), {"", NULL, NULL}, {"", "", ""});
	expect_reader(&ide, "x:1", 1);
	ide_release(&ide);
}

/* One that could not be reached may have resources, too, and the URI may be its. */
static void test_it_goes_to_none_while_another_may_have_it(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") "[connector:never]\nurl = @2\n");
	ide_initialize(&ide, "2025-11-25");
	hit_reply(peer_await(&ide.peers[0], "initialize"), 429, "", "");
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, READ("\"read\"", "x:1"));
	ide_serve_resources(&ide, 1, RESOURCE("x:2"), "");
	g_autofree char *answer = ide_answer(&ide, "\"read\"");
	assert_has(answer, "-32002");
	expect_reader(&ide, "x:2", 1);
	/* Now it is known that it has none; one that nobody has signed in to does not matter. */
	clock_jump(&ide.fixture, 1100);
	ide_serve(&ide, 0, ERA_LEGACY, QUIET_TOOLS);
	await_read(&ide, "x:1", true);
	expect_reader(&ide, "x:1", 1);
	ide_release(&ide);
}

/* ---- policy ---- */

static void test_nothing_is_read_that_is_not_allowed(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide,
		"[connector:a]\nurl = @0\nauth = none\nallowed_resources = x:pub/*, x:{+all}\n"
		"[connector:b]\nurl = @1\nauth = none\nallowed_resources = y:*\n",
		{ADD_TOOL, RESOURCE("x:pub/1") "," RESOURCE("x:secret"), TEMPLATE("x:{+all}")},
		{UI_TOOL("t", "x:ui"), RESOURCE("x:secret"), TEMPLATE("{+all}")});
	expect_reader(&ide, "x:pub/1", 0);
	expect_reader(&ide, "x:pub/2", 0);
	expect_not_found(&ide, "x:secret");
	expect_not_found(&ide, "x:other");
	expect_not_found(&ide, "x:pub/../secret");
	expect_not_found(&ide, "x:pub/%2e%2e/secret");
	expect_not_found(&ide, "x:ui");
	/* Its template is not allowed, though the URI is. */
	expect_not_found(&ide, "y:1");
	name_by_result(&ide, 0, ADD("\"call\"", "a"),
		"{\"content\":[" LINK("x:other") "," LINK("x:secret") "," LINK("x:pub/3") "]}");
	expect_not_found(&ide, "x:other");
	expect_not_found(&ide, "x:secret");
	expect_reader(&ide, "x:pub/3", 0);
	ide_release(&ide);
	/* Nor of the only one. */
	OPEN(&ide, "[connector:a]\nurl = @0\nauth = none\nallowed_resources = x:*\n", {"", "", ""});
	expect_not_found(&ide, "y:1");
	expect_reader(&ide, "x:1", 0);
	ide_release(&ide);
}

/* ---- reads that wait ---- */

static void test_a_read_waits_for_all_lists(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, READ("1", "x:1"));
	ide_say(&ide, READ("2", "x:2"));
	ide_say(&ide, READ("3", "x:1"));
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	peer_serve_list(&ide.peers[1], MCP_RESOURCES, "");
	ide_hear_nothing(&ide);
	ide_say(&ide, CANCEL("3"));
	peer_await_none(&ide.peers[0], "resources/read");
	/* It comes before what a lists. */
	peer_serve_list(&ide.peers[1], MCP_TEMPLATES, TEMPLATE("x:{n}"));
	hit_result(peer_await(&ide.peers[0], "resources/read"), "{\"contents\":[]}");
	struct Hit *second = peer_await(&ide.peers[1], "resources/read");
	assert_has(second->body, "x:2");
	hit_result(second, "{\"contents\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_free(ide_answer(&ide, "2"));
	peer_expect_nothing(&ide.peers[0]);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_read_waits_no_longer_than_a_list(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, READ("1", "x:1"));
	ide_say(&ide, READ("2", "y:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	clock_jump(&ide.fixture, 3900);
	peer_await_none(&ide.peers[0], "resources/read");
	clock_jump(&ide.fixture, 200);
	hit_result(peer_await(&ide.peers[0], "resources/read"), "{\"contents\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_autofree char *unknown = ide_answer(&ide, "2");
	assert_has(unknown, "-32002");
	/* From now on, at once. */
	expect_reader(&ide, "x:1", 0);
	expect_not_found(&ide, "y:1");
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_serve_resources(&ide, 1, RESOURCE("y:1"), "");
	await_read(&ide, "y:1", true);
	expect_reader(&ide, "y:1", 1);
	ide_release(&ide);
}

static void test_the_end_while_reads_wait(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, READ("1", "x:1"));
	ide_say(&ide, LEGACY("2", "resources/subscribe", "\"uri\":\"x:1\""));
	router_shutdown(ide.router);
	clock_jump(&ide.fixture, 600000);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_resource_that_goes_away(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, READ("1", "x:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve_resources(&ide, 1, "", "");
	hit_result(peer_await(&ide.peers[0], "resources/read"), "{\"contents\":[]}");
	g_free(ide_answer(&ide, "1"));
	clock_jump(&ide.fixture, 1100);
	hit_event(stream,
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}");
	ide_serve_resources(&ide, 0, "", "");
	await_read(&ide, "x:1", false);
	expect_not_found(&ide, "x:1");
	ide_release(&ide);
}

/* ---- cost ---- */

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A server whose templates are as bad as can be. */
static void test_hostile_templates_cost_little(void **state)
{
	(void)state;
	struct Ide ide;
	g_autoptr(GString) templates = g_string_new(NULL);
	for (unsigned i = 0; i < 20000; i++)
		g_string_append_printf(templates,
			"%s{\"name\":\"n\",\"uriTemplate\":\"{+a,b,c,d,e,f,g}%u{+x}%u{+y}\"}",
			i ? "," : "", i % 10, i);
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, READ("1", "x:1"));
	ide_serve_resources(&ide, 0, "", templates->str);
	ide_serve_resources(&ide, 1, RESOURCE("x:1"), "");
	hit_result(peer_await(&ide.peers[1], "resources/read"), "{\"contents\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_autofree char *uri = g_strnfill(8000, '7');
	g_autofree char *read = g_strdup_printf(READ("2", "%s"), uri);
	double start = cpu_seconds();
	ide_say(&ide, read);
	double took = cpu_seconds() - start;
	if (took > 10)
		fail_msg("it took %f s", took);
	print_message("hostile templates: %f s\n", took);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_of_all),
		cmocka_unit_test(test_what_is_not_allowed_is_not_listed),
		cmocka_unit_test(test_bytes_pass_both_ways),
		cmocka_unit_test(test_wrong_uris),
		cmocka_unit_test(test_a_modern_servers_resource),
		cmocka_unit_test(test_caching_hints_for_a_modern_ide),
		cmocka_unit_test(test_codes_of_resources_that_are_not_there),
		cmocka_unit_test(test_native_comes_first),
		cmocka_unit_test(test_then_what_is_listed_then_templates),
		cmocka_unit_test(test_a_result_tells_whose_of_several_it_is),
		cmocka_unit_test(test_what_a_result_named_is_found),
		cmocka_unit_test(test_what_a_prompt_named_is_found),
		cmocka_unit_test(test_what_shows_a_tool_is_found),
		cmocka_unit_test(test_a_uri_that_nobody_knows_goes_to_the_only_one),
		cmocka_unit_test(test_it_goes_to_none_while_another_may_have_it),
		cmocka_unit_test(test_nothing_is_read_that_is_not_allowed),
		cmocka_unit_test(test_a_read_waits_for_all_lists),
		cmocka_unit_test(test_a_read_waits_no_longer_than_a_list),
		cmocka_unit_test(test_the_end_while_reads_wait),
		cmocka_unit_test(test_a_resource_that_goes_away),
		cmocka_unit_test(test_hostile_templates_cost_little),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
