/* `mcp-mux tools`: what the IDE's list of tools holds and costs, and why the rest is not in it. */
#include "cli/explain.h"
#include "cli/limits.h"
#include "cli/output.h"
#include "cli/survey.h"

#include "format/json_writer.h"

enum { COLUMNS = 4 };

#define ESTIMATE " (bytes / 4, an estimate)"

/* What a part of the list, or all of it, comes to. */
struct Sum {
	unsigned exposed;
	size_t bytes;
};

/* Everything that is known, mcp-mux's own tools among it. */
static struct Sum sum_up(const struct Survey *survey)
{
	struct Sum sum = {0};
	survey_own(survey, &sum.exposed, &sum.bytes);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		sum.exposed += entry->exposed;
		sum.bytes += entry->exposed_bytes;
	}
	return sum;
}

/* All lines that a person should see, of ONLY or of all. */
static GPtrArray *gather_warnings(const struct Survey *survey, const struct ConnectorConfig *only)
{
	GPtrArray *lines = survey_warnings(survey, only);
	GPtrArray *limits = survey_limits(survey, only);
	g_ptr_array_extend_and_steal(lines, limits);
	return lines;
}

/* ---- as JSON ---- */

static void write_sum(struct JsonWriter *w, const struct Sum *sum)
{
	json_member_int(w, "exposed", sum->exposed);
	json_member_int(w, "bytes", (int64_t)sum->bytes);
	json_member_int(w, "tokens", (int64_t)limits_tokens(sum->bytes));
}

static void write_connector(struct JsonWriter *w, const struct SurveyEntry *entry)
{
	json_begin_object(w);
	json_member_string(w, "name", entry->connector->name);
	json_member_string(w, "state", survey_state_name(entry->state));
	if (entry->tools_known) {
		const struct Sum sum = {entry->exposed, entry->exposed_bytes};
		write_sum(w, &sum);
		json_member_int(w, "allowed", entry->allowed);
		json_member_int(w, "offered", entry->offered);
		json_member_int(w, "not_read_only", entry->not_read_only);
		json_member_int(w, "changed", entry->changed);
	} else {
		struct Explanation explanation;
		explain_unknown(&explanation, entry);
		explain_write(w, &explanation);
		explanation_clear(&explanation);
	}
	json_end_object(w);
}

static void write_tools(
	struct JsonWriter *w, const struct Survey *survey, const struct ConnectorConfig *only)
{
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (!only || tool->connector == only)
			explain_write_tool(w, survey, tool);
	}
	for (unsigned i = 0; !only && i < survey->own->tools->len; i++)
		explain_write_own(w, survey->configuration, survey->own->tools->pdata[i]);
}

/* What concerns the whole list. */
static void write_total(struct JsonWriter *w, const struct Survey *survey)
{
	struct Sum own = {0};
	const struct Sum total = sum_up(survey);
	survey_own(survey, &own.exposed, &own.bytes);
	json_key(w, "own");
	json_begin_object(w);
	write_sum(w, &own);
	json_end_object(w);
	json_key(w, "total");
	json_begin_object(w);
	write_sum(w, &total);
	json_end_object(w);
}

static bool print_json(const struct Survey *survey, const struct ConnectorConfig *only)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autoptr(GPtrArray) warnings = gather_warnings(survey, only);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_key(&w, "tools");
	json_begin_array(&w);
	write_tools(&w, survey, only);
	json_end_array(&w);
	json_key(&w, "connectors");
	json_begin_array(&w);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (!only || entry->connector == only)
			write_connector(&w, entry);
	}
	json_end_array(&w);
	if (!only)
		write_total(&w, survey);
	json_member_string(&w, "estimate", "tokens = bytes / 4");
	explain_write_texts(&w, "warnings", warnings);
	json_end_object(&w);
	return output_json(out);
}

/* ---- for people ---- */

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
	case VERDICT_PIN_CHANGED:
		return "changed";
	}
	return "";
}

/* What a person should know before the tool is used; "" where that is nothing. */
static const char *trait(const struct Tool *tool)
{
	if (tool->read_only)
		return "";
	return tool->destructive ? "may be destructive" : "not read-only";
}

