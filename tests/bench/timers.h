/* Timers of the fake upstream: a binary heap, soonest first. */
#ifndef MCP_MUX_BENCH_TIMERS_H
#define MCP_MUX_BENCH_TIMERS_H

#include <stddef.h>
#include <stdint.h>

struct Timer {
	uint64_t due_ns; /* CLOCK_MONOTONIC */
	int fd;
	unsigned generation; /* of the connection: a later one with the same fd is another */
};

struct Timers {
	struct Timer *at; /* the first is the soonest */
	size_t n, cap;
};

/* Adds one; ends the program if there is no memory. */
void timers_add(struct Timers *timers, struct Timer timer);

/* Takes out the soonest; there must be one. */
struct Timer timers_take(struct Timers *timers);

#endif
