/* From the start of the process to its first answers, with five upstreams. */
#include "fixture.h"

#include <signal.h>
#include <string.h>

enum {
	FIVE = 5,
	TOOLS_EACH = 20,
	SLOW_OPEN_MS = 50, /* per answer of the slowest upstream's opening, which has two */
	LIST_TIMEOUT_MS = 1000,
	PING_MS = 800,
	ROUNDS_MAX = 64,
};

struct Five {
	struct Upstream upstreams[FIVE];
	unsigned ports[FIVE];
};

/* Three legacy ones and two modern ones; LAST_OPTION and its VALUE (may be NULL) go to the last, a
 * legacy one. */
static bool five_start(struct Bench *bench, struct Five *five, const char *last_option,
	const char *value, GError **error)
{
	memset(five, 0, sizeof(*five));
	for (unsigned i = 0; i < FIVE; i++) {
		bool modern = i == 1 || i == 3;
		const char *options[] = {modern          ? "--modern"
					 : i == FIVE - 1 ? last_option
							 : NULL,
			i == FIVE - 1 ? value : NULL, NULL};
		if (!upstream_start(bench, &five->upstreams[i], options, error))
			return false;
		five->ports[i] = five->upstreams[i].port;
	}
	return true;
}

static void five_stop(struct Five *five)
{
	for (unsigned i = 0; i < FIVE; i++)
		if (five->upstreams[i].child.pid)
			upstream_stop(&five->upstreams[i]);
}

/* The time until the base program's line has come. */
static bool base_round(struct Bench *bench, double *ms, GError **error)
{
	g_autofree char *program = g_build_filename(bench->bin, "base", NULL);
	g_autofree char *log = bench_path(bench, "base.log");
	const char *argv[] = {program, NULL};
	struct Child child;
	uint64_t from = wire_now_ns();

	if (!child_start(&child, argv, NULL, log, error))
		return false;
	g_autofree char *line = child_read_line(&child, error);
	*ms = (double)(wire_now_ns() - from) / 1e6;
	child_stop(&child, 1000);
	return line != NULL;
}

static bool start_round(struct Bench *bench, const struct Home *home, double *ms, GError **error)
{
	struct Ide ide;

	if (!bench_open(bench, &ide, home, false, error))
		return false;
	*ms = (double)(ide.opened_ns - ide.started_ns) / 1e6;
	return ide_close(&ide, error);
}

/* From the answer to initialize to the answer to the first tools/list, which must have TOOLS at least. */
static bool list_round(
	struct Bench *bench, const struct Home *home, unsigned tools, double *ms, GError **error)
{
	unsigned found = 0;
	struct Ide ide;

	if (!bench_open(bench, &ide, home, false, error))
		return false;
	if (!ide_list(&ide, &found, error)) {
		ide_drop(&ide);
		return false;
	}
	*ms = (double)(wire_now_ns() - ide.opened_ns) / 1e6;
	if (found < tools) {
		g_set_error(error, BENCH_ERROR, 0, "the first list had %u tools, %u expected",
			found, tools);
		ide_drop(&ide);
		return false;
	}
	return ide_close(&ide, error);
}

static bool has_cached_lists(const struct Home *home)
{
	g_autofree char *path = g_build_filename(home->dir, ".cache", "mcp-mux", "lists", NULL);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);

	return dir && g_dir_read_name(dir);
}

/* Beside the base program, in turns. */
static void report_start(struct Bench *bench, const char *name, const struct Home *home)
{
	enum { REPEATS = 4 };
	double ratio[ROUNDS_MAX * REPEATS], base[ROUNDS_MAX * REPEATS], mux[ROUNDS_MAX * REPEATS];
	unsigned n = bench->rounds * REPEATS;
	g_autoptr(GError) error = NULL;
	bool ok = start_round(bench, home, &mux[0], &error) && base_round(bench, &base[0], &error);

	for (unsigned i = 0; ok && i < n; i++) {
		ok = base_round(bench, &base[i], &error) &&
		     start_round(bench, home, &mux[i], &error);
		ratio[i] = ok ? mux[i] / base[i] : 0;
	}
	if (ok)
		report_add(bench->report, name, median(ratio, n), AT_MOST, 1.2, "x base",
			g_strdup_printf("{\"mux_ms\":%.2f,\"base_ms\":%.2f}", median(mux, n),
				median(base, n)));
	else
		report_missing(bench->report, name, error->message);
}

