/* Two files into one. Without an administrator's file the user's is taken as it is. With one, it decides
 * and the user's can only narrow: every line of the user's file that would do anything else is left
 * out and noted, so that `status` can say why it has no effect. A line is an error only where the file
 * it stands in is at fault: what the administrator takes away later must not break a user's file. */
#include "format/config_parts.h"

#include "format/ini_line.h"

static void note(struct Config *config, const char *file, unsigned line, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

static void note(struct Config *config, const char *file, unsigned line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct ConfigNote *added = g_new0(struct ConfigNote, 1);
	added->place = (struct Place){file, line};
	added->text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(config->notes, added);
}

/* Applies one line of [mux]. It was understood before, so that this cannot fail. */
static bool apply(struct Config *config, const struct ConfigFile *file,
	const struct IniEntry *entry, GError **error)
{
	struct Setting setting = {file->file, entry};
	enum MuxKey key;
	return mux_setting(&config->mux, &setting, &key, error);
}

static unsigned audit_rank(enum AuditMode mode)
{
	static const unsigned ranks[] = {[AUDIT_OFF] = 0, [AUDIT_ON] = 1, [AUDIT_REQUIRED] = 2};
	return ranks[mode];
}

static unsigned pin_rank(enum PinMode mode)
{
	static const unsigned ranks[] = {[PIN_OFF] = 0, [PIN_WARN] = 1, [PIN_BLOCK] = 2};
	return ranks[mode];
}

/* The user's audit, audit_syslog or pin_tools, of which the stricter counts, a default of an administrator who
 * says nothing included. */
static bool merge_stricter(struct Config *config, const struct ConfigFile *user,
	const struct IniEntry *entry, GError **error)
{
	enum AuditMode audit = config->mux.audit;
	bool syslog = config->mux.audit_syslog;
	enum PinMode pins = config->mux.pin_tools;
	if (!apply(config, user, entry, error))
		return false;
	if (audit_rank(config->mux.audit) >= audit_rank(audit) &&
		(config->mux.audit_syslog || !syslog) &&
		pin_rank(config->mux.pin_tools) >= pin_rank(pins))
		return true;
	config->mux.audit = audit;
	config->mux.audit_syslog = syslog;
	config->mux.pin_tools = pins;
	note(config, user->file, entry->line,
		"%s = %s has no effect: the administrator's setting is stricter", entry->key,
		entry->value);
	return true;
}

static bool merge_user_mux(struct Config *config, const struct ConfigFile *admin,
	const struct ConfigFile *user, enum MuxKey key, GError **error)
{
	const struct IniEntry *entry = user->mux_given[key];
	const struct IniEntry *above = admin ? admin->mux_given[key] : NULL;
	if (admin && (key == MUX_AUDIT || key == MUX_AUDIT_SYSLOG || key == MUX_PIN_TOOLS))
		return merge_stricter(config, user, entry, error);
	if (admin && key == MUX_USER_CONNECTORS) {
		note(config, user->file, entry->line,
			"%s has no effect: only the administrator's file can say it", entry->key);
		return true;
	}
	if (!above)
		return apply(config, user, entry, error);
	if (strcmp(above->value, entry->value) != 0)
		note(config, user->file, entry->line,
			"%s has no effect: the administrator set it (%s:%u)", entry->key,
			admin->file, above->line);
	return true;
}

static bool merge_mux(struct Config *config, const struct ConfigFile *admin,
	const struct ConfigFile *user, GError **error)
{
	for (guint i = 0; admin && i < admin->mux_entries->len; i++) {
		if (!apply(config, admin, admin->mux_entries->pdata[i], error))
			return false;
	}
	for (guint i = 0; user && i < user->mux_entries->len; i++) {
		enum MuxKey key = 0;
		while (user->mux_given[key] != user->mux_entries->pdata[i])
			key++;
		if (!merge_user_mux(config, admin, user, key, error))
			return false;
	}
	return true;
}

static void swap_text(char **a, char **b)
{
	char *text = *a;
	*a = *b;
	*b = text;
}

static int key_of(const struct ConnectorSection *section, const struct IniEntry *entry)
{
	int key = 0;
	while (key < CONNECTOR_KEYS && section->given[key] != entry)
		key++;
	return key; /* CONNECTOR_KEYS: a header */
}

/* Whether the user may say this about a connector of the administrator. */
static bool is_narrowing(int key)
{
	switch (key) {
	case CONNECTOR_ENABLED:
	case CONNECTOR_ALLOWED_TOOLS:
	case CONNECTOR_ALLOWED_PROMPTS:
	case CONNECTOR_ALLOWED_RESOURCES:
	case CONNECTOR_PREFIX:
	case CONNECTOR_REDIRECT_HOST:
	case CONNECTOR_REDIRECT_PORT:
		return true;
	default:
		return false;
	}
}

static void narrow_enabled(struct Config *config, struct ConnectorConfig *connector,
	const struct ConnectorConfig *wish)
{
	if (!wish->enabled && connector->enabled) {
		connector->enabled = false;
		connector->enabled_place = wish->enabled_place;
	} else if (wish->enabled && !connector->enabled) {
		note(config, wish->enabled_place.file, wish->enabled_place.line,
			"enabled = on has no effect: the administrator turned it off (%s:%u)",
			connector->enabled_place.file, connector->enabled_place.line);
	}
}

/* One line of the user's about a connector of the administrator. */
static void narrow_line(struct Config *config, struct ConnectorConfig *connector,
	struct ConnectorConfig *wish, int key, const struct IniEntry *entry)
{
	if (!is_narrowing(key)) {
		note(config, wish->place.file, entry->line,
			"%s has no effect: the administrator's file defines this connector (%s:%u)",
			entry->key, connector->place.file, connector->place.line);
	} else if (key == CONNECTOR_ENABLED) {
		narrow_enabled(config, connector, wish);
	} else if (key == CONNECTOR_PREFIX) {
		swap_text(&connector->prefix, &wish->prefix);
		connector->prefix_place = wish->prefix_place;
	} else if (key == CONNECTOR_REDIRECT_HOST) {
		swap_text(&connector->redirect_host, &wish->redirect_host);
	} else if (key == CONNECTOR_REDIRECT_PORT) {
		connector->redirect_port = wish->redirect_port;
	} else {
		int kind = key - CONNECTOR_ALLOWED_TOOLS;
		struct AllowList list = connector->narrowed[kind];
		connector->narrowed[kind] = wish->allowed[kind];
		wish->allowed[kind] = list;
	}
}

static void narrow(
	struct Config *config, struct ConnectorConfig *connector, struct ConnectorSection *section)
{
	for (guint i = 0; i < section->entries->len; i++) {
		const struct IniEntry *entry = section->entries->pdata[i];
		narrow_line(config, connector, section->config, key_of(section, entry), entry);
	}
}

static bool only_narrows(const struct ConnectorSection *section)
{
	for (guint i = 0; i < section->entries->len; i++) {
		if (!is_narrowing(key_of(section, section->entries->pdata[i])))
			return false;
	}
	return true;
}

/* Native goes first, everything else to the end. */
static void add_connector(struct Config *config, struct ConnectorSection *section)
{
	struct ConnectorConfig *connector = g_steal_pointer(&section->config);
	g_ptr_array_insert(config->connectors, connector->native ? 0 : -1, connector);
}

/* A connector of the user's own beside an administrator's file. */
static bool add_own(struct Config *config, struct ConnectorSection *section, GError **error)
{
	struct ConnectorConfig *connector = section->config;
	if (!config->mux.user_connectors || (!connector->url && only_narrows(section))) {
		note(config, connector->place.file, connector->place.line, "%s has no effect: %s",
			connector->name,
			config->mux.user_connectors
				? "the administrator's file does not define it, and it has no url"
				: "the administrator's file does not define it and leaves no room "
				  "for others (user_connectors = off)");
		return true;
	}
	if (!connector->url)
		return ini_fail(error, connector->place.file, connector->place.line,
			"[%s%s] has no url, and the administrator's file does not define it; "
			"expected url = https://…",
			connector->native ? "" : "connector:", connector->name);
	if (connector->allowed_users) {
		note(config, connector->place.file, connector->allowed_users_place.line,
			"allowed_users has no effect: only the administrator's file can say it");
		g_clear_pointer(&connector->allowed_users, g_ptr_array_unref);
	}
	add_connector(config, section);
	return true;
}

static bool merge_connectors(
	struct Config *config, struct ConfigFile *admin, struct ConfigFile *user, GError **error)
{
	for (guint i = 0; admin && i < admin->connectors->len; i++)
		add_connector(config, admin->connectors->pdata[i]);
	for (guint i = 0; user && i < user->connectors->len; i++) {
		struct ConnectorSection *section = user->connectors->pdata[i];
		struct ConnectorConfig *above = config_find(config, section->config->name);
		if (above)
			narrow(config, above, section);
		else if (!admin)
			add_connector(config, section);
		else if (!add_own(config, section, error))
			return false;
	}
	return true;
}

static void merge_toggles(struct Config *config, struct ConfigFile *user)
{
	for (guint i = 0; user && i < user->tools->len; i++) {
		struct ToolsSection *tools = user->tools->pdata[i];
		struct ConnectorConfig *connector = config_find(config, tools->connector);
		if (!connector) {
			note(config, user->file, tools->line,
				"[tools:%s] has no effect: there is no such connector",
				tools->connector);
			continue;
		}
		GPtrArray *toggles = connector->toggles;
		connector->toggles = tools->toggles;
		tools->toggles = toggles;
	}
}

/* Two places in one message, the user's first where there is one, because the user reads it. */
static bool fail_pair(const struct Config *config, struct Place a, struct Place b, const char *text,
	GError **error)
{
	if (config->has_admin && a.file == config->files->pdata[0] && b.file != a.file) {
		struct Place place = a;
		a = b;
		b = place;
	}
	return ini_fail(error, a.file, a.line, "%s (the other is %s:%u)", text, b.file, b.line);
}

static bool check_prefix(const struct Config *config, guint index, GError **error)
{
	const struct ConnectorConfig *connector = config->connectors->pdata[index];
	for (guint i = 0; i < index; i++) {
		const struct ConnectorConfig *other = config->connectors->pdata[i];
		if (strcmp(other->prefix, connector->prefix) != 0)
			continue;
		g_autofree char *text = g_strdup_printf(
			"the prefix %s of two connectors, %s and %s; expected a `prefix` of its "
			"own for each",
			connector->prefix, other->name, connector->name);
		return fail_pair(config, connector->prefix_place, other->prefix_place, text, error);
	}
	return true;
}

/* SEPARATOR is where the separator was set; its file is NULL where it is the default. */
static bool check_separator(const struct Config *config, const struct ConnectorConfig *connector,
	struct Place separator, GError **error)
{
	if (connector->native || !strstr(connector->prefix, config->mux.separator))
		return true;
	g_autofree char *text = g_strdup_printf(
		"the prefix %s of the connector %s holds the separator %s; expected one without it",
		connector->prefix, connector->name, config->mux.separator);
	if (separator.file)
		return fail_pair(config, connector->prefix_place, separator, text, error);
	return ini_fail(
		error, connector->prefix_place.file, connector->prefix_place.line, "%s", text);
}

static struct Place separator_place(const struct ConfigFile *admin, const struct ConfigFile *user)
{
	const struct ConfigFile *const files[] = {admin, user};
	for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
		if (files[i] && files[i]->mux_given[MUX_SEPARATOR])
			return (struct Place){
				files[i]->file, files[i]->mux_given[MUX_SEPARATOR]->line};
	}
	return (struct Place){NULL, 0};
}

bool config_merge(
	struct Config *config, struct ConfigFile *admin, struct ConfigFile *user, GError **error)
{
	if (!merge_mux(config, admin, user, error) || !merge_connectors(config, admin, user, error))
		return false;
	merge_toggles(config, user);
	struct Place separator = separator_place(admin, user);
	for (guint i = 0; i < config->connectors->len; i++) {
		if (!check_prefix(config, i, error) ||
			!check_separator(config, config->connectors->pdata[i], separator, error))
			return false;
	}
	return true;
}
