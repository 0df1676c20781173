/* The OS keyring: any Secret Service (freedesktop.org Secret Service API), through libsecret's asynchronous calls.
 * Never blocks the caller; every call ends by itself within KEYRING_MS (prompts, where allowed, excepted).
 *
 * Every condition has its own words and, where programs differ by it, a code:
 *   MUX_ERROR_KEYRING  no session bus; no keyring service on it; silent; closed; anything else it says
 *   MUX_ERROR_LOCKED   it is locked; the prompt was dismissed
 * "Not there" is no error: a lookup gives NULL, and only after the service was asked without unlocking whether a
 * locked item of that kind exists (a locked keyring hides its items). */
#ifndef MCP_MUX_AUTH_KEYRING_H
#define MCP_MUX_AUTH_KEYRING_H

#include "base/secret.h"

#include <stdbool.h>

enum {
	KEYRING_MS = 10 * 1000,
	KEYRING_PING_MS = 2 * 1000, /* a service that does not answer by then is called silent */
	KEYRING_VALUE_BYTES = 1024 * 1024,
};

struct Keyring;
struct KeyringCall; /* one under way */

enum KeyringKind { KEYRING_TOKEN, KEYRING_API_KEY, KEYRING_CLIENT, KEYRING_AUDIT_KEY };

/* Which item: all of its attributes. Strings are copied where a call keeps them. */
struct KeyringKey {
	const char *connector;
	const char *resource; /* the connector's URL, url_canonical */
	enum KeyringKind kind;
	const char *issuer; /* of KEYRING_CLIENT; NULL otherwise */
};

/* A session bus for a process that an IDE started with six variables: where DBUS_SESSION_BUS_ADDRESS is not set and
 * XDG_RUNTIME_DIR/bus does not exist, sets it to /run/user/UID/bus if that is a socket that this user owns. Call in
 * main before anything starts a thread. */
void keyring_find_bus(void);

/* With MAY_PROMPT the service may ask the person to unlock; `serve` never lets it. CHANGED (may be NULL) is called
 * when an item was made, changed, deleted or a collection locked or unlocked by anybody, this process among them, and
 * when another service took over; many at once come as one call. Connects to nothing before the first call.
 *
 * Handlers and CHANGED are called from the thread-default main context of this call, in which all calls must be
 * made; they may do anything, keyring_free among it. */
struct Keyring *keyring_new(bool may_prompt, void (*changed)(void *user), void *user);
/* Ends calls without calling back. NULL is fine. */
void keyring_free(struct Keyring *keyring);
MUX_AUTOPTR(Keyring, keyring_free)

/* Handlers are called once, never before the starting function has returned; the call is freed after. ERROR is NULL on success. */
typedef void KeyringLooked(
	struct Secret *value, const GError *error, void *user); /* borrowed; NULL: none */
typedef void KeyringDone(const GError *error, void *user);
/* All items of a connector (or of all: NULL) that exist, locked or not; but where a locked keyring knows its items by
 * digests alone (gnome-keyring that was never unlocked since its start), MUX_ERROR_LOCKED or a prompt. KEYS and its
 * strings live inside the handler. */
typedef void KeyringFound(
	const struct KeyringKey *keys, unsigned n, const GError *error, void *user);

struct KeyringCall *keyring_lookup(
	struct Keyring *keyring, const struct KeyringKey *key, KeyringLooked *looked, void *user);
/* Stores VALUE (at most 1 MiB, else MUX_ERROR_TOO_LARGE) in the default collection in place of an item with the same
 * attributes. The label people see is "mcp-mux CONNECTOR (host)"; that of the audit log's key says so. */
struct KeyringCall *keyring_store(struct Keyring *keyring, const struct KeyringKey *key,
	struct Secret *value, KeyringDone *done, void *user);
/* Deletes the item. That none is there is success; that it is locked is an error. */
struct KeyringCall *keyring_clear(
	struct Keyring *keyring, const struct KeyringKey *key, KeyringDone *done, void *user);
struct KeyringCall *keyring_find(
	struct Keyring *keyring, const char *connector, KeyringFound *found, void *user);
/* No call back any more. NULL is fine. The service may still carry it out. */
void keyring_call_cancel(struct KeyringCall *call);

#endif
