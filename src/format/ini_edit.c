/* Edits of ini text in place. The text is read whole first, so that nothing is written into a file that
 * is not understood; then its lines are walked with the scanner that reading uses, which says on which
 * bytes each part stands. Only those bytes change. Owns nothing between calls. */
#include "format/ini.h"

#include "base/error.h"
#include "format/ini_line.h"

struct Walk {
	struct Slice text;
	GArray *lines; /* struct IniLine */
	guint header; /* index of the section's line; the number of lines where there is none */
	guint after; /* index of the next section's line, or the number of lines */
	guint entry; /* index of the key's line; the number of lines where there is none */
};

static bool fail(GError **error, const char *file, const char *what, const char *why)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG, "%s: %s cannot be written: %s", file, what,
		why);
	return false;
}

static bool check_names(const char *file, const char *section, const char *key, GError **error)
{
	const char *why = NULL;
	g_autofree char *shown = g_utf8_make_valid(key, -1);
	if (!ini_section_ok(slice_of(section), &why))
		return fail(error, file, "the section", why);
	if (!ini_key_ok(slice_of(key), &why))
		return fail(error, file, shown, why);
	return true;
}

static const struct IniLine *line_at(const struct Walk *walk, guint index)
{
	return &g_array_index(walk->lines, struct IniLine, index);
}

/* The lines of TEXT, which was read before, so that scanning it cannot fail. */
static GArray *scan(const char *file, struct Slice text)
{
	GArray *lines = g_array_new(FALSE, FALSE, sizeof(struct IniLine));
	struct IniScanner scanner;
	struct IniLine line;
	ini_scanner_init(&scanner, file, text);
	while (ini_scanner_next(&scanner, &line, NULL))
		g_array_append_val(lines, line);
	return lines;
}

static void walk(struct Walk *walk, const char *section, const char *key)
{
	guint count = walk->lines->len;
	walk->header = walk->after = walk->entry = count;
	for (guint i = 0; i < count; i++) {
		const struct IniLine *line = line_at(walk, i);
		bool inside = walk->header < count && walk->after == count;
		if (line->kind == INI_LINE_SECTION && inside)
			walk->after = i;
		else if (line->kind == INI_LINE_SECTION && slice_is(line->name, section))
			walk->header = i;
		else if (line->kind == INI_LINE_ENTRY && inside && slice_is(line->name, key))
			walk->entry = i;
	}
}

/* Whether the line at INDEX belongs to the entry's value, below its first line. */
static bool continues(const struct Walk *walk, guint index)
{
	if (index <= walk->entry || line_at(walk, index)->kind != INI_LINE_MORE)
		return false;
	for (guint i = walk->entry + 1; i < index; i++) {
		if (line_at(walk, i)->kind == INI_LINE_ENTRY)
			return false;
	}
	return index < walk->after;
}

static const char *text_end(const struct Walk *walk)
{
	return walk->text.len ? walk->text.data + walk->text.len : walk->text.data;
}

static bool ends_line(struct Slice whole)
{
	return whole.len && whole.data[whole.len - 1] == '\n';
}

/* The line ending in use before line INDEX: of the line above, else of the first line that has one. */
static const char *line_ending(const struct Walk *walk, guint index)
{
	const struct IniLine *model = NULL;
	if (index > 0 && ends_line(line_at(walk, index - 1)->whole))
		model = line_at(walk, index - 1);
	else if (walk->lines->len > 0 && ends_line(line_at(walk, 0)->whole))
		model = line_at(walk, 0);
	if (!model || model->whole.len < 2 || model->whole.data[model->whole.len - 2] != '\r')
		return "\n";
	return "\r\n";
}

/* Appends what lies between FROM and TO, both pointers into the text. */
static void copy(GString *out, const char *from, const char *to)
{
	g_string_append_len(out, from, to - from);
}

static void copy_lines(const struct Walk *walk, GString *out, guint from)
{
	for (guint i = from; i < walk->lines->len; i++) {
		struct Slice whole = line_at(walk, i)->whole;
		if (!continues(walk, i))
			g_string_append_len(out, whole.data, (gssize)whole.len);
	}
}

