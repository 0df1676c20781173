#include "auth/keyring_internal.h"

#include "base/error.h"
#include "base/text.h"

#include <gio/gio.h>

enum { MOST_FOREIGN_BYTES = 200 };

static const char *fault_text(enum KeyringFault fault)
{
	switch (fault) {
	case KEYRING_FAULT_NO_BUS:
		return "there is no D-Bus session bus to reach the keyring by "
		       "(DBUS_SESSION_BUS_ADDRESS is not set)";
	case KEYRING_FAULT_BUS_SILENT:
		return "the D-Bus session bus does not answer";
	case KEYRING_FAULT_NO_SERVICE:
		return "there is no keyring service on the session bus "
		       "(gnome-keyring, KWallet or KeePassXC would be one)";
	case KEYRING_FAULT_SILENT:
		return "the keyring service does not answer";
	case KEYRING_FAULT_ENDED:
		return "the keyring service went away before it answered";
	case KEYRING_FAULT_CONTRADICTS:
		return "the keyring contradicts itself about an entry";
	case KEYRING_FAULT_KEY:
		return "the keyring takes no names that are not valid UTF-8";
	case KEYRING_FAULT_TOO_LARGE:
		return "this is more than the 1 MiB that go into a keyring entry";
	case KEYRING_FAULT_LOCKED:
		return "the keyring is locked";
	case KEYRING_FAULT_STILL_LOCKED:
		return "the keyring is still locked";
	case KEYRING_FAULT_NO_COLLECTION:
		return "there is no default keyring yet; run `mcp-mux connect`, which lets one be "
		       "made";
	case KEYRING_FAULT_MUST_ASK:
		return "the keyring wants to ask the person at the screen first";
	case KEYRING_FAULT_DISMISSED:
		return "the keyring's prompt was dismissed";
	}
	g_return_val_if_reached("");
}

static enum MuxError fault_code(enum KeyringFault fault)
{
	if (fault == KEYRING_FAULT_TOO_LARGE)
		return MUX_ERROR_TOO_LARGE;
	return fault >= KEYRING_FAULT_LOCKED ? MUX_ERROR_LOCKED : MUX_ERROR_KEYRING;
}

GError *keyring_fault(enum KeyringFault fault)
{
	return g_error_new_literal(MUX_ERROR, fault_code(fault), fault_text(fault));
}

static bool is_io(const GError *error, int code)
{
	return g_error_matches(error, G_IO_ERROR, code);
}

static bool is_dbus(const GError *error, int code)
{
	return g_error_matches(error, G_DBUS_ERROR, code);
}

bool keyring_is_gone(const GError *error)
{
	return g_error_matches(error, SECRET_ERROR, SECRET_ERROR_NO_SUCH_OBJECT) ||
	       is_dbus(error, G_DBUS_ERROR_UNKNOWN_OBJECT) ||
	       is_dbus(error, G_DBUS_ERROR_UNKNOWN_INTERFACE) ||
	       is_dbus(error, G_DBUS_ERROR_UNKNOWN_METHOD);
}

/* The bus tried to start the service. */
static bool is_spawn(const GError *error)
{
	return error->domain == G_DBUS_ERROR && error->code >= G_DBUS_ERROR_SPAWN_EXEC_FAILED &&
	       error->code <= G_DBUS_ERROR_SPAWN_NO_MEMORY;
}

GError *keyring_error(const GError *cause)
{
	if (cause->domain == MUX_ERROR)
		return g_error_copy(cause);
	if (g_error_matches(cause, SECRET_ERROR, SECRET_ERROR_IS_LOCKED))
		return keyring_fault(KEYRING_FAULT_LOCKED);
	if (is_dbus(cause, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
		is_dbus(cause, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
		is_dbus(cause, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND))
		return keyring_fault(KEYRING_FAULT_NO_SERVICE);
	if (is_io(cause, G_IO_ERROR_TIMED_OUT) || is_dbus(cause, G_DBUS_ERROR_TIMED_OUT) ||
		is_dbus(cause, G_DBUS_ERROR_TIMEOUT))
		return keyring_fault(KEYRING_FAULT_SILENT);
	if (is_dbus(cause, G_DBUS_ERROR_NO_REPLY) || is_dbus(cause, G_DBUS_ERROR_DISCONNECTED) ||
		is_io(cause, G_IO_ERROR_CLOSED) || is_io(cause, G_IO_ERROR_CONNECTION_CLOSED))
		return keyring_fault(KEYRING_FAULT_ENDED);
	g_autoptr(GError) bare = g_error_copy(cause);
	g_dbus_error_strip_remote_error(bare);
	g_autofree char *text = text_printable(slice_of(bare->message), MOST_FOREIGN_BYTES);
	return g_error_new(MUX_ERROR, MUX_ERROR_KEYRING,
		is_spawn(cause) ? "the keyring service cannot be started: %s"
				: "the keyring says: %s",
		text);
}
