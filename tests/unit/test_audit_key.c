/* The key of the audit log's digests in a real keyring, and without one. */
#include "keyring_test.h"

#include "auth/audit_key.h"
#include "base/base64url.h"
#include "base/file.h"
#include "cli_fixture.h"

#include <time.h>

static const struct KeyringKey item = {"mcp_mux", "audit", KEYRING_AUDIT_KEY, NULL};

static int64_t clock_ahead_us;

/* In the place of GLib's, for what is compiled into this program. */
gint64 g_get_monotonic_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (gint64)now.tv_sec * 1000000 + now.tv_nsec / 1000 + clock_ahead_us;
}

struct Place {
	struct Test test;
	struct Loop *loop;
	char *folder; /* XDG_STATE_HOME */
};

static int open_place(void **state, enum KeyringFixtureKind kind)
{
	struct Place *place = g_new0(struct Place, 1);
	start(&place->test, kind);
	place->loop = loop_new(NULL);
	place->folder = g_dir_make_tmp("audit-key-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", place->folder, TRUE));
	clock_ahead_us = 0;
	*state = place;
	return 0;
}

static int open_unlocked(void **state)
{
	return open_place(state, KEYRING_FIXTURE_UNLOCKED);
}

static int open_without_service(void **state)
{
	return open_place(state, KEYRING_FIXTURE_BARE_BUS);
}

static int close_place(void **state)
{
	struct Place *place = *state;
	keyring_free(place->test.keyring);
	turn_for(10);
	keyring_fixture_free(place->test.fixture);
	loop_free(place->loop);
	remove_tree(place->folder);
	g_free(place->folder);
	g_free(place);
	return 0;
}

static struct AuditKey *key_new(const struct Place *place)
{
	return audit_key_new(place->loop, place->test.keyring);
}

/* Turns the loop until it is there or cannot be had. */
static void await(const struct AuditKey *key)
{
	while (audit_key_is_awaited(key))
		g_main_context_iteration(NULL, TRUE);
}

/* The digest of BYTES, for g_free; NULL: there is none. */
static char *digest(struct AuditKey *key, const char *bytes)
{
	char hex[AUDIT_KEY_HEX + 1];
	return audit_key_digest(key, slice_of(bytes), hex) ? g_strdup(hex) : NULL;
}

static char *stored(const struct Place *place)
{
	struct Outcome outcome;
	look_up(place->test.keyring, &item, &outcome);
	assert_succeeds(&outcome);
	char *text = outcome.value ? g_strdup(outcome.value->str) : NULL;
	outcome_release(&outcome);
	return text;
}

/* What GLib says of it. */
static char *expected(const char *text, const char *bytes)
{
	size_t len = 0;
	g_autofree char *key = base64url_decode(slice_of(text), &len);
	assert_int_equal(len, AUDIT_KEY_BYTES);
	return g_compute_hmac_for_string(G_CHECKSUM_SHA256, (guchar *)key, len, bytes, -1);
}

static void assert_digests(struct AuditKey *key, const char *text)
{
	static const char *const bytes[] = {"", "{}", "{\"q\":\"what is it\"}", "{}"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bytes); i++) {
		g_autofree char *got = digest(key, bytes[i]);
		g_autofree char *wanted = expected(text, bytes[i]);
		assert_string_equal(got, wanted);
	}
}

/* ---- with a keyring ---- */

static void it_is_made_when_it_is_wanted_first(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) key = key_new(place);
	turn_for(20);
	assert_null(digest(key, "{}"));
	assert_finds(place->test.keyring, NULL, 0);
	audit_key_want(key);
	assert_true(audit_key_is_awaited(key));
	assert_null(digest(key, "{}"));
	await(key);
	g_autofree char *text = stored(place);
	assert_non_null(text);
	assert_digests(key, text);
	audit_key_want(key);
	audit_key_reread(key);
	assert_false(audit_key_is_awaited(key));
}

static void another_process_has_the_same(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) first = key_new(place);
	audit_key_want(first);
	await(first);
	g_autofree char *text = stored(place);
	g_autoptr(AuditKey) second = key_new(place);
	audit_key_want(second);
	await(second);
	assert_digests(second, text);
	g_autofree char *again = stored(place);
	assert_string_equal(again, text);
}

static void two_that_want_it_at_once_make_one(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) first = key_new(place);
	g_autoptr(AuditKey) second = key_new(place);
	audit_key_want(first);
	audit_key_want(second);
	await(first);
	await(second);
	assert_finds(place->test.keyring, NULL, 1);
	g_autofree char *text = stored(place);
	assert_digests(first, text);
	assert_digests(second, text);
}

