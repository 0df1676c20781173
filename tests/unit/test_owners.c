#include "mux/owners.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Nothing looks inside of these. */
static struct Upstream *const one = (void *)0x10;
static struct Upstream *const other = (void *)0x20;

static void test_what_was_named_is_known(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(10, OWNERS_NAME_MAX);
	g_autofree char *name = g_strdup("a");
	owners_set(owners, name, one);
	name[0] = 'x'; /* it is copied */
	owners_set(owners, "b", other);
	owners_set(owners, "", other);
	assert_ptr_equal(owners_get(owners, "a"), one);
	assert_ptr_equal(owners_get(owners, "b"), other);
	assert_ptr_equal(owners_get(owners, ""), other);
	assert_null(owners_get(owners, "x"));
	owners_free(owners);
	owners_free(NULL);
}

static void test_the_last_who_names_it_has_it(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(2, OWNERS_NAME_MAX);
	owners_set(owners, "a", one);
	owners_set(owners, "a", other);
	assert_ptr_equal(owners_get(owners, "a"), other);
	/* It is none of the first one's any more. */
	owners_set(owners, "b", one);
	owners_set(owners, "c", one);
	assert_ptr_equal(owners_get(owners, "a"), other);
	assert_ptr_equal(owners_get(owners, "b"), one);
	owners_free(owners);
}

static void test_the_oldest_of_an_upstream_is_forgotten(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(3, OWNERS_NAME_MAX);
	owners_set(owners, "a", one);
	owners_set(owners, "b", one);
	owners_set(owners, "c", one);
	owners_set(owners, "a", one); /* the youngest again */
	owners_set(owners, "d", one);
	assert_null(owners_get(owners, "b"));
	assert_ptr_equal(owners_get(owners, "a"), one);
	assert_ptr_equal(owners_get(owners, "c"), one);
	assert_ptr_equal(owners_get(owners, "d"), one);
	owners_free(owners);
}

static void test_none_costs_another_its_names(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(3, OWNERS_NAME_MAX);
	owners_set(owners, "mine", one);
	for (unsigned i = 0; i < 100; i++) {
		g_autofree char *name = g_strdup_printf("%u", i);
		owners_set(owners, name, other);
	}
	assert_ptr_equal(owners_get(owners, "mine"), one);
	assert_ptr_equal(owners_get(owners, "97"), other);
	assert_null(owners_get(owners, "96"));
	owners_free(owners);
}

static void test_bytes_are_bounded(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(1000, OWNERS_NAME_MAX);
	g_autofree char *longest = g_strnfill(OWNERS_NAME_MAX, 'x');
	g_autofree char *too_long = g_strnfill(OWNERS_NAME_MAX + 1, 'y');
	owners_set(owners, "a", one);
	owners_set(owners, "b", one);
	owners_set(owners, too_long, one);
	assert_null(owners_get(owners, too_long));
	assert_ptr_equal(owners_get(owners, "a"), one);
	owners_set(owners, longest, one);
	assert_ptr_equal(owners_get(owners, longest), one);
	assert_null(owners_get(owners, "a"));
	assert_null(owners_get(owners, "b"));
	owners_set(owners, "c", one);
	assert_null(owners_get(owners, longest));
	assert_ptr_equal(owners_get(owners, "c"), one);
	owners_free(owners);
}

static void test_names_are_given_to_another(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(3, OWNERS_NAME_MAX);
	owners_set(owners, "mine", other);
	owners_set(owners, "a", one);
	owners_set(owners, "b", one);
	owners_set(owners, "c", one);
	owners_give(owners, one, other);
	/* Together they are too many: the oldest goes. */
	assert_null(owners_get(owners, "mine"));
	assert_ptr_equal(owners_get(owners, "a"), other);
	assert_ptr_equal(owners_get(owners, "c"), other);
	owners_give(owners, one, other); /* which has none any more */
	owners_set(owners, "d", one);
	assert_ptr_equal(owners_get(owners, "d"), one);
	assert_ptr_equal(owners_get(owners, "a"), other);
	owners_free(owners);
}

static void test_what_is_nobodys_is_remembered(void **state)
{
	(void)state;
	struct Owners *owners = owners_new(2, OWNERS_NAME_MAX);
	owners_set(owners, "a", one);
	owners_set(owners, "b", one);
	assert_false(owners_is_nobodys(owners, "a"));
	owners_give(owners, one, NULL);
	assert_null(owners_get(owners, "a"));
	assert_true(owners_is_nobodys(owners, "a"));
	assert_true(owners_is_nobodys(owners, "b"));
	assert_false(owners_is_nobodys(owners, "c"));
	owners_set(owners, "b", other);
	assert_false(owners_is_nobodys(owners, "b"));
	/* Within limits. */
	owners_set(owners, "c", one);
	owners_set(owners, "d", one);
	owners_give(owners, one, NULL);
	assert_false(owners_is_nobodys(owners, "a"));
	assert_true(owners_is_nobodys(owners, "c"));
	assert_ptr_equal(owners_get(owners, "b"), other);
	owners_free(owners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_named_is_known),
		cmocka_unit_test(test_the_last_who_names_it_has_it),
		cmocka_unit_test(test_the_oldest_of_an_upstream_is_forgotten),
		cmocka_unit_test(test_none_costs_another_its_names),
		cmocka_unit_test(test_bytes_are_bounded),
		cmocka_unit_test(test_names_are_given_to_another),
		cmocka_unit_test(test_what_is_nobodys_is_remembered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
