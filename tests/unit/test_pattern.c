#include "format/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void matches_a_plain_name_only_as_a_whole(void **state)
{
	(void)state;
	assert_true(pattern_match("search", "search"));
	assert_false(pattern_match("search", "search2"));
	assert_false(pattern_match("search", "research"));
	assert_false(pattern_match("search", "sear"));
	assert_false(pattern_match("search", "Search"));
	assert_false(pattern_match("search", ""));
	assert_true(pattern_match("", ""));
	assert_false(pattern_match("", "a"));
}

static void a_star_takes_any_run_of_characters(void **state)
{
	(void)state;
	assert_true(pattern_match("*", ""));
	assert_true(pattern_match("*", "anything"));
	assert_true(pattern_match("delete_*", "delete_"));
	assert_true(pattern_match("delete_*", "delete_page"));
	assert_false(pattern_match("delete_*", "delete"));
	assert_true(pattern_match("*_page", "delete_page"));
	assert_false(pattern_match("*_page", "delete_pages"));
	assert_true(pattern_match("a*b*c", "a--b--b--c"));
	assert_false(pattern_match("a*b*c", "a--c--b"));
	assert_true(pattern_match("**a**", "a"));
	assert_true(pattern_match("*ab", "aab"));
	assert_true(pattern_match("*aab*", "aaaab"));
	assert_false(pattern_match("*.json*x", "a.json.json"));
}

static void a_question_mark_takes_one_character_of_any_length(void **state)
{
	(void)state;
	assert_true(pattern_match("?", "a"));
	assert_false(pattern_match("?", ""));
	assert_false(pattern_match("?", "ab"));
	assert_true(pattern_match("get?page", "get page"));
	assert_true(pattern_match("?", "\xc3\xa4"));
	assert_true(pattern_match("?x", "\xf0\x9f\x8c\xb2x"));
	assert_false(pattern_match("??", "\xc3\xa4"));
	assert_true(pattern_match("*?", "a\xc3\xa4"));
	assert_true(pattern_match("*?b", "\xc3\xa4\xc3\xb6"
					 "b"));
	assert_true(pattern_match("?*?", "\xe2\x82\xac\xe2\x82\xac"));
	assert_false(pattern_match("?*?", "\xe2\x82\xac"));
}

static void nothing_else_is_special(void **state)
{
	(void)state;
	assert_true(pattern_match("[a]", "[a]"));
	assert_false(pattern_match("[a]", "a"));
	assert_true(pattern_match("a\\*", "a\\b"));
	assert_true(pattern_match("a.b", "a.b"));
	assert_false(pattern_match("a.b", "axb"));
	assert_true(pattern_match("*", "*"));
}

static void bytes_that_are_no_utf8_stay_inside_the_name(void **state)
{
	(void)state;
	assert_true(pattern_match("?", "\xff"));
	assert_true(pattern_match("a?", "a\xe2"));
	assert_true(pattern_match("?", "\x80\x80"));
	assert_false(pattern_match("??a", "\xe2"));
}

static void many_stars_stay_quick(void **state)
{
	(void)state;
	g_autofree char *name = g_strnfill(20000, 'a');
	GString *pattern = g_string_new(NULL);
	for (unsigned i = 0; i < 50; i++)
		g_string_append(pattern, "a*");
	g_string_append(pattern, "b");
	gint64 start = g_get_monotonic_time();
	assert_false(pattern_match(pattern->str, name));
	assert_true(g_get_monotonic_time() - start < 2 * G_USEC_PER_SEC);
	g_string_free(pattern, TRUE);
}

static void weight_counts_literal_characters(void **state)
{
	(void)state;
	assert_int_equal(pattern_weight("*"), 0);
	assert_int_equal(pattern_weight("?*?"), 0);
	assert_int_equal(pattern_weight("delete_*"), 7);
	assert_int_equal(pattern_weight("a?b*c"), 3);
	assert_int_equal(pattern_weight("\xc3\xa4*"), 1);
	assert_true(pattern_weight("a") > pattern_weight("a-very-long-pattern-with-one-star*"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matches_a_plain_name_only_as_a_whole),
		cmocka_unit_test(a_star_takes_any_run_of_characters),
		cmocka_unit_test(a_question_mark_takes_one_character_of_any_length),
		cmocka_unit_test(nothing_else_is_special),
		cmocka_unit_test(bytes_that_are_no_utf8_stay_inside_the_name),
		cmocka_unit_test(many_stars_stay_quick),
		cmocka_unit_test(weight_counts_literal_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
