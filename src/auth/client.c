/* A choice goes through the ways of the header's comment one after another, each with at most one call to the keyring
 * or the server under way.
 *
 * A client belongs to the issuer that knows it: secrets are looked up under the issuer that was discovered, and where
 * there is none for it but the configured client is known to belong to another, that is an error, since a server that
 * changes its issuer may be in other hands. */
#include "auth/client.h"

#include "auth/refusal.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/jws.h"
#include "format/url.h"

struct ClientChoice {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	struct ServerMetadata server;
	char *redirect_uri;
	ClientChosen *chosen; /* of the two, one */
	ClientPort *found_port;
	void *user;
	char *issuer, *resource; /* of the key */
	struct KeyringKey key;
	struct KeyringCall *call;
	struct Fetch *fetch;
	struct LoopTimer soon;
	const char *asked_method; /* of the registration */
	struct ClientRecord *client;
	GPtrArray *others; /* struct OtherKey that are still to be looked at */
	bool telling;
};

/* Something of the connector in the keyring that may tell to whom the configured client belongs. */
struct OtherKey {
	struct KeyringKey key;
	char *connector, *resource, *issuer;
};

static void other_key_free(void *data)
{
	struct OtherKey *other = data;
	g_free(other->connector);
	g_free(other->resource);
	g_free(other->issuer);
	g_free(other);
}

struct KeyringKey client_key(
	const struct ConnectorConfig *connector, const char *issuer, char **resource)
{
	*resource = url_canonical(connector->url);
	return (struct KeyringKey){
		.connector = connector->name,
		.resource = *resource,
		.kind = KEYRING_CLIENT,
		.issuer = issuer,
	};
}

static bool supports(const struct ServerMetadata *server, const char *method)
{
	return server->auth_methods &&
	       g_strv_contains((const char *const *)server->auth_methods, method);
}

/* Whether the server's metadata leaves the method to us. */
static bool is_silent(const struct ServerMetadata *server)
{
	return !server->auth_methods || !server->auth_methods[0];
}

const char *client_auth_method(const struct ServerMetadata *server, const struct Secret *secret)
{
	if (!secret)
		return "none";
	if (jws_is_private_key(secret_reveal(secret)))
		return "private_key_jwt";
	if (is_silent(server) || supports(server, "client_secret_basic"))
		return "client_secret_basic";
	if (supports(server, "client_secret_post"))
		return "client_secret_post";
	/* What is listed cannot be done with a secret. RFC 6749, 2.3.1 makes Basic the one that a server must know
	 * which gives secrets away. */
	return supports(server, "none") ? "none" : "client_secret_basic";
}

/* ---- ends ---- */

static void choice_free(struct ClientChoice *choice)
{
	server_metadata_release(&choice->server);
	client_record_free(choice->client);
	if (choice->others)
		g_ptr_array_unref(choice->others);
	g_free(choice->redirect_uri);
	g_free(choice->issuer);
	g_free(choice->resource);
	g_free(choice);
}

void client_choice_cancel(struct ClientChoice *choice)
{
	if (!choice || choice->telling)
		return;
	loop_timer_stop(&choice->soon);
	keyring_call_cancel(choice->call);
	fetch_cancel(choice->fetch);
	choice_free(choice);
}

static void tell(struct ClientChoice *choice, const GError *error)
{
	choice->telling = true;
	choice->chosen(error ? NULL : choice->client, error, choice->user);
	choice_free(choice);
}

static void fail(struct ClientChoice *choice, enum MuxError code, const char *format, ...)
	G_GNUC_PRINTF(3, 4);
static void fail(struct ClientChoice *choice, enum MuxError code, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autoptr(GError) error = g_error_new_valist(MUX_ERROR, (int)code, format, args);
	va_end(args);
	tell(choice, error);
}

/* For people: the section of the configuration that the connector stands in. */
static char *section(const struct ConnectorConfig *connector)
{
	return connector->native ? g_strdup("[native]")
				 : g_strdup_printf("[connector:%s]", connector->name);
}

static void fail_unreadable(struct ClientChoice *choice, const GError *fault)
{
	fail(choice, MUX_ERROR_KEYRING,
		"the client that the keyring holds for it cannot be read: %s; "
		"`mcp-mux disconnect %s` removes it",
		fault->message, choice->connector->name);
}

/* ---- a new registration ---- */

static void on_stored(const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	choice->call = NULL;
	tell(choice, error);
}

static void store(struct ClientChoice *choice)
{
	g_autoptr(Secret) value = client_record_write(choice->client);
	choice->call =
		keyring_store(choice->shared->keyring, &choice->key, value, on_stored, choice);
}

