/* One request and its answer, by itself: above all when it is cancelled in its own handlers. */
#include "fast_clock.h"
#include "mcp_peer.h"

#include "base/error.h"
#include "upstream/exchange.h"

struct One {
	struct Fixture fixture;
	struct HttpClient *client;
	struct Peer peer;
	struct Exchange *exchange;
	struct HttpHeaders *headers;
	unsigned done, messages;
	bool cancel_in_done, cancel_in_message, pause_in_message, steal;
	int status;
	enum RpcKind kind;
	bool has_message;
	char *session, *error, *stolen;
};

static void on_done(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	struct One *one = user;
	assert_ptr_equal(exchange, one->exchange);
	one->done++;
	one->status = result->status;
	one->has_message = result->has_message;
	if (result->has_message)
		one->kind = result->message.kind;
	one->session = g_strdup(result->session);
	one->error = result->error ? g_strdup(result->error->message) : NULL;
	if (one->steal)
		one->stolen = g_steal_pointer(&result->bytes);
	if (one->cancel_in_done)
		exchange_cancel(exchange);
}

static void on_message(struct Exchange *exchange, const struct RpcMessage *message, void *user)
{
	struct One *one = user;
	(void)message;
	one->messages++;
	if (one->cancel_in_message) {
		exchange_cancel(exchange);
		exchange_cancel(exchange);
	}
	if (one->pause_in_message) {
		exchange_pause(exchange);
		exchange_resume(exchange);
	}
}

static void one_init(struct One *one)
{
	struct HttpOptions http = {.max_connections = 4, .user_agent = "mcp-mux-test/1"};
	*one = (struct One){0};
	fixture_init(&one->fixture);
	peer_init(&one->peer, &one->fixture);
	one->client = http_client_new(one->fixture.loop, &http, NULL);
	one->headers = http_headers_new();
}

static struct Hit *one_start(struct One *one, bool deaf)
{
	const struct ExchangeHandlers handlers = {on_done, deaf ? NULL : on_message};
	const struct ExchangeSpec spec = {
		.loop = one->fixture.loop,
		.http = one->client,
		.connector = "c",
		.url = one->peer.url,
		.headers = one->headers,
		.id = 5,
		.body = SLICE("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"m\"}"),
		.connect_timeout_ms = 5000,
		.idle_ms = 10000,
		.limit_ms = 30000,
		.max_message = 1 << 20,
		.resumable = true,
	};
	one->exchange = exchange_start(&spec, &handlers, one);
	assert_int_equal(one->done, 0);
	return peer_await(&one->peer, "m");
}

static void one_release(struct One *one)
{
	g_free(one->session);
	g_free(one->error);
	g_free(one->stolen);
	http_headers_unref(one->headers);
	http_client_free(one->client);
	peer_release(&one->peer);
	fixture_release(&one->fixture);
}

#define NOTICE "{\"jsonrpc\":\"2.0\",\"method\":\"n\"}"
#define ANSWER "{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}"

static void test_media_types(void **state)
{
	(void)state;
	assert_true(exchange_is_media_type("application/json", "application/json"));
	assert_true(exchange_is_media_type("Application/JSON; charset=utf-8", "application/json"));
	assert_true(exchange_is_media_type("application/json\t;x", "application/json"));
	assert_false(exchange_is_media_type("application/jsonx", "application/json"));
	assert_false(exchange_is_media_type("application/json-seq", "application/json"));
	assert_false(exchange_is_media_type("application", "application/json"));
	assert_false(exchange_is_media_type("", "application/json"));
	assert_false(exchange_is_media_type(NULL, "application/json"));
}

static void test_the_answer_may_be_taken(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.steal = true;
	struct Hit *hit = one_start(&one, false);
	hit_reply(hit, 200, "Mcp-Session-Id: s\r\n", ANSWER);
	turn_until(&one.fixture, one.done, 1);
	assert_int_equal(one.status, 200);
	assert_string_equal(one.session, "s");
	assert_int_equal(one.kind, RPC_RESULT);
	assert_memory_equal(one.stolen, ANSWER, strlen(ANSWER));
	assert_null(one.error);
	one_release(&one);
}

