/* One remote MCP server over Streamable HTTP, or the HTTP+SSE transport before it: which era it speaks, its session,
 * its lists, the requests in flight to it, its notification stream, and recovery when any of these break. Speaks MCP
 * revisions 2024-11-05 to 2025-11-25 ("legacy") and 2026-07-28 ("modern"); callers need not care which, but for
 * requests that the server makes: a legacy one sends them (handlers `message`), a modern one answers with them
 * (input_required, in the answer to a call).
 *
 * Handlers are called from the loop, with one exception: upstream_open and upstream_call may call `state`
 * before they return. */
#ifndef MCP_MUX_UPSTREAM_UPSTREAM_H
#define MCP_MUX_UPSTREAM_UPSTREAM_H

#include "auth/credential.h"
#include "format/config.h"
#include "format/item.h"
#include "format/params.h"
#include "format/rpc.h"
#include "format/syslog_level.h"
#include "format/tool.h"
#include "net/http.h"
#include "upstream/era.h"
#include "upstream/list_cache.h"

struct Upstream;
struct UpstreamCall;

enum UpstreamState {
	UPSTREAM_CLOSED, /* never opened */
	UPSTREAM_SIGNED_OUT, /* nobody has signed in, or a new sign-in is needed */
	UPSTREAM_OPENING,
	UPSTREAM_READY, /* calls go out at once */
	UPSTREAM_FAILED, /* the last attempt failed; tried again by itself, and at the next call */
};

struct UpstreamHandlers {
	/* State, error or revision changed. */
	void (*state)(struct Upstream *upstream, void *user);
	/* upstream_tools gives another list than before. */
	void (*tools)(struct Upstream *upstream, void *user);
	/* upstream_items gives another list of KIND than before; or nobody wanted that list so far and the server says that it
	 * changed. May be NULL. */
	void (*items)(struct Upstream *upstream, enum McpList kind, void *user);
	/* A message of the server that belongs to no call: a request of a legacy server (true: it will be answered by
	 * upstream_reply; false: it is refused with -32601), or a notification, of either era (what is returned then does
	 * not matter). `ping`, progress and changes of lists are seen to before. May be NULL. Requests are void once
	 * upstream_state is anything but READY. */
	bool (*message)(struct Upstream *upstream, const struct RpcMessage *message, void *user);
};

/* What the server says that it offers, as a set. */
enum UpstreamOffer {
	UPSTREAM_TOOLS = 1u << 0,
	UPSTREAM_PROMPTS = 1u << 1,
	UPSTREAM_RESOURCES = 1u << 2, /* and templates */
	UPSTREAM_SUBSCRIBE = 1u << 3, /* to resources */
	UPSTREAM_COMPLETIONS = 1u << 4,
	UPSTREAM_LOGGING = 1u << 5,
	UPSTREAM_TELLS_TOOLS = 1u << 6, /* it says when they change */
	UPSTREAM_TELLS_PROMPTS = 1u << 7,
	UPSTREAM_TELLS_RESOURCES = 1u << 8,
	UPSTREAM_TASKS = 1u << 9, /* the extension io.modelcontextprotocol/tasks (2026-07-28) */
	UPSTREAM_APPS = 1u << 10, /* the extension io.modelcontextprotocol/ui */
};

/* What all upstreams of a process share; outlives them. */
struct UpstreamShared {
	struct Loop *loop;
	struct HttpClient *http;
	const struct MuxConfig *mux;
	struct EraStore *eras;
	const struct AuthShared
		*auth; /* NULL: no accounts; connectors that need one are signed out */
	struct ListCache
		*lists; /* NULL: what is listed is neither kept on disk nor taken from there */
};

/* An upstream for CONNECTOR, which outlives it. Does no I/O. */
struct Upstream *upstream_new(const struct UpstreamShared *shared,
	const struct ConnectorConfig *connector, const struct UpstreamHandlers *handlers,
	void *user);
