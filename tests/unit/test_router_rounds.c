/* A modern server's input_required in front of a legacy IDE: questions, answers, the request again. */
#include "inputs_fixture.h"

/* An IDE in front of one modern server; MUX: keys of [mux] with its head, or "". TOOLS: of the server. */
static void open_with(struct Ide *ide, const char *mux, const char *revision,
	const char *capabilities, const char *tools)
{
	g_autofree char *ini = g_strconcat(mux, CONNECTOR("a", "@0"), NULL);
	ide_init(ide, ini);
	ide_greet(ide, revision, capabilities);
	hit_error(peer_await(&ide->peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(ide, 0, tools);
	g_free(ide_list(ide));
}

static struct Hit *open_call(struct Ide *ide, const char *mux)
{
	open_with(ide, mux, "2025-11-25", CAN_ALL, ADD_TOOL);
	ide_say(ide, ADD_CALL("1"));
	return peer_await(&ide->peers[0], "tools/call");
}

/* The server wants more: raw members. */
#define WANTS(members) "{\"resultType\":\"input_required\"," members "}"
#define WANTED(key, method, params) "\"" key "\":{\"method\":\"" method "\",\"params\":" params "}"
#define WANTED_ROOTS(key) "\"" key "\":{\"method\":\"roots/list\"}"
#define WANTED_URL(key)                                                                            \
	WANTED(key, "elicitation/create",                                                          \
		"{\"mode\":\"url\",\"message\":\"open\",\"url\":\"https://x.example/1\"}")
#define DONE "{\"resultType\":\"complete\",\"content\":[]}"

/* The request comes once more; INPUTS: raw members that stand first in params, NULL: none. */
static struct Hit *await_again(struct Ide *ide, const struct Hit *before, const char *inputs)
{
	struct Hit *again = peer_await(&ide->peers[0], "tools/call");
	assert_string_not_equal(again->id, before->id);
	if (inputs) {
		g_autofree char *start = g_strdup_printf("\"params\":{%s,", inputs);
		assert_has(again->body, start);
	} else {
		assert_lacks(again->body, "inputResponses");
		assert_lacks(again->body, "requestState");
	}
	return again;
}

static void finish(struct Ide *ide, struct Hit *hit)
{
	hit_result(hit, DONE);
	g_autofree char *answer = ide_answer(ide, "1");
	assert_has(answer, "\"content\":[]");
	assert_lacks(answer, "isError");
	ide_hear_nothing(ide);
}

static void assert_fails(struct Ide *ide, const char *words)
{
	g_autofree char *answer = ide_answer(ide, "1");
	assert_has(answer, "\"isError\":true");
	assert_has(answer, words);
	peer_await_none(&ide->peers[0], "tools/call");
	ide_hear_nothing(ide);
}

/* ---- the way through ---- */

static void test_all_is_asked_at_once_and_goes_back(void **state)
{
	(void)state;
	struct Ide ide;
	open_with(&ide, "", "2025-11-25", CAN_ALL, ADD_TOOL);
	ide_say(&ide, LEGACY("1", "tools/call",
			      "\"_meta\":{\"progressToken\":\"t\",\"mine\":[1.0]},"
			      "\"name\":\"a__add\",\"arguments\":{ \"n\":1.0, \"m\":\"\\u00e4\"}"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	hit_result(call,
		WANTS("\"inputRequests\":{" WANTED("f\\u006frm", "elicitation/create",
			FORM("n?")) "," WANTED("s", "sampling/createMessage",
			"{\"messages\":[],\"maxTokens\":1e2,\"tools\":[],"
			"\"_meta\":{\"progressToken\":5,\"y\":1.0}}") "," WANTED_ROOTS("r") "},"
											    "\"requ"
											    "estSta"
											    "te\":"
											    "\"s\\u"
											    "0041/"
											    "\\/"
											    "\""));
	g_autofree char *form = ide_notice(&ide, "elicitation/create");
	g_autofree char *sampling = ide_notice(&ide, "sampling/createMessage");
	g_autofree char *roots = ide_notice(&ide, "roots/list");
	assert_has(form, "\"params\":" FORM("n?") "}");
	assert_has(sampling, "\"params\":{\"messages\":[],\"maxTokens\":1e2,\"tools\":[],"
			     "\"_meta\":{\"y\":1.0}}}");
	assert_lacks(roots, "params");
	ide_reply(&ide, roots, "\"result\":{\"roots\":[], \"x\":1.0}");
	ide_reply(&ide, form, "\"result\":{\"action\":\"decline\"}");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_reply(&ide, sampling, "\"result\":{\"role\":\"assistant\"}");
	struct Hit *again = await_again(&ide, call,
		"\"inputResponses\":{\"f\\u006frm\":{\"action\":\"decline\"},\"s\":{\"role\":"
		"\"assistant\"},\"r\":{\"roots\":[], "
		"\"x\":1.0}},\"requestState\":\"s\\u0041/\\/\"");
	assert_has(again->body, "\"name\":\"add\",\"arguments\":{ \"n\":1.0, \"m\":\"\\u00e4\"}}");
	assert_has(again->body, "\"mine\":[1.0]");
	assert_has(again->body, "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"");
	g_autofree char *token = g_strdup_printf("\"progressToken\":%s", again->id);
	assert_has(again->body, token);
	assert_header(again, "Mcp-Method", "tools/call");
	assert_header(again, "Mcp-Name", "add");
	/* Progress of this round is the request's own. */
	hit_stream(again, "");
	g_autofree char *progress = g_strdup_printf(
		NOTES("notifications/progress", "{\"progressToken\":%s,\"progress\":2}"),
		again->id);
	hit_event(again, progress);
	g_autofree char *notice = ide_notice(&ide, "notifications/progress");
	assert_has(notice, "\"progressToken\":\"t\"");
	hit_finish(again, DONE);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"content\":[]");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_mirrored_arguments_are_mirrored_again(void **state)
{
	(void)state;
	struct Ide ide;
	open_with(&ide, "", "2025-11-25", CAN_ALL,
		"{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\",\"properties\":{\"n\":{"
		"\"type\":\"string\",\"x-mcp-header\":\"N\"}}}}");
	ide_say(&ide,
		LEGACY("1", "tools/call", "\"name\":\"a__add\",\"arguments\":{\"n\":\"here\"}"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_header(call, "Mcp-Param-N", "here");
	hit_result(call, WANTS("\"requestState\":\"s\""));
	struct Hit *again = await_again(&ide, call, "\"requestState\":\"s\"");
	assert_header(again, "Mcp-Param-N", "here");
	finish(&ide, again);
	ide_release(&ide);
}

/* Each has its own answers and its own state. */
static void test_rounds_follow_one_another(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "},\"requestState\":\"1\""));
	g_autofree char *first = ide_notice(&ide, "roots/list");
	ide_reply(&ide, first, "\"result\":{\"roots\":[1]}");
	struct Hit *second = await_again(
		&ide, call, "\"inputResponses\":{\"a\":{\"roots\":[1]}},\"requestState\":\"1\"");
	hit_result(second, WANTS("\"inputRequests\":{" WANTED_ROOTS("b") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_reply(&ide, question, "\"result\":{\"roots\":[2]}");
	struct Hit *third = await_again(&ide, second, "\"inputResponses\":{\"b\":{\"roots\":[2]}}");
	assert_lacks(third->body, "requestState");
	hit_result(third, WANTS("\"requestState\":\"3\""));
	struct Hit *fourth = await_again(&ide, third, "\"requestState\":\"3\"");
	assert_lacks(fourth->body, "inputResponses");
	hit_result(fourth, WANTS("\"inputRequests\":{}"));
	struct Hit *fifth = await_again(&ide, fourth, NULL);
	assert_has(fifth->body, "\"name\":\"add\",\"arguments\":{\"n\":1.0}");
	finish(&ide, fifth);
	ide_release(&ide);
}

static void test_a_server_that_only_wants_time_gets_it(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	static const unsigned pauses_ms[] = {0, 250, 500, 1000, 2000, 4000, 8000, 8000};
	for (size_t i = 0; i < G_N_ELEMENTS(pauses_ms); i++) {
		hit_result(call, WANTS("\"requestState\":\"s\""));
		if (pauses_ms[i] > 0) {
			fixture_turn_for(&ide.fixture, 20);
			clock_jump(&ide.fixture, pauses_ms[i] - 150);
			peer_await_none(&ide.peers[0], "tools/call");
			clock_jump(&ide.fixture, 150);
		}
		call = await_again(&ide, call, "\"requestState\":\"s\"");
	}
	/* A question in between starts that anew. */
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_reply(&ide, question, "\"result\":{}");
	call = await_again(&ide, call, "\"inputResponses\":{\"a\":{}}");
	hit_result(call, WANTS("\"requestState\":\"s\""));
	unsigned arrived = ide.peers[0].arrived;
	assert_true(fixture_turn(&ide.fixture, &ide.peers[0].arrived, arrived + 1, 4000));
	finish(&ide, await_again(&ide, call, "\"requestState\":\"s\""));
	ide_release(&ide);
}

static void test_prompts_and_resources_want_input_as_well(void **state)
{
	(void)state;
	static const struct {
		const char *request, *method, *named, *header;
	} kinds[] = {
		{LEGACY("1", "prompts/get", "\"name\":\"a__p\\u0070\",\"arguments\":{\"n\":\"1\"}"),
			"prompts/get", "\"name\":\"pp\",\"arguments\":{\"n\":\"1\"}}", "pp"},
		{LEGACY("1", "resources/read", "\"uri\":\"x:\\u0031\""), "resources/read",
			"\"uri\":\"x:\\u0031\"}", "x:1"},
	};
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(kinds); i++) {
		struct Ide ide;
		struct Peer *peer = &ide.peers[0];
		size_t kind = i / 2;
		ide_init(&ide, CONNECTOR("a", "@0"));
		ide_greet(&ide, "2025-11-25", CAN_ALL);
		hit_error(peer_await(peer, "initialize"), 400, -32022, "");
		peer_serve_discover(peer, "{\"prompts\":{},\"resources\":{}}");
		ide_say(&ide, LEGACY("\"p\"", "prompts/list", ""));
		peer_serve_list(peer, MCP_PROMPTS, "{\"name\":\"pp\"}");
		g_free(ide_answer(&ide, "\"p\""));
		ide_say(&ide, LEGACY("\"r\"", "resources/list", ""));
		peer_serve_list(peer, MCP_RESOURCES, "{\"uri\":\"x:1\",\"name\":\"r\"}");
		g_free(ide_answer(&ide, "\"r\""));
		ide_say(&ide, kinds[kind].request);
		struct Hit *call = peer_await(peer, kinds[kind].method);
		hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
		g_autofree char *question = ide_notice(&ide, "roots/list");
		if (i % 2 == 0) {
			ide_reply(&ide, question, "\"result\":{\"roots\":[]}");
			struct Hit *again = peer_await(peer, kinds[kind].method);
			assert_has(again->body,
				"\"params\":{\"inputResponses\":{\"a\":{\"roots\":[]}},");
			assert_has(again->body, kinds[kind].named);
			assert_header(again, "Mcp-Method", kinds[kind].method);
			assert_header(again, "Mcp-Name", kinds[kind].header);
			hit_result(again, "{\"resultType\":\"complete\",\"x\":1.0}");
			g_autofree char *answer = ide_answer(&ide, "1");
			assert_has(answer, "\"result\":{\"resultType\":\"complete\",\"x\":1.0}");
		} else {
			ide_reply(&ide, question, "\"error\":{\"code\":1,\"message\":\"no\"}");
			g_autofree char *answer = ide_answer(&ide, "1");
			assert_has(answer, "\"error\":{\"code\":-32603,\"message\":\"a asked for");
		}
		ide_hear_nothing(&ide);
		ide_release(&ide);
	}
}

/* ---- URLs ---- */

static void test_a_url_gets_an_id_and_is_completed(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_result(call,
		WANTS("\"inputRequests\":{" WANTED_URL("a") "," WANTED("b", "elicitation/create",
			"{\"mode\":\"url\",\"elicitationId\":\"its\",\"url\":\"https://x/\","
			"\"message\":\"\"}") "}"));
	g_autofree char *first = ide_notice(&ide, "elicitation/create");
	g_autofree char *second = ide_notice(&ide, "elicitation/create");
	g_autofree char *id = line_string(first, "params.elicitationId");
	g_autofree char *other = line_string(second, "params.elicitationId");
	assert_true(strlen(id) >= 22);
	assert_string_not_equal(id, other);
	assert_lacks(second, "\"its\"");
	assert_has(first, "\"mode\":\"url\",\"message\":\"open\",\"url\":\"https://x.example/1\"");
	ide_reply(&ide, first, "\"result\":{\"action\":\"accept\"}");
	ide_reply(&ide, second, "\"result\":{\"action\":\"decline\"}");
	call = await_again(&ide, call,
		"\"inputResponses\":{\"a\":{\"action\":\"accept\"},\"b\":{\"action\":\"decline\"}"
		"}");
	hit_result(call, WANTS("\"requestState\":\"wait\""));
	call = await_again(&ide, call, "\"requestState\":\"wait\"");
	ide_hear_nothing(&ide);
	hit_result(call, DONE);
	g_autofree char *complete = ide_notice(&ide, "notifications/elicitation/complete");
	g_autofree char *completed = line_string(complete, "params.elicitationId");
	assert_string_equal(completed, id);
	g_free(ide_answer(&ide, "1"));
	ide_hear_nothing(&ide); /* that was the only one */
	ide_release(&ide);
}

static void test_an_error_completes_no_url(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_URL("a") "}"));
	g_autofree char *question = ide_notice(&ide, "elicitation/create");
	ide_reply(&ide, question, "\"result\":{\"action\":\"accept\"}");
	call = await_again(&ide, call, "\"inputResponses\":{\"a\":{\"action\":\"accept\"}}");
	hit_error(call, 200, -32603, "");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "-32603");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

/* ---- what the IDE cannot do ---- */

static void assert_unable(
	const char *revision, const char *capabilities, const char *wanted, const char *words)
{
	struct Ide ide;
	open_with(&ide, "", revision, capabilities, ADD_TOOL);
	ide_say(&ide, ADD_CALL("1"));
	/* What it could do is not asked either. */
	g_autofree char *result = g_strdup_printf(
		WANTS("\"inputRequests\":{" WANTED_ROOTS("r") ",%s},\"requestState\":\"s\""),
		wanted);
	hit_result(peer_await(&ide.peers[0], "tools/call"), result);
	assert_fails(&ide, words);
	ide_release(&ide);
}

static void test_the_ide_is_asked_only_for_what_it_declared(void **state)
{
	(void)state;
	static const char form[] = WANTED("f", "elicitation/create", FORM("?"));
	static const char sampling[] = WANTED("s", "sampling/createMessage", "{\"tools\":[]}");
	assert_unable("2025-11-25", "{\"roots\":{}}", form,
		"a needs something for this that the IDE cannot do: asking the user to fill in a "
		"form (elicitation).");
	assert_unable("2025-11-25", "{\"roots\":{},\"elicitation\":{}}", WANTED_URL("u"),
		"asking the user to open a URL (elicitation.url)");
	assert_unable("2025-06-18", "{\"roots\":{},\"elicitation\":{\"url\":{}}}", WANTED_URL("u"),
		"elicitation.url");
	assert_unable("2025-11-25", "{\"roots\":{}}", sampling, "asking its model (sampling)");
	assert_unable("2025-11-25", "{\"roots\":{},\"sampling\":{}}", sampling,
		"asking its model with tools (sampling.tools)");
	assert_unable("2025-11-25", CAN_ALL, WANTED("x", "x\\u0007y", "{}"), "cannot do: x?y.");
	assert_unable("2025-11-25", "{\"elicitation\":{}}", form, "telling its roots (roots)");
}

/* ---- what ends it ---- */

static void test_an_error_of_the_ide_fails_the_request(void **state)
{
	(void)state;
	static const char *const errors[][2] = {
		{"{\"code\":-1,\"message\":\"the user is\\u0007away\"}",
			"a asked for more, which this IDE could not give: the user is?away"},
		{"{\"code\":-1,\"message\":\"\\ud800\"}", "could not give: an error"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(errors); i++) {
		struct Ide ide;
		struct Hit *call = open_call(&ide, "");
		hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "," WANTED_ROOTS(
					 "b") "," WANTED_ROOTS("c") "}"));
		g_autofree char *first = ide_notice(&ide, "roots/list");
		g_autofree char *second = ide_notice(&ide, "roots/list");
		g_autofree char *third = ide_notice(&ide, "roots/list");
		ide_reply(&ide, first, "\"result\":{}");
		g_autofree char *error = g_strdup_printf("\"error\":%s", errors[i][0]);
		ide_reply(&ide, second, error);
		assert_withdrawn(&ide, third);
		assert_fails(&ide, errors[i][1]);
		ide_reply(&ide, third, "\"result\":{}"); /* too late */
		peer_await_none(&ide.peers[0], "tools/call");
		ide_release(&ide);
	}
}

static void test_nobody_answers(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\ncall_timeout = 5\n");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	clock_jump(&ide.fixture, 15 * 60 * 1000 - 2000);
	ide_hear_nothing(&ide);
	clock_jump(&ide.fixture, 2000);
	assert_withdrawn(&ide, question);
	assert_fails(&ide, "nobody answered in time");
	ide_release(&ide);
}

/* The time for answers ends with the last of them. */
static void test_a_server_may_take_its_time_afterwards(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\ncall_timeout = 3600\n");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_reply(&ide, question, "\"result\":{}");
	call = await_again(&ide, call, "\"inputResponses\":{\"a\":{}}");
	clock_jump(&ide.fixture, 16 * 60 * 1000);
	ide_hear_nothing(&ide);
	finish(&ide, call);
	ide_release(&ide);
}

static void test_the_ide_cancels(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":1}"));
	assert_withdrawn(&ide, question);
	ide_reply(&ide, question, "\"result\":{}");
	peer_await_none(&ide.peers[0], "tools/call");
	/* The same in a pause, and while it is on its way again. */
	ide_say(&ide, ADD_CALL("2"));
	call = peer_await(&ide.peers[0], "tools/call");
	hit_result(call, WANTS("\"requestState\":\"s\""));
	call = await_again(&ide, call, "\"requestState\":\"s\"");
	hit_result(call, WANTS("\"requestState\":\"s\""));
	fixture_turn_for(&ide.fixture, 20);
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":2}"));
	clock_jump(&ide.fixture, 1000);
	peer_await_none(&ide.peers[0], "tools/call");
	ide_say(&ide, ADD_CALL("3"));
	call = peer_await(&ide.peers[0], "tools/call");
	hit_result(call, WANTS("\"requestState\":\"s\""));
	call = await_again(&ide, call, "\"requestState\":\"s\"");
	ide_say(&ide, NOTES(CANCELLED, "{\"requestId\":3}"));
	hit_await_close(call);
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_server_does_not_ask_for_ever(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	for (unsigned i = 0; i < 16; i++) {
		hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
		g_autofree char *question = ide_notice(&ide, "roots/list");
		ide_reply(&ide, question, "\"result\":{}");
		call = await_again(&ide, call, "\"inputResponses\":{\"a\":{}}");
	}
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	assert_fails(&ide, "that was ended after 16 times");
	ide_release(&ide);
}

