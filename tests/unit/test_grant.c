#include "grant_fixture.h"

#include "base/base64url.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

static int64_t now = 1800000000;

int64_t auth_now(void)
{
	return now;
}

/* ---- what goes over the wire ---- */

static void a_code_goes_out_with_its_verifier_encoded_as_a_form(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) code = secret("c o+d/e&=%~\xc3\xbc");
	g_autoptr(Secret) verifier = secret("ver-i_f.i~er");
	struct GrantSpec spec = {
		.kind = GRANT_CODE,
		.endpoint = t.token_url,
		.client_id = "id 1",
		.auth_method = "none",
		.code = code,
		.verifier = verifier,
		.redirect_uri = "http://127.0.0.1:4711/callback",
		.resource = "https://mcp.example/a b",
	};
	run(&t, &spec);
	const struct OauthHit *hit = oauth_server_last(&t.server, T);
	assert_null(t.error);
	assert_string_equal(hit->method, "POST");
	assert_header(hit, "Content-Type", "application/x-www-form-urlencoded");
	assert_header(hit, "Accept", "application/json");
	assert_header(hit, "Authorization", NULL);
	assert_string_equal(hit->body,
		"grant_type=authorization_code&code=c%20o%2Bd%2Fe%26%3D%25~%C3%BC"
		"&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2Fcallback&code_verifier=ver-i_f.i~er"
		"&resource=https%3A%2F%2Fmcp.example%2Fa%20b&client_id=id%201");
	assert_secret(t.answer.access_token, "at-1");
	assert_secret(t.answer.refresh_token, "rt-1");
	assert_int_equal(t.answer.expires_in, 3600);
	assert_string_equal(t.answer.scope, "a b");
	assert_null(t.code);
	teardown(&t);
}

static void a_refresh_sends_resource_and_scope_only_if_they_are_given(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) token = secret("rt/0+");
	struct GrantSpec spec = {
		.kind = GRANT_REFRESH,
		.endpoint = t.token_url,
		.client_id = "c",
		.refresh_token = token,
	};
	run(&t, &spec);
	assert_string_equal(oauth_server_last(&t.server, T)->body,
		"grant_type=refresh_token&refresh_token=rt%2F0%2B&client_id=c");
	spec.scope = "read write";
	spec.resource = "https://x.example/mcp";
	run(&t, &spec);
	assert_string_equal(oauth_server_last(&t.server, T)->body,
		"grant_type=refresh_token&refresh_token=rt%2F0%2B&scope=read%20write"
		"&resource=https%3A%2F%2Fx.example%2Fmcp&client_id=c");
	teardown(&t);
}

/* RFC 6749, 2.3.1. */
static void basic_encodes_id_and_secret_before_base64(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) password = secret("p@ss:w%rd&= +\xc3\xbc");
	struct GrantSpec spec = {
		.kind = GRANT_CLIENT_CREDENTIALS,
		.endpoint = t.token_url,
		.client_id = "a b:c",
		.client_secret = password,
		.auth_method = "client_secret_basic",
		.scope = "s",
	};
	run(&t, &spec);
	const struct OauthHit *hit = oauth_server_last(&t.server, T);
	g_autofree char *header = oauth_hit_header(hit, "Authorization");
	assert_true(g_str_has_prefix(header, "Basic "));
	gsize len = 0;
	g_autofree guchar *pair = g_base64_decode(header + strlen("Basic "), &len);
	g_autofree char *text = g_strndup((char *)pair, len);
	assert_string_equal(text, "a%20b%3Ac:p%40ss%3Aw%25rd%26%3D%20%2B%C3%BC");
	assert_string_equal(hit->body, "grant_type=client_credentials&scope=s");
	teardown(&t);
}

static void post_puts_id_and_secret_into_the_body(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) password = secret("s&c=t");
	struct GrantSpec spec = {
		.kind = GRANT_CLIENT_CREDENTIALS,
		.endpoint = t.token_url,
		.client_id = "c",
		.client_secret = password,
		.auth_method = "client_secret_post",
	};
	run(&t, &spec);
	const struct OauthHit *hit = oauth_server_last(&t.server, T);
	assert_header(hit, "Authorization", NULL);
	assert_string_equal(
		hit->body, "grant_type=client_credentials&client_id=c&client_secret=s%26c%3Dt");
	teardown(&t);
}

