/* Pins of tools: what is learned, compared, told and approved. */
#include "pins_fixture.h"

static void test_without_pins_nothing_is_pinned(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(check(f, NULL, "a", before), PIN_STATE_NONE);
	assert_int_equal(pins_generation(NULL), 0);
	assert_false(pins_keep(NULL));
	pins_reread(NULL);
	pins_free(NULL);
	g_autofree char *directory = pins_directory();
	assert_true(g_str_has_prefix(f->path, directory));
}

static void test_switched_off_nothing_is_looked_at_or_learned(void **state)
{
	struct Fixture *f = *state;
	f->mux.pin_tools = PIN_OFF;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_NONE);
	assert_false(pins_keep(f->pins));
	assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	f->mux.pin_tools = PIN_WARN;
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_APPROVED);
}

static void test_the_first_definition_counts_as_approved(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", before);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_CHANGED);
	assert_int_equal(
		check(f, f->others, "a",
			" { \"description\":\"b\\u0065fore\", \"_meta\":1,\"name\":\"a\" } "),
		PIN_STATE_APPROVED);
	struct stat status;
	assert_int_equal(stat(f->path, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	assert_int_equal(count_in_log(f, "mcp-mux"), 0);
}

static void test_who_only_looks_learns_nothing(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(Pins) looker = pins_new(&f->mux, false);
	assert_int_equal(check(f, looker, "a", before), PIN_STATE_NONE);
	assert_false(pins_keep(looker));
	assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	learn(f, "a", before);
	pins_reread(looker);
	assert_int_equal(check(f, looker, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, looker, "a", after), PIN_STATE_CHANGED);
	const struct Tool tool = tool_of("a", after);
	assert_false(pins_is_news(looker, &f->connector, &tool));
}

static void test_comparing_learns_nothing_and_does_not_look_at_the_setting(void **state)
{
	struct Fixture *f = *state;
	const struct Tool tool = tool_of("a", before), changed = tool_of("a", after);
	assert_int_equal(pins_compare(f->pins, &f->connector, &tool), PIN_STATE_NONE);
	assert_null(pins_approved_at(f->pins, &f->connector, &tool));
	assert_int_equal(pins_approved(f->pins, &f->connector, &tool).len, 0);
	learn(f, "a", before);
	f->mux.pin_tools = PIN_OFF;
	assert_int_equal(pins_compare(f->pins, &f->connector, &tool), PIN_STATE_APPROVED);
	assert_int_equal(pins_compare(f->pins, &f->connector, &changed), PIN_STATE_CHANGED);
	assert_true(slice_is(pins_approved(f->pins, &f->connector, &changed),
		"{\"description\":\"before\",\"name\":\"a\"}"));
	assert_true(g_str_has_prefix(pins_approved_at(f->pins, &f->connector, &changed), "20"));
	assert_null(pins_trouble(f->pins, &f->connector));
}

static void test_servers_of_one_name_do_not_fight(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", before);
	f->connector.url = (char *)"https://other.example/mcp";
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->others));
	f->connector.url = (char *)"https://MCP.example:443/mcp"; /* the first one again */
	assert_int_equal(check(f, f->others, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_CHANGED);
	g_autofree char *text = contents(f);
	assert_non_null(strstr(text, "other.example"));
	assert_non_null(strstr(text, URL));
}

static void test_what_two_processes_learn_is_put_together(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->others, "b", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
	assert_true(pins_keep(f->others)); /* the file is another one than it saw */
	g_autoptr(Pins) looker = pins_new(&f->mux, false);
	assert_int_equal(check(f, looker, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, looker, "b", before), PIN_STATE_APPROVED);
}

static void test_who_writes_first_wins(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->others, "b", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->others));
	unsigned generation = pins_generation(f->pins);
	assert_true(pins_keep(f->pins)); /* the catalogs are to be made anew */
	assert_int_not_equal(pins_generation(f->pins), generation);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_APPROVED);
}

