/* The notification stream of a modern server: how it ends, is refused and comes back. */
#include "account_fixture.h"
#include "listen_fixture.h"

static void test_a_stream_that_broke_may_have_missed_changes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct Up u;
		struct Look a = {0}, b = {0};
		struct Hit *hit = open_with_tools_and_a(&u, &a);
		if (i == 0)
			hit_cut(hit);
		if (i == 1)
			hit_event_result(hit, "{\"resultType\":\"complete\"}");
		if (i == 2) {
			hit_event(hit,
				"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
				"\"params\":{\"requestId\":99}}"); /* is none of it */
			fixture_turn_for(&u.fixture, 20);
			assert_true(hit->link->fd >= 0);
			g_autofree char *text = g_strdup_printf(
				"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
				"\"params\":{\"requestId\":%s}}",
				hit->id);
			hit_event(hit, text);
		}
		if (i == 3) {
			g_autofree char *text = error_text(hit, -32603, "");
			hit_event(hit, text);
		}
		if (i > 0)
			hit_await_close(hit);
		fixture_turn_for(&u.fixture, 20);
		look_start(&u, &b, "x://b"); /* waits for the stream */
		peer_await_none(&u.peer, "subscriptions/listen");
		clock_jump(&u.fixture, 1100);
		hit = await_listen(&u, TOOLS_A_AND_B);
		hit_stream(hit, "");
		fixture_turn_for(&u.fixture, 20);
		assert_said(&u, "");
		assert_null(peer_find(&u.peer, "tools/list"));
		acknowledge(hit, TOOLS_A_AND_B);
		up_serve_tools(&u, READ_TOOL);
		up_await_tools(&u, 2);
		assert_watched(&b);
		up_await_messages(&u, 1);
		assert_said(&u, UPDATED("x://a") "\n");
		assert_int_equal(a.told, 1);
		look_release(&a);
		look_release(&b);
		up_release(&u);
	}
}

/* That it acknowledges each time does not keep the pauses short; that it held for long does. */
static void test_a_server_that_ends_every_stream_at_once(void **state)
{
	(void)state;
	struct Up u;
	open_watching(&u, TELLING);
	unsigned pause = 1000;
	for (unsigned i = 0; i < 5; i++) {
		struct Hit *hit = serve_listen(&u, TOOLS);
		fixture_turn_for(&u.fixture, 20);
		hit_cut(hit);
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, pause / 2 - 100);
		assert_null(peer_find(&u.peer, "subscriptions/listen"));
		clock_jump(&u.fixture, pause / 2 + 200);
		pause *= 2;
	}
	struct Hit *hit = serve_listen(&u, TOOLS);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 40000);
	hit_cut(hit);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 1100);
	serve_listen(&u, TOOLS);
	up_release(&u);
}

/* Where the first stream cannot be had for a while, changes are missed as well. */
static void test_a_late_first_stream_may_have_missed_changes(void **state)
{
	(void)state;
	struct Up u;
	open_watching(&u, TELLING);
	hit_reply(await_listen(&u, TOOLS), 503, "", "");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 1100);
	serve_listen(&u, TOOLS);
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	up_release(&u);
}

