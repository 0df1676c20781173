/* subscriptions/listen: what is acknowledged, what is told in it, how it ends. */
#include "items_fixture.h"

#define UPDATED "notifications/resources/updated"
#define ACKNOWLEDGED "notifications/subscriptions/acknowledged"
#define LISTEN(id, filter) MODERN(id, "subscriptions/listen", ",\"notifications\":" filter)
#define WATCH(id, uris) LISTEN(id, "{\"resourceSubscriptions\":[" uris "]}")
#define TAG(id) "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" id
#define LIST_CHANGED(list) "notifications/" list "/list_changed"
#define SAYS(uri) NOTICE(UPDATED, "\"uri\":\"" uri "\"")

/* Waits for the acknowledgement of ID, which agrees to NOTIFICATIONS. */
static void expect_acknowledged(struct Ide *ide, const char *id, const char *notifications)
{
	g_autofree char *text = ide_notice(ide, ACKNOWLEDGED);
	g_autofree char *wanted =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"" ACKNOWLEDGED
				"\",\"params\":{" TAG("%s") "},\"notifications\":%s}}",
			id, notifications);
	assert_string_equal(text, wanted);
}

/* A modern IDE before one legacy server `a` (peer 0), whose stream comes back, with resources. */
static struct Hit *open_legacy(struct Ide *ide, const char *mux, const char *resources)
{
	g_autofree char *ini = g_strconcat(mux, CONNECTOR("a", "@0"), NULL);
	ide_init(ide, ini);
	ide_say(ide, MODERN("\"open\"", "resources/list", ""));
	hit_error(peer_await(&ide->peers[0], "server/discover"), 404, -32601, "");
	ide_serve(ide, 0, ERA_LEGACY, OFFERS_ALL);
	struct Hit *stream = peer_await(&ide->peers[0], "GET");
	hit_stream(stream, "");
	peer_serve_list(&ide->peers[0], MCP_RESOURCES, resources);
	g_free(ide_answer(ide, "\"open\""));
	return stream;
}

/* The server is asked to tell of URI, and will. */
static void agree(struct Ide *ide, unsigned n, const char *uri)
{
	hit_result(peer_await_uri(&ide->peers[n], "resources/subscribe", uri), "{}");
}

static void expect_unsubscribed(struct Ide *ide, unsigned n, const char *uri)
{
	hit_result(peer_await_uri(&ide->peers[n], "resources/unsubscribe", uri), "{}");
}

static void expect_updated(struct Ide *ide, const char *params)
{
	g_autofree char *text = ide_notice(ide, UPDATED);
	g_autofree char *wanted = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"" UPDATED "\",\"params\":{%s}}", params);
	assert_string_equal(text, wanted);
}

/* ---- the acknowledgement ---- */

static void test_what_is_agreed_is_acknowledged_first_and_once(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:1") "," RESOURCE("x:2"));
	ide_say(&ide, LISTEN("\"l\\u0031\"",
			      "{\"toolsListChanged\":true,\"promptsListChanged\":true,"
			      "\"resourcesListChanged\":false,\"taskIds\":[\"t\"],\"x\":true,"
			      "\"resourceSubscriptions\":[\"x:1\",\"x:2\",\"x:\\u0031\"]}"));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:1");
	ide_hear_nothing(&ide);
	/* It is watched already, but nothing comes before the acknowledgement. */
	hit_event(stream, SAYS("x:1"));
	ide_hear_nothing(&ide);
	agree(&ide, 0, "x:2");
	expect_acknowledged(&ide, "\"l\\u0031\"",
		"{\"toolsListChanged\":true,\"promptsListChanged\":true,"
		"\"resourceSubscriptions\":[\"x:1\",\"x:2\"]}");
	expect_updated(&ide, TAG("\"l\\u0031\"") "},\"uri\":\"x:1\"");
	ide_hear_nothing(&ide);
	peer_await_none(&ide.peers[0], "resources/subscribe");
	ide_release(&ide);
}

