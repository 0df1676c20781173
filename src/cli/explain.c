/* `mcp-mux explain TOOL`: finds what a person could mean by that name, and says the rule of each. */
#include "cli/explain.h"

#include "cli/output.h"

#define CONNECTOR_SECTION "connector:"
/* In each note of format/config_merge. */
#define NO_EFFECT " has no effect: "

/* What was found by the name that was asked for. */
struct Found {
	const char *name;
	const struct Configuration *configuration;
	const struct Survey *survey;
	GPtrArray *tools; /* const struct CatalogEntry */
	GPtrArray *unknown; /* const struct SurveyEntry: of connectors whose tools are not known */
	bool by_prefix; /* NAME begins with the prefix of those; else it may be any's */
	struct Config *all; /* with the connectors that are not for this user */
	GPtrArray *
		refused; /* struct Refused: connectors that are in a file alone, whose prefix NAME has */
};

struct Refused {
	char *name;
	struct Explanation explanation;
};

static void refused_free(void *data)
{
	struct Refused *refused = data;
	explanation_clear(&refused->explanation);
	g_free(refused->name);
	g_free(refused);
}

static bool begins_with(const struct MuxConfig *mux, const char *prefix, const char *name)
{
	return g_str_has_prefix(name, prefix) &&
	       g_str_has_prefix(name + strlen(prefix), mux->separator);
}

static bool has_prefix(
	const struct MuxConfig *mux, const struct ConnectorConfig *connector, const char *name)
{
	return !connector->native && begins_with(mux, connector->prefix, name);
}

/* Those whose prefix the name begins with; if there are none, all: any may have a tool of that name. */
static void find_unknown(struct Found *found)
{
	const GPtrArray *entries = found->survey->entries;
	const struct MuxConfig *mux = &found->configuration->config->mux;
	for (int pass = 0; pass < 2 && found->unknown->len == 0; pass++) {
		found->by_prefix = pass == 0;
		for (unsigned i = 0; i < entries->len; i++) {
			struct SurveyEntry *entry = entries->pdata[i];
			if (!entry->tools_known &&
				(pass == 1 || has_prefix(mux, entry->connector, found->name)))
				g_ptr_array_add(found->unknown, entry);
		}
	}
}

static struct Explanation *add_refused(struct Found *found, const char *name)
{
	struct Refused *refused = g_new0(struct Refused, 1);
	refused->name = g_strdup(name);
	g_ptr_array_add(found->refused, refused);
	return &refused->explanation;
}

/* Connectors that allowed_users keeps from this user have left the configuration, but not the files. */
static void find_foreign(struct Found *found)
{
	const struct Configuration *configuration = found->configuration;
	found->all = configuration_parse_edited(configuration,
		(struct Slice){configuration->user_text, configuration->user_len}, NULL);
	for (unsigned i = 0; found->all && i < found->all->connectors->len; i++) {
		struct ConnectorConfig *connector = found->all->connectors->pdata[i];
		if (config_find(configuration->config, connector->name) ||
			!has_prefix(&found->all->mux, connector, found->name))
			continue;
		*add_refused(found, connector->name) = (struct Explanation){
			.verdict = "not_for_user",
			.rule = "allowed_users",
			.place = connector->allowed_users_place,
			.text = g_strdup("the connector is not for you: allowed_users names "
					 "neither you nor a group of yours"),
		};
	}
}

/* What was noted of the user's section of the connector NAME, or of its PREFIX (NULL: it says none). */
static const struct ConfigNote *note_of(const struct Config *config, const char *file,
	const struct IniSection *section, const struct IniEntry *prefix)
{
	for (unsigned i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		if (g_strcmp0(note->place.file, file) == 0 &&
			(note->place.line == section->line ||
				(prefix && note->place.line == prefix->line)))
			return note;
	}
	return NULL;
}

