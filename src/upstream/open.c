/* Opening an upstream: which era does it speak, then the handshake of that era.
 *
 * The IDE's era is probed first, so that a server of both eras needs no translation; what was learnt
 * earlier (era.json) only saves the probe that would fail. What an answer proves:
 * 401 and 403 ask for a sign-in; 429, 5xx, time-outs and broken connections prove nothing; -32020, -32021
 * and -32022 prove modern; -32601 to server/discover, another 4xx, or a result that is no DiscoverResult
 * prove legacy.
 *
 * Legacy: initialize, then notifications/initialized, whose acceptance is awaited because strict servers
 * refuse what overtakes it. Modern: server/discover alone.
 *
 * Where both were refused, initialize by a status 4xx, the deprecated HTTP+SSE transport is tried last: a channel is
 * opened (channel.c), then initialize goes over that. A server that was found to speak it is asked for its channel at once
 * from then on. When the channel breaks the server is opened anew after a short pause; one whose channels do not hold is a
 * failure like any other, with growing pauses. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

static void probe(struct Upstream *up, enum Era era);
static void open_channel(struct Upstream *up);

static void drop_probe(struct Upstream *up)
{
	exchange_cancel(g_steal_pointer(&up->probe));
	g_clear_pointer(&up->probe_body, g_free);
	g_clear_pointer(&up->unspoken, g_free);
}

static void drop_channel(struct Upstream *up)
{
	channel_close(g_steal_pointer(&up->channel));
}

static void on_retry(void *user)
{
	upstream_start_open(user);
}

void upstream_open_later(struct Upstream *up)
{
	unsigned pause = upstream_backoff(&up->retry_ms);
	loop_timer_start(up->shared.loop, &up->retry, pause, on_retry, up);
}

void upstream_open_failed(struct Upstream *up, enum UpstreamState state, GError *error)
{
	log_info(up->connector->name, "not open: %s", error->message);
	drop_probe(up);
	drop_channel(up);
	if (state == UPSTREAM_FAILED)
		upstream_calls_signed_in(up); /* they have waited for this */
	if (state == UPSTREAM_FAILED ||
		(up->credential && credential_state(up->credential) == CREDENTIAL_GOOD))
		upstream_open_later(up);
	upstream_set_state(up, state, error);
	upstream_disown_lists(up, true);
	if (state == UPSTREAM_SIGNED_OUT)
		upstream_calls_signed_out(up, error);
	else
		upstream_calls_failed(up, error);
	g_error_free(error);
}

static void opened(struct Upstream *up)
{
	/* Whether a channel holds remains to be seen. */
	if (!up->channel)
		up->retry_ms = 0;
	up->channel_us = g_get_monotonic_time();
	up->generation++;
	up->renewed_us = up->renewing ? g_get_monotonic_time() : 0;
	up->renewing = false;
	up->session_worked = false;
	up->reauthorized = false;
	up->spoken = up->era;
	up->reopened = true;
	log_info(up->connector->name, "open, revision %s%s", up->revision,
		up->channel ? " over HTTP+SSE" : "");
	upstream_set_state(up, UPSTREAM_READY, NULL);
	upstream_start_lists(up);
	upstream_start_watches(up);
	upstream_start_stream(up);
	upstream_calls_signed_in(up);
	upstream_calls_ready(up);
}

static void fail_text(struct Upstream *up, const char *text)
{
	upstream_open_failed(
		up, UPSTREAM_FAILED, g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM, text));
}

static bool set_revision(struct Upstream *up, const char *revision, const char *session)
{
	g_free(up->revision);
	up->revision = g_strdup(revision);
	g_free(up->session);
	up->session = g_strdup(session);
	GError *error = NULL;
	if (phrase_session_headers(up, &error))
		return true;
	upstream_open_failed(up, UPSTREAM_FAILED, error);
	return false;
}

/* ---- what an answer proves ---- */

static bool proves_modern(int64_t code)
{
	return code == RPC_HEADER_MISMATCH || code == RPC_MISSING_CAPABILITY ||
	       code == RPC_UNSUPPORTED_VERSION;
}

