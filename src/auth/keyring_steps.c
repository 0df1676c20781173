/* What a call asks the service, step by step. Trusts no answer to be the whole truth, since services say little
 * while they are locked:
 *
 * - The default collection is looked at first. KeePassXC shows no items of a locked one, and a search in it brings up a
 *   dialog of its own: a locked collection that shows no items is not searched.
 * - gnome-keyring that was started by D-Bus, as after a login without a password, knows its locked items by digests
 *   of their attributes, and the schema's name is not among them: a search with it finds nothing. So, where that
 *   search finds nothing, one without it has to find no locked item either before "not there" is believed.
 * - libsecret's deletion says nothing of locked items; what is deleted is searched for until it is gone.
 *
 * Where something is locked, the call ends, or has it unlocked by a prompt and begins again. */
#include "auth/keyring_internal.h"

#include <gio/gio.h>

enum {
	MOST_SEARCHES = 12, /* each of the ways above takes eight at most */
	MOST_UNLOCKS = 2, /* the collection; the item, for this program alone (KeePassXC) */
};

static void begin(struct KeyringCall *call);

/* ---- asking ---- */

/* ARGUMENTS are floating; STEP gets a reference to CALL. */
static void ask(struct KeyringCall *call, const char *path, const char *interface,
	const char *method, GVariant *arguments, const char *answer_type, GAsyncReadyCallback step)
{
	g_dbus_connection_call(g_dbus_proxy_get_connection(G_DBUS_PROXY(call->service)),
		KEYRING_BUS_NAME, path, interface, method, arguments, G_VARIANT_TYPE(answer_type),
		G_DBUS_CALL_FLAGS_NONE, KEYRING_MS, call->cancellable, step,
		keyring_call_ref(call));
}

static GVariant *answer(GObject *bus, GAsyncResult *result, GError **error)
{
	return g_dbus_connection_call_finish(G_DBUS_CONNECTION(bus), result, error);
}

static void fail(struct KeyringCall *call, enum KeyringFault fault)
{
	g_autoptr(GError) error = keyring_fault(fault);
	keyring_call_fail(call, error);
}

/* ---- unlocking ---- */

static void on_unlocked(GObject *service, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	int n = secret_service_unlock_dbus_paths_finish(
		SECRET_SERVICE(service), result, NULL, &error);
	if (!keyring_call_goes_on(call, error))
		return;
	call->deleted = false;
	if (n > 0)
		begin(call);
	else
		fail(call, KEYRING_FAULT_STILL_LOCKED);
}

static void unlock(struct KeyringCall *call, char **paths)
{
	if (!call->keyring->may_prompt)
		fail(call, KEYRING_FAULT_LOCKED);
	else if (++call->unlocks > MOST_UNLOCKS)
		fail(call, KEYRING_FAULT_STILL_LOCKED);
	else
		secret_service_unlock_dbus_paths(call->service, (const char **)paths,
			call->cancellable, on_unlocked, keyring_call_ref(call));
}

/* ---- searching ---- */

static void on_searched(GObject *bus, GAsyncResult *result, gpointer user);

static void search(struct KeyringCall *call, bool by_schema)
{
	if (++call->searches > MOST_SEARCHES) {
		fail(call, KEYRING_FAULT_CONTRADICTS);
		return;
	}
	call->by_schema = by_schema;
	ask(call, KEYRING_PATH, KEYRING_SERVICE_INTERFACE, "SearchItems",
		g_variant_new("(@a{ss})", keyring_attributes_variant(call->attributes, by_schema)),
		"(aoao)", on_searched);
}

/* ---- looking up ---- */

static void on_value(GObject *bus, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = answer(bus, result, &error);
	if (!keyring_call_goes_on(call, error))
		return;
	SecretValue *value = NULL;
	g_autoptr(GVariant) values = g_variant_get_child_value(reply, 0);
	if (g_variant_n_children(values) > 0) {
		g_autoptr(GVariant) encoded = NULL;
		g_variant_get_child(values, 0, "{&o@(oayays)}", NULL, &encoded);
		value = secret_service_decode_dbus_secret(call->service, encoded);
	}
	if (value)
		keyring_call_succeed(call, value);
	else
		search(call, true);
	g_clear_pointer(&value, secret_value_unref);
}

/* Not by secret_service_lookup, which searches once more and (libsecret 0.20.5) never frees what it got. */
static void get_value(struct KeyringCall *call)
{
	const char *paths[] = {call->items[0], NULL};
	ask(call, KEYRING_PATH, KEYRING_SERVICE_INTERFACE, "GetSecrets",
		g_variant_new("(^aoo)", paths, secret_service_get_session_dbus_path(call->service)),
		"(a{o(oayays)})", on_value);
}

/* ---- deleting ---- */

static void delete_next(struct KeyringCall *call);

static void on_deleted(GObject *service, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	secret_service_delete_item_dbus_path_finish(SECRET_SERVICE(service), result, &error);
	if (keyring_call_goes_on(call, keyring_is_gone(error) ? NULL : error))
		delete_next(call);
}

static void delete_next(struct KeyringCall *call)
{
	const char *path = call->items[call->next];
	call->next++;
	call->deleted = !path;
	if (path)
		secret_service_delete_item_dbus_path(
			call->service, path, call->cancellable, on_deleted, keyring_call_ref(call));
	else
		search(call, true);
}

