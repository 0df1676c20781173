#include "grant_fixture.h"

/* ---- refusals ---- */

static void every_refusal_has_its_error(void **state)
{
	static const struct Refused cases[] = {
		{400, "{\"error\":\"invalid_grant\",\"error_description\":\"it was used before\"}",
			MUX_ERROR_SIGN_IN, "invalid_grant",
			"refuses: invalid_grant: it was used before"},
		{401, E("invalid_client"), MUX_ERROR_SIGN_IN, "invalid_client", "invalid_client"},
		{400, E("unauthorized_client"), MUX_ERROR_SIGN_IN, "unauthorized_client",
			"unauthorized_client"},
		{400, E("invalid_scope"), MUX_ERROR_SIGN_IN, "invalid_scope", "invalid_scope"},
		{400, E("unsupported_grant_type"), MUX_ERROR_SIGN_IN, "unsupported_grant_type",
			"unsupported_grant_type"},
		{403, E("access_denied"), MUX_ERROR_SIGN_IN, "access_denied", "access_denied"},
		{400, "{\"error\":\"x\",\"error_description\":\"\"}", MUX_ERROR_SIGN_IN, "x",
			"refuses: x"},
		{400, "<html>", MUX_ERROR_SIGN_IN, NULL, "refuses: HTTP 400"},
		{401, "", MUX_ERROR_SIGN_IN, NULL, "refuses: HTTP 401"},
		{403, "no", MUX_ERROR_UPSTREAM, NULL, "HTTP 403"},
		{404, "{}", MUX_ERROR_UPSTREAM, NULL, "HTTP 404"},
		{405, "{\"error\":7}", MUX_ERROR_UPSTREAM, NULL, "HTTP 405"},
		{302, E("invalid_grant"), MUX_ERROR_UPSTREAM, "invalid_grant",
			"redirect (HTTP 302), which is not followed"},
		{500, "", MUX_ERROR_BUSY, NULL, "cannot answer now: HTTP 500"},
		{502, "<html>", MUX_ERROR_BUSY, NULL, "HTTP 502"},
		{503, E("invalid_grant"), MUX_ERROR_BUSY, "invalid_grant", "invalid_grant"},
		{429, "", MUX_ERROR_BUSY, NULL, "HTTP 429"},
		{408, "", MUX_ERROR_BUSY, NULL, "HTTP 408"},
		{425, "", MUX_ERROR_BUSY, NULL, "HTTP 425"},
		{400, E("temporarily_unavailable"), MUX_ERROR_BUSY, "temporarily_unavailable",
			"temporarily_unavailable"},
		{400, E("server_error"), MUX_ERROR_BUSY, "server_error", "server_error"},
		/* Errors with 200: GitHub, Slack. */
		{200, "{\"error\":\"bad_verification_code\",\"error_description\":\"expired\"}",
			MUX_ERROR_SIGN_IN, "bad_verification_code",
			"refuses: bad_verification_code: expired"},
		{200, "{\"ok\":false,\"error\":\"invalid_refresh_token\"}", MUX_ERROR_SIGN_IN,
			"invalid_refresh_token", "invalid_refresh_token"},
		{200, "{\"ok\":false,\"error\":\"ratelimited\"}", MUX_ERROR_BUSY, "ratelimited",
			"cannot answer now: ratelimited"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	expect_refused(&t, &spec, T, cases, G_N_ELEMENTS(cases));
	teardown(&t);
}

static void an_answer_without_a_token_is_malformed(void **state)
{
	static const struct Refused cases[] = {
		{200, "", MUX_ERROR_UPSTREAM, NULL, "gives no valid token: "},
		{200, "access_token=at-1", MUX_ERROR_UPSTREAM, NULL, "gives no valid token: "},
		{200, "{}", MUX_ERROR_UPSTREAM, NULL, "access_token"},
		{200, "{\"access_token\":7}", MUX_ERROR_UPSTREAM, NULL, "access_token"},
		{200, "{\"access_token\":\"at-1\",\"access_token\":\"at-2\"}", MUX_ERROR_UPSTREAM,
			NULL, "access_token"},
		{200, "{\"access_token\":\"at-1\",\"token_type\":\"mac\"}", MUX_ERROR_UPSTREAM,
			NULL, "token_type"},
		{200, "{\"access_token\":null,\"error\":\"x\"}", MUX_ERROR_UPSTREAM, NULL,
			"access_token"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	expect_refused(&t, &spec, T, cases, G_N_ELEMENTS(cases));
	teardown(&t);
}

static void an_error_beside_a_token_does_not_count(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 201, "", "{\"error\":\"\",\"access_token\":\"at-1\"}");
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	run(&t, &spec);
	assert_null(t.error);
	assert_secret(t.answer.access_token, "at-1");
	teardown(&t);
}

static void connections_that_fail_have_their_own_errors(void **state)
{
	struct Test t;
	unsigned port = 0;
	(void)state;
	setup(&t);
	int fd = scripted_listen(&port, 1);
	close(fd);
	g_autofree char *nobody = g_strdup_printf("http://127.0.0.1:%u/token", port);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = nobody, .client_id = "c"};
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_UNREACHABLE, "cannot connect");
	spec.endpoint = "http://token.example/token";
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_UPSTREAM, "https");
	spec.endpoint = "no URL";
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_UPSTREAM, "https");
	spec.endpoint = t.token_url;
	oauth_server_say(&t.server, T, OAUTH_CUT, "", "");
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_BROKEN, "closed the connection without an answer");
	g_autofree char *big = g_strnfill(FETCH_TOKEN_BYTES, ' ');
	g_autofree char *bigger = g_strconcat(big, ANSWER, NULL);
	oauth_server_say(&t.server, T, 200, "", bigger);
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_TOO_LARGE, "over 1 MiB");
	assert_null(t.code);
	teardown(&t);
}

