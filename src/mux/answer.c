/* Answers to the IDE: the envelope is ours, what an upstream sent goes into it byte for byte. */
#include "mux/internal.h"

#include "base/error.h"
#include "base/text.h"

#include <string.h>

/* Puts together one message, either into the output queue or into its batch. */
struct Envelope {
	struct OutQueue *out;
	GString *text; /* of a batch */
};

static struct Envelope envelope_begin(struct Request *request)
{
	struct Envelope e = {.out = request->router->out};
	if (request->batch)
		e.text = g_string_new(NULL);
	return e;
}

static void put(struct Envelope *e, struct Slice bytes)
{
	if (e->text)
		g_string_append_len(e->text, bytes.data, (gssize)bytes.len);
	else
		out_queue_copy(e->out, bytes);
}

static void put_taken(struct Envelope *e, char *bytes, struct Slice part)
{
	if (!e->text) {
		out_queue_take(e->out, bytes, (size_t)(part.data - bytes), part.len);
		return;
	}
	put(e, part);
	g_free(bytes);
}

static void envelope_end(struct Envelope *e, struct Request *request)
{
	if (e->text) {
		struct Slice answer = {e->text->str, e->text->len};
		bool fits = batch_has_room(request->batch, answer.len);
		if (fits)
			batch_add(request->batch, answer);
		else
			answer_fault(request->router, request->batch, slice_of(request->id),
				RPC_INTERNAL_ERROR,
				"the answers of the batch together are larger than max_result",
				NULL);
		if (!fits)
			audit_call_outcome(&request->audit, AUDIT_OUTCOME_TOO_LARGE);
		g_string_free(e->text, TRUE);
	} else {
		out_queue_end_message(e->out);
	}
	audit_call_answered(&request->audit);
	request_end(request);
}

static void put_head(struct Envelope *e, const struct Request *request, struct Slice member)
{
	put(e, SLICE("{\"jsonrpc\":\"2.0\",\"id\":"));
	put(e, slice_of(request->id));
	put(e, member);
}

void answer_result(struct Request *request, struct Slice result)
{
	struct Envelope e = envelope_begin(request);
	put_head(&e, request, SLICE(",\"result\":"));
	put(&e, result);
	put(&e, SLICE("}"));
	envelope_end(&e, request);
}

void answer_result_taken(
	struct Request *request, char *bytes, struct Slice result, const char *prefix)
{
	struct Envelope e = envelope_begin(request);
	put_head(&e, request, SLICE(",\"result\":{"));
	put(&e, slice_of(prefix));
	put_taken(&e, bytes, slice_between(result.data + 1, result.data + result.len));
	put(&e, SLICE("}"));
	envelope_end(&e, request);
}

void answer_error_raw(struct Request *request, struct Slice error)
{
	struct Envelope e = envelope_begin(request);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_ERROR);
	put_head(&e, request, SLICE(",\"error\":"));
	put(&e, error);
	put(&e, SLICE("}"));
	envelope_end(&e, request);
}

static char *error_object(int code, const char *message, const char *data)
{
	GString *out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "code", code);
	json_member_string(&w, "message", message);
	if (data)
		json_member_raw(&w, "data", slice_of(data));
	json_end_object(&w);
	return g_string_free(out, FALSE);
}

void answer_error(struct Request *request, int code, const char *message)
{
	g_autofree char *error = error_object(code, message, NULL);
	answer_error_raw(request, slice_of(error));
}

void answer_fault(struct Router *router, struct Batch *batch, struct Slice id, int code,
	const char *message, const char *data)
{
	g_autofree char *error = error_object(code, message, data);
	g_autoptr(GString) text = g_string_new("{\"jsonrpc\":\"2.0\"");
	/* JSON-RPC has a null id where it could not be read; from 2025-11-25 on, MCP leaves it out. */
	bool null_id = router->revision && strcmp(router->revision, MCP_NEWEST_LEGACY) < 0;
	if (id.len > 0) {
		g_string_append(text, ",\"id\":");
		g_string_append_len(text, id.data, (gssize)id.len);
	} else if (null_id) {
		g_string_append(text, ",\"id\":null");
	}
	g_string_append_printf(text, ",\"error\":%s}", error);
	struct Slice message_text = {text->str, text->len};
	if (batch)
		batch_add(batch, message_text);
	else
		answer_notify(router, message_text);
}

