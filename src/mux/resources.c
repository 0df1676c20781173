/* Resources: which upstream serves a URI.
 *
 * URIs stay as they are, so nothing in them tells whose they are, and what servers say of URIs is not trusted: one must not
 * draw reads of another's resources to itself by naming them. So the claims have an order. Port's own resources come
 * first, listed ones or by a template. Then what is listed; of several that list the same URI, the one that named it
 * last in a result, else the first. Then templates that say more than a scheme. Then what was named in passing: by the
 * _meta of a tool that is exposed, by a result. Then templates that match nearly anything. Last, a URI that nobody knows
 * goes to the one upstream that has resources, if there is but one; where there are several it is asked of none, since
 * a URI may itself be confidential. For the same reason one that was named by a server that is gone goes nowhere but to a
 * server that claims it by more than a template that matches nearly anything.
 *
 * A claim counts only where the connector's allow-list admits the URI that is read. */
#include "mux/internal.h"

#include "base/text.h"

#include <string.h>

enum {
	NAMED_MAX = 10 * 1000, /* URIs in results of one upstream that are remembered, */
	NAMED_BYTES_MAX = 1024 * 1024, /* and their bytes together */
	URI_BYTES_MAX = 8 * 1024,
	RESOURCE_NOT_FOUND = -32002, /* until 2025-11-25 */
};

struct Resources {
	struct Owners *named; /* in results */
};

void resources_init(struct Router *router)
{
	router->resources = g_new0(struct Resources, 1);
	router->resources->named = owners_new(NAMED_MAX, NAMED_BYTES_MAX);
}

void resources_release(struct Router *router)
{
	owners_free(router->resources->named);
	g_free(router->resources);
}

/* ---- claims ---- */

static bool may_read(const struct ConnectorConfig *connector, const char *uri)
{
	return policy_name(connector, ALLOW_RESOURCES, uri).verdict == VERDICT_EXPOSED;
}

/* Of those that list it. */
static const struct ConnectorConfig *find_listed(const struct Router *router, const char *uri)
{
	const struct CatalogEntry *first = catalog_find(router->catalogs[MCP_RESOURCES], uri);
	if (!first || first->connector->native)
		return first ? first->connector : NULL;
	const struct Upstream *named = owners_get(router->resources->named, uri);
	for (const struct CatalogEntry *entry = first; named && entry; entry = entry->next) {
		if (entry->connector == upstream_connector(named))
			return entry->connector;
	}
	return first->connector;
}

/* Templates that match a URI: of each kind the one that says most. */
struct Templates {
	const struct CatalogEntry *native;
	const struct CatalogEntry *specific;
	const struct CatalogEntry *any;
};

