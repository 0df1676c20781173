/* The audit log's lines: one JSON object each, written and read. What their members mean stands in mcp-mux(1), "AUDIT
 * LOG". Texts of peers in them are bounded and made harmless; results, tokens and what may be secret of a URI never
 * come here. */
#ifndef MCP_MUX_FORMAT_AUDIT_LINE_H
#define MCP_MUX_FORMAT_AUDIT_LINE_H

#include "format/json.h"

enum AuditEvent {
	AUDIT_EVENT_CALL, /* a request for a connector has ended */
	AUDIT_EVENT_BEGIN, /* it is about to be sent (audit = required) */
	AUDIT_EVENT_SIGN_IN,
	AUDIT_EVENT_SIGN_OUT,
	AUDIT_EVENT_REFRESH, /* a token could not be renewed */
	AUDIT_EVENT_POLICY, /* what may be used was changed */
	AUDIT_EVENT_LOST, /* lines could not be written */
	AUDIT_EVENTS, /* when read: one that is not known */
};

/* How something ended. */
enum AuditOutcome {
	AUDIT_OUTCOME_NONE, /* not said */
	AUDIT_OUTCOME_OK,
	AUDIT_OUTCOME_TOOL_ERROR, /* a result with isError */
	AUDIT_OUTCOME_INPUT_REQUIRED, /* the IDE was told to come back with more; so it may */
	AUDIT_OUTCOME_ERROR, /* of the server, or of what it sent; or the request was wrong */
	AUDIT_OUTCOME_DENIED, /* not exposed, or not known; nothing was sent */
	AUDIT_OUTCOME_CANCELLED, /* by the IDE, or it is gone */
	AUDIT_OUTCOME_TIMEOUT,
	AUDIT_OUTCOME_SIGN_IN, /* a person has to sign in first */
	AUDIT_OUTCOME_UNAVAILABLE, /* the server cannot be reached, or sent no answer */
	AUDIT_OUTCOME_TOO_LARGE,
	AUDIT_OUTCOME_SENT, /* it has not ended yet */
	AUDIT_OUTCOMES,
};

/* `ok`, `tool_error` and so on. */
const char *audit_outcome_name(enum AuditOutcome outcome);
/* AUDIT_OUTCOMES if there is none of that name. */
enum AuditOutcome audit_outcome_read(const char *name);

enum {
	AUDIT_NAME_BYTES = 200, /* of a text of a peer, before quoting */
	AUDIT_IDE_BYTES = 100,
	AUDIT_DETAIL_BYTES = 300,
	AUDIT_ARGUMENTS_MAX = 64 * 1024, /* of arguments in full */
	AUDIT_LINE_MAX = 256 * 1024, /* more is no line of ours */
	AUDIT_TIME_LEN = 24, /* of 2026-11-21T20:47:42.123Z */
};

/* What is borrowed lives until audit_line_write returns. `Quoted` is a raw JSON string. */
struct AuditLine {
	enum AuditEvent event;
	enum AuditOutcome outcome;
	int64_t time_us; /* Unix time, microseconds */
	long pid;
	const char *connector; /* NULL: none, or not known */

	/* Of CALL and BEGIN */
	const char *run; /* when the process began, say: with NUMBER it is the call's id */
	uint64_t number;
	const char *ide; /* raw object of audit_ide; NULL: it did not say */
	const char *method;
	const char *own; /* quoted: the upstream's own name for it, or a URI; NULL: not known */
	const char *exposed; /* quoted: as the IDE called it; NULL: it has no such name */
	bool has_arguments;
	size_t arguments_bytes;
	bool with_hmac;
	const char *hmac; /* hexadecimal; NULL: there is no key */
	bool with_arguments;
	struct Slice arguments; /* raw object in one line; empty: left out, since it is too long */
	/* Of CALL */
	bool has_result;
	size_t result_bytes;
	int64_t duration_us;

	/* Of the others */
	const char *change; /* of POLICY; NULL: none */
	const char *const *names; /* of POLICY, ended by NULL */
	uint64_t lines; /* of LOST */
	const char *detail; /* plain text; NULL: none */
};

/* Appends the line, LF included. */
void audit_line_write(GString *out, const struct AuditLine *line);

/* Appends Unix time as RFC 3339 in UTC with milliseconds, AUDIT_TIME_LEN bytes: such texts sort as their times do. */
void audit_time_append(GString *out, int64_t time_us);

/* TEXT, made harmless and cut at MAX_BYTES, as a JSON string; for g_free. */
char *audit_quote(struct Slice text, size_t max_bytes);
/* The same of a raw JSON string; NULL where that is none or cannot be decoded. */
char *audit_quote_raw(struct JsonValue string, size_t max_bytes);
/* URI without user information, query and fragment, which may be secret, as a JSON string; for g_free. */
char *audit_quote_uri(const char *uri);
/* {"name":…,"version":…} from a raw clientInfo object (or nothing); for g_free. */
char *audit_ide(struct Slice client_info);

/* The members of a line that are read. */
enum AuditField {
	AUDIT_FIELD_V,
	AUDIT_FIELD_TIME,
	AUDIT_FIELD_EVENT,
	AUDIT_FIELD_ID,
	AUDIT_FIELD_CONNECTOR,
	AUDIT_FIELD_METHOD,
	AUDIT_FIELD_TOOL,
	AUDIT_FIELD_PROMPT,
	AUDIT_FIELD_URI,
	AUDIT_FIELD_EXPOSED,
	AUDIT_FIELD_ARGUMENTS_BYTES,
	AUDIT_FIELD_RESULT_BYTES,
	AUDIT_FIELD_DURATION_MS,
	AUDIT_FIELD_OUTCOME,
	AUDIT_FIELD_CHANGE,
	AUDIT_FIELD_NAMES,
	AUDIT_FIELD_LINES,
	AUDIT_FIELD_DETAIL,
	AUDIT_FIELDS,
};

struct AuditEntry {
	enum AuditEvent event;
	struct Slice time; /* AUDIT_TIME_LEN bytes */
	struct JsonValue fields[AUDIT_FIELDS];
};

/* Reads a line without its LF; slices of it. False if it is none of version 1, torn for example. */
bool audit_entry_read(struct Slice text, struct AuditEntry *entry);

#endif
