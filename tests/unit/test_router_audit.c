/* Which lines of the audit log the IDE's requests leave: one each, whatever becomes of them, and before the answer. */
#include "inputs_fixture.h"

#include "cli_fixture.h"

struct Log {
	char *folder, *path;
	struct MuxConfig mux;
	unsigned seen; /* lines that were looked at */
};

static struct Log audit_log;

static void open_log(enum AuditMode mode)
{
	audit_log = (struct Log){.mux = {.audit = mode, .audit_arguments = AUDIT_ARGUMENTS_NONE}};
	audit_log.folder = g_dir_make_tmp("router-audit-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", audit_log.folder, TRUE));
	audit_log.path = audit_path();
	ide_audit = audit_new(&audit_log.mux, NULL, NULL);
}

static void close_log(void)
{
	audit_free(g_steal_pointer(&ide_audit));
	remove_tree(audit_log.folder);
	g_free(audit_log.folder);
	g_free(audit_log.path);
}

static int set_up_on(void **state)
{
	(void)state;
	open_log(AUDIT_ON);
	return 0;
}

static int set_up_required(void **state)
{
	(void)state;
	open_log(AUDIT_REQUIRED);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close_log();
	return 0;
}

/* The lines that were not looked at are N; the first of them has PARTS, ended by NULL. */
static void assert_lines(unsigned n, const char *const *parts)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(audit_log.path, &text, NULL, NULL))
		text = g_strdup("");
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	unsigned all = g_strv_length(lines);
	unsigned more = (all > 0 ? all - 1 : 0) - audit_log.seen;
	if (more != n)
		fail_msg("%u lines more, not %u: %s", more, n, text);
	if (n == 0)
		return;
	const char *line = lines[audit_log.seen++];
	assert_true(json_validate(slice_of(line), NULL));
	for (; *parts; parts++)
		assert_has(line, *parts);
}

#define assert_line_of(n, ...)                                                                     \
	do {                                                                                       \
		const char *const parts[] = {__VA_ARGS__, NULL};                                   \
		assert_lines((n), parts);                                                          \
	} while (0)
/* One line more, which has all of these. */
#define assert_line(...) assert_line_of(1, __VA_ARGS__)
#define assert_no_line() assert_lines(0, NULL)

#define OUTCOME(name) "\"outcome\":\"" name "\"}"

static void open_one(struct Ide *ide, const char *ini)
{
	ide_init(ide, ini);
	ide_initialize(ide, "2025-03-26");
	ide_serve_legacy(ide, 0, ADD_TOOL "," READ_TOOL);
	g_free(ide_list(ide));
}

/* ---- one line each ---- */

static void a_call_has_its_line_before_its_answer_is_heard(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, CONNECTOR("a", "@0"));
	assert_no_line();
	ide_say(&ide, ADD_CALL("1"));
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	assert_no_line();
	hit_result(hit, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	assert_line("\"event\":\"call\",\"id\":\"",
		"-1\",\"ide\":{\"name\":\"me\",\"version\":null},"
		"\"connector\":\"a\",\"method\":\"tools/call\","
		"\"tool\":\"add\",\"exposed\":\"a__add\","
		"\"arguments_bytes\":9,\"result_bytes\":14,",
		OUTCOME("ok"));
	ide_say(&ide, ADD_CALL("2"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[],\"isError\":true}");
	g_free(ide_answer(&ide, "2"));
	assert_line("-2\",", OUTCOME("tool_error"));
	ide_say(&ide, ADD_CALL("3"));
	hit_error(peer_await(&ide.peers[0], "tools/call"), 200, -32000, "no");
	g_free(ide_answer(&ide, "3"));
	assert_line(OUTCOME("error"));
	/* What does not go to a server for being done there is none. */
	ide_exchange(&ide, LEGACY("4", "ping", ""), "4", "{}");
	g_free(ide_list(&ide));
	assert_no_line();
	ide_release(&ide);
	assert_no_line();
}

static void requests_of_a_modern_ide_say_who_it_is_each(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("0", "tools/list", ""));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "0"));
	ide_say(&ide, MODERN("1", "tools/call", ",\"name\":\"a__add\""));
	hit_result(peer_await(&ide.peers[0], "tools/call"),
		"{\"resultType\":\"complete\",\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	assert_line("\"ide\":{\"name\":\"ide\",\"version\":\"1\"}", "\"arguments_bytes\":null",
		OUTCOME("ok"));
	ide_release(&ide);
}

