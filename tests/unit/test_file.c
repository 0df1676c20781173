#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib/gstdio.h>

/* A folder of its own for every test. */
static char *dir;

static int setup(void **state)
{
	(void)state;
	dir = g_dir_make_tmp("mcp-mux-test-XXXXXX", NULL);
	assert_non_null(dir);
	return 0;
}

static void remove_tree(const char *path)
{
	g_autoptr(GDir) entries =
		g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
	const char *name;
	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		remove_tree(child);
	}
	assert_int_equal(g_remove(path), 0);
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	g_clear_pointer(&dir, g_free);
	return 0;
}

static char *path_of(const char *name)
{
	return g_build_filename(dir, name, NULL);
}

static char *write_file(const char *name, const char *text)
{
	char *path = path_of(name);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	return path;
}

static void expect_content(const char *path, const char *expected)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree char *text = file_read(path, 1000, &len, &error);
	if (error)
		fail_msg("%s", error->message);
	assert_int_equal(len, strlen(expected));
	assert_string_equal(text, expected);
}

static mode_t mode_of(const char *path)
{
	struct stat status;
	assert_int_equal(lstat(path, &status), 0);
	return status.st_mode;
}

static unsigned count_files(const char *path)
{
	g_autoptr(GDir) entries = g_dir_open(path, 0, NULL);
	unsigned count = 0;
	while (g_dir_read_name(entries))
		count++;
	return count;
}

static void replace(const char *path, const char *text, int mode)
{
	g_autoptr(GError) error = NULL;
	if (!file_replace(path, slice_of(text), mode, &error))
		fail_msg("%s", error->message);
	assert_null(error);
}

static void refuse_read(const char *path, GQuark domain, int code)
{
	g_autoptr(GError) error = NULL;
	size_t len = 77;
	assert_null(file_read(path, 1000, &len, &error));
	assert_int_equal(len, 77);
	assert_true(g_error_matches(error, domain, code));
	assert_true(g_str_has_prefix(error->message, path));
}

static void reads_bytes_up_to_the_limit(void **state)
{
	(void)state;
	g_autofree char *path = path_of("f");
	g_autofree char *bytes = g_malloc0(100000);
	for (unsigned i = 0; i < 100000; i++)
		bytes[i] = (char)(i * 7);
	assert_true(g_file_set_contents(path, bytes, 100000, NULL));
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree char *text = file_read(path, 100000, &len, &error);
	assert_null(error);
	assert_int_equal(len, 100000);
	assert_memory_equal(text, bytes, len);
	assert_int_equal(text[len], '\0');
	assert_null(file_read(path, 99999, &len, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE));
	g_clear_error(&error);
	assert_null(file_read(path, 0, &len, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TOO_LARGE));
}

static void reads_empty_files_and_files_that_hide_their_size(void **state)
{
	(void)state;
	g_autofree char *path = write_file("f", "");
	expect_content(path, "");
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	/* /proc/self/environ and its like have size 0 but hold something. */
	g_autofree char *text = file_read("/proc/self/maps", 10 << 20, &len, &error);
	assert_null(error);
	assert_true(len > 4096);
	assert_int_equal(strlen(text), len);
}

static void reads_through_symlinks(void **state)
{
	(void)state;
	g_free(write_file("f", "text"));
	g_autofree char *link = path_of("link");
	assert_int_equal(symlink("f", link), 0);
	expect_content(link, "text");
}

static void says_that_a_file_is_not_there(void **state)
{
	(void)state;
	g_autofree char *path = path_of("none");
	refuse_read(path, G_FILE_ERROR, G_FILE_ERROR_NOENT);
	g_autofree char *file = write_file("f", "");
	g_autofree char *below = g_build_filename(file, "x", NULL);
	refuse_read(below, MUX_ERROR, MUX_ERROR_IO);
}

static void reads_nothing_but_regular_files_and_never_hangs(void **state)
{
	(void)state;
	alarm(10);
	refuse_read(dir, MUX_ERROR, MUX_ERROR_IO);
	refuse_read("/dev/zero", MUX_ERROR, MUX_ERROR_IO);
	g_autofree char *fifo = path_of("fifo");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	refuse_read(fifo, MUX_ERROR, MUX_ERROR_IO);
	g_autofree char *path = path_of("socket");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	refuse_read(path, MUX_ERROR, MUX_ERROR_IO);
	close(fd);
	alarm(0);
}

