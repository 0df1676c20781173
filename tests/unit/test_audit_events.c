/* The audit log of a process: events besides calls, what happens where it cannot be written, the system's log. */
#include "audit_fixture.h"

/* ---- other events ---- */

static void accounts_and_policy_are_written_down(void **state)
{
	struct Desk *desk = *state;
	static const char *const names[] = {"delete_*", NULL};
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, MUX_ERROR_SIGN_IN, "over");
	begin(desk, "");
	audit_account(AUTH_SIGN_IN, wiki(desk), NULL, desk->audit);
	g_autofree char *in = only_line(desk);
	assert_has(in, "\"event\":\"sign_in\",\"connector\":\"wiki\",\"outcome\":\"ok\"}");
	audit_account(AUTH_SIGN_OUT, wiki(desk), NULL, desk->audit);
	g_autofree char *out = only_line(desk);
	assert_has(out, "\"event\":\"sign_out\"");
	audit_account(AUTH_REFRESH, wiki(desk), error, desk->audit);
	g_autofree char *refresh = only_line(desk);
	assert_has(refresh, "\"event\":\"refresh\",\"connector\":\"wiki\",\"outcome\":\"sign_in\","
			    "\"detail\":\"over\"}");
	audit_policy(desk->audit, "wiki", "disable", names);
	g_autofree char *policy = only_line(desk);
	assert_has(policy, "\"change\":\"disable\",\"names\":[\"delete_*\"]");
}

static void off_writes_nothing(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	static const char *const names[] = {NULL};
	begin(desk, "audit = off");
	tool_begin(desk, &call);
	audit_call_for(&call, wiki(desk), "x");
	assert_true(audit_call_send(&call, NULL));
	audit_call_result(&call, SLICE("{}"), true);
	audit_call_outcome(&call, AUDIT_OUTCOME_ERROR);
	audit_call_answered(&call);
	audit_call_end(&call);
	struct Audit *none[] = {desk->audit, NULL};
	for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
		audit_account(AUTH_SIGN_IN, wiki(desk), NULL, none[i]);
		audit_policy(none[i], "wiki", "x", names);
		audit_reread_key(none[i]);
	}
	g_auto(GStrv) lines = lines_of(desk);
	assert_null(lines[0]);
	assert_int_equal(system_lines->len, 0);
}

/* ---- when it is demanded otherwise ---- */

/* With these lines of [mux] from now on. */
static void demand(struct Desk *desk, const char *lines)
{
	g_autofree char *text = g_strdup_printf("[mux]\n%s\n", lines);
	const struct ConfigSource source = {"user.ini", slice_of(text)};
	g_autoptr(Config) config = config_parse(NULL, &source, NULL);
	assert_non_null(config);
	audit_reconfigure(desk->audit, &config->mux);
}

static void it_is_switched_on_and_off(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall before, during;
	begin(desk, "audit = off\naudit_arguments = full");
	tool_begin(desk, &before);
	demand(desk, "audit = required\naudit_arguments = full\naudit_syslog = on");
	tool_begin(desk, &during);
	assert_true(audit_call_send(&before, NULL));
	audit_call_answered(&before);
	audit_call_end(&before);
	assert_true(audit_call_send(&during, NULL));
	g_autofree char *begun = only_line(desk);
	assert_has(begun, "\"event\":\"begin\"");
	assert_int_equal(system_lines->len, 1);
	demand(desk, "audit = off\naudit_arguments = full");
	/* It began while there was to be one. */
	audit_call_answered(&during);
	audit_call_end(&during);
	g_autofree char *ended = only_line(desk);
	assert_has(ended, "\"arguments\":{\"q\":1}");
	tool_begin(desk, &during);
	audit_call_end(&during);
	g_auto(GStrv) lines = lines_of(desk);
	assert_int_equal(g_strv_length(lines), desk->seen);
	assert_int_equal(system_lines->len, 1);
}

static void arguments_are_written_only_as_both_demands_allow(void **state)
{
	struct Desk *desk = *state;
	static const char *const all[] = {"digest", "none", "full"};
	struct AuditCall call;
	for (unsigned from = 0; from < G_N_ELEMENTS(all); from++) {
		for (unsigned to = 0; to < G_N_ELEMENTS(all); to++) {
			g_autofree char *first = g_strconcat("audit_arguments = ", all[from], NULL);
			g_autofree char *then = g_strconcat("audit_arguments = ", all[to], NULL);
			begin(desk, first);
			tool_begin(desk, &call);
			demand(desk, then);
			audit_call_end(&call);
			g_autofree char *line = only_line(desk);
			assert_int_equal(
				strstr(line, "\"arguments\":") != NULL, from == 2 && to == 2);
			assert_int_equal(
				strstr(line, "\"arguments_hmac\":") != NULL, from == 0 && to == 0);
		}
	}
}

