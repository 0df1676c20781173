/* Opening an upstream: what each answer to a probe proves, the handshake of each era, backing off. */
#include "upstream_fixture.h"

static void assert_open(struct Up *u, const char *revision)
{
	up_await_state(u, UPSTREAM_READY);
	assert_string_equal(upstream_revision(u->up), revision);
	assert_null(upstream_error(u->up));
}

static void assert_failed_with(struct Up *u, enum UpstreamState state, int code, const char *part)
{
	up_await_state(u, state);
	const GError *error = upstream_error(u->up);
	assert_non_null(error);
	if (!strstr(error->message, part))
		fail_msg("\"%s\" lacks \"%s\"", error->message, part);
	assert_int_equal(error->code, code);
	assert_true(upstream_is_settled(u->up));
	assert_null(upstream_revision(u->up));
}

static void test_legacy_handshake(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\nheader.X-Own = yes");
	upstream_offer_revision(u.up, "2025-06-18");
	upstream_offer_revision(u.up, "1999-01-01"); /* no such thing */
	upstream_open(u.up, ERA_LEGACY);
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	upstream_open(u.up, ERA_LEGACY); /* once is enough */
	struct Hit *hit = peer_await(&u.peer, "initialize");
	struct JsonValue params = json_get(slice_of(hit->body), "params");
	assert_true(slice_is(json_get(params.raw, "protocolVersion").raw, "\"2025-06-18\""));
	assert_true(slice_is(json_get(params.raw, "capabilities").raw, "{}"));
	assert_int_equal(json_get(params.raw, "clientInfo").type, JSON_OBJECT);
	assert_int_equal(json_get(params.raw, "_meta").type, JSON_NONE);
	assert_header(hit, "X-Own", "yes");
	assert_header(hit, "Accept", "application/json, text/event-stream");
	assert_header(hit, "Content-Type", "application/json");
	assert_header(hit, "MCP-Protocol-Version", NULL);
	assert_header(hit, "Mcp-Session-Id", NULL);
	g_autofree char *text = result_text(hit,
		"{\"protocolVersion\":\"2025-03-26\",\"capabilities\":{\"tools\":{}},"
		"\"instructions\":\"Be \\u0062rief.\",\"serverInfo\":{}}");
	hit_reply(hit, 200, "mcp-session-id: S-1\r\n", text);
	struct Hit *initialized = peer_await(&u.peer, "notifications/initialized");
	assert_header(initialized, "Mcp-Session-Id", "S-1");
	assert_header(initialized, "MCP-Protocol-Version", "2025-03-26");
	assert_header(initialized, "X-Own", "yes");
	/* Strict servers refuse what overtakes it. */
	peer_await_none(&u.peer, "tools/list");
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	hit_reply(initialized, 202, "", "");
	assert_open(&u, "2025-03-26");
	assert_string_equal(upstream_instructions(u.up), "Be brief.");
	struct Hit *list = peer_await(&u.peer, "tools/list");
	assert_header(list, "Mcp-Session-Id", "S-1");
	assert_header(list, "MCP-Protocol-Version", "2025-03-26");
	assert_header(list, "Mcp-Method", NULL);
	assert_false(upstream_is_settled(u.up));
	hit_result(list, "{\"tools\":[]}");
	up_await_settled(&u);
	assert_int_equal(u.peer.all->len, 3);
	up_release(&u);
}

static void test_modern_discovery(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = none\nheader.X-Own = yes");
	upstream_open(u.up, ERA_MODERN);
	struct Hit *hit = peer_await(&u.peer, "server/discover");
	struct Slice meta = json_get(json_get(slice_of(hit->body), "params").raw, "_meta").raw;
	assert_true(slice_is(json_get(meta, MCP_META_VERSION).raw, "\"2026-07-28\""));
	assert_int_equal(json_get(meta, MCP_META_CLIENT_INFO).type, JSON_OBJECT);
	assert_true(slice_is(json_get(meta, MCP_META_CAPABILITIES).raw, "{}"));
	assert_header(hit, "MCP-Protocol-Version", "2026-07-28");
	assert_header(hit, "Mcp-Method", "server/discover");
	assert_header(hit, "Mcp-Name", NULL);
	assert_header(hit, "X-Own", "yes");
	hit_result(hit, "{\"supportedVersions\":[7,\"2025-11-25\",\"2026-07-28\"],"
			"\"capabilities\":{\"tools\":{}}}");
	assert_open(&u, "2026-07-28");
	assert_null(upstream_instructions(u.up));
	struct Hit *list = peer_await(&u.peer, "tools/list");
	assert_header(list, "Mcp-Method", "tools/list");
	assert_header(list, "MCP-Protocol-Version", "2026-07-28");
	assert_header(list, "Mcp-Session-Id", NULL);
	assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_MODERN), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_NONE);
	up_release(&u);
}

