/* g_autoptr for the house's types: MUX_AUTOPTR(Thing, thing_free) lets `g_autoptr(Thing) thing = …` call
 * thing_free when it goes out of scope. GLib's macro wants a type name, so it makes one. */
#ifndef MCP_MUX_BASE_CLEANUP_H
#define MCP_MUX_BASE_CLEANUP_H

#include <glib.h>

#define MUX_AUTOPTR(Thing, destroy)                                                                \
	typedef struct Thing Thing;                                                                \
	G_DEFINE_AUTOPTR_CLEANUP_FUNC(Thing, destroy)

#endif