/* Frees at once: calls in flight end without an answer, nothing is said to the server (see
 * upstream_shutdown). NULL is fine. */
void upstream_free(struct Upstream *upstream);

/* Reads the credential where one is needed, finds out the era (PREFERRED first, the other after it), opens a
 * session where the era has one, then fetches the tools. Does nothing while it is open or opening. A sign-in
 * that is made later, here or in another process, opens it by itself (this function, called right after one was
 * made, does so at once); one that is forgotten closes it and takes its tools away. */
void upstream_open(struct Upstream *upstream, enum Era preferred);

/* Uses CREDENTIAL (taken over) in place of the keyring's: for a key that is to be proved. Before
 * upstream_open. */
void upstream_set_credential(struct Upstream *upstream, struct Credential *credential);
/* The connector's credential; NULL where it needs none. */
struct Credential *upstream_credential(const struct Upstream *upstream);
/* The grant of the sign-in that it last opened with, or tried to; NULL: none. The credential may know of another one
 * a moment earlier. */
const char *upstream_grant(const struct Upstream *upstream);
/* A person has signed in, in this process: RECORD (borrowed) is stored. It opens. */
void upstream_signed_in(struct Upstream *upstream, const struct TokenRecord *record);
/* The keyring changed: the credential is read again, if it was ever read. */
void upstream_reread_credential(struct Upstream *upstream);

/* The legacy revision to offer in `initialize` from now on; MCP_NEWEST_LEGACY at first. REVISION is one
 * of mcp_legacy_revisions. */
void upstream_offer_revision(struct Upstream *upstream, const char *revision);

/* What the IDE can do: its ClientCapabilities (a raw object, copied) and the era in which it declared them. Offered to
 * the server as format/capabilities.h has it: in `initialize`, and with every request that is not a modern IDE's
 * own. Before upstream_open; without it nothing is offered. */
void upstream_set_client(struct Upstream *upstream, enum Era era, struct Slice capabilities);
/* The same later, but only while it is idle: what is offered is another thing from now on. A legacy session in which
 * something else was offered ends for that, and a new one is opened. */
void upstream_change_client(struct Upstream *upstream, enum Era era, struct Slice capabilities);
/* What of that a server of ERA is offered: a raw object. */
const char *upstream_client(const struct Upstream *upstream, enum Era era);

/* Takes what is known of the server from the cache (UpstreamShared.lists), as of an IDE of ERA that declared what
 * upstream_set_client was told: instructions and offers are there at once, lists once upstream_recall_lists or upstream_open
 * was called; upstream_is_listed is true of those then, though they count as stale. They are fetched anew when it
 * opens, and go (`tools` and `items` are called) if another account than the one they were listed for turns out to be signed
 * in, or none. Before upstream_open, after upstream_set_client; calls no handler. False if nothing is known. */
bool upstream_recall(struct Upstream *upstream, enum Era era);
/* Takes the lists of what was recalled, which takes more time than the rest of it. Calls no handler. */
void upstream_recall_lists(struct Upstream *upstream);

/* Nobody reads its lists: those of a legacy server are not fetched, and empty. (A modern server's tools say what goes into
 * headers.) Before upstream_open. */
void upstream_set_unread(struct Upstream *upstream);

/* Cancels what is in flight upstream, ends streams, deletes the session (MCP 2025-11-25, "Session
 * Management"). No handler is called any more. upstream_is_quiet says when all that has been sent. */
void upstream_shutdown(struct Upstream *upstream);
bool upstream_is_quiet(const struct Upstream *upstream);

