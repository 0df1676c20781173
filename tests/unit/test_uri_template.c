#include "base/slice.h"
#include "format/uri_template.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool matches(const char *text, const char *uri)
{
	g_autoptr(UriTemplate) uri_template = uri_template_new(text);
	if (!uri_template)
		fail_msg("%s is no template", text);
	return uri_template_matches(uri_template, uri);
}

struct Pair {
	const char *text, *uri;
};

static void expect_all(const struct Pair *pairs, size_t n, bool expected)
{
	for (size_t i = 0; i < n; i++) {
		if (matches(pairs[i].text, pairs[i].uri) != expected)
			fail_msg("%s and %s", pairs[i].text, pairs[i].uri);
	}
}

#define EXPECT_MATCH(...)                                                                          \
	do {                                                                                       \
		static const struct Pair pairs[] = {__VA_ARGS__};                                  \
		expect_all(pairs, G_N_ELEMENTS(pairs), true);                                      \
	} while (0)
#define EXPECT_NO_MATCH(...)                                                                       \
	do {                                                                                       \
		static const struct Pair pairs[] = {__VA_ARGS__};                                  \
		expect_all(pairs, G_N_ELEMENTS(pairs), false);                                     \
	} while (0)

/* RFC 6570, sections 3.2.2 to 3.2.4; without those in which a simple expression is empty. */
static void test_the_examples_of_the_rfc_match(void **state)
{
	(void)state;
	EXPECT_MATCH({"{var}", "value"}, {"{hello}", "Hello%20World%21"}, {"{half}", "50%25"},
		{"{x,y}", "1024,768"}, {"{x,hello,y}", "1024,Hello%20World%21,768"},
		{"?{x,empty}", "?1024,"}, {"?{x,undef}", "?1024"}, {"?{undef,y}", "?768"},
		{"{var:3}", "val"}, {"{var:30}", "value"}, {"{list}", "red,green,blue"},
		{"{list*}", "red,green,blue"}, {"{keys}", "semi,%3B,dot,.,comma,%2C"},
		{"{keys*}", "semi=%3B,dot=.,comma=%2C"});
	EXPECT_MATCH({"{+var}", "value"}, {"{+hello}", "Hello%20World!"},
		{"{base}index", "http%3A%2F%2Fexample.com%2Fhome%2Findex"},
		{"{+base}index", "http://example.com/home/index"}, {"O{+empty}X", "OX"},
		{"{+path}/here", "/foo/bar/here"}, {"here?ref={+path}", "here?ref=/foo/bar"},
		{"up{+path}{var}/here", "up/foo/barvalue/here"},
		{"{+x,hello,y}", "1024,Hello%20World!,768"},
		{"{+path,x}/here", "/foo/bar,1024/here"}, {"{+path:6}/here", "/foo/b/here"},
		{"{+list*}", "red,green,blue"}, {"{+keys}", "semi,;,dot,.,comma,,"},
		{"{+keys*}", "semi=;,dot=.,comma=,"});
	EXPECT_MATCH({"{#var}", "#value"}, {"{#half}", "#50%25"}, {"foo{#empty}", "foo#"},
		{"foo{#undef}", "foo"}, {"{#x,hello,y}", "#1024,Hello%20World!,768"},
		{"{#path,x}/here", "#/foo/bar,1024/here"}, {"{#path:6}/here", "#/foo/b/here"},
		{"{#list*}", "#red,green,blue"}, {"{#keys}", "#semi,;,dot,.,comma,,"});
}

