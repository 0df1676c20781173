/* From a connector to the metadata of the resource that it is: every place in its order, every refusal. */
#include "discovery_fixture.h"

/* ---- the conformance suite's four variants ---- */

static void test_named_place_and_oauth_metadata(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	two.mcp.challenge = "Bearer resource_metadata=\"" MCP RESOURCE_AT_PATH "\", scope=\"a b\"";
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	assert_found(&two, AS, MCP "/mcp");
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, NULL);
	assert_asked(&two.as, OAUTH_AT_ROOT, NULL);
	assert_string_equal(two.found.server.token_endpoint, AS "/token");
	assert_string_equal(two.found.challenge->scope, "a b");
	assert_null(two.found.resource_scopes);
	assert_false(two.found.server.assumed);
	two_release(&two);
}

static void test_path_place_and_openid_metadata(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OPENID_AT_ROOT, AS);
	assert_found(&two, AS, MCP "/mcp");
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, NULL);
	assert_asked(&two.as, OAUTH_AT_ROOT, OPENID_AT_ROOT, NULL);
	assert_null(two.found.challenge);
	two_release(&two);
}

static void test_root_place_and_inserted_metadata(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_resource(&two, RESOURCE_AT_ROOT, MCP, "\"" AS "/tenant1\"");
	put_server(&two.as, OAUTH_AT_ROOT "/tenant1", AS "/tenant1");
	assert_found(&two, AS "/tenant1", MCP);
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, RESOURCE_AT_ROOT, NULL);
	assert_asked(&two.as, OAUTH_AT_ROOT "/tenant1", NULL);
	two_release(&two);
}

static void test_place_of_ones_own_and_appended_metadata(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	two.mcp.challenge = "Bearer resource_metadata=\"" MCP "/custom/location.json\"";
	put_resource(&two, "/custom/location.json", MCP "/mcp", "\"" AS "/tenant1\"");
	put_server(&two.as, "/tenant1" OPENID_AT_ROOT, AS "/tenant1");
	assert_found(&two, AS "/tenant1", MCP "/mcp");
	assert_asked(&two.mcp, "/mcp", "/custom/location.json", NULL);
	assert_asked(&two.as, OAUTH_AT_ROOT "/tenant1", OPENID_AT_ROOT "/tenant1",
		"/tenant1" OPENID_AT_ROOT, NULL);
	two_release(&two);
}

/* ---- asking the connector ---- */

static void test_the_question_has_the_connectors_headers_and_no_credentials(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	struct HeaderConfig extra = {.name = (char *)"X-Read-Only", .value = (char *)"1"};
	g_ptr_array_add(two.connector.headers, &extra);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	assert_found(&two, AS, MCP "/mcp");
	const struct OauthHit *hit = oauth_server_last(&two.mcp, "/mcp");
	const char *const wanted[][2] = {{"Content-Type", "application/json"},
		{"Accept", "application/json, text/event-stream"}, {"X-Read-Only", "1"},
		{"Authorization", NULL}};
	for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
		g_autofree char *value = oauth_hit_header(hit, wanted[i][0]);
		assert_int_equal(g_strcmp0(value, wanted[i][1]), 0);
	}
	assert_non_null(strstr(hit->body, "\"method\":\"initialize\""));
	/* Others are not told what is meant for the connector. */
	g_autofree char *elsewhere =
		oauth_hit_header(oauth_server_last(&two.as, OAUTH_AT_ROOT), "X-Read-Only");
	assert_null(elsewhere);
	two_release(&two);
}

static void test_a_given_challenge_is_enough(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	name_place(&two, MCP RESOURCE_AT_PATH);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	assert_found(&two, AS, MCP "/mcp");
	assert_asked(&two.mcp, RESOURCE_AT_PATH, NULL);
	assert_string_equal(two.found.challenge->resource_metadata, MCP RESOURCE_AT_PATH);
	two_release(&two);
}

