/* tools/call through the router: to whom, under which name, and what the IDE gets back. */
#include "router_fixture.h"

#define CALL_TOOL(id, name)                                                                        \
	LEGACY(id, "tools/call", "\"name\":\"" name "\",\"arguments\":{\"a\":1.0}")
#define MODERN_CALL(id, name) MODERN(id, "tools/call", ",\"name\":\"" name "\"")
#define CANCEL(id)                                                                                 \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"                                         \
	"cancelled\",\"params\":{\"requestId\":" id "}}"

/* A legacy IDE in front of one open connector a with the tool add. */
static void open_one(struct Ide *ide, const char *mux, bool modern_upstream)
{
	g_autofree char *ini = g_strconcat(mux, CONNECTOR("a", "@0"), NULL);
	ide_init(ide, ini);
	ide_initialize(ide, "2025-11-25");
	if (modern_upstream) {
		hit_error(peer_await(&ide->peers[0], "initialize"), 400, -32022, "");
		ide_serve_modern(ide, 0, ADD_TOOL);
	} else {
		ide_serve_legacy(ide, 0, ADD_TOOL);
	}
	g_free(ide_list(ide));
}

static void test_calls_go_to_their_own_upstream_under_its_own_name(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, NATIVE("@0") "[connector:w]\nurl = @1\nauth = none\nprefix = wiki\n");
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	ide_serve_legacy(&ide, 1, "{\"name\":\"a\\u0064d\",\"inputSchema\":{\"type\":\"object\"}}");
	g_free(ide_list(&ide));
	ide_say(&ide, CALL_TOOL("\"\\u0031\"", "add"));
	struct Hit *native = peer_await(&ide.peers[0], "tools/call");
	ide_say(&ide, CALL_TOOL("1", "wiki__\\u0061dd"));
	struct Hit *wiki = peer_await(&ide.peers[1], "tools/call");
	assert_has(native->body, "\"params\":{\"name\":\"add\",\"arguments\":{\"a\":1.0}}");
	assert_has(wiki->body, "\"params\":{\"name\":\"a\\u0064d\",\"arguments\":{\"a\":1.0}}");
	hit_result(wiki, "{ \"content\":[],\"n\":[1.10,1e400,\"\\u00e4\\/\"],\n\"content2\":{} }");
	g_autofree char *second = ide_answer(&ide, "1");
	assert_string_equal(second,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{ \"content\":[],\"n\":"
		"[1.10,1e400,\"\\u00e4\\/\"], \"content2\":{} }}");
	hit_error(native, 200, -32602, ",\"data\":{\"why\":[1.0]},\"x\":null");
	g_autofree char *first = ide_answer(&ide, "\"\\u0031\"");
	assert_string_equal(first,
		"{\"jsonrpc\":\"2.0\",\"id\":\"\\u0031\",\"error\":{\"code\":-32602,"
		"\"message\":\"no\",\"data\":{\"why\":[1.0]},\"x\":null}}");
	ide_release(&ide);
}

static void test_wrong_calls(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "", false);
	ide_exchange(&ide, LEGACY("1", "tools/call", ""), "1", "-32602");
	ide_exchange(
		&ide, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/call\"}", "2", "-32602");
	ide_exchange(&ide, LEGACY("3", "tools/call", "\"name\":5"), "3", "-32602");
	ide_exchange(&ide, LEGACY("4", "tools/call", "\"name\":\"a__add\",\"arguments\":[]"), "4",
		"-32602");
	ide_exchange(&ide, LEGACY("5", "tools/call", "\"name\":\"a\\u0000__add\""), "5", "-32602");
	ide_exchange(&ide, CALL_TOOL("6", "a__nonsense"), "6", "-32602");
	ide_exchange(&ide, CALL_TOOL("7", "add"), "7", "Unknown tool: add");
	ide_exchange(&ide, MODERN_CALL("8", "other\\n"), "8", "-32602");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

/* ---- between the eras ---- */

static void test_legacy_results_for_a_modern_ide(void **state)
{
	(void)state;
	static const char *const results[][2] = {
		{"{}", "{\"resultType\":\"complete\"}"},
		{"{ }", "{\"resultType\":\"complete\" }"},
		{"{\"content\":[]}", "{\"resultType\":\"complete\",\"content\":[]}"},
		{"{\"isError\":true,\"resultType\":\"complete\"}",
			"{\"isError\":true,\"resultType\":\"complete\"}"},
	};
	struct Ide ide;
	open_one(&ide, "", false);
	for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
		ide_say(&ide, MODERN_CALL("1", "a__add"));
		struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
		assert_has(hit->body, "\"params\":{\"_meta\":{},\"name\":\"add\"}");
		hit_result(hit, results[i][0]);
		g_autofree char *answer = ide_answer(&ide, "1");
		g_autofree char *wanted = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}", results[i][1]);
		assert_string_equal(answer, wanted);
	}
	ide_release(&ide);
}