/* At first nothing is cached: the process is gone before it has heard of any list. */
void figures_start(struct Bench *bench)
{
	static const char name[] = "spawn to initialize answered";
	static const char cached[] = "spawn to initialize answered, lists cached";
	g_autoptr(GError) error = NULL;
	struct Home home = {0};
	struct Five five;
	double ms;
	bool ok = five_start(bench, &five, NULL, NULL, &error) &&
		  home_init(bench, &home, five.ports, FIVE, NULL, &error);

	if (ok)
		report_start(bench, name, &home);
	else
		report_missing(bench->report, name, error->message);
	ok = ok && list_round(bench, &home, FIVE * TOOLS_EACH, &ms, &error);
	if (!ok)
		report_missing(bench->report, cached, error->message);
	else if (!has_cached_lists(&home))
		report_missing(bench->report, cached, "mcp-mux left no lists in its cache");
	else
		report_start(bench, cached, &home);
	home_release(&home);
	five_stop(&five);
}

static void report_ms(struct Bench *bench, const char *name, bool ok, const GError *error,
	double *ms, unsigned n, double subtract, double target)
{
	if (!ok) {
		report_missing(bench->report, name, error->message);
		return;
	}
	double value = median(ms, n);
	report_add(bench->report, name, value - subtract, AT_MOST, target, "ms",
		g_strdup_printf("{\"past_initialize_ms\":%.2f,\"best_ms\":%.2f,\"worst_ms\":%.2f}",
			value, ms[0], ms[n - 1]));
}

/* Lists served from the disk at the second start, all upstreams well (SLOWEST answers slowly). */
static void report_cached(struct Bench *bench, const struct Home *home)
{
	static const char name[] = "tools/list past initialize, lists cached";
	g_autoptr(GError) error = NULL;
	double ms[ROUNDS_MAX];
	bool ok = true;

	if (!has_cached_lists(home)) {
		report_missing(bench->report, name, "mcp-mux left no lists in its cache");
		return;
	}
	for (unsigned i = 0; ok && i < bench->rounds; i++)
		ok = list_round(bench, home, FIVE * TOOLS_EACH, &ms[i], &error);
	report_ms(bench, name, ok, error, ms, bench->rounds, 0, 5);
}

static void figures_slowest(struct Bench *bench)
{
	static const char name[] =
		"tools/list past initialize, nothing cached, over the slowest upstream";
	g_autoptr(GError) error = NULL;
	struct Five five;
	struct Home home = {0};
	double ms[ROUNDS_MAX];
	g_autofree char *delay = g_strdup_printf("%d", SLOW_OPEN_MS);
	bool ok = five_start(bench, &five, "--open-ms", delay, &error);

	for (unsigned i = 0; ok && i < bench->rounds; i++) {
		home_release(&home);
		ok = home_init(bench, &home, five.ports, FIVE, NULL, &error) &&
		     list_round(bench, &home, FIVE * TOOLS_EACH, &ms[i], &error);
	}
	report_ms(bench, name, ok, error, ms, bench->rounds, 2 * SLOW_OPEN_MS, 5);
	if (ok)
		report_cached(bench, &home);
	else
		report_missing(
			bench->report, "tools/list past initialize, lists cached", error->message);
	home_release(&home);
	five_stop(&five);
}

/* How long the four take alone, and how long with a fifth that never answers. */
static void figures_hanging(struct Bench *bench)
{
	static const char name[] = "one of five hangs, nothing cached: the others' tools";
	static const struct HomeOptions timeout = {.mux_lines = "list_timeout = 1"};
	g_autoptr(GError) error = NULL;
	struct Five five;
	struct Home home = {0};
	double alone[ROUNDS_MAX], ms[ROUNDS_MAX];
	unsigned n = MIN(bench->rounds, 3);
	bool ok = five_start(bench, &five, "--hang", NULL, &error);

	for (unsigned i = 0; ok && i < n; i++) {
		ok = home_init(bench, &home, five.ports, FIVE - 1, &timeout, &error) &&
		     list_round(bench, &home, (FIVE - 1) * TOOLS_EACH, &alone[i], &error);
		home_release(&home);
		ok = ok && home_init(bench, &home, five.ports, FIVE, &timeout, &error) &&
		     list_round(bench, &home, (FIVE - 1) * TOOLS_EACH, &ms[i], &error);
		home_release(&home);
	}
	report_ms(bench, name, ok, error, ms, n, 0,
		LIST_TIMEOUT_MS + (ok ? median(alone, n) : 0) + 5);
	five_stop(&five);
}

