/* More than one session of a connector: no server is offered more than the IDE of the very request declared. */
#include "items_fixture.h"

#define CAN(member) "{\"" member "\":{}}"
#define CALL(id, capabilities) DECLARING(id, "tools/call", capabilities, ",\"name\":\"a__add\"")
#define LEGACY_CALL(id) LEGACY(id, "tools/call", "\"name\":\"a__add\"")
#define INITIALIZE(capabilities)                                                                   \
	LEGACY("\"init\"", "initialize",                                                           \
		"\"protocolVersion\":\"2025-11-25\",\"capabilities\":" capabilities)

/* A modern IDE that declares nothing first, before a legacy server with OFFERS, whose first session is S. */
static void open_modern(struct Ide *ide, const char *offers)
{
	ide_init(ide, CONNECTOR("a", "@0"));
	ide_say(ide, MODERN("\"open\"", "tools/list", ""));
	hit_error(peer_await(&ide->peers[0], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide->peers[0], "2025-11-25", "S", offers);
	peer_serve_tools(&ide->peers[0], ADD_TOOL);
	g_free(ide_answer(ide, "\"open\""));
}

/* A new session is opened, in which CAPABILITIES are offered. */
static void serve_session(struct Ide *ide, const char *session, const char *capabilities)
{
	struct Hit *hit = peer_await(&ide->peers[0], "initialize");
	g_autofree char *offered = g_strdup_printf("\"capabilities\":%s,", capabilities);
	g_autofree char *headers = g_strdup_printf("Mcp-Session-Id: %s\r\n", session);
	assert_has(hit->body, offered);
	g_autofree char *text =
		result_text(hit, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" OFFERS_ALL
				 ",\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(hit, 200, headers, text);
	struct Hit *initialized = peer_await(&ide->peers[0], "notifications/initialized");
	assert_header(initialized, "Mcp-Session-Id", session);
	hit_reply(initialized, 202, "", "");
}

/* The call comes in that session. */
static struct Hit *await_call(struct Ide *ide, const char *session)
{
	struct Hit *hit = peer_await(&ide->peers[0], "tools/call");
	assert_header(hit, "Mcp-Session-Id", session);
	return hit;
}

static void expect_call(struct Ide *ide, const char *session, const char *id)
{
	hit_result(await_call(ide, session), "{\"content\":[]}");
	g_autofree char *answer = ide_answer(ide, id);
	assert_has(answer, "\"content\":[]");
}

/* ---- modern IDEs ---- */

static void test_one_session_for_each_set(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	ide_say(&ide, CALL("1", CAN("elicitation")));
	serve_session(&ide, "E", CAN("elicitation"));
	expect_call(&ide, "E", "1");
	ide_say(&ide, CALL("2", "{}"));
	expect_call(&ide, "S", "2");
	ide_say(&ide, CALL("3", CAN("sampling")));
	serve_session(&ide, "P", CAN("sampling"));
	expect_call(&ide, "P", "3");
	ide_say(&ide, CALL("4", CAN("elicitation")));
	expect_call(&ide, "E", "4");
	/* Nobody reads the lists of such a session. */
	peer_expect_nothing(&ide.peers[0]);
	ide_expect_modern_list(&ide, MCP_TOOLS, "a__add mcp_mux__connectors mcp_mux__connect ");
	ide_release(&ide);
}

/* Extensions and experiments are not offered to a legacy server. */
static void test_what_is_not_offered_makes_no_difference(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	ide_say(&ide,
		CALL("1", "{\"extensions\":{\"x\":{}},\"experimental\":{},\"elicitation\":5}"));
	expect_call(&ide, "S", "1");
	ide_say(&ide, CALL("2", "{\"x\":1,\"roots\":{}}"));
	serve_session(&ide, "R", CAN("roots"));
	expect_call(&ide, "R", "2");
	ide_say(&ide, CALL("3", "{\"roots\":{},\"y\":1}"));
	expect_call(&ide, "R", "3");
	ide_release(&ide);
}

static void test_a_modern_server_needs_none(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"open\"", "tools/list", ""));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "\"open\""));
	ide_say(&ide, CALL("1", CAN("elicitation")));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_has(
		call->body, "\"io.modelcontextprotocol/clientCapabilities\":" CAN("elicitation"));
	hit_result(call, "{\"resultType\":\"complete\",\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_prompts_and_resources_go_there_too(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, OFFERS_QUIET);
	ide_say(&ide, DECLARING("1", "prompts/get", CAN("roots"), ",\"name\":\"a__p\""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	serve_session(&ide, "R", CAN("roots"));
	struct Hit *get = peer_await(&ide.peers[0], "prompts/get");
	assert_header(get, "Mcp-Session-Id", "R");
	hit_result(get, "{\"messages\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide, DECLARING("2", "resources/read", CAN("roots"), ",\"uri\":\"x:1\""));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	struct Hit *read = peer_await(&ide.peers[0], "resources/read");
	assert_header(read, "Mcp-Session-Id", "R");
	hit_result(read, "{\"contents\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

/* What comes with a call is seen to; what comes without one is nobody's, but what is watched at the first session. */
static void test_what_a_session_says(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, OFFERS_ALL);
	struct Hit *first = peer_await(&ide.peers[0], "GET");
	hit_stream(first, "");
	ide_say(&ide, MODERN("9", "subscriptions/listen",
			      ",\"notifications\":{\"resourceSubscriptions\":[\"x:1\"]}"));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	struct Hit *subscribe = peer_await(&ide.peers[0], "resources/subscribe");
	assert_header(subscribe, "Mcp-Session-Id", "S");
	hit_result(subscribe, "{}");
	g_free(ide_notice(&ide, "notifications/subscriptions/acknowledged"));
	ide_say(&ide, CALL("1", CAN("roots")));
	serve_session(&ide, "R", CAN("roots"));
	struct Hit *call = await_call(&ide, "R");
	hit_stream(call, "");
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	assert_header(stream, "Mcp-Session-Id", "R");
	hit_stream(stream, "");
	hit_event(stream, NOTICE("notifications/resources/updated", "\"uri\":\"x:1\""));
	hit_event(stream, NOTICE("notifications/message", "\"level\":\"error\",\"data\":1"));
	hit_event(stream, NOTICE("notifications/elicitation/complete", "\"elicitationId\":\"1\""));
	hit_event(stream, CANCEL("1"));
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}");
	struct Hit *refusal = peer_await(&ide.peers[0], "answer");
	assert_has(refusal->body, "-32601");
	hit_reply(refusal, 202, "", "");
	ide_hear_nothing(&ide);
	hit_event(call, NOTICE("notifications/resources/updated", "\"uri\":\"x:1\""));
	g_autofree char *updated = ide_notice(&ide, "notifications/resources/updated");
	assert_has(updated, "subscriptionId\":9");
	hit_event(call, "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"roots/list\"}");
	g_autofree char *asked = ide_answer(&ide, "1");
	assert_has(asked, "\"resultType\":\"input_required\"");
	assert_has(asked, "\"roots/list\"");
	/* What changes there is of no list that the IDE sees. */
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}");
	clock_jump(&ide.fixture, 2000);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_session_that_is_lost_is_renewed_with_the_same(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	ide_say(&ide, CALL("1", CAN("roots")));
	serve_session(&ide, "R", CAN("roots"));
	expect_call(&ide, "R", "1");
	ide_say(&ide, CALL("2", CAN("roots")));
	hit_error(await_call(&ide, "R"), 404, -32001, "");
	serve_session(&ide, "T", CAN("roots"));
	expect_call(&ide, "T", "2");
	ide_say(&ide, CALL("3", "{}"));
	expect_call(&ide, "S", "3");
	ide_release(&ide);
}

/* ---- how many ---- */

static void call_with_set(struct Ide *ide, const char *id, unsigned set)
{
	g_autofree char *text = g_strdup_printf(CALL("%s", "{\"roots\":{\"n\":%u}}"), id, set);
	ide_say(ide, text);
}

static void serve_set(struct Ide *ide, unsigned set)
{
	g_autofree char *session = g_strdup_printf("R%u", set);
	g_autofree char *capabilities = g_strdup_printf("{\"roots\":{\"n\":%u}}", set);
	serve_session(ide, session, capabilities);
}

static void test_the_one_that_was_used_longest_ago_gives_way(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	for (unsigned i = 0; i < 8; i++) {
		g_autofree char *session = g_strdup_printf("R%u", i);
		call_with_set(&ide, "1", i);
		serve_set(&ide, i);
		expect_call(&ide, session, "1");
	}
	call_with_set(&ide, "1", 0); /* used again */
	expect_call(&ide, "R0", "1");
	/* Its session ends, and another one is opened: what it was offered is not what is declared now. */
	call_with_set(&ide, "2", 8);
	struct Hit *gone = peer_await(&ide.peers[0], "DELETE");
	assert_header(gone, "Mcp-Session-Id", "R1");
	hit_reply(gone, 200, "", "");
	serve_set(&ide, 8);
	expect_call(&ide, "R8", "2");
	call_with_set(&ide, "3", 0);
	expect_call(&ide, "R0", "3");
	call_with_set(&ide, "4", 1);
	gone = peer_await(&ide.peers[0], "DELETE");
	assert_header(gone, "Mcp-Session-Id", "R2");
	hit_reply(gone, 200, "", "");
	serve_set(&ide, 1);
	expect_call(&ide, "R1", "4");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

static void test_one_that_is_in_use_does_not_give_way(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *calls[8];
	open_modern(&ide, QUIET_TOOLS);
	for (unsigned i = 0; i < 8; i++) {
		g_autofree char *session = g_strdup_printf("R%u", i);
		g_autofree char *id = g_strdup_printf("%u", i);
		call_with_set(&ide, id, i);
		serve_set(&ide, i);
		calls[i] = await_call(&ide, session);
	}
	call_with_set(&ide, "8", 8);
	g_autofree char *refused = ide_answer(&ide, "8");
	assert_has(refused, "\"isError\":true");
	assert_has(refused, "a is asked too much at once for which the IDE declares different "
			    "capabilities");
	ide_say(&ide, DECLARING("8", "tools/list", "{\"roots\":{\"n\":8}}", ""));
	g_free(ide_answer(&ide, "8"));
	/* Those that have theirs go on, and so does the first one. */
	call_with_set(&ide, "9", 3);
	expect_call(&ide, "R3", "9");
	ide_say(&ide, INITIALIZE("{\"roots\":{\"n\":9}}"));
	g_free(ide_answer(&ide, "\"init\""));
	ide_say(&ide, LEGACY_CALL("9"));
	serve_session(&ide, "L", "{\"roots\":{\"n\":9}}");
	expect_call(&ide, "L", "9");
	ide_say(&ide, CALL("10", "{}"));
	expect_call(&ide, "S", "10");
	/* As soon as one is not in use any more. */
	hit_result(calls[5], "{\"content\":[]}");
	g_free(ide_answer(&ide, "5"));
	call_with_set(&ide, "8", 8);
	struct Hit *gone = peer_await(&ide.peers[0], "DELETE");
	assert_header(gone, "Mcp-Session-Id", "R5");
	serve_set(&ide, 8);
	expect_call(&ide, "R8", "8");
	ide_release(&ide);
}

static void test_one_that_is_opening_does_not_give_way(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	for (unsigned i = 0; i < 8; i++) {
		call_with_set(&ide, "1", i);
		struct Hit *hit = peer_await(&ide.peers[0], "initialize");
		ide_say(&ide, CANCEL("1"));
		(void)hit; /* it hangs */
	}
	call_with_set(&ide, "2", 8);
	g_autofree char *refused = ide_answer(&ide, "2");
	assert_has(refused, "\"isError\":true");
	ide_release(&ide);
}

/* ---- the end ---- */

static void test_all_sessions_are_deleted(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, QUIET_TOOLS);
	ide_say(&ide, CALL("1", CAN("roots")));
	serve_session(&ide, "R", CAN("roots"));
	expect_call(&ide, "R", "1");
	ide_say(&ide, CALL("2", CAN("roots")));
	struct Hit *call = await_call(&ide, "R");
	router_shutdown(ide.router);
	assert_false(router_is_quiet(ide.router));
	hit_reply(peer_await(&ide.peers[0], "notifications/cancelled"), 202, "", "");
	hit_await_close(call);
	for (unsigned i = 0; i < 2; i++) {
		struct Hit *gone = peer_await(&ide.peers[0], "DELETE");
		g_autofree char *session = hit_header(gone, "Mcp-Session-Id");
		assert_true(strcmp(session, "S") == 0 || strcmp(session, "R") == 0);
		hit_reply(gone, 200, "", "");
	}
	while (!router_is_quiet(ide.router))
		fixture_turn_for(&ide.fixture, 5);
	ide_release(&ide);
}

/* ---- an IDE of both eras ---- */

static void test_a_legacy_ide_after_a_modern_one(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, DECLARING("\"open\"", "tools/list", CAN("elicitation"), ""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", "S", OFFERS_ALL);
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	struct Hit *first = peer_await(&ide.peers[0], "GET");
	hit_stream(first, "");
	g_free(ide_answer(&ide, "\"open\""));
	ide_say(&ide, INITIALIZE("{\"roots\":{\"listChanged\":true}}"));
	g_free(ide_answer(&ide, "\"init\""));
	/* The first session was offered what this one cannot do. */
	hit_event(first,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"elicitation/create\",\"params\":{}}");
	struct Hit *refusal = peer_await(&ide.peers[0], "answer");
	assert_has(refusal->body, "-32601");
	hit_reply(refusal, 202, "", "");
	ide_say(&ide, LEGACY_CALL("1"));
	serve_session(&ide, "L", "{\"roots\":{\"listChanged\":true}}");
	struct Hit *call = await_call(&ide, "L");
	hit_stream(call, "");
	hit_event(call, "{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"roots/list\"}");
	g_autofree char *question = ide_notice(&ide, "roots/list");
	g_autofree char *id = slice_dup(json_get(slice_of(question), "id").raw);
	g_autofree char *reply =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"roots\":[]}}", id);
	ide_say(&ide, reply);
	struct Hit *answer = peer_await(&ide.peers[0], "answer");
	assert_header(answer, "Mcp-Session-Id", "L");
	hit_reply(answer, 202, "", "");
	hit_event_result(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	/* It hears of the roots, and says things outside of calls; the first one was told of none. */
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}");
	struct Hit *told = peer_await(&ide.peers[0], "notifications/roots/list_changed");
	assert_header(told, "Mcp-Session-Id", "L");
	hit_reply(told, 202, "", "");
	peer_await_none(&ide.peers[0], "notifications/roots/list_changed");
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	assert_header(stream, "Mcp-Session-Id", "L");
	hit_stream(stream, "");
	hit_event(stream, NOTICE("notifications/message", "\"level\":\"error\",\"data\":1"));
	g_free(ide_notice(&ide, "notifications/message"));
	/* And the IDE's level. */
	ide_say(&ide, LEGACY("2", "logging/setLevel", "\"level\":\"warning\""));
	g_free(ide_answer(&ide, "2"));
	for (unsigned i = 0; i < 2; i++) {
		struct Hit *level = peer_await(&ide.peers[0], "logging/setLevel");
		assert_has(level->body, "\"warning\"");
		hit_result(level, "{}");
	}
	/* The modern one's go where they went. */
	ide_say(&ide, CALL("3", CAN("elicitation")));
	expect_call(&ide, "S", "3");
	ide_release(&ide);
}

static void test_a_modern_ide_after_a_legacy_one(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, INITIALIZE("{\"elicitation\":{},\"tasks\":{},\"experimental\":{}}"));
	g_free(ide_answer(&ide, "\"init\""));
	serve_session(&ide, "S", "{\"elicitation\":{},\"experimental\":{}}");
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, LEGACY_CALL("1"));
	expect_call(&ide, "S", "1");
	/* An experiment is between equal eras. */
	ide_say(&ide, CALL("2", CAN("elicitation")));
	serve_session(&ide, "M", CAN("elicitation"));
	expect_call(&ide, "M", "2");
	ide_say(&ide, LEGACY_CALL("3"));
	expect_call(&ide, "S", "3");
	ide_release(&ide);
}

