/* What processes of one user agree on about a connector's credential: its place in the keyring, the lock under which
 * it is changed, the stamp that tells the others. */
#ifndef MCP_MUX_AUTH_CREDENTIAL_LOCK_H
#define MCP_MUX_AUTH_CREDENTIAL_LOCK_H

#include "auth/shared.h"
#include "base/file.h"
#include "base/file_watch.h"

struct CredentialLock; /* one that is awaited */

enum { CREDENTIAL_LOCK_MS = 30 * 1000 };

/* The keyring's key of a connector's token or API key. *RESOURCE is for g_free; the key points to it. */
struct KeyringKey credential_key(const struct ConnectorConfig *connector, char **resource);

/* The path of the lock of a connector's credential, for g_free: locks/ and the hex SHA-256 of connector NUL resource. */
char *credential_lock_path(const struct ConnectorConfig *connector);

/* Takes the lock as soon as it is free. LOCK is the handler's (file_unlock); NULL with an ERROR: TIMEOUT after LIMIT_MS,
 * naming the process that holds it, or IO. Whoever changes a credential in the keyring holds it: so no renewal
 * writes over a newer sign-in. Never calls back before it returned. */
typedef void CredentialLocked(struct FileLock *lock, const GError *error, void *user);
struct CredentialLock *credential_lock_start(struct Loop *loop,
	const struct ConnectorConfig *connector, unsigned limit_ms, CredentialLocked *locked,
	void *user);
void credential_lock_cancel(struct CredentialLock *wait); /* NULL is fine */

/* Touches `stamp`: running servers read the keyring again. A failure is worth a warning in the log only. */
void credential_touch_stamp(void);

/* Whether that was done since REAL_US (Unix time in microseconds). */
bool credential_was_touched(int64_t real_us);

/* Calls CHANGED, as file_watch_add does, when any process touched the stamp. */
void credential_watch_stamp(struct FileWatch *watch, void (*changed)(void *user), void *user);

#endif
