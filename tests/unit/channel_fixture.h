/* A server of the HTTP+SSE transport for the tests of upstream/: its address refuses what is posted there and answers a GET
 * by the stream on which it says everything. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_CHANNEL_FIXTURE_H
#define MCP_MUX_TESTS_CHANNEL_FIXTURE_H

#include "upstream_fixture.h"

#define ENDPOINT "event: endpoint\ndata: /messages?session=1\n\n"

/* Refuses both eras, whichever comes first. */
static inline void sse_refuse_posts(struct Up *u, int status)
{
	for (unsigned i = 0; i < 2; i++)
		hit_reply(up_await_probe(u), status, "Content-Type: text/plain\r\n", "Cannot POST");
}

/* The GET for the stream. */
static inline struct Hit *sse_await_get(struct Up *u)
{
	struct Hit *hit = peer_await(&u->peer, "GET");
	assert_true(g_str_has_prefix(hit->head, "GET /mcp HTTP/1.1\r\n"));
	assert_header(hit, "Accept", "text/event-stream");
	assert_header(hit, "Mcp-Session-Id", NULL);
	return hit;
}

/* The stream, its endpoint named. */
static inline struct Hit *sse_serve_stream(struct Up *u)
{
	struct Hit *stream = sse_await_get(u);
	hit_stream(stream, "");
	hit_bytes(stream, ENDPOINT);
	return stream;
}

/* A message that was posted to the endpoint; it is not answered yet. */
static inline struct Hit *sse_await_post(struct Up *u, const char *label)
{
	struct Hit *hit = peer_await(&u->peer, label);
	if (!g_str_has_prefix(hit->head, "POST /messages?session=1 HTTP/1.1\r\n"))
		fail_msg("%s went elsewhere: %s", label, hit->head);
	return hit;
}

static inline void sse_accept(struct Hit *hit)
{
	hit_reply(hit, 202, "Content-Type: text/plain\r\n", "Accepted");
}

/* The same, accepted. */
static inline struct Hit *sse_take(struct Up *u, const char *label)
{
	struct Hit *hit = sse_await_post(u, label);
	sse_accept(hit);
	return hit;
}

/* An answer to HIT on the stream. */
static inline void sse_answer(struct Hit *stream, const struct Hit *hit, const char *result)
{
	g_autofree char *text = result_text(hit, result);
	g_autofree char *event = g_strdup_printf("event: message\ndata: %s\n\n", text);
	hit_bytes(stream, event);
}

static inline void sse_serve_handshake(
	struct Up *u, struct Hit *stream, const char *revision, const char *capabilities)
{
	g_autofree char *result = g_strdup_printf(
		"{\"protocolVersion\":\"%s\",\"capabilities\":%s,\"serverInfo\":{}}", revision,
		capabilities);
	sse_answer(stream, sse_take(u, "initialize"), result);
	struct Hit *hit = sse_take(u, "notifications/initialized");
	assert_header(hit, "MCP-Protocol-Version", revision);
	assert_header(hit, "Mcp-Session-Id", NULL);
}

static inline void sse_serve_tools(struct Up *u, struct Hit *stream)
{
	sse_answer(stream, sse_take(u, "tools/list"), "{\"tools\":[" ADD_TOOL "]}");
}

/* From a GET that is on its way to a server that is ready. */
static inline struct Hit *sse_serve_opening(struct Up *u)
{
	struct Hit *stream = sse_serve_stream(u);
	sse_serve_handshake(u, stream, "2024-11-05", QUIET_TOOLS);
	sse_serve_tools(u, stream);
	up_await_settled(u);
	assert_int_equal(upstream_state(u->up), UPSTREAM_READY);
	return stream;
}

/* An upstream that was never opened before. */
static inline struct Hit *sse_open(struct Up *u)
{
	upstream_open(u->up, ERA_LEGACY);
	sse_refuse_posts(u, 404);
	return sse_serve_opening(u);
}

#endif
