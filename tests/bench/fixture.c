#include "fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPTIONS_MAX = 16, NUMBERS_MAX = 8 };

char *bench_path(struct Bench *bench, const char *what)
{
	return g_strdup_printf("%s/%03u-%s", bench->work, bench->next++, what);
}

/* Reads the first N decimal numbers of LINE. */
static bool numbers(const char *line, unsigned long *out, unsigned n, GError **error)
{
	char *end = (char *)line;

	for (unsigned i = 0; i < n; i++) {
		const char *from = end;
		out[i] = strtoul(from, &end, 10);
		if (end == from) {
			g_set_error(error, BENCH_ERROR, 0, "%u numbers expected: %s", n, line);
			return false;
		}
	}
	return true;
}

bool upstream_start(
	struct Bench *bench, struct Upstream *upstream, const char *const *options, GError **error)
{
	g_autofree char *program = g_build_filename(bench->bin, "fake-upstream", NULL);
	g_autofree char *log = bench_path(bench, "upstream.log");
	const char *argv[OPTIONS_MAX] = {program};
	unsigned long port;

	*upstream = (struct Upstream){.child = {.in = -1, .out = -1}};
	for (unsigned i = 0; options && options[i] && i < OPTIONS_MAX - 2; i++)
		argv[i + 1] = options[i];
	if (!child_start(&upstream->child, argv, NULL, log, error))
		return false;
	g_autofree char *line = child_read_line(&upstream->child, error);
	if (!line || !numbers(line, &port, 1, error)) {
		upstream_stop(upstream);
		return false;
	}
	upstream->port = (unsigned)port;
	return true;
}

void upstream_stop(struct Upstream *upstream)
{
	child_stop(&upstream->child, 1000);
}

static char *upstream_ask(struct Upstream *upstream, const char *command, GError **error)
{
	if (write(upstream->child.in, command, strlen(command)) < 0) {
		g_set_error(error, BENCH_ERROR, 0, "the upstream has ended");
		return NULL;
	}
	return child_read_line(&upstream->child, error);
}

bool upstream_reset(struct Upstream *upstream, GError **error)
{
	g_autofree char *line = upstream_ask(upstream, "r\n", error);

	return line != NULL;
}

bool upstream_traffic(struct Upstream *upstream, struct Traffic *traffic, GError **error)
{
	g_autofree char *line = upstream_ask(upstream, "s\n", error);
	unsigned long n[5];

	if (!line || !numbers(line, n, 5, error))
		return false;
	*traffic = (struct Traffic){n[0], n[1], n[2], n[3], n[4]};
	return true;
}

bool upstream_capture(struct Upstream *upstream, const char *file, GError **error)
{
	g_autofree char *line = upstream_ask(upstream, "c\n", error);
	unsigned long len;

	if (!line || !numbers(line, &len, 1, error))
		return false;
	if (len == 0) {
		g_set_error(error, BENCH_ERROR, 0, "no tools/call reached the upstream");
		return false;
	}
	g_autofree char *bytes = g_malloc(len);
	for (size_t have = 0; have < len;) {
		ssize_t n = read(upstream->child.out, bytes + have, len - have);
		if (n <= 0) {
			g_set_error(error, BENCH_ERROR, 0, "the upstream has ended");
			return false;
		}
		have += (size_t)n;
	}
	return g_file_set_contents(file, bytes, (gssize)len, error);
}

static char *single_ini(const char *mux, const char *scheme, unsigned port)
{
	return g_strdup_printf(
		"[mux]\n%s\n[connector:bench]\ntitle = Benchmark\nurl = %s://127.0.0.1:%u/mcp\n"
		"auth = none\nallowed_tools = echo, echo_*, slow, big, tool_*\n"
		"[tools:bench]\ntool_07 = off\n",
		mux, scheme, port);
}

