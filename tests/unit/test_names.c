#include "mux/names.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct ConnectorConfig native = {
	.name = (char *)"native", .native = true, .prefix = (char *)""};
static const struct ConnectorConfig notion = {.name = (char *)"notion", .prefix = (char *)"notion"};
static const struct ConnectorConfig mcp = {.name = (char *)"mcp", .prefix = (char *)"mcp"};

static const struct MuxConfig mux = {.separator = (char *)"__", .max_tool_name = 24};

/* The first DIGITS of SHA-256(connector NUL upstream), computed apart from the code under test. */
static char *hash_of(const char *connector, const char *upstream, unsigned digits)
{
	g_autoptr(GString) text = g_string_new(connector);
	g_string_append_c(text, '\0');
	g_string_append(text, upstream);
	g_autofree char *hex = g_compute_checksum_for_data(
		G_CHECKSUM_SHA256, (const guchar *)text->str, text->len);
	return g_strndup(hex, digits);
}

struct Case {
	const struct ConnectorConfig *connector;
	const char *upstream;
	const char *expected; /* `#` stands for the hash of 8 digits */
};

static void expect_with(const struct MuxConfig *config, const struct Case *cases, size_t n)
{
	g_autofree struct ExposedName *names = g_new0(struct ExposedName, n);
	for (size_t i = 0; i < n; i++) {
		names[i].connector = cases[i].connector;
		names[i].upstream = cases[i].upstream;
	}
	names_assign(config, names, n);
	for (size_t i = 0; i < n; i++) {
		const char *mark = strchr(cases[i].expected, '#');
		g_autofree char *hash = hash_of(cases[i].connector->name, cases[i].upstream, 8);
		g_autofree char *expected =
			mark ? g_strdup_printf("%.*s%s%s", (int)(mark - cases[i].expected),
				       cases[i].expected, hash, mark + 1)
			     : g_strdup(cases[i].expected);
		assert_string_equal(names[i].exposed, expected);
		assert_int_equal(names[i].aliased, mark != NULL);
		g_free(names[i].exposed);
	}
}

#define EXPECT(config, ...)                                                                        \
	do {                                                                                       \
		const struct Case cases[] = {__VA_ARGS__};                                         \
		expect_with(config, cases, G_N_ELEMENTS(cases));                                   \
	} while (0)

static void test_legal_names_stay_as_they_are(void **state)
{
	(void)state;
	EXPECT(&mux, {&native, "get_entity-2", "get_entity-2"},
		{&notion, "search", "notion__search"}, {&mcp, "search", "mcp__search"},
		{&notion, "a__b", "notion__a__b"});
}

static void test_native_names_may_be_of_any_length_when_legal(void **state)
{
	(void)state;
	const char *name = "a_native_name_that_is_longer_than_the_limit_and_stays";
	EXPECT(&mux, {&native, name, name});
}

static void test_names_that_are_too_long_are_cut_and_hashed(void **state)
{
	(void)state;
	EXPECT(&mux, {&notion, "1234567890123456", "notion__1234567890123456"},
		{&notion, "12345678901234567", "notion__1234567_#"});
}

static void test_each_illegal_character_becomes_one_underscore(void **state)
{
	(void)state;
	EXPECT(&mux, {&notion, "a.b", "notion__a_b_#"}, {&notion, "é世😀", "notion______#"},
		{&native, "a b/c", "a_b_c_#"}, {&native, "\n", "__#"});
}

static void test_an_illegal_native_name_is_bounded(void **state)
{
	(void)state;
	EXPECT(&mux, {&native, "a.native.name.that.is.long", "a_native_name_t_#"});
}

static void test_names_that_would_be_the_same_when_changed_both_carry_their_hash(void **state)
{
	(void)state;
	EXPECT(&mux, {&notion, "a.b", "notion__a_b_#"}, {&notion, "a/b", "notion__a_b_#"},
		{&notion, "a_b", "notion__a_b"});
}

static void test_a_native_tool_keeps_a_name_that_two_want(void **state)
{
	(void)state;
	EXPECT(&mux, {&native, "notion__search", "notion__search"},
		{&notion, "search", "notion__search_#"}, {&notion, "fetch", "notion__fetch"});
}

static void test_connectors_that_want_the_same_name_both_give_way(void **state)
{
	(void)state;
	const struct ConnectorConfig other = {.name = (char *)"other", .prefix = (char *)"notion"};
	EXPECT(&mux, {&notion, "search", "notion__search_#"},
		{&other, "search", "notion__search_#"});
}

