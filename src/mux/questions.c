/* Requests to a legacy IDE: those of legacy servers, which pass as they are (2025-11-25, "Sampling", "Roots",
 * "Elicitation"), and our own.
 *
 * Each goes out under an id of ours, since servers number theirs alike; it serves as the progress token, too. A server is
 * trusted neither with how much it asks nor with what: only what the IDE declared that it can do passes. While a
 * question is open, the clocks of the call that it came with stand still, or those of all calls to its server. It ends by
 * the IDE's answer, by its server's wish, with its call or session, or after QUESTION_MS; in all cases but the first, the
 * IDE is told so (2025-11-25, "Cancellation"). */
#include "mux/internal.h"

#include "base/log.h"

enum {
	QUESTION_MS = 15 * 60 * 1000,
	OPEN_MAX = 100, /* of one server */
	REASON_MAX = 1000, /* bytes of a server's reason that are passed on */
};

struct Questions {
	GQueue open; /* struct Question, oldest first */
	uint64_t last; /* counts all */
};

struct Question {
	struct Router *router;
	GList link; /* in `open` */
	char *id; /* that the IDE knows it by */

	/* Of a server */
	struct Upstream *up; /* NULL: it is ours */
	struct Request *request; /* whose call it came with; NULL: it came with none */
	char *server_id; /* raw */
	char *server_key; /* the same for comparing: request_key */
	char *server_token; /* its progress token, raw; NULL: it gave none */
	struct LoopTimer limit;

	/* Of ours */
	void (*done)(const struct RpcMessage *answer, void *user);
	void *user;
};

void questions_init(struct Router *router)
{
	router->questions = g_new0(struct Questions, 1);
	g_queue_init(&router->questions->open);
}

static struct Question *question_new(struct Router *router)
{
	struct Question *question = g_new0(struct Question, 1);
	question->router = router;
	question->id =
		g_strdup_printf("mcp-mux-q%" G_GUINT64_FORMAT, (guint64)++router->questions->last);
	question->link.data = question;
	g_queue_push_tail_link(&router->questions->open, &question->link);
	return question;
}

/* ---- clocks of calls ---- */

static void stop_clocks(struct Question *question)
{
	struct Request *request = question->request;
	if (!request) {
		upstream_pause(question->up);
		return;
	}
	request->questions++;
	upstream_call_pause(request->call);
}

static void let_clocks_run(struct Question *question)
{
	struct Request *request = question->request;
	/* Calls are gone after the router's end, and the call of a request that ends. */
	if (!question->up || question->router->shut_down)
		return;
	if (!request) {
		upstream_resume(question->up);
		return;
	}
	request->questions--;
	if (request->call)
		upstream_call_resume(request->call);
}

static void question_free(struct Question *question)
{
	let_clocks_run(question);
	loop_timer_stop(&question->limit);
	g_queue_unlink(&question->router->questions->open, &question->link);
	g_free(question->id);
	g_free(question->server_id);
	g_free(question->server_key);
	g_free(question->server_token);
	g_free(question);
}

void questions_release(struct Router *router)
{
	struct Question *question;
	while ((question = g_queue_peek_head(&router->questions->open)))
		question_free(question);
	g_free(router->questions);
}

/* ---- the end without an answer ---- */

/* REASON: a raw string. */
static void withdraw(struct Question *question, struct Slice reason)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "method", "notifications/cancelled");
	json_key(&w, "params");
	json_begin_object(&w);
	json_member_string(&w, "requestId", question->id);
	json_member_raw(&w, "reason", reason);
	json_end_object(&w);
	json_end_object(&w);
	if (!question->router->shut_down)
		answer_notify(question->router, (struct Slice){out->str, out->len});
	question_free(question);
}

void questions_withdraw(struct Question *question, const char *reason)
{
	g_autoptr(GString) raw = g_string_new(NULL);
	json_append_quoted(raw, slice_of(reason));
	withdraw(question, (struct Slice){raw->str, raw->len});
}