static void test_what_others_write_is_seen_when_it_is_read_again(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", before);
	assert_int_equal(check(f, f->others, "a", before), PIN_STATE_APPROVED);
	unsigned generation = pins_generation(f->others);
	pins_reread(f->others);
	assert_int_equal(pins_generation(f->others), generation); /* nobody wrote */
	const struct Tool tool = tool_of("a", after);
	assert_true(pins_approve(f->pins, &f->connector, &tool, NULL));
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_APPROVED);
	pins_reread(f->others);
	assert_int_not_equal(pins_generation(f->others), generation);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->others, "a", before), PIN_STATE_CHANGED);
}

static void test_what_one_writes_oneself_is_no_news(void **state)
{
	struct Fixture *f = *state;
	learn(f, "a", before);
	unsigned generation = pins_generation(f->pins);
	pins_reread(f->pins);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_int_equal(pins_generation(f->pins), generation);
}

static void test_a_held_lock_is_not_waited_for_and_nothing_is_lost(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *path = file_state_path("locks/pins");
	struct FileLock *lock = file_lock(path, 1000, NULL);
	assert_non_null(lock);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	gint64 begun = g_get_monotonic_time();
	assert_false(pins_keep(f->pins));
	assert_false(pins_keep(f->pins));
	assert_true(g_get_monotonic_time() - begun < 500 * 1000);
	assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED); /* from memory */
	g_main_context_iteration(NULL, TRUE); /* still held */
	assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
	file_unlock(lock);
	while (!g_file_test(f->path, G_FILE_TEST_EXISTS))
		g_main_context_iteration(NULL, TRUE);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_CHANGED);
	assert_int_equal(count_in_log(f, "mcp-mux"), 0);
}

static void test_the_end_writes_what_is_left(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	pins_free(g_steal_pointer(&f->pins));
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_CHANGED);

	g_autofree char *path = file_state_path("locks/pins");
	g_autoptr(FileLock) lock = file_lock(path, 1000, NULL);
	assert_int_equal(check(f, f->others, "b", before), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->others));
	pins_free(g_steal_pointer(&f->others));
	assert_int_equal(count_in_log(f, "new tools are not pinned"), 1);
}

static void test_a_file_that_cannot_be_written_is_told_of_once(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *directory = pins_directory();
	g_autofree char *above = g_path_get_dirname(directory);
	assert_int_equal(g_mkdir_with_parents(above, 0700), 0);
	assert_true(g_file_set_contents(directory, "in the way", -1, NULL));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
		assert_false(pins_keep(f->pins));
	}
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_CHANGED);
	assert_int_equal(
		count_in_log(f, "[wiki] the definitions of its tools cannot be written"), 1);
}

