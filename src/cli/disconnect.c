/* `mcp-mux disconnect NAME`: revokes and forgets. It works for a connector that is switched off, and offline. */
#include "auth/forget.h"
#include "base/error.h"
#include "cli/configuration.h"
#include "cli/output.h"
#include "cli/session.h"

enum { CONNECTIONS = 4 };

struct Disconnect {
	struct Session session;
	const struct ConnectorConfig *connector;
	bool done;
	GError *error;
	GString *words;
};

static void on_forgotten(const struct Forgotten *forgotten, const GError *error, void *user)
{
	struct Disconnect *disconnect = user;
	const char *title = connector_title(disconnect->connector);
	disconnect->done = true;
	if (error) {
		disconnect->error = g_error_copy(error);
		return;
	}
	if (forgotten->items == 0)
		g_string_printf(disconnect->words, "%s was not connected.", title);
	else if (disconnect->connector->auth == AUTH_API_KEY)
		g_string_printf(disconnect->words,
			"%s is disconnected: its key was forgotten. It stays valid at the server.",
			title);
	else if (forgotten->revoked)
		g_string_printf(disconnect->words,
			"%s is disconnected: its sign-in was revoked and forgotten.", title);
	else if (forgotten->revoke_error)
		g_string_printf(disconnect->words,
			"%s is disconnected: its sign-in was forgotten. It could not be revoked at "
			"the server (%s); it may be valid there until it expires.",
			title, forgotten->revoke_error->message);
	else
		g_string_printf(disconnect->words,
			"%s is disconnected: what the keyring held for it was deleted. There was "
			"nothing that could be revoked at the server.",
			title);
}

int cli_disconnect(const struct CliOptions *options)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Configuration) configuration = configuration_load(options, &error);
	if (!configuration)
		return output_fail(error);
	struct Disconnect disconnect = {0};
	disconnect.connector = configuration_find(configuration, options->arguments[0], &error);
	if (!disconnect.connector)
		return output_fail(error);
	if (disconnect.connector->auth == AUTH_NONE) {
		output_error("%s has auth = none: there is nothing to forget",
			disconnect.connector->name);
		return CLI_FAILED;
	}
	g_autoptr(GString) words = g_string_new(NULL);
	disconnect.words = words;
	list_cache_forget(disconnect.connector->name);
	if (session_init(&disconnect.session, configuration->config, CONNECTIONS, true, NULL, NULL,
		    &error)) {
		forget_start(
			&disconnect.session.auth, disconnect.connector, on_forgotten, &disconnect);
		session_run(&disconnect.session, &disconnect.done, 0);
		if (disconnect.error)
			g_propagate_error(&error, g_steal_pointer(&disconnect.error));
	}
	session_release(&disconnect.session);
	if (error)
		return output_fail(error);
	g_autoptr(Output) output = output_new();
	output_line(output, STYLE_PLAIN, "%s", words->str);
	return output_flush(output) ? CLI_DONE : CLI_FAILED;
}
