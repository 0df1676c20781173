/* From the metadata of a resource to that of its authorization server, the fallbacks of MCP 2025-03-26, and every
 * way in which the discovery may end early. */
#include "discovery_fixture.h"

/* ---- which server ---- */

static void test_the_stored_issuer_is_taken_where_it_is_listed(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_resource(&two, RESOURCE_AT_PATH, MCP "/mcp",
		"\"" AS "\",\"" AS "/b\",\"https://unused.test\"");
	put_server(&two.as, OAUTH_AT_ROOT, AS);
	put_server(&two.as, OAUTH_AT_ROOT "/b", AS "/b");
	assert_found(&two, AS, MCP "/mcp");
	two.stored = AS "/b";
	assert_found(&two, AS "/b", MCP "/mcp");
	two.stored = AS "/b/";
	assert_found(&two, AS, MCP "/mcp");
	two.stored = "https://gone.test";
	assert_found(&two, AS, MCP "/mcp");
	two_release(&two);
}

static void test_an_issuer_is_taken_to_the_letter(void **state)
{
	(void)state;
	static const char *const issuers[][2] = {
		{AS "/", AS "/"}, {AS ":443", AS ":443"}, {AS, AS "/"}, {AS "/", AS}, {AS, MCP}};
	for (unsigned i = 0; i < G_N_ELEMENTS(issuers); i++) {
		struct Two two;
		two_init(&two);
		g_autofree char *listed = g_strdup_printf("\"%s\"", issuers[i][0]);
		put_resource(&two, RESOURCE_AT_PATH, MCP, listed);
		put_server(&two.as, OAUTH_AT_ROOT, issuers[i][1]);
		put_server(&two.as, OPENID_AT_ROOT, issuers[i][0]);
		if (strcmp(issuers[i][0], issuers[i][1]) == 0) {
			assert_found(&two, issuers[i][0], MCP);
		} else {
			assert_fault(&two, MUX_ERROR_UPSTREAM, issuers[i][1]);
			assert_non_null(strstr(two.error->message, AS OAUTH_AT_ROOT ": "));
		}
		assert_asked(&two.as, OAUTH_AT_ROOT, NULL);
		two_release(&two);
	}
}

static void test_endpoints_may_be_elsewhere_but_not_on_this_machine(void **state)
{
	(void)state;
	static const struct {
		const char *endpoint, *url;
		bool good;
	} cases[] = {
		{"authorization_endpoint", "https://login.test/authorize", true},
		{"authorization_endpoint", "http://localhost:8000/authorize", false},
		{"token_endpoint", "https://127.0.0.1/token", false},
		{"registration_endpoint", "http://[::1]/register?a=b", false},
		{"revocation_endpoint", "http://127.1.2.3/revoke", false},
		{"revocation_endpoint", "http://login.test/revoke", false},
	};
	struct Two two;
	two_init(&two);
	PUT_RESOURCE(&two, RESOURCE_AT_PATH);
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf(
			"{\"issuer\":\"" AS "\",\"%s\":\"%s\"}", cases[i].endpoint, cases[i].url);
		oauth_server_say(&two.as, OAUTH_AT_ROOT, 200, "", text);
		if (cases[i].good)
			assert_found(&two, AS, MCP "/mcp");
		else
			assert_fault(&two, MUX_ERROR_UPSTREAM, AS OAUTH_AT_ROOT);
	}
	two_release(&two);
}

static void test_an_issuer_on_this_machine_is_for_connectors_there(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	g_autofree char *listed = g_strdup_printf("\"%s\"", two.as.origin);
	put_resource(&two, RESOURCE_AT_PATH, MCP "/mcp", listed);
	two.as.metadata = true;
	assert_fault(&two, MUX_ERROR_UPSTREAM, "must not lead to this machine");
	assert_asked(&two.as, NULL);
	use_url(&two, two.mcp.url);
	put_resource(&two, RESOURCE_AT_PATH, two.mcp.url, listed);
	assert_found(&two, two.as.origin, two.mcp.url);
	two_release(&two);
}

static void test_without_metadata_the_places_are_named(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_resource(&two, RESOURCE_AT_PATH, MCP, "\"" AS "/t\"");
	put_server(&two.as, OAUTH_AT_ROOT, AS "/t"); /* not the place for it */
	put_server(&two.mcp, OAUTH_AT_ROOT, MCP);
	oauth_server_say(&two.as, OPENID_AT_ROOT "/t", 200, "", "<html>");
	oauth_server_say(&two.as, "/t" OPENID_AT_ROOT, 302, "Location: " MCP "/\r\n", "");
	assert_fault(&two, MUX_ERROR_UPSTREAM,
		"names the authorization server " AS
		"/t, and no metadata of it was found: " AS OAUTH_AT_ROOT
		"/t (HTTP 404), " AS OPENID_AT_ROOT "/t (no such document), " AS "/t" OPENID_AT_ROOT
		" (it redirects to another place: " MCP ")");
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, NULL);
	two_release(&two);
}

