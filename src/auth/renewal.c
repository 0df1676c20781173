/* A new access token in place of an old one, without a person (RFC 6749, 6; OAuth 2.1, 4.3; for grants that have no
 * person, the grant again).
 *
 * Several processes of one user share a sign-in, and servers that rotate refresh tokens end it when one is used twice.
 * So: the lock; the keyring again, whose token may be newer, and then it is taken; the request, which libcurl may send
 * once only; the keyring once more, since a person may have signed out or in meanwhile without waiting for the lock,
 * and they come first; the new tokens stored, while the lock is held; then they are used.
 *
 * If they cannot be stored they are used all the same ("saving"), and the lock is held on until they are, since the
 * keyring's refresh token is spent: for hours, where a keyring stays locked, so that they may themselves be renewed
 * before. Nothing is ever deleted here. */
#include "auth/credential_internal.h"

#include "auth/client.h"
#include "auth/grant.h"
#include "base/error.h"
#include "base/log.h"

enum {
	/* Between attempts to store; doubles up to the last. A change of the keyring is heard besides. */
	SAVE_FIRST_MS = 5 * 1000,
	SAVE_LAST_MS = 5 * 60 * 1000,
};

struct Renewal {
	struct Credential *credential;
	struct Secret *stale;
	struct CredentialLock *waiting;
	struct FileLock *lock;
	struct KeyringCall *keyring;
	struct Secret *client_secret;
	struct Grant *grant;
	struct TokenRecord *record; /* as the keyring had it; then, with the new tokens */
	GError *refused; /* the server's, while the keyring is looked at once more */
	bool asked; /* the server may have spent the old refresh token */
	bool fresh; /* the new tokens are not in use yet */
	bool saving;
	struct LoopTimer save;
	unsigned save_ms;
};

void renewal_free(struct Renewal *r)
{
	if (!r)
		return;
	if (r->saving)
		log_warning(r->credential->connector->name,
			"its new token could not be stored in the keyring; a new sign-in may be "
			"needed");
	credential_lock_cancel(r->waiting);
	keyring_call_cancel(r->keyring);
	grant_cancel(r->grant);
	loop_timer_stop(&r->save);
	file_unlock(r->lock);
	token_record_free(r->record);
	secret_unref(r->client_secret);
	secret_unref(r->stale);
	g_clear_error(&r->refused);
	g_free(r);
}

/* It did not succeed. */
static void report(const struct Renewal *r, const GError *error)
{
	const struct Credential *c = r->credential;
	log_info(c->connector->name, "no new token: %s", error->message);
	auth_happened(c->shared, AUTH_REFRESH, c->connector, error);
}

/* Ends it; ERROR is borrowed. */
static void leave(struct Renewal *r, const GError *error)
{
	struct Credential *c = r->credential;
	bool asked = r->asked;
	g_autoptr(GError) copy = error ? g_error_copy(error) : NULL; /* it may go with it */
	c->renewal = NULL;
	r->saving = false;
	renewal_free(r);
	credential_renewed(c, asked, copy);
}

static void finish(struct Renewal *r, const GError *error)
{
	if (error)
		report(r, error);
	leave(r, error);
}

static void finish_unreadable(struct Renewal *r, GError *fault)
{
	g_autoptr(GError) error = g_error_new(MUX_ERROR, MUX_ERROR_KEYRING,
		"what the keyring holds for it cannot be read: %s", fault->message);
	finish(r, error);
}

/* Somebody signed out, which is no failure of the renewal. */
static void finish_gone(struct Renewal *r)
{
	g_autoptr(GError) error =
		g_error_new_literal(MUX_ERROR, MUX_ERROR_SIGN_IN, "nobody has signed in");
	leave(r, error);
}

/* Somebody signed out or in, or left what cannot be read. */
static void finish_with_value(struct Renewal *r, struct Secret *value)
{
	g_autoptr(GError) fault = NULL;
	struct TokenRecord *record =
		value ? token_record_parse(secret_reveal(value), &fault) : NULL;
	if (fault) {
		finish_unreadable(r, fault);
		return;
	}
	credential_adopt(r->credential, record);
	r->asked = false; /* not for this one */
	if (record)
		finish(r, NULL);
	else
		finish_gone(r);
}

/* ---- storing ---- */

static void look_and_store(void *user);

