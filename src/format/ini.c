/* Ini text into sections and entries. The text is scanned first (ini_line.c), which refuses or takes
 * apart whatever inih would misread; inih then gets it line by line in a form that has one reading:
 * `[section]` and `key=value` without comments, indentation or empty lines, a continuation line as its
 * key once more. What inih delivers must be what the scan saw, entry by entry; if it ever is not (a
 * locale whose isspace() counts a byte of UTF-8, an inih that was built otherwise), the file is refused
 * instead of being half understood.
 *
 * inih's options are global variables in Debian's build. They are set before every call, so that
 * nothing else in the process can change what a file means; one thread reads configuration. */
#include "format/ini.h"

#include "format/ini_line.h"

#include <ini.h>

enum { INIH_LINE_BYTES = 4 * INI_LINE_BYTES }; /* a key may be put before every line */

/* One call that inih is to make. All borrowed. */
struct Expected {
	const struct IniEntry *entry;
	struct IniPart *part; /* gets the value */
	struct Slice raw;
};

struct Reading {
	const char *file;
	struct IniFile *ini;
	struct IniEntry *entry; /* the last one, borrowed */
	GHashTable *seen; /* "section" and "section\nkey": unsigned, the line */
	GString *normalised; /* for inih */
	GArray *expected; /* struct Expected, one for every line of NORMALISED with a key */
	guint delivered; /* calls that inih made */
};

static void part_free(void *data)
{
	struct IniPart *part = data;
	g_free(part->value);
	g_free(part);
}

static void entry_free(void *data)
{
	struct IniEntry *entry = data;
	g_free(entry->section);
	g_free(entry->key);
	g_free(entry->value);
	g_ptr_array_unref(entry->parts);
	g_free(entry);
}

static void section_free(void *data)
{
	struct IniSection *section = data;
	g_free(section->name);
	g_free(section);
}

void ini_file_free(struct IniFile *ini)
{
	if (!ini)
		return;
	g_ptr_array_unref(ini->sections);
	g_ptr_array_unref(ini->entries);
	g_free(ini);
}

static struct IniFile *ini_file_new(void)
{
	struct IniFile *ini = g_new0(struct IniFile, 1);
	ini->sections = g_ptr_array_new_with_free_func(section_free);
	ini->entries = g_ptr_array_new_with_free_func(entry_free);
	return ini;
}

static bool add_section(struct Reading *reading, const struct IniLine *line, GError **error)
{
	g_autofree char *name = slice_dup(line->name);
	unsigned before = GPOINTER_TO_UINT(g_hash_table_lookup(reading->seen, name));
	if (before)
		return ini_fail(error, reading->file, line->number,
			"[%s] for the second time; expected everything under line %u", name,
			before);
	struct IniSection *section = g_new0(struct IniSection, 1);
	section->name = g_strdup(name);
	section->line = line->number;
	g_ptr_array_add(reading->ini->sections, section);
	g_hash_table_insert(reading->seen, g_steal_pointer(&name), GUINT_TO_POINTER(line->number));
	g_string_append_printf(reading->normalised, "[%s]\n", section->name);
	return true;
}

static bool add_entry(struct Reading *reading, const struct IniLine *line, GError **error)
{
	const GPtrArray *sections = reading->ini->sections;
	const struct IniSection *section = sections->pdata[sections->len - 1];
	g_autofree char *key = slice_dup(line->name);
	g_autofree char *both = g_strconcat(section->name, "\n", key, NULL);
	unsigned before = GPOINTER_TO_UINT(g_hash_table_lookup(reading->seen, both));
	if (before)
		return ini_fail(error, reading->file, line->number,
			"%s for the second time in [%s]; expected it on line %u alone", key,
			section->name, before);
	struct IniEntry *entry = g_new0(struct IniEntry, 1);
	entry->section = g_strdup(section->name);
	entry->key = g_steal_pointer(&key);
	entry->line = line->number;
	entry->parts = g_ptr_array_new_with_free_func(part_free);
	g_ptr_array_add(reading->ini->entries, entry);
	g_hash_table_insert(reading->seen, g_steal_pointer(&both), GUINT_TO_POINTER(line->number));
	reading->entry = entry;
	return true;
}

