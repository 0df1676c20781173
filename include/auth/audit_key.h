/* The key of the digests in the audit log (`audit_arguments = digest`): 32 random bytes in the keyring, one for all
 * processes of the user, so that equal arguments have equal digests and nobody else can find them by guessing. Made by
 * whoever needs it first. Nothing here prompts or waits. */
#ifndef MCP_MUX_AUTH_AUDIT_KEY_H
#define MCP_MUX_AUTH_AUDIT_KEY_H

#include "auth/keyring.h"
#include "net/loop.h"

struct AuditKey;

enum { AUDIT_KEY_BYTES = 32, AUDIT_KEY_HEX = 64 };

/* Does nothing yet. LOOP and KEYRING outlive it. */
struct AuditKey *audit_key_new(struct Loop *loop, struct Keyring *keyring);
void audit_key_free(struct AuditKey *key);
MUX_AUTOPTR(AuditKey, audit_key_free)

/* Looks for it, and makes it where there is none, unless that was done, is under way, or failed a moment ago. */
void audit_key_want(struct AuditKey *key);
/* The keyring changed: looks again if it was wanted and could not be had. */
void audit_key_reread(struct AuditKey *key);
/* Whether it may be there in a moment. */
bool audit_key_is_awaited(const struct AuditKey *key);

/* HMAC-SHA-256 (RFC 2104) of BYTES in hexadecimal, NUL-terminated. False if the key is not there. */
bool audit_key_digest(struct AuditKey *key, struct Slice bytes, char hex[AUDIT_KEY_HEX + 1]);

#endif
