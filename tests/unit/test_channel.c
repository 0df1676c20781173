/* A channel by itself: above all when it is closed in its own handlers, and what those learn that wait on it. */
#include "fast_clock.h"
#include "mcp_peer.h"

#include "base/error.h"
#include "upstream/channel.h"

#define ENDPOINT "event: endpoint\ndata: /in\n\n"
#define NOTICE "data: {\"jsonrpc\":\"2.0\",\"method\":\"n\"}\n\n"
#define ANSWER "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n"

enum When { NEVER, WHEN_OPEN, WHEN_MESSAGE, WHEN_ANSWER, WHEN_ENDED };

struct Talk {
	struct Fixture fixture;
	struct HttpClient *client;
	struct Peer peer;
	struct HttpHeaders *headers;
	struct Channel *channel;
	struct ChannelWait wait, other;
	enum When close; /* in which handler it is closed */
	unsigned opened, messages, ended, answers, broken, alive;
	int status;
	char *error, *challenge;
};

static void close_at(struct Talk *talk, enum When when)
{
	if (talk->close != when)
		return;
	channel_close(talk->channel);
	channel_close(NULL);
}

static void on_open(struct Channel *channel, void *user)
{
	struct Talk *talk = user;
	assert_ptr_equal(channel, talk->channel);
	assert_true(g_str_has_suffix(channel_endpoint(channel), "/in"));
	talk->opened++;
	close_at(talk, WHEN_OPEN);
	if (talk->close == WHEN_OPEN)
		assert_null(channel_endpoint(channel));
}

static void on_ended(struct Channel *channel, const struct ExchangeResult *result, void *user)
{
	struct Talk *talk = user;
	(void)channel;
	talk->ended++;
	talk->status = result->status;
	talk->error = g_strdup(result->error->message);
	talk->challenge = g_strdup(result->challenge);
	close_at(talk, WHEN_ENDED);
}

static void on_message(struct Channel *channel, const struct RpcMessage *message, void *user)
{
	struct Talk *talk = user;
	(void)channel;
	(void)message;
	talk->messages++;
	close_at(talk, WHEN_MESSAGE);
}

static void on_answer(void *user, char *bytes, const struct RpcMessage *answer)
{
	struct Talk *talk = user;
	assert_int_equal(answer->kind, RPC_RESULT);
	talk->answers++;
	g_free(bytes);
	close_at(talk, WHEN_ANSWER);
}

static void on_broken(void *user, const GError *error)
{
	struct Talk *talk = user;
	talk->broken++;
	g_free(talk->error);
	talk->error = g_strdup(error->message);
	/* The other one wants to know no more. */
	channel_forget(&talk->other);
	channel_forget(&talk->other);
	channel_forget(&talk->wait);
}

static void on_alive(void *user)
{
	struct Talk *talk = user;
	talk->alive++;
}

static struct Hit *talk_init(struct Talk *talk)
{
	static const struct ChannelHandlers handlers = {on_open, on_ended, on_message};
	struct HttpOptions http = {.max_connections = 4, .user_agent = "mcp-mux-test/1"};
	fixture_init(&talk->fixture);
	peer_init(&talk->peer, &talk->fixture);
	talk->client = http_client_new(talk->fixture.loop, &http, NULL);
	talk->headers = http_headers_new();
	http_headers_add(talk->headers, "accept", "application/json", NULL);
	const struct ChannelSpec spec = {
		.loop = talk->fixture.loop,
		.http = talk->client,
		.connector = "c",
		.url = talk->peer.url,
		.headers = talk->headers,
		.connect_timeout_ms = 5000,
		.open_ms = 10000,
		.max_message = 1 << 20,
	};
	talk->channel = channel_open(&spec, &handlers, talk);
	assert_null(channel_endpoint(talk->channel));
	struct Hit *hit = peer_await(&talk->peer, "GET");
	assert_header(hit, "Accept", "text/event-stream");
	assert_null(strstr(hit->head, "application/json"));
	return hit;
}

static void talk_await(struct Talk *talk)
{
	talk->wait = (struct ChannelWait){
		.id = 5, .user = talk, .answer = on_answer, .broken = on_broken, .alive = on_alive};
	talk->other = talk->wait;
	talk->other.id = 6;
	channel_await(talk->channel, &talk->wait);
	channel_await(talk->channel, &talk->other);
}

static void talk_release(struct Talk *talk)
{
	g_free(talk->error);
	g_free(talk->challenge);
	http_headers_unref(talk->headers);
	http_client_free(talk->client);
	peer_release(&talk->peer);
	fixture_release(&talk->fixture);
}

