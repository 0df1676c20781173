/* The keys: what each is called, what it may hold and which field it fills. Adding a key means a line
 * here, a field in config.h, a default in config.c and a paragraph in mcp-mux.ini.example. */
#include "format/config_parts.h"

#include "format/ini_line.h"
#include "format/mcp_header.h"

static const char *const audit_choices[] = {"on", "off", "required", NULL};
static const char *const arguments_choices[] = {"digest", "none", "full", NULL};
static const char *const sign_in_choices[] = {"elicit", "browser", "never", NULL};
static const char *const pin_choices[] = {"warn", "off", "block", NULL};
static const char *const host_choices[] = {"127.0.0.1", "localhost", NULL};
static const char *const auth_choices[] = {
	"oauth", "api-key", "port-credentials", "client-credentials", "none", NULL};

#define MUX(field) .offset = G_STRUCT_OFFSET(struct MuxConfig, field)
#define CONNECTOR(field) .offset = G_STRUCT_OFFSET(struct ConnectorConfig, field)

/* clang-format off */
const struct KeySpec mux_keys[MUX_KEYS] = {
	[MUX_SEPARATOR] = {"separator", value_separator, MUX(separator)},
	[MUX_MAX_TOOL_NAME] = {"max_tool_name", value_number,
		MUX(max_tool_name), .min = 16, .max = 128},
	[MUX_LIST_TIMEOUT] = {"list_timeout", value_seconds,
		MUX(list_timeout_ms), .min = 1, .max = 600},
	[MUX_CONNECT_TIMEOUT] = {"connect_timeout", value_seconds,
		MUX(connect_timeout_ms), .min = 1, .max = 600},
	[MUX_CALL_TIMEOUT] = {"call_timeout", value_seconds,
		MUX(call_timeout_ms), .min = 1, .max = 86400},
	[MUX_CALL_LIMIT] = {"call_limit", value_seconds,
		MUX(call_limit_ms), .min = 1, .max = 604800},
	[MUX_MAX_MESSAGE] = {"max_message", value_mebibytes,
		MUX(max_message), .min = 1, .max = 1024},
	[MUX_MAX_RESULT] = {"max_result", value_mebibytes, MUX(max_result), .min = 1, .max = 1024},
	[MUX_AUDIT] = {"audit", value_choice, MUX(audit), .choices = audit_choices},
	[MUX_AUDIT_ARGUMENTS] = {"audit_arguments", value_choice,
		MUX(audit_arguments), .choices = arguments_choices},
	[MUX_AUDIT_SYSLOG] = {"audit_syslog", value_switch, MUX(audit_syslog)},
	[MUX_BUILTIN_TOOLS] = {"builtin_tools", value_switch, MUX(builtin_tools)},
	[MUX_SIGN_IN] = {"sign_in", value_choice, MUX(sign_in), .choices = sign_in_choices},
	[MUX_PIN_TOOLS] = {"pin_tools", value_choice, MUX(pin_tools), .choices = pin_choices},
	[MUX_USER_CONNECTORS] = {"user_connectors", value_switch, MUX(user_connectors)},
	[MUX_CA_FILE] = {"ca_file", value_path, MUX(ca_file)},
	[MUX_PROXY] = {"proxy", value_proxy, MUX(proxy)},
};

const struct KeySpec connector_keys[CONNECTOR_KEYS] = {
	[CONNECTOR_TITLE] = {"title", value_text, CONNECTOR(title), .max = 200},
	[CONNECTOR_DESCRIPTION] = {"description", value_text, CONNECTOR(description), .max = 2000},
	[CONNECTOR_URL] = {"url", value_url, CONNECTOR(url)},
	[CONNECTOR_AUTH] = {"auth", value_choice, CONNECTOR(auth), .choices = auth_choices},
	[CONNECTOR_PREFIX] = {"prefix", value_prefix, CONNECTOR(prefix)},
	[CONNECTOR_ALLOWED_TOOLS] = {"allowed_tools", value_allow_list,
		CONNECTOR(allowed[ALLOW_TOOLS]), .list = true},
	[CONNECTOR_ALLOWED_PROMPTS] = {"allowed_prompts", value_allow_list,
		CONNECTOR(allowed[ALLOW_PROMPTS]), .list = true},
	[CONNECTOR_ALLOWED_RESOURCES] = {"allowed_resources", value_allow_list,
		CONNECTOR(allowed[ALLOW_RESOURCES]), .list = true},
	[CONNECTOR_ALLOWED_USERS] = {"allowed_users", value_users,
		CONNECTOR(allowed_users), .list = true},
	[CONNECTOR_SCOPE] = {"scope", value_scope, CONNECTOR(scope)},
	[CONNECTOR_CLIENT_ID] = {"client_id", value_client_id, CONNECTOR(client_id)},
	[CONNECTOR_CLIENT_METADATA_URL] = {"client_metadata_url", value_metadata_url,
		CONNECTOR(client_metadata_url)},
	[CONNECTOR_REDIRECT_HOST] = {"redirect_host", value_choice_text,
		CONNECTOR(redirect_host), .choices = host_choices},
	[CONNECTOR_REDIRECT_PORT] = {"redirect_port", value_port,
		CONNECTOR(redirect_port), .min = 1, .max = 65535},
	[CONNECTOR_RESOURCE_PARAMETER] = {"resource_parameter", value_switch,
		CONNECTOR(resource_parameter)},
	[CONNECTOR_API_KEY_HEADER] = {"api_key_header", value_header_name,
		CONNECTOR(api_key_header)},
	[CONNECTOR_API_KEY_PREFIX] = {"api_key_prefix", value_key_prefix,
		CONNECTOR(api_key_prefix)},
	[CONNECTOR_ENABLED] = {"enabled", value_switch, CONNECTOR(enabled)},
};
/* clang-format on */

