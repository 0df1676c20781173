#include "base/error.h"
#include "format/item.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const enum McpList kinds[] = {MCP_PROMPTS, MCP_RESOURCES, MCP_TEMPLATES};

/* Adds TEXT as a page. */
static bool add(struct ItemList *list, const char *text, struct Slice *cursor, unsigned *skipped,
	GError **error)
{
	assert_true(json_validate(slice_of(text), NULL));
	g_autoptr(GBytes) page = g_bytes_new(text, strlen(text));
	gsize len = 0;
	const char *bytes = g_bytes_get_data(page, &len);
	return item_list_add_page(list, page, (struct Slice){bytes, len}, cursor, skipped, error);
}

/* Adds a page with these DEFINITIONS and MEMBERS besides; the skipped ones come back. */
static unsigned add_page(
	struct ItemList *list, const char *definitions, const char *members, struct Slice *cursor)
{
	g_autofree char *text = g_strdup_printf(
		"{\"%s\":[%s]%s}", mcp_lists[list->kind].member, definitions, members);
	unsigned skipped = 0;
	g_autoptr(GError) error = NULL;
	assert_true(add(list, text, cursor, &skipped, &error));
	assert_null(error);
	return skipped;
}

static struct ItemList *list_of(enum McpList kind, const char *definitions)
{
	struct ItemList *list = item_list_new(kind);
	struct Slice cursor = SLICE("x");
	add_page(list, definitions, "", &cursor);
	assert_int_equal(cursor.len, 0);
	return list;
}

static const struct Item *item_at(const struct ItemList *list, unsigned i)
{
	assert_true(i < list->items->len);
	return list->items->pdata[i];
}

static void test_an_item_keeps_its_bytes_and_its_key_decoded(void **state)
{
	(void)state;
	static const struct {
		enum McpList kind;
		const char *definition, *key, *raw_key;
	} cases[] = {
		{MCP_PROMPTS, "{ \"title\":\"t\",\n\"name\" : \"caf\\u00e9\" }", "café",
			"\"caf\\u00e9\""},
		{MCP_RESOURCES, "{\"name\":\"n\",\"uri\":\"file:\\/\\/\\/a\"}", "file:///a",
			"\"file:\\/\\/\\/a\""},
		{MCP_TEMPLATES, "{\"uriTemplate\":\"file:///{x}\",\"name\":\"n\"}", "file:///{x}",
			"\"file:///{x}\""},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(ItemList) list = list_of(cases[i].kind, cases[i].definition);
		assert_int_equal(list->kind, cases[i].kind);
		const struct Item *item = item_at(list, 0);
		assert_string_equal(item->key, cases[i].key);
		assert_true(slice_is(item->raw, cases[i].definition));
		assert_true(slice_is(item->raw_key, cases[i].raw_key));
		assert_null(item->invalid);
	}
}

static void test_definitions_without_a_key_are_skipped(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		g_autoptr(ItemList) list = item_list_new(kinds[i]);
		struct Slice cursor;
		g_autofree char *definitions =
			g_strdup("1,null,[],\"t\",{},{\"KEY\":1},{\"KEY\":"
				 "\"\"},{\"KEY\":null},{\"KEY\":\"a\\u0000\"},"
				 "{\"KEY\":\"\\udc00\"},{\"KEY\":\"ok\"}");
		g_auto(GStrv) parts = g_strsplit(definitions, "KEY", -1);
		g_autofree char *text = g_strjoinv(mcp_lists[kinds[i]].key, parts);
		assert_int_equal(add_page(list, text, "", &cursor), 10);
		assert_int_equal(list->items->len, 1);
		assert_string_equal(item_at(list, 0)->key, "ok");
	}
}

static void test_a_second_item_of_one_key_is_skipped_on_any_page(void **state)
{
	(void)state;
	g_autoptr(ItemList) list = item_list_new(MCP_RESOURCES);
	struct Slice cursor;
	assert_int_equal(add_page(list,
				 "{\"uri\":\"a:1\",\"name\":\"first\"},{\"uri\":\"a:\\u0031\","
				 "\"name\":\"second\"}",
				 ",\"nextCursor\":\"c\\u0031\"", &cursor),
		1);
	assert_true(slice_is(cursor, "\"c\\u0031\""));
	assert_int_equal(add_page(list,
				 "{\"uri\":\"a:1\",\"name\":\"third\"},{\"uri\":\"a:2\",\"name\":"
				 "\"first\"}",
				 ",\"nextCursor\":null", &cursor),
		1);
	assert_int_equal(cursor.len, 0);
	assert_int_equal(list->items->len, 2);
	assert_int_equal(list->pages->len, 2);
	assert_true(slice_is(item_at(list, 0)->raw, "{\"uri\":\"a:1\",\"name\":\"first\"}"));
	assert_string_equal(item_at(list, 1)->key, "a:2");
}

