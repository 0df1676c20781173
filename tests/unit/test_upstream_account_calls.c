#include "account_fixture.h"

#define OAUTH "auth = oauth"

/* ---- every request carries the token ---- */

static void assert_all_bear(struct Office *o, const char *label, const char *wanted)
{
	unsigned found = 0;
	for (guint i = 0; i < o->u.peer.all->len; i++) {
		const struct Hit *hit = o->u.peer.all->pdata[i];
		if (strcmp(hit->label, label) != 0)
			continue;
		found++;
		assert_header(hit, "Authorization", wanted);
	}
	if (found == 0)
		fail_msg("no %s came", label);
}

static void test_every_request_of_the_legacy_era(void **state)
{
	(void)state;
	struct Office o;
	struct Plea one = {0}, two = {0};
	office_init(&o, OAUTH);
	office_open_legacy(&o, CHANGING_TOOLS);
	struct Hit *stream = peer_await(&o.u.peer, "GET");
	hit_stream(stream, "");
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\"}");
	peer_await(&o.u.peer, "answer");
	plea_start(&o, &one);
	office_serve_call(&o);
	assert_plea_answered(&one);
	plea_start(&o, &two);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	upstream_call_cancel(two.ask.call);
	hit_reply(peer_await(&o.u.peer, "notifications/cancelled"), 202, "", "");
	(void)hit;
	upstream_shutdown(o.u.up);
	peer_await(&o.u.peer, "DELETE");
	static const char *const labels[] = {"initialize", "notifications/initialized",
		"tools/list", "GET", "answer", "tools/call", "notifications/cancelled", "DELETE"};
	for (unsigned i = 0; i < G_N_ELEMENTS(labels); i++)
		assert_all_bear(&o, labels[i], "Bearer access-a");
	office_release(&o);
}

static void test_every_request_of_the_modern_era(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, CHANGING_TOOLS);
	peer_await(&o.u.peer, "subscriptions/listen");
	plea_start(&o, &plea);
	office_serve_call(&o);
	assert_plea_answered(&plea);
	static const char *const labels[] = {
		"server/discover", "tools/list", "subscriptions/listen", "tools/call"};
	for (unsigned i = 0; i < G_N_ELEMENTS(labels); i++)
		assert_all_bear(&o, labels[i], "Bearer access-a");
	office_release(&o);
}

static void test_a_key_in_a_header_of_its_own(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, "auth = api-key\napi_key_header = X-Key\napi_key_prefix = \"Token \"");
	desk_put_tokens(o.d, "g1", "key-a", NULL);
	up_open_modern(&o.u, QUIET_TOOLS, ADD_TOOL);
	plea_start(&o, &plea);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_header(hit, "X-Key", "Token key-a");
	assert_header(hit, "Authorization", NULL);
	office_refuse(hit);
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "the server refuses the key");
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_SIGNED_OUT);
	office_release(&o);
}

static void test_a_key_that_is_to_be_proved(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, "auth = api-key");
	g_autoptr(Secret) key = secret_new(SLICE("key-x"));
	upstream_set_credential(
		o.u.up, credential_new_fixed(&o.d->a.shared, &o.d->a.connector, key));
	upstream_open(o.u.up, ERA_MODERN);
	struct Hit *hit = peer_await(&o.u.peer, "server/discover");
	assert_bearer(hit, "key-x");
	office_refuse(hit);
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "the server refuses the key");
	office_release(&o);
}

/* ---- 401 ---- */