/* Whether a template says more than that a URI has some scheme. */
static bool is_specific(const char *uri_template)
{
	size_t scheme = strspn(uri_template, "abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	if (uri_template[scheme] != ':')
		return false;
	const char *rest = uri_template + scheme + 1;
	rest += strspn(rest, "/");
	return *rest != '\0' && *rest != '{';
}

static void keep_better(const struct CatalogEntry **best, const struct CatalogEntry *entry)
{
	if (!*best || uri_template_literals(entry->uri_template) >
			      uri_template_literals((*best)->uri_template))
		*best = entry;
}

static struct Templates find_templates(const struct Router *router, const char *uri)
{
	const GPtrArray *entries = catalog_entries(router->catalogs[MCP_TEMPLATES]);
	struct Templates found = {0};
	for (guint i = 0; i < entries->len; i++) {
		const struct CatalogEntry *entry = entries->pdata[i];
		if (!entry->uri_template || !uri_template_matches(entry->uri_template, uri) ||
			!may_read(entry->connector, uri))
			continue;
		keep_better(&found.any, entry);
		if (entry->connector->native)
			keep_better(&found.native, entry);
		if (is_specific(entry->own))
			keep_better(&found.specific, entry);
	}
	return found;
}

/* An exposed tool that is shown by this resource (MCP Apps). */
static const struct ConnectorConfig *find_of_tool(const struct Router *router, const char *uri)
{
	const GPtrArray *entries = catalog_entries(router->catalogs[MCP_TOOLS]);
	for (guint i = 0; i < entries->len; i++) {
		const struct CatalogEntry *entry = entries->pdata[i];
		if (entry->exposed && entry->tool->ui && strcmp(entry->tool->ui, uri) == 0 &&
			may_read(entry->connector, uri))
			return entry->connector;
	}
	return NULL;
}

static const struct ConnectorConfig *find_named(const struct Router *router, const char *uri)
{
	const struct Upstream *named = owners_get(router->resources->named, uri);
	const struct ConnectorConfig *connector = named ? upstream_connector(named) : NULL;
	return connector && may_read(connector, uri) ? connector : NULL;
}

static const struct ConnectorConfig *find_only(const struct Router *router, const char *uri)
{
	const struct Upstream *up = routing_only(router, UPSTREAM_RESOURCES);
	const struct ConnectorConfig *connector = up ? upstream_connector(up) : NULL;
	return connector && may_read(connector, uri) ? connector : NULL;
}

static const struct ConnectorConfig *find_connector(const struct Router *router, const char *uri)
{
	const struct ConnectorConfig *connector = find_listed(router, uri);
	if (connector && connector->native)
		return connector;
	struct Templates templates = find_templates(router, uri);
	if (templates.native)
		return templates.native->connector;
	if (connector)
		return connector;
	if (templates.specific)
		return templates.specific->connector;
	connector = find_of_tool(router, uri);
	if (!connector)
		connector = find_named(router, uri);
	if (!connector && owners_is_nobodys(router->resources->named, uri))
		return NULL;
	if (!connector && templates.any)
		connector = templates.any->connector;
	return connector ? connector : find_only(router, uri);
}

struct Upstream *resources_find(struct Router *router, const char *uri, struct Upstream **awaited)
{
	lists_want(router, MCP_RESOURCES);
	lists_want(router, MCP_TEMPLATES);
	*awaited = lists_find_awaited(router, MCP_RESOURCES);
	if (!*awaited)
		*awaited = lists_find_awaited(router, MCP_TEMPLATES);
	if (*awaited)
		return NULL;
	const struct ConnectorConfig *connector = find_connector(router, uri);
	return connector ? routing_upstream(router, connector) : NULL;
}

/* ---- requests ---- */

static void answer_not_found(struct Request *request, const char *uri)
{
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
	g_autofree char *shown = text_printable(slice_of(uri), 200);
	g_autofree char *text = g_strdup_printf("Resource not found: %s", shown);
	g_autoptr(GString) error = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, error);
	json_begin_object(&w);
	json_member_int(
		&w, "code", request->era == ERA_MODERN ? RPC_INVALID_PARAMS : RESOURCE_NOT_FOUND);
	json_member_string(&w, "message", text);
	json_key(&w, "data");
	json_begin_object(&w);
	json_member_string(&w, "uri", uri);
	json_end_object(&w);
	json_end_object(&w);
	answer_error_raw(request, (struct Slice){error->str, error->len});
}

/* The upstream for params.uri. NULL: REQUEST was answered, or is held. */
static struct Upstream *find_for(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, char **uri)
{
	struct Upstream *awaited;
	*uri = json_string_dup(params->uri);
	if (!*uri || strlen(*uri) > URI_BYTES_MAX) {
		answer_error(request, RPC_INVALID_PARAMS,
			*uri ? "params.uri is too long" : "params.uri must be a string");
		return NULL;
	}
	struct Upstream *up = resources_find(request->router, *uri, &awaited);
	if (!up && awaited)
		forward_hold_for_lists(request, message, awaited);
	else if (!up)
		answer_not_found(request, *uri);
	return up;
}

