/* A template is a row of literals and expressions. Matching goes through it once, with the set of all places of the URI
 * at which what was matched so far can end: a byte for each place. Every literal, separator, name and value makes the
 * next set out of the last in one pass over the URI, so a template that can be read in many ways costs no more than any
 * other.
 *
 * Where RFC 6570 is strict this is not: a value may hold any character but those that end its part of a URI, since
 * servers match URIs with patterns like [^/]+. Percent-escapes are not decoded. */
#include "format/uri_template.h"

#include "base/slice.h"

#include <stdint.h>

enum {
	URI_BYTES_MAX = 64 * 1024,
	VARIABLES_MAX = URI_TEMPLATE_PARTS_MAX, /* of all expressions together: each takes passes */
	PREFIX_MAX = 9999, /* RFC 6570, section 2.4.1 */
};

/* What an expression makes of its variables (RFC 6570, appendix A); '\0' stands for nothing. */
struct Operator {
	char sign;
	char first; /* before the first variable that has a value */
	char separator; /* before the others */
	bool named; /* names stand before the values */
	bool bare; /* a name whose value is empty stands without `=` */
	const char *stops; /* what a value does not hold */
};

static const struct Operator operators[] = {
	{'\0', '\0', ',', false, false, "/?#"},
	{'+', '\0', ',', false, false, ""},
	{'#', '#', ',', false, false, ""},
	{'.', '.', '.', false, false, "/?#"},
	{'/', '/', '/', false, false, "/?#"},
	{';', ';', ';', true, true, "/?#"},
	{'?', '?', '&', true, false, "/?#&"},
	{'&', '&', '&', true, false, "/?#&"},
};

struct Variable {
	struct Slice name; /* inside the template's text */
	unsigned prefix; /* characters of the value at most; 0: all */
	bool explode;
};

struct Part {
	const struct Operator *op; /* NULL: a literal */
	struct Slice literal; /* inside the template's text */
	char *escaped; /* the literal as an expansion has it where that is something else, or NULL */
	unsigned from, to; /* the expression's variables */
};

struct UriTemplate {
	char *text;
	GArray *parts; /* struct Part */
	GArray *variables; /* struct Variable, of all expressions */
	unsigned literals;
};

static bool is_escape(const char *p)
{
	return p[0] == '%' && g_ascii_isxdigit(p[1]) && g_ascii_isxdigit(p[2]);
}

/* The end of the literal's character at P; NULL if it must not stand there. The apostrophe may, by erratum 6937. */
static const char *literal_char_end(const char *p)
{
	gunichar c = g_utf8_get_char(p);
	if (c == '%')
		return is_escape(p) ? p + 3 : NULL;
	if (c == ' ' || (c < 0x80 && strchr("\"<>\\^`|}", (int)c)) || g_unichar_iscntrl(c))
		return NULL;
	return g_utf8_next_char(p);
}

/* Reads the literal at *AT, up to an expression or the end of the text. */
static bool read_literal(struct UriTemplate *uri_template, const char **at)
{
	const char *p = *at;
	while (*p && *p != '{') {
		p = literal_char_end(p);
		if (!p)
			return false;
		uri_template->literals++;
	}
	GArray *parts = uri_template->parts;
	g_array_set_size(parts, parts->len + 1);
	struct Part *part = &g_array_index(parts, struct Part, parts->len - 1);
	*part = (struct Part){.literal = slice_between(*at, p)};
	g_autofree char *text = slice_dup(part->literal);
	if (!g_str_is_ascii(text))
		part->escaped = g_uri_escape_string(text, ":/?#[]@!$&'()*+,;=%", false);
	*at = p;
	return true;
}

/* The end of the variable's name at P; NULL if none is there. Servers name variables like `user-id`, which RFC 6570 does
 * not have; so a name is any row of its characters and `-`. */
static const char *name_end(const char *p)
{
	const char *from = p;
	while (g_ascii_isalnum(*p) || (*p && strchr("_-.%", *p)))
		p++;
	return p > from ? p : NULL;
}

/* Reads one variable with its modifier at *AT. */
static bool read_variable(struct UriTemplate *uri_template, const char **at)
{
	const char *p = name_end(*at);
	if (!p || uri_template->variables->len == VARIABLES_MAX)
		return false;
	struct Variable variable = {.name = slice_between(*at, p)};
	if (*p == '*') {
		variable.explode = true;
		p++;
	} else if (*p == ':') {
		if (*++p == '0')
			return false;
		for (; g_ascii_isdigit(*p) && variable.prefix <= PREFIX_MAX; p++)
			variable.prefix = variable.prefix * 10 + (unsigned)(*p - '0');
		if (variable.prefix == 0 || variable.prefix > PREFIX_MAX)
			return false;
	}
	g_array_append_val(uri_template->variables, variable);
	*at = p;
	return true;
}

