/* One remote MCP server over Streamable HTTP: which era it speaks, its session, its tools, the requests in
 * flight to it, its notification stream, and recovery when any of these break. Speaks MCP revisions
 * 2024-11-05 to 2025-11-25 ("legacy") and 2026-07-28 ("modern"); callers need not care which.
 *
 * Handlers are called from the loop, with one exception: upstream_open and upstream_call may call `state`
 * before they return. */
#ifndef MCP_MUX_UPSTREAM_UPSTREAM_H
#define MCP_MUX_UPSTREAM_UPSTREAM_H

#include "auth/credential.h"
#include "format/config.h"
#include "format/params.h"
#include "format/rpc.h"
#include "format/tool.h"
#include "net/http.h"
#include "upstream/era.h"

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
};

/* What all upstreams of a process share; outlives them. */
struct UpstreamShared {
	struct Loop *loop;
	struct HttpClient *http;
	const struct MuxConfig *mux;
	struct EraStore *eras;
	const struct AuthShared
		*auth; /* NULL: no accounts; connectors that need one are signed out */
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
/* The server's own instructions, NULL where it has none; text of a peer. */
const char *upstream_instructions(const struct Upstream *upstream);

/* The tools as last fetched, NULL before that. They stay when a later fetch fails. */
struct ToolList *upstream_tools(const struct Upstream *upstream);
/* Milliseconds for which the list is still fresh by the server's own word; 0 if stale or it said
 * nothing. */
int64_t upstream_tools_fresh_ms(const struct Upstream *upstream);
/* Fetches the tools again if nobody will say when they change, their time is over by the server's own word,
 * and they were not fetched a moment ago. */
void upstream_refresh_stale_tools(struct Upstream *upstream);
/* Fetches the tools again unless that is under way. */
void upstream_refresh_tools(struct Upstream *upstream);

/* The answer to a call. The handler may steal BYTES (g_free); else they are freed after it. */
struct UpstreamAnswer {
	char *bytes;
	struct RpcMessage message; /* RPC_RESULT or RPC_ERROR, one line, slices of BYTES */
	enum Era era; /* of the upstream */
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
};

/* A request of the IDE, to be phrased for the upstream's era. Valid until upstream_call returns. */
struct UpstreamRequest {
	const struct RpcMessage *message;
	const struct McpParams *params; /* of the message */
	enum Era era; /* the IDE's, in this request */
	struct Slice client_info; /* raw object of a legacy IDE's clientInfo; may be empty */
	struct Slice name; /* raw string to put in place of params.name */
	bool repeatable; /* may be sent again where the first sending may have run */
	const char *tool; /* the same, decoded */
};

/* Sends a tools/call, now or as soon as the upstream is open. */
struct UpstreamCall *upstream_call(struct Upstream *upstream, const struct UpstreamRequest *request,
	const struct UpstreamCallHandlers *handlers, void *user);
/* The IDE's wish: the upstream is told in the way of its era, no handler is called, the call is freed. */
void upstream_call_cancel(struct UpstreamCall *call);

#endif
