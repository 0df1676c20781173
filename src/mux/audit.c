/* Writing the audit log. What goes into a line is copied where it is first known, since lists change and messages go
 * while a request is under way; the line itself is put together at the end, in one buffer that is kept.
 *
 * The file may fail at any time: a full disk, a folder that is not there. `on` says so once, counts what is lost, goes
 * on trying with every line, and writes the number when it can. `required` refuses what is to be sent.
 *
 * The key of digests is looked for at the first request that has arguments. Until it is there their bytes are kept, so
 * that a request that outlasts the keyring's answer has its digest. */
#include "mux/audit.h"

#include "base/error.h"
#include "base/file.h"
#include "base/line_log.h"
#include "base/log.h"
#include "base/system_log.h"

#include <unistd.h>

enum {
	FILE_BYTES = 10 * 1024 * 1024,
	LINE_BYTES = 1024, /* of the buffer, at first */
	KEPT_LINE_BYTES = 16 * 1024, /* of it afterwards, whatever a line needed */
	SYSTEM_LINE_BYTES = 8000, /* many a system logger cuts what is longer */
	IDES_MAX = 64,
	IDE_BYTES_MAX = 4096,
	SCANNED_BYTES = 4096,
};

struct Audit {
	enum AuditMode mode;
	enum AuditArguments arguments;
	bool system_log;
	struct LineLog *file;
	struct Loop *loop; /* NULL, as the next: no digests */
	struct Keyring *keyring;
	struct AuditKey *key; /* NULL: digests were not wanted yet, or cannot be had */
	long pid;
	char *run;
	uint64_t calls;
	GString *line;
	GHashTable *ides; /* char *clientInfo -> char *ide, by their bytes */
	GString *last_info; /* the clientInfo that came last, */
	const char *last_ide; /* and what it is */
	bool failing;
	uint64_t lost; /* lines since it began to fail */
};

char *audit_path(void)
{
	return file_state_path("audit.jsonl");
}

struct Audit *audit_new(const struct MuxConfig *mux, struct Loop *loop, struct Keyring *keyring)
{
	struct Audit *audit = g_new0(struct Audit, 1);
	g_autofree char *path = audit_path();
	g_autofree char *lock = file_state_path("locks/audit");
	audit->file = line_log_new(path, lock, FILE_BYTES, AUDIT_OLD_FILES);
	audit->loop = loop;
	audit->keyring = keyring;
	audit_reconfigure(audit, mux);
	audit->pid = getpid();
	audit->run = g_strdup_printf("%" G_GINT64_MODIFIER "x", g_get_real_time());
	audit->line = g_string_sized_new(LINE_BYTES);
	audit->ides = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	audit->last_info = g_string_new(NULL);
	return audit;
}

void audit_reconfigure(struct Audit *audit, const struct MuxConfig *mux)
{
	bool digests = mux->audit != AUDIT_OFF && mux->audit_arguments == AUDIT_ARGUMENTS_DIGEST;
	audit->mode = mux->audit;
	audit->arguments = mux->audit_arguments;
	audit->system_log = mux->audit_syslog;
	if (digests && !audit->key && audit->loop && audit->keyring)
		audit->key = audit_key_new(audit->loop, audit->keyring);
}

static bool is_on(const struct Audit *audit)
{
	return audit && audit->mode != AUDIT_OFF;
}

void audit_free(struct Audit *audit)
{
	if (!audit)
		return;
	if (audit->lost > 0)
		log_warning(NULL, "lines of the audit log that were lost: %" G_GUINT64_FORMAT,
			audit->lost);
	audit_key_free(audit->key);
	line_log_free(audit->file);
	g_free(audit->run);
	g_string_free(audit->line, TRUE);
	g_hash_table_unref(audit->ides);
	g_string_free(audit->last_info, TRUE);
	g_free(audit);
}

void audit_reread_key(struct Audit *audit)
{
	if (audit && audit->key)
		audit_key_reread(audit->key);
}

/* ---- lines ---- */

static void render(struct Audit *audit, const struct AuditLine *line)
{
	/* One large line must not cost its bytes for ever. */
	if (audit->line->allocated_len > KEPT_LINE_BYTES) {
		g_string_free(audit->line, TRUE);
		audit->line = g_string_sized_new(LINE_BYTES);
	}
	g_string_truncate(audit->line, 0);
	audit_line_write(audit->line, line);
}

