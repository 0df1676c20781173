#include "unit/config_fixture.h"

/* A pair of lines is refused in both files and in either order; FIRST is the one that the message names first. */
static void refuse_pair(
	const char *head, const char *first, const char *second, const char *message)
{
	unsigned line = 1;
	for (const char *p = head; *p; p++)
		line += *p == '\n';
	for (unsigned turned = 0; turned < 2; turned++) {
		g_autofree char *text = g_strdup_printf(
			"%s%s\n%s\n", head, turned ? second : first, turned ? first : second);
		for (unsigned admin = 0; admin < 2; admin++) {
			const char *file = admin ? "admin.ini" : "user.ini";
			g_autofree char *full = g_strdup_printf("%s:%u: %s (the other is %s:%u)",
				file, line + turned, message, file, line + !turned);
			refuse_both(admin ? text : NULL, admin ? NULL : text, full);
		}
	}
}

/* Both stand in one file, whose words they are. */
static void accept(const char *text)
{
	g_autoptr(Config) alone = merged(NULL, text);
	g_autoptr(Config) admin = merged(text, NULL);
	assert_int_equal(alone->notes->len + admin->notes->len, 0);
}

static void a_call_cannot_be_silent_for_longer_than_it_may_take(void **state)
{
	(void)state;
	refuse_pair("[mux]\n", "call_timeout = 31", "call_limit = 30",
		"call_timeout: longer than call_limit lets any call take; expected at most as "
		"much");
	accept("[mux]\ncall_timeout = 30\ncall_limit = 30\n");
	accept("[mux]\ncall_timeout = 3601\n");
	accept("[mux]\ncall_limit = 1\n");
}

static void a_result_may_be_larger_than_what_is_read(void **state)
{
	(void)state;
	/* A list of several servers may be longer than each of their answers. */
	accept("[mux]\nmax_result = 5\nmax_message = 4\n");
	accept("[mux]\nmax_result = 65\n");
	accept("[mux]\nmax_message = 1\n");
}

static void nothing_cannot_be_copied_to_the_systems_log(void **state)
{
	(void)state;
	refuse_pair("[mux]\n", "audit_syslog = on", "audit = off",
		"audit_syslog = on: there is nothing to copy with audit = off; expected only one "
		"of the two");
	accept("[mux]\naudit = off\naudit_syslog = off\n");
	accept("[mux]\naudit = off\naudit_arguments = full\n");
	accept("[mux]\naudit = required\naudit_syslog = on\n");
}

