#include "config_fixture.h"

static void the_administrators_mux_wins(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged("[mux]\ncall_timeout = 60\nsign_in = never\nproxy =\n",
		"[mux]\ncall_timeout = 600\nlist_timeout = 7\nsign_in = never\n"
		"proxy = http://p/\nuser_connectors = on\n");
	assert_true(config->has_admin);
	assert_int_equal(config->mux.call_timeout_ms, 60000);
	assert_int_equal(config->mux.list_timeout_ms, 7000);
	assert_int_equal(config->mux.sign_in, SIGN_IN_NEVER);
	assert_null(config->mux.proxy);
	assert_false(config->mux.user_connectors);
	assert_int_equal(config->notes->len, 3);
	expect_note(config, 0, "user.ini", 2,
		"call_timeout has no effect: the administrator set it (admin.ini:2)");
	expect_note(config, 1, "user.ini", 5,
		"proxy has no effect: the administrator set it (admin.ini:4)");
	expect_note(config, 2, "user.ini", 6,
		"user_connectors has no effect: only the administrator's file can say it");
}

static void the_stricter_audit_and_pins_count(void **state)
{
	(void)state;
	const char *const audits[] = {"off", "on", "required"};
	const enum AuditMode audit_modes[] = {AUDIT_OFF, AUDIT_ON, AUDIT_REQUIRED};
	const char *const pins[] = {"off", "warn", "block"};
	const enum PinMode pin_modes[] = {PIN_OFF, PIN_WARN, PIN_BLOCK};
	for (unsigned a = 0; a < 4; a++) {
		for (unsigned u = 0; u < 3; u++) {
			/* The fourth administrator says nothing, which is on and warn. */
			g_autofree char *admin =
				a < 3 ? g_strdup_printf("[mux]\naudit = %s\npin_tools = %s\n",
						audits[a], pins[a])
				      : g_strdup("");
			g_autofree char *user = g_strdup_printf(
				"[mux]\naudit = %s\npin_tools = %s\n", audits[u], pins[u]);
			unsigned rank = a < 3 ? a : 1;
			g_autoptr(Config) config = merged(admin, user);
			assert_int_equal(config->mux.audit, audit_modes[MAX(rank, u)]);
			assert_int_equal(config->mux.pin_tools, pin_modes[MAX(rank, u)]);
			assert_int_equal(config->notes->len, u < rank ? 2 : 0);
		}
	}
	for (unsigned both = 0; both < 4; both++) {
		static const char *const lines[] = {
			"[mux]\naudit_syslog = off\n", "[mux]\naudit_syslog = on\n"};
		g_autoptr(Config) copied = merged(lines[both & 1], lines[both >> 1]);
		assert_int_equal(copied->mux.audit_syslog, both > 0);
		assert_int_equal(copied->notes->len, both == 1 ? 1 : 0);
	}
	g_autoptr(Config) config = merged("", "[mux]\npin_tools = off\n");
	expect_note(config, 0, "user.ini", 2,
		"pin_tools = off has no effect: the administrator's setting is stricter");
}

static void a_user_narrows_an_administrators_connector(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(C "allowed_tools = a, b\nallowed_users = alice\n"
					    "allowed_prompts = p*\nallowed_resources = @all\n",
		"[connector:c]\nenabled = off\nallowed_tools = a\nallowed_prompts = p\n"
		"allowed_resources = @all\nprefix = mine\nredirect_host = localhost\n"
		"redirect_port = 8000\n[tools:c]\na = off\n");
	const struct ConnectorConfig *c = find(config, "c");
	assert_true(c->by_admin);
	assert_false(c->default_all);
	assert_string_equal(c->place.file, "admin.ini");
	assert_false(c->enabled);
	assert_string_equal(c->enabled_place.file, "user.ini");
	expect_rules(&c->allowed[ALLOW_TOOLS], "a:3 b:3");
	expect_rules(&c->narrowed[ALLOW_TOOLS], "a:3");
	const struct AllowRule *rule = c->narrowed[ALLOW_TOOLS].rules->pdata[0];
	assert_string_equal(rule->place.file, "user.ini");
	expect_rules(&c->allowed[ALLOW_PROMPTS], "p*:5");
	expect_rules(&c->narrowed[ALLOW_PROMPTS], "p:4");
	expect_rules(&c->narrowed[ALLOW_RESOURCES], "@all:5");
	assert_string_equal(c->prefix, "mine");
	assert_string_equal(c->prefix_place.file, "user.ini");
	assert_string_equal(c->redirect_host, "localhost");
	assert_int_equal(c->redirect_port, 8000);
	assert_int_equal(c->allowed_users->len, 1);
	assert_int_equal(c->toggles->len, 1);
	assert_int_equal(config->notes->len, 0);
	assert_int_equal(config->connectors->len, 1);
}

