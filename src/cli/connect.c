/* `mcp-mux connect NAME`: signs in as the connector's kind wants it, stores the outcome in the keyring, and shows that
 * it works. What a server refuses is not stored. */
#include "auth/browser.h"
#include "auth/credential.h"
#include "auth/machine.h"
#include "auth/sign_in.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/survey.h"
#include "cli/terminal.h"
#include "format/scope.h"

#include <unistd.h>

enum {
	CONNECTIONS = 8,
	PASTED_BYTES = 32 * 1024,
	FAREWELL_MS = 1000,
};

struct Connect {
	const struct CliOptions *options;
	const struct ConnectorConfig *connector;
	struct Session session;
	struct SignIn *sign_in;
	struct LoopWatch *paste;
	GString *pasted;
	bool done;
	GError *error; /* why not */
};

static void finish(struct Connect *connect, const GError *error)
{
	connect->done = true;
	if (error)
		connect->error = g_error_copy(error);
}

/* Waits for what was started; false with the error it ended with. */
static bool await(struct Connect *connect, GError **error)
{
	session_run(&connect->session, &connect->done, 0);
	connect->done = false;
	if (!connect->error)
		return true;
	g_propagate_error(error, g_steal_pointer(&connect->error));
	return false;
}

/* ---- is it connected already, is a key good? ---- */

static void on_settled(struct Upstream *upstream, void *user)
{
	struct Connect *connect = user;
	if (upstream_is_settled(upstream))
		connect->done = true;
}

static bool is_quiet(const void *user)
{
	return upstream_is_quiet(user);
}

/* Opens the connector with KEY, or with what the keyring holds where that is NULL; *FOUND (if not NULL) gets a copy
 * of that. */
static enum UpstreamState try_open(
	struct Connect *connect, struct Secret *key, struct TokenRecord **found, GError **error)
{
	static const struct UpstreamHandlers handlers = {.state = on_settled, .tools = on_settled};
	struct Session *session = &connect->session;
	struct Upstream *upstream =
		upstream_new(&session->upstream, connect->connector, &handlers, connect);
	if (key)
		upstream_set_credential(
			upstream, credential_new_fixed(&session->auth, connect->connector, key));
	connect->done = false;
	upstream_open(upstream, ERA_MODERN);
	/* The person may be asked to unlock the keyring: no limit beyond the requests' own. */
	session_run(session, &connect->done, 0);
	connect->done = false;
	enum UpstreamState state = upstream_state(upstream);
	const struct TokenRecord *record = credential_record(upstream_credential(upstream));
	if (found)
		*found = record ? token_record_copy(record) : NULL;
	if (upstream_error(upstream))
		g_propagate_error(error, g_error_copy(upstream_error(upstream)));
	if (state == UPSTREAM_READY && record &&
		!scope_covers(record->scope_granted, record->scope_wanted) && record->scope_granted)
		state = UPSTREAM_SIGNED_OUT; /* more was asked for since */
	upstream_shutdown(upstream);
	session_run_until(session, is_quiet, upstream, FAREWELL_MS);
	upstream_free(upstream);
	return state;
}

/* ---- secrets ---- */

static struct Secret *ask_secret(struct Connect *connect, const char *what, GError **error)
{
	if (connect->options->key_stdin)
		return terminal_read_secret(error);
	if (!terminal_is_there()) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"stdin is no terminal: give the %s by --key-stdin", what);
		return NULL;
	}
	g_autofree char *prompt =
		g_strdup_printf("%s for %s: ", what, connector_title(connect->connector));
	prompt[0] = g_ascii_toupper(prompt[0]);
	return terminal_ask_secret(prompt, error);
}

static struct Secret *ask_needed_secret(struct Connect *connect, const char *what, GError **error)
{
	struct Secret *secret = ask_secret(connect, what, error);
	if (secret && secret_reveal(secret).len == 0) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE, "the %s is empty", what);
		g_clear_pointer(&secret, secret_unref);
	}
	return secret;
}

static void on_machine(const struct TokenRecord *record, const GError *error, void *user)
{
	(void)record;
	finish(user, error);
}

static bool connect_key(struct Connect *connect, GError **error)
{
	g_autoptr(Secret) key = ask_needed_secret(connect, "API key", error);
	if (!key)
		return false;
	g_autoptr(GError) fault = NULL;
	if (try_open(connect, key, NULL, &fault) != UPSTREAM_READY || fault) {
		audit_account(AUTH_SIGN_IN, connect->connector, fault, connect->session.audit);
		g_propagate_prefixed_error(error, g_steal_pointer(&fault),
			"the key was not stored, since it could not be proved: ");
		return false;
	}
	machine_store_key(&connect->session.auth, connect->connector, key, on_machine, connect);
	return await(connect, error);
}

