#include "format/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* The challenge in VALUE must have these members, NULL for those that it must not have. */
static void expect(const char *value, const char *metadata, const char *scope, const char *error,
	const char *description)
{
	g_autoptr(Challenge) challenge = challenge_parse(value);
	if (!challenge) {
		fail_msg("no challenge in %s", value);
		return;
	}
	if (g_strcmp0(challenge->resource_metadata, metadata) != 0)
		fail_msg("resource_metadata of %s is %s", value, challenge->resource_metadata);
	if (g_strcmp0(challenge->scope, scope) != 0)
		fail_msg("scope of %s is %s", value, challenge->scope);
	if (g_strcmp0(challenge->error, error) != 0)
		fail_msg("error of %s is %s", value, challenge->error);
	if (g_strcmp0(challenge->error_description, description) != 0)
		fail_msg("error_description of %s is %s", value, challenge->error_description);
}

/* In most of the tests the scope tells whether the right thing was read. */
static void expect_scope(const char *value, const char *scope)
{
	expect(value, NULL, scope, NULL, NULL);
}

static void expect_none(const char *value)
{
	g_autoptr(Challenge) challenge = challenge_parse(value);
	if (challenge)
		fail_msg("a challenge in %s", value);
}

static void what_mcp_servers_send_is_read(void **state)
{
	(void)state;
	expect("Bearer "
	       "resource_metadata=\"https://mcp.example.com/.well-known/"
	       "oauth-protected-resource\", "
	       "scope=\"files:read\"",
		"https://mcp.example.com/.well-known/oauth-protected-resource", "files:read", NULL,
		NULL);
	expect("Bearer error=\"insufficient_scope\",\t scope=\"files:read files:write\", "
	       "resource_metadata=\"https://h/m\", error_description=\"File write permission "
	       "required\"",
		"https://h/m", "files:read files:write", "insufficient_scope",
		"File write permission required");
	expect("Bearer realm=\"OAuth\", error=\"invalid_token\", error_description=\"Missing "
	       "token\"",
		NULL, NULL, "invalid_token", "Missing token");
	expect("Bearer", NULL, NULL, NULL, NULL);
}

static void other_challenges_are_passed_by(void **state)
{
	(void)state;
	expect("Basic realm=\"a, Bearer b\", Bearer scope=\"x\", resource_metadata=\"https://h/\"",
		"https://h/", "x", NULL, NULL);
	expect("Bearer scope=\"x\", Basic realm=\"y\", scope=\"z\", error=e", NULL, "x", NULL,
		NULL);
	expect_scope(
		"Digest realm=\"x\", scope=\"no\", qop=\"auth,auth-int\", Bearer scope=x", "x");
	expect_scope("Basic realm=\"Bearer scope=no\\\", Bearer scope=no\", Bearer scope=x", "x");
	expect_scope("Basic, Bearer scope=x", "x");
	expect_scope("Basic , NTLM ,Bearer scope=x", "x");
	expect_scope("Bearerx scope=a, XBearer scope=b, Bearer scope=c", "c");
	expect_none("Basic realm=\"x\"");
	expect_none("Basic realm=\"Bearer scope=x\"");
	expect_none("DPoP algs=\"ES256\", scope=\"x\"");
	expect_none("Basic Bearer");
}

static void a_token68_is_skipped(void **state)
{
	(void)state;
	expect_scope("Negotiate YII/a+b~c._-==, Bearer scope=x", "x");
	expect_scope("Negotiate abc=, Bearer scope=x", "x");
	expect_scope("Negotiate abc , Bearer scope=x", "x");
	expect_scope("Bearer abc==, Basic scope=x", NULL);
	expect_scope("Bearer abc==, scope=x", "x");
	expect_none("Negotiate abc=\t, NTLM TlRM==");
	/* These only begin like one. */
	expect_scope("Bearer scope=x", "x");
	expect_scope("Bearer scope=\"x\"", "x");
	expect_scope("Bearer scope =x", "x");
}

static void names_have_any_case(void **state)
{
	(void)state;
	expect_scope("bearer scope=x", "x");
	expect_scope("BEARER Scope=X", "X");
	expect("bEaReR RESOURCE_METADATA=\"https://H/\", Error=\"E\", Error_Description=\"D\"",
		"https://H/", NULL, "E", "D");
}

static void white_space_and_empty_elements_do_not_count(void **state)
{
	(void)state;
	expect_scope(" , ,Bearer  scope = \"x\" ,, error_uri\t=\ty,", "x");
	expect_scope("\tBearer\tscope\t=\t\"x\"\t", "x");
	expect_scope("Bearer ,scope=x", "x");
	expect_scope("Bearer,scope=x", "x");
	expect_scope(",,,Bearer", NULL);
	expect_scope("Basic realm=x,,,,Bearer scope=x", "x");
	expect("Bearer error=a,error_description=b,scope=c", NULL, "c", "a", "b");
}

static void quoted_pairs_are_taken_apart(void **state)
{
	(void)state;
	expect("Bearer error_description=\"say \\\"a\\\\b\\\", \\c\", scope=x", NULL, "x", NULL,
		"say \"a\\b\", c");
	expect("Bearer error_description=\"=,\\,=\"", NULL, NULL, NULL, "=,,=");
	expect("Bearer error_description=\"caf\xc3\xa9\"", NULL, NULL, NULL, "caf\xc3\xa9");
}

static void what_the_grammar_lacks_but_servers_send_is_read(void **state)
{
	(void)state;
	expect("Bearer resource_metadata=https://h:8/a?b=c, scope=a:b", "https://h:8/a?b=c", "a:b",
		NULL, NULL);
	expect("Bearer error=\"a\" scope=\"b\" error_description=c", NULL, "b", "a", "c");
	expect("Bearer error=a, realm=, scope=b", NULL, "b", "a", NULL);
}

