/* Header values are plain data and need no state. The annotations of a schema come from a peer: the
 * search for them looks at every subschema, because one in the wrong place spoils the whole tool, and
 * is bounded in depth and in what it keeps. A schema that cannot hold any (nearly all of them) is
 * told by its bytes and never walked. The headers found own copies of names and paths and do not
 * point into the schema. */
#include "format/mcp_header.h"

#include "base/text.h"

enum {
	HEADERS_MAX = 64,
	HEADER_NAME_MAX_BYTES = 256,
	/* Each level is read again by the one above it, so this bounds the time as well. */
	SCHEMA_MAX_DEPTH = 64,
	SHOWN_BYTES = 64,
};

static const int64_t safe_integer = (INT64_C(1) << 53) - 1;
static const char annotation[] = "x-mcp-header";
static const char encoded_prefix[] = "=?base64?";
static const char encoded_suffix[] = "?=";

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool has_outer_space(struct Slice value)
{
	return value.len > 0 && (is_space(value.data[0]) || is_space(value.data[value.len - 1]));
}

static bool looks_encoded(struct Slice value)
{
	return slice_starts_with(value, encoded_prefix) && value.len >= 2 &&
	       memcmp(value.data + value.len - 2, encoded_suffix, 2) == 0;
}

static bool is_plain(struct Slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.data[i];
		if (c != '\t' && (c < 0x20 || c > 0x7e))
			return false;
	}
	return !has_outer_space(value) && !looks_encoded(value);
}

void mcp_header_encode(struct Slice value, GString *out)
{
	if (value.len == 0)
		return;
	if (is_plain(value)) {
		g_string_append_len(out, value.data, (gssize)value.len);
		return;
	}
	g_autofree char *encoded = g_base64_encode((const guchar *)value.data, value.len);
	g_string_append(out, encoded_prefix);
	g_string_append(out, encoded);
	g_string_append(out, encoded_suffix);
}

bool mcp_header_is_token(struct Slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];
		if (!g_ascii_isalnum(c) && (c == '\0' || !strchr("!#$%&'*+-.^_`|~", c)))
			return false;
	}
	return name.len > 0;
}

bool mcp_header_is_value(struct Slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return !has_outer_space(value);
}

struct ParamHeader {
	char *name; /* Mcp-Param-… */
	GPtrArray *path; /* char *: keys from the arguments down to the value */
};

struct ParamHeaders {
	GPtrArray *headers; /* struct ParamHeader */
};

static void param_header_free(void *data)
{
	struct ParamHeader *header = data;
	g_free(header->name);
	g_ptr_array_unref(header->path);
	g_free(header);
}

void param_headers_free(struct ParamHeaders *headers)
{
	if (!headers)
		return;
	g_ptr_array_unref(headers->headers);
	g_free(headers);
}

/* A search through one schema. */
struct Search {
	GPtrArray *path; /* char *: the properties on the way here; NULL where one has a name that
			       is no text */
	GPtrArray *headers; /* what was found */
	char *why; /* what broke the rules */
};

static bool fail(struct Search *search, const char *why)
{
	search->why = g_strdup_printf("%s %s", annotation, why);
	return false;
}

static bool fail_name(struct Search *search, const char *name, const char *why)
{
	g_autofree char *shown = text_printable(slice_of(name), SHOWN_BYTES);
	search->why = g_strdup_printf("%s \"%s\" %s", annotation, shown, why);
	return false;
}

static bool fail_depth(struct Search *search)
{
	search->why = g_strdup_printf("inputSchema is nested over %d levels deep, too deep for %s",
		SCHEMA_MAX_DEPTH, annotation);
	return false;
}

static bool is_primitive(struct Slice schema)
{
	struct JsonValue type = json_get(schema, "type");
	return type.type == JSON_STRING && (json_string_is(type.raw, SLICE("string")) ||
						   json_string_is(type.raw, SLICE("integer")) ||
						   json_string_is(type.raw, SLICE("boolean")));
}

static void *copy_key(const void *key, void *unused)
{
	(void)unused;
	return g_strdup(key);
}

