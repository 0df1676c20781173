/* Notices that files change, without looking at them from time to time. */
#ifndef MCP_MUX_BASE_FILE_WATCH_H
#define MCP_MUX_BASE_FILE_WATCH_H

#include "base/cleanup.h"

enum { FILE_WATCH_SETTLE_MS = 50 };

struct FileWatch;

/* Watches for any number of paths, with one descriptor, in the thread's default main context. If the system has no watch
 * left, that is a warning in the log. */
struct FileWatch *file_watch_new(void);
/* Calls CHANGED from the context, FILE_WATCH_SETTLE_MS after the first of the changes that come together, when
 * something happened to PATH: its content, mode or owner; that it came, went or was replaced; the target of a symbolic
 * link that it is, or that stands on the way to it. It may be called without such a change; it is never called from inside of
 * these functions, and must not free WATCH. PATH may be a file or a directory (whose entries count then), and need not
 * exist, nor the directories above it. Others who write beside it cost no wake-ups. A path that cannot be watched
 * is a warning in the log, once. */
void file_watch_add(
	struct FileWatch *watch, const char *path, void (*changed)(void *user), void *user);
void file_watch_free(struct FileWatch *watch); /* NULL is fine */
MUX_AUTOPTR(FileWatch, file_watch_free)

#endif
