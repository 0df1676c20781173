#include "base/error.h"
#include "format/oauth.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ISSUER "https://as.example/t"

static void assert_refused(const GError *error, const char *words)
{
	assert_non_null(error);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error->message);
}

static void refuse_resource(const char *json, const char *words)
{
	struct ResourceMetadata out;
	struct ResourceMetadata before;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&before, &out, sizeof(out));
	g_autoptr(GError) error = NULL;
	assert_false(resource_metadata_parse(slice_of(json), &out, &error));
	assert_refused(error, words);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void parse_resource(const char *json, struct ResourceMetadata *out)
{
	g_autoptr(GError) error = NULL;
	if (!resource_metadata_parse(slice_of(json), out, &error))
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
}

static void refuse_server(const char *json, const char *issuer, const char *words)
{
	struct ServerMetadata out;
	struct ServerMetadata before;
	memset(&out, 0x5a, sizeof(out));
	memcpy(&before, &out, sizeof(out));
	g_autoptr(GError) error = NULL;
	assert_false(server_metadata_parse(slice_of(json), issuer, &out, &error));
	assert_refused(error, words);
	assert_memory_equal(&out, &before, sizeof(out));
}

static void parse_server(const char *json, const char *issuer, struct ServerMetadata *out)
{
	g_autoptr(GError) error = NULL;
	if (!server_metadata_parse(slice_of(json), issuer, out, &error))
		fail_msg("%s: %s", json, error->message);
	assert_null(error);
}

/* A text of N bytes in JSON's quotes. */
static char *quoted(size_t n)
{
	g_autofree char *text = g_strnfill(n, 'a');
	return g_strdup_printf("\"%s\"", text);
}

/* N times TEXT with commas between. */
static char *repeated(const char *text, unsigned n)
{
	GString *list = g_string_new(NULL);
	for (unsigned i = 0; i < n; i++) {
		g_string_append(list, i ? "," : "");
		g_string_append(list, text);
	}
	return g_string_free(list, FALSE);
}

static void test_a_resource_names_its_servers_and_scopes(void **state)
{
	(void)state;
	struct ResourceMetadata out = {0};
	parse_resource("{\"resource\":\"https://mcp.example/mcp\",\"authorization_servers\":"
		       "[\"https:\\/\\/as.example\",\"http://127.0.0.1:9/x\"],\"scopes_supported\":"
		       "[\"read\",\"write\"],\"bearer_methods_supported\":[\"header\"]}",
		&out);
	assert_string_equal(out.resource, "https://mcp.example/mcp");
	assert_int_equal(out.servers->len, 2);
	assert_string_equal(out.servers->pdata[0], "https://as.example");
	assert_string_equal(out.servers->pdata[1], "http://127.0.0.1:9/x");
	assert_string_equal(out.scopes, "read write");
	resource_metadata_release(&out);
	assert_null(out.resource);
	assert_null(out.servers);
	assert_null(out.scopes);
}

static void test_a_resource_may_name_no_server_and_no_scope(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{\"resource\":\"https://a\"}",
		"{\"resource\":\"https://a\",\"authorization_servers\":[],\"scopes_supported\":[]}",
		"{\"resource\":\"https://a\",\"authorization_servers\":null,\"scopes_supported\":"
		"null}",
		"{\"resource\":\"https://a\",\"authorization_servers\":{},\"scopes_supported\":"
		"\"a b\"}",
		"{\"resource\":\"https://a\",\"scopes_supported\":[1,null,\"\",\"a\\nb\",{}]}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
		struct ResourceMetadata out = {0};
		parse_resource(documents[i], &out);
		assert_int_equal(out.servers->len, 0);
		assert_null(out.scopes);
		resource_metadata_release(&out);
	}
}

static void test_a_resource_without_its_name_is_refused(void **state)
{
	(void)state;
	refuse_resource("{}", "has no resource");
	refuse_resource("{\"resource\":\"\"}", "has no resource");
	refuse_resource("{\"resource\":[\"https://a\"]}", "has no resource");
	refuse_resource("{\"resource\":\"https://a\\u0007\"}", "has no resource");
	refuse_resource("{\"resource\":\"https://a\\u0085\"}", "has no resource");
	refuse_resource("{\"resource\":\"https://a\\ud800\"}", "has no resource");
}

static void test_what_is_no_object_is_refused(void **state)
{
	(void)state;
	refuse_resource("", "no JSON: the text ends early at byte 0");
	refuse_resource("<html>", "no JSON: a value is missing at byte 0");
	refuse_resource("[]", "no JSON object");
	refuse_resource("\"resource\"", "no JSON object");
	refuse_server("{\"issuer\":\"x\"", NULL, "no JSON");
	refuse_server("null", NULL, "no JSON object");
}

