/* Names matched by globs: `*` any run of characters, `?` any one character (one UTF-8 code point),
 * everything else itself. Case counts. */
#ifndef MCP_MUX_FORMAT_PATTERN_H
#define MCP_MUX_FORMAT_PATTERN_H

#include "base/slice.h"

/* Whether NAME matches PATTERN as a whole. Linear in the product of the lengths at worst. */
bool pattern_match(const char *pattern, const char *name);

/* How specific a pattern is: the number of its characters that are neither `*` nor `?`; a pattern
 * without either counts as more than any with one. */
unsigned pattern_weight(const char *pattern);

#endif
