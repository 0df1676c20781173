/* The server's tools, page after page into one list, fetched again when the server says that they
 * changed. A fetch that fails keeps the list there was and is repeated with growing pauses. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "format/json_writer.h"

struct Listing {
	struct Upstream *up;
	struct ToolList *list;
	struct Exchange *exchange;
	char *body;
	struct Secret *token; /* that the page was asked for with */
	char *cursor; /* raw string of the page under way, NULL for the first */
	unsigned pages;
	unsigned skipped;
	size_t bytes;
	unsigned number;
};

static void next_page(struct Listing *listing);

static void listing_free(struct Listing *listing)
{
	if (!listing)
		return;
	exchange_cancel(listing->exchange);
	tool_list_unref(listing->list);
	secret_unref(listing->token);
	g_free(listing->body);
	g_free(listing->cursor);
	g_free(listing);
}

void upstream_stop_listing(struct Upstream *up)
{
	loop_timer_stop(&up->relist);
	listing_free(g_steal_pointer(&up->listing));
	up->list_again = false;
}

static void on_relist(void *user)
{
	upstream_start_listing(user);
}

/* The fetching ended, well or not. */
static void settle(struct Upstream *up, const GError *error)
{
	g_clear_error(&up->list_error);
	if (error) {
		up->list_error = g_error_copy(error);
		g_prefix_error(&up->list_error, "its tools could not be fetched: ");
		log_warning(up->connector->name, "%s", up->list_error->message);
		loop_timer_start(up->shared.loop, &up->relist, upstream_backoff(&up->relist_ms),
			on_relist, up);
	} else {
		up->relist_ms = 0;
		up->list_reauthorized = false;
	}
	up->list_renewed = false;
	up->listed = true;
}

void upstream_listing_failed(struct Upstream *up, const GError *error)
{
	up->list_reauthorized = false;
	settle(up, error);
	up->handlers.state(up, up->user);
}

/* A new list is in place; tells whoever waits. */
static void replace(struct Upstream *up, struct ToolList *list)
{
	bool changed = !up->tools || !tool_list_equal(up->tools, list);
	up->fetched_us = g_get_monotonic_time();
	up->fresh_until_us =
		list->ttl_ms > 0 ? up->fetched_us + MIN(list->ttl_ms, G_MAXINT) * 1000 : 0;
	if (changed) {
		tool_list_unref(up->tools);
		up->tools = tool_list_ref(list);
		g_hash_table_remove_all(up->call_headers);
		for (guint i = 0; i < list->tools->len; i++) {
			const struct Tool *tool = list->tools->pdata[i];
			if (tool->invalid)
				log_warning(up->connector->name, "tool %s is left out: %s",
					tool->name, tool->invalid);
		}
	}
	settle(up, NULL);
	if (changed)
		up->handlers.tools(up, up->user);
	up->handlers.state(up, up->user);
}

static void give_up(struct Listing *listing, const GError *error)
{
	struct Upstream *up = listing->up;
	unsigned number = listing->number;
	up->listing = NULL;
	up->list_again = false;
	settle(up, error);
	listing_free(listing);
	up->handlers.state(up, up->user);
	upstream_calls_listed(up, number);
}

static void fail_text(struct Listing *listing, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM, text);
	give_up(listing, error);
}

static void last_page(struct Listing *listing)
{
	struct Upstream *up = listing->up;
	up->listing = NULL;
	if (listing->skipped > 0)
		log_warning(up->connector->name,
			"%u of its tools are left out: without a name, or named like another",
			listing->skipped);
	g_autoptr(ToolList) list = g_steal_pointer(&listing->list);
	unsigned number = listing->number;
	bool again = up->list_again;
	up->list_again = false;
	listing_free(listing);
	replace(up, list);
	upstream_calls_listed(up, number);
	if (again)
		upstream_tools_changed(up);
}

