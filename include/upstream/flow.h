/* One open-ended stream of a server's events: a GET of the legacy era ("Listening for Messages from the Server",
 * 2025-11-25) or a `subscriptions/listen` of the modern one ("Subscriptions", 2026-07-28). What they mean is the
 * owner's matter (stream.c). */
#ifndef MCP_MUX_UPSTREAM_FLOW_H
#define MCP_MUX_UPSTREAM_FLOW_H

#include "format/rpc.h"
#include "format/sse.h"
#include "net/http.h"

struct Flow;
struct Upstream;

/* How it ended. */
struct FlowEnd {
	int status; /* HTTP; 0 where no answer came */
	const GError *error; /* NULL: an orderly end */
	bool refused; /* the answer was no stream, and another request will hardly get one */
	struct Slice
		error_object; /* what the server said then, a JSON-RPC error object; may be empty */
};

/* Called from the loop. All but `done` may free the flow; after `done` it is idle, and may be freed as well. */
struct FlowHandlers {
	/* The answer is a stream. */
	void (*open)(struct Flow *flow, void *user);
	void (*message)(struct Flow *flow, const struct RpcMessage *message, void *user);
	void (*done)(struct Flow *flow, const struct FlowEnd *end, void *user);
};

struct Flow {
	struct Upstream *up;
	const struct FlowHandlers *handlers;
	void *user;
	struct HttpRequest *http; /* NULL while it is idle */
	struct HttpHeaders *headers;
	struct SseParser sse;
	struct Secret *token; /* that it was asked for with */
	int status;
	bool is_stream;
	bool resumed; /* the request named the last event */
	int64_t since_us; /* when it became a stream */
	unsigned busy; /* frames of ours below which a handler runs */
	bool dead;
	/* Of a listen, for its owner */
	int64_t id;
	char *body;
	char *filter; /* raw object: what was asked for, and from the acknowledgement on what of it counts */
	bool acknowledged;
	struct LoopTimer limit; /* the owner's; stopped by flow_free */
};

struct Flow *flow_new(struct Upstream *up, const struct FlowHandlers *handlers, void *user);
/* Ends it at once without a call back. NULL is fine. */
void flow_free(struct Flow *flow);

/* Opens an idle one: legacy. Where the server gave event ids it goes on after the last. */
void flow_get(struct Flow *flow);
/* Opens a new one: modern. FILTER (g_free) is taken. */
void flow_listen(struct Flow *flow, char *filter);

/* How long it has been a stream in its last request; -1: it was none. */
int64_t flow_held_ms(const struct Flow *flow);

#endif
