#include "format/audit_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* 2026-11-21T20:47:42.123Z */
#define TIME_US (INT64_C(1795294062123456))
#define HEAD "{\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\",\"pid\":42,\"event\":"

static char *write_line(const struct AuditLine *line)
{
	GString *out = g_string_new(NULL);
	audit_line_write(out, line);
	assert_int_equal(out->str[out->len - 1], '\n');
	assert_null(memchr(out->str, '\n', out->len - 1));
	g_string_truncate(out, out->len - 1);
	assert_true(json_validate((struct Slice){out->str, out->len}, NULL));
	return g_string_free(out, FALSE);
}

#define assert_line(line, expected)                                                                \
	do {                                                                                       \
		g_autofree char *written = write_line(line);                                       \
		assert_string_equal(written, (expected));                                          \
	} while (0)

static struct AuditLine call_line(void)
{
	return (struct AuditLine){
		.event = AUDIT_EVENT_CALL,
		.outcome = AUDIT_OUTCOME_OK,
		.time_us = TIME_US,
		.pid = 42,
		.connector = "wiki",
		.run = "abc",
		.number = 17,
		.ide = "{\"name\":\"me\",\"version\":\"1\"}",
		.method = "tools/call",
		.own = "\"search\"",
		.exposed = "\"wiki__search\"",
		.has_arguments = true,
		.arguments_bytes = 12,
		.has_result = true,
		.result_bytes = 1024,
		.duration_us = 12345,
	};
}

#define CALL_HEAD                                                                                  \
	HEAD "\"call\",\"id\":\"abc-17\",\"ide\":{\"name\":\"me\",\"version\":\"1\"},"             \
	     "\"connector\":\"wiki\",\"method\":\"tools/call\",\"tool\":\"search\","               \
	     "\"exposed\":\"wiki__search\",\"arguments_bytes\":12,\"result_bytes\":1024,"          \
	     "\"duration_ms\":12.345,\"outcome\":\"ok\""

/* ---- writing ---- */

static void a_call_is_one_line_of_what_is_known(void **state)
{
	(void)state;
	struct AuditLine line = call_line();
	assert_line(&line, CALL_HEAD "}");
	line.with_hmac = true;
	assert_line(&line, CALL_HEAD ",\"arguments_hmac\":null}");
	line.hmac = "00ff";
	assert_line(&line, CALL_HEAD ",\"arguments_hmac\":\"00ff\"}");
}

static void arguments_in_full_are_there_or_said_to_be_left_out(void **state)
{
	(void)state;
	struct AuditLine line = call_line();
	line.with_arguments = true;
	line.arguments = SLICE("{\"q\": 1.10}");
	assert_line(&line, CALL_HEAD ",\"arguments\":{\"q\": 1.10}}");
	line.arguments = (struct Slice){0};
	assert_line(&line, CALL_HEAD ",\"arguments_truncated\":true}");
	line.has_arguments = false;
	g_autofree char *without = write_line(&line);
	assert_non_null(strstr(without, "\"arguments_bytes\":null"));
	assert_non_null(strstr(without, ",\"arguments\":null}"));
}

static void what_is_not_known_is_null(void **state)
{
	(void)state;
	const struct AuditLine line = {
		.event = AUDIT_EVENT_CALL,
		.outcome = AUDIT_OUTCOME_DENIED,
		.time_us = TIME_US,
		.pid = 42,
		.run = "abc",
		.number = 18446744073709551615U,
		.method = "tools/call",
		.duration_us = -5,
	};
	assert_line(&line, HEAD "\"call\",\"id\":\"abc-18446744073709551615\",\"ide\":null,"
				"\"connector\":null,\"method\":\"tools/call\",\"tool\":null,"
				"\"exposed\":null,\"arguments_bytes\":null,\"result_bytes\":null,"
				"\"duration_ms\":0.000,\"outcome\":\"denied\"}");
}

static void each_method_names_what_it_is_about(void **state)
{
	(void)state;
	struct AuditLine line = call_line();
	line.method = "prompts/get";
	g_autofree char *prompt = write_line(&line);
	assert_non_null(strstr(prompt, ",\"prompt\":\"search\",\"exposed\":\"wiki__search\","));
	line.exposed = NULL;
	line.method = "resources/read";
	g_autofree char *resource = write_line(&line);
	assert_non_null(strstr(resource, ",\"uri\":\"search\",\"arguments_bytes\""));
	line.method = "completion/complete";
	g_autofree char *other = write_line(&line);
	assert_non_null(strstr(other, "\"method\":\"completion/complete\",\"arguments_bytes\""));
}