/* RFC 6570, sections 3.2.5 to 3.2.9. */
static void test_the_examples_of_the_rfc_with_operators_match(void **state)
{
	(void)state;
	EXPECT_MATCH({"{.who}", ".fred"}, {"{.who,who}", ".fred.fred"},
		{"{.half,who}", ".50%25.fred"}, {"www{.dom*}", "www.example.com"},
		{"X{.empty}", "X."}, {"X{.undef}", "X"}, {"X{.var:3}", "X.val"},
		{"X{.list}", "X.red,green,blue"}, {"X{.list*}", "X.red.green.blue"},
		{"X{.keys*}", "X.semi=%3B.dot=..comma=%2C"});
	EXPECT_MATCH({"{/who}", "/fred"}, {"{/who,who}", "/fred/fred"},
		{"{/who,dub}", "/fred/me%2Ftoo"}, {"{/var,empty}", "/value/"},
		{"{/var,undef}", "/value"}, {"{/var,x}/here", "/value/1024/here"},
		{"{/var:1,var}", "/v/value"}, {"{/list}", "/red,green,blue"},
		{"{/list*}", "/red/green/blue"}, {"{/list*,path:4}", "/red/green/blue/%2Ffoo"},
		{"{/keys*}", "/semi=%3B/dot=./comma=%2C"});
	EXPECT_MATCH({"{;who}", ";who=fred"}, {"{;empty}", ";empty"},
		{"{;v,empty,who}", ";v=6;empty;who=fred"}, {"{;v,bar,who}", ";v=6;who=fred"},
		{"{;x,y,empty}", ";x=1024;y=768;empty"}, {"{;hello:5}", ";hello=Hello"},
		{"{;list}", ";list=red,green,blue"}, {"{;list*}", ";list=red;list=green;list=blue"},
		{"{;keys}", ";keys=semi,%3B,dot,.,comma,%2C"},
		{"{;keys*}", ";semi=%3B;dot=.;comma=%2C"});
	EXPECT_MATCH({"{?who}", "?who=fred"}, {"{?x,y}", "?x=1024&y=768"},
		{"{?x,y,empty}", "?x=1024&y=768&empty="}, {"{?x,y,undef}", "?x=1024&y=768"},
		{"{?var:3}", "?var=val"}, {"{?list}", "?list=red,green,blue"},
		{"{?list*}", "?list=red&list=green&list=blue"},
		{"{?keys*}", "?semi=%3B&dot=.&comma=%2C"}, {"{&who}", "&who=fred"},
		{"?fixed=yes{&x}", "?fixed=yes&x=1024"}, {"{&x,y,empty}", "&x=1024&y=768&empty="},
		{"{&var:3}", "&var=val"}, {"{&list*}", "&list=red&list=green&list=blue"},
		{"{&keys}", "&keys=semi,%3B,dot,.,comma,%2C"});
}

static void test_literals_match_themselves_alone(void **state)
{
	(void)state;
	EXPECT_MATCH({"", ""}, {"a:b", "a:b"}, {"a%2fb", "a%2fb"}, {"it's", "it's"});
	EXPECT_NO_MATCH({"", "a"}, {"a:b", "a:"}, {"a:b", "a:bb"}, {"a:b", "A:b"},
		{"a%2fb", "a%2Fb"}, {"a%2fb", "a/b"}, {"x{+a}y", "x"}, {"x{+a}y", "y"});
	EXPECT_MATCH({"é/{x}", "é/1"}, {"é/{x}", "%C3%A9/1"}, {"%25é", "%25%C3%A9"});
	EXPECT_NO_MATCH({"é/{x}", "e/1"}, {"é/{x}", "%C3/1"});
}

static void test_simple_values_stay_in_their_segment(void **state)
{
	(void)state;
	EXPECT_MATCH({"f:///{x}", "f:///a"}, {"f:///{x}", "f:///a,b=c&d;e.f é!"},
		{"{x}/{y}", "a/b"}, {"{x}{y}", "ab"}, {"{x}-{y}", "a-b-c"}, {"{x}.{e}", "a.b.c"},
		{"{x,y}", ",b"}, {"{x,y}", ","}, {"{x,y}", "a"});
	EXPECT_NO_MATCH({"f:///{x}", "f:///"}, {"f:///{x}", "f:///a/b"}, {"f:///{x}", "f:///a?b"},
		{"f:///{x}", "f:///a#b"}, {"{x}/{y}", "a/"}, {"{x}/{y}", "/b"},
		{"{x}/{y}", "a/b/c"}, {"{x}{y}", "a"}, {"{x,y}", ""}, {"{x*}", ""},
		{"{x,y}", "a/b"}, {"a{x}a", "aa"});
}

