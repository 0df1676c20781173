/* What goes to the server and has no answer: notifications, our answers to its requests, the DELETE of a
 * session (that of the HTTP+SSE transport ends with its channel instead). Nothing depends on their success; a failure is
 * worth a debug line. */
#include "upstream/internal.h"

#include "base/log.h"

enum { ANSWER_BYTES = 64 * 1024 };

struct Post {
	struct Upstream *up;
	GList link;
	char *body;
	struct HttpRequest *http;
	struct LoopTimer limit;
};

static void post_free(struct Post *post)
{
	loop_timer_stop(&post->limit);
	g_queue_unlink(&post->up->posts, &post->link);
	g_free(post->body);
	g_free(post);
}

static void post_end(struct Post *post)
{
	struct Upstream *up = post->up;
	post_free(post);
	/* The session goes last, when the cancellations of its calls have arrived. */
	if (up->shut_down && up->posts.length == 0)
		upstream_delete_session(up);
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	struct Post *post = user;
	int status = http_request_status(http);
	if (error)
		log_debug(post->up->connector->name, "a message got no reply: %s", error->message);
	else if (status >= 300)
		log_debug(post->up->connector->name, "a message was not accepted: HTTP %d", status);
	post_end(post);
}

static void on_limit(void *user)
{
	struct Post *post = user;
	http_request_cancel(post->http);
	post_end(post);
}

static const struct HttpHandlers http_handlers = {.done = on_done};

/* NULL: the session that it would belong to is gone with its channel. */
static const char *url_of(const struct Upstream *up)
{
	if (!up->over_channel)
		return up->connector->url;
	return up->channel ? channel_endpoint(up->channel) : NULL;
}

static void start(
	struct Upstream *up, enum HttpMethod method, char *body, struct HttpHeaders *headers)
{
	const char *url = url_of(up);
	if (!url) {
		g_free(body);
		return;
	}
	struct Post *post = g_new0(struct Post, 1);
	post->up = up;
	post->body = body;
	post->link.data = post;
	g_queue_push_tail_link(&up->posts, &post->link);
	struct HttpSpec spec = {
		.method = method,
		.url = url,
		.headers = headers,
		.body = slice_of(body),
		.connect_timeout_ms = up->shared.mux->connect_timeout_ms,
		.max_body = ANSWER_BYTES,
	};
	post->http = http_request_start(up->shared.http, &spec, &http_handlers, post);
	loop_timer_start(up->shared.loop, &post->limit, POST_MS, on_limit, post);
}

static struct HttpHeaders *current_headers(const struct Upstream *up)
{
	return up->session_headers ? up->session_headers : up->base_headers;
}

void upstream_post(struct Upstream *up, char *body)
{
	start(up, HTTP_POST, body, current_headers(up));
}

void upstream_post_cancelled(
	struct Upstream *up, struct HttpHeaders *headers, int64_t id, const char *reason)
{
	char *body = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		"\"requestId\":%" G_GINT64_FORMAT ",\"reason\":\"%s\"}}",
		id, reason);
	start(up, HTTP_POST, body, headers);
}

void upstream_delete_session(struct Upstream *up)
{
	channel_close(g_steal_pointer(&up->channel));
	if (!up->session)
		return;
	start(up, HTTP_DELETE, NULL, current_headers(up));
	g_clear_pointer(&up->session, g_free);
}

void upstream_drop_posts(struct Upstream *up)
{
	while (up->posts.head) {
		struct Post *post = up->posts.head->data;
		http_request_cancel(post->http);
		post_free(post);
	}
	channel_close(g_steal_pointer(&up->channel));
}
