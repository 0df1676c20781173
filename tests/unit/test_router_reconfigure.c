/* The configuration changes while the router runs: upstreams that come, lists that change, what stays as it was. */
#include "inputs_fixture.h"
#include "items_fixture.h"
#include "reconfigure_fixture.h"

#include "cli_fixture.h"

#include <glib/gstdio.h>

#define A CONNECTOR("a", "@0")
#define B CONNECTOR("b", "@1")
#define C CONNECTOR("c", "@2")
#define OWN "mcp_mux__connectors mcp_mux__connect "
#define SLOW "[mux]\nlist_timeout = 2\n"
#define CALL(id, name) LEGACY(id, "tools/call", "\"name\":\"" name "\"")

enum { OPENING_MS = 31 * 1000 }; /* longer than an `initialize` is waited for */

/* A legacy IDE that has seen the tools of the legacy server a. */
static void open_a(struct Ide *ide, const char *ini)
{
	ide_init(ide, ini);
	ide_initialize(ide, "2025-11-25");
	ide_serve_legacy(ide, 0, ADD_TOOL "," READ_TOOL);
	ide_expect_list(ide, MCP_TOOLS, "a__add a__look " OWN);
}

static void expect_changed(struct Ide *ide, const char *tools)
{
	g_free(ide_notice(ide, TOOLS_CHANGED));
	ide_expect_list(ide, MCP_TOOLS, tools);
	ide_hear_nothing(ide);
}

static void expect_call(struct Ide *ide, unsigned n, const char *name, const char *own)
{
	g_autofree char *text =
		g_strdup_printf(LEGACY("\"call\"", "tools/call", "\"name\":\"%s\""), name);
	g_autofree char *part = g_strdup_printf("\"name\":\"%s\"", own);
	ide_say(ide, text);
	struct Hit *hit = peer_await(&ide->peers[n], "tools/call");
	assert_has(hit->body, part);
	hit_result(hit, "{\"content\":[]}");
	g_free(ide_answer(ide, "\"call\""));
}

/* ---- nothing ---- */

