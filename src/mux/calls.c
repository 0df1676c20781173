/* tools/call: to which upstream, under which name, and what becomes of the answer.
 *
 * Routing goes by the catalog's table. Only where a name is not in it, its beginning tells whether it may
 * belong to a connector that is still opening (the call is held) or cannot answer (the reason is told in
 * words that the model can pass on). */
#include "mux/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

/* ---- answers ---- */

static void on_failed(struct UpstreamCall *call, const GError *error, void *user)
{
	struct Request *request = user;
	(void)call;
	request->call = NULL; /* it goes by itself */
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN) && asking_tell_failure(request))
		return;
	g_autofree char *words =
		answer_words(request->router, upstream_connector(request->upstream), error);
	answer_tool_error(request, words);
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

static void answer_too_large(struct Request *request, size_t bytes)
{
	const struct ConnectorConfig *connector = upstream_connector(request->upstream);
	g_autofree char *title = text_printable(slice_of(connector_title(connector)), 100);
	g_autofree char *text = g_strdup_printf(
		"The result of %s is %.1f MiB, more than max_result (%.1f MiB). Ask for less at "
		"once, or "
		"raise max_result in the configuration if the IDE can read longer messages.",
		title, (double)bytes / (1 << 20),
		(double)request->router->config->mux.max_result / (1 << 20));
	answer_tool_error(request, text);
}

/* What a result says of itself, read in one pass. */
struct ResultLook {
	bool empty;
	bool typed; /* has resultType */
	bool complete; /* and it is "complete" */
	bool input_required;
	bool odd_structured; /* has a structuredContent that is no object */
};

static struct ResultLook look_at(struct Slice result)
{
	struct ResultLook look = {.empty = true};
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, result) {
		look.empty = false;
		if (json_string_is(member.key, SLICE("resultType"))) {
			bool text = member.value.type == JSON_STRING;
			look.typed = true;
			look.complete = text && json_string_is(member.value.raw, SLICE("complete"));
			look.input_required =
				text && json_string_is(member.value.raw, SLICE("input_required"));
		} else if (member.value.type != JSON_OBJECT &&
			   json_string_is(member.key, SLICE("structuredContent"))) {
			look.odd_structured = true;
		}
	}
	return look;
}

/* A kind of result that cannot be given to this IDE. */
static void answer_unknown_kind(struct Request *request, const struct ResultLook *look)
{
	const struct ConnectorConfig *connector = upstream_connector(request->upstream);
	g_autofree char *title = text_printable(slice_of(connector_title(connector)), 100);
	g_autofree char *text = g_strdup_printf(
		look->input_required ? "%s asks for more input, which cannot be asked of this IDE. "
				       "Nothing was done."
				     : "%s answered with a kind of result that is not known.",
		title);
	answer_tool_error(request, text);
}

/* Legacy clients reject a structuredContent that is no object: it is left
 * out, and put into `content` as text if there is nothing else. */
static void answer_without_structured(struct Request *request, struct Slice result)
{
	struct JsonValue structured = json_get(result, "structuredContent");
	g_autoptr(GString) out = g_string_sized_new(result.len);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	bool has_content = false;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, result) {
		if (json_string_is(member.key, SLICE("structuredContent")))
			continue;
		if (json_string_is(member.key, SLICE("content"))) {
			struct JsonIter items = json_iter(member.value.raw);
			struct JsonMember item;
			if (!json_next(&items, &item))
				continue;
			has_content = true;
		}
		json_key_raw(&w, member.key);
		json_raw(&w, member.value.raw);
	}
	if (!has_content) {
		json_key(&w, "content");
		json_begin_array(&w);
		json_begin_object(&w);
		json_member_string(&w, "type", "text");
		json_key(&w, "text");
		json_string(&w, structured.raw);
		json_end_object(&w);
		json_end_array(&w);
	}
	json_end_object(&w);
	if (out->len > request->router->config->mux.max_result)
		answer_too_large(request, out->len);
	else
		answer_result(request, (struct Slice){out->str, out->len});
}

/* Gives a result to an IDE of the other era than the upstream's, or says why not. */
static void answer_translated(
	struct Request *request, struct UpstreamAnswer *answer, struct Slice result)
{
	struct ResultLook look = look_at(result);
	if (look.typed && !look.complete) {
		answer_unknown_kind(request, &look);
		return;
	}
	if (request->era == ERA_LEGACY && look.odd_structured) {
		answer_without_structured(request, result);
		return;
	}
	const char *prefix = "";
	if (request->era == ERA_MODERN && !look.typed)
		prefix =
			look.empty ? "\"resultType\":\"complete\"" : "\"resultType\":\"complete\",";
	answer_result_taken(request, g_steal_pointer(&answer->bytes), result, prefix);
}

static void on_answer(struct UpstreamCall *call, struct UpstreamAnswer *answer, void *user)
{
	struct Request *request = user;
	(void)call;
	bool is_result = answer->message.kind == RPC_RESULT;
	struct Slice payload = is_result ? answer->message.result.raw : answer->message.error.raw;
	if (payload.len > request->router->config->mux.max_result) {
		answer_too_large(request, payload.len);
		return;
	}
	if (!is_result) {
		answer_error_raw(request, payload);
		return;
	}
	if (request->era == answer->era)
		answer_result_taken(request, g_steal_pointer(&answer->bytes), payload, "");
	else
		answer_translated(request, answer, payload);
}

/* ---- routing ---- */

/* A requestState that is not ours can be a modern upstream's alone. */
static bool has_foreign_state(const struct Request *request, const struct McpParams *params)
{
	const char *revision = upstream_revision(request->upstream);
	return request->era == ERA_MODERN && params->request_state.type != JSON_NONE && revision &&
	       mcp_is_legacy_revision(revision);
}