enum { NEAR_BYTES = 40, HEADER_VALUE_BYTES = 8192 };

/* Levenshtein's distance without regard to case; both at most NEAR_BYTES long. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[NEAR_BYTES + 1];
	unsigned width = (unsigned)strlen(b);
	for (unsigned j = 0; j <= width; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (unsigned j = 1; j <= width; j++) {
			bool same = g_ascii_tolower(a[i - 1]) == g_ascii_tolower(b[j - 1]);
			unsigned change = diagonal + !same;
			diagonal = row[j];
			row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
		}
	}
	return row[width];
}

char *suggestion(const char *name, const char *const *words, unsigned count)
{
	const char *nearest = NULL;
	unsigned least = strlen(name) <= 4 ? 2 : 3; /* what is not nearer than this is not near */
	for (unsigned i = 0; i < count; i++) {
		if (strlen(name) > NEAR_BYTES || strlen(words[i]) > NEAR_BYTES)
			continue;
		unsigned away = distance(name, words[i]);
		if (away < least) {
			least = away;
			nearest = words[i];
		}
	}
	return nearest ? g_strdup_printf(" (did you mean %s?)", nearest) : g_strdup("");
}

static bool find_key(const struct KeySpec *specs, unsigned count, const char *name, unsigned *index)
{
	for (unsigned i = 0; i < count; i++) {
		if (strcmp(specs[i].name, name) == 0) {
			*index = i;
			return true;
		}
	}
	return false;
}

static bool looks_secret(const char *key)
{
	static const char *const words[] = {"secret", "password", "token", "credential", "api_key",
		"api-key", "apikey", "authorization"};
	g_autofree char *lower = g_ascii_strdown(key, -1);
	for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
		if (strstr(lower, words[i]))
			return true;
	}
	return false;
}

/* An unknown key's value is never shown: it may be a secret that does not belong in the file. */
static bool fail_unknown(const struct Setting *setting, const struct KeySpec *specs, unsigned count,
	const char *elsewhere, GError **error)
{
	const char *key = setting->entry->key;
	if (elsewhere)
		return setting_refuse(setting, error, "not a key of [%s]; expected it in %s",
			setting->entry->section, elsewhere);
	const char *names[MAX((int)MUX_KEYS, (int)CONNECTOR_KEYS)];
	for (unsigned i = 0; i < count; i++)
		names[i] = specs[i].name;
	g_autofree char *near = suggestion(key, names, count);
	if (!*near && looks_secret(key))
		return setting_refuse(setting, error,
			"not a key; expected secrets in the keyring alone (`mcp-mux connect NAME` "
			"asks for them)");
	return setting_refuse(setting, error,
		"an unknown key; expected one of [%s]%s (mcp-mux.ini.example shows them all)",
		setting->entry->section, near);
}

static bool parse_key(
	const struct KeySpec *spec, const struct Setting *setting, void *base, GError **error)
{
	if (setting->entry->continued && !spec->list) {
		const struct IniPart *part = setting->entry->parts->pdata[1];
		return ini_fail(error, setting->file, part->line,
			"an indented line below %s; expected such lines only below keys that are "
			"lists (allowed_tools, allowed_prompts, allowed_resources, allowed_users)",
			spec->name);
	}
	return spec->parse(spec, setting, (char *)base + spec->offset, error);
}