static void test_what_cannot_be_watched_is_left_out(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "[mux]\nlist_timeout = 4\n",
		RESOURCE("x:1") "," RESOURCE("x:2") "," RESOURCE("x:3"));
	ide_say(&ide, WATCH("1", "\"x:1\",\"x:2\",\"x:3\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	struct Hit *late = peer_await_uri(&ide.peers[0], "resources/subscribe", "x:3");
	hit_error(peer_await_uri(&ide.peers[0], "resources/subscribe", "x:1"), 200, -32603, "");
	agree(&ide, 0, "x:2");
	stream_await_heard(&ide.peers[0], stream); /* and what was said before it */
	stream_await_heard(&ide.peers[0], stream);
	clock_jump(&ide.fixture, 4100);
	expect_acknowledged(&ide, "1", "{\"resourceSubscriptions\":[\"x:2\"]}");
	/* What comes late is not added, and let go of. */
	hit_result(late, "{}");
	expect_unsubscribed(&ide, 0, "x:3");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* What nobody has, and what is not offered, is answered here. */
static void test_resources_that_nobody_tells_of(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_say(&ide, WATCH("1", "\"x:1\",\"y:1\""));
	ide_serve(&ide, 0, ERA_MODERN, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_MODERN, OFFERS_QUIET);
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve_resources(&ide, 1, "", "");
	expect_acknowledged(&ide, "1", "{}");
	ide_say(&ide, WATCH("2", ""));
	expect_acknowledged(&ide, "2", "{}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_server_that_opens_late(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0"));
	ide_say(&ide,
		LISTEN("1", "{\"resourcesListChanged\":true,\"resourceSubscriptions\":[\"x:1\"]}"));
	ide_say(&ide, LISTEN("2", "{\"resourceSubscriptions\":[\"x:1\"]}"));
	ide_serve(&ide, 0, ERA_MODERN, OFFERS_ALL);
	struct Hit *first = peer_await(&ide.peers[0], "subscriptions/listen");
	hit_stream(first, "");
	hit_event(first,
		NOTICE(ACKNOWLEDGED, "\"notifications\":{\"toolsListChanged\":true,"
				     "\"promptsListChanged\":true,\"resourcesListChanged\":true}"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	struct Hit *second = peer_await(&ide.peers[0], "subscriptions/listen");
	assert_has(second->body, "\"resourceSubscriptions\":[\"x:1\"]");
	hit_stream(second, "");
	ide_hear_nothing(&ide);
	hit_event(second,
		NOTICE(ACKNOWLEDGED,
			"\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":"
			"true,\"resourcesListChanged\":true,\"resourceSubscriptions\":[\"x:1\"]}"));
	/* The first list is news for who listened before; it came before this was acknowledged. */
	char *lines[3];
	lines[0] = ide_notice(&ide, ACKNOWLEDGED);
	lines[1] = ide_notice(&ide, ACKNOWLEDGED);
	lines[2] = ide_notice(&ide, LIST_CHANGED("resources"));
	assert_has(lines[2], TAG("1"));
	for (unsigned i = 0; i < 3; i++)
		g_free(lines[i]);
	ide_hear_nothing(&ide);
	/* The server's own tag is not for the IDE. */
	hit_event(second, NOTICE(UPDATED, TAG("7") ",\"k\":1.0},\"uri\":\"x:1\",\"z\":1.0"));
	char *updates[2];
	for (unsigned i = 0; i < 2; i++)
		updates[i] = ide_notice(&ide, UPDATED);
	assert_has(updates[0], "\"params\":{" TAG("1") ",\"k\":1.0},\"uri\":\"x:1\",\"z\":1.0}");
	assert_has(updates[1], "\"params\":{" TAG("2") ",\"k\":1.0},\"uri\":\"x:1\",\"z\":1.0}");
	g_free(updates[0]);
	g_free(updates[1]);
	ide_release(&ide);
}

static void test_one_that_never_opens_is_not_waited_for_long(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0"));
	ide_say(&ide,
		LISTEN("1", "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x:1\"]}"));
	clock_jump(&ide.fixture, 3900);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 200);
	expect_acknowledged(&ide, "1", "{\"toolsListChanged\":true}");
	ide_say(&ide, LISTEN("2", "{}")); /* there is nothing to wait for */
	expect_acknowledged(&ide, "2", "{}");
	ide_release(&ide);
}

static void test_wrong_filters(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_exchange(&ide, LISTEN("1", "5"), "1", "-32602");
	ide_exchange(&ide, MODERN("1", "subscriptions/listen", ""), "1", "-32602");
	ide_exchange(&ide, LISTEN("1", "{\"resourceSubscriptions\":5}"), "1", "-32602");
	ide_exchange(&ide, WATCH("1", "5"), "1", "-32602");
	ide_exchange(&ide, WATCH("1", "\"x\",\"\\ud800\""), "1", "-32602");
	g_autoptr(GString) uris = g_string_new("\"x:0\"");
	for (unsigned i = 1; i < 1000; i++)
		g_string_append_printf(uris, ",\"x:%u\"", i);
	g_autofree char *most = g_strdup_printf(WATCH("1", "%s"), uris->str);
	g_autofree char *more = g_strdup_printf(WATCH("2", "%s,\"y\""), uris->str);
	ide_exchange(&ide, more, "2", "at most 1000 strings");
	ide_say(&ide, most);
	expect_acknowledged(&ide, "1", "{}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_subscriptions_are_bounded(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	for (unsigned i = 0; i < 100; i++) {
		g_autofree char *text = g_strdup_printf(LISTEN("%u", "{}"), i);
		ide_say(&ide, text);
		g_free(ide_notice(&ide, ACKNOWLEDGED));
	}
	ide_exchange(&ide, LISTEN("100", "{}"), "100", "-32603");
	ide_say(&ide, CANCEL("7"));
	ide_say(&ide, LISTEN("100", "{}"));
	expect_acknowledged(&ide, "100", "{}");
	ide_release(&ide);
}

static void test_no_subscription_in_a_batch(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_initialize(&ide, "2025-03-26");
	ide_say(&ide, "[" LEGACY("1", "ping", "") "," LISTEN("2", "{}") "]");
	turn_until(&ide.fixture, ide.heard, 2);
	const char *line = ide.lines->pdata[1];
	assert_has(line, "\"id\":1,\"result\":{}");
	assert_has(line, "\"id\":2,\"error\":{\"code\":-32600");
	ide_release(&ide);
}

/* ---- what is told ---- */

static void test_updates_of_what_is_watched_alone(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:d") "," RESOURCE("x:e/"));
	ide_say(&ide, WATCH("1", "\"x:d\",\"x:e/\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:d");
	agree(&ide, 0, "x:e/");
	expect_acknowledged(&ide, "1", "{\"resourceSubscriptions\":[\"x:d\",\"x:e/\"]}");
	static const char *const told[] = {
		"x:d", "x:d/1", "x:d?q", "x:d#f", "x:e/", "x:e/1", "x:\\u0064"};
	for (size_t i = 0; i < G_N_ELEMENTS(told); i++) {
		g_autofree char *says = g_strdup_printf(SAYS("%s"), told[i]);
		g_autofree char *params = g_strdup_printf(TAG("1") "},\"uri\":\"%s\"", told[i]);
		hit_event(stream, says);
		expect_updated(&ide, params);
	}
	static const char *const others[] = {SAYS("x:"), SAYS("x:dd"), SAYS("x:e"), SAYS("y:d"),
		SAYS("x:\\ud800"), NOTICE(UPDATED, "\"uri\":5"), NOTICE(UPDATED, ""),
		NOTICE(UPDATED, "\"uri\":\"x:d\",\"uri\":\"x:f\""),
		NOTICE(UPDATED, "\"uri\":\"x:d\",\"_meta\":{},\"_meta\":{}"),
		"{\"jsonrpc\":\"2.0\",\"method\":\"" UPDATED "\"}",
		NOTICE("notifications/message", "\"level\":\"emergency\",\"data\":1"),
		NOTICE("notifications/nonsense", "")};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++)
		hit_event(stream, others[i]);
	ide_hear_nothing(&ide);
	/* `_meta` as it may be. */
	hit_event(stream, NOTICE(UPDATED, "\"uri\":\"x:d\",\"_meta\":5"));
	expect_updated(&ide, "\"uri\":\"x:d\"," TAG("1") "}");
	hit_event(stream, NOTICE(UPDATED, "\"_meta\":[1],\"uri\":\"x:d\""));
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:d\"");
	ide_release(&ide);
}

/* What one server says of another's resource is not so. */
static void test_the_server_whose_resource_it_is_tells(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_say(&ide, WATCH("1", "\"x:1\",\"x:2\""));
	struct Hit *streams[2];
	for (unsigned i = 0; i < 2; i++) {
		hit_error(peer_await(&ide.peers[i], "server/discover"), 404, -32601, "");
		ide_serve(&ide, i, ERA_LEGACY, OFFERS_ALL);
		streams[i] = peer_await(&ide.peers[i], "GET");
		hit_stream(streams[i], "");
	}
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve_resources(&ide, 1, RESOURCE("x:1") "," RESOURCE("x:2"), "");
	agree(&ide, 0, "x:1");
	agree(&ide, 1, "x:2");
	expect_acknowledged(&ide, "1", "{\"resourceSubscriptions\":[\"x:1\",\"x:2\"]}");
	hit_event(streams[1], SAYS("x:1"));
	hit_event(streams[0], SAYS("x:2"));
	ide_hear_nothing(&ide);
	hit_event(streams[0], SAYS("x:1"));
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1\"");
	peer_await_none(&ide.peers[1], "resources/subscribe");
	ide_release(&ide);
}

