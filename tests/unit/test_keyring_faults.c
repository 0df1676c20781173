/* The keyring where something is missing, dead or silent, and calls that end before their time. */
#include "keyring_test.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* ---- killed ---- */

static void a_daemon_that_was_killed_leaves_a_locked_keyring(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	assert_stored(test->keyring, &notion, "t");
	assert_stored(test->keyring, &client, "c");
	for (int i = 0; i < 2; i++) {
		keyring_fixture_kill(test->fixture);
		look_up(test->keyring, &notion, &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		look_up(test->keyring, &client, &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		store_text(test->keyring, &notion, "x", &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		clear(test->keyring, &notion, &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		find(test->keyring, "notion", &outcome);
		assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
		assert_holds(test->keyring, &other, NULL);
		assert_cleared(test->keyring, &other);
		keyring_fixture_unlock(test->fixture);
		assert_holds(test->keyring, &notion, "t");
		assert_finds(test->keyring, "notion", 2);
	}
}

static void calls_under_way_when_the_daemon_dies_end(void **state)
{
	struct Test *test = *state;
	struct Outcome looked, stored;
	assert_stored(test->keyring, &notion, "t");
	keyring_fixture_stop(test->fixture);
	look_up(test->keyring, &notion, &looked);
	store_text(test->keyring, &other, "x", &stored);
	turn_for(20);
	keyring_fixture_kill(test->fixture);
	turn_until(looked.calls, 1);
	turn_until(stored.calls, 1);
	assert_non_null(looked.error);
	assert_non_null(stored.error);
	outcome_release(&looked);
	outcome_release(&stored);
	look_up(test->keyring, &notion, &looked);
	assert_ends_with(&looked, MUX_ERROR_LOCKED, "is locked");
}

/* ---- silent, absent ---- */

static void a_stopped_daemon_costs_two_seconds_and_works_later(void **state)
{
	struct Test *test = *state;
	assert_stored(test->keyring, &notion, "t");
	keyring_fixture_stop(test->fixture);
	gint64 before = g_get_monotonic_time();
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "does not answer");
	gint64 took_ms = (g_get_monotonic_time() - before) / 1000;
	assert_in_range(took_ms, KEYRING_PING_MS - 100, KEYRING_PING_MS + 2000);
	keyring_fixture_continue(test->fixture);
	assert_holds(test->keyring, &notion, "t");
}

static void a_daemon_that_is_stopped_before_the_first_call_costs_no_more(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	keyring_fixture_stop(test->fixture);
	gint64 before = g_get_monotonic_time();
	look_up(test->keyring, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_KEYRING, "service does not answer");
	assert_in_range((g_get_monotonic_time() - before) / 1000, KEYRING_PING_MS - 100,
		KEYRING_PING_MS + 2000);
	keyring_fixture_continue(test->fixture);
	assert_holds(test->keyring, &notion, NULL);
}

static void no_session_bus(void **state)
{
	struct Test *test = *state;
	g_autofree char *address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
	g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
	g_unsetenv("XDG_RUNTIME_DIR");
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "no D-Bus session bus");
	g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
	assert_holds(test->keyring, &notion, NULL);
}

static void a_bus_that_cannot_be_reached(void **state)
{
	struct Test *test = *state;
	g_autofree char *address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
	g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "bus cannot be reached");
	g_setenv("DBUS_SESSION_BUS_ADDRESS", "disabled:", TRUE);
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "bus cannot be reached");
	g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
	assert_holds(test->keyring, &notion, NULL);
}

static void a_bus_without_a_keyring_service(void **state)
{
	tear_down(state);
	struct Test *test = g_new0(struct Test, 1);
	*state = test;
	start(test, KEYRING_FIXTURE_BARE_BUS);
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "no keyring service");
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "no keyring service");
}

static void a_bus_that_went_away_is_found_again(void **state)
{
	struct Test *test = *state;
	struct Outcome outcome;
	assert_stored(test->keyring, &notion, "t");
	keyring_fixture_kill_bus(test->fixture);
	look_up(test->keyring, &notion, &outcome);
	turn_until(outcome.calls, 1);
	assert_int_equal(outcome.error->code, MUX_ERROR_KEYRING);
	outcome_release(&outcome);
	assert_all_fail(test->keyring, &notion, MUX_ERROR_KEYRING, "bus cannot be reached");
	keyring_fixture_restart_bus(test->fixture);
	/* The bus starts a daemon, which finds the keyring's file, locked. */
	look_up(test->keyring, &notion, &outcome);
	assert_ends_with(&outcome, MUX_ERROR_LOCKED, "is locked");
	keyring_fixture_unlock(test->fixture);
	assert_holds(test->keyring, &notion, "t");
}

