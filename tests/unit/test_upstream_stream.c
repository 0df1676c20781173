/* Streams: those that answer a request, their resumption, and the server's own notification stream. */
#include "upstream_fixture.h"

static void open_and_ask(struct Up *u, struct Ask *ask, struct Hit **hit)
{
	up_init(u);
	up_open_legacy(u, "S", QUIET_TOOLS, ADD_TOOL);
	*ask = (struct Ask){0};
	ask_add(u, ask);
	*hit = peer_await(&u->peer, "tools/call");
}

static void close_up(struct Up *u, struct Ask *ask)
{
	ask_release(ask);
	up_release(u);
}

static void test_events_that_are_no_answer_are_passed_over(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	g_autofree char *answer = result_text(hit, "{\"real\":1}");
	g_autofree char *typed = g_strdup_printf("event: other\ndata: %s\n\n", answer);
	hit_stream(hit, "");
	hit_bytes(hit, "\xef\xbb\xbfid: 1\nretry: 10\ndata:\n\n"); /* a priming event */
	hit_bytes(hit, typed);
	hit_event(hit, "rubbish");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{\"wrong\":1}}");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"whose?\"}}");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}");
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(ask.ended, 0);
	g_autofree char *bytes =
		g_strdup_printf("event: message\rdata: {\"jsonrpc\":\"2.0\",\rdata: "
				"\"id\":%s,\r\ndata: \"result\":{\"real\":2}}\r\n\r\n",
			hit->id);
	hit_bytes(hit, bytes);
	ask_await(&ask);
	assert_string_equal(strstr(ask.answer, "\"result\""), "\"result\":{\"real\":2}}");
	assert_null(strchr(ask.answer, '\n'));
	close_up(&u, &ask);
}

/* The answer is handed on at once; the stream may end in its own time and keeps its connection. */
static void test_a_stream_that_goes_on_after_its_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		struct Ask ask;
		struct Hit *hit;
		open_and_ask(&u, &ask, &hit);
		hit_stream(hit, "");
		hit_event_result(hit, "{\"n\":1}");
		hit_event_result(hit, "{\"n\":2}");
		ask_await(&ask);
		assert_ask_answer(&ask, "\"n\":1");
		if (i == 0) {
			hit_stream_end(hit);
			fixture_turn_for(&u.fixture, 20);
			ask_release(&ask);
			ask = (struct Ask){0};
			ask_add(&u, &ask);
			struct Hit *next = peer_await(&u.peer, "tools/call");
			assert_ptr_equal(next->link, hit->link);
			hit_result(next, "{}");
			ask_await(&ask);
		} else {
			hit_bytes(hit, ": for ever\n");
			clock_jump(&u.fixture, 2100);
			hit_await_close(hit);
		}
		close_up(&u, &ask);
	}
}

static void test_a_cut_stream_is_resumed_where_it_was(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	g_autofree char *answer = result_text(hit, "{\"late\":1}");
	hit_stream(hit, "");
	hit_bytes(hit, "id: e-1\nretry: 5000\ndata:\n\n");
	hit_bytes(hit, "id: e-2\ndata: {\"half\""); /* not complete, so it does not count */
	fixture_turn_for(&u.fixture, 10);
	hit_cut(hit);
	peer_await_none(&u.peer, "GET");
	clock_jump(&u.fixture, 4500);
	peer_await_none(&u.peer, "GET");
	clock_jump(&u.fixture, 600);
	struct Hit *resume = peer_await(&u.peer, "GET");
	assert_header(resume, "Last-Event-ID", "e-1");
	assert_header(resume, "Mcp-Session-Id", "S");
	assert_header(resume, "MCP-Protocol-Version", "2025-11-25");
	hit_stream(resume, "");
	hit_bytes(resume, "id: e-3\nretry: 0\ndata: "
			  "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n");
	hit_stream_end(resume); /* the server polls: an orderly end is a cut too */
	resume = peer_await(&u.peer, "GET");
	assert_header(resume, "Last-Event-ID", "e-3");
	hit_stream(resume, "");
	hit_event(resume, answer);
	ask_await(&ask);
	assert_ask_answer(&ask, "\"late\":1");
	peer_await_none(&u.peer, "tools/call");
	close_up(&u, &ask);
}

