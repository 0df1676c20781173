#include "base/base64url.h"
#include "base/error.h"
#include "format/json.h"
#include "format/oauth.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { TOKEN_BYTES = 256 * 1024 };

static void assert_refused(const GError *error, const char *words)
{
	assert_non_null(error);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error->message);
	assert_null(strstr(error->message, "hidden"));
}

static void assert_secret(const struct Secret *secret, const char *text)
{
	assert_non_null(secret);
	assert_true(slice_is(secret_reveal(secret), text));
}

/* --- registrations --- */

static void parse_registration(const char *json, struct Registration *out)
{
	g_autoptr(GError) error = NULL;
	if (!registration_parse(slice_of(json), out, &error))
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
}

static void refuse_registration(const char *json, const char *words)
{
	struct Registration out;
	struct Registration before;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&before, &out, sizeof(out));
	g_autoptr(GError) error = NULL;
	assert_false(registration_parse(slice_of(json), &out, &error));
	assert_refused(error, words);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void test_a_registration_gives_id_secret_and_method(void **state)
{
	(void)state;
	struct Registration out = {0};
	parse_registration("{\"client_id\":\"id \\u00e9\",\"client_secret\":\"s \\\"1\\\"\","
			   "\"token_endpoint_auth_method\":\"client_secret_post\","
			   "\"client_secret_expires_at\":1790000000,\"client_id_issued_at\":1}",
		&out);
	assert_string_equal(out.client_id, "id é");
	assert_secret(out.client_secret, "s \"1\"");
	assert_string_equal(out.auth_method, "client_secret_post");
	assert_int_equal(out.secret_expires_at, 1790000000);
	registration_release(&out);
	assert_null(out.client_id);
	assert_null(out.client_secret);
	assert_null(out.auth_method);
}

static void test_a_public_client_has_an_id_alone(void **state)
{
	(void)state;
	static const char *const answers[] = {
		"{\"client_id\":\"i\"}",
		"{\"client_id\":\"i\",\"client_secret\":null,\"client_secret_expires_at\":5}",
		"{\"client_id\":\"i\",\"client_secret\":\"\",\"token_endpoint_auth_method\":\"\","
		"\"client_secret_expires_at\":5}",
		"{\"client_id\":\"i\",\"client_secret\":8,\"token_endpoint_auth_method\":[]}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		struct Registration out = {0};
		parse_registration(answers[i], &out);
		assert_string_equal(out.client_id, "i");
		assert_null(out.client_secret);
		assert_null(out.auth_method);
		assert_int_equal(out.secret_expires_at, 0);
		registration_release(&out);
	}
}

static void test_a_secret_without_a_time_does_not_expire(void **state)
{
	(void)state;
	static const char *const times[] = {"0", "null", "-1", "\"5\"", "1.5", "1e300"};
	for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
		g_autofree char *json =
			g_strdup_printf("{\"client_id\":\"i\",\"client_secret\":\"s\","
					"\"client_secret_expires_at\":%s}",
				times[i]);
		struct Registration out = {0};
		parse_registration(json, &out);
		assert_int_equal(out.secret_expires_at, 0);
		registration_release(&out);
	}
}

static void test_a_registration_that_cannot_be_used_is_refused(void **state)
{
	(void)state;
	refuse_registration("{}", "has no client_id");
	refuse_registration("{\"client_id\":\"\"}", "has no client_id");
	refuse_registration("{\"client_id\":7,\"client_secret\":\"hidden\"}", "has no client_id");
	refuse_registration("{\"client_id\":\"a\\tb\"}", "has no client_id");
	refuse_registration("{\"client_id\":\"i\",\"client_id\":\"j\"}", "has client_id twice");
	refuse_registration("{\"client_id\":\"i\",\"client_secret\":\"hidden\\n\"}",
		"client_secret of the registration's answer");
	refuse_registration("hidden", "no JSON");
	g_autofree char *text = g_strnfill(8193, 'a');
	g_autofree char *json =
		g_strdup_printf("{\"client_id\":\"i\",\"client_secret\":\"%s\"}", text);
	refuse_registration(json, "client_secret of the registration's answer is too long");
}

