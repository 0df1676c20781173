#include "format/mcp_list.h"

const struct McpListInfo mcp_lists[MCP_LISTS] = {
	[MCP_TOOLS] =
		{
			.method = "tools/list",
			.member = "tools",
			.key = "name",
			.capability = "tools",
			.changed = "notifications/tools/list_changed",
			.filter = "toolsListChanged",
		},
	[MCP_PROMPTS] =
		{
			.method = "prompts/list",
			.member = "prompts",
			.key = "name",
			.capability = "prompts",
			.changed = "notifications/prompts/list_changed",
			.filter = "promptsListChanged",
		},
	[MCP_RESOURCES] =
		{
			.method = "resources/list",
			.member = "resources",
			.key = "uri",
			.capability = "resources",
			.changed = "notifications/resources/list_changed",
			.filter = "resourcesListChanged",
		},
	[MCP_TEMPLATES] =
		{
			.method = "resources/templates/list",
			.member = "resourceTemplates",
			.key = "uriTemplate",
			.capability = "resources",
			.changed = "notifications/resources/list_changed",
			.filter = "resourcesListChanged",
		},
};
