/* The store of pins. A file is read when it is needed and forgotten when all is written, so that an idle server does not keep
 * definitions twice; the catalog keeps what was found (pins_generation).
 *
 * Several processes use the files at a time. Whoever writes takes the lock, reads again, and puts in what only it knows: a
 * definition that another process wrote first wins. The lock is never waited for by a server, whose loop must go on:
 * what is new stays in memory meanwhile.
 *
 * The files are the person's, but others may have damaged them. One that is no file of pins, or that somebody else could
 * write, is as good as none, and is set aside under the lock, before the first writing. One of a newer version is left
 * alone, and so is one that cannot be read now or lies where others may write. Nothing is known then: with
 * pin_tools = block what nobody can vouch for is hidden.
 *
 * Definitions are a server's: they are compared as canonical texts, and a file never grows beyond PIN_RECORD_MAX. What does
 * not fit cannot be pinned and is treated like what nobody can vouch for. */
#include "mux/pins.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "format/audit_line.h"
#include "format/definition.h"
#include "format/pin_record.h"
#include "format/url.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	RETRY_MS = 40,
	LAST_TRY_MS = 200,
	LOCK_MS = 30000, /* of commands */
	SMALL_BYTES = 1024 * 1024, /* a file up to that is written whenever it has to be, */
	BYTES_PER_S =
		512 *
		1024, /* a larger one, which only a strange server needs, so much on average */
};

/* The pins of one connector at one URL. */
struct PinFile {
	char *connector;
	char *url; /* canonical */
	char *path;
	struct PinRecord *record; /* NULL: to be read */
	struct stat seen; /* of the file when it was read last; st_ino 0: there was none */
	bool was_read;
	char *damage; /* why the file is as good as none; NULL: it is not */
	char *trouble; /* why nothing is known, and nothing may be written; NULL: it is not so */
	bool trouble_told;
	bool full_told;
	gint64 due_us; /* monotonic: not written before that */
	GHashTable *fresh; /* names of tools in RECORD that are not in the file */
	GHashTable *told; /* name of a changed tool to the digest that was said to be so */
};

struct Pins {
	const struct MuxConfig *mux;
	bool learn;
	GHashTable *files; /* "CONNECTOR\nURL" to struct PinFile, which stays */
	struct PinFile *last; /* asked for, by LAST_URL as it was written; NULL: none */
	char *last_url;
	unsigned generation;
	unsigned retry; /* a source of the main context; 0: none */
	bool failure_told;
};

static void file_free(void *data)
{
	struct PinFile *file = data;
	g_free(file->connector);
	g_free(file->url);
	g_free(file->path);
	pin_record_free(file->record);
	g_free(file->damage);
	g_free(file->trouble);
	g_hash_table_unref(file->fresh);
	g_hash_table_unref(file->told);
	g_free(file);
}

char *pins_directory(void)
{
	return file_state_path("pins");
}

static char *lock_path(void)
{
	return file_state_path("locks/pins");
}

struct Pins *pins_new(const struct MuxConfig *mux, bool learn)
{
	struct Pins *pins = g_new0(struct Pins, 1);
	pins->mux = mux;
	pins->learn = learn;
	pins->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);
	return pins;
}

static struct PinFile *look_up_file(struct Pins *pins, const struct ConnectorConfig *connector)
{
	g_autofree char *canonical = url_canonical(connector->url);
	const char *url = canonical ? canonical : connector->url;
	g_autofree char *key = g_strdup_printf("%s\n%s", connector->name, url);
	struct PinFile *file = g_hash_table_lookup(pins->files, key);
	if (file)
		return file;
	g_autofree char *directory = pins_directory();
	g_autofree char *name = g_strconcat(connector->name, ".json", NULL);
	file = g_new0(struct PinFile, 1);
	file->connector = g_strdup(connector->name);
	file->url = g_strdup(url);
	file->path = g_build_filename(directory, name, NULL);
	file->fresh = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	file->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_hash_table_insert(pins->files, g_steal_pointer(&key), file);
	return file;
}

