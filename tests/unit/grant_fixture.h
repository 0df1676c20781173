/* One request to a token or revocation endpoint, and what its handler was told. */
#ifndef MCP_MUX_TESTS_GRANT_FIXTURE_H
#define MCP_MUX_TESTS_GRANT_FIXTURE_H

#include "oauth_server.h"

#include "auth/fetch.h"
#include "auth/grant.h"
#include "base/error.h"
#include "scripted_server.h"

#define T "/token"

struct Test {
	struct Fixture fixture;
	struct MuxConfig mux;
	struct AuthShared shared;
	struct OauthServer server;
	char *token_url, *revoke_url, *port_url;
	/* One request and what its handler was told. */
	struct Grant *grant;
	bool started, cancels;
	unsigned done;
	struct TokenAnswer answer;
	char *code;
	GError *error;
};

static inline void setup(struct Test *t)
{
	struct HttpOptions options = {.max_connections = 8, .user_agent = "mcp-mux-test/1"};
	*t = (struct Test){.mux.connect_timeout_ms = 5000};
	fixture_init(&t->fixture);
	t->shared.loop = t->fixture.loop;
	t->shared.http = http_client_new(t->fixture.loop, &options, NULL);
	t->shared.mux = &t->mux;
	oauth_server_init(&t->server, t->fixture.loop);
	t->token_url = g_strconcat(t->server.origin, T, NULL);
	t->revoke_url = g_strconcat(t->server.origin, "/revoke", NULL);
	t->port_url = g_strconcat(t->server.origin, "/v1/auth/access_token", NULL);
}

static inline void forget_result(struct Test *t)
{
	token_answer_release(&t->answer);
	g_clear_pointer(&t->code, g_free);
	g_clear_error(&t->error);
	t->done = 0;
}

static inline void teardown(struct Test *t)
{
	forget_result(t);
	http_client_free(t->shared.http);
	oauth_server_release(&t->server);
	fixture_release(&t->fixture);
	g_free(t->token_url);
	g_free(t->revoke_url);
	g_free(t->port_url);
}

static inline void note(struct Test *t, const GError *error)
{
	assert_true(t->started);
	assert_int_equal(t->done, 0);
	t->done++;
	t->error = error ? g_error_copy(error) : NULL;
	if (t->cancels)
		grant_cancel(t->grant);
	t->grant = NULL;
}

static inline void on_done(
	struct TokenAnswer *answer, const char *code, const GError *error, void *user)
{
	struct Test *t = user;
	assert_true((answer == NULL) == (error != NULL));
	t->code = g_strdup(code);
	if (answer) {
		t->answer = *answer;
		*answer = (struct TokenAnswer){0};
	}
	note(t, error);
}

static inline void on_revoked(const GError *error, void *user)
{
	note(user, error);
}

static inline void start(struct Test *t, const struct GrantSpec *spec)
{
	forget_result(t);
	t->started = false;
	t->grant = grant_start(&t->shared, spec, on_done, t);
	t->started = true;
}

static inline void run(struct Test *t, const struct GrantSpec *spec)
{
	start(t, spec);
	turn_until(&t->fixture, t->done, 1);
}

static inline struct Secret *secret(const char *text)
{
	return secret_new(slice_of(text));
}

#define assert_secret(value, wanted)                                                               \
	do {                                                                                       \
		struct Slice revealed = secret_reveal(value);                                      \
		assert_non_null(revealed.data);                                                    \
		assert_string_equal(revealed.data, (wanted));                                      \
	} while (0)

#define assert_fault(t, wanted_code, wanted_text)                                                  \
	do {                                                                                       \
		assert_non_null((t)->error);                                                       \
		if (!strstr((t)->error->message, (wanted_text)))                                   \
			fail_msg("\"%s\" lacks \"%s\"", (t)->error->message, (wanted_text));       \
		assert_int_equal((t)->error->domain, MUX_ERROR);                                   \
		assert_int_equal((t)->error->code, (wanted_code));                                 \
	} while (0)

static inline void assert_header(const struct OauthHit *hit, const char *name, const char *wanted)
{
	g_autofree char *value = oauth_hit_header(hit, name);
	if (g_strcmp0(value, wanted) != 0)
		fail_msg("%s: %s", name, value ? value : "none");
}

#define ANSWER                                                                                     \
	"{\"access_token\":\"at-1\",\"token_type\":\"Bearer\",\"expires_in\":3600,"                \
	"\"refresh_token\":\"rt-1\",\"scope\":\"a b\"}"

#define E(code) "{\"error\":\"" code "\"}"

struct Refused {
	int status;
	const char *body;
	enum MuxError error;
	const char *code; /* NULL: none */
	const char *words;
};

static inline void expect_refused(struct Test *t, const struct GrantSpec *spec, const char *path,
	const struct Refused *cases, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		oauth_server_say(&t->server, path, cases[i].status, "", cases[i].body);
		run(t, spec);
		assert_fault(t, (int)cases[i].error, cases[i].words);
		assert_true(g_str_has_prefix(t->error->message, "127.0.0.1 "));
		if (g_strcmp0(t->code, cases[i].code) != 0)
			fail_msg("%s: %s", cases[i].body, t->code ? t->code : "no code");
	}
}

#endif
