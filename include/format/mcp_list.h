/* The four lists that a server keeps (MCP 2026-07-28, "Pagination"): what they are called on the wire. */
#ifndef MCP_MUX_FORMAT_MCP_LIST_H
#define MCP_MUX_FORMAT_MCP_LIST_H

enum McpList { MCP_TOOLS, MCP_PROMPTS, MCP_RESOURCES, MCP_TEMPLATES, MCP_LISTS };

struct McpListInfo {
	const char *method; /* of the request for it */
	const char *member; /* of the result */
	const char *key; /* the member of an item that it is known by */
	const char *capability; /* the server's */
	const char *changed; /* the notice that it changed */
	const char *filter; /* of subscriptions/listen: the member that asks for that notice */
};

/* By enum McpList. Resources and their templates share a capability and a notice. */
extern const struct McpListInfo mcp_lists[MCP_LISTS];

#endif
