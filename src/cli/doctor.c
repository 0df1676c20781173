/* `doctor` looks at each link of the chain in order and goes on after a broken one as far as that makes
 * sense: the files, then every connector. It runs in spite of a broken configuration, which is then
 * what it reports. */
#include "cli/output.h"
#include "cli/session.h"
#include "cli/survey.h"

#include "base/error.h"
#include "base/file.h"
#include "format/json_writer.h"
#include "mux/audit.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

struct Check {
	const char *check; /* static: what was looked at */
	char *subject;
	bool good;
	char *text;
	char *advice; /* NULL: none */
};

static void check_free(void *data)
{
	struct Check *check = data;
	g_free(check->subject);
	g_free(check->text);
	g_free(check->advice);
	g_free(check);
}

/* Takes over the three texts. */
static void add_check(
	GPtrArray *checks, const char *name, bool good, char *subject, char *text, char *advice)
{
	struct Check *check = g_new(struct Check, 1);
	*check = (struct Check){name, subject, good, text, advice};
	g_ptr_array_add(checks, check);
}

static void check_files(GPtrArray *checks, const struct CliOptions *options,
	const struct Configuration *configuration, const GError *error)
{
	g_autofree char *admin = NULL;
	g_autofree char *user = NULL;
	bool named = false;
	configuration_paths(options, &admin, &user, &named);
	if (!configuration) {
		bool by_admin = admin && g_str_has_prefix(error->message, admin);
		add_check(checks, "configuration", false,
			g_strdup(by_admin ? "administrator's file" : "your file"),
			g_strdup(error->message),
			g_strdup_printf("%s; until then no command that needs it runs, and servers "
					"that run "
					"keep what they had",
				by_admin ? "have your administrator correct it" : "correct it"));
		return;
	}
	add_check(checks, "configuration", true, g_strdup("administrator's file"),
		admin ? g_strdup(admin) : g_strdup("none: you are your own administrator"), NULL);
	add_check(checks, "configuration", true, g_strdup("your file"),
		g_strdup_printf(
			"%s%s", user, configuration->user_exists ? "" : " (does not exist)"),
		configuration->config->connectors->len > 0
			? NULL
			: g_strdup_printf(
				  "add a [native] or [connector:NAME] section to %s", user));
	for (unsigned i = 0; i < configuration->config->notes->len; i++) {
		const struct ConfigNote *note = configuration->config->notes->pdata[i];
		add_check(checks, "configuration", true,
			g_strdup_printf("%s:%u", note->place.file, note->place.line),
			g_strdup(note->text), NULL);
	}
}

static bool all_are_good(const GPtrArray *checks)
{
	for (unsigned i = 0; i < checks->len; i++) {
		const struct Check *check = checks->pdata[i];
		if (!check->good)
			return false;
	}
	return true;
}

/* ---- files and folders of our own ---- */

/* The administrator's file was checked when it was read, or nothing would have been read. The user's is used all the same
 * if others can write it; they should know. */
static void check_safety(GPtrArray *checks, const struct Configuration *configuration)
{
	g_autoptr(GError) error = NULL;
	if (configuration->admin_path)
		add_check(checks, "safety", true, g_strdup(configuration->admin_path),
			g_strdup("nobody else can write it, or anything on the way to it"), NULL);
	if (!configuration->user_exists)
		return;
	if (configuration_path_is_safe(configuration->user_path, geteuid(), &error))
		add_check(checks, "safety", true, g_strdup(configuration->user_path),
			g_strdup("nobody but you can write it, or anything on the way to it"),
			NULL);
	else
		add_check(checks, "safety", true, g_strdup(configuration->user_path),
			g_strdup("others can write it, or something on the way to it; it is used "
				 "all the same"),
			g_strdup("see owners and modes: namei -l shows them; then chmod go-w"));
}

/* What is wrong with the directory that ST is of; NULL: nothing. For g_free. */
static char *fault_of_directory(const struct stat *st)
{
	if (!S_ISDIR(st->st_mode))
		return g_strdup("is no directory");
	if (st->st_uid != geteuid())
		return g_strdup_printf("belongs to user %u, not to you", (unsigned)st->st_uid);
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return g_strdup_printf(
			"can be written by others (mode %04o)", (unsigned)st->st_mode & 07777);
	return NULL;
}

/* What is there of the way to PATH; for g_free. */
static char *nearest_place(const char *path)
{
	char *at = g_path_get_dirname(path);
	while (access(at, F_OK) != 0 && strcmp(at, "/") != 0 && strcmp(at, ".") != 0) {
		char *above = g_path_get_dirname(at);
		g_free(at);
		at = above;
	}
	return at;
}