static void test_a_member_that_comes_twice_is_refused(void **state)
{
	(void)state;
	refuse_resource("{\"resource\":\"https://a\",\"r\\u0065source\":\"https://b\"}",
		"has resource twice");
	refuse_server("{\"issuer\":\"" ISSUER "\",\"token_endpoint\":\"https://a\","
		      "\"token_endpoint\":null}",
		NULL, "has token_endpoint twice");
	struct ResourceMetadata out = {0};
	parse_resource("{\"resource\":\"https://a\",\"other\":1,\"other\":2}", &out);
	resource_metadata_release(&out);
}

static void test_servers_that_others_can_read_do_not_count(void **state)
{
	(void)state;
	struct ResourceMetadata out = {0};
	parse_resource(
		"{\"resource\":\"https://a\",\"authorization_servers\":[\"http://as.example\","
		"\"https://one\",7,\"ftp://x\",\"https://two\"]}",
		&out);
	assert_int_equal(out.servers->len, 2);
	assert_string_equal(out.servers->pdata[0], "https://one");
	assert_string_equal(out.servers->pdata[1], "https://two");
	resource_metadata_release(&out);
	refuse_resource("{\"resource\":\"https://a\",\"authorization_servers\":"
			"[\"http://as.example\"]}",
		"authorization_servers of the resource's metadata has no https URL");
}

static void test_no_more_than_sixteen_servers_are_taken(void **state)
{
	(void)state;
	static const char form[] = "{\"resource\":\"https://a\",\"authorization_servers\":[%s]}";
	g_autofree char *most = repeated("\"https://as.example\"", 16);
	g_autofree char *taken = g_strdup_printf(form, most);
	struct ResourceMetadata out = {0};
	parse_resource(taken, &out);
	assert_int_equal(out.servers->len, 16);
	resource_metadata_release(&out);
	g_autofree char *more = repeated("\"https://as.example\"", 17);
	g_autofree char *refused = g_strdup_printf(form, more);
	refuse_resource(refused, "authorization_servers of the resource's metadata is too long");
}

static void test_texts_of_more_than_8_kib_do_not_count(void **state)
{
	(void)state;
	g_autofree char *most = quoted(8192);
	g_autofree char *taken = g_strdup_printf(
		"{\"resource\":\"https://a\",\"scopes_supported\":[%s,\"b\"]}", most);
	struct ResourceMetadata out = {0};
	parse_resource(taken, &out);
	assert_int_equal(strlen(out.scopes), 8192 + 2);
	resource_metadata_release(&out);
	g_autofree char *more = quoted(8193);
	g_autofree char *left_out = g_strdup_printf(
		"{\"resource\":\"https://a\",\"scopes_supported\":[%s,\"b\"]}", more);
	parse_resource(left_out, &out);
	assert_string_equal(out.scopes, "b");
	resource_metadata_release(&out);
	g_autofree char *refused = g_strdup_printf("{\"resource\":%s}", more);
	refuse_resource(refused, "has no resource");
}

static void test_lists_of_more_than_32_kib_are_refused(void **state)
{
	(void)state;
	g_autofree char *item = quoted(8192);
	g_autofree char *most = repeated(item, 4);
	g_autofree char *taken =
		g_strdup_printf("{\"resource\":\"https://a\",\"scopes_supported\":[%s]}", most);
	struct ResourceMetadata out = {0};
	parse_resource(taken, &out);
	assert_int_equal(strlen(out.scopes), 4 * 8192 + 3);
	resource_metadata_release(&out);
	g_autofree char *scopes = g_strdup_printf(
		"{\"resource\":\"https://a\",\"scopes_supported\":[%s,\"b\"]}", most);
	refuse_resource(scopes, "scopes_supported of the resource's metadata is too long");
	g_autofree char *servers = g_strdup_printf(
		"{\"resource\":\"https://a\",\"authorization_servers\":[%s,\"b\"]}", most);
	refuse_resource(servers, "authorization_servers of the resource's metadata is too long");
	static const char *const lists[] = {"scopes_supported",
		"token_endpoint_auth_methods_supported", "code_challenge_methods_supported",
		"grant_types_supported"};
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autofree char *json = g_strdup_printf(
			"{\"issuer\":\"" ISSUER "\",\"%s\":[%s,\"b\"]}", lists[i], most);
		g_autofree char *words = g_strdup_printf(
			"%s of the authorization server's metadata is too long", lists[i]);
		refuse_server(json, ISSUER, words);
	}
}

