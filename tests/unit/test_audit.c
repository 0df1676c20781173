/* The audit log of a process: which line a call has. */
#include "audit_fixture.h"

/* ---- calls ---- */

static void a_call_is_one_line_when_it_has_ended(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "audit_arguments = none");
	tool_begin(desk, &call);
	audit_call_for(&call, wiki(desk), "search");
	assert_true(audit_call_send(&call, NULL));
	g_auto(GStrv) before = lines_of(desk);
	assert_null(before[0]);
	audit_call_result(&call, SLICE("{\"content\":[]}"), true);
	audit_call_answered(&call);
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	g_autofree char *pid = g_strdup_printf("\"pid\":%d,\"event\":\"call\",\"id\":\"", getpid());
	assert_has(line, pid);
	assert_has(line, "-1\",\"ide\":" ME ",\"connector\":\"wiki\",\"method\":\"tools/call\","
			 "\"tool\":\"search\",\"exposed\":\"wiki__search\",\"arguments_bytes\":7,"
			 "\"result_bytes\":14,\"duration_ms\":");
	assert_has(line, ",\"outcome\":\"ok\"}");
	/* It has no line any more. */
	audit_call_answered(&call);
	audit_call_end(&call);
	tool_begin(desk, &call);
	audit_call_end(&call);
	g_autofree char *next = only_line(desk);
	assert_has(next, "-2\",\"ide\"");
}

/* How the next one ended. */
static void assert_outcome(struct Desk *desk, struct AuditCall *call, const char *outcome)
{
	g_autofree char *part = g_strdup_printf("\"outcome\":\"%s\"", outcome);
	audit_call_end(call);
	g_autofree char *line = only_line(desk);
	assert_has(line, part);
}

static void what_was_not_answered_was_cancelled(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "");
	tool_begin(desk, &call);
	audit_call_result(&call, SLICE("{\"isError\":true}"), true);
	audit_call_outcome(&call, AUDIT_OUTCOME_ERROR);
	assert_outcome(desk, &call, "cancelled");
}

static void what_was_said_first_counts_more_than_the_answer(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "");
	tool_begin(desk, &call);
	audit_call_result(&call, SLICE("{}"), true);
	audit_call_outcome(&call, AUDIT_OUTCOME_TOO_LARGE);
	audit_call_outcome(&call, AUDIT_OUTCOME_ERROR);
	audit_call_error(&call, NULL);
	audit_call_answered(&call);
	assert_outcome(desk, &call, "too_large");
	tool_begin(desk, &call);
	audit_call_error(&call, NULL);
	audit_call_answered(&call);
	assert_outcome(desk, &call, "unavailable");
	/* An answer of our own. */
	tool_begin(desk, &call);
	audit_call_answered(&call);
	assert_outcome(desk, &call, "ok");
}

static void results_tell_how_it_went(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	g_autofree char *filler = g_strnfill(10000, 'x');
	g_autofree char *large = g_strdup_printf("{\"content\":\"%s\",\"isError\":true}", filler);
	g_autofree char *mentioned = g_strdup_printf("{\"content\":\"%s isError\"}", filler);
	g_autofree char *more =
		g_strdup_printf("{\"x\":\"%s\",\"resultType\":\"input_required\"}", filler);
	const struct {
		const char *result, *outcome;
	} all[] = {
		{"{\"isError\":false}", "ok"},
		{"{\"isError\":\"true\"}", "ok"},
		{"{\"content\":[{\"isError\":true}]}", "ok"},
		{"{\"is\\u0045rror\":true}", "tool_error"},
		{"{\"resultType\":\"complete\"}", "ok"},
		{"{\"resultType\":\"input_required\"}", "input_required"},
		{"{\"resultType\":5}", "ok"},
		{large, "tool_error"},
		{mentioned, "ok"},
		{more, "input_required"},
	};
	begin(desk, "");
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		tool_begin(desk, &call);
		audit_call_result(&call, slice_of(all[i].result), true);
		audit_call_answered(&call);
		assert_outcome(desk, &call, all[i].outcome);
	}
	tool_begin(desk, &call);
	audit_call_result(&call, SLICE("{}"), true); /* of the round before */
	audit_call_result(&call, SLICE("{\"code\":1,\"message\":\"\"}"), false);
	audit_call_answered(&call);
	assert_outcome(desk, &call, "error");
}

