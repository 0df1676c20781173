#include "format/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

struct Pair {
	const char *given, *expected; /* NULL: none */
};

/* CALL(given) must give the expected text. */
#define EXPECT_EACH(pairs, call)                                                                   \
	for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {                                         \
		const char *given = pairs[i].given;                                                \
		g_autofree char *got = call;                                                       \
		if (g_strcmp0(got, pairs[i].expected) != 0)                                        \
			fail_msg("%s gives %s", given, got ? got : "nothing");                     \
	}

#define EXPECT_BOOL(texts, call, wanted)                                                           \
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {                                         \
		if (call(texts[i]) != (wanted))                                                    \
			fail_msg(#call " is wrong about %s", texts[i]);                            \
	}

static const char *const not_http[] = {NULL, "", "mcp.example.com", "//h/x", "/x",
	"https:", "https:x", "https:/x", "https://", "https:///x", "https://?q", "https://#f",
	"ftp://h/", "wss://h/", "httpsx://h/", "javascript:alert(1)", "file:///etc/passwd",
	"1https://h/"};

/* What GUri alone would take, and libcurl or a browser might read differently. */
static const char *const dangerous[] = {"https://u@h/", "https://u:p@h/", "https://@h/",
	"https://:@h/", "https://good.example\\@evil.example/",
	"https://evil.example\\.good.example/", "https://h/a\\..\\b", "https://h/a b",
	" https://h/", "https://h/ ", "https:// h/", "https://h/\t", "https://h/\n",
	"https://h/\r\nX: y", "https://h/\x7f", "https://h\x01/", "https://b\303\274cher.example/",
	"https://h/\xc3\xa9", "https://h/\xff", "https://h\xff/", "https://a%2fb/",
	"https://a%2Eb/", "https://%31%32%37.0.0.1/", "https://h%00/", "https://h:0/",
	"https://h:00/", "https://h:65536/", "https://h:99999999999999999999/", "https://h:+80/",
	"https://h:-1/", "https://h:8x/", "https://h: 80/", "https://h:80:80/", "https://:80/",
	"https://::1/", "https://[::1/", "https://[::1]x/", "https://[::1]:x/", "https://[]/",
	"https://[v1.a]/", "https://[127.0.0.1]/", "https://[fe80::1%25eth0]/",
	"https://[fe80::1%eth0]/", "https://[0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:0:1]/",
	"https://a,b/", "https://a;b/", "https://a'b/", "https://a\"b/", "https://a<b/",
	"https://(h)/", "https://h*/", "https://h!/", "https://a$b/", "https://a&b/",
	"https://a=b/", "https://a+b/", "https://~a/", "https://{a}/", "https://h/%zz",
	"https://h/%2", "https://h/?%", "https://h/#%zz"};

static const char *const http[] = {"http://h", "https://h", "HTTPS://H/", "hTtP://h/x",
	"https://h:1", "https://h:65535/", "https://h:/", "https://h:0443/", "https://h?q",
	"https://h#f", "https://h/?", "https://h/#", "https://a-b.c_d.example./x",
	"https://127.0.0.1/", "https://[::1]/", "https://[::FFFF:1.2.3.4]:8/x",
	"https://h/a%20b/%2F?x=%00#%41", "https://h//a//", "https://h/@:x", "https://h/?u@v:w",
	"https://h/{a}|^`<>\"", "https://xn--bcher-kva.example/"};

static void only_plain_http_urls_are_taken(void **state)
{
	(void)state;
	EXPECT_BOOL(http, url_is_http, true);
	EXPECT_BOOL(not_http, url_is_http, false);
	EXPECT_BOOL(dangerous, url_is_http, false);
}

static void nothing_is_made_of_other_urls(void **state)
{
	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(dangerous); i++) {
		assert_null(url_origin(dangerous[i]));
		assert_null(url_canonical(dangerous[i]));
		assert_null(url_host(dangerous[i]));
		assert_null(url_well_known(dangerous[i], "x", WELL_KNOWN_ROOT));
		assert_null(url_resolve(dangerous[i], "/x"));
		assert_false(url_is_secure(dangerous[i]));
		assert_false(url_is_loopback(dangerous[i]));
		assert_false(url_has_path(dangerous[i]));
		assert_false(url_same_origin(dangerous[i], dangerous[i]));
		assert_false(url_covers(dangerous[i], dangerous[i]));
	}
	assert_null(url_origin(NULL));
	assert_null(url_canonical(NULL));
	assert_false(url_same_origin(NULL, NULL));
	assert_false(url_same_origin("https://h/", NULL));
	assert_false(url_covers(NULL, "https://h/"));
	assert_false(url_covers("https://h/", NULL));
}

