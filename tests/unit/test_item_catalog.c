/* The catalogs of prompts, resources and resource templates. */
#include "mux/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PROMPT(name) "{\"name\":\"" name "\"}"
#define RESOURCE(uri) "{\"uri\":\"" uri "\",\"name\":\"n\"}"
#define TEMPLATE(text) "{\"uriTemplate\":\"" text "\",\"name\":\"n\"}"

/* A configuration with `native` and the connectors `beta` and `alpha`, in this order. */
struct Fixture {
	struct Config config;
	struct ConnectorConfig native, beta, alpha;
	struct Catalog *catalog;
	enum McpList kind;
	int log, stderr_before; /* what is logged, in memory */
};

static void init_connector(struct Fixture *f, struct ConnectorConfig *connector, const char *name)
{
	*connector = (struct ConnectorConfig){
		.name = (char *)name,
		.prefix = (char *)name,
		.default_all = true,
		.enabled = true,
		.toggles = g_ptr_array_new_with_free_func(g_free),
	};
	g_ptr_array_add(f->config.connectors, connector);
}

static int set_up(void **state, enum McpList kind)
{
	struct Fixture *f = g_new0(struct Fixture, 1);
	f->config.mux.separator = (char *)"__";
	f->config.mux.max_tool_name = 24;
	f->config.connectors = g_ptr_array_new();
	init_connector(f, &f->native, "native");
	f->native.native = true;
	init_connector(f, &f->beta, "beta");
	init_connector(f, &f->alpha, "alpha");
	f->catalog = catalog_new(&f->config, kind);
	f->kind = kind;
	f->log = memfd_create("log", MFD_CLOEXEC);
	f->stderr_before = dup(2);
	assert_true(f->log >= 0 && dup2(f->log, 2) == 2);
	*state = f;
	return 0;
}

static int set_up_prompts(void **state)
{
	return set_up(state, MCP_PROMPTS);
}

static int set_up_resources(void **state)
{
	return set_up(state, MCP_RESOURCES);
}

static int set_up_templates(void **state)
{
	return set_up(state, MCP_TEMPLATES);
}

static int tear_down(void **state)
{
	struct Fixture *f = *state;
	dup2(f->stderr_before, 2);
	close(f->stderr_before);
	close(f->log);
	catalog_free(f->catalog);
	g_ptr_array_unref(f->config.connectors);
	g_ptr_array_unref(f->native.toggles);
	g_ptr_array_unref(f->beta.toggles);
	g_ptr_array_unref(f->alpha.toggles);
	g_free(f);
	return 0;
}

/* What was logged since the last time, for g_free. */
static char *take_log(struct Fixture *f)
{
	off_t len = lseek(f->log, 0, SEEK_END);
	char *text = g_malloc0((gsize)len + 1);
	assert_int_equal(pread(f->log, text, (size_t)len, 0), len);
	assert_int_equal(ftruncate(f->log, 0), 0);
	lseek(f->log, 0, SEEK_SET);
	return text;
}

static void expect_log(struct Fixture *f, const char *wanted)
{
	g_autofree char *log = take_log(f);
	assert_string_equal(log, wanted);
}

static struct ItemList *list_of(const struct Fixture *f, const char *items)
{
	g_autofree char *result =
		g_strdup_printf("{\"%s\":[%s]}", mcp_lists[f->kind].member, items);
	assert_true(json_validate(slice_of(result), NULL));
	gsize len = strlen(result);
	g_autoptr(GBytes) page = g_bytes_new(result, len);
	struct ItemList *list = item_list_new(f->kind);
	struct Slice cursor;
	unsigned skipped = 0;
	assert_true(item_list_add_page(list, page,
		(struct Slice){g_bytes_get_data(page, NULL), len}, &cursor, &skipped, NULL));
	assert_int_equal(skipped, 0);
	return list;
}

static bool set(struct Fixture *f, const struct ConnectorConfig *connector, const char *items)
{
	g_autoptr(ItemList) list = list_of(f, items);
	return catalog_set_items(f->catalog, connector, list);
}