static void test_a_request_registers_a_native_client(void **state)
{
	(void)state;
	g_autofree char *with =
		registration_request("http://127.0.0.1:1/callback", "none", "read \"x\"");
	assert_string_equal(with,
		"{\"client_name\":\"mcp-mux\",\"application_type\":\"native\","
		"\"redirect_uris\":[\"http://127.0.0.1:1/callback\"],"
		"\"grant_types\":[\"authorization_code\",\"refresh_token\"],"
		"\"response_types\":[\"code\"],\"token_endpoint_auth_method\":\"none\","
		"\"scope\":\"read \\\"x\\\"\"}");
	assert_true(json_validate(slice_of(with), NULL));
	g_autofree char *without =
		registration_request("http://localhost:2/", "client_secret_basic", NULL);
	assert_true(json_validate(slice_of(without), NULL));
	assert_int_equal(json_get(slice_of(without), "scope").type, JSON_NONE);
	assert_true(slice_is(json_get(slice_of(without), "token_endpoint_auth_method").raw,
		"\"client_secret_basic\""));
}

/* --- token answers --- */

static void parse_token(const char *json, struct TokenAnswer *out)
{
	g_autoptr(GError) error = NULL;
	if (!token_answer_parse(slice_of(json), out, &error))
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
}

static void refuse_token(const char *json, const char *words)
{
	struct TokenAnswer out;
	struct TokenAnswer before;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&before, &out, sizeof(out));
	g_autoptr(GError) error = NULL;
	assert_false(token_answer_parse(slice_of(json), &out, &error));
	assert_refused(error, words);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void test_a_token_answer_gives_all_it_says(void **state)
{
	(void)state;
	struct TokenAnswer out = {0};
	parse_token("{\"access_token\":\"a.b-c~+/=\",\"refresh_token\":\"r\",\"token_type\":"
		    "\"bEARER\",\"expires_in\":3600,\"scope\":\"read write\"}",
		&out);
	assert_secret(out.access_token, "a.b-c~+/=");
	assert_secret(out.refresh_token, "r");
	assert_int_equal(out.expires_in, 3600);
	assert_string_equal(out.scope, "read write");
	assert_null(out.account);
	token_answer_release(&out);
	assert_null(out.access_token);
	assert_null(out.refresh_token);
	assert_null(out.scope);
}

static void test_a_notion_like_answer_names_the_workspace(void **state)
{
	(void)state;
	struct TokenAnswer out = {0};
	parse_token("{\"access_token\":\"ntn_1\",\"token_type\":\"bearer\",\"bot_id\":\"b\","
		    "\"workspace_name\":\"Fr\\u00f8ya\\u2019s Space\",\"workspace_icon\":null,"
		    "\"owner\":{\"type\":\"user\",\"user\":{\"name\":\"x\"}},"
		    "\"duplicated_template_id\":null,\"refresh_token\":null}",
		&out);
	assert_secret(out.access_token, "ntn_1");
	assert_null(out.refresh_token);
	assert_string_equal(out.account, "Frøya’s Space");
	assert_int_equal(out.expires_in, -1);
	assert_null(out.scope);
	token_answer_release(&out);
}

static void test_an_access_token_is_enough(void **state)
{
	(void)state;
	static const char *const answers[] = {
		"{\"access_token\":\"t\"}",
		"{\"access_token\":\"t\",\"refresh_token\":\"\",\"token_type\":\"\",\"scope\":\"\","
		"\"expires_in\":\"\",\"workspace_name\":\"\",\"id_token\":\"\"}",
		"{\"access_token\":\"t\",\"refresh_token\":5,\"token_type\":null,\"scope\":[\"a\"],"
		"\"expires_in\":{},\"workspace_name\":false,\"id_token\":{}}",
		"{\"access_token\":\"t\",\"scope\":\"a\\nb\",\"workspace_name\":\"\\u0000\"}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
		struct TokenAnswer out = {0};
		parse_token(answers[i], &out);
		assert_secret(out.access_token, "t");
		assert_null(out.refresh_token);
		assert_null(out.scope);
		assert_null(out.account);
		assert_int_equal(out.expires_in, -1);
		token_answer_release(&out);
	}
}

