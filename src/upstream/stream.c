/* The server's own notification stream: a GET in the legacy era ("Listening for Messages from the Server",
 * 2025-11-25), `subscriptions/listen` in the modern one ("Subscriptions", 2026-07-28). One per upstream, and only where
 * the server has something to tell: changes of lists, watched resources and, legacy, log messages and requests.
 *
 * A stream that breaks is opened again with growing, jittered pauses (or the server's `retry`), and what may have been
 * missed is fetched again then. A server that refuses the stream is not asked again in this session.
 *
 * The filter of a modern stream cannot change. So where other resources are to be watched a second stream is opened
 * (NEXT), its acknowledgement awaited, and only then is the first closed: not at once, since what was on its way when the
 * server sent the acknowledgement may come a moment later; what the new stream has told meanwhile is not told again.
 * One is opened at a time, so changes that come together, or while one is awaited, need one more at most.
 *
 * Trusts the server with nothing but the form that was checked. Owns the flows (flow.c). A handler of the owner's that
 * runs below an event may stop all of it: so nothing of the stream is touched after one. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "format/json_writer.h"
#include "upstream/flow.h"

enum {
	HANDOVER_MS = 250, /* that a replaced stream is still heard */
	HEARING_MS = 1000, /* that calls wait for the first stream of a session */
	HEARD_MAX = 2000, /* notices remembered meanwhile */
};

struct Stream {
	struct Upstream *up;
	struct Flow *now; /* what tells */
	struct Flow *next; /* modern: its acknowledgement is awaited */
	struct Flow *last; /* modern: NOW has replaced it a moment ago */
	GHashTable *heard; /* notices that NOW has brought while LAST is there */
	struct LoopTimer pause;
	unsigned pause_ms;
	int64_t retry_ms; /* the server's wish */
	bool reopened;
	bool missed; /* it was cut since it told last */
	bool reauthorized; /* a token was renewed since it was open last */
	bool waits; /* for another token */
};

static void follow(struct Stream *stream);

static void drop_last(struct Stream *stream)
{
	flow_free(g_steal_pointer(&stream->last));
	g_clear_pointer(&stream->heard, g_hash_table_unref);
}

void upstream_stop_stream(struct Upstream *up)
{
	struct Stream *stream = g_steal_pointer(&up->stream);
	loop_timer_stop(&up->hearing);
	if (!stream)
		return;
	loop_timer_stop(&stream->pause);
	drop_last(stream);
	flow_free(stream->next);
	flow_free(stream->now);
	g_free(stream);
}

/* ---- the filter ---- */

static struct JsonValue asked_uris(const struct Flow *flow)
{
	return json_get(slice_of(flow->filter), "resourceSubscriptions");
}

/* What the server says that it tells of, and the array of URIS. NULL: nothing. */
static char *filter_of(const struct Upstream *up, const GString *uris)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	for (int kind = 0; kind < MCP_TEMPLATES; kind++) {
		if (up->offers & upstream_telling((enum McpList)kind))
			json_member_bool(&w, mcp_lists[kind].filter, true);
	}
	if (uris->len > 0)
		json_member_raw(&w, "resourceSubscriptions", (struct Slice){uris->str, uris->len});
	json_end_object(&w);
	return out->len > strlen("{}") ? g_strdup(out->str) : NULL;
}

static char *wanted_filter(const struct Upstream *up)
{
	g_autoptr(GString) uris = g_string_new(NULL);
	upstream_watched(up, uris);
	return filter_of(up, uris);
}

static bool has_member(struct Slice object)
{
	struct JsonIter iter = json_iter(object);
	struct JsonMember member;
	return json_next(&iter, &member);
}

/* Whether the server may have anything to say on a stream of its own. */
static bool has_news(const struct Upstream *up)
{
	if (up->era == ERA_MODERN) {
		g_autofree char *filter = wanted_filter(up);
		return filter != NULL;
	}
	unsigned telling = UPSTREAM_TELLS_TOOLS | UPSTREAM_TELLS_PROMPTS |
			   UPSTREAM_TELLS_RESOURCES | UPSTREAM_SUBSCRIBE | UPSTREAM_LOGGING;
	return (up->offers & telling) || has_member(slice_of(upstream_client(up, ERA_LEGACY)));
}

/* ---- ends ---- */

static void on_pause(void *user)
{
	follow(user);
}

static void follow_later(struct Stream *stream)
{
	stream->reopened = true;
	if (stream->pause.loop)
		return;
	unsigned pause = upstream_backoff(&stream->pause_ms);
	if (stream->retry_ms >= 0)
		pause = MAX(pause, (unsigned)MIN(stream->retry_ms, BACKOFF_LAST_MS));
	loop_timer_start(stream->up->shared.loop, &stream->pause, pause, on_pause, stream);
}

