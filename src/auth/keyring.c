/* The connection to the session bus, the service on it, and notices of changes.
 *
 * Owns a connection of its own: the one that GLib shares in a process stays broken for all once it was closed, ends
 * the process by default when the bus goes, and is GLib's to configure. It is made by the first call and stays; where
 * it was closed, the next call makes a new one.
 *
 * Opening, once for all calls that wait: connect, listen for changes, have the bus start the service (which it may
 * do only for a call, never for the listening), ping it, open libsecret's service with its session. The
 * session and what libsecret knows belong to one process of the service: when the name changes its owner the service
 * is dropped, as it is after every failure that is not plainly a locked keyring, and the next call opens it anew.
 *
 * Every later call pings first: a stopped process has two seconds, not the ten that real work may take. What was
 * begun for a call that is over is cancelled, but for prompts (keyring_service.c). */
#include "auth/keyring_internal.h"

#include "base/error.h"
#include "base/text.h"

#include <gio/gio.h>

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"

enum { NOTICE_MS = 50, MOST_FOREIGN_BYTES = 200 };

/* Owned by the step that it waits for. */
struct KeyringOpening {
	struct Keyring *keyring; /* NULL: nobody waits for it any more */
	GCancellable *cancellable;
};

/* ---- notices ---- */

static gboolean on_notice(void *user)
{
	struct Keyring *keyring = user;
	g_clear_pointer(&keyring->notice, g_source_unref);
	keyring->changed(keyring->user);
	return G_SOURCE_REMOVE;
}

static void note_change(struct Keyring *keyring)
{
	if (!keyring->changed || keyring->notice)
		return;
	keyring->notice = g_timeout_source_new(NOTICE_MS);
	g_source_set_callback(keyring->notice, on_notice, keyring, NULL);
	g_source_attach(keyring->notice, keyring->context);
}

static void on_signal(GDBusConnection *bus, const char *sender, const char *path,
	const char *interface, const char *signal, GVariant *parameters, gpointer user)
{
	(void)bus, (void)sender, (void)path, (void)interface, (void)signal, (void)parameters;
	note_change(user);
}

/* A service that went is no news before another comes: to ask would start it. One that comes while it is being
 * opened was started by us. */
static void on_owner(GDBusConnection *bus, const char *sender, const char *path,
	const char *interface, const char *signal, GVariant *parameters, gpointer user)
{
	(void)bus, (void)sender, (void)path, (void)interface, (void)signal;
	struct Keyring *keyring = user;
	const char *owner;
	g_variant_get(parameters, "(&s&s&s)", NULL, NULL, &owner);
	g_clear_object(&keyring->service);
	if (*owner && !keyring->opening)
		note_change(keyring);
}

static void subscribe(struct Keyring *keyring)
{
	static const struct {
		const char *sender, *interface, *signal, *first;
		GDBusSignalCallback callback;
	} wanted[KEYRING_SUBSCRIPTIONS] = {
		{BUS_NAME, BUS_NAME, "NameOwnerChanged", KEYRING_BUS_NAME, on_owner},
		{KEYRING_BUS_NAME, KEYRING_SERVICE_INTERFACE, NULL, NULL, on_signal},
		{KEYRING_BUS_NAME, KEYRING_COLLECTION_INTERFACE, NULL, NULL, on_signal},
		{KEYRING_BUS_NAME, KEYRING_PROPERTIES_INTERFACE, "PropertiesChanged",
			KEYRING_COLLECTION_INTERFACE, on_signal},
	};
	for (int i = 0; i < KEYRING_SUBSCRIPTIONS; i++)
		keyring->subscriptions[i] =
			g_dbus_connection_signal_subscribe(keyring->bus, wanted[i].sender,
				wanted[i].interface, wanted[i].signal, NULL, wanted[i].first,
				G_DBUS_SIGNAL_FLAGS_NONE, wanted[i].callback, keyring, NULL);
}

/* ---- pinging ---- */

static void ping(
	GDBusConnection *bus, GCancellable *cancellable, GAsyncReadyCallback callback, void *user)
{
	g_dbus_connection_call(bus, KEYRING_BUS_NAME, KEYRING_PATH, BUS_NAME ".Peer", "Ping", NULL,
		NULL, G_DBUS_CALL_FLAGS_NONE, KEYRING_PING_MS, cancellable, callback, user);
}

