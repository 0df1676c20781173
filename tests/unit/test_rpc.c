#include "format/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* ---- messages ---- */

static struct RpcMessage parse(const char *text)
{
	struct RpcMessage message = {0};
	struct RpcFault fault = {0};
	if (!rpc_parse(slice_of(text), &message, &fault))
		fail_msg("%s: %s", text, fault.reason);
	return message;
}

/* ID is the raw text of the id that the fault carries, or NULL. */
static void assert_refused(const char *text, int code, const char *reason, const char *id)
{
	struct RpcMessage message = {.kind = RPC_BATCH};
	struct RpcFault fault = {.offset = 99};
	assert_false(rpc_parse(slice_of(text), &message, &fault));
	assert_string_equal(fault.reason, reason);
	assert_int_equal(fault.code, code);
	if (id)
		assert_true(slice_is(fault.id.raw, id));
	else
		assert_int_equal(fault.id.type, JSON_NONE);
	assert_int_equal(message.kind, RPC_BATCH);
	assert_null(message.text.data);
	assert_false(rpc_parse(slice_of(text), &message, NULL));
}

static void assert_invalid(const char *text, const char *reason, const char *id)
{
	assert_refused(text, RPC_INVALID_REQUEST, reason, id);
}

static void test_a_request_is_read_into_slices(void **state)
{
	(void)state;
	struct RpcMessage m =
		parse(" {\"jsonrpc\":\"2.0\", \"id\" : "
		      "\"a-1\",\"method\":\"tools\\/call\",\"params\":{\"name\":\"x\"}}\n");
	assert_int_equal(m.kind, RPC_REQUEST);
	assert_true(slice_is(m.text,
		"{\"jsonrpc\":\"2.0\", \"id\" : \"a-1\",\"method\":\"tools\\/call\","
		"\"params\":{\"name\":\"x\"}}"));
	assert_int_equal(m.id.type, JSON_STRING);
	assert_true(slice_is(m.id.raw, "\"a-1\""));
	assert_true(slice_is(m.method, "\"tools\\/call\""));
	assert_true(slice_is(m.params.raw, "{\"name\":\"x\"}"));
	assert_int_equal(m.result.type, JSON_NONE);
	assert_int_equal(m.error.type, JSON_NONE);
	assert_true(rpc_method_is(&m, "tools/call"));
	assert_false(rpc_method_is(&m, "tools/list"));
	assert_false(rpc_method_is(&m, "tools/cal"));
}

