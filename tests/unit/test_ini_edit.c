#include "base/error.h"
#include "format/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* Sets [SECTION] KEY = VALUE in BEFORE, which must give AFTER, and read back as VALUE. */
static void set(const char *before, const char *section, const char *key, const char *value,
	const char *after)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree char *text =
		ini_edit_set("x.ini", slice_of(before), section, key, value, &len, &error);
	if (error)
		fail_msg("%s", error->message);
	assert_string_equal(text, after);
	assert_int_equal(len, strlen(after));
	g_autoptr(IniFile) ini = ini_read("x.ini", (struct Slice){text, len}, &error);
	assert_non_null(ini);
	for (guint i = 0; i < ini->entries->len; i++) {
		const struct IniEntry *entry = ini->entries->pdata[i];
		if (strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0) {
			assert_string_equal(entry->value, value);
			return;
		}
	}
	fail_msg("%s is not there", key);
}

static void unset(const char *before, const char *section, const char *key, const char *after)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree char *text =
		ini_edit_unset("x.ini", slice_of(before), section, key, &len, &error);
	assert_null(error);
	assert_string_equal(text, after);
	assert_int_equal(len, strlen(after));
}

static void refuse(const char *before, const char *section, const char *key, const char *value,
	const char *message)
{
	g_autoptr(GError) error = NULL;
	size_t len = 77;
	g_autofree char *text =
		ini_edit_set("x.ini", slice_of(before), section, key, value, &len, &error);
	assert_null(text);
	assert_int_equal(len, 77);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
	assert_string_equal(error->message, message);
}

static void replaces_a_value_and_nothing_else(void **state)
{
	(void)state;
	set("# top\n[a]\nx=1\n  \ny  =\t old value  ; why\nz = 3\n[b]\ny = 4", "a", "y", "new",
		"# top\n[a]\nx=1\n  \ny  =\t new  ; why\nz = 3\n[b]\ny = 4");
	set("[a]\nx = 1\n[b]\nx = 2 ; c", "b", "x", "3", "[a]\nx = 1\n[b]\nx = 3 ; c");
	set("[a]\nx = \"o ; \\\"ld\" ; c\n", "a", "x", "new", "[a]\nx = new ; c\n");
	set("[a]\nx=old\n", "a", "x", "", "[a]\nx=\n");
	set("[a]\nx = old ; c\n", "a", "x", "", "[a]\nx =  ; c\n");
}

static void fills_an_empty_value_before_its_comment(void **state)
{
	(void)state;
	set("[a]\nx =\n", "a", "x", "1", "[a]\nx = 1\n");
	set("[a]\nx =   ; c\n", "a", "x", "1", "[a]\nx = 1   ; c\n");
	set("[a]\nx =", "a", "x", "1", "[a]\nx = 1");
	set("[a]\nx =", "a", "x", "", "[a]\nx =");
}

static void replaces_all_lines_of_a_list(void **state)
{
	(void)state;
	set("[a]\nl = 1, ; one\n  2,\n; kept\n\n  3\nm = 4,\n  5\n", "a", "l", "9",
		"[a]\nl = 9 ; one\n; kept\n\nm = 4,\n  5\n");
	set("[a]\nk = 1,\n  2\nl = 3\n  4\n[b]\n", "a", "l", "9", "[a]\nk = 1,\n  2\nl = 9\n[b]\n");
}

static void adds_a_line_at_the_end_of_its_section(void **state)
{
	(void)state;
	set("[a]\nx = 1\n; last words\n\n\n[b]\ny = 2\n", "a", "z", "3",
		"[a]\nx = 1\n; last words\nz = 3\n\n\n[b]\ny = 2\n");
	set("[a]\n[b]\n", "a", "z", "3", "[a]\nz = 3\n[b]\n");
	set("[a]", "a", "z", "3", "[a]\nz = 3\n");
	set("[a]\nx = 1", "a", "z", "3", "[a]\nx = 1\nz = 3\n");
	set("[a]\nx = 1\n\n\n", "a", "z", "3", "[a]\nx = 1\nz = 3\n\n\n");
	set("[a]\nl = 1,\n  2\n  \n", "a", "z", "3", "[a]\nl = 1,\n  2\nz = 3\n  \n");
	set("[a]\nz = 1\n[b]\n", "b", "z", "3", "[a]\nz = 1\n[b]\nz = 3\n");
}

static void leaves_a_comment_to_the_section_below_it(void **state)
{
	(void)state;
	set("[a]\nx = 1\n\n# about b\n# at length\n[b]\n", "a", "z", "3",
		"[a]\nx = 1\nz = 3\n\n# about b\n# at length\n[b]\n");
	set("[a]\nx = 1\n# about a, or b\n[b]\n", "a", "z", "3",
		"[a]\nx = 1\n# about a, or b\nz = 3\n[b]\n");
	set("[a]\n# c\n[b]\n", "a", "z", "3", "[a]\n# c\nz = 3\n[b]\n");
	set("[a]\n\n# c\n", "a", "z", "3", "[a]\n\n# c\nz = 3\n");
}

static void adds_a_section_at_the_end(void **state)
{
	(void)state;
	set("", "tools:a", "x", "off", "[tools:a]\nx = off\n");
	set("[a]\n", "tools:a", "x", "off", "[a]\n\n[tools:a]\nx = off\n");
	set("[a]\nx = 1", "b", "x", "off", "[a]\nx = 1\n\n[b]\nx = off\n");
	set("[a]\n\n", "b", "x", "off", "[a]\n\n[b]\nx = off\n");
	set("\xef\xbb\xbf", "b", "x", "off", "\xef\xbb\xbf[b]\nx = off\n");
	set("\n", "b", "x", "off", "\n[b]\nx = off\n");
}

