#include "net/stdio.h"
#include "net_loop_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LIMIT = 100 };

struct Peer {
	struct Fixture fixture;
	struct LineReader *reader;
	int write_fd, read_fd;
	GString *log; /* [line] for lines, {head:length} for overlong ones, . for the end */
	unsigned lines, overlong, ends;
	unsigned hold_after; /* hold at this line */
	unsigned free_after; /* free at this line */
	bool bounce; /* hold and release inside the handler */
	size_t longest;
	size_t bytes;
	guint sum;
	int error_number;
};

static void on_line(char *bytes, size_t len, void *user)
{
	struct Peer *peer = user;
	peer->lines++;
	peer->longest = MAX(peer->longest, len);
	peer->bytes += len;
	if (len <= LIMIT)
		g_string_append_printf(peer->log, "[%.*s]", (int)len, bytes);
	for (size_t i = 0; i < len; i += 4096)
		peer->sum = peer->sum * 31 + (unsigned char)bytes[i];
	if (peer->lines == peer->hold_after)
		line_reader_hold(peer->reader, true);
	if (peer->bounce) {
		line_reader_hold(peer->reader, true);
		line_reader_hold(peer->reader, false);
	}
	if (peer->lines == peer->free_after)
		g_clear_pointer(&peer->reader, line_reader_free);
	/* The bytes are the handler's until it returns, also of a reader just freed. */
	memset(bytes, 'z', len);
}

static void on_overlong(struct Slice head, void *user)
{
	struct Peer *peer = user;
	peer->overlong++;
	g_string_append_printf(
		peer->log, "{%.*s:%zu}", (int)MIN(head.len, (size_t)3), head.data, head.len);
	if (peer->free_after == UINT_MAX)
		g_clear_pointer(&peer->reader, line_reader_free);
}

static void on_end(int error_number, void *user)
{
	struct Peer *peer = user;
	peer->ends++;
	peer->error_number = error_number;
	g_string_append_c(peer->log, '.');
	if (peer->free_after == UINT_MAX)
		g_clear_pointer(&peer->reader, line_reader_free);
}

static const struct LineHandlers handlers = {on_line, on_overlong, on_end};

static struct Peer *new_peer(int read_fd, int write_fd, size_t limit)
{
	struct Peer *peer = g_new0(struct Peer, 1);
	fixture_init(&peer->fixture);
	peer->read_fd = read_fd;
	peer->write_fd = write_fd;
	peer->log = g_string_new(NULL);
	peer->reader = line_reader_new(peer->fixture.loop, read_fd, limit, &handlers, peer);
	return peer;
}

static int setup(void **state)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*state = new_peer(fds[0], fds[1], LIMIT);
	return 0;
}

static int teardown(void **state)
{
	struct Peer *peer = *state;
	line_reader_free(peer->reader);
	if (peer->write_fd >= 0)
		close(peer->write_fd);
	if (peer->read_fd >= 0)
		close(peer->read_fd);
	g_string_free(peer->log, TRUE);
	fixture_release(&peer->fixture);
	g_free(peer);
	return 0;
}

static void put(struct Peer *peer, const char *text)
{
	size_t len = strlen(text);
	assert_int_equal(write(peer->write_fd, text, len), (ssize_t)len);
}

static void hang_up(struct Peer *peer)
{
	close(peer->write_fd);
	peer->write_fd = -1;
}

static char *repeat(char c, size_t len, const char *tail)
{
	char *text = g_malloc(len + strlen(tail) + 1);
	memset(text, c, len);
	memcpy(text + len, tail, strlen(tail) + 1);
	return text;
}

/* ---- lines ---- */

static void lines_come_without_their_line_breaks_and_empty_ones_not_at_all(void **state)
{
	struct Peer *peer = *state;
	put(peer, "one\ntwo\r\n\n\r\n \nthr\ree\n");
	turn_until(&peer->fixture, peer->lines, 4);
	assert_string_equal(peer->log->str, "[one][two][ ][thr\ree]");
}

