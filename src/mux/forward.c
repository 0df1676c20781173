/* A request goes to an upstream, and its answer comes back: the same for every method that a server answers.
 *
 * What the server sent is checked for size and passes as it is; only between eras is it looked at (translate.c), and
 * where it may name what belongs to that server from then on: resources, tasks. */
#include "mux/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

static char *title_of(const struct Request *request)
{
	const struct ConnectorConfig *connector = upstream_connector(request->upstream);
	return text_printable(slice_of(connector_title(connector)), 100);
}

/* ---- answers ---- */

static void on_failed(struct UpstreamCall *call, const GError *error, void *user)
{
	struct Request *request = user;
	(void)call;
	request->call = NULL; /* it goes by itself */
	audit_call_error(&request->audit, error);
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN) && asking_tell_failure(request))
		return;
	g_autofree char *words =
		answer_words(request->router, upstream_connector(request->upstream), error);
	answer_failure(request, words);
}

static void on_progress(
	struct UpstreamCall *call, struct Slice text, struct Slice token, void *user)
{
	struct Request *request = user;
	(void)call;
	static const char *const routed[] = {"progressToken"};
	struct RpcMessage message;
	if (!request->token)
		return;
	/* What the IDE cannot read would end its session; what it would read otherwise than we do could be
	 * for another call. */
	if (text.len > request->router->config->mux.max_result ||
		!rpc_parse(text, &message, NULL) ||
		json_has_duplicate(message.params.raw, routed, G_N_ELEMENTS(routed))) {
		log_debug(upstream_connector(request->upstream)->name,
			"a progress notice is dropped");
		return;
	}
	struct Edits edits = {0};
	edits_replace(&edits, text, token, slice_of(request->token));
	size_t len;
	char *notice = edits_apply(&edits, text, &len);
	json_make_one_line(notice, len);
	out_queue_take(request->router->out, notice, 0, len);
	out_queue_end_message(request->router->out);
}

static bool on_message(struct UpstreamCall *call, const struct RpcMessage *message, void *user)
{
	(void)call;
	return messages_call(user, message);
}

static void answer_too_large(struct Request *request, size_t bytes)
{
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_TOO_LARGE);
	g_autofree char *title = title_of(request);
	g_autofree char *text = g_strdup_printf(
		"The result of %s is %.1f MiB, more than max_result (%.1f MiB). Ask for less at "
		"once, or raise max_result in the configuration if the IDE can read longer "
		"messages.",
		title, (double)bytes / (1 << 20),
		(double)request->router->config->mux.max_result / (1 << 20));
	answer_failure(request, text);
}

static void answer_unknown_kind(struct Request *request)
{
	g_autofree char *title = title_of(request);
	g_autofree char *text =
		g_strdup_printf("%s answered with a kind of result that is not known.", title);
	answer_failure(request, text);
}

/* What becomes the upstream's by this result. */
static void note(struct Request *request, const struct UpstreamAnswer *answer, struct Slice result)
{
	struct Router *router = request->router;
	unsigned offers = upstream_offers(request->upstream);
	bool is_call = strcmp(request->method, "tools/call") == 0;
	if (is_call && answer->era == ERA_MODERN && (offers & UPSTREAM_TASKS))
		tasks_note(router, request->upstream, result);
	if (!(offers & UPSTREAM_RESOURCES))
		return;
	if (is_call || strcmp(request->method, "prompts/get") == 0)
		resources_note(router, request->upstream, result);
	else if (strcmp(request->method, "tasks/get") == 0)
		resources_note(router, request->upstream, json_get(result, "result").raw);
}

