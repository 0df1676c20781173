/* Files, locks and directories. Trusts the file system to be a local POSIX one; owns no state besides
 * the descriptors it opens, all of them close-on-exec from birth.
 *
 * Replacing: what a symlink finally points to is found first, also where that file does not exist yet, so
 * that dotfiles which live elsewhere stay symlinks. The new content is written to a private file in the
 * target's own directory, synced, and renamed over it; then the directory is synced. A reader sees the
 * old content or the new one and never a part. What can be made again is not synced.
 *
 * Locking: open-file-description locks belong to the descriptor, not to the process, so that two
 * users of this file in one process exclude each other too. The kernel does not say who holds such a
 * lock; the holder writes its process id into the file. */
#include "base/file.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SMALLEST_READ = 4096,
	MOST_SYMLINKS = 40, /* as the kernel */
	LOCK_POLL_US = 20 * 1000,
};

static bool fail(GError **error, const char *path, int number)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: %s", path, g_strerror(number));
	return false;
}

/* Callers tell a file that is not there from one that cannot be read. */
static void fail_open(GError **error, const char *path, int number)
{
	if (number == ENOENT)
		g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: %s", path,
			g_strerror(number));
	else
		fail(error, path, number);
}

/* Closes without touching errno. */
static void close_quietly(int fd)
{
	int number = errno;
	close(fd);
	errno = number;
}

static char *read_all(
	int fd, const char *path, size_t hint, size_t max_bytes, size_t *len, GError **error)
{
	/* One byte more than expected, so that the end is seen without growing, and one for the NUL. */
	size_t cap = MAX(MIN(hint, max_bytes), SMALLEST_READ) + 2;
	g_autofree char *data = g_malloc(cap);
	size_t used = 0;
	for (;;) {
		ssize_t n = read(fd, data + used, cap - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			fail(error, path, errno);
			return NULL;
		}
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max_bytes) {
			g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
				"%s: larger than %zu bytes", path, max_bytes);
			return NULL;
		}
		if (used == cap - 1)
			data = g_realloc(data, cap *= 2);
	}
	data[used] = '\0';
	*len = used;
	return g_steal_pointer(&data);
}

char *file_read(const char *path, size_t max_bytes, size_t *len, GError **error)
{
	/* Without O_NONBLOCK a pipe that nobody writes to would hang the open. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		fail_open(error, path, errno);
		return NULL;
	}
	char *data = NULL;
	struct stat status;
	if (fstat(fd, &status) < 0)
		fail(error, path, errno);
	else if (!S_ISREG(status.st_mode))
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: not a regular file", path);
	else
		data = read_all(fd, path, (size_t)status.st_size, max_bytes, len, error);
	close(fd);
	return data;
}

/* What PATH is or, where it is a symlink, finally names; it need not exist. */
static char *resolve(const char *path, GError **error)
{
	g_autofree char *target = g_strdup(path);
	for (unsigned i = 0; i < MOST_SYMLINKS; i++) {
		char link[PATH_MAX];
		ssize_t n = readlink(target, link, sizeof(link) - 1);
		if (n < 0 && errno != EINVAL && errno != ENOENT) {
			fail(error, target, errno);
			return NULL;
		}
		if (n < 0)
			return g_steal_pointer(&target);
		link[n] = '\0';
		g_autofree char *dir = g_path_get_dirname(target);
		g_autofree char *next =
			*link == '/' ? g_strdup(link) : g_build_filename(dir, link, NULL);
		g_free(target);
		target = g_steal_pointer(&next);
	}
	fail(error, path, ELOOP);
	return NULL;
}

static bool make_parents(const char *path, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	return g_mkdir_with_parents(dir, 0700) == 0 || fail(error, dir, errno);
}

static bool write_all(int fd, struct Slice content)
{
	while (content.len) {
		ssize_t n = write(fd, content.data, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		content.data += n;
		content.len -= (size_t)n;
	}
	return true;
}

/* Gives the new file what the OLD one had. Where its group cannot be kept, the group that the new one
 * has instead gets no access. */
static bool copy_owner_and_mode(int fd, const struct stat *old)
{
	mode_t mode = old->st_mode & 07777;
	struct stat new;
	if (fstat(fd, &new) < 0)
		return false;
	bool same = new.st_uid == old->st_uid &&new.st_gid == old->st_gid;
	if (!same && fchown(fd, old->st_uid, old->st_gid) < 0 &&
		new.st_gid != old->st_gid &&fchown(fd, (uid_t)-1, old->st_gid) < 0)
		mode &= ~(mode_t)(S_IRWXG | S_ISGID);
	return fchmod(fd, mode) == 0;
}

static bool sync_directory(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	/* EINVAL: a file system whose directories cannot be synced. */
	bool done = fsync(fd) == 0 || errno == EINVAL;
	close_quietly(fd);
	return done;
}

/* Fills the open temporary file. OLD is NULL where there was none. */
static bool fill(int fd, struct Slice content, int mode, const struct stat *old, bool synced)
{
	return write_all(fd, content) &&
	       (old ? copy_owner_and_mode(fd, old) : fchmod(fd, (mode_t)mode) == 0) &&
	       (!synced || fsync(fd) == 0);
}

static bool replace(const char *target, struct Slice content, int mode, const struct stat *old,
	bool synced, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(target);
	g_autofree char *beside = g_build_filename(dir, ".mcp-mux-XXXXXX", NULL);
	int fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return fail(error, dir, errno);
	bool filled = fill(fd, content, mode, old, synced);
	if (!filled)
		close_quietly(fd);
	/* Some file systems report a full disk at the close only. */
	if (!filled || close(fd) < 0 || rename(beside, target) < 0) {
		fail(error, target, errno);
		unlink(beside);
		return false;
	}
	return !synced || sync_directory(dir) || fail(error, dir, errno);
}

bool file_replace(const char *path, struct Slice content, int mode, GError **error)
{
	g_autofree char *target = resolve(path, error);
	if (!target || !make_parents(target, error))
		return false;
	struct stat old;
	bool exists = stat(target, &old) == 0;
	if (!exists && errno != ENOENT)
		return fail(error, target, errno);
	if (exists && !S_ISREG(old.st_mode)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: not a regular file", target);
		return false;
	}
	return replace(target, content, mode, exists ? &old : NULL, true, error);
}

bool file_replace_unsynced(const char *path, struct Slice content, int mode, GError **error)
{
	return make_parents(path, error) && replace(path, content, mode, NULL, false, error);
}

struct FileLock {
	int fd;
};

/* Leaves the process id for those who wait. Only a help to people: a disk that is full must not keep
 * anybody from locking, so a failure is of no consequence. */
static void write_holder(int fd, pid_t pid)
{
	char text[32];
	int n = pid ? g_snprintf(text, sizeof(text), "%ld\n", (long)pid) : 0;
	if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n)
		return;
}

/* The process id in the file, 0 where there is none. */
static gint64 read_holder(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	gint64 pid = g_ascii_strtoll(text, NULL, 10);
	return pid > 0 ? pid : 0;
}

static bool lock_failed(GError **error, int fd, const char *path, unsigned timeout_ms)
{
	gint64 pid = read_holder(fd);
	g_autofree char *holder = pid ? g_strdup_printf("process %" G_GINT64_FORMAT, pid)
				      : g_strdup("another process");
	g_set_error(error, MUX_ERROR, MUX_ERROR_TIMEOUT, "%s: still locked by %s after %g s", path,
		holder, timeout_ms / 1000.0);
	return false;
}

/* The lock file PATH, opened; -1 with ERROR. */
static int open_lock(const char *path, GError **error)
{
	if (!make_parents(path, error))
		return -1;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0)
		fail(error, path, errno);
	return fd;
}

