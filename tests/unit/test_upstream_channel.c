/* The HTTP+SSE transport: when it is tried, what its stream must begin with, and what becomes of a channel that cannot be
 * opened or breaks. */
#include "channel_fixture.h"

static void assert_not_open(struct Up *u, int code, const char *part)
{
	up_await_state(u, UPSTREAM_FAILED);
	const GError *error = upstream_error(u->up);
	if (!strstr(error->message, part))
		fail_msg("\"%s\" lacks \"%s\"", error->message, part);
	assert_int_equal(error->code, code);
}

/* ---- when it is tried ---- */

static void test_it_is_tried_when_both_eras_were_refused(void **state)
{
	(void)state;
	static const int statuses[] = {400, 404, 405, 406, 410};
	for (unsigned i = 0; i < 2 * G_N_ELEMENTS(statuses); i++) {
		struct Up u;
		up_init_with(&u, "auth = none\nheader.X-Own = yes");
		upstream_offer_revision(u.up, "2025-03-26");
		upstream_open(u.up, i % 2 ? ERA_MODERN : ERA_LEGACY);
		sse_refuse_posts(&u, statuses[i / 2]);
		struct Hit *stream = sse_serve_stream(&u);
		assert_header(stream, "X-Own", "yes");
		struct Hit *hit = sse_await_post(&u, "initialize");
		struct JsonValue params = json_get(slice_of(hit->body), "params");
		assert_true(
			slice_is(json_get(params.raw, "protocolVersion").raw, "\"2025-03-26\""));
		assert_header(hit, "X-Own", "yes");
		assert_header(hit, "Content-Type", "application/json");
		assert_header(hit, "MCP-Protocol-Version", NULL);
		sse_accept(hit);
		/* Not before it was answered, and nothing before that was accepted. */
		peer_await_none(&u.peer, "notifications/initialized");
		sse_answer(stream, hit,
			"{\"protocolVersion\":\"2024-11-05\",\"capabilities\":" CHANGING_TOOLS
			",\"instructions\":\"Be brief.\"}");
		struct Hit *initialized = sse_await_post(&u, "notifications/initialized");
		peer_await_none(&u.peer, "tools/list");
		sse_accept(initialized);
		sse_serve_tools(&u, stream);
		up_await_settled(&u);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		assert_string_equal(upstream_revision(u.up), "2024-11-05");
		assert_string_equal(upstream_instructions(u.up), "Be brief.");
		assert_int_equal(upstream_era(u.up), ERA_LEGACY);
		assert_int_equal(upstream_tools(u.up)->tools->len, 1);
		/* Of eras over Streamable HTTP this says nothing. */
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_NONE);
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_MODERN), ERA_FACT_NONE);
		/* There is no other stream. */
		peer_await_none(&u.peer, "GET");
		up_release(&u);
	}
}

static void test_it_is_not_tried_elsewhere(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers, *body;
	} answers[] = {
		{200, "",
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32601,\"message\":"
			"\"\"}}"},
		{301, "Location: /other\r\n", ""},
		{200, "Content-Type: text/html\r\n", "<p>"},
		{401, "", ""},
		{403, "", ""},
		{429, "", ""},
		{500, "", ""},
		{400, "",
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32020,\"message\":\"\"}"
			"}"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		hit_reply(peer_await(&u.peer, "initialize"), answers[i].status, answers[i].headers,
			answers[i].body);
		while (upstream_state(u.up) != UPSTREAM_FAILED) {
			struct Hit *hit = peer_find(&u.peer, "server/discover");
			if (hit)
				hit_reply(hit, 404, "Content-Type: text/plain\r\n", "");
			fixture_turn_for(&u.fixture, 1);
		}
		peer_await_none(&u.peer, "GET");
		up_release(&u);
	}
}

