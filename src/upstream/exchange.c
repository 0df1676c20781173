/* One request and its answer.
 *
 * Trusts nothing in the answer: its size is bounded by the HTTP layer and the SSE parser, its form is
 * checked by rpc_parse, its id must be the request's. Owns the HTTP request, the SSE parser, two clocks
 * (idle and limit, which stand still while it is paused) and the pause before a resumption.
 *
 * POST -> JSON body: gathered, parsed at the end. POST -> SSE: each event is parsed as it comes; the one
 * with our id ends the exchange, the rest goes to `message`. A stream that ends before the answer is
 * resumed by GET with Last-Event-ID if the server gave event ids (legacy revisions only), else sent once
 * more if the caller says that this is safe, else it is an error.
 *
 * With a channel: POST -> a status that is an error ends the exchange as above; a body that comes with another is
 * passed over, and the channel brings the answer, which may come before the POST's own end.
 *
 * A handler may cancel the exchange it is called for: then it is only marked, and freed when the
 * outermost of our frames returns. */
#include "upstream/exchange.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/sse.h"
#include "upstream/channel.h"

#include <string.h>

enum {
	RESUME_DEFAULT_MS = 1000,
	RESUME_MIN_MS = 100, /* whatever `retry` says, so that there is no storm */
	RESUME_MAX_MS = 60 * 1000,
	RESUMES_MAX = 20, /* in a row without a new event */
	LINGER_MS = 2000, /* for a stream's end after its answer, so that the connection is kept */
	EXCERPT_BYTES = 200,
};

struct Exchange {
	struct ExchangeSpec spec;
	struct ExchangeHandlers handlers;
	void *user;
	struct HttpRequest *http;
	struct HttpHeaders *resume_headers; /* of the GET under way */
	struct SseParser sse;
	struct LoopTimer idle, limit, pause;
	struct ChannelWait wait; /* for the answer, where there is a channel */
	char *session;
	int status;
	bool is_json; /* by its Content-Type, or it has none */
	bool is_stream; /* the answer under way is SSE */
	bool had_stream; /* sse was initialised */
	bool repeated;
	bool resuming; /* what is under way is a GET */
	bool unresumable; /* the server refused it */
	bool paused; /* its clocks stand still */
	unsigned left_ms; /* of the limit, while they do */
	unsigned resumes;
	unsigned busy; /* frames of ours below which a handler runs */
	bool dead;
};

static void start_post(struct Exchange *ex);

static void exchange_free(struct Exchange *ex)
{
	if (ex->had_stream)
		sse_release(&ex->sse);
	http_headers_unref(ex->resume_headers);
	http_headers_unref(ex->spec.headers);
	g_free(ex->session);
	g_free(ex);
}

/* Everything stops; freed now, or by the frame that is busy with it. */
static void bury(struct Exchange *ex)
{
	if (ex->busy > 0)
		ex->dead = true;
	else
		exchange_free(ex);
}

static void stop(struct Exchange *ex)
{
	loop_timer_stop(&ex->idle);
	loop_timer_stop(&ex->limit);
	loop_timer_stop(&ex->pause);
	channel_forget(&ex->wait);
}

static void finish(struct Exchange *ex, struct ExchangeResult *result)
{
	stop(ex);
	struct HttpRequest *http = g_steal_pointer(&ex->http);
	if (http && result->has_message)
		http_request_release(http, LINGER_MS);
	else
		http_request_cancel(http);
	result->session = ex->session;
	if (result->status == 0)
		result->status = ex->status;
	ex->busy++;
	ex->handlers.done(ex, result, ex->user);
	ex->busy--;
	g_free(result->bytes);
	bury(ex);
}

static void fail(struct Exchange *ex, const GError *error)
{
	struct ExchangeResult result = {.error = error};
	finish(ex, &result);
}

static void fail_text(struct Exchange *ex, enum MuxError code, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, (int)code, text);
	fail(ex, error);
}

