#include "mux/policy.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { SECTION_LINE = 10, LIST_LINE = 100, NARROWED_LINE = 200, TOGGLE_LINE = 300 };

static struct ConnectorConfig *connector_new(bool default_all)
{
	struct ConnectorConfig *connector = g_new0(struct ConnectorConfig, 1);
	connector->name = (char *)"c";
	connector->prefix = (char *)"c";
	connector->enabled = true;
	connector->default_all = default_all;
	connector->place = (struct Place){"f.ini", SECTION_LINE};
	connector->toggles = g_ptr_array_new_with_free_func(g_free);
	return connector;
}

static void connector_free(struct ConnectorConfig *connector)
{
	for (unsigned kind = 0; kind < ALLOW_KINDS; kind++) {
		if (connector->allowed[kind].set)
			g_ptr_array_unref(connector->allowed[kind].rules);
		if (connector->narrowed[kind].set)
			g_ptr_array_unref(connector->narrowed[kind].rules);
	}
	g_ptr_array_unref(connector->toggles);
	g_free(connector);
}

/* Sets LIST to the rules, given without copies; rule I stands on the list's line plus I. */
static void set_list(struct AllowList *list, unsigned line, const char *const *rules)
{
	list->set = true;
	list->place = (struct Place){"f.ini", line};
	list->rules = g_ptr_array_new_with_free_func(g_free);
	for (; *rules; rules++) {
		struct AllowRule *rule = g_new0(struct AllowRule, 1);
		rule->text = (char *)*rules;
		rule->place = (struct Place){"f.ini", line + list->rules->len};
		g_ptr_array_add(list->rules, rule);
	}
}

#define RULES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_RULES ((const char *const[]){NULL})

static void toggle(struct ConnectorConfig *connector, const char *pattern, bool on)
{
	struct Toggle *item = g_new0(struct Toggle, 1);
	item->pattern = (char *)pattern;
	item->on = on;
	item->place = (struct Place){"f.ini", TOGGLE_LINE + connector->toggles->len};
	g_ptr_array_add(connector->toggles, item);
}

static const struct Tool reading = {.name = (char *)"get-page", .read_only = true};
static const struct Tool writing = {.name = (char *)"add-page", .says_non_destructive = true};
static const struct Tool deleting = {.name = (char *)"delete-page", .destructive = true};

static void expect(struct Decision decision, enum Verdict verdict, const char *rule, unsigned line)
{
	assert_int_equal(decision.verdict, verdict);
	if (rule)
		assert_string_equal(decision.rule, rule);
	else
		assert_null(decision.rule);
	assert_int_equal(decision.place.line, line);
}

static void expect_tool(const struct ConnectorConfig *connector, const struct Tool *tool,
	enum Verdict verdict, const char *rule, unsigned line)
{
	expect(policy_tool(connector, tool), verdict, rule, line);
}

static void test_without_a_list_the_default_decides(void **state)
{
	(void)state;
	struct ConnectorConfig *all = connector_new(true);
	expect_tool(all, &deleting, VERDICT_EXPOSED, NULL, SECTION_LINE);
	assert_true(policy_tool(all, &deleting).allowed);
	assert_false(policy_tool(all, &deleting).risky);
	connector_free(all);
	struct ConnectorConfig *none = connector_new(false);
	expect_tool(none, &reading, VERDICT_NOT_ALLOWED, NULL, SECTION_LINE);
	assert_false(policy_tool(none, &reading).allowed);
	connector_free(none);
}

static void test_an_empty_list_admits_nothing(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(true);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, NO_RULES);
	expect_tool(connector, &reading, VERDICT_NOT_ALLOWED, NULL, LIST_LINE);
	assert_false(policy_tool(connector, &reading).allowed);
	connector_free(connector);
}