/* A refresh token that rotates must not be used twice: libcurl would send the request again where a kept connection
 * breaks. */
static void a_request_reaches_the_server_once(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	oauth_server_say(&t.server, T, OAUTH_CUT, "", "");
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	run(&t, &spec);
	assert_null(t.error);
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_BROKEN, "closed the connection without an answer");
	assert_int_equal(oauth_server_count(&t.server, T), 2);
	teardown(&t);
}

/* ---- what messages must not hold ---- */

static void a_server_that_repeats_secrets_gets_none_into_a_message(void **state)
{
	static const char *const texts[] = {"rt-0123456789", "sec", "code-0123456789abcdefghij",
		"verifier-0123456789abcdefghij"};
	struct Test t;
	(void)state;
	setup(&t);
	g_autoptr(GString) body = g_string_new(
		"{\"error\":\"invalid_grant\",\"error_description\":\"no such token: ");
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
		g_string_append_printf(body, "<%s>", texts[i]);
	/* Cut off, it still begins like the secret. */
	g_string_append(body, "<code-0123456789abcde>\"}");
	oauth_server_say(&t.server, T, 400, "", body->str);
	g_autoptr(Secret) token = secret(texts[0]);
	g_autoptr(Secret) password = secret(texts[1]);
	g_autoptr(Secret) code = secret(texts[2]);
	g_autoptr(Secret) verifier = secret(texts[3]);
	struct GrantSpec spec = {
		.kind = GRANT_CODE,
		.endpoint = t.token_url,
		.client_id = "c",
		.client_secret = password,
		.auth_method = "client_secret_post",
		.code = code,
		.verifier = verifier,
		.refresh_token = token,
	};
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SIGN_IN,
		"refuses: invalid_grant: no such token: <[…]><[…]><[…]><[…]><[…]>");
	teardown(&t);
}

static void an_empty_secret_takes_nothing_out(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 400, "", E("invalid_grant"));
	g_autoptr(Secret) empty = secret("");
	struct GrantSpec spec = {.kind = GRANT_REFRESH,
		.endpoint = t.token_url,
		.client_id = "c",
		.refresh_token = empty};
	run(&t, &spec);
	assert_string_equal(t.error->message, "127.0.0.1 refuses: invalid_grant");
	assert_string_equal(oauth_server_last(&t.server, T)->body,
		"grant_type=refresh_token&refresh_token=&client_id=c");
	teardown(&t);
}