static void a_line_may_come_in_pieces(void **state)
{
	struct Peer *peer = *state;
	put(peer, "he");
	fixture_turn_for(&peer->fixture, 10);
	put(peer, "llo");
	fixture_turn_for(&peer->fixture, 10);
	assert_string_equal(peer->log->str, "");
	put(peer, "\nwor");
	turn_until(&peer->fixture, peer->lines, 1);
	put(peer, "ld\n");
	turn_until(&peer->fixture, peer->lines, 2);
	assert_string_equal(peer->log->str, "[hello][world]");
}

static void nul_bytes_are_bytes(void **state)
{
	struct Peer *peer = *state;
	assert_int_equal(write(peer->write_fd, "a\0b\n", 4), 4);
	turn_until(&peer->fixture, peer->lines, 1);
	assert_int_equal(peer->longest, 3);
}

static void data_before_a_hang_up_is_read_and_the_last_line_needs_no_lf(void **state)
{
	struct Peer *peer = *state;
	put(peer, "a\nlast");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[a][last].");
	assert_int_equal(peer->error_number, 0);
	fixture_turn_for(&peer->fixture, 20);
	assert_int_equal(peer->ends, 1);
}

static void a_lone_cr_at_the_end_is_an_empty_line(void **state)
{
	struct Peer *peer = *state;
	put(peer, "a\n\r");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[a].");
}

static void an_unreadable_descriptor_ends_with_its_error(void **state)
{
	(void)state;
	int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct Peer *peer = new_peer(dir, -1, LIMIT);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_int_equal(peer->error_number, EISDIR);
	teardown((void **)&peer);
}

static void files_and_sockets_are_read_like_pipes(void **state)
{
	(void)state;
	g_autofree char *path = NULL;
	int fd = g_file_open_tmp("mcp-mux-lines-XXXXXX", &path, NULL);
	assert_int_equal(write(fd, "x\ny", 3), 3);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	struct Peer *peer = new_peer(fd, -1, LIMIT);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[x][y].");
	teardown((void **)&peer);
	unlink(path);

	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	peer = new_peer(fds[0], fds[1], LIMIT);
	put(peer, "x\ny\nz");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[x][y][z].");
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	teardown((void **)&peer);
}

/* ---- the limit ---- */

static void the_limit_counts_neither_cr_nor_lf(void **state)
{
	struct Peer *peer = *state;
	g_autofree char *fits = repeat('f', LIMIT, "\n");
	g_autofree char *fits_cr = repeat('c', LIMIT, "\r\n");
	g_autofree char *over = repeat('o', LIMIT + 1, "\n");
	put(peer, fits);
	put(peer, fits_cr);
	put(peer, over);
	put(peer, "next\n");
	turn_until(&peer->fixture, peer->lines, 3);
	assert_int_equal(peer->longest, LIMIT);
	assert_int_equal(peer->overlong, 1);
	assert_non_null(strstr(peer->log->str, "{ooo:101}[next]"));
}

static void the_limit_holds_for_a_line_that_comes_byte_by_byte(void **state)
{
	struct Peer *peer = *state;
	for (unsigned i = 0; i < LIMIT; i++) {
		put(peer, "b");
		fixture_turn_for(&peer->fixture, 0);
	}
	put(peer, "\r");
	fixture_turn_for(&peer->fixture, 5);
	assert_int_equal(peer->overlong, 0);
	put(peer, "\n");
	turn_until(&peer->fixture, peer->lines, 1);
	assert_int_equal(peer->longest, LIMIT);
}

static void an_overlong_line_is_told_once_when_the_limit_is_passed(void **state)
{
	struct Peer *peer = *state;
	g_autofree char *over = repeat('o', 60000, "");
	put(peer, over);
	turn_until(&peer->fixture, peer->overlong, 1);
	for (unsigned i = 0; i < 10; i++) {
		put(peer, over);
		fixture_turn_for(&peer->fixture, 2);
	}
	put(peer, "tail\nnext\n");
	turn_until(&peer->fixture, peer->lines, 1);
	assert_string_equal(peer->log->str, "{ooo:4096}[next]");
}

static void the_end_inside_an_overlong_line_reports_no_line(void **state)
{
	struct Peer *peer = *state;
	g_autofree char *over = repeat('o', LIMIT + 50, "");
	put(peer, over);
	turn_until(&peer->fixture, peer->overlong, 1);
	put(peer, "more");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "{ooo:150}.");
}

