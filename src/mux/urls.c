/* The error -32042 of a legacy server (2025-11-25, "URL Elicitation Required Error"): what was asked for has to wait until a
 * person has opened URLs. A legacy IDE that can open them understands it. A modern one gets input_required, since its
 * revision has no such error; its retry is the request once more. Any other is told in words. */
#include "mux/internal.h"

#include "base/text.h"

enum {
	URL_ELICITATION_REQUIRED = -32042,
	URLS_MAX = 10, /* more are not shown, neither to IDEs nor to people */
	MESSAGE_BYTES = 500,
	URL_BYTES = 2000,
};

/* The elicitations of ERROR, an array; JSON_NONE where it is another error or there is nothing to open. */
static struct JsonValue read_elicitations(struct Slice error)
{
	const struct JsonValue none = {0};
	struct JsonMember member;
	int64_t code;
	bool any = false;
	if (!json_int64(json_get(error, "code"), &code) || code != URL_ELICITATION_REQUIRED)
		return none;
	struct JsonValue list = json_get(json_get(error, "data").raw, "elicitations");
	if (list.type != JSON_ARRAY)
		return none;
	JSON_FOR_EACH_MEMBER (member, list.raw) {
		any = true;
		if (!inputs_is_url("elicitation/create", member.value) ||
			json_get(member.value.raw, "url").type != JSON_STRING)
			return none;
	}
	return any ? list : none;
}

static void ask(struct Request *request, struct JsonValue elicitations)
{
	const struct AskState state = {.up = request->upstream, .urls = true};
	g_autofree char *handle = ask_state_add(request->router, request->digest, &state);
	g_autoptr(GString) out = g_string_sized_new(elicitations.raw.len + 256);
	struct JsonWriter w;
	struct JsonMember member;
	unsigned n = 0;
	inputs_begin(&w, out);
	JSON_FOR_EACH_MEMBER (member, elicitations.raw) {
		if (n == URLS_MAX)
			break;
		g_autofree char *key = g_strdup_printf("q%u", ++n);
		g_autofree char *params = inputs_params("elicitation/create", member.value, NULL);
		inputs_add(&w, key, SLICE("\"elicitation/create\""), params);
	}
	inputs_end(&w, handle);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_INPUT_REQUIRED);
	answer_result(request, (struct Slice){out->str, out->len});
}

static void append_printable(GString *out, struct Slice object, const char *key, size_t max)
{
	g_autofree char *text = json_string_dup(json_get(object, key));
	if (text)
		text_append_printable(out, slice_of(text), max);
}

static void tell(struct Request *request, struct JsonValue elicitations)
{
	g_autofree char *title = inputs_title(request->upstream);
	g_autoptr(GString) text = g_string_new(title);
	struct JsonMember member;
	unsigned n = 0;
	g_string_append(text,
		" needs something to be done in a browser first. Open this, then repeat the "
		"request:");
	JSON_FOR_EACH_MEMBER (member, elicitations.raw) {
		if (n++ == URLS_MAX)
			break;
		g_string_append_c(text, '\n');
		append_printable(text, member.value.raw, "message", MESSAGE_BYTES);
		g_string_append_c(text, '\n');
		append_printable(text, member.value.raw, "url", URL_BYTES);
	}
	answer_failure(request, text->str);
}

bool urls_take(struct Request *request, struct Slice error)
{
	struct JsonValue elicitations = read_elicitations(error);
	bool can = request->can & CLIENT_CAN_ELICIT_URL;
	if (elicitations.type == JSON_NONE || (can && request->era == ERA_LEGACY))
		return false;
	if (can && request->kind->inputs && request->digest)
		ask(request, elicitations);
	else
		tell(request, elicitations);
	return true;
}

/* Whether the person would not. */
static bool was_declined(struct Slice responses)
{
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, responses) {
		g_autofree char *action = json_string_dup(json_get(member.value.raw, "action"));
		if (g_strcmp0(action, "decline") == 0 || g_strcmp0(action, "cancel") == 0)
			return true;
	}
	return false;
}

char *urls_resume(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Upstream *up, size_t *len)
{
	if (!was_declined(params->input_responses.raw))
		return ask_state_strip(message, len);
	g_autofree char *title = inputs_title(up);
	g_autofree char *text = g_strdup_printf(
		"%s needs something to be done in a browser first, and that was declined. Repeat "
		"the request to be asked again.",
		title);
	answer_failure(request, text);
	return NULL;
}
