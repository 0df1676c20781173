/* resources/subscribe and resources/unsubscribe of a legacy IDE, and the updates that it is told of. */
#include "items_fixture.h"

#define UPDATED "notifications/resources/updated"
#define SUBSCRIBE(id, uri) LEGACY(id, "resources/subscribe", "\"uri\":\"" uri "\"")
#define UNSUBSCRIBE(id, uri) LEGACY(id, "resources/unsubscribe", "\"uri\":\"" uri "\"")
#define SAYS(uri) NOTICE(UPDATED, "\"uri\":\"" uri "\"")

/* A legacy IDE before one legacy server `a` (peer 0), whose stream comes back, with the resources x:1 and x:2. */
static struct Hit *open_one(struct Ide *ide)
{
	ide_init(ide, CONNECTOR("a", "@0"));
	ide_initialize(ide, "2025-11-25");
	ide_serve(ide, 0, ERA_LEGACY, OFFERS_ALL);
	struct Hit *stream = peer_await(&ide->peers[0], "GET");
	hit_stream(stream, "");
	ide_say(ide, LEGACY("\"open\"", "resources/list", ""));
	peer_serve_list(&ide->peers[0], MCP_RESOURCES, RESOURCE("x:1") "," RESOURCE("x:2"));
	g_free(ide_answer(ide, "\"open\""));
	ide_say(ide, LEGACY("\"open\"", "resources/templates/list", ""));
	peer_serve_list(&ide->peers[0], MCP_TEMPLATES, "");
	g_free(ide_answer(ide, "\"open\""));
	return stream;
}

/* Subscribes to URI, which the server agrees to. */
static void subscribe(struct Ide *ide, const char *uri)
{
	g_autofree char *text = g_strdup_printf(SUBSCRIBE("\"sub\"", "%s"), uri);
	ide_say(ide, text);
	hit_result(peer_await_uri(&ide->peers[0], "resources/subscribe", uri), "{}");
	g_autofree char *answer = ide_answer(ide, "\"sub\"");
	assert_string_equal(answer, "{\"jsonrpc\":\"2.0\",\"id\":\"sub\",\"result\":{}}");
}

static void expect_line(struct Ide *ide, const char *method, const char *wanted)
{
	g_autofree char *text = ide_notice(ide, method);
	assert_string_equal(text, wanted);
}

