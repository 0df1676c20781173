/* Messages to an inherited descriptor.
 *
 * Owns a list of pieces. Small ones are gathered in blocks, large ones are kept as they came and
 * freed as soon as they are written, so that a large message costs its own size once. Everything
 * is written by the loop's last hook, once a turn; what does not fit waits for the descriptor to
 * be writable.
 *
 * The descriptor is shared with whoever started us and stays as it is, never O_NONBLOCK: sockets
 * take MSG_DONTWAIT; pipes take RWF_NOWAIT where the kernel knows it for them (6.4 and later); files are
 * simply written; anything else (other pipes, terminals) gets at most PIPE_BUF bytes each time that poll
 * says it is writable, which cannot block. The descriptor is
 * always watched, since its error or hang-up is how the reader's end shows while nothing is
 * written. SIGPIPE must be ignored by the program. Handlers are called from the loop alone, and
 * each is the last thing that its caller does, so they may free the queue. */
#include "net/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum {
	BLOCK_BYTES = 16 * 1024, /* of gathered small pieces; from this size on no copy is made */
	PIPE_BYTES = 1024 * 1024, /* asked of the kernel for a pipe */
	NOWAIT_BYTES = 64 * 1024, /* to a pipe at once: smaller and larger pieces were slower */
	TURN_BYTES = 1024 * 1024, /* written at most before the loop turns */
	PIECES_AT_ONCE = 16,
};

struct Piece {
	struct Piece *next;
	char *data; /* owned */
	size_t start, end;
	size_t cap; /* 0: taken over, nothing is appended */
};

enum Kind { KIND_SOCKET, KIND_FILE, KIND_PIPE, KIND_POLLED };

struct OutQueue {
	struct Loop *loop;
	struct LoopWatch *watch; /* NULL once closed */
	struct OutHandlers handlers;
	void *user;
	struct Piece *first, *last;
	struct Piece *spare; /* an empty block, so that ordinary turns allocate nothing */
	size_t pending;
	size_t high_bytes;
	int fd;
	enum Kind kind;
	int error_number; /* why it closed */
	bool closed;
	bool closed_told;
	bool high_told;
};

static void on_event(int fd, GIOCondition condition, void *user);
static void on_turn_end(void *user);

static void free_piece(struct Piece *piece)
{
	g_free(piece->data);
	g_free(piece);
}

static void drop_first(struct OutQueue *queue)
{
	struct Piece *piece = queue->first;
	queue->first = piece->next;
	if (!queue->first)
		queue->last = NULL;
	if (piece->cap == BLOCK_BYTES && !queue->spare) {
		piece->start = piece->end = 0;
		piece->next = NULL;
		queue->spare = piece;
	} else {
		free_piece(piece);
	}
}

static void drop_written(struct OutQueue *queue, size_t len)
{
	queue->pending -= len;
	while (len > 0) {
		struct Piece *piece = queue->first;
		size_t n = MIN(len, piece->end - piece->start);
		piece->start += n;
		len -= n;
		if (piece->start == piece->end)
			drop_first(queue);
	}
}

static void set_closed(struct OutQueue *queue, int error_number)
{
	if (queue->closed)
		return;
	queue->closed = true;
	queue->error_number = error_number;
	g_clear_pointer(&queue->watch, loop_unwatch);
	while (queue->first)
		drop_first(queue);
	queue->pending = 0;
	loop_poke(queue->loop);
}

