#include "cli_fixture.h"
#include "mux/catalog.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define REST "\"inputSchema\":{\"type\":\"object\"}"
#define TOOL(name) "{\"name\":\"" name "\"," REST "}"

/* A configuration with `native` and the connectors `beta` and `alpha`, in this order. */
struct Fixture {
	struct Config config;
	struct ConnectorConfig native, beta, alpha;
	struct Catalog *catalog;
	/* Of the tests of pins */
	char *folder;
	struct Pins *pins;
	int stderr_was, log;
};

static void init_connector(struct ConnectorConfig *connector, const char *name)
{
	*connector = (struct ConnectorConfig){
		.name = (char *)name,
		.prefix = (char *)name,
		.default_all = true,
		.enabled = true,
		.toggles = g_ptr_array_new_with_free_func(g_free),
	};
}

static int set_up(void **state)
{
	struct Fixture *f = g_new0(struct Fixture, 1);
	f->config.mux.separator = (char *)"__";
	f->config.mux.max_tool_name = 24;
	f->config.connectors = g_ptr_array_new();
	init_connector(&f->native, "native");
	f->native.native = true;
	f->native.prefix = (char *)"";
	init_connector(&f->beta, "beta");
	init_connector(&f->alpha, "alpha");
	g_ptr_array_add(f->config.connectors, &f->native);
	g_ptr_array_add(f->config.connectors, &f->beta);
	g_ptr_array_add(f->config.connectors, &f->alpha);
	f->catalog = catalog_new(&f->config, MCP_TOOLS);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct Fixture *f = *state;
	catalog_free(f->catalog);
	g_ptr_array_unref(f->config.connectors);
	g_ptr_array_unref(f->native.toggles);
	g_ptr_array_unref(f->beta.toggles);
	g_ptr_array_unref(f->alpha.toggles);
	g_free(f);
	return 0;
}

static void toggle_off(struct ConnectorConfig *connector, const char *pattern)
{
	struct Toggle *toggle = g_new0(struct Toggle, 1);
	toggle->pattern = (char *)pattern;
	g_ptr_array_add(connector->toggles, toggle);
}

static struct ToolList *list_of(const char *tools)
{
	g_autofree char *result = g_strdup_printf("{\"tools\":[%s]}", tools);
	assert_true(json_validate(slice_of(result), NULL));
	gsize len = strlen(result);
	g_autoptr(GBytes) page = g_bytes_new(result, len);
	struct ToolList *list = tool_list_new();
	struct Slice cursor;
	unsigned skipped = 0;
	assert_true(tool_list_add_page(list, page,
		(struct Slice){g_bytes_get_data(page, NULL), len}, true, &cursor, &skipped, NULL));
	assert_int_equal(skipped, 0);
	return list;
}

static bool set(struct Fixture *f, const struct ConnectorConfig *connector, const char *tools)
{
	g_autoptr(ToolList) list = list_of(tools);
	return catalog_set(f->catalog, connector, list);
}

static void expect_render(struct Fixture *f, bool legacy, const char *expected)
{
	struct Slice text = catalog_render(f->catalog, legacy);
	g_autofree char *got = slice_dup(text);
	assert_string_equal(got, expected);
}

/* All tools as `connector:upstream=exposed` (`-` where hidden), each followed by a space. */
static char *summary(struct Fixture *f)
{
	GString *out = g_string_new(NULL);
	const GPtrArray *tools = catalog_entries(f->catalog);
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		g_string_append_printf(out, "%s:%s=%s ", tool->connector->name, tool->tool->name,
			tool->exposed ? tool->exposed : "-");
	}
	return g_string_free(out, FALSE);
}

static void expect_summary(struct Fixture *f, const char *expected)
{
	g_autofree char *got = summary(f);
	assert_string_equal(got, expected);
}

static void test_an_empty_catalog_renders_nothing(void **state)
{
	struct Fixture *f = *state;
	expect_render(f, false, "");
	expect_render(f, true, "");
	assert_null(catalog_find(f->catalog, "x"));
	assert_int_equal(catalog_entries(f->catalog)->len, 0);
	catalog_free(NULL);
}

