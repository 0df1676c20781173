/* tools/list: what it holds, how long it waits, how its changes are told. */
#include "router_fixture.h"

#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"
#define LIST_CHANGED "notifications/tools/list_changed"
static const char changed[] = "{\"jsonrpc\":\"2.0\",\"method\":\"" LIST_CHANGED "\"}";

/* The names of a list's tools, joined by spaces, for g_free. */
static char *names_of(const char *answer)
{
	GString *names = g_string_new(NULL);
	struct Slice result = json_get(slice_of(answer), "result").raw;
	struct JsonMember tool;
	JSON_FOR_EACH_MEMBER (tool, json_get(result, "tools").raw) {
		g_autofree char *name = json_string_dup(json_get(tool.value.raw, "name"));
		g_string_append_printf(names, "%s%s", names->len ? " " : "", name);
	}
	return g_string_free(names, FALSE);
}

static void assert_names(const char *answer, const char *wanted)
{
	g_autofree char *names = names_of(answer);
	assert_string_equal(names, wanted);
}

static void test_one_sorted_list_of_all(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("zoo", "@2") NATIVE("@0") CONNECTOR("wiki", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 1, TOOL("b") "," TOOL("a"));
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_serve_legacy(&ide, 2,
		"{ \"x\":[1.10,\"\\u00e4\"] "
		",\n\"name\":\"\\u0063\",\"inputSchema\":{\"type\":\"object\"} }");
	ide_hear_nothing(&ide); /* it waits for all of them */
	ide_serve_legacy(&ide, 0, TOOL("own"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_names(answer, "own zoo__c wiki__a wiki__b mcp_mux__connectors mcp_mux__connect");
	assert_has(answer, "{\"x\":[1.10,\"\\u00e4\"],\"name\":\"zoo__c\",");
	assert_lacks(answer, "ttlMs");
	ide_hear_nothing(&ide); /* the IDE has all there is, so nothing has changed */
	ide_release(&ide);
}

static void test_without_tools_of_its_own(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nbuiltin_tools = off\n" CONNECTOR("wiki", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, TOOL("a"));
	g_autofree char *answer = ide_list(&ide);
	assert_names(answer, "wiki__a");
	ide_exchange(
		&ide, LEGACY("1", "tools/call", "\"name\":\"mcp_mux__connectors\""), "1", "-32602");
	ide_release(&ide);
}

static void test_one_that_hangs_does_not_cost_the_others(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, TOOL("x"));
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_say(&ide, LEGACY("2", "tools/list", ""));
	ide_say(&ide, LEGACY("3", "tools/list", ""));
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		      "\"requestId\":2}}");
	clock_jump(&ide.fixture, 3500);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 700);
	g_autofree char *first = ide_answer(&ide, "1");
	g_autofree char *third = ide_answer(&ide, "3");
	assert_names(first, "a__x mcp_mux__connectors mcp_mux__connect");
	assert_names(third, "a__x mcp_mux__connectors mcp_mux__connect");
	/* Its time is over, so the next list does not wait. */
	g_autofree char *fourth = ide_list(&ide);
	assert_names(fourth, "a__x mcp_mux__connectors mcp_mux__connect");
	/* What arrives late is announced. */
	ide_serve_legacy(&ide, 1, TOOL("y"));
	g_free(ide_notice(&ide, LIST_CHANGED));
	g_autofree char *fifth = ide_list(&ide);
	assert_names(fifth, "a__x b__y mcp_mux__connectors mcp_mux__connect");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_one_that_fails_is_not_waited_for(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1") "[connector:c]\nurl = @2\n");
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_serve_legacy(&ide, 0, TOOL("x"));
	hit_reply(peer_await(&ide.peers[1], "initialize"), 429, "", "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_names(answer, "a__x mcp_mux__connectors mcp_mux__connect");
	clock_jump(&ide.fixture, 1100);
	ide_serve_legacy(&ide, 1, TOOL("y"));
	g_free(ide_notice(&ide, LIST_CHANGED));
	ide_release(&ide);
}

/* Nobody has a list that could be out of date. */
static void test_no_notice_before_the_first_list(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, TOOL("x"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_changes_that_come_together_are_told_once(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	struct Hit *streams[2];
	for (unsigned i = 0; i < 2; i++) {
		peer_serve_initialize(&ide.peers[i], "2025-11-25", NULL, CHANGING_TOOLS);
		peer_serve_tools(&ide.peers[i], TOOL("x"));
		streams[i] = peer_await(&ide.peers[i], "GET");
		hit_stream(streams[i], "");
	}
	g_free(ide_list(&ide));
	struct Hit *lists[2];
	clock_jump(&ide.fixture, 1100); /* what changes right after a fetch is heard later */
	for (unsigned i = 0; i < 2; i++)
		hit_event(streams[i], changed);
	for (unsigned i = 0; i < 2; i++)
		lists[i] = peer_await(&ide.peers[i], "tools/list");
	for (unsigned i = 0; i < 2; i++)
		hit_result(lists[i], "{\"tools\":[" TOOL("y") "]}");
	g_free(ide_notice(&ide, LIST_CHANGED));
	ide_hear_nothing(&ide);
	/* The same list again, or one whose change is not exposed, is no change. */
	clock_jump(&ide.fixture, 1100);
	hit_event(streams[0], changed);
	peer_serve_tools(&ide.peers[0], TOOL("y"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_toggles_and_allow_lists_hide(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[connector:a]\nurl = @0\nauth = none\nallowed_tools = x*\n"
		       "[tools:a]\nxx = off\n");
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, TOOL("x") "," TOOL("xx") "," TOOL("y"));
	g_autofree char *answer = ide_list(&ide);
	assert_names(answer, "a__x mcp_mux__connectors mcp_mux__connect");
	ide_exchange(&ide, LEGACY("1", "tools/call", "\"name\":\"a__xx\""), "1", "-32602");
	ide_exchange(&ide, LEGACY("2", "tools/call", "\"name\":\"a__y\""), "2", "-32602");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

static void test_a_cursor_is_nobodys(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_initialize(&ide, "2025-11-25");
	ide_exchange(&ide, LEGACY("1", "tools/list", "\"cursor\":\"x\""), "1", "-32602");
	ide_exchange(&ide, LEGACY("2", "tools/list", "\"cursor\":null"), "2", "\"tools\":[");
	ide_release(&ide);
}

static void test_a_list_over_max_result(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	g_autofree char *big = g_strnfill(1 << 20, 'x');
	g_autofree char *tool = g_strdup_printf(
		"{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\",\"d\":\"%s\"}}", big);
	ide_serve_legacy(&ide, 0, tool);
	g_autofree char *answer = ide_list(&ide);
	assert_has(answer, "-32603");
	assert_has(answer, "max_result");
	/* When it shrinks, the IDE is told so. */
	clock_jump(&ide.fixture, 6000);
	g_free(ide_list(&ide));
	peer_serve_tools(&ide.peers[0], TOOL("x"));
	g_free(ide_notice(&ide, LIST_CHANGED));
	g_autofree char *small = ide_list(&ide);
	assert_has(small, "a__x");
	ide_release(&ide);
}

/* It has what it would be told of. */
static void test_no_notice_of_what_the_ide_has_been_given(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, TOOL("x"));
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	hit_reply(peer_await(&ide.peers[1], "initialize"), 429, "", "");
	g_free(ide_answer(&ide, "1"));
	clock_jump(&ide.fixture, 1100);
	peer_serve_initialize(&ide.peers[1], "2025-11-25", NULL, QUIET_TOOLS);
	struct Hit *list = peer_await(&ide.peers[1], "tools/list");
	hit_result(list, "{\"tools\":[" TOOL("y") "]}");
	/* It is known, and not told of yet. */
	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		g_autofree char *answer = ide_list(&ide);
		if (strstr(answer, "b__y"))
			break;
		fixture_turn_for(&ide.fixture, 1);
	}
	fixture_turn_for(&ide.fixture, 60);
	g_free(ide_find(&ide, "method", "\"" LIST_CHANGED "\"")); /* unless it was quicker */
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- modern ---- */

/* A stateless IDE may begin with anything. */
static void test_a_list_may_be_the_first_request(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("1", "tools/list", ""));
	ide_hear_nothing(&ide);
	ide_serve_modern(&ide, 0, TOOL("x"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_names(answer, "a__x mcp_mux__connectors mcp_mux__connect");
	assert_has(answer, "{\"resultType\":\"complete\",\"tools\":[");
	assert_has(answer, "\"cacheScope\":\"private\"");
	assert_has(answer, "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"mcp-mux\"");
	ide_release(&ide);
}

static int64_t ttl_of(struct Ide *ide)
{
	int64_t ttl = -1;
	ide_say(ide, MODERN("\"ttl\"", "tools/list", ""));
	g_autofree char *answer = ide_answer(ide, "\"ttl\"");
	struct Slice result = json_get(slice_of(answer), "result").raw;
	assert_true(json_int64(json_get(result, "ttlMs"), &ttl));
	return ttl;
}

static void test_the_list_is_fresh_as_long_as_its_parts(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0")
			       CONNECTOR("b", "@1") "[connector:never]\nurl = @2\n");
	ide_say(&ide, MODERN("1", "server/discover", ""));
	g_free(ide_answer(&ide, "1"));
	peer_serve_discover(&ide.peers[0], QUIET_TOOLS);
	hit_result(peer_await(&ide.peers[0], "tools/list"),
		"{\"tools\":[" TOOL("x") "],\"ttlMs\":90000}");
	peer_serve_discover(&ide.peers[1], QUIET_TOOLS);
	clock_jump(&ide.fixture, 4100);
	assert_int_equal(ttl_of(&ide), 0); /* an upstream is missing */
	hit_result(peer_await(&ide.peers[1], "tools/list"),
		"{\"tools\":[" TOOL("y") "],\"ttlMs\":60000}");
	fixture_turn_for(&ide.fixture, 20);
	assert_in_range(ttl_of(&ide), 50000, 60000);
	clock_jump(&ide.fixture, 40000);
	assert_in_range(ttl_of(&ide), 10000, 20000);
	clock_jump(&ide.fixture, 40000);
	assert_int_equal(ttl_of(&ide), 0);
	/* What is stale is fetched again behind the answer, and told if it changed. */
	hit_result(peer_await(&ide.peers[1], "tools/list"), "{\"tools\":[" TOOL("z") "]}");
	peer_await_none(&ide.peers[0], "tools/list");
	fixture_turn_for(&ide.fixture, 50);
	ide_say(&ide, MODERN("2", "tools/list", ""));
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "b__z");
	ide_release(&ide);
}

static void test_schemas_that_legacy_clients_cannot_take(void **state)
{
	(void)state;
	static const char tools[] = "{\"name\":\"x\",\"inputSchema\":{\"type\":\"object\"},"
				    "\"outputSchema\":{\"type\":\"array\"}},"
				    "{\"name\":\"y\",\"inputSchema\":{\"type\":\"object\"},"
				    "\"outputSchema\":{\"type\":\"object\"}}";
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("1", "tools/list", ""));
	ide_serve_modern(&ide, 0, tools);
	g_autofree char *modern = ide_answer(&ide, "1");
	assert_has(modern, "\"outputSchema\":{\"type\":\"array\"}");
	ide_initialize(&ide, "2025-11-25");
	g_autofree char *legacy = ide_list(&ide);
	assert_lacks(legacy, "\"outputSchema\":{\"type\":\"array\"}");
	assert_has(legacy, "\"outputSchema\":{\"type\":\"object\"}");
	assert_names(legacy, "a__x a__y mcp_mux__connectors mcp_mux__connect");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_sorted_list_of_all),
		cmocka_unit_test(test_without_tools_of_its_own),
		cmocka_unit_test(test_one_that_hangs_does_not_cost_the_others),
		cmocka_unit_test(test_one_that_fails_is_not_waited_for),
		cmocka_unit_test(test_no_notice_before_the_first_list),
		cmocka_unit_test(test_changes_that_come_together_are_told_once),
		cmocka_unit_test(test_toggles_and_allow_lists_hide),
		cmocka_unit_test(test_a_cursor_is_nobodys),
		cmocka_unit_test(test_a_list_over_max_result),
		cmocka_unit_test(test_no_notice_of_what_the_ide_has_been_given),
		cmocka_unit_test(test_a_list_may_be_the_first_request),
		cmocka_unit_test(test_the_list_is_fresh_as_long_as_its_parts),
		cmocka_unit_test(test_schemas_that_legacy_clients_cannot_take),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