static void test_times_are_read_from_numbers_and_digits(void **state)
{
	(void)state;
	static const int64_t ten_years = (int64_t)10 * 365 * 24 * 3600;
	static const struct {
		const char *text;
		int64_t seconds;
	} cases[] = {
		{"0", 0},
		{"-0", 0},
		{"1", 1},
		{"3.6e3", 3600},
		{"3599.9", 3599},
		{"\"3600\"", 3600},
		{"\"00\"", 0},
		{"315359999", ten_years - 1},
		{"315360000", ten_years},
		{"315360001", ten_years},
		{"9223372036854775808", ten_years},
		{"1e400", ten_years},
		{"\"99999999999999999999999\"", ten_years},
		{"-1", -1},
		{"-1e400", -1},
		{"\"\"", -1},
		{"\"-1\"", -1},
		{"\"1h\"", -1},
		{"\" 1\"", -1},
		{"\"1.5\"", -1},
		{"\"0x10\"", -1},
		{"\"nan\"", -1},
		{"true", -1},
		{"[1]", -1},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *json = g_strdup_printf(
			"{\"access_token\":\"t\",\"expires_in\":%s}", cases[i].text);
		struct TokenAnswer out = {0};
		parse_token(json, &out);
		if (out.expires_in != cases[i].seconds)
			fail_msg("%s: %" G_GINT64_FORMAT, cases[i].text, out.expires_in);
		token_answer_release(&out);
	}
}

static void test_tokens_may_hold_what_a_header_can_carry(void **state)
{
	(void)state;
	GString *json = g_string_new("{\"access_token\":\"");
	g_autoptr(GString) all = g_string_new(NULL);
	for (int c = '!'; c <= '~'; c++) {
		g_string_append_c(all, (char)c);
		g_string_append(json, c == '"' || c == '\\' ? "\\" : "");
		g_string_append_c(json, (char)c);
		if (c == 'a') {
			g_string_append_c(all, ' ');
			g_string_append_c(json, ' ');
		}
	}
	g_string_append(json, "\"}");
	struct TokenAnswer out = {0};
	parse_token(json->str, &out);
	assert_secret(out.access_token, all->str);
	token_answer_release(&out);
	g_string_free(json, TRUE);
}

static void test_tokens_that_no_header_can_carry_are_refused(void **state)
{
	(void)state;
	static const char *const tokens[] = {"hidden\\r\\nX: y", " hidden", "hidden ", "hidden\\t",
		"hidden\\u007f", "hidden\\u0000", "hidd\\u00e9n", "hidden\\ud800",
		"hidden\xc3\xa9"};
	for (size_t i = 0; i < G_N_ELEMENTS(tokens); i++) {
		g_autofree char *access = g_strdup_printf("{\"access_token\":\"%s\"}", tokens[i]);
		refuse_token(access, "access_token of the token answer");
		g_autofree char *refresh = g_strdup_printf(
			"{\"access_token\":\"t\",\"refresh_token\":\"%s\"}", tokens[i]);
		refuse_token(refresh, "refresh_token of the token answer");
	}
}

static void test_tokens_of_more_than_256_kib_are_refused(void **state)
{
	(void)state;
	g_autofree char *most = g_strnfill(TOKEN_BYTES, 'a');
	g_autofree char *taken = g_strdup_printf("{\"access_token\":\"%s\"}", most);
	struct TokenAnswer out = {0};
	parse_token(taken, &out);
	assert_secret(out.access_token, most);
	token_answer_release(&out);
	g_autofree char *refused = g_strdup_printf("{\"access_token\":\"%sa\"}", most);
	refuse_token(refused, "access_token of the token answer is too long");
}

