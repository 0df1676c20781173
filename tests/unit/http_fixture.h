/* What the tests of net/http share: a client against a scripted server, and what a request saw. */
#ifndef MCP_MUX_TESTS_HTTP_FIXTURE_H
#define MCP_MUX_TESTS_HTTP_FIXTURE_H

#include "net_loop_fixture.h"

#include "base/error.h"
#include "net/http.h"
#include "scripted_server.h"

enum { MIB = 1024 * 1024 };

struct Http {
	struct Fixture fixture;
	struct HttpClient *client;
	struct ScriptedServer server;
	bool serving;
};

/* One request and what its handlers were told. */
struct Call {
	struct Http *http;
	struct HttpRequest *request;
	unsigned heads, datas, dones;
	bool started; /* http_request_start has returned */
	int status;
	GString *body; /* as `done` found it, or consumed in `data` */
	bool consume;
	GError *error;
	bool was_sent;
	const char *want_header;
	char *header; /* its value, copied */
	void (*on_head)(struct Call *call);
	void (*on_data)(struct Call *call);
	void (*on_done)(struct Call *call);
	struct Call *other;
};

static inline void call_on_head(struct HttpRequest *request, void *user)
{
	struct Call *call = user;
	assert_true(call->started);
	assert_int_equal(call->heads + call->datas + call->dones, 0);
	call->heads++;
	call->status = http_request_status(request);
	if (call->want_header)
		call->header = g_strdup(http_request_header(request, call->want_header));
	if (call->on_head)
		call->on_head(call);
}

static inline void call_on_data(struct HttpRequest *request, void *user)
{
	struct Call *call = user;
	assert_int_equal(call->heads, 1);
	assert_int_equal(call->dones, 0);
	call->datas++;
	if (call->consume) {
		struct Buffer *body = http_request_body(request);
		g_string_append_len(call->body, body->data, (gssize)body->len);
		buffer_consume(body, body->len);
	}
	if (call->on_data)
		call->on_data(call);
}

static inline void call_on_done(struct HttpRequest *request, const GError *error, void *user)
{
	struct Call *call = user;
	assert_true(call->started);
	assert_int_equal(call->dones, 0);
	call->dones++;
	call->error = error ? g_error_copy(error) : NULL;
	call->was_sent = http_request_was_sent(request);
	assert_int_equal(http_request_status(request), call->status);
	struct Buffer *body = http_request_body(request);
	if (body->len > 0)
		g_string_append_len(call->body, body->data, (gssize)body->len);
	/* Ending it here is allowed and does nothing. */
	http_request_cancel(request);
	if (call->on_done)
		call->on_done(call);
	call->request = NULL;
}

static const struct HttpHandlers call_handlers = {call_on_head, call_on_data, call_on_done};

static inline void http_init(struct Http *http, Script *script, const struct HttpOptions *options)
{
	struct HttpOptions ordinary = {.max_connections = 64, .user_agent = "mcp-mux-test/1"};
	fixture_init(&http->fixture);
	http->client = http_client_new(http->fixture.loop, options ? options : &ordinary, NULL);
	assert_non_null(http->client);
	http->serving = script != NULL;
	if (script)
		scripted_server_init(&http->server, script);
}

static inline void http_release(struct Http *http)
{
	http_client_free(http->client);
	if (http->serving)
		scripted_server_release(&http->server);
	fixture_release(&http->fixture);
}

static inline void call_init(struct Call *call, struct Http *http)
{
	*call = (struct Call){.http = http, .body = g_string_new(NULL)};
}

static inline void call_release(struct Call *call)
{
	g_string_free(call->body, TRUE);
	g_clear_error(&call->error);
	g_free(call->header);
}

static inline void call_start_spec(struct Call *call, const struct HttpSpec *spec)
{
	call->started = false;
	call->request = http_request_start(call->http->client, spec, &call_handlers, call);
	call->started = true;
}

static inline void call_start_url(struct Call *call, const char *url)
{
	struct HttpSpec spec = {
		.method = HTTP_GET, .url = url, .connect_timeout_ms = 5000, .max_body = MIB};
	call_start_spec(call, &spec);
}

/* A GET of PATH from the scripted server. */
static inline void call_start(struct Call *call, const char *path)
{
	g_autofree char *url =
		g_strdup_printf("http://127.0.0.1:%u%s", call->http->server.port, path);
	call_start_url(call, url);
}

/* The same, done. */
static inline void call_run(struct Call *call, const char *path)
{
	call_start(call, path);
	turn_until(&call->http->fixture, call->dones, 1);
}

#define assert_failed(call, wanted_code, wanted_text)                                              \
	do {                                                                                       \
		assert_non_null((call)->error);                                                    \
		assert_int_equal((call)->error->domain, MUX_ERROR);                                \
		if (!strstr((call)->error->message, (wanted_text)))                                \
			fail_msg("\"%s\" lacks \"%s\"", (call)->error->message, (wanted_text));    \
		assert_int_equal((call)->error->code, (wanted_code));                              \
	} while (0)

#define assert_answered(call, wanted_status, wanted_body)                                          \
	do {                                                                                       \
		if ((call)->error)                                                                 \
			fail_msg("%s", (call)->error->message);                                    \
		assert_int_equal((call)->status, (wanted_status));                                 \
		assert_string_equal((call)->body->str, (wanted_body));                             \
	} while (0)

#endif
