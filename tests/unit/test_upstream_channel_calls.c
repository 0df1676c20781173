/* Calls over the HTTP+SSE transport: whose answer it is, what else comes on the stream, what ends a call, and what
 * becomes of it when the channel breaks. */
#include "channel_fixture.h"

/* ---- answers ---- */

static void test_answers_find_their_calls(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask[3] = {{0}};
	struct Hit *hit[3];
	for (unsigned i = 0; i < 3; i++) {
		ask_add(&u, &ask[i]);
		hit[i] = sse_await_post(&u, "tools/call");
		assert_header(hit[i], "MCP-Protocol-Version", "2024-11-05");
	}
	/* The last one first, before it is accepted. */
	sse_answer(stream, hit[2], "{\"n\":2}");
	ask_await(&ask[2]);
	sse_accept(hit[0]);
	sse_accept(hit[1]);
	sse_accept(hit[2]);
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(ask[0].ended + ask[1].ended, 0);
	g_autofree char *error = error_text(hit[1], -32602, "");
	hit_event(stream, error);
	ask_await(&ask[1]);
	sse_answer(stream, hit[0], "{\"n\":0}");
	ask_await(&ask[0]);
	assert_ask_answer(&ask[0], "{\"n\":0}");
	assert_ask_answer(&ask[1], "-32602");
	assert_ask_answer(&ask[2], "{\"n\":2}");
	assert_int_equal(ask[0].era, ERA_LEGACY);
	for (unsigned i = 0; i < 3; i++)
		ask_release(&ask[i]);
	up_release(&u);
}

static void test_what_is_no_answer_is_passed_over(void **state)
{
	(void)state;
	static const char *const others[] = {
		": a comment\n\n",
		"event: endpoint\ndata: http://evil.example/\n\n",
		"event: ping\ndata: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}\n\n",
		"data: not JSON\n\n",
		"data:\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n", /* answered before */
		"data: {\"jsonrpc\":\"2.0\",\"id\":\"%s\",\"result\":{}}\n\n",
		/* NOLINTNEXTLINE(bugprone-suspicious-missing-comma) */
		"data: "
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":1,\"message\":\"\"}}\n\n",
		"data: [[{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}],1]\n\n",
		"id: 7\nretry: 5\n\n",
	};
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = sse_take(&u, "tools/call");
	for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
		GString *event = g_string_new(others[i]);
		g_string_replace(event, "%s", hit->id, 1);
		hit_bytes(stream, event->str);
		g_string_free(event, TRUE);
	}
	fixture_turn_for(&u.fixture, 30);
	assert_int_equal(ask.ended, 0);
	g_autofree char *event = g_strdup_printf(
		"data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":%s,\"result\":{\"yes\":1}}\n\n",
		hit->id);
	hit_bytes(stream, event);
	ask_await(&ask);
	assert_ask_answer(&ask, "{\"yes\":1}");
	assert_null(strchr(ask.answer, '\n'));
	ask_release(&ask);
	up_release(&u);
}

static void test_a_batch_on_the_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask[2] = {{0}};
	ask_add(&u, &ask[0]);
	struct Hit *first = sse_take(&u, "tools/call");
	ask_add(&u, &ask[1]);
	struct Hit *second = sse_take(&u, "tools/call");
	g_autofree char *batch =
		g_strdup_printf("[{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"ping\"},7,"
				"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"n\":2}},"
				"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"n\":1}}]",
			second->id, first->id);
	hit_event(stream, batch);
	ask_await(&ask[0]);
	ask_await(&ask[1]);
	assert_ask_answer(&ask[0], "{\"n\":1}");
	assert_ask_answer(&ask[1], "{\"n\":2}");
	assert_string_equal(sse_take(&u, "answer")->id, "\"q\"");
	ask_release(&ask[0]);
	ask_release(&ask[1]);
	up_release(&u);
}

