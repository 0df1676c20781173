/* Watches of resources: the counted set, and how a legacy server is told of it. */
#include "watch_fixture.h"

static void test_a_watch_from_its_beginning_to_its_end(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0};
	up_init(&u);
	up_open_legacy(&u, "S", SUBSCRIBE_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	hit_stream(get, "");
	look_start(&u, &look, "x://\xc3\xa4");
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://\xc3\xa4");
	assert_header(hit, "Mcp-Session-Id", "S");
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(look.told, 0);
	hit_result(hit, "{}");
	assert_watched(&look);
	hit_event(get, UPDATED("x://\xc3\xa4"));
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://\xc3\xa4") "\n");
	look_end(&look);
	hit_result(await_request(&u, "resources/unsubscribe", "x://\xc3\xa4"), "{}");
	fixture_turn_for(&u.fixture, 20);
	look_end(&look); /* there is nothing more to end */
	peer_await_none(&u.peer, "resources/unsubscribe");
	assert_int_equal(look.told, 1);
	look_release(&look);
	up_release(&u);
}

static void test_watches_of_one_resource_are_counted(void **state)
{
	(void)state;
	struct Up u;
	struct Look looks[4] = {0};
	open_legacy(&u, "S");
	look_start(&u, &looks[0], "x://a");
	look_start(&u, &looks[1], "x://a");
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
	look_start(&u, &looks[2], "x://a");
	hit_result(hit, "{}");
	for (unsigned i = 0; i < 3; i++)
		assert_watched(&looks[i]);
	look_start(&u, &looks[3], "x://a");
	assert_watched(&looks[3]);
	upstream_watch(u.up, "x://a", NULL, NULL);
	fixture_turn_for(&u.fixture, 20);
	assert_null(peer_find(&u.peer, "resources/subscribe"));
	for (unsigned i = 0; i < 4; i++)
		look_end(&looks[i]);
	peer_await_none(&u.peer, "resources/unsubscribe");
	upstream_unwatch(u.up, "x://a", NULL);
	await_request(&u, "resources/unsubscribe", "x://a");
	for (unsigned i = 0; i < 4; i++)
		look_release(&looks[i]);
	up_release(&u);
}

static void test_what_was_watched_before_begins_when_it_opens(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, gone = {0}, same = {0};
	up_init(&u);
	upstream_unwatch(u.up, "x://b", &gone); /* which nobody watches */
	look_start(&u, &look, "x://a");
	look_start(&u, &gone, "x://b");
	look_start(&u, &same, "x://a");
	look_end(&gone);
	look_end(&same);
	fixture_turn_for(&u.fixture, 20);
	upstream_open(u.up, ERA_LEGACY);
	up_serve_initialize(&u, "2025-11-25", NULL, SUBSCRIBE);
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&look);
	peer_await_none(&u.peer, "resources/subscribe");
	assert_int_equal(gone.told + same.told, 0);
	look_release(&look);
	up_release(&u);
}

/* Whose user is not named ends a watch all the same: any, then. */
static void test_a_watch_ends_without_its_user(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, other = {0};
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	look_start(&u, &other, "x://a");
	upstream_unwatch(u.up, "x://a", NULL);
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&other);
	assert_int_equal(look.told, 0);
	look_end(&other);
	await_request(&u, "resources/unsubscribe", "x://a");
	look_release(&other);
	up_release(&u);
}

static void test_what_else_comes_with_the_answer_is_heard(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0};
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
	hit_stream(hit, "");
	hit_event(hit, UPDATED("x://a"));
	hit_event_result(hit, "{}");
	assert_watched(&look);
	assert_said(&u, UPDATED("x://a") "\n");
	look_release(&look);
	up_release(&u);
}

static void test_a_refusal_comes_with_the_servers_own_words(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, again = {0};
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	hit_error(await_request(&u, "resources/subscribe", "x://a"), 200, -32002,
		",\"data\":{\"uri\":\"x://a\"}");
	assert_not_watched(&look, MUX_ERROR_UPSTREAM, "no");
	assert_string_equal(
		look.object, "{\"code\":-32002,\"message\":\"no\",\"data\":{\"uri\":\"x://a\"}}");
	look_end(&look); /* it has ended */
	peer_await_none(&u.peer, "resources/unsubscribe");
	accept_watch(&u, &again, "x://a");
	look_release(&look);
	look_release(&again);
	up_release(&u);
}