static void a_user_cannot_widen_an_administrators_connector(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(C "enabled = off\ntitle = T\nheader.X-A = 1\n",
		"[connector:c]\nurl = https://evil.example/\ntitle = U\nenabled = on\n"
		"header.X-B = 2\nallowed_users = bob\nauth = none\nscope = all\n"
		"client_id = x\nclient_metadata_url =\nresource_parameter = off\n"
		"api_key_header = X\napi_key_prefix =\ndescription = d\n");
	const struct ConnectorConfig *c = find(config, "c");
	assert_string_equal(c->url, "https://c.example/mcp");
	assert_string_equal(c->title, "T");
	assert_null(c->description);
	assert_false(c->enabled);
	assert_string_equal(c->enabled_place.file, "admin.ini");
	assert_int_equal(c->headers->len, 1);
	assert_null(c->allowed_users);
	assert_int_equal(c->auth, AUTH_OAUTH);
	assert_null(c->scope);
	assert_null(c->client_id);
	assert_true(c->resource_parameter);
	assert_string_equal(c->api_key_header, "Authorization");
	assert_int_equal(config->notes->len, 13);
	expect_note(config, 0, "user.ini", 2,
		"url has no effect: the administrator's file defines this connector (admin.ini:1)");
	expect_note(config, 2, "user.ini", 4,
		"enabled = on has no effect: the administrator turned it off (admin.ini:3)");
	expect_note(config, 3, "user.ini", 5,
		"header.X-B has no effect: the administrator's file defines this connector "
		"(admin.ini:1)");
}

static void user_connectors_need_leave(void **state)
{
	(void)state;
	const char *user = "[connector:mine]\nurl = https://m/\nallowed_users = bob\n"
			   "[tools:mine]\na = off\n[native]\nurl = https://n/\n";
	g_autoptr(Config) without = merged(C, user);
	assert_int_equal(without->connectors->len, 1);
	expect_note(without, 0, "user.ini", 1,
		"mine has no effect: the administrator's file does not define it and leaves no "
		"room "
		"for others (user_connectors = off)");
	expect_note(without, 1, "user.ini", 6,
		"native has no effect: the administrator's file does not define it and leaves no "
		"room for others (user_connectors = off)");
	expect_note(without, 2, "user.ini", 4,
		"[tools:mine] has no effect: there is no such connector");

	g_autoptr(Config) with = merged("[mux]\nuser_connectors = on\n" C, user);
	assert_int_equal(with->connectors->len, 3);
	const struct ConnectorConfig *native = with->connectors->pdata[0];
	assert_true(native->native);
	assert_false(native->by_admin);
	assert_true(native->default_all);
	const struct ConnectorConfig *mine = with->connectors->pdata[2];
	assert_string_equal(mine->name, "mine");
	assert_true(mine->default_all);
	assert_false(mine->by_admin);
	assert_null(mine->allowed_users);
	assert_int_equal(mine->toggles->len, 1);
	assert_int_equal(with->notes->len, 1);
	expect_note(with, 0, "user.ini", 3,
		"allowed_users has no effect: only the administrator's file can say it");
}

static void what_the_administrator_takes_away_breaks_no_users_file(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged("[mux]\nuser_connectors = on\n",
		"[connector:gone]\nenabled = off\nallowed_tools = a\n[tools:gone]\nx = on\n");
	assert_int_equal(config->connectors->len, 0);
	assert_int_equal(config->notes->len, 2);
	expect_note(config, 0, "user.ini", 1,
		"gone has no effect: the administrator's file does not define it, and it has no "
		"url");
	refuse_both("[mux]\nuser_connectors = on\n", "[connector:gone]\ntitle = G\n",
		"user.ini:1: [connector:gone] has no url, and the administrator's file does not "
		"define it; expected url = https://…");
	refuse_both("[mux]\nuser_connectors = on\n", "[native]\ntitle = G\n",
		"user.ini:1: [native] has no url, and the administrator's file does not define it; "
		"expected url = https://…");
}

