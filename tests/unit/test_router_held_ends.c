/* The same: what ends a call that waits for a retry, what is not asked, how much of it there may be. */
#include "inputs_fixture.h"

/* ---- what ends it ---- */

static void test_a_retry_that_is_cancelled_cancels_the_call(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":2}"));
	peer_await_cancel(&ide.peers[0], call);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_an_answer_that_comes_with_the_question_is_enough(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	g_autofree char *both =
		g_strdup_printf("data: " ASKS_ROOTS("5") "\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,"
							 "\"result\":{\"content\":[]}}\n\n",
			call->id);
	hit_bytes(call, both);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"resultType\":\"complete\"");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Call 1 of an IDE that wants to hear of its progress. */
static struct Hit *open_modern_with_progress(struct Ide *ide)
{
	open_modern_ide(ide, "", QUIET_TOOLS);
	ide_say(ide, ABLE_CALL_WITH("1", ",\"progressToken\":1", "{\"n\":1.0}"));
	return peer_await_call(&ide->peers[0]);
}

/* The server asks for roots, which is known to have been read when the IDE hears of progress. */
static void ask_with_progress(struct Ide *ide, struct Hit *call)
{
	g_autofree char *both = g_strdup_printf(
		"data: " ASKS_ROOTS("5") "\n\ndata: " NOTES(
			"notifications/progress", "{\"progressToken\":%s,\"progress\":1}") "\n\n",
		call->id);
	hit_bytes(call, both);
	g_free(ide_notice(ide, "notifications/progress"));
}

static void test_a_request_that_is_cancelled_first_asks_nothing(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_with_progress(&ide);
	ask_with_progress(&ide, call);
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":1}"));
	/* On a machine that stood still meanwhile, the IDE has been asked. */
	g_autofree char *asked = ide_find(&ide, "id", "1");
	if (!asked)
		peer_await_cancel(&ide.peers[0], call);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_the_server_takes_its_question_back(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	/* Before the IDE is asked. */
	hit_bytes(call,
		"data: " ASKS_ROOTS("4") "\n\ndata: " NOTES(CANCELLED, "{\"requestId\":4}") "\n\n");
	ide_hear_nothing(&ide);
	/* After it, at the next retry. */
	hit_event(call, ASKS_ROOTS("5"));
	g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q2\":" ROOTS_WANTED "}");
	hit_event(call, NOTES(CANCELLED, "{\"requestId\":6}"));
	hit_event(call, NOTES(CANCELLED, "{\"requestId\":5.0}"));
	fixture_turn_for(&ide.fixture, 20);
	ide_retry(&ide, "2", handle, "{\"q2\":{\"roots\":[]}}");
	peer_await_none(&ide.peers[0], "answer");
	ide_hear_nothing(&ide);
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

static void test_a_lost_session_ends_the_call(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Ide ide;
		struct Hit *call = open_modern_call(&ide, "");
		g_autofree char *handle = NULL;
		hit_event(call, ASKS_ROOTS("5"));
		handle = ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}");
		if (i == 1) /* what it has said already stays */
			hit_finish(call, "{\"content\":[]}");
		fixture_turn_for(&ide.fixture, 20);
		ide_say(&ide, ABLE_CALL("2"));
		hit_reply(peer_await(&ide.peers[0], "tools/call"), 404, "", "");
		peer_serve_initialize(&ide.peers[0], "2025-11-25", "T", QUIET_TOOLS);
		hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
		g_free(ide_answer(&ide, "2"));
		ide_retry(&ide, "3", handle, "{\"q1\":{}}");
		if (i == 0) {
			assert_unknown(&ide, "3");
		} else {
			g_autofree char *answer = ide_answer(&ide, "3");
			assert_has(answer, "\"content\":[]");
		}
		peer_await_none(&ide.peers[0], "answer");
		ide_release(&ide);
	}
}

/* What was gathered is void, the request is not. */
static void test_a_session_is_lost_before_the_ide_is_asked(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_with_progress(&ide);
	ide_say(&ide, ABLE_CALL("2"));
	struct Hit *other = peer_await(&ide.peers[0], "tools/call");
	ask_with_progress(&ide, call);
	hit_reply(other, 404, "", "");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", "T", QUIET_TOOLS);
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	g_autofree char *asked = ide_find(&ide, "id", "1"); /* see above */
	ide_hear_nothing(&ide);
	hit_finish(call, "{\"content\":[]}");
	if (!asked)
		g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void test_the_end_of_the_process_ends_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Ide ide;
		struct Hit *call;
		if (i == 0) {
			g_free(open_held(&ide, "", &call));
		} else {
			call = open_modern_call(&ide, "");
			g_autofree char *text =
				g_strconcat("data: ", ASKS_ROOTS("5"), "\n\n", NULL);
			hit_bytes(call, text);
			fixture_turn_for(&ide.fixture, 3);
		}
		router_shutdown(ide.router);
		peer_await_cancel(&ide.peers[0], call);
		clock_jump(&ide.fixture, 16 * 60 * 1000);
		ide_release(&ide);
	}
}

