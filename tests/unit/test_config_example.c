#include "config_fixture.h"

/* mcp-mux.ini.example, which stands two folders above this file. With UNCOMMENTED, every setting that
 * is switched off in it is switched on. */
static char *read_example(bool uncommented)
{
	g_autofree char *here = g_path_get_dirname(__FILE__);
	g_autofree char *path = g_build_filename(here, "..", "..", "mcp-mux.ini.example", NULL);
	char *text = NULL;
	g_autoptr(GError) error = NULL;
	if (!g_file_get_contents(path, &text, NULL, &error))
		fail_msg("%s", error->message);
	if (!uncommented)
		return text;
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	g_free(text);
	for (unsigned i = 0; lines[i]; i++) {
		if (lines[i][0] != ';')
			continue;
		char *setting = g_strdup(lines[i] + 1);
		g_free(lines[i]);
		lines[i] = setting;
	}
	return g_strjoinv("\n", lines);
}

static void the_example_is_valid_and_changes_nothing(void **state)
{
	(void)state;
	g_autofree char *text = read_example(false);
	g_autoptr(Config) config = merged(NULL, text);
	assert_int_equal(config->connectors->len, 0);
	assert_string_equal(config->mux.separator, "__");
}

static void the_example_is_valid_with_everything_switched_on(void **state)
{
	(void)state;
	g_autofree char *text = read_example(true);
	g_autoptr(Config) config = merged(NULL, text);
	assert_int_equal(config->connectors->len, 4);
	const struct ConnectorConfig *notion = find(config, "notion");
	assert_int_equal(notion->allowed[ALLOW_PROMPTS].rules->len, 1);
	assert_int_equal(notion->allowed[ALLOW_TOOLS].rules->len, 4);
	assert_int_equal(notion->toggles->len, 2);
	/* [mux] shows the defaults; what has none is optional. */
	g_autoptr(Config) empty = merged(NULL, NULL);
	assert_int_equal(config->mux.max_tool_name, empty->mux.max_tool_name);
	assert_int_equal(config->mux.list_timeout_ms, empty->mux.list_timeout_ms);
	assert_int_equal(config->mux.connect_timeout_ms, empty->mux.connect_timeout_ms);
	assert_int_equal(config->mux.call_timeout_ms, empty->mux.call_timeout_ms);
	assert_int_equal(config->mux.call_limit_ms, empty->mux.call_limit_ms);
	assert_int_equal(config->mux.max_message, empty->mux.max_message);
	assert_int_equal(config->mux.max_result, empty->mux.max_result);
	assert_int_equal(config->mux.audit, empty->mux.audit);
	assert_int_equal(config->mux.audit_arguments, empty->mux.audit_arguments);
	assert_int_equal(config->mux.audit_syslog, empty->mux.audit_syslog);
	assert_int_equal(config->mux.builtin_tools, empty->mux.builtin_tools);
	assert_int_equal(config->mux.sign_in, empty->mux.sign_in);
	assert_int_equal(config->mux.pin_tools, empty->mux.pin_tools);
	assert_int_equal(config->mux.user_connectors, empty->mux.user_connectors);
	assert_string_equal(config->mux.ca_file, "/etc/ssl/certs/our-ca.pem");
}

static void the_example_shows_every_key(void **state)
{
	(void)state;
	static const char *const keys[] = {"separator", "max_tool_name", "list_timeout",
		"connect_timeout", "call_timeout", "call_limit", "max_message", "max_result",
		"audit", "audit_arguments", "audit_syslog", "builtin_tools", "sign_in", "pin_tools",
		"user_connectors", "ca_file", "proxy", "title", "description", "url", "auth",
		"prefix", "allowed_tools", "allowed_prompts", "allowed_resources", "allowed_users",
		"scope", "client_id", "client_metadata_url", "redirect_host", "redirect_port",
		"resource_parameter", "api_key_header", "api_key_prefix", "enabled"};
	g_autofree char *text = read_example(false);
	for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *line = g_strdup_printf("\n;%s = ", keys[i]);
		if (!strstr(text, line))
			fail_msg("%s is not in the example", keys[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_valid_and_changes_nothing),
		cmocka_unit_test(the_example_is_valid_with_everything_switched_on),
		cmocka_unit_test(the_example_shows_every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
