/* Watches of resources ("Subscriptions" of Resources in the legacy revisions; MCP 2026-07-28, "Subscriptions").
 *
 * A counted set of URIs that outlives sessions. A legacy server is told of each by a request of our own, again in every
 * new session; for a URI one request is under way at a time, since the order of two would be the server's choice. A modern
 * server is told of all of them in the filter of the notification stream (stream.c), whose acknowledgement says which it
 * agreed to. A watch that never began and is refused, or that cannot be asked for, ends with its error. One that began
 * stays until it is ended: it is asked for again in the next session, and since a change may have been missed until the
 * server agreed once more, one is reported then.
 *
 * Trusts the server with nothing: what it says that it agreed to is only looked up. Owns the set and the requests. Whoever
 * watches is called from the loop alone, in review() and where an answer came; what they do then (watch, unwatch) only
 * changes the set: URIs are let go of in review(), which runs by itself. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "format/json_writer.h"

enum {
	WATCHES_MAX = 1000, /* URIs */
	/* Of all of them, which a modern server gets in one request. */
	WATCHED_BYTES_MAX = 1024 * 1024,
	REQUESTS_MAX = 16, /* under way at once */
};

/* One upstream_watch that was not told yet how it began. */
struct Waiter {
	UpstreamWatched *done;
	void *user;
	uint64_t number; /* counts all of them */
};

/* One URI. */
struct Watch {
	struct Upstream *up;
	char *uri;
	GList link;
	GQueue waiters; /* struct Waiter, oldest first */
	unsigned count; /* watches, the waiters among them */
	bool excess; /* it is beyond the limits */
	bool begun; /* the server agreed once */
	bool on; /* in this session, or in the stream that there is */
	bool failed; /* it is not asked for again in this session */
	/* Legacy */
	struct OwnRequest *request;
	bool ending; /* the request ends it */
	struct Secret *token; /* that the request went out with */
	unsigned generation; /* of its session */
	bool reauthorized; /* a token was renewed because it was refused */
	bool renewed; /* a session was renewed because it was refused */
	bool waits; /* for another token */
	bool later; /* it failed for now, and is asked for again by the clock */
};

struct Watches {
	GHashTable *by_uri; /* char *, borrowed -> struct Watch */
	GQueue all; /* struct Watch, by its link */
	unsigned n; /* without those in excess */
	size_t bytes; /* of their URIs */
	uint64_t number; /* of the last waiter */
	unsigned requests;
	struct LoopTimer review; /* soon, from the loop */
	struct LoopTimer retry;
	unsigned retry_ms;
};

/* ---- the set ---- */

static void review(void *user);

static void review_soon(struct Upstream *up)
{
	struct Watches *watches = up->watches;
	if (!watches->review.loop && !up->shut_down)
		loop_timer_start(up->shared.loop, &watches->review, 0, review, up);
}

static struct Watches *get_watches(struct Upstream *up)
{
	if (!up->watches) {
		up->watches = g_new0(struct Watches, 1);
		up->watches->by_uri = g_hash_table_new(g_str_hash, g_str_equal);
	}
	return up->watches;
}

static struct Watch *watch_new(struct Upstream *up, const char *uri)
{
	struct Watches *watches = up->watches;
	struct Watch *watch = g_new0(struct Watch, 1);
	size_t len = strlen(uri);
	watch->up = up;
	watch->uri = g_strdup(uri);
	watch->link.data = watch;
	watch->excess = watches->n >= WATCHES_MAX || watches->bytes + len > WATCHED_BYTES_MAX;
	if (!watch->excess) {
		watches->n++;
		watches->bytes += len;
	}
	g_hash_table_insert(watches->by_uri, watch->uri, watch);
	g_queue_push_tail_link(&watches->all, &watch->link);
	return watch;
}

static void drop_request(struct Watch *watch)
{
	if (!watch->request)
		return;
	own_request_cancel(g_steal_pointer(&watch->request));
	watch->up->watches->requests--;
}

static void watch_free(struct Watch *watch)
{
	struct Watches *watches = watch->up->watches;
	if (!watch->excess) {
		watches->n--;
		watches->bytes -= strlen(watch->uri);
	}
	drop_request(watch);
	g_hash_table_remove(watches->by_uri, watch->uri);
	g_queue_unlink(&watches->all, &watch->link);
	g_queue_clear_full(&watch->waiters, g_free);
	secret_unref(watch->token);
	g_free(watch->uri);
	g_free(watch);
}

