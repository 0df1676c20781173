#include "account_fixture.h"

#define OAUTH "auth = oauth"

/* ---- opening ---- */

static void test_without_a_sign_in_the_server_is_not_asked(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_OPENING);
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_true(upstream_is_settled(o.u.up));
	fixture_turn_for(&o.u.fixture, 40);
	assert_int_equal(o.u.peer.arrived + o.u.tools, 0);
	office_release(&o);
}

static void test_a_later_sign_in_opens_it(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_notice(&o); /* before it is wanted */
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	office_sign_in(&o, "g1", "access-a");
	office_notice(&o);
	up_serve_discover(&o.u, QUIET_TOOLS);
	up_serve_tools(&o.u, ADD_TOOL);
	up_await_tools(&o.u, 1);
	up_await_settled(&o.u);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_a_sign_in_of_this_process_opens_it_at_once(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	g_autoptr(TokenRecord) record = desk_record(o.d, "g1", "access-a", NULL);
	upstream_signed_in(o.u.up, record);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_OPENING);
	struct Hit *hit = peer_await(&o.u.peer, "server/discover");
	assert_bearer(hit, "access-a");
	peer_await_none(&o.u.peer, "server/discover");
	office_release(&o);
}

static void test_a_locked_keyring_is_a_failure_that_passes(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	keyring_fixture_lock(o.d->a.bank);
	upstream_open(o.u.up, ERA_MODERN);
	assert_upstream(&o, UPSTREAM_FAILED, MUX_ERROR_LOCKED, "locked");
	keyring_fixture_unlock(o.d->a.bank);
	office_notice(&o);
	up_serve_discover(&o.u, QUIET_TOOLS);
	up_serve_tools(&o.u, ADD_TOOL);
	up_await_settled(&o.u);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_a_keyring_that_is_locked_later_is_said(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	upstream_open(o.u.up, ERA_MODERN);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	keyring_fixture_lock(o.d->a.bank);
	unsigned before = o.u.states;
	office_notice(&o);
	turn_until(&o.u.fixture, o.u.states, before + 1);
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_LOCKED, "locked");
	office_release(&o);
}

static void test_without_accounts_nobody_can_sign_in(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask = {0};
	up_init_with(&u, OAUTH);
	upstream_open(u.up, ERA_MODERN);
	assert_int_equal(upstream_state(u.up), UPSTREAM_SIGNED_OUT);
	ask_add(&u, &ask);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_SIGN_IN, "nobody has signed in");
	ask_release(&ask);
	assert_int_equal(u.peer.arrived, 0);
	up_release(&u);
}

static void test_a_token_that_is_refused_at_first(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_LEGACY);
	struct Hit *hit = peer_await(&o.u.peer, "initialize");
	assert_bearer(hit, "access-a");
	office_refuse(hit);
	hit = peer_await(&o.u.peer, "initialize");
	assert_bearer(hit, "access-1");
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_OPENING);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_server_that_refuses_every_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "wants a sign-in: HTTP 401");
	/* It is tried again with what there is, and without another renewal. */
	for (unsigned i = 0; i < 5; i++) {
		clock_jump(&o.u.fixture, BACKOFF_MS);
		struct Hit *hit = peer_await(&o.u.peer, "server/discover");
		assert_bearer(hit, "access-1");
		office_refuse(hit);
		up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	}
	assert_int_equal(office_requests(&o), 1);
	clock_jump(&o.u.fixture, BACKOFF_MS);
	up_serve_discover(&o.u, QUIET_TOOLS);
	up_serve_tools(&o.u, ADD_TOOL);
	up_await_settled(&o.u);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_a_server_that_forbids_may_change_its_mind(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	hit_reply(peer_await(&o.u.peer, "server/discover"), 403, "", "");
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_FORBIDDEN, "HTTP 403");
	clock_jump(&o.u.fixture, BACKOFF_MS);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_release(&o);
}

static void test_a_sign_in_that_ended_while_it_was_away(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	oauth_server_say_always(&o.d->a.server, TOKEN, 400, "", "{\"error\":\"invalid_grant\"}");
	upstream_open(o.u.up, ERA_MODERN);
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	clock_jump(&o.u.fixture, BACKOFF_MS);
	fixture_turn_for(&o.u.fixture, 40);
	assert_int_equal(o.u.peer.arrived, 1);
	office_sign_in(&o, "g2", "access-b");
	office_notice(&o);
	assert_bearer(peer_await(&o.u.peer, "server/discover"), "access-b");
	office_release(&o);
}

