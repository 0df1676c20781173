/* A file of lines that several processes append to at the same time, each line by one write(2), and that is renamed
 * away when it has grown large: PATH becomes PATH.1, PATH.1 becomes PATH.2 and so on; the last one goes. */
#ifndef MCP_MUX_BASE_LINE_LOG_H
#define MCP_MUX_BASE_LINE_LOG_H

#include "base/cleanup.h"
#include "base/slice.h"

#include <stdint.h>

struct LineLog;

/* Nothing is opened before the first line. LOCK_PATH is the lock (base/file.h) under which it is renamed; MAX_BYTES is
 * the size that it should not pass, OLD_FILES how many of the old ones are kept. */
struct LineLog *line_log_new(
	const char *path, const char *lock_path, int64_t max_bytes, unsigned old_files);
void line_log_free(struct LineLog *log);
MUX_AUTOPTR(LineLog, line_log_free)

/* Appends LINE, which ends with LF, so that it stands on a line of its own whatever was there before. True only if all
 * of it is in the file. Else MUX_ERROR_IO, and the next line tries everything anew: the folder (made with 0700) or the
 * file (0600) cannot be made or written, or the file is a symbolic link, no regular file or another user's. Blocks on
 * nothing but the file system. */
bool line_log_append(struct LineLog *log, struct Slice line, GError **error);

/* PATH.N, for N = 0 PATH itself; for g_free. */
char *line_log_path(const char *path, unsigned n);

#endif
