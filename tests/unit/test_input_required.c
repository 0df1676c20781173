#include "base/error.h"
#include "format/input_required.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct InputRequired *read_result(const char *result)
{
	assert_true(json_validate(slice_of(result), NULL));
	g_autoptr(GError) error = NULL;
	struct InputRequired *input = input_required_read(slice_of(result), &error);
	if (!input)
		fail_msg("%s: %s", result, error->message);
	assert_null(error);
	return input;
}

static const struct InputRequest *request_at(const struct InputRequired *input, unsigned i)
{
	assert_true(i < input->requests->len);
	return input->requests->pdata[i];
}

static void test_requests_come_in_their_order_with_their_own_bytes(void **state)
{
	(void)state;
	g_autoptr(InputRequired) input =
		read_result("{\"resultType\":\"input_required\",\"requestState\":\"s\\u0074\","
			    "\"inputRequests\":{\"z\":{\"method\":\"elicitation\\/create\","
			    "\"params\":{ \"mode\":\"form\" }},\"\\u0061\":{\"params\":{},\"x\":1,"
			    "\"method\":\"m\"},\"\":{\"method\":\"\"}}}");
	assert_int_equal(input->requests->len, 3);
	assert_true(slice_is(input->state, "\"s\\u0074\""));
	const struct InputRequest *one = request_at(input, 0);
	assert_true(slice_is(one->key, "\"z\""));
	assert_string_equal(one->method, "elicitation/create");
	assert_int_equal(one->params.type, JSON_OBJECT);
	assert_true(slice_is(one->params.raw, "{ \"mode\":\"form\" }"));
	const struct InputRequest *two = request_at(input, 1);
	assert_true(slice_is(two->key, "\"\\u0061\""));
	assert_string_equal(two->method, "m");
	const struct InputRequest *three = request_at(input, 2);
	assert_true(slice_is(three->key, "\"\""));
	assert_string_equal(three->method, "");
	assert_int_equal(three->params.type, JSON_NONE);
}

static void test_either_member_is_enough(void **state)
{
	(void)state;
	g_autoptr(InputRequired) state_alone = read_result("{\"requestState\":\"\"}");
	assert_int_equal(state_alone->requests->len, 0);
	assert_true(slice_is(state_alone->state, "\"\""));
	g_autoptr(InputRequired) requests =
		read_result("{\"inputRequests\":{\"a\":{\"method\":\"m\"}}}");
	assert_int_equal(requests->requests->len, 1);
	assert_int_equal(requests->state.len, 0);
	g_autoptr(InputRequired) none = read_result("{\"inputRequests\":{}}");
	assert_int_equal(none->requests->len, 0);
	input_required_free(NULL);
}

static void test_what_breaks_the_rules_is_an_error(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"{}", "neither inputRequests nor requestState"},
		{"{\"inputRequests\":[]}", "inputRequests is no object"},
		{"{\"inputRequests\":null,\"requestState\":\"s\"}", "inputRequests is no object"},
		{"{\"requestState\":1}", "requestState is no string"},
		{"{\"inputRequests\":{},\"requestState\":null}", "requestState is no string"},
		{"{\"requestState\":\"a\",\"request\\u0053tate\":\"a\"}",
			"a member is there twice"},
		{"{\"inputRequests\":{},\"inputRequests\":{}}", "a member is there twice"},
		{"{\"inputRequests\":{\"a\":1}}", "request \"a\" is no object"},
		{"{\"inputRequests\":{\"a\":{}}}", "request \"a\" has no method"},
		{"{\"inputRequests\":{\"a\":{\"method\":1}}}", "request \"a\" has no method"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\\u0000\"}}}",
			"request \"a\" has no method"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\",\"params\":[]}}}",
			"request \"a\" has params that are no object"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\",\"params\":null}}}",
			"request \"a\" has params that are no object"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\",\"method\":\"m\"}}}",
			"request \"a\" has a member twice"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\",\"params\":{},\"params\":{}}}}",
			"request \"a\" has a member twice"},
		{"{\"inputRequests\":{\"a\":{\"method\":\"m\"},\"\\u0061\":{\"method\":\"m\"}}}",
			"request \"\\u0061\" is there twice"},
		{"{\"inputRequests\":{\"\\u0000\":{\"method\":\"m\"}}}",
			"request \"\\u0000\" has a key that is no text"},
		{"{\"inputRequests\":{\"\\ud800\":{\"method\":\"m\"}}}",
			"request \"\\ud800\" has a key that is no text"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		assert_true(json_validate(slice_of(cases[i][0]), NULL));
		g_autoptr(GError) error = NULL;
		assert_null(input_required_read(slice_of(cases[i][0]), &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM));
		g_autofree char *message = g_strdup_printf("input_required: %s", cases[i][1]);
		assert_string_equal(error->message, message);
	}
}

static void test_a_key_is_shown_without_harm_and_in_part(void **state)
{
	(void)state;
	g_autofree char *key = g_strnfill(500, 'k');
	g_autofree char *result =
		g_strdup_printf("{\"inputRequests\":{\"\xe2\x80\xae%s\":1}}", key);
	g_autoptr(GError) error = NULL;
	assert_null(input_required_read(slice_of(result), &error));
	assert_null(strstr(error->message, "\xe2\x80\xae"));
	assert_true(strlen(error->message) < 120);
}

static char *result_of(unsigned n)
{
	GString *out = g_string_new("{\"inputRequests\":{");
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(out, "%s\"%u\":{\"method\":\"m\"}", i ? "," : "", i);
	g_string_append(out, "}}");
	return g_string_free(out, FALSE);
}

static void test_requests_are_bounded(void **state)
{
	(void)state;
	g_autofree char *most = result_of(INPUT_REQUESTS_MAX);
	g_autoptr(InputRequired) input = read_result(most);
	assert_int_equal(input->requests->len, INPUT_REQUESTS_MAX);
	g_autofree char *more = result_of(INPUT_REQUESTS_MAX + 1);
	g_autoptr(GError) error = NULL;
	assert_null(input_required_read(slice_of(more), &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_come_in_their_order_with_their_own_bytes),
		cmocka_unit_test(test_either_member_is_enough),
		cmocka_unit_test(test_what_breaks_the_rules_is_an_error),
		cmocka_unit_test(test_a_key_is_shown_without_harm_and_in_part),
		cmocka_unit_test(test_requests_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
