#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- validating ---- */

/* Validates an exact copy, for the address sanitizer to see reads past the end. */
static bool validate(struct Slice text, struct JsonFault *fault)
{
	g_autofree char *exact = g_memdup2(text.data, text.len);
	return json_validate((struct Slice){exact, text.len}, fault);
}

static void assert_valid(struct Slice text)
{
	struct JsonFault fault = {0};
	if (!validate(text, &fault))
		fail_msg("%.*s: %s at %zu", (int)text.len, text.data, fault.reason, fault.offset);
}

static void assert_fault(struct Slice text, size_t offset, const char *reason)
{
	struct JsonFault fault = {0};
	assert_false(validate(text, &fault));
	assert_string_equal(fault.reason, reason);
	assert_int_equal(fault.offset, offset);
	assert_false(validate(text, NULL));
}

static void test_white_space_around_a_document_is_fine(void **state)
{
	(void)state;
	assert_valid(SLICE("\r\n\t {} \t\r\n"));
	assert_valid(SLICE("\n1\n"));
	assert_fault(SLICE("\v{}"), 0, "a value is missing");
	assert_fault(SLICE("{}\0"), 2, "something follows the value");
	assert_fault(SLICE("\xef\xbb\xbf{}"), 0, "a value is missing");
	assert_fault(SLICE("{} {}"), 3, "something follows the value");
}

static void test_faults_say_where_and_why(void **state)
{
	(void)state;
	assert_fault((struct Slice){NULL, 0}, 0, "the text ends early");
	assert_fault(SLICE("  "), 2, "the text ends early");
	assert_fault(SLICE("{\"a\":1"), 6, "the text ends early");
	assert_fault(SLICE("[\"ab"), 4, "the text ends early");
	assert_fault(SLICE("{\"a\""), 4, "the text ends early");
	assert_fault(SLICE("[1,"), 3, "the text ends early");
	assert_fault(SLICE("-"), 1, "the text ends early");
	assert_fault(SLICE("1."), 2, "the text ends early");
	assert_fault(SLICE("1e+"), 3, "the text ends early");
	assert_fault(SLICE("[1,]"), 3, "a value is missing");
	assert_fault(SLICE("{\"a\":1,}"), 7, "a member's key is missing");
	assert_fault(SLICE("{1:1}"), 1, "a member's key is missing");
	assert_fault(SLICE("{\"a\" 1}"), 5, "a colon is missing after a key");
	assert_fault(SLICE("[1 2]"), 3, "a comma or closing bracket is missing");
	assert_fault(SLICE("[1}"), 2, "a comma or closing bracket is missing");
	assert_fault(SLICE("[{\"a\":[]]"), 8, "a comma or closing bracket is missing");
	assert_fault(SLICE("[tru]"), 1, "an unknown word");
	assert_fault(SLICE("nul"), 0, "an unknown word");
	assert_fault(SLICE("[-a]"), 2, "a digit is missing in a number");
	assert_fault(SLICE("[1.]"), 3, "a digit is missing in a number");
	assert_fault(SLICE("[012]"), 2, "a comma or closing bracket is missing");
	assert_fault(SLICE("[\"a\\x\"]"), 3, "a bad escape in a string");
	assert_fault(SLICE("[\"\\u12g4\"]"), 2, "a bad escape in a string");
	assert_fault(SLICE("[\"\\u12"), 2, "a bad escape in a string");
	assert_fault(SLICE("[\"a\nb\"]"), 3, "a control character in a string");
	assert_fault(SLICE("[\"a\0b\"]"), 3, "a control character in a string");
}

static void test_utf8_is_strict(void **state)
{
	(void)state;
	assert_valid(
		SLICE("\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\""));
	assert_valid(SLICE("\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\""));
	const char *wrong[] = {
		"\"\x80\"",
		"\"\xc0\x80\"",
		"\"\xc1\xbf\"",
		"\"\xc3\"",
		"\"\xc3(\"",
		"\"\xe0\x9f\xbf\"",
		"\"\xe2\x82\"",
		"\"\xe2\x82(\"",
		"\"\xed\xa0\x80\"",
		"\"\xed\xbf\xbf\"",
		"\"\xf0\x8f\xbf\xbf\"",
		"\"\xf0\x9f\x98\"",
		"\"\xf0\x9f\x98(\"",
		"\"\xf4\x90\x80\x80\"",
		"\"\xf5\x80\x80\x80\"",
		"\"\xfe\"",
		"\"\xff\"",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
		assert_fault(slice_of(wrong[i]), 1, "invalid UTF-8");
		/* Cut off at the end of the text. */
		assert_false(validate((struct Slice){wrong[i], strlen(wrong[i]) - 1}, NULL));
	}
}

