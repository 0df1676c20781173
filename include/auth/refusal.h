/* What an endpoint of an authorization server says when it does not do what it was asked for (RFC 6749, 5.2;
 * RFC 7009, 2.2.1; RFC 7591, 3.2.2). */
#ifndef MCP_MUX_AUTH_REFUSAL_H
#define MCP_MUX_AUTH_REFUSAL_H

#include "auth/fetch.h"

struct Refusal {
	char *code; /* of its error answer, as it stands; NULL: there was none */
	char *words; /* for people, harmless: "invalid_grant: it was used before", or "HTTP 403" */
	bool passing; /* it may be otherwise later: 408, 425, 429, 5xx, or a code that says so */
};

/* Whether a 200 holds an error in the place of an answer, as some servers do (RFC 6749 wants 400). */
bool refusal_is_in(struct Slice body);

/* RESULT has a status. HIDDEN: secrets that the request carried; they are left out of the words, should the server
 * repeat one. */
void refusal_read(const struct FetchResult *result, struct Secret *const *hidden, unsigned n_hidden,
	struct Refusal *refusal);
void refusal_release(struct Refusal *refusal);

/* The host of URL for the beginning of a message; "the server" where it has none. For g_free. */
char *refusal_who(const char *url);

#endif
