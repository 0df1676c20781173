/* A fetch owns one HTTP request at a time: the first, then one for each redirect that it follows. One timer
 * bounds all of them, and tells of a URL that is refused before any request.
 *
 * Trusts nothing in an answer. A redirect is followed only by GET, to the very origin of the URL that was
 * asked for, and so never from https to http or into another network. A POST is never repeated at another
 * place: what it carries was meant for one.
 *
 * The answer may hold tokens. Its buffer gets its whole size before a byte comes (pages that are not touched cost
 * nothing), so that growing leaves no copies behind, and is wiped when the fetch has ended in whatever way. */
#include "auth/fetch.h"

#include "base/error.h"
#include "base/text.h"
#include "format/url.h"

enum {
	LINGER_MS = 2000, /* for the rest of an answer of which the head was enough */
	SHOWN_BYTES = 200, /* of a peer's URL in a message */
};

struct Fetch {
	const struct AuthShared *shared;
	enum HttpMethod method;
	char *url; /* of the request under way */
	struct HttpHeaders *headers;
	struct Secret *body;
	bool once, head_only;
	size_t max_body;
	struct HttpRequest *http; /* NULL: none is under way */
	struct LoopTimer timer;
	unsigned redirects; /* that were followed */
	FetchDone *done;
	void *user;
	bool ended; /* DONE is being called */
};

static void wipe_body(struct HttpRequest *http)
{
	struct Buffer *body = http_request_body(http);
	if (body->len > 0)
		secret_wipe(body->data, body->len);
}

/* The last step of every fetch. The request, if there was one, is the caller's to end. */
static void finish(struct Fetch *fetch, const struct FetchResult *result)
{
	loop_timer_stop(&fetch->timer);
	fetch->ended = true;
	fetch->done(result, fetch->user);
	http_headers_unref(fetch->headers);
	secret_unref(fetch->body);
	g_free(fetch->url);
	g_free(fetch);
}

static void fail(struct Fetch *fetch, bool was_sent, const GError *error)
{
	const struct FetchResult result = {.was_sent = was_sent, .error = error};
	finish(fetch, &result);
}

static void fail_redirect(struct Fetch *fetch, const char *what, const char *target)
{
	g_autofree char *shown = text_printable(slice_of(target), SHOWN_BYTES);
	g_autoptr(GError) error = g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM, "%s%s", what, shown);
	fail(fetch, true, error);
}

static void send_request(struct Fetch *fetch);

/* Takes TARGET over. */
static void redirect(struct Fetch *fetch, char *target)
{
	g_free(fetch->url);
	fetch->url = target;
	fetch->redirects++;
	send_request(fetch);
}

/* Where the answer sends a GET, relative or not; NULL: nowhere. */
static const char *find_redirect(const struct Fetch *fetch, struct HttpRequest *http)
{
	if (fetch->method != HTTP_GET)
		return NULL;
	switch (http_request_status(http)) {
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return http_request_header(http, "location");
	default:
		return NULL;
	}
}

static void follow(struct Fetch *fetch, const char *location)
{
	g_autofree char *target = url_resolve(fetch->url, location);
	g_autofree char *origin = target ? url_origin(target) : NULL;
	if (!target)
		fail_redirect(fetch, "it redirects to something that is no http URL", "");
	else if (!url_same_origin(target, fetch->url))
		fail_redirect(fetch, "it redirects to another place: ", origin);
	else if (fetch->redirects == FETCH_REDIRECTS)
		fail_redirect(fetch, "it redirects again and again", "");
	else
		redirect(fetch, g_steal_pointer(&target));
}

/* Gives the answer to the owner; the strings of the request live until the handler of HTTP returns. */
static void answered(struct Fetch *fetch, struct HttpRequest *http)
{
	g_autofree char *challenge = http_request_header_all(http, "www-authenticate");
	struct FetchResult result = {
		.status = http_request_status(http),
		.content_type = http_request_header(http, "content-type"),
		.retry_after = http_request_header(http, "retry-after"),
		.session = http_request_header(http, "mcp-session-id"),
		.challenge = challenge,
		.was_sent = true,
	};
	if (!fetch->head_only)
		result.body = buffer_slice(http_request_body(http));
	finish(fetch, &result);
}

