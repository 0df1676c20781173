/* mcp-mux's own tools, named `mcp_mux` + separator + name. */
#include "mux/builtin.h"
#include "mux/internal.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

struct Builtin {
	const char *name;
	const char *description;
	const char *schema;
	const char *annotations;
	void (*call)(struct Request *request, const struct RpcMessage *message,
		const struct McpParams *params);
};

static void call_connectors(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
static void call_connect(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);

static const struct Builtin builtins[] = {
	{
		"connectors",
		"Lists the MCP servers behind mcp-mux: which are connected, how many of their "
		"tools are shown, and what to do about those that are not connected.",
		"{\"type\":\"object\",\"additionalProperties\":false}",
		"{\"title\":\"Connectors\",\"readOnlyHint\":true,\"openWorldHint\":false}",
		call_connectors,
	},
	{
		"connect",
		"Signs the user in to one of the MCP servers behind mcp-mux, in their browser. Use "
		"it when the user asks to connect one, or when a tool says that a sign-in is "
		"needed. Never ask the user for passwords or keys in the chat.",
		"{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\","
		"\"description\":\"The connector's name, as the connectors tool lists it\"}},"
		"\"required\":[\"name\"],\"additionalProperties\":false}",
		"{\"title\":\"Connect\",\"readOnlyHint\":false,\"destructiveHint\":false,"
		"\"idempotentHint\":true,\"openWorldHint\":true}",
		call_connect,
	},
};

static char *full_name(const char *separator, const struct Builtin *builtin)
{
	return g_strconcat("mcp_mux", separator, builtin->name, NULL);
}

void builtin_render(const char *separator, GString *out)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(builtins); i++) {
		const struct Builtin *builtin = &builtins[i];
		g_autofree char *name = full_name(separator, builtin);
		if (i > 0)
			g_string_append_c(out, ',');
		struct JsonWriter w;
		json_writer_init(&w, out);
		json_begin_object(&w);
		json_member_string(&w, "name", name);
		json_member_string(&w, "description", builtin->description);
		json_member_raw(&w, "inputSchema", slice_of(builtin->schema));
		json_member_raw(&w, "annotations", slice_of(builtin->annotations));
		json_end_object(&w);
	}
}

void builtin_append(const struct Router *router, GString *out, bool first)
{
	if (!router->config->mux.builtin_tools)
		return;
	if (!first)
		g_string_append_c(out, ',');
	builtin_render(router->config->mux.separator, out);
}

bool builtin_has_changed(struct Router *router)
{
	GString *now = g_string_new(NULL);
	builtin_append(router, now, true);
	bool changed = g_strcmp0(now->str, router->own_tools) != 0;
	g_free(router->own_tools);
	router->own_tools = g_string_free(now, FALSE);
	return changed;
}

static const char *state_words(const struct Upstream *up)
{
	switch (upstream_state(up)) {
	case UPSTREAM_READY:
		return "connected";
	case UPSTREAM_SIGNED_OUT:
		return "sign-in needed";
	case UPSTREAM_FAILED:
		return "not available";
	case UPSTREAM_CLOSED:
	case UPSTREAM_OPENING:
		break;
	}
	return "connecting";
}

static void append_account(GString *out, const struct Upstream *up)
{
	const struct Credential *credential = upstream_credential(up);
	const struct TokenRecord *record = credential ? credential_record(credential) : NULL;
	if (!record || !record->account)
		return;
	g_string_append(out, ", account ");
	text_append_printable(out, slice_of(record->account), 100);
}

bool builtin_can_connect(const struct Router *router, const struct ConnectorConfig *connector)
{
	const struct MuxConfig *mux = &router->config->mux;
	return connector->auth == AUTH_OAUTH && mux->builtin_tools &&
	       mux->sign_in != SIGN_IN_NEVER && router->options.upstream.auth;
}

static void append_way_in(
	GString *out, const struct Router *router, const struct ConnectorConfig *connector)
{
	if (builtin_can_connect(router, connector))
		g_string_append_printf(out,
			"; call mcp_mux%sconnect, or run `mcp-mux connect %s` in a terminal",
			router->config->mux.separator, connector->name);
	else
		g_string_append_printf(
			out, "; run `mcp-mux connect %s` in a terminal", connector->name);
}

/* Tools of CONNECTOR that are not what was approved; one of them as the example. */
static void append_changed(
	GString *out, const struct Router *router, const struct ConnectorConfig *connector)
{
	const struct Catalog *catalog = router->catalogs[MCP_TOOLS];
	const GPtrArray *tools = catalog_entries(catalog);
	const struct CatalogEntry *first = NULL;
	unsigned changed = 0;
	for (guint i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (tool->connector != connector || tool->pin != PIN_STATE_CHANGED)
			continue;
		first = first ? first : tool;
		changed++;
	}
	if (changed == 0)
		return;
	g_string_append_printf(out, "; %u changed since the user approved %s", changed,
		changed == 1 ? "it" : "them");
	if (first->decision.verdict == VERDICT_PIN_CHANGED)
		g_string_append(out, " and cannot be called");
	g_string_append(out, ": run `mcp-mux diff ");
	text_append_printable(out, slice_of(catalog_name_of(catalog, first)), 100);
	g_string_append(out, "` in a terminal");
}

