/* The validating half of the JSON reader; json_value.c is the half that walks what was validated.
 *
 * The scanner trusts nothing and allocates nothing. It is a loop over three steps - a key is due, a
 * value is due, a value was read - with one bit for each open container that says whether it is an
 * object. Each step takes the place to read from and returns the place behind what it read, or NULL
 * after it noted the fault. Strings go eight bytes at a time while they are plain ASCII. */
#include "format/json.h"

#include "format/json_bytes.h"

enum Step { STEP_KEY, STEP_VALUE, STEP_READ };

struct Scanner {
	const char *end;
	enum Step step;
	unsigned depth;
	uint64_t
		objects[JSON_MAX_DEPTH / 64]; /* bit N: the container at depth N + 1 is an object */
	const char *value; /* the outermost value's first byte */
	struct Slice key; /* of the member at depth 1 that is being read */
	const char *member; /* its value's first byte */
	JsonEach *each;
	void *user;
	const char *fault_at;
	const char *reason;
};

static const char *fail(struct Scanner *s, const char *at, const char *reason)
{
	s->fault_at = at;
	s->reason = at == s->end ? "the text ends early" : reason;
	return NULL;
}

/* The length of the escape at P, a backslash; 0 if it is none. */
static size_t escape_len(const char *p, const char *end)
{
	if (end - p < 2)
		return 0;
	switch (p[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return 2;
	case 'u':
		if (end - p < 6)
			return 0;
		for (int i = 2; i < 6; i++)
			if (!g_ascii_isxdigit(p[i]))
				return 0;
		return 6;
	default:
		return 0;
	}
}

/* The end of the run of characters beyond ASCII at P, or NULL. */
static const char *scan_utf8(struct Scanner *s, const char *p)
{
	do {
		size_t n = json_utf8_len(p, s->end);
		if (n == 0)
			return fail(s, p, "invalid UTF-8");
		p += n;
	} while (p < s->end && (unsigned char)*p >= 0x80);
	return p;
}

/* P is behind the opening quote. */
static const char *scan_string(struct Scanner *s, const char *p)
{
	while (p) {
		p = json_skip_plain(p, s->end);
		if (p == s->end)
			return fail(s, p, "");
		if (*p == '"')
			return p + 1;
		if (*p == '\\') {
			size_t n = escape_len(p, s->end);
			p = n ? p + n : fail(s, p, "a bad escape in a string");
		} else if ((unsigned char)*p < 0x20) {
			p = fail(s, p, "a control character in a string");
		} else {
			p = scan_utf8(s, p);
		}
	}
	return NULL;
}

static const char *scan_digits(struct Scanner *s, const char *p)
{
	if (p == s->end || !json_is_digit(*p))
		return fail(s, p, "a digit is missing in a number");
	while (p < s->end && json_is_digit(*p))
		p++;
	return p;
}

static const char *scan_number(struct Scanner *s, const char *p)
{
	if (*p == '-')
		p++;
	if (p < s->end && *p == '0') {
		p++;
	} else {
		p = scan_digits(s, p);
		if (!p)
			return NULL;
	}
	if (p < s->end && *p == '.') {
		p = scan_digits(s, p + 1);
		if (!p)
			return NULL;
	}
	if (p < s->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < s->end && (*p == '+' || *p == '-'))
			p++;
		p = scan_digits(s, p);
	}
	return p;
}

static const char *scan_word(struct Scanner *s, const char *p, struct Slice word)
{
	if ((size_t)(s->end - p) < word.len || memcmp(p, word.data, word.len) != 0)
		return fail(s, p, "an unknown word");
	return p + word.len;
}

static inline bool in_object(const struct Scanner *s)
{
	unsigned top = s->depth - 1;
	return s->objects[top / 64] >> (top % 64) & 1;
}

/* P is at the opening bracket. */
static const char *open_container(struct Scanner *s, const char *p)
{
	bool object = *p == '{';
	if (s->depth == JSON_MAX_DEPTH)
		return fail(s, p, "nested too deep");
	unsigned top = s->depth++;
	uint64_t bit = (uint64_t)1 << (top % 64);
	if (object)
		s->objects[top / 64] |= bit;
	else
		s->objects[top / 64] &= ~bit;

	p = json_skip_space(p + 1, s->end);
	s->step = object ? STEP_KEY : STEP_VALUE;
	if (p < s->end && *p == (object ? '}' : ']')) {
		s->depth--;
		s->step = STEP_READ;
		p++;
	}
	return p;
}

