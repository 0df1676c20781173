/* A modern server that needs more for a request of a legacy IDE (2026-07-28, "Multi Round-Trip Requests"): what it asks for
 * becomes requests of ours to the IDE, all at once; with their results the request is sent again, as it went out before.
 *
 * The server is trusted neither to ask for what the IDE can do nor to end: whatever is wrong fails the request in words,
 * and so does an error of the IDE, since an input is a result and nothing else. A declined elicitation is a result. */
#include "mux/internal.h"

#include "base/error.h"
#include "base/secret.h"
#include "base/text.h"
#include "format/input_required.h"

enum {
	ROUNDS_MAX = 16, /* of one request */
	ANSWER_MS = 15 * 60 * 1000, /* for all answers of a round */
	PAUSE_FIRST_MS = 250, /* between rounds without questions: none, this, then doubled */
	PAUSE_LAST_MS = 8 * 1000,
	ID_BYTES = 16,
};

/* One input of a round. */
struct Input {
	struct Rounds *rounds;
	char *key; /* raw */
	char *elicitation; /* elicitationId of ours; NULL: there is none */
	struct Question *question; /* NULL: it was answered */
	char *response; /* raw result; NULL while there is none */
};

struct Rounds {
	struct Request *request;
	unsigned number; /* of the round, from 1 */
	unsigned pause_ms; /* before the next one, should it have no questions */
	char *sent; /* the request as its server knows it, without inputs */
	char *state; /* raw requestState; NULL: it gave none */
	GPtrArray *inputs; /* struct Input */
	unsigned open; /* of them */
	size_t bytes; /* of responses */
	GPtrArray *visits; /* elicitationIds that the person agreed to, in all rounds */
	struct LoopTimer timer; /* for the answers, or until the next round */
};

static void input_free(void *data)
{
	struct Input *input = data;
	if (input->question)
		questions_withdraw(input->question, "the request that it was for is over");
	g_free(input->key);
	g_free(input->elicitation);
	g_free(input->response);
	g_free(input);
}

static struct Rounds *rounds_new(struct Request *request)
{
	struct Rounds *rounds = g_new0(struct Rounds, 1);
	rounds->request = request;
	rounds->inputs = g_ptr_array_new_with_free_func(input_free);
	rounds->visits = g_ptr_array_new_with_free_func(g_free);
	return rounds;
}

void rounds_free(struct Rounds *rounds)
{
	if (!rounds)
		return;
	loop_timer_stop(&rounds->timer);
	g_ptr_array_unref(rounds->inputs);
	g_ptr_array_unref(rounds->visits);
	g_free(rounds->sent);
	g_free(rounds->state);
	g_free(rounds);
}

/* The request fails, TITLE's words before it; all is freed. */
static void fail(struct Rounds *rounds, const char *what)
{
	g_autofree char *title = inputs_title(rounds->request->upstream);
	g_autofree char *text = g_strdup_printf("%s %s", title, what);
	answer_failure(rounds->request, text);
}

/* ---- the request again ---- */

/* The members that the server wants to see again. */
static char *write_inputs(const struct Rounds *rounds)
{
	GString *out = g_string_sized_new(rounds->bytes + 128);
	struct JsonWriter w;
	if (rounds->inputs->len > 0) {
		g_string_append(out, "\"inputResponses\":");
		json_writer_init(&w, out);
		json_begin_object(&w);
		for (guint i = 0; i < rounds->inputs->len; i++) {
			const struct Input *input = rounds->inputs->pdata[i];
			json_key_raw(&w, slice_of(input->key));
			json_raw(&w, slice_of(input->response));
		}
		json_end_object(&w);
	}
	if (rounds->state)
		g_string_append_printf(
			out, "%s\"requestState\":%s", out->len > 0 ? "," : "", rounds->state);
	return g_string_free(out, FALSE);
}