static void copy_to_system_log(struct Audit *audit, const struct AuditLine *line)
{
	struct AuditLine shorter = *line;
	if (!audit->system_log)
		return;
	if (audit->line->len > SYSTEM_LINE_BYTES) {
		shorter.arguments = (struct Slice){0};
		render(audit, &shorter);
	}
	g_string_truncate(audit->line, audit->line->len - 1); /* the LF */
	system_log_line(audit->line->str);
}

static void begin_to_fail(struct Audit *audit, const GError *error)
{
	if (!audit->failing)
		log_warning(NULL, "the audit log cannot be written%s: %s",
			audit->mode == AUDIT_REQUIRED ? ", so calls are refused" : "",
			error->message);
	audit->failing = true;
}

static bool write_line(struct Audit *audit, const struct AuditLine *line, GError **error);

/* It can be written again. */
static void recover(struct Audit *audit)
{
	struct AuditLine line = {
		.event = AUDIT_EVENT_LOST,
		.time_us = g_get_real_time(),
		.pid = audit->pid,
		.lines = audit->lost,
		.detail = "the log could not be written",
	};
	audit->failing = false;
	audit->lost = 0;
	log_warning(NULL,
		"the audit log is written again; lines that were lost: %" G_GUINT64_FORMAT,
		line.lines);
	if (line.lines > 0 && !write_line(audit, &line, NULL))
		audit->lost += line.lines;
}

static bool write_line(struct Audit *audit, const struct AuditLine *line, GError **error)
{
	g_autoptr(GError) fault = NULL;
	render(audit, line);
	struct Slice text = {audit->line->str, audit->line->len};
	bool written = line_log_append(audit->file, text, &fault);
	copy_to_system_log(audit, line);
	if (!written) {
		begin_to_fail(audit, fault);
		g_propagate_error(error, g_steal_pointer(&fault));
	} else if (audit->failing) {
		recover(audit);
	}
	return written;
}

/* One that nothing depends on. */
static void note_line(struct Audit *audit, const struct AuditLine *line)
{
	if (!write_line(audit, line, NULL))
		audit->lost++;
}

/* ---- events ---- */

static enum AuditOutcome outcome_of(const GError *error)
{
	if (error->domain != MUX_ERROR)
		return AUDIT_OUTCOME_ERROR;
	switch ((enum MuxError)error->code) {
	case MUX_ERROR_SIGN_IN:
	case MUX_ERROR_SCOPE:
		return AUDIT_OUTCOME_SIGN_IN;
	case MUX_ERROR_TIMEOUT:
		return AUDIT_OUTCOME_TIMEOUT;
	case MUX_ERROR_TOO_LARGE:
		return AUDIT_OUTCOME_TOO_LARGE;
	case MUX_ERROR_CANCELLED:
		return AUDIT_OUTCOME_CANCELLED;
	case MUX_ERROR_UNREACHABLE:
	case MUX_ERROR_BROKEN:
	case MUX_ERROR_BUSY:
	case MUX_ERROR_KEYRING:
	case MUX_ERROR_LOCKED:
		return AUDIT_OUTCOME_UNAVAILABLE;
	case MUX_ERROR_FAILED:
	case MUX_ERROR_CONFIG:
	case MUX_ERROR_USAGE:
	case MUX_ERROR_SYNTAX:
	case MUX_ERROR_IO:
	case MUX_ERROR_FORBIDDEN:
	case MUX_ERROR_UPSTREAM:
		break;
	}
	return AUDIT_OUTCOME_ERROR;
}

void audit_account(enum AuthEvent event, const struct ConnectorConfig *connector,
	const GError *error, void *user)
{
	static const enum AuditEvent events[] = {
		[AUTH_SIGN_IN] = AUDIT_EVENT_SIGN_IN,
		[AUTH_SIGN_OUT] = AUDIT_EVENT_SIGN_OUT,
		[AUTH_REFRESH] = AUDIT_EVENT_REFRESH,
	};
	struct Audit *audit = user;
	if (!is_on(audit))
		return;
	const struct AuditLine line = {
		.event = events[event],
		.outcome = error ? outcome_of(error) : AUDIT_OUTCOME_OK,
		.time_us = g_get_real_time(),
		.pid = audit->pid,
		.connector = connector->name,
		.detail = error ? error->message : NULL,
	};
	note_line(audit, &line);
}

