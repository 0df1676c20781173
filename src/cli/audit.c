/* `mcp-mux audit`: shows the audit log, and with --follow what is added to it. It needs no configuration, so it runs in
 * spite of a broken one.
 *
 * As a table each call is one row: that it was about to be sent (the event `begin`) is shown only while nothing says how
 * it ended. With --json the lines come as they are, but for characters that a terminal could obey. */
#include "cli/audit.h"
#include "base/error.h"
#include "cli/output.h"
#include "mux/audit.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <unistd.h>

enum { COLUMNS = 8, RATE_MS = 100 };

struct Command {
	const struct CliOptions *options;
	struct AuditFilter filter;
	struct AuditFiles *files;
	GPtrArray *lines; /* char *: what is to be shown; NULL: not any more */
	GHashTable *begun; /* char *id -> index of its line, + 1 */
	struct Table *table; /* whose columns stay as wide as they were */
	bool headed;
	unsigned damaged;
	GMainLoop *loop; /* of --follow; NULL: there is none */
	GError *error;
	bool over; /* stdout takes no more */
};

/* ---- cells ---- */

static char *text_of(const struct AuditEntry *entry, enum AuditField field)
{
	return json_string_dup(entry->fields[field]);
}

/* In local time. */
static char *time_cell(const struct AuditEntry *entry)
{
	g_autofree char *text = slice_dup(entry->time);
	g_autoptr(GDateTime) utc = g_date_time_new_from_iso8601(text, NULL);
	g_autoptr(GDateTime) local = utc ? g_date_time_to_local(utc) : NULL;
	return local ? g_date_time_format(local, "%Y-%m-%d %H:%M:%S") : g_steal_pointer(&text);
}

/* What it was about: what the server calls it, else what the IDE did, else the method; the kind of other events. */
static char *what_cell(const struct AuditEntry *entry)
{
	static const enum AuditField fields[] = {AUDIT_FIELD_TOOL, AUDIT_FIELD_PROMPT,
		AUDIT_FIELD_URI, AUDIT_FIELD_EXPOSED, AUDIT_FIELD_METHOD, AUDIT_FIELD_EVENT};
	char *text = NULL;
	for (unsigned i = 0; i < G_N_ELEMENTS(fields) && !text; i++)
		text = text_of(entry, fields[i]);
	if (entry->event == AUDIT_EVENT_SIGN_IN || entry->event == AUDIT_EVENT_SIGN_OUT)
		g_strdelimit(text, "_", '-');
	return text;
}

static char *duration_cell(const struct AuditEntry *entry)
{
	struct JsonValue value = entry->fields[AUDIT_FIELD_DURATION_MS];
	if (value.type != JSON_NUMBER)
		return NULL;
	g_autofree char *number = slice_dup(value.raw);
	double ms = g_ascii_strtod(number, NULL);
	return ms < 1000 ? g_strdup_printf("%.0f ms", ms) : g_strdup_printf("%.1f s", ms / 1000);
}

static char *size_cell(const struct AuditEntry *entry, enum AuditField field)
{
	enum { KIB = 1024, MIB = 1024 * KIB };
	int64_t bytes;
	if (!json_int64(entry->fields[field], &bytes) || bytes < 0)
		return NULL;
	if (bytes < KIB)
		return g_strdup_printf("%" G_GINT64_FORMAT " B", bytes);
	return bytes < MIB ? g_strdup_printf("%.1f KiB", (double)bytes / KIB)
			   : g_strdup_printf("%.1f MiB", (double)bytes / MIB);
}

/* What else an event says. */
static char *note_cell(const struct AuditEntry *entry)
{
	struct JsonMember name;
	int64_t lines;
	g_autofree char *change = text_of(entry, AUDIT_FIELD_CHANGE);
	if (json_int64(entry->fields[AUDIT_FIELD_LINES], &lines))
		return g_strdup_printf("%" G_GINT64_FORMAT " lines", lines);
	if (!change)
		return text_of(entry, AUDIT_FIELD_DETAIL);
	g_autoptr(GString) note = g_string_new(change);
	if (entry->fields[AUDIT_FIELD_NAMES].type == JSON_ARRAY) {
		JSON_FOR_EACH_MEMBER (name, entry->fields[AUDIT_FIELD_NAMES].raw) {
			g_autofree char *text = json_string_dup(name.value);
			g_string_append_printf(note, " %s", text ? text : "?");
		}
	}
	return g_string_free(g_steal_pointer(&note), FALSE);
}

