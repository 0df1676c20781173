/* A connector that leaves while it is in use: what becomes of everything that is under way there. */
#include "inputs_fixture.h"
#include "items_fixture.h"
#include "reconfigure_fixture.h"

#include "cli_fixture.h"

#define A CONNECTOR("a", "@0")
#define B CONNECTOR("b", "@1")
#define OTHER_WAY "header.X-Team = red\n" /* a header of a connector */
#define TAKEN_OUT "cancelled: the connector a was taken out of the configuration. "
#define SWITCHED_OFF "cancelled: the connector a was switched off in the configuration. "
#define OTHER                                                                                      \
	"cancelled: the connector a is reached in another way since the configuration was "        \
	"changed. "
#define PERHAPS "The request may or may not have taken effect: check before repeating it."
#define NOTHING_DONE "Nothing was done."

static void assert_cancelled(struct Ide *ide, const char *id, const char *words)
{
	g_autofree char *answer = ide_answer(ide, id);
	assert_has(answer, words);
	assert_has(answer, "\"isError\":true");
}

/* A legacy IDE that can do all before the legacy server a, whose session is S. */
static void open_legacy(struct Ide *ide, const char *ini, const char *offers)
{
	ide_init(ide, ini);
	ide_greet(ide, "2025-11-25", CAN_ALL);
	inputs_serve_legacy(ide, 0, offers);
	if (strstr(ini, "@1"))
		ide_serve_legacy(ide, 1, ADD_TOOL);
	g_free(ide_list(ide));
}

static void expect_tools(struct Ide *ide, const char *tools)
{
	g_autofree char *all = g_strconcat(tools, "mcp_mux__connectors mcp_mux__connect ", NULL);
	ide_expect_list(ide, MCP_TOOLS, all);
}

/* ---- calls ---- */

static void test_a_call_in_flight_ends_in_words(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A B, QUIET_TOOLS);
	ide_say(&ide, ADD_CALL("1"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, B);
	assert_cancelled(&ide, "1", TAKEN_OUT PERHAPS);
	g_free(ide_notice(&ide, TOOLS_CHANGED));
	peer_await_cancel(&ide.peers[0], call);
	peer_await_delete(&ide.peers[0]);
	expect_tools(&ide, "b__add ");
	ide_exchange(&ide, ADD_CALL("2"), "2", "Unknown tool: a__add");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_another_ones_call_goes_on(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A B, QUIET_TOOLS);
	ide_say(&ide, LEGACY("1", "tools/call", "\"name\":\"b__add\""));
	struct Hit *call = peer_await(&ide.peers[1], "tools/call");
	ide_edit(&ide, B);
	hit_result(call, "{\"content\":[1]}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"content\":[1]");
	ide_release(&ide);
}

static void test_other_methods_get_an_error(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, LEGACY("1", "prompts/get", "\"name\":\"a__p\""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	peer_await(&ide.peers[0], "prompts/get");
	ide_edit(&ide, A "enabled = off\n");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"error\":{\"code\":-32603,\"message\":\"" SWITCHED_OFF PERHAPS "\"}");
	ide_release(&ide);
}

static void test_a_batch_has_its_answers(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_greet(&ide, "2025-03-26", "{}");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, "[" ADD_CALL("1") "," ADD_CALL("2") "]");
	peer_await(&ide.peers[0], "tools/call");
	peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, "");
	const char *batch = NULL;
	while (!batch) {
		turn_until(&ide.fixture, ide.heard, ide.heard + 1);
		const char *line = ide.lines->pdata[ide.lines->len - 1];
		batch = line && line[0] == '[' ? line : NULL;
	}
	assert_has(batch, "\"id\":1,");
	assert_has(batch, "\"id\":2,");
	ide_release(&ide);
}

/* One that has not gone out: its server is still opening. */
static void test_a_call_that_was_not_sent_has_done_nothing(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A, QUIET_TOOLS);
	ide_say(&ide, ADD_CALL("1"));
	hit_reply(peer_await(&ide.peers[0], "tools/call"), 404, "", "");
	peer_await(&ide.peers[0], "initialize");
	ide_edit(&ide, A OTHER_WAY);
	assert_cancelled(&ide, "1", OTHER NOTHING_DONE);
	ide_release(&ide);
}

