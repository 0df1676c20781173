#include "base/error.h"
#include "format/tool.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SCHEMA "\"inputSchema\":{\"type\":\"object\"}"

/* Adds RESULT as a page; the skipped definitions come back. */
static unsigned add_page(
	struct ToolList *list, const char *result, bool check_headers, struct Slice *cursor)
{
	assert_true(json_validate(slice_of(result), NULL));
	g_autoptr(GBytes) page = g_bytes_new(result, strlen(result));
	gsize len = 0;
	const char *bytes = g_bytes_get_data(page, &len);
	unsigned skipped = 0;
	g_autoptr(GError) error = NULL;
	assert_true(tool_list_add_page(
		list, page, (struct Slice){bytes, len}, check_headers, cursor, &skipped, &error));
	assert_null(error);
	return skipped;
}

static struct ToolList *list_of(const char *tools, bool check_headers)
{
	struct ToolList *list = tool_list_new();
	g_autofree char *result = g_strdup_printf("{\"tools\":[%s]}", tools);
	struct Slice cursor = SLICE("x");
	add_page(list, result, check_headers, &cursor);
	assert_int_equal(cursor.len, 0);
	return list;
}

static const struct Tool *tool_at(const struct ToolList *list, unsigned i)
{
	assert_true(i < list->tools->len);
	return list->tools->pdata[i];
}

static void test_a_tool_keeps_its_bytes_and_its_name_decoded(void **state)
{
	(void)state;
	const char *definition =
		"{ \"description\":\"d\",\n\"name\" : \"caf\\u00e9\", " SCHEMA " }";
	g_autoptr(ToolList) list = list_of(definition, false);
	const struct Tool *tool = tool_at(list, 0);
	assert_string_equal(tool->name, "café");
	assert_true(slice_is(tool->raw, definition));
	assert_true(slice_is(tool->raw_name, "\"caf\\u00e9\""));
	assert_null(tool->invalid);
	assert_null(tool->headers);
}

static void test_hints_have_the_defaults_of_the_specification(void **state)
{
	(void)state;
	static const struct {
		const char *annotations;
		bool read_only, destructive, says_non_destructive, idempotent;
	} cases[] = {
		{"{}", false, true, false, false},
		{"{\"readOnlyHint\":true}", true, false, false, false},
		{"{\"readOnlyHint\":true,\"destructiveHint\":true}", true, false, false, false},
		{"{\"readOnlyHint\":false,\"destructiveHint\":false}", false, false, true, false},
		{"{\"destructiveHint\":true,\"idempotentHint\":true}", false, true, false, true},
		{"{\"idempotentHint\":false,\"title\":\"t\"}", false, true, false, false},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf(
			"{\"name\":\"t\"," SCHEMA ",\"annotations\":%s}", cases[i].annotations);
		g_autoptr(ToolList) list = list_of(text, false);
		const struct Tool *tool = tool_at(list, 0);
		assert_null(tool->invalid);
		assert_int_equal(tool->read_only, cases[i].read_only);
		assert_int_equal(tool->destructive, cases[i].destructive);
		assert_int_equal(tool->says_non_destructive, cases[i].says_non_destructive);
		assert_int_equal(tool->idempotent, cases[i].idempotent);
	}
	g_autoptr(ToolList) bare = list_of("{\"name\":\"t\"," SCHEMA "}", false);
	assert_true(tool_at(bare, 0)->destructive);
}

static void test_definitions_without_a_name_are_skipped(void **state)
{
	(void)state;
	g_autoptr(ToolList) list = tool_list_new();
	struct Slice cursor;
	unsigned skipped = add_page(list,
		"{\"tools\":[1,null,[],\"t\",{},{\"name\":1},{\"name\":\"\"},{\"name\":null},"
		"{\"name\":\"a\\u0000b\"},{\"name\":\"\\ud800\"},{\"name\":\"ok\"," SCHEMA "}]}",
		true, &cursor);
	assert_int_equal(skipped, 10);
	assert_int_equal(list->tools->len, 1);
	assert_string_equal(tool_at(list, 0)->name, "ok");
}

