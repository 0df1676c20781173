/* What a single value may be. Every parser understands the whole value or refuses it, naming what was
 * expected; nothing is trimmed, rounded or guessed. Values that may hold a secret by mistake (URLs,
 * headers) do not appear in messages. */
#include "format/config_parts.h"

#include "base/text.h"
#include "format/ini_line.h"
#include "format/mcp_header.h"
#include "format/url.h"

enum {
	SHOWN_BYTES = 60,
	URL_BYTES = 2048,
	RULE_BYTES = 2048,
	PREFIX_BYTES = 64,
	SEPARATOR_BYTES = 8,
	TEXT_BYTES = 255,
};

bool setting_expect(const struct Setting *setting, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *expected = g_strdup_vprintf(format, args);
	va_end(args);
	const char *value = setting->entry->value;
	g_autofree char *shown = text_printable(slice_of(value), SHOWN_BYTES);
	const char *hint = strstr(value, " #") || strstr(value, "\t#")
				   ? " (behind a value a comment begins with `;`)"
				   : "";
	return ini_fail(error, setting->file, setting->entry->line, "%s =%s%s: expected %s%s",
		setting->entry->key, *shown ? " " : "", shown, expected, hint);
}

bool setting_refuse(const struct Setting *setting, GError **error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	return ini_fail(
		error, setting->file, setting->entry->line, "%s: %s", setting->entry->key, text);
}

static void set_text(void *field, const char *value)
{
	char **text = field;
	g_free(*text);
	*text = g_strdup(value);
}

static void set_optional_text(void *field, const char *value)
{
	set_text(field, *value ? value : NULL);
}

/* Decimal digits alone, without leading zeros: what looks octal is no number. */
static bool parse_number(const char *value, unsigned min, unsigned max, unsigned *number)
{
	size_t len = strspn(value, "0123456789");
	if (len == 0 || len > 9 || value[len] || (value[0] == '0' && len > 1))
		return false;
	guint64 parsed = g_ascii_strtoull(value, NULL, 10);
	if (parsed < min || parsed > max)
		return false;
	*number = (unsigned)parsed;
	return true;
}

bool value_number(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	if (parse_number(setting->entry->value, spec->min, spec->max, field))
		return true;
	return setting_expect(setting, error, "a whole number from %u to %u", spec->min, spec->max);
}

bool value_seconds(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	unsigned seconds = 0;
	if (!parse_number(setting->entry->value, spec->min, spec->max, &seconds))
		return setting_expect(setting, error, "a whole number of seconds from %u to %u",
			spec->min, spec->max);
	unsigned *milliseconds = field;
	*milliseconds = seconds * 1000;
	return true;
}

bool value_mebibytes(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	unsigned mebibytes = 0;
	if (!parse_number(setting->entry->value, spec->min, spec->max, &mebibytes))
		return setting_expect(setting, error, "a whole number of MiB from %u to %u",
			spec->min, spec->max);
	size_t *bytes = field;
	*bytes = (size_t)mebibytes * 1024 * 1024;
	return true;
}

bool value_port(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	unsigned *port = field;
	if (*setting->entry->value == '\0') {
		*port = 0;
		return true;
	}
	if (parse_number(setting->entry->value, spec->min, spec->max, port))
		return true;
	return setting_expect(
		setting, error, "a port from %u to %u, or nothing", spec->min, spec->max);
}

static char *list_choices(const char *const *choices)
{
	GString *text = g_string_new(choices[0]);
	for (unsigned i = 1; choices[i]; i++)
		g_string_append_printf(text, "%s%s", choices[i + 1] ? ", " : " or ", choices[i]);
	return g_string_free(text, FALSE);
}

/* The place of the value among the choices. */
static bool find_choice(
	const struct KeySpec *spec, const struct Setting *setting, unsigned *place, GError **error)
{
	for (unsigned i = 0; spec->choices[i]; i++) {
		if (strcmp(setting->entry->value, spec->choices[i]) == 0) {
			*place = i;
			return true;
		}
	}
	g_autofree char *expected = list_choices(spec->choices);
	return setting_expect(setting, error, "%s", expected);
}

bool value_choice(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	return find_choice(spec, setting, field, error);
}

bool value_choice_text(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	unsigned place = 0;
	if (!find_choice(spec, setting, &place, error))
		return false;
	set_text(field, spec->choices[place]);
	return true;
}

bool value_switch(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	bool on = strcmp(value, "on") == 0;
	if (!on && strcmp(value, "off") != 0)
		return setting_expect(setting, error, "on or off");
	bool *state = field;
	*state = on;
	return true;
}

