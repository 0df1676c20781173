/* Watching of files and of what is in a directory, with real ones. */
#include "file_watch_fixture.h"

/* ---- a file ---- */

static void a_file_that_is_written_in_place(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "one");
	add(t, "ini");
	fixture_turn_for(&t->fixture, QUIET_MS);
	assert_int_equal(t->told, 0);
	write_at(t, "ini", O_TRUNC, "two");
	assert_told(t);
	write_at(t, "ini", O_APPEND, "three");
	assert_told(t);
	/* The same again, in the same tick of the file system's clock. */
	write_at(t, "ini", 0, "TWO");
	write_at(t, "ini", 0, "two");
	assert_told(t);
}

static void a_file_that_is_replaced(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "one");
	add(t, "ini");
	for (unsigned i = 0; i < 3; i++) {
		put(t, "new", "two");
		move(t, "new", "ini");
		assert_told(t);
	}
	/* The old one moved aside first, as some editors do. */
	put(t, "new", "three");
	move(t, "ini", "ini~");
	move(t, "new", "ini");
	assert_told(t);
	/* The one aside is nobody's. */
	write_at(t, "ini~", O_APPEND, "x");
	fixture_turn_for(&t->fixture, QUIET_MS);
	assert_int_equal(t->told, 4);
	write_at(t, "ini", O_APPEND, "x");
	assert_told(t);
}

static void a_file_that_somebody_else_holds_open_is_replaced(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "one");
	assert_int_equal(link(at(t, "ini"), at(t, "other name")), 0);
	int fd = open(at(t, "ini"), O_RDONLY | O_CLOEXEC);
	add(t, "ini");
	put(t, "new", "two");
	move(t, "new", "ini");
	assert_told(t);
	write_at(t, "ini", O_APPEND, "x");
	assert_told(t);
	assert_int_equal(unlink(at(t, "ini")), 0);
	assert_told(t);
	close(fd);
}

static void a_file_that_goes_and_comes(void **state)
{
	struct Test *t = *state;
	add(t, "ini");
	write_at(t, "ini", 0, "one");
	assert_told(t);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(unlink(at(t, "ini")), 0);
		assert_told(t);
		put(t, "ini", "two");
		assert_told(t);
	}
	/* Gone and back within the wait: another one is there. */
	assert_int_equal(unlink(at(t, "ini")), 0);
	put(t, "ini", "two");
	assert_told(t);
}

static void mode_and_times_count(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "one");
	add(t, "ini");
	assert_int_equal(chmod(at(t, "ini"), 0666), 0);
	assert_told(t);
	assert_int_equal(utimensat(AT_FDCWD, at(t, "ini"), NULL, 0), 0);
	assert_told(t);
	if (geteuid() == 0) {
		assert_int_equal(chown(at(t, "ini"), 65534, 65534), 0);
		assert_told(t);
	}
}

static void the_mode_of_a_directory_on_the_way_counts(void **state)
{
	struct Test *t = *state;
	make(t, "a/b");
	put(t, "a/b/ini", "one");
	add(t, "a/b/ini");
	assert_int_equal(chmod(at(t, "a"), 0777), 0);
	assert_told(t);
	assert_int_equal(chmod(at(t, "a/b"), 0777), 0);
	assert_told(t);
}

/* ---- a directory ---- */

static void entries_of_a_directory_count(void **state)
{
	struct Test *t = *state;
	add(t, "pins");
	make(t, "pins");
	assert_told(t);
	put(t, "pins/a.json", "one");
	assert_told(t);
	put(t, "pins/a.json", "two");
	assert_told(t);
	write_at(t, "pins/a.json", O_APPEND, "x");
	assert_told(t);
	assert_int_equal(unlink(at(t, "pins/a.json")), 0);
	assert_told(t);
	remove_all(at(t, "pins"));
	assert_told(t);
}

/* ---- several ---- */

