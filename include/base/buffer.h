/* A growing byte buffer with a limit given at creation: memory that a peer can grow lives in one
 * of these. Reaching the limit is an ordinary error, never an abort. Growth doubles and uses
 * realloc, so that a large buffer moves by remapping and untouched pages cost nothing. */
#ifndef MCP_MUX_BASE_BUFFER_H
#define MCP_MUX_BASE_BUFFER_H

#include "base/slice.h"

struct Buffer {
	char *data; /* NULL while nothing was ever appended */
	size_t len; /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* bytes that LEN may reach */
};

/* Makes an empty buffer that may hold MAX_BYTES. Allocates nothing. */
void buffer_init(struct Buffer *buffer, size_t max_bytes);

/* Frees what it holds; the buffer can be used again as after buffer_init with the same limit. */
void buffer_release(struct Buffer *buffer);

/* Allocates room for TOTAL_BYTES in all (exactly, where that is more than there is): for a length
 * that a peer announced. False and nothing changed if TOTAL_BYTES is over the limit. */
bool buffer_reserve(struct Buffer *buffer, size_t total_bytes) G_GNUC_WARN_UNUSED_RESULT;

/* Appends LEN bytes. False and nothing changed if the limit would be passed. */
bool buffer_append(struct Buffer *buffer, const void *bytes, size_t len) G_GNUC_WARN_UNUSED_RESULT;

/* Drops the first LEN bytes; the rest moves to the front. */
void buffer_consume(struct Buffer *buffer, size_t len);

/* Hands the bytes over (for g_free) and leaves the buffer empty. *LEN gets their number. NULL if
 * nothing was ever appended. */
char *buffer_steal(struct Buffer *buffer, size_t *len);

/* What it holds, valid until the next change. */
static inline struct Slice buffer_slice(const struct Buffer *buffer)
{
	return (struct Slice){buffer->data, buffer->len};
}

#endif