static enum OutputStyle style_of(const char *outcome)
{
	switch (audit_outcome_read(outcome ? outcome : "")) {
	case AUDIT_OUTCOME_OK:
		return STYLE_GOOD;
	case AUDIT_OUTCOME_DENIED:
	case AUDIT_OUTCOME_ERROR:
	case AUDIT_OUTCOME_TIMEOUT:
	case AUDIT_OUTCOME_UNAVAILABLE:
	case AUDIT_OUTCOME_TOO_LARGE:
		return STYLE_BAD;
	case AUDIT_OUTCOME_TOOL_ERROR:
	case AUDIT_OUTCOME_INPUT_REQUIRED:
	case AUDIT_OUTCOME_CANCELLED:
	case AUDIT_OUTCOME_SIGN_IN:
	case AUDIT_OUTCOME_SENT:
		return STYLE_WARNING;
	case AUDIT_OUTCOME_NONE:
	case AUDIT_OUTCOMES:
		break;
	}
	return STYLE_PLAIN;
}

static void add_row(struct Table *table, const struct AuditEntry *entry)
{
	g_autofree char *time = time_cell(entry);
	g_autofree char *connector = text_of(entry, AUDIT_FIELD_CONNECTOR);
	g_autofree char *what = what_cell(entry);
	g_autofree char *outcome = text_of(entry, AUDIT_FIELD_OUTCOME);
	g_autofree char *duration = duration_cell(entry);
	g_autofree char *arguments = size_cell(entry, AUDIT_FIELD_ARGUMENTS_BYTES);
	g_autofree char *result = size_cell(entry, AUDIT_FIELD_RESULT_BYTES);
	g_autofree char *note = note_cell(entry);
	const enum OutputStyle styles[COLUMNS] = {STYLE_FAINT, STYLE_PLAIN, STYLE_PLAIN,
		style_of(outcome), STYLE_PLAIN, STYLE_PLAIN, STYLE_PLAIN, STYLE_PLAIN};
	const char *const cells[COLUMNS] = {time, connector ? connector : "-", what, outcome,
		duration ? duration : "-", arguments ? arguments : "-", result ? result : "-",
		note};
	table_add(table, styles, cells);
}

static void add_heading(struct Table *table)
{
	static const char *const names[COLUMNS] = {
		"Time", "Connector", "Tool", "Outcome", "Duration", "Arguments", "Result", ""};
	enum OutputStyle styles[COLUMNS];
	for (unsigned i = 0; i < COLUMNS; i++)
		styles[i] = STYLE_HEADING;
	table_add(table, styles, names);
}

/* ---- lines ---- */

static bool print_raw(struct Command *command, struct Slice line)
{
	g_autoptr(GString) text = g_string_new_len(line.data, (gssize)line.len);
	command->over = !output_json(text);
	return !command->over;
}

/* Its end stands in the log: that it began need not be shown. */
static void forget_begun(struct Command *command, const char *id)
{
	guint at = GPOINTER_TO_UINT(g_hash_table_lookup(command->begun, id));
	if (at == 0)
		return;
	g_clear_pointer(&command->lines->pdata[at - 1], g_free);
	g_hash_table_remove(command->begun, id);
}

static void keep(struct Command *command, const struct AuditEntry *entry, struct Slice line)
{
	char *id = text_of(entry, AUDIT_FIELD_ID);
	g_ptr_array_add(command->lines, slice_dup(line));
	if (id && entry->event == AUDIT_EVENT_BEGIN)
		g_hash_table_insert(command->begun, id, GUINT_TO_POINTER(command->lines->len));
	else
		g_free(id);
}

static bool on_line(struct Slice line, void *user)
{
	struct Command *command = user;
	struct AuditEntry entry;
	if (!audit_entry_read(line, &entry)) {
		command->damaged++;
		return true;
	}
	if (!command->options->json && entry.event == AUDIT_EVENT_CALL) {
		g_autofree char *id = text_of(&entry, AUDIT_FIELD_ID);
		if (id)
			forget_begun(command, id);
	}
	if (!audit_filter_admits(&command->filter, &entry))
		return true;
	if (command->options->json)
		return print_raw(command, line);
	keep(command, &entry, line);
	return true;
}

