#include "base/line_log.h"

#include "base/error.h"
#include "base/file.h"
#include "cli_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* What another process appends right after the log looked at its file; NULL: nothing. */
static const char *others_text;

/* In the place of the C library's. */
int lstat(const char *path, struct stat *st)
{
	int result = fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
	const char *text = others_text;
	others_text = NULL;
	int fd = text ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
	if (fd >= 0 && write(fd, text, strlen(text)) < 0)
		abort();
	if (fd >= 0)
		close(fd);
	return result;
}

/* A folder of its own for every test; the log is two folders further down. */
struct Place {
	char *dir, *path, *lock;
};

static int set_up(void **state)
{
	struct Place *place = g_new0(struct Place, 1);
	place->dir = g_dir_make_tmp("line-log-XXXXXX", NULL);
	assert_non_null(place->dir);
	place->path = g_build_filename(place->dir, "state", "mux", "log", NULL);
	place->lock = g_build_filename(place->dir, "locks", "log", NULL);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct Place *place = *state;
	remove_tree(place->dir);
	g_free(place->dir);
	g_free(place->path);
	g_free(place->lock);
	g_free(place);
	return 0;
}

static struct LineLog *open_log(const struct Place *place, int64_t max_bytes)
{
	return line_log_new(place->path, place->lock, max_bytes, 3);
}

static void append(struct LineLog *log, const char *line)
{
	g_autoptr(GError) error = NULL;
	if (!line_log_append(log, slice_of(line), &error))
		fail_msg("%s", error->message);
}

