/* What an IDE sees at the next start, when lists were kept on disk: all of it at once, and what changed afterwards. */
#include "asking_fixture.h"
#include "list_fixture.h"

#include "inputs_fixture.h"
#include "items_fixture.h"

#define NOTEBOOK OAUTH("notes", "@a")
#define TWO CONNECTOR("a", "@0") CONNECTOR("b", "@1")
#define CHANGED(what) "notifications/" what "/list_changed"
#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"

struct Shelf {
	char *folder, *dir;
};

static int set_up(void **state)
{
	struct Shelf *shelf = g_new0(struct Shelf, 1);
	shelf->dir = list_open(&shelf->folder);
	ide_lists = list_cache_new();
	*state = shelf;
	return 0;
}

static int tear_down(void **state)
{
	struct Shelf *shelf = *state;
	g_clear_pointer(&ide_lists, list_cache_free);
	list_close(shelf->folder);
	g_free(shelf->dir);
	g_free(shelf);
	return 0;
}

#define shelf_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

/* The process ends, and another one begins. */
static void next_run(struct Ide *ide)
{
	struct RouterOptions options = ide->router->options;
	router_free(g_steal_pointer(&ide->router));
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		for (GList *link = ide->peers[i].hits.head; link; link = link->next)
			hit_cut(link->data);
		g_queue_clear(&ide->peers[i].hits);
	}
	ide->router = router_new(&options);
}

static void serve_with_words(struct Ide *ide, unsigned n, const char *words, const char *tools)
{
	g_autofree char *result = g_strdup_printf(
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
		"\"instructions\":\"%s\"}",
		words);
	hit_result(peer_await(&ide->peers[n], "initialize"), result);
	hit_reply(peer_await(&ide->peers[n], "notifications/initialized"), 202, "", "");
	peer_serve_tools(&ide->peers[n], tools);
}

/* A first run with a tool of each. */
static void fill(struct Ide *ide)
{
	ide_init(ide, TWO);
	ide_initialize(ide, "2025-11-25");
	serve_with_words(ide, 0, "Words of a.", TOOL("x"));
	serve_with_words(ide, 1, "Words of b.", TOOL("y"));
	g_autofree char *list = ide_list(ide);
	assert_has(list, "a__x");
	assert_has(list, "b__y");
	next_run(ide);
}

static char *greet(struct Ide *ide)
{
	ide_say(ide, LEGACY("\"init\"", "initialize",
			     "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
			     "\"clientInfo\":{\"name\":\"me\"}"));
	return ide_answer(ide, "\"init\"");
}

