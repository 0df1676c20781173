/* One call, from its start to its one end: success, failure, its time, or its owner's wish. Owned by the keyring while
 * it is not over; every step that waits for an answer holds a reference besides, and finds out by
 * keyring_call_goes_on whether somebody still wants it. */
#include "auth/keyring_internal.h"

#include "format/url.h"

#include <gio/gio.h>

static const char owner_data[] = "mcp-mux-keyring-call";

struct KeyringCall *keyring_call_ref(struct KeyringCall *call)
{
	call->refs++;
	return call;
}

void keyring_call_unref(struct KeyringCall *call)
{
	if (--call->refs > 0)
		return;
	g_object_set_data(G_OBJECT(call->cancellable), owner_data, NULL);
	g_object_unref(call->cancellable);
	g_clear_object(&call->service);
	g_clear_pointer(&call->attributes, g_hash_table_unref);
	g_clear_pointer(&call->value, secret_value_unref);
	g_clear_pointer(&call->keys, g_array_unref);
	g_clear_error(&call->refusal);
	g_strfreev(call->items);
	g_strfreev(call->locked_items);
	g_free(call->label);
	g_free(call);
}

struct KeyringCall *keyring_call_of(GCancellable *cancellable)
{
	return cancellable ? g_object_get_data(G_OBJECT(cancellable), owner_data) : NULL;
}

/* ---- its time ---- */

static void stop_timer(struct KeyringCall *call)
{
	if (!call->timer)
		return;
	g_source_destroy(call->timer);
	g_clear_pointer(&call->timer, g_source_unref);
}

static gboolean on_time(void *user)
{
	struct KeyringCall *call = user;
	g_autoptr(GError) error = NULL;
	if (call->stage == KEYRING_REFUSED)
		error = g_steal_pointer(&call->refusal);
	else
		error = keyring_fault(
			call->keyring->bus ? KEYRING_FAULT_SILENT : KEYRING_FAULT_BUS_SILENT);
	keyring_call_fail(call, error);
	return G_SOURCE_REMOVE;
}

static void start_timer(struct KeyringCall *call, unsigned ms)
{
	stop_timer(call);
	call->timer = g_timeout_source_new(ms);
	g_source_set_callback(call->timer, on_time, call, NULL);
	g_source_attach(call->timer, call->keyring->context);
}

void keyring_call_refuse(struct KeyringCall *call, GError *error)
{
	call->stage = KEYRING_REFUSED;
	call->refusal = error;
	start_timer(call, 0);
}

bool keyring_call_prompts(struct KeyringCall *call)
{
	if (call->stage == KEYRING_OVER || !call->keyring->may_prompt)
		return false;
	call->stage = KEYRING_PROMPTING;
	call->prompted = true;
	stop_timer(call);
	return true;
}

bool keyring_call_prompted(struct KeyringCall *call)
{
	if (call->stage == KEYRING_OVER)
		return false;
	call->stage = KEYRING_ASKING;
	start_timer(call, KEYRING_MS);
	return true;
}

/* ---- its end ---- */

/* Takes CALL out of its keyring; the caller holds a reference until it has told the handler. */
static void leave(struct KeyringCall *call, const GError *error)
{
	struct Keyring *keyring = call->keyring;
	call->stage = KEYRING_OVER;
	call->keyring = NULL;
	stop_timer(call);
	g_ptr_array_remove(keyring->calls, call);
	g_cancellable_cancel(call->cancellable);
	keyring_call_left(keyring, error);
}

static void tell_looked(struct KeyringCall *call, SecretValue *value, const GError *error)
{
	struct Secret *secret = NULL;
	if (value) {
		gsize len;
		const char *data = secret_value_get(value, &len);
		secret = secret_new((struct Slice){data, len});
	}
	call->looked(secret, error, call->user);
	secret_unref(secret);
}