/* Gives a result to an IDE of the other era than the upstream's, or says why not. */
static void answer_translated(
	struct Request *request, struct UpstreamAnswer *answer, struct Slice result)
{
	g_autofree char *out = NULL;
	g_autofree char *prefix = NULL;
	switch (translate_result(request, result, &out, &prefix)) {
	case TRANSLATED_INPUT_REQUIRED:
		rounds_begin(request, answer);
		return;
	case TRANSLATED_UNKNOWN:
		answer_unknown_kind(request);
		return;
	case TRANSLATED:
		break;
	}
	rounds_complete(request);
	size_t len = out ? strlen(out) : result.len;
	if (len > request->router->config->mux.max_result)
		answer_too_large(request, len);
	else if (out)
		answer_result(request, (struct Slice){out, len});
	else
		answer_result_taken(
			request, g_steal_pointer(&answer->bytes), result, prefix ? prefix : "");
}

static void answer_with_error(
	struct Request *request, const struct UpstreamAnswer *answer, struct Slice error)
{
	if (answer->era == ERA_LEGACY && urls_take(request, error))
		return;
	g_autofree char *translated = translate_error(request, error, answer->era);
	answer_error_raw(request, translated ? slice_of(translated) : error);
}

void forward_answer(struct Request *request, struct UpstreamAnswer *answer)
{
	request->call = NULL; /* it goes by itself */
	bool is_result = answer->message.kind == RPC_RESULT;
	struct Slice payload = is_result ? answer->message.result.raw : answer->message.error.raw;
	audit_call_result(&request->audit, payload, is_result);
	if (payload.len > request->router->config->mux.max_result) {
		answer_too_large(request, payload.len);
		return;
	}
	if (!is_result) {
		answer_with_error(request, answer, payload);
		return;
	}
	note(request, answer, payload);
	if (request->era == answer->era)
		answer_result_taken(request, g_steal_pointer(&answer->bytes), payload, "");
	else
		answer_translated(request, answer, payload);
}

static void on_answer(struct UpstreamCall *call, struct UpstreamAnswer *answer, void *user)
{
	(void)call;
	forward_answer(user, answer);
}

const struct UpstreamCallHandlers forward_handlers = {
	.answer = on_answer,
	.failed = on_failed,
	.sign_in = asking_call,
	.progress = on_progress,
	.message = on_message,
};

/* ---- requests ---- */

/* A retry of this request may have to be known again: the person may be asked to sign in, or its server may ask. */
static bool needs_digest(const struct Request *request)
{
	if (request->era != ERA_MODERN || request->can == 0 || !request->kind->inputs)
		return false;
	/* Before it opens its era is that of the last time. */
	return upstream_state(request->upstream) != UPSTREAM_READY ||
	       upstream_era(request->upstream) != ERA_MODERN ||
	       upstream_connector(request->upstream)->auth == AUTH_OAUTH;
}

/* Whether REQUEST came while the log was off, which may not be any more. */
static bool lacks_line(const struct Request *request)
{
	const struct Router *router = request->router;
	return router->options.audit && router->config->mux.audit == AUDIT_REQUIRED &&
	       request->kind->audited && !request->audit.audit;
}

bool forward_permit(struct Request *request)
{
	g_autoptr(GError) error = NULL;
	if (lacks_line(request))
		g_set_error(&error, MUX_ERROR, MUX_ERROR_FAILED, "it was off when this began");
	else if (audit_call_send(&request->audit, &error))
		return true;
	if (request->call)
		upstream_call_cancel(g_steal_pointer(&request->call));
	g_autofree char *text = g_strdup_printf(
		"Nothing was sent: the audit log cannot be written (%s), and the configuration "
		"wants a line for every call (audit = required). Repeat the call when it can.",
		error->message);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_UNAVAILABLE);
	answer_failure(request, text);
	return false;
}

void forward_permit_waiting(struct Router *router)
{
	if (router->config->mux.audit != AUDIT_REQUIRED)
		return;
	g_autoptr(GPtrArray) waiting = request_find_waiting(router);
	for (guint i = 0; i < waiting->len; i++) {
		struct Request *request = g_hash_table_lookup(router->requests, waiting->pdata[i]);
		if (request && request_waits(request))
			(void)forward_permit(request);
	}
}

/* What TARGET's server calls what is asked of it; a URI is known already. */
static const char *own_name(const struct Request *request, const struct Target *target)
{
	if (target->tool)
		return target->tool;
	return strcmp(request->method, "prompts/get") == 0 ? target->target : NULL;
}

