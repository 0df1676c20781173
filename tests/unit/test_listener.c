/* The loopback listener: visits, and what is none. */
#include "listener_fixture.h"

#include <signal.h>

/* ---- visits ---- */

static void a_visit_gets_the_page_and_it_stays_with_the_browser(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, "<p>Willkommen, grüß Gott");
	struct Http http = {.fixture = hall.fixture};
	struct HttpOptions options = {.max_connections = 4, .user_agent = "mcp-mux-test/1"};
	http.client = http_client_new(hall.fixture.loop, &options, NULL);
	struct Call call;
	call_init(&call, &http);
	call.want_header = "Content-Security-Policy";
	g_autofree char *url =
		g_strconcat(listener_uri(hall.listener), "?code=a%2Bb+c&state=%F0%9F&x", NULL);
	call_start_url(&call, url);
	turn_until(&hall.fixture, call.dones, 1);
	assert_answered(&call, 200, "<p>Willkommen, grüß Gott");
	assert_non_null(strstr(call.header, "default-src 'none'"));
	assert_null(strstr(call.header, "script"));
	assert_string_equal(hall.queries->str, "[code=a%2Bb+c&state=%F0%9F&x]");
	call_release(&call);
	http_client_free(http.client);
	hall_close(&hall);
}

static void the_page_says_that_it_is_not_to_be_kept(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>yes");
	browser_come(&browser, &hall);
	browser_ask(&browser, "GET", "/callback", "");
	browser_await_end(&browser);
	assert_got(&browser, "HTTP/1.1 200 ");
	assert_got(&browser, "Content-Type: text/html; charset=utf-8\r\n");
	assert_got(&browser, "Cache-Control: no-store\r\n");
	assert_got(&browser, "Referrer-Policy: no-referrer\r\n");
	assert_got(&browser, "X-Content-Type-Options: nosniff\r\n");
	assert_got(&browser, "frame-ancestors 'none'\r\n");
	assert_got(&browser, "Connection: close\r\n");
	assert_got(&browser, "\r\n\r\n<p>yes");
	assert_string_equal(hall.queries->str, "[]");
	browser_go(&browser);
	hall_close(&hall);
}

static void visits_wait_for_their_pages_in_any_order(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser first, second;
	hall_open(&hall, NULL);
	browser_come(&first, &hall);
	browser_ask(&first, "GET", "/callback?n=1", "");
	turn_until(&hall.fixture, hall.came, 1);
	browser_come(&second, &hall);
	browser_ask(&second, "GET", "/callback?n=2", "");
	turn_until(&hall.fixture, hall.came, 2);
	assert_string_equal(hall.queries->str, "[n=1][n=2]");
	fixture_turn_for(&hall.fixture, 20);
	assert_int_equal(first.bytes + second.bytes, 0);
	assert_false(listener_is_busy(hall.listener));

	listener_answer(hall.visits[1], 400, "<p>two");
	assert_true(listener_is_busy(hall.listener));
	browser_await_end(&second);
	assert_got(&second, "HTTP/1.1 400 ");
	assert_got(&second, "<p>two");
	assert_int_equal(first.bytes, 0);
	assert_false(listener_is_busy(hall.listener));

	listener_answer(hall.visits[0], 200, "<p>one");
	browser_await_end(&first);
	assert_got(&first, "<p>one");
	browser_go(&first);
	browser_go(&second);
	hall_close(&hall);
}

static void a_page_is_under_way_until_its_reader_has_taken_it(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	g_autofree char *page = g_strnfill(16 * MIB, 'x');
	hall_open(&hall, page);
	browser_come(&browser, &hall);
	loop_watch_set(browser.watch, 0);
	browser_ask(&browser, "GET", "/callback", "");
	turn_until(&hall.fixture, hall.came, 1);
	fixture_turn_for(&hall.fixture, 50);
	assert_true(listener_is_busy(hall.listener));
	loop_watch_set(browser.watch, G_IO_IN);
	browser_await_end(&browser);
	assert_true(browser.bytes > 16 * MIB);
	assert_false(listener_is_busy(hall.listener));
	browser_go(&browser);
	hall_close(&hall);
}

static void what_follows_a_visit_on_its_connection_is_not_heard(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>one");
	g_autofree char *twice =
		g_strdup_printf("GET /callback?1 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n"
				"GET /callback?2 HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n",
			listener_port(hall.listener), listener_port(hall.listener));
	browser_come(&browser, &hall);
	browser_say(&browser, twice);
	browser_await_end(&browser);
	assert_string_equal(hall.queries->str, "[1]");
	browser_go(&browser);
	hall_close(&hall);
}

/* ---- what is no visit ---- */

static void other_paths_are_not_here(void **state)
{
	(void)state;
	const char *paths[] = {"/", "/callbac", "/callback/", "/callbackx?code=secret",
		"/%63allback?code=secret", "//callback", "/Callback", "/favicon.ico",
		"http://127.0.0.1/callback", "?code=secret", "*"};
	struct Hall hall;
	hall_open(&hall, "<p>never");
	for (size_t i = 0; i < G_N_ELEMENTS(paths); i++)
		assert_request_refused(&hall, "GET", paths[i], "", "HTTP/1.1 404 ");
	hall_close(&hall);
}

static void other_methods_are_refused(void **state)
{
	(void)state;
	const char *methods[] = {"HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get"};
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>never");
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
		assert_request_refused(
			&hall, methods[i], "/callback?code=secret", "", "HTTP/1.1 405 ");
	browser_come(&browser, &hall);
	browser_ask(&browser, "POST", "/callback", "Content-Length: 0\r\n");
	browser_await_end(&browser);
	assert_got(&browser, "Allow: GET\r\n");
	browser_go(&browser);
	hall_close(&hall);
}

