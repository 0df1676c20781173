/* One look at the upstreams, for the commands that show them: opens those that can be opened, waits
 * until every one has answered or failed or list_timeout is over, and closes them again. */
#ifndef MCP_MUX_CLI_SURVEY_H
#define MCP_MUX_CLI_SURVEY_H

#include "base/cleanup.h"
#include "cli/configuration.h"
#include "mux/catalog.h"

enum SurveyState {
	SURVEY_CONNECTED,
	SURVEY_SIGNED_OUT,
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
	bool tools_known;
	unsigned exposed, allowed, offered; /* numbers of tools; 0 where they are not known */
	size_t exposed_bytes; /* of the exposed tools' definitions */
};

struct Survey {
	GPtrArray *entries; /* struct SurveyEntry, in the order of the configuration */
	struct Catalog *catalog;
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

/* One line for each pattern of an allow-list that lets a possibly destructive tool through:
 * char *, g_free'd with the array. */
GPtrArray *survey_warnings(const struct Survey *survey);

#endif
