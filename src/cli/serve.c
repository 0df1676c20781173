/* `mcp-mux serve`: wires stdin and stdout to the router and lives until one of them ends or a signal
 * comes.
 *
 * The end has two steps: the router cancels what is in flight and deletes sessions, for which the loop
 * goes on for FAREWELL_MS at most; then what is left for stdout is written and the process returns. */
#include "auth/credential_lock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/session.h"
#include "mux/router.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	FAREWELL_MS = 600,
	LAST_WRITES_MS = 200,
	OUT_HIGH_BYTES = 16 << 20, /* more waits for the IDE to read: transfers pause */
	CONNECTIONS_PER_UPSTREAM = 130,
	DESCRIPTORS_WANTED = 16 * 1024,
};

struct Serve {
	GMainLoop *main_loop;
	struct Session session;
	bool accounts; /* some connector needs one */
	struct StampWatch *stamp; /* NULL before the first message */
	struct LoopTimer watch;
	struct LineReader *in;
	struct OutQueue *out;
	struct Router *router;
	int signals; /* a signalfd; -1: none */
	struct LoopWatch *signal_watch;
	struct LoopTimer farewell;
	bool over; /* FAREWELL_MS are */
};

/* In this process or another. */
static void on_credentials_changed(void *user)
{
	struct Serve *serve = user;
	audit_reread_key(serve->session.audit);
	if (serve->router)
		router_reread_credentials(serve->router);
}

static void start_watching(void *user)
{
	struct Serve *serve = user;
	serve->stamp = stamp_watch_new(on_credentials_changed, serve);
}

static bool needs_accounts(const struct Config *config)
{
	for (guint i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (connector->enabled && connector->auth != AUTH_NONE)
			return true;
	}
	return false;
}

static void on_line(char *bytes, size_t len, void *user)
{
	struct Serve *serve = user;
	/* An IDE's first answer does not wait for this. */
	if (serve->accounts && !serve->stamp && !serve->watch.loop)
		loop_timer_start(serve->session.loop, &serve->watch, 0, start_watching, serve);
	router_line(serve->router, bytes, len);
}

static void on_overlong(struct Slice head, void *user)
{
	struct Serve *serve = user;
	log_warning(NULL, "a message of the IDE is over max_message and was skipped");
	router_overlong(serve->router, head);
}

static void on_end(int error_number, void *user)
{
	struct Serve *serve = user;
	if (error_number)
		log_warning(NULL, "stdin: %s", g_strerror(error_number));
	g_main_loop_quit(serve->main_loop);
}

static void on_closed(int error_number, void *user)
{
	struct Serve *serve = user;
	log_info(NULL, "stdout: %s", g_strerror(error_number));
	g_main_loop_quit(serve->main_loop);
}

static void on_out_pressure(bool high, void *user)
{
	struct Serve *serve = user;
	http_client_hold(serve->session.http, high);
	router_set_output_pressure(serve->router, high);
}

static void on_in_pressure(bool high, void *user)
{
	struct Serve *serve = user;
	line_reader_hold(serve->in, high);
}

static void on_signal(int fd, GIOCondition condition, void *user)
{
	struct Serve *serve = user;
	struct signalfd_siginfo info;
	(void)condition;
	if (read(fd, &info, sizeof(info)) == sizeof(info))
		g_main_loop_quit(serve->main_loop);
}

/* SIGTERM and SIGINT as a descriptor of the loop: GLib's own way costs a thread, and two sources that are
 * looked at in every turn. */
static bool watch_signals(struct Serve *serve, GError **error)
{
	sigset_t ends;
	sigemptyset(&ends);
	sigaddset(&ends, SIGTERM);
	sigaddset(&ends, SIGINT);
	serve->signals = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
	if (serve->signals < 0 || sigprocmask(SIG_BLOCK, &ends, NULL) < 0) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "signals cannot be watched: %s",
			g_strerror(errno));
		return false;
	}
	serve->signal_watch =
		loop_watch(serve->session.loop, serve->signals, G_IO_IN, on_signal, serve);
	return true;
}

