/* The loop: one GSource that carries every descriptor and timer of the network side.
 *
 * GLib writes its wake-up eventfd, and turns once more, whenever a source's descriptors or ready
 * time change. Five rules keep that out of the ordinary course of a call; this file holds the
 * first two:
 *
 * 1. The source may recurse, so that GLib does not take its descriptors out and put them back
 *    around each dispatch. In exchange nobody iterates the context inside a callback.
 * 2. The ready time is set at most once a turn, at its end, and only where it must change.
 *    Timers are armed lazily: `earliest_us` is a lower bound of what is due, a timer that starts
 *    later or stops leaves it alone, and a turn that comes too early for anything looks through
 *    the list and arms the next one. With nothing pending there is at most one such turn, then
 *    none.
 * 3. libcurl's sockets stay registered while it has no use for them (src/net/http_sockets.c).
 * 4. libcurl's timer of 0 is served at once (src/net/http.c).
 * 5. What was finished in a turn is handed on, and what that produced is written, at its end:
 *    the hooks.
 *
 * A turn is: descriptors, expired timers, hooks. Callbacks may do anything to any watch or
 * timer. A watch that is dropped during a turn leaves the context at once (its descriptor may be
 * closed and its number come back) while its structure stays in the list, marked, until the turn
 * ends. A timer that is dropped is unlinked from whatever list it is in; the list heads are
 * nodes themselves, so no one walks over freed memory. */
#include "net/loop.h"

enum {
	ALWAYS = G_IO_ERR | G_IO_HUP | G_IO_NVAL,
	HOOK_ROUNDS = 8, /* then descriptors get their chance before the hooks run again */
};

struct LoopWatch {
	struct LoopWatch *next, *previous;
	struct Loop *loop;
	gpointer tag; /* NULL: dropped, freed when the turn ends */
	int fd;
	GIOCondition condition;
	LoopCallback *callback;
	void *user;
};

struct Hook {
	void (*function)(void *user);
	void *user;
};

struct Loop {
	GSource *source;
	struct LoopWatch *watches;
	struct LoopTimer timers; /* list head: those that wait */
	struct LoopTimer expired; /* list head: those whose callback comes next */
	int64_t earliest_us; /* no timer is due before; INT64_MAX: none waits */
	int64_t armed_us; /* the source's ready time; -1: none */
	struct Hook hooks[LOOP_STAGES];
	bool dispatching;
	bool poked;
	bool have_dropped; /* a marked watch is in the list */
};

struct LoopSource {
	GSource base;
	struct Loop *loop;
};

static void list_init(struct LoopTimer *head)
{
	head->next = head;
	head->previous = head;
}

static void list_insert_before(struct LoopTimer *place, struct LoopTimer *timer)
{
	timer->previous = place->previous;
	timer->next = place;
	place->previous->next = timer;
	place->previous = timer;
}

static void list_unlink(struct LoopTimer *timer)
{
	timer->previous->next = timer->next;
	timer->next->previous = timer->previous;
	timer->next = NULL;
	timer->previous = NULL;
}

/* Sets the ready time if what is armed would come too late, or again at once without need. */
static void arm(struct Loop *loop, int64_t now_us)
{
	int64_t want = loop->earliest_us == INT64_MAX ? -1 : loop->earliest_us;
	if (loop->poked)
		want = 0;
	if (want == loop->armed_us)
		return;
	if (loop->armed_us > now_us && (want < 0 || want > loop->armed_us))
		return;
	loop->armed_us = want;
	g_source_set_ready_time(loop->source, want);
}

static void dispatch_watches(struct Loop *loop)
{
	for (struct LoopWatch *watch = loop->watches; watch; watch = watch->next) {
		if (!watch->tag)
			continue;
		/* An earlier callback of this turn may have changed what is wanted. */
		unsigned wanted = (unsigned)watch->condition | ALWAYS;
		unsigned holds =
			(unsigned)g_source_query_unix_fd(loop->source, watch->tag) & wanted;
		if (holds != 0)
			watch->callback(watch->fd, (GIOCondition)holds, watch->user);
	}
}

static void dispatch_timers(struct Loop *loop, int64_t now_us)
{
	if (now_us < loop->earliest_us)
		return;
	loop->earliest_us = INT64_MAX;
	struct LoopTimer *next;
	for (struct LoopTimer *timer = loop->timers.next; timer != &loop->timers; timer = next) {
		next = timer->next;
		if (timer->due_us > now_us) {
			loop->earliest_us = MIN(loop->earliest_us, timer->due_us);
			continue;
		}
		list_unlink(timer);
		struct LoopTimer *place = &loop->expired;
		while (place->previous != &loop->expired && place->previous->due_us > timer->due_us)
			place = place->previous;
		list_insert_before(place, timer);
	}
	while (loop->expired.next != &loop->expired) {
		struct LoopTimer *timer = loop->expired.next;
		loop_timer_stop(timer);
		timer->callback(timer->user);
	}
}

