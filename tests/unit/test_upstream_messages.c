/* What a server says that belongs to no call, and what it is told in the IDE's name. */
#include "upstream_fixture.h"

#define REQUEST(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"roots/list\"}"
#define PING "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}"

/* Open, with the server's own stream; the upstream offers it to list roots. */
static struct Hit *open_legacy(struct Up *u)
{
	up_init(u);
	upstream_set_client(u->up, ERA_LEGACY, SLICE("{\"roots\":{}}"));
	up_open_legacy(u, "S", QUIET_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u->peer, "GET");
	hit_stream(get, "");
	return get;
}

static void assert_answer(struct Up *u, const char *body)
{
	struct Hit *hit = peer_await(&u->peer, "answer");
	assert_string_equal(hit->body, body);
	assert_header(hit, "Mcp-Session-Id", "S");
	assert_header(hit, "MCP-Protocol-Version", "2025-11-25");
	hit_reply(hit, 202, "", "");
}

static void test_a_request_is_answered_by_the_owner(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *get = open_legacy(&u);
	u.takes_requests = true;
	hit_event(get, REQUEST("\"\\u00e4\""));
	up_await_messages(&u, 1);
	assert_string_equal(u.message, REQUEST("\"\\u00e4\""));
	assert_string_equal(u.message_id, "\"\\u00e4\"");
	peer_await_none(&u.peer, "answer");
	upstream_reply(u.up, slice_of(u.message_id), "result", SLICE("{\"roots\" : [ 1.0 ]}"));
	assert_answer(
		&u, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u00e4\",\"result\":{\"roots\" : [ 1.0 ]}}");
	upstream_reply(u.up, SLICE("7"), "error", SLICE("{\"code\":-1,\"message\":\"no\"}"));
	assert_answer(
		&u, "{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-1,\"message\":\"no\"}}");
	up_release(&u);
}

#define NOT_FOUND                                                                                  \
	"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32601,\"message\":\"Method not "       \
	"found\"}}"

static void test_a_request_that_nobody_takes_is_refused(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *get = open_legacy(&u);
	hit_event(get, REQUEST("7"));
	assert_answer(&u, NOT_FOUND);
	assert_int_equal(u.messages, 1);
	hit_event(get, PING);
	assert_answer(&u, "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"result\":{}}");
	assert_int_equal(u.messages, 1);
	up_release(&u);
}

static void test_an_owner_without_a_handler(void **state)
{
	(void)state;
	static const struct UpstreamHandlers handlers = {
		.state = up_on_state, .tools = up_on_tools};
	struct Up u;
	up_init(&u);
	upstream_free(u.up);
	struct UpstreamShared shared = {
		u.fixture.loop, u.client, &u.config->mux, u.eras, NULL, NULL};
	u.up = upstream_new(&shared, u.config->connectors->pdata[0], &handlers, &u);
	up_open_legacy(&u, "S", CHANGING_TOOLS, ADD_TOOL);
	struct Hit *get = peer_await(&u.peer, "GET");
	hit_stream(get, "");
	hit_event(get, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}");
	hit_event(get, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/prompts/list_changed\"}");
	hit_event(get, REQUEST("7"));
	assert_answer(&u, NOT_FOUND);
	assert_int_equal(u.messages + u.items[MCP_PROMPTS], 0);
	up_release(&u);
}

static void test_notifications_come_to_the_owner(void **state)
{
	(void)state;
	static const char *const notices[] = {
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"level\":"
		"\"info\",\"data\":1.50}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"
		"\"uri\":\"x://never-watched\"}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		"\"requestId\":1}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\",\"params\":"
		"{\"elicitationId\":\"e\"}}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/never-heard-of\"}",
	};
	static const char *const own[] = {
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":99,\"progress\":1}}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
		PING,
	};
	struct Up u;
	struct Hit *get = open_legacy(&u);
	g_autoptr(GString) all = g_string_new(NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(notices); i++) {
		hit_event(get, own[i % G_N_ELEMENTS(own)]);
		hit_event(get, notices[i]);
		up_await_messages(&u, (unsigned)i + 1);
		g_string_append_printf(all, "%s\n", notices[i]);
	}
	assert_string_equal(u.said->str, all->str);
	up_release(&u);
}

static void test_a_modern_server_asks_nothing(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	u.takes_requests = true;
	up_open_modern(&u, CHANGING_TOOLS, ADD_TOOL);
	struct Hit *listen = peer_await(&u.peer, "subscriptions/listen");
	hit_stream(listen, "");
	hit_event(listen, REQUEST("7"));
	hit_event(listen, PING);
	hit_event(listen, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}");
	up_await_messages(&u, 1);
	assert_non_null(strstr(u.message, "notifications/message"));
	upstream_reply(u.up, SLICE("7"), "result", SLICE("{}"));
	upstream_notify(u.up, "notifications/roots/list_changed", SLICE(""));
	peer_await_none(&u.peer, "answer");
	assert_null(peer_find(&u.peer, "notifications/roots/list_changed"));
	up_release(&u);
}

