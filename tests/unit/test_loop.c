#include "net_loop_fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static int setup(void **state)
{
	struct Fixture *fixture = g_new0(struct Fixture, 1);
	fixture_init(fixture);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	fixture_release(*state);
	g_free(*state);
	return 0;
}

/* The only source of the fixture's context when nothing else was attached. */
static gint64 ready_time(struct Fixture *fixture)
{
	return g_source_get_ready_time(g_main_context_find_source_by_id(fixture->context, 1));
}

struct Seen {
	struct Fixture *fixture;
	struct LoopWatch *watch, *other;
	struct Seen *next;
	unsigned calls;
	GIOCondition condition;
	int fd;
};

static void note(int fd, GIOCondition condition, void *user)
{
	struct Seen *seen = user;
	char byte;
	seen->calls++;
	seen->condition = condition;
	seen->fd = fd;
	if (condition & G_IO_IN && read(fd, &byte, 1) < 0)
		fail();
}

static void make_pipe(int fds[2])
{
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
}

static void put(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

/* ---- watches ---- */

static void watch_reports_what_holds(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	struct LoopWatch *watch = loop_watch(fixture->loop, fds[0], G_IO_IN, note, &seen);
	put(fds[1]);
	turn_until(fixture, seen.calls, 1);
	assert_int_equal(seen.fd, fds[0]);
	assert_int_equal(seen.condition, G_IO_IN);
	fixture_turn_for(fixture, 20);
	assert_int_equal(seen.calls, 1);
	loop_unwatch(watch);
	put(fds[1]);
	fixture_turn_for(fixture, 20);
	assert_int_equal(seen.calls, 1);
	close(fds[0]);
	close(fds[1]);
}

static void drop_own(int fd, GIOCondition condition, void *user)
{
	struct Seen *seen = user;
	(void)fd;
	seen->calls++;
	seen->condition = condition;
	g_clear_pointer(&seen->watch, loop_unwatch);
}

static void condition_zero_reports_only_that_the_other_end_is_gone(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct Seen seen = {0};
	seen.watch = loop_watch(fixture->loop, fds[0], 0, drop_own, &seen);
	put(fds[1]);
	fixture_turn_for(fixture, 20);
	assert_int_equal(seen.calls, 0);
	close(fds[1]);
	turn_until(fixture, seen.calls, 1);
	assert_true(seen.condition & G_IO_HUP);
	assert_false(seen.condition & G_IO_IN);
	close(fds[0]);
}

static void a_closed_descriptor_is_reported_and_not_spun_on(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	seen.watch = loop_watch(fixture->loop, fds[0], G_IO_IN, drop_own, &seen);
	close(fds[0]);
	turn_until(fixture, seen.calls, 1);
	assert_true(seen.condition & G_IO_NVAL);
	close(fds[1]);
}

static void changing_the_condition_takes_effect(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct Seen seen = {0};
	seen.watch = loop_watch(fixture->loop, fds[0], G_IO_IN, drop_own, &seen);
	fixture_turn_for(fixture, 10);
	assert_int_equal(seen.calls, 0);
	loop_watch_set(seen.watch, G_IO_OUT);
	turn_until(fixture, seen.calls, 1);
	assert_int_equal(seen.condition, G_IO_OUT);
	close(fds[0]);
	close(fds[1]);
}

static void drop_both(int fd, GIOCondition condition, void *user)
{
	struct Seen *seen = user;
	(void)fd;
	(void)condition;
	seen->calls++;
	g_clear_pointer(&seen->watch, loop_unwatch);
	g_clear_pointer(&seen->next->watch, loop_unwatch);
}

static void a_watch_dropped_by_another_in_the_same_turn_is_not_called(void **state)
{
	struct Fixture *fixture = *state;
	int a[2], b[2];
	make_pipe(a);
	make_pipe(b);
	struct Seen first = {0}, second = {.next = &first};
	first.next = &second;
	first.watch = loop_watch(fixture->loop, a[0], G_IO_IN, drop_both, &first);
	second.watch = loop_watch(fixture->loop, b[0], G_IO_IN, drop_both, &second);
	put(a[1]);
	put(b[1]);
	fixture_turn_for(fixture, 20);
	assert_int_equal(first.calls + second.calls, 1);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void swap_descriptor(int fd, GIOCondition condition, void *user)
{
	struct Seen *seen = user;
	(void)condition;
	seen->calls++;
	loop_unwatch(seen->watch);
	close(fd);
	int fds[2];
	make_pipe(fds);
	seen->watch = NULL;
	/* The lowest free number is the one just closed. */
	assert_int_equal(fds[0], fd);
	seen->next->watch = loop_watch(seen->fixture->loop, fds[0], G_IO_IN, note, seen->next);
	seen->next->fd = fds[1];
}

static void a_descriptor_number_may_come_back_in_the_same_turn(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	make_pipe(fds);
	struct Seen later = {0};
	struct Seen seen = {.fixture = fixture, .next = &later};
	seen.watch = loop_watch(fixture->loop, fds[0], G_IO_IN, swap_descriptor, &seen);
	put(fds[1]);
	turn_until(fixture, seen.calls, 1);
	fixture_turn_for(fixture, 10);
	assert_int_equal(later.calls, 0);
	int writer = later.fd;
	put(writer);
	turn_until(fixture, later.calls, 1);
	assert_int_equal(seen.calls, 1);
	close(later.fd);
	close(writer);
	close(fds[1]);
	loop_unwatch(later.watch);
}

/* ---- timers ---- */

struct Alarm {
	struct LoopTimer timer;
	struct Fixture *fixture;
	struct Alarm *other;
	GString *log;
	unsigned *count;
	char name;
	unsigned calls;
	gint64 at_us;
	struct LoopWatch *watch;
};

static void ring(void *user)
{
	struct Alarm *alarm = user;
	alarm->calls++;
	alarm->at_us = g_get_monotonic_time();
	if (alarm->log)
		g_string_append_c(alarm->log, alarm->name);
}

static void timers_fire_once_in_the_order_they_are_due(void **state)
{
	struct Fixture *fixture = *state;
	g_autoptr(GString) log = g_string_new(NULL);
	const unsigned delays[] = {30, 10, 40, 10, 20};
	struct Alarm alarms[5];
	for (unsigned i = 0; i < 5; i++) {
		alarms[i] = (struct Alarm){.log = log, .name = (char)('a' + i)};
		loop_timer_start(fixture->loop, &alarms[i].timer, delays[i], ring, &alarms[i]);
	}
	/* All are due when the loop first looks: it still keeps their order. */
	g_usleep(50 * 1000);
	turn_until(fixture, alarms[2].calls, 1);
	assert_string_equal(log->str, "bdeac");
	fixture_turn_for(fixture, 60);
	assert_string_equal(log->str, "bdeac");
	assert_null(alarms[0].timer.loop);
}

static void a_timer_is_never_early(void **state)
{
	struct Fixture *fixture = *state;
	for (unsigned i = 0; i < 5; i++) {
		struct Alarm alarm = {0};
		gint64 start_us = g_get_monotonic_time();
		loop_timer_start(fixture->loop, &alarm.timer, 7, ring, &alarm);
		turn_until(fixture, alarm.calls, 1);
		assert_true(alarm.at_us - start_us >= 7000);
		assert_true(alarm.at_us - start_us < 2000000);
	}
}

static void a_stopped_or_restarted_timer_does_not_fire_at_its_old_time(void **state)
{
	struct Fixture *fixture = *state;
	struct Alarm stopped = {0}, moved = {0};
	loop_timer_start(fixture->loop, &stopped.timer, 10, ring, &stopped);
	loop_timer_start(fixture->loop, &moved.timer, 10, ring, &moved);
	gint64 start_us = g_get_monotonic_time();
	loop_timer_start(fixture->loop, &moved.timer, 60, ring, &moved);
	loop_timer_stop(&stopped.timer);
	loop_timer_stop(&stopped.timer);
	turn_until(fixture, moved.calls, 1);
	assert_true(moved.at_us - start_us >= 60000);
	assert_int_equal(stopped.calls, 0);
}

static void free_self(void *user)
{
	struct Alarm *alarm = user;
	(*alarm->count)++;
	g_free(alarm);
}

static void a_callback_may_free_what_holds_the_timer(void **state)
{
	struct Fixture *fixture = *state;
	unsigned count = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct Alarm *alarm = g_new0(struct Alarm, 1);
		alarm->count = &count;
		loop_timer_start(fixture->loop, &alarm->timer, 5, free_self, alarm);
	}
	turn_until(fixture, count, 3);
}

static void stop_other(void *user)
{
	struct Alarm *alarm = user;
	alarm->calls++;
	loop_timer_stop(&alarm->other->timer);
}

static void a_callback_may_stop_another_that_expired_with_it(void **state)
{
	struct Fixture *fixture = *state;
	struct Alarm a = {0}, b = {.other = &a};
	a.other = &b;
	loop_timer_start(fixture->loop, &a.timer, 5, stop_other, &a);
	loop_timer_start(fixture->loop, &b.timer, 6, stop_other, &b);
	g_usleep(10 * 1000);
	turn_until(fixture, a.calls, 1);
	fixture_turn_for(fixture, 20);
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, 0);
}

