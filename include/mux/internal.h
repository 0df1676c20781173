/* The inside of the router, shared by the files of this folder alone. */
#ifndef MCP_MUX_MUX_INTERNAL_H
#define MCP_MUX_MUX_INTERNAL_H

#include "format/capabilities.h"
#include "format/json_writer.h"
#include "format/params.h"
#include "mux/catalog.h"
#include "mux/owners.h"
#include "mux/router.h"

enum {
	CHANGED_PAUSE_MS = 20, /* changes that come together are announced together */
	BATCH_MAX = 1000, /* messages */
};

struct Batch;
struct Request;
struct Rounds; /* rounds.c */
struct HeldCall; /* held.c */
struct HeldCalls; /* held.c */
struct Questions; /* questions.c */
struct Listens; /* listen.c */
struct Resources; /* resources.c */

/* A method that the IDE may call. */
struct Method {
	const char *name;
	unsigned eras; /* in which it exists: 1u << ERA_… */
	/* Answers REQUEST or sees to it that it will be. MESSAGE is the IDE's, without what only we were meant to see.
	 * Called once more for a request that was held. */
	void (*take)(struct Request *request, const struct RpcMessage *message,
		const struct McpParams *params);
	bool inputs; /* 2026-07-28: may be answered by input_required */
	bool audited; /* each request has a line in the audit log */
};

/* A request of the IDE that is not answered yet. */
struct Request {
	struct Router *router;
	const struct Method *kind;
	char *key; /* of router->requests */
	char *id; /* raw JSON, as the IDE wrote it */
	enum Era era; /* of this request */
	char *token; /* raw progress token, NULL if it gave none */
	const char *method; /* static text: kind->name, or "initialize" */
	unsigned
		can; /* enum ClientCan: what the IDE can do, by this request's or its session's declaration */
	enum SyslogLevel log_level; /* modern: that it asked for; else SYSLOG_LEVEL_NONE */
	enum McpList list; /* of a request for a list, */
	int64_t since_us; /* and when it came */
	struct Batch *batch; /* the batch that its answer goes to, NULL mostly */
	size_t bytes; /* of its message, counted against the watermark */
	struct Upstream *upstream; /* of a call */
	struct UpstreamCall *call;
	char *tool; /* of tools/call, once it was handed to its upstream: the tool's own name */
	char *item; /* the same of prompts/get and resources/read: the prompt's own name, the URI */
	char *held; /* the message of a call whose tool is not known yet */
	struct LoopTimer held_limit;
	bool takes_at_limit; /* when held_limit is over it is taken anew, not refused */
	bool reopened; /* its upstream was tried again for it */
	struct Rounds *inputs; /* legacy: a modern server wants input for it (rounds.c) */
	unsigned questions; /* of its server to a legacy IDE, not answered yet (questions.c) */
	struct HeldCall *asks; /* modern: its legacy server asks, or has asked (held.c) */
	unsigned accepted; /* modern: the sign-in that the person agreed to (asking.c); 0: none */
	unsigned rounds; /* modern: times that they were asked for it */
	char *digest; /* modern: see ask_state_digest; NULL where it is not needed */
	GList link; /* in a queue of the router or of asking.c */
	GQueue *queue; /* the one of them that it is in */
	struct AuditCall audit;
};

struct Router {
	struct RouterOptions options;
	const struct Config *config;
	struct Loop *loop;
	struct OutQueue *out;
	GPtrArray *upstreams; /* struct Upstream *, of the enabled connectors, in order */
	struct Catalog *catalogs[MCP_LISTS];
	GHashTable *requests; /* char *key -> struct Request */
	size_t bytes; /* of all requests that are not answered */
	bool high; /* too many bytes of them */
	bool output_high; /* the IDE does not read its answers */
	GQueue parked; /* struct Parked: parking.c */
	size_t parked_bytes;
	bool holding; /* the owner was told to stop reading */
	struct LoopTimer unpark;
	bool shut_down;

	/* The legacy session with the IDE */
	const char *revision; /* negotiated, NULL before `initialize` */
	char *client_info; /* raw object */
	unsigned can; /* enum ClientCan */
	char *legacy_capabilities; /* raw object, of `initialize`; NULL before it */
	char *capabilities; /* raw object, as the IDE declared them first in either era; NULL before that */
	enum SyslogLevel log_level; /* of logging/setLevel */