static void test_classes_go_by_the_annotations(void **state)
{
	(void)state;
	static const struct {
		const char *class;
		bool reading, writing, deleting;
	} cases[] = {
		{"@all", true, true, true},
		{"@read-only", true, false, false},
		{"@non-destructive", true, true, false},
		{"@ALL", false, false, false},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct ConnectorConfig *connector = connector_new(false);
		set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES(cases[i].class));
		assert_int_equal(policy_tool(connector, &reading).allowed, cases[i].reading);
		assert_int_equal(policy_tool(connector, &writing).allowed, cases[i].writing);
		assert_int_equal(policy_tool(connector, &deleting).allowed, cases[i].deleting);
		connector_free(connector);
	}
}

static void test_a_tool_named_like_a_class_gets_no_privilege(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES("@read-only"));
	const struct Tool sly = {.name = (char *)"@read-only", .destructive = true};
	expect_tool(connector, &sly, VERDICT_NOT_ALLOWED, NULL, LIST_LINE);
	connector_free(connector);
}

static void test_the_most_specific_rule_is_the_one_that_admits(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE,
		RULES("@all", "*", "*-page", "delete-*", "delete-page", "delete-pag?"));
	expect_tool(connector, &deleting, VERDICT_EXPOSED, "delete-page", LIST_LINE + 4);
	assert_false(policy_tool(connector, &deleting).risky);
	expect_tool(connector, &writing, VERDICT_EXPOSED, "*-page", LIST_LINE + 2);
	const struct Tool other = {.name = (char *)"other", .destructive = true};
	expect_tool(connector, &other, VERDICT_EXPOSED, "@all", LIST_LINE);
	connector_free(connector);
}

static void test_a_pattern_that_admits_a_destructive_tool_is_risky(void **state)
{
	(void)state;
	const char *rules[] = {"@all", "*", "delete-page?*", "delete-*"};
	const bool risky[] = {true, true, false, true};
	for (size_t i = 0; i < G_N_ELEMENTS(rules); i++) {
		struct ConnectorConfig *connector = connector_new(false);
		set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES(rules[i]));
		assert_int_equal(policy_tool(connector, &deleting).risky, risky[i]);
		assert_false(policy_tool(connector, &writing).risky);
		assert_false(policy_tool(connector, &reading).risky);
		connector_free(connector);
	}
}

static void test_the_users_list_narrows_and_never_widens(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES("*-page"));
	set_list(&connector->narrowed[ALLOW_TOOLS], NARROWED_LINE,
		RULES("@read-only", "delete-page", "secret"));
	expect_tool(connector, &reading, VERDICT_EXPOSED, "@read-only", NARROWED_LINE);
	expect_tool(connector, &writing, VERDICT_NARROWED, NULL, NARROWED_LINE);
	assert_true(policy_tool(connector, &writing).allowed);
	assert_false(policy_tool(connector, &writing).risky);
	expect_tool(connector, &deleting, VERDICT_EXPOSED, "delete-page", NARROWED_LINE + 1);
	const struct Tool secret = {.name = (char *)"secret", .read_only = true};
	expect_tool(connector, &secret, VERDICT_NOT_ALLOWED, NULL, LIST_LINE);
	assert_false(policy_tool(connector, &secret).allowed);
	connector_free(connector);
}

static void test_an_off_toggle_hides_and_an_on_toggle_never_widens(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES("get-page", "add-page"));
	toggle(connector, "add-page", false);
	toggle(connector, "delete-page", true);
	expect_tool(connector, &reading, VERDICT_EXPOSED, "get-page", LIST_LINE);
	expect_tool(connector, &writing, VERDICT_TOGGLED_OFF, "add-page", TOGGLE_LINE);
	assert_true(policy_tool(connector, &writing).allowed);
	expect_tool(connector, &deleting, VERDICT_NOT_ALLOWED, NULL, LIST_LINE);
	connector_free(connector);
}