static void test_a_cut_stream_without_event_ids_is_an_error(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		struct Ask ask;
		struct Hit *hit;
		open_and_ask(&u, &ask, &hit);
		hit_stream(hit, "");
		hit_event(hit, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}");
		if (i)
			hit_stream_end(hit);
		else
			hit_cut(hit);
		ask_await(&ask);
		assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
		peer_await_none(&u.peer, "GET");
		peer_await_none(&u.peer, "tools/call");
		close_up(&u, &ask);
	}
}

static void test_modern_streams_are_not_resumed(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	hit_bytes(hit, "id: 1\nretry: 0\ndata:\n\n");
	hit_stream_end(hit);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
	peer_await_none(&u.peer, "GET");
	close_up(&u, &ask);
}

/* It may have run, so neither is it repeated nor does the server's refusal renew the session. */
static void test_a_resumption_that_is_refused(void **state)
{
	(void)state;
	static const int statuses[] = {404, 400, 405, 401};
	for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++) {
		struct Up u;
		struct Ask ask;
		struct Hit *hit;
		open_and_ask(&u, &ask, &hit);
		hit_stream(hit, "");
		hit_bytes(hit, "id: 1\nretry: 0\ndata:\n\n");
		hit_stream_end(hit);
		hit_reply(peer_await(&u.peer, "GET"), statuses[i], "", "");
		ask_await(&ask);
		g_autofree char *part = g_strdup_printf("HTTP %d", statuses[i]);
		assert_ask_failed(&ask, MUX_ERROR_BROKEN, part);
		peer_await_none(&u.peer, "tools/call");
		assert_null(peer_find(&u.peer, "initialize"));
		assert_null(peer_find(&u.peer, "GET"));
		close_up(&u, &ask);
	}
}

static void test_a_resumption_that_fails_for_now_is_tried_again(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	hit_stream(hit, "");
	hit_bytes(hit, "id: 1\nretry: 0\ndata:\n\n");
	hit_stream_end(hit);
	hit_cut(peer_await(&u.peer, "GET"));
	unsigned refused = 0;
	while (ask.ended == 0) {
		struct Hit *get = peer_find(&u.peer, "GET");
		if (get) {
			hit_reply(get, 503, "", "");
			refused++;
		}
		g_main_context_iteration(u.fixture.context, TRUE);
	}
	assert_ask_failed(&ask, MUX_ERROR_BROKEN, "HTTP 503"); /* but not for ever */
	assert_in_range(refused, 10, 21);
	close_up(&u, &ask);
}

/* "Nothing was done" would be a lie. */
static void test_a_server_that_vanished_during_a_call_is_no_unreachable_one(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	hit_stream(hit, "");
	hit_bytes(hit, "id: 1\nretry: 1\ndata:\n\n");
	fixture_turn_for(&u.fixture, 10);
	peer_vanish(&u.peer);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_BROKEN, "could not be taken up again");
	close_up(&u, &ask);
}

static void test_an_event_id_that_is_no_header_value(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	hit_stream(hit, "");
	hit_bytes(hit, "id: a\x01z\nretry: 0\ndata:\n\n");
	hit_stream_end(hit);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
	close_up(&u, &ask);
}

static void test_cancelled_while_it_waits_to_resume(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask;
	struct Hit *hit;
	open_and_ask(&u, &ask, &hit);
	hit_stream(hit, "");
	hit_bytes(hit, "id: 1\nretry: 1000\ndata:\n\n");
	hit_stream_end(hit);
	fixture_turn_for(&u.fixture, 10);
	upstream_call_cancel(ask.call);
	peer_await(&u.peer, "notifications/cancelled");
	clock_jump(&u.fixture, 1100);
	peer_await_none(&u.peer, "GET");
	close_up(&u, &ask);
}

/* The second stream has nothing to do with the event ids of the first. */
static void test_a_repeated_request_forgets_the_old_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, READ_TOOL);
	struct Ask ask = {.repeatable = true};
	ask_start(&u, &ask, ERA_LEGACY, CALL("look"));
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	hit_bytes(hit, "id: old\nretry: 0\ndata:\n\n");
	hit_stream_end(hit);
	hit_reply(peer_await(&u.peer, "GET"), 404, "", "");
	hit = peer_await(&u.peer, "tools/call"); /* it is read-only */
	hit_stream(hit, "");
	hit_stream_end(hit);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
	peer_await_none(&u.peer, "GET");
	close_up(&u, &ask);
}

/* ---- the server's own stream ---- */

static const char changed[] =
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}";

static void test_only_who_announces_changes_gets_a_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	peer_await_none(&u.peer, "GET");
	up_release(&u);
}

