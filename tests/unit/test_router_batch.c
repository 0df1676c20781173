/* Batches, which exist in revision 2025-03-26 alone. */
#include "router_fixture.h"

#define CALL_ADD(id) LEGACY(id, "tools/call", "\"name\":\"a__add\"")
#define CANCEL(id)                                                                                 \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"                                         \
	"cancelled\",\"params\":{\"requestId\":" id "}}"
#define PING(id) LEGACY(id, "ping", "")
#define PONG(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{}}"

static void open_one(struct Ide *ide)
{
	ide_init(ide, CONNECTOR("a", "@0"));
	ide_initialize(ide, "2025-03-26");
	ide_serve_legacy(ide, 0, ADD_TOOL);
	g_free(ide_list(ide));
}

/* The next line, which is an array; for g_free. */
static char *hear_batch(struct Ide *ide)
{
	for (;;) {
		for (guint i = 0; i < ide->lines->len; i++) {
			const char *line = ide->lines->pdata[i];
			if (line && *line == '[')
				return g_steal_pointer(&ide->lines->pdata[i]);
		}
		turn_until(&ide->fixture, ide->heard, ide->heard + 1);
	}
}

static void test_only_in_their_revision(void **state)
{
	(void)state;
	static const char *const revisions[] = {NULL, "2024-11-05", "2025-06-18", "2025-11-25"};
	for (size_t i = 0; i < G_N_ELEMENTS(revisions); i++) {
		struct Ide ide;
		ide_init(&ide, "");
		if (revisions[i])
			ide_initialize(&ide, revisions[i]);
		unsigned before = ide.heard;
		ide_say(&ide, "[" PING("1") "," LEGACY(
				      "2", "initialize", "\"protocolVersion\":\"2025-03-26\"") "]");
		turn_until(&ide.fixture, ide.heard, before + 1);
		assert_has(ide.lines->pdata[before], "-32600");
		fixture_turn_for(&ide.fixture, 10);
		assert_int_equal(ide.heard, before + 1);
		ide_release(&ide);
	}
}

static void test_answers_go_out_together_when_the_last_is_there(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	ide_say(&ide,
		"[" PING("1") "," CALL_ADD(
			"2") ",{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"},"
			     "5,[" PING("9") "]," CALL_ADD("\"\\u0033\"") "," PING("2") "," LEGACY(
				     "4", "initialize", "\"protocolVersion\":\"2025-03-26\"") "]");
	struct Hit *first = peer_await(&ide.peers[0], "tools/call");
	struct Hit *second = peer_await(&ide.peers[0], "tools/call");
	hit_reply(second, 503, "", "");
	ide_hear_nothing(&ide);
	hit_result(first, "{\"n\":1.0}");
	g_autofree char *answer = hear_batch(&ide);
	unsigned n = 0;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, slice_of(answer))
		n++;
	assert_int_equal(n, 7);
	assert_has(answer, PONG("1"));
	assert_has(answer, "{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"n\":1.0}}");
	assert_has(answer, "{\"jsonrpc\":\"2.0\",\"id\":\"\\u0033\",\"result\":{\"content\":");
	assert_has(answer, "{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32600");
	assert_has(answer,
		"{\"jsonrpc\":\"2.0\",\"id\":4,\"error\":{\"code\":-32600,\"message\":\"initialize "
		"must not be part of a batch\"");
	assert_has(answer, "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_notifications_alone_have_no_answer(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	ide_say(&ide, "[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"},"
		      "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]");
	ide_hear_nothing(&ide);
	ide_release(&ide);
}

static void test_cancelling_in_and_into_a_batch(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	ide_say(&ide, "[" CALL_ADD("1") "," CANCEL("1") "]");
	ide_hear_nothing(&ide);
	ide_say(&ide, "[" CALL_ADD("1") "," CALL_ADD("2") "," PING("3") "]");
	peer_await(&ide.peers[0], "tools/call");
	ide_say(&ide, CANCEL("2"));
	ide_hear_nothing(&ide);
	ide_say(&ide, "[" CANCEL("1") "]");
	g_autofree char *answer = hear_batch(&ide);
	assert_string_equal(answer, "[" PONG("3") "]");
	ide_release(&ide);
}

static void test_too_many_messages(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	g_autoptr(GString) batch = g_string_new("[");
	for (unsigned i = 0; i < 1100; i++)
		g_string_append_printf(batch, "%s" PING("%u"), i ? "," : "", i);
	g_string_append_c(batch, ']');
	ide_say(&ide, batch->str);
	g_autofree char *answer = hear_batch(&ide);
	assert_has(answer, "\"id\":999,");
	assert_lacks(answer, "\"id\":1000,");
	assert_has(answer, "too many messages");
	ide_release(&ide);
}

static void test_answers_over_max_result_in_all(void **state)
{
	(void)state;
	struct Ide ide;
	ide_init(&ide, "[mux]\nmax_result = 1\n" CONNECTOR("a", "@0"));
	ide_initialize(&ide, "2025-03-26");
	ide_serve_legacy(&ide, 0, ADD_TOOL);
	g_free(ide_list(&ide));
	g_autofree char *big = g_strnfill(600000, 'x');
	g_autofree char *result = g_strdup_printf("{\"x\":\"%s\"}", big);
	ide_say(&ide, "[" CALL_ADD("1") "," CALL_ADD("2") "]");
	for (unsigned i = 0; i < 2; i++)
		hit_result(peer_await(&ide.peers[0], "tools/call"), result);
	g_autofree char *answer = hear_batch(&ide);
	assert_has(answer, ",\"error\":{\"code\":-32603");
	assert_true(strlen(answer) < (1 << 20));
	ide_release(&ide);
}

static void test_the_end_while_a_batch_waits(void **state)
{
	(void)state;
	struct Ide ide;
	open_one(&ide);
	ide_say(&ide, "[" CALL_ADD("1") "," LEGACY("2", "tools/list", "") "," CALL_ADD("3") "]");
	peer_await(&ide.peers[0], "tools/call");
	ide_release(&ide);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_in_their_revision),
		cmocka_unit_test(test_answers_go_out_together_when_the_last_is_there),
		cmocka_unit_test(test_notifications_alone_have_no_answer),
		cmocka_unit_test(test_cancelling_in_and_into_a_batch),
		cmocka_unit_test(test_too_many_messages),
		cmocka_unit_test(test_answers_over_max_result_in_all),
		cmocka_unit_test(test_the_end_while_a_batch_waits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