static void a_url_has_at_most_8_kib(void **state)
{
	(void)state;
	g_autofree char *long_path = g_strnfill(8192 - strlen("https://h/"), 'a');
	g_autofree char *longest = g_strconcat("https://h/", long_path, NULL);
	assert_int_equal(strlen(longest), 8192);
	assert_true(url_is_http(longest));
	g_autofree char *over = g_strconcat(longest, "a", NULL);
	assert_false(url_is_http(over));
	/* Nor does resolving make a longer one. */
	g_autofree char *resolved =
		url_resolve("https://longer.example/", longest + strlen("https://h"));
	assert_null(resolved);
	assert_null(url_resolve("https://h/", over));
}

static void secure_is_https_or_this_machine(void **state)
{
	(void)state;
	static const char *const loopback[] = {"http://127.0.0.1/", "http://127.255.0.9:80/x",
		"http://localhost", "http://LocalHost:3000/cb", "http://[::1]/",
		"http://[0:0::0:1]:1/", "https://localhost/"};
	static const char *const remote[] = {"http://h/", "http://localhost.example/",
		"http://localhost.evil.example/", "http://notlocalhost/", "http://128.0.0.1/",
		"http://126.255.255.255/", "http://127.0.0.1.example/", "http://127.1/",
		"http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://2130706433/", "http://0.0.0.0/",
		"http://[::2]/", "http://[::]/", "http://[::ffff:127.0.0.1]/", "http://localhost./",
		"http://10.0.0.1/"};
	EXPECT_BOOL(loopback, url_is_loopback, true);
	EXPECT_BOOL(loopback, url_is_secure, true);
	EXPECT_BOOL(remote, url_is_loopback, false);
	EXPECT_BOOL(remote, url_is_secure, false);
	assert_true(url_is_secure("https://h/"));
	assert_true(url_is_secure("HTTPS://h:8443/"));
	assert_false(url_is_loopback("https://h/"));
	assert_false(url_is_secure("ftp://localhost/"));
}

static void an_origin_is_scheme_host_and_port(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {
		{"HTTPS://MCP.Example.COM:443/A?b#c", "https://mcp.example.com"},
		{"http://h:80", "http://h"}, {"http://h:443/", "http://h:443"},
		{"https://h:80/", "https://h:80"}, {"https://h:/", "https://h"},
		{"https://h:08443/", "https://h:8443"}, {"https://h?x", "https://h"},
		{"https://h#@evil", "https://h"}, {"https://h/@evil", "https://h"},
		{"https://[2001:DB8::A]:443/", "https://[2001:db8::a]"},
		{"https://[::1]:8/", "https://[::1]:8"}, {"ftp://h/", NULL}};
	EXPECT_EACH(pairs, url_origin(given));
}

static void origins_differ_in_any_part(void **state)
{
	(void)state;
	assert_true(url_same_origin("https://h/a", "HTTPS://H:443/b?c#d"));
	assert_true(url_same_origin("http://[::1]:80/", "http://[::1]"));
	assert_false(url_same_origin("https://h/", "http://h/"));
	assert_false(url_same_origin("https://h/", "https://h:8443/"));
	assert_false(url_same_origin("https://h/", "https://www.h/"));
	assert_false(url_same_origin("https://h.example/", "https://h.example.evil/"));
	assert_false(url_same_origin("http://h:443/", "https://h:443/"));
}

static void a_canonical_url_differs_in_scheme_host_and_end_alone(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {
		{"https://mcp.example.com/mcp", "https://mcp.example.com/mcp"},
		{"https://mcp.example.com", "https://mcp.example.com"},
		{"https://mcp.example.com/", "https://mcp.example.com"},
		{"https://mcp.example.com:8443", "https://mcp.example.com:8443"},
		{"HTTPS://MCP.Example.com:443/Server/MCP", "https://mcp.example.com/Server/MCP"},
		{"https://h/mcp/", "https://h/mcp/"}, {"https://h/mcp#part", "https://h/mcp"},
		{"https://h#part", "https://h"},
		{"https://h/mcp?Org=A%7e", "https://h/mcp?Org=A%7e"}, {"https://h/?", "https://h?"},
		{"https://h/?a=b#c", "https://h?a=b"},
		{"https://h/%7Ea/%41/../b", "https://h/%7Ea/%41/../b"},
		{"https://h//", "https://h//"}, {"http://[::1]:80/x", "http://[::1]/x"},
		{"mcp.example.com", NULL}};
	EXPECT_EACH(pairs, url_canonical(given));
}

