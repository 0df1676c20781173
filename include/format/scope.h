/* Sets of scopes as OAuth writes them: tokens with single spaces between (RFC 6749, 3.3). */
#ifndef MCP_MUX_FORMAT_SCOPE_H
#define MCP_MUX_FORMAT_SCOPE_H

#include "base/slice.h"

/* All of A, then what B has besides, each once. NULL counts as empty; NULL if the outcome is empty. Tokens with
 * characters that RFC 6749 does not allow are left out. For g_free. */
char *scope_union(const char *a, const char *b);
bool scope_has(const char *set, const char *token);
/* Whether every token of PART is in SET. */
bool scope_covers(const char *set, const char *part);

#endif
