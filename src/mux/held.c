/* A legacy server that asks a modern IDE: its requests on the stream of a call become one input_required, which ends the
 * IDE's request; the call goes on without one and waits for the retry (2026-07-28, "Multi Round-Trip Requests").
 *
 * A HeldCall is made for the first request that comes with a call. While the call has a request of the IDE (`live`), the
 * server's are gathered for GATHER_MS. Then the IDE is told of them, and the call is held: its clocks stand still, what
 * the server asks meanwhile waits for the next round, and its answer for the retry. The retry brings responses, which go
 * upstream; it becomes the call's request, or, where something is still to be asked, ends at once as the one before.
 * Nobody must come back: calls are held for HELD_MS, and only so many of them; the oldest goes first.
 *
 * Calls end in the handler of an upstream's state by a timer alone, since the one that is being looked at may be theirs. */
#include "mux/internal.h"

#include "base/log.h"
#include "format/input_required.h"

enum {
	GATHER_MS = 10,
	HELD_MS = 15 * 60 * 1000,
	HELD_MAX = 64,
};

/* A request of the server that is not answered. */
struct Wanted {
	GList link; /* in its call's `wanted` */
	char *key; /* in inputRequests */
	char *id; /* raw */
	char *id_key; /* the same for comparing: request_key */
	char *method; /* raw */
	char *params; /* raw, as the IDE gets them; NULL: none */
	size_t bytes;
	bool asked; /* the IDE knows of it */
};

struct HeldCall {
	struct Router *router;
	GList link; /* in `live` or `held` */
	struct Upstream *up;
	struct Request *request; /* NULL: it is held */
	struct UpstreamCall *call; /* while it is held; NULL: it has ended */
	unsigned can; /* of the request: enum ClientCan */
	unsigned last; /* counts what was wanted, in all rounds */
	GQueue wanted; /* struct Wanted */
	size_t bytes; /* of them */
	struct LoopTimer timer; /* live: gathers; held: for the retry */
	char *handle; /* its requestState; NULL before there is one */
	bool lost; /* with its session */

	/* How it ended while it was held */
	struct UpstreamAnswer answer; /* bytes NULL: there is none */
	GError *error; /* NULL: there is none */
};

struct HeldCalls {
	GQueue live, held; /* struct HeldCall, oldest first */
	size_t kept; /* bytes of answers */
	struct LoopTimer lost; /* ends those that are */
};

void held_init(struct Router *router)
{
	router->held_calls = g_new0(struct HeldCalls, 1);
	g_queue_init(&router->held_calls->live);
	g_queue_init(&router->held_calls->held);
}

/* ---- what a server wants ---- */

static void wanted_free(struct HeldCall *call, struct Wanted *wanted)
{
	call->bytes -= wanted->bytes;
	g_queue_unlink(&call->wanted, &wanted->link);
	g_free(wanted->key);
	g_free(wanted->id);
	g_free(wanted->id_key);
	g_free(wanted->method);
	g_free(wanted->params);
	g_free(wanted);
}

static void forget_wanted(struct HeldCall *call)
{
	struct Wanted *wanted;
	while ((wanted = g_queue_peek_head(&call->wanted)))
		wanted_free(call, wanted);
}

static struct Wanted *find_wanted(const struct HeldCall *call, const char *id_key)
{
	for (GList *link = call->wanted.head; link; link = link->next) {
		struct Wanted *wanted = link->data;
		if (strcmp(wanted->id_key, id_key) == 0)
			return wanted;
	}
	return NULL;
}

/* ---- life ---- */

static GQueue *queue_of(const struct HeldCall *call)
{
	struct HeldCalls *all = call->router->held_calls;
	return call->request ? &all->live : &all->held;
}

static struct HeldCall *held_new(struct Request *request)
{
	struct HeldCall *call = g_new0(struct HeldCall, 1);
	call->router = request->router;
	call->up = request->upstream;
	call->request = request;
	call->can = request->can;
	call->link.data = call;
	g_queue_init(&call->wanted);
	g_queue_push_tail_link(queue_of(call), &call->link);
	request->asks = call;
	return call;
}

