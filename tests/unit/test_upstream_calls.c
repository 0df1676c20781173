/* Calls: how they are phrased in each era, how they end, what is done for one that cannot have run, how many
 * go out at once. */
#include "upstream_fixture.h"

#define META                                                                                       \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                             \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"ide\",\"version\":\"7\"},"            \
	"\"io.modelcontextprotocol/clientCapabilities\":{}"
#define OWN_META                                                                                   \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                             \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION   \
	"\"},\"io.modelcontextprotocol/clientCapabilities\":{}"

/* ---- phrases ---- */

struct Phrase {
	enum Era ide, upstream;
	const char *said, *sent; /* ID stands for the upstream's id in SENT */
};

static void check_phrase(const struct Phrase *phrase)
{
	struct Up u;
	up_init(&u);
	if (phrase->upstream == ERA_MODERN)
		up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	else
		up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_start(&u, &ask, phrase->ide, phrase->said);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	g_auto(GStrv) parts = g_strsplit(phrase->sent, "@", -1);
	g_autofree char *wanted = g_strjoinv(hit->id, parts);
	assert_string_equal(hit->body, wanted);
	hit_result(hit, "{}");
	ask_await(&ask);
	assert_int_equal(ask.era, phrase->upstream);
	ask_release(&ask);
	up_release(&u);
}

#define HEAD "{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"tools/call\",\"params\":"
#define SAID "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\\\"\",\"method\":\"tools/call\",\"params\":"

