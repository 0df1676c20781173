/* How an IDE opens in either era, and what becomes of messages that are wrong. */
#include "router_fixture.h"

#define INITIALIZE(id, revision)                                                                   \
	LEGACY(id, "initialize", "\"protocolVersion\":\"" revision "\",\"capabilities\":{}")

#define CAPABILITIES                                                                               \
	"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},"                    \
	"\"resources\":{\"subscribe\":true,\"listChanged\":true},\"completions\":{},\"logging\":{" \
	"}}"

static void test_every_handshake_revision(void **state)
{
	(void)state;
	static const char *const asked[][2] = {{"2024-11-05", "2024-11-05"},
		{"2025-03-26", "2025-03-26"}, {"2025-06-18", "2025-06-18"},
		{"2025-11-25", "2025-11-25"}, {"2030-01-01", "2025-11-25"},
		{"2026-07-28", "2025-11-25"}};
	for (size_t i = 0; i < G_N_ELEMENTS(asked); i++) {
		struct Ide ide;
		ide_init(&ide, CONNECTOR("wiki", "@0"));
		g_autofree char *text = g_strdup_printf(INITIALIZE("0", "%s"), asked[i][0]);
		ide_say(&ide, text);
		g_autofree char *answer = ide_answer(&ide, "0");
		struct Slice result = json_get(slice_of(answer), "result").raw;
		g_autofree char *revision = json_string_dup(json_get(result, "protocolVersion"));
		assert_string_equal(revision, asked[i][1]);
		assert_true(slice_is(json_get(result, "capabilities").raw, CAPABILITIES));
		assert_has(answer,
			"\"serverInfo\":{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION);
		assert_lacks(answer, "resultType");
		/* A legacy upstream is offered the IDE's revision. */
		struct Hit *hit = peer_await(&ide.peers[0], "initialize");
		g_autofree char *offered =
			g_strdup_printf("\"protocolVersion\":\"%s\"", asked[i][1]);
		assert_has(hit->body, offered);
		ide_release(&ide);
	}
}

static void test_instructions_say_what_is_joined(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nseparator = -\n[native]\nurl = @0\nauth = none\ntitle = Port\n"
		       "[connector:wiki]\nurl = @1\nauth = none\ntitle = The Wiki\n"
		       "description = Runbooks \"and\" more\nprefix = w\n"
		       "[connector:off]\nurl = @1\nauth = none\nenabled = off\n"
		       "[connector:later]\nurl = @2\n");
	ide_say(&ide, INITIALIZE("0", "2025-11-25"));
	g_autofree char *answer = ide_answer(&ide, "0");
	struct Slice result = json_get(slice_of(answer), "result").raw;
	g_autofree char *text = json_string_dup(json_get(result, "instructions"));
	assert_has(text, "- Port (its tools keep their own names)\n");
	assert_has(text, "- The Wiki (connector wiki, tools named w-…): Runbooks \"and\" more\n");
	assert_has(text, "mcp-mux connect later");
	assert_lacks(text, "connector off");
	ide_release(&ide);
}

/* A server's own words stand below its connector once they are known, in bounds. */
static void test_instructions_of_the_servers_themselves(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
	ide_say(&ide, INITIALIZE("0", "2025-11-25"));
	g_autofree char *first = ide_answer(&ide, "0");
	g_autoptr(GString) result =
		g_string_new("{\"protocolVersion\":\"2025-11-25\","
			     "\"capabilities\":{},\"instructions\":\"One.\\nTwo.");
	for (unsigned i = 0; i < 5000; i++)
		g_string_append(result, " x");
	g_string_append(result, "\"}");
	hit_result(peer_await(&ide.peers[0], "initialize"), result->str);
	hit_reply(peer_await(&ide.peers[0], "notifications/initialized"), 202, "", "");
	g_free(ide_list(&ide));
	ide_say(&ide, MODERN("1", "server/discover", ""));
	g_autofree char *second = ide_answer(&ide, "1");
	assert_lacks(first, "One.");
	assert_has(second, "\\n  One.\\n  Two. x x");
	assert_true(strlen(second) < strlen(first) + 3000);
	ide_release(&ide);
}