/* Its call is another's, or gone. */
static void held_free(struct HeldCall *call)
{
	loop_timer_stop(&call->timer);
	g_queue_unlink(queue_of(call), &call->link);
	ask_state_forget(call->router, call->handle);
	forget_wanted(call);
	if (call->answer.bytes)
		call->router->held_calls->kept -= call->answer.message.text.len;
	g_free(call->answer.bytes);
	g_clear_error(&call->error);
	g_free(call->handle);
	g_free(call);
}

void held_drop(struct HeldCall *call)
{
	if (call->call)
		upstream_call_cancel(g_steal_pointer(&call->call));
	held_free(call);
}

void held_release(struct Router *router)
{
	struct HeldCalls *all = router->held_calls;
	struct HeldCall *call;
	/* Their calls are gone with the upstreams, and the live ones with their requests. */
	while ((call = g_queue_peek_head(&all->held)))
		held_free(call);
	loop_timer_stop(&all->lost);
	g_free(all);
}

void held_end_request(struct Request *request)
{
	if (request->asks)
		held_free(g_steal_pointer(&request->asks));
}

/* ---- a call that is held ---- */

/* Answers that nobody comes back for are bounded. */
static void make_room(struct HeldCall *but)
{
	struct HeldCalls *all = but->router->held_calls;
	size_t max = but->router->config->mux.max_message;
	GList *link = all->held.head;
	while (link && all->kept > max) {
		struct HeldCall *call = link->data;
		link = link->next;
		if (call != but && call->answer.bytes)
			held_drop(call);
	}
}

static void on_answer(struct UpstreamCall *ended, struct UpstreamAnswer *answer, void *user)
{
	struct HeldCall *call = user;
	(void)ended;
	call->call = NULL; /* it goes by itself */
	forget_wanted(call);
	call->answer = *answer;
	call->answer.bytes = g_steal_pointer(&answer->bytes);
	call->answer.sent = (struct Slice){0};
	call->router->held_calls->kept += call->answer.message.text.len;
	make_room(call);
}

static void on_failed(struct UpstreamCall *ended, const GError *error, void *user)
{
	struct HeldCall *call = user;
	(void)ended;
	call->call = NULL;
	forget_wanted(call);
	call->error = g_error_copy(error);
}

/* There is no request that it could be told of. */
static void on_progress(
	struct UpstreamCall *upstream_call, struct Slice text, struct Slice token, void *user)
{
	(void)upstream_call;
	(void)text;
	(void)token;
	(void)user;
}

static bool add(struct HeldCall *call, const struct RpcMessage *message);

/* As messages.c does while there is a request, but for what would be told to that. */
static bool on_message(
	struct UpstreamCall *upstream_call, const struct RpcMessage *message, void *user)
{
	struct HeldCall *call = user;
	struct Router *router = call->router;
	(void)upstream_call;
	if (message->kind == RPC_REQUEST)
		return add(call, message);
	if (rpc_method_is(message, "notifications/cancelled"))
		held_cancelled(router, call->up, message->params);
	else if (rpc_method_is(message, "notifications/resources/updated"))
		listen_updated(
			router, routing_upstream(router, upstream_connector(call->up)), message);
	return true;
}

static const struct UpstreamCallHandlers handlers = {
	.answer = on_answer,
	.failed = on_failed,
	.progress = on_progress,
	.message = on_message,
};

static void on_held_limit(void *user)
{
	struct HeldCall *call = user;
	if (!call->router->shut_down)
		held_drop(call);
}

/* ---- the IDE is told ---- */

static char *write_wanted(struct HeldCall *call)
{
	GString *out = g_string_sized_new(call->bytes + 256);
	struct JsonWriter w;
	inputs_begin(&w, out);
	for (GList *link = call->wanted.head; link; link = link->next) {
		struct Wanted *wanted = link->data;
		inputs_add(&w, wanted->key, slice_of(wanted->method), wanted->params);
		wanted->asked = true;
	}
	inputs_end(&w, call->handle);
	return g_string_free(out, FALSE);
}

