/* Configuration as tests write and read it: files as string literals, called user.ini and admin.ini. */
#ifndef MCP_MUX_TESTS_CONFIG_FIXTURE_H
#define MCP_MUX_TESTS_CONFIG_FIXTURE_H

#include "base/error.h"
#include "format/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

/* A connector that needs no more. */
#define C "[connector:c]\nurl = https://c.example/mcp\n"

/* ADMIN and USER may be NULL. */
static inline struct Config *parse(const char *admin, const char *user, GError **error)
{
	struct ConfigSource a = {"admin.ini", slice_of(admin)};
	struct ConfigSource u = {"user.ini", slice_of(user)};
	return config_parse(admin ? &a : NULL, user ? &u : NULL, error);
}

static inline struct Config *merged(const char *admin, const char *user)
{
	g_autoptr(GError) error = NULL;
	struct Config *config = parse(admin, user, &error);
	if (error)
		fail_msg("%s", error->message);
	assert_non_null(config);
	return config;
}

static inline void refuse_both(const char *admin, const char *user, const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Config) config = parse(admin, user, &error);
	if (config)
		fail_msg("accepted, instead of: %s", message);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_CONFIG));
	assert_string_equal(error->message, message);
}

static inline void refuse(const char *user, const char *message)
{
	refuse_both(NULL, user, message);
}

/* `[mux]` / LINE, or a connector c with LINE as its third line. */
static inline void refuse_mux(const char *line, const char *message)
{
	g_autofree char *text = g_strconcat("[mux]\n", line, "\n", NULL);
	refuse(text, message);
}

static inline void refuse_key(const char *line, const char *message)
{
	g_autofree char *text = g_strconcat(C, line, "\n", NULL);
	refuse(text, message);
}

static inline const struct ConnectorConfig *find(const struct Config *config, const char *name)
{
	const struct ConnectorConfig *connector = config_find(config, name);
	assert_non_null(connector);
	return connector;
}

static inline void expect_rules(const struct AllowList *list, const char *expected)
{
	assert_true(list->set);
	g_autoptr(GString) text = g_string_new(NULL);
	for (guint i = 0; i < list->rules->len; i++) {
		const struct AllowRule *rule = list->rules->pdata[i];
		g_string_append_printf(text, "%s%s:%u", i ? " " : "", rule->text, rule->place.line);
	}
	assert_string_equal(text->str, expected);
}

static inline void expect_note(
	const struct Config *config, unsigned i, const char *file, unsigned line, const char *text)
{
	assert_true(i < config->notes->len);
	const struct ConfigNote *note = config->notes->pdata[i];
	assert_string_equal(note->text, text);
	assert_string_equal(note->place.file, file);
	assert_int_equal(note->place.line, line);
}

#endif
