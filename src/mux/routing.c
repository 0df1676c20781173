/* What is shared in finding where a name belongs. Only where the catalog does not know it, its beginning tells
 * whether it may belong to a connector that is still opening (the request is held) or cannot answer (the reason is told
 * in words that the model can pass on). */
#include "mux/internal.h"

#include "base/text.h"

struct Upstream *routing_upstream(
	const struct Router *router, const struct ConnectorConfig *connector)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (upstream_connector(up) == connector)
			return up;
	}
	return NULL;
}

/* The connector whose prefix the name has, else the native one; NULL if there is neither. */
static struct Upstream *likely_owner(const struct Router *router, const char *name)
{
	struct Upstream *native = NULL;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		const struct ConnectorConfig *connector = upstream_connector(up);
		size_t n = strlen(connector->prefix);
		if (connector->native)
			native = up;
		else if (g_str_has_prefix(name, connector->prefix) &&
			 g_str_has_prefix(name + n, router->config->mux.separator))
			return up;
	}
	return native;
}

/* Whether UP offers it, or may: one that was never open in this process is known too little. But where nobody has signed in,
 * nobody can have what is its. */
static bool may_offer(const struct Upstream *up, enum UpstreamOffer offer)
{
	const struct Credential *credential = upstream_credential(up);
	bool is_modern = upstream_era(up) == ERA_MODERN;
	if (upstream_era(up) != ERA_UNKNOWN)
		return (upstream_offers(up) & offer) && (is_modern || offer != UPSTREAM_TASKS);
	if (upstream_state(up) != UPSTREAM_SIGNED_OUT)
		return true;
	return credential && credential_state(credential) != CREDENTIAL_NONE;
}

struct Upstream *routing_only(const struct Router *router, enum UpstreamOffer offer)
{
	struct Upstream *found = NULL;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (!may_offer(up, offer))
			continue;
		if (found)
			return NULL;
		found = up;
	}
	return found && upstream_era(found) != ERA_UNKNOWN ? found : NULL;
}

/* The audit log says which one it was that is not exposed. */
static void note_hidden(
	struct Request *request, const struct Upstream *up, const char *name, enum McpList list)
{
	const struct Router *router = request->router;
	const struct ConnectorConfig *connector = upstream_connector(up);
	const GPtrArray *entries = catalog_entries(router->catalogs[list]);
	const char *own = name;
	if (!connector->native)
		own += strlen(connector->prefix) + strlen(router->config->mux.separator);
	for (guint i = 0; i < entries->len; i++) {
		const struct CatalogEntry *entry = entries->pdata[i];
		if (entry->connector == connector && strcmp(entry->own, own) == 0)
			audit_call_for(&request->audit, connector, own);
	}
}

char *routing_take_name(struct Request *request, const struct McpParams *params)
{
	g_autofree char *name = json_string_dup(params->name);
	const char *why = NULL;
	if (!name)
		why = "params.name must be a string";
	else if (params->arguments.type != JSON_NONE && params->arguments.type != JSON_OBJECT)
		why = "params.arguments must be an object";
	if (!why)
		return g_steal_pointer(&name);
	answer_error(request, RPC_INVALID_PARAMS, why);
	return NULL;
}

void routing_unknown(struct Request *request, const struct RpcMessage *message, const char *name,
	enum McpList list)
{
	struct Router *router = request->router;
	struct Upstream *up = likely_owner(router, name);
	if (up && !lists_has(up, list)) {
		forward_reopen(request, up); /* it may be back: each request tries once */
		if (!upstream_is_listed(up, list)) {
			forward_hold(request, message, up, router->config->mux.call_timeout_ms);
			return;
		}
		if (!upstream_connector(up)->native) {
			g_autofree char *words =
				answer_words(router, upstream_connector(up), upstream_error(up));
			audit_call_for(&request->audit, upstream_connector(up), NULL);
			audit_call_error(&request->audit, upstream_error(up));
			answer_failure(request, words);
			return;
		}
	}
	if (up)
		note_hidden(request, up, name, list);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
	g_autofree char *shown = text_printable(slice_of(name), 200);
	g_autofree char *text =
		g_strdup_printf("Unknown %s: %s", list == MCP_TOOLS ? "tool" : "prompt", shown);
	answer_error(request, RPC_INVALID_PARAMS, text);
}
