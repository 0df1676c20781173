#include "format/sse.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* What a stream says, written down: `type|id|data` and a full stop line for each event. */
static char *events_of(struct SseParser *parser, struct Slice stream, size_t piece)
{
	GString *out = g_string_new(NULL);
	for (size_t at = 0; at < stream.len;) {
		struct Slice part = {stream.data + at, MIN(piece, stream.len - at)};
		size_t used = 0;
		enum SseStatus status = sse_feed(parser, part, &used);
		assert_true(used <= part.len);
		assert_true(status != SSE_MORE || used == part.len);
		at += used;
		if (status == SSE_TOO_LARGE) {
			g_string_append(out, "too large");
			break;
		}
		if (status != SSE_EVENT)
			continue;
		assert_true(parser->has_data);
		g_string_append_printf(out, "%s|%s|", parser->event->str, parser->id->str);
		if (parser->data.len)
			g_string_append_len(out, parser->data.data, (gssize)parser->data.len);
		g_string_append(out, "\n.\n");
	}
	return g_string_free(out, FALSE);
}

static void expect_stream(struct Slice stream, const char *expected, size_t max_bytes)
{
	for (size_t piece = 1; piece <= stream.len; piece = piece < 7 ? piece + 1 : piece * 3) {
		struct SseParser parser;
		sse_init(&parser, max_bytes);
		g_autofree char *got = events_of(&parser, stream, piece);
		assert_string_equal(got, expected);
		sse_release(&parser);
	}
	struct SseParser parser;
	sse_init(&parser, max_bytes);
	g_autofree char *got = events_of(&parser, stream, stream.len);
	assert_string_equal(got, expected);
	sse_release(&parser);
}

static void expect(const char *stream, const char *expected)
{
	expect_stream(slice_of(stream), expected, 1 << 20);
}

static void test_an_event_has_type_id_and_data(void **state)
{
	(void)state;
	expect("event: message\nid: 7\ndata: {\"a\":1}\n\n", "message|7|{\"a\":1}\n.\n");
}

static void test_lines_end_in_lf_cr_or_crlf_also_mixed(void **state)
{
	(void)state;
	const char *two = "||a\n.\n||b\n.\n";
	expect("data: a\n\ndata: b\n\n", two);
	expect("data: a\r\rdata: b\r\r", two);
	expect("data: a\r\n\r\ndata: b\r\n\r\n", two);
	expect("data: a\r\n\ndata: b\n\r", two);
}

static void test_a_cr_ends_the_event_without_waiting_for_an_lf(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 100);
	size_t used = 0;
	assert_int_equal(sse_feed(&parser, SLICE("data:x\r\r"), &used), SSE_EVENT);
	assert_int_equal(used, 8);
	assert_int_equal(sse_feed(&parser, SLICE("\ndata:y\n\n"), &used), SSE_EVENT);
	assert_true(slice_is(buffer_slice(&parser.data), "y"));
	assert_int_equal(sse_feed(&parser, SLICE("\n\n"), &used), SSE_MORE);
	sse_release(&parser);
}

static void test_data_lines_are_joined_by_lf(void **state)
{
	(void)state;
	expect("data: a\ndata\ndata:\ndata: b\n\n", "||a\n\n\nb\n.\n");
	expect("data:\ndata:\n\n", "||\n\n.\n");
}

static void test_one_space_after_the_colon_is_dropped(void **state)
{
	(void)state;
	expect("data:  a \n\n", "|| a \n.\n");
	expect("data:a:b: c\n\n", "||a:b: c\n.\n");
	expect("data:\ta\n\n", "||\ta\n.\n");
}

static void test_an_event_with_empty_data_is_reported(void **state)
{
	(void)state;
	expect("id: p1\ndata:\n\n", "|p1|\n.\n");
	expect("id: p1\ndata\n\n", "|p1|\n.\n");
	expect("id: p1\ndata: \n\n", "|p1|\n.\n");
}

static void test_an_event_without_data_is_dropped_but_keeps_its_id(void **state)
{
	(void)state;
	expect("event: x\nid: 4\n\ndata: a\n\n", "|4|a\n.\n");
}

static void test_the_type_lasts_one_event_and_the_id_all(void **state)
{
	(void)state;
	expect("event: x\nid: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
		"x|1|a\n.\n|1|b\n.\n||c\n.\n");
}