/* Prints the rows that were gathered. */
static void print_rows(struct Command *command)
{
	g_autoptr(Output) output = output_new();
	struct AuditEntry entry;
	for (guint i = 0; i < command->lines->len; i++) {
		const char *line = command->lines->pdata[i];
		if (!line || !audit_entry_read(slice_of(line), &entry))
			continue;
		if (!command->headed)
			add_heading(command->table);
		command->headed = true;
		add_row(command->table, &entry);
	}
	g_hash_table_remove_all(command->begun);
	g_ptr_array_set_size(command->lines, 0);
	table_print(command->table, output, 0);
	table_clear(command->table);
	command->over = !output_flush(output);
}

/* Shows what was not shown yet; false at the end. */
static bool show(struct Command *command)
{
	if (!audit_files_read(command->files, on_line, command, &command->error))
		return false;
	if (!command->options->json)
		print_rows(command);
	return !command->over;
}

/* ---- --follow ---- */

static void on_changed(
	GFileMonitor *monitor, GFile *file, GFile *other, GFileMonitorEvent event, gpointer user)
{
	struct Command *command = user;
	(void)monitor;
	(void)file;
	(void)other;
	(void)event;
	if (!show(command))
		g_main_loop_quit(command->loop);
}

static gboolean on_stdout_gone(gint fd, GIOCondition condition, gpointer user)
{
	struct Command *command = user;
	(void)fd;
	(void)condition;
	g_main_loop_quit(command->loop);
	return G_SOURCE_REMOVE;
}

/* Watches the folder, since the file is renamed. Returns when nobody reads any more or something is wrong. */
static bool follow(struct Command *command, const char *path)
{
	g_autofree char *dir = g_path_get_dirname(path);
	/* Under a directory that is missing, a monitor would look every few seconds. */
	if (g_mkdir_with_parents(dir, 0700) < 0) {
		g_set_error(
			&command->error, MUX_ERROR, MUX_ERROR_IO, "%s: %s", dir, g_strerror(errno));
		return false;
	}
	g_autoptr(GFile) folder = g_file_new_for_path(dir);
	g_autoptr(GFileMonitor) monitor =
		g_file_monitor_directory(folder, G_FILE_MONITOR_WATCH_MOVES, NULL, &command->error);
	if (!monitor)
		return false;
	g_file_monitor_set_rate_limit(monitor, RATE_MS);
	g_signal_connect(monitor, "changed", G_CALLBACK(on_changed), command);
	command->loop = g_main_loop_new(NULL, FALSE);
	guint gone = g_unix_fd_add(STDOUT_FILENO, G_IO_ERR, on_stdout_gone, command);
	/* What was added before there was a monitor. */
	if (show(command))
		g_main_loop_run(command->loop);
	if (g_main_context_find_source_by_id(NULL, gone))
		g_source_remove(gone);
	g_file_monitor_cancel(monitor);
	g_signal_handlers_disconnect_by_data(monitor, command);
	g_main_loop_unref(command->loop);
	return !command->error && !command->over;
}

/* ---- the command ---- */

static void tell_damage(const struct Command *command)
{
	unsigned damaged = command->damaged + audit_files_damaged(command->files);
	if (damaged > 0)
		output_error(
			"%u damaged line%s left out", damaged, damaged == 1 ? " was" : "s were");
}

/* A person who sees no row should know where it was looked for. */
static bool tell_nothing(const char *path)
{
	g_autoptr(Output) output = output_new();
	output_line(output, STYLE_PLAIN, "There is nothing to show in %s.", path);
	return output_flush(output);
}

static bool run(struct Command *command, const char *path)
{
	bool done = show(command);
	if (done && command->options->follow)
		done = follow(command, path);
	else if (done && !command->options->json && !command->headed)
		done = tell_nothing(path);
	tell_damage(command);
	return done;
}

int cli_audit(const struct CliOptions *options)
{
	g_autofree char *path = audit_path();
	struct Command command = {.options = options};
	g_autoptr(GError) error = NULL;
	if (!audit_filter_init(&command.filter, options, g_get_real_time(), &error))
		return output_fail(error);
	command.files = audit_files_new(path);
	command.lines = g_ptr_array_new_with_free_func(g_free);
	command.begun = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	command.table = table_new(COLUMNS);
	bool done = run(&command, path);
	audit_files_free(command.files);
	g_ptr_array_unref(command.lines);
	g_hash_table_unref(command.begun);
	table_free(command.table);
	g_autoptr(GError) fault = command.error;
	if (fault)
		return output_fail(fault);
	return done ? CLI_DONE : CLI_FAILED;
}
