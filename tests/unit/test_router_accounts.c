/* Connectors with accounts: what is listed, what mcp-mux's own tools say and do, what changes elsewhere, and
 * browsers. */
#include "asking_fixture.h"

#define NOTES OAUTH("notes", "@a")
#define LIST_CHANGED "notifications/tools/list_changed"
#define CONNECTORS "\"name\":\"mcp_mux__connectors\""
/* A browser that notes the URL in the keyring's folder. */
#define BROWSER_FILE "opened"

static void assert_error(struct Asker *a, const char *id, const char *part)
{
	g_autofree char *answer = ide_answer(&a->ide, id);
	assert_has(answer, "\"isError\":true");
	assert_has(answer, part);
}

/* An IDE that cannot be asked, and one connector. */
static void init(struct Asker *a, const char *ini)
{
	asker_init(a, ini);
	asker_greet(a, "2025-11-25", "{}");
}

static char *connectors(struct Asker *a)
{
	ide_say(&a->ide, LEGACY("\"c\"", "tools/call", CONNECTORS));
	g_autofree char *answer = ide_answer(&a->ide, "\"c\"");
	assert_lacks(answer, "isError");
	struct JsonMember item = {0};
	struct JsonIter items =
		json_iter(json_get(json_get(slice_of(answer), "result").raw, "content").raw);
	assert_true(json_next(&items, &item));
	return json_string_dup(json_get(item.value.raw, "text"));
}

static void assert_no_sign_in(struct Asker *a)
{
	fixture_turn_for(&a->ide.fixture, 20);
	assert_int_equal(oauth_server_count(&a->servers[0].oauth, "/register"), 0);
	assert_null(ide_find(&a->ide, "method", "\"elicitation/create\""));
}

/* ---- lists ---- */

static void tools_come_and_go_with_the_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	g_autofree char *before = ide_list(&a.ide);
	assert_lacks(before, "notes__");
	gint64 began = g_get_monotonic_time();
	asker_sign_in(&a, "notes", 0, "first");
	g_free(ide_notice(&a.ide, LIST_CHANGED));
	assert_true(g_get_monotonic_time() - began < G_USEC_PER_SEC);
	g_autofree char *with = ide_list(&a.ide);
	assert_has(with, "notes__add");
	ide_exchange(
		&a.ide, LEGACY("1", "tools/call", CALL("notes__add")), "1", "\"text\":\"first\"");
	began = g_get_monotonic_time();
	asker_sign_out(&a, "notes", 0);
	g_free(ide_notice(&a.ide, LIST_CHANGED));
	assert_true(g_get_monotonic_time() - began < G_USEC_PER_SEC);
	g_autofree char *without = ide_list(&a.ide);
	assert_lacks(without, "notes__");
	ide_say(&a.ide, LEGACY("2", "tools/call", CALL("notes__add")));
	assert_error(&a, "2", "notes needs you to sign in (nobody has signed in)");
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void another_account_is_used_at_once(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	asker_sign_in(&a, "notes", 0, "first");
	asker_await_tool(&a, "notes__add");
	a.servers[0].tools = READ_TOOL;
	asker_sign_in(&a, "notes", 0, "second");
	asker_await_tool(&a, "notes__look");
	ide_exchange(
		&a.ide, LEGACY("1", "tools/call", CALL("notes__look")), "1", "\"text\":\"second\"");
	asker_release(&a);
}

/* Its tools stay, so that a call can ask for the new sign-in. */
static void an_ended_sign_in_keeps_its_tools(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES "title = My notes\n");
	asker_sign_in(&a, "notes", 0, "first");
	asker_await_tool(&a, "notes__add");
	asker_revoke(&a, 0);
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("notes__add")));
	assert_error(&a, "1",
		"My notes needs you to sign in (the sign-in has ended). Run `mcp-mux connect "
		"notes` in a terminal, or call mcp_mux__connect, then repeat the call.");
	assert_no_sign_in(&a);
	g_autofree char *list = ide_list(&a.ide);
	assert_has(list, "notes__add");
	ide_hear_nothing(&a.ide);
	g_autofree char *text = connectors(&a);
	assert_string_equal(text,
		"- notes: My notes, sign-in needed, 1 of 1 tools (the sign-in has ended); call "
		"mcp_mux__connect, or run `mcp-mux connect notes` in a terminal\n");
	asker_release(&a);
}

