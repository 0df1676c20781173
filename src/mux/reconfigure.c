/* The configuration changes while the router runs.
 *
 * The connectors that stay are the same objects as before (config_adopt), and so are their upstreams: nothing that is under
 * way there is touched, whatever became of their policy, names and titles; but what was not sent yet has to be allowed by
 * the new configuration, too, and those that could not be reached are tried with it. An upstream leaves when its connector
 * was taken out, is reached in another way (then it is another object of the same name, with a new upstream) or was
 * switched off. It is shut down at once: its server is told what is cancelled, and its session is deleted. Freed it is when
 * that has been sent. Nothing says so, so a timer looks, less and less often, and runs only while something leaves;
 * LEAVING_MS is the bound. Connectors that left are freed after all upstreams that left before them or with them, since one
 * that was switched off first may still be referred to by its upstream.
 *
 * What refers to an upstream, by the file that has it, and how it lets go here:
 *   requests.c    struct Request: answered ("cancelled: …"); or, where it only waits to be looked at again (forward.c,
 *                 `held`), taken anew at the end. A call (struct UpstreamCall) is gone with upstream_shutdown, so the pointer
 *                 to it goes before anything else is done with the request.
 *   rounds.c      nothing but its request, with which it ends; so do the questions of the round.
 *   questions.c   struct Question of its server: withdrawn.
 *   held.c        struct HeldCall: of a request, with it; of none, forgotten together with its answer.
 *   ask_state.c   struct AskState: forgotten; a retry that brings its handle is told that it is unknown.
 *   asking.c      struct Asking: the sign-in ends, the question is withdrawn.
 *   listen.c, watching.c  struct Watch: loses its server, and finds another one or ends.
 *   owners.c      of resources.c and tasks.c: names go to the upstream that reaches the same URL, if there is a new one;
 *                 else they are nobody's.
 *   sessions.c    struct Session: its upstream leaves as well, by the same way.
 *   lists.c       `joined`: the key goes.
 *   router.c      `upstreams`: a new array is made.
 * parking.c and the queue of lists keep no upstream.
 *
 * What refers to a connector: all upstreams with their credentials, sign-ins with what they started (asking.c),
 * struct AuditCall (its name, of a request that ends here; one that is taken anew forgets it), and the catalogs' groups and
 * entries (catalog_reconfigure makes them anew). */
#include "mux/internal.h"

#include "base/log.h"
#include "base/text.h"

enum {
	LOOK_FIRST_MS = 20,
	LOOK_LAST_MS = 20 * 1000,
	/* A token that is being renewed must be stored, or a sign-in that is still of use could be lost. */
	LEAVING_MS = 5 * 60 * 1000,
};

/* What one change sent away. */
struct Departure {
	GList link; /* in router->departures */
	GPtrArray *upstreams; /* struct Upstream, shut down */
	GPtrArray *connectors; /* struct ConnectorConfig */
	int64_t until_us;
};

/* A request that ends. */
struct Ending {
	char *key; /* of router->requests */
	bool was_out; /* its server may have got it */
};

/* ---- what has left ---- */

static void departure_free(struct Router *router, struct Departure *departure)
{
	g_queue_unlink(&router->departures, &departure->link);
	g_ptr_array_unref(departure->upstreams);
	g_ptr_array_unref(departure->connectors);
	g_free(departure);
}

static bool is_quiet(const struct Departure *departure)
{
	for (guint i = 0; i < departure->upstreams->len; i++) {
		if (!upstream_is_quiet(departure->upstreams->pdata[i]))
			return false;
	}
	return true;
}

static void look_again(struct Router *router);

static void on_depart(void *user)
{
	struct Router *router = user;
	struct Departure *oldest;
	while ((oldest = g_queue_peek_head(&router->departures)) &&
		(is_quiet(oldest) || oldest->until_us <= g_get_monotonic_time()))
		departure_free(router, oldest);
	router->depart_ms = MIN(2 * router->depart_ms, (unsigned)LOOK_LAST_MS);
	look_again(router);
}

static void look_again(struct Router *router)
{
	if (router->departures.head && !router->shut_down)
		loop_timer_start(
			router->loop, &router->depart, router->depart_ms, on_depart, router);
}

/* UPSTREAMS and CONNECTORS are taken over. */
static void depart(struct Router *router, GPtrArray *upstreams, GPtrArray *connectors)
{
	if (upstreams->len == 0 && connectors->len == 0) {
		g_ptr_array_unref(upstreams);
		g_ptr_array_unref(connectors);
		return;
	}
	struct Departure *departure = g_new0(struct Departure, 1);
	departure->link.data = departure;
	departure->upstreams = upstreams;
	departure->connectors = connectors;
	departure->until_us = g_get_monotonic_time() + (int64_t)LEAVING_MS * 1000;
	g_queue_push_tail_link(&router->departures, &departure->link);
	router->depart_ms = LOOK_FIRST_MS;
	look_again(router);
}

