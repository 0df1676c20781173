/* Where the configuration comes from: finds both files, makes sure that nobody else can have written
 * the administrator's, reads them and merges them for this user. */
#ifndef MCP_MUX_CLI_CONFIGURATION_H
#define MCP_MUX_CLI_CONFIGURATION_H

#include "base/cleanup.h"
#include "cli/cli.h"
#include "format/config.h"

#include <sys/types.h>

struct Configuration {
	struct Config *config;
	char *admin_path; /* NULL: there is no administrator's file */
	char *admin_text; /* as read; NULL without one */
	size_t admin_len;
	char *user_path; /* never NULL; the file may be missing */
	bool user_named; /* by --config or MCP_MUX_CONFIG, so it must exist */
	bool user_exists;
	char *user_text; /* as read; "" where the file is missing */
	size_t user_len;
	bool user_gives_way; /* as config_parse_anew says */
};

/* Finds, checks and reads both files, parses them, and takes out the connectors whose allowed_users
 * leave this process's real user out. NULL with MUX_ERROR_CONFIG for every fault of a file, one that
 * cannot be read or must exist and does not among them. Blocks on file reads. */
struct Configuration *configuration_load(const struct CliOptions *options, GError **error);
/* The same of the administrator's file alone, beside the user's as LAST has it, which gives way: only the administrator's own
 * faults are any. */
struct Configuration *configuration_load_admin(
	const struct CliOptions *options, const struct Configuration *last, GError **error);
/* Makes CURRENT say what FRESH (taken over) says, as config_adopt does. CURRENT's user_path stays where it is. */
void configuration_adopt(
	struct Configuration *current, struct Configuration *fresh, GPtrArray **gone);
void configuration_free(struct Configuration *configuration);
MUX_AUTOPTR(Configuration, configuration_free)

/* The two paths that configuration_load would read, whether or not it would succeed. *ADMIN gets NULL
 * where there is no administrator's file. For g_free. */
void configuration_paths(
	const struct CliOptions *options, char **admin, char **user, bool *user_named);

/* All files that configuration_load looks at, or would if another were not there; NULL-terminated, for g_strfreev. */
char **configuration_places(const struct CliOptions *options);

/* Parses USER_TEXT in place of the user's file beside the administrator's: whether an edit would leave
 * a configuration that can be read. For config_free. */
struct Config *configuration_parse_edited(
	const struct Configuration *configuration, struct Slice user_text, GError **error);

/* The connector of that name; NULL with MUX_ERROR_USAGE naming those that there are. */
struct ConnectorConfig *configuration_find(
	const struct Configuration *configuration, const char *name, GError **error);

/* Whether PATH, and each directory and symbolic link on the way to it, is owned by root or OWNER and
 * writable by nobody else. A sticky directory may be writable by others, since what lies in it
 * is checked too. MUX_ERROR_CONFIG naming the first one that is not. */
bool configuration_path_is_safe(const char *path, uid_t owner, GError **error);

/* Whether LIST (char *: names, and groups as @NAME; NULL: everybody) admits a user called USER (NULL:
 * without a name) who is in GROUPS (a NULL-terminated list of names). */
bool configuration_admits(const GPtrArray *list, const char *user, const char *const *groups);

#endif
