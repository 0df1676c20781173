#include "format/audit_line.h"

#include "base/text.h"
#include "format/json_writer.h"

#include <time.h>

static const char *const event_names[AUDIT_EVENTS] = {
	[AUDIT_EVENT_CALL] = "call",
	[AUDIT_EVENT_BEGIN] = "begin",
	[AUDIT_EVENT_SIGN_IN] = "sign_in",
	[AUDIT_EVENT_SIGN_OUT] = "sign_out",
	[AUDIT_EVENT_REFRESH] = "refresh",
	[AUDIT_EVENT_POLICY] = "policy",
	[AUDIT_EVENT_LOST] = "lost",
};

static const char *const outcome_names[AUDIT_OUTCOMES] = {
	[AUDIT_OUTCOME_NONE] = "",
	[AUDIT_OUTCOME_OK] = "ok",
	[AUDIT_OUTCOME_TOOL_ERROR] = "tool_error",
	[AUDIT_OUTCOME_INPUT_REQUIRED] = "input_required",
	[AUDIT_OUTCOME_ERROR] = "error",
	[AUDIT_OUTCOME_DENIED] = "denied",
	[AUDIT_OUTCOME_CANCELLED] = "cancelled",
	[AUDIT_OUTCOME_TIMEOUT] = "timeout",
	[AUDIT_OUTCOME_SIGN_IN] = "sign_in",
	[AUDIT_OUTCOME_UNAVAILABLE] = "unavailable",
	[AUDIT_OUTCOME_TOO_LARGE] = "too_large",
	[AUDIT_OUTCOME_SENT] = "sent",
};

const char *audit_outcome_name(enum AuditOutcome outcome)
{
	return outcome_names[outcome];
}

enum AuditOutcome audit_outcome_read(const char *name)
{
	for (unsigned i = AUDIT_OUTCOME_NONE + 1; i < AUDIT_OUTCOMES; i++) {
		if (strcmp(outcome_names[i], name) == 0)
			return (enum AuditOutcome)i;
	}
	return AUDIT_OUTCOMES;
}

/* ---- texts ---- */

char *audit_quote(struct Slice text, size_t max_bytes)
{
	g_autofree char *harmless = text_printable(text, max_bytes);
	GString *out = g_string_new(NULL);
	json_append_quoted(out, slice_of(harmless));
	return g_string_free(out, FALSE);
}

char *audit_quote_raw(struct JsonValue string, size_t max_bytes)
{
	g_autofree char *text = json_string_dup(string);
	return text ? audit_quote(slice_of(text), max_bytes) : NULL;
}

/* Where user information in URI ends, from AUTHORITY on; AUTHORITY if it has none. */
static const char *skip_user(const char *authority, const char *end)
{
	const char *host = authority;
	for (const char *p = authority; p < end && *p != '/'; p++) {
		if (*p == '@')
			host = p + 1;
	}
	return host;
}

char *audit_quote_uri(const char *uri)
{
	const char *end = uri + strcspn(uri, "?#");
	const char *authority = strchr(uri, ':');
	g_autoptr(GString) out = g_string_new(NULL);
	if (authority && authority < end && strncmp(authority, "://", 3) == 0) {
		authority += 3;
		g_string_append_len(out, uri, authority - uri);
		uri = skip_user(authority, end);
	}
	g_string_append_len(out, uri, end - uri);
	if (*end)
		g_string_append(out, "…");
	return audit_quote((struct Slice){out->str, out->len}, AUDIT_NAME_BYTES);
}

char *audit_ide(struct Slice client_info)
{
	static const char *const keys[] = {"name", "version"};
	struct JsonValue values[G_N_ELEMENTS(keys)] = {0};
	if (client_info.len > 0)
		json_find_members(client_info, keys, G_N_ELEMENTS(keys), values);
	g_autofree char *name = audit_quote_raw(values[0], AUDIT_IDE_BYTES);
	g_autofree char *version = audit_quote_raw(values[1], AUDIT_IDE_BYTES);
	return g_strdup_printf(
		"{\"name\":%s,\"version\":%s}", name ? name : "null", version ? version : "null");
}

/* ---- writing: a line is written for each call, so no printf ---- */

static void put(GString *out, struct Slice text)
{
	g_string_append_len(out, text.data, (gssize)text.len);
}

static void put_text(GString *out, const char *text)
{
	put(out, slice_of(text));
}

static void put_number(GString *out, uint64_t number)
{
	char digits[20];
	char *at = digits + sizeof(digits);
	do {
		*--at = (char)('0' + number % 10);
		number /= 10;
	} while (number > 0);
	put(out, slice_between(at, digits + sizeof(digits)));
}

