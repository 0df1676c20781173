/* The configuration changes while the router runs: resources that are watched, and what belongs to a server because it
 * named it. */
#include "items_fixture.h"
#include "reconfigure_fixture.h"

#define A CONNECTOR("a", "@0")
#define B CONNECTOR("b", "@1")
#define OTHER_WAY "header.X-Team = red\n"
#define SUBSCRIBE(id, uri) LEGACY(id, "resources/subscribe", "\"uri\":\"" uri "\"")
#define SAYS(uri) NOTICE(UPDATED, "\"uri\":\"" uri "\"")
#define WATCH(id, uris)                                                                            \
	MODERN(id, "subscriptions/listen",                                                         \
		",\"notifications\":{\"resourceSubscriptions\":[" uris "]}")
#define TAG(id) "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" id "}"
#define RESOURCES_CHANGED "notifications/resources/list_changed"

/* A legacy IDE before the legacy servers of INI, each with these resources. */
static void open_all(struct Ide *ide, const char *ini, unsigned n, const char *resources)
{
	ide_init(ide, ini);
	ide_initialize(ide, "2025-11-25");
	for (unsigned i = 0; i < n; i++)
		ide_serve(ide, i, ERA_LEGACY, OFFERS_ALL);
	ide_say(ide, LEGACY("\"open\"", "resources/list", ""));
	for (unsigned i = 0; i < n; i++)
		peer_serve_list(&ide->peers[i], MCP_RESOURCES, resources);
	g_free(ide_answer(ide, "\"open\""));
	ide_say(ide, LEGACY("\"open\"", "resources/templates/list", ""));
	for (unsigned i = 0; i < n; i++)
		peer_serve_list(&ide->peers[i], MCP_TEMPLATES, "");
	g_free(ide_answer(ide, "\"open\""));
}

static void agree(struct Ide *ide, unsigned n, const char *uri)
{
	hit_result(peer_await_uri(&ide->peers[n], "resources/subscribe", uri), "{}");
}

static void subscribe(struct Ide *ide, const char *uri, unsigned n)
{
	g_autofree char *text = g_strdup_printf(SUBSCRIBE("\"sub\"", "%s"), uri);
	ide_say(ide, text);
	agree(ide, n, uri);
	g_free(ide_answer(ide, "\"sub\""));
}

static void expect_updated(struct Ide *ide, const char *params)
{
	g_autofree char *notice = ide_notice(ide, UPDATED);
	g_autofree char *wanted = g_strdup_printf(NOTICE(UPDATED, "%s"), params);
	assert_string_equal(notice, wanted);
}

/* ---- a legacy IDE's subscriptions ---- */

static void test_another_server_of_the_same_resource_is_watched(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A B, 2, RESOURCE("x:1") "," RESOURCE("x:2"));
	struct Hit *stream = peer_await(&ide.peers[1], "GET");
	hit_stream(stream, "");
	subscribe(&ide, "x:1", 0);
	ide_edit(&ide, B);
	agree(&ide, 1, "x:1");
	/* It may be another text there. */
	expect_updated(&ide, "\"uri\":\"x:1\"");
	hit_event(stream, SAYS("x:1"));
	expect_updated(&ide, "\"uri\":\"x:1\"");
	hit_event(stream, SAYS("x:2"));
	peer_await_none(&ide.peers[0], "resources/unsubscribe");
	assert_null(ide_find(&ide, "method", "\"" UPDATED "\""));
	ide_release(&ide);
}

static void test_the_same_server_reached_in_another_way_is_watched(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A, 1, RESOURCE("x:1"));
	subscribe(&ide, "x:1", 0);
	ide_edit(&ide, A OTHER_WAY);
	g_free(ide_notice(&ide, RESOURCES_CHANGED));
	struct Hit *hit = peer_await(&ide.peers[0], "initialize");
	assert_header(hit, "X-Team", "red");
	g_autofree char *text =
		result_text(hit, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" OFFERS_ALL
				 ",\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
	hit_reply(hit, 200, "", text);
	hit_reply(peer_await(&ide.peers[0], "notifications/initialized"), 202, "", "");
	peer_serve_tools(&ide.peers[0], "");
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	agree(&ide, 0, "x:1");
	expect_updated(&ide, "\"uri\":\"x:1\"");
	ide_release(&ide);
}

static void test_a_subscription_that_nobody_serves_ends(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A B, 1, RESOURCE("x:1"));
	subscribe(&ide, "x:1", 0);
	ide_edit(&ide, "");
	g_free(ide_notice(&ide, RESOURCES_CHANGED));
	ide_hear_nothing(&ide);
	ide_edit(&ide, A);
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	ide_serve_resources(&ide, 0, RESOURCE("x:1"), "");
	g_free(ide_notice(&ide, RESOURCES_CHANGED));
	peer_await_none(&ide.peers[0], "resources/subscribe");
	subscribe(&ide, "x:1", 0);
	ide_release(&ide);
}