enum Attempt { ATTEMPT_HAD, ATTEMPT_HELD, ATTEMPT_FAILED };

static enum Attempt attempt(int fd, const char *path, GError **error)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (TEMP_FAILURE_RETRY(fcntl(fd, F_OFD_SETLK, &lock)) == 0)
		return ATTEMPT_HAD;
	if (errno == EAGAIN || errno == EACCES)
		return ATTEMPT_HELD;
	fail(error, path, errno);
	return ATTEMPT_FAILED;
}

static bool wait_for_lock(int fd, const char *path, unsigned timeout_ms, GError **error)
{
	gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
	for (;;) {
		enum Attempt outcome = attempt(fd, path, error);
		if (outcome != ATTEMPT_HELD)
			return outcome == ATTEMPT_HAD;
		gint64 left = deadline - g_get_monotonic_time();
		if (left <= 0)
			return lock_failed(error, fd, path, timeout_ms);
		g_usleep((gulong)MIN(left, LOCK_POLL_US));
	}
}

/* Takes FD over, whose lock is had. */
static struct FileLock *lock_new(int fd)
{
	write_holder(fd, getpid());
	struct FileLock *lock = g_new0(struct FileLock, 1);
	lock->fd = fd;
	return lock;
}

struct FileLock *file_lock(const char *path, unsigned timeout_ms, GError **error)
{
	int fd = open_lock(path, error);
	if (fd < 0)
		return NULL;
	if (wait_for_lock(fd, path, timeout_ms, error))
		return lock_new(fd);
	close(fd);
	return NULL;
}

struct FileLock *file_try_lock(const char *path, gint64 *holder, GError **error)
{
	int fd = open_lock(path, error);
	if (fd < 0)
		return NULL;
	enum Attempt outcome = attempt(fd, path, error);
	if (outcome == ATTEMPT_HAD)
		return lock_new(fd);
	if (outcome == ATTEMPT_HELD)
		*holder = read_holder(fd);
	close(fd);
	return NULL;
}

void file_unlock(struct FileLock *lock)
{
	if (!lock)
		return;
	write_holder(lock->fd, 0);
	/* A child between fork and exec shares the description, so that closing would not unlock. */
	struct flock unlock = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
	fcntl(lock->fd, F_OFD_SETLK, &unlock);
	close(lock->fd);
	g_free(lock);
}

/* XDG base directory specification: a variable that is not an absolute path is to be ignored. */
static char *xdg_path(const char *variable, const char *fallback, const char *name)
{
	const char *base = g_getenv(variable);
	if (base && g_path_is_absolute(base))
		return g_build_filename(base, "mcp-mux", name, NULL);
	const char *home = g_getenv("HOME");
	if (!home || !g_path_is_absolute(home))
		home = g_get_home_dir();
	return g_build_filename(home, fallback, "mcp-mux", name, NULL);
}

char *file_state_path(const char *name)
{
	return xdg_path("XDG_STATE_HOME", ".local/state", name);
}

char *file_cache_path(const char *name)
{
	return xdg_path("XDG_CACHE_HOME", ".cache", name);
}

char *file_config_path(void)
{
	return xdg_path("XDG_CONFIG_HOME", ".config", "mcp-mux.ini");
}