static void expect_render(struct Fixture *f, const char *expected)
{
	for (unsigned legacy = 0; legacy < 2; legacy++) {
		g_autofree char *got = slice_dup(catalog_render(f->catalog, legacy == 1));
		assert_string_equal(got, expected);
	}
}

/* All entries as `connector:own=exposed` (`-` where hidden; with `!` where it is shadowed), each followed by a space. */
static void expect_summary(struct Fixture *f, const char *expected)
{
	g_autoptr(GString) out = g_string_new(NULL);
	const GPtrArray *entries = catalog_entries(f->catalog);
	for (unsigned i = 0; i < entries->len; i++) {
		const struct CatalogEntry *entry = entries->pdata[i];
		assert_null(entry->tool);
		g_string_append_printf(out, "%s:%s=%s%s ", entry->connector->name, entry->own,
			entry->exposed ? entry->exposed : "-", entry->shadowed ? "!" : "");
	}
	assert_string_equal(out->str, expected);
}

static void allow(struct AllowList *list, const char *text)
{
	struct AllowRule *rule = g_new0(struct AllowRule, 1);
	rule->text = (char *)text;
	list->set = true;
	list->rules = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(list->rules, rule);
}

/* ---- prompts ---- */

static void test_prompts_have_prefixes_and_an_order(void **state)
{
	struct Fixture *f = *state;
	assert_true(set(f, &f->alpha, PROMPT("b") "," PROMPT("Z")));
	assert_true(set(f, &f->native, PROMPT("two") "," PROMPT("one")));
	assert_true(set(f, &f->beta, PROMPT("z")));
	expect_summary(f, "native:one=one native:two=two beta:z=beta__z alpha:Z=alpha__Z "
			  "alpha:b=alpha__b ");
	assert_string_equal(catalog_find(f->catalog, "alpha__b")->raw_upstream, "\"b\"");
	assert_null(catalog_find(f->catalog, "b"));
	expect_log(f, "");
}

static void test_names_of_prompts_that_would_not_do_get_aliases(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native, PROMPT("alpha__x") "," PROMPT("with space"));
	set(f, &f->alpha,
		PROMPT("x") "," PROMPT("caf\\u00e9") "," PROMPT("longer than it may ever be"));
	const GPtrArray *entries = catalog_entries(f->catalog);
	g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned i = 0; i < entries->len; i++) {
		const struct CatalogEntry *entry = entries->pdata[i];
		assert_true(strlen(entry->exposed) <= 24);
		assert_int_equal(strspn(entry->exposed,
					 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "0123456789_-"),
			strlen(entry->exposed));
		assert_true(g_hash_table_add(seen, entry->exposed));
		assert_ptr_equal(catalog_find(f->catalog, entry->exposed), entry);
		assert_int_equal(entry->aliased, i > 0);
	}
	assert_int_equal(entries->len, 5);
	assert_string_equal(
		((const struct CatalogEntry *)entries->pdata[2])->raw_upstream, "\"caf\\u00e9\"");
}

static void test_definitions_of_prompts_keep_their_bytes_but_for_the_name(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha,
		"{ \"arguments\":[ {\"name\":\"a\",\"x\":1.10} ] ,\n\"n\\u0061me\":\"t\","
		"\"_meta\":{\"name\":\"t\"} }");
	expect_render(f,
		"{\"arguments\":[ {\"name\":\"a\",\"x\":1.10} ],\"n\\u0061me\":\"alpha__t\","
		"\"_meta\":{\"name\":\"t\"}}");
}

static void test_invalid_prompts_are_left_out(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, PROMPT("a") ",{\"name\":\"b\",\"arguments\":5}");
	expect_summary(f, "alpha:a=alpha__a alpha:b=- ");
	expect_render(f, PROMPT("alpha__a"));
	const struct CatalogEntry *broken = catalog_entries(f->catalog)->pdata[1];
	assert_non_null(broken->invalid);
	assert_int_equal(broken->decision.verdict, VERDICT_INVALID);
}