/* Tools come connector by connector. */
static struct PinFile *find_file(struct Pins *pins, const struct ConnectorConfig *connector)
{
	if (pins->last && strcmp(pins->last->connector, connector->name) == 0 &&
		strcmp(pins->last_url, connector->url) == 0)
		return pins->last;
	pins->last = look_up_file(pins, connector);
	g_free(pins->last_url);
	pins->last_url = g_strdup(connector->url);
	return pins->last;
}

/* ---- reading ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Links are not followed: none of ours is one. */
static void look(const struct PinFile *file, struct stat *out)
{
	if (lstat(file->path, out) < 0)
		*out = (struct stat){0};
}

/* Why what is there cannot be a file of ours; NULL: it can. */
static const char *find_foreign(const struct stat *status)
{
	if (status->st_uid != geteuid())
		return "it belongs to somebody else";
	if (!S_ISREG(status->st_mode))
		return "it is no regular file";
	return status->st_mode & (S_IWGRP | S_IWOTH) ? "others may write to it" : NULL;
}

/* Whether there is certainly nothing. */
static bool is_absent(const struct PinFile *file)
{
	struct stat status;
	return lstat(file->path, &status) < 0 && (errno == ENOENT || errno == ENOTDIR);
}

/* Whether others may put something else in the place of FILE, or take it away. */
static bool is_exposed(const struct PinFile *file)
{
	struct stat around;
	g_autofree char *directory = g_path_get_dirname(file->path);
	if (stat(directory, &around) < 0)
		return false; /* nothing is there yet, or the file cannot be read either */
	return S_ISDIR(around.st_mode) &&
	       (around.st_uid != geteuid() || (around.st_mode & (S_IWGRP | S_IWOTH)) != 0);
}

/* ERROR without the path, which is said beside it. */
static char *reason_of(const struct PinFile *file, const GError *error)
{
	g_autofree char *before = g_strconcat(file->path, ": ", NULL);
	bool is_named = g_str_has_prefix(error->message, before);
	return g_strdup(error->message + (is_named ? strlen(before) : 0));
}

/* The file as it is now; an empty record and DAMAGE or TROUBLE where it cannot be used. That it cannot be read now does not
 * prove that it is damaged. */