static void on_idle(void *user)
{
	struct Exchange *ex = user;
	/* It is we who do not read: the IDE does not take what there is already. */
	if (http_client_is_held(ex->spec.http)) {
		exchange_touch(ex);
		return;
	}
	g_autofree char *text =
		g_strdup_printf("no sign of life for %u seconds", ex->spec.idle_ms / 1000);
	fail_text(ex, MUX_ERROR_TIMEOUT, text);
}

static void on_limit(void *user)
{
	struct Exchange *ex = user;
	g_autofree char *text =
		g_strdup_printf("not finished after %u seconds", ex->spec.limit_ms / 1000);
	fail_text(ex, MUX_ERROR_TIMEOUT, text);
}

void exchange_touch(struct Exchange *ex)
{
	if (!ex->paused)
		loop_timer_start(ex->spec.loop, &ex->idle, ex->spec.idle_ms, on_idle, ex);
}

void exchange_pause(struct Exchange *ex)
{
	if (ex->paused || ex->dead)
		return;
	int64_t left_us = ex->limit.due_us - g_get_monotonic_time();
	ex->left_ms = (unsigned)(MAX(left_us, 0) / 1000);
	ex->paused = true;
	loop_timer_stop(&ex->idle);
	loop_timer_stop(&ex->limit);
}

void exchange_resume(struct Exchange *ex)
{
	if (!ex->paused || ex->dead)
		return;
	ex->paused = false;
	loop_timer_start(ex->spec.loop, &ex->limit, ex->left_ms, on_limit, ex);
	exchange_touch(ex);
}

int64_t exchange_error_code(const struct ExchangeResult *result)
{
	int64_t code = 0;
	if (result->has_message && result->message.kind == RPC_ERROR)
		(void)json_int64(json_get(result->message.error.raw, "code"), &code);
	return code;
}

bool exchange_lost_session(const struct ExchangeResult *result)
{
	bool answered = result->has_message && (result->message.id.type == JSON_NUMBER ||
						       result->message.id.type == JSON_STRING);
	return result->status == 404 || (result->status == 400 && !answered);
}

/* Visible ASCII alone (MCP 2025-11-25, "Session Management"). */
static bool is_session_id(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p < 0x21 || *p > 0x7e)
			return false;
	}
	return *text != '\0';
}

bool exchange_is_media_type(const char *value, const char *type)
{
	size_t n = strlen(type);
	return value && g_ascii_strncasecmp(value, type, n) == 0 &&
	       (value[n] == '\0' || value[n] == ';' || value[n] == ' ' || value[n] == '\t');
}

/* Whether the message answers this request. An error without an id is taken as the answer where the body is
 * all there is (JSON), since a server that could not read the request cannot name it. */
static bool answers(const struct Exchange *ex, const struct RpcMessage *message, bool whole_body)
{
	if (message->kind != RPC_RESULT && message->kind != RPC_ERROR)
		return false;
	int64_t id;
	if (json_int64(message->id, &id))
		return id == ex->spec.id;
	return whole_body && message->kind == RPC_ERROR &&
	       (message->id.type == JSON_NULL || message->id.type == JSON_NONE);
}

/* Finds our answer in TEXT, a message or (2025-03-26) a batch of them; others go to `message`. */
static bool find_answer(struct Exchange *ex, struct Slice text, bool whole_body,
	struct RpcMessage *answer, const char **why)
{
	struct RpcMessage message;
	struct RpcFault fault;
	if (!rpc_parse(text, &message, &fault)) {
		*why = fault.reason;
		return false;
	}
	if (message.kind != RPC_BATCH) {
		*why = "it answers another request";
		if (answers(ex, &message, whole_body)) {
			*answer = message;
			return true;
		}
		if (message.kind == RPC_REQUEST || message.kind == RPC_NOTIFICATION) {
			*why = "it is no answer";
			if (ex->handlers.message)
				ex->handlers.message(ex, &message, ex->user);
		}
		return false;
	}
	bool found = false;
	*why = "no message of the batch answers the request";
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, message.text) {
		struct RpcMessage one;
		if (!rpc_parse(item.value.raw, &one, NULL))
			continue;
		if (!found && answers(ex, &one, false)) {
			*answer = one;
			found = true;
		} else if (ex->handlers.message && !ex->dead &&
			   (one.kind == RPC_REQUEST || one.kind == RPC_NOTIFICATION)) {
			ex->handlers.message(ex, &one, ex->user);
		}
	}
	return found;
}