	GPtrArray *sessions; /* more upstreams: sessions.c */
	struct Questions *questions; /* of servers to the legacy IDE */
	struct HeldCalls *held_calls; /* of legacy servers that asked a modern IDE */
	struct Listens *listens;
	struct Resources *resources;
	struct Owners *tasks; /* NULL before the first one */

	/* Sign-ins: asking.c, ask_state.c */
	GPtrArray *askings; /* struct Asking */
	unsigned sign_ins; /* counts them */
	GHashTable *ask_states; /* char *requestState -> struct AskState */
	GQueue ask_order; /* the same, oldest first */

	bool opened; /* upstreams were told to open */
	bool placed; /* what they recalled is in the catalogs */
	enum Era opening_era;
	struct LoopTimer open;
	int64_t opened_us;
	int64_t wanted_us[MCP_LISTS]; /* when the IDE wanted that list first; 0: not yet */
	GQueue lists; /* requests for lists that wait for slow upstreams */
	struct LoopTimer list_deadline;
	GQueue held; /* requests that wait for what an upstream lists */
	struct LoopTimer settle;
	struct LoopTimer keep_pins;

	/* The configuration changes: reconfigure.c */
	GHashTable *
		joined; /* struct Upstream * -> int64_t: when, of those that were not there at first */
	char *own_tools; /* builtin_append's text as the IDE may know it */
	GQueue departures; /* struct Departure, oldest first */
	struct LoopTimer depart;
	unsigned depart_ms; /* until it looks again */
};

/* Where a request goes. */
struct Target {
	struct Upstream *up;
	struct Slice name; /* raw string to put in place of the exposed name; empty: it stays */
	const char *tool; /* of tools/call: its own name, decoded; else NULL */
	const char *
		target; /* of others, for the header Mcp-Name: own name or URI, decoded; NULL: none */
	bool repeatable; /* harmless to send twice */
};

/* What is read of a request before anything is done for it. */
struct Incoming {
	struct RpcMessage message;
	struct McpParams params;
	enum Era era;
	struct Batch *batch;
};

/* requests.c */
/* Registers the request; NULL if its id is in flight already, which is answered then. */
struct Request *request_begin(
	struct Router *router, const struct Incoming *incoming, const struct Method *kind);
/* Frees it without an answer. */
void request_end(struct Request *request);
/* The name under which an id is known: equal ids have equal keys. For g_free. */
char *request_key(struct JsonValue id);
/* The request with that id (a JSON string or number), NULL if there is none. */
struct Request *request_find(struct Router *router, struct JsonValue id);
/* Begins its line in the audit log, PARAMS being its, if it should have one and has none: the log may have been off when it
 * came. */
void request_audit(struct Request *request, const struct McpParams *params);
/* Whether it is not with its server: it has not gone out, or will be done only when it goes out once more (rounds.c). */
bool request_waits(const struct Request *request);
/* The keys of all that wait in router->requests, char *, for g_ptr_array_unref. */
GPtrArray *request_find_waiting(struct Router *router);
/* Puts it at the end of a queue (NULL: takes it out of its queue). */
void request_queue(struct Request *request, GQueue *queue);
/* Upstreams were shut down, and calls are gone with them: no clock runs any more. */
void request_stop_all(struct Router *router);

/* answer.c: each of these but the notifications ends the request */
/* RESULT is a complete result object. */
void answer_result(struct Request *request, struct Slice result);
/* A result inside of BYTES, which are taken over. PREFIX goes in after its opening brace: the members that
 * the IDE's era wants before others, with their comma, or "". */
void answer_result_taken(
	struct Request *request, char *bytes, struct Slice result, const char *prefix);
void answer_error(struct Request *request, int code, const char *message);
/* ERROR is a complete error object. */
void answer_error_raw(struct Request *request, struct Slice error);
/* A tool result with TEXT. */
void answer_tool_text(struct Request *request, const char *text);
/* The request failed, in words: a tool result with isError and TEXT; for other methods an error (-32603). */
void answer_failure(struct Request *request, const char *text);
/* An error for a message that did not become a request: ID raw or empty. */
void answer_fault(struct Router *router, struct Batch *batch, struct Slice id, int code,
	const char *message, const char *data);
