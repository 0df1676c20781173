/* Nicolas Seriot's JSONTestSuite: what must be accepted is, what must be refused is, and whatever the
 * reader makes of the rest, it can walk what it accepts. Runs from the top of the project. */
#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SUITE "tests/data/JSONTestSuite/test_parsing"

/* Walks every value, with a stack of its own for what is open. */
static size_t count_values(struct Slice text)
{
	struct JsonIter open[JSON_MAX_DEPTH + 1];
	size_t depth = 1;
	size_t n = 1;
	open[0] = json_iter(text);
	while (depth > 0) {
		struct JsonMember member;
		if (!json_next(&open[depth - 1], &member)) {
			depth--;
			continue;
		}
		n++;
		assert_int_not_equal(member.value.type, JSON_NONE);
		g_autofree char *string = json_string_dup(member.value);
		assert_true(member.value.type == JSON_STRING || !string);
		if (member.value.type == JSON_ARRAY || member.value.type == JSON_OBJECT)
			open[depth++] = json_iter(member.value.raw);
	}
	return n;
}

/* Judges every file that begins with KIND and returns how many there were. A copy without a byte to
 * spare lets the address sanitizer see reads past the end. */
static unsigned judge_files(char kind)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(SUITE, 0, &error);
	assert_null(error);
	unsigned n = 0;
	const char *name;
	while ((name = g_dir_read_name(dir))) {
		if (name[0] != kind)
			continue;
		n++;
		g_autofree char *path = g_build_filename(SUITE, name, NULL);
		g_autofree char *data = NULL;
		size_t len;
		assert_true(g_file_get_contents(path, &data, &len, NULL));
		g_autofree char *exact = g_memdup2(data, len);
		struct Slice text = {exact, len};
		struct JsonFault fault = {0};
		bool valid = json_validate(text, &fault);
		if (kind != 'i' && valid != (kind == 'y'))
			fail_msg("%s: %s", name, valid ? "accepted" : fault.reason);
		if (valid)
			assert_true(count_values(text) >= 1);
		else
			assert_true(fault.reason && fault.offset <= len);
	}
	return n;
}

static void test_accepts_all_that_must_be(void **state)
{
	(void)state;
	assert_int_equal(judge_files('y'), 95);
}

static void test_refuses_all_that_must_not_be(void **state)
{
	(void)state;
	assert_int_equal(judge_files('n'), 188);
}

static void test_survives_the_rest(void **state)
{
	(void)state;
	assert_int_equal(judge_files('i'), 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepts_all_that_must_be),
		cmocka_unit_test(test_refuses_all_that_must_not_be),
		cmocka_unit_test(test_survives_the_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
