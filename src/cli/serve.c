/* `mcp-mux serve`: wires stdin and stdout to the router and lives until one of them ends or a signal
 * comes.
 *
 * The end has two steps: the router cancels what is in flight and deletes sessions, for which the loop
 * goes on for FAREWELL_MS at most; then what is left for stdout is written and the process returns. */
#include "auth/credential_lock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/live.h"
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
	/* After the first message: an IDE's first lists do not wait for the kernel to set watches, which takes long in large
	 * directories. What happens before is found then. */
	WATCH_AFTER_MS = 250,
	OUT_HIGH_BYTES = 16 << 20, /* more waits for the IDE to read: transfers pause */
	CONNECTIONS_PER_UPSTREAM = 130,
	DESCRIPTORS_WANTED = 16 * 1024,
};

struct Serve {
	GMainLoop *main_loop;
	const struct CliOptions *options;
	struct Configuration *configuration;
	struct Session session;
	struct ListCache *lists;
	int64_t first_us; /* when the first message came, Unix time; 0: not yet */
	struct LoopTimer start; /* of what follows */
	struct FileWatch *watch; /* NULL before the first message, as the next */
	struct Live *live;
	bool stamp; /* is watched */
	struct LineReader *in;
	struct OutQueue *out;
	struct Router *router;
	struct Pins *pins;
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

static bool needs_accounts(const struct Config *config)
{
	for (guint i = 0; i < config->connectors->len; i++) {
		const struct ConnectorConfig *connector = config->connectors->pdata[i];
		if (connector->enabled && connector->auth != AUTH_NONE)
			return true;
	}
	return false;
}

/* Once some connector needs an account. */
static void watch_stamp(struct Serve *serve)
{
	if (serve->stamp || !needs_accounts(serve->configuration->config))
		return;
	serve->stamp = true;
	credential_watch_stamp(serve->watch, on_credentials_changed, serve);
}

static unsigned connections_wanted(const struct Config *config)
{
	return (config->connectors->len + 1) * CONNECTIONS_PER_UPSTREAM;
}

/* Everything that holds settings of its own is told; all else reads them where they are. */
static void on_edited(struct Configuration *fresh, void *user)
{
	struct Serve *serve = user;
	g_autoptr(GError) error = NULL;
	const struct Config *config = serve->configuration->config;
	GPtrArray *gone = NULL;
	/* The line of its being switched on or off is in it. */
	if (fresh->config->mux.audit != AUDIT_OFF)
		audit_reconfigure(serve->session.audit, &fresh->config->mux);
	live_audit_changes(serve->session.audit, config, fresh->config);
	live_log_notes(fresh->config, config);
	configuration_adopt(serve->configuration, fresh, &gone);
	audit_reconfigure(serve->session.audit, &config->mux);
	if (!session_reconfigure(&serve->session, config, connections_wanted(config), &error))
		log_warning(NULL, "%s; the way to servers stays as it was", error->message);
	line_reader_set_max(serve->in, config->mux.max_message);
	watch_stamp(serve);
	router_reconfigure(serve->router, gone);
}

static void on_pins(void *user)
{
	struct Serve *serve = user;
	router_reread_pins(serve->router);
}

static void start_watching(void *user)
{
	static const struct LiveHandlers handlers = {on_edited, on_pins};
	struct Serve *serve = user;
	serve->watch = file_watch_new();
	serve->live = live_new(serve->session.loop, serve->watch, serve->options,
		serve->configuration, &handlers, serve);
	watch_stamp(serve);
	/* What happened since the first message: of the configuration live.c finds it. */
	if (serve->stamp && credential_was_touched(serve->first_us))
		on_credentials_changed(serve);
	on_pins(serve);
}

static void on_line(char *bytes, size_t len, void *user)
{
	struct Serve *serve = user;
	if (serve->first_us == 0) {
		serve->first_us = g_get_real_time();
		loop_timer_start(
			serve->session.loop, &serve->start, WATCH_AFTER_MS, start_watching, serve);
	}
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

static bool serve_init(struct Serve *serve, GError **error)
{
	const struct Config *config = serve->configuration->config;
	static const struct LineHandlers line_handlers = {on_line, on_overlong, on_end};
	static const struct OutHandlers out_handlers = {on_closed, on_out_pressure};
	raise_descriptor_limit();
	serve->main_loop = g_main_loop_new(NULL, FALSE);
	if (!session_init(&serve->session, config, connections_wanted(config), false,
		    on_credentials_changed, serve, error))
		return false;
	serve->lists = list_cache_new();
	serve->session.upstream.lists = serve->lists;
	serve->out = out_queue_new(
		serve->session.loop, STDOUT_FILENO, OUT_HIGH_BYTES, &out_handlers, serve);
	serve->pins = pins_new(&config->mux, true);
	const struct RouterOptions options = {
		.config = config,
		.upstream = serve->session.upstream,
		.out = serve->out,
		.output_bytes = OUT_HIGH_BYTES,
		.config_path = serve->configuration->user_path,
		.pressure = on_in_pressure,
		.user = serve,
		.audit = serve->session.audit,
		.pins = serve->pins,
	};
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

static void stop_watching(struct Serve *serve)
{
	loop_timer_stop(&serve->start);
	g_clear_pointer(&serve->live, live_free);
	g_clear_pointer(&serve->watch, file_watch_free);
}

static void say_farewell(struct Serve *serve)
{
	stop_watching(serve);
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
	stop_watching(serve);
	line_reader_free(serve->in);
	router_free(serve->router);
	pins_free(serve->pins);
	list_cache_free(serve->lists);
	out_queue_free(serve->out);
	loop_unwatch(serve->signal_watch);
	if (serve->signals >= 0)
		close(serve->signals);
	session_release(&serve->session);
	if (serve->main_loop)
		g_main_loop_unref(serve->main_loop);
}

int cli_serve(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	struct Serve serve = {.options = options, .configuration = configuration, .signals = -1};
	if (!serve_init(&serve, &error)) {
		serve_release(&serve);
		return output_fail(error);
	}
	live_log_notes(configuration->config, NULL);
	g_main_loop_run(serve.main_loop);
	say_farewell(&serve);
	serve_release(&serve);
	return CLI_DONE;
}