static void another_name_for_us_is_refused(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, "<p>never");
	unsigned port = listener_port(hall.listener);
	g_autofree char *other_port = g_strdup_printf("127.0.0.1:%u", port ^ 1);
	g_autofree char *other_name = g_strdup_printf("localhost:%u", port);
	g_autofree char *evil = g_strdup_printf("evil.example:%u", port);
	g_autofree char *longer = g_strdup_printf("127.0.0.1:%u.evil.example", port);
	const char *hosts[] = {
		other_port, other_name, evil, longer, "127.0.0.1", "", "evil.example"};
	for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autofree char *text = g_strdup_printf(
			"GET /callback?code=secret HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i]);
		assert_refused(&hall, text, "HTTP/1.1 400 ");
	}
	g_autofree char *two = g_strdup_printf("GET /callback HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
					       "Host: evil.example\r\n\r\n",
		port);
	assert_refused(&hall, two, "HTTP/1.1 400 ");
	assert_refused(&hall, "GET /callback HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
	assert_refused(&hall, "GET /callback HTTP/1.0\r\n\r\n", "HTTP/1."); /* 1.0 or 1.1, 400 */
	hall_close(&hall);
}

static void localhost_is_our_name_where_it_was_asked_for(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>yes");
	listener_free(hall.listener);
	hall.listener =
		listener_new(hall.fixture.loop, "localhost", 0, "/callback", on_visit, &hall, NULL);
	unsigned port = listener_port(hall.listener);
	g_autofree char *uri = g_strdup_printf("http://localhost:%u/callback", port);
	assert_string_equal(listener_uri(hall.listener), uri);
	g_autofree char *text =
		g_strdup_printf("GET /callback HTTP/1.1\r\nHost: LocalHost:%u\r\n\r\n", port);
	browser_come(&browser, &hall);
	browser_say(&browser, text);
	browser_await_end(&browser);
	assert_got(&browser, "HTTP/1.1 200 ");
	assert_int_equal(hall.came, 1);
	assert_request_refused(&hall, "GET", "/callback", "", "HTTP/1.1 400 ");
	browser_go(&browser);
	hall_close(&hall);
}

static void bodies_are_refused(void **state)
{
	(void)state;
	struct Hall hall;
	hall_open(&hall, "<p>never");
	assert_request_refused(
		&hall, "GET", "/callback?code=secret", "Content-Length: 5\r\n", "HTTP/1.1 413 ");
	assert_request_refused(
		&hall, "GET", "/callback", "Transfer-Encoding: chunked\r\n", "HTTP/1.1 413 ");
	hall_close(&hall);
}

static void a_head_may_have_32_KiB(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>yes");
	g_autofree char *fits = g_strnfill(32 * 1024 - 100, 'c');
	g_autofree char *target = g_strconcat("/callback?code=", fits, NULL);
	browser_come(&browser, &hall);
	browser_ask(&browser, "GET", target, "");
	browser_await_end(&browser);
	assert_got(&browser, "HTTP/1.1 200 ");
	assert_int_equal(hall.queries->len, strlen(fits) + strlen("[code=]"));
	browser_go(&browser);

	g_autofree char *more = g_strnfill(32 * 1024, 'c');
	g_autofree char *header = g_strconcat("Cookie: ", more, "\r\n", NULL);
	g_autofree char *long_target = g_strconcat("/callback?code=", more, NULL);
	assert_request_refused(&hall, "GET", "/callback", header, "HTTP/1.1 431 ");
	assert_request_refused(&hall, "GET", long_target, "", "HTTP/1.1 431 ");
	hall_close(&hall);
}

/* Beyond what libmicrohttpd takes into memory it answers by itself and stops reading. */
static void a_head_without_end_is_cut_off(void **state)
{
	(void)state;
	struct Hall hall;
	struct Browser browser;
	hall_open(&hall, "<p>never");
	g_autofree char *more = g_strnfill(200 * 1024, 'c');
	g_autofree char *text = g_strdup_printf("GET /callback HTTP/1.1\r\nCookie: %s", more);
	browser_come(&browser, &hall);
	browser_say(&browser, text);
	browser_await_end(&browser);
	assert_int_equal(hall.came, 0);
	browser_go(&browser);
	hall_close(&hall);
}

static void what_is_no_http_is_cut_off(void **state)
{
	(void)state;
	const char *texts[] = {"\x16\x03\x01\x02hello hello hello\r\n\r\n", "hello\r\n\r\n",
		"GET /callback\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
		"GET /callback HTTP/9.9\r\nHost: x\r\n\r\n",
		"GET /callback HTTP/1.1\r\nHost 127.0.0.1\r\n\r\n"};
	struct Hall hall;
	hall_open(&hall, "<p>never");
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		assert_refused(&hall, texts[i], "");
	hall_close(&hall);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_visit_gets_the_page_and_it_stays_with_the_browser),
		cmocka_unit_test(the_page_says_that_it_is_not_to_be_kept),
		cmocka_unit_test(visits_wait_for_their_pages_in_any_order),
		cmocka_unit_test(a_page_is_under_way_until_its_reader_has_taken_it),
		cmocka_unit_test(what_follows_a_visit_on_its_connection_is_not_heard),
		cmocka_unit_test(other_paths_are_not_here),
		cmocka_unit_test(other_methods_are_refused),
		cmocka_unit_test(another_name_for_us_is_refused),
		cmocka_unit_test(localhost_is_our_name_where_it_was_asked_for),
		cmocka_unit_test(bodies_are_refused),
		cmocka_unit_test(a_head_may_have_32_KiB),
		cmocka_unit_test(a_head_without_end_is_cut_off),
		cmocka_unit_test(what_is_no_http_is_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
