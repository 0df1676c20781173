/* What reading a configuration file and merging two of them have in common. For format/config*.c
 * alone; everybody else sees format/config.h. */
#ifndef MCP_MUX_FORMAT_CONFIG_PARTS_H
#define MCP_MUX_FORMAT_CONFIG_PARTS_H

#include "format/config.h"
#include "format/ini.h"

enum MuxKey {
	MUX_SEPARATOR,
	MUX_MAX_TOOL_NAME,
	MUX_LIST_TIMEOUT,
	MUX_CONNECT_TIMEOUT,
	MUX_CALL_TIMEOUT,
	MUX_CALL_LIMIT,
	MUX_MAX_MESSAGE,
	MUX_MAX_RESULT,
	MUX_AUDIT,
	MUX_AUDIT_ARGUMENTS,
	MUX_AUDIT_SYSLOG,
	MUX_BUILTIN_TOOLS,
	MUX_SIGN_IN,
	MUX_PIN_TOOLS,
	MUX_USER_CONNECTORS,
	MUX_CA_FILE,
	MUX_PROXY,
	MUX_KEYS,
};

enum ConnectorKey {
	CONNECTOR_TITLE,
	CONNECTOR_DESCRIPTION,
	CONNECTOR_URL,
	CONNECTOR_AUTH,
	CONNECTOR_PREFIX,
	CONNECTOR_ALLOWED_TOOLS, /* the three in the order of enum AllowKind */
	CONNECTOR_ALLOWED_PROMPTS,
	CONNECTOR_ALLOWED_RESOURCES,
	CONNECTOR_ALLOWED_USERS,
	CONNECTOR_SCOPE,
	CONNECTOR_CLIENT_ID,
	CONNECTOR_CLIENT_METADATA_URL,
	CONNECTOR_REDIRECT_HOST,
	CONNECTOR_REDIRECT_PORT,
	CONNECTOR_RESOURCE_PARAMETER,
	CONNECTOR_API_KEY_HEADER,
	CONNECTOR_API_KEY_PREFIX,
	CONNECTOR_ENABLED,
	CONNECTOR_KEYS,
};

/* One line (with its continuation lines) that is being understood. Borrows everything. */
struct Setting {
	const char *file;
	const struct IniEntry *entry;
};

/* Sets `FILE:LINE: KEY = VALUE: expected …`; `refuse` leaves the value out, for values that may hold
 * what nobody should see in a log, and takes the whole rest of the message. Always false. */
