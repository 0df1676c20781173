/* How a tool's definition stands to the one that was approved, for `diff` and `approve`. */
#ifndef MCP_MUX_CLI_DIFF_H
#define MCP_MUX_CLI_DIFF_H

#include "cli/output.h"
#include "cli/survey.h"

struct Change {
	struct Configuration *configuration;
	struct Survey *survey;
	const struct CatalogEntry *tool;
	char *name; /* by which a person can speak of it */
	enum PinState state;
	char *approved; /* when, RFC 3339; NULL: never */
	bool kept; /* the text that was approved is known */
	GPtrArray *lines; /* definition_diff; of everything as new where nothing was kept */
};

/* Looks at the tool that the command line names. False with the exit status after an error was said: then CHANGE is to be
 * released all the same. Runs the default main context. */
bool change_find(struct Change *change, const struct CliOptions *options, int *status);
void change_release(struct Change *change);

/* The lines that say what is compared, and those of the difference. */
void change_print(const struct Change *change, struct Output *output);

#endif
