/* Sign-ins that succeed, and what comes to their listener or is pasted meanwhile. */
#include "sign_in_fixture.h"

/* ---- success ---- */

static void assert_authorization_url(const struct Desk *d)
{
	g_autofree char *verifier_digest = desk_param(d, "code_challenge");
	g_autofree char *state = desk_param(d, "state");
	g_autofree char *redirect_uri = desk_param(d, "redirect_uri");
	g_autofree char *wanted = g_strdup_printf("http://127.0.0.1:%u/callback", desk_port(d));
	assert_asks(d, "response_type", "code");
	assert_asks(d, "client_id", "client-1");
	assert_asks(d, "code_challenge_method", "S256");
	assert_asks(d, "resource", d->a.server.url);
	assert_asks(d, "scope", NULL);
	assert_asks(d, "prompt", NULL);
	assert_string_equal(redirect_uri, wanted);
	assert_int_equal(strlen(verifier_digest), 43);
	assert_int_equal(strlen(state), 43); /* 256 bits */
	assert_string_not_equal(state, verifier_digest);
}

static void assert_record(const struct Desk *d, const struct TokenRecord *record)
{
	const struct OauthServer *server = &d->a.server;
	g_autofree char *redirect_uri = desk_param(d, "redirect_uri");
	g_autofree char *authorize = g_strconcat(server->origin, "/authorize", NULL);
	g_autofree char *token = g_strconcat(server->origin, "/token", NULL);
	g_autofree char *revoke = g_strconcat(server->origin, "/revoke", NULL);
	assert_non_null(record);
	assert_secret(record->access_token, "access-1");
	assert_secret(record->refresh_token, "refresh-1");
	assert_true(strlen(record->grant) >= 21);
	assert_string_equal(record->issuer, server->origin);
	assert_string_equal(record->client_id, "client-1");
	assert_string_equal(record->auth_method, "none");
	assert_string_equal(record->redirect_uri, redirect_uri);
	assert_string_equal(record->authorization_endpoint, authorize);
	assert_string_equal(record->token_endpoint, token);
	assert_string_equal(record->revocation_endpoint, revoke);
	assert_string_equal(record->resource, server->url);
	assert_null(record->scope_granted);
	assert_null(record->scope_wanted);
	assert_true(llabs(record->expires_at - (auth_now() + 3600)) <= 60);
}

static void a_person_signs_in_by_the_browser(void **state)
{
	struct Desk *d = *state;
	desk_await_url(d);
	assert_authorization_url(d);
	assert_nothing_stored(d);
	assert_false(desk_stamp_is_there(d));
	struct Call call;
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_int_equal(call.dones, 1); /* the page comes first */
	desk_await_page(d, &call, 200, "My notes is connected");
	assert_record(d, d->record);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_record(d, stored);
	assert_string_equal(stored->grant, d->record->grant);
	assert_true(desk_stamp_is_there(d));

	const struct OauthHit *hit = oauth_server_last(&d->a.server, "/token");
	g_autofree char *verifier = oauth_hit_param(hit, "code_verifier");
	assert_int_equal(strlen(verifier), 43);
	assert_param(hit, "client_id", "client-1");
	assert_param(hit, "scope", NULL);
	assert_null(strstr(d->url, verifier));
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 1);
}

static void each_sign_in_has_secrets_of_its_own(void **state)
{
	struct Desk *d = *state;
	desk_sign_in(d);
	g_autofree char *first_state = desk_param(d, "state");
	g_autofree char *first_challenge = desk_param(d, "code_challenge");
	g_autofree char *first_grant = g_strdup(d->record->grant);
	desk_clear(d);
	desk_sign_in(d);
	g_autofree char *second_state = desk_param(d, "state");
	g_autofree char *second_challenge = desk_param(d, "code_challenge");
	assert_string_not_equal(first_state, second_state);
	assert_string_not_equal(first_challenge, second_challenge);
	assert_string_not_equal(first_grant, d->record->grant);
}

static void the_page_and_the_record_have_the_account(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	d->a.server.token_more = ",\"workspace_name\":\"Ada & friends\"";
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_string_equal(d->record->account, "Ada & friends");
	desk_await_page(d, &call, 200, "Ada &amp; friends");
}

