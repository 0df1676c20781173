#include "choice_fixture.h"

int64_t auth_now(void)
{
	return 1800000000;
}

/* ---- registrations that were kept ---- */

struct Kept {
	const char *uri;
	int64_t expires_at;
	bool used;
};

static void a_registration_is_used_again_for_the_same_redirect_uri(void **state)
{
	static const struct Kept cases[] = {
		{URI, 0, true},
		{URI, 1800000001, true},
		{URI, 1800000000, false},
		{"http://127.0.0.1:5000/callback", 0, true},
		{"http://127.0.0.1/callback", 0, true},
		{"http://127.0.0.1:4711/other", 0, false},
		{"http://127.0.0.1:4711/callback?x=1", 0, false},
		{"http://localhost:4711/callback", 0, false},
		{"http://[::1]:4711/callback", 0, false},
		{"https://127.0.0.1:4711/callback", 0, false},
		{"http://client.example:4711/callback", 0, false},
		{"no URL", 0, false},
		{NULL, 0, false},
	};
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.a.server, "/register", 201, "", "{\"client_id\":\"new\"}");
	unsigned registered = 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ClientRecord kept = {.client_id = (char *)"kept",
			.auth_method = (char *)"client_secret_post",
			.redirect_uri = (char *)cases[i].uri,
			.secret_expires_at = cases[i].expires_at};
		accounts_put_client(&t.a, t.a.server.origin, &kept, "s3cret");
		choose(&t, false);
		if (cases[i].used) {
			assert_chosen(&t, "kept", "client_secret_post");
			assert_secret(t.client->client_secret, "s3cret");
			assert_string_equal(t.client->redirect_uri, cases[i].uri);
		} else {
			assert_chosen(&t, "new", "none");
			registered++;
		}
	}
	assert_int_equal(oauth_server_count(&t.a.server, "/register"), registered);
	teardown(&t);
}

static void a_registration_differs_in_the_port_alone_at_every_loopback(void **state)
{
	static const char *const pairs[][2] = {
		{"http://localhost:1/callback", "http://localhost:2/callback"},
		{"http://[::1]:1/callback", "http://[::1]:2/callback"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
		struct ClientRecord kept = {
			.client_id = (char *)"kept", .redirect_uri = (char *)pairs[i][0]};
		accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
		forget_result(&t);
		client_choose(&t.a.shared, &t.a.connector, &t.discovered, pairs[i][1], false,
			on_chosen, &t);
		t.started = true;
		turn_until(&t.a.fixture, t.done, 1);
		assert_chosen(&t, "kept", "none");
	}
	teardown(&t);
}

static void a_registration_of_another_issuer_or_resource_is_not_used(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, "https://before.example", &kept, "s3cret");
	struct KeyringKey key = accounts_client_key(&t.a, t.a.server.origin);
	key.resource = "https://elsewhere.example/mcp";
	g_autoptr(Secret) text = client_record_write(&kept);
	accounts_put(&t.a, &key, secret_ref(text));
	say_registered(&t, "{\"client_id\":\"new\"}");
	choose(&t, false);
	assert_chosen(&t, "new", "none");
	assert_null(strstr(oauth_server_last(&t.a.server, "/register")->body, "kept"));
	teardown(&t);
}

static void a_method_that_was_not_kept_is_found_again(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &kept, "s3cret");
	choose(&t, false);
	assert_chosen(&t, "kept", "client_secret_basic");
	teardown(&t);
}

static void fresh_registers_and_replaces_what_was_kept(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct ClientRecord kept = {.client_id = (char *)"kept", .redirect_uri = (char *)URI};
	accounts_put_client(&t.a, t.a.server.origin, &kept, NULL);
	say_registered(&t, "{\"client_id\":\"new\"}");
	choose(&t, true);
	assert_chosen(&t, "new", "none");
	choose(&t, false);
	assert_chosen(&t, "new", "none");
	assert_int_equal(oauth_server_count(&t.a.server, "/register"), 1);
	teardown(&t);
}

