/* The same in requests of 2026-07-28: input_required and the retry; requestStates, ours and others. */
#include "asking_fixture.h"

#define NOTES OAUTH("notes", "@a")
#define ADD ",\"name\":\"notes__add\",\"arguments\":{\"n\": 1}"
#define ADD_AGAIN "\"name\":\"notes__add\",\"arguments\":{\"n\": 1}"

/* A modern IDE, with connector notes of server 0 (which is modern, too) signed in. */
static void init(struct Asker *a, const char *ini)
{
	asker_prepare_with(a, KEYRING_FIXTURE_UNLOCKED);
	a->servers[0].modern = true;
	asker_sign_in(a, "notes", 0, "first");
	asker_start(a, ini);
	ide_say(&a->ide, ASKABLE("\"first\"", "tools/list", ""));
	g_autofree char *list = ide_answer(&a->ide, "\"first\"");
	assert_has(list, "notes__add");
}

/* A call for which the person is asked; the handle, for g_free, and *URL (may be NULL). */
static char *ask(struct Asker *a, const char *id, char **url)
{
	g_autofree char *text = g_strdup_printf(ASKABLE("%s", "tools/call", ADD), id);
	ide_say(&a->ide, text);
	g_autofree char *answer = ide_answer(&a->ide, id);
	return asker_input_required(answer, url);
}

static char *ask_after_the_end(struct Asker *a, const char *id, char **url)
{
	asker_revoke(a, 0);
	return ask(a, id, url);
}

/* ---- the person comes back ---- */

