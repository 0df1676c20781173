/* What happens between requests: connections kept, requests in parallel, cancelled, held. */
#include "http_fixture.h"

#include <fcntl.h>
#include <signal.h>

enum { MANY = 32 };

static void answer_each(struct ScriptedConnection *c)
{
	while (scripted_read_request(c))
		scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void stream_for_ever(struct ScriptedConnection *c)
{
	if (!scripted_read_request(c))
		return;
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
	while (scripted_send(c, ":\n\n"))
		g_usleep(2000);
	g_atomic_int_inc(&c->server->eofs);
}

/* Waits until *VALUE is WANTED, for as long as anything may take. */
static bool await_int(const int *value, int wanted)
{
	for (unsigned i = 0; i < PATIENCE_MS && g_atomic_int_get(value) < wanted; i++)
		g_usleep(1000);
	return g_atomic_int_get(value) == wanted;
}

/* ---- connections ---- */

static void requests_one_after_another_share_a_connection(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_each, NULL);
	for (unsigned i = 0; i < 10; i++) {
		struct Call call;
		call_init(&call, &http);
		call_run(&call, "/");
		assert_answered(&call, 200, "hello");
		call_release(&call);
	}
	assert_int_equal(http.server.connections, 1);
	assert_int_equal(http.server.requests, 10);
	http_release(&http);
}

static void answer_once_then_close(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void a_connection_closed_while_idle_costs_no_request(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_once_then_close, NULL);
	for (unsigned i = 0; i < 5; i++) {
		struct Call call;
		call_init(&call, &http);
		call_run(&call, "/");
		assert_answered(&call, 200, "hello");
		call_release(&call);
		/* Sometimes the end is seen in time, sometimes the next request meets it. */
		if (i % 2 == 0)
			fixture_turn_for(&http.fixture, 10);
	}
	assert_int_equal(http.server.requests, 5);
	http_release(&http);
}

static void drop_the_second(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	scripted_read_request(
		c); /* and close without an answer, as a server whose idle time is up */
}

static void a_kept_connection_that_dies_under_a_post_is_replaced(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, drop_the_second, NULL);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", http.server.port);
	for (unsigned i = 0; i < 3; i++) {
		struct Call call;
		call_init(&call, &http);
		struct HttpSpec spec = {.method = HTTP_POST,
			.url = url,
			.body = SLICE("body"),
			.connect_timeout_ms = 5000,
			.max_body = MIB};
		call_start_spec(&call, &spec);
		turn_until(&http.fixture, call.dones, 1);
		assert_answered(&call, 200, "hello");
		assert_string_equal(http.server.last_body->str, "body");
		call_release(&call);
	}
	assert_int_equal(http.server.connections, 3);
	assert_int_equal(http.server.requests, 5);
	http_release(&http);
}

/* Answers when the whole round's requests are there: it never would if they came one by one. */
/* What must not be done twice is an error then, though libcurl would send it again. */
static void a_request_for_once_is_not_sent_again(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, drop_the_second, NULL);
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", http.server.port);
	for (unsigned i = 0; i < 2; i++) {
		struct Call call;
		call_init(&call, &http);
		struct HttpSpec spec = {.method = HTTP_POST,
			.url = url,
			.body = SLICE("body"),
			.connect_timeout_ms = 5000,
			.once = true,
			.max_body = MIB};
		call_start_spec(&call, &spec);
		turn_until(&http.fixture, call.dones, 1);
		if (i == 0)
			assert_answered(&call, 200, "hello");
		else
			assert_failed(&call, MUX_ERROR_BROKEN, "without an answer");
		assert_true(call.was_sent);
		call_release(&call);
	}
	assert_int_equal(http.server.requests, 2);
	http_release(&http);
}

static void answer_rounds(struct ScriptedConnection *c)
{
	for (int round = 1; scripted_read_request(c); round++) {
		if (!await_int(&c->server->requests, round * MANY))
			return;
		scripted_sendf(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n%05u", c->number);
	}
}

static void many_run_in_parallel_and_their_connections_are_kept(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_rounds, NULL);
	for (unsigned round = 0; round < 3; round++) {
		struct Call calls[MANY];
		for (unsigned i = 0; i < MANY; i++) {
			call_init(&calls[i], &http);
			call_start(&calls[i], "/");
		}
		for (unsigned i = 0; i < MANY; i++) {
			turn_until(&http.fixture, calls[i].dones, 1);
			assert_null(calls[i].error);
			assert_int_equal(calls[i].body->len, 5);
			call_release(&calls[i]);
		}
	}
	assert_int_equal(http.server.connections, MANY);
	http_release(&http);
}

