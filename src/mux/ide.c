/* How an IDE opens, in either era, and what it is told of us. Both answers come from the configuration and from what was
 * kept on disk of earlier runs: nothing upstream may delay them. */
#include "mux/internal.h"

#include "base/text.h"

#include <string.h>

enum {
	DESCRIPTION_BYTES = 2048,
	/* Where the lists of all are known, the first of them is given before the work of opening begins; this long it waits
	 * to be asked for. */
	OPEN_LATER_MS = 50,
};

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
			"into %s; it counts at once.",
			router->options.config_path);
		return g_string_free(out, FALSE);
	}
	g_string_append(out, "mcp-mux joins these MCP servers:\n");
	for (guint i = 0; i < router->upstreams->len; i++)
		describe(out, router, router->upstreams->pdata[i]);
	return g_string_free(out, FALSE);
}

/* Whether a server that is known by now offers it. */
static bool is_offered(const struct Router *router, enum UpstreamOffer offer)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		const struct Upstream *up = router->upstreams->pdata[i];
		if (upstream_era(up) == ERA_MODERN && (upstream_offers(up) & offer))
			return true;
	}
	return false;
}

/* The same for all configurations, since it is told before any server is heard; but extensions only where a server has
 * them, and where both sides are modern. */
static void write_capabilities(struct JsonWriter *w, const struct Router *router, enum Era era)
{
	json_begin_object(w);
	json_member_raw(w, "tools", SLICE("{\"listChanged\":true}"));
	json_member_raw(w, "prompts", SLICE("{\"listChanged\":true}"));
	json_member_raw(w, "resources", SLICE("{\"subscribe\":true,\"listChanged\":true}"));
	json_member_raw(w, "completions", SLICE("{}"));
	json_member_raw(w, "logging", SLICE("{}"));
	bool tasks = era == ERA_MODERN && is_offered(router, UPSTREAM_TASKS);
	bool apps = era == ERA_MODERN && is_offered(router, UPSTREAM_APPS);
	if (tasks || apps) {
		json_key(w, "extensions");
		json_begin_object(w);
		if (tasks)
			json_member_raw(w, "io.modelcontextprotocol/tasks", SLICE("{}"));
		if (apps)
			json_member_raw(w, "io.modelcontextprotocol/ui", SLICE("{}"));
		json_end_object(w);
	}
	json_end_object(w);
}

static void write_server(struct JsonWriter *w, const struct Router *router, enum Era era)
{
	json_key(w, "capabilities");
	write_capabilities(w, router, era);
	g_autofree char *text = instructions(router);
	json_member_string(w, "instructions", text);
}

/* ---- upstreams ---- */

/* Puts the lists that UP recalled into the catalogs. */
static void place(struct Router *router, struct Upstream *up)
{
	upstream_recall_lists(up);
	for (enum McpList list = MCP_TOOLS; list < MCP_LISTS; list++) {
		if (!lists_has(up, list))
			continue;
		if (list == MCP_TOOLS)
			lists_tools(up, router);
		else
			lists_items(up, list, router);
	}
}

bool ide_introduce(struct Router *router, struct Upstream *up)
{
	if (router->revision)
		upstream_offer_revision(up, router->revision);
	upstream_set_client(up, router->opening_era, slice_of(router->capabilities));
	bool recalled = upstream_recall(up, router->opening_era);
	if (recalled && router->placed)
		place(router, up);
	return recalled;
}

void ide_place_lists(struct Router *router)
{
	if (!router->opened || router->placed)
		return;
	router->placed = true;
	for (guint i = 0; i < router->upstreams->len; i++)
		place(router, router->upstreams->pdata[i]);
}

static void on_open(void *user)
{
	struct Router *router = user;
	ide_place_lists(router);
	router->opened_us = g_get_monotonic_time();
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_open(router->upstreams->pdata[i], router->opening_era);
}