/* ---- finding ---- */

static void read_next(struct KeyringCall *call);

static void on_attributes(GObject *bus, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = answer(bus, result, &error);
	if (!keyring_call_goes_on(call, keyring_is_gone(error) ? NULL : error))
		return;
	if (reply) {
		g_autoptr(GVariant) boxed = NULL;
		const char *connector;
		g_variant_get(reply, "(v)", &boxed);
		bool known = g_variant_is_of_type(boxed, G_VARIANT_TYPE("a{ss}"));
		bool readable = known && g_variant_lookup(boxed, "connector", "&s", &connector);
		if (!readable && call->next > g_strv_length(call->items)) {
			unlock(call, call->locked_items);
			return;
		}
		if (known)
			keyring_key_append(call->keys, boxed);
	}
	read_next(call);
}

static void read_next(struct KeyringCall *call)
{
	guint n = g_strv_length(call->items), n_locked = g_strv_length(call->locked_items);
	guint i = call->next++;
	if (i >= n + n_locked)
		keyring_call_succeed(call, NULL);
	else
		ask(call, i < n ? call->items[i] : call->locked_items[i - n],
			KEYRING_PROPERTIES_INTERFACE, "Get",
			g_variant_new("(ss)", KEYRING_ITEM_INTERFACE, "Attributes"), "(v)",
			on_attributes);
}

/* ---- what a search found ---- */

static void go_on_with_items(struct KeyringCall *call)
{
	if (call->verb == KEYRING_LOOKUP)
		get_value(call);
	else if (!call->deleted)
		delete_next(call);
	else
		fail(call, call->prompted ? KEYRING_FAULT_DISMISSED : KEYRING_FAULT_CONTRADICTS);
}

static void on_searched(GObject *bus, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = answer(bus, result, &error);
	if (!keyring_call_goes_on(call, error))
		return;
	g_strfreev(call->items);
	g_strfreev(call->locked_items);
	g_variant_get(reply, "(^ao^ao)", &call->items, &call->locked_items);
	call->next = 0;
	if (call->verb == KEYRING_FIND) {
		g_array_set_size(call->keys, 0);
		read_next(call);
	} else if (call->by_schema && *call->items) {
		go_on_with_items(call);
	} else if (*call->locked_items) {
		unlock(call, call->locked_items);
	} else if (call->by_schema) {
		search(call, false);
	} else {
		keyring_call_succeed(call, NULL);
	}
}

/* ---- the default collection, then what is asked for ---- */

static void on_stored(GObject *service, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	secret_service_store_finish(SECRET_SERVICE(service), result, &error);
	if (keyring_call_goes_on(call, error))
		keyring_call_succeed(call, NULL);
}

static void begin(struct KeyringCall *call)
{
	if (call->verb == KEYRING_STORE)
		secret_service_store(call->service, &keyring_schema, call->attributes,
			SECRET_COLLECTION_DEFAULT, call->label, call->value, call->cancellable,
			on_stored, keyring_call_ref(call));
	else
		search(call, call->verb != KEYRING_FIND);
}

/* libsecret has one made when something is to be stored, by a prompt. */
static void begin_without_collection(struct KeyringCall *call)
{
	if (call->verb == KEYRING_STORE && !call->keyring->may_prompt)
		fail(call, KEYRING_FAULT_NO_COLLECTION);
	else
		begin(call);
}

static void on_collection(GObject *bus, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = answer(bus, result, &error);
	if (!keyring_call_goes_on(call, keyring_is_gone(error) ? NULL : error))
		return;
	if (!reply) {
		begin_without_collection(call);
		return;
	}
	g_autoptr(GVariant) properties = g_variant_get_child_value(reply, 0);
	g_autoptr(GVariant) items =
		g_variant_lookup_value(properties, "Items", G_VARIANT_TYPE("ao"));
	gboolean locked = FALSE;
	g_variant_lookup(properties, "Locked", "b", &locked);
	bool shows_none = items && g_variant_n_children(items) == 0;
	if (locked && (shows_none || call->verb == KEYRING_STORE))
		unlock(call, call->locked_items);
	else
		begin(call);
}

static void on_alias(GObject *bus, GAsyncResult *result, gpointer user)
{
	g_autoptr(KeyringCall) call = user;
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = answer(bus, result, &error);
	if (!keyring_call_goes_on(call, error))
		return;
	const char *path;
	g_variant_get(reply, "(&o)", &path);
	if (strcmp(path, "/") == 0) {
		begin_without_collection(call);
		return;
	}
	call->locked_items = g_strdupv((char *[]){(char *)path, NULL});
	ask(call, path, KEYRING_PROPERTIES_INTERFACE, "GetAll",
		g_variant_new("(s)", KEYRING_COLLECTION_INTERFACE), "(a{sv})", on_collection);
}

void keyring_call_run(struct KeyringCall *call)
{
	call->stage = KEYRING_ASKING;
	call->service = g_object_ref(call->keyring->service);
	ask(call, KEYRING_PATH, KEYRING_SERVICE_INTERFACE, "ReadAlias",
		g_variant_new("(s)", "default"), "(o)", on_alias);
}
