/* The extension io.modelcontextprotocol/tasks, between modern IDEs and modern servers. */
#include "items_fixture.h"

#define EXTENSION "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}"
#define TASKS "{\"tools\":{},\"resources\":{}," EXTENSION "}"
#define TASK_META                                                                                  \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientCapabilities\":{" EXTENSION "}}"
#define SAY(id, method, params) LEGACY(id, method, TASK_META "," params)
#define GET(id, task) SAY(id, "tasks/get", "\"taskId\":\"" task "\"")
#define CREATED(task)                                                                              \
	"{\"resultType\":\"task\",\"taskId\":\"" task                                              \
	"\",\"status\":\"working\",\"createdAt\":\"\",\"lastUpdatedAt\":\"\",\"ttlMs\":1.0}"

/* A modern IDE before the modern servers a, b and so on with OFFERS. */
static void open_all(struct Ide *ide, const char *const *offers)
{
	static const char *const sections[] = {
		CONNECTOR("a", "@0"), CONNECTOR("b", "@1"), CONNECTOR("c", "@2")};
	g_autoptr(GString) ini = g_string_new("[mux]\nlist_timeout = 4\n");
	for (unsigned i = 0; offers[i]; i++)
		g_string_append(ini, sections[i]);
	ide_init(ide, ini->str);
	ide_say(ide, SAY("\"open\"", "tools/list", "\"x\":1"));
	for (unsigned i = 0; offers[i]; i++) {
		peer_serve_discover(&ide->peers[i], offers[i]);
		peer_serve_tools(&ide->peers[i], ADD_TOOL);
	}
	g_free(ide_answer(ide, "\"open\""));
}

#define OPEN(ide, ...) open_all((ide), (const char *const[]){__VA_ARGS__, NULL})

/* The tool of peer N makes a task. */
static void create(struct Ide *ide, unsigned n, const char *task)
{
	g_autofree char *text = g_strdup_printf(
		SAY("\"call\"", "tools/call", "\"name\":\"%c__add\""), 'a' + (int)n);
	ide_say(ide, text);
	g_autofree char *result = g_strdup_printf(CREATED("%s"), task);
	hit_result(peer_await(&ide->peers[n], "tools/call"), result);
	g_autofree char *answer = ide_answer(ide, "\"call\"");
	assert_has(answer, result);
}

static void expect_asked(struct Ide *ide, const char *task, unsigned n)
{
	g_autofree char *text = g_strdup_printf(GET("\"get\"", "%s"), task);
	ide_say(ide, text);
	struct Hit *hit = peer_await(&ide->peers[n], "tasks/get");
	assert_header(hit, "Mcp-Method", "tasks/get");
	hit_result(hit, "{\"resultType\":\"complete\",\"status\":\"working\",\"n\":1.0}");
	g_autofree char *answer = ide_answer(ide, "\"get\"");
	assert_has(answer, "{\"resultType\":\"complete\",\"status\":\"working\",\"n\":1.0}");
	for (unsigned i = 0; i < PEERS_MAX; i++)
		assert_null(peer_find(&ide->peers[i], "tasks/get"));
}

static void expect_unknown(struct Ide *ide, const char *task)
{
	g_autofree char *text = g_strdup_printf(GET("\"get\"", "%s"), task);
	ide_exchange(
		ide, text, "\"get\"", "\"error\":{\"code\":-32602,\"message\":\"Unknown task\"");
	for (unsigned i = 0; i < PEERS_MAX; i++)
		assert_null(peer_find(&ide->peers[i], "tasks/get"));
}