static void test_changes_come_on_the_get_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	assert_header(get, "Accept", "application/json, text/event-stream");
	assert_header(get, "Mcp-Session-Id", "S");
	assert_header(get, "Last-Event-ID", NULL);
	hit_stream(get, "");
	hit_event(get, "rubbish");
	hit_event(get, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}");
	peer_await(&u.peer, "answer");
	hit_event(get, "{\"jsonrpc\":\"2.0\",\"id\":\"y\",\"method\":\"sampling/createMessage\"}");
	assert_non_null(strstr(peer_await(&u.peer, "answer")->body, "-32601"));
	assert_int_equal(u.tools, 1);
	up_let_time_pass(&u);
	hit_event(get, changed);
	up_serve_tools(&u, ADD_TOOL "," READ_TOOL);
	up_await_tools(&u, 2);
	assert_int_equal(upstream_tools(u.up)->tools->len, 2);
	up_let_time_pass(&u);
	hit_event(get, changed);
	up_serve_tools(&u, ADD_TOOL "," READ_TOOL); /* the same again is no news */
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(u.tools, 2);
	up_release(&u);
}

static void test_changes_come_by_subscription(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, CHANGING_TOOLS, ADD_TOOL);
	struct Hit *listen = peer_await(&u.peer, "subscriptions/listen");
	assert_header(listen, "Mcp-Method", "subscriptions/listen");
	struct Slice params = json_get(slice_of(listen->body), "params").raw;
	assert_true(slice_is(json_get(params, "notifications").raw, "{\"toolsListChanged\":true}"));
	assert_int_equal(json_get(params, "_meta").type, JSON_OBJECT);
	hit_stream(listen, "");
	hit_event(listen,
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}");
	hit_event(listen, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"ping\"}");
	peer_await_none(&u.peer, "answer"); /* modern servers ask nothing */
	up_let_time_pass(&u);
	hit_event(listen, changed);
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	/* Its orderly end: it is opened again after a pause, and what was missed is fetched. */
	hit_event_result(listen, "{\"resultType\":\"complete\"}");
	hit_stream_end(listen);
	peer_await_none(&u.peer, "subscriptions/listen");
	clock_jump(&u.fixture, 1100);
	struct Hit *again = peer_await(&u.peer, "subscriptions/listen");
	assert_string_not_equal(again->id, listen->id);
	hit_stream(again, "");
	peer_await_none(
		&u.peer, "tools/list"); /* before it tells, a change might be missed still */
	hit_event(again,
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}");
	up_serve_tools(&u, ADD_TOOL);
	up_await_tools(&u, 3);
	up_release(&u);
}

static void test_a_broken_stream_is_opened_again_with_growing_pauses(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
	unsigned pause = 1000;
	struct Hit *get = peer_await(&u.peer, "GET");
	for (unsigned i = 0; i < 5; i++) {
		if (i == 0) {
			hit_stream(get, "");
			hit_cut(get);
		} else {
			hit_reply(get, 503, "", "");
		}
		fixture_turn_for(&u.fixture, 10);
		clock_jump(&u.fixture, pause / 2 - 50);
		peer_await_none(&u.peer, "GET");
		clock_jump(&u.fixture, pause / 2 + 100);
		get = peer_await(&u.peer, "GET");
		pause *= 2;
	}
	hit_stream(get, "");
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	hit_bytes(get, "id: 7\nretry: 9000\ndata: "
		       "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n");
	fixture_turn_for(&u.fixture, 10);
	hit_stream_end(get);
	fixture_turn_for(&u.fixture, 10);
	clock_jump(&u.fixture, 8800); /* the server's own wish is heeded */
	peer_await_none(&u.peer, "GET");
	clock_jump(&u.fixture, 300);
	assert_header(peer_await(&u.peer, "GET"), "Last-Event-ID", "7");
	up_release(&u);
}