void reconfigure_init(struct Router *router)
{
	g_queue_init(&router->departures);
	router->joined = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	builtin_has_changed(router); /* from what they are now on */
}

void reconfigure_stop(struct Router *router)
{
	loop_timer_stop(&router->depart);
}

void reconfigure_release(struct Router *router)
{
	while (router->departures.head)
		departure_free(router, router->departures.head->data);
	g_hash_table_unref(router->joined);
	g_free(router->own_tools);
}

bool reconfigure_is_quiet(const struct Router *router)
{
	for (GList *link = router->departures.head; link; link = link->next) {
		if (!is_quiet(link->data))
			return false;
	}
	return true;
}

/* ---- requests that end ---- */

static bool is_among(GPtrArray *upstreams, const struct Upstream *up)
{
	return g_ptr_array_find(upstreams, up, NULL);
}

static void ending_free(void *data)
{
	struct Ending *ending = data;
	g_free(ending->key);
	g_free(ending);
}

static bool was_out(const struct Request *request)
{
	return request->inputs || (request->call && upstream_call_is_out(request->call));
}

/* The requests that end with LEAVING. Those that only wait to be looked at again forget what they waited for. */
static GPtrArray *find_endings(struct Router *router, GPtrArray *leaving)
{
	GPtrArray *endings = g_ptr_array_new_with_free_func(ending_free);
	GHashTableIter iter;
	gpointer value;
	g_hash_table_iter_init(&iter, router->requests);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		struct Request *request = value;
		if (!is_among(leaving, request->upstream))
			continue;
		if (request->held) {
			request->upstream = NULL;
			audit_call_for(&request->audit, NULL, NULL);
			continue;
		}
		struct Ending *ending = g_new0(struct Ending, 1);
		ending->key = g_strdup(request->key);
		ending->was_out = was_out(request);
		request->call = NULL; /* which goes before it is answered */
		g_ptr_array_add(endings, ending);
	}
	return endings;
}

/* What became of CONNECTOR, in words. */
static const char *fate_of(const struct Router *router, const struct ConnectorConfig *connector)
{
	const struct ConnectorConfig *now = config_find(router->config, connector->name);
	if (!now)
		return "was taken out of the configuration";
	return now->enabled ? "is reached in another way since the configuration was changed"
			    : "was switched off in the configuration";
}

static void cancel(struct Request *request, bool out)
{
	const struct ConnectorConfig *connector = upstream_connector(request->upstream);
	g_autofree char *title = text_printable(slice_of(connector_title(connector)), 100);
	g_autofree char *text = g_strdup_printf("cancelled: the connector %s %s. %s", title,
		fate_of(request->router, connector),
		out ? "The request may or may not have taken effect: check before repeating it."
		    : "Nothing was done.");
	audit_call_outcome(&request->audit, AUDIT_OUTCOME_CANCELLED);
	answer_failure(request, text);
}

static void end_requests(struct Router *router, const GPtrArray *endings)
{
	for (guint i = 0; i < endings->len; i++) {
		const struct Ending *ending = endings->pdata[i];
		struct Request *request = g_hash_table_lookup(router->requests, ending->key);
		if (request)
			cancel(request, ending->was_out);
	}
}

/* ---- upstreams that leave ---- */

/* The new upstream that reaches what UP reached; NULL: there is none. */
static struct Upstream *find_heir(const struct Router *router, const struct Upstream *up)
{
	const struct ConnectorConfig *connector = upstream_connector(up);
	const struct ConnectorConfig *now = config_find(router->config, connector->name);
	if (!now || strcmp(now->url, connector->url) != 0)
		return NULL;
	return routing_upstream(router, now);
}

static void forget(struct Router *router, struct Upstream *up)
{
	struct Upstream *heir = find_heir(router, up);
	questions_end_upstream(router, up);
	held_forget_upstream(router, up);
	asking_forget_upstream(router, up);
	ask_state_forget_upstream(router, up);
	listen_leave(router, up);
	resources_give(router, up, heir);
	tasks_give(router, up, heir);
	g_hash_table_remove(router->joined, up);
}

/* UPSTREAMS are not in the router's array any more. */
static void leave(struct Router *router, GPtrArray *upstreams)
{
	g_autoptr(GPtrArray) endings = find_endings(router, upstreams);
	for (guint i = 0; i < upstreams->len; i++)
		upstream_shutdown(upstreams->pdata[i]);
	end_requests(router, endings);
	for (guint i = 0; i < upstreams->len; i++)
		forget(router, upstreams->pdata[i]);
}

/* ---- the upstreams of the configuration as it is now ---- */