static void the_first_of_two_parameters_counts(void **state)
{
	(void)state;
	expect_scope("Bearer scope=a, scope=b", "a");
	expect_scope("Bearer scope=a, SCOPE=\"b\"", "a");
	/* Also where it is left out. */
	expect_scope("Bearer scope=\"\", scope=b", NULL);
	expect_scope("Bearer scope=\"\t\", scope=b", NULL);
}

static void of_two_bearer_challenges_the_one_with_metadata_counts(void **state)
{
	(void)state;
	expect_scope("Bearer scope=a, Bearer scope=b", "a");
	expect_scope("Bearer, Bearer scope=b", NULL);
	expect("Bearer realm=\"gateway\", scope=a, Bearer resource_metadata=\"https://h/\", "
	       "scope=b",
		"https://h/", "b", NULL, NULL);
	expect("Bearer resource_metadata=\"https://a/\", Bearer resource_metadata=\"https://b/\", "
	       "scope=b",
		"https://a/", NULL, NULL, NULL);
	expect("Bearer resource_metadata=\"https://a/\", Bearer scope=b", "https://a/", NULL, NULL,
		NULL);
}

static void what_is_malformed_ends_the_field(void **state)
{
	(void)state;
	static const char *const none[] = {NULL, "", " ", ",", "\t, ,", "=", "=x", "scope=x",
		"scope = x", "\"Bearer\"", "\"", "(Bearer)", "Basic realm=\"x, Bearer scope=y",
		"Basic realm=\"x\\", "Basic realm=\"x\\\", Bearer scope=y",
		"Basic a b, Bearer scope=y", "Basic a=b c, Bearer scope=y",
		"Basic a=b\"c\", Bearer scope=y", "Basic a=\"b\" Bearer scope=y",
		"Basic {}, Bearer scope=y", "realm=x, Bearer scope=y", "Basic =, Bearer scope=y",
		"\001Bearer", "B\xc3\xa9 x=y, Bearer scope=y"};
	for (size_t i = 0; i < G_N_ELEMENTS(none); i++)
		expect_none(none[i]);
	expect("Bearer error=a, scope=\"b", NULL, NULL, "a", NULL);
	expect("Bearer error=a, scope=\"b\\", NULL, NULL, "a", NULL);
	expect("Bearer error=a, =b, scope=c", NULL, NULL, "a", NULL);
	expect("Bearer error=a, \"b\", scope=c", NULL, NULL, "a", NULL);
	/* An unquoted list: its second word is neither a parameter nor, without a comma, a scheme. */
	expect("Bearer error=a, scope=b c, error_description=d", NULL, "b", "a", NULL);
	expect_scope("Bearer(scope=x", NULL);
	expect_scope("Bearer Basic scope=x", NULL);
}

static void harmful_values_are_left_out(void **state)
{
	(void)state;
	static const char *const harmful[] = {"a\tb", "a\x01", "\x1b[31m", "a\x7f", "a\r\nX: y",
		"\xff", "a\xc3", "a\302\205b", "\xed\xa0\x80"};
	for (size_t i = 0; i < G_N_ELEMENTS(harmful); i++) {
		g_autofree char *value = g_strdup_printf(
			"Bearer error=a, scope=\"%s\", error_description=b", harmful[i]);
		expect(value, NULL, NULL, "a", "b");
	}
}

static void values_have_at_most_4_kib(void **state)
{
	(void)state;
	g_autofree char *most = g_strnfill(4096, 'x');
	g_autofree char *value = g_strdup_printf("Bearer scope=\"%s\", error=a", most);
	expect(value, NULL, most, "a", NULL);
	g_autofree char *over = g_strdup_printf("Bearer scope=\"%sx\", error=a", most);
	expect(over, NULL, NULL, "a", NULL);
	/* As they are meant, not as they are written. */
	g_autofree char *escaped = g_strdup_printf("Bearer scope=\"\\%s\", error=a", most);
	expect(escaped, NULL, most, "a", NULL);
}

static void a_copy_is_equal_and_its_own(void **state)
{
	(void)state;
	struct Challenge *challenge = challenge_parse(
		"Bearer resource_metadata=\"https://h/\", scope=s, error=e, error_description=d");
	g_autoptr(Challenge) copy = challenge_copy(challenge);
	assert_ptr_not_equal(copy, challenge);
	challenge_free(challenge);
	assert_string_equal(copy->resource_metadata, "https://h/");
	assert_string_equal(copy->scope, "s");
	assert_string_equal(copy->error, "e");
	assert_string_equal(copy->error_description, "d");

	g_autoptr(Challenge) bare = challenge_parse("Bearer");
	g_autoptr(Challenge) bare_copy = challenge_copy(bare);
	assert_null(bare_copy->resource_metadata);
	assert_null(bare_copy->scope);
	assert_null(challenge_copy(NULL));
	challenge_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_mcp_servers_send_is_read),
		cmocka_unit_test(other_challenges_are_passed_by),
		cmocka_unit_test(a_token68_is_skipped),
		cmocka_unit_test(names_have_any_case),
		cmocka_unit_test(white_space_and_empty_elements_do_not_count),
		cmocka_unit_test(quoted_pairs_are_taken_apart),
		cmocka_unit_test(what_the_grammar_lacks_but_servers_send_is_read),
		cmocka_unit_test(the_first_of_two_parameters_counts),
		cmocka_unit_test(of_two_bearer_challenges_the_one_with_metadata_counts),
		cmocka_unit_test(what_is_malformed_ends_the_field),
		cmocka_unit_test(harmful_values_are_left_out),
		cmocka_unit_test(values_have_at_most_4_kib),
		cmocka_unit_test(a_copy_is_equal_and_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
