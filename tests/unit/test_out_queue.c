#include "net/stdio.h"
#include "net_loop_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { HIGH = 100 * 1000, MIB = 1024 * 1024 };

struct Writer {
	struct Fixture fixture;
	struct OutQueue *queue;
	int write_fd, read_fd;
	unsigned closed, high, low;
	int error_number;
	bool free_when_told;
};

/* libc's is replaced, so that the tests can also play a kernel that knows no RWF_NOWAIT for pipes. */
static bool old_kernel;
static unsigned refused;

ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	if (old_kernel) {
		refused++;
		errno = EOPNOTSUPP;
		return -1;
	}
	return syscall(SYS_pwritev2, fd, iov, count, offset, 0, flags);
}

static void on_closed(int error_number, void *user)
{
	struct Writer *writer = user;
	writer->closed++;
	writer->error_number = error_number;
	if (writer->free_when_told)
		g_clear_pointer(&writer->queue, out_queue_free);
}

static void on_pressure(bool high, void *user)
{
	struct Writer *writer = user;
	if (high)
		writer->high++;
	else
		writer->low++;
	if (writer->free_when_told)
		g_clear_pointer(&writer->queue, out_queue_free);
}

static const struct OutHandlers handlers = {on_closed, on_pressure};

static struct Writer *new_writer(int read_fd, int write_fd)
{
	struct Writer *writer = g_new0(struct Writer, 1);
	fixture_init(&writer->fixture);
	writer->read_fd = read_fd;
	writer->write_fd = write_fd;
	writer->queue = out_queue_new(writer->fixture.loop, write_fd, HIGH, &handlers, writer);
	return writer;
}

static int setup_pipe(void **state)
{
	int fds[2];
	old_kernel = false;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*state = new_writer(fds[0], fds[1]);
	return 0;
}

static int setup_old_pipe(void **state)
{
	setup_pipe(state);
	old_kernel = true;
	return 0;
}

/* The kernel is asked once, not at every write. */
static void an_old_kernel_is_asked_once(void **state)
{
	struct Writer *writer = *state;
	char byte;
	refused = 0;
	for (unsigned i = 0; i < 3; i++) {
		out_queue_copy(writer->queue, SLICE("x"));
		out_queue_drain(writer->queue, 1000);
		assert_int_equal(read(writer->read_fd, &byte, 1), 1);
	}
	assert_int_equal(refused, 1);
}

static int setup_socket(void **state)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*state = new_writer(fds[0], fds[1]);
	return 0;
}

static int teardown(void **state)
{
	struct Writer *writer = *state;
	out_queue_free(writer->queue);
	close(writer->write_fd);
	if (writer->read_fd >= 0)
		close(writer->read_fd);
	fixture_release(&writer->fixture);
	g_free(writer);
	return 0;
}

static void say(struct Writer *writer, const char *text)
{
	out_queue_copy(writer->queue, slice_of(text));
	out_queue_end_message(writer->queue);
}

static char *pattern(size_t len)
{
	char *bytes = g_malloc(len);
	for (size_t i = 0; i < len; i++)
		bytes[i] = (char)('a' + i % 23);
	return bytes;
}

static int waiting_bytes(int fd)
{
	int n = 0;
	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

static char *read_some(int fd)
{
	char bytes[4096];
	ssize_t n = read(fd, bytes, sizeof(bytes) - 1);
	assert_true(n >= 0);
	return g_strndup(bytes, (gsize)n);
}

struct Sink {
	int fd;
	size_t bytes;
	unsigned delay_us;
	bool in_order;
	size_t period; /* the pattern's length with its LF */
};

static gpointer sink(gpointer user)
{
	struct Sink *work = user;
	g_autofree char *bytes = g_malloc(256 * 1024);
	ssize_t n;
	work->in_order = true;
	while ((n = read(work->fd, bytes, 256 * 1024)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			size_t at = (work->bytes + (size_t)i) % work->period;
			char expected = at == work->period - 1 ? '\n' : (char)('a' + at % 23);
			if (bytes[i] != expected)
				work->in_order = false;
		}
		work->bytes += (size_t)n;
		if (work->delay_us)
			g_usleep(work->delay_us);
	}
	return NULL;
}

G_GNUC_UNUSED static size_t peak_kib(void)
{
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents("/proc/self/status", &text, NULL, NULL));
	return (size_t)g_ascii_strtoull(strstr(text, "VmHWM:") + 6, NULL, 10);
}

