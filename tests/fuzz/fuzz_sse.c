/* A stream fed whole and the same stream fed in arbitrary pieces must give the same events. The first
 * bytes of the input choose the limit and the sizes of the pieces. */
#include "format/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PLAN_BYTES = 8 };

static void write_event(GString *log, const struct SseParser *parser)
{
	g_string_append_printf(log, "%zu %zu %zu %" G_GINT64_FORMAT " ", parser->event->len,
		parser->id->len, parser->data.len, parser->retry_ms);
	g_string_append_len(log, parser->event->str, (gssize)parser->event->len);
	g_string_append_len(log, parser->id->str, (gssize)parser->id->len);
	if (parser->data.len)
		g_string_append_len(log, parser->data.data, (gssize)parser->data.len);
}

static GString *log_of(struct Slice stream, const uint8_t *plan, size_t max_bytes)
{
	struct SseParser parser;
	GString *log = g_string_new(NULL);
	sse_init(&parser, max_bytes);
	unsigned step = 0;
	for (size_t at = 0; at < stream.len;) {
		size_t want = plan ? 1u + plan[step++ % PLAN_BYTES] % 32u : stream.len;
		struct Slice part = {stream.data + at, MIN(want, stream.len - at)};
		size_t used = 0;
		enum SseStatus status = sse_feed(&parser, part, &used);
		at += used;
		if (used > part.len || (status == SSE_MORE && used != part.len) ||
			parser.data.len > max_bytes)
			abort();
		if (status == SSE_EVENT)
			write_event(log, &parser);
		if (status == SSE_TOO_LARGE) {
			g_string_append(log, "too large");
			break;
		}
	}
	sse_release(&parser);
	return log;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size <= PLAN_BYTES)
		return 0;
	size_t max_bytes = 1u << (data[0] % 16);
	struct Slice stream = {(const char *)data + PLAN_BYTES, size - PLAN_BYTES};
	GString *whole = log_of(stream, NULL, max_bytes);
	GString *pieces = log_of(stream, data, max_bytes);
	if (!g_string_equal(whole, pieces))
		abort();
	g_string_free(whole, TRUE);
	g_string_free(pieces, TRUE);
	return 0;
}
