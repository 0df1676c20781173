/* What the translations of servers' requests share: a legacy server sends them, a modern one asks for them in a result,
 * and so does mcp-mux towards a modern IDE (2026-07-28, "Multi Round-Trip Requests"). */
#include "mux/internal.h"

#include "base/text.h"

char *inputs_title(const struct Upstream *up)
{
	return text_printable(slice_of(connector_title(upstream_connector(up))), 100);
}

/* ---- the requests ---- */

bool inputs_is_url(const char *method, struct JsonValue params)
{
	struct JsonValue mode = json_get(params.raw, "mode");
	return strcmp(method, "elicitation/create") == 0 && mode.type == JSON_STRING &&
	       json_string_is(mode.raw, SLICE("url"));
}

static bool is_called(const struct JsonMember *member, const char *key)
{
	return json_string_is(member->key, slice_of(key));
}

/* Progress would have nowhere to go. */
static void write_meta(struct JsonWriter *w, struct Slice meta)
{
	struct JsonMember member;
	json_begin_object(w);
	JSON_FOR_EACH_MEMBER (member, meta) {
		if (is_called(&member, "progressToken"))
			continue;
		json_key_raw(w, member.key);
		json_raw(w, member.value.raw);
	}
	json_end_object(w);
}

char *inputs_params(const char *method, struct JsonValue params, const char *elicitation_id)
{
	if (params.type == JSON_NONE)
		return NULL;
	bool is_url = inputs_is_url(method, params);
	GString *out = g_string_sized_new(params.raw.len + 64);
	struct JsonWriter w;
	struct JsonMember member;
	json_writer_init(&w, out);
	json_begin_object(&w);
	JSON_FOR_EACH_MEMBER (member, params.raw) {
		if (is_url && is_called(&member, "elicitationId"))
			continue;
		json_key_raw(&w, member.key);
		if (member.value.type == JSON_OBJECT && is_called(&member, "_meta"))
			write_meta(&w, member.value.raw);
		else
			json_raw(&w, member.value.raw);
	}
	if (is_url && elicitation_id)
		json_member_string(&w, "elicitationId", elicitation_id);
	json_end_object(&w);
	return g_string_free(out, FALSE);
}

/* ---- a result of ours that asks for them ---- */

void inputs_begin(struct JsonWriter *w, GString *out)
{
	json_writer_init(w, out);
	json_begin_object(w);
	json_member_string(w, "resultType", "input_required");
	json_key(w, "inputRequests");
	json_begin_object(w);
}

void inputs_add(struct JsonWriter *w, const char *key, struct Slice method, const char *params)
{
	json_key(w, key);
	json_begin_object(w);
	json_member_raw(w, "method", method);
	if (params)
		json_member_raw(w, "params", slice_of(params));
	json_end_object(w);
}

void inputs_end(struct JsonWriter *w, const char *state)
{
	json_end_object(w);
	json_member_string(w, "requestState", state);
	json_end_object(w);
}

/* ---- the retry ---- */

char *resume_take(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, size_t *len)
{
	struct AskState state;
	enum JsonType responses = params->input_responses.type;
	bool is_known = ask_state_peek(request->router, params, &state);
	if (!is_known || (!state.held && !state.urls))
		return asking_resume(request, message, params, len); /* or that it is unknown */
	/* What was no more than a slip may come once more. */
	if (responses != JSON_NONE && responses != JSON_OBJECT) {
		answer_error(request, RPC_INVALID_PARAMS, "inputResponses must be an object");
		return NULL;
	}
	g_autofree char *digest = ask_state_digest(request->method, params);
	if (!ask_state_take(request->router, params, digest, &state)) {
		if (state.held)
			held_drop(state.held);
		return asking_resume(request, message, params, len);
	}
	if (state.urls)
		return urls_resume(request, message, params, state.up, len);
	held_resume(request, params, digest, state.held);
	return NULL;
}
