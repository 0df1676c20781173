#include "base/error.h"
#include "format/json.h"
#include "format/record.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char full_token[] =
	"{\"v\":1,\"grant\":\"g\",\"issuer\":\"https://as\",\"client_id\":\"c\","
	"\"auth_method\":\"none\",\"redirect_uri\":\"http://127.0.0.1:1/\",\"endpoints\":{"
	"\"authorization\":\"https://as/a\",\"token\":\"https://as/t\",\"revocation\":"
	"\"https://as/r\"},\"resource\":\"https://mcp\",\"scope_granted\":\"a\","
	"\"scope_wanted\":\"a b\",\"access_token\":\"at\",\"refresh_token\":\"rt\","
	"\"expires_at\":1790000000,\"issued_at\":1780000000,\"account\":\"J\xc3\xb6rg \\\"x\\\"\"}";

static const char full_client[] =
	"{\"v\":1,\"client_id\":\"c\",\"client_secret\":\"-----BEGIN\\nx\\n\",\"auth_method\":"
	"\"private_key_jwt\",\"redirect_uri\":\"http://127.0.0.1:1/\",\"secret_expires_at\":7}";

static struct TokenRecord *parse_token(const char *json)
{
	g_autoptr(GError) error = NULL;
	struct TokenRecord *record = token_record_parse(slice_of(json), &error);
	if (!record)
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
	return record;
}

static struct ClientRecord *parse_client(const char *json)
{
	g_autoptr(GError) error = NULL;
	struct ClientRecord *record = client_record_parse(slice_of(json), &error);
	if (!record)
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
	return record;
}

static void assert_refused(const GError *error, const char *words)
{
	assert_non_null(error);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error->message);
	assert_null(strstr(error->message, "hidden"));
}

static void refuse_token(const char *json, const char *words)
{
	g_autoptr(GError) error = NULL;
	assert_null(token_record_parse(slice_of(json), &error));
	assert_refused(error, words);
}

static void refuse_client(const char *json, const char *words)
{
	g_autoptr(GError) error = NULL;
	assert_null(client_record_parse(slice_of(json), &error));
	assert_refused(error, words);
}

static void assert_secret(const struct Secret *secret, const char *text)
{
	assert_non_null(secret);
	assert_true(slice_is(secret_reveal(secret), text));
}

static void assert_token_written(const struct TokenRecord *record, const char *json)
{
	g_autoptr(Secret) written = token_record_write(record);
	assert_string_equal(secret_reveal(written).data, json);
}

static void assert_client_written(const struct ClientRecord *record, const char *json)
{
	g_autoptr(Secret) written = client_record_write(record);
	assert_string_equal(secret_reveal(written).data, json);
}

static void assert_full_token(const struct TokenRecord *record)
{
	assert_string_equal(record->grant, "g");
	assert_string_equal(record->issuer, "https://as");
	assert_string_equal(record->client_id, "c");
	assert_string_equal(record->auth_method, "none");
	assert_string_equal(record->redirect_uri, "http://127.0.0.1:1/");
	assert_string_equal(record->authorization_endpoint, "https://as/a");
	assert_string_equal(record->token_endpoint, "https://as/t");
	assert_string_equal(record->revocation_endpoint, "https://as/r");
	assert_string_equal(record->resource, "https://mcp");
	assert_string_equal(record->scope_granted, "a");
	assert_string_equal(record->scope_wanted, "a b");
	assert_secret(record->access_token, "at");
	assert_secret(record->refresh_token, "rt");
	assert_int_equal(record->expires_at, 1790000000);
	assert_int_equal(record->issued_at, 1780000000);
	assert_string_equal(record->account, "Jörg \"x\"");
	assert_string_equal(record->unknown, "");
}

static void test_a_sign_in_is_read_and_written(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record = parse_token(full_token);
	assert_full_token(record);
	assert_token_written(record, full_token);
}

static void test_a_copy_lives_on_its_own(void **state)
{
	(void)state;
	struct TokenRecord *record = parse_token(full_token);
	g_autoptr(TokenRecord) copy = token_record_copy(record);
	token_record_free(record);
	assert_full_token(copy);
	struct ClientRecord *client = parse_client(full_client);
	g_autoptr(ClientRecord) client_copy = client_record_copy(client);
	client_record_free(client);
	assert_client_written(client_copy, full_client);
}

static void test_a_client_is_read_and_written(void **state)
{
	(void)state;
	g_autoptr(ClientRecord) record = parse_client(full_client);
	assert_string_equal(record->client_id, "c");
	assert_secret(record->client_secret, "-----BEGIN\nx\n");
	assert_string_equal(record->auth_method, "private_key_jwt");
	assert_string_equal(record->redirect_uri, "http://127.0.0.1:1/");
	assert_int_equal(record->secret_expires_at, 7);
	assert_string_equal(record->unknown, "");
	assert_client_written(record, full_client);
}

