/* Kept lists belong to one sign-in. */
#include "recall_fixture.h"

#define OAUTH "auth = oauth"

/* A first run, signed in with GRANT. */
static void fill_signed_in(struct Runs *r, const char *grant)
{
	office_sign_in(&r->o, grant, "access-a");
	fill(r, ADD_TOOL);
}

static void test_the_same_sign_in_keeps_its_lists(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	assert_int_equal(r.u->tools, 0);
	assert_int_equal(list_files(r.dir, NULL), 1);
	runs_release(&r);
}

static void test_lists_of_another_sign_in_go_before_the_server_is_asked(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	office_sign_in(&r.o, "g2", "access-b");
	assert_true(recall(&r, ERA_LEGACY));
	assert_string_equal(tool_at(r.u, 0), "add");
	upstream_open(r.u->up, ERA_LEGACY);
	up_await_tools(r.u, 1);
	assert_null(upstream_tools(r.u->up));
	assert_false(upstream_is_listed(r.u->up, MCP_TOOLS));
	assert_null(upstream_instructions(r.u->up));
	assert_int_equal(upstream_offers(r.u->up), 0);
	assert_int_equal(list_files(r.dir, NULL), 0);
	up_serve_initialize(r.u, "2025-11-25", NULL, QUIET_TOOLS);
	up_serve_tools(r.u, READ_TOOL);
	up_await_tools(r.u, 2);
	next_run(&r);
	g_autofree char *text = kept_text(&r);
	assert_non_null(strstr(text, "\"g2\""));
	assert_null(strstr(text, "\"add\""));
	assert_null(strstr(text, "access-"));
	runs_release(&r);
}

static void test_without_a_sign_in_lists_go_and_their_files(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	desk_clear(r.o.d);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	up_await_state(r.u, UPSTREAM_SIGNED_OUT);
	assert_null(upstream_tools(r.u->up));
	assert_int_equal(r.u->tools, 1);
	assert_int_equal(list_files(r.dir, NULL), 0);
	assert_int_equal(r.u->peer.arrived, 3); /* those of the first run */
	runs_release(&r);
}

static void test_a_sign_in_that_has_ended_stays_listed(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	desk_put(r.o.d, desk_record(r.o.d, "g1", "access-a", NULL));
	wall_now += 7200;
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	up_await_state(r.u, UPSTREAM_SIGNED_OUT);
	assert_string_equal(tool_at(r.u, 0), "add");
	assert_int_equal(r.u->tools, 0);
	assert_int_equal(list_files(r.dir, NULL), 1);
	/* But not the lists of another one than that which has ended. */
	next_run(&r);
	desk_put(r.o.d, desk_record(r.o.d, "g2", "access-b", NULL));
	wall_now += 7200;
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	up_await_state(r.u, UPSTREAM_SIGNED_OUT);
	assert_null(upstream_tools(r.u->up));
	assert_int_equal(r.u->tools, 1);
	assert_int_equal(list_files(r.dir, NULL), 0);
	runs_release(&r);
}

static void test_a_locked_keyring_leaves_the_lists_until_it_is_read(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	office_sign_in(&r.o, "g2", "access-b");
	keyring_fixture_lock(r.o.d->a.bank);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	assert_upstream(&r.o, UPSTREAM_FAILED, MUX_ERROR_LOCKED, "locked");
	assert_string_equal(tool_at(r.u, 0), "add");
	assert_int_equal(r.u->tools, 0);
	keyring_fixture_unlock(r.o.d->a.bank);
	office_notice(&r.o);
	up_await_tools(r.u, 1);
	assert_null(upstream_tools(r.u->up));
	runs_release(&r);
}