/* One error says that none of the three was spoken. */
static void test_a_server_that_speaks_none_of_them(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers;
		int code;
		const char *words;
	} answers[] = {
		{404, "", MUX_ERROR_UPSTREAM, "HTTP 404"},
		{405, "", MUX_ERROR_UPSTREAM, "HTTP 405"},
		{302, "Location: /x\r\n", MUX_ERROR_UPSTREAM, "a redirect, which is not followed"},
		{500, "", MUX_ERROR_UPSTREAM, "HTTP 500"},
		{503, "Retry-After: 5\r\n", MUX_ERROR_BUSY, "HTTP 503, retry after 5 seconds"},
		{200, "", MUX_ERROR_UPSTREAM, "GET with application/json instead of an event"},
		{200, "Content-Type: text/html\r\n", MUX_ERROR_UPSTREAM, "GET with text/html"},
		{200, "Content-Type:\r\n", MUX_ERROR_UPSTREAM, "GET with nothing instead"},
		{202, "Content-Type: text/event-stream\r\n", MUX_ERROR_UPSTREAM, "instead of"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_MODERN);
		sse_refuse_posts(&u, 404);
		hit_reply(sse_await_get(&u), answers[i].status, answers[i].headers, "body");
		assert_not_open(&u, answers[i].code, answers[i].words);
		const char *text = upstream_error(u.up)->message;
		assert_true(g_str_has_prefix(text,
			"it speaks neither era of MCP over Streamable HTTP (HTTP 404), nor "
			"HTTP+SSE: "));
		assert_int_equal(u.peer.all->len, 3);
		/* All of it is tried again. */
		clock_jump(&u.fixture, 1100);
		assert_string_equal(up_await_probe(&u)->label, "server/discover");
		up_release(&u);
	}
}

static void test_a_get_that_wants_a_sign_in(void **state)
{
	(void)state;
	for (int status = 401; status <= 403; status += 2) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		hit_reply(sse_await_get(&u), status, "", "");
		assert_not_open(&u, status == 401 ? MUX_ERROR_SIGN_IN : MUX_ERROR_FORBIDDEN,
			"the server wants a sign-in");
		up_release(&u);
	}
}

/* ---- what the stream begins with ---- */

