/* prompts/get and completion/complete: to which upstream, under which name. */
#include "mux/internal.h"

static const struct CatalogEntry *find(struct Router *router, const char *name)
{
	lists_want(router, MCP_PROMPTS);
	return catalog_find(router->catalogs[MCP_PROMPTS], name);
}

void prompts_get(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	struct Router *router = request->router;
	g_autofree char *name = routing_take_name(request, params);
	if (!name)
		return;
	const struct CatalogEntry *prompt = find(router, name);
	if (!prompt) {
		routing_unknown(request, message, name, MCP_PROMPTS);
		return;
	}
	const struct Target target = {
		.up = routing_upstream(router, prompt->connector),
		.name = slice_of(prompt->raw_upstream),
		.target = prompt->own,
		.repeatable = true,
	};
	g_free(request->item);
	request->item = g_strdup(prompt->own);
	forward_send(request, message, params, &target);
}

/* ---- completion (2025-11-25 and 2026-07-28, "Completion") ---- */

/* Whether a server may be asked. 2024-11-05 has the method, but nothing by which a server says so. */
static bool may_complete(const struct Upstream *up)
{
	const char *revision = upstream_revision(up);
	return (upstream_offers(up) & UPSTREAM_COMPLETIONS) ||
	       g_strcmp0(revision, "2024-11-05") == 0;
}

/* An IDE is told of completion before any server is heard, so it asks for those that have none, too. */
void prompts_send_completion(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Target *target)
{
	static const char values[] = "\"completion\":{\"values\":[]}}";
	if (may_complete(target->up)) {
		forward_send(request, message, params, target);
		return;
	}
	g_autofree char *result =
		g_strconcat("{", answer_result_prefix(request->era), values, NULL);
	answer_result(request, slice_of(result));
}

static void complete_prompt(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const char *name)
{
	const struct CatalogEntry *prompt = find(request->router, name);
	if (!prompt) {
		routing_unknown(request, message, name, MCP_PROMPTS);
		return;
	}
	const struct Target target = {
		.up = routing_upstream(request->router, prompt->connector),
		.name = slice_of(prompt->raw_upstream),
		.repeatable = true,
	};
	prompts_send_completion(request, message, params, &target);
}

enum { REF_TYPE, REF_NAME, REF_URI, REF_MEMBERS };

void prompts_complete(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	static const char *const keys[REF_MEMBERS] = {"type", "name", "uri"};
	struct JsonValue ref[REF_MEMBERS] = {0};
	const char *twice = params->ref.type == JSON_OBJECT
				    ? json_find_members(params->ref.raw, keys, REF_MEMBERS, ref)
				    : NULL;
	g_autofree char *type = json_string_dup(ref[REF_TYPE]);
	g_autofree char *name = json_string_dup(ref[REF_NAME]);
	g_autofree char *uri = json_string_dup(ref[REF_URI]);
	if (!twice && name && g_strcmp0(type, "ref/prompt") == 0)
		complete_prompt(request, message, params, name);
	else if (!twice && uri && g_strcmp0(type, "ref/resource") == 0)
		resources_complete(request, message, params, uri);
	else
		answer_error(request, RPC_INVALID_PARAMS,
			"params.ref must be of type ref/prompt with a name, or ref/resource with a "
			"uri");
}
