/* Ini text through inih, in spite of what inih as packaged misreads (lines cut at 200 bytes, section
 * names at 49, ` ;` inside values, indented lines, late errors): the text is scanned first, and what
 * inih would misread is an error that names the line. */
#ifndef MCP_MUX_FORMAT_INI_H
#define MCP_MUX_FORMAT_INI_H

#include "base/cleanup.h"
#include "base/slice.h"

/* What one line holds of a value. */
struct IniPart {
	char *value; /* unquoted, comments taken off */
	unsigned line;
};

struct IniEntry {
	char *section;
	char *key;
	char *value; /* unquoted, comments taken off; continuation lines joined by ", " (a comma at
			     the end of a line counts as that comma) */
	unsigned line; /* of the key */
	bool continued; /* there are continuation lines */
	GPtrArray *parts; /* struct IniPart: the key's line and its continuation lines */
};

struct IniSection {
	char *name;
	unsigned line;
};

struct IniFile {
	GPtrArray *sections; /* struct IniSection, in order, empty ones too */
	GPtrArray *entries; /* struct IniEntry, in order */
};

/* Reads TEXT (a byte order mark and CRLF are accepted). NULL with MUX_ERROR_CONFIG and a message
 * `FILE:LINE: …` on: a line that is neither section, key = value, comment, continuation nor empty; text
 * after `]`; a key before the first section; a repeated section, or key in a section; a quote that
 * does not close; invalid UTF-8 or a control character; a section name over 48 bytes. */
struct IniFile *ini_read(const char *file, struct Slice text, GError **error);
void ini_file_free(struct IniFile *ini);
MUX_AUTOPTR(IniFile, ini_file_free)

/* TEXT with `KEY = VALUE` set in SECTION: the value of an existing line replaced, its comment and
 * spacing kept; else a line added at the end of the section (before trailing blank lines); else the
 * section added at the end. Line ending and byte order mark as the file has them; every other byte
 * stays. A new string for the caller to g_free, NULL with MUX_ERROR_CONFIG as ini_read. */
char *ini_edit_set(const char *file, struct Slice text, const char *section, const char *key,
	const char *value, size_t *len, GError **error);

/* TEXT without that key's line (and its continuation lines); unchanged if there is none. */
char *ini_edit_unset(const char *file, struct Slice text, const char *section, const char *key,
	size_t *len, GError **error);

#endif