static bool connect_machine(struct Connect *connect, GError **error)
{
	const struct ConnectorConfig *connector = connect->connector;
	g_autofree char *client_id = g_strdup(connector->client_id);
	if (!client_id && (connect->options->key_stdin || !terminal_is_there())) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_CONFIG,
			"%s:%u: connector %s needs the key client_id", connector->place.file,
			connector->place.line, connector->name);
		return false;
	}
	if (!client_id)
		client_id = terminal_ask("Client id: ", error);
	if (!client_id)
		return false;
	g_autoptr(Secret) secret = ask_needed_secret(connect, "client secret", error);
	if (!secret)
		return false;
	machine_start(&connect->session.auth, connector, client_id, secret, on_machine, connect);
	return await(connect, error);
}

/* ---- a pre-registered client's secret ---- */

struct KnownClient {
	struct Connect *connect;
	bool known;
};

static void on_clients(const struct KeyringKey *keys, unsigned n, const GError *error, void *user)
{
	struct KnownClient *known = user;
	for (unsigned i = 0; i < n; i++)
		known->known = known->known || keys[i].kind == KEYRING_CLIENT;
	finish(known->connect, error);
}

static bool is_client_known(struct Connect *connect, bool *known, GError **error)
{
	struct KnownClient wanted = {.connect = connect};
	keyring_find(connect->session.auth.keyring, connect->connector->name, on_clients, &wanted);
	bool good = await(connect, error);
	*known = wanted.known;
	return good;
}

static bool prepare_client(struct Connect *connect, GError **error)
{
	if (!connect->connector->client_id)
		return true;
	bool known;
	if (!is_client_known(connect, &known, error))
		return false;
	if (!connect->options->key_stdin && (known || !terminal_is_there()))
		return true;
	g_autoptr(Secret) secret =
		ask_secret(connect, "client secret (none: just press Enter)", error);
	if (!secret)
		return false;
	if (secret_reveal(secret).len == 0)
		return true;
	machine_store_client(
		&connect->session.auth, connect->connector, secret, on_machine, connect);
	return await(connect, error);
}

/* ---- a person's sign-in ---- */

static void take_pasted_line(struct Connect *connect)
{
	g_autoptr(GError) error = NULL;
	/* Quotes come along where an address is copied from a message or a shell's history. */
	g_strdelimit(connect->pasted->str, "\"'<>", ' ');
	g_strstrip(connect->pasted->str);
	if (*connect->pasted->str && !sign_in_paste(connect->sign_in, connect->pasted->str, &error))
		output_error("%s; paste it again, or finish in the browser", error->message);
	secret_wipe(connect->pasted->str, connect->pasted->len);
	g_string_truncate(connect->pasted, 0);
}

static void on_typed(int fd, GIOCondition condition, void *user)
{
	struct Connect *connect = user;
	char bytes[4096];
	(void)condition;
	ssize_t n = read(fd, bytes, sizeof(bytes));
	if (n <= 0 || connect->pasted->len > PASTED_BYTES) {
		loop_unwatch(g_steal_pointer(&connect->paste)); /* the browser can still come */
		return;
	}
	for (ssize_t i = 0; i < n && !connect->done; i++) {
		if (bytes[i] == '\n')
			take_pasted_line(connect);
		else
			g_string_append_c(connect->pasted, bytes[i]);
	}
	secret_wipe(bytes, sizeof(bytes));
}

static void on_url(struct SignIn *sign_in, const char *url, void *user)
{
	struct Connect *connect = user;
	(void)sign_in;
	g_autoptr(Output) output = output_new();
	g_autoptr(GError) error = NULL;
	const char *title = connector_title(connect->connector);
	bool wanted = !connect->options->no_browser && browser_is_there();
	bool opened = wanted && browser_open(url, &error);
	if (error)
		output_error("%s", error->message);
	if (opened)
		output_line(output, STYLE_PLAIN,
			"A browser opens to sign in to %s. If none does, open this URL:", title);
	else
		output_line(output, STYLE_PLAIN, "Open this URL to sign in to %s:", title);
	output_line(output, STYLE_PLAIN, "%s", url);
	if (isatty(STDIN_FILENO)) {
		output_line(output, STYLE_FAINT,
			"If the browser is on another machine, its last page will not load: paste "
			"that page's address here and press Enter.");
		connect->paste =
			loop_watch(connect->session.loop, STDIN_FILENO, G_IO_IN, on_typed, connect);
	}
	output_flush(output);
}

