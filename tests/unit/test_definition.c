#include "format/definition.h"
#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static char *canonical(const char *tool)
{
	size_t len = 0;
	assert_true(json_validate(slice_of(tool), NULL));
	char *text = definition_canonical(slice_of(tool), &len);
	assert_int_equal(strlen(text), len);
	assert_true(len <= MAX(strlen(tool), strlen("{}")));
	assert_true(json_validate(slice_of(text), NULL));
	return text;
}

static void expect_canonical(const char *tool, const char *expected)
{
	g_autofree char *text = canonical(tool);
	assert_string_equal(text, expected);
	g_autofree char *again = canonical(text);
	assert_string_equal(again, expected);
}

/* The lines of the difference, each with a line end. */
static char *diff(const char *old, const char *new_one)
{
	g_autofree char *a = old ? canonical(old) : g_strdup("");
	g_autofree char *b = new_one ? canonical(new_one) : g_strdup("");
	g_autoptr(GPtrArray) lines = definition_diff(slice_of(a), slice_of(b));
	GString *out = g_string_new(NULL);
	for (unsigned i = 0; i < lines->len; i++)
		g_string_append_printf(out, "%s\n", (const char *)lines->pdata[i]);
	return g_string_free(out, FALSE);
}

static void expect_diff(const char *old, const char *new_one, const char *expected)
{
	g_autofree char *got = diff(old, new_one);
	assert_string_equal(got, expected);
}

static void test_members_are_sorted_and_white_space_goes(void **state)
{
	(void)state;
	expect_canonical(
		" { \"name\" : \"x\" ,\n\t\"description\" : \"d\", \"annotations\": { } } ",
		"{\"annotations\":{},\"description\":\"d\",\"name\":\"x\"}");
	expect_canonical(
		"{\"name\":\"x\",\"inputSchema\":{\"b\":[ {\"d\":1,\"c\":2}, [ ] ],\"a\":{\"z\":"
		"true,\"y\":null}}}",
		"{\"inputSchema\":{\"a\":{\"y\":null,\"z\":true},\"b\":[{\"c\":2,\"d\":1},[]]},"
		"\"name\":"
		"\"x\"}");
}

static void test_a_shorter_name_comes_before_one_that_it_begins(void **state)
{
	(void)state;
	expect_canonical("{\"annotations\":{\"a!\":1,\"a\":2,\"\":3,\"b\":4,\"a~\":5}}",
		"{\"annotations\":{\"\":3,\"a\":2,\"a!\":1,\"a~\":5,\"b\":4}}");
}

static void test_other_members_of_a_tool_do_not_count(void **state)
{
	(void)state;
	expect_canonical("{\"_meta\":{\"a\":[1,{}]},\"icons\":[],\"name\":\"x\",\"title\":\"t\","
			 "\"outputSchema\":{},\"x\\u006eame\":1}",
		"{\"name\":\"x\",\"outputSchema\":{},\"title\":\"t\"}");
	expect_canonical("{\"_meta\":{}}", "{}");
	expect_canonical("{}", "{}");
}

static void test_names_of_members_count_decoded(void **state)
{
	(void)state;
	expect_canonical("{\"n\\u0061me\":\"x\",\"d\\u0065scription\":\"y\"}",
		"{\"description\":\"y\",\"name\":\"x\"}");
	expect_canonical(
		"{\"annotations\":{\"\\u0062\":1,\"a\":2}}", "{\"annotations\":{\"a\":2,\"b\":1}}");
}

static void test_members_of_equal_names_stay_in_their_order(void **state)
{
	(void)state;
	expect_canonical(
		"{\"name\":\"2\",\"annotations\":{\"b\":1,\"a\":2,\"\\u0062\":3,\"b\":0},\"name\":"
		"\"1\"}",
		"{\"annotations\":{\"a\":2,\"b\":1,\"b\":3,\"b\":0},\"name\":\"2\",\"name\":"
		"\"1\"}");
}

static void test_strings_get_one_spelling(void **state)
{
	(void)state;
	expect_canonical("{\"name\":\"\\u0041\\/\\u00e9\\u20ac\\ud83d\\ude00\\u007f\"}",
		"{\"name\":\"A/\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\x7f\"}");
	expect_canonical(
		"{\"name\":\"\\u0022\\u005c\\u0008\\u000C\\u000a\\u000d\\u0009\\u001F\\u0000\"}",
		"{\"name\":\"\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u0000\"}");
	expect_canonical(
		"{\"name\":\"\\\"\\\\\\b\\f\\n\\r\\t\"}", "{\"name\":\"\\\"\\\\\\b\\f\\n\\r\\t\"}");
	expect_canonical("{\"name\":\"\\uD800x\\uDBFF\\ud800\\uDC00\\uDFFF\\ud800\"}",
		"{\"name\":\"\\ud800x\\udbff\xf0\x90\x80\x80\\udfff\\ud800\"}");
	expect_canonical(
		"{\"name\":\"\\ud800\\u0041\\ud800\\n\"}", "{\"name\":\"\\ud800A\\ud800\\n\"}");
}

