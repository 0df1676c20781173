/* What the tests of upstream/ share: one upstream in front of a peer, and calls with what became of them. */
#ifndef MCP_MUX_TESTS_UPSTREAM_FIXTURE_H
#define MCP_MUX_TESTS_UPSTREAM_FIXTURE_H

#include "fast_clock.h"
#include "mcp_peer.h"

#include "base/error.h"
#include "upstream/upstream.h"

struct Up {
	struct Fixture fixture;
	struct HttpClient *client;
	struct Peer peer;
	struct Config *config;
	struct EraStore *eras;
	struct Upstream *up;
	unsigned states, tools; /* times the handlers were called */
	bool inside; /* a function of upstream.h runs that must not call back */
	unsigned items[MCP_LISTS]; /* times that `items` was called for a kind */
	unsigned messages; /* that came to `message` */
	char *message; /* the last of them */
	char *message_id; /* its raw id, "" for none */
	bool takes_requests; /* what `message` says */
	GString *said; /* all of them, a line each */
};

static inline void up_on_state(struct Upstream *upstream, void *user)
{
	struct Up *u = user;
	(void)upstream;
	u->states++;
}

static inline void up_on_tools(struct Upstream *upstream, void *user)
{
	struct Up *u = user;
	(void)upstream;
	u->tools++;
}

static inline void up_on_items(struct Upstream *upstream, enum McpList kind, void *user)
{
	struct Up *u = user;
	(void)upstream;
	assert_false(u->inside);
	u->items[kind]++;
}

static inline bool up_on_message(
	struct Upstream *upstream, const struct RpcMessage *message, void *user)
{
	struct Up *u = user;
	(void)upstream;
	u->messages++;
	g_free(u->message);
	u->message = slice_dup(message->text);
	if (!u->said)
		u->said = g_string_new(NULL);
	g_string_append_printf(u->said, "%s\n", u->message);
	g_free(u->message_id);
	u->message_id = slice_dup(message->id.raw);
	return u->takes_requests;
}

/* KEYS: more lines of the connector's section. */
static inline void up_init_with(struct Up *u, const char *keys)
{
	static const struct UpstreamHandlers handlers = {
		up_on_state, up_on_tools, up_on_items, up_on_message};
	struct HttpOptions http = {.max_connections = 200, .user_agent = "mcp-mux-test/1"};
	*u = (struct Up){0};
	fixture_init(&u->fixture);
	peer_init(&u->peer, &u->fixture);
	u->client = http_client_new(u->fixture.loop, &http, NULL);
	g_autofree char *ini = g_strdup_printf("[connector:c]\nurl = %s\n%s\n", u->peer.url, keys);
	struct ConfigSource user = {"user.ini", slice_of(ini)};
	g_autoptr(GError) error = NULL;
	u->config = config_parse(NULL, &user, &error);
	if (error)
		fail_msg("%s", error->message);
	u->eras = era_store_new(NULL);
	struct UpstreamShared shared = {
		u->fixture.loop, u->client, &u->config->mux, u->eras, NULL, NULL};
	u->up = upstream_new(&shared, u->config->connectors->pdata[0], &handlers, u);
}

static inline void up_init(struct Up *u)
{
	up_init_with(u, "auth = none");
}

static inline void up_forget_messages(struct Up *u)
{
	g_clear_pointer(&u->message, g_free);
	g_clear_pointer(&u->message_id, g_free);
	if (u->said)
		g_string_free(g_steal_pointer(&u->said), TRUE);
}

static inline void up_release(struct Up *u)
{
	upstream_free(u->up);
	http_client_free(u->client);
	up_forget_messages(u);
	peer_release(&u->peer);
	era_store_free(u->eras);
	config_free(u->config);
	fixture_release(&u->fixture);
}

static inline void up_await_state(struct Up *u, enum UpstreamState wanted)
{
	while (upstream_state(u->up) != wanted)
		turn_until(&u->fixture, u->states, u->states + 1);
}

static inline void up_await_settled(struct Up *u)
{
	while (!upstream_is_settled(u->up))
		turn_until(&u->fixture, u->states, u->states + 1);
}

/* Waits for the news of another list. */
static inline void up_await_tools(struct Up *u, unsigned wanted)
{
	turn_until(&u->fixture, u->tools, wanted);
}

/* Waits for the news of another list of KIND. */
static inline void up_await_items(struct Up *u, enum McpList kind, unsigned wanted)
{
	turn_until(&u->fixture, u->items[kind], wanted);
}

/* Waits until so many messages have come to `message` in all. */
static inline void up_await_messages(struct Up *u, unsigned wanted)
{
	turn_until(&u->fixture, u->messages, wanted);
}

/* Long enough after the last fetch for a notice of a change to be heard at once. */
static inline void up_let_time_pass(struct Up *u)
{
	clock_jump(&u->fixture, 1100);
}

/* The next probe of either era. */
static inline struct Hit *up_await_probe(struct Up *u)
{
	for (;;) {
		struct Hit *hit = peer_find(&u->peer, "initialize");
		if (!hit)
			hit = peer_find(&u->peer, "server/discover");
		if (hit)
			return hit;
		turn_until(&u->fixture, u->peer.arrived, u->peer.arrived + 1);
	}
}

