/* What becomes of prompts, and of sessions besides the first one, when people sign in and out. */
#include "asking_fixture.h"

#include "items_fixture.h"

#define NOTES OAUTH("notes", "@a")
#define PROMPTS_CHANGED "notifications/prompts/list_changed"

static void prompts_come_and_go_with_the_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].prompts = PROMPT("p");
	asker_greet(&a, "2025-11-25", "{}");
	ide_expect_list(&a.ide, MCP_PROMPTS, "");
	asker_sign_in(&a, "notes", 0, "first");
	g_free(ide_notice(&a.ide, PROMPTS_CHANGED));
	ide_expect_list(&a.ide, MCP_PROMPTS, "notes__p ");
	asker_sign_out(&a, "notes", 0);
	g_free(ide_notice(&a.ide, PROMPTS_CHANGED));
	ide_expect_list(&a.ide, MCP_PROMPTS, "");
	ide_exchange(&a.ide, LEGACY("1", "prompts/get", "\"name\":\"notes__p\""), "1",
		"notes needs you to sign in (nobody has signed in)");
	asker_release(&a);
}

/* The account's lists are not the next one's. */
static void prompts_of_another_account(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].prompts = PROMPT("p");
	asker_greet(&a, "2025-11-25", "{}");
	asker_sign_in(&a, "notes", 0, "first");
	asker_await_tool(&a, "notes__add");
	ide_expect_list(&a.ide, MCP_PROMPTS, "notes__p ");
	a.servers[0].prompts = PROMPT("q");
	asker_sign_in(&a, "notes", 0, "second");
	g_free(ide_notice(&a.ide, PROMPTS_CHANGED));
	while (true) {
		ide_say(&a.ide, LEGACY("1", "prompts/list", ""));
		g_autofree char *list = ide_answer(&a.ide, "1");
		g_autofree char *keys = ide_keys(list, MCP_PROMPTS);
		assert_lacks(keys, "notes__p notes__q");
		if (strcmp(keys, "notes__q ") == 0)
			break;
		fixture_turn_for(&a.ide.fixture, 5);
	}
	asker_release(&a);
}

static unsigned count_initialize(const struct Asker *a)
{
	unsigned n = 0;
	for (guint i = 0; i < a->servers[0].oauth.hits->len; i++) {
		const struct OauthHit *hit = a->servers[0].oauth.hits->pdata[i];
		n += hit->body && strstr(hit->body, "\"method\":\"initialize\"");
	}
	return n;
}

static void sessions_follow_the_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = false;
	asker_greet(&a, "2025-11-25", "{}");
	asker_sign_in(&a, "notes", 0, "first");
	asker_await_tool(&a, "notes__add");
	unsigned before = count_initialize(&a);
	ide_exchange(&a.ide, ASKABLE("1", "tools/call", "," CALL("notes__add")), "1",
		"\"text\":\"first\"");
	assert_true(count_initialize(&a) > before);
	asker_sign_in(&a, "notes", 0, "second");
	asker_revoke(&a, 0);
	oauth_server_add_tokens(&a.servers[0].oauth, "second", NULL, "client");
	ide_exchange(&a.ide, ASKABLE("2", "tools/call", "," CALL("notes__add")), "2",
		"\"text\":\"second\"");
	asker_sign_out(&a, "notes", 0);
	g_free(ide_notice(&a.ide, "notifications/tools/list_changed"));
	ide_exchange(&a.ide, ASKABLE("3", "tools/call", "," CALL("notes__add")), "3",
		"nobody has signed in");
	asker_sign_in(&a, "notes", 0, "third");
	asker_await_tool(&a, "notes__add");
	ide_exchange(&a.ide, ASKABLE("4", "tools/call", "," CALL("notes__add")), "4",
		"\"text\":\"third\"");
	asker_release(&a);
}

/* A call in a session of its own that needs the person: asked as any other. */
static void a_session_whose_sign_in_has_ended(void **state)
{
	struct Asker a;
	(void)state;
	asker_init(&a, NOTES);
	a.servers[0].modern = false;
	asker_greet(&a, "2025-11-25", "{}");
	asker_sign_in(&a, "notes", 0, "first");
	asker_await_tool(&a, "notes__add");
	ide_exchange(&a.ide, ASKABLE("1", "tools/call", "," CALL("notes__add")), "1",
		"\"text\":\"first\"");
	asker_revoke(&a, 0);
	ide_say(&a.ide, ASKABLE("2", "tools/call", "," CALL("notes__add")));
	g_autofree char *asked = ide_answer(&a.ide, "2");
	assert_has(asked, "\"resultType\":\"input_required\"");
	g_autofree char *url = NULL;
	g_autofree char *handle = asker_input_required(asked, &url);
	assert_non_null(handle);
	/* Signed in elsewhere meanwhile, it goes through. */
	asker_sign_in(&a, "notes", 0, "second");
	ide_exchange(&a.ide, ASKABLE("3", "tools/call", "," CALL("notes__add")), "3",
		"\"text\":\"second\"");
	asker_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prompts_come_and_go_with_the_sign_in),
		cmocka_unit_test(prompts_of_another_account),
		cmocka_unit_test(sessions_follow_the_sign_in),
		cmocka_unit_test(a_session_whose_sign_in_has_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