struct Feed {
	int fd;
	size_t total, line;
};

static gpointer feed(gpointer user)
{
	struct Feed *work = user;
	g_autofree char *block = g_malloc(work->line);
	for (size_t done = 0; done < work->total; done += work->line) {
		memset(block, 'a' + (int)(done / work->line % 26), work->line);
		block[work->line - 1] = '\n';
		size_t written = 0;
		while (written < work->line) {
			ssize_t n = write(work->fd, block + written, work->line - written);
			if (n <= 0)
				return NULL;
			written += (size_t)n;
		}
	}
	close(work->fd);
	return NULL;
}

static size_t resident_bytes(void)
{
	g_autofree char *text = NULL;
	assert_true(g_file_get_contents("/proc/self/statm", &text, NULL, NULL));
	char *end;
	g_ascii_strtoull(text, &end, 10);
	return (size_t)g_ascii_strtoull(end, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void run_feed(size_t limit, size_t total, size_t line, struct Peer **result)
{
	int fds[2];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	struct Feed work = {fds[1], total, line};
	struct Peer *peer = new_peer(fds[0], -1, limit);
	GThread *thread = g_thread_new("feed", feed, &work);
	turn_until(&peer->fixture, peer->ends, 1);
	g_thread_join(thread);
	*result = peer;
}

static void large_lines_grow_the_buffer_and_small_ones_follow(void **state)
{
	(void)state;
	struct Peer *peer;
	run_feed(16 << 20, 48 << 20, 16 << 20, &peer);
	assert_int_equal(peer->lines, 3);
	assert_int_equal(peer->longest, (16 << 20) - 1);
	teardown((void **)&peer);
	run_feed(16 << 20, 8 << 20, 128, &peer);
	assert_int_equal(peer->lines, (8 << 20) / 128);
	assert_int_equal(peer->bytes, (8 << 20) / 128 * 127);
	teardown((void **)&peer);
}

static void an_endless_line_takes_no_memory(void **state)
{
	(void)state;
	size_t before = resident_bytes();
	struct Peer *peer;
	run_feed(1 << 20, 64 << 20, 32 << 20, &peer);
	assert_int_equal(peer->lines, 0);
	assert_int_equal(peer->overlong, 2);
	/* The writing thread's own 32 MiB are gone by now; sanitizers keep freed memory for a
	 * while. */
#if !defined(__SANITIZE_ADDRESS__)
	assert_true(resident_bytes() < before + (4 << 20));
#else
	(void)before;
#endif
	teardown((void **)&peer);
}

/* ---- holding and freeing ---- */

static void held_in_the_middle_of_what_was_read_the_rest_waits(void **state)
{
	struct Peer *peer = *state;
	peer->hold_after = 2;
	put(peer, "1\n2\n3\n4");
	turn_until(&peer->fixture, peer->lines, 2);
	put(peer, "5\n6\n");
	fixture_turn_for(&peer->fixture, 20);
	assert_string_equal(peer->log->str, "[1][2]");
	line_reader_hold(peer->reader, false);
	assert_string_equal(peer->log->str, "[1][2]");
	turn_until(&peer->fixture, peer->lines, 5);
	assert_string_equal(peer->log->str, "[1][2][3][45][6]");
}

/* Whoever started us must be able to end us, whatever waits. */
static void held_while_the_peer_hangs_up_the_end_comes_at_once(void **state)
{
	struct Peer *peer = *state;
	line_reader_hold(peer->reader, true);
	put(peer, "1\n2");
	fixture_turn_for(&peer->fixture, 20);
	assert_string_equal(peer->log->str, "");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	line_reader_hold(peer->reader, false);
	fixture_turn_for(&peer->fixture, 20);
	assert_string_equal(peer->log->str, ".");
}

static void held_while_a_socket_is_shut_down_the_end_comes_at_once(void **state)
{
	(void)state;
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	struct Peer *peer = new_peer(fds[0], fds[1], LIMIT);
	line_reader_hold(peer->reader, true);
	put(peer, "1\n");
	fixture_turn_for(&peer->fixture, 20);
	assert_int_equal(peer->ends, 0);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, ".");
	teardown((void **)&peer);
}

static void held_by_the_last_line_the_end_comes_all_the_same(void **state)
{
	struct Peer *peer = *state;
	peer->hold_after = 1;
	put(peer, "1\n2\n3");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[1].");
}

static void held_and_released_inside_the_handler_it_goes_on(void **state)
{
	struct Peer *peer = *state;
	peer->bounce = true;
	put(peer, "1\n2\n3\n");
	turn_until(&peer->fixture, peer->lines, 3);
	put(peer, "4\n5");
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_string_equal(peer->log->str, "[1][2][3][4][5].");
}

static void another_limit_counts_from_the_next_line_on(void **state)
{
	struct Peer *peer = *state;
	line_reader_set_max(peer->reader, 3);
	put(peer, "123\n1234\n12");
	turn_until(&peer->fixture, peer->overlong, 1);
	line_reader_set_max(peer->reader, 5);
	put(peer, "345\n");
	turn_until(&peer->fixture, peer->lines, 2);
	assert_string_equal(peer->log->str, "[123]{123:4}[12345]");
}

static void freed_by_a_handler_no_other_is_called(void **state)
{
	struct Peer *peer = *state;
	peer->free_after = 2;
	put(peer, "1\n2\n3\n");
	turn_until(&peer->fixture, peer->lines, 2);
	fixture_turn_for(&peer->fixture, 10);
	assert_string_equal(peer->log->str, "[1][2]");
	assert_null(peer->reader);
}

static void freed_by_the_overlong_or_end_handler(void **state)
{
	struct Peer *peer = *state;
	peer->free_after = UINT_MAX;
	g_autofree char *over = repeat('o', LIMIT + 2, "");
	put(peer, over);
	turn_until(&peer->fixture, peer->overlong, 1);
	assert_null(peer->reader);
	peer->reader = line_reader_new(peer->fixture.loop, peer->read_fd, LIMIT, &handlers, peer);
	hang_up(peer);
	turn_until(&peer->fixture, peer->ends, 1);
	assert_null(peer->reader);
}

static void freed_while_held_or_before_anything_came(void **state)
{
	struct Peer *peer = *state;
	put(peer, "1\n");
	line_reader_hold(peer->reader, true);
	line_reader_hold(peer->reader, false);
	line_reader_free(peer->reader);
	peer->reader = NULL;
	fixture_turn_for(&peer->fixture, 10);
	assert_int_equal(peer->lines, 0);
	line_reader_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(lines_come_without_their_line_breaks_and_empty_ones_not_at_all),
		TEST(a_line_may_come_in_pieces),
		TEST(nul_bytes_are_bytes),
		TEST(data_before_a_hang_up_is_read_and_the_last_line_needs_no_lf),
		TEST(a_lone_cr_at_the_end_is_an_empty_line),
		cmocka_unit_test(an_unreadable_descriptor_ends_with_its_error),
		cmocka_unit_test(files_and_sockets_are_read_like_pipes),
		TEST(the_limit_counts_neither_cr_nor_lf),
		TEST(the_limit_holds_for_a_line_that_comes_byte_by_byte),
		TEST(an_overlong_line_is_told_once_when_the_limit_is_passed),
		TEST(the_end_inside_an_overlong_line_reports_no_line),
		cmocka_unit_test(large_lines_grow_the_buffer_and_small_ones_follow),
		cmocka_unit_test(an_endless_line_takes_no_memory),
		TEST(another_limit_counts_from_the_next_line_on),
		TEST(held_in_the_middle_of_what_was_read_the_rest_waits),
		TEST(held_while_the_peer_hangs_up_the_end_comes_at_once),
		TEST(held_while_a_socket_is_shut_down_the_end_comes_at_once),
		TEST(held_by_the_last_line_the_end_comes_all_the_same),
		TEST(held_and_released_inside_the_handler_it_goes_on),
		TEST(freed_by_a_handler_no_other_is_called),
		TEST(freed_by_the_overlong_or_end_handler),
		TEST(freed_while_held_or_before_anything_came),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
