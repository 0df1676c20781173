/* Watching files with inotify.
 *
 * A path is walked as the kernel walks it, one name at a time, through symbolic links. Each thing on the way is watched
 * itself: that it is moved or deleted, its mode and owner; IN_ATTRIB comes also when one of its names went, so it
 * tells that a file or link was replaced. A directory is watched for the names in it only where the way ends in it, since the
 * next name is missing, or where the next thing may not be read and so cannot be watched itself. So what goes on beside the
 * path (in a home or /tmp, or a log that others append to) wakes nobody.
 *
 * Events only say that something may have happened. A little later all paths are walked anew; one whose way looks different
 * then, or whose own file or directory had an event, has changed. Watches are set before what they are for is looked at, so
 * nothing comes between.
 *
 * GFileMonitor is not used: it watches the whole directory of a file, so that its thread would wake for lines of the audit log
 * in every process, and it looks every four seconds for what is missing, was removed or cannot be read. */
#include "base/file_watch.h"

#include "base/log.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	LINKS_MAX = 40, /* as the kernel follows */
	EVENTS_BYTES = 4096,
	SELF = IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB,
	NAMES = SELF | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO,
	CONTENT = SELF | IN_MODIFY | IN_CLOSE_WRITE,
};

/* One path. */
struct Watched {
	char *path; /* absolute */
	void (*changed)(void *user);
	void *user;
	GString *
		looks; /* how its way looked: what is on it, in words that differ if anything does */
	bool touched; /* itself, since it was looked at */
	bool warned;
};

/* What one of the kernel's watches is for. */
struct Spot {
	char *path; /* without symbolic links */
	uint32_t wanted, set; /* masks: that is needed; that the kernel has */
	GPtrArray *names; /* char *: entries of a directory that count */
	GPtrArray *files; /* struct Watched: whose end this is, so that all in it counts */
};

struct FileWatch {
	int fd; /* -1: nothing can be watched */
	GMainContext *context;
	GSource *source, *settle; /* NULL: none */
	GPtrArray *paths; /* struct Watched */
	GHashTable *spots; /* int -> struct Spot */
};

/* One walk along a path. */
struct Walk {
	struct FileWatch *watch;
	struct Watched *watched;
	GHashTable *spots; /* the new ones */
	GString *looks;
	char *at; /* the directory that was reached */
	char *rest; /* the names that follow */
	unsigned links;
};

static void spot_free(gpointer data)
{
	struct Spot *spot = data;
	g_free(spot->path);
	g_ptr_array_unref(spot->names);
	g_ptr_array_unref(spot->files);
	g_free(spot);
}

static GHashTable *new_spots(void)
{
	return g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, spot_free);
}

static void watched_free(gpointer data)
{
	struct Watched *watched = data;
	g_free(watched->path);
	g_string_free(watched->looks, TRUE);
	g_free(watched);
}

/* ---- the walk ---- */

/* Watches what is at PATH, not following it, for MASK; NULL with errno if that is impossible. */
static struct Spot *set_spot(const struct Walk *walk, const char *path, uint32_t mask)
{
	int wd = inotify_add_watch(walk->watch->fd, path, mask | IN_MASK_ADD | IN_DONT_FOLLOW);
	if (wd < 0)
		return NULL;
	struct Spot *spot = g_hash_table_lookup(walk->spots, GINT_TO_POINTER(wd));
	if (!spot) {
		const struct Spot *old =
			g_hash_table_lookup(walk->watch->spots, GINT_TO_POINTER(wd));
		spot = g_new0(struct Spot, 1);
		spot->path = g_strdup(path);
		spot->set = old ? old->set : 0;
		spot->names = g_ptr_array_new_with_free_func(g_free);
		spot->files = g_ptr_array_new();
		g_hash_table_insert(walk->spots, GINT_TO_POINTER(wd), spot);
	}
	spot->wanted |= mask;
	spot->set |= mask;
	return spot;
}

static void warn(struct Watched *watched, int error_number)
{
	if (!watched->warned)
		log_warning(NULL, "%s: %s; that it changes is not noticed", watched->path,
			g_strerror(error_number));
	watched->warned = true;
}

/* Watches NEXT, which is NAME in the directory that was reached: itself, or, if it is missing or must not be read, what
 * becomes of the name. False with errno if neither can be. */
static bool watch_next(const struct Walk *walk, const char *next, const char *name)
{
	if (set_spot(walk, next, SELF))
		return true;
	struct Spot *around = set_spot(walk, walk->at, NAMES);
	int cause = errno;
	if (around)
		g_ptr_array_add(around->names, g_strdup(name));
	/* It may have come before the directory was watched. */
	bool watched = set_spot(walk, next, SELF) || around;
	errno = cause;
	return watched;
}