static void test_a_refused_call_is_repeated_with_another_token(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-1");
	assert_header(hit, "Mcp-Name", "add");
	hit_result(hit, "{\"content\":[]}");
	assert_plea_answered(&plea);
	assert_int_equal(plea.asked, 0);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_hundred_refused_calls_cost_one_renewal(void **state)
{
	(void)state;
	struct Office o;
	static struct Plea pleas[100];
	struct Hit *hits[G_N_ELEMENTS(pleas)];
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	for (unsigned i = 0; i < G_N_ELEMENTS(pleas); i++)
		plea_start(&o, &pleas[i]);
	for (unsigned i = 0; i < G_N_ELEMENTS(pleas); i++)
		hits[i] = peer_await(&o.u.peer, "tools/call");
	/* Half of them while the token is renewed, the others after it. */
	for (unsigned i = 0; i < G_N_ELEMENTS(pleas) / 2; i++)
		office_refuse(hits[i]);
	for (unsigned i = 0; i < G_N_ELEMENTS(pleas) / 2; i++)
		office_serve_call(&o);
	for (unsigned i = G_N_ELEMENTS(pleas) / 2; i < G_N_ELEMENTS(pleas); i++)
		office_refuse(hits[i]);
	for (unsigned i = G_N_ELEMENTS(pleas) / 2; i < G_N_ELEMENTS(pleas); i++)
		office_serve_call(&o);
	for (unsigned i = 0; i < G_N_ELEMENTS(pleas); i++)
		assert_plea_answered(&pleas[i]);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

/* Whatever is refused late was refused with the old token. */
static void test_late_refusals_of_an_old_token(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, CHANGING_TOOLS);
	struct Hit *stream = peer_await(&o.u.peer, "subscriptions/listen");
	plea_start(&o, &plea);
	struct Hit *call = peer_await(&o.u.peer, "tools/call");
	upstream_refresh(o.u.up, MCP_TOOLS);
	struct Hit *list = peer_await(&o.u.peer, "tools/list");
	office_refuse(call);
	office_serve_call(&o);
	assert_plea_answered(&plea);
	office_refuse(list);
	assert_bearer(peer_await(&o.u.peer, "tools/list"), "access-1");
	office_refuse(stream);
	assert_bearer(peer_await(&o.u.peer, "subscriptions/listen"), "access-1");
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_keyring_that_was_read_again_changes_nothing(void **state)
{
	(void)state;
	struct Office o;
	struct Plea one = {0}, two = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &one);
	struct Hit *first = peer_await(&o.u.peer, "tools/call");
	office_notice(&o);
	fixture_turn_for(&o.u.fixture, 60);
	plea_start(&o, &two);
	struct Hit *second = peer_await(&o.u.peer, "tools/call");
	/* Both went out with the same token. */
	office_refuse(first);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-1");
	hit_result(hit, "{\"content\":[]}");
	assert_plea_answered(&one);
	office_refuse(second);
	office_serve_call(&o);
	assert_plea_answered(&two);
	assert_int_equal(one.asked + two.asked, 0);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_call_that_is_refused_twice_asks_a_person(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "HTTP 401");
	assert_int_equal(plea.asked, 1);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

/* As a server does that says 401 where 403 is meant. */
static void test_a_tool_that_refuses_every_token_takes_no_others_away(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_legacy(&o, CHANGING_TOOLS);
	hit_stream(peer_await(&o.u.peer, "GET"), "");
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "HTTP 401");
	plea = (struct Plea){0};
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "the server refuses a new token");
	assert_int_equal(plea.asked, 1);
	plea = (struct Plea){0};
	plea_start(&o, &plea);
	office_serve_call(&o);
	assert_plea_answered(&plea);
	assert_int_equal(office_requests(&o), 1);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_a_renewal_that_fails_is_told_and_costs_no_login(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_BUSY, "503");
	assert_int_equal(plea.asked, 0);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	clock_jump(&o.u.fixture, 5000);
	plea = (struct Plea){0};
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	office_serve_call(&o);
	assert_plea_answered(&plea);
	office_release(&o);
}