static void each_call_of_a_batch_has_a_line(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_say(&ide, "[" ADD_CALL("1") "," ADD_CALL("2") "," ADD_CALL("1") "]");
	g_autofree char *filler = g_strnfill(600 * 1024, 'x');
	g_autofree char *result = g_strdup_printf("{\"content\":[],\"x\":\"%s\"}", filler);
	struct Hit *first = peer_await(&ide.peers[0], "tools/call");
	struct Hit *second = peer_await(&ide.peers[0], "tools/call");
	hit_result(first, result);
	hit_result(second, result);
	turn_until(&ide.fixture, ide.heard, ide.heard + 1);
	/* The third has an id that is in use; the second's answer does not fit beside the first's. */
	assert_line_of(2, OUTCOME("ok"));
	assert_line(OUTCOME("too_large"));
	ide_release(&ide);
}

static void what_is_not_exposed_is_denied_by_name(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, NATIVE("@0") "[tools:native]\nlook = off\n");
	ide_exchange(&ide, LEGACY("1", "tools/call", "\"name\":\"look\""), "1", "-32602");
	assert_line("\"connector\":\"native\"", "\"tool\":\"look\",\"exposed\":\"look\"",
		OUTCOME("denied"));
	ide_exchange(&ide, LEGACY("2", "tools/call", "\"name\":\"nothing\""), "2", "-32602");
	assert_line(
		"\"connector\":null", "\"tool\":null,\"exposed\":\"nothing\"", OUTCOME("denied"));
	ide_exchange(&ide, LEGACY("3", "tools/call", "\"name\":5"), "3", "-32602");
	assert_line("\"exposed\":null", OUTCOME("error"));
	ide_exchange(&ide, LEGACY("4", "prompts/get", "\"name\":\"p\""), "4", "-32602");
	assert_line(
		"\"method\":\"prompts/get\",\"prompt\":null,\"exposed\":\"p\"", OUTCOME("denied"));
	ide_exchange(&ide, LEGACY("5", "resources/read", "\"uri\":\"x://y?z\""), "5", "-32002");
	assert_line("\"uri\":\"x://y…\"", OUTCOME("denied"));
	ide_exchange(&ide,
		LEGACY("6", "completion/complete",
			"\"ref\":{\"type\":\"ref/resource\",\"uri\":\"x://{y}\"}"),
		"6", "-32602");
	assert_line("\"method\":\"completion/complete\"", OUTCOME("denied"));
	ide_release(&ide);
}

/* ---- ends without an answer ---- */

static void what_is_cancelled_has_a_line_wherever_it_was(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, ADD_CALL("1")); /* waits for the list */
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":1}"));
	assert_line(
		"\"connector\":null,\"method\":\"tools/call\",\"tool\":null,\"exposed\":\"a__add\"",
		"\"result_bytes\":null", OUTCOME("cancelled"));
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("2"));
	struct Hit *hit = peer_await(&ide.peers[0], "tools/call");
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":2}"));
	assert_line("\"connector\":\"a\"", OUTCOME("cancelled"));
	(void)hit;
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":2}"));
	assert_no_line();
	ide_release(&ide);
	assert_no_line();
}

static void what_is_under_way_at_the_end_has_a_line_at_once(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, ADD_CALL("1"));
	peer_await(&ide.peers[0], "tools/call");
	router_shutdown(ide.router);
	assert_line(OUTCOME("cancelled"));
	ide_release(&ide);
	assert_no_line();
}

static void what_nobody_answers_in_time_has_a_line(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\ncall_timeout = 7\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, ADD_CALL("1"));
	peer_await(&ide.peers[0], "initialize");
	clock_jump(&ide.fixture, 7001);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "not known yet");
	assert_line("\"connector\":\"a\"", "\"tool\":null", OUTCOME("timeout"));
	ide_release(&ide);
}

/* ---- several rounds ---- */

static void a_question_to_a_modern_ide_makes_two_lines(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	assert_line("\"connector\":\"a\",\"method\":\"tools/call\",\"tool\":\"add\"",
		"\"result_bytes\":null", OUTCOME("input_required"));
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "{\"roots\":[]}");
	assert_no_line();
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	assert_line("\"connector\":\"a\",\"method\":\"tools/"
		    "call\",\"tool\":\"add\",\"exposed\":\"a__add\"",
		"\"result_bytes\":14", OUTCOME("ok"));
	ide_retry(&ide, "3", handle, NULL);
	assert_unknown(&ide, "3");
	assert_line(OUTCOME("error"));
	ide_release(&ide);
	assert_no_line();
}