static void test_what_there_is_nothing_to_say_of_is_not_written(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) empty = token_record_new();
	assert_token_written(empty, "{\"v\":1}");
	empty->token_endpoint = g_strdup("https://t");
	assert_token_written(empty, "{\"v\":1,\"endpoints\":{\"token\":\"https://t\"}}");
	g_clear_pointer(&empty->token_endpoint, g_free);
	empty->access_token = secret_new(SLICE("t"));
	assert_token_written(empty, "{\"v\":1,\"access_token\":\"t\"}");
	empty->revocation_endpoint = g_strdup("https://r");
	assert_token_written(empty, "{\"v\":1,\"endpoints\":{\"revocation\":\"https://r\"},"
				    "\"access_token\":\"t\"}");
	g_autoptr(ClientRecord) client = client_record_new();
	client->client_id = g_strdup("c");
	assert_client_written(client, "{\"v\":1,\"client_id\":\"c\"}");
	token_record_free(NULL);
	client_record_free(NULL);
}

static void test_null_and_empty_texts_count_as_absent(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record = parse_token(
		"{\"v\":1.0,\"access_token\":\"t\",\"grant\":null,\"issuer\":\"\","
		"\"refresh_token\":\"\",\"expires_at\":null,\"endpoints\":null,\"account\":null}");
	assert_null(record->grant);
	assert_null(record->issuer);
	assert_null(record->refresh_token);
	assert_null(record->token_endpoint);
	assert_int_equal(record->expires_at, 0);
	assert_token_written(record, "{\"v\":1,\"access_token\":\"t\"}");
	g_autoptr(ClientRecord) client =
		parse_client("{\"v\":1,\"client_id\":\"c\",\"client_secret\":null}");
	assert_null(client->client_secret);
}

static void test_unknown_members_are_kept_byte_for_byte(void **state)
{
	(void)state;
	static const char unknown[] =
		"\"dpop\":{ \"k\" : [1.10, \"\\u00e9\\/\",\n\t{}] },\"\\u0062\":1e400,"
		"\"grants\":null,\"\":\"\",\"b\":-0,\"endpoint\":true";
	g_autofree char *json =
		g_strdup_printf("{%s,\"access_token\" : \"t\" , \"v\":1 }", unknown);
	g_autoptr(TokenRecord) record = parse_token(json);
	assert_string_equal(record->unknown, unknown);
	g_autofree char *expected = g_strdup_printf("{\"v\":1,\"access_token\":\"t\",%s}", unknown);
	assert_token_written(record, expected);
	g_autoptr(TokenRecord) again = parse_token(expected);
	assert_string_equal(again->unknown, unknown);
	assert_token_written(again, expected);
	g_autoptr(TokenRecord) copy = token_record_copy(again);
	assert_token_written(copy, expected);
	g_autofree char *client = g_strdup_printf("{\"v\":1,\"client_id\":\"c\",%s}", unknown);
	g_autoptr(ClientRecord) client_record = parse_client(client);
	assert_client_written(client_record, client);
}

static void test_escaped_keys_are_known(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record =
		parse_token("{\"\\u0076\":1,\"access\\u005ftoken\":\"t\",\"e\\u006edpoints\":{}}");
	assert_secret(record->access_token, "t");
	assert_string_equal(record->unknown, "");
}

static void test_long_texts_of_escapes_are_written_whole(void **state)
{
	(void)state;
	g_autoptr(TokenRecord) record = token_record_new();
	g_autofree char *quotes = g_strnfill(300000, '"');
	record->access_token = secret_new(slice_of(quotes));
	record->scope_wanted = g_strnfill(100000, '\\');
	g_autoptr(Secret) written = token_record_write(record);
	g_autoptr(TokenRecord) again = parse_token(secret_reveal(written).data);
	assert_true(secret_equal(again->access_token, record->access_token));
	assert_string_equal(again->scope_wanted, record->scope_wanted);
	/* The longest form there is of a byte. */
	g_autoptr(ClientRecord) client = client_record_new();
	client->client_id = g_strdup("c");
	g_autofree char *controls = g_strnfill(100000, '\x01');
	client->client_secret = secret_new(slice_of(controls));
	g_autoptr(Secret) written_client = client_record_write(client);
	g_autoptr(ClientRecord) client_again = parse_client(secret_reveal(written_client).data);
	assert_true(secret_equal(client_again->client_secret, client->client_secret));
}

static void test_a_newer_version_is_refused_in_words_that_say_so(void **state)
{
	(void)state;
	/* Whatever else it holds. */
	refuse_token("{\"v\":2,\"access_token\":[\"hidden\"]}",
		"is of version 2: it was written by a newer mcp-mux, and this one reads version 1");
	refuse_client("{\"v\":9223372036854775807}", "is of version 9223372036854775807");
}

static void test_what_has_no_version_is_no_record(void **state)
{
	(void)state;
	static const char *const versions[] = {"", "\"v\":0,", "\"v\":-1,", "\"v\":\"1\",",
		"\"v\":null,", "\"v\":1.5,", "\"v\":1e30,"};
	for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
		g_autofree char *json = g_strdup_printf(
			"{%s\"access_token\":\"hidden\",\"client_id\":\"c\"}", versions[i]);
		refuse_token(json, "v of the sign-in's record is missing or no version");
		refuse_client(json, "v of the client's record is missing or no version");
	}
	refuse_token("{\"v\":1,\"access_token\":\"hidden\",\"v\":1}", "stands twice");
}