static void a_locked_keyring_says_so_until_it_opens(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	keyring_fixture_lock(a.bank);
	asker_start(&a, NOTES);
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	g_free(ide_list(&a.ide));
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("notes")));
	assert_error(&a, "1", "Unlock the keyring, then repeat the call.");
	ide_say(&a.ide, LEGACY("2", "tools/call", CALL("notes__add")));
	assert_error(&a, "2", "Unlock the keyring, then repeat the call.");
	assert_no_sign_in(&a);
	g_autofree char *text = connectors(&a);
	assert_has(text, "- notes: notes, not available (");
	keyring_fixture_unlock(a.bank);
	asker_await_tool(&a, "notes__add");
	asker_release(&a);
}

/* A sign-in that could not be stored would be in vain, so nobody is asked for one. */
static void a_keyring_that_locks_later_says_so(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	asker_sign_out(&a, "notes", 0);
	asker_start(&a, NOTES);
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	g_free(ide_list(&a.ide));
	asker_sign_in(&a, "notes", 0, "first");
	a.deaf = true;
	keyring_fixture_lock(a.bank);
	/* Nobody knows of it yet. */
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("notes")));
	assert_error(&a, "1", "locked");
	a.deaf = false;
	router_reread_credentials(a.ide.router);
	for (;;) {
		g_autofree char *text = connectors(&a);
		if (strstr(text, "locked"))
			break;
		g_main_context_iteration(a.ide.fixture.context, TRUE);
	}
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	assert_error(&a, "2", "Unlock the keyring, then repeat the call.");
	assert_null(ide_find(&a.ide, "method", "\"elicitation/create\""));
	asker_release(&a);
}

/* ---- the connect tool ---- */

static void what_cannot_be_connected_is_told(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES "[connector:key]\nurl = @b\nauth = api-key\n"
			     "[connector:open]\nurl = @0\nauth = none\n"
			     "[connector:off]\nurl = @1\nauth = none\nenabled = off\n");
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	hit_reply(peer_await(&a.ide.peers[0], "initialize"), 500, "", "");
	g_free(ide_list(&a.ide));
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("nobody\\u0007")));
	assert_error(&a, "1", "There is no connector named nobody?; there are: notes key open");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("off")));
	assert_error(&a, "2", "There is no connector named off");
	ide_exchange(
		&a.ide, LEGACY("3", "tools/call", "\"name\":\"mcp_mux__connect\""), "3", "-32602");
	ide_exchange(&a.ide,
		LEGACY("4", "tools/call",
			"\"name\":\"mcp_mux__connect\",\"arguments\":{\"name\":[\"notes\"]}"),
		"4", "-32602");
	ide_say(&a.ide, LEGACY("5", "tools/call", CONNECT("key")));
	assert_error(&a, "5",
		"Ask the user to run `mcp-mux connect key` in a terminal: keys and secrets do not "
		"go through the chat.");
	/* One that fails is tried again first. */
	ide_say(&a.ide, LEGACY("6", "tools/call", CONNECT("open")));
	struct Hit *again = peer_await(&a.ide.peers[0], "server/discover");
	ide_hear_nothing(&a.ide);
	hit_reply(again, 500, "", "");
	assert_error(&a, "6", "open could not answer: HTTP 500");
	g_autofree char *text = connectors(&a);
	assert_has(text, "- key: key, sign-in needed (nobody has signed in); run `mcp-mux connect "
			 "key` in a terminal\n");
	assert_has(text, "- open: open, not available (HTTP 500)\n");
	assert_no_sign_in(&a);
	asker_release(&a);
}

static void what_is_connected_needs_nothing(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	a.servers[0].hold_list = true;
	asker_start(&a, NOTES "allowed_tools = add\n[tools:notes]\nadd = off\n");
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	/* While it opens nobody can say whether a sign-in is needed. */
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("NOTES")));
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	ide_hear_nothing(&a.ide);
	guarded_release(&a.servers[0]);
	g_autofree char *answer = ide_answer(&a.ide, "1");
	assert_has(answer, "- notes: notes, connected, 0 of 1 tools");
	assert_lacks(answer, "isError");
	assert_no_sign_in(&a);
	asker_release(&a);
}