static void test_without_upstreams_it_says_how_to_add_one(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_exchange(&ide, INITIALIZE("0", "2025-11-25"), "0", "/home/me/mcp-mux.ini");
	g_autofree char *list = ide_list(&ide);
	assert_has(list, "\"name\":\"mcp_mux__connectors\"");
	ide_exchange(&ide, LEGACY("1", "tools/call", "\"name\":\"mcp_mux__connectors\""), "1",
		"No connector is configured");
	ide_exchange(&ide, MODERN("2", "server/discover", ""), "2", "/home/me/mcp-mux.ini");
	ide_exchange(&ide, MODERN("3", "tools/list", ""), "3", "\"ttlMs\":0");
	ide_release(&ide);
}

static void test_wrong_initializes(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
	ide_exchange(
		&ide, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\"}", "1", "-32602");
	ide_exchange(&ide, LEGACY("2", "initialize", "\"protocolVersion\":5"), "2", "-32602");
	ide_exchange(&ide, LEGACY("3", "tools/list", ""), "3", "-32602");
	ide_exchange(&ide, LEGACY("4", "nonsense", ""), "4", "-32602");
	ide_exchange(&ide, LEGACY("5", "ping", ""), "5", "\"result\":{}");
	peer_await_none(&ide.peers[0], "initialize");
	ide_exchange(&ide, INITIALIZE("6", "2025-06-18"), "6", "2025-06-18");
	ide_exchange(&ide, INITIALIZE("7", "2025-06-18"), "7", "-32600");
	ide_exchange(&ide, LEGACY("8", "nonsense", ""), "8", "-32601");
	ide_exchange(&ide, LEGACY("9", "server/discover", ""), "9", "-32601");
	ide_exchange(&ide, LEGACY("10", "ping", ""), "10", "\"result\":{}");
	ide_release(&ide);
}

static void test_discover(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
	ide_say(&ide, MODERN("\"d\"", "server/discover", ""));
	g_autofree char *answer = ide_answer(&ide, "\"d\"");
	struct Slice result = json_get(slice_of(answer), "result").raw;
	assert_true(slice_is(json_get(result, "resultType").raw, "\"complete\""));
	assert_true(slice_is(json_get(result, "supportedVersions").raw, "[\"2026-07-28\"]"));
	assert_true(slice_is(json_get(result, "cacheScope").raw, "\"private\""));
	assert_int_equal(json_get(result, "ttlMs").type, JSON_NUMBER);
	assert_int_equal(json_get(result, "instructions").type, JSON_STRING);
	assert_has(answer, "\"capabilities\":" CAPABILITIES);
	assert_has(answer, "\"io.modelcontextprotocol/serverInfo\":{\"name\":\"mcp-mux\"");
	/* A modern IDE's era is probed first; a legacy server is offered the newest revision. */
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	assert_has(peer_await(&ide.peers[0], "initialize")->body, "\"2025-11-25\"");
	ide_release(&ide);
}