/* Why nothing can be made at PATH, where there is nothing; NULL: it can. For g_free. */
static char *fault_of_place(const char *path)
{
	g_autofree char *directory = nearest_place(path);
	if (!g_file_test(directory, G_FILE_TEST_IS_DIR))
		return g_strdup_printf("cannot be made: %s is no directory", directory);
	if (access(directory, W_OK | X_OK) == 0)
		return NULL;
	return g_strdup_printf("cannot be made in %s: %s", directory, g_strerror(errno));
}

/* A directory in which files are kept that only this user may write; WHAT is in it. Takes over PATH. */
static void check_directory(GPtrArray *checks, const char *what, char *path)
{
	struct stat st;
	g_autofree char *fault = NULL;
	bool there = lstat(path, &st) == 0;
	if (!there)
		fault = fault_of_place(path);
	else if (stat(path, &st) != 0)
		fault = g_strdup_printf("cannot be looked at: %s", g_strerror(errno));
	else
		fault = fault_of_directory(&st);
	char *advice =
		fault ? g_strdup_printf("make it yours alone: chown, chmod 700 %s", path) : NULL;
	add_check(checks, what, !fault, path,
		g_strdup(fault   ? fault
			 : there ? "is yours, and nobody else can write it"
				 : "is not there yet"),
		advice);
}