static void test_params_may_be_absent(void **state)
{
	(void)state;
	struct RpcMessage m = parse("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
	assert_int_equal(m.kind, RPC_REQUEST);
	assert_int_equal(m.params.type, JSON_NONE);
}

static void test_a_message_without_id_is_a_notification(void **state)
{
	(void)state;
	struct RpcMessage m =
		parse("{\"method\":\"notifications/initialized\",\"jsonrpc\":\"2.0\"}");
	assert_int_equal(m.kind, RPC_NOTIFICATION);
	assert_int_equal(m.id.type, JSON_NONE);
	assert_true(rpc_method_is(&m, "notifications/initialized"));
}

static void test_answers_are_told_apart(void **state)
{
	(void)state;
	struct RpcMessage m = parse("{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"a\":[1]}}");
	assert_int_equal(m.kind, RPC_RESULT);
	assert_true(slice_is(m.id.raw, "3"));
	assert_true(slice_is(m.result.raw, "{\"a\":[1]}"));
	assert_false(rpc_method_is(&m, ""));

	m = parse("{\"error\":{\"message\":\"no\",\"code\":-32601,\"data\":null},\"id\":\"x\","
		  "\"jsonrpc\":\"2.0\"}");
	assert_int_equal(m.kind, RPC_ERROR);
	assert_true(slice_is(m.id.raw, "\"x\""));
	assert_int_equal(m.error.type, JSON_OBJECT);
	assert_int_equal(m.result.type, JSON_NONE);
}

static void test_an_error_may_lack_its_id(void **state)
{
	(void)state;
	struct RpcMessage m = parse(
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"\"}}");
	assert_int_equal(m.kind, RPC_ERROR);
	assert_int_equal(m.id.type, JSON_NULL);
	m = parse("{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"\"}}");
	assert_int_equal(m.kind, RPC_ERROR);
	assert_int_equal(m.id.type, JSON_NONE);
}

static void test_unknown_members_are_left_alone(void **state)
{
	(void)state;
	struct RpcMessage m =
		parse("{\"x\":1,\"jsonrpc\":\"2.0\",\"x\":[{\"id\":9}],\"id\":1,\"method\":\"m\","
		      "\"_meta\":{\"method\":\"n\"}}");
	assert_int_equal(m.kind, RPC_REQUEST);
	assert_true(slice_is(m.id.raw, "1"));
	assert_true(rpc_method_is(&m, "m"));
}

static void test_escaped_names_and_version_are_understood(void **state)
{
	(void)state;
	struct RpcMessage m = parse(
		"{\"\\u006asonrpc\":\"2\\u002e0\",\"i\\u0064\":1,\"m\\u0065thod\":\"\\u006d\"}");
	assert_int_equal(m.kind, RPC_REQUEST);
	assert_true(rpc_method_is(&m, "m"));
}

static void test_ids_are_strings_or_integers_of_any_spelling_and_size(void **state)
{
	(void)state;
	const char *good[] = {"0", "-1", "1.0", "1e3", "9007199254740993",
		"123456789012345678901234567890", "1e400", "\"\"", "\"\\ud800\"", "\"1\""};
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autofree char *request = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"m\"}", good[i]);
		struct RpcMessage m = parse(request);
		assert_int_equal(m.kind, RPC_REQUEST);
		assert_true(slice_is(m.id.raw, good[i]));
		g_autofree char *result =
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", good[i]);
		assert_int_equal(parse(result).kind, RPC_RESULT);
	}
	const char *bad[] = {"null", "1.5", "1e-3", "true", "false", "[]", "{}", "[1]"};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *request =
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"m\"}", bad[i]);
		assert_invalid(request, "the id is neither a string nor an integer", NULL);
		g_autofree char *result =
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", bad[i]);
		assert_invalid(
			result, "the id of a result is neither a string nor an integer", NULL);
		if (i == 0)
			continue;
		g_autofree char *error = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":1,\"message\":\"\"}}",
			bad[i]);
		assert_invalid(
			error, "the id of an error is neither a string, an integer nor null", NULL);
	}
	assert_invalid("{\"jsonrpc\":\"2.0\",\"result\":{}}",
		"the id of a result is neither a string nor an integer", NULL);
}

static void test_duplicates_are_refused_by_decoded_name(void **state)
{
	(void)state;
	const char *why = "a member is there twice";
	/* Which of two ids would be meant is unknown. */
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"\\u0069d\":2,\"method\":\"m\"}", why, NULL);
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":null,\"id\":2,\"method\":\"m\"}", why, NULL);
	assert_invalid("{\"id\":1,\"\\u0069d\":2}", why, NULL);
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\"}", why, "1");
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"id\":1,\"method\":\"m\"}", why, "1");
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":{},\"params\":{}}", why,
		"1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"result\":{}}", why, "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{},\"error\":{}}", why, "1");
}