/* ---- streams ---- */

static void on_head(struct HttpRequest *http, void *user)
{
	struct Exchange *ex = user;
	ex->status = http_request_status(http);
	const char *session = http_request_header(http, "mcp-session-id");
	if (session && !ex->session && is_session_id(session))
		ex->session = g_strdup(session);
	const char *type = http_request_header(http, "content-type");
	ex->is_json = !type || exchange_is_media_type(type, "application/json");
	ex->is_stream = ex->status == 200 && !ex->is_json && !ex->spec.channel &&
			exchange_is_media_type(type, "text/event-stream");
	if (!ex->is_stream)
		return;
	if (ex->had_stream)
		sse_restart(&ex->sse);
	else
		sse_init(&ex->sse, ex->spec.max_message);
	ex->had_stream = true;
}

/* One event. True if the exchange ended. */
static bool take_event(struct Exchange *ex)
{
	ex->resumes = 0;
	exchange_touch(ex);
	if (ex->sse.data.len == 0 ||
		(ex->sse.event->len > 0 && strcmp(ex->sse.event->str, "message") != 0))
		return false;
	struct RpcMessage answer;
	const char *why;
	struct ExchangeResult result = {0};
	ex->busy++;
	bool found = find_answer(ex, buffer_slice(&ex->sse.data), false, &answer, &why);
	ex->busy--;
	if (ex->dead) {
		exchange_free(ex);
		return true;
	}
	if (!found)
		return false;
	size_t len;
	result.bytes = buffer_steal(&ex->sse.data, &len);
	json_make_one_line(result.bytes, len);
	result.has_message = true;
	result.message = answer;
	finish(ex, &result);
	return true;
}

bool exchange_take(struct Exchange *ex, const struct RpcMessage *message)
{
	struct ExchangeResult result = {.has_message = true};
	int64_t id;
	if (ex->dead || !json_int64(message->id, &id) || id != ex->spec.id)
		return false;
	size_t len = message->text.len;
	result.bytes = slice_dup(message->text);
	json_make_one_line(result.bytes, len);
	if (!rpc_parse((struct Slice){result.bytes, len}, &result.message, NULL)) {
		g_warn_if_reached(); /* it was read before */
		g_free(result.bytes);
		return false;
	}
	result.status = 200;
	finish(ex, &result);
	return true;
}

static void read_stream(struct Exchange *ex, struct HttpRequest *http)
{
	struct Buffer *body = http_request_body(http);
	size_t offset = 0;
	while (offset < body->len) {
		size_t used, before = ex->sse.data.len;
		struct Slice rest = {body->data + offset, body->len - offset};
		enum SseStatus status = sse_feed(&ex->sse, rest, &used);
		offset += used;
		if (status == SSE_TOO_LARGE) {
			fail_text(ex, MUX_ERROR_TOO_LARGE, "an event is over max_message");
			return;
		}
		if (status == SSE_EVENT) {
			if (take_event(ex))
				return;
		} else if (ex->sse.data.len > before) {
			exchange_touch(ex);
		}
	}
	buffer_consume(body, offset);
}

/* What is posted to the endpoint of a channel. */
static bool is_accepted(const struct Exchange *ex)
{
	return ex->status >= 200 && ex->status <= 299;
}

static void on_data(struct HttpRequest *http, void *user)
{
	struct Exchange *ex = user;
	if (ex->is_stream)
		read_stream(ex, http);
	else if (ex->spec.channel && is_accepted(ex))
		buffer_consume(http_request_body(http), http_request_body(http)->len);
	else
		exchange_touch(ex);
}

static void start_resume(void *user);

