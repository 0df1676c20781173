/* GUri decides what is a URL. Hosts, paths and queries are taken from the text as it stands, since GUri
 * rewrites escapes and servers compare resources byte by byte.
 *
 * GUri accepts more than is safe where origins are compared, or where libcurl or a browser reads the same
 * text: it decodes escapes in hosts ("a%2fb"), maps other scripts to ASCII by an older table than libcurl's,
 * keeps backslashes (browsers make them slashes) and takes zones and port 0. All of that is refused here. */
#include "format/url.h"

#include <arpa/inet.h>

enum { URL_MAX_BYTES = 8 * 1024 };

struct Parts {
	const char *scheme; /* "http" or "https" */
	struct Slice host; /* as in the text, without brackets */
	bool is_ipv6;
	int port; /* -1: the scheme's own */
	struct Slice path, query; /* the query with its "?"; NULL data where there is none */
	bool has_fragment;
};

static bool has_plain_characters(const char *text)
{
	size_t len = 0;
	for (const char *p = text; *p; p++, len++) {
		if (len == URL_MAX_BYTES || *p <= ' ' || *p > '~' || *p == '\\')
			return false;
	}
	return true;
}

static bool is_ipv6(struct Slice text)
{
	struct in6_addr address;
	char copy[INET6_ADDRSTRLEN];
	if (text.len >= sizeof(copy))
		return false;
	g_strlcpy(copy, text.data, text.len + 1);
	return inet_pton(AF_INET6, copy, &address) == 1;
}

static bool is_name(struct Slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (!g_ascii_isalnum(text.data[i]) && !strchr("-._", text.data[i]))
			return false;
	}
	return text.len > 0;
}

/* AUTHORITY is what stands between the scheme and the path, user information excluded. */
static bool find_host(struct Slice authority, struct Parts *parts)
{
	const char *end = authority.data + authority.len;
	parts->is_ipv6 = slice_starts_with(authority, "[");
	if (parts->is_ipv6) {
		const char *close = memchr(authority.data, ']', authority.len);
		parts->host = slice_between(authority.data + 1, close ? close : end);
		return close && is_ipv6(parts->host);
	}
	const char *colon = memchr(authority.data, ':', authority.len);
	parts->host = slice_between(authority.data, colon ? colon : end);
	return is_name(parts->host);
}

/* False if URL is not url_is_http. PARTS borrows its text. */
static bool split(const char *url, struct Parts *parts)
{
	if (!url || !has_plain_characters(url))
		return false;
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
	if (!uri || !g_uri_get_host(uri) || g_uri_get_userinfo(uri) || g_uri_get_port(uri) == 0)
		return false;
	bool https = strcmp(g_uri_get_scheme(uri), "https") == 0;
	if (!https && strcmp(g_uri_get_scheme(uri), "http") != 0)
		return false;
	*parts = (struct Parts){.scheme = https ? "https" : "http", .port = g_uri_get_port(uri)};
	if (parts->port == (https ? 443 : 80))
		parts->port = -1;
	const char *authority = url + strlen(parts->scheme) + strlen("://");
	const char *path = authority + strcspn(authority, "/?#");
	const char *query = path + strcspn(path, "?#");
	const char *fragment = query + strcspn(query, "#");
	parts->path = slice_between(path, query);
	if (*query == '?')
		parts->query = slice_between(query, fragment);
	parts->has_fragment = *fragment == '#';
	return find_host(slice_between(authority, path), parts);
}

bool url_is_http(const char *url)
{
	struct Parts parts;
	return split(url, &parts);
}