static void questions_to_a_legacy_ide_are_part_of_one_call(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	static const char wants[] = "{\"resultType\":\"input_required\",\"inputRequests\":{\"r\":{"
				    "\"method\":\"roots/list\"}}}";
	ide_say(&ide, ADD_CALL("1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), wants);
	g_autofree char *question = ide_await(&ide, "method", "\"roots/list\"");
	assert_no_line();
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	hit_result(peer_await(&ide.peers[0], "tools/call"),
		"{\"resultType\":\"complete\",\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	assert_line("\"result_bytes\":38", OUTCOME("ok"));
	/* Whoever goes while it is asked has cancelled, whatever the server said before. */
	ide_say(&ide, ADD_CALL("2"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), wants);
	g_free(ide_await(&ide, "method", "\"roots/list\""));
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":2}"));
	assert_line(OUTCOME("cancelled"));
	/* Whose answer is an error has failed. */
	ide_say(&ide, ADD_CALL("3"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), wants);
	g_autofree char *again = ide_await(&ide, "method", "\"roots/list\"");
	ide_reply(&ide, again, "\"error\":{\"code\":1,\"message\":\"no\"}");
	g_free(ide_answer(&ide, "3"));
	assert_line(OUTCOME("error"));
	ide_release(&ide);
}

static void nobody_who_answers_is_a_timeout(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"),
		"{\"resultType\":\"input_required\",\"inputRequests\":{\"r\":{\"method\":"
		"\"roots/list\"}}}");
	g_free(ide_await(&ide, "method", "\"roots/list\""));
	clock_jump(&ide.fixture, 15 * 60 * 1000 + 1);
	g_free(ide_answer(&ide, "1"));
	assert_line(OUTCOME("timeout"));
	ide_release(&ide);
}

/* ---- audit = required ---- */

static void block(void)
{
	if (g_file_test(audit_log.path, G_FILE_TEST_EXISTS))
		assert_int_equal(g_remove(audit_log.path), 0);
	assert_int_equal(g_mkdir_with_parents(audit_log.path, 0700), 0);
	audit_log.seen = 0;
}

static void unblock(void)
{
	assert_int_equal(g_rmdir(audit_log.path), 0);
}

static void nothing_is_sent_before_its_line(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, ADD_CALL("1"));
	assert_line("\"event\":\"begin\",\"id\":\"",
		"\"connector\":\"a\",\"method\":\"tools/call\",\"tool\":\"add\"", OUTCOME("sent"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	assert_line("\"event\":\"call\",\"id\":\"", OUTCOME("ok"));
	/* What is answered here is not sent. */
	ide_exchange(&ide, LEGACY("2", "tools/call", "\"name\":\"a__x\""), "2", "-32602");
	assert_line("\"event\":\"call\"", "\"exposed\":\"a__x\"", OUTCOME("denied"));
	ide_release(&ide);
}

static void without_a_line_nothing_is_sent(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, CONNECTOR("a", "@0"));
	block();
	ide_exchange(&ide, ADD_CALL("1"), "1",
		"\"text\":\"Nothing was sent: the audit log cannot be written (");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_exchange(&ide, LEGACY("2", "tools/call", "\"name\":\"mcp_mux__connectors\""), "2",
		"connected");
	unblock();
	ide_say(&ide, ADD_CALL("3"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "3"));
	ide_release(&ide);
}

static void without_a_line_no_answer_goes_back_to_the_server(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	block();
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "Nothing was sent");
	/* Nobody can come back for that call. */
	peer_await_cancel(&ide.peers[0], call);
	peer_await_none(&ide.peers[0], "answer");
	unblock();
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define ON(function) cmocka_unit_test_setup_teardown(function, set_up_on, tear_down)
#define REQUIRED(function) cmocka_unit_test_setup_teardown(function, set_up_required, tear_down)
		ON(a_call_has_its_line_before_its_answer_is_heard),
		ON(requests_of_a_modern_ide_say_who_it_is_each),
		ON(each_call_of_a_batch_has_a_line),
		ON(what_is_not_exposed_is_denied_by_name),
		ON(what_is_cancelled_has_a_line_wherever_it_was),
		ON(what_is_under_way_at_the_end_has_a_line_at_once),
		ON(what_nobody_answers_in_time_has_a_line),
		ON(a_question_to_a_modern_ide_makes_two_lines),
		ON(questions_to_a_legacy_ide_are_part_of_one_call),
		ON(nobody_who_answers_is_a_timeout),
		REQUIRED(nothing_is_sent_before_its_line),
		REQUIRED(without_a_line_nothing_is_sent),
		REQUIRED(without_a_line_no_answer_goes_back_to_the_server),
#undef ON
#undef REQUIRED
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
