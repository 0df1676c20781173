/* Sessions that are lost while calls are in flight. */
#include "upstream_fixture.h"

/* ---- sessions ---- */

/* All of them learn of it, some while the new session is opened and one after it: one handshake. */
static void check_lost_session(int status)
{
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[4] = {{0}};
	struct Hit *hit[4];
	for (unsigned i = 0; i < 4; i++) {
		ask_add(&u, &ask[i]);
		hit[i] = peer_await(&u.peer, "tools/call");
		assert_header(hit[i], "Mcp-Session-Id", "S1");
	}
	hit_reply(hit[0], status, "", "");
	struct Hit *initialize = peer_await(&u.peer, "initialize");
	assert_header(initialize, "Mcp-Session-Id", NULL);
	hit_reply(hit[1], status, "", "");
	fixture_turn_for(&u.fixture, 20);
	hit_result(hit[3], "{\"old\":true}"); /* it was answered all the same */
	ask_await(&ask[3]);
	g_autofree char *text = result_text(initialize,
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" QUIET_TOOLS "}");
	hit_reply(initialize, 200, "Mcp-Session-Id: S2\r\n", text);
	hit_reply(peer_await(&u.peer, "notifications/initialized"), 202, "", "");
	struct Hit *again = peer_await(&u.peer, "tools/call");
	assert_header(again, "Mcp-Session-Id", "S2");
	hit_result(again, "{\"new\":1}");
	again = peer_await(&u.peer, "tools/call");
	hit_result(again, "{\"new\":1}");
	hit_reply(hit[2], status, "", "");
	again = peer_await(&u.peer, "tools/call");
	assert_header(again, "Mcp-Session-Id", "S2");
	hit_result(again, "{\"new\":1}");
	for (unsigned i = 0; i < 4; i++) {
		ask_await(&ask[i]);
		assert_ask_answer(&ask[i], i == 3 ? "\"old\":true" : "\"new\":1");
		ask_release(&ask[i]);
	}
	peer_await_none(&u.peer, "initialize");
	peer_await_none(&u.peer, "tools/call");
	up_release(&u);
}

static void test_a_lost_session_is_renewed_once_for_all(void **state)
{
	(void)state;
	check_lost_session(404);
	check_lost_session(400);
}

static void test_a_call_is_repeated_once_and_no_more(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 404, -32001, "");
	up_serve_initialize(&u, "2025-11-25", "S2", QUIET_TOOLS);
	hit_error(peer_await(&u.peer, "tools/call"), 404, -32001, "");
	ask_await(&ask);
	assert_ask_answer(&ask, "-32001");
	peer_await_none(&u.peer, "initialize");
	ask_release(&ask);
	up_release(&u);
}

/* It has read the request, so it knows the session. */
static void test_a_400_that_answers_the_call_is_an_answer(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 400, -32602, "");
	ask_await(&ask);
	assert_ask_answer(&ask, "-32602");
	peer_await_none(&u.peer, "initialize");
	ask_release(&ask);
	up_release(&u);
}

/* A server that forgets every session at once would be asked for new ones without end. */
static void test_a_session_lost_right_away_is_not_renewed_for_every_call(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	for (unsigned i = 0; i < 3; i++) {
		struct Ask ask = {0};
		ask_add(&u, &ask);
		hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
		if (i != 1) {
			up_serve_initialize(&u, "2025-11-25", "S2", QUIET_TOOLS);
			up_serve_tools(&u, ADD_TOOL);
			hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
		}
		ask_await(&ask);
		assert_ask_failed(&ask, MUX_ERROR_UPSTREAM, "HTTP 404");
		peer_await_none(&u.peer, "initialize");
		ask_release(&ask);
		if (i == 1)
			clock_jump(&u.fixture, 2100);
	}
	up_release(&u);
}

static void test_a_cancellation_goes_to_the_session_of_its_call(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask lost = {0}, old = {0};
	ask_add(&u, &lost);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	ask_add(&u, &old);
	peer_await(&u.peer, "tools/call");
	hit_reply(hit, 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", QUIET_TOOLS);
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&lost);
	upstream_call_cancel(old.call);
	assert_header(peer_await(&u.peer, "notifications/cancelled"), "Mcp-Session-Id", "S1");
	ask_release(&lost);
	ask_release(&old);
	up_release(&u);
}

static void test_a_404_without_a_session_is_an_answer(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "Content-Type: text/plain\r\n", "gone");
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_UPSTREAM, "HTTP 404");
	peer_await_none(&u.peer, "initialize");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_session_that_cannot_be_renewed_fails_what_waits(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	ask_add(&u, &ask[0]);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	struct Hit *initialize = peer_await(&u.peer, "initialize");
	ask_add(&u, &ask[1]); /* waits */
	hit_reply(initialize, 503, "", "");
	for (unsigned i = 0; i < 2; i++) {
		ask_await(&ask[i]);
		assert_ask_failed(&ask[i], MUX_ERROR_BUSY, "HTTP 503");
		ask_release(&ask[i]);
	}
	assert_non_null(upstream_tools(u.up)); /* lists keep their last good state */
	up_release(&u);
}

/* It was updated to the other era in between. */
static void test_a_call_is_not_repeated_in_another_era(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask lost = {0}, slow = {0}, late = {0};
	ask_add(&u, &lost);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	ask_add(&u, &slow);
	struct Hit *slow_hit = peer_await(&u.peer, "tools/call");
	hit_reply(hit, 404, "", "");
	hit = peer_await(&u.peer, "initialize");
	ask_add(&u, &late);
	hit_error(hit, 400, -32022, "");
	hit = peer_await(&u.peer, "server/discover");
	hit_result(slow_hit, "{}");
	ask_await(&slow);
	assert_int_equal(slow.era, ERA_LEGACY); /* in which it was asked */
	hit_result(hit, "{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{}}");
	ask_await(&lost);
	assert_ask_failed(&lost, MUX_ERROR_UNREACHABLE, "another era");
	hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Name", "add");
	hit_result(hit, "{}");
	ask_await(&late);
	assert_int_equal(late.era, ERA_MODERN);
	ask_release(&lost);
	ask_release(&slow);
	ask_release(&late);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lost_session_is_renewed_once_for_all),
		cmocka_unit_test(test_a_call_is_repeated_once_and_no_more),
		cmocka_unit_test(test_a_400_that_answers_the_call_is_an_answer),
		cmocka_unit_test(test_a_session_lost_right_away_is_not_renewed_for_every_call),
		cmocka_unit_test(test_a_cancellation_goes_to_the_session_of_its_call),
		cmocka_unit_test(test_a_404_without_a_session_is_an_answer),
		cmocka_unit_test(test_a_session_that_cannot_be_renewed_fails_what_waits),
		cmocka_unit_test(test_a_call_is_not_repeated_in_another_era),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
