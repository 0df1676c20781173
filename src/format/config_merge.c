/* Two files into one. Without an administrator's file the user's is taken as it is. With one, it decides
 * and the user's can only narrow: every line of the user's file that would do anything else, or has no effect beside the
 * administrator's, is left out and noted, so that `status` can say why. A line is an error only where the file it stands
 * in is at fault: what the administrator says or takes away later must not break a user's file. So the administrator's
 * file is checked before the user's is looked at. */
#include "format/config_parts.h"

#include "base/text.h"
#include "format/ini_line.h"
#include "format/pattern.h"

enum { SHOWN_BYTES = 60 };

/* One merging. All borrowed. */
struct Merge {
	struct Config *config;
	struct ConfigFile *admin; /* NULL: none; likewise USER */
	struct ConfigFile *user;
	struct Place places[MUX_KEYS]; /* of the lines of [mux] that count; no file: the default */
};

void config_note(struct Config *config, struct Place place, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	struct ConfigNote *added = g_new0(struct ConfigNote, 1);
	added->place = place;
	added->text = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(config->notes, added);
}

bool config_is_users(const struct Config *config, struct Place place)
{
	return config->has_admin && place.file && place.file != config->files->pdata[0];
}

/* Applies one line of [mux]. It was understood before, so that this cannot fail. */
static bool apply(struct Merge *merge, const struct ConfigFile *file, const struct IniEntry *entry,
	GError **error)
{
	struct Setting setting = {file->file, entry};
	enum MuxKey key;
	if (!mux_setting(&merge->config->mux, &setting, &key, error))
		return false;
	merge->places[key] = (struct Place){file->file, entry->line};
	return true;
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
 * says nothing included. Where both say the same, the administrator's line does. */
static bool merge_stricter(
	struct Merge *merge, enum MuxKey key, const struct IniEntry *entry, GError **error)
{
	struct MuxConfig *mux = &merge->config->mux;
	enum AuditMode audit = mux->audit;
	bool syslog = mux->audit_syslog;
	enum PinMode pins = mux->pin_tools;
	struct Place above = merge->places[key];
	if (!apply(merge, merge->user, entry, error))
		return false;
	if (audit_rank(mux->audit) > audit_rank(audit) || (mux->audit_syslog && !syslog) ||
		pin_rank(mux->pin_tools) > pin_rank(pins))
		return true;
	bool same = mux->audit == audit && mux->audit_syslog == syslog && mux->pin_tools == pins;
	if (!same)
		config_note(merge->config, merge->places[key],
			"%s = %s has no effect: the administrator's setting is stricter",
			entry->key, entry->value);
	mux->audit = audit;
	mux->audit_syslog = syslog;
	mux->pin_tools = pins;
	merge->places[key] = above;
	return true;
}

/* One line of the user's beside the administrator's file. */
static bool merge_user_mux(struct Merge *merge, enum MuxKey key, GError **error)
{
	const struct IniEntry *entry = merge->user->mux_given[key];
	const struct IniEntry *above = merge->admin->mux_given[key];
	struct Place place = {merge->user->file, entry->line};
	if (key == MUX_AUDIT || key == MUX_AUDIT_SYSLOG || key == MUX_PIN_TOOLS)
		return merge_stricter(merge, key, entry, error);
	if (key == MUX_USER_CONNECTORS) {
		config_note(merge->config, place,
			"%s has no effect: only the administrator's file can say it", entry->key);
		return true;
	}
	if (!above)
		return apply(merge, merge->user, entry, error);
	if (strcmp(above->value, entry->value) != 0)
		config_note(merge->config, place,
			"%s has no effect: the administrator set it (%s:%u)", entry->key,
			merge->admin->file, above->line);
	return true;
}

static bool merge_mux_of_user(struct Merge *merge, GError **error)
{
	for (guint i = 0; i < merge->user->mux_entries->len; i++) {
		enum MuxKey key = 0;
		while (merge->user->mux_given[key] != merge->user->mux_entries->pdata[i])
			key++;
		if (!merge_user_mux(merge, key, error))
			return false;
	}
	/* Both lines of a pair can be obeyed: of two limits the lower one counts. */
	bool gives_way = merge->user->gives_way;
	return config_check_mux(merge->config, merge->places, gives_way ? NULL : error) ||
	       gives_way;
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
		config_note(config, wish->enabled_place,
			"enabled = on has no effect: the administrator turned it off (%s:%u)",
			connector->enabled_place.file, connector->enabled_place.line);
	}
}