/* Why no line can be written to the log at PATH; NULL: it can. For g_free. */
static char *fault_of_log(const char *path)
{
	struct stat st;
	if (lstat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR
			       ? fault_of_place(path)
			       : g_strdup_printf("cannot be looked at: %s", g_strerror(errno));
	if (!S_ISREG(st.st_mode))
		return g_strdup("is no regular file");
	if (st.st_uid != geteuid())
		return g_strdup_printf("belongs to user %u, not to you", (unsigned)st.st_uid);
	if (access(path, W_OK) != 0)
		return g_strdup_printf("cannot be written: %s", g_strerror(errno));
	return NULL;
}

static void check_audit(GPtrArray *checks, const struct MuxConfig *mux)
{
	char *path = audit_path();
	bool required = mux->audit == AUDIT_REQUIRED;
	if (mux->audit == AUDIT_OFF) {
		add_check(
			checks, "audit", true, path, g_strdup("is not written: audit = off"), NULL);
		return;
	}
	g_autofree char *fault = fault_of_log(path);
	const char *mode = required ? "audit = required" : "audit = on";
	if (fault)
		add_check(checks, "audit", false, path, g_strdup_printf("%s (%s)", fault, mode),
			g_strdup(required ? "no call is made until it can be written"
					  : "calls go on, but what was done is not written down"));
	else
		add_check(checks, "audit", true, path, g_strdup_printf("can be written (%s)", mode),
			NULL);
}

static void check_folders(GPtrArray *checks, const struct MuxConfig *mux)
{
	check_audit(checks, mux);
	if (mux->pin_tools != PIN_OFF)
		check_directory(checks, "pins", pins_directory());
	check_directory(checks, "cache", file_cache_path("lists"));
}

/* ---- the keyring ---- */

struct Look {
	bool done;
	unsigned items;
	GError *error;
};

static void on_found(const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct Look *look = user;
	(void)keys;
	look->done = true;
	look->items = n;
	look->error = error ? g_error_copy(error) : NULL;
}

static bool needs_accounts(const struct Config *config)
{
	for (unsigned i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (connector->auth != AUTH_NONE)
			return true;
	}
	return false;
}

/* That it answers; whether it is locked shows with the connectors, since lists can be had of a locked one. */
static void check_keyring(GPtrArray *checks, const struct Config *config)
{
	struct Session session;
	struct Look look = {0};
	if (!needs_accounts(config))
		return;
	if (session_init(&session, config, 1, false, NULL, NULL, &look.error)) {
		keyring_find(session.auth.keyring, NULL, on_found, &look);
		session_run(&session, &look.done, 0);
	}
	session_release(&session);
	if (look.error)
		add_check(checks, "keyring", false, g_strdup("keyring"),
			g_strdup(look.error->message),
			g_strdup(g_error_matches(look.error, MUX_ERROR, MUX_ERROR_LOCKED)
					 ? "unlock it; sign-ins are kept there"
					 : "sign-ins are kept there: start a keyring service "
					   "(gnome-keyring, KWallet) in this session"));
	else
		add_check(checks, "keyring", true, g_strdup("keyring"),
			g_strdup_printf("answers, %u item%s of mcp-mux", look.items,
				look.items == 1 ? "" : "s"),
			NULL);
	g_clear_error(&look.error);
}

static void check_entry(GPtrArray *checks, const struct SurveyEntry *entry)
{
	static const char *const states[] = {
		[SURVEY_CONNECTED] = "answers",
		[SURVEY_SIGNED_OUT] = "needs a sign-in",
		[SURVEY_FAILED] = "is not available",
		[SURVEY_DISABLED] = "is switched off",
	};
	GString *text = g_string_new(states[entry->state]);
	if (entry->revision)
		g_string_append_printf(text, ", speaks MCP %s", entry->revision);
	if (entry->tools_known)
		g_string_append_printf(text, ", %u tools offered, %u allowed, %u exposed",
			entry->offered, entry->allowed, entry->exposed);
	if (entry->error)
		g_string_append_printf(text, ": %s", entry->error->message);
	bool good = (entry->state == SURVEY_CONNECTED && !entry->error) ||
		    entry->state == SURVEY_DISABLED;
	add_check(checks, "connector", good, g_strdup(entry->connector->name),
		g_string_free(text, FALSE), survey_advice(entry));
}

static bool print_json(const GPtrArray *checks)
{
	g_autoptr(GString) out = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_key(&w, "checks");
	json_begin_array(&w);
	for (unsigned i = 0; i < checks->len; i++) {
		const struct Check *check = checks->pdata[i];
		json_begin_object(&w);
		json_member_string(&w, "check", check->check);
		json_member_string(&w, "subject", check->subject);
		json_member_bool(&w, "good", check->good);
		json_member_string(&w, "text", check->text);
		json_key(&w, "advice");
		if (check->advice)
			json_cstring(&w, check->advice);
		else
			json_null(&w);
		json_end_object(&w);
	}
	json_end_array(&w);
	json_end_object(&w);
	return output_json(out);
}

static bool print_text(const GPtrArray *checks)
{
	g_autoptr(Output) output = output_new();
	for (unsigned i = 0; i < checks->len; i++) {
		const struct Check *check = checks->pdata[i];
		output_line(output, check->good ? STYLE_PLAIN : STYLE_BAD, "%s  %s: %s",
			check->good ? "ok     " : "problem", check->subject, check->text);
		if (check->advice)
			output_line(output, STYLE_FAINT, "           %s", check->advice);
	}
	return output_flush(output);
}

/* Looks at the connectors; the exit status that they lead to, *ERROR set where none can be looked
 * at. */
static int check_connectors(GPtrArray *checks, const struct Configuration *configuration,
	const struct ConnectorConfig *only, GError **error)
{
	g_autoptr(Survey) survey = survey_run(configuration, only, error);
	if (!survey)
		return CLI_FAILED;
	int status = CLI_DONE;
	g_autoptr(GPtrArray) warnings = survey_warnings(survey, only);
	g_ptr_array_extend_and_steal(warnings, survey_limits(survey, only));
	for (unsigned i = 0; i < survey->entries->len; i++) {
		const struct SurveyEntry *entry = survey->entries->pdata[i];
		check_entry(checks, entry);
		const struct Check *check = checks->pdata[checks->len - 1];
		if (!check->good)
			status = only && entry->state == SURVEY_SIGNED_OUT ? CLI_SIGN_IN
									   : CLI_FAILED;
	}
	for (unsigned i = 0; i < warnings->len; i++)
		add_check(checks, "tools", true, g_strdup("worth a look"),
			g_strdup(warnings->pdata[i]), NULL);
	return status;
}

int cli_doctor(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) checks = g_ptr_array_new_with_free_func(check_free);
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	check_files(checks, options, configuration, error);
	int status = CLI_USAGE;
	if (configuration) {
		const struct ConnectorConfig *only = NULL;
		if (options->n_arguments > 0) {
			only = configuration_find(configuration, options->arguments[0], &error);
			if (!only)
				return output_fail(error);
		}
		check_safety(checks, configuration);
		check_folders(checks, &configuration->config->mux);
		bool sound = all_are_good(checks);
		check_keyring(checks, configuration->config);
		status = check_connectors(checks, configuration, only, &error);
		if (error)
			return output_fail(error);
		if (!sound && status == CLI_DONE)
			status = CLI_FAILED;
	}
	bool done = options->json ? print_json(checks) : print_text(checks);
	return done ? status : CLI_FAILED;
}