static void test_without_a_content_type_it_is_json(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	struct Hit *hit = one_start(&one, true);
	hit_send(hit, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" ANSWER);
	hit_cut(hit);
	turn_until(&one.fixture, one.done, 1);
	assert_null(one.error);
	assert_true(one.has_message);
	one_release(&one);
}

/* In every way in which it can end. */
static void test_cancelled_while_it_ends(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 6; way++) {
		struct One one;
		one_init(&one);
		one.cancel_in_done = true;
		struct Hit *hit = one_start(&one, false);
		if (way == 0)
			hit_reply(hit, 200, "", ANSWER);
		if (way == 1 || way == 2)
			hit_stream(hit, "");
		if (way == 1)
			hit_bytes(hit, "data: " ANSWER "\n\ndata: " ANSWER "\n\n");
		if (way == 2)
			hit_stream_end(hit);
		if (way == 3)
			hit_reply(hit, 500, "", "");
		if (way == 4)
			clock_jump(&one.fixture, 10100);
		if (way == 5)
			hit_cut(hit);
		turn_until(&one.fixture, one.done, 1);
		fixture_turn_for(&one.fixture, 10);
		one_release(&one);
	}
}

static void test_cancelled_by_a_message_on_its_way(void **state)
{
	(void)state;
	static const char *const bodies[] = {NOTICE, "[" NOTICE "," NOTICE "," ANSWER "]"};
	for (unsigned way = 0; way < 4; way++) {
		struct One one;
		one_init(&one);
		one.cancel_in_message = true;
		struct Hit *hit = one_start(&one, false);
		if (way < 2) {
			hit_reply(hit, 200, "", bodies[way]);
		} else {
			g_autofree char *text = g_strdup_printf(
				"data: %s\n\ndata: " ANSWER "\n\n", bodies[way - 2]);
			hit_stream(hit, "");
			hit_bytes(hit, text);
		}
		turn_until(&one.fixture, one.messages, 1);
		fixture_turn_for(&one.fixture, 20);
		assert_int_equal(one.messages, 1);
		assert_int_equal(one.done, 0);
		one_release(&one);
	}
}

static void test_nobody_listens_to_messages(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	struct Hit *hit = one_start(&one, true);
	hit_stream(hit, "");
	hit_bytes(hit, "data: " NOTICE "\n\ndata: [" NOTICE "," ANSWER "]\n\n");
	turn_until(&one.fixture, one.done, 1);
	assert_null(one.error);
	one_release(&one);
	exchange_cancel(NULL);
}

static void test_touching_puts_the_silence_off(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one, true);
	for (unsigned i = 0; i < 3; i++) {
		clock_jump(&one.fixture, 9000);
		assert_int_equal(one.done, 0);
		exchange_touch(one.exchange);
	}
	clock_jump(&one.fixture, 3100); /* but not the end */
	turn_until(&one.fixture, one.done, 1);
	assert_string_equal(one.error, "not finished after 30 seconds");
	one_release(&one);
}

/* A pause that the server asks for does not put the end off either. */
static void test_a_pause_is_no_sign_of_life(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	struct Hit *hit = one_start(&one, true);
	hit_stream(hit, "");
	hit_bytes(hit, "id: 1\nretry: 50000\ndata:\n\n");
	hit_stream_end(hit);
	fixture_turn_for(&one.fixture, 20);
	clock_jump(&one.fixture, 10100);
	turn_until(&one.fixture, one.done, 1);
	assert_string_equal(one.error, "no sign of life for 10 seconds");
	peer_await_none(&one.peer, "GET");
	one_release(&one);
}

/* ---- paused ---- */

