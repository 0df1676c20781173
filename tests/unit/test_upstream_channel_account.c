/* The HTTP+SSE transport where a sign-in is needed: refused tokens on the stream and at the endpoint, and sign-ins that change
 * while the channel is open. */
#include "account_fixture.h"
#include "channel_fixture.h"

#define OAUTH "auth = oauth"

static struct Hit *office_open_channel(struct Office *o)
{
	office_init(o, OAUTH);
	office_sign_in(o, "g1", "access-a");
	return sse_open(&o->u);
}

static void test_every_request_bears_the_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	sse_refuse_posts(&o.u, 405);
	struct Hit *stream = sse_serve_stream(&o.u);
	assert_bearer(stream, "access-a");
	struct Hit *hit = sse_take(&o.u, "initialize");
	assert_bearer(hit, "access-a");
	sse_answer(stream, hit, "{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}");
	assert_bearer(sse_take(&o.u, "notifications/initialized"), "access-a");
	up_await_state(&o.u, UPSTREAM_READY);
	office_release(&o);
}

static void test_a_get_that_is_refused_goes_out_with_another_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_LEGACY);
	sse_refuse_posts(&o.u, 404);
	office_refuse(sse_await_get(&o.u));
	sse_refuse_posts(&o.u, 404);
	struct Hit *stream = sse_serve_stream(&o.u);
	assert_bearer(stream, "access-1");
	/* So does the handshake on it. */
	hit_reply(sse_await_post(&o.u, "initialize"), 500, "", "");
	assert_upstream(&o, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM, "HTTP 500");
	clock_jump(&o.u.fixture, 6000); /* the last renewal was not just now */
	stream = sse_serve_stream(&o.u);
	office_refuse(sse_await_post(&o.u, "initialize"));
	hit_await_close(stream);
	assert_bearer(sse_serve_opening(&o.u), "access-2");
	assert_int_equal(office_requests(&o), 2);
	office_release(&o);
}

static void test_a_get_that_refuses_every_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_LEGACY);
	for (unsigned i = 0; i < 2; i++) {
		sse_refuse_posts(&o.u, 404);
		office_refuse(sse_await_get(&o.u));
	}
	assert_upstream(
		&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "the server wants a sign-in: HTTP 401");
	office_release(&o);
}

static void test_a_call_is_repeated_with_another_token(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	struct Hit *stream = office_open_channel(&o);
	plea_start(&o, &plea);
	office_refuse(sse_await_post(&o.u, "tools/call"));
	struct Hit *hit = sse_take(&o.u, "tools/call");
	assert_bearer(hit, "access-1");
	sse_answer(stream, hit, "{\"content\":[]}");
	assert_plea_answered(&plea);
	/* The stream is the same. */
	peer_await_none(&o.u.peer, "GET");
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_call_that_wants_more_scope_asks_a_person(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_open_channel(&o);
	plea_start(&o, &plea);
	office_want_scope(sse_await_post(&o.u, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SCOPE, "more permissions");
	assert_int_equal(plea.asked, 1);
	office_release(&o);
}

/* Calls whose answers cannot come any more are told so. */
static void test_a_sign_out_closes_the_channel(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	struct Hit *stream = office_open_channel(&o);
	plea_start(&o, &plea);
	sse_take(&o.u, "tools/call");
	desk_clear(o.d);
	office_notice(&o);
	hit_await_close(stream);
	assert_plea_failed(&plea, MUX_ERROR_BROKEN, "the connection to the server was closed");
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_null(peer_find(&o.u.peer, "DELETE"));
	office_release(&o);
}

static void test_another_account_has_another_channel(void **state)
{
	(void)state;
	struct Office o;
	struct Hit *stream = office_open_channel(&o);
	office_sign_in(&o, "g2", "access-b");
	office_notice(&o);
	hit_await_close(stream);
	stream = sse_serve_stream(&o.u);
	assert_bearer(stream, "access-b");
	sse_serve_handshake(&o.u, stream, "2024-11-05", QUIET_TOOLS);
	sse_serve_tools(&o.u, stream);
	up_await_settled(&o.u);
	/* While it is being opened, too. */
	office_sign_in(&o, "g3", "access-c");
	office_notice(&o);
	stream = sse_await_get(&o.u);
	assert_bearer(stream, "access-c");
	office_sign_in(&o, "g4", "access-d");
	office_notice(&o);
	hit_await_close(stream);
	assert_bearer(sse_serve_opening(&o.u), "access-d");
	office_release(&o);
}

/* It neither disturbs an opening that is under way nor waits for the end of a pause. */
static void test_a_token_that_is_renewed_elsewhere(void **state)
{
	(void)state;
	struct Office o;
	struct Hit *stream = office_open_channel(&o);
	clock_jump(&o.u.fixture, 11 * 1000);
	unsigned states = o.u.states;
	hit_stream_end(stream);
	turn_until(&o.u.fixture, o.u.states, states + 1);
	office_sign_in(&o, "g1", "access-b");
	office_notice(&o);
	stream = sse_await_get(&o.u);
	assert_bearer(stream, "access-b");
	office_sign_in(&o, "g1", "access-c");
	office_notice(&o);
	peer_await_none(&o.u.peer, "GET");
	hit_stream(stream, "");
	hit_bytes(stream, ENDPOINT);
	struct Hit *hit = sse_take(&o.u, "initialize");
	assert_bearer(hit, "access-c");
	sse_answer(stream, hit, "{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}");
	sse_take(&o.u, "notifications/initialized");
	up_await_state(&o.u, UPSTREAM_READY);
	clock_jump(&o.u.fixture, 2000);
	peer_await_none(&o.u.peer, "GET");
	office_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_request_bears_the_token),
		cmocka_unit_test(test_a_get_that_is_refused_goes_out_with_another_token),
		cmocka_unit_test(test_a_get_that_refuses_every_token),
		cmocka_unit_test(test_a_call_is_repeated_with_another_token),
		cmocka_unit_test(test_a_call_that_wants_more_scope_asks_a_person),
		cmocka_unit_test(test_a_sign_out_closes_the_channel),
		cmocka_unit_test(test_another_account_has_another_channel),
		cmocka_unit_test(test_a_token_that_is_renewed_elsewhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
