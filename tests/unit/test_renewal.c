#include "credential_fixture.h"

/* Signed in with "access-a" and "refresh-a", and read. */
static void sign_in(struct Desk *d)
{
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
}

/* Its token has 30 s left. */
static void sign_in_ending(struct Desk *d)
{
	sign_in(d);
	wall_now += 3570;
}

static unsigned requests(const struct Desk *d)
{
	return oauth_server_count(&d->a.server, TOKEN);
}

static struct OauthHit *await_request(struct Desk *d, unsigned count)
{
	return oauth_server_await(&d->a.server, &d->a.fixture, TOKEN, count);
}

/* ---- the ordinary course ---- */

static void test_a_refused_token_is_renewed(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	wall_now += 10;
	d->a.server.granted_scope = "read";
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	assert_param(hit, "grant_type", "refresh_token");
	assert_param(hit, "refresh_token", "refresh-a");
	assert_param(hit, "client_id", "app");
	assert_param(hit, "resource", d->a.server.url);
	assert_param(hit, "scope", NULL);
	assert_got(&w, "access-1");
	assert_holds(d, "access-1");
	assert_int_equal(d->changes, 2);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "access-1");
	assert_secret(stored->refresh_token, "refresh-1");
	assert_string_equal(stored->grant, "g1");
	assert_string_equal(stored->scope_granted, "read");
	assert_int_equal(stored->issued_at, NOW + 10);
	assert_int_equal(stored->expires_at, NOW + 10 + 3600);
	assert_false(desk_is_locked(d));
	assert_false(credential_is_renewing(d->credential));
	g_autofree char *stamp = g_build_filename(d->folder, "mcp-mux", "stamp", NULL);
	assert_true(g_file_test(stamp, G_FILE_TEST_EXISTS));
}

static void check_stored(struct Want *w)
{
	struct Desk *d = w->desk;
	assert_false(desk_is_locked(d));
	assert_holds(d, "access-1");
}

static void test_a_new_token_is_stored_before_it_is_used(void **state)
{
	struct Desk *d = *state;
	struct Want w = {.on_end = check_stored};
	sign_in(d);
	keyring_fixture_stop(d->a.bank);
	want_refused(d, &w, "access-a");
	fixture_turn_for(&d->a.fixture, 40);
	keyring_fixture_continue(d->a.bank);
	await_request(d, 1);
	keyring_fixture_stop(d->a.bank);
	assert_true(credential_is_renewing(d->credential));
	fixture_turn_for(&d->a.fixture, 100);
	assert_int_equal(w.ended, 0);
	assert_true(desk_is_locked(d));
	assert_holds(d, "access-a");
	keyring_fixture_continue(d->a.bank);
	assert_got(&w, "access-1");
	assert_stored(d, "access-1", "refresh-1");
}

static void test_without_a_new_refresh_token_the_old_one_stays(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	d->a.server.refresh_tokens = false;
	d->a.server.rotates = false;
	desk_refused(d, "access-a", "access-1");
	assert_stored(d, "access-1", "refresh-a");
}

static void test_a_token_near_its_end_is_renewed_at_its_next_use(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	wall_now += 3539;
	desk_get(d, "access-a");
	wall_now++;
	fixture_turn_for(&d->a.fixture, 20);
	assert_int_equal(requests(d), 0);
	desk_get(d, "access-1");
	desk_get(d, "access-1");
	assert_int_equal(requests(d), 1);
}

static void test_many_who_wait_cost_one_request(void **state)
{
	struct Desk *d = *state;
	struct Want wants[100] = {0};
	sign_in(d);
	for (unsigned i = 0; i < G_N_ELEMENTS(wants); i++) {
		if (i % 2)
			want_refused(d, &wants[i], "access-a");
		else
			want_get(d, &wants[i]);
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(wants); i++)
		assert_got(&wants[i], i % 2 ? "access-1" : "access-a");
	/* Those who hear of it late. */
	desk_refused(d, "access-a", "access-1");
	assert_int_equal(requests(d), 1);
}

static void test_the_challenge_is_remembered(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	assert_null(credential_challenge(d->credential));
	g_autoptr(Secret) token = secret_new(SLICE("access-a"));
	g_autoptr(Challenge) challenge = challenge_parse("Bearer scope=\"read\"");
	w.desk = d;
	w.wait = credential_refused(d->credential, token, challenge, want_on_got, &w);
	assert_got(&w, "access-1");
	desk_refused(d, "access-a", "access-1");
	assert_string_equal(credential_challenge(d->credential)->scope, "read");
}

/* ---- others are quicker ---- */

static void test_a_newer_token_in_the_keyring_is_taken(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	desk_put_tokens(d, "g1", "access-b", "refresh-b");
	desk_refused(d, "access-a", "access-b");
	assert_int_equal(requests(d), 0);
}

