/* One configuration file by itself: its sections, every key understood, and what can be said of them
 * without the other file. Borrows the file's name; owns what it read until config_merge.c takes it. */
#include "format/config_parts.h"

#include "format/ini_line.h"

static const char connector_section[] = "connector:";
static const char tools_section[] = "tools:";

static void connector_section_free(void *data)
{
	struct ConnectorSection *section = data;
	connector_config_free(section->config);
	g_ptr_array_unref(section->entries);
	g_free(section);
}

static void tools_section_free(void *data)
{
	struct ToolsSection *section = data;
	g_free(section->connector);
	g_ptr_array_unref(section->toggles);
	g_free(section);
}

void config_file_free(struct ConfigFile *file)
{
	if (!file)
		return;
	ini_file_free(file->ini);
	g_ptr_array_unref(file->mux_entries);
	g_ptr_array_unref(file->connectors);
	g_ptr_array_unref(file->tools);
	g_free(file);
}

struct ConnectorSection *config_file_find(const struct ConfigFile *file, const char *name)
{
	for (guint i = 0; i < file->connectors->len; i++) {
		struct ConnectorSection *section = file->connectors->pdata[i];
		if (section->config && strcmp(section->config->name, name) == 0)
			return section;
	}
	return NULL;
}

/* [a-z][a-z0-9-]{0,30} */
static bool is_connector_name(const char *name)
{
	if (!g_ascii_islower(*name) || strlen(name) > 31)
		return false;
	for (const char *p = name; *p; p++) {
		if (!g_ascii_islower(*p) && !g_ascii_isdigit(*p) && *p != '-')
			return false;
	}
	return true;
}

static bool fail_name(const struct ConfigFile *file, const struct IniSection *section,
	const char *name, GError **error)
{
	if (strcmp(name, "native") == 0)
		return ini_fail(error, file->file, section->line,
			"[%s]: a name that stands for the native upstream; expected [native]",
			section->name);
	return ini_fail(error, file->file, section->line,
		"[%s]: a name that no connector can have; expected 1 to 31 lower-case letters, "
		"digits or `-`, beginning with a letter",
		section->name);
}

static bool fail_section(
	const struct ConfigFile *file, const struct IniSection *section, GError **error)
{
	static const char *const plain[] = {"mux", "native"};
	static const char *const named[] = {"connector", "tools"};
	const char *colon = strchr(section->name, ':');
	g_autofree char *kind = colon ? g_strndup(section->name, (gsize)(colon - section->name))
				      : g_strdup(section->name);
	g_autofree char *near = suggestion(kind, colon ? named : plain, 2);
	if (!colon && !*near) {
		g_free(near);
		near = suggestion(kind, named, 2);
	}
	return ini_fail(error, file->file, section->line,
		"[%s]: an unknown section; expected [mux], [native], [connector:NAME] or "
		"[tools:NAME]%s",
		section->name, near);
}

static bool read_mux(struct ConfigFile *file, GPtrArray *entries, GError **error)
{
	/* Only to see whether every line is understood; config_merge.c applies them. */
	struct MuxConfig scratch;
	mux_config_init(&scratch);
	bool good = true;
	for (guint i = 0; good && i < entries->len; i++) {
		struct Setting setting = {file->file, entries->pdata[i]};
		enum MuxKey key = MUX_KEYS;
		good = mux_setting(&scratch, &setting, &key, error);
		if (good)
			file->mux_given[key] = setting.entry;
	}
	mux_config_release(&scratch);
	g_ptr_array_unref(file->mux_entries);
	file->mux_entries = g_ptr_array_ref(entries);
	return good;
}

static bool read_connector(struct ConfigFile *file, const struct IniSection *ini_section,
	const char *name, GPtrArray *entries, GError **error)
{
	struct ConnectorSection *section = g_new0(struct ConnectorSection, 1);
	struct Place place = {file->file, ini_section->line};
	section->config = connector_config_new(name, file->admin, place);
	section->entries = g_ptr_array_ref(entries);
	g_ptr_array_add(file->connectors, section);

	struct ConnectorConfig *connector = section->config;
	for (guint i = 0; i < entries->len; i++) {
		struct Setting setting = {file->file, entries->pdata[i]};
		enum ConnectorKey key = CONNECTOR_KEYS;
		if (!connector_setting(connector, &setting, &key, error))
			return false;
		if (key == CONNECTOR_KEYS)
			continue;
		section->given[key] = setting.entry;
		place.line = setting.entry->line;
		if (key == CONNECTOR_PREFIX)
			connector->prefix_place = place;
		else if (key == CONNECTOR_ENABLED)
			connector->enabled_place = place;
		else if (key == CONNECTOR_ALLOWED_USERS)
			connector->allowed_users_place = place;
	}
	if (!connector->api_key_prefix) {
		bool bearer = g_ascii_strcasecmp(connector->api_key_header, "Authorization") == 0;
		connector->api_key_prefix = g_strdup(bearer ? "Bearer " : "");
	}
	if (!connector->url && (file->admin || file->alone))
		return ini_fail(error, file->file, connector->place.line,
			"[%s%s] has no url; expected url = https://…",
			connector->native ? "" : connector_section, connector->name);
	return true;
}

