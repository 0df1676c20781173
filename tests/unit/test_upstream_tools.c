/* An upstream's tools: gathered page by page, fetched again in time, kept when that fails. */
#include "upstream_fixture.h"

#include "upstream/internal.h"

#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"

static void open_until_list(struct Up *u)
{
	up_init(u);
	upstream_open(u->up, ERA_LEGACY);
	up_serve_initialize(u, "2025-11-25", NULL, QUIET_TOOLS);
}

static void test_pages_are_gathered_in_order(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	struct Hit *page = peer_await(&u.peer, "tools/list");
	assert_null(strstr(page->body, "cursor"));
	hit_result(page, "{\"tools\":[" TOOL("b") "],\"nextCursor\":\"\\u00e4 \\\"1\"}");
	page = peer_await(&u.peer, "tools/list");
	assert_non_null(strstr(page->body, "\"params\":{\"cursor\":\"\\u00e4 \\\"1\"}"));
	assert_false(upstream_is_settled(u.up));
	assert_null(upstream_tools(u.up));
	hit_result(page, "{\"tools\":[],\"nextCursor\":\"2\"}"); /* an empty page in the middle */
	page = peer_await(&u.peer, "tools/list");
	hit_stream(page, "");
	hit_event_result(
		page, "{\"tools\":[{\"title\":\"nameless\"}," TOOL("a") "," TOOL("b") "]}");
	up_await_settled(&u);
	struct ToolList *list = upstream_tools(u.up);
	assert_int_equal(list->tools->len, 2);
	assert_string_equal(((struct Tool *)list->tools->pdata[0])->name, "b");
	assert_string_equal(((struct Tool *)list->tools->pdata[1])->name, "a");
	assert_int_equal(u.tools, 1);
	assert_null(upstream_error(u.up));
	up_release(&u);
}

static void test_a_server_without_tools_is_not_asked(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	up_serve_initialize(&u, "2025-11-25", NULL, "{\"prompts\":{}}");
	up_await_settled(&u);
	assert_int_equal(upstream_tools(u.up)->tools->len, 0);
	peer_await_none(&u.peer, "tools/list");
	up_release(&u);
}

static void test_a_server_that_does_not_know_the_method_has_no_tools(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	hit_error(peer_await(&u.peer, "tools/list"), 200, -32601, "");
	up_await_settled(&u);
	assert_int_equal(upstream_tools(u.up)->tools->len, 0);
	assert_null(upstream_error(u.up));
	up_release(&u);
}

/* Whatever is wrong with a list: an error, no list, another try later. */
static void test_lists_that_fail(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *body; /* NULL: a JSON-RPC error */
		const char *part;
	} cases[] = {
		{500, "", "its tools could not be fetched: HTTP 500"},
		{429, "", "HTTP 429"},
		{200, NULL, "fetched: no"},
		{400, NULL, "fetched: no"},
		{200, "rubbish", "not valid"},
		{200, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}", ""},
		{200, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"tools\":{}}}", ""},
		{200, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"tools\":[],\"nextCursor\":5}}",
			""},
		{200, "{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"tools\":[]}}",
			"another request"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		open_until_list(&u);
		struct Hit *hit = peer_await(&u.peer, "tools/list");
		g_autofree char *error = error_text(hit, -32000, "");
		hit_reply(hit, cases[i].status, "", cases[i].body ? cases[i].body : error);
		up_await_settled(&u);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		assert_null(upstream_tools(u.up));
		if (!strstr(upstream_error(u.up)->message, cases[i].part))
			fail_msg("%s lacks %s", upstream_error(u.up)->message, cases[i].part);
		assert_int_equal(u.tools, 0);
		clock_jump(&u.fixture, 1100);
		up_serve_tools(&u, ADD_TOOL);
		up_await_tools(&u, 1);
		assert_null(upstream_error(u.up));
		up_release(&u);
	}
}

static void test_a_page_that_fails_drops_those_before(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	hit_result(peer_await(&u.peer, "tools/list"),
		"{\"tools\":[" TOOL("a") "],\"nextCursor\":\"1\"}");
	hit_error(peer_await(&u.peer, "tools/list"), 200, -32601, "");
	up_await_settled(&u);
	assert_null(upstream_tools(u.up));
	assert_non_null(upstream_error(u.up));
	clock_jump(&u.fixture, 1100);
	assert_null(strstr(peer_await(&u.peer, "tools/list")->body, "cursor"));
	up_release(&u);
}

static void test_the_last_good_list_stays(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	up_serve_tools(&u, ADD_TOOL);
	up_await_settled(&u);
	upstream_refresh(u.up, MCP_TOOLS);
	upstream_refresh(u.up, MCP_TOOLS); /* under way already */
	hit_reply(peer_await(&u.peer, "tools/list"), 500, "", "");
	while (!upstream_error(u.up))
		turn_until(&u.fixture, u.states, u.states + 1);
	assert_int_equal(upstream_tools(u.up)->tools->len, 1);
	assert_int_equal(u.tools, 1);
	assert_null(peer_find(&u.peer, "tools/list"));
	up_release(&u);
}

