/* State of one connector's sign-in in this process, and those who wait for a token.
 *
 * The keyring is the truth: it is read at start, when it changes, when the stamp is touched, and before anybody is told
 * that a sign-in is needed. What is kept here is a copy. A wait is served when the state says so; each is served
 * once, from the loop, after the owner has heard of the state.
 *
 * After a renewal none is tried again for RENEW_AGAIN_S, however many are refused what it brought or would have
 * brought, until the server has taken one: where every token is refused, or no new one is to be had, the authorization
 * server is not asked at every call. A refused token that had ended by then is no sign of that: it came too late, where
 * tokens live for seconds or the machine was asleep. A token that is given out is one that credential_token gives, too,
 * or callers would go round in circles. */
#include "auth/credential_internal.h"

#include "base/error.h"
#include "base/log.h"
#include "format/scope.h"
#include "format/url.h"

enum {
	ENDING_S = 60,
	RENEW_AGAIN_S = 5,
	SCOPE_BYTES = 16 * 1024, /* servers may ask for more and more */
};

struct CredentialWait {
	struct Credential *credential;
	GList link;
	CredentialGot *got;
	void *user;
	struct Secret *refused; /* NULL: any good one will do */
	unsigned reads; /* it is told that there is none only after more readings than these */
};

/* ---- state ---- */

bool credential_is_ending(const struct TokenRecord *record)
{
	if (record->expires_at == 0)
		return false;
	int64_t margin = ENDING_S;
	/* A token that lives for a minute would be renewed at every use. */
	if (record->issued_at > 0)
		margin = CLAMP((record->expires_at - record->issued_at) / 4, 0, margin);
	return auth_now() >= record->expires_at - margin;
}

bool credential_is_renewable(
	const struct ConnectorConfig *connector, const struct TokenRecord *record)
{
	switch (connector->auth) {
	case AUTH_OAUTH:
		return record->refresh_token && record->token_endpoint;
	case AUTH_PORT_CREDENTIALS:
	case AUTH_CLIENT_CREDENTIALS:
		return record->token_endpoint != NULL;
	case AUTH_API_KEY:
	case AUTH_NONE:
		break;
	}
	return false;
}

static void set_state(struct Credential *c, enum CredentialState state, GError *error)
{
	c->state = state;
	g_clear_error(&c->error);
	c->error = error;
}

static GError *sign_in_error(const char *text)
{
	return g_error_new_literal(MUX_ERROR, MUX_ERROR_SIGN_IN, text);
}

/* NULL if the record can be used as far as can be seen, else why not. */
static const char *fault_of(const struct Credential *c)
{
	const struct TokenRecord *record = c->record;
	const char *client = c->connector->client_id;
	if (c->connector->auth == AUTH_OAUTH && client && record->client_id &&
		strcmp(client, record->client_id) != 0)
		return "the sign-in was made with another client_id than the configured one";
	if (secret_equal(c->dead, record->access_token))
		return "the sign-in has ended";
	if (record->expires_at > 0 && auth_now() >= record->expires_at &&
		!credential_is_renewable(c->connector, record))
		return "the sign-in has expired";
	return NULL;
}

static void tell(struct Credential *c)
{
	c->news = true;
	credential_settle_soon(c);
}

/* What became of the last renewal says nothing any more. */
static void forget_trial(struct Credential *c)
{
	c->tried_us = 0;
	g_clear_error(&c->failed);
}

