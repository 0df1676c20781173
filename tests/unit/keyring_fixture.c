#include "keyring_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECRETS "org.freedesktop.secrets"
#define SECRETS_PATH "/org/freedesktop/secrets"
#define SERVICE_INTERFACE "org.freedesktop.Secret.Service"
#define LOGIN SECRETS_PATH "/collection/login"
#define PASSWORD "correct horse"

enum { LIMIT_MS = 10 * 1000 };

struct KeyringFixture {
	char *folder; /* home of everything */
	char *old_address; /* DBUS_SESSION_BUS_ADDRESS as it was */
	unsigned buses; /* started so far */
	GPid bus, daemon; /* 0: none of ours */
	GDBusConnection *connection;
};

/* A bus that knows no service files. The address given on the command line counts; one here is a must. */
static const char bare_config[] =
	"<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN'\n"
	" 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n"
	"<busconfig><type>session</type><listen>unix:dir=.</listen><auth>EXTERNAL</auth>\n"
	"<policy context='default'><allow send_destination='*' eavesdrop='true'/>\n"
	"<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n";

/* ---- processes ---- */

static void in_child(gpointer user)
{
	(void)user;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Nothing of the person's own: no display, no folders, no bus but this one. */
static char **environment(const struct KeyringFixture *fixture, const char *address)
{
	static const char *const folders[] = {"HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME",
		"XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"};
	char **env = g_environ_setenv(NULL, "PATH", g_getenv("PATH"), TRUE);
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		env = g_environ_setenv(env, folders[i], fixture->folder, TRUE);
	if (address)
		env = g_environ_setenv(env, "DBUS_SESSION_BUS_ADDRESS", address, TRUE);
	return env;
}

static GPid spawn(const struct KeyringFixture *fixture, const char *address,
	const char *const *words, int *in, int *out)
{
	g_auto(GStrv) env = environment(fixture, address);
	g_autoptr(GError) error = NULL;
	GPid pid;
	GSpawnFlags flags = G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
			    G_SPAWN_STDERR_TO_DEV_NULL | (out ? 0 : G_SPAWN_STDOUT_TO_DEV_NULL);
	if (!g_spawn_async_with_pipes(fixture->folder, (char **)words, env, flags, in_child, NULL,
		    &pid, in, out, NULL, &error))
		fail_msg("%s", error->message);
	return pid;
}

static void reap(GPid *pid)
{
	if (*pid == 0)
		return;
	kill(*pid, SIGCONT);
	kill(-*pid, SIGKILL);
	waitpid(*pid, NULL, 0);
	*pid = 0;
}

/* Stops our child PID, and is sure of it. */
static void halt(GPid pid)
{
	int status;
	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
}

/* ---- the bus ---- */

static char *read_line(int fd)
{
	GString *line = g_string_new(NULL);
	char c;
	while (read(fd, &c, 1) == 1 && c != '\n')
		g_string_append_c(line, c);
	close(fd);
	return g_string_free(line, FALSE);
}

static void start_bus(struct KeyringFixture *fixture, gboolean bare)
{
	g_autofree char *address =
		g_strdup_printf("--address=unix:path=%s/bus%u", fixture->folder, fixture->buses++);
	g_autofree char *config = g_strdup_printf("--config-file=%s/bus.conf", fixture->folder);
	const char *const words[] = {"dbus-daemon", "--nofork", "--print-address=1", address,
		bare ? config : "--session", NULL};
	g_autoptr(GError) error = NULL;
	int out;
	if (bare)
		g_file_set_contents(strchr(config, '/'), bare_config, -1, NULL);
	fixture->bus = spawn(fixture, NULL, words, NULL, &out);
	g_autofree char *printed = read_line(out);
	assert_true(g_str_has_prefix(printed, "unix:path="));
	fixture->connection = g_dbus_connection_new_for_address_sync(printed,
		G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
			G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
		NULL, NULL, &error);
	if (error)
		fail_msg("%s", error->message);
	g_setenv("DBUS_SESSION_BUS_ADDRESS", printed, TRUE);
}

static GVariant *ask(struct KeyringFixture *fixture, const char *name, const char *path,
	const char *interface, const char *method, GVariant *arguments)
{
	g_autoptr(GError) error = NULL;
	GVariant *answer = g_dbus_connection_call_sync(fixture->connection, name, path, interface,
		method, arguments, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, LIMIT_MS, NULL, &error);
	if (error)
		fail_msg("%s: %s", method, error->message);
	return answer;
}

static GVariant *ask_bus(struct KeyringFixture *fixture, const char *method)
{
	return ask(fixture, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
		method, g_variant_new("(s)", SECRETS));
}

gboolean keyring_fixture_has_service(struct KeyringFixture *fixture)
{
	g_autoptr(GVariant) answer = ask_bus(fixture, "NameHasOwner");
	gboolean has;
	g_variant_get(answer, "(b)", &has);
	return has;
}

static void on_owner(GDBusConnection *connection, const char *sender, const char *path,
	const char *interface, const char *signal, GVariant *parameters, gpointer user)
{
	(void)connection, (void)sender, (void)path, (void)interface, (void)signal, (void)parameters;
	*(gboolean *)user = TRUE;
}

static gboolean on_limit(gpointer user)
{
	(void)user;
	fail_msg("the keyring service neither came nor went");
	return G_SOURCE_REMOVE;
}

/* Waits until the service is there, or not. */
static void await_service(struct KeyringFixture *fixture, gboolean there)
{
	g_autoptr(GMainContext) context = g_main_context_new();
	g_autoptr(GSource) limit = g_timeout_source_new(LIMIT_MS);
	gboolean moved = FALSE;
	g_main_context_push_thread_default(context);
	g_source_set_callback(limit, on_limit, NULL, NULL);
	g_source_attach(limit, context);
	guint id = g_dbus_connection_signal_subscribe(fixture->connection, "org.freedesktop.DBus",
		"org.freedesktop.DBus", "NameOwnerChanged", NULL, SECRETS, G_DBUS_SIGNAL_FLAGS_NONE,
		on_owner, &moved, NULL);
	while (keyring_fixture_has_service(fixture) != there) {
		while (!moved)
			g_main_context_iteration(context, TRUE);
		moved = FALSE;
	}
	g_dbus_connection_signal_unsubscribe(fixture->connection, id);
	g_source_destroy(limit);
	while (g_main_context_iteration(context, FALSE))
		;
	g_main_context_pop_thread_default(context);
}

/* ---- the daemon ---- */

static void start_daemon(struct KeyringFixture *fixture)
{
	static const char *const words[] = {
		"gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets", NULL};
	int in;
	fixture->daemon = spawn(fixture, g_getenv("DBUS_SESSION_BUS_ADDRESS"), words, &in, NULL);
	assert_int_equal(write(in, PASSWORD, strlen(PASSWORD)), strlen(PASSWORD));
	close(in);
	await_service(fixture, TRUE);
}

void keyring_fixture_lock(struct KeyringFixture *fixture)
{
	const char *paths[] = {LOGIN, NULL};
	g_autoptr(GVariant) answer = ask(fixture, SECRETS, SECRETS_PATH, SERVICE_INTERFACE, "Lock",
		g_variant_new("(^ao)", paths));
	g_autofree char **locked = NULL;
	g_variant_get(answer, "(^a&oo)", &locked, NULL);
	assert_non_null(locked[0]);
}

/* By gnome-keyring's own interface for its PAM module and its manager. */
void keyring_fixture_unlock(struct KeyringFixture *fixture)
{
	g_autoptr(GVariant) session = ask(fixture, SECRETS, SECRETS_PATH, SERVICE_INTERFACE,
		"OpenSession", g_variant_new("(sv)", "plain", g_variant_new_string("")));
	const char *path;
	g_variant_get(session, "(v&o)", NULL, &path);
	GVariant *password = g_variant_new("(o@ay@ays)", path,
		g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, "", 0, 1),
		g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, PASSWORD, strlen(PASSWORD), 1),
		"text/plain");
	g_autoptr(GVariant) answer = ask(fixture, SECRETS, SECRETS_PATH,
		"org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface",
		"UnlockWithMasterPassword", g_variant_new("(o@(oayays))", LOGIN, password));
}