/* Ends REQUEST, which is the call's or a retry for it, by all that is wanted. The call is held from then on. */
static void ask(struct HeldCall *call, struct Request *request)
{
	struct HeldCalls *all = call->router->held_calls;
	const struct AskState state = {.up = call->up, .held = call};
	g_free(call->handle);
	call->handle = ask_state_add(call->router, request->digest, &state);
	g_autofree char *result = write_wanted(call);
	g_queue_unlink(queue_of(call), &call->link);
	if (call->request) {
		call->request = NULL;
		request->asks = NULL;
		call->call = g_steal_pointer(&request->call);
		upstream_call_give(call->call, &handlers, call);
		upstream_call_pause(call->call);
	}
	call->can = request->can;
	g_queue_push_tail_link(&all->held, &call->link);
	loop_timer_start(call->router->loop, &call->timer, HELD_MS, on_held_limit, call);
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_INPUT_REQUIRED);
	answer_result(request, slice_of(result));
	if (all->held.length > HELD_MAX)
		held_drop(all->held.head->data);
}

static void on_gathered(void *user)
{
	struct HeldCall *call = user;
	/* The server may have thought otherwise. */
	if (!call->router->shut_down && call->wanted.length > 0)
		ask(call, call->request);
}

/* ---- the server asks ---- */

static bool can_answer(const struct HeldCall *call, const struct RpcMessage *message)
{
	g_autofree char *method = json_string_dup((struct JsonValue){JSON_STRING, message->method});
	return method && upstream_state(call->up) == UPSTREAM_READY && !call->lost &&
	       capabilities_can_answer(call->can, method, message->params);
}

/* Refuses it in words that its server's people understand; false if there is no reason to. */
static bool refuse(const struct HeldCall *call, const struct RpcMessage *message)
{
	const char *error = NULL;
	if (call->wanted.length >= INPUT_REQUESTS_MAX)
		error = "{\"code\":-32603,\"message\":\"too many requests wait for the client's "
			"answer\"}";
	else if (call->bytes + message->text.len > call->router->config->mux.max_result)
		error = "{\"code\":-32603,\"message\":\"the requests together are larger than the "
			"client takes\"}";
	if (!error)
		return false;
	log_debug(upstream_connector(call->up)->name, "a request of it is refused: %s", error);
	upstream_reply(call->up, message->id.raw, "error", slice_of(error));
	return true;
}

static bool add(struct HeldCall *call, const struct RpcMessage *message)
{
	if (!can_answer(call, message))
		return false;
	g_autofree char *id_key = request_key(message->id);
	/* A stream that was resumed may repeat what it brought before. */
	if (find_wanted(call, id_key) || refuse(call, message))
		return true;
	g_autofree char *method = json_string_dup((struct JsonValue){JSON_STRING, message->method});
	struct Wanted *wanted = g_new0(struct Wanted, 1);
	wanted->key = g_strdup_printf("q%u", ++call->last);
	wanted->id = slice_dup(message->id.raw);
	wanted->id_key = g_steal_pointer(&id_key);
	wanted->method = slice_dup(message->method);
	wanted->params = inputs_params(method, message->params, NULL);
	if (wanted->params)
		json_make_one_line(wanted->params, strlen(wanted->params));
	wanted->bytes = message->text.len;
	wanted->link.data = wanted;
	call->bytes += wanted->bytes;
	g_queue_push_tail_link(&call->wanted, &wanted->link);
	if (call->request && !call->timer.loop)
		loop_timer_start(call->router->loop, &call->timer, GATHER_MS, on_gathered, call);
	return true;
}

bool held_take(struct Request *request, const struct RpcMessage *message)
{
	if (request->router->shut_down || !request->kind->inputs || !request->digest)
		return false;
	struct HeldCall *call = request->asks ? request->asks : held_new(request);
	return add(call, message);
}

static bool take_back(const GQueue *calls, const struct Upstream *up, const char *id_key)
{
	for (GList *link = calls->head; link; link = link->next) {
		struct HeldCall *call = link->data;
		struct Wanted *wanted = call->up == up ? find_wanted(call, id_key) : NULL;
		if (!wanted)
			continue;
		wanted_free(call, wanted);
		return true;
	}
	return false;
}

bool held_cancelled(struct Router *router, struct Upstream *up, struct JsonValue params)
{
	g_autofree char *id_key = request_key(json_get(params.raw, "requestId"));
	return take_back(&router->held_calls->live, up, id_key) ||
	       take_back(&router->held_calls->held, up, id_key);
}

/* ---- the session ends ---- */

static void on_lost(void *user)
{
	struct Router *router = user;
	GList *link = router->held_calls->held.head;
	while (link && !router->shut_down) {
		struct HeldCall *call = link->data;
		link = link->next;
		if (call->lost)
			held_drop(call);
	}
}

