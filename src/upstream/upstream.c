/* One upstream as its users see it: life, state, and the messages that belong to no call. The parts are
 * open.c (eras and handshake), lists.c (its lists), list_cache.c (those on disk), stream.c (its notifications), calls.c (the IDE's
 * calls), post.c (what has no answer), phrase.c (the words of each era), exchange.c (one request and
 * its answer) and channel.c (the stream of the HTTP+SSE transport).
 *
 * Trusts nothing that the server says beyond the form that was checked. Handlers of the owner are called
 * from the loop; the owner may start and cancel calls in them, but not free the upstream. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/capabilities.h"
#include "format/json_writer.h"

enum { SAID_BYTES = 1000 }; /* of what a server says in an error */

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
	upstream_init_lists(up);
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
	upstream_release_lists(up);
	upstream_stop_stream(up);
	upstream_release_watches(up);
	upstream_calls_drop(up);
	upstream_drop_posts(up);
	upstream_release_account(up);
	loop_timer_stop(&up->farewell);
	loop_timer_stop(&up->keep);
	g_clear_error(&up->error);
	g_free(up->revision);
	g_free(up->session);
	g_free(up->instructions);
	g_free(up->kept_key);
	g_free(up->recalled_grant);
	list_record_free(up->recalled);
	g_free(up->client[0]);
	g_free(up->client[1]);
	http_headers_unref(up->base_headers);
	http_headers_unref(up->session_headers);
	g_hash_table_unref(up->call_headers);
	g_free(up);
}

void upstream_open(struct Upstream *up, enum Era preferred)
{
	up->preferred = preferred;
	up->wanted = true;
	upstream_recall_lists(up);
	if (up->connector->auth == AUTH_NONE || up->credential)
		upstream_start_open(up);
}

void upstream_set_unread(struct Upstream *up)
{
	up->unread = true;
}

bool upstream_is_idle(const struct Upstream *up)
{
	return up->n_calls == 0 && up->state != UPSTREAM_OPENING;
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
	upstream_end_keeping(up);
	upstream_stop_authorizing(up);
	if (up->credential)
		credential_quit(up->credential);
	upstream_end_open(up);
	upstream_stop_lists(up);
	upstream_stop_stream(up);
	upstream_stop_watches(up);
	upstream_calls_shutdown(up);
	if (up->posts.length == 0)
		upstream_delete_session(up);
	else
		loop_timer_start(up->shared.loop, &up->farewell, CANCELS_FIRST_MS, on_farewell, up);
}

bool upstream_is_quiet(const struct Upstream *up)
{
	return up->posts.length == 0 && !up->probe &&
	       !(up->credential && credential_is_renewing(up->credential));
}

const struct ConnectorConfig *upstream_connector(const struct Upstream *up)
{
	return up->connector;
}

enum UpstreamState upstream_state(const struct Upstream *up)
{
	return up->state;
}

const GError *upstream_error(const struct Upstream *up)
{
	return up->error ? up->error : up->lists[MCP_TOOLS].error;
}

const char *upstream_revision(const struct Upstream *up)
{
	return up->state == UPSTREAM_READY ? up->revision : NULL;
}

const char *upstream_instructions(const struct Upstream *up)
{
	return up->instructions;
}

enum Era upstream_era(const struct Upstream *up)
{
	return up->spoken;
}

unsigned upstream_offers(const struct Upstream *up)
{
	return up->offers;
}

void upstream_set_client(struct Upstream *up, enum Era era, struct Slice capabilities)
{
	for (unsigned modern = 0; modern < G_N_ELEMENTS(up->client); modern++) {
		g_free(up->client[modern]);
		up->client[modern] =
			capabilities_carry(capabilities, era == ERA_MODERN, modern == 1);
	}
}

void upstream_change_client(struct Upstream *up, enum Era era, struct Slice capabilities)
{
	upstream_set_client(up, era, capabilities);
	if (up->state != UPSTREAM_READY || up->era != ERA_LEGACY || up->shut_down)
		return;
	upstream_delete_session(up);
	upstream_renew(up, up->generation);
}

