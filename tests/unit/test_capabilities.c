#include "format/capabilities.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_what_a_client_can_do_is_read(void **state)
{
	(void)state;
	static const struct {
		const char *capabilities;
		unsigned can;
	} cases[] = {
		{"", 0},
		{"{}", 0},
		{"[{\"roots\":{}}]", 0},
		{"{\"elicitation\":{}}", CLIENT_CAN_ELICIT_FORM},
		{"{\"elicitation\":{\"x\":1}}", CLIENT_CAN_ELICIT_FORM},
		{"{\"elicitation\":{\"form\":{}}}", CLIENT_CAN_ELICIT_FORM},
		{"{\"elicitation\":{\"url\":{}}}", CLIENT_CAN_ELICIT_URL},
		{"{\"elicitation\":{\"form\":{},\"url\":{}}}",
			CLIENT_CAN_ELICIT_FORM | CLIENT_CAN_ELICIT_URL},
		{"{\"elicitation\":{\"form\":{},\"url\":null}}", CLIENT_CAN_ELICIT_FORM},
		{"{\"elicitation\":{\"form\":1,\"url\":true}}", 0},
		{"{\"elicitation\":true,\"sampling\":[],\"roots\":null}", 0},
		{"{\"sampling\":{}}", CLIENT_CAN_SAMPLE},
		{"{\"sampling\":{\"tools\":true,\"context\":{}}}", CLIENT_CAN_SAMPLE},
		{"{\"sampling\":{\"tools\":{}}}", CLIENT_CAN_SAMPLE | CLIENT_CAN_SAMPLE_TOOLS},
		{"{\"roots\":{}}", CLIENT_CAN_LIST_ROOTS},
		{"{\"roots\":{\"listChanged\":false}}", CLIENT_CAN_LIST_ROOTS},
		{"{\"roots\":{\"listChanged\":true}}",
			CLIENT_CAN_LIST_ROOTS | CLIENT_CAN_TELL_ROOTS},
		{"{\"r\\u006fots\":{},\"sampling\":{},\"tasks\":{}}",
			CLIENT_CAN_LIST_ROOTS | CLIENT_CAN_SAMPLE},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		assert_int_equal(capabilities_read(slice_of(cases[i].capabilities)), cases[i].can);
}

static void expect_carried(const char *from, bool from_modern, bool to_modern, const char *to)
{
	g_autofree char *carried = capabilities_carry(slice_of(from), from_modern, to_modern);
	assert_string_equal(carried, to);
	assert_true(json_validate(slice_of(carried), NULL));
}

static void test_nothing_stays_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		expect_carried("", i & 1, i & 2, "{}");
		expect_carried("[1]", i & 1, i & 2, "{}");
		expect_carried("{}", i & 1, i & 2, "{}");
	}
}

#define ODD "{ \"x\" : [1.10, \"\\u00e9\"],\"roots\":7,\"extensions\":{\"a\\/b\":{}} }"

static void test_between_equal_eras_all_passes_as_it_is(void **state)
{
	(void)state;
	expect_carried(ODD, true, true, ODD);
	expect_carried(ODD, false, false, ODD);
	expect_carried("{\"tasks\":{}}", true, true, "{\"tasks\":{}}");
}

static void test_legacy_tasks_are_not_offered(void **state)
{
	(void)state;
	expect_carried("{\"tasks\":{\"list\":{}}}", false, false, "{}");
	expect_carried("{ \"roots\": { }, \"t\\u0061sks\": {\"list\":{}},\"tasks\":1,\n"
		       "\"s\\u0061mpling\":{ \"n\" : 1.0 } }",
		false, false, "{\"roots\":{ },\"s\\u0061mpling\":{ \"n\" : 1.0 }}");
}

static void test_other_eras_are_offered_what_both_know(void **state)
{
	(void)state;
	const char *all =
		"{\"roots\":{ \"listChanged\":true,\"x\":1 },\"experimental\":{\"e\":{}},"
		"\"tasks\":{},\"extensions\":{\"f\":{}},\"s\\u0061mpling\":{ \"tools\":{} },"
		"\"elicitation\":{ \"url\" : {} },\"other\":{}}";
	expect_carried(all, false, true,
		"{\"elicitation\":{ \"url\" : {} },\"sampling\":{ \"tools\":{} },\"roots\":{\"x\":"
		"1}}");
	expect_carried(all, true, false,
		"{\"elicitation\":{ \"url\" : {} },\"sampling\":{ \"tools\":{} },\"roots\":{ "
		"\"listChanged\":true,\"x\":1 }}");
}

