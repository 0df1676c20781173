/* Opens upstreams once, to be looked at.
 *
 * What comes from them (revisions, errors, tool definitions) is a peer's text and is shown through
 * output.c alone. The survey owns the catalog and what it notes in its entries; loop, HTTP client
 * and upstreams live only while survey_run does, since the catalog keeps references to the lists.
 *
 * The default main context is turned until every upstream is settled or the deadline has passed. Then
 * the results are noted, sessions are given a moment to be deleted, and everything is closed. */
#include "cli/survey.h"

#include "base/error.h"
#include "cli/limits.h"
#include "cli/session.h"
#include "mux/builtin.h"
#include "mux/names.h"

enum {
	FAREWELL_MS = 1000, /* for sessions to be deleted */
	SPARE_CONNECTIONS = 8,
};

struct Run {
	struct Session session;
	GPtrArray *upstreams; /* struct Upstream, NULL where the entry is not opened */
};

/* What changed is read once everything is settled. */
static void on_change(struct Upstream *upstream, void *user)
{
	(void)upstream;
	(void)user;
}

static const struct UpstreamHandlers handlers = {.state = on_change, .tools = on_change};

static void entry_free(void *data)
{
	struct SurveyEntry *entry = data;
	g_clear_error(&entry->error);
	g_free(entry->revision);
	g_free(entry->account);
	g_free(entry->scope);
	g_free(entry);
}

static bool run_init(struct Run *run, const struct Config *config, GError **error)
{
	if (!session_init(&run->session, config, config->connectors->len + SPARE_CONNECTIONS, false,
		    NULL, NULL, error)) {
		session_release(&run->session);
		return false;
	}
	run->upstreams = g_ptr_array_new();
	return true;
}

static void run_release(struct Run *run)
{
	for (unsigned i = 0; i < run->upstreams->len; i++)
		upstream_free(run->upstreams->pdata[i]);
	g_ptr_array_unref(run->upstreams);
	session_release(&run->session);
}

static bool all_settled(const void *user)
{
	const struct Run *run = user;
	bool all = true;
	for (unsigned i = 0; i < run->upstreams->len && all; i++)
		all = !run->upstreams->pdata[i] || upstream_is_settled(run->upstreams->pdata[i]);
	return all;
}

static bool all_quiet(const void *user)
{
	const struct Run *run = user;
	bool all = true;
	for (unsigned i = 0; i < run->upstreams->len && all; i++)
		all = !run->upstreams->pdata[i] || upstream_is_quiet(run->upstreams->pdata[i]);
	return all;
}

static void open_all(struct Run *run, const struct Survey *survey)
{
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		struct Upstream *upstream = NULL;
		if (entry->state == SURVEY_FAILED) {
			upstream = upstream_new(
				&run->session.upstream, entry->connector, &handlers, run);
			upstream_open(upstream, ERA_MODERN);
		}
		g_ptr_array_add(run->upstreams, upstream);
	}
}

/* The state before anything is opened; FAILED stands for those that are to be tried. */
static enum SurveyState state_at_first(const struct ConnectorConfig *connector)
{
	return connector->enabled ? SURVEY_FAILED : SURVEY_DISABLED;
}

static void note_account(struct SurveyEntry *entry, const struct Credential *credential)
{
	const struct TokenRecord *record = credential ? credential_record(credential) : NULL;
	if (!record)
		return;
	entry->account = g_strdup(record->account);
	entry->scope = g_strdup(record->scope_granted);
	entry->expires_at = record->expires_at;
	entry->renewable = credential_is_renewable(entry->connector, record);
}

