/* Token first, then the keyring: what the server refuses is not stored. The client's secret is stored before the token,
 * since a token without it could not be renewed. Both under the credential's lock. */
#include "auth/machine.h"

#include "auth/client.h"
#include "auth/credential_lock.h"
#include "auth/grant.h"
#include "auth/sign_in.h"
#include "base/error.h"
#include "format/url.h"

enum { GRANT_ID_BYTES = 16 };

struct Machine {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	MachineDone *done;
	void *user;
	struct ClientRecord *client; /* NULL: an API key has none */
	struct TokenRecord *record;
	struct Discovery *discovery;
	struct Grant *grant;
	struct CredentialLock *waiting;
	struct FileLock *lock;
	struct KeyringCall *keyring;
	struct LoopTimer soon; /* tells FAULT */
	GError *fault;
	bool telling;
};

void machine_cancel(struct Machine *m)
{
	if (!m || m->telling)
		return;
	loop_timer_stop(&m->soon);
	discovery_cancel(m->discovery);
	grant_cancel(m->grant);
	credential_lock_cancel(m->waiting);
	keyring_call_cancel(m->keyring);
	file_unlock(m->lock);
	client_record_free(m->client);
	token_record_free(m->record);
	g_clear_error(&m->fault);
	g_free(m);
}

static void finish(struct Machine *m, const GError *error)
{
	g_clear_pointer(&m->lock, file_unlock);
	/* The secret of a client alone is none yet. */
	if (error || m->record->access_token)
		auth_happened(m->shared, AUTH_SIGN_IN, m->connector, error);
	m->telling = true;
	m->done(error ? NULL : m->record, error, m->user);
	m->telling = false;
	machine_cancel(m);
}

static void on_soon(void *user)
{
	struct Machine *m = user;
	finish(m, m->fault);
}

/* ---- storing ---- */

static void on_token_stored(const GError *error, void *user)
{
	struct Machine *m = user;
	m->keyring = NULL;
	if (!error)
		credential_touch_stamp();
	finish(m, error);
}

static void store_token(struct Machine *m)
{
	g_autofree char *resource = NULL;
	struct KeyringKey key = credential_key(m->connector, &resource);
	g_autoptr(Secret) text = token_record_write(m->record);
	m->keyring = keyring_store(m->shared->keyring, &key, text, on_token_stored, m);
}

static void on_client_stored(const GError *error, void *user)
{
	struct Machine *m = user;
	m->keyring = NULL;
	if (error || !m->record->access_token)
		finish(m, error);
	else
		store_token(m);
}

static void on_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct Machine *m = user;
	m->waiting = NULL;
	m->lock = lock;
	if (error) {
		finish(m, error);
		return;
	}
	if (!m->client) {
		store_token(m);
		return;
	}
	g_autofree char *resource = NULL;
	struct KeyringKey key = client_key(m->connector, m->record->issuer, &resource);
	g_autoptr(Secret) text = client_record_write(m->client);
	m->keyring = keyring_store(m->shared->keyring, &key, text, on_client_stored, m);
}

static void store(struct Machine *m)
{
	m->waiting = credential_lock_start(
		m->shared->loop, m->connector, CREDENTIAL_LOCK_MS, on_locked, m);
}

/* ---- the token ---- */

static void on_answer(
	struct TokenAnswer *answer, const char *oauth_code, const GError *error, void *user)
{
	struct Machine *m = user;
	(void)oauth_code;
	m->grant = NULL;
	if (error) {
		finish(m, error);
		return;
	}
	grant_update_record(m->record, answer);
	store(m);
}

static void ask(struct Machine *m, enum GrantKind kind)
{
	const struct GrantSpec spec = {
		.kind = kind,
		.endpoint = m->record->token_endpoint,
		.issuer = m->record->issuer,
		.client_id = m->client->client_id,
		.client_secret = m->client->client_secret,
		.auth_method = m->client->auth_method,
		.scope = m->record->scope_wanted,
		.resource = m->record->resource,
	};
	m->record->client_id = g_strdup(m->client->client_id);
	m->record->auth_method = g_strdup(m->client->auth_method);
	m->grant = grant_start(m->shared, &spec, on_answer, m);
}