static void test_the_same_configuration_changes_nothing(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A B "enabled = off\n");
	ide_say(&ide, CALL("1", "a__add"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, A B "enabled = off\n");
	ide_hear_nothing(&ide);
	peer_expect_nothing(&ide.peers[0]);
	peer_expect_nothing(&ide.peers[1]);
	hit_result(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	expect_call(&ide, 0, "a__look", "look");
	ide_release(&ide);
}

static void test_the_same_for_a_modern_ide(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_say(&ide, MODERN("1", "subscriptions/listen",
			      ",\"notifications\":{\"toolsListChanged\":true}"));
	g_free(ide_notice(&ide, "notifications/subscriptions/acknowledged"));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_notice(&ide, TOOLS_CHANGED));
	ide_edit(&ide, A "title = Another one\n");
	ide_hear_nothing(&ide);
	peer_expect_nothing(&ide.peers[0]);
	ide_edit(&ide, A "prefix = z\n");
	g_autofree char *notice = ide_notice(&ide, TOOLS_CHANGED);
	assert_has(notice, "\"io.modelcontextprotocol/subscriptionId\":1}");
	ide_expect_modern_list(&ide, MCP_TOOLS, "z__add " OWN);
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_fifty_edits_in_a_row(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_say(&ide, CALL("1", "a__add"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	static const char *const edits[] = {A B, A B "enabled = off\n", B A,
		A C "[tools:a]\nadd = off\n", "[mux]\nseparator = _\n" A B C};
	for (unsigned i = 0; i < 50; i++) {
		ide_edit(&ide, edits[i % G_N_ELEMENTS(edits)]);
		if (i % 3 == 0)
			fixture_turn_for(&ide.fixture, 2);
	}
	ide_edit(&ide, A);
	hit_result(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_free(ide_notice(&ide, TOOLS_CHANGED));
	ide_expect_list(&ide, MCP_TOOLS, "a__add a__look " OWN);
	expect_call(&ide, 0, "a__look", "look");
	clock_jump(&ide.fixture,
		OPENING_MS); /* those that left were being opened, and nobody answers */
	while (!router_is_quiet(ide.router))
		fixture_turn_for(&ide.fixture, 5);
	ide_release(&ide);
}

/* ---- connectors that come ---- */

static void test_a_new_connector_opens_as_the_others_did(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_greet(&ide, "2025-06-18", CAN_ALL);
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	ide_expect_list(&ide, MCP_TOOLS, "a__add " OWN);
	ide_edit(&ide, A B);
	struct Hit *hit = peer_await(&ide.peers[1], "initialize");
	assert_has(hit->body, "\"protocolVersion\":\"2025-06-18\"");
	assert_has(hit->body, "\"capabilities\":{\"elicitation\":{");
	g_autofree char *text = result_text(hit,
		"{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{\"tools\":{}},"
		"\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(hit, 200, "", text);
	hit_reply(peer_await(&ide.peers[1], "notifications/initialized"), 202, "", "");
	peer_serve_tools(&ide.peers[1], ADD_TOOL);
	expect_changed(&ide, "a__add b__add " OWN);
	expect_call(&ide, 1, "b__add", "add");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_a_list_waits_for_one_that_is_new(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	clock_jump(&ide.fixture, 60 * 1000);
	ide_edit(&ide, B A);
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	ide_hear_nothing(&ide);
	ide_serve_legacy(&ide, 1, ADD_TOOL);
	g_autofree char *answer = ide_answer(&ide, "\"list\"");
	assert_keys(answer, MCP_TOOLS, "b__add a__add a__look " OWN); /* in the file's order */
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_list_does_not_wait_for_ever(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, SLOW A);
	ide_edit(&ide, SLOW A B);
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	clock_jump(&ide.fixture, 1500);
	/* Another one that is new makes it no longer. */
	ide_edit(&ide, SLOW A B C);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 600);
	g_autofree char *answer = ide_answer(&ide, "\"list\"");
	assert_keys(answer, MCP_TOOLS, "a__add a__look " OWN);
	/* One that is asked for now waits for the last one alone. */
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 1500);
	g_free(ide_answer(&ide, "\"list\""));
	ide_serve_legacy(&ide, 2, ADD_TOOL);
	expect_changed(&ide, "a__add a__look c__add " OWN);
	ide_release(&ide);
}

static void test_a_list_that_waits_is_answered_when_nothing_is_awaited(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A B);
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	peer_await(&ide.peers[1], "initialize");
	ide_hear_nothing(&ide);
	ide_edit(&ide, A);
	g_autofree char *answer = ide_answer(&ide, "\"list\"");
	assert_keys(answer, MCP_TOOLS, "a__add " OWN);
	ide_release(&ide);
}

static void test_a_shorter_list_timeout_holds_at_once(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 60\n" A);
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	clock_jump(&ide.fixture, 3000);
	ide_hear_nothing(&ide);
	ide_edit(&ide, SLOW A);
	g_free(ide_answer(&ide, "\"list\""));
	ide_release(&ide);
}

/* All that a session with an IDE has told or wanted so far. */
static void test_a_new_one_hears_what_was_wanted_before(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, QUIET_TOOLS);
	ide_expect_list(&ide, MCP_PROMPTS, "");
	ide_expect_list(&ide, MCP_RESOURCES, "");
	ide_exchange(&ide, LEGACY("1", "logging/setLevel", "\"level\":\"error\""), "1", "{}");
	ide_edit(&ide, A B);
	ide_serve(&ide, 1, ERA_LEGACY,
		"{\"tools\":{},\"prompts\":{},\"resources\":{},\"logging\":{}}");
	struct Hit *level = peer_await(&ide.peers[1], "logging/setLevel");
	assert_has(level->body, "\"level\":\"error\"");
	hit_result(level, "{}");
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("p"));
	peer_serve_list(&ide.peers[1], MCP_RESOURCES, RESOURCE("x:1"));
	ide_expect_list(&ide, MCP_PROMPTS, "b__p ");
	ide_expect_list(&ide, MCP_RESOURCES, "x:1 ");
	ide_release(&ide);
}

static void test_before_the_ides_first_message(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_edit(&ide, A B);
	ide_edit(&ide, B);
	peer_expect_nothing(&ide.peers[0]);
	peer_expect_nothing(&ide.peers[1]);
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 1, ADD_TOOL);
	ide_expect_list(&ide, MCP_TOOLS, "b__add " OWN);
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

/* Before the loop turned even once after it. */
static void test_right_after_the_ides_first_message(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_say(&ide, LEGACY("\"init\"", "initialize",
			      "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}"));
	ide_edit(&ide, A B);
	g_free(ide_answer(&ide, "\"init\""));
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	ide_serve_legacy(&ide, 1, ADD_TOOL);
	ide_expect_list(&ide, MCP_TOOLS, "a__add b__add " OWN);
	peer_await_none(&ide.peers[1], "initialize");
	ide_release(&ide);
}

static void test_off_and_on_again(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, A "enabled = off\n");
	expect_changed(&ide, OWN);
	ide_exchange(&ide, CALL("1", "a__add"), "1", "Unknown tool");
	/* Nothing is shown of it before it is heard of anew. */
	ide_edit(&ide, A);
	ide_hear_nothing(&ide);
	ide_say(&ide, CALL("2", "a__add"));
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	expect_changed(&ide, "a__add " OWN);
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

static void test_another_url(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, CONNECTOR("a", "@1"));
	g_free(ide_notice(&ide, TOOLS_CHANGED));
	ide_say(&ide, LEGACY("\"list\"", "tools/list", ""));
	ide_serve_legacy(&ide, 1, READ_TOOL);
	g_autofree char *answer = ide_answer(&ide, "\"list\"");
	assert_keys(answer, MCP_TOOLS, "a__look " OWN);
	expect_call(&ide, 1, "a__look", "look");
	ide_release(&ide);
}