static void answer_no_session(struct Request *request)
{
	g_autofree char *title = title_of(request);
	g_autofree char *text = g_strdup_printf(
		"%s is asked too much at once for which the IDE declares different capabilities. "
		"Repeat the request when some of it is done.",
		title);
	answer_failure(request, text);
}

void forward_send(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Target *target)
{
	struct Router *router = request->router;
	request->upstream = target->up;
	audit_call_for(&request->audit, upstream_connector(target->up), own_name(request, target));
	/* A requestState that is not ours can be a modern upstream's alone. */
	if (request->era == ERA_MODERN && params->request_state.type != JSON_NONE &&
		upstream_era(target->up) == ERA_LEGACY) {
		answer_error(request, RPC_INVALID_PARAMS,
			"requestState is none of ours, and the server that it would go to knows "
			"none");
		return;
	}
	struct Upstream *up = sessions_for(request, target->up, params);
	if (!up) {
		answer_no_session(request);
		return;
	}
	request->upstream = up;
	if (!forward_permit(request))
		return;
	struct UpstreamRequest to = {
		.message = message,
		.params = params,
		.era = request->era,
		.client_info = slice_of(router->client_info),
		.name = target->name,
		.repeatable = target->repeatable,
		.tool = target->tool,
		.method = request->method,
		.target = target->target,
		.log_level = request->log_level,
	};
	if (!request->digest && needs_digest(request))
		request->digest = ask_state_digest(request->method, params);
	loop_timer_stop(&request->held_limit); /* the upstream has clocks of its own */
	request->call = upstream_call(up, &to, &forward_handlers, request);
}

/* ---- requests that wait for what an upstream lists ---- */

/* Looks at a request that was held as if it had come now. */
static void take_anew(struct Request *request)
{
	request_queue(request, NULL);
	g_autofree char *text = g_steal_pointer(&request->held);
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	if (rpc_parse(slice_of(text), &message, NULL) &&
		mcp_params_read(message.params, &params, &why)) {
		request_audit(request, &params);
		request->kind->take(request, &message, &params);
	} else {
		g_warn_if_reached(); /* both were read before */
	}
}

static void on_held_limit(void *user)
{
	struct Request *request = user;
	if (request->takes_at_limit) {
		take_anew(request);
		return;
	}
	bool tool = strcmp(request->method, "tools/call") == 0;
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, MUX_ERROR_TIMEOUT,
		tool ? "its tools are not known yet" : "what it offers is not known yet");
	audit_call_for(&request->audit, upstream_connector(request->upstream), NULL);
	audit_call_error(&request->audit, error);
	g_autofree char *words =
		answer_words(request->router, upstream_connector(request->upstream), error);
	answer_failure(request, words);
}

void forward_hold(struct Request *request, const struct RpcMessage *message, struct Upstream *up,
	unsigned limit_ms)
{
	struct Router *router = request->router;
	request->upstream = up;
	request->held = slice_dup(message->text);
	request_queue(request, &router->held);
	if (!request->held_limit.loop)
		loop_timer_start(
			router->loop, &request->held_limit, limit_ms, on_held_limit, request);
}

void forward_reopen(struct Request *request, struct Upstream *up)
{
	if (upstream_state(up) != UPSTREAM_FAILED || request->reopened)
		return;
	request->reopened = true;
	upstream_open(up, request->router->opening_era);
}

void forward_hold_for_lists(
	struct Request *request, const struct RpcMessage *message, struct Upstream *up)
{
	/* A little later than lists_must_wait says, so that there is nothing to wait for any more. */
	unsigned limit_ms = request->router->config->mux.list_timeout_ms + CHANGED_PAUSE_MS;
	request->takes_at_limit = true;
	forward_hold(request, message, up, limit_ms);
}

void forward_release_held(struct Router *router)
{
	/* Those that must be held on are put at the end of the queue again. */
	for (guint n = router->held.length; n > 0 && router->held.head; n--)
		take_anew(router->held.head->data);
}