static void test_lists_are_in_the_order_of_the_configuration_then_bytewise(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, TOOL("b") "," TOOL("Z") "," TOOL("a_"));
	set(f, &f->native, TOOL("two") "," TOOL("one"));
	set(f, &f->beta, TOOL("\xc3\xa9") "," TOOL("z"));
	const GPtrArray *tools = catalog_entries(f->catalog);
	assert_int_equal(tools->len, 7);
	const char *expected[] = {"one", "two", "z", "\xc3\xa9", "Z", "a_", "b"};
	for (unsigned i = 0; i < tools->len; i++) {
		const struct CatalogEntry *tool = tools->pdata[i];
		assert_string_equal(tool->tool->name, expected[i]);
	}
}

static void test_native_comes_first_wherever_it_is_configured(void **state)
{
	struct Fixture *f = *state;
	catalog_free(f->catalog);
	f->config.connectors->pdata[0] = &f->alpha;
	f->config.connectors->pdata[1] = &f->beta;
	f->config.connectors->pdata[2] = &f->native;
	f->catalog = catalog_new(&f->config, MCP_TOOLS);
	set(f, &f->alpha, TOOL("a"));
	set(f, &f->beta, TOOL("b"));
	set(f, &f->native, TOOL("n"));
	expect_summary(f, "native:n=n alpha:a=alpha__a beta:b=beta__b ");
}

static void test_the_order_in_which_lists_arrive_does_not_matter(void **state)
{
	struct Fixture *f = *state;
	const char *lists[] = {TOOL("alpha__x") "," TOOL("a.b"),
		TOOL("a_long_name_to_be_cut_1") "," TOOL("a_long_name_to_be_cut_2"),
		TOOL("x") "," TOOL("y")};
	const struct ConnectorConfig *connectors[] = {&f->native, &f->beta, &f->alpha};
	static const unsigned orders[][3] = {
		{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	g_autofree char *first = NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(orders); i++) {
		catalog_free(f->catalog);
		f->catalog = catalog_new(&f->config, MCP_TOOLS);
		for (unsigned j = 0; j < 3; j++)
			assert_true(set(f, connectors[orders[i][j]], lists[orders[i][j]]));
		g_autofree char *now = summary(f);
		if (!first)
			first = g_strdup(now);
		assert_string_equal(now, first);
	}
	assert_non_null(strstr(first, "native:alpha__x=alpha__x "));
	assert_non_null(strstr(first, "alpha:x=alpha__x_"));
	assert_non_null(strstr(first, "alpha:y=alpha__y "));
}

static void test_hidden_tools_take_no_names(void **state)
{
	struct Fixture *f = *state;
	toggle_off(&f->native, "alpha__*");
	set(f, &f->native, TOOL("alpha__x"));
	set(f, &f->alpha, TOOL("x"));
	expect_summary(f, "native:alpha__x=- alpha:x=alpha__x ");
	const struct CatalogEntry *tool = catalog_find(f->catalog, "alpha__x");
	assert_non_null(tool);
	assert_ptr_equal(tool->connector, &f->alpha);
	assert_false(tool->aliased);
	const struct CatalogEntry *hidden = catalog_entries(f->catalog)->pdata[0];
	assert_null(hidden->raw_exposed);
	assert_string_equal(hidden->raw_upstream, "\"alpha__x\"");
	assert_int_equal(hidden->decision.verdict, VERDICT_TOGGLED_OFF);
}

static void test_tools_are_found_by_exposed_names_alone(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native, TOOL("n"));
	set(f, &f->alpha, TOOL("caf\\u00e9") "," TOOL("x"));
	assert_null(catalog_find(f->catalog, "x"));
	assert_null(catalog_find(f->catalog, "alpha__"));
	assert_null(catalog_find(f->catalog, "native__n"));
	assert_string_equal(catalog_find(f->catalog, "n")->raw_upstream, "\"n\"");
	const struct CatalogEntry *cafe = catalog_entries(f->catalog)->pdata[1];
	assert_true(cafe->aliased);
	assert_string_equal(cafe->raw_upstream, "\"caf\\u00e9\"");
	assert_ptr_equal(catalog_find(f->catalog, cafe->exposed), cafe);
	g_autofree char *quoted = g_strdup_printf("\"%s\"", cafe->exposed);
	assert_string_equal(cafe->raw_exposed, quoted);
}

