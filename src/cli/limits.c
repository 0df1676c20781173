#include "cli/limits.h"

#include <string.h>

/* Vendors change these without notice, and document them in few words; where each is from stands beside it. */
enum {
	/* Cursor's documentation, "Model Context Protocol", section "Tool quantity" (2025): only the first 40 tools were
	 * sent to the model. */
	CURSOR_TOOLS_ONCE = 40,
	/* Its settings have warned of "exceeding total tools limit" above 80 since then; reported in
	 * Snowflake-Labs/mcp issue 77. */
	CURSOR_TOOLS = 80,
	/* VS Code's documentation, "Use tools with agents": a chat request can have a maximum of 128 tools enabled. Its own
	 * count as well. */
	VS_CODE_TOOLS = 128,
	/* Cursor's warning "Combined server and tool name length (60) exceeds 60 characters": such tools are left out. */
	CURSOR_NAME = 59,
	/* Anthropic's API, tool use: names match ^[a-zA-Z0-9_-]{1,64}$, else it refuses the whole request. Claude Code puts
	 * mcp__SERVER__ before them (its documentation, "Connect Claude Code to tools via MCP"). */
	CLAUDE_NAME = 64,
	/* Claude Code's /doctor: "Large MCP tools context (~… tokens > 25,000)"; reported in anthropics/claude-code
	 * issue 12241. */
	CLAUDE_TOKENS = 25000,
};

#define SHOW_LESS "switch some off (mcp-mux disable NAME TOOL...) or shorten allowed_tools"

size_t limits_tokens(size_t bytes)
{
	return (bytes + LIMITS_BYTES_PER_TOKEN - 1) / LIMITS_BYTES_PER_TOKEN;
}

static void check_number(GPtrArray *lines, unsigned tools)
{
	if (tools > CURSOR_TOOLS)
		g_ptr_array_add(
			lines, g_strdup_printf("%u tools: Cursor warns above %d of all its servers "
					       "together; " SHOW_LESS,
				       tools, CURSOR_TOOLS));
	else if (tools > CURSOR_TOOLS_ONCE)
		g_ptr_array_add(lines,
			g_strdup_printf("%u tools: older versions of Cursor give the model only "
					"the first %d of all servers together; " SHOW_LESS,
				tools, CURSOR_TOOLS_ONCE));
	if (tools > VS_CODE_TOOLS)
		g_ptr_array_add(lines,
			g_strdup_printf("%u tools: VS Code takes %d in a request, its own among "
					"them; " SHOW_LESS,
				tools, VS_CODE_TOOLS));
}

/* What names over LIMIT, with PREFIX before them, come to: one line, with the longest as the example. */
static void check_names(GPtrArray *lines, const GPtrArray *names, const char *prefix,
	unsigned limit, const char *consequence)
{
	const char *longest = NULL;
	unsigned count = 0;
	size_t room = limit - strlen(prefix);
	for (unsigned i = 0; i < names->len; i++) {
		const char *name = names->pdata[i];
		if (strlen(name) <= room)
			continue;
		count++;
		if (!longest || strlen(name) > strlen(longest))
			longest = name;
	}
	if (count == 0)
		return;
	g_ptr_array_add(lines,
		g_strdup_printf("%u tool%s with a name over %zu characters, %s among them: %s; set "
				"max_tool_name = %zu or less, and switch native tools, which keep "
				"their names, off (mcp-mux disable native TOOL...)",
			count, count == 1 ? "" : "s", room, longest, consequence, room));
}

static void check_tokens(GPtrArray *lines, size_t bytes)
{
	size_t tokens = limits_tokens(bytes);
	if (tokens > CLAUDE_TOKENS)
		g_ptr_array_add(
			lines, g_strdup_printf("about %zu tokens of definitions (bytes / %d, an "
					       "estimate): Claude Code warns above %d; " SHOW_LESS,
				       tokens, LIMITS_BYTES_PER_TOKEN, CLAUDE_TOKENS));
}

GPtrArray *limits_warnings(const GPtrArray *names, size_t bytes)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	check_number(lines, names->len);
	check_names(lines, names, LIMITS_SERVER_NAME, CURSOR_NAME,
		"Cursor leaves out tools whose name and server's name have 60 together");
	check_names(lines, names, "mcp__" LIMITS_SERVER_NAME "__", CLAUDE_NAME,
		"Claude takes 64, mcp__" LIMITS_SERVER_NAME "__ before them included");
	check_tokens(lines, bytes);
	return lines;
}
