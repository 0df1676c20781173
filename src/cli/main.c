/* The program's entry: makes the process safe to hold secrets, reads the command line, hands over to
 * one command. Options may stand before or after the command. */
#include "auth/keyring.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ANY_NUMBER = 10000 };

struct Command {
	const char *name;
	int (*run)(const struct CliOptions *options);
	unsigned min_arguments, max_arguments;
	unsigned takes; /* OPTIONS_… */
	const char *usage; /* its arguments */
	const char *help; /* NULL: not listed */
};

enum { OPTIONS_JSON = 1, OPTIONS_CONNECT = 2, OPTIONS_AUDIT = 4 };

static const struct Command commands[] = {
	{"serve", cli_serve, 0, 0, 0, "", "serve MCP on stdin and stdout; also without a command"},
	{"status", cli_status, 0, 0, OPTIONS_JSON, "[--json]", "every connector and how it is"},
	{"tools", cli_tools, 0, 1, OPTIONS_JSON, "[NAME] [--json]",
		"tools as the IDE sees them, hidden ones too"},
	{"enable", cli_toggle, 2, ANY_NUMBER, 0, "NAME TOOL...", "switch tools of a connector on"},
	{"disable", cli_toggle, 2, ANY_NUMBER, 0, "NAME TOOL...",
		"switch tools of a connector off"},
	{"explain", cli_explain, 1, 1, OPTIONS_JSON, "TOOL [--json]",
		"why a tool is or is not exposed"},
	{"diff", cli_diff, 1, 1, 0, "TOOL", "what changed in a tool since it was approved"},
	{"approve", cli_approve, 1, 1, 0, "TOOL", "accept a tool as it is now"},
	{"doctor", cli_doctor, 0, 1, OPTIONS_JSON, "[NAME] [--json]",
		"check each link of the chain"},
	{"connect", cli_connect, 1, 1, OPTIONS_CONNECT, "NAME [--no-browser] [--key-stdin]",
		"sign in to a connector"},
	{"disconnect", cli_disconnect, 1, 1, 0, "NAME", "forget a connector's sign-in"},
	{"audit", cli_audit, 0, 0, OPTIONS_JSON | OPTIONS_AUDIT, "[--follow] [--json] [FILTER...]",
		"what was called, and how it ended"},
};

enum {
	OPTION_LOG_LEVEL = 256,
	OPTION_JSON,
	OPTION_NO_BROWSER,
	OPTION_KEY_STDIN,
	OPTION_FOLLOW,
	OPTION_CONNECTOR,
	OPTION_TOOL,
	OPTION_OUTCOME,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option long_options[] = {
	{"config", required_argument, NULL, 'c'},
	{"log-level", required_argument, NULL, OPTION_LOG_LEVEL},
	{"json", no_argument, NULL, OPTION_JSON},
	{"no-browser", no_argument, NULL, OPTION_NO_BROWSER},
	{"key-stdin", no_argument, NULL, OPTION_KEY_STDIN},
	{"follow", no_argument, NULL, OPTION_FOLLOW},
	{"connector", required_argument, NULL, OPTION_CONNECTOR},
	{"tool", required_argument, NULL, OPTION_TOOL},
	{"outcome", required_argument, NULL, OPTION_OUTCOME},
	{"since", required_argument, NULL, OPTION_SINCE},
	{"until", required_argument, NULL, OPTION_UNTIL},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"help", no_argument, NULL, OPTION_HELP},
	{NULL, 0, NULL, 0},
};

/* A descriptor 0, 1 or 2 that is closed would be taken by the next file or socket to be opened. Each
 * gets one that fails at the first use as a closed one would. */
static bool hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

/* No core files, no tracing by other processes of this user, private files, no death by a reader that
 * went away or by a file that may not grow. */
static void harden(void)
{
	const struct rlimit none = {0, 0};
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_CORE, &none) < 0)
		log_warning(NULL, "core files stay possible: %s", g_strerror(errno));
#ifndef __SANITIZE_ADDRESS__
	/* The leak checker has to attach to the process. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		log_warning(NULL, "the process stays open to tracing: %s", g_strerror(errno));
#endif
}

static int help(void)
{
	g_autoptr(Output) output = output_new();
	output_line(output, STYLE_PLAIN, "Usage: mcp-mux [OPTION...] [COMMAND [ARGUMENT...]]");
	output_line(output, STYLE_PLAIN, "One MCP server for an IDE, over several remote ones.");
	output_line(output, STYLE_PLAIN, "%s", "");
	output_line(output, STYLE_HEADING, "Commands");
	const enum OutputStyle plain[] = {STYLE_PLAIN, STYLE_PLAIN};
	g_autoptr(Table) table = table_new(2);
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
		const struct Command *command = &commands[i];
		g_autofree char *left = g_strdup_printf("%s %s", command->name, command->usage);
		const char *const cells[] = {left, command->help};
		if (command->help)
			table_add(table, plain, cells);
	}
	table_print(table, output, 2);
	output_line(output, STYLE_PLAIN, "%s", "");
	output_line(output, STYLE_HEADING, "Options");
	static const char *const rows[][2] = {
		{"-c, --config FILE", "read this file as the user's configuration"},
		{"--log-level LEVEL", "error, warning (the default), info or debug, on stderr"},
		{"--version", "print versions and end"},
		{"--help", "print this and end"},
	};
	g_autoptr(Table) options = table_new(2);
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++)
		table_add(options, plain, rows[i]);
	table_print(options, output, 2);
	output_line(output, STYLE_PLAIN, "%s", "");
	output_line(output, STYLE_PLAIN, "See mcp-mux(1) and mcp-mux.ini(5).");
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}

static int G_GNUC_PRINTF(1, 2) usage(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *message = g_strdup_vprintf(format, args);
	va_end(args);
	output_error("%s; see mcp-mux --help", message);
	return CLI_USAGE;
}

/* The option that getopt_long has just refused, as it was written. */
static char *refused_option(char **argv)
{
	if (optopt > 0 && optopt < OPTION_LOG_LEVEL && optopt != 'c')
		return g_strdup_printf("-%c", optopt);
	return g_strdup(argv[optind - 1]);
}

