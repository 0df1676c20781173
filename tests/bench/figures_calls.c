/* Calls through mcp-mux beside the floor, in interleaved rounds: a figure is the median of the rounds'
 * ratios. The floor sends what the upstream saw mcp-mux send. */
#include "fixture.h"

#include <string.h>

enum {
	SINGLE_CALLS = 1500,
	FLYING = 32,
	FLYING_CALLS = 6000,
	SLOW_CALLS = 640,
	WARMUP = 200,
	ROUNDS_MAX = 64,
	ALLOWED_TOOLS = 19, /* of the upstream's 20 */
	LARGE_MIB = 16,
	LARGE_CALLS = 4,
};

struct Pair {
	bool ide_modern, upstream_modern;
	const char *name;
};

struct Workload {
	const char *tool;
	size_t calls, warmup;
	unsigned inflight;
	bool one_cpu;
};

enum Measure { P50, CPU, RATE, MEASURES };

/* Over the rounds. */
struct Outcome {
	double ratio[MEASURES]; /* medians of mcp-mux's to the floor's of the same round */
	double least[MEASURES], most[MEASURES];
	double floor[MEASURES], mux[MEASURES]; /* medians; µs, µs, calls/s */
	bool audited;
};

struct Scene {
	struct Bench *bench;
	const struct Pair *pair;
	struct Upstream upstream;
	struct Home home;
};

static bool scene_init(struct Scene *scene, struct Bench *bench, const struct Pair *pair,
	const char *mux_lines, const char *big, GError **error)
{
	const char *options[] = {
		"--slow-ms", "20", "--big", big, pair->upstream_modern ? "--modern" : NULL, NULL};
	struct HomeOptions home = {.mux_lines = mux_lines};

	*scene = (struct Scene){.bench = bench, .pair = pair};
	return upstream_start(bench, &scene->upstream, options, error) &&
	       home_init(bench, &scene->home, &scene->upstream.port, 1, &home, error);
}

static void scene_release(struct Scene *scene)
{
	if (scene->upstream.child.pid)
		upstream_stop(&scene->upstream);
	home_release(&scene->home);
}

/* Opens mcp-mux and waits for the upstream's tools, runs the calls, ends it. */
static bool mux_round(
	struct Scene *scene, const struct Workload *work, struct Calls *calls, GError **error)
{
	g_autofree char *tool = g_strdup_printf("bench__%s", work->tool);
	struct Ide ide;

	if (!bench_open(scene->bench, &ide, &scene->home, scene->pair->ide_modern, error))
		return false;
	if (ide_await_tools(&ide, ALLOWED_TOOLS, error) &&
		ide_calls(&ide, tool, work->warmup, work->inflight, NULL, error) &&
		ide_calls(&ide, tool, work->calls, work->inflight, calls, error))
		return ide_close(&ide, error);
	ide_drop(&ide);
	return false;
}

/* One call, so that the upstream sees what the floor is to send. */
static bool capture(struct Scene *scene, const char *tool, const char *file, GError **error)
{
	struct Workload once = {.tool = tool, .calls = 1, .warmup = 1, .inflight = 1};
	struct Calls ignored;
	/* What an earlier capture left over. */
	g_autofree char *old = bench_path(scene->bench, "old-request");

	upstream_capture(&scene->upstream, old, NULL);
	return mux_round(scene, &once, &ignored, error) &&
	       upstream_capture(&scene->upstream, file, error);
}

static void bind_all(struct Scene *scene, bool one)
{
	cpu_bind(0, one);
	cpu_bind(scene->upstream.child.pid, one);
}

static void measures(const struct Calls *calls, size_t n, double *out)
{
	out[P50] = (double)calls->p50_ns / 1e3;
	out[CPU] = (double)calls->cpu_ns / 1e3;
	out[RATE] = (double)n * 1e9 / (double)calls->elapsed_ns;
}

/* Whether mcp-mux wrote audit lines: the targets are for a program that does. */
static bool has_audit(const struct Home *home)
{
	g_autofree char *path =
		g_build_filename(home->dir, ".local", "state", "mcp-mux", "audit.jsonl", NULL);
	g_autofree char *text = NULL;
	gsize len = 0;

	return g_file_get_contents(path, &text, &len, NULL) && len > 0;
}

static bool run_rounds(
	struct Scene *scene, const struct Workload *work, struct Outcome *outcome, GError **error)
{
	g_autofree char *file = bench_path(scene->bench, "request");
	double ratio[MEASURES][ROUNDS_MAX], bare[MEASURES][ROUNDS_MAX], mux[MEASURES][ROUNDS_MAX];
	unsigned rounds = scene->bench->rounds;

