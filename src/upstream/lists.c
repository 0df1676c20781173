/* A server's lists: tools, prompts, resources, resource templates. One engine for all of them: page after page into one
 * list, fetched again when the server says that it changed.
 *
 * Trusts nothing in a page beyond what format/tool.c and format/item.c checked; the number of pages and their bytes
 * together are limited. Owns the lists and the fetches under way, one for each kind at most. A fetch that fails keeps the
 * list there was and is repeated with growing pauses. Tools are always wanted, the others from upstream_want on. A list
 * that the server does not offer is empty, without a request. One that was recalled from the cache is like one that was
 * fetched, long ago: the next fetch comes when it opens, or is wanted. */
#include "upstream/internal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "format/json_writer.h"

enum { KEY_SHOWN_BYTES = 200 };

struct Listing {
	struct Upstream *up;
	struct List *list; /* of UP */
	struct ToolList *tools; /* what is gathered: of MCP_TOOLS */
	struct ItemList *items; /* of the others */
	struct Exchange *exchange;
	struct LoopTimer nothing; /* to fetch: it ends in the loop all the same */
	char *body;
	struct Secret *token; /* that the page was asked for with */
	char *cursor; /* raw string of the page under way, NULL for the first */
	unsigned pages;
	unsigned skipped;
	size_t bytes;
	unsigned number;
};

/* By enum McpList. */
static const struct Kind {
	const char *name; /* of one, for people */
	enum UpstreamOffer offer, tells;
} kinds[MCP_LISTS] = {
	[MCP_TOOLS] = {"tool", UPSTREAM_TOOLS, UPSTREAM_TELLS_TOOLS},
	[MCP_PROMPTS] = {"prompt", UPSTREAM_PROMPTS, UPSTREAM_TELLS_PROMPTS},
	[MCP_RESOURCES] = {"resource", UPSTREAM_RESOURCES, UPSTREAM_TELLS_RESOURCES},
	[MCP_TEMPLATES] = {"resource template", UPSTREAM_RESOURCES, UPSTREAM_TELLS_RESOURCES},
};

static void next_page(struct Listing *listing);

static enum McpList kind_of(const struct List *list)
{
	return (enum McpList)(list - list->up->lists);
}

static void listing_free(struct Listing *listing)
{
	if (!listing)
		return;
	exchange_cancel(listing->exchange);
	loop_timer_stop(&listing->nothing);
	tool_list_unref(listing->tools);
	item_list_unref(listing->items);
	secret_unref(listing->token);
	g_free(listing->body);
	g_free(listing->cursor);
	g_free(listing);
}

/* Another list than before is in place. */
static void tell(struct List *list)
{
	struct Upstream *up = list->up;
	if (kind_of(list) == MCP_TOOLS)
		up->handlers.tools(up, up->user);
	else if (up->handlers.items)
		up->handlers.items(up, kind_of(list), up->user);
}

static void start(struct List *list);

static void on_relist(void *user)
{
	start(user);
}

/* The fetching ended, well or not. */
static void settle(struct List *list, const GError *error)
{
	struct Upstream *up = list->up;
	g_clear_error(&list->error);
	if (error) {
		list->error = g_error_copy(error);
		g_prefix_error(
			&list->error, "its %ss could not be fetched: ", kinds[kind_of(list)].name);
		log_warning(up->connector->name, "%s", list->error->message);
		loop_timer_start(up->shared.loop, &list->relist, upstream_backoff(&list->relist_ms),
			on_relist, list);
	} else {
		list->relist_ms = 0;
		list->reauthorized = false;
	}
	list->renewed = false;
	list->recalled = false;
	list->listed = true;
}

static void warn_of(const struct List *list, const char *key, const char *invalid)
{
	if (!invalid)
		return;
	g_autofree char *shown = text_printable(slice_of(key), KEY_SHOWN_BYTES);
	log_warning(list->up->connector->name, "%s %s is left out: %s", kinds[kind_of(list)].name,
		shown, invalid);
}

/* Puts TOOLS in place; false if they are the same as before. */
static bool replace_tools(struct List *list, struct ToolList *tools, enum Era era)
{
	/* In another era the same text means other headers. */
	if (list->tools && list->era == era && tool_list_equal(list->tools, tools))
		return false;
	list->era = era;
	tool_list_unref(list->tools);
	list->tools = tool_list_ref(tools);
	g_hash_table_remove_all(list->up->call_headers);
	for (guint i = 0; i < tools->tools->len; i++) {
		const struct Tool *tool = tools->tools->pdata[i];
		warn_of(list, tool->name, tool->invalid);
	}
	return true;
}