static void test_lone_surrogates_pass_as_escapes(void **state)
{
	(void)state;
	assert_valid(SLICE("[\"\\ud800\",\"\\udfff\",\"\\udc00\\ud800\"]"));
}

/* The word-wise scan must find a byte at each place of a word, and not find what is none. */
static void test_every_byte_is_judged_alike_at_every_place(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
		for (size_t place = 1; place < 26; place++) {
			char text[] = "\"~ !#[]~ !#[]~ !#[]~ !#[]~ \"";
			text[place] = (char)c;
			assert_int_equal(validate(SLICE(text), NULL), plain);
		}
	}
}

static char *nested(size_t depth, const char *open, const char *middle, char close, size_t *len)
{
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < depth; i++)
		g_string_append(out, open);
	g_string_append(out, middle);
	for (size_t i = 0; i < depth; i++)
		g_string_append_c(out, close);
	*len = out->len;
	return g_string_free(out, FALSE);
}

static void test_depth_ends_at_512(void **state)
{
	(void)state;
	size_t len;
	g_autofree char *arrays = nested(512, "[", "1", ']', &len);
	assert_valid((struct Slice){arrays, len});
	g_autofree char *objects = nested(512, "{\"a\":", "1", '}', &len);
	assert_valid((struct Slice){objects, len});
	g_autofree char *mixed = nested(256, "[{\"a\":", "1", '}', &len);
	assert_fault(
		(struct Slice){mixed, len}, 256 * 6 + 2, "a comma or closing bracket is missing");
	g_autofree char *too_deep = nested(513, "[", "1", ']', &len);
	assert_fault((struct Slice){too_deep, len}, 512, "nested too deep");
	g_autofree char *empty = nested(512, "[", "[]", ']', &len);
	assert_fault((struct Slice){empty, len}, 512, "nested too deep");
	g_autofree char *many = nested(1000000, "[", "", ']', &len);
	assert_fault((struct Slice){many, len}, 512, "nested too deep");
}

/* Bits of containers that were closed must not shine through. */
static void test_kinds_of_siblings_are_kept_apart(void **state)
{
	(void)state;
	assert_valid(SLICE("[{\"a\":[{}]},[[1,2],{\"b\":{\"c\":[]}}],{\"d\":1}]"));
	assert_fault(SLICE("[{\"a\":1},[1:2]]"), 11, "a comma or closing bracket is missing");
	assert_fault(SLICE("[[1],{1}]"), 6, "a member's key is missing");
}

/* ---- scanning ---- */

struct Seen {
	GString *list;
	unsigned stop_after;
	unsigned n;
};

static bool see(const struct JsonMember *member, void *user)
{
	struct Seen *seen = user;
	g_string_append_printf(seen->list, "<%.*s|%d|%.*s>", (int)member->key.len,
		member->key.data ? member->key.data : "", (int)member->value.type,
		(int)member->value.raw.len, member->value.raw.data);
	return ++seen->n != seen->stop_after;
}

static void assert_scan(const char *text, const char *expected, enum JsonType root_type)
{
	struct Seen seen = {.list = g_string_new(NULL)};
	struct JsonValue root = {0};
	assert_true(json_scan(slice_of(text), see, &seen, &root, NULL));
	assert_string_equal(seen.list->str, expected);
	assert_int_equal(root.type, root_type);
	g_string_free(seen.list, TRUE);
}