/* ---- what cannot be asked ---- */

static void test_nothing_is_asked_that_was_not_declared(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	hit_event(call, ASKS("5", "tasks/list", "{}"));
	peer_await_reply(&ide.peers[0], "5", "-32601");
	hit_event(call, ASKS("6", "elicitation/create", "{\"mode\":\"other\"}"));
	peer_await_reply(&ide.peers[0], "6", "-32601");
	ide_hear_nothing(&ide);
	hit_event(call, ASKS_ROOTS("7"));
	g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}");
	hit_event(call, ASKS("8", "tasks/list", "{}"));
	peer_await_reply(&ide.peers[0], "8", "-32601");
	/* A retry may declare less than the request did. */
	hit_event(call, ASKS("9", "elicitation/create", FORM("?")));
	fixture_turn_for(&ide.fixture, 20);
	g_autofree char *text = g_strdup_printf(
		LEGACY("2", "tools/call",
			META_WITH("{}", "") ",\"name\":\"a__add\",\"arguments\":{\"n\":1.0},"
					    "\"requestState\":\"%s\""),
		handle);
	ide_say(&ide, text);
	peer_await_reply(&ide.peers[0], "7", "-32601");
	peer_await_reply(&ide.peers[0], "9", "-32601");
	hit_event(call, ASKS_ROOTS("10"));
	peer_await_reply(&ide.peers[0], "10", "-32601");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

/* A modern IDE can be asked within its requests alone. */
static void test_a_question_without_a_call_is_refused(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern_ide(&ide, "", CHANGING_TOOLS);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	hit_event(stream, ASKS_ROOTS("5"));
	peer_await_reply(&ide.peers[0], "5", "-32601");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

#define ROOTS_CALL(id, more)                                                                       \
	LEGACY(id, "tools/call", META_WITH("{\"roots\":{}}", "") ",\"name\":\"a__add\"" more)

/* Call 1 of an IDE that declares nothing but roots goes to a session T that was opened so; SERVER: its capabilities. */
static struct Hit *open_own_session(struct Ide *ide, const char *server)
{
	ide_say(ide, ROOTS_CALL("1", ""));
	struct Hit *hello = peer_await(&ide->peers[0], "initialize");
	assert_has(hello->body, "\"capabilities\":{\"roots\":{}}");
	g_autofree char *result = g_strdup_printf(
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":%s,\"serverInfo\":{"
		"\"name\":\"s\",\"version\":\"1\"}}",
		server);
	g_autofree char *hi = result_text(hello, result);
	hit_reply(hello, 200, "Mcp-Session-Id: T\r\n", hi);
	hit_reply(peer_await(&ide->peers[0], "notifications/initialized"), 202, "", "");
	struct Hit *call = peer_await_call(&ide->peers[0]);
	assert_header(call, "Mcp-Session-Id", "T");
	return call;
}

static void lose_own_session(struct Ide *ide)
{
	ide_say(ide, ROOTS_CALL("9", ""));
	hit_reply(peer_await(&ide->peers[0], "tools/call"), 404, "", "");
	(void)peer_await(&ide->peers[0], "initialize");
}

/* It goes to a session that was opened with what it declares, and is asked there. */
static void test_a_request_that_declares_something_else(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Ide ide;
		open_modern_ide(&ide, "", QUIET_TOOLS);
		struct Hit *call = open_own_session(&ide, QUIET_TOOLS);
		hit_event(call, ASKS_ROOTS("5"));
		g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}");
		g_autofree char *retry = g_strdup_printf(
			ROOTS_CALL("2", ",\"inputResponses\":{\"q1\":{\"roots\":[]}},"
					"\"requestState\":\"%s\""),
			handle);
		if (i == 1)
			lose_own_session(&ide);
		ide_say(&ide, retry);
		if (i == 1) {
			assert_unknown(&ide, "2");
		} else {
			struct Hit *reply = peer_await(&ide.peers[0], "answer");
			assert_header(reply, "Mcp-Session-Id", "T");
			assert_string_equal(reply->id, "5");
			hit_reply(reply, 202, "", "");
			hit_finish(call, "{\"content\":[]}");
			g_free(ide_answer(&ide, "2"));
		}
		ide_release(&ide);
	}
}

