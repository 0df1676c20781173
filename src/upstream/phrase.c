/* Requests in the words of the upstream's era: what stands in the body, what is mirrored in headers (MCP
 * 2026-07-28, "Request Metadata"; 2025-11-25, "Protocol Version Header", "Session Management"). */
#include "upstream/internal.h"

#include "base/error.h"
#include "format/json_writer.h"
#include "format/mcp_header.h"

#include <stdio.h>

/* The reserved members of _meta for a request that is not a modern IDE's own. */
static void append_reserved_meta(
	GString *out, const struct Upstream *up, struct Slice client_info, enum SyslogLevel level)
{
	g_string_append(
		out, "\"" MCP_META_VERSION "\":\"" MCP_MODERN "\",\"" MCP_META_CLIENT_INFO "\":");
	if (client_info.len > 0)
		g_string_append_len(out, client_info.data, (gssize)client_info.len);
	else
		g_string_append(out, MCP_IMPLEMENTATION);
	g_string_append(out, ",\"" MCP_META_CAPABILITIES "\":");
	g_string_append(out, upstream_client(up, ERA_MODERN));
	if (level != SYSLOG_LEVEL_NONE)
		g_string_append_printf(
			out, ",\"" MCP_META_LOG_LEVEL "\":\"%s\"", syslog_level_name(level));
}

char *phrase_own_request(
	const struct Upstream *up, int64_t id, const char *method, const char *params)
{
	GString *out = g_string_new(NULL);
	g_string_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%" G_GINT64_FORMAT ",\"method\":\"%s\"",
		id, method);
	if (up->era == ERA_MODERN) {
		g_string_append(out, ",\"params\":{\"_meta\":{");
		append_reserved_meta(out, up, (struct Slice){0}, SYSLOG_LEVEL_NONE);
		g_string_append_printf(out, "}%s%s}", *params ? "," : "", params);
	} else if (*params) {
		g_string_append_printf(out, ",\"params\":{%s}", params);
	}
	g_string_append_c(out, '}');
	return g_string_free(out, FALSE);
}

/* ---- the IDE's requests ---- */

/* Whether a validated object has no member. */
static bool is_empty(struct Slice object)
{
	struct JsonIter iter = json_iter(object);
	struct JsonMember member;
	return !json_next(&iter, &member);
}

/* Puts META and INPUTS (raw members, either may be empty) first in params, which may be absent. */
static void add_members(struct Edits *edits, const struct UpstreamRequest *request,
	struct Slice meta, struct Slice inputs)
{
	struct Slice message = request->message->text;
	struct Slice params = request->params->all.raw;
	bool absent = params.len == 0;
	struct Slice place = {absent ? message.data + message.len - 1 : params.data + 1, 0};
	if (meta.len == 0 && inputs.len == 0)
		return;
	if (absent)
		edits_replace(edits, message, place, SLICE(",\"params\":{"));
	if (meta.len > 0)
		edits_replace(edits, message, place, meta);
	if (meta.len > 0 && inputs.len > 0)
		edits_replace(edits, message, place, SLICE(","));
	if (inputs.len > 0)
		edits_replace(edits, message, place, inputs);
	if (absent)
		edits_replace(edits, message, place, SLICE("}"));
	else if (!is_empty(params))
		edits_replace(edits, message, place, SLICE(","));
}

/* The edit that gives the request the _meta that this upstream's era wants; where there is none so far, the member to
 * add comes back. TEXT gets what is put in. */
static struct Slice edit_meta(struct Edits *edits, const struct Upstream *up,
	const struct UpstreamRequest *request, struct Slice token, GString *text)
{
	const struct McpParams *params = request->params;
	struct Slice message = request->message->text;
	struct Slice nothing = {0};
	if (request->era == up->era) {
		if (params->progress_token.type != JSON_NONE)
			edits_replace(edits, message, params->progress_token.raw, token);
		return nothing;
	}
	bool to_modern = up->era == ERA_MODERN;
	bool absent = params->meta.type == JSON_NONE;
	if (absent && !to_modern)
		return nothing;
	g_string_append(text, absent ? "\"_meta\":{" : "{");
	unsigned kept = mcp_params_copy_meta(params, token, text);
	if (to_modern) {
		if (kept > 0)
			g_string_append_c(text, ',');
		append_reserved_meta(text, up, request->client_info, upstream_log_level(up));
	}
	g_string_append_c(text, '}');
	if (absent)
		return (struct Slice){text->str, text->len};
	edits_replace(edits, message, params->meta.raw, (struct Slice){text->str, text->len});
	return nothing;
}

/* The upstream's own name of the tool or prompt in place of the one that the IDE knows. */
static void edit_name(struct Edits *edits, const struct UpstreamRequest *request)
{
	const struct McpParams *params = request->params;
	bool completes = request->method && strcmp(request->method, "completion/complete") == 0;
	struct JsonValue old = completes ? json_get(params->ref.raw, "name") : params->name;
	if (old.type != JSON_NONE)
		edits_replace(edits, request->message->text, old.raw, request->name);
}

char *phrase_call(
	const struct Upstream *up, const struct UpstreamRequest *request, int64_t id, size_t *len)
{
	char id_text[24];
	int n = snprintf(id_text, sizeof id_text, "%" G_GINT64_FORMAT, id);
	struct Slice token = {id_text, (size_t)n};
	struct Slice message = request->message->text;
	struct Edits edits = {0};
	edits_replace(&edits, message, request->message->id.raw, token);
	if (request->name.len > 0)
		edit_name(&edits, request);
	g_autoptr(GString) text = g_string_sized_new(256);
	struct Slice meta = edit_meta(&edits, up, request, token, text);
	bool to_modern = up->era == ERA_MODERN;
	add_members(&edits, request, meta, to_modern ? request->inputs : (struct Slice){0});
	return edits_apply(&edits, message, len);
}

