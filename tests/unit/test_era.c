/* What is remembered of servers' eras. */
#include "upstream/era.h"

#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/stat.h>

#include <cmocka.h>

static char *dir;

static int set_up(void **state)
{
	(void)state;
	dir = g_dir_make_tmp("mcp-mux-era-XXXXXX", NULL);
	return dir ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	g_rmdir(dir);
	g_free(dir);
	return 0;
}

static char *path_in_dir(void)
{
	return g_build_filename(dir, "era.json", NULL);
}

static void test_revisions(void **state)
{
	(void)state;
	assert_true(mcp_is_legacy_revision("2024-11-05"));
	assert_true(mcp_is_legacy_revision(MCP_NEWEST_LEGACY));
	assert_string_equal(mcp_legacy_revisions[0], MCP_NEWEST_LEGACY);
	assert_false(mcp_is_legacy_revision(MCP_MODERN));
	assert_false(mcp_is_legacy_revision(""));
}

static void test_facts_in_memory(void **state)
{
	(void)state;
	struct EraStore *store = era_store_new(NULL);
	assert_int_equal(era_store_get(store, "u", ERA_LEGACY), ERA_FACT_NONE);
	era_store_set(store, "u", ERA_LEGACY, ERA_FACT_REFUSED);
	era_store_set(store, "u", ERA_MODERN, ERA_FACT_SPOKEN);
	era_store_set(store, "u", ERA_LEGACY, ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "u", ERA_LEGACY), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "u", ERA_MODERN), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "v", ERA_MODERN), ERA_FACT_NONE);
	era_store_free(store);
	era_store_free(NULL);
}

static void test_facts_survive(void **state)
{
	(void)state;
	g_autofree char *path = path_in_dir();
	g_autofree char *text = NULL;
	struct EraStore *store = era_store_new(path);
	era_store_set(store, "https://b/\"x\"", ERA_MODERN, ERA_FACT_SPOKEN);
	era_store_set(store, "https://a", ERA_LEGACY, ERA_FACT_SPOKEN);
	era_store_set(store, "https://a", ERA_MODERN, ERA_FACT_REFUSED);
	era_store_free(store);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	assert_string_equal(text,
		"{\"v\":1,\"urls\":{\"https://a\":{\"legacy\":\"spoken\",\"modern\":"
		"\"refused\"},\"https://b/\\\"x\\\"\":{\"modern\":\"spoken\"}}}\n");
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	store = era_store_new(path);
	assert_int_equal(era_store_get(store, "https://a", ERA_LEGACY), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "https://a", ERA_MODERN), ERA_FACT_REFUSED);
	assert_int_equal(era_store_get(store, "https://b/\"x\"", ERA_MODERN), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "https://b/\"x\"", ERA_LEGACY), ERA_FACT_NONE);
	/* What is known already is not written again. */
	assert_int_equal(g_unlink(path), 0);
	era_store_set(store, "https://a", ERA_LEGACY, ERA_FACT_SPOKEN);
	era_store_free(store);
	assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_files_that_are_something_else(void **state)
{
	(void)state;
	static const char odd_members[] =
		"{\"urls\":{\"u\":5,\"v\":{\"legacy\":7,\"modern\":\"maybe\"},"
		"\"\\ud800\":{\"legacy\":\"spoken\"}}}";
	static const char *const texts[] = {"", "rubbish", "[]", "{}", "{\"urls\":5}", odd_members};
	g_autofree char *path = path_in_dir();
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		assert_true(g_file_set_contents(path, texts[i], -1, NULL));
		struct EraStore *store = era_store_new(path);
		assert_int_equal(era_store_get(store, "u", ERA_LEGACY), ERA_FACT_NONE);
		assert_int_equal(era_store_get(store, "v", ERA_MODERN), ERA_FACT_NONE);
		era_store_set(store, "w", ERA_MODERN, ERA_FACT_SPOKEN);
		era_store_free(store);
		store = era_store_new(path);
		assert_int_equal(era_store_get(store, "w", ERA_MODERN), ERA_FACT_SPOKEN);
		era_store_free(store);
	}
	assert_int_equal(g_unlink(path), 0);
}

static void test_a_place_that_cannot_be_written(void **state)
{
	(void)state;
	struct EraStore *store = era_store_new("/proc/none/era.json");
	era_store_set(store, "u", ERA_MODERN, ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "u", ERA_MODERN), ERA_FACT_SPOKEN);
	era_store_free(store);
}

static void test_the_number_of_servers_is_bounded(void **state)
{
	(void)state;
	struct EraStore *store = era_store_new(NULL);
	for (unsigned i = 0; i < 1100; i++) {
		g_autofree char *url = g_strdup_printf("https://%u", i);
		era_store_set(store, url, ERA_LEGACY, ERA_FACT_SPOKEN);
	}
	assert_int_equal(era_store_get(store, "https://999", ERA_LEGACY), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(store, "https://1000", ERA_LEGACY), ERA_FACT_NONE);
	era_store_set(store, "https://999", ERA_LEGACY, ERA_FACT_REFUSED);
	assert_int_equal(era_store_get(store, "https://999", ERA_LEGACY), ERA_FACT_REFUSED);
	era_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_revisions),
		cmocka_unit_test(test_facts_in_memory),
		cmocka_unit_test(test_facts_survive),
		cmocka_unit_test(test_files_that_are_something_else),
		cmocka_unit_test(test_a_place_that_cannot_be_written),
		cmocka_unit_test(test_the_number_of_servers_is_bounded),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
