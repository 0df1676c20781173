/* The scan that comes before inih. It trusts nothing in the text, allocates nothing and owns nothing.
 *
 * Every line is one of five kinds or an error; what a line is follows from its first byte (an indented
 * line continues the entry above, unless it is a comment) and never from the lines after it. A comment
 * behind a value begins with white space and `;` outside double quotes. Quotes that open a value enclose
 * the whole of it, with backslash escapes; quotes further on are ordinary characters that only keep a
 * `;` between them from starting a comment. Where that leaves two readings, the line is an error. */
#include "format/ini_line.h"

#include "base/error.h"

bool ini_fail(GError **error, const char *file, unsigned line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG, "%s:%u: %s", file, line, text);
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static struct Slice trim_end(struct Slice text)
{
	while (text.len && is_space(text.data[text.len - 1]))
		text.len--;
	return text;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* Whether nothing but white space, or white space and a comment, stands from P on. */
static bool is_tail(const char *p, const char *end)
{
	const char *text = skip_space(p, end);
	return text == end || (text > p && *text == ';');
}

void ini_scanner_init(struct IniScanner *scanner, const char *file, struct Slice text)
{
	static const char mark[] = "\xef\xbb\xbf";
	*scanner = (struct IniScanner){.file = file, .next = text.data};
	scanner->end = text.len ? text.data + text.len : text.data;
	if (slice_starts_with(text, mark))
		scanner->next += strlen(mark);
}

static bool is_control(gunichar c)
{
	return (c < 0x20 && c != '\t') || (c >= 0x7f && c < 0xa0);
}

/* UTF-8 without control characters, of bearable length. */
static bool check_bytes(struct IniScanner *scanner, struct Slice text, GError **error)
{
	if (text.len > INI_LINE_BYTES)
		return ini_fail(error, scanner->file, scanner->number,
			"a line of %zu bytes; expected at most %d", text.len, INI_LINE_BYTES);
	const char *end = text.data + text.len;
	for (const char *p = text.data; p < end; p = g_utf8_next_char(p)) {
		gunichar c = (guchar)*p < 0x80 ? (guchar)*p : g_utf8_get_char_validated(p, end - p);
		if (c == (gunichar)-1 || c == (gunichar)-2)
			return ini_fail(error, scanner->file, scanner->number,
				"a byte that is no UTF-8 (0x%02x); expected UTF-8 text",
				(guchar)*p);
		if (is_control(c))
			return ini_fail(error, scanner->file, scanner->number,
				"a control character (U+%04X); expected text without any", c);
	}
	return true;
}

static bool all_of(struct Slice text, const char *others)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		if (!g_ascii_isalnum(c) && (c == '\0' || !strchr(others, c)))
			return false;
	}
	return true;
}

bool ini_section_ok(struct Slice name, const char **why)
{
	if (name.len == 0)
		*why = "expected a name between the brackets";
	else if (name.len > INI_SECTION_BYTES)
		*why = "expected a section's name of at most 48 bytes";
	else if (!all_of(name, "_.:-"))
		*why = "expected a section's name of letters, digits, `_`, `.`, `:` and `-`";
	else
		return true;
	return false;
}

/* The characters of an HTTP field name, because of header.NAME, and `?` because of patterns. */
bool ini_key_ok(struct Slice name, const char **why)
{
	if (name.len == 0)
		*why = "expected a key before `=`";
	else if (name.len > INI_KEY_BYTES)
		*why = "expected a key of at most 255 bytes";
	else if (!all_of(name, "!#$%&'*+-.^_`|~?") || name.data[0] == '#')
		*why = "expected a key of letters, digits, `_`, `-`, `.`, `*` and `?`";
	else
		return true;
	return false;
}

static bool scan_section(
	struct IniScanner *scanner, struct Slice text, struct IniLine *line, GError **error)
{
	const char *end = text.data + text.len;
	const char *close = memchr(text.data, ']', text.len);
	if (!close)
		return ini_fail(error, scanner->file, scanner->number,
			"a section without its `]`; expected [NAME]");
	line->kind = INI_LINE_SECTION;
	line->name = slice_between(text.data + 1, close);
	const char *why = NULL;
	if (!ini_section_ok(line->name, &why))
		return ini_fail(
			error, scanner->file, scanner->number, "a section that cannot be; %s", why);
	if (!is_tail(close + 1, end))
		return ini_fail(error, scanner->file, scanner->number,
			"text after `]`; expected nothing, or a space and a comment that begins "
			"with `;`");
	scanner->in_section = true;
	scanner->key = (struct Slice){NULL, 0};
	return true;
}

/* A value that opens with a double quote at P. */
static bool scan_quoted(struct IniScanner *scanner, const char *p, const char *end,
	struct Slice *value, GError **error)
{
	const char *q = p + 1;
	while (q < end && *q != '"') {
		if (*q == '\\') {
			if (q + 1 == end || !strchr("\"\\t", q[1]))
				return ini_fail(error, scanner->file, scanner->number,
					"a backslash in a quoted value; expected \\\", \\\\ or "
					"\\t");
			q++;
		}
		q++;
	}
	if (q == end)
		return ini_fail(error, scanner->file, scanner->number,
			"a value whose double quote does not close; expected a closing `\"` on the "
			"same line");
	if (!is_tail(q + 1, end))
		return ini_fail(error, scanner->file, scanner->number,
			"text after the closing quote; expected nothing, or a space and a comment "
			"that begins with `;`");
	*value = slice_between(p, q + 1);
	return true;
}