static void test_cursor_loops_and_endless_pages(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	for (unsigned i = 0; i < 2; i++)
		hit_result(
			peer_await(&u.peer, "tools/list"), "{\"tools\":[],\"nextCursor\":\"x\"}");
	up_await_settled(&u);
	assert_non_null(strstr(upstream_error(u.up)->message, "names itself"));
	clock_jump(&u.fixture, 1100);
	unsigned pages = 0;
	while (strstr(upstream_error(u.up)->message, "names itself")) {
		struct Hit *hit = peer_find(&u.peer, "tools/list");
		if (hit)
			hit_result(hit, ++pages % 2 ? "{\"tools\":[],\"nextCursor\":\"a\"}"
						    : "{\"tools\":[],\"nextCursor\":\"b\"}");
		g_main_context_iteration(u.fixture.context, TRUE);
	}
	assert_non_null(strstr(upstream_error(u.up)->message, "no last page"));
	assert_in_range(pages, 100, 1001);
	up_release(&u);
}

static void test_pages_over_max_message_in_all(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\nmax_message = 1\nmax_result = 1");
	upstream_open(u.up, ERA_LEGACY);
	up_serve_initialize(&u, "2025-11-25", NULL, QUIET_TOOLS);
	g_autofree char *big = g_strnfill(400000, 'x');
	for (unsigned i = 0; i < 3; i++) {
		g_autofree char *result = g_strdup_printf(
			"{\"tools\":[{\"name\":\"t%u\",\"description\":\"%s\",\"inputSchema\":{}}],"
			"\"nextCursor\":\"%u\"}",
			i, big, i);
		hit_result(peer_await(&u.peer, "tools/list"), result);
	}
	up_await_settled(&u);
	assert_non_null(strstr(upstream_error(u.up)->message, "over max_message"));
	up_release(&u);
}

static void test_a_hanging_list_times_out(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	struct Hit *hit = peer_await(&u.peer, "tools/list");
	clock_jump(&u.fixture, 30500);
	assert_true(upstream_is_settled(u.up));
	assert_non_null(strstr(upstream_error(u.up)->message, "30 seconds"));
	hit_await_close(hit);
	up_release(&u);
}

static void test_a_broken_list_is_asked_for_again_once(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	hit_cut(peer_await(&u.peer, "tools/list"));
	struct Hit *again = peer_await(&u.peer, "tools/list");
	hit_cut(again);
	up_await_settled(&u);
	assert_non_null(upstream_error(u.up));
	peer_await_none(&u.peer, "tools/list");
	up_release(&u);
}