static unsigned turns;

static void count_turn(void *user)
{
	(void)user;
	turns++;
}

static void kept_connections_wake_nobody(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	loop_set_hook(http.fixture.loop, LOOP_STAGE_OUTPUT, count_turn, NULL);
	call_init(&call, &http);
	call_run(&call, "/");
	fixture_turn_for(&http.fixture, 300);
	turns = 0;
	fixture_turn_for(&http.fixture, 300);
	assert_int_equal(turns, 0);
	call_release(&call);
	http_release(&http);
}

static void an_idle_connection_that_ends_wakes_once(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_once_then_close, NULL);
	loop_set_hook(http.fixture.loop, LOOP_STAGE_OUTPUT, count_turn, NULL);
	call_init(&call, &http);
	call_run(&call, "/");
	turns = 0;
	fixture_turn_for(&http.fixture, 100);
	assert_in_range(turns, 0, 2);
	call_release(&call);
	http_release(&http);
}

/* ---- handlers that act ---- */

static void cancel_own(struct Call *call)
{
	http_request_cancel(call->request);
	http_request_cancel(call->request); /* the request lives until the handler returns */
	assert_int_equal(http_request_status(call->request), 200);
}

static void cancelled_in_head_or_data_nothing_more_is_told(void **state)
{
	(void)state;
	for (unsigned in_data = 0; in_data < 2; in_data++) {
		struct Http http;
		struct Call call;
		http_init(&http, stream_for_ever, NULL);
		call_init(&call, &http);
		if (in_data)
			call.on_data = cancel_own;
		else
			call.on_head = cancel_own;
		call_start(&call, "/");
		turn_until(&http.fixture, *(in_data ? &call.datas : &call.heads), 1);
		fixture_turn_for(&http.fixture, 20);
		assert_int_equal(call.heads, 1);
		assert_int_equal(call.datas, in_data);
		assert_int_equal(call.dones, 0);
		/* The server is told: its connection ended. */
		assert_true(await_int(&http.server.eofs, 1));
		call_release(&call);
		http_release(&http);
	}
}

static void cancel_other(struct Call *call)
{
	if (call->other->dones == 0)
		g_clear_pointer(&call->other->request, http_request_cancel);
}

static void answer_together(struct ScriptedConnection *c)
{
	while (scripted_read_request(c)) {
		await_int(&c->server->requests, MANY);
		scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	}
}

static void a_handler_may_cancel_others_that_have_news(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_together, NULL);
	struct Call calls[MANY];
	for (unsigned i = 0; i < MANY; i++) {
		call_init(&calls[i], &http);
		calls[i].other = &calls[i ^ 1];
		calls[i].on_head = i % 4 < 2 ? cancel_other : NULL;
		calls[i].on_done = i % 4 < 2 ? NULL : cancel_other;
		call_start(&calls[i], "/");
	}
	for (unsigned i = 0; i < MANY; i += 2) {
		/* One of each pair is cancelled by the other. */
		for (unsigned turn = 0; turn < PATIENCE_MS; turn++) {
			if (calls[i].dones + calls[i + 1].dones > 0)
				break;
			fixture_turn_for(&http.fixture, 1);
		}
	}
	fixture_turn_for(&http.fixture, 20);
	for (unsigned i = 0; i < MANY; i += 2) {
		assert_int_equal(calls[i].dones + calls[i + 1].dones, 1);
		assert_null(calls[i].request);
		assert_null(calls[i + 1].request);
	}
	for (unsigned i = 0; i < MANY; i++)
		call_release(&calls[i]);
	http_release(&http);
}

static void cancelled_before_the_loop_turned_nothing_is_sent(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_each, NULL);
	call_init(&call, &http);
	call_start(&call, "/");
	http_request_cancel(call.request);
	fixture_turn_for(&http.fixture, 30);
	assert_int_equal(call.heads + call.datas + call.dones, 0);
	assert_int_equal(http.server.requests, 0);
	http_request_cancel(NULL);
	call_release(&call);
	http_release(&http);
}