static void test_any_answer_of_the_connector_will_do(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	static const int statuses[] = {200, 302, 400, 403, 429, 503};
	for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++) {
		oauth_server_say(&two.mcp, "/mcp", statuses[i],
			"WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer scope=s\r\n"
			"Location: " AS "/\r\n",
			"");
		assert_found(&two, AS, MCP "/mcp");
		assert_string_equal(two.found.challenge->scope, "s");
	}
	/* It may be a stream, too. */
	g_autofree char *stream = g_strnfill(1 << 20, '\n');
	oauth_server_say(&two.mcp, "/mcp", 200,
		"Content-Type: text/event-stream\r\nWWW-Authenticate: Bearer scope=t\r\n", stream);
	assert_found(&two, AS, MCP "/mcp");
	assert_string_equal(two.found.challenge->scope, "t");
	two_release(&two);
}

/* Some servers let anybody open a session, and challenge what comes after. */
static void test_an_open_door_is_not_taken_for_an_open_house(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *version, *method, *session;
	} cases[] = {
		{200, "2025-11-25", NULL, "s-1"},
		{400, "2026-07-28", "tools/list", NULL},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Two two;
		two_init(&two);
		PUT_RESOURCE(&two, RESOURCE_AT_PATH);
		put_server(&two.as, OAUTH_AT_ROOT, AS);
		oauth_server_say(&two.mcp, "/mcp", cases[i].status,
			cases[i].session ? "Mcp-Session-Id: s-1\r\n" : "", "{}");
		oauth_server_say(
			&two.mcp, "/mcp", 401, "WWW-Authenticate: Bearer scope=late\r\n", "");
		assert_found(&two, AS, MCP "/mcp");
		assert_string_equal(two.found.challenge->scope, "late");
		assert_asked(&two.mcp, "/mcp", "/mcp", RESOURCE_AT_PATH, NULL);
		const struct OauthHit *hit = oauth_server_last(&two.mcp, "/mcp");
		const char *const wanted[][2] = {{"MCP-Protocol-Version", cases[i].version},
			{"Mcp-Method", cases[i].method}, {"Mcp-Session-Id", cases[i].session},
			{"Authorization", NULL}};
		for (unsigned j = 0; j < G_N_ELEMENTS(wanted); j++) {
			g_autofree char *value = oauth_hit_header(hit, wanted[j][0]);
			assert_int_equal(g_strcmp0(value, wanted[j][1]), 0);
		}
		assert_non_null(strstr(hit->body, "\"method\":\"tools/list\""));
		two_release(&two);
	}
}

static void test_a_second_question_that_fails_costs_nothing(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	oauth_server_say(&two.mcp, "/mcp", 200, "Connection: close\r\n", "{}");
	oauth_server_say_always(&two.mcp, "/mcp", OAUTH_CUT, "", "");
	assert_found(&two, AS, MCP "/mcp");
	assert_null(two.found.challenge);
	two_release(&two);
}

static void test_a_connector_that_does_not_answer(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	oauth_server_say(&two.mcp, "/mcp", OAUTH_CUT, "", "");
	assert_fault(&two, MUX_ERROR_BROKEN, "");
	oauth_server_say(&two.mcp, "/mcp", OAUTH_SILENT, "", "");
	two_start(&two);
	oauth_server_await(&two.mcp, &two.fixture, "/mcp", 2);
	clock_jump(&two.fixture, FETCH_LIMIT_MS);
	turn_until(&two.fixture, two.done, 1);
	assert_int_equal(two.error->code, MUX_ERROR_TIMEOUT);
	mcp_origin = "http://127.0.0.1:1";
	assert_fault(&two, MUX_ERROR_UNREACHABLE, "");
	two_release(&two);
}

static void test_plain_http_to_another_machine_is_refused(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	g_autofree char *url = g_strdup_printf("http://0.0.0.0:%u/mcp", two.mcp.port);
	use_url(&two, url);
	assert_fault(&two, MUX_ERROR_UPSTREAM, "https alone");
	assert_asked(&two.mcp, NULL);
	two_release(&two);
}

/* ---- metadata of the resource ---- */

static void test_a_connector_without_a_path_has_one_place(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	use_url(&two, MCP "/");
	put_resource(&two, RESOURCE_AT_ROOT, MCP "/", "\"" AS "\"");
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	name_place(&two, MCP "/gone");
	assert_found(&two, AS, MCP "/");
	assert_asked(&two.mcp, "/gone", RESOURCE_AT_ROOT, NULL);
	two_release(&two);
}