static bool read_toggle(const struct ConfigFile *file, const struct IniEntry *entry,
	GPtrArray *toggles, GError **error)
{
	struct Setting setting = {file->file, entry};
	for (const char *p = entry->key; *p; p++) {
		if (!g_ascii_isalnum(*p) && !strchr("_.*?-", *p))
			return setting_refuse(&setting, error,
				"not a pattern of tools; expected letters, digits, `_`, `.`, `-`, "
				"`*` and `?` (which stands for any other character)");
	}
	bool on = strcmp(entry->value, "on") == 0;
	if (!on && strcmp(entry->value, "off") != 0)
		return setting_expect(&setting, error, "on or off");
	struct Toggle *toggle = g_new0(struct Toggle, 1);
	toggle->pattern = g_strdup(entry->key);
	toggle->on = on;
	toggle->place = (struct Place){file->file, entry->line};
	g_ptr_array_add(toggles, toggle);
	return true;
}

static bool read_tools(struct ConfigFile *file, const struct IniSection *ini_section,
	const char *name, GPtrArray *entries, GError **error)
{
	if (file->admin)
		return ini_fail(error, file->file, ini_section->line,
			"[%s] in the administrator's file; expected allowed_tools in the "
			"connector's own section (toggles belong to the user's file)",
			ini_section->name);
	struct ToolsSection *section = g_new0(struct ToolsSection, 1);
	section->connector = g_strdup(name);
	section->line = ini_section->line;
	section->toggles = g_ptr_array_new_with_free_func(toggle_free);
	g_ptr_array_add(file->tools, section);
	for (guint i = 0; i < entries->len; i++) {
		if (!read_toggle(file, entries->pdata[i], section->toggles, error))
			return false;
	}
	return config_check_toggles(section->toggles, error);
}

static bool read_section(struct ConfigFile *file, const struct IniSection *section,
	GPtrArray *entries, GError **error)
{
	if (strcmp(section->name, "mux") == 0)
		return read_mux(file, entries, error);
	if (strcmp(section->name, "native") == 0)
		return read_connector(file, section, "native", entries, error);
	if (g_str_has_prefix(section->name, connector_section)) {
		const char *name = section->name + strlen(connector_section);
		if (!is_connector_name(name) || strcmp(name, "native") == 0)
			return fail_name(file, section, name, error);
		return read_connector(file, section, name, entries, error);
	}
	if (g_str_has_prefix(section->name, tools_section)) {
		const char *name = section->name + strlen(tools_section);
		if (!is_connector_name(name))
			return fail_name(file, section, name, error);
		return read_tools(file, section, name, entries, error);
	}
	return fail_section(file, section, error);
}

/* In a file that stands alone, toggles must be about connectors that it defines. */
static bool check_tools(const struct ConfigFile *file, GError **error)
{
	for (guint i = 0; file->alone && i < file->tools->len; i++) {
		const struct ToolsSection *tools = file->tools->pdata[i];
		if (config_file_find(file, tools->connector))
			continue;
		const char *names[64];
		unsigned count = 0;
		for (guint j = 0; j < MIN(file->connectors->len, G_N_ELEMENTS(names)); j++) {
			const struct ConnectorSection *section = file->connectors->pdata[j];
			names[count++] = section->config->name;
		}
		g_autofree char *near = suggestion(tools->connector, names, count);
		bool native = strcmp(tools->connector, "native") == 0;
		return ini_fail(error, file->file, tools->line,
			"[tools:%s]: no section defines that connector; expected [%s%s] in this "
			"file too%s",
			tools->connector, native ? "" : connector_section, tools->connector, near);
	}
	return true;
}

struct ConfigFile *config_file_read(
	const char *name, struct Slice text, bool admin, bool alone, GError **error)
{
	g_autoptr(ConfigFile) file = g_new0(struct ConfigFile, 1);
	file->file = name;
	file->admin = admin;
	file->alone = alone;
	file->mux_entries = g_ptr_array_new();
	file->connectors = g_ptr_array_new_with_free_func(connector_section_free);
	file->tools = g_ptr_array_new_with_free_func(tools_section_free);
	file->ini = ini_read(name, text, error);
	if (!file->ini)
		return NULL;
	guint next = 0; /* entries stand in the order of their sections */
	for (guint i = 0; i < file->ini->sections->len; i++) {
		const struct IniSection *section = file->ini->sections->pdata[i];
		g_autoptr(GPtrArray) entries = g_ptr_array_new();
		for (; next < file->ini->entries->len; next++) {
			struct IniEntry *entry = file->ini->entries->pdata[next];
			if (strcmp(entry->section, section->name) != 0)
				break;
			g_ptr_array_add(entries, entry);
		}
		if (!read_section(file, section, entries, error))
			return NULL;
	}
	return check_tools(file, error) ? g_steal_pointer(&file) : NULL;
}
