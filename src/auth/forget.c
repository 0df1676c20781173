/* The order is: the lock, so that no renewal stores a token after it was deleted; what there is; the server, for a few
 * seconds at most; the keyring, item after item; the stamp.
 *
 * What cannot be understood or revoked is deleted all the same: a person who disconnects wants it gone from this
 * machine, and hears what is left elsewhere. */
#include "auth/forget.h"

#include "auth/client.h"
#include "auth/credential_lock.h"
#include "auth/grant.h"
#include "base/error.h"
#include "base/log.h"

enum {
	LOCK_MS = 5 * 1000,
	REVOKE_MS = 5 * 1000, /* all requests together */
};

struct Forget {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	ForgetDone *done;
	void *user;

	struct CredentialLock *waiting;
	struct FileLock *lock;
	struct KeyringCall *call;
	GError *fault; /* the first of deleting */

	struct TokenRecord *record; /* NULL: none that can be read */
	struct ClientRecord *client; /* of the record; NULL: none is needed or there */
	struct Grant *grant;
	struct LoopTimer limit;
	bool revoked;
	GError *revoke_error;

	GPtrArray *items; /* struct Item, those that are still to be deleted */
	unsigned deleted;
	bool telling;
};

/* One item of the keyring. */
struct Item {
	struct KeyringKey key;
	char *resource, *issuer;
};

static void item_free(void *data)
{
	struct Item *item = data;
	g_free(item->resource);
	g_free(item->issuer);
	g_free(item);
}

static void forget_free(struct Forget *forget)
{
	file_unlock(forget->lock);
	token_record_free(forget->record);
	client_record_free(forget->client);
	g_ptr_array_unref(forget->items);
	g_clear_error(&forget->fault);
	g_clear_error(&forget->revoke_error);
	g_free(forget);
}

void forget_cancel(struct Forget *forget)
{
	if (!forget || forget->telling)
		return;
	credential_lock_cancel(forget->waiting);
	keyring_call_cancel(forget->call);
	grant_cancel(forget->grant);
	loop_timer_stop(&forget->limit);
	forget_free(forget);
}

/* ---- deleting ---- */

/* ERROR is the keyring's. */
static void finish(struct Forget *forget, const GError *error)
{
	credential_touch_stamp();
	g_clear_pointer(&forget->lock, file_unlock);
	struct Forgotten forgotten = {
		.items = forget->deleted,
		.revoked = forget->revoked,
		.revocable = forget->record && forget->record->revocation_endpoint,
		.revoke_error = forget->revoke_error,
	};
	if (error || forget->deleted > 0)
		auth_happened(forget->shared, AUTH_SIGN_OUT, forget->connector, error);
	forget->telling = true;
	forget->done(&forgotten, error, forget->user);
	forget_free(forget);
}

static void delete_next(struct Forget *forget);

static void on_deleted(const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->call = NULL;
	if (error && !forget->fault)
		forget->fault = g_error_copy(error);
	else if (!error)
		forget->deleted++;
	/* The person said no to unlocking it: every further item would ask again. */
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_LOCKED)) {
		finish(forget, error);
		return;
	}
	g_ptr_array_set_size(forget->items, (int)forget->items->len - 1);
	delete_next(forget);
}

static void delete_next(struct Forget *forget)
{
	if (forget->items->len == 0) {
		finish(forget, forget->fault);
		return;
	}
	struct Item *item = forget->items->pdata[forget->items->len - 1];
	forget->call = keyring_clear(forget->shared->keyring, &item->key, on_deleted, forget);
}

static void add_item(struct Forget *forget, const struct KeyringKey *key)
{
	struct Item *item = g_new0(struct Item, 1);
	item->resource = g_strdup(key->resource);
	item->issuer = g_strdup(key->issuer);
	item->key = (struct KeyringKey){
		.connector = forget->connector->name,
		.resource = item->resource,
		.kind = key->kind,
		.issuer = item->issuer,
	};
	g_ptr_array_add(forget->items, item);
}

static void on_found(const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->call = NULL;
	if (error) {
		finish(forget, error);
		return;
	}
	for (unsigned i = 0; i < n; i++)
		add_item(forget, &keys[i]);
	delete_next(forget);
}

static void find_items(struct Forget *forget)
{
	forget->call =
		keyring_find(forget->shared->keyring, forget->connector->name, on_found, forget);
}

/* ---- revoking ---- */