static int poll_writable(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int n = poll(&p, 1, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	return n > 0;
}

/* Describes at most LIMIT waiting bytes for a gathering write. */
static int gather(const struct OutQueue *queue, struct iovec *iov, size_t limit)
{
	int n = 0;
	for (struct Piece *piece = queue->first; piece && n < PIECES_AT_ONCE && limit > 0;
		piece = piece->next) {
		size_t len = MIN(piece->end - piece->start, limit);
		iov[n++] = (struct iovec){piece->data + piece->start, len};
		limit -= len;
	}
	return n;
}

/* Writes once. Gives the number of bytes, 0 if it would block, -1 with errno. */
static ssize_t write_some(struct OutQueue *queue, size_t limit)
{
	struct iovec iov[PIECES_AT_ONCE];
	ssize_t n;
	if (queue->kind == KIND_SOCKET) {
		struct msghdr message = {.msg_iov = iov};
		message.msg_iovlen = (size_t)gather(queue, iov, limit);
		n = sendmsg(queue->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (queue->kind == KIND_PIPE) {
		int count = gather(queue, iov, MIN(limit, (size_t)NOWAIT_BYTES));
		n = pwritev2(queue->fd, iov, count, -1, RWF_NOWAIT);
		if (n < 0 && errno == EOPNOTSUPP) {
			queue->kind = KIND_POLLED; /* a kernel before 6.4 */
			return write_some(queue, limit);
		}
	} else {
		if (queue->kind == KIND_POLLED) {
			int writable = poll_writable(queue->fd, 0);
			if (writable <= 0)
				return writable;
			limit = MIN(limit, (size_t)PIPE_BUF);
		}
		n = writev(queue->fd, iov, gather(queue, iov, limit));
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n;
}

/* Writes what can be written without waiting, at most LIMIT bytes. */
static void write_out(struct OutQueue *queue, size_t limit)
{
	while (queue->pending > 0 && limit > 0) {
		ssize_t n = write_some(queue, limit);
		if (n < 0)
			set_closed(queue, errno);
		if (n <= 0)
			return;
		drop_written(queue, (size_t)n);
		limit -= (size_t)n;
	}
}

/* Tells what changed; the queue may be gone afterwards. */
static void tell(struct OutQueue *queue)
{
	if (queue->closed && !queue->closed_told) {
		queue->closed_told = true;
		queue->handlers.closed(queue->error_number, queue->user);
		return;
	}
	bool high = queue->high_told ? queue->pending > queue->high_bytes / 4
				     : queue->pending > queue->high_bytes;
	if (high == queue->high_told || !queue->handlers.pressure)
		return;
	queue->high_told = high;
	queue->handlers.pressure(high, queue->user);
}

static void on_turn_end(void *user)
{
	struct OutQueue *queue = user;
	write_out(queue, TURN_BYTES);
	if (queue->watch)
		loop_watch_set(queue->watch, queue->pending > 0 ? G_IO_OUT : 0);
	tell(queue);
}

/* Readiness to write needs nothing here: the hook follows. */
static void on_event(int fd, GIOCondition condition, void *user)
{
	struct OutQueue *queue = user;
	if (!(condition & (G_IO_ERR | G_IO_HUP | G_IO_NVAL)))
		return;
	int error_number = condition & G_IO_NVAL ? EBADF : EPIPE;
	socklen_t len = sizeof(error_number);
	if (queue->kind == KIND_SOCKET && condition & G_IO_ERR)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error_number, &len);
	set_closed(queue, error_number ? error_number : EPIPE);
}

static enum Kind kind_of(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return KIND_POLLED;
	if (S_ISSOCK(st.st_mode))
		return KIND_SOCKET;
	if (S_ISFIFO(st.st_mode)) {
		fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* a hint; any size works */
		return KIND_PIPE;
	}
	return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? KIND_FILE : KIND_POLLED;
}

struct OutQueue *out_queue_new(struct Loop *loop, int fd, size_t high_bytes,
	const struct OutHandlers *handlers, void *user)
{
	struct OutQueue *queue = g_new0(struct OutQueue, 1);
	queue->loop = loop;
	queue->fd = fd;
	queue->high_bytes = high_bytes;
	queue->handlers = *handlers;
	queue->user = user;
	queue->kind = kind_of(fd);
	queue->watch = loop_watch(loop, fd, 0, on_event, queue);
	loop_set_hook(loop, LOOP_STAGE_OUTPUT, on_turn_end, queue);
	return queue;
}

void out_queue_free(struct OutQueue *queue)
{
	if (!queue)
		return;
	loop_set_hook(queue->loop, LOOP_STAGE_OUTPUT, NULL, NULL);
	loop_unwatch(queue->watch);
	while (queue->first)
		drop_first(queue);
	if (queue->spare)
		free_piece(queue->spare);
	g_free(queue);
}

static void append_piece(struct OutQueue *queue, struct Piece *piece)
{
	if (queue->last)
		queue->last->next = piece;
	else
		queue->first = piece;
	queue->last = piece;
}

static struct Piece *new_block(struct OutQueue *queue, size_t cap)
{
	if (cap <= BLOCK_BYTES && queue->spare)
		return g_steal_pointer(&queue->spare);
	struct Piece *piece = g_new0(struct Piece, 1);
	piece->cap = MAX(cap, (size_t)BLOCK_BYTES);
	piece->data = g_malloc(piece->cap);
	return piece;
}

void out_queue_copy(struct OutQueue *queue, struct Slice bytes)
{
	if (queue->closed || bytes.len == 0)
		return;
	struct Piece *piece = queue->last;
	if (!piece || piece->cap < piece->end + bytes.len) {
		piece = new_block(queue, bytes.len);
		append_piece(queue, piece);
	}
	memcpy(piece->data + piece->end, bytes.data, bytes.len);
	piece->end += bytes.len;
	queue->pending += bytes.len;
	loop_poke(queue->loop);
}

void out_queue_take(struct OutQueue *queue, char *owned, size_t offset, size_t len)
{
	if (queue->closed || len < BLOCK_BYTES) {
		out_queue_copy(queue, (struct Slice){owned + offset, len});
		g_free(owned);
		return;
	}
	struct Piece *piece = g_new0(struct Piece, 1);
	piece->data = owned;
	piece->start = offset;
	piece->end = offset + len;
	append_piece(queue, piece);
	queue->pending += len;
	loop_poke(queue->loop);
}

void out_queue_end_message(struct OutQueue *queue)
{
	out_queue_copy(queue, SLICE("\n"));
}

size_t out_queue_pending(const struct OutQueue *queue)
{
	return queue->pending;
}

void out_queue_drain(struct OutQueue *queue, unsigned timeout_ms)
{
	int64_t until_us = g_get_monotonic_time() + (int64_t)timeout_ms * 1000;
	for (;;) {
		write_out(queue, SIZE_MAX);
		int64_t left_us = until_us - g_get_monotonic_time();
		if (queue->pending == 0 || left_us <= 0)
			return;
		if (poll_writable(queue->fd, (int)((left_us + 999) / 1000)) < 0)
			return;
	}
}