/* ---- no authorization server is named ---- */

static void test_metadata_that_lists_no_server_leads_to_the_origin(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	oauth_server_say_always(&two.mcp, RESOURCE_AT_PATH, 200, "",
		"{\"resource\":\"" MCP "\",\"scopes_supported\":[\"s\"]}");
	put_server(&two.mcp, OAUTH_AT_ROOT, MCP);
	assert_found(&two, MCP, MCP);
	assert_string_equal(two.found.resource_scopes, "s");
	/* Endpoints are not guessed: the server knows of metadata. */
	oauth_server_say_always(&two.mcp, OAUTH_AT_ROOT, 404, "", "");
	assert_fault(&two, MUX_ERROR_UPSTREAM,
		"names no authorization server, and no metadata of it was found: " MCP OAUTH_AT_ROOT
		" (HTTP 404), " MCP OPENID_AT_ROOT " (HTTP 404)");
	two_release(&two);
}

static void test_2025_03_26_metadata_at_the_origin(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	put_server(&two.mcp, OAUTH_AT_ROOT, MCP);
	assert_found(&two, MCP, MCP "/mcp");
	assert_false(two.found.server.assumed);
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, RESOURCE_AT_ROOT, OAUTH_AT_ROOT, NULL);
	g_autofree char *revision = oauth_hit_header(
		oauth_server_last(&two.mcp, OAUTH_AT_ROOT), "MCP-Protocol-Version");
	assert_string_equal(revision, "2025-03-26");
	oauth_server_say_always(&two.mcp, OAUTH_AT_ROOT, 404, "", "");
	put_server(&two.mcp, OPENID_AT_ROOT, MCP "/");
	assert_found(&two, MCP "/", MCP "/mcp");
	two_release(&two);
}

static void test_2025_03_26_metadata_of_another_issuer(void **state)
{
	(void)state;
	static const char *const issuers[] = {AS, MCP "/mcp", MCP "?x", MCP ":8443",
		"http://localhost/", "https://evil.test/\\u202e"};
	struct Two two;
	two_init(&two);
	put_server(&two.mcp, OPENID_AT_ROOT, MCP);
	for (unsigned i = 0; i < G_N_ELEMENTS(issuers); i++) {
		put_server(&two.mcp, OAUTH_AT_ROOT, issuers[i]);
		assert_fault(&two, MUX_ERROR_UPSTREAM, MCP OAUTH_AT_ROOT ": ");
		assert_true(g_utf8_validate(two.error->message, -1, NULL));
		assert_null(strstr(two.error->message, "\u202e"));
	}
	assert_int_equal(oauth_server_count(&two.mcp, OPENID_AT_ROOT), 0);
	two_release(&two);
}

static void test_2025_03_26_endpoints_without_metadata(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	use_url(&two, MCP "/mcp?a=b");
	for (unsigned i = 0; i < G_N_ELEMENTS(nothings); i++) {
		const char *const places[] = {
			RESOURCE_AT_PATH, RESOURCE_AT_ROOT, OAUTH_AT_ROOT, OPENID_AT_ROOT};
		for (unsigned j = 0; j < G_N_ELEMENTS(places); j++)
			oauth_server_say(&two.mcp, places[j], nothings[i].status,
				nothings[i].headers, nothings[i].body);
		assert_found(&two, MCP, MCP "/mcp?a=b");
		assert_true(two.found.server.assumed);
		assert_string_equal(two.found.server.registration_endpoint, MCP "/register");
	}
	two.connector.resource_parameter = false;
	assert_found(&two, MCP, NULL);
	two_release(&two);
}

static void test_2025_03_26_and_an_outage(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	oauth_server_say(&two.mcp, OPENID_AT_ROOT, 503, "", "");
	assert_fault(&two, MUX_ERROR_BUSY,
		"the authorization server's metadata at " MCP OPENID_AT_ROOT ": HTTP 503");
	two_release(&two);
}

/* ---- everything on this machine, the server's own ways ---- */

static void test_a_server_on_this_machine(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	use_url(&two, two.mcp.url);
	two.mcp.challenge = NULL;
	two.mcp.resource_metadata = true;
	two.mcp.metadata = true;
	assert_found(&two, two.mcp.origin, two.mcp.url);
	assert_asked(&two.mcp, "/mcp", RESOURCE_AT_PATH, OAUTH_AT_ROOT, NULL);
	two_release(&two);
}

