/* What a tool is by its definition, in a form that does not depend on how it was written down: for comparing it with what
 * was approved, and for showing a person what changed. */
#ifndef MCP_MUX_FORMAT_DEFINITION_H
#define MCP_MUX_FORMAT_DEFINITION_H

#include "base/slice.h"

#include <glib.h>

/* The canonical text of TOOL, a tool's raw definition (validated JSON, an object): one JSON object of its name, title,
 * description, inputSchema, outputSchema and annotations, as far as it has them; strings in one spelling, members sorted
 * bytewise by their names in that spelling (those with equal names stay, in their order), numbers as they were sent, no
 * white space. Two definitions mean the same to a client if and only if these are equal. No longer than TOOL, and made in
 * time that grows with its length alone (but for the sorting). *LEN gets its bytes; for g_free. */
char *definition_canonical(struct Slice tool, size_t *len);

/* OLD and NEW, canonical texts (an empty one: there is none), as lines: what only OLD has with `-` before it, what only NEW
 * has with `+`, what both have with a space, as far as it stands near a change or says where in the definition it is; ` …`
 * for what is left out. Indented, one member or element a line, long strings broken at their line ends, no line longer
 * than DEFINITION_LINE_BYTES. What cannot be seen (controls, bidirectional controls, zero-width and other blank
 * characters, tags, variation selectors) stands there as \u{HEX}, so that nothing is hidden from the reader. Still text of a
 * peer: it is to be shown through cli/output.h. Elements are char *, g_free'd with the array; empty where both are equal.
 * The work is bounded: where OLD and NEW have too little in common, what lies between the first and the last difference
 * is taken for changed as a whole. */
enum { DEFINITION_LINE_BYTES = 1000 };
GPtrArray *definition_diff(struct Slice old, struct Slice new_one);

#endif