bool mux_setting(
	struct MuxConfig *mux, const struct Setting *setting, enum MuxKey *key, GError **error)
{
	unsigned index;
	if (!find_key(mux_keys, MUX_KEYS, setting->entry->key, &index)) {
		bool other = find_key(connector_keys, CONNECTOR_KEYS, setting->entry->key, &index);
		return fail_unknown(setting, mux_keys, MUX_KEYS,
			other ? "[native] or [connector:NAME]" : NULL, error);
	}
	*key = (enum MuxKey)index;
	return parse_key(&mux_keys[index], setting, mux, error);
}

bool header_is_own(const char *name)
{
	static const char *const own[] = {"mcp-session-id", "mcp-protocol-version", "mcp-method",
		"mcp-name", "content-type", "content-length", "accept", "host", "connection",
		"transfer-encoding", "last-event-id", "te", "trailer", "upgrade", "keep-alive",
		"proxy-connection", "expect"};
	for (unsigned i = 0; i < G_N_ELEMENTS(own); i++) {
		if (g_ascii_strcasecmp(name, own[i]) == 0)
			return true;
	}
	return g_ascii_strncasecmp(name, "mcp-param-", strlen("mcp-param-")) == 0;
}

static bool is_secret_header(const char *name)
{
	static const char *const secret[] = {"authorization", "proxy-authorization", "cookie",
		"x-api-key", "api-key", "apikey", "x-auth-token"};
	for (unsigned i = 0; i < G_N_ELEMENTS(secret); i++) {
		if (g_ascii_strcasecmp(name, secret[i]) == 0)
			return true;
	}
	return false;
}

static bool check_header_name(const struct Setting *setting, const char *name, GError **error)
{
	if (!mcp_header_is_token(slice_of(name)))
		return setting_refuse(setting, error,
			"not a header's name; expected header.NAME with the letters, digits and "
			"signs that HTTP allows");
	if (g_ascii_strcasecmp(name, "cookie") == 0)
		return setting_refuse(setting, error,
			"a header that carries secrets; expected a server that needs no cookies");
	if (is_secret_header(name))
		return setting_refuse(setting, error,
			"a header that carries a secret; expected `auth = api-key` with "
			"`api_key_header = %s`, and the key in the keyring (`mcp-mux connect NAME` "
			"asks for it)",
			name);
	if (header_is_own(name))
		return setting_refuse(setting, error,
			"a header that mcp-mux sets itself; expected any other one");
	return true;
}

static bool header_setting(
	struct ConnectorConfig *connector, const struct Setting *setting, GError **error)
{
	const char *name = setting->entry->key + strlen("header.");
	const char *value = setting->entry->value;
	if (!check_header_name(setting, name, error))
		return false;
	if (setting->entry->continued)
		return setting_refuse(
			setting, error, "a value of several lines; expected it on one line");
	if (!*value || strlen(value) > HEADER_VALUE_BYTES || !mcp_header_is_value(slice_of(value)))
		return setting_refuse(setting, error,
			"not a header's value; expected 1 to %d bytes without control characters "
			"or white space at the ends",
			HEADER_VALUE_BYTES);
	struct Place place = {setting->file, setting->entry->line};
	for (guint i = 0; i < connector->headers->len; i++) {
		const struct HeaderConfig *other = connector->headers->pdata[i];
		if (g_ascii_strcasecmp(other->name, name) == 0)
			return config_fail_pair(place, other->place, error,
				"header.%s: the same header again (case does not count); expected "
				"it once",
				name);
	}
	struct HeaderConfig *header = g_new0(struct HeaderConfig, 1);
	header->name = g_strdup(name);
	header->value = g_strdup(value);
	header->place = place;
	g_ptr_array_add(connector->headers, header);
	return true;
}

bool connector_setting(struct ConnectorConfig *connector, const struct Setting *setting,
	enum ConnectorKey *key, GError **error)
{
	if (g_str_has_prefix(setting->entry->key, "header.")) {
		*key = CONNECTOR_KEYS;
		return header_setting(connector, setting, error);
	}
	unsigned index;
	if (!find_key(connector_keys, CONNECTOR_KEYS, setting->entry->key, &index)) {
		bool other = find_key(mux_keys, MUX_KEYS, setting->entry->key, &index);
		return fail_unknown(
			setting, connector_keys, CONNECTOR_KEYS, other ? "[mux]" : NULL, error);
	}
	*key = (enum ConnectorKey)index;
	if (*key == CONNECTOR_PREFIX && connector->native)
		return setting_refuse(setting, error,
			"not a key of [native], whose tools keep their own names; expected it in "
			"[connector:NAME]");
	return parse_key(&connector_keys[index], setting, connector, error);
}
