/* One request of the IDE at an upstream: what call.c and calls.c share. */
#ifndef MCP_MUX_UPSTREAM_CALL_H
#define MCP_MUX_UPSTREAM_CALL_H

#include "upstream/internal.h"

/* What a request is phrased from later. */
struct Kept {
	char *text;
	char *name;
	char *client_info;
	char *inputs;
	enum Era era;
};

struct UpstreamCall {
	struct Upstream *up;
	struct UpstreamCallHandlers handlers;
	void *user;
	struct UpstreamCall *next, *previous;
	int64_t id; /* upstream; also its progress token there */
	const char *method; /* NULL: tools/call */
	char *target; /* the tool, or what stands in Mcp-Name */
	enum SyslogLevel log_level; /* that a legacy session has to have before; NONE: any */
	struct Kept *kept; /* while it waits to be phrased */
	/* What goes upstream */
	char *body;
	size_t body_len;
	enum Era body_era;
	struct Exchange *exchange; /* NULL while it waits */
	unsigned generation;
	bool in_session; /* it went out with a session id */
	bool doomed; /* see upstream_calls_failed */
	bool repeatable;
	struct Secret *token; /* that it went out with */
	bool overtaken; /* it went out again, since a newer sign-in came while it was refused */
	bool reauthorized; /* it went out again with another token */
	bool awaits_person; /* a sign-in that its owner sees to */
	char *grant; /* of the sign-in that was not enough, while it awaits another one */
	unsigned asked; /* times that a person was asked to sign in */
	bool renewed;
	bool relisted;
	unsigned waits_for_list; /* the number of the fetch; 0: none */
	GError *refused; /* it cannot be sent */
	struct HttpHeaders *headers; /* those it went out with, for its cancellation */
	struct LoopTimer wait;
	unsigned pauses; /* questions to a person */
};

/* ---- call.c: one call ---- */

/* Ends it without a word to anybody. */
void call_free(struct UpstreamCall *call);
/* Tells its owner, and frees it. */
void call_fail(struct UpstreamCall *call, const GError *error);
/* Whether a person will be asked to sign in for it, since it failed with ERROR: it waits for that then. */
bool call_ask(struct UpstreamCall *call, const GError *error);
/* Copies what it is phrased from later. */
void call_keep(struct UpstreamCall *call, const struct UpstreamRequest *request);
/* Starts the clock of one that waits to be sent. */
void call_wait(struct UpstreamCall *call);
/* It waits no more: the clock's end comes at once. */
void call_end_wait(struct UpstreamCall *call);
/* Phrases and sends it. Calls no handler, as call_go. */
void call_phrase(struct UpstreamCall *call, const struct UpstreamRequest *request);
/* Sends one that waited: from what was kept, or once more with the same body. */
void call_go(struct UpstreamCall *call);
/* Ends what is under way and tells the server in the way of its era. */
void call_withdraw(struct UpstreamCall *call);
/* Whether its clocks stand still. */
bool call_is_paused(const struct UpstreamCall *call);
/* Whether the notification is progress of it; *TOKEN gets the progress token. */
bool call_is_progress(
	const struct UpstreamCall *call, const struct RpcMessage *message, struct JsonValue *token);

/* ---- calls.c: all of an upstream ---- */

/* Those that wait go out, as many as may. Calls no handler. */
void calls_send_next(struct Upstream *up);

#endif