static void test_a_server_is_told_in_the_name_of_the_ide(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u);
	upstream_notify(u.up, "notifications/roots/list_changed", (struct Slice){0});
	struct Hit *hit = peer_await(&u.peer, "notifications/roots/list_changed");
	assert_string_equal(
		hit->body, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}");
	assert_header(hit, "Mcp-Session-Id", "S");
	upstream_notify(u.up, "notifications/progress", SLICE("{\"progress\":1.0 }"));
	assert_string_equal(peer_await(&u.peer, "notifications/progress")->body,
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progress\":1.0 }}");
	up_release(&u);
}

/* What an earlier session asked is void, and nobody is told without a session. */
static void test_nothing_is_said_between_sessions(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_reply(u.up, SLICE("1"), "result", SLICE("{}"));
	upstream_notify(u.up, "notifications/roots/list_changed", (struct Slice){0});
	upstream_open(u.up, ERA_LEGACY);
	up_serve_initialize(&u, "2025-11-25", "S", QUIET_TOOLS);
	up_serve_tools(&u, ADD_TOOL);
	up_await_settled(&u);
	u.takes_requests = true;
	struct Ask ask = {0}, other = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	ask_add(&u, &other);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	struct Hit *initialize = peer_await(&u.peer, "initialize");
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	hit_stream(hit, "");
	hit_event(hit, REQUEST("7"));
	hit_event(hit, PING); /* has no need of a session */
	peer_await(&u.peer, "answer");
	upstream_reply(u.up, SLICE("7"), "result", SLICE("{}"));
	upstream_notify(u.up, "notifications/roots/list_changed", (struct Slice){0});
	peer_await_none(&u.peer, "answer");
	assert_null(peer_find(&u.peer, "notifications/roots/list_changed"));
	assert_int_equal(u.messages, 0);
	hit_reply(initialize, 500, "", "");
	ask_await(&other);
	upstream_shutdown(u.up);
	upstream_reply(u.up, SLICE("7"), "result", SLICE("{}"));
	peer_await_none(&u.peer, "answer");
	ask_release(&ask);
	ask_release(&other);
	up_release(&u);
}

static void test_answers_of_our_own_are_bounded(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *get = open_legacy(&u);
	unsigned n = 0;
	for (unsigned i = 0; i < 150; i++)
		hit_event(get, i % 2 ? PING : REQUEST("7"));
	hit_event(get, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}");
	up_await_messages(&u, 76);
	fixture_turn_for(&u.fixture, 60);
	while (peer_find(&u.peer, "answer"))
		n++;
	assert_int_equal(n, 100);
	/* The IDE's always go. */
	upstream_reply(u.up, SLICE("\"ide\""), "result", SLICE("{}"));
	assert_non_null(strstr(peer_await(&u.peer, "answer")->body, "\"ide\""));
	up_release(&u);
}

/* ---- what the stream is for ---- */

static void test_who_has_something_to_say_gets_a_stream(void **state)
{
	(void)state;
	static const struct {
		const char *capabilities, *client;
		bool stream;
	} cases[] = {
		{"{\"tools\":{}}", "{}", false},
		{"{\"tools\":{},\"prompts\":{},\"resources\":{},\"completions\":{}}", "{ }", false},
		{"{\"tools\":{},\"logging\":{}}", "{}", true},
		{"{\"tools\":{},\"prompts\":{\"listChanged\":true}}", "{}", true},
		{"{\"tools\":{},\"resources\":{\"listChanged\":true}}", "{}", true},
		{"{\"tools\":{},\"resources\":{\"subscribe\":true}}", "{}", true},
		{"{\"tools\":{}}", "{\"sampling\":{}}", true},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		up_init(&u);
		upstream_set_client(u.up, ERA_LEGACY, slice_of(cases[i].client));
		up_open_legacy(&u, "S", cases[i].capabilities, ADD_TOOL);
		if (cases[i].stream)
			peer_await(&u.peer, "GET");
		else
			peer_await_none(&u.peer, "GET");
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_request_is_answered_by_the_owner),
		cmocka_unit_test(test_a_request_that_nobody_takes_is_refused),
		cmocka_unit_test(test_an_owner_without_a_handler),
		cmocka_unit_test(test_notifications_come_to_the_owner),
		cmocka_unit_test(test_a_modern_server_asks_nothing),
		cmocka_unit_test(test_a_server_is_told_in_the_name_of_the_ide),
		cmocka_unit_test(test_nothing_is_said_between_sessions),
		cmocka_unit_test(test_answers_of_our_own_are_bounded),
		cmocka_unit_test(test_who_has_something_to_say_gets_a_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