void credential_adopt(struct Credential *c, struct TokenRecord *record)
{
	struct TokenRecord *old = c->record;
	enum CredentialState was = c->state;
	bool same_grant = old && record && g_strcmp0(old->grant, record->grant) == 0;
	bool same_token = old && record && secret_equal(old->access_token, record->access_token);
	if (same_token) {
		/* Its users may go on with the one that they hold. */
		secret_unref(record->access_token);
		record->access_token = secret_ref(old->access_token);
	}
	if (!same_grant)
		g_clear_pointer(&c->dead, secret_unref);
	if (!same_grant || !same_token)
		forget_trial(c);
	c->record = record;
	c->outdated = c->reading != NULL; /* that may still bring what was there before */
	const char *fault = record ? fault_of(c) : NULL;
	/* What is known of its end says more than the general words. */
	bool said = was == CREDENTIAL_EXPIRED && c->error && record &&
		    secret_equal(c->dead, record->access_token);
	if (!record)
		set_state(c, CREDENTIAL_NONE, sign_in_error("nobody has signed in"));
	else if (!fault)
		set_state(c, CREDENTIAL_GOOD, NULL);
	else if (!said)
		set_state(c, CREDENTIAL_EXPIRED, sign_in_error(fault));
	token_record_free(old);
	if (c->state != was || (record && !(same_grant && same_token)))
		tell(c);
}

void credential_expire(struct Credential *c, const GError *error)
{
	secret_unref(c->dead);
	c->dead = c->record ? secret_ref(c->record->access_token) : NULL;
	set_state(c, CREDENTIAL_EXPIRED, g_error_copy(error));
	log_info(c->connector->name, "a new sign-in is needed: %s", error->message);
	tell(c);
}

/* The keyring could not be read: what is known stays if it can be used. */
static void unreadable(struct Credential *c, const GError *error)
{
	log_info(c->connector->name, "keyring: %s", error->message);
	if (c->state == CREDENTIAL_GOOD)
		return;
	bool news = c->state != CREDENTIAL_UNKNOWN || !c->error ||
		    strcmp(c->error->message, error->message) != 0;
	set_state(c, CREDENTIAL_UNKNOWN, g_error_copy(error));
	if (news)
		tell(c);
}

/* ---- the token and its time ---- */

static bool was_tried(const struct Credential *c)
{
	int64_t since_us = g_get_monotonic_time() - c->tried_us;
	return c->tried_us != 0 && since_us < (int64_t)RENEW_AGAIN_S * G_USEC_PER_SEC;
}

/* Whether the record's token can be used now, as far as its time tells. */
static bool token_fits(const struct Credential *c)
{
	const struct TokenRecord *record = c->record;
	if (!credential_is_renewable(c->connector, record) || !credential_is_ending(record))
		return true;
	/* One that was renewed just now lives shortly; one that could not be is good until its end. */
	return was_tried(c) && (!c->failed || auth_now() < record->expires_at);
}

/* Whether the server could not but refuse what the last renewal brought. */
static bool has_ended(const struct Credential *c)
{
	return !c->failed && c->record->expires_at > 0 && auth_now() >= c->record->expires_at;
}

struct Secret *credential_token(const struct Credential *c)
{
	return c->state == CREDENTIAL_GOOD && token_fits(c) ? c->record->access_token : NULL;
}

void credential_renewed(struct Credential *c, bool asked, const GError *error)
{
	forget_trial(c);
	if (asked || error)
		c->tried_us = g_get_monotonic_time();
	if (error)
		c->failed = g_error_copy(error);
	credential_settle_soon(c);
}

/* ---- waits ---- */

static void wait_free(struct CredentialWait *wait)
{
	g_queue_unlink(&wait->credential->waits, &wait->link);
	secret_unref(wait->refused);
	g_free(wait);
}

void credential_wait_cancel(struct CredentialWait *wait)
{
	if (wait)
		wait_free(wait);
}

static void serve(struct CredentialWait *wait, struct Secret *token, const GError *error)
{
	CredentialGot *got = wait->got;
	void *user = wait->user;
	g_autoptr(Secret) kept = secret_ref(token);
	g_autoptr(GError) copy = error ? g_error_copy(error) : NULL;
	wait_free(wait);
	got(kept, copy, user);
}

/* One that waits while there is no good sign-in. */
static bool try_refuse(struct CredentialWait *wait)
{
	struct Credential *c = wait->credential;
	if (!c->fixed && c->reads <= wait->reads) {
		if (!c->reading)
			credential_read(c);
		return false;
	}
	serve(wait, NULL, c->error);
	return true;
}

