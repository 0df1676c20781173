/* Sign-ins that cannot begin or do not succeed, ports and clients that are kept, scopes, and those that are freed on
 * the way. */
#include "sign_in_fixture.h"

/* ---- what a server must have ---- */

static void assert_ends_before_url(struct Desk *d, enum MuxError code, const char *words)
{
	desk_start(d);
	desk_await_done(d);
	assert_int_equal(d->urls, 0);
	assert_null(sign_in_url(d->flow));
	assert_fault(d->error, code, words);
	assert_nothing_stored(d);
	desk_clear(d);
}

static void a_server_that_does_not_promise_pkce_is_refused(void **state)
{
	struct Desk *d = *state;
	const char *methods[] = {NULL, "[]", "[\"plain\"]", "[\"s256\"]"};
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(methods); i++) {
		d->a.server.challenge_methods = methods[i / 2];
		d->a.server.metadata = i % 2;
		d->a.server.oidc = !(i % 2);
		assert_ends_before_url(d, MUX_ERROR_UPSTREAM, "code_challenge_methods_supported");
	}
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 0);
	d->a.server.challenge_methods = "[\"plain\",\"S256\"]";
	desk_sign_in(d);
}

static void a_server_without_a_place_to_sign_in_is_refused(void **state)
{
	struct Desk *d = *state;
	const char *names[] = {"authorization", "token"};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *body =
			g_strdup_printf("{\"issuer\":\"%s\",\"%s_endpoint\":\"%s/x\","
					"\"code_challenge_methods_supported\":[\"S256\"]}",
				d->a.server.origin, names[1 - i], d->a.server.origin);
		g_autofree char *words = g_strconcat(names[i], "_endpoint", NULL);
		oauth_server_say(
			&d->a.server, "/.well-known/oauth-authorization-server", 200, "", body);
		assert_ends_before_url(d, MUX_ERROR_UPSTREAM, words);
	}
}

static void what_its_parts_say_is_its_end(void **state)
{
	struct Desk *d = *state;
	oauth_server_say(&d->a.server, "/.well-known/oauth-protected-resource/mcp", 200, "",
		"{\"resource\":\"https://evil.example/\"}");
	assert_ends_before_url(d, MUX_ERROR_UPSTREAM, "evil.example");
	oauth_server_say(&d->a.server, "/register", 403, "", "{\"error\":\"not_allowlisted\"}");
	assert_ends_before_url(d, MUX_ERROR_UPSTREAM, "not_allowlisted");
	keyring_fixture_lock(d->a.bank);
	desk_start(d);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_LOCKED, "locked");
}

/* ---- the token endpoint ---- */

static void assert_exchange_fails(struct Desk *d, enum MuxError code, const char *words)
{
	struct Call call;
	bool refused = code == MUX_ERROR_SIGN_IN;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_fault(d->error, code, words);
	desk_await_page(d, &call, refused ? 403 : 500,
		refused ? "was not connected" : "could not be connected");
	assert_nothing_stored(d);
	assert_false(desk_stamp_is_there(d));
	desk_clear(d);
}

static void a_token_endpoint_that_fails_ends_it(void **state)
{
	struct Desk *d = *state;
	const struct {
		int status;
		const char *body;
		enum MuxError code;
		const char *words;
	} answers[] = {
		{400, "{\"error\":\"invalid_grant\",\"error_description\":\"too late\"}",
			MUX_ERROR_SIGN_IN, "invalid_grant: too late"},
		{400, "{\"error\":\"invalid_request\",\"error_description\":\"redirect_uri\"}",
			MUX_ERROR_SIGN_IN, "redirect_uri"},
		{401, "", MUX_ERROR_SIGN_IN, "401"},
		{503, "", MUX_ERROR_BUSY, "503"},
		{302, "", MUX_ERROR_UPSTREAM, "redirect"},
		{200, "{\"access_token\":7}", MUX_ERROR_UPSTREAM, "access_token"},
		{200, "<html>", MUX_ERROR_UPSTREAM, "no valid token"},
		{OAUTH_CUT, "", MUX_ERROR_BROKEN, ""},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		oauth_server_say(&d->a.server, "/token", answers[i].status, "", answers[i].body);
		assert_exchange_fails(d, answers[i].code, answers[i].words);
		assert_int_equal(oauth_server_count(&d->a.server, "/token"), i + 1);
	}
}

