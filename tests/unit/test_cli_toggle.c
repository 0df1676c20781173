#include "cli/toggle.h"

#include "base/error.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli_fixture.h"

/* One file for all tests, behind a symbolic link as dotfiles often are. */
static char *dir, *target, *file;

static int setup(void **state)
{
	(void)state;
	dir = g_dir_make_tmp(NULL, NULL);
	assert_non_null(dir);
	target = g_build_filename(dir, "target.ini", NULL);
	file = g_build_filename(dir, "mcp-mux.ini", NULL);
	assert_int_equal(symlink("target.ini", file), 0);
	g_autofree char *state_home = g_build_filename(dir, "state", NULL);
	g_setenv("XDG_STATE_HOME", state_home, TRUE);
	g_setenv("XDG_CONFIG_HOME", dir, TRUE);
	g_unsetenv("MCP_MUX_CONFIG");
	g_unsetenv("MCP_MUX_ADMIN_CONFIG");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	remove_tree(dir);
	g_clear_pointer(&dir, g_free);
	g_clear_pointer(&target, g_free);
	g_clear_pointer(&file, g_free);
	return 0;
}

/* Runs the command with its output thrown away. */
static int run(const char *config, const char *command, const char *const *arguments)
{
	struct CliOptions options = {
		.config = config,
		.command = command,
		.arguments = arguments,
		.n_arguments = g_strv_length((char **)arguments),
	};
	int saved[] = {dup(STDOUT_FILENO), dup(STDERR_FILENO)};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_true(null >= 0);
	fflush(stdout);
	dup2(null, STDOUT_FILENO);
	dup2(null, STDERR_FILENO);
	int status = cli_toggle(&options);
	dup2(saved[0], STDOUT_FILENO);
	dup2(saved[1], STDERR_FILENO);
	close(saved[0]);
	close(saved[1]);
	close(null);
	return status;
}

static void assert_content(const char *path, const char *expected)
{
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	assert_string_equal(text, expected);
}

#define SECTION "[connector:notion]\nurl = http://127.0.0.1:1/\nauth = none\n"

static void keys_hold_what_a_key_can(void **state)
{
	(void)state;
	g_autofree char *plain = toggle_key("create-page_1.x", NULL);
	assert_string_equal(plain, "create-page_1.x");
	g_autofree char *odd = toggle_key("é a=b;[#:/日", NULL);
	assert_string_equal(odd, "??a?b??????");
	g_autofree char *glob = toggle_key("delete_*", NULL);
	assert_string_equal(glob, "delete_*");
	static const char *const bad[] = {"", "\xff"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		assert_null(toggle_key(bad[i], &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_USAGE));
	}
	g_autofree char *endless = g_strnfill(10000, 'a');
	assert_null(toggle_key(endless, NULL));
}

static void edit_keeps_every_other_byte(void **state)
{
	(void)state;
	assert_true(g_file_set_contents(target,
		"\xef\xbb\xbf; mine\r\n[connector:notion]\r\nurl = http://127.0.0.1:1/ ; here\r\n"
		"auth = none\r\n\r\n[tools:notion]\r\na  =  off   ; why\r\n\r\n[mux]\r\n",
		-1, NULL));
	assert_int_equal(chmod(target, 0640), 0);
	assert_int_equal(run(file, "enable", (const char *const[]){"notion", "a", "b c", NULL}), 0);
	assert_content(target,
		"\xef\xbb\xbf; mine\r\n[connector:notion]\r\nurl = http://127.0.0.1:1/ ; here\r\n"
		"auth = none\r\n\r\n[tools:notion]\r\na  =  on   ; why\r\nb?c = "
		"on\r\n\r\n[mux]\r\n");
	assert_true(g_file_test(file, G_FILE_TEST_IS_SYMLINK));
	struct stat st;
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void the_same_again_leaves_the_file_alone(void **state)
{
	(void)state;
	const char *const arguments[] = {"notion", "x", NULL};
	assert_true(g_file_set_contents(target, SECTION, -1, NULL));
	assert_int_equal(run(file, "disable", arguments), 0);
	struct stat before, after;
	assert_int_equal(stat(target, &before), 0);
	assert_int_equal(run(file, "disable", arguments), 0);
	assert_int_equal(stat(target, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(run(file, "enable", arguments), 0);
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(target, &text, NULL, NULL));
	assert_non_null(strstr(text, "[tools:notion]\nx = on\n"));
	assert_null(strstr(text, "off"));
}

static void unknown_connector_is_refused(void **state)
{
	(void)state;
	assert_true(g_file_set_contents(target, SECTION, -1, NULL));
	assert_int_equal(run(file, "disable", (const char *const[]){"nope", "x", NULL}), CLI_USAGE);
	assert_content(target, SECTION);
}

static void broken_file_is_not_touched(void **state)
{
	(void)state;
	const char *broken = SECTION "[mux]\nnonsense\n";
	assert_true(g_file_set_contents(target, broken, -1, NULL));
	assert_int_equal(
		run(file, "disable", (const char *const[]){"notion", "x", NULL}), CLI_USAGE);
	assert_content(target, broken);
}

static void missing_users_file_is_made_beside_an_administrators(void **state)
{
	(void)state;
	g_autofree char *admin = g_build_filename(dir, "admin.ini", NULL);
	assert_true(g_file_set_contents(admin, SECTION "allowed_tools = @all\n", -1, NULL));
	assert_int_equal(chmod(admin, 0644), 0);
	g_setenv("MCP_MUX_ADMIN_CONFIG", admin, TRUE);
	assert_int_equal(run(NULL, "disable", (const char *const[]){"notion", "x", NULL}), 0);
	g_autofree char *made = g_build_filename(dir, "mcp-mux/mcp-mux.ini", NULL);
	assert_content(made, "[tools:notion]\nx = off\n");
	struct stat st;
	assert_int_equal(stat(made, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_content(admin, SECTION "allowed_tools = @all\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_hold_what_a_key_can),
		TEST(edit_keeps_every_other_byte),
		TEST(the_same_again_leaves_the_file_alone),
		TEST(unknown_connector_is_refused),
		TEST(broken_file_is_not_touched),
		TEST(missing_users_file_is_made_beside_an_administrators),
	};
	return cmocka_run_group_tests_name("cli/toggle", tests, NULL, NULL);
}