/* Neither a question nor a message of a modern request goes to a legacy session that the IDE has as well. */
static void test_an_ide_of_both_eras(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_greet(&ide, "2025-11-25", CAN_ALL);
	inputs_serve_legacy(&ide, 0, QUIET_TOOLS);
	g_free(ide_list(&ide));
	struct Hit *call = open_own_session(&ide, QUIET_TOOLS);
	static const char *const notices[] = {
		NOTES("notifications/message", "{\"level\":\"error\",\"data\":1}"),
		NOTES("notifications/elicitation/complete", "{\"elicitationId\":\"e\"}"),
		NOTES("notifications/progress", "{\"progressToken\":1,\"progress\":1}"),
	};
	for (size_t i = 0; i < G_N_ELEMENTS(notices); i++)
		hit_event(call, notices[i]);
	hit_event(call, ASKS_ROOTS("2"));
	g_free(ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}"));
	for (size_t i = 0; i < G_N_ELEMENTS(notices); i++)
		hit_event(call, notices[i]);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- limits ---- */

static void test_only_so_many_calls_wait(void **state)
{
	(void)state;
	enum { MANY = 64 };
	struct Ide ide;
	open_modern_ide(&ide, "", QUIET_TOOLS);
	struct Hit *calls[MANY + 1];
	char *handles[MANY + 1];
	for (unsigned i = 0; i <= MANY; i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_autofree char *text = g_strdup_printf(ABLE_CALL("%s"), id);
		ide_say(&ide, text);
		calls[i] = peer_await_call(&ide.peers[0]);
		peer_await_none(&ide.peers[0], CANCELLED);
		hit_event(calls[i], ASKS_ROOTS("5"));
		handles[i] = ide_await_wanted(&ide, id, "{\"q1\":" ROOTS_WANTED "}");
	}
	peer_await_cancel(&ide.peers[0], calls[0]);
	ide_retry(&ide, "100", handles[0], "{\"q1\":{}}");
	assert_unknown(&ide, "100");
	ide_retry(&ide, "101", handles[1], "{\"q1\":{}}");
	peer_await_reply(&ide.peers[0], "5", "{}");
	hit_finish(calls[1], "{\"content\":[]}");
	g_free(ide_answer(&ide, "101"));
	for (unsigned i = 0; i <= MANY; i++)
		g_free(handles[i]);
	ide_release(&ide);
}

static void test_only_so_much_of_answers_is_kept(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern_ide(&ide, "[mux]\nmax_message = 1\nmax_result = 1\n", QUIET_TOOLS);
	char *handles[3];
	g_autofree char *fill = g_strnfill(400 << 10, 'x');
	g_autofree char *result =
		g_strdup_printf("{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}", fill);
	for (unsigned i = 0; i < 3; i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_autofree char *text = g_strdup_printf(ABLE_CALL("%s"), id);
		ide_say(&ide, text);
		struct Hit *call = peer_await_call(&ide.peers[0]);
		hit_event(call, ASKS_ROOTS("5"));
		handles[i] = ide_await_wanted(&ide, id, "{\"q1\":" ROOTS_WANTED "}");
		hit_finish(call, result);
		fixture_turn_for(&ide.fixture, 50);
	}
	ide_retry(&ide, "10", handles[0], NULL);
	assert_unknown(&ide, "10");
	for (unsigned i = 1; i < 3; i++) {
		g_autofree char *id = g_strdup_printf("1%u", i);
		ide_retry(&ide, id, handles[i], NULL);
		g_autofree char *answer = ide_answer(&ide, id);
		assert_has(answer, "\"text\":\"xxx");
	}
	for (unsigned i = 0; i < 3; i++)
		g_free(handles[i]);
	ide_release(&ide);
}

static void test_a_server_may_ask_only_so_much(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_free(open_held(&ide, "[mux]\nmax_result = 1\n", &call));
	g_autofree char *fill = g_strnfill(1 << 20, 'x');
	g_autofree char *big = g_strdup_printf(
		ASKS("6", "sampling/createMessage", "{\"messages\":[],\"x\":\"%s\"}"), fill);
	hit_event(call, big);
	peer_await_reply(&ide.peers[0], "6", "-32603");
	for (unsigned i = 2; i <= 100; i++) {
		g_autofree char *text = g_strdup_printf(ASKS_ROOTS("%u"), 100 + i);
		hit_event(call, text);
	}
	peer_await_none(&ide.peers[0], "answer");
	hit_event(call, ASKS_ROOTS("7"));
	peer_await_reply(&ide.peers[0], "7", "-32603");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_retry_that_is_cancelled_cancels_the_call),
		cmocka_unit_test(test_an_answer_that_comes_with_the_question_is_enough),
		cmocka_unit_test(test_a_request_that_is_cancelled_first_asks_nothing),
		cmocka_unit_test(test_the_server_takes_its_question_back),
		cmocka_unit_test(test_a_lost_session_ends_the_call),
		cmocka_unit_test(test_a_session_is_lost_before_the_ide_is_asked),
		cmocka_unit_test(test_the_end_of_the_process_ends_it),
		cmocka_unit_test(test_nothing_is_asked_that_was_not_declared),
		cmocka_unit_test(test_a_question_without_a_call_is_refused),
		cmocka_unit_test(test_a_request_that_declares_something_else),
		cmocka_unit_test(test_an_ide_of_both_eras),
		cmocka_unit_test(test_only_so_many_calls_wait),
		cmocka_unit_test(test_only_so_much_of_answers_is_kept),
		cmocka_unit_test(test_a_server_may_ask_only_so_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
