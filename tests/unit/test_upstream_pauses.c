/* Questions to a person: clocks that stand still, and calls that do not take another's turn meanwhile. */
#include "request_fixture.h"

#include <sys/resource.h>

#define CLOCKS "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 60"

static void test_clocks_stand_still_while_a_person_is_asked(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, CLOCKS);
	struct Wish wish = {0};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 8000);
	upstream_call_pause(wish.ask.call);
	upstream_call_pause(wish.ask.call); /* two questions */
	clock_jump(&u.fixture, 3600 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	upstream_call_resume(wish.ask.call);
	clock_jump(&u.fixture, 3600 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	upstream_call_resume(wish.ask.call);
	clock_jump(&u.fixture, 9000);
	assert_int_equal(wish.ask.ended, 0);
	clock_jump(&u.fixture, 1100);
	ask_await(&wish.ask);
	assert_ask_failed(&wish.ask, MUX_ERROR_TIMEOUT, "no sign of life for 10 seconds");
	hit_await_close(hit);
	wish_release(&wish);
	up_release(&u);
}

static void test_the_limit_goes_on_where_it_stood(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(
		&u, ERA_MODERN, NULL, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 25");
	struct Wish wish = {0};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	for (unsigned i = 0; i < 3; i++) {
		hit_bytes(hit, "data: {\n");
		fixture_turn_for(&u.fixture, 10);
		upstream_call_pause(wish.ask.call);
		clock_jump(&u.fixture, 100 * 1000);
		upstream_call_resume(wish.ask.call);
		clock_jump(&u.fixture, 8000);
	}
	assert_int_equal(wish.ask.ended, 0);
	clock_jump(&u.fixture, 1500);
	ask_await(&wish.ask);
	assert_ask_failed(&wish.ask, MUX_ERROR_TIMEOUT, "not finished after 25 seconds");
	wish_release(&wish);
	up_release(&u);
}

static void test_all_calls_of_an_upstream_pause_and_those_that_follow(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, CLOCKS);
	struct Wish wish[3] = {0};
	wish_start_prompt(&u, &wish[0]);
	wish_start_prompt(&u, &wish[1]);
	upstream_call_pause(wish[1].ask.call); /* a question of its own besides */
	upstream_pause(u.up);
	upstream_pause(u.up);
	wish_start_prompt(&u, &wish[2]);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 100 * 1000);
	upstream_resume(u.up);
	clock_jump(&u.fixture, 100 * 1000);
	assert_int_equal(wish[0].ask.ended + wish[1].ask.ended + wish[2].ask.ended, 0);
	upstream_resume(u.up);
	clock_jump(&u.fixture, 9000);
	assert_int_equal(wish[0].ask.ended + wish[2].ask.ended, 0);
	clock_jump(&u.fixture, 1100);
	ask_await(&wish[0].ask);
	ask_await(&wish[2].ask);
	clock_jump(&u.fixture, 100 * 1000);
	assert_int_equal(wish[1].ask.ended, 0);
	upstream_call_resume(wish[1].ask.call);
	clock_jump(&u.fixture, 10100);
	ask_await(&wish[1].ask);
	for (unsigned i = 0; i < G_N_ELEMENTS(wish); i++) {
		assert_int_equal(wish[i].ask.error->code, MUX_ERROR_TIMEOUT);
		wish_release(&wish[i]);
	}
	up_release(&u);
}

/* The question of the call itself ends first. */
static void test_a_paused_upstream_keeps_its_calls_paused(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, CLOCKS);
	struct Wish wish = {0};
	upstream_pause(u.up);
	struct Hit *hit = wish_start_prompt(&u, &wish);
	upstream_call_pause(wish.ask.call);
	upstream_call_resume(wish.ask.call);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 100 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	upstream_resume(u.up);
	hit_event_result(hit, "{\"yes\":1}");
	ask_await(&wish.ask);
	assert_ask_answer(&wish.ask, "\"yes\":1");
	wish_release(&wish);
	up_release(&u);
}