static bool replace_items(struct List *list, struct ItemList *items)
{
	if (list->items && item_list_equal(list->items, items))
		return false;
	item_list_unref(list->items);
	list->items = item_list_ref(items);
	for (guint i = 0; i < items->items->len; i++) {
		const struct Item *item = items->items->pdata[i];
		warn_of(list, item->key, item->invalid);
	}
	return true;
}

/* A fetch is over, and LISTING with it; *AGAIN: a change was announced meanwhile. Returns its number. */
static unsigned drop(struct Listing *listing, bool *again)
{
	struct List *list = listing->list;
	unsigned number = listing->number;
	*again = list->again;
	list->again = false;
	list->listing = NULL;
	listing_free(listing);
	return number;
}

/* Tells whoever waits for the fetch of that number. */
static void tell_end(struct List *list, unsigned number)
{
	struct Upstream *up = list->up;
	up->handlers.state(up, up->user);
	if (kind_of(list) == MCP_TOOLS)
		upstream_calls_listed(up, number);
}

/* Whether it is of the sign-in that there is now, as far as is known. */
static bool is_own(const struct List *list)
{
	const struct Upstream *up = list->up;
	return !up->credential || !up->grant || g_strcmp0(list->grant, up->grant) == 0;
}

static void forget(struct List *list)
{
	if (!list->tools && !list->items)
		return;
	g_clear_pointer(&list->tools, tool_list_unref);
	g_clear_pointer(&list->items, item_list_unref);
	list->fresh_until_us = 0;
	list->recalled = false;
	tell(list);
}

static void give_up(struct Listing *listing, const GError *error)
{
	struct List *list = listing->list;
	bool again;
	settle(list, error);
	unsigned number = drop(listing, &again); /* it is repeated in any case */
	if (!is_own(list))
		forget(list);
	tell_end(list, number);
}

static void fail_text(struct Listing *listing, const char *text)
{
	g_autoptr(GError) error = g_error_new_literal(MUX_ERROR, MUX_ERROR_UPSTREAM, text);
	give_up(listing, error);
}

static void last_page(struct Listing *listing)
{
	struct List *list = listing->list;
	struct Upstream *up = listing->up;
	if (listing->skipped > 0)
		log_warning(up->connector->name,
			"left out: %u of its %ss, without a %s or with that of another",
			listing->skipped, kinds[kind_of(list)].name, mcp_lists[kind_of(list)].key);
	bool changed = listing->tools ? replace_tools(list, listing->tools, up->era)
				      : replace_items(list, listing->items);
	int64_t ttl_ms = listing->tools ? listing->tools->ttl_ms : listing->items->ttl_ms;
	g_free(list->grant);
	list->grant = up->credential ? g_strdup(up->grant) : NULL;
	list->fetched_us = g_get_monotonic_time();
	list->fresh_until_us = ttl_ms > 0 ? list->fetched_us + MIN(ttl_ms, G_MAXINT) * 1000 : 0;
	settle(list, NULL);
	bool again;
	unsigned number = drop(listing, &again);
	if (changed)
		tell(list);
	if (changed || (up->reopened && kind_of(list) == MCP_TOOLS)) {
		up->reopened = false;
		upstream_keep_soon(up);
	}
	tell_end(list, number);
	if (again)
		upstream_list_changed(up, kind_of(list));
}

