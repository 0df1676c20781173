#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "auth/page.h"
#include "base/slice.h"

static const enum PageKind all_kinds[] = {
	PAGE_CONNECTED, PAGE_REFUSED, PAGE_FAILED, PAGE_NOT_OURS, PAGE_OVER};

#define assert_has(html, text)                                                                     \
	do {                                                                                       \
		if (!strstr((html), (text)))                                                       \
			fail_msg("\"%s\" lacks \"%s\"", (html), (text));                           \
	} while (0)

/* How often NEEDLE is in TEXT. */
static unsigned count(const char *text, const char *needle)
{
	unsigned n = 0;
	for (const char *at = text; (at = strstr(at, needle)); at++)
		n++;
	return n;
}

static void each_kind_says_its_own(void **state)
{
	(void)state;
	const char *headings[] = {"<h1>Notion is connected</h1>",
		"<h1>Notion was not connected</h1>", "<h1>Notion could not be connected</h1>",
		"<h1>This does not belong to a running sign-in</h1>",
		"<h1>This sign-in is over</h1>"};
	for (size_t i = 0; i < G_N_ELEMENTS(all_kinds); i++) {
		g_autofree char *html = page_html(all_kinds[i], "Notion", NULL);
		assert_has(html, headings[i]);
		assert_has(html, " - mcp-mux</title>");
		assert_null(strstr(html, "blockquote>"));
		assert_null(strstr(html, "%s"));
	}
}

static void only_success_says_connected(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(all_kinds); i++) {
		g_autofree char *html = page_html(all_kinds[i], "Notion", "x");
		assert_int_equal(strstr(html, "is connected") != NULL, i == 0);
		assert_int_equal(strstr(html, "class=\"yes\"") != NULL, i == 0);
	}
}

static void a_detail_is_shown_where_there_is_a_place_for_it(void **state)
{
	(void)state;
	const bool shown[] = {true, true, true, false, false};
	for (size_t i = 0; i < G_N_ELEMENTS(all_kinds); i++) {
		g_autofree char *html = page_html(all_kinds[i], "Notion", "ada@example.com");
		assert_int_equal(strstr(html, ">ada@example.com</blockquote>") != NULL, shown[i]);
		g_autofree char *empty = page_html(all_kinds[i], "Notion", "");
		assert_null(strstr(empty, "ada"));
		assert_null(strstr(empty, "<blockquote"));
	}
}

static void texts_of_others_stay_texts(void **state)
{
	(void)state;
	g_autofree char *html = page_html(PAGE_REFUSED, "<script>a('%s')</script>\n",
		"\"><img src=x onerror=y>&amp;\r\n\x1b[31m\xe2\x80\xae\xff %n");
	assert_null(strstr(html, "<script"));
	assert_null(strstr(html, "<img"));
	assert_null(strpbrk(html, "\r\x1b\xff"));
	assert_null(strstr(html, "\xe2\x80\xae"));
	assert_has(html, "&lt;script&gt;a(&apos;%s&apos;)&lt;/script&gt;?");
	assert_has(html, "&quot;&gt;&lt;img src=x onerror=y&gt;&amp;amp;???[31m?? %n<");
	assert_true(g_utf8_validate(html, -1, NULL));
}

static void long_texts_are_cut_at_a_character(void **state)
{
	(void)state;
	GString *smiles = g_string_new(NULL);
	for (unsigned i = 0; i < 300; i++)
		g_string_append(smiles, "\xf0\x9f\x98\x80");
	g_autofree char *whole = page_html(PAGE_FAILED, "Notion", smiles->str);
	assert_int_equal(count(whole, "\xf0\x9f\x98\x80"), 300);
	assert_null(strstr(whole, "…"));
	g_string_append(smiles, "\xf0\x9f\x98\x80");
	g_autofree char *cut = page_html(PAGE_FAILED, smiles->str, smiles->str);
	assert_int_equal(count(cut, "\xf0\x9f\x98\x80"), 299 + 2 * 79);
	assert_has(cut, "\xf0\x9f\x98\x80…</blockquote>");
	assert_has(cut, "\xf0\x9f\x98\x80… could not be connected</h1>");
	assert_true(g_utf8_validate(cut, -1, NULL));
	g_string_free(smiles, TRUE);
}

static void it_needs_nothing_from_elsewhere_and_runs_nothing(void **state)
{
	(void)state;
	const char *forbidden[] = {"http:", "https:", "//", "<script", "<link", "<img", "url(",
		"@import", "@font-face"};
	for (size_t i = 0; i < G_N_ELEMENTS(all_kinds); i++) {
		g_autofree char *html = page_html(all_kinds[i], "Notion", "x");
		for (size_t j = 0; j < G_N_ELEMENTS(forbidden); j++)
			assert_null(strstr(html, forbidden[j]));
		assert_has(html, "<!doctype html>\n<html lang=\"en\"");
		assert_has(html, "<meta charset=\"utf-8\">");
		assert_has(html, "color-scheme:light dark");
		assert_has(html, "prefers-color-scheme:dark");
		assert_int_equal(count(html, "<h1>"), 1);
		assert_int_equal(count(html, "<main>"), 1);
		assert_true(strlen(html) < 4096);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_says_its_own),
		cmocka_unit_test(only_success_says_connected),
		cmocka_unit_test(a_detail_is_shown_where_there_is_a_place_for_it),
		cmocka_unit_test(texts_of_others_stay_texts),
		cmocka_unit_test(long_texts_are_cut_at_a_character),
		cmocka_unit_test(it_needs_nothing_from_elsewhere_and_runs_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