const struct ConnectorConfig *upstream_connector(const struct Upstream *upstream);
enum UpstreamState upstream_state(const struct Upstream *upstream);
/* Opened or failed, and its tools fetched or failed: nothing more will come soon. */
bool upstream_is_settled(const struct Upstream *upstream);
/* Why it is SIGNED_OUT or FAILED, or why the last fetching of its tools failed; NULL otherwise. */
const GError *upstream_error(const struct Upstream *upstream);
/* The negotiated protocol revision, NULL before it is ready. */
const char *upstream_revision(const struct Upstream *upstream);
/* The era that it spoke when it was ready last; ERA_UNKNOWN before that. */
enum Era upstream_era(const struct Upstream *upstream);
/* The set of enum UpstreamOffer of when it was ready last; 0 before that. */
unsigned upstream_offers(const struct Upstream *upstream);
/* The server's own instructions, NULL where it has none; text of a peer. */
const char *upstream_instructions(const struct Upstream *upstream);

/* The tools as last fetched, NULL before that. They stay when a later fetch fails. */
struct ToolList *upstream_tools(const struct Upstream *upstream);

/* Prompts, resources and templates are fetched from the time on that somebody wants them: now, whenever it opens, and
 * when the server says that they changed. KIND is not MCP_TOOLS, which are always wanted. */
void upstream_want(struct Upstream *upstream, enum McpList kind);
/* As last fetched, NULL before that. They stay when a later fetch fails. */
struct ItemList *upstream_items(const struct Upstream *upstream, enum McpList kind);
/* Of any of the lists: it is wanted, and was fetched or failed since the upstream opened; or the upstream is signed out or
 * failed: nothing more will come soon. */
bool upstream_is_listed(const struct Upstream *upstream, enum McpList kind);
/* Milliseconds for which the list is still fresh by the server's own word; 0 if stale or it said nothing. */
int64_t upstream_fresh_ms(const struct Upstream *upstream, enum McpList kind);
/* Fetches it again if nobody will say when it changes, its time is over by the server's own word, and it was not
 * fetched a moment ago. */
void upstream_refresh_stale(struct Upstream *upstream, enum McpList kind);
/* Fetches it again unless that is under way. */
void upstream_refresh(struct Upstream *upstream, enum McpList kind);

/* How a watch began: ERROR NULL: the server agreed. Else ERROR_OBJECT is its own JSON-RPC error object, or empty
 * where ERROR came from elsewhere. Called once, from the loop. */
typedef void UpstreamWatched(const GError *error, struct Slice error_object, void *user);
/* Watches the resource URI, in this session and those that follow it (legacy: resources/subscribe; modern: the filter of
 * subscriptions/listen, which is opened anew): `message` is told of notifications/resources/updated. Watches of one URI
 * are counted. While the upstream is not ready the watch begins when it is. DONE (may be NULL) is not called any
 * more after upstream_unwatch or upstream_shutdown. A watch that the server refused has ended by itself. */
void upstream_watch(struct Upstream *upstream, const char *uri, UpstreamWatched *done, void *user);
/* Ends one watch of URI: that whose DONE has USER if it is still to be called, else any. */
void upstream_unwatch(struct Upstream *upstream, const char *uri, void *user);

/* The least level at which a legacy IDE wants log messages, SYSLOG_LEVEL_NONE for the server's own choice. A legacy server
 * that has logging is told now and in each session that follows, a modern one with each call. */
void upstream_set_log_level(struct Upstream *upstream, enum SyslogLevel level);

/* Answers a request of a legacy server (given to a `message` handler): ID is its raw id, MEMBER "result" or "error",
 * VALUE a raw object; all are copied. */
void upstream_reply(
	struct Upstream *upstream, struct Slice id, const char *member, struct Slice value);
/* Tells a legacy server something in the IDE's name (notifications/roots/list_changed, progress of its request);
 * PARAMS is a raw object or empty. Nothing happens where the server is not legacy and ready. */
void upstream_notify(struct Upstream *upstream, const char *method, struct Slice params);

