/* The one stream on which a server of the deprecated HTTP+SSE transport says everything (MCP 2024-11-05, "HTTP with
 * SSE"; 2026-07-28, "HTTP+SSE Transport (2024-11-05)"): a GET whose first event names the endpoint that takes our messages,
 * and whose others are the server's answers, requests and notifications. What is posted to the endpoint is answered
 * there, so exchanges wait here for the message with their id. */
#ifndef MCP_MUX_UPSTREAM_CHANNEL_H
#define MCP_MUX_UPSTREAM_CHANNEL_H

#include "upstream/exchange.h"

struct Channel;

struct ChannelSpec {
	struct Loop *loop;
	struct HttpClient *http;
	const char *connector; /* for the log; outlives the channel */
	const char *url; /* outlives the channel */
	struct HttpHeaders *headers; /* of the GET, but for Accept; referenced */
	unsigned connect_timeout_ms;
	unsigned open_ms; /* until the endpoint is named: TIMEOUT */
	size_t max_message; /* bytes */
};

struct ChannelHandlers {
	/* The endpoint is known: messages can be posted. */
	void (*open)(struct Channel *channel, void *user);
	/* It could not be opened, or is over; RESULT has the status, error and challenge of a GET that was refused, else
	 * an error alone (BROKEN, TIMEOUT, TOO_LARGE, or UPSTREAM where this is not the transport). It is as closed by
	 * channel_close after this. */
	void (*ended)(struct Channel *channel, const struct ExchangeResult *result, void *user);
	/* A request or notification of the server. */
	void (*message)(struct Channel *channel, const struct RpcMessage *message, void *user);
};

/* Begins to open one; never calls back before it returned. Handlers may close it. */
struct Channel *channel_open(
	const struct ChannelSpec *spec, const struct ChannelHandlers *handlers, void *user);
/* Ends the stream; the owner must not touch the channel any more and none of its handlers is called. Exchanges that
 * wait fail, from the loop. NULL is fine. */
void channel_close(struct Channel *channel);

/* Where messages are posted to, of the same origin as the URL; NULL before it is open and after it was closed. It goes
 * with the channel. */
const char *channel_endpoint(const struct Channel *channel);

/* For exchange.c: one that waits for the message which answers ID. Zeroed at first; the channel stays until the last one
 * is gone. */
struct ChannelWait {
	int64_t id;
	void *user;
	/* The end, one of the two. ANSWER is a slice of BYTES, which go over to the handler (g_free), on one line. */
	void (*answer)(void *user, char *bytes, const struct RpcMessage *answer);
	void (*broken)(void *user, const GError *error);
	/* A long event is on its way, perhaps the answer. Must not start or end anything. */
	void (*alive)(void *user);
	struct Channel *channel; /* NULL: it does not wait */
};
/* The channel must be open. */
void channel_await(struct Channel *channel, struct ChannelWait *wait);
/* Nothing is called any more. Harmless if it does not wait. */
void channel_forget(struct ChannelWait *wait);

#endif
