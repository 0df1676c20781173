/* A slice borrows bytes: it never owns, is not NUL-terminated and may hold any byte. Whoever
 * stores one keeps its owner beside it. The empty slice may have a NULL pointer. */
#ifndef MCP_MUX_BASE_SLICE_H
#define MCP_MUX_BASE_SLICE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct Slice {
	const char *data;
	size_t len; /* bytes */
};

/* The slice of a string literal, usable in initialisers of automatic variables. */
#define SLICE(literal) ((struct Slice){(literal), sizeof(literal) - 1})

/* The slice of a NUL-terminated string; of NULL, the empty slice. */
static inline struct Slice slice_of(const char *text)
{
	return (struct Slice){text, text ? strlen(text) : 0};
}

/* The slice from FROM up to, not including, END. */
static inline struct Slice slice_between(const char *from, const char *end)
{
	return (struct Slice){from, (size_t)(end - from)};
}

/* Whether both hold the same bytes. */
static inline bool slice_eq(struct Slice a, struct Slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* Whether the slice holds exactly the bytes of TEXT. */
static inline bool slice_is(struct Slice a, const char *text)
{
	return slice_eq(a, slice_of(text));
}

static inline bool slice_starts_with(struct Slice a, const char *prefix)
{
	size_t n = strlen(prefix);
	return a.len >= n && memcmp(a.data, prefix, n) == 0;
}

/* A NUL-terminated copy, for the caller to g_free. Bytes after an embedded NUL are out of reach of
 * string functions, so use it for text that was checked. */
static inline char *slice_dup(struct Slice a)
{
	return g_strndup(a.data ? a.data : "", a.len);
}

#endif