static void test_a_wrong_envelope_is_refused_with_its_id(void **state)
{
	(void)state;
	assert_invalid("{\"id\":1,\"method\":\"m\"}", "jsonrpc is not \"2.0\"", "1");
	assert_invalid(
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"m\"}", "jsonrpc is not \"2.0\"", "1");
	assert_invalid("{\"jsonrpc\":2.0,\"id\":\"x\",\"method\":\"m\"}", "jsonrpc is not \"2.0\"",
		"\"x\"");
	assert_invalid("{}", "jsonrpc is not \"2.0\"", NULL);
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", "method is no string", "1");
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":null}", "method is no string", "1");
	const char *none = "there is not exactly one of method, result and error";
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1}", none, "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"params\":{}}", none, "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"result\":{}}", none, "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{\"code\":1,"
		       "\"message\":\"\"}}",
		none, "1");
}

static void test_params_result_and_error_must_be_objects(void **state)
{
	(void)state;
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":[]}",
		"params is no object", "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"params\":null}",
		"params is no object", "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"method\":\"m\",\"params\":\"{}\"}",
		"params is no object", NULL);
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"ok\"}", "result is no object", "1");
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null}", "result is no object", "1");
	assert_invalid(
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":\"no\"}", "error is no object", "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,\"error\":null}",
		"result is no object", "1");
	assert_invalid("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"m\",\"error\":null}",
		"error is no object", "1");
}

static void test_half_an_answer_may_be_null(void **state)
{
	(void)state;
	struct RpcMessage m =
		parse("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1},\"error\":null}");
	assert_int_equal(m.kind, RPC_RESULT);
	assert_true(slice_is(m.result.raw, "{\"a\":1}"));
	assert_int_equal(m.error.type, JSON_NONE);
	m = parse("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":null,"
		  "\"error\":{\"code\":-1,\"message\":\"no\"}}");
	assert_int_equal(m.kind, RPC_ERROR);
	assert_true(slice_is(m.error.raw, "{\"code\":-1,\"message\":\"no\"}"));
	assert_int_equal(m.result.type, JSON_NONE);
}

static void test_errors_need_a_code_and_a_message(void **state)
{
	(void)state;
	const char *bad[] = {"{}", "{\"code\":1}", "{\"message\":\"\"}",
		"{\"code\":1.5,\"message\":\"\"}", "{\"code\":\"1\",\"message\":\"\"}",
		"{\"code\":1,\"message\":null}", "{\"code\":1e30,\"message\":\"\"}"};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autofree char *text =
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":%s}", bad[i]);
		assert_invalid(text, "error lacks an integer code or a string message", "4");
	}
}

static void test_a_parse_error_says_where(void **state)
{
	(void)state;
	assert_refused("", RPC_PARSE_ERROR, "the text ends early", NULL);
	assert_refused("hello", RPC_PARSE_ERROR, "a value is missing", NULL);
	struct RpcMessage m;
	struct RpcFault fault;
	assert_false(rpc_parse(SLICE("{\"jsonrpc\":\"2.0\",}"), &m, &fault));
	assert_int_equal(fault.code, RPC_PARSE_ERROR);
	assert_int_equal(fault.offset, 17);
}

static void test_a_parse_error_carries_the_id_that_came_before(void **state)
{
	(void)state;
	const char *why = "a value is missing";
	assert_refused("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"m\",\"params\":{\"a\":}}",
		RPC_PARSE_ERROR, why, "7");
	assert_refused(
		"{\"jsonrpc\":\"2.0\",\"params\":{\"a\":},\"id\":7}", RPC_PARSE_ERROR, why, NULL);
	assert_refused("{\"id\":7,\"id\":8,\"params\":}", RPC_PARSE_ERROR, why, NULL);
	assert_refused("{\"params\":{\"id\":7,\"a\":}", RPC_PARSE_ERROR, why, NULL);
	assert_refused("{\"id\":7", RPC_PARSE_ERROR, "the text ends early", "7");
	assert_refused("{\"id\":nul,", RPC_PARSE_ERROR, "an unknown word", NULL);
}

static void test_scalars_are_no_messages(void **state)
{
	(void)state;
	const char *scalars[] = {"1", "\"jsonrpc\"", "null", "true", " false "};
	for (size_t i = 0; i < G_N_ELEMENTS(scalars); i++)
		assert_invalid(scalars[i], "the message is no object", NULL);
}

