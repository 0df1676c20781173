/* Requests: from the caller to libcurl and back.
 *
 * libcurl's callbacks append to the request's buffer, set flags and put the request into the
 * list of those with news; they call nobody. The loop's first hook, at the end of every turn,
 * gives libcurl the time it asked for, collects finished transfers and then tells the handlers,
 * until there is no more news. So handlers run outside of libcurl and may start, cancel and end
 * anything: a request is freed at once, or, while one of its own handlers runs, when that
 * returns.
 *
 * A request owns its body buffer, bounded by max_body, and a reference to its headers; the bytes
 * of a posted body stay the caller's. Trusts nothing in an answer: headers are bounded in all,
 * interim answers and those of a proxy do not count as the answer, and an announced length only
 * sizes the buffer (untouched pages cost nothing). */
#include "net/http_internal.h"

enum {
	LINGERING_MAX = 8, /* answers whose stream has not ended; each keeps a connection */
	JOINED_FIELDS_MAX = 64, /* of one name; libcurl goes through all headers for each */
	ROUNDS = 16, /* of work in one turn before descriptors get their chance */
	BODY_KEEP_BYTES = 256 * 1024, /* a consumed buffer larger than this is given back */
	HANDLE_KEEP_HEADER_BYTES = 16 * 1024, /* a handle that holds more headers is not reused */
};

/* ---- from libcurl ---- */

static void add_news(struct HttpRequest *request)
{
	if (request->queued)
		return;
	struct HttpClient *client = request->client;
	request->queued = true;
	request->next_news = NULL;
	if (client->last_news)
		client->last_news->next_news = request;
	else
		client->news = request;
	client->last_news = request;
	client->news_count++;
}

void http_on_timer(void *user)
{
	struct HttpClient *client = user;
	client->timer_due = true;
}

int http_on_before_request(void *user, char *remote, char *local, int remote_port, int local_port)
{
	(void)remote;
	(void)local;
	(void)remote_port;
	(void)local_port;
	struct HttpHandle *handle = user;
	struct HttpRequest *request = handle->request;
	/* libcurl comes here again when a kept connection broke under the request. */
	if (request->sent && request->once) {
		request->failure = HTTP_FAILURE_TWICE;
		return CURL_PREREQFUNC_ABORT;
	}
	request->sent = true;
	return CURL_PREREQFUNC_OK;
}

size_t http_on_header(char *bytes, size_t size, size_t count, void *user)
{
	struct HttpHandle *handle = user;
	struct HttpRequest *request = handle->request;
	size_t len = size * count;
	request->header_bytes += len;
	if (request->header_bytes > HTTP_HEADERS_MAX_BYTES) {
		request->failure = HTTP_FAILURE_HEADERS;
		return 0;
	}
	/* The empty line ends the headers. */
	if (len == 0 || (bytes[0] != '\r' && bytes[0] != '\n') || request->head_ready)
		return len;
	long status = 0;
	curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200) {
		request->head_ready = true;
		add_news(request);
	}
	return len;
}

/* Sizes the buffer when the first bytes come. An announced length over the limit ends the request
 * here, unless it is a stream, which is consumed as it comes. */
