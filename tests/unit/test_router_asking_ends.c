/* How a sign-in that a call waits for can end, but for the good end: it fails, the server fails after it, it is made
 * elsewhere, more is wanted, the process ends. */
#include "asking_fixture.h"

#define NOTES OAUTH("notes", "@a")

/* ---- sign-ins that fail ---- */

static void a_refusal_in_the_browser_is_told(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_say_call(&a, "2");
	asker_await_waiting(&a, 2);
	g_autofree char *url = asker_member(question, "params.url");
	g_autofree char *callback =
		oauth_server_refuse(&a.servers[0].oauth, url, "access_denied", "not today");
	asker_follow(&a, callback, 403);
	assert_answer(&a, "1", "The sign-in to notes did not succeed");
	assert_answer(&a, "2", "not today");
	/* The IDE need not show the question any longer. */
	g_free(ide_notice(&a.ide, CANCELLED));
	assert_null(ide_find(&a.ide, "method", "\"" COMPLETE "\""));
	asker_release(&a);
}

static void a_sign_in_that_cannot_begin_is_told(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	a.servers[0].oauth.registers = false;
	asker_revoke(&a, 0);
	asker_say_call(&a, "1");
	g_autofree char *told = ide_answer(&a.ide, "1");
	assert_has(told, "The sign-in to notes did not succeed");
	assert_has(told, "client_id");
	asker_assert_unasked(&a);
	asker_release(&a);
}

static void a_sign_in_that_takes_long_to_begin_is_not_waited_for(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	oauth_server_say(&a.servers[0].oauth, "/.well-known/oauth-authorization-server",
		OAUTH_SILENT, "", "");
	asker_revoke(&a, 0);
	asker_say_call(&a, "1");
	oauth_server_await(
		&a.servers[0].oauth, &a.ide.fixture, "/.well-known/oauth-authorization-server", 1);
	clock_jump(&a.ide.fixture, 46 * 1000);
	assert_answer(&a, "1", "could not be prepared in time");
	/* It goes on, but nobody is there who could be asked. */
	oauth_hit_serve(
		oauth_server_last(&a.servers[0].oauth, "/.well-known/oauth-authorization-server"));
	asker_assert_unasked(&a);
	asker_say_call(&a, "2");
	g_autofree char *question = asker_question(&a);
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	asker_release(&a);
}

/* ---- and then the server fails ---- */

static void a_server_that_refuses_the_new_token_is_told(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	oauth_server_say(&a.servers[0].oauth, "/token", 200, "",
		"{\"access_token\":\"worthless\",\"token_type\":\"Bearer\"}");
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 2);
	asker_visit_question(&a, 0, question);
	g_autofree char *call = ide_answer(&a.ide, "1");
	g_autofree char *connect = ide_answer(&a.ide, "2");
	assert_has(call, "notes needs you to sign in");
	assert_has(connect, "sign-in needed");
	assert_has(connect, "isError");
	assert_lacks(call, "worthless");
	assert_lacks(connect, "worthless");
	assert_int_equal(a.servers[0].calls, 0);
	asker_release(&a);
}

static void a_server_that_fails_after_the_sign_in_is_told(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 2);
	a.servers[0].fails = 503;
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "notes could not answer");
	assert_answer(&a, "2", "not available");
	asker_release(&a);
}

static void a_server_that_is_silent_after_the_sign_in_is_not_waited_for(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 2);
	a.servers[0].hold_opening = true;
	asker_visit_question(&a, 0, question);
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	clock_jump(&a.ide.fixture, 15 * 1000);
	assert_answer(&a, "1", "You are signed in to notes, but it does not answer yet");
	assert_answer(&a, "2", "isError");
	guarded_release(&a.servers[0]);
	asker_say_call(&a, "3");
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	assert_int_equal(a.servers[0].calls, 1);
	asker_release(&a);
}

/* ---- more scope ---- */

static char *scope_asked(const char *question)
{
	g_autofree char *url = asker_member(question, "params.url");
	return oauth_param(strchr(url, '?') + 1, "scope");
}

static void more_scope_is_asked_for(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	a.servers[0].wanted = "access-1";
	asker_say_call(&a, "1");
	g_autofree char *question = asker_question(&a);
	g_autofree char *scope = scope_asked(question);
	assert_string_equal(scope, "more");
	/* That the upstream is open and its list came again says nothing of this. */
	clock_jump(&a.ide.fixture, 6000);
	unsigned lists = a.servers[0].oauth.arrived;
	g_free(ide_list(&a.ide));
	turn_until(&a.ide.fixture, a.servers[0].oauth.arrived, lists + 1);
	ide_hear_nothing(&a.ide);
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void a_server_that_wants_ever_more_is_not_followed(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	a.servers[0].wanted = "none";
	asker_say_call(&a, "1");
	for (unsigned i = 0; i < 2; i++) {
		g_autofree char *question = asker_question(&a);
		asker_visit_question(&a, 0, question);
	}
	assert_answer(&a, "1", "more permissions than the sign-in has: more");
	asker_assert_unasked(&a);
	asker_release(&a);
}

/* One request waits for the tools of the first sign-in while another needs a second one. */
static void a_second_sign_in_begins_while_the_first_settles(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *first = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 2);
	asker_reply(&a, first, ACCEPT);
	a.servers[0].wanted = "access-2";
	a.servers[0].hold_list = true;
	asker_visit_question(&a, 0, first);
	g_autofree char *second = asker_question(&a);
	guarded_release(&a.servers[0]);
	assert_answer(&a, "2", "connected");
	g_free(ide_notice(&a.ide, COMPLETE));
	ide_hear_nothing(&a.ide);
	asker_visit_question(&a, 0, second);
	assert_answer(&a, "1", "\"text\":\"access-2\"");
	asker_release(&a);
}

