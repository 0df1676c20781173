/* Log messages of servers: whose they are, and from which level on they pass. */
#include "items_fixture.h"

#define MESSAGE "notifications/message"
#define LOGS(level) NOTICE(MESSAGE, "\"level\":\"" level "\",\"data\":{ \"n\":1.0}")
#define SET_LEVEL(id, level) LEGACY(id, "logging/setLevel", "\"level\":" level)
#define LOGGING "{\"tools\":{},\"logging\":{}}"
/* A modern call that asks for log messages. */
#define CALL_AT(id, level)                                                                         \
	LEGACY(id, "tools/call",                                                                   \
		"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","           \
		"\"io.modelcontextprotocol/clientCapabilities\":{},"                               \
		"\"io.modelcontextprotocol/logLevel\":" level "},\"name\":\"a__add\"")

/* A legacy IDE before a legacy server, whose stream comes back. */
static struct Hit *open_legacy(struct Ide *ide)
{
	ide_init(ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_initialize(ide, "2025-11-25");
	peer_serve_initialize(&ide->peers[0], "2025-11-25", NULL, LOGGING);
	peer_serve_tools(&ide->peers[0], ADD_TOOL);
	struct Hit *stream = peer_await(&ide->peers[0], "GET");
	hit_stream(stream, "");
	g_free(ide_list(ide));
	return stream;
}

static void expect_line(struct Ide *ide, const char *wanted)
{
	g_autofree char *text = ide_notice(ide, MESSAGE);
	assert_string_equal(text, wanted);
}

static void set_level(struct Ide *ide, const char *level)
{
	g_autofree char *text = g_strdup_printf(SET_LEVEL("\"set\"", "\"%s\""), level);
	ide_exchange(ide, text, "\"set\"", "\"result\":{}");
}

static void test_messages_pass_as_they_are(void **state)
{
	(void)state;
	static const char odd[] = "{ \"jsonrpc\":\"2.0\",\"method\":\"" MESSAGE "\", \"params\":{"
				  "\"data\":\"\\/\",\"level\":\"unheard-of\"}}";
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide);
	hit_event(stream, LOGS("debug"));
	expect_line(&ide, LOGS("debug"));
	hit_event(stream, odd);
	expect_line(&ide, odd);
	ide_say(&ide, LEGACY("1", "tools/call", "\"name\":\"a__add\""));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	hit_stream(call, "");
	hit_event(call, LOGS("info"));
	expect_line(&ide, LOGS("info"));
	hit_bytes(call, "data: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"" MESSAGE "\"}\n\n");
	expect_line(&ide, "{\"jsonrpc\":\"2.0\", \"method\":\"" MESSAGE "\"}");
	hit_event_result(call, "{\"content\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void test_the_level_goes_to_servers_and_counts_here(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide);
	set_level(&ide, "warning");
	struct Hit *told = peer_await(&ide.peers[0], "logging/setLevel");
	assert_has(told->body, "\"params\":{\"level\":\"warning\"}");
	hit_error(told, 200, -32603, ""); /* it does as it likes */
	static const char *const below[] = {LOGS("debug"), LOGS("info"), LOGS("notice"),
		LOGS("unheard-of"), NOTICE(MESSAGE, "\"data\":1"), NOTICE(MESSAGE, "\"level\":5")};
	for (size_t i = 0; i < G_N_ELEMENTS(below); i++)
		hit_event(stream, below[i]);
	hit_event(stream, LOGS("warning"));
	expect_line(&ide, LOGS("warning"));
	hit_event(stream, LOGS("emergency"));
	expect_line(&ide, LOGS("emergency"));
	ide_hear_nothing(&ide);
	/* It may be lowered again. */
	set_level(&ide, "debug");
	hit_result(peer_await(&ide.peers[0], "logging/setLevel"), "{}");
	hit_event(stream, LOGS("debug"));
	expect_line(&ide, LOGS("debug"));
	ide_release(&ide);
}

static void test_levels_that_are_none(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_initialize(&ide, "2025-11-25");
	ide_exchange(&ide, SET_LEVEL("1", "\"loud\""), "1", "-32602");
	ide_exchange(&ide, SET_LEVEL("1", "5"), "1", "-32602");
	ide_exchange(&ide, LEGACY("1", "logging/setLevel", ""), "1", "-32602");
	ide_exchange(&ide, CALL_AT("2", "\"loud\""), "2", "-32602");
	ide_exchange(&ide, CALL_AT("2", "5"), "2", "-32602");
	ide_exchange(&ide, MODERN("3", "logging/setLevel", ",\"level\":\"info\""), "3", "-32601");
	ide_release(&ide);
}

/* Whenever it opens, and a modern one with each request. */
static void test_servers_that_open_later_are_told(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	set_level(&ide, "error");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", NULL, LOGGING);
	assert_has(peer_await(&ide.peers[0], "logging/setLevel")->body, "\"error\"");
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	hit_error(peer_await(&ide.peers[1], "initialize"), 400, -32022, "");
	peer_serve_discover(&ide.peers[1], LOGGING);
	peer_serve_tools(&ide.peers[1], ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, LEGACY("1", "tools/call", "\"name\":\"b__add\""));
	struct Hit *call = peer_await(&ide.peers[1], "tools/call");
	assert_has(call->body, "\"io.modelcontextprotocol/logLevel\":\"error\"");
	hit_stream(call, "");
	hit_event(call, LOGS("warning"));
	hit_event(call, LOGS("error"));
	expect_line(&ide, LOGS("error"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_modern_ide_hears_what_it_asked_for(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"open\"", "tools/list", ""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide.peers[0], "2025-11-25", NULL, LOGGING);
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	g_free(ide_answer(&ide, "\"open\""));
	ide_say(&ide, MODERN("1", "tools/call", ",\"name\":\"a__add\""));
	struct Hit *silent = peer_await(&ide.peers[0], "tools/call");
	hit_stream(silent, "");
	hit_event(silent, LOGS("emergency"));
	hit_event(stream, LOGS("emergency"));
	ide_hear_nothing(&ide);
	ide_say(&ide, CALL_AT("2", "\"warning\""));
	hit_result(peer_await(&ide.peers[0], "logging/setLevel"), "{}");
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_lacks(call->body, "logLevel");
	hit_stream(call, "");
	hit_event(call, LOGS("notice"));
	hit_event(call, LOGS("unheard-of"));
	hit_event(silent, LOGS("emergency"));
	hit_event(stream, LOGS("emergency"));
	hit_event(call, LOGS("warning"));
	expect_line(&ide, LOGS("warning"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_modern_server_before_a_modern_ide(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"open\"", "tools/list", ""));
	peer_serve_discover(&ide.peers[0], "{\"tools\":{\"listChanged\":true},\"logging\":{}}");
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	struct Hit *listen = peer_await(&ide.peers[0], "subscriptions/listen");
	hit_stream(listen, "");
	g_free(ide_answer(&ide, "\"open\""));
	hit_event(listen, LOGS("emergency"));
	ide_say(&ide, CALL_AT("1", "\"info\""));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_has(call->body, "\"io.modelcontextprotocol/logLevel\":\"info\"");
	hit_stream(call, "");
	hit_event(call, LOGS("debug"));
	hit_event(call, LOGS("info"));
	expect_line(&ide, LOGS("info"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Each at its own level, of the one session that they share. */
static void test_ides_of_both_eras(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide);
	set_level(&ide, "error");
	hit_result(peer_await(&ide.peers[0], "logging/setLevel"), "{}");
	ide_say(&ide, CALL_AT("1", "\"debug\""));
	struct Hit *lower = peer_await(&ide.peers[0], "logging/setLevel");
	assert_has(lower->body, "\"debug\"");
	hit_result(lower, "{}");
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	hit_stream(call, "");
	hit_event(stream, LOGS("info"));
	hit_event(call, LOGS("debug"));
	expect_line(&ide, LOGS("debug"));
	hit_event(stream, LOGS("error"));
	expect_line(&ide, LOGS("error"));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_messages_that_do_not_pass(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *stream = open_legacy(&ide);
	g_autofree char *big = g_strnfill(1 << 20, 'x');
	g_autofree char *large =
		g_strdup_printf(NOTICE(MESSAGE, "\"level\":\"error\",\"data\":\"%s\""), big);
	hit_event(stream, large);
	ide_hear_nothing(&ide);
	/* While the IDE does not read, a server could fill the memory with them. */
	router_set_output_pressure(ide.router, true);
	hit_event(stream, LOGS("error"));
	stream_await_heard(&ide.peers[0], stream);
	router_set_output_pressure(ide.router, false);
	ide_hear_nothing(&ide);
	hit_event(stream, LOGS("info"));
	expect_line(&ide, LOGS("info"));
	/* What no revision knows. */
	hit_event(stream, NOTICE("notifications/initialized", ""));
	hit_event(stream, NOTICE("notifications/roots/list_changed", ""));
	hit_event(stream, NOTICE("notifications/elicitation/complete", "\"elicitationId\":\"1\""));
	hit_event(stream, NOTICE("notifications/tasks", "\"taskId\":\"1\""));
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages_pass_as_they_are),
		cmocka_unit_test(test_the_level_goes_to_servers_and_counts_here),
		cmocka_unit_test(test_levels_that_are_none),
		cmocka_unit_test(test_servers_that_open_later_are_told),
		cmocka_unit_test(test_a_modern_ide_hears_what_it_asked_for),
		cmocka_unit_test(test_a_modern_server_before_a_modern_ide),
		cmocka_unit_test(test_ides_of_both_eras),
		cmocka_unit_test(test_messages_that_do_not_pass),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
