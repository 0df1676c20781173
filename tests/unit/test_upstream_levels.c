/* The level of log messages, of IDEs and servers of both eras. */
#include "account_fixture.h"
#include "request_fixture.h"

#define LOGS "{\"tools\":{},\"logging\":{}}"
#define LOGGING "logging/setLevel"

static void open_legacy(struct Up *u, const char *session, const char *capabilities)
{
	up_init(u);
	up_open_legacy(u, session, capabilities, ADD_TOOL);
}

static struct Hit *await_level(struct Up *u, const char *wanted)
{
	struct Hit *hit = peer_await(&u->peer, LOGGING);
	g_autofree char *params = g_strdup_printf(
		"\"method\":\"" LOGGING "\",\"params\":{\"level\":\"%s\"}}", wanted);
	if (!strstr(hit->body, params))
		fail_msg("%s lacks %s", hit->body, params);
	return hit;
}

/* A modern IDE's prompts/get. */
static void wish_at(struct Up *u, struct Wish *wish, enum SyslogLevel level)
{
	struct UpstreamRequest request = {
		.era = ERA_MODERN, .method = "prompts/get", .log_level = level};
	wish_start(u, wish, request,
		SAID("prompts/get", "{\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"x\"}}"));
}

static void serve(struct Up *u, struct Wish *wish)
{
	wish_finish(wish, peer_await(&u->peer, "prompts/get"));
	*wish = (struct Wish){0};
}

/* ---- a legacy IDE's ---- */

static void test_a_legacy_server_is_told_in_every_session(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, "S1", LOGS);
	peer_await_none(&u.peer, LOGGING);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_NOTICE);
	struct Hit *hit = await_level(&u, "notice");
	assert_header(hit, "Mcp-Session-Id", "S1");
	hit_result(hit, "{}");
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", LOGS);
	hit = await_level(&u, "notice");
	assert_header(hit, "Mcp-Session-Id", "S2");
	hit_result(peer_await(&u.peer, "tools/call"), "{}"); /* it does not wait */
	ask_await(&ask);
	hit_result(hit, "{}");
	peer_await_none(&u.peer, LOGGING);
	ask_release(&ask);
	up_release(&u);
}

static void test_a_level_set_early_is_told_at_the_opening(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_EMERGENCY);
	peer_await_none(&u.peer, "initialize"); /* that opens nothing */
	up_open_legacy(&u, NULL, LOGS, ADD_TOOL);
	hit_result(await_level(&u, "emergency"), "{}");
	up_release(&u);
}

static void test_a_server_without_logging_is_not_told(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, NULL, QUIET_TOOLS);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_DEBUG);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_DEBUG);
	serve(&u, &wish);
	peer_await_none(&u.peer, LOGGING);
	up_release(&u);
}

/* Two that are under way might be read in another order. */
static void test_levels_are_told_one_after_the_other_and_the_last_holds(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, NULL, LOGS);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_ERROR);
	struct Hit *first = await_level(&u, "error");
	upstream_set_log_level(u.up, SYSLOG_LEVEL_DEBUG);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_CRITICAL);
	peer_await_none(&u.peer, LOGGING);
	hit_result(first, "{}");
	hit_result(await_level(&u, "critical"), "{}");
	peer_await_none(&u.peer, LOGGING);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_ALERT);
	hit_result(await_level(&u, "alert"), "{}");
	up_release(&u);
}