/* Those that stay, for each of which NULL stands in BEFORE then, and new ones, in order. */
static GPtrArray *arrange(struct Router *router, GPtrArray *before)
{
	GPtrArray *upstreams = g_ptr_array_new_with_free_func((GDestroyNotify)upstream_free);
	for (guint i = 0; i < router->config->connectors->len; i++) {
		const struct ConnectorConfig *connector = router->config->connectors->pdata[i];
		if (!connector->enabled)
			continue;
		struct Upstream *up = NULL;
		for (guint j = 0; j < before->len && !up; j++) {
			if (before->pdata[j] && upstream_connector(before->pdata[j]) == connector)
				up = g_steal_pointer(&before->pdata[j]);
		}
		g_ptr_array_add(upstreams, up ? up : router_new_upstream(router, connector));
	}
	return upstreams;
}

/* Those left in BEFORE, and the sessions beside them. */
static GPtrArray *find_leaving(struct Router *router, GPtrArray *before)
{
	GPtrArray *leaving = g_ptr_array_new_with_free_func((GDestroyNotify)upstream_free);
	for (guint i = 0; i < before->len; i++) {
		if (!before->pdata[i])
			continue;
		struct Upstream *up = g_steal_pointer(&before->pdata[i]);
		const struct ConnectorConfig *connector = upstream_connector(up);
		log_info(connector->name, "it %s", fate_of(router, connector));
		g_ptr_array_add(leaving, up);
		sessions_leave(router, connector, leaving);
	}
	return leaving;
}

/* They open if the others did, in which case their lists are waited for as those of the others were. */
static void open_new(struct Router *router, GPtrArray *known)
{
	for (guint i = 0; i < router->upstreams->len; i++) {
		struct Upstream *up = router->upstreams->pdata[i];
		if (is_among(known, up))
			continue;
		if (router->log_level != SYSLOG_LEVEL_NONE)
			upstream_set_log_level(up, router->log_level);
		lists_joined(router, up);
		if (!router->opened)
			continue;
		ide_introduce(router, up);
		if (!router->open.loop) /* else all of them are opened then */
			upstream_open(up, router->opening_era);
	}
}

/* Those that could not be reached: what was changed may be what they needed, such as the proxy. */
static void retry_failed(struct Router *router, GPtrArray *known)
{
	for (guint i = 0; router->opened && i < known->len; i++) {
		struct Upstream *up = known->pdata[i];
		if (is_among(router->upstreams, up) && upstream_state(up) == UPSTREAM_FAILED)
			upstream_open(up, router->opening_era);
	}
}

/* ---- lists ---- */

static void renew_catalogs(struct Router *router, const GPtrArray *leaving)
{
	lists_renew_tools(router);
	for (enum McpList list = MCP_PROMPTS; list < MCP_LISTS; list++) {
		if (catalog_reconfigure(router->catalogs[list]))
			listen_changed(router, list);
	}
	if (builtin_has_changed(router))
		listen_changed(router, MCP_TOOLS);
	/* What is switched off shows nothing, and what it had must not come back before it is heard of anew. */
	for (guint i = 0; i < leaving->len; i++) {
		const struct ConnectorConfig *connector = upstream_connector(leaving->pdata[i]);
		catalog_set(router->catalogs[MCP_TOOLS], connector, NULL);
		for (enum McpList list = MCP_PROMPTS; list < MCP_LISTS; list++)
			catalog_set_items(router->catalogs[list], connector, NULL);
	}
	lists_keep_pins(router);
}

/* ---- for the owner ---- */

void router_reconfigure(struct Router *router, GPtrArray *gone)
{
	if (router->shut_down) {
		depart(router, g_ptr_array_new(), gone); /* upstreams may still refer to them */
		return;
	}
	g_autoptr(GPtrArray) known = g_ptr_array_copy(router->upstreams, NULL, NULL);
	g_ptr_array_set_free_func(known, NULL);
	g_autoptr(GPtrArray) before = g_steal_pointer(&router->upstreams);
	router->upstreams = arrange(router, before);
	GPtrArray *leaving = find_leaving(router, before);
	leave(router, leaving);
	renew_catalogs(router, leaving);
	listen_leave(router, NULL);
	calls_recheck(router);
	forward_permit_waiting(router);
	open_new(router, known);
	retry_failed(router, known);
	if (leaving->len > 0) /* before a clock of theirs runs out: they have no upstream now */
		forward_release_held(router);
	depart(router, leaving, gone);
	lists_settle_soon(router);
}

void router_reread_pins(struct Router *router)
{
	if (!router->options.pins || router->shut_down)
		return;
	unsigned before = pins_generation(router->options.pins);
	pins_reread(router->options.pins);
	if (pins_generation(router->options.pins) != before)
		lists_renew_tools(router);
	lists_keep_pins(router);
}
