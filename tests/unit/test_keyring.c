/* The keyring against a real gnome-keyring-daemon on a bus of its own: what is kept, what others see of it, what is
 * told of changes. */
#include "keyring_test.h"

#include "auth/shared.h"

/* ---- round trips ---- */

static void a_stored_value_is_looked_up_replaced_and_cleared(void **state)
{
	struct Test *test = *state;
	assert_holds(test->keyring, &notion, NULL);
	assert_stored(test->keyring, &notion, "t");
	assert_holds(test->keyring, &notion, "t");
	assert_stored(test->keyring, &notion, "another, longer than the first");
	assert_holds(test->keyring, &notion, "another, longer than the first");
	assert_finds(test->keyring, NULL, 1);
	assert_cleared(test->keyring, &notion);
	assert_holds(test->keyring, &notion, NULL);
	assert_cleared(test->keyring, &notion);
	assert_finds(test->keyring, NULL, 0);
}

static void keys_that_differ_in_one_part_do_not_touch_each_other(void **state)
{
	struct Test *test = *state;
	const struct KeyringKey *keys[] = {&notion, &notion_key, &other, &client, &other_client};
	const char *values[] = {"token", "key", "other", "client", "other client"};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		assert_holds(test->keyring, keys[i], NULL);
		assert_stored(test->keyring, keys[i], values[i]);
	}
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		assert_holds(test->keyring, keys[i], values[i]);
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		assert_cleared(test->keyring, keys[i]);
		assert_holds(test->keyring, keys[i], NULL);
		if (i + 1 < G_N_ELEMENTS(keys))
			assert_holds(test->keyring, keys[i + 1], values[i + 1]);
	}
}

static void values_are_kept_byte_for_byte_up_to_the_limit(void **state)
{
	struct Test *test = *state;
	static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, KEYRING_VALUE_BYTES};
	g_autofree char *bytes = g_malloc(KEYRING_VALUE_BYTES + 1);
	for (size_t i = 0; i <= KEYRING_VALUE_BYTES; i++)
		bytes[i] = (char)(i * 7 + i / 251);
	for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
		struct Secret *secret = secret_new((struct Slice){bytes, sizes[i]});
		struct Outcome outcome = {0};
		outcome.call =
			keyring_store(test->keyring, &notion, secret, outcome_done, &outcome);
		secret_unref(secret);
		assert_succeeds(&outcome);
		look_up(test->keyring, &notion, &outcome);
		assert_succeeds(&outcome);
		assert_non_null(outcome.value);
		assert_int_equal(outcome.value->len, sizes[i]);
		assert_memory_equal(outcome.value->str, bytes, sizes[i]);
		outcome_release(&outcome);
	}
	struct Secret *large = secret_new((struct Slice){bytes, KEYRING_VALUE_BYTES + 1});
	struct Outcome outcome = {0};
	outcome.call = keyring_store(test->keyring, &notion, large, outcome_done, &outcome);
	secret_unref(large);
	assert_ends_with(&outcome, MUX_ERROR_TOO_LARGE, "1 MiB");
	look_up(test->keyring, &notion, &outcome);
	assert_succeeds(&outcome);
	assert_int_equal(outcome.value->len, KEYRING_VALUE_BYTES);
	outcome_release(&outcome);
}

static void names_that_are_no_utf8_are_refused(void **state)
{
	struct Test *test = *state;
	const struct KeyringKey keys[] = {
		{"a\xff", "https://a.example", KEYRING_TOKEN, NULL},
		{"a", "https://a.example/\xc3", KEYRING_TOKEN, NULL},
		{"a", "https://a.example", KEYRING_CLIENT, "https://\xe9"},
	};
	struct Outcome outcome;
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
		look_up(test->keyring, &keys[i], &outcome);
		assert_ends_with(&outcome, MUX_ERROR_KEYRING, "UTF-8");
		store_text(test->keyring, &keys[i], "x", &outcome);
		assert_ends_with(&outcome, MUX_ERROR_KEYRING, "UTF-8");
	}
	find(test->keyring, "a\xff", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "UTF-8");
}

static void finding_tells_all_keys_of_a_connector_or_of_all(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	assert_finds(test->keyring, NULL, 0);
	assert_stored(test->keyring, &notion, "a");
	assert_stored(test->keyring, &client, "b");
	assert_stored(test->keyring, &other, "c");
	find(test->keyring, "notion", &outcome);
	assert_succeeds(&outcome);
	assert_int_equal(outcome.n_keys, 2);
	assert_non_null(strstr(outcome.keys->str, "notion https://mcp.notion.com/mcp 0 -\n"));
	assert_non_null(strstr(outcome.keys->str,
		"notion https://mcp.notion.com/mcp 2 https://auth.notion.com\n"));
	outcome_release(&outcome);
	assert_finds(test->keyring, NULL, 3);
	assert_finds(test->keyring, "nobody", 0);
	/* Those that were seen while they were open are known while they are locked. */
	keyring_fixture_lock(test->fixture);
	assert_finds(test->keyring, "notion", 2);
}

