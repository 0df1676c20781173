/* The inside of an upstream, shared by the files of this folder alone. */
#ifndef MCP_MUX_UPSTREAM_INTERNAL_H
#define MCP_MUX_UPSTREAM_INTERNAL_H

#include "upstream/channel.h"
#include "upstream/upstream.h"

/* Milliseconds, and limits. */
enum {
	/* For an answer to a request of our own: initialize, server/discover, a page of tools/list. */
	OWN_REQUEST_MS = 30 * 1000,
	/* For a notification or answer of ours to be accepted. */
	POST_MS = 10 * 1000,
	BACKOFF_FIRST_MS = 1000,
	BACKOFF_LAST_MS = 5 * 60 * 1000,
	/* At the end, the session is deleted when the cancellations arrived, or after this. */
	CANCELS_FIRST_MS = 200,
	/* A session lost sooner than that is not renewed for a call. */
	RENEW_AGAIN_MS = 2000,
	/* A channel that held for that long, or answered a call, is opened again soon when it breaks. */
	CHANNEL_HELD_MS = 10 * 1000,
	LIST_PAGES_MAX = 1000,
	/* Between fetches of a list that notices ask for; doubles up to the last. */
	RELIST_FIRST_MS = 500,
	RELIST_HURRIED = 4, /* fetches in a row that are given no more than that */
	RELIST_LAST_MS = 60 * 1000,
	/* Lists of servers that do not announce changes are fetched again at use, not sooner. */
	REFETCH_AFTER_MS = 5 * 1000,
	/* Answers to a server's requests under way at once. */
	ANSWERS_MAX = 100,
};

struct Stream; /* the notification stream: stream.c */
struct Watches; /* of resources: watches.c */
struct Listing; /* the fetching of a list: lists.c */

/* One of a server's lists: lists.c */
struct List {
	struct Upstream *up;
	struct Listing *listing; /* under way */
	unsigned started; /* counts fetches */
	unsigned hurried; /* fetches in a row that were soon followed by a notice */
	bool wanted; /* somebody wants it */
	bool again; /* a change was announced while it was being fetched */
	bool renewed; /* a session was renewed because a page was refused */
	bool reauthorized; /* a token was renewed because a page was refused */
	bool listed; /* fetched or failed since the upstream opened */
	bool recalled; /* it is from the cache, and was not fetched since */
	enum Era era; /* in which the tools were fetched */
	char *grant; /* of the sign-in that it was fetched with; NULL: none was needed */
	struct ToolList *tools; /* of MCP_TOOLS, as last fetched */
	struct ItemList *items; /* of the others */
	int64_t fresh_until_us;
	int64_t fetched_us;
	GError *error; /* of the last fetch */
	struct LoopTimer relist;
	unsigned relist_ms;
};

struct Upstream {
	struct UpstreamShared shared;
	const struct ConnectorConfig *connector;
	struct UpstreamHandlers handlers;
	void *user;

	enum UpstreamState state;
	bool shut_down;
	GError *error;

	/* Its credential: account.c */
	struct Credential *credential; /* NULL: none is needed */
	struct Secret *token; /* in the headers */
	char *grant; /* of the sign-in that it was opened with */
	struct CredentialWait *wait; /* for a token */
	struct Secret *refused; /* the wait is for another one than this; NULL: for any */
	struct Secret *probed; /* the token that the probe went out with */
	struct Secret *useless; /* the server refused it although it had been renewed just before */
	bool reauthorized; /* a token was renewed in this opening */
	bool wanted; /* it was told to open */
	bool unread; /* see upstream_set_unread */

	/* Opening: open.c */
	enum Era preferred;
	const char *offered; /* legacy revision; static text */
	unsigned tried; /* bit N: era N was probed in this attempt */
	bool version_again; /* server/discover was repeated after a refusal that lists our revision */
	struct Exchange *probe;
	char *probe_body;
	struct LoopTimer retry;
	unsigned retry_ms; /* the last pause; 0 before the first failure */
	/* HTTP+SSE */
	struct Channel *channel; /* opening or open; NULL: none */
	bool over_channel; /* what the server was last found to speak */
	bool agreed; /* initialize was answered on it, and notifications/initialized goes out */
	bool posts_refused; /* it answered initialize with what makes another transport likely */
	char *unspoken; /* why it speaks neither era over Streamable HTTP, while the channel is tried */
	int64_t channel_us; /* when the handshake on it was done */

