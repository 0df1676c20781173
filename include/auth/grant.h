/* Requests to the token endpoint (RFC 6749, 4.1.3, 4.4.2, 6; OAuth 2.1; RFC 7636; RFC 8707; RFC 7523) and to the
 * revocation endpoint (RFC 7009), and Port's exchange of client id and secret. */
#ifndef MCP_MUX_AUTH_GRANT_H
#define MCP_MUX_AUTH_GRANT_H

#include "auth/shared.h"
#include "format/oauth.h"
#include "format/record.h"

struct Grant;

enum GrantKind {
	GRANT_CODE, /* code, verifier, redirect_uri */
	GRANT_REFRESH, /* refresh_token */
	GRANT_CLIENT_CREDENTIALS,
	GRANT_PORT, /* POST {"clientId","clientSecret"} as JSON; answer {"accessToken","expiresIn","tokenType"} or in
		       RFC 6749's names */
};

/* All is copied or referenced. */
struct GrantSpec {
	enum GrantKind kind;
	const char *endpoint;
	const char *issuer; /* audience of an assertion; NULL: the endpoint is */
	const char *client_id;
	struct Secret *client_secret; /* NULL: none */
	/* none, client_secret_basic, client_secret_post, private_key_jwt; without a secret any is as none */
	const char *auth_method;
	struct Secret *code;
	struct Secret *verifier;
	const char *redirect_uri;
	struct Secret *refresh_token;
	const char *scope; /* NULL: not sent */
	const char *resource; /* NULL: not sent */
};

/* ANSWER is borrowed (steal its members) and NULL with an ERROR:
 *   SIGN_IN      the server refuses the grant for good: invalid_grant, invalid_client, unauthorized_client, other
 *                errors of RFC 6749, 5.2, be it with 200, or 400 and 401 without one; the message has its words,
 *                made harmless, without what the request carried
 *   BUSY         408, 425, 429, 5xx, or an error that says that it passes (temporarily_unavailable and the like)
 *   UPSTREAM     the answer is malformed, a redirect, or another status without an error of OAuth's
 *   UNREACHABLE, BROKEN, TIMEOUT, TOO_LARGE
 *   SYNTAX       a key that cannot sign, an auth_method that is unknown
 * OAUTH_CODE is the error code of RFC 6749, 5.2, NULL where there was none. */
typedef void GrantDone(
	struct TokenAnswer *answer, const char *oauth_code, const GError *error, void *user);

/* Sent at most once to the server. Never calls back before it returned; freed after DONE. */
struct Grant *grant_start(
	const struct AuthShared *shared, const struct GrantSpec *spec, GrantDone *done, void *user);
/* DONE is not called any more. Does nothing inside of it; NULL is fine. */
void grant_cancel(struct Grant *grant);

/* Revokes TOKEN (HINT: "refresh_token" or "access_token") at SPEC's endpoint with SPEC's client; only endpoint, issuer
 * and the client_ fields of SPEC are used. Success is 2xx (and 400 with unsupported_token_type, which nobody can mend,
 * counts as MUX_ERROR_UPSTREAM). Errors as above. */
typedef void RevokeDone(const GError *error, void *user);
struct Grant *revoke_start(const struct AuthShared *shared, const struct GrantSpec *spec,
	struct Secret *token, const char *hint, RevokeDone *done, void *user);

/* The record after ANSWER (whose members are stolen) came for it: tokens, expiry and issue by auth_now, scope and
 * account where the answer says so; the refresh token stays if none came (RFC 6749, 6). */
void grant_update_record(struct TokenRecord *record, struct TokenAnswer *answer);

#endif
