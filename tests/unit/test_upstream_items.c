/* An upstream's prompts, resources and resource templates: the lists that are fetched when somebody wants them. What all
 * lists have in common is proved for tools (test_upstream_tools.c). */
#include "account_fixture.h"

#define PROMPT(name) "{\"name\":\"" name "\"}"
#define RESOURCE(uri) "{\"uri\":\"" uri "\",\"name\":\"n\"}"
#define TEMPLATE(uri) "{\"uriTemplate\":\"" uri "\",\"name\":\"n\"}"
#define EVERYTHING "{\"tools\":{},\"prompts\":{},\"resources\":{}}"
#define CHANGING                                                                                   \
	"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"resources\":{"     \
	"\"listChanged\":true}}"
#define CHANGED(what) "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/" what "/list_changed\"}"

static void want(struct Up *u, enum McpList kind)
{
	u->inside = true;
	upstream_want(u->up, kind);
	u->inside = false;
}

static void await_listed(struct Up *u, enum McpList kind)
{
	while (!upstream_is_listed(u->up, kind))
		turn_until(&u->fixture, u->states, u->states + 1);
}

static const struct Item *item_at(struct Up *u, enum McpList kind, unsigned at)
{
	struct ItemList *list = upstream_items(u->up, kind);
	assert_non_null(list);
	assert_in_range(at, 0, list->items->len - 1);
	return list->items->pdata[at];
}

static void assert_keys(struct Up *u, enum McpList kind, const char *wanted)
{
	g_autoptr(GString) keys = g_string_new(NULL);
	struct ItemList *list = upstream_items(u->up, kind);
	for (guint i = 0; list && i < list->items->len; i++)
		g_string_append_printf(keys, " %s", item_at(u, kind, i)->key);
	assert_string_equal(keys->str, wanted);
}

static void test_lists_are_fetched_when_they_are_wanted(void **state)
{
	(void)state;
	for (unsigned modern = 0; modern < 2; modern++) {
		struct Up u;
		up_init(&u);
		if (modern)
			up_open_modern(&u, EVERYTHING, ADD_TOOL);
		else
			up_open_legacy(&u, "S", EVERYTHING, ADD_TOOL);
		peer_await_none(&u.peer, "prompts/list");
		assert_null(peer_find(&u.peer, "resources/list"));
		assert_false(upstream_is_listed(u.up, MCP_PROMPTS));
		assert_true(upstream_is_listed(u.up, MCP_TOOLS));
		want(&u, MCP_PROMPTS);
		want(&u, MCP_PROMPTS); /* once is enough */
		struct Hit *hit = peer_await(&u.peer, "prompts/list");
		assert_header(hit, "Mcp-Method", modern ? "prompts/list" : NULL);
		assert_false(upstream_is_listed(u.up, MCP_PROMPTS));
		hit_result(hit, "{\"prompts\":[" PROMPT("b") "," PROMPT("a") "]}");
		await_listed(&u, MCP_PROMPTS);
		assert_keys(&u, MCP_PROMPTS, " b a");
		want(&u, MCP_TEMPLATES);
		peer_serve_list(&u.peer, MCP_TEMPLATES, TEMPLATE("x://{y}"));
		await_listed(&u, MCP_TEMPLATES);
		assert_keys(&u, MCP_TEMPLATES, " x://{y}");
		assert_int_equal(u.items[MCP_PROMPTS], 1);
		assert_int_equal(u.items[MCP_TEMPLATES], 1);
		assert_int_equal(u.items[MCP_RESOURCES] + u.items[MCP_TOOLS], 0);
		assert_int_equal(u.tools, 1);
		assert_null(upstream_items(u.up, MCP_RESOURCES));
		peer_await_none(&u.peer, "prompts/list");
		up_release(&u);
	}
}