static void test_a_second_tool_of_one_name_is_skipped_on_any_page(void **state)
{
	(void)state;
	g_autoptr(ToolList) list = tool_list_new();
	struct Slice cursor;
	assert_int_equal(
		add_page(list,
			"{\"nextCursor\":\"c\\u0031\",\"tools\":[{\"name\":\"a\",\"title\":"
			"\"first\"," SCHEMA "},{\"name\":\"\\u0061\"," SCHEMA "}]}",
			false, &cursor),
		1);
	assert_true(slice_is(cursor, "\"c\\u0031\""));
	assert_int_equal(add_page(list,
				 "{\"tools\":[{\"name\":\"a\"," SCHEMA "},{\"name\":\"b\"," SCHEMA
				 "}],\"nextCursor\":null}",
				 false, &cursor),
		1);
	assert_int_equal(cursor.len, 0);
	assert_int_equal(list->tools->len, 2);
	assert_non_null(memmem(tool_at(list, 0)->raw.data, tool_at(list, 0)->raw.len, "first", 5));
	assert_string_equal(tool_at(list, 1)->name, "b");
}

static void test_an_empty_cursor_is_a_cursor(void **state)
{
	(void)state;
	g_autoptr(ToolList) list = tool_list_new();
	struct Slice cursor;
	add_page(list, "{\"tools\":[],\"nextCursor\":\"\"}", false, &cursor);
	assert_true(slice_is(cursor, "\"\""));
}

static void test_the_least_lifetime_of_the_pages_counts(void **state)
{
	(void)state;
	g_autoptr(ToolList) list = tool_list_new();
	struct Slice cursor;
	add_page(list, "{\"tools\":[]}", false, &cursor);
	assert_int_equal(list->ttl_ms, -1);
	add_page(list, "{\"tools\":[],\"ttlMs\":\"5\"}", false, &cursor);
	assert_int_equal(list->ttl_ms, -1);
	add_page(list, "{\"tools\":[],\"ttlMs\":300000}", false, &cursor);
	add_page(list, "{\"tools\":[],\"ttlMs\":2000}", false, &cursor);
	add_page(list, "{\"tools\":[],\"ttlMs\":9000}", false, &cursor);
	assert_int_equal(list->ttl_ms, 2000);
	add_page(list, "{\"tools\":[],\"ttlMs\":-7}", false, &cursor);
	assert_int_equal(list->ttl_ms, 0);
}

static void expect_refused(const char *result, int code)
{
	g_autoptr(ToolList) list = tool_list_new();
	g_autoptr(GBytes) page = g_bytes_new(result, strlen(result));
	gsize len = 0;
	const char *bytes = g_bytes_get_data(page, &len);
	struct Slice cursor = SLICE("untouched");
	unsigned skipped = 3;
	g_autoptr(GError) error = NULL;
	assert_false(tool_list_add_page(
		list, page, (struct Slice){bytes, len}, true, &cursor, &skipped, &error));
	assert_true(g_error_matches(error, MUX_ERROR, code));
	assert_true(slice_is(cursor, "untouched"));
	assert_int_equal(skipped, 3);
	assert_int_equal(list->tools->len, 0);
	assert_int_equal(list->pages->len, 0);
}

static void test_a_result_without_tools_is_an_error(void **state)
{
	(void)state;
	expect_refused("{}", MUX_ERROR_UPSTREAM);
	expect_refused("{\"tools\":null}", MUX_ERROR_UPSTREAM);
	expect_refused("{\"tools\":{}}", MUX_ERROR_UPSTREAM);
	expect_refused(
		"{\"tools\":[{\"name\":\"a\"," SCHEMA "}],\"nextCursor\":1}", MUX_ERROR_UPSTREAM);
}

static void test_a_list_is_bounded(void **state)
{
	(void)state;
	g_autoptr(GString) result = g_string_new("{\"tools\":[0");
	for (int i = 0; i < TOOL_LIST_MAX; i++)
		g_string_append(result, ",0");
	g_string_append(result, "]}");
	expect_refused(result->str, MUX_ERROR_TOO_LARGE);
}

static void expect_invalid(const char *definition, const char *part_of_why)
{
	g_autoptr(ToolList) list = list_of(definition, true);
	const struct Tool *tool = tool_at(list, 0);
	assert_non_null(tool->invalid);
	if (!strstr(tool->invalid, part_of_why))
		fail_msg("%s: %s", definition, tool->invalid);
	assert_null(tool->headers);
}

