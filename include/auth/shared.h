/* What everything about accounts shares in a process; outlives all of it. */
#ifndef MCP_MUX_AUTH_SHARED_H
#define MCP_MUX_AUTH_SHARED_H

#include "auth/keyring.h"
#include "format/config.h"
#include "net/http.h"

/* What an account's history consists of. */
enum AuthEvent {
	AUTH_SIGN_IN, /* a sign-in, of a person or without one, was stored or did not succeed */
	AUTH_SIGN_OUT, /* everything of a connector was forgotten, or some of it may be left */
	AUTH_REFRESH, /* a token could not be renewed */
};

struct AuthShared {
	struct Loop *loop;
	struct HttpClient *http;
	struct Keyring *keyring;
	const struct MuxConfig *mux;
	/* Told of each event, once, with the ERROR that it ended with (NULL: none); may be NULL. Starts and frees nothing of
	 * what tells it. */
	void (*happened)(enum AuthEvent event, const struct ConnectorConfig *connector,
		const GError *error, void *user);
	void *happened_user;
};

/* Calls `happened`. */
void auth_happened(const struct AuthShared *shared, enum AuthEvent event,
	const struct ConnectorConfig *connector, const GError *error);

/* The clock of expiries: Unix seconds. A function of its own so that tests can move it. */
int64_t auth_now(void);

#endif