static void test_a_newer_token_that_is_near_its_end_too_is_renewed(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	desk_put_tokens(d, "g1", "access-b", "refresh-b");
	wall_now += 3590;
	desk_refused(d, "access-a", "access-1");
	struct OauthHit *hit = oauth_server_last(&d->a.server, TOKEN);
	assert_param(hit, "refresh_token", "refresh-b");
}

static void test_a_newer_token_near_its_end_is_used_where_none_can_be_had(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	desk_put_tokens(d, "g2", "access-b", NULL);
	wall_now += 3590;
	desk_refused(d, "access-a", "access-b");
}

static void test_a_sign_out_is_found_under_the_lock(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	desk_clear(d);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_state(d, CREDENTIAL_NONE, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_int_equal(requests(d), 0);
}

static void test_a_sign_out_is_told_at_once(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	g_autofree char *path = credential_lock_path(&d->a.connector);
	gint64 holder;
	sign_in(d);
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	want_refused(d, &w, "access-a");
	fixture_turn_for(&d->a.fixture, 50);
	desk_clear(d);
	desk_read(d);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "nobody has signed in");
	file_unlock(lock);
	fixture_turn_for(&d->a.fixture, 100);
	assert_int_equal(requests(d), 0);
	assert_int_equal(credential_state(d->credential), CREDENTIAL_NONE);
}

/* Two tokens were refused, the second while the first was being replaced by it. */
static void test_a_renewal_of_another_token_is_none_of_this(void **state)
{
	struct Desk *d = *state;
	struct Want one = {0}, two = {0};
	g_autofree char *path = credential_lock_path(&d->a.connector);
	gint64 holder;
	sign_in(d);
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	want_refused(d, &one, "access-a");
	fixture_turn_for(&d->a.fixture, 50);
	desk_put_tokens(d, "g1", "access-b", "refresh-b");
	desk_read(d);
	assert_got(&one, "access-b");
	want_refused(d, &two, "access-b");
	fixture_turn_for(&d->a.fixture, 20);
	file_unlock(lock);
	assert_got(&two, "access-1");
	assert_int_equal(requests(d), 1);
	assert_param(oauth_server_last(&d->a.server, TOKEN), "refresh_token", "refresh-b");
}

static void test_a_sign_in_during_a_renewal_comes_first(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	/* By somebody who did not wait for the lock. */
	desk_put_tokens(d, "g2", "access-b", "refresh-b");
	oauth_hit_serve(hit);
	assert_got(&w, "access-b");
	assert_string_equal(credential_grant(d->credential), "g2");
	assert_stored(d, "access-b", "refresh-b");
}

static void test_a_sign_out_during_a_renewal_comes_first(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	desk_clear(d);
	oauth_hit_serve(hit);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_int_equal(credential_state(d->credential), CREDENTIAL_NONE);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_null(stored);
}

static void test_what_cannot_be_read_is_not_written_over(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	struct KeyringKey key = desk_key(d);
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	accounts_put_text(&d->a, &key, "{\"v\":2}");
	oauth_hit_serve(hit);
	assert_not_got(&w, MUX_ERROR_KEYRING, "newer mcp-mux");
	assert_secret(accounts_get(&d->a, &key), "{\"v\":2}");
}

static void test_reading_all_the_time_changes_nothing(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	want_refused(d, &w, "access-a");
	while (w.ended == 0) {
		credential_read(d->credential);
		g_main_context_iteration(d->a.fixture.context, TRUE);
	}
	assert_got(&w, "access-1");
	for (unsigned i = 0; i < 10; i++) {
		fixture_turn_for(&d->a.fixture, 10);
		assert_holds(d, "access-1");
	}
	assert_int_equal(requests(d), 1);
}

/* ---- clients ---- */

static void put_client(struct Desk *d, const char *id, const char *secret)
{
	struct ClientRecord client = {.client_id = (char *)id};
	accounts_put_client(&d->a, d->a.server.origin, &client, secret);
}

static void sign_in_with_secret(struct Desk *d)
{
	struct TokenRecord *record = desk_record(d, "g1", "access-a", "refresh-c");
	oauth_server_add_client(&d->a.server, "boss", "s3cret", "client_secret_basic");
	oauth_server_add_tokens(&d->a.server, "access-a", "refresh-b", "boss");
	g_free(record->client_id);
	g_free(record->auth_method);
	secret_unref(record->refresh_token);
	record->client_id = g_strdup("boss");
	record->auth_method = g_strdup("client_secret_basic");
	record->refresh_token = secret_new(SLICE("refresh-b"));
	desk_put(d, record);
	desk_start_read(d);
}