static void test_what_was_wanted_before_is_fetched_when_it_opens(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	want(&u, MCP_PROMPTS);
	want(&u, MCP_RESOURCES);
	assert_false(upstream_is_listed(u.up, MCP_RESOURCES));
	upstream_open(u.up, ERA_MODERN);
	up_serve_discover(&u, EVERYTHING);
	peer_serve_list(&u.peer, MCP_RESOURCES, RESOURCE("x://r"));
	await_listed(&u, MCP_RESOURCES);
	assert_false(upstream_is_settled(u.up)); /* of which tools alone decide */
	peer_serve_list(&u.peer, MCP_PROMPTS, "");
	up_serve_tools(&u, ADD_TOOL);
	await_listed(&u, MCP_PROMPTS);
	up_await_settled(&u);
	assert_keys(&u, MCP_RESOURCES, " x://r");
	assert_int_equal(upstream_items(u.up, MCP_PROMPTS)->items->len, 0);
	peer_await_none(&u.peer, "resources/templates/list");
	up_release(&u);
}

static void test_what_a_server_does_not_offer_is_empty(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, "{\"tools\":{},\"prompts\":{}}", ADD_TOOL);
	want(&u, MCP_RESOURCES);
	assert_false(upstream_is_listed(u.up, MCP_RESOURCES));
	up_await_items(&u, MCP_RESOURCES, 1);
	assert_true(upstream_is_listed(u.up, MCP_RESOURCES));
	assert_int_equal(upstream_items(u.up, MCP_RESOURCES)->items->len, 0);
	/* Nor is it asked for later. */
	clock_jump(&u.fixture, 10000);
	upstream_refresh_stale(u.up, MCP_RESOURCES);
	peer_await_none(&u.peer, "resources/list");
	up_release(&u);
}

/* Also where the answer comes with a status that would mean a lost session elsewhere. */
static void test_a_method_that_is_not_known_gives_an_empty_list(void **state)
{
	(void)state;
	static const int statuses[] = {200, 400, 404};
	for (size_t i = 0; i < G_N_ELEMENTS(statuses); i++) {
		struct Up u;
		up_init(&u);
		up_open_legacy(&u, "S", EVERYTHING, ADD_TOOL);
		want(&u, MCP_TEMPLATES);
		hit_error(peer_await(&u.peer, "resources/templates/list"), statuses[i], -32601, "");
		up_await_items(&u, MCP_TEMPLATES, 1);
		assert_int_equal(upstream_items(u.up, MCP_TEMPLATES)->items->len, 0);
		peer_await_none(&u.peer, "initialize");
		assert_int_equal(upstream_state(u.up), UPSTREAM_READY);
		up_release(&u);
	}
}

static void test_pages_of_items(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, EVERYTHING, ADD_TOOL);
	want(&u, MCP_RESOURCES);
	hit_result(peer_await(&u.peer, "resources/list"),
		"{\"resources\":[" RESOURCE(
			"x://2") ",{\"name\":\"no uri\"}],\"nextCursor\":\"p\"}");
	struct Hit *page = peer_await(&u.peer, "resources/list");
	assert_non_null(strstr(page->body, "\"cursor\":\"p\""));
	hit_result(page, "{\"resources\":[" RESOURCE("x://2") "," RESOURCE(
				 "x://1") ",{\"uri\":\"x://bad\",\"name\":\"n\",\"mimeType\":1}]}");
	await_listed(&u, MCP_RESOURCES);
	assert_keys(&u, MCP_RESOURCES, " x://2 x://1 x://bad");
	assert_null(item_at(&u, MCP_RESOURCES, 1)->invalid);
	assert_non_null(item_at(&u, MCP_RESOURCES, 2)->invalid);
	up_release(&u);
}

/* The upstream as a whole is none the worse for it. */
static void test_a_list_that_fails_keeps_the_one_before(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, NULL, EVERYTHING, ADD_TOOL);
	want(&u, MCP_PROMPTS);
	hit_reply(peer_await(&u.peer, "prompts/list"), 500, "", "");
	await_listed(&u, MCP_PROMPTS);
	assert_null(upstream_items(u.up, MCP_PROMPTS));
	assert_null(upstream_error(u.up));
	assert_int_equal(u.items[MCP_PROMPTS], 0);
	clock_jump(&u.fixture, 1100);
	peer_serve_list(&u.peer, MCP_PROMPTS, PROMPT("a"));
	up_await_items(&u, MCP_PROMPTS, 1);
	upstream_refresh(u.up, MCP_PROMPTS);
	upstream_refresh(u.up, MCP_PROMPTS); /* under way already */
	hit_result(peer_await(&u.peer, "prompts/list"), "{\"prompts\":1}");
	fixture_turn_for(&u.fixture, 20);
	assert_keys(&u, MCP_PROMPTS, " a");
	clock_jump(&u.fixture, 1100);
	peer_serve_list(&u.peer, MCP_PROMPTS, PROMPT("a")); /* no news */
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(u.items[MCP_PROMPTS], 1);
	peer_await_none(&u.peer, "tools/list");
	up_release(&u);
}