static void send_again(struct Rounds *rounds)
{
	struct Request *request = rounds->request;
	struct RpcMessage message;
	struct McpParams params;
	const char *why;
	if (upstream_era(request->upstream) != ERA_MODERN) {
		fail(rounds, "changed to another era of the protocol while it was asked for more. "
			     "Repeat the request.");
		return;
	}
	if (!rpc_parse(slice_of(rounds->sent), &message, NULL) ||
		!mcp_params_read(message.params, &params, &why)) {
		g_warn_if_reached(); /* it was made of messages that passed */
		fail(rounds, "could not be sent the request again.");
		return;
	}
	bool is_tool = strcmp(request->method, "tools/call") == 0;
	g_autofree char *name = json_string_dup(params.name);
	g_autofree char *uri = json_string_dup(params.uri);
	g_autofree char *inputs = write_inputs(rounds);
	const struct UpstreamRequest to = {
		.message = &message,
		.params = &params,
		.era = ERA_MODERN,
		.tool = is_tool ? name : NULL,
		.method = request->method,
		.target = name ? name : uri,
		.inputs = slice_of(inputs),
		.log_level = SYSLOG_LEVEL_NONE, /* it stands in _meta already */
	};
	g_ptr_array_set_size(rounds->inputs, 0);
	request->call = upstream_call(request->upstream, &to, &forward_handlers, request);
}

static void on_pause(void *user)
{
	struct Rounds *rounds = user;
	if (!rounds->request->router->shut_down)
		send_again(rounds);
}

/* The server has nothing to ask but wants to be asked again: at once, then more and more slowly. */
static void send_later(struct Rounds *rounds)
{
	struct Router *router = rounds->request->router;
	loop_timer_start(router->loop, &rounds->timer, rounds->pause_ms, on_pause, rounds);
	rounds->pause_ms = CLAMP(rounds->pause_ms * 2, PAUSE_FIRST_MS, PAUSE_LAST_MS);
}

/* ---- questions ---- */

static void on_answer_limit(void *user)
{
	struct Rounds *rounds = user;
	if (rounds->request->router->shut_down)
		return;
	audit_call_outcome(&rounds->request->audit, AUDIT_OUTCOME_TIMEOUT);
	fail(rounds, "asked for more, and nobody answered in time. Repeat the request.");
}

static void fail_with_error(struct Rounds *rounds, struct Slice error)
{
	g_autofree char *said = json_string_dup(json_get(error, "message"));
	g_autofree char *shown = text_printable(slice_of(said), 500);
	g_autofree char *text = g_strdup_printf(
		"asked for more, which this IDE could not give: %s", said ? shown : "an error");
	fail(rounds, text);
}

static bool is_accepted(struct Slice result)
{
	struct JsonValue action = json_get(result, "action");
	return action.type == JSON_STRING && json_string_is(action.raw, SLICE("accept"));
}

static void on_response(const struct RpcMessage *answer, void *user)
{
	struct Input *input = user;
	struct Rounds *rounds = input->rounds;
	const struct Router *router = rounds->request->router;
	input->question = NULL;
	if (answer->kind == RPC_ERROR) {
		fail_with_error(rounds, answer->error.raw);
		return;
	}
	rounds->bytes += answer->result.raw.len;
	if (rounds->bytes > router->config->mux.max_message) {
		fail(rounds,
			"asked for more, and the answers together are larger than max_message.");
		return;
	}
	input->response = slice_dup(answer->result.raw);
	if (input->elicitation && is_accepted(answer->result.raw))
		g_ptr_array_add(rounds->visits, g_steal_pointer(&input->elicitation));
	if (--rounds->open > 0)
		return;
	loop_timer_stop(&rounds->timer);
	send_again(rounds);
}

static void ask(struct Rounds *rounds, const struct InputRequest *wanted)
{
	struct Router *router = rounds->request->router;
	struct Input *input = g_new0(struct Input, 1);
	bool is_url = inputs_is_url(wanted->method, wanted->params);
	input->rounds = rounds;
	input->key = slice_dup(wanted->key);
	input->elicitation = is_url ? secret_random_text(ID_BYTES) : NULL;
	g_autofree char *params = inputs_params(wanted->method, wanted->params, input->elicitation);
	input->question =
		questions_ask(router, wanted->method, slice_of(params), on_response, input);
	g_ptr_array_add(rounds->inputs, input);
	rounds->open++;
}