static void assert_pasting(struct Desk *d, const char *format)
{
	GError *error = NULL;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	g_auto(GStrv) parts = g_strsplit(callback, "?", 2);
	GString *text = g_string_new(format);
	g_string_replace(text, "URL", callback, 0);
	g_string_replace(text, "QUERY", parts[1], 0);
	if (!sign_in_paste(d->flow, text->str, &error))
		fail_msg("%s: %s", text->str, error->message);
	assert_int_equal(d->dones, 0);
	desk_await_done(d);
	if (d->error)
		fail_msg("%s", d->error->message);
	g_autoptr(TokenRecord) stored = desk_stored(d);
	assert_non_null(stored);
	g_string_free(text, TRUE);
	desk_clear(d);
}

static void a_callback_may_be_pasted(void **state)
{
	const char *formats[] = {"URL", "QUERY", "?QUERY", "  URL \n", "\tQUERY\r\n", "URL#",
		"https://elsewhere.example/forwarded?QUERY"};
	for (size_t i = 0; i < G_N_ELEMENTS(formats); i++)
		assert_pasting(*state, formats[i]);
}

/* ---- what is no answer ---- */

static void assert_not_pasted(struct Desk *d, const char *text, const char *why)
{
	g_autoptr(GError) error = NULL;
	assert_false(sign_in_paste(d->flow, text, &error));
	assert_fault(error, MUX_ERROR_USAGE, why);
	assert_null(strstr(error->message, "stolen"));
}

static void what_is_pasted_by_mistake_changes_nothing(void **state)
{
	struct Desk *d = *state;
	desk_start(d);
	assert_not_pasted(d, "code=stolen", "there is no URL yet");
	turn_until(&d->a.fixture, d->urls, 1);
	assert_not_pasted(d, "", "does not belong");
	assert_not_pasted(d, "?", "does not belong");
	assert_not_pasted(
		d, "http://127.0.0.1/callback?code=stolen&state=wrong", "does not belong");
	assert_not_pasted(d, "code=stolen", "does not belong");
	assert_not_pasted(d, d->url, "not yet the page");
	g_autofree char *callback = desk_consent(d);
	assert_true(sign_in_paste(d->flow, callback, NULL));
	assert_not_pasted(d, callback, "decided already");
	desk_await_done(d);
	assert_null(d->error);
	assert_not_pasted(d, callback, "decided already");
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 1);
}

static void a_callback_with_another_state_changes_nothing(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	g_autofree char *right = oauth_param(strchr(callback, '?') + 1, "state");
	GString *wrong = g_string_new(callback);
	g_string_replace(wrong, right, "guessed", 0);
	GString *none = g_string_new(callback);
	g_string_replace(none, "state=", "estate=", 0);
	g_autofree char *twice = g_strconcat(callback, "&state=", right, NULL);
	const char *urls[] = {wrong->str, none->str, twice};
	for (size_t i = 0; i < G_N_ELEMENTS(urls); i++) {
		desk_visit(d, &call, urls[i]);
		desk_await_page(d, &call, 400, "does not belong to a running sign-in");
	}
	g_string_free(wrong, TRUE);
	g_string_free(none, TRUE);
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 0);
	assert_int_equal(d->dones, 0);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_null(d->error);
	desk_await_page(d, &call, 200, "is connected");
}