/* Then nobody says when they change, so they are fetched when they are asked for. */
static void test_a_refused_stream_is_not_asked_for_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct Up u;
		up_init(&u);
		struct Hit *open;
		bool legacy = i < 2 || i == 5;
		if (legacy) {
			up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
			open = peer_await(&u.peer, "GET");
		} else {
			up_open_modern(&u, CHANGING_TOOLS, ADD_TOOL);
			open = peer_await(&u.peer, "subscriptions/listen");
		}
		if (i == 0)
			hit_reply(open, 405, "", "");
		if (i == 1)
			hit_reply(open, 404, "", "");
		if (i == 2)
			hit_error(open, 404, -32601, "");
		if (i == 3)
			hit_error(open, 200, -32601, "");
		if (i == 4) {
			g_autofree char *text = error_text(open, -32601, "");
			hit_stream(open, "");
			hit_event(open, text);
		}
		if (i == 5) {
			hit_stream(open, "");
			hit_event(open, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{"
					"\"code\":-32000,\"message\":\"no\"}}");
		}
		fixture_turn_for(&u.fixture, 20);
		clock_jump(&u.fixture, 400000);
		peer_await_none(&u.peer, legacy ? "GET" : "subscriptions/listen");
		assert_null(peer_find(&u.peer, "initialize"));
		upstream_refresh_stale(u.up, MCP_TOOLS);
		up_serve_tools(&u, READ_TOOL);
		up_await_tools(&u, 2);
		up_release(&u);
	}
}

static void test_an_event_over_max_message_ends_the_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\nmax_message = 1\nmax_result = 1");
	up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	g_autofree char *big = g_strnfill(600000, 'x');
	g_autofree char *line = g_strdup_printf("data: %s\n", big);
	hit_stream(get, "");
	hit_bytes(get, line);
	hit_bytes(get, line);
	hit_await_close(get);
	peer_await_none(&u.peer, "GET");
	assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
	up_release(&u);
}

/* Events that are each small may go on for ever. */
static void test_a_long_stream_is_not_gathered(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\nmax_message = 1\nmax_result = 1");
	up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	g_autofree char *big = g_strnfill(100000, 'x');
	hit_stream(get, "");
	for (unsigned i = 0; i < 30; i++) {
		hit_event(get, big);
		fixture_turn_for(&u.fixture, 2);
	}
	up_let_time_pass(&u);
	hit_event(get, changed);
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	up_release(&u);
}

static void test_a_reopened_stream_finds_out_that_the_session_is_gone(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", CHANGING_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	hit_stream(get, "");
	hit_cut(get);
	fixture_turn_for(&u.fixture, 10);
	clock_jump(&u.fixture, 1100);
	hit_reply(peer_await(&u.peer, "GET"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", CHANGING_TOOLS);
	assert_header(peer_await(&u.peer, "GET"), "Mcp-Session-Id", "S2");
	up_serve_tools(&u, READ_TOOL);
	up_await_tools(&u, 2);
	up_release(&u);
}

static void test_shutdown_ends_the_stream(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, CHANGING_TOOLS, ADD_TOOL);
	struct Hit *listen = peer_await(&u.peer, "subscriptions/listen");
	hit_stream(listen, "");
	fixture_turn_for(&u.fixture, 10);
	upstream_shutdown(u.up);
	hit_await_close(listen);
	assert_true(upstream_is_quiet(u.up));
	clock_jump(&u.fixture, 400000);
	peer_await_none(&u.peer, "subscriptions/listen");
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events_that_are_no_answer_are_passed_over),
		cmocka_unit_test(test_a_stream_that_goes_on_after_its_answer),
		cmocka_unit_test(test_a_cut_stream_is_resumed_where_it_was),
		cmocka_unit_test(test_a_cut_stream_without_event_ids_is_an_error),
		cmocka_unit_test(test_modern_streams_are_not_resumed),
		cmocka_unit_test(test_a_resumption_that_is_refused),
		cmocka_unit_test(test_a_resumption_that_fails_for_now_is_tried_again),
		cmocka_unit_test(test_a_server_that_vanished_during_a_call_is_no_unreachable_one),
		cmocka_unit_test(test_an_event_id_that_is_no_header_value),
		cmocka_unit_test(test_cancelled_while_it_waits_to_resume),
		cmocka_unit_test(test_a_repeated_request_forgets_the_old_stream),
		cmocka_unit_test(test_only_who_announces_changes_gets_a_stream),
		cmocka_unit_test(test_changes_come_on_the_get_stream),
		cmocka_unit_test(test_changes_come_by_subscription),
		cmocka_unit_test(test_a_broken_stream_is_opened_again_with_growing_pauses),
		cmocka_unit_test(test_a_refused_stream_is_not_asked_for_again),
		cmocka_unit_test(test_an_event_over_max_message_ends_the_stream),
		cmocka_unit_test(test_a_long_stream_is_not_gathered),
		cmocka_unit_test(test_a_reopened_stream_finds_out_that_the_session_is_gone),
		cmocka_unit_test(test_shutdown_ends_the_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
