/* More than one upstream for a connector. What an IDE can do it declares once, in `initialize`, or with each request, as
 * a modern one does. What it can do is offered to a legacy server once, in `initialize`, and to a modern one with each
 * request. No server may be offered more than the IDE of the very request declared, so requests go by what would be
 * offered for them: those for which it is the same as for the connector's first upstream go there, and any others to one
 * that is made for them, one for each set of what is offered. An IDE that stays with what it declared first never needs
 * one; an IDE that speaks both eras may.
 *
 * Such an upstream is like any other, but nobody reads its lists: what belongs to a server is found, watched and counted
 * at the first upstream. There are few of them. When all are taken, that which was used longest ago becomes the one
 * for the new set, by a new session; where each has requests under way, there is none. They are not freed before their
 * connector leaves (reconfigure.c) or the router ends, since sign-ins and answers that nobody came back for may still
 * speak of them. */
#include "mux/internal.h"

#include "base/log.h"

enum { SESSIONS_MAX = 8 }; /* for each connector and era of the IDE */

struct Session {
	struct Upstream *up;
	enum Era era; /* of the IDE's requests */
};

static void session_free(void *data)
{
	struct Session *session = data;
	upstream_free(session->up);
	g_free(session);
}

void sessions_init(struct Router *router)
{
	router->sessions = g_ptr_array_new_with_free_func(session_free);
}

void sessions_each(const struct Router *router, void (*function)(struct Upstream *up))
{
	for (guint i = 0; i < router->sessions->len; i++)
		function(((struct Session *)router->sessions->pdata[i])->up);
}

bool sessions_are_quiet(const struct Router *router)
{
	for (guint i = 0; i < router->sessions->len; i++) {
		if (!upstream_is_quiet(((struct Session *)router->sessions->pdata[i])->up))
			return false;
	}
	return true;
}

void sessions_leave(
	struct Router *router, const struct ConnectorConfig *connector, GPtrArray *upstreams)
{
	for (guint i = router->sessions->len; i > 0; i--) {
		struct Session *session = router->sessions->pdata[i - 1];
		if (upstream_connector(session->up) != connector)
			continue;
		g_ptr_array_add(upstreams, g_steal_pointer(&session->up));
		g_ptr_array_remove_index(router->sessions, i - 1);
	}
}

void sessions_release(struct Router *router)
{
	g_ptr_array_unref(router->sessions);
}

void sessions_set_log_level(struct Router *router)
{
	for (guint i = 0; i < router->sessions->len; i++) {
		struct Session *session = router->sessions->pdata[i];
		if (session->era == ERA_LEGACY)
			upstream_set_log_level(session->up, router->log_level);
	}
}

void sessions_tell_roots(struct Router *router, struct Slice params)
{
	for (guint i = 0; i < router->sessions->len; i++) {
		struct Session *session = router->sessions->pdata[i];
		if (session->era == ERA_LEGACY)
			upstream_notify(session->up, "notifications/roots/list_changed", params);
	}
}

/* ---- handlers ---- */

static void on_tools(struct Upstream *up, void *user)
{
	(void)up;
	(void)user;
}

/* What a server says outside of calls is nobody's where the IDE is modern, but that it takes requests of its back. */
static bool on_message(struct Upstream *up, const struct RpcMessage *message, void *user)
{
	if (message->kind == RPC_NOTIFICATION && rpc_method_is(message, "notifications/cancelled"))
		held_cancelled(user, up, message->params);
	return false;
}

static const struct UpstreamHandlers handlers[] = {
	[ERA_LEGACY] = {.state = lists_session_state,
		.tools = on_tools,
		.message = messages_upstream},
	[ERA_MODERN] = {.state = lists_session_state, .tools = on_tools, .message = on_message},
};

/* ---- one for a request ---- */

/* What the IDE declared for REQUEST. */
static struct Slice declared_by(const struct Request *request, const struct McpParams *params)
{
	return request->era == ERA_MODERN ? params->capabilities.raw
					  : slice_of(request->router->legacy_capabilities);
}

static bool is_for(
	const struct Session *session, const struct ConnectorConfig *connector, enum Era ide)
{
	return upstream_connector(session->up) == connector && session->era == ide;
}

/* The upstream that OFFERED is offered at, and that requests of that era go to. */
static struct Session *find(const struct Router *router, const struct Upstream *up, enum Era ide,
	enum Era server, const char *offered)
{
	for (guint i = 0; i < router->sessions->len; i++) {
		struct Session *session = router->sessions->pdata[i];
		if (is_for(session, upstream_connector(up), ide) &&
			strcmp(offered, upstream_client(session->up, server)) == 0)
			return session;
	}
	return NULL;
}

static struct Session *make(
	struct Router *router, const struct ConnectorConfig *connector, enum Era ide)
{
	struct Session *session = g_new0(struct Session, 1);
	session->era = ide;
	session->up = upstream_new(&router->options.upstream, connector, &handlers[ide], router);
	upstream_set_unread(session->up);
	if (ide == ERA_LEGACY) {
		upstream_offer_revision(session->up, router->revision);
		upstream_set_log_level(session->up, router->log_level);
	}
	g_ptr_array_add(router->sessions, session);
	log_debug(connector->name, "a session of its own for what else the IDE declares");
	return session;
}

/* One that is not in use, and was not for longest; NULL: all are. *N: how many there are. */
static struct Session *find_idle(const struct Router *router,
	const struct ConnectorConfig *connector, enum Era ide, unsigned *n)
{
	struct Session *idle = NULL;
	*n = 0;
	for (guint i = 0; i < router->sessions->len; i++) {
		struct Session *session = router->sessions->pdata[i];
		if (!is_for(session, connector, ide))
			continue;
		++*n;
		if (!idle && upstream_is_idle(session->up))
			idle = session;
	}
	return idle;
}

/* The last in the array was used last. */
static void touch(struct Router *router, struct Session *session)
{
	guint at;
	if (g_ptr_array_find(router->sessions, session, &at))
		g_ptr_array_add(router->sessions, g_ptr_array_steal_index(router->sessions, at));
}

struct Upstream *sessions_for(
	struct Request *request, struct Upstream *up, const struct McpParams *params)
{
	struct Router *router = request->router;
	const struct ConnectorConfig *connector = upstream_connector(up);
	enum Era server = upstream_era(up) == ERA_MODERN ? ERA_MODERN : ERA_LEGACY;
	enum Era ide = request->era;
	if (ide == ERA_MODERN && server == ERA_MODERN)
		return up; /* it reads in the request what the IDE declares */
	struct Slice declared = declared_by(request, params);
	g_autofree char *offered =
		capabilities_carry(declared, ide == ERA_MODERN, server == ERA_MODERN);
	if (strcmp(offered, upstream_client(up, server)) == 0)
		return up;
	struct Session *session = find(router, up, ide, server, offered);
	if (!session) {
		unsigned n;
		session = find_idle(router, connector, ide, &n);
		if (n < SESSIONS_MAX)
			session = make(router, connector, ide);
		if (!session)
			return NULL;
		upstream_change_client(session->up, ide, declared);
		upstream_open(session->up, server);
	}
	touch(router, session);
	return session->up;
}