/* Nobody will say any more what changes; frees the stream. */
static void give_up(struct Stream *stream, const GError *error)
{
	struct Upstream *up = stream->up;
	log_debug(up->connector->name, "no notification stream: %s", error->message);
	up->tells = 0;
	up->deaf = true;
	upstream_stop_stream(up);
	if (up->era == ERA_MODERN) {
		upstream_watches_lost(up);
		upstream_watches_failed(up, NULL, error);
	}
}

/* A modern flow is NOW or NEXT no more. */
static void detach(struct Flow *flow)
{
	struct Stream *stream = flow->user;
	if (flow == stream->next)
		stream->next = NULL;
	else
		stream->now = NULL;
	stream->missed = stream->missed || !stream->now;
}

/* Takes note of how a flow went that is over. */
static void note_end(struct Stream *stream, const struct Flow *flow)
{
	stream->retry_ms = flow->sse.retry_ms;
	/* One that held for a while may be opened again soon. */
	if (flow_held_ms(flow) >= (int64_t)stream->pause_ms)
		stream->pause_ms = 0;
}

/* A flow is over, by an ERROR or (NULL) the server's own wish. */
static void flow_ended(struct Flow *flow, const GError *error)
{
	struct Stream *stream = flow->user;
	struct Upstream *up = stream->up;
	if (flow == stream->last) {
		drop_last(stream);
		return;
	}
	note_end(stream, flow);
	if (flow == stream->next) {
		g_autoptr(GError) early = g_error_new_literal(
			MUX_ERROR, MUX_ERROR_BROKEN, "it ended the subscription at once");
		struct JsonValue asked = asked_uris(flow);
		detach(flow);
		follow_later(stream);
		if (asked.type == JSON_ARRAY)
			upstream_watches_failed(up, &asked, error ? error : early);
		flow_free(flow);
	} else if (up->era == ERA_MODERN) {
		detach(flow);
		flow_free(flow);
		upstream_watches_lost(up);
		if (!stream->next)
			follow_later(stream);
	} else {
		stream->missed = stream->missed || error;
		follow_later(stream);
	}
}

/* The server does not want what FLOW asks for. FOR_GOOD: nor anything of its kind. */
static void flow_refused(
	struct Flow *flow, const GError *error, struct Slice error_object, bool for_good)
{
	struct Stream *stream = flow->user;
	struct Upstream *up = stream->up;
	if (up->era != ERA_MODERN) {
		give_up(stream, error);
		return;
	}
	if (flow == stream->last || flow->acknowledged) {
		flow_ended(flow, error);
		return;
	}
	/* It may be one resource that it does not want: the next request is without those. */
	detach(flow);
	bool fewer = upstream_watches_refused(up, asked_uris(flow), error, error_object);
	flow_free(flow);
	if (up->stream != stream)
		return;
	if (for_good && !stream->now)
		give_up(stream, error);
	else if (fewer)
		follow(stream);
	else if (stream->now)
		follow_later(stream);
	else
		give_up(stream, error);
}

/* ---- what it tells ---- */

/* Changes may have been missed. */
static void catch_up(struct Stream *stream)
{
	if (!stream->missed)
		return;
	stream->missed = false;
	upstream_lists_missed(stream->up);
}

static void on_handed_over(void *user)
{
	struct Flow *flow = user;
	drop_last(flow->user);
}

/* NEXT tells from now on. */
static void hand_over(struct Stream *stream)
{
	drop_last(stream);
	if (stream->now) {
		stream->pause_ms = 0; /* that there is one shows that they hold */
		stream->last = stream->now;
		stream->heard = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		loop_timer_start(stream->up->shared.loop, &stream->last->limit, HANDOVER_MS,
			on_handed_over, stream->last);
	}
	stream->now = g_steal_pointer(&stream->next);
}

/* The server said what it agrees to (an object, or it did not say). */
static void acknowledge(struct Flow *flow, struct JsonValue agreed)
{
	struct Stream *stream = flow->user;
	struct Upstream *up = stream->up;
	loop_timer_stop(&flow->limit);
	flow->acknowledged = true;
	for (int kind = 0; kind < MCP_TEMPLATES && agreed.type == JSON_OBJECT; kind++) {
		unsigned telling = up->offers & upstream_telling((enum McpList)kind);
		bool tells = json_get(agreed.raw, mcp_lists[kind].filter).type == JSON_TRUE;
		up->tells = tells ? up->tells | telling : up->tells & ~telling;
	}
	if (flow == stream->next)
		hand_over(stream);
	catch_up(stream);
	g_autoptr(GString) uris = g_string_new(NULL);
	struct JsonValue agreed_uris = json_get(agreed.raw, "resourceSubscriptions");
	upstream_watches_agreed(up, asked_uris(flow), agreed_uris, uris);
	g_free(flow->filter);
	flow->filter = filter_of(up, uris);
}

