#include "upstream/list_cache.h"

#include "list_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <utime.h>

#define TOOL "{\"name\":\"a\",\"inputSchema\":{\"type\":\"object\"}}"

enum { DAY_S = 24 * 3600 };

struct Shelf {
	char *folder, *dir;
	struct ListCache *cache;
};

static int set_up(void **state)
{
	struct Shelf *s = g_new0(struct Shelf, 1);
	s->dir = list_open(&s->folder);
	s->cache = list_cache_new();
	*state = s;
	return 0;
}

static int tear_down(void **state)
{
	struct Shelf *s = *state;
	list_cache_free(s->cache);
	list_close(s->folder);
	g_free(s->dir);
	g_free(s);
	return 0;
}

#define shelf_test(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

static char *path_of(const struct Shelf *s, const char *name)
{
	return g_build_filename(s->dir, name, NULL);
}

static bool is_there(const struct Shelf *s, const char *name)
{
	struct stat status;
	g_autofree char *path = path_of(s, name);
	return lstat(path, &status) == 0;
}

static void put(struct Shelf *s, const char *connector, const char *key)
{
	g_autoptr(ListRecord) record = list_record(key, "g1", TOOL);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	list_cache_write(s->cache, connector, record, digest);
}

static bool get(struct Shelf *s, const char *connector, const char *key)
{
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	g_autoptr(ListRecord) record = list_cache_read(s->cache, connector, key, digest);
	assert_int_equal(record != NULL, *digest != '\0' && record);
	return record != NULL;
}

static struct stat status_of(const struct Shelf *s, const char *name)
{
	struct stat status;
	g_autofree char *path = path_of(s, name);
	assert_int_equal(lstat(path, &status), 0);
	return status;
}

static void set_age(const struct Shelf *s, const char *name, time_t age)
{
	struct utimbuf times = {time(NULL) - age, time(NULL) - age};
	g_autofree char *path = path_of(s, name);
	assert_int_equal(utime(path, &times), 0);
}

static void make_file(const struct Shelf *s, const char *name, const char *text)
{
	g_autofree char *path = path_of(s, name);
	assert_int_equal(g_mkdir_with_parents(s->dir, 0700), 0);
	assert_true(g_file_set_contents(path, text, -1, NULL));
}

static void test_what_is_kept_comes_back(void **state)
{
	struct Shelf *s = *state;
	g_autoptr(ListRecord) record = list_record("k", "g1", TOOL);
	char written[LIST_RECORD_DIGEST_BYTES] = "", read[LIST_RECORD_DIGEST_BYTES] = "";
	assert_false(get(s, "c", "k"));
	list_cache_write(s->cache, "c", record, written);
	g_autoptr(ListRecord) again = list_cache_read(s->cache, "c", "k", read);
	assert_non_null(again);
	assert_string_equal(written, read);
	assert_null(again->tools);
	assert_true(list_cache_read_lists(s->cache, "c", again));
	assert_true(tool_list_equal(again->tools, record->tools));
	assert_int_equal(status_of(s, "c.k.json").st_mode & 07777, 0600);
	struct stat dir;
	assert_int_equal(stat(s->dir, &dir), 0);
	assert_int_equal(dir.st_mode & 07777, 0700);
	assert_int_equal(list_files(s->dir, NULL), 1);
}

static void test_what_is_there_already_is_not_written(void **state)
{
	struct Shelf *s = *state;
	g_autoptr(ListRecord) record = list_record("k", "g1", TOOL);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	list_cache_write(s->cache, "c", record, digest);
	ino_t first = status_of(s, "c.k.json").st_ino;
	list_cache_write(s->cache, "c", record, digest);
	assert_int_equal(status_of(s, "c.k.json").st_ino, first);
	list_cache_forget("c");
	list_cache_write(s->cache, "c", record, digest);
	assert_true(is_there(s, "c.k.json"));
	first = status_of(s, "c.k.json").st_ino;
	record->offers = 1;
	list_cache_write(s->cache, "c", record, digest);
	assert_int_not_equal(status_of(s, "c.k.json").st_ino, first);
	assert_int_equal(list_files(s->dir, NULL), 1);
}

/* The file is put aside, and what is put aside later replaces it. */
static void assert_put_aside(struct Shelf *s)
{
	assert_false(get(s, "c", "k"));
	assert_false(is_there(s, "c.k.json"));
	assert_true(is_there(s, "c.k.json.damaged"));
	assert_int_equal(list_files(s->dir, NULL), 1);
	assert_false(get(s, "c", "k"));
}