static void test_failures_that_are_not_the_servers_words(void **state)
{
	(void)state;
	static const struct {
		int status;
		int code;
		const char *part;
	} cases[] = {
		{500, MUX_ERROR_UPSTREAM, "HTTP 500"},
		{503, MUX_ERROR_BUSY, "HTTP 503"},
		{403, MUX_ERROR_FORBIDDEN, "HTTP 403"},
		{401, MUX_ERROR_SIGN_IN, "HTTP 401"},
		{202, MUX_ERROR_UPSTREAM, "empty"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		struct Look look = {0};
		open_legacy(&u, NULL);
		look_start(&u, &look, "x://a");
		hit_reply(peer_await(&u.peer, "resources/subscribe"), cases[i].status, "", "");
		assert_not_watched(&look, cases[i].code, cases[i].part);
		assert_string_equal(look.object, "");
		clock_jump(&u.fixture, 300000);
		peer_await_none(&u.peer, "resources/subscribe"); /* nobody waits for it */
		look_release(&look);
		up_release(&u);
	}
}

static void test_a_server_that_does_not_offer_it_is_not_asked(void **state)
{
	(void)state;
	for (unsigned modern = 0; modern < 2; modern++) {
		struct Up u;
		struct Look look = {0};
		up_init(&u);
		if (modern)
			up_open_modern(&u, "{\"tools\":{},\"resources\":{}}", ADD_TOOL);
		else
			up_open_legacy(&u, "S", "{\"tools\":{},\"resources\":{}}", ADD_TOOL);
		look_start(&u, &look, "x://a");
		assert_not_watched(&look, MUX_ERROR_UPSTREAM, "does not offer");
		peer_await_none(&u.peer, modern ? "subscriptions/listen" : "resources/subscribe");
		look_release(&look);
		up_release(&u);
	}
}

static void test_there_is_a_limit_to_what_is_watched(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, twice = {0}, known = {0}, later = {0};
	up_init(&u);
	for (unsigned i = 0; i < 1000; i++) {
		g_autofree char *uri = g_strdup_printf("x://%u", i);
		upstream_watch(u.up, uri, NULL, NULL);
	}
	look_start(&u, &look, "x://more");
	look_start(&u, &twice, "x://more");
	look_start(&u, &known, "x://7");
	assert_not_watched(&look, MUX_ERROR_TOO_LARGE, "too many");
	assert_not_watched(&twice, MUX_ERROR_TOO_LARGE, "too many");
	assert_int_equal(known.told, 0);
	upstream_unwatch(u.up, "x://3", NULL);
	fixture_turn_for(&u.fixture, 10);
	look_start(&u, &later, "x://more");
	fixture_turn_for(&u.fixture, 10);
	assert_int_equal(later.told, 0); /* it waits for the server */
	look_release(&look);
	look_release(&twice);
	up_release(&u);
}

static void test_there_is_a_limit_to_the_length_of_it_all(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, small = {0};
	up_init(&u);
	g_autofree char *large = g_strnfill(1024 * 1024 + 1, 'x');
	look_start(&u, &look, large);
	look_start(&u, &small, large + 10);
	assert_not_watched(&look, MUX_ERROR_TOO_LARGE, "too many");
	fixture_turn_for(&u.fixture, 10);
	assert_int_equal(small.told, 0);
	look_release(&look);
	up_release(&u);
}

/* The order of a subscribe and an unsubscribe that are under way together would be the server's choice. */
static void test_one_request_for_a_resource_at_a_time(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, again = {0};
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
	look_end(&look);
	peer_await_none(&u.peer, "resources/unsubscribe");
	hit_result(hit, "{}");
	hit = await_request(&u, "resources/unsubscribe", "x://a");
	look_start(&u, &again, "x://a");
	peer_await_none(&u.peer, "resources/subscribe");
	assert_int_equal(again.told, 0);
	hit_error(hit, 200, -32603, ""); /* whatever it says */
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&again);
	assert_int_equal(look.told, 0);
	assert_said(&u, ""); /* of what one did not watch one has missed nothing */
	look_release(&again);
	up_release(&u);
}

