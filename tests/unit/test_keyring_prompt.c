/* The keyring against a service of the test's own: prompts that are accepted, dismissed, never answered or never
 * shown, and the habits of services other than gnome-keyring. */
#include "keyring_fixture.h"
#include "keyring_outcome.h"
#include "secret_service_mock.h"

#include "auth/keyring_internal.h"

struct Test {
	struct KeyringFixture *fixture;
	struct SecretServiceMock *mock;
	struct Keyring *connect; /* may prompt */
	struct Keyring *serve; /* may not */
	unsigned changes; /* told to SERVE */
};

static void on_changed(void *user)
{
	++*(unsigned *)user;
}

static int set_up(void **state)
{
	struct Test *test = g_new0(struct Test, 1);
	test->fixture = keyring_fixture_new(KEYRING_FIXTURE_BARE_BUS);
	test->mock = secret_service_mock_new(keyring_fixture_connection(test->fixture));
	test->connect = keyring_new(true, NULL, NULL);
	test->serve = keyring_new(false, on_changed, &test->changes);
	*state = test;
	return 0;
}

static int tear_down(void **state)
{
	struct Test *test = *state;
	keyring_free(test->connect);
	keyring_free(test->serve);
	turn_for(20);
	assert_int_equal(test->mock->dismissals, 0);
	secret_service_mock_free(test->mock);
	turn_for(10);
	keyring_fixture_free(test->fixture);
	g_free(test);
	return 0;
}

/* Waits until the N-th prompt is up, then gives the person's answer. */
static void answer(struct Test *test, unsigned n, bool accepted)
{
	turn_until(test->mock->prompts, n);
	secret_service_mock_answer(test->mock, accepted);
}

/* Has an item, and is locked. */
static void lock_one(struct Test *test)
{
	assert_stored(test->serve, &notion, "t");
	test->mock->locked = true;
}

/* ---- never ---- */