static void a_record_that_cannot_be_read_is_left_alone(void **state)
{
	static const char *const texts[] = {"{\"v\":2,\"client_id\":\"newer\"}", "no JSON", "{}"};
	struct Test t;
	(void)state;
	setup(&t);
	struct KeyringKey key = accounts_client_key(&t.a, t.a.server.origin);
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
		accounts_put_text(&t.a, &key, texts[i]);
		t.a.connector.client_id = NULL;
		choose(&t, false);
		assert_words(t.error, MUX_ERROR_KEYRING, "cannot be read");
		assert_words(t.error, MUX_ERROR_KEYRING, "`mcp-mux disconnect notes`");
		t.a.connector.client_id = (char *)"given";
		choose(&t, false);
		assert_words(t.error, MUX_ERROR_KEYRING, "cannot be read");
		assert_secret(accounts_get(&t.a, &key), texts[i]);
	}
	assert_int_equal(t.a.server.arrived, 0);
	teardown(&t);
}

/* ---- new registrations ---- */

static void a_registration_says_what_kind_of_client_this_is(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.a.connector.scope = (char *)"unused here";
	say_registered(&t, "{\"client_id\":\"new\",\"client_secret\":\"s3cret\","
			   "\"token_endpoint_auth_method\":\"client_secret_post\","
			   "\"client_secret_expires_at\":1900000000}");
	choose(&t, false);
	const struct OauthHit *hit = oauth_server_last(&t.a.server, "/register");
	assert_string_equal(hit->method, "POST");
	assert_string_equal(hit->body,
		"{\"client_name\":\"mcp-mux\",\"application_type\":\"native\","
		"\"redirect_uris\":[\"" URI "\"],"
		"\"grant_types\":[\"authorization_code\",\"refresh_token\"],"
		"\"response_types\":[\"code\"],\"token_endpoint_auth_method\":\"none\"}");
	g_autofree char *type = oauth_hit_header(hit, "Content-Type");
	assert_string_equal(type, "application/json");
	assert_chosen(&t, "new", "client_secret_post");
	assert_secret(t.client->client_secret, "s3cret");
	assert_string_equal(t.client->redirect_uri, URI);
	assert_int_equal(t.client->secret_expires_at, 1900000000);
	/* It is in the keyring. */
	struct KeyringKey key = accounts_client_key(&t.a, t.a.server.origin);
	g_autoptr(ClientRecord) kept =
		client_record_parse(secret_reveal(accounts_get(&t.a, &key)), NULL);
	assert_string_equal(kept->client_id, "new");
	assert_string_equal(kept->auth_method, "client_secret_post");
	assert_string_equal(kept->redirect_uri, URI);
	assert_secret(kept->client_secret, "s3cret");
	assert_int_equal(kept->secret_expires_at, 1900000000);
	teardown(&t);
}

struct Granted {
	const char *listed; /* methods of the metadata with spaces between; NULL: it says nothing */
	const char *asked;
	const char *answer; /* members after the client_id */
	const char *method; /* NULL: refused */
};

#define SECRET ",\"client_secret\":\"s3cret\""
#define METHOD(m) ",\"token_endpoint_auth_method\":\"" m "\""

static const struct Granted grants[] = {
	/* RFC 7591, 3.2.1: what the answer says counts. */
	{NULL, "none", METHOD("none"), "none"},
	{NULL, "none", SECRET METHOD("client_secret_basic"), "client_secret_basic"},
	{NULL, "none", SECRET METHOD("client_secret_post"), "client_secret_post"},
	{"client_secret_basic", "client_secret_basic", SECRET METHOD("client_secret_basic"),
		"client_secret_basic"},
	{"client_secret_post", "client_secret_post", SECRET METHOD("client_secret_post"),
		"client_secret_post"},
	{"client_secret_post client_secret_basic", "client_secret_basic",
		SECRET METHOD("client_secret_post"), "client_secret_post"},
	/* Figma's gives a secret to a client that uses none. */
	{"none client_secret_post", "none", SECRET METHOD("none"), "none"},
	/* It says nothing. */
	{NULL, "none", "", "none"},
	{NULL, "none", SECRET, "client_secret_basic"},
	{"", "none", SECRET, "client_secret_basic"},
	{"none", "none", SECRET, "none"},
	{"client_secret_basic none", "none", SECRET, "none"},
	{"client_secret_post", "client_secret_post", SECRET, "client_secret_post"},
	{"client_secret_basic", "client_secret_basic", SECRET, "client_secret_basic"},
	{"private_key_jwt", "none", SECRET, "client_secret_basic"},
	/* There is nothing to authenticate with. */
	{"client_secret_basic", "client_secret_basic", "", "none"},
	{NULL, "none", METHOD("client_secret_basic"), "none"},
	/* What cannot be done. */
	{NULL, "none", METHOD("private_key_jwt"), NULL},
	{NULL, "none", SECRET METHOD("client_secret_jwt"), NULL},
};

