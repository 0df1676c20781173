/* The loopback listener: one libmicrohttpd daemon without threads, whose epoll descriptor the loop watches.
 *
 * Nothing that comes is trusted: any program of this machine may connect, and any page in the browser may send it
 * here. So what is not a GET of our path under our own name ends here, with a page that repeats nothing of the
 * request; sizes, connections and idle time are bounded; what a query says is for the handler to judge. A query may
 * hold an authorization code: our copy of it is wiped.
 *
 * libmicrohttpd's callbacks only note what came and suspend the connection; the handler is called after MHD_run has
 * returned, and answers, then or later, by resuming it. The next turn queues the page. A suspended connection has no
 * time limit and is not read, so that a browser which went away is found out when its page is sent.
 *
 * Owned: the daemon with its sockets and the visits. A visit begins with libmicrohttpd's first sight of the request
 * line and ends with its word that the request is over. Between calls nothing wakes the loop but a descriptor and the
 * time limit of a connection that is open. */
#include "net/listener.h"

#include "base/error.h"
#include "base/secret.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	MAX_CONNECTIONS = 16,
	IDLE_S = 30,
	MAX_HEAD_BYTES = 32 * 1024,
	CONNECTION_BYTES = 128 * 1024, /* a head of that size and what libmicrohttpd makes of it */
	HTTP_PORT = 80,
};

enum VisitState {
	VISIT_COMING, /* the head is not whole, or it was refused */
	VISIT_NEW, /* suspended, the handler is to be told */
	VISIT_WAITING, /* suspended, the handler knows */
	VISIT_ANSWERED,
};

struct ListenerVisit {
	struct Listener *listener;
	GList link; /* in listener->visits */
	enum VisitState state;
	char *target; /* as it was sent: path and query */
	struct MHD_Connection *connection; /* once the head is there */
	struct MHD_Response *response; /* once answered */
	unsigned status;
};

struct Listener {
	struct Loop *loop;
	char *authority; /* HOST:PORT */
	char *host; /* HOST alone where PORT is what http means without one; else NULL */
	char *path;
	char *uri;
	unsigned port;
	ListenerHandler *handler;
	void *user;
	struct MHD_Daemon *daemon;
	struct LoopWatch *watch;
	struct LoopTimer timer; /* libmicrohttpd's */
	GQueue visits;
	void (*delivered)(void *user); /* NULL: nobody waits for it */
	void *delivered_user;
	bool telling;
	bool has_closed; /* a connection, in this run */
	bool has_resumed; /* since the last run: nothing else tells libmicrohttpd to look */
};

/* ---- pages ---- */

static struct MHD_Response *page_new(const char *html)
{
	static const char *const headers[][2] = {
		{"Content-Type", "text/html; charset=utf-8"},
		{"Cache-Control", "no-store"},
		{"Referrer-Policy", "no-referrer"},
		{"X-Content-Type-Options", "nosniff"},
		{"Content-Security-Policy",
			"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
			"form-action 'none'; frame-ancestors 'none'"},
		{"Connection", "close"},
	};
	/* libmicrohttpd does not change it: MUST_COPY. */
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(html), (void *)html, MHD_RESPMEM_MUST_COPY);
	for (size_t i = 0; response && i < G_N_ELEMENTS(headers); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	return response;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status)
{
	g_autofree char *html =
		g_strdup_printf("<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
				"<title>%u</title><p>%s\n",
			status, MHD_get_reason_phrase_for(status));
	struct MHD_Response *response = page_new(html);
	if (!response)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, "Allow", "GET");
	enum MHD_Result result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

/* ---- requests ---- */

struct HeaderCount {
	const char *name;
	const char *value; /* the last one's */
	unsigned count;
};

static enum MHD_Result on_header(
	void *user, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct HeaderCount *header = user;
	(void)kind;
	if (g_ascii_strcasecmp(name, header->name) == 0) {
		header->value = value;
		header->count++;
	}
	return MHD_YES;
}

static struct HeaderCount count_header(struct MHD_Connection *connection, const char *name)
{
	struct HeaderCount header = {.name = name};
	MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &header);
	return header;
}

/* Whether the browser meant us: a foreign page can make a name of its own point to this address. */
static bool host_is_ours(const struct Listener *listener, struct MHD_Connection *connection)
{
	struct HeaderCount host = count_header(connection, "Host");
	if (host.count != 1 || !host.value)
		return false;
	return g_ascii_strcasecmp(host.value, listener->authority) == 0 ||
	       (listener->host && g_ascii_strcasecmp(host.value, listener->host) == 0);
}

