/* Server-Sent Events, parsed as they arrive (WHATWG HTML, "Server-sent events", 9.2.5 and 9.2.6). */
#ifndef MCP_MUX_FORMAT_SSE_H
#define MCP_MUX_FORMAT_SSE_H

#include "base/buffer.h"

#include <stdint.h>

struct SseParser {
	struct Buffer data; /* the event's data lines joined by LF; may be stolen by the consumer */
	GString *event; /* its type, "" where none was given */
	GString *id; /* the last event id of the stream, "" at first; kept between events. The id
				of an event that was not complete yet does not count: resuming after
				it would lose that event */
	int64_t retry_ms; /* the last `retry` seen, a day at most; -1 if none */
	bool has_data; /* the event has had a data field; an event without is not dispatched */
	/* private */
	struct Buffer line;
	GString *next_id;
	int state;
	int field;
	unsigned bom;
	bool dispatched;
};

enum SseStatus {
	SSE_MORE, /* everything was consumed, no complete event */
	SSE_EVENT, /* one event is complete in data, event and id */
	SSE_TOO_LARGE, /* an event's data is over the limit; the parser cannot go on until it is
			  restarted */
};

/* Prepares a parser; an event's data may have MAX_BYTES. */
void sse_init(struct SseParser *parser, size_t max_bytes);
void sse_release(struct SseParser *parser);

/* Reads from BYTES until an event is complete or all was read; *USED gets the bytes consumed. After
 * SSE_EVENT call again with the rest; the event's fields are valid until then. A data field of an
 * event is appended to parser->data without an intermediate copy of the whole. Lines may end in LF,
 * CR or CRLF (also split between calls); a byte order mark at the start is skipped; comments, unknown
 * fields, an id with NUL, an id or type over 64 KiB and a retry with anything but digits are ignored; an event whose data is
 * empty (a priming event) is reported with has_data true and data.len 0. */
enum SseStatus sse_feed(struct SseParser *parser, struct Slice bytes, size_t *used);

/* Forgets a half-read event and the line, keeps id and retry: for a stream that is resumed. */
void sse_restart(struct SseParser *parser);

#endif