static void without_leave_nothing_ever_prompts(void **state)
{
	struct Test *test = *state;
	struct SecretServiceMock *mock = test->mock;
	struct Outcome outcome;
	mock->missing = true;
	store_text(test->serve, &notion, "t", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "run `mcp-mux connect`");
	assert_holds(test->serve, &notion, NULL);
	assert_cleared(test->serve, &notion);
	assert_finds(test->serve, NULL, 0);
	mock->missing = false;
	mock->prompts_to_store = true;
	store_text(test->serve, &notion, "t", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "wants to ask");
	mock->prompts_to_store = false;
	assert_stored(test->serve, &notion, "t");
	mock->prompts_to_delete = true;
	clear(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "wants to ask");
	mock->locks_items = true;
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	clear(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	mock->locked = true;
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	store_text(test->serve, &notion, "t", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	assert_finds(test->serve, NULL, 1);
	mock->hides = true;
	assert_all_fail(test->serve, &notion, MUX_ERROR_LOCKED, "is locked");
	turn_for(20);
	assert_int_equal(mock->prompts, 0);
	assert_int_equal(mock->unlocks, 0);
	assert_int_equal(mock->creations, 0);
	assert_int_equal(mock->offences, 0);
}

static void what_locks_between_two_steps_is_locked(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->failing = "CreateItem";
	test->mock->failure = "org.freedesktop.Secret.Error.IsLocked";
	store_text(test->serve, &notion, "t", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	assert_int_equal(test->mock->prompts, 0);
}

/* ---- accepted ---- */

static void an_accepted_prompt_unlocks_for_every_call(void **state)
{
	struct Test *test = *state;
	for (int hides = 0; hides < 2; hides++) {
		struct Outcome outcome;
		unsigned n = test->mock->prompts;
		test->mock->hides = hides;
		lock_one(test);
		look_up(test->connect, &notion, &outcome);
		answer(test, n + 1, true);
		assert_succeeds(&outcome);
		assert_string_equal(outcome.value->str, "t");
		outcome_release(&outcome);
		test->mock->locked = true;
		store_text(test->connect, &notion, "new", &outcome);
		answer(test, n + 2, true);
		assert_succeeds(&outcome);
		assert_holds(test->serve, &notion, "new");
		test->mock->locked = true;
		clear(test->connect, &notion, &outcome);
		answer(test, n + 3, true);
		assert_succeeds(&outcome);
		assert_holds(test->serve, &notion, NULL);
	}
	assert_int_equal(test->mock->offences, 0);
}

static void finding_prompts_where_items_are_hidden_alone(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	lock_one(test);
	assert_finds(test->connect, "notion", 1);
	assert_int_equal(test->mock->prompts, 0);
	test->mock->hides = true;
	find(test->connect, "notion", &outcome);
	answer(test, 1, true);
	assert_succeeds(&outcome);
	assert_int_equal(outcome.n_keys, 1);
	assert_string_equal(outcome.keys->str, "notion https://mcp.notion.com/mcp 0 -\n");
	outcome_release(&outcome);
}

static void items_known_by_digests_are_unlocked_too(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->digests = true;
	lock_one(test);
	assert_holds(test->connect, &other, NULL);
	assert_int_equal(test->mock->prompts, 0);
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	find(test->serve, NULL, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	look_up(test->connect, &notion, &outcome);
	answer(test, 1, true);
	assert_succeeds(&outcome);
	assert_string_equal(outcome.value->str, "t");
	outcome_release(&outcome);
	test->mock->locked = true;
	find(test->connect, NULL, &outcome);
	answer(test, 2, true);
	assert_succeeds(&outcome);
	assert_int_equal(outcome.n_keys, 1);
	outcome_release(&outcome);
	test->mock->locked = true;
	clear(test->connect, &notion, &outcome);
	answer(test, 3, true);
	assert_succeeds(&outcome);
	assert_int_equal(test->mock->items->len, 0);
}

static void storing_has_a_missing_collection_made(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->missing = true;
	store_text(test->connect, &notion, "t", &outcome);
	answer(test, 1, false);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
	store_text(test->connect, &notion, "t", &outcome);
	answer(test, 2, true);
	assert_succeeds(&outcome);
	assert_int_equal(test->mock->creations, 1);
	assert_holds(test->serve, &notion, "t");
}

static void a_service_may_ask_before_it_stores_or_deletes(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->prompts_to_store = test->mock->prompts_to_delete = true;
	store_text(test->connect, &notion, "t", &outcome);
	answer(test, 1, false);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
	assert_holds(test->connect, &notion, NULL);
	store_text(test->connect, &notion, "t", &outcome);
	answer(test, 2, true);
	assert_succeeds(&outcome);
	assert_holds(test->connect, &notion, "t");
	clear(test->connect, &notion, &outcome);
	answer(test, 3, false);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
	clear(test->connect, &notion, &outcome);
	answer(test, 4, true);
	assert_succeeds(&outcome);
	assert_holds(test->connect, &notion, NULL);
	assert_int_equal(test->mock->prompts, 4);
}

static void the_collection_and_then_the_item_may_have_to_be_unlocked(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	lock_one(test);
	test->mock->hides = test->mock->locks_items = true;
	look_up(test->connect, &notion, &outcome);
	answer(test, 1, true);
	answer(test, 2, true);
	assert_succeeds(&outcome);
	assert_string_equal(outcome.value->str, "t");
	outcome_release(&outcome);
}

static void a_service_that_stays_locked_does_not_prompt_for_ever(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	lock_one(test);
	test->mock->obstinate = true;
	look_up(test->connect, &notion, &outcome);
	answer(test, 1, true);
	answer(test, 2, true);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "still locked");
	clear(test->connect, &notion, &outcome);
	answer(test, 3, true);
	answer(test, 4, true);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "still locked");
	turn_for(20);
	assert_int_equal(test->mock->prompts, 4);
}

/* ---- dismissed ---- */

static void a_dismissed_prompt_is_told_from_a_locked_keyring(void **state)
{
	struct Test *test = *state;
	GVariant *dismissals[] = {NULL, g_variant_ref_sink(g_variant_new_string("")),
		g_variant_ref_sink(g_variant_new_object_path("/")),
		g_variant_ref_sink(g_variant_new_boolean(FALSE))};
	unsigned n = 0;
	lock_one(test);
	for (guint i = 0; i < G_N_ELEMENTS(dismissals); i++) {
		struct Outcome outcome;
		test->mock->dismissal = dismissals[i];
		look_up(test->connect, &notion, &outcome);
		answer(test, ++n, false);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
		store_text(test->connect, &notion, "x", &outcome);
		answer(test, ++n, false);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
		clear(test->connect, &notion, &outcome);
		answer(test, ++n, false);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "dismissed");
	}
	test->mock->locked = false;
	assert_holds(test->connect, &notion, "t");
	assert_int_equal(test->mock->prompts, n);
	for (guint i = 1; i < G_N_ELEMENTS(dismissals); i++)
		g_variant_unref(dismissals[i]);
}

static void a_service_that_goes_during_a_prompt_has_dismissed_nothing(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	lock_one(test);
	look_up(test->connect, &notion, &outcome);
	turn_until(test->mock->prompts, 1);
	secret_service_mock_vanish(test->mock);
	turn_for(20);
	/* Its connection is the fixture's, and goes with that. */
	keyring_fixture_kill_bus(test->fixture);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "went away");
}

