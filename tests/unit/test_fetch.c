/* One request to an authorization server: how it is phrased, which redirects are followed, every way to end. */
#include "fast_clock.h"
#include "peer.h"

#include "auth/fetch.h"
#include "base/error.h"

/* ---- what becomes of memory that held a secret ---- */

#define MARKER "a-secret-of-the-answer"
enum { WATCHED_BYTES = 100003 }; /* a size that nothing but an answer's buffer has */

static const void *watched; /* the buffer */
static unsigned watched_made, watched_freed;
static bool marker_seen; /* in it, when it was freed */

#undef g_free
void g_free(gpointer block)
{
	if (block && block == watched) {
		watched_freed++;
		marker_seen |= memmem(block, WATCHED_BYTES, MARKER, strlen(MARKER)) != NULL;
		watched = NULL;
	}
	free(block);
}

gpointer g_realloc(gpointer block, gsize len)
{
	/* One that comes to this size by growing has left copies behind, and is not counted. */
	bool whole = !block && len == WATCHED_BYTES;
	gpointer moved = realloc(block, len);
	g_assert(moved || len == 0);
	if (whole) {
		watched_made++;
		watched = moved;
	}
	return moved;
}

/* ---- the fixture ---- */

struct One {
	struct Fixture fixture;
	struct HttpClient *http;
	struct MuxConfig mux;
	struct AuthShared shared;
	struct Peer peer;
	struct FetchSpec spec;
	struct Fetch *fetch;
	bool started; /* fetch_start has returned */
	unsigned done;
	int status;
	char *body, *content_type, *challenge;
	bool was_sent;
	GError *error;
	bool cancel_in_done;
};

static void on_done(const struct FetchResult *result, void *user)
{
	struct One *one = user;
	assert_true(one->started);
	assert_true((result->status == 0) == (result->error != NULL));
	one->done++;
	one->status = result->status;
	one->body = slice_dup(result->body);
	one->content_type = g_strdup(result->content_type);
	one->challenge = g_strdup(result->challenge);
	one->was_sent = result->was_sent;
	one->error = result->error ? g_error_copy(result->error) : NULL;
	if (one->cancel_in_done)
		fetch_cancel(one->fetch);
	one->fetch = NULL;
}

static void one_init(struct One *one)
{
	struct HttpOptions options = {.max_connections = 4, .user_agent = "mcp-mux-test/1"};
	*one = (struct One){.mux.connect_timeout_ms = 5000};
	fixture_init(&one->fixture);
	one->http = http_client_new(one->fixture.loop, &options, NULL);
	one->shared =
		(struct AuthShared){.loop = one->fixture.loop, .http = one->http, .mux = &one->mux};
	peer_init(&one->peer, &one->fixture);
	one->spec = (struct FetchSpec){
		.method = HTTP_GET, .url = one->peer.url, .max_body = FETCH_DOCUMENT_BYTES};
}

static void one_clear(struct One *one)
{
	g_clear_pointer(&one->body, g_free);
	g_clear_pointer(&one->content_type, g_free);
	g_clear_pointer(&one->challenge, g_free);
	g_clear_error(&one->error);
	one->done = 0;
}

static void one_release(struct One *one)
{
	one_clear(one);
	secret_unref(one->spec.body);
	http_headers_unref(one->spec.headers);
	http_client_free(one->http);
	peer_release(&one->peer);
	fixture_release(&one->fixture);
}

static void one_start(struct One *one)
{
	one_clear(one);
	one->started = false;
	one->fetch = fetch_start(&one->shared, &one->spec, on_done, one);
	one->started = true;
}

static void one_start_post(struct One *one)
{
	one->spec.method = HTTP_POST;
	one->spec.content_type = "application/json";
	one->spec.body = secret_new(SLICE("{\"code\":\"c\"}"));
	one_start(one);
}

static void one_end(struct One *one)
{
	turn_until(&one->fixture, one->done, 1);
}