static void test_what_is_no_input_required(void **state)
{
	(void)state;
	static const char *const results[] = {
		WANTS("\"x\":1"),
		WANTS("\"inputRequests\":[]"),
		WANTS("\"requestState\":1"),
		WANTS("\"inputRequests\":{\"a\":{\"method\":\"roots/list\"},\"\\u0061\":{"
		      "\"method\":\"roots/list\"}}"),
	};
	for (size_t i = 0; i < G_N_ELEMENTS(results); i++) {
		struct Ide ide;
		hit_result(open_call(&ide, ""), results[i]);
		assert_fails(&ide, "a could not answer: input_required: ");
		ide_release(&ide);
	}
}

static void test_answers_together_have_a_size(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "[mux]\nmax_message = 1\nmax_result = 1\n");
	g_autofree char *fill = g_strnfill(600 << 10, 'x');
	g_autofree char *big = g_strdup_printf("\"result\":{\"x\":\"%s\"}", fill);
	for (unsigned i = 0; i < 2; i++) { /* each round has its own */
		hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
		g_autofree char *question = ide_notice(&ide, "roots/list");
		ide_reply(&ide, question, big);
		call = peer_await(&ide.peers[0], "tools/call");
	}
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "," WANTED_ROOTS("b") "}"));
	g_autofree char *first = ide_notice(&ide, "roots/list");
	g_autofree char *second = ide_notice(&ide, "roots/list");
	ide_reply(&ide, first, big);
	ide_reply(&ide, second, big);
	assert_fails(&ide, "larger than max_message");
	ide_release(&ide);
}

