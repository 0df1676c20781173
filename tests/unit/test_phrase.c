/* Calls in the words of the upstream's era: bodies, mirrored headers, and what is done when a server finds that
 * these do not match. */
#include "upstream_fixture.h"

#define META                                                                                       \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                              \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"ide\",\"version\":\"7\"},"             \
	"\"io.modelcontextprotocol/clientCapabilities\":{}"
#define OWN_META                                                                                   \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                              \
	"\"io.modelcontextprotocol/"                                                               \
	"clientInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION                        \
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
			"{ \"params\" : "
			"{\"x\":1e999,\"arguments\":{\"a\":\"\\u00e4\\/\"},\"name\":\"add\"}"
			",\"method\":\"tools\\/call\",\"extra\":[ ] "
			",\"id\":123456789012345678901234567890,"
			"\"jsonrpc\":\"2.0\"}",
			"{ \"params\" : "
			"{\"x\":1e999,\"arguments\":{\"a\":\"\\u00e4\\/\"},\"name\":\"add\"}"
			",\"method\":\"tools\\/call\",\"extra\":[ ] "
			",\"id\":@,\"jsonrpc\":\"2.0\"}"},
		{ERA_LEGACY, ERA_LEGACY, SAID "{\"_meta\":{},\"name\":\"add\"}}",
			HEAD "{\"_meta\":{},\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_LEGACY,
			SAID "{\"_meta\":{\"a\":1,\"progressToken\":\"t\\\"\",\"b\":2},\"name\":"
			     "\"add\"}}",
			HEAD "{\"_meta\":{\"a\":1,\"progressToken\":@,\"b\":2},\"name\":\"add\"}}"},
		{ERA_LEGACY, ERA_LEGACY,
			SAID
			"{\"name\":\"add\",\"_meta\":{\"progressToken\":99999999999999999999}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{\"progressToken\":@}}}"},
		{ERA_MODERN, ERA_MODERN,
			SAID "{\"name\":\"add\",\"_meta\":{" META
			     ",\"progressToken\":0},\"arguments\":{}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{" META
			     ",\"progressToken\":@},\"arguments\":{}}}"},
		{ERA_MODERN, ERA_MODERN,
			SAID "{\"_meta\":{" META "},\"name\":\"add\",\"requestState\":\"s\"}}",
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
			HEAD
			"{\"name\":\"add\",\"_meta\":{\"progressToken\":@,\"k\":[1, 2]," OWN_META
			"}}}"},
		{ERA_LEGACY, ERA_MODERN, SAID "{\"\\u005fmeta\":{\"x\":1},\"name\":\"add\"}}",
			HEAD "{\"\\u005fmeta\":{\"x\":1," OWN_META "},\"name\":\"add\"}}"},
		{ERA_MODERN, ERA_LEGACY, SAID "{\"name\":\"add\",\"_meta\":{" META "}}}",
			HEAD "{\"name\":\"add\",\"_meta\":{}}}"},
		{ERA_MODERN, ERA_LEGACY,
			SAID "{\"_meta\":{\"a\":1," META
			     ",\"progressToken\":5,\"io.modelcontextprotocol/"
			     "logLevel\":\"info\",\"z\":{}},\"name\":\"add\"}}",
			HEAD
			"{\"_meta\":{\"a\":1,\"progressToken\":@,\"z\":{}},\"name\":\"add\"}}"},
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
	assert_non_null(strstr(
		hit->body, "\"params\":{\"_meta\":{\"k\":1," OWN_META "},\"name\":\"add\"}"));
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
		ask_on_answer, ask_on_failed, ask_on_progress, NULL, NULL};
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
	"{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"region\":{"      \
	"\"type\":\"string\",\"x-mcp-header\":\"" header "\"}}}}"
#define CALL_REGION(value)                                                                         \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"add\","    \
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

static void test_arguments_too_long_for_headers(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, QUIET_TOOLS, REGION("Region"));
	g_autofree char *big = g_strnfill(70000, 'x');
	g_autofree char *message = g_strdup_printf(CALL_REGION("%s"), big);
	struct Ask ask = {0};
	ask_start(&u, &ask, ERA_LEGACY, message);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_TOO_LARGE, "68 KiB");
	/* Cancelled before it is told. */
	ask_release(&ask);
	ask = (struct Ask){0};
	ask_start(&u, &ask, ERA_LEGACY, message);
	upstream_call_cancel(ask.call);
	peer_await_none(&u.peer, "tools/call");
	assert_int_equal(ask.ended, 0);
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
	upstream_refresh(u.up, MCP_TOOLS);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_phrases_of_the_same_era_pass_untouched),
		cmocka_unit_test(test_phrases_between_the_eras),
		cmocka_unit_test(test_a_call_that_waited_is_phrased_alike),
		cmocka_unit_test(test_the_name_and_the_clients_own_info),
		cmocka_unit_test(test_parameters_are_mirrored_for_each_call),
		cmocka_unit_test(test_arguments_too_long_for_headers),
		cmocka_unit_test(test_a_header_mismatch_fetches_the_tools_and_repeats_once),
		cmocka_unit_test(test_a_header_mismatch_awaits_a_list_asked_for_after_it),
		cmocka_unit_test(test_a_mismatch_whose_list_fails_is_still_repeated),
		cmocka_unit_test(test_a_mismatch_whose_list_hangs_times_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
