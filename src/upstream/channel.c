/* The stream of the HTTP+SSE transport.
 *
 * Trusts nothing that comes on it: the first event must be `endpoint` and name a URL of the origin that was asked, soon
 * and in few bytes, since what is posted there carries the credential; later events are bounded by the SSE parser and
 * checked by rpc_parse. Messages are given to whoever waits for their id; answers for which nobody waits are dropped.
 * The endpoint is never shown: whoever knows it can speak in the session.
 *
 * Owns the GET, the parser, one clock and the table of those that wait, which are themselves the exchanges'. A channel that
 * was closed stays until they have been told from the loop, so that nothing is called from inside of what closed it.
 * Handlers may close the channel that they are called for: then it is freed by the outermost of our frames. */
#include "upstream/channel.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/sse.h"
#include "format/url.h"

enum {
	PREAMBLE_BYTES = 64 * 1024, /* of the stream, before the endpoint is named */
	LINGER_MS = 2000, /* for the end of a refusal, so that the connection is kept */
};

struct Channel {
	struct ChannelSpec spec;
	struct ChannelHandlers handlers;
	void *user;
	struct HttpRequest *http;
	struct SseParser sse;
	struct LoopTimer
		clock; /* until the endpoint is named; of one that was closed, its farewell */
	char *endpoint; /* NULL: not named yet */
	size_t preamble; /* bytes before that */
	bool is_stream;
	GHashTable *waits; /* int64_t *id -> struct ChannelWait */
	bool closed;
	GError *why; /* for those that wait still when it was closed */
	unsigned busy; /* frames of ours below which a handler runs */
};

/* ---- its end ---- */

static void free_if_done(struct Channel *channel)
{
	if (!channel->closed || channel->busy > 0 || g_hash_table_size(channel->waits) > 0)
		return;
	loop_timer_stop(&channel->clock);
	sse_release(&channel->sse);
	http_headers_unref(channel->spec.headers);
	g_hash_table_unref(channel->waits);
	g_clear_error(&channel->why);
	g_free(channel->endpoint);
	g_free(channel);
}

void channel_forget(struct ChannelWait *wait)
{
	struct Channel *channel = g_steal_pointer(&wait->channel);
	if (!channel)
		return;
	g_hash_table_remove(channel->waits, &wait->id);
	free_if_done(channel);
}

static void on_farewell(void *user)
{
	struct Channel *channel = user;
	GHashTableIter iter;
	gpointer value;
	channel->busy++;
	for (;;) {
		g_hash_table_iter_init(&iter, channel->waits);
		if (!g_hash_table_iter_next(&iter, NULL, &value))
			break;
		struct ChannelWait *wait = value;
		channel_forget(wait);
		wait->broken(wait->user, channel->why);
	}
	channel->busy--;
	free_if_done(channel);
}

void channel_close(struct Channel *channel)
{
	if (!channel || channel->closed)
		return;
	channel->closed = true;
	if (!channel->why)
		channel->why = g_error_new_literal(
			MUX_ERROR, MUX_ERROR_BROKEN, "the connection to the server was closed");
	http_request_cancel(g_steal_pointer(&channel->http));
	loop_timer_start(channel->spec.loop, &channel->clock, 0, on_farewell, channel);
	free_if_done(channel);
}

/* By itself, not by its owner. */
static void end(struct Channel *channel, const struct ExchangeResult *result)
{
	channel->why = g_error_copy(result->error);
	loop_timer_stop(&channel->clock);
	channel->busy++;
	channel->handlers.ended(channel, result, channel->user);
	channel->busy--;
	if (channel->closed)
		free_if_done(channel);
	else
		channel_close(channel);
}

static void end_text(struct Channel *channel, enum MuxError code, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, (int)code, text);
	const struct ExchangeResult result = {.error = error};
	end(channel, &result);
}

static void on_no_endpoint(void *user)
{
	struct Channel *channel = user;
	g_autofree char *text = g_strdup_printf(
		"it named no endpoint within %u seconds", channel->spec.open_ms / 1000);
	end_text(channel, MUX_ERROR_TIMEOUT, text);
}