static void test_other_eras_are_offered_objects_alone(void **state)
{
	(void)state;
	const char *broken = "{\"roots\":true,\"sampling\":null,\"elicitation\":[]}";
	expect_carried(broken, false, true, "{}");
	expect_carried(broken, true, false, "{}");
	expect_carried("{\"roots\":{\"listCh\\u0061nged\":true,\"listChanged\":false}}", false,
		true, "{\"roots\":{}}");
}

/* With which of all abilities alone METHOD with PARAMS can be answered. */
static unsigned answered_with(const char *method, const char *params)
{
	struct JsonValue value = {0};
	if (params)
		value = json_root(slice_of(params));
	unsigned with = 0;
	for (unsigned can = 1; can <= CLIENT_CAN_TELL_ROOTS; can <<= 1) {
		if (capabilities_can_answer(can, method, value))
			with |= can;
	}
	assert_false(capabilities_can_answer(0, method, value));
	return with;
}

static void test_elicitations_are_answered_by_their_mode(void **state)
{
	(void)state;
	const char *method = "elicitation/create";
	assert_int_equal(answered_with(method, NULL), CLIENT_CAN_ELICIT_FORM);
	assert_int_equal(answered_with(method, "{}"), CLIENT_CAN_ELICIT_FORM);
	assert_int_equal(answered_with(method, "{\"mode\":\"form\"}"), CLIENT_CAN_ELICIT_FORM);
	assert_int_equal(answered_with(method, "{\"mode\":\"\\u0075rl\"}"), CLIENT_CAN_ELICIT_URL);
	static const char *const others[] = {"{\"mode\":\"\"}", "{\"mode\":\"voice\"}",
		"{\"mode\":null}", "{\"mode\":1}", "{\"mode\":\"form\",\"mode\":\"url\"}",
		"{\"mode\":\"form\",\"m\\u006fde\":\"form\"}"};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		assert_int_equal(answered_with(method, others[i]), 0);
}

static void test_sampling_with_tools_needs_both_abilities(void **state)
{
	(void)state;
	const char *method = "sampling/createMessage";
	assert_int_equal(answered_with(method, NULL), CLIENT_CAN_SAMPLE);
	assert_int_equal(answered_with(method, "{\"messages\":[]}"), CLIENT_CAN_SAMPLE);
	static const char *const with_tools[] = {"{\"tools\":[]}", "{\"toolChoice\":{}}",
		"{\"messages\":[],\"tools\":[],\"toolChoice\":{}}"};
	for (size_t i = 0; i < G_N_ELEMENTS(with_tools); i++) {
		assert_int_equal(answered_with(method, with_tools[i]), 0);
		assert_true(capabilities_can_answer(CLIENT_CAN_SAMPLE | CLIENT_CAN_SAMPLE_TOOLS,
			method, json_root(slice_of(with_tools[i]))));
	}
}

static void test_roots_are_listed_and_nothing_else_is_answered(void **state)
{
	(void)state;
	assert_int_equal(answered_with("roots/list", NULL), CLIENT_CAN_LIST_ROOTS);
	assert_int_equal(answered_with("roots/list", "{}"), CLIENT_CAN_LIST_ROOTS);
	static const char *const others[] = {"", "ping", "roots", "roots/lists", "tasks/get"};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		assert_int_equal(answered_with(others[i], NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_a_client_can_do_is_read),
		cmocka_unit_test(test_nothing_stays_nothing),
		cmocka_unit_test(test_between_equal_eras_all_passes_as_it_is),
		cmocka_unit_test(test_legacy_tasks_are_not_offered),
		cmocka_unit_test(test_other_eras_are_offered_what_both_know),
		cmocka_unit_test(test_other_eras_are_offered_objects_alone),
		cmocka_unit_test(test_elicitations_are_answered_by_their_mode),
		cmocka_unit_test(test_sampling_with_tools_needs_both_abilities),
		cmocka_unit_test(test_roots_are_listed_and_nothing_else_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