/* Reads the expression whose `{` is at *AT. */
static bool read_expression(struct UriTemplate *uri_template, const char **at)
{
	const char *p = *at + 1;
	struct Part part = {.op = &operators[0], .from = uri_template->variables->len};
	for (unsigned i = 1; i < G_N_ELEMENTS(operators); i++) {
		if (*p == operators[i].sign)
			part.op = &operators[i];
	}
	p += part.op->sign != '\0';
	do {
		if (!read_variable(uri_template, &p))
			return false;
	} while (*p++ == ',');
	if (p[-1] != '}')
		return false;
	part.to = uri_template->variables->len;
	g_array_append_val(uri_template->parts, part);
	*at = p;
	return true;
}

static void part_clear(void *data)
{
	struct Part *part = data;
	g_free(part->escaped);
}

void uri_template_free(struct UriTemplate *uri_template)
{
	if (!uri_template)
		return;
	g_array_unref(uri_template->parts);
	g_array_unref(uri_template->variables);
	g_free(uri_template->text);
	g_free(uri_template);
}

struct UriTemplate *uri_template_new(const char *text)
{
	if (strlen(text) > URI_TEMPLATE_BYTES_MAX || !g_utf8_validate(text, -1, NULL))
		return NULL;
	g_autoptr(UriTemplate) uri_template = g_new0(struct UriTemplate, 1);
	uri_template->text = g_strdup(text);
	uri_template->parts = g_array_new(FALSE, FALSE, sizeof(struct Part));
	g_array_set_clear_func(uri_template->parts, part_clear);
	uri_template->variables = g_array_new(FALSE, FALSE, sizeof(struct Variable));
	for (const char *p = uri_template->text; *p;) {
		bool ok = *p == '{' ? read_expression(uri_template, &p)
				    : read_literal(uri_template, &p);
		if (!ok || uri_template->parts->len > URI_TEMPLATE_PARTS_MAX)
			return NULL;
	}
	return g_steal_pointer(&uri_template);
}

unsigned uri_template_literals(const struct UriTemplate *uri_template)
{
	return uri_template->literals;
}

/* A URI being matched. The sets have a byte for each place in it, its end included. */
struct Match {
	struct Slice uri;
	uint8_t *before; /* where what stands before the current part can end */
	uint8_t *after; /* where the part itself can end */
	uint8_t *starts; /* where a value, or its name, can begin */
	uint8_t *names; /* where a name can end */
};

static void clear(const struct Match *m, uint8_t *set)
{
	memset(set, 0, m->uri.len + 1);
}

/* Adds to TO where TEXT ends that begins at a place of FROM. */
static void step(const struct Match *m, const uint8_t *from, struct Slice text, uint8_t *to)
{
	for (size_t i = 0; i + text.len <= m->uri.len; i++) {
		if (from[i] && memcmp(m->uri.data + i, text.data, text.len) == 0)
			to[i + text.len] = true;
	}
}

static bool is_one_of(char c, const char *set)
{
	for (; *set; set++) {
		if (*set == c)
			return true;
	}
	return false;
}

/* Whether a character of a value begins at place I, for `:n`: an escaped one is as many escapes as its UTF-8 has bytes. */
static bool begins_char(struct Slice uri, size_t i)
{
	for (size_t back = 0; back <= 2 && back <= i; back++) {
		const char *p = uri.data + i - back;
		if (uri.len - (i - back) >= 3 && is_escape(p))
			return back == 0 && (g_ascii_xdigit_value(p[1]) & 0xc) != 0x8;
	}
	return ((unsigned char)uri.data[i] & 0xc0) != 0x80;
}

/* Adds to TO where a value of at least LEAST bytes (0 or 1) ends that begins at a place of FROM. Of several places the
 * last is the one that leaves most of the PREFIX. */
static void spread(const struct Match *m, const uint8_t *from, const char *stops, unsigned prefix,
	unsigned least, uint8_t *to)
{
	bool inside = false;
	unsigned chars = 0;
	for (size_t i = 0; i <= m->uri.len; i++) {
		if (inside)
			to[i] = true;
		if (from[i]) {
			inside = true;
			chars = 0;
			if (least == 0)
				to[i] = true;
		}
		if (i == m->uri.len || !inside)
			continue;
		inside = !is_one_of(m->uri.data[i], stops);
		if (prefix > 0 && begins_char(m->uri, i))
			inside = inside && chars++ < prefix;
	}
}