static void test_the_most_specific_toggle_wins(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(true);
	toggle(connector, "delete-page", true);
	toggle(connector, "delete-*", false);
	toggle(connector, "*", false);
	expect_tool(connector, &deleting, VERDICT_EXPOSED, NULL, SECTION_LINE);
	const struct Tool row = {.name = (char *)"delete-row", .destructive = true};
	expect_tool(connector, &row, VERDICT_TOGGLED_OFF, "delete-*", TOGGLE_LINE + 1);
	toggle(connector, "delete-r*", true);
	expect_tool(connector, &row, VERDICT_EXPOSED, NULL, SECTION_LINE);
	expect_tool(connector, &reading, VERDICT_TOGGLED_OFF, "*", TOGGLE_LINE + 2);
	connector_free(connector);
}

static void test_of_equally_specific_toggles_the_later_wins(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(true);
	toggle(connector, "get-*", false);
	toggle(connector, "*page", true);
	expect_tool(connector, &reading, VERDICT_EXPOSED, NULL, SECTION_LINE);
	toggle(connector, "get-?age", true);
	toggle(connector, "?et-page", false);
	expect_tool(connector, &reading, VERDICT_TOGGLED_OFF, "?et-page", TOGGLE_LINE + 3);
	connector_free(connector);
}

static void test_an_invalid_tool_is_hidden_whatever_the_rules(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_TOOLS], LIST_LINE, RULES("@all"));
	const struct Tool broken = {
		.name = (char *)"x", .destructive = true, .invalid = (char *)"why"};
	expect_tool(connector, &broken, VERDICT_INVALID, NULL, SECTION_LINE);
	assert_true(policy_tool(connector, &broken).allowed);
	assert_false(policy_tool(connector, &broken).risky);
	connector_free(connector);
}

static void test_names_have_lists_of_their_own_kind_and_no_toggles(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_PROMPTS], LIST_LINE, RULES("@read-only"));
	set_list(&connector->allowed[ALLOW_RESOURCES], LIST_LINE + 50, RULES("file:///a/*"));
	set_list(&connector->narrowed[ALLOW_RESOURCES], NARROWED_LINE, RULES("*.txt"));
	toggle(connector, "*", false);
	struct Decision prompt = policy_name(connector, ALLOW_PROMPTS, "p");
	expect(prompt, VERDICT_EXPOSED, "@read-only", LIST_LINE);
	assert_false(prompt.risky);
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///a/b.txt"), VERDICT_EXPOSED, "*.txt",
		NARROWED_LINE);
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///a/b.c"), VERDICT_NARROWED, NULL,
		NARROWED_LINE);
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///b"), VERDICT_NOT_ALLOWED, NULL,
		LIST_LINE + 50);
	expect_tool(connector, &reading, VERDICT_NOT_ALLOWED, NULL, SECTION_LINE);
	connector_free(connector);
}

/* A server would read them as something else than what the glob says. */
static void test_no_glob_admits_a_uri_that_leads_elsewhere(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(false);
	set_list(&connector->allowed[ALLOW_RESOURCES], LIST_LINE,
		RULES("file:///a/*", "file:///a/../b", "x:*"));
	static const char *const refused[] = {"file:///a/../c", "file:///a/..", "file:///a/./c",
		"file:///a/%2e%2E/c", "file:///a/.%2e", "file:///a/b%2f..%2Fc", "file:///a/..\\c",
		"file:///a/%5c..%5C", "file:///a/..?x", "file:///a/..#x", "file:///a/b?at=../c",
		"file:///a/%zz", "file:///a/%00", "x:..", "x:../b", "x:a/../b"};
	for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
		if (policy_name(connector, ALLOW_RESOURCES, refused[i]).verdict !=
			VERDICT_NOT_ALLOWED)
			fail_msg("%s was admitted", refused[i]);
	}
	static const char *const fine[] = {"file:///a/b..c", "file:///a/...", "file:///a/.b",
		"file:///a/b.", "file:///a/{+path}", "file:///a/%20", "x:a"};
	for (size_t i = 0; i < G_N_ELEMENTS(fine); i++)
		expect(policy_name(connector, ALLOW_RESOURCES, fine[i]), VERDICT_EXPOSED,
			fine[i][0] == 'x' ? "x:*" : "file:///a/*",
			fine[i][0] == 'x' ? LIST_LINE + 2 : LIST_LINE);
	/* By its exact text it is meant. */
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///a/../b"), VERDICT_EXPOSED,
		"file:///a/../b", LIST_LINE + 1);
	connector_free(connector);
	/* A class and the default say nothing of URIs, and prompts have none. */
	connector = connector_new(true);
	set_list(&connector->allowed[ALLOW_PROMPTS], LIST_LINE, RULES("a/*"));
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///a/../c"), VERDICT_EXPOSED, NULL,
		SECTION_LINE);
	expect(policy_name(connector, ALLOW_PROMPTS, "a/../c"), VERDICT_EXPOSED, "a/*", LIST_LINE);
	set_list(&connector->narrowed[ALLOW_RESOURCES], NARROWED_LINE, RULES("@all"));
	expect(policy_name(connector, ALLOW_RESOURCES, "file:///a/../c"), VERDICT_EXPOSED, "@all",
		NARROWED_LINE);
	connector_free(connector);
}