const char *upstream_client(const struct Upstream *up, enum Era era)
{
	const char *client = up->client[era == ERA_MODERN];
	return client ? client : "{}";
}

/* ---- what it is told ---- */

/* What is put in comes from messages that were validated. */
static void post_answer(
	struct Upstream *up, struct Slice id, const char *member, struct Slice value)
{
	GString *out = g_string_sized_new(value.len + id.len + 64);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_raw(&w, "id", id);
	json_member_raw(&w, member, value);
	json_end_object(&w);
	upstream_post(up, g_string_free(out, FALSE));
}

void upstream_reply(struct Upstream *up, struct Slice id, const char *member, struct Slice value)
{
	if (up->era == ERA_LEGACY && up->state == UPSTREAM_READY && !up->shut_down)
		post_answer(up, id, member, value);
}

void upstream_notify(struct Upstream *up, const char *method, struct Slice params)
{
	if (up->era != ERA_LEGACY || up->state != UPSTREAM_READY || up->shut_down)
		return;
	GString *out = g_string_sized_new(params.len + 96);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_string(&w, "jsonrpc", "2.0");
	json_member_string(&w, "method", method);
	if (params.len > 0)
		json_member_raw(&w, "params", params);
	json_end_object(&w);
	upstream_post(up, g_string_free(out, FALSE));
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
		.channel = up->channel,
	};
}

GError *upstream_said(struct Slice error_object)
{
	g_autofree char *said = json_string_dup(json_get(error_object, "message"));
	g_autofree char *shown = text_printable(slice_of(said), SAID_BYTES);
	return g_error_new_literal(
		MUX_ERROR, MUX_ERROR_UPSTREAM, *shown ? shown : "it answered with an error");
}

unsigned upstream_backoff(unsigned *last_ms)
{
	*last_ms = *last_ms == 0 ? BACKOFF_FIRST_MS : MIN(*last_ms * 2, BACKOFF_LAST_MS);
	/* Between half of it and all of it, so that many processes do not come back together. */
	return *last_ms / 2 + (unsigned)g_random_int_range(0, (gint32)(*last_ms / 2 + 1));
}

/* ping is answered here, anything else by the IDE, if it can. A modern server has nothing to ask, and what a session
 * asked that is gone needs no answer. */
static void serve_request(struct Upstream *up, const struct RpcMessage *message)
{
	if (up->era != ERA_LEGACY || up->shut_down)
		return;
	bool is_ping = rpc_method_is(message, "ping");
	if (!is_ping && up->state != UPSTREAM_READY)
		return;
	if (!is_ping && up->handlers.message && up->handlers.message(up, message, up->user))
		return;
	if (up->posts.length >= ANSWERS_MAX)
		log_debug(up->connector->name, "it asks too much at once");
	else if (is_ping)
		post_answer(up, message->id.raw, "result", SLICE("{}"));
	else
		post_answer(up, message->id.raw, "error",
			SLICE("{\"code\":-32601,\"message\":\"Method not found\"}"));
}

/* Whether it is the notice that a list changed; resources and their templates share one. */
static bool take_change(struct Upstream *up, const struct RpcMessage *message)
{
	bool found = false;
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		if (!rpc_method_is(message, mcp_lists[kind].changed))
			continue;
		found = true;
		upstream_list_changed(up, (enum McpList)kind);
	}
	return found;
}

void upstream_take_message(struct Upstream *up, const struct RpcMessage *message)
{
	if (message->kind == RPC_REQUEST) {
		serve_request(up, message);
	} else if (rpc_method_is(message, "notifications/progress")) {
		if (!upstream_calls_progress(up, message))
			log_debug(up->connector->name, "progress of no call");
	} else if (!take_change(up, message) && up->handlers.message) {
		(void)up->handlers.message(up, message, up->user);
	}
}
