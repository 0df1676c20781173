/* What mcp-mux holds and does while nothing is asked of it, how many connections calls take, and how
 * many instructions of its own. */
#include "fixture.h"

#include <string.h>

enum {
	FIVE = 5,
	TOOLS_EACH = 20,
	ALLOWED_TOOLS = 19, /* of the single upstream's 20 */
	/* What the opening armed has fired once by then: connect_timeout is the longest of it. */
	SETTLE_MS = 11 * 1000,
	IDLE_MS = 5000,
	FLYING = 32,
	COUNTED_CALLS = 400,
	OBJECTS_MAX = 64,
};

/* One mcp-mux over five upstreams, watched while idle. */
struct Watch {
	struct Home home;
	struct Ide ide;
	bool open;
	struct Memory memory;
	unsigned long switches;
	uint64_t cpu_ns;
};

static bool watch_open(struct Bench *bench, struct Watch *watch, const unsigned *ports,
	const struct HomeOptions *options, GError **error)
{
	*watch = (struct Watch){.open = false};
	if (!home_init(bench, &watch->home, ports, FIVE, options, error) ||
		!bench_open(bench, &watch->ide, &watch->home, false, error))
		return false;
	watch->open = true;
	return ide_await_tools(&watch->ide, FIVE * TOOLS_EACH, error);
}

static bool watch_look(struct Watch *watch, GError **error)
{
	watch->switches = child_switches(&watch->ide.child) - watch->switches;
	watch->cpu_ns = child_cpu_ns(&watch->ide.child) - watch->cpu_ns;
	return child_memory(&watch->ide.child, &watch->memory, error);
}

static void watch_release(struct Watch *watch)
{
	if (watch->open)
		ide_drop(&watch->ide);
	home_release(&watch->home);
}

static void report_idle(struct Bench *bench, const struct Watch *watch, const char *with)
{
	g_autofree char *resident =
		g_strdup_printf("five upstreams of 20 tools, idle%s: resident", with);
	g_autofree char *dirty =
		g_strdup_printf("five upstreams of 20 tools, idle%s: private dirty", with);
	g_autofree char *wakes = g_strdup_printf("wake-ups in 5 s of idleness%s", with);

	report_add(bench->report, resident, (double)watch->memory.resident_kib / 1024, AT_MOST, 18,
		"MiB", NULL);
	report_add(bench->report, dirty, (double)watch->memory.private_dirty_kib / 1024, AT_MOST, 6,
		"MiB", NULL);
	report_add(bench->report, wakes, (double)watch->switches, AT_MOST, 0, "wake-ups",
		g_strdup_printf("{\"cpu_us\":%.1f}", (double)watch->cpu_ns / 1e3));
}

static bool start_five(
	struct Bench *bench, struct Upstream *upstreams, unsigned *ports, GError **error)
{
	for (unsigned i = 0; i < FIVE; i++) {
		const char *options[] = {i == 1 || i == 3 ? "--modern" : NULL, NULL};
		if (!upstream_start(bench, &upstreams[i], options, error))
			return false;
		ports[i] = upstreams[i].port;
	}
	return true;
}

static void stop_five(struct Upstream *upstreams)
{
	for (unsigned i = 0; i < FIVE; i++)
		if (upstreams[i].child.pid)
			upstream_stop(&upstreams[i]);
}

static void report_idle_missing(struct Bench *bench, const char *with, const char *reason)
{
	g_autofree char *name = g_strdup_printf("five upstreams, idle%s: memory, wake-ups", with);

	report_missing(bench->report, name, reason);
}

