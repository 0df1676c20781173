/* A template and a URI, divided by the first NUL, and bytes behind the second that give the variables values. Small ones
 * are matched in the naive way too, one choice after the other; an expansion of the template by RFC 6570 matches; and no
 * template takes long. */
#include "format/uri_template.h"

#include "base/slice.h"

#include <stdint.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TRIES_MAX = 20000, LONG_URI = 4096, NAMES_MAX = 64 };

struct Name {
	struct Slice text;
	unsigned prefix;
	bool explode;
};

struct Expression {
	char sign; /* '\0': none */
	unsigned n;
	struct Name names[NAMES_MAX];
};

static bool is_escape(const char *p)
{
	return p[0] == '%' && g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2]);
}

/* Reads the expression behind the `{` before P, of a template that was taken. Returns what follows its `}`. */
static const char *read_expression(const char *p, struct Expression *out)
{
	*out = (struct Expression){0};
	if (strchr("+#./;?&", *p))
		out->sign = *p++;
	const char *end = strchr(p, '}');
	g_autofree char *list = g_strndup(p, (gsize)(end - p));
	g_auto(GStrv) parts = g_strsplit(list, ",", -1);
	for (unsigned i = 0; parts[i]; i++) {
		if (i == NAMES_MAX)
			abort();
		size_t len = strcspn(parts[i], ":*");
		out->names[out->n++] = (struct Name){
			.text = {p, len},
			.prefix = parts[i][len] == ':'
					  ? (unsigned)g_ascii_strtoull(parts[i] + len + 1, NULL, 10)
					  : 0,
			.explode = parts[i][len] == '*',
		};
		p += strlen(parts[i]) + 1;
	}
	return end + 1;
}

/* --- the naive way: try everything --- */

struct Trial {
	const char *uri;
	const uint8_t *begins; /* whether a character begins at each place */
	unsigned tries;
};

static bool match_rest(struct Trial *trial, const char *text, const char *uri);

static char lead_of(char sign, bool first)
{
	if (first)
		return sign == '+' ? '\0' : sign;
	return sign == '\0' || sign == '+' || sign == '#' ? ',' : sign == '?' ? '&' : sign;
}

static bool is_value_char(char sign, char c)
{
	if (c == '\0')
		return false;
	if (sign == '+' || sign == '#')
		return true;
	return c != '/' && c != '?' && c != '#' && !((sign == '?' || sign == '&') && c == '&');
}

static bool match_names(struct Trial *trial, const struct Expression *expression, unsigned i,
	bool first, const char *from, const char *uri, const char *text);

/* After the value of name I, which ended at URI. */
static bool match_next(struct Trial *trial, const struct Expression *expression, unsigned i,
	const char *from, const char *uri, const char *text)
{
	return match_names(trial, expression, i + 1, false, from, uri, text);
}

/* Values, or pairs, of an exploded name one after the other. */
static bool match_exploded(struct Trial *trial, const struct Expression *expression, unsigned i,
	const char *from, const char *uri, const char *text)
{
	char sign = expression->sign;
	bool named = strchr(";?&", sign) && sign;
	bool equals = false;
	for (const char *p = uri;; p++) {
		if (++trial->tries > TRIES_MAX)
			return false;
		bool complete = !named || equals || (sign == ';' && p > uri);
		if (complete && match_next(trial, expression, i, from, p, text))
			return true;
		if (complete && *p == lead_of(sign, false) &&
			match_exploded(trial, expression, i, from, p + 1, text))
			return true;
		if (!is_value_char(sign, *p) || (named && p == uri && *p == '='))
			return false;
		equals = equals || *p == '=';
	}
}

static bool match_value(struct Trial *trial, const struct Expression *expression, unsigned i,
	const char *from, const char *uri, const char *text)
{
	unsigned prefix = expression->names[i].prefix;
	unsigned chars = 0;
	for (const char *p = uri;; p++) {
		if (++trial->tries > TRIES_MAX)
			return false;
		if (match_next(trial, expression, i, from, p, text))
			return true;
		if (!is_value_char(expression->sign, *p))
			return false;
		chars += trial->begins[p - trial->uri];
		if (prefix && chars > prefix)
			return false;
	}
}

/* The expression's names from I on; FIRST: none has a value yet. It began at FROM. */
static bool match_names(struct Trial *trial, const struct Expression *expression, unsigned i,
	bool first, const char *from, const char *uri, const char *text)
{
	char sign = expression->sign;
	if (++trial->tries > TRIES_MAX)
		return false;
	if (i == expression->n)
		return (sign || uri > from) && match_rest(trial, text, uri);
	if (match_names(trial, expression, i + 1, first, from, uri, text))
		return true;
	char lead = lead_of(sign, first);
	if (lead && *uri++ != lead)
		return false;
	const struct Name *name = &expression->names[i];
	if (name->explode)
		return match_exploded(trial, expression, i, from, uri, text);
	if (!sign || !strchr(";?&", sign))
		return match_value(trial, expression, i, from, uri, text);
	if (strncmp(uri, name->text.data, name->text.len) != 0)
		return false;
	uri += name->text.len;
	if (sign == ';' && match_next(trial, expression, i, from, uri, text))
		return true;
	return *uri == '=' && match_value(trial, expression, i, from, uri + 1, text);
}

static bool match_rest(struct Trial *trial, const char *text, const char *uri)
{
	for (; *text && *text != '{'; text++, uri++) {
		if (*text != *uri)
			return false;
	}
	if (!*text)
		return !*uri;
	struct Expression expression;
	text = read_expression(text + 1, &expression);
	return match_names(trial, &expression, 0, true, uri, uri, text);
}

