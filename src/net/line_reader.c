/* Lines from an inherited descriptor.
 *
 * Trusts nothing about its peer: a line has a limit, and what goes over it is skipped without
 * being kept. Bytes lie in one buffer between `start` and `end`; lines are handed out where they
 * lie. `scanned` is how far the first of them was searched for its LF, so that a long line that
 * comes in pieces is searched once. The buffer grows by doubling while a line does not fit and
 * shrinks again after it.
 *
 * The descriptor is shared with whoever started us, so it stays as it is: it is read once, when
 * the loop says that it is readable, which never blocks. While held it is not watched at all (a
 * hang-up would be reported for ever otherwise); lines that were already read are delivered from
 * the loop after the release, by a timer of no delay. Handlers may hold or free the reader: a
 * free during delivery is carried out when the delivery returns, since the line's bytes live
 * until then. */
#include "net/stdio.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
	READ_BYTES = 64 * 1024, /* room there is at least for each read */
	READ_MAX_BYTES = 512 * 1024, /* of one turn */
	KEEP_BYTES = 1024 * 1024, /* a larger buffer is given back when it is no longer needed */
	HEAD_BYTES = 4096, /* of an overlong line, for its handler */
};

struct LineReader {
	struct Loop *loop;
	struct LoopWatch *watch; /* NULL while held and after the end */
	struct LoopTimer resume;
	struct LineHandlers handlers;
	void *user;
	char *data;
	size_t start, scanned, end, cap;
	size_t max;
	int fd;
	int error_number;
	bool skipping; /* inside an overlong line */
	bool at_end; /* nothing more will be read */
	bool held;
	bool delivering; /* a handler is running */
	bool freed; /* by that handler */
};

static void on_readable(int fd, GIOCondition condition, void *user);

/* Whether lines may go out: handlers change all three. */
static bool may_deliver(const struct LineReader *reader)
{
	return !reader->held && !reader->freed;
}

static void report_overlong(struct LineReader *reader, size_t len)
{
	struct Slice head = {reader->data + reader->start, MIN(len, (size_t)HEAD_BYTES)};
	reader->handlers.overlong(head, reader->user);
}

/* Hands out LEN bytes at `start`, which an LF or the end of input follows. */
static void deliver_line(struct LineReader *reader, size_t len)
{
	char *line = reader->data + reader->start;
	if (reader->skipping) {
		reader->skipping = false;
		return;
	}
	if (len > 0 && line[len - 1] == '\r')
		len--;
	if (len > reader->max)
		report_overlong(reader, len);
	else if (len > 0)
		reader->handlers.line(line, len, reader->user);
}

/* Hands out the complete lines. */
static void deliver_lines(struct LineReader *reader)
{
	while (may_deliver(reader) && reader->scanned < reader->end) {
		char *from = reader->data + reader->scanned;
		char *lf = memchr(from, '\n', reader->end - reader->scanned);
		if (!lf) {
			reader->scanned = reader->end;
			break;
		}
		size_t next = (size_t)(lf - reader->data) + 1;
		deliver_line(reader, next - 1 - reader->start);
		reader->start = next;
		reader->scanned = next;
	}
}

/* Looks at what is left after the complete lines: the beginning of one that may be too long
 * already. */
static void limit_rest(struct LineReader *reader)
{
	size_t len = reader->end - reader->start;
	/* One more than the limit may be the CR before an LF to come. */
	if (!reader->skipping && len <= reader->max + 1)
		return;
	bool first = !reader->skipping;
	reader->skipping = true;
	if (first)
		report_overlong(reader, len);
	reader->start = reader->end;
}

/* Moves what is left to the front and gives back what a long line took. */
static void tidy(struct LineReader *reader)
{
	size_t len = reader->end - reader->start;
	if (len > 0 && reader->start > 0)
		memmove(reader->data, reader->data + reader->start, len);
	reader->scanned -= reader->start;
	reader->start = 0;
	reader->end = len;
	if (reader->cap > KEEP_BYTES && len == 0) {
		g_clear_pointer(&reader->data, g_free);
		reader->cap = 0;
	} else if (reader->cap > KEEP_BYTES && len <= READ_BYTES) {
		reader->cap = 2 * READ_BYTES;
		reader->data = g_realloc(reader->data, reader->cap);
	}
}

