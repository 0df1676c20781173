/* Beside an administrator's file each line of the user's changes something, or says what holds anyway, or is noted. */
#include "unit/config_dump.h"
#include "unit/config_fixture.h"
#include "unit/config_samples.h"

#define ALLOWED "allowed_tools = @all\nallowed_prompts = @all\nallowed_resources = @all\n"

static bool changes(const struct Config *config, const char *admin)
{
	g_autoptr(Config) without = merged(admin, "");
	g_autoptr(GString) before = config_dump_rules(without);
	g_autoptr(GString) after = config_dump_rules(config);
	return !g_string_equal(before, after);
}

/* The user's second line, about KEY, changes something or is noted. */
static void expect_named(const char *admin, const char *user, const char *key, bool noted)
{
	g_autoptr(Config) config = merged(admin, user);
	if (changes(config, admin) == noted || config->notes->len != (noted ? 1 : 0))
		fail_msg("%u notes, of %s beside %s", config->notes->len, user, admin);
	if (!noted)
		return;
	const struct ConfigNote *note = config->notes->pdata[0];
	assert_true(g_str_has_prefix(note->text, key));
	assert_non_null(strstr(note->text, " has no effect: "));
	assert_string_equal(note->place.file, "user.ini");
	assert_int_equal(note->place.line, 2);
}

static bool is_default(const char *user)
{
	g_autoptr(Config) config = merged(NULL, user);
	return !changes(config, NULL);
}

static void every_line_of_mux_counts_or_is_named(void **state)
{
	(void)state;
	unsigned named = 0;
	for (unsigned key = 0; key < MUX_KEYS; key++) {
		const char *const values[] = {NULL, mux_samples[key].one, mux_samples[key].two};
		const char *name = mux_keys[key].name;
		for (unsigned i = 0; i < 9; i++) {
			const char *above = values[i / 3];
			const char *value = values[i % 3];
			if (!value)
				continue;
			g_autofree char *user = g_strdup_printf("[mux]\n%s = %s\n", name, value);
			g_autofree char *admin =
				above ? g_strdup_printf("[mux]\n%s = %s\n", name, above)
				      : g_strdup("");
			g_autoptr(Config) config = merged(admin, user);
			bool same = above ? above == value : is_default(user);
			if (same && key != MUX_USER_CONNECTORS) {
				assert_int_equal(config->notes->len, 0);
				assert_false(changes(config, admin));
				continue;
			}
			bool noted = !changes(config, admin);
			expect_named(admin, user, name, noted);
			bool stricter =
				key == MUX_AUDIT || key == MUX_AUDIT_SYSLOG || key == MUX_PIN_TOOLS;
			if (!stricter && key != MUX_USER_CONNECTORS)
				assert_int_equal(noted, above != NULL);
			named += noted;
		}
	}
	/* What the administrator said, in both directions; of the stricter ones one, and audit and pin_tools also
	 * against a default; user_connectors in all cases. */
	assert_int_equal(named, 2 * (MUX_KEYS - 4) + 3 + 2 + 6);
}

static void lines_that_others_make_idle_are_named(void **state)
{
	(void)state;
	static const char off[] = "[mux]\naudit = off\ncall_limit = 60\nmax_message = 4\n";
	expect_named("[mux]\naudit = off\n", "[mux]\naudit_arguments = digest\n",
		"audit_arguments has no effect: the administrator set audit (admin.ini:2)", true);
	static const char *const lines[] = {
		"audit_syslog = on", "audit_arguments = none", "call_timeout = 61"};
	for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *user = g_strdup_printf("[mux]\n%s\n", lines[i]);
		g_autoptr(Config) config = merged(off, user);
		assert_int_equal(config->notes->len, 1);
		const struct ConfigNote *note = config->notes->pdata[0];
		assert_int_equal(note->place.line, 2);
	}
	/* Lists of several servers together may be longer than what each of them sent. */
	expect_named(off, "[mux]\nmax_result = 5\n", NULL, false);
	expect_named(off, "[mux]\ncall_timeout = 60\n", NULL, false);
	expect_named("[mux]\ncall_timeout = 60\n", "[mux]\ncall_limit = 30\n", NULL, false);
	/* With the user's own audit they have an effect. */
	g_autoptr(Config) on =
		merged(off, "[mux]\naudit = on\naudit_syslog = on\naudit_arguments = none\n");
	assert_int_equal(on->notes->len, 0);
	/* What both say is the administrator's line. */
	g_autoptr(Config) both = merged(off, "[mux]\naudit = off\naudit_syslog = on\n");
	assert_int_equal(both->notes->len, 1);
	expect_note(both, 0, "user.ini", 3,
		"audit_syslog has no effect: the administrator set audit (admin.ini:2)");
}