static void test_an_invalid_item_is_hidden_whatever_the_rules(void **state)
{
	(void)state;
	struct ConnectorConfig *connector = connector_new(true);
	struct Item item = {.key = (char *)"p"};
	expect(policy_item(connector, ALLOW_PROMPTS, &item), VERDICT_EXPOSED, NULL, SECTION_LINE);
	item.invalid = (char *)"why";
	expect(policy_item(connector, ALLOW_PROMPTS, &item), VERDICT_INVALID, NULL, SECTION_LINE);
	assert_true(policy_item(connector, ALLOW_PROMPTS, &item).allowed);
	connector_free(connector);
}

static void test_a_changed_definition_hides_what_would_be_exposed(void **state)
{
	(void)state;
	struct Decision exposed = {.verdict = VERDICT_EXPOSED, .allowed = true, .risky = true};
	struct Decision off = {.verdict = VERDICT_TOGGLED_OFF, .allowed = true, .rule = "x"};
	policy_pin_changed(&exposed, PIN_WARN);
	assert_int_equal(exposed.verdict, VERDICT_EXPOSED);
	assert_true(exposed.risky);
	policy_pin_changed(&exposed, PIN_BLOCK);
	assert_int_equal(exposed.verdict, VERDICT_PIN_CHANGED);
	assert_true(exposed.allowed);
	assert_false(exposed.risky);
	assert_string_equal(exposed.rule, "pin_tools");
	assert_null(exposed.place.file);
	policy_pin_changed(&off, PIN_BLOCK);
	assert_int_equal(off.verdict, VERDICT_TOGGLED_OFF);
	assert_string_equal(off.rule, "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_list_the_default_decides),
		cmocka_unit_test(test_an_empty_list_admits_nothing),
		cmocka_unit_test(test_classes_go_by_the_annotations),
		cmocka_unit_test(test_a_tool_named_like_a_class_gets_no_privilege),
		cmocka_unit_test(test_the_most_specific_rule_is_the_one_that_admits),
		cmocka_unit_test(test_a_pattern_that_admits_a_destructive_tool_is_risky),
		cmocka_unit_test(test_the_users_list_narrows_and_never_widens),
		cmocka_unit_test(test_an_off_toggle_hides_and_an_on_toggle_never_widens),
		cmocka_unit_test(test_the_most_specific_toggle_wins),
		cmocka_unit_test(test_of_equally_specific_toggles_the_later_wins),
		cmocka_unit_test(test_an_invalid_tool_is_hidden_whatever_the_rules),
		cmocka_unit_test(test_names_have_lists_of_their_own_kind_and_no_toggles),
		cmocka_unit_test(test_no_glob_admits_a_uri_that_leads_elsewhere),
		cmocka_unit_test(test_an_invalid_item_is_hidden_whatever_the_rules),
		cmocka_unit_test(test_a_changed_definition_hides_what_would_be_exposed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
