#include "format/pin_record.h"

#include "base/error.h"
#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define URL "https://mcp.example/mcp"
#define WHEN "2026-11-21T20:47:42.123Z"
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TOOL "{\"approved\":\"" WHEN "\",\"definition\":{\"name\":\"a\"}}"
#define FILE_OF(tools) "{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{" tools "}}}}"

static struct PinRecord *parse(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct PinRecord *record = pin_record_parse(slice_of(text), URL, &error);
	assert_null(error);
	assert_non_null(record);
	return record;
}

static void expect_written(const struct PinRecord *record, const char *expected)
{
	size_t len = 0;
	g_autofree char *text = pin_record_write(record, &len);
	assert_int_equal(strlen(text), len);
	assert_true(json_validate(slice_of(text), NULL));
	assert_string_equal(text, expected);
}

static void expect_same(const char *text)
{
	g_autoptr(PinRecord) record = parse(text);
	expect_written(record, text);
}

static void expect_refused(const char *text, int code, const char *words)
{
	g_autoptr(GError) error = NULL;
	assert_null(pin_record_parse(slice_of(text), URL, &error));
	assert_non_null(error);
	assert_int_equal(error->domain, MUX_ERROR);
	assert_int_equal(error->code, code);
	assert_non_null(strstr(error->message, words));
}

static void test_an_empty_record_is_written_and_read(void **state)
{
	(void)state;
	g_autoptr(PinRecord) record = pin_record_new(URL);
	expect_written(record, FILE_OF(""));
	expect_same(FILE_OF(""));
	pin_record_free(NULL);
}

static void test_tools_are_kept_by_their_names(void **state)
{
	(void)state;
	g_autoptr(PinRecord) record = pin_record_new(URL);
	struct Slice canonical = SLICE("{\"name\":\"a\"}");
	assert_true(pin_record_put(record, "b \"q\"", canonical, WHEN));
	assert_true(pin_record_put(record, "a", canonical, WHEN));
	expect_written(record, FILE_OF("\"a\":" TOOL ",\"b \\\"q\\\"\":" TOOL));
	const struct PinnedTool *tool = pin_record_find(record, "a");
	assert_string_equal(tool->name, "a");
	assert_string_equal(tool->approved, WHEN);
	assert_string_equal(tool->definition, canonical.data);
	assert_int_equal(tool->definition_len, canonical.len);
	assert_null(tool->sha256);
	assert_null(tool->shown);
	assert_null(pin_record_find(record, "c"));
	expect_same(FILE_OF("\"a\":" TOOL ",\"b \\\"q\\\"\":" TOOL));
}

static void test_what_is_not_known_is_kept(void **state)
{
	(void)state;
	expect_same("{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{\"a\":{\"approved\":\"" WHEN
		    "\",\"definition\":{\"name\":\"a\"},\"by\":[1, "
		    "{\"x\":1.10}]}},\"note\":\"\\u0041\"},"
		    "\"http://other/\":{\"tools\":17}},\"x\":null,\"y\":[ ]}");
	g_autoptr(PinRecord) record =
		parse("{\"y\":2,\"servers\":{\"http://b/\":1,\"" URL
		      "\":{\"n\":1,\"tools\":{\"a\":{\"x\":3,"
		      "\"definition\":{},\"approved\":\"" WHEN "\"}}}},\"v\":1}");
	pin_record_put(record, "a", SLICE("{\"name\":\"a\"}"), WHEN);
	expect_written(record,
		"{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{\"a\":{\"approved\":\"" WHEN
		"\",\"definition\":{\"name\":\"a\"},\"x\":3}},\"n\":1},\"http://b/\":1},\"y\":2}");
}

static void test_other_servers_are_kept_apart(void **state)
{
	(void)state;
	g_autoptr(PinRecord) record =
		parse("{\"v\":1,\"servers\":{\"http://other/\":{\"tools\":{\"a\":" TOOL "}}}}");
	assert_null(pin_record_find(record, "a"));
	expect_written(record,
		"{\"v\":1,\"servers\":{\"" URL
		"\":{\"tools\":{}},\"http://other/\":{\"tools\":{\"a\":" TOOL "}}}}");
}

static void test_definitions_are_compared_by_what_they_mean(void **state)
{
	(void)state;
	struct Slice canonical = SLICE("{\"description\":\"d\",\"name\":\"a\"}");
	g_autoptr(PinRecord) record = parse(
		FILE_OF("\"a\":{\"approved\":\"" WHEN
			"\",\"definition\":{\n \"name\": \"a\", \"description\": \"\\u0064\"\n}}"));
	const struct PinnedTool *tool = pin_record_find(record, "a");
	assert_true(pin_record_matches(tool, canonical));
	assert_false(pin_record_matches(tool, SLICE("{\"description\":\"e\",\"name\":\"a\"}")));
	assert_false(pin_record_matches(tool, SLICE("{}")));
	pin_record_put(record, "a", canonical, WHEN);
	assert_true(pin_record_matches(pin_record_find(record, "a"), canonical));
}

