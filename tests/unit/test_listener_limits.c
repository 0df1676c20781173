/* The loopback listener among clients that are slow, leave or are many, and its socket. The clock that GLib, the loop
 * and libmicrohttpd read is the test's. */
#include "listener_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

enum { PLACES = 16 };

static int64_t clock_ahead_s;

int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	if (clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_COARSE)
		now->tv_sec += clock_ahead_s;
	return (int)result;
}

/* ---- those who are slow, leave, or are many ---- */

static void a_slow_client_holds_up_nobody(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser slow, quick;
	hall_open(&hall, "<p>yes");
	g_autofree char *text =
		g_strdup_printf("GET /callback?slow HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
			listener_port(hall.listener));
	browser_come(&slow, &hall);
	for (const char *at = text; *at; at++) {
		assert_int_equal(send(slow.fd, at, 1, MSG_NOSIGNAL), 1);
		g_main_context_iteration(hall.fixture.context, FALSE);
		if (at != text + 20)
			continue;
		browser_come(&quick, &hall);
		browser_ask(&quick, "GET", "/callback?quick", "");
		browser_await_end(&quick);
		browser_go(&quick);
	}
	browser_await_end(&slow);
	assert_string_equal(hall.queries->str, "[quick][slow]");
	browser_go(&slow);
	hall_close(&hall);
}

/* Puts the clock forward, so that what is due by then comes at once. */
static void jump(struct Hall *hall, unsigned s)
{
	clock_ahead_s += s;
	fixture_turn_for(&hall->fixture, 20);
}

static void who_is_silent_for_30_s_is_left(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser silent, half;
	hall_open(&hall, "<p>never");
	browser_come(&silent, &hall);
	browser_come(&half, &hall);
	browser_say(&half, "GET /callback HTTP/1.1\r\n");
	fixture_turn_for(&hall.fixture, 20);
	jump(&hall, 28);
	assert_false(silent.gone || half.gone);
	jump(&hall, 4);
	assert_true(silent.gone && half.gone);
	browser_go(&silent);
	browser_go(&half);
	hall_close(&hall);
}

static void a_visit_waits_for_as_long_as_it_takes(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, NULL);
	browser_come(&browser, &hall);
	browser_ask(&browser, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	jump(&hall, 300);
	assert_false(browser.gone);
	listener_answer(hall.visits[0], 200, "<p>at last");
	browser_await_end(&browser);
	assert_got(&browser, "<p>at last");
	browser_go(&browser);
	hall_close(&hall);
}

