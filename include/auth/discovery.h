/* Who gives tokens for a connector: from the challenge, through the resource's metadata, to the authorization
 * server's, with every fallback of every revision (MCP 2025-03-26, 2025-06-18, 2025-11-25 "Authorization"; 2026-07-28
 * "Authorization Server Discovery"; RFC 9728, RFC 8414, OpenID Connect Discovery 1.0). */
#ifndef MCP_MUX_AUTH_DISCOVERY_H
#define MCP_MUX_AUTH_DISCOVERY_H

#include "auth/shared.h"
#include "format/challenge.h"
#include "format/oauth.h"

enum { DISCOVERY_LIMIT_MS = 60 * 1000 };

struct Discovery;

struct Discovered {
	struct ServerMetadata server;
	char *resource; /* the `resource` parameter to send: the metadata's as it stands, else url_canonical of the
			   connector; NULL where resource_parameter = off */
	char *resource_scopes; /* scopes_supported of the resource's metadata; NULL: undefined */
	struct Challenge *
		challenge; /* what the server answered to a request without a token; NULL: nothing */
};
void discovered_release(struct Discovered *discovered);

/* ERROR is NULL on success, and DISCOVERED then valid inside the handler (copy or steal its members; NULL with an
 * error). Errors:
 *   UPSTREAM     a document is wrong, or none was found: the message names the places and what is wrong there
 *   BUSY         a place answered 429 or 503
 *   UNREACHABLE, BROKEN, TIMEOUT, of the connector itself or, with the place before it, of a document */
typedef void DiscoveryDone(struct Discovered *discovered, const GError *error, void *user);

/* CHALLENGE: what a 401 or 403 of the connector said, copied; NULL: the connector is asked with
 * an `initialize` and, if that brings no challenge, with a `tools/list`, without credentials (any answers will do;
 * a challenge in one is used). STORED_ISSUER (copied, NULL: none) is taken among several authorization servers where it is listed, else the first. CONNECTOR is not kept. Never calls back
 * before it returned. */
struct Discovery *discovery_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const struct Challenge *challenge,
	const char *stored_issuer, DiscoveryDone *done, void *user);
/* DONE is not called any more. Does nothing inside of DONE; NULL is fine. */
void discovery_cancel(struct Discovery *discovery);

#endif