static void test_definitions_keep_their_bytes_but_for_the_name(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha,
		"{ \"x\\u002d\" : 1.10e+2 ,\n\"n\\u0061me\":\"t\", \"inputSchema\":{\r\n\"type\" :"
		"\t\"object\"},\"_meta\":{\"name\":\"t\",\"n\":12345678901234567890},"
		"\"description\":\"\\/ é \\u00e9\"}," TOOL("u"));
	const char *expected =
		"{\"x\\u002d\":1.10e+2,\"n\\u0061me\":\"alpha__t\",\"inputSchema\":{  \"type\" :"
		"\t\"object\"},\"_meta\":{\"name\":\"t\",\"n\":12345678901234567890},"
		"\"description\":\"\\/ é \\u00e9\"}," TOOL("alpha__u");
	expect_render(f, false, expected);
	expect_render(f, true, expected);
}

static void test_legacy_lists_lack_output_schemas_whose_root_is_no_object(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native,
		"{\"name\":\"a\",\"outputSchema\":{\"type\":\"array\"}," REST "},"
		"{\"outputSchema\":{\"type\":\"object\"},\"name\":\"b\"," REST "},"
		"{\"name\":\"c\"," REST ",\"output\\u0053chema\":{}}");
	expect_render(f, false,
		"{\"name\":\"a\",\"outputSchema\":{\"type\":\"array\"}," REST "},"
		"{\"outputSchema\":{\"type\":\"object\"},\"name\":\"b\"," REST "},"
		"{\"name\":\"c\"," REST ",\"output\\u0053chema\":{}}");
	expect_render(f, true,
		"{\"name\":\"a\"," REST "},"
		"{\"outputSchema\":{\"type\":\"object\"},\"name\":\"b\"," REST "},"
		"{\"name\":\"c\"," REST "}");
}

static void test_a_rendering_is_kept_until_the_next_change(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native, TOOL("a"));
	struct Slice first = catalog_render(f->catalog, true);
	assert_ptr_equal(catalog_render(f->catalog, true).data, first.data);
	set(f, &f->native, TOOL("b"));
	expect_render(f, true, TOOL("b"));
}

static void test_set_tells_whether_what_is_exposed_changed(void **state)
{
	struct Fixture *f = *state;
	toggle_off(&f->native, "hidden");
	assert_false(set(f, &f->native, ""));
	assert_true(set(f, &f->native, TOOL("a") "," TOOL("b")));
	assert_false(set(f, &f->native, TOOL("a") "," TOOL("b")));
	assert_false(set(f, &f->native, TOOL("b") "," TOOL("a")));
	assert_false(set(f, &f->native, TOOL("b") "," TOOL("a") "," TOOL("hidden")));
	assert_true(set(f, &f->native, TOOL("a") ",{\"name\":\"b\",\"title\":\"new\"," REST "}"));
	assert_true(set(f, &f->native, TOOL("a")));
	assert_true(set(f, &f->native, ""));
	assert_false(catalog_set(f->catalog, &f->native, NULL));
}

static void test_withdrawn_tools_are_gone(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native, TOOL("a"));
	set(f, &f->alpha, TOOL("x"));
	assert_true(catalog_set(f->catalog, &f->native, NULL));
	expect_summary(f, "alpha:x=alpha__x ");
	assert_null(catalog_find(f->catalog, "a"));
}

static void test_a_connector_that_is_off_exposes_nothing(void **state)
{
	struct Fixture *f = *state;
	f->alpha.enabled = false;
	assert_false(set(f, &f->alpha, TOOL("x")));
	expect_summary(f, "");
	unsigned exposed = 9, allowed = 9;
	assert_false(catalog_count(f->catalog, &f->alpha, &exposed, &allowed));
	assert_int_equal(exposed, 0);
	assert_int_equal(allowed, 0);
}

static void test_a_connector_that_is_not_configured_changes_nothing(void **state)
{
	struct Fixture *f = *state;
	struct ConnectorConfig stranger = f->alpha;
	assert_false(set(f, &stranger, TOOL("x")));
	expect_summary(f, "");
	unsigned exposed = 9, allowed = 9;
	assert_false(catalog_count(f->catalog, &stranger, &exposed, &allowed));
}

