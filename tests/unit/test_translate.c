/* Results and errors for an IDE of another era than the server's. */
#include "mux/internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct Method call = {.name = "tools/call", .inputs = true};
static const struct Method read_resource = {.name = "resources/read", .inputs = true};
static const struct Method complete = {.name = "completion/complete"};

static struct Request request_of(const struct Method *kind, enum Era era)
{
	return (struct Request){.kind = kind, .method = kind->name, .era = era};
}

/* What RESULT becomes: NULL where it passes as it is. For g_free. */
static char *translated(const struct Method *kind, enum Era era, const char *result)
{
	struct Request request = request_of(kind, era);
	g_autofree char *out = NULL;
	g_autofree char *prefix = NULL;
	assert_true(json_validate(slice_of(result), NULL));
	assert_int_equal(translate_result(&request, slice_of(result), &out, &prefix), TRANSLATED);
	assert_false(out && prefix);
	if (out)
		assert_true(json_validate(slice_of(out), NULL));
	if (!prefix || !*prefix)
		return g_steal_pointer(&out);
	char *whole = g_strconcat("{", prefix, result + 1, NULL);
	assert_true(json_validate(slice_of(whole), NULL));
	return whole;
}

static void expect(const struct Method *kind, enum Era era, const char *result, const char *wanted)
{
	g_autofree char *out = translated(kind, era, result);
	if (wanted)
		assert_string_equal(out, wanted);
	else
		assert_null(out);
}

static void expect_kind(
	const struct Method *kind, enum Era era, const char *result, enum Translated wanted)
{
	struct Request request = request_of(kind, era);
	g_autofree char *out = NULL;
	g_autofree char *prefix = NULL;
	assert_int_equal(translate_result(&request, slice_of(result), &out, &prefix), wanted);
	if (wanted != TRANSLATED) {
		assert_null(out);
		assert_null(prefix);
	}
}

static void test_results_for_a_modern_ide_say_what_they_are(void **state)
{
	(void)state;
	expect(&call, ERA_MODERN, "{\"content\":[]}",
		"{\"resultType\":\"complete\",\"content\":[]}");
	expect(&call, ERA_MODERN, "{}", "{\"resultType\":\"complete\"}");
	expect(&call, ERA_MODERN, "{ }", "{\"resultType\":\"complete\" }");
	expect(&complete, ERA_MODERN, "{\"x\":1}", "{\"resultType\":\"complete\",\"x\":1}");
	expect(&call, ERA_MODERN, "{\"result\\u0054ype\":\"c\\u006fmplete\"}", NULL);
	/* Whatever its own revision did not know is for the IDE to make something of. */
	expect(&call, ERA_MODERN, "{\"content\":5,\"structuredContent\":[1]}",
		"{\"resultType\":\"complete\",\"content\":5,\"structuredContent\":[1]}");
}

static void test_only_reads_have_caching_hints(void **state)
{
	(void)state;
	expect(&read_resource, ERA_MODERN, "{}",
		"{\"resultType\":\"complete\",\"ttlMs\":0,\"cacheScope\":\"private\"}");
	expect(&read_resource, ERA_MODERN, "{\"tt\\u006cMs\":5}",
		"{\"resultType\":\"complete\",\"cacheScope\":\"private\",\"tt\\u006cMs\":5}");
	expect(&read_resource, ERA_MODERN,
		"{\"cacheScope\":\"public\",\"resultType\":\"complete\"}",
		"{\"ttlMs\":0,\"cacheScope\":\"public\",\"resultType\":\"complete\"}");
	expect(&read_resource, ERA_MODERN,
		"{\"cacheScope\":\"public\",\"ttlMs\":1,\"resultType\":\"complete\"}", NULL);
	expect(&read_resource, ERA_LEGACY, "{\"contents\":[]}", NULL);
}

static void test_results_for_a_legacy_ide_stay(void **state)
{
	(void)state;
	expect(&call, ERA_LEGACY, "{\"resultType\":\"complete\",\"content\":[],\"_meta\":{}}",
		NULL);
	expect(&call, ERA_LEGACY, "{\"structuredContent\":{\"a\":1.0}}", NULL);
	expect(&read_resource, ERA_LEGACY, "{\"structuredContent\":5}", NULL);
	expect(&call, ERA_LEGACY, "{}", NULL);
}

