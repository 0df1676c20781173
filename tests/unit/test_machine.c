#include "credential_fixture.h"

#include "auth/machine.h"

#define PORT_TOKEN "/v1/auth/access_token"

/* One sign-in and what its handler was told. */
struct Job {
	struct Desk *desk;
	struct Machine *machine;
	bool started, cancels;
	unsigned done;
	struct TokenRecord *record;
	GError *error;
};

static void on_done(const struct TokenRecord *record, const GError *error, void *user)
{
	struct Job *job = user;
	assert_true(job->started);
	assert_int_equal(job->done, 0);
	assert_true((record == NULL) == (error != NULL));
	job->done++;
	job->record = record ? token_record_copy(record) : NULL;
	job->error = error ? g_error_copy(error) : NULL;
	if (job->cancels)
		machine_cancel(job->machine);
}

static void job_clear(struct Job *job)
{
	g_clear_pointer(&job->record, token_record_free);
	g_clear_error(&job->error);
	job->done = 0;
}

static void start(struct Desk *d, struct Job *job, const char *id, const char *secret)
{
	g_autoptr(Secret) text = secret_new(slice_of(secret));
	job_clear(job);
	job->desk = d;
	job->started = false;
	job->machine = machine_start(&d->a.shared, &d->a.connector, id, text, on_done, job);
	job->started = true;
}

static void store_key(struct Desk *d, struct Job *job, const char *key)
{
	g_autoptr(Secret) text = secret_new(slice_of(key));
	job_clear(job);
	job->desk = d;
	job->started = false;
	job->machine = machine_store_key(&d->a.shared, &d->a.connector, text, on_done, job);
	job->started = true;
}

static void await(struct Job *job)
{
	turn_until(&job->desk->a.fixture, job->done, 1);
}

static void assert_done(struct Job *job)
{
	await(job);
	if (job->error)
		fail_msg("%s", job->error->message);
}

#define assert_fails(job, code, words)                                                             \
	do {                                                                                       \
		await(job);                                                                        \
		assert_words((job)->error, (code), (words));                                       \
		assert_null(strstr((job)->error->message, "s3cret"));                              \
		job_clear(job);                                                                    \
	} while (0)

static bool stamp_is_there(const struct Desk *d)
{
	g_autofree char *path = g_build_filename(d->folder, "mcp-mux", "stamp", NULL);
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

static void use(struct Desk *d, enum AuthKind auth)
{
	d->a.connector.auth = auth;
	d->a.connector.headers = g_ptr_array_new();
	d->a.connector.resource_parameter = true;
}

static int close_desk(void **state)
{
	struct Desk *d = *state;
	if (d->a.connector.headers)
		g_ptr_array_unref(d->a.connector.headers);
	return desk_close(state);
}

/* ---- client credentials ---- */

static void use_robot(struct Desk *d, const char *method)
{
	use(d, AUTH_CLIENT_CREDENTIALS);
	oauth_server_add_client(&d->a.server, "robot", "s3cret", method);
	d->a.server.auth_methods = "[\"client_secret_post\",\"client_secret_basic\"]";
	d->a.server.resource_scopes = "[\"read\",\"write\"]";
}

static void test_client_credentials(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use_robot(d, "client_secret_basic");
	d->a.server.refresh_tokens = false;
	start(d, &job, "robot", "s3cret");
	assert_done(&job);
	const struct OauthHit *hit = oauth_server_last(&d->a.server, TOKEN);
	assert_param(hit, "grant_type", "client_credentials");
	assert_param(hit, "scope", "read write");
	assert_param(hit, "resource", d->a.server.url);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "access-1");
	assert_secret(job.record->access_token, "access-1");
	assert_string_equal(stored->issuer, d->a.server.origin);
	assert_string_equal(stored->client_id, "robot");
	assert_string_equal(stored->auth_method, "client_secret_basic");
	assert_string_equal(stored->scope_wanted, "read write");
	assert_string_equal(stored->token_endpoint, d->token_endpoint);
	assert_int_equal(stored->expires_at, NOW + 3600);
	assert_int_equal(strlen(stored->grant), 22);
	assert_false(desk_is_locked(d));
	assert_true(stamp_is_there(d));
	job_clear(&job);
	/* And it is what a credential can live on. */
	desk_start_read(d);
	desk_refused(d, "access-1", "access-2");
}