static void test_a_file_that_was_cut_or_changed(void **state)
{
	struct Shelf *s = *state;
	g_autofree char *path = path_of(s, "c.k.json");
	put(s, "c", "k");
	assert_int_equal(truncate(path, status_of(s, "c.k.json").st_size - 1), 0);
	assert_put_aside(s);
	make_file(s, "c.k.json", "");
	assert_put_aside(s);
	put(s, "c", "k");
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	char *name = strstr(text, "\"name\":\"a\"");
	name[8] = 'b';
	make_file(s, "c.k.json", text);
	assert_put_aside(s);
}

static void test_a_file_that_others_can_write(void **state)
{
	struct Shelf *s = *state;
	static const mode_t modes[] = {0620, 0602, 0666};
	g_autofree char *path = path_of(s, "c.k.json");
	for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
		put(s, "c", "k");
		assert_int_equal(chmod(path, modes[i]), 0);
		assert_put_aside(s);
	}
	put(s, "c", "k");
	assert_int_equal(chmod(path, 0644), 0);
	assert_true(get(s, "c", "k"));
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 1, 1), 0);
		assert_put_aside(s);
	}
}

static void test_a_directory_that_others_can_write_to(void **state)
{
	struct Shelf *s = *state;
	put(s, "c", "k");
	assert_int_equal(chmod(s->dir, 0777), 0);
	assert_put_aside(s);
}

static void test_what_is_no_file(void **state)
{
	struct Shelf *s = *state;
	g_autofree char *path = path_of(s, "c.k.json");
	g_autofree char *other = path_of(s, "other");
	put(s, "c", "k");
	assert_int_equal(rename(path, other), 0);
	assert_int_equal(symlink(other, path), 0);
	assert_false(get(s, "c", "k"));
	assert_true(is_there(s, "c.k.json.damaged"));
	assert_int_equal(unlink(other), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_put_aside(s);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(get(s, "c", "k")); /* a file cannot be replaced by a directory */
	assert_true(is_there(s, "c.k.json"));
}

/* Its digest is right, so it was written so. */
static void test_lists_that_cannot_be_read(void **state)
{
	struct Shelf *s = *state;
	static const char content[] = "{\"key\":\"k\",\"grant\":\"\",\"modern\":true,\"offers\":1,"
				      "\"tools\":[7]}";
	g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, content, -1);
	g_autofree char *text =
		g_strdup_printf("{\"v\":1,\"sha256\":\"%s\",\"content\":%s}", hex, content);
	make_file(s, "c.k.json", text);
	char digest[LIST_RECORD_DIGEST_BYTES];
	g_autoptr(ListRecord) record = list_cache_read(s->cache, "c", "k", digest);
	assert_non_null(record);
	assert_false(list_cache_read_lists(s->cache, "c", record));
	assert_null(record->tools);
	assert_put_aside(s);
}

static void test_a_file_under_the_name_of_another(void **state)
{
	struct Shelf *s = *state;
	g_autofree char *path = path_of(s, "c.k.json");
	g_autofree char *other = path_of(s, "d.l.json");
	put(s, "d", "l");
	assert_int_equal(rename(other, path), 0);
	assert_put_aside(s);
}

static void test_a_file_that_is_too_large(void **state)
{
	struct Shelf *s = *state;
	g_autofree char *path = path_of(s, "c.k.json");
	put(s, "c", "k");
	assert_int_equal(truncate(path, LIST_RECORD_BYTES_MAX + 1), 0);
	assert_put_aside(s);
	/* One that came to be so is not kept, nor is the one before. */
	put(s, "c", "k");
	g_autofree char *padding = g_strnfill(LIST_RECORD_BYTES_MAX, 'x');
	g_autoptr(ListRecord) record = list_record("k", padding, TOOL);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	list_cache_write(s->cache, "c", record, digest);
	assert_false(is_there(s, "c.k.json"));
	assert_int_equal(strlen(digest), 64);
	list_cache_write(s->cache, "c", record, digest);
	assert_false(is_there(s, "c.k.json"));
}