bool setting_expect(const struct Setting *setting, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
bool setting_refuse(const struct Setting *setting, GError **error, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* What a key's value may be, and where it goes. */
struct KeySpec {
	const char *name;
	/* Understands the value and puts it into FIELD, freeing what was there. After a failure FIELD
	 * holds something that can be freed. */
	bool (*parse)(const struct KeySpec *spec, const struct Setting *setting, void *field,
		GError **error);
	size_t offset; /* of FIELD in its structure */
	const char *const *choices; /* ended by NULL, in the order of the enumeration */
	unsigned min, max;
	bool list; /* may have continuation lines */
};

/* The parsers, config_values.c. The FIELD of each is named. */
#define VALUE_PARSER(name)                                                                         \
	bool name(const struct KeySpec *spec, const struct Setting *setting, void *field,          \
		GError **error)
VALUE_PARSER(value_number); /* unsigned, from min to max */
VALUE_PARSER(value_seconds); /* unsigned milliseconds, from min to max seconds */
VALUE_PARSER(value_mebibytes); /* size_t bytes, from min to max MiB */
VALUE_PARSER(value_switch); /* bool */
VALUE_PARSER(value_choice); /* an enumeration, by place among choices */
VALUE_PARSER(value_choice_text); /* char *, one of choices */
VALUE_PARSER(value_separator); /* char * */
VALUE_PARSER(value_prefix); /* char * */
VALUE_PARSER(value_text); /* char *, at most max bytes, NULL where empty */
VALUE_PARSER(value_url); /* char * */
VALUE_PARSER(value_metadata_url); /* char *, NULL where empty */
VALUE_PARSER(value_proxy); /* char *, NULL where empty */
VALUE_PARSER(value_path); /* char *, NULL where empty */
VALUE_PARSER(value_scope); /* char *, NULL where empty */
VALUE_PARSER(value_client_id); /* char *, NULL where empty */
VALUE_PARSER(value_port); /* unsigned, 0 where empty */
VALUE_PARSER(value_header_name); /* char * */
VALUE_PARSER(value_key_prefix); /* char *, may be empty */
VALUE_PARSER(value_allow_list); /* struct AllowList */
VALUE_PARSER(value_users); /* GPtrArray * of char * */
#undef VALUE_PARSER

/* The tables, config_keys.c. */
extern const struct KeySpec mux_keys[MUX_KEYS];
extern const struct KeySpec connector_keys[CONNECTOR_KEYS];

/* Understands one line of [mux], or of a connector, into *MUX or *CONNECTOR; *KEY says which key it
 * was (CONNECTOR_KEYS for a header). */
bool mux_setting(
	struct MuxConfig *mux, const struct Setting *setting, enum MuxKey *key, GError **error);
bool connector_setting(struct ConnectorConfig *connector, const struct Setting *setting,
	enum ConnectorKey *key, GError **error);

/* Whether mcp-mux itself sends that request header, or it would break the request. */
bool header_is_own(const char *name);

/* ` (did you mean X?)` for the one of WORDS that is nearest to NAME, empty where none is near. */
char *suggestion(const char *name, const char *const *words, unsigned count);

/* One connector's section of one file. */
struct ConnectorSection {
	struct ConnectorConfig *config;
	const struct IniEntry *given[CONNECTOR_KEYS]; /* NULL: not in the file */
	GPtrArray *entries; /* const struct IniEntry, borrowed, all of them in order */
};

/* One [tools:NAME] section. */
struct ToolsSection {
	char *connector;
	unsigned line;
	GPtrArray *toggles; /* struct Toggle */
};

/* One file, understood by itself. */
struct ConfigFile {
	const char *file; /* interned */
	bool admin;
	bool alone; /* there is no administrator's file */
	bool gives_way; /* the user's, as config_parse_anew says */
	struct IniFile *ini;
	const struct IniEntry *mux_given[MUX_KEYS];
	GPtrArray *mux_entries; /* const struct IniEntry, borrowed, in order */
	GPtrArray *connectors; /* struct ConnectorSection */
	GPtrArray *tools; /* struct ToolsSection */
};

/* Reads one file, config_file.c. FILE is interned. */
struct ConfigFile *config_file_read(
	const char *file, struct Slice text, bool admin, bool alone, GError **error);
void config_file_free(struct ConfigFile *file);
MUX_AUTOPTR(ConfigFile, config_file_free)

/* The section of that connector, NULL if there is none or its connector was taken out of it. */
struct ConnectorSection *config_file_find(const struct ConfigFile *file, const char *name);

/* Fills the empty CONFIG from one file or both (ADMIN or USER may be NULL), config_merge.c. Takes the
 * connectors and toggles out of the files. */
bool config_merge(
	struct Config *config, struct ConfigFile *admin, struct ConfigFile *user, GError **error);

/* Adds a note about a line of the user's, config_merge.c. */
void config_note(struct Config *config, struct Place place, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

/* Whether PLACE is in the user's file although there is an administrator's, config_merge.c. */
bool config_is_users(const struct Config *config, struct Place place);

/* Rules that contradict each other, config_check.c. */

/* Sets `FILE:LINE: … (the other is FILE:LINE)`, A's line first. Always false. */
bool config_fail_pair(struct Place a, struct Place b, GError **error, const char *format, ...)
	G_GNUC_PRINTF(4, 5);

/* The settings that CONFIG has by now. PLACES, MUX_KEYS of them, are of the lines that count, with no file where the
 * default does. Two of one file that contradict each other are an error; a line of the user's that has no effect beside
 * the administrator's is noted. */
bool config_check_mux(struct Config *config, const struct Place *places, GError **error);

/* What the lines of a connector's section, which has a url, say together. */
bool config_check_connector(
	const struct ConfigFile *file, const struct ConnectorSection *section, GError **error);

/* Whether a connector that signs in that way makes use of KEY. */
bool config_key_serves(enum ConnectorKey key, enum AuthKind auth);

/* Toggles of one section: whether two that match the same differ. */
bool config_check_toggles(const GPtrArray *toggles, GError **error);

/* Prefixes: that each is there once, without the separator, and with room behind it. PLACES as above. */
bool config_check_names(const struct Config *config, const struct Place *places, GError **error);
bool config_prefix_holds_separator(
	const struct Config *config, const struct ConnectorConfig *connector);

/* config.c */
void mux_config_init(struct MuxConfig *mux);
void mux_config_release(struct MuxConfig *mux);
struct ConnectorConfig *connector_config_new(const char *name, bool by_admin, struct Place place);
void connector_config_free(void *connector);
void toggle_free(void *toggle);

#endif
