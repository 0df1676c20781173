#include "format/scope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_union(const char *a, const char *b, const char *expected)
{
	g_autofree char *got = scope_union(a, b);
	if (g_strcmp0(got, expected) != 0)
		fail_msg("union of \"%s\" and \"%s\" is \"%s\"", a, b, got);
}

static void a_union_keeps_the_order_and_has_each_once(void **state)
{
	(void)state;
	expect_union("files:read", "files:write", "files:read files:write");
	expect_union("b a", "c a b", "b a c");
	expect_union("a a", "a", "a");
	expect_union("a", "A", "a A");
	expect_union("ab", "a b abc", "ab a b abc");
	expect_union(" a  b ", "  c", "a b c");
}

static void nothing_counts_as_empty(void **state)
{
	(void)state;
	expect_union(NULL, NULL, NULL);
	expect_union("", " ", NULL);
	expect_union("a", NULL, "a");
	expect_union(NULL, "a", "a");
	assert_false(scope_has(NULL, "a"));
	assert_false(scope_has("", "a"));
	assert_false(scope_has("a", ""));
	assert_true(scope_covers(NULL, NULL));
	assert_true(scope_covers(NULL, ""));
	assert_true(scope_covers("a", NULL));
	assert_false(scope_covers(NULL, "a"));
}

static void what_is_no_scope_token_is_left_out(void **state)
{
	(void)state;
	/* RFC 6749, 3.3: %x21 / %x23-5B / %x5D-7E. */
	expect_union("! # [ ] ~ https://h/x?y=z&a,b", NULL, "! # [ ] ~ https://h/x?y=z&a,b");
	expect_union("a \"b\" c\\d e\tf g\nh i\x7f caf\xc3\xa9 \x01 z", NULL, "a z");
	expect_union("\"", "\\", NULL);
	assert_false(scope_has("a \"b\"", "\"b\""));
	/* Nobody can ask for it, so it does not stand in the way. */
	assert_true(scope_covers("a", "a \"b\""));
}

static void a_token_is_found_as_a_whole(void **state)
{
	(void)state;
	assert_true(scope_has("files:read files:write", "files:write"));
	assert_true(scope_has("files:read", "files:read"));
	assert_false(scope_has("files:read", "files"));
	assert_false(scope_has("files:read", "read"));
	assert_false(scope_has("files:read", "Files:Read"));
	assert_false(scope_has("a b", "a b"));
}

static void covering_needs_every_token(void **state)
{
	(void)state;
	assert_true(scope_covers("a b c", "c a"));
	assert_true(scope_covers("a b", "b a b a"));
	assert_true(scope_covers("a", "a"));
	assert_false(scope_covers("a b", "a c"));
	assert_false(scope_covers("ab", "a"));
	assert_false(scope_covers("a", "ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_union_keeps_the_order_and_has_each_once),
		cmocka_unit_test(nothing_counts_as_empty),
		cmocka_unit_test(what_is_no_scope_token_is_left_out),
		cmocka_unit_test(a_token_is_found_as_a_whole),
		cmocka_unit_test(covering_needs_every_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