static void test_names_of_our_own_tools_are_reserved(void **state)
{
	(void)state;
	const struct MuxConfig short_separator = {.separator = (char *)"_", .max_tool_name = 48};
	EXPECT(&mux, {&native, "mcp_mux__connect", "native_mcp_mux__#"},
		{&native, "mcp.mux__x", "native_mcp_mux__#"}, {&native, "mcp_mux", "mcp_mux"});
	EXPECT(&short_separator, {&mcp, "mux_connect", "mcp_mcp_mux_connect_#"},
		{&mcp, "mux", "mcp_mux"}, {&native, "mcp.mux", "native_mcp_mux_#"},
		{&mcp, "connect", "mcp_connect"});
}

static void test_a_taken_alias_gets_a_longer_hash(void **state)
{
	(void)state;
	const struct MuxConfig wide = {.separator = (char *)"__", .max_tool_name = 48};
	g_autofree char *hash = hash_of("notion", "a.b", 16);
	g_autofree char *squat = g_strdup_printf("notion__a_b_%.8s", hash);
	g_autofree char *longer = g_strdup_printf("notion__a_b_%s", hash);
	struct ExposedName names[] = {{&native, squat, NULL, false}, {&notion, "a.b", NULL, false}};
	names_assign(&wide, names, 2);
	assert_string_equal(names[0].exposed, squat);
	assert_string_equal(names[1].exposed, longer);
	g_free(names[0].exposed);
	g_free(names[1].exposed);
}

static void test_an_alias_is_found_even_if_every_length_of_its_hash_is_taken(void **state)
{
	(void)state;
	const struct MuxConfig narrow = {.separator = (char *)"__", .max_tool_name = 16};
	g_autofree char *hash = hash_of("notion", "a.b", 15);
	g_autofree char *eight = g_strdup_printf("notion__%.8s", hash);
	g_autofree char *fifteen = g_strdup_printf("_%s", hash);
	struct ExposedName names[] = {{&native, eight, NULL, false},
		{&native, fifteen, NULL, false}, {&notion, "a.b", NULL, false}};
	names_assign(&narrow, names, 3);
	assert_string_not_equal(names[2].exposed, eight);
	assert_string_not_equal(names[2].exposed, fifteen);
	assert_int_equal(strlen(names[2].exposed), 16);
	assert_int_equal(names[2].exposed[0], '_');
	for (unsigned i = 0; i < 3; i++)
		g_free(names[i].exposed);
}

static void test_every_name_is_legal_unique_and_bounded(void **state)
{
	(void)state;
	enum { N = 3000 };
	const struct ConnectorConfig *connectors[] = {&native, &notion, &mcp};
	g_autofree struct ExposedName *names = g_new0(struct ExposedName, N);
	g_autoptr(GPtrArray) upstream = g_ptr_array_new_with_free_func(g_free);
	for (unsigned i = 0; i < N; i++) {
		char *name = g_strdup_printf("%s%u%c%s", i % 2 ? "mcp_mux__" : "tool", i / 12,
			"._ x"[i / 3 % 4], i % 5 ? "" : "_and_a_long_tail_of_words");
		g_ptr_array_add(upstream, name);
		names[i].connector = connectors[i % 3];
		names[i].upstream = name;
	}
	names_assign(&mux, names, N);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned i = 0; i < N; i++) {
		const char *name = names[i].exposed;
		assert_true(g_hash_table_add(seen, names[i].exposed));
		assert_int_equal(
			strspn(name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-"), strlen(name));
		assert_false(g_str_has_prefix(name, "mcp_mux__"));
		if (!names[i].connector->native)
			assert_true(strlen(name) <= mux.max_tool_name);
	}
	g_hash_table_remove_all(seen);
	for (unsigned i = 0; i < N; i++)
		g_free(names[i].exposed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_legal_names_stay_as_they_are),
		cmocka_unit_test(test_native_names_may_be_of_any_length_when_legal),
		cmocka_unit_test(test_names_that_are_too_long_are_cut_and_hashed),
		cmocka_unit_test(test_each_illegal_character_becomes_one_underscore),
		cmocka_unit_test(test_an_illegal_native_name_is_bounded),
		cmocka_unit_test(
			test_names_that_would_be_the_same_when_changed_both_carry_their_hash),
		cmocka_unit_test(test_a_native_tool_keeps_a_name_that_two_want),
		cmocka_unit_test(test_connectors_that_want_the_same_name_both_give_way),
		cmocka_unit_test(test_names_of_our_own_tools_are_reserved),
		cmocka_unit_test(test_a_taken_alias_gets_a_longer_hash),
		cmocka_unit_test(test_an_alias_is_found_even_if_every_length_of_its_hash_is_taken),
		cmocka_unit_test(test_every_name_is_legal_unique_and_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
