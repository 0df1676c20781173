/* The inside of an upstream, shared by the files of this folder alone. */
#ifndef MCP_MUX_UPSTREAM_INTERNAL_H
#define MCP_MUX_UPSTREAM_INTERNAL_H

#include "upstream/exchange.h"
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
	TOOL_PAGES_MAX = 1000,
	/* Between fetches of tools that notices ask for; doubles up to the last. */
	RELIST_FIRST_MS = 500,
	RELIST_LAST_MS = 60 * 1000,
	/* Lists of servers that do not announce changes are fetched again at use, not sooner. */
	REFETCH_AFTER_MS = 5 * 1000,
	/* Answers to a server's requests under way at once. */
	ANSWERS_MAX = 100,
};

struct Stream; /* the notification stream: stream.c */
struct Listing; /* tools/list under way: tools.c */

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

	/* Opening: open.c */
	enum Era preferred;
	const char *offered; /* legacy revision; static text */
	unsigned tried; /* bit N: era N was probed in this attempt */
	bool version_again; /* server/discover was repeated after a refusal that lists our revision */
	struct Exchange *probe;
	char *probe_body;
	struct LoopTimer retry;
	unsigned retry_ms; /* the last pause; 0 before the first failure */

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
	bool has_tools; /* by its capabilities */
	bool tools_list_changed;
	struct HttpHeaders *base_headers; /* before the handshake */
	struct HttpHeaders *session_headers; /* after it */
	/* Modern: char *tool -> struct HttpHeaders, of calls without Mcp-Param-*. */
	GHashTable *call_headers;

	int64_t next_id;

	/* Tools: tools.c */
	struct Listing *listing;
	unsigned lists_started; /* counts fetches */
	unsigned list_pause_ms; /* between fetches while every one is followed by a notice */
	bool list_again; /* a change was announced while a list was being fetched */
	bool list_renewed; /* a session was renewed because a page was refused */
	bool list_reauthorized; /* a token was renewed because a page was refused */
	bool listed; /* fetched or failed since it opened */
	struct ToolList *tools;
	int64_t fresh_until_us;
	int64_t fetched_us;
	GError *list_error;
	struct LoopTimer relist;
	unsigned relist_ms;

	struct Stream *stream;

	struct UpstreamCall *calls; /* all that have not ended, oldest first */
	struct UpstreamCall *last_call;
	unsigned in_flight;
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

/* tools.c */
void upstream_start_listing(struct Upstream *up);
/* The server says that its tools changed: fetches them, though not more often than a server that says so
 * all the time deserves. */
void upstream_tools_changed(struct Upstream *up);
void upstream_stop_listing(struct Upstream *up);
/* No token could be had for fetching them. */
void upstream_listing_failed(struct Upstream *up, const GError *error);

/* stream.c: opened when the server announces changes */
void upstream_start_stream(struct Upstream *up);
/* One that waits for a token opens now, or later if there was none (ERROR). */
void upstream_resume_stream(struct Upstream *up, const GError *error);
void upstream_stop_stream(struct Upstream *up);

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

/* post.c: messages that have no answer, and the DELETE of a session */
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
/* Those of a tools/call. NULL with MUX_ERROR_TOO_LARGE if the arguments that the tool wants mirrored
 * are too long for headers. */
struct HttpHeaders *phrase_call_headers(
	struct Upstream *up, const char *tool, struct JsonValue arguments, GError **error);
/* Headers before and after the handshake, from the configuration and what was negotiated. */
bool phrase_base_headers(struct Upstream *up, GError **error);
bool phrase_session_headers(struct Upstream *up, GError **error);

#endif
