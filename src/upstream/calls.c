/* The IDE's calls to one upstream. A call waits while the upstream opens, goes out as one exchange, and
 * ends by its answer, an error or the IDE's cancellation. It goes out a second time only where the first
 * cannot have run: the server did not know the session (404, or 400 as some servers have it), refused
 * the token (401, 403 for want of scope), for which there is another one, or a person signs in, or refused
 * the mirrored headers (-32020), for which the tools are fetched again first.
 *
 * At most IN_FLIGHT_MAX calls are in flight; the others wait in order. libcurl opens a connection for each
 * over HTTP/1.1, and queueing there was measured to hurt. */
#include "upstream/internal.h"

#include "base/error.h"

enum {
	IN_FLIGHT_MAX = 128,
	ASKED_MAX = 2, /* sign-ins for one call */
};

struct UpstreamCall {
	struct Upstream *up;
	struct UpstreamCallHandlers handlers;
	void *user;
	struct UpstreamCall *next, *previous;
	int64_t id; /* upstream; also its progress token there */
	char *tool;
	/* What it was asked for, while it waits to be phrased */
	char *kept_text;
	char *kept_name;
	char *kept_client_info;
	enum Era ide_era;
	/* What goes upstream */
	char *body;
	size_t body_len;
	enum Era body_era;
	struct Exchange *exchange; /* NULL while it waits */
	unsigned generation;
	bool in_session; /* it went out with a session id */
	bool doomed; /* see upstream_calls_failed */
	bool repeatable;
	struct Secret *token; /* that it went out with */
	bool overtaken; /* it went out again, since a newer sign-in came while it was refused */
	bool reauthorized; /* it went out again with another token */
	bool awaits_person; /* a sign-in that its owner sees to */
	char *grant; /* of the sign-in that was not enough, while it awaits another one */
	unsigned asked; /* times that a person was asked */
	bool renewed;
	bool relisted;
	unsigned waits_for_list; /* the number of the fetch; 0: none */
	GError *refused; /* it cannot be sent */
	struct HttpHeaders *headers; /* those it went out with, for its cancellation */
	struct LoopTimer wait;
};

static void call_free(struct UpstreamCall *call)
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
	if (call->exchange)
		up->in_flight--;
	exchange_cancel(call->exchange);
	g_free(call->tool);
	g_free(call->kept_text);
	g_free(call->kept_name);
	g_free(call->kept_client_info);
	g_free(call->grant);
	g_free(call->body);
	g_clear_error(&call->refused);
	secret_unref(call->token);
	http_headers_unref(call->headers);
	up->n_calls--;
	g_free(call);
}

static void call_fail(struct UpstreamCall *call, const GError *error)
{
	call->handlers.failed(call, error, call->user);
	call_free(call);
}

static void call_fail_text(struct UpstreamCall *call, enum MuxError code, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, (int)code, text);
	call_fail(call, error);
}

/* Whether a person will be asked to sign in for it: it waits for that then. */
static bool call_ask(struct UpstreamCall *call, const GError *error)
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

static void wait_for_upstream(struct UpstreamCall *call)
{
	loop_timer_start(call->up->shared.loop, &call->wait, call->up->shared.mux->call_timeout_ms,
		on_wait, call);
}

/* ---- answers ---- */

static bool is_progress_of(
	const struct UpstreamCall *call, const struct RpcMessage *message, struct JsonValue *token)
{
	int64_t id;
	*token = json_get(message->params.raw, "progressToken");
	return json_int64(*token, &id) && id == call->id;
}

static void on_message(struct Exchange *exchange, const struct RpcMessage *message, void *user)
{
	struct UpstreamCall *call = user;
	struct JsonValue token;
	(void)exchange;
	if (message->kind == RPC_NOTIFICATION && rpc_method_is(message, "notifications/progress") &&
		is_progress_of(call, message, &token))
		call->handlers.progress(call, message->text, token.raw, call->user);
	else
		upstream_take_message(call->up, message);
}

bool upstream_calls_progress(struct Upstream *up, const struct RpcMessage *message)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		struct JsonValue token;
		if (!call->exchange || !is_progress_of(call, message, &token))
			continue;
		exchange_touch(call->exchange);
		call->handlers.progress(call, message->text, token.raw, call->user);
		return true;
	}
	return false;
}

static void call_send(struct UpstreamCall *call, struct JsonValue arguments);

