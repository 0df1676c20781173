/* application/x-www-form-urlencoded: bodies of token requests, queries of authorization URLs and callbacks
 * (RFC 6749, Appendix B; WHATWG URL, 5). */
#ifndef MCP_MUX_FORMAT_FORM_H
#define MCP_MUX_FORMAT_FORM_H

#include "base/slice.h"

/* Appends NAME=VALUE, with "&" before it if OUT is not empty. All but A-Z a-z 0-9 - . _ ~ is
 * percent-encoded (a space too: %20). A NULL value appends nothing. */
void form_append(GString *out, const char *name, const char *value);
/* The same of a slice, where NULL data appends nothing. */
void form_append_slice(GString *out, const char *name, struct Slice value);
/* Appends TEXT encoded alone: RFC 6749, 2.3.1 wants client id and secret so before Basic's base64. */
void form_encode(GString *out, struct Slice text);

enum FormField { FORM_ABSENT, FORM_ONCE, FORM_REPEATED, FORM_MALFORMED };
/* Looks NAME up in QUERY ("+" is a space there). FORM_ONCE: *VALUE gets the decoded text, for g_free. It is
 * FORM_MALFORMED if its escapes are broken, or the value holds a NUL or is no UTF-8. Parameters must not come
 * twice (RFC 6749, 3.1): FORM_REPEATED, malformed or not. A name without "=" has an empty value. *VALUE is
 * untouched in all other cases. */
enum FormField form_get(struct Slice query, const char *name, char **value);

#endif
