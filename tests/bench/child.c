#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

enum { RUNNING_MAX = 64, LINE_TIMEOUT_MS = 20000 };

/* For the signal handler: what is to be killed if the benchmark is interrupted. */
static volatile pid_t running[RUNNING_MAX];

GQuark bench_error_quark(void)
{
	return g_quark_from_static_string("bench-error");
}

static void remember(pid_t from, pid_t to)
{
	for (unsigned i = 0; i < RUNNING_MAX; i++)
		if (running[i] == from) {
			running[i] = to;
			return;
		}
}

void child_kill_all(void)
{
	for (unsigned i = 0; i < RUNNING_MAX; i++)
		if (running[i])
			kill(running[i], SIGKILL);
}

bool child_start(struct Child *child, const char *const argv[], char *const env[], const char *log,
	GError **error)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t pipe_signal;
	int in[2], out[2];

	*child = (struct Child){.in = -1, .out = -1};
	if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) {
		g_set_error(error, BENCH_ERROR, 0, "pipe: %s", g_strerror(errno));
		return false;
	}
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(
		&actions, STDERR_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	/* We ignore SIGPIPE, and that would be inherited. */
	sigemptyset(&pipe_signal);
	sigaddset(&pipe_signal, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigdefault(&attributes, &pipe_signal);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
	int rc = posix_spawnp(&child->pid, argv[0], &actions, &attributes, (char *const *)argv,
		env ? env : environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	child->in = in[1];
	child->out = out[0];
	child->log = g_strdup(log);
	if (rc != 0) {
		child->pid = 0;
		child_stop(child, 0);
		g_set_error(error, BENCH_ERROR, 0, "cannot start %s: %s", argv[0], g_strerror(rc));
		return false;
	}
	remember(0, child->pid);
	return true;
}

static bool reap(struct Child *child, unsigned timeout_ms)
{
	uint64_t end = wire_now_ns() + timeout_ms * 1000000ull;

	while (waitpid(child->pid, &child->status, WNOHANG) == 0) {
		if (wire_now_ns() >= end)
			return false;
		g_usleep(500);
	}
	return true;
}

bool child_stop(struct Child *child, unsigned timeout_ms)
{
	bool clean = true;

	if (child->in >= 0)
		close(child->in);
	if (child->pid) {
		clean = reap(child, timeout_ms);
		if (!clean) {
			kill(child->pid, SIGKILL);
			waitpid(child->pid, &child->status, 0);
		}
		clean = clean && WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
		remember(child->pid, 0);
	}
	if (child->out >= 0)
		close(child->out);
	g_free(child->log);
	*child = (struct Child){.in = -1, .out = -1, .status = child->status};
	return clean;
}

char *child_last_words(const struct Child *child)
{
	g_autofree char *text = NULL;

	if (!child->log || !g_file_get_contents(child->log, &text, NULL, NULL) || !*text)
		return g_strdup("(nothing on standard error)");
	g_strchomp(text);
	const char *line = strrchr(text, '\n');
	g_autofree char *last = g_utf8_make_valid(line ? line + 1 : text, -1);
	return g_strdup(last);
}

char *child_read_line(struct Child *child, GError **error)
{
	g_autoptr(GString) line = g_string_new(NULL);
	struct pollfd in = {child->out, POLLIN, 0};
	char byte;

	while (poll(&in, 1, LINE_TIMEOUT_MS) == 1 && read(child->out, &byte, 1) == 1) {
		if (byte == '\n')
			return g_string_free(g_steal_pointer(&line), FALSE);
		g_string_append_c(line, byte);
	}
	g_autofree char *words = child_last_words(child);
	g_set_error(error, BENCH_ERROR, 0, "no line from a helper program: %s", words);
	return NULL;
}

uint64_t child_cpu_ns(const struct Child *child)
{
	struct timespec ts = {0};
	clockid_t clock;

	if (clock_getcpuclockid(child->pid, &clock) == 0)
		clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The number behind NAME in the text of a file of /proc; -1 if it is not there. */
static long proc_number(const char *text, const char *name)
{
	g_autofree char *key = g_strdup_printf("\n%s:", name);
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static char *proc_text(pid_t pid, const char *file)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pid, file);
	char *text = NULL;

	g_file_get_contents(path, &text, NULL, NULL);
	return text;
}

bool child_memory(const struct Child *child, struct Memory *memory, GError **error)
{
	g_autofree char *rollup = proc_text(child->pid, "smaps_rollup");
	g_autofree char *status = proc_text(child->pid, "status");
	struct Memory found = {
		.resident_kib = proc_number(rollup, "Rss"),
		.private_dirty_kib = proc_number(rollup, "Private_Dirty"),
		.peak_kib = proc_number(status, "VmHWM"),
	};

	if (found.resident_kib < 0 || found.private_dirty_kib < 0 || found.peak_kib < 0) {
		g_set_error(error, BENCH_ERROR, 0,
			"/proc/%d/smaps_rollup cannot be read (an undumpable process: run as root)",
			(int)child->pid);
		return false;
	}
	*memory = found;
	return true;
}

void child_reset_peak(const struct Child *child)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/clear_refs", (int)child->pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0) {
		if (write(fd, "5", 1) != 1)
			g_printerr("bench: the peak could not be reset\n");
		close(fd);
	}
}

unsigned long child_switches(const struct Child *child)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/task", (int)child->pid);
	g_autoptr(GDir) tasks = g_dir_open(path, 0, NULL);
	unsigned long total = 0;
	const char *task;

	while (tasks && (task = g_dir_read_name(tasks))) {
		g_autofree char *file = g_strdup_printf("task/%s/status", task);
		g_autofree char *status = proc_text(child->pid, file);
		long n = proc_number(status, "voluntary_ctxt_switches");
		total += n > 0 ? (unsigned long)n : 0;
	}
	return total;
}

void cpu_bind(pid_t pid, bool one)
{
	static cpu_set_t all;
	static int last = -1;
	cpu_set_t set;

	if (last < 0) {
		sched_getaffinity(0, sizeof(all), &all);
		for (int i = 0; i < CPU_SETSIZE; i++)
			if (CPU_ISSET(i, &all))
				last = i;
	}
	CPU_ZERO(&set);
	CPU_SET(last, &set);
	sched_setaffinity(pid, sizeof(set), one ? &set : &all);
}

static void interrupted(int number)
{
	(void)number;
}

void watchdog(unsigned seconds)
{
	struct sigaction action = {.sa_handler = interrupted}; /* without SA_RESTART */

	sigaction(SIGALRM, &action, NULL);
	alarm(seconds);
}
