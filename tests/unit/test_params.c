/* The members of params that are looked at. */
#include "format/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct McpParams read_good(const char *text)
{
	struct McpParams params;
	const char *why = NULL;
	assert_true(json_validate(slice_of(text), NULL));
	if (!mcp_params_read(json_root(slice_of(text)), &params, &why))
		fail_msg("%s: %s", text, why);
	return params;
}

static void refuse(const char *text, const char *wanted)
{
	struct McpParams params = {.name.type = JSON_TRUE};
	const char *why = NULL;
	assert_true(json_validate(slice_of(text), NULL));
	assert_false(mcp_params_read(json_root(slice_of(text)), &params, &why));
	assert_string_equal(why, wanted);
	assert_int_equal(params.name.type, JSON_TRUE); /* untouched */
}

static void test_members_in_any_order(void **state)
{
	(void)state;
	struct McpParams params = read_good(
		"{\"_meta\":{\"x\":1,\"progressToken\":\"t\"},\"other\":{\"name\":\"no\"},"
		"\"arguments\":{\"a\":1.0},\"n\\u0061me\":\"y\\u0065s\",\"cursor\":null,"
		"\"requestId\":1,"
		"\"notifications\":{},\"progressToken\":7}");
	assert_true(slice_is(params.name.raw, "\"y\\u0065s\""));
	assert_true(slice_is(params.arguments.raw, "{\"a\":1.0}"));
	assert_int_equal(params.cursor.type, JSON_NULL);
	assert_true(slice_is(params.request_id.raw, "1"));
	assert_true(slice_is(params.notifications.raw, "{}"));
	assert_true(slice_is(params.progress_token_param.raw, "7"));
	assert_true(slice_is(params.progress_token.raw, "\"t\""));
	assert_false(mcp_params_is_modern(&params));
}

static void test_nothing_there(void **state)
{
	(void)state;
	struct McpParams params;
	const char *why;
	assert_true(mcp_params_read((struct JsonValue){0}, &params, &why));
	assert_int_equal(params.meta.type, JSON_NONE);
	params = read_good("{}");
	assert_int_equal(params.name.type, JSON_NONE);
	params = read_good("{\"_meta\":{}}");
	assert_int_equal(params.meta.type, JSON_OBJECT);
	assert_false(mcp_params_is_modern(&params));
}

static void test_what_is_refused(void **state)
{
	(void)state;
	refuse("{\"name\":1,\"name\":1}", "a member of params stands twice");
	refuse("{\"name\":1,\"n\\u0061me\":null}", "a member of params stands twice");
	refuse("{\"_meta\":{},\"_meta\":{}}", "a member of params stands twice");
	refuse("{\"_meta\":[]}", "_meta is no object");
	refuse("{\"_meta\":null}", "_meta is no object");
	refuse("{\"_meta\":{\"progressToken\":1,\"progressToken\":1}}",
		"a member of _meta stands twice");
	refuse("{\"_meta\":{\"" MCP_META_VERSION "\":1,\"" MCP_META_VERSION "\":1}}",
		"a member of _meta stands twice");
	refuse("{\"_meta\":{\"progressToken\":1.5}}",
		"progressToken is neither string nor integer");
	refuse("{\"_meta\":{\"progressToken\":null}}",
		"progressToken is neither string nor integer");
	/* Others may stand twice: they pass through. */
	read_good("{\"x\":1,\"x\":2,\"_meta\":{\"y\":1,\"y\":2}}");
}

static void test_tokens_of_any_size(void **state)
{
	(void)state;
	read_good("{\"_meta\":{\"progressToken\":123456789012345678901234567890}}");
	read_good("{\"_meta\":{\"progressToken\":-1.0e2}}");
	read_good("{\"_meta\":{\"progressToken\":\"\"}}");
}

static void test_any_reserved_member_makes_it_modern(void **state)
{
	(void)state;
	static const char *const keys[] = {
		MCP_META_VERSION, MCP_META_CLIENT_INFO, MCP_META_CAPABILITIES, MCP_META_LOG_LEVEL};
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *text = g_strdup_printf("{\"_meta\":{\"%s\":null}}", keys[i]);
		struct McpParams params = read_good(text);
		assert_true(mcp_params_is_modern(&params));
	}
	struct McpParams other = read_good(
		"{\"_meta\":{\"" MCP_META_SUBSCRIPTION "\":1,\"" MCP_META_SERVER_INFO "\":1}}");
	assert_false(mcp_params_is_modern(&other));
}

static void copies(const char *meta, unsigned wanted_count, const char *wanted)
{
	g_autofree char *text = g_strdup_printf("{\"_meta\":%s}", meta);
	struct McpParams params = read_good(text);
	g_autoptr(GString) out = g_string_new("<");
	assert_int_equal(mcp_params_copy_meta(&params, SLICE("42"), out), wanted_count);
	assert_string_equal(out->str + 1, wanted);
}

static void test_copying_meta(void **state)
{
	(void)state;
	copies("{}", 0, "");
	copies("{\"" MCP_META_VERSION "\":1,\"" MCP_META_LOG_LEVEL "\":2}", 0, "");
	copies("{\"a\": [1, 2] ,\"" MCP_META_CAPABILITIES
	       "\":{},\"progressToken\" : \"t\",\"b\\u0061\":1.0}",
		3, "\"a\":[1, 2],\"progressToken\":42,\"b\\u0061\":1.0");
	copies("{\"" MCP_META_CLIENT_INFO "\":{},\"z\":null}", 1, "\"z\":null");
	struct McpParams none = read_good("{}");
	g_autoptr(GString) out = g_string_new(NULL);
	assert_int_equal(mcp_params_copy_meta(&none, SLICE("42"), out), 0);
	assert_int_equal(out->len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_in_any_order),
		cmocka_unit_test(test_nothing_there),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_tokens_of_any_size),
		cmocka_unit_test(test_any_reserved_member_makes_it_modern),
		cmocka_unit_test(test_copying_meta),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
