/* The credential of an upstream: when one is asked for, what a new one, another one or none means.
 *
 * A sign-in that is made anew has another grant: the upstream opens again with it, since it may be another account.
 * A token that is merely renewed only changes the headers. Where a sign-in has ended the lists stay (a call then
 * asks for a new sign-in); where it was forgotten they go. Those of the sign-in before stay until the server has answered
 * the new one, or has not; those that were recalled from the cache go at once if they are of another sign-in. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/scope.h"

bool upstream_has_token(const struct Upstream *up)
{
	return !up->credential ||
	       (up->token && !up->wait && credential_token(up->credential) == up->token);
}

static void stop(struct Upstream *up)
{
	upstream_stop_open(up);
	upstream_stop_lists(up);
	upstream_stop_stream(up);
	upstream_stop_watches(up);
}

void upstream_stop_authorizing(struct Upstream *up)
{
	credential_wait_cancel(g_steal_pointer(&up->wait));
	g_clear_pointer(&up->refused, secret_unref);
}

/* ---- headers ---- */

static void remember(struct Upstream *up, struct Secret *token)
{
	secret_ref(token);
	secret_unref(up->token);
	up->token = token;
	g_free(up->grant);
	up->grant = g_strdup(credential_grant(up->credential));
}

/* The token goes into the headers of what is sent from now on. */
static bool use_token(struct Upstream *up, struct Secret *token)
{
	g_autoptr(GError) error = NULL;
	remember(up, token);
	if (phrase_base_headers(up, &error) &&
		(!up->session_headers || phrase_session_headers(up, &error)))
		return true;
	stop(up);
	upstream_open_failed(up, UPSTREAM_FAILED, g_steal_pointer(&error));
	return false;
}

/* ---- what becomes of it ---- */

/* No sign-in, or it has ended. */
static void sign_out(struct Upstream *up, const GError *error)
{
	bool forgotten = credential_state(up->credential) == CREDENTIAL_NONE;
	g_autoptr(GError) copy = g_error_copy(error);
	stop(up);
	if (forgotten)
		upstream_delete_session(up);
	g_clear_pointer(&up->session, g_free);
	secret_unref(g_steal_pointer(&up->token));
	upstream_set_state(up, UPSTREAM_SIGNED_OUT, copy);
	if (forgotten) {
		upstream_check_recalled(up, NULL);
		upstream_forget_lists(up);
		upstream_forget_kept(up);
	}
	upstream_calls_signed_out(up, copy);
}

/* With another sign-in everything begins anew. */
static void reopen(struct Upstream *up)
{
	stop(up);
	upstream_delete_session(up); /* with the headers that it was made with */
	upstream_stop_authorizing(up);
	secret_unref(g_steal_pointer(&up->token));
	up->state = UPSTREAM_CLOSED;
	up->retry_ms = 0;
	upstream_start_open(up);
}

static void go_on(struct Upstream *up)
{
	if (up->state == UPSTREAM_OPENING) {
		if (!up->probe)
			upstream_probe(up);
	} else if (up->state == UPSTREAM_READY) {
		upstream_calls_ready(up);
		upstream_resume_lists(up, NULL);
		upstream_resume_stream(up, NULL);
		upstream_resume_watches(up, NULL);
	}
}

static void on_token(struct Secret *token, const GError *error, void *user)
{
	struct Upstream *up = user;
	bool sign_in = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN);
	up->wait = NULL;
	g_clear_pointer(&up->refused, secret_unref);
	if (token) {
		if (use_token(up, token)) {
			upstream_disown_lists(up, false);
			go_on(up);
		}
	} else if (sign_in && credential_state(up->credential) != CREDENTIAL_GOOD) {
		if (up->state != UPSTREAM_SIGNED_OUT)
			sign_out(up, error);
	} else if (up->state == UPSTREAM_OPENING) {
		upstream_open_failed(
			up, sign_in ? UPSTREAM_SIGNED_OUT : UPSTREAM_FAILED, g_error_copy(error));
	} else {
		/* A new token is refused, perhaps for one tool alone; or there is none for now. */
		if (sign_in)
			upstream_calls_signed_out(up, error);
		else
			upstream_calls_failed(up, error);
		if (up->state == UPSTREAM_READY)
			upstream_resume_lists(up, error);
		upstream_resume_stream(up, error);
		upstream_resume_watches(up, error);
	}
}

