#include "credential_fixture.h"

/* ---- what the keyring holds ---- */

static void test_nobody_has_signed_in(void **state)
{
	struct Desk *d = *state;
	desk_start_read(d);
	assert_state(d, CREDENTIAL_NONE, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_null(credential_grant(d->credential));
	assert_null(credential_record(d->credential));
}

static void test_a_sign_in_is_read(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	assert_good(d);
	assert_holds(d, "access-a");
	assert_string_equal(credential_grant(d->credential), "g1");
	assert_string_equal(credential_record(d->credential)->client_id, "app");
}

static void test_the_same_again_is_no_news(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	struct Secret *held = credential_token(d->credential);
	struct Want w = {0};
	credential_read(d->credential);
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 60);
	want_get(d, &w);
	assert_got(&w, "access-a");
	assert_int_equal(d->changes, 1);
	assert_ptr_equal(credential_token(d->credential), held);
}

static void test_sign_out_elsewhere(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	desk_clear(d);
	assert_good(d);
	desk_read(d);
	assert_state(d, CREDENTIAL_NONE, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_null(credential_grant(d->credential));
}

static void test_another_sign_in_is_news(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	desk_put_tokens(d, "g2", "access-a", "refresh-a");
	desk_read(d);
	assert_good(d);
	assert_string_equal(credential_grant(d->credential), "g2");
	desk_put_tokens(d, "g2", "access-b", "refresh-b");
	desk_read(d);
	assert_holds(d, "access-b");
}

static void test_a_record_that_cannot_be_read(void **state)
{
	struct Desk *d = *state;
	struct KeyringKey key = desk_key(d);
	accounts_put_text(&d->a, &key, "{\"v\":1,\"access_token\":\"access-a\",\"grant\":5}");
	desk_start_read(d);
	assert_state(d, CREDENTIAL_UNKNOWN, MUX_ERROR_KEYRING, "cannot be read: grant");
	struct Want w = {0};
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_KEYRING, "cannot be read");
	desk_put_tokens(d, "g1", "access-a", NULL);
	desk_read(d);
	assert_good(d);
}

static void test_a_record_of_a_newer_version_is_left_alone(void **state)
{
	struct Desk *d = *state;
	struct KeyringKey key = desk_key(d);
	const char *newer = "{\"v\":2,\"access_token\":{\"access\":1}}";
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	accounts_put_text(&d->a, &key, newer);
	/* What was read before is used as long as it is good. */
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 60);
	desk_get(d, "access-a");
	struct Want w = {0};
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_KEYRING, "newer mcp-mux");
	assert_good(d);
	assert_secret(accounts_get(&d->a, &key), newer);
	assert_int_equal(oauth_server_count(&d->a.server, TOKEN), 0);
}

static void test_a_locked_keyring(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	keyring_fixture_lock(d->a.bank);
	desk_start_read(d);
	assert_state(d, CREDENTIAL_UNKNOWN, MUX_ERROR_LOCKED, "locked");
	struct Want w = {0};
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_LOCKED, "locked");
	assert_int_equal(d->changes, 1);
	keyring_fixture_unlock(d->a.bank);
	desk_read(d);
	assert_good(d);
	desk_get(d, "access-a");
}

static void test_locking_takes_nothing_away(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
	keyring_fixture_lock(d->a.bank);
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 60);
	assert_good(d);
	desk_get(d, "access-a");
}

/* ---- time ---- */

static void test_an_expired_sign_in(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	desk_put_tokens(d, "g1", "access-a", NULL);
	wall_now += 3600;
	desk_start_read(d);
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "has expired");
	assert_string_equal(credential_grant(d->credential), "g1");
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "has expired");
	/* A clock that was wrong. */
	wall_now -= 7200;
	desk_get(d, "access-a");
	assert_good(d);
}

static void test_an_expired_token_that_can_be_renewed_is_a_sign_in(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	wall_now += 7200;
	desk_start_read(d);
	assert_good(d);
	assert_null(credential_token(d->credential));
}

static void test_without_a_way_to_renew_the_server_has_the_last_word(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", NULL);
	desk_start_read(d);
	wall_now += 3599;
	desk_get(d, "access-a");
	wall_now += 2;
	desk_get(d, "access-a");
	struct Want w = {0};
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_int_equal(oauth_server_count(&d->a.server, TOKEN), 0);
}