static void test_no_level_leaves_the_next_session_its_own_choice(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, "S1", LOGS);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_INFO);
	hit_result(await_level(&u, "info"), "{}");
	upstream_set_log_level(u.up, SYSLOG_LEVEL_NONE);
	struct Ask ask = {0};
	ask_add(&u, &ask);
	hit_reply(peer_await(&u.peer, "tools/call"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", LOGS);
	hit_result(peer_await(&u.peer, "tools/call"), "{}");
	ask_await(&ask);
	peer_await_none(&u.peer, LOGGING);
	ask_release(&ask);
	up_release(&u);
}

#define IN_META ",\"io.modelcontextprotocol/logLevel\":\"warning\"}"

static void test_a_modern_server_is_told_with_each_call(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_set_log_level(u.up, SYSLOG_LEVEL_WARNING);
	up_open_modern(&u, LOGS, ADD_TOOL);
	static const char *const params[] = {"{}", "{\"_meta\":{}}", "{\"_meta\":{\"a\":1}}",
		"{\"_meta\":{\"io.modelcontextprotocol/logLevel\":\"debug\"}}"};
	static const char said[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"prompts/get\",\"params\":%s}";
	for (unsigned i = 0; i < G_N_ELEMENTS(params); i++) {
		struct Wish wish = {0};
		struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
		g_auto(GStrv) parts = g_strsplit(said, "%s", -1);
		g_autofree char *text = g_strjoinv(params[i], parts);
		wish_start(&u, &wish, request, text);
		struct Hit *hit = peer_await(&u.peer, "prompts/get");
		assert_non_null(strstr(hit->body, "\"io.modelcontextprotocol/clientCapabilities"
						  "\":{}" IN_META));
		assert_null(strstr(hit->body, "debug"));
		wish_finish(&wish, hit);
	}
	struct Wish modern = {0};
	wish_at(&u, &modern, SYSLOG_LEVEL_DEBUG);
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	assert_null(strstr(hit->body, "warning"));
	wish_finish(&modern, hit);
	for (guint i = 0; i < u.peer.all->len; i++) {
		hit = u.peer.all->pdata[i];
		assert_string_not_equal(hit->label, LOGGING);
		if (strcmp(hit->label, "prompts/get") != 0)
			assert_null(strstr(hit->body, "logLevel"));
	}
	/* Until it is taken back. */
	upstream_set_log_level(u.up, SYSLOG_LEVEL_NONE);
	struct Wish last = {0};
	hit = wish_start_prompt(&u, &last);
	assert_null(strstr(hit->body, "logLevel"));
	upstream_call_cancel(last.ask.call);
	wish_release(&last);
	up_release(&u);
}

/* ---- a modern IDE's ---- */

static void test_the_session_gets_the_level_before_the_request(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, "S", LOGS);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_WARNING);
	assert_false(upstream_call_is_out(wish.ask.call));
	struct Hit *level = await_level(&u, "warning");
	assert_header(level, "Mcp-Session-Id", "S");
	peer_await_none(&u.peer, "prompts/get");
	hit_result(level, "{}");
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	assert_null(strstr(hit->body, "logLevel"));
	wish_finish(&wish, hit);
	/* It is there, or more than that. */
	static const enum SyslogLevel enough[] = {
		SYSLOG_LEVEL_WARNING, SYSLOG_LEVEL_ERROR, SYSLOG_LEVEL_EMERGENCY};
	for (unsigned i = 0; i < G_N_ELEMENTS(enough); i++) {
		wish = (struct Wish){0};
		wish_at(&u, &wish, enough[i]);
		assert_true(upstream_call_is_out(wish.ask.call));
		serve(&u, &wish);
	}
	wish_at(&u, &wish, SYSLOG_LEVEL_NOTICE);
	hit_result(await_level(&u, "notice"), "{}");
	serve(&u, &wish);
	up_release(&u);
}

static void test_requests_without_a_level_do_not_wait(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, NULL, LOGS);
	struct Wish wish[2] = {0};
	wish_at(&u, &wish[0], SYSLOG_LEVEL_DEBUG);
	struct Hit *level = await_level(&u, "debug");
	wish_at(&u, &wish[1], SYSLOG_LEVEL_NONE);
	assert_true(upstream_call_is_out(wish[1].ask.call));
	serve(&u, &wish[1]);
	/* A legacy IDE's neither, whatever stands there. */
	struct UpstreamRequest request = {
		.era = ERA_LEGACY, .method = "prompts/get", .log_level = SYSLOG_LEVEL_DEBUG};
	wish_start(&u, &wish[1], request, SAID("prompts/get", "{}"));
	serve(&u, &wish[1]);
	peer_await_none(&u.peer, "prompts/get");
	hit_result(level, "{}");
	serve(&u, &wish[0]);
	up_release(&u);
}

