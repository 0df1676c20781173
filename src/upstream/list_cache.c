/* Files of lists, and what an upstream takes from them and puts there.
 *
 * A file belongs to a connector, the URL and headers that it is reached by, what is offered to its server and the era of the
 * IDE: a digest of these is its name, since it is read before anything else is known. It also belongs to a sign-in, whose id
 * stands inside: the keyring answers later, and what turns out to be another one's is withdrawn then (account.c).
 *
 * Trusts no file: it must be the user's own, not writable for others, whole by its digest and under the name it was
 * written for, and its definitions pass what those of a peer do. Anything else is put aside once, not looked at again.
 * Writes replace a file without waiting for the disk; several processes may write the same one, and the last one wins.
 *
 * What was recalled counts like what was fetched, but is stale. It is written again only if it changed: after the first
 * list of an opening, and after each change, some time later, so that what comes together is written once and the
 * first requests of an IDE do not wait for it; and a server with long lists that change all the time has them written
 * now and then, and at the end. */
#include "upstream/list_cache.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "upstream/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	SAVE_AFTER_MS = 1000,
	SAVE_BYTES_PER_S = 100 * 1024, /* of a server whose lists change all the time, on average */
	KEY_HEX_BYTES = 32,
	UNUSED_S = 90 * 24 * 3600,
	TOUCH_AFTER_S = 24 * 3600,
	LEFT_BEHIND_S = 3600, /* a file that its writer did not come to rename */
	FILES_MAX = 300,
};

#define DAMAGED ".damaged"
#define BEGUN ".mcp-mux-" /* of base/file.c */

struct ListCache {
	char *dir;
	bool swept;
};

struct ListCache *list_cache_new(void)
{
	struct ListCache *cache = g_new0(struct ListCache, 1);
	cache->dir = file_cache_path("lists");
	return cache;
}

void list_cache_free(struct ListCache *cache)
{
	if (!cache)
		return;
	g_free(cache->dir);
	g_free(cache);
}

static char *path_of(const struct ListCache *cache, const char *connector, const char *key)
{
	return g_strdup_printf("%s/%s.%s.json", cache->dir, connector, key);
}

/* ---- reading ---- */