static void on_unacknowledged(void *user)
{
	struct Flow *flow = user;
	struct Stream *stream = flow->user;
	g_autoptr(GError) error = g_error_new_literal(
		MUX_ERROR, MUX_ERROR_TIMEOUT, "it did not acknowledge the subscription in time");
	if (stream->now) {
		flow_ended(flow, error);
		return;
	}
	/* It may tell of lists all the same, but nothing is known to be watched. */
	g_autofree char *filter = g_steal_pointer(&flow->filter);
	struct JsonValue asked = json_get(slice_of(filter), "resourceSubscriptions");
	g_autoptr(GString) none = g_string_new(NULL);
	flow->filter = filter_of(stream->up, none);
	hand_over(stream);
	catch_up(stream);
	struct Upstream *up = stream->up;
	if (asked.type == JSON_ARRAY)
		upstream_watches_failed(up, &asked, error);
	if (up->stream == stream)
		follow(stream); /* what was wanted meanwhile */
}

/* Whether LAST brings what NOW has brought already; remembers what NOW brings while LAST is there. */
static bool is_heard(struct Flow *flow, const struct RpcMessage *message)
{
	struct Stream *stream = flow->user;
	if (!stream->heard)
		return false;
	g_autofree char *uri = json_string_dup(json_get(message->params.raw, "uri"));
	g_autofree char *method = slice_dup(message->method);
	g_autofree char *notice = g_strconcat(method, uri, NULL);
	if (flow == stream->last)
		return g_hash_table_contains(stream->heard, notice);
	if (flow == stream->now && g_hash_table_size(stream->heard) < HEARD_MAX)
		g_hash_table_add(stream->heard, g_steal_pointer(&notice));
	return false;
}

static bool is_id_of(struct JsonValue value, const struct Flow *flow)
{
	int64_t id;
	return json_int64(value, &id) && id == flow->id;
}

/* A message on a modern stream. The answer to the request is its orderly end; an error, a refusal. */
static void take_modern(struct Flow *flow, const struct RpcMessage *message)
{
	struct Stream *stream = flow->user;
	struct JsonValue params = message->params;
	bool is_notice = message->kind == RPC_NOTIFICATION;
	if (is_notice && rpc_method_is(message, "notifications/subscriptions/acknowledged")) {
		if (!flow->acknowledged)
			acknowledge(flow, json_get(params.raw, "notifications"));
		return;
	}
	bool is_answer = message->kind == RPC_RESULT || message->kind == RPC_ERROR;
	if (is_answer && message->id.type == JSON_NUMBER && !is_id_of(message->id, flow)) {
		log_debug(stream->up->connector->name, "its stream answers another request");
	} else if (message->kind == RPC_ERROR) {
		int64_t code = 0;
		(void)json_int64(json_get(message->error.raw, "code"), &code);
		g_autoptr(GError) error = upstream_said(message->error.raw);
		flow_refused(flow, error, message->error.raw, code == RPC_METHOD_NOT_FOUND);
	} else if (message->kind == RPC_RESULT) {
		flow_ended(flow, NULL);
	} else if (is_notice && rpc_method_is(message, "notifications/cancelled")) {
		if (is_id_of(json_get(params.raw, "requestId"), flow))
			flow_ended(flow, NULL);
	} else if (message->kind != RPC_BATCH && !is_heard(flow, message)) {
		stream->pause_ms = 0;
		upstream_take_message(stream->up, message);
	}
}

static void on_message(struct Flow *flow, const struct RpcMessage *message, void *user)
{
	struct Stream *stream = user;
	struct Upstream *up = stream->up;
	if (up->era == ERA_MODERN) {
		take_modern(flow, message);
	} else if (message->kind == RPC_RESULT || message->kind == RPC_ERROR) {
		/* No server should, but a call that waits for it had rather have it. */
		if (upstream_calls_answered(up, message) || message->kind == RPC_RESULT)
			return;
		g_autoptr(GError) error = upstream_said(message->error.raw);
		give_up(stream, error);
	} else {
		stream->pause_ms = 0;
		if (message->kind == RPC_NOTIFICATION || message->kind == RPC_REQUEST)
			upstream_take_message(up, message);
	}
}