static const char *scan_key(struct Scanner *s, const char *p)
{
	if (p == s->end || *p != '"')
		return fail(s, p, "a member's key is missing");
	const char *key = p;
	p = scan_string(s, p + 1);
	if (!p)
		return NULL;
	if (s->depth == 1)
		s->key = slice_between(key, p);
	p = json_skip_space(p, s->end);
	if (p == s->end || *p != ':')
		return fail(s, p, "a colon is missing after a key");
	s->step = STEP_VALUE;
	return json_skip_space(p + 1, s->end);
}

static const char *scan_value(struct Scanner *s, const char *p)
{
	if (p == s->end)
		return fail(s, p, "");
	if (s->depth == 0)
		s->value = p;
	else if (s->depth == 1)
		s->member = p;
	s->step = STEP_READ;
	switch (*p) {
	case '"':
		return scan_string(s, p + 1);
	case '{':
	case '[':
		return open_container(s, p);
	case 't':
		return scan_word(s, p, SLICE("true"));
	case 'f':
		return scan_word(s, p, SLICE("false"));
	case 'n':
		return scan_word(s, p, SLICE("null"));
	case '-':
	case '0' ... '9':
		return scan_number(s, p);
	default:
		return fail(s, p, "a value is missing");
	}
}

static bool report_member(struct Scanner *s, const char *end)
{
	struct JsonMember member = {s->key, json_value_between(s->member, end)};
	return s->each(&member, s->user);
}

/* P is behind a value inside a container. */
static const char *scan_after(struct Scanner *s, const char *p)
{
	if (s->depth == 1 && s->each && !report_member(s, p)) {
		s->fault_at = p;
		s->reason = "stopped";
		return NULL;
	}
	p = json_skip_space(p, s->end);
	bool object = in_object(s);
	if (p < s->end && *p == ',') {
		s->step = object ? STEP_KEY : STEP_VALUE;
		return json_skip_space(p + 1, s->end);
	}
	if (p == s->end || *p != (object ? '}' : ']'))
		return fail(s, p, "a comma or closing bracket is missing");
	s->depth--;
	return p + 1;
}

/* The end of the outermost value, which starts at P, or NULL. */
static const char *scan_document(struct Scanner *s, const char *p)
{
	while (p) {
		switch (s->step) {
		case STEP_KEY:
			p = scan_key(s, p);
			break;
		case STEP_VALUE:
			p = scan_value(s, p);
			break;
		case STEP_READ:
			if (s->depth == 0)
				return p;
			p = scan_after(s, p);
			break;
		}
	}
	return NULL;
}

bool json_scan(struct Slice text, JsonEach *each, void *user, struct JsonValue *root,
	struct JsonFault *fault)
{
	const char *start = text.data ? text.data : "";
	struct Scanner s = {
		.end = start + text.len, .step = STEP_VALUE, .each = each, .user = user};
	const char *end = scan_document(&s, json_skip_space(start, s.end));
	if (end) {
		const char *rest = json_skip_space(end, s.end);
		if (rest < s.end) {
			fail(&s, rest, "something follows the value");
			end = NULL;
		}
	}
	if (!end) {
		if (fault)
			*fault = (struct JsonFault){(size_t)(s.fault_at - start), s.reason};
		return false;
	}
	if (root)
		*root = json_value_between(s.value, end);
	return true;
}

bool json_validate(struct Slice text, struct JsonFault *fault)
{
	return json_scan(text, NULL, NULL, NULL, fault);
}

static void blank_each(char *text, size_t len, char byte)
{
	char *end = text + len;
	for (char *p = text; (p = memchr(p, byte, (size_t)(end - p))); p++)
		*p = ' ';
}

void json_make_one_line(char *text, size_t len)
{
	if (len == 0)
		return;
	blank_each(text, len, '\n');
	blank_each(text, len, '\r');
}