static void a_resource_covers_what_lies_under_its_path(void **state)
{
	(void)state;
	assert_true(url_covers("https://h", "https://h"));
	assert_true(url_covers("https://h", "https://h/mcp"));
	assert_true(url_covers("https://h/", "https://h"));
	assert_true(url_covers("HTTPS://H:443/mcp", "https://h/mcp"));
	assert_true(url_covers("https://h/mcp", "https://h/mcp?a=b#c"));
	assert_true(url_covers("https://h/mcp", "https://h/mcp/"));
	assert_true(url_covers("https://h/mcp/", "https://h/mcp"));
	assert_true(url_covers("https://h/mcp///", "https://h/mcp/a//b"));
	assert_true(url_covers("https://h/a/b", "https://h/a/b/c/d"));
	assert_true(url_covers("https://h/a", "https://h/a/...b/.c/d."));
	assert_true(url_covers("https://h/a%20b", "https://h/a%20b/c"));

	assert_false(url_covers("https://h/mcp", "https://h"));
	assert_false(url_covers("https://h/mcp", "https://h/"));
	assert_false(url_covers("https://h/mcp", "https://h/mcpx"));
	assert_false(url_covers("https://h/mcp", "https://h/mc"));
	assert_false(url_covers("https://h/mcp", "https://h/MCP"));
	assert_false(url_covers("https://h/mcp/a", "https://h/mcp/b"));
	assert_false(url_covers("https://h/b", "https://h/a/b"));
	assert_false(url_covers("https://h:8443/mcp", "https://h/mcp"));
	assert_false(url_covers("http://h/mcp", "https://h/mcp"));
	assert_false(url_covers("https://evil/mcp", "https://h/mcp"));
	assert_false(url_covers("https://h/mcp?", "https://h/mcp"));
	assert_false(url_covers("https://h/mcp?a=b", "https://h/mcp?a=b"));
	assert_false(url_covers("https://h/mcp#", "https://h/mcp"));
}

static void covering_is_not_fooled_by_dots_and_escapes(void **state)
{
	(void)state;
	static const char *const outside[] = {"https://h/mcp/../other", "https://h/mcp/..",
		"https://h/mcp/./x", "https://h/mcp/%2e%2E/other", "https://h/mcp/.%2e",
		"https://h/mcp/x/../../y", "https://h/mcp%2Fx", "https://h/mcp%2f..%2fother",
		"https://h/mcp/..%2fother", "https://h/mcp/%2e%2e%5Cother", "https://h/mcp/a%5c..",
		"https://h/mcp/a%00b", "https://h/mcp;x", "https://h/mcp%20", "https://h/mcp.",
		"https://h/%6dcp"};
	for (size_t i = 0; i < G_N_ELEMENTS(outside); i++) {
		if (url_covers("https://h/mcp", outside[i]))
			fail_msg("/mcp covers %s", outside[i]);
		/* Whatever it means, it means itself. */
		if (!url_covers(outside[i], outside[i]))
			fail_msg("%s does not cover itself", outside[i]);
	}
	assert_true(url_covers("https://h/", "https://h/mcp/../%2e%2e%2fother"));
	assert_false(url_covers("https://h/other/..", "https://h/mcp"));
	assert_false(url_covers("https://h/.", "https://h/mcp"));
	assert_false(url_covers("https://h/a/../mcp", "https://h/a/../mcp/x"));
	assert_false(url_covers("https://h/a%2fb", "https://h/a%2fb/c"));
	assert_true(url_covers("https://h/a/../mcp/", "https://h/a/../mcp"));
}

static void expect_well_known(
	const char *url, const char *inserted, const char *appended, const char *root)
{
	g_autofree char *first =
		url_well_known(url, "oauth-protected-resource", WELL_KNOWN_INSERTED);
	assert_string_equal(first, inserted);
	g_autofree char *second = url_well_known(url, "openid-configuration", WELL_KNOWN_APPENDED);
	assert_string_equal(second, appended);
	g_autofree char *third = url_well_known(url, "oauth-authorization-server", WELL_KNOWN_ROOT);
	assert_string_equal(third, root);
}

static void documents_lie_in_well_known_places(void **state)
{
	(void)state;
	expect_well_known("https://example.com/public/mcp",
		"https://example.com/.well-known/oauth-protected-resource/public/mcp",
		"https://example.com/public/mcp/.well-known/openid-configuration",
		"https://example.com/.well-known/oauth-authorization-server");
	expect_well_known("HTTPS://Example.com:443/tenant1/?q=1#f",
		"https://example.com/.well-known/oauth-protected-resource/tenant1",
		"https://example.com/tenant1/.well-known/openid-configuration",
		"https://example.com/.well-known/oauth-authorization-server");
	expect_well_known("http://[::1]:8/", "http://[::1]:8/.well-known/oauth-protected-resource",
		"http://[::1]:8/.well-known/openid-configuration",
		"http://[::1]:8/.well-known/oauth-authorization-server");
	expect_well_known("https://h?q", "https://h/.well-known/oauth-protected-resource",
		"https://h/.well-known/openid-configuration",
		"https://h/.well-known/oauth-authorization-server");
	assert_null(url_well_known("h", "x", WELL_KNOWN_INSERTED));
}

