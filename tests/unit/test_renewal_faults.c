#include "credential_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void sign_in(struct Desk *d)
{
	desk_put_tokens(d, "g1", "access-a", "refresh-a");
	desk_start_read(d);
}

static unsigned requests(const struct Desk *d)
{
	return oauth_server_count(&d->a.server, TOKEN);
}

static struct OauthHit *await_request(struct Desk *d, unsigned count)
{
	return oauth_server_await(&d->a.server, &d->a.fixture, TOKEN, count);
}

#define GRANT_OVER "{\"error\":\"invalid_grant\",\"error_description\":\"no refresh-a any more\"}"

/* ---- the server ends the sign-in ---- */

static void test_a_refresh_token_that_is_refused_ends_the_sign_in(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say_always(&d->a.server, TOKEN, 400, "", GRANT_OVER);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended: 127.0.0.1");
	assert_state(d, CREDENTIAL_EXPIRED, MUX_ERROR_SIGN_IN, "the sign-in has ended: ");
	/* Nothing is deleted, and the server is not asked in vain. */
	assert_stored(d, "access-a", "refresh-a");
	assert_false(desk_is_locked(d));
	clock_jump(&d->a.fixture, 10000);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended: 127.0.0.1");
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended: 127.0.0.1");
	assert_int_equal(requests(d), 1);
	/* The next sign-in is found by the next who asks. */
	desk_put_tokens(d, "g2", "access-b", "refresh-b");
	desk_get(d, "access-b");
	assert_good(d);
}

static void refuse_after(struct Desk *d, struct Want *w)
{
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, w, "access-a");
	await_request(d, 1);
}

static void test_a_refused_refresh_token_where_another_process_has_a_newer_one(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	refuse_after(d, &w);
	desk_put_tokens(d, "g1", "access-b", "refresh-b");
	oauth_hit_answer(oauth_server_last(&d->a.server, TOKEN), 400, "", GRANT_OVER);
	assert_got(&w, "access-b");
	assert_good(d);
}

static void test_a_refused_refresh_token_after_a_sign_out(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	refuse_after(d, &w);
	desk_clear(d);
	oauth_hit_answer(oauth_server_last(&d->a.server, TOKEN), 400, "", GRANT_OVER);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "nobody has signed in");
	assert_int_equal(credential_state(d->credential), CREDENTIAL_NONE);
}

static void test_a_refused_refresh_token_and_a_keyring_that_is_locked_by_then(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	refuse_after(d, &w);
	keyring_fixture_lock(d->a.bank);
	oauth_hit_answer(oauth_server_last(&d->a.server, TOKEN), 400, "", GRANT_OVER);
	want_await(&w);
	assert_null(w.token);
	want_clear(&w);
	assert_int_not_equal(credential_state(d->credential), CREDENTIAL_GOOD);
	keyring_fixture_unlock(d->a.bank);
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_int_equal(requests(d), 1);
}

static void test_a_refused_refresh_token_and_a_record_of_a_newer_version(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	struct KeyringKey key = desk_key(d);
	sign_in(d);
	refuse_after(d, &w);
	accounts_put_text(&d->a, &key, "{\"v\":2}");
	oauth_hit_answer(oauth_server_last(&d->a.server, TOKEN), 400, "", GRANT_OVER);
	assert_not_got(&w, MUX_ERROR_KEYRING, "newer mcp-mux");
	assert_good(d);
}

/* ---- the server cannot answer ---- */

static void fail_once(struct Desk *d, enum MuxError code, const char *words)
{
	struct Want w = {0};
	want_refused(d, &w, "access-a");
	assert_not_got(&w, code, words);
	assert_good(d);
	assert_stored(d, "access-a", "refresh-a");
	assert_false(desk_is_locked(d));
	assert_false(credential_is_renewing(d->credential));
	clock_jump(&d->a.fixture, 5000);
}