static void test_modern_results_for_a_legacy_ide(void **state)
{
	(void)state;
	static const char *const results[][2] = {
		{"{\"resultType\":\"complete\",\"content\":[],\"structuredContent\":{\"a\":1}}",
			"{\"resultType\":\"complete\",\"content\":[],\"structuredContent\":{\"a\":"
			"1}}"},
		{"{\"content\":[]}", "{\"content\":[]}"},
		{"{\"structuredContent\":[1.0,\"x\"],\"content\":[ "
		 "{\"type\":\"text\",\"text\":\"t\"} ],\"z\":1}",
			"{\"content\":[ {\"type\":\"text\",\"text\":\"t\"} ],\"z\":1}"},
		{"{\"content\":[],\"structuredContent\":[1.0,\"x\"]}",
			"{\"content\":[{\"type\":\"text\",\"text\":\"[1.0,\\\"x\\\"]\"}]}"},
		{"{\"structuredContent\":null}",
			"{\"content\":[{\"type\":\"text\",\"text\":\"null\"}]}"},
	};
	struct Ide ide;
	open_one(&ide, "", true);
	for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
		ide_say(&ide, CALL_TOOL("1", "a__add"));
		struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
		assert_has(hit->body, "clientInfo\":{\"name\":\"me\"}");
		hit_result(hit, results[i][0]);
		g_autofree char *answer = ide_answer(&ide, "1");
		g_autofree char *wanted = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}", results[i][1]);
		assert_string_equal(answer, wanted);
	}
	static const char *const refused[][2] = {
		{"{\"resultType\":\"input_required\"}",
			"input_required: neither inputRequests nor requestState"},
		{"{\"resultType\":\"other\"}", "a kind of result that is not known"},
		{"{\"resultType\":5}", "a kind of result that is not known"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		ide_say(&ide, CALL_TOOL("1", "a__add"));
		hit_result(peer_await(&ide.peers[0], "tools/call"), refused[i][0]);
		g_autofree char *answer = ide_answer(&ide, "1");
		assert_has(answer, refused[i][1]);
		assert_has(answer, "\"isError\":true");
	}
	ide_release(&ide);
}

static void test_modern_results_pass_to_a_modern_ide(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN_CALL("1", "a__add")); /* held until the tools are known */
	ide_serve_modern(&ide, 0, ADD_TOOL);
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	assert_has(hit->body, "\"params\":{" IDE_META ",\"name\":\"add\"}");
	hit_result(hit, "{\"resultType\":\"input_required\",\"requestState\":\"s\","
			"\"structuredContent\":[1]}");
	ide_exchange(&ide, MODERN("2", "server/discover", ""), "2", "supportedVersions");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_string_equal(answer,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"resultType\":"
		"\"input_required\",\"requestState\":\"s\",\"structuredContent\":[1]}}");
	ide_release(&ide);
}

/* ---- progress and cancelling ---- */

static void test_progress_comes_under_the_ides_token(void **state)
{
	(void)state;
	static const char *const tokens[] = {"\"t\\u0031\"", "123456789012345678901", NULL};
	struct Ide ide;
	open_one(&ide, "", false);
	for (size_t i = 0; i < G_N_ELEMENTS(tokens); i++) {
		g_autofree char *meta =
			tokens[i] ? g_strdup_printf(",\"_meta\":{\"progressToken\":%s}", tokens[i])
				  : g_strdup("");
		g_autofree char *call =
			g_strdup_printf(LEGACY("1", "tools/call", "\"name\":\"a__add\"%s"), meta);
		ide_say(&ide, call);
		struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
		g_autofree char *event = g_strdup_printf(
			"data: {\"jsonrpc\":\"2.0\",\ndata: "
			"\"method\":\"notifications/progress\",\"params\":"
			"{\"progress\":1.10,\"progressToken\":%s,\"message\":\"\\u00e4\"}}\n\n",
			hit->id);
		hit_stream(hit, "");
		hit_bytes(hit, event);
		if (tokens[i]) {
			g_autofree char *notice = ide_notice(&ide, "notifications/progress");
			g_autofree char *wanted = g_strdup_printf(
				"{\"jsonrpc\":\"2.0\", "
				"\"method\":\"notifications/progress\",\"params\":"
				"{\"progress\":1.10,\"progressToken\":%s,\"message\":\"\\u00e4\"}}",
				tokens[i]);
			assert_string_equal(notice, wanted);
		}
		hit_event_result(hit, "{}");
		hit_bytes(hit, event); /* after the answer */
		g_free(ide_answer(&ide, "1"));
		ide_hear_nothing(&ide);
	}
	ide_release(&ide);
}