static void test_the_resource_is_sent_as_it_stands(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 200, "Content-Type: text/plain\r\n",
		"{\"resource\":\"HTTPS://MCP.test/\",\"authorization_servers\":[\"" AS "\"],"
		"\"scopes_supported\":[\"r\",\"w\"]}");
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	assert_found(&two, AS, "HTTPS://MCP.test/"); /* as it stands */
	assert_string_equal(two.found.resource_scopes, "r w");
	two.connector.resource_parameter = false;
	assert_found(&two, AS, NULL);
	two_release(&two);
}

static void test_a_document_about_something_else_ends_it(void **state)
{
	(void)state;
	static const char *const others[] = {"https://evil.test/mcp", MCP "/other",
		MCP "/mcp/deeper", MCP "/mc", "http://mcp.test/mcp", "mcp", MCP "/mcp?x"};
	static const char *const places[] = {"/named", RESOURCE_AT_PATH, RESOURCE_AT_ROOT};
	for (unsigned i = 0; i < G_N_ELEMENTS(others) * G_N_ELEMENTS(places); i++) {
		const char *place = places[i % G_N_ELEMENTS(places)];
		struct Two two;
		two_init(&two);
		if (place == places[0])
			name_place(&two, MCP "/named");
		put_resource(&two, place, others[i / G_N_ELEMENTS(places)], "\"" AS "\"");
		PUT_RESOURCE(&two, "/.well-known/oauth-protected-resource/mcp/");
		put_server(&two.as, OAUTH_AT_ROOT, AS);
		assert_fault(&two, MUX_ERROR_UPSTREAM, ", not about " MCP "/mcp");
		assert_non_null(strstr(two.error->message, place));
		const struct OauthHit *last = two.mcp.hits->pdata[two.mcp.hits->len - 1];
		assert_string_equal(last->path, place);
		assert_asked(&two.as, NULL);
		two_release(&two);
	}
}

static void test_a_wrong_document_ends_it_too(void **state)
{
	(void)state;
	static const struct {
		const char *text, *says;
	} cases[] = {
		{"{\"authorization_servers\":[\"" AS "\"]}", "has no resource"},
		{"{\"resource\":7}", "has no resource"},
		{"{\"resource\":\"" MCP "\",\"resource\":\"" MCP "\"}", ""},
		{"{\"resource\":\"" MCP "\",\"authorization_servers\":[\"http://as.test\"]}",
			"https"},
	};
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_ROOT);
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		oauth_server_say(&two.mcp, RESOURCE_AT_PATH, 200, "", cases[i].text);
		assert_fault(&two, MUX_ERROR_UPSTREAM, cases[i].says);
		assert_non_null(strstr(two.error->message, MCP RESOURCE_AT_PATH ": "));
	}
	assert_int_equal(oauth_server_count(&two.mcp, RESOURCE_AT_ROOT), 0);
	two_release(&two);
}

/* One byte over what is read, and about something else. */
static char *large_document(void)
{
	return g_strdup_printf("%-*s", FETCH_DOCUMENT_BYTES + 1,
		"{\"resource\":\"https://evil.test\",\"issuer\":\"https://evil.test\"}");
}

static void test_where_nothing_is_the_next_place_is_asked(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_resource(&two, RESOURCE_AT_ROOT, MCP, "\"" AS "\"");
	put_server(&two.as, OPENID_AT_ROOT, AS);
	for (unsigned i = 0; i < G_N_ELEMENTS(nothings); i++) {
		oauth_server_say(&two.mcp, RESOURCE_AT_PATH, nothings[i].status,
			nothings[i].headers, nothings[i].body);
		oauth_server_say(&two.as, OAUTH_AT_ROOT, nothings[i].status, nothings[i].headers,
			nothings[i].body);
		assert_found(&two, AS, MCP);
	}
	g_autofree char *large = large_document();
	oauth_server_say(&two.mcp, RESOURCE_AT_PATH, 200, "", large);
	oauth_server_say(&two.as, OAUTH_AT_ROOT, 200, "", large);
	assert_found(&two, AS, MCP);
	two_release(&two);
}