/* A stream or connection ended before the answer. */
static void recover(struct Exchange *ex, const GError *error)
{
	bool can_resume =
		ex->spec.resumable && ex->had_stream && ex->sse.id->len > 0 && !ex->unresumable;
	if (can_resume && ex->resumes < RESUMES_MAX) {
		ex->resumes++;
		int64_t pause = ex->sse.retry_ms >= 0 ? ex->sse.retry_ms : RESUME_DEFAULT_MS;
		loop_timer_start(ex->spec.loop, &ex->pause,
			(unsigned)CLAMP(pause, RESUME_MIN_MS, RESUME_MAX_MS), start_resume, ex);
		return;
	}
	if (ex->spec.repeatable && !ex->repeated &&
		g_error_matches(error, MUX_ERROR, MUX_ERROR_BROKEN)) {
		ex->repeated = true;
		log_debug(ex->spec.connector, "sending a request again: %s", error->message);
		start_post(ex);
		return;
	}
	fail(ex, error);
}

/* The GET did not lead to a stream: ERROR, or the status if it is NULL. What was posted may have run, so
 * neither its status nor its error tells how the request ended. */
static void resume_failed(struct Exchange *ex, const GError *error)
{
	g_autofree char *why =
		error ? g_strdup(error->message) : g_strdup_printf("HTTP %d", ex->status);
	bool for_now = error || ex->status == 429 || ex->status >= 500;
	g_autoptr(GError) cut = g_error_new(MUX_ERROR, MUX_ERROR_BROKEN,
		"the stream ended before the answer and could not be taken up again: %s", why);
	ex->unresumable = !for_now;
	ex->status = 0;
	recover(ex, cut);
}

/* ---- whole bodies ---- */

static enum MuxError code_of_status(int status)
{
	if (status == 401)
		return MUX_ERROR_SIGN_IN;
	if (status == 403)
		return MUX_ERROR_FORBIDDEN;
	if (status == 429 || status == 503)
		return MUX_ERROR_BUSY;
	return MUX_ERROR_UPSTREAM;
}

GError *exchange_status_error(
	int status, const struct ExchangeResult *result, struct HttpRequest *http)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_printf(text, "HTTP %d", status);
	if (result && result->has_message) {
		struct JsonValue said = json_get(result->message.error.raw, "message");
		g_autofree char *decoded = json_string_dup(said);
		if (decoded) {
			g_string_append(text, ": ");
			text_append_printable(text, slice_of(decoded), EXCERPT_BYTES);
		}
	}
	if (status >= 300 && status < 400)
		g_string_append(text, ": a redirect, which is not followed; "
				      "the server may have moved to another address");
	const char *after = http_request_header(http, "retry-after");
	if (after && code_of_status(status) == MUX_ERROR_BUSY) {
		g_string_append(text, ", retry after ");
		text_append_printable(text, slice_of(after), 40);
		if (g_ascii_isdigit(*after) && strspn(after, "0123456789") == strlen(after))
			g_string_append(text, " seconds");
	}
	return g_error_new_literal(MUX_ERROR, (int)code_of_status(status), text->str);
}

static void read_body(struct Exchange *ex, struct HttpRequest *http)
{
	struct ExchangeResult result = {.status = http_request_status(http)};
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	bool refused = result.status == 401 || result.status == 403;
	g_autofree char *challenge =
		refused ? http_request_header_all(http, "www-authenticate") : NULL;
	result.challenge = challenge;
	result.bytes = buffer_steal(http_request_body(http), &len);
	const char *why = ex->is_json ? "it is empty" : NULL;
	ex->busy++;
	if (ex->is_json && len > 0)
		result.has_message = find_answer(
			ex, (struct Slice){result.bytes, len}, true, &result.message, &why);
	ex->busy--;
	if (ex->dead) {
		g_free(result.bytes);
		exchange_free(ex);
		return;
	}
	if (result.has_message)
		json_make_one_line(result.bytes, len);
	if (result.status < 200 || result.status > 299) {
		result.has_message = result.has_message && result.message.kind == RPC_ERROR;
		error = exchange_status_error(result.status, &result, http);
	} else if (!result.has_message && !ex->is_json) {
		g_autofree char *shown =
			text_printable(slice_of(http_request_header(http, "content-type")), 60);
		error = g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"it answered with %s instead of JSON", shown);
	} else if (!result.has_message) {
		error = g_error_new(
			MUX_ERROR, MUX_ERROR_UPSTREAM, "its answer is not valid: %s", why);
	}
	result.error = error;
	finish(ex, &result);
}

