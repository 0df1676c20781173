/* base64url without padding (RFC 4648, 5), as OAuth writes bytes. */
#ifndef MCP_MUX_BASE_BASE64URL_H
#define MCP_MUX_BASE_BASE64URL_H

#include "base/slice.h"

/* The encoded bytes, for g_free. */
char *base64url_encode(const void *bytes, size_t len);
/* The decoded bytes, for g_free; *LEN gets their number; a NUL follows them. Padding is accepted if it is
 * complete. NULL and *LEN untouched if TEXT is not base64url: other characters, a digit left over, or bits set
 * beyond the last byte. */
char *base64url_decode(struct Slice text, size_t *len);

#endif