static void test_a_modern_servers_stream_is_closed(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_say(&ide, MODERN("\"list\"", "tools/list", ""));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "\"list\""));
	ide_say(&ide, MODERN("1", "tools/call", ",\"name\":\"a__add\""));
	struct Hit *call = peer_await_call(&ide.peers[0]);
	ide_edit(&ide, "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"resultType\":\"complete\",\"content\":[{\"type\":"
			   "\"text\",\"text\":\"" TAKEN_OUT);
	hit_await_close(call);
	ide_release(&ide);
}

/* ---- what servers ask ---- */

static void test_questions_are_withdrawn(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A, OFFERS_ALL);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	hit_event(stream, ASKS_ROOTS("5"));
	g_autofree char *of_none = ide_notice(&ide, "roots/list");
	ide_say(&ide, ADD_CALL("1"));
	struct Hit *call = peer_await_call(&ide.peers[0]);
	hit_event(call, ASKS("6", "elicitation/create", FORM("n?")));
	g_autofree char *of_call = ide_notice(&ide, "elicitation/create");
	ide_edit(&ide, "");
	assert_withdrawn(&ide, of_call);
	assert_cancelled(&ide, "1", TAKEN_OUT);
	assert_withdrawn(&ide, of_none);
	/* What is answered all the same is for nobody. */
	ide_reply(&ide, of_none, "\"result\":{\"roots\":[]}");
	ide_reply(&ide, of_call, "\"result\":{\"action\":\"cancel\"}");
	ide_release(&ide);
}

#define WANTS_ROOTS                                                                                \
	"{\"resultType\":\"input_required\",\"inputRequests\":{\"r\":{\"method\":\"roots/"         \
	"list\"}},\"requestState\":\"s\"}"

static void test_rounds_end(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), WANTS_ROOTS);
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_edit(&ide, "");
	assert_withdrawn(&ide, question);
	assert_cancelled(&ide, "1", TAKEN_OUT PERHAPS);
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

static void test_a_held_call_is_forgotten(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	ide_edit(&ide, "");
	peer_await_cancel(&ide.peers[0], call);
	peer_await_delete(&ide.peers[0]);
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	assert_unknown(&ide, "2");
	clock_jump(&ide.fixture, 16 * 60 * 1000); /* no clock runs for it */
	ide_release(&ide);
}

/* Its answer was there and waited for the retry. */
static void test_a_held_answer_is_forgotten(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	hit_finish(call, "{\"content\":[]}");
	fixture_turn_for(&ide.fixture, 20);
	ide_edit(&ide, A "enabled = off\n");
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	assert_unknown(&ide, "2");
	ide_release(&ide);
}

