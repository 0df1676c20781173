/* Requests of legacy servers to a legacy IDE: what passes, under which id, what ends them. */
#include "inputs_fixture.h"

/* An IDE in front of one server, MUX: keys of [mux] with its head, or "". */
static void open_with(struct Ide *ide, const char *mux, const char *revision,
	const char *capabilities, const char *server)
{
	g_autofree char *ini = g_strconcat(mux, CONNECTOR("a", "@0"), NULL);
	ide_init(ide, ini);
	ide_greet(ide, revision, capabilities);
	inputs_serve_legacy(ide, 0, server);
	g_free(ide_list(ide));
}

/* The same, and a call that is on its way. */
static struct Hit *open_call(struct Ide *ide, const char *mux)
{
	open_with(ide, mux, "2025-11-25", CAN_ALL, QUIET_TOOLS);
	ide_say(ide, ADD_CALL("1"));
	return peer_await_call(&ide->peers[0]);
}

/* ---- what passes ---- */

static void test_a_question_passes_under_an_id_of_ours(void **state)
{
	(void)state;
	static const char *const ids[] = {"7", "\"7\"", "\"\\u0061/\\/\"", "1e2"};
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
		g_autofree char *text =
			g_strdup_printf(ASKS("%s", "elicitation/create",
						" { \"message\":\"\\u00e4\", \"n\":1.10,"
						"\"requestedSchema\":{}}"),
				ids[i]);
		hit_event(call, text);
		g_autofree char *question = ide_notice(&ide, "elicitation/create");
		g_autofree char *id = line_string(question, "id");
		assert_true(g_str_has_prefix(id, "mcp-mux-q"));
		g_autofree char *wanted = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"method\":\"elicitation/create\","
			"\"params\": { \"message\":\"\\u00e4\", \"n\":1.10,\"requestedSchema\":{}}"
			"}",
			id);
		assert_string_equal(question, wanted);
		ide_reply(&ide, question,
			"\"result\":{\"action\":\"accept\",\"content\":{ \"n\":1.0}}");
		peer_await_reply(&ide.peers[0], ids[i],
			",\"result\":{\"action\":\"accept\",\"content\":{ \"n\":1.0}}}");
	}
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_an_error_goes_back(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call, ASKS_ROOTS("1"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	assert_lacks(question, "params");
	ide_reply(&ide, question, "\"error\":{\"code\":-1,\"message\":\"no\",\"data\":[1.0]}");
	peer_await_reply(
		&ide.peers[0], "1", ",\"error\":{\"code\":-1,\"message\":\"no\",\"data\":[1.0]}}");
	ide_release(&ide);
}

/* What a stream brings in several lines is one for the IDE. */
static void test_a_question_is_one_line(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_bytes(
		call, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"method\":\"roots/list\"}\n\n");
	g_autofree char *question = ide_notice(&ide, "roots/list");
	assert_has(question, ", \"method\"");
	ide_release(&ide);
}

static void assert_refused(const char *revision, const char *capabilities, const char *asks)
{
	struct Ide ide;
	open_with(&ide, "", revision, capabilities, QUIET_TOOLS);
	ide_say(&ide, ADD_CALL("1"));
	struct Hit *call = peer_await_call(&ide.peers[0]);
	hit_event(call, asks);
	peer_await_reply(&ide.peers[0], "5", "\"code\":-32601");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_nothing_passes_that_the_ide_did_not_declare(void **state)
{
	(void)state;
	static const char form[] = ASKS("5", "elicitation/create", FORM("?"));
	static const char url[] = ASKS("5", "elicitation/create",
		"{\"mode\":\"url\",\"url\":\"http://x/\",\"message\":\"\","
		"\"elicitationId\":\"e\"}");
	assert_refused("2025-11-25", "{}", form);
	assert_refused("2025-11-25", "{\"elicitation\":{\"url\":{}}}", form);
	assert_refused("2025-11-25", "{\"elicitation\":{}}", url);
	assert_refused("2025-06-18", "{\"elicitation\":{\"url\":{}}}", url); /* knows none */
	assert_refused("2025-11-25", "{\"elicitation\":{}}", ASKS_ROOTS("5"));
	assert_refused("2025-11-25", "{\"sampling\":{}}",
		ASKS("5", "sampling/createMessage", "{\"messages\":[],\"tools\":[]}"));
	assert_refused("2025-11-25", CAN_ALL, ASKS("5", "tasks/list", "{}"));
	assert_refused("2025-11-25", CAN_ALL, ASKS("5", "\\ud800", "{}"));
}

static void test_servers_may_ask_alike(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	inputs_serve_legacy(&ide, 0, QUIET_TOOLS);
	inputs_serve_legacy(&ide, 1, QUIET_TOOLS);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("1"));
	ide_say(&ide, LEGACY("2", "tools/call", "\"name\":\"b__add\""));
	struct Hit *calls[2];
	char *questions[2];
	for (unsigned i = 0; i < 2; i++) {
		calls[i] = peer_await_call(&ide.peers[i]);
		hit_event(calls[i], ASKS_ROOTS("1"));
		questions[i] = ide_notice(&ide, "roots/list");
	}
	ide_reply(&ide, questions[1], "\"result\":{\"roots\":[],\"of\":1}");
	peer_await_reply(&ide.peers[1], "1", "\"of\":1");
	/* It takes back nothing but its own. */
	hit_event(calls[1], NOTES(CANCELLED, "{\"requestId\":1}"));
	ide_hear_nothing(&ide);
	ide_reply(&ide, questions[0], "\"result\":{\"roots\":[],\"of\":0}");
	peer_await_reply(&ide.peers[0], "1", "\"of\":0");
	g_free(questions[0]);
	g_free(questions[1]);
	ide_release(&ide);
}

static void test_answers_to_nothing_change_nothing(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call, ASKS_ROOTS("1"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"id\":\"mcp-mux-q99\",\"result\":{}}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"id\":\"\\ud800\",\"result\":{}}");
	peer_await_none(&ide.peers[0], "answer");
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	ide_reply(&ide, question, "\"result\":{\"roots\":[1]}");
	peer_await_reply(&ide.peers[0], "1", "\"roots\":[]");
	peer_await_none(&ide.peers[0], "answer");
	ide_release(&ide);
}

/* As a stream that was resumed might. */
static void test_a_question_that_is_repeated_is_asked_once(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call, ASKS_ROOTS("\"\\u0041\""));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	hit_event(call, ASKS_ROOTS("\"A\""));
	ide_hear_nothing(&ide);
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	peer_await_reply(&ide.peers[0], "\"\\u0041\"", "\"roots\":[]");
	hit_event(call, ASKS_ROOTS("\"A\"")); /* another one */
	g_free(ide_notice(&ide, "roots/list"));
	ide_release(&ide);
}