static void test_calls_in_flight_at_the_end_of_a_sign_in_ask_at_once(void **state)
{
	(void)state;
	struct Office o;
	struct Plea one = {0}, two = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	oauth_server_say_always(&o.d->a.server, TOKEN, 400, "", "{\"error\":\"invalid_grant\"}");
	plea_start(&o, &one);
	plea_start(&o, &two);
	struct Hit *first = peer_await(&o.u.peer, "tools/call");
	struct Hit *second = peer_await(&o.u.peer, "tools/call");
	office_refuse(first);
	assert_plea_failed(&one, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	office_refuse(second);
	assert_plea_failed(&two, MUX_ERROR_SIGN_IN, "HTTP 401");
	assert_int_equal(one.asked + two.asked, 2);
	office_release(&o);
}

/* ---- tokens near their end ---- */

static void test_a_call_waits_for_the_renewal_of_an_ending_token(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	wall_now += 3570;
	plea_start(&o, &plea);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-1");
	hit_result(hit, "{\"content\":[]}");
	assert_plea_answered(&plea);
	office_release(&o);
}

static void test_calls_go_out_with_an_ending_token_where_no_other_can_be_had(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea;
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	oauth_server_say_always(&o.d->a.server, TOKEN, 503, "", "");
	wall_now += 3570;
	for (unsigned i = 0; i < 5; i++) {
		plea = (struct Plea){0};
		plea_start(&o, &plea);
		struct Hit *hit = peer_await(&o.u.peer, "tools/call");
		assert_bearer(hit, "access-a");
		hit_result(hit, "{\"content\":[]}");
		assert_plea_answered(&plea);
	}
	assert_int_equal(office_requests(&o), 1);
	wall_now += 30;
	plea = (struct Plea){0};
	plea_start(&o, &plea);
	assert_plea_failed(&plea, MUX_ERROR_BUSY, "503");
	assert_int_equal(plea.asked, 0);
	office_release(&o);
}

/* ---- a person is asked ---- */

static void test_a_call_waits_for_a_person(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	plea_start(&o, &plea);
	plea_await_asked(&plea, 1);
	assert_words(plea.why, MUX_ERROR_SIGN_IN, "nobody has signed in");
	/* Its own clock stands still. */
	clock_jump(&o.u.fixture, 10 * 60 * 1000);
	assert_int_equal(plea.ask.ended, 0);
	office_sign_in(&o, "g1", "access-a");
	office_notice(&o);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_serve_call(&o);
	assert_plea_answered(&plea);
	assert_int_equal(plea.asked, 1);
	office_release(&o);
}

static void test_a_call_for_which_nobody_is_asked_fails(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	struct Ask ask = {0};
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	plea_start(&o, &plea);
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_int_equal(plea.asked, 1);
	ask_add(&o.u, &ask); /* without that handler */
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_SIGN_IN, "nobody has signed in");
	ask_release(&ask);
	office_release(&o);
}

static void test_a_call_that_waits_for_a_person_can_be_cancelled(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH);
	office_open_legacy(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	plea_await_asked(&plea, 1);
	upstream_call_cancel(plea.ask.call);
	plea_release(&plea);
	/* The server knows nothing of it any more. */
	peer_await_none(&o.u.peer, "notifications/cancelled");
	assert_int_equal(plea.ask.ended, 0);
	office_release(&o);
}

static void test_a_sign_in_of_which_no_notice_came_is_found_by_a_call(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	office_sign_in(&o, "g1", "access-a");
	plea_start(&o, &plea);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_serve_call(&o);
	assert_plea_answered(&plea);
	assert_int_equal(plea.asked, 0);
	office_release(&o);
}

/* ---- more permissions ---- */

static void answer_and_sign_in(struct Office *o, const char *grant, const char *access)
{
	office_sign_in(o, grant, access);
	office_notice(o);
	up_serve_discover(&o->u, QUIET_TOOLS);
	up_serve_tools(&o->u, ADD_TOOL);
}

static void test_more_permissions_are_asked_for_twice_at_most(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	plea_await_asked(&plea, 1);
	assert_words(plea.why, MUX_ERROR_SCOPE, "more permissions than the sign-in has: write");
	const struct Credential *credential = upstream_credential(o.u.up);
	assert_string_equal(credential_record(credential)->scope_wanted, "write");
	assert_string_equal(credential_challenge(credential)->scope, "write");
	answer_and_sign_in(&o, "g2", "access-b");
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-b");
	office_want_scope(hit);
	plea_await_asked(&plea, 2);
	answer_and_sign_in(&o, "g3", "access-c");
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SCOPE, "more permissions");
	assert_int_equal(plea.asked, 2);
	office_release(&o);
}

/* A person who has just said yes must not be asked again for what the sign-in before lacked. */
static void test_a_call_that_a_newer_sign_in_overtakes_goes_out_again(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	struct Hit *late = peer_await(&o.u.peer, "tools/call");
	assert_bearer(late, "access-a");
	answer_and_sign_in(&o, "g2", "access-b");
	office_want_scope(late);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-b");
	assert_int_equal(plea.asked, 0);
	office_want_scope(hit);
	plea_await_asked(&plea, 1);
	upstream_call_cancel(plea.ask.call);
	plea_release(&plea);
	office_release(&o);
}