static void test_a_lock_that_cannot_be_made_is_told_of_once(void **state)
{
	struct Fixture *f = *state;
	g_autofree char *path = file_state_path("locks");
	g_autofree char *above = g_path_get_dirname(path);
	assert_int_equal(g_mkdir_with_parents(above, 0700), 0);
	assert_true(g_file_set_contents(path, "in the way", -1, NULL));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
		assert_false(pins_keep(f->pins));
	}
	assert_int_equal(count_in_log(f, "pins of tools cannot be written"), 1);
	const struct Tool tool = tool_of("a", before);
	g_autoptr(GError) error = NULL;
	assert_false(pins_approve(f->others, &f->connector, &tool, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_clear_error(&error);
	assert_false(pins_show(f->others, &f->connector, &tool, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
}

static void test_a_newer_file_is_left_alone_and_vouches_for_nothing(void **state)
{
	struct Fixture *f = *state;
	const char *newer = "{\"v\":2,\"pins\":[]}";
	write_file(f, newer);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
	f->mux.pin_tools = PIN_WARN;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_NONE);
	assert_false(pins_keep(f->pins));
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_NONE);
	assert_int_equal(count_in_log(f, "newer mcp-mux"), 1);
	assert_int_equal(count_in_log(f, "they stay hidden (pin_tools = block)"), 1);
	assert_non_null(strstr(pins_trouble(f->pins, &f->connector), "newer mcp-mux"));
	const struct Tool tool = tool_of("a", before);
	assert_false(pins_is_news(f->pins, &f->connector, &tool));
	g_autoptr(GError) error = NULL;
	assert_false(pins_approve(f->pins, &f->connector, &tool, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_FAILED));
	assert_non_null(strstr(error->message, "wiki.json"));
	g_autofree char *text = contents(f);
	assert_string_equal(text, newer);
}

static void test_a_file_that_becomes_newer_is_not_written(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	write_file(f, "{\"v\":2}");
	pins_keep(f->pins);
	g_autofree char *text = contents(f);
	assert_string_equal(text, "{\"v\":2}");
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
}

static void test_what_does_not_fit_is_told_of_and_not_trusted(void **state)
{
	struct Fixture *f = *state;
	/* Of another server, or of a version that knows more. */
	GString *text = g_string_new("{\"v\":1,\"servers\":{\"http://x/\":\"");
	gsize head = text->len;
	g_string_set_size(text, PIN_RECORD_MAX - 2000);
	memset(text->str + head, 'x', text->len - head);
	g_string_append(text, "\"}}");
	assert_true(file_replace(f->path, (struct Slice){text->str, text->len}, 0600, NULL));
	g_string_free(text, TRUE);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
	f->mux.pin_tools = PIN_WARN;
	assert_int_equal(check(f, f->pins, "b", before), PIN_STATE_NONE);
	assert_int_equal(count_in_log(f, "more than can be pinned"), 1);
	const struct Tool tool = tool_of("a", before);
	g_autoptr(GError) error = NULL;
	assert_false(pins_approve(f->pins, &f->connector, &tool, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_FAILED));
	assert_non_null(strstr(error->message, "no room"));
}

static void test_each_change_is_news_once(void **state)
{
	struct Fixture *f = *state;
	const struct Tool one = tool_of("a", after), two = tool_of("a", later);
	const struct Tool unknown = tool_of("b", after);
	learn(f, "a", before);
	assert_true(pins_is_news(f->pins, &f->connector, &one));
	assert_false(pins_is_news(f->pins, &f->connector, &one));
	assert_true(pins_is_news(f->pins, &f->connector, &two));
	assert_false(pins_is_news(f->pins, &f->connector, &two));
	assert_true(pins_is_news(f->pins, &f->connector, &one));
	assert_false(pins_is_news(f->pins, &f->connector, &unknown));
	/* Back to what was approved, and away again. */
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_APPROVED);
	assert_true(pins_is_news(f->pins, &f->connector, &one));
}

static void test_an_approval_counts_for_all(void **state)
{
	struct Fixture *f = *state;
	const struct Tool tool = tool_of("a", after);
	learn(f, "a", before);
	unsigned generation = pins_generation(f->pins);
	assert_true(pins_approve(f->pins, &f->connector, &tool, NULL));
	assert_int_not_equal(pins_generation(f->pins), generation);
	assert_int_equal(check(f, f->pins, "a", after), PIN_STATE_APPROVED);
	assert_int_equal(check(f, f->pins, "a", before), PIN_STATE_CHANGED);
	assert_int_equal(check(f, f->others, "a", after), PIN_STATE_APPROVED);
	/* What was never seen can be approved, too. */
	const struct Tool fresh = tool_of("new", before);
	assert_true(pins_approve(f->others, &f->connector, &fresh, NULL));
	pins_reread(f->pins);
	assert_int_equal(check(f, f->pins, "new", after), PIN_STATE_CHANGED);
}

static void test_an_approval_is_for_what_was_shown(void **state)
{
	struct Fixture *f = *state;
	const struct Tool shown = tool_of("a", after), other = tool_of("a", later);
	g_autoptr(GError) error = NULL;
	learn(f, "a", before);
	assert_true(pins_show(f->others, &f->connector, &shown, NULL));
	g_autofree char *text = contents(f);
	assert_non_null(strstr(text, "\"shown\""));
	assert_true(pins_show(f->others, &f->connector, &shown, NULL));
	assert_false(pins_approve(f->pins, &f->connector, &other, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_FAILED));
	assert_non_null(strstr(error->message, "mcp-mux diff"));
	assert_int_equal(check(f, f->others, "a", later), PIN_STATE_CHANGED);
	assert_true(pins_show(f->others, &f->connector, &other, NULL));
	assert_true(pins_approve(f->pins, &f->connector, &other, NULL));
	assert_int_equal(check(f, f->pins, "a", later), PIN_STATE_APPROVED);
	g_autofree char *done = contents(f);
	assert_null(strstr(done, "\"shown\""));
	/* Of what is not pinned nothing is kept. */
	const struct Tool unknown = tool_of("b", after);
	assert_true(pins_show(f->pins, &f->connector, &unknown, NULL));
	g_autofree char *same = contents(f);
	assert_string_equal(done, same);
}

