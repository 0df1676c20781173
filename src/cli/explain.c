#include "cli/output.h"
#include "cli/survey.h"

#include "base/error.h"

/* Whether NAME is what a person could call the tool: its exposed name, the name it would have under
 * its prefix, or its own. */
static bool is_called(const struct CatalogEntry *tool, const char *separator, const char *name)
{
	if (tool->exposed && strcmp(tool->exposed, name) == 0)
		return true;
	if (strcmp(tool->tool->name, name) == 0)
		return true;
	g_autofree char *full =
		g_strconcat(tool->connector->prefix, separator, tool->tool->name, NULL);
	return !tool->connector->native && strcmp(full, name) == 0;
}

/* The rule that decided and where it stands. */
static char *rule_text(const struct CatalogEntry *tool)
{
	const struct Decision *decision = &tool->decision;
	g_autofree char *place =
		decision->place.file
			? g_strdup_printf("%s:%u", decision->place.file, decision->place.line)
			: g_strdup("default");
	const char *rule = decision->rule;
	switch (decision->verdict) {
	case VERDICT_EXPOSED:
		return rule ? g_strdup_printf("admitted by “%s” (%s)", rule, place)
			    : g_strdup("no rule leaves it out (default: every tool)");
	case VERDICT_NOT_ALLOWED:
		return g_strdup_printf("no entry of allowed_tools admits it (%s)", place);
	case VERDICT_NARROWED:
		return g_strdup_printf("your own allowed_tools leaves it out (%s)", place);
	case VERDICT_TOGGLED_OFF:
		return g_strdup_printf("switched off by “%s” (%s)", rule ? rule : "", place);
	case VERDICT_INVALID:
		return g_strdup_printf("its definition cannot be shown: %s",
			tool->tool->invalid ? tool->tool->invalid : "unknown");
	}
	return NULL;
}

static void explain_tool(struct Output *output, const struct CatalogEntry *tool)
{
	g_autofree char *rule = rule_text(tool);
	if (tool->exposed)
		output_line(output, STYLE_GOOD, "%s: exposed as %s: %s", tool->connector->name,
			tool->exposed, rule);
	else
		output_line(output, STYLE_WARNING, "%s: %s is hidden: %s", tool->connector->name,
			tool->tool->name, rule);
	if (tool->aliased)
		output_line(output, STYLE_FAINT,
			"  its own name is %s; it was changed to be legal, short enough or unique",
			tool->tool->name);
}

/* Nothing of that name was seen: says so, and whose tools could not be looked at. */
static int not_found(const struct Survey *survey, const char *name)
{
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

/* Whether NAME is one of mcp-mux's own tools. */
static bool explain_own(struct Output *output, const struct MuxConfig *mux, const char *name)
{
	g_autofree char *own = g_strconcat("mcp_mux", mux->separator, "connectors", NULL);
	if (strcmp(name, own) != 0)
		return false;
	output_line(output, mux->builtin_tools ? STYLE_GOOD : STYLE_WARNING,
		"%s is mcp-mux's own: %s by builtin_tools = %s", name,
		mux->builtin_tools ? "exposed" : "hidden", mux->builtin_tools ? "on" : "off");
	return true;
}

int cli_explain(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	const char *name = options->arguments[0];
	const struct MuxConfig *mux = &configuration->config->mux;
	g_autoptr(Output) output = output_new();
	if (explain_own(output, mux, name))
		return output_flush(output) ? CLI_DONE : CLI_FAILED;

	g_autoptr(Survey) survey = survey_run(configuration, NULL, &error);
	if (!survey)
		return output_fail(error);
	unsigned found = 0;
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		if (is_called(tools->pdata[i], mux->separator, name)) {
			explain_tool(output, tools->pdata[i]);
			found++;
		}
	}
	if (!found)
		return not_found(survey, name);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}