static void test_a_token_endpoint_that_fails_while_it_opens(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
	upstream_open(o.u.up, ERA_MODERN);
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	assert_upstream(&o, UPSTREAM_FAILED, MUX_ERROR_BUSY, "503");
	clock_jump(&o.u.fixture, BACKOFF_MS);
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	assert_bearer(peer_await(&o.u.peer, "server/discover"), "access-1");
	office_release(&o);
}

/* ---- what changes while it is open ---- */

static void test_a_sign_out_closes_it(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_open_legacy(&o, QUIET_TOOLS);
	unsigned tools = o.u.tools;
	desk_clear(o.d);
	office_notice(&o);
	struct Hit *hit = peer_await(&o.u.peer, "DELETE");
	assert_bearer(hit, "access-a");
	assert_header(hit, "Mcp-Session-Id", "s1");
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_null(upstream_tools(o.u.up));
	assert_int_equal(o.u.tools, tools + 1);
	office_release(&o);
}

static void test_where_a_sign_in_has_ended_the_tools_stay(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_legacy(&o, QUIET_TOOLS);
	oauth_server_say_always(&o.d->a.server, TOKEN, 400, "", "{\"error\":\"invalid_grant\"}");
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	assert_plea_failed(&plea, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_int_equal(plea.asked, 1);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_SIGNED_OUT);
	assert_non_null(upstream_tools(o.u.up));
	assert_int_equal(upstream_tools(o.u.up)->tools->len, 1);
	peer_await_none(&o.u.peer, "DELETE");
	/* A sign-out after that takes them away. */
	desk_clear(o.d);
	office_notice(&o);
	up_await_tools(&o.u, 2);
	assert_null(upstream_tools(o.u.up));
	office_release(&o);
}

static void test_another_account_has_another_session(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_open_legacy(&o, CHANGING_TOOLS);
	peer_await(&o.u.peer, "GET");
	office_sign_in(&o, "g2", "access-b");
	office_notice(&o);
	struct Hit *gone = peer_await(&o.u.peer, "DELETE");
	assert_bearer(gone, "access-a");
	assert_header(gone, "Mcp-Session-Id", "s1");
	struct Hit *hit = peer_await(&o.u.peer, "initialize");
	assert_bearer(hit, "access-b");
	assert_header(hit, "Mcp-Session-Id", NULL);
	peer_await_none(&o.u.peer, "initialize");
	office_release(&o);
}

static void test_another_account_while_it_opens(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_LEGACY);
	struct Hit *hit = peer_await(&o.u.peer, "initialize");
	hit_reply(hit, 200, "Mcp-Session-Id: s1\r\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-11-25\","
		"\"capabilities\":{}}}");
	peer_await(&o.u.peer, "notifications/initialized");
	office_sign_in(&o, "g2", "access-b");
	office_notice(&o);
	assert_header(peer_await(&o.u.peer, "DELETE"), "Mcp-Session-Id", "s1");
	assert_bearer(peer_await(&o.u.peer, "initialize"), "access-b");
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_OPENING);
	office_release(&o);
}

static void test_a_token_that_another_process_renewed(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	office_sign_in(&o, "g1", "access-b");
	office_notice(&o);
	fixture_turn_for(&o.u.fixture, 60);
	plea_start(&o, &plea);
	struct Hit *hit = peer_await(&o.u.peer, "tools/call");
	assert_bearer(hit, "access-b");
	hit_result(hit, "{\"content\":[]}");
	assert_plea_answered(&plea);
	peer_await_none(&o.u.peer, "server/discover");
	office_release(&o);
}

static void test_a_token_that_came_while_the_old_one_was_probed(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	struct Hit *hit = peer_await(&o.u.peer, "server/discover");
	office_sign_in(&o, "g1", "access-b");
	office_notice(&o);
	fixture_turn_for(&o.u.fixture, 60);
	office_refuse(hit);
	hit = peer_await(&o.u.peer, "server/discover");
	assert_bearer(hit, "access-b");
	assert_int_equal(office_requests(&o), 0);
	office_refuse(hit);
	assert_bearer(peer_await(&o.u.peer, "server/discover"), "access-1");
	office_release(&o);
}

/* ---- tools and stream ---- */

