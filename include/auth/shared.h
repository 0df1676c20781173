/* What everything about accounts shares in a process; outlives all of it. */
#ifndef MCP_MUX_AUTH_SHARED_H
#define MCP_MUX_AUTH_SHARED_H

#include "auth/keyring.h"
#include "format/config.h"
#include "net/http.h"

struct AuthShared {
	struct Loop *loop;
	struct HttpClient *http;
	struct Keyring *keyring;
	const struct MuxConfig *mux;
};

/* The clock of expiries: Unix seconds. A function of its own so that tests can move it. */
int64_t auth_now(void);

#endif
