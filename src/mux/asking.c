/* Asking a person to sign in, from inside a session with an IDE: the course of it. telling.c has the ways in which the
 * person learns of it.
 *
 * An upstream has one sign-in at a time. Requests join that and wait, PERSON_MS at most, since the IDE's own clocks run;
 * the sign-in itself goes on after that, and later requests join it. A sign-in may also be made elsewhere meanwhile:
 * what counts is the credential, whose grant is another one then. After either, requests wait for the upstream: calls
 * go on by themselves as soon as it is open, the connect tool has its answer when its tools are known.
 *
 * Nothing here ends a call inside of the handler that asks for a person; what is told then is told from the loop. */
#include "mux/asking.h"

#include "base/error.h"
#include "base/log.h"

enum {
	OPEN_MS = 14 * 1000, /* that a request waits for the upstream after a sign-in */
	PAGE_MS = 5 * 1000, /* for the last page of a sign-in, where its end was seen otherwise */
	ROUNDS_MAX = 2, /* sign-ins for one request: a new one, then more scope */
};

static struct Asking *find(const struct Router *router, const struct Upstream *up)
{
	for (guint i = 0; i < router->askings->len; i++) {
		struct Asking *asking = router->askings->pdata[i];
		if (asking->up == up)
			return asking;
	}
	return NULL;
}

/* Each of those in QUEUE. The function may end it, and others with it: what is behind it must not be remembered. */
static void for_each(
	struct Asking *asking, GQueue *queue, void (*function)(struct Asking *, struct Request *))
{
	for (guint n = queue->length; n > 0 && queue->head; n--) {
		struct Request *request = queue->head->data;
		request_queue(request, queue); /* to its end */
		function(asking, request);
	}
}

/* ---- clocks ---- */

static void on_person_limit(void *user)
{
	struct Request *request = user;
	telling_end_unfinished(find(request->router, request->upstream), request);
}

static void on_open_limit(void *user)
{
	struct Request *request = user;
	telling_end_unopened(find(request->router, request->upstream), request);
}

static void on_tell(void *user)
{
	struct Asking *asking = user;
	if (asking->flow && sign_in_url(asking->flow))
		for_each(asking, &asking->waiting, telling_request);
}

/* ---- the upstream after a sign-in ---- */

/* A call goes on by itself, and has clocks of its own again. */
static void let_go(struct Request *request)
{
	loop_timer_stop(&request->held_limit);
	request_queue(request, NULL);
}

static void answer_connect(struct Asking *asking, struct Request *request)
{
	g_autofree char *text = builtin_describe(asking->router, asking->up);
	if (upstream_state(asking->up) == UPSTREAM_READY)
		answer_tool_text(request, text);
	else
		answer_failure(request, text);
}

static void settle_request(struct Asking *asking, struct Request *request)
{
	struct Upstream *up = asking->up;
	enum UpstreamState state = upstream_state(up);
	if (request->call && (state == UPSTREAM_READY || state == UPSTREAM_FAILED)) {
		let_go(request);
	} else if (request->call && state == UPSTREAM_SIGNED_OUT) {
		g_autofree char *words =
			answer_words(asking->router, upstream_connector(up), upstream_error(up));
		telling_end(request, words);
	} else if (!request->call && upstream_is_settled(up)) {
		answer_connect(asking, request);
	}
}

/* Whether the upstream has a new sign-in. */
static bool is_adopted(const struct Asking *asking)
{
	return g_strcmp0(upstream_grant(asking->up), asking->grant) != 0;
}

/* Whether the person is signed in, by whatever. A token that another process renewed does where none was good. */
static bool is_signed_in(const struct Asking *asking)
{
	return credential_state(upstream_credential(asking->up)) == CREDENTIAL_GOOD &&
	       (is_adopted(asking) ||
		       (!asking->was_open && upstream_state(asking->up) == UPSTREAM_READY));
}

static void settle(struct Asking *asking)
{
	asking->adopted = asking->adopted || is_adopted(asking);
	if (asking->adopted) /* until then, the upstream's state is that of before */
		for_each(asking, &asking->opening, settle_request);
}

static void succeed(struct Asking *asking, bool adopted)
{
	log_info(upstream_connector(asking->up)->name, "signed in");
	telling_over(asking, true);
	asking->adopted = adopted;
	while (asking->waiting.head) {
		struct Request *request = asking->waiting.head->data;
		request_queue(request, &asking->opening);
		loop_timer_start(asking->router->loop, &request->held_limit, OPEN_MS, on_open_limit,
			request);
	}
	settle(asking);
}

/* ---- the sign-in ---- */

static void drop_leaving(struct Asking *asking)
{
	loop_timer_stop(&asking->page);
	sign_in_free(g_steal_pointer(&asking->leaving));
}

static void on_page_limit(void *user)
{
	drop_leaving(user);
}

