/* The inside of a credential, shared by credential.c, renewal.c and scope_note.c alone. */
#ifndef MCP_MUX_AUTH_CREDENTIAL_INTERNAL_H
#define MCP_MUX_AUTH_CREDENTIAL_INTERNAL_H

#include "auth/credential.h"

struct Renewal; /* renewal.c */

struct Credential {
	const struct AuthShared *shared;
	const struct ConnectorConfig *connector;
	void (*changed)(struct Credential *, void *user);
	void *user;
	bool fixed;

	char *resource; /* of the key */
	struct KeyringKey key;

	enum CredentialState state;
	GError *error;
	struct TokenRecord *record;
	struct Secret
		*dead; /* an access token of this grant that cannot be used or renewed any more */
	struct Challenge *challenge;

	struct KeyringCall *reading;
	bool read_again; /* it changed while it was read */
	bool outdated; /* what is being read was overtaken by a renewal */
	unsigned reads; /* counts those that ended */

	GQueue waits; /* struct CredentialWait */
	bool news; /* the owner is to be told */
	struct LoopTimer settle; /* tells the owner and serves waits */
	bool settling, freed;

	struct Renewal *renewal; /* one at a time */
	int64_t tried_us; /* when the last one ended, monotonic; 0: none of this token's */
	GError *failed; /* why it did not succeed */
	GQueue notes; /* struct ScopeNote: scope_note.c */
};

/* What the keyring holds now (taken over; NULL: nothing). The state follows; the owner and waits hear of it from
 * the loop. */
void credential_adopt(struct Credential *credential, struct TokenRecord *record);
/* The access token of the record will not do any more, ERROR (copied) says why. */
void credential_expire(struct Credential *credential, const GError *error);
/* A renewal has ended: ERROR NULL, or why it could not be done this time. ASKED: it came so far as to send its
 * request. */
void credential_renewed(struct Credential *credential, bool asked, const GError *error);
/* Waits are looked at again, from the loop. */
void credential_settle_soon(struct Credential *credential);

/* Whether RECORD's access token is near its end. */
bool credential_is_ending(const struct TokenRecord *record);

/* Renews the record's token in place of STALE (referenced), which was refused or is near its end. */
void renewal_start(struct Credential *credential, struct Secret *stale);
/* Whether a request for new tokens may have been sent and its outcome is not stored. */
bool renewal_is_underway(const struct Renewal *renewal);
/* New tokens are in use but could not be stored yet. */
bool renewal_is_saving(const struct Renewal *renewal);
/* Tries that again now. */
void renewal_save(struct Renewal *renewal);
/* The unstored tokens themselves have to be renewed; does nothing while that or a storing is under way. */
void renewal_again(struct Renewal *renewal);
/* SCOPE is stored with the tokens; false if they are not waiting to be. */
bool renewal_take_scope(struct Renewal *renewal, const char *scope);
void renewal_free(struct Renewal *renewal); /* NULL is fine */

/* Stores SCOPE in the record as what the next sign-in is to ask for. */
void scope_note_start(struct Credential *credential, const char *scope);
void scope_note_drop_all(struct Credential *credential);

#endif