/* 401 or 403. */
static void refused(struct Upstream *up, const struct ExchangeResult *result)
{
	bool with_token = result->status == 401 && up->probed;
	drop_channel(up);
	if (with_token && !up->reauthorized && !secret_equal(up->probed, up->useless)) {
		/* A token that came while the probe was under way has not been tried yet. */
		up->reauthorized = secret_equal(up->probed, up->token);
		upstream_refused(up, up->probed, result->challenge);
		return;
	}
	if (with_token) {
		secret_unref(up->useless);
		up->useless = secret_ref(up->probed);
	}
	GError *error = result->status == 403 ? upstream_insufficient(up, result->challenge) : NULL;
	if (!error) {
		error = g_error_copy(result->error);
		g_prefix_error(&error, "the server wants a sign-in: ");
	}
	/* Where nobody can sign in, the answer may still change. */
	upstream_open_failed(up,
		up->connector->auth == AUTH_NONE ? UPSTREAM_FAILED : UPSTREAM_SIGNED_OUT, error);
}

/* True if the result settled the matter without saying anything of eras. */
static bool proves_nothing(struct Upstream *up, const struct ExchangeResult *result)
{
	if (proves_modern(exchange_error_code(result)))
		return false; /* whatever the status */
	if (result->status == 401 || result->status == 403) {
		refused(up, result);
		return true;
	}
	/* A server may also be silent because it does not know what it was asked: the next attempt
	 * begins with the other era. */
	bool silent = g_error_matches(result->error, MUX_ERROR, MUX_ERROR_TIMEOUT);
	if (!up->over_channel && (silent || result->status >= 500))
		up->other_first = !up->other_first;
	bool by_status = result->status == 429 || result->status >= 500;
	bool by_transport = result->error && result->status < 300 &&
			    !g_error_matches(result->error, MUX_ERROR, MUX_ERROR_UPSTREAM);
	if (by_status || by_transport) {
		upstream_open_failed(up, UPSTREAM_FAILED, g_error_copy(result->error));
		return true;
	}
	return false;
}

/* Whether the array of strings LIST has MODERN (or, if not MODERN, any legacy revision). */
static bool lists_revision(struct JsonValue list, bool modern)
{
	struct JsonMember item;
	if (list.type != JSON_ARRAY)
		return false;
	JSON_FOR_EACH_MEMBER (item, list.raw) {
		g_autofree char *revision = json_string_dup(item.value);
		if (revision && (modern ? strcmp(revision, MCP_MODERN) == 0
					: mcp_is_legacy_revision(revision)))
			return true;
	}
	return false;
}

/* Goes on with OTHER, or says why there is nothing left to try. */
static void try_other(struct Upstream *up, enum Era other, const struct ExchangeResult *result)
{
	enum Era failed = other == ERA_MODERN ? ERA_LEGACY : ERA_MODERN;
	if (!(up->tried & (1u << other))) {
		probe(up, other);
		return;
	}
	const char *what = result->error          ? result->error->message
			   : failed == ERA_LEGACY ? "it refused initialize"
						  : "it refused server/discover";
	g_autofree char *text =
		g_strdup_printf("it speaks neither era of MCP over Streamable HTTP (%s)", what);
	if (up->posts_refused) {
		g_free(up->unspoken);
		up->unspoken = g_steal_pointer(&text);
		open_channel(up);
		return;
	}
	fail_text(up, text);
}

static void remember(struct Upstream *up, enum Era spoken)
{
	enum Era other = spoken == ERA_MODERN ? ERA_LEGACY : ERA_MODERN;
	era_store_set(up->shared.eras, up->connector->url, spoken, ERA_FACT_SPOKEN);
	if (up->tried & (1u << other))
		era_store_set(up->shared.eras, up->connector->url, other, ERA_FACT_REFUSED);
}

/* ---- modern ---- */