static void each_path_is_told_of_alone(void **state)
{
	struct Test *t = *state;
	make(t, "state/pins");
	put(t, "state/stamp", "");
	add(t, "state/stamp");
	file_watch_add(t->watch, at(t, "state/pins"), on_changed, &t->also);
	assert_int_equal(utimensat(AT_FDCWD, at(t, "state/stamp"), NULL, 0), 0);
	assert_told(t);
	assert_int_equal(t->also, 0);
	put(t, "state/pins/a", "");
	turn_until(&t->fixture, t->also, 1);
	assert_int_equal(t->told, 1);
	/* What is on the way of both. */
	move(t, "state", "old");
	turn_until(&t->fixture, t->also, 2);
	assert_int_equal(t->told, 2);
	/* The same twice. */
	file_watch_add(t->watch, at(t, "old/stamp"), on_changed, &t->also);
	file_watch_add(t->watch, at(t, "old/stamp"), on_changed, &t->told);
	assert_int_equal(utimensat(AT_FDCWD, at(t, "old/stamp"), NULL, 0), 0);
	turn_until(&t->fixture, t->also, 3);
	assert_int_equal(t->told, 3);
}

static void a_relative_path(void **state)
{
	struct Test *t = *state;
	g_autofree char *before = g_get_current_dir();
	assert_int_equal(chdir(t->folder), 0);
	file_watch_add(t->watch, "./x/../ini", on_changed, &t->told);
	make(t, "x");
	assert_told(t);
	assert_int_equal(chdir(before), 0);
	put(t, "ini", "one");
	assert_told(t);
}

static void many_changes_are_told_together(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "");
	add(t, "ini");
	/* More events than one read takes. */
	for (unsigned i = 0; i < 1000; i++)
		write_at(t, "ini", i % 2 ? O_TRUNC : O_APPEND, "some text");
	assert_told(t);
}

/* ---- what it costs ---- */

static void what_goes_on_beside_wakes_nobody(void **state)
{
	struct Test *t = *state;
	make(t, "state/pins");
	put(t, "state/stamp", "");
	put(t, "state/audit.jsonl", "");
	add(t, "state/stamp");
	add(t, "state/pins");
	add(t, "config/mux/ini");
	write_at(t, "state/audit.jsonl", O_APPEND, "line\n");
	put(t, "state/era.json", "{}");
	make(t, "state/locks");
	put(t, "something", "");
	assert_int_equal(unlink(at(t, "something")), 0);
	turns_in(t, QUIET_MS); /* names in `folder` are looked at, since `config` may come there */
	assert_int_equal(t->told, 0);
	make(t, "config/mux");
	put(t, "config/mux/ini", "");
	assert_told(t);
	/* Now it has come. Somebody may change a mode in the folder around ours meanwhile, which wakes, too. */
	unsigned turns = 1;
	for (unsigned i = 0; i < 5 && turns > 0; i++) {
		write_at(t, "something", 0, "");
		assert_int_equal(unlink(at(t, "something")), 0);
		write_at(t, "state/audit.jsonl", O_APPEND, "line\n");
		write_at(t, "state/era.new", 0, "{}");
		move(t, "state/era.new", "state/era.json");
		write_at(t, "config/mux/ini~", 0, "");
		turns = turns_in(t, QUIET_MS);
	}
	assert_int_equal(turns, 0);
	assert_int_equal(t->told, 1);
}

static void it_never_looks_from_time_to_time(void **state)
{
	struct Test *t = *state;
	add(t, "a/b/ini");
	put(t, "c", "");
	add(t, "c");
	make(t, "a");
	assert_told(t);
	remove_all(at(t, "a"));
	assert_told(t);
	int priority, timeout;
	assert_true(g_main_context_acquire(t->fixture.context));
	g_main_context_prepare(t->fixture.context, &priority);
	g_main_context_query(t->fixture.context, INT_MAX, &timeout, NULL, 0);
	g_main_context_release(t->fixture.context);
	assert_int_equal(timeout, -1);
}

/* ---- what cannot be watched ---- */

