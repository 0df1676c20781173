/* What the files src/net/http*.c share; nobody else includes it. */
#ifndef MCP_MUX_NET_HTTP_INTERNAL_H
#define MCP_MUX_NET_HTTP_INTERNAL_H

#include "net/http.h"

#include <curl/curl.h>

/* One of libcurl's easy handles with what is set on it. Kept between requests, so that only what
 * differs is set again. Its callbacks point here for good. */
struct HttpHandle {
	CURL *easy;
	struct HttpHandle *next; /* in the pool */
	struct HttpRequest *request;
	char *url; /* of the last request */
	enum HttpMethod method;
	unsigned connect_timeout_ms;
	unsigned generation; /* of the client's options, when it was made */
	char *ca_blob; /* referenced: libcurl points to it; NULL: none */
	bool tls;
	char error[CURL_ERROR_SIZE];
};

struct HttpHeaders {
	unsigned references;
	struct curl_slist *first, *last; /* nodes and text are ours, for wiping */
};

struct HttpSockets;

struct HttpClient {
	struct Loop *loop;
	char *ca_file, *proxy, *no_proxy, *user_agent;
	unsigned max_connections;
	CURLM *multi; /* NULL before the first request */
	char *ca_path, *ca_bundle; /* where the system's certificates are; one of them NULL */
	char *ca_blob; /* g_ref_string: the bundle and ca_file together, where both are needed as one */
	unsigned generation; /* raised when options change */
	struct HttpHeaders *no_headers;
	struct HttpHandle *pool;
	struct HttpSockets *sockets;
	struct HttpRequest *requests; /* all that have not ended */
	struct HttpRequest *news, *last_news; /* to be told to their handlers */
	size_t news_count;
	GQueue lingering; /* released requests whose end is still awaited, oldest first */
	struct LoopTimer timer; /* libcurl's */
	struct LoopTimer again; /* there was more to do than one turn should */
	bool timer_due; /* it fired, or libcurl asked for 0 */
	bool held;
};

enum HttpFailure {
	HTTP_FAILURE_NONE,
	HTTP_FAILURE_BODY, /* over max_body */
	HTTP_FAILURE_HEADERS, /* over HTTP_HEADERS_MAX_BYTES */
	HTTP_FAILURE_TWICE, /* libcurl was about to send it again */
	HTTP_FAILURE_START, /* libcurl could not take the request */
};

enum { HTTP_HEADERS_MAX_BYTES = 256 * 1024 }; /* of one exchange, interim answers included */

struct HttpRequest {
	struct HttpClient *client;
	struct HttpRequest *next, *previous; /* client->requests */
	struct HttpRequest *next_news; /* client->news */
	struct HttpHandle *handle; /* NULL if it could not start */
	struct HttpHeaders *headers;
	struct HttpHandlers handlers;
	void *user;
	struct Buffer body;
	size_t header_bytes;
	CURLcode result;
	enum HttpFailure failure;
	bool in_multi;
	bool once; /* not to be sent twice */
	bool sent;
	bool paused;
	bool head_ready, head_told;
	bool data_seen; /* the first bytes sized the buffer */
	bool data_ready;
	bool finished; /* libcurl is done with it */
	bool queued; /* in client->news */
	bool in_handler;
	size_t body_bytes; /* to be posted */
	struct LoopTimer linger; /* after http_request_release */
	GList lingering; /* in client->lingering */
	bool ended; /* no handler is to be called any more */
};

/* http.c: the callbacks that http_setup.c puts on a handle, and the one of libcurl's timer. */
void http_on_timer(void *client);
size_t http_on_body(char *bytes, size_t size, size_t count, void *handle);
size_t http_on_header(char *bytes, size_t size, size_t count, void *handle);
int http_on_before_request(
	void *handle, char *remote, char *local, int remote_port, int local_port);

/* http_setup.c: takes OPTIONS over into the client, which does not use others any more. */
void http_setup_options(struct HttpClient *client, const struct HttpOptions *options);
/* Starts libcurl's part of the client where that has not happened. False if it fails. */
bool http_setup_start(struct HttpClient *client);
void http_setup_stop(struct HttpClient *client);
/* A handle ready for SPEC, from the pool or new; NULL if libcurl has no memory. */
struct HttpHandle *http_setup_handle(
	struct HttpClient *client, const struct HttpSpec *spec, struct HttpHeaders *headers);
/* Puts a handle that is no longer in the multi back into the pool, or frees it if it grew. */
void http_setup_recycle(struct HttpClient *client, struct HttpHandle *handle, bool keep);

/* http_sockets.c: libcurl's descriptors in the loop. */
struct HttpSockets *http_sockets_new(struct HttpClient *client);
void http_sockets_free(struct HttpSockets *sockets);
int http_sockets_on_change(CURL *easy, curl_socket_t fd, int what, void *sockets, void *socket);
int http_sockets_on_close(void *sockets, curl_socket_t fd);

/* http_error.c: what a finished transfer's result means; NULL if it is a complete answer. */
GError *http_error_new(const struct HttpRequest *request);

#endif
