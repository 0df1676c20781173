#include "base/buffer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void starts_empty_and_without_memory(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 10);
	assert_null(buffer.data);
	assert_int_equal(buffer_slice(&buffer).len, 0);
	size_t len = 77;
	assert_null(buffer_steal(&buffer, &len));
	assert_int_equal(len, 0);
	buffer_consume(&buffer, 5);
	assert_int_equal(buffer.len, 0);
	buffer_release(&buffer);
}

static void holds_what_was_appended(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 1 << 20);
	g_autoptr(GString) expected = g_string_new(NULL);
	for (unsigned i = 0; i < 5000; i++) {
		char bytes[3] = {(char)i, (char)(i >> 8), 0};
		g_string_append_len(expected, bytes, i % 4);
		assert_true(buffer_append(&buffer, bytes, i % 4));
	}
	assert_int_equal(buffer.len, expected->len);
	assert_memory_equal(buffer.data, expected->str, expected->len);
	assert_true(buffer.cap <= 2 * buffer.len);
	buffer_release(&buffer);
	assert_null(buffer.data);
	assert_int_equal(buffer.max, 1 << 20);
	assert_true(buffer_append(&buffer, "x", 1));
	buffer_release(&buffer);
}

static void refuses_to_pass_its_limit_and_keeps_its_content(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 5);
	assert_true(buffer_append(&buffer, "abc", 3));
	assert_false(buffer_append(&buffer, "def", 3));
	assert_int_equal(buffer.len, 3);
	assert_true(buffer_append(&buffer, "de", 2));
	assert_false(buffer_append(&buffer, "f", 1));
	assert_true(buffer_append(&buffer, "", 0));
	assert_true(slice_is(buffer_slice(&buffer), "abcde"));
	assert_true(buffer.cap <= 5);
	assert_false(buffer_append(&buffer, "f", SIZE_MAX));
	buffer_release(&buffer);
	buffer_init(&buffer, 0);
	assert_false(buffer_append(&buffer, "a", 1));
	assert_true(buffer_append(&buffer, NULL, 0));
	buffer_release(&buffer);
}

static void grows_up_to_a_limit_that_is_no_power_of_two(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 100001);
	for (unsigned i = 0; i < 100001; i++)
		assert_true(buffer_append(&buffer, "x", 1));
	assert_false(buffer_append(&buffer, "x", 1));
	assert_int_equal(buffer.len, 100001);
	assert_true(buffer.cap <= buffer.max);
	buffer_release(&buffer);
}

static void reserves_exactly_and_within_the_limit(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 5000);
	assert_true(buffer_append(&buffer, "ab", 2));
	assert_true(buffer_reserve(&buffer, 5000));
	assert_int_equal(buffer.cap, 5000);
	assert_true(slice_is(buffer_slice(&buffer), "ab"));
	assert_false(buffer_reserve(&buffer, 5001));
	assert_int_equal(buffer.cap, 5000);
	assert_true(buffer_reserve(&buffer, 10));
	assert_int_equal(buffer.cap, 5000);
	buffer_release(&buffer);
}

static void consumes_from_the_front(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 100);
	assert_true(buffer_append(&buffer, "abcdef", 6));
	buffer_consume(&buffer, 0);
	assert_true(slice_is(buffer_slice(&buffer), "abcdef"));
	buffer_consume(&buffer, 4);
	assert_true(slice_is(buffer_slice(&buffer), "ef"));
	assert_true(buffer_append(&buffer, "g", 1));
	assert_true(slice_is(buffer_slice(&buffer), "efg"));
	buffer_consume(&buffer, 100);
	assert_int_equal(buffer.len, 0);
	buffer_release(&buffer);
}

static void hands_its_bytes_over(void **state)
{
	(void)state;
	struct Buffer buffer;
	buffer_init(&buffer, 100);
	assert_true(buffer_append(&buffer, "a\0b", 3));
	size_t len = 0;
	g_autofree char *bytes = buffer_steal(&buffer, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(bytes, "a\0b", 3);
	assert_null(buffer.data);
	assert_int_equal(buffer.len, 0);
	assert_true(buffer_append(&buffer, "c", 1));
	assert_true(slice_is(buffer_slice(&buffer), "c"));
	buffer_release(&buffer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty_and_without_memory),
		cmocka_unit_test(holds_what_was_appended),
		cmocka_unit_test(refuses_to_pass_its_limit_and_keeps_its_content),
		cmocka_unit_test(grows_up_to_a_limit_that_is_no_power_of_two),
		cmocka_unit_test(reserves_exactly_and_within_the_limit),
		cmocka_unit_test(consumes_from_the_front),
		cmocka_unit_test(hands_its_bytes_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