G_GNUC_UNUSED static void reset_peak(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC); /* only root may read it */
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, "5", 1), 1);
	close(fd);
}

/* ---- what is written ---- */

static void messages_of_a_turn_are_written_together(void **state)
{
	struct Writer *writer = *state;
	say(writer, "one");
	out_queue_copy(writer->queue, SLICE("t"));
	out_queue_take(writer->queue, g_strdup("..wo.."), 2, 2);
	out_queue_end_message(writer->queue);
	assert_int_equal(out_queue_pending(writer->queue), 8);
	assert_int_equal(waiting_bytes(writer->read_fd), 0);
	g_main_context_iteration(writer->fixture.context, FALSE);
	g_autofree char *got = read_some(writer->read_fd);
	assert_string_equal(got, "one\ntwo\n");
	assert_int_equal(out_queue_pending(writer->queue), 0);
	say(writer, "three");
	g_main_context_iteration(writer->fixture.context, FALSE);
	g_autofree char *more = read_some(writer->read_fd);
	assert_string_equal(more, "three\n");
}

static void an_empty_part_is_nothing(void **state)
{
	struct Writer *writer = *state;
	out_queue_copy(writer->queue, (struct Slice){0});
	out_queue_take(writer->queue, g_strdup("x"), 1, 0);
	assert_int_equal(out_queue_pending(writer->queue), 0);
}

static void send_large(struct Writer *writer, size_t len, unsigned times, unsigned delay_us)
{
	struct Sink work = {
		.fd = writer->read_fd, .delay_us = delay_us, .period = 1 + (len - 3) + 2 + 1};
	GThread *thread = g_thread_new("sink", sink, &work);
	for (unsigned i = 0; i < times; i++) {
		char *bytes = pattern(len);
		out_queue_copy(writer->queue, (struct Slice){bytes, 1});
		/* Parts of the whole: a small head, a large middle of an owned block, a small
		 * tail. */
		char tail[2] = {bytes[len - 2], bytes[len - 1]};
		out_queue_take(writer->queue, bytes, 1, len - 3);
		out_queue_copy(writer->queue, (struct Slice){tail, 2});
		out_queue_end_message(writer->queue);
	}
	unsigned never = 0;
	for (unsigned i = 0; i < 1000 && out_queue_pending(writer->queue) > 0; i++)
		fixture_turn(&writer->fixture, &never, 1, 10);
	assert_int_equal(out_queue_pending(writer->queue), 0);
	/* The write end must go for the sink to end. */
	g_clear_pointer(&writer->queue, out_queue_free);
	close(writer->write_fd);
	g_thread_join(thread);
	writer->write_fd = dup(writer->read_fd);
	assert_int_equal(work.bytes, work.period * times);
	assert_true(work.in_order);
}

static void large_messages_arrive_whole(void **state)
{
	send_large(*state, 5 * MIB + 17, 3, 0);
}

static void middle_sized_messages_arrive_whole_at_a_slow_reader(void **state)
{
	send_large(*state, 40000, 50, 200);
}

static void a_file_gets_everything(void **state)
{
	(void)state;
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("mcp-mux-out-XXXXXX", &path, NULL);
	struct Writer *writer = new_writer(-1, fd);
	out_queue_take(writer->queue, pattern(3 * MIB), 0, 3 * MIB);
	out_queue_end_message(writer->queue);
	for (unsigned i = 0; i < 10; i++)
		fixture_turn_for(&writer->fixture, 2);
	assert_int_equal(out_queue_pending(writer->queue), 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), 3 * MIB + 1);
	assert_int_equal(writer->high + writer->low, 2); /* a turn writes a bounded amount */
	teardown((void **)&writer);
	unlink(path);
}

