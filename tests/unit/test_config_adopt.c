#include "unit/config_dump.h"
#include "unit/config_fixture.h"
#include "unit/config_samples.h"

/* A connector with all there is, beside the one that a test is about. */
#define RICH                                                                                       \
	"[connector:rich]\ntitle = R\ndescription = d\nurl = https://r.example/\nprefix = rr\n"    \
	"allowed_tools = a*, b\nallowed_prompts = p\nallowed_resources = @all\n"                   \
	"allowed_users = alice\nscope = s\nclient_id = i\n"                                        \
	"client_metadata_url = https://r.example/c\nredirect_host = localhost\n"                   \
	"redirect_port = 9\nresource_parameter = off\napi_key_header = X-K\n"                      \
	"api_key_prefix = P\nheader.X-A = 1\nheader.X-B = 2\nenabled = off\n"                      \
	"[tools:rich]\na = off\nb* = on\n"

/* What is held of a connector while a program runs. */
struct Held {
	const struct ConnectorConfig *connector;
	const char *strings[8];
	const GPtrArray *headers;
	const char *header_values[2];
};

static void hold(struct Held *held, const struct Config *config, const char *name)
{
	const struct ConnectorConfig *c = find(config, name);
	*held = (struct Held){
		.connector = c,
		.strings = {c->name, c->url, c->scope, c->client_id, c->client_metadata_url,
			c->redirect_host, c->api_key_header, c->api_key_prefix},
		.headers = c->headers,
	};
	for (guint i = 0; i < c->headers->len && i < G_N_ELEMENTS(held->header_values); i++) {
		const struct HeaderConfig *header = c->headers->pdata[i];
		held->header_values[i] = header->value;
	}
}

static void expect_held(const struct Held *held, const struct Config *config, const char *name)
{
	struct Held now;
	hold(&now, config, name);
	assert_ptr_equal(now.connector, held->connector);
	for (unsigned i = 0; i < G_N_ELEMENTS(held->strings); i++)
		assert_ptr_equal(now.strings[i], held->strings[i]);
	assert_ptr_equal(now.headers, held->headers);
	for (unsigned i = 0; i < G_N_ELEMENTS(held->header_values); i++)
		assert_ptr_equal(now.header_values[i], held->header_values[i]);
}

/* CURRENT follows the two files, and then says what they say. For g_ptr_array_unref. */
static GPtrArray *adopted(struct Config *current, const char *admin, const char *user)
{
	g_autoptr(Config) fresh = merged(admin, user);
	g_autofree char *expected = config_dump(fresh);
	GPtrArray *gone = NULL;
	config_adopt(current, g_steal_pointer(&fresh), &gone);
	g_autofree char *dump = config_dump(current);
	assert_string_equal(dump, expected);
	assert_non_null(gone);
	return gone;
}

/* Whether the connector c of FROM and that of TO, both of the only file or of the administrator's, are the same. */
static void follow(const char *from, const char *to, bool by_admin, bool same)
{
	g_autoptr(Config) current = merged(by_admin ? from : NULL, by_admin ? NULL : from);
	g_autoptr(Config) other = merged(by_admin ? to : NULL, by_admin ? NULL : to);
	g_autofree char *before = config_dump(current);
	g_autofree char *after = config_dump(other);
	assert_string_not_equal(before, after);
	assert_int_equal(connector_is_same(find(current, "c"), find(other, "c")), same);
	assert_int_equal(connector_is_same(find(other, "c"), find(current, "c")), same);

	struct Held held, rich;
	hold(&held, current, "c");
	hold(&rich, current, "rich");
	g_autoptr(GPtrArray) gone = adopted(current, by_admin ? to : NULL, by_admin ? NULL : to);
	expect_held(&rich, current, "rich");
	assert_int_equal(gone->len, same ? 0 : 1);
	if (same) {
		expect_held(&held, current, "c");
	} else {
		assert_ptr_equal(gone->pdata[0], held.connector);
		assert_ptr_not_equal(find(current, "c"), held.connector);
		assert_string_equal(held.connector->name, "c"); /* still there */
	}
}

