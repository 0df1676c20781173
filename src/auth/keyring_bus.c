/* Which session bus. A bus sees every secret that passes it in some form, so one that is found by its place must be
 * a socket that this user owns; the address in DBUS_SESSION_BUS_ADDRESS is the user's own word. No bus is
 * started (GLib would do so where there is an X display). */
#include "auth/keyring_internal.h"

#include <gio/gio.h>
#include <sys/stat.h>
#include <unistd.h>

/* The address of FOLDER's socket; NULL if it has none of ours. */
static char *socket_address(const char *folder)
{
	if (!folder || !*folder)
		return NULL;
	g_autofree char *path = g_build_filename(folder, "bus", NULL);
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode) || st.st_uid != geteuid())
		return NULL;
	g_autofree char *escaped = g_dbus_address_escape_value(path);
	return g_strconcat("unix:path=", escaped, NULL);
}

char *keyring_bus_address(GError **error)
{
	const char *set = g_getenv("DBUS_SESSION_BUS_ADDRESS");
	if (set && *set)
		return g_strdup(set);
	char *address = socket_address(g_getenv("XDG_RUNTIME_DIR"));
	if (!address)
		g_propagate_error(error, keyring_fault(KEYRING_FAULT_NO_BUS));
	return address;
}

void keyring_find_bus_in(const char *folder)
{
	g_autofree char *found = keyring_bus_address(NULL);
	if (found)
		return;
	g_autofree char *own_folder = g_strdup_printf("%s/%u", folder, (unsigned)geteuid());
	g_autofree char *address = socket_address(own_folder);
	if (address)
		g_setenv("DBUS_SESSION_BUS_ADDRESS", address, TRUE);
}

void keyring_find_bus(void)
{
	keyring_find_bus_in("/run/user");
}