static void a_bus_that_is_stopped_ends_calls_in_time(void **state)
{
	struct Test *test = *state;
	struct Outcome first, second;
	keyring_fixture_stop_bus(test->fixture);
	gint64 before = g_get_monotonic_time();
	look_up(test->keyring, &notion, &first);
	store_text(test->keyring, &notion, "x", &second);
	assert_ends_with(&first, MUX_ERROR_KEYRING, "session bus does not answer");
	assert_ends_with(&second, MUX_ERROR_KEYRING, "session bus does not answer");
	assert_in_range(
		(g_get_monotonic_time() - before) / 1000, KEYRING_MS - 100, KEYRING_MS + 3000);
	keyring_fixture_continue_bus(test->fixture);
	assert_holds(test->keyring, &notion, NULL);
}

/* ---- ends ---- */

static void a_cancelled_call_does_not_call_back(void **state)
{
	struct Test *test = *state;
	struct Outcome outcomes[4];
	/* at every stage of its way */
	for (unsigned turns = 0; turns < 40; turns++) {
		look_up(test->keyring, &notion, &outcomes[0]);
		store_text(test->keyring, &notion, "x", &outcomes[1]);
		clear(test->keyring, &notion, &outcomes[2]);
		find(test->keyring, NULL, &outcomes[3]);
		for (unsigned i = 0; i < turns; i++)
			g_main_context_iteration(NULL, FALSE);
		unsigned before[4];
		for (int i = 0; i < 4; i++) {
			before[i] = outcomes[i].calls;
			if (!before[i])
				keyring_call_cancel(outcomes[i].call);
		}
		turn_for(1);
		for (int i = 0; i < 4; i++) {
			assert_int_equal(outcomes[i].calls, before[i]);
			outcome_release(&outcomes[i]);
		}
	}
	keyring_call_cancel(NULL);
	turn_for(50);
	assert_stored(test->keyring, &notion, "t");
	assert_holds(test->keyring, &notion, "t");
}

static void free_keyring(struct Outcome *outcome)
{
	struct Test *test = outcome->user;
	keyring_call_cancel(outcome->call); /* does nothing here */
	keyring_free(test->keyring);
	test->keyring = NULL;
}

static void start_another(struct Outcome *outcome)
{
	struct Outcome *next = outcome->user;
	next->call = keyring_lookup(next->user, &notion, outcome_looked, next);
}

static void a_keyring_is_freed_with_calls_under_way(void **state)
{
	struct Test *test = *state;
	for (unsigned turns = 0; turns < 40; turns++) {
		struct Outcome outcomes[3];
		look_up(test->keyring, &notion, &outcomes[0]);
		store_text(test->keyring, &notion, "x", &outcomes[1]);
		find(test->keyring, NULL, &outcomes[2]);
		for (unsigned i = 0; i < turns; i++)
			g_main_context_iteration(NULL, FALSE);
		keyring_free(test->keyring);
		for (int i = 0; i < 3; i++)
			outcome_release(&outcomes[i]);
		test->keyring = keyring_new(false, on_changed, &test->changes);
	}
	keyring_free(NULL);
}

static void a_keyring_is_freed_by_a_handler(void **state)
{
	struct Test *test = *state;
	struct Outcome first, second;
	assert_holds(test->keyring, &notion, NULL);
	look_up(test->keyring, &notion, &first);
	look_up(test->keyring, &other, &second);
	first.then = second.then = free_keyring;
	first.user = second.user = test;
	turn_until(first.calls, 1);
	turn_for(50);
	assert_int_equal(first.calls + second.calls, 1);
	outcome_release(&first);
	outcome_release(&second);
}

static void handlers_free_and_begin_anew_when_the_opening_fails(void **state)
{
	struct Test *test = *state;
	struct Outcome first, second, next = {0};
	g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus", TRUE);
	look_up(test->keyring, &notion, &first);
	look_up(test->keyring, &notion, &second);
	first.then = start_another;
	first.user = &next;
	next.user = test->keyring;
	assert_ends_with(&first, MUX_ERROR_KEYRING, "cannot be reached");
	assert_ends_with(&second, MUX_ERROR_KEYRING, "cannot be reached");
	assert_ends_with(&next, MUX_ERROR_KEYRING, "cannot be reached");
	look_up(test->keyring, &notion, &first);
	look_up(test->keyring, &notion, &second);
	first.then = free_keyring;
	first.user = test;
	turn_until(first.calls, 1);
	turn_for(20);
	assert_int_equal(second.calls, 0);
	outcome_release(&first);
}

static void many_calls_at_once_share_one_opening(void **state)
{
	struct Test *test = *state;
	struct Outcome outcomes[50];
	for (unsigned i = 0; i < 50; i++) {
		struct KeyringKey key = notion;
		g_autofree char *name = g_strdup_printf("c%u", i % 10);
		key.connector = name;
		store_text(test->keyring, &key, name, &outcomes[i]);
	}
	for (unsigned i = 0; i < 50; i++) {
		assert_succeeds(&outcomes[i]);
		outcome_release(&outcomes[i]);
	}
	assert_finds(test->keyring, NULL, 10);
}