void audit_policy(
	struct Audit *audit, const char *connector, const char *change, const char *const *names)
{
	if (!is_on(audit))
		return;
	const struct AuditLine line = {
		.event = AUDIT_EVENT_POLICY,
		.outcome = AUDIT_OUTCOME_OK,
		.time_us = g_get_real_time(),
		.pid = audit->pid,
		.connector = connector,
		.change = change,
		.names = names,
	};
	note_line(audit, &line);
}

/* ---- the beginning of a call ---- */

/* What CLIENT_INFO is in lines; NULL: it is too much to be remembered. */
static const char *ide_of(struct Audit *audit, struct Slice client_info)
{
	if (audit->last_ide &&
		slice_eq(client_info, (struct Slice){audit->last_info->str, audit->last_info->len}))
		return audit->last_ide;
	if (client_info.len > IDE_BYTES_MAX)
		return NULL;
	g_autofree char *key = slice_dup(client_info);
	const char *ide = g_hash_table_lookup(audit->ides, key);
	if (!ide && g_hash_table_size(audit->ides) >= IDES_MAX)
		return NULL;
	if (!ide) {
		char *made = audit_ide(client_info);
		g_hash_table_insert(audit->ides, g_steal_pointer(&key), made);
		ide = made;
	}
	g_string_truncate(audit->last_info, 0);
	g_string_append_len(audit->last_info, client_info.data, (gssize)client_info.len);
	audit->last_ide = ide;
	return ide;
}

/* Whether the raw string can stand in a line as it is. */
static bool is_harmless(struct Slice raw)
{
	for (size_t i = 1; i + 1 < raw.len; i++) {
		if (raw.data[i] < 0x20 || raw.data[i] > 0x7e || raw.data[i] == '\\')
			return false;
	}
	return raw.len <= AUDIT_NAME_BYTES;
}

static char *quote_name(struct JsonValue name)
{
	if (name.type == JSON_STRING && is_harmless(name.raw))
		return slice_dup(name.raw);
	return audit_quote_raw(name, AUDIT_NAME_BYTES);
}

static void take_arguments(struct AuditCall *call, struct Slice arguments)
{
	struct Audit *audit = call->audit;
	bool keep = call->arguments_as == AUDIT_ARGUMENTS_FULL;
	if (call->arguments_as == AUDIT_ARGUMENTS_DIGEST && audit->key) {
		audit_key_want(audit->key);
		keep = !audit_key_digest(audit->key, arguments, call->hmac) &&
		       audit_key_is_awaited(audit->key);
	}
	if (!keep || arguments.len > AUDIT_ARGUMENTS_MAX)
		return;
	call->arguments = slice_dup(arguments);
	if (call->arguments_as == AUDIT_ARGUMENTS_FULL) /* digests are of the bytes that came */
		json_make_one_line(call->arguments, arguments.len);
}

void audit_call_begin(struct Audit *audit, struct AuditCall *call, const char *method,
	struct Slice client_info, const struct McpParams *params)
{
	if (!is_on(audit))
		return;
	call->audit = audit;
	call->arguments_as = audit->arguments;
	call->number = ++audit->calls;
	call->begun_us = g_get_monotonic_time();
	call->ide = ide_of(audit, client_info);
	call->method = method;
	call->exposed = quote_name(params->name);
	if (params->uri.type == JSON_STRING) {
		g_autofree char *uri = json_string_dup(params->uri);
		call->own = uri ? audit_quote_uri(uri) : NULL;
	}
	if (params->arguments.type == JSON_NONE)
		return;
	call->has_arguments = true;
	call->arguments_bytes = params->arguments.raw.len;
	take_arguments(call, params->arguments.raw);
}

/* ---- where it goes ---- */

void audit_call_for(
	struct AuditCall *call, const struct ConnectorConfig *connector, const char *own)
{
	if (!call->audit)
		return;
	call->connector = connector ? connector->name : NULL;
	if (!own)
		return;
	g_free(call->own);
	call->own = audit_quote(slice_of(own), AUDIT_NAME_BYTES);
}

/* What is written of its arguments: as it was said when it began, unless it is said otherwise now. */
static bool has_arguments_as(const struct AuditCall *call, enum AuditArguments as)
{
	return call->arguments_as == as && call->audit->arguments == as;
}