static void test_a_client_with_a_secret(void **state)
{
	struct Desk *d = *state;
	sign_in_with_secret(d);
	put_client(d, "boss", "s3cret");
	desk_refused(d, "access-a", "access-1");
	assert_stored(d, "access-1", "refresh-1");
}

static void test_a_client_that_is_not_there_any_more(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in_with_secret(d);
	put_client(d, "another", "s3cret");
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "does not hold the client");
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "does not hold the client");
	assert_int_equal(requests(d), 0);
	assert_stored(d, "access-a", "refresh-b");
}

static void test_a_client_of_a_newer_version(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in_with_secret(d);
	struct KeyringKey key = accounts_client_key(&d->a, d->a.server.origin);
	accounts_put_text(&d->a, &key, "{\"v\":2}");
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_KEYRING, "newer mcp-mux");
	assert_good(d);
}

/* ---- grants without a person ---- */

static void test_client_credentials_are_used_again(void **state)
{
	struct Desk *d = *state;
	d->a.connector.auth = AUTH_CLIENT_CREDENTIALS;
	struct TokenRecord *record = desk_record(d, "g1", "access-a", NULL);
	oauth_server_add_client(&d->a.server, "robot", "s3cret", "client_secret_post");
	g_free(record->client_id);
	g_free(record->auth_method);
	record->client_id = g_strdup("robot");
	record->auth_method = g_strdup("client_secret_post");
	record->scope_wanted = g_strdup("read write");
	desk_put(d, record);
	put_client(d, "robot", "s3cret");
	desk_start_read(d);
	desk_refused(d, "access-a", "access-1");
	struct OauthHit *hit = oauth_server_last(&d->a.server, TOKEN);
	assert_param(hit, "grant_type", "client_credentials");
	assert_param(hit, "scope", "read write");
	assert_param(hit, "refresh_token", NULL);
}

static void test_ports_exchange_is_made_again(void **state)
{
	struct Desk *d = *state;
	const char *path = "/v1/auth/access_token";
	d->a.connector.auth = AUTH_PORT_CREDENTIALS;
	struct TokenRecord *record = desk_record(d, "g1", "access-a", NULL);
	g_free(record->client_id);
	g_free(record->auth_method);
	g_free(record->token_endpoint);
	record->client_id = g_strdup("port-id");
	record->auth_method = g_strdup("client_secret_post");
	record->token_endpoint = g_strconcat(d->a.server.origin, path, NULL);
	desk_put(d, record);
	put_client(d, "port-id", "s3cret");
	desk_start_read(d);
	oauth_server_say(&d->a.server, path, 200, "",
		"{\"accessToken\":\"access-p\",\"expiresIn\":10800,\"tokenType\":\"Bearer\"}");
	desk_refused(d, "access-a", "access-p");
	const struct OauthHit *hit = oauth_server_last(&d->a.server, path);
	assert_string_equal(hit->body, "{\"clientId\":\"port-id\",\"clientSecret\":\"s3cret\"}");
	assert_int_equal(credential_record(d->credential)->expires_at, NOW + 10800);
}

/* ---- not in circles ---- */

static void test_a_token_that_lives_a_second_is_not_renewed_at_every_use(void **state)
{
	struct Desk *d = *state;
	sign_in_ending(d);
	d->a.server.expires_in = 1;
	desk_get(d, "access-1");
	wall_now += 2;
	desk_get(d, "access-1");
	assert_int_equal(requests(d), 1);
	clock_jump(&d->a.fixture, 5000);
	desk_get(d, "access-2");
}

static void test_a_refused_token_that_has_ended_says_nothing_of_a_new_one(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in_ending(d);
	d->a.server.expires_in = 2;
	desk_get(d, "access-1");
	wall_now += 2; /* before the server has seen it */
	desk_refused(d, "access-1", "access-2");
	want_refused(d, &w, "access-2");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses a new");
	assert_int_equal(requests(d), 2);
	/* Where no other can be had, the pause stays. */
	wall_now += 2;
	oauth_server_say_always(&d->a.server, TOKEN, 503, "", "");
	for (unsigned i = 0; i < 3; i++) {
		want_refused(d, &w, "access-2");
		assert_not_got(&w, MUX_ERROR_BUSY, "");
	}
	assert_int_equal(requests(d), 3);
}

static void test_a_server_that_gives_the_same_token_again(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	d->a.server.access_token = "access-a";
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses a new");
	assert_good(d);
	assert_stored(d, "access-a", "refresh-1");
	assert_int_equal(requests(d), 1);
}

