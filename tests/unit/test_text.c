#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void shows(const char *text, size_t len, size_t max, const char *expected)
{
	g_autofree char *shown = text_printable((struct Slice){text, len}, max);
	assert_string_equal(shown, expected);
	assert_true(g_utf8_validate(shown, -1, NULL));
}

static void harmless_text_stays(void **state)
{
	(void)state;
	const char *text = "Ünïcode ✓ 🌲 \"quotes\" and \\";
	shows(text, strlen(text), 1000, text);
	shows("", 0, 10, "");
	shows(NULL, 0, 10, "");
}

static void control_characters_become_question_marks(void **state)
{
	(void)state;
	shows("a\x1b[31mb\r\nc\td\x7f", 13, 100, "a?[31mb??c?d?");
	shows("a\0b", 3, 100, "a?b");
	shows("\xc2\x9b"
	      "31m",
		5, 100, "?31m");
	shows("\xc2\xa0", 2, 100, "\xc2\xa0");
}

static void bidirectional_and_line_controls_become_question_marks(void **state)
{
	(void)state;
	static const char *const bad[] = {"\u061c", "\u200e", "\u200f", "\u202a", "\u202e",
		"\u2066", "\u2069", "\u2028", "\u2029"};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
		shows(bad[i], strlen(bad[i]), 100, "?");
	static const char *const good[] = {"\u200d", "\u2027", "\u202f", "\u2065", "\u206a"};
	for (unsigned i = 0; i < G_N_ELEMENTS(good); i++)
		shows(good[i], strlen(good[i]), 100, good[i]);
}

static void invalid_utf8_becomes_a_question_mark_a_byte(void **state)
{
	(void)state;
	shows("\xff\xfe", 2, 100, "??");
	shows("\xe2\x82", 2, 100, "??");
	shows("a\xc3(", 3, 100, "a?(");
	shows("\xed\xa0\x80", 3, 100, "???");
	shows("\xc0\x80", 2, 100, "??");
	/* A character that the slice cuts must not be completed from behind its end. */
	shows("\xe2\x82\xac", 2, 100, "??");
}

static void long_text_is_cut_at_a_character(void **state)
{
	(void)state;
	shows("abcdef", 6, 6, "abcdef");
	shows("abcdef", 6, 5, "abcde…");
	shows("abcdef", 6, 0, "…");
	shows("a\xe2\x82\xac"
	      "b",
		5, 3, "a…");
	shows("a\xe2\x82\xac"
	      "b",
		5, 4, "a\xe2\x82\xac…");
}

static void appending_leaves_what_was_there(void **state)
{
	(void)state;
	g_autoptr(GString) out = g_string_new("x\x01");
	text_append_printable(out, SLICE("\x01y"), 100);
	assert_string_equal(out->str, "x\x01?y");
}

static void accepts_http_urls(void **state)
{
	(void)state;
	static const char *const good[] = {"http://a", "https://a.example/", "HTTPS://A/",
		"https://a:8443/mcp?x=y&z=%20", "http://127.0.0.1:1/", "http://[::1]:80/mcp",
		"https://a/;x", "https://a/b//c"};
	for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
		const char *why = NULL;
		if (!text_is_http_url(good[i], &why))
			fail_msg("%s: %s", good[i], why);
		assert_null(why);
	}
}

static void refuses_other_urls_saying_why(void **state)
{
	(void)state;
	static const struct {
		const char *url, *why;
	} bad[] = {
		{"", "it is no URL"},
		{"a.example/mcp", "it is no URL"},
		{"//a/", "it is no URL"},
		{"https://a:99999/", "it is no URL"},
		{"https://[::1/", "it is no URL"},
		{"ftp://a/", "its scheme is neither http nor https"},
		{"file:///etc/passwd", "its scheme is neither http nor https"},
		{"javascript:alert(1)", "its scheme is neither http nor https"},
		{"localhost:80", "its scheme is neither http nor https"},
		{"https:a", "it names no host"},
		{"https:///a", "it names no host"},
		{"https://user@a/", "it holds user information"},
		{"https://user:pass@a/", "it holds user information"},
		{"https://a/#", "it holds a fragment"},
		{"https://a/ b", "it holds a space or control character"},
		{"https://a/\r\nX: y", "it holds a space or control character"},
		{"https://a/\x7f", "it holds a space or control character"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		const char *why = NULL;
		if (text_is_http_url(bad[i].url, &why))
			fail_msg("%s was accepted", bad[i].url);
		assert_string_equal(why, bad[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(harmless_text_stays),
		cmocka_unit_test(control_characters_become_question_marks),
		cmocka_unit_test(bidirectional_and_line_controls_become_question_marks),
		cmocka_unit_test(invalid_utf8_becomes_a_question_mark_a_byte),
		cmocka_unit_test(long_text_is_cut_at_a_character),
		cmocka_unit_test(appending_leaves_what_was_there),
		cmocka_unit_test(accepts_http_urls),
		cmocka_unit_test(refuses_other_urls_saying_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
