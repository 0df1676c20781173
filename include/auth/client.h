/* As which OAuth client: pre-registered, client ID metadata document, or dynamically registered (MCP 2026-07-28,
 * "Client Registration"). Credentials are kept in the keyring under the issuer that they belong to and never sent to
 * another. */
#ifndef MCP_MUX_AUTH_CLIENT_H
#define MCP_MUX_AUTH_CLIENT_H

#include "auth/discovery.h"
#include "format/record.h"

struct ClientChoice;

/* CLIENT is borrowed, NULL with an ERROR. auth_method is always set: that of the registration's answer (where it says
 * nothing: what was asked for, unless the answer brings a secret and the server does not list "none"); for a
 * pre-registered client what its record says, else client_auth_method; "none" for metadata documents. A client
 * with "none" may have a secret all the same: some servers give one to everybody. It is kept and not used. */
typedef void ClientChosen(const struct ClientRecord *client, const GError *error, void *user);

/* Chooses, in this order: the configured client_id with its secret from the keyring; client_metadata_url where the
 * server supports such documents; a registration of ours kept for this issuer whose redirect_uri is REDIRECT_URI (or
 * differs from it in the port alone at the loopback, which servers are to allow: RFC 8252, 7.3) and whose secret has
 * not expired; a new registration, which is stored before the handler is called. FRESH: no kept registration is used,
 * as for a server that compares ports. Errors: UPSTREAM with the server's own words (it refuses, or offers no way to
 * register: then the message names client_id; or the configured client belongs to another issuer), BUSY and what
 * else a fetch may say, CONFIG (client_metadata_url is no https URL with a path), KEYRING, LOCKED. Never calls back
 * before it returned. */
struct ClientChoice *client_choose(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const struct Discovered *discovered,
	const char *redirect_uri, bool fresh, ClientChosen *chosen, void *user);
/* The handler is not called any more. Does nothing inside of it; NULL is fine. */
void client_choice_cancel(struct ClientChoice *choice);

/* The port that the kept registration for ISSUER was made with, to be tried first; 0: none, or the keyring cannot
 * tell. Never calls back before it returned. */
typedef void ClientPort(unsigned port, void *user);
struct ClientChoice *client_find_port(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const char *issuer, ClientPort *found, void *user);

/* The key of a client in the keyring. Its strings are the arguments' own; *RESOURCE is for g_free. */
struct KeyringKey client_key(
	const struct ConnectorConfig *connector, const char *issuer, char **resource);

/* The best method for a client that a person registered and that has SECRET (NULL: none) at SERVER; static text.
 * client_secret_basic first, and where the metadata lists none (RFC 8414, 2). A PEM key means private_key_jwt. */
const char *client_auth_method(const struct ServerMetadata *server, const struct Secret *secret);

#endif