static void errors_have_outcomes(void **state)
{
	struct Desk *desk = *state;
	static const struct {
		enum MuxError code;
		const char *outcome;
	} all[] = {
		{MUX_ERROR_SIGN_IN, "sign_in"},
		{MUX_ERROR_SCOPE, "sign_in"},
		{MUX_ERROR_TIMEOUT, "timeout"},
		{MUX_ERROR_TOO_LARGE, "too_large"},
		{MUX_ERROR_CANCELLED, "cancelled"},
		{MUX_ERROR_UNREACHABLE, "unavailable"},
		{MUX_ERROR_BROKEN, "unavailable"},
		{MUX_ERROR_BUSY, "unavailable"},
		{MUX_ERROR_KEYRING, "unavailable"},
		{MUX_ERROR_LOCKED, "unavailable"},
		{MUX_ERROR_FORBIDDEN, "error"},
		{MUX_ERROR_UPSTREAM, "error"},
		{MUX_ERROR_FAILED, "error"},
	};
	begin(desk, "");
	for (unsigned i = 0; i <= G_N_ELEMENTS(all); i++) {
		struct AuditCall call;
		bool ours = i < G_N_ELEMENTS(all);
		g_autoptr(GError) error = ours ? g_error_new_literal(MUX_ERROR, all[i].code, "x")
					       : g_error_new_literal(G_FILE_ERROR, 0, "x");
		tool_begin(desk, &call);
		audit_call_error(&call, error);
		audit_call_answered(&call);
		assert_outcome(desk, &call, ours ? all[i].outcome : "error");
	}
}

/* ---- names ---- */

static void names_of_peers_are_harmless_and_bounded(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	g_autofree char *filler = g_strnfill(300, 'x');
	g_autofree char *params = g_strdup_printf("\"name\":\"%s\"", filler);
	g_autofree char *cut = g_strdup_printf("\"exposed\":\"%.200s…\",", filler);
	static const struct {
		const char *params, *part;
	} all[] = {
		{"\"name\":\"a\\u001b\\\"\\u202e\"", "\"exposed\":\"a?\\\"?\","},
		{"\"name\":\"\xc2\x9b\x7f\"", "\"exposed\":\"??\","},
		{"\"name\":\"\xc3\xa9\"", "\"exposed\":\"\xc3\xa9\","},
		{"\"name\":\"\\ud800\"", "\"exposed\":null,"},
		{"\"name\":5", "\"exposed\":null,"},
		{"\"x\":5", "\"exposed\":null,\"arguments_bytes\":null,"},
	};
	begin(desk, "");
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		call_begin(desk, &call, "tools/call", all[i].params);
		audit_call_end(&call);
		g_autofree char *line = only_line(desk);
		assert_has(line, all[i].part);
	}
	call_begin(desk, &call, "tools/call", params);
	audit_call_for(&call, wiki(desk), "a\nb");
	audit_call_for(&call, wiki(desk), NULL);
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	assert_has(line, cut);
	assert_has(line, "\"tool\":\"a?b\"");
}

static void a_resource_is_its_uri_without_secrets(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "");
	call_begin(desk, &call, "resources/read", "\"uri\":\"https:\\/\\/me:pw@host/x?key=k\"");
	audit_call_for(&call, wiki(desk), NULL);
	assert_true(audit_call_send(&call, NULL));
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	assert_has(line, "\"connector\":\"wiki\",\"method\":\"resources/read\",\"uri\":\"https://"
			 "host/x…\",");
	call_begin(desk, &call, "resources/read", "\"uri\":\"\\u0000\"");
	audit_call_for(&call, NULL, NULL);
	audit_call_end(&call);
	g_autofree char *none = only_line(desk);
	assert_has(none, "\"connector\":null,\"method\":\"resources/read\",\"uri\":null,");
}

static void so_many_ides_are_told_apart(void **state)
{
	struct Desk *desk = *state;
	const struct McpParams params = {0};
	begin(desk, "");
	for (unsigned i = 0; i < 70; i++) {
		struct AuditCall call = {0};
		g_autofree char *info = g_strdup_printf("{\"name\":\"ide%u\"}", i);
		g_autofree char *part =
			i < 64 ? g_strdup_printf("\"ide\":{\"name\":\"ide%u\",\"version\":null}", i)
			       : g_strdup("\"ide\":null");
		audit_call_begin(desk->audit, &call, "prompts/get", slice_of(info), &params);
		audit_call_end(&call);
		g_autofree char *line = only_line(desk);
		assert_has(line, part);
	}
	struct AuditCall call = {0};
	g_autofree char *filler = g_strnfill(5000, ' ');
	g_autofree char *info = g_strdup_printf("{\"name\":%s\"ide1\"}", filler);
	audit_call_begin(desk->audit, &call, "prompts/get", slice_of(info), &params);
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	assert_has(line, "\"ide\":null");
	audit_call_begin(desk->audit, &call, "prompts/get", SLICE("{\"name\":\"ide1\"}"), &params);
	audit_call_end(&call);
	g_autofree char *known = only_line(desk);
	assert_has(known, "\"ide\":{\"name\":\"ide1\",\"version\":null}");
}