/* ---- the channel ---- */

static void on_channel_answer(void *user, char *bytes, const struct RpcMessage *answer)
{
	struct ExchangeResult result = {
		.status = 200, .bytes = bytes, .has_message = true, .message = *answer};
	finish(user, &result);
}

static void on_channel_broken(void *user, const GError *error)
{
	fail(user, error);
}

static void on_channel_alive(void *user)
{
	exchange_touch(user);
}

/* Whether the end of the POST leaves it to the channel how the exchange ends: its answer is on the way, or the channel was
 * closed, which it will tell in a moment. */
static bool awaits_channel(const struct Exchange *ex)
{
	return ex->spec.channel && (is_accepted(ex) || !channel_endpoint(ex->spec.channel));
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	struct Exchange *ex = user;
	ex->http = NULL; /* freed by the HTTP layer after this */
	if (awaits_channel(ex)) {
		exchange_touch(ex);
	} else if (ex->resuming && !ex->is_stream) {
		resume_failed(ex, error);
	} else if (error) {
		recover(ex, error);
	} else if (ex->is_stream) {
		g_autoptr(GError) cut = g_error_new_literal(
			MUX_ERROR, MUX_ERROR_BROKEN, "the stream ended before the answer");
		recover(ex, cut);
	} else {
		read_body(ex, http);
	}
}

static const struct HttpHandlers http_handlers = {on_head, on_data, on_done};

static void start_post(struct Exchange *ex)
{
	struct HttpSpec http = {
		.method = HTTP_POST,
		.url = ex->spec.channel ? channel_endpoint(ex->spec.channel) : ex->spec.url,
		.headers = ex->spec.headers,
		.body = ex->spec.body,
		.connect_timeout_ms = ex->spec.connect_timeout_ms,
		.once = true, /* recover() sends it again, where that may be */
		.max_body = ex->spec.max_message,
	};
	/* A new stream has nothing to do with the event ids of the last. */
	if (ex->had_stream)
		sse_release(&ex->sse);
	ex->had_stream = false;
	ex->is_stream = false;
	ex->resuming = false;
	ex->unresumable = false;
	ex->status = 0;
	ex->http = http_request_start(ex->spec.http, &http, &http_handlers, ex);
}

static void start_resume(void *user)
{
	struct Exchange *ex = user;
	http_headers_unref(ex->resume_headers);
	ex->resume_headers = http_headers_copy(ex->spec.headers);
	g_autoptr(GError) error = NULL;
	if (!http_headers_add(ex->resume_headers, "Last-Event-ID", ex->sse.id->str, &error)) {
		ex->resumes = RESUMES_MAX; /* it will not get better */
		resume_failed(ex, error);
		return;
	}
	struct HttpSpec http = {
		.method = HTTP_GET,
		.url = ex->spec.url,
		.headers = ex->resume_headers,
		.connect_timeout_ms = ex->spec.connect_timeout_ms,
		.max_body = ex->spec.max_message,
	};
	ex->is_stream = false;
	ex->resuming = true;
	ex->http = http_request_start(ex->spec.http, &http, &http_handlers, ex);
}

struct Exchange *exchange_start(
	const struct ExchangeSpec *spec, const struct ExchangeHandlers *handlers, void *user)
{
	struct Exchange *ex = g_new0(struct Exchange, 1);
	ex->spec = *spec;
	ex->spec.headers = http_headers_ref(spec->headers);
	ex->handlers = *handlers;
	ex->user = user;
	ex->wait = (struct ChannelWait){.id = spec->id,
		.user = ex,
		.answer = on_channel_answer,
		.broken = on_channel_broken,
		.alive = on_channel_alive};
	loop_timer_start(spec->loop, &ex->limit, spec->limit_ms, on_limit, ex);
	exchange_touch(ex);
	if (spec->channel)
		channel_await(spec->channel, &ex->wait);
	start_post(ex);
	return ex;
}

void exchange_cancel(struct Exchange *ex)
{
	if (!ex || ex->dead)
		return;
	http_request_cancel(g_steal_pointer(&ex->http));
	stop(ex);
	bury(ex);
}