/* RFC 7591, 3.2.1: the answer says what was registered, which need not be what was asked for. NULL: something that
 * cannot be done here. */
static const char *granted_method(
	const struct ClientChoice *choice, const struct Registration *granted)
{
	static const char *const known[] = {
		"none", "client_secret_basic", "client_secret_post", NULL};
	const struct Secret *secret = granted->client_secret;
	if (granted->auth_method && !g_strv_contains(known, granted->auth_method))
		return NULL;
	if (!secret)
		return "none";
	if (granted->auth_method)
		return granted->auth_method;
	if (strcmp(choice->asked_method, "none") != 0 || supports(&choice->server, "none"))
		return choice->asked_method;
	/* It gave a secret to a client that asked for none, and does not say that it would do without. */
	return client_auth_method(&choice->server, secret);
}

static void take_registration(struct ClientChoice *choice, struct Registration *granted)
{
	const char *method = granted_method(choice, granted);
	if (!method) {
		g_autofree char *where = section(choice->connector);
		g_autofree char *shown = text_printable(slice_of(granted->auth_method), 40);
		fail(choice, MUX_ERROR_UPSTREAM,
			"%s registers clients only for %s, which is not supported; register one "
			"there yourself and set client_id in %s",
			choice->issuer, shown, where);
		return;
	}
	struct ClientRecord *client = client_record_new();
	client->auth_method = g_strdup(method);
	client->client_id = g_steal_pointer(&granted->client_id);
	client->client_secret = g_steal_pointer(&granted->client_secret);
	client->redirect_uri = g_strdup(choice->redirect_uri);
	client->secret_expires_at = granted->secret_expires_at;
	choice->client = client;
	log_info(choice->connector->name, "registered as a new client of %s", choice->issuer);
	store(choice);
}

static void fail_registration(struct ClientChoice *choice, const struct FetchResult *result)
{
	struct Refusal refusal;
	g_autofree char *where = section(choice->connector);
	refusal_read(result, NULL, 0, &refusal);
	g_autoptr(GError) error = NULL;
	if (refusal.passing)
		error = g_error_new(MUX_ERROR, MUX_ERROR_BUSY,
			"%s cannot register a client now: %s", choice->issuer, refusal.words);
	else
		error = g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"%s does not register mcp-mux as a client: %s; register one there yourself "
			"and set client_id in %s",
			choice->issuer, refusal.words, where);
	refusal_release(&refusal);
	tell(choice, error);
}

static void on_registered(const struct FetchResult *result, void *user)
{
	struct ClientChoice *choice = user;
	choice->fetch = NULL;
	if (result->error) {
		tell(choice, result->error);
		return;
	}
	if (result->status < 200 || result->status >= 300 || refusal_is_in(result->body)) {
		fail_registration(choice, result);
		return;
	}
	struct Registration granted = {0};
	g_autoptr(GError) error = NULL;
	if (!registration_parse(result->body, &granted, &error)) {
		g_prefix_error(&error, "%s: ", choice->issuer);
		tell(choice, error);
		return;
	}
	take_registration(choice, &granted);
	registration_release(&granted);
}

/* A public client where the server takes one: what is installed on people's machines keeps no secret (RFC 8252, 8.4). */
static const char *method_to_ask(const struct ServerMetadata *server)
{
	if (is_silent(server) || supports(server, "none"))
		return "none";
	if (supports(server, "client_secret_basic"))
		return "client_secret_basic";
	return supports(server, "client_secret_post") ? "client_secret_post" : "none";
}

static void register_client(struct ClientChoice *choice)
{
	if (!choice->server.registration_endpoint) {
		g_autofree char *where = section(choice->connector);
		fail(choice, MUX_ERROR_UPSTREAM,
			"%s lets no client register itself; register one there yourself and set "
			"client_id%s in %s",
			choice->issuer,
			choice->server.client_documents ? " or client_metadata_url" : "", where);
		return;
	}
	choice->asked_method = method_to_ask(&choice->server);
	/* No scope: what is registered would bound what can be asked for later. */
	g_autoptr(Secret) body =
		secret_take(registration_request(choice->redirect_uri, choice->asked_method, NULL));
	struct FetchSpec spec = {
		.method = HTTP_POST,
		.url = choice->server.registration_endpoint,
		.content_type = "application/json",
		.body = body,
		.max_body = FETCH_DOCUMENT_BYTES,
	};
	choice->fetch = fetch_start(choice->shared, &spec, on_registered, choice);
}

static void on_fresh(void *user)
{
	register_client(user);
}

