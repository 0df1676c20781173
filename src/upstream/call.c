/* One request of the IDE: it goes out as one exchange, and ends by its answer, an error or the IDE's cancellation. It
 * goes out a second time only where the first cannot have run: the server did not know the session (404, or 400 as some
 * servers have it), refused the token (401, 403 for want of scope), for which there is another one, or a person signs
 * in, or refused the mirrored headers of a tool (-32020), for which the tools are fetched again first.
 *
 * What a server says on the call's own stream goes to the call's owner, who may cancel the call or give it away while
 * he is told; so nothing of it is touched after a handler. */
#include "upstream/call.h"

#include "base/error.h"
#include "base/log.h"

#define METHOD_NOT_FOUND "{\"code\":-32601,\"message\":\"Method not found\"}"

enum { ASKED_MAX = 2 }; /* sign-ins for one call */

static void kept_free(struct Kept *kept)
{
	if (!kept)
		return;
	g_free(kept->text);
	g_free(kept->name);
	g_free(kept->client_info);
	g_free(kept->inputs);
	g_free(kept);
}

/* It is in flight no more. */
static void call_came_back(struct UpstreamCall *call)
{
	call->exchange = NULL;
	call->up->in_flight--;
	if (call->pauses > 0)
		call->up->n_held--;
}

void call_free(struct UpstreamCall *call)
{
	struct Upstream *up = call->up;
	if (call->previous)
		call->previous->next = call->next;
	else
		up->calls = call->next;
	if (call->next)
		call->next->previous = call->previous;
	else
		up->last_call = call->previous;
	loop_timer_stop(&call->wait);
	if (call->exchange) {
		exchange_cancel(call->exchange);
		call_came_back(call);
	}
	g_free(call->target);
	kept_free(call->kept);
	g_free(call->grant);
	g_free(call->body);
	g_clear_error(&call->refused);
	secret_unref(call->token);
	http_headers_unref(call->headers);
	up->n_calls--;
	g_free(call);
}

void call_fail(struct UpstreamCall *call, const GError *error)
{
	call->handlers.failed(call, error, call->user);
	call_free(call);
}

static void call_fail_text(struct UpstreamCall *call, enum MuxError code, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, (int)code, text);
	call_fail(call, error);
}

bool call_ask(struct UpstreamCall *call, const GError *error)
{
	bool can = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN) ||
		   g_error_matches(error, MUX_ERROR, MUX_ERROR_SCOPE);
	if (!can || !call->handlers.sign_in || call->asked >= ASKED_MAX)
		return false;
	loop_timer_stop(&call->wait);
	call->awaits_person = true;
	g_free(call->grant);
	call->grant = g_error_matches(error, MUX_ERROR, MUX_ERROR_SCOPE) ? g_strdup(call->up->grant)
									 : NULL;
	call->asked++;
	if (call->handlers.sign_in(call, error, call->user))
		return true;
	call->awaits_person = false;
	return false;
}

static void on_wait(void *user)
{
	struct UpstreamCall *call = user;
	if (call->refused) {
		call_fail(call, call->refused);
		return;
	}
	if (call->pauses > 0) {
		call_wait(call);
		return;
	}
	if (call->waits_for_list) {
		call_fail_text(call, MUX_ERROR_TIMEOUT,
			"the server refused the call's headers, and its tools could not be fetched "
			"again in time");
		return;
	}
	/* It waits for its turn, and those before it have deadlines. */
	if (call->up->state == UPSTREAM_READY)
		return;
	if (call->up->state == UPSTREAM_SIGNED_OUT) {
		g_autoptr(GError) error = g_error_copy(call->up->error);
		if (!call_ask(call, error))
			call_fail(call, error);
		return;
	}
	call_fail_text(call, MUX_ERROR_TIMEOUT, "no connection to the server in time");
}

void call_wait(struct UpstreamCall *call)
{
	loop_timer_start(call->up->shared.loop, &call->wait, call->up->shared.mux->call_timeout_ms,
		on_wait, call);
}

void call_end_wait(struct UpstreamCall *call)
{
	loop_timer_start(call->up->shared.loop, &call->wait, 0, on_wait, call);
}

/* ---- answers ---- */

bool call_is_progress(
	const struct UpstreamCall *call, const struct RpcMessage *message, struct JsonValue *token)
{
	int64_t id;
	*token = json_get(message->params.raw, "progressToken");
	return json_int64(*token, &id) && id == call->id;
}

/* Whether a message on a call's stream is seen to as on any other. */
static bool is_for_upstream(const struct UpstreamCall *call, const struct RpcMessage *message)
{
	if (!call->handlers.message)
		return true;
	if (message->kind == RPC_REQUEST)
		return call->body_era != ERA_LEGACY || rpc_method_is(message, "ping");
	for (unsigned kind = 0; kind < MCP_LISTS; kind++) {
		if (rpc_method_is(message, mcp_lists[kind].changed))
			return true;
	}
	return rpc_method_is(message, "notifications/progress");
}