void ide_open_upstreams(struct Router *router, enum Era era, struct Slice capabilities)
{
	if (router->opened)
		return;
	router->opened = true;
	router->capabilities = slice_dup(capabilities);
	router->opening_era = era;
	router->opened_us = g_get_monotonic_time();
	bool all_recalled = true;
	for (guint i = 0; i < router->upstreams->len; i++)
		all_recalled = ide_introduce(router, router->upstreams->pdata[i]) && all_recalled;
	loop_timer_start(
		router->loop, &router->open, all_recalled ? OPEN_LATER_MS : 0, on_open, router);
}

void ide_open_soon(struct Router *router)
{
	if (router->open.loop)
		loop_timer_start(router->loop, &router->open, 0, on_open, router);
}

void ide_open_now(struct Router *router)
{
	if (!router->open.loop)
		return;
	loop_timer_stop(&router->open);
	on_open(router);
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
	static const struct Method initialize = {.name = "initialize"};
	struct Request *request = request_begin(router, incoming, &initialize);
	if (!request)
		return;
	router->revision = choose_revision(asked);
	struct JsonValue capabilities = json_get(incoming->message.params.raw, "capabilities");
	struct Slice declared = capabilities.type == JSON_OBJECT ? capabilities.raw : SLICE("{}");
	router->can = capabilities_read(declared);
	router->legacy_capabilities = slice_dup(declared);
	/* Earlier revisions know no URL mode. */
	if (strcmp(router->revision, MCP_NEWEST_LEGACY) != 0)
		router->can &= ~(unsigned)CLIENT_CAN_ELICIT_URL;
	struct JsonValue info = json_get(incoming->message.params.raw, "clientInfo");
	if (info.type == JSON_OBJECT)
		router->client_info = slice_dup(info.raw);
	ide_open_upstreams(router, ERA_LEGACY, declared);
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "protocolVersion", router->revision);
	write_server(&w, router, ERA_LEGACY);
	json_member_raw(&w, "serverInfo", SLICE(MCP_IMPLEMENTATION));
	json_end_object(&w);
	answer_result(request, (struct Slice){out->str, out->len});
}

/* ---- modern ---- */

/* The revisions that a request can name; those before are agreed on by `initialize` alone. */
static void write_versions(struct JsonWriter *w)
{
	json_begin_array(w);
	json_cstring(w, MCP_MODERN);
	json_end_array(w);
}

static void answer_unsupported(struct Router *router, const struct Incoming *incoming)
{
	g_autoptr(GString) data = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, data);
	json_begin_object(&w);
	json_key(&w, "supported");
	write_versions(&w);
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
	else if (params->log_level.type != JSON_NONE &&
		 syslog_level_read(params->log_level) == SYSLOG_LEVEL_NONE)
		why = MCP_META_LOG_LEVEL " is no level";
	if (why)
		answer_fault(router, incoming->batch, incoming->message.id.raw, RPC_INVALID_PARAMS,
			why, NULL);
	return !why;
}

void ide_discover(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	const struct Router *router = request->router;
	(void)message;
	(void)params;
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "resultType", "complete");
	json_key(&w, "supportedVersions");
	write_versions(&w);
	write_server(&w, router, ERA_MODERN);
	json_member_int(&w, "ttlMs", 0);
	json_member_string(&w, "cacheScope", "private");
	json_key(&w, "_meta");
	json_begin_object(&w);
	json_member_raw(&w, MCP_META_SERVER_INFO, SLICE(MCP_IMPLEMENTATION));
	json_end_object(&w);
	json_end_object(&w);
	answer_result(request, (struct Slice){out->str, out->len});
}

/* ---- logging (2025-11-25, "Logging") ---- */

void ide_set_level(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	struct Router *router = request->router;
	enum SyslogLevel level = syslog_level_read(params->level);
	(void)message;
	if (level == SYSLOG_LEVEL_NONE) {
		answer_error(request, RPC_INVALID_PARAMS, "params.level is no log level");
		return;
	}
	router->log_level = level;
	for (guint i = 0; i < router->upstreams->len; i++)
		upstream_set_log_level(router->upstreams->pdata[i], level);
	sessions_set_log_level(router);
	answer_result(request, SLICE("{}"));
}
