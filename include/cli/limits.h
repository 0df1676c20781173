/* How much of a tool list the well-known IDEs take, and what a list costs. What they count is all servers of the IDE
 * together, so that what passes a limit by itself passes it for certain. */
#ifndef MCP_MUX_CLI_LIMITS_H
#define MCP_MUX_CLI_LIMITS_H

#include <glib.h>

/* The name under which the IDE's entry for this program is written, which IDEs put before the tools' names. */
#define LIMITS_SERVER_NAME "mcp-mux"

/* How many bytes of a definition are counted as one token. */
enum { LIMITS_BYTES_PER_TOKEN = 4 };

/* The estimate for BYTES of definitions, rounded up. */
size_t limits_tokens(size_t bytes);

/* What a list of tools called NAMES (const char *, as exposed), whose definitions have BYTES bytes, runs into with Cursor, VS
 * Code and Claude: char *, a sentence each with the limit and what to do, g_free'd with the array. */
GPtrArray *limits_warnings(const GPtrArray *names, size_t bytes);

#endif