/* A connection each for many calls in flight to many upstreams: more than the usual soft limit. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= DESCRIPTORS_WANTED)
		return;
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)DESCRIPTORS_WANTED);
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug(NULL, "the limit of open files stays: %s", g_strerror(errno));
}

static bool serve_init(
	struct Serve *serve, const struct Configuration *configuration, GError **error)
{
	const struct Config *config = configuration->config;
	static const struct LineHandlers line_handlers = {on_line, on_overlong, on_end};
	static const struct OutHandlers out_handlers = {on_closed, on_out_pressure};
	unsigned max_connections = (config->connectors->len + 1) * CONNECTIONS_PER_UPSTREAM;
	raise_descriptor_limit();
	serve->main_loop = g_main_loop_new(NULL, FALSE);
	if (!session_init(&serve->session, config, max_connections, false, on_credentials_changed,
		    serve, error))
		return false;
	serve->out = out_queue_new(
		serve->session.loop, STDOUT_FILENO, OUT_HIGH_BYTES, &out_handlers, serve);
	const struct RouterOptions options = {
		.config = config,
		.upstream = serve->session.upstream,
		.out = serve->out,
		.output_bytes = OUT_HIGH_BYTES,
		.config_path = configuration->user_path,
		.pressure = on_in_pressure,
		.user = serve,
		.audit = serve->session.audit,
	};
	serve->accounts = needs_accounts(config);
	serve->router = router_new(&options);
	serve->in = line_reader_new(
		serve->session.loop, STDIN_FILENO, config->mux.max_message, &line_handlers, serve);
	return watch_signals(serve, error);
}

static void on_farewell_over(void *user)
{
	struct Serve *serve = user;
	serve->over = true;
}

static void say_farewell(struct Serve *serve)
{
	line_reader_free(g_steal_pointer(&serve->in));
	http_client_hold(serve->session.http, false);
	router_shutdown(serve->router);
	loop_timer_start(
		serve->session.loop, &serve->farewell, FAREWELL_MS, on_farewell_over, serve);
	while (!serve->over && !router_is_quiet(serve->router))
		g_main_context_iteration(NULL, TRUE);
	loop_timer_stop(&serve->farewell);
	out_queue_drain(serve->out, LAST_WRITES_MS);
}

static void serve_release(struct Serve *serve)
{
	loop_timer_stop(&serve->watch);
	stamp_watch_free(serve->stamp);
	line_reader_free(serve->in);
	router_free(serve->router);
	out_queue_free(serve->out);
	loop_unwatch(serve->signal_watch);
	if (serve->signals >= 0)
		close(serve->signals);
	session_release(&serve->session);
	if (serve->main_loop)
		g_main_loop_unref(serve->main_loop);
}

/* What an administrator demands and this version cannot give must not look as if it were given. */
static const char *unmet_demand(const struct MuxConfig *mux)
{
	if (mux->pin_tools == PIN_BLOCK)
		return "pin_tools = block: this version does not pin tools yet, so it does not "
		       "serve";
	return NULL;
}

int cli_serve(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	const char *unmet = unmet_demand(&configuration->config->mux);
	if (unmet) {
		output_error("%s", unmet);
		return CLI_USAGE;
	}
	struct Serve serve = {.signals = -1};
	if (!serve_init(&serve, configuration, &error)) {
		serve_release(&serve);
		return output_fail(error);
	}
	for (guint i = 0; i < configuration->config->notes->len; i++) {
		const struct ConfigNote *note = configuration->config->notes->pdata[i];
		log_warning(NULL, "%s:%u: %s", note->place.file, note->place.line, note->text);
	}
	g_main_loop_run(serve.main_loop);
	say_farewell(&serve);
	serve_release(&serve);
	return CLI_DONE;
}