/* ---- a registration that was kept ---- */

/* Whether A and B are the same but for the port, at the loopback, where RFC 8252, 7.3 lets it vary. */
static bool differ_in_port_alone(const char *a, const char *b)
{
	if (!url_is_loopback(a) || !url_is_loopback(b))
		return false;
	g_autoptr(GUri) x = g_uri_parse(a, G_URI_FLAGS_ENCODED, NULL);
	g_autoptr(GUri) y = g_uri_parse(b, G_URI_FLAGS_ENCODED, NULL);
	return strcmp(g_uri_get_scheme(x), "http") == 0 &&
	       strcmp(g_uri_get_scheme(y), "http") == 0 &&
	       strcmp(g_uri_get_host(x), g_uri_get_host(y)) == 0 &&
	       strcmp(g_uri_get_path(x), g_uri_get_path(y)) == 0 &&
	       g_strcmp0(g_uri_get_query(x), g_uri_get_query(y)) == 0;
}

static bool is_usable(const struct ClientChoice *choice, const struct ClientRecord *client)
{
	const char *uri = client->redirect_uri;
	if (!uri || (strcmp(uri, choice->redirect_uri) != 0 &&
			    !differ_in_port_alone(uri, choice->redirect_uri)))
		return false;
	return client->secret_expires_at == 0 || auth_now() < client->secret_expires_at;
}

static void on_kept(struct Secret *value, const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	choice->call = NULL;
	if (error) {
		tell(choice, error);
		return;
	}
	if (!value) {
		register_client(choice);
		return;
	}
	g_autoptr(GError) fault = NULL;
	g_autoptr(ClientRecord) client = client_record_parse(secret_reveal(value), &fault);
	if (!client) {
		fail_unreadable(choice, fault);
	} else if (is_usable(choice, client)) {
		if (!client->auth_method)
			client->auth_method = g_strdup(
				client_auth_method(&choice->server, client->client_secret));
		choice->client = g_steal_pointer(&client);
		tell(choice, NULL);
	} else {
		register_client(choice);
	}
}

/* ---- the configured client ---- */

static void take_configured(struct ClientChoice *choice, struct Secret *secret, const char *method)
{
	struct ClientRecord *client = client_record_new();
	client->client_id = g_strdup(choice->connector->client_id);
	client->client_secret = secret_ref(secret);
	client->auth_method =
		g_strdup(method ? method : client_auth_method(&choice->server, secret));
	choice->client = client;
	tell(choice, NULL);
}

/* The issuer of the configured client by what the keyring holds under KEY; NULL: it says nothing of it. */
static char *issuer_by(
	const struct ClientChoice *choice, const struct KeyringKey *key, struct Secret *value)
{
	const char *id = choice->connector->client_id;
	if (key->kind == KEYRING_CLIENT) {
		g_autoptr(ClientRecord) client = client_record_parse(secret_reveal(value), NULL);
		return client && g_strcmp0(client->client_id, id) == 0 ? g_strdup(key->issuer)
								       : NULL;
	}
	g_autoptr(TokenRecord) token = token_record_parse(secret_reveal(value), NULL);
	return token && g_strcmp0(token->client_id, id) == 0 ? g_strdup(token->issuer) : NULL;
}

static void look_at_others(struct ClientChoice *choice);

static void on_other(struct Secret *value, const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	struct OtherKey *other = choice->others->pdata[choice->others->len - 1];
	choice->call = NULL;
	if (error) {
		tell(choice, error);
		return;
	}
	g_autofree char *issuer = value ? issuer_by(choice, &other->key, value) : NULL;
	if (issuer && strcmp(issuer, choice->issuer) != 0) {
		const char *name = choice->connector->name;
		fail(choice, MUX_ERROR_UPSTREAM,
			"its client_id belongs to %s, but the server now names %s, which gets "
			"nothing "
			"of it; if the server has moved: `mcp-mux disconnect %s`, then `mcp-mux "
			"connect %s`",
			issuer, choice->issuer, name, name);
		return;
	}
	g_ptr_array_set_size(choice->others, (int)choice->others->len - 1);
	look_at_others(choice);
}

static void look_at_others(struct ClientChoice *choice)
{
	if (choice->others->len == 0) {
		take_configured(choice, NULL, NULL);
		return;
	}
	struct OtherKey *other = choice->others->pdata[choice->others->len - 1];
	choice->call = keyring_lookup(choice->shared->keyring, &other->key, on_other, choice);
}