/* ---- policy and names ---- */

static void test_a_tool_that_is_switched_off(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_say(&ide, CALL("1", "a__add"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, A "[tools:a]\nadd = off\n");
	expect_changed(&ide, "a__look " OWN);
	/* The call was allowed when it was made. */
	ide_exchange(&ide, CALL("2", "a__add"), "2", "Unknown tool");
	hit_result(call, "{\"content\":[1]}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"content\":[1]");
	ide_edit(&ide, A);
	expect_changed(&ide, "a__add a__look " OWN);
	expect_call(&ide, 0, "a__add", "add");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_an_allow_list_narrows_and_widens(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, A "allowed_tools = @read-only\n");
	expect_changed(&ide, "a__look " OWN);
	ide_edit(&ide, A "allowed_tools = add, look\n");
	expect_changed(&ide, "a__add a__look " OWN);
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_names_follow_prefix_separator_and_length(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, A "prefix = wiki\n");
	expect_changed(&ide, "wiki__add wiki__look " OWN);
	ide_exchange(&ide, CALL("1", "a__add"), "1", "Unknown tool");
	expect_call(&ide, 0, "wiki__add", "add");
	ide_edit(&ide, "[mux]\nseparator = -\n" A);
	expect_changed(&ide, "a-add a-look mcp_mux-connectors mcp_mux-connect ");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_own_tools_come_and_go(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, "[mux]\nbuiltin_tools = off\n" A);
	expect_changed(&ide, "a__add a__look ");
	ide_exchange(&ide, CALL("1", "mcp_mux__connectors"), "1", "Unknown tool");
	ide_edit(&ide, A);
	expect_changed(&ide, "a__add a__look " OWN);
	ide_exchange(&ide, CALL("2", "mcp_mux__connectors"), "2", "- a: a, connected, 2 of 2");
	ide_release(&ide);
}

static void test_prompts_change_alone(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_expect_list(&ide, MCP_TOOLS, OWN);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p") "," PROMPT("q"));
	g_free(ide_answer(&ide, "1"));
	ide_edit(&ide, A "allowed_prompts = q\n");
	g_free(ide_notice(&ide, "notifications/prompts/list_changed"));
	ide_expect_list(&ide, MCP_PROMPTS, "a__q ");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_limits_hold_from_then_on(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	ide_edit(&ide, "[mux]\nmax_result = 1\ncall_timeout = 1\n" A);
	g_autofree char *long_text = g_strnfill(1100 * 1024, 'x');
	g_autofree char *result =
		g_strdup_printf("{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}", long_text);
	ide_say(&ide, CALL("1", "a__add"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), result);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "more than max_result");
	ide_say(&ide, CALL("2", "a__add"));
	peer_await(&ide.peers[0], "tools/call");
	clock_jump(&ide.fixture, 1100);
	g_autofree char *late = ide_answer(&ide, "2");
	assert_has(late, "\"isError\":true");
	ide_release(&ide);
}

/* ---- pins ---- */

#define CHANGED_TOOL                                                                               \
	"{\"name\":\"add\",\"description\":\"and more\",\"inputSchema\":{\"type\":\"object\"}}"

#define BLOCKING "[mux]\npin_tools = block\n"

/* The file of the pins of a is there. */
static void await_pins(struct Ide *ide, const char *path)
{
	for (unsigned i = 0; !g_file_test(path, G_FILE_TEST_EXISTS); i++) {
		assert_in_range(i, 0, PATIENCE_MS);
		fixture_turn_for(&ide->fixture, 1);
	}
}

static void test_pins_that_another_process_wrote(void **state)
{
	(void)state;
	const struct MuxConfig mux = {.pin_tools = PIN_BLOCK};
	g_autofree char *folder = g_dir_make_tmp("router-pins-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", folder, TRUE));
	ide_pins = pins_new(&mux, true);
	g_autofree char *directory = pins_directory();
	g_autofree char *path = g_build_filename(directory, "a.json", NULL);
	struct Ide ide;
	open_a(&ide, BLOCKING A);
	await_pins(&ide, path);
	ide_edit(&ide, BLOCKING A "enabled = off\n");
	expect_changed(&ide, OWN);
	ide_edit(&ide, BLOCKING A);
	ide_serve_legacy(&ide, 0, CHANGED_TOOL "," READ_TOOL);
	expect_changed(&ide, "a__look " OWN);
	ide_exchange(&ide, CALL("1", "a__add"), "1", "Nothing was sent");
	ide_exchange(&ide, CALL("2", "mcp_mux__connectors"), "2",
		"1 of 2 tools; 1 changed since the user approved it and cannot be called: run "
		"`mcp-mux diff a__add` in a terminal");
	router_reread_pins(ide.router);
	ide_hear_nothing(&ide);
	/* Nothing is approved any more, so what is seen is. */
	assert_int_equal(g_unlink(path), 0);
	router_reread_pins(ide.router);
	expect_changed(&ide, "a__add a__look " OWN);
	await_pins(&ide, path);
	assert_int_equal(g_unlink(path), 0);
	router_reread_pins(ide.router);
	ide_release(&ide); /* writes what was not written yet */
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	pins_free(g_steal_pointer(&ide_pins));
	remove_tree(folder);
}

