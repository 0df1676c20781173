/* prompts/list, prompts/get, completion/complete. */
#include "items_fixture.h"

#define PROMPTS_CHANGED "notifications/prompts/list_changed"
#define GET(id, name) LEGACY(id, "prompts/get", "\"name\":\"" name "\"")
#define COMPLETE(id, ref)                                                                          \
	LEGACY(id, "completion/complete",                                                          \
		"\"ref\":" ref ",\"argument\":{\"name\":\"n\",\"value\":\"v\\u0061\"}")
#define PROMPT_REF(name) "{\"type\":\"ref/prompt\",\"name\":\"" name "\"}"
#define TEMPLATE_REF(text) "{\"type\":\"ref/resource\",\"uri\":\"" text "\"}"

/* A legacy IDE before one legacy server `a` with the prompts p and "q q". */
static void open_one(struct Ide *ide, const char *offers)
{
	ide_init(ide, CONNECTOR("a", "@0"));
	ide_initialize(ide, "2025-11-25");
	ide_serve(ide, 0, ERA_LEGACY, offers);
	ide_say(ide, LEGACY("\"open\"", "prompts/list", ""));
	peer_serve_list(&ide->peers[0], MCP_PROMPTS, PROMPT("p") "," PROMPT("q q"));
	g_free(ide_answer(ide, "\"open\""));
}

/* ---- lists ---- */

static void test_one_sorted_list_of_all(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("zoo", "@1") NATIVE("@0") CONNECTOR("wiki", "@2"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 2, ERA_LEGACY, QUIET_TOOLS);
	/* Nobody wanted them so far. */
	peer_expect_nothing(&ide.peers[0]);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("own"));
	ide_hear_nothing(&ide);
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("b") "," PROMPT("a"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"prompts\":[{\"name\":\"own\"}");
	assert_keys(answer, MCP_PROMPTS, "own zoo__a zoo__b ");
	assert_lacks(answer, "ttlMs");
	peer_expect_nothing(&ide.peers[2]);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static int64_t ttl_of(struct Ide *ide)
{
	int64_t ttl = -1;
	ide_say(ide, MODERN("\"ttl\"", "prompts/list", ""));
	g_autofree char *answer = ide_answer(ide, "\"ttl\"");
	struct Slice result = json_get(slice_of(answer), "result").raw;
	assert_true(json_int64(json_get(result, "ttlMs"), &ttl));
	return ttl;
}

/* One that has no prompts will not have any. */
static void test_only_parts_that_there_are_count_for_freshness(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1")
			       CONNECTOR("c", "@2"));
	ide_say(&ide, MODERN("1", "prompts/list", ""));
	ide_serve(&ide, 0, ERA_MODERN, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_MODERN, QUIET_TOOLS);
	hit_result(peer_await(&ide.peers[0], "prompts/list"), "{\"prompts\":[],\"ttlMs\":90000}");
	clock_jump(&ide.fixture, 4100);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "{\"resultType\":\"complete\",\"prompts\":[],\"ttlMs\":0,");
	assert_has(answer, "\"cacheScope\":\"private\"");
	ide_serve(&ide, 2, ERA_MODERN, QUIET_TOOLS);
	for (unsigned i = 0; i < PATIENCE_MS && ttl_of(&ide) == 0; i++)
		fixture_turn_for(&ide.fixture, 1);
	assert_in_range(ttl_of(&ide), 30000, 90000);
	ide_release(&ide);
}

/* A list that is asked for late waits for its part as long as one that is asked for at once. */
static void test_the_time_counts_from_the_first_wish(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nlist_timeout = 4\n" CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	clock_jump(&ide.fixture, 60000);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("x"));
	clock_jump(&ide.fixture, 3500);
	ide_say(&ide, LEGACY("2", "prompts/list", ""));
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 700);
	g_autofree char *first = ide_answer(&ide, "1");
	assert_keys(first, MCP_PROMPTS, "a__x ");
	g_free(ide_answer(&ide, "2"));
	ide_expect_list(&ide, MCP_PROMPTS, "a__x "); /* at once */
	/* What comes late is announced, once. */
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("y"));
	g_free(ide_notice(&ide, PROMPTS_CHANGED));
	ide_hear_nothing(&ide);
	ide_expect_list(&ide, MCP_PROMPTS, "a__x b__y ");
	ide_release(&ide);
}

