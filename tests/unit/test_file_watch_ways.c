/* Watching of files whose way changes: directories and symbolic links on it. */
#include "file_watch_fixture.h"

/* ---- directories on the way ---- */

static void directories_that_come_later(void **state)
{
	struct Test *t = *state;
	add(t, "a/b/c/ini");
	make(t, "a");
	assert_told(t);
	make(t, "a/b");
	assert_told(t);
	make(t, "a/b/c");
	assert_told(t);
	put(t, "a/b/c/ini", "one");
	assert_told(t);
	write_at(t, "a/b/c/ini", O_APPEND, "x");
	assert_told(t);
}

static void directories_that_come_all_at_once(void **state)
{
	struct Test *t = *state;
	add(t, "a/b/c/ini");
	make(t, "a/b/c");
	put(t, "a/b/c/ini", "one");
	assert_told(t);
	write_at(t, "a/b/c/ini", O_APPEND, "x");
	assert_told(t);
}

static void directories_that_are_removed_and_made_again(void **state)
{
	struct Test *t = *state;
	make(t, "a/b");
	put(t, "a/b/ini", "one");
	add(t, "a/b/ini");
	for (unsigned i = 0; i < 3; i++) {
		remove_all(at(t, "a"));
		assert_told(t);
		make(t, "a/b");
		put(t, "a/b/ini", "two");
		assert_told(t);
		/* Within the wait. */
		remove_all(at(t, "a"));
		make(t, "a/b");
		put(t, "a/b/ini", "two");
		assert_told(t);
	}
	write_at(t, "a/b/ini", O_APPEND, "x");
	assert_told(t);
}

static void empty_directories_that_are_removed_and_made_again(void **state)
{
	struct Test *t = *state;
	make(t, "a/b");
	add(t, "a/b/ini");
	remove_all(at(t, "a"));
	assert_told(t);
	make(t, "a/b");
	assert_told(t);
	put(t, "a/b/ini", "two");
	assert_told(t);
}

static void directories_that_are_renamed(void **state)
{
	struct Test *t = *state;
	make(t, "a/b");
	make(t, "other/b");
	put(t, "a/b/ini", "one");
	put(t, "other/b/ini", "two");
	add(t, "a/b/ini");
	move(t, "a", "old");
	assert_told(t);
	/* What goes on in the old place is nobody's business. */
	write_at(t, "old/b/ini", O_APPEND, "x");
	fixture_turn_for(&t->fixture, QUIET_MS);
	assert_int_equal(t->told, 1);
	move(t, "other", "a");
	assert_told(t);
	write_at(t, "a/b/ini", O_APPEND, "x");
	assert_told(t);
	/* Back and forth. */
	move(t, "a/b", "a/c");
	assert_told(t);
	move(t, "a/c", "a/b");
	assert_told(t);
	write_at(t, "a/b/ini", O_APPEND, "x");
	assert_told(t);
}

static void a_file_where_a_directory_was(void **state)
{
	struct Test *t = *state;
	make(t, "a");
	put(t, "a/ini", "one");
	add(t, "a/ini");
	remove_all(at(t, "a"));
	put(t, "a", "no directory");
	assert_told(t);
	assert_int_equal(unlink(at(t, "a")), 0);
	assert_told(t);
	make(t, "a");
	put(t, "a/ini", "two");
	assert_told(t);
}

/* ---- symbolic links ---- */

static void a_link_to_a_file_elsewhere(void **state)
{
	struct Test *t = *state;
	make(t, "dotfiles");
	make(t, "config");
	put(t, "dotfiles/ini", "one");
	put(t, "dotfiles/other", "two");
	point(t, "config/ini", "../dotfiles/ini");
	add(t, "config/ini");
	write_at(t, "dotfiles/ini", O_APPEND, "x");
	assert_told(t);
	/* As a checkout does. */
	put(t, "dotfiles/ini", "two");
	assert_told(t);
	assert_int_equal(unlink(at(t, "dotfiles/ini")), 0);
	assert_told(t);
	put(t, "dotfiles/ini", "three");
	assert_told(t);
	point_anew(t, "config/ini", at(t, "dotfiles/other"));
	assert_told(t);
	/* The old target does not count any more. */
	unsigned before = t->told;
	write_at(t, "dotfiles/ini", O_APPEND, "x");
	fixture_turn_for(&t->fixture, QUIET_MS);
	assert_int_equal(t->told, before);
	write_at(t, "dotfiles/other", O_APPEND, "x");
	assert_told(t);
	assert_int_equal(unlink(at(t, "config/ini")), 0);
	assert_told(t);
	put(t, "config/ini", "a file");
	assert_told(t);
}

static void a_link_to_a_directory_on_the_way(void **state)
{
	struct Test *t = *state;
	make(t, "checkout/mux");
	make(t, "second");
	put(t, "checkout/mux/ini", "one");
	put(t, "second/ini", "one");
	point(t, "config", "checkout/mux");
	add(t, "config/ini");
	write_at(t, "checkout/mux/ini", O_APPEND, "x");
	assert_told(t);
	move(t, "checkout", "gone");
	assert_told(t);
	make(t, "checkout/mux");
	put(t, "checkout/mux/ini", "two");
	assert_told(t);
	point_anew(t, "config", "second");
	assert_told(t);
	write_at(t, "second/ini", O_APPEND, "x");
	assert_told(t);
}

/* ini -> ..data/ini, ..data -> ..1, and all of it exchanged by one rename. */
static void links_as_mounted_volumes_have_them(void **state)
{
	struct Test *t = *state;
	make(t, "v/..1");
	put(t, "v/..1/ini", "one");
	point(t, "v/..data", "..1");
	point(t, "v/ini", "..data/ini");
	add(t, "v/ini");
	for (unsigned i = 2; i < 5; i++) {
		g_autofree char *name = g_strdup_printf("..%u", i);
		g_autofree char *old = g_strdup_printf("v/..%u", i - 1);
		g_autofree char *dir = g_strconcat("v/", name, NULL);
		g_autofree char *file = g_strconcat(dir, "/ini", NULL);
		make(t, dir);
		put(t, file, "two");
		point_anew(t, "v/..data", name);
		remove_all(at(t, old));
		assert_told(t);
	}
}

static void a_link_to_nothing_and_a_loop(void **state)
{
	struct Test *t = *state;
	point(t, "ini", "not/there");
	point(t, "loop", "loop");
	add(t, "ini");
	add(t, "loop/x");
	make(t, "not");
	assert_told(t);
	put(t, "not/there", "one");
	assert_told(t);
	assert_int_equal(unlink(at(t, "loop")), 0);
	assert_told(t);
	make(t, "loop");
	put(t, "loop/x", "one");
	assert_told(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		watch_test(directories_that_come_later),
		watch_test(directories_that_come_all_at_once),
		watch_test(directories_that_are_removed_and_made_again),
		watch_test(empty_directories_that_are_removed_and_made_again),
		watch_test(directories_that_are_renamed),
		watch_test(a_file_where_a_directory_was),
		watch_test(a_link_to_a_file_elsewhere),
		watch_test(a_link_to_a_directory_on_the_way),
		watch_test(links_as_mounted_volumes_have_them),
		watch_test(a_link_to_nothing_and_a_loop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