static void test_the_least_lifetime_of_the_pages_counts(void **state)
{
	(void)state;
	g_autoptr(ItemList) list = item_list_new(MCP_TEMPLATES);
	struct Slice cursor;
	static const struct {
		const char *members;
		int64_t ttl_ms;
	} pages[] = {
		{"", -1},
		{",\"ttlMs\":\"5\"", -1},
		{",\"ttlMs\":300", 300},
		{",\"ttlMs\":200", 200},
		{",\"ttlMs\":400", 200},
		{",\"ttlMs\":1.5", 200},
		{",\"ttlMs\":-1", 0},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(pages); i++) {
		add_page(list, "", pages[i].members, &cursor);
		assert_int_equal(list->ttl_ms, pages[i].ttl_ms);
	}
}

/* TEXT is refused as a page of KIND, and nothing changes. */
static void expect_refused(enum McpList kind, const char *text, int code, const char *message)
{
	g_autoptr(ItemList) list = item_list_new(kind);
	struct Slice cursor = SLICE("untouched");
	unsigned skipped = 3;
	g_autoptr(GError) error = NULL;
	assert_false(add(list, text, &cursor, &skipped, &error));
	assert_true(g_error_matches(error, MUX_ERROR, code));
	assert_string_equal(error->message, message);
	assert_true(slice_is(cursor, "untouched"));
	assert_int_equal(skipped, 3);
	assert_int_equal(list->items->len, 0);
	assert_int_equal(list->pages->len, 0);
	assert_int_equal(list->ttl_ms, -1);
}

static void test_a_result_without_the_list_is_an_error(void **state)
{
	(void)state;
	expect_refused(MCP_PROMPTS, "{\"ttlMs\":1}", MUX_ERROR_UPSTREAM,
		"the result of prompts/list has no array \"prompts\"");
	expect_refused(MCP_RESOURCES, "{\"resources\":{}}", MUX_ERROR_UPSTREAM,
		"the result of resources/list has no array \"resources\"");
	expect_refused(MCP_TEMPLATES, "{\"resources\":[]}", MUX_ERROR_UPSTREAM,
		"the result of resources/templates/list has no array \"resourceTemplates\"");
	expect_refused(MCP_PROMPTS, "{\"prompts\":[{\"name\":\"a\"}],\"nextCursor\":1}",
		MUX_ERROR_UPSTREAM, "nextCursor of prompts/list is no string");
}

static void test_a_list_is_bounded_over_its_pages(void **state)
{
	(void)state;
	g_autoptr(GString) definitions = g_string_new(NULL);
	for (int i = 0; i < ITEM_LIST_MAX; i++)
		g_string_append_printf(definitions, "%s{\"name\":\"%d\"}", i ? "," : "", i);
	g_autofree char *text = g_strdup_printf("{\"prompts\":[0,%s]}", definitions->str);
	expect_refused(
		MCP_PROMPTS, text, MUX_ERROR_TOO_LARGE, "prompts/list has over 20000 prompts");
	g_autoptr(ItemList) list = list_of(MCP_PROMPTS, definitions->str);
	assert_int_equal(list->items->len, ITEM_LIST_MAX);
	struct Slice cursor;
	unsigned skipped = 0;
	g_autoptr(GError) error = NULL;
	assert_true(add(list, "{\"prompts\":[]}", &cursor, &skipped, &error));
	assert_false(add(list, "{\"prompts\":[0]}", &cursor, &skipped, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE));
}

static const char *const bases[MCP_LISTS] = {
	[MCP_PROMPTS] = "\"name\":\"p\"",
	[MCP_RESOURCES] = "\"uri\":\"u:1\",\"name\":\"r\"",
	[MCP_TEMPLATES] = "\"uriTemplate\":\"u:{x}\",\"name\":\"t\"",
};

/* What is wrong with an item of KIND that has MEMBERS besides what it needs; NULL if nothing is. */
static char *wrong_with(enum McpList kind, const char *members)
{
	g_autofree char *text = g_strdup_printf("{%s,%s}", bases[kind], members);
	g_autoptr(ItemList) list = list_of(kind, text);
	return g_strdup(item_at(list, 0)->invalid);
}