#define assert_answer(one, wanted_status, wanted_body)                                             \
	do {                                                                                       \
		one_end(one);                                                                      \
		if ((one)->error)                                                                  \
			fail_msg("%s", (one)->error->message);                                     \
		assert_int_equal((one)->status, (wanted_status));                                  \
		assert_string_equal((one)->body, (wanted_body));                                   \
		assert_true((one)->was_sent);                                                      \
	} while (0)

#define assert_fault(one, wanted_code, wanted_text)                                                \
	do {                                                                                       \
		one_end(one);                                                                      \
		assert_int_equal((one)->status, 0);                                                \
		assert_int_equal((one)->error->domain, MUX_ERROR);                                 \
		if (!strstr((one)->error->message, (wanted_text)))                                 \
			fail_msg("\"%s\" lacks \"%s\"", (one)->error->message, (wanted_text));     \
		assert_int_equal((one)->error->code, (wanted_code));                               \
	} while (0)

static void assert_asked_for(const struct Hit *hit, const char *line)
{
	g_autofree char *first = g_strndup(hit->head, strcspn(hit->head, "\r"));
	assert_string_equal(first, line);
}

static void hit_redirect(struct Hit *hit, int status, const char *location)
{
	g_autofree char *header = g_strdup_printf("Location: %s\r\n", location);
	hit_reply(hit, status, header, "elsewhere");
}

/* ---- requests ---- */

static void test_a_get_asks_for_json_and_gives_the_whole_answer(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.headers = http_headers_new();
	assert_true(http_headers_add(one.spec.headers, "X-Extra", "1", NULL));
	one_start(&one);
	http_headers_unref(g_steal_pointer(&one.spec.headers));
	struct Hit *hit = peer_await(&one.peer, "GET");
	assert_asked_for(hit, "GET /mcp HTTP/1.1");
	assert_header(hit, "Accept", "application/json");
	assert_header(hit, "X-Extra", "1");
	assert_header(hit, "Content-Type", NULL);
	hit_reply(hit, 200, "Content-Type: text/plain\r\n", "{\"a\":1}");
	assert_answer(&one, 200, "{\"a\":1}");
	assert_string_equal(one.content_type, "text/plain");
	assert_null(one.challenge);
	one_release(&one);
}

static void test_a_post_sends_its_body(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.accept = "text/event-stream";
	one_start_post(&one);
	secret_unref(g_steal_pointer(&one.spec.body));
	struct Hit *hit = peer_await(&one.peer, "answer");
	assert_string_equal(hit->body, "{\"code\":\"c\"}");
	assert_header(hit, "Content-Type", "application/json");
	assert_header(hit, "Accept", "text/event-stream");
	hit_send(hit, "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n");
	assert_answer(&one, 400, "");
	assert_null(one.content_type);
	one_release(&one);
}

static void test_all_challenges_are_given(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 401,
		"WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: Bearer scope=\"b\"\r\n",
		"no");
	assert_answer(&one, 401, "no");
	assert_string_equal(one.challenge, "Basic realm=\"a\", Bearer scope=\"b\"");
	one_release(&one);
}

static void test_the_head_is_enough(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.head_only = true;
	one_start_post(&one);
	struct Hit *hit = peer_await(&one.peer, "answer");
	hit_send(hit, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		      "WWW-Authenticate: Bearer\r\n\r\n: no end\n\n");
	assert_answer(&one, 200, "");
	assert_string_equal(one.content_type, "text/event-stream");
	assert_string_equal(one.challenge, "Bearer");
	/* What still comes goes nowhere. */
	hit_send(hit, ": more\n\n");
	fixture_turn_for(&one.fixture, 20);
	assert_int_equal(one.done, 1);
	one_release(&one);
}

static void test_a_body_that_nobody_wants_may_be_of_any_size(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.head_only = true;
	one.spec.max_body = 10;
	one_start(&one);
	struct Hit *hit = peer_await(&one.peer, "GET");
	hit_reply(hit, 403, "", "more than these ten bytes");
	assert_answer(&one, 403, "");
	one_release(&one);
}

