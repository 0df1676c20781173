/* One GSource for all descriptors and timers of the network side: libcurl's sockets, stdin and
 * stdout, deadlines. Measured before it was built: a source of its own for every socket wakes
 * the loop for itself several times a call. See src/net/loop.c for the five rules that avoid it.
 *
 * Not thread-safe: everything runs in the thread that iterates the context. Never iterate the
 * context inside a callback. */
#ifndef MCP_MUX_NET_LOOP_H
#define MCP_MUX_NET_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

struct Loop;
struct LoopWatch;

/* Attaches a new source to CONTEXT (NULL: the default one). */
struct Loop *loop_new(GMainContext *context);
/* Detaches it; every watch and hook must be gone. NULL is fine. */
void loop_free(struct Loop *loop);

/* Watches FD, which stays the caller's. CALLBACK gets the conditions that hold (G_IO_ERR and
 * G_IO_HUP are always reported). It may change or drop any watch, its own as well. */
typedef void LoopCallback(int fd, GIOCondition condition, void *user);
struct LoopWatch *loop_watch(
	struct Loop *loop, int fd, GIOCondition condition, LoopCallback *callback, void *user);
/* Changes what is watched; 0 keeps the registration and reports nothing but errors. */
void loop_watch_set(struct LoopWatch *watch, GIOCondition condition);
/* Ends the watch; call before closing FD. NULL is fine. */
void loop_unwatch(struct LoopWatch *watch);

/* A one-shot timer inside another structure: zeroed at first, started and stopped as often as one
 * likes; cheap, since thousands may be pending: starting one later than the earliest touches no
 * system call. Monotonic time. */
struct LoopTimer {
	struct LoopTimer *next, *previous;
	struct Loop *loop; /* NULL while it does not run */
	int64_t due_us;
	void (*callback)(void *user);
	void *user;
};
/* (Re)starts TIMER: CALLBACK is called once in DELAY_MS from now, from the loop. The callback
 * may free the structure that holds the timer. */
void loop_timer_start(struct Loop *loop, struct LoopTimer *timer, unsigned delay_ms,
	void (*callback)(void *user), void *user);
/* Stops it; harmless if it does not run. */
void loop_timer_stop(struct LoopTimer *timer);

/* Calls HOOK at the end of every turn in which something was dispatched, hooks in the order of
 * STAGE (0: libcurl's finished transfers, 1: answers written out). A hook takes everything that
 * waits for it, also what comes in while it runs; if that would hold up the descriptors for too
 * long, it starts a timer of no delay for the rest. One hook a stage; NULL takes it out. */
enum LoopStage { LOOP_STAGE_TRANSFERS, LOOP_STAGE_OUTPUT, LOOP_STAGES };
void loop_set_hook(struct Loop *loop, enum LoopStage stage, void (*hook)(void *user), void *user);

/* Makes sure that a turn, and so the hooks, comes soon although no descriptor fired: for work
 * queued from outside the loop's own dispatch. Inside of it, does nothing (the hooks run
 * anyway). */
void loop_poke(struct Loop *loop);

#endif