static void check_naively(const struct UriTemplate *uri_template, const char *text, const char *uri)
{
	size_t len = strlen(uri);
	if (len > 64 || !g_str_is_ascii(text))
		return;
	uint8_t begins[65] = {0};
	for (size_t i = 0; i < len;) {
		bool escape = is_escape(uri + i);
		unsigned c = escape ? (unsigned)g_ascii_xdigit_value(uri[i + 1]) << 4
				    : (unsigned char)uri[i];
		begins[i] = (c & 0xc0) != 0x80;
		i += escape ? 3 : 1;
	}
	struct Trial trial = {.uri = uri, .begins = begins};
	bool expected = match_rest(&trial, text, uri);
	if (trial.tries <= TRIES_MAX && uri_template_matches(uri_template, uri) != expected)
		abort();
}

/* --- expansions --- */

struct Choices {
	const uint8_t *data;
	size_t left;
};

static unsigned choose(struct Choices *choices, unsigned n)
{
	if (choices->left == 0)
		return 0;
	choices->left--;
	return *choices->data++ % n;
}

static void append_encoded(GString *out, char sign, const char *value)
{
	bool reserved = sign == '+' || sign == '#';
	g_string_append_uri_escaped(out, value, reserved ? ":/?#[]@!$&'()*+,;=" : NULL, FALSE);
}

/* Some value, of at most PREFIX characters. */
static char *value_of(struct Choices *choices, unsigned prefix)
{
	static const char *const pieces[] = {"a", "B9", "/", "?", "#", "&", "=", ",", ";", ".", "%",
		" ", "é", "\xf0\x9f\x98\x80", "{", "~-_"};
	g_autoptr(GString) value = g_string_new(NULL);
	for (unsigned n = choose(choices, 6); n > 0; n--)
		g_string_append(value, pieces[choose(choices, G_N_ELEMENTS(pieces))]);
	glong chars = g_utf8_strlen(value->str, -1);
	return g_utf8_substring(value->str, 0, prefix && prefix < chars ? (glong)prefix : chars);
}

/* Appends NAME and ENCODED, its value. */
static void append_pair(GString *out, char sign, struct Slice name, const char *encoded)
{
	g_string_append_len(out, name.data, (gssize)name.len);
	if (*encoded || sign != ';')
		g_string_append_c(out, '=');
	g_string_append(out, encoded);
}

/* Appends a variable with N values, each with what stands before it or, if they are not exploded, all as one. */
static void append_values(GString *out, char sign, const struct Name *name, unsigned n, bool first,
	struct Choices *choices)
{
	bool named = sign && strchr(";?&", sign);
	bool is_map = name->explode && choose(choices, 2);
	g_autoptr(GString) encoded = g_string_new(NULL);
	for (unsigned i = 1; i <= n; i++) {
		g_autofree char *value = value_of(choices, name->prefix);
		append_encoded(encoded, sign, value);
		if (!name->explode && i < n) {
			g_string_append_c(encoded, ',');
			continue;
		}
		if (lead_of(sign, first))
			g_string_append_c(out, lead_of(sign, first));
		first = false;
		if (named || is_map)
			append_pair(out, sign, is_map ? SLICE("key") : name->text, encoded->str);
		else
			g_string_append(out, encoded->str);
		g_string_truncate(encoded, 0);
	}
}

static void append_expression(
	GString *out, const struct Expression *expression, struct Choices *choices)
{
	bool first = true;
	for (unsigned i = 0; i < expression->n; i++) {
		const struct Name *name = &expression->names[i];
		unsigned n = choose(choices, 4);
		if (name->prefix)
			n = MIN(n, 1);
		append_values(out, expression->sign, name, n, first, choices);
		first = first && n == 0;
	}
}

static void check_expansion(
	const struct UriTemplate *uri_template, const char *text, struct Choices choices)
{
	g_autoptr(GString) out = g_string_new(NULL);
	while (*text) {
		const char *end = text + strcspn(text, "{");
		g_autofree char *literal = g_strndup(text, (gsize)(end - text));
		g_string_append_uri_escaped(out, literal, ":/?#[]@!$&'()*+,;=%", FALSE);
		text = end;
		if (!*text)
			break;
		struct Expression expression;
		text = read_expression(text + 1, &expression);
		size_t before = out->len;
		append_expression(out, &expression, &choices);
		/* The one expansion that is not wanted. */
		if (!expression.sign && out->len == before)
			return;
	}
	if (out->len <= 64 * 1024 && !uri_template_matches(uri_template, out->str))
		abort();
}

/* --- time --- */

static double cpu_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void check_time(const struct UriTemplate *uri_template, const char *uri)
{
	g_autoptr(GString) longer = g_string_new(uri);
	while (longer->len > 0 && longer->len < LONG_URI)
		g_string_append(longer, uri);
	g_string_truncate(longer, LONG_URI);
	double start = cpu_seconds();
	uri_template_matches(uri_template, longer->str);
	if (cpu_seconds() - start > 1)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	size_t text_len = strlen(text);
	g_autoptr(UriTemplate) uri_template = uri_template_new(text);
	if (!uri_template)
		return 0;
	size_t at = MIN(text_len + 1, size);
	g_autofree char *uri = g_strndup((const char *)data + at, size - at);
	at = MIN(at + strlen(uri) + 1, size);
	if (uri_template_literals(uri_template) > text_len)
		abort();
	check_naively(uri_template, text, uri);
	check_expansion(uri_template, text, (struct Choices){data + at, size - at});
	if (size % 16 == 0)
		check_time(uri_template, uri);
	return 0;
}