/* That it does not know the method is as good an answer as any. */
static void ping_finish(GObject *bus, GAsyncResult *result, GError **error)
{
	g_autoptr(GError) said = NULL;
	g_autoptr(GVariant) reply =
		g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, &said);
	if (said && !keyring_is_gone(said))
		g_propagate_error(error, g_steal_pointer(&said));
}

/* ---- opening ---- */

static void opening_free(struct KeyringOpening *opening)
{
	g_object_unref(opening->cancellable);
	g_free(opening);
}

static void opening_abandon(struct Keyring *keyring)
{
	struct KeyringOpening *opening = g_steal_pointer(&keyring->opening);
	opening->keyring = NULL;
	g_cancellable_cancel(opening->cancellable);
}

/* Handlers may do anything: end other calls, begin new ones, free the keyring. A call that is still OPENING is
 * one that waits. */
static void wake(struct Keyring *keyring, const GError *error)
{
	g_autoptr(GPtrArray) waiting =
		g_ptr_array_new_with_free_func((GDestroyNotify)keyring_call_unref);
	for (guint i = 0; i < keyring->calls->len; i++)
		g_ptr_array_add(waiting, keyring_call_ref(keyring->calls->pdata[i]));
	for (guint i = 0; i < waiting->len; i++) {
		struct KeyringCall *call = waiting->pdata[i];
		if (call->stage == KEYRING_OPENING && error)
			keyring_call_fail(call, error);
		else if (call->stage == KEYRING_OPENING)
			keyring_call_run(call);
	}
}

static void opening_end(struct KeyringOpening *opening, const GError *error)
{
	struct Keyring *keyring = opening->keyring;
	opening_free(opening);
	if (!keyring)
		return;
	keyring->opening = NULL;
	wake(keyring, error);
}

static bool opening_goes_on(struct KeyringOpening *opening, const GError *error)
{
	bool goes_on = opening->keyring && !error;
	if (!goes_on)
		opening_end(opening, error);
	return goes_on;
}

static void on_opened(GObject *source, GAsyncResult *result, gpointer user)
{
	struct KeyringOpening *opening = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GObject) service =
		g_async_initable_new_finish(G_ASYNC_INITABLE(source), result, &error);
	if (!opening_goes_on(opening, error))
		return;
	opening->keyring->service = SECRET_SERVICE(g_steal_pointer(&service));
	opening_end(opening, NULL);
}

static void on_opening_pinged(GObject *source, GAsyncResult *result, gpointer user)
{
	struct KeyringOpening *opening = user;
	g_autoptr(GError) error = NULL;
	ping_finish(source, result, &error);
	if (!opening_goes_on(opening, error))
		return;
	g_async_initable_new_async(keyring_service_get_type(), G_PRIORITY_DEFAULT,
		opening->cancellable, on_opened, opening, "g-connection", opening->keyring->bus,
		"flags", SECRET_SERVICE_OPEN_SESSION, NULL);
}

/* A service that was started by hand may be there without the bus knowing how to start it: the ping tells. */
static void on_started(GObject *source, GAsyncResult *result, gpointer user)
{
	struct KeyringOpening *opening = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply =
		g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
	bool unknown = g_error_matches(error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
	if (opening_goes_on(opening, unknown ? NULL : error))
		ping(opening->keyring->bus, opening->cancellable, on_opening_pinged, opening);
}

static void start_service(struct KeyringOpening *opening)
{
	g_dbus_connection_call(opening->keyring->bus, BUS_NAME, BUS_PATH, BUS_NAME,
		"StartServiceByName", g_variant_new("(su)", KEYRING_BUS_NAME, 0),
		G_VARIANT_TYPE("(u)"), G_DBUS_CALL_FLAGS_NONE, KEYRING_MS, opening->cancellable,
		on_started, opening);
}

static GError *unreachable(const GError *cause)
{
	g_autofree char *why = text_printable(slice_of(cause->message), MOST_FOREIGN_BYTES);
	return g_error_new(
		MUX_ERROR, MUX_ERROR_KEYRING, "the D-Bus session bus cannot be reached: %s", why);
}

static void on_connected(GObject *source, GAsyncResult *result, gpointer user)
{
	(void)source;
	struct KeyringOpening *opening = user;
	g_autoptr(GError) cause = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GDBusConnection) bus = g_dbus_connection_new_for_address_finish(result, &cause);
	if (cause)
		error = unreachable(cause);
	if (!opening_goes_on(opening, error))
		return;
	opening->keyring->bus = g_steal_pointer(&bus);
	g_dbus_connection_set_exit_on_close(opening->keyring->bus, FALSE);
	subscribe(opening->keyring);
	start_service(opening);
}

