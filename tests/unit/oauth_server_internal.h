/* What oauth_server.c and oauth_endpoints.c share; nobody else includes it. */
#ifndef MCP_MUX_TESTS_OAUTH_SERVER_INTERNAL_H
#define MCP_MUX_TESTS_OAUTH_SERVER_INTERNAL_H

#include "oauth_server.h"

/* An answer that the test wants. */
struct OauthSaid {
	int status;
	char *headers, *body;
	bool always;
};

/* An authorization code that was given and not redeemed. */
struct OauthCode {
	char *client_id, *redirect_uri, *challenge, *resource;
};

void oauth_endpoints_init(struct OauthServer *server);
void oauth_endpoints_release(struct OauthServer *server);

#endif
