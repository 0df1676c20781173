/* How a person learns of a sign-in: an IDE that can elicit URLs is asked to (2025-11-25, "URL Mode Elicitation
 * Requests": one question for all who wait; 2026-07-28, "Multi Round-Trip Requests": the request ends with
 * input_required and comes back as another one); else a browser is opened, where the configuration or the person wants
 * that; else the URL is told in words. Neither keys nor callback URLs ever come through the IDE. */
#include "mux/asking.h"

#include "auth/browser.h"
#include "base/log.h"
#include "base/text.h"

enum { ID_BYTES = 16 };

static const char *name_of(const struct Asking *asking)
{
	return upstream_connector(asking->up)->name;
}

static char *title_of(const struct Asking *asking)
{
	return text_printable(slice_of(connector_title(upstream_connector(asking->up))), 100);
}

/* ---- words ---- */

void telling_end(struct Request *request, const char *text)
{
	if (request->call)
		upstream_call_cancel(g_steal_pointer(&request->call));
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_SIGN_IN);
	answer_failure(request, text);
}

void telling_end_declined(struct Asking *asking, struct Request *request)
{
	g_autofree char *title = title_of(asking);
	g_autofree char *text = g_strdup_printf(
		"The sign-in to %s was declined. Nothing was done. To sign in later, repeat the "
		"call or run `mcp-mux connect %s` in a terminal.",
		title, name_of(asking));
	telling_end(request, text);
}

void telling_end_failed(struct Asking *asking, struct Request *request)
{
	g_autofree char *title = title_of(asking);
	g_autofree char *shown = text_printable(slice_of(asking->failed->message), 500);
	g_autofree char *text = g_strdup_printf(
		"The sign-in to %s did not succeed: %s. Nothing was done. To try again, repeat the "
		"call or run `mcp-mux connect %s` in a terminal.",
		title, shown, name_of(asking));
	telling_end(request, text);
}

void telling_end_with_url(struct Asking *asking, struct Request *request)
{
	g_autofree char *title = title_of(asking);
	g_autofree char *text = g_strdup_printf(
		"To sign in to %s, open this URL in a browser on this machine, then repeat the "
		"call:\n%s\nIf the browser is on another machine, run `mcp-mux connect %s` in a "
		"terminal instead.",
		title, sign_in_url(asking->flow), name_of(asking));
	asking->agreed = true;
	telling_end(request, text);
}

void telling_end_unfinished(struct Asking *asking, struct Request *request)
{
	const char *url = sign_in_url(asking->flow);
	g_autofree char *title = title_of(asking);
	g_autoptr(GString) text = g_string_new(NULL);
	if (!url)
		g_string_printf(text,
			"The sign-in to %s could not be prepared in time. Nothing was done; repeat "
			"the call in a moment.",
			title);
	else
		g_string_printf(text,
			"The sign-in to %s is not finished yet. Nothing was done. Finish it in the "
			"browser, then repeat the call.",
			title);
	if (url && asking->browser)
		g_string_append_printf(text,
			" If none opened, open this URL in a browser on this machine:\n%s", url);
	telling_end(request, text->str);
}

void telling_end_unopened(struct Asking *asking, struct Request *request)
{
	g_autofree char *title = title_of(asking);
	g_autofree char *text = g_strdup_printf(
		"You are signed in to %s, but it does not answer yet. Repeat the call in a moment.",
		title);
	telling_end(request, text);
}

/* ---- the IDE is asked ---- */

/* {"mode":"url",…}: the parameters of elicitation/create in both eras, for g_free. */
static char *elicitation(const struct Asking *asking, const char *elicitation_id)
{
	g_autofree char *title = title_of(asking);
	g_autofree char *text =
		g_strdup_printf("Sign in to %s, so that mcp-mux can use it for you.", title);
	GString *out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "mode", "url");
	json_member_string(&w, "message", text);
	if (elicitation_id)
		json_member_string(&w, "elicitationId", elicitation_id);
	json_member_string(&w, "url", sign_in_url(asking->flow));
	json_end_object(&w);
	return g_string_free(out, FALSE);
}

/* 2026-07-28: the request ends, another one will bring the answer. */
static void ask_modern(const struct Asking *asking, struct Request *request)
{
	const struct AskState state = {
		.up = asking->up, .number = asking->number, .rounds = request->rounds + 1};
	g_autofree char *handle = ask_state_add(asking->router, request->digest, &state);
	g_autofree char *params = elicitation(asking, NULL);
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	inputs_begin(&w, out);
	inputs_add(&w, TELLING_KEY, SLICE("\"elicitation/create\""), params);
	inputs_end(&w, handle);
	if (request->call)
		upstream_call_cancel(g_steal_pointer(&request->call));
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_SIGN_IN);
	answer_result(request, (struct Slice){out->str, out->len});
}

/* 2025-11-25: once for all who wait. */
static void ask_legacy(struct Asking *asking)
{
	if (asking->asked)
		return;
	asking->asked = true;
	g_autofree char *id = secret_random_text(ID_BYTES);
	asking->question = g_strconcat("mcp-mux-", id, NULL);
	if (!asking->elicitation)
		asking->elicitation = secret_random_text(ID_BYTES);
	g_autofree char *params = elicitation(asking, asking->elicitation);
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "id", asking->question);
	json_member_string(&w, "method", "elicitation/create");
	json_member_raw(&w, "params", slice_of(params));
	json_end_object(&w);
	answer_notify(asking->router, (struct Slice){out->str, out->len});
}

/* 2025-11-25, "Cancellation": either side may take its request back. */
void telling_withdraw(struct Asking *asking)
{
	asking->asked = false;
	if (!asking->question)
		return;
	g_autofree char *text = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		"\"requestId\":\"%s\",\"reason\":\"it is not needed any more\"}}",
		asking->question);
	answer_notify(asking->router, slice_of(text));
	g_clear_pointer(&asking->question, g_free);
}

void telling_over(struct Asking *asking, bool completed)
{
	if (completed && asking->elicitation) {
		g_autofree char *text = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\","
			"\"params\":{\"elicitationId\":\"%s\"}}",
			asking->elicitation);
		answer_notify(asking->router, slice_of(text));
	}
	telling_withdraw(asking);
	g_clear_pointer(&asking->elicitation, g_free);
}

/* ---- or the browser is opened ---- */

static bool open_browser(struct Asking *asking)
{
	g_autoptr(GError) error = NULL;
	if (asking->browser)
		return true;
	if (!browser_is_there())
		return false;
	if (!browser_open(sign_in_url(asking->flow), &error)) {
		log_warning(name_of(asking), "%s", error->message);
		return false;
	}
	asking->browser = true;
	asking->agreed = true;
	return true;
}

/* ---- whichever it is ---- */

bool telling_can_elicit(const struct Request *request)
{
	if (request->router->config->mux.sign_in == SIGN_IN_BROWSER)
		return false;
	return (request->can & CLIENT_CAN_ELICIT_URL) && !request->batch;
}

void telling_request(struct Asking *asking, struct Request *request)
{
	if (request->accepted == asking->number)
		return; /* the person knows */
	if (telling_can_elicit(request)) {
		if (request->era == ERA_MODERN)
			ask_modern(asking, request);
		else
			ask_legacy(asking);
	} else if (!open_browser(asking)) {
		telling_end_with_url(asking, request);
	}
}