/* Adds to TO where pairs of a name and a value end that begin at a place of FROM: what an exploded variable can be. */
static void spread_pairs(
	const struct Match *m, const uint8_t *from, const struct Operator *op, uint8_t *to)
{
	bool start = false;
	bool in_name = false;
	bool in_value = false;
	for (size_t i = 0; i <= m->uri.len; i++) {
		if (in_value || (in_name && op->bare))
			to[i] = true;
		start = start || from[i];
		if (i == m->uri.len)
			break;
		char c = m->uri.data[i];
		bool stop = is_one_of(c, op->stops);
		bool next_start = in_value && c == op->separator;
		in_value = !stop && (in_value || (in_name && c == '='));
		in_name = !stop && c != '=' && (in_name || start);
		start = next_start;
	}
}

/* Adds to m->after where VARIABLE ends, its name included, that begins at a place of m->starts. */
static void match_named(struct Match *m, const struct Operator *op, const struct Variable *variable)
{
	if (variable->explode) {
		spread_pairs(m, m->starts, op, m->after);
		return;
	}
	clear(m, m->names);
	step(m, m->starts, variable->name, m->names);
	for (size_t i = 0; op->bare && i <= m->uri.len; i++)
		m->after[i] |= m->names[i];
	clear(m, m->starts);
	step(m, m->names, SLICE("="), m->starts);
	spread(m, m->starts, op->stops, variable->prefix, 0, m->after);
}

/* Adds to m->after where the expression so far ends if VARIABLE has a value. */
static void match_variable(
	struct Match *m, const struct Operator *op, const struct Variable *variable, bool is_first)
{
	bool simple = op->sign == '\0';
	clear(m, m->starts);
	step(m, m->after, (struct Slice){&op->separator, 1}, m->starts);
	/* Values before it may have been empty. */
	if (simple && !is_first)
		step(m, m->before, (struct Slice){&op->separator, 1}, m->starts);
	if (op->first)
		step(m, m->before, (struct Slice){&op->first, 1}, m->starts);
	if (op->named) {
		match_named(m, op, variable);
		return;
	}
	const char *stops = op->sign == '/' && variable->explode ? "?#" : op->stops;
	spread(m, m->starts, stops, variable->prefix, 0, m->after);
	if (!op->first)
		spread(m, m->before, stops, variable->prefix, simple ? 1 : 0, m->after);
}

static void match_expression(
	struct Match *m, const struct UriTemplate *uri_template, const struct Part *part)
{
	for (unsigned i = part->from; i < part->to; i++)
		match_variable(m, part->op,
			&g_array_index(uri_template->variables, struct Variable, i),
			i == part->from);
	/* Without any value. */
	for (size_t i = 0; part->op->sign && i <= m->uri.len; i++)
		m->after[i] |= m->before[i];
}

static void match_literal(struct Match *m, const struct Part *part)
{
	step(m, m->before, part->literal, m->after);
	if (part->escaped)
		step(m, m->before, slice_of(part->escaped), m->after);
}

/* Whether the URI has what the template begins with: of many templates, this spares most of the work. */
static bool begins_alike(const struct UriTemplate *uri_template, struct Slice uri)
{
	if (uri_template->parts->len == 0)
		return true;
	const struct Part *part = &g_array_index(uri_template->parts, struct Part, 0);
	size_t len = part->literal.len;
	return part->op || part->escaped ||
	       (uri.len >= len && memcmp(uri.data, part->literal.data, len) == 0);
}

bool uri_template_matches(const struct UriTemplate *uri_template, const char *uri)
{
	struct Match m = {.uri = slice_of(uri)};
	size_t places = m.uri.len + 1;
	if (m.uri.len > URI_BYTES_MAX || !begins_alike(uri_template, m.uri))
		return false;
	g_autofree uint8_t *sets = g_malloc0(4 * places);
	m.before = sets;
	m.after = sets + places;
	m.starts = sets + 2 * places;
	m.names = sets + 3 * places;
	m.before[0] = true;
	for (unsigned i = 0; i < uri_template->parts->len; i++) {
		const struct Part *part = &g_array_index(uri_template->parts, struct Part, i);
		clear(&m, m.after);
		if (part->op)
			match_expression(&m, uri_template, part);
		else
			match_literal(&m, part);
		if (!memchr(m.after, 1, places))
			return false;
		uint8_t *done = m.before;
		m.before = m.after;
		m.after = done;
	}
	return m.before[m.uri.len];
}