static void test_reserved_values_are_anything(void **state)
{
	(void)state;
	EXPECT_MATCH({"f://{+x}", "f://"}, {"f://{+x}", "f://a/b?c#d"}, {"{+x}/end", "a/b/end"},
		{"{+x}/end", "/end"}, {"a{#x}", "a"}, {"a{#x}", "a#/?#"},
		{"{+x}a{+y}a{+z}", "bababab"});
	EXPECT_NO_MATCH({"f://{+x}", "f:/"}, {"{+x}/end", "end"}, {"a{#x}", "ab"},
		{"{+x}a{+y}a{+z}", "bab"});
}

static void test_segments_are_as_many_as_variables(void **state)
{
	(void)state;
	EXPECT_MATCH({"a{/x}", "a"}, {"a{/x}", "a/"}, {"a{/x}", "a/b"}, {"a{/x,y}", "a/b/c"},
		{"a{/x*}", "a"}, {"a{/x*}", "a/b/c/d"}, {"a{/x*}", "a//"}, {"a{.x}", "a.b.c"});
	EXPECT_NO_MATCH({"a{/x}", "ab"}, {"a{/x}", "a/b/c"}, {"a{/x,y}", "a/b/c/d"},
		{"a{/x}", "a/b?c"}, {"a{/x*}", "ab/c"}, {"a{/x*}", "a/b#c"}, {"a{.x}", "ab"},
		{"a{.x}", "a.b/c"}, {"a{.x,y}", "a/b"});
}

static void test_named_variables_stand_in_their_order(void **state)
{
	(void)state;
	EXPECT_MATCH({"p{?a,b}", "p"}, {"p{?a,b}", "p?a=1"}, {"p{?a,b}", "p?b=2"},
		{"p{?a,b}", "p?a=1&b=2"}, {"p{?a,b}", "p?a=&b="}, {"p{?a}", "p?a=b=c,d"},
		{"p?f{&a}", "p?f"}, {"p{;a}", "p;a="}, {"p{;a,b}", "p;a;b"},
		{"p{?a.b,c%20d}", "p?a.b=1&c%20d=2"});
	EXPECT_NO_MATCH({"p{?a,b}", "p?"}, {"p{?a,b}", "p?b=2&a=1"}, {"p{?a,b}", "p?a=1&a=2"},
		{"p{?a,b}", "p?c=1"}, {"p{?a,b}", "p?a"}, {"p{?a,b}", "p?a=1&"},
		{"p{?a,b}", "p?a=1&c=2"}, {"p{?a,b}", "p&a=1"}, {"p{?a}", "p?ab=1"},
		{"p{?a}", "p?a=1/2"}, {"p{?a}", "p?a=1#2"}, {"p{?a}", "p?a=1?2"},
		{"p{&a}", "p?a=1"}, {"p{;a}", "p;"}, {"p{;a}", "p;ab"}, {"p{;a}", "p;a=/"});
}

static void test_exploded_variables_are_any_pairs(void **state)
{
	(void)state;
	EXPECT_MATCH({"p{?a*}", "p"}, {"p{?a*}", "p?x=1"}, {"p{?a*}", "p?x=1&y=&z=a=b"},
		{"p{?a*,b}", "p?x=1&b=2"}, {"p{?a,b*}", "p?a=1&x=2&y=3"},
		{"p{?a*}&end", "p?x=1&y=2&end"}, {"p{;a*}", "p;x;y=1;z="}, {"p{&a*}", "p&x=1"});
	EXPECT_NO_MATCH({"p{?a*}", "p?"}, {"p{?a*}", "p?x"}, {"p{?a*}", "p?x=1&y"},
		{"p{?a*}", "p?=1"}, {"p{?a*}", "p?x=1&"}, {"p{?a*}", "p?x=1&&y=2"},
		{"p{?a*}", "p?x=/"}, {"p{?a*}", "p?x/=1"}, {"p{;a*}", "p;"}, {"p{;a*}", "p;=1"});
}