static void a_token_endpoint_that_is_silent_ends_it(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	oauth_server_say(&d->a.server, "/token", OAUTH_SILENT, "", "");
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	oauth_server_await(&d->a.server, &d->a.fixture, "/token", 1);
	clock_jump(&d->a.fixture, 31 * 1000);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_TIMEOUT, "");
	desk_await_page(d, &call, 500, "could not be connected");
}

static void a_registration_that_the_server_forgot_is_forgotten(void **state)
{
	struct Desk *d = *state;
	desk_sign_in(d);
	desk_clear(d);
	desk_await_url(d);
	oauth_server_say(&d->a.server, "/token", 401, "",
		"{\"error\":\"invalid_client\",\"error_description\":\"who is it?\"}");
	g_autofree char *callback = desk_consent(d);
	assert_true(sign_in_paste(d->flow, callback, NULL));
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_SIGN_IN, "invalid_client: who is it?; the registration");
	struct KeyringKey key = accounts_client_key(&d->a, d->a.server.origin);
	assert_null(accounts_get(&d->a, &key));
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 1);
	desk_clear(d);
	desk_sign_in(d);
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 2);
}

/* ---- the keyring ---- */

static void assert_storing_fails(struct Desk *d, struct OauthHit *hit, struct Call *call,
	enum MuxError code, const char *words)
{
	oauth_hit_serve(hit);
	desk_await_done(d);
	assert_fault(d->error, code, words);
	desk_await_page(d, call, 500, "My notes could not be connected");
	assert_false(desk_stamp_is_there(d));
}

static struct OauthHit *begin_exchange(struct Desk *d, struct Call *call)
{
	oauth_server_say(&d->a.server, "/token", OAUTH_SILENT, "", "");
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, call, callback);
	return oauth_server_await(&d->a.server, &d->a.fixture, "/token", 1);
}

static void a_keyring_that_is_locked_meanwhile_keeps_it_from_connected(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	struct OauthHit *hit = begin_exchange(d, &call);
	keyring_fixture_lock(d->a.bank);
	assert_storing_fails(d, hit, &call, MUX_ERROR_LOCKED, "locked");
	keyring_fixture_unlock(d->a.bank);
	assert_nothing_stored(d);
}

static void so_does_one_that_went_away(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	struct OauthHit *hit = begin_exchange(d, &call);
	keyring_fixture_kill_bus(d->a.bank);
	assert_storing_fails(d, hit, &call, MUX_ERROR_KEYRING, "");
}

static void the_lock_of_the_credential_is_awaited_for_30_s(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	struct OauthHit *hit = begin_exchange(d, &call);
	g_autofree char *path = credential_lock_path(&d->a.connector);
	struct FileLock *lock = file_lock(path, 0, NULL);
	assert_non_null(lock);
	oauth_hit_serve(hit);
	fixture_turn_for(&d->a.fixture, 50);
	clock_jump(&d->a.fixture, CREDENTIAL_LOCK_MS + 1000);
	desk_await_done(d);
	/* What a person has finished is not thrown away. */
	assert_null(d->error);
	desk_await_page(d, &call, 200, "is connected");
	assert_string_equal(secret_reveal(d->record->access_token).data, "access-1");
	file_unlock(lock);
}

/* ---- clients ---- */

static void a_client_with_a_secret_uses_it(void **state)
{
	struct Desk *d = *state;
	d->a.server.client_secret = "s3cret";
	d->a.server.auth_methods = "[\"client_secret_basic\"]";
	desk_sign_in(d);
	assert_string_equal(d->record->auth_method, "client_secret_basic");
	assert_null(strstr(d->url, "s3cret"));
}

static void a_client_that_needs_a_secret_that_nobody_gave_asks_for_it(void **state)
{
	struct Desk *d = *state;
	d->a.connector.client_id = (char *)"mine";
	const struct ClientRecord client = {
		.client_id = (char *)"mine", .auth_method = (char *)"client_secret_basic"};
	accounts_put_client(&d->a, d->a.server.origin, &client, NULL);
	assert_ends_before_url(d, MUX_ERROR_SIGN_IN, "`mcp-mux connect notes`");
}

