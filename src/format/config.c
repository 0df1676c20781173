/* The configuration's life: defaults, the two files through config_file.c and config_merge.c, release.
 * A Config owns everything it points to but the names of files, which are interned: places are copied from one Config
 * to another, and those of connectors that are gone are still read. */
#include "format/config.h"

#include "format/config_parts.h"

enum { MIB = 1024 * 1024 };

void mux_config_init(struct MuxConfig *mux)
{
	*mux = (struct MuxConfig){
		.separator = g_strdup("__"),
		.max_tool_name = 48,
		.list_timeout_ms = 5 * 1000,
		.connect_timeout_ms = 10 * 1000,
		.call_timeout_ms = 300 * 1000,
		.call_limit_ms = 3600 * 1000,
		.max_message = (size_t)64 * MIB,
		.max_result = (size_t)9 * MIB,
		.audit = AUDIT_ON,
		.audit_arguments = AUDIT_ARGUMENTS_DIGEST,
		.builtin_tools = true,
		.sign_in = SIGN_IN_ELICIT,
		.pin_tools = PIN_WARN,
	};
}

void mux_config_release(struct MuxConfig *mux)
{
	g_free(mux->separator);
	g_free(mux->ca_file);
	g_free(mux->proxy);
	*mux = (struct MuxConfig){0};
}

static void rule_free(void *data)
{
	struct AllowRule *rule = data;
	g_free(rule->text);
	g_free(rule);
}

static void header_free(void *data)
{
	struct HeaderConfig *header = data;
	g_free(header->name);
	g_free(header->value);
	g_free(header);
}

void toggle_free(void *data)
{
	struct Toggle *toggle = data;
	g_free(toggle->pattern);
	g_free(toggle);
}

static void note_free(void *data)
{
	struct ConfigNote *note = data;
	g_free(note->text);
	g_free(note);
}

struct ConnectorConfig *connector_config_new(const char *name, bool by_admin, struct Place place)
{
	struct ConnectorConfig *connector = g_new0(struct ConnectorConfig, 1);
	connector->name = g_strdup(name);
	connector->native = strcmp(name, "native") == 0;
	connector->by_admin = by_admin;
	connector->place = place;
	connector->auth = AUTH_OAUTH;
	connector->prefix = g_strdup(connector->native ? "" : name);
	connector->prefix_place = place;
	for (unsigned i = 0; i < ALLOW_KINDS; i++) {
		connector->allowed[i].rules = g_ptr_array_new_with_free_func(rule_free);
		connector->narrowed[i].rules = g_ptr_array_new_with_free_func(rule_free);
	}
	connector->default_all = connector->native || !by_admin;
	connector->redirect_host = g_strdup("127.0.0.1");
	connector->resource_parameter = true;
	connector->api_key_header = g_strdup("Authorization");
	connector->headers = g_ptr_array_new_with_free_func(header_free);
	connector->enabled = true;
	connector->toggles = g_ptr_array_new_with_free_func(toggle_free);
	return connector;
}

void connector_config_free(void *data)
{
	struct ConnectorConfig *connector = data;
	if (!connector)
		return;
	g_free(connector->name);
	g_free(connector->title);
	g_free(connector->description);
	g_free(connector->url);
	g_free(connector->prefix);
	for (unsigned i = 0; i < ALLOW_KINDS; i++) {
		g_ptr_array_unref(connector->allowed[i].rules);
		g_ptr_array_unref(connector->narrowed[i].rules);
	}
	if (connector->allowed_users)
		g_ptr_array_unref(connector->allowed_users);
	g_free(connector->scope);
	g_free(connector->client_id);
	g_free(connector->client_metadata_url);
	g_free(connector->redirect_host);
	g_free(connector->api_key_header);
	g_free(connector->api_key_prefix);
	g_ptr_array_unref(connector->headers);
	g_ptr_array_unref(connector->toggles);
	g_free(connector);
}

void config_free(struct Config *config)
{
	if (!config)
		return;
	mux_config_release(&config->mux);
	g_ptr_array_unref(config->connectors);
	g_ptr_array_unref(config->notes);
	g_ptr_array_unref(config->files);
	g_free(config);
}

/* Reads SOURCE, whose name CONFIG keeps. NULL without an error where there is no SOURCE. */
static struct ConfigFile *read_source(
	struct Config *config, const struct ConfigSource *source, bool admin, GError **error)
{
	if (!source)
		return NULL;
	const char *file = g_intern_string(source->file);
	g_ptr_array_add(config->files, (char *)file);
	return config_file_read(file, source->text, admin, !config->has_admin, error);
}

static struct Config *parse(const struct ConfigSource *admin, const struct ConfigSource *user,
	bool user_gives_way, GError **error)
{
	g_autoptr(Config) config = g_new0(struct Config, 1);
	mux_config_init(&config->mux);
	config->connectors = g_ptr_array_new_with_free_func(connector_config_free);
	config->notes = g_ptr_array_new_with_free_func(note_free);
	config->files = g_ptr_array_new();
	config->has_admin = admin != NULL;

	g_autoptr(ConfigFile) admin_file = read_source(config, admin, true, error);
	if (admin && !admin_file)
		return NULL;
	g_autoptr(ConfigFile) user_file = read_source(config, user, false, error);
	if (user && !user_file)
		return NULL;
	if (user_file)
		user_file->gives_way = user_gives_way && admin_file;
	if (!config_merge(config, admin_file, user_file, error))
		return NULL;
	return g_steal_pointer(&config);
}

struct Config *config_parse(
	const struct ConfigSource *admin, const struct ConfigSource *user, GError **error)
{
	return parse(admin, user, false, error);
}

struct Config *config_parse_anew(
	const struct ConfigSource *admin, const struct ConfigSource *user, GError **error)
{
	return parse(admin, user, true, error);
}

struct ConnectorConfig *config_find(const struct Config *config, const char *name)
{
	for (guint i = 0; i < config->connectors->len; i++) {
		struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (strcmp(connector->name, name) == 0)
			return connector;
	}
	return NULL;
}

const char *connector_title(const struct ConnectorConfig *connector)
{
	return connector->title && *connector->title ? connector->title : connector->name;
}