static void note_upstream(
	struct SurveyEntry *entry, struct Upstream *upstream, const struct MuxConfig *mux)
{
	const GError *error = upstream_error(upstream);
	enum UpstreamState state = upstream_state(upstream);
	entry->revision = g_strdup(upstream_revision(upstream));
	note_account(entry, upstream_credential(upstream));
	if (state == UPSTREAM_READY)
		entry->state = SURVEY_CONNECTED;
	else if (state == UPSTREAM_SIGNED_OUT)
		entry->state = SURVEY_SIGNED_OUT;
	struct Credential *credential = upstream_credential(upstream);
	bool never = credential && credential_state(credential) == CREDENTIAL_NONE;
	entry->expired = credential && credential_state(credential) == CREDENTIAL_EXPIRED;
	if (error && !(state == UPSTREAM_SIGNED_OUT && never))
		entry->error = g_error_copy(error);
	else if (!error && !upstream_is_settled(upstream))
		entry->error = g_error_new(MUX_ERROR, MUX_ERROR_TIMEOUT,
			"no complete answer within %g s (list_timeout)",
			mux->list_timeout_ms / 1000.0);
}

size_t survey_tool_bytes(const struct CatalogEntry *tool)
{
	struct JsonMember member;
	if (!tool->exposed)
		return 0;
	size_t bytes = strlen("{}");
	JSON_FOR_EACH_MEMBER (member, tool->raw) {
		bool is_name = json_string_is(member.key, SLICE("name"));
		bytes += member.key.len + strlen(":,");
		bytes += is_name ? strlen(tool->raw_exposed) : member.value.raw.len;
	}
	return bytes - strlen(","); /* it has a name, so there was a member */
}

struct ToolList *survey_own_tools(const struct Config *config)
{
	g_autoptr(GString) text = g_string_new("{\"tools\":[");
	builtin_render(config->mux.separator, text);
	g_string_append(text, "]}");
	g_autoptr(GBytes) page = g_bytes_new(text->str, text->len);
	struct Slice result = {g_bytes_get_data(page, NULL), text->len}, cursor;
	struct ToolList *own = tool_list_new();
	unsigned skipped = 0;
	if (!tool_list_add_page(own, page, result, false, &cursor, &skipped, NULL) || skipped)
		g_error("mcp-mux's own tools are no list of tools");
	return own;
}

void survey_own(const struct Survey *survey, unsigned *tools, size_t *bytes)
{
	*tools = 0;
	*bytes = 0;
	if (!survey->configuration->config->mux.builtin_tools)
		return;
	for (unsigned i = 0; i < survey->own->tools->len; i++) {
		const struct Tool *tool = survey->own->tools->pdata[i];
		*tools += 1;
		*bytes += tool->raw.len;
	}
}

/* Numbers of tools, once the catalog has those of every connector (names may collide). */
static void note_counts(const struct Survey *survey)
{
	const GPtrArray *tools = catalog_entries(survey->catalog);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		struct SurveyEntry *entry = survey->entries->pdata[i];
		entry->tools_known = catalog_count(
			survey->catalog, entry->connector, &entry->exposed, &entry->allowed);
		for (unsigned j = 0; j < tools->len; j++) {
			const struct CatalogEntry *tool = tools->pdata[j];
			if (tool->connector != entry->connector)
				continue;
			entry->offered++;
			entry->exposed_bytes += survey_tool_bytes(tool);
			entry->not_read_only += tool->exposed && !tool->tool->read_only;
			entry->changed += tool->pin == PIN_STATE_CHANGED;
		}
	}
}

struct Survey *survey_run(const struct Configuration *configuration,
	const struct ConnectorConfig *only, GError **error)
{
	const struct Config *config = configuration->config;
	struct Run run;
	if (!run_init(&run, config, error))
		return NULL;

	struct Survey *survey = g_new0(struct Survey, 1);
	survey->configuration = configuration;
	survey->own = survey_own_tools(config);
	survey->entries = g_ptr_array_new_with_free_func(entry_free);
	survey->catalog = catalog_new(config, MCP_TOOLS);
	survey->pins = pins_new(&config->mux, false);
	catalog_set_pins(survey->catalog, survey->pins);
	for (unsigned i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (only && connector != only)
			continue;
		struct SurveyEntry *entry = g_new0(struct SurveyEntry, 1);
		entry->connector = connector;
		entry->state = state_at_first(connector);
		g_ptr_array_add(survey->entries, entry);
	}

	open_all(&run, survey);
	session_run_until(&run.session, all_settled, &run, config->mux.list_timeout_ms);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		struct Upstream *upstream = run.upstreams->pdata[i];
		struct SurveyEntry *entry = survey->entries->pdata[i];
		if (!upstream)
			continue;
		note_upstream(entry, upstream, &config->mux);
		catalog_set(survey->catalog, entry->connector, upstream_tools(upstream));
		upstream_shutdown(upstream);
	}
	note_counts(survey);
	session_run_until(&run.session, all_quiet, &run, FAREWELL_MS);
	run_release(&run);
	return survey;
}