static void test_notices_are_for_their_own_lists(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	want(&u, MCP_RESOURCES);
	want(&u, MCP_TEMPLATES);
	up_open_legacy(&u, "S", CHANGING, ADD_TOOL);
	peer_serve_list(&u.peer, MCP_RESOURCES, RESOURCE("x://r"));
	peer_serve_list(&u.peer, MCP_TEMPLATES, TEMPLATE("x://{t}"));
	await_listed(&u, MCP_RESOURCES);
	await_listed(&u, MCP_TEMPLATES);
	struct Hit *get = peer_await(&u.peer, "GET");
	hit_stream(get, "");
	up_let_time_pass(&u);
	hit_event(get, CHANGED("resources")); /* which is that of templates as well */
	peer_serve_list(&u.peer, MCP_RESOURCES, RESOURCE("x://s"));
	peer_serve_list(&u.peer, MCP_TEMPLATES, TEMPLATE("x://{t}"));
	up_await_items(&u, MCP_RESOURCES, 2);
	fixture_turn_for(&u.fixture, 20);
	assert_int_equal(u.items[MCP_TEMPLATES], 1);
	assert_null(peer_find(&u.peer, "tools/list"));
	/* Nobody wanted the prompts so far: that they changed is all there is to say. */
	hit_event(get, CHANGED("prompts"));
	up_await_items(&u, MCP_PROMPTS, 1);
	hit_event(get, CHANGED("prompts"));
	up_await_items(&u, MCP_PROMPTS, 2);
	assert_null(upstream_items(u.up, MCP_PROMPTS));
	peer_await_none(&u.peer, "prompts/list");
	want(&u, MCP_PROMPTS);
	peer_serve_list(&u.peer, MCP_PROMPTS, PROMPT("a"));
	up_await_items(&u, MCP_PROMPTS, 3);
	up_release(&u);
}

static void test_a_notice_while_the_list_is_fetched(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, EVERYTHING, ADD_TOOL);
	want(&u, MCP_PROMPTS);
	struct Hit *hit = peer_await(&u.peer, "prompts/list");
	hit_stream(hit, "");
	hit_event(hit, CHANGED("prompts"));
	hit_event(hit, CHANGED("resources"));
	hit_event_result(hit, "{\"prompts\":[" PROMPT("a") "]}");
	await_listed(&u, MCP_PROMPTS);
	peer_await_none(&u.peer, "prompts/list"); /* not without a pause */
	clock_jump(&u.fixture, 510);
	peer_serve_list(&u.peer, MCP_PROMPTS, PROMPT("b"));
	up_await_items(&u, MCP_PROMPTS, 2);
	assert_keys(&u, MCP_PROMPTS, " b");
	assert_int_equal(u.items[MCP_RESOURCES], 1);
	assert_int_equal(u.items[MCP_TEMPLATES], 1);
	up_release(&u);
}

