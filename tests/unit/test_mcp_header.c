#include "format/mcp_header.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect_encoded(struct Slice value, const char *expected)
{
	g_autoptr(GString) out = g_string_new("x: ");
	mcp_header_encode(value, out);
	assert_string_equal(out->str + 3, expected);
	assert_true(mcp_header_is_value(slice_of(out->str + 3)));
}

static void test_the_examples_of_the_specification_encode_as_it_says(void **state)
{
	(void)state;
	expect_encoded(SLICE("us-west1"), "us-west1");
	expect_encoded(SLICE("Hello, 世界"), "=?base64?SGVsbG8sIOS4lueVjA==?=");
	expect_encoded(SLICE(" padded "), "=?base64?IHBhZGRlZCA=?=");
	expect_encoded(SLICE("line1\nline2"), "=?base64?bGluZTEKbGluZTI=?=");
	expect_encoded(SLICE("=?base64?literal?="), "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
}

static void test_what_is_plain_stays_as_it_is(void **state)
{
	(void)state;
	expect_encoded((struct Slice){NULL, 0}, "");
	expect_encoded(SLICE("a b\tc"), "a b\tc");
	expect_encoded(SLICE("!~\"\\"), "!~\"\\");
	expect_encoded(SLICE("=?base64?open"), "=?base64?open");
	expect_encoded(SLICE("=?BASE64?eA==?="), "=?BASE64?eA==?=");
	expect_encoded(SLICE("x=?base64?eA==?="), "x=?base64?eA==?=");
}

static void test_what_a_header_cannot_carry_is_encoded(void **state)
{
	(void)state;
	expect_encoded(SLICE(" "), "=?base64?IA==?=");
	expect_encoded(SLICE("a\t"), "=?base64?YQk=?=");
	expect_encoded(SLICE("\ra"), "=?base64?DWE=?=");
	expect_encoded(SLICE("a\x7f"), "=?base64?YX8=?=");
	expect_encoded(SLICE("=?base64?"
			     "?="),
		"=?base64?PT9iYXNlNjQ/Pz0=?=");
	expect_encoded(SLICE("=?base64?="), "=?base64?PT9iYXNlNjQ/PQ==?=");
}

static void test_tokens_are_those_of_rfc_9110(void **state)
{
	(void)state;
	assert_true(mcp_header_is_token(SLICE("!#$%&'*+-.^_`|~09azAZ")));
	const char *wrong[] = {"", " ", "a b", "a:", "a/b", "é", "a\r\nX", "(", "@", "\x7f", "\""};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_false(mcp_header_is_token(slice_of(wrong[i])));
	assert_false(mcp_header_is_token(SLICE("a\0b")));
}

static void test_values_hold_no_control_characters_and_no_outer_space(void **state)
{
	(void)state;
	assert_true(mcp_header_is_value(SLICE("")));
	assert_true(mcp_header_is_value(SLICE("Bearer a\tb")));
	const char *wrong[] = {" a", "a ", "\ta", "a\t", "a\rb", "a\nb", "a\x01", "a\x7f"};
	for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_false(mcp_header_is_value(slice_of(wrong[i])));
	assert_false(mcp_header_is_value(SLICE("a\0b")));
}

static void add_line(const char *name, const char *value, void *user)
{
	assert_true(mcp_header_is_token(slice_of(name)));
	assert_true(mcp_header_is_value(slice_of(value)));
	g_string_append_printf(user, "%s: %s\n", name, value);
}

static void expect_headers(const char *schema, const char *arguments, const char *expected)
{
	assert_true(json_validate(slice_of(schema), NULL));
	struct ParamHeaders *headers = NULL;
	char *why = NULL;
	assert_true(param_headers_parse(slice_of(schema), &headers, &why));
	assert_null(why);
	struct JsonValue value = {.type = JSON_NONE};
	if (arguments) {
		assert_true(json_validate(slice_of(arguments), NULL));
		value = json_root(slice_of(arguments));
	}
	g_autoptr(GString) lines = g_string_new(NULL);
	param_headers_extract(headers, value, add_line, lines);
	assert_string_equal(lines->str, expected);
	param_headers_free(headers);
}

static void expect_none(const char *schema)
{
	assert_true(json_validate(slice_of(schema), NULL));
	struct ParamHeaders *headers = (struct ParamHeaders *)1;
	char *why = NULL;
	assert_true(param_headers_parse(slice_of(schema), &headers, &why));
	assert_null(headers);
	assert_null(why);
}

static void expect_invalid(const char *schema, const char *part_of_why)
{
	assert_true(json_validate(slice_of(schema), NULL));
	struct ParamHeaders *headers = (struct ParamHeaders *)1;
	g_autofree char *why = NULL;
	assert_false(param_headers_parse(slice_of(schema), &headers, &why));
	assert_non_null(why);
	assert_ptr_equal(headers, (void *)1);
	if (!strstr(why, part_of_why))
		fail_msg("%s: %s", schema, why);
}

/* A schema with one property `p` that has the members TEXT. */
#define P(text) "{\"type\":\"object\",\"properties\":{\"p\":{" text "}}}"

static void test_annotated_parameters_become_headers(void **state)
{
	(void)state;
	const char *schema =
		"{\"type\":\"object\",\"properties\":{"
		"\"region\":{\"type\":\"string\",\"description\":\"d\",\"x-mcp-header\":\"Region\"}"
		","
		"\"n\":{\"x-mcp-header\":\"Count\",\"type\":\"integer\"},"
		"\"deep\":{\"type\":\"object\",\"properties\":{\"properties\":{\"properties\":"
		"{\"flag\":{\"type\":\"boolean\",\"x-mcp-header\":\"Flag\"}}}}},"
		"\"query\":{\"type\":\"string\"}}}";
	expect_headers(schema,
		"{\"n\":-7,\"query\":\"q\",\"deep\":{\"properties\":{\"flag\":true}},"
		"\"region\":\"Zür\\u0069ch\"}",
		"Mcp-Param-Region: =?base64?WsO8cmljaA==?=\nMcp-Param-Count: -7\n"
		"Mcp-Param-Flag: true\n");
	expect_headers(
		schema, "{\"region\":\"eu\",\"deep\":{\"flag\":true}}", "Mcp-Param-Region: eu\n");
	expect_headers(schema, "{\"deep\":{\"properties\":[{\"flag\":true}]}}", "");
	expect_headers(schema, NULL, "");
}

static void test_an_empty_string_is_an_empty_header(void **state)
{
	(void)state;
	expect_headers(
		P("\"type\":\"string\",\"x-mcp-header\":\"P\""), "{\"p\":\"\"}", "Mcp-Param-P: \n");
}

static void test_values_that_cannot_be_mirrored_are_left_out(void **state)
{
	(void)state;
	const char *values[] = {"null", "4.5", "9007199254740992", "-9007199254740992", "1e300",
		"[1]", "{\"a\":1}", "\"a\\u0000b\"", "\"\\ud800\"", "18446744073709551616"};
	for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *arguments = g_strdup_printf("{\"p\":%s}", values[i]);
		expect_headers(P("\"type\":\"integer\",\"x-mcp-header\":\"P\""), arguments, "");
	}
}