static void test_the_reserved_members_are_checked(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
#define META_REQUEST(id, meta) LEGACY(id, "server/discover", "\"_meta\":{" meta "}")
#define VERSION "\"io.modelcontextprotocol/protocolVersion\":"
#define CAPS "\"io.modelcontextprotocol/clientCapabilities\":"
#define INFO "\"io.modelcontextprotocol/clientInfo\":"
	ide_say(&ide, META_REQUEST("1", VERSION "\"2027-01-01\"," CAPS "{}"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32022");
	/* What a request can name: the same that server/discover says. */
	assert_has(
		answer, "\"data\":{\"supported\":[\"2026-07-28\"],\"requested\":\"2027-01-01\"}");
	ide_exchange(&ide, META_REQUEST("2", CAPS "{}"), "2", "-32602");
	ide_exchange(&ide, META_REQUEST("3", VERSION "\"2026-07-28\""), "3", "-32602");
	ide_exchange(&ide, META_REQUEST("4", VERSION "\"2026-07-28\"," CAPS "[]"), "4", "-32602");
	ide_exchange(&ide, META_REQUEST("5", VERSION "\"2026-07-28\"," CAPS "{}," INFO "1"), "5",
		"-32602");
	ide_exchange(&ide, META_REQUEST("6", VERSION "20," CAPS "{}"), "6", "-32602");
	ide_exchange(&ide,
		META_REQUEST("7", VERSION "\"2026-07-28\"," CAPS "{}," VERSION "\"2026-07-28\""),
		"7", "-32602");
	ide_exchange(&ide, LEGACY("8", "server/discover", "\"_meta\":5"), "8", "-32602");
	ide_exchange(
		&ide, LEGACY("9", "tools/call", "\"_meta\":{\"progressToken\":{}}"), "9", "-32602");
	ide_exchange(
		&ide, LEGACY("10", "tools/call", "\"name\":\"a\",\"name\":\"b\""), "10", "-32602");
	ide_exchange(&ide, META_REQUEST("11", "\"io.modelcontextprotocol/logLevel\":\"info\""),
		"11", "-32602");
	ide_exchange(&ide, META_REQUEST("12", ""), "12", "-32602"); /* legacy, uninitialized */
	peer_await_none(&ide.peers[0], "server/discover");
	/* Without the client's info it is fine. */
	ide_exchange(&ide, META_REQUEST("13", VERSION "\"2026-0\\u0037-28\"," CAPS "{}"), "13",
		"supportedVersions");
	ide_release(&ide);
}

static void test_what_modern_ides_may_not_ask(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_exchange(&ide, MODERN("1", "ping", ""), "1", "-32601");
	ide_exchange(&ide, MODERN("2", "logging/setLevel", ",\"level\":\"info\""), "2", "-32601");
	ide_exchange(&ide, MODERN("3", "resources/subscribe", ",\"uri\":\"x:\""), "3", "-32601");
	ide_exchange(&ide, MODERN("4", "nonsense", ""), "4", "-32601");
	ide_exchange(&ide, MODERN("5", "initialize", ",\"protocolVersion\":\"2025-11-25\""), "5",
		"-32601");
	/* Both eras on one process. */
	ide_exchange(
		&ide, INITIALIZE("8", "2025-11-25"), "8", "\"protocolVersion\":\"2025-11-25\"");
	ide_exchange(&ide, LEGACY("6", "ping", ""), "6", "\"result\":{}");
	ide_exchange(&ide, MODERN("7", "server/discover", ""), "7", "supportedVersions");
	ide_release(&ide);
}

static char *next_line(struct Ide *ide)
{
	turn_until(&ide->fixture, ide->heard, ide->lines->len + (ide->heard == ide->lines->len));
	return g_steal_pointer(&ide->lines->pdata[ide->lines->len - 1]);
}

static void test_unreadable_messages(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",");
	g_autofree char *first = next_line(&ide);
	assert_has(first, "\"code\":-32700");
	assert_lacks(first, "\"id\"");
	ide_initialize(&ide, "2025-06-18");
	ide_say(&ide, "rubbish");
	g_autofree char *second = ide_await(&ide, "id", "null");
	assert_has(second, "-32700");
	/* The id is told where it could be read. */
	ide_exchange(&ide, "{\"jsonrpc\":\"2.0\",\"id\":\"a\\u0062\",\"method\":\"ping\",}",
		"\"a\\u0062\"", "-32700");
	ide_exchange(&ide, "{\"jsonrpc\":\"1.0\",\"id\":7,\"method\":\"ping\"}", "7", "-32600");
	ide_exchange(&ide, "{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":5}", "8", "-32600");
	ide_exchange(&ide, "{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"ping\",\"params\":[]}", "9",
		"-32600");
	ide_exchange(
		&ide, "{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", "null", "-32600");
	ide_exchange(&ide, "{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", "null", "-32600");
	ide_exchange(&ide, "\"ping\"", "null", "-32600");
	ide_exchange(&ide, "[]", "null", "-32600");
	ide_exchange(&ide, LEGACY("10", "ping", ""), "10", "\"result\":{}");
	ide_release(&ide);
	ide_init(&ide, "");
	ide_initialize(&ide, "2025-11-25"); /* from which on the id is left out */
	ide_say(&ide, "rubbish");
	g_autofree char *third = next_line(&ide);
	assert_has(third, "-32700");
	assert_lacks(third, "\"id\"");
	ide_release(&ide);
}

static void test_an_overlong_line(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nmax_message = 12");
	ide_initialize(&ide, "2025-03-26");
	router_overlong(ide.router, SLICE("{\"jsonrpc\":"));
	g_autofree char *answer = ide_answer(&ide, "null");
	assert_has(answer, "-32600");
	assert_has(answer, "12 MiB");
	ide_release(&ide);
}

static void test_messages_that_have_no_answer(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "");
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/nonsense\"}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\"}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		      "\"requestId\":{}}}");
	ide_say(&ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{"
		      "\"requestId\":1e400}}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_ids_come_back_in_their_own_bytes(void **state)
{
	(void)state;
	static const char *const ids[] = {"\"\"", "\"\\u0061\\/\\\"\"", "-0", "1.0", "1e3",
		"123456789012345678901234567890", "\"\\ud800\"", "-9223372036854775808"};
	struct Ide ide;
	ide_init(&ide, "");
	for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
		g_autofree char *text = g_strdup_printf(LEGACY("%s", "ping", ""), ids[i]);
		ide_exchange(&ide, text, ids[i], "\"result\":{}");
	}
	ide_release(&ide);
}

static void test_an_id_in_flight_is_not_taken_twice(void **state)
{
	(void)state;
	static const char *const same[][2] = {{"1", "1.0"}, {"\"a\"", "\"\\u0061\""}, {"10", "1e1"},
		{"99999999999999999999", "99999999999999999999"}};
	for (size_t i = 0; i < G_N_ELEMENTS(same); i++) {
		struct Ide ide;
		ide_init(&ide, CONNECTOR("wiki", "@0"));
		ide_initialize(&ide, "2025-06-18");
		g_autofree char *first =
			g_strdup_printf(LEGACY("%s", "tools/list", ""), same[i][0]);
		ide_say(&ide, first);
		static const char *const methods[] = {"tools/list", "ping", "tools/call"};
		for (unsigned k = 0; k < G_N_ELEMENTS(methods); k++) {
			g_autofree char *text =
				g_strdup_printf(LEGACY("%s", "%s", ""), same[i][1], methods[k]);
			ide_exchange(&ide, text, same[i][1], "-32600");
		}
		g_autofree char *modern =
			g_strdup_printf(MODERN("%s", "server/discover", ""), same[i][1]);
		ide_exchange(&ide, modern, same[i][1], "-32600");
		g_autofree char *listen = g_strdup_printf(
			MODERN("%s", "subscriptions/listen", ",\"notifications\":{}"), same[i][1]);
		ide_exchange(&ide, listen, same[i][1], "-32600");
		ide_serve_legacy(&ide, 0, ADD_TOOL);
		g_free(ide_answer(&ide, same[i][0]));
		/* Then it is free again. */
		ide_exchange(&ide, first, same[i][0], "wiki__add");
		ide_release(&ide);
	}
}

static void test_a_string_is_no_number(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, LEGACY("1", "tools/list", ""));
	ide_exchange(&ide, LEGACY("\"1\"", "ping", ""), "\"1\"", "\"result\":{}");
	ide_release(&ide);
}

static void test_after_the_end_nothing_is_answered(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("wiki", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	router_shutdown(ide.router);
	router_shutdown(ide.router);
	assert_true(router_is_quiet(ide.router));
	ide_say(&ide, LEGACY("1", "ping", ""));
	ide_hear_nothing(&ide);
	ide_release(&ide);
	router_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_handshake_revision),
		cmocka_unit_test(test_instructions_say_what_is_joined),
		cmocka_unit_test(test_instructions_of_the_servers_themselves),
		cmocka_unit_test(test_without_upstreams_it_says_how_to_add_one),
		cmocka_unit_test(test_wrong_initializes),
		cmocka_unit_test(test_discover),
		cmocka_unit_test(test_the_reserved_members_are_checked),
		cmocka_unit_test(test_what_modern_ides_may_not_ask),
		cmocka_unit_test(test_unreadable_messages),
		cmocka_unit_test(test_an_overlong_line),
		cmocka_unit_test(test_messages_that_have_no_answer),
		cmocka_unit_test(test_ids_come_back_in_their_own_bytes),
		cmocka_unit_test(test_an_id_in_flight_is_not_taken_twice),
		cmocka_unit_test(test_a_string_is_no_number),
		cmocka_unit_test(test_after_the_end_nothing_is_answered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