static void test_phrases_of_the_same_era_pass_untouched(void **state)
{
	(void)state;
	static const struct Phrase phrases[] = {
		{ERA_LEGACY, ERA_LEGACY, SAID "{\"name\":\"add\"}}", HEAD "{\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_LEGACY,
			"{ \"params\" : {\"x\":1e999,\"arguments\":{\"a\":\"\\u00e4\\/\"},\"name\":\"add\"}"
			",\"method\":\"tools\\/call\",\"extra\":[ ] ,\"id\":123456789012345678901234567890,"
			"\"jsonrpc\":\"2.0\"}",
			"{ \"params\" : {\"x\":1e999,\"arguments\":{\"a\":\"\\u00e4\\/\"},\"name\":\"add\"}"
			",\"method\":\"tools\\/call\",\"extra\":[ ] ,\"id\":@,\"jsonrpc\":\"2.0\"}"},
		{ERA_LEGACY, ERA_LEGACY, SAID "{\"_meta\":{},\"name\":\"add\"}}",
			HEAD "{\"_meta\":{},\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_LEGACY,
			SAID "{\"_meta\":{\"a\":1,\"progressToken\":\"t\\\"\",\"b\":2},\"name\":\"add\"}}",
			HEAD "{\"_meta\":{\"a\":1,\"progressToken\":@,\"b\":2},\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_LEGACY,
			SAID "{\"name\":\"add\",\"_meta\":{\"progressToken\":99999999999999999999}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{\"progressToken\":@}}}"},
		{ERA_MODERN, ERA_MODERN,
			SAID "{\"name\":\"add\",\"_meta\":{" META ",\"progressToken\":0},\"arguments\":{}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{" META ",\"progressToken\":@},\"arguments\":{}}}"},
		{ERA_MODERN, ERA_MODERN, SAID "{\"_meta\":{" META "},\"name\":\"add\",\"requestState\":\"s\"}}",
			HEAD "{\"_meta\":{" META "},\"name\":\"add\",\"requestState\":\"s\"}}"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(phrases); i++)
		check_phrase(&phrases[i]);
}

static void test_phrases_between_the_eras(void **state)
{
	(void)state;
	static const struct Phrase phrases[] = {
		{ERA_LEGACY, ERA_MODERN, SAID "{\"name\":\"add\"}}",
			HEAD "{\"_meta\":{" OWN_META "},\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_MODERN, SAID "{ \"name\" : \"add\" }}",
			HEAD "{\"_meta\":{" OWN_META "}, \"name\" : \"add\" }}"},
		{ERA_LEGACY, ERA_MODERN, SAID "{\"name\":\"add\",\"_meta\":{ }}}",
			HEAD "{\"name\":\"add\",\"_meta\":{" OWN_META "}}}"},
		{ERA_LEGACY, ERA_MODERN,
			SAID "{\"name\":\"add\",\"_meta\":{\"progressToken\":\"t\",\"k\":[1, 2]}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{\"progressToken\":@,\"k\":[1, 2]," OWN_META "}}}"},
		{ERA_LEGACY, ERA_MODERN, SAID "{\"\\u005fmeta\":{\"x\":1},\"name\":\"add\"}}",
			HEAD "{\"\\u005fmeta\":{\"x\":1," OWN_META "},\"name\":\"add\"}}"},
		{ERA_MODERN, ERA_LEGACY, SAID "{\"name\":\"add\",\"_meta\":{" META "}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{}}}"},
		{ERA_MODERN, ERA_LEGACY,
			SAID "{\"_meta\":{\"a\":1," META ",\"progressToken\":5,\"io.modelcontextprotocol/"
			     "logLevel\":\"info\",\"z\":{}},\"name\":\"add\"}}",
			HEAD "{\"_meta\":{\"a\":1,\"progressToken\":@,\"z\":{}},\"name\":\"add\"}}"},
		{ERA_MODERN, ERA_LEGACY, SAID "{\"name\":\"add\"}}", HEAD "{\"name\":\"add\"}}"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(phrases); i++)
		check_phrase(&phrases[i]);
}

/* A call that waits is phrased later, from a copy, in the era that was found out meanwhile. */
static void test_a_call_that_waited_is_phrased_alike(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	struct Ask ask = {0};
	g_autofree char *text = g_strdup(SAID "{\"_meta\":{\"k\":1},\"name\":\"add\"}}");
	ask_start(&u, &ask, ERA_LEGACY, text);
	memset(text, 'x', strlen(text));
	hit_error(peer_await(&u.peer, "initialize"), 404, -32601, "");
	up_serve_discover(&u, QUIET_TOOLS);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_non_null(strstr(hit->body, "\"params\":{\"_meta\":{\"k\":1," OWN_META "},\"name\":\"add\"}"));
	assert_header(hit, "Mcp-Name", "add");
	hit_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void test_the_name_and_the_clients_own_info(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	static const char message[] = SAID "{\"arguments\":{},\"name\":\"c_x\"}}";
	static const struct UpstreamCallHandlers handlers = {
		ask_on_answer, ask_on_failed, ask_on_progress};
	struct RpcMessage rpc;
	struct McpParams params;
	const char *why;
	assert_true(rpc_parse(slice_of(message), &rpc, NULL));
	assert_true(mcp_params_read(rpc.params, &params, &why));
	struct UpstreamRequest request = {
		.message = &rpc,
		.params = &params,
		.era = ERA_LEGACY,
		.client_info = SLICE("{\"name\":\"me\"}"),
		.name = SLICE("\"\\u00e4 x\""),
		.tool = "ä x",
	};
	struct Ask ask = {.u = &u};
	ask.call = upstream_call(u.up, &request, &handlers, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Method", "tools/call");
	assert_header(hit, "Mcp-Name", "=?base64?w6QgeA==?=");
	assert_header(hit, "MCP-Protocol-Version", "2026-07-28");
	assert_non_null(strstr(hit->body, "\"name\":\"\\u00e4 x\""));
	assert_null(strstr(hit->body, "c_x"));
	assert_non_null(strstr(hit->body, "clientInfo\":{\"name\":\"me\"},"));
	hit_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

#define REGION(header)                                                                             \
	"{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"region\":{"     \
	"\"type\":\"string\",\"x-mcp-header\":\"" header "\"}}}}"
#define CALL_REGION(value)                                                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"add\","   \
	"\"arguments\":{\"region\":\"" value "\"}}}"

static void test_parameters_are_mirrored_for_each_call(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, REGION("Region"));
	static const char *const messages[] = {CALL_REGION("eu"), CALL_REGION("us")};
	static const char *const values[] = {"eu", "us"};
	for (unsigned i = 0; i < 2; i++) {
		struct Ask ask = {0};
		ask_start(&u, &ask, ERA_LEGACY, messages[i]);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		assert_header(hit, "Mcp-Param-Region", values[i]);
		hit_result(hit, "{}");
		ask_await(&ask);
		ask_release(&ask);
	}
	up_release(&u);
}

static void test_a_header_mismatch_fetches_the_tools_and_repeats_once(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_start(&u, &ask, ERA_LEGACY, CALL_REGION("eu"));
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Param-Region", NULL);
	hit_error(hit, 400, -32020, "");
	struct Hit *list = peer_await(&u.peer, "tools/list");
	peer_await_none(&u.peer, "tools/call");
	hit_result(list, "{\"tools\":[" REGION("Region") "]}");
	hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Param-Region", "eu");
	hit_error(hit, 400, -32020, ",\"data\":{\"n\":1.0}");
	ask_await(&ask);
	assert_ask_answer(&ask, "\"code\":-32020,\"message\":\"no\",\"data\":{\"n\":1.0}");
	peer_await_none(&u.peer, "tools/list");
	ask_release(&ask);
	up_release(&u);
}

/* A list that was asked for before may be the old one. */
static void test_a_header_mismatch_awaits_a_list_asked_for_after_it(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	upstream_refresh_tools(u.up);
	struct Hit *early = peer_await(&u.peer, "tools/list");
	struct Ask ask = {0};
	ask_start(&u, &ask, ERA_LEGACY, CALL_REGION("eu"));
	hit_error(peer_await(&u.peer, "tools/call"), 400, -32020, "");
	fixture_turn_for(&u.fixture, 20);
	hit_result(early, "{\"tools\":[" ADD_TOOL "]}");
	peer_await_none(&u.peer, "tools/call");
	up_serve_tools(&u, REGION("Region"));
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Param-Region", "eu");
	hit_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_mismatch_whose_list_fails_is_still_repeated(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 400, -32020, "");
	hit_reply(peer_await(&u.peer, "tools/list"), 500, "", "");
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&ask);
	assert_ask_answer(&ask, "\"result\"");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_mismatch_whose_list_hangs_times_out(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 5");
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 400, -32020, "");
	peer_await(&u.peer, "tools/list");
	clock_jump(&u.fixture, 5100);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_TIMEOUT);
	ask_release(&ask);
	up_release(&u);
}

/* ---- sessions ---- */

/* All of them learn of it, some while the new session is opened and one after it: one handshake. */
static void check_lost_session(int status)
{
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[4] = {{0}};
	struct Hit *hit[4];
	for (unsigned i = 0; i < 4; i++) {
		ask_add(&u, &ask[i]);
		hit[i] = peer_await(&u.peer, "tools/call");
		assert_header(hit[i], "Mcp-Session-Id", "S1");
	}
	hit_reply(hit[0], status, "", "");
	struct Hit *initialize = peer_await(&u.peer, "initialize");
	assert_header(initialize, "Mcp-Session-Id", NULL);
	hit_reply(hit[1], status, "", "");
	fixture_turn_for(&u.fixture, 20);
	hit_result(hit[3], "{\"old\":true}"); /* it was answered all the same */
	ask_await(&ask[3]);
	g_autofree char *text = result_text(initialize,
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" QUIET_TOOLS "}");
	hit_reply(initialize, 200, "Mcp-Session-Id: S2\r\n", text);
	hit_reply(peer_await(&u.peer, "notifications/initialized"), 202, "", "");
	struct Hit *again = peer_await(&u.peer, "tools/call");
	assert_header(again, "Mcp-Session-Id", "S2");
	hit_result(again, "{\"new\":1}");
	again = peer_await(&u.peer, "tools/call");
	hit_result(again, "{\"new\":1}");
	hit_reply(hit[2], status, "", "");
	again = peer_await(&u.peer, "tools/call");
	assert_header(again, "Mcp-Session-Id", "S2");
	hit_result(again, "{\"new\":1}");
	for (unsigned i = 0; i < 4; i++) {
		ask_await(&ask[i]);
		assert_ask_answer(&ask[i], i == 3 ? "\"old\":true" : "\"new\":1");
		ask_release(&ask[i]);
	}
	peer_await_none(&u.peer, "initialize");
	peer_await_none(&u.peer, "tools/call");
	up_release(&u);
}

static void test_a_lost_session_is_renewed_once_for_all(void **state)
{
	(void)state;
	check_lost_session(404);
	check_lost_session(400);
}

static void test_a_call_is_repeated_once_and_no_more(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 404, -32001, "");
	up_serve_initialize(&u, "2025-11-25", "S2", QUIET_TOOLS);
	hit_error(peer_await(&u.peer, "tools/call"), 404, -32001, "");
	ask_await(&ask);
	assert_ask_answer(&ask, "-32001");
	peer_await_none(&u.peer, "initialize");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_404_without_a_session_is_an_answer(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "Content-Type: text/plain\r\n", "gone");
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_UPSTREAM, "HTTP 404");
	peer_await_none(&u.peer, "initialize");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_session_that_cannot_be_renewed_fails_what_waits(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	ask_add(&u, &ask[0]);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	struct Hit *initialize = peer_await(&u.peer, "initialize");
	ask_add(&u, &ask[1]); /* waits */
	hit_reply(initialize, 503, "", "");
	for (unsigned i = 0; i < 2; i++) {
		ask_await(&ask[i]);
		assert_ask_failed(&ask[i], MUX_ERROR_BUSY, "HTTP 503");
		ask_release(&ask[i]);
	}
	assert_non_null(upstream_tools(u.up)); /* lists keep their last good state */
	up_release(&u);
}

/* It was updated to the other era in between. */
static void test_a_call_is_not_repeated_in_another_era(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	struct Ask lost = {0}, slow = {0}, late = {0};
	ask_add(&u, &lost);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	ask_add(&u, &slow);
	struct Hit *slow_hit = peer_await(&u.peer, "tools/call");
	hit_reply(hit, 404, "", "");
	hit = peer_await(&u.peer, "initialize");
	ask_add(&u, &late);
	hit_error(hit, 400, -32022, "");
	hit = peer_await(&u.peer, "server/discover");
	hit_result(slow_hit, "{}");
	ask_await(&slow);
	assert_int_equal(slow.era, ERA_LEGACY); /* in which it was asked */
	hit_result(hit, "{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{}}");
	ask_await(&lost);
	assert_ask_failed(&lost, MUX_ERROR_BROKEN, "another era");
	hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Name", "add");
	hit_result(hit, "{}");
	ask_await(&late);
	assert_int_equal(late.era, ERA_MODERN);
	ask_release(&lost);
	ask_release(&slow);
	ask_release(&late);
	up_release(&u);
}

/* ---- ends ---- */

static void test_statuses(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers, *body; /* NULL: a JSON-RPC error */
		int code; /* 0: the error passes */
		const char *part;
	} cases[] = {
		{401, "", "", MUX_ERROR_SIGN_IN, "HTTP 401"},
		{401, "", NULL, MUX_ERROR_SIGN_IN, "HTTP 401: no"},
		{403, "", NULL, MUX_ERROR_FORBIDDEN, "HTTP 403: no"},
		{429, "Retry-After: 30\r\n", "", MUX_ERROR_BUSY, "HTTP 429, retry after 30 seconds"},
		{429, "Retry-After: Sat, 21 Nov 2026 15:00:00 GMT\r\n", NULL, MUX_ERROR_BUSY,
			"HTTP 429: no, retry after Sat, 21 Nov 2026 15:00:00 GMT"},
		{503, "Retry-After: 1\r\n", NULL, MUX_ERROR_BUSY, "HTTP 503: no, retry after 1 seconds"},
		{500, "Retry-After: 1\r\n", "", MUX_ERROR_UPSTREAM, "HTTP 500"},
		{500, "", NULL, 0, "-32603"},
		{502, "Content-Type: text/html\r\n", "<h1>Bad gateway", MUX_ERROR_UPSTREAM, "HTTP 502"},
		{307, "Location: http://127.0.0.1:1/\r\n", "", MUX_ERROR_UPSTREAM, "a redirect"},
		{200, "", NULL, 0, "-32603"},
		{200, "", "", MUX_ERROR_UPSTREAM, "it is empty"},
		{202, "", "", MUX_ERROR_UPSTREAM, "it is empty"},
		{200, "Content-Type: text/html\r\n", "<p>", MUX_ERROR_UPSTREAM, "text/html"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":1", MUX_ERROR_UPSTREAM, "not valid"},
		{200, "", "{} {}", MUX_ERROR_UPSTREAM, "not valid"},
		{200, "", "[]", MUX_ERROR_UPSTREAM, "batch is empty"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}", MUX_ERROR_UPSTREAM,
			"it answers another request"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":\"3\",\"result\":{}}", MUX_ERROR_UPSTREAM,
			"it answers another request"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"?\"}}",
			0, "-32700"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}",
			MUX_ERROR_UPSTREAM, "it is no answer"},
		{200, "Content-Type: text/event-streams\r\n", "data: {}\n\n", MUX_ERROR_UPSTREAM,
			"text/event-streams instead"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *body =
			cases[i].body ? g_strdup(cases[i].body) : error_text(hit, -32603, "");
		hit_reply(hit, cases[i].status, cases[i].headers, body);
		ask_await(&ask);
		if (cases[i].code)
			assert_ask_failed(&ask, cases[i].code, cases[i].part);
		else
			assert_ask_answer(&ask, cases[i].part);
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_answers_arrive_byte_for_byte_on_one_line(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	g_autofree char *body = g_strdup_printf(
		" {\r\n\"result\": {\"n\":1.10,\n\"big\":123456789012345678901e-1,\"s\":\"\\u00e4\\/\"},"
		"\"id\":%s.0,\"jsonrpc\":\"2.0\"}\n",
		hit->id);
	hit_reply(hit, 200, "Content-Type: Application/JSON; charset=utf-8\r\n", body);
	ask_await(&ask);
	assert_ask_answer(&ask,
		"{  \"result\": {\"n\":1.10, \"big\":123456789012345678901e-1,\"s\":\"\\u00e4\\/\"}");
	assert_null(strpbrk(ask.answer, "\r\n"));
	ask_release(&ask);
	up_release(&u);
}

static void test_a_batch_may_hold_the_answer(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *body = g_strdup_printf(
			"[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			"\"progressToken\":%s,\"progress\":1}},5,{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":"
			"\"ping\"},{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"yes\":1}},"
			"{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"no\":1}}]",
			hit->id, i ? "66" : hit->id, i ? "67" : hit->id);
		hit_reply(hit, 200, "", body);
		ask_await(&ask);
		if (i)
			assert_ask_failed(&ask, MUX_ERROR_UPSTREAM, "no message of the batch");
		else
			assert_ask_answer(&ask, "\"yes\"");
		assert_int_equal(ask.progresses, 1);
		struct Hit *pong = peer_await(&u.peer, "answer");
		assert_string_equal(
			pong->body, "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}");
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_a_body_over_max_message(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\nmax_message = 1\nmax_result = 1");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	g_autofree char *big = g_strnfill((1 << 20) + 10, 'x');
	g_autofree char *result = g_strdup_printf("{\"x\":\"%s\"}", big);
	for (unsigned i = 0; i < 2; i++) {
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		if (i == 0) {
			hit_result(hit, result);
		} else {
			hit_stream(hit, "");
			hit_event_result(hit, result);
		}
		ask_await(&ask);
		assert_int_equal(ask.error->code, MUX_ERROR_TOO_LARGE);
		ask_release(&ask);
	}
	/* Everything else goes on. */
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&ask);
	assert_ask_answer(&ask, "{}");
	ask_release(&ask);
	up_release(&u);
}

static void test_nobody_there_any_more(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	peer_vanish(&u.peer);
	fixture_turn_for(&u.fixture, 10);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	ask_await(&ask);
	assert_int_equal(ask.error->code, MUX_ERROR_UNREACHABLE);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_broken_call_is_sent_again_only_if_the_tool_says_so(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		up_open_modern(&u, QUIET_TOOLS, ADD_TOOL "," READ_TOOL);
		struct Ask ask = {0};
		ask_start(&u, &ask, ERA_LEGACY, i ? CALL("look") : CALL("add"));
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		hit_cut(hit);
		if (i) {
			struct Hit *again = peer_await(&u.peer, "tools/call");
			assert_string_equal(again->body, hit->body);
			hit_stream(again, "");
			hit_event(again, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}");
			hit_stream_end(again); /* once and no more */
		}
		ask_await(&ask);
		assert_int_equal(ask.error->code, MUX_ERROR_BROKEN);
		peer_await_none(&u.peer, "tools/call");
		ask_release(&ask);
		up_release(&u);
	}
}

/* ---- clocks ---- */

static void test_call_timeout_and_signs_of_life(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 60");
	up_open_legacy(&u, NULL, CHANGING_TOOLS, ADD_TOOL);
	struct Hit *events = peer_await(&u.peer, "GET");
	hit_stream(events, "");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	g_autofree char *progress = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":%s,\"progress\":1}}",
		hit->id);
	clock_jump(&u.fixture, 8000);
	hit_event(hit, progress);
	turn_until(&u.fixture, ask.progresses, 1);
	clock_jump(&u.fixture, 8000);
	hit_event(events, progress); /* on the other stream, as some servers do it */
	turn_until(&u.fixture, ask.progresses, 2);
	clock_jump(&u.fixture, 8000);
	hit_bytes(hit, ": comment\n\n: comment\n");
	hit_event(events, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			  "\"progressToken\":999,\"progress\":1}}");
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(ask.ended, 0);
	clock_jump(&u.fixture, 2100);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "no sign of life for 10 seconds");
	struct Hit *cancelled = peer_await(&u.peer, "notifications/cancelled");
	g_autofree char *part = g_strdup_printf("\"requestId\":%s,", hit->id);
	assert_non_null(strstr(cancelled->body, part));
	hit_await_close(hit);
	assert_int_equal(ask.progresses, 2);
	ask_release(&ask);
	up_release(&u);
}

