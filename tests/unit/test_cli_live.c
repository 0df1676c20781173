/* Following the files of the configuration, as `serve` does. */
#include "audit_fixture.h"
#include "base/error.h"
#include "cli/live.h"
#include "mux/pins.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOON_MS = 1000, QUIET_MS = 450 };

struct Follower {
	char *folder;
	char *admin, *user;
	struct Loop *loop;
	struct FileWatch *watch;
	struct CliOptions options;
	struct Configuration *configuration;
	struct Live *live;
	unsigned edits, pins;
};

static void on_edited(struct Configuration *fresh, void *user)
{
	struct Follower *t = user;
	GPtrArray *gone = NULL;
	configuration_adopt(t->configuration, fresh, &gone);
	g_ptr_array_unref(gone);
	t->edits++;
}

static void on_pins(void *user)
{
	((struct Follower *)user)->pins++;
}

static void put(const char *path, const char *text)
{
	g_autofree char *dir = g_path_get_dirname(path);
	assert_int_equal(g_mkdir_with_parents(dir, 0700), 0);
	assert_true(g_file_set_contents_full(
		path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
}

static int open_follower(void **state)
{
	struct Follower *t = g_new0(struct Follower, 1);
	t->folder = g_dir_make_tmp("live-XXXXXX", NULL);
	t->admin = g_build_filename(t->folder, "admin", "admin.ini", NULL);
	t->user = g_build_filename(t->folder, "mcp-mux", "mcp-mux.ini", NULL);
	g_setenv("XDG_CONFIG_HOME", t->folder, TRUE);
	g_setenv("XDG_STATE_HOME", t->folder, TRUE);
	g_unsetenv("MCP_MUX_CONFIG");
	g_unsetenv("MCP_MUX_ADMIN_CONFIG");
	t->loop = loop_new(NULL);
	t->watch = file_watch_new();
	*state = t;
	return 0;
}

static int close_follower(void **state)
{
	struct Follower *t = *state;
	live_free(t->live);
	file_watch_free(t->watch);
	loop_free(t->loop);
	configuration_free(t->configuration);
	remove_tree(t->folder);
	g_free(t->folder);
	g_free(t->admin);
	g_free(t->user);
	g_free(t);
	return 0;
}

static void follow(struct Follower *t)
{
	static const struct LiveHandlers handlers = {on_edited, on_pins};
	t->configuration = configuration_load(&t->options, NULL);
	assert_non_null(t->configuration);
	t->live = live_new(t->loop, t->watch, &t->options, t->configuration, &handlers, t);
}

static gboolean on_time(gpointer user)
{
	*(bool *)user = true;
	return G_SOURCE_CONTINUE;
}

/* Turns the loop until *WHAT is WANTED; false after MS. */
static bool await(const unsigned *what, unsigned wanted, unsigned ms)
{
	bool over = false;
	guint timer = g_timeout_add(ms, on_time, &over);
	while (*what < wanted && !over)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(timer);
	return *what >= wanted;
}

static void assert_edited(struct Follower *t)
{
	unsigned before = t->edits;
	assert_true(await(&t->edits, before + 1, SOON_MS));
	assert_int_equal(t->edits, before + 1);
}

static void assert_nothing(struct Follower *t)
{
	assert_false(await(&t->edits, t->edits + 1, QUIET_MS));
}

static bool has(const struct Follower *t, const char *connector)
{
	return config_find(t->configuration->config, connector) != NULL;
}

#define WIKI "[connector:wiki]\nurl = https://wiki.example/mcp\n"
#define DESK "[connector:desk]\nurl = https://desk.example/mcp\n"

static void edits_of_the_user(void **state)
{
	struct Follower *t = *state;
	follow(t);
	put(t->user, WIKI);
	assert_edited(t);
	assert_true(has(t, "wiki"));
	put(t->user, WIKI DESK);
	assert_edited(t);
	assert_true(has(t, "desk"));
	put(t->user, WIKI DESK); /* the same */
	assert_nothing(t);
	assert_int_equal(unlink(t->user), 0);
	assert_edited(t);
	assert_false(has(t, "wiki"));
	assert_false(t->configuration->user_exists);
}

static void what_was_edited_before_the_watch_counts(void **state)
{
	struct Follower *t = *state;
	put(t->user, WIKI);
	t->configuration = configuration_load(&t->options, NULL);
	put(t->user, WIKI DESK);
	static const struct LiveHandlers handlers = {on_edited, on_pins};
	t->live = live_new(t->loop, t->watch, &t->options, t->configuration, &handlers, t);
	assert_edited(t);
	assert_true(has(t, "desk"));
}

static void what_cannot_be_used_changes_nothing(void **state)
{
	struct Follower *t = *state;
	put(t->user, WIKI);
	follow(t);
	put(t->user, WIKI "nonsense = 1\n");
	assert_nothing(t);
	put(t->user, "[mux]\nca_file = /nowhere/ca.pem\n" WIKI DESK);
	assert_nothing(t);
	assert_false(has(t, "desk"));
	put(t->user, WIKI);
	assert_nothing(t); /* as it was */
	put(t->user, WIKI DESK);
	assert_edited(t);
	assert_true(has(t, "desk"));
}

static void a_file_that_is_named_must_be_there(void **state)
{
	struct Follower *t = *state;
	t->options.config = t->user;
	put(t->user, WIKI);
	follow(t);
	assert_int_equal(unlink(t->user), 0);
	assert_nothing(t);
	assert_true(has(t, "wiki"));
	put(t->user, DESK);
	assert_edited(t);
	assert_false(has(t, "wiki"));
}

static void a_file_that_is_being_written_is_not_believed(void **state)
{
	struct Follower *t = *state;
	put(t->user, WIKI DESK);
	follow(t);
	for (unsigned i = 0; i < 3; i++) {
		int fd = open(t->user, O_WRONLY | O_TRUNC);
		assert_true(fd >= 0);
		assert_false(await(&t->edits, t->edits + 1, 120));
		assert_int_equal(write(fd, WIKI, strlen(WIKI)), strlen(WIKI));
		assert_false(await(&t->edits, t->edits + 1, 60));
		assert_int_equal(write(fd, DESK, strlen(DESK)), strlen(DESK));
		close(fd);
		assert_nothing(t);
	}
	assert_true(has(t, "desk"));
	/* It stays so. */
	put(t->user, WIKI);
	assert_edited(t);
	assert_false(has(t, "desk"));
}

static void edits_of_the_administrator(void **state)
{
	struct Follower *t = *state;
	g_setenv("MCP_MUX_ADMIN_CONFIG", t->admin, TRUE);
	put(t->admin, WIKI "allowed_tools = a, b\n");
	follow(t);
	put(t->admin, WIKI "allowed_tools = a\n" DESK);
	assert_edited(t);
	assert_true(has(t, "desk"));
	/* Others may write to it. */
	assert_int_equal(chmod(t->admin, 0666), 0);
	assert_nothing(t);
	put(t->admin, WIKI);
	assert_edited(t);
	assert_false(has(t, "desk"));
	assert_int_equal(unlink(t->admin), 0);
	assert_nothing(t);
	assert_true(t->configuration->config->has_admin);
}

static void an_administrators_edit_waits_for_no_user(void **state)
{
	struct Follower *t = *state;
	g_setenv("MCP_MUX_ADMIN_CONFIG", t->admin, TRUE);
	put(t->admin, WIKI "allowed_tools = @all\n" DESK);
	put(t->user, "[tools:wiki]\nx = off\n");
	follow(t);
	put(t->user, "what?\n");
	assert_nothing(t);
	put(t->admin, WIKI "allowed_tools = x\n");
	/* Whatever the user goes on to write. */
	unsigned edits = t->edits;
	for (unsigned i = 0; i < 20 && t->edits == edits; i++) {
		put(t->user, i % 2 ? "what?\n" : "what??\n");
		await(&t->edits, edits + 1, 60);
	}
	assert_int_equal(t->edits, edits + 1);
	assert_false(has(t, "desk"));
	const struct ConnectorConfig *wiki = config_find(t->configuration->config, "wiki");
	assert_int_equal(wiki->toggles->len, 1);
	put(t->user, "[tools:wiki]\nx = on\n");
	assert_edited(t);
}

static void pins_are_told_of(void **state)
{
	struct Follower *t = *state;
	follow(t);
	g_autofree char *dir = pins_directory();
	g_autofree char *file = g_build_filename(dir, "wiki.json", NULL);
	put(file, "{}");
	assert_true(await(&t->pins, 1, SOON_MS));
	unsigned before = t->pins;
	put(file, "{ }");
	assert_true(await(&t->pins, before + 1, SOON_MS));
	assert_int_equal(t->edits, 0);
}

/* ---- what becomes of it in the logs ---- */

static struct Config *parse(const char *text)
{
	const struct ConfigSource user = {"user.ini", slice_of(text)};
	struct Config *config = config_parse(NULL, &user, NULL);
	assert_non_null(config);
	return config;
}

/* What is logged of CONFIG's notes after KNOWN was in use; for g_free. */
static char *logged_notes(const struct Config *config, const struct Config *known)
{
	char text[1024] = "";
	int kept = dup(STDERR_FILENO);
	int file = memfd_create("log", MFD_CLOEXEC);
	assert_true(kept >= 0 && file >= 0);
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	live_log_notes(config, known);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	assert_true(pread(file, text, sizeof(text) - 1, 0) >= 0);
	close(kept);
	close(file);
	return g_strdup(text);
}

static struct Config *parse_both(const char *admin_text, const char *user_text)
{
	const struct ConfigSource admin = {"admin.ini", slice_of(admin_text)};
	const struct ConfigSource user = {"user.ini", slice_of(user_text)};
	struct Config *config = config_parse(&admin, &user, NULL);
	assert_non_null(config);
	return config;
}

static void notes_are_said_once(void **state)
{
	(void)state;
	static const char user[] = "[connector:wiki]\ntitle = Mine\n[tools:nobody]\nx = off\n";
	static const char title[] = "mcp-mux: warning user.ini:2: title has no effect: the "
				    "administrator's file defines this connector (admin.ini:1)\n";
	static const char nobody[] = "mcp-mux: warning user.ini:3: [tools:nobody] has no effect: "
				     "there is no such connector\n";
	g_autoptr(Config) config = parse_both(WIKI, user);
	g_autofree char *first = logged_notes(config, NULL);
	g_autofree char *all = g_strconcat(title, nobody, NULL);
	assert_string_equal(first, all);
	g_autofree char *again = logged_notes(config, config);
	assert_string_equal(again, "");
	/* Lines that moved make no new note, in either file. */
	g_autoptr(Config) moved = parse_both("\n\n" WIKI, "\n[connector:wiki]\ntitle = Mine\n"
							  "[tools:nobody]\nx = off\n");
	g_autofree char *nothing = logged_notes(moved, config);
	assert_string_equal(nothing, "");
	g_autoptr(Config) less = parse_both(WIKI, "[connector:wiki]\ntitle = Mine\n");
	g_autofree char *new = logged_notes(config, less);
	assert_string_equal(new, nobody);
}

static void changes_are_lines_of_the_audit_log(void **state)
{
	(void)state;
	struct Desk *desk = NULL;
	open_desk((void **)&desk);
	begin(desk, "");
	static const struct {
		const char *before, *after;
		const char *parts[3];
	} all[] = {
		{WIKI, WIKI DESK, {"\"connector\":\"desk\",\"change\":\"added\",\"names\":[]"}},
		{WIKI DESK, WIKI, {"\"connector\":\"desk\",\"change\":\"removed\",\"names\":[]"}},
		{"[mux]\npin_tools = warn\n", "[mux]\npin_tools = block\nsign_in = never\n",
			{"\"connector\":null,\"change\":\"changed\",\"names\":[\"sign_in\",\"pin_"
			 "tools\"]"}},
		{WIKI "[tools:wiki]\na = off\nb = off\nc = off\n",
			WIKI "allowed_tools = a\n[tools:wiki]\nb = on\nc = off\n",
			{"\"connector\":\"wiki\",\"change\":\"changed\",\"names\":[\"allowed_"
			 "tools\",\"b = on\",\"a unset\"]"}},
		{WIKI,
			"[connector:wiki]\nurl = https://other.example/\nauth = none\nenabled = "
			"off\n",
			{"\"names\":[\"url\",\"auth\",\"enabled\"]"}},
		{WIKI "allowed_tools = a\n", WIKI "allowed_tools = b\nscope = x\n",
			{"\"names\":[\"connection\",\"allowed_tools\"]"}},
		{WIKI DESK, WIKI "prefix = w\n",
			{"\"connector\":\"wiki\",\"change\":\"changed\",\"names\":[\"prefix\"]",
				"\"connector\":\"desk\",\"change\":\"removed\""}},
		{WIKI, "; said\n" WIKI "title = Wiki\n", {NULL}},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		g_autoptr(Config) before = parse(all[i].before);
		g_autoptr(Config) after = parse(all[i].after);
		live_audit_changes(desk->audit, before, after);
		g_auto(GStrv) lines = lines_of(desk);
		for (const char *const *part = all[i].parts; *part; part++) {
			const char *line = lines[desk->seen] ? lines[desk->seen] : "no line";
			assert_has(line, "\"event\":\"policy\"");
			assert_has(line, *part);
			desk->seen++;
		}
		assert_int_equal(g_strv_length(lines), desk->seen);
	}
	close_desk((void **)&desk);
}

#define T(function) cmocka_unit_test_setup_teardown(function, open_follower, close_follower)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(edits_of_the_user),
		T(what_was_edited_before_the_watch_counts),
		T(what_cannot_be_used_changes_nothing),
		T(a_file_that_is_named_must_be_there),
		T(a_file_that_is_being_written_is_not_believed),
		T(edits_of_the_administrator),
		T(an_administrators_edit_waits_for_no_user),
		T(pins_are_told_of),
		cmocka_unit_test(notes_are_said_once),
		cmocka_unit_test(changes_are_lines_of_the_audit_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