static bool add_page(struct Listing *listing, GBytes *page, struct Slice result,
	struct Slice *cursor, GError **error)
{
	if (listing->tools)
		return tool_list_add_page(listing->tools, page, result,
			listing->up->era == ERA_MODERN, cursor, &listing->skipped, error);
	return item_list_add_page(listing->items, page, result, cursor, &listing->skipped, error);
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
	} else if (++listing->pages > LIST_PAGES_MAX) {
		fail_text(listing, "it has no last page");
	} else if (!add_page(listing, page, result->message.result.raw, &cursor, &error)) {
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

/* Whether the fetch ends here because the token or the session has to be another one; sees to that. */
static bool begins_anew(struct Listing *listing, const struct ExchangeResult *result)
{
	struct Upstream *up = listing->up;
	struct List *list = listing->list;
	if (result->status == 401 && listing->token && !list->reauthorized) {
		list->reauthorized = true;
		list->listed = false;
		list->listing = NULL;
		upstream_refused(up, listing->token, result->challenge);
		listing_free(listing);
		return true;
	}
	if (up->session && exchange_lost_session(result) && !list->renewed &&
		exchange_error_code(result) != RPC_METHOD_NOT_FOUND) {
		/* A page that is refused in the new session too is an error. */
		list->renewed = true;
		upstream_renew(up, up->generation);
		return true;
	}
	return false;
}

static void on_page(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	(void)exchange;
	struct Listing *listing = user;
	listing->exchange = NULL;
	if (begins_anew(listing, result))
		return;
	g_autoptr(GError) scope = result->status == 403
					  ? upstream_insufficient(listing->up, result->challenge)
					  : NULL;
	if (scope) {
		give_up(listing, scope);
	} else if (exchange_error_code(result) == RPC_METHOD_NOT_FOUND && listing->pages == 0) {
		last_page(listing); /* some servers have a capability, but not all of its methods */
	} else if (result->has_message && result->message.kind == RPC_ERROR) {
		g_autoptr(GError) said = upstream_said(result->message.error.raw);
		give_up(listing, said);
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
	const char *method = mcp_lists[kind_of(listing->list)].method;
	int64_t id = up->next_id++;
	g_autofree char *params =
		listing->cursor ? g_strdup_printf("\"cursor\":%s", listing->cursor) : g_strdup("");
	g_free(listing->body);
	listing->body = phrase_own_request(up, id, method, params);
	secret_unref(listing->token);
	listing->token = secret_ref(up->token);
	listing->exchange = own_exchange_start(up, id, method, listing->body, &handlers, listing);
}

static void on_nothing(void *user)
{
	last_page(user);
}

static void start(struct List *list)
{
	struct Upstream *up = list->up;
	enum McpList kind = kind_of(list);
	if (up->state != UPSTREAM_READY || up->shut_down || !list->wanted)
		return;
	if (list->listing) {
		list->again = true;
		return;
	}
	loop_timer_stop(&list->relist);
	struct Listing *listing = g_new0(struct Listing, 1);
	listing->up = up;
	listing->list = list;
	if (kind == MCP_TOOLS)
		listing->tools = tool_list_new();
	else
		listing->items = item_list_new(kind);
	listing->number = ++list->started;
	list->listing = listing;
	bool is_read = !up->unread || up->era == ERA_MODERN;
	if (is_read && (up->offers & kinds[kind].offer))
		next_page(listing);
	else
		loop_timer_start(up->shared.loop, &listing->nothing, 0, on_nothing, listing);
}

/* ---- for the other files of this folder ---- */

void upstream_init_lists(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++)
		up->lists[kind].up = up;
	up->lists[MCP_TOOLS].wanted = true;
}

void upstream_release_lists(struct Upstream *up)
{
	upstream_stop_lists(up);
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		tool_list_unref(up->lists[kind].tools);
		item_list_unref(up->lists[kind].items);
		g_free(up->lists[kind].grant);
		g_clear_error(&up->lists[kind].error);
	}
}

void upstream_unsettle_lists(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++)
		up->lists[kind].listed = false;
}

void upstream_start_lists(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		up->lists[kind].reauthorized = false;
		start(&up->lists[kind]);
	}
}

void upstream_stop_lists(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		struct List *list = &up->lists[kind];
		loop_timer_stop(&list->relist);
		listing_free(g_steal_pointer(&list->listing));
		list->again = false;
	}
}

void upstream_resume_lists(struct Upstream *up, const GError *error)
{
	bool failed = false;
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		struct List *list = &up->lists[kind];
		if (!list->wanted || list->listed || list->listing)
			continue;
		if (!error) {
			start(list);
			continue;
		}
		list->reauthorized = false;
		settle(list, error);
		failed = true;
	}
	if (failed)
		up->handlers.state(up, up->user);
}

void upstream_forget_lists(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++)
		forget(&up->lists[kind]);
}

void upstream_disown_lists(struct Upstream *up, bool all)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		struct List *list = &up->lists[kind];
		if (!is_own(list) && (all || !list->wanted))
			forget(list);
	}
}