static void test_comments_and_unknown_fields_are_passed_over(void **state)
{
	(void)state;
	expect(": ping\n:\n\n:data: no\ndatax: no\nDATA: no\n data: no\nfoo\nev: e\n"
	       "data: a\n\n",
		"||a\n.\n");
}

static void test_a_byte_order_mark_is_skipped_once(void **state)
{
	(void)state;
	expect("\xef\xbb\xbf"
	       "data: a\n\n",
		"||a\n.\n");
	expect("\xef\xbb\xbf\xef\xbb\xbf"
	       "data: a\n\ndata: b\n\n",
		"||b\n.\n");
	expect("\xef\xbb"
	       "data: a\ndata: b\n\n",
		"||b\n.\n");
	expect("data: a\n\n\xef\xbb\xbf"
	       "data: b\n\n",
		"||a\n.\n");
}

static void test_an_incomplete_event_is_not_reported(void **state)
{
	(void)state;
	expect("data: a\n\ndata: b\n", "||a\n.\n");
	expect("data: a", "");
}

static void test_an_id_with_nul_is_ignored(void **state)
{
	(void)state;
	expect_stream(SLICE("id: 1\nid: a\0b\ndata: x\n\n"), "|1|x\n.\n", 100);
}

static void test_data_may_hold_nul(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 100);
	size_t used = 0;
	assert_int_equal(sse_feed(&parser, SLICE("data: a\0b\n\n"), &used), SSE_EVENT);
	assert_true(slice_eq(buffer_slice(&parser.data), SLICE("a\0b")));
	sse_release(&parser);
}

static int64_t retry_of(const char *stream)
{
	struct SseParser parser;
	sse_init(&parser, 100);
	g_autofree char *events = events_of(&parser, slice_of(stream), 3);
	assert_string_equal(events, "");
	int64_t retry_ms = parser.retry_ms;
	sse_release(&parser);
	return retry_ms;
}

static void test_retry_takes_digits_alone_and_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(retry_of(": no\n"), -1);
	assert_int_equal(retry_of("retry: 1500\n"), 1500);
	assert_int_equal(retry_of("retry:0\n"), 0);
	assert_int_equal(retry_of("retry: 20\nretry: 1s\nretry\nretry: -1\nretry:  3\n"), 20);
	assert_int_equal(retry_of("retry: 99999999999999999999999999\n"), 86400000);
}

static void test_data_over_the_limit_stops_the_parser(void **state)
{
	(void)state;
	expect_stream(
		SLICE("data: 12345678\n\ndata: 123456789\n\n"), "||12345678\n.\ntoo large", 8);
	expect_stream(SLICE("data: 1234\ndata: 567\n\n"), "||1234\n567\n.\n", 8);
	expect_stream(SLICE("data: 1234\ndata: 5678\n\n"), "too large", 8);
	expect_stream(SLICE("data:12345678\ndata\n\n"), "too large", 8);
	struct SseParser parser;
	sse_init(&parser, 2);
	size_t used = 0;
	assert_int_equal(sse_feed(&parser, SLICE("data:abc\n\n"), &used), SSE_TOO_LARGE);
	assert_int_equal(sse_feed(&parser, SLICE("\n\ndata:a\n\n"), &used), SSE_TOO_LARGE);
	assert_int_equal(used, 0);
	sse_restart(&parser);
	assert_int_equal(sse_feed(&parser, SLICE("data:a\n\n"), &used), SSE_EVENT);
	sse_release(&parser);
}

static void test_an_endless_comment_takes_no_memory(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 1 << 20);
	size_t used = 0;
	g_autofree char *block = g_malloc(65536);
	memset(block, 'x', 65536);
	assert_int_equal(sse_feed(&parser, SLICE(":"), &used), SSE_MORE);
	for (int i = 0; i < 64; i++)
		assert_int_equal(sse_feed(&parser, (struct Slice){block, 65536}, &used), SSE_MORE);
	assert_true(parser.line.cap <= 1024);
	assert_true(parser.data.cap == 0);
	assert_int_equal(sse_feed(&parser, SLICE("\ndata: a\n\n"), &used), SSE_EVENT);
	assert_true(slice_is(buffer_slice(&parser.data), "a"));
	sse_release(&parser);
}