static void test_of_long_definitions_the_digest_is_kept(void **state)
{
	(void)state;
	g_autoptr(PinRecord) record = pin_record_new(URL);
	g_autofree char *text = g_malloc(PIN_DEFINITION_MAX + 2);
	memset(text, 'x', PIN_DEFINITION_MAX + 2);
	struct Slice longest = {text, PIN_DEFINITION_MAX}, longer = {text, PIN_DEFINITION_MAX + 1};
	assert_true(pin_record_put(record, "a", longest, WHEN));
	assert_non_null(pin_record_find(record, "a")->definition);
	assert_true(pin_record_put(record, "a", longer, WHEN));
	const struct PinnedTool *tool = pin_record_find(record, "a");
	assert_null(tool->definition);
	assert_int_equal(strlen(tool->sha256), PIN_DIGEST_HEX);
	assert_true(pin_record_matches(tool, longer));
	assert_false(pin_record_matches(tool, longest));
	size_t len = 0;
	g_autofree char *written = pin_record_write(record, &len);
	assert_true(len < 1000);
	g_autoptr(PinRecord) again = parse(written);
	assert_true(pin_record_matches(pin_record_find(again, "a"), longer));
	g_autoptr(PinRecord) copy = pin_record_new(URL);
	assert_true(pin_record_copy(copy, tool));
	assert_true(pin_record_matches(pin_record_find(copy, "a"), longer));
}

/* LEVELS arrays in an object. */
static char *deep(unsigned levels)
{
	g_autofree char *opened = g_strnfill(levels, '[');
	g_autofree char *closed = g_strnfill(levels, ']');
	return g_strdup_printf("{\"inputSchema\":%s\"\\\\\\\"[[[\"%s}", opened, closed);
}

static void test_of_deep_definitions_the_digest_is_kept(void **state)
{
	(void)state;
	for (unsigned levels = JSON_MAX_DEPTH - 8; levels < JSON_MAX_DEPTH; levels++) {
		g_autoptr(PinRecord) record = pin_record_new(URL);
		g_autofree char *text = deep(levels);
		assert_true(json_validate(slice_of(text), NULL));
		assert_true(pin_record_put(record, "a", slice_of(text), WHEN));
		/* The file, the servers, one of them, its tools, the tool. */
		bool is_kept = pin_record_find(record, "a")->definition != NULL;
		assert_int_equal(is_kept, 5 + 1 + levels <= JSON_MAX_DEPTH);
		size_t len = 0;
		g_autofree char *written = pin_record_write(record, &len);
		g_autoptr(PinRecord) again = parse(written);
		assert_true(pin_record_matches(pin_record_find(again, "a"), slice_of(text)));
	}
}

