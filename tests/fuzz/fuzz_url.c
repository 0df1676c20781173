/* The input's lines are two URLs. What is made of a URL is one again, of the same origin, and the relations
 * between URLs are what they are called. */
#include "format/url.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void check_well_known(const char *url)
{
	static const enum WellKnown places[] = {
		WELL_KNOWN_INSERTED, WELL_KNOWN_APPENDED, WELL_KNOWN_ROOT};
	char *documents[G_N_ELEMENTS(places)];
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		documents[i] = url_well_known(url, "oauth-protected-resource", places[i]);
		must(strstr(documents[i], "/.well-known/oauth-protected-resource") != NULL);
		must(!strpbrk(documents[i], "?#"));
		/* A URL may be as long as it can be already. */
		must(strlen(documents[i]) > 8192 || url_same_origin(documents[i], url));
	}
	must((strcmp(documents[0], documents[2]) == 0) == !url_has_path(url));
	must((strcmp(documents[1], documents[2]) == 0) == !url_has_path(url));
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++)
		g_free(documents[i]);
}

static void check_http(const char *url)
{
	must(strlen(url) <= 8192);
	for (const char *p = url; *p; p++)
		must(*p > ' ' && *p <= '~');
	g_autofree char *origin = url_origin(url);
	g_autofree char *canonical = url_canonical(url);
	g_autofree char *twice = url_canonical(canonical);
	g_autofree char *host = url_host(url);
	must(strcmp(canonical, twice) == 0);
	must(g_str_has_prefix(canonical, origin) && !strchr(canonical, '#'));
	must(!strpbrk(origin, "@%\\?#") && !strpbrk(origin + strlen("https://"), "/"));
	must(*host && strstr(origin, host) && !g_str_has_suffix(origin, ":0"));
	must(url_same_origin(url, url) && url_same_origin(url, canonical));
	must(url_same_origin(origin, url) && !url_has_path(origin));
	must(url_covers(origin, url));
	must(url_covers(url, url) == !strpbrk(url, "?#"));
	must(!url_is_loopback(url) || url_is_secure(url));
	must(url_is_secure(url) == (g_str_has_prefix(origin, "https:") || url_is_loopback(url)));
	g_autofree char *extended = url_with_query(url, "a=b");
	must(g_str_has_suffix(extended, "a=b") && !strchr(extended, '#'));
	must(strlen(extended) > 8192 || url_same_origin(extended, url));
	check_well_known(url);
}

/* Covering reaches from the wide to the narrow alone, unless both are the same. */
static void check_pair(const char *a, const char *b)
{
	must(url_same_origin(a, b) == url_same_origin(b, a));
	if (!url_covers(a, b))
		return;
	must(url_same_origin(a, b) && !strpbrk(a, "?#"));
	const char *path = strstr(a, "://") + 3;
	path += strcspn(path, "/");
	size_t len = strlen(path);
	while (len > 0 && path[len - 1] == '/')
		len--;
	const char *under = strstr(b, "://") + 3;
	under += strcspn(under, "/?#");
	must(strncmp(path, under, len) == 0 && strchr("/?#", under[len]));
	/* Nor does that change once dot segments are resolved. */
	g_autofree char *wide = url_resolve("http://h/", a);
	g_autofree char *narrow = url_resolve("http://h/", b);
	must(!wide || !narrow || url_covers(wide, narrow));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_auto(GStrv) lines = g_strsplit(text, "\n", 2);
	const char *first = lines[0] ? lines[0] : "";
	const char *second = first[0] && lines[1] ? lines[1] : "";
	g_autofree char *resolved = url_resolve(first, second);
	if (resolved)
		check_http(resolved);
	if (url_is_http(first))
		check_http(first);
	else
		must(!url_origin(first) && !url_canonical(first) && !url_is_secure(first) &&
			!resolved && !url_covers(first, first) && !url_same_origin(first, first));
	if (url_is_http(first) && url_is_http(second))
		check_pair(first, second);
	return 0;
}