static bool is_safe(const struct stat *status, mode_t type)
{
	return (status->st_mode & S_IFMT) == type && status->st_uid == geteuid() &&
	       (status->st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/* Opens PATH if it can be trusted as far as its status tells; -1 and *WHY, NULL if it is not there. */
static int open_safely(const char *dir, const char *path, struct stat *status, const char **why)
{
	struct stat around;
	*why = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		if (errno != ENOENT)
			*why = g_strerror(errno);
		return -1;
	}
	if (fstat(fd, status) < 0 || !is_safe(status, S_IFREG))
		*why = "it is not the user's own, or others may write to it";
	else if (stat(dir, &around) < 0 || !is_safe(&around, S_IFDIR))
		*why = "others may write to its directory";
	else if (status->st_size > LIST_RECORD_BYTES_MAX)
		*why = "it is too large";
	if (!*why)
		return fd;
	close(fd);
	return -1;
}

/* Reads SIZE bytes; NULL if it is shorter by now. */
static GBytes *read_bytes(int fd, size_t size)
{
	g_autofree char *bytes = g_malloc(size + 1);
	size_t used = 0;
	while (used < size) {
		ssize_t n = read(fd, bytes + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return NULL;
		used += (size_t)n;
	}
	return g_bytes_new_take(g_steal_pointer(&bytes), size);
}

/* Those that are in use are not swept away. */
static void touch(int fd, const struct stat *status)
{
	if (time(NULL) - status->st_mtime > TOUCH_AFTER_S && futimens(fd, NULL) < 0)
		log_debug(NULL, "a file of the list cache keeps its time: %s", g_strerror(errno));
}

static void put_aside(const char *connector, const char *path, const char *why)
{
	g_autofree char *aside = g_strconcat(path, DAMAGED, NULL);
	log_warning(connector, "its lists in the cache are not used: %s: %s", path, why);
	if (rename(path, aside) < 0)
		log_debug(connector, "%s: %s", aside, g_strerror(errno));
}

struct ListRecord *list_cache_read(struct ListCache *cache, const char *connector, const char *key,
	char digest[LIST_RECORD_DIGEST_BYTES])
{
	g_autofree char *path = path_of(cache, connector, key);
	g_autoptr(ListRecord) record = NULL;
	g_autoptr(GError) error = NULL;
	struct stat status;
	const char *why;
	int fd = open_safely(cache->dir, path, &status, &why);
	if (fd >= 0) {
		g_autoptr(GBytes) text = read_bytes(fd, (size_t)status.st_size);
		record = text ? list_record_parse(text, digest, &error) : NULL;
		if (!text)
			why = "it cannot be read";
		else if (!record)
			why = error->message;
		else if (strcmp(record->key, key) != 0)
			why = "it was another file";
		else
			touch(fd, &status);
		close(fd);
	}
	if (!why)
		return g_steal_pointer(&record);
	put_aside(connector, path, why);
	return NULL;
}

bool list_cache_read_lists(
	struct ListCache *cache, const char *connector, struct ListRecord *record)
{
	g_autoptr(GError) error = NULL;
	if (list_record_read_lists(record, &error))
		return true;
	g_autofree char *path = path_of(cache, connector, record->key);
	put_aside(connector, path, error->message);
	return false;
}

/* ---- writing ---- */

struct Found {
	char *name;
	time_t used;
};

static void found_free(void *data)
{
	struct Found *found = data;
	g_free(found->name);
	g_free(found);
}

static int by_use(const void *a, const void *b)
{
	const struct Found *const *one = a;
	const struct Found *const *other = b;
	return ((*one)->used > (*other)->used) - ((*one)->used < (*other)->used);
}

/* Deletes NAME in DIRECTORY; false with errno. */
static bool delete_in(const char *directory, const char *name)
{
	g_autofree char *path = g_build_filename(directory, name, NULL);
	return unlink(path) == 0 || errno == ENOENT;
}

/* Deletes what nobody used for long, and then the oldest of what is too much. */
static void sweep(const struct ListCache *cache)
{
	g_autoptr(GDir) dir = g_dir_open(cache->dir, 0, NULL);
	if (!dir)
		return;
	g_autoptr(GPtrArray) files = g_ptr_array_new_with_free_func(found_free);
	time_t now = time(NULL);
	const char *name;
	while ((name = g_dir_read_name(dir))) {
		struct stat status;
		g_autofree char *path = g_build_filename(cache->dir, name, NULL);
		if (lstat(path, &status) < 0 || S_ISDIR(status.st_mode))
			continue;
		bool begun = g_str_has_prefix(name, BEGUN);
		if (now - status.st_mtime > (begun ? LEFT_BEHIND_S : UNUSED_S)) {
			(void)delete_in(cache->dir, name);
			continue;
		}
		struct Found *found = g_new(struct Found, 1);
		*found = (struct Found){g_strdup(name), status.st_mtime};
		g_ptr_array_add(files, found);
	}
	g_ptr_array_sort(files, by_use);
	for (guint i = 0; i + FILES_MAX < files->len; i++)
		(void)delete_in(cache->dir, ((struct Found *)files->pdata[i])->name);
}

size_t list_cache_write(struct ListCache *cache, const char *connector,
	const struct ListRecord *record, char digest[LIST_RECORD_DIGEST_BYTES])
{
	char before[LIST_RECORD_DIGEST_BYTES];
	g_autofree char *path = path_of(cache, connector, record->key);
	g_autoptr(GError) error = NULL;
	g_strlcpy(before, digest, sizeof(before));
	g_autofree char *text = list_record_write(record, digest);
	if (strcmp(before, digest) == 0 && access(path, F_OK) == 0)
		return 0;
	if (!text) {
		log_debug(connector, "its lists are too large for the cache");
		list_cache_drop(cache, connector, record->key);
		return 0;
	}
	if (!file_replace_unsynced(path, slice_of(text), 0600, &error)) {
		log_debug(connector, "its lists are not kept: %s", error->message);
		*digest = '\0'; /* the next one may be */
		return 0;
	}
	if (!cache->swept) {
		cache->swept = true;
		sweep(cache);
	}
	return strlen(text);
}

void list_cache_drop(struct ListCache *cache, const char *connector, const char *key)
{
	g_autofree char *path = path_of(cache, connector, key);
	if (unlink(path) < 0 && errno != ENOENT)
		log_warning(connector, "its lists in the cache were not deleted: %s: %s", path,
			g_strerror(errno));
}

static void forget(const char *directory, const char *connector)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
	if (!dir && !g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		log_warning(
			connector, "its lists in the cache were not deleted: %s", error->message);
	if (!dir)
		return;
	g_autofree char *prefix = g_strconcat(connector, ".", NULL);
	const char *name;
	while ((name = g_dir_read_name(dir))) {
		if (g_str_has_prefix(name, prefix) && !delete_in(directory, name))
			log_warning(connector, "its lists in the cache were not deleted: %s/%s: %s",
				directory, name, g_strerror(errno));
	}
}

void list_cache_forget(const char *connector)
{
	g_autofree char *directory = file_cache_path("lists");
	forget(directory, connector);
}

/* ---- of an upstream ---- */

static void add_part(GChecksum *sum, const char *text)
{
	g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text) + 1);
}