static void a_configured_client_without_its_secret_is_told_how_to_give_it(void **state)
{
	struct Desk *d = *state;
	d->a.connector.client_id = (char *)"mine";
	oauth_server_add_client(&d->a.server, "mine", "s3cret", "client_secret_basic");
	assert_exchange_fails(d, MUX_ERROR_SIGN_IN, "`mcp-mux connect notes` asks for it");
	/* It is not ours to forget. */
	const struct ClientRecord client = {
		.client_id = (char *)"mine", .auth_method = (char *)"client_secret_basic"};
	accounts_put_client(&d->a, d->a.server.origin, &client, "guessed");
	assert_exchange_fails(d, MUX_ERROR_SIGN_IN, "invalid_client: wrong secret");
	assert_int_equal(accounts_count(&d->a, "notes"), 1);
	accounts_put_client(&d->a, d->a.server.origin, &client, "s3cret");
	desk_sign_in(d);
	assert_string_equal(d->record->client_id, "mine");

	desk_clear(d);
	desk_await_url(d);
	clock_jump(&d->a.fixture, SIGN_IN_LIMIT_MS + 1000);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_TIMEOUT, "within 10 minutes");
	assert_null(strstr(d->error->message, "disconnect"));
}

static void a_client_document_is_used_where_the_server_knows_them(void **state)
{
	struct Desk *d = *state;
	d->a.server.client_documents = true;
	d->a.connector.client_metadata_url = (char *)"https://example.org/client.json";
	desk_sign_in(d);
	assert_string_equal(d->record->client_id, "https://example.org/client.json");
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 0);
}

/* ---- ports ---- */

/* Takes PORT as another program does. */
static int occupy(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

static void a_registration_is_used_again_at_its_port(void **state)
{
	struct Desk *d = *state;
	d->a.server.exact_redirect = true;
	desk_sign_in(d);
	unsigned port = desk_port(d);
	for (unsigned i = 0; i < 2; i++) {
		desk_clear(d);
		desk_sign_in(d);
		assert_int_equal(desk_port(d), port);
		assert_asks(d, "client_id", "client-1");
	}
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 1);
}

static void another_is_made_where_its_port_is_taken(void **state)
{
	struct Desk *d = *state;
	d->a.server.exact_redirect = true;
	desk_sign_in(d);
	unsigned port = desk_port(d);
	desk_clear(d);
	int other = occupy(port);
	desk_sign_in(d);
	assert_int_not_equal(desk_port(d), port);
	assert_asks(d, "client_id", "client-2");
	close(other);
	/* And it is kept from then on. */
	port = desk_port(d);
	desk_clear(d);
	desk_sign_in(d);
	assert_int_equal(desk_port(d), port);
	assert_asks(d, "client_id", "client-2");
}

static void or_it_goes_to_another_port_where_nobody_registers_clients(void **state)
{
	struct Desk *d = *state;
	desk_sign_in(d);
	unsigned port = desk_port(d);
	desk_clear(d);
	int other = occupy(port);
	d->a.server.registers = false;
	desk_sign_in(d);
	assert_int_not_equal(desk_port(d), port);
	assert_asks(d, "client_id", "client-1");
	close(other);
}

static void a_configured_port_is_used_alone(void **state)
{
	struct Desk *d = *state;
	unsigned free_port, taken_port;
	d->a.server.exact_redirect = true;
	desk_sign_in(d); /* a registration for any port */
	desk_clear(d);
	close(scripted_listen(&free_port, 1));
	d->a.connector.redirect_port = free_port;
	desk_sign_in(d);
	assert_int_equal(desk_port(d), free_port);
	assert_asks(d, "client_id", "client-2");
	desk_clear(d);
	desk_sign_in(d);
	assert_asks(d, "client_id", "client-2");
	desk_clear(d);

	int other = scripted_listen(&taken_port, 1);
	d->a.connector.redirect_port = taken_port;
	g_autofree char *words = g_strdup_printf("port %u: the port is taken; it is redirect_port "
						 "of connector notes",
		taken_port);
	desk_start(d);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_IO, words);
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 2);
	close(other);
}

static void localhost_is_said_where_it_is_configured(void **state)
{
	struct Desk *d = *state;
	d->a.connector.redirect_host = (char *)"localhost";
	desk_await_url(d);
	g_autofree char *wanted = g_strdup_printf("http://localhost:%u/callback", desk_port(d));
	assert_asks(d, "redirect_uri", wanted);
	g_autofree char *callback = desk_consent(d);
	assert_true(sign_in_paste(d->flow, callback, NULL));
	desk_await_done(d);
	assert_null(d->error);
}

