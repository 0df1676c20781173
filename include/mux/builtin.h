/* mcp-mux's own tools, named `mcp_mux` + separator + name. */
#ifndef MCP_MUX_MUX_BUILTIN_H
#define MCP_MUX_MUX_BUILTIN_H

#include <glib.h>

/* Appends their definitions, as tools/list shows them where builtin_tools = on, under names with SEPARATOR: JSON objects,
 * with commas between. */
void builtin_render(const char *separator, GString *out);

#endif