static struct AuditLine line_of(const struct AuditCall *call, enum AuditEvent event)
{
	const struct Audit *audit = call->audit;
	return (struct AuditLine){
		.event = event,
		.time_us = g_get_real_time(),
		.pid = audit->pid,
		.connector = call->connector,
		.run = audit->run,
		.number = call->number,
		.ide = call->ide,
		.method = call->method,
		.own = call->own,
		.exposed = call->exposed,
		.has_arguments = call->has_arguments,
		.arguments_bytes = call->arguments_bytes,
		.with_hmac = has_arguments_as(call, AUDIT_ARGUMENTS_DIGEST),
		.hmac = *call->hmac ? call->hmac : NULL,
		.with_arguments = has_arguments_as(call, AUDIT_ARGUMENTS_FULL),
		.arguments = {call->arguments, call->arguments ? call->arguments_bytes : 0},
	};
}

bool audit_call_send(struct AuditCall *call, GError **error)
{
	if (!call->audit || call->audit->mode != AUDIT_REQUIRED || call->sent)
		return true;
	struct AuditLine line = line_of(call, AUDIT_EVENT_BEGIN);
	line.outcome = AUDIT_OUTCOME_SENT;
	call->sent = write_line(call->audit, &line, error);
	return call->sent;
}

/* ---- how it ends ---- */

/* Whether WORD stands somewhere in TEXT, or may in another spelling. */
static bool may_hold(struct Slice text, const char *word)
{
	return text.len <= SCANNED_BYTES || memmem(text.data, text.len, word, strlen(word));
}

static enum AuditOutcome read_result(struct Slice result)
{
	enum { IS_ERROR, RESULT_TYPE, MEMBERS };
	static const char *const keys[MEMBERS] = {"isError", "resultType"};
	struct JsonValue values[MEMBERS];
	/* Reading all of a large result once more would cost as much as passing it on. */
	if (!may_hold(result, "isError") && !may_hold(result, "input_required"))
		return AUDIT_OUTCOME_OK;
	json_find_members(result, keys, MEMBERS, values);
	if (values[IS_ERROR].type == JSON_TRUE)
		return AUDIT_OUTCOME_TOOL_ERROR;
	bool required = values[RESULT_TYPE].type == JSON_STRING &&
			json_string_is(values[RESULT_TYPE].raw, SLICE("input_required"));
	return required ? AUDIT_OUTCOME_INPUT_REQUIRED : AUDIT_OUTCOME_OK;
}

void audit_call_result(struct AuditCall *call, struct Slice payload, bool is_result)
{
	if (!call->audit)
		return;
	call->has_result = true;
	call->result_bytes = payload.len;
	call->seen = is_result ? read_result(payload) : AUDIT_OUTCOME_ERROR;
}

void audit_call_outcome(struct AuditCall *call, enum AuditOutcome outcome)
{
	if (call->outcome == AUDIT_OUTCOME_NONE)
		call->outcome = outcome;
}

void audit_call_error(struct AuditCall *call, const GError *error)
{
	audit_call_outcome(call, error ? outcome_of(error) : AUDIT_OUTCOME_UNAVAILABLE);
}

void audit_call_answered(struct AuditCall *call)
{
	call->answered = true;
}

static enum AuditOutcome end_of(const struct AuditCall *call)
{
	if (!call->answered)
		return AUDIT_OUTCOME_CANCELLED;
	if (call->outcome != AUDIT_OUTCOME_NONE)
		return call->outcome;
	return call->seen != AUDIT_OUTCOME_NONE ? call->seen : AUDIT_OUTCOME_OK;
}

void audit_call_end(struct AuditCall *call)
{
	struct Audit *audit = call->audit;
	if (!audit)
		return;
	/* The key may have come meanwhile. */
	struct Slice arguments = {call->arguments, call->arguments_bytes};
	if (call->arguments_as == AUDIT_ARGUMENTS_DIGEST && call->arguments)
		audit_key_digest(audit->key, arguments, call->hmac);
	struct AuditLine line = line_of(call, AUDIT_EVENT_CALL);
	line.outcome = end_of(call);
	line.has_result = call->has_result;
	line.result_bytes = call->result_bytes;
	line.duration_us = g_get_monotonic_time() - call->begun_us;
	note_line(audit, &line);
	g_free(call->exposed);
	g_free(call->own);
	g_free(call->arguments);
	*call = (struct AuditCall){0};
}