static void the_administrators_native_is_narrowed_like_a_connector(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged("[native]\nurl = https://n/\n",
		"[native]\nallowed_tools = a*\nurl = https://evil/\n[tools:native]\nab = off\n");
	const struct ConnectorConfig *native = find(config, "native");
	assert_true(native->by_admin);
	assert_true(native->default_all);
	assert_string_equal(native->url, "https://n/");
	expect_rules(&native->narrowed[ALLOW_TOOLS], "a*:2");
	assert_int_equal(native->toggles->len, 1);
	assert_int_equal(config->notes->len, 1);
}

static void the_administrators_file_has_rules_of_its_own(void **state)
{
	(void)state;
	refuse_both(C "[tools:c]\na = off\n", NULL,
		"admin.ini:3: [tools:c] in the administrator's file; expected allowed_tools in the "
		"connector's own section (toggles belong to the user's file)");
	refuse_both("[connector:c]\n", NULL,
		"admin.ini:1: [connector:c] has no url; expected url = https://…");
	g_autoptr(Config) config = merged(C, NULL);
	assert_true(config->has_admin);
	assert_false(find(config, "c")->default_all);
}

#define AB "[connector:a]\nurl = https://a/\n[connector:b-c]\nurl = https://b/\n"

static void a_users_prefix_gives_way_to_the_administrators(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(AB, "[connector:a]\nprefix = b-c\n");
	assert_string_equal(find(config, "a")->prefix, "a");
	assert_string_equal(find(config, "a")->prefix_place.file, "admin.ini");
	assert_int_equal(config->notes->len, 1);
	expect_note(config, 0, "user.ini", 2,
		"prefix of a has no effect: its prefix b-c is that of b-c (admin.ini:3)");

	g_autoptr(Config) separated =
		merged("[mux]\nseparator = -\n[connector:a]\nurl = https://a/\n",
			"[connector:a]\nprefix = x-y\n");
	assert_string_equal(find(separated, "a")->prefix, "a");
	assert_int_equal(separated->notes->len, 1);
	expect_note(separated, 0, "user.ini", 2,
		"prefix of a has no effect: its prefix x-y holds the separator - (admin.ini:2)");

	/* What clashes with nothing in the end has its effect. */
	g_autoptr(Config) swapped =
		merged(AB, "[connector:a]\nprefix = b-c\n[connector:b-c]\nprefix = a\n");
	assert_string_equal(find(swapped, "a")->prefix, "b-c");
	assert_string_equal(find(swapped, "b-c")->prefix, "a");
	assert_int_equal(swapped->notes->len, 0);

	/* One that gives way makes another one give way. */
	g_autoptr(Config) chained = merged(AB "[connector:d]\nurl = https://d/\n",
		"[connector:a]\nprefix = b-c\n[connector:b-c]\nprefix = d\n");
	assert_string_equal(find(chained, "a")->prefix, "a");
	assert_string_equal(find(chained, "b-c")->prefix, "b-c");
	assert_int_equal(chained->notes->len, 2);
	expect_note(chained, 0, "user.ini", 4,
		"prefix of b-c has no effect: its prefix d is that of d (admin.ini:5)");
	expect_note(chained, 1, "user.ini", 2,
		"prefix of a has no effect: its prefix b-c is that of b-c (admin.ini:3)");
}

static void a_users_connector_gives_way_to_the_administrators(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged("[mux]\nuser_connectors = on\nseparator = -\n[connector:a]\n"
		       "url = https://a/\nprefix = wiki\n",
			"[connector:wiki]\nurl = https://w/\n[tools:wiki]\nx = off\n"
			"[connector:own]\nurl = https://o/\nprefix = o-w\n"
			"[connector:fine]\nurl = https://f/\n");
	assert_int_equal(config->connectors->len, 2);
	assert_string_equal(find(config, "fine")->prefix, "fine");
	assert_int_equal(config->notes->len, 3);
	expect_note(config, 0, "user.ini", 1,
		"wiki has no effect: its prefix wiki is that of a (admin.ini:6)");
	expect_note(config, 1, "user.ini", 7,
		"own has no effect: its prefix o-w holds the separator - (admin.ini:3)");
	expect_note(
		config, 2, "user.ini", 3, "[tools:wiki] has no effect: there is no such connector");
}