/* ---- the request ---- */

static void on_open(struct Flow *flow, void *user)
{
	struct Stream *stream = user;
	upstream_heard(stream->up);
	stream->reauthorized = false;
	/* A change may have been missed, unless the server itself ended the stream to be polled and has
	 * been told where it ended. */
	if (stream->up->era != ERA_MODERN && stream->reopened &&
		(stream->missed || !flow->resumed)) {
		stream->missed = true;
		catch_up(stream);
		upstream_watches_missed(stream->up);
	}
}

/* Waits for another token than FLOW's. */
static void reauthorize(struct Stream *stream, struct Flow *flow)
{
	stream->reauthorized = true;
	stream->waits = true;
	upstream_refused(stream->up, flow->token, NULL);
	if (stream->up->era == ERA_MODERN) {
		detach(flow);
		flow_free(flow);
	}
}

/* What comes is no use to anybody. */
static void close_for_good(struct Stream *stream, const GError *error)
{
	log_warning(stream->up->connector->name, "its notification stream is closed: %s",
		error->message);
	give_up(stream, error);
}

static void on_done(struct Flow *flow, const struct FlowEnd *end, void *user)
{
	struct Stream *stream = user;
	struct Upstream *up = stream->up;
	int64_t code = 0;
	upstream_heard(up);
	(void)json_int64(json_get(end->error_object, "code"), &code);
	bool unknown = code == RPC_METHOD_NOT_FOUND || end->status == 404 || end->status == 405;
	if (end->status == 404 && up->session && stream->reopened)
		upstream_renew(up, up->generation); /* frees this stream */
	else if (end->status == 401 && flow->token && !stream->reauthorized && flow != stream->last)
		reauthorize(stream, flow);
	else if (g_error_matches(end->error, MUX_ERROR, MUX_ERROR_TOO_LARGE))
		close_for_good(stream, end->error);
	else if (end->refused)
		flow_refused(flow, end->error, end->error_object, unknown);
	else
		flow_ended(flow, end->error);
}

/* Opens what is wanted and not there. */
static void follow(struct Stream *stream)
{
	static const struct FlowHandlers handlers = {on_open, on_message, on_done};
	struct Upstream *up = stream->up;
	if (stream->pause.loop || stream->waits || stream->next)
		return;
	if (up->era != ERA_MODERN) {
		if (!stream->now)
			stream->now = flow_new(up, &handlers, stream);
		if (!stream->now->http)
			flow_get(stream->now);
		return;
	}
	g_autofree char *filter = wanted_filter(up);
	if (!filter) {
		upstream_stop_stream(up);
	} else if (!stream->now || g_strcmp0(stream->now->filter, filter) != 0) {
		stream->next = flow_new(up, &handlers, stream);
		flow_listen(stream->next, g_steal_pointer(&filter));
		loop_timer_start(up->shared.loop, &stream->next->limit, OWN_REQUEST_MS,
			on_unacknowledged, stream->next);
	}
}

/* ---- for the other files of this folder ---- */

void upstream_heard(struct Upstream *up)
{
	if (!up->hearing.loop)
		return;
	loop_timer_stop(&up->hearing);
	upstream_calls_ready(up);
}

static void on_hearing(void *user)
{
	upstream_calls_ready(user);
}

void upstream_start_stream(struct Upstream *up)
{
	up->deaf = false;
	upstream_stream_wanted(up);
	/* A server may ask the IDE on this stream for what a call needs, and lose that where there is none yet. */
	if (up->stream && up->era == ERA_LEGACY &&
		has_member(slice_of(upstream_client(up, ERA_LEGACY))))
		loop_timer_start(up->shared.loop, &up->hearing, HEARING_MS, on_hearing, up);
}

void upstream_stream_wanted(struct Upstream *up)
{
	/* The HTTP+SSE transport has one channel, which carries all of it. */
	if (up->channel || up->deaf || up->shut_down || up->state != UPSTREAM_READY)
		return;
	if (!up->stream) {
		if (!has_news(up))
			return;
		up->stream = g_new0(struct Stream, 1);
		up->stream->up = up;
		up->stream->retry_ms = -1;
	}
	follow(up->stream);
}

void upstream_resume_stream(struct Upstream *up, const GError *error)
{
	struct Stream *stream = up->stream;
	if (!stream || !stream->waits)
		return;
	stream->waits = false;
	if (!error) {
		follow(stream);
		return;
	}
	/* Where a new token was refused another one would be, too. */
	stream->reauthorized = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN);
	follow_later(stream);
	if (up->era == ERA_MODERN)
		upstream_watches_failed(up, NULL, error);
}