/* ---- time ---- */

static void test_a_place_that_is_silent(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	oauth_server_say(&two.mcp, RESOURCE_AT_PATH, OAUTH_SILENT, "", "");
	two_start(&two);
	oauth_server_await(&two.mcp, &two.fixture, RESOURCE_AT_PATH, 1);
	clock_jump(&two.fixture, FETCH_LIMIT_MS);
	turn_until(&two.fixture, two.done, 1);
	assert_int_equal(two.error->code, MUX_ERROR_TIMEOUT);
	assert_non_null(strstr(
		two.error->message, "the resource's metadata at " MCP RESOURCE_AT_PATH ": no "));
	two_release(&two);
}

static void test_a_minute_is_all_there_is(void **state)
{
	(void)state;
	static const char *const slow[] = {"/mcp", RESOURCE_AT_PATH, RESOURCE_AT_ROOT};
	struct Two two;
	two_init(&two);
	for (unsigned i = 0; i < G_N_ELEMENTS(slow); i++)
		oauth_server_say(&two.mcp, slow[i], OAUTH_SILENT, "", "");
	two_start(&two);
	for (unsigned i = 0; i < G_N_ELEMENTS(slow); i++) {
		struct OauthHit *hit = oauth_server_await(&two.mcp, &two.fixture, slow[i], 1);
		clock_jump(&two.fixture, DISCOVERY_LIMIT_MS / 3);
		assert_int_equal(two.done, i == 2);
		oauth_hit_answer(hit, 404, "", "");
	}
	assert_int_equal(two.error->code, MUX_ERROR_TIMEOUT);
	assert_non_null(strstr(two.error->message, MCP RESOURCE_AT_ROOT));
	assert_non_null(strstr(two.error->message, "within 60 s"));
	two_release(&two);
}

/* ---- cancelling ---- */

static void test_cancelled_at_every_stage(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	const struct {
		struct OauthServer *server;
		const char *path;
	} places[] = {{&two.mcp, "/mcp"}, {&two.mcp, RESOURCE_AT_PATH},
		{&two.mcp, RESOURCE_AT_ROOT}, {&two.as, OAUTH_AT_ROOT}, {&two.as, OPENID_AT_ROOT}};
	put_resource(&two, RESOURCE_AT_ROOT, MCP, "\"" AS "\"");
	two_start(&two);
	discovery_cancel(two.discovery);
	for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
		unsigned before = oauth_server_count(places[i].server, places[i].path);
		oauth_server_say(places[i].server, places[i].path, OAUTH_SILENT, "", "");
		two_start(&two);
		oauth_server_await(places[i].server, &two.fixture, places[i].path, before + 1);
		discovery_cancel(two.discovery);
	}
	fixture_turn_for(&two.fixture, 20);
	assert_int_equal(two.done, 0);
	discovery_cancel(NULL);
	two_release(&two);
}

static void test_cancelling_in_done_does_nothing(void **state)
{
	(void)state;
	struct Two two;
	two_init(&two);
	two.cancel_in_done = true;
	assert_found(&two, MCP, MCP "/mcp");
	oauth_server_say_always(&two.mcp, "/mcp", OAUTH_CUT, "", "");
	assert_fault(&two, MUX_ERROR_BROKEN, "");
	two_release(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_stored_issuer_is_taken_where_it_is_listed),
		cmocka_unit_test(test_an_issuer_is_taken_to_the_letter),
		cmocka_unit_test(test_endpoints_may_be_elsewhere_but_not_on_this_machine),
		cmocka_unit_test(test_an_issuer_on_this_machine_is_for_connectors_there),
		cmocka_unit_test(test_without_metadata_the_places_are_named),
		cmocka_unit_test(test_metadata_that_lists_no_server_leads_to_the_origin),
		cmocka_unit_test(test_2025_03_26_metadata_at_the_origin),
		cmocka_unit_test(test_2025_03_26_metadata_of_another_issuer),
		cmocka_unit_test(test_2025_03_26_endpoints_without_metadata),
		cmocka_unit_test(test_2025_03_26_and_an_outage),
		cmocka_unit_test(test_a_server_on_this_machine),
		cmocka_unit_test(test_a_place_that_is_silent),
		cmocka_unit_test(test_a_minute_is_all_there_is),
		cmocka_unit_test(test_cancelled_at_every_stage),
		cmocka_unit_test(test_cancelling_in_done_does_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