static bool size_body(struct HttpRequest *request)
{
	curl_off_t announced = -1;
	curl_easy_getinfo(request->handle->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	if (announced <= 0)
		return true;
	if ((uint64_t)announced <= request->body.max)
		return buffer_reserve(&request->body, (size_t)announced);
	const char *type = http_request_header(request, "content-type");
	return type && g_ascii_strncasecmp(type, "text/event-stream", 17) == 0;
}

size_t http_on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct HttpHandle *handle = user;
	struct HttpRequest *request = handle->request;
	size_t len = size * count;
	if (request->client->held) {
		request->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	bool fits = request->data_seen || size_body(request);
	request->data_seen = true;
	if (fits && buffer_append(&request->body, bytes, len)) {
		request->data_ready = true;
		add_news(request);
		return len;
	}
	/* More than fits came in one go, and the handler has not seen it yet: it may consume
	 * some. */
	if (fits && request->data_ready && request->handlers.data) {
		request->paused = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	request->failure = HTTP_FAILURE_BODY;
	return 0;
}

/* ---- to the handlers ---- */

static void leave_multi(struct HttpRequest *request)
{
	struct HttpHandle *handle = request->handle;
	if (!handle || !request->in_multi)
		return;
	request->in_multi = false;
	curl_multi_remove_handle(request->client->multi, handle->easy);
}

/* Lets a paused transfer go on. libcurl hands over what it kept meanwhile before this returns,
 * and if that fails it leaves the transfer as it is, with a hole in it: it is ended here. */
static void resume(struct HttpRequest *request)
{
	if (!request->paused || !request->in_multi || request->client->held)
		return;
	request->paused = false;
	CURLcode result = curl_easy_pause(request->handle->easy, CURLPAUSE_CONT);
	if (result == CURLE_OK)
		return;
	request->result = result;
	request->finished = true;
	leave_multi(request);
	add_news(request);
}

/* Frees a request that is in no handler. */
static void free_request(struct HttpRequest *request)
{
	struct HttpClient *client = request->client;
	loop_timer_stop(&request->linger);
	if (request->lingering.data)
		g_queue_unlink(&client->lingering, &request->lingering);
	leave_multi(request);
	if (request->handle)
		http_setup_recycle(
			client, request->handle, request->header_bytes <= HANDLE_KEEP_HEADER_BYTES);
	if (request->previous)
		request->previous->next = request->next;
	else
		client->requests = request->next;
	if (request->next)
		request->next->previous = request->previous;
	http_headers_unref(request->headers);
	buffer_release(&request->body);
	g_free(request);
}

static void remove_news(struct HttpRequest *request)
{
	if (!request->queued)
		return;
	request->queued = false;
	struct HttpClient *client = request->client;
	client->news_count--;
	struct HttpRequest *before = NULL;
	struct HttpRequest *each = client->news;
	for (; each != request; each = each->next_news)
		before = each;
	if (before)
		before->next_news = request->next_news;
	else
		client->news = request->next_news;
	if (client->last_news == request)
		client->last_news = before;
}

static void tell_head(struct HttpRequest *request)
{
	if (!request->head_ready || request->head_told)
		return;
	request->head_told = true;
	if (request->handlers.head)
		request->handlers.head(request, request->user);
}

static void tell_data(struct HttpRequest *request)
{
	if (request->ended || !request->data_ready)
		return;
	request->data_ready = false;
	if (!request->handlers.data)
		return;
	request->handlers.data(request, request->user);
	if (request->body.len == 0 && request->body.cap > BODY_KEEP_BYTES)
		buffer_release(&request->body);
	resume(request); /* if there was no room */
}

static void tell_done(struct HttpRequest *request)
{
	/* Handing over what was paused can bring more news, which come first. */
	if (request->ended || !request->finished || request->queued)
		return;
	request->ended = true;
	g_autoptr(GError) error = http_error_new(request);
	request->handlers.done(request, error, request->user);
}

static void tell(struct HttpRequest *request)
{
	request->in_handler = true;
	tell_head(request);
	tell_data(request);
	tell_done(request);
	request->in_handler = false;
	if (request->ended)
		free_request(request);
}

static void collect_finished(struct HttpClient *client)
{
	CURLMsg *message;
	int left;
	while ((message = curl_multi_info_read(client->multi, &left))) {
		if (message->msg != CURLMSG_DONE)
			continue;
		CURLcode result = message->data.result;
		struct HttpHandle *handle = NULL;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&handle);
		struct HttpRequest *request = handle->request;
		request->result = result;
		request->finished = true;
		leave_multi(request);
		add_news(request);
	}
}

/* Does all there is to do, ROUNDS times at most; false if there is more. */
static bool work(struct HttpClient *client)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		if (client->timer_due) {
			int running;
			client->timer_due = false;
			curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
		}
		if (client->multi)
			collect_finished(client);
		if (!client->news && !client->timer_due)
			return true;
		/* Those that come in while handlers run wait for the next round. */
		for (size_t left = client->news_count; left > 0 && client->news; left--) {
			struct HttpRequest *request = client->news;
			remove_news(request);
			tell(request);
		}
	}
	return false;
}

static void on_again(void *user)
{
	(void)user; /* the hook follows */
}

static void on_turn_end(void *user)
{
	struct HttpClient *client = user;
	if (!work(client))
		loop_timer_start(client->loop, &client->again, 0, on_again, client);
}

/* ---- from the caller ---- */

static bool are_usable(const struct HttpOptions *options, GError **error)
{
	return !options->ca_file || !*options->ca_file ||
	       http_check_ca_file(options->ca_file, error);
}

struct HttpClient *http_client_new(
	struct Loop *loop, const struct HttpOptions *options, GError **error)
{
	if (!are_usable(options, error))
		return NULL;
	struct HttpClient *client = g_new0(struct HttpClient, 1);
	client->loop = loop;
	http_setup_options(client, options);
	loop_set_hook(loop, LOOP_STAGE_TRANSFERS, on_turn_end, client);
	return client;
}

bool http_client_reconfigure(
	struct HttpClient *client, const struct HttpOptions *options, GError **error)
{
	if (!are_usable(options, error))
		return false;
	http_setup_options(client, options);
	return true;
}

void http_client_free(struct HttpClient *client)
{
	if (!client)
		return;
	while (client->requests) {
		g_assert(!client->requests->in_handler);
		http_request_cancel(client->requests);
	}
	loop_set_hook(client->loop, LOOP_STAGE_TRANSFERS, NULL, NULL);
	loop_timer_stop(&client->again);
	http_setup_stop(client);
	g_free(client->ca_file);
	g_free(client->proxy);
	g_free(client->user_agent);
	g_free(client);
}

