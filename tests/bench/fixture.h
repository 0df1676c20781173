/* What a figure needs around it: fake upstreams, a TLS front, a home folder and configuration for
 * mcp-mux, the floor. Everything lives in one work folder that `make bench` empties. */
#ifndef MCP_MUX_BENCH_FIXTURE_H
#define MCP_MUX_BENCH_FIXTURE_H

#include "ide.h"
#include "report.h"

struct Bench {
	const char *mux; /* the program under measurement */
	const char *bin; /* folder of the benchmark's own programs */
	const char *work; /* absolute */
	unsigned rounds;
	unsigned next; /* number of the next folder or log */
	struct Report *report;
};

struct Upstream {
	struct Child child;
	unsigned port;
};

/* Counted at the upstream since upstream_reset. */
struct Traffic {
	unsigned long accepted, peak, requests, calls, listens;
};

/* OPTIONS: the fake upstream's, NULL-terminated. */
bool upstream_start(
	struct Bench *bench, struct Upstream *upstream, const char *const *options, GError **error);
void upstream_stop(struct Upstream *upstream);
bool upstream_reset(struct Upstream *upstream, GError **error);
bool upstream_traffic(struct Upstream *upstream, struct Traffic *traffic, GError **error);
/* Saves the first tools/call request since the last capture, as it came, in FILE. */
bool upstream_capture(struct Upstream *upstream, const char *file, GError **error);

/* One folder for one configuration of mcp-mux: home, state and cache in it, nothing of the caller's
 * environment but PATH. */
struct Home {
	char *dir, *ini;
	char **env;
	const char *argv[4];
};

struct HomeOptions {
	const char *mux_lines; /* further lines of [mux], or NULL */
	const char *scheme; /* of the upstreams' URLs: "http" or "https" */
};

/* Writes the configuration: upstream 0 as [native] and the others as connectors c1…, or with one
 * upstream a connector "bench" with a list of allowed tools and a toggle. */
bool home_init(struct Bench *bench, struct Home *home, const unsigned *ports, unsigned n_ports,
	const struct HomeOptions *options, GError **error);
void home_release(struct Home *home);

/* A new file name in the work folder, for g_free. */
char *bench_path(struct Bench *bench, const char *what);

/* Starts mcp-mux in HOME and opens the session. */
bool bench_open(
	struct Bench *bench, struct Ide *ide, const struct Home *home, bool modern, GError **error);

/* Runs the floor with what FILE captured. PEAK_KIB may be NULL. */
bool bench_floor(struct Bench *bench, const struct Upstream *upstream, const char *file,
	size_t calls, size_t warmup, unsigned inflight, struct Calls *out, GError **error);

/* nginx as a TLS and HTTP/2 front, one port per upstream. */
struct Front {
	struct Child child;
	unsigned *ports;
	unsigned n, status_port;
	char *ca_file;
};

/* An error if nginx or openssl is not installed. */
bool front_start(struct Bench *bench, struct Front *front, const unsigned *backends, unsigned n,
	GError **error);
void front_stop(struct Front *front);
/* Connections accepted so far; each question is one of them. */
bool front_accepted(struct Front *front, unsigned long *accepted, GError **error);

/* Groups of figures. Each reports all that it measures, those that failed as not measured. */
void figures_calls(struct Bench *bench);
void figures_large(struct Bench *bench);
void figures_start(struct Bench *bench);
void figures_lists(struct Bench *bench);
void figures_idle(struct Bench *bench);
void figures_connections(struct Bench *bench);
void figures_instructions(struct Bench *bench);
void figures_tls_open(struct Bench *bench);

#endif