static void test_counts_are_of_exposed_and_of_allowed_tools(void **state)
{
	struct Fixture *f = *state;
	unsigned exposed = 9, allowed = 9;
	assert_false(catalog_count(f->catalog, &f->native, &exposed, &allowed));
	assert_int_equal(exposed, 0);
	assert_int_equal(allowed, 0);
	toggle_off(&f->native, "b");
	set(f, &f->native, TOOL("a") "," TOOL("b") ",{\"name\":\"broken\"}");
	set(f, &f->alpha, "");
	assert_true(catalog_count(f->catalog, &f->native, &exposed, &allowed));
	assert_int_equal(exposed, 1);
	assert_int_equal(allowed, 3);
	assert_true(catalog_count(f->catalog, &f->alpha, &exposed, &allowed));
	assert_int_equal(exposed, 0);
	assert_int_equal(allowed, 0);
}

static void test_invalid_tools_are_listed_but_not_rendered(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->native, "{\"name\":\"broken\"}," TOOL("good"));
	expect_summary(f, "native:broken=- native:good=good ");
	expect_render(f, false, TOOL("good"));
	assert_null(catalog_find(f->catalog, "broken"));
}

static void test_the_catalog_keeps_the_lists(void **state)
{
	struct Fixture *f = *state;
	struct ToolList *list = list_of(TOOL("a"));
	catalog_set(f->catalog, &f->native, list);
	assert_int_equal(list->references, 2);
	tool_list_unref(list);
	expect_render(f, false, TOOL("a"));
	catalog_set(f->catalog, &f->native, list);
	assert_int_equal(list->references, 1);
	expect_render(f, false, TOOL("a"));
}

static void test_thousands_of_tools_take_little_time(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) tools = g_string_new(NULL);
	for (unsigned i = 0; i < 10000; i++)
		g_string_append_printf(tools, "%s{\"name\":\"t.%u\"," REST "}", i ? "," : "", i);
	int64_t start = g_get_monotonic_time();
	assert_true(set(f, &f->alpha, tools->str));
	assert_true(set(f, &f->beta, tools->str));
	catalog_render(f->catalog, true);
	assert_int_equal(catalog_entries(f->catalog)->len, 20000);
	/* It takes some 0.1 s; anything quadratic would take minutes. */
	assert_true(g_get_monotonic_time() - start < 10 * G_USEC_PER_SEC);
}

/* ---- pins ---- */

#define CHANGED(name) "{\"name\":\"" name "\",\"description\":\"changed\"," REST "}"

static int set_up_pins(void **state)
{
	set_up(state);
	struct Fixture *f = *state;
	f->folder = g_dir_make_tmp("catalog-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", f->folder, TRUE));
	f->native.url = f->alpha.url = f->beta.url = (char *)"https://mcp.example/mcp";
	f->config.mux.pin_tools = PIN_BLOCK;
	f->pins = pins_new(&f->config.mux, true);
	catalog_set_pins(f->catalog, f->pins);
	g_autofree char *log = g_build_filename(f->folder, "log", NULL);
	f->log = open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	f->stderr_was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_int_equal(dup2(f->log, STDERR_FILENO), STDERR_FILENO);
	return 0;
}

static int tear_down_pins(void **state)
{
	struct Fixture *f = *state;
	assert_int_equal(dup2(f->stderr_was, STDERR_FILENO), STDERR_FILENO);
	close(f->stderr_was);
	close(f->log);
	pins_free(f->pins);
	remove_tree(f->folder);
	g_free(f->folder);
	return tear_down(state);
}

/* What the log says since the last time. */
static char *take_log(struct Fixture *f)
{
	char text[16384];
	ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	assert_int_equal(ftruncate(f->log, 0), 0);
	assert_int_equal(lseek(f->log, 0, SEEK_SET), 0);
	return g_strdup(text);
}

static void expect_log(struct Fixture *f, const char *expected)
{
	g_autofree char *text = take_log(f);
	assert_string_equal(text, expected);
}