static void test_a_server_that_is_busy_takes_no_login_away(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, 503, "", "{\"error\":\"temporarily_unavailable\"}");
	fail_once(d, MUX_ERROR_BUSY, "cannot answer now");
	oauth_server_say(&d->a.server, TOKEN, 500, "Content-Type: text/html\r\n", "<h1>Oops</h1>");
	fail_once(d, MUX_ERROR_BUSY, "500");
	oauth_server_say(&d->a.server, TOKEN, 429, "", "");
	fail_once(d, MUX_ERROR_BUSY, "429");
	oauth_server_say(&d->a.server, TOKEN, 404, "", "");
	fail_once(d, MUX_ERROR_UPSTREAM, "404");
	oauth_server_say(&d->a.server, TOKEN, 200, "", "{\"token_type\":\"Bearer\"}");
	fail_once(d, MUX_ERROR_UPSTREAM, "no valid token");
	oauth_server_say(&d->a.server, TOKEN, OAUTH_CUT, "", "");
	fail_once(d, MUX_ERROR_BROKEN, "");
	desk_refused(d, "access-a", "access-1");
}

static void test_a_server_that_is_silent(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-a");
	await_request(d, 1);
	clock_jump(&d->a.fixture, 30 * 1000);
	assert_not_got(&w, MUX_ERROR_TIMEOUT, "");
	assert_good(d);
	assert_false(desk_is_locked(d));
}

static void test_a_server_that_is_not_there(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	unsigned port;
	int fd = scripted_listen(&port, 1);
	close(fd);
	struct TokenRecord *record = desk_record(d, "g1", "access-a", "refresh-a");
	g_free(record->token_endpoint);
	record->token_endpoint = g_strdup_printf("http://127.0.0.1:%u/token", port);
	desk_put(d, record);
	desk_start_read(d);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_UNREACHABLE, "");
	assert_good(d);
}

static void test_a_token_near_its_end_is_used_while_no_other_can_be_had(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say_always(&d->a.server, TOKEN, 503, "", "");
	wall_now += 3570;
	for (unsigned i = 0; i < 10; i++)
		desk_get(d, "access-a");
	assert_int_equal(requests(d), 1);
	clock_jump(&d->a.fixture, 5000);
	wall_now += 5;
	desk_get(d, "access-a");
	assert_int_equal(requests(d), 2);
	/* At its end the reason is told. */
	wall_now += 25;
	assert_null(credential_token(d->credential));
	want_get(d, &w);
	assert_not_got(&w, MUX_ERROR_BUSY, "503");
	assert_int_equal(requests(d), 2);
	oauth_server_say_always(&d->a.server, TOKEN, OAUTH_ORDINARY, "", "");
	clock_jump(&d->a.fixture, 5000);
	desk_get(d, "access-1");
}

static void test_many_who_are_refused_ask_a_failing_server_once(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	oauth_server_say_always(&d->a.server, TOKEN, 503, "", "");
	for (unsigned i = 0; i < 20; i++) {
		want_refused(d, &w, "access-a");
		assert_not_got(&w, MUX_ERROR_BUSY, "503");
	}
	assert_int_equal(requests(d), 1);
}

/* ---- the keyring cannot be written ---- */

/* The new tokens are there, and the keyring is locked. */
static void renew_unsaved(struct Desk *d)
{
	struct Want w = {0};
	sign_in(d);
	refuse_after(d, &w);
	keyring_fixture_lock(d->a.bank);
	oauth_hit_serve(oauth_server_last(&d->a.server, TOKEN));
	assert_got(&w, "access-1");
	assert_holds(d, "access-1");
	assert_true(desk_is_locked(d));
	assert_true(credential_is_renewing(d->credential));
}

static void await_saved(struct Desk *d)
{
	for (unsigned i = 0; i < 200 && credential_is_renewing(d->credential); i++)
		fixture_turn_for(&d->a.fixture, 10);
	assert_false(credential_is_renewing(d->credential));
	assert_false(desk_is_locked(d));
}