static void test_a_few_requests_at_a_time(void **state)
{
	(void)state;
	struct Up u;
	enum { MANY = 50 };
	struct Look looks[MANY] = {0};
	char uris[MANY][16];
	open_legacy(&u, "S");
	for (unsigned i = 0; i < MANY; i++) {
		g_snprintf(uris[i], sizeof uris[i], "x://%u", i);
		look_start(&u, &looks[i], uris[i]);
	}
	fixture_turn_for(&u.fixture, 40);
	unsigned n = 0;
	struct Hit *hits[MANY];
	while (n < MANY && (hits[n] = peer_find(&u.peer, "resources/subscribe")))
		n++;
	assert_int_equal(n, 16);
	for (unsigned i = 0; i < MANY; i++) {
		if (i >= n)
			hits[i] = peer_await(&u.peer, "resources/subscribe");
		hit_result(hits[i], "{}");
	}
	for (unsigned i = 0; i < MANY; i++) {
		assert_watched(&looks[i]);
		look_release(&looks[i]);
	}
	up_release(&u);
}

/* ---- those who watch ---- */

static void watch_again(struct Look *look)
{
	if (look->told < 5)
		look_start(look->u, look, look->uri);
}

static void test_one_who_watches_again_when_told_is_heard_in_the_next_turn(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {.on_told = watch_again};
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	for (unsigned i = 1; i <= 5; i++) {
		hit_error(await_request(&u, "resources/subscribe", "x://a"), 200, -32002, "");
		turn_until(&u.fixture, look.told, i);
	}
	peer_await_none(&u.peer, "resources/subscribe");
	assert_int_equal(look.told, 5);
	look_release(&look);
	up_release(&u);
}

static struct Look *to_end;

static void end_other(struct Look *look)
{
	(void)look;
	look_end(to_end);
}

static void test_a_watch_that_is_ended_when_another_is_told_is_not_told(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {.on_told = end_other}, other = {0}, third = {0};
	to_end = &other;
	open_legacy(&u, "S");
	look_start(&u, &look, "x://a");
	look_start(&u, &other, "x://a");
	look_start(&u, &third, "x://a");
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&look);
	assert_watched(&third);
	assert_int_equal(other.told, 0);
	look_release(&look);
	look_release(&third);
	up_release(&u);
}

static void shut_down(struct Look *look)
{
	upstream_shutdown(look->u->up);
}

static void test_nobody_is_told_after_the_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct Up u;
		struct Look look = {.on_told = shut_down}, other = {0};
		open_legacy(&u, "S");
		look_start(&u, &look, "x://a");
		look_start(&u, &other, "x://a");
		if (i == 0) {
			upstream_shutdown(u.up); /* before anything happened */
		} else {
			struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
			if (i == 1)
				upstream_shutdown(u.up);
			if (i == 2) {
				hit_result(hit, "{}");
				look_await(&look);
			}
		}
		fixture_turn_for(&u.fixture, 20);
		if (i < 2)
			look_start(&u, &other, "x://c");
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(look.told, i == 2);
		assert_int_equal(other.told, 0);
		peer_await_none(&u.peer, "resources/unsubscribe"); /* the session ends */
		look_release(&look);
		up_release(&u); /* in the last round with a request under way */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_watch_from_its_beginning_to_its_end),
		cmocka_unit_test(test_watches_of_one_resource_are_counted),
		cmocka_unit_test(test_what_was_watched_before_begins_when_it_opens),
		cmocka_unit_test(test_a_watch_ends_without_its_user),
		cmocka_unit_test(test_what_else_comes_with_the_answer_is_heard),
		cmocka_unit_test(test_a_refusal_comes_with_the_servers_own_words),
		cmocka_unit_test(test_failures_that_are_not_the_servers_words),
		cmocka_unit_test(test_a_server_that_does_not_offer_it_is_not_asked),
		cmocka_unit_test(test_there_is_a_limit_to_what_is_watched),
		cmocka_unit_test(test_there_is_a_limit_to_the_length_of_it_all),
		cmocka_unit_test(test_one_request_for_a_resource_at_a_time),
		cmocka_unit_test(test_a_few_requests_at_a_time),
		cmocka_unit_test(test_one_who_watches_again_when_told_is_heard_in_the_next_turn),
		cmocka_unit_test(test_a_watch_that_is_ended_when_another_is_told_is_not_told),
		cmocka_unit_test(test_nobody_is_told_after_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
