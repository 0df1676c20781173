/* The lines of an ini text, one after another, each with the bytes it stands on: what ini_read and
 * ini_edit_* have in common. For format/ini*.c alone. */
#ifndef MCP_MUX_FORMAT_INI_LINE_H
#define MCP_MUX_FORMAT_INI_LINE_H

#include "base/slice.h"

enum {
	INI_LINE_BYTES = 65000, /* a longer line is an error */
	INI_SECTION_BYTES = 48, /* inih cuts section names at 49 */
	INI_KEY_BYTES = 255,
};

enum IniLineKind {
	INI_LINE_BLANK,
	INI_LINE_COMMENT,
	INI_LINE_SECTION,
	INI_LINE_ENTRY,
	INI_LINE_MORE, /* indented: continues the entry above */
};

/* All slices point into the text. */
struct IniLine {
	enum IniLineKind kind;
	unsigned number; /* from 1 */
	struct Slice whole; /* with its line ending, without a byte order mark */
	struct Slice name; /* of the section or key; of the continued key */
	struct Slice value; /* as written, quotes included; right behind `=` where there is none */
};

struct IniScanner {
	const char *file;
	const char *next;
	const char *end;
	unsigned number;
	bool in_section;
	struct Slice key; /* that a continuation line would continue */
};

/* FILE is borrowed, for messages. A byte order mark is passed over. */
void ini_scanner_init(struct IniScanner *scanner, const char *file, struct Slice text);

/* The next line. False at the end, and with ERROR set (MUX_ERROR_CONFIG) on a line that is none of
 * the kinds; nothing may be scanned after an error. */
bool ini_scanner_next(struct IniScanner *scanner, struct IniLine *line, GError **error);

/* The value that RAW, a scanned line's value, stands for. For g_free. */
char *ini_unquote(struct Slice raw);

/* Appends VALUE in a form that reads back as VALUE, quoted where it must be. False and nothing
 * appended where no form can hold it (invalid UTF-8, control characters other than tab). */
bool ini_quote(const char *value, GString *out);

/* Whether a section or key may be called that; if not, *WHY says what was expected. */
bool ini_section_ok(struct Slice name, const char **why);
bool ini_key_ok(struct Slice name, const char **why);

/* Sets MUX_ERROR_CONFIG with `FILE:LINE: ` before the text. Always false. */
bool ini_fail(GError **error, const char *file, unsigned line, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

#endif