static void a_users_separator_gives_way_to_the_administrators_prefixes(void **state)
{
	(void)state;
	g_autoptr(Config) config = merged(AB, "[mux]\nseparator = -\n");
	assert_string_equal(config->mux.separator, "__");
	assert_int_equal(config->notes->len, 1);
	expect_note(config, 0, "user.ini", 2,
		"separator has no effect: the prefix b-c of b-c holds it (admin.ini:3)");

	/* With a prefix of their own for it, it has its effect. */
	g_autoptr(Config) renamed =
		merged(AB, "[mux]\nseparator = -\n[connector:b-c]\nprefix = b\n");
	assert_string_equal(renamed->mux.separator, "-");
	assert_int_equal(renamed->notes->len, 0);

	/* What was good with the user's own one gives way as well. */
	g_autoptr(Config) both = merged(AB, "[mux]\nseparator = -\n[connector:a]\nprefix = a__a\n");
	assert_string_equal(both->mux.separator, "__");
	assert_string_equal(find(both, "a")->prefix, "a");
	assert_int_equal(both->notes->len, 2);
	expect_note(both, 1, "user.ini", 4,
		"prefix of a has no effect: its prefix a__a holds the separator __ (admin.ini:3)");
}

static void a_users_own_clash_stays_an_error_beside_an_administrator(void **state)
{
	(void)state;
	refuse_both(AB, "[connector:a]\nprefix = x\n[connector:b-c]\nprefix = x\n",
		"user.ini:4: the prefix x of two connectors, a and b-c; expected a `prefix` of its "
		"own for each (the other is user.ini:2)");
	refuse_both(AB,
		"[mux]\nseparator = -\n[connector:a]\nprefix = x-y\n[connector:b-c]\n"
		"prefix = z\n",
		"user.ini:4: the prefix x-y of the connector a holds the separator -; expected one "
		"without it (the other is user.ini:2)");
	refuse_both(AB, "[connector:a]\nprefix = a__a\n",
		"user.ini:2: the prefix a__a of the connector a holds the separator __; expected "
		"one without it");
	refuse_both(AB, "[mux]\ncall_timeout = 60\ncall_limit = 30\n",
		"user.ini:2: call_timeout: longer than call_limit lets any call take; expected at "
		"most as much (the other is user.ini:3)");
	refuse_both("[mux]\nuser_connectors = on\n", C "auth = none\nscope = x\n",
		"user.ini:4: scope: not for auth = none; expected it with auth = oauth or "
		"client-credentials alone (the other is user.ini:3)");
}

static void the_administrators_file_is_judged_without_the_users(void **state)
{
	(void)state;
	refuse_both("[connector:a__b]\nurl = https://a/\n", NULL,
		"admin.ini:1: [connector:a__b]: a name that no connector can have; expected 1 to "
		"31 lower-case letters, digits or `-`, beginning with a letter");
	refuse_both("[connector:a]\nurl = https://a/\nprefix = a__b\n", "[mux]\nseparator = -\n",
		"admin.ini:3: the prefix a__b of the connector a holds the separator __; expected "
		"one without it");
	refuse_both(AB "prefix = a\n", "[connector:a]\nprefix = z\n",
		"admin.ini:5: the prefix a of two connectors, a and b-c; expected a `prefix` of "
		"its own for each (the other is admin.ini:1)");
	refuse_both("[mux]\naudit = off\naudit_syslog = on\n", "[mux]\naudit = required\n",
		"admin.ini:3: audit_syslog = on: there is nothing to copy with audit = off; "
		"expected only one of the two (the other is admin.ini:2)");
}