static const char full_server[] =
	"{\"issuer\":\"" ISSUER "\",\"authorization_endpoint\":\"https://as.example/a?x=1\","
	"\"token_endpoint\":\"https://as.example/t\",\"registration_endpoint\":"
	"\"https://as.example/r\",\"revocation_endpoint\":\"http://[::1]:8/v\","
	"\"scopes_supported\":[\"openid\",\"offline_access\"],"
	"\"token_endpoint_auth_methods_supported\":[\"none\",\"client_secret_post\"],"
	"\"code_challenge_methods_supported\":[\"S256\"],"
	"\"grant_types_supported\":[\"authorization_code\",\"refresh_token\"],"
	"\"authorization_response_iss_parameter_supported\":true,"
	"\"client_id_metadata_document_supported\":true,\"response_types_supported\":[\"code\"]}";

static void check_full_server(const struct ServerMetadata *out)
{
	assert_string_equal(out->issuer, ISSUER);
	assert_string_equal(out->authorization_endpoint, "https://as.example/a?x=1");
	assert_string_equal(out->token_endpoint, "https://as.example/t");
	assert_string_equal(out->registration_endpoint, "https://as.example/r");
	assert_string_equal(out->revocation_endpoint, "http://[::1]:8/v");
	assert_string_equal(out->scopes, "openid offline_access");
	static const char *const methods[] = {"none", "client_secret_post", NULL};
	static const char *const challenges[] = {"S256", NULL};
	static const char *const grants[] = {"authorization_code", "refresh_token", NULL};
	assert_true(g_strv_equal((const char *const *)out->auth_methods, methods));
	assert_true(g_strv_equal((const char *const *)out->challenge_methods, challenges));
	assert_true(g_strv_equal((const char *const *)out->grant_types, grants));
	assert_true(out->iss_parameter);
	assert_true(out->client_documents);
	assert_false(out->assumed);
}

static void test_a_server_says_all_that_is_asked_of_it(void **state)
{
	(void)state;
	struct ServerMetadata out = {0};
	parse_server(full_server, ISSUER, &out);
	check_full_server(&out);
	struct ServerMetadata copy;
	memset(&copy, 0x5a, sizeof(copy));
	server_metadata_copy(&out, &copy);
	server_metadata_release(&out);
	assert_null(out.issuer);
	assert_null(out.auth_methods);
	check_full_server(&copy);
	server_metadata_release(&copy);
}

static void test_a_server_may_say_nothing_but_its_name(void **state)
{
	(void)state;
	static const char *const documents[] = {
		"{\"issuer\":\"" ISSUER "\"}",
		"{\"issuer\":\"" ISSUER "\",\"registration_endpoint\":\"\","
		"\"revocation_endpoint\":null,\"token_endpoint\":5,\"authorization_endpoint\":[],"
		"\"scopes_supported\":{},\"token_endpoint_auth_methods_supported\":\"none\","
		"\"authorization_response_iss_parameter_supported\":\"true\","
		"\"client_id_metadata_document_supported\":1,\"grant_types_supported\":null}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(documents); i++) {
		struct ServerMetadata out = {0};
		parse_server(documents[i], ISSUER, &out);
		assert_null(out.authorization_endpoint);
		assert_null(out.token_endpoint);
		assert_null(out.registration_endpoint);
		assert_null(out.revocation_endpoint);
		assert_null(out.scopes);
		assert_null(out.auth_methods);
		assert_null(out.challenge_methods);
		assert_null(out.grant_types);
		assert_false(out.iss_parameter || out.client_documents || out.assumed);
		struct ServerMetadata copy;
		server_metadata_copy(&out, &copy);
		assert_null(copy.auth_methods);
		assert_null(copy.scopes);
		server_metadata_release(&copy);
		server_metadata_release(&out);
	}
}

static void test_an_empty_list_is_not_the_same_as_none(void **state)
{
	(void)state;
	struct ServerMetadata out = {0};
	parse_server("{\"issuer\":\"" ISSUER "\",\"code_challenge_methods_supported\":[],"
		     "\"grant_types_supported\":[3]}",
		ISSUER, &out);
	assert_non_null(out.challenge_methods);
	assert_null(out.challenge_methods[0]);
	assert_non_null(out.grant_types);
	assert_null(out.grant_types[0]);
	server_metadata_release(&out);
}