/* What a server answers to server/discover, and that it is legacy by that. */
struct Refusal {
	int status;
	const char *headers;
	const char *body;
};

#define ERR(code) "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":" #code ",\"message\":\"no\"}}"

static void test_what_proves_legacy(void **state)
{
	(void)state;
	static const struct Refusal refusals[] = {
		{200, "", ERR(-32601)},
		{404, "", ERR(-32601)},
		{404, "Content-Type: text/html\r\n", "<h1>Not found</h1>"},
		{400, "",
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32000,\"message\":"
			"\"Bad "
			"Request: Server not initialized\"}}"},
		{400, "", ""},
		{405, "", "no"},
		{406, "", ERR(-32600)},
		{200, "", ERR(-32602)},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":{}}}"},
		{200, "", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"supportedVersions\":[]}}"},
		{200, "Content-Type: text/html\r\n", "<p>Welcome"},
		{202, "", ""},
		{400, "",
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":"
			"\"no\","
			"\"data\":{\"supported\":[\"2025-06-18\"],\"requested\":\"2026-07-28\"}}}"},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_MODERN);
		struct Hit *hit = peer_await(&u.peer, "server/discover");
		hit_reply(hit, refusals[i].status, refusals[i].headers, refusals[i].body);
		up_serve_initialize(&u, "2025-11-25", NULL, QUIET_TOOLS);
		assert_open(&u, "2025-11-25");
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_SPOKEN);
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_MODERN), ERA_FACT_REFUSED);
		up_release(&u);
	}
}

static void test_what_proves_modern(void **state)
{
	(void)state;
	/* To `initialize`, with whatever status. */
	static const struct Refusal refusals[] = {
		{400, "",
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":"
			"\"no\","
			"\"data\":{\"supported\":[\"2026-07-28\"]}}}"},
		{400, "", ERR(-32020)},
		{200, "", ERR(-32021)},
		{500, "", ERR(-32022)},
		{503, "", ERR(-32020)},
		{404, "", ERR(-32601)},
		{200, "", ERR(-32601)},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		hit_reply(hit, refusals[i].status, refusals[i].headers, refusals[i].body);
		up_serve_discover(&u, QUIET_TOOLS);
		assert_open(&u, "2026-07-28");
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_REFUSED);
		up_release(&u);
	}
}

/* It is modern, so nothing of the other era is tried, but it does not speak our revision. */
/* A server that refuses the revision which it names as supported is asked once more. */
static void test_a_refusal_of_what_is_supported_is_asked_again_once(void **state)
{
	(void)state;
	static const char refusal[] =
		"{\"jsonrpc\":\"2.0\",\"id\":%u,\"error\":{\"code\":-32022,"
		"\"message\":\"no\",\"data\":{\"supported\":[\"" MCP_MODERN "\"]}}}";
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_MODERN);
	for (unsigned id = 1; id <= 2; id++) {
		g_autofree char *body = g_strdup_printf(refusal, id);
		hit_reply(peer_await(&u.peer, "server/discover"), 400, "", body);
	}
	assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM, "refused revision");
	peer_await_none(&u.peer, "initialize");
	up_release(&u);
}

static void test_modern_of_another_revision_is_an_error(void **state)
{
	(void)state;
	static const struct Refusal refusals[] = {
		{400, "",
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32022,\"message\":"
			"\"no\","
			"\"data\":{\"supported\":[\"2027-01-01\"]}}}"},
		{400, "", ERR(-32020)},
		{200, "", ERR(-32021)},
		{500, "", ERR(-32021)},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_MODERN);
		struct Hit *hit = peer_await(&u.peer, "server/discover");
		hit_reply(hit, refusals[i].status, refusals[i].headers, refusals[i].body);
		assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM, "refused revision");
		if (i == 0)
			assert_non_null(strstr(upstream_error(u.up)->message, "2027-01-01"));
		peer_await_none(&u.peer, "initialize");
		up_release(&u);
	}
}