/* Takes the annotation VALUE of SCHEMA, which is a property reached through properties alone. */
static bool add_header(struct Search *search, struct Slice schema, struct JsonValue value)
{
	if (value.type != JSON_STRING)
		return fail(search, "is no string");
	g_autofree char *name = json_string_dup(value);
	if (!name || !*name)
		return fail(search, name ? "is empty" : "is no text");
	if (!mcp_header_is_token(slice_of(name)))
		return fail_name(search, name, "is no header name");
	if (strlen(name) > HEADER_NAME_MAX_BYTES)
		return fail_name(search, name, "is longer than 256 bytes");
	if (!is_primitive(schema))
		return fail_name(
			search, name, "is on a type other than string, integer or boolean");
	if (g_ptr_array_find(search->path, NULL, NULL))
		return fail_name(search, name, "is on a parameter whose name is no text");
	if (search->headers->len == HEADERS_MAX)
		return fail(search, "is on more than 64 parameters");
	g_autofree char *header_name = g_strconcat("Mcp-Param-", name, NULL);
	for (unsigned i = 0; i < search->headers->len; i++) {
		const struct ParamHeader *other = search->headers->pdata[i];
		if (g_ascii_strcasecmp(other->name, header_name) == 0)
			return fail_name(search, name, "is there twice");
	}
	struct ParamHeader *header = g_new0(struct ParamHeader, 1);
	header->name = g_steal_pointer(&header_name);
	header->path = g_ptr_array_copy(search->path, copy_key, NULL);
	g_ptr_array_add(search->headers, header);
	return true;
}

/* What a schema's member holds. */
enum Kind {
	KIND_SCHEMAS, /* a schema, schemas in an array, or nobody knows */
	KIND_PROPERTIES, /* schemas under the names of properties */
	KIND_NAMED, /* schemas under names that are no keywords */
	KIND_LITERAL, /* values, in which no key has a meaning */
	KIND_ANNOTATION,
};

static enum Kind kind_of(struct Slice key)
{
	static const struct {
		const char *key;
		enum Kind kind;
	} table[] = {
		{"x-mcp-header", KIND_ANNOTATION},
		{"properties", KIND_PROPERTIES},
		{"patternProperties", KIND_NAMED},
		{"$defs", KIND_NAMED},
		{"definitions", KIND_NAMED},
		{"dependentSchemas", KIND_NAMED},
		{"dependentRequired", KIND_NAMED},
		{"dependencies", KIND_NAMED},
		{"default", KIND_LITERAL},
		{"const", KIND_LITERAL},
		{"enum", KIND_LITERAL},
		{"examples", KIND_LITERAL},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
		if (json_string_is(key, slice_of(table[i].key)))
			return table[i].kind;
	}
	return KIND_SCHEMAS;
}

static bool search_schema(struct Search *search, struct Slice schema, bool reached, unsigned depth);

/* A value whose place no chain of properties leads to: every annotation in it is wrong. */
static bool search_elsewhere(struct Search *search, struct JsonValue value, unsigned depth)
{
	if (value.type == JSON_OBJECT)
		return search_schema(search, value.raw, false, depth);
	if (value.type != JSON_ARRAY)
		return true;
	if (depth >= SCHEMA_MAX_DEPTH)
		return fail_depth(search);
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, value.raw) {
		if (!search_elsewhere(search, item.value, depth + 1))
			return false;
	}
	return true;
}

/* Schemas under names; REACHED where the names are those of properties that are reached. */
static bool search_named(struct Search *search, struct JsonValue map, bool reached, unsigned depth)
{
	if (map.type != JSON_OBJECT)
		return search_elsewhere(search, map, depth);
	if (depth >= SCHEMA_MAX_DEPTH)
		return fail_depth(search);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, map.raw) {
		bool is_schema = member.value.type == JSON_OBJECT;
		if (!reached || !is_schema) {
			if (!search_elsewhere(search, member.value, depth + 1))
				return false;
			continue;
		}
		struct JsonValue key = {JSON_STRING, member.key};
		g_ptr_array_add(search->path, json_string_dup(key));
		bool good = search_schema(search, member.value.raw, true, depth + 1);
		g_ptr_array_set_size(search->path, (int)search->path->len - 1);
		if (!good)
			return false;
	}
	return true;
}