static void a_retry_waits_for_the_person(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES "title = My notes\n");
	asker_revoke(&a, 0);
	ide_say(&a.ide, ASKABLE("1", "tools/call", ADD));
	g_autofree char *answer = ide_answer(&a.ide, "1");
	g_autofree char *url = NULL;
	g_autofree char *handle = asker_input_required(answer, &url);
	g_autofree char *method = asker_member(answer, "result.inputRequests.sign_in.method");
	g_autofree char *message =
		asker_member(answer, "result.inputRequests.sign_in.params.message");
	assert_string_equal(method, "elicitation/create");
	assert_has(message, "My notes");
	assert_has(answer, "\"mode\":\"url\"");
	assert_lacks(answer, "elicitationId");
	assert_true(g_str_has_prefix(handle, "mcp-mux.1."));
	assert_true(strlen(handle) >= strlen("mcp-mux.1.") + 22); /* 128 bits */

	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	asker_await_waiting(&a, 1);
	ide_hear_nothing(&a.ide);
	asker_visit(&a, 0, url);
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	/* What only we were meant to see did not go on. */
	const struct OauthHit *hit = guarded_last(&a.servers[0], "tools/call");
	assert_has(hit->body, "\"arguments\":{\"n\": 1}");
	assert_lacks(hit->body, "requestState");
	assert_lacks(hit->body, "inputResponses");
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void a_retry_after_the_person_goes_on_at_once(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_visit(&a, 0, url);
	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void nobody_waits_for_long(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	asker_await_waiting(&a, 1);
	ide_hear_nothing(&a.ide);
	clock_jump(&a.ide.fixture, 46 * 1000);
	g_autofree char *told = ide_answer(&a.ide, "2");
	assert_has(told, "not finished yet");
	assert_has(told, "\"isError\":true");
	assert_lacks(told, url);
	/* The call again: the same sign-in. */
	g_autofree char *url_again = NULL;
	g_autofree char *again = ask(&a, "3", &url_again);
	assert_string_equal(url_again, url);
	asker_retry(&a, "4", ADD_AGAIN, again, ACCEPTED);
	asker_visit(&a, 0, url);
	assert_answer(&a, "4", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void the_connect_tool_asks_as_well(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = true;
	ide_say(&a.ide, ASKABLE("1", "tools/call", "," CONNECT("notes")));
	g_autofree char *answer = ide_answer(&a.ide, "1");
	g_autofree char *url = NULL;
	g_autofree char *handle = asker_input_required(answer, &url);
	asker_retry(&a, "2", CONNECT("notes"), handle, ACCEPTED);
	ide_hear_nothing(&a.ide);
	asker_visit(&a, 0, url);
	g_autofree char *told = ide_answer(&a.ide, "2");
	assert_has(told, "- notes: notes, connected, 1 of 1 tools");
	assert_has(told, "\"resultType\":\"complete\"");
	assert_lacks(told, "isError");
	asker_release(&a);
}

/* Its answer comes when the server has opened, not before. */
static void the_connect_tool_waits_for_the_server(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = true;
	ide_say(&a.ide, ASKABLE("1", "tools/call", "," CONNECT("notes")));
	g_autofree char *answer = ide_answer(&a.ide, "1");
	g_autofree char *url = NULL;
	g_autofree char *handle = asker_input_required(answer, &url);
	a.servers[0].hold_opening = true;
	asker_visit(&a, 0, url);
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	asker_retry(&a, "2", CONNECT("notes"), handle, ACCEPTED);
	ide_hear_nothing(&a.ide);
	guarded_release(&a.servers[0]);
	assert_answer(&a, "2", "- notes: notes, connected, 1 of 1 tools");
	asker_release(&a);
}

/* ---- or not ---- */

static void one_who_declines_is_left_alone(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_retry(&a, "2", ADD_AGAIN, handle, "{\"sign_in\":{\"action\":\"decline\"}}");
	assert_answer(&a, "2", "The sign-in to notes was declined. Nothing was done.");
	assert_false(asker_is_awaited(url));
	g_autofree char *again = ask(&a, "3", NULL);
	asker_retry(&a, "4", ADD_AGAIN, again, "{\"sign_in\":{\"action\":\"cancel\"}}");
	assert_answer(&a, "4", "mcp-mux connect notes");
	asker_release(&a);
}

/* One call of two is declined: the other's person may be in the browser. */
static void declining_one_call_does_not_end_the_others(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *url = NULL;
	g_autofree char *one = ask_after_the_end(&a, "1", &url);
	g_autofree char *other = ask(&a, "2", NULL);
	asker_retry(&a, "3", ADD_AGAIN, one, ACCEPTED);
	asker_retry(&a, "4", ADD_AGAIN, other, "{\"sign_in\":{\"action\":\"decline\"}}");
	assert_answer(&a, "4", "declined");
	asker_visit(&a, 0, url);
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	asker_release(&a);
}

static void refuse_in_the_browser(struct Asker *a, const char *url)
{
	g_autofree char *callback =
		oauth_server_refuse(&a->servers[0].oauth, url, "access_denied", "not today");
	asker_follow(a, callback, 403);
}

static void a_refusal_in_the_browser_is_told(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	/* While the retry waits. */
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	asker_await_waiting(&a, 1);
	ide_hear_nothing(&a.ide);
	refuse_in_the_browser(&a, url);
	assert_answer(&a, "2", "The sign-in to notes did not succeed");
	/* Before it came. */
	g_autofree char *url_again = NULL;
	g_autofree char *again = ask(&a, "3", &url_again);
	refuse_in_the_browser(&a, url_again);
	asker_await_end(&a, url_again);
	asker_retry(&a, "4", ADD_AGAIN, again, ACCEPTED);
	assert_answer(&a, "4", "not today");
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void a_refusal_is_told_by_the_connect_tool(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = true;
	ide_say(&a.ide, ASKABLE("1", "tools/call", "," CONNECT("notes")));
	g_autofree char *answer = ide_answer(&a.ide, "1");
	g_autofree char *url = NULL;
	g_autofree char *handle = asker_input_required(answer, &url);
	refuse_in_the_browser(&a, url);
	asker_await_end(&a, url);
	asker_retry(&a, "2", CONNECT("notes"), handle, ACCEPTED);
	assert_answer(&a, "2", "The sign-in to notes did not succeed");
	asker_release(&a);
}

/* A new sign-in, then more scope; a third time there is something wrong. */
static void one_call_asks_twice_at_most(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	a.servers[0].wanted = "none";
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_visit(&a, 0, url);
	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	g_autofree char *answer = ide_answer(&a.ide, "2");
	g_autofree char *more_url = NULL;
	g_autofree char *more = asker_input_required(answer, &more_url);
	g_autofree char *scope = oauth_param(strchr(more_url, '?') + 1, "scope");
	assert_string_equal(scope, "more");
	asker_visit(&a, 0, more_url);
	asker_retry(&a, "3", ADD_AGAIN, more, ACCEPTED);
	assert_answer(&a, "3", "more permissions than the sign-in has: more");
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void the_connect_tool_asks_twice_at_most(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = true;
	oauth_server_say_always(&a.servers[0].oauth, "/token", 200, "",
		"{\"access_token\":\"worthless\",\"token_type\":\"Bearer\"}");
	g_autofree char *handle = NULL;
	ide_say(&a.ide, ASKABLE("0", "tools/call", "," CONNECT("notes")));
	for (unsigned i = 0; i < 2; i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_autofree char *next = g_strdup_printf("%u", i + 1);
		g_autofree char *answer = ide_answer(&a.ide, id);
		g_autofree char *url = NULL;
		g_free(handle);
		handle = asker_input_required(answer, &url);
		asker_visit(&a, 0, url);
		guarded_await_token(&a.servers[0], &a.ide.fixture, "worthless", i + 1);
		asker_retry(&a, next, CONNECT("notes"), handle, ACCEPTED);
	}
	g_autofree char *told = ide_answer(&a.ide, "2");
	assert_has(told, "sign-in needed");
	assert_has(told, "isError");
	asker_release(&a);
}

/* ---- IDEs that cannot be asked ---- */

static void an_ide_that_cannot_be_asked_is_told_the_command(void **state)
{
	static const char *const capabilities[] = {"{}", "{\"elicitation\":{}}",
		"{\"elicitation\":{\"form\":{}}}", "{\"elicitation\":{\"url\":true}}",
		"{\"elicitation\":[{\"url\":{}}]}", "{\"elicitation\":\"url\"}"};
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	asker_revoke(&a, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(capabilities); i++) {
		g_autofree char *text = g_strdup_printf(
			LEGACY("%zu", "tools/call",
				"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":"
				"\"2026-07-28\",\"io.modelcontextprotocol/"
				"clientCapabilities\":%s}" ADD),
			i, capabilities[i]);
		g_autofree char *id = g_strdup_printf("%zu", i);
		ide_say(&a.ide, text);
		g_autofree char *told = ide_answer(&a.ide, id);
		assert_has(told, "Run `mcp-mux connect notes` in a terminal");
		assert_has(told, "\"isError\":true");
	}
	assert_int_equal(oauth_server_count(&a.servers[0].oauth, "/register"), 0);
	asker_release(&a);
}

/* Requests of both eras in one process share a sign-in. */
static void requests_of_both_eras_wait_together(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	ide_say(&a.ide, LEGACY("2", "tools/call", CALL("notes__add")));
	g_autofree char *question = asker_question(&a);
	g_autofree char *same = asker_member(question, "params.url");
	assert_string_equal(same, url);
	asker_retry(&a, "3", ADD_AGAIN, handle, ACCEPTED);
	asker_await_waiting(&a, 2);
	asker_reply(&a, question, DECLINE);
	assert_answer(&a, "2", "declined");
	ide_hear_nothing(&a.ide);
	asker_visit(&a, 0, url);
	assert_answer(&a, "3", "\"text\":\"access-1\"");
	asker_release(&a);
}

/* ---- requestStates ---- */

static void assert_invalid(
	struct Asker *a, const char *params, const char *handle, const char *responses)
{
	asker_retry(a, "\"bad\"", params, handle, responses);
	g_autofree char *answer = ide_answer(&a->ide, "\"bad\"");
	assert_has(answer, "\"code\":-32602");
}

static void a_handle_is_good_once(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *url = NULL;
	g_autofree char *handle = ask_after_the_end(&a, "1", &url);
	asker_visit(&a, 0, url);
	asker_retry(&a, "2", ADD_AGAIN, handle, ACCEPTED);
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	assert_invalid(&a, ADD_AGAIN, handle, ACCEPTED);
	assert_invalid(&a, ADD_AGAIN, "mcp-mux.1.", ACCEPTED);
	assert_invalid(&a, ADD_AGAIN, "mcp-mux.1.AAAAAAAAAAAAAAAAAAAAAA", ACCEPTED);
	assert_int_equal(a.servers[0].calls, 1);
	asker_release(&a);
}

static void a_handle_is_good_for_its_call_alone(void **state)
{
	static const char *const others[] = {"\"name\":\"notes__add\"",
		"\"name\":\"notes__add\",\"arguments\":{\"n\": 2}",
		"\"name\":\"mcp_mux__connectors\",\"arguments\":{\"n\": 1}"};
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	asker_revoke(&a, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		g_autofree char *handle = ask(&a, "1", NULL);
		assert_invalid(&a, others[i], handle, ACCEPTED);
		assert_invalid(&a, ADD_AGAIN, handle, ACCEPTED); /* it was used */
	}
	asker_release(&a);
}

static void a_handle_ends_after_a_quarter_of_an_hour(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *old = ask_after_the_end(&a, "1", NULL);
	clock_jump(&a.ide.fixture, 60 * 1000);
	g_autofree char *young = ask(&a, "2", NULL);
	clock_jump(&a.ide.fixture, 14 * 60 * 1000 + 1000);
	assert_invalid(&a, ADD_AGAIN, old, ACCEPTED);
	/* The sign-in that it stood for took too long, which is said. */
	asker_retry(&a, "3", ADD_AGAIN, young, ACCEPTED);
	assert_answer(&a, "3", "nobody came back from the browser");
	asker_release(&a);
}

static void what_is_missing_is_asked_for_again(void **state)
{
	static const char *const nothing[] = {"{}", "{\"other\":{\"action\":\"accept\"}}"};
	static const char *const nonsense[] = {"{\"sign_in\":{}}", "{\"sign_in\":[]}",
		"{\"sign_in\":{\"action\":1}}", "{\"sign_in\":{\"action\":\"maybe\"}}", "[]",
		"\"accept\""};
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *handle = ask_after_the_end(&a, "1", NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(nothing); i++) {
		asker_retry(&a, "2", ADD_AGAIN, handle, nothing[i]);
		g_autofree char *answer = ide_answer(&a.ide, "2");
		g_free(handle);
		handle = asker_input_required(answer, NULL);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(nonsense); i++) {
		g_autofree char *each = ask(&a, "3", NULL);
		assert_invalid(&a, ADD_AGAIN, each, nonsense[i]);
	}
	asker_release(&a);
}

/* A server of 2026-07-28 has states of its own; others have none. */
static void states_of_others_go_to_their_servers(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	a.servers[0].modern = true;
	asker_sign_in(&a, "notes", 0, "first");
	asker_sign_in(&a, "wiki", 1, "second");
	asker_start(&a, NOTES OAUTH("wiki", "@b"));
	ide_say(&a.ide, ASKABLE("\"first\"", "tools/list", ""));
	assert_answer(&a, "\"first\"", "wiki__add");
	asker_retry(&a, "1", ADD_AGAIN, "theirs", "{\"x\":{}}");
	assert_answer(&a, "1", "\"text\":\"first\"");
	const struct OauthHit *hit = guarded_last(&a.servers[0], "tools/call");
	assert_has(hit->body, "\"inputResponses\":{\"x\":{}},\"requestState\":\"theirs\"");
	assert_invalid(&a, CALL("wiki__add"), "theirs", "{}");
	assert_int_equal(a.servers[1].calls, 0);
	assert_invalid(&a, CALL("mcp_mux__connectors"), "theirs", "{}");
	asker_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_retry_waits_for_the_person),
		cmocka_unit_test(a_retry_after_the_person_goes_on_at_once),
		cmocka_unit_test(nobody_waits_for_long),
		cmocka_unit_test(the_connect_tool_asks_as_well),
		cmocka_unit_test(the_connect_tool_waits_for_the_server),
		cmocka_unit_test(one_who_declines_is_left_alone),
		cmocka_unit_test(declining_one_call_does_not_end_the_others),
		cmocka_unit_test(a_refusal_in_the_browser_is_told),
		cmocka_unit_test(a_refusal_is_told_by_the_connect_tool),
		cmocka_unit_test(one_call_asks_twice_at_most),
		cmocka_unit_test(the_connect_tool_asks_twice_at_most),
		cmocka_unit_test(an_ide_that_cannot_be_asked_is_told_the_command),
		cmocka_unit_test(requests_of_both_eras_wait_together),
		cmocka_unit_test(a_handle_is_good_once),
		cmocka_unit_test(a_handle_is_good_for_its_call_alone),
		cmocka_unit_test(a_handle_ends_after_a_quarter_of_an_hour),
		cmocka_unit_test(what_is_missing_is_asked_for_again),
		cmocka_unit_test(states_of_others_go_to_their_servers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