void upstream_take_recalled(struct Upstream *up, const struct ListRecord *record)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		struct List *list = &up->lists[kind];
		if (kind == MCP_TOOLS && record->tools)
			list->recalled = replace_tools(list, record->tools, up->spoken);
		else if (kind != MCP_TOOLS && record->items[kind])
			list->recalled = replace_items(list, record->items[kind]);
		g_free(list->grant);
		list->grant = up->credential ? g_strdup(record->grant) : NULL;
	}
}

bool upstream_has_lists(const struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		if (up->lists[kind].tools || up->lists[kind].items)
			return true;
	}
	return false;
}

/* Between two fetches: the same for the first few that follow each other closely, then it doubles. */
static unsigned pause_of(const struct List *list)
{
	unsigned pause_ms = RELIST_FIRST_MS;
	for (unsigned i = RELIST_HURRIED; i < list->hurried && pause_ms < RELIST_LAST_MS; i++)
		pause_ms *= 2;
	return MIN(pause_ms, (unsigned)RELIST_LAST_MS);
}

void upstream_list_changed(struct Upstream *up, enum McpList kind)
{
	struct List *list = &up->lists[kind];
	if (!list->wanted) {
		tell(list);
		return;
	}
	if (list->listing) {
		list->again = true;
		return;
	}
	if (list->relist.loop)
		return;
	int64_t since_ms = (g_get_monotonic_time() - list->fetched_us) / 1000;
	/* Notices that come long after the last fetch are heard at once. */
	if (since_ms >= 2 * (int64_t)pause_of(list)) {
		list->hurried = 0;
		start(list);
		return;
	}
	list->hurried++;
	int64_t left_ms = (int64_t)pause_of(list) - since_ms;
	loop_timer_start(
		up->shared.loop, &list->relist, (unsigned)MAX(left_ms, 0), on_relist, list);
}

enum UpstreamOffer upstream_telling(enum McpList kind)
{
	return kinds[kind].tells;
}

void upstream_lists_missed(struct Upstream *up)
{
	for (int kind = 0; kind < MCP_LISTS; kind++) {
		if (up->lists[kind].wanted && (up->tells & kinds[kind].tells))
			upstream_list_changed(up, (enum McpList)kind);
	}
}

unsigned upstream_list_tools_anew(struct Upstream *up)
{
	struct List *list = &up->lists[MCP_TOOLS];
	start(list);
	return list->started + (list->again ? 1 : 0);
}

/* ---- for the owner ---- */

struct ToolList *upstream_tools(const struct Upstream *up)
{
	return up->lists[MCP_TOOLS].tools;
}

struct ItemList *upstream_items(const struct Upstream *up, enum McpList kind)
{
	return up->lists[kind].items;
}

void upstream_want(struct Upstream *up, enum McpList kind)
{
	struct List *list = &up->lists[kind];
	if (list->wanted)
		return;
	list->wanted = true;
	start(list);
}

/* Of any of the lists: it is wanted, and was fetched or failed since the upstream opened; or nothing will come soon. */
static bool is_heard(const struct Upstream *up, enum McpList kind)
{
	const struct List *list = &up->lists[kind];
	switch (up->state) {
	case UPSTREAM_SIGNED_OUT:
	case UPSTREAM_FAILED:
		return true;
	case UPSTREAM_READY:
		return list->wanted && list->listed;
	case UPSTREAM_CLOSED:
	case UPSTREAM_OPENING:
		break;
	}
	return false;
}

bool upstream_is_listed(const struct Upstream *up, enum McpList kind)
{
	return up->lists[kind].recalled || is_heard(up, kind);
}

bool upstream_is_settled(const struct Upstream *up)
{
	return is_heard(up, MCP_TOOLS);
}

int64_t upstream_fresh_ms(const struct Upstream *up, enum McpList kind)
{
	return MAX(0, (up->lists[kind].fresh_until_us - g_get_monotonic_time()) / 1000);
}

void upstream_refresh_stale(struct Upstream *up, enum McpList kind)
{
	const struct List *list = &up->lists[kind];
	int64_t now = g_get_monotonic_time();
	bool offered = up->offers & kinds[kind].offer;
	bool told = up->tells & kinds[kind].tells;
	if (offered && !told && list->listed && now >= list->fresh_until_us &&
		now - list->fetched_us >= (int64_t)REFETCH_AFTER_MS * 1000)
		upstream_refresh(up, kind);
}

void upstream_refresh(struct Upstream *up, enum McpList kind)
{
	if (!up->lists[kind].listing)
		start(&up->lists[kind]);
}