static bool search_member(struct Search *search, struct Slice schema,
	const struct JsonMember *member, bool reached, unsigned depth)
{
	switch (kind_of(member->key)) {
	case KIND_ANNOTATION:
		if (!reached || search->path->len == 0)
			return fail(search, "is at a place that properties alone do not lead to");
		return add_header(search, schema, member->value);
	case KIND_PROPERTIES:
		return search_named(search, member->value, reached, depth + 1);
	case KIND_NAMED:
		return search_named(search, member->value, false, depth + 1);
	case KIND_SCHEMAS:
		return search_elsewhere(search, member->value, depth + 1);
	case KIND_LITERAL:
		break;
	}
	return true;
}

/* SCHEMA is an object; REACHED: a chain of properties, which `path` holds, leads to it. */
static bool search_schema(struct Search *search, struct Slice schema, bool reached, unsigned depth)
{
	if (depth >= SCHEMA_MAX_DEPTH)
		return fail_depth(search);
	struct Slice first = json_get(schema, annotation).raw;
	struct Slice properties = json_get(schema, "properties").raw;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, schema) {
		enum Kind kind = kind_of(member.key);
		/* Of two members with one key the first counts; what the second holds is nowhere. */
		if (reached && kind == KIND_ANNOTATION && member.value.raw.data != first.data)
			continue;
		bool counts = kind != KIND_PROPERTIES || member.value.raw.data == properties.data;
		if (!search_member(search, schema, &member, reached && counts, depth))
			return false;
	}
	return true;
}

/* False where no key of TEXT can be `x-mcp-header`: it is not there as it stands, and no escape that
 * could stand for one of its characters is (\u002d and \u0061 to \u0078; the others are close). */
static bool may_be_annotated(struct Slice text)
{
	if (text.len == 0)
		return false;
	if (memmem(text.data, text.len, annotation, strlen(annotation)))
		return true;
	const char *at = text.data;
	const char *end = at + text.len;
	while ((at = memmem(at, (size_t)(end - at), "\\u00", 4))) {
		at += 4;
		if (at < end && (*at == '2' || *at == '6' || *at == '7'))
			return true;
	}
	return false;
}

bool param_headers_parse(struct Slice input_schema, struct ParamHeaders **out, char **why)
{
	if (!may_be_annotated(input_schema)) {
		*out = NULL;
		return true;
	}
	struct Search search = {
		.path = g_ptr_array_new_with_free_func(g_free),
		.headers = g_ptr_array_new_with_free_func(param_header_free),
	};
	bool good = search_schema(&search, input_schema, true, 0);
	g_ptr_array_unref(search.path);
	if (!good || search.headers->len == 0) {
		g_ptr_array_unref(search.headers);
		if (good)
			*out = NULL;
		else
			*why = search.why;
		return good;
	}
	*out = g_new0(struct ParamHeaders, 1);
	(*out)->headers = search.headers;
	return true;
}

static struct JsonValue value_at(struct JsonValue arguments, const GPtrArray *path)
{
	struct JsonValue value = arguments;
	for (unsigned i = 0; i < path->len; i++) {
		if (value.type != JSON_OBJECT)
			return (struct JsonValue){.type = JSON_NONE};
		value = json_get(value.raw, path->pdata[i]);
	}
	return value;
}

/* Appends VALUE as a header value; false if it is to be left out. */
static bool append_value(struct JsonValue value, GString *out)
{
	int64_t number = 0;
	switch (value.type) {
	case JSON_TRUE:
	case JSON_FALSE:
		g_string_append(out, value.type == JSON_TRUE ? "true" : "false");
		return true;
	case JSON_NUMBER:
		if (!json_int64(value, &number) || number > safe_integer || number < -safe_integer)
			return false;
		g_string_append_printf(out, "%" G_GINT64_FORMAT, number);
		return true;
	case JSON_STRING: {
		g_autofree char *text = json_string_dup(value);
		if (text)
			mcp_header_encode(slice_of(text), out);
		return text != NULL;
	}
	case JSON_NONE:
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	return false;
}

void param_headers_extract(const struct ParamHeaders *headers, struct JsonValue arguments,
	ParamHeaderEach *each, void *user)
{
	if (!headers)
		return;
	GString *text = g_string_new(NULL);
	for (unsigned i = 0; i < headers->headers->len; i++) {
		const struct ParamHeader *header = headers->headers->pdata[i];
		g_string_truncate(text, 0);
		if (append_value(value_at(arguments, header->path), text))
			each(header->name, text->str, user);
	}
	g_string_free(text, TRUE);
}