/* A connector of the user's own that has no effect beside the administrator's file. */
static void find_without_effect(struct Found *found)
{
	const struct Configuration *c = found->configuration;
	const struct Slice text = {c->user_text, c->user_len};
	g_autoptr(IniFile) ini =
		c->admin_path && c->user_text ? ini_read(c->user_path, text, NULL) : NULL;
	for (unsigned i = 0; ini && i < ini->sections->len; i++) {
		const struct IniSection *section = ini->sections->pdata[i];
		const char *name = section->name + strlen(CONNECTOR_SECTION);
		if (!g_str_has_prefix(section->name, CONNECTOR_SECTION) ||
			config_find(found->all, name))
			continue;
		const struct IniEntry *prefix = explain_find_entry(ini, section->name, "prefix");
		const struct ConfigNote *note = note_of(c->config, c->user_path, section, prefix);
		const char *why = note ? strstr(note->text, NO_EFFECT) : NULL;
		if (why && begins_with(&c->config->mux, prefix ? prefix->value : name, found->name))
			*add_refused(found, name) = (struct Explanation){
				.verdict = "connector_without_effect",
				.place = note->place,
				.text = g_strconcat("the connector has no effect: ",
					why + strlen(NO_EFFECT), NULL),
			};
	}
}

static void find(struct Found *found)
{
	survey_find(found->survey, found->configuration->config->mux.separator, found->name,
		found->tools);
	if (found->tools->len == 0)
		find_foreign(found);
	if (found->all)
		find_without_effect(found);
	if (found->tools->len + found->refused->len == 0)
		find_unknown(found);
}

/* Whether there is an answer, and not only a guess. */
static bool is_certain(const struct Found *found)
{
	if (found->tools->len + found->refused->len > 0)
		return true;
	bool certain = found->by_prefix && found->unknown->len > 0;
	for (unsigned i = 0; i < found->unknown->len; i++) {
		struct Explanation explanation;
		certain = explain_unknown(&explanation, found->unknown->pdata[i]) && certain;
		explanation_clear(&explanation);
	}
	return certain;
}

/* A rule for all tools of the connector NAME. */
static void write_connector(
	struct JsonWriter *w, const char *name, const struct Explanation *explanation)
{
	json_begin_object(w);
	json_member_string(w, "name", name);
	explain_write(w, explanation);
	json_end_object(w);
}

static bool print_json(const struct Found *found)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_member_string(&w, "name", found->name);
	json_key(&w, "tools");
	json_begin_array(&w);
	for (unsigned i = 0; i < found->tools->len; i++)
		explain_write_tool(&w, found->survey, found->tools->pdata[i]);
	json_end_array(&w);
	json_key(&w, "connectors");
	json_begin_array(&w);
	for (unsigned i = 0; i < found->refused->len; i++) {
		const struct Refused *refused = found->refused->pdata[i];
		write_connector(&w, refused->name, &refused->explanation);
	}
	for (unsigned i = 0; i < found->unknown->len; i++) {
		const struct SurveyEntry *entry = found->unknown->pdata[i];
		struct Explanation explanation;
		explain_unknown(&explanation, entry);
		write_connector(&w, entry->connector->name, &explanation);
		explanation_clear(&explanation);
	}
	json_end_array(&w);
	json_end_object(&w);
	return output_json(out);
}

static void print_tool(
	struct Output *output, const struct Survey *survey, const struct CatalogEntry *tool)
{
	struct Explanation explanation;
	explain_tool(&explanation, survey, tool);
	g_autofree char *words = explanation_words(&explanation);
	g_autofree char *alias = explain_alias(survey, tool);
	if (tool->exposed)
		output_line(output, STYLE_GOOD, "%s: exposed as %s: %s", tool->connector->name,
			tool->exposed, words);
	else
		output_line(output, STYLE_WARNING, "%s: %s is hidden: %s", tool->connector->name,
			tool->own, words);
	if (alias)
		output_line(output, STYLE_FAINT, "  %s", alias);
	if (tool->exposed && tool->pin == PIN_STATE_CHANGED)
		output_line(output, STYLE_WARNING,
			"  its definition changed since it was approved: mcp-mux diff %s shows "
			"how, mcp-mux approve %s accepts it",
			tool->exposed, tool->exposed);
	explanation_clear(&explanation);
}