/* ---- scopes and resources ---- */

static void the_scope_comes_from_the_first_who_says_one(void **state)
{
	(void)state;
	const struct {
		const char *ini, *challenge, *resource, *server, *previous, *wanted;
	} cases[] = {
		{NULL, NULL, NULL, NULL, NULL, NULL},
		{"a b", "c", "d", NULL, "e", "a b"},
		{"a", NULL, NULL, "offline_access", NULL, "a offline_access"},
		{NULL, "c", "d", "x y", NULL, "c"},
		{NULL, "c", "d", NULL, "e c", "c e"},
		{NULL, "", "d", NULL, NULL, "d"},
		{NULL, NULL, "d f", NULL, "f g", "d f g"},
		{NULL, NULL, NULL, NULL, "g", "g"},
		{NULL, NULL, "d", "d offline_access", NULL, "d offline_access"},
		{NULL, NULL, "d offline_access", "d", NULL, "d offline_access"},
		{NULL, NULL, NULL, "offline_access", NULL, NULL},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ConnectorConfig connector = {.scope = (char *)cases[i].ini};
		struct Challenge challenge = {.scope = (char *)cases[i].challenge};
		struct Discovered discovered = {.resource_scopes = (char *)cases[i].resource,
			.challenge = cases[i].challenge ? &challenge : NULL,
			.server.scopes = (char *)cases[i].server};
		struct TokenRecord previous = {.scope_wanted = (char *)cases[i].previous};
		g_autofree char *scope = sign_in_scope(
			&connector, &discovered, cases[i].previous ? &previous : NULL);
		if (g_strcmp0(scope, cases[i].wanted) != 0)
			fail_msg("%zu: %s, not %s", i, scope ? scope : "none",
				cases[i].wanted ? cases[i].wanted : "none");
	}
}

static void scopes_are_asked_for_and_recorded(void **state)
{
	struct Desk *d = *state;
	g_autoptr(TokenRecord) previous = token_record_new();
	previous->scope_wanted = g_strdup("write");
	d->spec.previous = previous;
	d->a.server.resource_scopes = "[\"read\"]";
	d->a.server.server_scopes = "[\"read\",\"offline_access\"]";
	desk_sign_in(d);
	assert_asks(d, "scope", "read write offline_access");
	assert_asks(d, "prompt", "consent");
	assert_string_equal(d->record->scope_granted, "read write offline_access");
	assert_string_equal(d->record->scope_wanted, "read write");
	desk_clear(d);
	d->a.server.granted_scope = "read";
	desk_sign_in(d);
	assert_string_equal(d->record->scope_granted, "read");
	assert_string_equal(d->record->scope_wanted, "read");
}

static void a_challenge_is_heard_and_the_connector_not_asked_again(void **state)
{
	struct Desk *d = *state;
	struct Challenge challenge = {.scope = (char *)"more"};
	d->spec.challenge = &challenge;
	desk_sign_in(d);
	assert_asks(d, "scope", "more");
	assert_asks(d, "prompt", NULL);
	assert_int_equal(oauth_server_count(&d->a.server, "/mcp"), 0);
}

static void the_resource_can_be_left_out(void **state)
{
	struct Desk *d = *state;
	d->a.connector.resource_parameter = false;
	desk_sign_in(d);
	assert_asks(d, "resource", NULL);
	assert_null(d->record->resource);
	assert_param(oauth_server_last(&d->a.server, "/token"), "resource", NULL);
}

static void the_issuer_of_before_is_preferred(void **state)
{
	struct Desk *d = *state;
	g_autoptr(TokenRecord) previous = token_record_new();
	g_autofree char *servers =
		g_strdup_printf("[\"https://other.invalid\",\"%s\"]", d->a.server.origin);
	previous->issuer = g_strdup(d->a.server.origin);
	d->spec.previous = previous;
	d->a.server.servers = servers;
	desk_sign_in(d);
	assert_string_equal(d->record->issuer, d->a.server.origin);
}

/* ---- freed on the way ---- */