static void test_each_sign_in_is_another_grant(void **state)
{
	struct Desk *d = *state;
	struct Job one = {0}, two = {0};
	use_robot(d, "client_secret_basic");
	start(d, &one, "robot", "s3cret");
	assert_done(&one);
	start(d, &two, "robot", "s3cret");
	assert_done(&two);
	assert_string_not_equal(one.record->grant, two.record->grant);
	job_clear(&one);
	job_clear(&two);
}

static void test_a_wrong_secret_is_not_stored(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use_robot(d, "client_secret_basic");
	start(d, &job, "robot", "not s3cret");
	assert_fails(&job, MUX_ERROR_SIGN_IN, "wrong secret");
	assert_int_equal(accounts_count(&d->a, "notes"), 0);
	assert_false(stamp_is_there(d));
}

static void test_a_server_that_cannot_be_found(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use_robot(d, "client_secret_basic");
	oauth_server_say_always(
		&d->a.server, "/.well-known/oauth-authorization-server", 200, "", "[]");
	start(d, &job, "robot", "s3cret");
	assert_fails(&job, MUX_ERROR_UPSTREAM, "");
	assert_int_equal(oauth_server_count(&d->a.server, TOKEN), 0);
}

/* ---- Port ---- */

static void test_ports_addresses(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"https://mcp.port.io/v1", "https://api.getport.io/v1/auth/access_token"},
		{"https://mcp.us.port.io/v1", "https://api.us.getport.io/v1/auth/access_token"},
		{"https://MCP.Port.io:443/v1?x", "https://api.getport.io/v1/auth/access_token"},
		{"https://mcp.port.io.evil.example/v1",
			"https://mcp.port.io.evil.example/v1/auth/access_token"},
		{"http://127.0.0.1:8080/mcp", "http://127.0.0.1:8080/v1/auth/access_token"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *endpoint = machine_port_endpoint(cases[i][0]);
		assert_string_equal(endpoint, cases[i][1]);
	}
}

static void test_ports_exchange(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use(d, AUTH_PORT_CREDENTIALS);
	oauth_server_say(&d->a.server, PORT_TOKEN, 200, "",
		"{\"accessToken\":\"access-p\",\"expiresIn\":10800}");
	start(d, &job, "port-id", "s3cret");
	assert_done(&job);
	const struct OauthHit *hit = oauth_server_last(&d->a.server, PORT_TOKEN);
	assert_string_equal(hit->body, "{\"clientId\":\"port-id\",\"clientSecret\":\"s3cret\"}");
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "access-p");
	assert_null(stored->resource);
	assert_int_equal(stored->expires_at, NOW + 10800);
	job_clear(&job);
	oauth_server_say(&d->a.server, PORT_TOKEN, 200, "",
		"{\"accessToken\":\"access-q\",\"expiresIn\":10800}");
	desk_start_read(d);
	desk_refused(d, "access-p", "access-q");
}

static void test_port_refuses(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use(d, AUTH_PORT_CREDENTIALS);
	oauth_server_say(&d->a.server, PORT_TOKEN, 401, "", "{\"ok\":false}");
	start(d, &job, "port-id", "s3cret");
	assert_fails(&job, MUX_ERROR_SIGN_IN, "401");
	oauth_server_say(&d->a.server, PORT_TOKEN, 503, "", "");
	start(d, &job, "port-id", "s3cret");
	assert_fails(&job, MUX_ERROR_BUSY, "503");
	assert_int_equal(accounts_count(&d->a, "notes"), 0);
}

/* ---- keys ---- */

static void test_a_key(void **state)
{
	struct Desk *d = *state;
	struct Job job = {.cancels = true};
	use(d, AUTH_API_KEY);
	store_key(d, &job, "key with spaces~");
	assert_done(&job);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "key with spaces~");
	assert_int_equal(stored->issued_at, NOW);
	assert_int_equal(stored->expires_at, 0);
	assert_int_equal(accounts_count(&d->a, "notes"), 1);
	assert_true(stamp_is_there(d));
	job_clear(&job);
}