static void makes_a_new_file_with_its_parents(void **state)
{
	(void)state;
	mode_t old = umask(0077);
	g_autofree char *path = path_of("a/b/f");
	replace(path, "text", 0640);
	umask(old);
	expect_content(path, "text");
	assert_int_equal(mode_of(path) & 07777, 0640);
	g_autofree char *parent = path_of("a");
	assert_int_equal(mode_of(parent) & 07777, 0700);
	g_autofree char *folder = path_of("a/b");
	assert_int_equal(count_files(folder), 1);
}

static void keeps_mode_and_owner_of_an_existing_file(void **state)
{
	(void)state;
	g_autofree char *path = write_file("f", "old");
	assert_int_equal(chmod(path, 0604), 0);
	bool root = getuid() == 0;
	if (root)
		assert_int_equal(chown(path, 12345, 23456), 0);
	struct stat before;
	assert_int_equal(stat(path, &before), 0);
	replace(path, "new", 0600);
	struct stat after;
	assert_int_equal(stat(path, &after), 0);
	expect_content(path, "new");
	assert_int_equal(after.st_mode & 07777, 0604);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_not_equal(after.st_ino, before.st_ino);
}

/* As an ordinary user in a folder that is theirs: the file was another's, of a group that they are not
 * in. What the group could do must not go to the group that the new file gets. */