static void words_of_the_server_are_harmless_and_short(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	g_autofree char *long_text = g_strnfill(2000, 'x');
	g_autofree char *body = g_strdup_printf("{\"error\":\"e\\u202ee\",\"error_description\":"
						"\"\\u001b[31m\\r\\nmcp-mux: \\u202e%s\"}",
		long_text);
	oauth_server_say(&t.server, T, 400, "", body);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SIGN_IN, "refuses: e?e: ?[31m??mcp-mux: ?xxx");
	assert_true(strlen(t.error->message) < 400);
	teardown(&t);
}

/* ---- revocation ---- */

static void run_revoke(struct Test *t, const struct GrantSpec *spec, struct Secret *token)
{
	forget_result(t);
	t->started = false;
	t->grant = revoke_start(&t->shared, spec, token, "refresh_token", on_revoked, t);
	t->started = true;
	turn_until(&t->fixture, t->done, 1);
}

#define R "/revoke"

static void revocation_names_token_and_client(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.server, R, 200, "", "");
	g_autoptr(Secret) token = secret("t k+n");
	g_autoptr(Secret) password = secret("pw");
	struct GrantSpec spec = {.endpoint = t.revoke_url,
		.client_id = "c",
		.client_secret = password,
		.auth_method = "none",
		.scope = "unused",
		.resource = "unused"};
	run_revoke(&t, &spec, token);
	const struct OauthHit *hit = oauth_server_last(&t.server, R);
	assert_null(t.error);
	assert_header(hit, "Content-Type", "application/x-www-form-urlencoded");
	assert_string_equal(hit->body, "token=t%20k%2Bn&token_type_hint=refresh_token&client_id=c");
	spec.auth_method = "client_secret_post";
	run_revoke(&t, &spec, token);
	assert_null(t.error);
	assert_string_equal(oauth_server_last(&t.server, R)->body,
		"token=t%20k%2Bn&token_type_hint=refresh_token&client_id=c&client_secret=pw");
	spec.auth_method = "client_secret_basic";
	run_revoke(&t, &spec, token);
	hit = oauth_server_last(&t.server, R);
	assert_string_equal(hit->body, "token=t%20k%2Bn&token_type_hint=refresh_token");
	assert_header(hit, "Authorization", "Basic Yzpwdw==");
	teardown(&t);
}

static void revocation_that_fails_says_why(void **state)
{
	static const struct Refused cases[] = {
		{400, E("unsupported_token_type"), MUX_ERROR_UPSTREAM, NULL,
			"does not revoke such tokens: unsupported_token_type"},
		{401, E("invalid_client"), MUX_ERROR_SIGN_IN, NULL, "refuses: invalid_client"},
		{400, "{\"error\":\"e\",\"error_description\":\"<secret-token-of-some-length>\"}",
			MUX_ERROR_SIGN_IN, NULL, "refuses: e: <[…]>"},
		{503, "", MUX_ERROR_BUSY, NULL, "HTTP 503"},
		{404, "", MUX_ERROR_UPSTREAM, NULL, "HTTP 404"},
		{307, "", MUX_ERROR_UPSTREAM, NULL, "redirect"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	g_autoptr(Secret) token = secret("secret-token-of-some-length");
	struct GrantSpec spec = {.endpoint = t.revoke_url, .client_id = "c"};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		oauth_server_say(&t.server, R, cases[i].status, "", cases[i].body);
		run_revoke(&t, &spec, token);
		assert_fault(&t, (int)cases[i].error, cases[i].words);
	}
	/* RFC 7009, 2.2: what a 200 holds does not matter. */
	oauth_server_say(&t.server, R, 200, "", E("whatever"));
	run_revoke(&t, &spec, token);
	assert_null(t.error);
	oauth_server_say(&t.server, R, 204, "", "");
	run_revoke(&t, &spec, token);
	assert_null(t.error);
	teardown(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_refusal_has_its_error),
		cmocka_unit_test(an_answer_without_a_token_is_malformed),
		cmocka_unit_test(an_error_beside_a_token_does_not_count),
		cmocka_unit_test(connections_that_fail_have_their_own_errors),
		cmocka_unit_test(a_request_reaches_the_server_once),
		cmocka_unit_test(a_server_that_repeats_secrets_gets_none_into_a_message),
		cmocka_unit_test(an_empty_secret_takes_nothing_out),
		cmocka_unit_test(words_of_the_server_are_harmless_and_short),
		cmocka_unit_test(revocation_names_token_and_client),
		cmocka_unit_test(revocation_that_fails_says_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