static void test_when_a_token_is_near_its_end(void **state)
{
	struct Desk *d = *state;
	static const struct {
		int lifetime, age; /* 0: not known */
		bool ending;
	} cases[] = {
		{3600, 3539, false},
		{3600, 3540, true},
		{60, 44, false},
		{60, 45, true},
		{1, 0, false},
		{1, 1, true},
		{0, 100000, false},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		wall_now = NOW;
		struct TokenRecord *record = desk_record(d, "g1", "access-a", "refresh-a");
		record->expires_at = cases[i].lifetime ? NOW + cases[i].lifetime : 0;
		desk_put(d, record);
		desk_start_read(d);
		wall_now = NOW + cases[i].age;
		bool ready = credential_token(d->credential) != NULL;
		if (ready == cases[i].ending)
			fail_msg("%d of %d s", cases[i].age, cases[i].lifetime);
		credential_free(g_steal_pointer(&d->credential));
	}
	wall_now = NOW;
	struct TokenRecord *record = desk_record(d, "g1", "access-a", "refresh-a");
	record->issued_at = 0;
	desk_put(d, record);
	desk_start_read(d);
	wall_now = NOW + 3539;
	assert_holds(d, "access-a");
	wall_now++;
	assert_null(credential_token(d->credential));
}

static void test_what_can_be_renewed(void **state)
{
	struct Desk *d = *state;
	struct ConnectorConfig *connector = &d->a.connector;
	g_autoptr(TokenRecord) record = desk_record(d, "g1", "access-a", "refresh-a");
	static const bool with_all[] = {
		[AUTH_OAUTH] = true,
		[AUTH_PORT_CREDENTIALS] = true,
		[AUTH_CLIENT_CREDENTIALS] = true,
		[AUTH_API_KEY] = false,
		[AUTH_NONE] = false,
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(with_all); i++) {
		connector->auth = (enum AuthKind)i;
		assert_int_equal(credential_is_renewable(connector, record), with_all[i]);
	}
	g_clear_pointer(&record->refresh_token, secret_unref);
	connector->auth = AUTH_OAUTH;
	assert_false(credential_is_renewable(connector, record));
	connector->auth = AUTH_CLIENT_CREDENTIALS;
	assert_true(credential_is_renewable(connector, record));
	g_clear_pointer(&record->token_endpoint, g_free);
	assert_false(credential_is_renewable(connector, record));
}

/* ---- configuration ---- */

static void test_another_configured_client(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	d->a.connector.client_id = (char *)"app";
	desk_start_read(d);
	assert_good(d);
	credential_free(g_steal_pointer(&d->credential));
	d->a.connector.client_id = (char *)"other";
	desk_start_read(d);
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "another client_id");
	assert_int_equal(oauth_server_count(&d->a.server, TOKEN), 0);
}

/* ---- waits ---- */

static void test_the_first_who_asks_has_it_read(void **state)
{
	struct Desk *d = *state;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	desk_get(d, "access-a");
	assert_int_equal(d->changes, 1);
}

static void test_the_keyring_is_asked_before_a_person_is(void **state)
{
	struct Desk *d = *state;
	desk_start_read(d);
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_get(d, "access-a");
}

static void test_a_wait_can_be_cancelled(void **state)
{
	struct Desk *d = *state;
	struct Want one = {0}, two = {0};
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	want_get(d, &one);
	want_get(d, &two);
	credential_wait_cancel(one.wait);
	credential_wait_cancel(NULL);
	assert_got(&two, "access-a");
	assert_int_equal(one.ended, 0);
}

static void cancel_other(struct Want *w)
{
	credential_wait_cancel(w->other->wait);
}

static void test_a_handler_may_cancel_other_waits(void **state)
{
	struct Desk *d = *state;
	struct Want before = {0}, one = {0}, two = {0};
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	want_get(d, &before);
	want_get(d, &one);
	want_get(d, &two);
	one.on_end = cancel_other;
	one.other = &two;
	assert_got(&one, "access-a");
	assert_got(&before, "access-a");
	fixture_turn_for(&d->a.fixture, 20);
	assert_int_equal(two.ended, 0);
}

static void ask_again(struct Want *w)
{
	want_get(w->desk, w->other);
}

static void test_a_handler_may_ask_again(void **state)
{
	struct Desk *d = *state;
	struct Want one = {.on_end = ask_again}, two = {0};
	one.other = &two;
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	want_get(d, &one);
	assert_got(&one, "access-a");
	assert_got(&two, "access-a");
}

static void free_credential(struct Want *w)
{
	credential_free(g_steal_pointer(&w->desk->credential));
}