static struct PinRecord *read_record(struct PinFile *file)
{
	g_autoptr(GError) error = NULL;
	size_t len = 0;
	g_clear_pointer(&file->damage, g_free);
	g_clear_pointer(&file->trouble, g_free);
	const char *foreign = file->seen.st_ino ? find_foreign(&file->seen) : NULL;
	if (is_exposed(file))
		file->trouble = g_strdup("others may write to its directory");
	else if (foreign)
		file->damage = g_strdup(foreign);
	if (file->trouble || file->damage)
		return pin_record_new(file->url);
	g_autofree char *text = file_read(file->path, PIN_RECORD_MAX, &len, &error);
	if (!text && g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
		return pin_record_new(file->url);
	struct PinRecord *record = NULL;
	if (text)
		record = pin_record_parse((struct Slice){text, len}, file->url, &error);
	if (record)
		return record;
	bool is_unreadable = g_error_matches(error, MUX_ERROR, MUX_ERROR_IO) && !is_absent(file);
	if (is_unreadable || g_error_matches(error, MUX_ERROR, MUX_ERROR_FAILED))
		file->trouble = reason_of(file, error);
	else
		file->damage = reason_of(file, error);
	return pin_record_new(file->url);
}

/* Puts what is new into RECORD, as far as no other process was faster. */
static void merge(struct Pins *pins, struct PinFile *file, struct PinRecord *record)
{
	GHashTableIter iter;
	void *name;
	g_hash_table_iter_init(&iter, file->fresh);
	while (g_hash_table_iter_next(&iter, &name, NULL)) {
		const struct PinnedTool *mine = pin_record_find(file->record, name);
		const struct PinnedTool *theirs = pin_record_find(record, name);
		bool is_same = theirs && theirs->definition && mine->definition &&
			       strcmp(theirs->definition, mine->definition) == 0;
		if (theirs && !is_same)
			pins->generation++;
		if (theirs || !pin_record_copy(record, mine))
			g_hash_table_iter_remove(&iter);
	}
}

/* Reads the file again. */
static void reload(struct Pins *pins, struct PinFile *file)
{
	struct stat now;
	look(file, &now);
	if (file->was_read && !is_same_file(&now, &file->seen))
		pins->generation++;
	file->seen = now;
	file->was_read = true;
	bool had_trouble = file->trouble != NULL;
	struct PinRecord *record = read_record(file);
	if (had_trouble != (file->trouble != NULL))
		pins->generation++;
	if (file->record)
		merge(pins, file, record);
	pin_record_free(file->record);
	file->record = record;
	if (file->trouble && pins->learn && !file->trouble_told) {
		file->trouble_told = true;
		log_warning(file->connector,
			"its tools cannot be compared with what was approved%s: %s: %s",
			pins->mux->pin_tools == PIN_BLOCK
				? ", so they stay hidden (pin_tools = block)"
				: "",
			file->path, file->trouble);
	}
}

/* The file of CONNECTOR with its record. */
static struct PinFile *open_file(struct Pins *pins, const struct ConnectorConfig *connector)
{
	struct PinFile *file = find_file(pins, connector);
	if (!file->record)
		reload(pins, file);
	return file;
}

void pins_reread(struct Pins *pins)
{
	GHashTableIter iter;
	void *value;
	if (!pins)
		return;
	g_hash_table_iter_init(&iter, pins->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct PinFile *file = value;
		struct stat now;
		look(file, &now);
		if (file->was_read && (file->trouble || !is_same_file(&now, &file->seen)))
			reload(pins, file);
	}
}

/* ---- comparing ---- */

static char *now_text(void)
{
	GString *text = g_string_new(NULL);
	audit_time_append(text, g_get_real_time());
	return g_string_free(text, FALSE);
}

/* What nobody can vouch for. */
static enum PinState unknown_state(const struct Pins *pins)
{
	return pins->mux->pin_tools == PIN_BLOCK ? PIN_STATE_CHANGED : PIN_STATE_NONE;
}

static enum PinState learn(
	struct Pins *pins, struct PinFile *file, const char *name, struct Slice canonical)
{
	g_autofree char *now = now_text();
	if (pin_record_put(file->record, name, canonical, now)) {
		g_hash_table_add(file->fresh, g_strdup(name));
		return PIN_STATE_APPROVED;
	}
	if (!file->full_told)
		log_warning(file->connector, "it lists more than can be pinned: %s is full%s",
			file->path,
			pins->mux->pin_tools == PIN_BLOCK ? ", and what does not fit stays hidden"
							  : "");
	file->full_told = true;
	return unknown_state(pins);
}

static enum PinState compare(struct Pins *pins, const struct ConnectorConfig *connector,
	const struct Tool *tool, bool learns)
{
	struct PinFile *file = open_file(pins, connector);
	if (file->trouble)
		return unknown_state(pins);
	const struct PinnedTool *pinned = pin_record_find(file->record, tool->name);
	if (!pinned && !learns)
		return PIN_STATE_NONE;
	size_t len = 0;
	g_autofree char *text = definition_canonical(tool->raw, &len);
	struct Slice canonical = {text, len};
	if (!pinned)
		return learn(pins, file, tool->name, canonical);
	if (!pin_record_matches(pinned, canonical))
		return PIN_STATE_CHANGED;
	g_hash_table_remove(file->told, tool->name);
	return PIN_STATE_APPROVED;
}

enum PinState pins_check(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool)
{
	if (!pins || pins->mux->pin_tools == PIN_OFF)
		return PIN_STATE_NONE;
	return compare(pins, connector, tool, pins->learn);
}

enum PinState pins_compare(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool)
{
	return compare(pins, connector, tool, false);
}

unsigned pins_generation(const struct Pins *pins)
{
	return pins ? pins->generation : 0;
}

static void digest_tool(const struct Tool *tool, char hex[PIN_DIGEST_HEX + 1])
{
	size_t len = 0;
	g_autofree char *text = definition_canonical(tool->raw, &len);
	pin_digest((struct Slice){text, len}, hex);
}

bool pins_is_news(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool)
{
	struct PinFile *file = open_file(pins, connector);
	char digest[PIN_DIGEST_HEX + 1];
	if (!pins->learn || !pin_record_find(file->record, tool->name))
		return false;
	digest_tool(tool, digest);
	const char *told = g_hash_table_lookup(file->told, tool->name);
	if (told && strcmp(told, digest) == 0)
		return false;
	g_hash_table_replace(file->told, g_strdup(tool->name), g_strdup(digest));
	return true;
}

/* ---- what stands in a file ---- */

struct Slice pins_approved(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool)
{
	const struct PinFile *file = open_file(pins, connector);
	const struct PinnedTool *pinned = pin_record_find(file->record, tool->name);
	if (!pinned || !pinned->definition)
		return (struct Slice){0};
	return (struct Slice){pinned->definition, pinned->definition_len};
}

const char *pins_approved_at(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool)
{
	const struct PinFile *file = open_file(pins, connector);
	const struct PinnedTool *pinned = pin_record_find(file->record, tool->name);
	return pinned ? pinned->approved : NULL;
}

const char *pins_trouble(struct Pins *pins, const struct ConnectorConfig *connector)
{
	const struct PinFile *file = open_file(pins, connector);
	return file->trouble ? file->trouble : file->damage;
}

/* ---- writing ---- */

/* Makes room where a damaged file is; called under the lock. */
static bool set_aside(struct PinFile *file, GError **error)
{
	g_autofree char *aside = g_strconcat(file->path, ".damaged", NULL);
	if (rename(file->path, aside) < 0) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO,
			"%s: %s, and it cannot be set aside: %s", file->path, file->damage,
			g_strerror(errno));
		return false;
	}
	log_warning(file->connector,
		"the pins of its tools are begun anew: %s: %s (it is kept as %s.json.damaged)",
		file->path, file->damage, file->connector);
	g_clear_pointer(&file->damage, g_free);
	return true;
}

