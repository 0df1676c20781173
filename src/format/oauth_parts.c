#include "format/oauth_parts.h"

#include "base/error.h"

bool oauth_read_document(struct Slice json, const char *what, const char *const *keys, unsigned n,
	struct JsonValue *values, GError **error)
{
	struct JsonFault fault;
	if (!json_validate(json, &fault)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s is no JSON: %s at byte %zu",
			what, fault.reason, fault.offset);
		return false;
	}
	struct JsonValue root = json_root(json);
	if (root.type != JSON_OBJECT) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s is no JSON object", what);
		return false;
	}
	const char *twice = json_find_members(root.raw, keys, n, values);
	if (twice)
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "%s has %s twice", what, twice);
	return !twice;
}

/* TEXT is valid UTF-8. */
static bool has_form(struct Slice text, enum OauthForm form)
{
	const char *end = text.data + text.len;
	switch (form) {
	case OAUTH_FORM_TOKEN:
		if (text.data[0] == ' ' || end[-1] == ' ')
			return false;
		for (const char *p = text.data; p < end; p++)
			if (*p < ' ' || *p > '~')
				return false;
		return true;
	case OAUTH_FORM_TEXT:
		for (const char *p = text.data; p < end; p = g_utf8_next_char(p))
			if (g_unichar_iscntrl(g_utf8_get_char(p)))
				return false;
		return true;
	case OAUTH_FORM_ANY:
		break;
	}
	return true;
}

/* The decoded text of VALUE, a string. NULL if it is none that can be used. It never grows, so that there is one copy
 * to wipe. */
static GString *decode(struct JsonValue value, enum OauthForm form, size_t max_bytes)
{
	GString *text = g_string_sized_new(value.raw.len);
	if (json_string_decode(value.raw, text) && text->len > 0 && text->len <= max_bytes &&
		has_form((struct Slice){text->str, text->len}, form))
		return text;
	secret_free_string(text);
	return NULL;
}

char *oauth_text(struct JsonValue value, size_t max_bytes)
{
	if (value.type != JSON_STRING)
		return NULL;
	GString *text = decode(value, OAUTH_FORM_TEXT, max_bytes);
	return text ? g_string_free(text, FALSE) : NULL;
}

bool oauth_secret(
	struct JsonValue value, enum OauthForm form, size_t max_bytes, struct Secret **out)
{
	if (value.type != JSON_STRING || slice_is(value.raw, "\"\""))
		return true;
	GString *text = decode(value, form, max_bytes);
	if (!text)
		return false;
	*out = secret_new((struct Slice){text->str, text->len});
	secret_free_string(text);
	return true;
}
