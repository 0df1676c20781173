/* Answers and failures of single requests; test_http_flow.c has what happens between requests. */
#include "http_fixture.h"

#include <signal.h>

/* ---- answers ---- */

static void answer_each(struct ScriptedConnection *c)
{
	while (scripted_read_request(c))
		scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: one\r\n"
				 "x-a: two\r\n\r\nhello");
}

static void an_answer_comes_as_head_data_done(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	call_init(&call, &http);
	call.want_header = "X-a";
	call_run(&call, "/path?q=1");
	assert_answered(&call, 200, "hello");
	assert_int_equal(call.heads, 1);
	assert_true(call.datas >= 1);
	assert_string_equal(call.header, "two");
	assert_true(call.was_sent);
	assert_non_null(strstr(http.server.log->str, "GET /path?q=1 HTTP/1.1\r\n"));
	assert_non_null(strstr(http.server.log->str, "User-Agent: mcp-mux-test/1\r\n"));
	assert_null(strstr(http.server.log->str, "Accept-Encoding"));
	call_release(&call);
	http_release(&http);
}

static void answer_chunked_slowly(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (unsigned i = 0; i < 5; i++) {
		g_usleep(15 * 1000);
		scripted_sendf(c, "2\r\n%u,\r\n", i);
	}
	scripted_send(c, "0\r\nX-Trailer: late\r\n\r\n");
	scripted_await_eof(c);
}

static void chunks_come_as_they_are_sent(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_chunked_slowly, NULL);
	call_init(&call, &http);
	call.consume = true;
	call_run(&call, "/");
	assert_answered(&call, 200, "0,1,2,3,4,");
	assert_true(call.datas >= 4);
	call_release(&call);
	http_release(&http);
}

static void answer_head_then_wait(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
	scripted_await_eof(c);
}

static void the_head_is_told_before_any_body(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_head_then_wait, NULL);
	call_init(&call, &http);
	call.want_header = "content-type";
	call_start(&call, "/");
	turn_until(&http.fixture, call.heads, 1);
	assert_int_equal(call.status, 200);
	assert_string_equal(call.header, "text/event-stream");
	assert_int_equal(call.datas + call.dones, 0);
	http_request_cancel(call.request);
	call_release(&call);
	http_release(&http);
}

static void answer_after_interim(struct ScriptedConnection *c)
{
	while (scripted_read_request(c)) {
		scripted_send(c, "HTTP/1.1 100 Continue\r\nX-A: interim\r\n\r\n");
		g_usleep(20 * 1000);
		scripted_send(c, "HTTP/1.1 103 Early Hints\r\nX-A: hint\r\nX-B: hint\r\n\r\n");
		g_usleep(20 * 1000);
		scripted_send(c, "HTTP/1.1 202 Accepted\r\nX-A: final\r\n"
				 "Content-Length: 0\r\n\r\n");
	}
}

static void interim_answers_do_not_count(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_after_interim, NULL);
	call_init(&call, &http);
	call.want_header = "X-A";
	call_run(&call, "/");
	assert_answered(&call, 202, "");
	assert_string_equal(call.header, "final");
	assert_int_equal(call.heads, 1);
	assert_int_equal(call.datas, 0);
	call_release(&call);
	call_init(&call, &http);
	call.want_header = "X-B";
	call_run(&call, "/");
	assert_null(call.header);
	call_release(&call);
	http_release(&http);
}

static void redirect(struct ScriptedConnection *c)
{
	while (scripted_read_request(c))
		scripted_sendf(c,
			"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%u/other\r\n"
			"Set-Cookie: a=b\r\nContent-Length: 4\r\n\r\nmove",
			c->server->port);
}

static void redirects_are_answers_and_cookies_are_not_kept(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, redirect, NULL);
	for (unsigned i = 0; i < 2; i++) {
		struct Call call;
		call_init(&call, &http);
		call_run(&call, "/");
		assert_answered(&call, 302, "move");
		call_release(&call);
	}
	assert_int_equal(http.server.requests, 2);
	assert_null(strstr(http.server.log->str, "Cookie"));
	assert_null(strstr(http.server.log->str, "/other"));
	http_release(&http);
}

/* ---- what is sent ---- */

