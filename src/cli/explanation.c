/* The words for the one rule that shows or hides a tool. What a rule is comes from mux/policy and the catalog; here it
 * only gets its words and, where it is a setting, its line. */
#include "cli/explain.h"

#include "cli/limits.h"
#include "mux/names.h"

void explanation_clear(struct Explanation *explanation)
{
	g_free(explanation->text);
	*explanation = (struct Explanation){0};
}

char *explanation_words(const struct Explanation *explanation)
{
	const struct Place *place = &explanation->place;
	if (!place->file)
		return g_strdup(explanation->text);
	return g_strdup_printf("%s (%s:%u)", explanation->text, place->file, place->line);
}

/* ---- settings ---- */

const struct IniEntry *explain_find_entry(
	const struct IniFile *ini, const char *section, const char *key)
{
	for (unsigned i = 0; i < ini->entries->len; i++) {
		const struct IniEntry *entry = ini->entries->pdata[i];
		if (strcmp(entry->section, section) == 0 && strcmp(entry->key, key) == 0)
			return entry;
	}
	return NULL;
}

/* Where a file says KEY = VALUE in [mux]; FILE of the place is PATH. */
static bool find_setting(const char *path, const char *text, size_t len, const char *key,
	const char *value, struct Place *place)
{
	g_autoptr(IniFile) ini = text ? ini_read(path, (struct Slice){text, len}, NULL) : NULL;
	const struct IniEntry *entry = ini ? explain_find_entry(ini, "mux", key) : NULL;
	if (!entry || strcmp(entry->value, value) != 0)
		return false;
	*place = (struct Place){path, entry->line};
	return true;
}

/* The line that makes KEY have VALUE, which it has: the administrator's where it says so. No file: it is the default. */
static struct Place place_of_setting(
	const struct Configuration *configuration, const char *key, const char *value)
{
	struct Place place = {0};
	if (!find_setting(configuration->admin_path, configuration->admin_text,
		    configuration->admin_len, key, value, &place))
		find_setting(configuration->user_path, configuration->user_text,
			configuration->user_len, key, value, &place);
	return place;
}

/* ---- rules ---- */

static void explain_hidden_by_list(
	struct Explanation *explanation, const struct ConnectorConfig *connector)
{
	explanation->verdict = "not_allowed";
	explanation->text = connector->allowed[ALLOW_TOOLS].set
				    ? g_strdup("no entry of allowed_tools admits it")
				    : g_strdup("the administrator's section has no allowed_tools");
}

static void explain_changed(struct Explanation *explanation, const struct Survey *survey,
	const struct CatalogEntry *tool)
{
	g_autofree char *name = survey_tool_name(survey, tool);
	explanation->verdict = "pin_changed";
	explanation->rule = "pin_tools = block";
	explanation->place = place_of_setting(survey->configuration, "pin_tools", "block");
	explanation->text = g_strdup_printf(
		"its definition changed since it was approved, and pin_tools = block: mcp-mux diff "
		"%s shows how, mcp-mux approve %s accepts it",
		name, name);
}

void explain_tool(struct Explanation *explanation, const struct Survey *survey,
	const struct CatalogEntry *tool)
{
	const struct Decision *decision = &tool->decision;
	const char *rule = decision->rule;
	*explanation = (struct Explanation){.rule = rule, .place = decision->place};
	switch (decision->verdict) {
	case VERDICT_EXPOSED:
		explanation->verdict = "exposed";
		explanation->text = rule ? g_strdup_printf("admitted by “%s”", rule)
					 : g_strdup("no rule leaves it out (default: every tool)");
		if (!rule)
			explanation->place = (struct Place){0};
		break;
	case VERDICT_NOT_ALLOWED:
		explain_hidden_by_list(explanation, tool->connector);
		break;
	case VERDICT_NARROWED:
		explanation->verdict = "narrowed";
		explanation->text = g_strdup("your own allowed_tools leaves it out");
		break;
	case VERDICT_TOGGLED_OFF:
		explanation->verdict = "toggled_off";
		explanation->text = g_strdup_printf("switched off by “%s”", rule);
		break;
	case VERDICT_INVALID:
		explanation->verdict = "invalid";
		explanation->place = (struct Place){0};
		explanation->text =
			g_strdup_printf("its definition cannot be shown: %s", tool->tool->invalid);
		break;
	case VERDICT_PIN_CHANGED:
		explain_changed(explanation, survey, tool);
		break;
	}
}