static inline void up_serve_initialize(
	struct Up *u, const char *revision, const char *session, const char *capabilities)
{
	peer_serve_initialize(&u->peer, revision, session, capabilities);
}

static inline void up_serve_discover(struct Up *u, const char *capabilities)
{
	peer_serve_discover(&u->peer, capabilities);
}

static inline void up_serve_tools(struct Up *u, const char *items)
{
	peer_serve_tools(&u->peer, items);
}

static inline void up_open_legacy(
	struct Up *u, const char *session, const char *capabilities, const char *items)
{
	upstream_open(u->up, ERA_LEGACY);
	up_serve_initialize(u, "2025-11-25", session, capabilities);
	up_serve_tools(u, items);
	up_await_settled(u);
	assert_int_equal(upstream_state(u->up), UPSTREAM_READY);
}

static inline void up_open_modern(struct Up *u, const char *capabilities, const char *items)
{
	upstream_open(u->up, ERA_MODERN);
	up_serve_discover(u, capabilities);
	up_serve_tools(u, items);
	up_await_settled(u);
	assert_int_equal(upstream_state(u->up), UPSTREAM_READY);
}

/* ---- calls ---- */

struct Ask {
	struct Up *u;
	struct UpstreamCall *call; /* NULL once it has ended */
	unsigned ended, progresses;
	char *answer; /* the message */
	GError *error;
	char *progress; /* the last one */
	enum Era era;
	bool repeatable;
	void (*on_end)(struct Ask *ask);
	void (*on_progress)(struct Ask *ask);
	struct Ask *other;
};

static inline void ask_on_answer(
	struct UpstreamCall *call, struct UpstreamAnswer *answer, void *user)
{
	struct Ask *ask = user;
	assert_ptr_equal(call, ask->call);
	assert_int_equal(ask->ended, 0);
	ask->call = NULL;
	ask->ended++;
	ask->answer = slice_dup(answer->message.text);
	ask->era = answer->era;
	if (ask->on_end)
		ask->on_end(ask);
}

static inline void ask_on_failed(struct UpstreamCall *call, const GError *error, void *user)
{
	struct Ask *ask = user;
	assert_ptr_equal(call, ask->call);
	assert_int_equal(ask->ended, 0);
	ask->call = NULL;
	ask->ended++;
	ask->error = g_error_copy(error);
	if (ask->on_end)
		ask->on_end(ask);
}

static inline void ask_on_progress(
	struct UpstreamCall *call, struct Slice text, struct Slice token, void *user)
{
	struct Ask *ask = user;
	assert_ptr_equal(call, ask->call);
	assert_true(token.data >= text.data && token.data + token.len <= text.data + text.len);
	ask->progresses++;
	g_free(ask->progress);
	ask->progress = slice_dup(text);
	if (ask->on_progress)
		ask->on_progress(ask);
}

/* Sends MESSAGE, a tools/call of an IDE of that era. */
static inline void ask_start(struct Up *u, struct Ask *ask, enum Era era, const char *message)
{
	static const struct UpstreamCallHandlers handlers = {
		.answer = ask_on_answer, .failed = ask_on_failed, .progress = ask_on_progress};
	struct RpcMessage rpc;
	struct McpParams params;
	const char *why;
	ask->u = u;
	ask->ended = 0;
	assert_true(rpc_parse(slice_of(message), &rpc, NULL));
	assert_true(mcp_params_read(rpc.params, &params, &why));
	g_autofree char *tool = json_string_dup(params.name);
	struct UpstreamRequest request = {.message = &rpc,
		.params = &params,
		.era = era,
		.name = params.name.raw,
		.tool = tool,
		.repeatable = ask->repeatable};
	ask->call = upstream_call(u->up, &request, &handlers, ask);
	assert_int_equal(ask->ended, 0);
}

#define CALL(tool)                                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":\"ide\",\"method\":\"tools/"                                  \
	"call\",\"params\":{\"name\":\"" tool "\",\"arguments\":{}}}"

static inline void ask_add(struct Up *u, struct Ask *ask)
{
	ask_start(u, ask, ERA_LEGACY, CALL("add"));
}

static inline void ask_await(struct Ask *ask)
{
	turn_until(&ask->u->fixture, ask->ended, 1);
}

static inline void ask_release(struct Ask *ask)
{
	g_free(ask->answer);
	g_clear_error(&ask->error);
	g_free(ask->progress);
}

#define assert_ask_answer(ask, part)                                                               \
	do {                                                                                       \
		if ((ask)->error)                                                                  \
			fail_msg("%s", (ask)->error->message);                                     \
		assert_non_null((ask)->answer);                                                    \
		if (!(ask)->answer || !strstr((ask)->answer, (part)))                              \
			fail_msg("%s lacks %s", (ask)->answer, (part));                            \
	} while (0)

#define assert_ask_failed(ask, wanted_code, part)                                                  \
	do {                                                                                       \
		const GError *ask_error = (ask)->error;                                            \
		if (!ask_error) {                                                                  \
			fail_msg("no error but %s", (ask)->answer);                                \
			break;                                                                     \
		}                                                                                  \
		if (!strstr(ask_error->message, (part)))                                           \
			fail_msg("\"%s\" lacks \"%s\"", ask_error->message, (part));               \
		assert_int_equal(ask_error->code, (wanted_code));                                  \
	} while (0)

#endif
