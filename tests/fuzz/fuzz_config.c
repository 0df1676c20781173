/* Any bytes as configuration: one file alone, the same file as the administrator's, and two files that a
 * NUL byte separates. What is accepted must keep what the header promises; whatever the user's file says,
 * it must not widen what the administrator's allows. A configuration that adopts another one says the same as that. */
#include "base/error.h"
#include "format/config.h"
#include "unit/config_dump.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_place(const struct Config *config, struct Place place)
{
	g_assert_nonnull(place.file);
	g_assert_cmpuint(place.line, >, 0);
	g_assert_true(g_ptr_array_find(config->files, place.file, NULL));
}

static void check_list(const struct Config *config, const struct AllowList *list)
{
	g_assert_true(list->set || list->rules->len == 0);
	for (guint i = 0; i < list->rules->len; i++) {
		const struct AllowRule *rule = list->rules->pdata[i];
		g_assert_cmpstr(rule->text, !=, "");
		check_place(config, rule->place);
	}
}

static void check_connector(const struct Config *config, guint index)
{
	const struct ConnectorConfig *connector = config->connectors->pdata[index];
	g_assert_true(config_find(config, connector->name) == connector);
	g_assert_true(*connector_title(connector));
	g_assert_nonnull(connector->url);
	g_assert_nonnull(connector->prefix);
	g_assert_nonnull(connector->redirect_host);
	g_assert_nonnull(connector->api_key_header);
	g_assert_nonnull(connector->api_key_prefix);
	check_place(config, connector->place);
	check_place(config, connector->prefix_place);
	g_assert_true(!connector->native || index == 0);
	g_assert_cmpint(connector->native, ==, !*connector->prefix);
	g_assert_true(connector->native || !strstr(connector->prefix, config->mux.separator));
	g_assert_cmpint(connector->default_all, ==, connector->native || !connector->by_admin);
	for (unsigned i = 0; i < ALLOW_KINDS; i++) {
		check_list(config, &connector->allowed[i]);
		check_list(config, &connector->narrowed[i]);
	}
	for (guint i = 0; i < index; i++) {
		const struct ConnectorConfig *other = config->connectors->pdata[i];
		g_assert_cmpstr(other->prefix, !=, connector->prefix);
	}
}

static struct Config *parse_by(struct Config *(*how)(const struct ConfigSource *admin,
				       const struct ConfigSource *user, GError **error),
	const struct ConfigSource *admin, const struct ConfigSource *user)
{
	g_autoptr(GError) error = NULL;
	struct Config *config = how(admin, user, &error);
	if (!config) {
		g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
		g_assert_true(g_str_has_prefix(error->message, "admin:") ||
			      g_str_has_prefix(error->message, "user:"));
		g_assert_null(strchr(error->message, '\n'));
		g_assert_true(g_utf8_validate(error->message, -1, NULL));
		return NULL;
	}
	g_assert_null(error);
	for (guint i = 0; i < config->connectors->len; i++)
		check_connector(config, i);
	for (guint i = 0; i < config->notes->len; i++) {
		const struct ConfigNote *note = config->notes->pdata[i];
		g_assert_cmpstr(note->place.file, ==, "user");
	}
	return config;
}

static struct Config *parse(const struct ConfigSource *admin, const struct ConfigSource *user)
{
	return parse_by(config_parse, admin, user);
}

/* WHOLE is what ADMIN gives alone, MERGED with a user's file. */
static void check_narrower(const struct Config *whole, const struct Config *merged)
{
	static const unsigned audit[] = {[AUDIT_OFF] = 0, [AUDIT_ON] = 1, [AUDIT_REQUIRED] = 2};
	static const unsigned pins[] = {[PIN_OFF] = 0, [PIN_WARN] = 1, [PIN_BLOCK] = 2};
	g_assert_cmpuint(audit[merged->mux.audit], >=, audit[whole->mux.audit]);
	g_assert_true(merged->mux.audit_syslog || !whole->mux.audit_syslog);
	g_assert_cmpuint(pins[merged->mux.pin_tools], >=, pins[whole->mux.pin_tools]);
	g_assert_cmpint(merged->mux.user_connectors, ==, whole->mux.user_connectors);
	if (!whole->mux.user_connectors)
		g_assert_cmpuint(merged->connectors->len, ==, whole->connectors->len);
	for (guint i = 0; i < whole->connectors->len; i++) {
		const struct ConnectorConfig *was = whole->connectors->pdata[i];
		const struct ConnectorConfig *is = config_find(merged, was->name);
		g_assert_nonnull(is);
		g_assert_true(is->by_admin);
		g_assert_cmpstr(is->url, ==, was->url);
		g_assert_cmpint(is->auth, ==, was->auth);
		g_assert_cmpuint(is->headers->len, ==, was->headers->len);
		g_assert_cmpstr(is->api_key_header, ==, was->api_key_header);
		g_assert_true(was->enabled || !is->enabled);
		g_assert_cmpint(!is->allowed_users, ==, !was->allowed_users);
		for (unsigned k = 0; k < ALLOW_KINDS; k++) {
			g_assert_cmpint(is->allowed[k].set, ==, was->allowed[k].set);
			g_assert_cmpuint(is->allowed[k].rules->len, ==, was->allowed[k].rules->len);
		}
	}
}

