/* The stream is read a line at a time without keeping lines: the few bytes of a field's name are
 * gathered in `line` (as is the value of a small field), a data value goes straight into `data`, and
 * what nobody asked for (comments, unknown fields, over-long values) is passed over. Nothing a peer
 * sends grows anything but these two bounded buffers. The parser may be interrupted between any two
 * bytes; `state` says where it is in the line. */
#include "format/sse.h"

enum {
	NAME_MAX_BYTES = 5, /* "event" and "retry"; a longer name is no field that is known */
	VALUE_MAX_BYTES = 64 * 1024,
	RETRY_MAX_MS = 24 * 60 * 60 * 1000,
	KEEP_BYTES = 64 * 1024, /* a data buffer over this is given back after its event */
	SCAN_BYTES = 1024,
};

enum State {
	AT_BOM, /* at the start of the stream, or inside its byte order mark */
	AFTER_CR, /* at the start of a line whose LF may still come */
	IN_NAME, /* at the start of a line or in its field's name */
	AFTER_COLON, /* a space here is no part of the value */
	IN_VALUE,
	IN_SKIPPED,
	BROKEN,
};

enum Field { FIELD_UNKNOWN, FIELD_DATA, FIELD_EVENT, FIELD_ID, FIELD_RETRY };

static const char bom[] = "\xef\xbb\xbf";

void sse_init(struct SseParser *parser, size_t max_bytes)
{
	*parser = (struct SseParser){
		.event = g_string_new(NULL),
		.id = g_string_new(NULL),
		.next_id = g_string_new(NULL),
		.retry_ms = -1,
		.state = AT_BOM,
	};
	buffer_init(&parser->data, max_bytes);
	buffer_init(&parser->line, VALUE_MAX_BYTES);
}

void sse_release(struct SseParser *parser)
{
	buffer_release(&parser->data);
	buffer_release(&parser->line);
	if (parser->event)
		g_string_free(g_steal_pointer(&parser->event), TRUE);
	if (parser->id)
		g_string_free(g_steal_pointer(&parser->id), TRUE);
	if (parser->next_id)
		g_string_free(g_steal_pointer(&parser->next_id), TRUE);
}

static void forget_event(struct SseParser *parser)
{
	if (parser->data.cap > KEEP_BYTES)
		buffer_release(&parser->data);
	parser->data.len = 0;
	parser->has_data = false;
	parser->dispatched = false;
	g_string_truncate(parser->event, 0);
}

static void assign(GString *to, struct Slice from)
{
	g_string_truncate(to, 0);
	g_string_append_len(to, from.data ? from.data : "", (gssize)from.len);
}

void sse_restart(struct SseParser *parser)
{
	forget_event(parser);
	parser->line.len = 0;
	assign(parser->next_id, (struct Slice){parser->id->str, parser->id->len});
	parser->state = AT_BOM;
	parser->bom = 0;
}

static enum Field field_of(struct Slice name)
{
	if (slice_is(name, "data"))
		return FIELD_DATA;
	if (slice_is(name, "event"))
		return FIELD_EVENT;
	if (slice_is(name, "id"))
		return FIELD_ID;
	if (slice_is(name, "retry"))
		return FIELD_RETRY;
	return FIELD_UNKNOWN;
}

/* The name is complete. False if the data would be too large. */
static bool begin_field(struct SseParser *parser)
{
	parser->field = field_of(buffer_slice(&parser->line));
	parser->line.len = 0;
	if (parser->field == FIELD_DATA) {
		if (parser->has_data && !buffer_append(&parser->data, "\n", 1))
			return false;
		parser->has_data = true;
	}
	parser->state = parser->field == FIELD_UNKNOWN ? IN_SKIPPED : AFTER_COLON;
	return true;
}

static void set_retry(struct SseParser *parser, struct Slice digits)
{
	int64_t ms = 0;
	if (digits.len == 0)
		return;
	for (size_t i = 0; i < digits.len; i++) {
		if (!g_ascii_isdigit(digits.data[i]))
			return;
		ms = MIN(ms * 10 + (digits.data[i] - '0'), RETRY_MAX_MS);
	}
	parser->retry_ms = ms;
}

static void finish_field(struct SseParser *parser)
{
	struct Slice value = buffer_slice(&parser->line);
	switch ((enum Field)parser->field) {
	case FIELD_EVENT:
		assign(parser->event, value);
		break;
	case FIELD_ID:
		if (value.len == 0 || !memchr(value.data, '\0', value.len))
			assign(parser->next_id, value);
		break;
	case FIELD_RETRY:
		set_retry(parser, value);
		break;
	case FIELD_DATA: /* is in its buffer already */
	case FIELD_UNKNOWN:
		break;
	}
	parser->line.len = 0;
}