static void gives_no_other_group_what_the_old_one_had(void **state)
{
	(void)state;
	if (getuid() != 0)
		skip();
	g_autofree char *path = write_file("f", "old");
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(chown(path, 12345, 23456), 0);
	assert_int_equal(chown(dir, 65534, 65534), 0);
	pid_t pid = fork();
	if (pid == 0) {
		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(2);
		_exit(file_replace(path, SLICE("new"), 0600, NULL) ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_content(path, "new");
	assert_int_equal(mode_of(path) & 07777, 0604);
}

static void a_symlink_stays_a_symlink(void **state)
{
	(void)state;
	g_autofree char *dotfiles = path_of("dotfiles");
	assert_int_equal(g_mkdir(dotfiles, 0700), 0);
	g_autofree char *target = write_file("dotfiles/f", "old");
	g_autofree char *link = path_of("link");
	g_autofree char *second = path_of("second");
	assert_int_equal(symlink("dotfiles/f", link), 0);
	assert_int_equal(symlink(link, second), 0);
	replace(second, "new", 0600);
	expect_content(target, "new");
	assert_true(S_ISLNK(mode_of(link)));
	assert_true(S_ISLNK(mode_of(second)));
	assert_int_equal(count_files(dotfiles), 1);
}

static void a_dangling_symlink_gets_its_target(void **state)
{
	(void)state;
	g_autofree char *link = path_of("link");
	assert_int_equal(symlink("not/yet/f", link), 0);
	replace(link, "new", 0600);
	assert_true(S_ISLNK(mode_of(link)));
	g_autofree char *target = path_of("not/yet/f");
	expect_content(target, "new");
}

static void refuses_to_replace_what_is_no_file(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	assert_false(file_replace(dir, SLICE("x"), 0600, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	g_autofree char *loop = path_of("loop");
	assert_int_equal(symlink("loop", loop), 0);
	assert_false(file_replace(loop, SLICE("x"), 0600, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	g_autofree char *file = write_file("f", "text");
	g_autofree char *below = g_build_filename(file, "x", NULL);
	assert_false(file_replace(below, SLICE("x"), 0600, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	expect_content(file, "text");
}

/* A full disk, as RLIMIT_FSIZE plays it: the old content stays and nothing is left behind. */
static void a_failed_write_leaves_everything_as_it_was(void **state)
{
	(void)state;
	g_autofree char *path = write_file("f", "old");
	pid_t pid = fork();
	if (pid == 0) {
		g_autoptr(GError) error = NULL;
		g_autofree char *big = g_strnfill(100000, 'x');
		struct rlimit limit = {1000, 1000};
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0)
			_exit(2);
		bool done = file_replace(path, slice_of(big), 0600, &error);
		_exit(!done && g_error_matches(error, MUX_ERROR, MUX_ERROR_IO) ? 0 : 1);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	expect_content(path, "old");
	assert_int_equal(count_files(dir), 1);
}

static void a_lock_excludes_others_even_in_this_process(void **state)
{
	(void)state;
	g_autofree char *path = path_of("locks/ini");
	g_autoptr(GError) error = NULL;
	struct FileLock *lock = file_lock(path, 0, &error);
	assert_null(error);
	assert_non_null(lock);
	assert_int_equal(mode_of(path) & 07777, 0600);
	g_autofree char *parent = path_of("locks");
	assert_int_equal(mode_of(parent) & 07777, 0700);

	gint64 start = g_get_monotonic_time();
	assert_null(file_lock(path, 100, &error));
	gint64 waited = g_get_monotonic_time() - start;
	assert_true(waited >= 100 * 1000 && waited < 2000 * 1000);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TIMEOUT));
	g_autofree char *message = g_strdup_printf(
		"%s: still locked by process %ld after 0.1 s", path, (long)getpid());
	assert_string_equal(error->message, message);
	g_clear_error(&error);

	file_unlock(lock);
	lock = file_lock(path, 0, &error);
	assert_non_null(lock);
	file_unlock(lock);
	assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
	file_unlock(NULL);
}

static void a_lock_ends_with_its_process_and_is_then_had(void **state)
{
	(void)state;
	g_autofree char *path = path_of("ini");
	int ready[2];
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct FileLock *lock = file_lock(path, 0, NULL);
		if (!lock || write(ready[1], "x", 1) != 1)
			_exit(1);
		g_usleep(200 * 1000);
		_exit(0); /* without unlocking */
	}
	char byte;
	assert_int_equal(read(ready[0], &byte, 1), 1);
	g_autoptr(GError) error = NULL;
	assert_null(file_lock(path, 0, &error));
	g_autofree char *holder = g_strdup_printf("process %ld ", (long)pid);
	assert_non_null(strstr(error->message, holder));
	g_clear_error(&error);
	gint64 start = g_get_monotonic_time();
	struct FileLock *lock = file_lock(path, 5000, &error);
	assert_null(error);
	assert_non_null(lock);
	assert_true(g_get_monotonic_time() - start < 2000 * 1000);
	file_unlock(lock);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	close(ready[0]);
	close(ready[1]);
}

static void a_lock_ends_although_a_child_has_its_descriptor(void **state)
{
	(void)state;
	g_autofree char *path = path_of("ini");
	struct FileLock *lock = file_lock(path, 0, NULL);
	assert_non_null(lock);
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	file_unlock(lock);
	lock = file_lock(path, 0, NULL);
	assert_non_null(lock);
	file_unlock(lock);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void a_lock_says_why_it_cannot_be(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	assert_null(file_lock(dir, 0, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	g_autofree char *file = write_file("f", "rubbish");
	g_autofree char *below = g_build_filename(file, "x", NULL);
	assert_null(file_lock(below, 0, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	/* A holder that left no process id, as when the disk is full. */
	struct FileLock *lock = file_lock(file, 0, &error);
	assert_non_null(lock);
	assert_true(truncate(file, 0) == 0);
	assert_null(file_lock(file, 0, &error));
	g_autofree char *message =
		g_strdup_printf("%s: still locked by another process after 0 s", file);
	assert_string_equal(error->message, message);
	file_unlock(lock);
}

static void trying_a_lock_waits_for_nobody(void **state)
{
	(void)state;
	g_autofree char *path = path_of("locks/ini");
	g_autoptr(GError) error = NULL;
	gint64 holder = -1;
	struct FileLock *lock = file_try_lock(path, &holder, &error);
	assert_null(error);
	assert_non_null(lock);
	assert_int_equal(holder, -1);
	assert_int_equal(mode_of(path) & 07777, 0600);

	assert_null(file_try_lock(path, &holder, &error));
	assert_null(error);
	assert_int_equal(holder, getpid());
	/* It excludes those who wait, and they exclude it. */
	assert_null(file_lock(path, 0, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_TIMEOUT));
	g_clear_error(&error);
	file_unlock(lock);
	lock = file_lock(path, 0, &error);
	assert_non_null(lock);
	holder = -1;
	assert_null(file_try_lock(path, &holder, &error));
	assert_null(error);
	assert_int_equal(holder, getpid());

	/* A holder that left no process id, as when the disk is full. */
	assert_true(truncate(path, 0) == 0);
	assert_null(file_try_lock(path, &holder, &error));
	assert_null(error);
	assert_int_equal(holder, 0);
	file_unlock(lock);
	lock = file_try_lock(path, &holder, &error);
	assert_non_null(lock);
	file_unlock(lock);
}

static void trying_a_lock_says_why_it_cannot_be(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	gint64 holder = -1;
	assert_null(file_try_lock(dir, &holder, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	g_autofree char *file = write_file("f", "rubbish");
	g_autofree char *below = g_build_filename(file, "x", NULL);
	assert_null(file_try_lock(below, &holder, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	g_autofree char *link = path_of("link");
	assert_true(symlink(file, link) == 0);
	assert_null(file_try_lock(link, &holder, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	assert_int_equal(holder, -1);
}

static void expect_path(char *path, const char *expected)
{
	assert_string_equal(path, expected);
	g_free(path);
}

static void paths_follow_the_xdg_variables(void **state)
{
	(void)state;
	g_setenv("HOME", "/home/someone", TRUE);
	g_setenv("XDG_STATE_HOME", "/s", TRUE);
	g_setenv("XDG_CACHE_HOME", "/c", TRUE);
	g_setenv("XDG_CONFIG_HOME", "/f", TRUE);
	expect_path(file_state_path("pins/x.json"), "/s/mcp-mux/pins/x.json");
	expect_path(file_cache_path("lists"), "/c/mcp-mux/lists");
	expect_path(file_config_path(), "/f/mcp-mux/mcp-mux.ini");
	/* A relative or empty one is to be ignored. */
	g_setenv("XDG_STATE_HOME", "s", TRUE);
	g_setenv("XDG_CACHE_HOME", "", TRUE);
	g_unsetenv("XDG_CONFIG_HOME");
	expect_path(file_state_path("x"), "/home/someone/.local/state/mcp-mux/x");
	expect_path(file_cache_path("x"), "/home/someone/.cache/mcp-mux/x");
	expect_path(file_config_path(), "/home/someone/.config/mcp-mux/mcp-mux.ini");
}

static void paths_exist_without_home(void **state)
{
	(void)state;
	g_unsetenv("XDG_STATE_HOME");
	g_unsetenv("HOME");
	g_autofree char *path = file_state_path("x");
	assert_true(g_path_is_absolute(path));
	assert_true(g_str_has_suffix(path, "/.local/state/mcp-mux/x"));
}

static void an_unsynced_replacement_is_a_new_file(void **state)
{
	(void)state;
	g_autofree char *other = write_file("other", "before");
	g_autofree char *path = path_of("deep/er/file");
	g_autoptr(GError) error = NULL;
	assert_true(file_replace_unsynced(path, SLICE("one"), 0600, &error));
	expect_content(path, "one");
	assert_int_equal(chmod(path, 0666), 0);
	assert_true(file_replace_unsynced(path, SLICE("two"), 0600, &error));
	expect_content(path, "two");
	struct stat status;
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	/* A symlink is replaced, not followed. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_true(file_replace_unsynced(path, SLICE("three"), 0600, &error));
	expect_content(path, "three");
	expect_content(other, "before");
	g_autofree char *below = g_build_filename(other, "file", NULL);
	assert_false(file_replace_unsynced(below, SLICE("x"), 0600, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		FILE_TEST(reads_bytes_up_to_the_limit),
		FILE_TEST(reads_empty_files_and_files_that_hide_their_size),
		FILE_TEST(reads_through_symlinks),
		FILE_TEST(says_that_a_file_is_not_there),
		FILE_TEST(reads_nothing_but_regular_files_and_never_hangs),
		FILE_TEST(makes_a_new_file_with_its_parents),
		FILE_TEST(keeps_mode_and_owner_of_an_existing_file),
		FILE_TEST(gives_no_other_group_what_the_old_one_had),
		FILE_TEST(a_symlink_stays_a_symlink),
		FILE_TEST(a_dangling_symlink_gets_its_target),
		FILE_TEST(refuses_to_replace_what_is_no_file),
		FILE_TEST(a_failed_write_leaves_everything_as_it_was),
		FILE_TEST(a_lock_excludes_others_even_in_this_process),
		FILE_TEST(a_lock_ends_with_its_process_and_is_then_had),
		FILE_TEST(a_lock_ends_although_a_child_has_its_descriptor),
		FILE_TEST(a_lock_says_why_it_cannot_be),
		FILE_TEST(trying_a_lock_waits_for_nobody),
		FILE_TEST(trying_a_lock_says_why_it_cannot_be),
		FILE_TEST(an_unsynced_replacement_is_a_new_file),
		cmocka_unit_test(paths_follow_the_xdg_variables),
		cmocka_unit_test(paths_exist_without_home),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
