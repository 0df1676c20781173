#include "base/text.h"

static bool is_harmless(gunichar c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
		return false;
	return !(c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
		 (c >= 0x2066 && c <= 0x2069));
}

void text_append_printable(GString *out, struct Slice text, size_t max_bytes)
{
	const char *p = text.data;
	const char *end = p + text.len;
	while (p < end) {
		gunichar c = g_utf8_get_char_validated(p, end - p);
		bool valid = c != (gunichar)-1 && c != (gunichar)-2;
		size_t n = valid ? (size_t)(g_utf8_next_char(p) - p) : 1;
		if ((size_t)(p - text.data) + n > max_bytes) {
			g_string_append(out, "…");
			return;
		}
		if (valid && is_harmless(c))
			g_string_append_len(out, p, (gssize)n);
		else
			g_string_append_c(out, '?');
		p += n;
	}
}

char *text_printable(struct Slice text, size_t max_bytes)
{
	GString *out = g_string_new(NULL);
	text_append_printable(out, text, max_bytes);
	return g_string_free(out, FALSE);
}

bool text_is_http_url(const char *url, const char **why)
{
	for (const char *p = url; *p; p++) {
		if ((unsigned char)*p <= ' ' || *p == 0x7f) {
			*why = "it holds a space or control character";
			return false;
		}
	}
	g_autoptr(GError) error = NULL;
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, &error);
	if (!uri) {
		*why = "it is no URL";
		return false;
	}
	const char *scheme = g_uri_get_scheme(uri);
	if (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)
		*why = "its scheme is neither http nor https";
	else if (!g_uri_get_host(uri) || !*g_uri_get_host(uri))
		*why = "it names no host";
	else if (g_uri_get_userinfo(uri))
		*why = "it holds user information";
	else if (g_uri_get_fragment(uri))
		*why = "it holds a fragment";
	else
		return true;
	return false;
}
