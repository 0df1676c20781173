#include "cli/configuration.h"

#include "base/error.h"

#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli_fixture.h"

/* A folder of its own for every test, with the environment pointing into it. */
static char *dir;

static int setup(void **state)
{
	(void)state;
	dir = g_dir_make_tmp(NULL, NULL);
	assert_non_null(dir);
	g_autofree char *config = g_build_filename(dir, "config", NULL);
	g_setenv("XDG_CONFIG_HOME", config, TRUE);
	g_unsetenv("MCP_MUX_CONFIG");
	g_unsetenv("MCP_MUX_ADMIN_CONFIG");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	g_clear_pointer(&dir, g_free);
	return 0;
}

/* The path of NAME in the folder, written with TEXT. */
static char *write_file(const char *name, const char *text)
{
	char *path = g_build_filename(dir, name, NULL);
	g_autofree char *parent = g_path_get_dirname(path);
	assert_int_equal(g_mkdir_with_parents(parent, 0700), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, 0600), 0);
	return path;
}

static void assert_fault(const struct CliOptions *options, const char *words)
{
	g_autoptr(GError) error = NULL;
	assert_null(configuration_load(options, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
	if (!strstr(error->message, words))
		fail_msg("“%s” does not hold “%s”", error->message, words);
}

static void default_file_may_be_missing(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	struct CliOptions options = {0};
	g_autoptr(Configuration) c = configuration_load(&options, &error);
	assert_non_null(c);
	assert_null(error);
	assert_false(c->user_exists);
	g_autofree char *expected = g_build_filename(dir, "config/mcp-mux/mcp-mux.ini", NULL);
	assert_string_equal(c->user_path, expected);
	assert_int_equal(c->config->connectors->len, 0);
}

static void named_file_must_exist(void **state)
{
	(void)state;
	g_autofree char *path = g_build_filename(dir, "none.ini", NULL);
	struct CliOptions options = {.config = path};
	assert_fault(&options, path);
	g_setenv("MCP_MUX_CONFIG", path, TRUE);
	options.config = NULL;
	assert_fault(&options, path);
}

static void option_beats_variable_beats_default(void **state)
{
	(void)state;
	g_autofree char *a =
		write_file("a.ini", "[connector:a]\nurl=http://127.0.0.1:1/\nauth=none\n");
	g_autofree char *b =
		write_file("b.ini", "[connector:b]\nurl=http://127.0.0.1:1/\nauth=none\n");
	g_autofree char *d = write_file("config/mcp-mux/mcp-mux.ini",
		"[connector:d]\nurl=http://127.0.0.1:1/\nauth=none\n");
	struct CliOptions options = {.config = a};
	g_setenv("MCP_MUX_CONFIG", b, TRUE);
	g_autoptr(Configuration) first = configuration_load(&options, NULL);
	assert_non_null(config_find(first->config, "a"));
	options.config = NULL;
	g_autoptr(Configuration) second = configuration_load(&options, NULL);
	assert_non_null(config_find(second->config, "b"));
	g_setenv("MCP_MUX_CONFIG", "", TRUE);
	g_autoptr(Configuration) third = configuration_load(&options, NULL);
	assert_non_null(config_find(third->config, "d"));
	assert_true(third->user_exists);
	assert_false(third->user_named);
	assert_string_equal(third->user_path, d);
}

static void fault_names_file_and_line(void **state)
{
	(void)state;
	g_autofree char *path = write_file("a.ini", "[mux]\n\nmax_result = many\n");
	g_autofree char *place = g_strconcat(path, ":3:", NULL);
	struct CliOptions options = {.config = path};
	assert_fault(&options, place);
}

static void a_mebibyte_is_enough_for_anybody(void **state)
{
	(void)state;
	g_autofree char *text = g_strnfill((1 << 20) + 1, '\n');
	g_autofree char *path = write_file("a.ini", text);
	struct CliOptions options = {.config = path};
	assert_fault(&options, path);
}

static void directory_is_no_configuration(void **state)
{
	(void)state;
	struct CliOptions options = {.config = dir};
	assert_fault(&options, dir);
}

static const char admin_text[] = "[connector:a]\n"
				 "url = http://127.0.0.1:1/\n"
				 "auth = none\n"
				 "allowed_users = nobody-by-this-name, @no-such-group\n"
				 "[connector:b]\n"
				 "url = http://127.0.0.1:1/\n"
				 "auth = none\n";

static void allowed_users_hides_a_connector(void **state)
{
	(void)state;
	g_autofree char *admin = write_file("admin.ini", admin_text);
	g_setenv("MCP_MUX_ADMIN_CONFIG", admin, TRUE);
	g_autoptr(GError) error = NULL;
	struct CliOptions options = {0};
	g_autoptr(Configuration) c = configuration_load(&options, &error);
	assert_non_null(c);
	assert_string_equal(c->admin_path, admin);
	assert_true(c->config->has_admin);
	assert_null(config_find(c->config, "a"));
	assert_non_null(config_find(c->config, "b"));
	assert_null(configuration_find(c, "a", &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_USAGE));
}

static void administrators_file_must_be_closed_to_others(void **state)
{
	(void)state;
	struct CliOptions options = {0};
	g_autofree char *admin = write_file("sub/admin.ini", admin_text);
	g_autofree char *sub = g_path_get_dirname(admin);
	g_setenv("MCP_MUX_ADMIN_CONFIG", admin, TRUE);
	assert_int_equal(chmod(admin, 0620), 0);
	assert_fault(&options, "writable");
	assert_int_equal(chmod(admin, 0602), 0);
	assert_fault(&options, "writable");
	assert_int_equal(chmod(admin, 0644), 0);
	assert_int_equal(chmod(sub, 0770), 0);
	assert_fault(&options, sub);
	assert_int_equal(chmod(sub, 0755), 0);
	g_autoptr(Configuration) c = configuration_load(&options, NULL);
	assert_non_null(c);
	/* A missing one that was asked for is a fault, not an absence. */
	assert_int_equal(unlink(admin), 0);
	assert_fault(&options, admin);
}

static void links_on_the_way_are_followed_and_checked(void **state)
{
	(void)state;
	struct CliOptions options = {0};
	g_autofree char *admin = write_file("real/admin.ini", admin_text);
	g_autofree char *link = g_build_filename(dir, "link", NULL);
	g_autofree char *open_dir = g_build_filename(dir, "open", NULL);
	g_autofree char *through = g_build_filename(dir, "link", "admin.ini", NULL);
	assert_int_equal(symlink("open/../real", link), 0);
	assert_int_equal(mkdir(open_dir, 0700), 0);
	g_setenv("MCP_MUX_ADMIN_CONFIG", through, TRUE);
	g_autoptr(Configuration) c = configuration_load(&options, NULL);
	assert_non_null(c);
	assert_int_equal(chmod(open_dir, 0777), 0);
	assert_fault(&options, open_dir);
	assert_int_equal(unlink(link), 0);
	assert_int_equal(symlink("link", link), 0);
	assert_fault(&options, "leads nowhere");
}

static void administrators_file_of_another_user_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	struct CliOptions options = {0};
	g_autofree char *admin = write_file("admin.ini", admin_text);
	g_setenv("MCP_MUX_ADMIN_CONFIG", admin, TRUE);
	assert_int_equal(chown(admin, 12345, 0), 0);
	assert_fault(&options, "belongs to user 12345");
	/* Whoever runs the program may own it where the variable names it, but not in /etc. */
	g_autoptr(GError) error = NULL;
	assert_true(configuration_path_is_safe(admin, 12345, &error));
	assert_false(configuration_path_is_safe(admin, 0, &error));
}

static void users_and_groups_are_told_apart(void **state)
{
	(void)state;
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	g_ptr_array_add(list, (char *)"alice");
	g_ptr_array_add(list, (char *)"@staff");
	const char *const none[] = {NULL};
	const char *const staff[] = {"users", "staff", NULL};
	const char *const alice[] = {"alice", NULL};
	assert_true(configuration_admits(list, "alice", none));
	assert_false(configuration_admits(list, "staff", none));
	assert_true(configuration_admits(list, "bob", staff));
	assert_false(configuration_admits(list, "bob", alice));
	assert_false(configuration_admits(list, NULL, none));
	assert_true(configuration_admits(NULL, NULL, none));
	g_ptr_array_set_size(list, 0);
	assert_false(configuration_admits(list, "alice", staff));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(default_file_may_be_missing),
		TEST(named_file_must_exist),
		TEST(option_beats_variable_beats_default),
		TEST(fault_names_file_and_line),
		TEST(a_mebibyte_is_enough_for_anybody),
		TEST(directory_is_no_configuration),
		TEST(allowed_users_hides_a_connector),
		TEST(administrators_file_must_be_closed_to_others),
		TEST(links_on_the_way_are_followed_and_checked),
		TEST(administrators_file_of_another_user_is_refused),
		TEST(users_and_groups_are_told_apart),
	};
	return cmocka_run_group_tests_name("cli/configuration", tests, NULL, NULL);
}