/* Serves WAIT if it can be; false if it has to wait on. */
static bool try_serve(struct CredentialWait *wait)
{
	struct Credential *c = wait->credential;
	if (c->state != CREDENTIAL_GOOD)
		return try_refuse(wait);
	struct Secret *token = c->record->access_token;
	bool refused = wait->refused && secret_equal(wait->refused, token);
	if (!refused && token_fits(c)) {
		serve(wait, token, NULL);
		return true;
	}
	bool saving = c->renewal && renewal_is_saving(c->renewal);
	if (c->renewal && !saving)
		return false;
	if (!was_tried(c) || (refused && has_ended(c))) {
		if (saving)
			renewal_again(c->renewal);
		else
			renewal_start(c, token);
		return false;
	}
	g_autoptr(GError) error = c->failed ? g_error_copy(c->failed)
					    : sign_in_error("the server refuses a new token");
	serve(wait, NULL, error);
	return true;
}

static void free_for_good(struct Credential *c);

/* Handlers may start and cancel waits, so the search begins anew after each; and they may free the credential. */
static void settle(void *user)
{
	struct Credential *c = user;
	c->settling = true;
	if (c->news && c->changed) {
		c->news = false;
		c->changed(c, c->user);
	}
	GList *link = c->waits.head;
	while (link) {
		GList *next = link->next;
		link = try_serve(link->data) ? c->waits.head : next;
	}
	c->settling = false;
	if (c->freed)
		free_for_good(c);
}

void credential_settle_soon(struct Credential *c)
{
	loop_timer_start(c->shared->loop, &c->settle, 0, settle, c);
}

struct CredentialWait *credential_get(struct Credential *c, CredentialGot *got, void *user)
{
	struct CredentialWait *wait = g_new0(struct CredentialWait, 1);
	wait->credential = c;
	wait->got = got;
	wait->user = user;
	wait->reads = c->reads + (c->reading ? 1 : 0); /* that one began before */
	wait->link.data = wait;
	g_queue_push_tail_link(&c->waits, &wait->link);
	credential_settle_soon(c);
	return wait;
}

struct CredentialWait *credential_refused(struct Credential *c, struct Secret *refused,
	const struct Challenge *challenge, CredentialGot *got, void *user)
{
	credential_note_challenge(c, challenge);
	if (c->fixed) {
		g_autoptr(GError) error = sign_in_error("the server refuses the key");
		credential_expire(c, error);
	}
	struct CredentialWait *wait = credential_get(c, got, user);
	wait->refused = secret_ref(refused);
	return wait;
}

void credential_accepted(struct Credential *c, const struct Secret *token)
{
	/* One that could not be renewed is still in use: the pause is for the authorization server. */
	if (c->tried_us != 0 && !c->failed && c->record && c->record->access_token == token)
		c->tried_us = 0;
}

/* ---- the keyring ---- */

static void on_read(struct Secret *value, const GError *error, void *user)
{
	struct Credential *c = user;
	c->reading = NULL;
	if (c->outdated) {
		c->outdated = false;
		c->read_again = false;
		credential_read(c);
		return;
	}
	c->reads++;
	g_autoptr(GError) fault = NULL;
	struct TokenRecord *record = NULL;
	if (value)
		record = token_record_parse(secret_reveal(value), &fault);
	if (error) {
		unreadable(c, error);
	} else if (fault) {
		g_autoptr(GError) words = g_error_new(MUX_ERROR, MUX_ERROR_KEYRING,
			"what the keyring holds for it cannot be read: %s", fault->message);
		unreadable(c, words);
	} else {
		credential_adopt(c, record);
		if (g_error_matches(c->failed, MUX_ERROR, MUX_ERROR_KEYRING) ||
			g_error_matches(c->failed, MUX_ERROR, MUX_ERROR_LOCKED))
			forget_trial(c);
	}
	if (c->read_again) {
		c->read_again = false;
		credential_read(c);
	}
	credential_settle_soon(c);
}

