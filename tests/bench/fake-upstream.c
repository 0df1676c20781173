/* A remote MCP server for the benchmark: HTTP/1.1 with keep-alive on 127.0.0.1, one thread, epoll,
 * libc alone, so that what is measured is the client. It speaks one era, as told:
 *
 *   legacy  initialize (any handshake revision) with a session id, 202 to notifications, 405 to GET
 *   modern  server/discover, subscriptions/listen held open, -32022 to initialize
 *
 * and tools/list (--tools N definitions) and tools/call, where the tool's name says how it answers:
 *
 *   echo      a short JSON result         big    a text of --big MiB as one JSON result
 *   echo_sse  the same as an event stream slow   the short result after --slow-ms
 *
 * --open-ms delays what an opening client waits for (initialize, server/discover, tools/list); --hang
 * reads everything and answers nothing.
 *
 * It prints its port and then obeys lines on stdin: `s` prints counters since the last `r` (connections
 * accepted, most open at once, requests, calls, streams listening), `r` resets them, `c` prints the
 * length and then the bytes of the first tools/call request since the last `c`, from which the floor
 * takes what it sends. End of input ends the process. It trusts its clients: a request that it does
 * not understand gets 400, and one over REQUEST_MAX ends the connection. */
#include "timers.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FD_MAX = 4096, REQUEST_MAX = 4 << 20, EVENTS = 256 };

struct Conn {
	char *in;
	size_t in_len, in_cap;
	char *out; /* what is to be written */
	size_t out_len, out_cap, sent;
	struct Span tail; /* what follows OUT: part of the big result */
	uint64_t due_ns; /* when OUT may be written; 0: at once */
	unsigned generation;
	bool open, polls_out;
};

struct Counters {
	unsigned long accepted, open, peak, requests, calls, listens;
};

static struct {
	bool modern, hang;
	unsigned tools;
	uint64_t slow_ns, open_ns;
	int epoll, listener;
	struct Conn conns[FD_MAX];
	struct Timers timers;
	struct Counters count;
	char *captured;
	size_t captured_len;
	char *list; /* the result object of tools/list */
	size_t list_len;
	char *big; /* the result of `big`, from behind the id */
	size_t big_len;
} fake;

static void *grow(void *data, size_t *cap, size_t need)
{
	if (need <= *cap)
		return data;
	while (*cap < need)
		*cap = *cap ? *cap * 2 : 4096;
	data = realloc(data, *cap);
	if (!data) {
		fprintf(stderr, "fake-upstream: out of memory\n");
		exit(1);
	}
	return data;
}

static void put(struct Conn *c, const char *data, size_t len)
{
	c->out = grow(c->out, &c->out_cap, c->out_len + len);
	memcpy(c->out + c->out_len, data, len);
	c->out_len += len;
}

