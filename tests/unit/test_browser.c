/* What is started, with what: the command is a script of the test that writes down how it finds itself. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "auth/browser.h"
#include "base/error.h"
#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const url = "https://as.example/authorize?a=1&b=$(touch%20x)&c=%73;d";

struct Desk {
	char *folder;
	char *script; /* writes down its arguments, then its surroundings */
	char *notes;
};

static void write_script(const char *path, const char *text)
{
	assert_true(g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0755, NULL));
}

static int desk_open(void **state)
{
	struct Desk *desk = g_new0(struct Desk, 1);
	desk->folder = g_dir_make_tmp("mcp-mux-browser-XXXXXX", NULL);
	desk->script = g_build_filename(desk->folder, "my browser", NULL);
	desk->notes = g_build_filename(desk->folder, "notes", NULL);
	/* The shell itself holds 10 (the script) and the pipes of the substitutions. */
	g_autofree char *text = g_strdup_printf(
		"#!/bin/sh\n"
		"fds=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)\n"
		"more=$(ls /proc/$$/fd | grep -vxE '0|1|2|3|10|255')\n"
		"session=$(($(cut -d' ' -f6 /proc/$$/stat) == $$))\n"
		"ignored=$(grep SigIgn /proc/$$/status)\n"
		"{ for word in \"$@\"; do echo \"<$word>\"; done\n"
		"echo fds $fds; echo more $more; echo session $session; echo $ignored\n"
		"} >'%s.new'\n"
		"mv '%s.new' '%s'\n"
		"exit ${EXIT_STATUS:-0}\n",
		desk->notes, desk->notes, desk->notes);
	write_script(desk->script, text);
	g_unsetenv("BROWSER");
	g_unsetenv("DISPLAY");
	g_unsetenv("WAYLAND_DISPLAY");
	*state = desk;
	return 0;
}

static int desk_close(void **state)
{
	struct Desk *desk = *state;
	const char *name;
	GDir *folder = g_dir_open(desk->folder, 0, NULL);
	while ((name = g_dir_read_name(folder))) {
		g_autofree char *path = g_build_filename(desk->folder, name, NULL);
		assert_int_equal(unlink(path), 0);
	}
	g_dir_close(folder);
	assert_int_equal(rmdir(desk->folder), 0);
	g_free(desk->folder);
	g_free(desk->script);
	g_free(desk->notes);
	g_free(desk);
	return 0;
}

static gboolean on_time(gpointer user)
{
	*(bool *)user = true;
	return G_SOURCE_REMOVE;
}