static void reply_error(struct Upstream *up, struct Slice id, int code, const char *text)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "code", code);
	json_member_string(&w, "message", text);
	json_end_object(&w);
	upstream_reply(up, id, "error", (struct Slice){out->str, out->len});
}

static void on_limit(void *user)
{
	struct Question *question = user;
	if (question->router->shut_down)
		return;
	reply_error(question->up, slice_of(question->server_id), RPC_INTERNAL_ERROR,
		"the client did not answer in time");
	questions_withdraw(question, "it was not answered in time");
}

static void start_limit(struct Question *question)
{
	loop_timer_start(question->router->loop, &question->limit, QUESTION_MS, on_limit, question);
}

/* Those of UP (NULL: of any) that came with REQUEST (NULL: with any or none). */
static void end_those(struct Router *router, const struct Upstream *up,
	const struct Request *request, const char *reason)
{
	GList *link = router->questions->open.head;
	while (link) {
		struct Question *question = link->data;
		link = link->next;
		if ((!up || question->up == up) && (!request || question->request == request))
			questions_withdraw(question, reason);
	}
}

void questions_end_request(struct Request *request)
{
	if (request->questions > 0)
		end_those(request->router, NULL, request, "the call that it was for is over");
}

void questions_end_upstream(struct Router *router, struct Upstream *up)
{
	end_those(router, up, NULL, "the connection to its server is gone");
}

static struct Question *find_of_server(
	const struct Router *router, const struct Upstream *up, const char *key)
{
	for (GList *link = router->questions->open.head; link; link = link->next) {
		struct Question *question = link->data;
		if (question->up == up && strcmp(question->server_key, key) == 0)
			return question;
	}
	return NULL;
}

bool questions_cancelled(struct Router *router, struct Upstream *up, struct JsonValue params)
{
	struct JsonValue id = json_get(params.raw, "requestId");
	struct JsonValue reason = json_get(params.raw, "reason");
	g_autofree char *key = request_key(id);
	struct Question *question = find_of_server(router, up, key);
	if (!question)
		return false;
	if (reason.type == JSON_STRING && reason.raw.len <= REASON_MAX)
		withdraw(question, reason.raw);
	else
		questions_withdraw(question, "its server wants no answer any more");
	return true;
}

/* ---- asking ---- */

/* The progress token of a request: JSON_NONE where it has none. False if two readers might find two. */
static bool read_token(struct JsonValue params, struct JsonValue *token)
{
	static const char *const meta_key[] = {"_meta"};
	static const char *const token_key[] = {"progressToken"};
	struct JsonValue meta;
	if (json_find_members(params.raw, meta_key, 1, &meta) ||
		json_find_members(meta.raw, token_key, 1, token))
		return false;
	if (token->type != JSON_STRING && !json_is_integer(*token))
		*token = (struct JsonValue){0};
	return true;
}

static unsigned count_of(const struct Router *router, const struct Upstream *up)
{
	unsigned n = 0;
	for (GList *link = router->questions->open.head; link; link = link->next)
		n += ((const struct Question *)link->data)->up == up;
	return n;
}

/* Refuses it in words that its server's people understand; false if there is no reason to. */
static bool refuse(struct Router *router, struct Upstream *up, const struct RpcMessage *message,
	struct JsonValue *token)
{
	int code = RPC_INTERNAL_ERROR;
	const char *why = NULL;
	if (message->text.len > router->config->mux.max_result) {
		why = "the request is larger than the client takes";
	} else if (count_of(router, up) >= OPEN_MAX) {
		why = "too many requests wait for the client's answer";
	} else if (!read_token(message->params, token)) {
		code = RPC_INVALID_PARAMS;
		why = "the progress token is there twice";
	}
	if (!why)
		return false;
	log_debug(upstream_connector(up)->name, "a request of it is refused: %s", why);
	reply_error(up, message->id.raw, code, why);
	return true;
}