static void refuse(struct Upstream *up, const struct RpcMessage *request)
{
	if (up->posts.length < ANSWERS_MAX)
		upstream_reply(up, request->id.raw, "error", SLICE(METHOD_NOT_FOUND));
	else
		log_debug(up->connector->name, "it asks too much at once");
}

/* The handler may cancel the call or give it away. */
static void on_message(struct Exchange *exchange, const struct RpcMessage *message, void *user)
{
	struct UpstreamCall *call = user;
	struct Upstream *up = call->up;
	struct JsonValue token;
	(void)exchange;
	if (message->kind == RPC_NOTIFICATION && rpc_method_is(message, "notifications/progress") &&
		call_is_progress(call, message, &token))
		call->handlers.progress(call, message->text, token.raw, call->user);
	else if (is_for_upstream(call, message))
		upstream_take_message(up, message);
	else if (!call->handlers.message(call, message, call->user) && message->kind == RPC_REQUEST)
		refuse(up, message);
}

/* Whether the answer means that the call did not run, or may run twice, and goes out once more; sees to that. What it waits for may be
 * there already: then calls_send_next takes it at once. */
static bool call_again(struct UpstreamCall *call, const struct ExchangeResult *result)
{
	struct Upstream *up = call->up;
	if (call->in_session && exchange_lost_session(result) && !call->renewed &&
		!upstream_renewed_just_now(up, call->generation)) {
		call->renewed = true;
		call_wait(call);
		upstream_renew(up, call->generation);
		return true;
	}
	/* The channel that would have brought the answer broke, and another one is on its way. */
	if (up->over_channel && up->state == UPSTREAM_OPENING && call->repeatable &&
		!call->renewed && g_error_matches(result->error, MUX_ERROR, MUX_ERROR_BROKEN)) {
		call->renewed = true;
		call_wait(call);
		return true;
	}
	if (result->status == 401 && call->token && !call->reauthorized &&
		up->state != UPSTREAM_SIGNED_OUT) {
		call->reauthorized = true;
		call_wait(call);
		if (up->state == UPSTREAM_READY && secret_equal(call->token, up->token))
			upstream_refused(up, call->token, result->challenge);
		return true;
	}
	/* A person has signed in anew while it was on its way. */
	bool older = up->state == UPSTREAM_OPENING ||
		     (up->token && !secret_equal(call->token, up->token));
	if (result->status == 403 && call->token && older && !call->overtaken) {
		call->overtaken = true;
		call_wait(call);
		return true;
	}
	if (call->body_era == ERA_MODERN && !call->method && !call->relisted &&
		exchange_error_code(result) == RPC_HEADER_MISMATCH) {
		call->relisted = true;
		/* One that is under way may have begun before the tool changed. */
		call->waits_for_list = upstream_list_tools_anew(up);
		call_wait(call);
		return true;
	}
	return false;
}

/* Whether the status says more than the JSON-RPC error that came with it. */
static bool status_decides(int status)
{
	return status == 401 || status == 403 || status == 429 || status == 503;
}

static void call_end(struct UpstreamCall *call, struct ExchangeResult *result)
{
	if (result->has_message && !status_decides(result->status)) {
		struct UpstreamAnswer answer = {
			.bytes = g_steal_pointer(&result->bytes),
			.message = result->message,
			.era = call->body_era,
			.sent = {call->body, call->body_len},
		};
		call->handlers.answer(call, &answer, call->user);
		g_free(answer.bytes);
		call_free(call);
		return;
	}
	if (result->status == 401 && call_ask(call, result->error))
		return;
	g_autoptr(GError) scope =
		result->status == 403 ? upstream_insufficient(call->up, result->challenge) : NULL;
	if (scope) {
		if (!call_ask(call, scope))
			call_fail(call, scope);
		return;
	}
	bool timed_out = g_error_matches(result->error, MUX_ERROR, MUX_ERROR_TIMEOUT);
	if (timed_out && call->body_era == ERA_LEGACY)
		upstream_post_cancelled(call->up, call->headers, call->id, "timed out");
	call_fail(call, result->error);
}

static void on_done(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	struct UpstreamCall *call = user;
	(void)exchange;
	call_came_back(call);
	struct Upstream *up = call->up;
	if (call->generation == up->generation && !exchange_lost_session(result))
		up->session_worked = true;
	if (call->token && result->status >= 200 && result->status <= 299 && up->credential)
		credential_accepted(up->credential, call->token);
	if (!call_again(call, result))
		call_end(call, result);
	calls_send_next(up);
}