bool explain_unknown(struct Explanation *explanation, const struct SurveyEntry *entry)
{
	const struct ConnectorConfig *connector = entry->connector;
	*explanation = (struct Explanation){0};
	if (entry->state == SURVEY_DISABLED) {
		explanation->verdict = "connector_off";
		explanation->rule = "enabled = off";
		explanation->place = connector->enabled_place;
		explanation->text = g_strdup("the connector is switched off by “enabled = off”");
		return true;
	}
	if (entry->state == SURVEY_SIGNED_OUT && !entry->expired) {
		explanation->verdict = "signed_out";
		explanation->text = g_strdup_printf(
			"nobody has signed in to it: mcp-mux connect %s signs you in",
			connector->name);
		return true;
	}
	if (entry->state == SURVEY_SIGNED_OUT) {
		explanation->verdict = "sign_in_expired";
		explanation->text = g_strdup_printf(
			"its sign-in has ended: mcp-mux connect %s renews it (a server that runs "
			"goes on listing its tools, and a call asks for the sign-in)",
			connector->name);
		return false;
	}
	explanation->verdict = "unavailable";
	explanation->text = g_strdup_printf("its tools are not known: %s",
		entry->error ? entry->error->message : "it did not list any");
	return false;
}

void explain_own(struct Explanation *explanation, const struct Configuration *configuration)
{
	bool on = configuration->config->mux.builtin_tools;
	*explanation = (struct Explanation){
		.verdict = on ? "exposed" : "builtin_off",
		.rule = on ? "builtin_tools = on" : "builtin_tools = off",
		.place = place_of_setting(configuration, "builtin_tools", on ? "on" : "off"),
	};
	explanation->text = on ? g_strdup("exposed by “builtin_tools = on”")
			       : g_strdup("hidden by “builtin_tools = off”");
	if (!explanation->place.file) {
		g_free(explanation->text);
		explanation->text = g_strdup("exposed by “builtin_tools = on”, the default");
	}
}

static bool is_legal(const char *name)
{
	return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") ==
	       strlen(name);
}

static char *plain_name(const struct Survey *survey, const struct CatalogEntry *tool)
{
	const struct MuxConfig *mux = &survey->configuration->config->mux;
	return g_strconcat(tool->connector->prefix, tool->connector->native ? "" : mux->separator,
		tool->own, NULL);
}

static bool is_own(const struct MuxConfig *mux, const char *name)
{
	return g_str_has_prefix(name, NAMES_OWN_PREFIX) &&
	       g_str_has_prefix(name + strlen(NAMES_OWN_PREFIX), mux->separator);
}

/* That another tool would have the name PLAIN, too; for g_free. */
static char *collision_words(const struct Survey *survey, const char *plain)
{
	const struct CatalogEntry *rival = catalog_find(survey->catalog, plain);
	if (!rival)
		rival = catalog_find_blocked(survey->catalog, plain);
	/* Of two that are not native neither has it. */
	return rival ? g_strdup_printf("is the name of a tool of %s", rival->connector->name)
		     : g_strdup("would be the name of another tool, too");
}

