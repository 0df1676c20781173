/* The names under which tools are exposed: of legal characters,
 * unique, bounded in length, and a function of nothing but the set of exposed tools. */
#ifndef MCP_MUX_MUX_NAMES_H
#define MCP_MUX_MUX_NAMES_H

#include "format/config.h"

/* What the names of mcp-mux's own tools begin with, before the separator. No other tool is exposed
 * under such a name. */
#define NAMES_OWN_PREFIX "mcp_mux"

struct ExposedName {
	const struct ConnectorConfig *connector;
	const char *upstream; /* UTF-8, not empty, unique within its connector */
	char *exposed; /* set by names_assign, for g_free */
	bool aliased; /* likewise: not the name that it would have by the simple rule */
};

/* Names N tools. By the simple rule a native tool keeps its name and another one gets PREFIX,
 * separator and its name. Where that holds characters other than [A-Za-z0-9_-], is longer than
 * max_tool_name (native names may be), is one of mcp-mux's own or is the name of another tool (a
 * native tool keeps it, any others all give way), the tool gets an alias: other characters made `_`,
 * cut, and `_` with 8 hex digits of SHA-256(connector NUL upstream name), more of them should even
 * that be taken. */
void names_assign(const struct MuxConfig *mux, struct ExposedName *names, size_t n);

#endif