/* A modern server reads in each request what is offered: for a legacy IDE that is what it declared itself. */
static void test_a_modern_server_between_both(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, DECLARING("\"open\"", "tools/list",
			      "{\"elicitation\":{},\"extensions\":{\"x\":{}}}", ""));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "\"open\""));
	ide_say(&ide, INITIALIZE("{\"roots\":{\"listChanged\":true}}"));
	g_free(ide_answer(&ide, "\"init\""));
	ide_say(&ide, LEGACY_CALL("1"));
	struct Hit *discover = peer_await(&ide.peers[0], "server/discover");
	assert_has(discover->body, "\"io.modelcontextprotocol/clientCapabilities\":" CAN("roots"));
	hit_result(discover, "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
			     "\"capabilities\":" QUIET_TOOLS "}");
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_has(call->body, "\"io.modelcontextprotocol/clientCapabilities\":" CAN("roots"));
	hit_result(call, "{\"resultType\":\"complete\",\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	/* Its tools are known there, too, since they may say what goes into headers. */
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	/* A modern IDE's own request goes with its own word. */
	ide_say(&ide, CALL("2", "{}"));
	call = peer_await(&ide.peers[0], "tools/call");
	assert_has(call->body, "\"io.modelcontextprotocol/clientCapabilities\":{}");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_session_for_each_set),
		cmocka_unit_test(test_what_is_not_offered_makes_no_difference),
		cmocka_unit_test(test_a_modern_server_needs_none),
		cmocka_unit_test(test_prompts_and_resources_go_there_too),
		cmocka_unit_test(test_what_a_session_says),
		cmocka_unit_test(test_a_session_that_is_lost_is_renewed_with_the_same),
		cmocka_unit_test(test_the_one_that_was_used_longest_ago_gives_way),
		cmocka_unit_test(test_one_that_is_in_use_does_not_give_way),
		cmocka_unit_test(test_one_that_is_opening_does_not_give_way),
		cmocka_unit_test(test_all_sessions_are_deleted),
		cmocka_unit_test(test_a_legacy_ide_after_a_modern_one),
		cmocka_unit_test(test_a_modern_ide_after_a_legacy_one),
		cmocka_unit_test(test_a_modern_server_between_both),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