static void test_progress_that_could_be_read_in_two_ways_is_dropped(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "", false);
	ide_say(&ide,
		LEGACY("1", "tools/call", "\"name\":\"a__add\",\"_meta\":{\"progressToken\":9}"));
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	g_autofree char *event = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":%s,\"progress\":1,\"progressToken\":1}}",
		hit->id);
	hit_stream(hit, "");
	hit_event(hit, event);
	ide_hear_nothing(&ide);
	hit_event_result(hit, "{}");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void test_a_cancelled_call_is_not_answered(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "", false);
	ide_say(&ide, CALL_TOOL("\"x\"", "a__add"));
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	ide_say(&ide, CANCEL("\"y\""));
	peer_await_none(&ide.peers[0], "notifications/cancelled");
	ide_say(&ide, CANCEL("\"\\u0078\""));
	struct Hit *notice = peer_await(&ide.peers[0], "notifications/cancelled");
	g_autofree char *id = g_strdup_printf("\"requestId\":%s,", hit->id);
	assert_has(notice->body, id);
	hit_result(hit, "{}");
	ide_say(&ide, CANCEL("\"x\""));
	ide_hear_nothing(&ide);
	ide_exchange(&ide, LEGACY("\"x\"", "ping", ""), "\"x\"", "{}"); /* the id is free */
	ide_release(&ide);
}

/* ---- what cannot be answered ---- */

static void test_failures_in_words(void **state)
{
	(void)state;
	static const struct {
		int status; /* 0: the connection is cut */
		const char *headers;
		const char *part;
	} cases[] = {
		{429, "Retry-After: 30\r\n",
			"HTTP 429, retry after 30 seconds. The server has too much to do"},
		{503, "", "HTTP 503. The server has too much to do"},
		{500, "", "a could not answer: HTTP 500."},
		{403, "", "HTTP 403. The server refuses this"},
		{401, "", "The configuration says `auth = none`"},
		{302, "", "a redirect"},
		{0, "", "may or may not have taken effect"},
	};
	struct Ide ide;
	open_one(&ide, "", false);
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
		ide_say(&ide, i % 2 ? MODERN_CALL("1", "a__add") : CALL_TOOL("1", "a__add"));
		struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
		if (cases[i / 2].status)
			hit_reply(hit, cases[i / 2].status, cases[i / 2].headers, "");
		else
			hit_cut(hit);
		g_autofree char *answer = ide_answer(&ide, "1");
		assert_has(answer, cases[i / 2].part);
		assert_has(answer, "\"isError\":true");
		if (i % 2)
			assert_has(answer, "{\"resultType\":\"complete\",\"content\":");
		else
			assert_lacks(answer, "resultType");
	}
	ide_release(&ide);
}

static void test_unreachable_and_timed_out(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "[mux]\ncall_timeout = 5\n", false);
	ide_say(&ide, CALL_TOOL("1", "a__add"));
	peer_await(&ide.peers[0], "tools/call");
	clock_jump(&ide.fixture, 5100);
	g_autofree char *slow = ide_answer(&ide, "1");
	assert_has(slow, "no sign of life for 5 seconds");
	peer_vanish(&ide.peers[0]);
	fixture_turn_for(&ide.fixture, 10);
	ide_say(&ide, CALL_TOOL("2", "a__add"));
	g_autofree char *gone = ide_answer(&ide, "2");
	assert_has(gone, "Nothing was done. Check the network");
	ide_release(&ide);
}