static void test_integers_are_written_in_decimal(void **state)
{
	(void)state;
	const char *pairs[][2] = {{"42", "42"}, {"42.0", "42"}, {"4.2e1", "42"}, {"-0", "0"},
		{"9007199254740991", "9007199254740991"},
		{"-9007199254740991", "-9007199254740991"}};
	for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
		g_autofree char *arguments = g_strdup_printf("{\"p\":%s}", pairs[i][0]);
		g_autofree char *expected = g_strdup_printf("Mcp-Param-P: %s\n", pairs[i][1]);
		expect_headers(
			P("\"type\":\"integer\",\"x-mcp-header\":\"P\""), arguments, expected);
	}
}

static void test_keys_are_compared_decoded(void **state)
{
	(void)state;
	expect_headers("{\"pr\\u006fperties\":{\"\\u0070\":{\"t\\u0079pe\":\"str\\u0069ng\","
		       "\"\\u0078-mcp\\u002dheader\":\"\\u0050\"}}}",
		"{\"p\":\"v\"}", "Mcp-Param-P: v\n");
	expect_headers("{\"properties\":{\"p\":{\"type\":\"string\","
		       "\"\\u0078\\u002D\\u006D\\u0063\\u0070\\u002d\\u0068\\u0065\\u0061\\u0064"
		       "\\u0065\\u0072\":\"P\"}}}",
		"{\"\\u0070\":\"v\"}", "Mcp-Param-P: v\n");
}