/* ---- calls that wait at their server's door ---- */

enum { FULL = 128 }; /* calls in flight to one server */

/* As many calls of a__look as there may be; the next one waits. */
static void fill(struct Ide *ide, struct Hit **hits)
{
	for (unsigned i = 0; i < FULL; i++) {
		g_autofree char *id = g_strdup_printf("%u", 1000 + i);
		g_autofree char *text =
			g_strdup_printf(LEGACY("%s", "tools/call", "\"name\":\"a__look\""), id);
		ide_say(ide, text);
	}
	for (unsigned i = 0; i < FULL; i++)
		hits[i] = peer_await(&ide->peers[0], "tools/call");
}

static void drain(struct Ide *ide, struct Hit **hits)
{
	for (unsigned i = 0; i < FULL; i++) {
		g_autofree char *id = g_strdup_printf("%u", 1000 + i);
		hit_result(hits[i], "{\"content\":[]}");
		g_free(ide_answer(ide, id));
	}
}

static void test_a_waiting_call_of_a_tool_that_was_switched_off_is_refused(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *hits[FULL];
	open_a(&ide, A);
	fill(&ide, hits);
	ide_say(&ide, CALL("1", "a__add"));
	ide_say(&ide, CALL("2", "a__look"));
	peer_await_none(&ide.peers[0], "tools/call");
	ide_edit(&ide, A "[tools:a]\nadd = off\n");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "-32602");
	assert_has(answer, "Unknown tool: add was hidden while the call waited");
	g_free(ide_notice(&ide, TOOLS_CHANGED));
	drain(&ide, hits);
	struct Hit *other = peer_await(&ide.peers[0], "tools/call");
	assert_has(other->body, "\"name\":\"look\"");
	hit_result(other, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

/* Another process approves `add` as CHANGED_TOOL has it, which is not what a says of it. */
static void approve_another(const struct Ide *ide)
{
	static const char text[] = "{\"tools\":[" CHANGED_TOOL "]}";
	g_autoptr(GBytes) page = g_bytes_new_static(text, strlen(text));
	g_autoptr(ToolList) list = tool_list_new();
	g_autoptr(GError) error = NULL;
	struct Slice cursor;
	unsigned skipped = 0;
	assert_true(tool_list_add_page(list, page, slice_of(text), false, &cursor, &skipped, NULL));
	g_autoptr(Pins) pins = pins_new(&ide->config->mux, false);
	assert_true(
		pins_approve(pins, config_find(ide->config, "a"), list->tools->pdata[0], &error));
}

static void test_a_waiting_call_of_a_tool_that_changed_is_refused(void **state)
{
	(void)state;
	const struct MuxConfig mux = {.pin_tools = PIN_BLOCK};
	g_autofree char *folder = g_dir_make_tmp("router-pins-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", folder, TRUE));
	ide_pins = pins_new(&mux, true);
	g_autofree char *directory = pins_directory();
	g_autofree char *path = g_build_filename(directory, "a.json", NULL);
	struct Ide ide;
	struct Hit *hits[FULL];
	open_a(&ide, BLOCKING A);
	await_pins(&ide, path);
	fill(&ide, hits);
	ide_say(&ide, CALL("1", "a__add"));
	peer_await_none(&ide.peers[0], "tools/call");
	approve_another(&ide);
	router_reread_pins(ide.router);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "Nothing was sent");
	assert_has(answer, "mcp-mux approve a__add");
	expect_changed(&ide, "a__look " OWN);
	drain(&ide, hits);
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
	pins_free(g_steal_pointer(&ide_pins));
	remove_tree(folder);
}