static void test_prefixes_bound_values_by_characters(void **state)
{
	(void)state;
	EXPECT_MATCH({"{x:1}", "a"}, {"{x:2}/", "ab/"}, {"{x:1}", "é"}, {"{x:1}", "%C3%A9"},
		{"{x:2}", "%c3%a9%F0%9F%98%80"}, {"{x:1}", "%20"}, {"{x:2}", "%2"},
		{"{x:1,y:1}", "a,b"}, {"{x:1,y:1}", ",b"}, {"{x:1,y:2}", "ab"},
		{"{+x:2}{y}", "a/bc"}, {"{?x:2}", "?x=ab"}, {"{/x:1,y:2}", "/a/bc"},
		{"{/x:1,y:2}", "/bc"}, {"{x:9999}", "abc"});
	EXPECT_NO_MATCH({"{x:1}", ""}, {"{x:1}", ",a"}, {"{x:1}", "ab"}, {"{x:1}", "éa"},
		{"{x:1}", "%20%20"}, {"{x:1}", "%2"}, {"{x:1}", "%C3%A9a"},
		{"{x:1}", "%C3%A9%C3%A9"}, {"{x:1,y:1}", "abc"}, {"{+x:2}", "abc"},
		{"{?x:2}", "?x=abc"}, {"{/x:1,y:1}", "/bc"}, {"{.x:1}", ".ab"});
}

static void expect_no_template(const char *text)
{
	g_autoptr(UriTemplate) uri_template = uri_template_new(text);
	if (uri_template)
		fail_msg("%s was taken", text);
}

static void test_what_is_no_template_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"{", "}", "a}", "a{", "{}", "{x", "{+}", "{x,}", "{,x}",
		"{x,,y}", "{x y}", "{x{y}}", "{+ x}", "{=x}", "{!x}", "{@x}", "{|x}", "{,}",
		"{++x}", "{é}", "{x/y}", "{x=y}", "{x$}", "{~x}", "{x:}", "{x:0}", "{x:01}",
		"{x:10000}", "{x:99999999999}", "{x:a}", "{x:-1}", "{x*:1}", "{x:1*}", "{x**}",
		"{*}", "a b", "a\"b", "a<b", "a>b", "a\\b", "a^b", "a`b", "a|b", "a\nb", "a\x7f",
		"a\xc2\x85", "100%", "%2", "%zz", "a\xff", "{x\xff}"};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		expect_no_template(texts[i]);
	static const char *const fine[] = {"{x_1}", "{%20a.b%41}", "{x:1,y*}", "{1}", "{_}"};
	for (size_t i = 0; i < G_N_ELEMENTS(fine); i++)
		assert_false(matches(fine[i], ""));
}

/* As servers write them, whatever RFC 6570 says of names. */
static void test_names_may_be_any_row_of_their_characters(void **state)
{
	(void)state;
	static const char *const odd[] = {"{user-id}", "{-x}", "{x.}", "{x..y}", "{%2}", "{x%zz}",
		"{-}", "{%}", "{a-b:3}", "{a-b,c-d}"};
	for (size_t i = 0; i < G_N_ELEMENTS(odd); i++) {
		assert_true(matches(odd[i], "1"));
		assert_false(matches(odd[i], ""));
	}
	EXPECT_MATCH({"u://{user-id}/{repo-name}", "u://7/x"},
		{"u{?page-size,-}", "u?page-size=1&-=2"}, {"u{/a-b*}", "u/1/2"}, {"{.x.}", ".1"},
		{"{..x}", ".1"});
	EXPECT_NO_MATCH({"u://{user-id}", "u://"}, {"u{?page-size}", "u?page=1"});
}

