#include "base/base64url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void expect(struct Slice bytes, const char *text)
{
	g_autofree char *encoded = base64url_encode(bytes.data, bytes.len);
	assert_string_equal(encoded, text);
	size_t len = 99;
	g_autofree char *decoded = base64url_decode(slice_of(text), &len);
	assert_non_null(decoded);
	assert_int_equal(len, bytes.len);
	assert_memory_equal(decoded, bytes.data, len);
	assert_int_equal(decoded[len], '\0');
}

/* RFC 4648, 10, without its padding. */
static void known_texts_go_both_ways(void **state)
{
	(void)state;
	expect(SLICE(""), "");
	expect(SLICE("f"), "Zg");
	expect(SLICE("fo"), "Zm8");
	expect(SLICE("foo"), "Zm9v");
	expect(SLICE("foob"), "Zm9vYg");
	expect(SLICE("fooba"), "Zm9vYmE");
	expect(SLICE("foobar"), "Zm9vYmFy");
	expect(SLICE("\0"), "AA");
}

/* RFC 7515, Appendix C. */
static void both_special_digits_are_those_of_urls(void **state)
{
	(void)state;
	expect(SLICE("\x03\xec\xff\xe0\xc1"), "A-z_4ME");
	expect(SLICE("\xfb\xff\xfe"), "-__-");
}

static void all_bytes_of_all_lengths_come_back(void **state)
{
	(void)state;
	char bytes[256];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + 3);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		g_autofree char *text = base64url_encode(bytes, n);
		assert_int_equal(strlen(text), (n * 4 + 2) / 3);
		expect((struct Slice){bytes, n}, text);
	}
	g_autofree char *none = base64url_encode(NULL, 0);
	assert_string_equal(none, "");
}

static void padding_is_taken_if_it_is_complete(void **state)
{
	(void)state;
	size_t len = 0;
	g_autofree char *two = base64url_decode(SLICE("Zg=="), &len);
	assert_int_equal(len, 1);
	assert_string_equal(two, "f");
	g_autofree char *one = base64url_decode(SLICE("Zm8="), &len);
	assert_int_equal(len, 2);
	assert_string_equal(one, "fo");
}

static void what_is_no_base64url_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"Z", "Zm9vY", "Zg=", "Zg===", "Zm9v=", "Zm9v====", "=",
		"==", "====", "Z===", "Zm=v", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm+v", "Zm/v",
		"Zm9v.", "\xc3\xa9Zg", "Zh", "Zm9", "Zm9vYh", "Zn=="};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		size_t len = 99;
		char *decoded = base64url_decode(slice_of(texts[i]), &len);
		if (decoded)
			fail_msg("\"%s\" was accepted", texts[i]);
		assert_int_equal(len, 99);
	}
	size_t len = 99;
	assert_null(base64url_decode(SLICE("Zm\0v"), &len));
	assert_int_equal(len, 99);
}

static void only_the_slice_is_read(void **state)
{
	(void)state;
	/* At its exact size on the heap, so that a sanitizer sees a byte too much. */
	char *exact = g_memdup2("Zm9v", 4);
	size_t len = 0;
	g_autofree char *decoded = base64url_decode((struct Slice){exact, 4}, &len);
	assert_string_equal(decoded, "foo");
	g_autofree char *part = base64url_decode((struct Slice){exact, 0}, &len);
	assert_int_equal(len, 0);
	assert_string_equal(part, "");
	g_autofree char *none = base64url_decode((struct Slice){NULL, 0}, &len);
	assert_string_equal(none, "");
	g_free(exact);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_texts_go_both_ways),
		cmocka_unit_test(both_special_digits_are_those_of_urls),
		cmocka_unit_test(all_bytes_of_all_lengths_come_back),
		cmocka_unit_test(padding_is_taken_if_it_is_complete),
		cmocka_unit_test(what_is_no_base64url_is_refused),
		cmocka_unit_test(only_the_slice_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
