/* Questions to a person at a terminal, and secrets that come by a pipe. */
#ifndef MCP_MUX_CLI_TERMINAL_H
#define MCP_MUX_CLI_TERMINAL_H

#include "base/secret.h"

enum { TERMINAL_SECRET_BYTES = 64 * 1024 };

/* Whether stdin and stderr are terminals. */
bool terminal_is_there(void);
/* Asks PROMPT on the terminal and reads a line without echo; line after line up to the END line where the first begins a
 * key in PEM. NULL with MUX_ERROR_IO at the end of input or MUX_ERROR_TOO_LARGE. White space at both ends is cut; may
 * be empty. */
struct Secret *terminal_ask_secret(const char *prompt, GError **error);
/* The same with echo, for g_free. */
char *terminal_ask(const char *prompt, GError **error);
/* All of stdin, white space at both ends cut (--key-stdin). NULL with MUX_ERROR_IO, MUX_ERROR_TOO_LARGE, or
 * MUX_ERROR_USAGE where it is empty. */
struct Secret *terminal_read_secret(GError **error);

#endif