static void test_a_renewed_session_gives_no_more_permissions(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true}, other = {0};
	office_init(&o, OAUTH);
	office_open_legacy(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	plea_await_asked(&plea, 1);
	plea_start(&o, &other);
	hit_reply(peer_await(&o.u.peer, "tools/call"), 404, "", "");
	up_serve_initialize(&o.u, "2025-11-25", "s2", QUIET_TOOLS);
	office_serve_call(&o);
	assert_plea_answered(&other);
	peer_await_none(&o.u.peer, "tools/call");
	assert_int_equal(plea.asked, 1);
	assert_int_equal(plea.ask.ended, 0);
	upstream_call_cancel(plea.ask.call);
	plea_release(&plea);
	office_release(&o);
}

static void test_what_the_configuration_does_not_allow_is_not_asked_for(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH "\nscope = read list");
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_FORBIDDEN, "`scope` in the configuration");
	assert_int_equal(plea.asked, 0);
	office_release(&o);
}

static void test_a_403_for_another_reason(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {.will_wait = true};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	plea_start(&o, &plea);
	hit_reply(peer_await(&o.u.peer, "tools/call"), 403,
		"WWW-Authenticate: Bearer error=\"invalid_request\"\r\n", "");
	assert_plea_failed(&plea, MUX_ERROR_FORBIDDEN, "HTTP 403");
	assert_int_equal(plea.asked, 0);
	office_release(&o);
}

static void test_freed_while_calls_wait(void **state)
{
	(void)state;
	struct Office o;
	struct Plea one = {.will_wait = true}, two = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	oauth_server_say(&o.d->a.server, TOKEN, OAUTH_SILENT, "", "");
	plea_start(&o, &one);
	office_want_scope(peer_await(&o.u.peer, "tools/call"));
	plea_await_asked(&one, 1);
	plea_start(&o, &two);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	office_await_request(&o, 1);
	plea_release(&one);
	office_release(&o);
	assert_int_equal(one.ask.ended + two.ask.ended, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_request_of_the_legacy_era),
		cmocka_unit_test(test_every_request_of_the_modern_era),
		cmocka_unit_test(test_a_key_in_a_header_of_its_own),
		cmocka_unit_test(test_a_key_that_is_to_be_proved),
		cmocka_unit_test(test_a_refused_call_is_repeated_with_another_token),
		cmocka_unit_test(test_a_hundred_refused_calls_cost_one_renewal),
		cmocka_unit_test(test_late_refusals_of_an_old_token),
		cmocka_unit_test(test_a_keyring_that_was_read_again_changes_nothing),
		cmocka_unit_test(test_a_call_that_is_refused_twice_asks_a_person),
		cmocka_unit_test(test_a_tool_that_refuses_every_token_takes_no_others_away),
		cmocka_unit_test(test_a_renewal_that_fails_is_told_and_costs_no_login),
		cmocka_unit_test(test_calls_in_flight_at_the_end_of_a_sign_in_ask_at_once),
		cmocka_unit_test(test_a_call_waits_for_the_renewal_of_an_ending_token),
		cmocka_unit_test(test_calls_go_out_with_an_ending_token_where_no_other_can_be_had),
		cmocka_unit_test(test_a_call_waits_for_a_person),
		cmocka_unit_test(test_a_call_for_which_nobody_is_asked_fails),
		cmocka_unit_test(test_a_call_that_waits_for_a_person_can_be_cancelled),
		cmocka_unit_test(test_a_sign_in_of_which_no_notice_came_is_found_by_a_call),
		cmocka_unit_test(test_more_permissions_are_asked_for_twice_at_most),
		cmocka_unit_test(test_a_call_that_a_newer_sign_in_overtakes_goes_out_again),
		cmocka_unit_test(test_a_renewed_session_gives_no_more_permissions),
		cmocka_unit_test(test_what_the_configuration_does_not_allow_is_not_asked_for),
		cmocka_unit_test(test_a_403_for_another_reason),
		cmocka_unit_test(test_freed_while_calls_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