/* ---- what others see ---- */

/* GetAll of every item of the default collection, printed. */
static char *items_as_text(struct KeyringFixture *fixture)
{
	GDBusConnection *bus = keyring_fixture_connection(fixture);
	GString *text = g_string_new(NULL);
	g_autoptr(GVariant) all = g_dbus_connection_call_sync(bus, KEYRING_BUS_NAME,
		KEYRING_PATH "/collection/login", KEYRING_PROPERTIES_INTERFACE, "Get",
		g_variant_new("(ss)", KEYRING_COLLECTION_INTERFACE, "Items"), NULL,
		G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
	g_autoptr(GVariant) paths = NULL;
	g_variant_get(all, "(v)", &paths);
	for (gsize i = 0; i < g_variant_n_children(paths); i++) {
		const char *path;
		g_variant_get_child(paths, i, "&o", &path);
		g_autoptr(GVariant) item = g_dbus_connection_call_sync(bus, KEYRING_BUS_NAME, path,
			KEYRING_PROPERTIES_INTERFACE, "GetAll",
			g_variant_new("(s)", KEYRING_ITEM_INTERFACE), NULL, G_DBUS_CALL_FLAGS_NONE,
			-1, NULL, NULL);
		g_autofree char *printed = g_variant_print(item, FALSE);
		g_string_append(text, printed);
	}
	return g_string_free(text, FALSE);
}

static void items_have_a_label_and_attributes_without_the_secret(void **state)
{
	struct Test *test = *state;
	static const char *const wanted[] = {"'Label': <'mcp-mux notion (mcp.notion.com)'>",
		"'application': 'mcp-mux'", "'connector': 'notion'", "'kind': 'client'",
		"'resource': 'https://mcp.notion.com/mcp'", "'issuer': 'https://auth.notion.com'",
		"'xdg:schema': 'org.mcp_mux.Credential'"};
	assert_stored(test->keyring, &client, "s3cr3t-value");
	g_autofree char *text = items_as_text(test->fixture);
	for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
		if (!strstr(text, wanted[i]))
			fail_msg("no %s in %s", wanted[i], text);
	assert_null(strstr(text, "s3cr3t"));
	assert_null(strstr(text, "issuer': ''"));
	assert_cleared(test->keyring, &client);
	assert_stored(test->keyring, &notion, "s3cr3t-value");
	g_autofree char *token = items_as_text(test->fixture);
	assert_null(strstr(token, "issuer"));
}

static void no_file_of_the_keyring_holds_the_secret_in_clear(void **state)
{
	struct Test *test = *state;
	g_autofree char *folder =
		g_build_filename(keyring_fixture_folder(test->fixture), "keyrings", NULL);
	assert_stored(test->keyring, &notion, "s3cr3t-value");
	g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
	unsigned files = 0;
	for (const char *name; (name = g_dir_read_name(dir)); files++) {
		g_autofree char *path = g_build_filename(folder, name, NULL);
		g_autofree char *bytes = NULL;
		gsize len;
		assert_true(g_file_get_contents(path, &bytes, &len, NULL));
		assert_null(memmem(bytes, len, "s3cr3t", 6));
	}
	assert_true(files > 0);
}

static void items_of_others_are_left_alone(void **state)
{
	struct Test *test = *state;
	const SecretSchema theirs = {.name = "org.example.Other",
		.attributes = {{"application", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"connector", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"resource", SECRET_SCHEMA_ATTRIBUTE_STRING},
			{"kind", SECRET_SCHEMA_ATTRIBUTE_STRING}}};
	assert_stored(test->keyring, &other, "ours"); /* so that libsecret's own service works */
	g_autoptr(GError) error = NULL;
	assert_true(secret_password_store_sync(&theirs, NULL, "l", "theirs", NULL, &error,
		"application", "mcp-mux", "connector", "notion", "resource", notion.resource,
		"kind", "token", NULL));
	assert_holds(test->keyring, &notion, NULL);
	assert_finds(test->keyring, "notion", 0);
	assert_cleared(test->keyring, &notion);
	assert_stored(test->keyring, &notion, "ours");
	assert_holds(test->keyring, &notion, "ours");
	assert_cleared(test->keyring, &notion);
	assert_holds(test->keyring, &notion, NULL);
	g_autofree char *left = secret_password_lookup_sync(
		&theirs, NULL, &error, "application", "mcp-mux", "connector", "notion", NULL);
	assert_string_equal(left, "theirs");
	secret_service_disconnect();
}

/* ---- locked ---- */

static void a_locked_keyring_says_so_to_every_call(void **state)
{
	struct Test *test = *state;
	assert_stored(test->keyring, &notion, "t");
	keyring_fixture_lock(test->fixture);
	struct Outcome outcome;
	look_up(test->keyring, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	store_text(test->keyring, &notion, "x", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	store_text(test->keyring, &other, "x", &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	clear(test->keyring, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	/* What is not there at all is told from what is locked. */
	assert_holds(test->keyring, &other, NULL);
	assert_cleared(test->keyring, &other);
	keyring_fixture_unlock(test->fixture);
	assert_holds(test->keyring, &notion, "t");
}

static void a_locked_keyring_without_items_hides_everything(void **state)
{
	struct Test *test = *state;
	keyring_fixture_lock(test->fixture);
	assert_all_fail(test->keyring, &notion, MUX_ERROR_LOCKED, "is locked");
}

/* ---- changes ---- */

static void settle(struct Test *test)
{
	turn_for(150);
	test->changes = 0;
}

static void changes_of_others_are_told_and_many_come_as_one(void **state)
{
	struct Test *test = *state;
	struct Keyring *second = keyring_new(false, NULL, NULL);
	assert_holds(test->keyring, &notion, NULL);
	settle(test);
	assert_stored(second, &notion, "t");
	turn_until(test->changes, 1);
	settle(test);
	struct Outcome outcomes[5];
	for (int i = 0; i < 5; i++)
		store_text(second, &notion, "t", &outcomes[i]);
	for (int i = 0; i < 5; i++) {
		assert_succeeds(&outcomes[i]);
		outcome_release(&outcomes[i]);
	}
	turn_until(test->changes, 1);
	turn_for(150);
	assert_in_range(test->changes, 1, 2);
	settle(test);
	assert_cleared(second, &notion);
	turn_until(test->changes, 1);
	keyring_free(second);
}

static void own_changes_and_locking_are_told_but_not_looking(void **state)
{
	struct Test *test = *state;
	assert_stored(test->keyring, &notion, "t");
	turn_until(test->changes, 1);
	settle(test);
	assert_holds(test->keyring, &notion, "t");
	assert_finds(test->keyring, NULL, 1);
	assert_cleared(test->keyring, &other);
	turn_for(150);
	assert_int_equal(test->changes, 0);
	keyring_fixture_lock(test->fixture);
	turn_until(test->changes, 1);
	settle(test);
	keyring_fixture_unlock(test->fixture);
	turn_until(test->changes, 1);
}

static void a_service_that_comes_is_told_but_not_one_that_goes(void **state)
{
	struct Test *test = *state;
	assert_holds(test->keyring, &notion, NULL);
	settle(test);
	keyring_fixture_kill(test->fixture);
	turn_for(150);
	assert_int_equal(test->changes, 0);
	assert_false(keyring_fixture_has_service(test->fixture));
	struct Keyring *second = keyring_new(false, NULL, NULL);
	struct Outcome outcome;
	look_up(second, &notion, &outcome);
	turn_until(outcome.calls, 1);
	outcome_release(&outcome);
	turn_until(test->changes, 1);
	keyring_free(second);
}

static void a_service_that_was_started_for_a_call_is_no_news(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	assert_stored(test->keyring, &notion, "t");
	settle(test);
	for (int i = 0; i < 5; i++) {
		keyring_fixture_kill(test->fixture);
		turn_for(50); /* seen to be gone */
		look_up(test->keyring, &notion, &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		turn_for(100);
	}
	assert_int_equal(test->changes, 0);
}

static void nothing_is_connected_to_before_the_first_call(void **state)
{
	struct Test *test = *state;
	keyring_fixture_kill(test->fixture);
	turn_for(20);
	keyring_free(test->keyring);
	test->keyring = keyring_new(true, on_changed, &test->changes);
	turn_for(50);
	assert_false(keyring_fixture_has_service(test->fixture));
}

/* ---- the clock beside it ---- */

static void expiries_are_measured_in_unix_seconds(void **state)
{
	(void)state;
	int64_t before = g_get_real_time() / G_USEC_PER_SEC;
	int64_t now = auth_now();
	assert_true(now >= before && now <= g_get_real_time() / G_USEC_PER_SEC);
}

#define WITH_DAEMON(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_stored_value_is_looked_up_replaced_and_cleared),
		WITH_DAEMON(keys_that_differ_in_one_part_do_not_touch_each_other),
		WITH_DAEMON(values_are_kept_byte_for_byte_up_to_the_limit),
		WITH_DAEMON(names_that_are_no_utf8_are_refused),
		WITH_DAEMON(finding_tells_all_keys_of_a_connector_or_of_all),
		WITH_DAEMON(items_have_a_label_and_attributes_without_the_secret),
		WITH_DAEMON(no_file_of_the_keyring_holds_the_secret_in_clear),
		WITH_DAEMON(items_of_others_are_left_alone),
		WITH_DAEMON(a_locked_keyring_says_so_to_every_call),
		WITH_DAEMON(a_locked_keyring_without_items_hides_everything),
		WITH_DAEMON(changes_of_others_are_told_and_many_come_as_one),
		WITH_DAEMON(own_changes_and_locking_are_told_but_not_looking),
		WITH_DAEMON(a_service_that_comes_is_told_but_not_one_that_goes),
		WITH_DAEMON(a_service_that_was_started_for_a_call_is_no_news),
		WITH_DAEMON(nothing_is_connected_to_before_the_first_call),
		cmocka_unit_test(expiries_are_measured_in_unix_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