static void keeps_crlf_and_byte_order_mark(void **state)
{
	(void)state;
	set("\xef\xbb\xbf[a]\r\nx = 1\r\n", "a", "x", "2", "\xef\xbb\xbf[a]\r\nx = 2\r\n");
	set("\xef\xbb\xbf[a]\r\nx = 1", "a", "y", "2", "\xef\xbb\xbf[a]\r\nx = 1\r\ny = 2\r\n");
	set("[a]\r\nx = 1\r\n", "b", "y", "2", "[a]\r\nx = 1\r\n\r\n[b]\r\ny = 2\r\n");
	set("[a]\r\nx = 1\n[b]\n", "a", "y", "2", "[a]\r\nx = 1\ny = 2\n[b]\n");
	unset("\xef\xbb\xbf[a]\r\nx = 1\r\ny = 2\r\n", "a", "x", "\xef\xbb\xbf[a]\r\ny = 2\r\n");
}

static void quotes_what_would_not_read_back(void **state)
{
	(void)state;
	set("[a]\n", "a", "x", "Bearer ", "[a]\nx = \"Bearer \"\n");
	set("[a]\n", "a", "x", " a", "[a]\nx = \" a\"\n");
	set("[a]\n", "a", "x", "a ; b", "[a]\nx = \"a ; b\"\n");
	set("[a]\n", "a", "x", ";", "[a]\nx = \";\"\n");
	set("[a]\n", "a", "x", "5\" \\ \t", "[a]\nx = \"5\\\" \\\\ \\t\"\n");
	set("[a]\n", "a", "x", "a\\b # [c] = d", "[a]\nx = a\\b # [c] = d\n");
	set("[a]\nx = 1 ; c\n", "a", "x", "\"", "[a]\nx = \"\\\"\" ; c\n");
}

static void takes_out_a_line_with_its_continuation(void **state)
{
	(void)state;
	unset("[a]\nx = 1 ; c\ny = 2\n", "a", "x", "[a]\ny = 2\n");
	unset("[a]\nl = 1,\n  2\n; kept\n  3\ny = 2,\n  3\n", "a", "l",
		"[a]\n; kept\ny = 2,\n  3\n");
	unset("[a]\nx = 1\n[b]\nx = 2", "b", "x", "[a]\nx = 1\n[b]\n");
	unset("[a]\nx = 1\n[b]\n", "b", "x", "[a]\nx = 1\n[b]\n");
	unset("[a]\nx = 1", "c", "x", "[a]\nx = 1");
	unset("", "c", "x", "");
}

static void refuses_what_cannot_be_written(void **state)
{
	(void)state;
	refuse("[a]\n", "a", "x", "one\ntwo",
		"x.ini: x cannot be written: expected UTF-8 text without control characters");
	refuse("[a]\n", "a", "x", "\xff",
		"x.ini: x cannot be written: expected UTF-8 text without control characters");
	refuse("[a]\n", "a", "x y", "1",
		"x.ini: x y cannot be written: expected a key of letters, digits, `_`, `-`, `.`, "
		"`*` and `?`");
	refuse("[a]\n", "a", "x=y", "1",
		"x.ini: x=y cannot be written: expected a key of letters, digits, `_`, `-`, `.`, "
		"`*` and `?`");
	refuse("[a]\n", "a", "#x", "1",
		"x.ini: #x cannot be written: expected a key of letters, digits, `_`, `-`, `.`, "
		"`*` "
		"and `?`");
	refuse("[a]\n", "a", "", "1", "x.ini:  cannot be written: expected a key before `=`");
	refuse("[a]\n", "a]", "x", "1",
		"x.ini: the section cannot be written: expected a section's name of letters, "
		"digits, `_`, `.`, `:` and `-`");
}

static void refuses_lines_that_would_become_too_long(void **state)
{
	(void)state;
	g_autofree char *half = g_strnfill(40000, 'c');
	g_autofree char *text = g_strdup_printf("[a]\nx = 1 ; %s\n", half);
	refuse(text, "a", "x", half, "x.ini:2: a line of 80007 bytes; expected at most 65000");
}

static void leaves_a_broken_file_alone(void **state)
{
	(void)state;
	refuse("[a]\nx\n", "a", "x", "1",
		"x.ini:2: a line without `=`; expected KEY = VALUE, [SECTION] or a comment");
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	assert_null(ini_edit_unset("x.ini", SLICE("[a\n"), "a", "x", &len, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replaces_a_value_and_nothing_else),
		cmocka_unit_test(fills_an_empty_value_before_its_comment),
		cmocka_unit_test(replaces_all_lines_of_a_list),
		cmocka_unit_test(adds_a_line_at_the_end_of_its_section),
		cmocka_unit_test(leaves_a_comment_to_the_section_below_it),
		cmocka_unit_test(adds_a_section_at_the_end),
		cmocka_unit_test(keeps_crlf_and_byte_order_mark),
		cmocka_unit_test(quotes_what_would_not_read_back),
		cmocka_unit_test(takes_out_a_line_with_its_continuation),
		cmocka_unit_test(refuses_what_cannot_be_written),
		cmocka_unit_test(refuses_lines_that_would_become_too_long),
		cmocka_unit_test(leaves_a_broken_file_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
