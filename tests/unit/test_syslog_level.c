#include "format/mcp_list.h"
#include "format/syslog_level.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum SyslogLevel read_level(const char *json)
{
	assert_true(json_validate(slice_of(json), NULL));
	return syslog_level_read(json_root(slice_of(json)));
}

static void test_levels_rise_from_debug_to_emergency(void **state)
{
	(void)state;
	static const char *const names[] = {
		"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"};
	assert_int_equal(G_N_ELEMENTS(names), SYSLOG_LEVEL_EMERGENCY + 1);
	for (int i = 0; i <= SYSLOG_LEVEL_EMERGENCY; i++) {
		assert_string_equal(syslog_level_name((enum SyslogLevel)i), names[i]);
		g_autofree char *json = g_strdup_printf("\"%s\"", names[i]);
		assert_int_equal(read_level(json), i);
	}
	assert_int_equal(read_level("\"\\u0065rror\""), SYSLOG_LEVEL_ERROR);
}

static void test_other_values_are_no_level(void **state)
{
	(void)state;
	static const char *const others[] = {"\"\"", "\"warn\"", "\"Error\"", "\"error \"",
		"\"error\\u0000\"", "7", "null", "{}", "[\"error\"]"};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		assert_int_equal(read_level(others[i]), SYSLOG_LEVEL_NONE);
	assert_int_equal(syslog_level_read((struct JsonValue){0}), SYSLOG_LEVEL_NONE);
}

static void test_a_list_is_called_alike_everywhere(void **state)
{
	(void)state;
	for (int i = 0; i < MCP_LISTS; i++) {
		const struct McpListInfo *list = &mcp_lists[i];
		g_autofree char *changed =
			g_strdup_printf("notifications/%s/list_changed", list->capability);
		g_autofree char *filter = g_strdup_printf("%sListChanged", list->capability);
		g_autofree char *method = g_strdup_printf("%s/", list->capability);
		assert_string_equal(list->changed, changed);
		assert_string_equal(list->filter, filter);
		assert_true(g_str_has_prefix(list->method, method));
		assert_true(g_str_has_suffix(list->method, "/list"));
	}
	assert_string_equal(mcp_lists[MCP_TOOLS].member, "tools");
	assert_string_equal(mcp_lists[MCP_TOOLS].key, "name");
	assert_string_equal(mcp_lists[MCP_PROMPTS].member, "prompts");
	assert_string_equal(mcp_lists[MCP_PROMPTS].key, "name");
	assert_string_equal(mcp_lists[MCP_RESOURCES].member, "resources");
	assert_string_equal(mcp_lists[MCP_RESOURCES].key, "uri");
	assert_string_equal(mcp_lists[MCP_TEMPLATES].method, "resources/templates/list");
	assert_string_equal(mcp_lists[MCP_TEMPLATES].member, "resourceTemplates");
	assert_string_equal(mcp_lists[MCP_TEMPLATES].key, "uriTemplate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels_rise_from_debug_to_emergency),
		cmocka_unit_test(test_other_values_are_no_level),
		cmocka_unit_test(test_a_list_is_called_alike_everywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
