/* The configuration changes while requests wait to be sent: what is not allowed any more never goes out. Connectors that
 * could not be reached are tried with the new configuration at once. */
#include "inputs_fixture.h"
#include "items_fixture.h"
#include "reconfigure_fixture.h"

#include "cli_fixture.h"

#include <glib/gstdio.h>

#define A CONNECTOR("a", "@0")
#define CALL(id) LEGACY(id, "tools/call", "\"name\":\"a__add\"")

/* A legacy IDE before the legacy server a, which has lost its session since; PEER is asked for another one. */
static struct Hit *open_and_lose(struct Ide *ide, const char *ini)
{
	ide_init(ide, ini);
	ide_initialize(ide, "2025-11-25");
	ide_serve(ide, 0, ERA_LEGACY, OFFERS_QUIET);
	g_free(ide_list(ide));
	ide_say(ide, LEGACY("\"p\"", "prompts/list", ""));
	peer_serve_list(&ide->peers[0], MCP_PROMPTS, PROMPT("p") "," PROMPT("q"));
	g_free(ide_answer(ide, "\"p\""));
	ide_say(ide, LEGACY("\"r\"", "resources/list", ""));
	ide_say(ide, LEGACY("\"t\"", "resources/templates/list", ""));
	ide_serve_resources(ide, 0, RESOURCE("x:1") "," RESOURCE("x:2"), "");
	g_free(ide_answer(ide, "\"r\""));
	g_free(ide_answer(ide, "\"t\""));
	ide_say(ide, READ("\"lose\"", "x:1"));
	hit_reply(peer_await(&ide->peers[0], "resources/read"), 404, "", "");
	return peer_await(&ide->peers[0], "initialize");
}

static void test_a_waiting_prompt_that_is_not_allowed_any_more_is_refused(void **state)
{
	(void)state;
	struct Ide ide;
	open_and_lose(&ide, A);
	ide_say(&ide, LEGACY("1", "prompts/get", "\"name\":\"a__p\""));
	ide_say(&ide, LEGACY("2", "prompts/get", "\"name\":\"a__q\""));
	ide_edit(&ide, A "allowed_prompts = q\n");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "-32602");
	assert_has(answer, "Unknown prompt: p was hidden while the request waited");
	assert_null(ide_find(&ide, "id", "2"));
	ide_release(&ide);
}

static void test_a_waiting_resource_that_is_not_allowed_any_more_is_refused(void **state)
{
	(void)state;
	struct Ide ide;
	open_and_lose(&ide, A);
	ide_say(&ide, READ("2", "x:2"));
	ide_edit(&ide, A "allowed_resources = x:2\n");
	g_autofree char *answer = ide_answer(&ide, "\"lose\"");
	assert_has(answer, "Resource not found: x:1 was hidden while the request waited");
	assert_null(ide_find(&ide, "id", "2"));
	ide_release(&ide);
}

#define WANTS_ROOTS                                                                                \
	"{\"resultType\":\"input_required\",\"inputRequests\":{\"r\":{\"method\":\"roots/"         \
	"list\"}},\"requestState\":\"s\"}"

/* Its server has heard of it, but will do it only when it comes again. */
static void test_a_tool_that_is_switched_off_between_two_rounds_is_refused(void **state)
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
	ide_edit(&ide, A "[tools:a]\nadd = off\n");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "Unknown tool: add was hidden while the call waited");
	assert_withdrawn(&ide, question);
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

static void test_one_that_could_not_be_reached_is_tried_at_once(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_initialize(&ide, "2025-11-25");
	hit_reply(peer_await(&ide.peers[0], "initialize"), 500, "", "");
	g_free(ide_list(&ide));
	/* As when somebody gives it the proxy that it needs. */
	ide_edit(&ide, "[mux]\nconnect_timeout = 7\n" A);
	fixture_turn_for(&ide.fixture, 100);
	assert_non_null(g_queue_peek_head(&ide.peers[0].hits));
	ide_release(&ide);
}

/* ---- audit ---- */

static char *log_folder;

static void open_log(enum AuditMode mode)
{
	const struct MuxConfig mux = {.audit = mode, .audit_arguments = AUDIT_ARGUMENTS_NONE};
	log_folder = g_dir_make_tmp("router-audit-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", log_folder, TRUE));
	ide_audit = audit_new(&mux, NULL, NULL);
}

static int close_log(void **state)
{
	(void)state;
	audit_free(g_steal_pointer(&ide_audit));
	remove_tree(log_folder);
	g_clear_pointer(&log_folder, g_free);
	return 0;
}