/* The switch that option C turns on; NULL: it is no such option. */
static bool *find_switch(struct CliOptions *options, int c)
{
	switch (c) {
	case OPTION_JSON:
		return &options->json;
	case OPTION_NO_BROWSER:
		return &options->no_browser;
	case OPTION_KEY_STDIN:
		return &options->key_stdin;
	case OPTION_FOLLOW:
		return &options->follow;
	default:
		return NULL;
	}
}

/* The text that option C gives; NULL: it is no such option. */
static const char **find_text(struct CliOptions *options, int c)
{
	switch (c) {
	case 'c':
		return &options->config;
	case OPTION_CONNECTOR:
		return &options->connector;
	case OPTION_TOOL:
		return &options->tool;
	case OPTION_OUTCOME:
		return &options->outcome;
	case OPTION_SINCE:
		return &options->since;
	case OPTION_UNTIL:
		return &options->until;
	default:
		return NULL;
	}
}

/* Reads the options into OPTIONS; -1 to go on, else the exit status to end with. */
static int read_options(int argc, char **argv, struct CliOptions *options)
{
	bool wants_help = false, wants_version = false;
	opterr = 0;
	for (int c; (c = getopt_long(argc, argv, ":c:", long_options, NULL)) != -1;) {
		enum LogLevel level;
		bool *turned_on = find_switch(options, c);
		const char **text = find_text(options, c);
		if (turned_on) {
			*turned_on = true;
			continue;
		}
		if (text) {
			*text = optarg;
			continue;
		}
		switch (c) {
		case OPTION_LOG_LEVEL:
			if (!log_level_parse(optarg, &level))
				return usage(
					"“%s” is no log level, expected error, warning, info or "
					"debug",
					optarg);
			log_set_level(level);
			break;
		case OPTION_VERSION:
			wants_version = true;
			break;
		case OPTION_HELP:
			wants_help = true;
			break;
		default: {
			g_autofree char *option = refused_option(argv);
			return usage(c == ':' ? "option %s needs a value"
					      : "option %s is not known or takes no value",
				option);
		}
		}
	}
	if (wants_help)
		return help();
	return wants_version ? cli_version() : -1;
}

static const struct Command *find_command(const char *name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

/* The name of an option that was given and that COMMAND does not take; NULL: there is none. */
static const char *find_foreign(const struct Command *command, const struct CliOptions *options)
{
	const struct {
		const char *name;
		unsigned takes;
		bool given;
	} all[] = {
		{"json", OPTIONS_JSON, options->json},
		{"no-browser", OPTIONS_CONNECT, options->no_browser},
		{"key-stdin", OPTIONS_CONNECT, options->key_stdin},
		{"follow", OPTIONS_AUDIT, options->follow},
		{"connector", OPTIONS_AUDIT, options->connector != NULL},
		{"tool", OPTIONS_AUDIT, options->tool != NULL},
		{"outcome", OPTIONS_AUDIT, options->outcome != NULL},
		{"since", OPTIONS_AUDIT, options->since != NULL},
		{"until", OPTIONS_AUDIT, options->until != NULL},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(all); i++) {
		if (all[i].given && !(command->takes & all[i].takes))
			return all[i].name;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	log_init();
	if (!hold_standard_descriptors())
		return CLI_FAILED;
	harden();
	keyring_find_bus();

	struct CliOptions options = {.command = "serve"};
	int status = read_options(argc, argv, &options);
	if (status >= 0)
		return status;
	if (optind < argc)
		options.command = argv[optind++];
	options.arguments = (const char *const *)argv + optind;
	options.n_arguments = (unsigned)(argc - optind);

	const struct Command *command = find_command(options.command);
	if (!command)
		return usage("unknown command “%s”", options.command);
	const char *foreign = find_foreign(command, &options);
	if (foreign)
		return usage("%s does not take --%s", command->name, foreign);
	if (options.n_arguments < command->min_arguments ||
		options.n_arguments > command->max_arguments) {
		g_autofree char *form = g_strdup_printf("%s %s", command->name, command->usage);
		return usage("expected: mcp-mux %s", form);
	}
	return command->run(&options);
}
