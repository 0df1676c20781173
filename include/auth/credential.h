/* One connector's credential in this process: read from the keyring, handed to requests, renewed once for all who
 * need it, taken from other processes where they were quicker.
 *
 * Renewal: one in flight in the process, one lock across processes, the keyring
 * read again under the lock and a newer token adopted, the new token stored before it is used, the old refresh token
 * kept where none came, nothing deleted. */
#ifndef MCP_MUX_AUTH_CREDENTIAL_H
#define MCP_MUX_AUTH_CREDENTIAL_H

#include "auth/credential_lock.h"
#include "format/challenge.h"
#include "format/record.h"

struct Credential;
struct CredentialWait; /* somebody who waits for a token */

enum CredentialState {
	CREDENTIAL_READING, /* the keyring has not answered yet */
	CREDENTIAL_NONE, /* never signed in, or signed out */
	CREDENTIAL_GOOD, /* as far as is known */
	CREDENTIAL_EXPIRED, /* there was a sign-in, a new one is needed */
	CREDENTIAL_UNKNOWN, /* the keyring cannot be read: credential_error says why; read again when it changes */
};

/* CHANGED: state, grant or token changed; called from the loop, before those who wait are served. It may do anything,
 * also free the credential; the same is true of the handlers of waits. */
struct Credential *credential_new(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, void (*changed)(struct Credential *, void *user),
	void *user);
/* One that holds TOKEN and never looks at the keyring: for a key that is to be proved before it is stored. */
struct Credential *credential_new_fixed(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, struct Secret *token);
void credential_free(
	struct Credential *credential); /* NULL is fine; waits end without a call back */

enum CredentialState credential_state(const struct Credential *credential);
const GError *credential_error(
	const struct Credential *credential); /* why not GOOD; NULL if GOOD or READING */
const char *credential_grant(const struct Credential *credential); /* NULL: none */
/* The record as last read; NULL: none. For status and for a new sign-in. */
const struct TokenRecord *credential_record(const struct Credential *credential);

/* Whether RECORD's access token can be renewed without a person. */
bool credential_is_renewable(
	const struct ConnectorConfig *connector, const struct TokenRecord *record);

/* Reads the keyring (again): at start, when it changed, when `stamp` was touched. */
void credential_read(struct Credential *credential);

/* RECORD (taken over) is a new sign-in that this process has just stored. */
void credential_take(struct Credential *credential, struct TokenRecord *record);

/* The token if it can be used right now: GOOD and not within 60 s of its end (or without a way to renew it, or that
 * was tried within the last 5 s). NULL: ask credential_get. Borrowed; the same pointer while it is the same token. */
struct Secret *credential_token(const struct Credential *credential);

/* TOKEN is borrowed, NULL with an ERROR: SIGN_IN (a person must sign in), KEYRING, LOCKED, or why a renewal did not
 * succeed this time (UNREACHABLE, TIMEOUT, BUSY, …: the login stays). */
typedef void CredentialGot(struct Secret *token, const GError *error, void *user);
/* A token that can be used, renewed if need be. */
struct CredentialWait *credential_get(
	struct Credential *credential, CredentialGot *got, void *user);
/* The server answered 401 to REFUSED (referenced) with CHALLENGE (copied; may be NULL): gives a newer token from the
 * keyring, or a renewed one, or SIGN_IN. A token that was renewed within the last 5 s is not renewed again, unless it
 * has ended since. */
struct CredentialWait *credential_refused(struct Credential *credential, struct Secret *refused,
	const struct Challenge *challenge, CredentialGot *got, void *user);
void credential_wait_cancel(struct CredentialWait *wait); /* NULL is fine */

/* The server took TOKEN: what was renewed just now may be renewed again when it ends or is refused. */
void credential_accepted(struct Credential *credential, const struct Secret *token);

/* 403 insufficient_scope: the sign-in is not enough for CHALLENGE's scope. Remembers the union for the next sign-in of
 * a person (in the record's scope_wanted, stored). */
void credential_insufficient(struct Credential *credential, const struct Challenge *challenge);
/* Whether new tokens are on their way or not stored yet: an end of the process now could cost the sign-in. */
bool credential_is_renewing(const struct Credential *credential);
/* The process is about to end: a renewal that has not sent its request yet is given up. Nobody waits any more. */
void credential_quit(struct Credential *credential);
/* The last challenge that was seen; NULL: none. */
const struct Challenge *credential_challenge(const struct Credential *credential);
/* The server asked for a sign-in although there is no token: keeps its challenge. */
void credential_note_challenge(struct Credential *credential, const struct Challenge *challenge);

#endif