/* Sends the same body again, under new headers. */
static void call_resend(struct UpstreamCall *call)
{
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	if (call->body_era != call->up->era) {
		call_fail_text(call, MUX_ERROR_UNREACHABLE,
			"the server changed to another era of the protocol; repeat the call");
		return;
	}
	if (!rpc_parse((struct Slice){call->body, call->body_len}, &message, NULL) ||
		!mcp_params_read(message.params, &params, &why)) {
		g_warn_if_reached(); /* it was made from a message that passed both */
		call_fail_text(call, MUX_ERROR_FAILED, "the call could not be repeated");
		return;
	}
	call_send(call, params.arguments);
}

/* Whether the answer means that the call did not run and may go out once more; sees to that. */
static bool call_again(struct UpstreamCall *call, const struct ExchangeResult *result)
{
	struct Upstream *up = call->up;
	if (call->in_session && exchange_lost_session(result) && !call->renewed &&
		!upstream_renewed_just_now(up, call->generation)) {
		call->renewed = true;
		wait_for_upstream(call);
		if (up->state == UPSTREAM_READY && call->generation != up->generation)
			call_resend(call);
		else
			upstream_renew(up, call->generation);
		return true;
	}
	if (result->status == 401 && call->token && !call->reauthorized &&
		up->state != UPSTREAM_SIGNED_OUT) {
		call->reauthorized = true;
		wait_for_upstream(call);
		if (up->state == UPSTREAM_READY && secret_equal(call->token, up->token))
			upstream_refused(up, call->token, result->challenge);
		return true;
	}
	/* A person has signed in anew while it was on its way. */
	bool older = up->state == UPSTREAM_OPENING ||
		     (up->token && !secret_equal(call->token, up->token));
	if (result->status == 403 && call->token && older && !call->overtaken) {
		call->overtaken = true;
		wait_for_upstream(call);
		return true;
	}
	if (call->body_era == ERA_MODERN && !call->relisted &&
		exchange_error_code(result) == RPC_HEADER_MISMATCH) {
		call->relisted = true;
		/* One that is under way may have begun before the tool changed. */
		upstream_start_listing(up);
		call->waits_for_list = up->lists_started + (up->list_again ? 1 : 0);
		wait_for_upstream(call);
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

static void send_next(struct Upstream *up);

static void on_done(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	struct UpstreamCall *call = user;
	(void)exchange;
	call->exchange = NULL;
	call->up->in_flight--;
	struct Upstream *up = call->up;
	if (call->generation == up->generation && !exchange_lost_session(result))
		up->session_worked = true;
	if (call->token && result->status >= 200 && result->status <= 299 && up->credential)
		credential_accepted(up->credential, call->token);
	if (!call_again(call, result))
		call_end(call, result);
	send_next(up);
}

/* ---- sending ---- */

static void call_send(struct UpstreamCall *call, struct JsonValue arguments)
{
	static const struct ExchangeHandlers handlers = {on_done, on_message};
	struct Upstream *up = call->up;
	const struct MuxConfig *mux = up->shared.mux;
	struct ExchangeSpec spec =
		upstream_exchange_spec(up, mux->call_timeout_ms, mux->call_limit_ms);
	spec.id = call->id;
	http_headers_unref(call->headers);
	call->headers = phrase_call_headers(up, call->tool, arguments, &call->refused);
	if (!call->headers) {
		loop_timer_start(up->shared.loop, &call->wait, 0, on_wait, call);
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
	call->exchange = exchange_start(&spec, &handlers, call);
}

static void call_phrase(struct UpstreamCall *call, const struct UpstreamRequest *request)
{
	struct Upstream *up = call->up;
	call->body = phrase_call(up, request, call->id, &call->body_len);
	call->body_era = up->era;
	call_send(call, request->params->arguments);
}

/* A call that waited from its beginning is phrased from the copy of the IDE's message. */
static void call_phrase_kept(struct UpstreamCall *call)
{
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	g_autofree char *text = g_steal_pointer(&call->kept_text);
	if (!rpc_parse(slice_of(text), &message, NULL) ||
		!mcp_params_read(message.params, &params, &why)) {
		g_warn_if_reached(); /* the router read it before */
		call_fail_text(call, MUX_ERROR_FAILED, "the call could not be sent");
		return;
	}
	struct UpstreamRequest request = {
		.message = &message,
		.params = &params,
		.era = call->ide_era,
		.client_info = slice_of(call->kept_client_info),
		.name = slice_of(call->kept_name),
		.tool = call->tool,
	};
	call_phrase(call, &request);
}

struct UpstreamCall *upstream_call(struct Upstream *up, const struct UpstreamRequest *request,
	const struct UpstreamCallHandlers *handlers, void *user)
{
	struct UpstreamCall *call = g_new0(struct UpstreamCall, 1);
	call->up = up;
	call->handlers = *handlers;
	call->user = user;
	call->id = up->next_id++;
	call->tool = g_strdup(request->tool);
	call->ide_era = request->era;
	call->repeatable = request->repeatable;
	up->n_calls++;
	call->previous = up->last_call;
	if (call->previous)
		call->previous->next = call;
	else
		up->calls = call;
	up->last_call = call;
	bool can_go = up->state == UPSTREAM_READY && upstream_has_token(up);
	if (can_go && up->in_flight < IN_FLIGHT_MAX) {
		call_phrase(call, request);
		return call;
	}
	call->kept_text = slice_dup(request->message->text);
	call->kept_name = slice_dup(request->name);
	call->kept_client_info = slice_dup(request->client_info);
	wait_for_upstream(call);
	if (up->state == UPSTREAM_READY && !can_go)
		upstream_authorize(up);
	else if (up->state == UPSTREAM_SIGNED_OUT && !up->credential)
		loop_timer_start(up->shared.loop, &call->wait, 0, on_wait, call);
	else
		upstream_open(up, up->preferred); /* perhaps somebody has signed in meanwhile */
	return call;
}

/* Tells the server in the way of its era; closing the stream is the modern one. */
static void cancel_upstream(struct UpstreamCall *call)
{
	if (!call->exchange)
		return;
	exchange_cancel(g_steal_pointer(&call->exchange));
	call->up->in_flight--;
	if (call->body_era == ERA_LEGACY)
		upstream_post_cancelled(call->up, call->headers, call->id, "cancelled by the user");
}

void upstream_call_cancel(struct UpstreamCall *call)
{
	struct Upstream *up = call->up;
	cancel_upstream(call);
	call_free(call);
	send_next(up);
}

/* ---- what happens to the upstream as a whole ---- */

/* The oldest call that waits for its turn. Those in flight stand before it in the list mostly, so the
 * search is short. */
static struct UpstreamCall *find_waiting(const struct Upstream *up)
{
	struct UpstreamCall *call = up->n_calls > up->in_flight ? up->calls : NULL;
	while (call &&
		(call->exchange || call->waits_for_list || call->refused || call->awaits_person))
		call = call->next;
	return call;
}

/* The calls that wait go out, as many as may be in flight. One that cannot go out fails, and its handler may
 * start and cancel others: so the search begins anew each time. */
static void send_next(struct Upstream *up)
{
	struct UpstreamCall *call;
	while (up->state == UPSTREAM_READY && !up->shut_down && up->in_flight < IN_FLIGHT_MAX &&
		(call = find_waiting(up))) {
		if (!upstream_has_token(up)) {
			upstream_authorize(up);
			return;
		}
		if (call->body)
			call_resend(call);
		else
			call_phrase_kept(call);
	}
}

void upstream_calls_ready(struct Upstream *up)
{
	send_next(up);
}

/* Those that wait now fail; handlers may cancel some of them, and what they start belongs to the next
 * attempt. */
static void fail_waiting(struct Upstream *up, const GError *error, bool ask)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next)
		call->doomed = !call->exchange && !call->awaits_person;
	struct UpstreamCall *call = up->calls;
	while (call) {
		if (!call->doomed) {
			call = call->next;
			continue;
		}
		call->doomed = false;
		if (!ask || !call_ask(call, error))
			call_fail(call, error);
		call = up->calls;
	}
}

void upstream_calls_failed(struct Upstream *up, const GError *error)
{
	fail_waiting(up, error, false);
}

void upstream_calls_signed_out(struct Upstream *up, const GError *error)
{
	fail_waiting(up, error, true);
}

void upstream_calls_signed_in(struct Upstream *up)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		bool same = call->grant && g_strcmp0(call->grant, up->grant) == 0;
		if (!call->awaits_person || same)
			continue;
		call->awaits_person = false;
		call->reauthorized = false;
		wait_for_upstream(call);
	}
}

void upstream_calls_listed(struct Upstream *up, unsigned number)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		if (call->waits_for_list <= number)
			call->waits_for_list = 0;
	}
	send_next(up);
}

void upstream_calls_shutdown(struct Upstream *up)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next)
		cancel_upstream(call);
	upstream_calls_drop(up);
}

void upstream_calls_drop(struct Upstream *up)
{
	while (up->calls)
		call_free(up->calls);
}
