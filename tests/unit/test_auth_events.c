/* What is told of an account's history: each event once, with what it ended with, and nothing where nothing happened. */
#include "credential_fixture.h"

#include "auth/forget.h"
#include "auth/machine.h"

#define GRANT_OVER "{\"error\":\"invalid_grant\"}"

static GString *heard; /* "EVENT CONNECTOR CODE\n" each; CODE -1: none */

static void on_happened(enum AuthEvent event, const struct ConnectorConfig *connector,
	const GError *error, void *user)
{
	assert_ptr_equal(user, &heard);
	g_string_append_printf(
		heard, "%d %s %d\n", event, connector->name, error ? error->code : -1);
}

static int set_up(void **state)
{
	desk_open(state);
	struct Desk *d = *state;
	heard = g_string_new(NULL);
	d->a.shared.happened = on_happened;
	d->a.shared.happened_user = &heard;
	return 0;
}

static int tear_down(void **state)
{
	g_string_free(heard, TRUE);
	return desk_close(state);
}

/* What was heard since the last time: N events, the last one EVENT with CODE. */
static void assert_heard(struct Desk *d, unsigned n, enum AuthEvent event, int code)
{
	g_auto(GStrv) lines = g_strsplit(heard->str, "\n", -1);
	g_autofree char *expected = g_strdup_printf("%d %s %d", event, d->a.connector.name, code);
	if (g_strv_length(lines) != n + 1)
		fail_msg("heard %s", heard->str);
	assert_string_equal(lines[n - 1], expected);
	g_string_truncate(heard, 0);
}

#define assert_silent() assert_string_equal(heard->str, "")

static void sign_in(struct Desk *d)
{
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
}

/* ---- renewals ---- */

static void a_renewal_that_succeeds_is_no_event(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	desk_refused(d, "access-a", "access-1");
	assert_silent();
}

static void one_that_does_not_is_one(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, 503, "", "");
	want_refused(d, &w, "access-a");
	want_await(&w);
	int code = w.error->code;
	want_clear(&w);
	assert_heard(d, 1, AUTH_REFRESH, code);
	wall_now += 60;
	want_get(d, &w);
	want_await(&w);
	want_clear(&w);
	assert_silent(); /* it was not tried again */
}

static void the_end_of_a_sign_in_is_one(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, 400, "", GRANT_OVER);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_heard(d, 1, AUTH_REFRESH, MUX_ERROR_SIGN_IN);
	/* Everybody is told so from then on; that is nothing new. */
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_silent();
}

static void a_key_that_is_refused_is_one(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	d->a.connector.auth = AUTH_API_KEY;
	desk_put_tokens(d, "g1", "access-a", NULL);
	desk_start_read(d);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the server refuses the key");
	assert_heard(d, 1, AUTH_REFRESH, MUX_ERROR_SIGN_IN);
}

static void one_that_finds_a_sign_out_is_none(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	desk_clear(d);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_silent();
}

/* ---- sign-ins without a person, sign-outs ---- */

static void on_stored(const struct TokenRecord *record, const GError *error, void *user)
{
	(void)record;
	(void)error;
	++*(unsigned *)user;
}

static void store_key(struct Desk *d, const char *text)
{
	unsigned done = 0;
	g_autoptr(Secret) key = secret_new(slice_of(text));
	machine_store_key(&d->a.shared, &d->a.connector, key, on_stored, &done);
	turn_until(&d->a.fixture, done, 1);
}

static void on_forgotten(const struct Forgotten *forgotten, const GError *error, void *user)
{
	(void)forgotten;
	(void)error;
	++*(unsigned *)user;
}

static void forget(struct Desk *d)
{
	unsigned done = 0;
	forget_start(&d->a.shared, &d->a.connector, on_forgotten, &done);
	turn_until(&d->a.fixture, done, 1);
}

static void keys_come_and_go(void **state)
{
	struct Desk *d = *state;
	d->a.connector.auth = AUTH_API_KEY;
	forget(d);
	assert_silent(); /* there was nothing */
	store_key(d, "key-a");
	assert_heard(d, 1, AUTH_SIGN_IN, -1);
	store_key(d, "key\n");
	assert_heard(d, 1, AUTH_SIGN_IN, MUX_ERROR_SYNTAX);
	keyring_fixture_lock(d->a.bank);
	forget(d);
	assert_heard(d, 1, AUTH_SIGN_OUT, MUX_ERROR_LOCKED);
	keyring_fixture_unlock(d->a.bank);
	forget(d);
	assert_heard(d, 1, AUTH_SIGN_OUT, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		T(a_renewal_that_succeeds_is_no_event),
		T(one_that_does_not_is_one),
		T(the_end_of_a_sign_in_is_one),
		T(a_key_that_is_refused_is_one),
		T(one_that_finds_a_sign_out_is_none),
		T(keys_come_and_go),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
