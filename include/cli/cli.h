/* The commands of the program. main.c parses the command line and picks one; each command reads the
 * configuration itself, prints, and returns the exit status. */
#ifndef MCP_MUX_CLI_CLI_H
#define MCP_MUX_CLI_CLI_H

#include <glib.h>
#include <stdbool.h>

/* Exit statuses. */
enum CliStatus {
	CLI_DONE = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2, /* usage or configuration error */
	CLI_SIGN_IN = 3, /* sign-in needed */
};

/* What the command line said. Strings belong to argv. */
struct CliOptions {
	const char *config; /* --config; NULL: not given */
	bool json; /* --json */
	bool no_browser; /* --no-browser */
	bool key_stdin; /* --key-stdin */
	bool follow; /* --follow, and those below: of audit; NULL: not given */
	const char *connector, *tool, *outcome, *since, *until;
	const char *command; /* the command's name, `serve` where none was given */
	const char *const *arguments; /* after the command's name */
	unsigned n_arguments;
};

/* One function for each command; main.c has checked the number of arguments. */
int cli_serve(const struct CliOptions *options);
int cli_status(const struct CliOptions *options);
int cli_tools(const struct CliOptions *options);
int cli_toggle(const struct CliOptions *options); /* enable and disable */
int cli_explain(const struct CliOptions *options);
int cli_doctor(const struct CliOptions *options);
int cli_connect(const struct CliOptions *options);
int cli_disconnect(const struct CliOptions *options);
int cli_audit(const struct CliOptions *options);
int cli_diff(const struct CliOptions *options);
int cli_approve(const struct CliOptions *options);
int cli_version(void);

#endif