/* Requests of the server are gathered, and its call has a request of the IDE. */
static void test_a_call_that_is_about_to_be_held_ends(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	hit_event(call, ASKS_ROOTS("5"));
	fixture_turn_for(&ide.fixture, 2);
	ide_edit(&ide, "");
	g_free(ide_answer(&ide, "1"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

#define NEEDS_URL                                                                                  \
	",\"data\":{\"elicitations\":[{\"mode\":\"url\",\"elicitationId\":\"e\",\"message\":"      \
	"\"m\",\"url\":\"https://x.example/\"}]}"

static void test_a_url_that_was_asked_for_is_forgotten(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern_ide(&ide, "", QUIET_TOOLS);
	ide_say(&ide, ABLE_CALL("1"));
	hit_error(peer_await(&ide.peers[0], "tools/call"), 200, -32042, NEEDS_URL);
	g_autofree char *answer = ide_answer(&ide, "1");
	g_autofree char *handle = line_string(answer, "result.requestState");
	ide_edit(&ide, A OTHER_WAY);
	ide_retry(&ide, "2", handle, "{\"q1\":{\"action\":\"accept\"}}");
	assert_unknown(&ide, "2");
	ide_release(&ide);
}

/* ---- more than one session ---- */

static void test_sessions_beside_the_first_end(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern_ide(&ide, "", QUIET_TOOLS);
	ide_say(&ide, MODERN("1", "tools/call", ",\"name\":\"a__add\""));
	struct Hit *hit = peer_await(&ide.peers[0], "initialize");
	g_autofree char *text = result_text(hit,
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
		"\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(hit, 200, "Mcp-Session-Id: S2\r\n", text);
	hit_reply(peer_await(&ide.peers[0], "notifications/initialized"), 202, "", "");
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, "");
	assert_cancelled(&ide, "1", TAKEN_OUT);
	assert_false(router_is_quiet(ide.router));
	peer_await_cancel(&ide.peers[0], call);
	for (unsigned i = 0; i < 2; i++)
		hit_reply(peer_await(&ide.peers[0], "DELETE"), 200, "", "");
	while (!router_is_quiet(ide.router))
		fixture_turn_for(&ide.fixture, 5);
	ide_release(&ide);
}

/* ---- requests that only waited ---- */

static void test_what_was_held_is_looked_at_anew(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	struct Hit *first = peer_await(&ide.peers[0], "initialize");
	ide_say(&ide, ADD_CALL("1"));
	ide_say(&ide, LEGACY("2", "prompts/get", "\"name\":\"a__p\""));
	ide_say(&ide, READ("3", "x:1"));
	ide_say(&ide, LEGACY("4", "tools/call",
			      "\"name\":\"mcp_mux__connect\",\"arguments\":{\"name\":\"a\"}"));
	ide_say(&ide, LEGACY("5", "tools/list", ""));
	ide_edit(&ide, "");
	ide_exchange(&ide, LEGACY("9", "ping", ""), "9", "{}");
	static const char *const words[] = {"Unknown tool: a__add", "Unknown prompt: a__p",
		"Resource not found", "There is no connector named a", "\"tools\":["};
	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
		g_autofree char *id = g_strdup_printf("%u", i + 1);
		g_autofree char *answer = ide_answer(&ide, id);
		assert_has(answer, words[i]);
	}
	/* The session that was on its way is deleted when it is there. */
	g_autofree char *text = result_text(first,
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"serverInfo\":{"
		"\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(first, 200, "Mcp-Session-Id: S\r\n", text);
	peer_await_delete(&ide.peers[0]);
	ide_release(&ide);
}

/* The connector is reached in another way, and the call goes there. */
static void test_what_was_held_goes_the_new_way(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	peer_await(&ide.peers[0], "initialize");
	ide_say(&ide, ADD_CALL("1"));
	ide_edit(&ide, CONNECTOR("a", "@1"));
	ide_serve_legacy(&ide, 1, ADD_TOOL);
	hit_result(peer_await(&ide.peers[1], "tools/call"), "{\"content\":[]}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"content\":[]");
	ide_release(&ide);
}

/* Beyond the watermark: parked, and looked at when there is room. */
static void test_parked_requests_find_the_new_configuration(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A, QUIET_TOOLS);
	router_set_output_pressure(ide.router, true);
	ide_say(&ide, ADD_CALL("1"));
	ide_edit(&ide, "");
	router_set_output_pressure(ide.router, false);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "Unknown tool: a__add");
	ide_release(&ide);
}

/* ---- the audit log ---- */

static void test_the_audit_log_says_cancelled(void **state)
{
	(void)state;
	struct MuxConfig mux = {.audit = AUDIT_ON, .audit_arguments = AUDIT_ARGUMENTS_NONE};
	g_autofree char *folder = g_dir_make_tmp("router-audit-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", folder, TRUE));
	ide_audit = audit_new(&mux, NULL, NULL);
	struct Ide ide;
	open_legacy(&ide, A, QUIET_TOOLS);
	ide_say(&ide, ADD_CALL("1"));
	peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, "");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
	g_autofree char *path = audit_path();
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	assert_has(text, "\"connector\":\"a\"");
	assert_has(text, "\"outcome\":\"cancelled\"}\n");
	assert_null(strchr(strchr(text, '\n') + 1, '\n'));
	audit_free(g_steal_pointer(&ide_audit));
	remove_tree(folder);
}

/* ---- leaving ---- */

/* Whatever its server does, it is forgotten in the end. */
static void test_one_that_never_gets_quiet_is_freed(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A B, QUIET_TOOLS);
	ide_edit(&ide, B);
	peer_await(&ide.peers[0], "DELETE"); /* which is not answered */
	assert_false(router_is_quiet(ide.router));
	clock_jump(&ide.fixture, 11 * 1000);
	assert_true(router_is_quiet(ide.router));
	clock_jump(&ide.fixture, 60 * 1000);
	ide_edit(&ide, "");
	ide_edit(&ide, B);
	ide_release(&ide);
}

/* The end of the process in the middle of it. */
static void test_the_router_ends_while_one_leaves(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, A B, QUIET_TOOLS);
	ide_say(&ide, ADD_CALL("1"));
	peer_await(&ide.peers[0], "tools/call");
	ide_edit(&ide, B);
	router_shutdown(ide.router);
	ide_edit(&ide, "");
	assert_false(router_is_quiet(ide.router));
	ide_release(&ide);
}

/* ---- everything at once ---- */