static void nobody_is_told_connected_before_the_token_is_stored(void **state)
{
	struct Desk *d = *state;
	struct Call first, second, foreign;
	oauth_server_say(&d->a.server, "/token", OAUTH_SILENT, "", "");
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &first, callback);
	struct OauthHit *hit = oauth_server_await(&d->a.server, &d->a.fixture, "/token", 1);
	/* Whoever comes meanwhile, or loads the page again, is told at once. */
	desk_visit(d, &second, callback);
	desk_await_page(d, &second, 409, "This sign-in is over");
	g_autofree char *other = g_strconcat(callback, "x", NULL);
	GString *wrong = g_string_new(callback);
	g_string_replace(wrong, "state=", "state=x", 0);
	desk_visit(d, &foreign, wrong->str);
	desk_await_page(d, &foreign, 400, "does not belong");
	g_string_free(wrong, TRUE);
	assert_int_equal(first.dones + d->dones, 0);
	assert_nothing_stored(d);
	/* The lock of the credential is held by a renewal elsewhere. */
	g_autofree char *path = credential_lock_path(&d->a.connector);
	struct FileLock *lock = file_lock(path, 0, NULL);
	assert_non_null(lock);
	oauth_hit_serve(hit);
	fixture_turn_for(&d->a.fixture, 100);
	assert_int_equal(first.dones + d->dones, 0);
	assert_nothing_stored(d);
	file_unlock(lock);
	desk_await_done(d);
	assert_null(d->error);
	desk_await_page(d, &first, 200, "is connected");
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 1);
}

/* ---- who answers ---- */

/* CALLBACK is refused for its issuer, and nothing of it is shown or sent on. */
static void assert_issuer_refused(struct Desk *d, const char *callback, const char *why)
{
	struct Call call;
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_UPSTREAM, why);
	assert_null(strstr(d->error->message, "Haha"));
	assert_null(strstr(call.body->str, "Haha"));
	desk_await_page(d, &call, 500, "My notes could not be connected");
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 0);
	assert_nothing_stored(d);
	desk_clear(d);
}

static void another_issuer_in_the_answer_ends_it(void **state)
{
	struct Desk *d = *state;
	const char *wrong[] = {"https://evil.example", "", d->a.server.url};
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(wrong); i++) {
		d->a.server.iss = wrong[i / 2];
		d->a.server.iss_advertised = i % 2;
		desk_await_url(d);
		g_autofree char *callback = desk_consent(d);
		assert_issuer_refused(d, callback, "(iss)");
		desk_await_url(d);
		g_autofree char *refusal =
			oauth_server_refuse(&d->a.server, d->url, "Haha", "Haha");
		assert_issuer_refused(d, refusal, "(iss)");
	}
}

static void a_promised_issuer_must_come(void **state)
{
	struct Desk *d = *state;
	d->a.server.iss_sent = false;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	assert_issuer_refused(d, callback, "promises to");
	desk_await_url(d);
	g_autofree char *refusal = oauth_server_refuse(&d->a.server, d->url, "Haha", "Haha");
	assert_issuer_refused(d, refusal, "promises to");
	d->a.server.iss_advertised = false;
	desk_sign_in(d);
}

static void a_server_without_metadata_is_taken_at_its_origin(void **state)
{
	struct Desk *d = *state;
	d->a.server.resource_metadata = false;
	d->a.server.metadata = false;
	d->a.server.iss_sent = false;
	desk_sign_in(d);
	assert_string_equal(d->record->issuer, d->a.server.origin);
	desk_clear(d);
	d->a.server.iss_sent = true;
	desk_sign_in(d);
	desk_clear(d);
	d->a.server.iss = "https://evil.example";
	unsigned before = oauth_server_count(&d->a.server, "/token");
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	assert_true(sign_in_paste(d->flow, callback, NULL));
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_UPSTREAM, "(iss)");
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), before);
}

/* ---- answers that refuse ---- */

static void a_refusal_is_told_in_the_servers_words(void **state)
{
	struct Desk *d = *state;
	struct Call call;
	desk_await_url(d);
	g_autofree char *callback =
		oauth_server_refuse(&d->a.server, d->url, "access_denied", "Ada said <no>");
	desk_visit(d, &call, callback);
	desk_await_done(d);
	assert_fault(
		d->error, MUX_ERROR_SIGN_IN, "127.0.0.1 refuses: access_denied: Ada said <no>");
	assert_non_null(strstr(call.body->str, "access_denied: Ada said &lt;no&gt;"));
	desk_await_page(d, &call, 403, "My notes was not connected");
	assert_int_equal(oauth_server_count(&d->a.server, "/token"), 0);
	assert_int_equal(accounts_count(&d->a, "notes"), 1); /* the registration */

	desk_clear(d);
	desk_await_url(d);
	g_autofree char *pasted = oauth_server_refuse(&d->a.server, d->url, "access_denied", NULL);
	assert_true(sign_in_paste(d->flow, pasted, NULL));
	assert_int_equal(d->dones, 0);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_SIGN_IN, "127.0.0.1 refuses: access_denied");
}