static void send(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct CatalogTool *tool)
{
	static const struct UpstreamCallHandlers handlers = {
		.answer = on_answer,
		.failed = on_failed,
		.sign_in = asking_call,
		.progress = on_progress,
	};
	struct Router *router = request->router;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (upstream_connector(up) == tool->connector)
			request->upstream = up;
	}
	struct UpstreamRequest to = {
		.message = message,
		.params = params,
		.era = request->era,
		.client_info = slice_of(router->client_info),
		.name = slice_of(tool->raw_upstream),
		.repeatable = tool->tool->read_only || tool->tool->idempotent,
		.tool = tool->tool->name,
	};
	if (has_foreign_state(request, params)) {
		answer_error(request, RPC_INVALID_PARAMS,
			"requestState is none of ours, and the tool's server knows none");
		return;
	}
	if (request->elicits_url && !request->digest && tool->connector->auth == AUTH_OAUTH)
		request->digest = ask_state_digest(request->method, params);
	loop_timer_stop(&request->held_limit); /* the upstream has clocks of its own */
	request->call = upstream_call(request->upstream, &to, &handlers, request);
}

/* The upstream that a name which no tool has may belong to: the connector whose prefix it has, else the
 * native one; NULL if there is neither. */
static struct Upstream *likely_owner(const struct Router *router, const char *name)
{
	struct Upstream *native = NULL;
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		const struct ConnectorConfig *connector = upstream_connector(up);
		size_t n = strlen(connector->prefix);
		if (connector->native)
			native = up;
		else if (g_str_has_prefix(name, connector->prefix) &&
			 g_str_has_prefix(name + n, router->config->mux.separator))
			return up;
	}
	return native;
}

static void on_held_limit(void *user)
{
	struct Request *request = user;
	g_autoptr(GError) error =
		g_error_new_literal(MUX_ERROR, MUX_ERROR_TIMEOUT, "its tools are not known yet");
	g_autofree char *words =
		answer_words(request->router, upstream_connector(request->upstream), error);
	answer_tool_error(request, words);
}

void calls_hold(struct Request *request, const struct RpcMessage *message, struct Upstream *up,
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

static void answer_unknown(
	struct Request *request, const struct RpcMessage *message, const char *name)
{
	struct Router *router = request->router;
	struct Upstream *up = likely_owner(router, name);
	if (up && !upstream_tools(up)) {
		/* It may be back: each call tries once. */
		if (upstream_state(up) == UPSTREAM_FAILED && !request->reopened) {
			request->reopened = true;
			upstream_open(up, router->opening_era);
		}
		if (!upstream_is_settled(up)) {
			calls_hold(request, message, up, router->config->mux.call_timeout_ms);
			return;
		}
		if (!upstream_connector(up)->native) {
			g_autofree char *words =
				answer_words(router, upstream_connector(up), upstream_error(up));
			answer_tool_error(request, words);
			return;
		}
	}
	g_autofree char *shown = text_printable(slice_of(name), 200);
	g_autofree char *text = g_strdup_printf("Unknown tool: %s", shown);
	answer_error(request, RPC_INVALID_PARAMS, text);
}

static void dispatch(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params)
{
	g_autofree char *name = json_string_dup(params->name);
	if (!name) {
		answer_error(request, RPC_INVALID_PARAMS, "params.name must be a string");
		return;
	}
	if (params->arguments.type != JSON_NONE && params->arguments.type != JSON_OBJECT) {
		answer_error(request, RPC_INVALID_PARAMS, "params.arguments must be an object");
		return;
	}
	const struct CatalogTool *tool = catalog_find(request->router->catalog, name);
	if (tool)
		send(request, message, params, tool);
	else if (!builtin_call(request, name, message, params))
		answer_unknown(request, message, name);
}

/* The retry of a call for which the person was asked to sign in. */
static void resume(struct Request *request, const struct Incoming *incoming)
{
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	size_t len;
	g_autofree char *text = asking_resume(request, &incoming->message, &incoming->params, &len);
	if (!text)
		return;
	if (rpc_parse((struct Slice){text, len}, &message, NULL) &&
		mcp_params_read(message.params, &params, &why))
		dispatch(request, &message, &params);
	else
		g_warn_if_reached(); /* it is a part of what was read before */
}

void calls_request(struct Router *router, const struct Incoming *incoming)
{
	struct Request *request = request_begin(router, incoming, "tools/call");
	if (!request)
		return;
	if (incoming->era == ERA_MODERN) {
		struct JsonValue elicitation =
			json_get(incoming->params.capabilities.raw, "elicitation");
		request->elicits_url = json_get(elicitation.raw, "url").type == JSON_OBJECT;
	}
	if (incoming->era == ERA_MODERN && ask_state_is_ours(&incoming->params))
		resume(request, incoming);
	else
		dispatch(request, &incoming->message, &incoming->params);
}

void calls_release_held(struct Router *router)
{
	/* Those that must be held on are put at the end of the queue again. */
	for (guint n = router->held.length; n > 0 && router->held.head; n--) {
		struct Request *request = router->held.head->data;
		request_queue(request, NULL);
		g_autofree char *text = g_steal_pointer(&request->held);
		struct RpcMessage message;
		struct McpParams params;
		const char *why;
		if (rpc_parse(slice_of(text), &message, NULL) &&
			mcp_params_read(message.params, &params, &why))
			dispatch(request, &message, &params);
		else
			g_warn_if_reached(); /* both were read before */
	}
}
