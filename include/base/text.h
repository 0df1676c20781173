/* Text of peers made fit to be shown, and the few text helpers that several layers share. */
#ifndef MCP_MUX_BASE_TEXT_H
#define MCP_MUX_BASE_TEXT_H

#include "base/slice.h"

/* Appends TEXT to OUT with every control character (C0, DEL, C1), line and paragraph separator,
 * bidirectional control (U+200E, U+200F, U+202A..U+202E, U+2066..U+2069) and invalid UTF-8 byte
 * replaced by `?`, and at most MAX_BYTES of it, cut at a character and ended by `…` where it was
 * longer. */
void text_append_printable(GString *out, struct Slice text, size_t max_bytes);

/* The same as a new string, for the caller to g_free. */
char *text_printable(struct Slice text, size_t max_bytes);

/* Whether URL is http or https with a host, no user information, no fragment, no control
 * character or space; if not, *WHY says what is wrong (static text). */
bool text_is_http_url(const char *url, const char **why);

#endif
