/* One page for each outcome, made of fixed words and two texts that are not ours. */
#include "auth/page.h"

#include "base/text.h"

enum { TITLE_CHARACTERS = 80, DETAIL_CHARACTERS = 300, BYTES_OF_CHARACTER = 4 };

/* Contrast of at least 7:1 in both schemes. The policy of the listener allows inline style and nothing else. */
static const char *const style =
	":root{color-scheme:light dark;--back:#f6f7f9;--card:#fff;--text:#1b1f24;--soft:#454d57;"
	"--line:#d5dae0;--mark:#0b5c2e}"
	".no{--mark:#8a1c1c}.other{--mark:#454d57}"
	"@media(prefers-color-scheme:dark){"
	":root{--back:#14171b;--card:#1d2126;--text:#eef1f4;--soft:#b9c1ca;--line:#3a424c;"
	"--mark:#7fd8a2}.no{--mark:#ffb0b0}.other{--mark:#b9c1ca}}"
	"*{box-sizing:border-box}"
	"body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;"
	"padding:1.5rem;background:var(--back);color:var(--text);"
	"font:1.0625rem/1.55 system-ui,sans-serif}"
	"main{max-width:34rem;width:100%;padding:2rem;background:var(--card);"
	"border:1px solid var(--line);border-top:.375rem solid var(--mark);border-radius:.5rem;"
	"overflow-wrap:anywhere}"
	"h1{margin:0 0 1rem;font-size:1.5rem;line-height:1.25}"
	"p{margin:.75rem 0 0}blockquote{margin:.75rem 0 0;padding:.25rem 0 .25rem 1rem;"
	"border-left:.25rem solid var(--mark);white-space:pre-wrap}"
	"footer{margin-top:1.5rem;color:var(--soft);font-size:.9375rem}";

struct Words {
	const char *tone; /* class of the page */
	const char *heading; /* `%s`: the title */
	const char *before; /* stands before the detail where there is one */
	const char *text; /* what to do next */
};

static const struct Words words[] = {
	[PAGE_CONNECTED] = {"yes", "%s is connected", "Signed in as",
		"You can close this page and go back to where you came from."},
	[PAGE_REFUSED] = {"no", "%s was not connected", "The sign-in was refused:",
		"Nothing was changed. To try again, start the sign-in anew."},
	[PAGE_FAILED] = {"no", "%s could not be connected", "What went wrong:",
		"Nothing was changed. The program that started the sign-in says the same."},
	[PAGE_NOT_OURS] = {"other", "This does not belong to a running sign-in", NULL,
		"Nothing was changed. If you are signing in to something, go on in the page that "
		"the "
		"sign-in opened, or start it anew."},
	[PAGE_OVER] = {"other", "This sign-in is over", NULL,
		"It was decided before, and this page changed nothing. The program that started it "
		"says how it ended."},
};

/* TEXT of at most MAX characters, harmless in HTML; for g_free. */
static char *harmless(const char *text, unsigned max)
{
	g_autofree char *printable =
		text_printable(slice_of(text), (size_t)(max + 1) * BYTES_OF_CHARACTER);
	if (g_utf8_strlen(printable, -1) > (glong)max) {
		g_autofree char *cut = g_utf8_substring(printable, 0, (glong)max - 1);
		g_autofree char *marked = g_strconcat(cut, "…", NULL);
		return g_markup_escape_text(marked, -1);
	}
	return g_markup_escape_text(printable, -1);
}

static void append_heading(GString *out, const char *heading, const char *title)
{
	g_auto(GStrv) parts = g_strsplit(heading, "%s", 2);
	g_autofree char *text = g_strjoinv(title, parts);
	g_string_append(out, text);
}

char *page_html(enum PageKind kind, const char *title, const char *detail)
{
	const struct Words *page = &words[kind];
	g_autofree char *name = harmless(title, TITLE_CHARACTERS);
	GString *out = g_string_new("<!doctype html>\n<html lang=\"en\" class=\"");
	g_string_append(out, page->tone);
	g_string_append(out, "\"><head><meta charset=\"utf-8\">"
			     "<meta name=\"viewport\" content=\"width=device-width\">"
			     "<meta name=\"robots\" content=\"noindex\"><title>");
	append_heading(out, page->heading, name);
	g_string_append(out, " - mcp-mux</title><style>");
	g_string_append(out, style);
	g_string_append(out, "</style></head>\n<body><main><h1>");
	append_heading(out, page->heading, name);
	g_string_append(out, "</h1>");
	if (detail && *detail && page->before) {
		g_autofree char *shown = harmless(detail, DETAIL_CHARACTERS);
		g_string_append_printf(
			out, "\n<p>%s</p><blockquote>%s</blockquote>", page->before, shown);
	}
	g_string_append_printf(
		out, "\n<p>%s</p>\n<footer>mcp-mux</footer></main></body></html>\n", page->text);
	return g_string_free(out, FALSE);
}
