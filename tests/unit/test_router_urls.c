/* The error by which a legacy server wants URLs opened first, in front of every kind of IDE. */
#include "inputs_fixture.h"

#define ELICITATION(n)                                                                             \
	"{\"mode\":\"url\",\"elicitationId\":\"e" n "\",\"url\":\"https://x.example/" n "\","      \
	"\"message\":\"m" n "\\u0007\",\"x\":1.0}"
#define WITHOUT_ID(n)                                                                              \
	"{\"method\":\"elicitation/create\",\"params\":{\"mode\":\"url\",\"url\":"                 \
	"\"https://x.example/" n "\",\"message\":\"m" n "\\u0007\",\"x\":1.0}}"
#define REQUIRED(elicitations) ",\"data\":{\"elicitations\":[" elicitations "]}"
#define BOTH REQUIRED(ELICITATION("1") "," ELICITATION("2"))
#define BOTH_WANTED "{\"q1\":" WITHOUT_ID("1") ",\"q2\":" WITHOUT_ID("2") "}"

enum { CODE = -32042 };

static struct Hit *open_legacy(struct Ide *ide, const char *revision, const char *capabilities)
{
	ide_init(ide, CONNECTOR("a", "@0"));
	ide_greet(ide, revision, capabilities);
	inputs_serve_legacy(ide, 0, QUIET_TOOLS);
	g_free(ide_list(ide));
	ide_say(ide, ADD_CALL("1"));
	return peer_await(&ide->peers[0], "tools/call");
}

static struct Hit *open_modern(struct Ide *ide)
{
	open_modern_ide(ide, "", QUIET_TOOLS);
	ide_say(ide, ABLE_CALL("1"));
	return peer_await(&ide->peers[0], "tools/call");
}

/* ---- legacy IDEs ---- */

static void test_an_ide_that_knows_it_gets_it(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_legacy(&ide, "2025-11-25", CAN_ALL);
	hit_error(call, 200, CODE, BOTH);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_string_equal(answer,
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32042,\"message\":\"no\"" BOTH
		"}}");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void assert_words(struct Ide *ide, const char *id)
{
	g_autofree char *answer = ide_answer(ide, id);
	assert_has(answer, "\"isError\":true");
	assert_has(answer, "a needs something to be done in a browser first");
	assert_has(answer, "m1?\\nhttps://x.example/1\\nm2?\\nhttps://x.example/2\"");
	ide_hear_nothing(ide);
}

static void test_an_ide_that_cannot_is_told_in_words(void **state)
{
	(void)state;
	static const char *const ides[][2] = {
		{"2025-11-25", "{}"}, {"2025-11-25", "{\"elicitation\":{}}"},
		{"2025-06-18", "{\"elicitation\":{\"url\":{}}}"}, /* knows no URLs */
	};
	for (size_t i = 0; i < G_N_ELEMENTS(ides); i++) {
		struct Ide ide;
		hit_error(open_legacy(&ide, ides[i][0], ides[i][1]), 200, CODE, BOTH);
		assert_words(&ide, "1");
		ide_release(&ide);
	}
}

static void test_there_are_only_so_many_words(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_legacy(&ide, "2025-11-25", "{}");
	g_autofree char *fill = g_strnfill(3000, 'x');
	g_autofree char *long_one =
		g_strdup_printf("{\"mode\":\"url\",\"url\":\"%s\",\"message\":\"%s\"}", fill, fill);
	g_autoptr(GString) data = g_string_new(NULL);
	g_string_printf(data, ",\"data\":{\"elicitations\":[%s", long_one);
	for (unsigned i = 1; i <= 10; i++)
		g_string_append_printf(data, "," ELICITATION("%u"), i, i, i);
	g_string_append(data, "]}");
	hit_error(call, 200, CODE, data->str);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_in_range(strlen(answer), 2500, 3500);
	assert_has(answer, "https://x.example/9\"");
	assert_lacks(answer, "https://x.example/10");
	ide_release(&ide);
}

/* The server's own words are the best there is. */
static void test_what_is_no_such_error_passes(void **state)
{
	(void)state;
	static const char *const others[] = {
		"",
		",\"data\":{\"elicitations\":{}}",
		REQUIRED(""),
		REQUIRED("1"),
		REQUIRED("{\"mode\":\"form\",\"url\":\"https://x/\"}"),
		REQUIRED("{\"mode\":\"url\",\"url\":1}"),
		REQUIRED(ELICITATION("1") ",{}"),
	};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		struct Ide ide;
		hit_error(open_legacy(&ide, "2025-11-25", "{}"), 200, CODE, others[i]);
		g_autofree char *answer = ide_answer(&ide, "1");
		assert_has(answer, "\"error\":{\"code\":-32042,\"message\":\"no\"");
		assert_has(answer, others[i]);
		ide_release(&ide);
	}
	struct Ide ide;
	hit_error(open_legacy(&ide, "2025-11-25", "{}"), 200, -32041, BOTH);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32041");
	ide_release(&ide);
}

/* ---- modern IDEs ---- */

