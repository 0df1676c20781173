/* An HTTP server in the test's own loop that answers nothing by itself: a test awaits a request, then says
 * byte for byte and in its own time what comes back. */
#ifndef MCP_MUX_TESTS_PEER_H
#define MCP_MUX_TESTS_PEER_H

#include "net_loop_fixture.h"

#include "format/json.h"
#include "net/http.h"
#include "scripted_server.h"

#include <netinet/tcp.h>

struct Peer {
	struct Fixture *fixture;
	int fd;
	char *url;
	struct LoopWatch *watch;
	GPtrArray *links; /* struct Link */
	GPtrArray *all; /* struct Hit */
	GQueue hits; /* struct Hit that nobody awaited yet */
	unsigned arrived, closed; /* requests, connections that the client closed */
};

struct Link {
	struct Peer *peer;
	int fd;
	struct LoopWatch *watch;
	GString *in;
};

/* One request. */
struct Hit {
	struct Link *link;
	char *head, *body;
	char *label; /* its JSON-RPC method, "answer" for a message without one, or GET or DELETE */
	char *id; /* raw */
};

static inline void link_close(struct Link *link)
{
	if (link->fd < 0)
		return;
	loop_unwatch(link->watch);
	close(link->fd);
	link->fd = -1;
}

static inline void link_free(void *data)
{
	struct Link *link = data;
	link_close(link);
	g_string_free(link->in, TRUE);
	g_free(link);
}

static inline void hit_free(void *data)
{
	struct Hit *hit = data;
	g_free(hit->head);
	g_free(hit->body);
	g_free(hit->label);
	g_free(hit->id);
	g_free(hit);
}

static inline struct Hit *hit_new(struct Link *link, size_t head_len, size_t body_len)
{
	struct Hit *hit = g_new0(struct Hit, 1);
	hit->link = link;
	hit->head = g_strndup(link->in->str, head_len);
	hit->body = g_strndup(link->in->str + head_len, body_len);
	g_string_erase(link->in, 0, (gssize)(head_len + body_len));
	if (!g_str_has_prefix(hit->head, "POST ")) {
		hit->label = g_strndup(hit->head, strcspn(hit->head, " "));
		return hit;
	}
	struct Slice body = slice_of(hit->body);
	assert_true(json_validate(body, NULL)); /* whatever is sent upstream is JSON */
	assert_null(strpbrk(hit->body, "\r\n"));
	hit->label = json_string_dup(json_get(body, "method"));
	if (!hit->label)
		hit->label = g_strdup("answer");
	hit->id = slice_dup(json_get(body, "id").raw);
	return hit;
}

static inline void link_on_input(int fd, GIOCondition condition, void *user)
{
	struct Link *link = user;
	char bytes[65536];
	(void)condition;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n <= 0) {
		link_close(link);
		link->peer->closed++;
		return;
	}
	g_string_append_len(link->in, bytes, n);
	const char *end;
	while ((end = strstr(link->in->str, "\r\n\r\n"))) {
		size_t head_len = (size_t)(end - link->in->str) + 4;
		g_autofree char *head = g_strndup(link->in->str, head_len);
		size_t body_len = scripted_content_length(head);
		if (link->in->len < head_len + body_len)
			return;
		struct Hit *hit = hit_new(link, head_len, body_len);
		g_ptr_array_add(link->peer->all, hit);
		g_queue_push_tail(&link->peer->hits, hit);
		link->peer->arrived++;
	}
}