static void test_calls_of_many_levels_cost_few_requests(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, NULL, LOGS);
	static const enum SyslogLevel levels[] = {SYSLOG_LEVEL_ERROR, SYSLOG_LEVEL_INFO,
		SYSLOG_LEVEL_ALERT, SYSLOG_LEVEL_NOTICE, SYSLOG_LEVEL_INFO};
	struct Wish wish[G_N_ELEMENTS(levels)] = {0};
	for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++)
		wish_at(&u, &wish[i], levels[i]);
	struct Hit *level = await_level(&u, "error");
	peer_await_none(&u.peer, LOGGING);
	hit_result(level, "{}");
	level = await_level(&u, "info");
	/* Those that "error" was enough for are out. */
	struct Hit *hits[2] = {
		peer_await(&u.peer, "prompts/get"), peer_await(&u.peer, "prompts/get")};
	peer_await_none(&u.peer, "prompts/get");
	assert_true(upstream_call_is_out(wish[0].ask.call));
	assert_true(upstream_call_is_out(wish[2].ask.call));
	hit_result(level, "{}");
	hit_result(hits[0], "{}");
	hit_result(hits[1], "{}");
	for (unsigned i = 0; i < 3; i++)
		hit_result(peer_await(&u.peer, "prompts/get"), "{}");
	for (unsigned i = 0; i < G_N_ELEMENTS(levels); i++) {
		ask_await(&wish[i].ask);
		wish_release(&wish[i]);
	}
	peer_await_none(&u.peer, LOGGING);
	up_release(&u);
}

static void refuse_by_error(struct Up *u, struct Hit *hit)
{
	(void)u;
	hit_error(hit, 200, -32601, "");
}

static void refuse_by_status(struct Up *u, struct Hit *hit)
{
	(void)u;
	hit_reply(hit, 500, "", "");
}

static void refuse_by_nonsense(struct Up *u, struct Hit *hit)
{
	(void)u;
	hit_reply(hit, 200, "", "{");
}

static void refuse_by_silence(struct Up *u, struct Hit *hit)
{
	(void)hit;
	clock_jump(&u->fixture, 29 * 1000);
	peer_await_none(&u->peer, "prompts/get");
	clock_jump(&u->fixture, 1100);
}

/* It is the server's loss, and one is enough: neither is it asked before every call. */
static void test_a_refused_level_holds_up_one_request_for_a_moment(void **state)
{
	(void)state;
	static void (*const ways[])(struct Up *, struct Hit *) = {
		refuse_by_error, refuse_by_status, refuse_by_nonsense, refuse_by_silence};
	for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
		struct Up u;
		open_legacy(&u, "S", LOGS);
		struct Wish wish = {0};
		wish_at(&u, &wish, SYSLOG_LEVEL_ERROR);
		ways[i](&u, await_level(&u, "error"));
		serve(&u, &wish);
		wish_at(&u, &wish, SYSLOG_LEVEL_ERROR);
		assert_true(upstream_call_is_out(wish.ask.call));
		serve(&u, &wish);
		wish_at(&u, &wish, SYSLOG_LEVEL_DEBUG);
		hit_result(await_level(&u, "debug"), "{}");
		serve(&u, &wish);
		up_release(&u);
	}
}

static void test_a_modern_server_needs_no_request_for_it(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	up_open_modern(&u, LOGS, ADD_TOOL);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_DEBUG);
	assert_true(upstream_call_is_out(wish.ask.call));
	serve(&u, &wish);
	peer_await_none(&u.peer, LOGGING);
	up_release(&u);
}

static void test_a_request_that_waited_for_the_opening_gets_its_level(void **state)
{
	(void)state;
	struct Up u;
	up_init(&u);
	upstream_open(u.up, ERA_LEGACY);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
	up_serve_initialize(&u, "2024-11-05", NULL, LOGS);
	struct Hit *level = await_level(&u, "info");
	peer_await_none(&u.peer, "prompts/get");
	hit_result(level, "{}");
	serve(&u, &wish);
	up_release(&u);
}