static void test_every_list_has_a_freshness_of_its_own(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	/* It tells of prompts, and of nothing else. */
	up_open_modern(
		&u, "{\"tools\":{},\"prompts\":{\"listChanged\":true},\"resources\":{}}", ADD_TOOL);
	struct Hit *listen = peer_await(&u.peer, "subscriptions/listen");
	assert_non_null(strstr(listen->body, "\"notifications\":{\"promptsListChanged\":true}"));
	want(&u, MCP_PROMPTS);
	want(&u, MCP_RESOURCES);
	hit_result(peer_await(&u.peer, "prompts/list"), "{\"prompts\":[]}");
	hit_result(peer_await(&u.peer, "resources/list"), "{\"resources\":[],\"ttlMs\":9000}");
	await_listed(&u, MCP_PROMPTS);
	await_listed(&u, MCP_RESOURCES);
	assert_int_equal(upstream_fresh_ms(u.up, MCP_PROMPTS), 0);
	assert_in_range(upstream_fresh_ms(u.up, MCP_RESOURCES), 5000, 9000);
	clock_jump(&u.fixture, 6000);
	upstream_refresh_stale(u.up, MCP_PROMPTS);
	upstream_refresh_stale(u.up, MCP_RESOURCES);
	upstream_refresh_stale(u.up, MCP_TEMPLATES); /* nobody wanted them */
	peer_await_none(&u.peer, "prompts/list");
	peer_await_none(&u.peer, "resources/list");
	assert_null(peer_find(&u.peer, "resources/templates/list"));
	clock_jump(&u.fixture, 3100);
	upstream_refresh_stale(u.up, MCP_RESOURCES);
	peer_await(&u.peer, "resources/list");
	/* A stream that is refused tells of nothing any more. */
	hit_reply(listen, 405, "", "");
	fixture_turn_for(&u.fixture, 20);
	upstream_refresh_stale(u.up, MCP_PROMPTS);
	peer_await(&u.peer, "prompts/list");
	up_release(&u);
}

static void test_a_lost_session_is_renewed_once_for_all_lists(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_legacy(&u, "S1", EVERYTHING, ADD_TOOL);
	want(&u, MCP_PROMPTS);
	want(&u, MCP_RESOURCES);
	struct Hit *prompts = peer_await(&u.peer, "prompts/list");
	struct Hit *resources = peer_await(&u.peer, "resources/list");
	hit_reply(prompts, 404, "", "");
	hit_await_close(resources); /* with the old session */
	up_serve_initialize(&u, "2025-11-25", "S2", EVERYTHING);
	prompts = peer_await(&u.peer, "prompts/list");
	assert_header(prompts, "Mcp-Session-Id", "S2");
	resources = peer_await(&u.peer, "resources/list");
	up_serve_tools(&u, ADD_TOOL);
	hit_reply(prompts, 404, "", ""); /* in the new session as well */
	hit_result(resources, "{\"resources\":[" RESOURCE("x://r") "]}");
	await_listed(&u, MCP_PROMPTS);
	await_listed(&u, MCP_RESOURCES);
	assert_null(upstream_items(u.up, MCP_PROMPTS));
	assert_keys(&u, MCP_RESOURCES, " x://r");
	peer_await_none(&u.peer, "initialize");
	up_release(&u);
}

static void test_lists_go_when_the_upstream_is_freed_or_shut_down(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct Up u;
		up_init(&u);
		up_open_modern(&u, i == 2 ? "{\"tools\":{}}" : EVERYTHING, ADD_TOOL);
		want(&u, MCP_PROMPTS);
		if (i < 2) {
			hit_result(peer_await(&u.peer, "prompts/list"),
				"{\"prompts\":[" PROMPT("a") "],\"nextCursor\":\"1\"}");
			peer_await(&u.peer, "prompts/list");
		}
		if (i == 1) {
			upstream_shutdown(u.up);
			want(&u, MCP_RESOURCES);
			peer_await_none(&u.peer, "resources/list");
		}
		assert_int_equal(u.items[MCP_PROMPTS], 0);
		up_release(&u);
	}
}

/* The call waits for a fetch that ends in the loop, although there is nothing to fetch. */
static void test_a_header_mismatch_of_a_server_without_tools(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_MODERN);
	up_serve_discover(&u, "{}");
	up_await_settled(&u);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_error(peer_await(&u.peer, "tools/call"), 400, -32020, "");
	hit_result(peer_await(&u.peer, "tools/call"), "{\"content\":[]}");
	ask_await(&ask);
	assert_ask_answer(&ask, "content");
	peer_await_none(&u.peer, "tools/list");
	ask_release(&ask);
	up_release(&u);
}

/* ---- accounts ---- */

static void open_signed_in(struct Office *o)
{
	office_init(o, "auth = oauth");
	upstream_want(o->u.up, MCP_PROMPTS);
	upstream_want(o->u.up, MCP_RESOURCES);
	office_open_modern(o, EVERYTHING);
}