/* Every key that only some kinds of sign-in have, with every kind. */
static void keys_of_another_kind_of_sign_in_are_refused(void **state)
{
	(void)state;
	static const char *const kinds[] = {
		"oauth", "api-key", "port-credentials", "client-credentials", "none"};
	static const struct {
		const char *key, *value, *expected;
		const char *good; /* o, a, p, c, n */
	} keys[] = {
		{"scope", "x", "oauth or client-credentials", "oc"},
		{"client_id", "x", "oauth or port-credentials or client-credentials", "opc"},
		{"client_metadata_url", "https://x.example/c", "oauth", "o"},
		{"redirect_host", "localhost", "oauth", "o"},
		{"redirect_port", "8000", "oauth", "o"},
		{"resource_parameter", "off", "oauth or client-credentials", "oc"},
		{"api_key_header", "X-Key", "api-key", "a"},
		{"api_key_prefix", "Key", "api-key", "a"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(keys); i++) {
		g_autofree char *line = g_strdup_printf("%s = %s", keys[i].key, keys[i].value);
		g_autofree char *alone = g_strconcat(C, line, "\n", NULL);
		accept(alone); /* the default is no rule */
		for (unsigned k = 0; k < G_N_ELEMENTS(kinds); k++) {
			g_autofree char *auth = g_strconcat("auth = ", kinds[k], NULL);
			g_autofree char *both = g_strconcat(C, auth, "\n", line, "\n", NULL);
			if (strchr(keys[i].good, *kinds[k])) {
				accept(both);
				continue;
			}
			g_autofree char *message = g_strdup_printf(
				"%s: not for auth = %s; expected it with auth = %s alone",
				keys[i].key, kinds[k], keys[i].expected);
			refuse_pair(C, line, auth, message);
		}
	}
	accept(C "auth = none\nscope =\nclient_id =\nclient_metadata_url =\nredirect_port =\n"
		 "api_key_prefix =\n");
	accept(C "auth = oauth\nclient_id = x\nclient_metadata_url = https://x.example/c\n");
}

static void a_header_stands_once(void **state)
{
	(void)state;
	refuse_both(NULL, C "header.X-A = 1\nheader.x-a = 2\n",
		"user.ini:4: header.x-a: the same header again (case does not count); expected it "
		"once (the other is user.ini:3)");
	refuse_both(C "header.X-A = 1\nheader.x-a = 1\n", "",
		"admin.ini:4: header.x-a: the same header again (case does not count); expected it "
		"once (the other is admin.ini:3)");
	refuse_pair(C "auth = api-key\n", "header.x-k = 1", "api_key_header = X-K",
		"header.x-k: the header that carries the API key (api_key_header); expected "
		"another one");
	accept(C
		"header.x-k = 1\napi_key_header = X-K\n"); /* of which OAuth, the default, knows nothing */
	accept(C "auth = api-key\nheader.x-k = 1\napi_key_header = X-L\n");
}

static void plain_http_and_credentials_are_named_both(void **state)
{
	(void)state;
	refuse_pair("[connector:c]\n", "url = http://a.example/", "auth = api-key",
		"url: plain http would show credentials to the network; expected https, or auth = "
		"none, or a server on this machine (127.0.0.1, [::1], localhost)");
}

static void somebody_has_to_be_allowed(void **state)
{
	(void)state;
	static const char message[] =
		"%s:3: allowed_users: it names nobody; expected at least one user or group "
		"(enabled = off hides a connector from everybody)";
	g_autofree char *alone = g_strdup_printf(message, "user.ini");
	g_autofree char *admin = g_strdup_printf(message, "admin.ini");
	refuse_both(NULL, C "allowed_users =\n", alone);
	refuse_both(C "allowed_users =\n", NULL, admin);
	/* It would be of no effect anyway. */
	g_autoptr(Config) config =
		merged("[mux]\nuser_connectors = on\n" C, "[connector:c]\nallowed_users =\n"
							  "[connector:d]\nurl = https://d/\n"
							  "allowed_users =\n");
	assert_int_equal(config->notes->len, 2);
	assert_int_equal(config->connectors->len, 2);
}

static void a_prefix_has_room_behind_it(void **state)
{
	(void)state;
	accept("[mux]\nmax_tool_name = 17\n" C "prefix = fourteen-chars\n");
	refuse_both(NULL, "[mux]\nmax_tool_name = 16\n" C "prefix = fourteen-chars\n",
		"user.ini:5: the prefix fourteen-chars of the connector c leaves no room for names "
		"of 16 characters (max_tool_name); expected a shorter one (the other is "
		"user.ini:2)");
	refuse_both("[mux]\nmax_tool_name = 16\n" C "prefix = fourteen-chars\n", NULL,
		"admin.ini:5: the prefix fourteen-chars of the connector c leaves no room for "
		"names of 16 characters (max_tool_name); expected a shorter one (the other is "
		"admin.ini:2)");
	/* A section's name is no line about prefixes, nor is a default about lengths. */
	accept("[mux]\nmax_tool_name = 16\n[connector:abcdefghijklmno]\nurl = https://a/\n");
	accept(C "prefix = a23456789-a23456789-a23456789-a23456789-a23456789-a23456789\n");
	accept("[mux]\nmax_tool_name = 16\n[native]\nurl = https://a/\n");
	/* What the user says about the administrator's connectors breaks nothing. */
	g_autoptr(Config) config = merged(
		"[mux]\nmax_tool_name = 16\n" C, "[connector:c]\nprefix = a23456789-a23456789\n");
	assert_int_equal(config->connectors->len, 1);
}

static void toggles_that_match_the_same_agree(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
	} same[] = {{"a*", "a**"}, {"*?x", "?*x"}, {"a?*?b*", "a*??b**"}, {"*", "***"},
		{"?*", "*?"}, {"a-*?.b", "a-?*.b"}};
	for (unsigned i = 0; i < G_N_ELEMENTS(same); i++) {
		g_autofree char *text = g_strdup_printf(
			C "[tools:c]\nx = on\n%s = on\n%s = off\n", same[i].a, same[i].b);
		g_autofree char *message = g_strdup_printf(
			"user.ini:6: %s = off: %s matches the same and is on; expected only one of "
			"the two (the other is user.ini:5)",
			same[i].b, same[i].a);
		refuse(text, message);
		g_autofree char *agree =
			g_strdup_printf(C "[tools:c]\n%s = on\n%s = on\n", same[i].a, same[i].b);
		g_autoptr(Config) config = merged(NULL, agree);
		assert_int_equal(find(config, "c")->toggles->len, 2);
	}
	static const struct {
		const char *a, *b;
	} different[] = {{"a?", "a*"}, {"a?b", "a.b"}, {"a*b", "a*b*"}, {"a??", "a?"}, {"A", "a"},
		{"*?", "*??"}, {"a*?b", "a*b?"}};
	for (unsigned i = 0; i < G_N_ELEMENTS(different); i++) {
		g_autofree char *text = g_strdup_printf(
			C "[tools:c]\n%s = on\n%s = off\n", different[i].a, different[i].b);
		g_autoptr(Config) config = merged(NULL, text);
		assert_int_equal(find(config, "c")->toggles->len, 2);
	}
	/* In two sections they are about different tools. */
	g_autoptr(Config) two = merged(NULL,
		C "[connector:d]\nurl = https://d/\n[tools:c]\na* = on\n[tools:d]\na** = off\n");
	assert_int_equal(two->notes->len, 0);
}

