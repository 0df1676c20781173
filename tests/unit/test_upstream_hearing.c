/* A legacy server that may ask the IDE: calls wait for the stream on which it would, and what it answers there counts. */
#include "upstream_fixture.h"

/* An upstream that is ready and lists one tool, whose notification stream was asked for. */
static struct Hit *open_asking(struct Up *u)
{
	up_init(u);
	upstream_set_client(u->up, ERA_LEGACY, SLICE("{\"elicitation\":{}}"));
	upstream_open(u->up, ERA_LEGACY);
	up_serve_initialize(u, "2025-11-25", "S", "{\"tools\":{}}");
	return peer_await(&u->peer, "GET");
}

static void test_a_call_waits_for_the_stream(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *stream = open_asking(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	peer_await_none(&u.peer, "tools/call");
	hit_stream(stream, "");
	hit_result(peer_await(&u.peer, "tools/call"), "{\"content\":[]}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_call_goes_out_where_the_stream_is_refused(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *stream = open_asking(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_reply(stream, 405, "", "");
	hit_result(peer_await(&u.peer, "tools/call"), "{\"content\":[]}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_call_does_not_wait_for_long(void **state)
{
	(void)state;
	struct Up u;
	open_asking(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	peer_await_none(&u.peer, "tools/call");
	clock_jump(&u.fixture, 1010);
	hit_result(peer_await(&u.peer, "tools/call"), "{\"content\":[]}");
	ask_await(&ask);
	ask_release(&ask);
	up_release(&u);
}

static void test_an_answer_on_the_notification_stream_is_the_calls(void **state)
{
	(void)state;
	struct Up u;
	struct Hit *stream = open_asking(&u);
	hit_stream(stream, "");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	struct Hit *call = peer_await(&u.peer, "tools/call");
	int64_t id;
	assert_true(json_int64(json_get(slice_of(call->body), "id"), &id));
	/* One that nobody waits for is passed over. */
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":999,\"result\":{}}");
	g_autofree char *text = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"content\":[]}}", (int)id);
	hit_event(stream, text);
	ask_await(&ask);
	assert_int_equal(ask.ended, 1);
	hit_await_close(call);
	ask_release(&ask);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_call_waits_for_the_stream),
		cmocka_unit_test(test_a_call_goes_out_where_the_stream_is_refused),
		cmocka_unit_test(test_a_call_does_not_wait_for_long),
		cmocka_unit_test(test_an_answer_on_the_notification_stream_is_the_calls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