/* Sends a message that is no answer: raw JSON. */
void answer_notify(struct Router *router, struct Slice message);
/* What a person is told when CONNECTOR could not answer, for g_free. */
char *answer_words(
	const struct Router *router, const struct ConnectorConfig *connector, const GError *error);
/* Members that every result of ours in a modern IDE's era begins with; "" in the legacy era. */
const char *answer_result_prefix(enum Era era);

/* parking.c: requests beyond the watermarks */
/* Whether requests have to wait now: there is no room, or others wait already. */
bool parking_is_due(const struct Router *router);
/* Keeps MESSAGE for later if it is a request; false if it is none and can be handled at once. */
bool parking_take(struct Router *router, const struct RpcMessage *message);
/* The IDE cancels the request with that id; false if it is not parked. */
bool parking_cancel(struct Router *router, struct JsonValue id);
/* There may be room again, or none. */
void parking_check(struct Router *router);
void parking_release(struct Router *router);

/* batch.c (2025-03-26) */
void batch_line(struct Router *router, struct Slice text);
/* Whether LEN bytes more keep it below max_result. */
bool batch_has_room(const struct Batch *batch, size_t len);
/* One answer of a batch; the last one sends them all. */
void batch_add(struct Batch *batch, struct Slice answer);
/* A message of the batch will have no answer after all. */
void batch_drop(struct Batch *batch);
/* A message of the batch is awaited. */
void batch_expect(struct Batch *batch);