static void test_call_limit_is_hard(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 25");
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	for (unsigned i = 0; i < 3; i++) {
		hit_bytes(hit, "data: {\n"); /* data of an event that never ends is a sign of life */
		fixture_turn_for(&u.fixture, 10);
		clock_jump(&u.fixture, 8000);
	}
	assert_int_equal(ask.ended, 0);
	clock_jump(&u.fixture, 1500);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "not finished after 25 seconds");
	hit_await_close(hit);
	peer_await_none(&u.peer, "notifications/cancelled"); /* closing is the modern way */
	ask_release(&ask);
	up_release(&u);
}

static void test_a_slow_body_is_a_sign_of_life(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 10\ncall_limit = 60");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	g_autofree char *body = result_text(hit, "{\"slow\":1}");
	g_autofree char *head = g_strdup_printf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
						"Content-Length: %zu\r\n\r\n%.5s",
		strlen(body), body);
	clock_jump(&u.fixture, 8000);
	hit_send(hit, head);
	fixture_turn_for(&u.fixture, 10);
	clock_jump(&u.fixture, 8000);
	assert_int_equal(ask.ended, 0);
	hit_send(hit, body + 5);
	ask_await(&ask);
	assert_ask_answer(&ask, "\"slow\":1");
	ask_release(&ask);
	up_release(&u);
}