static void a_secret_is_not_used_where_the_method_is_none(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) password = secret("never-sent");
	struct GrantSpec spec = {
		.kind = GRANT_CLIENT_CREDENTIALS,
		.endpoint = t.token_url,
		.client_id = "c",
		.client_secret = password,
		.auth_method = "none",
	};
	run(&t, &spec);
	const struct OauthHit *hit = oauth_server_last(&t.server, T);
	assert_header(hit, "Authorization", NULL);
	assert_string_equal(hit->body, "grant_type=client_credentials&client_id=c");
	teardown(&t);
}

static void a_client_without_a_secret_is_named_whatever_the_method(void **state)
{
	static const char *const methods[] = {
		"client_secret_basic", "client_secret_post", "private_key_jwt"};
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.server, T, 200, "", ANSWER);
	for (unsigned i = 0; i < G_N_ELEMENTS(methods); i++) {
		struct GrantSpec spec = {
			.kind = GRANT_CLIENT_CREDENTIALS,
			.endpoint = t.token_url,
			.client_id = "c",
			.auth_method = methods[i],
		};
		run(&t, &spec);
		const struct OauthHit *hit = oauth_server_last(&t.server, T);
		assert_header(hit, "Authorization", NULL);
		assert_string_equal(hit->body, "grant_type=client_credentials&client_id=c");
	}
	teardown(&t);
}

static struct Secret *new_key(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	long len = BIO_get_mem_data(bio, &text);
	struct Secret *pem = secret_new((struct Slice){text, (size_t)len});
	BIO_free(bio);
	EVP_PKEY_free(key);
	return pem;
}

static void assert_assertion(const struct OauthHit *hit, const char *audience)
{
	g_autofree char *assertion = oauth_hit_param(hit, "client_assertion");
	assert_param(hit, "client_assertion_type",
		"urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	assert_param(hit, "client_id", "me");
	assert_param(hit, "client_secret", NULL);
	assert_header(hit, "Authorization", NULL);
	g_auto(GStrv) parts = g_strsplit(assertion, ".", -1);
	assert_int_equal(g_strv_length(parts), 3);
	size_t len = 0;
	g_autofree char *claims = base64url_decode(slice_of(parts[1]), &len);
	g_autofree char *aud = g_strdup_printf("\"aud\":\"%s\"", audience);
	g_autofree char *exp = g_strdup_printf("\"exp\":%" G_GINT64_FORMAT, now + 300);
	assert_non_null(strstr(claims, aud));
	assert_non_null(strstr(claims, exp));
	assert_non_null(strstr(claims, "\"iss\":\"me\""));
	assert_non_null(strstr(claims, "\"sub\":\"me\""));
}

static void a_private_key_signs_for_the_issuer_else_for_the_endpoint(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say_always(&t.server, T, 200, "", ANSWER);
	g_autoptr(Secret) key = new_key();
	struct GrantSpec spec = {
		.kind = GRANT_CLIENT_CREDENTIALS,
		.endpoint = t.token_url,
		.issuer = "https://issuer.example",
		.client_id = "me",
		.client_secret = key,
		.auth_method = "private_key_jwt",
	};
	run(&t, &spec);
	assert_null(t.error);
	assert_assertion(oauth_server_last(&t.server, T), "https://issuer.example");
	spec.issuer = NULL;
	run(&t, &spec);
	assert_assertion(oauth_server_last(&t.server, T), t.token_url);
	teardown(&t);
}

static void what_cannot_be_made_is_told_from_the_loop_and_not_sent(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	g_autoptr(Secret) key =
		secret("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
	struct GrantSpec spec = {
		.kind = GRANT_CLIENT_CREDENTIALS,
		.endpoint = t.token_url,
		.client_id = "me",
		.client_secret = key,
		.auth_method = "private_key_jwt",
	};
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SYNTAX, "key");
	assert_null(strstr(t.error->message, "AAAA"));
	spec.auth_method = "tls_client_auth";
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SYNTAX, "tls_client_auth, which is not supported");
	assert_int_equal(t.server.arrived, 0);
	teardown(&t);
}