static void test_header_names_break_the_rules(void **state)
{
	(void)state;
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":\"\""), "is empty");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":1"), "is no string");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":null"), "is no string");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":\"a b\""), "no header name");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":\"a\\r\\nb\""), "\"a??b\"");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":\"é\""), "no header name");
	expect_invalid(P("\"type\":\"string\",\"x-mcp-header\":\"a\\u0000\""), "is no text");
	g_autofree char *name = g_strnfill(257, 'a');
	g_autofree char *schema =
		g_strdup_printf(P("\"type\":\"string\",\"x-mcp-header\":\"%s\""), name);
	expect_invalid(schema, "longer than 256 bytes");
}

static void test_names_are_unique_without_regard_to_case(void **state)
{
	(void)state;
	expect_invalid(
		"{\"properties\":{\"a\":{\"type\":\"string\",\"x-mcp-header\":\"Zone\"},"
		"\"b\":{\"properties\":{\"c\":{\"type\":\"integer\",\"x-mcp-header\":\"zONE\"}}}}}",
		"is there twice");
}

static void test_types_other_than_the_three_break_the_rules(void **state)
{
	(void)state;
	expect_invalid(P("\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(P("\"type\":\"number\",\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(P("\"type\":\"object\",\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(P("\"type\":\"array\",\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(P("\"type\":\"null\",\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(
		P("\"type\":[\"string\",\"null\"],\"x-mcp-header\":\"P\""), "on a type other");
	expect_invalid(P("\"type\":[\"string\"],\"x-mcp-header\":\"P\""), "on a type other");
}

#define A "{\"type\":\"string\",\"x-mcp-header\":\"P\"}"

static void test_places_off_the_chain_of_properties_break_the_rules(void **state)
{
	(void)state;
	const char *schemas[] = {
		A,
		P("\"type\":\"array\",\"items\":" A),
		P("\"prefixItems\":[" A "]"),
		P("\"anyOf\":[{\"type\":\"null\"}," A "]"),
		P("\"allOf\":[{\"properties\":{\"q\":" A "}}]"),
		P("\"not\":" A),
		P("\"additionalProperties\":" A),
		P("\"patternProperties\":{\"^x\":" A "}"),
		P("\"unheard-of\":[[[{\"k\":" A "}]]]"),
		"{\"if\":{\"properties\":{\"p\":" A "}}}",
		"{\"$defs\":{\"d\":" A "},\"properties\":{\"p\":{\"$ref\":\"#/$defs/d\"}}}",
		"{\"definitions\":{\"d\":{\"properties\":{\"p\":" A "}}}}",
		"{\"dependentSchemas\":{\"d\":" A "}}",
		"{\"properties\":[" A "]}",
		"{\"properties\":{\"p\":[" A "]}}",
		"{\"properties\":{\"p\":true},\"properties\":{\"q\":" A "}}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(schemas); i++)
		expect_invalid(schemas[i], "properties alone do not lead to");
}

static void test_a_right_annotation_does_not_hide_a_wrong_one(void **state)
{
	(void)state;
	expect_invalid("{\"properties\":{\"p\":" A ",\"q\":{\"items\":{\"type\":\"string\","
		       "\"x-mcp-header\":\"Q\"}}}}",
		"properties alone do not lead to");
}

static void test_the_word_where_it_is_no_annotation_is_left_alone(void **state)
{
	(void)state;
	expect_none("{\"type\":\"object\",\"description\":\"x-mcp-header\"}");
	expect_none("{\"properties\":{\"x-mcp-header\":{\"type\":\"string\"}}}");
	expect_none("{\"$defs\":{\"x-mcp-header\":{\"type\":\"string\"}}}");
	expect_none(P("\"default\":{\"x-mcp-header\":\"P\"}"));
	expect_none(P("\"const\":" A));
	expect_none(P("\"enum\":[" A "]"));
	expect_none(P("\"examples\":[" A "]"));
	expect_none(P("\"X-Mcp-Header\":\"P\""));
	expect_none("{\"required\":[\"x-mcp-header\"]}");
}

static void test_a_property_may_have_a_keywords_name(void **state)
{
	(void)state;
	expect_headers("{\"properties\":{\"default\":" A ",\"x-mcp-header\":{\"type\":\"integer\","
		       "\"x-mcp-header\":\"Q\"}}}",
		"{\"default\":\"d\",\"x-mcp-header\":3}", "Mcp-Param-P: d\nMcp-Param-Q: 3\n");
}

static void test_the_first_of_two_equal_keys_counts(void **state)
{
	(void)state;
	expect_headers(P("\"type\":\"string\",\"x-mcp-header\":\"P\",\"x-mcp-header\":\"Q\""),
		"{\"p\":\"a\",\"p\":\"b\"}", "Mcp-Param-P: a\n");
}

static void test_a_parameter_whose_name_is_no_text_breaks_the_rules(void **state)
{
	(void)state;
	expect_invalid("{\"properties\":{\"a\\u0000b\":" A "}}", "whose name is no text");
	expect_invalid("{\"properties\":{\"\\udc00\":{\"properties\":{\"p\":" A "}}}}",
		"whose name is no text");
}

static void test_more_than_64_headers_break_the_rules(void **state)
{
	(void)state;
	for (unsigned n = 64; n <= 65; n++) {
		g_autoptr(GString) schema = g_string_new("{\"properties\":{");
		for (unsigned i = 0; i < n; i++)
			g_string_append_printf(schema,
				"%s\"p%u\":{\"type\":\"string\",\"x-mcp-header\":\"H%u\"}",
				i ? "," : "", i, i);
		g_string_append(schema, "}}");
		if (n == 64)
			expect_headers(schema->str, "{\"p63\":\"x\"}", "Mcp-Param-H63: x\n");
		else
			expect_invalid(schema->str, "more than 64");
	}
}

static char *nested(const char *open, const char *middle, const char *close, unsigned n)
{
	GString *text = g_string_new(NULL);
	for (unsigned i = 0; i < n; i++)
		g_string_append(text, open);
	g_string_append(text, middle);
	for (unsigned i = 0; i < n; i++)
		g_string_append(text, close);
	return g_string_free(text, FALSE);
}

static void test_depth_is_bounded(void **state)
{
	(void)state;
	g_autofree char *fits = nested("{\"properties\":{\"p\":", A, "}}", 31);
	g_autofree char *arguments = nested("{\"p\":", "\"v\"", "}", 31);
	expect_headers(fits, arguments, "Mcp-Param-P: v\n");
	g_autofree char *deep = nested("{\"properties\":{\"p\":", A, "}}", 32);
	expect_invalid(deep, "too deep");
	g_autofree char *arrays = nested("[", A, "]", 500);
	g_autofree char *in_arrays = g_strconcat("{\"k\":", arrays, "}", NULL);
	expect_invalid(in_arrays, "too deep");
	g_autofree char *plain =
		nested("{\"properties\":{\"p\":", "{\"d\":\"\\u00e9\"}", "}}", 200);
	expect_none(plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_the_specification_encode_as_it_says),
		cmocka_unit_test(test_what_is_plain_stays_as_it_is),
		cmocka_unit_test(test_what_a_header_cannot_carry_is_encoded),
		cmocka_unit_test(test_tokens_are_those_of_rfc_9110),
		cmocka_unit_test(test_values_hold_no_control_characters_and_no_outer_space),
		cmocka_unit_test(test_annotated_parameters_become_headers),
		cmocka_unit_test(test_an_empty_string_is_an_empty_header),
		cmocka_unit_test(test_values_that_cannot_be_mirrored_are_left_out),
		cmocka_unit_test(test_integers_are_written_in_decimal),
		cmocka_unit_test(test_keys_are_compared_decoded),
		cmocka_unit_test(test_header_names_break_the_rules),
		cmocka_unit_test(test_names_are_unique_without_regard_to_case),
		cmocka_unit_test(test_types_other_than_the_three_break_the_rules),
		cmocka_unit_test(test_places_off_the_chain_of_properties_break_the_rules),
		cmocka_unit_test(test_a_right_annotation_does_not_hide_a_wrong_one),
		cmocka_unit_test(test_the_word_where_it_is_no_annotation_is_left_alone),
		cmocka_unit_test(test_a_property_may_have_a_keywords_name),
		cmocka_unit_test(test_the_first_of_two_equal_keys_counts),
		cmocka_unit_test(test_a_parameter_whose_name_is_no_text_breaks_the_rules),
		cmocka_unit_test(test_more_than_64_headers_break_the_rules),
		cmocka_unit_test(test_depth_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