static void test_the_server_is_gone_when_the_answers_are_there(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_call(&ide, "");
	hit_result(call, WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}"));
	g_autofree char *question = ide_notice(&ide, "roots/list");
	peer_vanish(&ide.peers[0]);
	ide_reply(&ide, question, "\"result\":{}");
	assert_fails(&ide, "a could not answer");
	ide_release(&ide);
}

static void test_the_end_of_the_process_ends_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct Ide ide;
		struct Hit *call = open_call(&ide, "");
		hit_result(call, i == 0 ? WANTS("\"inputRequests\":{" WANTED_ROOTS("a") "}")
					: WANTS("\"requestState\":\"s\""));
		if (i == 0) {
			g_free(ide_notice(&ide, "roots/list"));
		} else {
			call = await_again(&ide, call, "\"requestState\":\"s\"");
			hit_result(call, WANTS("\"requestState\":\"s\""));
			fixture_turn_for(&ide.fixture, 20);
		}
		router_shutdown(ide.router);
		clock_jump(&ide.fixture, 16 * 60 * 1000);
		ide_hear_nothing(&ide);
		peer_await_none(&ide.peers[0], "tools/call");
		ide_release(&ide);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_is_asked_at_once_and_goes_back),
		cmocka_unit_test(test_mirrored_arguments_are_mirrored_again),
		cmocka_unit_test(test_rounds_follow_one_another),
		cmocka_unit_test(test_a_server_that_only_wants_time_gets_it),
		cmocka_unit_test(test_prompts_and_resources_want_input_as_well),
		cmocka_unit_test(test_a_url_gets_an_id_and_is_completed),
		cmocka_unit_test(test_an_error_completes_no_url),
		cmocka_unit_test(test_the_ide_is_asked_only_for_what_it_declared),
		cmocka_unit_test(test_an_error_of_the_ide_fails_the_request),
		cmocka_unit_test(test_nobody_answers),
		cmocka_unit_test(test_a_server_may_take_its_time_afterwards),
		cmocka_unit_test(test_the_ide_cancels),
		cmocka_unit_test(test_a_server_does_not_ask_for_ever),
		cmocka_unit_test(test_what_is_no_input_required),
		cmocka_unit_test(test_answers_together_have_a_size),
		cmocka_unit_test(test_the_server_is_gone_when_the_answers_are_there),
		cmocka_unit_test(test_the_end_of_the_process_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