/* A toggle only takes away from what is allowed, so that it contradicts no list. */
static void a_toggle_and_a_list_may_differ(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged(NULL, C "allowed_tools = a\n[tools:c]\na = off\nb = on\n");
	assert_int_equal(config->notes->len, 0);
}

/* Of lines about a connector that the administrator defines none is an error. */
static void what_has_no_effect_contradicts_nothing(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(C,
		"[connector:c]\nurl = http://a.example/\nauth = none\nscope = x\nclient_id = y\n"
		"api_key_header = X-A\nheader.X-A = 1\n[connector:d]\nurl = http://d.example/\n");
	assert_int_equal(config->notes->len, 7);
	assert_int_equal(config->connectors->len, 1);
	g_autoptr(Config) mux = merged("[mux]\naudit = on\ncall_limit = 5\n",
		"[mux]\naudit = off\naudit_syslog = on\ncall_timeout = 30\ncall_limit = 20\n");
	assert_true(mux->mux.audit_syslog);
	assert_int_equal(mux->notes->len, 3);
	expect_note(mux, 2, "user.ini", 4,
		"call_timeout has no effect: the administrator set call_limit (admin.ini:3)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_cannot_be_silent_for_longer_than_it_may_take),
		cmocka_unit_test(a_result_may_be_larger_than_what_is_read),
		cmocka_unit_test(nothing_cannot_be_copied_to_the_systems_log),
		cmocka_unit_test(keys_of_another_kind_of_sign_in_are_refused),
		cmocka_unit_test(a_header_stands_once),
		cmocka_unit_test(plain_http_and_credentials_are_named_both),
		cmocka_unit_test(somebody_has_to_be_allowed),
		cmocka_unit_test(a_prefix_has_room_behind_it),
		cmocka_unit_test(toggles_that_match_the_same_agree),
		cmocka_unit_test(a_toggle_and_a_list_may_differ),
		cmocka_unit_test(what_has_no_effect_contradicts_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