static void test_answers_without_a_usable_token_are_refused(void **state)
{
	(void)state;
	refuse_token("", "no JSON");
	refuse_token("access_token=hidden&token_type=bearer", "no JSON");
	refuse_token("[\"hidden\"]", "no JSON object");
	refuse_token("{\"error\":\"hidden\"}", "the token answer has no access_token");
	refuse_token("{\"access_token\":\"\"}", "has no access_token");
	refuse_token("{\"access_token\":null}", "has no access_token");
	refuse_token("{\"access_token\":{\"hidden\":1}}", "has no access_token");
	refuse_token("{\"access_token\":\"hidden\",\"access_token\":\"hidden2\"}",
		"has access_token twice");
	refuse_token("{\"access_token\":\"hidden\",\"expires_in\":1,\"expires_in\":2}",
		"has expires_in twice");
	refuse_token("{\"access_token\":\"hidden\",\"token_type\":\"DPoP\"}",
		"token_type of the token answer is not Bearer");
	refuse_token("{\"access_token\":\"hidden\",\"token_type\":\"Bearer \"}", "is not Bearer");
	refuse_token("{\"access_token\":\"hidden\",\"token_type\":\"hidden\\n\"}", "is not Bearer");
}

/* The account that an answer with this id_token's claims is of. */
static char *account_of(const char *claims, const char *form)
{
	g_autofree char *encoded = base64url_encode(claims, strlen(claims));
	g_autofree char *before = g_strndup(form, (size_t)(strchr(form, '#') - form));
	g_autofree char *json = g_strdup_printf("{\"access_token\":\"t\",\"id_token\":\"%s%s%s\","
						"\"workspace_name\":\"workspace\"}",
		before, encoded, strchr(form, '#') + 1);
	struct TokenAnswer out = {0};
	parse_token(json, &out);
	char *account = g_steal_pointer(&out.account);
	token_answer_release(&out);
	return account;
}