static void test_tokens_that_cannot_be_stored_are_used_and_stored_later(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	/* A notice finds it locked still. */
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 60);
	assert_holds(d, "access-1");
	assert_true(desk_is_locked(d));
	keyring_fixture_unlock(d->a.bank);
	credential_read(d->credential);
	await_saved(d);
	assert_holds(d, "access-1");
	assert_stored(d, "access-1", "refresh-1");
	assert_int_equal(requests(d), 1);
}

static void test_storing_is_tried_again_without_a_notice(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	clock_jump(&d->a.fixture, 5000);
	fixture_turn_for(&d->a.fixture, 60);
	keyring_fixture_unlock(d->a.bank);
	/* One that was under way may still have met the lock. */
	for (unsigned i = 0; i < 50 && credential_is_renewing(d->credential); i++) {
		clock_jump(&d->a.fixture, 6000);
		fixture_turn_for(&d->a.fixture, 50);
	}
	await_saved(d);
	assert_stored(d, "access-1", "refresh-1");
}

static void test_unstored_tokens_are_renewed_in_their_turn(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	wall_now += 3600;
	clock_jump(&d->a.fixture, 3600 * 1000);
	desk_get(d, "access-2");
	assert_param(oauth_server_last(&d->a.server, TOKEN), "refresh_token", "refresh-1");
	clock_jump(&d->a.fixture, 5000);
	desk_refused(d, "access-2", "access-3");
	assert_true(desk_is_locked(d));
	keyring_fixture_unlock(d->a.bank);
	credential_read(d->credential);
	await_saved(d);
	assert_stored(d, "access-3", "refresh-3");
	/* That the storing took its time says nothing of the token. */
	desk_refused(d, "access-3", "access-4");
}

static void test_unstored_tokens_survive_a_renewal_that_fails(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	renew_unsaved(d);
	clock_jump(&d->a.fixture, 5000);
	oauth_server_say(&d->a.server, TOKEN, 503, "", "");
	want_refused(d, &w, "access-1");
	assert_not_got(&w, MUX_ERROR_BUSY, "503");
	keyring_fixture_unlock(d->a.bank);
	credential_read(d->credential);
	await_saved(d);
	assert_stored(d, "access-1", "refresh-1");
}

static void test_unstored_tokens_that_are_refused_end_the_sign_in(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	renew_unsaved(d);
	clock_jump(&d->a.fixture, 5000);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	want_refused(d, &w, "access-1");
	struct OauthHit *hit = await_request(d, 2);
	keyring_fixture_unlock(d->a.bank);
	oauth_hit_answer(hit, 400, "", "{\"error\":\"invalid_grant\"}");
	assert_not_got(&w, MUX_ERROR_SIGN_IN, "the sign-in has ended");
	assert_false(desk_is_locked(d));
}

static void test_a_sign_out_comes_before_unstored_tokens(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	keyring_fixture_unlock(d->a.bank);
	desk_clear(d);
	credential_read(d->credential);
	await_saved(d);
	assert_int_equal(credential_state(d->credential), CREDENTIAL_NONE);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_null(stored);
}

static void test_a_sign_in_comes_before_unstored_tokens(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	keyring_fixture_unlock(d->a.bank);
	desk_put_tokens(d, "g2", "access-b", "refresh-b");
	credential_read(d->credential);
	await_saved(d);
	assert_holds(d, "access-b");
	assert_stored(d, "access-b", "refresh-b");
}

static void test_more_scope_is_stored_with_unstored_tokens(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	g_autoptr(Challenge) challenge = challenge_parse("Bearer scope=\"write\"");
	credential_insufficient(d->credential, challenge);
	keyring_fixture_unlock(d->a.bank);
	credential_read(d->credential);
	await_saved(d);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_string_equal(stored->scope_wanted, "write");
}

