/* A connector, its authorization server and a private keyring, for tests of what lies in the keyring. */
#ifndef MCP_MUX_TESTS_CLIENT_FIXTURE_H
#define MCP_MUX_TESTS_CLIENT_FIXTURE_H

#include "oauth_server.h"

#include "auth/client.h"
#include "base/error.h"
#include "keyring_fixture.h"

struct Accounts {
	struct Fixture fixture;
	struct KeyringFixture *bank;
	struct Keyring *own; /* the test's, besides that of what is tested */
	struct MuxConfig mux;
	struct AuthShared shared;
	struct OauthServer server;
	struct ConnectorConfig connector;
	/* What the last call to OWN said. */
	unsigned answered;
	GError *error;
	struct Secret *value;
	unsigned n_found;
};

static inline void accounts_init(struct Accounts *a)
{
	struct HttpOptions options = {.max_connections = 8, .user_agent = "mcp-mux-test/1"};
	*a = (struct Accounts){.mux.connect_timeout_ms = 5000};
	fixture_init(&a->fixture);
	g_main_context_push_thread_default(a->fixture.context);
	a->bank = keyring_fixture_new(KEYRING_FIXTURE_UNLOCKED);
	a->own = keyring_new(false, NULL, NULL);
	a->shared.loop = a->fixture.loop;
	a->shared.http = http_client_new(a->fixture.loop, &options, NULL);
	a->shared.keyring = keyring_new(false, NULL, NULL);
	a->shared.mux = &a->mux;
	oauth_server_init(&a->server, a->fixture.loop);
	a->connector = (struct ConnectorConfig){
		.name = (char *)"notes",
		.url = a->server.url,
		.auth = AUTH_OAUTH,
		.place = {"user.ini", 7},
	};
}

static inline void accounts_release(struct Accounts *a)
{
	keyring_free(a->own);
	keyring_free(a->shared.keyring);
	http_client_free(a->shared.http);
	oauth_server_release(&a->server);
	/* What was cancelled ends inside GDBus first. */
	while (g_main_context_iteration(a->fixture.context, FALSE))
		;
	keyring_fixture_free(a->bank);
	g_main_context_pop_thread_default(a->fixture.context);
	fixture_release(&a->fixture);
	g_clear_error(&a->error);
	secret_unref(a->value);
}

static inline void accounts_on_done(const GError *error, void *user)
{
	struct Accounts *a = user;
	g_clear_error(&a->error);
	a->error = error ? g_error_copy(error) : NULL;
	a->answered++;
}

static inline void accounts_on_looked(struct Secret *value, const GError *error, void *user)
{
	struct Accounts *a = user;
	secret_unref(a->value);
	a->value = secret_ref(value);
	accounts_on_done(error, a);
}

static inline void accounts_on_found(
	const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct Accounts *a = user;
	(void)keys;
	a->n_found = n;
	accounts_on_done(error, a);
}

static inline void accounts_await(struct Accounts *a)
{
	turn_until(&a->fixture, a->answered, 1);
	a->answered = 0;
	if (a->error)
		fail_msg("%s", a->error->message);
}

static inline void accounts_put(
	struct Accounts *a, const struct KeyringKey *key, struct Secret *value)
{
	keyring_store(a->own, key, value, accounts_on_done, a);
	accounts_await(a);
	secret_unref(value);
}

static inline void accounts_put_text(
	struct Accounts *a, const struct KeyringKey *key, const char *text)
{
	accounts_put(a, key, secret_new(slice_of(text)));
}

/* Borrowed until the next; NULL if there is none. */
static inline struct Secret *accounts_get(struct Accounts *a, const struct KeyringKey *key)
{
	keyring_lookup(a->own, key, accounts_on_looked, a);
	accounts_await(a);
	return a->value;
}

/* How many items CONNECTOR has. */
static inline unsigned accounts_count(struct Accounts *a, const char *connector)
{
	keyring_find(a->own, connector, accounts_on_found, a);
	accounts_await(a);
	return a->n_found;
}

static inline struct KeyringKey accounts_client_key(struct Accounts *a, const char *issuer)
{
	return (struct KeyringKey){.connector = a->connector.name,
		.resource = a->server.url,
		.kind = KEYRING_CLIENT,
		.issuer = issuer};
}

static inline struct KeyringKey accounts_token_key(struct Accounts *a)
{
	return (struct KeyringKey){
		.connector = a->connector.name, .resource = a->server.url, .kind = KEYRING_TOKEN};
}

/* CLIENT's strings are borrowed; SECRET NULL: none. */
static inline void accounts_put_client(struct Accounts *a, const char *issuer,
	const struct ClientRecord *client, const char *secret)
{
	struct ClientRecord record = *client;
	g_autoptr(Secret) password = secret ? secret_new(slice_of(secret)) : NULL;
	record.client_secret = password;
	struct KeyringKey key = accounts_client_key(a, issuer);
	accounts_put(a, &key, client_record_write(&record));
}

#define assert_words(error, wanted_code, wanted_text)                                              \
	do {                                                                                       \
		const GError *actual = (error);                                                    \
		assert_non_null(actual);                                                           \
		if (!strstr(actual->message, (wanted_text)))                                       \
			fail_msg("\"%s\" lacks \"%s\"", actual->message, (wanted_text));           \
		assert_int_equal(actual->domain, MUX_ERROR);                                       \
		assert_int_equal(actual->code, (wanted_code));                                     \
	} while (0)

#define assert_secret(value, wanted)                                                               \
	do {                                                                                       \
		struct Slice revealed = secret_reveal(value);                                      \
		assert_non_null(revealed.data);                                                    \
		assert_string_equal(revealed.data, (wanted));                                      \
	} while (0)

#endif