static void who_leaves_while_waiting_does_no_harm(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser gone, reset, stays;
	g_autofree char *page = g_strnfill(MIB, 'x');
	hall_open(&hall, NULL);
	browser_come(&gone, &hall);
	browser_ask(&gone, "GET", "/callback?1", "");
	turn_until(&hall.fixture, hall.came, 1);
	browser_come(&reset, &hall);
	browser_ask(&reset, "GET", "/callback?2", "");
	turn_until(&hall.fixture, hall.came, 2);
	struct linger linger = {1, 0};
	setsockopt(reset.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	browser_go(&gone);
	browser_go(&reset);
	fixture_turn_for(&hall.fixture, 20);
	listener_answer(hall.visits[0], 200, page);
	listener_answer(hall.visits[1], 200, page);
	hall.page = "<p>yes";
	browser_come(&stays, &hall);
	browser_ask(&stays, "GET", "/callback?3", "");
	browser_await_end(&stays);
	assert_got(&stays, "<p>yes");
	assert_false(listener_is_busy(hall.listener));
	browser_go(&stays);
	hall_close(&hall);
}

static void freeing_it_closes_those_who_wait(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser waits, answered, idle;
	hall_open(&hall, NULL);
	browser_come(&waits, &hall);
	browser_ask(&waits, "GET", "/callback?1", "");
	turn_until(&hall.fixture, hall.came, 1);
	browser_come(&answered, &hall);
	browser_ask(&answered, "GET", "/callback?2", "");
	turn_until(&hall.fixture, hall.came, 2);
	browser_come(&idle, &hall);
	fixture_turn_for(&hall.fixture, 20);
	listener_answer(hall.visits[1], 200, "<p>too late");
	listener_free(hall.listener);
	hall.listener = NULL;
	browser_await_end(&waits);
	browser_await_end(&answered);
	browser_await_end(&idle);
	assert_int_equal(waits.bytes + idle.bytes, 0);
	browser_go(&waits);
	browser_go(&answered);
	browser_go(&idle);
	hall_close(&hall);
}

static void the_seventeenth_connection_waits_for_a_place(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser many[PLACES], late;
	hall_open(&hall, NULL);
	for (unsigned i = 0; i < PLACES; i++) {
		browser_come(&many[i], &hall);
		browser_ask(&many[i], "GET", "/callback", "");
	}
	turn_until(&hall.fixture, hall.came, PLACES);
	browser_come(&late, &hall);
	browser_ask(&late, "GET", "/callback?late", "");
	fixture_turn_for(&hall.fixture, 50);
	assert_int_equal(hall.came, PLACES);
	listener_answer(hall.visits[3], 200, "<p>three");
	browser_await_end(&many[3]);
	turn_until(&hall.fixture, hall.came, PLACES + 1);
	listener_answer(hall.visits[PLACES], 200, "<p>late");
	browser_await_end(&late);
	assert_got(&late, "<p>late");
	browser_go(&late);
	for (unsigned i = 0; i < PLACES; i++)
		browser_go(&many[i]);
	hall_close(&hall);
}

static void count_delivered(void *user)
{
	++*(unsigned *)user;
}

static void free_on_delivery(void *user)
{
	struct Hall *hall = user;
	listener_free(g_steal_pointer(&hall->listener));
	hall->came++;
}

static void it_says_when_its_pages_are_delivered(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	unsigned first = 0, delivered = 0;
	g_autofree char *page = g_strnfill(16 * MIB, 'x');
	hall_open(&hall, NULL);
	listener_when_delivered(hall.listener, count_delivered, &first);
	listener_when_delivered(hall.listener, count_delivered, &delivered);
	assert_int_equal(delivered, 0);
	turn_until(&hall.fixture, delivered, 1); /* there is nothing to deliver */
	assert_int_equal(first, 0);

	browser_come(&browser, &hall);
	loop_watch_set(browser.watch, 0);
	browser_ask(&browser, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	listener_answer(hall.visits[0], 200, page);
	listener_when_delivered(hall.listener, count_delivered, &delivered);
	fixture_turn_for(&hall.fixture, 50);
	assert_int_equal(delivered, 1);
	loop_watch_set(browser.watch, G_IO_IN);
	turn_until(&hall.fixture, delivered, 2);
	fixture_turn_for(&hall.fixture, 50);
	assert_int_equal(delivered, 2);
	browser_go(&browser);
	hall_close(&hall);
}

static void it_may_be_freed_when_its_page_is_delivered(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, NULL);
	browser_come(&browser, &hall);
	browser_ask(&browser, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	listener_answer(hall.visits[0], 200, "<p>all of it");
	listener_when_delivered(hall.listener, free_on_delivery, &hall);
	turn_until(&hall.fixture, hall.came, 2);
	browser_await_end(&browser);
	assert_got(&browser, "<p>all of it");
	browser_go(&browser);
	hall_close(&hall);
}

static void at_port_80_browsers_do_not_say_the_port(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>yes");
	struct Listener *listener = listener_new(
		hall.fixture.loop, "127.0.0.1", 80, "/callback", on_visit, &hall, NULL);
	if (!listener) { /* it is taken, or not for us */
		hall_close(&hall);
		skip();
	}
	listener_free(hall.listener);
	hall.listener = listener;
	browser_come(&browser, &hall);
	browser_say(&browser, "GET /callback HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
	browser_await_end(&browser);
	assert_got(&browser, "HTTP/1.1 200 ");
	browser_go(&browser);
	hall_close(&hall);
}

/* ---- the socket ---- */

static void assert_port_taken(struct Hall *hall, unsigned port)
{
	g_autoptr(GError) error = NULL;
	assert_null(listener_new(
		hall->fixture.loop, "127.0.0.1", port, "/callback", on_visit, hall, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	g_autofree char *number = g_strdup_printf("port %u: the port is taken", port);
	assert_non_null(strstr(error->message, number));
}

static void a_port_on_which_somebody_listens_is_taken(void **state)
{
	(void)state;
	struct Hall hall;
	unsigned port;
	hall_open(&hall, NULL);
	assert_port_taken(&hall, listener_port(hall.listener));
	int fd = scripted_listen(&port, 1);
	assert_port_taken(&hall, port);
	close(fd);

	struct sockaddr_in everywhere = {.sin_family = AF_INET};
	socklen_t len = sizeof(everywhere);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	assert_int_equal(bind(fd, (struct sockaddr *)&everywhere, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&everywhere, &len), 0);
	assert_port_taken(&hall, ntohs(everywhere.sin_port));
	close(fd);
	hall_close(&hall);
}

static void a_port_can_be_had_again_at_once(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, "<p>yes");
	unsigned port = listener_port(hall.listener);
	for (unsigned i = 0; i < 3; i++) {
		struct Browser browser;
		g_autoptr(GError) error = NULL;
		browser_come(&browser, &hall);
		browser_ask(&browser, "GET", "/callback", "");
		browser_await_end(&browser); /* the listener closed first: TIME_WAIT is its */
		browser_go(&browser);
		listener_free(hall.listener);
		hall.listener = listener_new(
			hall.fixture.loop, "127.0.0.1", port, "/callback", on_visit, &hall, &error);
		assert_null(error);
		assert_int_equal(listener_port(hall.listener), port);
	}
	hall_close(&hall);
}

static void nobody_but_127_0_0_1_reaches_it(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, NULL);
	assert_int_equal(connect_to(INADDR_LOOPBACK + 1, listener_port(hall.listener)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	hall_close(&hall);
}

static void children_inherit_none_of_its_descriptors(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, NULL);
	browser_come(&browser, &hall);
	browser_ask(&browser, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	unsigned seen = 0;
	for (int fd = 3; fd < 64; fd++) {
		int flags = fcntl(fd, F_GETFD);
		struct stat at;
		if (flags < 0 || fstat(fd, &at) != 0)
			continue;
		seen++;
		if (S_ISSOCK(at.st_mode))
			assert_true(flags & FD_CLOEXEC);
		g_autofree char *name = g_strdup_printf("/proc/self/fd/%d", fd);
		g_autofree char *target = g_file_read_link(name, NULL);
		if (target && g_str_has_prefix(target, "anon_inode:"))
			assert_true(flags & FD_CLOEXEC);
	}
	assert_true(seen >= 4);
	browser_go(&browser);
	hall_close(&hall);
}

static void want_of_descriptors_is_an_error(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, NULL);
	struct rlimit old, few;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	unsigned failed = 0;
	int next = dup(0);
	close(next);
	for (int left = 0; left < 3; left++) {
		g_autoptr(GError) error = NULL;
		few = (struct rlimit){(rlim_t)(next + left), old.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		struct Listener *listener = listener_new(
			hall.fixture.loop, "127.0.0.1", 0, "/callback", on_visit, &hall, &error);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
		failed += !listener;
		if (!listener)
			assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
		listener_free(listener);
		assert_int_equal(dup(0), next); /* nothing was left open */
		close(next);
	}
	assert_true(failed >= 2);
	listener_free(NULL);
	hall_close(&hall);
}

/* ---- rest ---- */

static unsigned polls;

static gint count_poll(GPollFD *fds, guint n, gint timeout)
{
	polls++;
	return g_poll(fds, n, timeout);
}

static void assert_rests(struct Hall *hall)
{
	fixture_turn_for(&hall->fixture, 20); /* what is still on its way */
	polls = 0;
	fixture_turn_for(&hall->fixture, 200);
	assert_true(polls <= 2); /* for the test's own time-out */
}

static void it_wakes_nobody_while_nothing_happens(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser waits, idle;
	hall_open(&hall, NULL);
	g_main_context_set_poll_func(hall.fixture.context, count_poll);
	assert_rests(&hall);
	browser_come(&idle, &hall);
	assert_rests(&hall);
	browser_come(&waits, &hall);
	browser_ask(&waits, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	assert_rests(&hall);
	/* Its end is not looked at before there is a page for it. */
	shutdown(waits.fd, SHUT_WR);
	assert_rests(&hall);
	browser_go(&waits);
	assert_rests(&hall);
	listener_answer(hall.visits[0], 200, "<p>late");
	assert_rests(&hall);
	browser_go(&idle);
	assert_rests(&hall);
	hall_close(&hall);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_slow_client_holds_up_nobody),
		cmocka_unit_test(who_is_silent_for_30_s_is_left),
		cmocka_unit_test(a_visit_waits_for_as_long_as_it_takes),
		cmocka_unit_test(who_leaves_while_waiting_does_no_harm),
		cmocka_unit_test(freeing_it_closes_those_who_wait),
		cmocka_unit_test(the_seventeenth_connection_waits_for_a_place),
		cmocka_unit_test(it_says_when_its_pages_are_delivered),
		cmocka_unit_test(it_may_be_freed_when_its_page_is_delivered),
		cmocka_unit_test(at_port_80_browsers_do_not_say_the_port),
		cmocka_unit_test(a_port_on_which_somebody_listens_is_taken),
		cmocka_unit_test(a_port_can_be_had_again_at_once),
		cmocka_unit_test(nobody_but_127_0_0_1_reaches_it),
		cmocka_unit_test(children_inherit_none_of_its_descriptors),
		cmocka_unit_test(want_of_descriptors_is_an_error),
		cmocka_unit_test(it_wakes_nobody_while_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
