/* What is written here is part of the interface between processes, versions of this program among them: names of
 * locks and the stamp must not change. Locks are polled, since an open-file-description lock has no event. */
#include "auth/credential_lock.h"

#include "base/error.h"
#include "base/log.h"
#include "format/url.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POLL_MS = 30, TICK_US = 20 * 1000 };

struct KeyringKey credential_key(const struct ConnectorConfig *connector, char **resource)
{
	*resource = url_canonical(connector->url);
	return (struct KeyringKey){
		.connector = connector->name,
		.resource = *resource,
		.kind = connector->auth == AUTH_API_KEY ? KEYRING_API_KEY : KEYRING_TOKEN,
	};
}

char *credential_lock_path(const struct ConnectorConfig *connector)
{
	g_autofree char *resource = url_canonical(connector->url);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	g_checksum_update(
		sum, (const guchar *)connector->name, (gssize)strlen(connector->name) + 1);
	g_checksum_update(sum, (const guchar *)resource, (gssize)strlen(resource));
	g_autofree char *name = g_strconcat("locks/", g_checksum_get_string(sum), NULL);
	return file_state_path(name);
}

/* ---- the lock ---- */

struct CredentialLock {
	struct Loop *loop;
	struct LoopTimer timer;
	char *path;
	int64_t deadline_us;
	unsigned limit_ms;
	CredentialLocked *locked;
	void *user;
};

void credential_lock_cancel(struct CredentialLock *wait)
{
	if (!wait)
		return;
	loop_timer_stop(&wait->timer);
	g_free(wait->path);
	g_free(wait);
}

static void end(struct CredentialLock *wait, struct FileLock *lock, GError *error)
{
	CredentialLocked *locked = wait->locked;
	void *user = wait->user;
	credential_lock_cancel(wait);
	locked(lock, error, user);
	g_clear_error(&error);
}

static void try_it(void *user)
{
	struct CredentialLock *wait = user;
	GError *error = NULL;
	gint64 holder = 0;
	struct FileLock *lock = file_try_lock(wait->path, &holder, &error);
	if (lock || error) {
		end(wait, lock, error);
		return;
	}
	if (g_get_monotonic_time() < wait->deadline_us) {
		loop_timer_start(wait->loop, &wait->timer, POLL_MS, try_it, wait);
		return;
	}
	g_autofree char *who = holder ? g_strdup_printf("process %" G_GINT64_FORMAT, holder)
				      : g_strdup("another process");
	end(wait, NULL,
		g_error_new(MUX_ERROR, MUX_ERROR_TIMEOUT,
			"its credential has been in use by %s for %g s", who,
			wait->limit_ms / 1000.0));
}

struct CredentialLock *credential_lock_start(struct Loop *loop,
	const struct ConnectorConfig *connector, unsigned limit_ms, CredentialLocked *locked,
	void *user)
{
	struct CredentialLock *wait = g_new0(struct CredentialLock, 1);
	wait->loop = loop;
	wait->path = credential_lock_path(connector);
	wait->limit_ms = limit_ms;
	wait->deadline_us = g_get_monotonic_time() + (int64_t)limit_ms * 1000;
	wait->locked = locked;
	wait->user = user;
	loop_timer_start(loop, &wait->timer, 0, try_it, wait);
	return wait;
}

/* ---- the stamp ---- */

void credential_touch_stamp(void)
{
	g_autofree char *path = file_state_path("stamp");
	g_autofree char *dir = g_path_get_dirname(path);
	int fd = -1;
	if (g_mkdir_with_parents(dir, 0700) == 0)
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (fd < 0 || futimens(fd, NULL) < 0)
		log_warning(
			NULL, "%s: %s; running servers may notice late", path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
}

bool credential_was_touched(int64_t real_us)
{
	g_autofree char *path = file_state_path("stamp");
	struct stat st;
	/* Files have the time of the kernel's last tick. */
	return stat(path, &st) == 0 &&
	       (int64_t)st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000 + TICK_US >=
		       real_us;
}

void credential_watch_stamp(struct FileWatch *watch, void (*changed)(void *user), void *user)
{
	g_autofree char *path = file_state_path("stamp");
	file_watch_add(watch, path, changed, user);
}