static void ring_again(void *user)
{
	struct Alarm *alarm = user;
	alarm->calls++;
	loop_timer_start(alarm->fixture->loop, &alarm->timer, 0, ring_again, alarm);
}

static void a_timer_that_restarts_at_once_starves_no_descriptor(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	struct LoopWatch *watch = loop_watch(fixture->loop, fds[0], G_IO_IN, note, &seen);
	struct Alarm alarm = {.fixture = fixture};
	loop_timer_start(fixture->loop, &alarm.timer, 0, ring_again, &alarm);
	turn_until(fixture, alarm.calls, 10);
	put(fds[1]);
	turn_until(fixture, seen.calls, 1);
	loop_timer_stop(&alarm.timer);
	loop_unwatch(watch);
	close(fds[0]);
	close(fds[1]);
}

static void later_timers_and_stops_leave_the_source_alone(void **state)
{
	struct Fixture *fixture = *state;
	struct LoopTimer timers[1000] = {0};
	struct Alarm alarm = {0};
	assert_int_equal(ready_time(fixture), -1);
	loop_timer_start(fixture->loop, &timers[0], 500, ring, &alarm);
	gint64 armed = ready_time(fixture);
	assert_true(armed > 0);
	for (unsigned i = 1; i < 1000; i++)
		loop_timer_start(fixture->loop, &timers[i], 600 + i, ring, &alarm);
	for (unsigned i = 0; i < 1000; i++)
		loop_timer_stop(&timers[i]);
	assert_int_equal(ready_time(fixture), armed);
	loop_timer_start(fixture->loop, &timers[7], 20, ring, &alarm);
	assert_true(ready_time(fixture) < armed);
	turn_until(fixture, alarm.calls, 1);
	assert_int_equal(ready_time(fixture), -1);
}