static void describe(GString *out, const struct Router *router, const struct Upstream *up)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	g_string_append_printf(out, "- %s: ", connector->name);
	text_append_printable(out, slice_of(connector_title(connector)), 100);
	g_string_append_printf(out, ", %s", state_words(up));
	unsigned exposed, allowed;
	if (catalog_count(router->catalogs[MCP_TOOLS], connector, &exposed, &allowed))
		g_string_append_printf(out, ", %u of %u tools", exposed, allowed);
	if (upstream_error(up)) {
		g_string_append(out, " (");
		text_append_printable(out, slice_of(upstream_error(up)->message), 300);
		g_string_append_c(out, ')');
	}
	append_account(out, up);
	if (upstream_state(up) == UPSTREAM_SIGNED_OUT)
		append_way_in(out, router, connector);
	append_changed(out, router, connector);
	g_string_append_c(out, '\n');
}

static void call_connectors(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	const struct Router *router = request->router;
	(void)message;
	(void)params;
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < router->upstreams->len; i++)
		describe(text, router, router->upstreams->pdata[i]);
	if (text->len == 0) {
		g_string_printf(text,
			"No connector is configured. Add a section [connector:NAME] with url "
			"and auth to %s.",
			router->options.config_path);
	}
	answer_tool_text(request, text->str);
}

char *builtin_describe(const struct Router *router, struct Upstream *up)
{
	GString *text = g_string_new(NULL);
	describe(text, router, up);
	return g_string_free(text, FALSE);
}

static struct Upstream *find_upstream(const struct Router *router, const char *name)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (g_ascii_strcasecmp(upstream_connector(up)->name, name) == 0)
			return up;
	}
	return NULL;
}

static void answer_no_such(struct Request *request, const char *name)
{
	const struct Router *router = request->router;
	g_autoptr(GString) text = g_string_new("There is no connector named ");
	text_append_printable(text, slice_of(name), 60);
	g_string_append(
		text, router->upstreams->len > 0 ? "; there are:" : "; none is configured.");
	for (guint i = 0; i < router->upstreams->len; i++)
		g_string_append_printf(
			text, " %s", upstream_connector(router->upstreams->pdata[i])->name);
	answer_failure(request, text->str);
}

/* UP cannot answer, and a sign-in would not help. */
static void answer_unavailable(
	struct Request *request, const struct Upstream *up, const GError *error)
{
	g_autofree char *words = answer_words(request->router, upstream_connector(up), error);
	audit_call_error(&request->audit, error);
	answer_failure(request, words);
}

/* A sign-in is needed. */
static void sign_in(struct Request *request, struct Upstream *up, const struct McpParams *params)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	const struct Credential *credential = upstream_credential(up);
	if (credential && credential_state(credential) == CREDENTIAL_UNKNOWN) {
		answer_unavailable(request, up, credential_error(credential));
	} else if (builtin_can_connect(request->router, connector)) {
		asking_connect(request, up, params);
	} else {
		const char *why = connector->auth == AUTH_OAUTH
					  ? "the configuration says `sign_in = never`"
					  : "keys and secrets do not go through the chat";
		g_autofree char *text = g_strdup_printf(
			"Ask the user to run `mcp-mux connect %s` in a terminal: %s.",
			connector->name, why);
		answer_failure(request, text);
	}
}

static void connect(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, struct Upstream *up)
{
	/* It may be back, and may want a sign-in then. */
	if (upstream_state(up) == UPSTREAM_FAILED && !request->reopened) {
		request->reopened = true;
		upstream_open(up, request->router->opening_era);
	}
	if (!upstream_is_settled(up)) {
		forward_hold(request, message, up, PERSON_MS);
	} else if (upstream_state(up) == UPSTREAM_READY) {
		g_autofree char *text = builtin_describe(request->router, up);
		answer_tool_text(request, text);
	} else if (upstream_state(up) == UPSTREAM_SIGNED_OUT) {
		sign_in(request, up, params);
	} else {
		answer_unavailable(request, up, upstream_error(up));
	}
}

static void call_connect(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *name = json_string_dup(json_get(params->arguments.raw, "name"));
	if (!name) {
		answer_error(request, RPC_INVALID_PARAMS, "arguments.name must be a string");
		return;
	}
	struct Upstream *up = find_upstream(request->router, name);
	if (up)
		connect(request, message, params, up);
	else
		answer_no_such(request, name);
}

bool builtin_call(struct Request *request, const char *name, const struct RpcMessage *message,
	const struct McpParams *params)
{
	const struct Router *router = request->router;
	for (unsigned i = 0; router->config->mux.builtin_tools && i < G_N_ELEMENTS(builtins); i++) {
		g_autofree char *own = full_name(router->config->mux.separator, &builtins[i]);
		if (strcmp(name, own) != 0)
			continue;
		if (request->era == ERA_MODERN && params->request_state.type != JSON_NONE)
			answer_error(request, RPC_INVALID_PARAMS, "requestState is none of ours");
		else
			builtins[i].call(request, message, params);
		return true;
	}
	return false;
}