static void expect_invalid(enum McpList kind, const char *members, const char *why)
{
	g_autofree char *wrong = wrong_with(kind, members);
	if (!wrong || strcmp(wrong, why) != 0)
		fail_msg("%s %s: %s", mcp_lists[kind].member, members, wrong ? wrong : "valid");
}

static void expect_valid(enum McpList kind, const char *members)
{
	g_autofree char *wrong = wrong_with(kind, members);
	if (wrong)
		fail_msg("%s %s: %s", mcp_lists[kind].member, members, wrong);
}

static void test_members_of_the_wrong_type_make_an_item_invalid(void **state)
{
	(void)state;
	static const char *const common[][2] = {
		{"\"title\":1", "title is no string"},
		{"\"description\":null", "description is no string"},
		{"\"icons\":{}", "icons is no array"},
		{"\"_meta\":[]", "_meta is no object"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
		for (size_t j = 0; j < G_N_ELEMENTS(common); j++)
			expect_invalid(kinds[i], common[j][0], common[j][1]);
		expect_valid(
			kinds[i], "\"title\":\"\",\"description\":\"d\",\"icons\":[],\"_meta\":{}");
	}
	static const char *const resource[][2] = {
		{"\"mimeType\":7", "mimeType is no string"},
		{"\"annotations\":[]", "annotations is no object"},
		{"\"annotations\":{\"audience\":\"user\"}", "annotations.audience is no array"},
		{"\"annotations\":{\"priority\":\"1\"}", "annotations.priority is no number"},
		{"\"annotations\":{\"lastModified\":1}", "annotations.lastModified is no string"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(resource); i++) {
		expect_invalid(MCP_RESOURCES, resource[i][0], resource[i][1]);
		expect_invalid(MCP_TEMPLATES, resource[i][0], resource[i][1]);
		expect_valid(MCP_PROMPTS, resource[i][0]);
	}
	expect_invalid(MCP_RESOURCES, "\"size\":\"1\"", "size is no number");
	expect_valid(MCP_RESOURCES,
		"\"size\":1.5,\"mimeType\":\"a/b\",\"annotations\":{\"priority\":"
		"0.5,\"audience\":[\"user\"],\"lastModified\":\"x\"}");
	expect_valid(MCP_TEMPLATES, "\"size\":\"1\"");
	expect_valid(MCP_TEMPLATES, "\"arguments\":1");
}

static void test_resources_and_templates_need_a_name(void **state)
{
	(void)state;
	static const struct {
		enum McpList kind;
		const char *definition, *why;
	} cases[] = {
		{MCP_RESOURCES, "{\"uri\":\"u:1\"}", "name is missing"},
		{MCP_RESOURCES, "{\"uri\":\"u:1\",\"name\":1}", "name is no string"},
		{MCP_TEMPLATES, "{\"uriTemplate\":\"u:{x}\"}", "name is missing"},
		{MCP_TEMPLATES, "{\"uriTemplate\":\"u:{x}\",\"name\":false}", "name is no string"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(ItemList) list = list_of(cases[i].kind, cases[i].definition);
		assert_string_equal(item_at(list, 0)->invalid, cases[i].why);
	}
	g_autoptr(ItemList) empty =
		list_of(MCP_RESOURCES, "{\"uri\":\"u:1\",\"name\":\"\\ud800\"}");
	assert_null(item_at(empty, 0)->invalid);
}

static void test_the_arguments_of_a_prompt_are_checked(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"\"arguments\":{}", "arguments is no array"},
		{"\"arguments\":[{\"name\":\"a\"},1]", "arguments[1] is no object"},
		{"\"arguments\":[{}]", "arguments[0].name is missing"},
		{"\"arguments\":[{\"name\":null}]", "arguments[0].name is no string"},
		{"\"arguments\":[{\"name\":\"a\",\"title\":1}]", "arguments[0].title is no string"},
		{"\"arguments\":[{\"name\":\"a\",\"description\":[]}]",
			"arguments[0].description is no string"},
		{"\"arguments\":[{\"name\":\"a\"},{\"name\":\"b\",\"required\":\"yes\"}]",
			"arguments[1].required is no boolean"},
		{"\"arguments\":[{\"name\":\"a\",\"n\\u0061me\":\"b\"}]",
			"arguments[0].name is there twice"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		expect_invalid(MCP_PROMPTS, cases[i][0], cases[i][1]);
	expect_valid(MCP_PROMPTS, "\"arguments\":[]");
	expect_valid(MCP_PROMPTS, "\"arguments\":[{\"name\":\"a\",\"required\":false,\"x\":1},{"
				  "\"name\":\"a\",\"title\":\"t\",\"required\":true}]");
}

static void test_members_that_are_there_twice_make_an_item_invalid(void **state)
{
	(void)state;
	expect_invalid(MCP_PROMPTS, "\"n\\u0061me\":\"q\"", "name is there twice");
	expect_invalid(MCP_RESOURCES, "\"uri\":\"u:2\"", "uri is there twice");
	expect_invalid(MCP_TEMPLATES, "\"uriTemplate\":\"u\"", "uriTemplate is there twice");
	expect_invalid(MCP_TEMPLATES, "\"annotations\":{\"priority\":1,\"priority\":0}",
		"annotations.priority is there twice");
	expect_valid(MCP_PROMPTS, "\"x\":1,\"x\":2,\"uri\":1,\"uri\":2");
}

static char *resource_with_uri(size_t bytes)
{
	g_autofree char *uri = g_strnfill(bytes, 'u');
	return g_strdup_printf("{\"uri\":\"%s\",\"name\":\"n\"}", uri);
}

static void test_uris_that_cannot_be_carried_make_a_resource_invalid(void **state)
{
	(void)state;
	static const char *const control[] = {"a\\nb", "a\\u0001", "\\u007f", "\\u0085b"};
	for (size_t i = 0; i < G_N_ELEMENTS(control); i++) {
		g_autofree char *text =
			g_strdup_printf("{\"uri\":\"%s\",\"name\":\"n\"}", control[i]);
		g_autoptr(ItemList) list = list_of(MCP_RESOURCES, text);
		assert_string_equal(item_at(list, 0)->invalid, "uri holds a control character");
	}
	g_autofree char *longest = resource_with_uri(8192);
	g_autofree char *too_long = resource_with_uri(8193);
	g_autofree char *both =
		g_strdup_printf("%s,%s,{\"uri\":\"é ü\",\"name\":\"n\"}", longest, too_long);
	g_autoptr(ItemList) list = list_of(MCP_RESOURCES, both);
	assert_null(item_at(list, 0)->invalid);
	assert_string_equal(item_at(list, 1)->invalid, "uri is longer than 8192 bytes");
	assert_null(item_at(list, 2)->invalid);
}

static void test_lists_are_equal_by_their_bytes_and_order(void **state)
{
	(void)state;
	g_autoptr(ItemList) one = list_of(MCP_PROMPTS, "{\"name\":\"a\"},{\"name\":\"b\"}");
	g_autoptr(ItemList) same = list_of(MCP_PROMPTS, " {\"name\":\"a\"} ,{\"name\":\"b\"}");
	g_autoptr(ItemList) order = list_of(MCP_PROMPTS, "{\"name\":\"b\"},{\"name\":\"a\"}");
	g_autoptr(ItemList) spaced = list_of(MCP_PROMPTS, "{\"name\": \"a\"},{\"name\":\"b\"}");
	g_autoptr(ItemList) fewer = list_of(MCP_PROMPTS, "{\"name\":\"a\"}");
	assert_true(item_list_equal(one, same));
	assert_false(item_list_equal(one, order));
	assert_false(item_list_equal(one, spaced));
	assert_false(item_list_equal(one, fewer));
}

static void test_a_reference_keeps_the_list(void **state)
{
	(void)state;
	struct ItemList *list = list_of(MCP_PROMPTS, "{\"name\":\"a\"}");
	struct ItemList *again = item_list_ref(list);
	item_list_unref(list);
	assert_string_equal(item_at(again, 0)->key, "a");
	assert_true(slice_is(item_at(again, 0)->raw, "{\"name\":\"a\"}"));
	item_list_unref(again);
	item_list_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_item_keeps_its_bytes_and_its_key_decoded),
		cmocka_unit_test(test_definitions_without_a_key_are_skipped),
		cmocka_unit_test(test_a_second_item_of_one_key_is_skipped_on_any_page),
		cmocka_unit_test(test_the_least_lifetime_of_the_pages_counts),
		cmocka_unit_test(test_a_result_without_the_list_is_an_error),
		cmocka_unit_test(test_a_list_is_bounded_over_its_pages),
		cmocka_unit_test(test_members_of_the_wrong_type_make_an_item_invalid),
		cmocka_unit_test(test_resources_and_templates_need_a_name),
		cmocka_unit_test(test_the_arguments_of_a_prompt_are_checked),
		cmocka_unit_test(test_members_that_are_there_twice_make_an_item_invalid),
		cmocka_unit_test(test_uris_that_cannot_be_carried_make_a_resource_invalid),
		cmocka_unit_test(test_lists_are_equal_by_their_bytes_and_order),
		cmocka_unit_test(test_a_reference_keeps_the_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
