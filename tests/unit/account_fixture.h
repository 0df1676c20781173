/* An upstream that needs an account: an MCP server whose every answer the test says, an authorization server, a
 * keyring; and calls for which a person may be asked. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_ACCOUNT_FIXTURE_H
#define MCP_MUX_TESTS_ACCOUNT_FIXTURE_H

#include "credential_fixture.h"
#include "upstream_fixture.h"

enum { BACKOFF_MS = 5 * 60 * 1000 }; /* longer than any pause before another attempt */

struct Office {
	struct Desk *d;
	struct Up u;
};

/* KEYS: lines of the connector's section, `auth` among them. */
static inline void office_init(struct Office *o, const char *keys)
{
	static const struct UpstreamHandlers handlers = {
		up_on_state, up_on_tools, up_on_items, up_on_message};
	struct HttpOptions http = {.max_connections = 200, .user_agent = "mcp-mux-test/1"};
	struct Up *u = &o->u;
	*o = (struct Office){0};
	assert_int_equal(desk_open((void **)&o->d), 0);
	struct Accounts *a = &o->d->a;
	u->fixture = a->fixture;
	peer_init(&u->peer, &u->fixture);
	http_client_free(a->shared.http); /* of a loop there is one */
	a->shared.http = u->client = http_client_new(u->fixture.loop, &http, NULL);
	g_autofree char *ini = g_strdup_printf("[connector:c]\nurl = %s\n%s\n", u->peer.url, keys);
	struct ConfigSource user = {"user.ini", slice_of(ini)};
	g_autoptr(GError) error = NULL;
	u->config = config_parse(NULL, &user, &error);
	if (error)
		fail_msg("%s", error->message);
	u->eras = era_store_new(NULL);
	/* The resource is the peer. */
	g_free(a->server.url);
	a->server.url = g_strdup(u->peer.url);
	a->connector = *(struct ConnectorConfig *)u->config->connectors->pdata[0];
	struct UpstreamShared shared = {
		u->fixture.loop, u->client, &u->config->mux, u->eras, &a->shared, NULL};
	u->up = upstream_new(&shared, u->config->connectors->pdata[0], &handlers, u);
}

static inline void office_release(struct Office *o)
{
	struct Up *u = &o->u;
	upstream_free(u->up);
	up_forget_messages(u);
	peer_release(&u->peer);
	era_store_free(u->eras);
	desk_close((void **)&o->d);
	config_free(u->config);
}

static inline unsigned office_requests(const struct Office *o)
{
	return oauth_server_count(&o->d->a.server, TOKEN);
}

static inline struct OauthHit *office_await_request(struct Office *o, unsigned count)
{
	return oauth_server_await(&o->d->a.server, &o->d->a.fixture, TOKEN, count);
}

static inline void office_sign_in(struct Office *o, const char *grant, const char *access)
{
	g_autofree char *refresh = g_strdup_printf("refresh-of-%s", access);
	desk_put_tokens(o->d, grant, access, refresh);
}

/* The program is told that the keyring changed. */
static inline void office_notice(struct Office *o)
{
	upstream_reread_credential(o->u.up);
}

#define assert_bearer(hit, token) assert_header((hit), "Authorization", "Bearer " token)

static inline void office_refuse(struct Hit *hit)
{
	hit_reply(hit, 401, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n", "");
}

static inline void office_want_scope(struct Hit *hit)
{
	hit_reply(hit, 403,
		"WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"write\"\r\n", "");
}

/* Signed in as "access-a", open, with one tool. */
static inline void office_open_modern(struct Office *o, const char *capabilities)
{
	office_sign_in(o, "g1", "access-a");
	up_open_modern(&o->u, capabilities, ADD_TOOL);
}

static inline void office_open_legacy(struct Office *o, const char *capabilities)
{
	office_sign_in(o, "g1", "access-a");
	up_open_legacy(&o->u, "s1", capabilities, ADD_TOOL);
}

/* ---- calls for which a person may be asked ---- */

struct Plea {
	struct Ask ask; /* first, since its handlers serve for this one too */
	bool will_wait; /* what the owner says when a person is needed */
	unsigned asked;
	GError *why;
};

static inline bool plea_on_sign_in(struct UpstreamCall *call, const GError *error, void *user)
{
	struct Plea *plea = user;
	(void)call;
	plea->asked++;
	g_clear_error(&plea->why);
	plea->why = g_error_copy(error);
	return plea->will_wait;
}

static inline void plea_start(struct Office *o, struct Plea *plea)
{
	static const struct UpstreamCallHandlers handlers = {
		.answer = ask_on_answer,
		.failed = ask_on_failed,
		.sign_in = plea_on_sign_in,
		.progress = ask_on_progress,
	};
	struct RpcMessage rpc;
	struct McpParams params;
	const char *why;
	plea->ask.u = &o->u;
	assert_true(rpc_parse(SLICE(CALL("add")), &rpc, NULL));
	assert_true(mcp_params_read(rpc.params, &params, &why));
	struct UpstreamRequest request = {.message = &rpc,
		.params = &params,
		.era = ERA_LEGACY,
		.name = params.name.raw,
		.tool = "add"};
	plea->ask.call = upstream_call(o->u.up, &request, &handlers, plea);
	assert_int_equal(plea->ask.ended + plea->asked, 0);
}

static inline void plea_await_asked(struct Plea *plea, unsigned times)
{
	turn_until(&plea->ask.u->fixture, plea->asked, times);
	assert_int_equal(plea->asked, times);
}

static inline void plea_release(struct Plea *plea)
{
	ask_release(&plea->ask);
	g_clear_error(&plea->why);
}

/* Answers the next call. */
static inline void office_serve_call(struct Office *o)
{
	hit_result(peer_await(&o->u.peer, "tools/call"), "{\"content\":[]}");
}

#define assert_plea_answered(plea)                                                                 \
	do {                                                                                       \
		ask_await(&(plea)->ask);                                                           \
		assert_ask_answer(&(plea)->ask, "content");                                        \
		plea_release(plea);                                                                \
	} while (0)

#define assert_plea_failed(plea, code, words)                                                      \
	do {                                                                                       \
		ask_await(&(plea)->ask);                                                           \
		assert_ask_failed(&(plea)->ask, (code), (words));                                  \
		assert_null(strstr((plea)->ask.error->message, "access-"));                        \
		plea_release(plea);                                                                \
	} while (0)

#define assert_upstream(office, wanted, code, words)                                               \
	do {                                                                                       \
		up_await_state(&(office)->u, (wanted));                                            \
		assert_words(upstream_error((office)->u.up), (code), (words));                     \
	} while (0)

#endif
