/* What `audit` reads, and which of it. The command itself is tested from outside. */
#include "cli/audit.h"

#include "base/error.h"
#include "base/line_log.h"
#include "cli_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct Place {
	char *dir, *path;
	struct AuditFiles *files;
	GString *read; /* lines, each with LF */
	unsigned most; /* lines that are wanted; 0: all */
	unsigned n;
};

static int set_up(void **state)
{
	struct Place *place = g_new0(struct Place, 1);
	place->dir = g_dir_make_tmp("cli-audit-XXXXXX", NULL);
	place->path = g_build_filename(place->dir, "log", NULL);
	place->files = audit_files_new(place->path);
	place->read = g_string_new(NULL);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct Place *place = *state;
	audit_files_free(place->files);
	audit_files_free(NULL);
	g_string_free(place->read, TRUE);
	remove_tree(place->dir);
	g_free(place->dir);
	g_free(place->path);
	g_free(place);
	return 0;
}

/* Appends TEXT to the Nth file. */
static void write_text(const struct Place *place, unsigned n, const char *text)
{
	g_autofree char *path = line_log_path(place->path, n);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void rename_all(const struct Place *place)
{
	for (unsigned n = 5; n > 0; n--) {
		g_autofree char *from = line_log_path(place->path, n - 1);
		g_autofree char *to = line_log_path(place->path, n);
		if (rename(from, to) < 0)
			assert_false(g_file_test(from, G_FILE_TEST_EXISTS));
	}
}

static bool on_line(struct Slice line, void *user)
{
	struct Place *place = user;
	g_string_append_len(place->read, line.data, (gssize)line.len);
	g_string_append_c(place->read, '\n');
	return ++place->n != place->most;
}

/* Reads on, and expects these lines. */
static void assert_read(struct Place *place, const char *expected)
{
	g_autoptr(GError) error = NULL;
	g_string_truncate(place->read, 0);
	if (!audit_files_read(place->files, on_line, place, &error))
		fail_msg("%s", error ? error->message : "stopped");
	assert_string_equal(place->read->str, expected);
}

/* ---- files ---- */

static void all_files_are_read_from_the_oldest_on(void **state)
{
	struct Place *place = *state;
	assert_read(place, "");
	write_text(place, 5, "one\ntwo\n");
	write_text(place, 3, "three\n"); /* where the fourth is missing, for whatever reason */
	write_text(place, 1, "four\n");
	write_text(place, 0, "five\n");
	write_text(place, 6, "none of them\n");
	assert_read(place, "one\ntwo\nthree\nfour\nfive\n");
	assert_read(place, "");
	assert_int_equal(audit_files_damaged(place->files), 0);
}

static void what_is_added_is_read_on_across_renaming(void **state)
{
	struct Place *place = *state;
	write_text(place, 0, "one\ntw");
	assert_read(place, "one\n");
	assert_int_equal(audit_files_damaged(place->files), 1); /* if nothing more came */
	write_text(place, 0, "o\nthree\n");
	assert_read(place, "two\nthree\n");
	assert_int_equal(audit_files_damaged(place->files), 0);
	write_text(place, 0, "four\n");
	rename_all(place);
	assert_read(place, "four\n"); /* there is no new one yet */
	write_text(place, 0, "six\n");
	write_text(place, 1, "five\n"); /* one who had it open */
	assert_read(place, "five\nsix\n");
	rename_all(place);
	write_text(place, 0, "seven\n");
	rename_all(place);
	write_text(place, 0, "eight\n");
	rename_all(place);
	write_text(place, 0, "nine\n");
	assert_read(place, "seven\neight\nnine\n");
	assert_read(place, "");
}

static void a_file_that_began_anew_is_read_from_its_beginning(void **state)
{
	struct Place *place = *state;
	write_text(place, 0, "one\n");
	assert_read(place, "one\n");
	assert_int_equal(unlink(place->path), 0);
	assert_read(place, "");
	write_text(place, 0, "two\n");
	assert_read(place, "two\n");
}

static void damage_is_counted_and_not_read(void **state)
{
	struct Place *place = *state;
	g_autofree char *filler = g_strnfill(AUDIT_LINE_MAX, 'x');
	g_autofree char *longer = g_strdup_printf("%sx\n", filler);
	g_autofree char *longest = g_strdup_printf("%s\n", filler);
	write_text(place, 1, "one\n");
	write_text(place, 1, longer);
	write_text(place, 1, "two\n\n\nthree\ntorn");
	write_text(place, 0, longest);
	write_text(place, 0, "four\n");
	g_autofree char *expected = g_strdup_printf("one\ntwo\nthree\n%s\nfour\n", filler);
	assert_read(place, expected);
	assert_int_equal(audit_files_damaged(place->files), 2);
	/* It stays counted when its file is closed. */
	rename_all(place);
	write_text(place, 0, "five\n");
	assert_read(place, "five\n");
	rename_all(place);
	write_text(place, 0, "six\n");
	assert_read(place, "six\n");
	assert_int_equal(audit_files_damaged(place->files), 2);
}

static void whoever_reads_may_stop(void **state)
{
	struct Place *place = *state;
	g_autoptr(GError) error = NULL;
	place->most = 2;
	write_text(place, 0, "one\ntwo\nthree\n");
	assert_false(audit_files_read(place->files, on_line, place, &error));
	assert_null(error);
	assert_string_equal(place->read->str, "one\ntwo\n");
}

static void what_cannot_be_the_log_is_an_error(void **state)
{
	struct Place *place = *state;
	static const char *const words[] = {"is not a regular file", "is a symbolic link"};
	g_autofree char *path = line_log_path(place->path, 1);
	for (unsigned i = 0; i < 2; i++) {
		g_autoptr(GError) error = NULL;
		write_text(place, 0, "one\n");
		assert_int_equal(i == 0 ? mkfifo(path, 0600) : symlink("log", path), 0);
		assert_false(audit_files_read(place->files, on_line, place, &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
		assert_non_null(strstr(error->message, words[i]));
		assert_non_null(strstr(error->message, path));
		assert_int_equal(unlink(path), 0);
	}
}

/* ---- filters ---- */

/* 2026-11-21T20:47:42Z */
#define NOW_US (INT64_C(1795294062000000))

static struct AuditFilter filter_of(const struct CliOptions *options)
{
	struct AuditFilter filter;
	g_autoptr(GError) error = NULL;
	if (!audit_filter_init(&filter, options, NOW_US, &error))
		fail_msg("%s", error->message);
	return filter;
}

static bool admits(const struct CliOptions *options, const char *members)
{
	g_autofree char *line = g_strdup_printf("{\"v\":1,\"time\":\"2026-11-21T20:47:42.123Z\","
						"\"event\":\"call\",%s}",
		members);
	struct AuditEntry entry;
	struct AuditFilter filter = filter_of(options);
	assert_true(audit_entry_read(slice_of(line), &entry));
	return audit_filter_admits(&filter, &entry);
}

#define SEARCH                                                                                     \
	"\"connector\":\"wiki\",\"tool\":\"search\",\"exposed\":\"wiki__search\",\"outcome\":"     \
	"\"ok\""

static void each_filter_admits_what_it_names(void **state)
{
	(void)state;
	struct CliOptions o = {0};
	assert_true(admits(&o, SEARCH));
	assert_true(admits(&o, "\"x\":1"));
	o.connector = "wiki";
	assert_true(admits(&o, SEARCH));
	assert_false(admits(&o, "\"connector\":null"));
	o.connector = "wik";
	assert_false(admits(&o, SEARCH));
	o = (struct CliOptions){.tool = "sea*"};
	assert_true(admits(&o, SEARCH));
	assert_false(admits(&o, "\"tool\":null"));
	o.tool = "wiki__*";
	assert_true(admits(&o, SEARCH));
	o.tool = "file:*";
	assert_true(admits(&o, "\"uri\":\"file:///x\""));
	assert_false(admits(&o, SEARCH));
	o.tool = "greet";
	assert_true(admits(&o, "\"prompt\":\"greet\""));
	o = (struct CliOptions){.outcome = "denied, ok"};
	assert_true(admits(&o, SEARCH));
	assert_true(admits(&o, "\"outcome\":\"denied\""));
	assert_false(admits(&o, "\"outcome\":\"error\""));
	assert_false(admits(&o, "\"outcome\":\"better\""));
	assert_false(admits(&o, "\"outcome\":5"));
	o.connector = "docs";
	assert_false(admits(&o, SEARCH));
}

static void times_bound_both_ends(void **state)
{
	(void)state;
	static const struct {
		const char *since, *until;
		bool admitted;
	} all[] = {
		{"2026-11-21T20:47:42.123Z", NULL, true},
		{"2026-11-21T20:47:42.124Z", NULL, false},
		{NULL, "2026-11-21T20:47:42.123Z", true},
		{NULL, "2026-11-21T20:47:42.122Z", false},
		{"1s", NULL, true},
		{"0s", "2026-11-21T20:47:43Z", true},
		{NULL, "1m", false},
		{"1w", "2026-11-22", true},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		const struct CliOptions o = {.since = all[i].since, .until = all[i].until};
		assert_int_equal(admits(&o, SEARCH), all[i].admitted);
	}
}

static void times_may_be_written_in_several_ways(void **state)
{
	(void)state;
	static const char *const times[][2] = {
		{"0s", "2026-11-21T20:47:42.000Z"},
		{"90s", "2026-11-21T20:46:12.000Z"},
		{"2m", "2026-11-21T20:45:42.000Z"},
		{"2h", "2026-11-21T18:47:42.000Z"},
		{"3d", "2026-11-18T20:47:42.000Z"},
		{"1w", "2026-11-14T20:47:42.000Z"},
		{"1000000w", "1970-01-01T00:00:00.000Z"},
		{"2026-11-21T20:47:42Z", "2026-11-21T20:47:42.000Z"},
		{"2026-11-21T20:47:42.5+02:00", "2026-11-21T18:47:42.500Z"},
		{"2026-11-21", "2026-11-20T23:00:00.000Z"},
		{"2026-11-21 10:00:00", "2026-11-21T09:00:00.000Z"},
		{"2026-07-21T10:00:00", "2026-07-21T08:00:00.000Z"},
	};
	static const char *const bad[] = {"", "h", "2", "2x", "2hh", "-2h", "1000001s", "yesterday",
		"2026", "2026-13-01", "2026-11-21T25:00:00Z", "20261121T204742Z", "1969-01-01",
		"99999999999999999999h"};
	char text[AUDIT_TIME_LEN + 1];
	assert_true(g_setenv("TZ", "Europe/Berlin", TRUE));
	for (unsigned i = 0; i < G_N_ELEMENTS(times); i++) {
		assert_true(audit_time_read("--since", times[i][0], NOW_US, text, NULL));
		assert_string_equal(text, times[i][1]);
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		if (audit_time_read("--until", bad[i], NOW_US, text, &error))
			fail_msg("%s is %s", bad[i], text);
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_USAGE));
		assert_non_null(strstr(error->message, "--until"));
	}
}

static void options_that_say_nothing_are_refused(void **state)
{
	(void)state;
	static const struct CliOptions all[] = {
		{.outcome = "fine"}, {.outcome = ""}, {.since = "x"}, {.until = "x"}};
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		struct AuditFilter filter;
		g_autoptr(GError) error = NULL;
		assert_false(audit_filter_init(&filter, &all[i], NOW_US, &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_USAGE));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
		T(all_files_are_read_from_the_oldest_on),
		T(what_is_added_is_read_on_across_renaming),
		T(a_file_that_began_anew_is_read_from_its_beginning),
		T(damage_is_counted_and_not_read),
		T(whoever_reads_may_stop),
		T(what_cannot_be_the_log_is_an_error),
#undef T
		cmocka_unit_test(each_filter_admits_what_it_names),
		cmocka_unit_test(times_bound_both_ends),
		cmocka_unit_test(times_may_be_written_in_several_ways),
		cmocka_unit_test(options_that_say_nothing_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
