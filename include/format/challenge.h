/* WWW-Authenticate (RFC 9110, 11.6.1): what a server says of the authorization that it wants (RFC 6750, 3;
 * RFC 9728, 5.1). */
#ifndef MCP_MUX_FORMAT_CHALLENGE_H
#define MCP_MUX_FORMAT_CHALLENGE_H

#include "base/cleanup.h"
#include "base/slice.h"

/* Of a Bearer challenge; NULL where it did not say. Text of a peer. */
struct Challenge {
	char *resource_metadata;
	char *scope;
	char *error;
	char *error_description;
};

/* The Bearer challenge among those in VALUE (one field line, or several joined by commas; NULL is fine):
 * names in any case, parameters as tokens or quoted strings, other schemes and token68 skipped. NULL if there is
 * none or the field is malformed before it; what is malformed later is left out with all that follows. Of several
 * Bearer challenges the first that has resource_metadata counts, else the first. A parameter that comes twice
 * counts the first time; values that are empty, over 4 KiB, no UTF-8 or hold control characters are left out. */
struct Challenge *challenge_parse(const char *value);
struct Challenge *challenge_copy(const struct Challenge *challenge); /* NULL gives NULL */
void challenge_free(struct Challenge *challenge); /* NULL is fine */
MUX_AUTOPTR(Challenge, challenge_free)

#endif