/* The line of the administrator's that says what CONNECTOR may expose of that kind. */
static struct Place allowing_place(const struct ConnectorConfig *connector, enum AllowKind kind)
{
	const struct AllowList *list = &connector->allowed[kind];
	return list->set ? list->place : connector->place;
}

static bool admits_none(const struct ConnectorConfig *connector, enum AllowKind kind)
{
	const struct AllowList *list = &connector->allowed[kind];
	return list->set ? list->rules->len == 0 : !connector->default_all;
}

/* Whether the administrator may admit NAME; which tools a class admits is not known here. */
static bool may_admit(
	const struct ConnectorConfig *connector, enum AllowKind kind, const char *name)
{
	const struct AllowList *list = &connector->allowed[kind];
	for (guint i = 0; i < list->rules->len; i++) {
		const struct AllowRule *rule = list->rules->pdata[i];
		if (*rule->text == '@' || pattern_match(rule->text, name))
			return true;
	}
	return !list->set && connector->default_all;
}

static bool is_exact(const char *rule)
{
	return *rule != '@' && !strpbrk(rule, "*?");
}

/* The user's list of what to expose, and what of it the administrator's never admits. */
static void narrow_list(struct Config *config, struct ConnectorConfig *connector,
	struct AllowList *wish, enum AllowKind kind, const char *key)
{
	struct Place above = allowing_place(connector, kind);
	if (admits_none(connector, kind)) {
		config_note(config, wish->place,
			"%s has no effect: the administrator's file admits nothing (%s:%u)", key,
			above.file, above.line);
		return;
	}
	for (guint i = 0; i < wish->rules->len; i++) {
		const struct AllowRule *rule = wish->rules->pdata[i];
		if (!is_exact(rule->text) || may_admit(connector, kind, rule->text))
			continue;
		g_autofree char *shown = text_printable(slice_of(rule->text), SHOWN_BYTES);
		config_note(config, rule->place,
			"%s in %s has no effect: the administrator's file does not admit it "
			"(%s:%u)",
			shown, key, above.file, above.line);
	}
	struct AllowList list = connector->narrowed[kind];
	connector->narrowed[kind] = *wish;
	*wish = list;
}

/* Also undoes itself: WISH has what was there. */
static void swap_prefix(struct ConnectorConfig *connector, struct ConnectorConfig *wish)
{
	struct Place place = connector->prefix_place;
	swap_text(&connector->prefix, &wish->prefix);
	connector->prefix_place = wish->prefix_place;
	wish->prefix_place = place;
}