static void test_what_belongs_to_no_call(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask[2] = {{0}};
	ask_add(&u, &ask[0]);
	struct Hit *first = sse_take(&u, "tools/call");
	ask_add(&u, &ask[1]);
	struct Hit *second = sse_take(&u, "tools/call");
	/* Progress finds its call by its token. */
	g_autofree char *progress = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":%s,\"progress\":1}}",
		second->id);
	hit_event(stream, progress);
	turn_until(&u.fixture, ask[1].progresses, 1);
	assert_int_equal(ask[0].progresses, 0);
	/* Requests are answered at the endpoint. */
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":77,\"method\":\"ping\"}");
	struct Hit *pong = sse_await_post(&u, "answer");
	assert_string_equal(pong->id, "77");
	sse_accept(pong);
	/* A change of the tools is heard. */
	up_let_time_pass(&u);
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
	sse_answer(stream, sse_take(&u, "tools/list"), "{\"tools\":[" READ_TOOL "]}");
	up_await_tools(&u, 2);
	sse_answer(stream, first, "{}");
	sse_answer(stream, second, "{}");
	ask_await(&ask[0]);
	ask_await(&ask[1]);
	ask_release(&ask[0]);
	ask_release(&ask[1]);
	up_release(&u);
}

/* What comes with the acceptance says nothing, however much it is. */
static void test_the_body_of_an_acceptance(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 4; way++) {
		struct Up u;
		up_init(&u);
		u.config->mux.max_message = 1024 * 1024;
		struct Hit *stream = sse_open(&u);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = sse_await_post(&u, "tools/call");
		if (way == 0) {
			hit_result(hit, "{\"body\":1}");
		} else if (way == 1) {
			hit_stream(hit, "");
			hit_event_result(hit, "{\"body\":1}");
		} else if (way == 2) {
			g_autofree char *piece = g_strnfill(64 * 1024, 'a');
			hit_stream(hit, "");
			for (unsigned i = 0; i < 20; i++) {
				hit_bytes(hit, piece);
				fixture_turn_for(&u.fixture, 1);
			}
		} else {
			/* And when it is cut. */
			hit_stream(hit, "");
			fixture_turn_for(&u.fixture, 10);
			hit_cut(hit);
		}
		fixture_turn_for(&u.fixture, 30);
		assert_int_equal(ask.ended, 0);
		sse_answer(stream, hit, "{\"stream\":1}");
		ask_await(&ask);
		assert_ask_answer(&ask, "{\"stream\":1}");
		ask_release(&ask);
		up_release(&u);
	}
}

/* ---- how a call fails ---- */

static void test_a_status_ends_a_call(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers, *body;
		int code;
		const char *words;
	} refusals[] = {
		{400, "Content-Type: text/plain\r\n", "Invalid message", MUX_ERROR_UPSTREAM,
			"HTTP 400"},
		{404, "", "", MUX_ERROR_UPSTREAM, "HTTP 404"},
		{413, "", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"big\"}}", 0,
			"big"},
		{401, "", "", MUX_ERROR_SIGN_IN, "HTTP 401"},
		{403, "", "", MUX_ERROR_FORBIDDEN, "HTTP 403"},
		{429, "Retry-After: 9\r\n", "", MUX_ERROR_BUSY, "retry after 9 seconds"},
		{307, "Location: /x\r\n", "", MUX_ERROR_UPSTREAM, "a redirect"},
		{500, "", "", MUX_ERROR_UPSTREAM, "HTTP 500"},
	};
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = sse_await_post(&u, "tools/call");
		hit_reply(hit, refusals[i].status, refusals[i].headers, refusals[i].body);
		ask_await(&ask);
		if (refusals[i].code)
			assert_ask_failed(&ask, refusals[i].code, refusals[i].words);
		else
			assert_ask_answer(&ask, refusals[i].words);
		ask_release(&ask);
		/* It is over, whatever comes. */
		sse_answer(stream, hit, "{}");
	}
	assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
	peer_await_none(&u.peer, "GET");
	up_release(&u);
}