static void test_what_must_go_once_goes_once(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.once = true;
	one_start_post(&one);
	hit_reply(peer_await(&one.peer, "answer"), 200, "", "first");
	assert_answer(&one, 200, "first");
	secret_unref(one.spec.body);
	one_start_post(&one);
	hit_cut(peer_await(&one.peer, "answer"));
	assert_fault(&one, MUX_ERROR_BROKEN, "");
	assert_true(one.was_sent);
	peer_await_none(&one.peer, "answer");
	one_release(&one);
}

/* ---- redirects ---- */

static void test_redirects_within_the_origin_are_followed(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	g_autofree char *absolute = g_strconcat(one.peer.url, "/../third?x=y", NULL);
	one_start(&one);
	hit_redirect(peer_await(&one.peer, "GET"), 301, "/first");
	struct Hit *hit = peer_await(&one.peer, "GET");
	assert_asked_for(hit, "GET /first HTTP/1.1");
	assert_header(hit, "Accept", "application/json");
	hit_redirect(hit, 307, "second");
	hit = peer_await(&one.peer, "GET");
	assert_asked_for(hit, "GET /second HTTP/1.1");
	hit_redirect(hit, 308, absolute);
	hit = peer_await(&one.peer, "GET");
	assert_asked_for(hit, "GET /third?x=y HTTP/1.1");
	hit_reply(hit, 200, "", "here");
	assert_answer(&one, 200, "here");
	one_release(&one);
}

static void test_the_fourth_redirect_is_refused(void **state)
{
	(void)state;
	static const int statuses[] = {302, 303, 302, 302};
	struct One one;
	one_init(&one);
	one_start(&one);
	for (unsigned i = 0; i < G_N_ELEMENTS(statuses); i++)
		hit_redirect(peer_await(&one.peer, "GET"), statuses[i], "/mcp");
	assert_fault(&one, MUX_ERROR_UPSTREAM, "it redirects again and again");
	assert_true(one.was_sent);
	peer_await_none(&one.peer, "GET");
	one_release(&one);
}

static void test_redirects_to_other_places_are_refused(void **state)
{
	(void)state;
	struct One one;
	struct Peer other;
	one_init(&one);
	peer_init(&other, &one.fixture);
	g_autofree char *shown = g_strndup(other.url, strlen(other.url) - strlen("/mcp"));
	g_autofree char *same = g_strdup_printf("to another place: %s", shown);
	g_autofree char *relative = g_strdup(other.url + strlen("http:"));
	g_autofree char *https = g_strdup_printf("https%s", one.peer.url + strlen("http"));
	g_autofree char *host =
		g_strdup_printf("http://localhost%s", one.peer.url + strlen("http://127.0.0.1"));
	const struct {
		const char *location, *says;
	} cases[] = {
		{other.url, same},
		{relative, same},
		{https, "to another place: https://127.0.0.1:"},
		{host, "to another place: http://localhost:"},
		{"http://192.0.2.1/\x1b[31m", "no http URL"},
		{"http://a@127.0.0.1/", "no http URL"},
		{"file:///etc/passwd", "no http URL"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		one_start(&one);
		hit_redirect(peer_await(&one.peer, "GET"), 302, cases[i].location);
		assert_fault(&one, MUX_ERROR_UPSTREAM, cases[i].says);
		assert_true(one.was_sent);
	}
	assert_int_equal(other.links->len, 0);
	peer_release(&other);
	one_release(&one);
}

static void test_what_is_no_redirect_is_an_answer(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 302, "", "nowhere");
	assert_answer(&one, 302, "nowhere");
	one_start(&one);
	hit_redirect(peer_await(&one.peer, "GET"), 300, "/other");
	assert_answer(&one, 300, "elsewhere");
	one_start_post(&one);
	hit_redirect(peer_await(&one.peer, "answer"), 307, "/other");
	assert_answer(&one, 307, "elsewhere");
	peer_await_none(&one.peer, "GET");
	one_release(&one);
}

