/* How an IDE opens, in either era, and what it is told of us. Both answers come from the configuration
 * alone: nothing upstream may delay them. */
#include "mux/internal.h"

#include "base/text.h"

#include <string.h>

enum { DESCRIPTION_BYTES = 2048 };

/* ---- what we are ---- */

static void append_text(GString *out, const char *text)
{
	text_append_printable(out, slice_of(text), DESCRIPTION_BYTES);
}

/* What the server says of itself, indented below its connector, where it is known already. */
static void append_own_words(GString *out, const struct Upstream *up)
{
	if (!upstream_instructions(up))
		return;
	g_auto(GStrv) lines = g_strsplit(upstream_instructions(up), "\n", -1);
	size_t left = DESCRIPTION_BYTES;
	for (char **line = lines; *line && left > 0; line++) {
		size_t before = out->len;
		g_string_append(out, "  ");
		text_append_printable(out, slice_of(*line), left);
		g_string_append_c(out, '\n');
		left -= MIN(left, out->len - before);
	}
}

static void describe(GString *out, const struct Router *router, const struct Upstream *up)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	const struct MuxConfig *mux = &router->config->mux;
	g_string_append(out, "- ");
	append_text(out, connector_title(connector));
	if (connector->native)
		g_string_append(out, " (its tools keep their own names)");
	else
		g_string_append_printf(out, " (connector %s, tools named %s%s…)", connector->name,
			connector->prefix, mux->separator);
	if (connector->description) {
		g_string_append(out, ": ");
		append_text(out, connector->description);
		if (connector->auth != AUTH_NONE && !g_ascii_ispunct(out->str[out->len - 1]))
			g_string_append_c(out, '.');
	}
	if (connector->auth != AUTH_NONE)
		g_string_append_printf(out,
			" If its tools are missing, the user has to sign in: %s`mcp-mux connect "
			"%s` in a terminal.",
			builtin_can_connect(router, connector)
				? "call the connect tool of mcp-mux, or have them run "
				: "have them run ",
			connector->name);
	g_string_append_c(out, '\n');
	append_own_words(out, up);
}

static char *instructions(const struct Router *router)
{
	GString *out = g_string_new(NULL);
	if (router->upstreams->len == 0) {
		g_string_append_printf(out,
			"mcp-mux has no upstream yet. To add one, write a section like\n"
			"[connector:wiki]\nurl = https://wiki.example.com/mcp\nauth = none\n"
			"into %s and start mcp-mux again.",
			router->options.config_path);
		return g_string_free(out, FALSE);
	}
	g_string_append(out, "mcp-mux joins these MCP servers:\n");
	for (guint i = 0; i < router->upstreams->len; i++)
		describe(out, router, router->upstreams->pdata[i]);
	return g_string_free(out, FALSE);
}

static void write_server(struct JsonWriter *w, const struct Router *router)
{
	json_key(w, "capabilities");
	json_raw(w, SLICE("{\"tools\":{\"listChanged\":true}}"));
	g_autofree char *text = instructions(router);
	json_member_string(w, "instructions", text);
}

/* ---- upstreams ---- */

static void on_open(void *user)
{
	struct Router *router = user;
	router->opened_us = g_get_monotonic_time();
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (router->revision)
			upstream_offer_revision(up, router->revision);
		upstream_open(up, router->opening_era);
	}
}

void ide_open_upstreams(struct Router *router, enum Era era)
{
	if (router->opened)
		return;
	router->opened = true;
	router->opening_era = era;
	router->opened_us = g_get_monotonic_time();
	loop_timer_start(router->loop, &router->open, 0, on_open, router);
}

/* ---- legacy (2025-11-25, "Lifecycle") ---- */

static const char *choose_revision(struct JsonValue asked)
{
	g_autofree char *revision = json_string_dup(asked);
	for (const char *const *known = mcp_legacy_revisions; revision && *known; known++) {
		if (strcmp(*known, revision) == 0)
			return *known;
	}
	return MCP_NEWEST_LEGACY;
}