static void require(struct Ide *ide)
{
	const struct MuxConfig mux = {
		.audit = AUDIT_REQUIRED, .audit_arguments = AUDIT_ARGUMENTS_NONE};
	audit_reconfigure(ide_audit, &mux);
	ide_edit(ide, "[mux]\naudit = required\n" A);
}

/* All lines, for g_strfreev; N of them. */
static char **lines(unsigned n)
{
	g_autofree char *path = audit_path();
	g_autofree char *text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		text = g_strdup("");
	char **all = g_strsplit(text, "\n", -1);
	unsigned len = g_strv_length(all);
	if ((len > 0 ? len - 1 : 0) != n)
		fail_msg("not %u lines: %s", n, text);
	return all;
}

static void test_what_waits_has_its_line_before_it_goes_out(void **state)
{
	(void)state;
	struct Ide ide;
	open_log(AUDIT_ON);
	struct Hit *initialize = open_and_lose(&ide, A);
	g_auto(GStrv) before = lines(0);
	require(&ide);
	g_auto(GStrv) begun = lines(1);
	assert_has(begun[0], "\"event\":\"begin\"");
	assert_has(begun[0], "\"method\":\"resources/read\"");
	/* Once. */
	require(&ide);
	g_auto(GStrv) same = lines(1);
	hit_reply(initialize, 500, "", "");
	g_free(ide_answer(&ide, "\"lose\""));
	ide_release(&ide);
}

static void test_what_waits_is_refused_where_no_line_can_be_written(void **state)
{
	(void)state;
	struct Ide ide;
	open_log(AUDIT_ON);
	open_and_lose(&ide, A);
	g_autofree char *path = audit_path();
	assert_int_equal(g_mkdir_with_parents(path, 0700), 0);
	require(&ide);
	g_autofree char *answer = ide_answer(&ide, "\"lose\"");
	assert_has(answer, "Nothing was sent: the audit log cannot be written (");
	ide_release(&ide);
}

static void test_what_came_while_the_log_was_off_is_refused(void **state)
{
	(void)state;
	struct Ide ide;
	open_log(AUDIT_OFF);
	open_and_lose(&ide, "[mux]\naudit = off\n" A);
	require(&ide);
	g_autofree char *answer = ide_answer(&ide, "\"lose\"");
	assert_has(answer, "Nothing was sent: the audit log cannot be written (it was off");
	ide_release(&ide);
}

static void test_a_round_that_came_while_the_log_was_off_is_the_last(void **state)
{
	(void)state;
	struct Ide ide;
	open_log(AUDIT_OFF);
	ide_init(&ide, "[mux]\naudit = off\n" A);
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), WANTS_ROOTS);
	g_autofree char *question = ide_notice(&ide, "roots/list");
	require(&ide);
	assert_withdrawn(&ide, question);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "(it was off");
	ide_release(&ide);
}

/* Its tool was not known yet: it begins anew. */
static void test_what_was_held_has_its_lines(void **state)
{
	(void)state;
	struct Ide ide;
	open_log(AUDIT_OFF);
	ide_init(&ide, "[mux]\naudit = off\n" A);
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, CALL("1"));
	require(&ide);
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	g_auto(GStrv) begun = lines(1);
	assert_has(begun[0], "\"ide\":");
	assert_has(begun[0], "\"tool\":\"add\",\"exposed\":\"a__add\"");
	hit_result(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_auto(GStrv) ended = lines(2);
	assert_has(ended[1], "\"event\":\"call\"");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_waiting_prompt_that_is_not_allowed_any_more_is_refused),
		cmocka_unit_test(test_a_waiting_resource_that_is_not_allowed_any_more_is_refused),
		cmocka_unit_test(test_a_tool_that_is_switched_off_between_two_rounds_is_refused),
		cmocka_unit_test(test_one_that_could_not_be_reached_is_tried_at_once),
		cmocka_unit_test_teardown(
			test_what_waits_has_its_line_before_it_goes_out, close_log),
		cmocka_unit_test_teardown(
			test_what_waits_is_refused_where_no_line_can_be_written, close_log),
		cmocka_unit_test_teardown(
			test_what_came_while_the_log_was_off_is_refused, close_log),
		cmocka_unit_test_teardown(
			test_a_round_that_came_while_the_log_was_off_is_the_last, close_log),
		cmocka_unit_test_teardown(test_what_was_held_has_its_lines, close_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
