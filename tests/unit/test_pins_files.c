/* Files of pins that are damaged, that others reach, or that are large. */
#include "pins_fixture.h"

static void expect_set_aside(struct Fixture *f, const char *why)
{
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_non_null(strstr(pins_trouble(f->pins, &f->connector), why));
	assert_int_equal(count_in_log(f, "begun anew"), 0);
	assert_false(pins_keep(f->pins));
	assert_int_equal(count_in_log(f, "[wiki] the pins of its tools are begun anew"), 1);
	assert_int_equal(count_in_log(f, why), 1);
	assert_int_equal(count_in_log(f, "mcp-mux: "), 1);
	assert_null(pins_trouble(f->pins, &f->connector));
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
	assert_true(g_file_test(f->aside, G_FILE_TEST_EXISTS));
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_CHANGED);
}

static void test_a_damaged_file_is_set_aside(void **state)
{
	struct Fixture *f = *state;
	write_file(f, "{\"v\":1,\"servers\":{\"" URL "\":{\"tools\":{\"a\":{\"appr");
	assert_true(file_replace(f->aside, SLICE("older"), 0600, NULL));
	expect_set_aside(f, "no file of pins: the text ends early");
	size_t len = 0;
	g_autofree char *aside = file_read(f->aside, 1000, &len, NULL);
	assert_true(g_str_has_suffix(aside, "appr"));
}

static void test_a_file_that_others_may_write_is_set_aside(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", after);
	assert_int_equal(chmod(f->path, 0620), 0);
	pins_reread(f->pins); /* its content is the same, and it is as it was */
	pins_free(f->pins);
	f->pins = pins_new(&f->mux, true);
	expect_set_aside(f, "others may write to it");
}

static void test_a_file_of_somebody_else_is_set_aside(void **state)
{
	struct Fixture *f = *state;
	if (geteuid() != 0)
		skip();
	learn(f, "a", after);
	assert_int_equal(chown(f->path, 65534, (gid_t)-1), 0);
	pins_free(f->pins);
	f->pins = pins_new(&f->mux, true);
	expect_set_aside(f, "it belongs to somebody else");
}

static void test_a_file_that_is_too_large_is_set_aside(void **state)
{
	struct Fixture *f = *state;
	write_file(f, "");
	assert_int_equal(truncate(f->path, PIN_RECORD_MAX + 1), 0);
	expect_set_aside(f, "larger than");
}