/* One line of the user's about a connector of the administrator. */
static void narrow_line(struct Config *config, struct ConnectorConfig *connector,
	struct ConnectorConfig *wish, int key, const struct IniEntry *entry)
{
	struct Place place = {wish->place.file, entry->line};
	if (!is_narrowing(key)) {
		config_note(config, place,
			"%s has no effect: the administrator's file defines this connector (%s:%u)",
			entry->key, connector->place.file, connector->place.line);
	} else if (!config_key_serves((enum ConnectorKey)key, connector->auth)) {
		config_note(config, place,
			"%s has no effect: the administrator's connector signs in without a "
			"callback URL (%s:%u)",
			entry->key, connector->place.file, connector->place.line);
	} else if (key == CONNECTOR_ENABLED) {
		narrow_enabled(config, connector, wish);
	} else if (key == CONNECTOR_PREFIX) {
		swap_prefix(connector, wish);
	} else if (key == CONNECTOR_REDIRECT_HOST) {
		swap_text(&connector->redirect_host, &wish->redirect_host);
	} else if (key == CONNECTOR_REDIRECT_PORT) {
		connector->redirect_port = wish->redirect_port;
	} else {
		enum AllowKind kind = (enum AllowKind)(key - CONNECTOR_ALLOWED_TOOLS);
		narrow_list(config, connector, &wish->allowed[kind], kind, entry->key);
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
static bool add_own(struct Merge *merge, struct ConnectorSection *section, GError **error)
{
	struct Config *config = merge->config;
	struct ConnectorConfig *connector = section->config;
	if (!config->mux.user_connectors || (!connector->url && only_narrows(section))) {
		config_note(config, connector->place, "%s has no effect: %s", connector->name,
			config->mux.user_connectors
				? "the administrator's file does not define it, and it has no url"
				: "the administrator's file does not define it and leaves no room "
				  "for others (user_connectors = off)");
		return true;
	}
	if (!connector->url)
		return merge->user->gives_way ||
		       ini_fail(error, connector->place.file, connector->place.line,
			       "[%s%s] has no url, and the administrator's file does not define "
			       "it; expected url = https://…",
			       connector->native ? "" : "connector:", connector->name);
	if (connector->allowed_users) {
		config_note(config, connector->allowed_users_place,
			"allowed_users has no effect: only the administrator's file can say it");
		g_clear_pointer(&connector->allowed_users, g_ptr_array_unref);
	}
	if (!config_check_connector(merge->user, section, merge->user->gives_way ? NULL : error))
		return merge->user->gives_way;
	add_connector(config, section);
	return true;
}

static bool merge_connectors_of_user(struct Merge *merge, GError **error)
{
	for (guint i = 0; i < merge->user->connectors->len; i++) {
		struct ConnectorSection *section = merge->user->connectors->pdata[i];
		struct ConnectorConfig *above = config_find(merge->config, section->config->name);
		if (above)
			narrow(merge->config, above, section);
		else if (!add_own(merge, section, error))
			return false;
	}
	return true;
}

/* The [mux] and the connectors of the only file, or of the administrator's. */
static bool take_file(struct Merge *merge, struct ConfigFile *file, GError **error)
{
	for (guint i = 0; i < file->mux_entries->len; i++) {
		if (!apply(merge, file, file->mux_entries->pdata[i], error))
			return false;
	}
	for (guint i = 0; i < file->connectors->len; i++) {
		if (!config_check_connector(file, file->connectors->pdata[i], error))
			return false;
		add_connector(merge->config, file->connectors->pdata[i]);
	}
	return config_check_mux(merge->config, merge->places, error) &&
	       config_check_names(merge->config, merge->places, error);
}

/* The user's prefix of the connector at INDEX gives way: to the administrator's own, or with the whole connector where
 * that is the user's. WHY is what it clashes with, at ABOVE. */
static void give_way(struct Merge *merge, guint index, const char *why, struct Place above)
{
	struct Config *config = merge->config;
	struct ConnectorConfig *connector = config->connectors->pdata[index];
	config_note(config, connector->prefix_place, "%s%s has no effect: its prefix %s %s (%s:%u)",
		connector->by_admin ? "prefix of " : "", connector->name, connector->prefix, why,
		above.file, above.line);
	if (connector->by_admin)
		swap_prefix(connector, config_file_find(merge->user, connector->name)->config);
	else
		g_ptr_array_remove_index(config->connectors, index);
}

/* Makes the user's prefix of the connector at INDEX give way where it clashes with what the administrator says; in a file
 * that gives way, also with another line of the user's. */
static bool settle_prefix(struct Merge *merge, guint index)
{
	const struct Config *config = merge->config;
	const struct ConnectorConfig *connector = config->connectors->pdata[index];
	struct Place separator = merge->places[MUX_SEPARATOR];
	bool gives_way = merge->user->gives_way;
	if (!config_is_users(config, connector->prefix_place))
		return false;
	if ((gives_way || (separator.file && !config_is_users(config, separator))) &&
		config_prefix_holds_separator(config, connector)) {
		g_autofree char *why =
			g_strdup_printf("holds the separator %s", config->mux.separator);
		give_way(merge, index, why, separator.file ? separator : connector->place);
		return true;
	}
	for (guint i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *other = config->connectors->pdata[i];
		bool is_users = config_is_users(config, other->prefix_place);
		if (i == index || (is_users && !(gives_way && i < index)) ||
			strcmp(other->prefix, connector->prefix) != 0)
			continue;
		g_autofree char *why = g_strdup_printf("is that of %s", other->name);
		give_way(merge, index, why, other->prefix_place);
		return true;
	}
	return false;
}

/* Makes the user's separator give way where a prefix of the administrator's holds it. */
static bool settle_separator(struct Merge *merge)
{
	struct Config *config = merge->config;
	struct Place *separator = &merge->places[MUX_SEPARATOR];
	for (guint i = 0; config_is_users(config, *separator) && i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (config_is_users(config, connector->prefix_place) ||
			!config_prefix_holds_separator(config, connector))
			continue;
		config_note(config, *separator,
			"separator has no effect: the prefix %s of %s holds it (%s:%u)",
			connector->prefix, connector->name, connector->prefix_place.file,
			connector->prefix_place.line);
		struct MuxConfig defaults;
		mux_config_init(&defaults);
		swap_text(&config->mux.separator, &defaults.separator);
		mux_config_release(&defaults);
		/* The default is the administrator's word now, which no prefix of the user's may hold either. */
		*separator = connector->prefix_place;
		return true;
	}
	return false;
}

/* Each that gives way may bring back a name that another one clashes with. */
static void settle_names(struct Merge *merge)
{
	bool changed = true;
	while (changed) {
		changed = settle_separator(merge);
		for (guint i = 0; !changed && i < merge->config->connectors->len; i++)
			changed = settle_prefix(merge, i);
	}
}

/* What toggles of the user's can never do, since the administrator's file does not admit it. False: none of them can do
 * anything. */
static bool note_toggles(struct Config *config, const struct ConnectorConfig *connector,
	const struct ToolsSection *tools, struct Place place)
{
	struct Place above = allowing_place(connector, ALLOW_TOOLS);
	if (admits_none(connector, ALLOW_TOOLS)) {
		config_note(config, place,
			"[tools:%s] has no effect: the administrator's file admits nothing (%s:%u)",
			tools->connector, above.file, above.line);
		return false;
	}
	for (guint i = 0; i < tools->toggles->len; i++) {
		const struct Toggle *toggle = tools->toggles->pdata[i];
		if (is_exact(toggle->pattern) &&
			!may_admit(connector, ALLOW_TOOLS, toggle->pattern))
			config_note(config, toggle->place,
				"%s = %s has no effect: the administrator's file does not admit it "
				"(%s:%u)",
				toggle->pattern, toggle->on ? "on" : "off", above.file, above.line);
	}
	return true;
}

static void merge_toggles(struct Merge *merge)
{
	for (guint i = 0; i < merge->user->tools->len; i++) {
		struct ToolsSection *tools = merge->user->tools->pdata[i];
		struct ConnectorConfig *connector = config_find(merge->config, tools->connector);
		struct Place place = {merge->user->file, tools->line};
		if (!connector) {
			config_note(merge->config, place,
				"[tools:%s] has no effect: there is no such connector",
				tools->connector);
			continue;
		}
		if (connector->by_admin && !note_toggles(merge->config, connector, tools, place))
			continue;
		GPtrArray *toggles = connector->toggles;
		connector->toggles = tools->toggles;
		tools->toggles = toggles;
	}
}

bool config_merge(
	struct Config *config, struct ConfigFile *admin, struct ConfigFile *user, GError **error)
{
	struct Merge merge = {.config = config, .admin = admin, .user = user};
	if (admin && !take_file(&merge, admin, error))
		return false;
	if (!user)
		return true;
	if (!admin && !take_file(&merge, user, error))
		return false;
	if (admin &&
		(!merge_mux_of_user(&merge, error) || !merge_connectors_of_user(&merge, error)))
		return false;
	settle_names(&merge);
	merge_toggles(&merge);
	/* What settling leaves are names that are too long for their prefix, which can be cut. */
	return config_check_names(config, merge.places, user->gives_way ? NULL : error) ||
	       user->gives_way;
}
