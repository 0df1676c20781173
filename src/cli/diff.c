/* `diff TOOL`: what changed in a tool since it was approved. All of it is a server's text: what cannot be seen is made
 * visible by format/definition.h, the rest harmless by cli/output.h. */
#include "cli/diff.h"

#include "format/definition.h"

/* Says that nothing of that name was seen, and whose tools could not be looked at. */
static int say_not_found(const struct Survey *survey, const char *name)
{
	for (unsigned i = 0; i < survey->own->tools->len; i++) {
		const struct Tool *own = survey->own->tools->pdata[i];
		if (strcmp(own->name, name) != 0)
			continue;
		output_error("%s is mcp-mux's own: it is not compared with anything", name);
		return CLI_FAILED;
	}
	output_error("no tool “%s” was seen", name);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (!entry->tools_known)
			output_error("the tools of %s are not known: %s", entry->connector->name,
				entry->error                        ? entry->error->message
				: entry->state == SURVEY_SIGNED_OUT ? "it needs a sign-in"
								    : "it is switched off");
	}
	return CLI_FAILED;
}

static int say_ambiguous(const struct Survey *survey, const char *name, const GPtrArray *found)
{
	g_autoptr(GString) all = g_string_new(NULL);
	for (unsigned i = 0; i < found->len; i++) {
		g_autofree char *each = survey_tool_name(survey, found->pdata[i]);
		g_string_append_printf(all, "%s%s", i ? ", " : "", each);
	}
	output_error("“%s” is the name of several tools: %s", name, all->str);
	return CLI_FAILED;
}

/* Whether NAME may be what another connector's tool is called, and only TOOL's own server calls TOOL so: the other one may be
 * out of sight just now. */
static bool is_anothers(const struct Survey *survey, const char *separator, const char *name,
	const struct CatalogEntry *tool)
{
	for (unsigned i = 0; strcmp(tool->own, name) == 0 && i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		const struct ConnectorConfig *connector = entry->connector;
		g_autofree char *before = g_strconcat(connector->prefix, separator, NULL);
		bool is_near = connector->native ? !entry->tools_known && connector->enabled
						 : g_str_has_prefix(name, before);
		if (connector != tool->connector && is_near)
			return true;
	}
	return false;
}

/* The one of FOUND that is meant; NULL: it cannot be told. */
static const struct CatalogEntry *pick(
	const struct Survey *survey, const char *name, const GPtrArray *found)
{
	const struct CatalogEntry *exact = catalog_find(survey->catalog, name);
	if (!exact)
		exact = catalog_find_blocked(survey->catalog, name);
	if (exact)
		return exact;
	return found->len == 1 ? found->pdata[0] : NULL;
}

/* Compares the tool with its pin. */
static void compare(struct Change *change)
{
	const struct ConnectorConfig *connector = change->tool->connector;
	const struct Tool *tool = change->tool->tool;
	struct Pins *pins = change->survey->pins;
	size_t len = 0;
	g_autofree char *canonical = definition_canonical(tool->raw, &len);
	change->state = pins_compare(pins, connector, tool);
	change->approved = g_strdup(pins_approved_at(pins, connector, tool));
	struct Slice approved = pins_approved(pins, connector, tool);
	change->kept = approved.len > 0;
	change->lines = definition_diff(approved, (struct Slice){canonical, len});
}

/* The tool that NAME means; NULL after an error was said, with the exit status. */
static const struct CatalogEntry *find(const struct Change *change, const char *name, int *status)
{
	const struct MuxConfig *mux = &change->configuration->config->mux;
	g_autoptr(GPtrArray) found = g_ptr_array_new();
	survey_find(change->survey, mux->separator, name, found);
	for (unsigned i = found->len; i-- > 0;) {
		if (is_anothers(change->survey, mux->separator, name, found->pdata[i]))
			g_ptr_array_remove_index(found, i);
	}
	const struct CatalogEntry *tool = pick(change->survey, name, found);
	if (!tool)
		*status = found->len == 0 ? say_not_found(change->survey, name)
					  : say_ambiguous(change->survey, name, found);
	return tool;
}

bool change_find(struct Change *change, const struct CliOptions *options, int *status)
{
	g_autoptr(GError) error = NULL;
	*change = (struct Change){0};
	change->configuration = configuration_load(options, &error);
	if (change->configuration)
		change->survey = survey_run(change->configuration, NULL, &error);
	if (!change->survey) {
		*status = output_fail(error);
		return false;
	}
	change->tool = find(change, options->arguments[0], status);
	if (!change->tool)
		return false;
	change->name = survey_tool_name(change->survey, change->tool);
	compare(change);
	return true;
}

void change_release(struct Change *change)
{
	if (change->lines)
		g_ptr_array_unref(change->lines);
	g_free(change->approved);
	g_free(change->name);
	survey_free(change->survey);
	configuration_free(change->configuration);
}

static enum OutputStyle style_of(const char *line)
{
	return *line == '-' ? STYLE_BAD : *line == '+' ? STYLE_GOOD : STYLE_PLAIN;
}

void change_print(const struct Change *change, struct Output *output)
{
	const struct ConnectorConfig *connector = change->tool->connector;
	output_line(output, STYLE_HEADING, "%s", change->name);
	output_line(output, STYLE_FAINT, "  tool %s of %s (%s)", change->tool->own, connector->name,
		connector->url);
	output_line(output, STYLE_FAINT, "  approved: %s",
		change->approved ? change->approved : "never before");
	if (change->approved && !change->kept)
		output_line(output, STYLE_WARNING,
			"  what was approved was too long or too deep to be kept; this is all of "
			"it as it is now");
	for (unsigned i = 0; i < change->lines->len; i++) {
		const char *line = change->lines->pdata[i];
		output_line(output, style_of(line), "%s", line);
	}
}

/* Nothing to compare with. */
static int say_not_approved(const struct Change *change)
{
	const char *trouble = pins_trouble(change->survey->pins, change->tool->connector);
	if (trouble)
		output_error("%s: what was approved of %s is not known: %s", change->name,
			change->tool->connector->name, trouble);
	else
		output_error("%s was never approved; a server that runs approves what it sees "
			     "first, and so does mcp-mux approve %s",
			change->name, change->name);
	return CLI_FAILED;
}

static int show(const struct Change *change)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Output) output = output_new();
	if (!change->approved)
		return say_not_approved(change);
	if (change->state != PIN_STATE_CHANGED) {
		output_line(output, STYLE_GOOD, "%s is unchanged since it was approved (%s)",
			change->name, change->approved);
		return output_flush(output) ? CLI_DONE : CLI_FAILED;
	}
	change_print(change, output);
	output_line(output, STYLE_PLAIN, "mcp-mux approve %s accepts it", change->name);
	if (!output_flush(output))
		return CLI_FAILED;
	if (pins_show(change->survey->pins, change->tool->connector, change->tool->tool, &error))
		return CLI_DONE;
	return output_fail(error);
}

int cli_diff(const struct CliOptions *options)
{
	struct Change change;
	int status = CLI_FAILED;
	if (change_find(&change, options, &status))
		status = show(&change);
	change_release(&change);
	return status;
}
