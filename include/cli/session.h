/* What a command needs that talks to servers or to the keyring: the loop on the default main context, HTTP, accounts. */
#ifndef MCP_MUX_CLI_SESSION_H
#define MCP_MUX_CLI_SESSION_H

#include "auth/shared.h"
#include "mux/audit.h"
#include "upstream/upstream.h"

struct Session {
	struct Loop *loop;
	struct HttpClient *http;
	struct EraStore *eras;
	struct AuthShared auth;
	struct UpstreamShared upstream;
	struct Audit *audit; /* sign-ins and what becomes of them are written down by itself */
};

/* MAX_CONNECTIONS: kept open between requests. MAY_PROMPT: the keyring may ask the person to unlock it. CHANGED (may be
 * NULL): the keyring changed. False if HTTP cannot start. SESSION must stay where it is. */
bool session_init(struct Session *session, const struct Config *config, unsigned max_connections,
	bool may_prompt, void (*changed)(void *user), void *user, GError **error);
/* CONFIG, which session_init was given, says something else now: HTTP goes by that. False as above, with nothing changed. */
bool session_reconfigure(struct Session *session, const struct Config *config,
	unsigned max_connections, GError **error);
/* Everything that was made with it must be gone. Also after session_init failed. */
void session_release(struct Session *session);

/* Turns the loop until ENOUGH says so or TIMEOUT_MS (0: no limit) are over; what ENOUGH says then. */
bool session_run_until(struct Session *session, bool (*enough)(const void *user), const void *user,
	unsigned timeout_ms);
/* The same until DONE is true. */
bool session_run(struct Session *session, const bool *done, unsigned timeout_ms);

#endif