/* NUMBER with leading zeros. */
static char *write_digits(char *at, unsigned number, unsigned digits)
{
	for (unsigned i = digits; i > 0; i--) {
		at[i - 1] = (char)('0' + number % 10);
		number /= 10;
	}
	return at + digits;
}

void audit_time_append(GString *out, int64_t time_us)
{
	char text[AUDIT_TIME_LEN];
	time_t seconds = (time_t)(time_us / G_USEC_PER_SEC);
	struct tm tm = {0};
	gmtime_r(&seconds, &tm);
	char *at = write_digits(text, (unsigned)tm.tm_year + 1900, 4);
	*at++ = '-';
	at = write_digits(at, (unsigned)tm.tm_mon + 1, 2);
	*at++ = '-';
	at = write_digits(at, (unsigned)tm.tm_mday, 2);
	*at++ = 'T';
	at = write_digits(at, (unsigned)tm.tm_hour, 2);
	*at++ = ':';
	at = write_digits(at, (unsigned)tm.tm_min, 2);
	*at++ = ':';
	at = write_digits(at, (unsigned)tm.tm_sec, 2);
	*at++ = '.';
	at = write_digits(at, (unsigned)(time_us % G_USEC_PER_SEC / 1000), 3);
	*at = 'Z';
	g_string_append_len(out, text, sizeof(text));
}

/* KEY with its comma and colon; VALUE raw, NULL: null. */
static void put_member(GString *out, struct Slice key, const char *value)
{
	put(out, key);
	put_text(out, value ? value : "null");
}

static void put_size(GString *out, struct Slice key, bool known, size_t bytes)
{
	put(out, key);
	if (known)
		put_number(out, bytes);
	else
		put(out, SLICE("null"));
}

static void put_string(GString *out, struct Slice key, const char *text, size_t max_bytes)
{
	g_autofree char *quoted = audit_quote(slice_of(text), max_bytes);
	put_member(out, key, quoted);
}

/* Which of a server's things METHOD names. */
static void put_names(GString *out, const struct AuditLine *line)
{
	bool tool = strcmp(line->method, "tools/call") == 0;
	if (tool)
		put_member(out, SLICE(",\"tool\":"), line->own);
	else if (strcmp(line->method, "prompts/get") == 0)
		put_member(out, SLICE(",\"prompt\":"), line->own);
	else if (strcmp(line->method, "resources/read") == 0)
		put_member(out, SLICE(",\"uri\":"), line->own);
	if (tool || line->exposed)
		put_member(out, SLICE(",\"exposed\":"), line->exposed);
}

static void put_id(GString *out, const struct AuditLine *line)
{
	put(out, SLICE(",\"id\":\""));
	put_text(out, line->run);
	put(out, SLICE("-"));
	put_number(out, line->number);
	put(out, SLICE("\""));
}

static void put_duration(GString *out, int64_t duration_us)
{
	char fraction[3];
	uint64_t us = (uint64_t)MAX(duration_us, 0);
	put(out, SLICE(",\"duration_ms\":"));
	put_number(out, us / 1000);
	put(out, SLICE("."));
	write_digits(fraction, (unsigned)(us % 1000), sizeof(fraction));
	g_string_append_len(out, fraction, sizeof(fraction));
}

static void put_arguments(GString *out, const struct AuditLine *line)
{
	if (line->with_hmac && line->hmac) {
		put(out, SLICE(",\"arguments_hmac\":\""));
		put_text(out, line->hmac);
		put(out, SLICE("\""));
	} else if (line->with_hmac) {
		put(out, SLICE(",\"arguments_hmac\":null"));
	}
	if (!line->with_arguments)
		return;
	bool cut = line->has_arguments && line->arguments.len == 0;
	if (cut) {
		put(out, SLICE(",\"arguments_truncated\":true"));
	} else {
		put(out, SLICE(",\"arguments\":"));
		put(out, line->has_arguments ? line->arguments : SLICE("null"));
	}
}

static void put_connector(GString *out, const char *connector)
{
	put(out, SLICE(",\"connector\":"));
	if (connector) /* its name needs no quoting */
		put(out, SLICE("\""));
	put_text(out, connector ? connector : "null");
	if (connector)
		put(out, SLICE("\""));
}

static void put_outcome(GString *out, enum AuditOutcome outcome)
{
	if (outcome == AUDIT_OUTCOME_NONE)
		return;
	put(out, SLICE(",\"outcome\":\""));
	put_text(out, outcome_names[outcome]);
	put(out, SLICE("\""));
}

static void put_call(GString *out, const struct AuditLine *line)
{
	put_id(out, line);
	put_member(out, SLICE(",\"ide\":"), line->ide);
	put_connector(out, line->connector);
	put(out, SLICE(",\"method\":\""));
	put_text(out, line->method);
	put(out, SLICE("\""));
	put_names(out, line);
	put_size(out, SLICE(",\"arguments_bytes\":"), line->has_arguments, line->arguments_bytes);
	if (line->event == AUDIT_EVENT_CALL) {
		put_size(out, SLICE(",\"result_bytes\":"), line->has_result, line->result_bytes);
		put_duration(out, line->duration_us);
	}
	put_outcome(out, line->outcome);
	put_arguments(out, line);
}

