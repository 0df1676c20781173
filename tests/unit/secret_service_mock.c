#include "secret_service_mock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define NAME "org.freedesktop.secrets"
#define ROOT "/org/freedesktop/secrets"
#define COLLECTION ROOT "/collection/mock"
#define ALIAS ROOT "/aliases/default"
#define SECRET "org.freedesktop.Secret."

struct MockItem {
	char *path;
	GVariant *attributes; /* a{ss} */
	GVariant *secret; /* (oayays) */
};

enum MockPromptKind { MOCK_UNLOCK, MOCK_CREATE_COLLECTION, MOCK_STORE, MOCK_DELETE };

struct MockPrompt {
	char *path;
	enum MockPromptKind kind;
	GVariant
		*subject; /* the paths to unlock, the arguments of CreateItem, the path to delete */
};

static const char interfaces_xml[] =
	"<node><interface name='" SECRET "Service'>"
	"<method name='OpenSession'><arg type='s' direction='in'/><arg type='v' direction='in'/>"
	"<arg type='v' direction='out'/><arg type='o' direction='out'/></method>"
	"<method name='ReadAlias'><arg type='s' direction='in'/><arg type='o' "
	"direction='out'/></method>"
	"<method name='SearchItems'><arg type='a{ss}' direction='in'/><arg type='ao' "
	"direction='out'/>"
	"<arg type='ao' direction='out'/></method>"
	"<method name='Unlock'><arg type='ao' direction='in'/><arg type='ao' direction='out'/>"
	"<arg type='o' direction='out'/></method>"
	"<method name='CreateCollection'><arg type='a{sv}' direction='in'/><arg type='s' "
	"direction='in'/>"
	"<arg type='o' direction='out'/><arg type='o' direction='out'/></method>"
	"<method name='GetSecrets'><arg type='ao' direction='in'/><arg type='o' direction='in'/>"
	"<arg type='a{o(oayays)}' direction='out'/></method>"
	"<property name='Collections' type='ao' access='read'/></interface>"
	"<interface name='" SECRET "Collection'>"
	"<method name='CreateItem'><arg type='a{sv}' direction='in'/><arg type='(oayays)' "
	"direction='in'/>"
	"<arg type='b' direction='in'/><arg type='o' direction='out'/><arg type='o' "
	"direction='out'/>"
	"</method><property name='Items' type='ao' access='read'/>"
	"<property name='Locked' type='b' access='read'/></interface>"
	"<interface name='" SECRET
	"Item'><method name='Delete'><arg type='o' direction='out'/></method>"
	"<property name='Locked' type='b' access='read'/>"
	"<property name='Attributes' type='a{ss}' access='read'/></interface>"
	"<interface name='" SECRET
	"Prompt'><method name='Prompt'><arg type='s' direction='in'/></method>"
	"<method name='Dismiss'/><signal name='Completed'><arg type='b'/><arg type='v'/></signal>"
	"</interface></node>";

/* ---- things ---- */

static void item_free(void *data)
{
	struct MockItem *item = data;
	g_free(item->path);
	g_variant_unref(item->attributes);
	g_variant_unref(item->secret);
	g_free(item);
}

static void prompt_free(void *data)
{
	struct MockPrompt *prompt = data;
	g_free(prompt->path);
	g_variant_unref(prompt->subject);
	g_free(prompt);
}

static struct MockItem *find_item(const struct SecretServiceMock *mock, const char *path)
{
	for (guint i = 0; i < mock->items->len; i++) {
		struct MockItem *item = mock->items->pdata[i];
		if (strcmp(item->path, path) == 0)
			return item;
	}
	return NULL;
}

/* Whether ITEM has all of WANTED's attributes. */
static bool matches(const struct MockItem *item, GVariant *wanted)
{
	GVariantIter iter;
	const char *name, *value, *has;
	g_variant_iter_init(&iter, wanted);
	while (g_variant_iter_next(&iter, "{&s&s}", &name, &value))
		if (!g_variant_lookup(item->attributes, name, "&s", &has) ||
			strcmp(has, value) != 0)
			return false;
	return true;
}

static GVariant *item_paths(const struct SecretServiceMock *mock, GVariant *wanted)
{
	GVariantBuilder builder;
	g_variant_builder_init(&builder, G_VARIANT_TYPE("ao"));
	for (guint i = 0; i < mock->items->len; i++) {
		const struct MockItem *item = mock->items->pdata[i];
		if (!wanted || matches(item, wanted))
			g_variant_builder_add(&builder, "o", item->path);
	}
	if (mock->ghost)
		g_variant_builder_add(&builder, "o", COLLECTION "/0");
	return g_variant_builder_end(&builder);
}