/* A change that is announced while a list is fetched: that list may be old already. */
static void test_a_change_while_a_list_is_fetched(void **state)
{
	(void)state;
	static const char changed[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";
	struct Up u;
	open_until_list(&u);
	struct Hit *hit = peer_await(&u.peer, "tools/list");
	hit_stream(hit, "");
	hit_event(hit, changed);
	hit_event(hit, changed);
	hit_event_result(hit, "{\"tools\":[" TOOL("a") "]}");
	up_await_settled(&u);
	/* A server that says so each time is not asked without a pause. */
	peer_await_none(&u.peer, "tools/list");
	clock_jump(&u.fixture, 510);
	up_serve_tools(&u, TOOL("b"));
	up_await_tools(&u, 2);
	assert_string_equal(((struct Tool *)upstream_tools(u.up)->tools->pdata[0])->name, "b");
	clock_jump(&u.fixture, 1000);
	peer_await_none(&u.peer, "tools/list");
	up_release(&u);
}

/* Each fetch is followed by a notice: after the first few the pauses between them double. */
static void test_a_server_whose_tools_change_all_the_time(void **state)
{
	(void)state;
	static const char changed[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";
	struct Up u;
	open_until_list(&u);
	unsigned pause = 500;
	for (unsigned i = 1; i <= 12; i++) {
		struct Hit *hit = peer_await(&u.peer, "tools/list");
		unsigned states = u.states;
		hit_stream(hit, "");
		hit_event(hit, changed);
		hit_event_result(hit, "{\"tools\":[]}");
		turn_until(&u.fixture, u.states, states + 1);
		clock_jump(&u.fixture, pause - 100);
		peer_await_none(&u.peer, "tools/list");
		clock_jump(&u.fixture, 110);
		if (i >= 4)
			pause = MIN(2 * pause, 60000);
	}
	up_release(&u);
}

/* Three changes within a second or two, as people make them: none waits for longer than half a second. */
static void test_the_first_changes_are_heard_soon(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	up_serve_tools(&u, TOOL("a"));
	up_await_settled(&u);
	for (unsigned i = 0; i < 3; i++) {
		clock_jump(&u.fixture, 600);
		upstream_list_changed(u.up, MCP_TOOLS);
		up_serve_tools(&u, i % 2 ? TOOL("a") : TOOL("b"));
		up_await_tools(&u, i + 2);
	}
	up_release(&u);
}

static void test_a_page_that_finds_the_session_gone_renews_it_once(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	up_serve_initialize(&u, "2025-11-25", "S1", QUIET_TOOLS);
	hit_reply(peer_await(&u.peer, "tools/list"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", QUIET_TOOLS);
	struct Hit *hit = peer_await(&u.peer, "tools/list");
	assert_header(hit, "Mcp-Session-Id", "S2");
	hit_reply(hit, 404, "", "");
	up_await_settled(&u);
	assert_non_null(strstr(upstream_error(u.up)->message, "HTTP 404"));
	peer_await_none(&u.peer, "initialize");
	/* Later it may be gone again, and that is another matter. */
	clock_jump(&u.fixture, 1100);
	hit_reply(peer_await(&u.peer, "tools/list"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S3", QUIET_TOOLS);
	up_serve_tools(&u, ADD_TOOL);
	up_await_tools(&u, 1);
	up_release(&u);
}

static void test_freshness_by_the_servers_word(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_MODERN);
	up_serve_discover(&u, QUIET_TOOLS);
	hit_result(peer_await(&u.peer, "tools/list"),
		"{\"tools\":[" ADD_TOOL "],\"ttlMs\":60000,\"cacheScope\":\"public\"}");
	up_await_settled(&u);
	assert_in_range(upstream_fresh_ms(u.up, MCP_TOOLS), 50000, 60000);
	clock_jump(&u.fixture, 59000);
	upstream_refresh_stale(u.up, MCP_TOOLS);
	peer_await_none(&u.peer, "tools/list");
	clock_jump(&u.fixture, 1100);
	assert_int_equal(upstream_fresh_ms(u.up, MCP_TOOLS), 0);
	upstream_refresh_stale(u.up, MCP_TOOLS);
	hit_result(peer_await(&u.peer, "tools/list"), "{\"tools\":[" ADD_TOOL "]}");
	fixture_turn_for(&u.fixture, 20);
	upstream_refresh_stale(u.up, MCP_TOOLS); /* fetched a moment ago */
	peer_await_none(&u.peer, "tools/list");
	assert_int_equal(u.tools, 1);
	clock_jump(&u.fixture, 5100);
	upstream_refresh_stale(u.up, MCP_TOOLS);
	peer_await(&u.peer, "tools/list");
	up_release(&u);
}

/* Only modern servers' annotations mean anything. */
static void test_tools_with_broken_annotations_are_marked(void **state)
{
	(void)state;
	static const char tool[] =
		"{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"p\":{"
		"\"type\":\"number\",\"x-mcp-header\":\"P\"}}}}";
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		if (i)
			up_open_modern(&u, QUIET_TOOLS, tool);
		else
			up_open_legacy(&u, NULL, QUIET_TOOLS, tool);
		const struct Tool *got = upstream_tools(u.up)->tools->pdata[0];
		assert_int_equal(got->invalid != NULL, i);
		up_release(&u);
	}
}

static void test_freed_while_a_list_is_fetched(void **state)
{
	(void)state;
	struct Up u;
	open_until_list(&u);
	hit_result(peer_await(&u.peer, "tools/list"),
		"{\"tools\":[" TOOL("a") "],\"nextCursor\":\"1\"}");
	peer_await(&u.peer, "tools/list");
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_are_gathered_in_order),
		cmocka_unit_test(test_a_server_without_tools_is_not_asked),
		cmocka_unit_test(test_a_server_that_does_not_know_the_method_has_no_tools),
		cmocka_unit_test(test_lists_that_fail),
		cmocka_unit_test(test_a_page_that_fails_drops_those_before),
		cmocka_unit_test(test_the_last_good_list_stays),
		cmocka_unit_test(test_cursor_loops_and_endless_pages),
		cmocka_unit_test(test_pages_over_max_message_in_all),
		cmocka_unit_test(test_a_hanging_list_times_out),
		cmocka_unit_test(test_a_broken_list_is_asked_for_again_once),
		cmocka_unit_test(test_a_change_while_a_list_is_fetched),
		cmocka_unit_test(test_a_server_whose_tools_change_all_the_time),
		cmocka_unit_test(test_the_first_changes_are_heard_soon),
		cmocka_unit_test(test_a_page_that_finds_the_session_gone_renews_it_once),
		cmocka_unit_test(test_freshness_by_the_servers_word),
		cmocka_unit_test(test_tools_with_broken_annotations_are_marked),
		cmocka_unit_test(test_freed_while_a_list_is_fetched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