static void a_large_message_costs_its_own_size(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* freed memory stays in quarantine */
#else
	void *pipe_state;
	setup_pipe(&pipe_state);
	struct Writer *writer = pipe_state;
	struct Sink work = {.fd = writer->read_fd, .period = 16 * MIB + 1};
	GThread *thread = g_thread_new("sink", sink, &work);
	g_usleep(20 * 1000);
	reset_peak();
	size_t before = peak_kib();
	char *bytes = pattern(16 * MIB);
	out_queue_take(writer->queue, bytes, 0, 16 * MIB);
	out_queue_end_message(writer->queue);
	unsigned never = 0;
	for (unsigned i = 0; i < 1000 && out_queue_pending(writer->queue) > 0; i++)
		fixture_turn(&writer->fixture, &never, 1, 10);
	assert_int_equal(out_queue_pending(writer->queue), 0);
	assert_in_range(peak_kib() - before, 0, 17 * 1024);
	reset_peak();
	assert_in_range(peak_kib(), 0, before + 1024); /* it was given back */
	g_clear_pointer(&writer->queue, out_queue_free);
	close(writer->write_fd);
	g_thread_join(thread);
	writer->write_fd = dup(writer->read_fd);
	teardown(&pipe_state);
#endif
}

/* ---- a reader that does not read ---- */

static void a_full_descriptor_blocks_nobody_and_goes_on_later(void **state)
{
	struct Writer *writer = *state;
	size_t len = 3 * MIB;
	out_queue_take(writer->queue, pattern(len), 0, len);
	out_queue_end_message(writer->queue);
	turn_until(&writer->fixture, writer->high, 1);
	fixture_turn_for(&writer->fixture, 20);
	assert_int_equal(writer->high, 1);
	assert_int_equal(writer->low, 0);
	assert_true(out_queue_pending(writer->queue) > HIGH);
	/* It sinks below a quarter of the mark before that is told. */
	g_autofree char *bytes = g_malloc(MIB);
	size_t got = 0;
	while (got < len + 1) {
		ssize_t n = read(writer->read_fd, bytes, MIB);
		assert_true(n > 0);
		got += (size_t)n;
		fixture_turn_for(&writer->fixture, 1);
		if (writer->low == 0)
			assert_true(out_queue_pending(writer->queue) > HIGH / 4);
	}
	assert_int_equal(got, len + 1);
	assert_int_equal(writer->low, 1);
	assert_int_equal(fcntl(writer->write_fd, F_GETFL) & O_NONBLOCK, 0);
}

static void below_the_mark_nothing_is_told(void **state)
{
	struct Writer *writer = *state;
	for (unsigned i = 0; i < 100; i++) {
		say(writer, "small");
		fixture_turn_for(&writer->fixture, 0);
	}
	fixture_turn_for(&writer->fixture, 5);
	assert_int_equal(writer->high + writer->low, 0);
}

static unsigned turns;

static void count_turn(void *user)
{
	(void)user;
	turns++;
}

static void a_stuck_or_idle_reader_wakes_nobody(void **state)
{
	struct Writer *writer = *state;
	loop_set_hook(writer->fixture.loop, LOOP_STAGE_TRANSFERS, count_turn, NULL);
	say(writer, "x");
	fixture_turn_for(&writer->fixture, 20);
	turns = 0;
	fixture_turn_for(&writer->fixture, 100);
	assert_int_equal(turns, 0);
	out_queue_take(writer->queue, pattern(4 * MIB), 0, 4 * MIB);
	fixture_turn_for(&writer->fixture, 50);
	turns = 0;
	fixture_turn_for(&writer->fixture, 100);
	assert_int_equal(turns, 0);
}

/* ---- a reader that is gone ---- */

static void close_reader(struct Writer *writer)
{
	close(writer->read_fd);
	writer->read_fd = -1;
}

static void a_reader_that_goes_while_nothing_is_written_is_noticed(void **state)
{
	struct Writer *writer = *state;
	say(writer, "x");
	fixture_turn_for(&writer->fixture, 5);
	close_reader(writer);
	turn_until(&writer->fixture, writer->closed, 1);
	assert_int_not_equal(writer->error_number, 0);
	say(writer, "dropped");
	out_queue_take(writer->queue, pattern(MIB), 0, MIB);
	assert_int_equal(out_queue_pending(writer->queue), 0);
	fixture_turn_for(&writer->fixture, 20);
	assert_int_equal(writer->closed, 1);
	out_queue_drain(writer->queue, 1000);
}

static void a_reader_that_goes_while_it_blocks_is_noticed(void **state)
{
	struct Writer *writer = *state;
	out_queue_take(writer->queue, pattern(4 * MIB), 0, 4 * MIB);
	fixture_turn_for(&writer->fixture, 10);
	assert_int_equal(writer->closed, 0);
	close_reader(writer);
	turn_until(&writer->fixture, writer->closed, 1);
	assert_int_equal(out_queue_pending(writer->queue), 0);
}