void http_client_hold(struct HttpClient *client, bool hold)
{
	if (client->held == hold)
		return;
	client->held = hold;
	if (hold)
		return;
	for (struct HttpRequest *request = client->requests; request; request = request->next)
		resume(request);
	loop_poke(client->loop);
}

bool http_client_is_held(const struct HttpClient *client)
{
	return client->held;
}

struct HttpRequest *http_request_start(struct HttpClient *client, const struct HttpSpec *spec,
	const struct HttpHandlers *handlers, void *user)
{
	struct HttpRequest *request = g_new0(struct HttpRequest, 1);
	request->client = client;
	request->handlers = *handlers;
	request->user = user;
	request->body_bytes = spec->body.len;
	request->once = spec->once;
	buffer_init(&request->body, spec->max_body);
	request->headers = spec->headers ? http_headers_ref(spec->headers) : NULL;
	request->next = client->requests;
	if (request->next)
		request->next->previous = request;
	client->requests = request;
	if (http_setup_start(client))
		request->handle = http_setup_handle(client, spec, request->headers);
	if (request->handle) {
		request->handle->request = request;
		request->in_multi =
			curl_multi_add_handle(client->multi, request->handle->easy) == CURLM_OK;
	}
	if (!request->in_multi) {
		request->failure = HTTP_FAILURE_START;
		request->finished = true;
		add_news(request);
	}
	/* libcurl asked for its time, which the hook gives it. */
	loop_poke(client->loop);
	return request;
}

void http_request_cancel(struct HttpRequest *request)
{
	if (!request || request->ended)
		return;
	request->ended = true;
	remove_news(request);
	leave_multi(request);
	/* Dropping a transfer can change libcurl's timer and connections. */
	loop_poke(request->client->loop);
	if (!request->in_handler)
		free_request(request);
}

static void on_drain(struct HttpRequest *request, void *user)
{
	(void)user;
	buffer_consume(&request->body, request->body.len);
}

static void on_drained(struct HttpRequest *request, const GError *error, void *user)
{
	(void)request;
	(void)error;
	(void)user;
}

static void on_linger(void *user)
{
	http_request_cancel(user);
}

void http_request_release(struct HttpRequest *request, unsigned linger_ms)
{
	static const struct HttpHandlers drain = {NULL, on_drain, on_drained};
	if (!request || request->ended)
		return;
	curl_off_t uploaded = 0;
	if (request->handle)
		curl_easy_getinfo(request->handle->easy, CURLINFO_SIZE_UPLOAD_T, &uploaded);
	/* What is still being posted is the caller's and may go away now. */
	if ((size_t)uploaded < request->body_bytes) {
		http_request_cancel(request);
		return;
	}
	request->handlers = drain;
	on_drain(request, NULL);
	struct HttpClient *client = request->client;
	if (client->lingering.length >= LINGERING_MAX)
		http_request_cancel(client->lingering.head->data);
	request->lingering.data = request;
	g_queue_push_tail_link(&client->lingering, &request->lingering);
	loop_timer_start(client->loop, &request->linger, linger_ms, on_linger, request);
}

int http_request_status(const struct HttpRequest *request)
{
	long status = 0;
	if (request->head_ready)
		curl_easy_getinfo(request->handle->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

/* The value of one of the final answer's fields of that name; *AMOUNT gets their number. NULL if there is none. */
static const char *field(
	struct HttpRequest *request, const char *name, size_t index, size_t *amount)
{
	struct curl_header *header;
	if (!request->handle || curl_easy_header(request->handle->easy, name, index, CURLH_HEADER,
					-1, &header) != CURLHE_OK)
		return NULL;
	*amount = header->amount;
	/* libcurl 7.88 leaves the end of the line in an empty value. */
	return strcmp(header->value, "\r") == 0 ? "" : header->value;
}

const char *http_request_header(struct HttpRequest *request, const char *name)
{
	size_t amount = 0;
	const char *value = field(request, name, 0, &amount);
	return amount > 1 ? field(request, name, amount - 1, &amount) : value;
}

char *http_request_header_all(struct HttpRequest *request, const char *name)
{
	size_t amount = 0;
	const char *value = field(request, name, 0, &amount);
	if (!value)
		return NULL;
	GString *all = g_string_new(value);
	for (size_t i = 1; i < MIN(amount, JOINED_FIELDS_MAX); i++)
		g_string_append_printf(all, ", %s", field(request, name, i, &amount));
	return g_string_free(all, FALSE);
}

struct Buffer *http_request_body(struct HttpRequest *request)
{
	return &request->body;
}

bool http_request_was_sent(const struct HttpRequest *request)
{
	return request->sent;
}