static void test_digests_are_sha_256(void **state)
{
	(void)state;
	char hex[PIN_DIGEST_HEX + 1];
	pin_digest(SLICE("abc"), hex);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_what_was_shown_is_kept_until_something_is_approved(void **state)
{
	(void)state;
	g_autoptr(PinRecord) record = parse(FILE_OF("\"a\":" TOOL));
	pin_record_set_shown(record, "a", DIGEST);
	assert_string_equal(pin_record_find(record, "a")->shown, DIGEST);
	const char *with = FILE_OF("\"a\":{\"approved\":\"" WHEN
				   "\",\"definition\":{\"name\":\"a\"},\"shown\":\"" DIGEST "\"}");
	expect_written(record, with);
	expect_same(with);
	pin_record_set_shown(record, "a", NULL);
	expect_written(record, FILE_OF("\"a\":" TOOL));
	pin_record_set_shown(record, "a", DIGEST);
	pin_record_put(record, "a", SLICE("{\"name\":\"a\"}"), WHEN);
	expect_written(record, FILE_OF("\"a\":" TOOL));
}

static void test_a_newer_version_is_told_apart(void **state)
{
	(void)state;
	expect_refused("{\"v\":2}", MUX_ERROR_FAILED, "newer mcp-mux (version 2");
	expect_refused("{\"v\":99,\"servers\":[]}", MUX_ERROR_FAILED, "version 99");
	expect_refused("{\"v\":0,\"servers\":{}}", MUX_ERROR_SYNTAX, "version");
	expect_refused("{\"v\":\"1\",\"servers\":{}}", MUX_ERROR_SYNTAX, "version");
	expect_refused("{\"v\":1,\"v\":2,\"servers\":{}}", MUX_ERROR_SYNTAX, "version");
	expect_refused("{\"servers\":{}}", MUX_ERROR_SYNTAX, "version");
}

static void test_damaged_files_are_refused(void **state)
{
	(void)state;
	const char *const damaged[] = {
		"",
		"{",
		"[]",
		"17",
		"{\"v\":1}",
		"{\"v\":1,\"servers\":[]}",
		"{\"v\":1,\"servers\":{},\"servers\":{}}",
		"{\"v\":1,\"servers\":{\"" URL "\":[]}}",
		"{\"v\":1,\"servers\":{\"" URL "\":{}}}",
		"{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":[]}}}",
		"{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{},\"tools\":{}}}}",
		"{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{}},\"" URL "\":{\"tools\":{}}}}",
		FILE_OF("\"a\":[]"),
		FILE_OF("\"a\":{}"),
		FILE_OF("\"a\":" TOOL ",\"\\u0061\":" TOOL),
		FILE_OF("\"\\ud800\":" TOOL),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\"}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"definition\":[]}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"definition\":\"\",\"sha256\":\"" DIGEST
			"\"}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"definition\":{},\"definition\":{}}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"sha256\":\"0123\"}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"sha256\":\"" DIGEST "0\"}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"definition\":{},\"shown\":1}"),
		FILE_OF("\"a\":{\"approved\":\"" WHEN "\",\"definition\":{},\"shown\":"
			"\"X123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"),
		FILE_OF("\"a\":{\"approved\":\"\",\"definition\":{}}"),
		FILE_OF("\"a\":{\"approved\":17,\"definition\":{}}"),
		FILE_OF("\"a\":{\"approved\":\"a\\u001bb\",\"definition\":{}}"),
		FILE_OF("\"a\":{\"approved\":\"0123456789012345678901234567890123456789x\","
			"\"definition\":"
			"{}}"),
	};
	for (size_t i = 0; i < G_N_ELEMENTS(damaged); i++)
		expect_refused(damaged[i], MUX_ERROR_SYNTAX, "no file of pins");
}

static void test_a_file_has_a_limit(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	g_autofree char *large = g_malloc(PIN_RECORD_MAX + 1);
	memset(large, ' ', PIN_RECORD_MAX + 1);
	assert_null(pin_record_parse((struct Slice){large, PIN_RECORD_MAX + 1}, URL, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE));

	g_autoptr(PinRecord) record = pin_record_new(URL);
	g_autoptr(PinRecord) copies = pin_record_new(URL);
	memset(large, 'x', PIN_DEFINITION_MAX);
	unsigned n = 0;
	for (bool room = true; room; n++) {
		g_autofree char *name = g_strdup_printf("tool%u", n);
		room = pin_record_put(
			record, name, (struct Slice){large, PIN_DEFINITION_MAX}, WHEN);
		if (room)
			assert_true(pin_record_copy(copies, pin_record_find(record, name)));
		else
			assert_null(pin_record_find(record, name));
	}
	assert_in_range(n, 120, PIN_RECORD_MAX / PIN_DEFINITION_MAX + 1);
	const struct PinnedTool *last = pin_record_find(record, "tool0");
	assert_false(
		pin_record_put(record, "more", (struct Slice){large, PIN_DEFINITION_MAX}, WHEN));
	/* What takes the place of another one has its room. */
	for (unsigned i = 0; i < 3; i++)
		assert_true(pin_record_put(
			record, "tool0", (struct Slice){large, PIN_DEFINITION_MAX - i}, WHEN));
	assert_false(last == pin_record_find(record, "tool0"));
	size_t len = 0;
	g_autofree char *text = pin_record_write(record, &len);
	assert_in_range(len, PIN_RECORD_MAX / 2, PIN_RECORD_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_record_is_written_and_read),
		cmocka_unit_test(test_tools_are_kept_by_their_names),
		cmocka_unit_test(test_what_is_not_known_is_kept),
		cmocka_unit_test(test_other_servers_are_kept_apart),
		cmocka_unit_test(test_definitions_are_compared_by_what_they_mean),
		cmocka_unit_test(test_of_long_definitions_the_digest_is_kept),
		cmocka_unit_test(test_of_deep_definitions_the_digest_is_kept),
		cmocka_unit_test(test_digests_are_sha_256),
		cmocka_unit_test(test_what_was_shown_is_kept_until_something_is_approved),
		cmocka_unit_test(test_a_newer_version_is_told_apart),
		cmocka_unit_test(test_damaged_files_are_refused),
		cmocka_unit_test(test_a_file_has_a_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
