/* Why the IDE has a tool or has it not: in every case one rule, in words and with the line where it stands. */
#ifndef MCP_MUX_CLI_EXPLAIN_H
#define MCP_MUX_CLI_EXPLAIN_H

#include "cli/survey.h"
#include "format/ini.h"
#include "format/json_writer.h"

/* The one rule. */
struct Explanation {
	const char *verdict; /* static text, a stable word: one of those that mcp-mux(1) lists */
	const char
		*rule; /* the pattern, or the setting as KEY = VALUE; NULL: none. Borrowed from the
			   configuration, or static */
	struct Place place; /* of RULE, or of the list that lacks one; file NULL: no line says it */
	char *text; /* a clause, without the place */
};

void explanation_clear(struct Explanation *explanation);
/* The clause with the place after it, in parentheses; for g_free. */
char *explanation_words(const struct Explanation *explanation);

/* EXPLANATION is filled; strings that it borrows live as long as SURVEY does, or the configuration. */

/* Of a tool that was seen. */
void explain_tool(struct Explanation *explanation, const struct Survey *survey,
	const struct CatalogEntry *tool);
/* Of all tools of a connector where none are known. True if that is certain: false where servers that run may still have
 * them listed, or could have them when you look again. */
bool explain_unknown(struct Explanation *explanation, const struct SurveyEntry *entry);
/* Of mcp-mux's own tools. */
void explain_own(struct Explanation *explanation, const struct Configuration *configuration);

/* Why an exposed TOOL is not called PREFIX, separator and its own name (or, a native one, just that): a clause, for g_free.
 * NULL where it is. */
char *explain_alias(const struct Survey *survey, const struct CatalogEntry *tool);

/* The line of a file that sets KEY in SECTION, NULL: none does. Borrowed from INI. */
const struct IniEntry *explain_find_entry(
	const struct IniFile *ini, const char *section, const char *key);

/* For --json. */

/* A tool as an object: TOOL, or OWN of mcp-mux's own. */
void explain_write_tool(
	struct JsonWriter *w, const struct Survey *survey, const struct CatalogEntry *tool);
void explain_write_own(
	struct JsonWriter *w, const struct Configuration *configuration, const struct Tool *own);
/* KEY and a string, or null. */
void explain_write_text(struct JsonWriter *w, const char *key, const char *text);
/* KEY and an array of LINES (char *). */
void explain_write_texts(struct JsonWriter *w, const char *key, const GPtrArray *lines);
/* The members verdict, reason, rule, file and line. */
void explain_write(struct JsonWriter *w, const struct Explanation *explanation);

#endif