static void test_the_issuer_is_identical_to_the_one_that_was_asked(void **state)
{
	(void)state;
	refuse_server(full_server, ISSUER "/", "issuer " ISSUER ", and not of " ISSUER "/");
	refuse_server(full_server, "https://AS.example/t", "and not of https://AS.example/t");
	refuse_server("{\"issuer\":\"https://honest.example\"}", "https://attacker.example",
		"issuer https://honest.example, and not of https://attacker.example");
	refuse_server("{\"token_endpoint\":\"https://a\"}", ISSUER, "has no issuer");
	refuse_server("{\"issuer\":7}", NULL, "has no issuer");
	refuse_server("{\"issuer\":\"a\\u202eb\"}", ISSUER, "issuer a?b");
	struct ServerMetadata out = {0};
	parse_server(full_server, NULL, &out);
	check_full_server(&out);
	server_metadata_release(&out);
}

static void test_an_issuer_is_an_https_url(void **state)
{
	(void)state;
	static const char words[] = "issuer of the authorization server's metadata is no https URL";
	refuse_server("{\"issuer\":\"http://as.example\"}", NULL, words);
	refuse_server("{\"issuer\":\"http://as.example\"}", "http://as.example", words);
	refuse_server("{\"issuer\":\"as.example\"}", NULL, words);
}

static void test_an_endpoint_that_others_can_read_spoils_the_document(void **state)
{
	(void)state;
	static const char *const endpoints[] = {"authorization_endpoint", "token_endpoint",
		"registration_endpoint", "revocation_endpoint"};
	static const char *const urls[] = {"http://as.example/x", "javascript:alert(1)",
		"file:///etc/passwd", "https://a/\\u0000", "https://a/\\n", "https://", "/token"};
	for (size_t i = 0; i < G_N_ELEMENTS(endpoints); i++) {
		for (size_t k = 0; k < G_N_ELEMENTS(urls); k++) {
			g_autofree char *json = g_strdup_printf(
				"{\"issuer\":\"" ISSUER "\",\"%s\":\"%s\"}", endpoints[i], urls[k]);
			g_autofree char *words = g_strdup_printf(
				"%s of the authorization server's metadata is no https URL",
				endpoints[i]);
			refuse_server(json, ISSUER, words);
		}
	}
}

static void test_without_metadata_the_endpoints_lie_at_the_origin(void **state)
{
	(void)state;
	struct ServerMetadata out;
	memset(&out, 0x5a, sizeof(out));
	server_metadata_assume("HTTPS://MCP.Example:443/a/b?c#d", &out);
	assert_string_equal(out.issuer, "https://mcp.example");
	assert_string_equal(out.authorization_endpoint, "https://mcp.example/authorize");
	assert_string_equal(out.token_endpoint, "https://mcp.example/token");
	assert_string_equal(out.registration_endpoint, "https://mcp.example/register");
	assert_null(out.revocation_endpoint);
	assert_null(out.scopes);
	assert_null(out.auth_methods);
	assert_null(out.challenge_methods);
	assert_null(out.grant_types);
	assert_false(out.iss_parameter || out.client_documents);
	assert_true(out.assumed);
	struct ServerMetadata copy;
	server_metadata_copy(&out, &copy);
	assert_true(copy.assumed);
	server_metadata_release(&copy);
	server_metadata_release(&out);
	assert_false(out.assumed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_resource_names_its_servers_and_scopes),
		cmocka_unit_test(test_a_resource_may_name_no_server_and_no_scope),
		cmocka_unit_test(test_a_resource_without_its_name_is_refused),
		cmocka_unit_test(test_what_is_no_object_is_refused),
		cmocka_unit_test(test_a_member_that_comes_twice_is_refused),
		cmocka_unit_test(test_servers_that_others_can_read_do_not_count),
		cmocka_unit_test(test_no_more_than_sixteen_servers_are_taken),
		cmocka_unit_test(test_texts_of_more_than_8_kib_do_not_count),
		cmocka_unit_test(test_lists_of_more_than_32_kib_are_refused),
		cmocka_unit_test(test_a_server_says_all_that_is_asked_of_it),
		cmocka_unit_test(test_a_server_may_say_nothing_but_its_name),
		cmocka_unit_test(test_an_empty_list_is_not_the_same_as_none),
		cmocka_unit_test(test_the_issuer_is_identical_to_the_one_that_was_asked),
		cmocka_unit_test(test_an_issuer_is_an_https_url),
		cmocka_unit_test(test_an_endpoint_that_others_can_read_spoils_the_document),
		cmocka_unit_test(test_without_metadata_the_endpoints_lie_at_the_origin),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
