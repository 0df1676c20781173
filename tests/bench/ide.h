/* The IDE's side: one server over stdio, calls one at a time or many in flight, in either era. */
#ifndef MCP_MUX_BENCH_IDE_H
#define MCP_MUX_BENCH_IDE_H

#include "child.h"
#include "wire.h"

struct Ide {
	struct Child child;
	bool modern;
	uint64_t started_ns; /* when the server was started */
	uint64_t opened_ns; /* when its answer to the first request had come */
	uint64_t next_id;
	char *buf;
	size_t have, used, cap;
	bool long_lines; /* keep only the first bytes of lines, which are large results */
};

/* What a round of calls took. */
struct Calls {
	uint64_t p50_ns, p90_ns, p99_ns; /* latency */
	uint64_t cpu_ns; /* of the server, per call */
	uint64_t elapsed_ns; /* for all of them */
};

/* Starts the server and opens the session: initialize (2025-11-25) and its notification, or
 * server/discover. On failure nothing is left running. */
bool ide_open(struct Ide *ide, bool modern, const char *const argv[], char *const env[],
	const char *log, GError **error);
/* The two halves of ide_open: a server started with its first request in the pipe, and the answer. */
bool ide_start(struct Ide *ide, bool modern, const char *const argv[], char *const env[],
	const char *log, GError **error);
bool ide_opened(struct Ide *ide, GError **error);

/* Ends the session; an error if the server had to be killed or failed. */
bool ide_close(struct Ide *ide, GError **error);
/* The same where an earlier error counts already. */
void ide_drop(struct Ide *ide);

/* Asks for all tools. */
bool ide_list(struct Ide *ide, unsigned *n_tools, GError **error);
/* Asks again until N tools are there, for at most 10 s. */
bool ide_await_tools(struct Ide *ide, unsigned n, GError **error);

/* Calls TOOL N times, INFLIGHT at a time. An answer that is no good result is an error. CALLS may be
 * NULL. */
bool ide_calls(struct Ide *ide, const char *tool, size_t n, unsigned inflight, struct Calls *calls,
	GError **error);

/* Sends a ping every millisecond for DURATION_MS, from the start of the session (after ide_start, before
 * ide_opened) on, and gives the longest time that one had to wait for its answer after the session was
 * open. */
bool ide_pings(struct Ide *ide, unsigned duration_ms, uint64_t *longest_ns, GError **error);

/* Sorts and picks; FRACTION from 0 to 1. */
double median(double *values, size_t n);

#endif