void ide_initialize(struct Router *router, const struct Incoming *incoming)
{
	struct Slice id = incoming->message.id.raw;
	struct JsonValue asked = json_get(incoming->message.params.raw, "protocolVersion");
	if (incoming->batch || router->revision || asked.type != JSON_STRING) {
		const char *why = incoming->batch    ? "initialize must not be part of a batch"
				  : router->revision ? "initialize was answered already"
						     : "initialize needs a string protocolVersion";
		int code = asked.type != JSON_STRING ? RPC_INVALID_PARAMS : RPC_INVALID_REQUEST;
		answer_fault(router, incoming->batch, id, code, why, NULL);
		return;
	}
	struct Request *request = request_begin(router, incoming, "initialize");
	if (!request)
		return;
	router->revision = choose_revision(asked);
	struct JsonValue capabilities = json_get(incoming->message.params.raw, "capabilities");
	struct JsonValue elicitation = json_get(capabilities.raw, "elicitation");
	/* Earlier revisions know no URL mode. */
	router->elicits_url = strcmp(router->revision, MCP_NEWEST_LEGACY) == 0 &&
			      json_get(elicitation.raw, "url").type == JSON_OBJECT;
	struct JsonValue info = json_get(incoming->message.params.raw, "clientInfo");
	if (info.type == JSON_OBJECT)
		router->client_info = slice_dup(info.raw);
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "protocolVersion", router->revision);
	write_server(&w, router);
	json_member_raw(&w, "serverInfo", SLICE(MCP_IMPLEMENTATION));
	json_end_object(&w);
	answer_result(request, (struct Slice){out->str, out->len});
	ide_open_upstreams(router, ERA_LEGACY);
}

/* ---- modern ---- */

static void write_versions(struct JsonWriter *w, bool legacy_too)
{
	json_begin_array(w);
	json_cstring(w, MCP_MODERN);
	for (const char *const *known = mcp_legacy_revisions; legacy_too && *known; known++)
		json_cstring(w, *known);
	json_end_array(w);
}

static void answer_unsupported(struct Router *router, const struct Incoming *incoming)
{
	g_autoptr(GString) data = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, data);
	json_begin_object(&w);
	json_key(&w, "supported");
	write_versions(&w, true);
	json_member_raw(&w, "requested", incoming->params.version.raw);
	json_end_object(&w);
	answer_fault(router, incoming->batch, incoming->message.id.raw, RPC_UNSUPPORTED_VERSION,
		"Unsupported protocol version", data->str);
}

bool ide_check_modern(struct Router *router, const struct Incoming *incoming)
{
	const struct McpParams *params = &incoming->params;
	const char *why = NULL;
	if (params->version.type != JSON_STRING)
		why = "_meta lacks " MCP_META_VERSION;
	else if (!json_string_is(params->version.raw, SLICE(MCP_MODERN))) {
		answer_unsupported(router, incoming);
		return false;
	} else if (params->capabilities.type != JSON_OBJECT)
		why = "_meta lacks " MCP_META_CAPABILITIES;
	else if (params->client_info.type != JSON_NONE && params->client_info.type != JSON_OBJECT)
		why = MCP_META_CLIENT_INFO " is no object";
	if (why)
		answer_fault(router, incoming->batch, incoming->message.id.raw, RPC_INVALID_PARAMS,
			why, NULL);
	return !why;
}

void ide_discover(struct Router *router, const struct Incoming *incoming)
{
	struct Request *request = request_begin(router, incoming, "server/discover");
	if (!request)
		return;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "resultType", "complete");
	json_key(&w, "supportedVersions");
	write_versions(&w, false);
	write_server(&w, router);
	json_member_int(&w, "ttlMs", 0);
	json_member_string(&w, "cacheScope", "private");
	json_key(&w, "_meta");
	json_begin_object(&w);
	json_member_raw(&w, MCP_META_SERVER_INFO, SLICE(MCP_IMPLEMENTATION));
	json_end_object(&w);
	json_end_object(&w);
	answer_result(request, (struct Slice){out->str, out->len});
}