static bool narrows(unsigned key)
{
	return key == CONNECTOR_ENABLED || key == CONNECTOR_PREFIX ||
	       (key >= CONNECTOR_ALLOWED_TOOLS && key <= CONNECTOR_ALLOWED_RESOURCES);
}

static bool is_callback(unsigned key)
{
	return key == CONNECTOR_REDIRECT_HOST || key == CONNECTOR_REDIRECT_PORT;
}

static void every_line_about_an_administrators_connector_counts_or_is_named(void **state)
{
	(void)state;
	for (unsigned key = 0; key < CONNECTOR_KEYS; key++) {
		const char *name = connector_keys[key].name;
		g_autofree char *user = g_strdup_printf(
			"[connector:c]\n%s = %s\n", name, connector_samples[key].one);
		expect_named(C ALLOWED, user, name, !narrows(key) && !is_callback(key));
		expect_named(C ALLOWED "auth = none\n", user, name, !narrows(key));
		bool list = connector_keys[key].list;
		expect_named(C, user, name,
			list || !(narrows(key) || is_callback(key))); /* nothing is allowed */
	}
	expect_named(C ALLOWED, "[connector:c]\nheader.X-A = 1\n", "header.X-A", true);
	expect_named(C "enabled = off\n", "[connector:c]\nenabled = on\n", "enabled = on", true);
	/* They say what holds anyway. */
	static const char *const same[] = {
		"enabled = on", "redirect_host = 127.0.0.1", "redirect_port ="};
	for (unsigned i = 0; i < G_N_ELEMENTS(same); i++) {
		g_autofree char *user = g_strdup_printf("[connector:c]\n%s\n", same[i]);
		g_autoptr(Config) config = merged(C, user);
		assert_int_equal(config->notes->len, 0);
	}
}

static void every_line_of_a_connector_of_the_users_counts_or_is_named(void **state)
{
	(void)state;
	static const char admin[] = "[mux]\nuser_connectors = on\n";
	g_autoptr(Config) plain = merged(admin, "[connector:c]\n\nurl = https://c/\n");
	g_autoptr(GString) before = config_dump_rules(plain);
	for (unsigned key = 0; key < CONNECTOR_KEYS; key++) {
		const char *line = connector_samples[key].one;
		g_autofree char *user =
			g_strdup_printf("[connector:c]\n%s = %s\n%s", connector_keys[key].name,
				line, key == CONNECTOR_URL ? "" : "url = https://c/\n");
		g_autoptr(Config) config = merged(admin, user);
		g_autoptr(GString) after = config_dump_rules(config);
		bool noted = key == CONNECTOR_ALLOWED_USERS;
		assert_int_equal(config->notes->len, noted ? 1 : 0);
		if (!noted)
			assert_string_not_equal(before->str, after->str);
		else
			assert_int_equal(config->connectors->len, 1);
		/* Where there is no room for connectors of the user's, the section is named. */
		g_autoptr(Config) without = merged("", user);
		assert_int_equal(without->connectors->len, 0);
		assert_int_equal(without->notes->len, 1);
		expect_note(without, 0, "user.ini", 1,
			"c has no effect: the administrator's file does not define it and leaves "
			"no room for others (user_connectors = off)");
	}
}