/* ---- Port ---- */

static struct GrantSpec port_spec(const struct Test *t, struct Secret *password)
{
	return (struct GrantSpec){
		.kind = GRANT_PORT,
		.endpoint = t->port_url,
		.client_id = "id\"1",
		.client_secret = password,
		.auth_method = "client_secret_post",
		.scope = "unused",
		.resource = "unused",
	};
}

#define P "/v1/auth/access_token"

static void port_gets_json_and_answers_in_its_own_names(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, P, 200, "",
		" {\"ok\":true,\"accessToken\":\"eyJ.x.y\",\"expiresIn\":10800,"
		"\"tokenType\":\"Bearer\"}\n");
	g_autoptr(Secret) password = secret("s\\e\"c\xc3\xbc\x01");
	struct GrantSpec spec = port_spec(&t, password);
	run(&t, &spec);
	const struct OauthHit *hit = oauth_server_last(&t.server, P);
	assert_null(t.error);
	assert_header(hit, "Content-Type", "application/json");
	assert_header(hit, "Authorization", NULL);
	assert_string_equal(hit->body,
		"{\"clientId\":\"id\\\"1\",\"clientSecret\":\"s\\\\e\\\"c\xc3\xbc\\u0001\"}");
	assert_secret(t.answer.access_token, "eyJ.x.y");
	assert_null(t.answer.refresh_token);
	assert_int_equal(t.answer.expires_in, 10800);
	teardown(&t);
}

static void port_may_answer_in_the_names_of_oauth(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	oauth_server_say(&t.server, P, 200, "", ANSWER);
	struct GrantSpec spec = port_spec(&t, NULL);
	run(&t, &spec);
	assert_null(t.error);
	assert_secret(t.answer.access_token, "at-1");
	assert_string_equal(oauth_server_last(&t.server, P)->body,
		"{\"clientId\":\"id\\\"1\",\"clientSecret\":\"\"}");
	teardown(&t);
}

static void port_refuses_like_others(void **state)
{
	static const struct Refused cases[] = {
		{401, "{\"ok\":false,\"error\":\"invalid_credentials\"}", MUX_ERROR_SIGN_IN,
			"invalid_credentials", "refuses: invalid_credentials"},
		{422, "{\"ok\":false,\"error\":\"invalid_request\"}", MUX_ERROR_SIGN_IN,
			"invalid_request", "refuses: invalid_request"},
		{200, "{\"ok\":false,\"error\":\"x\"}", MUX_ERROR_SIGN_IN, "x", "refuses: x"},
		{503, "", MUX_ERROR_BUSY, NULL, "HTTP 503"},
		{200, "{\"ok\":true}", MUX_ERROR_UPSTREAM, NULL, "access_token"},
		{200, "no JSON", MUX_ERROR_UPSTREAM, NULL, "gives no valid token"},
		{200, "{\"accessToken\":7}", MUX_ERROR_UPSTREAM, NULL, "access_token"},
		{200, "{\"accessToken\":\"a\",\"expiresIn\":1,\"expiresIn\":2}", MUX_ERROR_UPSTREAM,
			NULL, "twice"},
	};
	struct Test t;
	(void)state;
	setup(&t);
	struct GrantSpec spec = port_spec(&t, NULL);
	expect_refused(&t, &spec, P, cases, G_N_ELEMENTS(cases));
	teardown(&t);
}

/* ---- cancelling ---- */

static void cancelled_it_never_calls_back(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	grant_cancel(NULL);
	/* Before anything was sent. */
	start(&t, &spec);
	grant_cancel(t.grant);
	/* While the server has it. */
	oauth_server_say_always(&t.server, T, OAUTH_SILENT, "", "");
	start(&t, &spec);
	oauth_server_await(&t.server, &t.fixture, T, 1);
	grant_cancel(t.grant);
	/* When its answer is on the way. */
	start(&t, &spec);
	struct OauthHit *hit = oauth_server_await(&t.server, &t.fixture, T, 2);
	oauth_hit_answer(hit, 200, "", ANSWER);
	grant_cancel(t.grant);
	/* When it could not be made. */
	g_autoptr(Secret) key = secret("-----BEGIN PRIVATE KEY-----\n");
	spec.client_secret = key;
	spec.auth_method = "private_key_jwt";
	start(&t, &spec);
	grant_cancel(t.grant);
	fixture_turn_for(&t.fixture, 50);
	assert_int_equal(t.done, 0);
	teardown(&t);
}