void upstream_watch(struct Upstream *up, const char *uri, UpstreamWatched *done, void *user)
{
	if (up->shut_down)
		return;
	struct Watches *watches = get_watches(up);
	struct Watch *watch = g_hash_table_lookup(watches->by_uri, uri);
	if (!watch)
		watch = watch_new(up, uri);
	struct Waiter *waiter = g_new0(struct Waiter, 1);
	*waiter = (struct Waiter){done, user, ++watches->number};
	g_queue_push_tail(&watch->waiters, waiter);
	watch->begun = watch->begun && watch->count > 0;
	watch->count++;
	watch->failed = false;
	watch->later = false;
	review_soon(up);
}

void upstream_unwatch(struct Upstream *up, const char *uri, void *user)
{
	struct Watch *watch = up->watches ? g_hash_table_lookup(up->watches->by_uri, uri) : NULL;
	if (!watch || watch->count == 0)
		return;
	GList *link = watch->waiters.head;
	while (link && ((struct Waiter *)link->data)->user != user)
		link = link->next;
	if (!link && watch->count == watch->waiters.length)
		link = watch->waiters.head;
	if (link) {
		g_free(link->data);
		g_queue_delete_link(&watch->waiters, link);
	}
	watch->count--;
	review_soon(up);
}

/* ---- telling ---- */

/* Tells those who waited when LAST was the number of the youngest. */
static void tell(struct Watch *watch, uint64_t last, const GError *error, struct Slice error_object)
{
	struct Waiter *waiter;
	while (!watch->up->shut_down && (waiter = g_queue_peek_head(&watch->waiters)) &&
		waiter->number <= last) {
		g_autofree struct Waiter *told = g_queue_pop_head(&watch->waiters);
		if (error)
			watch->count--;
		if (told->done)
			told->done(error, error_object, told->user);
	}
}

static void tell_all(struct Watch *watch, const GError *error, struct Slice error_object)
{
	tell(watch, watch->up->watches->number, error, error_object);
}

static void report_change(struct Upstream *up, const char *uri)
{
	g_autoptr(GString) text = g_string_new(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"
		"\"uri\":");
	json_append_quoted(text, slice_of(uri));
	g_string_append(text, "}}");
	struct RpcMessage message;
	bool good = rpc_parse((struct Slice){text->str, text->len}, &message, NULL);
	if (good && up->handlers.message)
		(void)up->handlers.message(up, &message, up->user);
}

/* The server agreed. */
static void begin(struct Watch *watch)
{
	struct Upstream *up = watch->up;
	bool missed = watch->begun && !watch->on;
	watch->begun = watch->count > 0;
	watch->on = true;
	watch->failed = false;
	tell_all(watch, NULL, (struct Slice){0});
	if (missed && watch->count > 0)
		report_change(up, watch->uri);
}

static void refuse(struct Watch *watch, const GError *error, struct Slice error_object)
{
	watch->failed = true;
	if (watch->begun)
		log_info(watch->up->connector->name, "a resource is not watched any more: %s",
			error->message);
	tell_all(watch, error, error_object);
}

/* ---- legacy ---- */

static void on_retry(void *user)
{
	struct Upstream *up = user;
	for (GList *link = up->watches->all.head; link; link = link->next)
		((struct Watch *)link->data)->later = false;
	review(up);
}

/* It could not be asked for, which may be another matter in a while. */
static void fail_for_now(struct Watch *watch, const GError *error)
{
	struct Upstream *up = watch->up;
	struct Watches *watches = up->watches;
	watch->later = true;
	tell_all(watch, error, (struct Slice){0});
	if (watch->count > 0 && !watches->retry.loop && !up->shut_down)
		loop_timer_start(up->shared.loop, &watches->retry,
			upstream_backoff(&watches->retry_ms), on_retry, up);
}

/* The answer to resources/subscribe was an error. */
static void take_failure(struct Watch *watch, const struct ExchangeResult *result)
{
	int status = result->status;
	bool by_status = status == 401 || status == 403 || status == 429 || status >= 500;
	if (result->has_message && !by_status) {
		struct Slice object = result->message.error.raw;
		g_autoptr(GError) error = upstream_said(object);
		refuse(watch, error, object);
	} else if (status == 401 || status == 403) {
		refuse(watch, result->error, (struct Slice){0});
	} else {
		fail_for_now(watch, result->error);
	}
}

/* Whether the token or the session has to be another one first; sees to that. */
static bool begins_anew(struct Watch *watch, const struct ExchangeResult *result)
{
	struct Upstream *up = watch->up;
	if (result->status == 401 && watch->token && !watch->reauthorized) {
		watch->reauthorized = true;
		watch->waits = true;
		upstream_refused(up, watch->token, result->challenge);
		return true;
	}
	if (up->session && exchange_lost_session(result) && !watch->renewed &&
		!upstream_renewed_just_now(up, watch->generation)) {
		watch->renewed = true;
		upstream_renew(up, watch->generation);
		return true;
	}
	return false;
}

