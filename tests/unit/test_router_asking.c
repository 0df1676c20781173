/* Calls whose sign-in has ended, of an IDE of 2025-11-25: how the person is asked, and what becomes of the calls. */
#include "asking_fixture.h"

#define NOTES OAUTH("notes", "@a")

/* ---- the person comes back ---- */

static void a_call_goes_on_after_the_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES "title = My \"notes\"\n");
	g_autofree char *question = asker_ask(&a, "1");
	g_autofree char *mode = asker_member(question, "params.mode");
	g_autofree char *message = asker_member(question, "params.message");
	g_autofree char *id = asker_member(question, "params.elicitationId");
	assert_string_equal(mode, "url");
	assert_has(message, "My \"notes\"");
	assert_true(strlen(id) >= 22);
	asker_reply(&a, question, ACCEPT);
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	g_autofree char *complete = ide_notice(&a.ide, COMPLETE);
	g_autofree char *completed = asker_member(complete, "params.elicitationId");
	assert_string_equal(completed, id);
	asker_say_call(&a, "2");
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	ide_hear_nothing(&a.ide);
	assert_int_equal(a.servers[0].calls, 2);
	asker_release(&a);
}

/* Even where nobody but the sign-in itself says that the keyring has changed. */
static void a_call_goes_on_without_notices_of_the_keyring(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	a.deaf = true;
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	assert_answer(&a, "2", "connected, 1 of 1 tools");
	asker_release(&a);
}

static void all_who_wait_are_asked_once(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_say_call(&a, "2");
	asker_reply(&a, question, ACCEPT);
	asker_say_call(&a, "3");
	ide_say(&a.ide, LEGACY("4", "tools/call", CONNECT("Notes")));
	asker_await_waiting(&a, 4);
	ide_hear_nothing(&a.ide);
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	g_autofree char *connected = ide_answer(&a.ide, "4");
	assert_has(connected, "- notes: notes, connected, 1 of 1 tools");
	assert_lacks(connected, "isError");
	asker_release(&a);
}

static void two_connectors_have_a_sign_in_each(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	asker_sign_in(&a, "wiki", 1, "other");
	asker_start(&a, NOTES OAUTH("wiki", "@b"));
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	asker_await_tool(&a, "notes__add");
	asker_await_tool(&a, "wiki__add");
	g_autofree char *notes = asker_ask(&a, "1");
	asker_revoke(&a, 1);
	ide_say(&a.ide, LEGACY("2", "tools/call", CALL("wiki__add")));
	g_autofree char *wiki = asker_question(&a);
	a.servers[1].oauth.access_token = "for-wiki";
	asker_reply(&a, notes, DECLINE);
	asker_reply(&a, wiki, ACCEPT);
	assert_answer(&a, "1", "The sign-in to notes was declined");
	asker_visit_question(&a, 1, wiki);
	assert_answer(&a, "2", "\"text\":\"for-wiki\"");
	asker_release(&a);
}

/* ---- the IDE's answers ---- */

static void assert_refused(const char *answer)
{
	struct Asker a;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_say_call(&a, "2");
	asker_await_waiting(&a, 2);
	ide_hear_nothing(&a.ide);
	asker_reply(&a, question, answer);
	assert_answer(&a, "1", "The sign-in to notes was declined. Nothing was done.");
	assert_answer(&a, "2", "mcp-mux connect notes");
	asker_assert_abandoned(&a, question);
	/* Later the person may think otherwise. */
	asker_say_call(&a, "3");
	g_autofree char *again = asker_question(&a);
	asker_visit_question(&a, 0, again);
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	assert_int_equal(a.servers[0].calls, 1);
	asker_release(&a);
}

static void one_who_declines_is_left_alone(void **state)
{
	(void)state;
	assert_refused(DECLINE);
	assert_refused("\"result\":{\"action\":\"cancel\"}");
}