/* A blank line: the event is complete. */
static enum SseStatus dispatch(struct SseParser *parser)
{
	assign(parser->id, (struct Slice){parser->next_id->str, parser->next_id->len});
	if (!parser->has_data) {
		forget_event(parser);
		return SSE_MORE;
	}
	parser->dispatched = true;
	return SSE_EVENT;
}

static enum SseStatus end_line(struct SseParser *parser)
{
	if (parser->state == IN_NAME && parser->line.len == 0)
		return dispatch(parser);
	if (parser->state == IN_NAME && !begin_field(parser))
		return SSE_TOO_LARGE;
	if (parser->state != IN_SKIPPED)
		finish_field(parser);
	return SSE_MORE;
}

/* The first CR or LF from AT on, END if there is none. In steps, so that a run of lines that end in
 * one of the two is not searched for the other one to its end each time. */
static const char *find_line_end(const char *at, const char *end)
{
	while (at < end) {
		size_t n = MIN((size_t)(end - at), (size_t)SCAN_BYTES);
		const char *lf = memchr(at, '\n', n);
		if (lf)
			n = (size_t)(lf - at);
		const char *cr = memchr(at, '\r', n);
		if (cr)
			return cr;
		if (lf)
			return lf;
		at += n;
	}
	return end;
}

static const char *read_bom(struct SseParser *parser, const char *at)
{
	if (*at == bom[parser->bom]) {
		if (!bom[++parser->bom])
			parser->state = IN_NAME;
		return at + 1;
	}
	/* Half a mark is the beginning of a name that no field has. */
	parser->state = parser->bom ? IN_SKIPPED : IN_NAME;
	return at;
}

/* Reads up to the colon or the end of the line. NULL if the data would be too large. */
static const char *read_name(struct SseParser *parser, const char *at, const char *end)
{
	const char *from = at;
	while (at < end && *at != ':' && *at != '\n' && *at != '\r' && at - from <= NAME_MAX_BYTES)
		at++;
	size_t n = (size_t)(at - from);
	if (parser->line.len + n > NAME_MAX_BYTES || !buffer_append(&parser->line, from, n)) {
		parser->line.len = 0;
		parser->state = IN_SKIPPED;
		return at;
	}
	if (at == end || *at != ':')
		return at;
	return begin_field(parser) ? at + 1 : NULL;
}

/* Reads up to the end of the line. NULL if the data would be too large. */
static const char *read_value(struct SseParser *parser, const char *at, const char *end)
{
	if (parser->state == AFTER_COLON) {
		parser->state = IN_VALUE;
		if (*at == ' ')
			return at + 1;
	}
	const char *from = at;
	at = find_line_end(at, end);
	if (parser->state == IN_SKIPPED)
		return at;
	size_t n = (size_t)(at - from);
	if (parser->field == FIELD_DATA)
		return buffer_append(&parser->data, from, n) ? at : NULL;
	if (!buffer_append(&parser->line, from, n)) {
		parser->line.len = 0;
		parser->state = IN_SKIPPED;
	}
	return at;
}

/* Reads a run of bytes that lie inside one line; NULL if the data would be too large. */
static const char *read_run(struct SseParser *parser, const char *at, const char *end)
{
	switch ((enum State)parser->state) {
	case AT_BOM:
		return read_bom(parser, at);
	case AFTER_CR:
		parser->state = IN_NAME;
		return *at == '\n' ? at + 1 : at;
	case IN_NAME:
		return read_name(parser, at, end);
	case AFTER_COLON:
	case IN_VALUE:
	case IN_SKIPPED:
		return read_value(parser, at, end);
	case BROKEN:
		break;
	}
	return NULL;
}

static bool is_line_end(const struct SseParser *parser, char c)
{
	return parser->state != AT_BOM && parser->state != AFTER_CR && parser->state != BROKEN &&
	       (c == '\n' || c == '\r');
}

enum SseStatus sse_feed(struct SseParser *parser, struct Slice bytes, size_t *used)
{
	*used = 0;
	if (parser->state == BROKEN)
		return SSE_TOO_LARGE;
	if (bytes.len == 0)
		return SSE_MORE;
	const char *at = bytes.data;
	const char *end = at + bytes.len;
	enum SseStatus status = SSE_MORE;
	if (parser->dispatched)
		forget_event(parser);
	while (at < end && status == SSE_MORE) {
		if (is_line_end(parser, *at)) {
			status = end_line(parser);
			parser->state = *at++ == '\r' ? AFTER_CR : IN_NAME;
			continue;
		}
		const char *next = read_run(parser, at, end);
		if (next)
			at = next;
		else
			status = SSE_TOO_LARGE;
	}
	if (status == SSE_TOO_LARGE)
		parser->state = BROKEN;
	*used = (size_t)(at - bytes.data);
	return status;
}
