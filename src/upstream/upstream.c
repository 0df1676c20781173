/* One upstream as its users see it: life, state, and the messages that belong to no call. The parts are
 * open.c (eras and handshake), tools.c (its list), stream.c (its notifications), calls.c (the IDE's
 * calls), post.c (what has no answer), phrase.c (the words of each era) and exchange.c (one request and
 * its answer).
 *
 * Trusts nothing that the server says beyond the form that was checked. Handlers of the owner are called
 * from the loop; the owner may start and cancel calls in them, but not free the upstream. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"

struct Upstream *upstream_new(const struct UpstreamShared *shared,
	const struct ConnectorConfig *connector, const struct UpstreamHandlers *handlers,
	void *user)
{
	struct Upstream *up = g_new0(struct Upstream, 1);
	up->shared = *shared;
	up->connector = connector;
	up->handlers = *handlers;
	up->user = user;
	up->preferred = ERA_MODERN; /* where a call comes before upstream_open */
	up->offered = MCP_NEWEST_LEGACY;
	up->next_id = 1;
	up->call_headers = g_hash_table_new_full(
		g_str_hash, g_str_equal, g_free, (GDestroyNotify)http_headers_unref);
	g_queue_init(&up->posts);
	if (connector->auth != AUTH_NONE && shared->auth) {
		up->credential =
			credential_new(shared->auth, connector, upstream_on_credential, up);
	} else if (connector->auth != AUTH_NONE) {
		up->state = UPSTREAM_SIGNED_OUT;
		up->error = g_error_new(MUX_ERROR, MUX_ERROR_SIGN_IN, "nobody has signed in");
	}
	return up;
}

void upstream_free(struct Upstream *up)
{
	if (!up)
		return;
	up->shut_down = true;
	upstream_stop_open(up);
	upstream_stop_listing(up);
	upstream_stop_stream(up);
	upstream_calls_drop(up);
	upstream_drop_posts(up);
	upstream_release_account(up);
	loop_timer_stop(&up->farewell);
	g_clear_error(&up->error);
	g_clear_error(&up->list_error);
	g_free(up->revision);
	g_free(up->session);
	g_free(up->instructions);
	http_headers_unref(up->base_headers);
	http_headers_unref(up->session_headers);
	g_hash_table_unref(up->call_headers);
	tool_list_unref(up->tools);
	g_free(up);
}

void upstream_open(struct Upstream *up, enum Era preferred)
{
	up->preferred = preferred;
	up->wanted = true;
	if (up->connector->auth == AUTH_NONE || up->credential)
		upstream_start_open(up);
}

void upstream_offer_revision(struct Upstream *up, const char *revision)
{
	for (const char *const *known = mcp_legacy_revisions; *known; known++) {
		if (strcmp(*known, revision) == 0)
			up->offered = *known;
	}
}

static void on_farewell(void *user)
{
	upstream_delete_session(user);
}

void upstream_shutdown(struct Upstream *up)
{
	if (up->shut_down)
		return;
	up->shut_down = true;
	upstream_stop_authorizing(up);
	if (up->credential)
		credential_quit(up->credential);
	upstream_stop_open(up);
	upstream_stop_listing(up);
	upstream_stop_stream(up);
	upstream_calls_shutdown(up);
	if (up->posts.length == 0)
		upstream_delete_session(up);
	else
		loop_timer_start(up->shared.loop, &up->farewell, CANCELS_FIRST_MS, on_farewell, up);
}

bool upstream_is_quiet(const struct Upstream *up)
{
	return up->posts.length == 0 && !(up->credential && credential_is_renewing(up->credential));
}

const struct ConnectorConfig *upstream_connector(const struct Upstream *up)
{
	return up->connector;
}

enum UpstreamState upstream_state(const struct Upstream *up)
{
	return up->state;
}

bool upstream_is_settled(const struct Upstream *up)
{
	switch (up->state) {
	case UPSTREAM_SIGNED_OUT:
	case UPSTREAM_FAILED:
		return true;
	case UPSTREAM_READY:
		return up->listed;
	case UPSTREAM_CLOSED:
	case UPSTREAM_OPENING:
		break;
	}
	return false;
}

const GError *upstream_error(const struct Upstream *up)
{
	return up->error ? up->error : up->list_error;
}

const char *upstream_revision(const struct Upstream *up)
{
	return up->state == UPSTREAM_READY ? up->revision : NULL;
}

const char *upstream_instructions(const struct Upstream *up)
{
	return up->instructions;
}

struct ToolList *upstream_tools(const struct Upstream *up)
{
	return up->tools;
}

int64_t upstream_tools_fresh_ms(const struct Upstream *up)
{
	return MAX(0, (up->fresh_until_us - g_get_monotonic_time()) / 1000);
}

void upstream_refresh_stale_tools(struct Upstream *up)
{
	int64_t now = g_get_monotonic_time();
	if (!up->stream && up->listed && now >= up->fresh_until_us &&
		now - up->fetched_us >= (int64_t)REFETCH_AFTER_MS * 1000)
		upstream_refresh_tools(up);
}

void upstream_refresh_tools(struct Upstream *up)
{
	if (!up->listing)
		upstream_start_listing(up);
}

/* ---- for the other files of this folder ---- */

void upstream_set_state(struct Upstream *up, enum UpstreamState state, const GError *error)
{
	up->state = state;
	g_clear_error(&up->error);
	if (error)
		up->error = g_error_copy(error);
	up->handlers.state(up, up->user);
}

struct ExchangeSpec upstream_exchange_spec(
	const struct Upstream *up, unsigned idle_ms, unsigned limit_ms)
{
	return (struct ExchangeSpec){
		.loop = up->shared.loop,
		.http = up->shared.http,
		.connector = up->connector->name,
		.url = up->connector->url,
		.connect_timeout_ms = up->shared.mux->connect_timeout_ms,
		.idle_ms = idle_ms,
		.limit_ms = limit_ms,
		.max_message = up->shared.mux->max_message,
	};
}

unsigned upstream_backoff(unsigned *last_ms)
{
	*last_ms = *last_ms == 0 ? BACKOFF_FIRST_MS : MIN(*last_ms * 2, BACKOFF_LAST_MS);
	/* Between half of it and all of it, so that many processes do not come back together. */
	return *last_ms / 2 + (unsigned)g_random_int_range(0, (gint32)(*last_ms / 2 + 1));
}

/* The id's own bytes go back. Requests beyond ping need an IDE that can answer them. */
static void serve_request(struct Upstream *up, const struct RpcMessage *message)
{
	if (up->era != ERA_LEGACY || up->shut_down)
		return;
	if (up->posts.length >= ANSWERS_MAX) {
		log_debug(up->connector->name, "it asks too much at once");
		return;
	}
	g_autofree char *id = slice_dup(message->id.raw);
	if (rpc_method_is(message, "ping"))
		upstream_post(
			up, g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", id));
	else
		upstream_post(up,
			g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":-32601,"
					"\"message\":\"Method not found\"}}",
				id));
}

void upstream_take_message(struct Upstream *up, const struct RpcMessage *message)
{
	if (message->kind == RPC_REQUEST) {
		serve_request(up, message);
	} else if (rpc_method_is(message, "notifications/tools/list_changed")) {
		upstream_tools_changed(up);
	} else if (!rpc_method_is(message, "notifications/progress") ||
		   !upstream_calls_progress(up, message)) {
		log_debug(up->connector->name, "a notification is for nobody");
	}
}