static void start_other(struct Call *call)
{
	call_start(call->other, "/other");
}

static void a_handler_may_start_another(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, answer_each, NULL);
	struct Call a, b, c;
	call_init(&a, &http);
	call_init(&b, &http);
	call_init(&c, &http);
	a.on_done = start_other;
	a.other = &b;
	b.on_head = start_other;
	b.other = &c;
	call_start(&a, "/");
	turn_until(&http.fixture, c.dones, 1);
	turn_until(&http.fixture, b.dones, 1);
	assert_answered(&a, 200, "hello");
	assert_answered(&b, 200, "hello");
	assert_answered(&c, 200, "hello");
	/* In `done` the connection is free again, and in `head` it may be. */
	assert_in_range(http.server.connections, 1, 2);
	call_release(&a);
	call_release(&b);
	call_release(&c);
	http_release(&http);
}

static void start_bad_again(struct Call *call)
{
	if (++call->heads < 1000) {
		struct HttpSpec spec = {.url = "ftp://x/", .max_body = MIB};
		call->dones = 0;
		g_clear_error(&call->error);
		call_start_spec(call, &spec);
	}
}

static void requests_that_fail_at_once_for_ever_starve_no_timer(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, NULL, NULL);
	call_init(&call, &http);
	call.on_done = start_bad_again;
	loop_set_hook(http.fixture.loop, LOOP_STAGE_OUTPUT, count_turn, NULL);
	turns = 0;
	call_start_url(&call, "ftp://x/");
	turn_until(&http.fixture, call.heads, 1000);
	assert_true(turns > 1000 / 100);
	call_release(&call);
	http_release(&http);
}

static void freeing_the_client_ends_everything_silently(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, stream_for_ever, NULL);
	struct Call calls[4];
	for (unsigned i = 0; i < 4; i++) {
		call_init(&calls[i], &http);
		call_start(&calls[i], "/");
	}
	turn_until(&http.fixture, calls[0].heads, 1);
	struct Call late;
	call_init(&late, &http);
	call_start(&late, "/");
	http_release(&http);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(calls[i].dones, 0);
		call_release(&calls[i]);
	}
	assert_int_equal(late.heads + late.dones, 0);
	call_release(&late);
	http_client_free(NULL);
}

/* ---- holding ---- */

static void send_large(struct ScriptedConnection *c)
{
	enum { BLOCK = 65536 };
	g_autofree char *block = g_malloc(BLOCK);
	while (scripted_read_request(c)) {
		bool stream = strstr(c->head->str, "/stream") != NULL;
		if (stream)
			scripted_send(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
		else
			scripted_sendf(
				c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 16 * MIB);
		for (unsigned i = 0; i < 16 * MIB / BLOCK; i++) {
			memset(block, 'a' + (int)(i % 26), BLOCK);
			if (!scripted_send_bytes(c, block, BLOCK))
				return;
		}
		if (stream)
			return;
	}
}

static void start_large(struct Call *call, const char *path, size_t max_body)
{
	g_autofree char *url =
		g_strdup_printf("http://127.0.0.1:%u%s", call->http->server.port, path);
	struct HttpSpec spec = {.url = url, .connect_timeout_ms = 5000, .max_body = max_body};
	call_start_spec(call, &spec);
}

static void assert_large(const GString *body)
{
	assert_int_equal(body->len, 16 * MIB);
	for (size_t i = 0; i < 16 * MIB; i += 4096)
		assert_int_equal(body->str[i], 'a' + (int)(i / 65536 % 26));
}

static void hold_client(struct Call *call)
{
	if (call->datas == 1)
		http_client_hold(call->http->client, true);
}

static void held_transfers_pause_and_go_on_whole(void **state)
{
	(void)state;
	struct Http http;
	http_init(&http, send_large, NULL);
	struct Call calls[2];
	for (unsigned i = 0; i < 2; i++) {
		call_init(&calls[i], &http);
		calls[i].consume = true;
		calls[i].on_data = hold_client;
		start_large(&calls[i], i ? "/stream" : "/", 16 * MIB);
	}
	turn_until(&http.fixture, calls[0].heads, 1);
	for (unsigned round = 0; round < 3; round++) {
		fixture_turn_for(&http.fixture, 50);
		size_t got = calls[0].body->len + calls[1].body->len;
		fixture_turn_for(&http.fixture, 50);
		if (round == 2)
			assert_int_equal(got, calls[0].body->len + calls[1].body->len);
		http_client_hold(http.client, false);
		if (round < 2)
			http_client_hold(http.client, true);
	}
	for (unsigned i = 0; i < 2; i++) {
		turn_until(&http.fixture, calls[i].dones, 1);
		assert_null(calls[i].error);
		assert_large(calls[i].body);
		call_release(&calls[i]);
	}
	http_release(&http);
}

static void an_overflow_at_release_ends_the_request(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, send_large, NULL);
	call_init(&call, &http);
	http_client_hold(http.client, true);
	start_large(&call, "/stream", 1000);
	turn_until(&http.fixture, call.heads, 1);
	fixture_turn_for(&http.fixture, 20);
	assert_int_equal(call.datas + call.dones, 0);
	http_client_hold(http.client, false);
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_TOO_LARGE, "MiB");
	call_release(&call);
	http_release(&http);
}

