#include "choice_fixture.h"

int64_t auth_now(void)
{
	return 1800000000;
}

/* ---- the configured client ---- */

static void a_configured_client_comes_before_all_others(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	t.a.connector.client_metadata_url = (char *)"https://client.example/mcp-mux.json";
	t.discovered.server.client_documents = true;
	struct ClientRecord given = {.client_id = (char *)"given"};
	accounts_put_client(&t.a, t.a.server.origin, &given, "s3cret");
	choose(&t, false);
	assert_chosen(&t, "given", "client_secret_basic");
	assert_secret(t.client->client_secret, "s3cret");
	/* The search for registrations of ours is nothing to it. */
	choose(&t, true);
	assert_chosen(&t, "given", "client_secret_basic");
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

static void a_configured_client_without_a_secret_is_public(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	assert_null(t.client->client_secret);
	/* What lies there belongs to another client, maybe a registration of ours. */
	struct ClientRecord other = {.client_id = (char *)"other", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &other, "s3cret");
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	assert_null(t.client->client_secret);
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

static void a_method_that_the_record_names_counts(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	struct ClientRecord given = {
		.client_id = (char *)"given", .auth_method = (char *)"client_secret_post"};
	accounts_put_client(&t.a, t.a.server.origin, &given, "s3cret");
	choose(&t, false);
	assert_chosen(&t, "given", "client_secret_post");
	teardown(&t);
}

/* MCP 2026-07-28, "Authorization Server Binding". */
static void a_secret_of_another_issuer_is_not_sent(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	struct ClientRecord unrelated = {.client_id = (char *)"registered"};
	accounts_put_client(&t.a, "https://unrelated.example", &unrelated, "x");
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	struct ClientRecord given = {.client_id = (char *)"given"};
	accounts_put_client(&t.a, "https://before.example", &given, "s3cret");
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_UPSTREAM, "belongs to https://before.example");
	assert_words(t.error, MUX_ERROR_UPSTREAM, t.a.server.origin);
	assert_words(t.error, MUX_ERROR_UPSTREAM, "`mcp-mux disconnect notes`");
	assert_null(strstr(t.error->message, "s3cret"));
	/* With one of this issuer all is well. */
	accounts_put_client(&t.a, t.a.server.origin, &given, "new");
	choose(&t, false);
	assert_chosen(&t, "given", "client_secret_basic");
	assert_secret(t.client->client_secret, "new");
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

static void put_token(struct Test *t, const char *issuer, const char *client_id)
{
	struct KeyringKey key = accounts_token_key(&t->a);
	g_autoptr(TokenRecord) record = token_record_new();
	record->issuer = g_strdup(issuer);
	record->client_id = g_strdup(client_id);
	record->access_token = secret_new(SLICE("at"));
	accounts_put(&t->a, &key, token_record_write(record));
}

static void a_sign_in_tells_to_whom_a_public_client_belongs(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	put_token(&t, t.a.server.origin, "given");
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	put_token(&t, "https://before.example", "other");
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	put_token(&t, "https://before.example", "given");
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_UPSTREAM, "belongs to https://before.example");
	struct KeyringKey key = accounts_token_key(&t.a);
	accounts_put_text(&t.a, &key, "no record");
	choose(&t, false);
	assert_chosen(&t, "given", "none");
	teardown(&t);
}

static void methods_follow_the_secret_and_the_metadata(void **state)
{
	static const struct {
		const char *methods[4];
		bool listed;
		const char *wanted;
	} cases[] = {
		{{NULL}, false, "client_secret_basic"},
		{{NULL}, true, "client_secret_basic"},
		{{"client_secret_post", "client_secret_basic"}, true, "client_secret_basic"},
		{{"none", "client_secret_post"}, true, "client_secret_post"},
		{{"none", "private_key_jwt"}, true, "none"},
		{{"private_key_jwt", "tls_client_auth"}, true, "client_secret_basic"},
	};
	(void)state;
	g_autoptr(Secret) secret = secret_new(SLICE("s"));
	g_autoptr(Secret) pem =
		secret_new(SLICE("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ServerMetadata server = {
			.auth_methods = cases[i].listed ? (char **)cases[i].methods : NULL};
		assert_string_equal(client_auth_method(&server, secret), cases[i].wanted);
		assert_string_equal(client_auth_method(&server, pem), "private_key_jwt");
		assert_string_equal(client_auth_method(&server, NULL), "none");
	}
}

/* ---- documents ---- */

static void a_document_is_used_where_the_server_supports_it(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_metadata_url = (char *)"HTTPS://client.example/mcp-mux.json";
	t.discovered.server.client_documents = true;
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	choose(&t, false);
	assert_chosen(&t, "HTTPS://client.example/mcp-mux.json", "none");
	assert_null(t.client->client_secret);
	assert_int_equal(t.a.server.arrived, 0);
	t.discovered.server.client_documents = false;
	choose(&t, false);
	assert_chosen(&t, "kept", "none");
	teardown(&t);
}

static void a_document_must_lie_at_an_https_url_with_a_path(void **state)
{
	static const char *const urls[] = {"http://127.0.0.1/client.json", "https://client.example",
		"https://client.example/"};
	struct Test t;
	(void)state;
	setup(&t);
	t.discovered.server.client_documents = true;
	for (unsigned i = 0; i < G_N_ELEMENTS(urls); i++) {
		t.a.connector.client_metadata_url = (char *)urls[i];
		choose(&t, false);
		assert_words(t.error, MUX_ERROR_CONFIG, "user.ini:7: client_metadata_url");
	}
	teardown(&t);
}

/* ---- the keyring fails ---- */

static void a_keyring_that_fails_ends_the_choice(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	keyring_fixture_lock(t.a.bank);
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_LOCKED, "locked");
	t.a.connector.client_id = (char *)"kept";
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_LOCKED, "locked");
	t.a.connector.client_id = NULL;
	/* What was registered and cannot be kept is of no use. */
	say_registered(&t, "{\"client_id\":\"new\"}");
	choose(&t, true);
	assert_words(t.error, MUX_ERROR_LOCKED, "locked");
	assert_int_equal(oauth_server_count(&t.a.server, "/register"), 1);
	keyring_fixture_kill_bus(t.a.bank);
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_KEYRING, "");
	teardown(&t);
}

