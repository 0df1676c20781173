/* Finding and reading the two configuration files.
 *
 * Trusted: the user's environment and files as far as the user's own rights go. Not trusted: that
 * whoever wrote the administrator's file was the administrator. It is read only if nobody but root
 * (or, where the variable names it, the effective user) could have put it there, which path_safety.c
 * decides. Once that file exists nothing in the environment moves it.
 *
 * A fault of either file is an error that stops the command; nothing is ever skipped. */
#include "cli/configuration.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADMIN_FILE "/etc/mcp-mux/mcp-mux.ini"

enum { FILE_BYTES = 1 << 20, MAX_GROUPS = 65536 };

/* The variable's value; NULL where it is not set or empty. */
static const char *variable(const char *name)
{
	const char *value = g_getenv(name);
	return value && *value ? value : NULL;
}

/* Whether something is at PATH. What cannot be looked at counts as there, so that a file that is
 * hidden from this user is an error and not an absence. */
static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

void configuration_paths(
	const struct CliOptions *options, char **admin, char **user, bool *user_named)
{
	if (is_there(ADMIN_FILE))
		*admin = g_strdup(ADMIN_FILE);
	else
		*admin = g_strdup(variable("MCP_MUX_ADMIN_CONFIG"));

	const char *named = options->config ? options->config : variable("MCP_MUX_CONFIG");
	*user_named = named != NULL;
	*user = named ? g_strdup(named) : file_config_path();
}

char **configuration_places(const struct CliOptions *options)
{
	g_autofree char *admin = NULL;
	char *user = NULL;
	bool user_named;
	configuration_paths(options, &admin, &user, &user_named);
	const char *named = variable("MCP_MUX_ADMIN_CONFIG");
	char **places = g_new0(char *, 4);
	places[0] = user;
	places[1] = g_strdup(ADMIN_FILE);
	places[2] = g_strdup(named);
	return places;
}

/* Reads PATH; what goes wrong becomes a fault of the configuration that names the file. */
static char *read_config(const char *path, size_t *len, GError **error)
{
	g_autoptr(GError) cause = NULL;
	char *text = file_read(path, FILE_BYTES, len, &cause);
	if (text)
		return text;
	bool named = strstr(cause->message, path) != NULL;
	g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG, "%s%s%s", named ? "" : path,
		named ? "" : ": ", cause->message);
	return NULL;
}

static bool read_admin(struct Configuration *c, GError **error)
{
	if (!c->admin_path)
		return true;
	uid_t owner = strcmp(c->admin_path, ADMIN_FILE) == 0 ? 0 : geteuid();
	if (!configuration_path_is_safe(c->admin_path, owner, error))
		return false;
	c->admin_text = read_config(c->admin_path, &c->admin_len, error);
	return c->admin_text != NULL;
}

static bool read_user(struct Configuration *c, GError **error)
{
	if (!c->user_named && !is_there(c->user_path)) {
		c->user_text = g_strdup("");
		return true;
	}
	c->user_text = read_config(c->user_path, &c->user_len, error);
	c->user_exists = c->user_text != NULL;
	return c->user_exists;
}

struct Config *configuration_parse_edited(
	const struct Configuration *c, struct Slice user_text, GError **error)
{
	const struct ConfigSource admin = {c->admin_path, {c->admin_text, c->admin_len}};
	const struct ConfigSource user = {c->user_path, user_text};
	const struct ConfigSource *above = c->admin_path ? &admin : NULL;
	return c->user_gives_way ? config_parse_anew(above, &user, error)
				 : config_parse(above, &user, error);
}

/* The names of the groups that USER is in by the system's databases; NULL-terminated. */
static char **groups_of(const struct passwd *user)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	int n = 64;
	g_autofree gid_t *ids = g_new(gid_t, n);
	while (getgrouplist(user->pw_name, user->pw_gid, ids, &n) < 0 && n <= MAX_GROUPS)
		ids = g_renew(gid_t, ids, n);
	for (int i = 0; i < n && n <= MAX_GROUPS; i++) {
		const struct group *group = getgrgid(ids[i]);
		if (group)
			g_ptr_array_add(names, g_strdup(group->gr_name));
	}
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_steal(names, NULL);
}