static void replace_value(const struct Walk *walk, GString *out, const char *value)
{
	const struct IniLine *line = line_at(walk, walk->entry);
	copy(out, walk->text.data, line->value.data);
	if (line->value.len == 0 && *value)
		g_string_append_c(out, ' ');
	g_string_append(out, value);
	copy(out, line->value.data + line->value.len, line->whole.data + line->whole.len);
	copy_lines(walk, out, walk->entry + 1);
}

/* The index of the line before which a new entry of the section goes: behind the last line that is
 * not blank, a block of comments right above the next section's line left to that section. */
static guint insertion(const struct Walk *walk)
{
	guint at = walk->after;
	if (at < walk->lines->len) {
		guint block = at;
		while (line_at(walk, block - 1)->kind == INI_LINE_COMMENT)
			block--;
		if (line_at(walk, block - 1)->kind == INI_LINE_BLANK)
			at = block;
	}
	while (line_at(walk, at - 1)->kind == INI_LINE_BLANK)
		at--;
	return at;
}

static void append_entry(GString *out, const char *key, const char *value, const char *ending)
{
	g_string_append_printf(out, "%s =%s%s%s", key, *value ? " " : "", value, ending);
}

static void insert_entry(const struct Walk *walk, GString *out, const char *key, const char *value)
{
	guint at = insertion(walk);
	const struct IniLine *above = line_at(walk, at - 1);
	const char *end = above->whole.data + above->whole.len;
	const char *ending = line_ending(walk, at);
	copy(out, walk->text.data, end);
	if (!ends_line(above->whole))
		g_string_append(out, ending);
	append_entry(out, key, value, ending);
	copy(out, end, text_end(walk));
}

static void append_section(const struct Walk *walk, GString *out, const char *section,
	const char *key, const char *value)
{
	guint count = walk->lines->len;
	const char *ending = line_ending(walk, count);
	copy(out, walk->text.data, text_end(walk));
	if (count && !ends_line(line_at(walk, count - 1)->whole))
		g_string_append(out, ending);
	if (count && line_at(walk, count - 1)->kind != INI_LINE_BLANK)
		g_string_append(out, ending);
	g_string_append_printf(out, "[%s]%s", section, ending);
	append_entry(out, key, value, ending);
}

/* Hands the new text over, unless a line of it became too long. */
static char *finish(const char *file, GString *out, size_t *len, GError **error)
{
	g_autofree char *text = NULL;
	struct Slice whole = {out->str, out->len};
	g_autoptr(IniFile) ini = ini_read(file, whole, error);
	text = g_string_free(out, FALSE);
	if (!ini)
		return NULL;
	*len = whole.len;
	return g_steal_pointer(&text);
}

char *ini_edit_set(const char *file, struct Slice text, const char *section, const char *key,
	const char *value, size_t *len, GError **error)
{
	g_autoptr(IniFile) ini = ini_read(file, text, error);
	if (!ini || !check_names(file, section, key, error))
		return NULL;
	g_autoptr(GString) quoted = g_string_new(NULL);
	if (!ini_quote(value, quoted)) {
		fail(error, file, key, "expected UTF-8 text without control characters");
		return NULL;
	}
	g_autoptr(GArray) lines = scan(file, text);
	struct Walk state = {.text = text, .lines = lines};
	walk(&state, section, key);
	GString *out = g_string_sized_new(text.len + 256);
	if (state.entry < lines->len)
		replace_value(&state, out, quoted->str);
	else if (state.header < lines->len)
		insert_entry(&state, out, key, quoted->str);
	else
		append_section(&state, out, section, key, quoted->str);
	return finish(file, out, len, error);
}

char *ini_edit_unset(const char *file, struct Slice text, const char *section, const char *key,
	size_t *len, GError **error)
{
	g_autoptr(IniFile) ini = ini_read(file, text, error);
	if (!ini || !check_names(file, section, key, error))
		return NULL;
	g_autoptr(GArray) lines = scan(file, text);
	struct Walk state = {.text = text, .lines = lines};
	walk(&state, section, key);
	GString *out = g_string_sized_new(text.len);
	if (state.entry == lines->len) {
		copy(out, text.data, text_end(&state));
	} else {
		copy(out, text.data, line_at(&state, state.entry)->whole.data);
		copy_lines(&state, out, state.entry + 1);
	}
	return finish(file, out, len, error);
}