static void test_scan_reports_the_outermost_members_raw(void **state)
{
	(void)state;
	assert_scan(" {\"a\" : [1, {\"x\":2}] ,\n\"b\":\"c\" , \"\\u0063\":-1.50e2,\"d\":{}} ",
		"<\"a\"|6|[1, {\"x\":2}]><\"b\"|5|\"c\"><\"\\u0063\"|4|-1.50e2><\"d\"|7|{}>",
		JSON_OBJECT);
	assert_scan("[true , false,null,[ ],\"\"]", "<|3|true><|2|false><|1|null><|6|[ ]><|5|\"\">",
		JSON_ARRAY);
	assert_scan("{ }", "", JSON_OBJECT);
	assert_scan(" \"x\" ", "", JSON_STRING);
	assert_scan(
		"{\"a\":[{\"b\":1},{\"c\":2}]}", "<\"a\"|6|[{\"b\":1},{\"c\":2}]>", JSON_OBJECT);
}

static void test_scan_hands_out_the_root_without_white_space(void **state)
{
	(void)state;
	struct JsonValue root;
	assert_true(json_scan(SLICE(" \n[1, 2] \t"), NULL, NULL, &root, NULL));
	assert_true(slice_is(root.raw, "[1, 2]"));
	assert_true(json_scan(SLICE("12"), NULL, NULL, &root, NULL));
	assert_true(slice_is(root.raw, "12"));
	assert_int_equal(root.type, JSON_NUMBER);
}

static void test_scan_reports_members_before_a_later_fault(void **state)
{
	(void)state;
	struct Seen seen = {.list = g_string_new(NULL)};
	struct JsonFault fault;
	struct JsonValue root = {.type = JSON_TRUE};
	assert_false(json_scan(SLICE("{\"id\":7,\"b\":[}"), see, &seen, &root, &fault));
	assert_string_equal(seen.list->str, "<\"id\"|4|7>");
	assert_int_equal(fault.offset, 13);
	assert_int_equal(root.type, JSON_TRUE);
	g_string_free(seen.list, TRUE);
}

static void test_scan_stops_when_told(void **state)
{
	(void)state;
	struct Seen seen = {.list = g_string_new(NULL), .stop_after = 2};
	struct JsonFault fault;
	assert_false(json_scan(SLICE("[1,2,3]"), see, &seen, NULL, &fault));
	assert_string_equal(fault.reason, "stopped");
	assert_int_equal(seen.n, 2);
	g_string_free(seen.list, TRUE);
}

/* ---- walking ---- */

static void assert_walk(const char *text, const char *expected)
{
	g_autofree char *exact = g_memdup2(text, strlen(text));
	struct Slice slice = {exact, strlen(text)};
	assert_true(json_validate(slice, NULL));
	struct Seen seen = {.list = g_string_new(NULL)};
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, slice)
		see(&member, &seen);
	assert_string_equal(seen.list->str, expected);
	g_string_free(seen.list, TRUE);
}

static void test_walk_gives_members_and_items_in_order(void **state)
{
	(void)state;
	assert_walk("{\"a\":1,\"b\" : {\"c\":[2,3]} , \"d\":\"e\"}",
		"<\"a\"|4|1><\"b\"|7|{\"c\":[2,3]}><\"d\"|5|\"e\">");
	assert_walk("[ \"x\" , \"y\",[],{},-1e5 ,null ]",
		"<|5|\"x\"><|5|\"y\"><|6|[]><|7|{}><|4|-1e5><|1|null>");
	assert_walk(" {} ", "");
	assert_walk("[\n]", "");
	assert_walk("[\"\"]", "<|5|\"\">");
	assert_walk("{\"\":\"\"}", "<\"\"|5|\"\">");
}

static void test_walk_is_not_fooled_by_what_is_inside_strings(void **state)
{
	(void)state;
	assert_walk("[\"]\",\"\\\"]\",\"\\\\\",\"\\\\\\\"\",1]",
		"<|5|\"]\"><|5|\"\\\"]\"><|5|\"\\\\\"><|5|\"\\\\\\\"\"><|4|1>");
	assert_walk("{\"a:\\\"\":{\"}\":\"{\\\\\"},\"b\":\",\"}",
		"<\"a:\\\"\"|7|{\"}\":\"{\\\\\"}><\"b\"|5|\",\">");
	assert_walk("[[\"[\"],[\"]\"]]", "<|6|[\"[\"]><|6|[\"]\"]>");
}