static void add_value(struct Reading *reading, const struct IniLine *line)
{
	g_assert(reading->entry); /* the scanner refuses a continuation of nothing */
	struct IniPart *part = g_new0(struct IniPart, 1);
	part->line = line->number;
	g_ptr_array_add(reading->entry->parts, part);
	reading->entry->continued = reading->entry->parts->len > 1;
	g_string_append_len(reading->normalised, line->name.data, (gssize)line->name.len);
	g_string_append_c(reading->normalised, '=');
	g_string_append_len(reading->normalised, line->value.data, (gssize)line->value.len);
	g_string_append_c(reading->normalised, '\n');
	struct Expected expected = {reading->entry, part, line->value};
	g_array_append_val(reading->expected, expected);
}

static bool scan(struct Reading *reading, struct Slice text, GError **error)
{
	struct IniScanner scanner;
	struct IniLine line;
	GError *failed = NULL;
	ini_scanner_init(&scanner, reading->file, text);
	while (ini_scanner_next(&scanner, &line, &failed)) {
		if (line.kind == INI_LINE_SECTION && !add_section(reading, &line, error))
			return false;
		if (line.kind == INI_LINE_ENTRY && !add_entry(reading, &line, error))
			return false;
		if (line.kind == INI_LINE_ENTRY || line.kind == INI_LINE_MORE)
			add_value(reading, &line);
	}
	if (failed)
		g_propagate_error(error, failed);
	return !failed;
}

/* Takes a value only if the whole call is what the scan expects. Zero stops inih. */
static int deliver(void *user, const char *section, const char *name, const char *value)
{
	struct Reading *reading = user;
	if (reading->delivered == reading->expected->len)
		return 0;
	const struct Expected *expected =
		&g_array_index(reading->expected, struct Expected, reading->delivered);
	if (strcmp(section, expected->entry->section) != 0 ||
		strcmp(name, expected->entry->key) != 0 || !slice_is(expected->raw, value))
		return 0;
	expected->part->value = ini_unquote(slice_of(value));
	reading->delivered++;
	return 1;
}

static bool parse(struct Reading *reading, GError **error)
{
	ini_allow_multiline = false;
	ini_allow_bom = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
	ini_use_stack = false;
	ini_allow_realloc = true;
	ini_max_line = INIH_LINE_BYTES;
	int result = ini_parse_string(reading->normalised->str, deliver, reading);
	if (result == 0 && reading->delivered == reading->expected->len)
		return true;
	unsigned line = 1;
	if (reading->delivered < reading->expected->len)
		line = g_array_index(reading->expected, struct Expected, reading->delivered)
			       .part->line;
	return ini_fail(error, reading->file, line,
		"inih misread this line (its result is %d); expected an inih with Debian's options",
		result);
}

static void join(struct IniEntry *entry)
{
	GString *value = g_string_new(NULL);
	for (guint i = 0; i < entry->parts->len; i++) {
		const struct IniPart *part = entry->parts->pdata[i];
		bool comma = value->len && value->str[value->len - 1] == ',';
		if (value->len && *part->value)
			g_string_append(value, comma ? " " : ", ");
		g_string_append(value, part->value);
	}
	entry->value = g_string_free(value, FALSE);
}

struct IniFile *ini_read(const char *file, struct Slice text, GError **error)
{
	g_autoptr(IniFile) ini = ini_file_new();
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_autoptr(GString) normalised = g_string_sized_new(text.len);
	g_autoptr(GArray) expected = g_array_new(FALSE, FALSE, sizeof(struct Expected));
	struct Reading reading = {
		.file = file,
		.ini = ini,
		.seen = seen,
		.normalised = normalised,
		.expected = expected,
	};
	if (!scan(&reading, text, error) || !parse(&reading, error))
		return NULL;
	for (guint i = 0; i < ini->entries->len; i++)
		join(ini->entries->pdata[i]);
	return g_steal_pointer(&ini);
}