static void test_a_server_that_refuses_every_token(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	desk_refused(d, "access-a", "access-1");
	want_refused(d, &w, "access-1");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses a new");
	assert_good(d);
	assert_int_equal(requests(d), 1);
	/* It may be another reason later. */
	clock_jump(&d->a.fixture, 5000);
	desk_refused(d, "access-1", "access-2");
}

static void take_it(struct Desk *d)
{
	credential_accepted(d->credential, credential_token(d->credential));
}

static void test_a_new_token_that_was_good_is_renewed_again_at_once(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	g_autoptr(Secret) old = secret_ref(credential_token(d->credential));
	desk_refused(d, "access-a", "access-1");
	credential_accepted(d->credential, old); /* an answer that comes late */
	want_refused(d, &w, "access-1");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses a new");
	take_it(d);
	desk_refused(d, "access-1", "access-2");
	/* What is accepted still does not help where no other can be had. */
	take_it(d);
	oauth_server_say_always(&d->a.server, TOKEN, 503, "", "");
	wall_now += 3570;
	for (unsigned i = 0; i < 5; i++) {
		desk_get(d, "access-2");
		take_it(d);
	}
	assert_int_equal(requests(d), 3);
}

static void test_a_clock_that_goes_back(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	wall_now -= 100000;
	desk_get(d, "access-a");
	desk_refused(d, "access-a", "access-1");
	assert_int_equal(credential_record(d->credential)->expires_at, wall_now + 3600);
	wall_now += 100000;
	desk_get(d, "access-1");
	clock_jump(&d->a.fixture, 5000);
	desk_get(d, "access-2");
}

/* ---- ends ---- */

static void test_freed_during_a_renewal(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	assert_true(credential_is_renewing(d->credential));
	credential_free(g_steal_pointer(&d->credential));
	oauth_hit_serve(hit);
	fixture_turn_for(&d->a.fixture, 40);
	assert_int_equal(w.ended, 0);
	assert_false(desk_is_locked(d));
}

static void test_freed_while_it_waits_for_the_lock(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	g_autofree char *path = credential_lock_path(&d->a.connector);
	gint64 holder;
	sign_in(d);
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	want_refused(d, &w, "access-a");
	fixture_turn_for(&d->a.fixture, 40);
	assert_false(credential_is_renewing(d->credential));
	credential_free(g_steal_pointer(&d->credential));
	file_unlock(lock);
	fixture_turn_for(&d->a.fixture, 60);
	assert_int_equal(w.ended + requests(d), 0);
}

static void test_a_renewal_goes_on_without_those_who_waited(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = await_request(d, 1);
	credential_wait_cancel(w.wait);
	oauth_hit_serve(hit);
	turn_until(&d->a.fixture, d->changes, 2);
	assert_stored(d, "access-1", "refresh-1");
	assert_holds(d, "access-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		desk_test(test_a_refused_token_is_renewed),
		desk_test(test_a_new_token_is_stored_before_it_is_used),
		desk_test(test_without_a_new_refresh_token_the_old_one_stays),
		desk_test(test_a_token_near_its_end_is_renewed_at_its_next_use),
		desk_test(test_many_who_wait_cost_one_request),
		desk_test(test_the_challenge_is_remembered),
		desk_test(test_a_newer_token_in_the_keyring_is_taken),
		desk_test(test_a_newer_token_that_is_near_its_end_too_is_renewed),
		desk_test(test_a_newer_token_near_its_end_is_used_where_none_can_be_had),
		desk_test(test_a_sign_out_is_found_under_the_lock),
		desk_test(test_a_sign_out_is_told_at_once),
		desk_test(test_a_renewal_of_another_token_is_none_of_this),
		desk_test(test_a_sign_in_during_a_renewal_comes_first),
		desk_test(test_a_sign_out_during_a_renewal_comes_first),
		desk_test(test_what_cannot_be_read_is_not_written_over),
		desk_test(test_reading_all_the_time_changes_nothing),
		desk_test(test_a_client_with_a_secret),
		desk_test(test_a_client_that_is_not_there_any_more),
		desk_test(test_a_client_of_a_newer_version),
		desk_test(test_client_credentials_are_used_again),
		desk_test(test_ports_exchange_is_made_again),
		desk_test(test_a_token_that_lives_a_second_is_not_renewed_at_every_use),
		desk_test(test_a_refused_token_that_has_ended_says_nothing_of_a_new_one),
		desk_test(test_a_server_that_gives_the_same_token_again),
		desk_test(test_a_server_that_refuses_every_token),
		desk_test(test_a_new_token_that_was_good_is_renewed_again_at_once),
		desk_test(test_a_clock_that_goes_back),
		desk_test(test_freed_during_a_renewal),
		desk_test(test_freed_while_it_waits_for_the_lock),
		desk_test(test_a_renewal_goes_on_without_those_who_waited),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