static void run_hooks(struct Loop *loop)
{
	for (unsigned round = 0; round < HOOK_ROUNDS; round++) {
		for (unsigned stage = 0; stage < LOOP_STAGES; stage++) {
			/* A hook takes all that waits for it, also what comes while it runs, so
			 * only what the last stage leaves to an earlier one needs another round. */
			loop->poked = false;
			if (loop->hooks[stage].function)
				loop->hooks[stage].function(loop->hooks[stage].user);
		}
		if (!loop->poked)
			return;
	}
}

static void free_watch(struct LoopWatch *watch)
{
	if (watch->previous)
		watch->previous->next = watch->next;
	else
		watch->loop->watches = watch->next;
	if (watch->next)
		watch->next->previous = watch->previous;
	g_free(watch);
}

static void free_dropped(struct Loop *loop)
{
	struct LoopWatch *next;
	for (struct LoopWatch *watch = loop->watches; watch; watch = next) {
		next = watch->next;
		if (!watch->tag)
			free_watch(watch);
	}
	loop->have_dropped = false;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer user)
{
	(void)callback;
	(void)user;
	struct Loop *loop = ((struct LoopSource *)source)->loop;
	int64_t now_us = g_source_get_time(source);
	loop->dispatching = true;
	dispatch_watches(loop);
	dispatch_timers(loop, now_us);
	run_hooks(loop);
	if (loop->have_dropped)
		free_dropped(loop);
	loop->dispatching = false;
	arm(loop, now_us);
	return G_SOURCE_CONTINUE;
}

struct Loop *loop_new(GMainContext *context)
{
	/* Without `prepare` and `check`, GLib itself looks at the descriptors and the ready
	 * time. */
	static GSourceFuncs functions = {.dispatch = dispatch};
	struct Loop *loop = g_new0(struct Loop, 1);
	loop->source = g_source_new(&functions, sizeof(struct LoopSource));
	((struct LoopSource *)loop->source)->loop = loop;
	list_init(&loop->timers);
	list_init(&loop->expired);
	loop->earliest_us = INT64_MAX;
	loop->armed_us = -1;
	g_source_set_name(loop->source, "mcp-mux");
	g_source_set_can_recurse(loop->source, TRUE);
	g_source_attach(loop->source, context);
	return loop;
}

void loop_free(struct Loop *loop)
{
	if (!loop)
		return;
	g_assert(!loop->dispatching && !loop->watches);
	while (loop->timers.next != &loop->timers)
		loop_timer_stop(loop->timers.next);
	g_source_destroy(loop->source);
	g_source_unref(loop->source);
	g_free(loop);
}

struct LoopWatch *loop_watch(
	struct Loop *loop, int fd, GIOCondition condition, LoopCallback *callback, void *user)
{
	struct LoopWatch *watch = g_new0(struct LoopWatch, 1);
	watch->loop = loop;
	watch->fd = fd;
	watch->condition = condition;
	watch->callback = callback;
	watch->user = user;
	watch->tag = g_source_add_unix_fd(loop->source, fd, condition);
	watch->next = loop->watches;
	if (watch->next)
		watch->next->previous = watch;
	loop->watches = watch;
	return watch;
}

void loop_watch_set(struct LoopWatch *watch, GIOCondition condition)
{
	if (watch->condition == condition)
		return;
	watch->condition = condition;
	g_source_modify_unix_fd(watch->loop->source, watch->tag, condition);
}

void loop_unwatch(struct LoopWatch *watch)
{
	if (!watch)
		return;
	struct Loop *loop = watch->loop;
	g_source_remove_unix_fd(loop->source, watch->tag);
	watch->tag = NULL;
	if (loop->dispatching)
		loop->have_dropped = true;
	else
		free_watch(watch);
}

void loop_timer_start(struct Loop *loop, struct LoopTimer *timer, unsigned delay_ms,
	void (*callback)(void *user), void *user)
{
	loop_timer_stop(timer);
	int64_t now_us = g_get_monotonic_time();
	timer->loop = loop;
	timer->due_us = now_us + (int64_t)delay_ms * 1000;
	timer->callback = callback;
	timer->user = user;
	list_insert_before(&loop->timers, timer);
	loop->earliest_us = MIN(loop->earliest_us, timer->due_us);
	if (!loop->dispatching)
		arm(loop, now_us);
}

void loop_timer_stop(struct LoopTimer *timer)
{
	if (!timer->loop)
		return;
	timer->loop = NULL;
	list_unlink(timer);
}

void loop_set_hook(struct Loop *loop, enum LoopStage stage, void (*hook)(void *user), void *user)
{
	/* One owner a stage: a second one would silence the first. */
	g_assert(!hook || !loop->hooks[stage].function);
	loop->hooks[stage] = (struct Hook){hook, user};
}

void loop_poke(struct Loop *loop)
{
	if (loop->poked)
		return;
	loop->poked = true;
	if (!loop->dispatching)
		arm(loop, g_get_monotonic_time());
}
