/* Requests for which there is no room.
 *
 * Answers, cancellations and other notices share stdin with requests, and requests wait for them: so
 * reading goes on when too many bytes of requests are unanswered (twice max_message), or when the IDE
 * does not read its answers. The requests that come meanwhile are kept here as they are, in order, and
 * handled when there is room. Only when twice max_message is parked besides does reading stop. */
#include "mux/internal.h"

enum { LOOK_AGAIN_MS = 10 };

struct Parked {
	GList link;
	char *text;
	size_t len;
	char *key; /* of its id; NULL for a batch */
};

static void parked_free(struct Router *router, struct Parked *parked)
{
	g_queue_unlink(&router->parked, &parked->link);
	router->parked_bytes -= parked->len;
	g_free(parked->text);
	g_free(parked->key);
	g_free(parked);
}

/* The queue's own word comes at the end of a turn, in which a thousand requests can be read: so what waits
 * there is looked at as well. */
static bool is_full(const struct Router *router)
{
	return router->high || router->output_high ||
	       out_queue_pending(router->out) > router->options.output_bytes;
}

bool parking_is_due(const struct Router *router)
{
	return is_full(router) || router->parked.head;
}

/* Tells the owner when to stop reading and when to go on. */
static void tell_owner(struct Router *router)
{
	size_t limit = 2 * router->config->mux.max_message;
	bool hold = router->parked_bytes > (router->holding ? limit / 2 : limit);
	if (hold == router->holding || router->shut_down)
		return;
	router->holding = hold;
	router->options.pressure(hold, router->options.user);
}

static void on_unpark(void *user)
{
	struct Router *router = user;
	while (router->parked.head && !is_full(router) && !router->shut_down) {
		struct Parked *parked = router->parked.head->data;
		g_autofree char *text = g_steal_pointer(&parked->text);
		size_t len = parked->len;
		parked_free(router, parked);
		router_message(router, (struct Slice){text, len}, NULL);
	}
	tell_owner(router);
	/* The queue may empty below its mark without a word, if it never told that it was above. */
	if (router->parked.head && !router->high && !router->output_high && !router->unpark.loop &&
		!router->shut_down)
		loop_timer_start(router->loop, &router->unpark, LOOK_AGAIN_MS, on_unpark, router);
}

void parking_check(struct Router *router)
{
	if (router->parked.head && !is_full(router) && !router->unpark.loop && !router->shut_down)
		loop_timer_start(router->loop, &router->unpark, 0, on_unpark, router);
}

bool parking_take(struct Router *router, const struct RpcMessage *message)
{
	if (message->kind != RPC_REQUEST && message->kind != RPC_BATCH)
		return false;
	struct Parked *parked = g_new0(struct Parked, 1);
	parked->text = slice_dup(message->text);
	parked->len = message->text.len;
	if (message->kind == RPC_REQUEST)
		parked->key = request_key(message->id);
	parked->link.data = parked;
	g_queue_push_tail_link(&router->parked, &parked->link);
	router->parked_bytes += parked->len;
	tell_owner(router);
	if (!router->unpark.loop)
		loop_timer_start(router->loop, &router->unpark, LOOK_AGAIN_MS, on_unpark, router);
	return true;
}

bool parking_cancel(struct Router *router, struct JsonValue id)
{
	g_autofree char *key = request_key(id);
	for (GList *link = router->parked.head; link; link = link->next) {
		struct Parked *parked = link->data;
		if (g_strcmp0(parked->key, key) != 0)
			continue;
		parked_free(router, parked);
		tell_owner(router);
		return true;
	}
	return false;
}

void parking_release(struct Router *router)
{
	loop_timer_stop(&router->unpark);
	while (router->parked.head)
		parked_free(router, router->parked.head->data);
}