static void test_what_is_no_endpoint(void **state)
{
	(void)state;
	static const char *const beginnings[][2] = {
		{"data: {}\n\n", "first event of its stream is not `endpoint`"},
		{"event: message\ndata: /messages\n\n", "first event of its stream is not"},
		{"event: endpoint\ndata: http://\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: ftp://127.0.0.1/x\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: /a b\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: /a\ndata: b\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: /a\\b\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: http://u:p@127.0.0.1/x\n\n", "no URL that can be used"},
		{"event: endpoint\ndata: //127.0.0.1:1/x\n\n",
			"of another origin (http://127.0.0.1:1) and is not used"},
		{"event: endpoint\ndata: http://evil.example/x?secret\n\n",
			"of another origin (http://evil.example) and is not used"},
		{"event: endpoint\ndata: https://127.0.0.1/x\n\n", "of another origin"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(beginnings); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *stream = sse_await_get(&u);
		hit_stream(stream, "");
		hit_bytes(stream, ": hello\n\nid: 1\n\n");
		hit_bytes(stream, beginnings[i][0]);
		assert_not_open(&u, MUX_ERROR_UPSTREAM, beginnings[i][1]);
		assert_non_null(strstr(upstream_error(u.up)->message, "nor HTTP+SSE: "));
		assert_null(strstr(upstream_error(u.up)->message, "secret"));
		hit_await_close(stream);
		up_release(&u);
	}
}

static void test_where_the_endpoint_is(void **state)
{
	(void)state;
	static const char *const endpoints[][2] = {
		{"/messages?session=1", "/messages?session=1"}, {"messages", "/messages"},
		{"?session=1", "/mcp?session=1"}, {"../up/./x#part", "/up/x"},
		{"%s/more", "/mcp/more"}, /* the peer's own URL */
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(endpoints); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *stream = sse_await_get(&u);
		g_autofree char *path = strstr(endpoints[i][0], "%s")
						? g_strconcat(u.peer.url, "/more", NULL)
						: g_strdup(endpoints[i][0]);
		g_autofree char *event = g_strdup_printf("event: endpoint\ndata: %s\n\n", path);
		hit_stream(stream, "");
		hit_bytes(stream, event);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		g_autofree char *wanted = g_strdup_printf("POST %s HTTP/1.1\r\n", endpoints[i][1]);
		if (!g_str_has_prefix(hit->head, wanted))
			fail_msg("%s: %s", path, hit->head);
		up_release(&u);
	}
}

static void test_a_nul_in_the_endpoint(void **state)
{
	(void)state;
	static const char bytes[] = "1c\r\nevent: endpoint\ndata: /a\0b\n\n\r\n";
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	sse_refuse_posts(&u, 404);
	struct Hit *stream = sse_await_get(&u);
	hit_stream(stream, "");
	assert_int_equal(send(stream->link->fd, bytes, sizeof(bytes) - 1, MSG_NOSIGNAL),
		(ssize_t)sizeof(bytes) - 1);
	assert_not_open(&u, MUX_ERROR_UPSTREAM, "no URL that can be used");
	up_release(&u);
}

/* Neither an event without end nor anything else before the first one is read for long. */
static void test_a_beginning_without_end(void **state)
{
	(void)state;
	static const char *const pieces[] = {"%s", ": %s\n", "x%s", "data: %s\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *stream = sse_await_get(&u);
		g_autofree char *kibi = g_strnfill(1024, 'a');
		hit_stream(stream, "");
		hit_bytes(stream, i == 0 ? "event: endpoint\ndata: /" : "\n");
		for (unsigned n = 0; n < 70; n++) {
			GString *piece = g_string_new(pieces[i]);
			g_string_replace(piece, "%s", kibi, 1);
			hit_bytes(stream, piece->str);
			g_string_free(piece, TRUE);
		}
		assert_not_open(
			&u, MUX_ERROR_UPSTREAM, "does not begin with the name of an endpoint");
		hit_await_close(stream);
		up_release(&u);
	}
}

static void test_a_beginning_that_does_not_come(void **state)
{
	(void)state;
	for (unsigned stage = 0; stage < 4; stage++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *get = sse_await_get(&u);
		if (stage > 0)
			hit_stream(get, "");
		if (stage == 2)
			hit_bytes(get, ": still there\n");
		if (stage == 3) {
			hit_stream_end(get);
			assert_not_open(&u, MUX_ERROR_BROKEN, "nor HTTP+SSE: the server ended its");
		} else {
			fixture_turn_for(&u.fixture, 10);
			clock_jump(&u.fixture, 29000);
			assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
			clock_jump(&u.fixture, 1100);
			assert_not_open(&u, MUX_ERROR_TIMEOUT,
				"nor HTTP+SSE: it named no endpoint within 30 seconds");
			hit_await_close(get);
		}
		up_release(&u);
	}
}

static void test_a_server_that_is_gone_before_the_get(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	hit_reply(peer_await(&u.peer, "initialize"), 404, "", "");
	struct Hit *hit = peer_await(&u.peer, "server/discover");
	hit_reply(hit, 404, "Connection: close\r\n", "");
	peer_vanish(&u.peer);
	assert_not_open(&u, MUX_ERROR_UNREACHABLE, "nor HTTP+SSE: cannot connect");
	up_release(&u);
}

/* ---- the handshake ---- */

static void test_a_handshake_that_fails(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 8; way++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *stream = sse_serve_stream(&u);
		struct Hit *hit = sse_await_post(&u, "initialize");
		if (way == 0) {
			sse_accept(hit);
			g_autofree char *text = error_text(hit, -32603, "");
			hit_event(stream, text);
			assert_not_open(&u, MUX_ERROR_UPSTREAM, "initialize over HTTP+SSE: no");
		} else if (way == 1) {
			hit_reply(hit, 404, "Content-Type: text/plain\r\n", "Session not found");
			assert_not_open(&u, MUX_ERROR_UPSTREAM, "over HTTP+SSE: HTTP 404");
		} else if (way == 2) {
			sse_answer(stream, hit, "{\"protocolVersion\":\"1\",\"capabilities\":{}}");
			assert_not_open(&u, MUX_ERROR_UPSTREAM, "\"1\", which is not known");
		} else if (way == 3) {
			hit_stream_end(stream);
			assert_not_open(&u, MUX_ERROR_BROKEN, "the server ended its event stream");
		} else if (way == 4) {
			hit_reply(hit, 503, "", "");
			assert_not_open(&u, MUX_ERROR_BUSY, "HTTP 503");
		} else if (way == 5) {
			sse_accept(hit);
			fixture_turn_for(&u.fixture, 20);
			clock_jump(&u.fixture, 30100);
			assert_not_open(&u, MUX_ERROR_TIMEOUT, "not finished after 30 seconds");
		} else if (way == 6) {
			hit_reply(hit, 401, "", "");
			assert_not_open(&u, MUX_ERROR_SIGN_IN, "wants a sign-in: HTTP 401");
		} else {
			/* Between the answer and the acceptance of the notification. */
			sse_answer(stream, hit, "{\"protocolVersion\":\"2024-11-05\"}");
			sse_accept(hit);
			sse_await_post(&u, "notifications/initialized");
			hit_cut(stream);
			assert_not_open(&u, MUX_ERROR_BROKEN, "in the middle of the answer");
		}
		if (way != 3 && way != 7)
			hit_await_close(stream);
		/* It is known to speak it. */
		clock_jump(&u.fixture, 1100);
		sse_serve_opening(&u);
		up_release(&u);
	}
}

