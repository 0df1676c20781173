#include "base/error.h"
#include "format/ini.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <ini.h>

static struct IniFile *read_bytes(const char *text, size_t len)
{
	g_autoptr(GError) error = NULL;
	struct IniFile *ini = ini_read("x.ini", (struct Slice){text, len}, &error);
	if (error)
		fail_msg("%s", error->message);
	assert_non_null(ini);
	return ini;
}

static struct IniFile *read_text(const char *text)
{
	return read_bytes(text, strlen(text));
}

/* Reads TEXT, which must fail with MESSAGE. */
static void refuse_bytes(const char *text, size_t len, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(IniFile) ini = ini_read("x.ini", (struct Slice){text, len}, &error);
	assert_null(ini);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
	assert_string_equal(error->message, message);
}

static void refuse(const char *text, const char *message)
{
	refuse_bytes(text, strlen(text), message);
}

static const struct IniEntry *entry_at(const struct IniFile *ini, unsigned i)
{
	assert_true(i < ini->entries->len);
	return ini->entries->pdata[i];
}

static void expect_entry(const struct IniFile *ini, unsigned i, const char *section,
	const char *key, const char *value, unsigned line)
{
	const struct IniEntry *entry = entry_at(ini, i);
	assert_string_equal(entry->section, section);
	assert_string_equal(entry->key, key);
	assert_string_equal(entry->value, value);
	assert_int_equal(entry->line, line);
}

static void expect_section(const struct IniFile *ini, unsigned i, const char *name, unsigned line)
{
	assert_true(i < ini->sections->len);
	const struct IniSection *section = ini->sections->pdata[i];
	assert_string_equal(section->name, name);
	assert_int_equal(section->line, line);
}

/* The value of `[s]` / LINE. */
static void reads_as(const char *line, const char *value)
{
	g_autofree char *text = g_strconcat("[s]\n", line, "\n", NULL);
	g_autoptr(IniFile) ini = read_text(text);
	assert_int_equal(ini->entries->len, 1);
	expect_entry(ini, 0, "s", "k", value, 2);
}

static void reads_sections_and_entries_in_order_with_their_lines(void **state)
{
	(void)state;
	g_autoptr(IniFile) ini = read_text("# first\n"
					   "[mux]\n"
					   "b = 2\n"
					   "\n"
					   "a=1\n"
					   "; between\n"
					   "[connector:x-y]   ; with a comment\n"
					   "a = 3\n"
					   "[empty]\n");
	assert_int_equal(ini->sections->len, 3);
	expect_section(ini, 0, "mux", 2);
	expect_section(ini, 1, "connector:x-y", 7);
	expect_section(ini, 2, "empty", 9);
	assert_int_equal(ini->entries->len, 3);
	expect_entry(ini, 0, "mux", "b", "2", 3);
	expect_entry(ini, 1, "mux", "a", "1", 5);
	expect_entry(ini, 2, "connector:x-y", "a", "3", 8);
	assert_false(entry_at(ini, 0)->continued);
}

static void reads_nothing_from_nothing(void **state)
{
	(void)state;
	const char *const texts[] = {
		"", "\n\n", "# x", "   \t\n ; y\n", "\xef\xbb\xbf", "\xef\xbb\xbf\r\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(IniFile) ini = read_text(texts[i]);
		assert_int_equal(ini->sections->len, 0);
		assert_int_equal(ini->entries->len, 0);
	}
	g_autoptr(IniFile) ini = read_bytes(NULL, 0);
	assert_int_equal(ini->entries->len, 0);
	ini_file_free(NULL);
}

static void accepts_a_byte_order_mark_crlf_and_no_last_newline(void **state)
{
	(void)state;
	g_autoptr(IniFile) ini =
		read_text("\xef\xbb\xbf[mux]\r\na = 1\r\n\r\n; c\r\nlist = x,\r\n  y\r\nb = \"2\"");
	expect_section(ini, 0, "mux", 1);
	expect_entry(ini, 0, "mux", "a", "1", 2);
	expect_entry(ini, 1, "mux", "list", "x, y", 5);
	expect_entry(ini, 2, "mux", "b", "2", 7);
}

