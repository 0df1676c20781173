/* Definitions come from peers, so what is done here takes time in proportion to their size.
 *
 * The canonical text is made in two passes. The first copies tokens in the order in which they came, strings in their
 * one spelling, and notes where objects and their members lie. The second copies the members in the order of their
 * names, each byte once. Only the second recurses, as deep as the reader lets definitions nest (JSON_MAX_DEPTH). */
#include "format/definition.h"

#include "format/json_bytes.h"

struct Member {
	uint32_t start, end; /* of key and value in the text */
	uint32_t key_end;
	uint32_t objects; /* number of the first object inside */
};

struct Object {
	uint32_t start, end;
	uint32_t first, count; /* of its members */
	uint32_t after; /* number of the first object behind it */
};

/* A container that is open. */
struct Opened {
	bool is_object;
	uint32_t object; /* its number */
	uint32_t pending; /* where its members begin among those of open objects */
};

struct Parts {
	GString *text;
	GArray *objects; /* struct Object, in the order in which they begin */
	GArray *members; /* struct Member, those of one object together */
	GArray *pending; /* the same, of objects that are open */
	GArray *opened; /* struct Opened */
	bool key_due;
};

static void append_unit(GString *out, unsigned unit)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *found = unit && unit < 0x80 ? strchr(from, (int)unit) : NULL;
	if (found) {
		g_string_append_c(out, '\\');
		g_string_append_c(out, to[found - from]);
	} else if (unit < 0x20 || (unit >= 0xd800 && unit < 0xe000)) {
		g_string_append_printf(out, "\\u%04x", unit);
	} else {
		g_string_append_unichar(out, unit);
	}
}

/* The code unit whose four digits are at P. */
static unsigned read_unit(const char *p)
{
	unsigned unit = 0;
	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (unsigned)(g_ascii_xdigit_value(p[i]) & 15);
	return unit;
}

/* The escape at P, behind the backslash; its end. */
static const char *append_escape(GString *out, const char *p)
{
	if (*p == '/') {
		g_string_append_c(out, '/');
		return p + 1;
	}
	if (*p != 'u') {
		g_string_append_c(out, '\\');
		g_string_append_c(out, *p);
		return p + 1;
	}
	unsigned unit = read_unit(p + 1);
	p += 5;
	if (unit >= 0xd800 && unit < 0xdc00 && p[0] == '\\' && p[1] == 'u') {
		unsigned low = read_unit(p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
			p += 6;
		}
	}
	append_unit(out, unit);
	return p;
}

/* The string whose opening quote is at P, in its one spelling; its end. */
static const char *append_string(GString *out, const char *p)
{
	const char *run = p++;
	while (*p != '"') {
		if (*p != '\\') {
			p++;
			continue;
		}
		g_string_append_len(out, run, p - run);
		p = run = append_escape(out, p + 1);
	}
	p++;
	g_string_append_len(out, run, p - run);
	return p;
}

static struct Opened *innermost(const struct Parts *parts)
{
	return &g_array_index(parts->opened, struct Opened, parts->opened->len - 1);
}

static void open_container(struct Parts *parts, char bracket)
{
	struct Opened opened = {
		.is_object = bracket == '{',
		.object = parts->objects->len,
		.pending = parts->pending->len,
	};
	if (opened.is_object) {
		struct Object object = {.start = (uint32_t)parts->text->len};
		g_array_append_val(parts->objects, object);
	}
	g_array_append_val(parts->opened, opened);
	g_string_append_c(parts->text, bracket);
	parts->key_due = opened.is_object;
}

static void begin_member(struct Parts *parts)
{
	struct Member member = {
		.start = (uint32_t)parts->text->len,
		.objects = parts->objects->len,
	};
	g_array_append_val(parts->pending, member);
	parts->key_due = false;
}

static struct Member *last_pending(const struct Parts *parts)
{
	return &g_array_index(parts->pending, struct Member, parts->pending->len - 1);
}

/* The value that was copied last is complete. */
static void end_value(struct Parts *parts)
{
	if (innermost(parts)->is_object)
		last_pending(parts)->end = (uint32_t)parts->text->len;
}

static int by_key(const void *a, const void *b, void *user)
{
	const struct Member *one = a, *other = b;
	const GString *text = user;
	/* Without the quotes, of which the closing one would sort with the letters. */
	size_t one_len = one->key_end - one->start - 2,
	       other_len = other->key_end - other->start - 2;
	int order = memcmp(
		text->str + one->start + 1, text->str + other->start + 1, MIN(one_len, other_len));
	return order ? order : (one_len > other_len) - (one_len < other_len);
}

static void close_container(struct Parts *parts, char bracket)
{
	struct Opened opened = *innermost(parts);
	g_array_set_size(parts->opened, parts->opened->len - 1);
	g_string_append_c(parts->text, bracket);
	if (!opened.is_object)
		return;
	unsigned count = parts->pending->len - opened.pending;
	struct Object *object = &g_array_index(parts->objects, struct Object, opened.object);
	object->end = (uint32_t)parts->text->len;
	object->first = parts->members->len;
	object->count = count;
	object->after = parts->objects->len;
	if (count == 0)
		return;
	struct Member *members = &g_array_index(parts->pending, struct Member, opened.pending);
	g_qsort_with_data(members, (int)count, sizeof(*members), by_key, parts->text); /* stable */
	g_array_append_vals(parts->members, members, count);
	g_array_set_size(parts->pending, opened.pending);
}