static void test_numbers_stay_as_they_were_sent(void **state)
{
	(void)state;
	expect_canonical("{\"inputSchema\":[1.10 , 1e3,-0,12345678901234567890, 1E+2 ]}",
		"{\"inputSchema\":[1.10,1e3,-0,12345678901234567890,1E+2]}");
	expect_canonical("{\"inputSchema\": 1.0}", "{\"inputSchema\":1.0}");
}

static char *repeat(const char *text, size_t n)
{
	GString *out = g_string_new(NULL);
	while (n--)
		g_string_append(out, text);
	return g_string_free(out, FALSE);
}

static void test_the_deepest_nesting_is_sorted(void **state)
{
	(void)state;
	size_t n = JSON_MAX_DEPTH - 1;
	g_autofree char *opening = repeat("{\"b\":", n);
	g_autofree char *closing = repeat(",\"a\":0}", n);
	g_autofree char *tool = g_strconcat("{\"inputSchema\":", opening, "1", closing, "}", NULL);
	g_autofree char *first = repeat("{\"a\":0,\"b\":", n);
	g_autofree char *last = repeat("}", n);
	g_autofree char *expected = g_strconcat("{\"inputSchema\":", first, "1", last, "}", NULL);
	expect_canonical(tool, expected);
}

static int64_t canonical_us(const char *tool)
{
	int64_t before = g_get_monotonic_time();
	g_autofree char *text = canonical(tool);
	return g_get_monotonic_time() - before;
}

/* Generous, for a machine that is busy and for sanitizers. */
enum { SLOW_US = 5 * 1000 * 1000 };

static void test_hostile_definitions_take_time_by_their_size(void **state)
{
	(void)state;
	/* As deep as may be, every level to be sorted, and large at the bottom. */
	size_t n = JSON_MAX_DEPTH - 3;
	g_autofree char *opening = repeat("{\"b\":", n);
	g_autofree char *closing = repeat(",\"a\":0}", n);
	g_autofree char *large = repeat("{\"a\":0},", 300 * 1000);
	g_autofree char *deep =
		g_strconcat("{\"inputSchema\":", opening, "[", large, "0]", closing, "}", NULL);
	assert_true(canonical_us(deep) < SLOW_US);
	/* Many members with long names that are equal for long. */
	GString *out = g_string_new("{\"inputSchema\":{");
	g_autofree char *name = repeat("n", 500);
	for (unsigned i = 0; i < 10000; i++)
		g_string_append_printf(
			out, "%s\"%s%u\":%u", i ? "," : "", name, i * 7919 % 10000, i);
	g_string_append(out, "}}");
	assert_true(canonical_us(out->str) < SLOW_US);
	g_string_free(out, TRUE);
}

static void test_equal_definitions_have_no_difference(void **state)
{
	(void)state;
	expect_diff("{\"name\":\"x\"}", "{ \"n\\u0061me\":\"x\", \"_meta\":{} }", "");
}