static void on_head(struct HttpRequest *http, void *user)
{
	struct Fetch *fetch = user;
	if (!fetch->head_only || find_redirect(fetch, http))
		return;
	fetch->http = NULL;
	http_request_release(http, LINGER_MS);
	answered(fetch, http);
}

static void on_done(struct HttpRequest *http, const GError *error, void *user)
{
	struct Fetch *fetch = user;
	fetch->http = NULL;
	const char *location = error ? NULL : find_redirect(fetch, http);
	if (error)
		fail(fetch, fetch->redirects > 0 || http_request_was_sent(http), error);
	else if (location)
		follow(fetch, location);
	else
		answered(fetch, http);
	wipe_body(http);
}

static void send_request(struct Fetch *fetch)
{
	static const struct HttpHandlers handlers = {.head = on_head, .done = on_done};
	const struct HttpSpec spec = {
		.method = fetch->method,
		.url = fetch->url,
		.headers = fetch->headers,
		.body = secret_reveal(fetch->body),
		.connect_timeout_ms = fetch->shared->mux->connect_timeout_ms,
		.once = fetch->once,
		.max_body = fetch->max_body,
	};
	fetch->http = http_request_start(fetch->shared->http, &spec, &handlers, fetch);
	if (!fetch->head_only && !buffer_reserve(http_request_body(fetch->http), fetch->max_body))
		g_warn_if_reached(); /* it is the buffer's own limit */
}

static void drop_request(struct Fetch *fetch)
{
	if (!fetch->http)
		return;
	wipe_body(fetch->http);
	http_request_cancel(g_steal_pointer(&fetch->http));
}

static void on_limit(void *user)
{
	struct Fetch *fetch = user;
	g_autoptr(GError) error = g_error_new(MUX_ERROR, MUX_ERROR_TIMEOUT,
		"no complete answer within %d s", FETCH_LIMIT_MS / 1000);
	drop_request(fetch);
	fail(fetch, true, error);
}

static void on_refused(void *user)
{
	struct Fetch *fetch = user;
	g_autofree char *shown = text_printable(slice_of(fetch->url), SHOWN_BYTES);
	g_autoptr(GError) error = g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
		"expected an https URL, not \"%s\": nothing was sent", shown);
	fail(fetch, false, error);
}

static void add_header(struct HttpHeaders *headers, const char *name, const char *value)
{
	g_autoptr(GError) error = NULL;
	if (!http_headers_add(headers, name, value, &error))
		g_warn_if_reached(); /* they are texts of ours */
}

struct Fetch *fetch_start(
	const struct AuthShared *shared, const struct FetchSpec *spec, FetchDone *done, void *user)
{
	struct Fetch *fetch = g_new0(struct Fetch, 1);
	fetch->shared = shared;
	fetch->method = spec->method;
	fetch->url = g_strdup(spec->url);
	fetch->headers = spec->headers ? http_headers_copy(spec->headers) : http_headers_new();
	add_header(fetch->headers, "Accept", spec->accept ? spec->accept : "application/json");
	if (spec->content_type)
		add_header(fetch->headers, "Content-Type", spec->content_type);
	fetch->body = secret_ref(spec->body);
	fetch->once = spec->once;
	fetch->head_only = spec->head_only;
	fetch->max_body = spec->max_body;
	fetch->done = done;
	fetch->user = user;
	if (!url_is_secure(fetch->url)) {
		loop_timer_start(shared->loop, &fetch->timer, 0, on_refused, fetch);
		return fetch;
	}
	loop_timer_start(shared->loop, &fetch->timer, FETCH_LIMIT_MS, on_limit, fetch);
	send_request(fetch);
	return fetch;
}

void fetch_cancel(struct Fetch *fetch)
{
	if (!fetch || fetch->ended)
		return;
	drop_request(fetch);
	loop_timer_stop(&fetch->timer);
	http_headers_unref(fetch->headers);
	secret_unref(fetch->body);
	g_free(fetch->url);
	g_free(fetch);
}