static void test_a_refused_stream_refuses_all_watches(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct Up u;
		struct Look a = {0}, later = {0};
		open_watching(&u, TELLING);
		if (i > 0)
			serve_listen(&u, TOOLS);
		look_start(&u, &a, "x://a");
		struct Hit *hit = peer_await(&u.peer, "subscriptions/listen");
		if (strstr(hit->body, "x://a") == NULL) { /* the first, without it */
			assert_int_equal(i, 0);
			hit_error(hit, 404, -32601, "");
			assert_not_watched(&a, MUX_ERROR_UPSTREAM, "no");
		} else if (i == 1) {
			hit_error(hit, 200, -32601, ",\"data\":1");
			assert_not_watched(&a, MUX_ERROR_UPSTREAM, "no");
			assert_string_equal(
				a.object, "{\"code\":-32601,\"message\":\"no\",\"data\":1}");
		} else {
			hit_reply(hit, 405, "", "");
			assert_not_watched(&a, MUX_ERROR_UPSTREAM, "HTTP 405");
		}
		clock_jump(&u.fixture, BACKOFF_MS);
		peer_await_none(&u.peer, "subscriptions/listen");
		if (i == 0) {
			look_start(&u, &later, "x://b");
			assert_not_watched(&later, MUX_ERROR_UPSTREAM, "refused");
			peer_await_none(&u.peer, "subscriptions/listen");
			upstream_refresh_stale(u.up, MCP_TOOLS);
			peer_await(&u.peer, "tools/list");
		}
		look_release(&a);
		look_release(&later);
		up_release(&u);
	}
}

/* A resource that the server does not like costs nothing but its watch. */
static void test_a_filter_that_is_refused_is_tried_without_the_new_resources(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct Up u;
		struct Look a = {0};
		up_init(&u);
		look_start(&u, &a, "x://a");
		upstream_open(u.up, ERA_MODERN);
		up_serve_discover(&u, TELLING);
		up_serve_tools(&u, ADD_TOOL);
		up_await_settled(&u);
		struct Hit *hit = await_listen(&u, TOOLS_AND_A);
		if (i == 0) {
			g_autofree char *text = error_text(hit, -32602, "");
			hit_stream(hit, "");
			hit_event(hit, text);
		} else if (i == 1) {
			hit_error(hit, 400, -32602, "");
		} else {
			hit_reply(hit, 413, "", "too long");
		}
		assert_not_watched(&a, MUX_ERROR_UPSTREAM, i < 2 ? "no" : "HTTP 413");
		assert_string_equal(a.object, i < 2 ? "{\"code\":-32602,\"message\":\"no\"}" : "");
		clock_jump(&u.fixture, 1100);
		hit = serve_listen(&u, TOOLS);
		up_serve_tools(&u, ADD_TOOL);
		up_let_time_pass(&u);
		hit_event(hit, TOOLS_CHANGED);
		up_serve_tools(&u, READ_TOOL);
		up_await_tools(&u, 2);
		look_release(&a);
		up_release(&u);
	}
}

/* Nor what has begun before, where the server has changed its mind. */
static void test_a_resource_that_is_refused_later(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, again = {0};
	struct Hit *hit = open_with_tools_and_a(&u, &a);
	hit_cut(hit);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 1100);
	hit_error(await_listen(&u, TOOLS_AND_A), 200, -32602, "");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 2100);
	serve_listen(&u, TOOLS);
	fixture_turn_for(&u.fixture, 20);
	assert_said(&u, "");
	look_start(&u, &again, "x://a");
	serve_listen(&u, TOOLS_AND_A);
	assert_watched(&again);
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	look_release(&a);
	look_release(&again);
	up_release(&u);
}

static void test_a_stream_that_is_not_acknowledged_tells_of_lists_alone(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0};
	up_init(&u);
	look_start(&u, &a, "x://a");
	upstream_open(u.up, ERA_MODERN);
	up_serve_discover(&u, TELLING);
	up_serve_tools(&u, ADD_TOOL);
	up_await_settled(&u);
	struct Hit *hit = await_listen(&u, TOOLS_AND_A);
	hit_stream(hit, "");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 30500);
	assert_not_watched(&a, MUX_ERROR_TIMEOUT, "did not acknowledge");
	peer_await_none(&u.peer, "subscriptions/listen");
	hit_event(hit, TOOLS_CHANGED);
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	/* It may still say so. */
	acknowledge(hit, TOOLS_AND_A);
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(a.told, 1);
	look_start(&u, &b, "x://b");
	serve_listen(&u, TOOLS_AND_B);
	assert_watched(&b);
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

