/* A connector's credential with what it needs: a keyring, an authorization server, a clock that the test moves; and
 * those who wait for a token. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_CREDENTIAL_FIXTURE_H
#define MCP_MUX_TESTS_CREDENTIAL_FIXTURE_H

#include "client_fixture.h"
#include "fast_clock.h"
#include "scripted_server.h"

#include "auth/credential.h"

#include <ftw.h>

#define TOKEN "/token"

enum { NOW = 1800000000 };

static int64_t wall_now = NOW;

int64_t auth_now(void)
{
	return wall_now;
}

struct Desk {
	struct Accounts a;
	char *folder; /* XDG_STATE_HOME */
	char *token_endpoint;
	struct Credential *credential;
	unsigned changes;
	void (*on_change)(struct Desk *desk);
};

static inline void desk_on_change(struct Credential *credential, void *user)
{
	struct Desk *d = user;
	assert_true(!d->credential || credential == d->credential);
	d->changes++;
	if (d->on_change)
		d->on_change(d);
}

/* With a client "app" that the server knows, and nothing in the keyring. */
static inline int desk_open(void **state)
{
	struct Desk *d = g_new0(struct Desk, 1);
	wall_now = NOW;
	accounts_init(&d->a);
	d->folder = g_dir_make_tmp("desk-XXXXXX", NULL);
	g_setenv("XDG_STATE_HOME", d->folder, TRUE);
	d->token_endpoint = g_strconcat(d->a.server.origin, TOKEN, NULL);
	oauth_server_add_client(&d->a.server, "app", NULL, "none");
	*state = d;
	return 0;
}