static void a_reader_gone_before_the_first_write_is_told_from_the_loop(void **state)
{
	struct Writer *writer = *state;
	close_reader(writer);
	say(writer, "x");
	assert_int_equal(writer->closed, 0);
	turn_until(&writer->fixture, writer->closed, 1);
}

static void handlers_may_free_the_queue(void **state)
{
	struct Writer *writer = *state;
	writer->free_when_told = true;
	out_queue_take(writer->queue, pattern(4 * MIB), 0, 4 * MIB);
	turn_until(&writer->fixture, writer->high, 1);
	assert_null(writer->queue);
	writer->queue =
		out_queue_new(writer->fixture.loop, writer->write_fd, HIGH, &handlers, writer);
	close_reader(writer);
	turn_until(&writer->fixture, writer->closed, 1);
	assert_null(writer->queue);
	out_queue_free(NULL);
}

/* ---- the last moments ---- */

static void drain_writes_without_the_loop(void **state)
{
	struct Writer *writer = *state;
	say(writer, "bye");
	out_queue_drain(writer->queue, 1000);
	g_autofree char *got = read_some(writer->read_fd);
	assert_string_equal(got, "bye\n");
}

static void drain_waits_for_a_slow_reader(void **state)
{
	struct Writer *writer = *state;
	struct Sink work = {.fd = writer->read_fd, .delay_us = 500, .period = 4 * MIB + 1};
	out_queue_take(writer->queue, pattern(4 * MIB), 0, 4 * MIB);
	out_queue_end_message(writer->queue);
	GThread *thread = g_thread_new("sink", sink, &work);
	out_queue_drain(writer->queue, PATIENCE_MS);
	assert_int_equal(out_queue_pending(writer->queue), 0);
	g_clear_pointer(&writer->queue, out_queue_free);
	close(writer->write_fd);
	g_thread_join(thread);
	writer->write_fd = dup(writer->read_fd);
	assert_int_equal(work.bytes, 4 * MIB + 1);
	assert_true(work.in_order);
}

static void drain_gives_up_in_time(void **state)
{
	struct Writer *writer = *state;
	out_queue_take(writer->queue, pattern(4 * MIB), 0, 4 * MIB);
	gint64 start_us = g_get_monotonic_time();
	out_queue_drain(writer->queue, 50);
	gint64 took_us = g_get_monotonic_time() - start_us;
	assert_true(took_us >= 50000 && took_us < 2000000);
	assert_true(out_queue_pending(writer->queue) > 0);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
#define ON_PIPE(name)                                                                              \
	{                                                                                          \
#name " (pipe)", name, setup_pipe, teardown, NULL                                  \
	}
#define ON_SOCKET(name)                                                                            \
	{                                                                                          \
#name " (socket)", name, setup_socket, teardown, NULL                              \
	}
#define ON_OLD_PIPE(name)                                                                          \
	{                                                                                          \
#name " (pipe, old kernel)", name, setup_old_pipe, teardown, NULL                  \
	}
#define ON_BOTH(name) ON_PIPE(name), ON_OLD_PIPE(name), ON_SOCKET(name)
	const struct CMUnitTest tests[] = {
		ON_BOTH(messages_of_a_turn_are_written_together),
		ON_BOTH(an_empty_part_is_nothing),
		ON_BOTH(large_messages_arrive_whole),
		ON_BOTH(middle_sized_messages_arrive_whole_at_a_slow_reader),
		ON_OLD_PIPE(an_old_kernel_is_asked_once),
		cmocka_unit_test(a_file_gets_everything),
		cmocka_unit_test(a_large_message_costs_its_own_size),
		ON_BOTH(a_full_descriptor_blocks_nobody_and_goes_on_later),
		ON_BOTH(below_the_mark_nothing_is_told),
		ON_BOTH(a_stuck_or_idle_reader_wakes_nobody),
		ON_BOTH(a_reader_that_goes_while_nothing_is_written_is_noticed),
		ON_BOTH(a_reader_that_goes_while_it_blocks_is_noticed),
		ON_BOTH(a_reader_gone_before_the_first_write_is_told_from_the_loop),
		ON_BOTH(handlers_may_free_the_queue),
		ON_BOTH(drain_writes_without_the_loop),
		ON_BOTH(drain_waits_for_a_slow_reader),
		ON_BOTH(drain_gives_up_in_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