static void test_what_could_not_be_read_again_is_refused(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	static const char *const keys[] = {"", "k\xc3\xa9y", "key\n", "key\x01"};
	use(d, AUTH_API_KEY);
	for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
		store_key(d, &job, keys[i]);
		assert_fails(&job, MUX_ERROR_SYNTAX, "the key has characters");
	}
	d->a.connector.auth = AUTH_PORT_CREDENTIALS;
	start(d, &job, "id\x1b", "s3cret");
	assert_fails(&job, MUX_ERROR_SYNTAX, "client id");
	start(d, &job, "", "s3cret");
	assert_fails(&job, MUX_ERROR_SYNTAX, "client id");
	assert_int_equal(oauth_server_count(&d->a.server, PORT_TOKEN), 0);
	assert_int_equal(accounts_count(&d->a, "notes"), 0);
}

/* ---- what else goes wrong ---- */

static void test_a_locked_keyring(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use_robot(d, "client_secret_basic");
	keyring_fixture_lock(d->a.bank);
	start(d, &job, "robot", "s3cret");
	assert_fails(&job, MUX_ERROR_LOCKED, "locked");
	assert_false(desk_is_locked(d));
	assert_false(stamp_is_there(d));
	d->a.connector.auth = AUTH_API_KEY;
	store_key(d, &job, "key-a");
	assert_fails(&job, MUX_ERROR_LOCKED, "locked");
	assert_false(stamp_is_there(d));
}

static void test_the_lock_of_another(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	gint64 holder;
	g_autofree char *path = credential_lock_path(&d->a.connector);
	use(d, AUTH_API_KEY);
	struct FileLock *lock = file_try_lock(path, &holder, NULL);
	store_key(d, &job, "key-a");
	fixture_turn_for(&d->a.fixture, 60);
	assert_int_equal(job.done, 0);
	assert_int_equal(accounts_count(&d->a, "notes"), 0);
	file_unlock(lock);
	assert_done(&job);
	job_clear(&job);
	lock = file_try_lock(path, &holder, NULL);
	store_key(d, &job, "key-b");
	fixture_turn_for(&d->a.fixture, 60);
	clock_jump(&d->a.fixture, CREDENTIAL_LOCK_MS);
	assert_fails(&job, MUX_ERROR_TIMEOUT, "in use by process");
	file_unlock(lock);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_secret(stored->access_token, "key-a");
}

static void test_cancelled_at_every_step(void **state)
{
	struct Desk *d = *state;
	struct Job job = {0};
	use_robot(d, "client_secret_basic");
	machine_cancel(NULL);
	start(d, &job, "robot", "s3cret");
	machine_cancel(job.machine); /* in discovery */
	oauth_server_say(&d->a.server, TOKEN, OAUTH_SILENT, "", "");
	start(d, &job, "robot", "s3cret");
	oauth_server_await(&d->a.server, &d->a.fixture, TOKEN, 1);
	machine_cancel(job.machine);
	d->a.connector.auth = AUTH_API_KEY;
	store_key(d, &job, "key-a");
	machine_cancel(job.machine); /* before the lock */
	store_key(d, &job, "");
	machine_cancel(job.machine); /* before its refusal */
	keyring_fixture_stop(d->a.bank);
	store_key(d, &job, "key-b");
	fixture_turn_for(&d->a.fixture, 40);
	assert_true(desk_is_locked(d));
	machine_cancel(job.machine); /* while it is stored */
	assert_false(desk_is_locked(d));
	keyring_fixture_continue(d->a.bank);
	fixture_turn_for(&d->a.fixture, 40);
	assert_int_equal(job.done, 0);
}

#define machine_test(function) cmocka_unit_test_setup_teardown(function, desk_open, close_desk)

int main(void)
{
	const struct CMUnitTest tests[] = {
		machine_test(test_client_credentials),
		machine_test(test_each_sign_in_is_another_grant),
		machine_test(test_a_wrong_secret_is_not_stored),
		machine_test(test_a_server_that_cannot_be_found),
		cmocka_unit_test(test_ports_addresses),
		machine_test(test_ports_exchange),
		machine_test(test_port_refuses),
		machine_test(test_a_key),
		machine_test(test_what_could_not_be_read_again_is_refused),
		machine_test(test_a_locked_keyring),
		machine_test(test_the_lock_of_another),
		machine_test(test_cancelled_at_every_step),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
