/* Appending lines to a file that others append to.
 *
 * What makes a line whole: O_APPEND, and one write(2) for all of it, which the kernel does not interleave with others.
 * What breaks one: a process that is killed, or a disk that is full, in the middle of a write. The line that is left
 * torn so has no end, and whoever appends next must give it one. So every append looks whether the file has the size
 * that the last one left it with; if not, whether it ends with LF, and after a moment once more, since a line may just be
 * growing. It looks after its own write, too, since another process may have died between the two: then the line is
 * written again.
 *
 * Whoever finds the file too large renames it, under a lock that is never waited for: if it is taken, somebody else is
 * at it. Each append compares what PATH names with what is open, so that it follows at once, and a file that was
 * deleted is made anew. Owns one descriptor. */
#include "base/line_log.h"

#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	LATER = 10, /* where it could not be renamed it is tried again with a tenth more */
	LOOKS = 4, /* at a line without an end: whoever writes it may be at it, */
	LOOK_US = 200, /* which takes less than that mostly */
};

struct LineLog {
	char *path, *lock_path;
	int64_t max_bytes;
	unsigned old_files;
	int fd; /* -1: none */
	dev_t device;
	ino_t inode;
	int64_t end; /* behind our last line; -1: not known to follow an LF */
	int64_t rename_bytes; /* it is renamed when it would pass this */
};

struct LineLog *line_log_new(
	const char *path, const char *lock_path, int64_t max_bytes, unsigned old_files)
{
	struct LineLog *log = g_new0(struct LineLog, 1);
	log->path = g_strdup(path);
	log->lock_path = g_strdup(lock_path);
	log->max_bytes = max_bytes;
	log->old_files = old_files;
	log->fd = -1;
	return log;
}

static void close_file(struct LineLog *log)
{
	if (log->fd >= 0)
		close(log->fd);
	log->fd = -1;
}

void line_log_free(struct LineLog *log)
{
	if (!log)
		return;
	close_file(log);
	g_free(log->path);
	g_free(log->lock_path);
	g_free(log);
}

char *line_log_path(const char *path, unsigned n)
{
	return n == 0 ? g_strdup(path) : g_strdup_printf("%s.%u", path, n);
}

static bool fail_text(GError **error, const char *path, const char *what)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: %s", path, what);
	return false;
}

static bool fail(GError **error, const char *path, int number)
{
	return fail_text(error, path, number == ELOOP ? "is a symbolic link" : g_strerror(number));
}

/* ---- opening ---- */

/* Nobody else may look into it. */
static bool make_folder(const char *path, GError **error)
{
	struct stat st;
	g_autofree char *dir = g_path_get_dirname(path);
	if (g_mkdir_with_parents(dir, 0700) < 0 || stat(dir, &st) < 0)
		return fail(error, dir, errno);
	if (st.st_uid == geteuid() && (st.st_mode & 077) && chmod(dir, 0700) < 0)
		return fail(error, dir, errno);
	return true;
}

/* Whether what is open is a file that lines may be written to; closes it else. */
static bool take_file(struct LineLog *log, GError **error)
{
	struct stat st;
	bool good = false;
	if (fstat(log->fd, &st) < 0)
		fail(error, log->path, errno);
	else if (!S_ISREG(st.st_mode))
		fail_text(error, log->path, "is not a regular file");
	else if (st.st_uid != geteuid())
		fail_text(error, log->path, "belongs to another user");
	else if ((st.st_mode & 077) && fchmod(log->fd, 0600) < 0)
		fail(error, log->path, errno);
	else
		good = true;
	if (!good) {
		close_file(log);
		return false;
	}
	log->device = st.st_dev;
	log->inode = st.st_ino;
	log->end = -1;
	log->rename_bytes = log->max_bytes;
	return true;
}