static void test_a_connector_that_is_not_connected(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[connector:o]\nurl = @0\ntitle = Own\n" CONNECTOR("down", "@1"));
	ide_initialize(&ide, "2025-11-25");
	hit_reply(peer_await(&ide.peers[1], "initialize"), 500, "", "");
	g_free(ide_list(&ide));
	g_autofree char *answer = NULL;
	ide_say(&ide, CALL_TOOL("1", "o__anything"));
	answer = ide_answer(&ide, "1");
	assert_has(answer, "Own needs you to sign in");
	assert_has(answer, "`mcp-mux connect o`");
	assert_has(answer, "\"isError\":true");
	/* Each call tries once more. */
	ide_say(&ide, CALL_TOOL("2", "down__x"));
	hit_reply(peer_await(&ide.peers[1], "server/discover"), 500, "", "");
	g_autofree char *down = ide_answer(&ide, "2");
	assert_has(down, "down could not answer: HTTP 500");
	ide_exchange(&ide, CALL_TOOL("3", "downx"), "3", "-32602");
	ide_exchange(&ide, CALL_TOOL("4", "other__x"), "4", "-32602");
	ide_say(&ide, CALL_TOOL("5", "mcp_mux__connectors"));
	g_autofree char *own = ide_answer(&ide, "5");
	assert_has(own, "- o: Own, sign-in needed");
	assert_has(own, "- down: down, not available");
	assert_has(own, "HTTP 500");
	ide_release(&ide);
}

static void test_the_connectors_tool(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, ADD_TOOL "," READ_TOOL);
	fixture_turn_for(&ide.fixture, 20);
	ide_say(&ide, CALL_TOOL("1", "mcp_mux__connectors"));
	g_autofree char *legacy = ide_answer(&ide, "1");
	assert_has(legacy,
		"\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"- a: a, connected, 2 of 2 "
		"tools\\n- b: b, connecting\\n\"}]}");
	ide_say(&ide, MODERN_CALL("2", "mcp_mux__connectors"));
	g_autofree char *modern = ide_answer(&ide, "2");
	assert_has(modern, "\"result\":{\"resultType\":\"complete\",\"content\"");
	ide_release(&ide);
}

static void test_a_result_over_max_result(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "[mux]\nmax_result = 1\n", true);
	g_autofree char *big = g_strnfill(1 << 20, 'x');
	g_autofree char *quotes = g_strnfill(600000, '/');
	for (char *c = quotes; *c; c += 2)
		*c = '\\';
	char *results[] = {g_strdup_printf("{\"x\":\"%s\"}", big),
		g_strdup_printf("{\"structuredContent\":[\"%s\"]}", quotes)};
	for (unsigned i = 0; i < 2; i++) {
		ide_say(&ide, CALL_TOOL("1", "a__add"));
		hit_result(peer_await(&ide.peers[0], "tools/call"), results[i]);
		g_autofree char *answer = ide_answer(&ide, "1");
		if (i == 0)
			assert_has(answer,
				"The result of a is 1.0 MiB, more than max_result (1.0 MiB)");
		assert_true(strlen(answer) < (1 << 20) + 100);
	}
	ide_release(&ide);
	g_free(results[0]);
	g_free(results[1]);
}

/* ---- held calls ---- */

static void test_a_call_is_held_until_the_tools_are_known(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, CALL_TOOL("1", "a__add"));
	ide_say(&ide, CALL_TOOL("2", "a__nonsense"));
	ide_say(&ide, CALL_TOOL("3", "b__add"));
	ide_say(&ide, CALL_TOOL("4", "a__add"));
	ide_say(&ide, CANCEL("4"));
	ide_exchange(&ide, CALL_TOOL("1", "a__add"), "1", "-32600");
	ide_exchange(&ide, CALL_TOOL("5", "c__add"), "5", "-32602");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"held\":1}");
	g_autofree char *first = ide_answer(&ide, "1");
	assert_has(first, "\"held\":1");
	g_autofree char *second = ide_answer(&ide, "2");
	assert_has(second, "-32602");
	ide_hear_nothing(&ide);
	hit_reply(peer_await(&ide.peers[1], "initialize"), 503, "", "");
	hit_reply(peer_await(&ide.peers[1], "server/discover"), 503, "", "");
	g_autofree char *third = ide_answer(&ide, "3");
	assert_has(third, "b could not answer: HTTP 503");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

static void test_a_held_call_has_a_deadline(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\ncall_timeout = 5\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, CALL_TOOL("1", "a__add"));
	ide_serve_legacy(&ide, 1, ADD_TOOL); /* it is held on */
	fixture_turn_for(&ide.fixture, 20);
	clock_jump(&ide.fixture, 5100);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "a could not answer: its tools are not known yet");
	assert_has(answer, "\"isError\":true");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	peer_await_none(&ide.peers[0], "tools/call");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- bounds and the end ---- */

static void say_big(struct Ide *ide, unsigned id)
{
	g_autofree char *big = g_strnfill(700000, 'x');
	g_autofree char *call = g_strdup_printf(
		LEGACY("%u", "tools/call", "\"name\":\"a__add\",\"arguments\":{\"x\":\"%s\"}"), id,
		big);
	ide_say(ide, call);
}

/* Three of them are more than twice max_message: what comes then is parked until there is room, and reading
 * stops when as much is parked. */