static void test_an_array_is_a_batch_unless_it_is_empty(void **state)
{
	(void)state;
	struct RpcMessage m = parse(" [{\"jsonrpc\":\"2.0\",\"method\":\"m\"},1] ");
	assert_int_equal(m.kind, RPC_BATCH);
	assert_true(slice_is(m.text, "[{\"jsonrpc\":\"2.0\",\"method\":\"m\"},1]"));
	assert_int_equal(m.id.type, JSON_NONE);
	assert_null(m.method.data);
	/* A nested id is not the batch's. */
	m = parse("[{\"id\":1}]");
	assert_int_equal(m.id.type, JSON_NONE);
	assert_invalid("[]", "the batch is empty", NULL);
	assert_invalid("[ \n]", "the batch is empty", NULL);
	assert_refused("[{\"id\":1},]", RPC_PARSE_ERROR, "a value is missing", NULL);
}

/* ---- edits ---- */

static const char TEXT[] = "0123456789";

static void replace(struct Edits *edits, size_t offset, size_t len, const char *insert)
{
	edits_replace(edits, slice_of(TEXT), (struct Slice){TEXT + offset, len}, slice_of(insert));
}

static void assert_edited(const struct Edits *edits, const char *expected)
{
	size_t len = 0;
	g_autofree char *out = edits_apply(edits, slice_of(TEXT), &len);
	assert_string_equal(out, expected);
	assert_int_equal(len, strlen(expected));
	assert_int_equal(edits_length(edits, slice_of(TEXT)), len);
	g_autofree char *exact = g_malloc(len + 1);
	exact[len] = '\x7f';
	edits_write(edits, slice_of(TEXT), exact);
	assert_memory_equal(exact, expected, len);
	assert_int_equal(exact[len], '\x7f');
}

static void test_edits_none_leaves_the_text(void **state)
{
	(void)state;
	struct Edits edits = {0};
	assert_edited(&edits, TEXT);
}

static void test_edits_grow_shrink_and_keep(void **state)
{
	(void)state;
	struct Edits grow = {0};
	replace(&grow, 4, 2, "abcdef");
	assert_edited(&grow, "0123abcdef6789");
	struct Edits shrink = {0};
	replace(&shrink, 4, 4, "x");
	assert_edited(&shrink, "0123x89");
	struct Edits keep = {0};
	replace(&keep, 4, 1, "x");
	assert_edited(&keep, "0123x56789");
}

static void test_edits_insert_nothing_or_replace_nothing(void **state)
{
	(void)state;
	struct Edits remove = {0};
	replace(&remove, 3, 4, "");
	assert_edited(&remove, "012789");
	struct Edits insert = {0};
	replace(&insert, 3, 0, "ab");
	assert_edited(&insert, "012ab3456789");
	struct Edits neither = {0};
	edits_replace(
		&neither, slice_of(TEXT), (struct Slice){TEXT + 3, 0}, (struct Slice){NULL, 0});
	assert_edited(&neither, TEXT);
}

static void test_edits_reach_both_ends(void **state)
{
	(void)state;
	struct Edits ends = {0};
	replace(&ends, 0, 1, "<");
	replace(&ends, 9, 1, ">");
	assert_edited(&ends, "<12345678>");
	struct Edits around = {0};
	replace(&around, 0, 0, "<<");
	replace(&around, 10, 0, ">>");
	assert_edited(&around, "<<0123456789>>");
	struct Edits all = {0};
	replace(&all, 0, 10, "");
	assert_edited(&all, "");
}