static void test_redirects_lead_on_where_the_head_is_enough(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.head_only = true;
	one_start(&one);
	hit_redirect(peer_await(&one.peer, "GET"), 302, "/other");
	hit_reply(peer_await(&one.peer, "GET"), 204, "", "");
	assert_answer(&one, 204, "");
	one_release(&one);
}

/* ---- failures ---- */

static void test_insecure_urls_are_refused_without_a_connection(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	const char *port = strrchr(one.peer.url, ':');
	/* All of these reach the peer if one tries. */
	static const char *const hosts[] = {"http://0.0.0.0", "http://[::ffff:127.0.0.1]",
		"http://u:p@127.0.0.1", "HTTP:127.0.0.1"};
	for (unsigned i = 0; i < G_N_ELEMENTS(hosts); i++) {
		g_autofree char *url = g_strconcat(hosts[i], port, NULL);
		one.spec.url = url;
		one_start(&one);
		assert_fault(&one, MUX_ERROR_UPSTREAM, "nothing was sent");
		assert_false(one.was_sent);
	}
	one.spec.url = "ftp://\x1b[31m/";
	one_start(&one);
	assert_fault(&one, MUX_ERROR_UPSTREAM, "not \"ftp://?[31m/\"");
	one_start(&one);
	fetch_cancel(one.fetch);
	fixture_turn_for(&one.fixture, 20);
	assert_int_equal(one.done, 0);
	assert_int_equal(one.peer.links->len, 0);
	one_release(&one);
}

static void test_an_answer_over_the_limit_is_an_error(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.max_body = 8;
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 200, "", "12345678");
	assert_answer(&one, 200, "12345678");
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 200, "", "123456789");
	assert_fault(&one, MUX_ERROR_TOO_LARGE, "");
	assert_true(one.was_sent);
	one_start(&one);
	hit_send(peer_await(&one.peer, "GET"),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n4\r\n6789\r\n");
	assert_fault(&one, MUX_ERROR_TOO_LARGE, "");
	one_release(&one);
}