/* ---- headers ---- */

static bool add(struct HttpHeaders *headers, const char *name, const char *value, GError **error)
{
	if (http_headers_add(headers, name, value, error))
		return true;
	g_prefix_error(error, "request header %s: ", name);
	return false;
}

/* The token in the header that the connector wants it in (RFC 6750, 2.1). */
static bool add_credential(struct HttpHeaders *headers, const struct Upstream *up, GError **error)
{
	bool is_key = up->connector->auth == AUTH_API_KEY;
	const char *name = is_key ? up->connector->api_key_header : "Authorization";
	const char *prefix = is_key ? up->connector->api_key_prefix : "Bearer ";
	char *value = g_strconcat(prefix, secret_reveal(up->token).data, NULL);
	bool good = add(headers, name, value, error);
	secret_free_text(value);
	return good;
}

bool phrase_base_headers(struct Upstream *up, GError **error)
{
	struct HttpHeaders *headers = http_headers_new();
	bool good = add(headers, "Content-Type", "application/json", error) &&
		    add(headers, "Accept", "application/json, text/event-stream", error);
	for (guint i = 0; good && i < up->connector->headers->len; i++) {
		const struct HeaderConfig *header = up->connector->headers->pdata[i];
		good = add(headers, header->name, header->value, error);
	}
	good = good && (!up->token || add_credential(headers, up, error));
	if (good) {
		http_headers_unref(up->base_headers);
		up->base_headers = http_headers_ref(headers);
	}
	http_headers_unref(headers);
	return good;
}

bool phrase_session_headers(struct Upstream *up, GError **error)
{
	struct HttpHeaders *headers = http_headers_copy(up->base_headers);
	bool good = add(headers, "MCP-Protocol-Version", up->revision, error) &&
		    (!up->session || add(headers, "Mcp-Session-Id", up->session, error));
	if (good) {
		http_headers_unref(up->session_headers);
		up->session_headers = http_headers_ref(headers);
		g_hash_table_remove_all(up->call_headers);
	}
	http_headers_unref(headers);
	return good;
}

/* What servers commonly take in all headers together is 8 to 16 KiB. */
enum { MIRRORED_BYTES_MAX = 64 * 1024 };

static void add_param(const char *name, const char *value, void *user)
{
	/* param_headers_extract gives valid names and encoded values. */
	g_autoptr(GError) error = NULL;
	if (!http_headers_add(user, name, value, &error))
		g_warn_if_reached();
}

static struct HttpHeaders *modern_headers(
	const struct Upstream *up, const char *method, const char *name)
{
	struct HttpHeaders *headers = http_headers_copy(up->session_headers);
	add_param("Mcp-Method", method, headers);
	if (name) {
		g_autoptr(GString) value = g_string_new(NULL);
		mcp_header_encode(slice_of(name), value);
		add_param("Mcp-Name", value->str, headers);
	}
	return headers;
}

static const struct Tool *find_tool(const struct Upstream *up, const char *name)
{
	const struct ToolList *list = upstream_tools(up);
	for (guint i = 0; list && i < list->tools->len; i++) {
		const struct Tool *tool = list->tools->pdata[i];
		if (strcmp(tool->name, name) == 0)
			return tool;
	}
	return NULL;
}

struct HttpHeaders *phrase_headers(struct Upstream *up, const char *method)
{
	return up->era == ERA_MODERN ? modern_headers(up, method, NULL)
				     : http_headers_ref(up->session_headers);
}

static void count_param(const char *name, const char *value, void *user)
{
	size_t *bytes = user;
	*bytes += strlen(name) + strlen(value);
}

static struct HttpHeaders *tool_headers(
	struct Upstream *up, const char *tool, struct JsonValue arguments, GError **error)
{
	const struct Tool *found = find_tool(up, tool);
	struct HttpHeaders *headers = modern_headers(up, "tools/call", tool);
	if (!found || !found->headers) {
		g_hash_table_insert(up->call_headers, g_strdup(tool), http_headers_ref(headers));
		return headers;
	}
	size_t bytes = 0;
	param_headers_extract(found->headers, arguments, count_param, &bytes);
	if (bytes > MIRRORED_BYTES_MAX) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
			"the tool wants arguments repeated in HTTP headers, and these are too long "
			"for that "
			"(%zu KiB)",
			bytes >> 10);
		http_headers_unref(headers);
		return NULL;
	}
	param_headers_extract(found->headers, arguments, add_param, headers);
	return headers;
}

struct HttpHeaders *phrase_call_headers(struct Upstream *up, const char *method, const char *target,
	struct JsonValue arguments, GError **error)
{
	if (up->era != ERA_MODERN)
		return http_headers_ref(up->session_headers);
	if (method && !target)
		return modern_headers(up, method, NULL);
	struct HttpHeaders *kept = method ? NULL : g_hash_table_lookup(up->call_headers, target);
	if (kept)
		return http_headers_ref(kept);
	size_t bytes = strlen(target);
	if (bytes > MIRRORED_BYTES_MAX) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
			"its name has to be repeated in an HTTP header, and is too long for that "
			"(%zu KiB)",
			bytes >> 10);
		return NULL;
	}
	return method ? modern_headers(up, method, target)
		      : tool_headers(up, target, arguments, error);
}