static bool is_name_text(const char *value)
{
	for (const char *p = value; *p; p++) {
		if (!g_ascii_isalnum(*p) && *p != '_' && *p != '-')
			return false;
	}
	return *value != '\0';
}

bool value_separator(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	if (!is_name_text(value) || strlen(value) > SEPARATOR_BYTES)
		return setting_expect(
			setting, error, "1 to 8 letters, digits, `_` or `-`, such as __");
	set_text(field, value);
	return true;
}

bool value_prefix(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	if (!is_name_text(value) || strlen(value) > PREFIX_BYTES || g_str_has_suffix(value, "_"))
		return setting_expect(setting, error,
			"1 to 64 letters, digits, `_` or `-`, without `_` at the end");
	if (strcmp(value, "mcp_mux") == 0)
		return setting_expect(
			setting, error, "another prefix: this one is of mcp-mux's own tools");
	set_text(field, value);
	return true;
}

bool value_text(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	if (strlen(setting->entry->value) > spec->max)
		return setting_expect(setting, error, "at most %u bytes of text", spec->max);
	set_optional_text(field, setting->entry->value);
	return true;
}

static bool check_url(const struct Setting *setting, GError **error)
{
	const char *why = NULL;
	if (strlen(setting->entry->value) > URL_BYTES)
		return setting_refuse(setting, error,
			"a URL of more than %d bytes; expected a shorter one", URL_BYTES);
	if (text_is_http_url(setting->entry->value, &why) && !url_is_http(setting->entry->value))
		why = "its host or port is not valid";
	if (why)
		return setting_refuse(setting, error,
			"not a URL that can be used: %s; expected one such as "
			"https://mcp.example.com/mcp",
			why);
	return true;
}

bool value_url(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	if (!check_url(setting, error))
		return false;
	set_text(field, setting->entry->value);
	return true;
}

bool value_metadata_url(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	if (*value && !check_url(setting, error))
		return false;
	/* It is a client identifier, which is https by its own specification. */
	if (*value && g_ascii_strncasecmp(value, "https:", 6) != 0)
		return setting_refuse(setting, error, "plain http; expected an https URL");
	set_optional_text(field, value);
	return true;
}

static bool is_proxy_scheme(const char *scheme)
{
	static const char *const schemes[] = {
		"http", "https", "socks4", "socks4a", "socks5", "socks5h", NULL};
	return g_strv_contains(schemes, scheme);
}

bool value_proxy(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	g_autoptr(GUri) uri = *value ? g_uri_parse(value, G_URI_FLAGS_ENCODED, NULL) : NULL;
	if (uri && g_uri_get_userinfo(uri))
		return setting_refuse(setting, error,
			"it holds user information; expected a proxy without a password");
	if (*value && (!uri || !is_proxy_scheme(g_uri_get_scheme(uri)) || !g_uri_get_host(uri) ||
			      !*g_uri_get_host(uri) || strpbrk(value, " \t") ||
			      g_uri_get_fragment(uri) || strlen(value) > URL_BYTES))
		return setting_refuse(setting, error,
			"not a proxy's URL; expected http, https, socks4, socks4a, socks5 or "
			"socks5h and a host, such as http://proxy.example.com:3128");
	set_optional_text(field, value);
	return true;
}

bool value_path(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	if (*value && !g_path_is_absolute(value))
		return setting_expect(
			setting, error, "an absolute path, such as /etc/ssl/our-ca.pem");
	set_optional_text(field, value);
	return true;
}

/* RFC 6749 section 3.3: %x21, %x23-5B, %x5D-7E, separated by single spaces. */
bool value_scope(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	bool good = strlen(value) <= URL_BYTES;
	for (const char *p = value; *p; p++)
		good = good && *p >= ' ' && *p <= '~' && *p != '"' && *p != '\\';
	if (!good || strstr(value, "  ") || g_str_has_prefix(value, " ") ||
		g_str_has_suffix(value, " "))
		return setting_expect(setting, error, "scopes separated by single spaces");
	set_optional_text(field, value);
	return true;
}

/* RFC 6749 appendix A.1: visible ASCII characters and spaces. */
bool value_client_id(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	bool good = strlen(value) <= URL_BYTES;
	for (const char *p = value; *p; p++)
		good = good && *p >= ' ' && *p <= '~';
	if (!good)
		return setting_refuse(setting, error,
			"not a client's id; expected visible ASCII characters, at most %d",
			URL_BYTES);
	set_optional_text(field, value);
	return true;
}