void survey_free(struct Survey *survey)
{
	if (!survey)
		return;
	g_ptr_array_unref(survey->entries);
	catalog_free(survey->catalog);
	pins_free(survey->pins);
	tool_list_unref(survey->own);
	g_free(survey);
}

const char *survey_state_name(enum SurveyState state)
{
	static const char *const names[] = {
		[SURVEY_CONNECTED] = "connected",
		[SURVEY_SIGNED_OUT] = "signed_out",
		[SURVEY_FAILED] = "failed",
		[SURVEY_DISABLED] = "disabled",
	};
	return names[state];
}

static const char *advice_for_error(const GError *error)
{
	if (error->domain != MUX_ERROR)
		return NULL;
	switch ((enum MuxError)error->code) {
	case MUX_ERROR_UNREACHABLE:
		return "check `url` and that this machine can reach it; see `proxy` and `ca_file`";
	case MUX_ERROR_TIMEOUT:
		return "the server is slow or silent; see `list_timeout` and `connect_timeout`";
	case MUX_ERROR_BROKEN:
		return "the server or something before it cut the connection; try again";
	case MUX_ERROR_FORBIDDEN:
		return "the server knows you but refuses; ask whoever runs it";
	case MUX_ERROR_BUSY:
		return "the server is overloaded; try again later";
	case MUX_ERROR_UPSTREAM:
	case MUX_ERROR_SYNTAX:
		return "what answers there is no MCP server that mcp-mux understands; check `url`";
	case MUX_ERROR_TOO_LARGE:
		return "the answer is over `max_message`";
	case MUX_ERROR_KEYRING:
		return "sign-ins are kept in the keyring: see that its service runs in this "
		       "session";
	case MUX_ERROR_LOCKED:
		return "unlock the keyring; mcp-mux connect NAME asks for its password";
	case MUX_ERROR_FAILED:
	case MUX_ERROR_CONFIG:
	case MUX_ERROR_USAGE:
	case MUX_ERROR_IO:
	case MUX_ERROR_CANCELLED:
	case MUX_ERROR_SCOPE:
	case MUX_ERROR_SIGN_IN:
		break;
	}
	return NULL;
}

char *survey_advice(const struct SurveyEntry *entry)
{
	switch (entry->state) {
	case SURVEY_SIGNED_OUT:
		return g_strdup_printf("mcp-mux connect %s", entry->connector->name);
	case SURVEY_DISABLED:
		return g_strdup_printf("enabled = off (%s:%u)",
			entry->connector->enabled_place.file ? entry->connector->enabled_place.file
							     : "default",
			entry->connector->enabled_place.line);
	case SURVEY_CONNECTED:
	case SURVEY_FAILED:
		break;
	}
	return entry->error ? g_strdup(advice_for_error(entry->error)) : NULL;
}

/* Whether TOOL, which is hidden, would be exposed as NAME if there were no other tools. */
static bool would_be_called(
	const struct Survey *survey, const struct CatalogEntry *tool, const char *name)
{
	struct ExposedName alone = {.connector = tool->connector, .upstream = tool->own};
	names_assign(&survey->configuration->config->mux, &alone, 1);
	bool same = strcmp(alone.exposed, name) == 0;
	g_free(alone.exposed);
	return same;
}

static bool is_called(const struct CatalogEntry *tool, const char *separator, const char *name)
{
	if (tool->exposed && strcmp(tool->exposed, name) == 0)
		return true;
	if (strcmp(tool->own, name) == 0)
		return true;
	g_autofree char *full = g_strconcat(tool->connector->prefix, separator, tool->own, NULL);
	return !tool->connector->native && strcmp(full, name) == 0;
}

