/* A loopback HTTP peer whose every byte a test decides: each connection runs the test's script
 * in a thread of its own, so it may be slow, cut off or rude without holding up another. */
#ifndef MCP_MUX_TESTS_SCRIPTED_SERVER_H
#define MCP_MUX_TESTS_SCRIPTED_SERVER_H

#include <glib.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

struct ScriptedServer;

struct ScriptedConnection {
	struct ScriptedServer *server;
	int fd;
	unsigned number; /* from 1, in the order of acceptance */
	bool done;
	GString *input; /* read and not yet part of a request */
	GString *head; /* of the last request, with the empty line */
	GString *body;
};

typedef void Script(struct ScriptedConnection *connection);

struct ScriptedServer {
	int listen_fd;
	unsigned port;
	Script *script;
	GThread *acceptor;
	GPtrArray *threads;
	int connections, requests; /* atomic */
	int eofs; /* atomic: connections that the client closed */
	GMutex lock;
	GString *log; /* the heads of all requests */
	GString *last_body;
};

static inline gpointer scripted_connection_run(gpointer user)
{
	struct ScriptedConnection *connection = user;
	connection->server->script(connection);
	if (connection->fd >= 0)
		close(connection->fd);
	g_string_free(connection->input, TRUE);
	g_string_free(connection->head, TRUE);
	g_string_free(connection->body, TRUE);
	g_free(connection);
	return NULL;
}

static inline gpointer scripted_accept(gpointer user)
{
	struct ScriptedServer *server = user;
	int fd;
	while ((fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		struct ScriptedConnection *connection = g_new0(struct ScriptedConnection, 1);
		connection->server = server;
		connection->fd = fd;
		connection->number = 1 + (unsigned)g_atomic_int_add(&server->connections, 1);
		connection->input = g_string_new(NULL);
		connection->head = g_string_new(NULL);
		connection->body = g_string_new(NULL);
		g_ptr_array_add(server->threads,
			g_thread_new("connection", scripted_connection_run, connection));
	}
	return NULL;
}

/* A listening loopback socket; *PORT gets its number. */
static inline int scripted_listen(unsigned *port, int backlog)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert(bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, backlog) == 0);
	g_assert(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static inline void scripted_server_init(struct ScriptedServer *server, Script *script)
{
	*server = (struct ScriptedServer){.script = script};
	g_mutex_init(&server->lock);
	server->log = g_string_new(NULL);
	server->last_body = g_string_new(NULL);
	server->threads = g_ptr_array_new();
	server->listen_fd = scripted_listen(&server->port, 128);
	server->acceptor = g_thread_new("acceptor", scripted_accept, server);
}

/* Waits for every script: the client must be gone, or the scripts end by themselves. */
static inline void scripted_server_release(struct ScriptedServer *server)
{
	shutdown(server->listen_fd, SHUT_RDWR);
	g_thread_join(server->acceptor);
	close(server->listen_fd);
	for (guint i = 0; i < server->threads->len; i++)
		g_thread_join(g_ptr_array_index(server->threads, i));
	g_ptr_array_free(server->threads, TRUE);
	g_string_free(server->log, TRUE);
	g_string_free(server->last_body, TRUE);
	g_mutex_clear(&server->lock);
}

static inline bool scripted_fill(struct ScriptedConnection *connection)
{
	char bytes[65536];
	ssize_t n = recv(connection->fd, bytes, sizeof(bytes), 0);
	if (n <= 0) {
		g_atomic_int_inc(&connection->server->eofs);
		return false;
	}
	g_string_append_len(connection->input, bytes, n);
	return true;
}

static inline size_t scripted_content_length(const char *head)
{
	g_autofree char *lower = g_ascii_strdown(head, -1);
	const char *header = strstr(lower, "\r\ncontent-length:");
	return header ? (size_t)g_ascii_strtoull(header + 17, NULL, 10) : 0;
}

/* Reads one request; false if the client is gone. */
static inline bool scripted_read_request(struct ScriptedConnection *connection)
{
	const char *end;
	while (!(end = strstr(connection->input->str, "\r\n\r\n"))) {
		if (!scripted_fill(connection))
			return false;
	}
	size_t head_len = (size_t)(end - connection->input->str) + 4;
	g_string_truncate(connection->head, 0);
	g_string_append_len(connection->head, connection->input->str, (gssize)head_len);
	g_string_erase(connection->input, 0, (gssize)head_len);
	size_t body_len = scripted_content_length(connection->head->str);
	while (connection->input->len < body_len) {
		if (!scripted_fill(connection))
			return false;
	}
	g_string_truncate(connection->body, 0);
	g_string_append_len(connection->body, connection->input->str, (gssize)body_len);
	g_string_erase(connection->input, 0, (gssize)body_len);
	struct ScriptedServer *server = connection->server;
	g_mutex_lock(&server->lock);
	g_string_append(server->log, connection->head->str);
	g_string_truncate(server->last_body, 0);
	g_string_append_len(server->last_body, connection->body->str, (gssize)body_len);
	g_mutex_unlock(&server->lock);
	g_atomic_int_inc(&server->requests);
	return true;
}

static inline bool scripted_send_bytes(
	struct ScriptedConnection *connection, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(connection->fd, bytes, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool scripted_send(struct ScriptedConnection *connection, const char *text)
{
	return scripted_send_bytes(connection, text, strlen(text));
}

static inline bool scripted_sendf(struct ScriptedConnection *connection, const char *format, ...)
	G_GNUC_PRINTF(2, 3);
static inline bool scripted_sendf(struct ScriptedConnection *connection, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	return scripted_send(connection, text);
}

/* Ends the connection with a reset instead of an orderly end. */
static inline void scripted_reset(struct ScriptedConnection *connection)
{
	struct linger linger = {1, 0};
	setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(connection->fd);
	connection->fd = -1;
}

/* Waits until the client closes. */
static inline void scripted_await_eof(struct ScriptedConnection *connection)
{
	while (scripted_fill(connection))
		g_string_truncate(connection->input, 0);
}

#endif