/* Files of which each is good by itself, and every user's beside some administrator's. */
static void a_users_file_keeps_off_nothing_that_the_administrator_says(void **state)
{
	static const char *const admins[] = {
		"",
		"[mux]\nuser_connectors = on\n",
		"[mux]\nuser_connectors = on\nseparator = -\n[connector:a]\nurl = https://a/\n",
		"[mux]\nseparator = --\ncall_timeout = 20\nmax_tool_name = 64\n" AB,
		AB "enabled = off\n[native]\nurl = https://n/\n",
		"[mux]\naudit = off\nuser_connectors = on\n[connector:a]\nurl = https://a/\n"
		"auth = none\nprefix = z\n",
	};
	static const char *const users[] = {
		"[connector:a]\ntitle = t\n",
		"[connector:a]\nurl = http://a/\nauth = oauth\n",
		"[connector:a]\nurl = https://a/\nauth = none\nscope = s\n[tools:a]\nx = off\n",
		"[connector:a]\nprefix = x\n[connector:b-c]\nprefix = x\n",
		"[connector:a]\nprefix = x__y\n[connector:b-c]\nprefix = x-y\n",
		"[connector:b-c]\nprefix = a\nurl = https://b/\n[connector:a]\nurl = https://a/\n",
		"[mux]\ncall_timeout = 60\ncall_limit = 30\n",
		"[mux]\nmax_tool_name = 16\n[connector:a]\nprefix = abcdefghijklmnopq\n",
		"[mux]\nseparator = -\n[connector:a]\nprefix = x-y\n[connector:b-c]\nprefix = z\n",
		"[mux]\naudit = on\naudit_syslog = on\n[native]\ntitle = t\n",
	};
	(void)state;
	unsigned rescued = 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(users) * G_N_ELEMENTS(admins); i++) {
		const struct ConfigSource user = {
			"user.ini", slice_of(users[i / G_N_ELEMENTS(admins)])};
		const struct ConfigSource admin = {
			"admin.ini", slice_of(admins[i % G_N_ELEMENTS(admins)])};
		g_autoptr(GError) error = NULL;
		g_autoptr(Config) strict = config_parse(&admin, &user, NULL);
		g_autoptr(Config) config = config_parse_anew(&admin, &user, &error);
		if (!config) {
			fail_msg("%u: %s", i, error->message);
			return;
		}
		g_autoptr(Config) alone = config_parse(&admin, NULL, NULL);
		for (guint j = 0; j < alone->connectors->len; j++) {
			const struct ConnectorConfig *connector = alone->connectors->pdata[j];
			assert_string_equal(find(config, connector->name)->url, connector->url);
		}
		for (guint j = 0; j < config->connectors->len; j++) {
			const struct ConnectorConfig *one = config->connectors->pdata[j];
			for (guint k = 0; k < j; k++) {
				const struct ConnectorConfig *two = config->connectors->pdata[k];
				assert_string_not_equal(one->prefix, two->prefix);
			}
			assert_true(one->native || !strstr(one->prefix, config->mux.separator));
		}
		assert_true(!strict || strict->connectors->len == config->connectors->len);
		rescued += !strict;
	}
	assert_in_range(rescued, 8, 40);
	/* The user's file where there is no administrator's gives way to nothing. */
	const struct ConfigSource user = {"user.ini", slice_of(users[6])};
	assert_null(config_parse_anew(NULL, &user, NULL));
	/* Nor do the administrator's own lines. */
	const struct ConfigSource broken = {"admin.ini", slice_of(users[6])};
	assert_null(config_parse_anew(&broken, &user, NULL));
}

static void the_order_is_native_then_the_files(void **state)
{
	(void)state;
	g_autoptr(Config) config =
		merged("[mux]\nuser_connectors = on\n[connector:z]\nurl = https://z/\n"
		       "[connector:b]\nurl = https://b/\n[native]\nurl = https://n/\n",
			"[connector:y]\nurl = https://y/\n[connector:b]\nenabled = off\n"
			"[connector:a]\nurl = https://a/\n");
	const char *const names[] = {"native", "z", "b", "y", "a"};
	assert_int_equal(config->connectors->len, G_N_ELEMENTS(names));
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		assert_string_equal(connector->name, names[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_administrators_mux_wins),
		cmocka_unit_test(the_stricter_audit_and_pins_count),
		cmocka_unit_test(a_user_narrows_an_administrators_connector),
		cmocka_unit_test(a_user_cannot_widen_an_administrators_connector),
		cmocka_unit_test(user_connectors_need_leave),
		cmocka_unit_test(what_the_administrator_takes_away_breaks_no_users_file),
		cmocka_unit_test(the_administrators_native_is_narrowed_like_a_connector),
		cmocka_unit_test(the_administrators_file_has_rules_of_its_own),
		cmocka_unit_test(a_users_prefix_gives_way_to_the_administrators),
		cmocka_unit_test(a_users_connector_gives_way_to_the_administrators),
		cmocka_unit_test(a_users_separator_gives_way_to_the_administrators_prefixes),
		cmocka_unit_test(a_users_own_clash_stays_an_error_beside_an_administrator),
		cmocka_unit_test(the_administrators_file_is_judged_without_the_users),
		cmocka_unit_test(a_users_file_keeps_off_nothing_that_the_administrator_says),
		cmocka_unit_test(the_order_is_native_then_the_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