void upstream_authorize(struct Upstream *up)
{
	if (!up->wait && !up->shut_down)
		up->wait = credential_get(up->credential, on_token, up);
}

void upstream_refused(struct Upstream *up, struct Secret *token, const char *challenge)
{
	g_autoptr(Challenge) parsed = challenge_parse(challenge);
	/* A token that is not in use any more needs no other one; and one wait is enough for many requests. */
	bool enough =
		up->wait && (secret_equal(up->refused, token) || !secret_equal(up->token, token));
	if (enough || up->shut_down)
		return;
	upstream_stop_authorizing(up);
	up->refused = secret_ref(token);
	up->wait = credential_refused(up->credential, token, parsed, on_token, up);
}

GError *upstream_insufficient(struct Upstream *up, const char *challenge)
{
	g_autoptr(Challenge) parsed = challenge_parse(challenge);
	if (!up->credential || !parsed || g_strcmp0(parsed->error, "insufficient_scope") != 0)
		return NULL;
	g_autofree char *scope = text_printable(slice_of(parsed->scope), 200);
	const char *limit = up->connector->scope;
	if (limit && parsed->scope && !scope_covers(limit, parsed->scope))
		return g_error_new(MUX_ERROR, MUX_ERROR_FORBIDDEN,
			"it wants permissions that `scope` in the configuration does not have: %s",
			scope);
	credential_insufficient(up->credential, parsed);
	return g_error_new(MUX_ERROR, MUX_ERROR_SCOPE,
		"it wants more permissions than the sign-in has%s%s", *scope ? ": " : "", scope);
}

/* The state in the keyring changed, by whomever. */
void upstream_on_credential(struct Credential *credential, void *user)
{
	struct Upstream *up = user;
	if (!up->wanted || up->shut_down)
		return;
	enum CredentialState state = credential_state(credential);
	if (state == CREDENTIAL_GOOD || state == CREDENTIAL_EXPIRED)
		upstream_check_recalled(up, credential_grant(credential));
	switch (state) {
	case CREDENTIAL_GOOD:
		if (up->state == UPSTREAM_SIGNED_OUT || up->state == UPSTREAM_FAILED)
			reopen(up);
		else if (up->token && g_strcmp0(up->grant, credential_grant(credential)) != 0)
			reopen(up);
		else if (up->token && credential_token(credential) && !up->wait &&
			 use_token(up, credential_token(credential)))
			go_on(up);
		break;
	case CREDENTIAL_NONE:
	case CREDENTIAL_EXPIRED:
		/* One who waits is told in a moment. */
		if (!up->wait && (up->state != UPSTREAM_SIGNED_OUT || upstream_has_lists(up)))
			sign_out(up, credential_error(credential));
		break;
	case CREDENTIAL_UNKNOWN:
		if (!up->wait && up->state == UPSTREAM_SIGNED_OUT)
			upstream_set_state(up, UPSTREAM_SIGNED_OUT, credential_error(credential));
		break;
	case CREDENTIAL_READING:
		break;
	}
}

/* ---- for the owner ---- */

void upstream_set_credential(struct Upstream *up, struct Credential *credential)
{
	credential_free(up->credential);
	up->credential = credential;
	g_clear_error(&up->error);
	up->state = UPSTREAM_CLOSED;
}

struct Credential *upstream_credential(const struct Upstream *up)
{
	return up->credential;
}

const char *upstream_grant(const struct Upstream *up)
{
	return up->grant;
}

void upstream_signed_in(struct Upstream *up, const struct TokenRecord *record)
{
	if (!up->credential || up->shut_down)
		return;
	credential_take(up->credential, token_record_copy(record));
	upstream_on_credential(up->credential, up);
}

void upstream_reread_credential(struct Upstream *up)
{
	if (up->credential && up->wanted && !up->shut_down)
		credential_read(up->credential);
}

void upstream_release_account(struct Upstream *up)
{
	upstream_stop_authorizing(up);
	credential_free(g_steal_pointer(&up->credential));
	secret_unref(g_steal_pointer(&up->token));
	secret_unref(g_steal_pointer(&up->probed));
	secret_unref(g_steal_pointer(&up->useless));
	g_clear_pointer(&up->grant, g_free);
}
