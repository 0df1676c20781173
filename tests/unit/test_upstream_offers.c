/* What an upstream is told that the IDE can do, and what the server says that it offers. */
#include "upstream_fixture.h"

#define CLIENT "{\"roots\":{\"listChanged\":true},\"x\":{\"a\":1},\"elicitation\":{\"url\":{}}}"

static void test_what_the_ide_can_do_is_offered(void **state)
{
	(void)state;
	static const struct {
		enum Era era;
		const char *offered;
	} cases[] = {
		{ERA_LEGACY, CLIENT},
		{ERA_MODERN, "{\"elicitation\":{\"url\":{}},\"roots\":{\"listChanged\":true}}"},
		{ERA_UNKNOWN, "{}"}, /* nothing was said */
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		up_init(&u);
		if (cases[i].era != ERA_UNKNOWN) {
			upstream_set_client(u.up, ERA_LEGACY, SLICE("{\"sampling\":{}}"));
			upstream_set_client(u.up, cases[i].era, SLICE(CLIENT));
		}
		upstream_open(u.up, ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		struct Slice params = json_get(slice_of(hit->body), "params").raw;
		g_autofree char *sent = slice_dup(json_get(params, "capabilities").raw);
		assert_string_equal(sent, cases[i].offered);
		up_release(&u);
	}
}

static void test_what_a_server_offers(void **state)
{
	(void)state;
	static const struct {
		const char *capabilities;
		unsigned offers;
	} cases[] = {
		{"{}", 0},
		{"{\"tools\":{}}", UPSTREAM_TOOLS},
		{"{\"tools\":{\"listChanged\":true}}", UPSTREAM_TOOLS | UPSTREAM_TELLS_TOOLS},
		{"{\"tools\":{\"listChanged\":false}}", UPSTREAM_TOOLS},
		{"{\"tools\":{\"listChanged\":\"true\"}}", UPSTREAM_TOOLS},
		{"{\"tools\":true,\"prompts\":null,\"resources\":[],\"logging\":1}", 0},
		{"{\"prompts\":{},\"completions\":{},\"logging\":{}}",
			UPSTREAM_PROMPTS | UPSTREAM_COMPLETIONS | UPSTREAM_LOGGING},
		{"{\"prompts\":{\"listChanged\":true}}", UPSTREAM_PROMPTS | UPSTREAM_TELLS_PROMPTS},
		{"{\"resources\":{\"subscribe\":true}}", UPSTREAM_RESOURCES | UPSTREAM_SUBSCRIBE},
		{"{\"resources\":{\"listChanged\":true}}",
			UPSTREAM_RESOURCES | UPSTREAM_TELLS_RESOURCES},
		{"{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}", UPSTREAM_TASKS},
		{"{\"extensions\":{\"io.modelcontextprotocol/ui\":{\"mimeTypes\":[]}}}",
			UPSTREAM_APPS},
		{"{\"extensions\":[],\"tasks\":{}}", 0},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Up u;
		up_init(&u);
		assert_int_equal(upstream_offers(u.up), 0);
		assert_int_equal(upstream_era(u.up), ERA_UNKNOWN);
		upstream_open(u.up, i % 2 ? ERA_MODERN : ERA_LEGACY);
		if (i % 2)
			up_serve_discover(&u, cases[i].capabilities);
		else
			up_serve_initialize(&u, "2025-06-18", NULL, cases[i].capabilities);
		up_await_state(&u, UPSTREAM_READY);
		if (upstream_offers(u.up) != cases[i].offers)
			fail_msg("%s: %x", cases[i].capabilities, upstream_offers(u.up));
		assert_int_equal(upstream_era(u.up), i % 2 ? ERA_MODERN : ERA_LEGACY);
		up_release(&u);
	}
}

/* They stay known while it is away, and are taken anew with each handshake. */
static void test_a_renewed_session_may_offer_something_else(void **state)
{
	(void)state;
	struct Up u;
	struct Ask ask = {0};
	up_init(&u);
	up_open_legacy(&u, "S1", QUIET_TOOLS, ADD_TOOL);
	ask_add(&u, &ask);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	peer_await_none(&u.peer, "tools/call");
	assert_int_equal(upstream_offers(u.up), UPSTREAM_TOOLS);
	up_serve_initialize(&u, "2025-11-25", "S2", "{\"tools\":{},\"prompts\":{}}");
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&ask);
	assert_int_equal(upstream_offers(u.up), UPSTREAM_TOOLS | UPSTREAM_PROMPTS);
	ask_release(&ask);
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_ide_can_do_is_offered),
		cmocka_unit_test(test_what_a_server_offers),
		cmocka_unit_test(test_a_renewed_session_may_offer_something_else),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
