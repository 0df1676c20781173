#include "credential_fixture.h"

static void sign_in(struct Desk *d, const char *granted, const char *wanted)
{
	struct TokenRecord *record = desk_record(d, "g1", "access-a", "refresh-a");
	record->scope_granted = g_strdup(granted);
	record->scope_wanted = g_strdup(wanted);
	g_free(record->unknown);
	record->unknown = g_strdup("\"later\":[1]");
	desk_put(d, record);
	desk_start_read(d);
}

static void want_scope(struct Desk *d, const char *header)
{
	g_autoptr(Challenge) challenge = challenge_parse(header);
	credential_insufficient(d->credential, challenge);
}

/* Until what is under way is stored, or whatever else became of it. */
static void await_noted(struct Desk *d)
{
	fixture_turn_for(&d->a.fixture, 20);
	for (unsigned i = 0; i < 200 && desk_is_locked(d); i++)
		fixture_turn_for(&d->a.fixture, 10);
	assert_false(desk_is_locked(d));
}

static void assert_wanted(struct Desk *d, const char *wanted)
{
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_non_null(stored);
	if (g_strcmp0(stored->scope_wanted, wanted) != 0)
		fail_msg("%s, not %s", stored->scope_wanted, wanted);
	assert_secret(stored->access_token, "access-a");
	assert_string_equal(stored->unknown, "\"later\":[1]");
}

static void test_what_is_wanted_more_is_stored(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", "read list");
	want_scope(d, "Bearer error=\"insufficient_scope\", scope=\"write read\"");
	assert_string_equal(credential_record(d->credential)->scope_wanted, "read list write");
	assert_string_equal(credential_challenge(d->credential)->scope, "write read");
	await_noted(d);
	assert_wanted(d, "read list write");
	assert_good(d);
	assert_int_equal(d->changes, 1);
}

static void test_what_was_granted_is_not_lost(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", NULL);
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	assert_wanted(d, "read write");
}

static void test_what_is_known_is_not_noted_again(void **state)
{
	struct Desk *d = *state;
	sign_in(d, NULL, "read write");
	for (unsigned i = 0; i < 20; i++)
		want_scope(d, "Bearer scope=\"write\"");
	fixture_turn_for(&d->a.fixture, 20);
	/* Nobody has taken the lock, so there is no file. */
	g_autofree char *path = credential_lock_path(&d->a.connector);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
	assert_wanted(d, "read write");
}

static void test_without_a_scope_there_is_nothing_to_note(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", NULL);
	want_scope(d, NULL);
	assert_null(credential_challenge(d->credential));
	want_scope(d, "Bearer error=\"insufficient_scope\"");
	assert_string_equal(credential_challenge(d->credential)->error, "insufficient_scope");
	want_scope(d, "Bearer scope=\"\\\"\"");
	await_noted(d);
	assert_null(credential_record(d->credential)->scope_wanted);
}

static void test_a_server_cannot_want_without_end(void **state)
{
	struct Desk *d = *state;
	g_autofree char *much = g_strnfill(17 * 1024, 'x');
	sign_in(d, "read", much);
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	assert_wanted(d, much);
}

static void test_only_a_person_can_consent(void **state)
{
	struct Desk *d = *state;
	d->a.connector.auth = AUTH_CLIENT_CREDENTIALS;
	sign_in(d, "read", "read");
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	assert_wanted(d, "read");
	assert_string_equal(credential_record(d->credential)->scope_wanted, "read");
}

static void test_nobody_is_signed_in(void **state)
{
	struct Desk *d = *state;
	desk_start_read(d);
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	assert_null(desk_stored(d));
	assert_string_equal(credential_challenge(d->credential)->scope, "write");
}

static void test_a_sign_out_is_not_undone(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", "read");
	want_scope(d, "Bearer scope=\"write\"");
	desk_clear(d);
	await_noted(d);
	assert_null(desk_stored(d));
}

static void test_what_another_process_noted_stays(void **state)
{
	struct Desk *d = *state;
	gint64 holder;
	g_autofree char *path = credential_lock_path(&d->a.connector);
	sign_in(d, "read", "read");
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	want_scope(d, "Bearer scope=\"write\"");
	fixture_turn_for(&d->a.fixture, 40);
	assert_wanted(d, "read");
	struct TokenRecord *record = desk_stored(d);
	g_free(record->scope_wanted);
	record->scope_wanted = g_strdup("read delete");
	desk_put(d, record);
	file_unlock(lock);
	fixture_turn_for(&d->a.fixture, 60);
	await_noted(d);
	assert_wanted(d, "read delete write");
}

static void test_what_cannot_be_read_is_left_alone(void **state)
{
	struct Desk *d = *state;
	struct KeyringKey key = desk_key(d);
	sign_in(d, "read", "read");
	accounts_put_text(&d->a, &key, "{\"v\":2}");
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	assert_secret(accounts_get(&d->a, &key), "{\"v\":2}");
}

static void test_a_locked_keyring(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", "read");
	keyring_fixture_lock(d->a.bank);
	want_scope(d, "Bearer scope=\"write\"");
	await_noted(d);
	keyring_fixture_unlock(d->a.bank);
	assert_wanted(d, "read");
}

static void test_the_lock_of_another(void **state)
{
	struct Desk *d = *state;
	gint64 holder;
	g_autofree char *path = credential_lock_path(&d->a.connector);
	sign_in(d, "read", "read");
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	want_scope(d, "Bearer scope=\"write\"");
	fixture_turn_for(&d->a.fixture, 40);
	clock_jump(&d->a.fixture, CREDENTIAL_LOCK_MS);
	file_unlock(lock);
	fixture_turn_for(&d->a.fixture, 60);
	assert_wanted(d, "read");
}

static void test_a_renewal_keeps_the_note(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d, "read", "read");
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	struct OauthHit *hit = oauth_server_await(&d->a.server, &d->a.fixture, TOKEN, 1);
	want_scope(d, "Bearer scope=\"write\"");
	oauth_hit_serve(hit);
	assert_got(&w, "access-1");
	fixture_turn_for(&d->a.fixture, 60);
	await_noted(d);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "access-1");
	assert_string_equal(stored->scope_wanted, "read write");
}

static void test_freed_while_it_is_noted(void **state)
{
	struct Desk *d = *state;
	sign_in(d, "read", "read");
	want_scope(d, "Bearer scope=\"write\"");
	credential_free(g_steal_pointer(&d->credential));
	await_noted(d);
	assert_wanted(d, "read");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		desk_test(test_what_is_wanted_more_is_stored),
		desk_test(test_what_was_granted_is_not_lost),
		desk_test(test_what_is_known_is_not_noted_again),
		desk_test(test_without_a_scope_there_is_nothing_to_note),
		desk_test(test_a_server_cannot_want_without_end),
		desk_test(test_only_a_person_can_consent),
		desk_test(test_nobody_is_signed_in),
		desk_test(test_a_sign_out_is_not_undone),
		desk_test(test_what_another_process_noted_stays),
		desk_test(test_what_cannot_be_read_is_left_alone),
		desk_test(test_a_locked_keyring),
		desk_test(test_the_lock_of_another),
		desk_test(test_a_renewal_keeps_the_note),
		desk_test(test_freed_while_it_is_noted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