/* In a process without privileges, which exits with 0 if BODY held. */
static void as_nobody(struct Test *t, void (*body)(struct Test *t))
{
	assert_int_equal(chmod(t->folder, 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
			_exit(2);
		body(t);
		_exit(0);
	}
	int status = 0;
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
}

#define check(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition);                    \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static bool is_told(struct Test *t)
{
	return fixture_turn(&t->fixture, &t->told, t->told + 1, SOON_MS);
}

static void unreadable_ones(struct Test *t)
{
	make(t, "home/own");
	put(t, "home/own/ini", "one");
	check(chmod(at(t, "home"), 0111) == 0);
	add(t, "home/own/ini");
	/* The directory above may not be read, as /home may not. */
	write_at(t, "home/own/ini", O_APPEND, "x");
	check(is_told(t));
	/* The file itself. */
	check(chmod(at(t, "home/own/ini"), 0) == 0);
	check(is_told(t));
	fixture_turn_for(&t->fixture, QUIET_MS);
	check(chmod(at(t, "home/own/ini"), 0600) == 0);
	check(is_told(t));
	write_at(t, "home/own/ini", O_APPEND, "x");
	check(is_told(t));
	/* Its directory may not be entered. */
	check(chmod(at(t, "home/own"), 0) == 0);
	check(is_told(t));
	fixture_turn_for(&t->fixture, QUIET_MS);
	check(chmod(at(t, "home/own"), 0700) == 0);
	fixture_turn_for(&t->fixture, QUIET_MS);
	write_at(t, "home/own/ini", O_APPEND, "x");
	check(chmod(at(t, "home"), 0700) == 0);
	check(is_told(t));
}

static void what_may_not_be_read_is_noticed_all_the_same(void **state)
{
	as_nobody(*state, unreadable_ones);
}

static void no_watch_at_all(struct Test *t)
{
	struct rlimit before;
	check(getrlimit(RLIMIT_NOFILE, &before) == 0);
	const struct rlimit none = {0, before.rlim_max};
	check(setrlimit(RLIMIT_NOFILE, &none) == 0);
	struct FileWatch *watch = file_watch_new();
	check(setrlimit(RLIMIT_NOFILE, &before) == 0);
	file_watch_add(watch, at(t, "ini"), on_changed, &t->told);
	file_watch_free(watch);
	/* Missing, in a directory that may not be read. */
	make(t, "home");
	check(chmod(at(t, "home"), 0111) == 0);
	add(t, "home/own/ini");
	fixture_turn_for(&t->fixture, QUIET_MS);
	check(t->told == 0);
	check(chmod(at(t, "home"), 0700) == 0);
	check(is_told(t));
}

static void what_cannot_be_watched_harms_nobody(void **state)
{
	as_nobody(*state, no_watch_at_all);
	file_watch_free(NULL);
}

static void nothing_is_told_after_the_end(void **state)
{
	struct Test *t = *state;
	put(t, "ini", "one");
	add(t, "ini");
	put(t, "ini", "two");
	fixture_turn_for(&t->fixture, FILE_WATCH_SETTLE_MS / 5);
	file_watch_free(g_steal_pointer(&t->watch));
	fixture_turn_for(&t->fixture, QUIET_MS);
	assert_int_equal(t->told, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_test(a_file_that_is_written_in_place),
		watch_test(a_file_that_is_replaced),
		watch_test(a_file_that_somebody_else_holds_open_is_replaced),
		watch_test(a_file_that_goes_and_comes),
		watch_test(mode_and_times_count),
		watch_test(the_mode_of_a_directory_on_the_way_counts),
		watch_test(entries_of_a_directory_count),
		watch_test(each_path_is_told_of_alone),
		watch_test(a_relative_path),
		watch_test(many_changes_are_told_together),
		watch_test(what_goes_on_beside_wakes_nobody),
		watch_test(it_never_looks_from_time_to_time),
		watch_test(what_may_not_be_read_is_noticed_all_the_same),
		watch_test(what_cannot_be_watched_harms_nobody),
		watch_test(nothing_is_told_after_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
