/* One bounded HTTP request to an authorization server or for a metadata document, and its whole answer. Bodies of
 * both directions are wiped. */
#ifndef MCP_MUX_AUTH_FETCH_H
#define MCP_MUX_AUTH_FETCH_H

#include "auth/shared.h"

enum {
	FETCH_DOCUMENT_BYTES = 256 * 1024,
	FETCH_TOKEN_BYTES = 1024 * 1024,
	FETCH_LIMIT_MS = 30 * 1000, /* of a fetch in all, redirects included */
	FETCH_REDIRECTS = 3,
};

struct Fetch;

/* All is copied or referenced. GET follows up to FETCH_REDIRECTS redirects within the origin, POST none. */
struct FetchSpec {
	enum HttpMethod method;
	const char *url; /* must be url_is_secure, else the fetch fails with MUX_ERROR_UPSTREAM */
	struct HttpHeaders *headers; /* NULL: none. Accept and Content-Type are added */
	const char *accept; /* NULL: application/json */
	const char *content_type; /* of POST */
	struct Secret *body; /* of POST */
	bool once; /* must not reach the server twice */
	bool head_only; /* the result comes with the head; the body is neither awaited nor given */
	size_t max_body; /* of the answer */
};

/* ERROR is NULL whenever there is a status; else UNREACHABLE, BROKEN, TIMEOUT, TOO_LARGE, or UPSTREAM for a URL or
 * redirect that is refused. */
struct FetchResult {
	int status; /* 0 where no answer came */
	struct Slice body; /* valid inside the handler, wiped after */
	const char *content_type; /* NULL: none */
	const char *retry_after; /* as the server wrote it; NULL: none */
	const char *session; /* Mcp-Session-Id; NULL: none */
	const char *challenge; /* WWW-Authenticate, all fields joined by ", "; NULL: none */
	bool was_sent; /* the server may have seen it */
	const GError *error;
};
typedef void FetchDone(const struct FetchResult *result, void *user);

/* Never calls back before it returned; the fetch is freed after DONE. */
struct Fetch *fetch_start(
	const struct AuthShared *shared, const struct FetchSpec *spec, FetchDone *done, void *user);
/* DONE is not called any more. Does nothing inside of DONE; NULL is fine. */
void fetch_cancel(struct Fetch *fetch);

#endif