static void test_a_list_that_is_refused_is_fetched_with_another_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_refuse(peer_await(&o.u.peer, "tools/list"));
	struct Hit *hit = peer_await(&o.u.peer, "tools/list");
	assert_bearer(hit, "access-1");
	assert_false(upstream_is_settled(o.u.up));
	hit_result(hit, "{\"tools\":[" ADD_TOOL "]}");
	up_await_tools(&o.u, 1);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_list_for_which_no_token_can_be_had_is_tried_later(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	up_serve_discover(&o.u, QUIET_TOOLS);
	for (unsigned i = 0; i < 2; i++) {
		oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
		struct Hit *hit = peer_await(&o.u.peer, "tools/list");
		unsigned before = o.u.states;
		office_refuse(hit);
		turn_until(&o.u.fixture, o.u.states, before + 1);
		assert_upstream(&o, UPSTREAM_READY, MUX_ERROR_BUSY, "could not be fetched: ");
		clock_jump(&o.u.fixture, 6000);
	}
	office_refuse(peer_await(&o.u.peer, "tools/list"));
	up_serve_tools(&o.u, ADD_TOOL);
	up_await_tools(&o.u, 1);
	assert_null(upstream_error(o.u.up));
	office_release(&o);
}

static void test_a_list_that_wants_more_scope(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_want_scope(peer_await(&o.u.peer, "tools/list"));
	up_await_settled(&o.u);
	assert_upstream(&o, UPSTREAM_READY, MUX_ERROR_SCOPE, "more permissions than the sign-in");
	const struct Credential *credential = upstream_credential(o.u.up);
	assert_string_equal(credential_record(credential)->scope_wanted, "write");
	office_release(&o);
}

static void test_a_stream_that_is_refused_opens_with_the_next_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_open_legacy(&o, CHANGING_TOOLS);
	oauth_server_say(&o.d->a.server, TOKEN, OAUTH_SILENT, "", "");
	office_refuse(peer_await(&o.u.peer, "GET"));
	struct OauthHit *request = office_await_request(&o, 1);
	/* However long that takes. */
	clock_jump(&o.u.fixture, 20000);
	peer_await_none(&o.u.peer, "GET");
	oauth_hit_serve(request);
	struct Hit *hit = peer_await(&o.u.peer, "GET");
	assert_bearer(hit, "access-1");
	hit_stream(hit, "");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
	up_let_time_pass(&o.u);
	assert_bearer(peer_await(&o.u.peer, "tools/list"), "access-1");
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_a_stream_that_refuses_every_token_is_given_up(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_LEGACY);
	office_refuse(peer_await(&o.u.peer, "initialize"));
	up_serve_initialize(&o.u, "2025-11-25", "s1", CHANGING_TOOLS);
	up_serve_tools(&o.u, ADD_TOOL);
	up_await_settled(&o.u);
	for (unsigned i = 0; i < 2; i++) {
		struct Hit *hit = peer_await(&o.u.peer, "GET");
		assert_bearer(hit, "access-1");
		office_refuse(hit);
		fixture_turn_for(&o.u.fixture, 40);
		clock_jump(&o.u.fixture, BACKOFF_MS);
	}
	peer_await_none(&o.u.peer, "GET");
	assert_int_equal(office_requests(&o), 1);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_a_server_that_gives_the_refused_token_again(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	o.d->a.server.access_token = "access-a";
	upstream_open(o.u.up, ERA_MODERN);
	office_refuse(peer_await(&o.u.peer, "server/discover"));
	assert_upstream(&o, UPSTREAM_SIGNED_OUT, MUX_ERROR_SIGN_IN, "refuses a new token");
	clock_jump(&o.u.fixture, BACKOFF_MS);
	up_serve_discover(&o.u, QUIET_TOOLS);
	office_release(&o);
}

static void test_a_stream_for_which_no_token_can_be_had_is_tried_later(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_open_legacy(&o, CHANGING_TOOLS);
	for (unsigned i = 0; i < 2; i++) {
		oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
		office_refuse(peer_await(&o.u.peer, "GET"));
		office_await_request(&o, i + 1);
		fixture_turn_for(&o.u.fixture, 60);
		clock_jump(&o.u.fixture, 6000);
	}
	office_refuse(peer_await(&o.u.peer, "GET"));
	assert_bearer(peer_await(&o.u.peer, "GET"), "access-1");
	office_release(&o);
}

