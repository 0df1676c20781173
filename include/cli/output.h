/* What commands print. Text goes to stdout in one piece at the end of a command, with every control
 * character made harmless whoever wrote it; errors go to stderr as `mcp-mux: …`. `serve` prints
 * nothing through here: its stdout carries MCP alone. */
#ifndef MCP_MUX_CLI_OUTPUT_H
#define MCP_MUX_CLI_OUTPUT_H

#include "base/cleanup.h"
#include "base/slice.h"

enum OutputStyle { STYLE_PLAIN, STYLE_HEADING, STYLE_GOOD, STYLE_WARNING, STYLE_BAD, STYLE_FAINT };

struct Output;

/* Starts. Colour only if stdout is a terminal, TERM is not `dumb` and NO_COLOR is not set. */
struct Output *output_new(void);
void output_free(struct Output *output);
MUX_AUTOPTR(Output, output_free)

/* One line, made harmless, the line's end added. */
void output_line(struct Output *output, enum OutputStyle style, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* Writes all of it to stdout. False if stdout does not take it; said on stderr unless its reader
 * just went away. */
bool output_flush(struct Output *output);

/* Writes one JSON document and a line's end to stdout. Characters that a terminal could take for
 * commands and that JSON allows in strings are escaped. False as output_flush. */
bool output_json(const GString *document);

/* Rows of cells in columns that are as wide as the widest cell, two spaces between. */
struct Table;
struct Table *table_new(unsigned columns);
void table_free(struct Table *table);
MUX_AUTOPTR(Table, table_free)
/* A row: as many texts as there are columns (copied; NULL counts as empty), each with its style. */
void table_add(struct Table *table, const enum OutputStyle *styles, const char *const *cells);
unsigned table_rows(const struct Table *table);
/* Prints the rows, INDENT spaces before each. */
void table_print(const struct Table *table, struct Output *output, unsigned indent);
/* Forgets the rows; the columns stay as wide as they are. */
void table_clear(struct Table *table);

/* `mcp-mux: …` on stderr, made harmless. */
void output_error(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* The same with ERROR's message; returns the exit status for its code. */
int output_fail(const GError *error);

#endif