static void tell(struct KeyringCall *call, SecretValue *value, const GError *error)
{
	switch (call->verb) {
	case KEYRING_LOOKUP:
		tell_looked(call, value, error);
		break;
	case KEYRING_STORE:
	case KEYRING_CLEAR:
		call->done(error, call->user);
		break;
	case KEYRING_FIND:
		call->found((const struct KeyringKey *)(void *)call->keys->data,
			error ? 0 : call->keys->len, error, call->user);
		break;
	}
}

void keyring_call_fail(struct KeyringCall *call, const GError *cause)
{
	g_autoptr(KeyringCall) over = keyring_call_ref(call);
	g_autoptr(GError) error = keyring_error(cause);
	leave(over, error);
	tell(over, NULL, error);
}

void keyring_call_succeed(struct KeyringCall *call, SecretValue *found)
{
	g_autoptr(KeyringCall) over = keyring_call_ref(call);
	leave(over, NULL);
	tell(over, found, NULL);
}

bool keyring_call_goes_on(struct KeyringCall *call, const GError *cause)
{
	if (call->stage == KEYRING_OVER)
		return false;
	if (cause)
		keyring_call_fail(call, cause);
	return !cause;
}

void keyring_call_cancel(struct KeyringCall *call)
{
	if (!call || call->stage == KEYRING_OVER)
		return;
	g_autoptr(KeyringCall) over = keyring_call_ref(call);
	leave(over, NULL);
}

/* ---- its start ---- */

/* ATTRIBUTES are taken. */
static struct KeyringCall *call_new(
	struct Keyring *keyring, enum KeyringVerb verb, GHashTable *attributes, void *user)
{
	struct KeyringCall *call = g_new0(struct KeyringCall, 1);
	call->refs = 1;
	call->keyring = keyring;
	call->verb = verb;
	call->attributes = attributes;
	call->user = user;
	call->cancellable = g_cancellable_new();
	g_object_set_data(G_OBJECT(call->cancellable), owner_data, call);
	g_ptr_array_add(keyring->calls, call);
	return call;
}

static struct KeyringCall *call_start(struct KeyringCall *call)
{
	if (!call->attributes) {
		keyring_call_refuse(call, keyring_fault(KEYRING_FAULT_KEY));
		return call;
	}
	start_timer(call, KEYRING_MS);
	keyring_reach(call);
	return call;
}

struct KeyringCall *keyring_lookup(
	struct Keyring *keyring, const struct KeyringKey *key, KeyringLooked *looked, void *user)
{
	struct KeyringCall *call =
		call_new(keyring, KEYRING_LOOKUP, keyring_key_attributes(key), user);
	call->looked = looked;
	return call_start(call);
}

struct KeyringCall *keyring_store(struct Keyring *keyring, const struct KeyringKey *key,
	struct Secret *value, KeyringDone *done, void *user)
{
	struct KeyringCall *call =
		call_new(keyring, KEYRING_STORE, keyring_key_attributes(key), user);
	struct Slice bytes = secret_reveal(value);
	call->done = done;
	if (bytes.len > KEYRING_VALUE_BYTES) {
		keyring_call_refuse(call, keyring_fault(KEYRING_FAULT_TOO_LARGE));
		return call;
	}
	g_autofree char *host = url_host(key->resource);
	if (key->kind == KEYRING_AUDIT_KEY)
		call->label = g_strdup("mcp-mux audit log (key of its digests)");
	else
		call->label = g_strdup_printf("mcp-mux %s (%s)", key->connector, host ? host : "?");
	call->value = secret_value_new(bytes.data, (gssize)bytes.len, "text/plain");
	return call_start(call);
}

struct KeyringCall *keyring_clear(
	struct Keyring *keyring, const struct KeyringKey *key, KeyringDone *done, void *user)
{
	struct KeyringCall *call =
		call_new(keyring, KEYRING_CLEAR, keyring_key_attributes(key), user);
	call->done = done;
	return call_start(call);
}

struct KeyringCall *keyring_find(
	struct Keyring *keyring, const char *connector, KeyringFound *found, void *user)
{
	struct KeyringCall *call =
		call_new(keyring, KEYRING_FIND, keyring_connector_attributes(connector), user);
	call->keys = keyring_keys_new();
	call->found = found;
	return call_start(call);
}