static void test_a_server_that_cannot_give_its_list_holds_up_nobody(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	hit_error(peer_await(&ide.peers[0], "prompts/list"), 200, -32603, "");
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("y"));
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_keys(answer, MCP_PROMPTS, "b__y ");
	/* It is asked again after a while. */
	clock_jump(&ide.fixture, 1100);
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("x"));
	g_free(ide_notice(&ide, PROMPTS_CHANGED));
	ide_expect_list(&ide, MCP_PROMPTS, "a__x b__y ");
	ide_release(&ide);
}

static void test_a_change_at_a_server_is_told(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, OFFERS_ALL);
	struct Hit *stream = peer_await(&ide.peers[0], "GET");
	hit_stream(stream, "");
	clock_jump(&ide.fixture, 1100);
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"method\":\"" PROMPTS_CHANGED "\"}");
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("r"));
	g_autofree char *notice = ide_notice(&ide, PROMPTS_CHANGED);
	assert_string_equal(notice, "{\"jsonrpc\":\"2.0\",\"method\":\"" PROMPTS_CHANGED "\"}");
	ide_hear_nothing(&ide);
	ide_expect_list(&ide, MCP_PROMPTS, "a__r ");
	/* Lists that the IDE never saw cannot be out of date. */
	hit_event(stream,
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/list_changed\"}");
	peer_expect_nothing(&ide.peers[0]);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_list_over_max_result(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	g_autofree char *big = g_strnfill(1 << 20, 'x');
	g_autofree char *prompt = g_strdup_printf("{\"name\":\"t\",\"description\":\"%s\"}", big);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, prompt);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "-32603");
	assert_has(answer, "the list of prompts is larger than max_result");
	ide_exchange(&ide, LEGACY("2", "prompts/list", "\"cursor\":\"x\""), "2", "-32602");
	ide_release(&ide);
}

/* ---- prompts/get ---- */

static void test_a_prompt_is_asked_for_by_its_own_name(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, OFFERS_QUIET);
	ide_say(&ide,
		LEGACY("1", "prompts/get",
			"\"x\":1.10, \"name\":\"a__\\u0070\",\"arguments\":{ \"k\":\"\\u00e4\"}"));
	struct Hit *get = peer_await(&ide.peers[0], "prompts/get");
	assert_has(get->body,
		"\"params\":{\"x\":1.10, \"name\":\"p\",\"arguments\":{ \"k\":\"\\u00e4\"}}");
	hit_result(get, "{ \"messages\":[],\"y\":1.0}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_string_equal(
		answer, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{ \"messages\":[],\"y\":1.0}}");
	/* Errors pass as they are. */
	ide_say(&ide, GET("2", "a__p"));
	hit_error(
		peer_await(&ide.peers[0], "prompts/get"), 200, -32602, ",\"data\":{\"uri\":\"x\"}");
	g_autofree char *error = ide_answer(&ide, "2");
	assert_has(
		error, "\"error\":{\"code\":-32602,\"message\":\"no\",\"data\":{\"uri\":\"x\"}}");
	ide_release(&ide);
}

static void test_a_prompt_with_an_alias(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, OFFERS_QUIET);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	g_autofree char *list = ide_answer(&ide, "1");
	g_autofree char *keys = ide_keys(list, MCP_PROMPTS);
	g_auto(GStrv) names = g_strsplit(keys, " ", -1);
	assert_true(g_str_has_prefix(names[1], "a__q_q_"));
	g_autofree char *text = g_strdup_printf(GET("2", "%s"), names[1]);
	ide_say(&ide, text);
	struct Hit *get = peer_await(&ide.peers[0], "prompts/get");
	assert_has(get->body, "\"name\":\"q q\"");
	hit_result(get, "{\"messages\":[]}");
	g_free(ide_answer(&ide, "2"));
	ide_release(&ide);
}