/* ---- the endpoint ---- */

/* Where the first event says that messages are to be posted to. NULL with UPSTREAM if it is not to be used. */
static char *read_endpoint(const struct Channel *channel, GError **error)
{
	struct Slice data = buffer_slice(&channel->sse.data);
	if (strcmp(channel->sse.event->str, "endpoint") != 0) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the first event of its stream is not `endpoint`");
		return NULL;
	}
	bool cut = data.len > 0 && memchr(data.data, '\0', data.len);
	g_autofree char *reference = slice_dup(data);
	g_autofree char *url = cut ? NULL : url_resolve(channel->spec.url, reference);
	if (!url) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the endpoint that it names is no URL that can be used");
		return NULL;
	}
	if (!url_same_origin(url, channel->spec.url)) {
		g_autofree char *origin = url_origin(url);
		g_autofree char *shown = text_printable(slice_of(origin), 100);
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the endpoint that it names is of another origin (%s) and is not used",
			shown);
		return NULL;
	}
	return g_steal_pointer(&url);
}

static void take_endpoint(struct Channel *channel)
{
	g_autoptr(GError) error = NULL;
	channel->endpoint = read_endpoint(channel, &error);
	if (!channel->endpoint) {
		end_text(channel, MUX_ERROR_UPSTREAM, error->message);
		return;
	}
	loop_timer_stop(&channel->clock);
	channel->handlers.open(channel, channel->user);
}

/* ---- messages ---- */

/* To whom it answers. BYTES is taken over. */
static void take_answer(struct Channel *channel, char *bytes, const struct RpcMessage *answer)
{
	int64_t id;
	struct ChannelWait *wait = NULL;
	if (json_int64(answer->id, &id))
		wait = g_hash_table_lookup(channel->waits, &id);
	if (!wait) {
		log_debug(channel->spec.connector, "an answer is for nobody");
		g_free(bytes);
		return;
	}
	channel_forget(wait);
	wait->answer(wait->user, bytes, answer);
}

/* One message, or with MANY also a batch of them (2025-03-26). BYTES is taken over. */
static void take_text(struct Channel *channel, char *bytes, size_t len, bool many)
{
	struct RpcMessage message;
	if (!rpc_parse((struct Slice){bytes, len}, &message, NULL)) {
		log_debug(channel->spec.connector, "an event of its stream is no message");
		g_free(bytes);
		return;
	}
	json_make_one_line(bytes, len);
	if (message.kind == RPC_RESULT || message.kind == RPC_ERROR) {
		take_answer(channel, bytes, &message);
		return;
	}
	if (message.kind != RPC_BATCH) {
		channel->handlers.message(channel, &message, channel->user);
	} else if (many) {
		struct JsonMember item;
		JSON_FOR_EACH_MEMBER (item, message.text) {
			struct Slice raw = item.value.raw;
			if (!channel->closed)
				take_text(channel, slice_dup(raw), raw.len, false);
		}
	}
	g_free(bytes);
}

static void take_event(struct Channel *channel)
{
	const char *type = channel->sse.event->str;
	if (channel->sse.data.len == 0 || (*type && strcmp(type, "message") != 0))
		return;
	size_t len;
	char *bytes = buffer_steal(&channel->sse.data, &len);
	take_text(channel, bytes, len, true);
}

/* An event that is longer than one read may be anybody's answer. */
static void tell_alive(struct Channel *channel)
{
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, channel->waits);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct ChannelWait *wait = value;
		wait->alive(wait->user);
	}
}

/* ---- the GET ---- */

