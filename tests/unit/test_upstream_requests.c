/* Requests of every method in the words of each era; which of them wait or are repeated. */
#include "request_fixture.h"

#define SENT(method, params)                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"" method "\",\"params\":" params "}"
#define META_WITH(can)                                                                             \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                              \
	"\"io.modelcontextprotocol/"                                                               \
	"clientInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION                        \
	"\"},\"io.modelcontextprotocol/clientCapabilities\":" can
#define META META_WITH("{}")
#define IDE_META                                                                                   \
	"\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                              \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"ide\",\"version\":\"7\"},"             \
	"\"io.modelcontextprotocol/clientCapabilities\":{\"roots\":{}}"

/* ---- words ---- */

struct Words {
	const char *method;
	enum Era ide, upstream;
	const char *name, *target, *inputs; /* NULL: none */
	const char *said, *sent; /* @ stands for the upstream's id in SENT */
	const char *mcp_name;
};

static void check_words(const struct Words *words)
{
	struct Up u;
	up_init_open(&u, words->upstream, NULL, "auth = none");
	struct Wish wish = {0};
	struct UpstreamRequest request = {
		.era = words->ide,
		.method = words->method,
		.name = slice_of(words->name),
		.target = words->target,
		.inputs = slice_of(words->inputs),
		.log_level = SYSLOG_LEVEL_NONE,
	};
	wish_start(&u, &wish, request, words->said);
	struct Hit *hit = peer_await(&u.peer, words->method);
	g_auto(GStrv) parts = g_strsplit(words->sent, "@", -1);
	g_autofree char *wanted = g_strjoinv(hit->id, parts);
	assert_string_equal(hit->body, wanted);
	bool modern = words->upstream == ERA_MODERN;
	assert_header(hit, "Mcp-Method", modern ? words->method : NULL);
	assert_header(hit, "Mcp-Name", modern ? words->mcp_name : NULL);
	wish_finish(&wish, hit);
	up_release(&u);
}

#define CHECK_ALL(rows)                                                                            \
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)                                            \
	check_words(&(rows)[i])

static void test_prompts_are_asked_for_by_the_upstreams_own_name(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"prompts/get", ERA_LEGACY, ERA_LEGACY, "\"own\"", "own", NULL,
			SAID("prompts/get", "{\"name\":\"c_own\",\"arguments\":{\"name\":\"n\"}}"),
			SENT("prompts/get", "{\"name\":\"own\",\"arguments\":{\"name\":\"n\"}}"),
			NULL},
		{"prompts/get", ERA_LEGACY, ERA_MODERN, "\"own\"", "own", NULL,
			SAID("prompts/get", "{\"name\":\"c_own\"}"),
			SENT("prompts/get", "{\"_meta\":{" META "},\"name\":\"own\"}"), "own"},
		{"prompts/get", ERA_MODERN, ERA_LEGACY, "\"own\"", "own", NULL,
			SAID("prompts/get",
				"{\"_meta\":{" IDE_META ",\"k\":1.0},\"name\":\"c_own\"}"),
			SENT("prompts/get", "{\"_meta\":{\"k\":1.0},\"name\":\"own\"}"), NULL},
		{"prompts/get", ERA_MODERN, ERA_MODERN, "\"\\u00e4 x\"", "ä x", NULL,
			SAID("prompts/get", "{\"_meta\":{" IDE_META "},\"name\":\"c_own\"}"),
			SENT("prompts/get", "{\"_meta\":{" IDE_META "},\"name\":\"\\u00e4 x\"}"),
			"=?base64?w6QgeA==?="},
	};
	CHECK_ALL(rows);
}

static void test_resources_are_read_by_their_uri(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"resources/read", ERA_LEGACY, ERA_LEGACY, NULL, "x:/\xc3\xa4", NULL,
			SAID("resources/read",
				"{\"uri\":\"x:\\/\\u00e4\",\"name\":\"this is no name\"}"),
			SENT("resources/read",
				"{\"uri\":\"x:\\/\\u00e4\",\"name\":\"this is no name\"}"),
			NULL},
		{"resources/read", ERA_LEGACY, ERA_MODERN, NULL, "x:/\xc3\xa4", NULL,
			SAID("resources/read", "{\"uri\":\"x:\\/\\u00e4\"}"),
			SENT("resources/read", "{\"_meta\":{" META "},\"uri\":\"x:\\/\\u00e4\"}"),
			"=?base64?eDovw6Q=?="},
		{"resources/read", ERA_MODERN, ERA_MODERN, NULL, "file:///a b?c=%20", NULL,
			SAID("resources/read",
				"{\"uri\":\"file:///a b?c=%20\",\"_meta\":{" IDE_META "}}"),
			SENT("resources/read",
				"{\"uri\":\"file:///a b?c=%20\",\"_meta\":{" IDE_META "}}"),
			"file:///a b?c=%20"},
	};
	CHECK_ALL(rows);
}

