/* Sign-ins without a person: a client's own credentials (RFC 6749, 4.4; the MCP extension
 * io.modelcontextprotocol/oauth-client-credentials) and Port's exchange of client id and secret for a token. Also the
 * storing of a credential that a person gave. */
#ifndef MCP_MUX_AUTH_MACHINE_H
#define MCP_MUX_AUTH_MACHINE_H

#include "auth/shared.h"
#include "format/record.h"

struct Machine;

/* RECORD (borrowed) is stored in the keyring, or ERROR says why not: SIGN_IN (the server refuses the credentials),
 * SYNTAX (what was given has characters that cannot be used), KEYRING, LOCKED, TIMEOUT (another process holds the
 * credential), and those of discovery and the token request. */
typedef void MachineDone(const struct TokenRecord *record, const GError *error, void *user);

/* Gets a token for CLIENT_ID with SECRET (a private key in PEM means private_key_jwt), then stores both. For AUTH_CLIENT_CREDENTIALS
 * and AUTH_PORT_CREDENTIALS. Never calls back before it returned; freed after DONE. */
struct Machine *machine_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const char *client_id, struct Secret *secret,
	MachineDone *done, void *user);
/* Stores SECRET as that of the configured client_id, under the issuer that discovery finds; the record is empty. A
 * person signs in with it afterwards. */
struct Machine *machine_store_client(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *secret, MachineDone *done,
	void *user);
/* Stores an API key as the connector's credential. */
struct Machine *machine_store_key(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *key, MachineDone *done, void *user);
/* DONE is not called any more. Does nothing inside of it; NULL is fine. */
void machine_cancel(struct Machine *machine);

/* Where Port gives tokens for the server at URL: its API's address for its own two regions, else the URL's origin. For
 * g_free. */
char *machine_port_endpoint(const char *url);

#endif