static void test_what_is_no_json_object_is_no_record(void **state)
{
	(void)state;
	refuse_token("", "no JSON: the text ends early at byte 0");
	refuse_token("hidden", "no JSON: a value is missing at byte 0");
	refuse_token("{\"v\":1,\"access_token\":\"hidden\"", "no JSON");
	refuse_token("\"hidden\"", "missing or no version");
	refuse_client("[1]", "missing or no version");
	refuse_client("{\"v\":1,\"client_id\":\"c\",}", "no JSON");
}

static void test_a_record_without_what_it_is_for_is_refused(void **state)
{
	(void)state;
	static const char *const values[] = {"", ",\"access_token\":null,\"client_id\":null",
		",\"access_token\":\"\",\"client_id\":\"\""};
	for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *json = g_strdup_printf(
			"{\"v\":1,\"client_secret\":\"hidden\",\"refresh_token\":\"hidden\"%s}",
			values[i]);
		refuse_token(json, "access_token of the sign-in's record is missing");
		refuse_client(json, "client_id of the client's record is missing");
	}
}

static void test_a_member_of_a_wrong_type_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *key, *value;
	} cases[] = {
		{"grant", "5"},
		{"issuer", "[\"hidden\"]"},
		{"account", "\"hidden\\n\""},
		{"scope_wanted", "\"hidden\\u0000\""},
		{"redirect_uri", "\"hidden\\ud800\""},
		{"resource", "true"},
		{"endpoints", "\"hidden\""},
		{"endpoints", "[]"},
		{"access_token", "{}"},
		{"access_token", "\"hidden\\r\\n\""},
		{"access_token", "\" hidden\""},
		{"access_token", "\"hidd\\u00e9n\""},
		{"refresh_token", "0"},
		{"expires_at", "\"1790000000\""},
		{"expires_at", "1.5"},
		{"expires_at", "-1"},
		{"expires_at", "1e19"},
		{"issued_at", "[]"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		bool is_access = strcmp(cases[i].key, "access_token") == 0;
		g_autofree char *json = g_strdup_printf("{\"v\":1,%s\"%s\":%s}",
			is_access ? "" : "\"access_token\":\"t\",", cases[i].key, cases[i].value);
		g_autofree char *words =
			g_strdup_printf("%s of the sign-in's record", cases[i].key);
		refuse_token(json, words);
	}
	refuse_token("{\"v\":1,\"access_token\":\"t\",\"endpoints\":{\"token\":1}}",
		"token of the sign-in's record is no text");
	refuse_client("{\"v\":1,\"client_id\":\"c\",\"client_secret\":7}", "client_secret of");
	refuse_client("{\"v\":1,\"client_id\":\"c\",\"client_secret\":\"hidden\\u0000\"}",
		"client_secret of");
	refuse_client("{\"v\":1,\"client_id\":\"c\",\"secret_expires_at\":true}", "is no time");
}

static void test_a_member_that_comes_twice_is_refused(void **state)
{
	(void)state;
	refuse_token("{\"v\":1,\"access_token\":\"hidden\",\"access_t\\u006fken\":\"t\"}",
		"access_token of the sign-in's record stands twice");
	refuse_token("{\"v\":1,\"access_token\":\"hidden\",\"endpoints\":{},\"endpoints\":null}",
		"endpoints of the sign-in's record stands twice");
	refuse_token("{\"v\":1,\"access_token\":\"hidden\",\"endpoints\":{\"token\":\"a\","
		     "\"token\":\"b\"}}",
		"token of the sign-in's record stands twice");
	refuse_client("{\"v\":1,\"client_id\":\"c\",\"auth_method\":\"a\",\"auth_method\":null}",
		"auth_method of the client's record stands twice");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_sign_in_is_read_and_written),
		cmocka_unit_test(test_a_copy_lives_on_its_own),
		cmocka_unit_test(test_a_client_is_read_and_written),
		cmocka_unit_test(test_what_there_is_nothing_to_say_of_is_not_written),
		cmocka_unit_test(test_null_and_empty_texts_count_as_absent),
		cmocka_unit_test(test_unknown_members_are_kept_byte_for_byte),
		cmocka_unit_test(test_escaped_keys_are_known),
		cmocka_unit_test(test_long_texts_of_escapes_are_written_whole),
		cmocka_unit_test(test_a_newer_version_is_refused_in_words_that_say_so),
		cmocka_unit_test(test_what_has_no_version_is_no_record),
		cmocka_unit_test(test_what_is_no_json_object_is_no_record),
		cmocka_unit_test(test_a_record_without_what_it_is_for_is_refused),
		cmocka_unit_test(test_a_member_of_a_wrong_type_is_refused),
		cmocka_unit_test(test_a_member_that_comes_twice_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