void resources_read(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *uri = NULL;
	struct Upstream *up = find_for(request, message, params, &uri);
	if (!up)
		return;
	const struct Target target = {.up = up, .target = uri, .repeatable = true};
	g_free(request->item);
	request->item = g_strdup(uri);
	forward_send(request, message, params, &target);
}

void resources_subscribe(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *uri = NULL;
	struct Upstream *up = find_for(request, message, params, &uri);
	if (up)
		listen_subscribe(request, up, uri);
}

void resources_unsubscribe(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	(void)message;
	g_autofree char *uri = json_string_dup(params->uri);
	if (uri)
		listen_unsubscribe(request, uri);
	else
		answer_error(request, RPC_INVALID_PARAMS, "params.uri must be a string");
}

void resources_complete(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const char *uri_template)
{
	struct Router *router = request->router;
	struct Upstream *awaited;
	struct Upstream *up = resources_find(router, uri_template, &awaited);
	if (awaited) {
		forward_hold_for_lists(request, message, awaited);
		return;
	}
	const struct CatalogEntry *entry =
		catalog_find(router->catalogs[MCP_TEMPLATES], uri_template);
	if (entry)
		up = routing_upstream(router, entry->connector);
	if (!up) {
		audit_call_outcome(&request->audit, AUDIT_OUTCOME_DENIED);
		answer_error(request, RPC_INVALID_PARAMS, "Unknown resource template");
		return;
	}
	const struct Target target = {.up = up, .repeatable = true};
	prompts_send_completion(request, message, params, &target);
}

/* ---- what results name ---- */

/* One content block: {"type":"resource_link","uri":…} or {"type":"resource","resource":{"uri":…}}. */
static void note_block(struct Router *router, struct Upstream *up, struct JsonValue block)
{
	enum { TYPE, URI, RESOURCE, MEMBERS };
	static const char *const keys[MEMBERS] = {"type", "uri", "resource"};
	struct JsonValue values[MEMBERS];
	if (block.type != JSON_OBJECT)
		return;
	json_find_members(block.raw, keys, MEMBERS, values);
	if (values[TYPE].type != JSON_STRING)
		return;
	struct JsonValue uri = {0};
	if (json_string_is(values[TYPE].raw, SLICE("resource_link")))
		uri = values[URI];
	else if (json_string_is(values[TYPE].raw, SLICE("resource")))
		uri = json_get(values[RESOURCE].raw, "uri");
	g_autofree char *text = json_string_dup(uri);
	if (text)
		owners_set(router->resources->named, text, up);
}

void resources_give(struct Router *router, struct Upstream *from, struct Upstream *to)
{
	owners_give(router->resources->named, from, to);
}

/* Whether one of the types of such blocks may stand in RESULT. Most results are large texts at most, and looking for the
 * word, which has its quotes escaped inside of a text, costs less than reading them. */
static bool may_name(struct Slice result)
{
	static const char word[] = "\"resource";
	const char *end = result.data + result.len;
	const char *at = result.data;
	while ((at = memmem(at, (size_t)(end - at), word, sizeof word - 1))) {
		at += sizeof word - 1;
		if (at < end && (*at == '"' || *at == '_'))
			return true;
	}
	return false;
}

void resources_note(struct Router *router, struct Upstream *up, struct Slice result)
{
	enum { CONTENT, MESSAGES, MEMBERS };
	static const char *const keys[MEMBERS] = {"content", "messages"};
	struct JsonValue values[MEMBERS];
	struct JsonMember item;
	if (result.len == 0 || !may_name(result))
		return;
	struct Upstream *owner = routing_upstream(router, upstream_connector(up));
	json_find_members(result, keys, MEMBERS, values);
	if (values[CONTENT].type == JSON_ARRAY) {
		JSON_FOR_EACH_MEMBER (item, values[CONTENT].raw)
			note_block(router, owner, item.value);
	}
	if (values[MESSAGES].type == JSON_ARRAY) {
		JSON_FOR_EACH_MEMBER (item, values[MESSAGES].raw)
			note_block(router, owner, json_get(item.value.raw, "content"));
	}
}
