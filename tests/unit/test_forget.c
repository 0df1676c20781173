#include "client_fixture.h"

#include "scripted_server.h"

#include "auth/credential_lock.h"
#include "auth/forget.h"
#include "base/log.h"

#include <ftw.h>
#include <sys/stat.h>

#define R "/revoke"

int64_t auth_now(void)
{
	return 1800000000;
}

/* One `disconnect` and what its handler was told. */
struct Call {
	const struct ConnectorConfig *connector;
	struct Forget *forget;
	bool started, cancels;
	bool keeps_lock; /* the test has it, or there is none */
	unsigned done;
	struct Forgotten forgotten; /* without its error */
	GError *revoke_error, *error;
};

struct Test {
	struct Accounts a;
	char *state; /* XDG_STATE_HOME */
	char *revoke_url;
	struct Call call;
};

static void setup(struct Test *t)
{
	*t = (struct Test){0};
	accounts_init(&t->a);
	t->state = g_dir_make_tmp("forget-XXXXXX", NULL);
	g_setenv("XDG_STATE_HOME", t->state, TRUE);
	t->revoke_url = g_strconcat(t->a.server.origin, R, NULL);
}

static void call_clear(struct Call *call)
{
	g_clear_error(&call->revoke_error);
	g_clear_error(&call->error);
	call->done = 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void teardown(struct Test *t)
{
	accounts_release(&t->a);
	nftw(t->state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_free(t->state);
	g_free(t->revoke_url);
	call_clear(&t->call);
}

static bool is_locked(const struct ConnectorConfig *connector)
{
	g_autofree char *path = credential_lock_path(connector);
	gint64 holder = 0;
	g_autoptr(GError) error = NULL;
	g_autoptr(FileLock) lock = file_try_lock(path, &holder, &error);
	assert_null(error);
	return lock == NULL;
}

static void on_done(const struct Forgotten *forgotten, const GError *error, void *user)
{
	struct Call *call = user;
	assert_true(call->started);
	assert_int_equal(call->done, 0);
	call->done++;
	assert_true(call->keeps_lock || !is_locked(call->connector));
	call->forgotten = *forgotten;
	call->revoke_error = forgotten->revoke_error ? g_error_copy(forgotten->revoke_error) : NULL;
	call->error = error ? g_error_copy(error) : NULL;
	if (call->cancels)
		forget_cancel(call->forget);
}

static void start_call(struct Test *t, const struct ConnectorConfig *connector, struct Call *call)
{
	call_clear(call);
	call->connector = connector;
	call->started = false;
	call->forget = forget_start(&t->a.shared, connector, on_done, call);
	call->started = true;
}

static void start(struct Test *t)
{
	start_call(t, &t->a.connector, &t->call);
}

static void run(struct Test *t)
{
	start(t);
	turn_until(&t->a.fixture, t->call.done, 1);
}

/* What one sign-in leaves in the keyring. */
struct SignedIn {
	const char *refresh; /* NULL: none */
	const char *method;
	const char *secret; /* of the client; NULL: none is kept */
	const char *client; /* its id; NULL: that of the sign-in */
	bool irrevocable;
};

static void sign_in(struct Test *t, const struct SignedIn *signed_in)
{
	g_autoptr(TokenRecord) record = token_record_new();
	record->issuer = g_strdup(t->a.server.origin);
	record->client_id = g_strdup("c");
	record->auth_method = g_strdup(signed_in->method ? signed_in->method : "none");
	record->access_token = secret_new(SLICE("the-access-token"));
	if (signed_in->refresh)
		record->refresh_token = secret_new(slice_of(signed_in->refresh));
	if (!signed_in->irrevocable)
		record->revocation_endpoint = g_strdup(t->revoke_url);
	struct KeyringKey key = accounts_token_key(&t->a);
	accounts_put(&t->a, &key, token_record_write(record));
	if (!signed_in->secret)
		return;
	struct ClientRecord client = {
		.client_id = (char *)(signed_in->client ? signed_in->client : "c")};
	accounts_put_client(&t->a, t->a.server.origin, &client, signed_in->secret);
}

static bool stamped(const struct Test *t)
{
	g_autofree char *path = g_build_filename(t->state, "mcp-mux", "stamp", NULL);
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

/* ---- revoking ---- */

static void a_sign_in_is_revoked_and_deleted_under_the_lock(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {
		.refresh = "the refresh+token", .method = "client_secret_post", .secret = "s3cret"};
	sign_in(&t, &signed_in);
	oauth_server_say(&t.a.server, R, OAUTH_SILENT, "", "");
	start(&t);
	struct OauthHit *hit = oauth_server_await(&t.a.server, &t.a.fixture, R, 1);
	assert_string_equal(hit->body,
		"token=the%20refresh%2Btoken&token_type_hint=refresh_token&client_id=c"
		"&client_secret=s3cret");
	assert_true(is_locked(&t.a.connector));
	assert_false(stamped(&t));
	/* Nothing is gone before the server had its chance. */
	assert_int_equal(accounts_count(&t.a, "notes"), 2);
	oauth_hit_answer(hit, 200, "", "");
	turn_until(&t.a.fixture, t.call.done, 1);
	assert_null(t.call.error);
	assert_null(t.call.revoke_error);
	assert_true(t.call.forgotten.revocable);
	assert_true(t.call.forgotten.revoked);
	assert_int_equal(t.call.forgotten.items, 2);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	assert_int_equal(t.a.server.arrived, 1);
	assert_false(is_locked(&t.a.connector));
	assert_true(stamped(&t));
	teardown(&t);
}

static void without_a_refresh_token_the_access_token_is_revoked(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.secret = "never-sent"};
	sign_in(&t, &signed_in);
	oauth_server_say(&t.a.server, R, 200, "", "");
	run(&t);
	assert_string_equal(oauth_server_last(&t.a.server, R)->body,
		"token=the-access-token&token_type_hint=access_token&client_id=c");
	assert_true(t.call.forgotten.revoked);
	assert_null(t.call.revoke_error);
	assert_int_equal(t.call.forgotten.items, 2);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

static void where_refresh_tokens_cannot_be_revoked_the_access_token_is(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.refresh = "the-refresh-token"};
	sign_in(&t, &signed_in);
	oauth_server_say(&t.a.server, R, 400, "", "{\"error\":\"unsupported_token_type\"}");
	oauth_server_say(&t.a.server, R, 200, "", "");
	run(&t);
	assert_int_equal(oauth_server_count(&t.a.server, R), 2);
	assert_param(oauth_server_last(&t.a.server, R), "token", "the-access-token");
	/* The refresh token lives on. */
	assert_false(t.call.forgotten.revoked);
	assert_words(t.call.revoke_error, MUX_ERROR_UPSTREAM, "does not revoke such tokens");
	assert_null(t.call.error);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

static void a_client_that_is_not_that_of_the_sign_in_lends_no_secret(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.refresh = "rt",
		.method = "client_secret_basic",
		.secret = "s3cret",
		.client = "another"};
	sign_in(&t, &signed_in);
	oauth_server_say(&t.a.server, R, 200, "", "");
	run(&t);
	const struct OauthHit *hit = oauth_server_last(&t.a.server, R);
	g_autofree char *header = oauth_hit_header(hit, "Authorization");
	assert_null(header);
	assert_string_equal(hit->body, "token=rt&token_type_hint=refresh_token&client_id=c");
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	/* Nor does one that cannot be read; it is deleted all the same. */
	sign_in(&t, &signed_in);
	struct KeyringKey key = accounts_client_key(&t.a, t.a.server.origin);
	accounts_put_text(&t.a, &key, "no record");
	oauth_server_say(&t.a.server, R, 200, "", "");
	run(&t);
	assert_true(t.call.forgotten.revoked);
	assert_int_equal(t.call.forgotten.items, 2);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

/* ---- the server does not do it ---- */

static void what_the_server_refuses_is_deleted_all_the_same(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum MuxError code;
		const char *words;
	} cases[] = {
		{401, "{\"error\":\"invalid_client\"}", MUX_ERROR_SIGN_IN, "invalid_client"},
		{503, "", MUX_ERROR_BUSY, "HTTP 503"},
		{OAUTH_CUT, "", MUX_ERROR_BROKEN, "closed the connection"},
		{400, "{\"error\":\"x\",\"error_description\":\"the-refresh-token\"}",
			MUX_ERROR_SIGN_IN, "x: […]"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.refresh = "the-refresh-token"};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		sign_in(&t, &signed_in);
		oauth_server_say(&t.a.server, R, cases[i].status, "", cases[i].body);
		run(&t);
		assert_words(t.call.revoke_error, (int)cases[i].code, cases[i].words);
		assert_false(t.call.forgotten.revoked);
		assert_true(t.call.forgotten.revocable);
		assert_null(t.call.error);
		assert_int_equal(t.call.forgotten.items, 1);
		assert_int_equal(accounts_count(&t.a, "notes"), 0);
		assert_int_equal(oauth_server_count(&t.a.server, R), i + 1);
	}
	teardown(&t);
}

static void offline_everything_is_deleted(void **state)
{
	struct Test t;
	unsigned port = 0;
	(void)state;
	setup(&t);
	close(scripted_listen(&port, 1));
	g_free(t.revoke_url);
	t.revoke_url = g_strdup_printf("http://127.0.0.1:%u/revoke", port);
	struct SignedIn signed_in = {.refresh = "rt"};
	sign_in(&t, &signed_in);
	run(&t);
	assert_words(t.call.revoke_error, MUX_ERROR_UNREACHABLE, "cannot connect");
	assert_null(t.call.error);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

/* ---- nothing to revoke ---- */

static void with_nothing_there_nothing_happens(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	run(&t);
	assert_null(t.call.error);
	assert_null(t.call.revoke_error);
	assert_int_equal(t.call.forgotten.items, 0);
	assert_false(t.call.forgotten.revocable);
	assert_false(t.call.forgotten.revoked);
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

static void what_nobody_offers_to_revoke_is_just_deleted(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.refresh = "rt", .secret = "s3cret", .irrevocable = true};
	sign_in(&t, &signed_in);
	run(&t);
	assert_false(t.call.forgotten.revocable);
	assert_null(t.call.revoke_error);
	assert_int_equal(t.call.forgotten.items, 2);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

static void a_sign_in_that_cannot_be_read_is_just_deleted(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct KeyringKey key = accounts_token_key(&t.a);
	accounts_put_text(&t.a, &key, "{\"v\":2,\"access_token\":\"at\"}");
	run(&t);
	assert_null(t.call.error);
	assert_false(t.call.forgotten.revocable);
	assert_int_equal(t.call.forgotten.items, 1);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

static void an_api_key_is_just_deleted(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.auth = AUTH_API_KEY;
	struct KeyringKey key = accounts_token_key(&t.a);
	key.kind = KEYRING_API_KEY;
	accounts_put_text(&t.a, &key, "{\"v\":1,\"access_token\":\"the-key\"}");
	run(&t);
	assert_null(t.call.error);
	assert_null(accounts_get(&t.a, &key));
	assert_int_equal(t.a.server.arrived, 0);
	/* Also one of a time when the connector was another kind. */
	t.a.connector.auth = AUTH_OAUTH;
	accounts_put_text(&t.a, &key, "{\"v\":1,\"access_token\":\"the-key\"}");
	run(&t);
	assert_null(accounts_get(&t.a, &key));
	teardown(&t);
}

static void everything_of_the_connector_goes_and_nothing_of_others(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.secret = "s3cret", .irrevocable = true};
	sign_in(&t, &signed_in);
	struct ClientRecord client = {.client_id = (char *)"c"};
	accounts_put_client(&t.a, "https://before.example", &client, NULL);
	struct KeyringKey old = accounts_token_key(&t.a);
	old.resource = "https://before.example/mcp";
	accounts_put_text(&t.a, &old, "{\"v\":1,\"access_token\":\"old\"}");
	struct KeyringKey other = accounts_token_key(&t.a);
	other.connector = "mail";
	accounts_put_text(&t.a, &other, "{\"v\":1,\"access_token\":\"at\"}");
	run(&t);
	assert_null(t.call.error);
	assert_int_equal(t.call.forgotten.items, 4);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	assert_null(accounts_get(&t.a, &old));
	assert_int_equal(accounts_count(&t.a, "mail"), 1);
	teardown(&t);
}

/* ---- the lock ---- */

static void it_waits_for_the_lock(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.irrevocable = true};
	sign_in(&t, &signed_in);
	g_autofree char *path = credential_lock_path(&t.a.connector);
	gint64 holder = 0;
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	assert_non_null(lock);
	start(&t);
	fixture_turn_for(&t.a.fixture, 100);
	assert_int_equal(t.call.done, 0);
	assert_int_equal(accounts_count(&t.a, "notes"), 1);
	file_unlock(lock);
	turn_until(&t.a.fixture, t.call.done, 1);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

static void a_lock_that_cannot_be_made_keeps_nothing(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {.irrevocable = true};
	sign_in(&t, &signed_in);
	g_autofree char *file = g_build_filename(t.state, "mcp-mux", NULL);
	assert_true(g_file_set_contents(file, "", 0, NULL));
	t.call.keeps_lock = true;
	run(&t);
	assert_null(t.call.error);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

/* A server that is silent, one that takes its time for two requests, and a lock that nobody lets go of. The time is the
 * real one: that of GLib's own D-Bus connections must not jump. */
static void what_takes_too_long_is_left_after_five_seconds(void **state)
{
	static const char *const names[] = {"silent", "slow", "locked"};
	struct ConnectorConfig connectors[3];
	struct Call calls[3] = {0};
	struct Test t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < 3; i++) {
		struct SignedIn signed_in = {.refresh = "rt", .irrevocable = i == 2};
		g_free(t.revoke_url);
		t.revoke_url = g_strdup_printf("%s/%s", t.a.server.origin, names[i]);
		t.a.connector.name = (char *)names[i];
		sign_in(&t, &signed_in);
		connectors[i] = t.a.connector;
	}
	g_autofree char *path = credential_lock_path(&connectors[2]);
	gint64 holder = 0;
	g_autoptr(FileLock) lock = file_try_lock(path, &holder, NULL);
	calls[2].keeps_lock = true;
	oauth_server_say_always(&t.a.server, "/silent", OAUTH_SILENT, "", "");
	oauth_server_say_always(&t.a.server, "/slow", OAUTH_SILENT, "", "");
	for (unsigned i = 0; i < 3; i++)
		start_call(&t, &connectors[i], &calls[i]);
	struct OauthHit *hit = oauth_server_await(&t.a.server, &t.a.fixture, "/slow", 1);
	fixture_turn_for(&t.a.fixture, 1000);
	oauth_hit_answer(hit, 404, "", "");
	oauth_server_await(&t.a.server, &t.a.fixture, "/slow", 2);
	fixture_turn_for(&t.a.fixture, 3500);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(calls[i].done, 0);
	fixture_turn_for(&t.a.fixture, 1000);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(calls[i].done, 1);
		assert_null(calls[i].error);
		assert_false(calls[i].forgotten.revoked);
		assert_int_equal(calls[i].forgotten.items, 1);
		assert_int_equal(accounts_count(&t.a, names[i]), 0);
	}
	assert_words(calls[0].revoke_error, MUX_ERROR_TIMEOUT, "no answer within 5 s");
	/* What went wrong first is told. */
	assert_words(calls[1].revoke_error, MUX_ERROR_UPSTREAM, "HTTP 404");
	assert_null(calls[2].revoke_error);
	for (unsigned i = 0; i < 3; i++)
		call_clear(&calls[i]);
	teardown(&t);
}

/* ---- the keyring fails ---- */

static void a_keyring_that_fails_is_told(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct SignedIn signed_in = {
		.refresh = "rt", .method = "client_secret_post", .secret = "s3cret"};
	sign_in(&t, &signed_in);
	keyring_fixture_lock(t.a.bank);
	run(&t);
	assert_words(t.call.error, MUX_ERROR_LOCKED, "locked");
	assert_int_equal(t.call.forgotten.items, 0);
	assert_false(t.call.forgotten.revoked);
	assert_false(is_locked(&t.a.connector));
	keyring_fixture_unlock(t.a.bank);
	assert_int_equal(accounts_count(&t.a, "notes"), 2);
	/* Locked while the server is asked: it knows of nothing any more, we still do. */
	oauth_server_say(&t.a.server, R, OAUTH_SILENT, "", "");
	start(&t);
	struct OauthHit *hit = oauth_server_await(&t.a.server, &t.a.fixture, R, 1);
	keyring_fixture_lock(t.a.bank);
	oauth_hit_answer(hit, 200, "", "");
	turn_until(&t.a.fixture, t.call.done, 1);
	assert_words(t.call.error, MUX_ERROR_LOCKED, "locked");
	assert_true(t.call.forgotten.revoked);
	assert_int_equal(t.call.forgotten.items, 0);
	/* Gone while the server is asked. */
	keyring_fixture_unlock(t.a.bank);
	oauth_server_say(&t.a.server, R, OAUTH_SILENT, "", "");
	start(&t);
	hit = oauth_server_await(&t.a.server, &t.a.fixture, R, 2);
	keyring_fixture_kill_bus(t.a.bank);
	oauth_hit_answer(hit, 200, "", "");
	turn_until(&t.a.fixture, t.call.done, 1);
	assert_words(t.call.error, MUX_ERROR_KEYRING, "");
	teardown(&t);
}

/* ---- cancelling ---- */

static void cancelled_anywhere_it_never_calls_back(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	forget_cancel(NULL);
	oauth_server_say_always(&t.a.server, R, 200, "", "");
	bool ended = false;
	for (unsigned turns = 0; !ended; turns++) {
		struct SignedIn signed_in = {
			.refresh = "rt", .method = "client_secret_post", .secret = "s3cret"};
		sign_in(&t, &signed_in);
		start(&t);
		for (unsigned i = 0; i < turns && t.call.done == 0; i++)
			g_main_context_iteration(t.a.fixture.context, TRUE);
		ended = t.call.done > 0;
		if (ended)
			break;
		forget_cancel(t.call.forget);
		assert_int_equal(t.call.done, 0);
		assert_false(is_locked(&t.a.connector));
	}
	assert_null(t.call.error);
	fixture_turn_for(&t.a.fixture, 50);
	assert_int_equal(t.call.done, 1);
	teardown(&t);
}

static void cancelling_inside_the_handler_does_nothing(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.call.cancels = true;
	struct SignedIn signed_in = {.refresh = "rt"};
	sign_in(&t, &signed_in);
	oauth_server_say(&t.a.server, R, 200, "", "");
	run(&t);
	assert_true(t.call.forgotten.revoked);
	assert_int_equal(t.call.forgotten.items, 1);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sign_in_is_revoked_and_deleted_under_the_lock),
		cmocka_unit_test(without_a_refresh_token_the_access_token_is_revoked),
		cmocka_unit_test(where_refresh_tokens_cannot_be_revoked_the_access_token_is),
		cmocka_unit_test(a_client_that_is_not_that_of_the_sign_in_lends_no_secret),
		cmocka_unit_test(what_the_server_refuses_is_deleted_all_the_same),
		cmocka_unit_test(offline_everything_is_deleted),
		cmocka_unit_test(with_nothing_there_nothing_happens),
		cmocka_unit_test(what_nobody_offers_to_revoke_is_just_deleted),
		cmocka_unit_test(a_sign_in_that_cannot_be_read_is_just_deleted),
		cmocka_unit_test(an_api_key_is_just_deleted),
		cmocka_unit_test(everything_of_the_connector_goes_and_nothing_of_others),
		cmocka_unit_test(it_waits_for_the_lock),
		cmocka_unit_test(what_takes_too_long_is_left_after_five_seconds),
		cmocka_unit_test(a_lock_that_cannot_be_made_keeps_nothing),
		cmocka_unit_test(a_keyring_that_fails_is_told),
		cmocka_unit_test(cancelled_anywhere_it_never_calls_back),
		cmocka_unit_test(cancelling_inside_the_handler_does_nothing),
	};
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