/* ---- when it cannot be written ---- */

/* Puts a folder in the file's place, or takes it away. */
static void block(const struct Desk *desk)
{
	assert_int_equal(g_mkdir_with_parents(desk->path, 0700), 0);
}

static void unblock(const struct Desk *desk)
{
	assert_int_equal(rmdir(desk->path), 0);
}

static void required_writes_a_line_before_anything_is_sent(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "audit = required");
	tool_begin(desk, &call);
	g_auto(GStrv) before = lines_of(desk);
	assert_null(before[0]);
	audit_call_for(&call, wiki(desk), "search");
	assert_true(audit_call_send(&call, NULL));
	g_autofree char *line = only_line(desk);
	assert_has(line, "\"event\":\"begin\",\"id\":\"");
	assert_has(line, "\"tool\":\"search\"");
	assert_has(line, "\"outcome\":\"sent\"");
	audit_call_for(&call, wiki(desk), "search");
	assert_true(audit_call_send(&call, NULL)); /* of the same request */
	audit_call_answered(&call);
	audit_call_end(&call);
	g_autofree char *end = only_line(desk);
	assert_has(end, "\"event\":\"call\"");
	/* The same id. */
	g_autofree char *id = g_strdup(strstr(line, "\"id\""));
	*strchr(id, ',') = '\0';
	assert_has(end, id);
}

static void required_refuses_what_cannot_be_written(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	g_autoptr(GError) error = NULL;
	begin(desk, "audit = required");
	block(desk);
	tool_begin(desk, &call);
	audit_call_for(&call, wiki(desk), "search");
	assert_false(audit_call_send(&call, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	assert_has(error->message, desk->path);
	audit_call_answered(&call);
	audit_call_end(&call);
	unblock(desk);
	tool_begin(desk, &call);
	audit_call_for(&call, wiki(desk), "search");
	assert_true(audit_call_send(&call, NULL));
	audit_call_end(&call);
	g_auto(GStrv) lines = lines_of(desk);
	assert_int_equal(g_strv_length(lines), 3);
	assert_has(lines[0], "\"event\":\"begin\"");
	assert_has(lines[1], "\"event\":\"lost\",\"lines\":1,");
	assert_has(lines[2], "\"event\":\"call\"");
}

static void on_goes_on_and_says_how_many_were_lost(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	begin(desk, "");
	block(desk);
	for (unsigned i = 0; i < 3; i++) {
		tool_begin(desk, &call);
		audit_call_for(&call, wiki(desk), "search");
		assert_true(audit_call_send(&call, NULL));
		audit_call_end(&call);
	}
	unblock(desk);
	tool_begin(desk, &call);
	audit_call_end(&call);
	g_auto(GStrv) lines = lines_of(desk);
	assert_int_equal(g_strv_length(lines), 2);
	assert_has(lines[0], "\"event\":\"call\"");
	assert_has(lines[1], "\"event\":\"lost\",\"lines\":3,");
	/* What is still lost at the end is said in the log of the server. */
	assert_int_equal(g_remove(desk->path), 0);
	block(desk);
	tool_begin(desk, &call);
	audit_call_end(&call);
	audit_free(g_steal_pointer(&desk->audit));
}

static void the_system_log_has_each_line_too(void **state)
{
	struct Desk *desk = *state;
	struct AuditCall call;
	g_autofree char *filler = g_strnfill(20000, ' ');
	g_autofree char *params = g_strdup_printf("\"arguments\":{%s}", filler);
	begin(desk, "audit_syslog = on\naudit_arguments = full");
	tool_begin(desk, &call);
	audit_call_end(&call);
	g_autofree char *line = only_line(desk);
	assert_int_equal(system_lines->len, 1);
	assert_string_equal(system_lines->pdata[0], line);
	/* One that is too long for it goes without its arguments. */
	call_begin(desk, &call, "tools/call", params);
	audit_call_end(&call);
	g_autofree char *whole = only_line(desk);
	assert_true(strlen(whole) > 20000);
	assert_int_equal(system_lines->len, 2);
	assert_has(system_lines->pdata[1], ",\"arguments_truncated\":true}");
	/* It does not depend on the file. */
	assert_int_equal(g_remove(desk->path), 0);
	block(desk);
	tool_begin(desk, &call);
	audit_call_end(&call);
	assert_int_equal(system_lines->len, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, open_desk, close_desk)
		T(accounts_and_policy_are_written_down),
		T(off_writes_nothing),
		T(it_is_switched_on_and_off),
		T(arguments_are_written_only_as_both_demands_allow),
		T(required_writes_a_line_before_anything_is_sent),
		T(required_refuses_what_cannot_be_written),
		T(on_goes_on_and_says_how_many_were_lost),
		T(the_system_log_has_each_line_too),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
