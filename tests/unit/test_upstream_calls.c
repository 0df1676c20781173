/* Calls in time: their clocks, how many go out at once, cancelling, the end, and what servers ask meanwhile. */
#include "upstream_fixture.h"

/* ---- clocks ---- */

static void test_call_timeout_and_signs_of_life(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 60");
	up_open_legacy(&u, NULL, CHANGING_TOOLS, ADD_TOOL);
	struct Hit *events = peer_await(&u.peer, "GET");
	hit_stream(events, "");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	g_autofree char *progress = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":%s,\"progress\":1}}",
		hit->id);
	clock_jump(&u.fixture, 8000);
	hit_event(hit, progress);
	turn_until(&u.fixture, ask.progresses, 1);
	clock_jump(&u.fixture, 8000);
	hit_event(events, progress); /* on the other stream, as some servers do it */
	turn_until(&u.fixture, ask.progresses, 2);
	clock_jump(&u.fixture, 8000);
	hit_bytes(hit, ": comment\n\n: comment\n");
	hit_event(events, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			  "\"progressToken\":999,\"progress\":1}}");
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(ask.ended, 0);
	clock_jump(&u.fixture, 2100);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "no sign of life for 10 seconds");
	struct Hit *cancelled = peer_await(&u.peer, "notifications/cancelled");
	g_autofree char *part = g_strdup_printf("\"requestId\":%s,", hit->id);
	assert_non_null(strstr(cancelled->body, part));
	hit_await_close(hit);
	assert_int_equal(ask.progresses, 2);
	ask_release(&ask);
	up_release(&u);
}

static void test_call_limit_is_hard(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 25");
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	for (unsigned i = 0; i < 3; i++) {
		hit_bytes(
			hit, "data: {\n"); /* data of an event that never ends is a sign of life */
		fixture_turn_for(&u.fixture, 10);
		clock_jump(&u.fixture, 8000);
	}
	assert_int_equal(ask.ended, 0);
	clock_jump(&u.fixture, 1500);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "not finished after 25 seconds");
	hit_await_close(hit);
	peer_await_none(&u.peer, "notifications/cancelled"); /* closing is the modern way */
	ask_release(&ask);
	up_release(&u);
}

static void test_a_slow_body_is_a_sign_of_life(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 60");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	g_autofree char *body = result_text(hit, "{\"slow\":1}");
	g_autofree char *head =
		g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
				"Content-Length: %zu\r\n\r\n%.5s",
			strlen(body), body);
	clock_jump(&u.fixture, 8000);
	hit_send(hit, head);
	fixture_turn_for(&u.fixture, 10);
	clock_jump(&u.fixture, 8000);
	assert_int_equal(ask.ended, 0);
	hit_send(hit, body + 5);
	ask_await(&ask);
	assert_ask_answer(&ask, "\"slow\":1");
	ask_release(&ask);
	up_release(&u);
}

static void test_waiting_for_the_opening_has_a_deadline(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 5");
	upstream_open(u.up, ERA_LEGACY);
	peer_await(&u.peer, "initialize");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	clock_jump(&u.fixture, 5100);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "no connection to the server in time");
	ask_release(&ask);
	up_release(&u);
}

/* ---- how many at once ---- */

static void test_no_more_than_128_are_in_flight(void **state)
{
	(void)state;
	enum { N = 300, AT_ONCE = 128 };
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 5");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	g_autofree struct Ask *asks = g_new0(struct Ask, N);
	struct Hit *hits[N];
	for (unsigned i = 0; i < N; i++)
		ask_add(&u, &asks[i]);
	for (unsigned i = 0; i < AT_ONCE; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	peer_await_none(&u.peer, "tools/call");
	/* Waiting for one's turn is no silence of the server. */
	clock_jump(&u.fixture, 4000);
	for (unsigned i = 0; i < AT_ONCE; i++)
		hit_result(hits[i], "{}");
	for (unsigned i = AT_ONCE; i < 2 * AT_ONCE; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	clock_jump(&u.fixture, 4000);
	for (unsigned i = AT_ONCE; i < 2 * AT_ONCE; i++)
		hit_result(hits[i], "{}");
	for (unsigned i = 2 * AT_ONCE; i < N; i++)
		hit_result(peer_await(&u.peer, "tools/call"), "{}");
	for (unsigned i = 0; i < N; i++) {
		ask_await(&asks[i]);
		assert_ask_answer(&asks[i], "{}");
		ask_release(&asks[i]);
	}
	assert_true(u.peer.links->len <= AT_ONCE + 1);
	up_release(&u);
}

static void test_a_cancelled_call_makes_room(void **state)
{
	(void)state;
	enum { N = 130 };
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	g_autofree struct Ask *asks = g_new0(struct Ask, N);
	struct Hit *hits[N];
	for (unsigned i = 0; i < N; i++)
		ask_add(&u, &asks[i]);
	for (unsigned i = 0; i < 128; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	upstream_call_cancel(asks[128].call); /* never went out */
	upstream_call_cancel(asks[5].call);
	hits[129] = peer_await(&u.peer, "tools/call");
	hit_await_close(hits[5]);
	hit_result(hits[129], "{}");
	ask_await(&asks[129]);
	for (unsigned i = 0; i < N; i++)
		ask_release(&asks[i]);
	up_release(&u);
}

/* ---- cancelling ---- */

static void test_cancelling_in_the_way_of_the_era(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		if (i)
			up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
		else
			up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		upstream_call_cancel(ask.call);
		hit_result(hit, "{}"); /* too late */
		hit_await_close(hit);
		if (i) {
			peer_await_none(&u.peer, "notifications/cancelled");
		} else {
			struct Hit *notice = peer_await(&u.peer, "notifications/cancelled");
			g_autofree char *part = g_strdup_printf("\"requestId\":%s,", hit->id);
			assert_non_null(strstr(notice->body, part));
			assert_header(notice, "Mcp-Session-Id", "S");
			hit_reply(notice, 500, "", ""); /* nothing depends on it */
		}
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(ask.ended, 0);
		ask_release(&ask);
		up_release(&u);
	}
}

static void cancel_itself(struct Ask *ask)
{
	upstream_call_cancel(g_steal_pointer(&ask->call));
}

static void test_a_progress_handler_may_cancel_its_call(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, CHANGING_TOOLS, ADD_TOOL);
		struct Hit *events = peer_await(&u.peer, "GET");
		hit_stream(events, "");
		struct Ask ask = {.on_progress = cancel_itself};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *answer = result_text(hit, "{}");
		g_autofree char *progress = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			"\"progressToken\":%s,\"progress\":1}}",
			hit->id);
		g_autofree char *batch = g_strdup_printf("[%s,%s,%s]", progress, progress, answer);
		if (way == 0) {
			g_autofree char *both =
				g_strdup_printf("data: %s\n\ndata: %s\n\n", progress, answer);
			hit_stream(hit, "");
			hit_bytes(hit, both);
		} else if (way == 1) {
			hit_reply(hit, 200, "", batch);
		} else {
			hit_event(events, progress);
		}
		turn_until(&u.fixture, ask.progresses, 1);
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(ask.ended, 0);
		assert_int_equal(ask.progresses, 1);
		peer_await(&u.peer, "notifications/cancelled");
		ask_release(&ask);
		up_release(&u);
	}
}