	if (!capture(scene, work->tool, file, error))
		return false;
	for (unsigned i = 0; i < rounds; i++) {
		struct Calls calls[2];
		double out[2][MEASURES];
		bind_all(scene, work->one_cpu);
		bool ok = bench_floor(scene->bench, &scene->upstream, file, work->calls,
				  work->warmup, work->inflight, &calls[0], error) &&
			  mux_round(scene, work, &calls[1], error);
		bind_all(scene, false);
		if (!ok)
			return false;
		measures(&calls[0], work->calls, out[0]);
		measures(&calls[1], work->calls, out[1]);
		for (unsigned k = 0; k < MEASURES; k++) {
			bare[k][i] = out[0][k];
			mux[k][i] = out[1][k];
			ratio[k][i] = out[1][k] / out[0][k];
		}
	}
	for (unsigned k = 0; k < MEASURES; k++) {
		outcome->ratio[k] = median(ratio[k], rounds);
		outcome->least[k] = ratio[k][0];
		outcome->most[k] = ratio[k][rounds - 1];
		outcome->floor[k] = median(bare[k], rounds);
		outcome->mux[k] = median(mux[k], rounds);
	}
	outcome->audited = has_audit(&scene->home);
	return true;
}

static char *detail(const struct Outcome *o, enum Measure measure)
{
	return g_strdup_printf(
		"{\"least\":%.3f,\"most\":%.3f,\"floor_p50_us\":%.1f,"
		"\"mux_p50_us\":%.1f,\"floor_cpu_us\":%.1f,\"mux_cpu_us\":%.1f,"
		"\"floor_calls_per_s\":%.0f,\"mux_calls_per_s\":%.0f,\"audited\":%s}",
		o->least[measure], o->most[measure], o->floor[P50], o->mux[P50], o->floor[CPU],
		o->mux[CPU], o->floor[RATE], o->mux[RATE], o->audited ? "true" : "false");
}

struct Wanted {
	enum Measure measure;
	const char *name;
	double target;
};

/* Runs one workload in one pair of eras and reports the figures WANTED of it. */
static void report_work(
	struct Scene *scene, const struct Workload *work, const struct Wanted *wanted, unsigned n)
{
	struct Report *report = scene->bench->report;
	g_autoptr(GError) error = NULL;
	struct Outcome o = {0};
	bool ok = run_rounds(scene, work, &o, &error);

	for (unsigned i = 0; i < n; i++) {
		g_autofree char *name =
			g_strdup_printf("%s (%s)", wanted[i].name, scene->pair->name);
		enum Measure measure = wanted[i].measure;
		if (!ok)
			report_missing(report, name, error->message);
		else
			report_add(report, name, o.ratio[measure],
				measure == RATE ? AT_LEAST : AT_MOST, wanted[i].target, "x floor",
				detail(&o, measure));
	}
}

void figures_calls(struct Bench *bench)
{
	static const struct Pair pairs[] = {
		{false, false, "legacy IDE, legacy upstream"},
		{true, true, "modern IDE, modern upstream"},
		{false, true, "legacy IDE, modern upstream"},
		{true, false, "modern IDE, legacy upstream"},
	};
	static const struct Workload single = {"echo", SINGLE_CALLS, WARMUP, 1, true},
				     json = {"echo", FLYING_CALLS, WARMUP, FLYING, false},
				     sse = {"echo_sse", FLYING_CALLS, WARMUP, FLYING, false},
				     slow = {"slow", SLOW_CALLS, 2 * FLYING, FLYING, false};
	static const struct Wanted of_single[] = {
		{P50, "one at a time, one CPU: median latency", 1.7},
		{CPU, "one at a time, one CPU: CPU per call", 1.7}};
	static const struct Wanted of_json[] = {{RATE, "32 in flight, JSON: calls/s", 0.8}};
	static const struct Wanted of_sse[] = {{RATE, "32 in flight, SSE: calls/s", 0.8}};
	static const struct Wanted of_slow[] = {{P50, "32 in flight, 20 ms: median latency", 1.05}};

	for (unsigned i = 0; i < G_N_ELEMENTS(pairs); i++) {
		g_autoptr(GError) error = NULL;
		struct Scene scene;
		if (!scene_init(&scene, bench, &pairs[i], NULL, "0", &error)) {
			g_autofree char *name = g_strdup_printf("calls (%s)", pairs[i].name);
			report_missing(bench->report, name, error->message);
			scene_release(&scene);
			continue;
		}
		report_work(&scene, &single, of_single, G_N_ELEMENTS(of_single));
		if (pairs[i].ide_modern == pairs[i].upstream_modern) {
			report_work(&scene, &json, of_json, G_N_ELEMENTS(of_json));
			report_work(&scene, &sse, of_sse, G_N_ELEMENTS(of_sse));
			report_work(&scene, &slow, of_slow, G_N_ELEMENTS(of_slow));
		}
		scene_release(&scene);
	}
}

/* The comparison for the time of a large result: the same from a stdio program's memory. */
static bool memory_round(struct Bench *bench, struct Calls *calls, GError **error)
{
	g_autofree char *program = g_build_filename(bench->bin, "memory-server", NULL);
	g_autofree char *log = bench_path(bench, "memory.log");
	g_autofree char *mib = g_strdup_printf("%d", LARGE_MIB);
	const char *argv[] = {program, mib, NULL};
	struct Ide ide;

	if (!ide_open(&ide, false, argv, NULL, log, error))
		return false;
	ide.long_lines = true;
	if (ide_calls(&ide, "big", 1, 1, NULL, error) &&
		ide_calls(&ide, "big", LARGE_CALLS, 1, calls, error))
		return ide_close(&ide, error);
	ide_drop(&ide);
	return false;
}