static void takes_comments_off_only_where_they_begin(void **state)
{
	(void)state;
	reads_as("k = v ; comment", "v");
	reads_as("k = v\t;comment", "v");
	reads_as("k = v ;", "v");
	reads_as("k = v;w", "v;w");
	reads_as("k = v;w ; x ; y", "v;w");
	reads_as("k = http://x/;y?a=b:c", "http://x/;y?a=b:c");
	reads_as("k = v # w", "v # w");
	reads_as("k = ; comment", "");
	reads_as("k =", "");
	reads_as("k =   ", "");
	reads_as("k = [v]", "[v]");
	reads_as("k = = : =", "= : =");
	reads_as("k   \t =\tv w  ", "v w");
}

static void a_quoted_value_keeps_what_it_holds(void **state)
{
	(void)state;
	reads_as("k = \"Bearer \"", "Bearer ");
	reads_as("k = \" a ; b \" ; c", " a ; b ");
	reads_as("k = \"\"", "");
	reads_as("k = \"say \\\"hi\\\" \\\\ \\t.\"", "say \"hi\" \\ \t.");
	reads_as("k=\"#\"", "#");
	reads_as("k = \"\xc3\xa0\"", "\xc3\xa0");
}

static void quotes_inside_a_value_are_ordinary_but_keep_a_semicolon(void **state)
{
	(void)state;
	reads_as("k = say \"a ; b\" now ; c", "say \"a ; b\" now");
	reads_as("k = 5\" screen", "5\" screen");
	reads_as("k = 5\" by 4\" ; inches", "5\" by 4\"");
	reads_as("k = a\\b\\\"", "a\\b\\\"");
	refuse("[s]\nk = 5\" screen ; wide\n", "x.ini:2: a `;` behind a double quote that does not "
					       "close; expected the whole value "
					       "in quotes");
}

static void joins_continuation_lines_and_remembers_theirs(void **state)
{
	(void)state;
	g_autoptr(IniFile) ini = read_text("[c]\n"
					   "list = a, b   ; first\n"
					   "  c,\n"
					   "\n"
					   "  ; a comment does not end it\n"
					   "# nor does this\n"
					   "\t\"d ;\" ; last\n"
					   "next =\n"
					   "  e\n");
	expect_entry(ini, 0, "c", "list", "a, b, c, d ;", 2);
	expect_entry(ini, 1, "c", "next", "e", 8);
	const struct IniEntry *entry = entry_at(ini, 0);
	assert_true(entry->continued);
	assert_int_equal(entry->parts->len, 3);
	const struct IniPart *part = entry->parts->pdata[2];
	assert_string_equal(part->value, "d ;");
	assert_int_equal(part->line, 7);
	assert_true(entry_at(ini, 1)->continued);
}

static void refuses_lines_that_are_nothing(void **state)
{
	(void)state;
	refuse("[s]\nurl: https://x\n",
		"x.ini:2: a line without `=`; expected KEY = VALUE, [SECTION] or a comment");
	refuse("[s]\nfoo\n",
		"x.ini:2: a line without `=`; expected KEY = VALUE, [SECTION] or a comment");
	refuse("[s]\nhttps://x=1\n", "x.ini:2: a key that cannot be; expected a key of letters, "
				     "digits, `_`, `-`, `.`, `*` and `?`");
	refuse("[s]\n= 1\n", "x.ini:2: a key that cannot be; expected a key before `=`");
	refuse("[s]\na b = 1\n", "x.ini:2: a key that cannot be; expected a key of letters, "
				 "digits, `_`, `-`, `.`, `*` and `?`");
	refuse("k = 1\n[s]\n",
		"x.ini:1: k before the first section; expected a line such as [mux] above it");
	refuse("[s]\n\n  k = 1\n", "x.ini:3: an indented line with nothing above it to continue; "
				   "expected the line to begin at the margin");
	refuse("[s]\na = 1\n[t]\n  k = 1\n",
		"x.ini:4: an indented line with nothing above it to continue; "
		"expected the line to begin at the margin");
	refuse(" [s]\n", "x.ini:1: an indented line with nothing above it to continue; "
			 "expected the line to begin at the margin");
	refuse("[s]\nk =;c\n", "x.ini:2: `;` right behind `=`; expected a space before a comment, "
			       "or the value in quotes");
}