/* ---- arguments ---- */

static void arguments_are_written_in_full_where_that_is_wanted(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	g_autofree char *filler = g_strnfill(AUDIT_ARGUMENTS_MAX - 4, ' ');
	g_autofree char *longest = g_strdup_printf("\"arguments\":{%s  }", filler);
	g_autofree char *longer = g_strdup_printf("\"arguments\":{%s   }", filler);
	begin(desk, "audit_arguments = full");
	call_begin(desk, &call, "tools/call", "\"arguments\":{\"q\":\r\n1.10,\"a\":\"\\u00e9\"}");
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	assert_has(line, ",\"arguments\":{\"q\":  1.10,\"a\":\"\\u00e9\"}}");
	call_begin(desk, &call, "tools/call", longest);
	audit_call_end(&call);
	g_autofree char *whole = only_line(desk);
	assert_has(whole, ",\"arguments\":{ ");
	call_begin(desk, &call, "tools/call", longer);
	audit_call_end(&call);
	g_autofree char *cut = only_line(desk);
	assert_has(cut, "\"arguments_bytes\":65537,");
	assert_has(cut, ",\"arguments_truncated\":true}");
	call_begin(desk, &call, "tools/call", "\"name\":\"x\"");
	audit_call_end(&call);
	g_autofree char *none = only_line(desk);
	assert_has(none, ",\"arguments\":null}");
}

static void without_a_keyring_digests_are_null(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "audit_arguments = digest");
	tool_begin(desk, &call);
	audit_call_end(&call);
	audit_reread_key(desk->audit);
	g_autofree char *line = only_line(desk);
	assert_has(line, ",\"arguments_hmac\":null}");
	begin(desk, "audit_arguments = none");
	tool_begin(desk, &call);
	audit_call_end(&call);
	g_autofree char *bare = only_line(desk);
	assert_has(bare, "\"outcome\":\"cancelled\"}");
}

static void a_call_that_outlasts_the_keyring_has_a_digest(void **state)
{
	struct Desk *desk = *state;
	struct Test test;
	struct AuditCall early, large, late;
	struct Loop *loop = loop_new(NULL);
	g_autofree char *filler = g_strnfill(AUDIT_ARGUMENTS_MAX, ' ');
	g_autofree char *long_params = g_strdup_printf("\"arguments\":{%s}", filler);
	start(&test, KEYRING_FIXTURE_UNLOCKED);
	begin_with(desk, "", loop, test.keyring);
	call_begin(desk, &early, "tools/call", "\"arguments\":{\"q\":\r1}");
	call_begin(desk, &large, "tools/call", long_params);
	assert_non_null(early.arguments);
	assert_null(large.arguments); /* too much to be kept */
	/* One that begins when the key is there has its digest at once. */
	call_begin(desk, &late, "tools/call", "\"arguments\":{\"q\":\r1}");
	while (late.arguments) {
		audit_call_end(&late);
		g_free(only_line(desk));
		g_main_context_iteration(NULL, TRUE);
		call_begin(desk, &late, "tools/call", "\"arguments\":{\"q\":\r1}");
	}
	assert_int_equal(strlen(late.hmac), AUDIT_KEY_HEX);
	g_autofree char *digest = g_strdup_printf(",\"arguments_hmac\":\"%s\"}", late.hmac);
	audit_call_end(&late);
	g_autofree char *late_line = only_line(desk);
	assert_has(late_line, digest);
	audit_call_end(&early);
	g_autofree char *early_line = only_line(desk);
	assert_has(early_line, digest);
	audit_call_end(&large);
	g_autofree char *large_line = only_line(desk);
	assert_has(large_line, ",\"arguments_hmac\":null}");
	call_begin(desk, &large, "tools/call", long_params);
	audit_call_end(&large);
	g_autofree char *again = only_line(desk);
	assert_lacks(again, "null}");
	audit_free(g_steal_pointer(&desk->audit));
	keyring_free(test.keyring);
	turn_for(10);
	loop_free(loop);
	keyring_fixture_free(test.fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, open_desk, close_desk)
		T(a_call_is_one_line_when_it_has_ended),
		T(what_was_not_answered_was_cancelled),
		T(what_was_said_first_counts_more_than_the_answer),
		T(results_tell_how_it_went),
		T(errors_have_outcomes),
		T(names_of_peers_are_harmless_and_bounded),
		T(a_resource_is_its_uri_without_secrets),
		T(so_many_ides_are_told_apart),
		T(arguments_are_written_in_full_where_that_is_wanted),
		T(without_a_keyring_digests_are_null),
		T(a_call_that_outlasts_the_keyring_has_a_digest),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