static void test_prompts_that_are_not_allowed_are_left_out(void **state)
{
	struct Fixture *f = *state;
	allow(&f->alpha.allowed[ALLOW_PROMPTS], "a*");
	allow(&f->alpha.allowed[ALLOW_TOOLS], "b*");
	set(f, &f->alpha, PROMPT("a") "," PROMPT("b"));
	expect_summary(f, "alpha:a=alpha__a alpha:b=- ");
	unsigned exposed, allowed;
	assert_true(catalog_count(f->catalog, &f->alpha, &exposed, &allowed));
	assert_int_equal(exposed, 1);
	assert_int_equal(allowed, 1);
	g_ptr_array_unref(f->alpha.allowed[ALLOW_PROMPTS].rules);
	g_ptr_array_unref(f->alpha.allowed[ALLOW_TOOLS].rules);
}

static void test_a_change_is_one_that_is_seen(void **state)
{
	struct Fixture *f = *state;
	assert_false(set(f, &f->alpha, ""));
	assert_true(set(f, &f->alpha, PROMPT("a")));
	assert_false(set(f, &f->alpha, PROMPT("a")));
	assert_false(set(f, &f->alpha, "{\"name\":\"b\",\"arguments\":5}," PROMPT("a")));
	assert_true(set(f, &f->alpha, "{\"name\":\"a\",\"title\":\"A\"}"));
	assert_true(catalog_set_items(f->catalog, &f->alpha, NULL));
	assert_false(catalog_set_items(f->catalog, &f->alpha, NULL));
	expect_summary(f, "");
	struct ConnectorConfig stranger = f->alpha;
	assert_false(set(f, &stranger, PROMPT("a")));
	f->beta.enabled = false;
	assert_false(set(f, &f->beta, PROMPT("a")));
	expect_summary(f, "");
}

static void test_the_catalog_keeps_the_lists(void **state)
{
	struct Fixture *f = *state;
	struct ItemList *list = list_of(f, PROMPT("a"));
	catalog_set_items(f->catalog, &f->native, list);
	assert_int_equal(list->references, 2);
	item_list_unref(list);
	catalog_set_items(f->catalog, &f->native, list);
	assert_int_equal(list->references, 1);
	expect_render(f, PROMPT("a"));
}

/* ---- resources ---- */

static void test_resources_keep_their_uris(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, "{\"name\":\"b\",\"uri\":\"x:\\u0062\"}," RESOURCE("mcp_mux__a"));
	set(f, &f->native, RESOURCE("x:z z"));
	expect_summary(f, "native:x:z z=x:z z alpha:mcp_mux__a=mcp_mux__a alpha:x:b=x:b ");
	expect_render(f, RESOURCE("x:z z") "," RESOURCE("mcp_mux__a") ",{\"name\":\"b\",\"uri\":"
								      "\"x:\\u0062\"}");
	assert_ptr_equal(catalog_find(f->catalog, "x:b")->connector, &f->alpha);
	assert_null(catalog_find(f->catalog, "alpha__x:b"));
}