static void test_edits_are_kept_in_order_of_offset(void **state)
{
	(void)state;
	static const unsigned orders[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const size_t offsets[] = {1, 4, 8};
	static const char *const inserts[] = {"a", "", "ccc"};
	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		struct Edits edits = {0};
		for (size_t k = 0; k < 3; k++)
			replace(&edits, offsets[orders[i][k]], 2, inserts[orders[i][k]]);
		assert_edited(&edits, "0a367ccc");
		assert_int_equal(edits.at[0].offset, 1);
		assert_int_equal(edits.at[2].offset, 8);
	}
}

static void test_edits_may_touch(void **state)
{
	(void)state;
	struct Edits edits = {0};
	replace(&edits, 5, 5, "c");
	replace(&edits, 0, 2, "a");
	replace(&edits, 2, 3, "b");
	assert_edited(&edits, "abc");
}

static void test_edits_insert_before_what_is_replaced_there(void **state)
{
	(void)state;
	struct Edits edits = {0};
	replace(&edits, 5, 2, "[56]");
	replace(&edits, 5, 0, "a");
	replace(&edits, 7, 0, "c");
	replace(&edits, 5, 0, "b");
	assert_edited(&edits, "01234ab[56]c789");
	struct Edits other = {0};
	replace(&other, 5, 0, "a");
	replace(&other, 5, 2, "[56]");
	assert_edited(&other, "01234a[56]789");
}

static void test_edits_fill_up_to_the_limit(void **state)
{
	(void)state;
	struct Edits edits = {0};
	for (size_t i = EDITS_MAX; i > 0; i--)
		replace(&edits, i, 1, "xy");
	assert_int_equal(edits.n, EDITS_MAX);
	assert_edited(&edits, "0xyxyxyxyxyxyxyxy9");
}

static void test_edits_rewrite_a_message_and_nothing_else(void **state)
{
	(void)state;
	const char *text =
		"{\"id\":\"client-7\", \"jsonrpc\":\"2.0\",\"n\":1.10,\"method\":\"tools/call\","
		"\"params\":{\"name\":\"gh_x\",\"a\":\"\\u00e9\\/\"}}";
	struct RpcMessage m = parse(text);
	struct Edits edits = {0};
	edits_replace(&edits, m.text, json_get(m.params.raw, "name").raw, SLICE("\"x\""));
	edits_replace(&edits, m.text, m.id.raw, SLICE("42"));
	size_t len;
	g_autofree char *out = edits_apply(&edits, m.text, &len);
	assert_string_equal(out,
		"{\"id\":42, \"jsonrpc\":\"2.0\",\"n\":1.10,\"method\":\"tools/call\","
		"\"params\":{\"name\":\"x\",\"a\":\"\\u00e9\\/\"}}");
	assert_true(slice_is(parse(out).id.raw, "42"));
}

#define T(name) cmocka_unit_test(test_##name)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_request_is_read_into_slices),
		T(params_may_be_absent),
		T(a_message_without_id_is_a_notification),
		T(answers_are_told_apart),
		T(an_error_may_lack_its_id),
		T(unknown_members_are_left_alone),
		T(escaped_names_and_version_are_understood),
		T(ids_are_strings_or_integers_of_any_spelling_and_size),
		T(duplicates_are_refused_by_decoded_name),
		T(a_wrong_envelope_is_refused_with_its_id),
		T(params_result_and_error_must_be_objects),
		T(half_an_answer_may_be_null),
		T(errors_need_a_code_and_a_message),
		T(a_parse_error_says_where),
		T(a_parse_error_carries_the_id_that_came_before),
		T(scalars_are_no_messages),
		T(an_array_is_a_batch_unless_it_is_empty),
		T(edits_none_leaves_the_text),
		T(edits_grow_shrink_and_keep),
		T(edits_insert_nothing_or_replace_nothing),
		T(edits_reach_both_ends),
		T(edits_are_kept_in_order_of_offset),
		T(edits_may_touch),
		T(edits_insert_before_what_is_replaced_there),
		T(edits_fill_up_to_the_limit),
		T(edits_rewrite_a_message_and_nothing_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
