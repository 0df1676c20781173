/* What an upstream keeps on disk of a server's lists, and takes from there in the next run. */
#include "recall_fixture.h"

#define TEMPLATE(uri) "{\"uriTemplate\":\"" uri "\",\"name\":\"n\"}"
#define RESOURCE(uri) "{\"uri\":\"" uri "\",\"name\":\"secret-title\"}"

static void test_lists_are_there_before_the_server_is_heard(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	struct Up *u = r.u;
	assert_false(recall(&r, ERA_LEGACY));
	assert_false(upstream_is_listed(u->up, MCP_TOOLS));
	upstream_want(u->up, MCP_PROMPTS);
	upstream_want(u->up, MCP_RESOURCES);
	upstream_want(u->up, MCP_TEMPLATES);
	upstream_open(u->up, ERA_LEGACY);
	hit_result(peer_await(&u->peer, "initialize"),
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" EVERYTHING
		",\"instructions\":\"Ask me.\"}");
	hit_reply(peer_await(&u->peer, "notifications/initialized"), 202, "", "");
	up_serve_tools(u, ADD_TOOL);
	peer_serve_list(&u->peer, MCP_PROMPTS, PROMPT("p"));
	peer_serve_list(&u->peer, MCP_RESOURCES, RESOURCE("a:secret-uri"));
	peer_serve_list(&u->peer, MCP_TEMPLATES, TEMPLATE("t:{x}"));
	for (enum McpList kind = MCP_TOOLS; kind < MCP_LISTS; kind++)
		await_listed(u, kind);
	clock_jump(&u->fixture, KEEP_MS);
	g_autofree char *text = kept_text(&r);
	assert_null(strstr(text, "secret"));
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	assert_string_equal(tool_at(u, 0), "add");
	assert_string_equal(upstream_instructions(u->up), "Ask me.");
	assert_int_equal(
		upstream_offers(u->up), UPSTREAM_TOOLS | UPSTREAM_PROMPTS | UPSTREAM_RESOURCES);
	assert_int_equal(upstream_era(u->up), ERA_LEGACY);
	assert_int_equal(upstream_state(u->up), UPSTREAM_CLOSED);
	assert_false(upstream_is_settled(u->up));
	assert_non_null(upstream_items(u->up, MCP_PROMPTS));
	assert_non_null(upstream_items(u->up, MCP_TEMPLATES));
	assert_null(upstream_items(u->up, MCP_RESOURCES));
	assert_false(upstream_is_listed(u->up, MCP_RESOURCES));
	for (enum McpList kind = MCP_TOOLS; kind < MCP_LISTS; kind++) {
		assert_int_equal(upstream_fresh_ms(u->up, kind), 0);
		assert_int_equal(upstream_is_listed(u->up, kind), kind != MCP_RESOURCES);
	}
	upstream_open(u->up, ERA_LEGACY);
	assert_true(upstream_is_listed(u->up, MCP_PROMPTS));
	assert_int_equal(u->tools, 0);
	runs_release(&r);
}

static void test_what_is_as_it_was_is_no_news_and_not_written(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	g_autofree char *name = NULL;
	list_files(r.dir, &name);
	g_autofree char *path = g_build_filename(r.dir, name, NULL);
	struct stat before, after;
	assert_int_equal(stat(path, &before), 0);
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	assert_true(upstream_is_settled(r.u->up));
	clock_jump(&r.u->fixture, KEEP_MS);
	assert_int_equal(r.u->tools, 0);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	runs_release(&r);
}

static void test_what_changed_between_two_runs_is_told_and_kept(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, READ_TOOL);
	assert_int_equal(r.u->tools, 1);
	assert_string_equal(tool_at(r.u, 0), "look");
	clock_jump(&r.u->fixture, KEEP_MS);
	g_autofree char *text = kept_text(&r);
	assert_non_null(strstr(text, "look"));
	assert_null(strstr(text, "\"add\""));
	runs_release(&r);
}

static void test_a_server_that_cannot_be_reached_keeps_its_lists(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	hit_reply(peer_await(&r.u->peer, "initialize"), 503, "", "");
	up_await_state(r.u, UPSTREAM_FAILED);
	assert_string_equal(tool_at(r.u, 0), "add");
	assert_int_equal(r.u->tools, 0);
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	runs_release(&r);
}

static void test_a_call_waits_for_the_opening(void **state)
{
	(void)state;
	struct Runs r;
	struct Ask ask = {0};
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	ask_add(r.u, &ask);
	peer_await_none(&r.u->peer, "tools/call");
	up_serve_initialize(r.u, "2025-11-25", NULL, QUIET_TOOLS);
	hit_result(peer_await(&r.u->peer, "tools/call"), "{\"content\":[]}");
	ask_await(&ask);
	assert_ask_answer(&ask, "content");
	ask_release(&ask);
	runs_release(&r);
}