/* What the server leaves out of the acknowledgement it will not tell. */
static void test_lists_that_are_left_out_are_fetched_when_they_are_stale(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_want(u.up, MCP_PROMPTS);
	up_open_modern(&u, "{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true}}",
		ADD_TOOL);
	peer_serve_list(&u.peer, MCP_PROMPTS, "");
	struct Hit *hit = peer_await(&u.peer, "subscriptions/listen");
	hit_stream(hit, "");
	acknowledge(hit, "{\"promptsListChanged\":true,\"toolsListChanged\":false}");
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 6000);
	upstream_refresh_stale(u.up, MCP_PROMPTS);
	upstream_refresh_stale(u.up, MCP_TOOLS);
	up_serve_tools(&u, ADD_TOOL);
	peer_await_none(&u.peer, "prompts/list");
	assert_null(peer_find(&u.peer, "subscriptions/listen"));
	up_release(&u);
}

static void test_a_new_stream_waits_for_another_token(void **state)
{
	(void)state;
	for (unsigned fails = 0; fails < 2; fails++) {
		struct Office o;
		struct Look a = {0}, b = {0};
		office_init(&o, "auth = oauth");
		office_open_modern(&o, WATCHING);
		look_start(&o.u, &a, "x://a");
		serve_listen(&o.u, ONLY_A);
		assert_watched(&a);
		if (fails)
			oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
		look_start(&o.u, &b, "x://b");
		struct Hit *hit = await_listen(&o.u, A_AND_B);
		assert_bearer(hit, "access-a");
		office_refuse(hit);
		if (fails) {
			assert_not_watched(&b, MUX_ERROR_BUSY, "503");
		} else {
			hit = serve_listen(&o.u, A_AND_B);
			assert_bearer(hit, "access-1");
			assert_watched(&b);
		}
		assert_said(&o.u, "");
		look_release(&a);
		look_release(&b);
		office_release(&o);
	}
}

static void shut_down(struct Look *look)
{
	upstream_shutdown(look->u->up);
}

static void test_the_end_of_the_upstream_ends_every_stream(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct Up u;
		struct Look a = {0}, b = {.on_told = i >= 4 ? shut_down : NULL}, c = {0};
		struct Hit *old = open_with_a(&u, &a);
		look_start(&u, &b, "x://b");
		struct Hit *new = await_listen(&u, A_AND_B);
		if (i < 5)
			hit_stream(new, "");
		if (i == 5) {
			hit_error(new, 400, -32602, "");
			look_await(&b);
		} else if (i % 2 == 0) {
			acknowledge(new, A_AND_B);
			look_await(&b); /* the old one is still heard */
		}
		look_start(&u, &c, "x://c");
		if (i < 2)
			upstream_shutdown(u.up);
		if (i < 2 || i >= 4) {
			hit_await_close(old);
			if (i < 5)
				hit_await_close(new);
			clock_jump(&u.fixture, BACKOFF_MS);
			peer_await_none(&u.peer, "subscriptions/listen");
		}
		assert_int_equal(c.told, 0);
		look_release(&a);
		look_release(&b);
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_stream_that_broke_may_have_missed_changes),
		cmocka_unit_test(test_a_server_that_ends_every_stream_at_once),
		cmocka_unit_test(test_a_late_first_stream_may_have_missed_changes),
		cmocka_unit_test(test_a_refused_stream_refuses_all_watches),
		cmocka_unit_test(test_a_filter_that_is_refused_is_tried_without_the_new_resources),
		cmocka_unit_test(test_a_resource_that_is_refused_later),
		cmocka_unit_test(test_a_stream_that_is_not_acknowledged_tells_of_lists_alone),
		cmocka_unit_test(test_lists_that_are_left_out_are_fetched_when_they_are_stale),
		cmocka_unit_test(test_a_new_stream_waits_for_another_token),
		cmocka_unit_test(test_the_end_of_the_upstream_ends_every_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