static void test_an_id_token_names_the_account(void **state)
{
	(void)state;
	static const struct {
		const char *claims, *account;
	} cases[] = {
		{"{\"sub\":\"s\",\"name\":\"n\",\"preferred_username\":\"p\",\"email\":\"e@x\"}",
			"e@x"},
		{"{\"sub\":\"s\",\"name\":\"n\",\"preferred_username\":\"p\"}", "p"},
		{"{\"sub\":\"s\",\"name\":\"J\\u00f6rg\"}", "Jörg"},
		{" {\"sub\":\"s\"}\n", "s"},
		{"{\"email\":\"\",\"name\":7,\"preferred_username\":\"a\\u001bb\",\"sub\":\"s\"}",
			"s"},
		{"{}", "workspace"},
		{"{\"email\":\"a@x\",\"email\":\"b@x\"}", "workspace"},
		{"[\"email\"]", "workspace"},
		{"\"email\"", "workspace"},
		{"{\"email\":\"e@x\"", "workspace"},
		{"", "workspace"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *account =
			account_of(cases[i].claims, "eyJhbGciOiJub25lIn0.#.c2ln");
		if (!account || strcmp(account, cases[i].account) != 0)
			fail_msg("%s: %s", cases[i].claims, account);
	}
}

static void test_what_is_no_id_token_names_nobody(void **state)
{
	(void)state;
	static const char claims[] = "{\"email\":\"e@x\"}";
	static const struct {
		const char *form, *account;
	} cases[] = {
		{".#.", "e@x"},
		{"a.#.b.c", "e@x"},
		{"a.#", "workspace"},
		{"a#b", "workspace"},
		{"a.*#.b", "workspace"},
		{"a.#\\n.b", "workspace"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *account = account_of(claims, cases[i].form);
		if (!account || strcmp(account, cases[i].account) != 0)
			fail_msg("%s: %s", cases[i].form, account);
	}
}

/* --- errors --- */

static void test_an_error_gives_its_code_and_description(void **state)
{
	(void)state;
	g_autofree char *code = NULL;
	g_autofree char *description = NULL;
	assert_true(oauth_error_parse(
		SLICE("{\"error\":\"invalid_grant\",\"error_description\":\"no \\u00e9\\nline\","
		      "\"error_uri\":\"https://x\"}"),
		&code, &description));
	assert_string_equal(code, "invalid_grant");
	assert_string_equal(description, "no é?line");
}

static void test_an_error_may_have_no_description(void **state)
{
	(void)state;
	static const char *const errors[] = {"{\"error\":\"e\"}",
		"{\"error\":\"e\",\"error_description\":\"\"}",
		"{\"error\":\"e\",\"error_description\":[]}"};
	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		g_autofree char *code = NULL;
		char *description = (char *)errors;
		assert_true(oauth_error_parse(slice_of(errors[i]), &code, &description));
		assert_string_equal(code, "e");
		assert_null(description);
	}
}

static void test_a_long_description_is_cut(void **state)
{
	(void)state;
	g_autofree char *text = g_strnfill(5000, 'd');
	g_autofree char *json =
		g_strdup_printf("{\"error\":\"e\",\"error_description\":\"%s\"}", text);
	g_autofree char *code = NULL;
	g_autofree char *description = NULL;
	assert_true(oauth_error_parse(slice_of(json), &code, &description));
	assert_int_equal(strlen(description), 1024 + strlen("…"));
}

static void test_other_bodies_are_no_errors(void **state)
{
	(void)state;
	static const char *const bodies[] = {"", "Bad Gateway", "{}", "[]", "{\"error\":null}",
		"{\"error\":\"\"}", "{\"error\":{\"code\":1}}", "{\"error\":\"a\\u0000\"}",
		"{\"error\":\"a\",\"error\":\"b\"}", "{\"error_description\":\"d\"}"};
	for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
		char *code = (char *)bodies;
		char *description = (char *)bodies;
		assert_false(oauth_error_parse(slice_of(bodies[i]), &code, &description));
		assert_ptr_equal(code, bodies);
		assert_ptr_equal(description, bodies);
	}
}

/* --- PKCE --- */

static void test_the_challenge_is_that_of_rfc_7636_appendix_b(void **state)
{
	(void)state;
	g_autoptr(Secret) verifier =
		secret_new(SLICE("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
	g_autofree char *challenge = pkce_challenge(verifier);
	assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_registration_gives_id_secret_and_method),
		cmocka_unit_test(test_a_public_client_has_an_id_alone),
		cmocka_unit_test(test_a_secret_without_a_time_does_not_expire),
		cmocka_unit_test(test_a_registration_that_cannot_be_used_is_refused),
		cmocka_unit_test(test_a_request_registers_a_native_client),
		cmocka_unit_test(test_a_token_answer_gives_all_it_says),
		cmocka_unit_test(test_a_notion_like_answer_names_the_workspace),
		cmocka_unit_test(test_an_access_token_is_enough),
		cmocka_unit_test(test_times_are_read_from_numbers_and_digits),
		cmocka_unit_test(test_tokens_may_hold_what_a_header_can_carry),
		cmocka_unit_test(test_tokens_that_no_header_can_carry_are_refused),
		cmocka_unit_test(test_tokens_of_more_than_256_kib_are_refused),
		cmocka_unit_test(test_answers_without_a_usable_token_are_refused),
		cmocka_unit_test(test_an_id_token_names_the_account),
		cmocka_unit_test(test_what_is_no_id_token_names_nobody),
		cmocka_unit_test(test_an_error_gives_its_code_and_description),
		cmocka_unit_test(test_an_error_may_have_no_description),
		cmocka_unit_test(test_a_long_description_is_cut),
		cmocka_unit_test(test_other_bodies_are_no_errors),
		cmocka_unit_test(test_the_challenge_is_that_of_rfc_7636_appendix_b),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
