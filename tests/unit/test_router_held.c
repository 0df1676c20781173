/* A legacy server that asks a modern IDE: input_required, the call that waits, the retry. */
#include "inputs_fixture.h"

/* ---- the way through ---- */

static void test_a_question_ends_the_request_and_the_retry_goes_on(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	hit_event(call, ASKS("\"\\u0031\"", "elicitation/create", FORM("n?")));
	g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q1\":" FORM_WANTED("n?") "}");
	assert_true(strlen(handle) >= strlen("mcp-mux.1.") + 22); /* 128 bits */
	ide_retry(&ide, "2", handle,
		"{\"else\":{},\"q1\":{\"action\":\"accept\",\"content\":{ \"n\":1.0}}}");
	peer_await_reply(&ide.peers[0], "\"\\u0031\"",
		",\"result\":{\"action\":\"accept\",\"content\":{ \"n\":1.0}}}");
	ide_hear_nothing(&ide);
	hit_finish(call, "{\"content\":[],\"x\":1.0}");
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "\"resultType\":\"complete\",\"content\":[],\"x\":1.0}");
	/* It never went out again. */
	peer_await_none(&ide.peers[0], "tools/call");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_questions_that_come_together_are_asked_together(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	hit_event(call, ASKS("5", "elicitation/create",
				"{\"mode\":\"url\",\"elicitationId\":\"e\",\"url\":\"https://x/\","
				"\"message\":\"m\"}"));
	hit_event(call, ASKS("6", "sampling/createMessage",
				"{\"messages\":[],\"maxTokens\":1e2,\"_meta\":{"
				"\"progressToken\":1,\"y\":1.0}}"));
	/* In several lines, and again, as a stream that was resumed might. */
	hit_bytes(call,
		"data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\",\"params\":{\n"
		"data: \"z\":[1,\ndata: 2]}}\n\n");
	hit_event(call, ASKS_ROOTS("7"));
	g_autofree char *handle = ide_await_wanted(&ide, "1",
		"{\"q1\":{\"method\":\"elicitation/create\",\"params\":{\"mode\":\"url\",\"url\":"
		"\"https://x/\",\"message\":\"m\"}},\"q2\":{\"method\":\"sampling/createMessage\","
		"\"params\":{\"messages\":[],\"maxTokens\":1e2,\"_meta\":{\"y\":1.0}}},\"q3\":{"
		"\"method\":\"roots/list\",\"params\":{\"z\":[1, 2]}}}");
	ide_retry(&ide, "2", handle,
		"{\"q1\":{\"action\":\"accept\"},\"q2\":{\"role\":\"x\"},\"q3\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "{\"action\":\"accept\"}");
	peer_await_reply(&ide.peers[0], "6", "{\"role\":\"x\"}");
	peer_await_reply(&ide.peers[0], "7", "{\"roots\":[]}");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

/* A server that goes on asking does not keep the IDE waiting. */
static void test_gathering_ends_soon(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern_call(&ide, "");
	for (unsigned i = 1; i <= 60; i++) {
		g_autofree char *text = g_strdup_printf(ASKS_ROOTS("%u"), i);
		hit_event(call, text);
		fixture_turn_for(&ide.fixture, 2);
	}
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"q1\"");
	assert_lacks(answer, "\"q60\"");
	ide_release(&ide);
}

/* Keys are never used twice for one call. */
static void test_rounds_follow_one_another(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *first = open_held(&ide, "", &call);
	/* What comes while nobody is there is asked next. */
	hit_event(call, ASKS("6", "elicitation/create", FORM("held")));
	ide_hear_nothing(&ide);
	ide_retry(&ide, "2", first, "{\"q1\":{\"roots\":[]},\"q2\":{\"action\":\"no\"}}");
	peer_await_reply(&ide.peers[0], "5", "{\"roots\":[]}");
	g_autofree char *second = ide_await_wanted(&ide, "2", "{\"q2\":" FORM_WANTED("held") "}");
	assert_string_not_equal(first, second);
	peer_await_none(&ide.peers[0], "answer");
	ide_retry(&ide, "3", second, "{\"q2\":{\"action\":\"cancel\"}}");
	peer_await_reply(&ide.peers[0], "6", "{\"action\":\"cancel\"}");
	/* And after the retry as before it. */
	hit_event(call, ASKS_ROOTS("5"));
	g_autofree char *third = ide_await_wanted(&ide, "3", "{\"q3\":" ROOTS_WANTED "}");
	ide_retry(&ide, "4", third, "{\"q3\":{\"roots\":[3]}}");
	peer_await_reply(&ide.peers[0], "5", "{\"roots\":[3]}");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "4"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Progress and log messages are the present request's, as it wants them. */
static void test_what_comes_besides_is_for_the_present_request(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern_ide(&ide, "", QUIET_TOOLS);
	ide_say(&ide, ABLE_CALL_WITH("1", ",\"progressToken\":\"one\"", "{\"n\":1.0}"));
	struct Hit *call = peer_await_call(&ide.peers[0]);
	g_autofree char *progress = g_strdup_printf(
		NOTES("notifications/progress", "{\"progressToken\":%s,\"progress\":1}"), call->id);
	static const char log[] =
		NOTES("notifications/message", "{\"level\":\"error\",\"data\":1}");
	hit_event(call, progress);
	g_autofree char *before = ide_notice(&ide, "notifications/progress");
	assert_has(before, "\"progressToken\":\"one\"");
	hit_event(call, ASKS_ROOTS("5"));
	g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}");
	hit_event(call, progress);
	hit_event(call, log);
	hit_event(call, NOTES("notifications/elicitation/complete", "{\"elicitationId\":\"e\"}"));
	ide_hear_nothing(&ide);
	ide_retry_with(&ide, "2",
		",\"progressToken\":\"two\",\"io.modelcontextprotocol/logLevel\":\"error\"", handle,
		"{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	hit_event(call, progress);
	hit_event(call, log);
	g_autofree char *after = ide_notice(&ide, "notifications/progress");
	assert_has(after, "\"progressToken\":\"two\"");
	g_free(ide_notice(&ide, "notifications/message"));
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

/* That belongs to a subscription, whichever stream it comes on. */
static void test_what_is_watched_is_told_of_while_a_call_waits(void **state)
{
	(void)state;
	struct Ide ide;
	struct Peer *peer = &ide.peers[0];
	open_modern_ide(&ide, "", "{\"tools\":{},\"resources\":{\"subscribe\":true}}");
	ide_say(&ide, LEGACY("\"r\"", "resources/list", META_WITH(CAN_ALL, "")));
	peer_serve_list(peer, MCP_RESOURCES, "{\"uri\":\"x:1\",\"name\":\"r\"}");
	g_free(ide_answer(&ide, "\"r\""));
	ide_say(&ide, LEGACY("\"l\"", "subscriptions/listen",
			      META_WITH(CAN_ALL, "") ",\"notifications\":{"
						     "\"resourceSubscriptions\":[\"x:1\"]}"));
	peer_serve_list(peer, MCP_TEMPLATES, "");
	hit_result(peer_await(peer, "resources/subscribe"), "{}");
	g_free(ide_notice(&ide, "notifications/subscriptions/acknowledged"));
	ide_say(&ide, ABLE_CALL("1"));
	struct Hit *call = peer_await_call(peer);
	hit_event(call, ASKS_ROOTS("5"));
	g_free(ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}"));
	hit_event(call, NOTES("notifications/resources/updated", "{\"uri\":\"x:1\"}"));
	g_free(ide_notice(&ide, "notifications/resources/updated"));
	ide_release(&ide);
}

static void test_the_answer_waits_for_the_retry(void **state)
{
	(void)state;
	for (unsigned how = 0; how < 3; how++) {
		struct Ide ide;
		struct Hit *call;
		g_autofree char *handle = open_held(&ide, "", &call);
		g_autofree char *error = error_text(call, -32000, ",\"data\":1.0");
		if (how == 0) {
			hit_finish(call, "{\"content\":[],\"x\":1.0}");
		} else if (how == 1) {
			hit_event(call, error);
			hit_stream_end(call);
		} else {
			hit_cut(call);
		}
		ide_hear_nothing(&ide);
		ide_retry(&ide, "2", handle, NULL);
		g_autofree char *answer = ide_answer(&ide, "2");
		if (how == 0)
			assert_has(answer, "\"resultType\":\"complete\",\"content\":[],\"x\":1.0}");
		else if (how == 1)
			assert_has(answer, "\"code\":-32000,\"message\":\"no\",\"data\":1.0}");
		else
			assert_has(answer, "\"isError\":true");
		peer_await_none(&ide.peers[0], "answer");
		ide_retry(&ide, "3", handle, NULL);
		assert_unknown(&ide, "3");
		ide_hear_nothing(&ide);
		ide_release(&ide);
	}
}

static void test_a_call_has_no_clocks_while_it_waits(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "[mux]\ncall_timeout = 5\n", &call);
	clock_jump(&ide.fixture, 14 * 60 * 1000);
	ide_hear_nothing(&ide);
	ide_retry(&ide, "2", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	clock_jump(&ide.fixture, 4000);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 1100);
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "\"isError\":true");
	ide_release(&ide);
}

static void test_resources_are_asked_for_as_well(void **state)
{
	(void)state;
	struct Ide ide;
	struct Peer *peer = &ide.peers[0];
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, LEGACY("\"list\"", "resources/list", META_WITH(CAN_ALL, "")));
	hit_error(peer_await(peer, "server/discover"), 404, -32601, "");
	peer_serve_initialize(peer, "2025-11-25", "S", "{\"resources\":{},\"completions\":{}}");
	peer_serve_list(peer, MCP_RESOURCES, "{\"uri\":\"x:1\",\"name\":\"r\"}");
	g_free(ide_answer(&ide, "\"list\""));
	ide_say(&ide, LEGACY("1", "resources/read", META_WITH(CAN_ALL, "") ",\"uri\":\"x:1\""));
	struct Hit *call = peer_await(peer, "resources/read");
	hit_stream(call, "");
	hit_event(call, ASKS_ROOTS("5"));
	g_autofree char *handle = ide_await_wanted(&ide, "1", "{\"q1\":" ROOTS_WANTED "}");
	g_autofree char *retry = g_strdup_printf(
		LEGACY("2", "resources/read",
			META_WITH(CAN_ALL, "") ",\"uri\":\"x:1\",\"inputResponses\":{\"q1\":{}},"
					       "\"requestState\":\"%s\""),
		handle);
	ide_say(&ide, retry);
	peer_await_reply(peer, "5", "{}");
	hit_finish(call, "{\"contents\":[]}");
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "\"contents\":[]");
	ide_release(&ide);
}