static void test_closed_in_every_handler(void **state)
{
	(void)state;
	for (enum When when = WHEN_OPEN; when <= WHEN_ENDED; when++) {
		for (unsigned waiting = 0; waiting < 2; waiting++) {
			struct Talk talk = {.close = when};
			struct Hit *hit = talk_init(&talk);
			hit_stream(hit, "");
			if (when != WHEN_OPEN) {
				hit_bytes(hit, ENDPOINT);
				turn_until(&talk.fixture, talk.opened, 1);
			}
			if (when != WHEN_OPEN && (waiting || when == WHEN_ANSWER))
				talk_await(&talk);
			/* More has come than is taken. */
			if (when == WHEN_OPEN)
				hit_bytes(hit, ENDPOINT NOTICE NOTICE);
			else if (when == WHEN_MESSAGE)
				hit_bytes(hit, NOTICE NOTICE ANSWER);
			else if (when == WHEN_ANSWER)
				hit_bytes(hit, ANSWER NOTICE ANSWER);
			else
				hit_cut(hit);
			fixture_turn_for(&talk.fixture, 30);
			assert_int_equal(talk.opened, 1);
			assert_int_equal(talk.messages, when == WHEN_MESSAGE);
			assert_int_equal(talk.answers, when == WHEN_ANSWER);
			assert_int_equal(talk.ended, when == WHEN_ENDED);
			assert_int_equal(
				talk.broken, (waiting && when != WHEN_OPEN) || when == WHEN_ANSWER);
			if (when != WHEN_ENDED)
				hit_await_close(hit);
			talk_release(&talk);
		}
	}
}

static void test_who_waits_is_told_from_the_loop(void **state)
{
	(void)state;
	struct Talk talk = {0};
	struct Hit *hit = talk_init(&talk);
	hit_stream(hit, "");
	hit_bytes(hit, ENDPOINT);
	turn_until(&talk.fixture, talk.opened, 1);
	talk_await(&talk);
	channel_close(talk.channel);
	assert_int_equal(talk.broken, 0);
	assert_null(channel_endpoint(talk.channel));
	turn_until(&talk.fixture, talk.broken, 1);
	assert_string_equal(talk.error, "the connection to the server was closed");
	assert_int_equal(talk.ended, 0);
	talk_release(&talk);
}

/* It goes with the last one that waits. */
static void test_forgotten_after_it_was_closed(void **state)
{
	(void)state;
	struct Talk talk = {0};
	struct Hit *hit = talk_init(&talk);
	hit_stream(hit, "");
	hit_bytes(hit, ENDPOINT);
	turn_until(&talk.fixture, talk.opened, 1);
	talk_await(&talk);
	channel_close(talk.channel);
	channel_forget(&talk.wait);
	channel_forget(&talk.other);
	fixture_turn_for(&talk.fixture, 20);
	assert_int_equal(talk.broken, 0);
	talk_release(&talk);
}

static void test_a_refusal_is_handed_over(void **state)
{
	(void)state;
	struct Talk talk = {0};
	struct Hit *hit = talk_init(&talk);
	hit_reply(hit, 401, "WWW-Authenticate: Basic\r\nWWW-Authenticate: Bearer scope=\"a\"\r\n",
		"no");
	turn_until(&talk.fixture, talk.ended, 1);
	assert_int_equal(talk.status, 401);
	assert_string_equal(talk.challenge, "Basic, Bearer scope=\"a\"");
	assert_string_equal(talk.error, "HTTP 401");
	/* The connection is kept, since the answer was short. */
	fixture_turn_for(&talk.fixture, 20);
	assert_int_equal(talk.peer.closed, 0);
	talk_release(&talk);
}

static void test_signs_of_life(void **state)
{
	(void)state;
	struct Talk talk = {0};
	struct Hit *hit = talk_init(&talk);
	hit_stream(hit, "");
	hit_bytes(hit, ENDPOINT);
	turn_until(&talk.fixture, talk.opened, 1);
	talk_await(&talk);
	hit_bytes(hit, ": comment\nevent: message\n");
	fixture_turn_for(&talk.fixture, 20);
	assert_int_equal(talk.alive, 0);
	hit_bytes(hit, "data: {\"jsonrpc\":");
	turn_until(&talk.fixture, talk.alive, 2);
	hit_bytes(hit, "\"2.0\",\"id\":5,\"result\":{}}\n\n");
	turn_until(&talk.fixture, talk.answers, 1);
	channel_forget(&talk.other);
	channel_close(talk.channel);
	talk_release(&talk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed_in_every_handler),
		cmocka_unit_test(test_who_waits_is_told_from_the_loop),
		cmocka_unit_test(test_forgotten_after_it_was_closed),
		cmocka_unit_test(test_a_refusal_is_handed_over),
		cmocka_unit_test(test_signs_of_life),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