static void whoever_makes_it_is_waited_for(void **state)
{
	struct Place *place = *state;
	g_autofree char *path = file_state_path("locks/audit-key");
	struct FileLock *lock = file_lock(path, 0, NULL);
	assert_non_null(lock);
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_want(key);
	turn_for(150);
	assert_true(audit_key_is_awaited(key));
	assert_holds(place->test.keyring, &item, NULL);
	static const char theirs[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
	assert_stored(place->test.keyring, &item, theirs);
	file_unlock(lock);
	await(key);
	assert_digests(key, theirs);
}

static void a_lock_that_is_never_given_back_ends_the_waiting(void **state)
{
	struct Place *place = *state;
	g_autofree char *path = file_state_path("locks/audit-key");
	struct FileLock *lock = file_lock(path, 0, NULL);
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_want(key);
	turn_for(100);
	assert_true(audit_key_is_awaited(key));
	clock_ahead_us = 6 * G_USEC_PER_SEC;
	turn_for(100);
	assert_false(audit_key_is_awaited(key));
	assert_null(digest(key, "{}"));
	file_unlock(lock);
	assert_holds(place->test.keyring, &item, NULL);
}

static void what_cannot_be_read_stays(void **state)
{
	struct Place *place = *state;
	static const char *const texts[] = {"not base64url!", "AAEC", ""};
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
		assert_stored(place->test.keyring, &item, texts[i]);
		g_autoptr(AuditKey) key = key_new(place);
		audit_key_want(key);
		await(key);
		assert_null(digest(key, "{}"));
		assert_holds(place->test.keyring, &item, texts[i]);
	}
}

static void a_locked_keyring_gives_it_once_it_is_unlocked(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) first = key_new(place);
	audit_key_want(first);
	await(first);
	g_autofree char *text = stored(place);
	keyring_fixture_lock(place->test.fixture);
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_want(key);
	await(key);
	assert_null(digest(key, "{}"));
	/* It is not asked for at each call. */
	audit_key_want(key);
	assert_false(audit_key_is_awaited(key));
	keyring_fixture_unlock(place->test.fixture);
	audit_key_reread(key);
	await(key);
	assert_digests(key, text);
	/* One who has it keeps it. */
	assert_digests(first, text);
}

static void where_nothing_can_be_locked_none_is_made(void **state)
{
	struct Place *place = *state;
	g_autofree char *locks = g_build_filename(place->folder, "mcp-mux", NULL);
	assert_true(g_file_set_contents(locks, "in the folder's place", -1, NULL));
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_want(key);
	await(key);
	assert_null(digest(key, "{}"));
	assert_holds(place->test.keyring, &item, NULL);
}

static void it_may_go_while_it_is_looked_for(void **state)
{
	struct Place *place = *state;
	for (unsigned ms = 0; ms < 12; ms += 2) {
		struct AuditKey *key = key_new(place);
		audit_key_want(key);
		turn_for(ms);
		audit_key_free(key);
	}
	audit_key_free(NULL);
	turn_for(50);
}

static void others_do_not_see_it_as_a_sign_in(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_want(key);
	await(key);
	assert_finds(place->test.keyring, "mcp-mux", 0);
	assert_finds(place->test.keyring, "mcp_mux", 1);
}

/* ---- without one ---- */

static void without_a_keyring_there_are_none_and_it_is_not_asked_for_all_the_time(void **state)
{
	struct Place *place = *state;
	g_autoptr(AuditKey) key = key_new(place);
	audit_key_reread(key); /* nobody wanted it */
	assert_false(audit_key_is_awaited(key));
	audit_key_want(key);
	await(key);
	assert_null(digest(key, "{}"));
	audit_key_want(key);
	assert_false(audit_key_is_awaited(key));
	clock_ahead_us = 6 * G_USEC_PER_SEC;
	audit_key_want(key);
	assert_true(audit_key_is_awaited(key));
	await(key);
	assert_null(digest(key, "{}"));
	audit_key_reread(key);
	assert_true(audit_key_is_awaited(key));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, open_unlocked, close_place)
		T(it_is_made_when_it_is_wanted_first),
		T(another_process_has_the_same),
		T(two_that_want_it_at_once_make_one),
		T(whoever_makes_it_is_waited_for),
		T(a_lock_that_is_never_given_back_ends_the_waiting),
		T(what_cannot_be_read_stays),
		T(a_locked_keyring_gives_it_once_it_is_unlocked),
		T(where_nothing_can_be_locked_none_is_made),
		T(it_may_go_while_it_is_looked_for),
		T(others_do_not_see_it_as_a_sign_in),
#undef T
		cmocka_unit_test_setup_teardown(
			without_a_keyring_there_are_none_and_it_is_not_asked_for_all_the_time,
			open_without_service, close_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
