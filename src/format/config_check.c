/* Rules that contradict each other: two lines of one file that cannot both hold are an error that names both. A default
 * is no rule, nor is an empty value that stands for none. Beside an administrator's file the user's lines give way to the
 * administrator's, and are noted. */
#include "format/config_parts.h"

#include "format/ini_line.h"
#include "format/url.h"

bool config_fail_pair(struct Place a, struct Place b, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	return ini_fail(error, a.file, a.line, "%s (the other is %s:%u)", text, b.file, b.line);
}

/* ---- [mux] ---- */

static bool nothing_is_logged(const struct MuxConfig *mux)
{
	return mux->audit == AUDIT_OFF;
}

static bool nothing_is_copied(const struct MuxConfig *mux)
{
	return mux->audit == AUDIT_OFF && mux->audit_syslog;
}

static bool silence_outlasts_the_call(const struct MuxConfig *mux)
{
	return mux->call_timeout_ms > mux->call_limit_ms;
}

/* KEY cannot hold where OTHER does. */
struct MuxPair {
	enum MuxKey key, other;
	bool (*clash)(const struct MuxConfig *mux);
	const char *text; /* what is wrong within one file; NULL: KEY is only idle */
};

static const struct MuxPair mux_pairs[] = {
	{MUX_AUDIT_SYSLOG, MUX_AUDIT, nothing_is_copied,
		"audit_syslog = on: there is nothing to copy with audit = off; expected only one "
		"of the two"},
	{MUX_AUDIT_ARGUMENTS, MUX_AUDIT, nothing_is_logged, NULL},
	{MUX_CALL_TIMEOUT, MUX_CALL_LIMIT, silence_outlasts_the_call,
		"call_timeout: longer than call_limit lets any call take; expected at most as "
		"much"},
};

bool config_check_mux(struct Config *config, const struct Place *places, GError **error)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(mux_pairs); i++) {
		const struct MuxPair *pair = &mux_pairs[i];
		struct Place key = places[pair->key];
		struct Place other = places[pair->other];
		if (!key.file || !other.file || !pair->clash(&config->mux))
			continue;
		if (key.file == other.file && pair->text)
			return config_fail_pair(key, other, error, "%s", pair->text);
		if (key.file != other.file && config_is_users(config, key))
			config_note(config, key,
				"%s has no effect: the administrator set %s (%s:%u)",
				mux_keys[pair->key].name, mux_keys[pair->other].name, other.file,
				other.line);
	}
	return true;
}

/* ---- a connector ---- */

enum {
	WITH_OAUTH = 1 << AUTH_OAUTH,
	WITH_API_KEY = 1 << AUTH_API_KEY,
	WITH_PORT = 1 << AUTH_PORT_CREDENTIALS,
	WITH_CLIENT = 1 << AUTH_CLIENT_CREDENTIALS,
};

/* The kinds of sign-in that a key is for, as bits; 0: it is not about signing in. */
static unsigned kinds_of(enum ConnectorKey key)
{
	switch (key) {
	case CONNECTOR_SCOPE:
	case CONNECTOR_RESOURCE_PARAMETER:
		return WITH_OAUTH | WITH_CLIENT;
	case CONNECTOR_CLIENT_ID:
		return WITH_OAUTH | WITH_PORT | WITH_CLIENT;
	case CONNECTOR_CLIENT_METADATA_URL:
	case CONNECTOR_REDIRECT_HOST:
	case CONNECTOR_REDIRECT_PORT:
		return WITH_OAUTH;
	case CONNECTOR_API_KEY_HEADER:
	case CONNECTOR_API_KEY_PREFIX:
		return WITH_API_KEY;
	case CONNECTOR_TITLE:
	case CONNECTOR_DESCRIPTION:
	case CONNECTOR_URL:
	case CONNECTOR_AUTH:
	case CONNECTOR_PREFIX:
	case CONNECTOR_ALLOWED_TOOLS:
	case CONNECTOR_ALLOWED_PROMPTS:
	case CONNECTOR_ALLOWED_RESOURCES:
	case CONNECTOR_ALLOWED_USERS:
	case CONNECTOR_ENABLED:
	case CONNECTOR_KEYS:
		break;
	}
	return 0;
}

bool config_key_serves(enum ConnectorKey key, enum AuthKind auth)
{
	unsigned kinds = kinds_of(key);
	return !kinds || kinds & 1U << auth;
}

static struct Place place_of(const struct ConfigFile *file, const struct IniEntry *entry)
{
	return (struct Place){file->file, entry->line};
}

/* `auth`, and keys that only another kind of sign-in knows. */
static bool check_sign_in(
	const struct ConfigFile *file, const struct ConnectorSection *section, GError **error)
{
	const struct IniEntry *auth = section->given[CONNECTOR_AUTH];
	for (enum ConnectorKey key = 0; auth && key < CONNECTOR_KEYS; key++) {
		const struct IniEntry *entry = section->given[key];
		if (!entry || !*entry->value || config_key_serves(key, section->config->auth))
			continue;
		g_autoptr(GString) kinds = g_string_new(NULL);
		for (unsigned i = 0; connector_keys[CONNECTOR_AUTH].choices[i]; i++) {
			if (config_key_serves(key, i))
				g_string_append_printf(kinds, "%s%s", kinds->len ? " or " : "",
					connector_keys[CONNECTOR_AUTH].choices[i]);
		}
		return config_fail_pair(place_of(file, entry), place_of(file, auth), error,
			"%s: not for auth = %s; expected it with auth = %s alone", entry->key,
			auth->value, kinds->str);
	}
	return true;
}