/* ---- sending ---- */

/* It fails, but not from inside of what is going on now. ERROR is taken over. */
static void call_refuse(struct UpstreamCall *call, GError *error)
{
	call->refused = error;
	call_end_wait(call);
}

static void call_refuse_text(struct UpstreamCall *call, enum MuxError code, const char *text)
{
	call_refuse(call, g_error_new_literal(MUX_ERROR, (int)code, text));
}

bool call_is_paused(const struct UpstreamCall *call)
{
	return call->pauses > 0 || call->up->pauses > 0;
}

static void call_send(struct UpstreamCall *call, struct JsonValue arguments)
{
	static const struct ExchangeHandlers handlers = {on_done, on_message};
	struct Upstream *up = call->up;
	const struct MuxConfig *mux = up->shared.mux;
	struct ExchangeSpec spec =
		upstream_exchange_spec(up, mux->call_timeout_ms, mux->call_limit_ms);
	GError *error = NULL;
	spec.id = call->id;
	http_headers_unref(call->headers);
	call->headers = phrase_call_headers(up, call->method, call->target, arguments, &error);
	if (!call->headers) {
		call_refuse(call, error);
		return;
	}
	spec.headers = call->headers;
	spec.body = (struct Slice){call->body, call->body_len};
	spec.resumable = up->era == ERA_LEGACY;
	spec.repeatable = call->repeatable;
	loop_timer_stop(&call->wait);
	call->generation = up->generation;
	call->in_session = up->session != NULL;
	secret_ref(up->token);
	secret_unref(call->token);
	call->token = up->token;
	up->in_flight++;
	if (call->pauses > 0)
		up->n_held++;
	call->exchange = exchange_start(&spec, &handlers, call);
	if (call_is_paused(call))
		exchange_pause(call->exchange);
}

void call_phrase(struct UpstreamCall *call, const struct UpstreamRequest *request)
{
	struct Upstream *up = call->up;
	call->body = phrase_call(up, request, call->id, &call->body_len);
	call->body_era = up->era;
	call_send(call, request->params->arguments);
}

/* Reads a message that was read before. */
static bool reread(struct Slice text, struct RpcMessage *message, struct McpParams *params)
{
	const char *why;
	return rpc_parse(text, message, NULL) && mcp_params_read(message->params, params, &why);
}

/* Sends the same body again, under new headers. */
static void call_resend(struct UpstreamCall *call)
{
	struct RpcMessage message;
	struct McpParams params;
	if (call->body_era != call->up->era) {
		call_refuse_text(call, MUX_ERROR_UNREACHABLE,
			"the server changed to another era of the protocol; repeat the call");
	} else if (!reread((struct Slice){call->body, call->body_len}, &message, &params)) {
		g_warn_if_reached(); /* it was made from a message that passed */
		call_refuse_text(call, MUX_ERROR_FAILED, "the call could not be repeated");
	} else {
		call_send(call, params.arguments);
	}
}

/* A call that waited from its beginning is phrased from the copy of the IDE's message. */
static void call_phrase_kept(struct UpstreamCall *call)
{
	struct RpcMessage message;
	struct McpParams params;
	struct Kept *kept = g_steal_pointer(&call->kept);
	if (!reread(slice_of(kept->text), &message, &params)) {
		g_warn_if_reached(); /* the router read it before */
		call_refuse_text(call, MUX_ERROR_FAILED, "the call could not be sent");
	} else {
		struct UpstreamRequest request = {
			.message = &message,
			.params = &params,
			.era = kept->era,
			.client_info = slice_of(kept->client_info),
			.name = slice_of(kept->name),
			.method = call->method,
			.inputs = slice_of(kept->inputs),
		};
		call_phrase(call, &request);
	}
	kept_free(kept);
}

void call_go(struct UpstreamCall *call)
{
	if (call->body)
		call_resend(call);
	else
		call_phrase_kept(call);
}

void call_keep(struct UpstreamCall *call, const struct UpstreamRequest *request)
{
	struct Kept *kept = g_new0(struct Kept, 1);
	kept->text = slice_dup(request->message->text);
	kept->name = slice_dup(request->name);
	kept->client_info = slice_dup(request->client_info);
	kept->inputs = slice_dup(request->inputs);
	kept->era = request->era;
	call->kept = kept;
}

void call_withdraw(struct UpstreamCall *call)
{
	if (!call->exchange)
		return;
	exchange_cancel(call->exchange);
	call_came_back(call);
	/* Closing the stream is the modern way. */
	if (call->body_era == ERA_LEGACY)
		upstream_post_cancelled(call->up, call->headers, call->id, "cancelled by the user");
}
