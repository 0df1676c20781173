/* The configuration: ini text in, one validated and merged structure out. No file is opened here;
 * the caller says what was in them. `mcp-mux.ini.example` shows
 * them all. */
#ifndef MCP_MUX_FORMAT_CONFIG_H
#define MCP_MUX_FORMAT_CONFIG_H

#include "base/cleanup.h"
#include "base/slice.h"

/* A line of a file. The name is interned (g_intern_string): it is valid for ever, and two places in one file have the
 * same pointer. */
struct Place {
	const char *file; /* NULL: a default */
	unsigned line;
};

enum AuthKind {
	AUTH_OAUTH,
	AUTH_API_KEY,
	AUTH_PORT_CREDENTIALS,
	AUTH_CLIENT_CREDENTIALS,
	AUTH_NONE,
};

enum AuditMode { AUDIT_ON, AUDIT_OFF, AUDIT_REQUIRED };
enum AuditArguments { AUDIT_ARGUMENTS_DIGEST, AUDIT_ARGUMENTS_NONE, AUDIT_ARGUMENTS_FULL };
enum SignInMode { SIGN_IN_ELICIT, SIGN_IN_BROWSER, SIGN_IN_NEVER };
enum PinMode { PIN_WARN, PIN_OFF, PIN_BLOCK };

struct MuxConfig {
	char *separator; /* 1 to 8 of [A-Za-z0-9_-] */
	unsigned max_tool_name; /* characters */
	unsigned list_timeout_ms;
	unsigned connect_timeout_ms;
	unsigned call_timeout_ms;
	unsigned call_limit_ms;
	size_t max_message; /* bytes */
	size_t max_result; /* bytes */
	enum AuditMode audit;
	enum AuditArguments audit_arguments;
	bool audit_syslog;
	bool builtin_tools;
	enum SignInMode sign_in;
	enum PinMode pin_tools;
	bool user_connectors;
	char *ca_file; /* NULL: none */
	char *proxy; /* NULL: the usual variables */
};

/* One entry of an allow-list. */
struct AllowRule {
	char *text; /* a name, a glob, or @all, @read-only, @non-destructive */
	struct Place place;
};

/* Where SET is false the file did not say, and the default holds. */
struct AllowList {
	bool set;
	struct Place place;
	GPtrArray *rules; /* struct AllowRule */
};

enum AllowKind { ALLOW_TOOLS, ALLOW_PROMPTS, ALLOW_RESOURCES, ALLOW_KINDS };

struct Toggle {
	char *pattern;
	bool on;
	struct Place place;
};

struct HeaderConfig {
	char *name;
	char *value;
	struct Place place;
};

struct ConnectorConfig {
	char *name; /* "native" for the native upstream */
	bool native;
	bool by_admin; /* defined in the administrator's file */
	struct Place place; /* of its section */
	char *title; /* NULL: none; likewise the other texts */
	char *description;
	char *url;
	enum AuthKind auth;
	char *prefix; /* "" for native */
	struct Place prefix_place; /* of the line that says so, else of the section */
	struct AllowList allowed[ALLOW_KINDS]; /* of the file that defines it */
	struct AllowList
		narrowed[ALLOW_KINDS]; /* of the user's file, on an administrator's connector */
	bool default_all; /* what an unset `allowed` means: everything, or (administrator's connector)
			     nothing */
	GPtrArray *allowed_users; /* char *; NULL: everybody */
	struct Place allowed_users_place;
	char *scope;
	char *client_id;
	char *client_metadata_url;
	char *redirect_host; /* "127.0.0.1" or "localhost" */
	unsigned redirect_port; /* 0: any */
	bool resource_parameter;
	char *api_key_header;
	char *api_key_prefix;
	GPtrArray *headers; /* struct HeaderConfig */
	bool enabled;
	struct Place enabled_place;
	GPtrArray *toggles; /* struct Toggle, in the order of the file */
};

/* A line of the user's file that has no effect, and why; for `status`. */
struct ConfigNote {
	struct Place place;
	char *text;
};

struct Config {
	struct MuxConfig mux;
	GPtrArray
		*connectors; /* struct ConnectorConfig: native first where there is one, then in the
				  order of the files, the administrator's first */
	GPtrArray *notes; /* struct ConfigNote */
	bool has_admin;
	GPtrArray *
		files; /* char *, interned: names that places point to, the administrator's first */
};

/* One file as the caller read it. */
struct ConfigSource {
	const char *file; /* its name, for messages */
	struct Slice text;
};

/* Reads and merges. ADMIN may be NULL (the user is their own administrator), USER may be NULL (an
 * empty file). Returns NULL with MUX_ERROR_CONFIG and a message `FILE:LINE: what is wrong, what was
 * expected` for anything that is not understood. */
struct Config *config_parse(
	const struct ConfigSource *admin, const struct ConfigSource *user, GError **error);
/* The same for a USER that was good beside another ADMIN: so that it cannot keep off what the administrator says now, lines of
 * it that contradict each other are left out and are no error. */
struct Config *config_parse_anew(
	const struct ConfigSource *admin, const struct ConfigSource *user, GError **error);
void config_free(struct Config *config);
MUX_AUTOPTR(Config, config_free)

/* The connector of that name, NULL if there is none. */
struct ConnectorConfig *config_find(const struct Config *config, const char *name);

/* Makes CURRENT say what FRESH says, in place, so that a running program can follow its files. A connector of FRESH that
 * CURRENT has too, and that is reached in the same way (connector_is_same), keeps its address in CURRENT and those of its
 * strings that say how it is reached (name, url, scope, client_*, redirect_host, api_key_*, headers); all else of it
 * becomes FRESH's, its other strings and lists being freed. So do the settings, whose address stays, the notes and the
 * order. The connectors of CURRENT that FRESH does not have, or reaches in another way, are handed over in *GONE (struct
 * ConnectorConfig *, freed with the array), for whoever still refers to them. FRESH is taken over. Pointers to the
 * arrays of either do not stay valid. */
void config_adopt(struct Config *current, struct Config *fresh, GPtrArray **gone);
/* Whether A and B, of the same name, reach the same server in the same way: url, kind of sign-in and all that takes part in
 * it, headers. What they may expose, and as what, does not count, nor does `enabled`. */
bool connector_is_same(const struct ConnectorConfig *a, const struct ConnectorConfig *b);

/* The connector's title, or its name where it has none. */
const char *connector_title(const struct ConnectorConfig *connector);

#endif