static bool check_url(
	const struct ConfigFile *file, const struct ConnectorSection *section, GError **error)
{
	static const char text[] =
		"url: plain http would show credentials to the network; expected https, or "
		"auth = none, or a server on this machine (127.0.0.1, [::1], localhost)";
	const struct IniEntry *url = section->given[CONNECTOR_URL];
	const struct IniEntry *auth = section->given[CONNECTOR_AUTH];
	if (section->config->auth == AUTH_NONE || url_is_secure(section->config->url))
		return true;
	if (auth)
		return config_fail_pair(
			place_of(file, url), place_of(file, auth), error, "%s", text);
	return ini_fail(error, file->file, url->line, "%s", text);
}

static bool check_headers(
	const struct ConfigFile *file, const struct ConnectorSection *section, GError **error)
{
	const struct ConnectorConfig *connector = section->config;
	const struct IniEntry *key = section->given[CONNECTOR_API_KEY_HEADER];
	for (guint i = 0; connector->auth == AUTH_API_KEY && key && i < connector->headers->len;
		i++) {
		const struct HeaderConfig *header = connector->headers->pdata[i];
		if (g_ascii_strcasecmp(header->name, connector->api_key_header) == 0)
			return config_fail_pair(header->place, place_of(file, key), error,
				"header.%s: the header that carries the API key (api_key_header); "
				"expected another one",
				header->name);
	}
	return true;
}

bool config_check_connector(
	const struct ConfigFile *file, const struct ConnectorSection *section, GError **error)
{
	const struct ConnectorConfig *connector = section->config;
	if (connector->allowed_users && connector->allowed_users->len == 0)
		return ini_fail(error, file->file, connector->allowed_users_place.line,
			"allowed_users: it names nobody; expected at least one user or group "
			"(enabled = off hides a connector from everybody)");
	return check_url(file, section, error) && check_sign_in(file, section, error) &&
	       check_headers(file, section, error);
}

/* ---- toggles ---- */

/* PATTERN in the one form of all that match the same: of a run of `*` and `?` the order does not matter, nor does a
 * second `*`. */
static char *normal_pattern(const char *pattern)
{
	GString *normal = g_string_new(NULL);
	while (*pattern) {
		bool any = false;
		for (; *pattern == '*' || *pattern == '?'; pattern++) {
			if (*pattern == '?')
				g_string_append_c(normal, '?');
			else
				any = true;
		}
		if (any)
			g_string_append_c(normal, '*');
		if (*pattern)
			g_string_append_c(normal, *pattern++);
	}
	return g_string_free(normal, FALSE);
}

bool config_check_toggles(const GPtrArray *toggles, GError **error)
{
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < toggles->len; i++) {
		const struct Toggle *toggle = toggles->pdata[i];
		g_autofree char *normal = normal_pattern(toggle->pattern);
		const struct Toggle *other = g_hash_table_lookup(seen, normal);
		if (other && other->on != toggle->on)
			return config_fail_pair(toggle->place, other->place, error,
				"%s = %s: %s matches the same and is %s; expected only one of the "
				"two",
				toggle->pattern, toggle->on ? "on" : "off", other->pattern,
				other->on ? "on" : "off");
		g_hash_table_insert(seen, g_steal_pointer(&normal), (void *)toggle);
	}
	return true;
}

/* ---- exposed names ---- */

/* The connector before that one with the same prefix. */
static const struct ConnectorConfig *find_namesake(const struct Config *config, guint index)
{
	const struct ConnectorConfig *connector = config->connectors->pdata[index];
	for (guint i = 0; i < index; i++) {
		const struct ConnectorConfig *other = config->connectors->pdata[i];
		if (strcmp(other->prefix, connector->prefix) == 0)
			return other;
	}
	return NULL;
}

bool config_prefix_holds_separator(
	const struct Config *config, const struct ConnectorConfig *connector)
{
	return !connector->native && strstr(connector->prefix, config->mux.separator);
}

static bool check_separator(const struct Config *config, const struct ConnectorConfig *connector,
	struct Place separator, GError **error)
{
	if (!config_prefix_holds_separator(config, connector))
		return true;
	g_autofree char *text = g_strdup_printf(
		"the prefix %s of the connector %s holds the separator %s; expected one without it",
		connector->prefix, connector->name, config->mux.separator);
	if (separator.file)
		return config_fail_pair(connector->prefix_place, separator, error, "%s", text);
	return ini_fail(
		error, connector->prefix_place.file, connector->prefix_place.line, "%s", text);
}

/* A prefix that a line asks for, in names that a line of the same file keeps too short for it. */
static bool check_length(const struct Config *config, const struct ConnectorConfig *connector,
	struct Place max, GError **error)
{
	struct Place prefix = connector->prefix_place;
	bool by_default =
		prefix.file == connector->place.file && prefix.line == connector->place.line;
	bool said = !by_default && prefix.file == max.file;
	size_t len = strlen(connector->prefix) + strlen(config->mux.separator);
	if (!said || connector->native || len < config->mux.max_tool_name)
		return true;
	return config_fail_pair(prefix, max, error,
		"the prefix %s of the connector %s leaves no room for names of %u characters "
		"(max_tool_name); expected a shorter one",
		connector->prefix, connector->name, config->mux.max_tool_name);
}

bool config_check_names(const struct Config *config, const struct Place *places, GError **error)
{
	for (guint i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		const struct ConnectorConfig *other = find_namesake(config, i);
		if (other)
			return config_fail_pair(connector->prefix_place, other->prefix_place, error,
				"the prefix %s of two connectors, %s and %s; expected a `prefix` "
				"of its own for each",
				connector->prefix, other->name, connector->name);
		if (!check_separator(config, connector, places[MUX_SEPARATOR], error) ||
			!check_length(config, connector, places[MUX_MAX_TOOL_NAME], error))
			return false;
	}
	return true;
}