static void the_first_answers_are_complete_though_nobody_answers(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	g_autofree char *answer = greet(&ide);
	assert_has(answer, "Words of a.");
	assert_has(answer, "Words of b.");
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	g_autofree char *list = ide_answer(&ide, "1");
	g_autofree char *keys = ide_keys(list, MCP_TOOLS);
	assert_string_equal(keys, "a__x b__y mcp_mux__connectors mcp_mux__connect ");
	/* A call waits for its server alone. */
	ide_say(&ide, LEGACY("2", "tools/call", "\"name\":\"b__y\",\"arguments\":{}"));
	serve_with_words(&ide, 1, "Words of b.", TOOL("y"));
	hit_result(peer_await(&ide.peers[1], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_hear_nothing(&ide); /* what is as it was is no news */
	ide_release(&ide);
}

static void servers_are_heard_after_the_first_list(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	int64_t from_us = g_get_monotonic_time();
	g_free(greet(&ide));
	fixture_turn_for(&ide.fixture, 5);
	bool heard = ide.peers[0].hits.length + ide.peers[1].hits.length > 0;
	/* They are in the end, if nobody asks. */
	assert_true(!heard || g_get_monotonic_time() - from_us > 40 * 1000);
	g_autofree char *list = ide_list(&ide);
	assert_has(list, "a__x");
	serve_with_words(&ide, 0, "Words of a.", TOOL("x"));
	serve_with_words(&ide, 1, "Words of b.", TOOL("y"));
	ide_release(&ide);
}

static void a_call_does_not_wait_for_that(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	g_free(greet(&ide));
	ide_say(&ide, LEGACY("1", "tools/call", "\"name\":\"b__y\",\"arguments\":{}"));
	/* In the IDE's own era, as always. */
	serve_with_words(&ide, 1, "Words of b.", TOOL("y"));
	hit_result(peer_await(&ide.peers[1], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void what_changed_meanwhile_is_told_after_the_first_list(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	g_free(greet(&ide));
	g_autofree char *first = ide_list(&ide);
	assert_has(first, "a__x");
	serve_with_words(&ide, 0, "Words of a.", TOOL("z"));
	g_free(ide_notice(&ide, CHANGED("tools")));
	g_autofree char *second = ide_list(&ide);
	assert_lacks(second, "a__x");
	assert_has(second, "a__z");
	assert_has(second, "b__y");
	ide_release(&ide);
}

static void nothing_is_told_to_an_ide_that_has_no_list(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	g_free(greet(&ide));
	serve_with_words(&ide, 0, "", TOOL("z"));
	serve_with_words(&ide, 1, "", TOOL("y"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void one_without_a_file_is_waited_for(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	list_cache_forget("b");
	g_free(greet(&ide));
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_hear_nothing(&ide);
	serve_with_words(&ide, 1, "", TOOL("y"));
	g_autofree char *list = ide_answer(&ide, "1");
	assert_has(list, "a__x");
	assert_has(list, "b__y");
	ide_release(&ide);
}

static void an_ide_that_can_do_something_else_has_lists_of_its_own(void **state)
{
	(void)state;
	struct Ide ide;
	fill(&ide);
	ide_say(&ide,
		LEGACY("\"init\"", "initialize",
			"\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"roots\":{}}"));
	g_autofree char *answer = ide_answer(&ide, "\"init\"");
	assert_lacks(answer, "Words of");
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Extensions and instructions stand in the answer to server/discover. */
static void a_modern_ide_is_told_all_at_once(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("1", "server/discover", ""));
	g_autofree char *before = ide_answer(&ide, "1");
	assert_lacks(before, "io.modelcontextprotocol/tasks");
	hit_result(peer_await(&ide.peers[0], "server/discover"),
		"{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
		"\"instructions\":\"Words of a.\",\"capabilities\":{\"tools\":{},\"extensions\":{"
		"\"io.modelcontextprotocol/tasks\":{},\"io.modelcontextprotocol/ui\":{}}}}");
	ide_say(&ide, MODERN("2", "tools/list", ""));
	peer_serve_tools(&ide.peers[0], TOOL("x"));
	g_free(ide_answer(&ide, "2"));
	next_run(&ide);
	ide_say(&ide, MODERN("3", "server/discover", ""));
	g_autofree char *after = ide_answer(&ide, "3");
	assert_has(after, "io.modelcontextprotocol/tasks");
	assert_has(after, "io.modelcontextprotocol/ui");
	assert_has(after, "Words of a.");
	ide_exchange(&ide, MODERN("4", "tools/list", ""), "4", "a__x");
	ide_say(&ide, MODERN("5", "tools/list", ""));
	g_autofree char *list = ide_answer(&ide, "5");
	assert_has(list, "\"ttlMs\":0");
	ide_release(&ide);
}

static void prompts_and_templates_come_at_once_and_are_checked_behind(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide, LEGACY("2", "resources/list", ""));
	peer_serve_list(&ide.peers[0], MCP_RESOURCES, RESOURCE("a:secret"));
	g_free(ide_answer(&ide, "2"));
	ide_say(&ide, LEGACY("3", "resources/templates/list", ""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, TEMPLATE("t:{x}"));
	g_free(ide_answer(&ide, "3"));
	next_run(&ide);
	g_free(greet(&ide));
	ide_exchange(&ide, LEGACY("4", "prompts/list", ""), "4", "a__p");
	ide_exchange(&ide, LEGACY("5", "resources/templates/list", ""), "5", "t:{x}");
	ide_say(&ide, LEGACY("6", "resources/list", "")); /* these are not kept */
	ide_hear_nothing(&ide);
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("q"));
	peer_serve_list(&ide.peers[0], MCP_RESOURCES, RESOURCE("a:secret"));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, TEMPLATE("t:{x}"));
	g_free(ide_answer(&ide, "6"));
	g_free(ide_notice(&ide, CHANGED("prompts")));
	ide_exchange(&ide, LEGACY("7", "prompts/list", ""), "7", "a__q");
	ide_release(&ide);
}

/* What is known of its era is from the run before. */
static void a_call_to_one_that_came_to_be_legacy_can_be_asked(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, LEGACY("1", "tools/list", META_WITH(CAN_ALL, "")));
	ide_serve_modern(&ide, 0, TOOL("add"));
	g_free(ide_answer(&ide, "1"));
	next_run(&ide);
	ide_say(&ide, ABLE_CALL("2"));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", "S", QUIET_TOOLS);
	struct Hit *call = peer_await_call(&ide.peers[0]);
	hit_event(call, ASKS_ROOTS("5"));
	g_autofree char *handle = ide_await_wanted(&ide, "2", "{\"q1\":" ROOTS_WANTED "}");
	ide_retry(&ide, "3", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "{\"roots\":[]}");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "3"));
	ide_release(&ide);
}

/* ---- accounts ---- */

static void fill_signed_in(struct Asker *a)
{
	asker_init_signed_in(a, NOTEBOOK);
	while (ide_find(&a->ide, "method", "\"" CHANGED("tools") "\""))
		;
	next_run(&a->ide);
}

static void lists_come_before_the_keyring_answers(void **state)
{
	struct Shelf *shelf = *state;
	struct Asker a;
	fill_signed_in(&a);
	assert_int_equal(list_files(shelf->dir, NULL), 1);
	a.servers[0].hold_opening = true;
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	g_autofree char *list = ide_list(&a.ide);
	assert_has(list, "notes__add");
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	guarded_release(&a.servers[0]);
	ide_exchange(
		&a.ide, LEGACY("1", "tools/call", CALL("notes__add")), "1", "\"text\":\"first\"");
	assert_null(ide_find(&a.ide, "method", "\"" CHANGED("tools") "\""));
	asker_release(&a);
}

static void another_account_sees_nothing_of_the_one_before(void **state)
{
	(void)state;
	struct Asker a;
	fill_signed_in(&a);
	asker_sign_in(&a, "notes", 0, "second");
	a.servers[0].tools = TOOL("other");
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	/* Nobody knows yet whose they are. */
	g_autofree char *first = ide_list(&a.ide);
	assert_has(first, "notes__add");
	g_free(ide_notice(&a.ide, CHANGED("tools")));
	asker_await_tool(&a, "notes__other");
	g_autofree char *last = ide_list(&a.ide);
	assert_lacks(last, "notes__add");
	asker_release(&a);
}

static void a_sign_out_between_two_runs_takes_lists_and_files(void **state)
{
	struct Shelf *shelf = *state;
	struct Asker a;
	fill_signed_in(&a);
	asker_sign_out(&a, "notes", 0);
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	g_free(ide_list(&a.ide));
	g_free(ide_notice(&a.ide, CHANGED("tools")));
	g_autofree char *list = ide_list(&a.ide);
	assert_lacks(list, "notes__add");
	assert_int_equal(list_files(shelf->dir, NULL), 0);
	asker_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		shelf_test(the_first_answers_are_complete_though_nobody_answers),
		shelf_test(servers_are_heard_after_the_first_list),
		shelf_test(a_call_does_not_wait_for_that),
		shelf_test(what_changed_meanwhile_is_told_after_the_first_list),
		shelf_test(nothing_is_told_to_an_ide_that_has_no_list),
		shelf_test(one_without_a_file_is_waited_for),
		shelf_test(an_ide_that_can_do_something_else_has_lists_of_its_own),
		shelf_test(a_modern_ide_is_told_all_at_once),
		shelf_test(prompts_and_templates_come_at_once_and_are_checked_behind),
		shelf_test(a_call_to_one_that_came_to_be_legacy_can_be_asked),
		shelf_test(lists_come_before_the_keyring_answers),
		shelf_test(another_account_sees_nothing_of_the_one_before),
		shelf_test(a_sign_out_between_two_runs_takes_lists_and_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