static void run_post(
	struct Call *call, enum HttpMethod method, struct HttpHeaders *headers, struct Slice body)
{
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/mcp", call->http->server.port);
	struct HttpSpec spec = {.method = method,
		.url = url,
		.headers = headers,
		.body = body,
		.connect_timeout_ms = 5000,
		.max_body = MIB};
	call_start_spec(call, &spec);
	turn_until(&call->http->fixture, call->dones, 1);
	assert_answered(call, 200, "hello");
}

static void methods_headers_and_bodies_are_sent_and_forgotten(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_each, NULL);
	struct HttpHeaders *headers = http_headers_new();
	assert_true(http_headers_add(headers, "Content-Type", "application/json", NULL));
	assert_true(http_headers_add(headers, "X-Empty", "", NULL));
	assert_true(http_headers_add(headers, "Authorization", "Bearer t\xc3\xb6ken\t1", NULL));
	const enum HttpMethod methods[] = {HTTP_POST, HTTP_DELETE, HTTP_GET, HTTP_POST};
	for (unsigned i = 0; i < 4; i++) {
		struct Call call;
		call_init(&call, &http);
		g_string_truncate(http.server.log, 0);
		struct Slice body = i == 0 ? SLICE("{\"a\":1}") : (struct Slice){0};
		run_post(&call, methods[i], i < 2 ? headers : NULL, body);
		const char *log = http.server.log->str;
		assert_true(g_str_has_prefix(log, i == 1   ? "DELETE /mcp "
						  : i == 2 ? "GET /mcp "
							   : "POST /mcp "));
		assert_string_equal(http.server.last_body->str, i == 0 ? "{\"a\":1}" : "");
		assert_int_equal(
			strstr(log, "Authorization: Bearer t\xc3\xb6ken\t1\r\n") != NULL, i < 2);
		assert_int_equal(strstr(log, "X-Empty:\r\n") != NULL, i < 2);
		assert_null(strstr(log, "Expect"));
		assert_int_equal(strstr(log, "Content-Length: ") != NULL, i == 0 || i == 3);
		call_release(&call);
	}
	http_headers_unref(headers);
	assert_int_equal(http.server.connections, 1);
	http_release(&http);
}

static void a_large_body_waits_for_no_permission(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	call_init(&call, &http);
	g_autofree char *body = g_malloc(2 * MIB);
	memset(body, 'b', 2 * MIB);
	gint64 start_us = g_get_monotonic_time();
	run_post(&call, HTTP_POST, NULL, (struct Slice){body, 2 * MIB});
	assert_true(g_get_monotonic_time() - start_us < 900 * 1000);
	assert_int_equal(http.server.last_body->len, 2 * MIB);
	assert_memory_equal(http.server.last_body->str, body, 2 * MIB);
	call_release(&call);
	http_release(&http);
}