static void test_completions_name_their_prompt_inside_of_ref(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"completion/complete", ERA_LEGACY, ERA_MODERN, "\"own\"", NULL, NULL,
			SAID("completion/complete",
				"{\"name\":\"left\",\"argument\":{\"name\":\"left\",\"value\":"
				"\"v\"},"
				"\"ref\":{\"type\":\"ref/prompt\", \"name\" : \"c_own\"}}"),
			SENT("completion/complete",
				"{\"_meta\":{" META "},\"name\":\"left\",\"argument\":{\"name\":"
				"\"left\",\"value\":\"v\"},"
				"\"ref\":{\"type\":\"ref/prompt\", \"name\" : \"own\"}}"),
			NULL},
		{"completion/complete", ERA_LEGACY, ERA_LEGACY, NULL, NULL, NULL,
			SAID("completion/complete", "{\"ref\":{\"type\":\"ref/resource\",\"uri\":"
						    "\"x:{a}\"},\"argument\":{\"name\":\"a\"}}"),
			SENT("completion/complete", "{\"ref\":{\"type\":\"ref/resource\",\"uri\":"
						    "\"x:{a}\"},\"argument\":{\"name\":\"a\"}}"),
			NULL},
		/* A name for what has none. */
		{"completion/complete", ERA_LEGACY, ERA_LEGACY, "\"own\"", NULL, NULL,
			SAID("completion/complete", "{\"ref\":7}"),
			SENT("completion/complete", "{\"ref\":7}"), NULL},
	};
	CHECK_ALL(rows);
}

static void test_other_methods_have_the_header_where_a_target_is_given(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"tasks/get", ERA_MODERN, ERA_MODERN, NULL, "t-1", NULL,
			SAID("tasks\\/get", "{\"_meta\":{" IDE_META "},\"taskId\":\"t-1\"}"),
			SENT("tasks\\/get", "{\"_meta\":{" IDE_META "},\"taskId\":\"t-1\"}"),
			"t-1"},
		{"tasks/list", ERA_MODERN, ERA_MODERN, NULL, NULL, NULL,
			SAID("tasks/list", "{\"_meta\":{" IDE_META "}}"),
			SENT("tasks/list", "{\"_meta\":{" IDE_META "}}"), NULL},
		/* Empty and spaced names stay what they are. */
		{"prompts/get", ERA_MODERN, ERA_MODERN, "\" a\"", " a", NULL,
			SAID("prompts/get", "{\"name\":\"x\"}"),
			SENT("prompts/get", "{\"name\":\" a\"}"), "=?base64?IGE=?="},
	};
	CHECK_ALL(rows);
}

#define NO_PARAMS "{\"jsonrpc\":\"2.0\",\"id\":\"ide\",\"method\":\"m\" }"

static void test_requests_without_params(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"m", ERA_LEGACY, ERA_LEGACY, NULL, NULL, "\"inputResponses\":{}", NO_PARAMS,
			"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"m\" }", NULL},
		{"m", ERA_MODERN, ERA_LEGACY, NULL, NULL, NULL, NO_PARAMS,
			"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"m\" }", NULL},
		{"m", ERA_LEGACY, ERA_MODERN, NULL, NULL, NULL, NO_PARAMS,
			"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"m\" "
			",\"params\":{\"_meta\":{" META "}}}",
			NULL},
		{"m", ERA_LEGACY, ERA_MODERN, NULL, NULL, "\"requestState\":\"s\"", NO_PARAMS,
			"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"m\" "
			",\"params\":{\"_meta\":{" META "},\"requestState\":\"s\"}}",
			NULL},
		{"m", ERA_MODERN, ERA_MODERN, NULL, NULL, "\"requestState\":\"s\"", NO_PARAMS,
			"{\"jsonrpc\":\"2.0\",\"id\":@,\"method\":\"m\" ,\"params\":{"
			"\"requestState\":\"s\"}}",
			NULL},
		{"m", ERA_LEGACY, ERA_MODERN, NULL, NULL, NULL, SAID("m", "{ }"),
			SENT("m", "{\"_meta\":{" META "} }"), NULL},
		{"m", ERA_LEGACY, ERA_MODERN, NULL, NULL, "\"requestState\":\"s\"",
			SAID("m", "{ }"),
			SENT("m", "{\"_meta\":{" META "},\"requestState\":\"s\" }"), NULL},
		{"m", ERA_MODERN, ERA_MODERN, NULL, NULL, "\"requestState\":\"s\"", SAID("m", "{}"),
			SENT("m", "{\"requestState\":\"s\"}"), NULL},
	};
	CHECK_ALL(rows);
}

