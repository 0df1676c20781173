#include "cli/output.h"

#include "base/error.h"
#include "cli/cli.h"

#include <fcntl.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Standard output or error into a file while something prints. */
struct Capture {
	int fd, saved;
	char *path;
};

static void capture_begin(struct Capture *c, int fd)
{
	c->fd = fd;
	int file = g_file_open_tmp(NULL, &c->path, NULL);
	assert_true(file >= 0);
	fflush(stdout);
	c->saved = dup(fd);
	assert_true(dup2(file, fd) == fd);
	close(file);
}

static char *capture_end(struct Capture *c)
{
	char *text = NULL;
	assert_true(dup2(c->saved, c->fd) == c->fd);
	close(c->saved);
	assert_true(g_file_get_contents(c->path, &text, NULL, NULL));
	assert_int_equal(unlink(c->path), 0);
	g_free(c->path);
	return text;
}

static void control_characters_never_reach_the_terminal(void **state)
{
	(void)state;
	struct Capture c;
	g_autoptr(Output) output = output_new();
	output_line(output, STYLE_BAD, "a\033[31mb\r\n%s",
		"\xc2\x9b"
		"c\xe2\x80\xae"
		"d\xff");
	capture_begin(&c, STDOUT_FILENO);
	bool done = output_flush(output);
	g_autofree char *text = capture_end(&c);
	assert_true(done);
	assert_string_equal(text, "a?[31mb???c?d?\n");
}

static void columns_line_up_by_width_and_trail_no_spaces(void **state)
{
	(void)state;
	struct Capture c;
	g_autoptr(Output) output = output_new();
	g_autoptr(Table) table = table_new(3);
	const enum OutputStyle styles[] = {STYLE_PLAIN, STYLE_GOOD, STYLE_FAINT};
	table_add(table, styles, (const char *const[]){"a", "日本", "x"});
	table_add(table, styles, (const char *const[]){"é\tb", "1", NULL});
	table_add(table, styles, (const char *const[]){"", "12345", "y"});
	assert_int_equal(table_rows(table), 3);
	table_print(table, output, 2);
	capture_begin(&c, STDOUT_FILENO);
	bool done = output_flush(output);
	g_autofree char *text = capture_end(&c);
	assert_true(done);
	assert_string_equal(text, "  a    日本   x\n  é?b  1\n       12345  y\n");
}

static void json_output_escapes_what_a_terminal_obeys(void **state)
{
	(void)state;
	struct Capture c;
	g_autoptr(GString) json = g_string_new("[\"\xc2\x9b"
					       "31m\x7f é 日 \xe2\x80\xae\"]");
	capture_begin(&c, STDOUT_FILENO);
	bool done = output_json(json);
	g_autofree char *text = capture_end(&c);
	assert_true(done);
	assert_string_equal(text, "[\"\\u009b31m\\u007f é 日 \\u202e\"]\n");
}

static void errors_are_one_harmless_line(void **state)
{
	(void)state;
	struct Capture c;
	capture_begin(&c, STDERR_FILENO);
	output_error("%s", "two\nlines \033]0;title\a");
	g_autofree char *text = capture_end(&c);
	assert_string_equal(text, "mcp-mux: two?lines ?]0;title?\n");
}

static void exit_status_follows_the_error_code(void **state)
{
	(void)state;
	static const struct {
		enum MuxError code;
		int status;
	} cases[] = {
		{MUX_ERROR_CONFIG, CLI_USAGE},
		{MUX_ERROR_USAGE, CLI_USAGE},
		{MUX_ERROR_SIGN_IN, CLI_SIGN_IN},
		{MUX_ERROR_IO, CLI_FAILED},
		{MUX_ERROR_TIMEOUT, CLI_FAILED},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Capture c;
		g_autoptr(GError) error = g_error_new(MUX_ERROR, (int)cases[i].code, "words");
		capture_begin(&c, STDERR_FILENO);
		int status = output_fail(error);
		g_autofree char *text = capture_end(&c);
		assert_int_equal(status, cases[i].status);
		assert_string_equal(text, "mcp-mux: words\n");
	}
}

static void full_disk_is_an_error(void **state)
{
	(void)state;
	struct Capture c;
	g_autoptr(Output) output = output_new();
	output_line(output, STYLE_PLAIN, "text");
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	if (full < 0)
		skip();
	fflush(stdout);
	int saved = dup(STDOUT_FILENO);
	capture_begin(&c, STDERR_FILENO);
	dup2(full, STDOUT_FILENO);
	bool done = output_flush(output);
	dup2(saved, STDOUT_FILENO);
	g_autofree char *text = capture_end(&c);
	close(saved);
	close(full);
	assert_false(done);
	assert_non_null(strstr(text, "mcp-mux: stdout: "));
}

static void rows_that_come_later_line_up_with_those_before(void **state)
{
	(void)state;
	static const enum OutputStyle plain[] = {STYLE_PLAIN, STYLE_PLAIN};
	static const char *const wide[] = {"long name", "x"};
	static const char *const narrow[] = {"n", "y"};
	struct Capture c;
	g_autoptr(Output) output = output_new();
	g_autoptr(Table) table = table_new(2);
	table_add(table, plain, wide);
	table_clear(table);
	assert_int_equal(table_rows(table), 0);
	table_add(table, plain, narrow);
	table_print(table, output, 0);
	capture_begin(&c, STDOUT_FILENO);
	bool done = output_flush(output);
	g_autofree char *text = capture_end(&c);
	assert_true(done);
	assert_string_equal(text, "n          y\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(control_characters_never_reach_the_terminal),
		cmocka_unit_test(columns_line_up_by_width_and_trail_no_spaces),
		cmocka_unit_test(json_output_escapes_what_a_terminal_obeys),
		cmocka_unit_test(errors_are_one_harmless_line),
		cmocka_unit_test(exit_status_follows_the_error_code),
		cmocka_unit_test(full_disk_is_an_error),
		cmocka_unit_test(rows_that_come_later_line_up_with_those_before),
	};
	return cmocka_run_group_tests_name("cli/output", tests, NULL, NULL);
}