void answer_notify(struct Router *router, struct Slice message)
{
	out_queue_copy(router->out, message);
	out_queue_end_message(router->out);
}

const char *answer_result_prefix(enum Era era)
{
	return era == ERA_MODERN ? "\"resultType\":\"complete\"," : "";
}

static void answer_text(struct Request *request, const char *text, const char *rest)
{
	g_autoptr(GString) out = g_string_new("{");
	g_string_append(out, answer_result_prefix(request->era));
	g_string_append(out, "\"content\":[{\"type\":\"text\",\"text\":");
	json_append_quoted(out, slice_of(text));
	g_string_append_printf(out, "}]%s}", rest);
	answer_result(request, (struct Slice){out->str, out->len});
}

void answer_tool_text(struct Request *request, const char *text)
{
	answer_text(request, text, "");
}

void answer_failure(struct Request *request, const char *text)
{
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_ERROR);
	if (strcmp(request->method, "tools/call") == 0)
		answer_text(request, text, ",\"isError\":true");
	else
		answer_error(request, RPC_INTERNAL_ERROR, text);
}

/* What a person can do, by what went wrong. */
static const char *advice(enum MuxError code)
{
	switch (code) {
	case MUX_ERROR_UNREACHABLE:
		return "Nothing was done. Check the network or ask whoever runs the server; the "
		       "connector is tried again at the next call.";
	case MUX_ERROR_BROKEN:
		return "The call may or may not have taken effect: check before repeating it.";
	case MUX_ERROR_TIMEOUT:
		return "The call was given up; it may or may not have taken effect.";
	case MUX_ERROR_FORBIDDEN:
		return "The server refuses this to your account or address.";
	case MUX_ERROR_BUSY:
		return "The server has too much to do; try again later.";
	case MUX_ERROR_TOO_LARGE:
		return "Ask for less at once, or raise max_message in the configuration.";
	case MUX_ERROR_KEYRING:
		return "The sign-ins are kept in the keyring: see that a keyring service runs in "
		       "this session; `mcp-mux doctor` shows more.";
	case MUX_ERROR_LOCKED:
		return "Unlock the keyring, then repeat the call.";
	case MUX_ERROR_SCOPE:
	case MUX_ERROR_SIGN_IN:
	case MUX_ERROR_UPSTREAM:
	case MUX_ERROR_FAILED:
	case MUX_ERROR_CONFIG:
	case MUX_ERROR_USAGE:
	case MUX_ERROR_SYNTAX:
	case MUX_ERROR_IO:
	case MUX_ERROR_CANCELLED:
		break;
	}
	return "This is the server's doing; `mcp-mux status` shows more.";
}

char *answer_words(
	const struct Router *router, const struct ConnectorConfig *connector, const GError *error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autofree char *title = text_printable(slice_of(connector_title(connector)), 100);
	enum MuxError code =
		error && error->domain == MUX_ERROR ? (enum MuxError)error->code : MUX_ERROR_FAILED;
	const char *what = error ? error->message : "it is not available";
	if (code == MUX_ERROR_SIGN_IN && connector->auth == AUTH_NONE)
		g_string_printf(out,
			"%s could not answer: %s. The configuration says `auth = none`, so nobody "
			"can sign in: set `auth` to what the server wants.",
			title, what);
	else if (code == MUX_ERROR_SIGN_IN && builtin_can_connect(router, connector))
		g_string_printf(out,
			"%s needs you to sign in (%s). Run `mcp-mux connect %s` in a terminal, or "
			"call mcp_mux%sconnect, then repeat the call.",
			title, what, connector->name, router->config->mux.separator);
	else if (code == MUX_ERROR_SIGN_IN || code == MUX_ERROR_SCOPE)
		g_string_printf(out,
			"%s needs you to sign in (%s). Run `mcp-mux connect %s` in a terminal, "
			"then repeat the call.",
			title, what, connector->name);
	else
		g_string_printf(out, "%s could not answer: %s. %s", title, what, advice(code));
	return g_string_free(g_steal_pointer(&out), FALSE);
}