/* Locked between two steps: found by the search, which works while locked, but not to be read. */
static void a_keyring_that_locks_midway_ends_the_choice(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.client_id = (char *)"given";
	struct ClientRecord given = {.client_id = (char *)"given"};
	accounts_put_client(&t.a, "https://before.example", &given, "s3cret");
	for (unsigned turns = 0; t.done == 0 || t.error->code != MUX_ERROR_UPSTREAM; turns++) {
		start(&t, false);
		for (unsigned i = 0; i < turns && t.done == 0; i++)
			g_main_context_iteration(t.a.fixture.context, TRUE);
		keyring_fixture_lock(t.a.bank);
		turn_until(&t.a.fixture, t.done, 1);
		assert_non_null(t.error);
		if (t.error->code != MUX_ERROR_UPSTREAM)
			assert_words(t.error, MUX_ERROR_LOCKED, "the keyring ");
		keyring_fixture_unlock(t.a.bank);
	}
	teardown(&t);
}

/* ---- cancelling ---- */

static void cancelled_it_never_calls_back(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	client_choice_cancel(NULL);
	/* At the first look into the keyring. */
	start(&t, false);
	client_choice_cancel(t.choice);
	/* While the server has the registration. */
	oauth_server_say_always(&t.a.server, "/register", OAUTH_SILENT, "", "");
	start(&t, false);
	struct OauthHit *hit = oauth_server_await(&t.a.server, &t.a.fixture, "/register", 1);
	client_choice_cancel(t.choice);
	oauth_hit_answer(hit, 201, "", "{\"client_id\":\"new\"}");
	/* Before it was told that there is none to register at, or of a document. */
	g_autofree char *endpoint = g_steal_pointer(&t.discovered.server.registration_endpoint);
	start(&t, true);
	client_choice_cancel(t.choice);
	t.discovered.server.client_documents = true;
	t.a.connector.client_metadata_url = (char *)"https://client.example/c.json";
	start(&t, false);
	client_choice_cancel(t.choice);
	t.a.connector.client_id = (char *)"given";
	start(&t, false);
	client_choice_cancel(t.choice);
	fixture_turn_for(&t.a.fixture, 50);
	assert_int_equal(t.done, 0);
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

/* At every turn of the loop, so at every step. */
static void cancelled_anywhere_it_never_calls_back(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.a.server, "/register", 201, "", "{\"client_id\":\"new\"}");
	struct ClientRecord other = {.client_id = (char *)"other"};
	accounts_put_client(&t.a, "https://before.example", &other, "s3cret");
	for (unsigned way = 0; way < 2; way++) {
		t.a.connector.client_id = way ? (char *)"given" : NULL;
		bool ended = false;
		for (unsigned turns = 1; !ended; turns++) {
			start(&t, true);
			for (unsigned i = 0; i < turns && t.done == 0; i++)
				g_main_context_iteration(t.a.fixture.context, TRUE);
			ended = t.done > 0;
			if (ended)
				break;
			client_choice_cancel(t.choice);
			assert_int_equal(t.done, 0);
		}
		assert_null(t.error);
	}
	forget_result(&t);
	fixture_turn_for(&t.a.fixture, 50);
	assert_int_equal(t.done, 0);
	teardown(&t);
}

