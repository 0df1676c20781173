/* demo-browser URL: what a person and a browser do in a sign-in. It opens the URL, follows redirects, presses the
 * first button of the form that it gets, and appends the text of the page where that ends as one line to the
 * file that DEMO_BROWSER_LOG names. As a real browser's command does, it returns at once and prints nothing. */
#include <curl/curl.h>
#include <glib.h>
#include <stdbool.h>

enum { LIMIT_S = 10, MAX_REDIRECTS = 5, MAX_FORMS = 2, MAX_PAGE_BYTES = 1 << 20 };

static size_t on_data(char *data, size_t size, size_t n, void *user)
{
	GString *page = user;

	if (page->len + size * n > MAX_PAGE_BYTES)
		return 0;
	g_string_append_len(page, data, (gssize)(size * n));
	return size * n;
}

/* --- HTML, as far as plain pages need it --- */

/* Decodes the character references in TEXT, in place. */
static void decode(GString *text)
{
	static const char *const known[][2] = {{"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""},
		{"&#39;", "'"}, {"&apos;", "'"}, {"&amp;", "&"}};

	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		g_string_replace(text, known[i][0], known[i][1], 0);
}

/* The value of the attribute NAME of the element that begins at ELEMENT, for g_free; NULL: none. */
static char *attribute(const char *element, const char *name)
{
	g_autofree char *start = g_strndup(element, strcspn(element, ">"));
	g_autofree char *wanted = g_strdup_printf(" %s=\"", name);
	const char *found = strstr(start, wanted);
	if (!found)
		return NULL;
	found += strlen(wanted);
	GString *value = g_string_new_len(found, (gssize)strcspn(found, "\""));
	decode(value);
	return g_string_free(value, FALSE);
}

static void append_field(GString *form, const char *element)
{
	g_autofree char *name = attribute(element, "name");
	g_autofree char *value = attribute(element, "value");

	if (!name)
		return;
	g_string_append_printf(form, "%s%s=", form->len ? "&" : "", name);
	if (value)
		g_string_append_uri_escaped(form, value, NULL, FALSE);
}

/* What a browser sends for the first form of PAGE when its first button is pressed; *ACTION gets where to, for
 * g_free. NULL if there is no form. */
static char *press_button(const char *page, char **action)
{
	const char *start = strstr(page, "<form");
	if (!start)
		return NULL;
	g_autofree char *form = g_strdup(start);
	char *end = strstr(form, "</form>");
	if (end)
		*end = '\0';

	GString *fields = g_string_new(NULL);
	for (const char *at = form; (at = strstr(at, "<input")); at++)
		append_field(fields, at);
	const char *button = strstr(form, "<button");
	if (button)
		append_field(fields, button);
	*action = attribute(form, "action");
	return g_string_free(fields, FALSE);
}

/* Takes the element NAME and what is in it out of PAGE, wherever it comes. */
static void drop_element(GString *page, const char *name)
{
	g_autofree char *open = g_strdup_printf("<%s", name);
	g_autofree char *close = g_strdup_printf("</%s>", name);
	char *start, *end;

	while ((start = strstr(page->str, open)) && (end = strstr(start, close)))
		g_string_erase(page, start - page->str, end + strlen(close) - start);
}

/* The words of a page on one line, for g_free. */
static char *words_of(const char *html)
{
	g_autoptr(GString) page = g_string_new(html);
	GString *text = g_string_new(NULL);
	bool in_tag = false;

	drop_element(page, "style");
	drop_element(page, "title");
	for (const char *at = page->str; *at; at++) {
		bool space = in_tag || *at == '<' || g_ascii_isspace(*at);
		if (*at == '<' || *at == '>')
			in_tag = *at == '<';
		if (!space && *at != '>')
			g_string_append_c(text, *at);
		else if (text->len > 0 && text->str[text->len - 1] != ' ')
			g_string_append_c(text, ' ');
	}
	decode(text);
	g_strchomp(text->str);
	return g_string_free(text, FALSE);
}

/* --- the visit --- */

/* ACTION as seen from where CURL is, for curl_free. */
static char *resolve(CURL *curl, const char *action)
{
	char *base = NULL, *url = NULL;
	CURLU *parts = curl_url();

	curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &base);
	curl_url_set(parts, CURLUPART_URL, base, 0);
	curl_url_set(parts, CURLUPART_URL, action ? action : "", 0);
	curl_url_get(parts, CURLUPART_URL, &url, 0);
	curl_url_cleanup(parts);
	return url;
}

/* Loads URL, then what its forms lead to. The words of the last page, or what went wrong; for g_free. */
static char *visit(CURL *curl, const char *url)
{
	g_autoptr(GString) page = g_string_new(NULL);

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_COOKIEFILE, "");
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)MAX_REDIRECTS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)LIMIT_S);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, page);
	for (int forms = 0;; forms++) {
		g_string_truncate(page, 0);
		CURLcode code = curl_easy_perform(curl);
		if (code != CURLE_OK)
			return g_strdup_printf(
				"The page did not load: %s", curl_easy_strerror(code));
		g_autofree char *action = NULL;
		g_autofree char *fields = press_button(page->str, &action);
		if (!fields || forms == MAX_FORMS)
			return words_of(page->str);
		char *next = resolve(curl, action);
		curl_easy_setopt(curl, CURLOPT_URL, next);
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, fields);
		curl_free(next);
	}
}

int main(int argc, char **argv)
{
	const char *path = g_getenv("DEMO_BROWSER_LOG");

	if (argc < 2 || !path) {
		fprintf(stderr, "usage: DEMO_BROWSER_LOG=FILE demo-browser URL\n");
		return 2;
	}
	if (daemon(1, 0) != 0)
		return 1;
	CURL *curl = curl_easy_init();
	if (!curl)
		return 1;
	g_autofree char *words = visit(curl, argv[argc - 1]);
	curl_easy_cleanup(curl);
	FILE *log = fopen(path, "a");
	if (!log)
		return 1;
	fprintf(log, "%s\n", words);
	return fclose(log) == 0 ? 0 : 1;
}
