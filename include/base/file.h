/* Files as this program needs them: read with a limit, replaced atomically, locked across processes,
 * in the XDG directories. */
#ifndef MCP_MUX_BASE_FILE_H
#define MCP_MUX_BASE_FILE_H

#include "base/cleanup.h"
#include "base/slice.h"

/* The bytes of PATH, for g_free; *LEN gets their number; a NUL follows them. NULL with MUX_ERROR_IO
 * (not found: G_FILE_ERROR_NOENT), or MUX_ERROR_TOO_LARGE over MAX_BYTES. Only a regular file is read
 * (through symlinks), so that nothing hangs. */
char *file_read(const char *path, size_t max_bytes, size_t *len, GError **error);

/* Replaces PATH's content: written beside the resolved target (a symlink stays a symlink), synced,
 * renamed over it. Keeps the mode and, where permitted, the owner of an existing file; a new one gets
 * MODE. Missing parent directories are made with 0700. MUX_ERROR_IO. */
bool file_replace(const char *path, struct Slice content, int mode, GError **error);

/* The same for what can be made again: PATH itself becomes a new file of MODE (also where it was a symlink), and nothing is
 * synced, so that it takes no time; readers see the old content or the new, but after a crash of the machine it may be
 * anything. MUX_ERROR_IO. */
bool file_replace_unsynced(const char *path, struct Slice content, int mode, GError **error);

/* A lock across processes: an open-file-description lock on PATH, polled, given up after TIMEOUT_MS with
 * MUX_ERROR_TIMEOUT naming the holder's process id where it can be found. The file is made with 0600,
 * its parents with 0700, and is never unlinked. Blocks the caller. */
struct FileLock;
struct FileLock *file_lock(const char *path, unsigned timeout_ms, GError **error);
/* The same without waiting: NULL without an error if somebody else holds it. *HOLDER gets their process id, 0
 * where it is not known. */
struct FileLock *file_try_lock(const char *path, gint64 *holder, GError **error);
void file_unlock(struct FileLock *lock);
MUX_AUTOPTR(FileLock, file_unlock)

/* $XDG_STATE_HOME/mcp-mux/NAME and $XDG_CACHE_HOME/mcp-mux/NAME, and the user's configuration file by
 * default, with the fallbacks under HOME that the XDG base directory specification names. For g_free. */
char *file_state_path(const char *name);
char *file_cache_path(const char *name);
char *file_config_path(void);

#endif
