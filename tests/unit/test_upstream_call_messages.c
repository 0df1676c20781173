/* What a server says on the stream of a call, and who is told. */
#include "request_fixture.h"

#define NOTE(method) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/" method "\",\"params\":{}}"
#define ROOTS "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0072\",\"method\":\"roots/list\"}"

static void test_messages_on_a_calls_stream_are_its_owners(void **state)
{
	(void)state;
	static const char *const notes[] = {NOTE("message"), NOTE("cancelled"),
		NOTE("elicitation/complete"), NOTE("resources/updated"), NOTE("of/whatever/kind")};
	for (unsigned modern = 0; modern < 2; modern++) {
		struct Up u;
		up_init_open(&u, modern ? ERA_MODERN : ERA_LEGACY, NULL, "auth = none");
		struct Wish wish = {0};
		struct Hit *hit = wish_start_prompt(&u, &wish);
		for (unsigned i = 0; i < G_N_ELEMENTS(notes); i++) {
			hit_event(hit, notes[i]);
			turn_until(&u.fixture, wish.messages, i + 1);
			assert_string_equal(wish.message, notes[i]);
		}
		assert_int_equal(u.messages, 0);
		hit_event_result(hit, "{}");
		ask_await(&wish.ask);
		wish_release(&wish);
		up_release(&u);
	}
}

static void test_requests_on_a_calls_stream_are_taken_or_refused(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, "S", "auth = none");
	struct Wish wish = {.takes = true};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	hit_event(hit, ROOTS);
	turn_until(&u.fixture, wish.messages, 1);
	assert_string_equal(wish.message, ROOTS);
	peer_await_none(&u.peer, "answer");
	wish.takes = false;
	hit_event(hit, ROOTS);
	struct Hit *answer = peer_await(&u.peer, "answer");
	assert_header(answer, "Mcp-Session-Id", "S");
	assert_string_equal(answer->body,
		"{\"jsonrpc\":\"2.0\",\"id\":\"\\u0072\",\"error\":{\"code\":-32601,\"message\":"
		"\"Method not found\"}}");
	assert_int_equal(wish.messages, 2);
	assert_int_equal(u.messages, 0);
	hit_event_result(hit, "{}");
	ask_await(&wish.ask);
	wish_release(&wish);
	up_release(&u);
}

static void test_a_server_that_is_refused_endlessly_is_bounded(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	struct Wish wish = {0};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	for (unsigned i = 0; i < 400; i++)
		hit_event(hit, ROOTS);
	hit_event_result(hit, "{}");
	ask_await(&wish.ask);
	fixture_turn_for(&u.fixture, 50);
	assert_int_equal(wish.messages, 400);
	assert_true(u.peer.links->len <= 110);
	wish_release(&wish);
	up_release(&u);
}

static void test_what_is_no_owners_business_goes_the_usual_way(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	up_let_time_pass(&u);
	struct Wish wish = {.takes = true};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"ping\"}");
	assert_string_equal(peer_await(&u.peer, "answer")->body,
		"{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}");
	hit_event(hit, NOTE("tools/list_changed"));
	up_serve_tools(&u, ADD_TOOL "," READ_TOOL);
	up_await_tools(&u, 2);
	hit_event(hit, NOTE("prompts/list_changed"));
	up_await_items(&u, MCP_PROMPTS, 1);
	hit_event(hit, NOTE("resources/list_changed"));
	up_await_items(&u, MCP_RESOURCES, 1);
	g_autofree char *progress = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		"\"progressToken\":%s,\"progress\":1}}",
		hit->id);
	hit_event(hit, progress);
	turn_until(&u.fixture, wish.ask.progresses, 1);
	hit_event(hit, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
		       "\"progressToken\":999,\"progress\":1}}");
	hit_event_result(hit, "{}");
	ask_await(&wish.ask);
	assert_int_equal(wish.messages, 0);
	wish_release(&wish);
	up_release(&u);
}

/* A modern server has no requests: nobody is asked, nothing is answered. */
static void test_requests_of_a_modern_server_are_ignored(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_MODERN, NULL, "auth = none");
	struct Wish wish = {.takes = true};
	struct Hit *hit = wish_start_prompt(&u, &wish);
	hit_event(hit, ROOTS);
	hit_event_result(hit, "{}");
	ask_await(&wish.ask);
	assert_int_equal(wish.messages, 0);
	assert_int_equal(u.messages, 0);
	peer_await_none(&u.peer, "answer");
	wish_release(&wish);
	up_release(&u);
}