void held_end_upstream(struct Router *router, struct Upstream *up)
{
	struct HeldCalls *all = router->held_calls;
	for (GList *link = all->live.head; link; link = link->next) {
		struct HeldCall *call = link->data;
		if (call->up == up)
			forget_wanted(call);
	}
	for (GList *link = all->held.head; link; link = link->next) {
		struct HeldCall *call = link->data;
		if (call->up != up || !call->call)
			continue;
		call->lost = true;
		loop_timer_start(router->loop, &all->lost, 0, on_lost, router);
	}
}

void held_forget_upstream(struct Router *router, struct Upstream *up)
{
	GList *link = router->held_calls->held.head;
	while (link) {
		struct HeldCall *call = link->data;
		link = link->next;
		if (call->up != up)
			continue;
		call->call = NULL; /* it went with the others */
		held_drop(call);
	}
}

/* ---- the retry ---- */

/* The responses go upstream; what is left must be asked again. */
static void deliver(struct HeldCall *call, struct Slice responses)
{
	GList *link = call->wanted.head;
	while (link) {
		struct Wanted *wanted = link->data;
		link = link->next;
		struct JsonValue response = json_get(responses, wanted->key);
		if (!wanted->asked || response.type != JSON_OBJECT)
			continue;
		upstream_reply(call->up, slice_of(wanted->id), "result", response.raw);
		wanted_free(call, wanted);
	}
}

/* This request's IDE may declare less than the one before. */
static void refuse_others(struct HeldCall *call, unsigned can)
{
	GList *link = call->wanted.head;
	while (link) {
		struct Wanted *wanted = link->data;
		link = link->next;
		g_autofree char *method =
			json_string_dup((struct JsonValue){JSON_STRING, slice_of(wanted->method)});
		struct JsonValue params = {0};
		if (wanted->params)
			params = json_root(slice_of(wanted->params));
		if (capabilities_can_answer(can, method, params))
			continue;
		upstream_reply(call->up, slice_of(wanted->id), "error",
			SLICE("{\"code\":-32601,\"message\":\"Method not found\"}"));
		wanted_free(call, wanted);
	}
}

static void give_end(struct HeldCall *call, struct Request *request)
{
	struct UpstreamAnswer answer = call->answer;
	g_autoptr(GError) error = g_steal_pointer(&call->error);
	if (answer.bytes)
		call->router->held_calls->kept -= answer.message.text.len;
	call->answer.bytes = NULL;
	held_free(call);
	if (error)
		forward_handlers.failed(NULL, error, request);
	else
		forward_answer(request, &answer);
	g_free(answer.bytes);
}

static void go_on(struct HeldCall *call, struct Request *request)
{
	loop_timer_stop(&call->timer);
	g_queue_unlink(queue_of(call), &call->link);
	call->request = request;
	call->can = request->can;
	request->asks = call;
	request->call = g_steal_pointer(&call->call);
	g_queue_push_tail_link(queue_of(call), &call->link);
	upstream_call_give(request->call, &forward_handlers, request);
	upstream_call_resume(request->call);
}

/* It goes by another way than the call did. */
static void note_target(
	struct Request *request, const struct McpParams *params, const struct Upstream *up)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	enum McpList list = strcmp(request->method, "prompts/get") == 0 ? MCP_PROMPTS : MCP_TOOLS;
	g_autofree char *name = json_string_dup(params->name);
	const struct CatalogEntry *entry =
		name ? catalog_find(request->router->catalogs[list], name) : NULL;
	bool known = entry && entry->connector == connector;
	audit_call_for(&request->audit, connector, known ? entry->own : NULL);
}

void held_resume(struct Request *request, const struct McpParams *params, const char *digest,
	struct HeldCall *call)
{
	request->upstream = call->up;
	note_target(request, params, call->up);
	if (call->lost) {
		held_drop(call);
		answer_error(request, RPC_INVALID_PARAMS,
			"requestState belongs to a session that has ended");
		return;
	}
	if (!call->call) {
		give_end(call, request);
		return;
	}
	if (!forward_permit(request)) {
		held_drop(call);
		return;
	}
	request->digest = g_strdup(digest);
	deliver(call, params->input_responses.raw);
	refuse_others(call, request->can);
	if (call->wanted.length > 0)
		ask(call, request);
	else
		go_on(call, request);
}