/* Nothing is learnt, nothing else is tried, and it is tried again later. */
static void test_what_proves_nothing(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers;
		int code;
		const char *part;
	} answers[] = {
		{429, "Retry-After: 7\r\n", MUX_ERROR_BUSY, "HTTP 429, retry after 7 seconds"},
		{503, "", MUX_ERROR_BUSY, "HTTP 503"},
		{500, "", MUX_ERROR_UPSTREAM, "HTTP 500"},
		{502, "Content-Type: text/html\r\n", MUX_ERROR_UPSTREAM, "HTTP 502"},
		{0, "", MUX_ERROR_BROKEN, ""},
	};
	static const char *const probes[] = {"initialize", "server/discover"};
	for (size_t i = 0; i < 2 * G_N_ELEMENTS(answers); i++) {
		size_t n = i / 2;
		struct Up u;
		up_init(&u);
		upstream_open(u.up, i % 2 ? ERA_MODERN : ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, probes[i % 2]);
		if (answers[n].status)
			hit_reply(hit, answers[n].status, answers[n].headers, "oh");
		else
			hit_cut(hit);
		if (!answers[n].status)
			hit_cut(peer_await(&u.peer, probes[i % 2])); /* sent again once */
		assert_failed_with(&u, UPSTREAM_FAILED, answers[n].code, answers[n].part);
		peer_await_none(&u.peer, probes[(i + 1) % 2]);
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_NONE);
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_MODERN), ERA_FACT_NONE);
		clock_jump(&u.fixture, 1100);
		/* It may also have failed because it does not know what it was asked. */
		bool other = answers[n].status >= 500;
		peer_await(&u.peer, probes[(i + other) % 2]);
		up_release(&u);
	}
}

static void test_a_hanging_probe_times_out(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	struct Hit *hit = peer_await(&u.peer, "initialize");
	clock_jump(&u.fixture, 29000);
	assert_int_equal(upstream_state(u.up), UPSTREAM_OPENING);
	clock_jump(&u.fixture, 1500);
	assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_TIMEOUT, "30 seconds");
	hit_await_close(hit);
	up_release(&u);
}

static void test_endless_comments_do_not_keep_a_probe_alive(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	struct Hit *hit = peer_await(&u.peer, "initialize");
	hit_stream(hit, "");
	for (unsigned i = 0; i < 4; i++) {
		hit_bytes(hit, ": still here\n\n");
		fixture_turn_for(&u.fixture, 5);
		clock_jump(&u.fixture, 8000);
	}
	assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_TIMEOUT, "30 seconds");
	up_release(&u);
}

/* Without accounts nobody can sign in, so it is tried again like any failure. */
static void test_401_and_403_prove_nothing_of_eras(void **state)
{
	(void)state;
	static const char *const probes[] = {"initialize", "server/discover"};
	for (unsigned i = 0; i < 4; i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, i % 2 ? ERA_MODERN : ERA_LEGACY);
		hit_reply(peer_await(&u.peer, probes[i % 2]), i < 2 ? 401 : 403, "", "");
		assert_failed_with(&u, UPSTREAM_FAILED,
			i < 2 ? MUX_ERROR_SIGN_IN : MUX_ERROR_FORBIDDEN, "wants a sign-in");
		assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_NONE);
		assert_null(peer_find(&u.peer, probes[(i + 1) % 2]));
		clock_jump(&u.fixture, 1100);
		peer_await(&u.peer, probes[i % 2]);
		up_release(&u);
	}
}

static void test_a_connector_with_accounts_waits_for_its_sign_in(void **state)
{
	(void)state;
	struct Up u;
	up_init_with(&u, "auth = oauth");
	assert_int_equal(upstream_state(u.up), UPSTREAM_SIGNED_OUT);
	assert_true(upstream_is_settled(u.up));
	upstream_open(u.up, ERA_LEGACY);
	peer_await_none(&u.peer, "initialize");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	ask_await(&ask);
	assert_ask_failed(&ask, MUX_ERROR_SIGN_IN, "nobody has signed in");
	ask_release(&ask);
	up_release(&u);
}