static bool has_body(struct MHD_Connection *connection)
{
	struct HeaderCount length = count_header(connection, "Content-Length");
	return count_header(connection, "Transfer-Encoding").count > 0 || length.count > 1 ||
	       (length.count == 1 && g_strcmp0(length.value, "0") != 0);
}

static size_t path_len(const struct ListenerVisit *visit)
{
	return strcspn(visit->target, "?");
}

/* The status with which the request is turned away; 0: it is a visit. */
static unsigned refusal(const struct ListenerVisit *visit, const char *method)
{
	const struct Listener *listener = visit->listener;
	const union MHD_ConnectionInfo *head =
		MHD_get_connection_info(visit->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
	if (!head || head->header_size > MAX_HEAD_BYTES)
		return MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
	if (!host_is_ours(listener, visit->connection))
		return MHD_HTTP_BAD_REQUEST;
	if (!slice_is((struct Slice){visit->target, path_len(visit)}, listener->path))
		return MHD_HTTP_NOT_FOUND;
	if (strcmp(method, "GET") != 0)
		return MHD_HTTP_METHOD_NOT_ALLOWED;
	return has_body(visit->connection) ? MHD_HTTP_CONTENT_TOO_LARGE : 0;
}

/* libmicrohttpd: a request line is there. What is returned comes back as *REQUEST of the two below. */
static void *on_target(void *user, const char *target, struct MHD_Connection *connection)
{
	struct Listener *listener = user;
	(void)connection;
	struct ListenerVisit *visit = g_new0(struct ListenerVisit, 1);
	visit->listener = listener;
	visit->link.data = visit;
	visit->target = g_strdup(target);
	g_queue_push_tail_link(&listener->visits, &visit->link);
	return visit;
}

/* libmicrohttpd: the head is there; and again after the connection was resumed. */
static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	struct ListenerVisit *visit = *request;
	(void)user;
	(void)url;
	(void)version;
	(void)upload;
	(void)upload_size;
	if (visit->state == VISIT_ANSWERED)
		return visit->response
			       ? MHD_queue_response(connection, visit->status, visit->response)
			       : MHD_NO;
	visit->connection = connection;
	unsigned status = refusal(visit, method);
	if (status != 0)
		return refuse(connection, status);
	visit->state = VISIT_NEW;
	MHD_suspend_connection(connection);
	return MHD_YES;
}

/* libmicrohttpd: a request is over, whatever became of it. */
static void on_end(void *user, struct MHD_Connection *connection, void **request,
	enum MHD_RequestTerminationCode code)
{
	struct ListenerVisit *visit = *request;
	(void)user;
	(void)connection;
	(void)code;
	g_queue_unlink(&visit->listener->visits, &visit->link);
	if (visit->response)
		MHD_destroy_response(visit->response);
	secret_free_text(visit->target);
	g_free(visit);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **socket_context,
	enum MHD_ConnectionNotificationCode code)
{
	struct Listener *listener = user;
	(void)connection;
	(void)socket_context;
	if (code == MHD_CONNECTION_NOTIFY_CLOSED)
		listener->has_closed = true;
}

/* ---- the loop ---- */

static struct ListenerVisit *find_new(const struct Listener *listener)
{
	for (GList *link = listener->visits.head; link; link = link->next) {
		struct ListenerVisit *visit = link->data;
		if (visit->state == VISIT_NEW)
			return visit;
	}
	return NULL;
}

static void tell(struct Listener *listener)
{
	struct ListenerVisit *visit;
	listener->telling = true;
	while ((visit = find_new(listener))) {
		const char *query = visit->target + path_len(visit);
		visit->state = VISIT_WAITING;
		listener->handler(listener, visit, slice_of(query[0] == '?' ? query + 1 : query),
			listener->user);
	}
	listener->telling = false;
}

static void on_timer(void *user);

/* When libmicrohttpd wants to run again though no descriptor calls it. */
static void arm(struct Listener *listener)
{
	MHD_UNSIGNED_LONG_LONG wait_ms = 0;
	bool is_delivered = listener->delivered && !listener_is_busy(listener);
	if (listener->has_resumed || is_delivered ||
		MHD_get_timeout(listener->daemon, &wait_ms) == MHD_YES)
		loop_timer_start(listener->loop, &listener->timer, (unsigned)MIN(wait_ms, G_MAXINT),
			on_timer, listener);
	else
		loop_timer_stop(&listener->timer);
}