/* MESSAGE under the question's id, TOKEN (if there is one) as well. */
static void send(
	const struct Question *question, const struct RpcMessage *message, struct JsonValue token)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\"", question->id);
	struct Edits edits = {0};
	size_t len;
	edits_replace(&edits, message->text, message->id.raw, slice_of(quoted));
	if (token.type != JSON_NONE)
		edits_replace(&edits, message->text, token.raw, slice_of(quoted));
	char *text = edits_apply(&edits, message->text, &len);
	json_make_one_line(text, len);
	out_queue_take(question->router->out, text, 0, len);
	out_queue_end_message(question->router->out);
}

bool questions_take(struct Router *router, struct Upstream *up, struct Request *request,
	const struct RpcMessage *message)
{
	unsigned can = request ? request->can : router->can;
	g_autofree char *method = json_string_dup((struct JsonValue){JSON_STRING, message->method});
	if (!method || router->shut_down || upstream_state(up) != UPSTREAM_READY ||
		!capabilities_can_answer(can, method, message->params))
		return false;
	g_autofree char *key = request_key(message->id);
	struct JsonValue token;
	/* A stream that was resumed may repeat what it brought before. */
	if (find_of_server(router, up, key) || refuse(router, up, message, &token))
		return true;
	struct Question *question = question_new(router);
	question->up = up;
	question->request = request;
	question->server_id = slice_dup(message->id.raw);
	question->server_key = g_steal_pointer(&key);
	if (token.type != JSON_NONE)
		question->server_token = slice_dup(token.raw);
	start_limit(question);
	stop_clocks(question);
	send(question, message, token);
	return true;
}

struct Question *questions_ask(struct Router *router, const char *method, struct Slice params,
	void (*done)(const struct RpcMessage *answer, void *user), void *user)
{
	struct Question *question = question_new(router);
	question->done = done;
	question->user = user;
	g_autoptr(GString) out = g_string_sized_new(params.len + 128);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "id", question->id);
	json_member_string(&w, "method", method);
	if (params.len > 0)
		json_member_raw(&w, "params", params);
	json_end_object(&w);
	answer_notify(router, (struct Slice){out->str, out->len});
	return question;
}

/* ---- the IDE ---- */

static struct Question *find(const struct Router *router, struct JsonValue id)
{
	g_autofree char *text = json_string_dup(id);
	for (GList *link = router->questions->open.head; text && link; link = link->next) {
		struct Question *question = link->data;
		if (strcmp(question->id, text) == 0)
			return question;
	}
	return NULL;
}

bool questions_take_answer(struct Router *router, const struct RpcMessage *message)
{
	struct Question *question = find(router, message->id);
	if (!question)
		return false;
	if (question->done) {
		void (*done)(const struct RpcMessage *, void *) = question->done;
		void *user = question->user;
		question_free(question);
		done(message, user);
		return true;
	}
	bool is_result = message->kind == RPC_RESULT;
	upstream_reply(question->up, slice_of(question->server_id), is_result ? "result" : "error",
		is_result ? message->result.raw : message->error.raw);
	question_free(question);
	return true;
}

void questions_progress(struct Router *router, const struct RpcMessage *message)
{
	static const char *const token_key[] = {"progressToken"};
	struct Slice params = message->params.raw;
	struct JsonValue token;
	if (json_find_members(params, token_key, 1, &token))
		return;
	struct Question *question = find(router, token);
	if (!question || !question->server_token)
		return;
	struct Edits edits = {0};
	size_t len;
	edits_replace(&edits, params, token.raw, slice_of(question->server_token));
	g_autofree char *text = edits_apply(&edits, params, &len);
	start_limit(question); /* somebody is at it */
	upstream_notify(question->up, "notifications/progress", (struct Slice){text, len});
}