static void bad_headers_are_refused_and_nothing_is_added(void **state)
{
	(void)state;
	struct HttpHeaders *headers = http_headers_new();
	const char *const names[] = {"", "a b", "a:b", "a\r\nb", "a\xc3\xa4", "(a)"};
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autoptr(GError) error = NULL;
		assert_false(http_headers_add(headers, names[i], "v", &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	}
	const char *const values[] = {"secret\r", "secret\nX: y", "secret\x01", "secret\x7f"};
	for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autoptr(GError) error = NULL;
		assert_false(http_headers_add(headers, "n", values[i], &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
		assert_null(strstr(error->message, "secret"));
	}
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	call_init(&call, &http);
	struct HttpHeaders *copy = http_headers_copy(headers);
	assert_true(http_headers_add(copy, "X-Copy", "1", NULL));
	run_post(&call, HTTP_GET, headers, (struct Slice){0});
	assert_null(strstr(http.server.log->str, "X-Copy"));
	assert_null(strstr(http.server.log->str, "secret"));
	call_release(&call);
	call_init(&call, &http);
	http_headers_unref(headers); /* the copy stands alone */
	run_post(&call, HTTP_GET, copy, (struct Slice){0});
	assert_non_null(strstr(http.server.log->str, "X-Copy: 1\r\n"));
	assert_null(strstr(http.server.log->str, "Expect"));
	http_headers_unref(copy);
	call_release(&call);
	http_release(&http);
	http_headers_unref(NULL);
}

static void a_header_that_is_replaced(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	call_init(&call, &http);
	struct HttpHeaders *headers = http_headers_new();
	assert_true(http_headers_add(headers, "X-One", "first", NULL));
	assert_true(http_headers_add(headers, "X-Other", "stays", NULL));
	assert_true(http_headers_add(headers, "x-one", "", NULL));
	assert_true(http_headers_add(headers, "X-One-More", "stays too", NULL));
	assert_true(http_headers_replace(headers, "X-ONE", "second", NULL));
	assert_true(http_headers_replace(headers, "X-New", "third", NULL));
	assert_false(http_headers_replace(headers, "X-Other", "\n", NULL)); /* nothing changes */
	run_post(&call, HTTP_GET, headers, (struct Slice){0});
	const char *log = http.server.log->str;
	assert_non_null(strstr(log, "\r\nX-Other: stays\r\nX-One-More: stays too\r\n"
				    "X-ONE: second\r\nX-New: third\r\n"));
	assert_null(strstr(log, "first"));
	assert_null(strstr(log, "x-one"));
	http_headers_unref(headers);
	call_release(&call);
	http_release(&http);
}

/* ---- failures ---- */

static void cut_length(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
}

static void cut_chunk(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf");
}

static void cut_headers(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Le");
}

static void reset_in_body(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
	g_usleep(30 * 1000);
	scripted_reset(c);
}

static void reset_at_once(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_reset(c);
}

static void say_nothing(struct ScriptedConnection *c)
{
	scripted_read_request(c);
}

static void say_rubbish(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "220 smtp.example ESMTP\r\n");
}

static void broken_answers_are_told_as_broken(void **state)
{
	(void)state;
	static const struct {
		Script *script;
		const char *text;
		bool head;
	} cases[] = {
		{cut_length, "in the middle of the answer", true},
		{cut_chunk, "in the middle of the answer", true},
		{cut_headers, "in the middle of the headers", false},
		{reset_in_body, "", true},
		{reset_at_once, "", false},
		{say_nothing, "without an answer", false},
		{say_rubbish, "", false},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Http http;
		struct Call call;
		http_init(&http, cases[i].script, NULL);
		call_init(&call, &http);
		call_run(&call, "/?secret=1");
		assert_failed(&call, MUX_ERROR_BROKEN, cases[i].text);
		g_autofree char *authority = g_strdup_printf("127.0.0.1:%u", http.server.port);
		assert_failed(&call, MUX_ERROR_BROKEN, authority);
		assert_null(strstr(call.error->message, "secret"));
		assert_true(call.was_sent);
		assert_int_equal(call.heads, cases[i].head);
		if (cases[i].head)
			assert_string_equal(call.body->str, "half");
		call_release(&call);
		http_release(&http);
	}
}

static void a_refused_connection_is_unreachable_and_unsent(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, NULL, NULL);
	unsigned port;
	close(scripted_listen(&port, 1));
	call_init(&call, &http);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/?secret=1", port);
	g_autofree char *authority = g_strdup_printf("127.0.0.1:%u: Connection refused", port);
	call_start_url(&call, url);
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, authority);
	assert_null(strstr(call.error->message, "secret"));
	assert_false(call.was_sent);
	assert_int_equal(call.heads + call.datas, 0);
	call_release(&call);
	http_release(&http);
}

static void unusable_urls_are_unreachable(void **state)
{
	(void)state;
	const char *const urls[] = {"", "http://", "ftp://127.0.0.1/", "file:///etc/passwd",
		"http://a b/", "http://127.0.0.1:99999/", "http://[::1/"};
	struct Http http;
	http_init(&http, NULL, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(urls); i++) {
		struct Call call;
		call_init(&call, &http);
		call_start_url(&call, urls[i]);
		turn_until(&http.fixture, call.dones, 1);
		assert_failed(&call, MUX_ERROR_UNREACHABLE, "");
		assert_false(call.was_sent);
		call_release(&call);
	}
	http_release(&http);
}

static void connecting_has_a_limit(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, NULL, NULL);
	/* A full queue of connections nobody accepts: the kernel then drops further ones. */
	unsigned port;
	int listener = scripted_listen(&port, 0);
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
	int fillers[4];
	for (unsigned i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	call_init(&call, &http);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", port);
	struct HttpSpec spec = {.url = url, .connect_timeout_ms = 200, .max_body = MIB};
	gint64 start_us = g_get_monotonic_time();
	call_start_spec(&call, &spec);
	turn_until(&http.fixture, call.dones, 1);
	gint64 took_us = g_get_monotonic_time() - start_us;
	assert_failed(&call, MUX_ERROR_TIMEOUT, "within 0.2 s");
	assert_false(call.was_sent);
	assert_in_range(took_us, 199 * 1000, 2000 * 1000);
	for (unsigned i = 0; i < 4; i++)
		close(fillers[i]);
	close(listener);
	call_release(&call);
	http_release(&http);
}