static void test_where_nothing_can_be_written(void **state)
{
	struct Shelf *s = *state;
	g_autofree char *above = g_path_get_dirname(s->dir);
	assert_true(g_file_set_contents(above, "", -1, NULL));
	g_autoptr(ListRecord) record = list_record("k", "g1", TOOL);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	list_cache_write(s->cache, "c", record, digest);
	assert_string_equal(digest, "");
	assert_false(get(s, "c", "k"));
	list_cache_drop(s->cache, "c", "k");
	list_cache_forget("c");
	assert_int_equal(unlink(above), 0);
	list_cache_write(s->cache, "c", record, digest);
	assert_true(get(s, "c", "k"));
}

static void test_what_is_dropped_is_gone(void **state)
{
	struct Shelf *s = *state;
	put(s, "c", "k");
	put(s, "c", "l");
	list_cache_drop(s->cache, "c", "k");
	list_cache_drop(s->cache, "c", "k");
	assert_false(get(s, "c", "k"));
	assert_true(get(s, "c", "l"));
}

static void test_a_connector_is_forgotten_whole_and_alone(void **state)
{
	struct Shelf *s = *state;
	list_cache_forget("c"); /* there is no directory yet */
	put(s, "c", "k");
	put(s, "c", "l");
	put(s, "c-2", "k");
	put(s, "cc", "k");
	make_file(s, "c.m.json.damaged", "");
	list_cache_forget("c");
	assert_int_equal(list_files(s->dir, NULL), 2);
	assert_true(get(s, "c-2", "k"));
	assert_true(get(s, "cc", "k"));
	g_autofree char *stuck = path_of(s, "c.k.json");
	assert_int_equal(mkdir(stuck, 0700), 0);
	list_cache_forget("c"); /* says so in the log */
	assert_true(is_there(s, "c.k.json"));
}

static void test_what_nobody_uses_is_swept_away_once(void **state)
{
	struct Shelf *s = *state;
	make_file(s, "old.k.json", "");
	make_file(s, "young.k.json", "");
	make_file(s, ".mcp-mux-left", "");
	make_file(s, ".mcp-mux-now", "");
	set_age(s, "old.k.json", 91 * DAY_S);
	set_age(s, "young.k.json", 89 * DAY_S);
	set_age(s, ".mcp-mux-left", 2 * 3600);
	put(s, "c", "k");
	assert_false(is_there(s, "old.k.json"));
	assert_false(is_there(s, ".mcp-mux-left"));
	assert_true(is_there(s, "young.k.json"));
	assert_true(is_there(s, ".mcp-mux-now"));
	assert_true(is_there(s, "c.k.json"));
	make_file(s, "old.k.json", "");
	set_age(s, "old.k.json", 91 * DAY_S);
	put(s, "c", "l");
	assert_true(is_there(s, "old.k.json"));
}

static void test_there_are_not_too_many(void **state)
{
	struct Shelf *s = *state;
	for (int i = 0; i < 320; i++) {
		g_autofree char *name = g_strdup_printf("x%d.k.json", i);
		make_file(s, name, "");
		set_age(s, name, 1000 - i);
	}
	put(s, "c", "k");
	assert_int_equal(list_files(s->dir, NULL), 300);
	assert_true(is_there(s, "c.k.json"));
	assert_false(is_there(s, "x20.k.json"));
	assert_true(is_there(s, "x21.k.json"));
}

static void test_what_is_used_stays_young(void **state)
{
	struct Shelf *s = *state;
	put(s, "c", "k");
	set_age(s, "c.k.json", 80 * DAY_S);
	assert_true(get(s, "c", "k"));
	assert_true(time(NULL) - status_of(s, "c.k.json").st_mtime < 60);
	set_age(s, "c.k.json", DAY_S / 2);
	assert_true(get(s, "c", "k"));
	assert_true(time(NULL) - status_of(s, "c.k.json").st_mtime > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		shelf_test(test_what_is_kept_comes_back),
		shelf_test(test_what_is_there_already_is_not_written),
		shelf_test(test_a_file_that_was_cut_or_changed),
		shelf_test(test_a_file_that_others_can_write),
		shelf_test(test_a_directory_that_others_can_write_to),
		shelf_test(test_what_is_no_file),
		shelf_test(test_lists_that_cannot_be_read),
		shelf_test(test_a_file_under_the_name_of_another),
		shelf_test(test_a_file_that_is_too_large),
		shelf_test(test_where_nothing_can_be_written),
		shelf_test(test_what_is_dropped_is_gone),
		shelf_test(test_a_connector_is_forgotten_whole_and_alone),
		shelf_test(test_what_nobody_uses_is_swept_away_once),
		shelf_test(test_there_are_not_too_many),
		shelf_test(test_what_is_used_stays_young),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