static char *with_mux(const char *key, const char *value)
{
	return g_strdup_printf(
		"[mux]\n%s%s%s\n" RICH C, value ? key : "", value ? " = " : "", value ? value : "");
}

static void every_key_of_mux_is_followed(void **state)
{
	(void)state;
	for (unsigned key = 0; key < MUX_KEYS; key++) {
		const struct Sample *sample = &mux_samples[key];
		g_autofree char *none = with_mux(mux_keys[key].name, NULL);
		g_autofree char *one = with_mux(mux_keys[key].name, sample->one);
		g_autofree char *two = with_mux(mux_keys[key].name, sample->two);
		follow(none, one, false, true);
		follow(one, none, false, true);
		follow(one, two, false, true);
	}
}

/* With the same number of lines in any case, as a changed place is a change, too. */
static char *with_key(const char *key, const char *value)
{
	bool is_url = strcmp(key, "url") == 0;
	return g_strdup_printf(RICH "[connector:c]\nurl = %s\n%s%s%s\n",
		is_url && value ? value : "https://c.example/mcp", is_url || !value ? "" : key,
		is_url || !value ? "" : " = ", is_url || !value ? "" : value);
}

static char *without_toggles(const char *text)
{
	const char *tools = strstr(text, "[tools:rich]");
	const char *rest = strstr(tools, "[connector:c]");
	return g_strdup_printf("%.*s%s", (int)(tools - text), text, rest);
}

static void every_key_of_a_connector_is_followed(void **state)
{
	(void)state;
	for (unsigned key = 0; key < CONNECTOR_KEYS; key++) {
		const struct Sample *sample = &connector_samples[key];
		const char *name = connector_keys[key].name;
		g_autofree char *none = with_key(name, NULL);
		g_autofree char *one = with_key(name, sample->one);
		g_autofree char *two = with_key(name, sample->two);
		follow(none, one, false, !sample->reaches);
		follow(one, none, false, !sample->reaches);
		follow(one, two, false, !sample->reaches);
		g_autofree char *admin_one = without_toggles(one);
		g_autofree char *admin_two = without_toggles(two);
		follow(admin_one, admin_two, true, !sample->reaches);
	}
}

static void every_line_of_a_users_narrowing_is_followed(void **state)
{
	(void)state;
	static const char admin[] =
		C "allowed_tools = @all\nallowed_prompts = @all\nallowed_resources = @all\n";
	static const char *const lines[] = {"enabled = off", "allowed_tools = x",
		"allowed_prompts = x", "allowed_resources = x", "prefix = x", "title = x",
		"[tools:c]\nx = off", "[mux]\nproxy = http://p:1",
		"[connector:gone]\nenabled = off"};
	for (unsigned i = 0; i < G_N_ELEMENTS(lines); i++) {
		g_autofree char *user = g_strdup_printf("[connector:c]\n%s\n", lines[i]);
		g_autoptr(Config) current = merged(admin, "[connector:c]\n");
		g_autofree char *before = config_dump(current);
		struct Held held;
		hold(&held, current, "c");
		g_autoptr(GPtrArray) gone = adopted(current, admin, user);
		g_autofree char *after = config_dump(current);
		assert_string_not_equal(before, after);
		expect_held(&held, current, "c");
		assert_int_equal(gone->len, 0);
		g_autoptr(GPtrArray) again = adopted(current, admin, "[connector:c]\n");
		expect_held(&held, current, "c");
		assert_int_equal(again->len, 0);
	}
}