#define INPUTS "\"inputResponses\":{\"a\":{\"n\":1.10}},\"requestState\":\"\\u0073\""

static void test_inputs_are_added_for_modern_servers_alone(void **state)
{
	(void)state;
	static const struct Words rows[] = {
		{"prompts/get", ERA_LEGACY, ERA_MODERN, "\"own\"", "own", INPUTS,
			SAID("prompts/get", "{\"name\":\"c_own\"}"),
			SENT("prompts/get", "{\"_meta\":{" META "}," INPUTS ",\"name\":\"own\"}"),
			"own"},
		{"prompts/get", ERA_LEGACY, ERA_MODERN, "\"own\"", "own", INPUTS,
			SAID("prompts/get",
				"{\"_meta\":{\"progressToken\":\"p\"},\"name\":\"c_own\"}"),
			SENT("prompts/get", "{" INPUTS ",\"_meta\":{\"progressToken\":@," META
					    "},\"name\":\"own\"}"),
			"own"},
		{"resources/read", ERA_MODERN, ERA_MODERN, NULL, "x:", INPUTS,
			SAID("resources/read",
				"{\"uri\":\"x:\",\"_meta\":{" IDE_META ",\"progressToken\":1}}"),
			SENT("resources/read", "{" INPUTS ",\"uri\":\"x:\",\"_meta\":{" IDE_META
					       ",\"progressToken\":@}}"),
			"x:"},
		{"resources/read", ERA_MODERN, ERA_LEGACY, NULL, "x:", INPUTS,
			SAID("resources/read", "{\"uri\":\"x:\",\"_meta\":{" IDE_META "}}"),
			SENT("resources/read", "{\"uri\":\"x:\",\"_meta\":{}}"), NULL},
		{"resources/read", ERA_LEGACY, ERA_LEGACY, NULL, "x:", INPUTS,
			SAID("resources/read", "{\"uri\":\"x:\"}"),
			SENT("resources/read", "{\"uri\":\"x:\"}"), NULL},
	};
	CHECK_ALL(rows);
}

static void test_inputs_of_a_tool_call(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_MODERN, NULL, "auth = none");
	struct Wish wish = {0};
	struct UpstreamRequest request = {.era = ERA_LEGACY,
		.tool = "add",
		.method = "tools/call", /* as good as none */
		.name = SLICE("\"add\""),
		.inputs = SLICE(INPUTS)};
	wish_start(&u, &wish, request, CALL("c_add"));
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Name", "add");
	assert_non_null(strstr(hit->body,
		"\"params\":{\"_meta\":{" META "}," INPUTS ",\"name\":\"add\",\"arguments\":{}}"));
	wish_finish(&wish, hit);
	up_release(&u);
}

static void test_modern_servers_hear_what_the_client_can_do(void **state)
{
	(void)state;
	for (unsigned modern_ide = 0; modern_ide < 2; modern_ide++) {
		struct Up u;
		up_init(&u);
		enum Era era = modern_ide ? ERA_MODERN : ERA_LEGACY;
		upstream_set_client(u.up, era, SLICE("{\"elicitation\":{ \"form\":{}}}"));
		upstream_open(u.up, ERA_MODERN);
		struct Hit *hit = peer_await(&u.peer, "server/discover");
		assert_non_null(strstr(hit->body, META_WITH("{\"elicitation\":{ \"form\":{}}}")));
		hit_result(hit, "{\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":"
				"" EVERYTHING "}");
		hit = peer_await(&u.peer, "tools/list");
		assert_non_null(strstr(hit->body, META_WITH("{\"elicitation\":{ \"form\":{}}}")));
		hit_result(hit, "{\"tools\":[" ADD_TOOL "]}");
		up_await_settled(&u);
		struct Wish wish = {0};
		struct UpstreamRequest request = {
			.era = era, .method = "prompts/get", .log_level = SYSLOG_LEVEL_NONE};
		wish_start(&u, &wish, request,
			modern_ide ? SAID("prompts/get", "{\"_meta\":{" IDE_META "}}")
				   : SAID("prompts/get", "{}"));
		hit = peer_await(&u.peer, "prompts/get");
		assert_non_null(strstr(hit->body,
			modern_ide ? IDE_META : META_WITH("{\"elicitation\":{ \"form\":{}}}")));
		wish_finish(&wish, hit);
		up_release(&u);
	}
}