/* All that a server's lists may depend on, and the version of the file, since versions run side by side. */
static char *key_of(const struct Upstream *up, enum Era era)
{
	const struct ConnectorConfig *connector = up->connector;
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_autofree char *kinds =
		g_strdup_printf("%d %d %d", LIST_RECORD_VERSION, (int)connector->auth, (int)era);
	add_part(sum, kinds);
	add_part(sum, connector->name);
	add_part(sum, connector->url);
	for (guint i = 0; connector->headers && i < connector->headers->len; i++) {
		const struct HeaderConfig *header = connector->headers->pdata[i];
		add_part(sum, header->name);
		add_part(sum, header->value);
	}
	add_part(sum, "");
	add_part(sum, up->offered);
	add_part(sum, upstream_client(up, ERA_LEGACY));
	add_part(sum, upstream_client(up, ERA_MODERN));
	return g_strndup(g_checksum_get_string(sum), KEY_HEX_BYTES);
}

bool upstream_recall(struct Upstream *up, enum Era era)
{
	const char *name = up->connector->name;
	bool has_account = up->connector->auth != AUTH_NONE;
	if (!up->shared.lists || up->unread || up->kept_key || (has_account && !up->credential))
		return false;
	up->kept_key = key_of(up, era);
	g_autoptr(ListRecord) record =
		list_cache_read(up->shared.lists, name, up->kept_key, up->kept_digest);
	if (!record)
		return false;
	if (has_account == (*record->grant == '\0')) {
		*up->kept_digest = '\0';
		return false;
	}
	up->spoken = record->modern ? ERA_MODERN : ERA_LEGACY;
	up->offers = record->offers;
	g_free(up->instructions);
	up->instructions = g_strdup(record->instructions);
	up->recalled_grant = g_strdup(record->grant);
	up->recalled = g_steal_pointer(&record);
	return true;
}

void upstream_recall_lists(struct Upstream *up)
{
	g_autoptr(ListRecord) record = g_steal_pointer(&up->recalled);
	if (!record)
		return;
	if (list_cache_read_lists(up->shared.lists, up->connector->name, record))
		upstream_take_recalled(up, record);
	else
		*up->kept_digest = '\0';
}

void upstream_check_recalled(struct Upstream *up, const char *grant)
{
	g_autofree char *recalled = g_steal_pointer(&up->recalled_grant);
	if (!recalled || g_strcmp0(recalled, grant) == 0)
		return;
	log_info(up->connector->name, "its lists in the cache are of another sign-in");
	list_cache_drop(up->shared.lists, up->connector->name, up->kept_key);
	*up->kept_digest = '\0';
	up->spoken = ERA_UNKNOWN;
	up->offers = 0;
	g_clear_pointer(&up->instructions, g_free);
	upstream_forget_lists(up);
}

void upstream_forget_kept(struct Upstream *up)
{
	loop_timer_stop(&up->keep);
	up->keep_due = false;
	g_clear_pointer(&up->recalled_grant, g_free);
	*up->kept_digest = '\0';
	if (up->kept_key)
		list_cache_forget(up->connector->name);
}

/* What is written is of the sign-in that there is now. Lists of resources never are. */
static void keep(struct Upstream *up)
{
	static const enum McpList kept[] = {MCP_TOOLS, MCP_PROMPTS, MCP_TEMPLATES};
	struct ListRecord record = {
		.key = up->kept_key,
		.grant = up->credential ? up->grant : (char[]){""},
		.modern = up->spoken == ERA_MODERN,
		.offers = up->offers,
		.instructions = up->instructions,
	};
	up->keep_due = false;
	if (up->credential && (!up->grant || !*up->grant))
		return; /* whose they are is not known */
	for (unsigned i = 0; i < G_N_ELEMENTS(kept); i++) {
		const struct List *list = &up->lists[kept[i]];
		if (up->credential && g_strcmp0(list->grant, up->grant) != 0)
			continue;
		record.items[kept[i]] = list->items;
		if (kept[i] == MCP_TOOLS)
			record.tools = list->tools;
	}
	if (!record.tools)
		return;
	size_t written =
		list_cache_write(up->shared.lists, up->connector->name, &record, up->kept_digest);
	up->keep_again_us =
		g_get_monotonic_time() + (int64_t)written * G_USEC_PER_SEC / SAVE_BYTES_PER_S;
}

static void on_keep(void *user)
{
	keep(user);
}

void upstream_keep_soon(struct Upstream *up)
{
	if (!up->kept_key || up->keep_due || up->shut_down)
		return;
	up->keep_due = true;
	int64_t pause_ms = (up->keep_again_us - g_get_monotonic_time()) / 1000;
	loop_timer_start(up->shared.loop, &up->keep,
		(unsigned)CLAMP(pause_ms, SAVE_AFTER_MS, G_MAXINT), on_keep, up);
}

void upstream_end_keeping(struct Upstream *up)
{
	loop_timer_stop(&up->keep);
	if (up->keep_due)
		keep(up);
}
