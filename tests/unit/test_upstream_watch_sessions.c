/* Watches of resources over time: a legacy server's sessions and streams that end, tokens and sign-ins. */
#include "account_fixture.h"
#include "channel_fixture.h"
#include "watch_fixture.h"

/* ---- other sessions ---- */

/* A call finds out that the session is gone. */
static void lose_session(struct Up *u, const char *next)
{
	struct Ask ask = {0};
	ask_add(u, &ask);
	hit_reply(peer_await(&u->peer, "tools/call"), 404, "", "");
	up_serve_initialize(u, "2025-11-25", next, SUBSCRIBE_TOOLS);
	hit_result(peer_await(&u->peer, "tools/call"), "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_serve_tools(u, ADD_TOOL);
	hit_reply(peer_await(&u->peer, "GET"), 405, "", "");
}

static void test_a_new_session_is_told_again(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, other = {0}, ended = {0};
	open_legacy(&u, "S1");
	accept_watch(&u, &look, "x://a");
	accept_watch(&u, &ended, "x://e");
	look_start(&u, &other, "x://b"); /* without an answer from the old session */
	await_request(&u, "resources/subscribe", "x://b");
	look_end(&ended);
	peer_await(&u.peer, "resources/unsubscribe");
	lose_session(&u, "S2");
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
	assert_header(hit, "Mcp-Session-Id", "S2");
	assert_said(&u, "");
	hit_result(hit, "{}");
	/* A change may have been missed. */
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	hit_result(await_request(&u, "resources/subscribe", "x://b"), "{}");
	assert_watched(&other);
	peer_await_none(&u.peer, "resources/subscribe");
	assert_said(&u, "");
	assert_int_equal(look.told, 1);
	look_release(&look);
	look_release(&other);
	look_release(&ended);
	up_release(&u);
}

static void test_a_new_session_may_refuse_what_the_old_one_agreed_to(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, more = {0}, last = {0};
	open_legacy(&u, "S1");
	accept_watch(&u, &look, "x://a");
	lose_session(&u, "S2");
	hit_error(await_request(&u, "resources/subscribe", "x://a"), 200, -32002, "");
	clock_jump(&u.fixture, BACKOFF_MS);
	peer_await_none(&u.peer, "resources/subscribe");
	/* One who asks for it anew is answered anew. */
	look_start(&u, &more, "x://a");
	hit_error(await_request(&u, "resources/subscribe", "x://a"), 200, -32002, "");
	assert_not_watched(&more, MUX_ERROR_UPSTREAM, "no");
	/* So does the next session. */
	lose_session(&u, "S3");
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	look_start(&u, &last, "x://a");
	assert_watched(&last);
	look_release(&look);
	look_release(&more);
	look_release(&last);
	up_release(&u);
}

static void test_a_new_session_that_fails_for_now_is_asked_again_later(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0}, other = {0};
	open_legacy(&u, "S1");
	accept_watch(&u, &look, "x://a");
	lose_session(&u, "S2");
	unsigned pause = 1000;
	for (unsigned i = 0; i < 3; i++) {
		hit_reply(await_request(&u, "resources/subscribe", "x://a"), 503, "", "");
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, pause / 2 - 50);
		peer_await_none(&u.peer, "resources/subscribe");
		clock_jump(&u.fixture, pause / 2 + 100);
		pause *= 2;
	}
	/* One who comes meanwhile need not wait. */
	hit_reply(await_request(&u, "resources/subscribe", "x://a"), 503, "", "");
	fixture_turn_for(&u.fixture, 20);
	look_start(&u, &other, "x://a");
	hit_result(await_request(&u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&other);
	assert_said(&u, UPDATED("x://a") "\n");
	look_release(&look);
	look_release(&other);
	up_release(&u);
}