static bool open_file(struct LineLog *log, GError **error)
{
	if (!make_folder(log->path, error))
		return false;
	/* Without O_NONBLOCK a pipe that nobody reads would hang the open. */
	log->fd = open(log->path,
		O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
	if (log->fd < 0)
		return fail(error, log->path, errno);
	return take_file(log, error);
}

/* Opens it if it is not, or if PATH names another file by now. *SIZE gets its size. */
static bool reach_file(struct LineLog *log, int64_t *size, GError **error)
{
	struct stat st;
	if (log->fd >= 0 && lstat(log->path, &st) == 0 && st.st_ino == log->inode &&
		st.st_dev == log->device) {
		*size = st.st_size;
		return true;
	}
	close_file(log);
	if (!open_file(log, error))
		return false;
	if (fstat(log->fd, &st) == 0) {
		*size = st.st_size;
		return true;
	}
	fail(error, log->path, errno);
	close_file(log);
	return false;
}

/* ---- renaming ---- */

static bool rename_one(const struct LineLog *log, unsigned from)
{
	g_autofree char *old = line_log_path(log->path, from);
	g_autofree char *new = line_log_path(log->path, from + 1);
	return rename(old, new) == 0 || errno == ENOENT;
}

/* From the oldest on; if one cannot be moved none is put in its place. */
static bool rename_all(const struct LineLog *log)
{
	for (unsigned n = log->old_files; n > 0; n--) {
		if (!rename_one(log, n - 1))
			return false;
	}
	return true;
}

/* Renames it, unless another process does. */
static void rename_full(struct LineLog *log)
{
	gint64 holder;
	struct stat st;
	g_autoptr(FileLock) lock = file_try_lock(log->lock_path, &holder, NULL);
	bool ours = lock && lstat(log->path, &st) == 0 && st.st_ino == log->inode &&
		    st.st_dev == log->device;
	if (ours && !rename_all(log))
		log->rename_bytes += log->rename_bytes / LATER;
}

/* ---- appending ---- */

/* Whether the byte before AT ends a line, or there is none. */
static bool ends_line(const struct LineLog *log, int64_t at)
{
	char last;
	return at == 0 || (pread(log->fd, &last, 1, at - 1) == 1 && last == '\n');
}

/* Whether the file of *SIZE bytes, which gets the size that it has by then, ends in a line without an end. */
static bool is_torn(const struct LineLog *log, int64_t *size)
{
	struct stat st;
	for (unsigned look = 0; *size != log->end && !ends_line(log, *size); look++) {
		if (look == LOOKS)
			return true;
		g_usleep(LOOK_US);
		if (fstat(log->fd, &st) == 0)
			*size = st.st_size;
	}
	return false;
}

/* One write(2): of an LF before the line where that is needed. */
static bool write_line(struct LineLog *log, struct Slice line, bool lf, GError **error)
{
	static const char newline[] = "\n";
	const struct iovec parts[] = {
		{(char *)newline, lf ? 1 : 0},
		{(char *)line.data, line.len},
	};
	ssize_t wanted = (ssize_t)(line.len + parts[0].iov_len);
	ssize_t n = TEMP_FAILURE_RETRY(writev(log->fd, parts, G_N_ELEMENTS(parts)));
	if (n == wanted)
		return true;
	log->end = -1;
	if (n < 0)
		return fail(error, log->path, errno);
	return fail_text(error, log->path, "only a part of a line could be written");
}

/* The descriptor stands behind the line now; whether what is before the LEN bytes ended one, which it did where they were
 * put at SIZE. */
static bool has_landed(struct LineLog *log, size_t len, int64_t size)
{
	log->end = lseek(log->fd, 0, SEEK_CUR);
	int64_t begin = log->end - (int64_t)len;
	return begin == size || ends_line(log, begin);
}

bool line_log_append(struct LineLog *log, struct Slice line, GError **error)
{
	int64_t size;
	if (!reach_file(log, &size, error))
		return false;
	if (size > 0 && size + (int64_t)line.len > log->rename_bytes) {
		rename_full(log);
		if (!reach_file(log, &size, error))
			return false;
	}
	bool torn = is_torn(log, &size);
	if (!write_line(log, line, torn, error))
		return false;
	return torn || has_landed(log, line.len, size) || write_line(log, line, true, error);
}