void asking_state(struct Router *router, struct Upstream *up)
{
	struct Asking *asking = find(router, up);
	if (!asking)
		return;
	if (!asking->flow || !is_signed_in(asking)) {
		settle(asking);
		return;
	}
	/* The keyring may have told of our own sign-in before its page was sent. */
	drop_leaving(asking);
	asking->leaving = g_steal_pointer(&asking->flow);
	loop_timer_start(router->loop, &asking->page, PAGE_MS, on_page_limit, asking);
	succeed(asking, true);
}

static void on_url(struct SignIn *flow, const char *url, void *user)
{
	(void)flow;
	(void)url;
	on_tell(user);
}

static void on_done(
	struct SignIn *flow, const struct TokenRecord *record, const GError *error, void *user)
{
	struct Asking *asking = user;
	/* That calls asking_state, as a sign-in made elsewhere does. */
	if (!error)
		upstream_signed_in(asking->up, record);
	if (flow == asking->leaving) {
		drop_leaving(asking);
		return;
	}
	asking->failed = error ? g_error_copy(error) : NULL; /* it goes with the sign-in */
	sign_in_free(g_steal_pointer(&asking->flow));
	if (!asking->failed) {
		succeed(asking, false);
		return;
	}
	log_info(upstream_connector(asking->up)->name, "sign-in: %s", asking->failed->message);
	telling_over(asking, false);
	for_each(asking, &asking->waiting, telling_end_failed);
}

static void start(struct Asking *asking)
{
	static const struct SignInHandlers handlers = {on_url, on_done};
	struct Credential *credential = upstream_credential(asking->up);
	struct SignInSpec spec = {
		.shared = asking->router->options.upstream.auth,
		.connector = upstream_connector(asking->up),
		.challenge = credential_challenge(credential),
		.previous = credential_record(credential),
	};
	drop_leaving(asking); /* it may hold the port */
	g_clear_error(&asking->failed);
	g_free(asking->grant);
	asking->grant = g_strdup(upstream_grant(asking->up));
	asking->was_open = upstream_state(asking->up) == UPSTREAM_READY;
	asking->agreed = false;
	asking->browser = false;
	asking->number = ++asking->router->sign_ins;
	asking->flow = sign_in_start(&spec, &handlers, asking);
}

/* Ends a sign-in that nobody wants. */
static void give_up_unused(struct Asking *asking)
{
	if (!asking->flow || asking->agreed || asking->waiting.length > 0)
		return;
	telling_over(asking, false);
	sign_in_free(g_steal_pointer(&asking->flow));
}

static void join(struct Request *request, struct Upstream *up)
{
	struct Router *router = request->router;
	struct Asking *asking = find(router, up);
	if (!asking) {
		asking = g_new0(struct Asking, 1);
		asking->router = router;
		asking->up = up;
		g_queue_init(&asking->waiting);
		g_queue_init(&asking->opening);
		g_ptr_array_add(router->askings, asking);
	}
	if (!asking->flow)
		start(asking);
	else if (asking->waiting.length == 0)
		telling_withdraw(asking); /* whoever saw it may be gone */
	request->upstream = up;
	request_queue(request, &asking->waiting);
	loop_timer_start(router->loop, &request->held_limit, PERSON_MS, on_person_limit, request);
	if (sign_in_url(asking->flow))
		loop_timer_start(router->loop, &asking->tell, 0, on_tell, asking);
}

/* ---- requests ---- */

/* The person agreed already, and what they did was not enough or did not succeed: that must end somewhere. */
static bool was_asked_enough(const struct Request *request, const struct Asking *asking)
{
	bool is_this = asking->number == request->accepted;
	if (request->accepted == 0 || (is_this && asking->flow))
		return false;
	return (is_this && asking->failed) || request->rounds >= ROUNDS_MAX;
}

bool asking_call(struct UpstreamCall *call, const GError *error, void *user)
{
	struct Request *request = user;
	struct Router *router = request->router;
	struct Upstream *up = request->upstream;
	(void)call;
	if (upstream_connector(up)->auth != AUTH_OAUTH || !upstream_credential(up))
		return false;
	switch (router->config->mux.sign_in) {
	case SIGN_IN_NEVER:
		return false;
	case SIGN_IN_ELICIT:
		if (!telling_can_elicit(request))
			return false;
		break;
	case SIGN_IN_BROWSER:
		break;
	}
	const struct Asking *asking = find(router, up);
	if (asking && was_asked_enough(request, asking))
		return false;
	log_debug(upstream_connector(up)->name, "a call waits for a sign-in: %s", error->message);
	join(request, up);
	return true;
}