static void test_a_watch_that_finds_the_session_gone_renews_it_once(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0};
	open_legacy(&u, "S1");
	look_start(&u, &look, "x://a");
	hit_reply(peer_await(&u.peer, "resources/subscribe"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", SUBSCRIBE_TOOLS);
	struct Hit *hit = await_request(&u, "resources/subscribe", "x://a");
	assert_header(hit, "Mcp-Session-Id", "S2");
	assert_int_equal(look.told, 0);
	hit_reply(hit, 404, "", "");
	assert_not_watched(&look, MUX_ERROR_UPSTREAM, "HTTP 404");
	peer_await_none(&u.peer, "initialize");
	look_release(&look);
	up_release(&u);
}

/* What changed while the stream was away was not told. */
static void test_a_stream_that_broke_may_have_missed_changes(void **state)
{
	(void)state;
	struct Up u;
	struct Look a = {0}, b = {0}, ended = {0};
	up_init(&u);
	up_open_legacy(&u, "S", SUBSCRIBE_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	hit_stream(get, "");
	accept_watch(&u, &a, "x://a");
	accept_watch(&u, &b, "x://b");
	accept_watch(&u, &ended, "x://e");
	look_end(&ended);
	hit_result(peer_await(&u.peer, "resources/unsubscribe"), "{}");
	hit_cut(get);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 1100);
	get = peer_await(&u.peer, "GET");
	assert_said(&u, "");
	hit_stream(get, "");
	up_await_messages(&u, 2);
	assert_said(&u, UPDATED("x://a") "\n" UPDATED("x://b") "\n");
	peer_await_none(&u.peer, "resources/subscribe"); /* the session knows of them */
	/* A server that ends its stream to be polled goes on where it was. */
	hit_bytes(get, "id: 7\nretry: 100\ndata:\n\n");
	hit_stream_end(get);
	fixture_turn_for(&u.fixture, 20);
	clock_jump(&u.fixture, 2100);
	get = peer_await(&u.peer, "GET");
	assert_header(get, "Last-Event-ID", "7");
	hit_stream(get, "");
	fixture_turn_for(&u.fixture, 20);
	assert_said(&u, "");
	look_release(&a);
	look_release(&b);
	look_release(&ended);
	up_release(&u);
}

/* ---- accounts ---- */

static void open_signed_in(struct Office *o)
{
	office_init(o, "auth = oauth");
	office_open_legacy(o, SUBSCRIBE_TOOLS);
	hit_reply(peer_await(&o->u.peer, "GET"), 405, "", "");
}

static void test_a_watch_waits_for_another_token(void **state)
{
	(void)state;
	struct Office o;
	struct Look a = {0}, b = {0};
	open_signed_in(&o);
	look_start(&o.u, &a, "x://a");
	look_start(&o.u, &b, "x://b");
	struct Hit *first = await_request(&o.u, "resources/subscribe", "x://a");
	struct Hit *second = await_request(&o.u, "resources/subscribe", "x://b");
	assert_bearer(first, "access-a");
	office_refuse(first);
	office_refuse(second);
	first = await_request(&o.u, "resources/subscribe", "x://a");
	second = await_request(&o.u, "resources/subscribe", "x://b");
	assert_bearer(first, "access-1");
	assert_bearer(second, "access-1");
	assert_int_equal(a.told + b.told, 0);
	hit_result(first, "{}");
	assert_watched(&a);
	office_refuse(second);
	assert_not_watched(&b, MUX_ERROR_SIGN_IN, "HTTP 401");
	assert_int_equal(office_requests(&o), 1);
	look_release(&a);
	look_release(&b);
	office_release(&o);
}

static void test_a_watch_for_which_no_token_can_be_had(void **state)
{
	(void)state;
	struct Office o;
	struct Look look = {0};
	open_signed_in(&o);
	oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
	look_start(&o.u, &look, "x://a");
	office_refuse(await_request(&o.u, "resources/subscribe", "x://a"));
	assert_not_watched(&look, MUX_ERROR_BUSY, "503");
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	look_release(&look);
	office_release(&o);
}

static void test_a_watch_that_refuses_every_token(void **state)
{
	(void)state;
	struct Office o;
	struct Look look = {0};
	open_signed_in(&o);
	o.d->a.server.access_token = "access-a"; /* again the one that was refused */
	look_start(&o.u, &look, "x://a");
	office_refuse(await_request(&o.u, "resources/subscribe", "x://a"));
	assert_not_watched(&look, MUX_ERROR_SIGN_IN, "refuses a new token");
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	look_release(&look);
	office_release(&o);
}

/* It is made again where somebody signs in anew. */
static void test_a_watch_outlives_a_sign_in(void **state)
{
	(void)state;
	struct Office o;
	struct Look look = {0}, later = {0};
	open_signed_in(&o);
	look_start(&o.u, &look, "x://a");
	hit_result(await_request(&o.u, "resources/subscribe", "x://a"), "{}");
	assert_watched(&look);
	desk_clear(o.d);
	office_notice(&o);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	look_start(&o.u, &later, "x://b");
	fixture_turn_for(&o.u.fixture, 20);
	assert_int_equal(later.told, 0);
	office_sign_in(&o, "g2", "access-b");
	office_notice(&o);
	up_serve_initialize(&o.u, "2025-11-25", "s2", SUBSCRIBE_TOOLS);
	struct Hit *hit = await_request(&o.u, "resources/subscribe", "x://a");
	assert_bearer(hit, "access-b");
	hit_result(hit, "{}");
	hit_result(await_request(&o.u, "resources/subscribe", "x://b"), "{}");
	assert_watched(&later);
	assert_said(&o.u, UPDATED("x://a") "\n");
	look_release(&look);
	look_release(&later);
	office_release(&o);
}

/* ---- HTTP+SSE ---- */

static void test_watches_over_the_older_transport(void **state)
{
	(void)state;
	struct Up u;
	struct Look look = {0};
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	sse_refuse_posts(&u, 404);
	struct Hit *stream = sse_serve_stream(&u);
	sse_serve_handshake(&u, stream, "2024-11-05", SUBSCRIBE_TOOLS);
	sse_serve_tools(&u, stream);
	up_await_settled(&u);
	look_start(&u, &look, "x://a");
	sse_answer(stream, sse_take(&u, "resources/subscribe"), "{}");
	assert_watched(&look);
	hit_event(stream, UPDATED("x://a"));
	up_await_messages(&u, 1);
	assert_said(&u, UPDATED("x://a") "\n");
	hit_cut(stream);
	up_await_state(&u, UPSTREAM_OPENING);
	clock_jump(&u.fixture, 1100);
	stream = sse_serve_stream(&u);
	sse_serve_handshake(&u, stream, "2024-11-05", SUBSCRIBE_TOOLS);
	sse_answer(stream, sse_take(&u, "resources/subscribe"), "{}");
	sse_serve_tools(&u, stream);
	up_await_messages(&u, 2);
	assert_said(&u, UPDATED("x://a") "\n");
	assert_null(peer_find(&u.peer, "GET"));
	look_end(&look);
	sse_answer(stream, sse_take(&u, "resources/unsubscribe"), "{}");
	look_release(&look);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_new_session_is_told_again),
		cmocka_unit_test(test_a_new_session_may_refuse_what_the_old_one_agreed_to),
		cmocka_unit_test(test_a_new_session_that_fails_for_now_is_asked_again_later),
		cmocka_unit_test(test_a_watch_that_finds_the_session_gone_renews_it_once),
		cmocka_unit_test(test_a_stream_that_broke_may_have_missed_changes),
		cmocka_unit_test(test_a_watch_waits_for_another_token),
		cmocka_unit_test(test_a_watch_for_which_no_token_can_be_had),
		cmocka_unit_test(test_a_watch_that_refuses_every_token),
		cmocka_unit_test(test_a_watch_outlives_a_sign_in),
		cmocka_unit_test(test_watches_over_the_older_transport),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