static void on_signed_in(
	struct SignIn *sign_in, const struct TokenRecord *record, const GError *error, void *user)
{
	(void)sign_in;
	(void)record;
	finish(user, error);
}

static bool connect_person(struct Connect *connect, GError **error)
{
	static const struct SignInHandlers handlers = {on_url, on_signed_in};
	struct Session *session = &connect->session;
	g_autoptr(GError) fault = NULL;
	g_autoptr(TokenRecord) previous = NULL;
	if (connect->options->key_stdin && !connect->connector->client_id) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"--key-stdin is for keys and for the secret of a configured client_id; %s "
			"has none",
			connect->connector->name);
		return false;
	}
	enum UpstreamState state = try_open(connect, NULL, &previous, &fault);
	bool keyring = g_error_matches(fault, MUX_ERROR, MUX_ERROR_KEYRING) ||
		       g_error_matches(fault, MUX_ERROR, MUX_ERROR_LOCKED);
	if (keyring) {
		g_propagate_error(error, g_steal_pointer(&fault));
		return false;
	}
	if (state == UPSTREAM_READY && !connect->options->key_stdin)
		return true;
	if (!prepare_client(connect, error))
		return false;
	const struct SignInSpec spec = {
		.shared = &session->auth,
		.connector = connect->connector,
		.previous = previous,
	};
	connect->pasted = g_string_sized_new(PASTED_BYTES);
	connect->sign_in = sign_in_start(&spec, &handlers, connect);
	bool good = await(connect, error);
	loop_unwatch(g_steal_pointer(&connect->paste));
	secret_free_string(g_steal_pointer(&connect->pasted));
	sign_in_free(connect->sign_in);
	return good;
}

/* ---- the command ---- */

static bool run(struct Connect *connect, GError **error)
{
	switch (connect->connector->auth) {
	case AUTH_API_KEY:
		return connect_key(connect, error);
	case AUTH_PORT_CREDENTIALS:
	case AUTH_CLIENT_CREDENTIALS:
		return connect_machine(connect, error);
	case AUTH_OAUTH:
		return connect_person(connect, error);
	case AUTH_NONE:
		break;
	}
	g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED,
		"%s has auth = none: there is nothing to sign in to", connect->connector->name);
	return false;
}

/* How it is now, as the IDE will have it. */
static int show(const struct Configuration *configuration, const struct ConnectorConfig *connector)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Survey) survey = survey_run(configuration, connector, &error);
	if (!survey)
		return output_fail(error);
	const struct SurveyEntry *entry = survey->entries->pdata[0];
	g_autoptr(Output) output = output_new();
	const char *title = connector_title(connector);
	if (entry->state == SURVEY_DISABLED) {
		output_line(output, STYLE_WARNING, "Signed in to %s, which is switched off: %s",
			title, "set enabled = on in its section");
	} else if (entry->state != SURVEY_CONNECTED || entry->error) {
		output_error("signed in to %s, but it cannot be used: %s", title,
			entry->error ? entry->error->message : survey_state_name(entry->state));
		return entry->state == SURVEY_SIGNED_OUT ? CLI_SIGN_IN : CLI_FAILED;
	} else {
		g_autofree char *writing = entry->not_read_only
						   ? g_strdup_printf(", %u of them not read-only",
							     entry->not_read_only)
						   : NULL;
		output_line(output, STYLE_GOOD, "Connected to %s%s%s: %u of %u tools%s.", title,
			entry->account ? " as " : "", entry->account ? entry->account : "",
			entry->exposed, entry->allowed, writing ? writing : "");
	}
	g_autoptr(GPtrArray) warnings = survey_warnings(survey, connector);
	for (unsigned i = 0; i < warnings->len; i++)
		output_line(output, STYLE_WARNING, "%s", (const char *)warnings->pdata[i]);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}

int cli_connect(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	struct Connect connect = {.options = options};
	connect.connector = configuration_find(configuration, options->arguments[0], &error);
	if (!connect.connector)
		return output_fail(error);
	if (connect.connector->auth != AUTH_NONE)
		list_cache_forget(connect.connector->name);
	bool good = session_init(&connect.session, configuration->config, CONNECTIONS, true, NULL,
			    NULL, &error) &&
		    run(&connect, &error);
	session_release(&connect.session);
	return good ? show(configuration, connect.connector) : output_fail(error);
}