void keyring_fixture_stop(struct KeyringFixture *fixture)
{
	assert_int_not_equal(fixture->daemon, 0);
	halt(fixture->daemon);
}

void keyring_fixture_continue(struct KeyringFixture *fixture)
{
	kill(fixture->daemon, SIGCONT);
}

void keyring_fixture_kill(struct KeyringFixture *fixture)
{
	g_autoptr(GVariant) answer = ask_bus(fixture, "GetConnectionUnixProcessID");
	guint32 pid;
	g_variant_get(answer, "(u)", &pid);
	kill((pid_t)pid, SIGKILL);
	if ((GPid)pid == fixture->daemon)
		reap(&fixture->daemon);
	await_service(fixture, FALSE);
}

/* ---- the bus again ---- */

void keyring_fixture_stop_bus(struct KeyringFixture *fixture)
{
	halt(fixture->bus);
}

void keyring_fixture_continue_bus(struct KeyringFixture *fixture)
{
	kill(fixture->bus, SIGCONT);
}

void keyring_fixture_kill_bus(struct KeyringFixture *fixture)
{
	g_clear_object(&fixture->connection);
	reap(&fixture->bus);
}

void keyring_fixture_restart_bus(struct KeyringFixture *fixture)
{
	keyring_fixture_kill_bus(fixture);
	reap(&fixture->daemon);
	start_bus(fixture, FALSE);
}

/* ---- beginning and end ---- */

GDBusConnection *keyring_fixture_connection(struct KeyringFixture *fixture)
{
	return fixture->connection;
}

const char *keyring_fixture_folder(const struct KeyringFixture *fixture)
{
	return fixture->folder;
}

struct KeyringFixture *keyring_fixture_new(enum KeyringFixtureKind kind)
{
	struct KeyringFixture *fixture = g_new0(struct KeyringFixture, 1);
	fixture->folder = g_dir_make_tmp("keyring-XXXXXX", NULL);
	assert_non_null(fixture->folder);
	fixture->old_address = g_strdup(g_getenv("DBUS_SESSION_BUS_ADDRESS"));
	start_bus(fixture, kind == KEYRING_FIXTURE_BARE_BUS);
	if (kind == KEYRING_FIXTURE_UNLOCKED)
		start_daemon(fixture);
	return fixture;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void keyring_fixture_free(struct KeyringFixture *fixture)
{
	if (!fixture)
		return;
	reap(&fixture->daemon);
	keyring_fixture_kill_bus(fixture);
	nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	if (fixture->old_address)
		g_setenv("DBUS_SESSION_BUS_ADDRESS", fixture->old_address, TRUE);
	else
		g_unsetenv("DBUS_SESSION_BUS_ADDRESS");
	g_free(fixture->old_address);
	g_free(fixture->folder);
	g_free(fixture);
}