static void test_a_changed_tool_is_hidden_and_its_name_is_kept(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, TOOL("x") "," TOOL("y"));
	assert_null(catalog_find_blocked(f->catalog, "alpha__x"));
	assert_true(set(f, &f->alpha, CHANGED("x") "," TOOL("y")));
	expect_summary(f, "alpha:x=- alpha:y=alpha__y ");
	expect_render(f, false, TOOL("alpha__y"));
	assert_null(catalog_find(f->catalog, "alpha__x"));
	const struct CatalogEntry *blocked = catalog_find_blocked(f->catalog, "alpha__x");
	assert_non_null(blocked);
	assert_string_equal(blocked->own, "x");
	assert_int_equal(blocked->decision.verdict, VERDICT_PIN_CHANGED);
	assert_string_equal(blocked->decision.rule, "pin_tools");
	assert_int_equal(blocked->pin, PIN_STATE_CHANGED);
	assert_null(blocked->raw_exposed);
	assert_null(catalog_find_blocked(f->catalog, "alpha__y"));
	unsigned exposed = 0, allowed = 0;
	assert_true(catalog_count(f->catalog, &f->alpha, &exposed, &allowed));
	assert_int_equal(exposed, 1);
	assert_int_equal(allowed, 2);
	/* Nobody else can have the name, nor does anybody else get another one. */
	set(f, &f->beta, TOOL("z"));
	set(f, &f->native, TOOL("alpha__x"));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
	assert_ptr_equal(catalog_find(f->catalog, "alpha__x")->connector, &f->native);
	assert_null(catalog_find_blocked(f->catalog, "alpha__x")); /* a native one keeps its name */
	set(f, &f->native, TOOL("n"));
	assert_non_null(catalog_find_blocked(f->catalog, "alpha__x"));
	/* As it was. */
	assert_true(set(f, &f->alpha, TOOL("x") "," TOOL("y")));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
	assert_null(catalog_find_blocked(f->catalog, "alpha__x"));
}

static void test_a_change_is_told_of_once(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, TOOL("x"));
	expect_log(f, "");
	set(f, &f->alpha, CHANGED("x"));
	expect_log(f,
		"mcp-mux: warning [alpha] the definition of its tool x is not the one that was "
		"approved, so it is hidden: see mcp-mux diff alpha__x, accept it with mcp-mux "
		"approve alpha__x\n");
	set(f, &f->alpha, CHANGED("x") "," TOOL("y"));
	set(f, &f->beta, TOOL("x"));
	catalog_reconfigure(f->catalog);
	pins_keep(f->pins);
	pins_reread(f->pins);
	catalog_reconfigure(f->catalog);
	expect_log(f, "");
	f->config.mux.pin_tools = PIN_WARN;
	assert_true(catalog_reconfigure(f->catalog));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
	set(f, &f->alpha, "{\"name\":\"x\",\"title\":\"new\"," REST "}");
	expect_log(f,
		"mcp-mux: warning [alpha] the definition of its tool x is not the one that was "
		"approved: see mcp-mux diff alpha__x, accept it with mcp-mux approve alpha__x\n");
	assert_int_equal(catalog_find(f->catalog, "alpha__x")->pin, PIN_STATE_CHANGED);
}

static void test_of_many_changes_some_are_named(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(GString) tools = g_string_new(NULL), changed = g_string_new(NULL);
	for (unsigned i = 0; i < 20; i++) {
		g_string_append_printf(tools, "%s{\"name\":\"t%u\"," REST "}", i ? "," : "", i);
		g_string_append_printf(
			changed, "%s{\"name\":\"t%u\",\"title\":\"x\"," REST "}", i ? "," : "", i);
	}
	set(f, &f->alpha, tools->str);
	set(f, &f->alpha, changed->str);
	g_autofree char *text = take_log(f);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	assert_int_equal(g_strv_length(lines), 5 + 1 + 1);
	assert_non_null(strstr(lines[5], "more of its tools: see mcp-mux tools alpha"));
	set(f, &f->beta, TOOL("x"));
	expect_log(f, "");
}

static void test_what_is_not_allowed_is_not_pinned(void **state)
{
	struct Fixture *f = *state;
	f->alpha.default_all = false;
	toggle_off(&f->beta, "x");
	set(f, &f->alpha, TOOL("x"));
	set(f, &f->beta, TOOL("x"));
	const struct CatalogEntry *hidden = catalog_entries(f->catalog)->pdata[1];
	assert_ptr_equal(hidden->connector, &f->alpha);
	assert_int_equal(hidden->pin, PIN_STATE_NONE);
	const struct CatalogEntry *off = catalog_entries(f->catalog)->pdata[0];
	assert_int_equal(off->pin, PIN_STATE_APPROVED); /* its being off is the user's own doing */
	/* The first definition that is seen while it is allowed counts. */
	set(f, &f->alpha, CHANGED("x"));
	f->alpha.default_all = true;
	assert_true(catalog_reconfigure(f->catalog));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
	assert_true(set(f, &f->alpha, TOOL("x")));
	assert_non_null(catalog_find_blocked(f->catalog, "alpha__x"));
	/* One that is off and changes is hidden by its toggle. */
	set(f, &f->beta, CHANGED("x"));
	assert_null(catalog_find_blocked(f->catalog, "beta__x"));
	off = catalog_entries(f->catalog)->pdata[0];
	assert_int_equal(off->decision.verdict, VERDICT_TOGGLED_OFF);
	assert_int_equal(off->pin, PIN_STATE_CHANGED);
}