static char *several_ini(const char *mux, const char *scheme, const unsigned *ports, unsigned n)
{
	GString *ini = g_string_new(NULL);

	g_string_printf(ini, "[mux]\n%s\n[native]\nurl = %s://127.0.0.1:%u/mcp\nauth = none\n", mux,
		scheme, ports[0]);
	for (unsigned i = 1; i < n; i++)
		g_string_append_printf(ini,
			"[connector:c%u]\nurl = %s://127.0.0.1:%u/mcp\nauth = none\nallowed_tools "
			"= @all\n",
			i, scheme, ports[i]);
	return g_string_free(ini, FALSE);
}

static char **home_environment(const char *dir)
{
	g_auto(GStrv) env = g_new0(char *, 1);

	env = g_environ_setenv(env, "PATH", g_getenv("PATH"), TRUE);
	env = g_environ_setenv(env, "HOME", dir, TRUE);
	env = g_environ_setenv(env, "LOGNAME", g_get_user_name(), TRUE);
	env = g_environ_setenv(env, "USER", g_get_user_name(), TRUE);
	env = g_environ_setenv(env, "SHELL", "/bin/sh", TRUE);
	env = g_environ_setenv(env, "TERM", "dumb", TRUE);
	return g_steal_pointer(&env);
}

bool home_init(struct Bench *bench, struct Home *home, const unsigned *ports, unsigned n_ports,
	const struct HomeOptions *options, GError **error)
{
	const char *mux = options && options->mux_lines ? options->mux_lines : "";
	const char *scheme = options && options->scheme ? options->scheme : "http";
	g_autofree char *dir = bench_path(bench, "home");
	g_autofree char *ini = g_build_filename(dir, "bench.ini", NULL);
	g_autofree char *text = n_ports == 1 ? single_ini(mux, scheme, ports[0])
					     : several_ini(mux, scheme, ports, n_ports);

	*home = (struct Home){0};
	if (g_mkdir_with_parents(dir, 0700) != 0) {
		g_set_error(error, BENCH_ERROR, 0, "%s: %s", dir, g_strerror(errno));
		return false;
	}
	if (!g_file_set_contents(ini, text, -1, error))
		return false;
	home->dir = g_steal_pointer(&dir);
	home->ini = g_steal_pointer(&ini);
	home->env = home_environment(home->dir);
	home->argv[0] = bench->mux;
	home->argv[1] = "--config";
	home->argv[2] = home->ini;
	return true;
}

void home_release(struct Home *home)
{
	g_free(home->dir);
	g_free(home->ini);
	g_strfreev(home->env);
	*home = (struct Home){0};
}

bool bench_open(
	struct Bench *bench, struct Ide *ide, const struct Home *home, bool modern, GError **error)
{
	g_autofree char *log = bench_path(bench, "mcp-mux.log");

	return ide_open(ide, modern, home->argv, home->env, log, error);
}

bool bench_floor(struct Bench *bench, const struct Upstream *upstream, const char *file,
	size_t calls, size_t warmup, unsigned inflight, struct Calls *out, GError **error)
{
	g_autofree char *program = g_build_filename(bench->bin, "floor", NULL);
	g_autofree char *log = bench_path(bench, "floor.log");
	g_autofree char *port = g_strdup_printf("%u", upstream->port);
	g_autofree char *n = g_strdup_printf("%zu", calls);
	g_autofree char *before = g_strdup_printf("%zu", warmup);
	g_autofree char *flying = g_strdup_printf("%u", inflight);
	const char *argv[] = {program, "--port", port, "--request", file, "--calls", n, "--warmup",
		before, "--inflight", flying, NULL};
	struct Child child;
	unsigned long found[NUMBERS_MAX];

	if (!child_start(&child, argv, NULL, log, error))
		return false;
	g_autofree char *line = child_read_line(&child, error);
	bool ok = line && numbers(line, found, 6, error);
	child_stop(&child, 1000);
	if (ok)
		*out = (struct Calls){found[0], found[1], found[2], found[3], found[4]};
	return ok;
}