char *explain_alias(const struct Survey *survey, const struct CatalogEntry *tool)
{
	const struct MuxConfig *mux = &survey->configuration->config->mux;
	if (!tool->exposed || !tool->aliased)
		return NULL;
	g_autofree char *plain = plain_name(survey, tool);
	g_autofree char *why = NULL;
	if (!is_legal(plain))
		return g_strdup_printf("its own name is %s, which holds other characters than "
				       "letters, digits, _ and -",
			tool->own);
	if (!tool->connector->native && strlen(plain) > mux->max_tool_name)
		why = g_strdup_printf("has %zu characters where max_tool_name is %u", strlen(plain),
			mux->max_tool_name);
	else if (is_own(mux, plain))
		why = g_strdup("would look like one of mcp-mux's own");
	else
		why = collision_words(survey, plain);
	return g_strdup_printf("its own name is %s, and %s %s", tool->own, plain, why);
}

/* ---- as JSON ---- */

void explain_write_text(struct JsonWriter *w, const char *key, const char *text)
{
	json_key(w, key);
	if (text)
		json_cstring(w, text);
	else
		json_null(w);
}

void explain_write_texts(struct JsonWriter *w, const char *key, const GPtrArray *lines)
{
	json_key(w, key);
	json_begin_array(w);
	for (unsigned i = 0; i < lines->len; i++)
		json_cstring(w, lines->pdata[i]);
	json_end_array(w);
}

void explain_write(struct JsonWriter *w, const struct Explanation *explanation)
{
	json_member_string(w, "verdict", explanation->verdict);
	json_member_string(w, "reason", explanation->text);
	explain_write_text(w, "rule", explanation->rule);
	explain_write_text(w, "file", explanation->place.file);
	json_key(w, "line");
	if (explanation->place.file)
		json_int(w, explanation->place.line);
	else
		json_null(w);
}

/* What a definition is and costs. */
static void write_traits(struct JsonWriter *w, const struct Tool *tool, size_t bytes)
{
	json_member_bool(w, "read_only", tool->read_only);
	json_member_bool(w, "destructive", tool->destructive);
	json_member_int(w, "bytes", (int64_t)bytes);
	json_member_int(w, "tokens", (int64_t)limits_tokens(bytes));
}

static const char *pin_word(enum PinState pin)
{
	switch (pin) {
	case PIN_STATE_APPROVED:
		return "approved";
	case PIN_STATE_CHANGED:
		return "changed";
	case PIN_STATE_NONE:
		break;
	}
	return NULL;
}

void explain_write_tool(
	struct JsonWriter *w, const struct Survey *survey, const struct CatalogEntry *tool)
{
	const struct Decision *decision = &tool->decision;
	/* Whether the user's own file leaves it on. */
	bool enabled = decision->allowed && decision->verdict != VERDICT_NARROWED &&
		       decision->verdict != VERDICT_TOGGLED_OFF;
	struct Explanation explanation;
	explain_tool(&explanation, survey, tool);
	json_begin_object(w);
	explain_write_text(w, "exposed", tool->exposed);
	json_member_string(w, "upstream", tool->own);
	json_member_string(w, "connector", tool->connector->name);
	json_member_bool(w, "allowed", decision->allowed);
	json_member_bool(w, "enabled", enabled);
	explain_write_text(w, "pin", pin_word(tool->pin));
	explain_write(w, &explanation);
	g_autofree char *alias = explain_alias(survey, tool);
	explain_write_text(w, "alias", alias);
	write_traits(w, tool->tool, survey_tool_bytes(tool));
	json_end_object(w);
	explanation_clear(&explanation);
}

void explain_write_own(
	struct JsonWriter *w, const struct Configuration *configuration, const struct Tool *own)
{
	bool on = configuration->config->mux.builtin_tools;
	struct Explanation explanation;
	explain_own(&explanation, configuration);
	json_begin_object(w);
	explain_write_text(w, "exposed", on ? own->name : NULL);
	json_member_string(w, "upstream", own->name);
	explain_write_text(w, "connector", NULL);
	json_member_bool(w, "allowed", true);
	json_member_bool(w, "enabled", on);
	explain_write_text(w, "pin", NULL);
	explain_write(w, &explanation);
	explain_write_text(w, "alias", NULL);
	write_traits(w, own, on ? own->raw.len : 0);
	json_end_object(w);
	explanation_clear(&explanation);
}
