/* One JSON-RPC request to a server and whatever comes back for it: a POST answered by JSON or by an SSE
 * stream (MCP 2025-11-25 and 2026-07-28, "Streamable HTTP"), resumed by GET where the legacy revisions allow
 * it; or a POST whose answer comes on a channel (2024-11-05, "HTTP with SSE"). Knows nothing of sessions or eras beyond
 * that. */
#ifndef MCP_MUX_UPSTREAM_EXCHANGE_H
#define MCP_MUX_UPSTREAM_EXCHANGE_H

#include "format/rpc.h"
#include "net/http.h"

struct Exchange;
struct Channel; /* upstream/channel.h */

struct ExchangeSpec {
	struct Loop *loop;
	struct HttpClient *http;
	const char *connector; /* for the log; outlives the exchange */
	const char *url; /* outlives the exchange */
	struct HttpHeaders *headers; /* referenced */
	int64_t id; /* of the request */
	struct Slice body; /* stays with the caller until the exchange has ended */
	unsigned connect_timeout_ms;
	unsigned idle_ms; /* without a sign of life: TIMEOUT */
	unsigned limit_ms; /* in all: TIMEOUT */
	size_t max_message; /* bytes */
	bool resumable; /* legacy: a cut stream with event ids is resumed by GET */
	bool repeatable; /* may be sent again once when the connection broke */
	struct Channel *
		channel; /* open; the POST goes to its endpoint, not to URL, and the answer comes on it.
				  * When the channel ends: its error (BROKEN mostly). NULL: Streamable HTTP */
};

/* How it ended. Exactly one of message and error tells the story, but a status of 400 and more has an
 * error always, and the JSON-RPC error from its body as message where there was one. */
struct ExchangeResult {
	int status; /* HTTP; 0 where no answer came */
	char *bytes; /* what MESSAGE points into; may be stolen by the handler, for g_free */
	bool has_message;
	struct RpcMessage message; /* RPC_RESULT or RPC_ERROR with this request's id (or none) */
	const GError *error;
	const char *session; /* the Mcp-Session-Id header, NULL where there was none */
	const char *challenge; /* of 401 and 403: WWW-Authenticate, all fields joined; NULL: none */
};

struct ExchangeHandlers {
	/* The end; the exchange must not be touched after the handler returns. */
	void (*done)(struct Exchange *exchange, struct ExchangeResult *result, void *user);
	/* A notification or a server's request that came on its stream. May be NULL. */
	void (*message)(struct Exchange *exchange, const struct RpcMessage *message, void *user);
};

/* Starts; never calls back before it returned. */
struct Exchange *exchange_start(
	const struct ExchangeSpec *spec, const struct ExchangeHandlers *handlers, void *user);
/* Ends it at once without a call back; the connection's stream is closed. NULL is fine. */
void exchange_cancel(struct Exchange *exchange);

/* MESSAGE, an answer that came on another stream than its own, ends it if it has its id; false: it has not. */
bool exchange_take(struct Exchange *exchange, const struct RpcMessage *message);

/* Puts a sign of life that came another way (a progress notification on another stream). */
void exchange_touch(struct Exchange *exchange);

/* Stops the idle and limit clocks: a person is asked something for the request. What is left of the limit is kept; a
 * stream that is cut meanwhile is resumed or fails as always. Not counted: pausing twice is pausing once. */
void exchange_pause(struct Exchange *exchange);
/* Lets them run again, the idle clock from its beginning. Nothing happens if they run. */
void exchange_resume(struct Exchange *exchange);

/* The code of the JSON-RPC error in the answer; 0 if it has none. */
int64_t exchange_error_code(const struct ExchangeResult *result);

/* Whether the answer says that the server does not know the session: 404, or 400 as some servers have it,
 * unless that 400 answers the request itself, which it then has read. */
bool exchange_lost_session(const struct ExchangeResult *result);

/* The error of an HTTP status over 299, with what RESULT's message (NULL: nothing) and the headers say of it. In a handler
 * of HTTP. */
GError *exchange_status_error(
	int status, const struct ExchangeResult *result, struct HttpRequest *http);

/* Whether VALUE (a Content-Type) is the media type TYPE, whatever its parameters. */
bool exchange_is_media_type(const char *value, const char *type);

#endif