static void what_is_about_to_be_sent_has_no_end_yet(void **state)
{
	(void)state;
	struct AuditLine line = call_line();
	line.event = AUDIT_EVENT_BEGIN;
	line.outcome = AUDIT_OUTCOME_SENT;
	assert_line(&line,
		HEAD "\"begin\",\"id\":\"abc-17\",\"ide\":{\"name\":\"me\",\"version\":\"1\"},"
		     "\"connector\":\"wiki\",\"method\":\"tools/call\",\"tool\":\"search\","
		     "\"exposed\":\"wiki__search\",\"arguments_bytes\":12,\"outcome\":\"sent\"}");
}

static void other_events_say_what_happened(void **state)
{
	(void)state;
	struct AuditLine line = {
		.event = AUDIT_EVENT_SIGN_IN,
		.outcome = AUDIT_OUTCOME_OK,
		.time_us = TIME_US,
		.pid = 42,
		.connector = "wiki",
	};
	assert_line(&line, HEAD "\"sign_in\",\"connector\":\"wiki\",\"outcome\":\"ok\"}");
	line.event = AUDIT_EVENT_REFRESH;
	line.outcome = AUDIT_OUTCOME_UNAVAILABLE;
	line.detail = "it\033[31m is \"down\"\n";
	assert_line(&line, HEAD "\"refresh\",\"connector\":\"wiki\",\"outcome\":\"unavailable\","
				"\"detail\":\"it?[31m is \\\"down\\\"?\"}");
	static const char *const names[] = {"a_*", "b\"", NULL};
	line = (struct AuditLine){
		.event = AUDIT_EVENT_POLICY,
		.outcome = AUDIT_OUTCOME_OK,
		.time_us = TIME_US,
		.pid = 42,
		.connector = "wiki",
		.change = "disable",
		.names = names,
	};
	assert_line(&line, HEAD "\"policy\",\"connector\":\"wiki\",\"change\":\"disable\","
				"\"names\":[\"a_*\",\"b\\\"\"],\"outcome\":\"ok\"}");
	line = (struct AuditLine){
		.event = AUDIT_EVENT_LOST, .time_us = TIME_US, .pid = 42, .lines = 3};
	assert_line(&line, HEAD "\"lost\",\"lines\":3}");
	line.event = AUDIT_EVENT_SIGN_OUT;
	assert_line(&line, HEAD "\"sign_out\",\"connector\":null}");
}

