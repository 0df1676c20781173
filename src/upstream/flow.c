/* One request whose answer is a stream of events without an end of its own.
 *
 * Trusts nothing that comes: the size of an event is bounded by the SSE parser, its form is checked by rpc_parse. Owns
 * the HTTP request and the parser, which remembers the last event id between two GETs. A handler may free the flow: then
 * it is only marked, and freed when the outermost of our frames returns. */
#include "upstream/flow.h"

#include "base/error.h"
#include "base/log.h"
#include "upstream/internal.h"

struct Flow *flow_new(struct Upstream *up, const struct FlowHandlers *handlers, void *user)
{
	struct Flow *flow = g_new0(struct Flow, 1);
	flow->up = up;
	flow->handlers = handlers;
	flow->user = user;
	sse_init(&flow->sse, up->shared.mux->max_message);
	return flow;
}

void flow_free(struct Flow *flow)
{
	if (!flow)
		return;
	loop_timer_stop(&flow->limit);
	http_request_cancel(g_steal_pointer(&flow->http));
	flow->dead = true;
	if (flow->busy > 0)
		return;
	http_headers_unref(flow->headers);
	sse_release(&flow->sse);
	secret_unref(flow->token);
	g_free(flow->body);
	g_free(flow->filter);
	g_free(flow);
}

/* The frame that was busy with the flow returns. */
static void leave(struct Flow *flow)
{
	flow->busy--;
	if (flow->dead)
		flow_free(flow);
}

static void end(struct Flow *flow, const struct FlowEnd *how)
{
	http_request_cancel(g_steal_pointer(&flow->http));
	flow->handlers->done(flow, how, flow->user);
}

int64_t flow_held_ms(const struct Flow *flow)
{
	return flow->is_stream ? (g_get_monotonic_time() - flow->since_us) / 1000 : -1;
}

static void on_head(struct HttpRequest *http, void *user)
{
	struct Flow *flow = user;
	flow->status = http_request_status(http);
	flow->is_stream = flow->status == 200 &&
			  exchange_is_media_type(
				  http_request_header(http, "content-type"), "text/event-stream");
	sse_restart(&flow->sse);
	if (!flow->is_stream)
		return;
	flow->since_us = g_get_monotonic_time();
	flow->busy++;
	flow->handlers->open(flow, flow->user);
	leave(flow);
}

static void take_event(struct Flow *flow)
{
	struct RpcMessage message;
	if (flow->sse.data.len == 0)
		return; /* a priming event of a server that wants to be polled */
	if (rpc_parse(buffer_slice(&flow->sse.data), &message, NULL))
		flow->handlers->message(flow, &message, flow->user);
	else
		log_debug(flow->up->connector->name, "an event of its stream is no message");
}

static void on_data(struct HttpRequest *http, void *user)
{
	struct Flow *flow = user;
	struct Buffer *body = http_request_body(http);
	size_t offset = 0;
	flow->busy++;
	while (flow->http && flow->is_stream && offset < body->len) {
		size_t used;
		struct Slice rest = {body->data + offset, body->len - offset};
		enum SseStatus status = sse_feed(&flow->sse, rest, &used);
		offset += used;
		if (status == SSE_EVENT) {
			take_event(flow);
		} else if (status == SSE_TOO_LARGE) {
			g_autoptr(GError) error = g_error_new_literal(
				MUX_ERROR, MUX_ERROR_TOO_LARGE, "an event is over max_message");
			struct FlowEnd how = {flow->status, error, false, {0}};
			end(flow, &how);
		}
	}
	if (flow->http)
		buffer_consume(body, offset);
	leave(flow);
}

/* The answer was no stream. */
static void end_by_answer(struct Flow *flow, struct HttpRequest *http)
{
	int code = flow->status == 429 || flow->status == 503 ? MUX_ERROR_BUSY : MUX_ERROR_UPSTREAM;
	g_autoptr(GError) error = g_error_new(MUX_ERROR, code, "HTTP %d", flow->status);
	struct FlowEnd how = {flow->status, error, flow->status < 500 && flow->status != 429, {0}};
	struct RpcMessage message;
	if (rpc_parse(buffer_slice(http_request_body(http)), &message, NULL) &&
		message.kind == RPC_ERROR && how.refused) {
		how.error_object = message.error.raw;
		g_clear_error(&error);
		error = upstream_said(how.error_object);
		how.error = error;
	}
	end(flow, &how);
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	struct Flow *flow = user;
	struct FlowEnd how = {flow->status, error, false, {0}};
	flow->http = NULL;
	if (error)
		log_debug(flow->up->connector->name, "notification stream: %s", error->message);
	if (error || flow->is_stream)
		end(flow, &how);
	else
		end_by_answer(flow, http);
}

/* METHOD, headers and body are there. */
static void start(struct Flow *flow, enum HttpMethod method)
{
	static const struct HttpHandlers handlers = {on_head, on_data, on_done};
	struct Upstream *up = flow->up;
	struct HttpSpec spec = {
		.method = method,
		.url = up->connector->url,
		.headers = flow->headers,
		.body = slice_of(flow->body),
		.connect_timeout_ms = up->shared.mux->connect_timeout_ms,
		.max_body = up->shared.mux->max_message,
	};
	secret_unref(flow->token);
	flow->token = secret_ref(up->token);
	flow->is_stream = false;
	flow->status = 0;
	flow->http = http_request_start(up->shared.http, &spec, &handlers, flow);
}

void flow_get(struct Flow *flow)
{
	g_autoptr(GError) error = NULL;
	http_headers_unref(flow->headers);
	flow->headers = http_headers_copy(flow->up->session_headers);
	flow->resumed = flow->sse.id->len > 0 &&
			http_headers_add(flow->headers, "Last-Event-ID", flow->sse.id->str, &error);
	if (error)
		log_debug(flow->up->connector->name, "%s", error->message);
	start(flow, HTTP_GET);
}

void flow_listen(struct Flow *flow, char *filter)
{
	static const char method[] = "subscriptions/listen";
	struct Upstream *up = flow->up;
	g_autofree char *params = g_strdup_printf("\"notifications\":%s", filter);
	flow->filter = filter;
	flow->id = up->next_id++;
	flow->body = phrase_own_request(up, flow->id, method, params);
	flow->headers = phrase_headers(up, method);
	start(flow, HTTP_POST);
}