static void test_walk_of_a_scalar_or_nothing_ends_at_once(void **state)
{
	(void)state;
	assert_walk("\"[1]\"", "");
	assert_walk("12", "");
	assert_walk("null", "");
	struct JsonIter iter = json_iter((struct Slice){NULL, 0});
	struct JsonMember member;
	assert_false(json_next(&iter, &member));
}

static void test_root_is_typed_and_trimmed(void **state)
{
	(void)state;
	struct JsonValue root = json_root(SLICE("\n {\"a\":1} "));
	assert_int_equal(root.type, JSON_OBJECT);
	assert_true(slice_is(root.raw, "{\"a\":1}"));
	assert_int_equal(json_root(SLICE("false")).type, JSON_FALSE);
	assert_int_equal(json_root(SLICE(" ")).type, JSON_NONE);
	assert_int_equal(json_root((struct Slice){NULL, 0}).type, JSON_NONE);
}

static void test_get_compares_decoded_keys_and_takes_the_first(void **state)
{
	(void)state;
	struct Slice object = SLICE("{\"x\":{\"id\":0},\"\\u0069d\":1,\"id\":2,\"é\":3,\"\":4}");
	assert_true(slice_is(json_get(object, "id").raw, "1"));
	assert_true(slice_is(json_get(object, "é").raw, "3"));
	assert_true(slice_is(json_get(object, "").raw, "4"));
	assert_int_equal(json_get(object, "i").type, JSON_NONE);
	assert_int_equal(json_get(object, "idx").type, JSON_NONE);
	assert_int_equal(json_get(SLICE("[\"id\",1]"), "id").type, JSON_NONE);
	assert_int_equal(json_get(SLICE("[1]"), "").type, JSON_NONE);
	assert_int_equal(json_get(SLICE("\"id\""), "id").type, JSON_NONE);
	assert_int_equal(json_get((struct Slice){NULL, 0}, "id").type, JSON_NONE);
}

static void test_duplicates_are_found_by_decoded_key(void **state)
{
	(void)state;
	const char *const names[] = {"id", "method"};
	assert_true(json_has_duplicate(SLICE("{\"id\":1,\"\\u0069d\":2}"), names, 2));
	assert_true(
		json_has_duplicate(SLICE("{\"a\":1,\"method\":1,\"a\":2,\"method\":1}"), names, 2));
	assert_false(json_has_duplicate(
		SLICE("{\"a\":1,\"a\":2,\"id\":{\"id\":1},\"method\":1}"), names, 2));
	assert_false(json_has_duplicate(SLICE("[\"id\",\"id\"]"), names, 2));
	assert_false(json_has_duplicate(SLICE("{}"), names, 0));
}

static void test_duplicates_are_found_among_more_than_64_names(void **state)
{
	(void)state;
	const char *names[70];
	for (size_t i = 0; i < 69; i++)
		names[i] = "none";
	names[69] = "last";
	assert_true(json_has_duplicate(SLICE("{\"last\":1,\"last\":2}"), names, 70));
	assert_false(json_has_duplicate(SLICE("{\"last\":1,\"first\":2}"), names, 70));
}

/* Texts that were cut or spoilt after all must not lead a walk out of bounds or into a loop. */
static void test_walks_of_broken_texts_stay_inside_and_end(void **state)
{
	(void)state;
	const char *broken[] = {"[", "{", "[]]]", "[1}2]", "{\"a}", "{\"a\":}", "{\"a\\\"}", "[[[[",
		"[:,:]", "[\"\\\"", "{\"a\":\"", "[}]", "{]}", "[\\]", "\"", "\"\\",
		"{\"a\":1\\u}"};
	for (size_t i = 0; i < G_N_ELEMENTS(broken); i++) {
		g_autofree char *exact = g_memdup2(broken[i], strlen(broken[i]));
		struct Slice text = {exact, strlen(broken[i])};
		unsigned n = 0;
		struct JsonMember member;
		JSON_FOR_EACH_MEMBER (member, text) {
			json_string_is(member.value.raw, SLICE("a"));
			g_free(json_string_dup(member.value));
			n++;
		}
		assert_true(n <= text.len);
		json_get(text, "a");
		g_free(json_string_dup(json_root(text)));
	}
}

/* ---- strings ---- */