static void refuses_sections_that_inih_would_misread(void **state)
{
	(void)state;
	refuse("[s\nk = 1\n", "x.ini:1: a section without its `]`; expected [NAME]");
	refuse("[s] k = 1\n", "x.ini:1: text after `]`; expected nothing, or a space and a comment "
			      "that begins with `;`");
	refuse("[s];c\n",
		"x.ini:1: text after `]`; expected nothing, or a space and a comment that "
		"begins with `;`");
	refuse("[]\n", "x.ini:1: a section that cannot be; expected a name between the brackets");
	refuse("[a b]\n",
		"x.ini:1: a section that cannot be; expected a section's name of letters, "
		"digits, `_`, `.`, `:` and `-`");
	g_autofree char *name = g_strnfill(48, 'n');
	g_autofree char *fits = g_strdup_printf("[%s]\na = 1\n", name);
	g_autoptr(IniFile) ini = read_text(fits);
	expect_entry(ini, 0, name, "a", "1", 2);
	g_autofree char *longer = g_strdup_printf("[%sx]\n", name);
	refuse(longer, "x.ini:1: a section that cannot be; expected a section's name of at most 48 "
		       "bytes");
}

static void refuses_repetitions_naming_both_lines(void **state)
{
	(void)state;
	refuse("[s]\n[t]\n\n[s]\n",
		"x.ini:4: [s] for the second time; expected everything under line 1");
	refuse("[s]\nk = 1\nl = 1\nk = 1\n",
		"x.ini:4: k for the second time in [s]; expected it on line 2 alone");
	g_autoptr(IniFile) ini = read_text("[s]\nk = 1\nK = 2\n[t]\nk = 3\n");
	assert_int_equal(ini->entries->len, 3);
}

static void refuses_quotes_that_do_not_close(void **state)
{
	(void)state;
	const char *open = "x.ini:2: a value whose double quote does not close; expected a closing "
			   "`\"` on the same line";
	refuse("[s]\nk = \"a\n", open);
	refuse("[s]\nk = \"a\\\"\n", open);
	refuse("[s]\nk = \"\n", open);
	refuse("[s]\nk = \"a ; b\n", open);
	refuse("[s]\nk = \"a\"b\n", "x.ini:2: text after the closing quote; expected nothing, or a "
				    "space and a comment that begins with `;`");
	refuse("[s]\nk = \"a\";b\n",
		"x.ini:2: text after the closing quote; expected nothing, or a "
		"space and a comment that begins with `;`");
	refuse("[s]\nk = \"a\\n\"\n",
		"x.ini:2: a backslash in a quoted value; expected \\\", \\\\ or \\t");
	refuse("[s]\nk = \"a\\",
		"x.ini:2: a backslash in a quoted value; expected \\\", \\\\ or \\t");
}