static void test_tools_that_clients_reject_are_invalid(void **state)
{
	(void)state;
	expect_invalid("{\"name\":\"t\"}", "inputSchema is missing");
	expect_invalid("{\"name\":\"t\",\"inputSchema\":null}", "inputSchema is missing");
	expect_invalid("{\"name\":\"t\",\"inputSchema\":true}", "inputSchema is missing");
	expect_invalid("{\"name\":\"t\",\"inputSchema\":{}}", "is not \"object\"");
	expect_invalid(
		"{\"name\":\"t\",\"inputSchema\":{\"type\":[\"object\"]}}", "is not \"object\"");
	const char *members[][2] = {
		{"\"title\":1", "title is no string"},
		{"\"description\":null", "description is no string"},
		{"\"outputSchema\":true", "outputSchema is no object"},
		{"\"annotations\":[]", "annotations is no object"},
		{"\"annotations\":{\"readOnlyHint\":\"yes\"}",
			"annotations.readOnlyHint is no boolean"},
		{"\"annotations\":{\"title\":false}", "annotations.title is no string"},
		{"\"icons\":{}", "icons is no array"},
		{"\"execution\":1", "execution is no object"},
		{"\"_meta\":\"m\"", "_meta is no object"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(members); i++) {
		g_autofree char *text =
			g_strdup_printf("{\"name\":\"t\"," SCHEMA ",%s}", members[i][0]);
		expect_invalid(text, members[i][1]);
	}
}

static void test_members_that_are_there_twice_make_a_tool_invalid(void **state)
{
	(void)state;
	expect_invalid("{\"name\":\"t\"," SCHEMA ",\"n\\u0061me\":\"u\"}", "name is there twice");
	expect_invalid("{\"name\":\"t\"," SCHEMA "," SCHEMA "}", "inputSchema is there twice");
	expect_invalid("{\"name\":\"t\"," SCHEMA ",\"annotations\":{\"readOnlyHint\":true,"
		       "\"readOnlyHint\":false}}",
		"annotations.readOnlyHint is there twice");
	g_autoptr(ToolList) list = list_of("{\"name\":\"t\"," SCHEMA ",\"x\":1,\"x\":2}", true);
	assert_null(tool_at(list, 0)->invalid);
}

#define ANNOTATED(name)                                                                            \
	"{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"p\":{\"type\":"    \
	"\"string\",\"x-mcp-header\":\"" name "\"}}}}"

static void test_annotations_count_for_modern_upstreams_alone(void **state)
{
	(void)state;
	g_autoptr(ToolList) good = list_of(ANNOTATED("P"), true);
	assert_non_null(tool_at(good, 0)->headers);
	assert_null(tool_at(good, 0)->invalid);
	expect_invalid(ANNOTATED("a b"), "x-mcp-header \"a b\" is no header name");
	g_autoptr(ToolList) legacy = list_of(ANNOTATED("P") "," ANNOTATED("a b"), false);
	assert_null(tool_at(legacy, 0)->headers);
	g_autoptr(ToolList) broken = list_of(ANNOTATED("a b"), false);
	assert_null(tool_at(broken, 0)->headers);
	assert_null(tool_at(broken, 0)->invalid);
}

static void test_output_schemas_are_told_by_their_root(void **state)
{
	(void)state;
	static const struct {
		const char *schema;
		bool is_object;
	} cases[] = {
		{"{\"type\":\"object\"}", true},
		{"{\"type\":\"\\u006fbject\"}", true},
		{"{\"type\":\"array\"}", false},
		{"{\"type\":[\"object\",\"null\"]}", false},
		{"{\"anyOf\":[{\"type\":\"object\"}]}", false},
		{"{}", false},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf(
			"{\"name\":\"t\"," SCHEMA ",\"outputSchema\":%s}", cases[i].schema);
		g_autoptr(ToolList) list = list_of(text, true);
		assert_null(tool_at(list, 0)->invalid);
		assert_int_equal(tool_at(list, 0)->output_is_object, cases[i].is_object);
	}
	g_autoptr(ToolList) none = list_of("{\"name\":\"t\"," SCHEMA "}", true);
	assert_true(tool_at(none, 0)->output_is_object);
}

static void expect_ui(const char *meta, const char *ui)
{
	g_autofree char *text = g_strdup_printf("{\"name\":\"t\"," SCHEMA ",\"_meta\":%s}", meta);
	g_autoptr(ToolList) list = list_of(text, true);
	const struct Tool *tool = tool_at(list, 0);
	assert_null(tool->invalid);
	if (g_strcmp0(tool->ui, ui) != 0)
		fail_msg("%s: %s", meta, tool->ui ? tool->ui : "none");
}

static void test_the_resource_that_shows_a_tool_is_read(void **state)
{
	(void)state;
	expect_ui("{}", NULL);
	expect_ui("{\"ui\":{\"resourceUri\":\"ui:\\/\\/a\",\"visibility\":[]}}", "ui://a");
	expect_ui("{\"ui/resourceUri\":\"ui://b\"}", "ui://b");
	expect_ui("{\"ui/resourceUri\":\"ui://b\",\"ui\":{\"resourceUri\":\"ui://a\"}}", "ui://a");
	expect_ui("{\"ui/resourceUri\":\"ui://b\",\"ui\":{}}", "ui://b");
	static const char *const none[] = {"{\"ui\":\"ui://a\"}", "{\"ui\":[\"resourceUri\"]}",
		"{\"ui\":{\"resourceUri\":1}}", "{\"ui\":{\"resourceUri\":\"a\\u0000\"}}",
		"{\"ui/resourceUri\":null}", "{\"resourceUri\":\"ui://a\"}"};
	for (size_t i = 0; i < G_N_ELEMENTS(none); i++)
		expect_ui(none[i], NULL);
	g_autoptr(ToolList) list = list_of("{\"name\":\"t\"," SCHEMA "}", true);
	assert_null(tool_at(list, 0)->ui);
}

static void test_a_resource_that_is_there_twice_makes_a_tool_invalid(void **state)
{
	(void)state;
	static const char *const metas[][2] = {
		{"{\"ui\":{},\"\\u0075i\":{}}", "_meta.ui is there twice"},
		{"{\"ui/resourceUri\":\"a\",\"ui/resourceUri\":\"b\"}",
			"_meta.ui/resourceUri is there twice"},
		{"{\"ui\":{\"resourceUri\":\"a\",\"resourceUri\":\"b\"}}",
			"_meta.ui.resourceUri is there twice"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(metas); i++) {
		g_autofree char *text =
			g_strdup_printf("{\"name\":\"t\"," SCHEMA ",\"_meta\":%s}", metas[i][0]);
		expect_invalid(text, metas[i][1]);
	}
}

static void test_lists_are_equal_by_their_bytes_and_order(void **state)
{
	(void)state;
	g_autoptr(ToolList) one = list_of("{\"name\":\"a\"},{\"name\":\"b\"}", true);
	g_autoptr(ToolList) same = list_of(" {\"name\":\"a\"} , {\"name\":\"b\"}", true);
	g_autoptr(ToolList) order = list_of("{\"name\":\"b\"},{\"name\":\"a\"}", true);
	g_autoptr(ToolList) spaced = list_of("{\"name\": \"a\"},{\"name\":\"b\"}", true);
	g_autoptr(ToolList) fewer = list_of("{\"name\":\"a\"}", true);
	assert_true(tool_list_equal(one, same));
	assert_false(tool_list_equal(one, order));
	assert_false(tool_list_equal(one, spaced));
	assert_false(tool_list_equal(one, fewer));
}

static void test_a_reference_keeps_the_list(void **state)
{
	(void)state;
	struct ToolList *list = list_of("{\"name\":\"a\"}", true);
	struct ToolList *again = tool_list_ref(list);
	tool_list_unref(list);
	assert_string_equal(tool_at(again, 0)->name, "a");
	assert_true(slice_is(tool_at(again, 0)->raw, "{\"name\":\"a\"}"));
	tool_list_unref(again);
	tool_list_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tool_keeps_its_bytes_and_its_name_decoded),
		cmocka_unit_test(test_hints_have_the_defaults_of_the_specification),
		cmocka_unit_test(test_definitions_without_a_name_are_skipped),
		cmocka_unit_test(test_a_second_tool_of_one_name_is_skipped_on_any_page),
		cmocka_unit_test(test_an_empty_cursor_is_a_cursor),
		cmocka_unit_test(test_the_least_lifetime_of_the_pages_counts),
		cmocka_unit_test(test_a_result_without_tools_is_an_error),
		cmocka_unit_test(test_a_list_is_bounded),
		cmocka_unit_test(test_tools_that_clients_reject_are_invalid),
		cmocka_unit_test(test_members_that_are_there_twice_make_a_tool_invalid),
		cmocka_unit_test(test_annotations_count_for_modern_upstreams_alone),
		cmocka_unit_test(test_output_schemas_are_told_by_their_root),
		cmocka_unit_test(test_the_resource_that_shows_a_tool_is_read),
		cmocka_unit_test(test_a_resource_that_is_there_twice_makes_a_tool_invalid),
		cmocka_unit_test(test_lists_are_equal_by_their_bytes_and_order),
		cmocka_unit_test(test_a_reference_keeps_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
