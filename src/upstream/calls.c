/* The IDE's requests to one upstream: which of them go out, and when. A call waits while the upstream opens, while a
 * token is awaited, and for its turn: at most IN_FLIGHT_MAX are in flight, the others go in order. libcurl opens a
 * connection for each over HTTP/1.1, and queueing there was measured to hurt. What becomes of one that is out stands in
 * call.c. */
#include "upstream/call.h"

enum {
	IN_FLIGHT_MAX = 128,
	HELD_MAX =
		384, /* those among them that do not count, since a person is asked something for them */
};

/* Whether another one may go out. Open questions to a person must not hold up everything else. */
static bool has_room(const struct Upstream *up)
{
	return up->in_flight - MIN(up->n_held, (unsigned)HELD_MAX) < IN_FLIGHT_MAX;
}

/* Whether the session has the level that the call wants; it gets it else. */
static bool has_level(struct UpstreamCall *call)
{
	return call->log_level == SYSLOG_LEVEL_NONE ||
	       upstream_level_is_set(call->up, call->log_level);
}

/* The oldest call that waits for its turn. Those in flight stand before it in the list mostly, so the
 * search is short. */
static struct UpstreamCall *find_waiting(const struct Upstream *up)
{
	struct UpstreamCall *call = up->n_calls > up->in_flight ? up->calls : NULL;
	while (call && (call->exchange || call->waits_for_list || call->refused ||
			       call->awaits_person || !has_level(call)))
		call = call->next;
	return call;
}

/* The calls that wait go out, as many as may be in flight. */
void calls_send_next(struct Upstream *up)
{
	struct UpstreamCall *call;
	while (up->state == UPSTREAM_READY && !up->shut_down && !up->hearing.loop && has_room(up) &&
		(call = find_waiting(up))) {
		if (!upstream_has_token(up)) {
			upstream_authorize(up);
			return;
		}
		call_go(call);
	}
}

/* ---- for the owner ---- */

struct UpstreamCall *upstream_call(struct Upstream *up, const struct UpstreamRequest *request,
	const struct UpstreamCallHandlers *handlers, void *user)
{
	struct UpstreamCall *call = g_new0(struct UpstreamCall, 1);
	call->up = up;
	call->handlers = *handlers;
	call->user = user;
	call->id = up->next_id++;
	call->method = request->tool ? NULL : request->method;
	call->target = g_strdup(request->tool ? request->tool : request->target);
	call->log_level = request->era == ERA_MODERN ? request->log_level : SYSLOG_LEVEL_NONE;
	call->repeatable = request->repeatable;
	up->n_calls++;
	call->previous = up->last_call;
	if (call->previous)
		call->previous->next = call;
	else
		up->calls = call;
	up->last_call = call;
	bool can_go = up->state == UPSTREAM_READY && upstream_has_token(up);
	if (can_go && !up->hearing.loop && has_room(up) && has_level(call)) {
		call_phrase(call, request);
		return call;
	}
	call_keep(call, request);
	call_wait(call);
	if (up->state == UPSTREAM_READY && !can_go)
		upstream_authorize(up);
	else if (up->state == UPSTREAM_SIGNED_OUT && !up->credential)
		call_end_wait(call);
	else
		upstream_open(up, up->preferred); /* perhaps somebody has signed in meanwhile */
	return call;
}

void upstream_call_cancel(struct UpstreamCall *call)
{
	struct Upstream *up = call->up;
	call_withdraw(call);
	call_free(call);
	calls_send_next(up);
}

void upstream_call_give(
	struct UpstreamCall *call, const struct UpstreamCallHandlers *handlers, void *user)
{
	call->handlers = *handlers;
	call->user = user;
}

bool upstream_call_is_out(const struct UpstreamCall *call)
{
	return call->exchange != NULL;
}

/* ---- a person is asked ---- */

void upstream_call_pause(struct UpstreamCall *call)
{
	struct Upstream *up = call->up;
	bool was_paused = call_is_paused(call);
	if (call->pauses++ > 0 || !call->exchange)
		return;
	if (!was_paused)
		exchange_pause(call->exchange);
	up->n_held++;
	calls_send_next(up);
}

void upstream_call_resume(struct UpstreamCall *call)
{
	if (--call->pauses > 0 || !call->exchange)
		return;
	call->up->n_held--;
	if (!call_is_paused(call))
		exchange_resume(call->exchange);
}

void upstream_pause(struct Upstream *up)
{
	if (up->pauses++ > 0)
		return;
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		if (call->exchange && call->pauses == 0)
			exchange_pause(call->exchange);
	}
}

void upstream_resume(struct Upstream *up)
{
	if (--up->pauses > 0)
		return;
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		if (call->exchange && call->pauses == 0)
			exchange_resume(call->exchange);
	}
}

/* ---- what happens to the upstream as a whole ---- */

void upstream_calls_ready(struct Upstream *up)
{
	upstream_levels_ready(up);
	calls_send_next(up);
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
		call_wait(call);
	}
}

void upstream_calls_listed(struct Upstream *up, unsigned number)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		if (call->waits_for_list <= number)
			call->waits_for_list = 0;
	}
	calls_send_next(up);
}

bool upstream_calls_progress(struct Upstream *up, const struct RpcMessage *message)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		struct JsonValue token;
		if (!call->exchange || !call_is_progress(call, message, &token))
			continue;
		exchange_touch(call->exchange);
		call->handlers.progress(call, message->text, token.raw, call->user);
		return true;
	}
	return false;
}

bool upstream_calls_answered(struct Upstream *up, const struct RpcMessage *message)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next) {
		if (call->exchange && exchange_take(call->exchange, message))
			return true;
	}
	return false;
}

void upstream_calls_shutdown(struct Upstream *up)
{
	for (struct UpstreamCall *call = up->calls; call; call = call->next)
		call_withdraw(call);
	upstream_calls_drop(up);
}

void upstream_calls_drop(struct Upstream *up)
{
	upstream_release_levels(up);
	while (up->calls)
		call_free(up->calls);
}