static void times_sort_as_they_are_written(void **state)
{
	(void)state;
	static const struct {
		int64_t us;
		const char *text;
	} times[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{INT64_C(951782399999999), "2000-02-28T23:59:59.999Z"},
		{INT64_C(951782400000000), "2000-02-29T00:00:00.000Z"},
		{INT64_C(1704067199001000), "2023-12-31T23:59:59.001Z"},
		{TIME_US, "2026-11-21T20:47:42.123Z"},
		{INT64_C(253402300799999999), "9999-12-31T23:59:59.999Z"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
		g_autoptr(GString) out = g_string_new(NULL);
		audit_time_append(out, times[i].us);
		assert_string_equal(out->str, times[i].text);
		assert_int_equal(out->len, AUDIT_TIME_LEN);
		assert_true(i == 0 || strcmp(times[i - 1].text, times[i].text) < 0);
	}
}

/* ---- texts of peers ---- */

#define assert_quoted(call, expected)                                                              \
	do {                                                                                       \
		g_autofree char *quoted = (call);                                                  \
		assert_string_equal(quoted, (expected));                                           \
	} while (0)

static void texts_are_harmless_and_bounded(void **state)
{
	(void)state;
	assert_quoted(audit_quote(SLICE("a\tb\"\\"), 10), "\"a?b\\\"\\\\\"");
	assert_quoted(audit_quote(SLICE("abcdef"), 3), "\"abc…\"");
	const struct JsonValue raw = {JSON_STRING, SLICE("\"a\\u0000\"")};
	const struct JsonValue bidi = {JSON_STRING, SLICE("\"a\\u202eb\\n\"")};
	const struct JsonValue number = {JSON_NUMBER, SLICE("1")};
	assert_null(audit_quote_raw(raw, 10));
	assert_null(audit_quote_raw(number, 10));
	assert_quoted(audit_quote_raw(bidi, 10), "\"a?b?\"");
}

static void uris_lose_what_may_be_secret(void **state)
{
	(void)state;
	static const char *const uris[][2] = {
		{"https://host/path", "\"https://host/path\""},
		{"https://host/path?token=s#t", "\"https://host/path…\""},
		{"https://host/path#t?u", "\"https://host/path…\""},
		{"https://me:secret@host/a@b", "\"https://host/a@b\""},
		{"https://a@b@host", "\"https://host\""},
		{"https://host?u=//me@x", "\"https://host…\""},
		{"file:///etc/x", "\"file:///etc/x\""},
		{"mailto:me@host", "\"mailto:me@host\""},
		{"notes:a//b@c", "\"notes:a//b@c\""},
		{"?x://me@y", "\"…\""},
		{"", "\"\""},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(uris); i++)
		assert_quoted(audit_quote_uri(uris[i][0]), uris[i][1]);
}

static void an_ide_is_its_name_and_version(void **state)
{
	(void)state;
	assert_quoted(audit_ide(SLICE("{\"version\":\"2\",\"title\":\"T\",\"name\":\"\\u0063\"}")),
		"{\"name\":\"c\",\"version\":\"2\"}");
	assert_quoted(audit_ide(SLICE("{\"name\":5}")), "{\"name\":null,\"version\":null}");
	assert_quoted(audit_ide((struct Slice){0}), "{\"name\":null,\"version\":null}");
}

/* ---- reading ---- */

static void a_line_is_read_as_it_was_written(void **state)
{
	(void)state;
	struct AuditLine line = call_line();
	g_autofree char *text = write_line(&line);
	struct AuditEntry entry;
	assert_true(audit_entry_read(slice_of(text), &entry));
	assert_int_equal(entry.event, AUDIT_EVENT_CALL);
	assert_true(slice_is(entry.time, "2026-11-21T20:47:42.123Z"));
	assert_true(slice_is(entry.fields[AUDIT_FIELD_TOOL].raw, "\"search\""));
	assert_true(slice_is(entry.fields[AUDIT_FIELD_DURATION_MS].raw, "12.345"));
	assert_int_equal(entry.fields[AUDIT_FIELD_PROMPT].type, JSON_NONE);
}

static void events_and_members_that_are_not_known_do_no_harm(void **state)
{
	(void)state;
	struct AuditEntry entry;
	assert_true(audit_entry_read(
		SLICE("{\"new\":[1],\"event\":\"approve\",\"time\":\"2026-11-21T20:47:42.123Z\","
		      "\"v\":1}"),
		&entry));
	assert_int_equal(entry.event, AUDIT_EVENTS);
}

static void what_is_no_line_is_told(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"x",
		"[]",
		"{}",
		"{\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\",\"event\":\"call\"",
		"{\"v\":2,\"time\":\"2026-11-21T20:47:42.123Z\",\"event\":\"call\"}",
		"{\"v\":\"1\",\"time\":\"2026-11-21T20:47:42.123Z\",\"event\":\"call\"}",
		"{\"v\":1,\"time\":\"2026-11-21T20:47:42Z\",\"event\":\"call\"}",
		"{\"v\":1,\"time\":\"2026-11-21 20:47:42.123Z\",\"event\":\"call\"}",
		"{\"v\":1,\"time\":\"2026-1x-21T20:47:42.123Z\",\"event\":\"call\"}",
		"{\"v\":1,\"time\":5,\"event\":\"call\"}",
		"{\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\",\"event\":5}",
		"{\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\"}",
		"{\"v\":1,\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\",\"event\":\"call\"}",
	};
	struct AuditEntry entry = {.event = AUDIT_EVENT_POLICY};
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
		if (audit_entry_read(slice_of(texts[i]), &entry))
			fail_msg("%s was read", texts[i]);
	}
	assert_int_equal(entry.event, AUDIT_EVENT_POLICY); /* untouched */
}

static void outcomes_have_names(void **state)
{
	(void)state;
	for (unsigned i = AUDIT_OUTCOME_NONE + 1; i < AUDIT_OUTCOMES; i++)
		assert_int_equal(audit_outcome_read(audit_outcome_name((enum AuditOutcome)i)), i);
	assert_int_equal(audit_outcome_read(""), AUDIT_OUTCOMES);
	assert_int_equal(audit_outcome_read("fine"), AUDIT_OUTCOMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_one_line_of_what_is_known),
		cmocka_unit_test(arguments_in_full_are_there_or_said_to_be_left_out),
		cmocka_unit_test(what_is_not_known_is_null),
		cmocka_unit_test(each_method_names_what_it_is_about),
		cmocka_unit_test(what_is_about_to_be_sent_has_no_end_yet),
		cmocka_unit_test(other_events_say_what_happened),
		cmocka_unit_test(times_sort_as_they_are_written),
		cmocka_unit_test(texts_are_harmless_and_bounded),
		cmocka_unit_test(uris_lose_what_may_be_secret),
		cmocka_unit_test(an_ide_is_its_name_and_version),
		cmocka_unit_test(a_line_is_read_as_it_was_written),
		cmocka_unit_test(events_and_members_that_are_not_known_do_no_harm),
		cmocka_unit_test(what_is_no_line_is_told),
		cmocka_unit_test(outcomes_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