static void freeing_the_loop_stops_its_timers(void **state)
{
	(void)state;
	struct Fixture own;
	fixture_init(&own);
	struct LoopTimer timer = {0};
	loop_timer_start(own.loop, &timer, 5, ring, NULL);
	fixture_release(&own);
	assert_null(timer.loop);
	loop_timer_stop(&timer);
}

/* ---- hooks ---- */

struct HookLog {
	struct Fixture *fixture;
	GString *log;
	unsigned turns;
	unsigned poke_again;
};

static void hook_transfers(void *user)
{
	struct HookLog *hooks = user;
	g_string_append_c(hooks->log, 't');
}

static void hook_output(void *user)
{
	struct HookLog *hooks = user;
	g_string_append_c(hooks->log, 'o');
	hooks->turns++;
	if (hooks->poke_again > 0) {
		hooks->poke_again--;
		loop_poke(hooks->fixture->loop);
	}
}

static void set_hooks(struct Fixture *fixture, struct HookLog *hooks)
{
	*hooks = (struct HookLog){.fixture = fixture, .log = g_string_new(NULL)};
	loop_set_hook(fixture->loop, LOOP_STAGE_OUTPUT, hook_output, hooks);
	loop_set_hook(fixture->loop, LOOP_STAGE_TRANSFERS, hook_transfers, hooks);
}

static void hooks_run_in_order_after_what_was_dispatched(void **state)
{
	struct Fixture *fixture = *state;
	struct HookLog hooks;
	set_hooks(fixture, &hooks);
	struct Alarm alarm = {.log = hooks.log, .name = 'T'};
	loop_timer_start(fixture->loop, &alarm.timer, 1, ring, &alarm);
	turn_until(fixture, hooks.turns, 1);
	assert_string_equal(hooks.log->str, "Tto");
	g_string_free(hooks.log, TRUE);
}

static void a_poke_from_outside_brings_one_turn(void **state)
{
	struct Fixture *fixture = *state;
	struct HookLog hooks;
	set_hooks(fixture, &hooks);
	fixture_turn_for(fixture, 20);
	assert_int_equal(hooks.turns, 0);
	loop_poke(fixture->loop);
	loop_poke(fixture->loop);
	turn_until(fixture, hooks.turns, 1);
	fixture_turn_for(fixture, 30);
	assert_string_equal(hooks.log->str, "to");
	assert_int_equal(ready_time(fixture), -1);
	g_string_free(hooks.log, TRUE);
}