static void test_an_outage_is_no_reason_to_fall_back(void **state)
{
	(void)state;
	static const struct {
		int status;
		enum MuxError code;
	} cases[] = {
		{408, MUX_ERROR_UPSTREAM},
		{425, MUX_ERROR_UPSTREAM},
		{429, MUX_ERROR_BUSY},
		{500, MUX_ERROR_UPSTREAM},
		{502, MUX_ERROR_UPSTREAM},
		{503, MUX_ERROR_BUSY},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *says =
			g_strdup_printf(MCP RESOURCE_AT_PATH ": HTTP %d", cases[i].status);
		struct Two two;
		two_init(&two);
		oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, cases[i].status, "", "");
		assert_fault(&two, cases[i].code, says);
		assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, RESOURCE_AT_ROOT, NULL);
		/* What another place says is as good as ever. */
		put_resource(&two, RESOURCE_AT_ROOT, MCP, "\"" AS "\"");
		oauth_server_say(&two.as, OAUTH_AT_ROOT, cases[i].status, "", "");
		put_server(&two.as, OPENID_AT_ROOT, AS);
		assert_found(&two, AS, MCP);
		/* An outage that did not matter is no reason for anything. */
		oauth_server_say_always(&two.as, OPENID_AT_ROOT, 404, "", "");
		assert_fault(&two, MUX_ERROR_UPSTREAM, "no metadata of it was found");
		oauth_server_say(&two.as, OPENID_AT_ROOT, cases[i].status, "", "");
		assert_fault(&two, cases[i].code, AS OPENID_AT_ROOT ": HTTP");
		two_release(&two);
	}
}

static void test_a_place_that_fails_to_answer_ends_it(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_ROOT);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, OAUTH_CUT, "", "");
	assert_fault(&two, MUX_ERROR_BROKEN, "the resource's metadata at " MCP RESOURCE_AT_PATH);
	assert_int_equal(oauth_server_count(&two.mcp, RESOURCE_AT_ROOT), 0);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 404, "", "");
	as_origin = "http://127.0.0.1:1";
	assert_fault(&two, MUX_ERROR_UNREACHABLE,
		"the authorization server's metadata at " AS OAUTH_AT_ROOT);
	two_release(&two);
}

/* ---- a place that the challenge names ---- */

static void test_after_a_named_place_without_anything_come_the_others(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	name_place(&two, MCP "/named?secret");
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	assert_found(&two, AS, MCP "/mcp");
	assert_asked(&two.mcp, "/named", RESOURCE_AT_PATH, NULL);
	/* But not the fallbacks of an older revision. */
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 404, "", "");
	put_server(&two.mcp, OAUTH_AT_ROOT, MCP);
	assert_fault(&two, MUX_ERROR_UPSTREAM,
		MCP "/named (HTTP 404), " MCP RESOURCE_AT_PATH " (HTTP 404), " MCP RESOURCE_AT_ROOT
		    " (HTTP 404)");
	assert_int_equal(oauth_server_count(&two.mcp, OAUTH_AT_ROOT), 0);
	two_release(&two);
}

static void test_no_place_is_asked_twice(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	name_place(&two, MCP RESOURCE_AT_ROOT);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 200, "", "{\"resource\":\"" MCP "\"}");
	assert_fault(&two, MUX_ERROR_UPSTREAM, "no metadata of it was found");
	assert_asked(
		&two.mcp, RESOURCE_AT_ROOT, RESOURCE_AT_PATH, OAUTH_AT_ROOT, OPENID_AT_ROOT, NULL);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 404, "", "");
	assert_fault(&two, MUX_ERROR_UPSTREAM, "none was found");
	assert_int_equal(oauth_server_count(&two.mcp, RESOURCE_AT_ROOT), 2);
	two_release(&two);
}