/* ---- never answered ---- */

static void a_person_has_all_the_time_and_a_service_ten_seconds(void **state)
{
	struct Test *test = *state;
	struct Outcome prompting, silent;
	lock_one(test);
	look_up(test->connect, &notion, &prompting);
	turn_until(test->mock->prompts, 1);
	gint64 before = g_get_monotonic_time();
	test->mock->silent = "SearchItems";
	find(test->serve, NULL, &silent);
	assert_ends_with(&silent, MUX_ERROR_KEYRING, "service does not answer");
	assert_in_range(
		(g_get_monotonic_time() - before) / 1000, KEYRING_MS - 100, KEYRING_MS + 3000);
	turn_for(500);
	assert_int_equal(prompting.calls, 0);
	test->mock->silent = NULL;
	answer(test, 1, true);
	assert_succeeds(&prompting);
	assert_string_equal(prompting.value->str, "t");
	outcome_release(&prompting);
	assert_holds(test->serve, &notion, "t");
}

static void a_call_that_is_cancelled_during_its_prompt_leaves_the_prompt_alone(void **state)
{
	struct Test *test = *state;
	struct Outcome looked, stored, cleared;
	lock_one(test);
	look_up(test->connect, &notion, &looked);
	store_text(test->connect, &notion, "new", &stored);
	clear(test->connect, &notion, &cleared);
	turn_until(test->mock->prompts, 3);
	keyring_call_cancel(looked.call);
	keyring_call_cancel(stored.call);
	keyring_call_cancel(cleared.call);
	turn_for(30);
	assert_int_equal(test->mock->dismissals, 0);
	for (int i = 0; i < 3; i++)
		secret_service_mock_answer(test->mock, true);
	turn_for(30);
	assert_int_equal(looked.calls + stored.calls + cleared.calls, 0);
	/* Nobody waited for what was to follow: it was not done. */
	assert_holds(test->connect, &notion, "t");
}

static void a_keyring_is_freed_during_a_prompt(void **state)
{
	struct Test *test = *state;
	struct Outcome looked, stored;
	lock_one(test);
	look_up(test->connect, &notion, &looked);
	turn_until(test->mock->prompts, 1);
	store_text(test->connect, &notion, "new", &stored);
	keyring_free(g_steal_pointer(&test->connect));
	turn_for(30);
	assert_int_equal(looked.calls + stored.calls, 0);
	secret_service_mock_answer(test->mock, true);
	turn_for(30);
	assert_int_equal(looked.calls + stored.calls, 0);
	assert_holds(test->serve, &notion, "t");
}

/* ---- other habits ---- */