void credential_read(struct Credential *c)
{
	if (c->fixed)
		return;
	if (c->renewal && renewal_is_saving(c->renewal)) {
		renewal_save(c->renewal); /* the keyring holds what is older */
		return;
	}
	if (c->reading) {
		c->read_again = true;
		return;
	}
	c->reading = keyring_lookup(c->shared->keyring, &c->key, on_read, c);
}

void credential_take(struct Credential *c, struct TokenRecord *record)
{
	credential_adopt(c, record);
	credential_settle_soon(c);
}

/* ---- its users ---- */

static struct Credential *create(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, void (*changed)(struct Credential *, void *user),
	void *user)
{
	struct Credential *c = g_new0(struct Credential, 1);
	c->shared = shared;
	c->connector = connector;
	c->changed = changed;
	c->user = user;
	c->key = credential_key(connector, &c->resource);
	g_queue_init(&c->waits);
	g_queue_init(&c->notes);
	return c;
}

struct Credential *credential_new(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, void (*changed)(struct Credential *, void *user),
	void *user)
{
	return create(shared, connector, changed, user);
}

struct Credential *credential_new_fixed(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *token)
{
	struct Credential *c = create(shared, connector, NULL, NULL);
	c->fixed = true;
	c->record = token_record_new();
	c->record->access_token = secret_ref(token);
	c->state = CREDENTIAL_GOOD;
	return c;
}

static void free_for_good(struct Credential *c)
{
	loop_timer_stop(&c->settle);
	g_free(c->resource);
	g_free(c);
}

void credential_free(struct Credential *c)
{
	if (!c)
		return;
	while (c->waits.head)
		wait_free(c->waits.head->data);
	renewal_free(c->renewal);
	scope_note_drop_all(c);
	keyring_call_cancel(c->reading);
	token_record_free(c->record);
	secret_unref(c->dead);
	challenge_free(c->challenge);
	g_clear_error(&c->error);
	g_clear_error(&c->failed);
	if (c->settling)
		c->freed = true;
	else
		free_for_good(c);
}

enum CredentialState credential_state(const struct Credential *c)
{
	return c->state;
}

const GError *credential_error(const struct Credential *c)
{
	return c->error;
}

const char *credential_grant(const struct Credential *c)
{
	return c->record ? c->record->grant : NULL;
}

const struct TokenRecord *credential_record(const struct Credential *c)
{
	return c->record;
}

bool credential_is_renewing(const struct Credential *c)
{
	return c->renewal && renewal_is_underway(c->renewal);
}

void credential_quit(struct Credential *c)
{
	if (c->renewal && !renewal_is_underway(c->renewal))
		renewal_free(g_steal_pointer(&c->renewal));
}

const struct Challenge *credential_challenge(const struct Credential *c)
{
	return c->challenge;
}

void credential_note_challenge(struct Credential *c, const struct Challenge *challenge)
{
	if (!challenge)
		return;
	struct Challenge *copy = challenge_copy(challenge);
	challenge_free(c->challenge);
	c->challenge = copy;
}

void credential_insufficient(struct Credential *c, const struct Challenge *challenge)
{
	struct TokenRecord *record = c->record;
	credential_note_challenge(c, challenge);
	/* Only a person can consent to more. */
	bool helps = record && c->connector->auth == AUTH_OAUTH && challenge && challenge->scope;
	if (!helps || scope_covers(record->scope_wanted, challenge->scope))
		return;
	g_autofree char *had = scope_union(record->scope_wanted, record->scope_granted);
	g_autofree char *wanted = scope_union(had, challenge->scope);
	if (!wanted || strlen(wanted) > SCOPE_BYTES)
		return;
	g_free(record->scope_wanted);
	record->scope_wanted = g_strdup(wanted);
	if (!c->fixed && !(c->renewal && renewal_take_scope(c->renewal, wanted)))
		scope_note_start(c, wanted);
}