static void test_a_modern_servers_prompt(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022,
		",\"data\":{\"supported\":[\"2026-07-28\"]}");
	ide_serve(&ide, 0, ERA_MODERN, OFFERS_QUIET);
	ide_say(&ide, GET("1", "a__p"));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	struct Hit *get = peer_await(&ide.peers[0], "prompts/get");
	assert_header(get, "Mcp-Method", "prompts/get");
	assert_header(get, "Mcp-Name", "p");
	hit_result(get, "{\"resultType\":\"complete\",\"messages\":[]}");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void test_a_legacy_servers_prompt_for_a_modern_ide(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("1", "prompts/get", ",\"name\":\"a__p\""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	struct Hit *get = peer_await(&ide.peers[0], "prompts/get");
	assert_lacks(get->body, "io.modelcontextprotocol");
	hit_result(get, "{\"messages\":[]}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"resultType\":\"complete\",\"messages\":[]}");
	assert_lacks(answer, "ttlMs");
	ide_release(&ide);
}

/* It waits for the list, which nobody wanted so far. */
static void test_a_prompt_may_be_asked_for_first(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, GET("1", "a__p"));
	ide_say(&ide, GET("2", "a__none"));
	ide_say(&ide, GET("3", "a__p"));
	ide_say(&ide, CANCEL("3"));
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_hear_nothing(&ide);
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	hit_result(peer_await(&ide.peers[0], "prompts/get"), "{\"messages\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_autofree char *unknown = ide_answer(&ide, "2");
	assert_has(unknown, "\"code\":-32602,\"message\":\"Unknown prompt: a__none\"");
	peer_await_none(&ide.peers[0], "prompts/get");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* Those without a prefix are native's. */
static void test_a_native_prompt_may_be_asked_for_first(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") NATIVE("@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, GET("1", "p"));
	ide_say(&ide, GET("2", "q"));
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	ide_hear_nothing(&ide);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	peer_serve_list(&ide.peers[1], MCP_PROMPTS, PROMPT("p"));
	hit_result(peer_await(&ide.peers[1], "prompts/get"), "{\"messages\":[]}");
	g_free(ide_answer(&ide, "1"));
	g_autofree char *unknown = ide_answer(&ide, "2");
	assert_has(unknown, "Unknown prompt: q");
	ide_release(&ide);
}

/* One whose list never comes holds a prompt as long as a call may take. */
static void test_a_prompt_whose_list_does_not_come(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\ncall_timeout = 10\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, GET("1", "a__p"));
	ide_say(&ide, COMPLETE("2", PROMPT_REF("a__p")));
	clock_jump(&ide.fixture, 9900);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 200);
	for (unsigned i = 1; i <= 2; i++) {
		g_autofree char *id = g_strdup_printf("%u", i);
		g_autofree char *answer = ide_answer(&ide, id);
		assert_has(answer, "what it offers is not known yet");
	}
	ide_release(&ide);
}

static void test_prompts_that_nobody_has(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, QUIET_TOOLS);
	ide_exchange(&ide, GET("1", "a__p"), "1", "-32602");
	ide_exchange(&ide, GET("2", "nobodys"), "2", "Unknown prompt: nobodys");
	ide_exchange(&ide, LEGACY("3", "prompts/get", "\"name\":5"), "3", "-32602");
	ide_exchange(&ide, LEGACY("4", "prompts/get", ""), "4", "-32602");
	ide_exchange(&ide, LEGACY("5", "prompts/get", "\"name\":\"a__p\",\"arguments\":[]"), "5",
		"params.arguments must be an object");
	ide_release(&ide);
}

static void test_a_prompt_of_one_that_failed_is_told_of_in_words(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	hit_reply(peer_await(&ide.peers[1], "initialize"), 429, "", "");
	fixture_turn_for(&ide.fixture, 30);
	ide_say(&ide, GET("1", "b__p"));
	ide_hear_nothing(&ide); /* it is tried once more for each request */
	hit_reply(peer_await(&ide.peers[1], "initialize"), 429, "", "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32603,\"message\":\"b could not answer");
	peer_await_none(&ide.peers[1], "initialize");
	ide_release(&ide);
}