static void test_a_handler_may_free_the_credential(void **state)
{
	struct Desk *d = *state;
	struct Want one = {.on_end = free_credential}, two = {0};
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	want_get(d, &one);
	want_get(d, &two);
	assert_got(&one, "access-a");
	fixture_turn_for(&d->a.fixture, 20);
	assert_int_equal(two.ended, 0);
}

static void free_on_change(struct Desk *d)
{
	credential_free(g_steal_pointer(&d->credential));
}

static void test_the_owner_may_free_it_when_told(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start(d);
	d->on_change = free_on_change;
	want_get(d, &w);
	turn_until(&d->a.fixture, d->changes, 1);
	fixture_turn_for(&d->a.fixture, 20);
	assert_int_equal(w.ended, 0);
}

static void test_freed_while_it_reads(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	desk_start(d);
	want_get(d, &w);
	credential_read(d->credential);
	credential_free(g_steal_pointer(&d->credential));
	credential_free(NULL);
	fixture_turn_for(&d->a.fixture, 40);
	assert_int_equal(w.ended + d->changes, 0);
}

/* ---- keys ---- */

static void test_a_fixed_one_never_looks_at_the_keyring(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	g_autoptr(Secret) key = secret_new(SLICE("key-a"));
	d->a.connector.auth = AUTH_API_KEY;
	desk_put_tokens(d, "g1", "key-b", NULL);
	d->credential = credential_new_fixed(&d->a.shared, &d->a.connector, key);
	credential_read(d->credential);
	assert_good(d);
	desk_get(d, "key-a");
	want_refused(d, &w, "key-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses the key");
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "the server refuses the key");
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses the key");
	g_autoptr(Challenge) challenge = challenge_parse("Bearer scope=\"more\"");
	credential_insufficient(d->credential, challenge);
	assert_int_equal(d->changes, 0);
}

static void test_a_refused_key(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	d->a.connector.auth = AUTH_API_KEY;
	desk_put_tokens(d, "g1", "key-a", NULL);
	desk_start(d);
	desk_get(d, "key-a");
	want_refused(d, &w, "key-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses the key");
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "the server refuses the key");
	/* It is not forgotten by reading it again, which every notice has as its consequence. */
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 40);
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "the server refuses the key");
	assert_int_equal(oauth_server_count(&d->a.server, TOKEN), 0);
	assert_false(desk_is_locked(d));
	/* Put in once more, it deserves another trial. */
	desk_put_tokens(d, "g2", "key-a", NULL);
	desk_get(d, "key-a");
}

static void test_a_key_that_was_replaced(void **state)
{
	struct Desk *d = *state;
	d->a.connector.auth = AUTH_API_KEY;
	desk_put_tokens(d, "g1", "key-a", NULL);
	desk_start(d);
	desk_get(d, "key-a");
	desk_put_tokens(d, "g2", "key-b", NULL);
	desk_refused(d, "key-a", "key-b");
	assert_string_equal(credential_grant(d->credential), "g2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		desk_test(test_nobody_has_signed_in),
		desk_test(test_a_sign_in_is_read),
		desk_test(test_the_same_again_is_no_news),
		desk_test(test_sign_out_elsewhere),
		desk_test(test_another_sign_in_is_news),
		desk_test(test_a_record_that_cannot_be_read),
		desk_test(test_a_record_of_a_newer_version_is_left_alone),
		desk_test(test_a_locked_keyring),
		desk_test(test_locking_takes_nothing_away),
		desk_test(test_an_expired_sign_in),
		desk_test(test_an_expired_token_that_can_be_renewed_is_a_sign_in),
		desk_test(test_without_a_way_to_renew_the_server_has_the_last_word),
		desk_test(test_when_a_token_is_near_its_end),
		desk_test(test_what_can_be_renewed),
		desk_test(test_another_configured_client),
		desk_test(test_the_first_who_asks_has_it_read),
		desk_test(test_the_keyring_is_asked_before_a_person_is),
		desk_test(test_a_wait_can_be_cancelled),
		desk_test(test_a_handler_may_cancel_other_waits),
		desk_test(test_a_handler_may_ask_again),
		desk_test(test_a_handler_may_free_the_credential),
		desk_test(test_the_owner_may_free_it_when_told),
		desk_test(test_freed_while_it_reads),
		desk_test(test_a_fixed_one_never_looks_at_the_keyring),
		desk_test(test_a_refused_key),
		desk_test(test_a_key_that_was_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