static void test_a_post_whose_connection_breaks(void **state)
{
	(void)state;
	for (unsigned repeatable = 0; repeatable < 2; repeatable++) {
		struct Up u;
		up_init(&u);
		struct Hit *stream = sse_open(&u);
		struct Ask ask = {.repeatable = repeatable};
		ask_add(&u, &ask);
		hit_cut(sse_await_post(&u, "tools/call"));
		if (repeatable) {
			sse_answer(stream, sse_take(&u, "tools/call"), "{\"n\":1}");
			ask_await(&ask);
			assert_ask_answer(&ask, "{\"n\":1}");
		} else {
			ask_await(&ask);
			assert_ask_failed(&ask, MUX_ERROR_BROKEN, "");
			peer_await_none(&u.peer, "tools/call");
		}
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_a_call_has_its_own_clocks(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	clock_jump(&u.fixture, 12 * 3600 * 1000); /* the stream may be silent for long */
	assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = sse_take(&u, "tools/call");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 200 * 1000);
	/* Others' messages are no sign of its life. */
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 101 * 1000);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "no sign of life for 300 seconds");
	struct Hit *cancelled = sse_take(&u, "notifications/cancelled");
	assert_true(slice_is(
		json_get(json_get(slice_of(cancelled->body), "params").raw, "requestId").raw,
		hit->id));
	assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
	ask_release(&ask);
	up_release(&u);
}

/* Whose it is is not known before it is whole. */
static void test_a_long_event_is_a_sign_of_life(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = sse_take(&u, "tools/call");
	g_autofree char *head = g_strdup_printf(
		"data: {\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"text\":\"", hit->id);
	hit_bytes(stream, head);
	for (unsigned i = 0; i < 5; i++) {
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, 200 * 1000);
		assert_int_equal(ask.ended, 0);
		hit_bytes(stream, "more");
	}
	hit_bytes(stream, "\"}}\n\n");
	ask_await(&ask);
	assert_ask_answer(&ask, "moremoremoremoremore");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_call_that_is_cancelled(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask[2] = {{0}};
	ask_add(&u, &ask[0]);
	struct Hit *hit = sse_take(&u, "tools/call");
	ask_add(&u, &ask[1]);
	struct Hit *other = sse_take(&u, "tools/call");
	upstream_call_cancel(ask[0].call);
	struct Hit *cancelled = sse_take(&u, "notifications/cancelled");
	assert_true(slice_is(
		json_get(json_get(slice_of(cancelled->body), "params").raw, "requestId").raw,
		hit->id));
	/* Its answer was on the way. */
	sse_answer(stream, hit, "{}");
	sse_answer(stream, other, "{\"n\":1}");
	ask_await(&ask[1]);
	assert_int_equal(ask[0].ended, 0);
	ask_release(&ask[1]);
	up_release(&u);
}

/* ---- the channel breaks ---- */

static void start_next(struct Ask *ask)
{
	ask_add(ask->u, ask->other);
}

static void test_calls_fail_when_the_channel_breaks(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		struct Up u;
		up_init(&u);
		struct Hit *stream = sse_open(&u);
		struct Ask ask[3] = {{0}};
		ask[0].on_end = start_next;
		ask[0].other = &ask[2];
		ask_add(&u, &ask[0]);
		sse_take(&u, "tools/call");
		ask_add(&u, &ask[1]);
		struct Hit *unaccepted = sse_await_post(&u, "tools/call");
		if (way)
			hit_cut(stream);
		else
			hit_stream_end(stream);
		ask_await(&ask[0]);
		ask_await(&ask[1]);
		const char *words = way ? "in the middle of the answer" : "ended its event stream";
		assert_ask_failed(&ask[0], MUX_ERROR_BROKEN, words);
		assert_ask_failed(&ask[1], MUX_ERROR_BROKEN, words);
		sse_accept(unaccepted);
		/* What is asked now waits for the next channel. */
		peer_await_none(&u.peer, "tools/call");
		clock_jump(&u.fixture, 1100);
		stream = sse_serve_stream(&u);
		sse_serve_handshake(&u, stream, "2024-11-05", QUIET_TOOLS);
		sse_answer(stream, sse_take(&u, "tools/call"), "{\"n\":1}");
		ask_await(&ask[2]);
		assert_ask_answer(&ask[2], "{\"n\":1}");
		for (unsigned i = 0; i < 3; i++)
			ask_release(&ask[i]);
		up_release(&u);
	}
}