static void test_each_subscription_has_its_own_copy(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:1") "," RESOURCE("x:2"));
	ide_say(&ide, WATCH("1", "\"x:1\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:1");
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	ide_say(&ide, WATCH("2", "\"x:1\",\"x:2\""));
	agree(&ide, 0, "x:2");
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	ide_say(&ide, LISTEN("3", "{\"toolsListChanged\":true}"));
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	hit_event(stream, SAYS("x:1"));
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1\"");
	expect_updated(&ide, TAG("2") "},\"uri\":\"x:1\"");
	hit_event(stream, SAYS("x:2"));
	expect_updated(&ide, TAG("2") "},\"uri\":\"x:2\"");
	/* One is ended by the IDE, without an answer; what the other watches stays. */
	ide_say(&ide, CANCEL("2"));
	expect_unsubscribed(&ide, 0, "x:2");
	hit_event(stream, SAYS("x:1"));
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1\"");
	ide_say(&ide, CANCEL("1"));
	expect_unsubscribed(&ide, 0, "x:1");
	hit_event(stream, SAYS("x:1"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_one_that_is_ended_before_it_is_acknowledged(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, "", RESOURCE("x:1"));
	ide_say(&ide, WATCH("1", "\"x:1\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	struct Hit *subscribe = peer_await(&ide.peers[0], "resources/subscribe");
	ide_say(&ide, WATCH("2", "\"x:1\""));
	ide_say(&ide, CANCEL("1"));
	ide_hear_nothing(&ide);
	hit_result(subscribe, "{}");
	expect_acknowledged(&ide, "2", "{\"resourceSubscriptions\":[\"x:1\"]}");
	/* While it waits for lists, too. */
	ide_say(&ide, CANCEL("2"));
	expect_unsubscribed(&ide, 0, "x:1");
	clock_jump(&ide.fixture, 60000);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_lists_that_change(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", "");
	ide_say(&ide, LISTEN("1", "{\"promptsListChanged\":true}"));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, "");
	expect_acknowledged(&ide, "1", "{\"promptsListChanged\":true}");
	ide_say(&ide, LISTEN("2", "{\"resourcesListChanged\":true,\"toolsListChanged\":true}"));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	expect_acknowledged(&ide, "2", "{\"toolsListChanged\":true,\"resourcesListChanged\":true}");
	ide_hear_nothing(&ide); /* the first lists are empty, as before */
	clock_jump(&ide.fixture, 2000);
	static const char *const lists[] = {"tools", "prompts", "resources"};
	for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
		g_autofree char *says = g_strdup_printf(
			"{\"jsonrpc\":\"2.0\",\"method\":\"" LIST_CHANGED("%s") "\"}", lists[i]);
		hit_event(stream, says);
	}
	peer_serve_list(&ide.peers[0], MCP_TOOLS, ADD_TOOL);
	g_autofree char *tools = ide_notice(&ide, LIST_CHANGED("tools"));
	assert_string_equal(tools, "{\"jsonrpc\":\"2.0\",\"method\":\"" LIST_CHANGED(
					   "tools") "\",\"params\":{" TAG("2") "}}}");
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	g_autofree char *prompts = ide_notice(&ide, LIST_CHANGED("prompts"));
	assert_has(prompts, TAG("1"));
	/* Resources and templates are one notice. */
	struct Hit *resources = peer_await(&ide.peers[0], "resources/list");
	struct Hit *templates = peer_await(&ide.peers[0], "resources/templates/list");
	hit_result(resources, "{\"resources\":[" RESOURCE("x:1") "]}");
	hit_result(templates, "{\"resourceTemplates\":[" TEMPLATE("x:{a}") "]}");
	g_autofree char *both = ide_notice(&ide, LIST_CHANGED("resources"));
	assert_has(both, TAG("2"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Their subscription had been asked for when it happened. */
static void test_lists_that_change_before_the_acknowledgement(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:1"));
	ide_say(&ide, MODERN("1", "tools/list", ""));
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide,
		LISTEN("2", "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x:1\"]}"));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	struct Hit *subscribe = peer_await(&ide.peers[0], "resources/subscribe");
	clock_jump(&ide.fixture, 2000);
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"" LIST_CHANGED("tools") "\"}");
	peer_serve_list(&ide.peers[0], MCP_TOOLS, ADD_TOOL);
	ide_hear_nothing(&ide);
	hit_result(subscribe, "{}");
	turn_until(&ide.fixture, ide.heard, 4);
	expect_acknowledged(
		&ide, "2", "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x:1\"]}");
	g_autofree char *tools = ide_notice(&ide, LIST_CHANGED("tools"));
	assert_has(tools, TAG("2"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* A new session has to be told anew, and something may have been missed. */
static void test_a_session_that_is_lost(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:1"));
	ide_say(&ide, WATCH("1", "\"x:1\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:1");
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	ide_say(&ide, MODERN("2", "resources/read", ",\"uri\":\"x:1\""));
	hit_error(peer_await(&ide.peers[0], "resources/read"), 404, -32001, "");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	hit_result(peer_await(&ide.peers[0], "resources/read"), "{\"contents\":[]}");
	g_free(ide_answer(&ide, "2"));
	agree(&ide, 0, "x:1");
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1\"");
	hit_await_close(stream);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- an IDE that does not read ---- */

static void test_what_happens_while_the_ide_does_not_read(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide, "", RESOURCE("x:1") "," RESOURCE("x:2"));
	ide_say(&ide,
		LISTEN("1",
			"{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x:1\",\"x:2\"]}"));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:1");
	agree(&ide, 0, "x:2");
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	router_set_output_pressure(ide.router, true);
	for (unsigned i = 0; i < 100; i++)
		hit_event(stream, SAYS("x:1/a"));
	stream_await_heard(&ide.peers[0], stream);
	clock_jump(&ide.fixture, 2000);
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"" LIST_CHANGED("tools") "\"}");
	peer_serve_list(&ide.peers[0], MCP_TOOLS, ADD_TOOL);
	ide_hear_nothing(&ide);
	router_set_output_pressure(ide.router, false);
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1\"");
	g_free(ide_notice(&ide, LIST_CHANGED("tools")));
	ide_hear_nothing(&ide);
	hit_event(stream, SAYS("x:1/a"));
	expect_updated(&ide, TAG("1") "},\"uri\":\"x:1/a\"");
	ide_release(&ide);
}

/* ---- the end ---- */

static void test_the_end_is_told_in_order(void **state)
{
	(void)state;
	struct Ide ide;
	open_legacy(&ide, "", RESOURCE("x:1") "," RESOURCE("x:2"));
	ide_say(&ide, WATCH("1", "\"x:1\""));
	peer_serve_list(&ide.peers[0], MCP_TEMPLATES, "");
	agree(&ide, 0, "x:1");
	g_free(ide_notice(&ide, ACKNOWLEDGED));
	/* One that is not acknowledged yet is, with what was agreed. */
	ide_say(&ide, WATCH("\"two\"", "\"x:1\",\"x:2\""));
	(void)peer_await(&ide.peers[0], "resources/subscribe");
	unsigned before = ide.heard;
	router_shutdown(ide.router);
	turn_until(&ide.fixture, ide.heard, before + 5);
	static const char *const ends[] = {
		"\"id\":1,\"result\":{\"resultType\":\"complete\"," TAG("1") "}}}",
		NOTICE("notifications/cancelled", "\"requestId\":1"),
		"\"resourceSubscriptions\":[\"x:1\"]",
		"\"id\":\"two\",\"result\":{\"resultType\":\"complete\"," TAG("\"two\"") "}}}",
		NOTICE("notifications/cancelled", "\"requestId\":\"two\""),
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++)
		assert_has((const char *)ide.lines->pdata[before + i], ends[i]);
	clock_jump(&ide.fixture, 60000);
	assert_int_equal(ide.heard, before + 5);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_agreed_is_acknowledged_first_and_once),
		cmocka_unit_test(test_what_cannot_be_watched_is_left_out),
		cmocka_unit_test(test_resources_that_nobody_tells_of),
		cmocka_unit_test(test_a_server_that_opens_late),
		cmocka_unit_test(test_one_that_never_opens_is_not_waited_for_long),
		cmocka_unit_test(test_wrong_filters),
		cmocka_unit_test(test_subscriptions_are_bounded),
		cmocka_unit_test(test_no_subscription_in_a_batch),
		cmocka_unit_test(test_updates_of_what_is_watched_alone),
		cmocka_unit_test(test_the_server_whose_resource_it_is_tells),
		cmocka_unit_test(test_each_subscription_has_its_own_copy),
		cmocka_unit_test(test_one_that_is_ended_before_it_is_acknowledged),
		cmocka_unit_test(test_lists_that_change),
		cmocka_unit_test(test_lists_that_change_before_the_acknowledgement),
		cmocka_unit_test(test_a_session_that_is_lost),
		cmocka_unit_test(test_what_happens_while_the_ide_does_not_read),
		cmocka_unit_test(test_the_end_is_told_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