static void test_waiting_for_the_opening_has_a_deadline(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 5");
	upstream_open(u.up, ERA_LEGACY);
	peer_await(&u.peer, "initialize");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	clock_jump(&u.fixture, 5100);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TIMEOUT, "no connection to the server in time");
	ask_release(&ask);
	up_release(&u);
}

/* ---- how many at once ---- */

static void test_no_more_than_128_are_in_flight(void **state)
{
	(void)state;
	enum { N = 300, AT_ONCE = 128 };
	struct Up u;
	up_init_with(&u, "auth = none\n[mux]\ncall_timeout = 5");
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	g_autofree struct Ask *asks = g_new0(struct Ask, N);
	struct Hit *hits[N];
	for (unsigned i = 0; i < N; i++)
		ask_add(&u, &asks[i]);
	for (unsigned i = 0; i < AT_ONCE; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	peer_await_none(&u.peer, "tools/call");
	/* Waiting for one's turn is no silence of the server. */
	clock_jump(&u.fixture, 4000);
	for (unsigned i = 0; i < AT_ONCE; i++)
		hit_result(hits[i], "{}");
	for (unsigned i = AT_ONCE; i < 2 * AT_ONCE; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	clock_jump(&u.fixture, 4000);
	for (unsigned i = AT_ONCE; i < 2 * AT_ONCE; i++)
		hit_result(hits[i], "{}");
	for (unsigned i = 2 * AT_ONCE; i < N; i++)
		hit_result(peer_await(&u.peer, "tools/call"), "{}");
	for (unsigned i = 0; i < N; i++) {
		ask_await(&asks[i]);
		assert_ask_answer(&asks[i], "{}");
		ask_release(&asks[i]);
	}
	assert_true(u.peer.links->len <= AT_ONCE + 1);
	up_release(&u);
}

static void test_a_cancelled_call_makes_room(void **state)
{
	(void)state;
	enum { N = 130 };
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
	g_autofree struct Ask *asks = g_new0(struct Ask, N);
	struct Hit *hits[N];
	for (unsigned i = 0; i < N; i++)
		ask_add(&u, &asks[i]);
	for (unsigned i = 0; i < 128; i++)
		hits[i] = peer_await(&u.peer, "tools/call");
	upstream_call_cancel(asks[128].call); /* never went out */
	upstream_call_cancel(asks[5].call);
	hits[129] = peer_await(&u.peer, "tools/call");
	hit_await_close(hits[5]);
	hit_result(hits[129], "{}");
	ask_await(&asks[129]);
	for (unsigned i = 0; i < N; i++)
		ask_release(&asks[i]);
	up_release(&u);
}

/* ---- cancelling ---- */

static void test_cancelling_in_the_way_of_the_era(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init(&u);
		if (i)
			up_open_modern(&u, QUIET_TOOLS, ADD_TOOL);
		else
			up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		upstream_call_cancel(ask.call);
		hit_result(hit, "{}"); /* too late */
		hit_await_close(hit);
		if (i) {
			peer_await_none(&u.peer, "notifications/cancelled");
		} else {
			struct Hit *notice = peer_await(&u.peer, "notifications/cancelled");
			g_autofree char *part = g_strdup_printf("\"requestId\":%s,", hit->id);
			assert_non_null(strstr(notice->body, part));
			assert_header(notice, "Mcp-Session-Id", "S");
			hit_reply(notice, 500, "", ""); /* nothing depends on it */
		}
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(ask.ended, 0);
		ask_release(&ask);
		up_release(&u);
	}
}

static void cancel_itself(struct Ask *ask)
{
	upstream_call_cancel(g_steal_pointer(&ask->call));
}

static void test_a_progress_handler_may_cancel_its_call(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, NULL, CHANGING_TOOLS, ADD_TOOL);
		struct Hit *events = peer_await(&u.peer, "GET");
		hit_stream(events, "");
		struct Ask ask = {.on_progress = cancel_itself};
		ask_add(&u, &ask);
		struct Hit *hit = peer_await(&u.peer, "tools/call");
		g_autofree char *answer = result_text(hit, "{}");
		g_autofree char *progress = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			"\"progressToken\":%s,\"progress\":1}}",
			hit->id);
		g_autofree char *batch = g_strdup_printf("[%s,%s,%s]", progress, progress, answer);
		if (way == 0) {
			g_autofree char *both =
				g_strdup_printf("data: %s\n\ndata: %s\n\n", progress, answer);
			hit_stream(hit, "");
			hit_bytes(hit, both);
		} else if (way == 1) {
			hit_reply(hit, 200, "", batch);
		} else {
			hit_event(events, progress);
		}
		turn_until(&u.fixture, ask.progresses, 1);
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(ask.ended, 0);
		assert_int_equal(ask.progresses, 1);
		peer_await(&u.peer, "notifications/cancelled");
		ask_release(&ask);
		up_release(&u);
	}
}