/* Of a hidden tool why, of an exposed one what a person should know; for g_free. */
static char *remark(const struct Survey *survey, const struct CatalogEntry *tool)
{
	if (!tool->exposed) {
		struct Explanation explanation;
		explain_tool(&explanation, survey, tool);
		char *words = explanation_words(&explanation);
		explanation_clear(&explanation);
		return words;
	}
	g_autofree char *alias = explain_alias(survey, tool);
	const char *parts[] = {trait(tool->tool),
		tool->pin == PIN_STATE_CHANGED ? "changed since it was approved" : "",
		alias ? alias : ""};
	GString *text = g_string_new(NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
		g_string_append_printf(text, "%s%s", text->len && *parts[i] ? "; " : "", parts[i]);
	return g_string_free(text, FALSE);
}

static void add_row(
	struct Table *table, const struct Survey *survey, const struct CatalogEntry *tool)
{
	bool shown = tool->exposed != NULL;
	const enum OutputStyle styles[COLUMNS] = {shown ? STYLE_PLAIN : STYLE_FAINT,
		shown ? STYLE_GOOD : STYLE_FAINT, STYLE_FAINT, shown ? STYLE_WARNING : STYLE_FAINT};
	g_autofree char *last = remark(survey, tool);
	const char *const cells[COLUMNS] = {
		shown ? tool->exposed : "-", state_text(&tool->decision), tool->own, last};
	table_add(table, styles, cells);
}

/* A connector of which no tools are known: the one rule, and what to do. */
static void print_unknown(struct Output *output, const struct SurveyEntry *entry)
{
	struct Explanation explanation;
	explain_unknown(&explanation, entry);
	g_autofree char *words = explanation_words(&explanation);
	g_autofree char *advice = entry->state == SURVEY_FAILED ? survey_advice(entry) : NULL;
	output_line(output, STYLE_HEADING, "%s: no tools to show, %s", entry->connector->name,
		entry->state == SURVEY_SIGNED_OUT ? "it needs a sign-in"
		: entry->state == SURVEY_DISABLED ? "it is switched off"
						  : "it is not available");
	output_line(output, entry->state == SURVEY_FAILED ? STYLE_BAD : STYLE_FAINT, "  %s", words);
	if (advice)
		output_line(output, STYLE_FAINT, "  %s", advice);
	explanation_clear(&explanation);
}

/* ESTIMATE is what to say of its number of tokens. */
static void print_connector(struct Output *output, const struct Survey *survey,
	const struct SurveyEntry *entry, const char *estimate)
{
	if (!entry->tools_known) {
		print_unknown(output, entry);
		return;
	}
	g_autofree char *writing =
		entry->not_read_only ? g_strdup_printf(", %u not read-only", entry->not_read_only)
				     : NULL;
	output_line(output, STYLE_HEADING, "%s: %u of %u tools%s, about %zu tokens%s",
		entry->connector->name, entry->exposed, entry->allowed, writing ? writing : "",
		limits_tokens(entry->exposed_bytes), estimate);
	if (entry->error)
		output_line(output, STYLE_BAD, "  as last seen: %s", entry->error->message);
	g_autoptr(Table) table = table_new(COLUMNS);
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (tool->connector == entry->connector)
			add_row(table, survey, tool);
	}
	table_print(table, output, 2);
}

static void print_own(struct Output *output, const struct Survey *survey)
{
	struct Sum sum;
	struct Explanation explanation;
	survey_own(survey, &sum.exposed, &sum.bytes);
	explain_own(&explanation, survey->configuration);
	g_autofree char *words = explanation_words(&explanation);
	output_line(output, STYLE_HEADING, "mcp-mux's own: %u of %u tools, about %zu tokens",
		sum.exposed, survey->own->tools->len, limits_tokens(sum.bytes));
	output_line(output, STYLE_FAINT, "  %s", words);
	for (unsigned i = 0; i < sum.exposed; i++) {
		const struct Tool *tool = survey->own->tools->pdata[i];
		output_line(output, STYLE_PLAIN, "  %s", tool->name);
	}
	explanation_clear(&explanation);
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
			print_connector(output, survey, entry, only ? ESTIMATE : "");
	}
	if (!only) {
		const struct Sum total = sum_up(survey);
		print_own(output, survey);
		output_line(output, STYLE_HEADING, "In all: %u tools, about %zu tokens" ESTIMATE,
			total.exposed, limits_tokens(total.bytes));
	}
	g_autoptr(GPtrArray) warnings = gather_warnings(survey, only);
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