	/* What was negotiated */
	enum Era era;
	char *revision;
	char *session; /* legacy; NULL: the server gave none */
	bool renewing; /* the handshake under way replaces a lost session */
	bool session_worked; /* a call was answered in it */
	int64_t renewed_us; /* when such a one succeeded, if it was the last; else 0 */
	bool other_first; /* the last attempt got no answer in the first era */
	unsigned generation; /* counts handshakes, so that a late 404 does not renew twice */
	char *instructions;
	unsigned offers; /* enum UpstreamOffer */
	unsigned tells; /* those UPSTREAM_TELLS_… that its notification stream brings */
	enum Era spoken; /* when it was ready last */
	char *client[2]; /* what the IDE can do, as offered to a server of a legacy or modern era */
	struct HttpHeaders *base_headers; /* before the handshake */
	struct HttpHeaders *session_headers; /* after it */
	/* Modern: char *tool -> struct HttpHeaders, of calls without Mcp-Param-*. */
	GHashTable *call_headers;

	int64_t next_id;

	struct List lists[MCP_LISTS];

	struct Stream *stream;
	struct LoopTimer hearing; /* runs while calls wait for the first answer to its request */
	bool deaf; /* the server refused it in this session */
	struct Watches *watches; /* NULL until somebody watches */

	struct Levels *levels; /* NULL until somebody asks for one */

	/* What is kept on disk: list_cache.c */
	char *kept_key; /* NULL: nothing is */
	char kept_digest[LIST_RECORD_DIGEST_BYTES]; /* of what is, as far as is known; "" */
	struct ListRecord *recalled; /* its lists are not in place yet; NULL */
	char *recalled_grant; /* of what was recalled, until the credential has told its own; NULL */
	bool keep_due; /* it will be written */
	bool reopened; /* it was opened since its tools were fetched last */
	struct LoopTimer keep;
	int64_t keep_again_us; /* not before that */

	struct UpstreamCall *calls; /* all that have not ended, oldest first */
	struct UpstreamCall *last_call;
	unsigned in_flight;
	unsigned n_held; /* those among them for which a person is asked something */
	unsigned pauses; /* of all of them */
	unsigned n_calls;
	struct LoopTimer farewell; /* the session is deleted then at the latest */
	GQueue posts; /* struct Post: post.c */
};

/* upstream.c */
void upstream_set_state(struct Upstream *up, enum UpstreamState state, const GError *error);
/* What an exchange with this upstream needs, but for id, body and headers. */
struct ExchangeSpec upstream_exchange_spec(
	const struct Upstream *up, unsigned idle_ms, unsigned limit_ms);
/* The next pause of an exponential backoff with jitter. */
unsigned upstream_backoff(unsigned *last_ms);
/* The error that the server means by a JSON-RPC error object. */
GError *upstream_said(struct Slice error_object);
/* A server's message outside of any call's own: notifications, requests. */
void upstream_take_message(struct Upstream *up, const struct RpcMessage *message);

/* account.c: the credential and what follows from it */
/* Whether requests can go out: no credential is needed, or there is one that is good. */
void upstream_on_credential(struct Credential *credential, void *user);
bool upstream_has_token(const struct Upstream *up);
/* Asks for a token; what waits goes on when it is there. */
void upstream_authorize(struct Upstream *up);
/* The server refused TOKEN (401), with which a request had gone out, with CHALLENGE (raw header; may be NULL): asks for
 * another one. What waits goes on when it is there. */
void upstream_refused(struct Upstream *up, struct Secret *token, const char *challenge);
/* 403: remembers what more the server wants. The error for it if it asked for more scope, else NULL. */
GError *upstream_insufficient(struct Upstream *up, const char *challenge);
/* Nobody waits for a token any more. */
void upstream_stop_authorizing(struct Upstream *up);
void upstream_release_account(struct Upstream *up);

/* open.c: the handshake */
/* Probes from the beginning, with what credential there is. */
void upstream_probe(struct Upstream *up);
/* Ends an opening: FAILED is tried again by itself, as is SIGNED_OUT while the credential looks good. ERROR is taken
 * over. */
void upstream_open_failed(struct Upstream *up, enum UpstreamState state, GError *error);
void upstream_start_open(struct Upstream *up);
/* The same after a growing pause. */
void upstream_open_later(struct Upstream *up);
/* The session is gone: a new handshake in the same era, unless one newer than GENERATION exists. */
void upstream_renew(struct Upstream *up, unsigned generation);
/* Whether the session of GENERATION is a renewed one, no call was ever answered in it, and so another
 * would hardly help so soon. */