void asking_connect(struct Request *request, struct Upstream *up, const struct McpParams *params)
{
	struct Asking *asking = find(request->router, up);
	if ((request->can & CLIENT_CAN_ELICIT_URL) && !request->digest)
		request->digest = ask_state_digest(request->method, params);
	if (!asking || !was_asked_enough(request, asking))
		join(request, up);
	else if (asking->failed)
		telling_end_failed(asking, request);
	else
		answer_connect(asking, request);
}

bool asking_tell_failure(struct Request *request)
{
	struct Asking *asking = find(request->router, request->upstream);
	if (!asking || request->accepted == 0 || request->accepted != asking->number ||
		!asking->failed)
		return false;
	telling_end_failed(asking, request);
	return true;
}

/* ---- answers of the IDE ---- */

static bool is_refusal(const char *action)
{
	return g_strcmp0(action, "decline") == 0 || g_strcmp0(action, "cancel") == 0;
}

static void decline_if_asked(struct Asking *asking, struct Request *request)
{
	if (request->era == ERA_LEGACY && telling_can_elicit(request))
		telling_end_declined(asking, request);
}

/* The IDE could not ask. */
static void show_url_if_asked(struct Asking *asking, struct Request *request)
{
	if (request->era == ERA_LEGACY && telling_can_elicit(request))
		telling_end_with_url(asking, request);
}

bool asking_take_answer(struct Router *router, const struct RpcMessage *message)
{
	g_autofree char *id = json_string_dup(message->id);
	struct Asking *asking = NULL;
	for (guint i = 0; id && i < router->askings->len && !asking; i++) {
		struct Asking *each = router->askings->pdata[i];
		if (g_strcmp0(each->question, id) == 0)
			asking = each;
	}
	if (!asking)
		return false;
	g_clear_pointer(&asking->question, g_free);
	g_autofree char *action = message->kind == RPC_RESULT
					  ? json_string_dup(json_get(message->result.raw, "action"))
					  : NULL;
	if (g_strcmp0(action, "accept") == 0) {
		asking->agreed = true;
	} else if (is_refusal(action)) {
		for_each(asking, &asking->waiting, decline_if_asked);
		give_up_unused(asking);
	} else {
		log_info(upstream_connector(asking->up)->name,
			"the IDE could not ask for a sign-in");
		for_each(asking, &asking->waiting, show_url_if_asked);
	}
	return true;
}

char *asking_resume(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, size_t *len)
{
	struct AskState state;
	g_autofree char *digest = ask_state_digest(request->method, params);
	if (!ask_state_take(request->router, params, digest, &state)) {
		answer_error(request, RPC_INVALID_PARAMS,
			"requestState is unknown, has been used, is too old or belongs to another "
			"call");
		return NULL;
	}
	struct Asking *asking = find(request->router, state.up);
	enum JsonType responses = params->input_responses.type;
	struct JsonValue response = json_get(params->input_responses.raw, TELLING_KEY);
	g_autofree char *action = json_string_dup(json_get(response.raw, "action"));
	if (g_strcmp0(action, "accept") == 0) {
		request->accepted = state.number;
		request->rounds = state.rounds;
		asking->agreed = asking->agreed || asking->number == state.number;
	} else if (is_refusal(action)) {
		telling_end_declined(asking, request);
		if (asking->number == state.number)
			give_up_unused(asking);
		return NULL;
	} else if (response.type != JSON_NONE ||
		   (responses != JSON_NONE && responses != JSON_OBJECT)) {
		answer_error(request, RPC_INVALID_PARAMS,
			"inputResponses." TELLING_KEY " has no action that is known");
		return NULL;
	}
	/* Without a response the person is asked again. */
	return ask_state_strip(message, len);
}

/* ---- life ---- */

void asking_init(struct Router *router)
{
	router->askings = g_ptr_array_new();
	ask_state_init(router);
}

void asking_stop(struct Router *router)
{
	for (guint i = 0; i < router->askings->len; i++) {
		struct Asking *asking = router->askings->pdata[i];
		loop_timer_stop(&asking->tell);
		drop_leaving(asking);
		sign_in_free(g_steal_pointer(&asking->flow));
	}
}

static void asking_free(struct Asking *asking)
{
	loop_timer_stop(&asking->tell);
	drop_leaving(asking);
	sign_in_free(asking->flow);
	g_free(asking->grant);
	g_free(asking->question);
	g_free(asking->elicitation);
	g_clear_error(&asking->failed);
	g_free(asking);
}

void asking_forget_upstream(struct Router *router, struct Upstream *up)
{
	struct Asking *asking = find(router, up);
	if (!asking)
		return;
	telling_over(asking, false);
	g_ptr_array_remove(router->askings, asking);
	asking_free(asking);
}

void asking_release(struct Router *router)
{
	for (guint i = 0; i < router->askings->len; i++)
		asking_free(router->askings->pdata[i]);
	g_ptr_array_unref(router->askings);
	ask_state_release(router);
}