static void a_path_is_more_than_slashes(void **state)
{
	(void)state;
	assert_true(url_has_path("https://h/a"));
	assert_true(url_has_path("https://h//a/"));
	assert_false(url_has_path("https://h"));
	assert_false(url_has_path("https://h/"));
	assert_false(url_has_path("https://h//"));
	assert_false(url_has_path("https://h?a/b"));
	assert_false(url_has_path("https://h/#/a"));
	assert_false(url_has_path("/a"));
}

static void references_are_resolved(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {{"", "https://Base:444/p/q/r?s"},
		{"x", "https://Base:444/p/q/x"}, {"../x", "https://Base:444/p/x"},
		{"/x?y", "https://Base:444/x?y"}, {"?y", "https://Base:444/p/q/r?y"},
		{"../../../../x", "https://Base:444/x"}, {"//other/x", "https://other/x"},
		{"http://h:81/a/../b", "http://h:81/b"}, {"HTTPS://h", "https://h"},
		{"//[::1]:8/", "https://[::1]:8/"}};
	EXPECT_EACH(pairs, url_resolve("https://Base:444/p/q/r?s#t", given));
}

static void what_resolves_to_no_http_url_is_none(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {{NULL, NULL}, {"javascript:alert(1)", NULL},
		{"mailto:a@b", NULL}, {"https:x", NULL}, {"https:", NULL}, {"https:///x", NULL},
		{"///x", NULL}, {"//", NULL}, {"//u@h/", NULL}, {"https://u:p@h/", NULL},
		{"//a%2fb/x", NULL}, {"//a%2eb/x", NULL}, {"https://a%2fb/x", NULL},
		{"//h:0/", NULL}, {"//h:70000/", NULL}, {"/a b", NULL}, {"/a\n", NULL},
		{"\\\\h\\x", NULL}, {"/\\h", NULL}, {"/\xc3\xa9", NULL}, {"/%zz", NULL},
		{"//[fe80::1%25eth0]/", NULL}};
	EXPECT_EACH(pairs, url_resolve("https://h/p", given));
	assert_null(url_resolve(NULL, "https://h/"));
	assert_null(url_resolve("/p", "https://h/"));
}

static void a_query_is_added_to_what_is_there(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {{"https://h/a", "https://h/a?x=1&y=2"},
		{"https://h", "https://h?x=1&y=2"}, {"https://h/a?b=c", "https://h/a?b=c&x=1&y=2"},
		{"https://h/a?", "https://h/a?x=1&y=2"},
		{"https://h/a?b=c&", "https://h/a?b=c&x=1&y=2"},
		{"https://h/a#f", "https://h/a?x=1&y=2"},
		{"https://h/a?b#f?g", "https://h/a?b&x=1&y=2"},
		{"https://h/a#?f", "https://h/a?x=1&y=2"}};
	EXPECT_EACH(pairs, url_with_query(given, "x=1&y=2"));
	g_autofree char *unchanged = url_with_query("https://h/a?b#f", "");
	assert_string_equal(unchanged, "https://h/a?b");
}

static void a_host_stands_without_port_and_brackets(void **state)
{
	(void)state;
	static const struct Pair pairs[] = {{"https://MCP.Example.com:8443/x", "mcp.example.com"},
		{"http://[::FFFF:1.2.3.4]:8/", "::ffff:1.2.3.4"}, {"http://127.0.0.1", "127.0.0.1"},
		{"x", NULL}};
	EXPECT_EACH(pairs, url_host(given));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_plain_http_urls_are_taken),
		cmocka_unit_test(nothing_is_made_of_other_urls),
		cmocka_unit_test(a_url_has_at_most_8_kib),
		cmocka_unit_test(secure_is_https_or_this_machine),
		cmocka_unit_test(an_origin_is_scheme_host_and_port),
		cmocka_unit_test(origins_differ_in_any_part),
		cmocka_unit_test(a_canonical_url_differs_in_scheme_host_and_end_alone),
		cmocka_unit_test(a_resource_covers_what_lies_under_its_path),
		cmocka_unit_test(covering_is_not_fooled_by_dots_and_escapes),
		cmocka_unit_test(documents_lie_in_well_known_places),
		cmocka_unit_test(a_path_is_more_than_slashes),
		cmocka_unit_test(references_are_resolved),
		cmocka_unit_test(what_resolves_to_no_http_url_is_none),
		cmocka_unit_test(a_query_is_added_to_what_is_there),
		cmocka_unit_test(a_host_stands_without_port_and_brackets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
