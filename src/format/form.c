#include "format/form.h"

#include "base/secret.h"

void form_encode(GString *out, struct Slice text)
{
	if (text.len == 0)
		return;
	char *encoded = g_uri_escape_bytes((const guint8 *)text.data, text.len, NULL);
	g_string_append(out, encoded);
	secret_free_text(encoded);
}

void form_append_slice(GString *out, const char *name, struct Slice value)
{
	if (!value.data)
		return;
	if (out->len > 0)
		g_string_append_c(out, '&');
	form_encode(out, slice_of(name));
	g_string_append_c(out, '=');
	form_encode(out, value);
}

void form_append(GString *out, const char *name, const char *value)
{
	form_append_slice(out, name, slice_of(value));
}

/* The text that ENCODED stands for, for secret_free_text; NULL if there is none. */
static char *decode(struct Slice encoded)
{
	if (encoded.len == 0)
		return g_strdup("");
	if (memchr(encoded.data, '\0', encoded.len))
		return NULL;
	char *plain = slice_dup(encoded);
	g_strdelimit(plain, "+", ' ');
	char *text = g_uri_unescape_segment(plain, NULL, NULL); /* NULL also for %00 */
	secret_free_text(plain);
	if (text && !g_utf8_validate(text, -1, NULL)) {
		secret_free_text(text);
		return NULL;
	}
	return text;
}

/* Takes the first parameter off QUERY. */
static void take_parameter(struct Slice *query, struct Slice *name, struct Slice *value)
{
	const char *start = query->data;
	const char *end = start + query->len;
	const char *stop = memchr(start, '&', query->len);
	struct Slice parameter = slice_between(start, stop ? stop : end);
	const char *equals = memchr(start, '=', parameter.len);
	*query = stop ? slice_between(stop + 1, end) : (struct Slice){NULL, 0};
	*name = slice_between(start, equals ? equals : start + parameter.len);
	*value =
		equals ? slice_between(equals + 1, start + parameter.len) : (struct Slice){NULL, 0};
}

enum FormField form_get(struct Slice query, const char *name, char **value)
{
	unsigned found = 0;
	struct Slice encoded = {NULL, 0};
	while (query.len > 0) {
		struct Slice each;
		struct Slice content;
		take_parameter(&query, &each, &content);
		g_autofree char *key = decode(each);
		if (!key || strcmp(key, name) != 0)
			continue;
		encoded = content;
		found++;
	}
	if (found != 1)
		return found ? FORM_REPEATED : FORM_ABSENT;
	char *text = decode(encoded);
	if (!text)
		return FORM_MALFORMED;
	*value = text;
	return FORM_ONCE;
}