/* The session is lost under an open question. */
static void test_a_call_that_goes_out_again_stays_paused(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, "S1", CLOCKS);
	struct Wish wish = {0};
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	wish_start(&u, &wish, request, SAID("prompts/get", "{}"));
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	upstream_call_pause(wish.ask.call);
	hit_reply(hit, 404, "", "");
	struct Hit *opening = peer_await(&u.peer, "initialize");
	assert_false(upstream_call_is_out(wish.ask.call));
	/* Not even while it waits for the new session, as long as that is in time itself. */
	clock_jump(&u.fixture, 11 * 1000);
	clock_jump(&u.fixture, 11 * 1000);
	g_autofree char *result = result_text(opening,
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" EVERYTHING
		",\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(opening, 200, "Mcp-Session-Id: S2\r\n", result);
	hit_reply(peer_await(&u.peer, "notifications/initialized"), 202, "", "");
	peer_await(&u.peer, "prompts/get");
	clock_jump(&u.fixture, 100 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	upstream_call_resume(wish.ask.call);
	clock_jump(&u.fixture, 10100);
	ask_await(&wish.ask);
	assert_ask_failed(&wish.ask, MUX_ERROR_TIMEOUT, "no sign of life");
	wish_release(&wish);
	/* It left the turns of others as they were. */
	wish = (struct Wish){0};
	wish_start(&u, &wish, request, SAID("prompts/get", "{}"));
	wish_finish(&wish, peer_await(&u.peer, "prompts/get"));
	up_release(&u);
}

static void test_pausing_and_resuming_one_that_waits_to_be_sent(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, CLOCKS);
	upstream_open(u.up, ERA_LEGACY);
	peer_await(&u.peer, "initialize");
	struct Wish wish = {0};
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	wish_start(&u, &wish, request, SAID("prompts/get", "{}"));
	upstream_call_pause(wish.ask.call);
	clock_jump(&u.fixture, 11 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	upstream_call_resume(wish.ask.call);
	clock_jump(&u.fixture, 8 * 1000);
	assert_int_equal(wish.ask.ended, 0);
	clock_jump(&u.fixture, 2100);
	ask_await(&wish.ask);
	assert_ask_failed(&wish.ask, MUX_ERROR_TIMEOUT, "no connection to the server in time");
	wish_release(&wish);
	up_release(&u);
}

/* ---- turns ---- */

static void test_open_questions_hold_up_nobody_else(void **state)
{
	(void)state;
	enum { AT_ONCE = 128 };
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	g_autofree struct Wish *wishes = g_new0(struct Wish, AT_ONCE + 2);
	struct Hit *hits[AT_ONCE + 2];
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	for (unsigned i = 0; i < AT_ONCE + 2; i++)
		wish_start(&u, &wishes[i], request, SAID("prompts/get", "{}"));
	for (unsigned i = 0; i < AT_ONCE; i++)
		hits[i] = peer_await(&u.peer, "prompts/get");
	peer_await_none(&u.peer, "prompts/get");
	upstream_call_pause(wishes[3].ask.call);
	upstream_call_pause(wishes[3].ask.call);
	hits[AT_ONCE] = peer_await(&u.peer, "prompts/get"); /* one alone */
	peer_await_none(&u.peer, "prompts/get");
	upstream_call_resume(wishes[3].ask.call);
	peer_await_none(&u.peer, "prompts/get");
	upstream_call_resume(wishes[3].ask.call);
	/* Now there is one too many, so the end of one makes no room. */
	hit_result(hits[0], "{}");
	ask_await(&wishes[0].ask);
	peer_await_none(&u.peer, "prompts/get");
	/* One that ends while it is paused makes the room that there was before its question. */
	upstream_call_pause(wishes[4].ask.call);
	hits[AT_ONCE + 1] = peer_await(&u.peer, "prompts/get");
	upstream_call_cancel(g_steal_pointer(&wishes[4].ask.call));
	for (unsigned i = 1; i < AT_ONCE + 2; i++) {
		if (i == 4)
			continue;
		hit_result(hits[i], "{}");
		ask_await(&wishes[i].ask);
	}
	for (unsigned i = 0; i < AT_ONCE + 2; i++)
		wish_release(&wishes[i]);
	up_release(&u);
}

static void test_pausing_the_upstream_makes_no_room(void **state)
{
	(void)state;
	enum { AT_ONCE = 128 };
	struct Up u;
	up_init_open(&u, ERA_MODERN, NULL, "auth = none");
	g_autofree struct Wish *wishes = g_new0(struct Wish, AT_ONCE + 1);
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	upstream_pause(u.up);
	for (unsigned i = 0; i < AT_ONCE + 1; i++)
		wish_start(&u, &wishes[i], request, SAID("prompts/get", "{}"));
	for (unsigned i = 0; i < AT_ONCE; i++)
		peer_await(&u.peer, "prompts/get");
	peer_await_none(&u.peer, "prompts/get");
	up_release(&u);
}

/* A server that asks something in every call does not get at all our descriptors. */
static void test_open_questions_are_bounded(void **state)
{
	(void)state;
	enum { HELD = 384, AT_ONCE = 128, N = HELD + AT_ONCE + 10 };
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = MIN(limit.rlim_max, 4096);
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 2 * N + 100)
		skip();
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	g_autofree struct Wish *wishes = g_new0(struct Wish, N);
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	for (unsigned i = 0; i < N; i++)
		wish_start(&u, &wishes[i], request, SAID("prompts/get", "{}"));
	for (unsigned i = 0; i < HELD + AT_ONCE; i++) {
		peer_await(&u.peer, "prompts/get");
		upstream_call_pause(wishes[i].ask.call);
	}
	peer_await_none(&u.peer, "prompts/get");
	upstream_shutdown(u.up);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks_stand_still_while_a_person_is_asked),
		cmocka_unit_test(test_the_limit_goes_on_where_it_stood),
		cmocka_unit_test(test_all_calls_of_an_upstream_pause_and_those_that_follow),
		cmocka_unit_test(test_a_paused_upstream_keeps_its_calls_paused),
		cmocka_unit_test(test_a_call_that_goes_out_again_stays_paused),
		cmocka_unit_test(test_pausing_and_resuming_one_that_waits_to_be_sent),
		cmocka_unit_test(test_open_questions_hold_up_nobody_else),
		cmocka_unit_test(test_pausing_the_upstream_makes_no_room),
		cmocka_unit_test(test_open_questions_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