/* Legacy clients reject a structuredContent that is no object. */
static void test_structured_content_that_legacy_clients_cannot_take(void **state)
{
	(void)state;
	static const char *const cases[][2] = {
		{"{\"structuredContent\":[ 1.0,\"\\u00e4\"]}",
			"{\"content\":[{\"type\":\"text\",\"text\":\"[ "
			"1.0,\\\"\\\\u00e4\\\"]\"}]}"},
		{"{\"content\":[],\"structuredContent\":null,\"isError\":true}",
			"{\"isError\":true,\"content\":[{\"type\":\"text\",\"text\":\"null\"}]}"},
		{"{\"content\":[{\"type\":\"text\",\"text\":\"\\/\"} "
		 "],\"structured\\u0043ontent\":5}",
			"{\"content\":[{\"type\":\"text\",\"text\":\"\\/\"} ]}"},
		{"{\"structuredContent\":\"a\",\"content\":5}",
			"{\"content\":[{\"type\":\"text\",\"text\":\"\\\"a\\\"\"}]}"},
		{"{\"structuredContent\":{\"a\":1},\"structuredContent\":[2],\"content\":[1]}",
			"{\"content\":[1]}"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		expect(&call, ERA_LEGACY, cases[i][0], cases[i][1]);
}

static void test_results_of_other_kinds(void **state)
{
	(void)state;
	static const char wants[] = "{\"resultType\":\"input_required\",\"inputRequests\":{}}";
	static const char task[] = "{\"resultType\":\"task\",\"taskId\":\"t\"}";
	expect_kind(&call, ERA_LEGACY, wants, TRANSLATED_INPUT_REQUIRED);
	expect_kind(&complete, ERA_LEGACY, wants, TRANSLATED_UNKNOWN);
	expect_kind(&call, ERA_MODERN, wants, TRANSLATED_UNKNOWN); /* no legacy server asks so */
	for (unsigned era = ERA_LEGACY; era <= ERA_MODERN; era++) {
		expect_kind(&call, era, task, TRANSLATED_UNKNOWN);
		expect_kind(&call, era, "{\"resultType\":5}", TRANSLATED_UNKNOWN);
		expect_kind(&call, era, "{\"resultType\":null}", TRANSLATED_UNKNOWN);
		expect_kind(&call, era, "{\"resultType\":\"Complete\"}", TRANSLATED_UNKNOWN);
	}
	/* Read as IDEs read it: the last one counts. */
	expect_kind(&call, ERA_LEGACY,
		"{\"resultType\":\"complete\",\"resultType\":\"input_required\"}",
		TRANSLATED_INPUT_REQUIRED);
	expect_kind(&call, ERA_LEGACY,
		"{\"resultType\":\"input_required\",\"resultType\":\"complete\"}", TRANSLATED);
}

static void expect_error(const struct Method *kind, enum Era era, enum Era from, const char *error,
	const char *wanted)
{
	struct Request request = request_of(kind, era);
	g_autofree char *out = translate_error(&request, slice_of(error), from);
	if (wanted)
		assert_string_equal(out, wanted);
	else
		assert_null(out);
}

static void test_codes_of_what_is_not_there(void **state)
{
	(void)state;
	static const char old[] =
		"{ \"message\":\"\\/\",\"code\": -32002 ,\"data\":{\"uri\":\"x:\",\"n\":1.0}}";
	static const char new[] =
		"{ \"message\":\"\\/\",\"code\": -32602 ,\"data\":{\"uri\":\"x:\",\"n\":1.0}}";
	expect_error(&read_resource, ERA_MODERN, ERA_LEGACY, old, new);
	expect_error(&read_resource, ERA_LEGACY, ERA_MODERN, new, old);
	expect_error(&read_resource, ERA_LEGACY, ERA_LEGACY, new, NULL);
	expect_error(&read_resource, ERA_MODERN, ERA_MODERN, old, NULL);
	/* For other methods they mean something else. */
	expect_error(&call, ERA_MODERN, ERA_LEGACY, old, NULL);
	expect_error(&call, ERA_LEGACY, ERA_MODERN, new, NULL);
	/* -32602 is any wrong parameter, unless it names the resource. */
	expect_error(
		&read_resource, ERA_LEGACY, ERA_MODERN, "{\"code\":-32602,\"message\":\"\"}", NULL);
	expect_error(&read_resource, ERA_LEGACY, ERA_MODERN,
		"{\"code\":-32602,\"message\":\"\",\"data\":{\"uri\":5}}", NULL);
	expect_error(&read_resource, ERA_LEGACY, ERA_MODERN,
		"{\"code\":-32602,\"message\":\"\",\"data\":[\"uri\"]}", NULL);
	expect_error(&read_resource, ERA_MODERN, ERA_LEGACY, "{\"code\":-32002,\"message\":\"\"}",
		"{\"code\":-32602,\"message\":\"\"}");
	expect_error(
		&read_resource, ERA_MODERN, ERA_LEGACY, "{\"code\":-32603,\"message\":\"\"}", NULL);
	expect_error(
		&read_resource, ERA_MODERN, ERA_LEGACY, "{\"code\":\"\",\"message\":\"\"}", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results_for_a_modern_ide_say_what_they_are),
		cmocka_unit_test(test_only_reads_have_caching_hints),
		cmocka_unit_test(test_results_for_a_legacy_ide_stay),
		cmocka_unit_test(test_structured_content_that_legacy_clients_cannot_take),
		cmocka_unit_test(test_results_of_other_kinds),
		cmocka_unit_test(test_codes_of_what_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