static void on_answer(struct ExchangeResult *result, void *user)
{
	struct Watch *watch = user;
	struct Upstream *up = watch->up;
	watch->request = NULL;
	up->watches->requests--;
	review_soon(up);
	if (watch->ending) {
		watch->on = false; /* whatever it says: nobody wants to know any more */
		return;
	}
	if (begins_anew(watch, result))
		return;
	watch->reauthorized = false;
	watch->renewed = false;
	if (result->has_message && result->message.kind == RPC_RESULT) {
		up->watches->retry_ms = 0;
		begin(watch);
	} else {
		take_failure(watch, result);
	}
}

static void ask_server(struct Watch *watch, bool ending)
{
	struct Upstream *up = watch->up;
	g_autoptr(GString) params = g_string_new("\"uri\":");
	json_append_quoted(params, slice_of(watch->uri));
	watch->ending = ending;
	watch->generation = up->generation;
	secret_unref(watch->token);
	watch->token = secret_ref(up->token);
	watch->request =
		own_request_start(up, ending ? "resources/unsubscribe" : "resources/subscribe",
			params->str, on_answer, watch);
	up->watches->requests++;
}

static void send_due(struct Upstream *up)
{
	struct Watches *watches = up->watches;
	if (!upstream_has_token(up)) {
		upstream_authorize(up); /* upstream_resume_watches is called then */
		return;
	}
	for (GList *link = watches->all.head; link && watches->requests < REQUESTS_MAX;
		link = link->next) {
		struct Watch *watch = link->data;
		bool wanted = watch->count > 0 && !watch->failed && !watch->later;
		bool free = !watch->excess && !watch->request && !watch->waits;
		if (free && wanted != watch->on)
			ask_server(watch, watch->on);
	}
}

/* ---- what is to be done ---- */

/* Tells of a URI what is known already. */
static void tell_known(struct Watch *watch, uint64_t last)
{
	struct Upstream *up = watch->up;
	if (watch->waiters.length == 0)
		return;
	g_autoptr(GError) error = NULL;
	bool ready = up->state == UPSTREAM_READY;
	if (watch->excess)
		error = g_error_new_literal(MUX_ERROR, MUX_ERROR_TOO_LARGE,
			"too many of its resources are watched already");
	else if (ready && !(up->offers & UPSTREAM_SUBSCRIBE))
		error = g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"it does not offer to tell of changes of its resources");
	else if (ready && up->era == ERA_MODERN && up->deaf)
		error = g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"it refused to tell of changes of its resources");
	else if (!watch->on || watch->ending)
		return;
	watch->begun = watch->begun || !error;
	tell(watch, last, error, (struct Slice){0});
}

/* Tells what can be told, asks for what is wanted, lets go of what is not wanted any more. */
static void review(void *user)
{
	struct Upstream *up = user;
	struct Watches *watches = up->watches;
	uint64_t last = watches->number;
	if (up->shut_down)
		return;
	for (GList *link = watches->all.head; link; link = link->next)
		tell_known(link->data, last);
	bool legacy = up->era == ERA_LEGACY;
	bool offered = up->state == UPSTREAM_READY && (up->offers & UPSTREAM_SUBSCRIBE);
	if (offered && legacy)
		send_due(up);
	GList *next;
	for (GList *link = watches->all.head; link; link = next) {
		struct Watch *watch = link->data;
		next = link->next;
		if (watch->count == 0 && !watch->request && !(watch->on && legacy))
			watch_free(watch);
	}
	if (offered && !legacy)
		upstream_stream_wanted(up);
}

/* ---- modern: called by stream.c ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_uris(GPtrArray *uris, GString *out)
{
	/* In an order of their own, so that the same set is the same text. */
	g_ptr_array_sort(uris, by_text);
	for (guint i = 0; i < uris->len; i++) {
		g_string_append_c(out, i == 0 ? '[' : ',');
		json_append_quoted(out, slice_of(uris->pdata[i]));
	}
	if (uris->len > 0)
		g_string_append_c(out, ']');
}

void upstream_watched(const struct Upstream *up, GString *out)
{
	if (!up->watches || !(up->offers & UPSTREAM_SUBSCRIBE))
		return;
	g_autoptr(GPtrArray) uris = g_ptr_array_new();
	for (GList *link = up->watches->all.head; link; link = link->next) {
		const struct Watch *watch = link->data;
		if (watch->count > 0 && !watch->excess && !watch->failed)
			g_ptr_array_add(uris, watch->uri);
	}
	append_uris(uris, out);
}