/* ---- progress ---- */

static void test_progress_goes_back_to_the_server(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call,
		ASKS("9", "sampling/createMessage",
			"{\"messages\":[],\"_meta\":{\"x\":1,\"progressToken\":\"t\\u0041\"}}"));
	g_autofree char *question = ide_notice(&ide, "sampling/createMessage");
	g_autofree char *id = line_string(question, "id");
	g_autofree char *meta = g_strdup_printf("\"_meta\":{\"x\":1,\"progressToken\":\"%s\"}", id);
	assert_has(question, meta);
	g_autofree char *progress = g_strdup_printf(
		NOTES("notifications/progress", "{\"progress\":1.50,\"progressToken\":\"%s\"}"),
		id);
	ide_say(&ide, progress);
	struct Hit *notice = peer_await(&ide.peers[0], "notifications/progress");
	assert_has(notice->body, "\"params\":{\"progress\":1.50,\"progressToken\":\"t\\u0041\"}");
	hit_reply(notice, 202, "", "");
	ide_say(&ide, NOTES("notifications/progress",
			      "{\"progress\":1,\"progressToken\":\"mcp-mux-q77\"}"));
	ide_say(&ide, NOTES("notifications/progress", "{\"progress\":1}"));
	g_autofree char *twice =
		g_strdup_printf(NOTES("notifications/progress",
					"{\"progressToken\":\"%s\",\"progressToken\":\"%s\"}"),
			id, id);
	ide_say(&ide, twice);
	peer_await_none(&ide.peers[0], "notifications/progress");
	ide_reply(&ide, question, "\"result\":{}");
	peer_await_reply(&ide.peers[0], "9", "\"result\":{}");
	ide_say(&ide, progress); /* it is over */
	peer_await_none(&ide.peers[0], "notifications/progress");
	ide_release(&ide);
}