static bool is_loopback(const struct Parts *parts)
{
	g_autofree char *host = slice_dup(parts->host);
	struct in_addr ipv4;
	struct in6_addr ipv6;
	if (parts->is_ipv6)
		return inet_pton(AF_INET6, host, &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
	if (inet_pton(AF_INET, host, &ipv4) == 1)
		return ntohl(ipv4.s_addr) >> IN_CLASSA_NSHIFT == IN_LOOPBACKNET;
	return g_ascii_strcasecmp(host, "localhost") == 0;
}

bool url_is_loopback(const char *url)
{
	struct Parts parts;
	return split(url, &parts) && is_loopback(&parts);
}

bool url_is_secure(const char *url)
{
	struct Parts parts;
	return split(url, &parts) && (strcmp(parts.scheme, "https") == 0 || is_loopback(&parts));
}

static GString *origin_of(const struct Parts *parts)
{
	GString *origin = g_string_new(parts->scheme);
	g_string_append(origin, parts->is_ipv6 ? "://[" : "://");
	g_string_append_len(origin, parts->host.data, (gssize)parts->host.len);
	g_string_ascii_down(origin);
	if (parts->is_ipv6)
		g_string_append_c(origin, ']');
	if (parts->port >= 0)
		g_string_append_printf(origin, ":%d", parts->port);
	return origin;
}

char *url_origin(const char *url)
{
	struct Parts parts;
	return split(url, &parts) ? g_string_free(origin_of(&parts), FALSE) : NULL;
}

bool url_same_origin(const char *a, const char *b)
{
	g_autofree char *left = url_origin(a);
	g_autofree char *right = url_origin(b);
	return left && right && strcmp(left, right) == 0;
}

static void append(GString *out, struct Slice text)
{
	g_string_append_len(out, text.data ? text.data : "", (gssize)text.len);
}

char *url_canonical(const char *url)
{
	struct Parts parts;
	if (!split(url, &parts))
		return NULL;
	GString *canonical = origin_of(&parts);
	if (!slice_is(parts.path, "/"))
		append(canonical, parts.path);
	append(canonical, parts.query);
	return g_string_free(canonical, FALSE);
}

static struct Slice without_slashes(struct Slice path)
{
	while (path.len > 0 && path.data[path.len - 1] == '/')
		path.len--;
	return path;
}

/* Whether a server might read another path than the one that is written: one with "." or ".." among its
 * segments, also where their dots or slashes are escaped. */
static bool is_devious(struct Slice path)
{
	g_autofree char *plain = g_uri_unescape_segment(path.data, path.data + path.len, "/\\");
	g_auto(GStrv) segments = plain ? g_strsplit(plain, "/", -1) : NULL;
	return !segments || g_strv_contains((const char *const *)segments, ".") ||
	       g_strv_contains((const char *const *)segments, "..");
}

bool url_covers(const char *resource, const char *url)
{
	struct Parts wide;
	struct Parts narrow;
	if (!url_same_origin(resource, url) || !split(resource, &wide) || !split(url, &narrow))
		return false;
	if (wide.query.data || wide.has_fragment)
		return false;
	struct Slice prefix = without_slashes(wide.path);
	struct Slice path = without_slashes(narrow.path);
	if (prefix.len == 0 || slice_eq(prefix, path))
		return true;
	if (is_devious(prefix) || is_devious(path) || path.len < prefix.len)
		return false;
	return slice_eq(prefix, (struct Slice){path.data, prefix.len}) &&
	       path.data[prefix.len] == '/';
}

char *url_well_known(const char *url, const char *suffix, enum WellKnown where)
{
	struct Parts parts;
	if (!split(url, &parts))
		return NULL;
	struct Slice path = without_slashes(parts.path);
	GString *out = origin_of(&parts);
	if (where == WELL_KNOWN_APPENDED)
		append(out, path);
	g_string_append(out, "/.well-known/");
	g_string_append(out, suffix);
	if (where == WELL_KNOWN_INSERTED)
		append(out, path);
	return g_string_free(out, FALSE);
}

bool url_has_path(const char *url)
{
	struct Parts parts;
	return split(url, &parts) && without_slashes(parts.path).len > 0;
}

char *url_resolve(const char *base, const char *reference)
{
	if (!url_is_http(base) || !reference || !has_plain_characters(reference))
		return NULL;
	/* A reference with an authority of its own is checked as it stands: GUri decodes escaped slashes in
	 * hosts on the way. */
	g_autofree char *absolute = NULL;
	if (g_str_has_prefix(reference, "//"))
		absolute = g_strdup_printf("%s:%s", g_uri_peek_scheme(base), reference);
	else if (g_uri_peek_scheme(reference))
		absolute = g_strdup(reference);
	if (absolute && !url_is_http(absolute))
		return NULL;
	g_autofree char *resolved = g_uri_resolve_relative(
		base, absolute ? absolute : reference, G_URI_FLAGS_ENCODED, NULL);
	return url_is_http(resolved) ? g_steal_pointer(&resolved) : NULL;
}

char *url_with_query(const char *endpoint, const char *query)
{
	GString *out = g_string_new_len(endpoint, (gssize)strcspn(endpoint, "#"));
	const char *mark = strchr(out->str, '?');
	if (!*query)
		return g_string_free(out, FALSE);
	if (!mark)
		g_string_append_c(out, '?');
	else if (mark[1] && !g_str_has_suffix(out->str, "&"))
		g_string_append_c(out, '&');
	g_string_append(out, query);
	return g_string_free(out, FALSE);
}

char *url_host(const char *url)
{
	struct Parts parts;
	return split(url, &parts) ? g_ascii_strdown(parts.host.data, (gssize)parts.host.len) : NULL;
}