static void test_requests_go_to_the_server_that_made_the_task(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, TASKS, TASKS);
	create(&ide, 0, "one");
	create(&ide, 1, "\\u0074wo");
	ide_say(&ide, SAY("1", "tasks/get", "\"taskId\":\"t\\u0077o\""));
	struct Hit *get = peer_await(&ide.peers[1], "tasks/get");
	assert_header(get, "Mcp-Name", "two");
	assert_has(get->body, "\"taskId\":\"t\\u0077o\"");
	hit_result(get, "{\"resultType\":\"complete\",\"status\":\"working\"}");
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide,
		SAY("2", "tasks/update",
			"\"taskId\":\"one\",\"inputResponses\":{\"k\":{\"action\":\"accept\"}}"));
	struct Hit *update = peer_await(&ide.peers[0], "tasks/update");
	assert_header(update, "Mcp-Method", "tasks/update");
	assert_header(update, "Mcp-Name", "one");
	assert_has(update->body, "\"inputResponses\":{\"k\":{\"action\":\"accept\"}}");
	hit_result(update, "{\"resultType\":\"complete\"}");
	g_free(ide_answer(&ide, "2"));
	ide_say(&ide, SAY("3", "tasks/cancel", "\"taskId\":\"one\""));
	hit_error(peer_await(&ide.peers[0], "tasks/cancel"), 200, -32602, "");
	g_autofree char *error = ide_answer(&ide, "3");
	assert_has(error, "\"error\":{\"code\":-32602,\"message\":\"no\"}");
	ide_release(&ide);
}

/* An id may be all that protects a task. */
static void test_no_server_takes_anothers_task(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, TASKS, TASKS);
	create(&ide, 0, "one");
	create(&ide, 1, "one");
	expect_asked(&ide, "one", 0);
	create(&ide, 0, "one");
	expect_asked(&ide, "one", 0);
	ide_release(&ide);
}

static void test_what_makes_no_task(void **state)
{
	(void)state;
	static const char *const results[] = {
		"{\"resultType\":\"complete\",\"taskId\":\"t\"}",
		"{\"resultType\":5,\"taskId\":\"t\"}",
		"{\"taskId\":\"t\"}",
		"{\"resultType\":\"task\",\"taskId\":5}",
		"{\"resultType\":\"task\"}",
		"{\"resultType\":\"task\",\"taskId\":\"\\ud800\"}",
	};
	struct Ide ide;
	OPEN(&ide, TASKS, TASKS, QUIET_TOOLS);
	for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
		ide_say(&ide, SAY("1", "tools/call", "\"name\":\"a__add\""));
		hit_result(peer_await(&ide.peers[0], "tools/call"), results[i]);
		g_free(ide_answer(&ide, "1"));
	}
	/* Nor is one made by a server that has none, or by anything but a call. */
	create(&ide, 2, "t");
	ide_say(&ide, SAY("2", "resources/read", "\"uri\":\"x:1\""));
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	ide_serve_resources(&ide, 1, "", "");
	hit_result(peer_await(&ide.peers[0], "resources/read"), CREATED("t"));
	g_free(ide_answer(&ide, "2"));
	expect_unknown(&ide, "t");
	ide_release(&ide);
}

/* As one that an IDE remembers from an earlier run. */
static void test_a_task_that_is_not_known(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, TASKS, QUIET_TOOLS, QUIET_TOOLS);
	expect_asked(&ide, "old", 0);
	ide_release(&ide);
	OPEN(&ide, TASKS, TASKS);
	expect_unknown(&ide, "old");
	ide_exchange(&ide, SAY("1", "tasks/get", "\"x\":1"), "1", "params.taskId must be a string");
	ide_exchange(&ide, SAY("1", "tasks/get", "\"taskId\":5"), "1", "-32602");
	ide_release(&ide);
	OPEN(&ide, QUIET_TOOLS);
	expect_unknown(&ide, "old");
	ide_release(&ide);
}

static void test_it_is_shown_to_none_while_another_may_have_it(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_say(&ide, GET("1", "old"));
	peer_serve_discover(&ide.peers[0], TASKS);
	peer_serve_tools(&ide.peers[0], "");
	clock_jump(&ide.fixture, 3900);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 200);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "Unknown task");
	/* It turns out to be a legacy one, whatever it says of itself. */
	hit_error(peer_await(&ide.peers[1], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide.peers[1], "2025-11-25", NULL, TASKS);
	peer_serve_tools(&ide.peers[1], "");
	for (unsigned i = 0; i < PATIENCE_MS && !peer_find(&ide.peers[0], "tasks/get"); i++) {
		ide_say(&ide, GET("2", "old"));
		fixture_turn_for(&ide.fixture, 1);
		g_free(ide_find(&ide, "id", "2"));
	}
	ide_say(&ide, CANCEL("2"));
	expect_asked(&ide, "old", 0);
	ide_release(&ide);
}