static void test_a_call_that_may_be_repeated_is(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {.repeatable = true};
	ask_add(&u, &ask);
	sse_take(&u, "tools/call");
	hit_stream_end(stream);
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(ask.ended, 0);
	clock_jump(&u.fixture, 1100);
	stream = sse_serve_stream(&u);
	sse_serve_handshake(&u, stream, "2024-11-05", QUIET_TOOLS);
	sse_take(&u, "tools/call");
	/* But once only. */
	clock_jump(&u.fixture, 11 * 1000);
	hit_stream_end(stream);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_BROKEN, "the server ended its event stream");
	ask_release(&ask);
	up_release(&u);
}

static void test_an_event_that_is_too_large(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	u.config->mux.max_message = 1024 * 1024;
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {.repeatable = true};
	ask_add(&u, &ask);
	sse_take(&u, "tools/call");
	g_autofree char *piece = g_strnfill(64 * 1024, 'a');
	hit_bytes(stream, "data: \"");
	for (unsigned i = 0; i < 17; i++) {
		hit_bytes(stream, piece);
		fixture_turn_for(&u.fixture, 1);
	}
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TOO_LARGE, "an event is over max_message");
	hit_await_close(stream);
	clock_jump(&u.fixture, 1100);
	sse_serve_opening(&u);
	ask_release(&ask);
	up_release(&u);
}

static void cancel_other(struct Ask *ask)
{
	upstream_call_cancel(ask->other->call);
}

/* Its answer has come already. */
static void test_a_call_that_another_answer_cancels(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 2; way++) {
		struct Up u;
		up_init(&u);
		struct Hit *stream = sse_open(&u);
		struct Ask ask[2] = {{.on_end = cancel_other}};
		ask[0].other = &ask[1];
		ask_add(&u, &ask[0]);
		struct Hit *first = sse_take(&u, "tools/call");
		ask_add(&u, &ask[1]);
		struct Hit *second = sse_take(&u, "tools/call");
		g_autofree char *one = result_text(first, "{}");
		g_autofree char *two = result_text(second, "{}");
		g_autofree char *both = way ? g_strdup_printf("data: [%s,%s]\n\n", one, two)
					    : g_strdup_printf("data: %s\n\ndata: %s\n\n", one, two);
		hit_bytes(stream, both);
		ask_await(&ask[0]);
		sse_take(&u, "notifications/cancelled");
		assert_int_equal(ask[1].ended, 0);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		ask_release(&ask[0]);
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_find_their_calls),
		cmocka_unit_test(test_what_is_no_answer_is_passed_over),
		cmocka_unit_test(test_a_batch_on_the_stream),
		cmocka_unit_test(test_what_belongs_to_no_call),
		cmocka_unit_test(test_the_body_of_an_acceptance),
		cmocka_unit_test(test_a_status_ends_a_call),
		cmocka_unit_test(test_a_post_whose_connection_breaks),
		cmocka_unit_test(test_a_call_has_its_own_clocks),
		cmocka_unit_test(test_a_long_event_is_a_sign_of_life),
		cmocka_unit_test(test_a_call_that_is_cancelled),
		cmocka_unit_test(test_calls_fail_when_the_channel_breaks),
		cmocka_unit_test(test_a_call_that_may_be_repeated_is),
		cmocka_unit_test(test_an_event_that_is_too_large),
		cmocka_unit_test(test_a_call_that_another_answer_cancels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
