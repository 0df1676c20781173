#include "cli/output.h"
#include "cli/survey.h"

#include "format/json_writer.h"

/* One entry's columns: name, title, number of tools or what to do, revision. */
enum { COLUMNS = 4 };

static void json_member_text(struct JsonWriter *w, const char *key, const char *text)
{
	json_key(w, key);
	if (text)
		json_cstring(w, text);
	else
		json_null(w);
}

/* A number, null while it is not known. */
static void json_member_count(struct JsonWriter *w, const char *key, bool known, unsigned count)
{
	json_key(w, key);
	if (known)
		json_int(w, count);
	else
		json_null(w);
}

static void write_entry(struct JsonWriter *w, const struct SurveyEntry *entry)
{
	json_begin_object(w);
	json_member_string(w, "name", entry->connector->name);
	json_member_string(w, "title", connector_title(entry->connector));
	json_member_string(w, "state", survey_state_name(entry->state));
	json_member_text(w, "account", NULL);
	json_member_count(w, "exposed", entry->tools_known, entry->exposed);
	json_member_count(w, "allowed", entry->tools_known, entry->allowed);
	json_member_text(w, "expires_at", NULL);
	json_member_text(w, "revision", entry->revision);
	json_member_text(w, "error", entry->error ? entry->error->message : NULL);
	json_end_object(w);
}

static bool print_json(const struct Survey *survey)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_key(&w, "connectors");
	json_begin_array(&w);
	for (unsigned i = 0; i < survey->entries->len; i++)
		write_entry(&w, survey->entries->pdata[i]);
	json_end_array(&w);
	json_end_object(&w);
	return output_json(out);
}

static void add_row(struct Table *table, const struct SurveyEntry *entry)
{
	static const enum OutputStyle styles[COLUMNS] = {
		STYLE_PLAIN, STYLE_PLAIN, STYLE_PLAIN, STYLE_FAINT};
	bool connected = entry->state == SURVEY_CONNECTED;
	g_autofree char *advice = survey_advice(entry);
	g_autofree char *counts =
		connected ? g_strdup_printf("%u of %u tools", entry->exposed, entry->allowed)
			  : NULL;
	const char *const cells[COLUMNS] = {entry->connector->name,
		connector_title(entry->connector), connected ? counts : advice,
		connected ? entry->revision : NULL};
	table_add(table, styles, cells);
}

/* A connector with an error: too many words for a column. */
static void print_trouble(struct Output *output, const struct SurveyEntry *entry)
{
	g_autofree char *advice = survey_advice(entry);
	output_line(output, STYLE_BAD, "  %s: %s", entry->connector->name, entry->error->message);
	if (advice)
		output_line(output, STYLE_FAINT, "      %s", advice);
}

/* The connectors in STATE under HEADING; nothing where there are none. */
static void print_group(struct Output *output, const struct Survey *survey, enum SurveyState state,
	const char *heading)
{
	g_autoptr(Table) table = table_new(COLUMNS);
	g_autoptr(GPtrArray) troubles = g_ptr_array_new();
	for (unsigned i = 0; i < survey->entries->len; i++) {
		struct SurveyEntry *entry = survey->entries->pdata[i];
		if (entry->state == state && entry->error)
			g_ptr_array_add(troubles, entry);
		else if (entry->state == state)
			add_row(table, entry);
	}
	if (table_rows(table) + troubles->len == 0)
		return;
	output_line(output, STYLE_HEADING, "%s", heading);
	table_print(table, output, 2);
	for (unsigned i = 0; i < troubles->len; i++)
		print_trouble(output, troubles->pdata[i]);
}

static void print_notes(struct Output *output, const struct Config *config)
{
	if (config->notes->len > 0)
		output_line(output, STYLE_HEADING, "Lines without effect");
	for (unsigned i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		output_line(output, STYLE_WARNING, "  %s:%u: %s", note->place.file,
			note->place.line, note->text);
	}
}

static void print_warnings(struct Output *output, const struct Survey *survey)
{
	g_autoptr(GPtrArray) warnings = survey_warnings(survey);
	if (warnings->len > 0)
		output_line(output, STYLE_HEADING, "Worth a look");
	for (unsigned i = 0; i < warnings->len; i++)
		output_line(output, STYLE_WARNING, "  %s", (const char *)warnings->pdata[i]);
}

static bool print_text(const struct Configuration *configuration, const struct Survey *survey)
{
	g_autoptr(Output) output = output_new();
	if (survey->entries->len == 0)
		output_line(output, STYLE_PLAIN,
			"No upstream is configured. Add a [native] or [connector:NAME] section to "
			"%s.",
			configuration->user_path);
	print_group(output, survey, SURVEY_CONNECTED, "Connected");
	print_group(output, survey, SURVEY_SIGNED_OUT, "Need to connect");
	print_group(output, survey, SURVEY_FAILED, "Not available");
	print_group(output, survey, SURVEY_DISABLED, "Switched off");
	print_notes(output, configuration->config);
	print_warnings(output, survey);
	return output_flush(output);
}

int cli_status(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	g_autoptr(Survey) survey = survey_run(configuration, NULL, &error);
	if (!survey)
		return output_fail(error);
	bool done = options->json ? print_json(survey) : print_text(configuration, survey);
	return done ? CLI_DONE : CLI_FAILED;
}
