/* At the last number that is fine, and at the first that is not. */
#include "cli/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* N names of LEN characters. */
static GPtrArray *make_names(unsigned n, size_t len)
{
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < n; i++)
		g_ptr_array_add(names, g_strnfill(len, 'a'));
	return names;
}

/* Checks that the lines for such a list are, in order, those that begin with or hold WORDS (NULL: no more). */
static void expect(unsigned n, size_t len, size_t bytes, const char *const *words)
{
	g_autoptr(GPtrArray) names = make_names(n, len);
	g_autoptr(GPtrArray) lines = limits_warnings(names, bytes);
	unsigned i = 0;
	for (; words[i]; i++) {
		assert_true(i < lines->len);
		const char *line = lines->pdata[i];
		if (!strstr(line, words[i]))
			fail_msg("“%s” is not in “%s”", words[i], line);
	}
	assert_int_equal(lines->len, i);
}

#define EXPECT(n, len, bytes, ...)                                                                 \
	expect(n, len, bytes, (const char *const[]){__VA_ARGS__ __VA_OPT__(, ) NULL})

static void tokens_are_a_fourth_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(limits_tokens(0), 0);
	assert_int_equal(limits_tokens(1), 1);
	assert_int_equal(limits_tokens(4), 1);
	assert_int_equal(limits_tokens(5), 2);
}

static void the_number_of_tools_is_measured(void **state)
{
	(void)state;
	EXPECT(0, 1, 0);
	EXPECT(40, 1, 0);
	EXPECT(41, 1, 0, "41 tools: older versions of Cursor give the model only the first 40");
	EXPECT(80, 1, 0, "older versions of Cursor");
	EXPECT(81, 1, 0, "81 tools: Cursor warns above 80");
	EXPECT(128, 1, 0, "Cursor warns above 80");
	EXPECT(129, 1, 0, "129 tools: Cursor warns above 80",
		"129 tools: VS Code takes 128 in a request");
}

static void the_length_of_names_is_measured_with_what_ides_put_before(void **state)
{
	(void)state;
	EXPECT(3, 50, 0);
	EXPECT(1, 51, 0, "1 tool with a name over 50 characters");
	EXPECT(3, 52, 0, "3 tools with a name over 50 characters");
	EXPECT(3, 53, 0, "3 tools with a name over 52 characters", "over 50 characters");
}

static void the_longest_name_is_the_example(void **state)
{
	(void)state;
	g_autoptr(GPtrArray) names = make_names(2, 51);
	char *longest = g_strnfill(52, 'b');
	g_ptr_array_insert(names, 1, longest);
	g_autoptr(GPtrArray) lines = limits_warnings(names, 0);
	assert_int_equal(lines->len, 1);
	assert_non_null(strstr(lines->pdata[0], longest));
	assert_non_null(strstr(lines->pdata[0], "max_tool_name = 50"));
}

static void what_definitions_cost_is_measured(void **state)
{
	(void)state;
	EXPECT(1, 1, 100000);
	EXPECT(1, 1, 100001, "about 25001 tokens of definitions (bytes / 4, an estimate)");
}

static void every_line_says_what_to_do(void **state)
{
	(void)state;
	g_autoptr(GPtrArray) names = make_names(200, 60);
	g_autoptr(GPtrArray) lines = limits_warnings(names, 1000000);
	assert_int_equal(lines->len, 5);
	for (unsigned i = 0; i < lines->len; i++)
		assert_non_null(strstr(lines->pdata[i], "mcp-mux disable "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens_are_a_fourth_rounded_up),
		cmocka_unit_test(the_number_of_tools_is_measured),
		cmocka_unit_test(the_length_of_names_is_measured_with_what_ides_put_before),
		cmocka_unit_test(the_longest_name_is_the_example),
		cmocka_unit_test(what_definitions_cost_is_measured),
		cmocka_unit_test(every_line_says_what_to_do),
	};
	return cmocka_run_group_tests_name("cli/limits", tests, NULL, NULL);
}