static void test_a_cut_answer_is_an_error(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	struct Hit *hit = peer_await(&one.peer, "GET");
	hit_send(hit, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal");
	hit_cut(hit);
	assert_fault(&one, MUX_ERROR_BROKEN, "");
	assert_true(one.was_sent);
	one_release(&one);
}

static void test_nobody_there(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	peer_vanish(&one.peer);
	one_start(&one);
	assert_fault(&one, MUX_ERROR_UNREACHABLE, "cannot connect");
	assert_false(one.was_sent);
	one_release(&one);
}

static void test_nobody_there_after_a_redirect(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	struct Hit *hit = peer_await(&one.peer, "GET");
	hit_send(hit, "HTTP/1.1 302 Go\r\nLocation: /a\r\nConnection: close\r\n"
		      "Content-Length: 0\r\n\r\n");
	peer_vanish(&one.peer);
	assert_fault(&one, MUX_ERROR_UNREACHABLE, "cannot connect");
	assert_true(one.was_sent);
	one_release(&one);
}

static void test_one_limit_bounds_it_all(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	struct Hit *hit = peer_await(&one.peer, "GET");
	clock_jump(&one.fixture, FETCH_LIMIT_MS / 2);
	assert_int_equal(one.done, 0);
	hit_redirect(hit, 302, "/slow");
	hit = peer_await(&one.peer, "GET");
	hit_send(hit, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal");
	clock_jump(&one.fixture, FETCH_LIMIT_MS / 2 + 1);
	assert_fault(&one, MUX_ERROR_TIMEOUT, "within 30 s");
	assert_true(one.was_sent);
	turn_until(&one.fixture, one.peer.closed, 1);
	one_release(&one);
}

/* ---- cancelling ---- */

static void test_cancelled_at_every_stage(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one_start(&one);
	fetch_cancel(one.fetch);
	one_start(&one);
	peer_await(&one.peer, "GET");
	fetch_cancel(one.fetch);
	one_start(&one);
	hit_redirect(peer_await(&one.peer, "GET"), 302, "/a");
	struct Hit *hit = peer_await(&one.peer, "GET");
	hit_send(hit, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal");
	fixture_turn_for(&one.fixture, 20);
	fetch_cancel(one.fetch);
	fixture_turn_for(&one.fixture, 20);
	assert_int_equal(one.done, 0);
	one_start_post(&one);
	fetch_cancel(one.fetch);
	assert_int_equal(one.done, 0);
	fetch_cancel(NULL);
	one_release(&one);
}

static void test_cancelling_in_done_does_nothing(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.cancel_in_done = true;
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 200, "", "x");
	assert_answer(&one, 200, "x");
	one.spec.head_only = true;
	one_start(&one);
	hit_reply(peer_await(&one.peer, "GET"), 200, "", "x");
	assert_answer(&one, 200, "");
	one.spec.url = "http://192.0.2.1/";
	one_start(&one);
	assert_fault(&one, MUX_ERROR_UPSTREAM, "");
	one_release(&one);
}

/* ---- wiping ---- */

/* MARKER in each of many chunks, so that a buffer that grew would leave some behind. */
static void send_chunks(struct One *one, const char *end)
{
	struct Hit *hit = peer_await(&one->peer, "GET");
	hit_send(hit, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (unsigned i = 0; i < 40; i++) {
		g_autofree char *chunk = g_strdup_printf("200\r\n%-512s\r\n", MARKER);
		hit_send(hit, chunk);
		if (i % 8 == 0)
			fixture_turn_for(&one->fixture, 2);
	}
	hit_send(hit, end);
	fixture_turn_for(&one->fixture, 20);
}

static void assert_wiped(unsigned answers)
{
	assert_int_equal(watched_made, answers);
	assert_int_equal(watched_freed, answers);
	assert_false(marker_seen);
}

static void test_answers_are_wiped_however_they_end(void **state)
{
	(void)state;
	struct One one;
	one_init(&one);
	one.spec.max_body = WATCHED_BYTES;
	one_start(&one);
	send_chunks(&one, "0\r\n\r\n");
	one_end(&one);
	assert_int_equal(strlen(one.body), 40 * 512);
	assert_true(g_str_has_prefix(one.body, MARKER));
	assert_wiped(1);
	one_start(&one);
	send_chunks(&one, "no chunk\r\n");
	assert_fault(&one, MUX_ERROR_BROKEN, "");
	assert_wiped(2);
	one_start(&one);
	send_chunks(&one, "");
	clock_jump(&one.fixture, FETCH_LIMIT_MS);
	assert_fault(&one, MUX_ERROR_TIMEOUT, "");
	assert_wiped(3);
	one_start(&one);
	send_chunks(&one, "");
	fetch_cancel(one.fetch);
	assert_wiped(4);
	one_release(&one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_get_asks_for_json_and_gives_the_whole_answer),
		cmocka_unit_test(test_a_post_sends_its_body),
		cmocka_unit_test(test_all_challenges_are_given),
		cmocka_unit_test(test_the_head_is_enough),
		cmocka_unit_test(test_a_body_that_nobody_wants_may_be_of_any_size),
		cmocka_unit_test(test_what_must_go_once_goes_once),
		cmocka_unit_test(test_redirects_within_the_origin_are_followed),
		cmocka_unit_test(test_the_fourth_redirect_is_refused),
		cmocka_unit_test(test_redirects_to_other_places_are_refused),
		cmocka_unit_test(test_what_is_no_redirect_is_an_answer),
		cmocka_unit_test(test_redirects_lead_on_where_the_head_is_enough),
		cmocka_unit_test(test_insecure_urls_are_refused_without_a_connection),
		cmocka_unit_test(test_an_answer_over_the_limit_is_an_error),
		cmocka_unit_test(test_a_cut_answer_is_an_error),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_nobody_there_after_a_redirect),
		cmocka_unit_test(test_one_limit_bounds_it_all),
		cmocka_unit_test(test_cancelled_at_every_stage),
		cmocka_unit_test(test_cancelling_in_done_does_nothing),
		cmocka_unit_test(test_answers_are_wiped_however_they_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