static void test_of_equal_uris_the_first_is_listed(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, RESOURCE("x:a") "," RESOURCE("x:b"));
	expect_log(f, "");
	assert_true(set(f, &f->beta, "{\"uri\":\"x:\\u0061\",\"name\":\"beta's\"}"));
	expect_summary(f, "beta:x:a=x:a alpha:x:a=x:a! alpha:x:b=x:b ");
	expect_render(f, "{\"uri\":\"x:\\u0061\",\"name\":\"beta's\"}," RESOURCE("x:b"));
	const struct CatalogEntry *first = catalog_find(f->catalog, "x:a");
	assert_ptr_equal(first->connector, &f->beta);
	assert_ptr_equal(first->next->connector, &f->alpha);
	assert_null(first->next->next);
	/* That of native is before both; none of this changes what alpha's own list is. */
	assert_true(set(f, &f->native, RESOURCE("x:a")));
	first = catalog_find(f->catalog, "x:a");
	assert_ptr_equal(first->connector, &f->native);
	assert_ptr_equal(first->next->connector, &f->beta);
	assert_ptr_equal(first->next->next->connector, &f->alpha);
	unsigned exposed, allowed;
	assert_true(catalog_count(f->catalog, &f->alpha, &exposed, &allowed));
	assert_int_equal(exposed, 2);
	/* What goes makes room. */
	assert_true(catalog_set_items(f->catalog, &f->native, NULL));
	assert_true(catalog_set_items(f->catalog, &f->beta, NULL));
	expect_summary(f, "alpha:x:a=x:a alpha:x:b=x:b ");
	expect_render(f, RESOURCE("x:a") "," RESOURCE("x:b"));
	/* What comes before it with the same bytes, and what is hidden behind that, is no change to be seen. */
	assert_false(set(f, &f->beta, RESOURCE("x:a") "," RESOURCE("x:b")));
	assert_false(set(f, &f->alpha, RESOURCE("x:b")));
}

static void test_equal_uris_are_logged_once(void **state)
{
	struct Fixture *f = *state;
	static const char one[] = "mcp-mux: warning [alpha] 1 of what it lists are left out of "
				  "resources/list: others list the same URI\n";
	static const char two[] = "mcp-mux: warning [alpha] 2 of what it lists are left out of "
				  "resources/list: others list the same URI\n";
	set(f, &f->beta, RESOURCE("x:a"));
	set(f, &f->alpha, RESOURCE("x:a") "," RESOURCE("x:b"));
	expect_log(f, one);
	/* Not when anything else is built anew. */
	set(f, &f->native, RESOURCE("x:c"));
	set(f, &f->alpha, RESOURCE("x:a"));
	expect_log(f, "");
	/* It is the other one's list that hides more of it now. */
	set(f, &f->alpha, RESOURCE("x:a") "," RESOURCE("x:b"));
	set(f, &f->beta, RESOURCE("x:a") "," RESOURCE("x:b"));
	expect_log(f, two);
	set(f, &f->beta, "");
	expect_log(f, "");
	set(f, &f->beta, RESOURCE("x:b"));
	expect_log(f, one);
}

static void test_what_is_not_exposed_hides_nothing(void **state)
{
	struct Fixture *f = *state;
	allow(&f->beta.allowed[ALLOW_RESOURCES], "y:*");
	set(f, &f->native, "{\"uri\":\"x:a\"}"); /* without a name */
	set(f, &f->beta, RESOURCE("x:a"));
	set(f, &f->alpha, RESOURCE("x:a"));
	expect_summary(f, "native:x:a=- beta:x:a=- alpha:x:a=x:a ");
	assert_ptr_equal(catalog_find(f->catalog, "x:a")->connector, &f->alpha);
	assert_null(catalog_find(f->catalog, "x:a")->next);
	expect_render(f, RESOURCE("x:a"));
	expect_log(f, ""); /* what is invalid was told where it was read */
	g_ptr_array_unref(f->beta.allowed[ALLOW_RESOURCES].rules);
}

static void test_thousands_of_equal_uris_take_little_time(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) items = g_string_new(NULL);
	for (unsigned i = 0; i < 10000; i++)
		g_string_append_printf(
			items, "%s{\"uri\":\"x:%u\",\"name\":\"n\"}", i ? "," : "", i);
	int64_t start = g_get_monotonic_time();
	assert_true(set(f, &f->alpha, items->str));
	set(f, &f->beta, items->str);
	assert_int_equal(catalog_entries(f->catalog)->len, 20000);
	g_autofree char *log = take_log(f);
	assert_non_null(strstr(log, "10000 of what it lists"));
	assert_true(g_get_monotonic_time() - start < 10 * G_USEC_PER_SEC);
}

