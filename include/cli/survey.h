/* One look at the upstreams, for the commands that show them: opens those that can be opened, waits
 * until every one has answered or failed or list_timeout is over, and closes them again. */
#ifndef MCP_MUX_CLI_SURVEY_H
#define MCP_MUX_CLI_SURVEY_H

#include "base/cleanup.h"
#include "cli/configuration.h"
#include "mux/catalog.h"

enum SurveyState {
	SURVEY_CONNECTED,
	SURVEY_SIGNED_OUT, /* never signed in, or no longer */
	SURVEY_FAILED,
	SURVEY_DISABLED, /* enabled = off */
};

/* What was seen of one connector. */
struct SurveyEntry {
	const struct ConnectorConfig *connector;
	enum SurveyState state;
	GError *error; /* why not connected, or why its tools are not known; NULL: nothing wrong */
	char *revision; /* negotiated; NULL where it did not get so far */
	char *account; /* of the sign-in; NULL: not known */
	char *scope; /* granted; NULL: not known */
	int64_t expires_at; /* of the access token, Unix seconds; 0: not known */
	bool renewable; /* without a person */
	bool expired; /* of SIGNED_OUT: there was a sign-in, so servers that run go on listing the tools */
	bool tools_known;
	unsigned exposed, allowed, offered; /* numbers of tools; 0 where they are not known */
	size_t exposed_bytes; /* of the exposed tools' definitions, as the IDE gets them */
	unsigned not_read_only; /* of the exposed tools */
	unsigned changed; /* tools that are not as they were approved, hidden or not */
};

struct Survey {
	const struct Configuration *configuration;
	GPtrArray *entries; /* struct SurveyEntry, in the order of the configuration */
	struct Catalog *catalog;
	struct Pins *pins; /* which only look; CATALOG's */
	struct ToolList *own; /* mcp-mux's own tools, also where builtin_tools = off */
};

/* Looks at all connectors of CONFIGURATION, or at ONLY (one of its own) where that is not NULL.
 * CONFIGURATION outlives the survey. NULL if HTTP cannot start. Runs the default main context. */
struct Survey *survey_run(const struct Configuration *configuration,
	const struct ConnectorConfig *only, GError **error);
void survey_free(struct Survey *survey);
MUX_AUTOPTR(Survey, survey_free)

/* `connected`, `signed_out`, `failed` or `disabled`. */
const char *survey_state_name(enum SurveyState state);

/* A line that tells what ENTRY's user can do about its state, NULL where there is nothing to do.
 * For g_free. */
char *survey_advice(const struct SurveyEntry *entry);

/* Adds to FOUND the tools (const struct CatalogEntry *, valid as long as SURVEY) that a person could call NAME: by the name
 * under which they are exposed, or would be if they had not changed; by the name that they would have under their prefix;
 * by their own. */
void survey_find(
	const struct Survey *survey, const char *separator, const char *name, GPtrArray *found);

/* The name by which a person can speak of TOOL: as it is exposed, else as it would be by the simple rule. For g_free. */
char *survey_tool_name(const struct Survey *survey, const struct CatalogEntry *tool);

/* Bytes of TOOL's definition as the IDE gets it; 0 where it is not exposed. */
size_t survey_tool_bytes(const struct CatalogEntry *tool);

/* The definitions of mcp-mux's own tools under CONFIG, whether or not its builtin_tools wants them; for tool_list_unref. */
struct ToolList *survey_own_tools(const struct Config *config);
/* Of these, what the IDE gets: how many, and their bytes. Zeros where builtin_tools = off. */
void survey_own(const struct Survey *survey, unsigned *tools, size_t *bytes);

/* What a person should look at of ONLY (NULL: of all connectors): one line for each pattern of an allow-list that lets
 * possibly destructive tools through, and for each connector with tools that changed since they were approved. char *,
 * g_free'd with the array. */
GPtrArray *survey_warnings(const struct Survey *survey, const struct ConnectorConfig *only);

/* What the list of ONLY's tools runs into with well-known IDEs (cli/limits.h); of NULL: of all tools, mcp-mux's own among
 * them. char *, g_free'd with the array. */
GPtrArray *survey_limits(const struct Survey *survey, const struct ConnectorConfig *only);

#endif