bool upstream_renewed_just_now(const struct Upstream *up, unsigned generation);
void upstream_stop_open(struct Upstream *up);
/* The same at the end, but for an `initialize` that is under way: its session, if it gets one, is deleted. */
void upstream_end_open(struct Upstream *up);

/* lists.c; none of these calls a handler but where it says so */
void upstream_init_lists(struct Upstream *up);
void upstream_release_lists(struct Upstream *up);
/* It is opened (again): none of its lists is settled. */
void upstream_unsettle_lists(struct Upstream *up);
/* It is open: all that are wanted are fetched. */
void upstream_start_lists(struct Upstream *up);
void upstream_stop_lists(struct Upstream *up);
/* Those that wait for a token are fetched now, or failed if there was none (ERROR; may call `state`). */
void upstream_resume_lists(struct Upstream *up, const GError *error);
/* The sign-in that they were fetched with was forgotten: they go. Calls `tools` and `items`. */
void upstream_forget_lists(struct Upstream *up);
bool upstream_has_lists(const struct Upstream *up);
/* Those of another sign-in than it has now go, but if not ALL for those that are fetched anew when it opens. Calls `tools`
 * and `items`. */
void upstream_disown_lists(struct Upstream *up, bool all);
/* Puts those of RECORD in place, without a word to anybody. */
void upstream_take_recalled(struct Upstream *up, const struct ListRecord *record);
/* By what its changes are announced. */
enum UpstreamOffer upstream_telling(enum McpList kind);
/* What the server tells of may have changed unheard: the lists that somebody wants are fetched again. */
void upstream_lists_missed(struct Upstream *up);
/* The server says that a list changed: fetches it, though not more often than a server that says so all the time
 * deserves. Calls `items` where nobody wanted it. */
void upstream_list_changed(struct Upstream *up, enum McpList kind);
/* Fetches the tools by a request that has not gone out yet. The number that upstream_calls_listed will be called with when
 * that has ended, or a higher one. */
unsigned upstream_list_tools_anew(struct Upstream *up);

/* list_cache.c */
/* The sign-in has the id GRANT (NULL: there is none): what was recalled for another one goes. Calls `tools` and `items`. */
void upstream_check_recalled(struct Upstream *up, const char *grant);
/* The sign-in was forgotten: nothing of it stays on disk. */
void upstream_forget_kept(struct Upstream *up);
/* What is kept may be outdated: it is written soon. */
void upstream_keep_soon(struct Upstream *up);
/* The same at once, at the end. */
void upstream_end_keeping(struct Upstream *up);

/* stream.c: opened where the server has something to tell */
void upstream_start_stream(struct Upstream *up);
/* Calls go out: the stream is there, or will not be. */
void upstream_heard(struct Upstream *up);
/* What is watched of a modern server may have changed: the stream follows soon. */
void upstream_stream_wanted(struct Upstream *up);
/* One that waits for a token opens now, or later if there was none (ERROR). */
void upstream_resume_stream(struct Upstream *up, const GError *error);
void upstream_stop_stream(struct Upstream *up);

/* watches.c; those that say so call whoever watches, and `message` */
/* It is open: what is watched is asked for. */
void upstream_start_watches(struct Upstream *up);
/* Its session, or all that it would be told by, is over. */
void upstream_stop_watches(struct Upstream *up);
/* Those that wait for a token go on now, or fail if there was none (ERROR; tells). */
void upstream_resume_watches(struct Upstream *up, const GError *error);
void upstream_release_watches(struct Upstream *up);
/* A legacy server's stream broke: reports a change of all, since one may have been missed. */
void upstream_watches_missed(struct Upstream *up);
/* Appends an array of the URIs that the filter of a modern server's stream shall have; nothing where there is none. The
 * same set gives the same text. */
void upstream_watched(const struct Upstream *up, GString *out);
/* The server acknowledged a filter with the array ASKED (or JSON_NONE) by one with AGREED: those in both have begun, the
 * others of ASKED are refused. Tells. Appends what the stream covers from now on to COVERED, as upstream_watched does. */
void upstream_watches_agreed(
	struct Upstream *up, struct JsonValue asked, struct JsonValue agreed, GString *covered);
/* The server refused such a filter: its watches that have not begun elsewhere are refused and not in the next one. Tells.
 * False if there were none. */
bool upstream_watches_refused(struct Upstream *up, struct JsonValue asked, const GError *error,
	struct Slice error_object);