void figures_idle(struct Bench *bench)
{
	g_autoptr(GError) error = NULL, tls_error = NULL;
	struct Upstream upstreams[FIVE] = {0};
	unsigned ports[FIVE];
	struct Watch plain = {.open = false}, tls = {.open = false};
	struct Front front = {.child = {.in = -1, .out = -1}};
	bool ok = start_five(bench, upstreams, ports, &error) &&
		  watch_open(bench, &plain, ports, NULL, &error);
	bool tls_ok = front_start(bench, &front, ports, FIVE, &tls_error);

	if (tls_ok) {
		g_autofree char *lines = g_strdup_printf("ca_file = %s", front.ca_file);
		struct HomeOptions options = {.mux_lines = lines, .scheme = "https"};
		tls_ok = watch_open(bench, &tls, front.ports, &options, &tls_error);
	}
	g_usleep(SETTLE_MS * 1000);
	ok = ok && watch_look(&plain, &error);
	tls_ok = tls_ok && watch_look(&tls, &tls_error);
	g_usleep(IDLE_MS * 1000);
	ok = ok && watch_look(&plain, &error);
	tls_ok = tls_ok && watch_look(&tls, &tls_error);
	if (ok)
		report_idle(bench, &plain, "");
	else
		report_idle_missing(bench, "", error->message);
	if (tls_ok)
		report_idle(bench, &tls, ", TLS");
	else
		report_idle_missing(bench, ", TLS", tls_error->message);
	watch_release(&plain);
	watch_release(&tls);
	if (front.child.pid)
		front_stop(&front);
	stop_five(upstreams);
}

/* Opens mcp-mux on one upstream at PORT and has 32 calls in flight for a while. */
static bool fly(
	struct Bench *bench, unsigned port, const struct HomeOptions *options, GError **error)
{
	struct Home home = {0};
	struct Ide ide;
	bool ok = home_init(bench, &home, &port, 1, options, error) &&
		  bench_open(bench, &ide, &home, true, error);

	if (ok && ide_await_tools(&ide, ALLOWED_TOOLS, error) &&
		ide_calls(&ide, "bench__slow", FLYING * 10, FLYING, NULL, error)) {
		ok = ide_close(&ide, error);
	} else if (ok) {
		ide_drop(&ide);
		ok = false;
	}
	home_release(&home);
	return ok;
}

static void report_http1(struct Bench *bench, struct Upstream *upstream)
{
	static const char name[] =
		"connections, HTTP/1.1, 32 in flight and one stream: most at once";
	g_autoptr(GError) error = NULL;
	struct Traffic traffic;

	if (fly(bench, upstream->port, NULL, &error) &&
		upstream_traffic(upstream, &traffic, &error))
		report_add(bench->report, name, (double)traffic.peak, AT_MOST,
			FLYING + (traffic.listens ? 1 : 0), "connections",
			g_strdup_printf("{\"opened\":%lu,\"listening\":%lu}", traffic.accepted,
				traffic.listens));
	else
		report_missing(bench->report, name, error->message);
}

static void report_http2(struct Bench *bench, const struct Upstream *upstream)
{
	static const char name[] = "connections, HTTP/2, 32 in flight: opened";
	g_autoptr(GError) error = NULL;
	struct Front front = {.child = {.in = -1, .out = -1}};
	unsigned long before, after;
	bool ok = front_start(bench, &front, &upstream->port, 1, &error);

	if (ok) {
		g_autofree char *lines = g_strdup_printf("ca_file = %s", front.ca_file);
		struct HomeOptions options = {.mux_lines = lines, .scheme = "https"};
		ok = front_accepted(&front, &before, &error) &&
		     fly(bench, front.ports[0], &options, &error) &&
		     front_accepted(&front, &after, &error);
		front_stop(&front);
	}
	if (ok)
		report_add(bench->report, name, (double)(after - before - 1), AT_MOST, 1,
			"connections", NULL);
	else
		report_missing(bench->report, name, error->message);
}

void figures_connections(struct Bench *bench)
{
	static const char *const options[] = {"--modern", "--slow-ms", "20", NULL};
	g_autoptr(GError) error = NULL;
	struct Upstream upstream;

	if (!upstream_start(bench, &upstream, options, &error)) {
		report_missing(bench->report, "connections", error->message);
		return;
	}
	report_http1(bench, &upstream);
	report_http2(bench, &upstream);
	upstream_stop(&upstream);
}