bool configuration_admits(const GPtrArray *list, const char *user, const char *const *groups)
{
	if (!list)
		return true;
	for (unsigned i = 0; i < list->len; i++) {
		const char *entry = list->pdata[i];
		if (*entry == '@' ? g_strv_contains(groups, entry + 1)
				  : user && strcmp(entry, user) == 0)
			return true;
	}
	return false;
}

/* Takes out what allowed_users does not let this user see. */
static void keep_admitted(struct Config *config)
{
	bool restricted = false;
	for (unsigned i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		restricted = restricted || connector->allowed_users;
	}
	/* The databases may be on a network: ask only where the answer matters. */
	if (!restricted)
		return;
	const struct passwd *entry = getpwuid(getuid());
	g_autofree char *user = entry ? g_strdup(entry->pw_name) : NULL;
	g_auto(GStrv) groups = entry ? groups_of(entry) : g_new0(char *, 1);
	for (unsigned i = config->connectors->len; i-- > 0;) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (!configuration_admits(
			    connector->allowed_users, user, (const char *const *)groups))
			g_ptr_array_remove_index(config->connectors, i);
	}
}

/* Makes the configuration of the texts; NULL and C freed if it cannot be one. */
static struct Configuration *parse(struct Configuration *c, GError **error)
{
	c->config = configuration_parse_edited(c, (struct Slice){c->user_text, c->user_len}, error);
	if (c->config) {
		keep_admitted(c->config);
		return c;
	}
	configuration_free(c);
	return NULL;
}

struct Configuration *configuration_load(const struct CliOptions *options, GError **error)
{
	g_autoptr(Configuration) c = g_new0(struct Configuration, 1);
	configuration_paths(options, &c->admin_path, &c->user_path, &c->user_named);
	if (!read_admin(c, error) || !read_user(c, error))
		return NULL;
	return parse(g_steal_pointer(&c), error);
}

struct Configuration *configuration_load_admin(
	const struct CliOptions *options, const struct Configuration *last, GError **error)
{
	g_autoptr(Configuration) c = g_new0(struct Configuration, 1);
	configuration_paths(options, &c->admin_path, &c->user_path, &c->user_named);
	if (!read_admin(c, error))
		return NULL;
	c->user_text = slice_dup((struct Slice){last->user_text, last->user_len});
	c->user_len = last->user_len;
	c->user_exists = last->user_exists;
	c->user_gives_way = true;
	return parse(g_steal_pointer(&c), error);
}

void configuration_adopt(
	struct Configuration *current, struct Configuration *fresh, GPtrArray **gone)
{
	config_adopt(current->config, g_steal_pointer(&fresh->config), gone);
	g_free(current->admin_path);
	g_free(current->admin_text);
	g_free(current->user_text);
	current->admin_path = g_steal_pointer(&fresh->admin_path);
	current->admin_text = g_steal_pointer(&fresh->admin_text);
	current->admin_len = fresh->admin_len;
	current->user_exists = fresh->user_exists;
	current->user_gives_way = fresh->user_gives_way;
	current->user_text = g_steal_pointer(&fresh->user_text);
	current->user_len = fresh->user_len;
	configuration_free(fresh);
}

void configuration_free(struct Configuration *c)
{
	if (!c)
		return;
	config_free(c->config);
	g_free(c->admin_path);
	g_free(c->admin_text);
	g_free(c->user_path);
	g_free(c->user_text);
	g_free(c);
}

struct ConnectorConfig *configuration_find(
	const struct Configuration *c, const char *name, GError **error)
{
	struct ConnectorConfig *found = config_find(c->config, name);
	if (found)
		return found;
	g_autoptr(GString) names = g_string_new(NULL);
	for (unsigned i = 0; i < c->config->connectors->len; i++) {
		const struct ConnectorConfig *connector = c->config->connectors->pdata[i];
		g_string_append_printf(names, "%s%s", i ? ", " : "", connector->name);
	}
	if (names->len)
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"there is no connector “%s”; there are: %s", name, names->str);
	else
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"there is no connector “%s”; none is configured (see %s)", name,
			c->user_path);
	return NULL;
}
