#include "cli/session.h"

#include "base/file.h"

static struct HttpOptions http_options(const struct Config *config, unsigned max_connections)
{
	return (struct HttpOptions){
		.ca_file = config->mux.ca_file,
		.proxy = config->mux.proxy,
		.max_connections = max_connections,
		.user_agent = "mcp-mux/" MCP_MUX_VERSION,
	};
}

bool session_init(struct Session *session, const struct Config *config, unsigned max_connections,
	bool may_prompt, void (*changed)(void *user), void *user, GError **error)
{
	const struct HttpOptions http = http_options(config, max_connections);
	*session = (struct Session){0};
	session->loop = loop_new(NULL);
	session->http = http_client_new(session->loop, &http, error);
	if (!session->http)
		return false;
	g_autofree char *eras = file_state_path("era.json");
	session->eras = era_store_new(eras);
	struct Keyring *keyring = keyring_new(may_prompt, changed, user);
	session->audit = audit_new(&config->mux, session->loop, keyring);
	session->auth = (struct AuthShared){
		.loop = session->loop,
		.http = session->http,
		.keyring = keyring,
		.mux = &config->mux,
		.happened = audit_account,
		.happened_user = session->audit,
	};
	session->upstream = (struct UpstreamShared){
		.loop = session->loop,
		.http = session->http,
		.mux = &config->mux,
		.eras = session->eras,
		.auth = &session->auth,
	};
	return true;
}

bool session_reconfigure(struct Session *session, const struct Config *config,
	unsigned max_connections, GError **error)
{
	const struct HttpOptions http = http_options(config, max_connections);
	return http_client_reconfigure(session->http, &http, error);
}

void session_release(struct Session *session)
{
	audit_free(session->audit);
	keyring_free(session->auth.keyring);
	http_client_free(session->http);
	era_store_free(session->eras);
	loop_free(session->loop);
}

static void on_over(void *user)
{
	*(bool *)user = true;
}

bool session_run_until(struct Session *session, bool (*enough)(const void *user), const void *user,
	unsigned timeout_ms)
{
	struct LoopTimer timer = {0};
	bool over = false;
	if (timeout_ms > 0)
		loop_timer_start(session->loop, &timer, timeout_ms, on_over, &over);
	while (!enough(user) && !over)
		g_main_context_iteration(NULL, TRUE);
	loop_timer_stop(&timer);
	return enough(user);
}

static bool is_done(const void *user)
{
	return *(const bool *)user;
}

bool session_run(struct Session *session, const bool *done, unsigned timeout_ms)
{
	return session_run_until(session, is_done, done, timeout_ms);
}