static void an_answer_that_contradicts_itself_is_not_used(void **state)
{
	struct Desk *d = *state;
	const char *more[] = {"&code=other", "&error=access_denied"};
	for (size_t i = 0; i < G_N_ELEMENTS(more); i++) {
		struct Call call;
		desk_await_url(d);
		g_autofree char *callback = desk_consent(d);
		g_autofree char *url = g_strconcat(callback, more[i], NULL);
		desk_visit(d, &call, url);
		desk_await_done(d);
		assert_fault(d->error, MUX_ERROR_UPSTREAM, "malformed");
		desk_await_page(d, &call, 500, "could not be connected");
		assert_int_equal(oauth_server_count(&d->a.server, "/token"), 0);
		desk_clear(d);
	}
}

static void a_client_that_is_refused_by_the_browser_is_forgotten(void **state)
{
	struct Desk *d = *state;
	const char *codes[] = {"unauthorized_client", "invalid_client"};
	for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
		desk_await_url(d);
		assert_int_equal(accounts_count(&d->a, "notes"), 1);
		g_autofree char *callback =
			oauth_server_refuse(&d->a.server, d->url, codes[i], NULL);
		assert_true(sign_in_paste(d->flow, callback, NULL));
		desk_await_done(d);
		assert_fault(d->error, MUX_ERROR_SIGN_IN, codes[i]);
		assert_fault(d->error, MUX_ERROR_SIGN_IN, "is forgotten");
		assert_int_equal(accounts_count(&d->a, "notes"), 0);
		desk_clear(d);
	}
	assert_int_equal(oauth_server_count(&d->a.server, "/register"), 2);
}

static void nobody_who_never_comes_back_is_awaited_for_ever(void **state)
{
	struct Desk *d = *state;
	desk_await_url(d);
	clock_jump(&d->a.fixture, SIGN_IN_LIMIT_MS - 5000);
	assert_int_equal(d->dones, 0);
	clock_jump(&d->a.fixture, 6000);
	desk_await_done(d);
	assert_fault(d->error, MUX_ERROR_TIMEOUT, "nobody came back from the browser within 10");
	assert_fault(d->error, MUX_ERROR_TIMEOUT, "`mcp-mux disconnect notes`");

	/* Who came in time is awaited no longer: the exchange has limits of its own. */
	desk_clear(d);
	oauth_server_say(&d->a.server, "/token", OAUTH_SILENT, "", "");
	desk_await_url(d);
	clock_jump(&d->a.fixture, SIGN_IN_LIMIT_MS - 5000);
	g_autofree char *callback = desk_consent(d);
	assert_true(sign_in_paste(d->flow, callback, NULL));
	struct OauthHit *hit = oauth_server_await(&d->a.server, &d->a.fixture, "/token", 1);
	clock_jump(&d->a.fixture, 6000);
	assert_int_equal(d->dones, 0);
	oauth_hit_serve(hit);
	desk_await_done(d);
	assert_null(d->error);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		desk_test(a_person_signs_in_by_the_browser),
		desk_test(each_sign_in_has_secrets_of_its_own),
		desk_test(the_page_and_the_record_have_the_account),
		desk_test(a_callback_may_be_pasted),
		desk_test(what_is_pasted_by_mistake_changes_nothing),
		desk_test(a_callback_with_another_state_changes_nothing),
		desk_test(nobody_is_told_connected_before_the_token_is_stored),
		desk_test(another_issuer_in_the_answer_ends_it),
		desk_test(a_promised_issuer_must_come),
		desk_test(a_server_without_metadata_is_taken_at_its_origin),
		desk_test(a_refusal_is_told_in_the_servers_words),
		desk_test(an_answer_that_contradicts_itself_is_not_used),
		desk_test(a_client_that_is_refused_by_the_browser_is_forgotten),
		desk_test(nobody_who_never_comes_back_is_awaited_for_ever),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
