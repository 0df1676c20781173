/* An upstream that is shut down or freed, whatever it is doing. */
#include "upstream_fixture.h"

static void test_shutdown_in_every_state(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage < 6; stage++) {
		struct Up u;
		up_init(&u);
		struct Hit *hit = NULL;
		if (stage > 0)
			upstream_open(u.up, ERA_LEGACY);
		if (stage == 1)
			hit = peer_await(&u.peer, "initialize");
		if (stage == 2) {
			struct Hit *first = peer_await(&u.peer, "initialize");
			g_autofree char *text = result_text(
				first, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}");
			hit_reply(first, 200, "Mcp-Session-Id: S\r\n", text);
			hit = peer_await(&u.peer, "notifications/initialized");
		}
		if (stage >= 3 && stage < 5)
			up_serve_initialize(
				&u, "2025-11-25", stage == 3 ? "S" : NULL, CHANGING_TOOLS);
		if (stage >= 3 && stage < 5)
			hit = peer_await(&u.peer, "tools/list");
		if (stage == 5) {
			hit_reply(peer_await(&u.peer, "initialize"), 500, "", "");
			up_await_state(&u, UPSTREAM_FAILED);
		}
		unsigned states = u.states;
		upstream_shutdown(u.up);
		upstream_shutdown(u.up);
		if (stage == 1) { /* the session that comes now would be left behind */
			assert_false(upstream_is_quiet(u.up));
			g_autofree char *text = result_text(
				hit, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}");
			hit_reply(g_steal_pointer(&hit), 200, "Mcp-Session-Id: S\r\n", text);
		}
		if (stage >= 1 && stage <= 3) {
			assert_false(upstream_is_quiet(u.up));
			struct Hit *last = peer_await(&u.peer, "DELETE");
			assert_header(last, "Mcp-Session-Id", "S");
			assert_header(last, "MCP-Protocol-Version", "2025-11-25");
			hit_reply(last, 200, "", "");
			while (!upstream_is_quiet(u.up))
				fixture_turn_for(&u.fixture, 1);
		} else {
			assert_true(upstream_is_quiet(u.up));
			peer_await_none(&u.peer, "DELETE");
		}
		if (hit)
			hit_await_close(hit);
		clock_jump(&u.fixture, 400000);
		assert_int_equal(u.states, states);
		upstream_open(u.up, ERA_LEGACY);
		peer_await_none(&u.peer, "initialize");
		up_release(&u);
	}
}

static void test_shutdown_before_a_handshake_that_brings_no_session(void **state)
{
	(void)state;
	for (unsigned status = 200; status <= 500; status += 300) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		upstream_shutdown(u.up);
		hit_reply(hit, (int)status, "", "");
		while (!upstream_is_quiet(u.up))
			fixture_turn_for(&u.fixture, 1);
		peer_await_none(&u.peer, "DELETE");
		up_release(&u);
	}
}

static void test_freed_while_it_opens(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	peer_await(&u.peer, "initialize");
	up_release(&u);
	assert_int_equal(ask.ended, 0);
	upstream_free(NULL);
}

static void test_a_delete_that_hangs_is_given_up(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	upstream_shutdown(u.up);
	struct Hit *hit = peer_await(&u.peer, "DELETE");
	clock_jump(&u.fixture, 10100);
	assert_true(upstream_is_quiet(u.up));
	hit_await_close(hit);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shutdown_in_every_state),
		cmocka_unit_test(test_shutdown_before_a_handshake_that_brings_no_session),
		cmocka_unit_test(test_freed_while_it_opens),
		cmocka_unit_test(test_a_delete_that_hangs_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