static void cancel_and_start(struct Ask *ask)
{
	upstream_call_cancel(g_steal_pointer(&ask->other->call));
	ask_add(ask->u, ask->other);
}

static void test_an_answer_handler_may_cancel_and_start_others(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	ask[0].on_end = cancel_and_start;
	ask[0].other = &ask[1];
	ask_add(&u, &ask[0]);
	struct Hit *first = peer_await(&u.peer, "tools/call");
	ask_add(&u, &ask[1]);
	struct Hit *second = peer_await(&u.peer, "tools/call");
	hit_result(first, "{}");
	ask_await(&ask[0]);
	hit_await_close(second);
	struct Hit *third = peer_await(&u.peer, "tools/call");
	assert_string_not_equal(third->id, second->id);
	hit_result(third, "{}");
	ask_await(&ask[1]);
	ask_release(&ask[0]);
	ask_release(&ask[1]);
	up_release(&u);
}

static void test_shutdown_cancels_calls_then_deletes_the_session(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	for (unsigned i = 0; i < 2; i++) {
		ask_add(&u, &ask[i]);
		peer_await(&u.peer, "tools/call");
	}
	upstream_shutdown(u.up);
	struct Hit *notices[2];
	for (unsigned i = 0; i < 2; i++)
		notices[i] = peer_await(&u.peer, "notifications/cancelled");
	peer_await_none(&u.peer, "DELETE");
	hit_reply(notices[0], 202, "", "");
	clock_jump(&u.fixture, 10100); /* the other is not waited for for ever */
	hit_reply(peer_await(&u.peer, "DELETE"), 405, "", "");
	while (!upstream_is_quiet(u.up))
		fixture_turn_for(&u.fixture, 1);
	assert_int_equal(ask[0].ended + ask[1].ended, 0);
	up_release(&u);
}

static void test_a_server_that_asks_endlessly_is_bounded(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	for (unsigned i = 0; i < 400; i++)
		hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
	hit_event_result(hit, "{}");
	ask_await(&ask);
	fixture_turn_for(&u.fixture, 50);
	assert_true(u.peer.links->len <= 110);
	ask_release(&ask);
	up_release(&u);
}

static void test_what_a_server_may_ask(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":12345678901234567890,\"method\":\"ping\"}");
	struct Hit *answer = peer_await(&u.peer, "answer");
	assert_string_equal(
		answer->body, "{\"jsonrpc\":\"2.0\",\"id\":12345678901234567890,\"result\":{}}");
	assert_header(answer, "Mcp-Session-Id", "S");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\\n\",\"method\":\"roots/list\"}");
	answer = peer_await(&u.peer, "answer");
	assert_non_null(strstr(answer->body, "\"id\":\"\\u0061\\n\",\"error\":{\"code\":-32601"));
	hit_event_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_call_timeout_and_signs_of_life),
		cmocka_unit_test(test_call_limit_is_hard),
		cmocka_unit_test(test_a_slow_body_is_a_sign_of_life),
		cmocka_unit_test(test_waiting_for_the_opening_has_a_deadline),
		cmocka_unit_test(test_no_more_than_128_are_in_flight),
		cmocka_unit_test(test_a_cancelled_call_makes_room),
		cmocka_unit_test(test_cancelling_in_the_way_of_the_era),
		cmocka_unit_test(test_a_progress_handler_may_cancel_its_call),
		cmocka_unit_test(test_an_answer_handler_may_cancel_and_start_others),
		cmocka_unit_test(test_shutdown_cancels_calls_then_deletes_the_session),
		cmocka_unit_test(test_a_server_that_asks_endlessly_is_bounded),
		cmocka_unit_test(test_what_a_server_may_ask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