static void refuses_bytes_that_are_no_text(void **state)
{
	(void)state;
	refuse("[s]\nk = \xff\n", "x.ini:2: a byte that is no UTF-8 (0xff); expected UTF-8 text");
	refuse("; \xc3\n", "x.ini:1: a byte that is no UTF-8 (0xc3); expected UTF-8 text");
	refuse("\xff\xfe[\n", "x.ini:1: a byte that is no UTF-8 (0xff); expected UTF-8 text");
	refuse_bytes("[s]\nk = a\0b\n", 11,
		"x.ini:2: a control character (U+0000); expected text without any");
	refuse("[s]\nk = a\x1b[31m\n",
		"x.ini:2: a control character (U+001B); expected text without any");
	refuse("[s]\nk = a\rb\n",
		"x.ini:2: a control character (U+000D); expected text without any");
	refuse("[s]\nk = a\r", "x.ini:2: a control character (U+000D); expected text without any");
	refuse("[s]\nk = \xc2\x85\n",
		"x.ini:2: a control character (U+0085); expected text without any");
}

static void long_lines_arrive_whole_or_not_at_all(void **state)
{
	(void)state;
	g_autofree char *value = g_strnfill(64000, 'v');
	g_autofree char *text = g_strdup_printf("[s]\nk = %s\nlist = a\n  %s\n", value, value);
	g_autoptr(IniFile) ini = read_text(text);
	expect_entry(ini, 0, "s", "k", value, 2);
	assert_int_equal(strlen(entry_at(ini, 1)->value), 64003);
	g_autofree char *longer = g_strdup_printf("[s]\nk = %s%s\n", value, value);
	refuse(longer, "x.ini:2: a line of 128004 bytes; expected at most 65000");
	g_autofree char *key = g_strnfill(256, 'k');
	g_autofree char *long_key = g_strdup_printf("[s]\n%s = 1\n", key);
	refuse(long_key, "x.ini:2: a key that cannot be; expected a key of at most 255 bytes");
}

static void is_not_led_astray_by_inihs_globals(void **state)
{
	(void)state;
	ini_allow_multiline = true;
	ini_allow_inline_comments = true;
	ini_use_stack = true;
	ini_max_line = 20;
	g_autoptr(IniFile) ini =
		read_text("[s]\nk = \"a ; b\"\nl = more than twenty bytes of it\n");
	expect_entry(ini, 0, "s", "k", "a ; b", 2);
	expect_entry(ini, 1, "s", "l", "more than twenty bytes of it", 3);
}

static void refuses_what_inih_reads_otherwise_than_the_scan(void **state)
{
	(void)state;
	char *prefixes = ini_start_comment_prefixes;
	char taken[] = "k";
	ini_start_comment_prefixes = taken;
	g_autoptr(GError) error = NULL;
	g_autoptr(IniFile) ini = ini_read("x.ini", SLICE("[s]\na = 1\nk = 2\nb = 3\n"), &error);
	ini_start_comment_prefixes = prefixes;
	assert_null(ini);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
	assert_true(g_str_has_prefix(error->message, "x.ini:3: inih misread"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_sections_and_entries_in_order_with_their_lines),
		cmocka_unit_test(reads_nothing_from_nothing),
		cmocka_unit_test(accepts_a_byte_order_mark_crlf_and_no_last_newline),
		cmocka_unit_test(takes_comments_off_only_where_they_begin),
		cmocka_unit_test(a_quoted_value_keeps_what_it_holds),
		cmocka_unit_test(quotes_inside_a_value_are_ordinary_but_keep_a_semicolon),
		cmocka_unit_test(joins_continuation_lines_and_remembers_theirs),
		cmocka_unit_test(refuses_lines_that_are_nothing),
		cmocka_unit_test(refuses_sections_that_inih_would_misread),
		cmocka_unit_test(refuses_repetitions_naming_both_lines),
		cmocka_unit_test(refuses_quotes_that_do_not_close),
		cmocka_unit_test(refuses_bytes_that_are_no_text),
		cmocka_unit_test(long_lines_arrive_whole_or_not_at_all),
		cmocka_unit_test(is_not_led_astray_by_inihs_globals),
		cmocka_unit_test(refuses_what_inih_reads_otherwise_than_the_scan),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
