/* One sign-in of a person through a browser, as a state machine in the loop (OAuth 2.1, authorization code with PKCE;
 * RFC 8252; RFC 9207; MCP "Authorization Flow Steps" of every revision): discovery, listener bound, client chosen, URL
 * shown, callback checked, code exchanged, tokens stored, page shown.
 *
 * Nothing of a callback is believed before its `state`, then its `iss`, are right. A callback with a wrong state is
 * told so and changes nothing; the first right one decides; later ones are told that it is decided. */
#ifndef MCP_MUX_AUTH_SIGN_IN_H
#define MCP_MUX_AUTH_SIGN_IN_H

#include "auth/client.h"
#include "auth/grant.h"

struct SignIn;

enum { SIGN_IN_LIMIT_MS = 10 * 60 * 1000 }; /* a person who never comes back */

struct SignInSpec {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	const struct Challenge *challenge; /* copied; NULL: the connector is asked */
	/* Copied; NULL: never signed in. Its issuer is preferred, its scope_wanted is asked for again. */
	const struct TokenRecord *previous;
};

/* Called from the loop alone; sign_in_free is allowed in both. */
struct SignInHandlers {
	/* The URL that the person is to open, once. */
	void (*url)(struct SignIn *sign_in, const char *url, void *user);
	/* The end: RECORD (borrowed) is stored in the keyring, or ERROR says why not. Codes: SIGN_IN (refused by the
	 * server or the person; the message has its words), TIMEOUT (nobody came back), and those of the parts. It
	 * comes when the browser has its page, or a second after that was sent. */
	void (*done)(struct SignIn *sign_in, const struct TokenRecord *record, const GError *error,
		void *user);
};

struct SignIn *sign_in_start(
	const struct SignInSpec *spec, const struct SignInHandlers *handlers, void *user);
/* A callback URL that the person pasted from a browser elsewhere (or its query alone), checked as one that came by
 * the listener. False with MUX_ERROR_USAGE if it is no callback of this sign-in; the sign-in goes on then. */
bool sign_in_paste(struct SignIn *sign_in, const char *url, GError **error);
/* The URL, NULL while there is none yet. */
const char *sign_in_url(const struct SignIn *sign_in);
/* Ends it at once without calling back; what a browser still waits for is not sent. NULL is fine. */
void sign_in_free(struct SignIn *sign_in);

/* The scope to ask for: the ini's if set; else the challenge's, else scopes_supported of the
 * resource, each with what PREVIOUS wanted; then offline_access if the authorization server lists it. NULL:
 * none. For g_free. */
char *sign_in_scope(const struct ConnectorConfig *connector, const struct Discovered *discovered,
	const struct TokenRecord *previous);

#endif
