/* The HTTP+SSE transport when the upstream is shut down or freed. */
#include "channel_fixture.h"

static void test_cancellations_go_before_the_stream_is_closed(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		struct Up u;
		up_init(&u);
		struct Hit *stream = sse_open(&u);
		struct Ask ask = {0};
		if (way > 0) {
			ask_add(&u, &ask);
			sse_take(&u, "tools/call");
		}
		unsigned states = u.states;
		upstream_shutdown(u.up);
		if (way > 0) {
			struct Hit *hit = sse_await_post(&u, "notifications/cancelled");
			hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}");
			hit_event(
				stream, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}");
			peer_await_none(&u.peer, "DELETE");
			assert_int_equal(u.messages, 0);
			assert_true(stream->link->fd >= 0);
			assert_false(upstream_is_quiet(u.up));
			if (way == 1)
				sse_accept(hit);
			else
				clock_jump(&u.fixture, 250); /* it does not wait for long */
		}
		hit_await_close(stream);
		if (way < 2)
			assert_true(upstream_is_quiet(u.up));
		peer_await_none(&u.peer, "DELETE");
		assert_int_equal(u.states, states);
		assert_int_equal(ask.ended, 0);
		up_release(&u);
	}
}

/* The server is quicker. */
static void test_a_stream_that_ends_during_the_shutdown(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	sse_take(&u, "tools/call");
	unsigned states = u.states;
	upstream_shutdown(u.up);
	struct Hit *hit = sse_await_post(&u, "notifications/cancelled");
	hit_stream_end(stream);
	fixture_turn_for(&u.fixture, 20);
	sse_accept(hit);
	while (!upstream_is_quiet(u.up))
		fixture_turn_for(&u.fixture, 1);
	clock_jump(&u.fixture, 5000);
	peer_await_none(&u.peer, "GET");
	assert_int_equal(u.states, states);
	up_release(&u);
}

/* While cancellations of the last session are on their way. */
static void test_a_channel_that_opens_during_the_shutdown(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	struct Ask ask = {0};
	clock_jump(&u.fixture, 11 * 1000);
	ask_add(&u, &ask);
	sse_take(&u, "tools/call");
	upstream_call_cancel(ask.call);
	sse_await_post(&u, "notifications/cancelled");
	unsigned states = u.states;
	hit_stream_end(stream);
	turn_until(&u.fixture, u.states, states + 1);
	clock_jump(&u.fixture, 1100);
	stream = sse_await_get(&u);
	upstream_shutdown(u.up);
	hit_stream(stream, "");
	hit_bytes(stream, ENDPOINT);
	peer_await_none(&u.peer, "initialize");
	clock_jump(&u.fixture, 250);
	hit_await_close(stream);
	up_release(&u);
}

static void test_freed_at_any_time(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage < 6; stage++) {
		struct Up u;
		up_init(&u);
		struct Ask ask[2] = {{0}};
		struct Hit *stream = NULL;
		if (stage < 3) {
			upstream_open(u.up, ERA_LEGACY);
			sse_refuse_posts(&u, 404);
			ask_add(&u, &ask[0]);
			stream = stage == 0 ? sse_await_get(&u) : sse_serve_stream(&u);
			if (stage == 2)
				sse_take(&u, "initialize");
		} else {
			stream = sse_open(&u);
			ask_add(&u, &ask[0]);
			ask_add(&u, &ask[1]);
			sse_take(&u, "tools/call");
			sse_await_post(&u, "tools/call");
		}
		if (stage == 4)
			upstream_shutdown(u.up);
		if (stage == 5) {
			/* They have not been told yet. */
			unsigned states = u.states;
			hit_stream_end(stream);
			while (u.states == states)
				g_main_context_iteration(u.fixture.context, TRUE);
			assert_int_equal(ask[0].ended + ask[1].ended, 0);
			assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
		}
		up_release(&u);
		assert_int_equal(ask[0].ended + ask[1].ended, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancellations_go_before_the_stream_is_closed),
		cmocka_unit_test(test_a_stream_that_ends_during_the_shutdown),
		cmocka_unit_test(test_a_channel_that_opens_during_the_shutdown),
		cmocka_unit_test(test_freed_at_any_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