static void test_the_new_server_may_refuse(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A B, 2, RESOURCE("x:1"));
	subscribe(&ide, "x:1", 0);
	ide_edit(&ide, B);
	hit_error(peer_await_uri(&ide.peers[1], "resources/subscribe", "x:1"), 200, -32602, "");
	ide_hear_nothing(&ide);
	subscribe(&ide, "x:1", 1);
	ide_release(&ide);
}

static void test_policy_ends_a_subscription(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A, 1, RESOURCE("x:1") "," RESOURCE("x:2"));
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	subscribe(&ide, "x:1", 0);
	subscribe(&ide, "x:2", 0);
	ide_edit(&ide, A "allowed_resources = x:2\n");
	hit_result(peer_await_uri(&ide.peers[0], "resources/unsubscribe", "x:1"), "{}");
	g_free(ide_notice(&ide, RESOURCES_CHANGED));
	hit_event(stream, SAYS("x:1"));
	hit_event(stream, SAYS("x:2"));
	expect_updated(&ide, "\"uri\":\"x:2\"");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_policy_ends_one_that_was_not_agreed_yet(void **state)
{
	(void)state;
	struct Ide ide;
	open_all(&ide, A, 1, RESOURCE("x:1"));
	ide_say(&ide, SUBSCRIBE("1", "x:1"));
	peer_await_uri(&ide.peers[0], "resources/subscribe", "x:1");
	ide_edit(&ide, A "allowed_resources = x:2\n");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "The configuration does not allow this resource any more.");
	ide_release(&ide);
}

/* ---- a modern IDE's ---- */

static void open_modern(struct Ide *ide, const char *ini, unsigned n)
{
	ide_init(ide, ini);
	ide_say(ide, WATCH("1", "\"x:1\",\"x:2\""));
	for (unsigned i = 0; i < n; i++) {
		hit_error(peer_await(&ide->peers[i], "server/discover"), 404, -32601, "");
		ide_serve(ide, i, ERA_LEGACY, OFFERS_ALL);
		ide_serve_resources(ide, i, RESOURCE("x:1") "," RESOURCE("x:2"), "");
	}
	agree(ide, 0, "x:1");
	agree(ide, 0, "x:2");
	g_free(ide_notice(ide, "notifications/subscriptions/acknowledged"));
}

static void test_a_modern_ides_watches_move(void **state)
{
	(void)state;
	struct Ide ide;
	open_modern(&ide, A B, 2);
	ide_edit(&ide, B);
	agree(&ide, 1, "x:1");
	expect_updated(&ide, TAG("1") ",\"uri\":\"x:1\"");
	hit_error(peer_await_uri(&ide.peers[1], "resources/subscribe", "x:2"), 200, -32602, "");
	ide_hear_nothing(&ide);
	struct Hit *stream = peer_await(&ide.peers[1], "GET");
	hit_stream(stream, "");
	hit_event(stream, SAYS("x:1"));
	expect_updated(
		&ide, "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":1},\"uri\":\"x:1\"");
	hit_event(stream, SAYS("x:2"));
	ide_hear_nothing(&ide);
	ide_edit(&ide, "");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Before it is acknowledged. */