static void put_change(GString *out, const struct AuditLine *line)
{
	put_string(out, SLICE(",\"change\":"), line->change, AUDIT_NAME_BYTES);
	put(out, SLICE(",\"names\":["));
	for (unsigned i = 0; line->names && line->names[i]; i++)
		put_string(out, i > 0 ? SLICE(",") : SLICE(""), line->names[i], AUDIT_NAME_BYTES);
	put(out, SLICE("]"));
}

static void put_event(GString *out, const struct AuditLine *line)
{
	if (line->event == AUDIT_EVENT_LOST)
		put_size(out, SLICE(",\"lines\":"), true, line->lines);
	else
		put_connector(out, line->connector);
	if (line->change)
		put_change(out, line);
	put_outcome(out, line->outcome);
	if (line->detail)
		put_string(out, SLICE(",\"detail\":"), line->detail, AUDIT_DETAIL_BYTES);
}

void audit_line_write(GString *out, const struct AuditLine *line)
{
	put(out, SLICE("{\"v\":1,\"time\":\""));
	audit_time_append(out, line->time_us);
	put(out, SLICE("\",\"pid\":"));
	put_number(out, (uint64_t)line->pid);
	put(out, SLICE(",\"event\":\""));
	put_text(out, event_names[line->event]);
	put(out, SLICE("\""));
	if (line->event == AUDIT_EVENT_CALL || line->event == AUDIT_EVENT_BEGIN)
		put_call(out, line);
	else
		put_event(out, line);
	put(out, SLICE("}\n"));
}

/* ---- reading ---- */

static const char *const field_names[AUDIT_FIELDS] = {
	[AUDIT_FIELD_V] = "v",
	[AUDIT_FIELD_TIME] = "time",
	[AUDIT_FIELD_EVENT] = "event",
	[AUDIT_FIELD_ID] = "id",
	[AUDIT_FIELD_CONNECTOR] = "connector",
	[AUDIT_FIELD_METHOD] = "method",
	[AUDIT_FIELD_TOOL] = "tool",
	[AUDIT_FIELD_PROMPT] = "prompt",
	[AUDIT_FIELD_URI] = "uri",
	[AUDIT_FIELD_EXPOSED] = "exposed",
	[AUDIT_FIELD_ARGUMENTS_BYTES] = "arguments_bytes",
	[AUDIT_FIELD_RESULT_BYTES] = "result_bytes",
	[AUDIT_FIELD_DURATION_MS] = "duration_ms",
	[AUDIT_FIELD_OUTCOME] = "outcome",
	[AUDIT_FIELD_CHANGE] = "change",
	[AUDIT_FIELD_NAMES] = "names",
	[AUDIT_FIELD_LINES] = "lines",
	[AUDIT_FIELD_DETAIL] = "detail",
};

/* Whether RAW is a time as audit_time_append writes it. */
static bool read_time(struct JsonValue value, struct Slice *time)
{
	static const char form[] = "0000-00-00T00:00:00.000Z";
	if (value.type != JSON_STRING || value.raw.len != AUDIT_TIME_LEN + 2)
		return false;
	*time = (struct Slice){value.raw.data + 1, AUDIT_TIME_LEN};
	for (unsigned i = 0; i < AUDIT_TIME_LEN; i++) {
		char c = time->data[i];
		if (form[i] == '0' ? !g_ascii_isdigit(c) : c != form[i])
			return false;
	}
	return true;
}

static bool read_event(struct JsonValue value, enum AuditEvent *event)
{
	if (value.type != JSON_STRING)
		return false;
	unsigned i = 0;
	while (i < AUDIT_EVENTS && !json_string_is(value.raw, slice_of(event_names[i])))
		i++;
	*event = (enum AuditEvent)i;
	return true;
}

bool audit_entry_read(struct Slice text, struct AuditEntry *entry)
{
	struct AuditEntry read = {0};
	int64_t version;
	if (!json_validate(text, NULL) || json_root(text).type != JSON_OBJECT)
		return false;
	if (json_find_members(json_root(text).raw, field_names, AUDIT_FIELDS, read.fields))
		return false; /* one stands twice */
	if (!json_int64(read.fields[AUDIT_FIELD_V], &version) || version != 1 ||
		!read_time(read.fields[AUDIT_FIELD_TIME], &read.time) ||
		!read_event(read.fields[AUDIT_FIELD_EVENT], &read.event))
		return false;
	*entry = read;
	return true;
}
