/* The middle of the program: takes the IDE's messages, knows which upstream each belongs to, and gives
 * the answers back under the IDE's ids. Speaks both eras of MCP to the IDE on the same process (MCP
 * 2026-07-28, "Backward Compatibility with Initialization-Based Versions"). */
#ifndef MCP_MUX_MUX_ROUTER_H
#define MCP_MUX_MUX_ROUTER_H

#include "format/config.h"
#include "mux/audit.h"
#include "mux/pins.h"
#include "net/stdio.h"
#include "upstream/upstream.h"

struct Router;

struct RouterOptions {
	const struct Config *config; /* all of these outlive the router */
	struct UpstreamShared upstream;
	struct OutQueue *out;
	size_t output_bytes; /* the queue's high watermark */
	const char *config_path; /* of the user's file, for telling where to write */
	/* Reading of stdin should stop (true), since more requests wait than is good even in passing, or may go
	 * on. Called from router_line and from the loop. */
	void (*pressure)(bool high, void *user);
	void *user;
	struct Audit *audit; /* NULL: there is none */
	struct Pins *pins; /* NULL: there are none */
};

struct Router *router_new(const struct RouterOptions *options);
void router_free(struct Router *router);

/* One line of the IDE, which may be changed in place. */
void router_line(struct Router *router, char *bytes, size_t len);
/* A line over max_message came and was skipped; HEAD is how it began. */
void router_overlong(struct Router *router, struct Slice head);

/* The IDE does not read (true) what was answered, or reads again: requests wait meanwhile. */
void router_set_output_pressure(struct Router *router, bool high);

/* The keyring changed, or another process says so: credentials are read again. */
void router_reread_credentials(struct Router *router);

/* The configuration is another one since a moment ago (config_adopt): connectors that are new open, those in GONE (taken over)
 * and those that were switched off end: their calls are cancelled, their sessions deleted. Lists are made anew, and the IDE is
 * told of what changed. */
void router_reconfigure(struct Router *router, GPtrArray *gone);
/* Files of pins were written by another process. */
void router_reread_pins(struct Router *router);

/* The IDE is gone or wants us gone: subscriptions are ended, calls in flight cancelled upstream, sessions
 * deleted. router_is_quiet says when that has been sent. */
void router_shutdown(struct Router *router);
bool router_is_quiet(const struct Router *router);

#endif
