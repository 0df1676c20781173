/* A server that follows its configuration: edits of either file take effect while it runs. */
#ifndef MCP_MUX_CLI_LIVE_H
#define MCP_MUX_CLI_LIVE_H

#include "base/file_watch.h"
#include "cli/configuration.h"
#include "mux/audit.h"
#include "net/loop.h"

struct Live;

struct LiveHandlers {
	/* The files say something else now, and it can be used: FRESH (taken over) is the new configuration, for this user. */
	void (*edited)(struct Configuration *fresh, void *user);
	/* A file of pins was written. */
	void (*pins)(void *user);
};

/* Adds both files of CONFIGURATION and the pins to WATCH; CONFIGURATION, which `edited` brings up to date, and OPTIONS, with
 * which it was found, outlive it. What was edited since it was read counts, too. An edit that cannot be used changes nothing,
 * and is said in the log once; but an administrator's does not wait for the user's file to be mended. Handlers are
 * called from the loop. */
struct Live *live_new(struct Loop *loop, struct FileWatch *watch, const struct CliOptions *options,
	const struct Configuration *configuration, const struct LiveHandlers *handlers, void *user);
/* WATCH must be freed, too, before the loop turns. NULL is fine. */
void live_free(struct Live *live);
MUX_AUTOPTR(Live, live_free)

/* The lines of the user's file that have no effect become warnings in the log; without those that KNOWN (may be NULL) has, on
 * whatever line. */
void live_log_notes(const struct Config *config, const struct Config *known);

/* Writes down what FRESH changes of what may be used: one line for each connector that is added, removed or changed, with the
 * keys and toggles in question, and one for the settings. */
void live_audit_changes(
	struct Audit *audit, const struct Config *current, const struct Config *fresh);

#endif