static void test_a_server_of_neither_era(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		struct Hit *second;
		if (i == 0) {
			hit_reply(hit, 301, "Location: /other\r\n", "");
			second = peer_await(&u.peer, "server/discover");
			hit_reply(second, 301, "Location: /other\r\n", "");
			assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM,
				"HTTP 301: a redirect, which is not followed");
		} else if (i == 1) {
			hit_reply(hit, 200, "Content-Type: text/html\r\n", "<p>");
			second = peer_await(&u.peer, "server/discover");
			hit_reply(second, 200, "Content-Type: text/html\r\n", "<p>");
			assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM,
				"text/html instead of JSON");
		} else {
			hit_error(hit, 200, -32601, "");
			second = peer_await(&u.peer, "server/discover");
			hit_error(second, 200, -32601, "");
			assert_failed_with(
				&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM, "neither era of MCP");
		}
		assert_int_equal(u.peer.all->len, 2);
		up_release(&u);
	}
}

static void test_an_unknown_revision_is_refused(void **state)
{
	(void)state;
	static const char *const versions[] = {"\"2023-01-01\"", "\"2026-07-28\"", "5", "null"};
	for (size_t i = 0; i < G_N_ELEMENTS(versions); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		g_autofree char *result = g_strdup_printf(
			"{\"protocolVersion\":%s,\"capabilities\":{}}", versions[i]);
		hit_result(peer_await(&u.peer, "initialize"), result);
		assert_failed_with(&u, UPSTREAM_FAILED, MUX_ERROR_UPSTREAM, "which is not known");
		up_release(&u);
	}
}

static void test_a_session_id_that_is_no_visible_ascii_is_none(void **state)
{
	(void)state;
	static const char *const ids[] = {"a\x01z", "a b", "\xc3\xa4"};
	for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
		struct Up u;
		up_init(&u);
		upstream_open(u.up, ERA_LEGACY);
		struct Hit *hit = peer_await(&u.peer, "initialize");
		g_autofree char *text = result_text(
			hit, "{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{}}");
		g_autofree char *header = g_strdup_printf("Mcp-Session-Id: %s\r\n", ids[i]);
		hit_reply(hit, 200, header, text);
		assert_header(
			peer_await(&u.peer, "notifications/initialized"), "Mcp-Session-Id", NULL);
		up_release(&u);
	}
}

static void test_facts_save_the_probe_that_would_fail(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	era_store_set(u.eras, u.peer.url, ERA_LEGACY, ERA_FACT_SPOKEN);
	era_store_set(u.eras, u.peer.url, ERA_MODERN, ERA_FACT_REFUSED);
	upstream_open(u.up, ERA_MODERN);
	/* They are wrong by now: it was updated. */
	hit_error(peer_await(&u.peer, "initialize"), 400, -32022,
		",\"data\":{\"supported\":[\"2026-07-28\"]}");
	up_serve_discover(&u, QUIET_TOOLS);
	assert_open(&u, "2026-07-28");
	assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_MODERN), ERA_FACT_SPOKEN);
	assert_int_equal(era_store_get(u.eras, u.peer.url, ERA_LEGACY), ERA_FACT_REFUSED);
	up_release(&u);
}

/* That it spoke one does not mean that it does not speak the other. */
static void test_a_fact_about_one_era_does_not_decide(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	era_store_set(u.eras, u.peer.url, ERA_LEGACY, ERA_FACT_SPOKEN);
	upstream_open(u.up, ERA_MODERN);
	peer_await(&u.peer, "server/discover");
	up_release(&u);
}

/* The pauses double, keep below five minutes, and are never shorter than half of it. */
static void test_pauses_grow(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	unsigned pause = 1000;
	for (unsigned i = 0; i < 11; i++) {
		hit_reply(up_await_probe(&u), 429, "", "");
		up_await_state(&u, UPSTREAM_FAILED);
		clock_jump(&u.fixture, pause / 2 - 100);
		assert_int_equal(upstream_state(u.up), UPSTREAM_FAILED);
		clock_jump(&u.fixture, pause / 2 + 200);
		pause = MIN(pause * 2, 300000);
	}
	up_serve_initialize(&u, "2025-11-25", NULL, QUIET_TOOLS);
	assert_open(&u, "2025-11-25");
	up_release(&u);
}

static void test_a_call_opens_a_failed_upstream_at_once(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	hit_reply(peer_await(&u.peer, "initialize"), 429, "", "");
	up_await_state(&u, UPSTREAM_FAILED);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	up_serve_initialize(&u, "2025-11-25", "S", QUIET_TOOLS);
	struct Hit *hit = peer_await(&u.peer, "tools/call");
	assert_header(hit, "Mcp-Session-Id", "S");
	hit_result(hit, "{\"content\":[]}");
	ask_await(&ask);
	assert_ask_answer(&ask, "\"content\":[]");
	ask_release(&ask);
	up_release(&u);
}