static void assert_refused(struct LineLog *log, const char *words)
{
	g_autoptr(GError) error = NULL;
	assert_false(line_log_append(log, SLICE("line\n"), &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	if (!strstr(error->message, words))
		fail_msg("“%s” lacks “%s”", error->message, words);
}

static char *content(const struct Place *place, unsigned n)
{
	char *text = NULL;
	g_autofree char *path = line_log_path(place->path, n);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

#define assert_content(place, n, expected)                                                         \
	do {                                                                                       \
		g_autofree char *text = content((place), (n));                                     \
		assert_string_equal(text, (expected));                                             \
	} while (0)

static void overwrite(const char *path, const char *text)
{
	g_autofree char *dir = g_path_get_dirname(path);
	assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* ---- the file ---- */

static void nothing_is_made_before_the_first_line_and_then_for_the_user_alone(void **state)
{
	const struct Place *place = *state;
	struct stat st;
	g_autoptr(LineLog) log = open_log(place, 1000);
	g_autofree char *dir = g_path_get_dirname(place->path);
	assert_int_not_equal(stat(dir, &st), 0);
	mode_t old = umask(0);
	append(log, "one\n");
	umask(old);
	append(log, "two\n");
	assert_content(place, 0, "one\ntwo\n");
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void what_others_could_read_is_closed_to_them(void **state)
{
	const struct Place *place = *state;
	struct stat st;
	g_autofree char *dir = g_path_get_dirname(place->path);
	overwrite(place->path, "old\n");
	assert_int_equal(chmod(place->path, 0644), 0);
	assert_int_equal(chmod(dir, 0755), 0);
	g_autoptr(LineLog) log = open_log(place, 1000);
	append(log, "new\n");
	assert_content(place, 0, "old\nnew\n");
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

static void what_is_no_file_of_this_user_is_refused_with_the_reason(void **state)
{
	const struct Place *place = *state;
	g_autofree char *elsewhere = g_build_filename(place->dir, "elsewhere", NULL);
	g_autoptr(LineLog) log = open_log(place, 1000);
	overwrite(elsewhere, "mine\n");
	g_autofree char *dir = g_path_get_dirname(place->path);
	assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);

	assert_int_equal(symlink(elsewhere, place->path), 0);
	assert_refused(log, "is a symbolic link");
	assert_int_equal(unlink(place->path), 0);

	assert_int_equal(mkfifo(place->path, 0600), 0);
	assert_refused(log, "is not a regular file");
	assert_int_equal(unlink(place->path), 0);

	assert_int_equal(mkdir(place->path, 0700), 0);
	assert_refused(log, "Is a directory");
	assert_int_equal(rmdir(place->path), 0);

	if (geteuid() == 0) {
		overwrite(place->path, "theirs\n");
		assert_int_equal(chown(place->path, 12345, 12345), 0);
		assert_refused(log, "belongs to another user");
		assert_content(place, 0, "theirs\n");
		assert_int_equal(unlink(place->path), 0);
	}
	/* What stood in the way is gone. */
	append(log, "line\n");
	assert_content(place, 0, "line\n");
	g_autofree char *kept = NULL;
	assert_true(g_file_get_contents(elsewhere, &kept, NULL, NULL));
	assert_string_equal(kept, "mine\n");
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
	const struct Place *place = *state;
	g_autofree char *blocked = g_build_filename(place->dir, "state", NULL);
	g_autoptr(LineLog) log = open_log(place, 1000);
	overwrite(blocked, "a file in the folder's place");
	assert_refused(log, blocked);
	assert_int_equal(unlink(blocked), 0);
	append(log, "line\n");
	assert_content(place, 0, "line\n");
}

static void a_file_that_was_deleted_is_made_anew(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 1000);
	append(log, "one\n");
	assert_int_equal(unlink(place->path), 0);
	append(log, "two\n");
	assert_content(place, 0, "two\n");
}

/* ---- torn lines ---- */

static void a_torn_line_gets_its_end_before_the_next_one(void **state)
{
	const struct Place *place = *state;
	overwrite(place->path, "whole\ntor");
	g_autoptr(LineLog) log = open_log(place, 1000);
	append(log, "one\n");
	append(log, "two\n");
	assert_content(place, 0, "whole\ntor\none\ntwo\n");
	/* Another process dies in the middle of its line while this one has the file open. */
	overwrite(place->path, "half a li");
	append(log, "three\n");
	assert_content(place, 0, "whole\ntor\none\ntwo\nhalf a li\nthree\n");
	/* A whole line of another's is followed as it is. */
	overwrite(place->path, "other\n");
	append(log, "four\n");
	append(log, "five\n");
	assert_content(place, 0, "whole\ntor\none\ntwo\nhalf a li\nthree\nother\nfour\nfive\n");
}

/* Nothing is locked, so that may happen. */
static void one_who_dies_between_the_look_and_the_write_spoils_no_line(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 1000);
	append(log, "one\n");
	others_text = "two\n";
	append(log, "three\n");
	others_text = "torn";
	append(log, "four\n");
	append(log, "five\n");
	/* It was written once more, on a line of its own. */
	assert_content(place, 0, "one\ntwo\nthree\ntornfour\n\nfour\nfive\n");
}

static void set_size_limit(rlim_t bytes)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* The limit of a file's size stands in for a disk that is full: the last write that fits is cut. */
static void a_line_that_did_not_fit_is_an_error_and_gets_its_end_later(void **state)
{
	const struct Place *place = *state;
	g_autoptr(GError) error = NULL;
	g_autoptr(GError) again = NULL;
	g_autoptr(LineLog) log = open_log(place, 1000);
	signal(SIGXFSZ, SIG_IGN);
	append(log, "one\n");
	set_size_limit(8);
	bool cut = line_log_append(log, SLICE("second\n"), &error);
	bool full = line_log_append(log, SLICE("third\n"), &again);
	set_size_limit(RLIM_INFINITY);
	assert_false(cut);
	assert_non_null(strstr(error->message, "only a part of a line"));
	assert_false(full);
	assert_non_null(strstr(again->message, "File too large"));
	append(log, "four\n");
	assert_content(place, 0, "one\nseco\nfour\n");
}

/* ---- renaming ---- */

static void a_large_file_is_renamed_and_so_many_old_ones_are_kept(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 10);
	static const char *const lines[] = {"aaaa\n", "bbbb\n", "cccc\n", "dddd\n", "eeee\n",
		"ffff\n", "gggg\n", "hhhh\n", "iiii\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++)
		append(log, lines[i]);
	assert_content(place, 0, "iiii\n");
	assert_content(place, 1, "gggg\nhhhh\n");
	assert_content(place, 2, "eeee\nffff\n");
	assert_content(place, 3, "cccc\ndddd\n");
	g_autofree char *fourth = line_log_path(place->path, 4);
	assert_false(g_file_test(fourth, G_FILE_TEST_EXISTS));
	/* A line that is larger than that is a file of its own. */
	append(log, "longer than ten\n");
	append(log, "kk\n");
	assert_content(place, 1, "longer than ten\n");
	assert_content(place, 0, "kk\n");
}

static void one_who_has_the_old_file_open_follows_at_the_next_line(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) a = open_log(place, 10);
	g_autoptr(LineLog) b = open_log(place, 10);
	append(a, "aaaa\n");
	append(b, "bbbb\n");
	append(a, "cccc\n");
	append(b, "dddd\n");
	assert_content(place, 1, "aaaa\nbbbb\n");
	assert_content(place, 0, "cccc\ndddd\n");
}

static void a_lock_that_is_taken_is_not_waited_for(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 10);
	append(log, "aaaa\n");
	append(log, "bbbb\n");
	struct FileLock *lock = file_lock(place->lock, 0, NULL);
	assert_non_null(lock);
	append(log, "cccc\n");
	assert_content(place, 0, "aaaa\nbbbb\ncccc\n");
	file_unlock(lock);
	append(log, "dddd\n");
	assert_content(place, 0, "dddd\n");
	assert_content(place, 1, "aaaa\nbbbb\ncccc\n");
}

static void old_files_that_cannot_be_moved_cost_no_line_and_are_not_replaced(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 10);
	g_autofree char *third = line_log_path(place->path, 3);
	g_autofree char *second = line_log_path(place->path, 2);
	g_autofree char *inside = g_build_filename(third, "x", NULL);
	overwrite(inside, "");
	overwrite(second, "old\n");
	append(log, "aaaa\n");
	append(log, "bbbb\n");
	append(log, "cccc\n");
	assert_content(place, 0, "aaaa\nbbbb\ncccc\n");
	assert_content(place, 2, "old\n");
	assert_int_equal(unlink(inside), 0);
	assert_int_equal(rmdir(third), 0);
	append(log, "dddd\n");
	assert_content(place, 0, "dddd\n");
	assert_content(place, 1, "aaaa\nbbbb\ncccc\n");
	assert_content(place, 3, "old\n");
}

