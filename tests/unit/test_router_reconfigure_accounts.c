/* A connector leaves while a person is asked to sign in to it. */
#include "asking_fixture.h"
#include "reconfigure_fixture.h"

#define NOTES OAUTH("notes", "@a")
#define OTHER OAUTH("other", "@b")
#define TAKEN_OUT                                                                                  \
	"cancelled: the connector notes was taken out of the configuration. Nothing was done."

static void edit(struct Asker *a, const char *ini)
{
	g_auto(GStrv) at_a = g_strsplit(ini, "@a", -1);
	g_autofree char *with_a = g_strjoinv(a->servers[0].oauth.url, at_a);
	g_auto(GStrv) at_b = g_strsplit(with_a, "@b", -1);
	g_autofree char *with_b = g_strjoinv(a->servers[1].oauth.url, at_b);
	ide_edit(&a->ide, with_b);
}

static void assert_taken_back(struct Asker *a, const char *question)
{
	g_autofree char *id = asker_member(question, "id");
	g_autofree char *notice = ide_notice(&a->ide, CANCELLED);
	g_autofree char *which = asker_member(notice, "params.requestId");
	assert_string_equal(which, id);
}

static void a_sign_in_ends_with_its_connector(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_say_call(&a, "2");
	ide_say(&a.ide, LEGACY("3", "tools/call", CONNECT("notes")));
	asker_await_waiting(&a, 3);
	edit(&a, OTHER);
	assert_answer(&a, "1", TAKEN_OUT);
	assert_answer(&a, "2", TAKEN_OUT);
	assert_answer(&a, "3", TAKEN_OUT);
	assert_taken_back(&a, question);
	assert_int_equal(a.ide.router->askings->len, 0);
	asker_reply(&a, question, ACCEPT); /* for nobody */
	asker_assert_abandoned(&a, question);
	asker_release(&a);
}

static void one_that_was_agreed_to_ends_too(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_reply(&a, question, ACCEPT);
	edit(&a, NOTES "enabled = off\n");
	assert_answer(&a, "1", "cancelled: the connector notes was switched off");
	asker_assert_abandoned(&a, question);
	/* On again, it is asked for anew. */
	edit(&a, NOTES);
	ide_say(&a.ide, LEGACY("2", "tools/call", CONNECT("notes")));
	g_autofree char *again = asker_question(&a);
	assert_string_not_equal(again, question);
	asker_reply(&a, again, ACCEPT);
	asker_visit_question(&a, 0, again);
	assert_answer(&a, "2", "notes, connected");
	asker_release(&a);
}

/* Signed in, the call waits for the upstream. */
static void the_opening_after_a_sign_in_ends(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	g_autofree char *question = asker_ask(&a, "1");
	asker_reply(&a, question, ACCEPT);
	a.servers[0].hold_opening = true;
	asker_visit_question(&a, 0, question);
	guarded_await_held(&a.servers[0], &a.ide.fixture);
	edit(&a, "");
	assert_answer(&a, "1", "cancelled: the connector notes was taken out");
	asker_release(&a);
}

static void a_modern_ides_retry_finds_nothing(void **state)
{
	struct Asker a;
	(void)state;
	asker_prepare_with(&a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(&a, "notes", 0, "first");
	a.servers[0].modern = true;
	asker_start(&a, NOTES);
	ide_say(&a.ide, ASKABLE("\"list\"", "tools/list", ""));
	g_free(ide_answer(&a.ide, "\"list\""));
	asker_revoke(&a, 0);
	ide_say(&a.ide, ASKABLE("1", "tools/call", "," CALL("notes__add")));
	g_autofree char *answer = ide_answer(&a.ide, "1");
	g_autofree char *handle = asker_input_required(answer, NULL);
	edit(&a, NOTES "header.X-Team = red\n");
	asker_retry(&a, "2", CALL("notes__add"), handle, ACCEPTED);
	assert_answer(&a, "2", "requestState is unknown");
	asker_release(&a);
}

/* The keyring's news are for those who are there. */
static void another_ones_sign_in_goes_on(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES OTHER);
	ide_say(&a.ide, LEGACY("1", "tools/call", CONNECT("other")));
	g_autofree char *question = asker_question(&a);
	edit(&a, OTHER);
	asker_reply(&a, question, ACCEPT);
	asker_visit_question(&a, 1, question);
	assert_answer(&a, "1", "other, connected");
	asker_sign_in(&a, "notes", 0, "second");
	asker_release(&a);
}

static void a_new_connector_finds_its_sign_in(void **state)
{
	struct Asker a;
	(void)state;
	asker_init_signed_in(&a, NOTES);
	asker_sign_in(&a, "other", 1, "theirs");
	edit(&a, NOTES OTHER);
	asker_await_tool(&a, "other__add");
	ide_say(&a.ide, LEGACY("1", "tools/call", CALL("other__add")));
	assert_answer(&a, "1", "\"text\":\"theirs\"");
	asker_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sign_in_ends_with_its_connector),
		cmocka_unit_test(one_that_was_agreed_to_ends_too),
		cmocka_unit_test(the_opening_after_a_sign_in_ends),
		cmocka_unit_test(a_modern_ides_retry_finds_nothing),
		cmocka_unit_test(another_ones_sign_in_goes_on),
		cmocka_unit_test(a_new_connector_finds_its_sign_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
