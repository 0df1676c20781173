/* The documents of OAuth: metadata of resources and authorization servers, registrations, token answers. Each
 * parser takes the whole body of an answer, trusts nothing in it, and refuses what the RFC requires and the
 * document lacks. Strings are UTF-8 without control characters, not empty, at most 8 KiB (tokens 256 KiB, all items of
 * one list together 32 KiB). Unknown members are ignored; a member that comes twice among those that are read is an
 * error, as is a wrong type in one that is needed; an optional member of a wrong type, or an empty string, counts as
 * absent. Members that the RFCs require and nothing here needs (response_types_supported) are not missed.
 *
 * All return false with MUX_ERROR_UPSTREAM and leave the output untouched; messages name the member and never
 * hold a value that may be secret. */
#ifndef MCP_MUX_FORMAT_OAUTH_H
#define MCP_MUX_FORMAT_OAUTH_H

#include "base/secret.h"

#include <stdint.h>

/* Protected resource metadata (RFC 9728, 2). */
struct ResourceMetadata {
	char *resource;
	GPtrArray *
		servers; /* char *: authorization_servers that are url_is_secure, at most 16; empty only where the
			       document names none at all */
	char *scopes; /* scopes_supported with spaces between; NULL: undefined */
};
bool resource_metadata_parse(struct Slice json, struct ResourceMetadata *out, GError **error);
void resource_metadata_release(struct ResourceMetadata *metadata);

/* Authorization server metadata (RFC 8414, 2; OpenID Connect Discovery 1.0, 3). Endpoints are NULL where there
 * is none; those that are there are url_is_secure, else the document is refused. */
struct ServerMetadata {
	char *issuer;
	char *authorization_endpoint;
	char *token_endpoint;
	char *registration_endpoint;
	char *revocation_endpoint;
	char *scopes; /* scopes_supported; NULL: undefined */
	char **auth_methods; /* token_endpoint_auth_methods_supported; NULL: undefined */
	char **challenge_methods; /* code_challenge_methods_supported; NULL: undefined */
	char **grant_types; /* NULL: undefined */
	bool iss_parameter; /* authorization_response_iss_parameter_supported */
	bool client_documents; /* client_id_metadata_document_supported */
	bool assumed; /* no document: the endpoints of MCP 2025-03-26's fallback */
};
/* ISSUER is the identifier that the document's place was made of; the document's must be identical (RFC 8414,
 * 3.3). NULL: the document's own is taken (for callers that check otherwise). */
bool server_metadata_parse(
	struct Slice json, const char *issuer, struct ServerMetadata *out, GError **error);
/* /authorize, /token and /register at the origin of URL (MCP 2025-03-26, "Fallbacks for Servers without Metadata
 * Discovery"). The issuer is that origin. */
void server_metadata_assume(const char *url, struct ServerMetadata *out);
void server_metadata_copy(const struct ServerMetadata *from, struct ServerMetadata *to);
void server_metadata_release(struct ServerMetadata *metadata);

/* A client registration (RFC 7591, 3.2.1). */
struct Registration {
	char *client_id;
	struct Secret *client_secret; /* NULL: none */
	char *auth_method; /* token_endpoint_auth_method as granted; NULL: it did not say */
	int64_t secret_expires_at; /* Unix seconds; 0: never */
};
bool registration_parse(struct Slice json, struct Registration *out, GError **error);
void registration_release(struct Registration *registration);
/* The request's body for a native application (RFC 7591, 2; OpenID Connect Registration 1.0, 2): client_name
 * "mcp-mux", REDIRECT_URI alone, authorization_code and refresh_token, the AUTH_METHOD, SCOPE if not NULL. */
char *registration_request(const char *redirect_uri, const char *auth_method, const char *scope);

/* A token answer (RFC 6749, 5.1). token_type must be Bearer in any case, or absent. Tokens may have all characters that
 * can stand in a header: visible ASCII, and spaces between; an answer with others is refused. */
struct TokenAnswer {
	struct Secret *access_token;
	struct Secret *refresh_token; /* NULL: none */
	int64_t expires_in; /* whole seconds, capped at ten years; -1: it did not say, or less than 0; also read from
			       a string of digits */
	char *scope; /* NULL: it did not say */
	char *account; /* a name for people: id_token's email, preferred_username, name or sub, in this order (its
			  signature is not checked: it came over TLS from the token endpoint, OpenID Connect Core
			  3.1.3.7); else workspace_name; NULL: none */
};
bool token_answer_parse(struct Slice json, struct TokenAnswer *out, GError **error);
void token_answer_release(struct TokenAnswer *answer);

/* An error answer (RFC 6749, 5.2; RFC 7591, 3.2.2): *CODE and *DESCRIPTION get texts for g_free (DESCRIPTION NULL
 * where there is none; control characters in it are made harmless, and it is cut at 1 KiB). False if the body is none.
 * Some servers send it with status 200. */
bool oauth_error_parse(struct Slice json, char **code, char **description);

/* PKCE (RFC 7636, 4.2, S256): the challenge to VERIFIER. For g_free. */
char *pkce_challenge(const struct Secret *verifier);

#endif
