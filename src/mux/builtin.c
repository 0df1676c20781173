/* mcp-mux's own tools, named `mcp_mux` + separator + name. */
#include "mux/internal.h"

#include "base/text.h"

#include <string.h>

static char *connectors_name(const struct Router *router)
{
	return g_strconcat("mcp_mux", router->config->mux.separator, "connectors", NULL);
}

void builtin_append(const struct Router *router, GString *out, bool first)
{
	if (!router->config->mux.builtin_tools)
		return;
	g_autofree char *name = connectors_name(router);
	if (!first)
		g_string_append_c(out, ',');
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "name", name);
	json_member_string(&w, "description",
		"Lists the MCP servers behind mcp-mux: which are connected, how many of their "
		"tools are "
		"shown, and what to do about those that are not connected.");
	json_key(&w, "inputSchema");
	json_raw(&w, SLICE("{\"type\":\"object\",\"additionalProperties\":false}"));
	json_key(&w, "annotations");
	json_raw(&w,
		SLICE("{\"title\":\"Connectors\",\"readOnlyHint\":true,\"openWorldHint\":false}"));
	json_end_object(&w);
}

static const char *state_words(const struct Upstream *up)
{
	switch (upstream_state(up)) {
	case UPSTREAM_READY:
		return "connected";
	case UPSTREAM_SIGNED_OUT:
		return "sign-in needed";
	case UPSTREAM_FAILED:
		return "not reachable";
	case UPSTREAM_CLOSED:
	case UPSTREAM_OPENING:
		break;
	}
	return "connecting";
}

static void describe(GString *out, const struct Router *router, const struct Upstream *up)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	g_string_append_printf(out, "- %s: ", connector->name);
	text_append_printable(out, slice_of(connector_title(connector)), 100);
	g_string_append_printf(out, ", %s", state_words(up));
	unsigned exposed, allowed;
	if (catalog_count(router->catalog, connector, &exposed, &allowed))
		g_string_append_printf(out, ", %u of %u tools", exposed, allowed);
	if (upstream_error(up)) {
		g_string_append(out, " (");
		text_append_printable(out, slice_of(upstream_error(up)->message), 300);
		g_string_append_c(out, ')');
	}
	if (upstream_state(up) == UPSTREAM_SIGNED_OUT)
		g_string_append_printf(
			out, "; run `mcp-mux connect %s` in a terminal", connector->name);
	g_string_append_c(out, '\n');
}

bool builtin_call(struct Request *request, const char *name)
{
	const struct Router *router = request->router;
	g_autofree char *own = connectors_name(router);
	if (!router->config->mux.builtin_tools || strcmp(name, own) != 0)
		return false;
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < router->upstreams->len; i++)
		describe(text, router, router->upstreams->pdata[i]);
	if (text->len == 0) {
		g_string_printf(text,
			"No connector is configured. Add a section [connector:NAME] with url "
			"and auth to %s.",
			router->options.config_path);
	}
	g_autoptr(GString) out = g_string_new("{");
	g_string_append(out, answer_result_prefix(request->era));
	g_string_append(out, "\"content\":[{\"type\":\"text\",\"text\":");
	json_append_quoted(out, (struct Slice){text->str, text->len});
	g_string_append(out, "}]}");
	answer_result(request, (struct Slice){out->str, out->len});
	return true;
}
