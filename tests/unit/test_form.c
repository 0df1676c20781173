#include "format/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void a_form_is_built_of_encoded_pairs(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	form_append(out, "grant_type", "authorization_code");
	form_append(out, "code", "a&b=c+d e/f?%\"\x7f\xc3\xa9");
	form_append(out, "left out", NULL);
	form_append(out, "an empty", "");
	form_append(out, "same", "AZaz09-._~");
	assert_string_equal(out->str,
		"grant_type=authorization_code&code=a%26b%3Dc%2Bd%20e%2Ff%3F%25%22%7F%C3%A9"
		"&an%20empty=&same=AZaz09-._~");
}

static void a_slice_is_encoded_with_every_byte(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	form_append_slice(out, "a", (struct Slice){"x\0\xffyz", 4});
	form_append_slice(out, "none", (struct Slice){NULL, 0});
	form_append_slice(out, "b", SLICE(""));
	assert_string_equal(out->str, "a=x%00%FFy&b=");
}

static void all_but_the_unreserved_is_escaped(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char byte = (char)c;
		g_autoptr(GString) out = g_string_new("x");
		form_encode(out, (struct Slice){&byte, 1});
		g_autofree char *expected = g_strdup_printf(
			g_ascii_isalnum(c) || (c && strchr("-._~", (int)c)) ? "x%c" : "x%%%02X", c);
		assert_string_equal(out->str, expected);
	}
	g_autoptr(GString) out = g_string_new("x");
	form_encode(out, (struct Slice){NULL, 0});
	assert_string_equal(out->str, "x");
}

static void expect(const char *query, const char *name, enum FormField field, const char *expected)
{
	char untouched[] = "untouched";
	char *value = untouched;
	enum FormField got = form_get(slice_of(query), name, &value);
	if (got != field)
		fail_msg("%s in %s is %d", name, query, (int)got);
	assert_string_equal(value, field == FORM_ONCE ? expected : untouched);
	if (field == FORM_ONCE)
		g_free(value);
}

static void parameters_are_found_and_decoded(void **state)
{
	(void)state;
	expect("code=abc&state=xyz", "code", FORM_ONCE, "abc");
	expect("code=abc&state=xyz", "state", FORM_ONCE, "xyz");
	expect("code=a%26b%3dc+d%20e%2Bf", "code", FORM_ONCE, "a&b=c d e+f");
	expect("iss=https://h/a?b=c", "iss", FORM_ONCE, "https://h/a?b=c");
	expect("x=%C3%A9\xc3\xa9", "x", FORM_ONCE, "\xc3\xa9\xc3\xa9");
	expect("x=a\nb", "x", FORM_ONCE, "a\nb");
	expect("c%6Fde=1", "code", FORM_ONCE, "1");
	expect("my+name=1", "my name", FORM_ONCE, "1");
	expect("&&a=1&", "a", FORM_ONCE, "1");
}

static void a_parameter_may_have_an_empty_value(void **state)
{
	(void)state;
	expect("code=", "code", FORM_ONCE, "");
	expect("code", "code", FORM_ONCE, "");
	expect("a=1&code&b=2", "code", FORM_ONCE, "");
	expect("=x", "", FORM_ONCE, "x");
}

static void what_is_not_there_is_absent(void **state)
{
	(void)state;
	expect("", "code", FORM_ABSENT, NULL);
	expect(NULL, "code", FORM_ABSENT, NULL);
	expect("&&", "code", FORM_ABSENT, NULL);
	expect("xcode=1&codex=2&CODE=3&a=code", "code", FORM_ABSENT, NULL);
	expect("?code=1", "code", FORM_ABSENT, NULL);
	expect("a=1;code=2", "code", FORM_ABSENT, NULL);
	/* A name that cannot be decoded is no name. */
	expect("code%=1&%zz=2&co%00de=3", "code", FORM_ABSENT, NULL);
}

static void a_parameter_must_not_come_twice(void **state)
{
	(void)state;
	expect("code=1&code=2", "code", FORM_REPEATED, NULL);
	expect("code=1&a=b&code=1", "code", FORM_REPEATED, NULL);
	expect("code&c%6fde", "code", FORM_REPEATED, NULL);
	expect("code=%&code=%", "code", FORM_REPEATED, NULL);
	expect("code=1&code=2&state=x", "state", FORM_ONCE, "x");
}

static void what_cannot_be_text_is_malformed(void **state)
{
	(void)state;
	static const char *const queries[] = {"a=%", "a=%4", "a=%zz", "a=x%4gx", "a=%%41", "a=%00",
		"a=x%00y", "a=%ff", "a=\xff", "a=%C3", "a=%C3x", "a=%ED%A0%80", "a=%C0%80"};
	for (size_t i = 0; i < G_N_ELEMENTS(queries); i++)
		expect(queries[i], "a", FORM_MALFORMED, NULL);
	char *value = NULL;
	assert_int_equal(form_get(SLICE("a=x\0y"), "a", &value), FORM_MALFORMED);
	assert_null(value);
	/* Of others it is of no concern. */
	expect("b=%zz&a=1", "a", FORM_ONCE, "1");
}

static void only_the_slice_is_read(void **state)
{
	(void)state;
	/* At its exact size on the heap, so that a sanitizer sees a byte too much. */
	char *exact = g_memdup2("a=1&b=", 6);
	char *value = NULL;
	assert_int_equal(form_get((struct Slice){exact, 6}, "b", &value), FORM_ONCE);
	assert_string_equal(value, "");
	g_free(value);
	assert_int_equal(form_get((struct Slice){exact, 2}, "a", &value), FORM_ONCE);
	assert_string_equal(value, "");
	g_free(value);
	g_free(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_form_is_built_of_encoded_pairs),
		cmocka_unit_test(a_slice_is_encoded_with_every_byte),
		cmocka_unit_test(all_but_the_unreserved_is_escaped),
		cmocka_unit_test(parameters_are_found_and_decoded),
		cmocka_unit_test(a_parameter_may_have_an_empty_value),
		cmocka_unit_test(what_is_not_there_is_absent),
		cmocka_unit_test(a_parameter_must_not_come_twice),
		cmocka_unit_test(what_cannot_be_text_is_malformed),
		cmocka_unit_test(only_the_slice_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