static void cancelling_inside_the_handler_does_nothing(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.cancels = true;
	say_registered(&t, "{\"client_id\":\"new\"}");
	choose(&t, false);
	assert_chosen(&t, "new", "none");
	choose(&t, false);
	assert_chosen(&t, "new", "none");
	g_clear_pointer(&t.discovered.server.registration_endpoint, g_free);
	choose(&t, true);
	assert_words(t.error, MUX_ERROR_UPSTREAM, "client_id");
	teardown(&t);
}

/* ---- ports and keys ---- */

static void on_port(unsigned port, void *user)
{
	struct Test *t = user;
	assert_true(t->started);
	t->port = port;
	t->done++;
	if (t->cancels)
		client_choice_cancel(t->choice);
}

static unsigned find_port(struct Test *t)
{
	t->done = 0;
	t->started = false;
	t->port = 12345;
	t->choice = client_find_port(&t->a.shared, &t->a.connector, t->a.server.origin, on_port, t);
	t->started = true;
	turn_until(&t->a.fixture, t->done, 1);
	return t->port;
}

static void the_port_of_the_kept_registration_is_found(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	assert_int_equal(find_port(&t), 0);
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	t.cancels = true;
	assert_int_equal(find_port(&t), 4711);
	t.cancels = false;
	kept.redirect_uri = (char *)"http://127.0.0.1/callback";
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	assert_int_equal(find_port(&t), 0);
	kept.redirect_uri = NULL;
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	assert_int_equal(find_port(&t), 0);
	struct KeyringKey key = accounts_client_key(&t.a, t.a.server.origin);
	accounts_put_text(&t.a, &key, "no record");
	assert_int_equal(find_port(&t), 0);
	t.done = 0;
	client_choice_cancel(
		client_find_port(&t.a.shared, &t.a.connector, t.a.server.origin, on_port, &t));
	fixture_turn_for(&t.a.fixture, 20);
	assert_int_equal(t.done, 0);
	keyring_fixture_kill_bus(t.a.bank);
	assert_int_equal(find_port(&t), 0);
	teardown(&t);
}

static void a_client_is_kept_by_connector_url_and_issuer(void **state)
{
	struct ConnectorConfig connector = {
		.name = (char *)"notes", .url = (char *)"HTTPS://Mcp.Example:443/#x"};
	g_autofree char *resource = NULL;
	(void)state;
	struct KeyringKey key = client_key(&connector, "https://as.example", &resource);
	assert_string_equal(key.connector, "notes");
	assert_string_equal(key.resource, "https://mcp.example");
	assert_ptr_equal(key.resource, resource);
	assert_int_equal(key.kind, KEYRING_CLIENT);
	assert_string_equal(key.issuer, "https://as.example");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configured_client_comes_before_all_others),
		cmocka_unit_test(a_configured_client_without_a_secret_is_public),
		cmocka_unit_test(a_method_that_the_record_names_counts),
		cmocka_unit_test(a_secret_of_another_issuer_is_not_sent),
		cmocka_unit_test(a_sign_in_tells_to_whom_a_public_client_belongs),
		cmocka_unit_test(methods_follow_the_secret_and_the_metadata),
		cmocka_unit_test(a_document_is_used_where_the_server_supports_it),
		cmocka_unit_test(a_document_must_lie_at_an_https_url_with_a_path),
		cmocka_unit_test(a_keyring_that_fails_ends_the_choice),
		cmocka_unit_test(a_keyring_that_locks_midway_ends_the_choice),
		cmocka_unit_test(cancelled_it_never_calls_back),
		cmocka_unit_test(cancelled_anywhere_it_never_calls_back),
		cmocka_unit_test(cancelling_inside_the_handler_does_nothing),
		cmocka_unit_test(the_port_of_the_kept_registration_is_found),
		cmocka_unit_test(a_client_is_kept_by_connector_url_and_issuer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