static void test_a_modern_ide_is_asked_and_the_request_goes_again(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern(&ide);
	hit_error(call, 200, CODE, BOTH);
	g_autofree char *first = ide_await_wanted(&ide, "1", BOTH_WANTED);
	ide_retry(&ide, "2", first,
		"{\"q1\":{\"action\":\"accept\"},\"q2\":{\"action\":\"accept\"}}");
	call = peer_await(&ide.peers[0], "tools/call");
	assert_has(call->body, "\"name\":\"add\",\"arguments\":{\"n\":1.0}}");
	assert_lacks(call->body, "requestState");
	assert_lacks(call->body, "inputResponses");
	/* Not done yet, says the server. */
	hit_error(call, 200, CODE, REQUIRED(ELICITATION("1")));
	g_autofree char *second = ide_await_wanted(&ide, "2", "{\"q1\":" WITHOUT_ID("1") "}");
	ide_retry(&ide, "3", first, "{}");
	g_autofree char *used = ide_answer(&ide, "3");
	assert_has(used, "-32602");
	ide_retry(&ide, "4", second, "[]");
	g_autofree char *wrong = ide_answer(&ide, "4");
	assert_has(wrong, "-32602");
	ide_retry(&ide, "5", second, NULL);
	hit_result(peer_await(&ide.peers[0], "tools/call"), "{\"content\":[]}");
	g_autofree char *answer = ide_answer(&ide, "5");
	assert_has(answer, "\"content\":[]");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_a_modern_ide_is_asked_only_so_much(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern(&ide);
	g_autoptr(GString) data = g_string_new(",\"data\":{\"elicitations\":[");
	for (unsigned i = 1; i <= 11; i++)
		g_string_append_printf(data, "%s" ELICITATION("%u"), i > 1 ? "," : "", i, i, i);
	g_string_append(data, "]}");
	hit_error(call, 200, CODE, data->str);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"q10\":" WITHOUT_ID("10") "},\"requestState\"");
	ide_release(&ide);
}

static void test_a_person_who_declines_is_left_alone(void **state)
{
	(void)state;
	static const char *const refusals[] = {
		"{\"q1\":{\"action\":\"accept\"},\"q2\":{\"action\":\"decline\"}}",
		"{\"q1\":{\"action\":\"cancel\"}}"};
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct Ide ide;
		struct Hit *call = open_modern(&ide);
		hit_error(call, 200, CODE, BOTH);
		g_autofree char *handle = ide_await_wanted(&ide, "1", BOTH_WANTED);
		ide_retry(&ide, "2", handle, refusals[i]);
		g_autofree char *answer = ide_answer(&ide, "2");
		assert_has(answer, "\"isError\":true");
		assert_has(answer, "that was declined");
		peer_await_none(&ide.peers[0], "tools/call");
		ide_release(&ide);
	}
}

static void test_the_state_is_bound_to_the_request(void **state)
{
	(void)state;
	struct Ide ide;
	struct Hit *call = open_modern(&ide);
	hit_error(call, 200, CODE, BOTH);
	g_autofree char *handle = ide_await_wanted(&ide, "1", BOTH_WANTED);
	g_autofree char *other = g_strdup_printf(
		LEGACY("2", "tools/call",
			META_WITH(CAN_ALL, "") ",\"name\":\"a__add\",\"requestState\":\"%s\""),
		handle);
	ide_say(&ide, other);
	g_autofree char *answer = ide_answer(&ide, "2");
	assert_has(answer, "-32602");
	peer_await_none(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

static void test_a_modern_ide_that_cannot_is_told_in_words(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"list\"", "tools/list", ""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	inputs_serve_legacy(&ide, 0, QUIET_TOOLS);
	g_free(ide_answer(&ide, "\"list\""));
	ide_say(&ide, MODERN("1", "tools/call", ",\"name\":\"a__add\""));
	hit_error(peer_await(&ide.peers[0], "tools/call"), 200, CODE, BOTH);
	assert_words(&ide, "1");
	ide_release(&ide);
}

/* Its revision has no such error. */
static void test_of_a_modern_server_it_is_an_error_like_any_other(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_greet(&ide, "2025-11-25", "{}");
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	ide_say(&ide, ADD_CALL("1"));
	hit_error(peer_await(&ide.peers[0], "tools/call"), 200, CODE, BOTH);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"code\":-32042");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_ide_that_knows_it_gets_it),
		cmocka_unit_test(test_an_ide_that_cannot_is_told_in_words),
		cmocka_unit_test(test_there_are_only_so_many_words),
		cmocka_unit_test(test_what_is_no_such_error_passes),
		cmocka_unit_test(test_a_modern_ide_is_asked_and_the_request_goes_again),
		cmocka_unit_test(test_a_modern_ide_is_asked_only_so_much),
		cmocka_unit_test(test_a_person_who_declines_is_left_alone),
		cmocka_unit_test(test_the_state_is_bound_to_the_request),
		cmocka_unit_test(test_a_modern_ide_that_cannot_is_told_in_words),
		cmocka_unit_test(test_of_a_modern_server_it_is_an_error_like_any_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
