/* The walking half of the JSON reader: members, strings and numbers of texts that json.c validated.
 *
 * In such a text a value ends where its brackets balance outside strings, and a string at the first
 * quote after an even number of backslashes, so this looks at little else. On text that was not
 * validated the answers mean nothing, but the reads stay inside the slice all the same. */
#include "format/json.h"

#include "format/json_bytes.h"

/* The end of the string whose opening quote is at P. */
static const char *string_end(const char *p, const char *end)
{
	for (const char *from = p + 1;;) {
		const char *quote = memchr(from, '"', (size_t)(end - from));
		if (!quote)
			return end;
		const char *slash = quote;
		while (slash > from && slash[-1] == '\\')
			slash--;
		if ((quote - slash) % 2 == 0)
			return quote + 1;
		from = quote + 1;
	}
}

/* The end of the container whose opening bracket is at P. */
static const char *container_end(const char *p, const char *end)
{
	size_t depth = 0;
	while (p < end) {
		switch (*p) {
		case '"':
			p = string_end(p, end);
			continue;
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			if (--depth == 0)
				return p + 1;
			break;
		default:
			break;
		}
		p++;
	}
	return end;
}

/* The end of the value at P, which is before END. */
static const char *value_end(const char *p, const char *end)
{
	if (*p == '"')
		return string_end(p, end);
	if (*p == '{' || *p == '[')
		return container_end(p, end);
	while (p < end && *p != ',' && *p != ']' && *p != '}' && !json_is_space(*p))
		p++;
	return p;
}

struct JsonValue json_root(struct Slice text)
{
	if (text.len == 0)
		return (struct JsonValue){0};
	const char *end = text.data + text.len;
	const char *p = json_skip_space(text.data, end);
	while (end > p && json_is_space(end[-1]))
		end--;
	return p < end ? json_value_between(p, end) : (struct JsonValue){0};
}

struct JsonIter json_iter(struct Slice container)
{
	struct JsonValue value = json_root(container);
	if ((value.type != JSON_ARRAY && value.type != JSON_OBJECT) || value.raw.len < 2)
		return (struct JsonIter){0};
	return (struct JsonIter){value.raw.data + 1, value.raw.data + value.raw.len - 1};
}

bool json_next(struct JsonIter *iter, struct JsonMember *member)
{
	const char *p = iter->at;
	const char *end = iter->end;
	while (p < end && (json_is_space(*p) || *p == ','))
		p++;
	if (p == end)
		return false;

	struct Slice key = {NULL, 0};
	const char *value = p;
	p = value_end(p, end);
	/* A colon can only follow a key. */
	const char *colon = *value == '"' ? json_skip_space(p, end) : end;
	if (colon < end && *colon == ':') {
		key = slice_between(value, p);
		value = json_skip_space(colon + 1, end);
		if (value == end)
			return false;
		p = value_end(value, end);
	}
	*member = (struct JsonMember){key, json_value_between(value, p)};
	/* In a text that was not validated, a stray bracket would stand still for ever. */
	iter->at = p > value ? p : end;
	return true;
}

struct JsonValue json_get(struct Slice object, const char *key)
{
	struct Slice plain = slice_of(key);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, object) {
		if (json_string_is(member.key, plain))
			return member.value;
	}
	return (struct JsonValue){0};
}

/* The same for at most 64 names. */
static bool has_duplicate(struct Slice object, const char *const *names, size_t n)
{
	uint64_t seen = 0;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, object) {
		for (size_t i = 0; i < n; i++) {
			if (!json_string_is(member.key, slice_of(names[i])))
				continue;
			if (seen >> i & 1)
				return true;
			seen |= (uint64_t)1 << i;
		}
	}
	return false;
}

bool json_has_duplicate(struct Slice object, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i += 64)
		if (has_duplicate(object, names + i, MIN(n - i, 64)))
			return true;
	return false;
}

/* The text between the quotes; false if RAW is no string. */
static bool string_inside(struct Slice raw, struct Slice *inside)
{
	if (raw.len < 2 || raw.data[0] != '"')
		return false;
	*inside = (struct Slice){raw.data + 1, raw.len - 2};
	return true;
}

/* The code unit of the \uXXXX at P; -1 if there is none. */
static int code_unit(const char *p, const char *end)
{
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return -1;
	int unit = 0;
	for (int i = 2; i < 6; i++)
		unit = unit << 4 | (g_ascii_xdigit_value(p[i]) & 15);
	return unit;
}

/* Decodes the escape at P into UTF8 of N bytes. Returns the escape's end, or NULL at a lone
 * surrogate. */
static const char *decode_escape(const char *p, const char *end, char utf8[6], size_t *n)
{
	static const char from[] = "\"\\/bfnrt";
	static const char to[] = "\"\\/\b\f\n\r\t";
	int unit = code_unit(p, end);
	if (unit < 0) {
		const char *found = end - p >= 2 ? memchr(from, p[1], sizeof(from) - 1) : NULL;
		if (!found)
			return NULL;
		utf8[0] = to[found - from];
		*n = 1;
		return p + 2;
	}
	gunichar c = (gunichar)unit;
	p += 6;
	if (c >= 0xd800 && c < 0xe000) {
		int low = code_unit(p, end);
		if (c >= 0xdc00 || low < 0xdc00 || low >= 0xe000)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10) + ((gunichar)low - 0xdc00);
		p += 6;
	}
	*n = (size_t)g_unichar_to_utf8(c, utf8);
	return p;
}

