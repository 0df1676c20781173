/* Requests of our own that are more than a list: resources/subscribe, logging/setLevel and their like. They are small,
 * harmless to repeat, and belong to the session in which they were sent. */
#include "upstream/internal.h"

struct OwnRequest {
	struct Upstream *up;
	struct Exchange *exchange;
	char *body;
	void (*done)(struct ExchangeResult *result, void *user);
	void *user;
};

static void own_request_free(struct OwnRequest *request)
{
	g_free(request->body);
	g_free(request);
}

static void on_done(struct Exchange *exchange, struct ExchangeResult *result, void *user)
{
	struct OwnRequest *request = user;
	(void)exchange;
	request->exchange = NULL;
	request->done(result, request->user);
	own_request_free(request);
}

static void on_message(struct Exchange *exchange, const struct RpcMessage *message, void *user)
{
	struct OwnRequest *request = user;
	(void)exchange;
	upstream_take_message(request->up, message);
}

struct Exchange *own_exchange_start(struct Upstream *up, int64_t id, const char *method,
	const char *body, const struct ExchangeHandlers *handlers, void *user)
{
	struct ExchangeSpec spec = upstream_exchange_spec(up, OWN_REQUEST_MS, OWN_REQUEST_MS);
	spec.id = id;
	spec.headers = phrase_headers(up, method);
	spec.body = slice_of(body);
	spec.resumable = up->era == ERA_LEGACY;
	spec.repeatable = true;
	struct Exchange *exchange = exchange_start(&spec, handlers, user);
	http_headers_unref(spec.headers);
	return exchange;
}

struct OwnRequest *own_request_start(struct Upstream *up, const char *method, const char *params,
	void (*done)(struct ExchangeResult *result, void *user), void *user)
{
	static const struct ExchangeHandlers handlers = {on_done, on_message};
	struct OwnRequest *request = g_new0(struct OwnRequest, 1);
	int64_t id = up->next_id++;
	request->up = up;
	request->done = done;
	request->user = user;
	request->body = phrase_own_request(up, id, method, params);
	request->exchange = own_exchange_start(up, id, method, request->body, &handlers, request);
	return request;
}

void own_request_cancel(struct OwnRequest *request)
{
	if (!request)
		return;
	exchange_cancel(request->exchange);
	own_request_free(request);
}