static void assert_url_in_words(const char *answer)
{
	struct Asker a;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	g_autofree char *url = asker_member(question, "params.url");
	asker_reply(&a, question, answer);
	g_autofree char *told = ide_answer(&a.ide, "1");
	assert_has(told, "isError");
	assert_has(told, url);
	asker_visit(&a, 0, url);
	asker_say_call(&a, "2");
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void an_ide_that_cannot_ask_after_all_shows_the_url(void **state)
{
	(void)state;
	assert_url_in_words("\"error\":{\"code\":-32603,\"message\":\"no window\"}");
	assert_url_in_words("\"result\":{}");
	assert_url_in_words("\"result\":{\"action\":1}");
}

static void answers_to_no_question_change_nothing(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	ide_say(&a.ide, "{\"jsonrpc\":\"2.0\",\"id\":1," DECLINE "}");
	ide_say(&a.ide, "{\"jsonrpc\":\"2.0\",\"id\":\"mcp-mux-1\"," DECLINE "}");
	ide_say(&a.ide, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0000\"," DECLINE "}");
	asker_reply(&a, question, ACCEPT);
	asker_reply(&a, question, DECLINE); /* it has its answer */
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	asker_reply(&a, question, DECLINE);
	asker_release(&a);
}

/* The question stays, since the person may only be slow; but who calls again is asked again. */
static void nobody_waits_for_long(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	clock_jump(&a.ide.fixture, 20 * 1000);
	asker_say_call(&a, "2");
	asker_await_waiting(&a, 2);
	clock_jump(&a.ide.fixture, 26 * 1000);
	g_autofree char *told = ide_answer(&a.ide, "1");
	assert_has(told, "The sign-in to notes is not finished yet. Nothing was done.");
	assert_lacks(told, "http");
	ide_hear_nothing(&a.ide);
	clock_jump(&a.ide.fixture, 20 * 1000);
	assert_answer(&a, "2", "not finished yet");
	ide_hear_nothing(&a.ide);

	asker_say_call(&a, "3");
	g_autofree char *cancelled = ide_notice(&a.ide, CANCELLED);
	g_autofree char *id = asker_member(question, "id");
	assert_has(cancelled, id);
	g_autofree char *again = asker_question(&a);
	g_autofree char *id_again = asker_member(again, "id");
	assert_string_not_equal(id, id_again);
	g_autofree char *url = asker_member(question, "params.url");
	assert_has(again, "elicitationId");
	asker_reply(&a, question, DECLINE); /* too late */
	asker_visit(&a, 0, url);
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	g_free(ide_notice(&a.ide, COMPLETE));
	cancelled = (g_free(cancelled), ide_notice(&a.ide, CANCELLED));
	assert_has(cancelled, id_again);
	asker_release(&a);
}

/* Who is in the browser must not lose the sign-in by closing a question that came again. */
static void a_second_question_does_not_end_what_was_begun(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_reply(&a, question, ACCEPT);
	clock_jump(&a.ide.fixture, 46 * 1000);
	assert_answer(&a, "1", "not finished yet");
	asker_say_call(&a, "2");
	g_autofree char *again = asker_question(&a);
	asker_reply(&a, again, DECLINE);
	assert_answer(&a, "2", "declined");
	asker_visit_question(&a, 0, question);
	g_free(ide_notice(&a.ide, COMPLETE));
	asker_say_call(&a, "3");
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void a_call_that_the_ide_cancels_has_no_answer(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_cancel(&a, "1");
	ide_hear_nothing(&a.ide);
	/* The person may be in the browser. */
	asker_visit_question(&a, 0, question);
	g_free(ide_notice(&a.ide, COMPLETE));
	clock_jump(&a.ide.fixture, 60 * 1000);
	asker_say_call(&a, "1");
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	assert_int_equal(a.servers[0].calls, 1);
	asker_release(&a);
}

/* Requests that wait for a person may fill all the room there is; what they wait for still gets through. */
static void answers_get_through_a_full_router(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, "[mux]\nmax_message = 12\n" NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	g_autofree char *big = g_strnfill(9 << 20, 'x');
	for (unsigned i = 2; i < 5; i++) {
		g_autofree char *text =
			g_strdup_printf(LEGACY("%u", "tools/call",
						CALL("notes__add") ",\"arguments\":{\"x\":\"%s\"}"),
				i, big);
		ide_say(&a.ide, text);
	}
	ide_say(&a.ide, LEGACY("5", "ping", ""));
	asker_await_waiting(&a, 4);
	ide_hear_nothing(&a.ide);
	asker_reply(&a, question, ACCEPT);
	asker_cancel(&a, "2");
	asker_cancel(&a, "3");
	assert_answer(&a, "5", "\"result\":{}");
	asker_visit_question(&a, 0, question);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	assert_answer(&a, "4", "\"text\":\"access-1\"");
	g_free(ide_notice(&a.ide, COMPLETE));
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void what_an_ide_cannot_do_is_not_asked_of_it(void **state)
{
	static const char *const ides[][2] = {{"2025-11-25", "{}"},
		{"2025-11-25", "{\"elicitation\":{}}"},
		{"2025-11-25", "{\"elicitation\":{\"form\":{}}}"},
		{"2025-11-25", "{\"elicitation\":{\"url\":true}}"},
		{"2025-11-25", "{\"elicitation\":[]}"}, {"2025-06-18", ASKS_URLS}};
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(ides); i++) {
		struct Asker a;
		asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
		asker_sign_in(&a, "notes", 0, "first");
		asker_start(&a, NOTES);
		asker_greet(&a, ides[i][0], ides[i][1]);
		asker_await_tool(&a, "notes__add");
		asker_revoke(&a, 0);
		asker_say_call(&a, "1");
		assert_answer(&a, "1", "Run `mcp-mux connect notes` in a terminal");
		asker_assert_unasked(&a);
		asker_release(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_goes_on_after_the_sign_in),
		cmocka_unit_test(a_call_goes_on_without_notices_of_the_keyring),
		cmocka_unit_test(all_who_wait_are_asked_once),
		cmocka_unit_test(two_connectors_have_a_sign_in_each),
		cmocka_unit_test(one_who_declines_is_left_alone),
		cmocka_unit_test(an_ide_that_cannot_ask_after_all_shows_the_url),
		cmocka_unit_test(answers_to_no_question_change_nothing),
		cmocka_unit_test(nobody_waits_for_long),
		cmocka_unit_test(a_second_question_does_not_end_what_was_begun),
		cmocka_unit_test(a_call_that_the_ide_cancels_has_no_answer),
		cmocka_unit_test(answers_get_through_a_full_router),
		cmocka_unit_test(what_an_ide_cannot_do_is_not_asked_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
