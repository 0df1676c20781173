/* `disconnect`: revokes what can be revoked (RFC 7009) and deletes everything of a connector from the keyring, even
 * where the server cannot be reached. */
#ifndef MCP_MUX_AUTH_FORGET_H
#define MCP_MUX_AUTH_FORGET_H

#include "auth/shared.h"

struct Forget;

struct Forgotten {
	unsigned items; /* deleted */
	bool revoked; /* at the server: the refresh token, or the access token where there is no other */
	bool revocable; /* the server offers it */
	const GError *revoke_error; /* why not, where it was tried; NULL */
};
/* ERROR: the keyring failed, and something may be left. FORGOTTEN lives inside the handler. */
typedef void ForgetDone(const struct Forgotten *forgotten, const GError *error, void *user);
/* Takes the credential's lock first, so that no renewal is under way (after five seconds it goes on without); the
 * server is given five seconds in all. Never calls back before it returned. */
struct Forget *forget_start(const struct AuthShared *shared,
	const struct ConnectorConfig *connector, ForgetDone *done, void *user);
/* DONE is not called any more; what is deleted by then stays so. Does nothing inside of DONE; NULL is fine. */
void forget_cancel(struct Forget *forget);

#endif