static void test_prompts_that_are_not_allowed_are_not_there(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[connector:a]\nurl = @0\nauth = none\nallowed_prompts = p*\n");
	ide_initialize(&ide, "2025-11-25");
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_say(&ide, LEGACY("1", "prompts/list", ""));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p1") "," PROMPT("q1"));
	g_autofree char *list = ide_answer(&ide, "1");
	assert_keys(list, MCP_PROMPTS, "a__p1 ");
	ide_exchange(&ide, GET("2", "a__q1"), "2", "-32602");
	ide_exchange(&ide, COMPLETE("3", PROMPT_REF("a__q1")), "3", "-32602");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

/* ---- completion ---- */

static void test_a_prompts_argument_is_completed_by_its_server(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, OFFERS_QUIET);
	ide_say(&ide,
		COMPLETE("1", "{\"name\":\"a__p\", \"type\":\"ref\\/prompt\",\"title\":\"a__p\"}"));
	struct Hit *hit = peer_await(&ide.peers[0], "completion/complete");
	assert_has(hit->body,
		"\"params\":{\"ref\":{\"name\":\"p\", \"type\":\"ref\\/prompt\",\"title\":"
		"\"a__p\"},\"argument\":{\"name\":\"n\",\"value\":\"v\\u0061\"}}");
	hit_result(hit, "{\"completion\":{\"values\":[\"a__p\"]}}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"completion\":{\"values\":[\"a__p\"]}}");
	ide_release(&ide);
}

static void test_one_without_completion_is_not_asked(void **state)
{
	(void)state;
	static const char offers[] = "{\"tools\":{},\"prompts\":{},\"resources\":{}}";
	struct Ide ide;
	open_one(&ide, offers);
	ide_say(&ide, COMPLETE("1", PROMPT_REF("a__p")));
	g_autofree char *legacy = ide_answer(&ide, "1");
	assert_string_equal(legacy,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"completion\":{\"values\":[]}}}");
	ide_say(&ide, MODERN("2", "completion/complete",
			      ",\"ref\":" PROMPT_REF("a__p") ",\"argument\":{}"));
	g_autofree char *modern = ide_answer(&ide, "2");
	assert_string_equal(modern,
		"{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"resultType\":\"complete\","
		"\"completion\":{\"values\":[]}}}");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

/* The first revision had no word for it among a server's capabilities. */
static void test_a_server_of_the_first_revision_is_asked(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	peer_serve_initialize(&ide.peers[0], "2024-11-05", NULL, "{\"prompts\":{}}");
	ide_say(&ide, COMPLETE("1", PROMPT_REF("a__p")));
	peer_serve_list(&ide.peers[0], MCP_PROMPTS, PROMPT("p"));
	hit_result(peer_await(&ide.peers[0], "completion/complete"),
		"{\"completion\":{\"values\":[]}}");
	g_free(ide_answer(&ide, "1"));
	ide_release(&ide);
}

static void test_a_completion_for_a_modern_ide_has_a_type(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide, OFFERS_QUIET);
	ide_say(&ide, MODERN("1", "completion/complete",
			      ",\"ref\":" PROMPT_REF("a__p") ",\"argument\":{}"));
	hit_result(peer_await(&ide.peers[0], "completion/complete"),
		"{\"completion\":{\"values\":[\"x\"]}}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer,
		"\"result\":{\"resultType\":\"complete\",\"completion\":{\"values\":[\"x\"]}}");
	ide_release(&ide);
}