/* The server could not be asked for the array ASKED; NULL: for any. Tells. */
void upstream_watches_failed(
	struct Upstream *up, const struct JsonValue *asked, const GError *error);
/* The stream that covered them has ended. */
void upstream_watches_lost(struct Upstream *up);

/* calls.c */
void upstream_calls_ready(struct Upstream *up); /* what waited goes out */
void upstream_calls_failed(struct Upstream *up, const GError *error); /* what waited fails */
/* What waits for a token or an opening needs a person now: it fails, or waits for them. */
void upstream_calls_signed_out(struct Upstream *up, const GError *error);
void upstream_calls_signed_in(struct Upstream *up); /* what waited for a person need not any more */
void upstream_calls_listed(
	struct Upstream *up, unsigned number); /* what waited for a new tools/list goes out again */
void upstream_calls_shutdown(struct Upstream *up); /* all are cancelled upstream and freed */
void upstream_calls_drop(struct Upstream *up); /* all are freed */
/* notifications/progress by token, for a call in flight; false if it is of no call. */
bool upstream_calls_progress(struct Upstream *up, const struct RpcMessage *message);
/* An answer that came on the notification stream, as some servers send it there; false if it is to no call. */
bool upstream_calls_answered(struct Upstream *up, const struct RpcMessage *message);

/* levels.c: the level of log messages */
struct Levels;
/* What a legacy IDE asked for; SYSLOG_LEVEL_NONE: nothing. */
enum SyslogLevel upstream_log_level(const struct Upstream *up);
/* Whether a request that wants LEVEL may go out in the session that there is. If not, its server is being told of the
 * level, and upstream_calls_ready is called then. */
bool upstream_level_is_set(struct Upstream *up, enum SyslogLevel level);
/* Requests can go out: tells a new session what a legacy IDE asked for. */
void upstream_levels_ready(struct Upstream *up);
void upstream_release_levels(struct Upstream *up);

/* own.c: a request of our own and its answer */
struct OwnRequest;
/* Sends it, in the session that there is now; PARAMS is the raw members of params without braces. DONE is called from
 * the loop, once; the request is freed after it. */
struct OwnRequest *own_request_start(struct Upstream *up, const char *method, const char *params,
	void (*done)(struct ExchangeResult *result, void *user), void *user);
/* Nothing is called any more. NULL is fine. */
void own_request_cancel(struct OwnRequest *request);
/* The exchange of any request of our own that is harmless to repeat: BODY (borrowed until its end) asks METHOD under ID.
 * exchange_cancel ends it. */
struct Exchange *own_exchange_start(struct Upstream *up, int64_t id, const char *method,
	const char *body, const struct ExchangeHandlers *handlers, void *user);

/* offers.c: takes the server's capabilities and instructions from RESULT, of initialize or server/discover */
void upstream_take_offers(struct Upstream *up, struct Slice result);

/* post.c: messages that have no answer, and the end of a session: a DELETE, or that of the channel */
/* BODY (g_free) is taken. */
void upstream_post(struct Upstream *up, char *body);
/* HEADERS are those that the request went out with: they name its session. */
void upstream_post_cancelled(
	struct Upstream *up, struct HttpHeaders *headers, int64_t id, const char *reason);
void upstream_delete_session(struct Upstream *up);
void upstream_drop_posts(struct Upstream *up);

/* phrase.c: bodies and headers in the upstream's era */
/* A request of our own; PARAMS is the raw members of params without braces, "" for none. */
char *phrase_own_request(
	const struct Upstream *up, int64_t id, const char *method, const char *params);
/* The IDE's request for this upstream; *LEN gets its length. */
char *phrase_call(
	const struct Upstream *up, const struct UpstreamRequest *request, int64_t id, size_t *len);
/* Headers of a request of our own. */
struct HttpHeaders *phrase_headers(struct Upstream *up, const char *method);
/* Those of a request of the IDE: of METHOD, TARGET (may be NULL) in Mcp-Name; METHOD NULL: tools/call, of the tool TARGET.
 * NULL with MUX_ERROR_TOO_LARGE if the name, or the arguments that a tool wants mirrored, are too long for headers. */
struct HttpHeaders *phrase_call_headers(struct Upstream *up, const char *method, const char *target,
	struct JsonValue arguments, GError **error);
/* Headers before and after the handshake, from the configuration and what was negotiated. */
bool phrase_base_headers(struct Upstream *up, GError **error);
bool phrase_session_headers(struct Upstream *up, GError **error);

#endif
