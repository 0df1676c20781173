/* A URL of an authorization server is put into an argument of a command that the person chose, never through a shell,
 * and only if it is http or https: so it cannot be taken for an option, and it stands nowhere else. */
#include "auth/browser.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/url.h"

#include <sys/wait.h>
#include <unistd.h>

static const char *const usual_command = "xdg-open";

static bool is_set(const char *variable)
{
	const char *value = g_getenv(variable);
	return value && *value;
}

bool browser_is_there(void)
{
	if (is_set("BROWSER"))
		return true;
	if (!is_set("DISPLAY") && !is_set("WAYLAND_DISPLAY"))
		return false;
	g_autofree char *path = g_find_program_in_path(usual_command);
	return path != NULL;
}

/* The words of $BROWSER with URL in place of each `%s`, or after them; for g_strfreev. */
static char **command_for(const char *url, GError **error)
{
	const char *command = is_set("BROWSER") ? g_getenv("BROWSER") : usual_command;
	g_auto(GStrv) words = NULL;
	g_autoptr(GError) fault = NULL;
	if (!g_shell_parse_argv(command, NULL, &words, &fault)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED,
			"BROWSER cannot be understood as a command: %s", fault->message);
		return NULL;
	}
	GPtrArray *argv = g_ptr_array_new();
	bool placed = false;
	for (char **word = words; *word; word++) {
		g_auto(GStrv) parts = g_strsplit(*word, "%s", -1);
		placed |= g_strv_length(parts) > 1;
		g_ptr_array_add(argv, g_strjoinv(url, parts));
	}
	if (!placed)
		g_ptr_array_add(argv, g_strdup(url));
	g_ptr_array_add(argv, NULL);
	return (char **)g_ptr_array_free(argv, FALSE);
}

/* In the child: only what is safe there. */
static void leave_session(gpointer user)
{
	(void)user;
	setsid();
}

static void on_end(GPid pid, gint status, gpointer user)
{
	const char *name = user;
	g_spawn_close_pid(pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
		log_warning(NULL, "%s ended with exit status %d: open the URL by hand", name,
			WEXITSTATUS(status));
}

bool browser_open(const char *url, GError **error)
{
	GPid pid;
	g_autoptr(GError) fault = NULL;
	if (!url_is_http(url)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED,
			"the URL to be opened is neither http nor https");
		return false;
	}
	g_auto(GStrv) argv = command_for(url, error);
	if (!argv)
		return false;
	g_autofree char *name = text_printable(slice_of(argv[0]), 100);
	/* GLib closes every other descriptor in the child, gives it /dev/null for its stdin, and the default
	 * disposition of SIGPIPE. */
	if (!g_spawn_async(NULL, argv, NULL,
		    G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
			    G_SPAWN_STDERR_TO_DEV_NULL,
		    leave_session, NULL, &pid, &fault)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED, "cannot start the browser %s: %s",
			name, fault->message);
		return false;
	}
	g_child_watch_add_full(G_PRIORITY_DEFAULT, pid, on_end, g_steal_pointer(&name), g_free);
	return true;
}