static void test_freed_with_unstored_tokens(void **state)
{
	struct Desk *d = *state;
	renew_unsaved(d);
	credential_free(g_steal_pointer(&d->credential));
	assert_false(desk_is_locked(d));
}

static void test_a_keyring_that_is_locked_under_the_lock(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	keyring_fixture_lock(d->a.bank);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_LOCKED, "locked");
	assert_good(d);
	assert_int_equal(requests(d), 0);
	/* Once it is open nobody has to wait. */
	keyring_fixture_unlock(d->a.bank);
	credential_read(d->credential);
	fixture_turn_for(&d->a.fixture, 60);
	desk_refused(d, "access-a", "access-1");
}

static void test_a_lock_that_cannot_be_made(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	g_setenv("XDG_STATE_HOME", "/dev/null", TRUE);
	want_refused(d, &w, "access-a");
	assert_not_got(&w, MUX_ERROR_IO, "/dev/null");
	assert_good(d);
	assert_int_equal(requests(d), 0);
}

/* ---- other processes ---- */

enum Role { ROLE_RENEW, ROLE_HOLD };

/* Another process of the same user, which ends when it has what it wants, or is killed. */
struct Other {
	GPid pid;
	int out;
};

static struct Other other_start(const struct Desk *d, enum Role role)
{
	struct Other other;
	const char *const words[] = {
		"/proc/self/exe", role == ROLE_HOLD ? "hold" : "renew", d->a.server.url, NULL};
	g_autoptr(GError) error = NULL;
	if (!g_spawn_async_with_pipes(NULL, (char **)words, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL,
		    NULL, &other.pid, NULL, &other.out, NULL, &error))
		fail_msg("%s", error->message);
	return other;
}

static void other_on_said(int fd, GIOCondition condition, void *user)
{
	(void)fd, (void)condition;
	++*(unsigned *)user;
}

/* What it says, for g_free. */
static char *other_await(struct Desk *d, const struct Other *other)
{
	unsigned said = 0;
	char text[200] = "";
	struct LoopWatch *watch =
		loop_watch(d->a.fixture.loop, other->out, G_IO_IN, other_on_said, &said);
	turn_until(&d->a.fixture, said, 1);
	loop_unwatch(watch);
	assert_true(read(other->out, text, sizeof(text) - 1) >= 0);
	return g_strdup(text);
}

static void other_end(struct Other *other)
{
	kill(other->pid, SIGKILL);
	waitpid(other->pid, NULL, 0);
	close(other->out);
}

static void test_processes_renew_one_after_the_other(void **state)
{
	struct Desk *d = *state;
	struct Other others[3];
	sign_in(d);
	for (unsigned i = 0; i < G_N_ELEMENTS(others); i++)
		others[i] = other_start(d, ROLE_RENEW);
	desk_refused(d, "access-a", "access-1");
	for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
		g_autofree char *got = other_await(d, &others[i]);
		assert_string_equal(got, "access-1");
		other_end(&others[i]);
	}
	assert_int_equal(requests(d), 1);
	assert_stored(d, "access-1", "refresh-1");
}

static void test_a_process_that_dies_in_its_renewal(void **state)
{
	struct Desk *d = *state;
	sign_in(d);
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	struct Other other = other_start(d, ROLE_RENEW);
	await_request(d, 1);
	struct Want w = {0};
	want_refused(d, &w, "access-a");
	fixture_turn_for(&d->a.fixture, 60);
	assert_int_equal(w.ended, 0);
	assert_true(desk_is_locked(d));
	other_end(&other);
	assert_got(&w, "access-1");
}