/* The answer to a call. The handler may steal BYTES (g_free); else they are freed after it. */
struct UpstreamAnswer {
	char *bytes;
	struct RpcMessage message; /* RPC_RESULT or RPC_ERROR, one line, slices of BYTES */
	enum Era era; /* of the upstream */
	struct Slice
		sent; /* the request as it was phrased for the upstream; valid until the handler returns */
};

struct UpstreamCallHandlers {
	/* The end, one of the two; the call is freed after the handler returns. */
	void (*answer)(struct UpstreamCall *call, struct UpstreamAnswer *answer, void *user);
	void (*failed)(struct UpstreamCall *call, const GError *error, void *user);
	/* notifications/progress of this call: the raw text and its slice of the token. */
	void (*progress)(
		struct UpstreamCall *call, struct Slice text, struct Slice token, void *user);
	/* A person has to sign in before the call can go on (ERROR: SIGN_IN or SCOPE). True: it waits, and goes
	 * out once a new sign-in was made; the handler's owner cancels it when it has waited long enough (not
	 * inside of this handler). False, or no handler: it fails with ERROR. */
	bool (*sign_in)(struct UpstreamCall *call, const GError *error, void *user);
	/* A request of a legacy server, or a notification but progress and changes of lists, that came on this call's own stream.
	 * As `message` of struct UpstreamHandlers, which is asked where this handler is NULL. A request is void
	 * once the call has ended. */
	bool (*message)(struct UpstreamCall *call, const struct RpcMessage *message, void *user);
};

/* A request of the IDE, to be phrased for the upstream's era. Valid until upstream_call returns. */
struct UpstreamRequest {
	const struct RpcMessage *message;
	const struct McpParams *params; /* of the message */
	enum Era era; /* the IDE's, in this request */
	struct Slice client_info; /* raw object of a legacy IDE's clientInfo; may be empty */
	struct Slice
		name; /* raw string to put in place of the name (params.name; of completion/complete
			    * params.ref.name); empty: it stays */
	bool repeatable; /* may be sent again where the first sending may have run */
	const char *tool; /* the same, decoded, of tools/call; else NULL */
	const char *method; /* static text; NULL: tools/call */
	const char *
		target; /* for the header Mcp-Name where there is no tool, decoded: the upstream's own
			     * name of a prompt, a URI, a taskId; NULL: none */
	struct Slice
		inputs; /* raw members to add to params for a modern server: `"inputResponses":{…}` and
			      * requestState, as far as there are any; may be empty */
	enum SyslogLevel
		log_level; /* that a modern IDE asked for with this request; SYSLOG_LEVEL_NONE: it
				     * did not. 0 (debug) where the IDE is legacy: it does not matter then */
};

/* Sends a request (tools/call, prompts/get, resources/read, completion/complete, …), now or as soon as the upstream is
 * open. A modern IDE's log level goes to a legacy server as logging/setLevel before the request. */
struct UpstreamCall *upstream_call(struct Upstream *upstream, const struct UpstreamRequest *request,
	const struct UpstreamCallHandlers *handlers, void *user);
/* The IDE's wish: the upstream is told in the way of its era, no handler is called, the call is freed. */
void upstream_call_cancel(struct UpstreamCall *call);
/* A person is asked something for the call: its clocks stand still (but for the transport's own) until they run again.
 * Counted. */
void upstream_call_pause(struct UpstreamCall *call);
void upstream_call_resume(struct UpstreamCall *call);
/* The same for all calls in flight: for a question that belongs to none of them. */
void upstream_pause(struct Upstream *upstream);
void upstream_resume(struct Upstream *upstream);
/* From now on the call is another one's: HANDLERS and USER are its. */
void upstream_call_give(
	struct UpstreamCall *call, const struct UpstreamCallHandlers *handlers, void *user);
/* Whether it has no calls, and is not being opened. */
bool upstream_is_idle(const struct Upstream *upstream);
/* Whether a request went upstream whose answer is awaited: false while it waits to be sent. */
bool upstream_call_is_out(const struct UpstreamCall *call);

#endif
