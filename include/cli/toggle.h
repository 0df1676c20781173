/* The parts of `enable` and `disable` that need no file. */
#ifndef MCP_MUX_CLI_TOGGLE_H
#define MCP_MUX_CLI_TOGGLE_H

#include "base/slice.h"

/* The key that stands for TOOL, a name or a glob, in a [tools:…] section: each character that a key
 * cannot hold becomes `?`, which matches it. For g_free. MUX_ERROR_USAGE if TOOL is empty, too long
 * for a line or no UTF-8. */
char *toggle_key(const char *tool, GError **error);

/* TEXT with every one of KEYS (NULL-terminated) set on or off in [tools:CONNECTOR]. For g_free;
 * *LEN gets its bytes. Errors as ini_edit_set. */
char *toggle_edit(const char *file, struct Slice text, const char *connector,
	const char *const *keys, bool on, size_t *len, GError **error);

#endif