static void test_paused_clocks_stand_still(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one, true);
	exchange_resume(one.exchange); /* nothing to resume */
	clock_jump(&one.fixture, 9000);
	exchange_pause(one.exchange);
	exchange_touch(one.exchange);
	clock_jump(&one.fixture, 3600 * 1000);
	exchange_pause(one.exchange);
	clock_jump(&one.fixture, 3600 * 1000);
	assert_int_equal(one.done, 0);
	exchange_resume(one.exchange);
	/* The idle clock begins anew, of the limit 21 seconds are left. */
	clock_jump(&one.fixture, 9000);
	exchange_touch(one.exchange);
	clock_jump(&one.fixture, 9000);
	exchange_touch(one.exchange);
	assert_int_equal(one.done, 0);
	clock_jump(&one.fixture, 3100);
	turn_until(&one.fixture, one.done, 1);
	assert_string_equal(one.error, "not finished after 30 seconds");
	one_release(&one);
}

static void test_silence_counts_again_after_a_pause(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one, true);
	exchange_pause(one.exchange);
	clock_jump(&one.fixture, 60 * 1000);
	exchange_resume(one.exchange);
	clock_jump(&one.fixture, 10100);
	turn_until(&one.fixture, one.done, 1);
	assert_string_equal(one.error, "no sign of life for 10 seconds");
	one_release(&one);
}

/* A pause in which nothing of the limit is left. */
static void test_a_limit_that_is_over_when_it_is_paused(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one, true);
	clock_ahead_us += 31 * 1000 * 1000; /* the loop has not looked yet */
	exchange_pause(one.exchange);
	clock_jump(&one.fixture, 1000);
	assert_int_equal(one.done, 0);
	exchange_resume(one.exchange);
	turn_until(&one.fixture, one.done, 1);
	assert_string_equal(one.error, "not finished after 30 seconds");
	one_release(&one);
}

static void test_what_happens_during_a_pause(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 4; way++) {
		struct One one;
		one_init(&one);
		struct Hit *hit = one_start(&one, true);
		exchange_pause(one.exchange);
		if (way == 0) {
			hit_reply(hit, 200, "", ANSWER);
		} else if (way == 1) {
			hit_cut(hit);
		} else if (way == 2) {
			/* A stream that ends is taken up again. */
			hit_stream(hit, "");
			hit_bytes(hit, "id: 1\nretry: 200\ndata:\n\n");
			hit_stream_end(hit);
			fixture_turn_for(&one.fixture, 20);
			clock_jump(&one.fixture, 250);
			hit = peer_await(&one.peer, "GET");
			hit_stream(hit, "");
			clock_jump(&one.fixture, 60 * 1000);
			hit_event(hit, ANSWER);
		} else {
			exchange_cancel(one.exchange);
			hit_await_close(hit);
			assert_int_equal(one.done, 0);
			one_release(&one);
			continue;
		}
		turn_until(&one.fixture, one.done, 1);
		assert_int_equal(one.has_message, way != 1);
		one_release(&one);
	}
}

/* A handler may pause what has ended. */
static void test_paused_after_its_end(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.cancel_in_message = true;
	one.pause_in_message = true;
	struct Hit *hit = one_start(&one, false);
	hit_stream(hit, "");
	hit_event(hit, NOTICE);
	turn_until(&one.fixture, one.messages, 1);
	clock_jump(&one.fixture, 60 * 1000);
	assert_int_equal(one.done, 0);
	one_release(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_media_types),
		cmocka_unit_test(test_the_answer_may_be_taken),
		cmocka_unit_test(test_without_a_content_type_it_is_json),
		cmocka_unit_test(test_cancelled_while_it_ends),
		cmocka_unit_test(test_cancelled_by_a_message_on_its_way),
		cmocka_unit_test(test_nobody_listens_to_messages),
		cmocka_unit_test(test_touching_puts_the_silence_off),
		cmocka_unit_test(test_a_pause_is_no_sign_of_life),
		cmocka_unit_test(test_paused_clocks_stand_still),
		cmocka_unit_test(test_silence_counts_again_after_a_pause),
		cmocka_unit_test(test_a_limit_that_is_over_when_it_is_paused),
		cmocka_unit_test(test_what_happens_during_a_pause),
		cmocka_unit_test(test_paused_after_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