static void say_much(struct Ide *ide)
{
	ide_say(ide, ADD_CALL("1"));
	struct Hit *call = peer_await_call(&ide->peers[0]);
	hit_event(call, ASKS("6", "elicitation/create", FORM("n?")));
	ide_say(ide, ADD_CALL("2"));
	peer_await(&ide->peers[0], "tools/call");
	ide_say(ide, LEGACY("3", "resources/subscribe", "\"uri\":\"x:1\""));
	ide_say(ide, LEGACY("4", "resources/subscribe", "\"uri\":\"x:2\""));
	peer_serve_list(&ide->peers[0], MCP_RESOURCES, RESOURCE("x:1") "," RESOURCE("x:2"));
	peer_serve_list(&ide->peers[0], MCP_TEMPLATES, "");
	hit_result(peer_await_uri(&ide->peers[0], "resources/subscribe", "x:1"), "{}");
	peer_await_uri(&ide->peers[0], "resources/subscribe", "x:2");
	ide_say(ide, LEGACY("5", "resources/read", "\"uri\":\"x:1\""));
	peer_await(&ide->peers[0], "resources/read");
	ide_say(ide, LEGACY("6", "logging/setLevel", "\"level\":\"error\""));
	ide_say(ide, ABLE_CALL("7")); /* the other era, with what was declared before */
	struct Hit *held = peer_await_call(&ide->peers[0]);
	hit_event(held, ASKS_ROOTS("8"));
	g_free(ide_answer(ide, "7"));
	ide_say(ide, ABLE_CALL("8"));
	peer_await(&ide->peers[0], "tools/call");
	ide_say(ide, MODERN("9", "tools/call", ",\"name\":\"a__add\""));
	peer_await(&ide->peers[0], "initialize");
	ide_say(ide, MODERN("10", "subscriptions/listen",
			     ",\"notifications\":{\"toolsListChanged\":true,"
			     "\"resourceSubscriptions\":[\"x:1\",\"x:2\"]}"));
	g_free(ide_answer(ide, "3"));
	g_free(ide_answer(ide, "6"));
}

static void test_all_of_it_at_once(void **state)
{
	(void)state;
	static const char *const edits[] = {"", A "enabled = off\n", A OTHER_WAY,
		CONNECTOR("a", "@1"), "[mux]\nseparator = _\n" B};
	for (unsigned i = 0; i < G_N_ELEMENTS(edits); i++) {
		struct Ide ide;
		open_legacy(&ide, A, OFFERS_ALL);
		say_much(&ide);
		ide_edit(&ide, edits[i]);
		static const char *const ids[] = {"1", "2", "4", "5", "8", "9"};
		for (unsigned j = 0; j < G_N_ELEMENTS(ids); j++) {
			g_autofree char *answer = ide_answer(&ide, ids[j]);
			assert_has(answer, "cancelled: the connector a ");
		}
		fixture_turn_for(&ide.fixture, 50);
		ide_edit(&ide, A);
		clock_jump(&ide.fixture, 3000);
		/* Nobody answers anything; and the end may come at any moment. */
		clock_jump(&ide.fixture, 6 * 60 * 1000);
		ide_release(&ide);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_in_flight_ends_in_words),
		cmocka_unit_test(test_another_ones_call_goes_on),
		cmocka_unit_test(test_other_methods_get_an_error),
		cmocka_unit_test(test_a_batch_has_its_answers),
		cmocka_unit_test(test_a_call_that_was_not_sent_has_done_nothing),
		cmocka_unit_test(test_a_modern_servers_stream_is_closed),
		cmocka_unit_test(test_questions_are_withdrawn),
		cmocka_unit_test(test_rounds_end),
		cmocka_unit_test(test_a_held_call_is_forgotten),
		cmocka_unit_test(test_a_held_answer_is_forgotten),
		cmocka_unit_test(test_a_call_that_is_about_to_be_held_ends),
		cmocka_unit_test(test_a_url_that_was_asked_for_is_forgotten),
		cmocka_unit_test(test_sessions_beside_the_first_end),
		cmocka_unit_test(test_what_was_held_is_looked_at_anew),
		cmocka_unit_test(test_what_was_held_goes_the_new_way),
		cmocka_unit_test(test_parked_requests_find_the_new_configuration),
		cmocka_unit_test(test_the_audit_log_says_cancelled),
		cmocka_unit_test(test_one_that_never_gets_quiet_is_freed),
		cmocka_unit_test(test_the_router_ends_while_one_leaves),
		cmocka_unit_test(test_all_of_it_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