void survey_find(
	const struct Survey *survey, const char *separator, const char *name, GPtrArray *found)
{
	const GPtrArray *tools = catalog_entries(survey->catalog);
	const struct CatalogEntry *blocked = catalog_find_blocked(survey->catalog, name);
	for (unsigned i = 0; i < tools->len; i++) {
		struct CatalogEntry *tool = tools->pdata[i];
		if (tool == blocked || is_called(tool, separator, name) ||
			(!tool->exposed && would_be_called(survey, tool, name)))
			g_ptr_array_add(found, tool);
	}
}

static void warn_of_patterns(
	GPtrArray *lines, const struct Survey *survey, const struct ConnectorConfig *only)
{
	const GPtrArray *tools = catalog_entries(survey->catalog);
	/* Tools come connector by connector; one line for each pattern, with the first tool as the
	 * example. The pattern's place tells patterns apart. */
	g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		const struct Decision *decision = &tool->decision;
		if (!decision->risky || !tool->exposed || (only && tool->connector != only))
			continue;
		const char *rule = decision->rule ? decision->rule : "";
		g_autofree char *key = g_strdup_printf("%s\n%s\n%s:%u", tool->connector->name, rule,
			decision->place.file ? decision->place.file : "", decision->place.line);
		if (!g_hash_table_add(seen, g_steal_pointer(&key)))
			continue;
		g_autofree char *where = decision->place.file
						 ? g_strdup_printf(" (%s:%u)", decision->place.file,
							   decision->place.line)
						 : g_strdup(" (the default)");
		g_ptr_array_add(
			lines, g_strdup_printf("%s: %s%s lets through tools that may be "
					       "destructive, %s among them",
				       tool->connector->name, *rule ? rule : "no list of tools",
				       where, tool->tool->name));
	}
}

char *survey_tool_name(const struct Survey *survey, const struct CatalogEntry *tool)
{
	const struct MuxConfig *mux = &survey->configuration->config->mux;
	if (tool->exposed || tool->connector->native)
		return g_strdup(tool->exposed ? tool->exposed : tool->own);
	return g_strconcat(tool->connector->prefix, mux->separator, tool->own, NULL);
}

static void warn_of_changes(
	GPtrArray *lines, const struct Survey *survey, const struct SurveyEntry *entry)
{
	const GPtrArray *tools = catalog_entries(survey->catalog);
	bool blocked = survey->configuration->config->mux.pin_tools == PIN_BLOCK;
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (tool->connector != entry->connector || tool->pin != PIN_STATE_CHANGED)
			continue;
		g_autofree char *name = survey_tool_name(survey, tool);
		g_ptr_array_add(lines,
			g_strdup_printf("%s: %u tool%s changed since %s approved%s: see mcp-mux "
					"diff %s, and mcp-mux approve %s%s",
				entry->connector->name, entry->changed,
				entry->changed == 1 ? "" : "s",
				entry->changed == 1 ? "it was" : "they were",
				!blocked              ? ""
				: entry->changed == 1 ? ", and is held back"
						      : ", and are held back",
				name, name, entry->changed > 1 ? " (the first of them)" : ""));
		return;
	}
}

GPtrArray *survey_warnings(const struct Survey *survey, const struct ConnectorConfig *only)
{
	GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		if (entry->changed > 0 && (!only || entry->connector == only))
			warn_of_changes(lines, survey, entry);
	}
	warn_of_patterns(lines, survey, only);
	return lines;
}

GPtrArray *survey_limits(const struct Survey *survey, const struct ConnectorConfig *only)
{
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	const GPtrArray *tools = catalog_entries(survey->catalog);
	unsigned own = 0;
	size_t bytes = 0;
	if (!only)
		survey_own(survey, &own, &bytes);
	for (unsigned i = 0; i < own; i++) {
		const struct Tool *tool = survey->own->tools->pdata[i];
		g_ptr_array_add(names, tool->name);
	}
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		if (!tool->exposed || (only && tool->connector != only))
			continue;
		g_ptr_array_add(names, tool->exposed);
		bytes += survey_tool_bytes(tool);
	}
	return limits_warnings(names, bytes);
}
