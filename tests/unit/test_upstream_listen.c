/* The notification stream of a modern server: what it is asked for, and how one stream replaces another. */
#include "listen_fixture.h"

static void test_the_stream_opens_with_the_first_watch(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0};
	open_watching(&u, WATCHING);
	peer_await_none(&u.peer, "subscriptions/listen");
	look_start(&u, &look, "x://a");
	struct Hit *hit = await_listen(&u, ONLY_A);
	hit_stream(hit, "");
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(look.told, 0);
	acknowledge(hit, ONLY_A);
	assert_watched(&look);
	hit_event(hit, UPDATED("x://a"));
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	look_end(&look);
	hit_await_close(hit); /* there is nothing more to tell */
	peer_await_none(&u.peer, "subscriptions/listen");
	look_release(&look);
	up_release(&u);
}

static void test_what_was_watched_before_is_in_the_first_filter(void **state)
{
	(void)state;
	struct Up u;
	struct Look b = {0}, a = {0};
	up_init(&u);
	look_start(&u, &b, "x://b");
	look_start(&u, &a, "x://a");
	upstream_open(u.up, ERA_MODERN);
	up_serve_discover(&u,
		"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},"
		"\"resources\":{\"subscribe\":true,\"listChanged\":true}}");
	up_serve_tools(&u, ADD_TOOL);
	serve_listen(&u, "{\"toolsListChanged\":true,\"promptsListChanged\":true,"
			 "\"resourcesListChanged\":true,\"resourceSubscriptions\":[\"x://a\","
			 "\"x://b\"]}");
	assert_watched(&a);
	assert_watched(&b);
	peer_await_none(&u.peer, "subscriptions/listen");
	assert_said(&u, ""); /* nothing can have been missed */
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

static void test_a_resource_that_is_left_out_is_refused(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0}, again = {0};
	open_watching(&u, WATCHING);
	look_start(&u, &a, "x://a");
	look_start(&u, &b, "x://b");
	struct Hit *hit = await_listen(&u, A_AND_B);
	hit_stream(hit, "");
	acknowledge(hit, "{\"resourceSubscriptions\":[\"x://b\",\"x://b\",1,\"x://c\"]}");
	assert_not_watched(&a, MUX_ERROR_UPSTREAM, "did not agree");
	assert_string_equal(a.object, "");
	assert_watched(&b);
	peer_await_none(&u.peer, "subscriptions/listen"); /* the stream covers what is wanted */
	look_start(&u, &again, "x://a");
	hit = await_listen(&u, A_AND_B);
	hit_stream(hit, "");
	acknowledge(hit, A_AND_B);
	assert_watched(&again);
	look_release(&a);
	look_release(&b);
	look_release(&again);
	up_release(&u);
}

static void test_an_acknowledgement_without_a_filter_agrees_to_nothing(void **state)
{
	(void)state;
	static const char *const filters[] = {"{}", "null", "{\"resourceSubscriptions\":{}}"};
	for (size_t i = 0; i < G_N_ELEMENTS(filters); i++) {
		struct Up u;
		struct Look look = {0};
		open_watching(&u, TELLING);
		hit_stream(await_listen(&u, TOOLS), "");
		look_start(&u, &look, "x://a");
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, 30500); /* the first is not acknowledged at all */
		struct Hit *hit = await_listen(&u, TOOLS_AND_A);
		hit_stream(hit, "");
		acknowledge(hit, filters[i]);
		assert_not_watched(&look, MUX_ERROR_UPSTREAM, "did not agree");
		peer_await_none(&u.peer, "subscriptions/listen");
		look_release(&look);
		up_release(&u);
	}
}

/* ---- one stream replaces another ---- */

static void test_a_change_of_what_is_watched_opens_another_stream(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0};
	struct Hit *old = open_with_a(&u, &a);
	look_start(&u, &b, "x://b");
	struct Hit *new = await_listen(&u, A_AND_B);
	hit_stream(new, "");
	hit_event(old, UPDATED("x://a"));
	up_await_messages(&u, 1); /* by the old one, as long as the new one is not agreed to */
	assert_said(&u, UPDATED("x://a") "\n");
	assert_int_equal(b.told, 0);
	acknowledge(new, A_AND_B);
	assert_watched(&b);
	hit_event(new, UPDATED("x://b"));
	up_await_messages(&u, 2);
	clock_jump(&u.fixture, 300);
	hit_await_close(old);
	assert_said(&u, UPDATED("x://b") "\n");
	hit_event(new, UPDATED("x://a"));
	up_await_messages(&u, 3);
	look_end(&a);
	serve_listen(&u, ONLY_B);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 300);
	hit_await_close(new);
	peer_await_none(&u.peer, "subscriptions/listen");
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