/* ide.c: how the IDE opens and what it is told of us */
void ide_initialize(struct Router *router, const struct Incoming *incoming);
void ide_discover(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* logging/setLevel */
void ide_set_level(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* Checks the reserved members of a modern request; false after an error was answered. */
bool ide_check_modern(struct Router *router, const struct Incoming *incoming);
/* Tells UP what it has to know of the IDE before it opens, and has it recall what is known of its server from earlier; its
 * lists go into the catalogs, where those of the first ones have been put already. Whether anything was known. */
bool ide_introduce(struct Router *router, struct Upstream *up);
/* If upstreams are still to be opened, that is done in the next turn, or at once: a call goes to an upstream that knows in
 * which era to begin. */
void ide_open_soon(struct Router *router);
void ide_open_now(struct Router *router);
/* Puts what the first ones recalled into the catalogs: after the answer to the IDE's first message, but before any other
 * request is seen to. */
void ide_place_lists(struct Router *router);
/* Introduces the upstreams, and opens them after what is being answered now has been written. CAPABILITIES (raw object) are
 * what the IDE declares. */
void ide_open_upstreams(struct Router *router, enum Era era, struct Slice capabilities);

/* lists.c: tools/list, prompts/list, resources/list, resources/templates/list */
void lists_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* The list is fetched from now on, if it was not before. */
void lists_want(struct Router *router, enum McpList list);
/* An upstream that may still add to the list before list_timeout is over; NULL: there is nothing to wait for. */
struct Upstream *lists_find_awaited(const struct Router *router, enum McpList list);
/* Whether the list of UP is known. */
bool lists_has(const struct Upstream *up, enum McpList list);
/* An upstream changed: lists that waited may be complete, what was held may go. */
void lists_state(struct Upstream *upstream, void *user);
/* The same of one that is there for its sessions alone. */
void lists_session_state(struct Upstream *upstream, void *user);
void lists_tools(struct Upstream *upstream, void *user);
void lists_items(struct Upstream *upstream, enum McpList list, void *user);
/* UP is new to a router that may have been open for long: lists that the IDE wanted are fetched of it, too, and wait for it
 * for a while. */
void lists_joined(struct Router *router, struct Upstream *up);
/* What lists_state sees to happens soon. */
void lists_settle_soon(struct Router *router);
/* Policy, names or pins of tools may be others: their catalog is made anew. */
void lists_renew_tools(struct Router *router);
/* Pins of tools that are new are written down soon. */
void lists_keep_pins(struct Router *router);
void lists_stop(struct Router *router);

/* listen.c: notices to the IDE, in either era: to the legacy one as they are, to each subscription of a modern one that
 * opted in with its tag (2026-07-28, "Subscriptions") */
void listen_init(struct Router *router);
void listen_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* A list is another one than the IDE knows: announced soon, changes that come together once. */
void listen_changed(struct Router *router, enum McpList list);
/* The IDE has the list now: a notice of a change that is not out yet is not needed any more. */
void listen_given(struct Router *router, enum McpList list);
/* notifications/resources/updated of UP: MESSAGE passes to whoever watches that resource there. */
void listen_updated(struct Router *router, struct Upstream *up, const struct RpcMessage *message);
/* A legacy IDE's resources/subscribe and unsubscribe, of a resource that UP serves. */
void listen_subscribe(struct Request *request, struct Upstream *up, const char *uri);
void listen_unsubscribe(struct Request *request, const char *uri);
/* More may be known of who serves what, and of who cannot be asked now. */
void listen_settle(struct Router *router);
/* UP leaves (NULL: policy is another one): what is watched there and may not be any more is looked for anew at the next
 * listen_settle. No request waits for UP any more. */
void listen_leave(struct Router *router, const struct Upstream *up);
/* The IDE reads again: it is told of what changed meanwhile. */
void listen_resume(struct Router *router);
/* REQUEST (subscriptions/listen, resources/subscribe) ends without an answer: the IDE cancelled it. */
void listen_cancelled(struct Request *request);
/* Ends all subscriptions from our side (2026-07-28, "Graceful Closure" and "Cancellation"). */
void listen_stop(struct Router *router);
/* After listen_stop. */
void listen_release(struct Router *router);

/* routing.c: what is shared in finding where a request belongs */
/* The upstream of CONNECTOR; NULL if it is switched off. */
struct Upstream *routing_upstream(
	const struct Router *router, const struct ConnectorConfig *connector);
/* The one upstream that offers OFFER; NULL where several do, or may, or none does. */
struct Upstream *routing_only(const struct Router *router, enum UpstreamOffer offer);
/* The name of the tool or prompt that REQUEST is for, for g_free; NULL after it was answered that PARAMS are not what its
 * method takes. */
char *routing_take_name(struct Request *request, const struct McpParams *params);
/* Answers REQUEST for NAME, which the catalog of LIST does not know, or holds it while it may come to know it. */
void routing_unknown(struct Request *request, const struct RpcMessage *message, const char *name,
	enum McpList list);

/* prompts.c */
void prompts_get(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
void prompts_complete(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);

/* Sends a completion/complete, or answers it for an upstream that has no completion. */
void prompts_send_completion(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Target *target);

/* resources.c */
/* What FROM named is TO's; TO NULL: nobody's. */
void resources_give(struct Router *router, struct Upstream *from, struct Upstream *to);
void resources_init(struct Router *router);
void resources_release(struct Router *router);
void resources_read(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
void resources_subscribe(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
void resources_unsubscribe(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* completion/complete for a template: URI_TEMPLATE as the IDE wrote it. */
void resources_complete(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const char *uri_template);
/* RESULT (raw; empty: none) of a tool or prompt of UP may name resources (resource_link, embedded ones): they are UP's from
 * now on, where nobody lists them. */
void resources_note(struct Router *router, struct Upstream *up, struct Slice result);
/* The upstream that serves URI (listed by it, named by a tool's _meta, of one of its templates, or named in a result),
 * NULL if none does, or policy forbids it. *AWAITED (may be NULL) is set to an upstream that is still to be heard of. */
struct Upstream *resources_find(struct Router *router, const char *uri, struct Upstream **awaited);

/* tasks.c: the extension io.modelcontextprotocol/tasks, between modern IDEs and modern servers */
void tasks_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);
/* RESULT made a task of UP: requests for it go there. */
void tasks_note(struct Router *router, struct Upstream *up, struct Slice result);
/* FROM's tasks are TO's; TO NULL: nobody's. */
void tasks_give(struct Router *router, struct Upstream *from, struct Upstream *to);

/* calls.c: tools/call */
void calls_take(
	struct Request *request, const struct RpcMessage *message, const struct McpParams *params);

/* Tools, prompts or resources may be hidden now: requests for them that wait (request_waits) are refused. */
void calls_recheck(struct Router *router);

/* forward.c: a request goes to an upstream, and its answer comes back */
void forward_send(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Target *target);
/* Whether it may go to its server by what the audit log wants; it has failed in words else, and its call is withdrawn. */
bool forward_permit(struct Request *request);
/* The configuration may want more lines than before: those that wait (request_waits) are looked at once more. */
void forward_permit_waiting(struct Router *router);
/* What handlers of calls do for a request (user: struct Request). */
extern const struct UpstreamCallHandlers forward_handlers;
/* Gives REQUEST the answer of its upstream, translated where the eras differ; BYTES are taken. */
void forward_answer(struct Request *request, struct UpstreamAnswer *answer);
/* Keeps the request until UP is settled, then takes it anew; LIMIT_MS at most, counted from when it was first held. */
void forward_hold(struct Request *request, const struct RpcMessage *message, struct Upstream *up,
	unsigned limit_ms);
/* The same until the lists are known, or list_timeout is over: it is taken anew then, whatever is known. */
void forward_hold_for_lists(
	struct Request *request, const struct RpcMessage *message, struct Upstream *up);
/* Tries again what was held. */
void forward_release_held(struct Router *router);
/* Opens UP once more for REQUEST if it failed before. */
void forward_reopen(struct Request *request, struct Upstream *up);

/* translate.c: results and errors for an IDE of another era than the upstream's */
enum Translated {
	TRANSLATED, /* *OUT or *PREFIX tell how */
	TRANSLATED_INPUT_REQUIRED, /* it is no result yet */
	TRANSLATED_UNKNOWN, /* a kind of result that the IDE's era does not know */
};
/* What RESULT becomes for REQUEST. *OUT gets a new result (g_free) or NULL: it passes as it is, with *PREFIX (g_free; NULL:
 * nothing) after its opening brace. */
enum Translated translate_result(
	const struct Request *request, struct Slice result, char **out, char **prefix);
/* ERROR (raw object) as REQUEST's IDE is to see it, for g_free; NULL: as it is. */
char *translate_error(const struct Request *request, struct Slice error, enum Era from);

/* sessions.c: more upstreams of one connector, for requests whose IDE declares something else than was offered first */
void sessions_init(struct Router *router);
void sessions_release(struct Router *router);
void sessions_each(const struct Router *router, void (*function)(struct Upstream *up));
bool sessions_are_quiet(const struct Router *router);
/* Those of CONNECTOR are added to UPSTREAMS, and nothing is known of them any more. */
void sessions_leave(
	struct Router *router, const struct ConnectorConfig *connector, GPtrArray *upstreams);
/* What a legacy IDE wants of all servers: its level of log messages, and that they hear of its roots. */
void sessions_set_log_level(struct Router *router);
void sessions_tell_roots(struct Router *router, struct Slice params);
/* The upstream to which a request goes that is UP's: UP itself, or another one of the same connector; NULL: none can be had
 * now. */
struct Upstream *sessions_for(
	struct Request *request, struct Upstream *up, const struct McpParams *params);

/* messages.c: what servers say unasked, and what the IDE says besides requests */
/* A handler of upstreams, and of calls (REQUEST: whose call it came with; NULL: none). */
bool messages_upstream(struct Upstream *up, const struct RpcMessage *message, void *user);
bool messages_call(struct Request *request, const struct RpcMessage *message);
void messages_ide(struct Router *router, const struct RpcMessage *message);
/* MESSAGE goes to the IDE as it is. */
void messages_pass(struct Router *router, const struct RpcMessage *message);

/* questions.c: requests of servers to a legacy IDE, under ids of ours */
struct Question;
void questions_init(struct Router *router);
void questions_release(struct Router *router);
/* A request of the legacy server UP, which came with the call of REQUEST (NULL: with none), goes to the IDE; the answer goes
 * back by upstream_reply, and clocks stand still until then. False: the IDE cannot answer it. */
bool questions_take(struct Router *router, struct Upstream *up, struct Request *request,
	const struct RpcMessage *message);
/* A request of ours to the IDE: PARAMS is a raw object or empty. DONE is called once, from router_line, with the answer
 * (RPC_RESULT or RPC_ERROR), unless it is withdrawn before. */
struct Question *questions_ask(struct Router *router, const char *method, struct Slice params,
	void (*done)(const struct RpcMessage *answer, void *user), void *user);
/* Takes it back (2025-11-25, "Cancellation"); DONE is not called any more. */
void questions_withdraw(struct Question *question, const char *reason);
/* An answer of the IDE; false if it is to no question. */
bool questions_take_answer(struct Router *router, const struct RpcMessage *message);
/* notifications/progress of the IDE for a server's request. */
void questions_progress(struct Router *router, const struct RpcMessage *message);
/* notifications/cancelled of UP: it does not want the answer any more. False: it is to no question. */
bool questions_cancelled(struct Router *router, struct Upstream *up, struct JsonValue params);
/* What REQUEST's call asked is void; what UP asked outside of calls, or altogether, is void. */
void questions_end_request(struct Request *request);
void questions_end_upstream(struct Router *router, struct Upstream *up);

/* inputs.c: what the translations of servers' requests from one era to the other share */
/* Whether METHOD (decoded) with PARAMS asks a person to open a URL. */
bool inputs_is_url(const char *method, struct JsonValue params);
/* The params (object or none) of METHOD as they pass to the other era: without a progress token, and a URL elicitation
 * with ELICITATION_ID (NULL: with none), since only 2025-11-25 knows such ids. Raw, for g_free; NULL: there are none. */
char *inputs_params(const char *method, struct JsonValue params, const char *elicitation_id);
/* Writes a result that asks a modern IDE for input: begun, one request after another (METHOD a raw string, PARAMS a raw
 * object or NULL), ended with STATE, a handle of ask_state.c. */
void inputs_begin(struct JsonWriter *w, GString *out);
void inputs_add(struct JsonWriter *w, const char *key, struct Slice method, const char *params);
void inputs_end(struct JsonWriter *w, const char *state);
/* What UP is called towards people, for g_free. */
char *inputs_title(const struct Upstream *up);
/* A request of a modern IDE whose requestState is a handle of ours. MESSAGE without what only we were meant to see, for
 * g_free, *LEN bytes, to be taken as if it had come so; or NULL, and REQUEST was seen to. */
char *resume_take(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, size_t *len);

/* rounds.c: a modern server's input_required, put to a legacy IDE as requests (2026-07-28, "Multi Round-Trip Requests") */
/* Asks the IDE what the result in ANSWER asks for, then sends the request again (ANSWER->sent, with what the IDE said) to
 * its upstream. Ends REQUEST in the end, whatever happens. Not to be called from a handler of the call but at its end. */
void rounds_begin(struct Request *request, const struct UpstreamAnswer *answer);
/* REQUEST has its result: tells the IDE that the URLs that it was asked to open for it are done with. */
void rounds_complete(struct Request *request);
/* REQUEST ends while the IDE is asked; NULL is fine. */
void rounds_free(struct Rounds *rounds);

/* held.c: a legacy server's requests, put to a modern IDE as input_required; its call waits for the retry */
void held_init(struct Router *router);
void held_release(struct Router *router);
/* A request of REQUEST's legacy server on the call's stream. False: the IDE did not declare it, or the method cannot be
 * answered by input_required. */
bool held_take(struct Request *request, const struct RpcMessage *message);
/* The server takes a request of its back; false if it is none of a held call. */
bool held_cancelled(struct Router *router, struct Upstream *up, struct JsonValue params);
/* REQUEST, for which inputs are being gathered, ends. */
void held_end_request(struct Request *request);
/* The session of UP is gone: what it asked is void, and calls that wait for a retry end soon. */
void held_end_upstream(struct Router *router, struct Upstream *up);
/* UP was shut down, and its calls are gone: those that wait for a retry end. */
void held_forget_upstream(struct Router *router, struct Upstream *up);
/* REQUEST is the retry for CALL, with PARAMS (inputResponses an object or none), which DIGEST was made of. Sees to it. */
void held_resume(struct Request *request, const struct McpParams *params, const char *digest,
	struct HeldCall *call);
/* Nobody can come back for CALL: it is cancelled upstream. */
void held_drop(struct HeldCall *call);

/* urls.c: the error by which a legacy server wants URLs opened before it does what was asked (2025-11-25, "URL Elicitation
 * Required Error") */
/* Answers REQUEST where ERROR (raw object) is that one and its IDE could make nothing of it; false: it may pass as it
 * is. */
bool urls_take(struct Request *request, struct Slice error);
/* The retry of a modern IDE that was asked so; as resume_take. */
char *urls_resume(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, const struct Upstream *up, size_t *len);

/* asking.c: a person is asked to sign in */
enum { PERSON_MS = 45 * 1000 }; /* that a request waits for them: SDK clients give up after 60 s */
void asking_init(struct Router *router);
/* Sign-ins end, and nothing is told any more. */
void asking_stop(struct Router *router);
void asking_release(struct Router *router);
/* The handler of calls; see struct UpstreamCallHandlers. */
bool asking_call(struct UpstreamCall *call, const GError *error, void *user);
/* The connect tool: starts a sign-in to UP or joins the one under way. Answers REQUEST in the end. */
void asking_connect(struct Request *request, struct Upstream *up, const struct McpParams *params);
/* An upstream's state changed. */
void asking_state(struct Router *router, struct Upstream *up);
/* UP leaves: a sign-in to it ends, and the IDE is asked no more. No request waits for it any more. */
void asking_forget_upstream(struct Router *router, struct Upstream *up);
/* An answer of the IDE; false if it is to no request of asking.c. */
bool asking_take_answer(struct Router *router, const struct RpcMessage *message);
/* A retry whose requestState is a handle of ours: MESSAGE without what only we were meant to see, for g_free, *LEN
 * bytes; or NULL, and REQUEST was answered. */
char *asking_resume(struct Request *request, const struct RpcMessage *message,
	const struct McpParams *params, size_t *len);
/* Answers REQUEST, whose call is gone, with why the sign-in did not succeed that the person agreed to for it; false
 * if that is not what happened. */
bool asking_tell_failure(struct Request *request);

/* ask_state.c: what a requestState of ours stands for */
struct AskState {
	struct Upstream *up;
	unsigned number; /* of the sign-in that was asked for */
	unsigned rounds; /* times that the person was asked for this request */
	struct HeldCall *held; /* of a call that waits for answers (held.c); NULL: it is of none */
	bool urls; /* of URLs to open before the request is sent again (urls.c) */
};
void ask_state_init(struct Router *router);
void ask_state_release(struct Router *router);
/* What a requestState is bound to, for g_free. */
char *ask_state_digest(const char *method, const struct McpParams *params);
/* A new handle, for g_free. */
char *ask_state_add(struct Router *router, const char *digest, const struct AskState *state);
/* Whether requestState looks like a handle of ours. */
bool ask_state_is_ours(const struct McpParams *params);
/* What it stands for, whatever it is bound to; false if there is none such. */
bool ask_state_peek(struct Router *router, const struct McpParams *params, struct AskState *out);
/* It stands for nothing any more. NULL is fine. */
void ask_state_forget(struct Router *router, const char *handle);
/* So do all that are of UP. */
void ask_state_forget_upstream(struct Router *router, const struct Upstream *up);
/* Uses it up; false if there is none such, or none for that digest. */
bool ask_state_take(struct Router *router, const struct McpParams *params, const char *digest,
	struct AskState *out);
/* MESSAGE without requestState and inputResponses, for g_free, *LEN bytes. */
char *ask_state_strip(const struct RpcMessage *message, size_t *len);

/* builtin.c: mcp-mux's own tools */
/* Whether the connect tool can begin a sign-in to CONNECTOR. */
bool builtin_can_connect(const struct Router *router, const struct ConnectorConfig *connector);
/* How things are with UP, as the connectors tool says it, for g_free. */
char *builtin_describe(const struct Router *router, struct Upstream *up);
/* Appends their definitions if they are on, with a comma before them unless they are FIRST. */
void builtin_append(const struct Router *router, GString *out, bool first);
/* Whether what that gives is another text than when this was asked last. */
bool builtin_has_changed(struct Router *router);
/* Answers a call to one of them; false if NAME is none. */
bool builtin_call(struct Request *request, const char *name, const struct RpcMessage *message,
	const struct McpParams *params);

/* router.c */
/* One message (not a batch) of the IDE. */
void router_message(struct Router *router, struct Slice text, struct Batch *batch);
/* An upstream of the router's for CONNECTOR, which is not in router->upstreams yet. */
struct Upstream *router_new_upstream(
	struct Router *router, const struct ConnectorConfig *connector);

/* reconfigure.c */
void reconfigure_init(struct Router *router);
/* The router ends: nothing is looked after any more. */
void reconfigure_stop(struct Router *router);
/* Frees upstreams that left, and their connectors. */
void reconfigure_release(struct Router *router);
/* Whether all upstreams that left have sent all that they had to. */
bool reconfigure_is_quiet(const struct Router *router);

#endif
