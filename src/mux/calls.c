/* tools/call: to which upstream, under which name, by the catalog's table. */
#include "mux/internal.h"

static void send(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct CatalogEntry *tool)
{
	const struct Target target = {
		.up = routing_upstream(request->router, tool->connector),
		.name = slice_of(tool->raw_upstream),
		.tool = tool->own,
		.repeatable = tool->tool->read_only || tool->tool->idempotent,
	};
	forward_send(request, message, params, &target);
}

void calls_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *name = json_string_dup(params->name);
	if (!name) {
		answer_error(request, RPC_INVALID_PARAMS, "params.name must be a string");
		return;
	}
	if (params->arguments.type != JSON_NONE && params->arguments.type != JSON_OBJECT) {
		answer_error(request, RPC_INVALID_PARAMS, "params.arguments must be an object");
		return;
	}
	const struct CatalogEntry *tool = catalog_find(request->router->catalogs[MCP_TOOLS], name);
	if (tool)
		send(request, message, params, tool);
	else if (!builtin_call(request, name, message, params))
		routing_unknown(request, message, name, MCP_TOOLS);
}
