/* Any bytes as an ini file: reading ends, an error names its line, and edits of what was read change one
 * value: afterwards it reads as set, every other entry and every comment as before. */
#include "base/error.h"
#include "format/ini.h"
#include "format/ini_line.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct IniFile *must_read(const char *text, size_t len)
{
	GError *error = NULL;
	struct IniFile *ini = ini_read("f", (struct Slice){text, len}, &error);
	if (error)
		g_error("an edit broke the file: %s\n%s", error->message, text);
	return ini;
}

static bool is_entry(const struct IniEntry *entry, const char *section, const char *key)
{
	return strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0;
}

/* The entry after *INDEX that is not the edited one, NULL at the end. */
static const struct IniEntry *next_other(
	const struct IniFile *ini, guint *index, const char *section, const char *key)
{
	while (*index < ini->entries->len) {
		const struct IniEntry *entry = ini->entries->pdata[(*index)++];
		if (!is_entry(entry, section, key))
			return entry;
	}
	return NULL;
}

static void check_others(const struct IniFile *before, const struct IniFile *after,
	const char *section, const char *key)
{
	guint b = 0;
	guint a = 0;
	const struct IniEntry *was;
	while ((was = next_other(before, &b, section, key))) {
		const struct IniEntry *is = next_other(after, &a, section, key);
		g_assert_nonnull(is);
		g_assert_cmpstr(was->section, ==, is->section);
		g_assert_cmpstr(was->key, ==, is->key);
		g_assert_cmpstr(was->value, ==, is->value);
		g_assert_cmpuint(was->parts->len, ==, is->parts->len);
	}
	g_assert_null(next_other(after, &a, section, key));
}

/* All comment lines, one after another. */
static char *comments(const char *text, size_t len)
{
	GString *all = g_string_new(NULL);
	struct IniScanner scanner;
	struct IniLine line;
	ini_scanner_init(&scanner, "f", (struct Slice){text, len});
	while (ini_scanner_next(&scanner, &line, NULL)) {
		if (line.kind != INI_LINE_COMMENT)
			continue;
		g_string_append_len(all, line.whole.data, (gssize)line.whole.len);
		while (all->len && strchr("\r\n", all->str[all->len - 1]))
			g_string_truncate(all, all->len - 1);
		g_string_append_c(all, '\n');
	}
	return g_string_free(all, FALSE);
}

static void check_comments(const char *before, size_t before_len, const char *after, size_t len)
{
	g_autofree char *was = comments(before, before_len);
	g_autofree char *is = comments(after, len);
	g_assert_cmpstr(was, ==, is);
}

static void check_set(const struct IniFile *before, struct Slice text, const char *section,
	const char *key, const char *value)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_autofree char *edited = ini_edit_set("f", text, section, key, value, &len, &error);
	if (!edited) {
		g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
		return;
	}
	g_autoptr(IniFile) after = must_read(edited, len);
	check_others(before, after, section, key);
	check_comments(text.data, text.len, edited, len);
	unsigned found = 0;
	for (guint i = 0; i < after->entries->len; i++) {
		const struct IniEntry *entry = after->entries->pdata[i];
		if (is_entry(entry, section, key)) {
			found++;
			g_assert_cmpstr(entry->value, ==, value);
		}
	}
	g_assert_cmpuint(found, ==, 1);

	size_t again_len = 0;
	g_autofree char *again = ini_edit_set(
		"f", (struct Slice){edited, len}, section, key, value, &again_len, &error);
	g_assert_cmpmem(again, again_len, edited, len);
}

static void check_unset(
	const struct IniFile *before, struct Slice text, const char *section, const char *key)
{
	size_t len = 0;
	g_autofree char *edited = ini_edit_unset("f", text, section, key, &len, NULL);
	g_assert_nonnull(edited);
	g_autoptr(IniFile) after = must_read(edited, len);
	check_others(before, after, section, key);
	check_comments(text.data, text.len, edited, len);
	for (guint i = 0; i < after->entries->len; i++)
		g_assert_false(is_entry(after->entries->pdata[i], section, key));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of its own, so that reading behind the end is seen. */
	g_autofree char *copy = g_memdup2(data, size);
	struct Slice text = {copy, size};
	g_autoptr(GError) error = NULL;
	g_autoptr(IniFile) ini = ini_read("f", text, &error);
	if (!ini) {
		g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
		g_assert_true(g_str_has_prefix(error->message, "f:"));
		return 0;
	}
	static const char *const values[] = {
		"", "off", "a ; b", " \"q\" \\ ", "x, y", "\t;", "\xc3\xa0"};
	const char *value = values[size % G_N_ELEMENTS(values)];
	check_set(ini, text, "new", "key", value);
	for (guint i = 0; i < ini->sections->len && i < 4; i++) {
		const struct IniSection *section = ini->sections->pdata[i];
		check_set(ini, text, section->name, "another", value);
	}
	for (guint i = 0; i < ini->entries->len && i < 8; i++) {
		const struct IniEntry *entry = ini->entries->pdata[i];
		check_set(ini, text, entry->section, entry->key, value);
		check_set(ini, text, entry->section, entry->key, entry->value);
		check_unset(ini, text, entry->section, entry->key);
	}
	return 0;
}