/* A person signs in with another account while the server is open. */
static void test_lists_of_a_run_never_come_to_be_another_accounts(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	office_sign_in(&r.o, "g1", "access-a");
	recall(&r, ERA_LEGACY);
	upstream_want(r.u->up, MCP_PROMPTS);
	upstream_open(r.u->up, ERA_LEGACY);
	up_serve_initialize(r.u, "2025-11-25", NULL, EVERYTHING);
	up_serve_tools(r.u, ADD_TOOL);
	peer_serve_list(&r.u->peer, MCP_PROMPTS, PROMPT("p"));
	await_listed(r.u, MCP_PROMPTS);
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, EVERYTHING, ADD_TOOL);
	assert_non_null(upstream_items(r.u->up, MCP_PROMPTS));
	office_sign_in(&r.o, "g2", "access-b");
	office_notice(&r.o);
	/* What is not fetched anew goes at once, what is when the answer comes. */
	up_await_items(r.u, MCP_PROMPTS, 1);
	assert_null(upstream_items(r.u->up, MCP_PROMPTS));
	assert_string_equal(tool_at(r.u, 0), "add");
	up_serve_initialize(r.u, "2025-11-25", NULL, EVERYTHING);
	hit_error(peer_await(&r.u->peer, "tools/list"), 200, -32603, "");
	up_await_tools(r.u, 1);
	assert_null(upstream_tools(r.u->up));
	clock_jump(&r.u->fixture, KEEP_MS);
	g_autofree char *text = kept_text(&r);
	assert_non_null(strstr(text, "\"g1\""));
	next_run(&r);
	assert_true(recall(&r, ERA_LEGACY));
	upstream_open(r.u->up, ERA_LEGACY);
	up_await_tools(r.u, 1);
	assert_int_equal(list_files(r.dir, NULL), 0);
	runs_release(&r);
}

/* A write that was due comes while the new sign-in has no list yet. */
static void test_lists_of_one_sign_in_are_not_written_as_the_next_ones(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	office_sign_in(&r.o, "g1", "access-a");
	recall(&r, ERA_LEGACY);
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	office_sign_in(&r.o, "g2", "access-b");
	office_notice(&r.o);
	up_serve_initialize(r.u, "2025-11-25", NULL, QUIET_TOOLS);
	peer_await(&r.u->peer, "tools/list");
	clock_jump(&r.u->fixture, KEEP_MS);
	assert_string_equal(tool_at(r.u, 0), "add");
	assert_int_equal(list_files(r.dir, NULL), 0);
	runs_release(&r);
}

static void test_a_server_that_refuses_the_new_sign_in_loses_the_old_lists(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	assert_true(recall(&r, ERA_LEGACY));
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	office_sign_in(&r.o, "g2", "access-b");
	office_notice(&r.o);
	hit_reply(peer_await(&r.u->peer, "initialize"), 503, "", "");
	up_await_state(r.u, UPSTREAM_FAILED);
	assert_null(upstream_tools(r.u->up));
	assert_int_equal(r.u->tools, 1);
	runs_release(&r);
}

static void test_a_sign_out_ends_a_write_that_was_due(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	office_sign_in(&r.o, "g1", "access-a");
	recall(&r, ERA_LEGACY);
	up_open_legacy(r.u, NULL, QUIET_TOOLS, ADD_TOOL);
	desk_clear(r.o.d);
	office_notice(&r.o);
	up_await_state(r.u, UPSTREAM_SIGNED_OUT);
	clock_jump(&r.u->fixture, KEEP_MS);
	assert_int_equal(list_files(r.dir, NULL), 0);
	next_run(&r);
	assert_int_equal(list_files(r.dir, NULL), 0);
	runs_release(&r);
}

/* A file that was made without an account says nothing of one, nor the other way round. */
static void test_a_file_without_an_account_is_none_with_one(void **state)
{
	(void)state;
	struct Runs r;
	runs_init(&r, OAUTH);
	fill_signed_in(&r, "g1");
	assert_true(recall(&r, ERA_LEGACY));
	g_autoptr(ListRecord) record = list_record(r.u->up->kept_key, "", ADD_TOOL);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	list_cache_write(r.cache, "c", record, digest);
	next_run(&r);
	assert_false(recall(&r, ERA_LEGACY));
	assert_null(upstream_tools(r.u->up));
	runs_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_sign_in_keeps_its_lists),
		cmocka_unit_test(test_lists_of_another_sign_in_go_before_the_server_is_asked),
		cmocka_unit_test(test_without_a_sign_in_lists_go_and_their_files),
		cmocka_unit_test(test_a_sign_in_that_has_ended_stays_listed),
		cmocka_unit_test(test_a_locked_keyring_leaves_the_lists_until_it_is_read),
		cmocka_unit_test(test_lists_of_a_run_never_come_to_be_another_accounts),
		cmocka_unit_test(test_lists_of_one_sign_in_are_not_written_as_the_next_ones),
		cmocka_unit_test(test_a_server_that_refuses_the_new_sign_in_loses_the_old_lists),
		cmocka_unit_test(test_a_sign_out_ends_a_write_that_was_due),
		cmocka_unit_test(test_a_file_without_an_account_is_none_with_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
