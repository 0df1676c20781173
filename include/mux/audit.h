/* The audit log: what was asked of which server, when, by which IDE, and how it ended, as lines of JSON in
 * $XDG_STATE_HOME/mcp-mux/audit.jsonl (format/audit_line.h). Every request of the IDE that goes to a server, or would if
 * it were allowed, has exactly one line, written before its answer can reach the IDE; where the configuration demands
 * it (`audit = required`), none is sent before a line says so.
 *
 * Functions that take a struct Audit do nothing where that is NULL, or the configuration says `audit = off`. */
#ifndef MCP_MUX_MUX_AUDIT_H
#define MCP_MUX_MUX_AUDIT_H

#include "auth/audit_key.h"
#include "auth/shared.h"
#include "format/audit_line.h"
#include "format/params.h"

enum { AUDIT_OLD_FILES = 5 };

/* The path of the log, for g_free; line_log_path names the old ones. */
char *audit_path(void);

struct Audit;

/* Writes nothing yet. LOOP and KEYRING (both NULL: arguments have no digests) outlive it. */
struct Audit *audit_new(const struct MuxConfig *mux, struct Loop *loop, struct Keyring *keyring);
/* MUX says something else now. Counts for requests that begin from now on; one that began has its line, in which the
 * arguments are in no form that either demand does not allow. */
void audit_reconfigure(struct Audit *audit, const struct MuxConfig *mux);
void audit_free(struct Audit *audit);
MUX_AUTOPTR(Audit, audit_free)

/* The keyring changed: the key of digests may be there now. */
void audit_reread_key(struct Audit *audit);

/* An event of an account; ERROR NULL: it succeeded. As `happened` of struct AuthShared, with the struct Audit for
 * USER. */
void audit_account(enum AuthEvent event, const struct ConnectorConfig *connector,
	const GError *error, void *user);
/* CHANGE (enable, disable, …) of what may be used of CONNECTOR (NULL: of all): NAMES, ended by NULL. */
void audit_policy(
	struct Audit *audit, const char *connector, const char *change, const char *const *names);

/* The line of one request, inside of what stands for the request; zeroed, it has none, and all of these do nothing. */
struct AuditCall {
	struct Audit *audit;
	uint64_t number;
	int64_t begun_us; /* monotonic */
	const char *ide; /* owned by AUDIT */
	const char *method; /* static text */
	const char *connector; /* of the configuration; NULL: not known */
	char *exposed, *own; /* see struct AuditLine */
	bool has_arguments, has_result, sent, answered;
	size_t arguments_bytes, result_bytes;
	char *arguments; /* a copy: in full, or until there is a key; else NULL */
	char hmac[AUDIT_KEY_HEX + 1]; /* "": not known */
	enum AuditOutcome outcome; /* as it was set; NONE: it was not */
	enum AuditOutcome seen; /* by the server's last answer */
	enum AuditArguments arguments_as; /* what was said of arguments when it began */
};

/* A request for METHOD (static text) has come. CLIENT_INFO is a raw object or empty. */
void audit_call_begin(struct Audit *audit, struct AuditCall *call, const char *method,
	struct Slice client_info, const struct McpParams *params);
/* It is for CONNECTOR (of the configuration, NULL: none), which calls it OWN (plain text; NULL: it has no name). */
void audit_call_for(
	struct AuditCall *call, const struct ConnectorConfig *connector, const char *own);
/* It is about to be sent. False with MUX_ERROR_IO if it must not be, since its line cannot be written. May be called
 * again. */
bool audit_call_send(struct AuditCall *call, GError **error);
/* The server's answer: a result (object) or an error. The last one counts. */
void audit_call_result(struct AuditCall *call, struct Slice payload, bool is_result);
/* How it ends, if neither was said before: the first one counts, and more than the server's answer. */
void audit_call_outcome(struct AuditCall *call, enum AuditOutcome outcome);
void audit_call_error(struct AuditCall *call, const GError *error);
/* The IDE is given an answer. */
void audit_call_answered(struct AuditCall *call);
/* Writes the line and frees what it was made of. What was not answered was cancelled. */
void audit_call_end(struct AuditCall *call);

#endif