/* What the server sent on the old stream before it acknowledged the new one may come after. */
static void test_what_comes_late_on_the_old_stream_is_told_once(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0}, c = {0};
	struct Hit *old = open_with_a(&u, &a);
	look_start(&u, &b, "x://b");
	look_start(&u, &c, "x://c");
	struct Hit *new =
		await_listen(&u, "{\"resourceSubscriptions\":[\"x://a\",\"x://b\",\"x://c\"]}");
	hit_stream(new, "");
	acknowledge(new, "{\"resourceSubscriptions\":[\"x://a\",\"x://b\",\"x://c\"]}");
	assert_watched(&b);
	hit_event(new, UPDATED("x://b"));
	up_await_messages(&u, 1);
	hit_event(old, UPDATED("x://b"));
	hit_event(old, UPDATED("x://a"));
	up_await_messages(&u, 2);
	assert_said(&u, UPDATED("x://b") "\n" UPDATED("x://a") "\n");
	hit_event(new, UPDATED("x://b")); /* which is another one */
	up_await_messages(&u, 3);
	hit_event_result(old, "{\"resultType\":\"complete\"}");
	hit_await_close(old);
	clock_jump(&u.fixture, 2000);
	peer_await_none(&u.peer, "subscriptions/listen");
	look_release(&a);
	look_release(&b);
	look_release(&c);
	up_release(&u);
}

static void test_changes_that_come_together_need_one_stream(void **state)
{
	(void)state;
	struct Up u;
	enum { MANY = 300 };
	struct Look a = {0}, looks[MANY] = {0};
	char uris[MANY][16];
	struct Hit *old = open_with_a(&u, &a);
	for (unsigned i = 0; i < MANY; i++) {
		g_snprintf(uris[i], sizeof uris[i], "x://%03u", i);
		look_start(&u, &looks[i], uris[i]);
	}
	struct Hit *hit = peer_await(&u.peer, "subscriptions/listen");
	assert_non_null(strstr(hit->body, "\"x://299\""));
	/* Changes while one is awaited need one more. */
	for (unsigned i = 0; i < MANY; i += 2) {
		look_end(&looks[i]);
		fixture_turn_for(&u.fixture, 1);
	}
	peer_await_none(&u.peer, "subscriptions/listen");
	struct Slice asked =
		json_get(json_get(slice_of(hit->body), "params").raw, "notifications").raw;
	g_autofree char *filter = slice_dup(asked);
	hit_stream(hit, "");
	acknowledge(hit, filter);
	assert_watched(&looks[1]);
	struct Hit *next = peer_await(&u.peer, "subscriptions/listen");
	assert_null(strstr(next->body, "\"x://298\""));
	assert_non_null(strstr(next->body, "\"x://299\""));
	hit_await_close(old);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(looks[i].told, i % 2);
		look_release(&looks[i]);
	}
	peer_await_none(&u.peer, "subscriptions/listen");
	look_release(&a);
	up_release(&u);
}

static void test_one_who_comes_and_goes_changes_nothing(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0}, again = {0};
	struct Hit *hit = open_with_a(&u, &a);
	look_start(&u, &b, "x://b");
	look_end(&b);
	look_start(&u, &again, "x://a");
	look_end(&a);
	assert_watched(&again);
	peer_await_none(&u.peer, "subscriptions/listen");
	hit_event(hit, UPDATED("x://a"));
	up_await_messages(&u, 1);
	assert_int_equal(b.told, 0);
	/* Nor where the last one goes as another comes. */
	look_end(&again);
	look_start(&u, &b, "x://a");
	assert_watched(&b);
	peer_await_none(&u.peer, "subscriptions/listen");
	hit_cut(hit);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 1100);
	serve_listen(&u, ONLY_A);
	up_await_messages(&u, 2); /* what may have been missed */
	look_release(&a);
	look_release(&b);
	look_release(&again);
	up_release(&u);
}

static void test_what_is_wanted_again_while_a_stream_without_it_is_awaited(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0}, again = {0};
	open_with_a(&u, &a);
	look_end(&a);
	look_start(&u, &b, "x://b");
	struct Hit *hit = await_listen(&u, ONLY_B);
	look_start(&u, &again, "x://a");
	fixture_turn_for(&u.fixture, 20);
	hit_stream(hit, "");
	acknowledge(hit, ONLY_B);
	assert_watched(&b);
	hit = await_listen(&u, A_AND_B);
	assert_int_equal(again.told, 0);
	hit_stream(hit, "");
	acknowledge(hit, A_AND_B);
	assert_watched(&again);
	peer_await_none(&u.peer, "subscriptions/listen");
	look_release(&a);
	look_release(&b);
	look_release(&again);
	up_release(&u);
}

static void test_the_old_stream_ends_while_the_new_one_is_awaited(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0};
	struct Hit *old = open_with_a(&u, &a);
	look_start(&u, &b, "x://b");
	struct Hit *new = await_listen(&u, A_AND_B);
	hit_cut(old);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 2000);
	peer_await_none(&u.peer, "subscriptions/listen"); /* there is one already */
	hit_stream(new, "");
	acknowledge(new, A_AND_B);
	assert_watched(&b);
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n"); /* it may have changed unheard */
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