static void test_a_name_too_long_for_a_header(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Up u;
		up_init_open(&u, ERA_MODERN, NULL, "auth = none");
		g_autofree char *uri = g_strnfill((64 << 10) + 1 - i, 'x');
		struct Wish wish = {0};
		struct UpstreamRequest request = {
			.era = ERA_LEGACY, .method = "resources/read", .target = uri};
		wish_start(&u, &wish, request, SAID("resources/read", "{\"uri\":\"x\"}"));
		if (i == 0) {
			ask_await(&wish.ask);
			assert_ask_failed(&wish.ask, MUX_ERROR_TOO_LARGE, "(64 KiB)");
			peer_await_none(&u.peer, "resources/read");
			wish_release(&wish);
		} else {
			wish_finish(&wish, peer_await(&u.peer, "resources/read"));
		}
		up_release(&u);
	}
}

/* ---- what waits, what is repeated ---- */

static void test_a_request_that_waited_has_lost_nothing(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Wish wish = {0};
	g_autofree char *name = g_strdup("\"own\"");
	g_autofree char *target = g_strdup("own");
	g_autofree char *inputs = g_strdup(INPUTS);
	g_autofree char *info = g_strdup("{\"name\":\"me\"}");
	g_autofree char *text = g_strdup(SAID("prompts/get", "{\"name\":\"c_own\"}"));
	struct UpstreamRequest request = {.era = ERA_LEGACY,
		.method = "prompts/get",
		.name = slice_of(name),
		.target = target,
		.client_info = slice_of(info),
		.inputs = slice_of(inputs)};
	wish_start(&u, &wish, request, text);
	char *const all[] = {name, target, inputs, info, text};
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++)
		g_strcanon(all[i], "", '!');
	assert_false(upstream_call_is_out(wish.ask.call));
	up_serve_discover(&u, EVERYTHING);
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	assert_true(upstream_call_is_out(wish.ask.call));
	assert_non_null(strstr(hit->body, "clientInfo\":{\"name\":\"me\"},"));
	assert_non_null(strstr(hit->body, "}," INPUTS ",\"name\":\"own\"}"));
	assert_header(hit, "Mcp-Method", "prompts/get");
	assert_header(hit, "Mcp-Name", "own");
	wish_finish(&wish, hit);
	up_release(&u);
}

static void test_a_completion_that_waited_names_the_upstreams_prompt(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Wish wish = {0};
	struct UpstreamRequest request = {
		.era = ERA_LEGACY, .method = "completion/complete", .name = SLICE("\"own\"")};
	wish_start(&u, &wish, request,
		SAID("completion/complete", "{\"ref\":{\"name\":\"c_own\"},\"name\":\"left\"}"));
	up_serve_discover(&u, EVERYTHING);
	struct Hit *hit = peer_await(&u.peer, "completion/complete");
	assert_non_null(strstr(hit->body, "\"ref\":{\"name\":\"own\"},\"name\":\"left\"}"));
	assert_header(hit, "Mcp-Name", NULL);
	wish_finish(&wish, hit);
	up_release(&u);
}

static void test_inputs_do_not_reach_a_server_that_turns_out_to_be_legacy(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Wish wish = {0};
	struct UpstreamRequest request = {.era = ERA_LEGACY,
		.method = "prompts/get",
		.name = SLICE("\"own\""),
		.target = "own",
		.inputs = SLICE(INPUTS)};
	wish_start(&u, &wish, request, SAID("prompts/get", "{\"name\":\"c_own\"}"));
	hit_error(peer_await(&u.peer, "server/discover"), 200, -32601, "");
	up_serve_initialize(&u, "2025-06-18", NULL, EVERYTHING);
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	assert_non_null(strstr(hit->body, "\"params\":{\"name\":\"own\"}}"));
	wish_finish(&wish, hit);
	up_release(&u);
}