static void what_a_service_says_is_passed_on_harmlessly(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->failure = "org.example.Error.Strange";
	assert_stored(test->connect, &notion, "t");
	test->mock->failing = "ReadAlias";
	assert_all_fail(test->serve, &notion, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "SearchItems";
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "GetSecrets";
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "CreateItem";
	store_text(test->serve, &notion, "x", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "Delete";
	clear(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "OpenSession";
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "Unlock";
	test->mock->locked = true;
	look_up(test->connect, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = "Prompt";
	look_up(test->connect, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "the keyring says: because?");
	test->mock->failing = NULL;
	test->mock->locked = false;
	assert_holds(test->serve, &notion, "t");
	assert_holds(test->connect, &notion, "t");
}

static void errors_of_the_bus_have_words_of_their_own(void **state)
{
	struct Test *test = *state;
	static const struct {
		const char *name, *words;
	} errors[] = {
		{"NoReply", "went away"},
		{"Disconnected", "went away"},
		{"TimedOut", "does not answer"},
		{"Timeout", "does not answer"},
		{"ServiceUnknown", "no keyring service"},
		{"NameHasNoOwner", "no keyring service"},
		{"Spawn.ServiceNotFound", "no keyring service"},
		{"Spawn.ChildExited", "cannot be started: because?"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(errors); i++) {
		g_autofree char *name =
			g_strconcat("org.freedesktop.DBus.Error.", errors[i].name, NULL);
		test->mock->failing = "ReadAlias";
		test->mock->failure = name;
		assert_all_fail(test->serve, &notion, MUX_ERROR_KEYRING, errors[i].words);
		test->mock->failing = NULL;
	}
	assert_holds(test->serve, &notion, NULL);
}

static void a_default_collection_that_is_named_and_gone_is_missing(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	test->mock->gone = true;
	store_text(test->serve, &notion, "t", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "run `mcp-mux connect`");
	assert_holds(test->serve, &notion, NULL);
}

static void contradictions_end(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	assert_stored(test->serve, &notion, "t");
	test->mock->keeps = true;
	clear(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "contradicts itself");
	test->mock->withholds = true;
	look_up(test->serve, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "contradicts itself");
	test->mock->withholds = test->mock->keeps = false;
	test->mock->ghost = true;
	assert_finds(test->serve, NULL, 1);
	assert_holds(test->serve, &notion, "t");
	look_up(test->serve, &other, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "contradicts itself");
	clear(test->serve, &other, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "contradicts itself");
}

static void a_service_that_comes_later_is_told_and_used(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	GDBusConnection *bus = test->mock->bus;
	assert_stored(test->serve, &notion, "t");
	for (int i = 0; i < 2; i++) {
		secret_service_mock_free(g_steal_pointer(&test->mock));
		turn_for(100);
		test->changes = 0;
		look_up(test->serve, &notion, &outcome);
		assert_ends_with(&outcome, MUX_ERROR_KEYRING, "no keyring service");
		turn_for(100);
		assert_int_equal(test->changes, 0);
		test->mock = secret_service_mock_new(bus);
		turn_until(test->changes, 1);
		assert_holds(test->serve, &notion, NULL);
		assert_stored(test->serve, &notion, "t");
		assert_holds(test->serve, &notion, "t");
	}
}

#define WITH_MOCK(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_MOCK(without_leave_nothing_ever_prompts),
		WITH_MOCK(what_locks_between_two_steps_is_locked),
		WITH_MOCK(an_accepted_prompt_unlocks_for_every_call),
		WITH_MOCK(finding_prompts_where_items_are_hidden_alone),
		WITH_MOCK(items_known_by_digests_are_unlocked_too),
		WITH_MOCK(storing_has_a_missing_collection_made),
		WITH_MOCK(a_service_may_ask_before_it_stores_or_deletes),
		WITH_MOCK(the_collection_and_then_the_item_may_have_to_be_unlocked),
		WITH_MOCK(a_service_that_stays_locked_does_not_prompt_for_ever),
		WITH_MOCK(a_dismissed_prompt_is_told_from_a_locked_keyring),
		WITH_MOCK(a_service_that_goes_during_a_prompt_has_dismissed_nothing),
		WITH_MOCK(a_person_has_all_the_time_and_a_service_ten_seconds),
		WITH_MOCK(a_call_that_is_cancelled_during_its_prompt_leaves_the_prompt_alone),
		WITH_MOCK(a_keyring_is_freed_during_a_prompt),
		WITH_MOCK(what_a_service_says_is_passed_on_harmlessly),
		WITH_MOCK(errors_of_the_bus_have_words_of_their_own),
		WITH_MOCK(a_default_collection_that_is_named_and_gone_is_missing),
		WITH_MOCK(contradictions_end),
		WITH_MOCK(a_service_that_comes_later_is_told_and_used),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