static void test_an_approval_sets_a_damaged_file_aside(void **state)
{
	struct Fixture *f = *state;
	const struct Tool tool = tool_of("a", before);
	g_autoptr(Pins) looker = pins_new(&f->mux, false);
	write_file(f, "damaged");
	assert_int_equal(check(f, looker, "a", before), PIN_STATE_NONE);
	assert_non_null(pins_trouble(looker, &f->connector));
	assert_true(pins_approve(looker, &f->connector, &tool, NULL));
	assert_int_equal(check(f, looker, "a", after), PIN_STATE_CHANGED);
	assert_true(g_file_test(f->aside, G_FILE_TEST_EXISTS));
	assert_int_equal(count_in_log(f, "begun anew"), 1);
}

/* Not a test of time, which a busy machine would fail, but of what is done how often: generously bounded. */
static void test_a_hundred_tools_are_learned_and_checked_at_once(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *words = g_strnfill(900, 'w');
	for (unsigned i = 0; i < 100; i++)
		g_ptr_array_add(texts,
			g_strdup_printf(
				"{\"name\":\"tool%u\",\"description\":\"%s\",\"inputSchema\":{"
				"\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"}}}"
				"}",
				i, words));
	gint64 begun = g_get_monotonic_time();
	for (unsigned i = 0; i < texts->len; i++) {
		g_autofree char *name = g_strdup_printf("tool%u", i);
		assert_int_equal(check(f, f->pins, name, texts->pdata[i]), PIN_STATE_APPROVED);
	}
	pins_keep(f->pins);
	gint64 learned = g_get_monotonic_time();
	for (unsigned i = 0; i < texts->len; i++) {
		g_autofree char *name = g_strdup_printf("tool%u", i);
		assert_int_equal(check(f, f->others, name, texts->pdata[i]), PIN_STATE_APPROVED);
	}
	gint64 checked = g_get_monotonic_time();
	print_message("100 tools: learned in %ld us, checked in %ld us\n", (long)(learned - begun),
		(long)(checked - learned));
	assert_true(checked - begun < 1000 * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_pins_nothing_is_pinned),
		TEST(test_switched_off_nothing_is_looked_at_or_learned),
		TEST(test_the_first_definition_counts_as_approved),
		TEST(test_who_only_looks_learns_nothing),
		TEST(test_comparing_learns_nothing_and_does_not_look_at_the_setting),
		TEST(test_servers_of_one_name_do_not_fight),
		TEST(test_what_two_processes_learn_is_put_together),
		TEST(test_who_writes_first_wins),
		TEST(test_what_others_write_is_seen_when_it_is_read_again),
		TEST(test_what_one_writes_oneself_is_no_news),
		TEST(test_a_held_lock_is_not_waited_for_and_nothing_is_lost),
		TEST(test_the_end_writes_what_is_left),
		TEST(test_a_file_that_cannot_be_written_is_told_of_once),
		TEST(test_a_lock_that_cannot_be_made_is_told_of_once),
		TEST(test_a_newer_file_is_left_alone_and_vouches_for_nothing),
		TEST(test_a_file_that_becomes_newer_is_not_written),
		TEST(test_what_does_not_fit_is_told_of_and_not_trusted),
		TEST(test_each_change_is_news_once),
		TEST(test_an_approval_counts_for_all),
		TEST(test_an_approval_is_for_what_was_shown),
		TEST(test_an_approval_sets_a_damaged_file_aside),
		TEST(test_a_hundred_tools_are_learned_and_checked_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