static void the_tool_waits_for_what_opens_but_not_for_ever(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	a.servers[0].hold_opening = true;
	asker_start(&a, NOTES);
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("notes")));
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	clock_jump(&a.ide.fixture, 25 * 1000);
	guarded_release(&a.servers[0]);
	a.servers[0].hold_list = true;
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	ide_hear_nothing(&a.ide);
	clock_jump(&a.ide.fixture, 21 * 1000);
	assert_error(&a, "1", "notes could not answer: its tools are not known yet");
	guarded_release(&a.servers[0]);
	asker_await_tool(&a, "notes__add");
	ide_hear_nothing(&a.ide);
	asker_release(&a);
}

static void the_account_is_shown(void **state)
{
	struct Asker a;
	const struct KeyringKey key = {.connector = "notes", .kind = KEYRING_TOKEN};
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	struct KeyringKey whole = key;
	whole.resource = a.servers[0].oauth.url;
	g_autoptr(Secret) value = secret_new(
		SLICE("{\"v\":1,\"grant\":\"g\",\"access_token\":\"first\",\"account\":\"Ada\"}"));
	oauth_server_add_tokens(&a.servers[0].oauth, "first", NULL, "client");
	keyring_store(a.own, &whole, value, asker_on_done, &a);
	asker_await_done(&a, 0);
	asker_start(&a, NOTES);
	asker_greet(&a, "2025-11-25", "{}");
	asker_await_tool(&a, "notes__add");
	g_autofree char *text = connectors(&a);
	assert_string_equal(text, "- notes: notes, connected, 1 of 1 tools, account Ada\n");
	asker_release(&a);
}

/* ---- browsers ---- */

static void use_browser(struct Asker *a)
{
	g_autofree char *command = g_strdup_printf(
		"sh -c 'echo \"$0\" >>\"%s/" BROWSER_FILE "\"'", keyring_fixture_folder(a->bank));
	g_setenv("BROWSER", command, TRUE);
}

/* The COUNTth URL that the browser was given, for g_free. */
static char *opened(struct Asker *a, unsigned count)
{
	g_autofree char *path =
		g_build_filename(keyring_fixture_folder(a->bank), BROWSER_FILE, NULL);
	for (unsigned i = 0; i < PATIENCE_MS; i++) {
		g_autofree char *text = NULL;
		if (g_file_get_contents(path, &text, NULL, NULL)) {
			g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
			/* What follows the last line break is no whole line yet. */
			if (g_strv_length(lines) > count)
				return g_strdup(lines[count - 1]);
		}
		fixture_turn_for(&a->ide.fixture, 1);
	}
	fail_msg("no browser was opened");
	return NULL;
}

static void assert_opened_no_more(struct Asker *a, unsigned count)
{
	g_autofree char *path =
		g_build_filename(keyring_fixture_folder(a->bank), BROWSER_FILE, NULL);
	g_autofree char *text = NULL;
	fixture_turn_for(&a->ide.fixture, 100);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	assert_int_equal(g_strv_length(lines), count + 1);
}

static void the_connect_tool_opens_one_browser(void **state)
{
	struct Asker a;
	(void)state;
	init(&a, NOTES);
	use_browser(&a);
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("notes")));
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	g_autofree char *url = opened(&a, 1);
	asker_await_waiting(&a, 2);
	clock_jump(&a.ide.fixture, 46 * 1000);
	g_autofree char *told = ide_answer(&a.ide, "1");
	assert_has(told, "not finished yet");
	assert_has(told, url); /* it may not have opened after all */
	assert_error(&a, "2", "not finished yet");
	ide_say(&a.ide, LEGACY("3", "tools/call", CONNECT("notes")));
	assert_opened_no_more(&a, 1);
	asker_visit(&a, 0, url);
	assert_answer(&a, "3", "connected, 1 of 1 tools");
	asker_release(&a);
}

static void without_a_browser_the_url_is_told(void **state)
{
	static const char *const browsers[] = {NULL, "/nonexistent/browser", "'unfinished"};
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(browsers); i++) {
		struct Asker a;
		init(&a, NOTES);
		if (browsers[i])
			g_setenv("BROWSER", browsers[i], TRUE);
		ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("notes")));
		g_autofree char *told = ide_answer(&a.ide, "1");
		assert_has(told, "\"isError\":true");
		assert_has(told, "run `mcp-mux connect notes` in a terminal");
		g_autofree char *start =
			g_strconcat(a.servers[0].oauth.origin, "/authorize?", NULL);
		const char *at = strstr(told, start);
		assert_non_null(at);
		g_autofree char *url = g_strndup(at, strcspn(at, "\\"));
		asker_visit(&a, 0, url);
		asker_await_tool(&a, "notes__add");
		asker_release(&a);
	}
}