static void the_method_of_a_registration_is_as_granted(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < G_N_ELEMENTS(grants); i++) {
		const struct Granted *each = &grants[i];
		g_auto(GStrv) listed = each->listed ? g_strsplit(each->listed, " ", -1) : NULL;
		t.discovered.server.auth_methods = listed;
		g_autofree char *body = g_strdup_printf("{\"client_id\":\"new\"%s}", each->answer);
		say_registered(&t, body);
		choose(&t, true);
		g_autofree char *asked =
			g_strdup_printf("\"token_endpoint_auth_method\":\"%s\"}", each->asked);
		const char *sent = oauth_server_last(&t.a.server, "/register")->body;
		if (!strstr(sent, asked))
			fail_msg("case %u: %s", i, sent);
		if (!each->method) {
			assert_words(t.error, MUX_ERROR_UPSTREAM, "which is not supported");
			assert_words(
				t.error, MUX_ERROR_UPSTREAM, "set client_id in [connector:notes]");
			continue;
		}
		assert_null(t.error);
		if (strcmp(t.client->auth_method, each->method) != 0)
			fail_msg("case %u: %s", i, t.client->auth_method);
		assert_true(!t.client->client_secret == !strstr(body, "s3cret"));
	}
	t.discovered.server.auth_methods = NULL;
	teardown(&t);
}

static void a_refused_registration_says_why_and_what_can_be_done(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum MuxError code;
		const char *words;
	} cases[] = {
		{OAUTH_CUT, "", MUX_ERROR_BROKEN, "closed the connection"},
		{400,
			"{\"error\":\"invalid_redirect_uri\",\"error_description\":\"no loopback"
			"\\u001b[0m\"}",
			MUX_ERROR_UPSTREAM,
			"does not register mcp-mux as a client: invalid_redirect_uri: no "
			"loopback?[0m; register one there yourself and set client_id in "
			"[connector:notes]"},
		{403, "Forbidden", MUX_ERROR_UPSTREAM, "as a client: HTTP 403; register"},
		{404, "", MUX_ERROR_UPSTREAM, "HTTP 404"},
		{302, "", MUX_ERROR_UPSTREAM, "HTTP 302"},
		{200, "{\"error\":\"no\"}", MUX_ERROR_UPSTREAM, "as a client: no; register"},
		{429, "", MUX_ERROR_BUSY, "cannot register a client now: HTTP 429"},
		{500, "", MUX_ERROR_BUSY, "HTTP 500"},
		{201, "", MUX_ERROR_UPSTREAM, ""},
		{201, "{\"client_name\":\"x\"}", MUX_ERROR_UPSTREAM, "client_id"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		oauth_server_say(&t.a.server, "/register", cases[i].status, "", cases[i].body);
		choose(&t, false);
		assert_words(t.error, (int)cases[i].code, cases[i].words);
	}
	assert_int_equal(accounts_count(&t.a, "notes"), 0);
	teardown(&t);
}

static void where_no_client_can_register_the_ini_is_named(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	g_clear_pointer(&t.discovered.server.registration_endpoint, g_free);
	choose(&t, false);
	assert_words(t.error, MUX_ERROR_UPSTREAM,
		"lets no client register itself; register one there yourself and set client_id in "
		"[connector:notes]");
	t.a.connector.native = true;
	t.discovered.server.client_documents = true;
	choose(&t, true);
	assert_words(
		t.error, MUX_ERROR_UPSTREAM, "set client_id or client_metadata_url in [native]");
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_registration_is_used_again_for_the_same_redirect_uri),
		cmocka_unit_test(a_registration_differs_in_the_port_alone_at_every_loopback),
		cmocka_unit_test(a_registration_of_another_issuer_or_resource_is_not_used),
		cmocka_unit_test(a_method_that_was_not_kept_is_found_again),
		cmocka_unit_test(fresh_registers_and_replaces_what_was_kept),
		cmocka_unit_test(a_record_that_cannot_be_read_is_left_alone),
		cmocka_unit_test(a_registration_says_what_kind_of_client_this_is),
		cmocka_unit_test(the_method_of_a_registration_is_as_granted),
		cmocka_unit_test(a_refused_registration_says_why_and_what_can_be_done),
		cmocka_unit_test(where_no_client_can_register_the_ini_is_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
