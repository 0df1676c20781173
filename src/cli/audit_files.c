/* The log's files as one stream. They are opened from the newest to the oldest and known by their inodes, so that one
 * that is renamed meanwhile is neither missed nor read twice; read from the oldest to the newest. Of those that were
 * read the last two stay open: a process that had the older one open may still write a line to it. */
#include "cli/audit.h"

#include "base/error.h"
#include "base/line_log.h"
#include "mux/audit.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024, STAY_OPEN = 2 };

struct File {
	int fd;
	dev_t device;
	ino_t inode;
	GString *rest; /* of a line whose end has not come */
	bool skipping; /* that line is too long */
};

struct AuditFiles {
	char *path;
	GPtrArray *files; /* struct File, oldest first */
	unsigned damaged;
};

static void file_free(void *data)
{
	struct File *file = data;
	close(file->fd);
	g_string_free(file->rest, TRUE);
	g_free(file);
}

struct AuditFiles *audit_files_new(const char *path)
{
	struct AuditFiles *files = g_new0(struct AuditFiles, 1);
	files->path = g_strdup(path);
	files->files = g_ptr_array_new_with_free_func(file_free);
	return files;
}

void audit_files_free(struct AuditFiles *files)
{
	if (!files)
		return;
	g_ptr_array_unref(files->files);
	g_free(files->path);
	g_free(files);
}

unsigned audit_files_damaged(const struct AuditFiles *files)
{
	unsigned damaged = files->damaged;
	for (guint i = 0; i < files->files->len; i++) {
		const struct File *file = files->files->pdata[i];
		damaged += file->rest->len > 0;
	}
	return damaged;
}

/* ---- finding them ---- */

/* NULL without an error where it is not there. */
static struct File *open_file(const char *path, GError **error)
{
	struct stat st = {0};
	const char *fault = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		fault = errno == ELOOP ? "is a symbolic link" : g_strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "is not a regular file";
	if (fault) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: %s", path, fault);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	struct File *file = g_new0(struct File, 1);
	file->fd = fd;
	file->device = st.st_dev;
	file->inode = st.st_ino;
	file->rest = g_string_new(NULL);
	return file;
}

static bool is_among(const GPtrArray *files, const struct File *file)
{
	for (guint i = 0; i < files->len; i++) {
		const struct File *each = files->pdata[i];
		if (each->inode == file->inode && each->device == file->device)
			return true;
	}
	return false;
}

/* Opens those that are not yet. */
static bool find_files(struct AuditFiles *files, GError **error)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(file_free); /* newest first */
	for (unsigned n = 0; n <= AUDIT_OLD_FILES; n++) {
		GError *fault = NULL;
		g_autofree char *path = line_log_path(files->path, n);
		struct File *file = open_file(path, &fault);
		if (fault) {
			g_propagate_error(error, fault);
			return false;
		}
		bool known = file && is_among(files->files, file);
		if (file && !known && !is_among(found, file))
			g_ptr_array_add(found, file);
		else if (file)
			file_free(file);
		if (known)
			break; /* so are all that are older */
	}
	while (found->len > 0)
		g_ptr_array_add(files->files, g_ptr_array_steal_index(found, found->len - 1));
	return true;
}

/* ---- reading them ---- */

/* A line has come to its end. False: EACH wants no more. */
static bool end_line(struct AuditFiles *files, struct File *file, AuditEach *each, void *user)
{
	bool go_on = true;
	if (file->skipping)
		files->damaged++;
	else if (file->rest->len > 0) /* what ended a torn one may be empty */
		go_on = each((struct Slice){file->rest->str, file->rest->len}, user);
	file->skipping = false;
	g_string_truncate(file->rest, 0);
	return go_on;
}

static bool take_bytes(struct AuditFiles *files, struct File *file, struct Slice bytes,
	AuditEach *each, void *user)
{
	while (bytes.len > 0) {
		const char *end = memchr(bytes.data, '\n', bytes.len);
		size_t len = end ? (size_t)(end - bytes.data) : bytes.len;
		if (file->rest->len + len > AUDIT_LINE_MAX)
			file->skipping = true;
		if (!file->skipping)
			g_string_append_len(file->rest, bytes.data, (gssize)len);
		if (end && !end_line(files, file, each, user))
			return false;
		size_t used = len + (end ? 1 : 0);
		bytes = (struct Slice){bytes.data + used, bytes.len - used};
	}
	return true;
}

static bool read_file(
	struct AuditFiles *files, struct File *file, AuditEach *each, void *user, GError **error)
{
	g_autofree char *chunk = g_malloc(CHUNK_BYTES);
	for (;;) {
		ssize_t n = TEMP_FAILURE_RETRY(read(file->fd, chunk, CHUNK_BYTES));
		if (n < 0)
			g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "%s: %s", files->path,
				g_strerror(errno));
		if (n <= 0)
			return n == 0;
		if (!take_bytes(files, file, (struct Slice){chunk, (size_t)n}, each, user))
			return false;
	}
}

static void close_oldest(struct AuditFiles *files)
{
	const struct File *file = files->files->pdata[0];
	files->damaged += file->rest->len > 0;
	g_ptr_array_remove_index(files->files, 0);
}

bool audit_files_read(struct AuditFiles *files, AuditEach *each, void *user, GError **error)
{
	if (!find_files(files, error))
		return false;
	for (guint i = 0; i < files->files->len; i++) {
		if (!read_file(files, files->files->pdata[i], each, user, error))
			return false;
	}
	while (files->files->len > STAY_OPEN)
		close_oldest(files);
	return true;
}