bool value_header_name(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	if (!mcp_header_is_token(slice_of(value)) || strlen(value) > TEXT_BYTES)
		return setting_expect(setting, error,
			"the name of a request header, such as Authorization or X-API-Key");
	if (header_is_own(value))
		return setting_expect(setting, error, "a header that mcp-mux does not set itself");
	set_text(field, value);
	return true;
}

bool value_key_prefix(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	const char *value = setting->entry->value;
	bool good = strlen(value) <= TEXT_BYTES;
	for (const char *p = value; *p; p++)
		good = good && *p >= ' ' && *p <= '~';
	if (!good)
		return setting_refuse(setting, error,
			"not a prefix of a header's value; expected ASCII text such as \"Bearer "
			"\", "
			"or nothing");
	set_text(field, value);
	return true;
}

static bool is_known_key(const char *name, size_t len)
{
	for (unsigned i = 0; i < CONNECTOR_KEYS; i++) {
		if (slice_is((struct Slice){name, len}, connector_keys[i].name))
			return true;
	}
	return false;
}

/* Calls ADD for every item of a list with the line that it stands on. A comma may end each line. */
static bool each_item(const struct Setting *setting,
	bool (*add)(const struct Setting *at, const char *item, GPtrArray *items, GError **error),
	GPtrArray *items, GError **error)
{
	const struct IniEntry *entry = setting->entry;
	for (guint i = 0; i < entry->parts->len; i++) {
		const struct IniPart *part = entry->parts->pdata[i];
		struct IniEntry line = {.key = entry->key, .line = part->line};
		struct Setting at = {setting->file, &line};
		const char *equals = strchr(part->value, '=');
		if (i > 0 && equals && is_known_key(part->value, strcspn(part->value, " \t=")))
			return setting_refuse(&at, error,
				"an indented line that looks like another key; expected it to "
				"begin at the margin");
		g_auto(GStrv) texts = g_strsplit(part->value, ",", -1);
		guint count = g_strv_length(texts);
		if (count > 1 && !*g_strstrip(texts[count - 1]))
			count--;
		for (guint j = 0; j < count; j++) {
			line.value = g_strstrip(texts[j]);
			if (!*line.value)
				return setting_refuse(&at, error,
					"nothing between two commas; expected names separated by "
					"commas");
			if (!add(&at, line.value, items, error))
				return false;
		}
	}
	return true;
}

static bool add_rule(const struct Setting *at, const char *item, GPtrArray *rules, GError **error)
{
	static const char *const classes[] = {"@all", "@read-only", "@non-destructive", NULL};
	if (strpbrk(item, " \t"))
		return setting_expect(
			at, error, "a comma between two names (`?` stands for a space inside one)");
	if (strlen(item) > RULE_BYTES)
		return setting_expect(at, error, "at most %d bytes a name", RULE_BYTES);
	if (*item == '@' && !g_strv_contains(classes, item)) {
		g_autofree char *near = suggestion(item, classes, 3);
		return setting_expect(at, error, "@all, @read-only or @non-destructive%s", near);
	}
	struct AllowRule *rule = g_new0(struct AllowRule, 1);
	rule->text = g_strdup(item);
	rule->place = (struct Place){at->file, at->entry->line};
	g_ptr_array_add(rules, rule);
	return true;
}

bool value_allow_list(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	struct AllowList *list = field;
	g_ptr_array_set_size(list->rules, 0);
	if (!each_item(setting, add_rule, list->rules, error))
		return false;
	list->set = true;
	list->place = (struct Place){setting->file, setting->entry->line};
	return true;
}

static bool add_user(const struct Setting *at, const char *item, GPtrArray *users, GError **error)
{
	const char *name = *item == '@' ? item + 1 : item;
	if (!*name || strpbrk(item, " \t*?/:") || strchr(name, '@') == name ||
		strlen(item) > TEXT_BYTES)
		return setting_expect(at, error,
			"a user's name, or a group's with `@` before it, separated by commas");
	g_ptr_array_add(users, g_strdup(item));
	return true;
}

bool value_users(
	const struct KeySpec *spec, const struct Setting *setting, void *field, GError **error)
{
	(void)spec;
	g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
	if (!each_item(setting, add_user, names, error))
		return false;
	GPtrArray **users = field;
	if (*users)
		g_ptr_array_unref(*users);
	*users = g_steal_pointer(&names);
	return true;
}
