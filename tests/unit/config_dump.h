/* Everything that a configuration says, as text: two that say the same have the same text. A field that is added to
 * config.h belongs here; test_config_adopt.c fails for a key that does not show. */
#ifndef MCP_MUX_TESTS_CONFIG_DUMP_H
#define MCP_MUX_TESTS_CONFIG_DUMP_H

#include "format/config.h"

static inline void dump_place(GString *out, struct Place place)
{
	g_string_append_printf(out, " (%s:%u)", place.file ? place.file : "-", place.line);
}

static inline void dump_text(GString *out, const char *name, const char *text)
{
	if (text)
		g_string_append_printf(out, "\n  %s = \"%s\"", name, text);
}

static inline void dump_list(GString *out, const char *name, const struct AllowList *list)
{
	g_string_append_printf(out, "\n  %s%s:", name, list->set ? "" : " (not set)");
	dump_place(out, list->place);
	for (guint i = 0; i < list->rules->len; i++) {
		const struct AllowRule *rule = list->rules->pdata[i];
		g_string_append_printf(out, " %s", rule->text);
		dump_place(out, rule->place);
	}
}

static inline void dump_lists(GString *out, const struct ConnectorConfig *c)
{
	for (unsigned i = 0; i < ALLOW_KINDS; i++) {
		dump_list(out, "allowed", &c->allowed[i]);
		dump_list(out, "narrowed", &c->narrowed[i]);
	}
	g_string_append_printf(out, "\n  users%s:", c->allowed_users ? "" : " (all)");
	for (guint i = 0; c->allowed_users && i < c->allowed_users->len; i++)
		g_string_append_printf(out, " %s", (const char *)c->allowed_users->pdata[i]);
	dump_place(out, c->allowed_users_place);
	for (guint i = 0; i < c->toggles->len; i++) {
		const struct Toggle *toggle = c->toggles->pdata[i];
		g_string_append_printf(
			out, "\n  %s = %s", toggle->pattern, toggle->on ? "on" : "off");
		dump_place(out, toggle->place);
	}
}

static inline void dump_connector(GString *out, const struct ConnectorConfig *c)
{
	g_string_append_printf(out,
		"\n%s: native %d by_admin %d auth %d default_all %d port %u resource %d enabled %d",
		c->name, c->native, c->by_admin, (int)c->auth, c->default_all, c->redirect_port,
		c->resource_parameter, c->enabled);
	dump_place(out, c->place);
	dump_place(out, c->prefix_place);
	dump_place(out, c->enabled_place);
	dump_text(out, "title", c->title);
	dump_text(out, "description", c->description);
	dump_text(out, "url", c->url);
	dump_text(out, "prefix", c->prefix);
	dump_text(out, "scope", c->scope);
	dump_text(out, "client_id", c->client_id);
	dump_text(out, "client_metadata_url", c->client_metadata_url);
	dump_text(out, "redirect_host", c->redirect_host);
	dump_text(out, "api_key_header", c->api_key_header);
	dump_text(out, "api_key_prefix", c->api_key_prefix);
	for (guint i = 0; i < c->headers->len; i++) {
		const struct HeaderConfig *header = c->headers->pdata[i];
		dump_text(out, header->name, header->value);
		dump_place(out, header->place);
	}
	dump_lists(out, c);
}

static inline void dump_mux(GString *out, const struct MuxConfig *mux)
{
	g_string_append_printf(out, "name %u list %u connect %u call %u limit %u message %zu",
		mux->max_tool_name, mux->list_timeout_ms, mux->connect_timeout_ms,
		mux->call_timeout_ms, mux->call_limit_ms, mux->max_message);
	g_string_append_printf(out,
		" result %zu audit %d arguments %d syslog %d builtin %d sign_in %d pins %d own %d",
		mux->max_result, (int)mux->audit, (int)mux->audit_arguments, mux->audit_syslog,
		mux->builtin_tools, (int)mux->sign_in, (int)mux->pin_tools, mux->user_connectors);
	dump_text(out, "separator", mux->separator);
	dump_text(out, "ca_file", mux->ca_file);
	dump_text(out, "proxy", mux->proxy);
}

/* What has an effect. */
static inline GString *config_dump_rules(const struct Config *config)
{
	GString *out = g_string_new(NULL);
	dump_mux(out, &config->mux);
	for (guint i = 0; i < config->connectors->len; i++)
		dump_connector(out, config->connectors->pdata[i]);
	return out;
}

/* For g_free. */
static inline char *config_dump(const struct Config *config)
{
	GString *out = config_dump_rules(config);
	g_string_append_printf(out, "\nadmin %d", config->has_admin);
	for (guint i = 0; i < config->files->len; i++)
		g_string_append_printf(out, " %s", (const char *)config->files->pdata[i]);
	for (guint i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		g_string_append_printf(out, "\n%s", note->text);
		dump_place(out, note->place);
	}
	return g_string_free(out, FALSE);
}

#endif