static void test_odd_progress_tokens(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call,
		ASKS("1", "roots/list", "{\"_meta\":{\"progressToken\":1,\"progressToken\":2}}"));
	peer_await_reply(&ide.peers[0], "1", "\"code\":-32602");
	hit_event(call, ASKS("2", "roots/list", "{\"_meta\":{},\"_meta\":{}}"));
	peer_await_reply(&ide.peers[0], "2", "\"code\":-32602");
	/* One that is none passes, and no progress comes back for it. */
	hit_event(call, ASKS("3", "roots/list", "{\"_meta\":{\"progressToken\":[\"x\"]}}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	assert_has(question, "\"progressToken\":[\"x\"]");
	g_autofree char *id = line_string(question, "id");
	g_autofree char *progress = g_strdup_printf(
		NOTES("notifications/progress", "{\"progress\":1,\"progressToken\":\"%s\"}"), id);
	ide_say(&ide, progress);
	peer_await_none(&ide.peers[0], "notifications/progress");
	ide_release(&ide);
}

/* ---- ends ---- */

static void test_the_server_takes_its_question_back(void **state)
{
	(void)state;
	static const char *const notices[][2] = {
		{"{\"requestId\":1,\"reason\":\"enough\\u0021\"}", "\"reason\":\"enough\\u0021\"}"},
		{"{\"requestId\":1.0}", "its server wants no answer any more"},
		{"{\"requestId\":1,\"reason\":[1]}", "its server wants no answer any more"},
	};
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	for (size_t i = 0; i < G_N_ELEMENTS(notices); i++) {
		hit_event(call, ASKS_ROOTS("1"));
		g_autofree char *question = ide_notice(&ide, "roots/list");
		hit_event(call, NOTES(CANCELLED, "{\"requestId\":\"1\"}"));
		hit_event(call, NOTES(CANCELLED, "{}"));
		ide_hear_nothing(&ide);
		g_autofree char *text = g_strdup_printf(NOTES(CANCELLED, "%s"), notices[i][0]);
		hit_event(call, text);
		g_autofree char *notice = ide_await_withdrawn(&ide, question);
		assert_has(notice, notices[i][1]);
		ide_reply(&ide, question, "\"result\":{\"roots\":[]}"); /* too late */
		peer_await_none(&ide.peers[0], "answer");
	}
	ide_release(&ide);
}

static void test_the_end_of_its_call_ends_a_question(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct Ide ide;
		struct Hit *call = open_call(&ide, "");
		hit_event(call, ASKS_ROOTS("1"));
		hit_event(call, ASKS("2", "elicitation/create", FORM("?")));
		g_autofree char *first = ide_notice(&ide, "roots/list");
		g_autofree char *second = ide_notice(&ide, "elicitation/create");
		if (how == 0)
			hit_finish(call, "{\"content\":[]}");
		else if (how == 1)
			hit_cut(call);
		else
			ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":1}"));
		assert_withdrawn(&ide, first);
		assert_withdrawn(&ide, second);
		if (how < 2)
			g_free(ide_answer(&ide, "1"));
		else
			peer_await_cancel(&ide.peers[0], call);
		ide_reply(&ide, first, "\"result\":{}");
		peer_await_none(&ide.peers[0], "answer");
		ide_release(&ide);
	}
}