static bool scan_plain(struct IniScanner *scanner, const char *p, const char *end,
	struct Slice *value, GError **error)
{
	bool quoted = false;
	/* What would start a comment stands behind a quote that is still open. */
	bool doubt = false;
	const char *q = p;
	for (; q < end; q++) {
		if (*q == '"') {
			quoted = !quoted;
			doubt = false;
		} else if (*q == ';' && is_space(q[-1])) {
			if (!quoted)
				break;
			doubt = true;
		}
	}
	if (quoted && doubt)
		return ini_fail(error, scanner->file, scanner->number,
			"a `;` behind a double quote that does not close; expected the whole value "
			"in quotes");
	*value = trim_end(slice_between(p, q));
	return true;
}

/* What stands from P to END without its comment. */
static bool scan_value(struct IniScanner *scanner, const char *p, const char *end,
	struct Slice *value, GError **error)
{
	const char *text = skip_space(p, end);
	if (text < end && *text == ';' && text == p)
		return ini_fail(error, scanner->file, scanner->number,
			"`;` right behind `=`; expected a space before a comment, or the value in "
			"quotes");
	if (text == end || *text == ';') {
		*value = (struct Slice){p, 0};
		return true;
	}
	if (*text == '"')
		return scan_quoted(scanner, text, end, value, error);
	return scan_plain(scanner, text, end, value, error);
}

static bool scan_entry(
	struct IniScanner *scanner, struct Slice text, struct IniLine *line, GError **error)
{
	const char *end = text.data + text.len;
	const char *equals = memchr(text.data, '=', text.len);
	if (!equals)
		return ini_fail(error, scanner->file, scanner->number,
			"a line without `=`; expected KEY = VALUE, [SECTION] or a comment");
	line->kind = INI_LINE_ENTRY;
	line->name = trim_end(slice_between(text.data, equals));
	const char *why = NULL;
	if (!ini_key_ok(line->name, &why))
		return ini_fail(
			error, scanner->file, scanner->number, "a key that cannot be; %s", why);
	if (!scanner->in_section)
		return ini_fail(error, scanner->file, scanner->number,
			"%.*s before the first section; expected a line such as [mux] above it",
			(int)line->name.len, line->name.data);
	scanner->key = line->name;
	return scan_value(scanner, equals + 1, end, &line->value, error);
}

static bool scan_more(
	struct IniScanner *scanner, struct Slice text, struct IniLine *line, GError **error)
{
	if (!scanner->key.len)
		return ini_fail(error, scanner->file, scanner->number,
			"an indented line with nothing above it to continue; expected the line to "
			"begin at the margin");
	line->kind = INI_LINE_MORE;
	line->name = scanner->key;
	return scan_value(scanner, text.data, text.data + text.len, &line->value, error);
}

bool ini_scanner_next(struct IniScanner *scanner, struct IniLine *line, GError **error)
{
	if (scanner->next == scanner->end)
		return false;
	const char *begin = scanner->next;
	const char *feed = memchr(begin, '\n', (size_t)(scanner->end - begin));
	scanner->next = feed ? feed + 1 : scanner->end;
	scanner->number++;
	struct Slice text = slice_between(begin, feed ? feed : scanner->end);
	if (feed && text.len && text.data[text.len - 1] == '\r')
		text.len--;
	if (!check_bytes(scanner, text, error))
		return false;

	*line = (struct IniLine){
		.number = scanner->number,
		.whole = slice_between(begin, scanner->next),
	};
	const char *first = skip_space(begin, begin + text.len);
	if (first == begin + text.len)
		line->kind = INI_LINE_BLANK;
	else if (*first == ';' || *first == '#')
		line->kind = INI_LINE_COMMENT;
	else if (first > begin)
		return scan_more(scanner, text, line, error);
	else if (*first == '[')
		return scan_section(scanner, text, line, error);
	else
		return scan_entry(scanner, text, line, error);
	return true;
}

char *ini_unquote(struct Slice raw)
{
	if (raw.len < 2 || raw.data[0] != '"')
		return slice_dup(raw);
	GString *value = g_string_sized_new(raw.len);
	for (size_t i = 1; i < raw.len - 1; i++) {
		char c = raw.data[i];
		if (c == '\\' && i + 1 < raw.len - 1) {
			c = raw.data[++i];
			c = c == 't' ? '\t' : c;
		}
		g_string_append_c(value, c);
	}
	return g_string_free(value, FALSE);
}

bool ini_quote(const char *value, GString *out)
{
	if (!g_utf8_validate(value, -1, NULL))
		return false;
	for (const char *p = value; *p; p = g_utf8_next_char(p)) {
		if (is_control(g_utf8_get_char(p)))
			return false;
	}
	size_t len = strlen(value);
	if (!strpbrk(value, "\";\t") && !g_str_has_prefix(value, " ") &&
		!g_str_has_suffix(value, " ")) {
		g_string_append_len(out, value, (gssize)len);
		return true;
	}
	g_string_append_c(out, '"');
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_c(out, '\\');
		if (*p == '\t')
			g_string_append(out, "\\t");
		else
			g_string_append_c(out, *p);
	}
	g_string_append_c(out, '"');
	return true;
}
