/* What the tests of base/file_watch share: a folder, and what can be done in it. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_FILE_WATCH_FIXTURE_H
#define MCP_MUX_TESTS_FILE_WATCH_FIXTURE_H

#include "net_loop_fixture.h"

#include "base/file_watch.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOON_MS = 1000, QUIET_MS = 120 };

struct Test {
	struct Fixture fixture;
	struct FileWatch *watch;
	char *folder;
	unsigned told, also;
};

static inline int open_test(void **state)
{
	struct Test *t = g_new0(struct Test, 1);
	fixture_init(&t->fixture);
	g_main_context_push_thread_default(t->fixture.context);
	t->folder = g_dir_make_tmp("watch-XXXXXX", NULL);
	t->watch = file_watch_new();
	*state = t;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static inline void remove_all(const char *path)
{
	nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int close_test(void **state)
{
	struct Test *t = *state;
	file_watch_free(t->watch);
	g_main_context_pop_thread_default(t->fixture.context);
	fixture_release(&t->fixture);
	remove_all(t->folder);
	g_free(t->folder);
	g_free(t);
	return 0;
}

static inline void on_changed(void *user)
{
	++*(unsigned *)user;
}

/* NAME in the folder; valid until the process ends. */
static inline const char *at(const struct Test *t, const char *name)
{
	g_autofree char *path = g_build_filename(t->folder, name, NULL);
	return g_intern_string(path);
}

static inline void add(struct Test *t, const char *name)
{
	file_watch_add(t->watch, at(t, name), on_changed, &t->told);
}

/* As a whole, in the place of what was there. */
static inline void put(const struct Test *t, const char *name, const char *text)
{
	assert_true(g_file_set_contents(at(t, name), text, -1, NULL));
}

/* In place. */
static inline void write_at(const struct Test *t, const char *name, int flags, const char *text)
{
	int fd = open(at(t, name), O_WRONLY | O_CREAT | flags, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static inline void make(const struct Test *t, const char *name)
{
	assert_int_equal(g_mkdir_with_parents(at(t, name), 0700), 0);
}

static inline void move(const struct Test *t, const char *from, const char *to)
{
	assert_int_equal(rename(at(t, from), at(t, to)), 0);
}

static inline void point(const struct Test *t, const char *name, const char *target)
{
	assert_int_equal(symlink(target, at(t, name)), 0);
}

/* As `ln -sfn` does. */
static inline void point_anew(const struct Test *t, const char *name, const char *target)
{
	point(t, "link.new", target);
	move(t, "link.new", name);
}

/* What was done is told, once. */
#define assert_told(t)                                                                             \
	do {                                                                                       \
		unsigned told_before = (t)->told;                                                  \
		assert_true(fixture_turn(&(t)->fixture, &(t)->told, told_before + 1, SOON_MS));    \
		fixture_turn_for(&(t)->fixture, QUIET_MS);                                         \
		assert_int_equal((t)->told, told_before + 1);                                      \
	} while (0)

/* How often the loop wakes up in MS. */
static inline unsigned turns_in(struct Test *t, unsigned ms)
{
	bool over = false;
	unsigned turns = 0;
	GSource *timeout = g_timeout_source_new(ms);
	g_source_set_callback(timeout, fixture_on_time, &over, NULL);
	g_source_attach(timeout, t->fixture.context);
	for (; !over; turns++)
		g_main_context_iteration(t->fixture.context, TRUE);
	g_source_destroy(timeout);
	g_source_unref(timeout);
	return turns - 1;
}

#define watch_test(function) cmocka_unit_test_setup_teardown(function, open_test, close_test)

#endif