static const char *copy_string(struct Parts *parts, const char *p)
{
	bool is_key = parts->key_due;
	if (is_key)
		begin_member(parts);
	p = append_string(parts->text, p);
	if (is_key)
		last_pending(parts)->key_end = (uint32_t)parts->text->len;
	else
		end_value(parts);
	return p;
}

/* A number or a word. */
static const char *copy_plain(struct Parts *parts, const char *p, const char *end)
{
	const char *from = p;
	while (p < end && !json_is_space(*p) && *p != ',' && *p != ']' && *p != '}')
		p++;
	g_string_append_len(parts->text, from, p - from);
	end_value(parts);
	return p;
}

/* The container that begins at P is opened; an empty one, of which there may be many, is copied. */
static const char *copy_opening(struct Parts *parts, const char *p, const char *end)
{
	const char *inside = json_skip_space(p + 1, end);
	if (*p == '[' || *inside != '}') {
		open_container(parts, *p);
		return p + 1;
	}
	g_string_append_len(parts->text, "{}", 2);
	end_value(parts);
	return inside + 1;
}

/* The first pass over one value, of a member of the object that is open. */
static void copy_value(struct Parts *parts, struct Slice value)
{
	const char *p = value.data;
	const char *end = p + value.len;
	while (p < end) {
		switch (*p) {
		case '{':
		case '[':
			p = copy_opening(parts, p, end);
			break;
		case '}':
		case ']':
			close_container(parts, *p++);
			end_value(parts);
			break;
		case ',':
			parts->key_due = innermost(parts)->is_object;
			if (!parts->key_due)
				g_string_append_c(parts->text, ',');
			p++;
			break;
		case ':':
			g_string_append_c(parts->text, *p++);
			break;
		case '"':
			p = copy_string(parts, p);
			break;
		default:
			p = json_is_space(*p) ? p + 1 : copy_plain(parts, p, end);
			break;
		}
	}
}

static void emit_object(const struct Parts *parts, const struct Object *object, GString *out);

/* The second pass over one member. */
static void emit_member(const struct Parts *parts, const struct Member *member, GString *out)
{
	uint32_t at = member->start;
	for (uint32_t i = member->objects; i < parts->objects->len;) {
		const struct Object *object = &g_array_index(parts->objects, struct Object, i);
		if (object->start >= member->end)
			break;
		g_string_append_len(out, parts->text->str + at, object->start - at);
		emit_object(parts, object, out);
		at = object->end;
		i = object->after;
	}
	g_string_append_len(out, parts->text->str + at, member->end - at);
}

static void emit_object(const struct Parts *parts, const struct Object *object, GString *out)
{
	g_string_append_c(out, '{');
	for (uint32_t i = 0; i < object->count; i++) {
		if (i > 0)
			g_string_append_c(out, ',');
		emit_member(parts, &g_array_index(parts->members, struct Member, object->first + i),
			out);
	}
	g_string_append_c(out, '}');
}

static bool is_pinned(struct Slice raw_key)
{
	static const char *const pinned[] = {
		"name", "title", "description", "inputSchema", "outputSchema", "annotations"};
	for (size_t i = 0; i < G_N_ELEMENTS(pinned); i++) {
		if (json_string_is(raw_key, slice_of(pinned[i])))
			return true;
	}
	return false;
}

char *definition_canonical(struct Slice tool, size_t *len)
{
	struct Parts parts = {
		.text = g_string_sized_new(tool.len),
		.objects = g_array_new(FALSE, FALSE, sizeof(struct Object)),
		.members = g_array_new(FALSE, FALSE, sizeof(struct Member)),
		.pending = g_array_new(FALSE, FALSE, sizeof(struct Member)),
		.opened = g_array_new(FALSE, FALSE, sizeof(struct Opened)),
	};
	g_assert(tool.len < UINT32_MAX);
	struct JsonMember member;
	open_container(&parts, '{');
	JSON_FOR_EACH_MEMBER (member, tool) {
		if (!is_pinned(member.key))
			continue;
		parts.key_due = true;
		copy_string(&parts, member.key.data);
		g_string_append_c(parts.text, ':');
		copy_value(&parts, member.value.raw);
	}
	close_container(&parts, '}');
	GString *out = g_string_sized_new(parts.text->len + parts.members->len);
	emit_object(&parts, &g_array_index(parts.objects, struct Object, 0), out);
	g_string_free(parts.text, TRUE);
	g_array_unref(parts.objects);
	g_array_unref(parts.members);
	g_array_unref(parts.pending);
	g_array_unref(parts.opened);
	*len = out->len;
	return g_string_free(out, FALSE);
}