static void test_a_new_stream_that_fails_leaves_the_old_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct Up u;
		struct Look a = {0}, b = {0};
		struct Hit *old = open_with_a(&u, &a);
		look_start(&u, &b, "x://b");
		struct Hit *new = await_listen(&u, A_AND_B);
		if (i == 0)
			hit_reply(new, 503, "", "");
		if (i == 1)
			hit_cut(new);
		if (i == 2)
			clock_jump(&u.fixture, 30500);
		if (i == 3) {
			hit_stream(new, "");
			hit_event_result(new, "{\"resultType\":\"complete\"}");
		}
		if (i == 4)
			hit_reply(new, 400, "", "");
		look_await(&b);
		static const int codes[] = {MUX_ERROR_BUSY, MUX_ERROR_BROKEN, MUX_ERROR_TIMEOUT,
			MUX_ERROR_BROKEN, MUX_ERROR_UPSTREAM};
		assert_int_equal(b.error->code, codes[i]);
		hit_event(old, UPDATED("x://a"));
		up_await_messages(&u, 1);
		clock_jump(&u.fixture, 300000);
		peer_await_none(&u.peer, "subscriptions/listen"); /* nobody wants another */
		look_start(&u, &b, "x://b");
		serve_listen(&u, A_AND_B);
		turn_until(&u.fixture, b.told, 2);
		assert_null(b.error);
		look_release(&a);
		look_release(&b);
		up_release(&u);
	}
}

/* Who asks for one that is refused does not hold up the next. */
static void test_resources_that_are_refused_cost_no_time(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0};
	struct Hit *old = open_with_a(&u, &a);
	for (unsigned i = 0; i < 12; i++) {
		struct Look bad = {0};
		look_start(&u, &bad, "x://bad");
		struct Hit *hit = peer_await(&u.peer, "subscriptions/listen");
		hit_error(hit, 400, -32602, "");
		assert_not_watched(&bad, MUX_ERROR_UPSTREAM, "no");
		look_release(&bad);
	}
	peer_await_none(&u.peer, "subscriptions/listen");
	hit_event(old, UPDATED("x://a"));
	up_await_messages(&u, 1);
	look_release(&a);
	up_release(&u);
}

/* An answer that names another request is none. */
static void test_an_answer_to_another_request_changes_nothing(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0};
	struct Hit *hit = open_with_a(&u, &a);
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":999,\"result\":{}}");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":999,\"error\":{\"code\":-32601,"
		       "\"message\":\"no\"}}");
	acknowledge(hit, "{}"); /* twice is once too often */
	hit_event(hit, UPDATED("x://a"));
	up_await_messages(&u, 1);
	assert_true(hit->link->fd >= 0);
	look_release(&a);
	up_release(&u);
}

static void test_the_old_stream_ends_while_the_new_one_has_failed(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0};
	struct Hit *old = open_with_a(&u, &a);
	look_start(&u, &b, "x://b");
	hit_reply(await_listen(&u, A_AND_B), 503, "", "");
	assert_not_watched(&b, MUX_ERROR_BUSY, "503");
	hit_cut(old);
	fixture_turn_for(&u.fixture, 20);
	assert_null(peer_find(&u.peer, "subscriptions/listen"));
	clock_jump(&u.fixture, 1100);
	serve_listen(&u, ONLY_A);
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

static void test_a_smaller_stream_that_fails_is_tried_again(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0};
	open_watching(&u, WATCHING);
	look_start(&u, &a, "x://a");
	look_start(&u, &b, "x://b");
	struct Hit *old = serve_listen(&u, A_AND_B);
	assert_watched(&a);
	look_end(&b);
	for (unsigned i = 0; i < 3; i++) {
		struct Hit *hit = await_listen(&u, ONLY_A);
		if (i == 0)
			hit_reply(hit, 502, "", "");
		else
			hit_error(hit, 200, -32603, "");
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, 450u << i);
		peer_await_none(&u.peer, "subscriptions/listen");
		clock_jump(&u.fixture, 600u << i);
	}
	serve_listen(&u, ONLY_A);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 300);
	hit_await_close(old);
	look_release(&a);
	look_release(&b);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stream_opens_with_the_first_watch),
		cmocka_unit_test(test_what_was_watched_before_is_in_the_first_filter),
		cmocka_unit_test(test_a_resource_that_is_left_out_is_refused),
		cmocka_unit_test(test_an_acknowledgement_without_a_filter_agrees_to_nothing),
		cmocka_unit_test(test_a_change_of_what_is_watched_opens_another_stream),
		cmocka_unit_test(test_what_comes_late_on_the_old_stream_is_told_once),
		cmocka_unit_test(test_changes_that_come_together_need_one_stream),
		cmocka_unit_test(test_one_who_comes_and_goes_changes_nothing),
		cmocka_unit_test(test_what_is_wanted_again_while_a_stream_without_it_is_awaited),
		cmocka_unit_test(test_the_old_stream_ends_while_the_new_one_is_awaited),
		cmocka_unit_test(test_a_new_stream_that_fails_leaves_the_old_one),
		cmocka_unit_test(test_resources_that_are_refused_cost_no_time),
		cmocka_unit_test(test_an_answer_to_another_request_changes_nothing),
		cmocka_unit_test(test_the_old_stream_ends_while_the_new_one_has_failed),
		cmocka_unit_test(test_a_smaller_stream_that_fails_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