/* ---- sessions that end ---- */

static void test_a_new_session_gets_the_level_before_the_request_goes_out_again(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, "S1", LOGS);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
	hit_result(await_level(&u, "info"), "{}");
	hit_reply(peer_await(&u.peer, "prompts/get"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", LOGS);
	struct Hit *level = await_level(&u, "info");
	assert_header(level, "Mcp-Session-Id", "S2");
	peer_await_none(&u.peer, "prompts/get");
	hit_result(level, "{}");
	struct Hit *hit = peer_await(&u.peer, "prompts/get");
	assert_header(hit, "Mcp-Session-Id", "S2");
	wish_finish(&wish, hit);
	up_release(&u);
}

/* The request itself finds out that it is. */
static void test_a_session_found_lost_by_the_level(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, "S1", LOGS);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
	hit_reply(await_level(&u, "info"), 404, "", "");
	hit_reply(peer_await(&u.peer, "prompts/get"), 404, "", "");
	up_serve_initialize(&u, "2025-11-25", "S2", LOGS);
	hit_result(await_level(&u, "info"), "{}");
	serve(&u, &wish);
	up_release(&u);
}

/* The answer for the old session says nothing of the new one. */
static void test_an_answer_that_comes_late_is_not_believed(void **state)
{
	(void)state;
	for (unsigned early = 0; early < 2; early++) {
		struct Up u;
		open_legacy(&u, "S1", LOGS);
		struct Wish wish = {0};
		struct Ask ask = {0};
		ask_add(&u, &ask);
		struct Hit *call = peer_await(&u.peer, "tools/call");
		wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
		struct Hit *old = await_level(&u, "info");
		hit_reply(call, 404, "", "");
		struct Hit *opening = peer_await(&u.peer, "initialize");
		if (early) {
			hit_result(old, "{}");
			peer_await_none(&u.peer, "prompts/get"); /* there is no session */
		}
		g_autofree char *result = result_text(opening,
			"{\"protocolVersion\":\"2025-11-25\",\"capabilities\":" LOGS
			",\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}}");
		hit_reply(opening, 200, "Mcp-Session-Id: S2\r\n", result);
		hit_reply(peer_await(&u.peer, "notifications/initialized"), 202, "", "");
		struct Hit *level = await_level(&u, "info");
		assert_header(level, "Mcp-Session-Id", "S2");
		if (!early)
			hit_result(old, "{}");
		peer_await_none(&u.peer, "prompts/get");
		hit_result(level, "{}");
		serve(&u, &wish);
		hit_result(peer_await(&u.peer, "tools/call"), "{}");
		ask_await(&ask);
		ask_release(&ask);
		up_release(&u);
	}
}

static void test_cancelled_or_shut_down_while_the_level_is_set(void **state)
{
	(void)state;
	for (unsigned way = 0; way < 3; way++) {
		struct Up u;
		open_legacy(&u, NULL, LOGS);
		struct Wish wish = {0};
		wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
		struct Hit *level = await_level(&u, "info");
		if (way == 0)
			upstream_call_cancel(wish.ask.call);
		else if (way == 1)
			upstream_shutdown(u.up);
		hit_result(level, "{}");
		if (way < 2)
			peer_await_none(&u.peer, "prompts/get");
		peer_await_none(&u.peer, "notifications/cancelled"); /* it was never told */
		if (way == 1)
			upstream_set_log_level(u.up, SYSLOG_LEVEL_DEBUG);
		peer_await_none(&u.peer, LOGGING);
		assert_int_equal(wish.ask.ended, 0);
		wish_release(&wish);
		up_release(&u);
	}
}