static void cancelling_inside_the_handler_does_nothing(void **state)
{
	struct Test t;
	(void)state;
	setup(&t);
	t.cancels = true;
	oauth_server_say(&t.server, T, 200, "", ANSWER);
	struct GrantSpec spec = {.kind = GRANT_REFRESH, .endpoint = t.token_url, .client_id = "c"};
	run(&t, &spec);
	assert_secret(t.answer.access_token, "at-1");
	oauth_server_say(&t.server, T, 400, "", E("invalid_grant"));
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SIGN_IN, "invalid_grant");
	spec.auth_method = "unknown";
	g_autoptr(Secret) password = secret("x");
	spec.client_secret = password;
	run(&t, &spec);
	assert_fault(&t, MUX_ERROR_SYNTAX, "unknown");
	teardown(&t);
}

/* ---- records ---- */

static void a_record_takes_what_the_answer_says(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record = token_record_new();
	record->access_token = secret("old");
	record->refresh_token = secret("old-rt");
	record->scope_granted = g_strdup("old");
	record->account = g_strdup("old");
	struct TokenAnswer answer = {
		.access_token = secret("new"),
		.refresh_token = secret("new-rt"),
		.expires_in = 60,
		.scope = g_strdup("new"),
		.account = g_strdup("me"),
	};
	grant_update_record(record, &answer);
	assert_secret(record->access_token, "new");
	assert_secret(record->refresh_token, "new-rt");
	assert_int_equal(record->expires_at, now + 60);
	assert_int_equal(record->issued_at, now);
	assert_string_equal(record->scope_granted, "new");
	assert_string_equal(record->account, "me");
	assert_null(answer.access_token);
	assert_null(answer.refresh_token);
	assert_null(answer.scope);
	assert_null(answer.account);
}

static void a_record_keeps_what_the_answer_does_not_say(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record = token_record_new();
	record->refresh_token = secret("old-rt");
	record->scope_granted = g_strdup("old");
	record->account = g_strdup("me");
	record->expires_at = 7;
	struct TokenAnswer answer = {.access_token = secret("new"), .expires_in = -1};
	grant_update_record(record, &answer);
	assert_secret(record->access_token, "new");
	assert_secret(record->refresh_token, "old-rt");
	assert_int_equal(record->expires_at, 0);
	assert_string_equal(record->scope_granted, "old");
	assert_string_equal(record->account, "me");
	answer = (struct TokenAnswer){.access_token = secret("newer"), .expires_in = 0};
	grant_update_record(record, &answer);
	assert_secret(record->access_token, "newer");
	assert_int_equal(record->expires_at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_code_goes_out_with_its_verifier_encoded_as_a_form),
		cmocka_unit_test(a_refresh_sends_resource_and_scope_only_if_they_are_given),
		cmocka_unit_test(basic_encodes_id_and_secret_before_base64),
		cmocka_unit_test(post_puts_id_and_secret_into_the_body),
		cmocka_unit_test(a_secret_is_not_used_where_the_method_is_none),
		cmocka_unit_test(a_client_without_a_secret_is_named_whatever_the_method),
		cmocka_unit_test(a_private_key_signs_for_the_issuer_else_for_the_endpoint),
		cmocka_unit_test(what_cannot_be_made_is_told_from_the_loop_and_not_sent),
		cmocka_unit_test(port_gets_json_and_answers_in_its_own_names),
		cmocka_unit_test(port_may_answer_in_the_names_of_oauth),
		cmocka_unit_test(port_refuses_like_others),
		cmocka_unit_test(cancelled_it_never_calls_back),
		cmocka_unit_test(cancelling_inside_the_handler_does_nothing),
		cmocka_unit_test(a_record_takes_what_the_answer_says),
		cmocka_unit_test(a_record_keeps_what_the_answer_does_not_say),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