/* ---- responses ---- */

static void test_what_is_missing_is_asked_again(void **state)
{
	(void)state;
	static const char *const responses[] = {
		NULL, "{}", "{\"q2\":{}}", "{\"q1\":[]}", "{\"q1\":null}", "{\"q1\":\"x\"}"};
	struct Ide ide;
	struct Hit *call;
	char *handle = open_held(&ide, "", &call);
	for (unsigned i = 0; i < G_N_ELEMENTS(responses); i++) {
		g_autofree char *id = g_strdup_printf("%u", 2 + i);
		ide_retry(&ide, id, handle, responses[i]);
		g_free(handle);
		handle = ide_await_wanted(&ide, id, "{\"q1\":" ROOTS_WANTED "}");
	}
	peer_await_none(&ide.peers[0], "answer");
	ide_retry(&ide, "99", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "99"));
	g_free(handle);
	ide_release(&ide);
}

static void test_responses_are_an_object(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	static const char *const wrong[] = {"[]", "\"x\"", "null", "1"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		ide_retry(&ide, "2", handle, wrong[i]);
		g_autofree char *answer = ide_answer(&ide, "2");
		assert_has(answer, "\"code\":-32602");
		assert_has(answer, "inputResponses");
	}
	/* That was a slip; the state is as good as before. */
	ide_retry(&ide, "3", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "3"));
	ide_release(&ide);
}