static void run(struct Listener *listener)
{
	listener->has_closed = false;
	listener->has_resumed = false;
	MHD_run(listener->daemon);
	if (listener->has_closed) /* it listens again for those who found no place */
		MHD_run(listener->daemon);
	tell(listener);
	void (*delivered)(void *user) = NULL;
	if (!listener_is_busy(listener))
		delivered = g_steal_pointer(&listener->delivered);
	arm(listener);
	if (delivered)
		delivered(listener->delivered_user); /* which may free the listener */
}

static void on_timer(void *user)
{
	run(user);
}

static void on_ready(int fd, GIOCondition condition, void *user)
{
	(void)fd;
	(void)condition;
	run(user);
}

/* ---- life ---- */

static bool set_error(GError **error, unsigned port, int number)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "cannot listen on 127.0.0.1, port %u: %s", port,
		number == EADDRINUSE ? "the port is taken" : g_strerror(number));
	return false;
}

/* A listening socket; *PORT is 0 or the one to be had, and gets the one that it has. -1 with an error. */
static int listen_on(unsigned *port, GError **error)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)*port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* So that connections of a listener before us, which linger on, are no hindrance; a port on which somebody
	 * listens cannot be had by that. */
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0 &&
		bind(fd, (struct sockaddr *)&address, len) == 0 &&
		listen(fd, MAX_CONNECTIONS) == 0 &&
		getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
		*port = ntohs(address.sin_port);
		return fd;
	}
	set_error(error, *port, errno);
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool start_daemon(struct Listener *listener, GError **error)
{
	int fd = listen_on(&listener->port, error);
	if (fd < 0)
		return false;
	listener->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
		on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned)MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_target, listener,
		MHD_OPTION_NOTIFY_COMPLETED, on_end, listener, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, listener, MHD_OPTION_END);
	if (!listener->daemon) {
		/* For want of descriptors; it leaves ours open then. */
		set_error(error, listener->port, errno);
		close(fd);
		return false;
	}
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	listener->watch = loop_watch(listener->loop, info->epoll_fd, G_IO_IN, on_ready, listener);
	return true;
}

struct Listener *listener_new(struct Loop *loop, const char *host, unsigned port, const char *path,
	ListenerHandler *handler, void *user, GError **error)
{
	g_autoptr(Listener) listener = g_new0(struct Listener, 1);
	listener->loop = loop;
	listener->port = port;
	listener->path = g_strdup(path);
	listener->handler = handler;
	listener->user = user;
	g_queue_init(&listener->visits);
	if (!start_daemon(listener, error))
		return NULL;
	listener->authority = g_strdup_printf("%s:%u", host, listener->port);
	listener->host = listener->port == HTTP_PORT ? g_strdup(host) : NULL;
	listener->uri = g_strdup_printf("http://%s%s", listener->authority, path);
	return g_steal_pointer(&listener);
}

void listener_free(struct Listener *listener)
{
	if (!listener)
		return;
	g_assert(!listener->telling);
	loop_timer_stop(&listener->timer);
	loop_unwatch(listener->watch);
	/* libmicrohttpd aborts if it is stopped while connections are suspended. */
	for (GList *link = listener->visits.head; link; link = link->next) {
		struct ListenerVisit *visit = link->data;
		if (visit->state == VISIT_NEW || visit->state == VISIT_WAITING)
			MHD_resume_connection(visit->connection);
	}
	if (listener->daemon)
		MHD_stop_daemon(listener->daemon);
	g_free(listener->authority);
	g_free(listener->host);
	g_free(listener->path);
	g_free(listener->uri);
	g_free(listener);
}

unsigned listener_port(const struct Listener *listener)
{
	return listener->port;
}

const char *listener_uri(const struct Listener *listener)
{
	return listener->uri;
}

void listener_answer(struct ListenerVisit *visit, unsigned status, const char *html)
{
	g_assert(visit->state == VISIT_WAITING);
	visit->state = VISIT_ANSWERED;
	visit->status = status;
	visit->response = page_new(html);
	MHD_resume_connection(visit->connection);
	visit->listener->has_resumed = true;
	arm(visit->listener);
}

bool listener_is_busy(const struct Listener *listener)
{
	for (GList *link = listener->visits.head; link; link = link->next) {
		if (((struct ListenerVisit *)link->data)->state == VISIT_ANSWERED)
			return true;
	}
	return false;
}

void listener_when_delivered(struct Listener *listener, void (*delivered)(void *user), void *user)
{
	listener->delivered = delivered;
	listener->delivered_user = user;
	arm(listener);
}