static void on_discovered(struct Discovered *discovered, const GError *error, void *user)
{
	struct Machine *m = user;
	m->discovery = NULL;
	if (error) {
		finish(m, error);
		return;
	}
	const struct ServerMetadata *server = &discovered->server;
	m->record->issuer = g_strdup(server->issuer);
	m->record->token_endpoint = g_strdup(server->token_endpoint);
	m->record->revocation_endpoint = g_strdup(server->revocation_endpoint);
	m->record->resource = g_strdup(discovered->resource);
	m->record->scope_wanted = sign_in_scope(m->connector, discovered, NULL);
	m->client->auth_method = g_strdup(client_auth_method(server, m->client->client_secret));
	if (m->connector->auth == AUTH_CLIENT_CREDENTIALS)
		ask(m, GRANT_CLIENT_CREDENTIALS);
	else
		store(m);
}

/* The MCP server and the API that gives tokens have names of their own in each region. */
char *machine_port_endpoint(const char *url)
{
	static const char *const regions[][2] = {
		{"mcp.port.io", "https://api.getport.io"},
		{"mcp.us.port.io", "https://api.us.getport.io"},
	};
	g_autofree char *host = url_host(url);
	g_autofree char *origin = url_origin(url);
	const char *base = origin;
	for (unsigned i = 0; i < G_N_ELEMENTS(regions); i++) {
		if (g_strcmp0(host, regions[i][0]) == 0)
			base = regions[i][1];
	}
	return g_strconcat(base, "/v1/auth/access_token", NULL);
}

static struct Machine *create(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, MachineDone *done, void *user)
{
	struct Machine *m = g_new0(struct Machine, 1);
	m->shared = shared;
	m->connector = connector;
	m->done = done;
	m->user = user;
	m->record = token_record_new();
	m->record->grant = secret_random_text(GRANT_ID_BYTES);
	return m;
}

/* A record that could not be read again would be worse than none. */
static void refuse(struct Machine *m, const char *text)
{
	m->fault = g_error_new_literal(MUX_ERROR, MUX_ERROR_SYNTAX, text);
	loop_timer_start(m->shared->loop, &m->soon, 0, on_soon, m);
}

static bool take_client(struct Machine *m, const char *client_id, struct Secret *secret)
{
	m->client = client_record_new();
	m->client->client_id = g_strdup(client_id);
	m->client->client_secret = secret_ref(secret);
	g_autoptr(Secret) text = client_record_write(m->client);
	g_autoptr(ClientRecord) back = client_record_parse(secret_reveal(text), NULL);
	if (!back)
		refuse(m, "the client id or its secret has control characters, or is empty");
	return back != NULL;
}

struct Machine *machine_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const char *client_id, struct Secret *secret,
	MachineDone *done, void *user)
{
	struct Machine *m = create(shared, connector, done, user);
	if (!take_client(m, client_id, secret))
		return m;
	if (connector->auth == AUTH_CLIENT_CREDENTIALS) {
		m->discovery = discovery_start(shared, connector, NULL, NULL, on_discovered, m);
		return m;
	}
	m->record->token_endpoint = machine_port_endpoint(connector->url);
	m->record->issuer = url_origin(m->record->token_endpoint);
	m->client->auth_method = g_strdup("client_secret_post");
	ask(m, GRANT_PORT);
	return m;
}

struct Machine *machine_store_client(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *secret, MachineDone *done,
	void *user)
{
	struct Machine *m = create(shared, connector, done, user);
	if (take_client(m, connector->client_id, secret))
		m->discovery = discovery_start(shared, connector, NULL, NULL, on_discovered, m);
	return m;
}

struct Machine *machine_store_key(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *key, MachineDone *done, void *user)
{
	struct Machine *m = create(shared, connector, done, user);
	m->record->access_token = secret_ref(key);
	m->record->issued_at = auth_now();
	g_autoptr(Secret) text = token_record_write(m->record);
	g_autoptr(TokenRecord) back = token_record_parse(secret_reveal(text), NULL);
	if (back)
		store(m);
	else
		refuse(m, "the key has characters that cannot stand in a header, or is empty");
	return m;
}