static void test_a_process_that_holds_the_lock_is_named(void **state)
{
	struct Desk *d = *state;
	struct Want w = {0};
	sign_in(d);
	struct Other other = other_start(d, ROLE_HOLD);
	g_free(other_await(d, &other));
	want_refused(d, &w, "access-a");
	fixture_turn_for(&d->a.fixture, 60);
	assert_int_equal(w.ended, 0);
	clock_jump(&d->a.fixture, CREDENTIAL_LOCK_MS);
	g_autofree char *words = g_strdup_printf("in use by process %d for 30 s", other.pid);
	assert_not_got(&w, MUX_ERROR_TIMEOUT, words);
	assert_good(d);
	other_end(&other);
	clock_jump(&d->a.fixture, 5000);
	desk_refused(d, "access-a", "access-1");
}

static int act(const char *role, char *url)
{
	struct ConnectorConfig connector = {
		.name = (char *)"notes", .url = url, .auth = AUTH_OAUTH};
	struct MuxConfig mux = {.connect_timeout_ms = 5000};
	struct HttpOptions options = {.max_connections = 2, .user_agent = "other/1"};
	struct Fixture fixture;
	fixture_init(&fixture);
	g_main_context_push_thread_default(fixture.context);
	if (strcmp(role, "hold") == 0) {
		g_autofree char *path = credential_lock_path(&connector);
		gint64 holder;
		struct FileLock *lock = file_try_lock(path, &holder, NULL);
		if (!lock || write(STDOUT_FILENO, "held", 4) != 4)
			return 1;
		for (;;)
			pause();
	}
	struct AuthShared shared = {
		.loop = fixture.loop,
		.http = http_client_new(fixture.loop, &options, NULL),
		.keyring = keyring_new(false, NULL, NULL),
		.mux = &mux,
	};
	struct Desk d = {.a = {.fixture = fixture, .shared = shared, .connector = connector}};
	struct Want w = {0};
	d.credential = credential_new(&shared, &connector, NULL, NULL);
	want_get(&d, &w);
	while (!w.ended)
		g_main_context_iteration(fixture.context, TRUE);
	want_refused(&d, &w, "access-a");
	while (!w.ended)
		g_main_context_iteration(fixture.context, TRUE);
	struct Slice text = w.token ? secret_reveal(w.token) : slice_of(w.error->message);
	bool told = write(STDOUT_FILENO, text.data, text.len) == (ssize_t)text.len;
	_exit(told ? 0 : 1);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		desk_test(test_a_refresh_token_that_is_refused_ends_the_sign_in),
		desk_test(test_a_refused_refresh_token_where_another_process_has_a_newer_one),
		desk_test(test_a_refused_refresh_token_after_a_sign_out),
		desk_test(test_a_refused_refresh_token_and_a_keyring_that_is_locked_by_then),
		desk_test(test_a_refused_refresh_token_and_a_record_of_a_newer_version),
		desk_test(test_a_server_that_is_busy_takes_no_login_away),
		desk_test(test_a_server_that_is_silent),
		desk_test(test_a_server_that_is_not_there),
		desk_test(test_a_token_near_its_end_is_used_while_no_other_can_be_had),
		desk_test(test_many_who_are_refused_ask_a_failing_server_once),
		desk_test(test_tokens_that_cannot_be_stored_are_used_and_stored_later),
		desk_test(test_storing_is_tried_again_without_a_notice),
		desk_test(test_unstored_tokens_are_renewed_in_their_turn),
		desk_test(test_unstored_tokens_survive_a_renewal_that_fails),
		desk_test(test_unstored_tokens_that_are_refused_end_the_sign_in),
		desk_test(test_a_sign_out_comes_before_unstored_tokens),
		desk_test(test_a_sign_in_comes_before_unstored_tokens),
		desk_test(test_more_scope_is_stored_with_unstored_tokens),
		desk_test(test_freed_with_unstored_tokens),
		desk_test(test_a_keyring_that_is_locked_under_the_lock),
		desk_test(test_a_lock_that_cannot_be_made),
		desk_test(test_processes_renew_one_after_the_other),
		desk_test(test_a_process_that_dies_in_its_renewal),
		desk_test(test_a_process_that_holds_the_lock_is_named),
	};
	if (argc == 3)
		return act(argv[1], argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