static void test_without_an_owners_handler_the_upstreams_is_asked(void **state)
{
	(void)state;
	struct Up u;
	up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
	u.takes_requests = true;
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	hit_stream(hit, "");
	hit_event(hit, ROOTS);
	up_await_messages(&u, 1);
	assert_string_equal(u.message, ROOTS);
	hit_event(hit, NOTE("message"));
	up_await_messages(&u, 2);
	hit_event_result(hit, "{}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void cancel_itself(struct Wish *wish)
{
	upstream_call_cancel(g_steal_pointer(&wish->ask.call));
}

static void test_a_message_handler_may_cancel_its_call(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 6; way++) {
		struct Up u;
		up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
		struct Wish wish = {.on_message = cancel_itself, .takes = way & 1};
		struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
		wish_start(&u, &wish, request, SAID("prompts/get", "{\"name\":\"own\"}"));
		struct Hit *hit = peer_await(&u.peer, "prompts/get");
		g_autofree char *answer = result_text(hit, "{}");
		g_autofree char *batch = g_strdup_printf("[%s,%s,%s]", ROOTS, ROOTS, answer);
		g_autofree char *events =
			way / 2 == 0 ? g_strdup_printf("data: %s\n\ndata: %s\n\n", ROOTS, answer)
				     : g_strdup_printf("data: %s\n\n", batch);
		if (way / 2 < 2) {
			hit_stream(hit, "");
			hit_bytes(hit, events);
		} else {
			hit_reply(hit, 200, "", batch);
		}
		turn_until(&u.fixture, wish.messages, 1);
		peer_await(&u.peer, "notifications/cancelled");
		fixture_turn_for(&u.fixture, 20);
		assert_int_equal(wish.ask.ended, 0);
		assert_int_equal(wish.messages, 1);
		wish_release(&wish);
		up_release(&u);
	}
}

static struct Wish *heir;

static void give_away(struct Wish *wish)
{
	heir->ask.u = wish->ask.u;
	heir->ask.call = g_steal_pointer(&wish->ask.call);
	upstream_call_give(heir->ask.call, &wish_handlers, heir);
}

static void test_a_call_may_be_given_away(void **state)
{
	(void)state;
	for (unsigned inside = 0; inside < 2; inside++) {
		struct Up u;
		up_init_open(&u, ERA_LEGACY, NULL, "auth = none");
		struct Wish wish = {.takes = true}, other = {.takes = true};
		heir = &other;
		if (inside)
			wish.on_message = give_away;
		struct Hit *hit = wish_start_prompt(&u, &wish);
		g_autofree char *batch = g_strdup_printf("[%s,%s]", ROOTS, NOTE("message"));
		hit_event(hit, inside ? batch : ROOTS);
		turn_until(&u.fixture, wish.messages, 1);
		if (!inside) {
			give_away(&wish);
			hit_event(hit, NOTE("message"));
		}
		turn_until(&u.fixture, other.messages, 1);
		assert_string_equal(other.message, NOTE("message"));
		assert_true(upstream_call_is_out(other.ask.call));
		g_autofree char *progress = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{"
			"\"progressToken\":%s,\"progress\":1}}",
			hit->id);
		hit_event(hit, progress);
		turn_until(&u.fixture, other.ask.progresses, 1);
		hit_event_result(hit, "{\"yes\":1}");
		ask_await(&other.ask);
		assert_ask_answer(&other.ask, "\"yes\":1");
		assert_int_equal(wish.messages, 1);
		assert_int_equal(wish.ask.ended + wish.ask.progresses, 0);
		wish_release(&wish);
		wish_release(&other);
		up_release(&u);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_on_a_calls_stream_are_its_owners),
		cmocka_unit_test(test_requests_on_a_calls_stream_are_taken_or_refused),
		cmocka_unit_test(test_a_server_that_is_refused_endlessly_is_bounded),
		cmocka_unit_test(test_what_is_no_owners_business_goes_the_usual_way),
		cmocka_unit_test(test_requests_of_a_modern_server_are_ignored),
		cmocka_unit_test(test_without_an_owners_handler_the_upstreams_is_asked),
		cmocka_unit_test(test_a_message_handler_may_cancel_its_call),
		cmocka_unit_test(test_a_call_may_be_given_away),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
