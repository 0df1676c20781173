/* A loop of one's own for tests: a fresh context, turned until something has happened or time is
 * up. */
#ifndef MCP_MUX_TESTS_NET_LOOP_FIXTURE_H
#define MCP_MUX_TESTS_NET_LOOP_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

#include "net/loop.h"

enum { PATIENCE_MS = 10000 }; /* for what must happen */

struct Fixture {
	GMainContext *context;
	struct Loop *loop;
	bool time_is_up;
};

static inline void fixture_init(struct Fixture *fixture)
{
	fixture->context = g_main_context_new();
	fixture->loop = loop_new(fixture->context);
	fixture->time_is_up = false;
}

static inline void fixture_release(struct Fixture *fixture)
{
	loop_free(fixture->loop);
	g_main_context_unref(fixture->context);
}

static inline gboolean fixture_on_time(gpointer user)
{
	*(bool *)user = true;
	return G_SOURCE_CONTINUE;
}

/* Turns the loop until *WHAT is at least WANTED; false if that takes longer than TIMEOUT_MS. */
static inline bool fixture_turn(
	struct Fixture *fixture, const unsigned *what, unsigned wanted, unsigned timeout_ms)
{
	GSource *timeout = g_timeout_source_new(timeout_ms);
	fixture->time_is_up = false;
	g_source_set_callback(timeout, fixture_on_time, &fixture->time_is_up, NULL);
	g_source_attach(timeout, fixture->context);
	while (*what < wanted && !fixture->time_is_up)
		g_main_context_iteration(fixture->context, TRUE);
	g_source_destroy(timeout);
	g_source_unref(timeout);
	return *what >= wanted;
}

/* Fails the test unless *WHAT reaches WANTED. */
#define turn_until(fixture, what, wanted)                                                          \
	assert_true(fixture_turn((fixture), &(what), (wanted), PATIENCE_MS))

/* Turns the loop for TIMEOUT_MS whatever happens. */
static inline void fixture_turn_for(struct Fixture *fixture, unsigned timeout_ms)
{
	unsigned never = 0;
	assert_false(fixture_turn(fixture, &never, 1, timeout_ms));
}

#endif