static void putf(struct Conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void putf(struct Conn *c, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	int n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	put(c, text, n < 0 ? 0 : (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

static void conn_close(int fd)
{
	struct Conn *c = &fake.conns[fd];

	free(c->in);
	free(c->out);
	*c = (struct Conn){.generation = c->generation + 1};
	fake.count.open--;
	close(fd);
}

static void conn_poll(int fd, bool out)
{
	struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0), .data.fd = fd};

	if (fake.conns[fd].polls_out == out)
		return;
	fake.conns[fd].polls_out = out;
	epoll_ctl(fake.epoll, EPOLL_CTL_MOD, fd, &event);
}

/* Writes what is queued; false if the connection broke and was closed. */
static bool conn_flush(int fd)
{
	struct Conn *c = &fake.conns[fd];

	while (c->sent < c->out_len + c->tail.len) {
		size_t behind = c->sent > c->out_len ? c->sent - c->out_len : 0;
		struct iovec part[2] = {
			{c->out + c->sent - behind, c->out_len - (c->sent - behind)},
			{(char *)c->tail.data + behind, c->tail.len - behind},
		};
		struct msghdr message = {.msg_iov = part, .msg_iovlen = c->tail.len ? 2 : 1};
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			conn_poll(fd, true);
			return true;
		}
		if (n < 0) {
			conn_close(fd);
			return false;
		}
		c->sent += (size_t)n;
	}
	c->out_len = c->sent = 0;
	c->tail = (struct Span){0};
	conn_poll(fd, false);
	return true;
}

static void answer_json(
	struct Conn *c, const char *status, const char *extra, const char *body, size_t len)
{
	putf(c, "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n\r\n",
		status, extra, len);
	put(c, body, len);
}

static void answer_error(struct Conn *c, const char *status, struct Span id, int code,
	const char *message, const char *data)
{
	char body[512];
	int n = snprintf(body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"error\":{\"code\":%d,\"message\":\"%s\"%s}}",
		(int)(id.len < 100 ? id.len : 0), id.data, code, message, data);

	answer_json(c, status, "", body, (size_t)n);
}

static void answer_discover(struct Conn *c, struct Span id)
{
	char body[768];
	int n = snprintf(body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"resultType\":\"complete\","
		"\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{"
		"\"listChanged\":true}},"
		"\"_meta\":{\"io.modelcontextprotocol/"
		"serverInfo\":{\"name\":\"fake\",\"version\":\"1\"}},"
		"\"instructions\":\"Answers the "
		"benchmark.\",\"ttlMs\":3600000,\"cacheScope\":\"public\"}}",
		(int)id.len, id.data);

	answer_json(c, "200 OK", "", body, (size_t)n);
}

static void answer_initialize(struct Conn *c, struct Span id, struct Span params)
{
	struct Span revision;
	char body[768];

	if (!wire_member(params, "protocolVersion", &revision) || revision.len > 32)
		revision = (struct Span){"\"2025-11-25\"", 12};
	int n = snprintf(body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{\"protocolVersion\":%.*s,"
		"\"capabilities\":{\"tools\":{\"listChanged\":true}},"
		"\"serverInfo\":{\"name\":\"fake\",\"version\":\"1\"},"
		"\"instructions\":\"Answers the benchmark.\"}}",
		(int)id.len, id.data, (int)revision.len, revision.data);
	answer_json(c, "200 OK", "Mcp-Session-Id: 8f0d5f6e-5a54-4c36-9f59-2f1d0f6f2a11\r\n", body,
		(size_t)n);
}

static void answer_list(struct Conn *c, struct Span id)
{
	putf(c,
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n"
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":",
		fake.list_len + id.len + sizeof("{\"jsonrpc\":\"2.0\",\"id\":,\"result\":}") - 1,
		(int)id.len, id.data);
	put(c, fake.list, fake.list_len);
	put(c, "}", 1);
}

/* The acknowledgement that must come first; the stream then stays open. */
static void answer_listen(struct Conn *c, struct Span id)
{
	char event[512];
	int n = snprintf(event, sizeof(event),
		"event: message\ndata: {\"jsonrpc\":\"2.0\","
		"\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{"
		"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%.*s},"
		"\"notifications\":{\"toolsListChanged\":true}}}\n\n",
		(int)id.len, id.data);

	fake.count.listens++;
	putf(c,
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: "
		"chunked\r\n\r\n"
		"%x\r\n%s\r\n",
		(unsigned)n, event);
}

static void answer_call(struct Conn *c, struct Span id, struct Span params)
{
	struct Span name = {"\"echo\"", 6};
	char body[512];

	fake.count.calls++;
	wire_member(params, "name", &name);
	if (wire_is(name, "big") && fake.big) {
		putf(c,
			"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
			"%zu\r\n\r\n"
			"{\"jsonrpc\":\"2.0\",\"id\":%.*s",
			fake.big_len + id.len + sizeof("{\"jsonrpc\":\"2.0\",\"id\":") - 1,
			(int)id.len, id.data);
		c->tail = (struct Span){fake.big, fake.big_len};
		return;
	}
	int n = snprintf(body, sizeof(body),
		"{\"jsonrpc\":\"2.0\",\"id\":%.*s,\"result\":{%s\"content\":[{\"type\":\"text\","
		"\"text\":\"The worker accepted the order in 12.5 ms.\"}]}}",
		(int)id.len, id.data, fake.modern ? "\"resultType\":\"complete\"," : "");
	if (wire_is(name, "echo_sse")) {
		unsigned len = (unsigned)n + sizeof("event: message\ndata: \n\n") - 1;
		putf(c,
			"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
			"Transfer-Encoding: chunked\r\n\r\n%x\r\nevent: message\ndata: "
			"%s\n\n\r\n0\r\n\r\n",
			len, body);
		return;
	}
	if (wire_is(name, "slow"))
		c->due_ns = fake.slow_ns;
	answer_json(c, "200 OK", "", body, (size_t)n);
}

/* Only what this era has gets here. */
static void answer_opening(struct Conn *c, struct Span method, struct Span id, struct Span params)
{
	if (wire_is(method, "tools/list"))
		answer_list(c, id);
	else if (fake.modern)
		answer_discover(c, id);
	else
		answer_initialize(c, id, params);
	c->due_ns = fake.open_ns;
}

static void answer_post(struct Conn *c, struct Span body)
{
	struct Span method, id, params = {"{}", 2};

	if (!wire_member(body, "method", &method) || !wire_member(body, "id", &id) || id.len > 64) {
		putf(c, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
		return;
	}
	wire_member(body, "params", &params);
	if (wire_is(method, "tools/call"))
		answer_call(c, id, params);
	else if (wire_is(method, "tools/list") ||
		 wire_is(method, fake.modern ? "server/discover" : "initialize"))
		answer_opening(c, method, id, params);
	else if (fake.modern && wire_is(method, "subscriptions/listen"))
		answer_listen(c, id);
	else if (fake.modern && wire_is(method, "initialize"))
		answer_error(c, "400 Bad Request", id, -32022, "Unsupported protocol version",
			",\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"2025-11-25\"}");
	else if (!fake.modern && wire_is(method, "ping"))
		answer_error(c, "200 OK", id, -32601, "Method not found", "");
	else if (fake.modern)
		answer_error(c, "404 Not Found", id, -32601, "Method not found", "");
	else
		answer_error(c, "400 Bad Request", id, -32000,
			"Bad Request: Server not initialized", "");
}

static void capture(const char *request, size_t len)
{
	fake.captured = malloc(len);
	fake.captured_len = fake.captured ? len : 0;
	if (fake.captured)
		memcpy(fake.captured, request, len);
}

/* Answers the request of HEAD_LEN and BODY_LEN bytes at the start of the input. */
static void conn_answer(int fd, size_t head_len, size_t body_len)
{
	struct Conn *c = &fake.conns[fd];
	unsigned long calls = fake.count.calls;

	fake.count.requests++;
	if (fake.hang)
		return;
	c->due_ns = 0;
	if (memcmp(c->in, "POST ", 5) == 0)
		answer_post(c, (struct Span){c->in + head_len, body_len});
	else if (memcmp(c->in, "DELETE ", 7) == 0)
		putf(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
	else
		putf(c, "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST, DELETE\r\nContent-Length: "
			"0\r\n\r\n");
	if (fake.count.calls != calls && !fake.captured)
		capture(c->in, head_len + body_len);
	if (c->due_ns) {
		timers_add(
			&fake.timers, (struct Timer){wire_now_ns() + c->due_ns, fd, c->generation});
		return;
	}
	conn_flush(fd);
}

/* The body's length, 0 without one; false for what this server does not take. */
static bool content_length(const char *head, size_t head_len, size_t *len)
{
	static const char name[] = "\r\ncontent-length:";

	*len = 0;
	for (const char *p = head; p + sizeof(name) < head + head_len; p++) {
		p = memchr(p, '\r', head_len - (size_t)(p - head));
		if (!p)
			return true;
		if (strncasecmp(p, name, sizeof(name) - 1) == 0) {
			*len = strtoul(p + sizeof(name) - 1, NULL, 10);
			return *len <= REQUEST_MAX;
		}
	}
	return true;
}

/* Whatever complete requests there are; clients here wait for the answer before the next. */
static void conn_readable(int fd)
{
	struct Conn *c = &fake.conns[fd];
	unsigned generation = c->generation;

	c->in = grow(c->in, &c->in_cap, c->in_len + 4096);
	ssize_t n = recv(fd, c->in + c->in_len, c->in_cap - c->in_len, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0 || c->in_len + (size_t)n > REQUEST_MAX) {
		conn_close(fd);
		return;
	}
	c->in_len += (size_t)n;
	for (;;) {
		char *blank = memmem(c->in, c->in_len, "\r\n\r\n", 4);
		size_t body_len;
		if (!blank)
			return;
		size_t head_len = (size_t)(blank + 4 - c->in);
		if (!content_length(c->in, head_len, &body_len)) {
			conn_close(fd);
			return;
		}
		if (c->in_len < head_len + body_len)
			return;
		conn_answer(fd, head_len, body_len);
		if (c->generation != generation)
			return;
		c->in_len -= head_len + body_len;
		memmove(c->in, c->in + head_len + body_len, c->in_len);
	}
}

static void accept_all(void)
{
	int fd, on = 1;

	while ((fd = accept4(fake.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
		if (fd >= FD_MAX) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		fake.conns[fd].open = true;
		fake.count.accepted++;
		if (++fake.count.open > fake.count.peak)
			fake.count.peak = fake.count.open;
		epoll_ctl(fake.epoll, EPOLL_CTL_ADD, fd, &event);
	}
}

/* Commands of the benchmark, one byte and a line end each. */
static void obey(void)
{
	char text[64];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	if (n <= 0)
		exit(0);
	for (ssize_t i = 0; i < n; i++) {
		if (text[i] == 's') {
			fprintf(stdout, "%lu %lu %lu %lu %lu\n", fake.count.accepted,
				fake.count.peak, fake.count.requests, fake.count.calls,
				fake.count.listens);
		} else if (text[i] == 'r') {
			fake.count =
				(struct Counters){.open = fake.count.open, .peak = fake.count.open};
			fprintf(stdout, "ok\n");
		} else if (text[i] == 'c') {
			fprintf(stdout, "%zu\n", fake.captured_len);
			if (fake.captured)
				fwrite(fake.captured, 1, fake.captured_len, stdout);
			free(fake.captured);
			fake.captured = NULL;
			fake.captured_len = 0;
		}
	}
	fflush(stdout);
}

static void make_list(void)
{
	static const char *const special[] = {"echo", "echo_sse", "slow", "big"};
	char *text = NULL;
	FILE *out = open_memstream(&text, &fake.list_len);

	if (!out)
		exit(1);
	fprintf(out, "{%s\"tools\":[",
		fake.modern
			? "\"resultType\":\"complete\",\"ttlMs\":3600000,\"cacheScope\":\"public\","
			: "");
	for (unsigned i = 0; i < fake.tools; i++) {
		char name[32];
		snprintf(name, sizeof(name), i < 4 ? "%s" : "%s_%02u", i < 4 ? special[i] : "tool",
			i);
		fprintf(out,
			"%s{\"name\":\"%s\",\"title\":\"Tool %u of the benchmark\","
			"\"description\":\"Looks up orders by customer, state and date, and "
			"returns at most "
			"`limit` of them, newest first. Use it when the user asks what happened to "
			"an order, "
			"and ask for the customer's name if it is not known.\","
			"\"inputSchema\":{\"type\":\"object\",\"properties\":{"
			"\"customer\":{\"type\":\"string\",\"description\":\"Name or number\"},"
			"\"state\":{\"type\":\"string\",\"enum\":[\"open\",\"sent\",\"paid\"]},"
			"\"limit\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":100,\"default\":"
			"20}},"
			"\"required\":[\"customer\"]},\"annotations\":{\"readOnlyHint\":true}}",
			i ? "," : "", name, i);
	}
	fprintf(out, "]}");
	fclose(out);
	fake.list = text;
}

static void make_big(size_t mib)
{
	char head[128];
	static const char foot[] = "\"}]}}";
	int n = snprintf(head, sizeof(head),
		",\"result\":{%s\"content\":[{\"type\":\"text\",\"text\":\"",
		fake.modern ? "\"resultType\":\"complete\"," : "");

	fake.big_len = (size_t)n + (mib << 20) + sizeof(foot) - 1;
	fake.big = malloc(fake.big_len);
	if (!fake.big)
		exit(1);
	memcpy(fake.big, head, (size_t)n);
	wire_fill_text(fake.big + n, mib << 20);
	memcpy(fake.big + n + (mib << 20), foot, sizeof(foot) - 1);
}

static void read_options(int argc, char **argv)
{
	size_t big = 0;

	fake.tools = 20;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "--modern") == 0) {
			fake.modern = true;
			continue;
		}
		if (strcmp(argv[i], "--hang") == 0) {
			fake.hang = true;
			continue;
		}
		if (strcmp(argv[i], "--tools") == 0)
			fake.tools = (unsigned)wire_number(value, 10000, argv[i]);
		else if (strcmp(argv[i], "--slow-ms") == 0)
			fake.slow_ns = wire_number(value, 60000, argv[i]) * 1000000;
		else if (strcmp(argv[i], "--open-ms") == 0)
			fake.open_ns = wire_number(value, 60000, argv[i]) * 1000000;
		else if (strcmp(argv[i], "--big") == 0)
			big = wire_number(value, 256, argv[i]);
		else {
			fprintf(stderr, "fake-upstream: unknown option %s\n", argv[i]);
			exit(2);
		}
		i++;
	}
	make_list();
	if (big)
		make_big(big);
}

static void listen_loopback(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	struct epoll_event event = {.events = EPOLLIN};

	fake.epoll = epoll_create1(EPOLL_CLOEXEC);
	fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fake.epoll < 0 || fake.listener < 0 ||
		bind(fake.listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(fake.listener, 1024) != 0 ||
		getsockname(fake.listener, (struct sockaddr *)&address, &len) != 0) {
		perror("fake-upstream: listen");
		exit(1);
	}
	event.data.fd = fake.listener;
	epoll_ctl(fake.epoll, EPOLL_CTL_ADD, fake.listener, &event);
	event.data.fd = STDIN_FILENO;
	epoll_ctl(fake.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
	fprintf(stdout, "%u\n", ntohs(address.sin_port));
	fflush(stdout);
}

/* Answers what has become due, and tells how long until the next is; false: none waits. */
static bool run_timers(struct timespec *wait)
{
	while (fake.timers.n) {
		uint64_t now = wire_now_ns();
		if (fake.timers.at[0].due_ns > now) {
			uint64_t left = fake.timers.at[0].due_ns - now;
			*wait = (struct timespec){
				(time_t)(left / 1000000000), (long)(left % 1000000000)};
			return true;
		}
		struct Timer timer = timers_take(&fake.timers);
		if (fake.conns[timer.fd].open &&
			fake.conns[timer.fd].generation == timer.generation)
			conn_flush(timer.fd);
	}
	return false;
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	struct timespec wait;

	read_options(argc, argv);
	listen_loopback();
	for (;;) {
		bool timed = run_timers(&wait);
		int n = epoll_pwait2(fake.epoll, events, EVENTS, timed ? &wait : NULL, NULL);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == STDIN_FILENO)
				obey();
			else if (fd == fake.listener)
				accept_all();
			else if (!fake.conns[fd].open)
				continue;
			else if (!(events[i].events & EPOLLOUT) || conn_flush(fd)) {
				if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
					conn_readable(fd);
			}
		}
	}
}