static void note(const struct Walk *walk, const struct stat *st)
{
	g_string_append_printf(walk->looks, "%jx:%jx:%o:%u:%u ", (uintmax_t)st->st_dev,
		(uintmax_t)st->st_ino, st->st_mode, st->st_uid, st->st_gid);
}

/* The way goes on where the link points. False if it does not. */
static bool follow_link(struct Walk *walk, const char *link)
{
	g_autofree char *target = g_file_read_link(link, NULL);
	if (!target || ++walk->links > LINKS_MAX)
		return false;
	g_string_append_printf(walk->looks, "-> %s ", target);
	char *rest = g_strconcat(target, "/", walk->rest, NULL);
	g_free(walk->rest);
	walk->rest = rest;
	if (*target == '/') {
		g_free(walk->at);
		walk->at = g_strdup("/");
	}
	return true;
}

/* Takes the next name off the rest; NULL at the end. */
static char *next_name(struct Walk *walk)
{
	size_t slashes = strspn(walk->rest, "/");
	size_t len = strcspn(walk->rest + slashes, "/");
	if (len == 0)
		return NULL;
	char *name = g_strndup(walk->rest + slashes, len);
	char *rest = g_strdup(walk->rest + slashes + len);
	g_free(walk->rest);
	walk->rest = rest;
	return name;
}

static void go_to(struct Walk *walk, char *path)
{
	g_free(walk->at);
	walk->at = path;
}

/* One name further; false where the way ends before its end. */
static bool step(struct Walk *walk, const char *name)
{
	struct stat st;
	if (strcmp(name, ".") == 0)
		return true;
	if (strcmp(name, "..") == 0) {
		go_to(walk, g_path_get_dirname(walk->at));
		return true;
	}
	g_autofree char *next = g_build_filename(walk->at, name, NULL);
	bool is_watched = watch_next(walk, next, name);
	int cause = errno;
	if (lstat(next, &st) < 0) {
		g_string_append_printf(walk->looks, "%d", errno);
		if (!is_watched && errno == ENOENT)
			warn(walk->watched, cause);
		return false;
	}
	note(walk, &st);
	if (S_ISLNK(st.st_mode))
		return follow_link(walk, next);
	go_to(walk, g_steal_pointer(&next));
	return true;
}

/* The way led to something: what is in it counts. */
static void arrive(struct Walk *walk)
{
	struct stat st;
	if (lstat(walk->at, &st) < 0)
		return;
	struct Spot *spot =
		set_spot(walk, walk->at, S_ISDIR(st.st_mode) ? NAMES | CONTENT : CONTENT);
	if (spot)
		g_ptr_array_add(spot->files, walk->watched);
	else if (errno !=
		 EACCES) /* then its content cannot be read either, and its name is watched */
		warn(walk->watched, errno);
	if (lstat(walk->at, &st) < 0)
		return;
	note(walk, &st);
	g_string_append_printf(walk->looks, "%jd %jd.%ld %jd.%ld", (intmax_t)st.st_size,
		(intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (intmax_t)st.st_ctim.tv_sec,
		st.st_ctim.tv_nsec);
}

/* How the way to WATCHED looks now; for g_string_free. */
static GString *look(struct FileWatch *watch, struct Watched *watched, GHashTable *spots)
{
	struct Walk walk = {
		.watch = watch,
		.watched = watched,
		.spots = spots,
		.looks = g_string_new(NULL),
		.at = g_strdup("/"),
		.rest = g_strdup(watched->path),
	};
	bool on = true;
	char *name;
	while (on && (name = next_name(&walk))) {
		on = step(&walk, name);
		g_free(name);
	}
	if (on)
		arrive(&walk);
	g_free(walk.at);
	g_free(walk.rest);
	return walk.looks;
}

/* Lets the kernel forget what is not needed any more. */
static void narrow(struct FileWatch *watch, GHashTable *old)
{
	GHashTableIter iter;
	gpointer wd, value;
	g_hash_table_iter_init(&iter, watch->spots);
	while (g_hash_table_iter_next(&iter, &wd, &value)) {
		struct Spot *spot = value;
		/* If something else is there by now, an event comes, and this is done again. */
		if (spot->set != spot->wanted &&
			inotify_add_watch(watch->fd, spot->path, spot->wanted | IN_DONT_FOLLOW) ==
				GPOINTER_TO_INT(wd))
			spot->set = spot->wanted;
	}
	g_hash_table_iter_init(&iter, old);
	while (g_hash_table_iter_next(&iter, &wd, NULL)) {
		if (!g_hash_table_contains(watch->spots, wd))
			inotify_rm_watch(watch->fd, GPOINTER_TO_INT(wd));
	}
}

/* Walks all paths, and notes which look different. */
static void scan(struct FileWatch *watch)
{
	g_autoptr(GHashTable) spots = new_spots();
	for (guint i = 0; i < watch->paths->len; i++) {
		struct Watched *watched = watch->paths->pdata[i];
		GString *looks = look(watch, watched, spots);
		watched->touched = watched->touched || !g_string_equal(looks, watched->looks);
		g_string_free(watched->looks, TRUE);
		watched->looks = looks;
	}
	GHashTable *old = watch->spots;
	watch->spots = g_steal_pointer(&spots);
	narrow(watch, old);
	g_hash_table_unref(old);
}

/* ---- events ---- */

static gboolean on_settled(gpointer user)
{
	struct FileWatch *watch = user;
	g_clear_pointer(&watch->settle, g_source_unref);
	scan(watch);
	for (guint i = 0; i < watch->paths->len; i++) {
		struct Watched *watched = watch->paths->pdata[i];
		bool touched = watched->touched;
		watched->touched = false;
		if (touched)
			watched->changed(watched->user);
	}
	return G_SOURCE_REMOVE;
}

static void touch_all(const GPtrArray *paths)
{
	for (guint i = 0; i < paths->len; i++)
		((struct Watched *)paths->pdata[i])->touched = true;
}

static bool is_named(const struct Spot *spot, const char *name)
{
	for (guint i = 0; i < spot->names->len; i++) {
		if (strcmp(spot->names->pdata[i], name) == 0)
			return true;
	}
	return false;
}

/* Whether EVENT may matter. */
static bool take_event(struct FileWatch *watch, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		touch_all(watch->paths);
		return true;
	}
	struct Spot *spot = g_hash_table_lookup(watch->spots, GINT_TO_POINTER(event->wd));
	if (!spot)
		return false;
	if (event->mask & IN_IGNORED) {
		g_hash_table_remove(watch->spots, GINT_TO_POINTER(event->wd));
		return true;
	}
	touch_all(spot->files);
	return event->len == 0 || spot->files->len > 0 || is_named(spot, event->name);
}