bool json_string_is(struct Slice raw_string, struct Slice plain)
{
	struct Slice inside;
	/* No escape is shorter than what it stands for. */
	if (!string_inside(raw_string, &inside) || inside.len < plain.len)
		return false;
	if (!plain.data)
		plain.data = ""; /* memcmp takes no NULL, not even to compare nothing */
	const char *p = inside.data;
	const char *end = p + inside.len;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		size_t run = (size_t)((escape ? escape : end) - p);
		if (run > plain.len || memcmp(p, plain.data, run) != 0)
			return false;
		if (!escape)
			return run == plain.len;
		plain = (struct Slice){plain.data + run, plain.len - run};
		char utf8[6];
		size_t n;
		p = decode_escape(escape, end, utf8, &n);
		if (!p || n > plain.len || memcmp(utf8, plain.data, n) != 0)
			return false;
		plain = (struct Slice){plain.data + n, plain.len - n};
	}
	return plain.len == 0;
}

bool json_string_decode(struct Slice raw_string, GString *out)
{
	struct Slice inside;
	if (!string_inside(raw_string, &inside))
		return false;
	size_t before = out->len;
	const char *p = inside.data;
	const char *end = p + inside.len;
	while (p < end) {
		const char *escape = memchr(p, '\\', (size_t)(end - p));
		g_string_append_len(out, p, (escape ? escape : end) - p);
		if (!escape)
			break;
		char utf8[6];
		size_t n;
		p = decode_escape(escape, end, utf8, &n);
		if (!p || utf8[0] == '\0') {
			g_string_truncate(out, before);
			return false;
		}
		g_string_append_len(out, utf8, (gssize)n);
	}
	return true;
}

char *json_string_dup(struct JsonValue value)
{
	if (value.type != JSON_STRING)
		return NULL;
	GString *out = g_string_sized_new(value.raw.len);
	bool ok = json_string_decode(value.raw, out);
	return g_string_free(out, !ok);
}

/* A number as coefficient * 10^exponent, the coefficient without leading or trailing zeros. */
struct Decimal {
	bool negative;
	size_t digits; /* significant digits of the coefficient; 0 for zero */
	uint64_t coefficient; /* right while digits <= 19 */
	int64_t exponent;
};

/* Exponents are cut here: no text is long enough for its zeros to make up for more. */
static const int64_t EXPONENT_LIMIT = (int64_t)1 << 60;

static int64_t read_exponent(const char *p, const char *end)
{
	bool negative = p < end && *p == '-';
	if (p < end && (*p == '-' || *p == '+'))
		p++;
	int64_t exponent = 0;
	for (; p < end && json_is_digit(*p) && exponent < EXPONENT_LIMIT / 16; p++)
		exponent = exponent * 10 + (*p - '0');
	return negative ? -exponent : exponent;
}

static struct Decimal read_decimal(struct Slice raw)
{
	struct Decimal d = {0};
	const char *p = raw.data;
	const char *end = p + raw.len;
	if (p < end && *p == '-') {
		d.negative = true;
		p++;
	}
	bool fraction = false;
	size_t zeros = 0; /* after the last significant digit */
	for (; p < end && (json_is_digit(*p) || *p == '.'); p++) {
		if (*p == '.') {
			fraction = true;
			continue;
		}
		d.exponent -= fraction;
		if (*p == '0') {
			zeros += d.digits > 0;
			continue;
		}
		/* May wrap; the count of digits tells. */
		for (size_t i = 0; i <= zeros && i < 20; i++)
			d.coefficient *= 10;
		d.coefficient += (uint64_t)(*p - '0');
		d.digits += zeros + 1;
		zeros = 0;
	}
	d.exponent += (int64_t)zeros;
	if (p < end)
		d.exponent += read_exponent(p + 1, end);
	return d;
}

bool json_is_integer(struct JsonValue value)
{
	if (value.type != JSON_NUMBER)
		return false;
	struct Decimal d = read_decimal(value.raw);
	return d.digits == 0 || d.exponent >= 0;
}

bool json_int64(struct JsonValue value, int64_t *out)
{
	if (value.type != JSON_NUMBER)
		return false;
	struct Decimal d = read_decimal(value.raw);
	if (d.digits == 0)
		d.exponent = 0;
	if (d.exponent < 0 || d.exponent > 19 - (int64_t)d.digits)
		return false;
	uint64_t magnitude = d.coefficient;
	for (int64_t i = 0; i < d.exponent; i++)
		magnitude *= 10;
	if (magnitude > (uint64_t)INT64_MAX + d.negative)
		return false;
	*out = (int64_t)(d.negative ? -magnitude : magnitude);
	return true;
}

const char *json_find_members(
	struct Slice object, const char *const *keys, unsigned n, struct JsonValue *values)
{
	const char *twice = NULL;
	struct JsonMember member;
	for (unsigned i = 0; i < n; i++)
		values[i] = (struct JsonValue){.type = JSON_NONE};
	JSON_FOR_EACH_MEMBER (member, object) {
		for (unsigned i = 0; i < n; i++) {
			if (!json_string_is(member.key, slice_of(keys[i])))
				continue;
			if (values[i].type == JSON_NONE)
				values[i] = member.value;
			else
				twice = keys[i];
			break;
		}
	}
	return twice;
}