/* The answer may come before the POST was accepted, or while it never is. */
static void test_the_order_of_acceptance_and_answer(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	sse_refuse_posts(&u, 404);
	struct Hit *stream = sse_serve_stream(&u);
	struct Hit *hit = sse_await_post(&u, "initialize");
	sse_answer(stream, hit, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}");
	struct Hit *initialized = sse_await_post(&u, "notifications/initialized");
	sse_accept(hit);
	sse_accept(initialized);
	up_await_state(&u, UPSTREAM_READY);
	assert_string_equal(upstream_revision(u.up), "2025-11-25");
	up_release(&u);
}

/* Servers that ask the client for something as soon as they may. */
static void test_a_request_that_overtakes_the_acceptance(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 4; way++) {
		struct Up u;
		up_init(&u);
		u.takes_requests = true;
		upstream_open(u.up, ERA_LEGACY);
		sse_refuse_posts(&u, 404);
		struct Hit *stream = sse_serve_stream(&u);
		struct Hit *hit = sse_take(&u, "initialize");
		/* Sooner it is none of a session that there is. */
		hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}");
		sse_answer(stream, hit, "{\"protocolVersion\":\"2024-11-05\",\"capabilities\":{}}");
		struct Hit *initialized = sse_await_post(&u, "notifications/initialized");
		hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"ping\"}");
		assert_string_equal(sse_take(&u, "answer")->id, "2");
		assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
		assert_int_equal(u.messages, 0);
		hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"roots/list\"}");
		up_await_messages(&u, 1);
		assert_string_equal(u.message_id, "3");
		up_await_settled(&u);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		unsigned states = u.states;
		if (way == 1)
			hit_cut(initialized);
		else if (way == 2)
			hit_stream_end(stream);
		else if (way == 3)
			upstream_shutdown(u.up);
		else
			sse_accept(initialized);
		fixture_turn_for(&u.fixture, 20);
		if (way == 2) {
			clock_jump(&u.fixture, 1100);
			(void)sse_serve_opening(&u);
		} else {
			assert_int_equal(u.states, states);
		}
		up_release(&u);
	}
}

/* ---- opened before ---- */

static void test_it_is_opened_directly_when_it_is_known(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	clock_jump(&u.fixture, 11 * 1000);
	unsigned states = u.states;
	unsigned arrived = u.peer.arrived;
	hit_stream_end(stream);
	turn_until(&u.fixture, u.states, states + 1);
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	peer_await_none(&u.peer, "GET"); /* not at once: others come back, too */
	clock_jump(&u.fixture, 1100);
	sse_serve_opening(&u);
	/* GET, initialize, initialized, tools/list. */
	assert_int_equal(u.peer.arrived, arrived + 4);
	up_release(&u);
}