static void test_an_id_over_its_limit_is_ignored(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 1 << 20);
	g_autofree char *block = g_malloc(65536);
	memset(block, 'i', 65536);
	GString *stream = g_string_new("id: 1\nid: ");
	g_string_append_len(stream, block, 65536);
	g_string_append(stream, "i\nevent: ");
	g_string_append_len(stream, block, 65536);
	g_string_append(stream, "i\ndata: a\n\n");
	g_autofree char *got = events_of(&parser, (struct Slice){stream->str, stream->len}, 4096);
	assert_string_equal(got, "|1|a\n.\n");
	assert_true(parser.line.cap <= 65536);
	g_string_free(stream, TRUE);
	sse_release(&parser);
}

static void test_the_consumer_may_steal_the_data(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 100);
	size_t used = 0;
	struct Slice stream = SLICE("data: one\n\ndata: two\n\n");
	assert_int_equal(sse_feed(&parser, stream, &used), SSE_EVENT);
	size_t len = 0;
	g_autofree char *stolen = buffer_steal(&parser.data, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(stolen, "one", 3);
	stream = slice_between(stream.data + used, stream.data + stream.len);
	assert_int_equal(sse_feed(&parser, stream, &used), SSE_EVENT);
	assert_true(slice_is(buffer_slice(&parser.data), "two"));
	sse_release(&parser);
}

static void test_a_large_buffer_is_given_back(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 1 << 20);
	g_autofree char *block = g_malloc(300000);
	memset(block, 'x', 300000);
	size_t used = 0;
	assert_int_equal(sse_feed(&parser, SLICE("data:"), &used), SSE_MORE);
	assert_int_equal(sse_feed(&parser, (struct Slice){block, 300000}, &used), SSE_MORE);
	assert_int_equal(sse_feed(&parser, SLICE("\n\n"), &used), SSE_EVENT);
	assert_int_equal(parser.data.len, 300000);
	assert_int_equal(sse_feed(&parser, SLICE(":"), &used), SSE_MORE);
	assert_int_equal(parser.data.cap, 0);
	sse_release(&parser);
}

static void test_restart_keeps_the_id_of_the_last_complete_event(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 100);
	g_autofree char *first = events_of(
		&parser, SLICE("retry: 9\nid: 1\ndata: a\n\nid: 2\nevent: e\ndata: half"), 100);
	assert_string_equal(first, "|1|a\n.\n");
	assert_string_equal(parser.id->str, "1");
	sse_restart(&parser);
	g_autofree char *second = events_of(&parser,
		SLICE("\xef\xbb\xbf"
		      "data: b\n\n"),
		100);
	assert_string_equal(second, "|1|b\n.\n");
	assert_int_equal(parser.retry_ms, 9);
	sse_release(&parser);
}

static void test_an_empty_feed_changes_nothing(void **state)
{
	(void)state;
	struct SseParser parser;
	sse_init(&parser, 100);
	size_t used = 1;
	assert_int_equal(sse_feed(&parser, (struct Slice){NULL, 0}, &used), SSE_MORE);
	assert_int_equal(used, 0);
	sse_release(&parser);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_has_type_id_and_data),
		cmocka_unit_test(test_lines_end_in_lf_cr_or_crlf_also_mixed),
		cmocka_unit_test(test_a_cr_ends_the_event_without_waiting_for_an_lf),
		cmocka_unit_test(test_data_lines_are_joined_by_lf),
		cmocka_unit_test(test_one_space_after_the_colon_is_dropped),
		cmocka_unit_test(test_an_event_with_empty_data_is_reported),
		cmocka_unit_test(test_an_event_without_data_is_dropped_but_keeps_its_id),
		cmocka_unit_test(test_the_type_lasts_one_event_and_the_id_all),
		cmocka_unit_test(test_comments_and_unknown_fields_are_passed_over),
		cmocka_unit_test(test_a_byte_order_mark_is_skipped_once),
		cmocka_unit_test(test_an_incomplete_event_is_not_reported),
		cmocka_unit_test(test_an_id_with_nul_is_ignored),
		cmocka_unit_test(test_data_may_hold_nul),
		cmocka_unit_test(test_retry_takes_digits_alone_and_is_bounded),
		cmocka_unit_test(test_data_over_the_limit_stops_the_parser),
		cmocka_unit_test(test_an_endless_comment_takes_no_memory),
		cmocka_unit_test(test_an_id_over_its_limit_is_ignored),
		cmocka_unit_test(test_the_consumer_may_steal_the_data),
		cmocka_unit_test(test_a_large_buffer_is_given_back),
		cmocka_unit_test(test_restart_keeps_the_id_of_the_last_complete_event),
		cmocka_unit_test(test_an_empty_feed_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