static void test_invalid_tools_are_not_pinned(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, "{\"name\":\"x\",\"inputSchema\":17}");
	const struct CatalogEntry *invalid = catalog_entries(f->catalog)->pdata[0];
	assert_non_null(invalid->invalid);
	assert_int_equal(invalid->pin, PIN_STATE_NONE);
	set(f, &f->alpha, TOOL("x"));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
}

static void test_an_approval_elsewhere_shows_the_tool_again(void **state)
{
	struct Fixture *f = *state;
	set(f, &f->alpha, TOOL("x"));
	pins_keep(f->pins);
	g_autoptr(ToolList) list = list_of(CHANGED("x"));
	assert_true(catalog_set(f->catalog, &f->alpha, list));
	g_autoptr(Pins) command = pins_new(&f->config.mux, false);
	assert_true(pins_approve(command, &f->alpha, list->tools->pdata[0], NULL));
	assert_false(catalog_reconfigure(f->catalog)); /* nobody has looked yet */
	pins_reread(f->pins);
	assert_true(catalog_reconfigure(f->catalog));
	expect_render(f, false, CHANGED("alpha__x"));
	assert_int_equal(catalog_find(f->catalog, "alpha__x")->pin, PIN_STATE_APPROVED);
}

static void test_what_was_found_is_kept_while_nothing_changes(void **state)
{
	struct Fixture *f = *state;
	g_autoptr(ToolList) list = list_of(TOOL("x"));
	catalog_set(f->catalog, &f->alpha, list);
	pins_keep(f->pins);
	/* Nobody said that the file is another one now, so nobody looks. */
	g_autofree char *path = g_build_filename(f->folder, "mcp-mux/pins/alpha.json", NULL);
	assert_true(g_file_set_contents(path, "damaged", -1, NULL));
	assert_false(catalog_set(f->catalog, &f->alpha, list));
	set(f, &f->beta, TOOL("y"));
	assert_non_null(catalog_find(f->catalog, "alpha__x"));
	assert_int_equal(catalog_find(f->catalog, "alpha__x")->pin, PIN_STATE_APPROVED);
	pins_keep(f->pins);
	g_autofree char *text = take_log(f);
	assert_string_equal(text, "");
}

int main(void)
{
#define TEST_PINS(name) cmocka_unit_test_setup_teardown(name, set_up_pins, tear_down_pins)
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_an_empty_catalog_renders_nothing),
		TEST(test_lists_are_in_the_order_of_the_configuration_then_bytewise),
		TEST(test_native_comes_first_wherever_it_is_configured),
		TEST(test_the_order_in_which_lists_arrive_does_not_matter),
		TEST(test_hidden_tools_take_no_names),
		TEST(test_tools_are_found_by_exposed_names_alone),
		TEST(test_definitions_keep_their_bytes_but_for_the_name),
		TEST(test_legacy_lists_lack_output_schemas_whose_root_is_no_object),
		TEST(test_a_rendering_is_kept_until_the_next_change),
		TEST(test_set_tells_whether_what_is_exposed_changed),
		TEST(test_withdrawn_tools_are_gone),
		TEST(test_a_connector_that_is_off_exposes_nothing),
		TEST(test_a_connector_that_is_not_configured_changes_nothing),
		TEST(test_counts_are_of_exposed_and_of_allowed_tools),
		TEST(test_invalid_tools_are_listed_but_not_rendered),
		TEST(test_the_catalog_keeps_the_lists),
		TEST(test_thousands_of_tools_take_little_time),
		TEST_PINS(test_a_changed_tool_is_hidden_and_its_name_is_kept),
		TEST_PINS(test_a_change_is_told_of_once),
		TEST_PINS(test_of_many_changes_some_are_named),
		TEST_PINS(test_what_is_not_allowed_is_not_pinned),
		TEST_PINS(test_invalid_tools_are_not_pinned),
		TEST_PINS(test_an_approval_elsewhere_shows_the_tool_again),
		TEST_PINS(test_what_was_found_is_kept_while_nothing_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