/* The storing of the new tokens has ended. */
static void end_save(struct Renewal *r, const GError *error)
{
	struct Credential *c = r->credential;
	bool fresh = r->fresh;
	r->fresh = false;
	if (error && !r->saving)
		log_warning(c->connector->name,
			"its new token could not be stored, this is tried again: %s",
			error->message);
	r->saving = error != NULL;
	if (fresh)
		credential_adopt(c, token_record_copy(r->record));
	if (!error) {
		credential_touch_stamp();
		r->asked = fresh; /* else that was long ago */
		finish(r, NULL);
		return;
	}
	if (fresh)
		credential_renewed(c, true, NULL);
	r->save_ms = r->save_ms == 0 ? SAVE_FIRST_MS : MIN(2 * r->save_ms, SAVE_LAST_MS);
	loop_timer_start(c->shared->loop, &r->save, r->save_ms, look_and_store, r);
	credential_settle_soon(c);
}

static void on_stored(const GError *error, void *user)
{
	struct Renewal *r = user;
	r->keyring = NULL;
	end_save(r, error);
}

/* Under the lock the same sign-in's record can only be the older one, or one that was stored though we did not
 * hear of it. */
static void on_looked_before(struct Secret *value, const GError *error, void *user)
{
	struct Renewal *r = user;
	struct Credential *c = r->credential;
	r->keyring = NULL;
	if (error) {
		end_save(r, error);
		return;
	}
	g_autoptr(TokenRecord) there =
		value ? token_record_parse(secret_reveal(value), NULL) : NULL;
	if (!there || g_strcmp0(there->grant, r->record->grant) != 0) {
		finish_with_value(r, value);
		return;
	}
	g_autoptr(Secret) text = token_record_write(r->record);
	r->keyring = keyring_store(c->shared->keyring, &c->key, text, on_stored, r);
}

static void look_and_store(void *user)
{
	struct Renewal *r = user;
	struct Credential *c = r->credential;
	loop_timer_stop(&r->save);
	r->keyring = keyring_lookup(c->shared->keyring, &c->key, on_looked_before, r);
}

bool renewal_is_underway(const struct Renewal *r)
{
	return r->asked;
}

bool renewal_is_saving(const struct Renewal *r)
{
	return r->saving;
}

void renewal_save(struct Renewal *r)
{
	if (!r->keyring && !r->grant)
		look_and_store(r);
}

bool renewal_take_scope(struct Renewal *r, const char *scope)
{
	if (!r->saving)
		return false;
	g_free(r->record->scope_wanted);
	r->record->scope_wanted = g_strdup(scope);
	return true;
}

/* ---- the grant ---- */

/* Another process may have signed in anew without us. */
static void on_looked_again(struct Secret *value, const GError *error, void *user)
{
	struct Renewal *r = user;
	struct Credential *c = r->credential;
	r->keyring = NULL;
	g_autoptr(TokenRecord) there =
		value && !error ? token_record_parse(secret_reveal(value), NULL) : NULL;
	bool same_grant = there && g_strcmp0(there->grant, r->record->grant) == 0;
	bool same = same_grant &&
		    (r->saving || secret_equal(there->access_token, r->record->access_token));
	if (!error && !same) {
		finish_with_value(r, value);
		return;
	}
	g_autoptr(GError) refused = g_steal_pointer(&r->refused);
	/* What the keyring has is what will be read. */
	credential_adopt(c, there ? g_steal_pointer(&there) : token_record_copy(r->record));
	credential_expire(c, refused);
	finish(r, refused);
}

/* It cannot be renewed any more, unless somebody else did. */
static void end_of_sign_in(struct Renewal *r, const GError *error)
{
	struct Credential *c = r->credential;
	r->refused = g_error_copy(error);
	r->keyring = keyring_lookup(c->shared->keyring, &c->key, on_looked_again, r);
}

/* It did not work this time. Tokens that are not stored yet are kept. */
static void give_up(struct Renewal *r, const GError *error)
{
	struct Credential *c = r->credential;
	if (!r->saving) {
		finish(r, error);
		return;
	}
	report(r, error);
	credential_renewed(c, true, error);
	loop_timer_start(c->shared->loop, &r->save, r->save_ms, look_and_store, r);
}