static void test_a_channel_that_does_not_hold_is_opened_less_and_less(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Hit *stream = sse_open(&u);
	/* The first time soon, then with pauses that double. */
	unsigned states = u.states;
	hit_cut(stream);
	turn_until(&u.fixture, u.states, states + 1);
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	clock_jump(&u.fixture, 1100);
	for (unsigned pause = 2000; pause <= 8000; pause *= 2) {
		stream = sse_serve_opening(&u);
		hit_cut(stream);
		assert_not_open(&u, MUX_ERROR_BROKEN, "in the middle of the answer");
		clock_jump(&u.fixture, pause / 2 - 100);
		peer_await_none(&u.peer, "GET");
		clock_jump(&u.fixture, pause / 2 + 200);
	}
	/* One that holds puts an end to that. */
	stream = sse_serve_opening(&u);
	clock_jump(&u.fixture, 11 * 1000);
	states = u.states;
	hit_cut(stream);
	turn_until(&u.fixture, u.states, states + 1);
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	clock_jump(&u.fixture, 1100);
	sse_serve_opening(&u);
	up_release(&u);
}

static void break_it(struct Up *u, struct Hit *stream)
{
	clock_jump(&u->fixture, 11 * 1000);
	unsigned states = u->states;
	hit_stream_end(stream);
	turn_until(&u->fixture, u->states, states + 1);
	clock_jump(&u->fixture, 1100);
}

static void test_a_known_server_that_fails_for_now(void **state)
{
	(void)state;
	static const int statuses[] = {500, 429, 401, 0};
	for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
		struct Up u;
		up_init(&u);
		break_it(&u, sse_open(&u));
		struct Hit *get = sse_await_get(&u);
		if (statuses[i]) {
			hit_reply(get, statuses[i], "", "");
		} else {
			/* Of the connections that are kept libcurl tries another one by itself. */
			hit_cut(get);
			while (upstream_state(u.up) != UPSTREAM_FAILED) {
				get = peer_find(&u.peer, "GET");
				if (get)
					hit_cut(get);
				fixture_turn_for(&u.fixture, 1);
			}
		}
		up_await_state(&u, UPSTREAM_FAILED);
		assert_null(strstr(upstream_error(u.up)->message, "neither era"));
		/* It is still known. */
		clock_jump(&u.fixture, 2100);
		sse_serve_opening(&u);
		up_release(&u);
	}
}

static void test_a_known_server_that_was_replaced(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct Up u;
		up_init(&u);
		break_it(&u, sse_open(&u));
		if (i == 2) {
			struct Hit *get = sse_await_get(&u);
			hit_stream(get, "");
			hit_event(get, "{\"jsonrpc\":\"2.0\",\"method\":\"x\"}");
		} else {
			hit_reply(sse_await_get(&u), 405, "", "");
		}
		if (i == 1) {
			/* By nothing. */
			sse_refuse_posts(&u, 404);
			hit_reply(sse_await_get(&u), 404, "", "");
			assert_not_open(&u, MUX_ERROR_UPSTREAM, "nor HTTP+SSE: HTTP 404");
		} else {
			up_serve_initialize(&u, "2025-11-25", "S", QUIET_TOOLS);
			up_serve_tools(&u, ADD_TOOL);
			up_await_settled(&u);
			assert_string_equal(upstream_revision(u.up), "2025-11-25");
			upstream_shutdown(u.up);
			hit_reply(peer_await(&u.peer, "DELETE"), 200, "", "");
		}
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_it_is_tried_when_both_eras_were_refused),
		cmocka_unit_test(test_it_is_not_tried_elsewhere),
		cmocka_unit_test(test_a_server_that_speaks_none_of_them),
		cmocka_unit_test(test_a_get_that_wants_a_sign_in),
		cmocka_unit_test(test_what_is_no_endpoint),
		cmocka_unit_test(test_where_the_endpoint_is),
		cmocka_unit_test(test_a_nul_in_the_endpoint),
		cmocka_unit_test(test_a_beginning_without_end),
		cmocka_unit_test(test_a_beginning_that_does_not_come),
		cmocka_unit_test(test_a_server_that_is_gone_before_the_get),
		cmocka_unit_test(test_a_handshake_that_fails),
		cmocka_unit_test(test_the_order_of_acceptance_and_answer),
		cmocka_unit_test(test_a_request_that_overtakes_the_acceptance),
		cmocka_unit_test(test_it_is_opened_directly_when_it_is_known),
		cmocka_unit_test(test_a_channel_that_does_not_hold_is_opened_less_and_less),
		cmocka_unit_test(test_a_known_server_that_fails_for_now),
		cmocka_unit_test(test_a_known_server_that_was_replaced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