static void test_a_difference_shows_lines_and_what_they_stand_in(void **state)
{
	(void)state;
	expect_diff("{\"name\":\"x\",\"description\":\"old\"}",
		"{\"name\":\"x\",\"description\":\"new\",\"annotations\":{}}",
		" {\n-  \"description\": \"old\"\n+  \"annotations\": {}\n+  \"description\": "
		"\"new\"\n   "
		"\"name\": \"x\"\n }\n");
	expect_diff("{\"inputSchema\":{\"properties\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":[1,[],"
		    "{\"x\":"
		    "null}],\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}},\"name\":\"x\"}",
		"{\"inputSchema\":{\"properties\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":[1,[],{"
		"\"x\":"
		"true}],\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1}},\"name\":\"x\"}",
		" {\n   \"inputSchema\": {\n     \"properties\": {\n …\n       \"e\": [\n         "
		"1\n       "
		"  []\n         {\n-          \"x\": null\n+          \"x\": true\n         }\n    "
		"   "
		"]\n       \"f\": 1\n …\n");
}

static void test_all_of_a_definition_is_shown_beside_none(void **state)
{
	(void)state;
	expect_diff(NULL, "{\"name\":\"x\"}", "+{\n+  \"name\": \"x\"\n+}\n");
	expect_diff("{\"name\":\"x\"}", NULL, "-{\n-  \"name\": \"x\"\n-}\n");
	expect_diff(NULL, NULL, "");
}

static void test_long_texts_are_compared_line_by_line(void **state)
{
	(void)state;
	expect_diff("{\"description\":\"One.\\nTwo.\\n\\nFour.\\n\"}",
		"{\"description\":\"One.\\nTwo!\\n\\nFour.\\n\"}",
		" {\n   \"description\": \"One.\\n\n-    Two.\\n\n+    Two!\\n\n     \\n\n     "
		"Four.\\n\"\n }\n");
}

static void test_what_cannot_be_seen_is_shown(void **state)
{
	(void)state;
	g_autofree char *got = diff("{\"description\":\"Adds.\"}",
		"{\"description\":\"Adds."
		"\xe2\x80\x8b\xe2\x80\xae\xe2\x81\xa6\xf3\xa0\x81\x81\xef\xbb\xbf"
		"\xc2\xad\xc2\xa0\xe3\x85\xa4\xef\xb8\x8f\xe2\x80\xa8\xc2\x9b\x7f\\u001b\\ud800\\\\"
		"u{200b}"
		"\xe2\xa0\x80\xee\x80\x80\xcd\x8f\xf3\xa0\x84\x80 \xc3\xa9\xe4\xb8\xad\"}");
	const char *expected = "Adds.\\u{200b}\\u{202e}\\u{2066}\\u{e0041}\\u{feff}\\u{ad}\\u{a0}"
			       "\\u{3164}\\u{fe0f}"
			       "\\u{2028}\\u{9b}\\u{7f}\\u001b\\ud800\\\\u{200b}\\u{2800}\\u{e000}"
			       "\\u{34f}\\u{e0100} "
			       "\xc3\xa9\xe4\xb8\xad\"";
	assert_non_null(strstr(got, expected));
	/* In names as well. */
	expect_diff("{}", "{\"annotations\":{\"a\xe2\x80\x8b\":1}}",
		"-{}\n+{\n+  \"annotations\": {\n+    \"a\\u{200b}\": 1\n+  }\n+}\n");
}

static void test_a_change_that_is_not_seen_is_a_change(void **state)
{
	(void)state;
	expect_diff("{\"name\":\"a\"}", "{\"name\":\"a\xe2\x80\x8b\"}",
		" {\n-  \"name\": \"a\"\n+  \"name\": \"a\\u{200b}\"\n }\n");
	/* What stands for it could not be written by the server itself. */
	expect_diff("{\"name\":\"a\xe2\x80\x8b\"}", "{\"name\":\"a\\\\u{200b}\"}",
		" {\n-  \"name\": \"a\\u{200b}\"\n+  \"name\": \"a\\\\u{200b}\"\n }\n");
}

static void test_lines_are_cut_into_pieces_and_nothing_is_lost(void **state)
{
	(void)state;
	g_autofree char *text = repeat("\xe2\x82\xac", 1000);
	g_autofree char *tool = g_strdup_printf("{\"name\":\"%s\"}", text);
	g_autofree char *got = diff(NULL, tool);
	g_auto(GStrv) lines = g_strsplit(got, "\n", -1);
	g_autoptr(GString) all = g_string_new(NULL);
	unsigned n = 0;
	for (char **line = lines; **line; line++, n++) {
		assert_true(strlen(*line) <= DEFINITION_LINE_BYTES);
		assert_true(g_utf8_validate(*line, -1, NULL));
		assert_int_equal(**line, '+');
		g_string_append(all, *line + 1);
	}
	assert_int_equal(n, 6); /* brackets, and four pieces */
	assert_non_null(strstr(all->str, text));
}

static void test_deep_lines_are_not_indented_for_ever(void **state)
{
	(void)state;
	g_autofree char *opening = repeat("[", JSON_MAX_DEPTH - 1);
	g_autofree char *closing = repeat("]", JSON_MAX_DEPTH - 1);
	g_autofree char *tool = g_strconcat("{\"inputSchema\":", opening, closing, "}", NULL);
	g_autofree char *got = diff(NULL, tool);
	assert_true(strlen(got) < (size_t)JSON_MAX_DEPTH * 2 * 70);
}

/* N members, each with the value of F(i). */
static char *members(unsigned n, unsigned multiplier)
{
	GString *out = g_string_new("{\"inputSchema\":[0");
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(out, ",%u", i * multiplier % 1000003);
	g_string_append(out, "]}");
	return g_string_free(out, FALSE);
}

static void test_hostile_differences_are_bounded(void **state)
{
	(void)state;
	/* Nothing in common, and much in common in another order. */
	g_autofree char *a = members(200 * 1000, 7919);
	g_autofree char *b = members(200 * 1000, 104729);
	int64_t before = g_get_monotonic_time();
	g_autofree char *got = diff(a, b);
	assert_true(g_get_monotonic_time() - before < SLOW_US);
	assert_true(got[0] == ' ');
	/* The same few lines again and again. */
	g_autofree char *ones = repeat("1,1,2,", 100 * 1000);
	g_autofree char *twos = repeat("2,1,", 150 * 1000);
	g_autofree char *c = g_strconcat("{\"inputSchema\":[", ones, "3]}", NULL);
	g_autofree char *d = g_strconcat("{\"inputSchema\":[", twos, "4]}", NULL);
	before = g_get_monotonic_time();
	g_autofree char *again = diff(c, d);
	assert_true(g_get_monotonic_time() - before < SLOW_US);
	assert_non_null(strstr(again, "\n-    3\n"));
	assert_non_null(strstr(again, "\n+    4\n"));
}

/* What LINES has of one side: those with SIGN and those with a space. */
static char *side(const char *lines, char sign)
{
	g_auto(GStrv) all = g_strsplit(lines, "\n", -1);
	GString *out = g_string_new(NULL);
	for (char **line = all; *line; line++) {
		if (**line == sign || **line == ' ')
			g_string_append_printf(out, "%s\n", *line + 1);
	}
	return g_string_free(out, FALSE);
}

static char *random_tool(GRand *random)
{
	GString *out = g_string_new("{\"inputSchema\":[");
	unsigned n = (unsigned)g_rand_int_range(random, 0, 6);
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(out, "%s%d", i ? "," : "", g_rand_int_range(random, 0, 3));
	g_string_append(out, "]}");
	return g_string_free(out, FALSE);
}

static void test_both_sides_can_be_read_off_a_difference(void **state)
{
	(void)state;
	GRand *random = g_rand_new_with_seed(7);
	for (unsigned i = 0; i < 2000; i++) {
		g_autofree char *a = random_tool(random);
		g_autofree char *b = random_tool(random);
		g_autofree char *got = diff(a, b);
		if (strcmp(a, b) == 0) {
			assert_string_equal(got, "");
			continue;
		}
		if (strstr(got, "…"))
			continue;
		g_autofree char *old = side(got, '-');
		g_autofree char *new_one = side(got, '+');
		g_autofree char *old_alone = diff(a, NULL);
		g_autofree char *new_alone = diff(NULL, b);
		g_autofree char *old_expected = side(old_alone, '-');
		g_autofree char *new_expected = side(new_alone, '+');
		assert_string_equal(old, old_expected);
		assert_string_equal(new_one, new_expected);
	}
	g_rand_free(random);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members_are_sorted_and_white_space_goes),
		cmocka_unit_test(test_a_shorter_name_comes_before_one_that_it_begins),
		cmocka_unit_test(test_other_members_of_a_tool_do_not_count),
		cmocka_unit_test(test_names_of_members_count_decoded),
		cmocka_unit_test(test_members_of_equal_names_stay_in_their_order),
		cmocka_unit_test(test_strings_get_one_spelling),
		cmocka_unit_test(test_numbers_stay_as_they_were_sent),
		cmocka_unit_test(test_the_deepest_nesting_is_sorted),
		cmocka_unit_test(test_hostile_definitions_take_time_by_their_size),
		cmocka_unit_test(test_equal_definitions_have_no_difference),
		cmocka_unit_test(test_a_difference_shows_lines_and_what_they_stand_in),
		cmocka_unit_test(test_all_of_a_definition_is_shown_beside_none),
		cmocka_unit_test(test_long_texts_are_compared_line_by_line),
		cmocka_unit_test(test_what_cannot_be_seen_is_shown),
		cmocka_unit_test(test_a_change_that_is_not_seen_is_a_change),
		cmocka_unit_test(test_lines_are_cut_into_pieces_and_nothing_is_lost),
		cmocka_unit_test(test_deep_lines_are_not_indented_for_ever),
		cmocka_unit_test(test_hostile_differences_are_bounded),
		cmocka_unit_test(test_both_sides_can_be_read_off_a_difference),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