static void assert_decodes(const char *raw, struct Slice expected)
{
	g_autofree char *exact = g_memdup2(raw, strlen(raw));
	struct Slice slice = {exact, strlen(raw)};
	assert_true(json_validate(slice, NULL));
	assert_true(json_string_is(slice, expected));
	g_autoptr(GString) out = g_string_new("x");
	assert_true(json_string_decode(slice, out));
	assert_int_equal(out->len, expected.len + 1);
	assert_memory_equal(out->str + 1, expected.data, expected.len);
	g_autofree char *dup = json_string_dup(json_root(slice));
	assert_string_equal(dup, out->str + 1);
}

static void test_strings_decode(void **state)
{
	(void)state;
	assert_decodes("\"\"", SLICE(""));
	assert_decodes("\"plain é😀\"", SLICE("plain é😀"));
	assert_decodes("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", SLICE("\"\\/\b\f\n\r\t"));
	assert_decodes("\"a\\u00e9\\u20AC\\ud83d\\uDE00z\"", SLICE("aé€😀z"));
	assert_decodes("\"\\u0001\\u007f\\u0080\\u07ff\\u0800\\uffff\"",
		SLICE("\x01\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf"));
	assert_decodes(
		"\"\\ud800\\udc00\\udbff\\udfff\"", SLICE("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
	assert_decodes("\"\\\\u0041\"", SLICE("\\u0041"));
}

static void test_strings_compare_exactly(void **state)
{
	(void)state;
	assert_false(json_string_is(SLICE("\"ab\""), SLICE("a")));
	assert_false(json_string_is(SLICE("\"a\""), SLICE("ab")));
	assert_false(json_string_is(SLICE("\"a\\u0062\""), SLICE("a")));
	assert_false(json_string_is(SLICE("\"a\\u0062\""), SLICE("abc")));
	assert_false(json_string_is(SLICE("\"a\\u0062c\""), SLICE("abd")));
	assert_false(json_string_is(SLICE("\"A\""), SLICE("a")));
	assert_false(json_string_is(SLICE("\"\\u00e9\""), SLICE("\xc3")));
	assert_true(json_string_is(SLICE("\"a\\u0000b\""), SLICE("a\0b")));
	assert_false(json_string_is(SLICE("\"a\\u0000b\""), SLICE("a")));
	assert_true(json_string_is(SLICE("\"\""), (struct Slice){NULL, 0}));
	assert_false(json_string_is(SLICE("12"), SLICE("12")));
	assert_false(json_string_is((struct Slice){NULL, 0}, SLICE("")));
}

static void test_lone_surrogates_and_nul_do_not_decode(void **state)
{
	(void)state;
	const char *raw[] = {"\"a\\ud800\"", "\"a\\udc00\"", "\"\\ud800\\u0041\"",
		"\"\\ud800\\ud800\"", "\"\\ud83dx\"", "\"\\udc00\\ud800\"", "\"\\udc00\\udc00\"",
		"\"\\ud800\\ue000\"", "\"\\ud800\\\\udc00\"", "\"a\\u0000\""};
	for (size_t i = 0; i < G_N_ELEMENTS(raw); i++) {
		assert_valid(slice_of(raw[i]));
		g_autoptr(GString) out = g_string_new("before");
		assert_false(json_string_decode(slice_of(raw[i]), out));
		assert_string_equal(out->str, "before");
		assert_int_equal(out->len, 6);
		assert_null(json_string_dup(json_root(slice_of(raw[i]))));
	}
	assert_false(json_string_is(SLICE("\"\\ud800\""), SLICE("\xed\xa0\x80")));
	assert_null(json_string_dup(json_root(SLICE("12"))));
	assert_null(json_string_dup((struct JsonValue){0}));
}

/* ---- numbers ---- */

static void assert_int64(const char *text, int64_t expected)
{
	int64_t n = expected ^ 1;
	assert_valid(slice_of(text));
	struct JsonValue value = json_root(slice_of(text));
	assert_true(json_is_integer(value));
	assert_true(json_int64(value, &n));
	assert_true(n == expected);
}

static void assert_no_int64(const char *text, bool integer)
{
	int64_t n = 77;
	struct JsonValue value = json_root(slice_of(text));
	assert_int_equal(json_is_integer(value), integer);
	assert_false(json_int64(value, &n));
	assert_true(n == 77);
}

static void test_integers_are_read_in_every_spelling(void **state)
{
	(void)state;
	assert_int64("0", 0);
	assert_int64("-0", 0);
	assert_int64("-0.00e-7", 0);
	assert_int64("0e99999999999999999999", 0);
	assert_int64("42", 42);
	assert_int64("1.0", 1);
	assert_int64("1e3", 1000);
	assert_int64("-1E+3", -1000);
	assert_int64("1.5e1", 15);
	assert_int64("1200e-2", 12);
	assert_int64("0.001e3", 1);
	assert_int64("100500.00", 100500);
	assert_int64("9223372036854775807", INT64_MAX);
	assert_int64("-9223372036854775808", INT64_MIN);
	assert_int64("9.223372036854775807e18", INT64_MAX);
	assert_int64("92233720368547758070e-1", INT64_MAX);
	assert_int64("1000000000000000000", 1000000000000000000);
	assert_int64("0.000000000000000000000000000001e30", 1);
	assert_int64("1000000000000000000000000000000e-30", 1);
}

static void test_what_is_no_int64_is_refused(void **state)
{
	(void)state;
	assert_no_int64("9223372036854775808", true);
	assert_no_int64("-9223372036854775809", true);
	assert_no_int64("10000000000000000000", true);
	assert_no_int64("18446744073709551617", true);
	assert_no_int64("123456789012345678901234567890", true);
	assert_no_int64("1e19", true);
	assert_no_int64("1e99999999999999999999", true);
	assert_no_int64("1.5", false);
	assert_no_int64("1e-1", false);
	assert_no_int64("0.1", false);
	assert_no_int64("1e-99999999999999999999", false);
	assert_no_int64("123456789012345678901234567890.5", false);
	assert_no_int64("\"1\"", false);
	assert_no_int64("true", false);
	assert_no_int64("[1]", false);
	assert_no_int64("", false);
}

static void test_a_long_number_takes_no_time(void **state)
{
	(void)state;
	g_autofree char *zeros = g_strnfill(1 << 20, '0');
	zeros[0] = '1';
	g_autofree char *text = g_strdup_printf("%s1e-1", zeros);
	assert_no_int64(text, false);
	g_autofree char *one = g_strdup_printf("%se-%d", zeros, (1 << 20) - 1);
	assert_int64(one, 1);
}

/* ---- one line ---- */

static void test_line_breaks_become_spaces(void **state)
{
	(void)state;
	char text[] = "\r\n{\n\t\"a\\n\":\r\n[1,\n\n2]\n}\n";
	json_make_one_line(text, strlen(text));
	assert_string_equal(text, "  { \t\"a\\n\":  [1,  2] } ");
	assert_valid(SLICE(text));
	json_make_one_line(NULL, 0);
	char part[] = "\n\n";
	json_make_one_line(part, 1);
	assert_string_equal(part, " \n");
}

#define T(name) cmocka_unit_test(test_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(white_space_around_a_document_is_fine),
		T(faults_say_where_and_why),
		T(utf8_is_strict),
		T(lone_surrogates_pass_as_escapes),
		T(every_byte_is_judged_alike_at_every_place),
		T(depth_ends_at_512),
		T(kinds_of_siblings_are_kept_apart),
		T(scan_reports_the_outermost_members_raw),
		T(scan_hands_out_the_root_without_white_space),
		T(scan_reports_members_before_a_later_fault),
		T(scan_stops_when_told),
		T(walk_gives_members_and_items_in_order),
		T(walk_is_not_fooled_by_what_is_inside_strings),
		T(walk_of_a_scalar_or_nothing_ends_at_once),
		T(root_is_typed_and_trimmed),
		T(get_compares_decoded_keys_and_takes_the_first),
		T(duplicates_are_found_by_decoded_key),
		T(duplicates_are_found_among_more_than_64_names),
		T(walks_of_broken_texts_stay_inside_and_end),
		T(strings_decode),
		T(strings_compare_exactly),
		T(lone_surrogates_and_nul_do_not_decode),
		T(integers_are_read_in_every_spelling),
		T(what_is_no_int64_is_refused),
		T(a_long_number_takes_no_time),
		T(line_breaks_become_spaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