static GVariant *no_paths(void)
{
	return g_variant_new_objv(NULL, 0);
}

static void export(struct SecretServiceMock *mock, const char *path, const char *interface);

static char *put_item(struct SecretServiceMock *mock, GVariant *arguments)
{
	g_autoptr(GVariant) properties = g_variant_get_child_value(arguments, 0);
	g_autoptr(GVariant) attributes = g_variant_lookup_value(
		properties, SECRET "Item.Attributes", G_VARIANT_TYPE("a{ss}"));
	g_autoptr(GVariant) secret = g_variant_get_child_value(arguments, 1);
	for (guint i = 0; i < mock->items->len; i++) {
		struct MockItem *item = mock->items->pdata[i];
		if (!g_variant_equal(item->attributes, attributes))
			continue;
		g_variant_unref(item->secret);
		item->secret = g_steal_pointer(&secret);
		return g_strdup(item->path);
	}
	struct MockItem *item = g_new0(struct MockItem, 1);
	item->path = g_strdup_printf(COLLECTION "/%u", ++mock->serial);
	item->attributes = g_steal_pointer(&attributes);
	item->secret = g_steal_pointer(&secret);
	g_ptr_array_add(mock->items, item);
	export(mock, item->path, SECRET "Item");
	return g_strdup(item->path);
}

static void delete_item(struct SecretServiceMock *mock, const char *path)
{
	if (!mock->keeps)
		g_ptr_array_remove(mock->items, find_item(mock, path));
}

/* ---- prompts ---- */

/* SUBJECT may be floating. */
static char *new_prompt(struct SecretServiceMock *mock, enum MockPromptKind kind, GVariant *subject)
{
	struct MockPrompt *prompt = g_new0(struct MockPrompt, 1);
	prompt->path = g_strdup_printf(ROOT "/prompt/%u", ++mock->serial);
	prompt->kind = kind;
	prompt->subject = g_variant_ref_sink(subject);
	g_ptr_array_add(mock->pending, prompt);
	export(mock, prompt->path, SECRET "Prompt");
	return g_strdup(prompt->path);
}

static GVariant *accept(struct SecretServiceMock *mock, const struct MockPrompt *prompt)
{
	g_autofree char *path = NULL;
	switch (prompt->kind) {
	case MOCK_UNLOCK:
		if (!mock->locked)
			mock->locks_items = false;
		mock->locked = mock->obstinate;
		return g_variant_ref(prompt->subject);
	case MOCK_CREATE_COLLECTION:
		mock->missing = false;
		mock->creations++;
		return g_variant_new_object_path(COLLECTION);
	case MOCK_STORE:
		path = put_item(mock, prompt->subject);
		return g_variant_new_object_path(path);
	case MOCK_DELETE:
		delete_item(mock, g_variant_get_string(prompt->subject, NULL));
		break;
	}
	return g_variant_new_string("");
}

static GVariant *dismissed(const struct SecretServiceMock *mock, enum MockPromptKind kind)
{
	if (mock->dismissal)
		return mock->dismissal;
	if (kind == MOCK_UNLOCK)
		return no_paths();
	return kind == MOCK_DELETE ? g_variant_new_string("") : g_variant_new_object_path("/");
}

void secret_service_mock_answer(struct SecretServiceMock *mock, bool accepted)
{
	assert_int_not_equal(mock->pending->len, 0);
	const struct MockPrompt *prompt = mock->pending->pdata[0];
	GVariant *result = accepted ? accept(mock, prompt) : dismissed(mock, prompt->kind);
	g_dbus_connection_emit_signal(mock->bus, NULL, prompt->path, SECRET "Prompt", "Completed",
		g_variant_new("(bv)", !accepted, result), NULL);
	if (accepted && prompt->kind == MOCK_UNLOCK)
		g_variant_unref(result);
	g_ptr_array_remove_index(mock->pending, 0);
}

/* ---- methods ---- */

static void answer(GDBusMethodInvocation *call, GVariant *value)
{
	g_dbus_method_invocation_return_value(call, value);
}