static void on_answer(
	struct TokenAnswer *answer, const char *oauth_code, const GError *error, void *user)
{
	struct Renewal *r = user;
	r->grant = NULL;
	(void)oauth_code;
	if (!error) {
		grant_update_record(r->record, answer);
		r->fresh = true;
		look_and_store(r);
	} else if (g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN)) {
		g_autoptr(GError) words = g_error_copy(error);
		g_prefix_error(&words, "the sign-in has ended: ");
		end_of_sign_in(r, words);
	} else {
		give_up(r, error);
	}
}

static void send(struct Renewal *r)
{
	struct Credential *c = r->credential;
	const struct TokenRecord *record = r->record;
	struct GrantSpec spec = {
		.kind = GRANT_REFRESH,
		.endpoint = record->token_endpoint,
		.issuer = record->issuer,
		.client_id = record->client_id,
		.client_secret = r->client_secret,
		.auth_method = record->auth_method,
		.refresh_token = record->refresh_token,
		.resource = record->resource,
	};
	if (c->connector->auth != AUTH_OAUTH) {
		spec.kind = c->connector->auth == AUTH_PORT_CREDENTIALS ? GRANT_PORT
									: GRANT_CLIENT_CREDENTIALS;
		spec.refresh_token = NULL;
		spec.scope = record->scope_wanted;
	}
	r->asked = true;
	r->grant = grant_start(c->shared, &spec, on_answer, r);
}

static void on_client(struct Secret *value, const GError *error, void *user)
{
	struct Renewal *r = user;
	r->keyring = NULL;
	g_autoptr(GError) fault = NULL;
	g_autoptr(ClientRecord) client =
		value ? client_record_parse(secret_reveal(value), &fault) : NULL;
	if (error) {
		finish(r, error);
	} else if (fault) {
		finish_unreadable(r, fault);
	} else if (!client || g_strcmp0(client->client_id, r->record->client_id) != 0) {
		g_autoptr(GError) words = g_error_new_literal(MUX_ERROR, MUX_ERROR_SIGN_IN,
			"the keyring does not hold the client that the sign-in was made with");
		end_of_sign_in(r, words);
	} else {
		r->client_secret = secret_ref(client->client_secret);
		send(r);
	}
}

static void renew(struct Renewal *r)
{
	struct Credential *c = r->credential;
	const struct TokenRecord *record = r->record;
	if (!credential_is_renewable(c->connector, record)) {
		const char *text = c->connector->auth == AUTH_API_KEY ? "the server refuses the key"
								      : "the sign-in has ended";
		g_autoptr(GError) words = g_error_new_literal(MUX_ERROR, MUX_ERROR_SIGN_IN, text);
		credential_adopt(c, token_record_copy(record));
		credential_expire(c, words);
		finish(r, words);
		return;
	}
	bool needs_secret = record->auth_method && strcmp(record->auth_method, "none") != 0;
	if (!needs_secret || r->client_secret) {
		send(r);
		return;
	}
	g_autofree char *resource = NULL;
	struct KeyringKey key = client_key(c->connector, record->issuer, &resource);
	r->keyring = keyring_lookup(c->shared->keyring, &key, on_client, r);
}

/* ---- under the lock ---- */

static void on_looked(struct Secret *value, const GError *error, void *user)
{
	struct Renewal *r = user;
	r->keyring = NULL;
	if (error) {
		finish(r, error);
		return;
	}
	r->record = value ? token_record_parse(secret_reveal(value), NULL) : NULL;
	bool newer = !r->record || !secret_equal(r->record->access_token, r->stale);
	bool ending = r->record && credential_is_renewable(r->credential->connector, r->record) &&
		      credential_is_ending(r->record);
	if (newer && !ending)
		finish_with_value(r, value);
	else
		renew(r);
}

static void on_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct Renewal *r = user;
	struct Credential *c = r->credential;
	r->waiting = NULL;
	if (error) {
		finish(r, error);
		return;
	}
	r->lock = lock;
	r->keyring = keyring_lookup(c->shared->keyring, &c->key, on_looked, r);
}

void renewal_start(struct Credential *c, struct Secret *stale)
{
	struct Renewal *r = g_new0(struct Renewal, 1);
	r->credential = c;
	r->stale = secret_ref(stale);
	c->renewal = r;
	r->waiting = credential_lock_start(
		c->shared->loop, c->connector, CREDENTIAL_LOCK_MS, on_locked, r);
}

void renewal_again(struct Renewal *r)
{
	if (r->keyring || r->grant)
		return;
	loop_timer_stop(&r->save);
	renew(r);
}