static GSource *start(struct FileWatch *watch, GSource *source, GSourceFunc callback)
{
	g_source_set_callback(source, callback, watch, NULL);
	g_source_attach(source, watch->context);
	return source;
}

static void stop(GSource *source)
{
	if (!source)
		return;
	g_source_destroy(source);
	g_source_unref(source);
}

static gboolean on_events(gint fd, GIOCondition condition, gpointer user)
{
	struct FileWatch *watch = user;
	char bytes[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
	bool matters = false;
	ssize_t len;
	(void)condition;
	while ((len = read(fd, bytes, sizeof(bytes))) > 0) {
		const struct inotify_event *event;
		for (const char *p = bytes; p < bytes + len; p += sizeof(*event) + event->len) {
			event = (const void *)p;
			matters = take_event(watch, event) || matters;
		}
	}
	if (matters && !watch->settle)
		watch->settle =
			start(watch, g_timeout_source_new(FILE_WATCH_SETTLE_MS), on_settled);
	return G_SOURCE_CONTINUE;
}

/* ---- from the caller ---- */

struct FileWatch *file_watch_new(void)
{
	struct FileWatch *watch = g_new0(struct FileWatch, 1);
	watch->paths = g_ptr_array_new_with_free_func(watched_free);
	watch->spots = new_spots();
	watch->context = g_main_context_ref_thread_default();
	watch->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watch->fd < 0)
		log_warning(NULL,
			"files cannot be watched, so changes count from the next start: %s",
			g_strerror(errno));
	else
		watch->source = start(
			watch, g_unix_fd_source_new(watch->fd, G_IO_IN), G_SOURCE_FUNC(on_events));
	return watch;
}

void file_watch_add(
	struct FileWatch *watch, const char *path, void (*changed)(void *user), void *user)
{
	if (watch->fd < 0)
		return;
	struct Watched *watched = g_new0(struct Watched, 1);
	g_autofree char *here = g_path_is_absolute(path) ? NULL : g_get_current_dir();
	watched->path = here ? g_build_filename(here, path, NULL) : g_strdup(path);
	watched->changed = changed;
	watched->user = user;
	watched->looks = g_string_new(NULL);
	g_ptr_array_add(watch->paths, watched);
	/* Beside what is watched already: a walk of the others would hide that they changed. */
	GString *looks = look(watch, watched, watch->spots);
	g_string_free(watched->looks, TRUE);
	watched->looks = looks;
}

void file_watch_free(struct FileWatch *watch)
{
	if (!watch)
		return;
	stop(watch->source);
	stop(watch->settle);
	g_main_context_unref(watch->context);
	if (watch->fd >= 0)
		close(watch->fd);
	g_hash_table_unref(watch->spots);
	g_ptr_array_unref(watch->paths);
	g_free(watch);
}