/* ---- limits ---- */

static void announce_too_much(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_sendf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nx", MIB + 1);
	scripted_await_eof(c);
}

static void send_too_much(struct ScriptedConnection *c)
{
	g_autofree char *block = g_malloc0(65536);
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\n\r\n");
	while (scripted_send_bytes(c, block, 65536))
		;
}

static void send_endless_headers(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\n");
	while (scripted_send(c, "X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"))
		;
}

static void send_endless_interim(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	while (scripted_send(c, "HTTP/1.1 103 Early Hints\r\nX-Filler: aaaaaaaaaaaaaaa\r\n\r\n"))
		;
}

static void answers_over_the_limits_are_too_large(void **state)
{
	(void)state;
	static const struct {
		Script *script;
		const char *text;
	} cases[] = {
		{announce_too_much, "is over 1 MiB"},
		{send_too_much, "is over 1 MiB"},
		{send_endless_headers, "headers"},
		{send_endless_interim, "headers"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Http http;
		struct Call call;
		http_init(&http, cases[i].script, NULL);
		call_init(&call, &http);
		call_run(&call, "/");
		assert_failed(&call, MUX_ERROR_TOO_LARGE, cases[i].text);
		assert_true(call.was_sent);
		assert_true(call.body->len <= MIB);
		/* The next one gets a fresh connection and is none the worse. */
		struct Call next;
		call_init(&next, &http);
		call_run(&next, "/");
		assert_failed(&next, MUX_ERROR_TOO_LARGE, cases[i].text);
		call_release(&next);
		call_release(&call);
		http_release(&http);
	}
}

static void stream_much(struct ScriptedConnection *c)
{
	g_autofree char *block = g_malloc(65536);
	memset(block, 's', 65536);
	scripted_read_request(c);
	scripted_sendf(c,
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
		"Content-Length: %d\r\n\r\n",
		5 * MIB);
	for (unsigned i = 0; i < 5 * MIB / 65536; i++)
		scripted_send_bytes(c, block, 65536);
	scripted_await_eof(c);
}

static void a_stream_that_is_consumed_may_pass_the_limit(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, stream_much, NULL);
	call_init(&call, &http);
	call.consume = true;
	call_run(&call, "/");
	assert_null(call.error);
	assert_int_equal(call.body->len, 5 * MIB);
	call_release(&call);
	http_release(&http);
}

static void exactly_the_limit(struct ScriptedConnection *c)
{
	g_autofree char *block = g_malloc(MIB);
	memset(block, 'e', MIB);
	while (scripted_read_request(c)) {
		scripted_sendf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", MIB);
		scripted_send_bytes(c, block, MIB);
	}
}

static void the_limit_itself_is_allowed_and_sizes_the_buffer(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, exactly_the_limit, NULL);
	call_init(&call, &http);
	call_run(&call, "/");
	assert_null(call.error);
	assert_int_equal(call.body->len, MIB);
	call_release(&call);
	http_release(&http);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_comes_as_head_data_done),
		cmocka_unit_test(chunks_come_as_they_are_sent),
		cmocka_unit_test(the_head_is_told_before_any_body),
		cmocka_unit_test(interim_answers_do_not_count),
		cmocka_unit_test(redirects_are_answers_and_cookies_are_not_kept),
		cmocka_unit_test(methods_headers_and_bodies_are_sent_and_forgotten),
		cmocka_unit_test(a_large_body_waits_for_no_permission),
		cmocka_unit_test(bad_headers_are_refused_and_nothing_is_added),
		cmocka_unit_test(a_header_that_is_replaced),
		cmocka_unit_test(broken_answers_are_told_as_broken),
		cmocka_unit_test(a_refused_connection_is_unreachable_and_unsent),
		cmocka_unit_test(unusable_urls_are_unreachable),
		cmocka_unit_test(connecting_has_a_limit),
		cmocka_unit_test(answers_over_the_limits_are_too_large),
		cmocka_unit_test(a_stream_that_is_consumed_may_pass_the_limit),
		cmocka_unit_test(the_limit_itself_is_allowed_and_sizes_the_buffer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
