/* A clock that a test puts forward, so that waits of minutes are over at once. Takes the place of the three
 * functions of GLib through which net/loop reads time; GLib's own sources and libcurl keep the real one.
 * For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_FAST_CLOCK_H
#define MCP_MUX_TESTS_FAST_CLOCK_H

#include "net_loop_fixture.h"

#include <dlfcn.h>
#include <time.h>

static int64_t clock_ahead_us;
static GSource *clock_source; /* the loop's, and what it wants */
static gint64 clock_ready_us;

gint64 g_get_monotonic_time(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (gint64)now.tv_sec * 1000000 + now.tv_nsec / 1000 + clock_ahead_us;
}

gint64 g_source_get_time(GSource *source)
{
	static gint64 (*real)(GSource *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "g_source_get_time");
	/* Constant within a turn of the loop: GTask relies on that. */
	return real(source) + clock_ahead_us;
}

void g_source_set_ready_time(GSource *source, gint64 ready_us)
{
	static void (*real)(GSource *, gint64);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "g_source_set_ready_time");
	/* GIO's sources are none of ours. */
	if (g_strcmp0(g_source_get_name(source), "mcp-mux") != 0) {
		real(source, ready_us);
		return;
	}
	if (clock_source != source) {
		g_clear_pointer(&clock_source, g_source_unref);
		clock_source = g_source_ref(source);
	}
	clock_ready_us = ready_us;
	real(source, ready_us > 0 ? MAX(ready_us - clock_ahead_us, 0) : ready_us);
}

static inline void clock_on_kick(void *user)
{
	++*(unsigned *)user;
}

/* Puts the clock MS forward and runs what is due by then. */
static inline void clock_jump(struct Fixture *fixture, unsigned ms)
{
	unsigned kicks = 0;
	struct LoopTimer kick = {0};
	clock_ahead_us += (int64_t)ms * 1000;
	g_source_set_ready_time(clock_source, clock_ready_us);
	loop_timer_start(fixture->loop, &kick, 0, clock_on_kick, &kicks);
	turn_until(fixture, kicks, 1);
}

#endif
