/* Any bytes encode to a legal header value that decodes back to them. A schema and arguments, divided
 * by the first NUL, give legal headers, each name once. */
#include "format/mcp_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(struct Slice value)
{
	if (!mcp_header_is_value(value))
		abort();
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.data[i] > 0x7e)
			abort();
	}
}

/* What a server makes of a header value. */
static GString *decode(struct Slice value)
{
	const size_t around = strlen("=?base64?") + strlen("?=");
	bool encoded = value.len >= around && slice_starts_with(value, "=?base64?") &&
		       memcmp(value.data + value.len - 2, "?=", 2) == 0;
	if (!encoded)
		return g_string_new_len(value.data, (gssize)value.len);
	g_autofree char *base64 = g_strndup(value.data + around - 2, value.len - around);
	gsize len = 0;
	g_autofree guchar *bytes = g_base64_decode(base64, &len);
	return g_string_new_len((const char *)bytes, (gssize)len);
}

static void check_encoding(struct Slice original)
{
	g_autoptr(GString) value = g_string_new(NULL);
	mcp_header_encode(original, value);
	check_value((struct Slice){value->str, value->len});
	g_autoptr(GString) decoded = decode((struct Slice){value->str, value->len});
	if (!slice_eq((struct Slice){decoded->str, decoded->len}, original))
		abort();
}

static void check_header(const char *name, const char *value, void *user)
{
	if (!mcp_header_is_token(slice_of(name)) || !g_str_has_prefix(name, "Mcp-Param-"))
		abort();
	check_value(slice_of(value));
	if (!g_hash_table_add(user, g_ascii_strdown(name, -1)))
		abort();
}

static void check_schema(struct Slice schema, struct Slice arguments)
{
	if (!json_validate(schema, NULL) || json_root(schema).type != JSON_OBJECT)
		return;
	struct ParamHeaders *headers = NULL;
	g_autofree char *why = NULL;
	if (param_headers_parse(json_root(schema).raw, &headers, &why) == (why != NULL))
		abort();
	if (headers) {
		struct JsonValue value = {.type = JSON_NONE};
		if (json_validate(arguments, NULL))
			value = json_root(arguments);
		g_autoptr(GHashTable) names =
			g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		param_headers_extract(headers, value, check_header, names);
	}
	param_headers_free(headers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	if (size == 0)
		return 0;
	check_encoding(text);
	const char *nul = memchr(text.data, '\0', text.len);
	const char *end = text.data + text.len;
	struct Slice schema = slice_between(text.data, nul ? nul : end);
	check_schema(schema, slice_between(nul ? nul + 1 : end, end));
	return 0;
}