/* Only the questions of that call. */
static void test_another_call_keeps_its_question(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *first = open_call(&ide, "");
	ide_say(&ide, ADD_CALL("2"));
	struct Hit *second = peer_await_call(&ide.peers[0]);
	hit_event(first, ASKS_ROOTS("1"));
	g_autofree char *of_first = ide_notice(&ide, "roots/list");
	hit_event(second, ASKS_ROOTS("2"));
	g_autofree char *of_second = ide_notice(&ide, "roots/list");
	hit_finish(first, "{\"content\":[]}");
	assert_withdrawn(&ide, of_first);
	g_free(ide_answer(&ide, "1"));
	ide_hear_nothing(&ide);
	ide_reply(&ide, of_second, "\"result\":{\"roots\":[]}");
	peer_await_reply(&ide.peers[0], "2", "\"roots\":[]");
	ide_release(&ide);
}

static void test_a_lost_session_ends_all_questions(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call, ASKS_ROOTS("1"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_say(&ide, ADD_CALL("2"));
	hit_reply(peer_await(&ide.peers[0], "tools/call"), 404, "", "");
	assert_withdrawn(&ide, question);
	hit_event(call, ASKS_ROOTS("2")); /* in a session that is gone */
	ide_hear_nothing(&ide);
	peer_serve_initialize(&ide.peers[0], "2025-11-25", "T", QUIET_TOOLS);
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_reply(&ide, question, "\"result\":{}");
	peer_await_none(&ide.peers[0], "answer");
	ide_release(&ide);
}

static void test_nobody_answers(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\ncall_timeout = 5\n");
	hit_event(call, ASKS("1", "roots/list", "{\"_meta\":{\"progressToken\":1}}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	g_autofree char *id = line_string(question, "id");
	clock_jump(&ide.fixture, 14 * 60 * 1000);
	g_autofree char *progress = g_strdup_printf(
		NOTES("notifications/progress", "{\"progress\":1,\"progressToken\":\"%s\"}"), id);
	ide_say(&ide, progress); /* they are at it */
	hit_reply(peer_await(&ide.peers[0], "notifications/progress"), 202, "", "");
	clock_jump(&ide.fixture, 14 * 60 * 1000);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 60 * 1000 + 1);
	assert_withdrawn(&ide, question);
	peer_await_reply(&ide.peers[0], "1", "did not answer in time");
	/* The call has its clocks again. */
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 5100);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "isError");
	ide_release(&ide);
}

static void test_the_end_of_the_process_ends_questions(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_event(call, ASKS_ROOTS("1"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	router_shutdown(ide.router);
	clock_jump(&ide.fixture, 16 * 60 * 1000);
	ide_reply(&ide, question, "\"result\":{}");
	ide_hear_nothing(&ide);
	peer_await_none(&ide.peers[0], "answer");
	ide_release(&ide);
}

/* ---- clocks ---- */

static void test_a_call_waits_for_its_question(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\ncall_timeout = 5\n");
	hit_event(call, ASKS_ROOTS("1"));
	hit_event(call, ASKS_ROOTS("2"));
	g_autofree char *first = ide_notice(&ide, "roots/list");
	g_autofree char *second = ide_notice(&ide, "roots/list");
	clock_jump(&ide.fixture, 60 * 1000);
	ide_reply(&ide, first, "\"result\":{}");
	peer_await_reply(&ide.peers[0], "1", "{}");
	clock_jump(&ide.fixture, 60 * 1000);
	ide_hear_nothing(&ide);
	ide_reply(&ide, second, "\"result\":{}");
	peer_await_reply(&ide.peers[0], "2", "{}");
	clock_jump(&ide.fixture, 4000);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 1100);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "isError");
	ide_release(&ide);
}

