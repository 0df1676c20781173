/* `enable` and `disable`: the user's toggles, edited where they stand. Between the reading and the
 * replacing of the file no other mcp-mux edits it (the lock `ini`), and what is written was parsed
 * as a whole before. */
#include "cli/toggle.h"

#include "base/error.h"
#include "base/file.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "format/ini.h"
#include "mux/audit.h"

enum { LOCK_MS = 30000, TOOL_BYTES = 190 };

char *toggle_key(const char *tool, GError **error)
{
	if (!*tool || strlen(tool) > TOOL_BYTES || !g_utf8_validate(tool, -1, NULL)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"“%s” is no tool's name: expected 1 to %d bytes of UTF-8", tool,
			TOOL_BYTES);
		return NULL;
	}
	GString *key = g_string_new(NULL);
	for (const char *p = tool; *p; p = g_utf8_next_char(p))
		g_string_append_c(key, g_ascii_isalnum(*p) || strchr("_.*-", *p) ? *p : '?');
	return g_string_free(key, FALSE);
}

char *toggle_edit(const char *file, struct Slice text, const char *connector,
	const char *const *keys, bool on, size_t *len, GError **error)
{
	g_autofree char *section = g_strdup_printf("tools:%s", connector);
	char *edited = g_strndup(text.data ? text.data : "", text.len);
	size_t edited_len = text.len;
	for (; *keys; keys++) {
		size_t next_len = 0;
		char *next = ini_edit_set(file, (struct Slice){edited, edited_len}, section, *keys,
			on ? "on" : "off", &next_len, error);
		g_free(edited);
		if (!next)
			return NULL;
		edited = next;
		edited_len = next_len;
	}
	*len = edited_len;
	return edited;
}

/* Reads the configuration, edits and writes; called under the lock. */
static bool edit_file(const struct CliOptions *options, const char *const *keys, bool on,
	char **file, bool *changed, GError **error)
{
	g_autoptr(Configuration) configuration = configuration_load(options, error);
	if (!configuration)
		return false;
	const struct ConnectorConfig *connector =
		configuration_find(configuration, options->arguments[0], error);
	if (!connector)
		return false;

	struct Slice before = {configuration->user_text, configuration->user_len};
	size_t len = 0;
	g_autofree char *edited = toggle_edit(
		configuration->user_path, before, connector->name, keys, on, &len, error);
	if (!edited)
		return false;
	struct Slice after = {edited, len};
	g_autoptr(Config) parsed = configuration_parse_edited(configuration, after, error);
	if (!parsed) {
		g_prefix_error(error, "nothing was written, since the file would not be valid: ");
		return false;
	}
	*changed = !slice_eq(before, after);
	if (*changed && !file_replace(configuration->user_path, after, 0600, error))
		return false;
	if (*changed) {
		g_autoptr(Audit) audit = audit_new(&parsed->mux, NULL, NULL);
		audit_policy(audit, connector->name, on ? "enable" : "disable", keys);
	}
	*file = g_strdup(configuration->user_path);
	return true;
}

/* The keys of the tools named on the command line; NULL-terminated, NULL on an error. */
static char **keys_of(const struct CliOptions *options, GError **error)
{
	g_auto(GStrv) keys = g_new0(char *, options->n_arguments);
	for (unsigned i = 1; i < options->n_arguments; i++) {
		keys[i - 1] = toggle_key(options->arguments[i], error);
		if (!keys[i - 1])
			return NULL;
	}
	return g_steal_pointer(&keys);
}

int cli_toggle(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	bool on = strcmp(options->command, "enable") == 0;
	g_auto(GStrv) keys = keys_of(options, &error);
	if (!keys)
		return output_fail(error);

	g_autofree char *lock_path = file_state_path("locks/ini");
	g_autoptr(FileLock) lock = file_lock(lock_path, LOCK_MS, &error);
	g_autofree char *file = NULL;
	bool changed = false;
	if (!lock || !edit_file(options, (const char *const *)keys, on, &file, &changed, &error))
		return output_fail(error);

	g_autoptr(Output) output = output_new();
	for (char **key = keys; *key; key++)
		output_line(output, STYLE_PLAIN, "%s: %s = %s%s (%s)", options->arguments[0], *key,
			on ? "on" : "off", changed ? "" : " already", file);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}