static void test_a_named_place_must_have_the_document(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *headers, *body, *says;
		enum MuxError code;
	} cases[] = {
		{200, "", "<html>", "it is no such document", MUX_ERROR_UPSTREAM},
		{200, "", "{}", "it is no such document", MUX_ERROR_UPSTREAM},
		{204, "", "", "HTTP 204", MUX_ERROR_UPSTREAM},
		{429, "", "", "HTTP 429", MUX_ERROR_BUSY},
		{501, "", "", "HTTP 501", MUX_ERROR_UPSTREAM},
		{503, "", "", "HTTP 503", MUX_ERROR_BUSY},
		{302, "Location: https://evil.test/\r\n", "",
			"it redirects to another place: https://evil.test", MUX_ERROR_UPSTREAM},
	};
	struct Two two;
	two_init(&two);
	name_place(&two, MCP "/named");
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		oauth_server_say(
			&two.mcp, "/named", cases[i].status, cases[i].headers, cases[i].body);
		assert_fault(&two, cases[i].code, cases[i].says);
		assert_non_null(
			strstr(two.error->message, "the resource's metadata at " MCP "/named: "));
	}
	g_autofree char *large = large_document();
	oauth_server_say(&two.mcp, "/named", 200, "", large);
	assert_fault(&two, MUX_ERROR_UPSTREAM, MCP "/named: it is no such document");
	assert_int_equal(oauth_server_count(&two.mcp, RESOURCE_AT_PATH), 0);
	two_release(&two);
}

static void test_a_named_place_may_be_elsewhere_on_the_network_but_not_on_this_machine(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	oauth_server_say_always(&two.as, "/about-mcp", 200, "",
		"{\"resource\":\"" MCP "/mcp\",\"authorization_servers\":[\"" AS "\"]}");
	name_place(&two, AS "/about-mcp");
	assert_found(&two, AS, MCP "/mcp");
	g_autofree char *local = g_strconcat(two.as.origin, "/about-mcp", NULL);
	name_place(&two, local);
	assert_fault(&two, MUX_ERROR_UPSTREAM, "must not lead to this machine");
	g_autofree char *plain = g_strdup_printf("http://0.0.0.0:%u/about-mcp", two.as.port);
	name_place(&two, plain);
	assert_fault(&two, MUX_ERROR_UPSTREAM, "expected an https URL");
	name_place(&two, "about-mcp");
	assert_fault(&two, MUX_ERROR_UPSTREAM, "expected an https URL");
	assert_asked(&two.as, "/about-mcp", OAUTH_AT_ROOT, NULL);
	assert_asked(&two.mcp, NULL);
	two_release(&two);
}
int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_named_place_and_oauth_metadata),
		cmocka_unit_test(test_path_place_and_openid_metadata),
		cmocka_unit_test(test_root_place_and_inserted_metadata),
		cmocka_unit_test(test_place_of_ones_own_and_appended_metadata),
		cmocka_unit_test(test_the_question_has_the_connectors_headers_and_no_credentials),
		cmocka_unit_test(test_a_given_challenge_is_enough),
		cmocka_unit_test(test_any_answer_of_the_connector_will_do),
		cmocka_unit_test(test_an_open_door_is_not_taken_for_an_open_house),
		cmocka_unit_test(test_a_second_question_that_fails_costs_nothing),
		cmocka_unit_test(test_a_connector_that_does_not_answer),
		cmocka_unit_test(test_plain_http_to_another_machine_is_refused),
		cmocka_unit_test(test_a_connector_without_a_path_has_one_place),
		cmocka_unit_test(test_the_resource_is_sent_as_it_stands),
		cmocka_unit_test(test_a_document_about_something_else_ends_it),
		cmocka_unit_test(test_a_wrong_document_ends_it_too),
		cmocka_unit_test(test_where_nothing_is_the_next_place_is_asked),
		cmocka_unit_test(test_an_outage_is_no_reason_to_fall_back),
		cmocka_unit_test(test_a_place_that_fails_to_answer_ends_it),
		cmocka_unit_test(test_after_a_named_place_without_anything_come_the_others),
		cmocka_unit_test(test_no_place_is_asked_twice),
		cmocka_unit_test(test_a_named_place_must_have_the_document),
		cmocka_unit_test(
			test_a_named_place_may_be_elsewhere_on_the_network_but_not_on_this_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
