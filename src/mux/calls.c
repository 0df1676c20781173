/* tools/call: to which upstream, under which name, by the catalog's table; and what becomes of requests for tools, prompts and
 * resources that are hidden while they wait to be sent. */
#include "mux/internal.h"

#include "base/text.h"

#include <string.h>

static void send(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct CatalogEntry *tool)
{
	const struct Target target = {
		.up = routing_upstream(request->router, tool->connector),
		.name = slice_of(tool->raw_upstream),
		.tool = tool->own,
		.repeatable = tool->tool->read_only || tool->tool->idempotent,
	};
	g_free(request->tool);
	request->tool = g_strdup(tool->own);
	forward_send(request, message, params, &target);
}

/* It is hidden, but the IDE may have its old list still. */
static void refuse_changed(
	struct Request *request, const struct CatalogEntry *tool, const char *exposed)
{
	g_autofree char *title = text_printable(slice_of(connector_title(tool->connector)), 100);
	g_autofree char *text = g_strdup_printf(
		"Nothing was sent: %s changed the definition of %s since it was approved, and the "
		"configuration blocks such tools (pin_tools = block). Look at the change with "
		"`mcp-mux diff %s` in a terminal and accept it with `mcp-mux approve %s`, then "
		"repeat the call.",
		title, exposed, exposed, exposed);
	audit_call_for(&request->audit, tool->connector, tool->own);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
	answer_failure(request, text);
}

void calls_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *name = routing_take_name(request, params);
	if (!name)
		return;
	const struct Catalog *tools = request->router->catalogs[MCP_TOOLS];
	const struct CatalogEntry *tool = catalog_find(tools, name);
	const struct CatalogEntry *blocked = tool ? NULL : catalog_find_blocked(tools, name);
	if (tool)
		send(request, message, params, tool);
	else if (blocked)
		refuse_changed(request, blocked, name);
	else if (!builtin_call(request, name, message, params))
		routing_unknown(request, message, name, MCP_TOOLS);
}

/* ---- requests that wait ---- */

static char *tool_key(const struct ConnectorConfig *connector, const char *own)
{
	return g_strconcat(connector->name, " ", own, NULL);
}

/* Hidden tools of connectors that are there: char *tool_key -> const struct CatalogEntry. */
static GHashTable *find_hidden(const struct Router *router)
{
	GHashTable *hidden = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	const GPtrArray *tools = catalog_entries(router->catalogs[MCP_TOOLS]);
	for (guint i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (tool->decision.verdict != VERDICT_EXPOSED)
			g_hash_table_insert(
				hidden, tool_key(tool->connector, tool->own), (gpointer)tool);
	}
	return hidden;
}

/* REQUEST is not sent any more. */
static void withdraw(struct Request *request)
{
	if (request->call)
		upstream_call_cancel(g_steal_pointer(&request->call));
}

/* WHAT: "Unknown tool" or the like, OWN: its name at its server. */
static void refuse_hidden(struct Request *request, const char *what, const char *own)
{
	g_autofree char *shown = text_printable(slice_of(own), 200);
	g_autofree char *text = g_strdup_printf("%s: %s was hidden while the %s waited", what,
		shown, request->tool ? "call" : "request");
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
	answer_error(request, RPC_INVALID_PARAMS, text);
}

static void refuse_tool(struct Request *request, const struct CatalogEntry *tool)
{
	withdraw(request);
	if (tool->decision.verdict == VERDICT_PIN_CHANGED)
		refuse_changed(
			request, tool, catalog_name_of(request->router->catalogs[MCP_TOOLS], tool));
	else
		refuse_hidden(request, "Unknown tool", tool->own);
}

static void recheck_tool(struct Request *request, GHashTable *hidden)
{
	g_autofree char *key = tool_key(upstream_connector(request->upstream), request->tool);
	const struct CatalogEntry *tool = g_hash_table_lookup(hidden, key);
	if (tool)
		refuse_tool(request, tool);
}

static void recheck_item(struct Request *request)
{
	bool is_prompt = strcmp(request->method, "prompts/get") == 0;
	struct Decision decision = policy_name(upstream_connector(request->upstream),
		is_prompt ? ALLOW_PROMPTS : ALLOW_RESOURCES, request->item);
	if (decision.verdict == VERDICT_EXPOSED)
		return;
	withdraw(request);
	refuse_hidden(request, is_prompt ? "Unknown prompt" : "Resource not found", request->item);
}

void calls_recheck(struct Router *router)
{
	g_autoptr(GPtrArray) waiting = request_find_waiting(router);
	if (waiting->len == 0)
		return;
	g_autoptr(GHashTable) hidden = find_hidden(router);
	for (guint i = 0; i < waiting->len; i++) {
		struct Request *request = g_hash_table_lookup(router->requests, waiting->pdata[i]);
		if (!request || !request_waits(request))
			continue;
		if (request->tool)
			recheck_tool(request, hidden);
		else if (request->item)
			recheck_item(request);
	}
}