static char *repeated(const char *unit, unsigned n, const char *end)
{
	GString *out = g_string_new(NULL);
	for (unsigned i = 0; i < n; i++)
		g_string_append(out, unit);
	g_string_append(out, end);
	return g_string_free(out, FALSE);
}

static void test_templates_are_bounded(void **state)
{
	(void)state;
	g_autofree char *longest = repeated("a", URI_TEMPLATE_BYTES_MAX, "");
	g_autofree char *too_long = repeated("a", URI_TEMPLATE_BYTES_MAX, "a");
	assert_true(matches(longest, longest));
	expect_no_template(too_long);
	g_autofree char *most_parts = repeated("{x}/", URI_TEMPLATE_PARTS_MAX / 2, "");
	g_autofree char *too_many_parts = repeated("{x}/", URI_TEMPLATE_PARTS_MAX / 2, "a{x}");
	g_autofree char *uri = repeated("1/", URI_TEMPLATE_PARTS_MAX / 2, "");
	assert_true(matches(most_parts, uri));
	expect_no_template(too_many_parts);
	g_autofree char *variables = repeated("x,", URI_TEMPLATE_PARTS_MAX - 1, "x}");
	g_autofree char *most = g_strconcat("{", variables, NULL);
	g_autofree char *more = g_strconcat("{x,", variables, NULL);
	assert_true(matches(most, "1"));
	expect_no_template(more);
}

static void test_uris_are_bounded(void **state)
{
	(void)state;
	g_autofree char *longest = repeated("a", 64 * 1024, "");
	g_autofree char *too_long = repeated("a", 64 * 1024, "a");
	assert_true(matches("{+x}", longest));
	assert_false(matches("{+x}", too_long));
}

/* Tried one way after the other, these would not end. */
static void test_hostile_templates_take_no_time(void **state)
{
	(void)state;
	g_autofree char *uri = repeated("a", 64 * 1024, "");
	static const char *const units[] = {"{+x}a", "{x}a", "{/x*}{+x}", "{x}", "{+x:9}"};
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		g_autofree char *text = repeated(units[i], 31, "b");
		assert_false(matches(text, uri));
	}
	g_autofree char *literal = repeated("a", 4000, "b{+y}");
	g_autofree char *text = g_strconcat("{+x}", literal, NULL);
	assert_false(matches(text, uri));
	g_autofree char *pairs = repeated("&a=a", 16 * 1024, "");
	g_autofree char *names = repeated("a*,", 63, "b}c");
	g_autofree char *named = g_strconcat("{&", names, NULL);
	assert_false(matches(named, pairs));
}

static void test_literal_characters_are_counted(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned literals;
	} cases[] = {{"", 0}, {"{x}", 0}, {"a{x}bc{/long,names*}d", 4}, {"é%20{x}", 2},
		{"file:///{+path}", 8}};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(UriTemplate) uri_template = uri_template_new(cases[i].text);
		assert_int_equal(uri_template_literals(uri_template), cases[i].literals);
	}
	uri_template_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_the_rfc_match),
		cmocka_unit_test(test_the_examples_of_the_rfc_with_operators_match),
		cmocka_unit_test(test_literals_match_themselves_alone),
		cmocka_unit_test(test_simple_values_stay_in_their_segment),
		cmocka_unit_test(test_reserved_values_are_anything),
		cmocka_unit_test(test_segments_are_as_many_as_variables),
		cmocka_unit_test(test_named_variables_stand_in_their_order),
		cmocka_unit_test(test_exploded_variables_are_any_pairs),
		cmocka_unit_test(test_prefixes_bound_values_by_characters),
		cmocka_unit_test(test_what_is_no_template_is_refused),
		cmocka_unit_test(test_names_may_be_any_row_of_their_characters),
		cmocka_unit_test(test_templates_are_bounded),
		cmocka_unit_test(test_uris_are_bounded),
		cmocka_unit_test(test_hostile_templates_take_no_time),
		cmocka_unit_test(test_literal_characters_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
