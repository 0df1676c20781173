/* The requestStates of ours: what they are bound to, how long they last, what is taken out of a retry. */
#include "fast_clock.h"

#include "mux/internal.h"

static struct McpParams with_state(const char *raw)
{
	return (struct McpParams){.request_state = {JSON_STRING, slice_of(raw)}};
}

static bool take(struct Router *router, const char *handle, struct AskState *out)
{
	g_autofree char *raw = g_strdup_printf("\"%s\"", handle);
	const struct McpParams params = with_state(raw);
	assert_true(ask_state_is_ours(&params));
	return ask_state_take(router, &params, "digest", out);
}

static char *add(struct Router *router, unsigned number)
{
	const struct AskState state = {.number = number, .rounds = 1};
	return ask_state_add(router, "digest", &state);
}

static void what_is_ours_begins_so(void **state)
{
	static const struct {
		const char *raw;
		bool ours;
	} states[] = {{"\"mcp-mux.1.x\"", true}, {"\"mcp-mu\\u0078.1.x\"", true},
		{"\"mcp-mux.2.x\"", false}, {"\" mcp-mux.1.x\"", false}, {"\"\"", false},
		{"\"mcp-mux.1.\\u0000\"", false}};
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		const struct McpParams params = with_state(states[i].raw);
		assert_int_equal(ask_state_is_ours(&params), states[i].ours);
	}
	const struct McpParams none = {0};
	assert_false(ask_state_is_ours(&none));
}

static void each_is_good_once_and_for_a_time(void **state)
{
	struct Router router = {0};
	struct AskState taken = {0};
	(void)state;
	ask_state_init(&router);
	g_autofree char *first = add(&router, 1);
	g_autofree char *second = add(&router, 2);
	g_autofree char *third = add(&router, 3);
	assert_string_not_equal(first, second);
	assert_true(take(&router, second, &taken));
	assert_int_equal(taken.number, 2);
	assert_false(take(&router, second, &taken));
	clock_ahead_us += 15 * 60 * G_USEC_PER_SEC - G_USEC_PER_SEC;
	assert_true(take(&router, first, &taken));
	clock_ahead_us += G_USEC_PER_SEC;
	assert_false(take(&router, third, &taken));
	assert_int_equal(g_hash_table_size(router.ask_states), 0);
	ask_state_release(&router);
}

/* What no IDE comes back for; the oldest goes first. */
static void they_do_not_pile_up(void **state)
{
	enum { MANY = 10 * 1000 };
	struct Router router = {0};
	(void)state;
	ask_state_init(&router);
	g_autoptr(GPtrArray) handles = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i <= MANY; i++)
		g_ptr_array_add(handles, add(&router, i));
	assert_int_equal(g_hash_table_size(router.ask_states), MANY);
	for (unsigned i = 0; i <= MANY; i++) {
		struct AskState taken = {0};
		assert_int_equal(take(&router, handles->pdata[i], &taken), i > 0);
		assert_int_equal(taken.number, i);
	}
	g_free(add(&router, 0));
	ask_state_release(&router);
}

/* Looking changes nothing, and does not mind what it is bound to. */
static void one_may_be_looked_at(void **state)
{
	struct Router router = {0};
	struct HeldCall *const held = (struct HeldCall *)&router; /* never looked into */
	(void)state;
	ask_state_init(&router);
	const struct AskState kept = {.held = held, .urls = true};
	g_autofree char *handle = ask_state_add(&router, "other", &kept);
	g_autofree char *raw = g_strdup_printf("\"%s\"", handle);
	const struct McpParams params = with_state(raw);
	for (unsigned i = 0; i < 2; i++) {
		struct AskState seen = {0};
		assert_true(ask_state_peek(&router, &params, &seen));
		assert_ptr_equal(seen.held, held);
		assert_true(seen.urls);
	}
	struct AskState taken = {0};
	assert_true(ask_state_take(&router, &params, "other", &taken));
	assert_ptr_equal(taken.held, held);
	assert_false(ask_state_peek(&router, &params, &taken));
	ask_state_release(&router);
}

