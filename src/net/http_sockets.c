/* libcurl's descriptors in the loop.
 *
 * libcurl takes a kept connection's socket out after every request and puts it back for the next
 * one. Each would wake the loop for nothing, so a removal only marks: the watch stays until it
 * fires while marked (the server closed an idle connection, say) or the socket is closed.
 * Closing goes through libcurl's callback, before the number can come back. The one kind of
 * descriptor that libcurl closes without that callback, its resolver's, leaves a watch that
 * fires as invalid, or for whoever has the number then: marked, so it is dropped without harm. */
#include "net/http_internal.h"

#include <unistd.h>

struct Socket {
	struct LoopWatch *watch; /* NULL: not watched */
	GIOCondition condition; /* as registered */
	bool unused; /* marked: libcurl does not want to hear of it */
};

struct HttpSockets {
	struct HttpClient *client;
	struct Socket *by_fd; /* descriptor numbers are small and dense */
	size_t count;
};

struct HttpSockets *http_sockets_new(struct HttpClient *client)
{
	struct HttpSockets *sockets = g_new0(struct HttpSockets, 1);
	sockets->client = client;
	return sockets;
}

void http_sockets_free(struct HttpSockets *sockets)
{
	if (!sockets)
		return;
	for (size_t fd = 0; fd < sockets->count; fd++)
		loop_unwatch(sockets->by_fd[fd].watch);
	g_free(sockets->by_fd);
	g_free(sockets);
}

static struct Socket *socket_of(struct HttpSockets *sockets, int fd)
{
	size_t index = (size_t)fd;
	if (index >= sockets->count) {
		size_t count = MAX(index + 1, 2 * sockets->count);
		sockets->by_fd = g_renew(struct Socket, sockets->by_fd, count);
		memset(sockets->by_fd + sockets->count, 0,
			(count - sockets->count) * sizeof(struct Socket));
		sockets->count = count;
	}
	return &sockets->by_fd[index];
}

static void on_ready(int fd, GIOCondition condition, void *user)
{
	struct HttpSockets *sockets = user;
	struct Socket *socket = socket_of(sockets, fd);
	if (socket->unused) {
		g_clear_pointer(&socket->watch, loop_unwatch);
		return;
	}
	int events = 0;
	if (condition & (G_IO_IN | G_IO_HUP))
		events |= CURL_CSELECT_IN;
	if (condition & G_IO_OUT)
		events |= CURL_CSELECT_OUT;
	if (condition & (G_IO_ERR | G_IO_NVAL))
		events |= CURL_CSELECT_ERR;
	int running;
	curl_multi_socket_action(sockets->client->multi, fd, events, &running);
}

int http_sockets_on_change(CURL *easy, curl_socket_t fd, int what, void *user, void *unused)
{
	(void)easy;
	(void)unused;
	struct HttpSockets *sockets = user;
	struct Socket *socket = socket_of(sockets, fd);
	if (what == CURL_POLL_REMOVE) {
		socket->unused = true;
		return 0;
	}
	unsigned condition = 0;
	if (what & CURL_POLL_IN)
		condition |= G_IO_IN;
	if (what & CURL_POLL_OUT)
		condition |= G_IO_OUT;
	socket->unused = false;
	socket->condition = (GIOCondition)condition;
	if (socket->watch)
		loop_watch_set(socket->watch, socket->condition);
	else
		socket->watch =
			loop_watch(sockets->client->loop, fd, socket->condition, on_ready, sockets);
	return 0;
}

int http_sockets_on_close(void *user, curl_socket_t fd)
{
	struct Socket *socket = socket_of(user, fd);
	g_clear_pointer(&socket->watch, loop_unwatch);
	socket->unused = true;
	return close(fd);
}