static void cancel_and_start(struct Ask *ask)
{
	upstream_call_cancel(g_steal_pointer(&ask->other->call));
	ask_add(ask->u, ask->other);
}

static void test_an_answer_handler_may_cancel_and_start_others(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	ask[0].on_end = cancel_and_start;
	ask[0].other = &ask[1];
	ask_add(&u, &ask[0]);
	struct Hit *first = peer_await(&u.peer, "tools/call");
	ask_add(&u, &ask[1]);
	struct Hit *second = peer_await(&u.peer, "tools/call");
	hit_result(first, "{}");
	ask_await(&ask[0]);
	hit_await_close(second);
	struct Hit *third = peer_await(&u.peer, "tools/call");
	assert_string_not_equal(third->id, second->id);
	hit_result(third, "{}");
	ask_await(&ask[1]);
	ask_release(&ask[0]);
	ask_release(&ask[1]);
	up_release(&u);
}

static void test_shutdown_cancels_calls_then_deletes_the_session(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask[2] = {{0}};
	for (unsigned i = 0; i < 2; i++) {
		ask_add(&u, &ask[i]);
		peer_await(&u.peer, "tools/call");
	}
	upstream_shutdown(u.up);
	struct Hit *notices[2];
	for (unsigned i = 0; i < 2; i++)
		notices[i] = peer_await(&u.peer, "notifications/cancelled");
	peer_await_none(&u.peer, "DELETE");
	hit_reply(notices[0], 202, "", "");
	clock_jump(&u.fixture, 10100); /* the other is not waited for for ever */
	hit_reply(peer_await(&u.peer, "DELETE"), 405, "", "");
	while (!upstream_is_quiet(u.up))
		fixture_turn_for(&u.fixture, 1);
	assert_int_equal(ask[0].ended + ask[1].ended, 0);
	up_release(&u);
}