/* ---- which bus ---- */

static void make_socket(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	g_strlcpy(at.sun_path, path, sizeof(at.sun_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&at, sizeof(at)), errno);
	close(fd);
}

/* DBUS_SESSION_BUS_ADDRESS after keyring_find_bus; NULL where it is not set. */
static const char *found_bus(const char *set, const char *runtime, const char *run)
{
	g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
	g_unsetenv("XDG_RUNTIME_DIR");
	if (set)
		g_setenv("DBUS_SESSION_BUS_ADDRESS", set, TRUE);
	if (runtime)
		g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
	keyring_find_bus_in(run);
	return g_getenv("DBUS_SESSION_BUS_ADDRESS");
}

static void the_users_own_bus_is_found_where_systemd_puts_it(void **state)
{
	(void)state;
	g_autofree char *folder = g_dir_make_tmp("bus-XXXXXX", NULL);
	g_autofree char *own = g_strdup_printf("%s/%u", folder, (unsigned)geteuid());
	g_autofree char *path = g_build_filename(own, "bus", NULL);
	g_autofree char *wanted = g_strdup_printf("unix:path=%s", path);
	g_autofree char *real = g_build_filename(folder, "real", NULL);
	assert_null(found_bus(NULL, NULL, folder));
	g_mkdir(own, 0700);
	assert_true(g_file_set_contents(path, "", 0, NULL));
	assert_null(found_bus(NULL, NULL, folder)); /* no socket */
	g_unlink(path);
	make_socket(real);
	assert_int_equal(symlink(real, path), 0);
	assert_null(found_bus(NULL, NULL, folder)); /* not itself one */
	g_unlink(path);
	make_socket(path);
	assert_string_equal(found_bus(NULL, NULL, folder), wanted);
	assert_string_equal(found_bus("", NULL, folder), wanted);
	assert_string_equal(found_bus(NULL, "", folder), wanted);
	assert_string_equal(found_bus(NULL, folder, folder), wanted); /* nothing there */
	assert_string_equal(found_bus("unix:path=/mine", NULL, folder), "unix:path=/mine");
	assert_null(found_bus(NULL, own, folder)); /* libraries find that one themselves */
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_null(found_bus(NULL, NULL, folder));
		assert_null(found_bus(NULL, own, folder));
	}
	g_unlink(path);
	g_unlink(real);
	g_rmdir(own);
	g_rmdir(folder);
	assert_null(found_bus(NULL, NULL, "/nonexistent"));
	g_setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/mine", TRUE);
	keyring_find_bus();
	assert_string_equal(g_getenv("DBUS_SESSION_BUS_ADDRESS"), "unix:path=/mine");
	g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
}

static void the_bus_in_the_runtime_folder_is_used_without_a_variable(void **state)
{
	struct Test *test = *state;
	const char *folder = keyring_fixture_folder(test->fixture);
	g_autofree char *path = g_build_filename(folder, "bus0", NULL);
	g_autofree char *runtime = g_build_filename(folder, "run, time", NULL);
	g_autofree char *link_path = g_build_filename(runtime, "bus", NULL);
	g_autofree char *address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
	g_mkdir(runtime, 0700);
	assert_int_equal(link(path, link_path), 0);
	g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
	g_setenv("XDG_RUNTIME_DIR", runtime, TRUE);
	assert_stored(test->keyring, &notion, "t");
	assert_holds(test->keyring, &notion, "t");
	g_unsetenv("XDG_RUNTIME_DIR");
	g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
}

#define WITH_DAEMON(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(a_daemon_that_was_killed_leaves_a_locked_keyring),
		WITH_DAEMON(calls_under_way_when_the_daemon_dies_end),
		WITH_DAEMON(a_stopped_daemon_costs_two_seconds_and_works_later),
		WITH_DAEMON(a_daemon_that_is_stopped_before_the_first_call_costs_no_more),
		WITH_DAEMON(no_session_bus),
		WITH_DAEMON(a_bus_that_cannot_be_reached),
		WITH_DAEMON(a_bus_without_a_keyring_service),
		WITH_DAEMON(a_bus_that_went_away_is_found_again),
		WITH_DAEMON(a_bus_that_is_stopped_ends_calls_in_time),
		WITH_DAEMON(a_cancelled_call_does_not_call_back),
		WITH_DAEMON(a_keyring_is_freed_with_calls_under_way),
		WITH_DAEMON(a_keyring_is_freed_by_a_handler),
		WITH_DAEMON(handlers_free_and_begin_anew_when_the_opening_fails),
		WITH_DAEMON(many_calls_at_once_share_one_opening),
		cmocka_unit_test(the_users_own_bus_is_found_where_systemd_puts_it),
		WITH_DAEMON(the_bus_in_the_runtime_folder_is_used_without_a_variable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
