/* libsecret's service, but that it asks the call whether a prompt may be shown.
 *
 * Prompts come up where nobody expects them: in the middle of a lookup, a store, a deletion, and by the service's
 * decision alone. libsecret leads all of them through the class's prompt_async and prompt_finish, which are replaced
 * here; whose call it is, the cancellable says. Where no prompt may be shown the service's prompt object is left
 * as it is, and goes with the connection.
 *
 * A prompt under way is never cancelled: gnome-keyring 42 crashes when its prompt is dismissed from outside.
 * Hence there is no cancellable on the way down, and a call that was cancelled meanwhile ends after the prompt.
 *
 * secret_prompt_perform is used itself, since the class's own prompt_async (libsecret 0.20.5) never returns when a
 * prompt ends without a result. */
#include "auth/keyring_internal.h"

#include <gio/gio.h>

struct KeyringService {
	SecretService parent;
};
struct KeyringServiceClass {
	SecretServiceClass parent;
};
typedef struct KeyringService KeyringService;
typedef struct KeyringServiceClass KeyringServiceClass;

G_DEFINE_TYPE(KeyringService, keyring_service, SECRET_TYPE_SERVICE)

struct Prompting {
	struct KeyringCall *call;
	GVariantType *type; /* of what the prompt gives; NULL: any */
};

static void prompting_free(void *data)
{
	struct Prompting *prompting = data;
	keyring_call_unref(prompting->call);
	g_clear_pointer(&prompting->type, g_variant_type_free);
	g_free(prompting);
}

/* Services differ in what they send with "dismissed", which libsecret keeps to itself: no object, "/", anything.
 * Where any type may come (a deletion) the call finds out by itself. */
static bool is_refusal(GVariant *result, const GVariantType *type)
{
	if (!result || !type)
		return !result;
	if (!g_variant_is_of_type(result, type))
		return true;
	if (g_variant_is_of_type(result, G_VARIANT_TYPE_OBJECT_PATH))
		return strcmp(g_variant_get_string(result, NULL), "/") == 0;
	return g_variant_is_of_type(result, G_VARIANT_TYPE_OBJECT_PATH_ARRAY) &&
	       g_variant_n_children(result) == 0;
}

static void on_performed(GObject *prompt, GAsyncResult *outcome, gpointer user)
{
	g_autoptr(GTask) task = user;
	const struct Prompting *prompting = g_task_get_task_data(task);
	g_autoptr(GError) error = NULL;
	g_autoptr(GVariant) result =
		secret_prompt_perform_finish(SECRET_PROMPT(prompt), outcome, &error);
	g_autofree char *owner = g_dbus_proxy_get_name_owner(G_DBUS_PROXY(prompt));
	if (!keyring_call_prompted(prompting->call))
		g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
	else if (error)
		g_task_return_error(task, g_steal_pointer(&error));
	else if (!result && !owner)
		g_task_return_error(task, keyring_fault(KEYRING_FAULT_ENDED));
	else if (is_refusal(result, prompting->type))
		g_task_return_error(task, keyring_fault(KEYRING_FAULT_DISMISSED));
	else
		g_task_return_pointer(
			task, g_steal_pointer(&result), (GDestroyNotify)g_variant_unref);
}

static void keyring_service_prompt(SecretService *service, SecretPrompt *prompt,
	const GVariantType *type, GCancellable *cancellable, GAsyncReadyCallback callback,
	gpointer user)
{
	g_autoptr(GTask) task = g_task_new(service, NULL, callback, user);
	struct KeyringCall *call = keyring_call_of(cancellable);
	if (!call || !keyring_call_prompts(call)) {
		g_task_return_error(task, keyring_fault(KEYRING_FAULT_MUST_ASK));
		return;
	}
	struct Prompting *prompting = g_new0(struct Prompting, 1);
	prompting->call = keyring_call_ref(call);
	prompting->type = type ? g_variant_type_copy(type) : NULL;
	g_task_set_task_data(task, prompting, prompting_free);
	secret_prompt_perform(prompt, NULL, NULL, NULL, on_performed, g_object_ref(task));
}

static GVariant *keyring_service_prompted(
	SecretService *service, GAsyncResult *result, GError **error)
{
	(void)service;
	return g_task_propagate_pointer(G_TASK(result), error);
}

/* libsecret's own constructor decides on the bus that GLib shares; what counts is the "g-connection" given. */
static GObject *keyring_service_construct(
	GType type, guint n_properties, GObjectConstructParam *properties)
{
	GObject *service = G_OBJECT_CLASS(keyring_service_parent_class)
				   ->constructor(type, n_properties, properties);
	g_object_set(service, "g-bus-type", G_BUS_TYPE_NONE, NULL);
	return service;
}

static void keyring_service_class_init(KeyringServiceClass *class)
{
	G_OBJECT_CLASS(class)->constructor = keyring_service_construct;
	class->parent.prompt_async = keyring_service_prompt;
	class->parent.prompt_finish = keyring_service_prompted;
}

static void keyring_service_init(KeyringService *service)
{
	(void)service;
}
