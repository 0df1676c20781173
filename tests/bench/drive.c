/* The benchmark: plays the IDE in front of mcp-mux and reports the figures that the design asks for.
 *
 *   drive --mux PROGRAM --bin FOLDER --work FOLDER --json FILE [--rounds N] [GROUP…]
 *
 * Without a GROUP all are measured. A missed target is no failure of the benchmark: it reports. */
#include "fixture.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	void (*measure)(struct Bench *bench);
} groups[] = {
	{"calls", figures_calls},
	{"large", figures_large},
	{"start", figures_start},
	{"lists", figures_lists},
	{"idle", figures_idle},
	{"connections", figures_connections},
	{"tls", figures_tls_open},
	{"instructions", figures_instructions},
};

static void stopped(int number)
{
	child_kill_all();
	_exit(128 + number);
}

static bool wanted(char *const *names, const char *name)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static void measure(struct Bench *bench, char *const *names)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(groups); i++) {
		if (!wanted(names, groups[i].name))
			continue;
		uint64_t from = wire_now_ns();
		fprintf(stderr, "measuring %s …", groups[i].name);
		fflush(stderr);
		groups[i].measure(bench);
		fprintf(stderr, " %.0f s\n", (double)(wire_now_ns() - from) / 1e9);
	}
}

int main(int argc, char **argv)
{
	g_autofree char *mux = NULL, *bin = NULL, *work = NULL, *json = NULL;
	g_auto(GStrv) names = NULL;
	int rounds = 5;
	const GOptionEntry entries[] = {
		{"mux", 0, 0, G_OPTION_ARG_FILENAME, &mux, "program to measure", "PROGRAM"},
		{"bin", 0, 0, G_OPTION_ARG_FILENAME, &bin, "the benchmark's own programs",
			"FOLDER"},
		{"work", 0, 0, G_OPTION_ARG_FILENAME, &work, "empty folder to work in", "FOLDER"},
		{"json", 0, 0, G_OPTION_ARG_FILENAME, &json, "report to write", "FILE"},
		{"rounds", 0, 0, G_OPTION_ARG_INT, &rounds, "interleaved rounds, 1 to 64", "N"},
		{G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, "GROUP…"},
		{0},
	};
	g_autoptr(GOptionContext) context = g_option_context_new(NULL);
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || !mux || !bin || !work ||
		!json || rounds < 1 || rounds > 64) {
		fprintf(stderr, "bench: %s\n", error ? error->message : "see --help");
		return 2;
	}
	if (access("/etc/mcp-mux/mcp-mux.ini", F_OK) == 0) {
		fprintf(stderr, "bench: /etc/mcp-mux/mcp-mux.ini is there and would decide what is "
				"measured\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, stopped);
	signal(SIGTERM, stopped);
	g_autofree char *program = realpath(mux, NULL), *folder = realpath(work, NULL);
	if (!program || !folder) {
		fprintf(stderr, "bench: %s: %s\n", program ? work : mux, g_strerror(errno));
		return 1;
	}
	struct Bench bench = {.mux = program,
		.bin = bin,
		.work = folder,
		.rounds = (unsigned)rounds,
		.report = report_new()};
	char *const none[] = {NULL};
	measure(&bench, names ? names : none);
	report_print(bench.report);
	bool written = report_write(bench.report, json, bench.rounds, &error);
	if (!written)
		fprintf(stderr, "bench: %s\n", error->message);
	report_free(bench.report);
	child_kill_all();
	return written ? 0 : 1;
}