static void test_a_subscription_is_acknowledged_without_what_left(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A);
	ide_say(&ide, WATCH("1", "\"x:1\",\"x:2\""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_ALL);
	ide_serve_resources(&ide, 0, RESOURCE("x:1") "," RESOURCE("x:2"), "");
	agree(&ide, 0, "x:1");
	peer_await_uri(&ide.peers[0], "resources/subscribe", "x:2");
	ide_edit(&ide, "");
	g_autofree char *notice = ide_notice(&ide, "notifications/subscriptions/acknowledged");
	assert_has(notice, "\"notifications\":{}}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- what was named in passing ---- */

#define EXTENSION "\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}"
#define TASKS "{\"tools\":{},\"resources\":{}," EXTENSION "}"
#define SAY(id, method, params) DECLARING(id, method, "{" EXTENSION "}", "," params)
#define GET(id, task) SAY(id, "tasks/get", "\"taskId\":\"" task "\"")
#define CREATED                                                                                    \
	"{\"resultType\":\"task\",\"taskId\":\"t\",\"status\":\"working\",\"createdAt\":\"\","     \
	"\"lastUpdatedAt\":\"\",\"ttlMs\":1.0}"

/* A modern IDE before the modern servers a and b, which have tasks; the task t is a's. */
static void open_tasks(struct Ide *ide)
{
	ide_init(ide, A B);
	ide_say(ide, SAY("\"open\"", "tools/list", "\"x\":1"));
	for (unsigned i = 0; i < 2; i++) {
		peer_serve_discover(&ide->peers[i], TASKS);
		peer_serve_tools(&ide->peers[i], ADD_TOOL);
	}
	g_free(ide_answer(ide, "\"open\""));
	ide_say(ide, SAY("1", "tools/call", "\"name\":\"a__add\""));
	hit_result(peer_await(&ide->peers[0], "tools/call"), CREATED);
	g_free(ide_answer(ide, "1"));
}

/* An id may be all that protects a task: the server that is left must not see it. */
static void test_a_task_of_one_that_left_is_nobodys(void **state)
{
	(void)state;
	struct Ide ide;
	open_tasks(&ide);
	ide_edit(&ide, B);
	ide_exchange(&ide, GET("2", "t"), "2", "Unknown task");
	peer_await_none(&ide.peers[1], "tasks/get");
	/* One that nobody named may be its. */
	ide_say(&ide, GET("3", "other"));
	hit_error(peer_await(&ide.peers[1], "tasks/get"), 200, -32602, "");
	g_free(ide_answer(&ide, "3"));
	/* And it may name one like it. */
	ide_say(&ide, SAY("4", "tools/call", "\"name\":\"b__add\""));
	hit_result(peer_await(&ide.peers[1], "tools/call"), CREATED);
	g_free(ide_answer(&ide, "4"));
	ide_say(&ide, GET("5", "t"));
	peer_await(&ide.peers[1], "tasks/get");
	ide_release(&ide);
}

static void test_a_task_stays_with_its_url(void **state)
{
	(void)state;
	struct Ide ide;
	open_tasks(&ide);
	ide_edit(&ide, A OTHER_WAY B);
	ide_say(&ide, GET("2", "t"));
	peer_serve_discover(&ide.peers[0], TASKS);
	peer_serve_tools(&ide.peers[0], ADD_TOOL);
	hit_result(peer_await(&ide.peers[0], "tasks/get"),
		"{\"resultType\":\"complete\",\"status\":\"working\"}");
	g_free(ide_answer(&ide, "2"));
	ide_edit(&ide, CONNECTOR("a", "@2") B);
	ide_exchange(&ide, GET("3", "t"), "3", "Unknown task");
	ide_release(&ide);
}

/* A URI may be confidential. */
static void test_a_uri_of_one_that_left_is_nobodys(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, A B);
	ide_initialize(&ide, "2025-11-25");
	for (unsigned i = 0; i < 2; i++) {
		peer_serve_initialize(
			&ide.peers[i], "2025-11-25", "S", "{\"tools\":{},\"resources\":{}}");
		peer_serve_tools(&ide.peers[i], ADD_TOOL);
	}
	g_free(ide_list(&ide));
	ide_say(&ide, LEGACY("1", "tools/call", "\"name\":\"a__add\""));
	hit_result(peer_await(&ide.peers[0], "tools/call"),
		"{\"content\":[{\"type\":\"resource_link\",\"uri\":\"s://1\",\"name\":\"n\"}]}");
	g_free(ide_answer(&ide, "1"));
	ide_say(&ide, READ("2", "s://1"));
	ide_serve_resources(&ide, 0, "", "");
	ide_serve_resources(&ide, 1, "", TEMPLATE("{any}"));
	hit_result(peer_await(&ide.peers[0], "resources/read"), "{\"contents\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_edit(&ide, B);
	peer_await(&ide.peers[0], "DELETE");
	clock_jump(&ide.fixture, 11 * 1000);
	clock_jump(&ide.fixture, 60 * 1000); /* it is freed */
	expect_not_found(&ide, "s://1");
	expect_reader(&ide, "s://2", 1);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_another_server_of_the_same_resource_is_watched),
		cmocka_unit_test(test_the_same_server_reached_in_another_way_is_watched),
		cmocka_unit_test(test_a_subscription_that_nobody_serves_ends),
		cmocka_unit_test(test_the_new_server_may_refuse),
		cmocka_unit_test(test_policy_ends_a_subscription),
		cmocka_unit_test(test_policy_ends_one_that_was_not_agreed_yet),
		cmocka_unit_test(test_a_modern_ides_watches_move),
		cmocka_unit_test(test_a_subscription_is_acknowledged_without_what_left),
		cmocka_unit_test(test_a_task_of_one_that_left_is_nobodys),
		cmocka_unit_test(test_a_task_stays_with_its_url),
		cmocka_unit_test(test_a_uri_of_one_that_left_is_nobodys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