static void test_updates_pass_as_they_are(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_one(&ide);
	hit_event(stream, SAYS("x:1"));
	ide_hear_nothing(&ide);
	subscribe(&ide, "x:1");
	static const char says[] = "{ \"jsonrpc\":\"2.0\", \"method\":\"" UPDATED
				   "\",\"params\":{\"uri\":\"x:\\u0031\","
				   "\"_meta\":{ \"k\":1.0},\"title\":\"\\/\"}}";
	hit_event(stream, says);
	expect_line(&ide, UPDATED, says);
	hit_event(stream, SAYS("x:1/below"));
	expect_line(&ide, UPDATED, SAYS("x:1/below"));
	hit_event(stream, SAYS("x:2"));
	hit_event(stream, SAYS("x:12"));
	ide_hear_nothing(&ide);
	/* Watched twice over, it is told once. */
	subscribe(&ide, "x:1/below");
	hit_event(stream, SAYS("x:1/below"));
	expect_line(&ide, UPDATED, SAYS("x:1/below"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_an_update_on_a_calls_own_stream(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	subscribe(&ide, "x:1");
	ide_say(&ide, LEGACY("1", "resources/read", "\"uri\":\"x:2\""));
	struct Hit *read = peer_await(&ide.peers[0], "resources/read");
	hit_stream(read, "");
	hit_event(read, SAYS("x:1"));
	expect_line(&ide, UPDATED, SAYS("x:1"));
	hit_event(read, SAYS("x:2"));
	hit_event_result(read, "{\"contents\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* The tag of its stream is between it and us. */
static void test_a_modern_servers_tag_is_taken_off(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve(&ide, 0, ERA_MODERN, "{\"tools\":{},\"resources\":{\"subscribe\":true}}");
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	struct Hit *listen = peer_await(&ide.peers[0], "subscriptions/listen");
	assert_has(listen->body, "\"notifications\":{\"resourceSubscriptions\":[\"x:1\"]}");
	hit_stream(listen, "");
	ide_hear_nothing(&ide);
	hit_event(listen, NOTICE("notifications/subscriptions/acknowledged",
				  "\"notifications\":{\"resourceSubscriptions\":[\"x:1\"]}"));
	g_free(ide_answer(&ide, "1"));
	hit_event(listen,
		NOTICE(UPDATED,
			"\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":3,\"k\":1.0},"
			"\"uri\":\"x:1\""));
	expect_line(&ide, UPDATED, NOTICE(UPDATED, "\"_meta\":{\"k\":1.0},\"uri\":\"x:1\""));
	ide_release(&ide);
}

static void test_it_is_answered_when_the_server_has_agreed(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_one(&ide);
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	struct Hit *hit = peer_await(&ide.peers[0], "resources/subscribe");
	ide_say(&ide, SUBSCRIBE("2", "x:1"));
	ide_say(&ide, SUBSCRIBE("3", "x:1"));
	/* What comes before the answer is told after it. */
	hit_event(stream, SAYS("x:1"));
	hit_event(stream, SAYS("x:1"));
	ide_say(&ide, CANCEL("1"));
	ide_hear_nothing(&ide);
	hit_result(hit, "{}");
	turn_until(&ide.fixture, ide.heard, 6);
	static const char *const lines[] = {"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{}}",
		"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}", SAYS("x:1")};
	for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++)
		assert_string_equal((const char *)ide.lines->pdata[3 + i], lines[i]);
	/* Once agreed, it need not be asked again. */
	ide_exchange(&ide, SUBSCRIBE("4", "x:1"), "4", "\"result\":{}");
	peer_await_none(&ide.peers[0], "resources/subscribe");
	ide_release(&ide);
}

static void test_a_refusal_goes_to_all_who_wait(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_say(&ide, SUBSCRIBE("2", "x:1"));
	hit_error(peer_await(&ide.peers[0], "resources/subscribe"), 200, -32000, ",\"data\":[1.0]");
	for (unsigned i = 1; i <= 2; i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_autofree char *answer = ide_answer(&ide, id);
		assert_has(answer, "\"error\":{\"code\":-32000,\"message\":\"no\",\"data\":[1.0]}");
	}
	/* The next one asks anew. */
	subscribe(&ide, "x:1");
	ide_release(&ide);
}

static void test_servers_that_tell_nothing(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32603,\"message\":\"a could not answer: it does not offer");
	peer_await_none(&ide.peers[0], "resources/subscribe");
	ide_release(&ide);
}

static void test_resources_that_nobody_has(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_serve_resources(&ide, 0, "", "");
	ide_serve_resources(&ide, 1, "", "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32002,\"message\":\"Resource not found: x:1\"");
	ide_exchange(&ide, UNSUBSCRIBE("2", "x:1"), "2", "\"result\":{}");
	ide_exchange(&ide, MODERN("3", "resources/subscribe", ",\"uri\":\"x:1\""), "3", "-32601");
	ide_release(&ide);
}

static void test_the_end_of_a_subscription(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_one(&ide);
	subscribe(&ide, "x:1");
	ide_exchange(&ide, UNSUBSCRIBE("1", "x:1"), "1", "\"result\":{}");
	hit_result(peer_await_uri(&ide.peers[0], "resources/unsubscribe", "x:1"), "{}");
	hit_event(stream, SAYS("x:1"));
	ide_hear_nothing(&ide);
	/* While it is being asked for. */
	ide_say(&ide, SUBSCRIBE("2", "x:1"));
	struct Hit *hit = peer_await(&ide.peers[0], "resources/subscribe");
	ide_exchange(&ide, UNSUBSCRIBE("3", "x:1"), "3", "\"result\":{}");
	g_autofree char *waited = ide_answer(&ide, "2");
	assert_has(waited, "-32603");
	hit_result(hit, "{}");
	hit_result(peer_await_uri(&ide.peers[0], "resources/unsubscribe", "x:1"), "{}");
	/* Cancelled while it is being asked for. */
	ide_say(&ide, SUBSCRIBE("4", "x:2"));
	hit = peer_await(&ide.peers[0], "resources/subscribe");
	ide_say(&ide, CANCEL("4"));
	hit_result(hit, "{}");
	hit_result(peer_await_uri(&ide.peers[0], "resources/unsubscribe", "x:2"), "{}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_server_that_does_not_answer(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\ncall_timeout = 10\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	(void)peer_await(&ide.peers[0], "resources/subscribe");
	clock_jump(&ide.fixture, 6000);
	ide_say(&ide, SUBSCRIBE("2", "x:1"));
	clock_jump(&ide.fixture, 4500);
	g_autofree char *first = ide_answer(&ide, "1");
	assert_has(first, "did not answer the subscription in time");
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 6000);
	g_autofree char *second = ide_answer(&ide, "2");
	assert_has(second, "-32603");
	ide_release(&ide);
}

static void test_a_server_that_has_failed(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	subscribe(&ide, "x:2");
	/* Its session is lost, and no new one to be had. */
	ide_say(&ide, LEGACY("1", "resources/read", "\"uri\":\"x:2\""));
	hit_error(peer_await(&ide.peers[0], "resources/read"), 404, -32001, "");
	struct Hit *initialize = peer_await(&ide.peers[0], "initialize");
	ide_say(&ide, SUBSCRIBE("2", "x:1"));
	ide_hear_nothing(&ide);
	hit_reply(initialize, 429, "", "");
	g_free(ide_answer(&ide, "1"));
	g_autofree char *waited = ide_answer(&ide, "2");
	assert_has(waited, "\"code\":-32603,\"message\":\"a could not answer");
	/* The next one tries it again. */
	ide_say(&ide, SUBSCRIBE("3", "x:1"));
	hit_reply(peer_await(&ide.peers[0], "initialize"), 429, "", "");
	g_autofree char *again = ide_answer(&ide, "3");
	assert_has(again, "-32603");
	/* What was agreed before is asked for again when it is back. */
	ide_exchange(&ide, SUBSCRIBE("4", "x:2"), "4", "\"result\":{}");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	hit_result(peer_await_uri(&ide.peers[0], "resources/subscribe", "x:2"), "{}");
	expect_line(&ide, UPDATED, SAYS("x:2"));
	peer_await_none(&ide.peers[0], "resources/subscribe");
	ide_release(&ide);
}

/* Another one that comes before it lists the same URI meanwhile. */
static void test_a_resource_that_comes_to_be_anothers(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	struct Hit *streams[2];
	for (unsigned i = 0; i < 2; i++) {
		ide_serve(&ide, i, ERA_LEGACY, OFFERS_ALL);
		streams[i] = peer_await(&ide.peers[i], "GET");
		hit_stream(streams[i], "");
	}
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	ide_serve_resources(&ide, 0, "", "");
	ide_serve_resources(&ide, 1, RESOURCE("x:1") "," RESOURCE("x:2"), "");
	hit_result(peer_await(&ide.peers[1], "resources/subscribe"), "{}");
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide, SUBSCRIBE("2", "x:2"));
	struct Hit *late = peer_await(&ide.peers[1], "resources/subscribe");
	ide_expect_list(&ide, MCP_RESOURCES, "x:1 x:2 ");
	clock_jump(&ide.fixture, 2000);
	hit_event(streams[0],
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}");
	ide_serve_resources(&ide, 0, "{\"uri\":\"x:1\",\"name\":\"a's\"}," RESOURCE("x:2"), "");
	g_free(ide_notice(&ide, "notifications/resources/list_changed"));
	/* Those that were made stay; a new one goes to the other. */
	hit_event(streams[1], SAYS("x:1"));
	expect_line(&ide, UPDATED, SAYS("x:1"));
	ide_say(&ide, SUBSCRIBE("3", "x:1"));
	hit_result(peer_await(&ide.peers[0], "resources/subscribe"), "{}");
	g_free(ide_answer(&ide, "3"));
	hit_result(peer_await_uri(&ide.peers[1], "resources/unsubscribe", "x:1"), "{}");
	hit_event(streams[1], SAYS("x:1"));
	ide_hear_nothing(&ide);
	ide_say(&ide, SUBSCRIBE("4", "x:2"));
	g_autofree char *overtaken = ide_answer(&ide, "2");
	assert_has(overtaken, "-32603");
	hit_result(peer_await(&ide.peers[0], "resources/subscribe"), "{}");
	g_free(ide_answer(&ide, "4"));
	hit_result(late, "{}");
	hit_result(peer_await_uri(&ide.peers[1], "resources/unsubscribe", "x:2"), "{}");
	ide_release(&ide);
}

static void test_subscriptions_are_bounded(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve(&ide, 0, ERA_MODERN, "{\"tools\":{},\"resources\":{\"subscribe\":true}}");
	ide_say(&ide, SUBSCRIBE("1", "x:0"));
	ide_serve_resources(&ide, 0, "", TEMPLATE("x:{n}"));
	for (unsigned i = 1; i < 1000; i++) {
		g_autofree char *text = g_strdup_printf(SUBSCRIBE("%u", "x:%u"), i + 1, i);
		ide_say(&ide, text);
	}
	ide_exchange(&ide, SUBSCRIBE("\"more\"", "x:1000"), "\"more\"", "too many subscriptions");
	ide_exchange(&ide, UNSUBSCRIBE("\"less\"", "x:7"), "\"less\"", "\"result\":{}");
	ide_say(&ide, SUBSCRIBE("\"more\"", "x:1000"));
	fixture_turn_for(&ide.fixture, 30);
	assert_null(ide_find(&ide, "id", "\"more\""));
	ide_release(&ide);
}

static void test_what_happens_while_the_ide_does_not_read(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_one(&ide);
	subscribe(&ide, "x:1");
	subscribe(&ide, "x:2");
	router_set_output_pressure(ide.router, true);
	for (unsigned i = 0; i < 10; i++)
		hit_event(stream, SAYS("x:1/a"));
	stream_await_heard(&ide.peers[0], stream);
	ide_hear_nothing(&ide);
	router_set_output_pressure(ide.router, false);
	expect_line(&ide, UPDATED, SAYS("x:1"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Both eras at once: each hears in its own way. */
static void test_subscriptions_of_both_eras(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_one(&ide);
	subscribe(&ide, "x:1");
	ide_say(&ide, MODERN("7", "subscriptions/listen",
			      ",\"notifications\":{\"resourceSubscriptions\":[\"x:1\"]}"));
	g_free(ide_notice(&ide, "notifications/subscriptions/acknowledged"));
	hit_event(stream, SAYS("x:1"));
	expect_line(&ide, UPDATED, SAYS("x:1"));
	expect_line(&ide, UPDATED,
		NOTICE(UPDATED, "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":7},"
				"\"uri\":\"x:1\""));
	/* One that ends costs the other nothing. */
	ide_exchange(&ide, UNSUBSCRIBE("1", "x:1"), "1", "\"result\":{}");
	hit_event(stream, SAYS("x:1"));
	g_autofree char *tagged = ide_notice(&ide, UPDATED);
	assert_has(tagged, "\"io.modelcontextprotocol/subscriptionId\":7");
	ide_hear_nothing(&ide);
	peer_await_none(&ide.peers[0], "resources/unsubscribe");
	ide_release(&ide);
}

static void test_the_end_while_one_is_asked_for(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	subscribe(&ide, "x:1");
	ide_say(&ide, SUBSCRIBE("1", "x:2"));
	struct Hit *hit = peer_await(&ide.peers[0], "resources/subscribe");
	router_shutdown(ide.router);
	hit_result(hit, "{}");
	clock_jump(&ide.fixture, 600000);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_updates_pass_as_they_are),
		cmocka_unit_test(test_an_update_on_a_calls_own_stream),
		cmocka_unit_test(test_a_modern_servers_tag_is_taken_off),
		cmocka_unit_test(test_it_is_answered_when_the_server_has_agreed),
		cmocka_unit_test(test_a_refusal_goes_to_all_who_wait),
		cmocka_unit_test(test_servers_that_tell_nothing),
		cmocka_unit_test(test_resources_that_nobody_has),
		cmocka_unit_test(test_the_end_of_a_subscription),
		cmocka_unit_test(test_a_server_that_does_not_answer),
		cmocka_unit_test(test_a_server_that_has_failed),
		cmocka_unit_test(test_a_resource_that_comes_to_be_anothers),
		cmocka_unit_test(test_subscriptions_are_bounded),
		cmocka_unit_test(test_what_happens_while_the_ide_does_not_read),
		cmocka_unit_test(test_subscriptions_of_both_eras),
		cmocka_unit_test(test_the_end_while_one_is_asked_for),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