static void test_a_request_waits_for_servers_that_open(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_say(&ide, GET("1", "old"));
	ide_say(&ide, GET("2", "old"));
	ide_say(&ide, CANCEL("2"));
	peer_serve_discover(&ide.peers[0], TASKS);
	peer_serve_tools(&ide.peers[0], "");
	peer_await_none(&ide.peers[0], "tasks/get");
	peer_serve_discover(&ide.peers[1], QUIET_TOOLS);
	peer_serve_tools(&ide.peers[1], "");
	hit_result(peer_await(&ide.peers[0], "tasks/get"), "{\"resultType\":\"complete\"}");
	g_free(ide_answer(&ide, "1"));
	peer_await_none(&ide.peers[0], "tasks/get");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* What a finished task names is found as what any result names. */
static void test_resources_of_a_tasks_result(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, TASKS, TASKS);
	create(&ide, 1, "t");
	ide_say(&ide, GET("1", "t"));
	hit_result(peer_await(&ide.peers[1], "tasks/get"),
		"{\"resultType\":\"complete\",\"status\":\"completed\",\"result\":{\"content\":[{"
		"\"type\":\"resource_link\",\"uri\":\"x:1\",\"name\":\"n\"}]}}");
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide, SAY("2", "resources/read", "\"uri\":\"x:1\""));
	ide_serve_resources(&ide, 0, "", "");
	ide_serve_resources(&ide, 1, "", "");
	hit_result(peer_await(&ide.peers[1], "resources/read"), "{\"resultType\":\"complete\"}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

static void test_legacy_ides_have_none(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, TASKS);
	ide_initialize(&ide, "2025-11-25");
	ide_exchange(&ide, LEGACY("1", "tasks/get", "\"taskId\":\"t\""), "1", "-32601");
	ide_exchange(&ide, LEGACY("1", "tasks/list", ""), "1", "-32601");
	/* A server that makes one all the same is not understood. */
	ide_say(&ide, LEGACY("2", "tools/call", "\"name\":\"a__add\""));
	struct Hit *discover = peer_await(&ide.peers[0], "server/discover");
	hit_result(discover, "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
			     "\"capabilities\":" TASKS "}");
	hit_result(peer_await(&ide.peers[0], "tools/call"), CREATED("t"));
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "\"isError\":true");
	assert_has(answer, "a answered with a kind of result that is not known.");
	ide_release(&ide);
}

static void test_the_extension_is_told_of_where_a_server_has_it(void **state)
{
	(void)state;
	struct Ide ide;
	OPEN(&ide, QUIET_TOOLS, TASKS);
	ide_exchange(&ide, SAY("1", "server/discover", "\"x\":1"), "1", EXTENSION);
	ide_release(&ide);
	OPEN(&ide, QUIET_TOOLS);
	ide_say(&ide, SAY("1", "server/discover", "\"x\":1"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_lacks(answer, "extensions");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_go_to_the_server_that_made_the_task),
		cmocka_unit_test(test_no_server_takes_anothers_task),
		cmocka_unit_test(test_what_makes_no_task),
		cmocka_unit_test(test_a_task_that_is_not_known),
		cmocka_unit_test(test_it_is_shown_to_none_while_another_may_have_it),
		cmocka_unit_test(test_a_request_waits_for_servers_that_open),
		cmocka_unit_test(test_resources_of_a_tasks_result),
		cmocka_unit_test(test_legacy_ides_have_none),
		cmocka_unit_test(test_the_extension_is_told_of_where_a_server_has_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
