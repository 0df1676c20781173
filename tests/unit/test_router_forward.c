/* What all requests share on their way to a server and back, where the eras differ. */
#include "items_fixture.h"

#define CALL(id) LEGACY(id, "tools/call", "\"name\":\"a__add\"")

/* What becomes longer by translation may be too long then. */
static void test_a_result_that_is_too_large_when_it_is_translated(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-11-25");
	hit_error(peer_await(&ide.peers[0], "initialize"), 400, -32022, "");
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	g_autoptr(GString) quotes = g_string_new(NULL);
	while (quotes->len < 600 * 1024)
		g_string_append(quotes, "\\\"");
	g_autofree char *result = g_strdup_printf(
		"{\"resultType\":\"complete\",\"structuredContent\":[\"%s\"]}", quotes->str);
	ide_say(&ide, CALL("1"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), result);
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"isError\":true");
	assert_has(answer, "more than max_result");
	/* As any that is. */
	g_autofree char *big = g_strnfill(1 << 20, 'x');
	g_autofree char *contents = g_strdup_printf("{\"contents\":\"%s\"}", big);
	ide_say(&ide, CALL("2"));
	hit_result(peer_await(&ide.peers[0], "tools/call"), contents);
	g_autofree char *plain = ide_answer(&ide, "2");
	assert_has(plain, "more than max_result");
	ide_release(&ide);
}

/* Only a modern server could have given it. */
static void test_a_state_that_nobody_can_have_given(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"open\"", "tools/list", ""));
	hit_error(peer_await(&ide.peers[0], "server/discover"), 404, -32601, "");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "\"open\""));
	ide_exchange(&ide,
		DECLARING("1", "tools/call", "{\"roots\":{}}",
			",\"name\":\"a__add\",\"requestState\":\"theirs\""),
		"1", "requestState is none of ours");
	peer_expect_nothing(&ide.peers[0]); /* nor is a session opened for it */
	ide_release(&ide);
}

static void test_a_state_of_a_modern_server_passes(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, CONNECTOR("a", "@0"));
	ide_say(&ide, MODERN("\"open\"", "tools/list", ""));
	ide_serve_modern(&ide, 0, ADD_TOOL);
	g_free(ide_answer(&ide, "\"open\""));
	ide_say(&ide,
		MODERN("1", "tools/call",
			",\"name\":\"a__add\",\"requestState\":\"theirs\",\"inputResponses\":{}"));
	struct Hit *call = peer_await(&ide.peers[0], "tools/call");
	assert_has(call->body, "\"requestState\":\"theirs\",\"inputResponses\":{}");
	hit_result(call, "{\"resultType\":\"odd\",\"x\":1.0}");
	g_autofree char *answer = ide_answer(&ide, "1");
	assert_has(answer, "\"result\":{\"resultType\":\"odd\",\"x\":1.0}");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_result_that_is_too_large_when_it_is_translated),
		cmocka_unit_test(test_a_state_that_nobody_can_have_given),
		cmocka_unit_test(test_a_state_of_a_modern_server_passes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