static void test_what_is_no_regular_file_is_set_aside(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *elsewhere = g_build_filename(f->folder, "elsewhere", NULL);
	learn(f, "a", before);
	/* A link is not followed: neither to what could be pins, nor to what is not there, for writing. */
	assert_int_equal(rename(f->path, elsewhere), 0);
	assert_int_equal(symlink(elsewhere, f->path), 0);
	expect_set_aside(f, "it is no regular file");
	struct stat status;
	assert_int_equal(lstat(f->path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(unlink(elsewhere), 0);
	assert_int_equal(symlink(elsewhere, f->path), 0);
	const struct Tool tool = tool_of("a", before);
	assert_true(pins_approve(f->pins, &f->connector, &tool, NULL));
	assert_int_equal(lstat(f->path, &status), 0);
	assert_true(S_ISREG(status.st_mode));
	assert_false(g_file_test(elsewhere, G_FILE_TEST_EXISTS));
}

static void test_pipes_and_directories_are_set_aside(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", before);
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	expect_set_aside(f, "it is no regular file");
	assert_int_equal(unlink(f->path), 0);
	assert_int_equal(unlink(f->aside), 0);
	assert_int_equal(g_mkdir_with_parents(f->path, 0700), 0);
	pins_reread(f->others);
	assert_int_equal(check(f, f->others, "a", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->others));
	assert_true(g_file_test(f->path, G_FILE_TEST_IS_REGULAR));
	assert_int_equal(rmdir(f->aside), 0);
}

static void test_where_others_may_write_nothing_is_known(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *directory = g_path_get_dirname(f->path);
	learn(f, "a", before);
	assert_int_equal(chmod(directory, 0770), 0);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_CHANGED);
	assert_int_equal(count_in_log(f, "others may write to its directory"), 1);
	const struct Tool tool = tool_of("a", after);
	assert_false(pins_approve(f->others, &f->connector, &tool, NULL));
	pins_keep(f->pins);
	unsigned generation = pins_generation(f->pins);
	pins_reread(f->pins);
	assert_int_equal(pins_generation(f->pins), generation);
	assert_int_equal(chmod(directory, 0700), 0);
	pins_reread(f->pins);
	assert_int_not_equal(pins_generation(f->pins), generation);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
}

static void test_what_cannot_be_read_now_is_not_damaged(void **state)
{
	struct Fixture *f = *state;
	struct rlimit limit, none;
	learn(f, "a", before);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){0, limit.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	enum PinState state_of_a = check(f, f->pins, "a", after);
	enum PinState state_of_b = check(f, f->pins, "b", after);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(state_of_a, PIN_STATE_CHANGED);
	assert_int_equal(state_of_b, PIN_STATE_CHANGED);
	pins_keep(f->pins);
	assert_false(g_file_test(f->aside, G_FILE_TEST_EXISTS));
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
}

static void test_a_large_file_is_not_written_for_every_tool(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *text = g_strnfill(PIN_DEFINITION_MAX - 100, 'x');
	g_autofree char *large = g_strdup_printf("{\"description\":\"%s\"}", text);
	struct stat first, second;
	for (unsigned i = 0; i < 8; i++) {
		g_autofree char *name = g_strdup_printf("large%u", i);
		assert_int_equal(check(f, f->pins, name, large), PIN_STATE_APPROVED);
	}
	assert_false(pins_keep(f->pins));
	assert_int_equal(stat(f->path, &first), 0);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
	assert_int_equal(stat(f->path, &second), 0);
	assert_int_equal(first.st_ino, second.st_ino);
	/* It counts meanwhile, and it is not lost. */
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
	pins_free(f->pins);
	f->pins = pins_new(&f->mux, true);
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
	assert_int_equal(check(f, f->pins, "large7", large), PIN_STATE_APPROVED);
	/* Nor where the server runs on: a second for every half a MiB, for eight quarters of one. */
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
	assert_int_equal(check(f, f->pins, "c", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
	assert_int_equal(check(f, f->others, "b", after), PIN_STATE_CHANGED);
	g_autofree char *without = contents(f);
	assert_null(strstr(without, "\"c\""));
	for (bool is_written = false; !is_written;) {
		g_main_context_iteration(NULL, TRUE);
		g_autofree char *now = contents(f);
		is_written = strstr(now, "\"c\"") != NULL;
	}
}

static void test_what_cannot_be_set_aside_is_left(void **state)
{
	struct Fixture *f = *state;
	write_file(f, "damaged");
	assert_int_equal(g_mkdir_with_parents(f->aside, 0700), 0); /* no file goes there */
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
	assert_int_equal(count_in_log(f, "cannot be set aside"), 1);
	g_autofree char *text = contents(f);
	assert_string_equal(text, "damaged");
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED); /* in this run */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_damaged_file_is_set_aside),
		TEST(test_a_file_that_others_may_write_is_set_aside),
		TEST(test_a_file_of_somebody_else_is_set_aside),
		TEST(test_a_file_that_is_too_large_is_set_aside),
		TEST(test_what_is_no_regular_file_is_set_aside),
		TEST(test_pipes_and_directories_are_set_aside),
		TEST(test_where_others_may_write_nothing_is_known),
		TEST(test_what_cannot_be_read_now_is_not_damaged),
		TEST(test_a_large_file_is_not_written_for_every_tool),
		TEST(test_what_cannot_be_set_aside_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