/* Turns the main context until every child has been reaped by it. */
static void await_reaped(void)
{
	bool late = false;
	guint timer = g_timeout_add_seconds(10, on_time, &late);
	siginfo_t info;
	while (!late && waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
		g_main_context_iteration(NULL, TRUE);
	assert_false(late);
	assert_int_equal(errno, ECHILD);
	g_source_remove(timer);
}

/* Opens the URL and gives what the script wrote. */
static char *open_and_read(const struct Desk *desk)
{
	GError *error = NULL;
	char *text = NULL;
	bool opened = browser_open(url, &error);
	if (!opened)
		fail_msg("%s", error->message);
	await_reaped();
	assert_true(g_file_get_contents(desk->notes, &text, NULL, NULL));
	unlink(desk->notes);
	return text;
}

static void use(const struct Desk *desk, const char *arguments)
{
	g_autofree char *quoted = g_shell_quote(desk->script);
	g_autofree char *command = g_strconcat(quoted, arguments, NULL);
	g_setenv("BROWSER", command, TRUE);
}

static void assert_arguments(const struct Desk *desk, const char *arguments, const char *wanted)
{
	use(desk, arguments);
	g_autofree char *text = open_and_read(desk);
	if (!g_str_has_prefix(text, wanted))
		fail_msg("%s: %s, not %s", arguments, text, wanted);
}

static void the_url_is_the_last_argument(void **state)
{
	const struct Desk *desk = *state;
	g_autofree char *alone = g_strdup_printf("<%s>\nfds", url);
	g_autofree char *last = g_strdup_printf("<--new-window>\n<a b>\n<%s>\nfds", url);
	assert_arguments(desk, "", alone);
	assert_arguments(desk, " --new-window 'a b'", last);
}

static void or_stands_where_the_command_says(void **state)
{
	const struct Desk *desk = *state;
	g_autofree char *placed = g_strdup_printf("<--url=%s>\n<>\n<%s>\n<--more>\nfds", url, url);
	assert_arguments(desk, " --url=%s '' %s --more", placed);
}

static void no_shell_sees_the_command_or_the_url(void **state)
{
	const struct Desk *desk = *state;
	g_autofree char *literal =
		g_strdup_printf("<$HOME>\n<`id`>\n<;>\n<|>\n<*>\n<%s>\nfds", url);
	assert_arguments(desk, " $HOME '`id`' ';' '|' '*'", literal);
}

static void it_gets_nothing_of_ours(void **state)
{
	const struct Desk *desk = *state;
	int ours = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, on purpose */
	int high = dup2(ours, 42);
	signal(SIGPIPE, SIG_IGN);
	use(desk, "");
	g_autofree char *text = open_and_read(desk);
	assert_non_null(
		strstr(text, "\nfds /dev/null /dev/null /dev/null\n") || strstr(text, "notes.new"));
	assert_non_null(strstr(text, "\nmore\n"));
	assert_non_null(strstr(text, "\nsession 1\n"));
	/* Others may be ignored by whoever started the test. */
	const char *ignored = strstr(text, "\nSigIgn: ");
	assert_non_null(ignored);
	uint64_t mask = g_ascii_strtoull(ignored + strlen("\nSigIgn: "), NULL, 16);
	assert_int_equal(mask & (UINT64_C(1) << (SIGPIPE - 1)), 0);
	signal(SIGPIPE, SIG_DFL);
	close(ours);
	close(high);
}

static void its_failure_is_told_without_the_url(void **state)
{
	const struct Desk *desk = *state;
	g_autofree char *log = g_build_filename(desk->folder, "stderr", NULL);
	use(desk, "");
	g_setenv("EXIT_STATUS", "3", TRUE);
	int kept = dup(2);
	int file = open(log, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	dup2(file, 2);
	g_autofree char *text = open_and_read(desk);
	dup2(kept, 2);
	close(kept);
	close(file);
	g_unsetenv("EXIT_STATUS");
	g_autofree char *said = NULL;
	assert_true(g_file_get_contents(log, &said, NULL, NULL));
	assert_non_null(strstr(said, "my browser ended with exit status 3"));
	assert_null(strstr(said, "as.example"));
}

static void assert_not_opened(const char *place, const char *why)
{
	g_autoptr(GError) error = NULL;
	assert_false(browser_open(place, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_FAILED));
	if (!strstr(error->message, why))
		fail_msg("\"%s\" lacks \"%s\"", error->message, why);
	assert_null(strstr(error->message, "as.example"));
}

static void a_command_that_is_none_is_an_error(void **state)
{
	(void)state;
	g_setenv("BROWSER", "/nonexistent/browser -x", TRUE);
	assert_not_opened(url, "cannot start the browser /nonexistent/browser: ");
	g_setenv("BROWSER", "open 'this", TRUE);
	assert_not_opened(url, "BROWSER cannot be understood");
	g_setenv("BROWSER", "  ", TRUE);
	assert_not_opened(url, "BROWSER cannot be understood");
}

static void only_web_pages_are_opened(void **state)
{
	const struct Desk *desk = *state;
	const char *places[] = {"--help", "file:///etc/passwd", "javascript:alert(1)",
		"/etc/passwd", "", "https://as.example/\n--x", "https://"};
	use(desk, "");
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
		assert_not_opened(places[i], "neither http nor https");
	assert_false(g_file_test(desk->notes, G_FILE_TEST_EXISTS));
}

static void without_BROWSER_it_is_xdg_open_on_a_display(void **state)
{
	const struct Desk *desk = *state;
	g_autofree char *old_path = g_strdup(g_getenv("PATH"));
	g_autofree char *path = g_strconcat(desk->folder, ":/usr/bin:/bin", NULL);
	g_autofree char *program = g_build_filename(desk->folder, "xdg-open", NULL);
	g_setenv("PATH", desk->folder, TRUE);
	assert_false(browser_is_there());
	g_setenv("DISPLAY", ":0", TRUE);
	assert_false(browser_is_there()); /* no xdg-open */
	assert_int_equal(g_rename(desk->script, program), 0);
	assert_true(browser_is_there());
	g_setenv("DISPLAY", "", TRUE);
	assert_false(browser_is_there());
	g_setenv("WAYLAND_DISPLAY", "wayland-0", TRUE);
	assert_true(browser_is_there());
	g_setenv("PATH", path, TRUE);
	g_setenv("BROWSER", "", TRUE);
	g_autofree char *text = open_and_read(desk);
	g_autofree char *wanted = g_strdup_printf("<%s>\nfds", url);
	assert_true(g_str_has_prefix(text, wanted));
	g_unsetenv("WAYLAND_DISPLAY");
	g_setenv("BROWSER", "x", TRUE);
	assert_true(browser_is_there());
	g_setenv("PATH", old_path, TRUE);
}

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_open, desk_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		desk_test(the_url_is_the_last_argument),
		desk_test(or_stands_where_the_command_says),
		desk_test(no_shell_sees_the_command_or_the_url),
		desk_test(it_gets_nothing_of_ours),
		desk_test(its_failure_is_told_without_the_url),
		desk_test(a_command_that_is_none_is_an_error),
		desk_test(only_web_pages_are_opened),
		desk_test(without_BROWSER_it_is_xdg_open_on_a_display),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