static void add_other(struct ClientChoice *choice, const struct KeyringKey *key)
{
	struct OtherKey *other = g_new0(struct OtherKey, 1);
	other->connector = g_strdup(key->connector);
	other->resource = g_strdup(key->resource);
	other->issuer = g_strdup(key->issuer);
	other->key = (struct KeyringKey){
		.connector = other->connector,
		.resource = other->resource,
		.kind = key->kind,
		.issuer = other->issuer,
	};
	g_ptr_array_add(choice->others, other);
}

static void on_found(const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	choice->call = NULL;
	if (error) {
		tell(choice, error);
		return;
	}
	choice->others = g_ptr_array_new_with_free_func(other_key_free);
	for (unsigned i = 0; i < n; i++) {
		bool client = keys[i].kind == KEYRING_CLIENT &&
			      g_strcmp0(keys[i].issuer, choice->issuer) != 0;
		if (client || keys[i].kind == KEYRING_TOKEN)
			add_other(choice, &keys[i]);
	}
	look_at_others(choice);
}

static void on_configured(struct Secret *value, const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	choice->call = NULL;
	if (error) {
		tell(choice, error);
		return;
	}
	g_autoptr(GError) fault = NULL;
	g_autoptr(ClientRecord) client =
		value ? client_record_parse(secret_reveal(value), &fault) : NULL;
	if (fault)
		fail_unreadable(choice, fault);
	else if (client && strcmp(client->client_id, choice->connector->client_id) == 0)
		take_configured(choice, client->client_secret, client->auth_method);
	else
		choice->call = keyring_find(
			choice->shared->keyring, choice->connector->name, on_found, choice);
}

/* ---- a client ID metadata document ---- */

static void on_document(void *user)
{
	struct ClientChoice *choice = user;
	const struct ConnectorConfig *connector = choice->connector;
	const char *url = connector->client_metadata_url;
	if (g_ascii_strncasecmp(url, "https://", strlen("https://")) != 0 || !url_has_path(url)) {
		fail(choice, MUX_ERROR_CONFIG,
			"%s:%u: client_metadata_url of this connector is no https URL with a path",
			connector->place.file, connector->place.line);
		return;
	}
	struct ClientRecord *client = client_record_new();
	client->client_id = g_strdup(url);
	client->auth_method = g_strdup("none");
	choice->client = client;
	tell(choice, NULL);
}

/* ---- beginnings ---- */

static struct ClientChoice *choice_new(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const char *issuer, void *user)
{
	struct ClientChoice *choice = g_new0(struct ClientChoice, 1);
	choice->shared = shared;
	choice->connector = connector;
	choice->user = user;
	choice->issuer = g_strdup(issuer);
	choice->key = client_key(connector, choice->issuer, &choice->resource);
	return choice;
}

struct ClientChoice *client_choose(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const struct Discovered *discovered,
	const char *redirect_uri, bool fresh, ClientChosen *chosen, void *user)
{
	const struct ServerMetadata *server = &discovered->server;
	struct ClientChoice *choice = choice_new(shared, connector, server->issuer, user);
	choice->chosen = chosen;
	choice->redirect_uri = g_strdup(redirect_uri);
	server_metadata_copy(server, &choice->server);
	if (connector->client_id)
		choice->call = keyring_lookup(shared->keyring, &choice->key, on_configured, choice);
	else if (connector->client_metadata_url && server->client_documents)
		loop_timer_start(shared->loop, &choice->soon, 0, on_document, choice);
	else if (fresh)
		loop_timer_start(shared->loop, &choice->soon, 0, on_fresh, choice);
	else
		choice->call = keyring_lookup(shared->keyring, &choice->key, on_kept, choice);
	return choice;
}

static void on_port(struct Secret *value, const GError *error, void *user)
{
	struct ClientChoice *choice = user;
	choice->call = NULL;
	g_autoptr(ClientRecord) client =
		value && !error ? client_record_parse(secret_reveal(value), NULL) : NULL;
	g_autoptr(GUri) uri = client && client->redirect_uri
				      ? g_uri_parse(client->redirect_uri, G_URI_FLAGS_ENCODED, NULL)
				      : NULL;
	int port = uri ? g_uri_get_port(uri) : 0;
	choice->telling = true;
	choice->found_port(port > 0 ? (unsigned)port : 0, choice->user);
	choice_free(choice);
}

struct ClientChoice *client_find_port(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, const char *issuer, ClientPort *found, void *user)
{
	struct ClientChoice *choice = choice_new(shared, connector, issuer, user);
	choice->found_port = found;
	choice->call = keyring_lookup(shared->keyring, &choice->key, on_port, choice);
	return choice;
}