static void on_discover(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	(void)exchange;
	struct Upstream *up = user;
	up->probe = NULL;
	if (proves_nothing(up, result))
		return;
	int64_t code = exchange_error_code(result);
	struct JsonValue versions = {0};
	bool unsupported = code == RPC_UNSUPPORTED_VERSION;
	if (unsupported)
		versions = json_get(json_get(result->message.error.raw, "data").raw, "supported");
	else if (!result->error && result->has_message && result->message.kind == RPC_RESULT)
		versions = json_get(result->message.result.raw, "supportedVersions");
	/* It refuses the revision that it names as supported: once more may help. */
	if (unsupported && lists_revision(versions, true) && !up->version_again) {
		up->version_again = true;
		probe(up, ERA_MODERN);
		return;
	}
	if (!unsupported && lists_revision(versions, true)) {
		upstream_take_offers(up, result->message.result.raw);
		if (!set_revision(up, MCP_MODERN, NULL))
			return;
		remember(up, ERA_MODERN);
		opened(up);
		return;
	}
	if (proves_modern(code) && !lists_revision(versions, false)) {
		g_autofree char *shown = text_printable(versions.raw, 200);
		g_autofree char *text = g_strdup_printf("it refused revision " MCP_MODERN
							" (error %" G_GINT64_FORMAT "%s%s)",
			code, versions.type == JSON_ARRAY ? ", it supports " : "", shown);
		fail_text(up, text);
		return;
	}
	try_other(up, ERA_LEGACY, result);
}

/* ---- legacy ---- */

/* A notification has no answer, so any end will do: a server that refused it will refuse the rest too. */
static void on_initialized(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	(void)exchange;
	struct Upstream *up = user;
	up->probe = NULL;
	if (result->status == 0)
		log_debug(up->connector->name, "notifications/initialized: %s",
			result->error->message);
	if (up->state == UPSTREAM_OPENING)
		opened(up);
}