static void one_may_be_forgotten(void **state)
{
	struct Router router = {0};
	struct AskState taken = {0};
	(void)state;
	ask_state_init(&router);
	g_autofree char *handle = add(&router, 1);
	g_autofree char *other = add(&router, 2);
	ask_state_forget(&router, handle);
	ask_state_forget(&router, handle);
	ask_state_forget(&router, NULL);
	assert_false(take(&router, handle, &taken));
	assert_true(take(&router, other, &taken));
	ask_state_release(&router);
}

static void an_old_one_is_not_there(void **state)
{
	struct Router router = {0};
	struct AskState seen = {0};
	(void)state;
	ask_state_init(&router);
	g_autofree char *handle = add(&router, 1);
	g_autofree char *raw = g_strdup_printf("\"%s\"", handle);
	const struct McpParams params = with_state(raw);
	clock_ahead_us += 15 * 60 * G_USEC_PER_SEC;
	assert_false(ask_state_peek(&router, &params, &seen));
	ask_state_release(&router);
}

static char *digest_of(const char *method, const char *name, const char *arguments, const char *uri)
{
	const struct McpParams params = {.name = {name ? JSON_STRING : JSON_NONE, slice_of(name)},
		.arguments = {arguments ? JSON_OBJECT : JSON_NONE, slice_of(arguments)},
		.uri = {uri ? JSON_STRING : JSON_NONE, slice_of(uri)}};
	return ask_state_digest(method, &params);
}

static char *digest(const char *method, const char *name, const char *arguments)
{
	return digest_of(method, name, arguments, NULL);
}

static void every_part_of_a_call_counts(void **state)
{
	(void)state;
	g_autofree char *one = digest("tools/call", "\"a\"", "{}");
	g_autofree char *same = digest("tools/call", "\"a\"", "{}");
	assert_string_equal(one, same);
	static const char *const others[][3] = {{"prompts/get", "\"a\"", "{}"},
		{"tools/call", "\"b\"", "{}"}, {"tools/call", "\"a\"", "{ }"},
		{"tools/call", "\"a\"", NULL}, {"tools/cal", "l\"a\"", "{}"},
		{"tools/call", "\"a\"{", "}"}};
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		g_autofree char *other = digest(others[i][0], others[i][1], others[i][2]);
		assert_string_not_equal(one, other);
	}
	g_autofree char *resource = digest_of("resources/read", NULL, NULL, "\"a:\"");
	g_autofree char *other = digest_of("resources/read", NULL, NULL, "\"b:\"");
	g_autofree char *name = digest_of("resources/read", "\"a:\"", NULL, NULL);
	assert_string_not_equal(resource, other);
	assert_string_not_equal(resource, name);
}

static void a_retry_loses_what_was_for_us(void **state)
{
	static const char text[] =
		"{\"id\":1,\"method\":\"tools/call\",\"params\":{ \"name\" :\"a\","
		"\"inputResponses\":{\"sign_in\":1},\"x\":[1.10, 2],\"request\\u0053tate\":\"s\"}"
		",\"jsonrpc\":\"2.0\"}";
	struct RpcMessage message;
	size_t len;
	(void)state;
	assert_true(rpc_parse(SLICE(text), &message, NULL));
	g_autofree char *stripped = ask_state_strip(&message, &len);
	assert_string_equal(stripped, "{\"id\":1,\"method\":\"tools/call\",\"params\":{"
				      "\"name\":\"a\",\"x\":[1.10, 2]},\"jsonrpc\":\"2.0\"}");
	assert_int_equal(len, strlen(stripped));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_ours_begins_so),
		cmocka_unit_test(each_is_good_once_and_for_a_time),
		cmocka_unit_test(they_do_not_pile_up),
		cmocka_unit_test(one_may_be_looked_at),
		cmocka_unit_test(one_may_be_forgotten),
		cmocka_unit_test(an_old_one_is_not_there),
		cmocka_unit_test(every_part_of_a_call_counts),
		cmocka_unit_test(a_retry_loses_what_was_for_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