static void test_requests_without_room_wait(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "[mux]\nmax_message = 1\nmax_result = 1\n", false);
	struct Hit *hits[3];
	for (unsigned i = 0; i < 3; i++) {
		say_big(&ide, i);
		hits[i] = peer_await(&ide.peers[0], "tools/call");
	}
	ide_say(&ide, CALL_TOOL("3", "a__add"));
	ide_say(&ide, CALL_TOOL("4", "a__add"));
	peer_await_none(&ide.peers[0], "tools/call");
	say_big(&ide, 5);
	say_big(&ide, 6);
	assert_int_equal(ide.pressures, 0);
	say_big(&ide, 7);
	assert_int_equal(ide.pressures, 1);
	assert_true(ide.high);
	/* Cancelling gets through, to what is in flight and to what is parked. */
	ide_say(&ide, CANCEL("4"));
	ide_say(&ide, CANCEL("6"));
	ide_say(&ide, CANCEL("7"));
	assert_int_equal(ide.pressures, 2);
	assert_false(ide.high);
	ide_say(&ide, CANCEL("0"));
	peer_await(&ide.peers[0], "notifications/cancelled");
	peer_await_none(&ide.peers[0], "tools/call");
	hit_result(hits[1], "{}");
	g_free(ide_answer(&ide, "1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"n\":3}");
	g_autofree char *third = ide_answer(&ide, "3");
	assert_has(third, "\"n\":3");
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"n\":5}");
	g_free(ide_answer(&ide, "5"));
	hit_result(hits[2], "{}");
	g_free(ide_answer(&ide, "2"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_requests_wait_while_the_ide_does_not_read(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "", false);
	router_set_output_pressure(ide.router, true);
	ide_say(&ide, LEGACY("1", "ping", ""));
	ide_say(&ide, CALL_TOOL("2", "a__add"));
	ide_say(&ide, LEGACY("3", "ping", ""));
	ide_hear_nothing(&ide);
	router_set_output_pressure(ide.router, false);
	g_free(ide_answer(&ide, "1"));
	g_free(ide_answer(&ide, "3"));
	peer_await(&ide.peers[0], "tools/call");
	router_set_output_pressure(ide.router, true);
	ide_say(&ide, LEGACY("4", "ping", ""));
	ide_release(&ide); /* what is parked goes with it */
}

static void test_the_end_with_calls_in_every_state(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", "S", QUIET_TOOLS);
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	fixture_turn_for(&ide.fixture, 20);
	ide_say(&ide, CALL_TOOL("1", "a__add"));
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	ide_say(&ide, CALL_TOOL("2", "b__add")); /* held */
	ide_say(&ide, LEGACY("3", "tools/list", "")); /* waits */
	router_shutdown(ide.router);
	assert_false(router_is_quiet(ide.router));
	hit_await_close(hit);
	hit_reply(peer_await(&ide.peers[0], "notifications/cancelled"), 202, "", "");
	hit_reply(peer_await(&ide.peers[0], "DELETE"), 200, "", "");
	assert_false(router_is_quiet(
		ide.router)); /* b may open a session still, which it would be told to delete */
	clock_jump(&ide.fixture, 31 * 1000);
	while (!router_is_quiet(ide.router))
		fixture_turn_for(&ide.fixture, 1);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_go_to_their_own_upstream_under_its_own_name),
		cmocka_unit_test(test_wrong_calls),
		cmocka_unit_test(test_legacy_results_for_a_modern_ide),
		cmocka_unit_test(test_modern_results_for_a_legacy_ide),
		cmocka_unit_test(test_modern_results_pass_to_a_modern_ide),
		cmocka_unit_test(test_progress_comes_under_the_ides_token),
		cmocka_unit_test(test_progress_that_could_be_read_in_two_ways_is_dropped),
		cmocka_unit_test(test_a_cancelled_call_is_not_answered),
		cmocka_unit_test(test_failures_in_words),
		cmocka_unit_test(test_unreachable_and_timed_out),
		cmocka_unit_test(test_a_connector_that_is_not_connected),
		cmocka_unit_test(test_the_connectors_tool),
		cmocka_unit_test(test_a_result_over_max_result),
		cmocka_unit_test(test_a_call_is_held_until_the_tools_are_known),
		cmocka_unit_test(test_a_held_call_has_a_deadline),
		cmocka_unit_test(test_requests_without_room_wait),
		cmocka_unit_test(test_requests_wait_while_the_ide_does_not_read),
		cmocka_unit_test(test_the_end_with_calls_in_every_state),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