/* ---- several processes ---- */

enum { WRITERS = 4, LINES = 1000, LINE_LEN = 48 };

static void write_lines(const struct Place *place, unsigned writer)
{
	g_autoptr(LineLog) log = line_log_new(place->path, place->lock, 64 * 1024, 5);
	for (unsigned i = 0; i < LINES; i++) {
		g_autofree char *line = g_strdup_printf("%u %06u %0*u\n", writer, i, 36, writer);
		if (!line_log_append(log, slice_of(line), NULL))
			_exit(1);
	}
}

/* Counts the lines of a file, each of which must be whole and follow the last one of its writer. */
static void count(const char *text, unsigned *next)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **line = lines; *line; line++) {
		if (!**line) /* behind the last one; or one who wrote seemed to have died */
			continue;
		unsigned writer = (unsigned)(**line - '0');
		assert_true(writer < WRITERS);
		g_autofree char *expected =
			g_strdup_printf("%u %06u %0*u", writer, next[writer], 36, writer);
		assert_string_equal(*line, expected);
		next[writer]++;
	}
}

static void processes_that_append_and_rename_at_once_lose_nothing(void **state)
{
	const struct Place *place = *state;
	pid_t children[WRITERS];
	unsigned next[WRITERS] = {0};
	for (unsigned i = 0; i < WRITERS; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			write_lines(place, i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < WRITERS; i++) {
		int status;
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	for (unsigned n = 5; n-- > 0;) {
		g_autofree char *path = line_log_path(place->path, n);
		g_autofree char *text = NULL;
		if (g_file_get_contents(path, &text, NULL, NULL))
			count(text, next);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(next[i], LINES);
	/* 4 times 1000 lines of 46 bytes make three files: it was renamed by one at a time. */
	g_autofree char *first = line_log_path(place->path, 2);
	g_autofree char *beyond = line_log_path(place->path, 3);
	assert_true(g_file_test(first, G_FILE_TEST_EXISTS));
	assert_false(g_file_test(beyond, G_FILE_TEST_EXISTS));
}

/* A process that is killed between its lines or in one of them costs that one at most. */
static void processes_that_are_killed_tear_no_line_of_others(void **state)
{
	const struct Place *place = *state;
	g_autoptr(LineLog) log = open_log(place, 1 << 30);
	unsigned mine = 0;
	for (unsigned round = 0; round < 20; round++) {
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			struct LineLog *own = open_log(place, 1 << 30);
			g_autofree char *line = g_strnfill(20000, 'x');
			line[19999] = '\n';
			for (;;) {
				line_log_append(own, (struct Slice){line, 20000}, NULL);
				g_usleep(1000); /* who writes without end keeps others from it */
			}
		}
		for (unsigned i = 0; i < 50; i++, mine++)
			append(log, "mine\n");
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, NULL, 0), child);
	}
	append(log, "mine\n");
	g_autofree char *text = content(place, 0);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	unsigned seen = 0;
	for (char **line = lines; *line; line++)
		seen += strcmp(*line, "mine") == 0;
	assert_true(seen >= mine + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		T(nothing_is_made_before_the_first_line_and_then_for_the_user_alone),
		T(what_others_could_read_is_closed_to_them),
		T(what_is_no_file_of_this_user_is_refused_with_the_reason),
		T(a_folder_that_cannot_be_made_is_an_error),
		T(a_file_that_was_deleted_is_made_anew),
		T(a_torn_line_gets_its_end_before_the_next_one),
		T(one_who_dies_between_the_look_and_the_write_spoils_no_line),
		T(a_line_that_did_not_fit_is_an_error_and_gets_its_end_later),
		T(a_large_file_is_renamed_and_so_many_old_ones_are_kept),
		T(one_who_has_the_old_file_open_follows_at_the_next_line),
		T(a_lock_that_is_taken_is_not_waited_for),
		T(old_files_that_cannot_be_moved_cost_no_line_and_are_not_replaced),
		T(processes_that_append_and_rename_at_once_lose_nothing),
		T(processes_that_are_killed_tear_no_line_of_others),
#undef T
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
