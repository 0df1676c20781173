#include "cli/output.h"
#include "cli/survey.h"

#include "format/json_writer.h"

enum { COLUMNS = 4, BYTES_PER_TOKEN = 4 };

/* Whether the user's own file leaves a tool on that is allowed. */
static bool is_enabled(const struct Decision *decision)
{
	return decision->allowed && decision->verdict != VERDICT_NARROWED &&
	       decision->verdict != VERDICT_TOGGLED_OFF;
}

static void write_tool(struct JsonWriter *w, const struct CatalogEntry *tool)
{
	const struct Decision *decision = &tool->decision;
	json_begin_object(w);
	json_key(w, "exposed");
	if (tool->exposed)
		json_cstring(w, tool->exposed);
	else
		json_null(w);
	json_member_string(w, "upstream", tool->tool->name);
	json_member_string(w, "connector", tool->connector->name);
	json_member_bool(w, "allowed", decision->allowed);
	json_member_bool(w, "enabled", is_enabled(decision));
	json_key(w, "pin");
	json_null(w);
	json_key(w, "rule");
	if (decision->rule)
		json_cstring(w, decision->rule);
	else
		json_null(w);
	json_key(w, "file");
	if (decision->place.file)
		json_cstring(w, decision->place.file);
	else
		json_null(w);
	json_key(w, "line");
	if (decision->place.file)
		json_int(w, decision->place.line);
	else
		json_null(w);
	json_end_object(w);
}

static bool print_json(const struct Survey *survey, const struct ConnectorConfig *only)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_key(&w, "tools");
	json_begin_array(&w);
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (!only || tool->connector == only)
			write_tool(&w, tool);
	}
	json_end_array(&w);
	json_end_object(&w);
	return output_json(out);
}

static const char *state_text(const struct Decision *decision)
{
	switch (decision->verdict) {
	case VERDICT_EXPOSED:
		return "on";
	case VERDICT_NOT_ALLOWED:
		return "not allowed";
	case VERDICT_NARROWED:
		return "left out";
	case VERDICT_TOGGLED_OFF:
		return "off";
	case VERDICT_INVALID:
		return "invalid";
	}
	return "";
}

/* What a person should know before using the tool. */
static const char *remark(const struct Tool *tool)
{
	if (tool->invalid)
		return tool->invalid;
	if (tool->read_only)
		return "";
	return tool->destructive ? "may be destructive" : "not read-only";
}

static void add_row(struct Table *table, const struct CatalogEntry *tool)
{
	bool shown = tool->exposed != NULL;
	const enum OutputStyle styles[COLUMNS] = {shown ? STYLE_PLAIN : STYLE_FAINT,
		shown ? STYLE_GOOD : STYLE_FAINT, STYLE_FAINT, STYLE_WARNING};
	const char *exposed = shown ? tool->exposed : "-";
	const char *const cells[COLUMNS] = {
		exposed, state_text(&tool->decision), tool->tool->name, remark(tool->tool)};
	table_add(table, styles, cells);
}

static void print_connector(
	struct Output *output, const struct Survey *survey, const struct SurveyEntry *entry)
{
	const char *name = entry->connector->name;
	if (!entry->tools_known) {
		g_autofree char *advice = survey_advice(entry);
		output_line(output, STYLE_HEADING, "%s: no tools to show, %s", name,
			entry->state == SURVEY_SIGNED_OUT ? "it needs a sign-in"
			: entry->state == SURVEY_DISABLED ? "it is switched off"
							  : "it is not available");
		if (entry->error)
			output_line(output, STYLE_BAD, "  %s", entry->error->message);
		if (advice)
			output_line(output, STYLE_FAINT, "  %s", advice);
		return;
	}
	output_line(output, STYLE_HEADING,
		"%s: %u of %u tools, about %zu tokens (bytes / %d, an estimate)", name,
		entry->exposed, entry->allowed,
		(entry->exposed_bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN, BYTES_PER_TOKEN);
	if (entry->error)
		output_line(output, STYLE_BAD, "  as last seen: %s", entry->error->message);
	g_autoptr(Table) table = table_new(COLUMNS);
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (tool->connector == entry->connector)
			add_row(table, tool);
	}
	table_print(table, output, 2);
}

static bool print_text(const struct Configuration *configuration, const struct Survey *survey,
	const struct ConnectorConfig *only)
{
	g_autoptr(Output) output = output_new();
	if (survey->entries->len == 0)
		output_line(output, STYLE_PLAIN,
			"No upstream is configured. Add a [native] or [connector:NAME] section to "
			"%s.",
			configuration->user_path);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (!only || entry->connector == only)
			print_connector(output, survey, entry);
	}
	g_autoptr(GPtrArray) warnings = survey_warnings(survey);
	for (unsigned i = 0; i < warnings->len; i++)
		output_line(output, STYLE_WARNING, "warning: %s", (const char *)warnings->pdata[i]);
	return output_flush(output);
}

/* The exit status of `tools NAME`, which follows that connector's state. */
static int status_of(const struct Survey *survey, const struct ConnectorConfig *only)
{
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (entry->connector != only)
			continue;
		if (entry->state == SURVEY_SIGNED_OUT)
			return CLI_SIGN_IN;
		return entry->state == SURVEY_FAILED ? CLI_FAILED : CLI_DONE;
	}
	return CLI_DONE;
}

int cli_tools(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	const struct ConnectorConfig *only = NULL;
	if (options->n_arguments > 0) {
		only = configuration_find(configuration, options->arguments[0], &error);
		if (!only)
			return output_fail(error);
	}
	/* All are opened even for one: an exposed name may depend on the others' names. */
	g_autoptr(Survey) survey = survey_run(configuration, NULL, &error);
	if (!survey)
		return output_fail(error);
	bool done =
		options->json ? print_json(survey, only) : print_text(configuration, survey, only);
	return done ? status_of(survey, only) : CLI_FAILED;
}