static inline int desk_remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static inline int desk_close(void **state)
{
	struct Desk *d = *state;
	credential_free(d->credential);
	accounts_release(&d->a);
	nftw(d->folder, desk_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_free(d->folder);
	g_free(d->token_endpoint);
	g_free(d);
	return 0;
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_open, desk_close)

/* ---- the keyring ---- */

/* A sign-in as "app" that ends in an hour; REFRESH NULL: none. The server knows both tokens. */
static inline struct TokenRecord *desk_record(
	struct Desk *d, const char *grant, const char *access, const char *refresh)
{
	struct TokenRecord *record = token_record_new();
	record->grant = g_strdup(grant);
	record->issuer = g_strdup(d->a.server.origin);
	record->client_id = g_strdup("app");
	record->auth_method = g_strdup("none");
	record->token_endpoint = g_strdup(d->token_endpoint);
	record->resource = g_strdup(d->a.server.url);
	record->access_token = secret_new(slice_of(access));
	record->refresh_token = refresh ? secret_new(slice_of(refresh)) : NULL;
	record->issued_at = wall_now;
	record->expires_at = wall_now + 3600;
	oauth_server_add_tokens(&d->a.server, access, refresh, "app");
	return record;
}

static inline struct KeyringKey desk_key(struct Desk *d)
{
	struct KeyringKey key = accounts_token_key(&d->a);
	if (d->a.connector.auth == AUTH_API_KEY)
		key.kind = KEYRING_API_KEY;
	return key;
}

/* RECORD is taken. */
static inline void desk_put(struct Desk *d, struct TokenRecord *record)
{
	struct KeyringKey key = desk_key(d);
	accounts_put(&d->a, &key, token_record_write(record));
	token_record_free(record);
}

static inline void desk_put_tokens(
	struct Desk *d, const char *grant, const char *access, const char *refresh)
{
	desk_put(d, desk_record(d, grant, access, refresh));
}

/* Nobody is told, as where a notice is missed. */
static inline void desk_clear(struct Desk *d)
{
	struct KeyringKey key = desk_key(d);
	keyring_clear(d->a.own, &key, accounts_on_done, &d->a);
	accounts_await(&d->a);
}

/* What is stored, parsed; NULL: nothing. */
static inline struct TokenRecord *desk_stored(struct Desk *d)
{
	struct KeyringKey key = desk_key(d);
	struct Secret *value = accounts_get(&d->a, &key);
	return value ? token_record_parse(secret_reveal(value), NULL) : NULL;
}

#define assert_stored(desk, wanted_access, wanted_refresh)                                         \
	do {                                                                                       \
		g_autoptr(TokenRecord) stored = desk_stored(desk);                                 \
		assert_non_null(stored);                                                           \
		assert_secret(stored->access_token, (wanted_access));                              \
		assert_secret(stored->refresh_token, (wanted_refresh));                            \
	} while (0)

static inline bool desk_is_locked(const struct Desk *d)
{
	g_autofree char *path = credential_lock_path(&d->a.connector);
	gint64 holder = 0;
	g_autoptr(GError) error = NULL;
	g_autoptr(FileLock) lock = file_try_lock(path, &holder, &error);
	assert_null(error);
	return lock == NULL;
}

/* ---- the credential ---- */

static inline void desk_start(struct Desk *d)
{
	d->credential = credential_new(&d->a.shared, &d->a.connector, desk_on_change, d);
	assert_int_equal(credential_state(d->credential), CREDENTIAL_READING);
}

static inline void desk_turn_until_state(struct Desk *d, enum CredentialState wanted)
{
	while (credential_state(d->credential) != wanted)
		turn_until(&d->a.fixture, d->changes, d->changes + 1);
}

/* Reads the keyring and waits until the owner has been told of it. */
static inline void desk_read(struct Desk *d)
{
	unsigned before = d->changes;
	credential_read(d->credential);
	assert_int_equal(d->changes, before);
	turn_until(&d->a.fixture, d->changes, before + 1);
}

static inline void desk_start_read(struct Desk *d)
{
	desk_start(d);
	desk_read(d);
}

/* ---- those who wait ---- */

struct Want {
	struct Desk *desk;
	struct CredentialWait *wait; /* NULL once it is over */
	unsigned ended;
	struct Secret *token;
	GError *error;
	void (*on_end)(struct Want *want);
	struct Want *other;
	bool inside;
};

static inline void want_on_got(struct Secret *token, const GError *error, void *user)
{
	struct Want *w = user;
	assert_false(w->inside);
	assert_int_equal(w->ended, 0);
	assert_true((token == NULL) == (error != NULL));
	w->wait = NULL;
	w->ended++;
	w->token = secret_ref(token);
	w->error = error ? g_error_copy(error) : NULL;
	if (w->on_end)
		w->on_end(w);
}

static inline void want_clear(struct Want *w)
{
	g_clear_pointer(&w->token, secret_unref);
	g_clear_error(&w->error);
	w->ended = 0;
}

static inline void want_get(struct Desk *d, struct Want *w)
{
	want_clear(w);
	w->desk = d;
	w->inside = true;
	w->wait = credential_get(d->credential, want_on_got, w);
	w->inside = false;
}

static inline void want_refused(struct Desk *d, struct Want *w, const char *token)
{
	g_autoptr(Secret) refused = secret_new(slice_of(token));
	want_clear(w);
	w->desk = d;
	w->inside = true;
	w->wait = credential_refused(d->credential, refused, NULL, want_on_got, w);
	w->inside = false;
}

static inline void want_await(struct Want *w)
{
	turn_until(&w->desk->a.fixture, w->ended, 1);
}

#define assert_got(want, wanted)                                                                   \
	do {                                                                                       \
		want_await(want);                                                                  \
		if ((want)->error)                                                                 \
			fail_msg("%s", (want)->error->message);                                    \
		assert_secret((want)->token, (wanted));                                            \
		want_clear(want);                                                                  \
	} while (0)

/* No secret of a test stands in what people read. */
#define assert_not_got(want, wanted_code, wanted_text)                                             \
	do {                                                                                       \
		want_await(want);                                                                  \
		assert_words((want)->error, (wanted_code), (wanted_text));                         \
		assert_null(strstr((want)->error->message, "access-"));                            \
		assert_null(strstr((want)->error->message, "refresh-"));                           \
		want_clear(want);                                                                  \
	} while (0)

#define assert_holds(desk, wanted)                                                                 \
	do {                                                                                       \
		struct Secret *held = credential_token((desk)->credential);                        \
		assert_non_null(held);                                                             \
		assert_secret(held, (wanted));                                                     \
	} while (0)

static inline void desk_get(struct Desk *d, const char *wanted)
{
	struct Want w = {0};
	want_get(d, &w);
	assert_got(&w, wanted);
	/* What is given out can be used, or its user would ask for ever. */
	assert_holds(d, wanted);
}

static inline void desk_refused(struct Desk *d, const char *refused, const char *wanted)
{
	struct Want w = {0};
	want_refused(d, &w, refused);
	assert_got(&w, wanted);
	assert_holds(d, wanted);
}

static inline void assert_state(
	const struct Desk *d, enum CredentialState wanted, enum MuxError code, const char *text)
{
	assert_int_equal(credential_state(d->credential), wanted);
	assert_words(credential_error(d->credential), code, text);
	assert_null(credential_token(d->credential));
}

static inline void assert_good(const struct Desk *d)
{
	assert_int_equal(credential_state(d->credential), CREDENTIAL_GOOD);
	assert_null(credential_error(d->credential));
}

#endif