/* Writes the record; called under the lock, after it was read again. */
static bool write_file(struct PinFile *file, bool synced, GError **error)
{
	size_t len = 0;
	if (file->damage && !set_aside(file, error))
		return false;
	g_autofree char *text = pin_record_write(file->record, &len);
	struct Slice content = {text, len};
	if (len > PIN_RECORD_MAX) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED, "%s: there is no room for more",
			file->path);
		return false;
	}
	bool done = synced ? file_replace(file->path, content, 0600, error)
			   : file_replace_unsynced(file->path, content, 0600, error);
	if (done) {
		g_hash_table_remove_all(file->fresh);
		look(file, &file->seen);
	}
	return done;
}

static bool has_fresh(const struct PinFile *file)
{
	return g_hash_table_size(file->fresh) > 0;
}

/* A server that lists another new tool every second does not have all of a large file written every second. */
static void rest(struct PinFile *file)
{
	gint64 bytes = file->seen.st_size > SMALL_BYTES ? file->seen.st_size : 0;
	file->due_us = g_get_monotonic_time() + bytes * G_USEC_PER_SEC / BYTES_PER_S;
}

/* Writes all that is new and due by NOW_US; called under the lock. */
static void write_fresh(struct Pins *pins, gint64 now_us)
{
	GHashTableIter iter;
	void *value;
	g_hash_table_iter_init(&iter, pins->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct PinFile *file = value;
		g_autoptr(GError) error = NULL;
		if (!has_fresh(file) || file->due_us > now_us)
			continue;
		reload(pins, file);
		if (file->trouble || !has_fresh(file))
			continue;
		if (write_file(file, false, &error)) {
			rest(file);
			continue;
		}
		if (!pins->failure_told)
			log_warning(file->connector,
				"the definitions of its tools cannot be written down, so that a "
				"change from one run to the next is not noticed: %s",
				error->message);
		pins->failure_told = true;
	}
}

/* What is in the files need not be in memory. */
static void forget_records(struct Pins *pins)
{
	GHashTableIter iter;
	void *value;
	g_hash_table_iter_init(&iter, pins->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct PinFile *file = value;
		if (!has_fresh(file))
			g_clear_pointer(&file->record, pin_record_free);
	}
}

/* When the first file that has something new is due, of those that are at FROM_US or later; G_MAXINT64: there is none. */
static gint64 find_due(struct Pins *pins, gint64 from_us)
{
	GHashTableIter iter;
	void *value;
	gint64 due_us = G_MAXINT64;
	g_hash_table_iter_init(&iter, pins->files);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct PinFile *file = value;
		if (has_fresh(file) && file->due_us >= from_us)
			due_us = MIN(due_us, file->due_us);
	}
	return due_us;
}