/* CURRENT follows FRESH, which is taken over. Connectors that are reached as before stay where they are. */
static void check_adopted(struct Config *current, struct Config *fresh)
{
	g_autofree char *expected = config_dump(fresh);
	g_autoptr(GPtrArray) before = g_ptr_array_new();
	guint kept = 0;
	for (guint i = 0; i < current->connectors->len; i++) {
		struct ConnectorConfig *was = current->connectors->pdata[i];
		const struct ConnectorConfig *becomes = config_find(fresh, was->name);
		bool same = becomes && connector_is_same(was, becomes);
		g_ptr_array_add(before, same ? was : NULL);
		kept += same;
	}
	guint all = current->connectors->len;
	g_autoptr(GPtrArray) gone = NULL;
	config_adopt(current, fresh, &gone);
	g_autofree char *dump = config_dump(current);
	g_assert_cmpstr(dump, ==, expected);
	g_assert_cmpuint(gone->len, ==, all - kept);
	for (guint i = 0; i < before->len; i++) {
		const struct ConnectorConfig *was = before->pdata[i];
		g_assert_true(!was || config_find(current, was->name) == was);
	}
	for (guint i = 0; i < gone->len; i++)
		g_assert_true(*connector_title(gone->pdata[i]));
}

/* A configuration that says ADMIN and USER already, then something else, then that again. */
static void check_adoption(const struct ConfigSource *admin, const struct ConfigSource *user,
	struct Config *current, struct Config *other)
{
	struct Config *again = parse(admin, user);
	g_assert_nonnull(again);
	check_adopted(current, again);
	check_adopted(current, other);
	again = parse(admin, user);
	check_adopted(current, again);
}

/* Beside any other administrator's file USER, which was good beside one, holds nothing off. */
static void check_anew(const struct ConfigSource *admin, const struct ConfigSource *user)
{
	const struct ConfigSource admins[] = {
		*admin, {"admin", SLICE("")}, {"admin", SLICE("[mux]\nuser_connectors = on\n")}};
	bool was_good = false;
	for (size_t i = 0; i < G_N_ELEMENTS(admins); i++) {
		g_autoptr(Config) merged = parse(&admins[i], user);
		was_good = was_good || merged;
	}
	for (size_t i = 0; was_good && i < G_N_ELEMENTS(admins); i++) {
		g_autoptr(Config) whole = parse(&admins[i], NULL);
		g_autoptr(Config) anew = parse_by(config_parse_anew, &admins[i], user);
		g_assert_true(!whole == !anew);
		if (anew)
			check_narrower(whole, anew);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *copy = g_memdup2(data, size);
	const char *nul = size ? memchr(copy, '\0', size) : NULL;
	size_t first = nul ? (size_t)(nul - copy) : size;
	struct ConfigSource admin = {"admin", {copy, first}};
	struct ConfigSource user = {"user", {copy, first}};
	g_autoptr(Config) alone = parse(NULL, &user);
	g_autoptr(Config) whole = parse(&admin, NULL);
	g_assert_true(!whole || alone); /* what an administrator may say, a user alone may */
	if (alone && whole)
		check_adoption(NULL, &user, alone, parse(&admin, NULL));
	if (!nul)
		return 0;
	struct ConfigSource second = {"user", {nul + 1, size - first - 1}};
	g_autoptr(Config) merged = parse(&admin, &second);
	g_assert_true(!merged || whole); /* the administrator's file stands by itself */
	if (merged)
		check_narrower(whole, merged);
	check_anew(&admin, &second);
	struct Config *own = parse(NULL, &second);
	if (merged && own)
		check_adoption(&admin, &second, merged, own);
	else if (alone && own)
		check_adoption(NULL, &user, alone, own);
	else
		config_free(own);
	return 0;
}