static void what_a_users_list_cannot_admit_is_named(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(C "allowed_tools = a, get_*\nallowed_prompts = p?\n"
					    "allowed_resources =\n",
		"[connector:c]\nallowed_tools = a, get_x, b, c*, @all,\n  d\n"
		"allowed_prompts = p1, q\nallowed_resources = @all\n");
	assert_int_equal(config->notes->len, 4);
	expect_note(config, 0, "user.ini", 2,
		"b in allowed_tools has no effect: the administrator's file does not admit it "
		"(admin.ini:3)");
	expect_note(config, 1, "user.ini", 3,
		"d in allowed_tools has no effect: the administrator's file does not admit it "
		"(admin.ini:3)");
	expect_note(config, 2, "user.ini", 4,
		"q in allowed_prompts has no effect: the administrator's file does not admit it "
		"(admin.ini:4)");
	expect_note(config, 3, "user.ini", 5,
		"allowed_resources has no effect: the administrator's file admits nothing "
		"(admin.ini:5)");
	/* Classes may admit any. The native upstream, without a list, admits all. */
	g_autoptr(Config) any = merged(C "allowed_tools = a, @read-only\n"
					 "[native]\nurl = https://n/\n",
		"[connector:c]\nallowed_tools = b\n[native]\nallowed_tools = b\n"
		"allowed_prompts = p\n[tools:c]\nx = on\n[tools:native]\nx = off\n");
	assert_int_equal(any->notes->len, 0);
}

static void toggles_of_what_is_not_allowed_are_named(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(C "allowed_tools = a, get_*\n",
		"[tools:c]\na = off\nb = on\nget_x = off\nc = off\nd* = on\n?e = off\n");
	assert_int_equal(config->notes->len, 2);
	expect_note(config, 0, "user.ini", 3,
		"b = on has no effect: the administrator's file does not admit it (admin.ini:3)");
	expect_note(config, 1, "user.ini", 5,
		"c = off has no effect: the administrator's file does not admit it (admin.ini:3)");
	g_autoptr(Config) native = merged("[native]\nurl = https://n/\nallowed_tools = a\n",
		"[tools:native]\nb = on\na = off\n");
	assert_int_equal(native->notes->len, 1);
	static const char *const none[] = {C, C "allowed_tools =\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(none); i++) {
		g_autofree char *text = g_strdup_printf(
			"[tools:c] has no effect: the administrator's file admits nothing "
			"(admin.ini:%u)",
			i ? 3 : 1);
		g_autoptr(Config) nothing = merged(none[i], "[tools:c]\na = off\n* = on\n");
		assert_int_equal(nothing->notes->len, 1);
		expect_note(nothing, 0, "user.ini", 1, text);
		assert_int_equal(find(nothing, "c")->toggles->len, 0);
	}
	g_autoptr(Config) gone = merged(C, "[tools:d]\na = off\n");
	expect_note(gone, 0, "user.ini", 1, "[tools:d] has no effect: there is no such connector");
}

static void without_an_administrator_nothing_is_noted(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged(NULL, "[mux]\nuser_connectors = on\naudit = off\naudit_arguments = full\n" C
			     "allowed_tools = a\nallowed_users = bob\nenabled = off\n"
			     "[tools:c]\nb = on\n");
	assert_int_equal(config->notes->len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_line_of_mux_counts_or_is_named),
		cmocka_unit_test(lines_that_others_make_idle_are_named),
		cmocka_unit_test(every_line_about_an_administrators_connector_counts_or_is_named),
		cmocka_unit_test(every_line_of_a_connector_of_the_users_counts_or_is_named),
		cmocka_unit_test(what_a_users_list_cannot_admit_is_named),
		cmocka_unit_test(toggles_of_what_is_not_allowed_are_named),
		cmocka_unit_test(without_an_administrator_nothing_is_noted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