/* The last line, unless lines may not go out, and then the end in any case: while the reader is held, what
 * the writer wrote last has no one left to answer to. */
static void deliver_end(struct LineReader *reader)
{
	if (may_deliver(reader) && reader->end > reader->start)
		deliver_line(reader, reader->end - reader->start);
	reader->start = reader->scanned = reader->end = 0;
	if (reader->freed)
		return;
	g_clear_pointer(&reader->watch, loop_unwatch);
	loop_timer_stop(&reader->resume);
	g_clear_pointer(&reader->data, g_free);
	reader->cap = 0;
	struct LineHandlers handlers = reader->handlers;
	reader->handlers = (struct LineHandlers){0};
	handlers.end(reader->error_number, reader->user);
}

static void deliver(struct LineReader *reader)
{
	reader->delivering = true;
	deliver_lines(reader);
	if (may_deliver(reader) && !reader->at_end) {
		limit_rest(reader);
		tidy(reader);
	} else if (reader->at_end && !reader->freed && reader->handlers.end) {
		deliver_end(reader);
	}
	reader->delivering = false;
	if (reader->freed)
		line_reader_free(reader);
}

/* Makes room for another read. The beginning of a line starts at the front here (see tidy). */
static void make_room(struct LineReader *reader)
{
	if (reader->cap - reader->end >= READ_BYTES)
		return;
	/* The largest that is ever needed: a line of the limit, CR, LF, and room to read. */
	size_t most = reader->max + 2 + READ_BYTES;
	size_t cap = MAX(2 * reader->cap, 2 * (size_t)READ_BYTES);
	reader->cap = MAX(MIN(cap, most), reader->end + READ_BYTES);
	reader->data = g_realloc(reader->data, reader->cap);
}

static void on_readable(int fd, GIOCondition condition, void *user)
{
	(void)condition; /* hang-up and error show in what read says, after the data before them */
	struct LineReader *reader = user;
	if (reader->held) {
		reader->at_end = true; /* nothing but a hang-up is watched for */
		deliver(reader);
		return;
	}
	make_room(reader);
	size_t room = MIN(reader->cap - reader->end, (size_t)READ_MAX_BYTES);
	ssize_t n = read(fd, reader->data + reader->end, room);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		reader->end += (size_t)n;
	} else {
		reader->error_number = n < 0 ? errno : 0;
		reader->at_end = true;
		g_clear_pointer(&reader->watch, loop_unwatch);
	}
	deliver(reader);
}

static void on_resume(void *user)
{
	struct LineReader *reader = user;
	if (!reader->at_end)
		loop_watch_set(reader->watch, G_IO_IN);
	deliver(reader);
}

struct LineReader *line_reader_new(struct Loop *loop, int fd, size_t max_line_bytes,
	const struct LineHandlers *handlers, void *user)
{
	struct LineReader *reader = g_new0(struct LineReader, 1);
	reader->loop = loop;
	reader->fd = fd;
	reader->max = max_line_bytes;
	reader->handlers = *handlers;
	reader->user = user;
	reader->watch = loop_watch(loop, fd, G_IO_IN, on_readable, reader);
	return reader;
}

void line_reader_free(struct LineReader *reader)
{
	if (!reader)
		return;
	g_clear_pointer(&reader->watch, loop_unwatch);
	loop_timer_stop(&reader->resume);
	reader->freed = true;
	if (reader->delivering)
		return;
	g_free(reader->data);
	g_free(reader);
}

void line_reader_set_max(struct LineReader *reader, size_t max_line_bytes)
{
	reader->max = max_line_bytes;
}

void line_reader_hold(struct LineReader *reader, bool hold)
{
	if (reader->held == hold)
		return;
	reader->held = hold;
	if (hold) {
		/* A hang-up is reported always; POLLRDHUP is the half of one that sockets have. */
		if (reader->watch)
			loop_watch_set(reader->watch, (GIOCondition)POLLRDHUP);
		loop_timer_stop(&reader->resume);
	} else if (reader->handlers.end) {
		loop_timer_start(reader->loop, &reader->resume, 0, on_resume, reader);
	}
}