static void open_service(struct Keyring *keyring, const char *address)
{
	struct KeyringOpening *opening = g_new0(struct KeyringOpening, 1);
	opening->keyring = keyring;
	opening->cancellable = g_cancellable_new();
	keyring->opening = opening;
	if (keyring->bus)
		start_service(opening);
	else
		g_dbus_connection_new_for_address(address,
			G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
				G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
			NULL, opening->cancellable, on_connected, opening);
}

/* ---- calls ---- */

static void drop_bus(struct Keyring *keyring)
{
	g_clear_object(&keyring->service);
	if (!keyring->bus)
		return;
	for (int i = 0; i < KEYRING_SUBSCRIPTIONS; i++)
		g_dbus_connection_signal_unsubscribe(keyring->bus, keyring->subscriptions[i]);
	g_clear_object(&keyring->bus);
}

static void on_pinged(GObject *source, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	ping_finish(source, result, &error);
	if (!keyring_call_goes_on(call, error))
		return;
	if (call->keyring->service)
		keyring_call_run(call);
	else
		keyring_reach(call);
}

void keyring_reach(struct KeyringCall *call)
{
	struct Keyring *keyring = call->keyring;
	g_autoptr(GError) error = NULL;
	g_autofree char *address = NULL;
	if (keyring->bus && g_dbus_connection_is_closed(keyring->bus) && !keyring->opening)
		drop_bus(keyring);
	if (keyring->service) {
		call->stage = KEYRING_ASKING;
		ping(keyring->bus, call->cancellable, on_pinged, keyring_call_ref(call));
		return;
	}
	if (!keyring->bus && !(address = keyring_bus_address(&error))) {
		keyring_call_refuse(call, g_steal_pointer(&error));
		return;
	}
	call->stage = KEYRING_OPENING;
	if (!keyring->opening)
		open_service(keyring, address);
}

void keyring_call_left(struct Keyring *keyring, const GError *error)
{
	if (g_error_matches(error, MUX_ERROR, MUX_ERROR_KEYRING))
		g_clear_object(&keyring->service);
	if (!keyring->opening)
		return;
	for (guint i = 0; i < keyring->calls->len; i++) {
		const struct KeyringCall *call = keyring->calls->pdata[i];
		if (call->stage == KEYRING_OPENING)
			return;
	}
	opening_abandon(keyring);
}

/* ---- beginning and end ---- */

struct Keyring *keyring_new(bool may_prompt, void (*changed)(void *user), void *user)
{
	struct Keyring *keyring = g_new0(struct Keyring, 1);
	keyring->may_prompt = may_prompt;
	keyring->changed = changed;
	keyring->user = user;
	keyring->context = g_main_context_ref_thread_default();
	keyring->calls = g_ptr_array_new_with_free_func((GDestroyNotify)keyring_call_unref);
	return keyring;
}

void keyring_free(struct Keyring *keyring)
{
	if (!keyring)
		return;
	bool prompting = false;
	while (keyring->calls->len > 0) {
		struct KeyringCall *call = keyring->calls->pdata[0];
		prompting = prompting || call->stage == KEYRING_PROMPTING;
		keyring_call_cancel(call);
	}
	/* The service takes a prompt back when the one who asked for it is gone. */
	if (prompting)
		g_dbus_connection_close(keyring->bus, NULL, NULL, NULL);
	drop_bus(keyring);
	if (keyring->notice)
		g_source_destroy(keyring->notice);
	g_clear_pointer(&keyring->notice, g_source_unref);
	g_ptr_array_unref(keyring->calls);
	g_main_context_unref(keyring->context);
	g_free(keyring);
}
