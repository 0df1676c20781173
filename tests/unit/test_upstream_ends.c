/* How calls end: statuses, bodies of every kind, connections that break. */
#include "upstream_fixture.h"

/* ---- ends ---- */

static void test_statuses(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers, *body; /* NULL: a JSON-RPC error */
		int code; /* 0: the error passes */
		const char *part;
	} cases[] = {
		{401, "", "", MUX_ERROR_SIGN_IN, "HTTP 401"},
		{401, "", NULL, MUX_ERROR_SIGN_IN, "HTTP 401: no"},
		{403, "", NULL, MUX_ERROR_FORBIDDEN, "HTTP 403: no"},
		{429, "Retry-After: 30\r\n", "", MUX_ERROR_BUSY,
			"HTTP 429, retry after 30 seconds"},
		{429, "Retry-After: Sat, 21 Nov 2026 15:00:00 GMT\r\n", NULL, MUX_ERROR_BUSY,
			"HTTP 429: no, retry after Sat, 21 Nov 2026 15:00:00 GMT"},
		{503, "Retry-After: 1\r\n", NULL, MUX_ERROR_BUSY,
			"HTTP 503: no, retry after 1 seconds"},
		{500, "Retry-After: 1\r\n", "", MUX_ERROR_UPSTREAM, "HTTP 500"},
		{500, "", NULL, 0, "-32603"},
		{502, "Content-Type: text/html\r\n", "<h1>Bad gateway", MUX_ERROR_UPSTREAM,
			"HTTP 502"},
		{307, "Location: http://127.0.0.1:1/\r\n", "", MUX_ERROR_UPSTREAM, "a redirect"},
		{200, "", NULL, 0, "-32603"},
		{200, "", "", MUX_ERROR_UPSTREAM, "it is empty"},
		{202, "", "", MUX_ERROR_UPSTREAM, "it is empty"},
		{200, "Content-Type: text/html\r\n", "<p>", MUX_ERROR_UPSTREAM, "text/html"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":1", MUX_ERROR_UPSTREAM, "not valid"},
		{200, "", "{} {}", MUX_ERROR_UPSTREAM, "not valid"},
		{200, "", "[]", MUX_ERROR_UPSTREAM, "batch is empty"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}", MUX_ERROR_UPSTREAM,
			"it answers another request"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":\"3\",\"result\":{}}", MUX_ERROR_UPSTREAM,
			"it answers another request"},
		{200, "",
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":"
			"\"?\"}}",
			0, "-32700"},
		{200, "",
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}",
			MUX_ERROR_UPSTREAM, "it is no answer"},
		{200, "Content-Type: text/event-streams\r\n", "data: {}\n\n", MUX_ERROR_UPSTREAM,
			"text/event-streams instead"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *body =
			cases[i].body ? g_strdup(cases[i].body) : error_text(hit, -32603, "");
		hit_reply(hit, cases[i].status, cases[i].headers, body);
		ask_await(&ask);
		if (cases[i].code)
			assert_ask_failed(&ask, cases[i].code, cases[i].part);
		else
			assert_ask_answer(&ask, cases[i].part);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_answers_arrive_byte_for_byte_on_one_line(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	g_autofree char *body = g_strdup_printf(
		" {\r\n\"result\": "
		"{\"n\":1.10,\n\"big\":123456789012345678901e-1,\"s\":\"\\u00e4\\/\"},"
		"\"id\":%s.0,\"jsonrpc\":\"2.0\"}\n",
		hit->id);
	hit_reply(hit, 200, "Content-Type: Application/JSON; charset=utf-8\r\n", body);
	ask_await(&ask);
	assert_ask_answer(&ask, "{  \"result\": {\"n\":1.10, "
				"\"big\":123456789012345678901e-1,\"s\":\"\\u00e4\\/\"}");
	assert_null(strpbrk(ask.answer, "\r\n"));
	ask_release(&ask);
	up_release(&u);
}

static void test_a_batch_may_hold_the_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *body = g_strdup_printf(
			"[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			"\"progressToken\":%s,\"progress\":1}},5,{\"jsonrpc\":\"2.0\",\"id\":\"p\","
			"\"method\":"
			"\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"yes\":1}},"
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"no\":1}}]",
			hit->id, i ? "66" : hit->id, i ? "67" : hit->id);
		hit_reply(hit, 200, "", body);
		ask_await(&ask);
		if (i)
			assert_ask_failed(&ask, MUX_ERROR_UPSTREAM, "no message of the batch");
		else
			assert_ask_answer(&ask, "\"yes\"");
		assert_int_equal(ask.progresses, 1);
		struct Hit *pong = peer_await(&u.peer, "answer");
		assert_string_equal(pong->body, "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}");
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_a_body_over_max_message(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\nmax_message = 1\nmax_result = 1");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	g_autofree char *big = g_strnfill((1 << 20) + 10, 'x');
	g_autofree char *result = g_strdup_printf("{\"x\":\"%s\"}", big);
	for (unsigned i = 0; i < 2; i++) {
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		if (i == 0) {
			hit_result(hit, result);
		} else {
			hit_stream(hit, "");
			hit_event_result(hit, result);
		}
		ask_await(&ask);
		assert_int_equal(ask.error->code, MUX_ERROR_TOO_LARGE);
		ask_release(&ask);
	}
	/* Everything else goes on. */
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&ask);
	assert_ask_answer(&ask, "{}");
	ask_release(&ask);
	up_release(&u);
}

static void test_nobody_there_any_more(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	peer_vanish(&u.peer);
	fixture_turn_for(&u.fixture, 10);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_UNREACHABLE);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_broken_call_is_sent_again_only_if_the_tool_says_so(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		up_open_modern(&u, QUIET_TOOLS, ADD_TOOL "," READ_TOOL);
		struct Ask ask = {.repeatable = i};
		ask_start(&u, &ask, ERA_LEGACY, i ? CALL("look") : CALL("add"));
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		hit_cut(hit);
		if (i) {
			struct Hit *again = peer_await(&u.peer, "tools/call");
			assert_string_equal(again->body, hit->body);
			hit_stream(again, "");
			hit_event(again,
				"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}");
			hit_stream_end(again); /* once and no more */
		}
		ask_await(&ask);
		assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
		peer_await_none(&u.peer, "tools/call");
		ask_release(&ask);
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_answers_arrive_byte_for_byte_on_one_line),
		cmocka_unit_test(test_a_batch_may_hold_the_answer),
		cmocka_unit_test(test_a_body_over_max_message),
		cmocka_unit_test(test_nobody_there_any_more),
		cmocka_unit_test(test_a_broken_call_is_sent_again_only_if_the_tool_says_so),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