/* What the IDE would have had to be able to do, in words. */
static char *describe(const struct Request *request, const struct InputRequest *wanted)
{
	if (inputs_is_url(wanted->method, wanted->params))
		return g_strdup("asking the user to open a URL (elicitation.url)");
	if (strcmp(wanted->method, "elicitation/create") == 0)
		return g_strdup("asking the user to fill in a form (elicitation)");
	if (strcmp(wanted->method, "sampling/createMessage") == 0)
		return g_strdup(request->can & CLIENT_CAN_SAMPLE
					? "asking its model with tools (sampling.tools)"
					: "asking its model (sampling)");
	if (strcmp(wanted->method, "roots/list") == 0)
		return g_strdup("telling its roots (roots)");
	return text_printable(slice_of(wanted->method), 100);
}

/* Whether the IDE said that it can do all of it; the request fails else. */
static bool check(struct Rounds *rounds, const struct InputRequired *wanted)
{
	struct Request *request = rounds->request;
	for (guint i = 0; i < wanted->requests->len; i++) {
		const struct InputRequest *each = wanted->requests->pdata[i];
		if (capabilities_can_answer(request->can, each->method, each->params))
			continue;
		g_autofree char *what = describe(request, each);
		g_autofree char *text = g_strdup_printf(
			"needs something for this that the IDE cannot do: %s.", what);
		fail(rounds, text);
		return false;
	}
	return true;
}

/* ---- rounds ---- */

/* Keeps what the request has to be sent again from. */
static bool keep(struct Rounds *rounds, struct Slice sent, struct Slice state)
{
	struct RpcMessage message;
	size_t len;
	if (!rpc_parse(sent, &message, NULL))
		return false;
	g_free(rounds->sent);
	rounds->sent = ask_state_strip(&message, &len);
	g_free(rounds->state);
	rounds->state = state.len > 0 ? slice_dup(state) : NULL;
	rounds->open = 0;
	rounds->bytes = 0;
	return true;
}

void rounds_begin(struct Request *request, const struct UpstreamAnswer *answer)
{
	struct Router *router = request->router;
	g_autoptr(GError) error = NULL;
	g_autoptr(InputRequired) wanted = input_required_read(answer->message.result.raw, &error);
	if (!wanted) {
		g_autofree char *words =
			answer_words(router, upstream_connector(request->upstream), error);
		answer_failure(request, words);
		return;
	}
	if (!request->inputs)
		request->inputs = rounds_new(request);
	struct Rounds *rounds = request->inputs;
	if (++rounds->number > ROUNDS_MAX) {
		g_autofree char *text = g_strdup_printf(
			"asked for more again and again; that was ended after %d times.",
			ROUNDS_MAX);
		fail(rounds, text);
		return;
	}
	if (!check(rounds, wanted))
		return;
	if (!keep(rounds, answer->sent, wanted->state)) {
		g_warn_if_reached(); /* it went out */
		fail(rounds, "could not be sent the request again.");
		return;
	}
	if (wanted->requests->len == 0) {
		send_later(rounds);
		return;
	}
	rounds->pause_ms = 0;
	loop_timer_start(router->loop, &rounds->timer, ANSWER_MS, on_answer_limit, rounds);
	for (guint i = 0; i < wanted->requests->len; i++)
		ask(rounds, wanted->requests->pdata[i]);
}

void rounds_complete(struct Request *request)
{
	const GPtrArray *visits = request->inputs ? request->inputs->visits : NULL;
	for (guint i = 0; visits && i < visits->len; i++) {
		g_autofree char *text = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\","
			"\"params\":{\"elicitationId\":\"%s\"}}",
			(const char *)visits->pdata[i]);
		answer_notify(request->router, slice_of(text));
	}
}
