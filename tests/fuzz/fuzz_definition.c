/* Any definition, and any two of them. The canonical text is JSON of at most the same length, is its own canonical text,
 * and does not depend on white space, escapes and the order of members. A difference is empty for equals alone; its
 * lines are short, and nothing in them is hidden. */
#include "format/definition.h"
#include "format/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Numbers for the re-serialisation, made of the input. */
static uint32_t seed;

static unsigned next(unsigned below)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % below;
}

static void write_space(GString *out)
{
	static const char spaces[] = " \n\t\r";
	if (next(4) == 0)
		g_string_append_c(out, spaces[next(4)]);
}

/* A raw string with other escapes that mean the same. */
static void write_string(GString *out, struct Slice raw)
{
	g_autoptr(GString) plain = g_string_new(NULL);
	if (!json_string_decode(raw, plain)) { /* NUL or a lone surrogate */
		g_string_append_len(out, raw.data, (gssize)raw.len);
		return;
	}
	g_string_append_c(out, '"');
	for (const char *p = plain->str; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		bool must = c < 0x20 || c == '"' || c == '\\';
		if (c > 0xffff && next(2))
			g_string_append_printf(out, "\\u%04X\\u%04x",
				0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
		else if (must || (c <= 0xffff && next(3) == 0))
			g_string_append_printf(out, next(2) ? "\\u%04x" : "\\u%04X", c);
		else
			g_string_append_unichar(out, c);
	}
	g_string_append_c(out, '"');
}

static void write_value(GString *out, struct JsonValue value);

static void write_member(GString *out, const struct JsonMember *member)
{
	write_space(out);
	if (member->key.len) {
		write_string(out, member->key);
		write_space(out);
		g_string_append_c(out, ':');
		write_space(out);
	}
	write_value(out, member->value);
	write_space(out);
}

static bool is_same_key(const struct JsonMember *a, const struct JsonMember *b)
{
	g_autoptr(GString) one = g_string_new(NULL), other = g_string_new(NULL);
	/* What cannot be decoded is not moved. */
	if (!json_string_decode(a->key, one) || !json_string_decode(b->key, other))
		return true;
	return g_string_equal(one, other);
}

/* Members change places, but for those of equal names. */
static void write_container(GString *out, struct JsonValue value)
{
	g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(struct JsonMember));
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, value.raw)
		g_array_append_val(members, member);
	for (unsigned i = 0; value.type == JSON_OBJECT && i + 1 < members->len; i++) {
		struct JsonMember *a = &g_array_index(members, struct JsonMember, i);
		struct JsonMember *b = &g_array_index(members, struct JsonMember, i + 1);
		if (next(2) == 0 || is_same_key(a, b))
			continue;
		member = *a;
		*a = *b;
		*b = member;
	}
	g_string_append_c(out, value.raw.data[0]);
	for (unsigned i = 0; i < members->len; i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		write_member(out, &g_array_index(members, struct JsonMember, i));
	}
	write_space(out);
	g_string_append_c(out, value.type == JSON_OBJECT ? '}' : ']');
}

static void write_value(GString *out, struct JsonValue value)
{
	if (value.type == JSON_OBJECT || value.type == JSON_ARRAY)
		write_container(out, value);
	else if (value.type == JSON_STRING)
		write_string(out, value.raw);
	else
		g_string_append_len(out, value.raw.data, (gssize)value.raw.len);
}

static char *canonical(struct Slice tool, size_t *len)
{
	char *text = definition_canonical(tool, len);
	g_assert_cmpuint(*len, <=, tool.len);
	g_assert_true(json_validate((struct Slice){text, *len}, NULL));
	return text;
}

static void check_canonical(struct Slice tool, struct Slice expected)
{
	size_t len = 0;
	g_autofree char *text = canonical(tool, &len);
	g_assert_true(slice_eq((struct Slice){text, len}, expected));
}

static void check_line(const char *line)
{
	g_assert_true(*line == '-' || *line == '+' || *line == ' ');
	g_assert_cmpuint(strlen(line), <=, DEFINITION_LINE_BYTES);
	g_assert_true(g_utf8_validate(line, -1, NULL));
	for (const char *p = line; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		GUnicodeType type = g_unichar_type(c);
		g_assert_true(type != G_UNICODE_CONTROL && type != G_UNICODE_FORMAT &&
			      type != G_UNICODE_LINE_SEPARATOR);
		g_assert_true(c == ' ' || type != G_UNICODE_SPACE_SEPARATOR);
		g_assert_true(c < 0xe0000 || c > 0xe0fff);
	}
}

static void check_diff(struct Slice old, struct Slice new_one)
{
	g_autoptr(GPtrArray) lines = definition_diff(old, new_one);
	bool changes = false;
	for (unsigned i = 0; i < lines->len; i++) {
		const char *line = lines->pdata[i];
		check_line(line);
		changes |= *line != ' ';
	}
	g_assert_true(changes == !slice_eq(old, new_one));
	g_assert_true(changes || lines->len == 0);
}

/* The first part of the input up to a NUL is one definition, the rest another one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	g_autofree char *copy = g_memdup2(data, size);
	const char *end = memchr(copy, '\0', size);
	size_t first = end ? (size_t)(end - copy) : size;
	struct Slice parts[] = {{copy, first}, {copy + first + !!end, size - first - !!end}};
	char *texts[2] = {NULL, NULL};
	struct Slice canonicals[2] = {{NULL, 0}, {NULL, 0}};
	for (unsigned i = 0; i < 2; i++) {
		if (!json_validate(parts[i], NULL))
			continue;
		struct JsonValue root = json_root(parts[i]);
		if (root.type != JSON_OBJECT)
			continue;
		size_t len = 0;
		texts[i] = canonical(root.raw, &len);
		canonicals[i] = (struct Slice){texts[i], len};
		check_canonical(canonicals[i], canonicals[i]);
		g_autoptr(GString) other = g_string_new(NULL);
		seed = (uint32_t)(size * 2654435761U + first);
		write_value(other, root);
		check_canonical((struct Slice){other->str, other->len}, canonicals[i]);
	}
	check_diff(canonicals[0], canonicals[1]);
	check_diff(canonicals[1], canonicals[0]);
	g_free(texts[0]);
	g_free(texts[1]);
	return 0;
}