static void cancelled_while_held(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, send_large, NULL);
	call_init(&call, &http);
	http_client_hold(http.client, true);
	start_large(&call, "/", 16 * MIB);
	turn_until(&http.fixture, call.heads, 1);
	fixture_turn_for(&http.fixture, 10);
	http_request_cancel(call.request);
	http_client_hold(http.client, false);
	fixture_turn_for(&http.fixture, 10);
	assert_int_equal(call.datas + call.dones, 0);
	call_release(&call);
	http_release(&http);
}

/* ---- memory ---- */

#if !defined(__SANITIZE_ADDRESS__)
static size_t peak_kib(void)
{
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
	return (size_t)g_ascii_strtoull(strstr(text, "VmHWM:") + 6, NULL, 10);
}

static void reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC); /* only root may read it */
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "5", 1), 1);
	close(fd);
}

static void steal_body(struct HttpRequest *request, const GError *error, void *user)
{
	struct Call *call = user;
	assert_null(error);
	size_t len;
	g_autofree char *bytes = buffer_steal(http_request_body(request), &len);
	assert_int_equal(len, 16 * MIB);
	call->dones++;
}
#endif

static void a_large_answer_costs_its_own_size(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* freed memory stays in quarantine */
#else
	static const struct HttpHandlers stealing = {.done = steal_body};
	struct Http http;
	struct Call call;
	http_init(&http, send_large, NULL);
	call_init(&call, &http);
	start_large(&call, "/", 16 * MIB);
	turn_until(&http.fixture, call.dones, 1);
	call_release(&call);
	call_init(&call, &http);
	reset_peak();
	size_t before = peak_kib();
	g_autofree char *url = g_strdup_printf("http://127.0.0.1:%u/", http.server.port);
	struct HttpSpec spec = {.url = url, .connect_timeout_ms = 5000, .max_body = 16 * MIB};
	http_request_start(http.client, &spec, &stealing, &call);
	turn_until(&http.fixture, call.dones, 1);
	assert_in_range(peak_kib() - before, 0, 17 * 1024);
	call_release(&call);
	http_release(&http);
#endif
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_one_after_another_share_a_connection),
		cmocka_unit_test(a_connection_closed_while_idle_costs_no_request),
		cmocka_unit_test(a_kept_connection_that_dies_under_a_post_is_replaced),
		cmocka_unit_test(a_request_for_once_is_not_sent_again),
		cmocka_unit_test(many_run_in_parallel_and_their_connections_are_kept),
		cmocka_unit_test(kept_connections_wake_nobody),
		cmocka_unit_test(an_idle_connection_that_ends_wakes_once),
		cmocka_unit_test(cancelled_in_head_or_data_nothing_more_is_told),
		cmocka_unit_test(a_handler_may_cancel_others_that_have_news),
		cmocka_unit_test(cancelled_before_the_loop_turned_nothing_is_sent),
		cmocka_unit_test(a_handler_may_start_another),
		cmocka_unit_test(requests_that_fail_at_once_for_ever_starve_no_timer),
		cmocka_unit_test(freeing_the_client_ends_everything_silently),
		cmocka_unit_test(held_transfers_pause_and_go_on_whole),
		cmocka_unit_test(an_overflow_at_release_ends_the_request),
		cmocka_unit_test(cancelled_while_held),
		cmocka_unit_test(a_large_answer_costs_its_own_size),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
