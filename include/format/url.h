/* http and https URLs as the authorization pages of MCP need them, on GUri (RFC 3986). A NULL URL is none. */
#ifndef MCP_MUX_FORMAT_URL_H
#define MCP_MUX_FORMAT_URL_H

#include "base/slice.h"

/* Whether URL is an absolute http or https URL with a host, without user information, of visible ASCII
 * characters but "\", at most 8 KiB long. The host is a name of letters, digits, "-", "." and "_" without escapes
 * (an international one in its ASCII form), or an address; a port is 1 to 65535. */
bool url_is_http(const char *url);
/* Whether it is such a URL and nobody on the way can read it: https, or http to the loopback (127.0.0.0/8,
 * ::1, localhost). OAuth 2.1, 1.5; RFC 8252, 8.3. */
bool url_is_secure(const char *url);
bool url_is_loopback(const char *url);

/* scheme://host[:port] in lower case, the scheme's default port left out. NULL if URL is not url_is_http.
 * For g_free. */
char *url_origin(const char *url);
bool url_same_origin(const char *a, const char *b);

/* The canonical form of a resource identifier (RFC 8707, 2; MCP 2026-07-28, "Canonical Server URI"): scheme and
 * host in lower case, default port and fragment left out, no path where it is only "/". For g_free. */
char *url_canonical(const char *url);

/* Whether RESOURCE has URL's origin and a path that equals URL's or ends before a "/" of it; trailing slashes
 * of the paths do not count, and RESOURCE must have no query or fragment (RFC 9728, 3.3). Paths are compared as
 * they are written; one with "." or ".." segments or escaped slashes covers itself alone and is covered by itself
 * and the whole origin alone. */
bool url_covers(const char *resource, const char *url);

/* Where a document about URL lies (RFC 8615; RFC 8414, 3.1 and 5; RFC 9728, 3.1). SUFFIX is
 * "oauth-protected-resource" and the like. A query or fragment of URL is left out. For g_free. */
enum WellKnown {
	WELL_KNOWN_INSERTED, /* origin + /.well-known/SUFFIX + path (without a trailing slash) */
	WELL_KNOWN_APPENDED, /* origin + path (without a trailing slash) + /.well-known/SUFFIX */
	WELL_KNOWN_ROOT, /* origin + /.well-known/SUFFIX */
};
char *url_well_known(const char *url, const char *suffix, enum WellKnown where);
/* Whether URL's path is more than slashes. */
bool url_has_path(const char *url);

/* REFERENCE resolved against BASE (RFC 3986, 5); NULL if the outcome is not url_is_http. For g_free. */
char *url_resolve(const char *base, const char *reference);

/* ENDPOINT with QUERY (already encoded, no leading "?") added to what query it has; its fragment, if any, is
 * left out. ENDPOINT is url_is_http. For g_free. */
char *url_with_query(const char *endpoint, const char *query);

/* The host alone in lower case, for labels and messages, without brackets. NULL if URL is not url_is_http.
 * For g_free. */
char *url_host(const char *url);

#endif