static void on_limit(void *user)
{
	struct Forget *forget = user;
	g_clear_pointer(&forget->grant, grant_cancel);
	if (!forget->revoke_error)
		forget->revoke_error = g_error_new(
			MUX_ERROR, MUX_ERROR_TIMEOUT, "no answer within %d s", REVOKE_MS / 1000);
	find_items(forget);
}

static void end_revoking(struct Forget *forget, const GError *error)
{
	forget->grant = NULL;
	loop_timer_stop(&forget->limit);
	if (error && !forget->revoke_error)
		forget->revoke_error = g_error_copy(error);
	find_items(forget);
}

static void revoke_token(
	struct Forget *forget, struct Secret *token, const char *hint, RevokeDone *done)
{
	const struct TokenRecord *record = forget->record;
	struct GrantSpec spec = {
		.endpoint = record->revocation_endpoint,
		.issuer = record->issuer,
		.client_id = record->client_id,
		.client_secret = forget->client ? forget->client->client_secret : NULL,
		.auth_method = record->auth_method,
	};
	forget->grant = revoke_start(forget->shared, &spec, token, hint, done, forget);
}

static void on_access_revoked(const GError *error, void *user)
{
	struct Forget *forget = user;
	/* Where there is a refresh token, it is only revoked if that is. */
	forget->revoked = !error && !forget->record->refresh_token;
	end_revoking(forget, error);
}

static void on_refresh_revoked(const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->grant = NULL;
	if (!error || !g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM)) {
		/* RFC 7009, 2.1: the access tokens of the same grant go with it. */
		forget->revoked = !error;
		end_revoking(forget, error);
		return;
	}
	forget->revoke_error = g_error_copy(error);
	revoke_token(forget, forget->record->access_token, "access_token", on_access_revoked);
}

static void start_revoking(struct Forget *forget)
{
	const struct TokenRecord *record = forget->record;
	loop_timer_start(forget->shared->loop, &forget->limit, REVOKE_MS, on_limit, forget);
	if (record->refresh_token)
		revoke_token(forget, record->refresh_token, "refresh_token", on_refresh_revoked);
	else
		revoke_token(forget, record->access_token, "access_token", on_access_revoked);
}

/* ---- looking ---- */

static void on_client(struct Secret *value, const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->call = NULL;
	if (error) {
		finish(forget, error);
		return;
	}
	g_autoptr(GError) fault = NULL;
	g_autoptr(ClientRecord) client =
		value ? client_record_parse(secret_reveal(value), &fault) : NULL;
	if (fault)
		log_warning(forget->connector->name,
			"the client in the keyring cannot be read and is deleted: %s",
			fault->message);
	if (client && g_strcmp0(client->client_id, forget->record->client_id) == 0)
		forget->client = g_steal_pointer(&client);
	start_revoking(forget);
}

static void look_for_client(struct Forget *forget)
{
	const struct TokenRecord *record = forget->record;
	if (!record->issuer || g_strcmp0(record->auth_method, "none") == 0) {
		start_revoking(forget);
		return;
	}
	g_autofree char *resource = NULL;
	struct KeyringKey key = client_key(forget->connector, record->issuer, &resource);
	forget->call = keyring_lookup(forget->shared->keyring, &key, on_client, forget);
}

static void on_token(struct Secret *value, const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->call = NULL;
	if (error) {
		finish(forget, error);
		return;
	}
	g_autoptr(GError) fault = NULL;
	if (value)
		forget->record = token_record_parse(secret_reveal(value), &fault);
	if (fault)
		log_warning(forget->connector->name,
			"the sign-in in the keyring cannot be read and is deleted without being "
			"revoked: %s",
			fault->message);
	if (forget->record && forget->record->revocation_endpoint)
		look_for_client(forget);
	else
		find_items(forget);
}

static void on_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct Forget *forget = user;
	forget->waiting = NULL;
	forget->lock = lock;
	if (error)
		log_warning(
			forget->connector->name, "%s; disconnecting all the same", error->message);
	g_autofree char *resource = NULL;
	struct KeyringKey key = credential_key(forget->connector, &resource);
	key.kind = KEYRING_TOKEN;
	forget->call = keyring_lookup(forget->shared->keyring, &key, on_token, forget);
}

struct Forget *forget_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, ForgetDone *done, void *user)
{
	struct Forget *forget = g_new0(struct Forget, 1);
	forget->shared = shared;
	forget->connector = connector;
	forget->done = done;
	forget->user = user;
	forget->items = g_ptr_array_new_with_free_func(item_free);
	forget->waiting =
		credential_lock_start(shared->loop, connector, LOCK_MS, on_locked, forget);
	return forget;
}