static void test_without_pins_there_is_nothing_to_read(void **state)
{
	(void)state;
	struct Ide ide;
	open_a(&ide, A);
	router_reread_pins(ide.router);
	ide_hear_nothing(&ide);
	router_shutdown(ide.router);
	router_reread_pins(ide.router);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_configuration_changes_nothing),
		cmocka_unit_test(test_the_same_for_a_modern_ide),
		cmocka_unit_test(test_fifty_edits_in_a_row),
		cmocka_unit_test(test_a_new_connector_opens_as_the_others_did),
		cmocka_unit_test(test_a_list_waits_for_one_that_is_new),
		cmocka_unit_test(test_a_list_does_not_wait_for_ever),
		cmocka_unit_test(test_a_list_that_waits_is_answered_when_nothing_is_awaited),
		cmocka_unit_test(test_a_shorter_list_timeout_holds_at_once),
		cmocka_unit_test(test_a_new_one_hears_what_was_wanted_before),
		cmocka_unit_test(test_before_the_ides_first_message),
		cmocka_unit_test(test_right_after_the_ides_first_message),
		cmocka_unit_test(test_off_and_on_again),
		cmocka_unit_test(test_another_url),
		cmocka_unit_test(test_a_tool_that_is_switched_off),
		cmocka_unit_test(test_an_allow_list_narrows_and_widens),
		cmocka_unit_test(test_names_follow_prefix_separator_and_length),
		cmocka_unit_test(test_own_tools_come_and_go),
		cmocka_unit_test(test_prompts_change_alone),
		cmocka_unit_test(test_limits_hold_from_then_on),
		cmocka_unit_test(test_pins_that_another_process_wrote),
		cmocka_unit_test(test_a_waiting_call_of_a_tool_that_was_switched_off_is_refused),
		cmocka_unit_test(test_a_waiting_call_of_a_tool_that_changed_is_refused),
		cmocka_unit_test(test_without_pins_there_is_nothing_to_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
