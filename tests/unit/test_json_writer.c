#include "format/json_writer.h"

#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_sets_commas_at_every_level(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new("before ");
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_key(&w, "a");
	json_begin_array(&w);
	json_int(&w, 1);
	json_begin_object(&w);
	json_end_object(&w);
	json_begin_array(&w);
	json_end_array(&w);
	json_null(&w);
	json_end_array(&w);
	json_member_bool(&w, "b", true);
	json_member_string(&w, "c", "d");
	json_key_raw(&w, SLICE("\"\\u0065\""));
	json_bool(&w, false);
	json_member_raw(&w, "f", SLICE("1.10"));
	json_member_int(&w, "g", -7);
	json_end_object(&w);
	assert_string_equal(out->str, "before "
				      "{\"a\":[1,{},[],null],\"b\":true,\"c\":\"d\",\"\\u0065\":"
				      "false,\"f\":1.10,\"g\":-7}");
	assert_int_equal(w.depth, 0);
}

static void test_a_lone_scalar_is_a_document(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_cstring(&w, "x");
	assert_string_equal(out->str, "\"x\"");
}

static void test_integers_are_written_to_both_ends(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_array(&w);
	json_int(&w, INT64_MIN);
	json_int(&w, INT64_MAX);
	json_int(&w, 0);
	json_end_array(&w);
	assert_string_equal(out->str, "[-9223372036854775808,9223372036854775807,0]");
}

static void test_siblings_after_deep_nesting_get_their_comma(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	for (int i = 0; i < 63; i++) {
		json_begin_array(&w);
		json_int(&w, i);
	}
	for (int i = 0; i < 63; i++) {
		json_null(&w);
		json_end_array(&w);
	}
	assert_true(json_validate((struct Slice){out->str, out->len}, NULL));
	assert_true(g_str_has_prefix(out->str, "[0,[1,[2,"));
	assert_true(g_str_has_suffix(out->str, ",null],null],null]"));
	assert_non_null(strstr(out->str, ",[61,[62,null],null],null],"));
}

static void assert_quoted(struct Slice text, const char *expected)
{
	/* An exact copy, for the address sanitizer to see reads past the end. */
	g_autofree char *exact = g_memdup2(text.data, text.len);
	g_autoptr(GString) out = g_string_new(NULL);
	json_append_quoted(out, (struct Slice){exact, text.len});
	assert_string_equal(out->str, expected);
	assert_int_equal(out->len, strlen(expected));
	assert_true(json_validate((struct Slice){out->str, out->len}, NULL));
}

static void test_a_container_starts_afresh_after_its_siblings(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_array(&w);
	for (int i = 0; i < 3; i++) {
		json_begin_object(&w);
		json_member_int(&w, "a", i);
		json_member_int(&w, "b", i);
		json_end_object(&w);
	}
	json_end_array(&w);
	assert_string_equal(out->str, "[{\"a\":0,\"b\":0},{\"a\":1,\"b\":1},{\"a\":2,\"b\":2}]");
}

static void test_escapes_what_must_be_escaped_and_no_more(void **state)
{
	(void)state;
	assert_quoted(SLICE(""), "\"\"");
	assert_quoted(SLICE("plain / text 'of' more than eight <bytes>"),
		"\"plain / text 'of' more than eight <bytes>\"");
	assert_quoted(SLICE("\"\\\b\f\n\r\t"), "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
	assert_quoted(SLICE("\0\x01\x1f\x7f"), "\"\\u0000\\u0001\\u001f\x7f\"");
	assert_quoted(SLICE("12345678\"12345678\\"), "\"12345678\\\"12345678\\\\\"");
	assert_quoted(SLICE("é€😀\u2028"), "\"é€😀\u2028\"");
}

static void test_every_byte_comes_back_through_the_reader(void **state)
{
	(void)state;
	for (int c = 1; c < 0x80; c++) {
		for (int before = 0; before < 10; before++) {
			g_autofree char *text = g_strnfill((gsize)before + 10, 'x');
			text[before] = (char)c;
			g_autoptr(GString) out = g_string_new(NULL);
			json_append_quoted(out, slice_of(text));
			struct Slice raw = {out->str, out->len};
			assert_true(json_validate(raw, NULL));
			assert_true(json_string_is(raw, slice_of(text)));
		}
	}
}

static void test_invalid_utf8_becomes_the_replacement_character(void **state)
{
	(void)state;
	assert_quoted(SLICE("a\xff"
			    "b"),
		"\"a\uFFFDb\"");
	assert_quoted(SLICE("\xc0\xaf"), "\"\uFFFD\uFFFD\""); /* overlong */
	assert_quoted(SLICE("\xed\xa0\x80"), "\"\uFFFD\uFFFD\uFFFD\""); /* a surrogate */
	assert_quoted(SLICE("\xf4\x90\x80\x80"), "\"\uFFFD\uFFFD\uFFFD\uFFFD\"");
	assert_quoted(SLICE("\xe2\x82"), "\"\uFFFD\uFFFD\""); /* cut off */
	assert_quoted(SLICE("\xc3\xc3\xa9"), "\"\uFFFDé\"");
}

static void test_no_data_is_the_empty_string(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_array(&w);
	json_string(&w, (struct Slice){NULL, 0});
	json_cstring(&w, NULL);
	json_end_array(&w);
	assert_string_equal(out->str, "[\"\",\"\"]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sets_commas_at_every_level),
		cmocka_unit_test(test_a_lone_scalar_is_a_document),
		cmocka_unit_test(test_integers_are_written_to_both_ends),
		cmocka_unit_test(test_siblings_after_deep_nesting_get_their_comma),
		cmocka_unit_test(test_a_container_starts_afresh_after_its_siblings),
		cmocka_unit_test(test_escapes_what_must_be_escaped_and_no_more),
		cmocka_unit_test(test_every_byte_comes_back_through_the_reader),
		cmocka_unit_test(test_invalid_utf8_becomes_the_replacement_character),
		cmocka_unit_test(test_no_data_is_the_empty_string),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