static void send_initialized(struct Upstream *up)
{
	static const struct ExchangeHandlers handlers = {.done = on_initialized};
	g_free(up->probe_body);
	up->probe_body = g_strdup("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
	struct ExchangeSpec spec = upstream_exchange_spec(up, POST_MS, POST_MS);
	spec.headers = up->session_headers;
	spec.repeatable = true;
	spec.body = slice_of(up->probe_body);
	up->agreed = true;
	if (up->channel) {
		/* No answer will come on it. */
		spec.url = channel_endpoint(up->channel);
		spec.channel = NULL;
	}
	up->probe = exchange_start(&spec, &handlers, up);
}

/* Over Streamable HTTP there is more to try; over a channel there is not. */
static void initialize_refused(struct Upstream *up, const struct ExchangeResult *result)
{
	if (!up->channel) {
		up->posts_refused = result->status >= 400 && result->status < 500 &&
				    !proves_modern(exchange_error_code(result));
		try_other(up, ERA_MODERN, result);
		return;
	}
	GError *error = result->error ? g_error_copy(result->error)
				      : upstream_said(result->message.error.raw);
	g_prefix_error(&error, "it refused initialize over HTTP+SSE: ");
	upstream_open_failed(up, UPSTREAM_FAILED, error);
}

/* A session that comes after the end is given back. */
static void leave(struct Upstream *up, const struct ExchangeResult *result)
{
	g_autoptr(GError) error = NULL;
	g_free(up->revision);
	up->revision = g_strdup(up->offered);
	up->session = g_strdup(result->session);
	if (phrase_session_headers(up, &error))
		upstream_delete_session(up);
	else
		log_debug(up->connector->name, "%s", error->message);
}

static void on_initialize(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	(void)exchange;
	struct Upstream *up = user;
	up->probe = NULL;
	if (up->shut_down) {
		leave(up, result);
		return;
	}
	if (proves_nothing(up, result))
		return;
	bool has_result =
		!result->error && result->has_message && result->message.kind == RPC_RESULT;
	if (!has_result) {
		initialize_refused(up, result);
		return;
	}
	struct Slice answer = result->message.result.raw;
	g_autofree char *revision = json_string_dup(json_get(answer, "protocolVersion"));
	if (!revision || !mcp_is_legacy_revision(revision)) {
		g_autofree char *shown = text_printable(slice_of(revision), 40);
		g_autofree char *text = g_strdup_printf(
			"it answered initialize with protocol version \"%s\", which is not known",
			shown);
		fail_text(up, text);
		return;
	}
	upstream_take_offers(up, answer);
	if (!set_revision(up, revision, up->channel ? NULL : result->session))
		return;
	if (!up->channel)
		remember(up, ERA_LEGACY);
	send_initialized(up);
}

static void probe(struct Upstream *up, enum Era era)
{
	static const struct ExchangeHandlers discover = {.done = on_discover};
	static const struct ExchangeHandlers initialize = {.done = on_initialize};
	up->tried |= 1u << era;
	up->era = era;
	up->agreed = false;
	int64_t id = up->next_id++;
	g_clear_pointer(&up->session, g_free);
	secret_unref(up->probed);
	up->probed = secret_ref(up->token);
	struct ExchangeSpec spec = upstream_exchange_spec(up, OWN_REQUEST_MS, OWN_REQUEST_MS);
	spec.id = id;
	spec.repeatable = true;
	g_clear_pointer(&up->probe_body, g_free);
	if (era == ERA_MODERN) {
		if (!set_revision(up, MCP_MODERN, NULL))
			return;
		up->probe_body = phrase_own_request(up, id, "server/discover", "");
		spec.headers = phrase_headers(up, "server/discover");
	} else {
		g_autofree char *params =
			g_strdup_printf("\"protocolVersion\":\"%s\",\"capabilities\":%s,"
					"\"clientInfo\":" MCP_IMPLEMENTATION,
				up->offered, upstream_client(up, ERA_LEGACY));
		up->probe_body = phrase_own_request(up, id, "initialize", params);
		spec.headers = http_headers_ref(up->base_headers);
	}
	spec.body = slice_of(up->probe_body);
	up->probe = exchange_start(&spec, era == ERA_MODERN ? &discover : &initialize, up);
	http_headers_unref(spec.headers);
}

/* The preferred era, unless it is known that the server refuses it and speaks the other. */
static enum Era first_era(const struct Upstream *up)
{
	enum Era other = up->preferred == ERA_MODERN ? ERA_LEGACY : ERA_MODERN;
	const char *url = up->connector->url;
	if (era_store_get(up->shared.eras, url, up->preferred) == ERA_FACT_REFUSED &&
		era_store_get(up->shared.eras, url, other) == ERA_FACT_SPOKEN)
		return other;
	bool known = era_store_get(up->shared.eras, url, up->preferred) == ERA_FACT_SPOKEN;
	return up->other_first && !known ? other : up->preferred;
}

/* ---- HTTP+SSE ---- */

static void begin(struct Upstream *up)
{
	if (up->credential)
		upstream_authorize(up);
	else
		upstream_probe(up);
}

static void on_reopen(void *user)
{
	begin(user);
}

/* It broke after the handshake: the server has forgotten the session. */
static void channel_lost(struct Upstream *up, const GError *error)
{
	int64_t held_us = g_get_monotonic_time() - up->channel_us;
	drop_probe(up); /* the acceptance of the handshake's end may still be awaited */
	upstream_stop_lists(up);
	upstream_stop_watches(up);
	if (up->session_worked || held_us >= (int64_t)CHANNEL_HELD_MS * 1000)
		up->retry_ms = 0;
	if (up->retry_ms > 0) {
		upstream_open_failed(up, UPSTREAM_FAILED, g_error_copy(error));
		return;
	}
	log_info(up->connector->name, "opened anew in a moment: %s", error->message);
	up->reauthorized = false;
	upstream_set_state(up, UPSTREAM_OPENING, NULL);
	loop_timer_start(
		up->shared.loop, &up->retry, upstream_backoff(&up->retry_ms), on_reopen, up);
}

/* It could not be opened. */
static void channel_refused(struct Upstream *up, const struct ExchangeResult *result)
{
	if (result->status == 401 || result->status == 403) {
		refused(up, result);
		return;
	}
	if (!up->over_channel) {
		GError *error = g_error_copy(result->error);
		g_prefix_error(&error, "%s, nor HTTP+SSE: ", up->unspoken);
		upstream_open_failed(up, UPSTREAM_FAILED, error);
		return;
	}
	if (proves_nothing(up, result))
		return;
	/* It speaks something else by now. */
	up->over_channel = false;
	probe(up, first_era(up));
}

static void on_channel_ended(
	struct Channel *channel, const struct ExchangeResult *result, void *user)
{
	struct Upstream *up = user;
	bool was_open = channel_endpoint(channel) != NULL;
	up->channel = NULL;
	if (up->shut_down)
		return;
	if (up->state == UPSTREAM_READY)
		channel_lost(up, result->error);
	else if (was_open)
		upstream_open_failed(up, UPSTREAM_FAILED, g_error_copy(result->error));
	else
		channel_refused(up, result);
}

static void on_channel_open(struct Channel *channel, void *user)
{
	(void)channel;
	struct Upstream *up = user;
	if (up->shut_down)
		return;
	up->over_channel = true;
	probe(up, ERA_LEGACY);
}

/* A server asks for more than a ping only when it has taken notifications/initialized (2024-11-05, "Lifecycle"), and what
 * it asks may overtake its acceptance of that. */
static void on_channel_message(
	struct Channel *channel, const struct RpcMessage *message, void *user)
{
	(void)channel;
	struct Upstream *up = user;
	bool asks = message->kind == RPC_REQUEST && !rpc_method_is(message, "ping");
	if (up->shut_down)
		return; /* cancellations are on their way */
	if (asks && up->agreed && up->state == UPSTREAM_OPENING)
		opened(up);
	upstream_take_message(up, message);
}

static void open_channel(struct Upstream *up)
{
	static const struct ChannelHandlers handlers = {
		on_channel_open, on_channel_ended, on_channel_message};
	const struct ChannelSpec spec = {
		.loop = up->shared.loop,
		.http = up->shared.http,
		.connector = up->connector->name,
		.url = up->connector->url,
		.headers = up->base_headers,
		.connect_timeout_ms = up->shared.mux->connect_timeout_ms,
		.open_ms = OWN_REQUEST_MS,
		.max_message = up->shared.mux->max_message,
	};
	up->era = ERA_LEGACY;
	secret_unref(up->probed);
	up->probed = secret_ref(up->token);
	up->channel = channel_open(&spec, &handlers, up);
}

/* ---- from the beginning ---- */

void upstream_start_open(struct Upstream *up)
{
	if (up->state == UPSTREAM_OPENING || up->state == UPSTREAM_READY || up->shut_down)
		return;
	loop_timer_stop(&up->retry);
	upstream_set_state(up, UPSTREAM_OPENING, NULL);
	up->reauthorized = false;
	upstream_unsettle_lists(up);
	begin(up);
}

void upstream_probe(struct Upstream *up)
{
	GError *error = NULL;
	loop_timer_stop(&up->retry);
	if (up->channel)
		return; /* what is under way will tell whether the credential does */
	if (!phrase_base_headers(up, &error)) {
		upstream_open_failed(up, UPSTREAM_FAILED, error);
		return;
	}
	up->tried = 0;
	up->version_again = false;
	up->posts_refused = false;
	if (up->over_channel)
		open_channel(up);
	else
		probe(up, first_era(up));
}

void upstream_renew(struct Upstream *up, unsigned generation)
{
	if (up->generation != generation || up->state != UPSTREAM_READY || up->shut_down)
		return;
	log_info(up->connector->name, "the session is gone, a new one is opened");
	up->renewing = true;
	upstream_stop_stream(up);
	upstream_stop_watches(up);
	upstream_stop_lists(up);
	upstream_set_state(up, UPSTREAM_OPENING, NULL);
	up->tried = 0;
	up->posts_refused = false;
	drop_probe(up);
	drop_channel(up);
	if (up->over_channel)
		open_channel(up);
	else
		probe(up, up->era);
}

bool upstream_renewed_just_now(const struct Upstream *up, unsigned generation)
{
	int64_t since_us = g_get_monotonic_time() - up->renewed_us;
	return up->state == UPSTREAM_READY && up->generation == generation && up->renewed_us != 0 &&
	       !up->session_worked && since_us < (int64_t)RENEW_AGAIN_MS * 1000;
}

void upstream_stop_open(struct Upstream *up)
{
	loop_timer_stop(&up->retry);
	drop_probe(up);
	/* At the end cancellations go over it first. */
	if (!up->shut_down)
		drop_channel(up);
}

void upstream_end_open(struct Upstream *up)
{
	bool is_asked = up->probe && up->era == ERA_LEGACY && !up->session && !up->channel &&
			up->state == UPSTREAM_OPENING;
	loop_timer_stop(&up->retry);
	if (!is_asked)
		upstream_stop_open(up);
}