static void headers_may_change_places_but_nothing_else(void **state)
{
	(void)state;
	static const char two[] = C "header.X-A = 1\nheader.X-B = 2\n";
	g_autoptr(Config) current = merged(NULL, two);
	struct Held held;
	hold(&held, current, "c");
	g_autoptr(GPtrArray) none =
		adopted(current, NULL, C "title = T\nheader.X-B = 2\nheader.X-A = 1\n");
	assert_int_equal(none->len, 0);
	const struct ConnectorConfig *c = find(current, "c");
	assert_ptr_equal(c, held.connector);
	assert_ptr_equal(c->headers, held.headers);
	const struct HeaderConfig *header = c->headers->pdata[0];
	assert_string_equal(header->name, "X-B");
	assert_ptr_equal(header->value, held.header_values[1]);
	assert_int_equal(header->place.line, 4);
	header = c->headers->pdata[1];
	assert_ptr_equal(header->value, held.header_values[0]);

	static const char *const others[] = {C, C "header.X-A = 1\n",
		C "header.X-A = 1\nheader.X-B = 3\n", C "header.X-A = 1\nheader.x-b = 2\n",
		C "header.X-A = 1\nheader.X-B = 2\nheader.X-C = 3\n"};
	for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
		g_autoptr(Config) was = merged(NULL, two);
		g_autoptr(GPtrArray) gone = adopted(was, NULL, others[i]);
		assert_int_equal(gone->len, 1);
	}
}

static void connectors_come_go_and_change_places(void **state)
{
	(void)state;
	g_autoptr(Config) current =
		merged(NULL, "[connector:a]\nurl = https://a/\n[connector:b]\nurl = https://b/\n"
			     "[connector:x]\nurl = https://x/\n");
	const struct MuxConfig *mux = &current->mux;
	struct Held a, b;
	hold(&a, current, "a");
	hold(&b, current, "b");
	const struct ConnectorConfig *x = find(current, "x");
	g_autoptr(GPtrArray) gone = adopted(current, NULL,
		"[mux]\nproxy = http://p:1\n[connector:b]\nurl = https://b/\n[connector:new]\n"
		"url = https://n/\n[connector:a]\nurl = https://a/\n[native]\nurl = https://v/\n");
	assert_ptr_equal(&current->mux, mux);
	assert_string_equal(mux->proxy, "http://p:1");
	static const char *const names[] = {"native", "b", "new", "a"};
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		const struct ConnectorConfig *connector = current->connectors->pdata[i];
		assert_string_equal(connector->name, names[i]);
	}
	expect_held(&a, current, "a");
	expect_held(&b, current, "b");
	assert_int_equal(gone->len, 1);
	assert_ptr_equal(gone->pdata[0], x);
	assert_string_equal(x->url, "https://x/");
	/* Names of files outlive their configuration. */
	assert_ptr_equal(x->place.file, g_intern_static_string("user.ini"));

	g_autoptr(GPtrArray) all = adopted(current, NULL, NULL);
	assert_int_equal(all->len, 4);
	assert_int_equal(current->connectors->len, 0);
	g_autoptr(GPtrArray) nothing = adopted(current, NULL, C);
	assert_int_equal(nothing->len, 0);
}

static void an_administrators_file_comes_and_goes(void **state)
{
	(void)state;
	g_autoptr(Config) current = merged(NULL, C "title = Mine\n");
	struct Held held;
	hold(&held, current, "c");
	g_autoptr(GPtrArray) none = adopted(current, C "title = Theirs\n", C "prefix = mine\n");
	expect_held(&held, current, "c");
	assert_true(current->has_admin);
	assert_true(held.connector->by_admin);
	assert_false(held.connector->default_all);
	assert_int_equal(current->files->len, 2);
	assert_int_equal(current->notes->len, 1);
	g_autoptr(GPtrArray) again = adopted(current, NULL, C "title = Mine\n");
	expect_held(&held, current, "c");
	assert_false(current->has_admin);
	assert_int_equal(current->notes->len, 0);
	assert_int_equal(none->len + again->len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_mux_is_followed),
		cmocka_unit_test(every_key_of_a_connector_is_followed),
		cmocka_unit_test(every_line_of_a_users_narrowing_is_followed),
		cmocka_unit_test(headers_may_change_places_but_nothing_else),
		cmocka_unit_test(connectors_come_go_and_change_places),
		cmocka_unit_test(an_administrators_file_comes_and_goes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
