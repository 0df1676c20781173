/* Newline-delimited messages on inherited descriptors, which are shared with whoever started us:
 * O_NONBLOCK is never set on them. */
#ifndef MCP_MUX_NET_STDIO_H
#define MCP_MUX_NET_STDIO_H

#include "base/slice.h"
#include "net/loop.h"

struct LineReader;

struct LineHandlers {
	/* One line without its LF (and a CR before it); empty lines are not reported. The bytes
	 * may be changed in place and are valid until the handler returns. */
	void (*line)(char *bytes, size_t len, void *user);
	/* A line was longer than the limit; it is skipped without keeping it. Called once a
	 * line, when the limit is passed. HEAD is its first 4 KiB at most, for whatever can be
	 * read from it. */
	void (*overlong)(struct Slice head, void *user);
	/* End of input or a read error (errno in ERROR_NUMBER, 0 at end). A last line without LF
	 * was reported before. Called once. */
	void (*end)(int error_number, void *user);
};

/* Reads FD from the loop. */
struct LineReader *line_reader_new(struct Loop *loop, int fd, size_t max_line_bytes,
	const struct LineHandlers *handlers, void *user);
void line_reader_free(struct LineReader *reader);
/* While held, nothing is read and no handler called (lines already read wait), with one exception: if the
 * writer goes away, what waits is dropped and `end` is called. */
void line_reader_hold(struct LineReader *reader, bool hold);

/* Another limit, for lines that end from now on. */
void line_reader_set_max(struct LineReader *reader, size_t max_line_bytes);

struct OutQueue;

struct OutHandlers {
	/* The reader is gone (EPIPE, or an error). Called once, from the loop. */
	void (*closed)(int error_number, void *user);
	/* The queue passed its high watermark (true) or sank below the low one (false). */
	void (*pressure)(bool high, void *user);
};

/* Writes to FD from the loop, everything that was queued in a turn together. HIGH_BYTES is the
 * upper watermark; the lower is a quarter of it. */
struct OutQueue *out_queue_new(struct Loop *loop, int fd, size_t high_bytes,
	const struct OutHandlers *handlers, void *user);
void out_queue_free(struct OutQueue *queue);

/* A message is put together of parts, then ended, which appends the LF. Parts of one message must
 * not be interleaved with another's. Never blocks and never fails: a queue whose reader is gone
 * drops what it gets. */
void out_queue_copy(struct OutQueue *queue, struct Slice bytes);
/* LEN bytes at OFFSET of OWNED, without a copy where they are many; OWNED is freed (g_free) once
 * they are written, at once where they were copied. */
void out_queue_take(struct OutQueue *queue, char *owned, size_t offset, size_t len);
void out_queue_end_message(struct OutQueue *queue);

/* Bytes that wait. */
size_t out_queue_pending(const struct OutQueue *queue);
/* Writes what waits, blocking at most TIMEOUT_MS in all: for the last moments of the process. */
void out_queue_drain(struct OutQueue *queue, unsigned timeout_ms);

#endif