static inline void peer_on_connection(int fd, GIOCondition condition, void *user)
{
	struct Peer *peer = user;
	int big = 8 << 20;
	(void)condition;
	struct Link *link = g_new0(struct Link, 1);
	link->peer = peer;
	link->fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(link->fd >= 0);
	setsockopt(link->fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
	setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	link->in = g_string_new(NULL);
	link->watch = loop_watch(peer->fixture->loop, link->fd, G_IO_IN, link_on_input, link);
	g_ptr_array_add(peer->links, link);
}

static inline void peer_init(struct Peer *peer, struct Fixture *fixture)
{
	unsigned port;
	*peer = (struct Peer){.fixture = fixture};
	peer->fd = scripted_listen(&port, 512);
	peer->url = g_strdup_printf("http://127.0.0.1:%u/mcp", port);
	peer->links = g_ptr_array_new_with_free_func(link_free);
	peer->all = g_ptr_array_new_with_free_func(hit_free);
	peer->watch = loop_watch(fixture->loop, peer->fd, G_IO_IN, peer_on_connection, peer);
}

static inline void peer_release(struct Peer *peer)
{
	if (peer->fd >= 0) {
		loop_unwatch(peer->watch);
		close(peer->fd);
	}
	g_queue_clear(&peer->hits);
	g_ptr_array_unref(peer->links);
	g_ptr_array_unref(peer->all);
	g_free(peer->url);
}

/* From now on nobody listens at the address, and every connection is closed. */
static inline void peer_vanish(struct Peer *peer)
{
	loop_unwatch(peer->watch);
	close(peer->fd);
	peer->fd = -1;
	for (guint i = 0; i < peer->links->len; i++)
		link_close(peer->links->pdata[i]);
}

/* A request of that label which nobody awaited yet, NULL if there is none. */
static inline struct Hit *peer_find(struct Peer *peer, const char *label)
{
	for (GList *link = peer->hits.head; link; link = link->next) {
		struct Hit *hit = link->data;
		if (strcmp(hit->label, label) == 0) {
			g_queue_delete_link(&peer->hits, link);
			return hit;
		}
	}
	return NULL;
}

static inline struct Hit *peer_await(struct Peer *peer, const char *label)
{
	struct Hit *hit;
	while (!(hit = peer_find(peer, label))) {
		if (fixture_turn(peer->fixture, &peer->arrived, peer->arrived + 1, PATIENCE_MS))
			continue;
		for (guint i = 0; i < peer->all->len; i++)
			print_message("came: %s\n", ((struct Hit *)peer->all->pdata[i])->label);
		fail_msg("no %s came", label);
	}
	return hit;
}

/* Turns the loop for a moment in which no such request may come. */
static inline void peer_await_none(struct Peer *peer, const char *label)
{
	fixture_turn_for(peer->fixture, 40);
	if (peer_find(peer, label))
		fail_msg("%s came, though it should not", label);
}

/* The value of a header, for g_free; NULL if it was not sent. */
static inline char *hit_header(const struct Hit *hit, const char *name)
{
	g_autofree char *start = g_strdup_printf("\r\n%s:", name);
	g_autofree char *lower = g_ascii_strdown(hit->head, -1);
	g_autofree char *lower_start = g_ascii_strdown(start, -1);
	const char *at = strstr(lower, lower_start);
	if (!at)
		return NULL;
	const char *value = hit->head + (at - lower) + strlen(start);
	return g_strstrip(g_strndup(value, strcspn(value, "\r")));
}

#define assert_header(hit, name, wanted)                                                           \
	do {                                                                                       \
		g_autofree char *sent = hit_header((hit), (name));                                 \
		const char *expected = (wanted);                                                   \
		if (g_strcmp0(sent, expected) != 0)                                                \
			fail_msg("%s: %s, not %s", (name), sent ? sent : "none",                   \
				expected ? expected : "none");                                     \
	} while (0)

static inline void hit_send(struct Hit *hit, const char *text)
{
	size_t len = strlen(text);
	while (len > 0 && hit->link->fd >= 0) {
		ssize_t n = send(hit->link->fd, text, len, MSG_NOSIGNAL);
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

/* HEADERS: lines with their CRLF, "" for none; a Content-Type among them, or it is JSON. */
static inline void hit_reply(struct Hit *hit, int status, const char *headers, const char *body)
{
	const char *type =
		strstr(headers, "Content-Type") ? "" : "Content-Type: application/json\r\n";
	g_autofree char *text =
		g_strdup_printf("HTTP/1.1 %d Said\r\n%s%sContent-Length: %zu\r\n\r\n%s", status,
			headers, type, strlen(body), body);
	hit_send(hit, text);
}

static inline char *result_text(const struct Hit *hit, const char *result)
{
	return g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":%s}", hit->id, result);
}

static inline char *error_text(const struct Hit *hit, int code, const char *data)
{
	return g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":"
			       "\"no\"%s}}",
		hit->id, code, data);
}

static inline void hit_result(struct Hit *hit, const char *result)
{
	g_autofree char *text = result_text(hit, result);
	hit_reply(hit, 200, "", text);
}

/* DATA: further members of the error, with a comma before them. */
static inline void hit_error(struct Hit *hit, int status, int code, const char *data)
{
	g_autofree char *text = error_text(hit, code, data);
	hit_reply(hit, status, "", text);
}

static inline void hit_stream(struct Hit *hit, const char *headers)
{
	g_autofree char *text =
		g_strdup_printf("HTTP/1.1 200 OK\r\n%sContent-Type: text/event-stream; "
				"charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n",
			headers);
	hit_send(hit, text);
}

/* Bytes of the stream as they are. */
static inline void hit_bytes(struct Hit *hit, const char *bytes)
{
	g_autofree char *text = g_strdup_printf("%zx\r\n%s\r\n", strlen(bytes), bytes);
	hit_send(hit, text);
}

/* An event with DATA alone. */
static inline void hit_event(struct Hit *hit, const char *data)
{
	g_autofree char *text = g_strdup_printf("data: %s\n\n", data);
	hit_bytes(hit, text);
}

static inline void hit_event_result(struct Hit *hit, const char *result)
{
	g_autofree char *text = result_text(hit, result);
	hit_event(hit, text);
}

/* The orderly end of a stream. */
static inline void hit_stream_end(struct Hit *hit)
{
	hit_send(hit, "0\r\n\r\n");
}

/* Closes the connection, whatever was said on it. */
static inline void hit_cut(struct Hit *hit)
{
	link_close(hit->link);
}

/* Waits until the client has closed the request's connection. */
static inline void hit_await_close(struct Hit *hit)
{
	while (hit->link->fd >= 0)
		turn_until(hit->link->peer->fixture, hit->link->peer->closed,
			hit->link->peer->closed + 1);
}

#endif
