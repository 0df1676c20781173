/* A listener in the test's loop and raw clients that say what they want. */
#ifndef MCP_MUX_TESTS_LISTENER_FIXTURE_H
#define MCP_MUX_TESTS_LISTENER_FIXTURE_H

#include "http_fixture.h"

#include "net/listener.h"

enum { VISITS = 40 };

/* ---- the listener and those who come ---- */

struct Hall {
	struct Fixture fixture;
	struct Listener *listener;
	const char *page; /* answered at once; NULL: visits wait */
	struct ListenerVisit *visits[VISITS];
	GString *queries; /* each in brackets */
	unsigned came;
};

static inline void on_visit(
	struct Listener *listener, struct ListenerVisit *visit, struct Slice query, void *user)
{
	struct Hall *hall = user;
	assert_ptr_equal(listener, hall->listener);
	assert_true(hall->came < VISITS);
	hall->visits[hall->came++] = visit;
	g_string_append_printf(hall->queries, "[%.*s]", (int)query.len, query.data);
	if (hall->page)
		listener_answer(visit, 200, hall->page);
}

static inline void hall_open(struct Hall *hall, const char *page)
{
	GError *error = NULL;
	*hall = (struct Hall){.page = page, .queries = g_string_new(NULL)};
	fixture_init(&hall->fixture);
	hall->listener = listener_new(
		hall->fixture.loop, "127.0.0.1", 0, "/callback", on_visit, hall, &error);
	assert_null(error);
}

static inline void hall_close(struct Hall *hall)
{
	listener_free(hall->listener);
	g_string_free(hall->queries, TRUE);
	fixture_release(&hall->fixture);
}

struct Browser {
	struct Hall *hall;
	int fd;
	struct LoopWatch *watch;
	GString *in;
	unsigned bytes, gone; /* received; the listener closed */
};

static inline void browser_on_input(int fd, GIOCondition condition, void *user)
{
	struct Browser *browser = user;
	char bytes[65536];
	(void)condition;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n > 0) {
		g_string_append_len(browser->in, bytes, n);
		browser->bytes += (unsigned)n;
		return;
	}
	loop_unwatch(browser->watch);
	browser->watch = NULL;
	browser->gone = 1;
}

static inline int connect_to(in_addr_t where, unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(where)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static inline void browser_come(struct Browser *browser, struct Hall *hall)
{
	*browser = (struct Browser){.hall = hall, .in = g_string_new(NULL)};
	browser->fd = connect_to(INADDR_LOOPBACK, listener_port(hall->listener));
	assert_true(browser->fd >= 0);
	browser->watch =
		loop_watch(hall->fixture.loop, browser->fd, G_IO_IN, browser_on_input, browser);
}

static inline void browser_go(struct Browser *browser)
{
	loop_unwatch(browser->watch);
	close(browser->fd);
	g_string_free(browser->in, TRUE);
}

static inline void browser_say(struct Browser *browser, const char *text)
{
	assert_int_equal(
		send(browser->fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* METHOD TARGET under the listener's own name, with further header lines. */
static inline void browser_ask(
	struct Browser *browser, const char *method, const char *target, const char *headers)
{
	g_autofree char *text = g_strdup_printf("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
		method, target, listener_port(browser->hall->listener), headers);
	browser_say(browser, text);
}

static inline void browser_await_end(struct Browser *browser)
{
	turn_until(&browser->hall->fixture, browser->gone, 1);
}

#define assert_got(browser, text)                                                                  \
	do {                                                                                       \
		if (!strstr((browser)->in->str, (text)))                                           \
			fail_msg("\"%s\" lacks \"%s\"", (browser)->in->str, (text));               \
	} while (0)

/* One request in TEXT's very bytes, and the first line of what comes back. */
static inline void assert_refused(struct Hall *hall, const char *text, const char *status_line)
{
	struct Browser browser;
	unsigned came = hall->came;
	browser_come(&browser, hall);
	browser_say(&browser, text);
	browser_await_end(&browser);
	if (!g_str_has_prefix(browser.in->str, status_line))
		fail_msg("%.60s\n… got %.200s, not %s", text, browser.in->str, status_line);
	assert_int_equal(hall->came, came);
	assert_null(strstr(browser.in->str, "secret"));
	browser_go(&browser);
}

static inline void assert_request_refused(struct Hall *hall, const char *method, const char *target,
	const char *headers, const char *status_line)
{
	g_autofree char *text = g_strdup_printf("%s %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n%s\r\n",
		method, target, listener_port(hall->listener), headers);
	assert_refused(hall, text, status_line);
}

#endif
