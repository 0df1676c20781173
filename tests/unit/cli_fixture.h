/* What the tests of cli/ share. */
#ifndef MCP_MUX_TESTS_CLI_FIXTURE_H
#define MCP_MUX_TESTS_CLI_FIXTURE_H

#include <glib.h>
#include <glib/gstdio.h>

/* Removes PATH and everything in it, following no link. */
static inline void remove_tree(const char *path)
{
	g_autoptr(GDir) entries =
		g_file_test(path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open(path, 0, NULL);
	const char *name;
	while (entries && (name = g_dir_read_name(entries))) {
		g_autofree char *child = g_build_filename(path, name, NULL);
		remove_tree(child);
	}
	if (g_remove(path) != 0)
		g_error("cannot remove %s", path);
}

#endif