static void test_templates_are_completed_by_their_text(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0") CONNECTOR("b", "@1"));
	ide_initialize(&ide, "2025-11-25");
	ide_say(&ide, COMPLETE("1", TEMPLATE_REF("x://{\\u0069d}")));
	ide_serve(&ide, 0, ERA_LEGACY, OFFERS_QUIET);
	ide_serve(&ide, 1, ERA_LEGACY, OFFERS_QUIET);
	ide_serve_resources(&ide, 0, "", TEMPLATE("x://{+any}"));
	ide_hear_nothing(&ide);
	ide_serve_resources(&ide, 1, RESOURCE("y:r"), TEMPLATE("x://{id}"));
	struct Hit *hit = peer_await(&ide.peers[1], "completion/complete");
	assert_has(hit->body, "\"ref\":{\"type\":\"ref/resource\",\"uri\":\"x://{\\u0069d}\"}");
	hit_result(hit, "{\"completion\":{\"values\":[]}}");
	g_free(ide_answer(&ide, "1"));
	/* A resource that is no template, or one of a template. */
	ide_say(&ide, COMPLETE("2", TEMPLATE_REF("y:r")));
	hit_result(peer_await(&ide.peers[1], "completion/complete"),
		"{\"completion\":{\"values\":[]}}");
	g_free(ide_answer(&ide, "2"));
	/* Where there are several, what none of them has is asked of none. */
	ide_exchange(&ide, COMPLETE("3", TEMPLATE_REF("z://{id}")), "3", "-32602");
	peer_expect_nothing(&ide.peers[0]);
	peer_expect_nothing(&ide.peers[1]);
	ide_release(&ide);
}

static void test_wrong_references(void **state)
{
	(void)state;
	static const char *const refs[] = {"5", "null", "[]", "{}", "{\"type\":\"ref/prompt\"}",
		"{\"type\":\"ref/resource\"}", "{\"name\":\"a__p\"}",
		"{\"type\":\"ref/tool\",\"name\":\"a__p\"}", "{\"type\":5,\"name\":\"a__p\"}",
		"{\"type\":\"ref/prompt\",\"name\":5}",
		"{\"type\":\"ref/prompt\",\"uri\":\"a__p\"}",
		"{\"type\":\"ref/prompt\",\"name\":\"a__p\",\"name\":\"a__q\"}",
		"{\"type\":\"ref/prompt\",\"type\":\"x\",\"name\":\"a__p\"}",
		"{\"type\":\"ref/prompt\",\"name\":\"\\ud800\"}"};
	struct Ide ide;
	open_one(&ide, OFFERS_QUIET);
	for (size_t i = 0; i < G_N_ELEMENTS(refs); i++) {
		g_autofree char *text = g_strdup_printf(COMPLETE("1", "%s"), refs[i]);
		ide_exchange(&ide, text, "1", "-32602");
	}
	ide_exchange(&ide, LEGACY("1", "completion/complete", ""), "1", "-32602");
	ide_exchange(&ide, COMPLETE("1", PROMPT_REF("a__none")), "1", "Unknown prompt: a__none");
	peer_expect_nothing(&ide.peers[0]);
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_sorted_list_of_all),
		cmocka_unit_test(test_only_parts_that_there_are_count_for_freshness),
		cmocka_unit_test(test_the_time_counts_from_the_first_wish),
		cmocka_unit_test(test_a_server_that_cannot_give_its_list_holds_up_nobody),
		cmocka_unit_test(test_a_change_at_a_server_is_told),
		cmocka_unit_test(test_a_list_over_max_result),
		cmocka_unit_test(test_a_prompt_is_asked_for_by_its_own_name),
		cmocka_unit_test(test_a_prompt_with_an_alias),
		cmocka_unit_test(test_a_modern_servers_prompt),
		cmocka_unit_test(test_a_legacy_servers_prompt_for_a_modern_ide),
		cmocka_unit_test(test_a_prompt_may_be_asked_for_first),
		cmocka_unit_test(test_a_native_prompt_may_be_asked_for_first),
		cmocka_unit_test(test_a_prompt_whose_list_does_not_come),
		cmocka_unit_test(test_prompts_that_nobody_has),
		cmocka_unit_test(test_a_prompt_of_one_that_failed_is_told_of_in_words),
		cmocka_unit_test(test_prompts_that_are_not_allowed_are_not_there),
		cmocka_unit_test(test_a_prompts_argument_is_completed_by_its_server),
		cmocka_unit_test(test_one_without_completion_is_not_asked),
		cmocka_unit_test(test_a_server_of_the_first_revision_is_asked),
		cmocka_unit_test(test_a_completion_for_a_modern_ide_has_a_type),
		cmocka_unit_test(test_templates_are_completed_by_their_text),
		cmocka_unit_test(test_wrong_references),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