static void on_search(
	struct SecretServiceMock *mock, GVariant *arguments, GDBusMethodInvocation *call)
{
	g_autoptr(GVariant) wanted = g_variant_get_child_value(arguments, 0);
	mock->searches++;
	bool nothing = mock->locked && mock->hides;
	const char *schema;
	mock->offences += nothing;
	if (mock->locked && mock->digests && g_variant_lookup(wanted, "xdg:schema", "&s", &schema))
		nothing = true;
	if (nothing)
		answer(call, g_variant_new("(@ao@ao)", no_paths(), no_paths()));
	else if (mock->locked || mock->locks_items)
		answer(call, g_variant_new("(@ao@ao)", no_paths(), item_paths(mock, wanted)));
	else
		answer(call, g_variant_new("(@ao@ao)", item_paths(mock, wanted), no_paths()));
}

static void on_unlock(
	struct SecretServiceMock *mock, GVariant *arguments, GDBusMethodInvocation *call)
{
	GVariant *paths = g_variant_get_child_value(arguments, 0);
	mock->unlocks++;
	if (mock->locked || mock->locks_items) {
		g_autofree char *prompt = new_prompt(mock, MOCK_UNLOCK, paths);
		answer(call, g_variant_new("(@aoo)", no_paths(), prompt));
	} else {
		answer(call, g_variant_new("(@aoo)", paths, "/"));
	}
	g_variant_unref(paths);
}

static void on_get_secrets(
	struct SecretServiceMock *mock, GVariant *arguments, GDBusMethodInvocation *call)
{
	g_autoptr(GVariant) paths = g_variant_get_child_value(arguments, 0);
	GVariantBuilder builder;
	g_variant_builder_init(&builder, G_VARIANT_TYPE("a{o(oayays)}"));
	for (gsize i = 0; i < g_variant_n_children(paths) && !mock->withholds; i++) {
		const char *path;
		g_variant_get_child(paths, i, "&o", &path);
		const struct MockItem *item = find_item(mock, path);
		if (item)
			g_variant_builder_add(&builder, "{o@(oayays)}", path, item->secret);
	}
	answer(call, g_variant_new("(a{o(oayays)})", &builder));
}

static void on_create_item(
	struct SecretServiceMock *mock, GVariant *arguments, GDBusMethodInvocation *call)
{
	g_autofree char *path = NULL;
	if (mock->missing) {
		g_dbus_method_invocation_return_dbus_error(
			call, SECRET "Error.NoSuchObject", "none");
	} else if (mock->locked) {
		g_dbus_method_invocation_return_dbus_error(call, SECRET "Error.IsLocked", "locked");
	} else if (mock->prompts_to_store) {
		path = new_prompt(mock, MOCK_STORE, arguments);
		answer(call, g_variant_new("(oo)", "/", path));
	} else {
		path = put_item(mock, arguments);
		answer(call, g_variant_new("(oo)", path, "/"));
	}
}

static void on_delete(struct SecretServiceMock *mock, const char *path, GDBusMethodInvocation *call)
{
	g_autofree char *prompt = NULL;
	if (mock->prompts_to_delete)
		prompt = new_prompt(mock, MOCK_DELETE, g_variant_new_string(path));
	else
		delete_item(mock, path);
	answer(call, g_variant_new("(o)", prompt ? prompt : "/"));
}

static void on_service_call(struct SecretServiceMock *mock, const char *method, GVariant *arguments,
	GDBusMethodInvocation *call)
{
	const char *algorithm;
	if (strcmp(method, "OpenSession") == 0) {
		g_variant_get(arguments, "(&sv)", &algorithm, NULL);
		if (strcmp(algorithm, "plain") != 0)
			g_dbus_method_invocation_return_dbus_error(
				call, "org.freedesktop.DBus.Error.NotSupported", "plain");
		else
			answer(call, g_variant_new("(vo)", g_variant_new_string(""), ROOT "/s/1"));
	} else if (strcmp(method, "ReadAlias") == 0) {
		const char *there = mock->gone ? COLLECTION "/0" : COLLECTION;
		answer(call, g_variant_new("(o)", mock->missing ? "/" : there));
	} else if (strcmp(method, "SearchItems") == 0) {
		on_search(mock, arguments, call);
	} else if (strcmp(method, "Unlock") == 0) {
		on_unlock(mock, arguments, call);
	} else if (strcmp(method, "GetSecrets") == 0) {
		on_get_secrets(mock, arguments, call);
	} else {
		g_autofree char *prompt =
			new_prompt(mock, MOCK_CREATE_COLLECTION, g_variant_new_string(""));
		answer(call, g_variant_new("(oo)", "/", prompt));
	}
}