static void test_a_server_that_vanishes_fails_the_request(void **state)
{
	(void)state;
	struct Up u;
	open_legacy(&u, NULL, LOGS);
	struct Wish wish = {0};
	wish_at(&u, &wish, SYSLOG_LEVEL_INFO);
	await_level(&u, "info");
	peer_vanish(&u.peer);
	ask_await(&wish.ask);
	assert_non_null(wish.ask.error);
	wish_release(&wish);
	up_release(&u);
}

/* ---- accounts ---- */

static void test_a_token_refused_for_the_level_is_renewed(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, "auth = oauth");
	office_open_legacy(&o, LOGS);
	struct Up *u = &o.u;
	struct Wish wish = {0};
	wish_at(u, &wish, SYSLOG_LEVEL_INFO);
	struct Hit *hit = await_level(u, "info");
	assert_bearer(hit, "access-a");
	office_refuse(hit);
	hit = await_level(u, "info");
	assert_bearer(hit, "access-1");
	peer_await_none(&u->peer, "prompts/get");
	hit_result(hit, "{}");
	hit = peer_await(&u->peer, "prompts/get");
	assert_bearer(hit, "access-1");
	wish_finish(&wish, hit);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

/* Whoever may not set the level may still ask for a prompt. */
static void test_a_level_that_is_refused_to_every_token_costs_no_sign_in(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, "auth = oauth");
	office_open_legacy(&o, LOGS);
	struct Wish wish = {0};
	wish_at(&o.u, &wish, SYSLOG_LEVEL_INFO);
	office_refuse(await_level(&o.u, "info"));
	office_refuse(await_level(&o.u, "info"));
	struct Hit *hit = peer_await(&o.u.peer, "prompts/get");
	assert_bearer(hit, "access-1");
	wish_finish(&wish, hit);
	office_release(&o);
}

static void test_a_legacy_ides_level_survives_a_refused_token(void **state)
{
	(void)state;
	struct Office o;
	office_init(&o, "auth = oauth");
	office_open_legacy(&o, LOGS);
	upstream_set_log_level(o.u.up, SYSLOG_LEVEL_ERROR);
	office_refuse(await_level(&o.u, "error"));
	struct Hit *hit = await_level(&o.u, "error");
	assert_bearer(hit, "access-1");
	/* A server that wants none at all for it is not asked for ever. */
	office_refuse(hit);
	peer_await_none(&o.u.peer, LOGGING);
	assert_int_equal(upstream_state(o.u.up), UPSTREAM_READY);
	assert_int_equal(office_requests(&o), 1);
	office_release(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_legacy_server_is_told_in_every_session),
		cmocka_unit_test(test_a_level_set_early_is_told_at_the_opening),
		cmocka_unit_test(test_a_server_without_logging_is_not_told),
		cmocka_unit_test(test_levels_are_told_one_after_the_other_and_the_last_holds),
		cmocka_unit_test(test_no_level_leaves_the_next_session_its_own_choice),
		cmocka_unit_test(test_a_modern_server_is_told_with_each_call),
		cmocka_unit_test(test_the_session_gets_the_level_before_the_request),
		cmocka_unit_test(test_requests_without_a_level_do_not_wait),
		cmocka_unit_test(test_calls_of_many_levels_cost_few_requests),
		cmocka_unit_test(test_a_refused_level_holds_up_one_request_for_a_moment),
		cmocka_unit_test(test_a_modern_server_needs_no_request_for_it),
		cmocka_unit_test(test_a_request_that_waited_for_the_opening_gets_its_level),
		cmocka_unit_test(
			test_a_new_session_gets_the_level_before_the_request_goes_out_again),
		cmocka_unit_test(test_a_session_found_lost_by_the_level),
		cmocka_unit_test(test_an_answer_that_comes_late_is_not_believed),
		cmocka_unit_test(test_cancelled_or_shut_down_while_the_level_is_set),
		cmocka_unit_test(test_a_server_that_vanishes_fails_the_request),
		cmocka_unit_test(test_a_token_refused_for_the_level_is_renewed),
		cmocka_unit_test(test_a_level_that_is_refused_to_every_token_costs_no_sign_in),
		cmocka_unit_test(test_a_legacy_ides_level_survives_a_refused_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