/* Keeps the page and goes on to the next. */
static void take_page(struct Listing *listing, struct ExchangeResult *result)
{
	size_t len = result->message.text.len + (size_t)(result->message.text.data - result->bytes);
	g_autoptr(GBytes) page = g_bytes_new_take(g_steal_pointer(&result->bytes), len);
	listing->bytes += len;
	struct Slice cursor;
	g_autoptr(GError) error = NULL;
	if (listing->bytes > listing->up->shared.mux->max_message) {
		fail_text(listing, "all pages together are over max_message");
	} else if (++listing->pages > TOOL_PAGES_MAX) {
		fail_text(listing, "it has no last page");
	} else if (!tool_list_add_page(listing->list, page, result->message.result.raw,
			   listing->up->era == ERA_MODERN, &cursor, &listing->skipped, &error)) {
		give_up(listing, error);
	} else if (cursor.len == 0) {
		last_page(listing);
	} else if (listing->cursor && slice_is(cursor, listing->cursor)) {
		fail_text(listing, "a page names itself as the next one");
	} else {
		g_free(listing->cursor);
		listing->cursor = slice_dup(cursor);
		next_page(listing);
	}
}

static void on_page(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	(void)exchange;
	struct Listing *listing = user;
	struct Upstream *up = listing->up;
	listing->exchange = NULL;
	if (result->status == 401 && listing->token && !up->list_reauthorized) {
		up->list_reauthorized = true;
		up->listed = false;
		up->listing = NULL;
		upstream_refused(up, listing->token, result->challenge);
		listing_free(listing);
		return;
	}
	g_autoptr(GError) scope =
		result->status == 403 ? upstream_insufficient(up, result->challenge) : NULL;
	if (scope) {
		give_up(listing, scope);
		return;
	}
	if (up->session && exchange_lost_session(result) && !up->list_renewed) {
		/* A page that is refused in the new session too is an error. */
		up->list_renewed = true;
		upstream_renew(up, up->generation);
		return;
	}
	if (result->has_message && result->message.kind == RPC_ERROR) {
		if (exchange_error_code(result) == RPC_METHOD_NOT_FOUND && listing->pages == 0) {
			last_page(listing);
			return;
		}
		g_autofree char *text =
			json_string_dup(json_get(result->message.error.raw, "message"));
		fail_text(listing, text ? text : "it answered with an error");
	} else if (result->error) {
		give_up(listing, result->error);
	} else {
		take_page(listing, result);
	}
}

static void on_message(struct Exchange *exchange, const struct RpcMessage *message, void *user)
{
	(void)exchange;
	struct Listing *listing = user;
	upstream_take_message(listing->up, message);
}

static void next_page(struct Listing *listing)
{
	static const struct ExchangeHandlers handlers = {on_page, on_message};
	struct Upstream *up = listing->up;
	int64_t id = up->next_id++;
	g_autofree char *params =
		listing->cursor ? g_strdup_printf("\"cursor\":%s", listing->cursor) : g_strdup("");
	g_free(listing->body);
	listing->body = phrase_own_request(up, id, "tools/list", params);
	secret_unref(listing->token);
	listing->token = secret_ref(up->token);
	struct ExchangeSpec spec = upstream_exchange_spec(up, OWN_REQUEST_MS, OWN_REQUEST_MS);
	spec.id = id;
	spec.headers = phrase_headers(up, "tools/list");
	spec.body = slice_of(listing->body);
	spec.resumable = up->era == ERA_LEGACY;
	spec.repeatable = true;
	listing->exchange = exchange_start(&spec, &handlers, listing);
	http_headers_unref(spec.headers);
}

void upstream_tools_changed(struct Upstream *up)
{
	if (up->listing) {
		up->list_again = true;
		return;
	}
	if (up->relist.loop)
		return;
	int64_t since_ms = (g_get_monotonic_time() - up->fetched_us) / 1000;
	/* Notices that come long after the last fetch are heard at once. */
	if (since_ms >= 2 * (int64_t)MAX(up->list_pause_ms, (unsigned)RELIST_FIRST_MS)) {
		up->list_pause_ms = 0;
		upstream_start_listing(up);
		return;
	}
	up->list_pause_ms = up->list_pause_ms == 0 ? RELIST_FIRST_MS
						   : MIN(2 * up->list_pause_ms, RELIST_LAST_MS);
	loop_timer_start(up->shared.loop, &up->relist, up->list_pause_ms, on_relist, up);
}

void upstream_start_listing(struct Upstream *up)
{
	if (up->state != UPSTREAM_READY || up->shut_down)
		return;
	if (up->listing) {
		up->list_again = true;
		return;
	}
	loop_timer_stop(&up->relist);
	struct Listing *listing = g_new0(struct Listing, 1);
	listing->up = up;
	listing->list = tool_list_new();
	listing->number = ++up->lists_started;
	up->listing = listing;
	if (up->has_tools)
		next_page(listing);
	else
		last_page(listing);
}
