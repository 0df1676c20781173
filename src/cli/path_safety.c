/* Whether a file can only have been written by those who may. The path is walked from the root as the
 * kernel would, one component at a time, symbolic links included: every directory that is passed and
 * every link that is followed has to belong to root or to the owner asked for, and nobody else may
 * be able to write there. What is in a sticky directory cannot be renamed or removed by others,
 * and since each thing in it is checked itself, such a directory is let through. */
#include "base/error.h"
#include "cli/configuration.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_LINKS = 40 };

static bool refuse(const char *path, const char *at, const char *why, GError **error)
{
	if (strcmp(path, at) == 0)
		g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG,
			"%s: not used as the administrator's file: it %s", path, why);
	else
		g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG,
			"%s: not used as the administrator's file: %s on the way to it %s", path,
			at, why);
	return false;
}

/* Checks one step; *MODE gets what is there. */
static bool check_step(const char *path, const char *at, uid_t owner, mode_t *mode, GError **error)
{
	struct stat st;
	if (lstat(at, &st) < 0) {
		g_autofree char *why =
			g_strdup_printf("cannot be looked at: %s", g_strerror(errno));
		return refuse(path, at, why, error);
	}
	*mode = st.st_mode;
	if (st.st_uid != 0 && st.st_uid != owner) {
		g_autofree char *why = g_strdup_printf("belongs to user %u, expected %s",
			(unsigned)st.st_uid, owner == 0 ? "root" : "root or you");
		return refuse(path, at, why, error);
	}
	/* The mode of a link says nothing. */
	if (S_ISLNK(st.st_mode) || !(st.st_mode & (S_IWGRP | S_IWOTH)) ||
		(S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX)))
		return true;
	return refuse(
		path, at, "is writable by its group or others, expected by its owner alone", error);
}

/* The directory that HERE, which holds no link, lies in. */
static void step_up(char **here)
{
	char *parent = g_path_get_dirname(*here);
	g_free(*here);
	*here = parent;
}

/* What remains to be walked after the link STEP, whose target takes the place of its name. *HERE goes
 * back to the root where the target is absolute. NULL if the link cannot be read. */
static char *follow(const char *step, const char *rest, char **here)
{
	char target[PATH_MAX];
	ssize_t len = readlink(step, target, sizeof target - 1);
	if (len <= 0)
		return NULL;
	target[len] = '\0';
	if (g_path_is_absolute(target)) {
		g_free(*here);
		*here = g_strdup("/");
	}
	return g_strconcat(target, rest, NULL);
}

bool configuration_path_is_safe(const char *path, uid_t owner, GError **error)
{
	mode_t mode = 0;
	g_autofree char *here = g_strdup("/");
	g_autofree char *cwd = g_path_is_absolute(path) ? NULL : g_get_current_dir();
	g_autofree char *walk = cwd ? g_strconcat(cwd, "/", path, NULL) : g_strdup(path);
	if (!check_step(path, here, owner, &mode, error))
		return false;
	unsigned links = 0;
	size_t at = 0;
	for (;;) {
		at += strspn(walk + at, "/");
		size_t n = strcspn(walk + at, "/");
		if (n == 0)
			return true;
		g_autofree char *name = g_strndup(walk + at, n);
		at += n;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			step_up(&here);
			continue;
		}
		g_autofree char *step = g_build_filename(here, name, NULL);
		if (!check_step(path, step, owner, &mode, error))
			return false;
		if (!S_ISLNK(mode)) {
			g_free(here);
			here = g_steal_pointer(&step);
			continue;
		}
		char *next = ++links > MAX_LINKS ? NULL : follow(step, walk + at, &here);
		if (!next)
			return refuse(path, step, "is a symbolic link that leads nowhere", error);
		g_free(walk);
		walk = next;
		at = 0;
	}
}