/* Instructions by shared object, from callgrind's file (its manual, "Callgrind Format Specification"):
 * `ob=` sets the object of the costs that follow; the line after `calls=` is what the callee took,
 * which is counted where the callee stands. */
struct Instructions {
	uint64_t own, all;
};

static bool read_callgrind(
	const char *path, const char *program, struct Instructions *out, GError **error)
{
	g_autofree char *text = NULL;
	bool own = false, inclusive = false;

	if (!g_file_get_contents(path, &text, NULL, error))
		return false;
	*out = (struct Instructions){0};
	for (char *line = text; line && *line;) {
		char *end = strchr(line, '\n'), *cost = strchr(line, ' ');
		if (end)
			*end = '\0';
		if (g_str_has_prefix(line, "ob=")) {
			own = strcmp(line + 3, program) == 0;
		} else if (g_str_has_prefix(line, "calls=")) {
			inclusive = true;
		} else if (strchr("0123456789+-*", *line) && *line && cost &&
			   (!end || cost < end)) {
			uint64_t n = inclusive ? 0 : strtoull(cost, NULL, 10);
			out->all += n;
			out->own += own ? n : 0;
			inclusive = false;
		}
		line = end ? end + 1 : NULL;
	}
	if (out->own)
		return true;
	g_set_error(error, BENCH_ERROR, 0, "callgrind saw no instruction of %s", program);
	return false;
}

static bool count_instructions(struct Bench *bench, const struct Home *home, size_t calls,
	struct Instructions *out, GError **error)
{
	g_autofree char *file = bench_path(bench, "callgrind.out");
	g_autofree char *log = bench_path(bench, "callgrind.log");
	g_autofree char *into = g_strdup_printf("--callgrind-out-file=%s", file);
	const char *argv[] = {"valgrind", "--tool=callgrind", "--compress-strings=no", into,
		home->argv[0], home->argv[1], home->argv[2], NULL};
	struct Ide ide;

	if (!ide_open(&ide, false, argv, home->env, log, error))
		return false;
	if (!ide_await_tools(&ide, ALLOWED_TOOLS, error) ||
		!ide_calls(&ide, "bench__echo", calls, 1, NULL, error)) {
		ide_drop(&ide);
		return false;
	}
	return ide_close(&ide, error) && read_callgrind(file, bench->mux, out, error);
}

void figures_instructions(struct Bench *bench)
{
	static const char name[] = "instructions per routed small call in our own code";
	g_autoptr(GError) error = NULL;
	g_autofree char *valgrind = g_find_program_in_path("valgrind");
	struct Upstream upstream;
	struct Home home = {0};
	struct Instructions once, twice;

	if (!valgrind) {
		report_missing(bench->report, name, "valgrind is not installed");
		return;
	}
	if (upstream_start(bench, &upstream, NULL, &error) &&
		home_init(bench, &home, &upstream.port, 1, NULL, &error) &&
		/* What the first run leaves on disk, the others begin with. */
		count_instructions(bench, &home, COUNTED_CALLS, &once, &error) &&
		count_instructions(bench, &home, COUNTED_CALLS, &once, &error) &&
		count_instructions(bench, &home, 2 * COUNTED_CALLS, &twice, &error))
		report_add(bench->report, name,
			((double)twice.own - (double)once.own) / COUNTED_CALLS, AT_MOST, 20000,
			"instructions",
			g_strdup_printf("{\"with_libraries\":%.0f}",
				((double)twice.all - (double)once.all) / COUNTED_CALLS));
	else
		report_missing(bench->report, name, error->message);
	home_release(&home);
	if (upstream.child.pid)
		upstream_stop(&upstream);
}