/* The lists are cached while all are well; then one is stopped. */
static void figures_hanging_cached(struct Bench *bench)
{
	static const char name[] = "one of five hangs, lists cached: tools/list past initialize";
	g_autoptr(GError) error = NULL;
	struct Five five;
	struct Home home = {0};
	double ms[ROUNDS_MAX];
	unsigned n = MIN(bench->rounds, 3);
	bool ok = five_start(bench, &five, NULL, NULL, &error) &&
		  home_init(bench, &home, five.ports, FIVE, NULL, &error) &&
		  list_round(bench, &home, FIVE * TOOLS_EACH, &ms[0], &error);

	if (ok && !has_cached_lists(&home)) {
		ok = false;
		g_set_error(&error, BENCH_ERROR, 0, "mcp-mux left no lists in its cache");
	}
	if (ok)
		kill(five.upstreams[FIVE - 1].child.pid, SIGSTOP);
	for (unsigned i = 0; ok && i < n; i++)
		ok = list_round(bench, &home, FIVE * TOOLS_EACH, &ms[i], &error);
	report_ms(bench, name, ok, error, ms, n, 0, 5);
	if (five.upstreams[FIVE - 1].child.pid)
		kill(five.upstreams[FIVE - 1].child.pid, SIGCONT);
	home_release(&home);
	five_stop(&five);
}

void figures_lists(struct Bench *bench)
{
	figures_slowest(bench);
	figures_hanging(bench);
	figures_hanging_cached(bench);
}

/* Starts mcp-mux with pings already under way; the tools of all five must be there in the end. */
static bool ping_round(struct Bench *bench, const struct Home *home, double *stop_ms,
	double *opened_ms, GError **error)
{
	g_autofree char *log = bench_path(bench, "mcp-mux.log");
	uint64_t longest;
	struct Ide ide;

	if (!ide_start(&ide, false, home->argv, home->env, log, error))
		return false;
	if (!ide_pings(&ide, PING_MS, &longest, error) ||
		!ide_await_tools(&ide, FIVE * TOOLS_EACH, error)) {
		ide_drop(&ide);
		return false;
	}
	*stop_ms = (double)longest / 1e6;
	*opened_ms = (double)(ide.opened_ns - ide.started_ns) / 1e6;
	return ide_close(&ide, error);
}

/* A stop before the answer to initialize cannot be seen by pings: what TLS adds to the time of that
 * answer counts as one. */
void figures_tls_open(struct Bench *bench)
{
	static const char name[] = "longest stop while five TLS upstreams open";
	g_autoptr(GError) error = NULL;
	double plain[ROUNDS_MAX], plain_open[ROUNDS_MAX], tls[ROUNDS_MAX], tls_open[ROUNDS_MAX];
	unsigned n = bench->rounds;
	struct Home home = {0}, tls_home = {0};
	struct Front front = {.child = {.in = -1, .out = -1}};
	struct Five five;
	bool ok = five_start(bench, &five, NULL, NULL, &error) &&
		  front_start(bench, &front, five.ports, FIVE, &error);

	for (unsigned i = 0; ok && i < n; i++) {
		g_autofree char *lines = g_strdup_printf("ca_file = %s", front.ca_file);
		struct HomeOptions options = {.mux_lines = lines, .scheme = "https"};
		ok = home_init(bench, &home, five.ports, FIVE, NULL, &error) &&
		     ping_round(bench, &home, &plain[i], &plain_open[i], &error) &&
		     home_init(bench, &tls_home, front.ports, FIVE, &options, &error) &&
		     ping_round(bench, &tls_home, &tls[i], &tls_open[i], &error);
		home_release(&home);
		home_release(&tls_home);
	}
	if (ok) {
		double stop = median(tls, n), added = median(tls_open, n) - median(plain_open, n);
		report_add(bench->report, name, MAX(stop, added), AT_MOST, 10, "ms",
			g_strdup_printf("{\"pings_ms\":%.2f,\"added_to_initialize_ms\":%.2f,"
					"\"pings_without_tls_ms\":%.2f,\"worst_round_ms\":%.2f}",
				stop, added, median(plain, n), tls[n - 1]));
	} else {
		report_missing(bench->report, name, error->message);
	}
	if (front.child.pid)
		front_stop(&front);
	five_stop(&five);
}