/* The strings of an array, as keys. */
static GHashTable *strings_of(struct JsonValue array)
{
	GHashTable *strings = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct JsonMember item;
	if (array.type != JSON_ARRAY)
		return strings;
	JSON_FOR_EACH_MEMBER (item, array.raw) {
		char *string = json_string_dup(item.value);
		if (string)
			g_hash_table_add(strings, string);
	}
	return strings;
}

/* What the server agreed to, also where nobody wants it any more. */
static void append_covered(GHashTable *asked, GHashTable *agreed, GString *out)
{
	g_autoptr(GPtrArray) uris = g_ptr_array_new();
	GHashTableIter iter;
	void *uri;
	g_hash_table_iter_init(&iter, asked);
	while (g_hash_table_iter_next(&iter, &uri, NULL)) {
		if (g_hash_table_contains(agreed, uri))
			g_ptr_array_add(uris, uri);
	}
	append_uris(uris, out);
}

void upstream_watches_agreed(
	struct Upstream *up, struct JsonValue asked, struct JsonValue agreed, GString *covered)
{
	if (!up->watches)
		return;
	g_autoptr(GHashTable) in_filter = strings_of(asked);
	g_autoptr(GHashTable) good = strings_of(agreed);
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM,
		"it did not agree to tell of changes of this resource");
	append_covered(in_filter, good, covered);
	for (GList *link = up->watches->all.head; link; link = link->next) {
		struct Watch *watch = link->data;
		bool was_asked = g_hash_table_contains(in_filter, watch->uri);
		if (was_asked && g_hash_table_contains(good, watch->uri)) {
			begin(watch);
			continue;
		}
		watch->on = false;
		if (was_asked)
			refuse(watch, error, (struct Slice){0});
	}
	review_soon(up);
}

bool upstream_watches_refused(
	struct Upstream *up, struct JsonValue asked, const GError *error, struct Slice error_object)
{
	if (!up->watches)
		return false;
	bool any = false;
	g_autoptr(GHashTable) in_filter = strings_of(asked);
	for (GList *link = up->watches->all.head; link; link = link->next) {
		struct Watch *watch = link->data;
		if (watch->on || !g_hash_table_contains(in_filter, watch->uri))
			continue;
		any = true;
		refuse(watch, error, error_object);
	}
	review_soon(up);
	return any;
}

void upstream_watches_failed(
	struct Upstream *up, const struct JsonValue *asked, const GError *error)
{
	if (!up->watches)
		return;
	g_autoptr(GHashTable) in_filter = asked ? strings_of(*asked) : NULL;
	for (GList *link = up->watches->all.head; link; link = link->next) {
		struct Watch *watch = link->data;
		if (!watch->on && (!in_filter || g_hash_table_contains(in_filter, watch->uri)))
			tell_all(watch, error, (struct Slice){0});
	}
	review_soon(up);
}

void upstream_watches_lost(struct Upstream *up)
{
	for (GList *link = up->watches ? up->watches->all.head : NULL; link; link = link->next)
		((struct Watch *)link->data)->on = false;
}

/* ---- sessions ---- */

void upstream_watches_missed(struct Upstream *up)
{
	for (GList *link = up->watches ? up->watches->all.head : NULL; link; link = link->next) {
		struct Watch *watch = link->data;
		if (watch->on && watch->count > 0)
			report_change(up, watch->uri);
	}
}

void upstream_start_watches(struct Upstream *up)
{
	if (!up->watches)
		return;
	for (GList *link = up->watches->all.head; link; link = link->next)
		((struct Watch *)link->data)->failed = false;
	review_soon(up);
}

void upstream_resume_watches(struct Upstream *up, const GError *error)
{
	if (!up->watches)
		return;
	bool sign_in = g_error_matches(error, MUX_ERROR, MUX_ERROR_SIGN_IN);
	for (GList *link = up->watches->all.head; link; link = link->next) {
		struct Watch *watch = link->data;
		if (!watch->waits)
			continue;
		watch->waits = false;
		if (error && sign_in)
			refuse(watch, error, (struct Slice){0});
		else if (error)
			fail_for_now(watch, error);
	}
	review_soon(up);
}

void upstream_stop_watches(struct Upstream *up)
{
	if (!up->watches)
		return;
	loop_timer_stop(&up->watches->retry);
	for (GList *link = up->watches->all.head; link; link = link->next) {
		struct Watch *watch = link->data;
		drop_request(watch);
		watch->on = false;
		watch->waits = false;
		watch->later = false;
		watch->reauthorized = false;
	}
}

void upstream_release_watches(struct Upstream *up)
{
	if (!up->watches)
		return;
	loop_timer_stop(&up->watches->review);
	loop_timer_stop(&up->watches->retry);
	while (up->watches->all.head)
		watch_free(up->watches->all.head->data);
	g_hash_table_unref(up->watches->by_uri);
	g_clear_pointer(&up->watches, g_free);
}
