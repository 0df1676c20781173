/* Inside the keyring:
 *   keyring_bus.c      which session bus
 *   keyring.c          the connection to it, the service on it, who waits for them, notices of changes
 *   keyring_call.c     one call: its beginning, its end, its time
 *   keyring_steps.c    what a call asks the service, step by step
 *   keyring_key.c      keys as attributes
 *   keyring_service.c  libsecret's service, which leaves the decision on prompts to the call
 *   keyring_error.c    the words */
#ifndef MCP_MUX_AUTH_KEYRING_INTERNAL_H
#define MCP_MUX_AUTH_KEYRING_INTERNAL_H

#include "auth/keyring.h"

#define SECRET_API_SUBJECT_TO_CHANGE /* for what takes D-Bus paths, unchanged since 2012 */
#include <libsecret/secret.h>

#define KEYRING_BUS_NAME "org.freedesktop.secrets"
#define KEYRING_PATH "/org/freedesktop/secrets"
#define KEYRING_SERVICE_INTERFACE "org.freedesktop.Secret.Service"
#define KEYRING_COLLECTION_INTERFACE "org.freedesktop.Secret.Collection"
#define KEYRING_ITEM_INTERFACE "org.freedesktop.Secret.Item"
#define KEYRING_PROPERTIES_INTERFACE "org.freedesktop.DBus.Properties"

enum { KEYRING_SUBSCRIPTIONS = 4 };

struct KeyringOpening;

struct Keyring {
	bool may_prompt;
	void (*changed)(void *user);
	void *user;
	GMainContext *context;
	GPtrArray *calls; /* struct KeyringCall, referenced; every call that is not over */
	struct KeyringOpening *opening; /* the one under way; NULL: none */
	GDBusConnection *bus; /* our own, not the one that GLib shares; NULL: none */
	guint subscriptions[KEYRING_SUBSCRIPTIONS];
	SecretService *service; /* NULL: to be opened */
	GSource *notice; /* runs while a call of CHANGED is due */
};

enum KeyringVerb { KEYRING_LOOKUP, KEYRING_STORE, KEYRING_CLEAR, KEYRING_FIND };

enum KeyringStage {
	KEYRING_REFUSED, /* it has failed already; its handler is called from the loop */
	KEYRING_OPENING, /* waits for the service */
	KEYRING_ASKING,
	KEYRING_PROMPTING, /* waits for a person: no time limit */
	KEYRING_OVER, /* its handler was called, or will never be */
};

struct KeyringCall {
	unsigned refs;
	struct Keyring *keyring; /* NULL once it is over */
	enum KeyringStage stage;
	enum KeyringVerb verb;
	union {
		KeyringLooked *looked;
		KeyringDone *done;
		KeyringFound *found;
	};
	void *user;
	GHashTable *attributes; /* of strings: what is looked for, without the schema's name */
	char *label; /* of STORE, as is the value */
	SecretValue *value;
	GError *refusal; /* of stage REFUSED */
	GSource *timer;
	GCancellable *cancellable;
	SecretService *service; /* the one that it talks to */
	unsigned searches, unlocks; /* both are bounded */
	bool prompted; /* once at least */
	bool deleted; /* what was found since the last unlocking */
	bool by_schema; /* whether the last search was */
	char **items, **locked_items; /* what it found */
	guint next; /* the item to be deleted or read next; FIND reads the locked ones after the others */
	GArray *keys; /* of FIND: struct KeyringKey that owns its strings */
};

/* keyring_bus.c. The address of the session bus, for g_free; NULL with MUX_ERROR_KEYRING where there is none. */
char *keyring_bus_address(GError **error);
/* keyring_find_bus with another folder than /run/user. */
void keyring_find_bus_in(const char *folder);

/* keyring.c. Brings CALL to the service: keyring_call_run or keyring_call_fail, from the loop. */
void keyring_reach(struct KeyringCall *call);
/* CALL is over: what is done for it alone need not be finished, and what it found broken is not used again. */
void keyring_call_left(struct Keyring *keyring, const GError *error);

/* keyring_call.c. */
struct KeyringCall *keyring_call_ref(struct KeyringCall *call);
void keyring_call_unref(struct KeyringCall *call);
MUX_AUTOPTR(KeyringCall, keyring_call_unref)
/* CALL ends with ERROR (taken), from the loop. */
void keyring_call_refuse(struct KeyringCall *call, GError *error);
/* The end of a step that CALL was waiting for: whether it goes on. CAUSE ends it, if it is not over already. */
bool keyring_call_goes_on(struct KeyringCall *call, const GError *cause);
/* The two ends. CAUSE may be of any domain; the handler gets keyring_error of it. */
void keyring_call_fail(struct KeyringCall *call, const GError *cause);
void keyring_call_succeed(struct KeyringCall *call, SecretValue *found);
/* Whose call CANCELLABLE is; NULL: nobody's. */
struct KeyringCall *keyring_call_of(GCancellable *cancellable);
/* Around a prompt: whether it may be shown; whether somebody still waits for its outcome. */
bool keyring_call_prompts(struct KeyringCall *call);
bool keyring_call_prompted(struct KeyringCall *call);

/* keyring_steps.c. Asks the keyring's service for all that CALL wants. */
void keyring_call_run(struct KeyringCall *call);

/* keyring_key.c. Keys as attributes of items, and back. */
extern const SecretSchema keyring_schema;
/* What keyring_lookup and so on look for, and keyring_find (CONNECTOR may be NULL). NULL if a string is not valid
 * UTF-8: D-Bus does not carry it. */
GHashTable *keyring_key_attributes(const struct KeyringKey *key);
GHashTable *keyring_connector_attributes(const char *connector);
/* ATTRIBUTES as the argument of SearchItems (floating). */
GVariant *keyring_attributes_variant(GHashTable *attributes, bool with_schema);
/* Appends the key that ATTRIBUTES (a{ss}) of an item are, if they are one of ours. */
void keyring_key_append(GArray *keys, GVariant *attributes);
GArray *keyring_keys_new(void);

/* keyring_service.c. */
GType keyring_service_get_type(void);

/* keyring_error.c. CAUSE in this program's words, as a new error of ours. */
GError *keyring_error(const GError *cause);
/* The object or method that was asked for is not there, or not any more. NULL is fine. */
bool keyring_is_gone(const GError *error);
/* Errors of ours that have no cause. */
enum KeyringFault {
	KEYRING_FAULT_NO_BUS,
	KEYRING_FAULT_BUS_SILENT,
	KEYRING_FAULT_NO_SERVICE,
	KEYRING_FAULT_SILENT,
	KEYRING_FAULT_ENDED,
	KEYRING_FAULT_CONTRADICTS,
	KEYRING_FAULT_KEY,
	KEYRING_FAULT_TOO_LARGE,
	KEYRING_FAULT_LOCKED,
	KEYRING_FAULT_STILL_LOCKED,
	KEYRING_FAULT_NO_COLLECTION,
	KEYRING_FAULT_MUST_ASK,
	KEYRING_FAULT_DISMISSED,
};
GError *keyring_fault(enum KeyringFault fault);

#endif
