/* The inside of the router, shared by the files of this folder alone. */
#ifndef MCP_MUX_MUX_INTERNAL_H
#define MCP_MUX_MUX_INTERNAL_H

#include "format/json_writer.h"
#include "format/params.h"
#include "mux/catalog.h"
#include "mux/router.h"

enum {
	CHANGED_PAUSE_MS = 20, /* changes that come together are announced together */
	BATCH_MAX = 1000, /* messages */
};

struct Batch;

/* A request of the IDE that is not answered yet. */
struct Request {
	struct Router *router;
	char *key; /* of router->requests */
	char *id; /* raw JSON, as the IDE wrote it */
	enum Era era; /* of this request */
	char *token; /* raw progress token, NULL if it gave none */
	const char *method; /* static text */
	struct Batch *batch; /* the batch that its answer goes to, NULL mostly */
	size_t bytes; /* of its message, counted against the watermark */
	struct Upstream *upstream; /* of a call */
	struct UpstreamCall *call;
	char *held; /* the message of a call whose tool is not known yet */
	struct LoopTimer held_limit;
	bool reopened; /* its upstream was tried again for it */
	bool elicits_url; /* modern: by its own declaration */
	unsigned accepted; /* modern: the sign-in that the person agreed to (asking.c); 0: none */
	unsigned rounds; /* modern: times that they were asked for it */
	char *digest; /* modern: see ask_state_digest; NULL where it is not needed */
	GList link; /* in a queue of the router or of asking.c */
	GQueue *queue; /* the one of them that it is in */
};

struct Router {
	struct RouterOptions options;
	const struct Config *config;
	struct Loop *loop;
	struct OutQueue *out;
	GPtrArray *upstreams; /* struct Upstream *, of the enabled connectors, in order */
	struct Catalog *catalog;
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
	bool elicits_url; /* capabilities.elicitation.url */

	/* Sign-ins: asking.c, ask_state.c */
	GPtrArray *askings; /* struct Asking */
	unsigned sign_ins; /* counts them */
	GHashTable *ask_states; /* char *requestState -> struct AskState */
	GQueue ask_order; /* the same, oldest first */

	bool opened; /* upstreams were told to open */
	enum Era opening_era;
	struct LoopTimer open;
	int64_t opened_us;
	GQueue lists; /* tools/list that wait for slow upstreams */
	struct LoopTimer list_deadline;
	bool listed; /* a list was given to a legacy IDE */
	GQueue held; /* calls that wait for their connector's tools */
	struct LoopTimer settle;
	GQueue listens; /* subscriptions/listen that want to hear of tools */
	GQueue idle_listens; /* those that want nothing that we have */
	struct LoopTimer changed;
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
	struct Router *router, const struct Incoming *incoming, const char *method);
/* Frees it without an answer. */
void request_end(struct Request *request);
/* The name under which an id is known: equal ids have equal keys. For g_free. */
char *request_key(struct JsonValue id);
/* The request with that id (a JSON string or number), NULL if there is none. */
struct Request *request_find(struct Router *router, struct JsonValue id);
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
/* A tool result with isError and TEXT. */
void answer_tool_error(struct Request *request, const char *text);
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
void ide_discover(struct Router *router, const struct Incoming *incoming);
/* Checks the reserved members of a modern request; false after an error was answered. */
bool ide_check_modern(struct Router *router, const struct Incoming *incoming);
/* Opens the upstreams, after what is being answered now has been written. */
void ide_open_upstreams(struct Router *router, enum Era era);

/* lists.c */
void lists_request(struct Router *router, const struct Incoming *incoming);
void lists_listen(struct Router *router, const struct Incoming *incoming);
void lists_end_listen(struct Request *request);
/* An upstream changed: lists that waited may be complete, calls that were held may go. */
void lists_state(struct Upstream *upstream, void *user);
void lists_tools(struct Upstream *upstream, void *user);
void lists_stop(struct Router *router);

/* calls.c */
void calls_request(struct Router *router, const struct Incoming *incoming);
/* Keeps the call until UP is settled, then looks at it anew; LIMIT_MS at most, counted from when it was first held. */
void calls_hold(struct Request *request, const struct RpcMessage *message, struct Upstream *up,
	unsigned limit_ms);
/* Tries again what was held. */
void calls_release_held(struct Router *router);

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
};
void ask_state_init(struct Router *router);
void ask_state_release(struct Router *router);
/* What a requestState is bound to, for g_free. */
char *ask_state_digest(const char *method, const struct McpParams *params);
/* A new handle, for g_free. */
char *ask_state_add(struct Router *router, const char *digest, const struct AskState *state);
/* Whether requestState looks like a handle of ours. */
bool ask_state_is_ours(const struct McpParams *params);
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
/* Appends their definitions, each with a comma before it if there is something before. */
void builtin_append(const struct Router *router, GString *out, bool first);
/* Answers a call to one of them; false if NAME is none. */
bool builtin_call(struct Request *request, const char *name, const struct RpcMessage *message,
	const struct McpParams *params);

/* router.c */
/* One message (not a batch) of the IDE. */
void router_message(struct Router *router, struct Slice text, struct Batch *batch);

#endif
