/* Reads with blocking read() and no poll, so that the reader costs as little as it can; a watchdog
 * interrupts a read that takes 20 s. Lines are looked at in the buffer. Of large results only the first
 * LONG_KEPT bytes are kept: the end of line is searched for in each piece read. */
#include "ide.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
	ID_FIRST = 1000,
	READ_SIZE = 256 << 10,
	LONG_KEPT = 4096,
	TIMEOUT_S = 20,
	INFLIGHT_MAX = 512,
	BATCH = INFLIGHT_MAX * 512,
};

#define META                                                                                       \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"bench\",\"version\":\"1\"},"           \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"

static bool send_bytes(struct Ide *ide, const char *data, size_t len, GError **error)
{
	while (len > 0) {
		ssize_t n = write(ide->child.in, data, len);
		if (n < 0) {
			g_autofree char *words = child_last_words(&ide->child);
			g_set_error(error, BENCH_ERROR, 0, "the server takes no input (%s): %s",
				g_strerror(errno), words);
			return false;
		}
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* The line that starts where the used bytes end and is closed at END, now used too. */
static struct Span take_line(struct Ide *ide, const char *end)
{
	const char *from = ide->buf + ide->used;

	ide->used = (size_t)(end - ide->buf) + 1;
	return (struct Span){from, (size_t)(end - from)};
}

/* The next line without its end, and its length in all (of long lines only the start is there). Valid
 * until the next call. */
static bool read_line(struct Ide *ide, struct Span *line, size_t *length, GError **error)
{
	size_t searched = ide->used, dropped = 0;

	for (;;) {
		char *end = memchr(ide->buf + searched, '\n', ide->have - searched);
		if (end) {
			*line = take_line(ide, end);
			*length = line->len + dropped;
			return true;
		}
		memmove(ide->buf, ide->buf + ide->used, ide->have - ide->used);
		ide->have -= ide->used;
		ide->used = 0;
		if (ide->long_lines && ide->have > LONG_KEPT) {
			dropped += ide->have - LONG_KEPT;
			ide->have = LONG_KEPT;
		}
		searched = ide->have;
		if (ide->cap - ide->have < READ_SIZE) {
			ide->cap = ide->have * 2 + READ_SIZE;
			ide->buf = g_realloc(ide->buf, ide->cap);
		}
		ssize_t n = read(ide->child.out, ide->buf + ide->have, READ_SIZE);
		if (n <= 0) {
			g_autofree char *words = child_last_words(&ide->child);
			g_set_error(error, BENCH_ERROR, 0, "%s: %s",
				n == 0 ? "the server ended" : "no answer within 20 s", words);
			return false;
		}
		ide->have += (size_t)n;
	}
}

/* The id of an answer; 0 if the line is a notification or a request. */
static uint64_t answer_id(struct Span line)
{
	struct Span id, method;

	if (!wire_member(line, "id", &id) || id.len == 0 || *id.data < '0' || *id.data > '9')
		return 0;
	if (memmem(line.data, line.len < 80 ? line.len : 80, "\"method\"", 8) &&
		wire_member(line, "method", &method))
		return 0;
	return strtoull(id.data, NULL, 10);
}

static bool is_good(struct Span line)
{
	size_t n = line.len < LONG_KEPT ? line.len : LONG_KEPT;

	return memmem(line.data, n, "\"result\"", 8) &&
	       !memmem(line.data, n, "\"isError\":true", 14);
}

static bool bad_answer(struct Span line, GError **error)
{
	g_autofree char *text = g_utf8_make_valid(line.data, (gssize)MIN(line.len, 300));

	g_set_error(error, BENCH_ERROR, 0, "unexpected answer: %s", text);
	return false;
}

/* Waits for the answer to ID, passing over what else comes. */
static bool await(struct Ide *ide, uint64_t id, struct Span *line, size_t *length, GError **error)
{
	watchdog(TIMEOUT_S);
	do {
		if (!read_line(ide, line, length, error))
			return false;
	} while (answer_id(*line) != id);
	watchdog(0);
	return is_good(*line) || bad_answer(*line, error);
}

bool ide_start(struct Ide *ide, bool modern, const char *const argv[], char *const env[],
	const char *log, GError **error)
{
	static const char legacy[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1000,\"method\":\"initialize\",\"params\":{"
		"\"protocolVersion\":\"2025-11-25\",\"capabilities\":{},"
		"\"clientInfo\":{\"name\":\"bench\",\"version\":\"1\"}}}\n";
	static const char discover[] =
		"{\"jsonrpc\":\"2.0\",\"id\":1000,\"method\":\"server/discover\",\"params\":{" META
		"}}\n";

	*ide = (struct Ide){.modern = modern, .next_id = ID_FIRST + 1, .cap = READ_SIZE};
	ide->started_ns = wire_now_ns();
	if (!child_start(&ide->child, argv, env, log, error))
		return false;
	ide->buf = g_malloc(ide->cap);
	if (send_bytes(ide, modern ? discover : legacy, strlen(modern ? discover : legacy), error))
		return true;
	ide_drop(ide);
	return false;
}

/* The answer to the first request has come. */
static bool opened(struct Ide *ide, GError **error)
{
	static const char initialized[] =
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";

	ide->opened_ns = wire_now_ns();
	return ide->modern || send_bytes(ide, initialized, sizeof(initialized) - 1, error);
}

bool ide_opened(struct Ide *ide, GError **error)
{
	struct Span line;
	size_t length;

	return await(ide, ID_FIRST, &line, &length, error) && opened(ide, error);
}

bool ide_open(struct Ide *ide, bool modern, const char *const argv[], char *const env[],
	const char *log, GError **error)
{
	if (!ide_start(ide, modern, argv, env, log, error))
		return false;
	if (ide_opened(ide, error))
		return true;
	ide_drop(ide);
	return false;
}

bool ide_close(struct Ide *ide, GError **error)
{
	bool clean = child_stop(&ide->child, 3000);

	g_free(ide->buf);
	ide->buf = NULL;
	if (!clean)
		g_set_error(error, BENCH_ERROR, 0,
			"the server did not end cleanly within 3 s of end of input (wait status "
			"%d)",
			ide->child.status);
	return clean;
}

void ide_drop(struct Ide *ide)
{
	watchdog(0);
	child_stop(&ide->child, 100);
	g_free(ide->buf);
	ide->buf = NULL;
}

static unsigned count(struct Span text, const char *what)
{
	size_t n = strlen(what);
	const char *end = text.data + text.len;
	unsigned found = 0;

	for (const char *p = text.data; (p = memmem(p, (size_t)(end - p), what, n)); p += n)
		found++;
	return found;
}

bool ide_list(struct Ide *ide, unsigned *n_tools, GError **error)
{
	g_autofree char *cursor = g_strdup("");
	unsigned total = 0;

	while (cursor) {
		struct Span line, result, next;
		size_t length;
		g_autofree char *request =
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/"
					"list\",\"params\":{%s%s%s}}\n",
				(unsigned long long)ide->next_id, ide->modern ? META : "",
				ide->modern && *cursor ? "," : "", cursor);
		if (!send_bytes(ide, request, strlen(request), error) ||
			!await(ide, ide->next_id++, &line, &length, error))
			return false;
		total += count(line, "\"inputSchema\":");
		g_clear_pointer(&cursor, g_free);
		if (wire_member(line, "result", &result) &&
			wire_member(result, "nextCursor", &next))
			cursor = g_strdup_printf("\"cursor\":%.*s", (int)next.len, next.data);
	}
	*n_tools = total;
	return true;
}

bool ide_await_tools(struct Ide *ide, unsigned n, GError **error)
{
	uint64_t end = wire_now_ns() + 10000000000ull;
	unsigned have = 0;

	for (;;) {
		if (!ide_list(ide, &have, error))
			return false;
		if (have >= n)
			return true;
		if (wire_now_ns() > end) {
			g_autofree char *words = child_last_words(&ide->child);
			g_set_error(error, BENCH_ERROR, 0,
				"%u tools listed after 10 s, %u expected; %s", have, n, words);
			return false;
		}
		g_usleep(5000);
	}
}

static size_t format_call(
	const struct Ide *ide, char *out, size_t cap, const char *tool, uint64_t id)
{
	int n = snprintf(out, cap,
		"{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"tools/"
		"call\",\"params\":{%s\"name\":\"%s\","
		"\"arguments\":{\"customer\":\"Caf\xc3\xa9 "
		"Nord\",\"state\":\"open\",\"limit\":20}}}\n",
		(unsigned long long)id, ide->modern ? META "," : "", tool);

	g_assert(n > 0 && (size_t)n < cap);
	return (size_t)n;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Handles every answer that is in the buffer, at least one, and queues the calls that replace them. */
static bool take_answers(struct Ide *ide, const char *tool, size_t n, uint64_t *times, size_t *sent,
	size_t *done, char *batch, size_t *batch_len, GError **error)
{
	uint64_t first = ide->next_id;

	do {
		struct Span line;
		size_t length;
		if (!read_line(ide, &line, &length, error))
			return false;
		uint64_t now = wire_now_ns(), id = answer_id(line);
		if (id < first || id >= first + *sent)
			continue;
		if (!is_good(line) || (ide->long_lines && length <= LONG_KEPT))
			return bad_answer(line, error);
		times[id - first] = now - times[id - first];
		++*done;
		if (*sent < n) {
			*batch_len += format_call(
				ide, batch + *batch_len, BATCH - *batch_len, tool, first + *sent);
			times[(*sent)++] = now;
		}
	} while (memchr(ide->buf + ide->used, '\n', ide->have - ide->used));
	return true;
}

bool ide_calls(struct Ide *ide, const char *tool, size_t n, unsigned inflight, struct Calls *calls,
	GError **error)
{
	g_autofree uint64_t *times = g_new0(uint64_t, n);
	g_autofree char *batch = g_malloc(BATCH);
	size_t sent = 0, done = 0, len = 0;
	bool ok = true;

	g_assert(inflight <= INFLIGHT_MAX);
	watchdog(TIMEOUT_S);
	uint64_t cpu = child_cpu_ns(&ide->child);
	for (; sent < n && sent < inflight; sent++)
		len += format_call(ide, batch + len, BATCH - len, tool, ide->next_id + sent);
	uint64_t from = wire_now_ns();
	for (size_t i = 0; i < sent; i++)
		times[i] = from;
	while (ok && done < n) {
		ok = send_bytes(ide, batch, len, error);
		len = 0;
		ok = ok && take_answers(ide, tool, n, times, &sent, &done, batch, &len, error);
	}
	uint64_t elapsed = wire_now_ns() - from;
	cpu = child_cpu_ns(&ide->child) - cpu;
	watchdog(0);
	ide->next_id += n;
	if (!ok)
		return false;
	qsort(times, n, sizeof(*times), by_size);
	if (calls)
		*calls = (struct Calls){
			times[n / 2], times[n * 9 / 10], times[n * 99 / 100], cpu / n, elapsed};
	return true;
}

/* A stream of pings: when each was sent, and how they were answered. */
struct Pings {
	uint64_t first; /* id */
	uint64_t *sent_ns;
	unsigned sent, answered;
	uint64_t longest_ns;
};

/* Handles every answer that is in the buffer, at least one. */
static bool take_pongs(struct Ide *ide, struct Pings *pings, GError **error)
{
	do {
		struct Span line;
		size_t length;
		if (!read_line(ide, &line, &length, error))
			return false;
		uint64_t id = answer_id(line);
		if (id == 0)
			continue;
		if (!is_good(line) ||
			(id != ID_FIRST && (id < pings->first || id >= pings->first + pings->sent)))
			return bad_answer(line, error);
		if (id == ID_FIRST) {
			if (!opened(ide, error))
				return false;
			continue;
		}
		uint64_t since = MAX(pings->sent_ns[id - pings->first], ide->opened_ns);
		pings->longest_ns = MAX(pings->longest_ns, wire_now_ns() - since);
		pings->answered++;
	} while (memchr(ide->buf + ide->used, '\n', ide->have - ide->used));
	return true;
}

bool ide_pings(struct Ide *ide, unsigned duration_ms, uint64_t *longest_ns, GError **error)
{
	g_autofree uint64_t *sent_ns = g_new0(uint64_t, duration_ms);
	struct Pings pings = {.first = ide->next_id, .sent_ns = sent_ns};
	struct pollfd in = {ide->child.out, POLLIN, 0};
	uint64_t from = wire_now_ns();

	watchdog(TIMEOUT_S);
	while (pings.answered < duration_ms) {
		uint64_t now = wire_now_ns(), due = from + pings.sent * 1000000ull;
		if (pings.sent < duration_ms && now >= due) {
			char ping[80];
			int len = snprintf(ping, sizeof(ping),
				"{\"jsonrpc\":\"2.0\",\"id\":%llu,\"method\":\"ping\"}\n",
				(unsigned long long)(pings.first + pings.sent));
			sent_ns[pings.sent++] = now;
			if (!send_bytes(ide, ping, (size_t)len, error))
				return false;
			continue;
		}
		struct timespec wait = {
			.tv_nsec = pings.sent < duration_ms ? (long)(due - now) : 999999999};
		if (ppoll(&in, 1, &wait, NULL) < 0) {
			g_set_error(error, BENCH_ERROR, 0, "pings unanswered after 20 s");
			return false;
		}
		if (in.revents & (POLLIN | POLLHUP) && !take_pongs(ide, &pings, error))
			return false;
	}
	watchdog(0);
	ide->next_id += duration_ms;
	*longest_ns = pings.longest_ns;
	return true;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

double median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}
