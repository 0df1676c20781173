/* A protected MCP server and its authorization server at one loopback address, in the test's own loop: metadata,
 * registration, authorization, token and revocation endpoints that hold to the RFCs (it checks PKCE, redirect
 * URIs, client authentication and the single use of codes and refresh tokens by itself), with switches for what
 * servers do otherwise, and a record of every request.
 *
 *     struct OauthServer server;
 *     oauth_server_init(&server, loop);
 *     server.client_secret = "s3cret";                            // switches, at any time
 *     oauth_server_say(&server, "/token", 503, "", "busy");       // or one answer for one path
 *     …
 *     char *callback = oauth_server_consent(&server, authorize_url); // the person says yes
 *     …
 *     const struct OauthHit *hit = oauth_server_last(&server, "/token");
 *     assert_param(hit, "grant_type", "authorization_code");
 *     oauth_server_release(&server);
 *
 * Two servers at two addresses make a resource with an authorization server elsewhere: `servers` of the one names
 * the issuer of the other, and the metadata of both say so.
 *
 * Paths: /mcp (401 with a challenge, or 200 with a token of this server), /.well-known/oauth-protected-resource/mcp,
 * /.well-known/oauth-authorization-server, /.well-known/openid-configuration (`oidc`), /register, /authorize (302,
 * as after a consent), /token, /revoke, /v1/auth/access_token (Port's exchange); everything else is 404. A path
 * here is without its query. */
#ifndef MCP_MUX_TESTS_OAUTH_SERVER_H
#define MCP_MUX_TESTS_OAUTH_SERVER_H

#include "net_loop_fixture.h"

#include "net/loop.h"

struct OauthServer;

/* One request. */
struct OauthHit {
	struct OauthServer *server;
	struct OauthLink *link; /* its connection; NULL once that is closed */
	char *method;
	char *path; /* without the query */
	char *query; /* raw, "" if none */
	char *head; /* whole, with the empty line */
	char *body;
	bool answered;
};

/* A client that registered, or that the test made known. */
struct OauthClient {
	char *id;
	char *secret; /* NULL: none */
	char *method; /* token_endpoint_auth_method */
	char *redirect_uri;
	bool any_redirect; /* of oauth_server_add_client */
};

/* Texts are borrowed, so literals do. JSON: put into a document as it stands; NULL leaves the member out. */
struct OauthServer {
	struct Loop *loop;
	unsigned port;
	char *origin; /* http://127.0.0.1:PORT */
	char *url; /* ORIGIN/mcp: the connector's URL */

	/* The resource. */
	const char *
		challenge; /* WWW-Authenticate of a 401; NULL: Bearer with the metadata's place; "": no header */
	bool resource_metadata; /* true */
	const char *resource; /* its identifier; NULL: url */
	const char *servers; /* JSON, authorization_servers; NULL: [issuer] */
	const char *resource_scopes; /* JSON */

	/* The authorization server. */
	const char *issuer; /* NULL: origin */
	bool metadata; /* true: /.well-known/oauth-authorization-server is there */
	bool oidc; /* false: /.well-known/openid-configuration is there */
	const char *server_scopes; /* JSON */
	const char *challenge_methods; /* JSON, ["S256"] */
	const char *auth_methods; /* JSON, ["none"] */
	const char *metadata_more; /* raw members, each with a comma before it */
	bool client_documents; /* false: client_id_metadata_document_supported */
	bool iss_advertised; /* true */
	bool iss_sent; /* true */
	const char *iss; /* what is sent; NULL: the issuer */

	/* Clients. */
	bool registers; /* true: there is a registration endpoint */
	const char *client_secret; /* that each registration gets; NULL: none */
	const char *
		granted_method; /* token_endpoint_auth_method in the answer; NULL: none, or client_secret_basic
				       with a secret */
	bool exact_redirect; /* false: the port of a loopback redirect URI may differ (RFC 8252, 7.3) */
	bool document_clients; /* true: a client_id that is a URL is a client without a secret */

	/* Tokens. */
	const char *access_token; /* the next ones; NULL: access-1, access-2, … */
	bool refresh_tokens; /* true: refresh-1, refresh-2, … */
	bool rotates; /* true: a refresh ends the old refresh token and gives a new one */
	int expires_in; /* 3600; -1: not said */
	const char *granted_scope; /* NULL: not said */
	const char *token_more; /* raw members of token answers, each with a comma before it */
	bool revokes; /* true: there is a revocation endpoint */