/* On the stream that belongs to no call. */
static void test_a_question_without_a_call(void **state)
{
	(void)state;
	struct Ide ide;
	open_with(&ide, "[mux]\ncall_timeout = 5\n", "2025-11-25", CAN_ALL, CHANGING_TOOLS);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	ide_say(&ide, ADD_CALL("1"));
	(void)peer_await_call(&ide.peers[0]);
	hit_event(stream, ASKS_ROOTS("1"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	clock_jump(&ide.fixture, 60 * 1000);
	ide_hear_nothing(&ide);
	ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
	peer_await_reply(&ide.peers[0], "1", "\"roots\":[]");
	clock_jump(&ide.fixture, 5100);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "isError");
	hit_event(stream, ASKS("2", "roots/list", "{}"));
	g_autofree char *next = ide_notice(&ide, "roots/list");
	hit_event(stream, NOTES(CANCELLED, "{\"requestId\":2}"));
	assert_withdrawn(&ide, next);
	hit_event(stream, ASKS("3", "tasks/list", "{}"));
	peer_await_reply(&ide.peers[0], "3", "-32601");
	hit_event(stream, ASKS_ROOTS("4")); /* which is open at the end */
	g_free(ide_notice(&ide, "roots/list"));
	ide_release(&ide);
}

/* ---- limits ---- */

static void test_a_server_may_ask_only_so_much(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	g_autofree char *last = NULL;
	for (unsigned i = 1; i <= 100; i++) {
		g_autofree char *text = g_strdup_printf(ASKS_ROOTS("%u"), i);
		hit_event(call, text);
		g_free(last);
		last = ide_notice(&ide, "roots/list");
	}
	hit_event(call, ASKS_ROOTS("101"));
	peer_await_reply(&ide.peers[0], "101", "\"code\":-32603");
	ide_hear_nothing(&ide);
	ide_reply(&ide, last, "\"result\":{}");
	peer_await_reply(&ide.peers[0], "100", "{}");
	hit_event(call, ASKS_ROOTS("102"));
	g_free(ide_notice(&ide, "roots/list"));
	ide_release(&ide);
}

static void test_a_question_has_a_size(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\nmax_result = 1\n");
	g_autofree char *fill = g_strnfill(1 << 20, 'x');
	g_autofree char *text = g_strdup_printf(
		ASKS("1", "sampling/createMessage", "{\"messages\":[],\"x\":\"%s\"}"), fill);
	hit_event(call, text);
	peer_await_reply(&ide.peers[0], "1", "\"code\":-32603");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_question_passes_under_an_id_of_ours),
		cmocka_unit_test(test_an_error_goes_back),
		cmocka_unit_test(test_a_question_is_one_line),
		cmocka_unit_test(test_nothing_passes_that_the_ide_did_not_declare),
		cmocka_unit_test(test_servers_may_ask_alike),
		cmocka_unit_test(test_answers_to_nothing_change_nothing),
		cmocka_unit_test(test_a_question_that_is_repeated_is_asked_once),
		cmocka_unit_test(test_progress_goes_back_to_the_server),
		cmocka_unit_test(test_odd_progress_tokens),
		cmocka_unit_test(test_the_server_takes_its_question_back),
		cmocka_unit_test(test_the_end_of_its_call_ends_a_question),
		cmocka_unit_test(test_another_call_keeps_its_question),
		cmocka_unit_test(test_a_lost_session_ends_all_questions),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_the_end_of_the_process_ends_questions),
		cmocka_unit_test(test_a_call_waits_for_its_question),
		cmocka_unit_test(test_a_question_without_a_call),
		cmocka_unit_test(test_a_server_may_ask_only_so_much),
		cmocka_unit_test(test_a_question_has_a_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
