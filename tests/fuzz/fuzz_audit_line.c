/* Any bytes as a line of the audit log: what is read lies inside of them. Any bytes as what peers call things: the line is
 * one line of valid JSON, is read back, and holds nothing that a terminal obeys. */
#include "format/audit_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_reading(struct Slice text)
{
	struct AuditEntry entry;
	if (!audit_entry_read(text, &entry))
		return;
	for (unsigned i = 0; i < AUDIT_FIELDS; i++) {
		struct Slice raw = entry.fields[i].raw;
		if (entry.fields[i].type != JSON_NONE &&
			(raw.data < text.data || raw.data + raw.len > text.data + text.len))
			abort();
	}
	if (entry.time.len != AUDIT_TIME_LEN || entry.event > AUDIT_EVENTS)
		abort();
}

static void check_line(const struct AuditLine *line, bool arguments)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct AuditEntry entry;
	audit_line_write(out, line);
	if (out->len == 0 || memchr(out->str, '\n', out->len) != out->str + out->len - 1)
		abort();
	if (!audit_entry_read((struct Slice){out->str, out->len - 1}, &entry) ||
		entry.event != line->event)
		abort();
	for (const char *p = out->str; !arguments && *p != '\n'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			abort();
	}
	if (out->len > AUDIT_LINE_MAX)
		abort();
}

static void check_writing(const char *text, struct Slice bytes)
{
	struct JsonValue root = {0};
	if (json_validate(bytes, NULL))
		root = json_root(bytes);
	bool is_object = root.type == JSON_OBJECT;
	g_autofree char *own = audit_quote(bytes, AUDIT_NAME_BYTES);
	g_autofree char *uri = audit_quote_uri(text);
	g_autofree char *exposed = audit_quote_raw(root, AUDIT_NAME_BYTES);
	g_autofree char *ide = audit_ide(is_object ? root.raw : (struct Slice){0});
	const char *const names[] = {text, NULL};
	bool keeps = is_object && bytes.len <= AUDIT_ARGUMENTS_MAX &&
		     !memchr(bytes.data, '\n', bytes.len);
	struct AuditLine call = {
		.event = AUDIT_EVENT_CALL,
		.outcome = (enum AuditOutcome)(bytes.len % AUDIT_OUTCOMES),
		.time_us = (int64_t)bytes.len * 1234567,
		.run = "r",
		.ide = ide,
		.method = "tools/call",
		.own = own,
		.exposed = exposed,
		.has_arguments = true,
		.with_arguments = true,
		.arguments = keeps ? root.raw : (struct Slice){0},
	};
	check_line(&call, true);
	call.with_arguments = false;
	call.method = "resources/read";
	call.own = uri;
	check_line(&call, false);
	const struct AuditLine policy = {
		.event = AUDIT_EVENT_POLICY,
		.change = text,
		.names = names,
		.detail = text,
	};
	check_line(&policy, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	if (size == 0)
		return 0;
	check_reading(text);
	g_autofree char *plain = slice_dup(text);
	check_writing(plain, text);
	return 0;
}
