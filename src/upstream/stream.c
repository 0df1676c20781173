/* The server's own notification stream: a GET in the legacy era ("Listening for Messages from the Server",
 * 2025-11-25), `subscriptions/listen` in the modern one. One per upstream, and only where the server
 * announces changes. A stream that breaks is opened again with growing, jittered pauses (or the server's
 * `retry`), and the tools are fetched again then, since a change may have been missed. A server that
 * refuses the stream is not asked again in this session. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "format/sse.h"

struct Stream {
	struct Upstream *up;
	struct HttpRequest *http;
	struct HttpHeaders *headers;
	char *body;
	struct SseParser sse;
	struct LoopTimer pause;
	unsigned pause_ms;
	int status;
	bool is_stream;
	bool reopened;
	bool cut; /* the connection broke */
	bool resumed; /* the request named the last event */
	struct Secret *token; /* that it was asked for with */
	bool reauthorized; /* a token was renewed since it was open last */
	bool waits; /* for another token */
};

static void open_stream(void *user);

/* Nobody will say any more when the tools change; frees the stream. */
static void give_up(struct Stream *stream)
{
	struct Upstream *up = stream->up;
	up->tools_list_changed = false;
	upstream_stop_stream(up);
}

static void reopen_later(struct Stream *stream)
{
	unsigned pause = upstream_backoff(&stream->pause_ms);
	if (stream->sse.retry_ms >= 0)
		pause = MAX(pause, (unsigned)MIN(stream->sse.retry_ms, BACKOFF_LAST_MS));
	stream->reopened = true;
	loop_timer_start(stream->up->shared.loop, &stream->pause, pause, open_stream, stream);
}

static void on_head(struct HttpRequest *http, void *user)
{
	struct Stream *stream = user;
	stream->status = http_request_status(http);
	stream->is_stream = stream->status == 200 &&
			    exchange_is_media_type(
				    http_request_header(http, "content-type"), "text/event-stream");
	sse_restart(&stream->sse);
	if (stream->is_stream)
		stream->reauthorized = false;
	/* A change may have been missed, unless the server itself ended the stream to be polled and has
	 * been told where it ended. */
	if (stream->is_stream && stream->reopened && (stream->cut || !stream->resumed))
		upstream_refresh_tools(stream->up);
}

/* False if the stream is of no more use. */
static bool take_event(struct Stream *stream)
{
	struct RpcMessage message;
	if (stream->sse.data.len == 0)
		return true; /* a priming event of a server that wants to be polled */
	stream->pause_ms = 0;
	if (!rpc_parse(buffer_slice(&stream->sse.data), &message, NULL)) {
		log_debug(stream->up->connector->name, "an event of its stream is no message");
		return true;
	}
	/* The answer to `subscriptions/listen` is its orderly end; an error, a refusal. */
	if (message.kind == RPC_ERROR)
		return false;
	if (message.kind == RPC_NOTIFICATION || message.kind == RPC_REQUEST)
		upstream_take_message(stream->up, &message);
	return true;
}

static void on_data(struct HttpRequest *http, void *user)
{
	struct Stream *stream = user;
	struct Buffer *body = http_request_body(http);
	size_t offset = 0;
	while (stream->is_stream && offset < body->len) {
		size_t used;
		struct Slice rest = {body->data + offset, body->len - offset};
		enum SseStatus status = sse_feed(&stream->sse, rest, &used);
		offset += used;
		if (status == SSE_TOO_LARGE || (status == SSE_EVENT && !take_event(stream))) {
			log_warning(stream->up->connector->name,
				"its notification stream is closed: %s",
				status == SSE_EVENT ? "it was refused" : "an event is too large");
			give_up(stream);
			return;
		}
	}
	buffer_consume(body, offset);
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	(void)http;
	struct Stream *stream = user;
	stream->http = NULL;
	stream->cut = error != NULL;
	if (error)
		log_debug(stream->up->connector->name, "notification stream: %s", error->message);
	if (stream->status == 404 && stream->up->session && stream->reopened) {
		upstream_renew(stream->up, stream->up->generation); /* frees this stream */
		return;
	}
	if (stream->status == 401 && stream->token && !stream->reauthorized) {
		stream->reauthorized = true;
		stream->waits = true;
		upstream_refused(stream->up, stream->token, NULL);
		return;
	}
	bool refused =
		!error && !stream->is_stream && stream->status < 500 && stream->status != 429;
	if (!refused) {
		reopen_later(stream);
		return;
	}
	log_debug(stream->up->connector->name, "no notification stream: HTTP %d", stream->status);
	give_up(stream);
}

static void open_stream(void *user)
{
	static const struct HttpHandlers handlers = {on_head, on_data, on_done};
	struct Stream *stream = user;
	struct Upstream *up = stream->up;
	bool modern = up->era == ERA_MODERN;
	http_headers_unref(stream->headers);
	g_clear_pointer(&stream->body, g_free);
	if (modern) {
		stream->body = phrase_own_request(up, up->next_id++, "subscriptions/listen",
			"\"notifications\":{\"toolsListChanged\":true}");
		stream->headers = phrase_headers(up, "subscriptions/listen");
	} else {
		stream->headers = http_headers_copy(up->session_headers);
		g_autoptr(GError) error = NULL;
		stream->resumed = stream->sse.id->len > 0 &&
				  http_headers_add(stream->headers, "Last-Event-ID",
					  stream->sse.id->str, &error);
		if (error)
			log_debug(up->connector->name, "%s", error->message);
	}
	struct HttpSpec spec = {
		.method = modern ? HTTP_POST : HTTP_GET,
		.url = up->connector->url,
		.headers = stream->headers,
		.body = slice_of(stream->body),
		.connect_timeout_ms = up->shared.mux->connect_timeout_ms,
		.max_body = up->shared.mux->max_message,
	};
	secret_unref(stream->token);
	stream->token = secret_ref(up->token);
	stream->is_stream = false;
	stream->status = 0;
	stream->http = http_request_start(up->shared.http, &spec, &handlers, stream);
}

void upstream_start_stream(struct Upstream *up)
{
	if (up->stream || !up->tools_list_changed || up->shut_down)
		return;
	struct Stream *stream = g_new0(struct Stream, 1);
	stream->up = up;
	sse_init(&stream->sse, up->shared.mux->max_message);
	up->stream = stream;
	open_stream(stream);
}

void upstream_resume_stream(struct Upstream *up, const GError *error)
{
	struct Stream *stream = up->stream;
	if (!stream || !stream->waits)
		return;
	stream->waits = false;
	if (error) {
		/* Where a new token was refused another one would be, too. */
		stream->reauthorized = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN);
		reopen_later(stream);
	} else {
		open_stream(stream);
	}
}

void upstream_stop_stream(struct Upstream *up)
{
	struct Stream *stream = g_steal_pointer(&up->stream);
	if (!stream)
		return;
	loop_timer_stop(&stream->pause);
	http_request_cancel(stream->http);
	http_headers_unref(stream->headers);
	secret_unref(stream->token);
	sse_release(&stream->sse);
	g_free(stream->body);
	g_free(stream);
}
