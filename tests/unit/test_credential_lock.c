#include "fast_clock.h"

#include "auth/credential_lock.h"
#include "base/error.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct Test {
	struct Fixture fixture;
	char *folder; /* XDG_STATE_HOME */
	struct ConnectorConfig connector;
	char *path; /* of its lock */
};

struct Wish {
	struct CredentialLock *wait;
	unsigned ended;
	bool started;
	struct FileLock *lock;
	GError *error;
};

static int open_test(void **state)
{
	struct Test *t = g_new0(struct Test, 1);
	fixture_init(&t->fixture);
	g_main_context_push_thread_default(t->fixture.context);
	t->folder = g_dir_make_tmp("lock-XXXXXX", NULL);
	g_setenv("XDG_STATE_HOME", t->folder, TRUE);
	t->connector = (struct ConnectorConfig){
		.name = (char *)"notes", .url = (char *)"https://Notes.example:443/mcp"};
	t->path = credential_lock_path(&t->connector);
	*state = t;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int close_test(void **state)
{
	struct Test *t = *state;
	while (g_main_context_iteration(t->fixture.context, FALSE))
		;
	g_main_context_pop_thread_default(t->fixture.context);
	fixture_release(&t->fixture);
	nftw(t->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_free(t->folder);
	g_free(t->path);
	g_free(t);
	return 0;
}

static void on_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct Wish *wish = user;
	assert_true(wish->started);
	assert_int_equal(wish->ended, 0);
	assert_true((lock == NULL) == (error != NULL));
	wish->ended++;
	wish->lock = lock;
	wish->error = error ? g_error_copy(error) : NULL;
}

static void wish_start(struct Test *t, struct Wish *wish, unsigned limit_ms)
{
	*wish = (struct Wish){0};
	wish->wait =
		credential_lock_start(t->fixture.loop, &t->connector, limit_ms, on_locked, wish);
	wish->started = true;
}

/* ---- names that processes agree on ---- */

static void test_the_key_of_a_token(void **state)
{
	struct Test *t = *state;
	g_autofree char *resource = NULL;
	struct KeyringKey key = credential_key(&t->connector, &resource);
	assert_string_equal(key.connector, "notes");
	assert_string_equal(key.resource, "https://notes.example/mcp");
	assert_ptr_equal(key.resource, resource);
	assert_int_equal(key.kind, KEYRING_TOKEN);
	assert_null(key.issuer);
	t->connector.auth = AUTH_CLIENT_CREDENTIALS;
	g_autofree char *same = NULL;
	assert_int_equal(credential_key(&t->connector, &same).kind, KEYRING_TOKEN);
	t->connector.auth = AUTH_API_KEY;
	g_autofree char *again = NULL;
	assert_int_equal(credential_key(&t->connector, &again).kind, KEYRING_API_KEY);
}

static void test_the_name_of_a_lock(void **state)
{
	struct Test *t = *state;
	/* printf 'notes\0https://notes.example/mcp' | sha256sum */
	g_autofree char *wanted = g_build_filename(t->folder, "mcp-mux", "locks",
		"d5598aaaf08383018868ea21ceeab74987d339d1df0711ecb7a5c1fc95320bdb", NULL);
	assert_string_equal(t->path, wanted);
	t->connector.url = (char *)"https://notes.example/other";
	g_autofree char *other = credential_lock_path(&t->connector);
	assert_string_not_equal(other, wanted);
	t->connector.url = (char *)"https://notes.example/mcp";
	t->connector.name = (char *)"note";
	g_autofree char *another = credential_lock_path(&t->connector);
	assert_string_not_equal(another, wanted);
}

/* ---- the lock ---- */

static void test_a_free_lock_is_had_at_once(void **state)
{
	struct Test *t = *state;
	struct Wish one, two;
	struct stat st;
	wish_start(t, &one, 1000);
	turn_until(&t->fixture, one.ended, 1);
	assert_non_null(one.lock);
	assert_int_equal(stat(t->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	g_autofree char *dir = g_path_get_dirname(t->path);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	file_unlock(one.lock);
	wish_start(t, &two, 1000);
	turn_until(&t->fixture, two.ended, 1);
	assert_non_null(two.lock);
	file_unlock(two.lock);
}

static void test_within_a_process_it_excludes_too(void **state)
{
	struct Test *t = *state;
	struct Wish one, two;
	wish_start(t, &one, 1000);
	wish_start(t, &two, 1000);
	turn_until(&t->fixture, one.ended, 1);
	fixture_turn_for(&t->fixture, 100);
	assert_int_equal(two.ended, 0);
	file_unlock(one.lock);
	turn_until(&t->fixture, two.ended, 1);
	file_unlock(two.lock);
}

static void test_connectors_do_not_wait_for_each_other(void **state)
{
	struct Test *t = *state;
	struct Wish one, two;
	wish_start(t, &one, 1000);
	turn_until(&t->fixture, one.ended, 1);
	t->connector.name = (char *)"other";
	wish_start(t, &two, 1000);
	turn_until(&t->fixture, two.ended, 1);
	file_unlock(one.lock);
	file_unlock(two.lock);
}

static void test_a_wait_that_is_cancelled_takes_nothing(void **state)
{
	struct Test *t = *state;
	struct Wish one, two, three;
	credential_lock_cancel(NULL);
	wish_start(t, &one, 1000);
	credential_lock_cancel(one.wait);
	wish_start(t, &two, 1000);
	turn_until(&t->fixture, two.ended, 1);
	wish_start(t, &three, 1000);
	fixture_turn_for(&t->fixture, 60);
	credential_lock_cancel(three.wait);
	file_unlock(two.lock);
	fixture_turn_for(&t->fixture, 60);
	assert_int_equal(one.ended + three.ended, 0);
}

static void test_a_lock_that_cannot_be_made(void **state)
{
	struct Test *t = *state;
	struct Wish wish;
	g_setenv("XDG_STATE_HOME", "/dev/null", TRUE);
	wish_start(t, &wish, 1000);
	turn_until(&t->fixture, wish.ended, 1);
	assert_true(g_error_matches(wish.error, MUX_ERROR, MUX_ERROR_IO));
	assert_non_null(strstr(wish.error->message, "/dev/null"));
	g_clear_error(&wish.error);
}

/* ---- another process ---- */

/* Holds the lock until it is killed. */
static pid_t start_holder(struct Test *t)
{
	int said[2];
	char c;
	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		gint64 holder;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (!file_try_lock(t->path, &holder, NULL) || write(said[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(said[1]);
	assert_int_equal(read(said[0], &c, 1), 1);
	close(said[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_the_end_of_a_process_frees_its_lock(void **state)
{
	struct Test *t = *state;
	struct Wish wish;
	pid_t pid = start_holder(t);
	wish_start(t, &wish, CREDENTIAL_LOCK_MS);
	fixture_turn_for(&t->fixture, 60);
	assert_int_equal(wish.ended, 0);
	end_holder(pid);
	turn_until(&t->fixture, wish.ended, 1);
	assert_non_null(wish.lock);
	file_unlock(wish.lock);
}

static void test_who_holds_it_for_too_long_is_named(void **state)
{
	struct Test *t = *state;
	struct Wish wish;
	pid_t pid = start_holder(t);
	wish_start(t, &wish, CREDENTIAL_LOCK_MS);
	fixture_turn_for(&t->fixture, 60);
	clock_jump(&t->fixture, CREDENTIAL_LOCK_MS);
	turn_until(&t->fixture, wish.ended, 1);
	g_autofree char *words =
		g_strdup_printf("its credential has been in use by process %d for 30 s", pid);
	assert_true(g_error_matches(wish.error, MUX_ERROR, MUX_ERROR_TIMEOUT));
	assert_string_equal(wish.error->message, words);
	g_clear_error(&wish.error);
	end_holder(pid);
}

static void test_a_holder_without_a_name(void **state)
{
	struct Test *t = *state;
	struct Wish wish;
	pid_t pid = start_holder(t);
	assert_int_equal(truncate(t->path, 0), 0);
	wish_start(t, &wish, 0);
	turn_until(&t->fixture, wish.ended, 1);
	assert_non_null(strstr(wish.error->message, "in use by another process for 0 s"));
	g_clear_error(&wish.error);
	end_holder(pid);
}

/* ---- the stamp ---- */

static void on_stamp(void *user)
{
	++*(unsigned *)user;
}

static char *stamp_path(struct Test *t)
{
	return g_build_filename(t->folder, "mcp-mux", "stamp", NULL);
}

static void test_touching_makes_the_stamp(void **state)
{
	struct Test *t = *state;
	struct stat st;
	g_autofree char *path = stamp_path(t);
	credential_touch_stamp();
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 0);
	const struct timespec old[] = {{1000, 0}, {1000, 0}};
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	credential_touch_stamp();
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_mtime > 1000);
}

static void test_a_stamp_that_cannot_be_touched_harms_nobody(void **state)
{
	struct Test *t = *state;
	g_autofree char *path = stamp_path(t);
	g_autofree char *dir = g_path_get_dirname(path);
	struct stat st;
	assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
	assert_int_equal(symlink("/dev/null/x", path), 0);
	credential_touch_stamp();
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	g_setenv("XDG_STATE_HOME", "/dev/null", TRUE);
	credential_touch_stamp();
	unsigned told = 0;
	struct FileWatch *watch = file_watch_new();
	credential_watch_stamp(watch, on_stamp, &told);
	fixture_turn_for(&t->fixture, 20);
	file_watch_free(watch);
	assert_int_equal(told, 0);
}

/* By another process, which ends at once. */
static void touch_elsewhere(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		credential_touch_stamp();
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void test_a_touch_elsewhere_is_told_within_a_second(void **state)
{
	struct Test *t = *state;
	unsigned told = 0;
	struct FileWatch *watch = file_watch_new();
	credential_watch_stamp(watch, on_stamp, &told);
	fixture_turn_for(&t->fixture, 20);
	assert_int_equal(told, 0);
	/* The first makes it, later ones find it there. */
	for (unsigned i = 0; i < 3; i++) {
		unsigned before = told;
		touch_elsewhere();
		assert_true(fixture_turn(&t->fixture, &told, before + 1, 1000));
		fixture_turn_for(&t->fixture, 150);
	}
	file_watch_free(watch);
	unsigned before = told;
	touch_elsewhere();
	fixture_turn_for(&t->fixture, 150);
	assert_int_equal(told, before);
}

static void test_locks_are_no_news(void **state)
{
	struct Test *t = *state;
	unsigned told = 0;
	struct Wish wish;
	credential_touch_stamp();
	struct FileWatch *watch = file_watch_new();
	credential_watch_stamp(watch, on_stamp, &told);
	wish_start(t, &wish, 1000);
	turn_until(&t->fixture, wish.ended, 1);
	file_unlock(wish.lock);
	fixture_turn_for(&t->fixture, 150);
	assert_int_equal(told, 0);
	file_watch_free(watch);
}

#define lock_test(function) cmocka_unit_test_setup_teardown(function, open_test, close_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		lock_test(test_the_key_of_a_token),
		lock_test(test_the_name_of_a_lock),
		lock_test(test_a_free_lock_is_had_at_once),
		lock_test(test_within_a_process_it_excludes_too),
		lock_test(test_connectors_do_not_wait_for_each_other),
		lock_test(test_a_wait_that_is_cancelled_takes_nothing),
		lock_test(test_a_lock_that_cannot_be_made),
		lock_test(test_the_end_of_a_process_frees_its_lock),
		lock_test(test_who_holds_it_for_too_long_is_named),
		lock_test(test_a_holder_without_a_name),
		lock_test(test_touching_makes_the_stamp),
		lock_test(test_a_stamp_that_cannot_be_touched_harms_nobody),
		lock_test(test_a_touch_elsewhere_is_told_within_a_second),
		lock_test(test_locks_are_no_news),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