static gboolean on_retry(void *user)
{
	struct Pins *pins = user;
	pins->retry = 0;
	pins_keep(pins);
	return G_SOURCE_REMOVE;
}

/* Writes what is due, or has it tried again soon. */
static void keep_due(struct Pins *pins, gint64 now_us)
{
	gint64 holder = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *path = lock_path();
	g_autoptr(FileLock) lock = file_try_lock(path, &holder, &error);
	if (lock)
		write_fresh(pins, now_us);
	else if (!error)
		pins->retry = g_timeout_add(RETRY_MS, on_retry, pins);
	else if (!pins->failure_told)
		log_warning(NULL, "pins of tools cannot be written: %s", error->message);
	pins->failure_told |= error != NULL;
}

bool pins_keep(struct Pins *pins)
{
	if (!pins)
		return false;
	unsigned before = pins->generation;
	gint64 now_us = g_get_monotonic_time();
	if (!pins->retry && find_due(pins, 0) <= now_us)
		keep_due(pins, now_us);
	gint64 next_us = find_due(pins, now_us + 1);
	if (!pins->retry && next_us < G_MAXINT64)
		pins->retry = g_timeout_add((guint)((next_us - now_us) / 1000 + 1), on_retry, pins);
	forget_records(pins);
	return pins->generation != before;
}

void pins_free(struct Pins *pins)
{
	if (!pins)
		return;
	if (pins->retry)
		g_source_remove(pins->retry);
	if (find_due(pins, 0) < G_MAXINT64) {
		g_autoptr(GError) error = NULL;
		g_autofree char *path = lock_path();
		g_autoptr(FileLock) lock = file_lock(path, LAST_TRY_MS, &error);
		if (lock)
			write_fresh(pins, G_MAXINT64);
		else
			log_warning(NULL, "new tools are not pinned: %s", error->message);
	}
	g_hash_table_unref(pins->files);
	g_free(pins->last_url);
	g_free(pins);
}

/* ---- commands ---- */

/* Under the lock: the file as it is now, which can be written. */
static struct PinFile *open_to_write(
	struct Pins *pins, const struct ConnectorConfig *connector, GError **error)
{
	struct PinFile *file = find_file(pins, connector);
	reload(pins, file);
	if (!file->trouble)
		return file;
	g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED, "%s: %s", file->path, file->trouble);
	return NULL;
}

bool pins_show(struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool,
	GError **error)
{
	g_autofree char *path = lock_path();
	g_autoptr(FileLock) lock = file_lock(path, LOCK_MS, error);
	struct PinFile *file = lock ? open_to_write(pins, connector, error) : NULL;
	if (!file)
		return false;
	const struct PinnedTool *pinned = pin_record_find(file->record, tool->name);
	char digest[PIN_DIGEST_HEX + 1];
	digest_tool(tool, digest);
	if (!pinned || (pinned->shown && strcmp(pinned->shown, digest) == 0))
		return true;
	pin_record_set_shown(file->record, tool->name, digest);
	return write_file(file, false, error);
}

bool pins_approve(struct Pins *pins, const struct ConnectorConfig *connector,
	const struct Tool *tool, GError **error)
{
	g_autofree char *path = lock_path();
	g_autoptr(FileLock) lock = file_lock(path, LOCK_MS, error);
	struct PinFile *file = lock ? open_to_write(pins, connector, error) : NULL;
	if (!file)
		return false;
	size_t len = 0;
	g_autofree char *text = definition_canonical(tool->raw, &len);
	char digest[PIN_DIGEST_HEX + 1];
	pin_digest((struct Slice){text, len}, digest);
	const struct PinnedTool *pinned = pin_record_find(file->record, tool->name);
	if (pinned && pinned->shown && strcmp(pinned->shown, digest) != 0) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED,
			"it has changed again since `mcp-mux diff` showed it; run that again");
		return false;
	}
	g_autofree char *now = now_text();
	if (!pin_record_put(file->record, tool->name, (struct Slice){text, len}, now)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED, "%s: there is no room for more",
			file->path);
		return false;
	}
	pins->generation++;
	return write_file(file, true, error);
}
