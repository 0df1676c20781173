/* Calls of the keyring and what became of them, in the default main context. */
#ifndef MCP_MUX_TESTS_KEYRING_OUTCOME_H
#define MCP_MUX_TESTS_KEYRING_OUTCOME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "auth/keyring.h"
#include "base/error.h"

/* Keys that differ in one part each. */
static const struct KeyringKey notion = {
	"notion", "https://mcp.notion.com/mcp", KEYRING_TOKEN, NULL};
static const struct KeyringKey notion_key = {
	"notion", "https://mcp.notion.com/mcp", KEYRING_API_KEY, NULL};
static const struct KeyringKey other = {"other", "https://mcp.notion.com/mcp", KEYRING_TOKEN, NULL};
static const struct KeyringKey client = {
	"notion", "https://mcp.notion.com/mcp", KEYRING_CLIENT, "https://auth.notion.com"};
static const struct KeyringKey other_client = {
	"notion", "https://mcp.notion.com/mcp", KEYRING_CLIENT, "https://elsewhere.example"};

enum { PATIENCE_MS = 20 * 1000 };

struct Outcome {
	unsigned calls; /* of the handler */
	GError *error;
	GString *value; /* NULL: none */
	GString *keys; /* "connector resource kind issuer\n" each */
	unsigned n_keys;
	struct KeyringCall *call; /* as started */
	void (*then)(struct Outcome *); /* inside the handler */
	void *user;
};

static inline void outcome_release(struct Outcome *outcome)
{
	g_clear_error(&outcome->error);
	if (outcome->value)
		g_string_free(outcome->value, TRUE);
	if (outcome->keys)
		g_string_free(outcome->keys, TRUE);
	*outcome = (struct Outcome){0};
}

static inline void outcome_came(struct Outcome *outcome, const GError *error)
{
	assert_int_equal(outcome->calls, 0);
	assert_non_null(outcome->call); /* the starting function has returned */
	outcome->calls++;
	outcome->error = error ? g_error_copy(error) : NULL;
	if (outcome->then)
		outcome->then(outcome);
}

static inline void outcome_looked(struct Secret *value, const GError *error, void *user)
{
	struct Outcome *outcome = user;
	struct Slice bytes = secret_reveal(value);
	if (value)
		outcome->value = g_string_new_len(bytes.data, (gssize)bytes.len);
	outcome_came(outcome, error);
}

static inline void outcome_done(const GError *error, void *user)
{
	outcome_came(user, error);
}

static inline void outcome_found(
	const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct Outcome *outcome = user;
	outcome->n_keys = n;
	outcome->keys = g_string_new(NULL);
	for (unsigned i = 0; i < n; i++)
		g_string_append_printf(outcome->keys, "%s %s %d %s\n", keys[i].connector,
			keys[i].resource, keys[i].kind, keys[i].issuer ? keys[i].issuer : "-");
	outcome_came(outcome, error);
}

/* ---- turning the loop ---- */

static inline gboolean outcome_on_time(gpointer user)
{
	*(bool *)user = true;
	return G_SOURCE_REMOVE;
}

/* Turns the default context until *WHAT is at least WANTED, or MS are over. */
static inline bool turn(const unsigned *what, unsigned wanted, unsigned ms)
{
	bool over = false;
	GSource *timer = g_timeout_source_new(ms);
	g_source_set_callback(timer, outcome_on_time, &over, NULL);
	g_source_attach(timer, NULL);
	while (*what < wanted && !over)
		g_main_context_iteration(NULL, TRUE);
	g_source_destroy(timer);
	g_source_unref(timer);
	return *what >= wanted;
}

#define turn_until(what, wanted) assert_true(turn(&(what), (wanted), PATIENCE_MS))

/* Lets what was cancelled or left behind come to its end. */
static inline void turn_for(unsigned ms)
{
	unsigned never = 0;
	turn(&never, 1, ms);
}

/* ---- calls that are waited for ---- */

static inline void store_text(struct Keyring *keyring, const struct KeyringKey *key,
	const char *text, struct Outcome *outcome)
{
	struct Secret *secret = secret_new(slice_of(text));
	*outcome = (struct Outcome){0};
	outcome->call = keyring_store(keyring, key, secret, outcome_done, outcome);
	secret_unref(secret);
}

static inline void look_up(
	struct Keyring *keyring, const struct KeyringKey *key, struct Outcome *outcome)
{
	*outcome = (struct Outcome){0};
	outcome->call = keyring_lookup(keyring, key, outcome_looked, outcome);
}

static inline void clear(
	struct Keyring *keyring, const struct KeyringKey *key, struct Outcome *outcome)
{
	*outcome = (struct Outcome){0};
	outcome->call = keyring_clear(keyring, key, outcome_done, outcome);
}

static inline void find(struct Keyring *keyring, const char *connector, struct Outcome *outcome)
{
	*outcome = (struct Outcome){0};
	outcome->call = keyring_find(keyring, connector, outcome_found, outcome);
}

/* ---- what is expected ---- */

static inline void assert_succeeds(struct Outcome *outcome)
{
	turn_until(outcome->calls, 1);
	if (outcome->error)
		fail_msg("%s", outcome->error->message);
}

static inline void assert_ends_with(struct Outcome *outcome, int code, const char *text)
{
	turn_until(outcome->calls, 1);
	const GError *error = outcome->error;
	const char *message = error ? error->message : "no error";
	int got = error && error->domain == MUX_ERROR ? error->code : -1;
	assert_null(outcome->value);
	if (got != code || !strstr(message, text))
		fail_msg("\"%s\" (%d), not \"%s\" (%d)", message, got, text, code);
	outcome_release(outcome);
}

static inline void assert_stored(
	struct Keyring *keyring, const struct KeyringKey *key, const char *text)
{
	struct Outcome outcome;
	store_text(keyring, key, text, &outcome);
	assert_succeeds(&outcome);
	outcome_release(&outcome);
}

/* TEXT NULL: there is none. */
static inline void assert_holds(
	struct Keyring *keyring, const struct KeyringKey *key, const char *text)
{
	struct Outcome outcome;
	look_up(keyring, key, &outcome);
	assert_succeeds(&outcome);
	if (!text)
		assert_null(outcome.value);
	else if (!outcome.value)
		fail_msg("nothing there, not %s", text);
	else
		assert_string_equal(outcome.value->str, text);
	outcome_release(&outcome);
}

static inline void assert_cleared(struct Keyring *keyring, const struct KeyringKey *key)
{
	struct Outcome outcome;
	clear(keyring, key, &outcome);
	assert_succeeds(&outcome);
	outcome_release(&outcome);
}

static inline void assert_finds(struct Keyring *keyring, const char *connector, unsigned n)
{
	struct Outcome outcome;
	find(keyring, connector, &outcome);
	assert_succeeds(&outcome);
	assert_int_equal(outcome.n_keys, n);
	outcome_release(&outcome);
}

/* All four kinds of call fail so. */
static inline void assert_all_fail(
	struct Keyring *keyring, const struct KeyringKey *key, int code, const char *text)
{
	struct Outcome looked, stored, cleared, found;
	look_up(keyring, key, &looked);
	store_text(keyring, key, "x", &stored);
	clear(keyring, key, &cleared);
	find(keyring, NULL, &found);
	assert_ends_with(&looked, code, text);
	assert_ends_with(&stored, code, text);
	assert_ends_with(&cleared, code, text);
	assert_ends_with(&found, code, text);
}

#endif