/* ---- templates ---- */

static void test_templates_are_listed_by_their_text(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, TEMPLATE("x:{user-id}") "," TEMPLATE("y:{"));
	set(f, &f->beta, TEMPLATE("x:{user-id}"));
	expect_summary(
		f, "beta:x:{user-id}=x:{user-id} alpha:x:{user-id}=x:{user-id}! alpha:y:{=y:{ ");
	expect_render(f, TEMPLATE("x:{user-id}") "," TEMPLATE("y:{"));
	const struct CatalogEntry *entry = catalog_find(f->catalog, "x:{user-id}");
	assert_true(uri_template_matches(entry->uri_template, "x:7"));
	assert_non_null(entry->next->uri_template);
	/* It is shown, but nothing is found by it. */
	assert_null(catalog_find(f->catalog, "y:{")->uri_template);
	g_autofree char *log = take_log(f);
	assert_non_null(strstr(log, "[alpha] 1 of its resource templates are not understood"));
}

static void test_templates_that_are_not_allowed_match_nothing(void **state)
{
	struct Fixture *f = *state;
	allow(&f->alpha.allowed[ALLOW_RESOURCES], "x:{a}");
	set(f, &f->alpha, TEMPLATE("x:{a}") "," TEMPLATE("x:{b}"));
	expect_summary(f, "alpha:x:{a}=x:{a} alpha:x:{b}=- ");
	const GPtrArray *entries = catalog_entries(f->catalog);
	assert_non_null(((const struct CatalogEntry *)entries->pdata[0])->uri_template);
	assert_null(((const struct CatalogEntry *)entries->pdata[1])->uri_template);
	expect_log(f, "");
	g_ptr_array_unref(f->alpha.allowed[ALLOW_RESOURCES].rules);
}

static void test_templates_that_are_matched_are_bounded_for_each_connector(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) items = g_string_new(NULL);
	g_autofree char *pad = g_strnfill(1000, 'a');
	for (unsigned i = 0; i < 100; i++)
		g_string_append_printf(items, "%s{\"uriTemplate\":\"x:%02u%s{x}\",\"name\":\"n\"}",
			i ? "," : "", i, pad);
	set(f, &f->alpha, items->str);
	set(f, &f->beta, items->str);
	const GPtrArray *entries = catalog_entries(f->catalog);
	unsigned matched = 0;
	for (unsigned i = 0; i < entries->len; i++)
		matched += ((const struct CatalogEntry *)entries->pdata[i])->uri_template != NULL;
	assert_int_equal(entries->len, 200);
	assert_int_equal(matched, 2 * (32 * 1024 / 1007));
	g_autofree char *log = take_log(f);
	assert_non_null(strstr(log, "[beta] 68 of its resource templates are not understood"));
}

int main(void)
{
#define TEST(kind, name) cmocka_unit_test_setup_teardown(name, set_up_##kind, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(prompts, test_prompts_have_prefixes_and_an_order),
		TEST(prompts, test_names_of_prompts_that_would_not_do_get_aliases),
		TEST(prompts, test_definitions_of_prompts_keep_their_bytes_but_for_the_name),
		TEST(prompts, test_invalid_prompts_are_left_out),
		TEST(prompts, test_prompts_that_are_not_allowed_are_left_out),
		TEST(prompts, test_a_change_is_one_that_is_seen),
		TEST(prompts, test_the_catalog_keeps_the_lists),
		TEST(resources, test_resources_keep_their_uris),
		TEST(resources, test_of_equal_uris_the_first_is_listed),
		TEST(resources, test_equal_uris_are_logged_once),
		TEST(resources, test_what_is_not_exposed_hides_nothing),
		TEST(resources, test_thousands_of_equal_uris_take_little_time),
		TEST(templates, test_templates_are_listed_by_their_text),
		TEST(templates, test_templates_that_are_not_allowed_match_nothing),
		TEST(templates, test_templates_that_are_matched_are_bounded_for_each_connector),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