static void test_what_waits_fails_with_the_opening(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Ask ask[3] = {{0}};
	for (unsigned i = 0; i < 3; i++)
		ask_add(&u, &ask[i]); /* never opened: the first of them opens it */
	hit_reply(peer_await(&u.peer, "server/discover"), 503, "Retry-After: soon\r\n", "");
	for (unsigned i = 0; i < 3; i++) {
		ask_await(&ask[i]);
		assert_ask_failed(&ask[i], MUX_ERROR_BUSY, "HTTP 503, retry after soon");
		ask_release(&ask[i]);
	}
	up_release(&u);
}

static void cancel_other(struct Ask *ask)
{
	if (ask->other && ask->other->call)
		upstream_call_cancel(g_steal_pointer(&ask->other->call));
}

static void test_a_failing_call_may_cancel_the_next(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Ask ask[3] = {{0}};
	for (unsigned i = 0; i < 3; i++)
		ask_add(&u, &ask[i]);
	ask[0].on_end = cancel_other;
	ask[0].other = &ask[1];
	hit_reply(peer_await(&u.peer, "server/discover"), 500, "", "");
	ask_await(&ask[2]);
	assert_int_equal(ask[0].ended, 1);
	assert_int_equal(ask[1].ended, 0);
	for (unsigned i = 0; i < 3; i++)
		ask_release(&ask[i]);
	up_release(&u);
}

static void ask_again(struct Ask *ask)
{
	if (ask->other && !ask->other->call)
		ask_add(ask->u, ask->other);
}

/* The new call belongs to the next attempt, not to the one that has just failed. */
static void test_a_failing_call_may_start_another(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	struct Ask first = {0}, second = {.u = &u};
	ask_add(&u, &first);
	first.on_end = ask_again;
	first.other = &second;
	hit_reply(peer_await(&u.peer, "server/discover"), 429, "", "");
	ask_await(&first);
	assert_int_equal(second.ended, 0);
	up_serve_discover(&u, QUIET_TOOLS);
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&second);
	assert_ask_answer(&second, "\"result\":{}");
	ask_release(&first);
	ask_release(&second);
	up_release(&u);
}

static void test_instructions_are_cut_between_characters(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	g_autoptr(GString) result = g_string_new(
		"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},\"instructions\":\"x");
	for (unsigned i = 0; i < 40000; i++)
		g_string_append(result, "ä");
	g_string_append(result, "\"}");
	hit_result(peer_await(&u.peer, "initialize"), result->str);
	hit_reply(peer_await(&u.peer, "notifications/initialized"), 202, "", "");
	up_await_state(&u, UPSTREAM_READY);
	const char *text = upstream_instructions(u.up);
	assert_in_range(strlen(text), 64 * 1024 - 4, 64 * 1024);
	assert_true(g_utf8_validate(text, -1, NULL));
	up_release(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legacy_handshake),
		cmocka_unit_test(test_modern_discovery),
		cmocka_unit_test(test_what_proves_legacy),
		cmocka_unit_test(test_what_proves_modern),
		cmocka_unit_test(test_modern_of_another_revision_is_an_error),
		cmocka_unit_test(test_a_refusal_of_what_is_supported_is_asked_again_once),
		cmocka_unit_test(test_what_proves_nothing),
		cmocka_unit_test(test_a_hanging_probe_times_out),
		cmocka_unit_test(test_endless_comments_do_not_keep_a_probe_alive),
		cmocka_unit_test(test_401_and_403_prove_nothing_of_eras),
		cmocka_unit_test(test_a_connector_with_accounts_waits_for_its_sign_in),
		cmocka_unit_test(test_a_server_of_neither_era),
		cmocka_unit_test(test_an_unknown_revision_is_refused),
		cmocka_unit_test(test_a_session_id_that_is_no_visible_ascii_is_none),
		cmocka_unit_test(test_facts_save_the_probe_that_would_fail),
		cmocka_unit_test(test_a_fact_about_one_era_does_not_decide),
		cmocka_unit_test(test_pauses_grow),
		cmocka_unit_test(test_a_call_opens_a_failed_upstream_at_once),
		cmocka_unit_test(test_what_waits_fails_with_the_opening),
		cmocka_unit_test(test_a_failing_call_may_cancel_the_next),
		cmocka_unit_test(test_a_failing_call_may_start_another),
		cmocka_unit_test(test_instructions_are_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