/* ---- states ---- */

static void test_a_state_is_good_once(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	ide_retry(&ide, "2", "mcp-mux.1.AAAAAAAAAAAAAAAAAAAAAA", "{\"q1\":{}}");
	assert_unknown(&ide, "2");
	ide_retry(&ide, "3", handle, "{\"q1\":{\"roots\":[]}}");
	peer_await_reply(&ide.peers[0], "5", "roots");
	ide_retry(&ide, "4", handle, "{\"q1\":{\"roots\":[1]}}");
	assert_unknown(&ide, "4");
	peer_await_none(&ide.peers[0], "answer");
	/* One that is none of ours can be no legacy server's. */
	ide_retry(&ide, "5", "theirs", NULL);
	assert_unknown(&ide, "5");
	hit_finish(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "3"));
	ide_release(&ide);
}

/* And nobody can come back for it any more. */
static void test_a_state_is_bound_to_its_request(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	g_autofree char *other = g_strdup_printf(
		LEGACY("2", "tools/call",
			META_WITH(CAN_ALL, "") ",\"name\":\"a__add\",\"arguments\":{\"n\":2},"
					       "\"inputResponses\":{\"q1\":{}},"
					       "\"requestState\":\"%s\""),
		handle);
	ide_say(&ide, other);
	assert_unknown(&ide, "2");
	peer_await_cancel(&ide.peers[0], call);
	ide_retry(&ide, "3", handle, "{\"q1\":{}}");
	assert_unknown(&ide, "3");
	peer_await_none(&ide.peers[0], "answer");
	ide_release(&ide);
}

static void test_nobody_comes_back(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call;
	g_autofree char *handle = open_held(&ide, "", &call);
	clock_jump(&ide.fixture, 15 * 60 * 1000 - 2000);
	peer_await_none(&ide.peers[0], CANCELLED);
	clock_jump(&ide.fixture, 2000);
	peer_await_cancel(&ide.peers[0], call);
	ide_retry(&ide, "2", handle, "{\"q1\":{}}");
	assert_unknown(&ide, "2");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_question_ends_the_request_and_the_retry_goes_on),
		cmocka_unit_test(test_questions_that_come_together_are_asked_together),
		cmocka_unit_test(test_gathering_ends_soon),
		cmocka_unit_test(test_rounds_follow_one_another),
		cmocka_unit_test(test_what_comes_besides_is_for_the_present_request),
		cmocka_unit_test(test_what_is_watched_is_told_of_while_a_call_waits),
		cmocka_unit_test(test_the_answer_waits_for_the_retry),
		cmocka_unit_test(test_a_call_has_no_clocks_while_it_waits),
		cmocka_unit_test(test_resources_are_asked_for_as_well),
		cmocka_unit_test(test_what_is_missing_is_asked_again),
		cmocka_unit_test(test_responses_are_an_object),
		cmocka_unit_test(test_a_state_is_good_once),
		cmocka_unit_test(test_a_state_is_bound_to_its_request),
		cmocka_unit_test(test_nobody_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
