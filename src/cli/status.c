#include "cli/explain.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/survey.h"

#include "format/json_writer.h"

/* One entry's columns: name, title, number of tools or what to do, revision. */
enum { COLUMNS = 4 };

/* Unix seconds as RFC 3339 in UTC, NULL for 0; for g_free. */
static char *rfc3339(int64_t seconds)
{
	g_autoptr(GDateTime) time = seconds > 0 ? g_date_time_new_from_unix_utc(seconds) : NULL;
	return time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ") : NULL;
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
	explain_write_text(w, "account", entry->account);
	explain_write_text(w, "scope", entry->scope);
	json_member_count(w, "exposed", entry->tools_known, entry->exposed);
	json_member_count(w, "allowed", entry->tools_known, entry->allowed);
	json_member_count(w, "changed", entry->tools_known, entry->changed);
	json_member_count(
		w, "tokens", entry->tools_known, (unsigned)limits_tokens(entry->exposed_bytes));
	g_autofree char *expires = rfc3339(entry->expires_at);
	explain_write_text(w, "expires_at", expires);
	explain_write_text(w, "revision", entry->revision);
	explain_write_text(w, "error", entry->error ? entry->error->message : NULL);
	json_end_object(w);
}

/* What a person should look at, in the rules and in the list as a whole. */
static GPtrArray *gather_warnings(const struct Survey *survey)
{
	GPtrArray *lines = survey_warnings(survey, NULL);
	g_ptr_array_extend_and_steal(lines, survey_limits(survey, NULL));
	return lines;
}

static void write_notes(struct JsonWriter *w, const struct Config *config)
{
	json_key(w, "notes");
	json_begin_array(w);
	for (unsigned i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		json_begin_object(w);
		json_member_string(w, "file", note->place.file);
		json_member_int(w, "line", note->place.line);
		json_member_string(w, "text", note->text);
		json_end_object(w);
	}
	json_end_array(w);
}

static bool print_json(const struct Survey *survey)
{
	g_autoptr(GPtrArray) warnings = gather_warnings(survey);
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
	write_notes(&w, survey->configuration->config);
	explain_write_texts(&w, "warnings", warnings);
	json_end_object(&w);
	return output_json(out);
}

/* "9 of 10 tools"; for g_free. */
static char *count_words(const struct SurveyEntry *entry)
{
	g_autofree char *changed =
		entry->changed ? g_strdup_printf("; %u tool%s changed since %s approved",
					 entry->changed, entry->changed == 1 ? "" : "s",
					 entry->changed == 1 ? "it was" : "they were")
			       : NULL;
	return g_strdup_printf(
		"%u of %u tools%s", entry->exposed, entry->allowed, changed ? changed : "");
}

static void add_row(struct Table *table, const struct SurveyEntry *entry)
{
	static const enum OutputStyle styles[COLUMNS] = {
		STYLE_PLAIN, STYLE_PLAIN, STYLE_PLAIN, STYLE_FAINT};
	bool connected = entry->state == SURVEY_CONNECTED;
	g_autofree char *advice = survey_advice(entry);
	g_autofree char *counts = connected ? count_words(entry) : NULL;
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

/* Until when a sign-in lasts, for people; for g_free. */
static char *expiry_words(const struct SurveyEntry *entry)
{
	if (entry->connector->auth == AUTH_API_KEY)
		return g_strdup("an API key");
	if (entry->expires_at <= 0)
		return g_strdup(entry->renewable ? "renewed by itself" : "without a known end");
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(entry->expires_at);
	g_autofree char *until = time ? g_date_time_format(time, "%Y-%m-%d %H:%M") : NULL;
	return g_strdup_printf("token until %s%s", until ? until : "?",
		entry->renewable ? ", then renewed by itself" : ", then a new sign-in is needed");
}

static void print_accounts(struct Output *output, const struct Survey *survey)
{
	bool any = false;
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (entry->state != SURVEY_CONNECTED || entry->connector->auth == AUTH_NONE)
			continue;
		if (!any)
			output_line(output, STYLE_HEADING, "Sign-ins");
		any = true;
		g_autofree char *expiry = expiry_words(entry);
		g_autoptr(GString) line = g_string_new(entry->connector->name);
		g_string_append(line, ": ");
		if (entry->account)
			g_string_append_printf(line, "%s; ", entry->account);
		if (entry->scope)
			g_string_append_printf(line, "scopes %s; ", entry->scope);
		output_line(output, STYLE_PLAIN, "  %s%s", line->str, expiry);
	}
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
	g_autoptr(GPtrArray) warnings = gather_warnings(survey);
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
	print_accounts(output, survey);
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