static void sign_in_browser_opens_it_for_a_call(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, "[mux]\nsign_in = browser\n" NOTES);
	use_browser(&a);
	asker_revoke(&a, 0);
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("notes__add")));
	g_autofree char *url = opened(&a, 1);
	ide_say(&a.ide, ASKABLE("2", "tools/call", "," CALL("notes__add")));
	asker_await_waiting(&a, 2);
	ide_hear_nothing(&a.ide);
	asker_visit(&a, 0, url);
	assert_answer(&a, "1", "\"text\":\"access-1\"");
	assert_answer(&a, "2", "\"text\":\"access-1\"");
	assert_opened_no_more(&a, 1);
	asker_release(&a);
}

static void sign_in_browser_without_one_tells_the_url(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, "[mux]\nsign_in = browser\n" NOTES);
	asker_revoke(&a, 0);
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("notes__add")));
	assert_error(&a, "1", "/authorize?");
	asker_release(&a);
}

static void a_batch_waits_for_its_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	asker_start(&a, "[mux]\nsign_in = browser\n" NOTES);
	asker_greet(&a, "2025-03-26", ASKS_URLS);
	asker_await_tool(&a, "notes__add");
	use_browser(&a);
	asker_revoke(&a, 0);
	ide_say(&a.ide, "[" LEGACY("1", "tools/call", CALL("notes__add")) "," LEGACY("2",
				"tools/call", CONNECT("notes")) "," LEGACY("3", "ping", "") "]");
	g_autofree char *url = opened(&a, 1);
	asker_await_waiting(&a, 1);
	ide_hear_nothing(&a.ide);
	asker_visit(&a, 0, url);
	while (!a.ide.lines->len || !a.ide.lines->pdata[a.ide.lines->len - 1])
		turn_until(&a.ide.fixture, a.ide.heard, a.ide.heard + 1);
	const char *line = a.ide.lines->pdata[a.ide.lines->len - 1];
	assert_true(g_str_has_prefix(line, "[{"));
	assert_has(line, "\"text\":\"access-1\"");
	assert_has(line, "connected");
	assert_has(line, "\"id\":3,\"result\":{}");
	asker_release(&a);
}

static void sign_in_never_leaves_it_to_the_terminal(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, "[mux]\nsign_in = never\n" NOTES);
	use_browser(&a);
	asker_revoke(&a, 0);
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("notes__add")));
	assert_error(&a, "1", "Run `mcp-mux connect notes` in a terminal, then repeat the call.");
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	assert_error(&a, "2",
		"Ask the user to run `mcp-mux connect notes` in a terminal: the configuration says "
		"`sign_in = never`.");
	assert_no_sign_in(&a);
	asker_release(&a);
}

/* ---- keys ---- */

static void nobody_is_asked_for_a_key(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	asker_start(&a, "[connector:notes]\nurl = @a\nauth = api-key\n");
	asker_greet(&a, "2025-11-25", ASKS_URLS);
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("notes__add")));
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	assert_error(&a, "1", "Run `mcp-mux connect notes` in a terminal, then repeat the call.");
	assert_error(&a, "2", "keys and secrets do not go through the chat");
	assert_no_sign_in(&a);
	asker_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tools_come_and_go_with_the_sign_in),
		cmocka_unit_test(another_account_is_used_at_once),
		cmocka_unit_test(an_ended_sign_in_keeps_its_tools),
		cmocka_unit_test(a_locked_keyring_says_so_until_it_opens),
		cmocka_unit_test(a_keyring_that_locks_later_says_so),
		cmocka_unit_test(what_cannot_be_connected_is_told),
		cmocka_unit_test(what_is_connected_needs_nothing),
		cmocka_unit_test(the_tool_waits_for_what_opens_but_not_for_ever),
		cmocka_unit_test(the_account_is_shown),
		cmocka_unit_test(the_connect_tool_opens_one_browser),
		cmocka_unit_test(without_a_browser_the_url_is_told),
		cmocka_unit_test(sign_in_browser_opens_it_for_a_call),
		cmocka_unit_test(sign_in_browser_without_one_tells_the_url),
		cmocka_unit_test(a_batch_waits_for_its_sign_in),
		cmocka_unit_test(sign_in_never_leaves_it_to_the_terminal),
		cmocka_unit_test(nobody_is_asked_for_a_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