/* The same through mcp-mux, and how far its resident memory went beyond what it was while idle. */
static bool large_round(struct Scene *scene, struct Calls *calls, double *extra_mib, GError **error)
{
	struct Memory idle, after;
	struct Ide ide;

	if (!bench_open(scene->bench, &ide, &scene->home, scene->pair->ide_modern, error))
		return false;
	bool ok = ide_await_tools(&ide, ALLOWED_TOOLS, error) &&
		  ide_calls(&ide, "bench__echo", WARMUP, 1, NULL, error) &&
		  child_memory(&ide.child, &idle, error);
	if (ok) {
		child_reset_peak(&ide.child);
		ide.long_lines = true;
	}
	if (ok && ide_calls(&ide, "bench__big", 1, 1, NULL, error) &&
		ide_calls(&ide, "bench__big", LARGE_CALLS, 1, calls, error) &&
		child_memory(&ide.child, &after, error)) {
		*extra_mib = (double)(after.peak_kib - idle.resident_kib) / 1024;
		return ide_close(&ide, error);
	}
	ide_drop(&ide);
	return false;
}

struct Large {
	double time, cpu, extra_mib, mux_ms, memory_ms, floor_ms, mux_cpu_ms, floor_cpu_ms;
};

static bool large_rounds(struct Scene *scene, struct Large *out, GError **error)
{
	g_autofree char *file = bench_path(scene->bench, "request");
	double v[8][ROUNDS_MAX];
	unsigned rounds = scene->bench->rounds;
	double *fields[8] = {&out->time, &out->cpu, &out->extra_mib, &out->mux_ms, &out->memory_ms,
		&out->floor_ms, &out->mux_cpu_ms, &out->floor_cpu_ms};

	if (!capture(scene, "echo", file, error))
		return false;
	g_autofree char *text = NULL;
	if (!g_file_get_contents(file, &text, NULL, error))
		return false;
	/* The same request for the large result: one byte shorter in the body and in `Mcp-Name`. */
	g_autoptr(GString) request = g_string_new(text);
	g_string_replace(request, "\"echo\"", "\"big\"", 1);
	g_string_replace(request, ": echo\r\n", ": big\r\n", 0);
	if (!g_file_set_contents(file, request->str, (gssize)request->len, error))
		return false;
	for (unsigned i = 0; i < rounds; i++) {
		struct Calls f, s, m;
		double extra;
		if (!bench_floor(
			    scene->bench, &scene->upstream, file, LARGE_CALLS, 1, 1, &f, error) ||
			!memory_round(scene->bench, &s, error) ||
			!large_round(scene, &m, &extra, error))
			return false;
		double row[8] = {(double)m.p50_ns / (double)s.p50_ns,
			(double)m.cpu_ns / (double)f.cpu_ns, extra, (double)m.p50_ns / 1e6,
			(double)s.p50_ns / 1e6, (double)f.p50_ns / 1e6, (double)m.cpu_ns / 1e6,
			(double)f.cpu_ns / 1e6};
		for (unsigned k = 0; k < 8; k++)
			v[k][i] = row[k];
	}
	for (unsigned k = 0; k < 8; k++)
		*fields[k] = median(v[k], rounds);
	return true;
}

void figures_large(struct Bench *bench)
{
	static const struct Pair pair = {false, false, "legacy IDE, legacy upstream"};
	static const char time[] = "16 MiB result: time", cpu[] = "16 MiB result: CPU",
			  peak[] = "16 MiB result: peak memory over idle";
	g_autoptr(GError) error = NULL;
	struct Scene scene;
	struct Large o = {0};

	if (scene_init(&scene, bench, &pair, "max_result = 32", G_STRINGIFY(16), &error) &&
		large_rounds(&scene, &o, &error)) {
		report_add(bench->report, time, o.time, AT_MOST, 1.6, "x from memory",
			g_strdup_printf("{\"mux_ms\":%.2f,\"memory_ms\":%.2f,\"floor_ms\":%.2f}",
				o.mux_ms, o.memory_ms, o.floor_ms));
		report_add(bench->report, cpu, o.cpu, AT_MOST, 2.5, "x floor",
			g_strdup_printf("{\"mux_ms\":%.2f,\"floor_ms\":%.2f}", o.mux_cpu_ms,
				o.floor_cpu_ms));
		report_add(bench->report, peak, o.extra_mib, AT_MOST, 1.3 * LARGE_MIB, "MiB", NULL);
	} else {
		report_missing(bench->report, time, error->message);
		report_missing(bench->report, cpu, error->message);
		report_missing(bench->report, peak, error->message);
	}
	scene_release(&scene);
}