/* A rule for all tools of the CONNECTOR, as the answer or, if it is not CERTAIN, as an error. */
static void print_connector(struct Output *output, const struct Found *found, const char *connector,
	const struct Explanation *explanation, bool certain)
{
	g_autofree char *words = explanation_words(explanation);
	if (certain)
		output_line(output, STYLE_WARNING, "%s: %s is hidden: %s", connector, found->name,
			words);
	else
		output_error("%s: %s", connector, words);
}

static bool print_text(const struct Found *found, bool certain)
{
	g_autoptr(Output) output = output_new();
	if (!certain)
		output_error("no tool “%s” was seen", found->name);
	for (unsigned i = 0; i < found->tools->len; i++)
		print_tool(output, found->survey, found->tools->pdata[i]);
	for (unsigned i = 0; i < found->refused->len; i++) {
		const struct Refused *refused = found->refused->pdata[i];
		print_connector(output, found, refused->name, &refused->explanation, true);
	}
	for (unsigned i = 0; i < found->unknown->len; i++) {
		const struct SurveyEntry *entry = found->unknown->pdata[i];
		struct Explanation explanation;
		explain_unknown(&explanation, entry);
		print_connector(output, found, entry->connector->name, &explanation, certain);
		explanation_clear(&explanation);
	}
	return output_flush(output);
}

/* OWN is one of mcp-mux's own tools. */
static bool print_own(
	const struct Configuration *configuration, const struct Tool *own, bool as_json)
{
	if (as_json) {
		g_autoptr(GString) out = g_string_new(NULL);
		struct JsonWriter w;
		json_writer_init(&w, out);
		json_begin_object(&w);
		json_member_int(&w, "v", 1);
		json_member_string(&w, "name", own->name);
		json_key(&w, "tools");
		json_begin_array(&w);
		explain_write_own(&w, configuration, own);
		json_end_array(&w);
		json_member_raw(&w, "connectors", SLICE("[]"));
		json_end_object(&w);
		return output_json(out);
	}
	g_autoptr(Output) output = output_new();
	bool on = configuration->config->mux.builtin_tools;
	struct Explanation explanation;
	explain_own(&explanation, configuration);
	g_autofree char *words = explanation_words(&explanation);
	output_line(output, on ? STYLE_GOOD : STYLE_WARNING, "%s is mcp-mux's own: %s", own->name,
		words);
	explanation_clear(&explanation);
	return output_flush(output);
}

/* NAME is none of mcp-mux's own. */
static int explain_name(
	const struct Configuration *configuration, const char *name, bool as_json, GError **error)
{
	/* All are opened: a name may be any connector's. */
	g_autoptr(Survey) survey = survey_run(configuration, NULL, error);
	if (!survey)
		return CLI_FAILED;
	g_autoptr(GPtrArray) tools = g_ptr_array_new();
	g_autoptr(GPtrArray) unknown = g_ptr_array_new();
	g_autoptr(GPtrArray) refused = g_ptr_array_new_with_free_func(refused_free);
	struct Found found = {
		.name = name,
		.configuration = configuration,
		.survey = survey,
		.tools = tools,
		.unknown = unknown,
		.refused = refused,
	};
	find(&found);
	bool certain = is_certain(&found);
	bool done = as_json ? print_json(&found) : print_text(&found, certain);
	config_free(found.all);
	return done && certain ? CLI_DONE : CLI_FAILED;
}

int cli_explain(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	const char *name = options->arguments[0];
	g_autoptr(ToolList) own = survey_own_tools(configuration->config);
	for (unsigned i = 0; i < own->tools->len; i++) {
		const struct Tool *tool = own->tools->pdata[i];
		if (strcmp(tool->name, name) == 0)
			return print_own(configuration, tool, options->json) ? CLI_DONE
									     : CLI_FAILED;
	}
	int status = explain_name(configuration, name, options->json, &error);
	return error ? output_fail(error) : status;
}