static void it_may_be_freed_while_a_server_is_silent(void **state)
{
	struct Desk *d = *state;
	const char *paths[] = {"/mcp", "/.well-known/oauth-protected-resource/mcp",
		"/.well-known/oauth-authorization-server", "/register"};
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++) {
		oauth_server_say(&d->a.server, paths[i], OAUTH_SILENT, "", "");
		unsigned before = oauth_server_count(&d->a.server, paths[i]);
		desk_start(d);
		oauth_server_await(&d->a.server, &d->a.fixture, paths[i], before + 1);
		desk_clear(d);
		fixture_turn_for(&d->a.fixture, 20);
		assert_int_equal(d->urls + d->dones, 0);
	}
	desk_start(d);
	desk_clear(d);
	fixture_turn_for(&d->a.fixture, 20);
	sign_in_free(NULL);
}

static void it_may_be_freed_in_every_turn(void **state)
{
	struct Desk *d = *state;
	unsigned turns = 0;
	for (unsigned stop = 1; d->urls == 0; stop++) {
		desk_clear(d);
		desk_start(d);
		for (turns = 0; turns < stop && d->urls == 0; turns++)
			g_main_context_iteration(d->a.fixture.context, TRUE);
	}
	assert_true(turns > 4);
	desk_clear(d);
	for (unsigned stop = 1; d->dones == 0; stop++) {
		desk_clear(d);
		desk_await_url(d);
		g_autofree char *callback = desk_consent(d);
		assert_true(sign_in_paste(d->flow, callback, NULL));
		for (turns = 0; turns < stop && d->dones == 0; turns++)
			g_main_context_iteration(d->a.fixture.context, TRUE);
	}
	assert_true(turns > 4);
	assert_null(d->error);
}

static void freeing_it_sends_waiting_browsers_away(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	begin_exchange(d, &call);
	desk_clear(d);
	turn_until(&d->a.fixture, call.dones, 1);
	assert_non_null(call.error);
	assert_int_equal(call.status, 0);
	assert_int_equal(d->dones, 0);
	call_release(&call);
	assert_nothing_stored(d);
}

static void it_may_be_freed_by_its_handlers(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	d->free_in_url = true;
	desk_start(d);
	turn_until(&d->a.fixture, d->urls, 1);
	assert_null(d->flow);
	desk_clear(d);
	d->free_in_url = false;
	d->free_in_done = true;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_null(d->error);
	assert_null(d->flow);
	desk_await_page(d, &call, 200, "is connected");
	desk_clear(d);
	assert_null(d->error);
	oauth_server_say(&d->a.server, "/.well-known/oauth-protected-resource/mcp", 500, "", "");
	desk_start(d);
	desk_await_done(d);
	assert_non_null(d->error);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		desk_test(a_server_that_does_not_promise_pkce_is_refused),
		desk_test(a_server_without_a_place_to_sign_in_is_refused),
		desk_test(what_its_parts_say_is_its_end),
		desk_test(a_token_endpoint_that_fails_ends_it),
		desk_test(a_token_endpoint_that_is_silent_ends_it),
		desk_test(a_registration_that_the_server_forgot_is_forgotten),
		desk_test(a_keyring_that_is_locked_meanwhile_keeps_it_from_connected),
		desk_test(so_does_one_that_went_away),
		desk_test(the_lock_of_the_credential_is_awaited_for_30_s),
		desk_test(a_client_with_a_secret_uses_it),
		desk_test(a_client_that_needs_a_secret_that_nobody_gave_asks_for_it),
		desk_test(a_configured_client_without_its_secret_is_told_how_to_give_it),
		desk_test(a_client_document_is_used_where_the_server_knows_them),
		desk_test(a_registration_is_used_again_at_its_port),
		desk_test(another_is_made_where_its_port_is_taken),
		desk_test(or_it_goes_to_another_port_where_nobody_registers_clients),
		desk_test(a_configured_port_is_used_alone),
		desk_test(localhost_is_said_where_it_is_configured),
		cmocka_unit_test(the_scope_comes_from_the_first_who_says_one),
		desk_test(scopes_are_asked_for_and_recorded),
		desk_test(a_challenge_is_heard_and_the_connector_not_asked_again),
		desk_test(the_resource_can_be_left_out),
		desk_test(the_issuer_of_before_is_preferred),
		desk_test(it_may_be_freed_while_a_server_is_silent),
		desk_test(it_may_be_freed_in_every_turn),
		desk_test(freeing_it_sends_waiting_browsers_away),
		desk_test(it_may_be_freed_by_its_handlers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