static void a_poke_by_the_last_hook_runs_them_again(void **state)
{
	struct Fixture *fixture = *state;
	struct HookLog hooks;
	set_hooks(fixture, &hooks);
	hooks.poke_again = 1;
	loop_poke(fixture->loop);
	turn_until(fixture, hooks.turns, 2);
	fixture_turn_for(fixture, 30);
	assert_string_equal(hooks.log->str, "toto");
	g_string_free(hooks.log, TRUE);
}

static void hooks_that_poke_for_ever_starve_no_descriptor(void **state)
{
	struct Fixture *fixture = *state;
	struct HookLog hooks;
	set_hooks(fixture, &hooks);
	hooks.poke_again = UINT_MAX;
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	struct LoopWatch *watch = loop_watch(fixture->loop, fds[0], G_IO_IN, note, &seen);
	loop_poke(fixture->loop);
	turn_until(fixture, hooks.turns, 20);
	put(fds[1]);
	turn_until(fixture, seen.calls, 1);
	loop_unwatch(watch);
	close(fds[0]);
	close(fds[1]);
	g_string_free(hooks.log, TRUE);
}

static void ignore_stop(void *user)
{
	(void)user;
}

static void nothing_wakes_an_idle_loop(void **state)
{
	struct Fixture *fixture = *state;
	struct HookLog hooks;
	set_hooks(fixture, &hooks);
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	struct LoopWatch *watch = loop_watch(fixture->loop, fds[0], G_IO_IN, note, &seen);
	struct LoopTimer timer = {0}, later = {0};
	/* A stopped timer costs one early turn at most, which arms the next. */
	loop_timer_start(fixture->loop, &timer, 10, ignore_stop, NULL);
	loop_timer_start(fixture->loop, &later, 60000, ignore_stop, NULL);
	loop_timer_stop(&timer);
	fixture_turn_for(fixture, 250);
	assert_true(hooks.turns <= 1);
	assert_true(ready_time(fixture) > g_get_monotonic_time() + 30000000);
	loop_timer_stop(&later);
	loop_unwatch(watch);
	close(fds[0]);
	close(fds[1]);
	g_string_free(hooks.log, TRUE);
}

static void watch_in_timer(void *user)
{
	struct Alarm *alarm = user;
	ring(alarm);
	g_clear_pointer(&alarm->watch, loop_unwatch);
}

static void a_timer_may_drop_a_watch(void **state)
{
	struct Fixture *fixture = *state;
	int fds[2];
	make_pipe(fds);
	struct Seen seen = {0};
	struct Alarm alarm = {0};
	alarm.watch = loop_watch(fixture->loop, fds[0], G_IO_IN, note, &seen);
	loop_timer_start(fixture->loop, &alarm.timer, 1, watch_in_timer, &alarm);
	turn_until(fixture, alarm.calls, 1);
	put(fds[1]);
	fixture_turn_for(fixture, 10);
	assert_int_equal(seen.calls, 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(watch_reports_what_holds),
		TEST(condition_zero_reports_only_that_the_other_end_is_gone),
		TEST(a_closed_descriptor_is_reported_and_not_spun_on),
		TEST(changing_the_condition_takes_effect),
		TEST(a_watch_dropped_by_another_in_the_same_turn_is_not_called),
		TEST(a_descriptor_number_may_come_back_in_the_same_turn),
		TEST(timers_fire_once_in_the_order_they_are_due),
		TEST(a_timer_is_never_early),
		TEST(a_stopped_or_restarted_timer_does_not_fire_at_its_old_time),
		TEST(a_callback_may_free_what_holds_the_timer),
		TEST(a_callback_may_stop_another_that_expired_with_it),
		TEST(a_timer_that_restarts_at_once_starves_no_descriptor),
		TEST(later_timers_and_stops_leave_the_source_alone),
		TEST(freeing_the_loop_stops_its_timers),
		TEST(hooks_run_in_order_after_what_was_dispatched),
		TEST(a_poke_from_outside_brings_one_turn),
		TEST(a_poke_by_the_last_hook_runs_them_again),
		TEST(hooks_that_poke_for_ever_starve_no_descriptor),
		TEST(nothing_wakes_an_idle_loop),
		TEST(a_timer_may_drop_a_watch),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