/* ---- the sign-in is made elsewhere ---- */

static void a_sign_in_in_a_terminal_lets_the_call_go_on(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	g_autofree char *url = asker_member(question, "params.url");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 2);
	a.servers[0].hold = true;
	asker_sign_in(&a, "notes", 0, "second");
	g_free(ide_notice(&a.ide, COMPLETE));
	g_free(ide_notice(&a.ide, CANCELLED));
	assert_answer(&a, "2", "connected");
	assert_true(asker_is_awaited(url)); /* it may have been this one, whose page is due */
	/* The clocks of a person are not those of the call. */
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	clock_jump(&a.ide.fixture, 70 * 1000);
	ide_hear_nothing(&a.ide);
	guarded_release(&a.servers[0]);
	assert_answer(&a, "1", "\"text\":\"second\"");
	assert_false(asker_is_awaited(url));
	assert_int_equal(a.servers[0].calls, 1);
	asker_release(&a);
}

/* An older version, or one that could not store in time, renewed the token that seemed dead. */
static void a_token_renewed_elsewhere_lets_the_call_go_on(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	oauth_server_add_tokens(&a.servers[0].oauth, "renewed", NULL, "client");
	asker_sign_in_as(&a, "notes", 0, "renewed", "grant-1");
	assert_answer(&a, "1", "\"text\":\"renewed\"");
	asker_assert_abandoned(&a, question);
	asker_release(&a);
}

static void both_ways_at_once(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_sign_in(&a, "notes", 0, "second");
	assert_answer(&a, "1", "\"text\":\"second\"");
	asker_visit_question(&a, 0, question);
	g_autofree char *text = NULL;
	/* The last one counts. */
	for (unsigned i = 2; !text || !strstr(text, "access-1"); i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_free(text);
		asker_say_call(&a, id);
		text = ide_answer(&a.ide, id);
	}
	asker_assert_unasked(&a);
	asker_release(&a);
}

static void a_sign_out_elsewhere_does_not_end_the_waiting(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_sign_out(&a, "notes", 0);
	g_free(ide_notice(&a.ide, "notifications/tools/list_changed"));
	ide_hear_nothing(&a.ide);
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	asker_release(&a);
}

/* ---- the end of the process ---- */

static void stop_and_wait(struct Asker *a)
{
	router_shutdown(a->ide.router);
	fixture_turn_for(&a->ide.fixture, 20);
	g_ptr_array_set_size(a->ide.lines, 0);
	clock_jump(&a->ide.fixture, 11 * 60 * 1000); /* every clock */
	ide_hear_nothing(&a->ide);
}

/* STOP: by router_shutdown first, as when the IDE ends the input; else at once. */
static void assert_ends(bool stop)
{
	struct Asker a;
	/* Before there is a URL. */
	asker_init_signed_in(&a, NOTES);
	oauth_server_say(&a.servers[0].oauth, "/register", OAUTH_SILENT, "", "");
	asker_revoke(&a, 0);
	asker_say_call(&a, "1");
	oauth_server_await(&a.servers[0].oauth, &a.ide.fixture, "/register", 1);
	if (stop)
		stop_and_wait(&a);
	asker_release(&a);

	/* While the person is asked. */
	asker_init_signed_in(&a, NOTES);
	g_free(asker_ask(&a, "1"));
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	if (stop)
		stop_and_wait(&a);
	asker_release(&a);

	/* While the upstream opens. */
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	a.servers[0].hold_opening = true;
	asker_visit_question(&a, 0, question);
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	if (stop)
		stop_and_wait(&a);
	asker_release(&a);
}

static void the_end_may_come_at_any_moment(void **state)
{
	(void)state;
	assert_ends(false);
	assert_ends(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_in_the_browser_is_told),
		cmocka_unit_test(a_sign_in_that_cannot_begin_is_told),
		cmocka_unit_test(a_sign_in_that_takes_long_to_begin_is_not_waited_for),
		cmocka_unit_test(a_server_that_refuses_the_new_token_is_told),
		cmocka_unit_test(a_server_that_fails_after_the_sign_in_is_told),
		cmocka_unit_test(a_server_that_is_silent_after_the_sign_in_is_not_waited_for),
		cmocka_unit_test(more_scope_is_asked_for),
		cmocka_unit_test(a_server_that_wants_ever_more_is_not_followed),
		cmocka_unit_test(a_second_sign_in_begins_while_the_first_settles),
		cmocka_unit_test(a_sign_in_in_a_terminal_lets_the_call_go_on),
		cmocka_unit_test(a_token_renewed_elsewhere_lets_the_call_go_on),
		cmocka_unit_test(both_ways_at_once),
		cmocka_unit_test(a_sign_out_elsewhere_does_not_end_the_waiting),
		cmocka_unit_test(the_end_may_come_at_any_moment),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