static void test_a_lost_session_repeats_requests_of_any_method(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, "S1", "auth = none");
	struct Wish wish = {0};
	struct UpstreamRequest request = {
		.era = ERA_LEGACY, .method = "resources/read", .target = "x:"};
	wish_start(&u, &wish, request, SAID("resources/read", "{\"uri\":\"x:\"}"));
	struct Hit *first = peer_await(&u.peer, "resources/read");
	hit_reply(first, 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", EVERYTHING);
	struct Hit *second = peer_await(&u.peer, "resources/read");
	assert_string_equal(second->body, first->body);
	assert_header(second, "Mcp-Session-Id", "S2");
	wish_finish(&wish, second);
	up_release(&u);
}

/* Both find their session gone, the second when there is a new one already. */
static void test_a_late_refusal_finds_the_new_session(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, "S1", "auth = none");
	struct Wish wish[2] = {0};
	struct Hit *hit[2];
	struct UpstreamRequest request = {
		.era = ERA_LEGACY, .method = "resources/read", .target = "x:"};
	for (unsigned i = 0; i < 2; i++) {
		wish_start(&u, &wish[i], request, SAID("resources/read", "{\"uri\":\"x:\"}"));
		hit[i] = peer_await(&u.peer, "resources/read");
	}
	hit_reply(hit[0], 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", EVERYTHING);
	wish_finish(&wish[0], peer_await(&u.peer, "resources/read"));
	hit_reply(hit[1], 404, "", "");
	struct Hit *again = peer_await(&u.peer, "resources/read");
	assert_header(again, "Mcp-Session-Id", "S2");
	wish_finish(&wish[1], again);
	peer_await_none(&u.peer, "initialize");
	up_release(&u);
}

static void test_a_header_mismatch_of_other_methods_is_their_answer(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_MODERN, NULL, "auth = none");
	struct Wish wish = {0};
	struct UpstreamRequest request = {
		.era = ERA_LEGACY, .method = "prompts/get", .target = "own"};
	wish_start(&u, &wish, request, SAID("prompts/get", "{\"name\":\"own\"}"));
	hit_error(peer_await(&u.peer, "prompts/get"), 400, -32020, "");
	ask_await(&wish.ask);
	assert_ask_answer(&wish.ask, "-32020");
	peer_await_none(&u.peer, "tools/list");
	wish_release(&wish);
	up_release(&u);
}

static void test_cancelling_any_method(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	struct Wish wish = {0};
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	wish_start(&u, &wish, request, SAID("prompts/get", "{\"name\":\"own\"}"));
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	upstream_call_cancel(wish.ask.call);
	g_autofree char *part = g_strdup_printf("\"requestId\":%s,", hit->id);
	assert_non_null(strstr(peer_await(&u.peer, "notifications/cancelled")->body, part));
	hit_await_close(hit);
	wish_release(&wish);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prompts_are_asked_for_by_the_upstreams_own_name),
		cmocka_unit_test(test_resources_are_read_by_their_uri),
		cmocka_unit_test(test_completions_name_their_prompt_inside_of_ref),
		cmocka_unit_test(test_other_methods_have_the_header_where_a_target_is_given),
		cmocka_unit_test(test_requests_without_params),
		cmocka_unit_test(test_inputs_are_added_for_modern_servers_alone),
		cmocka_unit_test(test_inputs_of_a_tool_call),
		cmocka_unit_test(test_modern_servers_hear_what_the_client_can_do),
		cmocka_unit_test(test_a_name_too_long_for_a_header),
		cmocka_unit_test(test_a_request_that_waited_has_lost_nothing),
		cmocka_unit_test(test_a_completion_that_waited_names_the_upstreams_prompt),
		cmocka_unit_test(test_inputs_do_not_reach_a_server_that_turns_out_to_be_legacy),
		cmocka_unit_test(test_a_lost_session_repeats_requests_of_any_method),
		cmocka_unit_test(test_a_late_refusal_finds_the_new_session),
		cmocka_unit_test(test_a_header_mismatch_of_other_methods_is_their_answer),
		cmocka_unit_test(test_cancelling_any_method),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
