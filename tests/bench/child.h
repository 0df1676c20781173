/* The programs under measurement: started over pipes, looked at through /proc, stopped. */
#ifndef MCP_MUX_BENCH_CHILD_H
#define MCP_MUX_BENCH_CHILD_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define BENCH_ERROR bench_error_quark()
GQuark bench_error_quark(void);

struct Child {
	pid_t pid; /* 0: none */
	int in; /* its standard input, -1 when closed */
	int out; /* its standard output */
	char *log; /* file that its standard error goes to */
	int status;
};

struct Memory {
	long resident_kib, private_dirty_kib, peak_kib;
};

/* Starts ARGV[0] with exactly the environment ENV (NULL: ours) on our CPUs; standard error goes to LOG.
 * Uses posix_spawn, whose cost does not grow with the caller's size. */
bool child_start(struct Child *child, const char *const argv[], char *const env[], const char *log,
	GError **error);

/* Closes its input, waits up to TIMEOUT_MS for its end, then kills it. False if it had to be killed or
 * ended with another status than 0. Harmless on one that was never started. */
bool child_stop(struct Child *child, unsigned timeout_ms);

/* The last line that it wrote to its standard error, or words for nothing, for g_free. */
char *child_last_words(const struct Child *child);

/* Reads one line of its output, slowly, for programs that print little; g_free it. NULL at end of output
 * or after 20 s. */
char *child_read_line(struct Child *child, GError **error);

/* CPU time of all its threads so far. */
uint64_t child_cpu_ns(const struct Child *child);

bool child_memory(const struct Child *child, struct Memory *memory, GError **error);
/* Lets the peak begin again at what is resident now. */
void child_reset_peak(const struct Child *child);

/* How often its threads went to sleep and were woken. */
unsigned long child_switches(const struct Child *child);

/* Binds a process (0: ourselves, and what we start from then on) to the last CPU that we may use, or
 * frees it again. */
void cpu_bind(pid_t pid, bool one);

/* Every read that hangs longer than SECONDS is interrupted; 0 ends that. */
void watchdog(unsigned seconds);

/* Kills what is still running; called at exit and on SIGINT and SIGTERM. */
void child_kill_all(void);

#endif
