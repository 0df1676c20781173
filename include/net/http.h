/* HTTP requests on libcurl's multi interface inside the loop. libcurl's callbacks only append
 * and flag; the handlers below are called from the loop afterwards, never from inside libcurl
 * and never before http_request_start has returned.
 *
 * Redirects are off (a redirect is an answer with its status). Verification of certificates is
 * always on. `Expect:` is never sent. HTTP/2 where TLS offers it. Proxy variables do not apply
 * to loopback. */
#ifndef MCP_MUX_NET_HTTP_H
#define MCP_MUX_NET_HTTP_H

#include "base/buffer.h"
#include "net/loop.h"

struct HttpClient;
struct HttpRequest;
struct HttpHeaders;

struct HttpOptions {
	const char *ca_file; /* PEM, besides the system's store; NULL: none */
	const char *proxy; /* NULL: the usual variables */
	unsigned max_connections; /* kept open between requests; at least the calls in flight */
	const char *user_agent;
};

/* A client for any number of hosts. NULL with MUX_ERROR_IO if libcurl cannot start or ca_file
 * cannot be read or holds no certificate. Defers libcurl's global initialisation to the first
 * request. */
struct HttpClient *http_client_new(
	struct Loop *loop, const struct HttpOptions *options, GError **error);
/* Other options for requests that start from now on. What runs goes on as it began, and its connections are for no request
 * that comes later: trust and proxies that do not hold any more are not used again. False with MUX_ERROR_IO, as above, with
 * nothing changed. */
bool http_client_reconfigure(
	struct HttpClient *client, const struct HttpOptions *options, GError **error);
/* Whether PATH can be a ca_file; MUX_ERROR_IO. */
bool http_check_ca_file(const char *path, GError **error);
/* Cancels what runs and closes every connection. Not inside a handler. NULL is fine. */
void http_client_free(struct HttpClient *client);

/* While held, transfers that deliver data pause (flow control towards a slow reader of ours). */
void http_client_hold(struct HttpClient *client, bool hold);
bool http_client_is_held(const struct HttpClient *client);

/* Request headers: reference-counted, immutable once a request uses them. Their bytes are wiped
 * when the last reference goes, since a credential may be among them. */
struct HttpHeaders *http_headers_new(void);
struct HttpHeaders *http_headers_ref(struct HttpHeaders *headers);
void http_headers_unref(struct HttpHeaders *headers);
/* Adds one. MUX_ERROR_SYNTAX if NAME is no token or VALUE holds CR, LF or another control
 * character but tab (RFC 9110, 5.5); nothing is added then. */
bool http_headers_add(
	struct HttpHeaders *headers, const char *name, const char *value, GError **error);
/* The same, in place of those of that name which are there. */
bool http_headers_replace(
	struct HttpHeaders *headers, const char *name, const char *value, GError **error);
/* A new list with the same headers, to be added to. */
struct HttpHeaders *http_headers_copy(const struct HttpHeaders *headers);

enum HttpMethod { HTTP_POST, HTTP_GET, HTTP_DELETE };

struct HttpSpec {
	enum HttpMethod method;
	const char *url; /* copied */
	struct HttpHeaders *headers; /* referenced; NULL: none */
	struct Slice body; /* of POST; the bytes must stay until the request has ended */
	unsigned connect_timeout_ms; /* resolving, TCP and TLS */
	bool once; /* must not reach the server twice: a kept connection that breaks before the
					answer is an error then, where libcurl would send the request again */
	size_t max_body; /* bytes of the answer kept at once; over it: TOO_LARGE */
};

struct HttpHandlers {
	/* Status and headers of the final answer are there. May be NULL. */
	void (*head)(struct HttpRequest *request, void *user);
	/* New bytes are in http_request_body. May be NULL: then they gather until done. */
	void (*data)(struct HttpRequest *request, void *user);
	/* The last call, after which the request is freed. ERROR is NULL if the answer is complete,
	 * else UNREACHABLE (nothing was sent), BROKEN, TIMEOUT (connecting) or TOO_LARGE. */
	void (*done)(struct HttpRequest *request, const GError *error, void *user);
};

/* Starts a request. Cannot fail: what goes wrong comes to `done`. */
struct HttpRequest *http_request_start(struct HttpClient *client, const struct HttpSpec *spec,
	const struct HttpHandlers *handlers, void *user);
/* Ends it at once, its connection too where HTTP/1.1 leaves no other way; no handler is called any
 * more and the request is freed. Allowed in handlers (in `done` it does nothing). NULL is fine. */
void http_request_cancel(struct HttpRequest *request);

/* The caller has what it wanted: no handler is called any more and the request must not be
 * touched. What still comes is thrown away; a transfer that ends within LINGER_MS leaves its
 * connection for the next request, another is cancelled then, or
 * sooner where there are many. NULL is fine. */
void http_request_release(struct HttpRequest *request, unsigned linger_ms);

/* In handlers: the status (0 before the head), and a header's value (the last one of that name,
 * NULL if there is none), valid inside the handler. */
int http_request_status(const struct HttpRequest *request);
const char *http_request_header(struct HttpRequest *request, const char *name);
/* In handlers: the values of all fields of that name joined by ", " (RFC 9110, 5.3), of the first 64 where
 * there are more. NULL if there is none. For g_free. */
char *http_request_header_all(struct HttpRequest *request, const char *name);
/* While the request lives: the bytes that have come and that nobody consumed. The consumer may consume or steal
 * them; Content-Length sized the buffer where it was given. */
struct Buffer *http_request_body(struct HttpRequest *request);
/* In `done`: whether the server may have seen any of the request. */
bool http_request_was_sent(const struct HttpRequest *request);

#endif
