/* The level at which a server sends log messages ("Logging" of every revision). A legacy session has one level for all
 * that it sends, set by logging/setLevel; a modern server is told with each request. So a legacy IDE's level is told
 * to every legacy session, and stands in each of its requests to a modern server (phrase.c); a modern IDE's goes to a
 * modern server in its own _meta, and to a legacy one before the request that it stands in, unless the session is at that
 * level or says more already.
 *
 * One request of ours is under way at a time, since the order of two would be the server's choice. Whatever it
 * answers, the level counts as set in that session: one that refuses it would be asked before each call else, and one
 * that does not answer would hold up each of them. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

struct Levels {
	enum SyslogLevel wanted; /* by a legacy IDE */
	bool due; /* the session is to be told of WANTED */
	unsigned generation; /* of the session that the rest is about */
	enum SyslogLevel set; /* in it; NONE: the server's own choice */
	struct OwnRequest *request;
	enum SyslogLevel asked; /* by that */
	struct Secret *token; /* that it went out with */
	bool reauthorized; /* a token was renewed because of a refusal */
};

/* A new session knows of no level. */
static void meet_session(struct Upstream *up)
{
	struct Levels *levels = up->levels;
	if (levels->generation == up->generation)
		return;
	own_request_cancel(g_steal_pointer(&levels->request));
	levels->generation = up->generation;
	levels->set = SYSLOG_LEVEL_NONE;
	levels->due = levels->wanted != SYSLOG_LEVEL_NONE;
	levels->reauthorized = false;
}

static struct Levels *get_levels(struct Upstream *up)
{
	if (!up->levels) {
		up->levels = g_new0(struct Levels, 1);
		up->levels->wanted = SYSLOG_LEVEL_NONE;
		up->levels->set = SYSLOG_LEVEL_NONE;
		up->levels->generation = up->generation;
	}
	meet_session(up);
	return up->levels;
}

static bool is_legacy_with_logging(const struct Upstream *up)
{
	return up->era == ERA_LEGACY && (up->offers & UPSTREAM_LOGGING);
}

static void log_refusal(const struct Upstream *up, const struct ExchangeResult *result)
{
	const char *said = result->error ? result->error->message : NULL;
	g_autofree char *text =
		!said && result->message.kind == RPC_ERROR
			? json_string_dup(json_get(result->message.error.raw, "message"))
			: NULL;
	if (!said && !text)
		return;
	g_autofree char *shown = text_printable(slice_of(said ? said : text), 200);
	log_info(up->connector->name, "the level of its log messages could not be set: %s", shown);
}

static void on_done(struct ExchangeResult *result, void *user)
{
	struct Upstream *up = user;
	struct Levels *levels = up->levels;
	levels->request = NULL;
	if (result->status == 401 && levels->token && !levels->reauthorized) {
		levels->reauthorized = true;
		if (up->state == UPSTREAM_READY && secret_equal(levels->token, up->token))
			upstream_refused(up, levels->token, result->challenge);
	} else {
		levels->set = levels->asked;
		levels->due = levels->due && levels->asked != levels->wanted;
		levels->reauthorized = levels->reauthorized && result->error;
		log_refusal(up, result);
	}
	upstream_calls_ready(up);
}

static void ask(struct Upstream *up, enum SyslogLevel level)
{
	struct Levels *levels = up->levels;
	if (!upstream_has_token(up)) {
		upstream_authorize(up); /* upstream_calls_ready is called when there is one */
		return;
	}
	g_autofree char *params = g_strdup_printf("\"level\":\"%s\"", syslog_level_name(level));
	secret_unref(levels->token);
	levels->token = secret_ref(up->token);
	levels->asked = level;
	levels->request = own_request_start(up, "logging/setLevel", params, on_done, up);
}

enum SyslogLevel upstream_log_level(const struct Upstream *up)
{
	return up->levels ? up->levels->wanted : SYSLOG_LEVEL_NONE;
}

bool upstream_level_is_set(struct Upstream *up, enum SyslogLevel level)
{
	if (!is_legacy_with_logging(up))
		return true;
	struct Levels *levels = get_levels(up);
	bool is_set = levels->set != SYSLOG_LEVEL_NONE && levels->set <= level;
	if (levels->request)
		return is_set && levels->asked <= level;
	if (!is_set)
		ask(up, level);
	return is_set;
}

void upstream_levels_ready(struct Upstream *up)
{
	bool can = up->levels && up->state == UPSTREAM_READY && !up->shut_down;
	if (!can || !is_legacy_with_logging(up))
		return;
	struct Levels *levels = get_levels(up);
	if (levels->due && !levels->request)
		ask(up, levels->wanted);
}

void upstream_set_log_level(struct Upstream *up, enum SyslogLevel level)
{
	struct Levels *levels = get_levels(up);
	levels->wanted = level;
	levels->due = level != SYSLOG_LEVEL_NONE;
	upstream_levels_ready(up);
}

void upstream_release_levels(struct Upstream *up)
{
	struct Levels *levels = g_steal_pointer(&up->levels);
	if (!levels)
		return;
	own_request_cancel(levels->request);
	secret_unref(levels->token);
	g_free(levels);
}