static void test_one_new_token_serves_all_lists(void **state)
{
	(void)state;
	struct Office o;
	open_signed_in(&o);
	struct Hit *prompts = peer_await(&o.u.peer, "prompts/list");
	struct Hit *resources = peer_await(&o.u.peer, "resources/list");
	assert_bearer(prompts, "access-a");
	oauth_server_say(&o.d->a.server, TOKEN, OAUTH_SILENT, "", "");
	office_refuse(prompts);
	office_refuse(resources);
	struct OauthHit *request = office_await_request(&o, 1);
	assert_false(upstream_is_listed(o.u.up, MCP_PROMPTS));
	oauth_hit_serve(request);
	prompts = peer_await(&o.u.peer, "prompts/list");
	resources = peer_await(&o.u.peer, "resources/list");
	assert_bearer(prompts, "access-1");
	assert_bearer(resources, "access-1");
	hit_result(prompts, "{\"prompts\":[" PROMPT("a") "]}");
	/* One that is refused with the new one too is an error. */
	office_refuse(resources);
	await_listed(&o.u, MCP_PROMPTS);
	await_listed(&o.u, MCP_RESOURCES);
	assert_keys(&o.u, MCP_PROMPTS, " a");
	assert_null(upstream_items(o.u.up, MCP_RESOURCES));
	assert_null(upstream_error(o.u.up));
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

static void test_lists_fail_where_no_token_can_be_had(void **state)
{
	(void)state;
	struct Office o;
	open_signed_in(&o);
	oauth_server_say(&o.d->a.server, TOKEN, 503, "", "");
	hit_result(peer_await(&o.u.peer, "resources/list"), "{\"resources\":[]}");
	await_listed(&o.u, MCP_RESOURCES);
	office_refuse(peer_await(&o.u.peer, "prompts/list"));
	await_listed(&o.u, MCP_PROMPTS);
	assert_null(upstream_items(o.u.up, MCP_PROMPTS));
	assert_non_null(upstream_items(o.u.up, MCP_RESOURCES));
	assert_null(upstream_error(o.u.up));
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	office_release(&o);
}

static void test_items_go_with_a_sign_in_that_is_forgotten(void **state)
{
	(void)state;
	struct Office o;
	open_signed_in(&o);
	hit_result(peer_await(&o.u.peer, "prompts/list"),
		"{\"prompts\":[" PROMPT("a") "],\"ttlMs\":60000}");
	await_listed(&o.u, MCP_PROMPTS);
	assert_int_equal(o.u.items[MCP_PROMPTS], 1);
	desk_clear(o.d);
	office_notice(&o);
	up_await_state(&o.u, UPSTREAM_SIGNED_OUT);
	up_await_items(&o.u, MCP_PROMPTS, 2);
	assert_null(upstream_items(o.u.up, MCP_PROMPTS));
	assert_null(upstream_tools(o.u.up));
	assert_int_equal(upstream_fresh_ms(o.u.up, MCP_PROMPTS), 0);
	assert_int_equal(o.u.items[MCP_RESOURCES], 0);
	assert_true(upstream_is_listed(o.u.up, MCP_RESOURCES)); /* nothing more will come */
	office_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists_are_fetched_when_they_are_wanted),
		cmocka_unit_test(test_what_was_wanted_before_is_fetched_when_it_opens),
		cmocka_unit_test(test_what_a_server_does_not_offer_is_empty),
		cmocka_unit_test(test_a_method_that_is_not_known_gives_an_empty_list),
		cmocka_unit_test(test_pages_of_items),
		cmocka_unit_test(test_a_list_that_fails_keeps_the_one_before),
		cmocka_unit_test(test_notices_are_for_their_own_lists),
		cmocka_unit_test(test_a_notice_while_the_list_is_fetched),
		cmocka_unit_test(test_every_list_has_a_freshness_of_its_own),
		cmocka_unit_test(test_a_lost_session_is_renewed_once_for_all_lists),
		cmocka_unit_test(test_lists_go_when_the_upstream_is_freed_or_shut_down),
		cmocka_unit_test(test_a_header_mismatch_of_a_server_without_tools),
		cmocka_unit_test(test_one_new_token_serves_all_lists),
		cmocka_unit_test(test_lists_fail_where_no_token_can_be_had),
		cmocka_unit_test(test_items_go_with_a_sign_in_that_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