	/* What came. */
	GPtrArray *hits; /* struct OauthHit, all of them in order */
	unsigned arrived; /* requests, for turn_until */
	unsigned closed; /* connections that the client closed */
	unsigned issued; /* token answers with 200 */
	GPtrArray *clients; /* struct OauthClient */
	GHashTable *valid; /* access tokens that /mcp takes */
	GHashTable *refresh; /* refresh tokens that /token takes → client id */
	GHashTable *codes; /* code → struct OauthCode */

	/* Inside. */
	int fd;
	struct LoopWatch *watch;
	GPtrArray *links;
	GHashTable *said; /* path → GQueue of struct OauthSaid */
	unsigned clients_made, codes_made, refreshes_made;
};

void oauth_server_init(struct OauthServer *server, struct Loop *loop);
void oauth_server_release(struct OauthServer *server);

/* The next request for PATH gets this in place of what the server would say; further calls queue up. HEADERS: lines
 * with their CRLF, "" for none; Content-Type is application/json where they have none. STATUS may be one of these. */
enum {
	OAUTH_SILENT = -1, /* nothing, the connection stays: see oauth_hit_* */
	OAUTH_CUT = -2, /* the connection is closed without an answer */
	OAUTH_ORDINARY =
		-3, /* what the server would say by itself: in a queue before something else */
};
void oauth_server_say(struct OauthServer *server, const char *path, int status, const char *headers,
	const char *body);
/* The same for all requests to come, until another oauth_server_say_always or, with OAUTH_ORDINARY, none. */
void oauth_server_say_always(struct OauthServer *server, const char *path, int status,
	const char *headers, const char *body);

/* For a request that was left OAUTH_SILENT: an answer of the test's, or the server's own. */
void oauth_hit_answer(struct OauthHit *hit, int status, const char *headers, const char *body);
void oauth_hit_serve(struct OauthHit *hit);

/* How often PATH was asked for; the last request for it, NULL if there was none. */
unsigned oauth_server_count(const struct OauthServer *server, const char *path);
struct OauthHit *oauth_server_last(const struct OauthServer *server, const char *path);
/* Turns FIXTURE until PATH was asked for COUNT times in all, and gives the last of them; fails the test if that does
 * not happen. */
struct OauthHit *oauth_server_await(
	struct OauthServer *server, struct Fixture *fixture, const char *path, unsigned count);

/* A header's value, and a parameter of the body's form or, without a body, of the query, decoded; NULL if there is
 * none. For g_free. A parameter that comes twice fails the test. */
char *oauth_hit_header(const struct OauthHit *hit, const char *name);
char *oauth_hit_param(const struct OauthHit *hit, const char *name);

/* A client as if a person had registered it: with any redirect URI. SECRET NULL: none; METHOD as
 * token_endpoint_auth_method. */
void oauth_server_add_client(
	struct OauthServer *server, const char *id, const char *secret, const char *method);
/* Forgets every client, as a server does that was set up anew: /authorize and /token say invalid_client. */
void oauth_server_forget_clients(struct OauthServer *server);
/* Lets /mcp accept ACCESS, and /token accept REFRESH (NULL: none) of CLIENT_ID, as if they had been issued. */
void oauth_server_add_tokens(
	struct OauthServer *server, const char *access, const char *refresh, const char *client_id);
/* The person consents at URL (an authorization URL of this server): its parameters are checked, a wrong one fails the
 * test, and the URL that the browser is sent back to is given. For g_free. */
char *oauth_server_consent(struct OauthServer *server, const char *url);
/* The person refuses, or the server does: the same with `error` (and `error_description` if not NULL). */
char *oauth_server_refuse(
	struct OauthServer *server, const char *url, const char *error, const char *description);

/* The decoded parameter NAME of a query or form, for g_free; NULL if it is not there. Twice fails the test. */
char *oauth_param(const char *form, const char *name);

#define assert_param(hit, name, wanted)                                                            \
	do {                                                                                       \
		g_autofree char *sent = oauth_hit_param((hit), (name));                            \
		const char *expected = (wanted);                                                   \
		if (g_strcmp0(sent, expected) != 0)                                                \
			fail_msg("%s: %s, not %s", (name), sent ? sent : "none",                   \
				expected ? expected : "none");                                     \
	} while (0)

#endif