static void on_call(GDBusConnection *bus, const char *sender, const char *path,
	const char *interface, const char *method, GVariant *arguments, GDBusMethodInvocation *call,
	gpointer user)
{
	(void)bus, (void)sender;
	struct SecretServiceMock *mock = user;
	if (g_strcmp0(method, mock->silent) == 0) {
		g_object_unref(call);
	} else if (g_strcmp0(method, mock->failing) == 0) {
		g_dbus_method_invocation_return_dbus_error(call, mock->failure, "because\n");
	} else if (strcmp(method, "Prompt") == 0) {
		mock->prompts++;
		answer(call, NULL);
	} else if (strcmp(method, "Dismiss") == 0) {
		mock->dismissals++;
		answer(call, NULL);
	} else if (strcmp(method, "CreateItem") == 0) {
		on_create_item(mock, arguments, call);
	} else if (strcmp(method, "Delete") == 0) {
		on_delete(mock, path, call);
	} else {
		assert_string_equal(interface, SECRET "Service");
		on_service_call(mock, method, arguments, call);
	}
}

static GVariant *on_property(GDBusConnection *bus, const char *sender, const char *path,
	const char *interface, const char *property, GError **error, gpointer user)
{
	(void)bus, (void)sender, (void)interface;
	const struct SecretServiceMock *mock = user;
	const char *collections[] = {COLLECTION, NULL};
	if (strcmp(property, "Collections") == 0)
		return g_variant_new_objv(collections, -1);
	if (strcmp(property, "Items") == 0)
		return mock->locked && mock->hides ? no_paths() : item_paths(mock, NULL);
	if (strcmp(property, "Locked") == 0)
		return g_variant_new_boolean(mock->locked);
	const struct MockItem *item = find_item(mock, path);
	if (item && mock->locked && mock->digests)
		return g_variant_new_parsed("{'gkr:compat:hashed:connector': '4a8a08f0'}");
	if (item)
		return g_variant_ref(item->attributes);
	g_set_error_literal(error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT, "deleted");
	return NULL;
}

/* ---- beginning and end ---- */

static void export(struct SecretServiceMock *mock, const char *path, const char *interface)
{
	static const GDBusInterfaceVTable methods = {on_call, on_property, NULL, {0}};
	g_autoptr(GError) error = NULL;
	guint id = g_dbus_connection_register_object(mock->bus, path,
		g_dbus_node_info_lookup_interface(mock->interfaces, interface), &methods, mock,
		NULL, &error);
	if (!id)
		fail_msg("%s", error->message);
	g_array_append_val(mock->registrations, id);
}

/* Answered when it is done: who asks for the service after that finds what it was told. */
static void ask_bus(struct SecretServiceMock *mock, const char *method, GVariant *arguments)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) reply = g_dbus_connection_call_sync(mock->bus, "org.freedesktop.DBus",
		"/org/freedesktop/DBus", "org.freedesktop.DBus", method, arguments, NULL,
		G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
	if (error)
		fail_msg("%s", error->message);
}

struct SecretServiceMock *secret_service_mock_new(GDBusConnection *bus)
{
	struct SecretServiceMock *mock = g_new0(struct SecretServiceMock, 1);
	g_autoptr(GError) error = NULL;
	mock->bus = g_object_ref(bus);
	mock->interfaces = g_dbus_node_info_new_for_xml(interfaces_xml, &error);
	if (error)
		fail_msg("%s", error->message);
	mock->registrations = g_array_new(FALSE, FALSE, sizeof(guint));
	mock->items = g_ptr_array_new_with_free_func(item_free);
	mock->pending = g_ptr_array_new_with_free_func(prompt_free);
	export(mock, ROOT, SECRET "Service");
	export(mock, COLLECTION, SECRET "Collection");
	export(mock, ALIAS, SECRET "Collection");
	ask_bus(mock, "RequestName", g_variant_new("(su)", NAME, 0));
	mock->named = true;
	return mock;
}

void secret_service_mock_vanish(struct SecretServiceMock *mock)
{
	if (mock->named && !g_dbus_connection_is_closed(mock->bus))
		ask_bus(mock, "ReleaseName", g_variant_new("(s)", NAME));
	mock->named = false;
}

void secret_service_mock_free(struct SecretServiceMock *mock)
{
	secret_service_mock_vanish(mock);
	for (guint i = 0; i < mock->registrations->len; i++)
		g_dbus_connection_unregister_object(
			mock->bus, g_array_index(mock->registrations, guint, i));
	g_array_unref(mock->registrations);
	g_ptr_array_unref(mock->items);
	g_ptr_array_unref(mock->pending);
	g_dbus_node_info_unref(mock->interfaces);
	g_object_unref(mock->bus);
	g_free(mock);
}