/* ---- ends ---- */

static void test_shutdown_while_it_waits_for_a_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, OAUTH);
	office_sign_in(&o, "g1", "access-a");
	upstream_open(o.u.up, ERA_MODERN);
	unsigned states = o.u.states;
	upstream_shutdown(o.u.up);
	assert_true(upstream_is_quiet(o.u.up));
	fixture_turn_for(&o.u.fixture, 60);
	assert_int_equal(o.u.peer.arrived, 0);
	assert_int_equal(o.u.states, states);
	office_release(&o);
}

/* There might not be the time to hear its answer. */
static void test_shutdown_sends_no_request_for_tokens(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	gint64 holder;
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	g_autofree char *path = credential_lock_path(&o.d->a.connector);
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	fixture_turn_for(&o.u.fixture, 60);
	upstream_shutdown(o.u.up);
	assert_true(upstream_is_quiet(o.u.up));
	file_unlock(lock);
	fixture_turn_for(&o.u.fixture, 100);
	assert_int_equal(office_requests(&o), 0);
	office_release(&o);
}

static void test_shutdown_waits_for_new_tokens_to_be_stored(void **state)
{
	(void)state;
	struct Office o;
	struct Plea plea = {0};
	office_init(&o, OAUTH);
	office_open_modern(&o, QUIET_TOOLS);
	oauth_server_say(&o.d->a.server, TOKEN, OAUTH_SILENT, "", "");
	plea_start(&o, &plea);
	office_refuse(peer_await(&o.u.peer, "tools/call"));
	struct OauthHit *request = office_await_request(&o, 1);
	unsigned states = o.u.states;
	upstream_shutdown(o.u.up);
	assert_false(upstream_is_quiet(o.u.up));
	oauth_hit_serve(request);
	for (unsigned i = 0; i < 200 && !upstream_is_quiet(o.u.up); i++)
		fixture_turn_for(&o.u.fixture, 10);
	assert_true(upstream_is_quiet(o.u.up));
	assert_stored(o.d, "access-1", "refresh-1");
	assert_int_equal(o.u.states, states);
	peer_await_none(&o.u.peer, "tools/call");
	office_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_sign_in_the_server_is_not_asked),
		cmocka_unit_test(test_a_later_sign_in_opens_it),
		cmocka_unit_test(test_a_sign_in_of_this_process_opens_it_at_once),
		cmocka_unit_test(test_a_locked_keyring_is_a_failure_that_passes),
		cmocka_unit_test(test_a_keyring_that_is_locked_later_is_said),
		cmocka_unit_test(test_without_accounts_nobody_can_sign_in),
		cmocka_unit_test(test_a_token_that_is_refused_at_first),
		cmocka_unit_test(test_a_server_that_refuses_every_token),
		cmocka_unit_test(test_a_server_that_forbids_may_change_its_mind),
		cmocka_unit_test(test_a_sign_in_that_ended_while_it_was_away),
		cmocka_unit_test(test_a_token_endpoint_that_fails_while_it_opens),
		cmocka_unit_test(test_a_sign_out_closes_it),
		cmocka_unit_test(test_where_a_sign_in_has_ended_the_tools_stay),
		cmocka_unit_test(test_another_account_has_another_session),
		cmocka_unit_test(test_another_account_while_it_opens),
		cmocka_unit_test(test_a_token_that_another_process_renewed),
		cmocka_unit_test(test_a_token_that_came_while_the_old_one_was_probed),
		cmocka_unit_test(test_a_list_that_is_refused_is_fetched_with_another_token),
		cmocka_unit_test(test_a_list_for_which_no_token_can_be_had_is_tried_later),
		cmocka_unit_test(test_a_list_that_wants_more_scope),
		cmocka_unit_test(test_a_stream_that_is_refused_opens_with_the_next_token),
		cmocka_unit_test(test_a_stream_that_refuses_every_token_is_given_up),
		cmocka_unit_test(test_a_server_that_gives_the_refused_token_again),
		cmocka_unit_test(test_a_stream_for_which_no_token_can_be_had_is_tried_later),
		cmocka_unit_test(test_shutdown_while_it_waits_for_a_token),
		cmocka_unit_test(test_shutdown_sends_no_request_for_tokens),
		cmocka_unit_test(test_shutdown_waits_for_new_tokens_to_be_stored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