/* What goes into headers is known from the cache, so that the first call needs no second one. */
static void test_a_modern_server_gets_its_headers_from_what_was_kept(void **state)
{
	(void)state;
	static const char tool[] =
		"{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
		"\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}}";
	static const char call[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{"
		"\"name\":\"add\",\"arguments\":{\"a\":\"v\"}}}";
	struct Runs r;
	struct Ask ask = {0};
	runs_init(&r, "auth = none");
	assert_false(recall(&r, ERA_MODERN));
	up_open_modern(r.u, QUIET_TOOLS, tool);
	next_run(&r);
	assert_true(recall(&r, ERA_MODERN));
	assert_int_equal(upstream_era(r.u->up), ERA_MODERN);
	upstream_open(r.u->up, ERA_MODERN);
	ask_start(r.u, &ask, ERA_LEGACY, call);
	up_serve_discover(r.u, QUIET_TOOLS);
	struct Hit *hit = peer_await(&r.u->peer, "tools/call");
	assert_header(hit, "Mcp-Param-A", "v");
	hit_result(hit, "{\"resultType\":\"complete\",\"content\":[]}");
	ask_await(&ask);
	ask_release(&ask);
	runs_release(&r);
}

/* The same text means other headers once the server is modern. */
static void test_a_server_that_came_to_be_modern(void **state)
{
	(void)state;
	static const char tool[] =
		"{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
		"\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}}";
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, tool);
	assert_true(recall(&r, ERA_LEGACY));
	assert_null(((const struct Tool *)upstream_tools(r.u->up)->tools->pdata[0])->headers);
	upstream_open(r.u->up, ERA_LEGACY);
	hit_error(peer_await(&r.u->peer, "initialize"), 400, -32022,
		",\"data\":{\"supported\":[\"2026-07-28\"]}");
	up_serve_discover(r.u, QUIET_TOOLS);
	up_serve_tools(r.u, tool);
	up_await_settled(r.u);
	assert_non_null(((const struct Tool *)upstream_tools(r.u->up)->tools->pdata[0])->headers);
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	assert_int_equal(upstream_era(r.u->up), ERA_MODERN);
	runs_release(&r);
}

/* Nobody has asked for the prompts in this run: they are kept all the same, and fetched once they are wanted. */
static void test_what_nobody_wants_now_stays_and_is_checked_when_wanted(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	struct Up *u = r.u;
	recall(&r, ERA_LEGACY);
	upstream_want(u->up, MCP_PROMPTS);
	upstream_open(u->up, ERA_LEGACY);
	up_serve_initialize(u, "2025-11-25", NULL, EVERYTHING);
	up_serve_tools(u, ADD_TOOL);
	peer_serve_list(&u->peer, MCP_PROMPTS, PROMPT("p"));
	await_listed(u, MCP_PROMPTS);
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(u, NULL, EVERYTHING, READ_TOOL);
	assert_true(upstream_is_listed(u->up, MCP_PROMPTS));
	peer_await_none(&u->peer, "prompts/list");
	clock_jump(&u->fixture, KEEP_MS);
	g_autofree char *text = kept_text(&r);
	assert_non_null(strstr(text, PROMPT("p")));
	upstream_want(u->up, MCP_PROMPTS);
	assert_true(upstream_is_listed(u->up, MCP_PROMPTS));
	peer_serve_list(&u->peer, MCP_PROMPTS, PROMPT("q"));
	up_await_items(u, MCP_PROMPTS, 1);
	clock_jump(&u->fixture, KEEP_MS);
	g_autofree char *later = kept_text(&r);
	assert_non_null(strstr(later, PROMPT("q")));
	runs_release(&r);
}

#define LONG_TOOL "{\"name\":\"%s\",\"description\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}"

/* A fetch of a list of some 400 KiB. */
static void serve_long(struct Up *u, const char *name)
{
	g_autofree char *words = g_strnfill(400 * 1024, 'w');
	g_autofree char *tool = g_strdup_printf(LONG_TOOL, name, words);
	unsigned told = u->tools;
	upstream_refresh(u->up, MCP_TOOLS);
	up_serve_tools(u, tool);
	for (unsigned i = 0; u->tools == told; i++) {
		assert_in_range(i, 0, PATIENCE_MS);
		fixture_turn_for(&u->fixture, 1);
	}
}

static void test_long_lists_that_change_are_written_now_and_then(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	serve_long(r.u, "first");
	clock_jump(&r.u->fixture, KEEP_MS);
	g_autofree char *one = kept_text(&r);
	assert_non_null(strstr(one, "\"first\""));
	serve_long(r.u, "second");
	clock_jump(&r.u->fixture, 2 * KEEP_MS);
	g_autofree char *same = kept_text(&r);
	assert_string_equal(same, one);
	clock_jump(&r.u->fixture, 4 * KEEP_MS);
	g_autofree char *two = kept_text(&r);
	assert_non_null(strstr(two, "\"second\""));
	serve_long(r.u, "third");
	upstream_shutdown(r.u->up);
	g_autofree char *three = kept_text(&r);
	assert_non_null(strstr(three, "\"third\""));
	runs_release(&r);
}

static void test_another_client_era_or_revision_has_a_file_of_its_own(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	upstream_set_client(r.u->up, ERA_LEGACY, SLICE("{\"roots\":{}}"));
	assert_false(recall(&r, ERA_LEGACY));
	next_run(&r);
	assert_false(recall(&r, ERA_MODERN));
	next_run(&r);
	upstream_offer_revision(r.u->up, "2025-03-26");
	assert_false(recall(&r, ERA_LEGACY));
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_shutdown(r.u->up);
	next_run(&r);
	upstream_set_client(r.u->up, ERA_LEGACY, SLICE("{\"roots\":{}}"));
	recall(&r, ERA_LEGACY);
	up_open_legacy(r.u, NULL, QUIET_TOOLS, READ_TOOL);
	next_run(&r);
	assert_int_equal(list_files(r.dir, NULL), 2);
	assert_true(recall(&r, ERA_LEGACY));
	assert_string_equal(tool_at(r.u, 0), "add");
	runs_release(&r);
}

static void test_other_headers_have_a_file_of_their_own(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	struct ConnectorConfig *connector = r.u->config->connectors->pdata[0];
	struct HeaderConfig header = {.name = (char[]){"X-Team"}, .value = (char[]){"b"}};
	g_autoptr(GPtrArray) headers = g_ptr_array_new();
	g_ptr_array_add(headers, &header);
	GPtrArray *own = connector->headers;
	connector->headers = headers;
	assert_false(recall(&r, ERA_LEGACY));
	connector->headers = own;
	runs_release(&r);
}

static void test_those_whose_lists_nobody_reads_keep_nothing(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	upstream_set_unread(r.u->up);
	assert_false(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	up_serve_initialize(r.u, "2025-11-25", NULL, QUIET_TOOLS);
	up_await_settled(r.u);
	clock_jump(&r.u->fixture, KEEP_MS);
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	assert_string_equal(tool_at(r.u, 0), "add");
	assert_false(recall(&r, ERA_LEGACY)); /* once */
	/* Commands have no cache at all. */
	r.u->up->shared.lists = NULL;
	next_run(&r);
	assert_false(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, READ_TOOL);
	clock_jump(&r.u->fixture, KEEP_MS);
	g_autofree char *text = kept_text(&r);
	assert_null(strstr(text, "look"));
	runs_release(&r);
}

static void test_a_damaged_file_is_fetched_anew(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	fill(&r, ADD_TOOL);
	g_autofree char *name = NULL;
	list_files(r.dir, &name);
	g_autofree char *path = g_build_filename(r.dir, name, NULL);
	assert_int_equal(truncate(path, 100), 0);
	assert_false(recall(&r, ERA_LEGACY));
	assert_null(upstream_tools(r.u->up));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	next_run(&r);
	assert_int_equal(list_files(r.dir, NULL), 2);
	assert_true(recall(&r, ERA_LEGACY));
	runs_release(&r);
}

static void test_nothing_is_written_while_the_tools_are_not_known(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, "auth = none");
	recall(&r, ERA_LEGACY);
	upstream_want(r.u->up, MCP_PROMPTS);
	upstream_open(r.u->up, ERA_LEGACY);
	up_serve_initialize(r.u, "2025-11-25", NULL, EVERYTHING);
	peer_serve_list(&r.u->peer, MCP_PROMPTS, PROMPT("p"));
	await_listed(r.u, MCP_PROMPTS);
	clock_jump(&r.u->fixture, KEEP_MS);
	assert_int_equal(list_files(r.dir, NULL), 0);
	runs_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_are_there_before_the_server_is_heard),
		cmocka_unit_test(test_what_is_as_it_was_is_no_news_and_not_written),
		cmocka_unit_test(test_what_changed_between_two_runs_is_told_and_kept),
		cmocka_unit_test(test_a_server_that_cannot_be_reached_keeps_its_lists),
		cmocka_unit_test(test_a_call_waits_for_the_opening),
		cmocka_unit_test(test_a_modern_server_gets_its_headers_from_what_was_kept),
		cmocka_unit_test(test_a_server_that_came_to_be_modern),
		cmocka_unit_test(test_what_nobody_wants_now_stays_and_is_checked_when_wanted),
		cmocka_unit_test(test_long_lists_that_change_are_written_now_and_then),
		cmocka_unit_test(test_another_client_era_or_revision_has_a_file_of_its_own),
		cmocka_unit_test(test_other_headers_have_a_file_of_their_own),
		cmocka_unit_test(test_those_whose_lists_nobody_reads_keep_nothing),
		cmocka_unit_test(test_a_damaged_file_is_fetched_anew),
		cmocka_unit_test(test_nothing_is_written_while_the_tools_are_not_known),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