static void test_a_server_that_asks_endlessly_is_bounded(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	for (unsigned i = 0; i < 400; i++)
		hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}");
	hit_event_result(hit, "{}");
	ask_await(&ask);
	fixture_turn_for(&u.fixture, 50);
	assert_true(u.peer.links->len <= 110);
	ask_release(&ask);
	up_release(&u);
}

static void test_what_a_server_may_ask(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S", QUIET_TOOLS, ADD_TOOL);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":12345678901234567890,\"method\":\"ping\"}");
	struct Hit *answer = peer_await(&u.peer, "answer");
	assert_string_equal(
		answer->body, "{\"jsonrpc\":\"2.0\",\"id\":12345678901234567890,\"result\":{}}");
	assert_header(answer, "Mcp-Session-Id", "S");
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0061\\n\",\"method\":\"roots/list\"}");
	answer = peer_await(&u.peer, "answer");
	assert_non_null(strstr(answer->body, "\"id\":\"\\u0061\\n\",\"error\":{\"code\":-32601"));
	hit_event_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phrases_of_the_same_era_pass_untouched),
		cmocka_unit_test(test_phrases_between_the_eras),
		cmocka_unit_test(test_a_call_that_waited_is_phrased_alike),
		cmocka_unit_test(test_the_name_and_the_clients_own_info),
		cmocka_unit_test(test_parameters_are_mirrored_for_each_call),
		cmocka_unit_test(test_a_header_mismatch_fetches_the_tools_and_repeats_once),
		cmocka_unit_test(test_a_header_mismatch_awaits_a_list_asked_for_after_it),
		cmocka_unit_test(test_a_mismatch_whose_list_fails_is_still_repeated),
		cmocka_unit_test(test_a_mismatch_whose_list_hangs_times_out),
		cmocka_unit_test(test_a_lost_session_is_renewed_once_for_all),
		cmocka_unit_test(test_a_call_is_repeated_once_and_no_more),
		cmocka_unit_test(test_a_404_without_a_session_is_an_answer),
		cmocka_unit_test(test_a_session_that_cannot_be_renewed_fails_what_waits),
		cmocka_unit_test(test_a_call_is_not_repeated_in_another_era),
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_answers_arrive_byte_for_byte_on_one_line),
		cmocka_unit_test(test_a_batch_may_hold_the_answer),
		cmocka_unit_test(test_a_body_over_max_message),
		cmocka_unit_test(test_nobody_there_any_more),
		cmocka_unit_test(test_a_broken_call_is_sent_again_only_if_the_tool_says_so),
		cmocka_unit_test(test_call_timeout_and_signs_of_life),
		cmocka_unit_test(test_call_limit_is_hard),
		cmocka_unit_test(test_a_slow_body_is_a_sign_of_life),
		cmocka_unit_test(test_waiting_for_the_opening_has_a_deadline),
		cmocka_unit_test(test_no_more_than_128_are_in_flight),
		cmocka_unit_test(test_a_cancelled_call_makes_room),
		cmocka_unit_test(test_cancelling_in_the_way_of_the_era),
		cmocka_unit_test(test_a_progress_handler_may_cancel_its_call),
		cmocka_unit_test(test_an_answer_handler_may_cancel_and_start_others),
		cmocka_unit_test(test_shutdown_cancels_calls_then_deletes_the_session),
		cmocka_unit_test(test_a_server_that_asks_endlessly_is_bounded),
		cmocka_unit_test(test_what_a_server_may_ask),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