/* What is no stream: the status says why, or that this is not the transport. */
static void refused(struct Channel *channel, struct HttpRequest *http)
{
	struct ExchangeResult result = {.status = http_request_status(http)};
	g_autoptr(GError) error = NULL;
	g_autofree char *challenge = NULL;
	if (result.status == 401 || result.status == 403)
		challenge = http_request_header_all(http, "www-authenticate");
	if (result.status < 300) {
		g_autofree char *type =
			text_printable(slice_of(http_request_header(http, "content-type")), 60);
		error = g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"it answered GET with %s instead of an event stream",
			*type ? type : "nothing");
	} else {
		error = exchange_status_error(result.status, NULL, http);
	}
	result.challenge = challenge;
	result.error = error;
	http_request_release(g_steal_pointer(&channel->http), LINGER_MS);
	end(channel, &result);
}

static void on_head(struct HttpRequest *http, void *user)
{
	struct Channel *channel = user;
	channel->is_stream = http_request_status(http) == 200 &&
			     exchange_is_media_type(http_request_header(http, "content-type"),
				     "text/event-stream");
	if (!channel->is_stream)
		refused(channel, http);
}

/* What one step of the parser brought. */
static void take_step(struct Channel *channel, enum SseStatus status, size_t used, bool grows)
{
	if (channel->endpoint) {
		if (status == SSE_TOO_LARGE)
			end_text(channel, MUX_ERROR_TOO_LARGE, "an event is over max_message");
		else if (status == SSE_EVENT)
			take_event(channel);
		else if (grows)
			tell_alive(channel);
		return;
	}
	channel->preamble += used;
	if (status == SSE_EVENT)
		take_endpoint(channel);
	else if (status == SSE_TOO_LARGE || channel->preamble > PREAMBLE_BYTES)
		end_text(channel, MUX_ERROR_UPSTREAM,
			"its stream does not begin with the name of an endpoint");
}

static void on_data(struct HttpRequest *http, void *user)
{
	struct Channel *channel = user;
	struct Buffer *body = http_request_body(http);
	size_t offset = 0;
	channel->busy++;
	while (!channel->closed && offset < body->len) {
		size_t used, before = channel->sse.data.len;
		struct Slice rest = {body->data + offset, body->len - offset};
		enum SseStatus status = sse_feed(&channel->sse, rest, &used);
		offset += used;
		take_step(channel, status, used, channel->sse.data.len > before);
	}
	if (!channel->closed)
		buffer_consume(body, offset);
	channel->busy--;
	free_if_done(channel);
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	struct Channel *channel = user;
	(void)http;
	channel->http = NULL; /* freed by the HTTP layer after this */
	if (error) {
		const struct ExchangeResult result = {.error = error};
		end(channel, &result);
	} else {
		end_text(channel, MUX_ERROR_BROKEN, "the server ended its event stream");
	}
}

/* ---- for others ---- */

struct Channel *channel_open(
	const struct ChannelSpec *spec, const struct ChannelHandlers *handlers, void *user)
{
	static const struct HttpHandlers http_handlers = {on_head, on_data, on_done};
	struct Channel *channel = g_new0(struct Channel, 1);
	channel->spec = *spec;
	channel->handlers = *handlers;
	channel->user = user;
	channel->waits = g_hash_table_new(g_int64_hash, g_int64_equal);
	channel->spec.headers = http_headers_copy(spec->headers);
	if (!http_headers_replace(channel->spec.headers, "Accept", "text/event-stream", NULL))
		g_warn_if_reached(); /* both are fit for a header */
	sse_init(&channel->sse, spec->max_message);
	struct HttpSpec http = {
		.method = HTTP_GET,
		.url = spec->url,
		.headers = channel->spec.headers,
		.connect_timeout_ms = spec->connect_timeout_ms,
		.max_body = spec->max_message,
	};
	channel->http = http_request_start(spec->http, &http, &http_handlers, channel);
	loop_timer_start(spec->loop, &channel->clock, spec->open_ms, on_no_endpoint, channel);
	return channel;
}

const char *channel_endpoint(const struct Channel *channel)
{
	return channel->closed ? NULL : channel->endpoint;
}

void channel_await(struct Channel *channel, struct ChannelWait *wait)
{
	wait->channel = channel;
	g_hash_table_insert(channel->waits, &wait->id, wait);
}
