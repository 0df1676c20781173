/* What the tests of signing in from an IDE share: a router in front of MCP servers that want a sign-in, with a keyring,
 * a person with a browser, and a terminal in which the same person may sign in meanwhile. */
#ifndef MCP_MUX_TESTS_ASKING_FIXTURE_H
#define MCP_MUX_TESTS_ASKING_FIXTURE_H

#include "router_fixture.h"

#include "auth/credential_lock.h"
#include "http_fixture.h"
#include "keyring_fixture.h"
#include "oauth_server.h"

/* The router's own function of that name is another one. */
#define ide_initialize router_initialize
#include "mux/asking.h"
#undef ide_initialize

enum { GUARDED = 2 };

/* An MCP server behind an authorization server: it answers by itself. */
struct Guarded {
	struct OauthServer oauth;
	bool modern;
	const char *tools; /* items of its list */
	bool hold, hold_list,
		hold_opening; /* tools/call, tools/list, the handshake are left unanswered */
	int fails; /* status of every answer to a good token; 0: none */
	const char *wanted; /* a call with another token lacks scope */
	guint seen; /* of oauth.hits */
	unsigned calls; /* tools/call that were answered with a result */
	const char *prompts; /* items of that list; NULL: it offers none */
};

struct Asker {
	struct Ide ide;
	struct KeyringFixture *bank;
	struct AuthShared auth;
	bool deaf; /* nobody tells the router that the keyring changed */
	struct Guarded servers[GUARDED];
	GSource *source;
	struct Http browser;
	/* The terminal. */
	struct Keyring *own;
	unsigned done, grants;
	GError *error;
};

/* ---- the servers ---- */

static inline char *guarded_token(const struct OauthHit *hit)
{
	g_autofree char *header = oauth_hit_header(hit, "Authorization");
	return header && g_str_has_prefix(header, "Bearer ") ? g_strdup(header + 7) : NULL;
}

static inline void guarded_result(struct OauthHit *hit, const char *result)
{
	g_autofree char *id = slice_dup(json_get(slice_of(hit->body), "id").raw);
	g_autofree char *text =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{%s}}", id, result);
	oauth_hit_answer(hit, 200, "", text);
}

static inline void guarded_refuse(struct OauthHit *hit)
{
	g_autofree char *id = slice_dup(json_get(slice_of(hit->body), "id").raw);
	g_autofree char *text = g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{"
						"\"code\":-32601,\"message\":\"no\"}}",
		id);
	oauth_hit_answer(hit, 404, "", text);
}

/* The result of a call is the token that it came with. */
static inline void guarded_call(struct Guarded *server, struct OauthHit *hit, const char *token)
{
	if (server->wanted && strcmp(server->wanted, token) != 0) {
		oauth_hit_answer(hit, 403,
			"WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"more\"\r\n",
			"");
		return;
	}
	if (server->hold)
		return;
	server->calls++;
	g_autofree char *result =
		g_strdup_printf("%s\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]",
			server->modern ? "\"resultType\":\"complete\"," : "", token);
	guarded_result(hit, result);
}

static inline void guarded_serve(struct Guarded *server, struct OauthHit *hit)
{
	g_autofree char *token = guarded_token(hit);
	g_autofree char *method = json_string_dup(json_get(slice_of(hit->body), "method"));
	if (!token || !g_hash_table_contains(server->oauth.valid, token)) {
		oauth_hit_serve(hit);
	} else if (server->fails) {
		oauth_hit_answer(hit, server->fails, "", "");
	} else if (!method) {
		oauth_hit_answer(hit, strcmp(hit->method, "DELETE") == 0 ? 200 : 405, "", "");
	} else if (g_str_has_prefix(method, "notifications/")) {
		oauth_hit_answer(hit, 202, "", "");
	} else if (strcmp(method, "tools/call") == 0) {
		guarded_call(server, hit, token);
	} else if (strcmp(method, "tools/list") == 0) {
		if (server->hold_list)
			return;
		g_autofree char *result = g_strdup_printf("\"tools\":[%s]", server->tools);
		guarded_result(hit, result);
	} else if (server->prompts && strcmp(method, "prompts/list") == 0) {
		g_autofree char *result = g_strdup_printf("\"prompts\":[%s]", server->prompts);
		guarded_result(hit, result);
	} else if (server->hold_opening) {
		return;
	} else if (server->modern && strcmp(method, "server/discover") == 0) {
		guarded_result(hit, "\"resultType\":\"complete\",\"supportedVersions\":["
				    "\"2026-07-28\"],\"capabilities\":{\"tools\":{}}");
	} else if (!server->modern && strcmp(method, "initialize") == 0) {
		g_autofree char *result = g_strdup_printf(
			"\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}%s},"
			"\"serverInfo\":{\"name\":\"s\",\"version\":\"1\"}",
			server->prompts ? ",\"prompts\":{}" : "");
		guarded_result(hit, result);
	} else {
		guarded_refuse(hit);
	}
}

static inline bool guarded_is_held(const struct OauthHit *hit)
{
	return !hit->answered && hit->link && strcmp(hit->path, "/mcp") == 0;
}

/* Answers what was held. */
static inline void guarded_release(struct Guarded *server)
{
	server->hold = server->hold_list = server->hold_opening = false;
	for (guint i = 0; i < server->seen; i++) {
		struct OauthHit *hit = server->oauth.hits->pdata[i];
		if (guarded_is_held(hit))
			guarded_serve(server, hit);
	}
}

/* The last request of METHOD, NULL if there was none. */
static inline const struct OauthHit *guarded_last(const struct Guarded *server, const char *method)
{
	const struct OauthHit *last = NULL;
	for (guint i = 0; i < server->seen; i++) {
		const struct OauthHit *hit = server->oauth.hits->pdata[i];
		g_autofree char *its =
			hit->body[0] == '{'
				? json_string_dup(json_get(slice_of(hit->body), "method"))
				: NULL;
		if (g_strcmp0(its, method) == 0)
			last = hit;
	}
	return last;
}

/* Turns the loop until a request is held. */
static inline void guarded_await_held(struct Guarded *server, struct Fixture *fixture)
{
	for (;;) {
		for (guint i = 0; i < server->seen; i++) {
			if (guarded_is_held(server->oauth.hits->pdata[i]))
				return;
		}
		if (server->seen < server->oauth.hits->len)
			g_main_context_iteration(fixture->context, FALSE);
		else
			turn_until(fixture, server->oauth.arrived, server->oauth.arrived + 1);
	}
}

/* Turns the loop until COUNT requests with TOKEN have come. */
static inline void guarded_await_token(
	struct Guarded *server, struct Fixture *fixture, const char *token, unsigned count)
{
	for (;;) {
		unsigned came = 0, arrived = server->oauth.arrived;
		for (guint i = 0; i < server->oauth.hits->len; i++) {
			g_autofree char *its = guarded_token(server->oauth.hits->pdata[i]);
			came += g_strcmp0(its, token) == 0;
		}
		if (came >= count)
			return;
		turn_until(fixture, server->oauth.arrived, arrived + 1);
	}
}

/* A source that serves what came in the turn before. */
struct AskerSource {
	GSource base;
	struct Asker *asker;
};

static inline gboolean asker_has_news(GSource *source)
{
	const struct Asker *a = ((struct AskerSource *)source)->asker;
	for (unsigned i = 0; i < GUARDED; i++) {
		if (a->servers[i].seen < a->servers[i].oauth.hits->len)
			return TRUE;
	}
	return FALSE;
}

static inline gboolean asker_prepare(GSource *source, int *timeout_ms)
{
	*timeout_ms = -1;
	return asker_has_news(source);
}

static inline gboolean asker_serve(GSource *source, GSourceFunc callback, gpointer user)
{
	struct Asker *a = ((struct AskerSource *)source)->asker;
	(void)callback;
	(void)user;
	for (unsigned i = 0; i < GUARDED; i++) {
		struct Guarded *server = &a->servers[i];
		while (server->seen < server->oauth.hits->len) {
			struct OauthHit *hit = server->oauth.hits->pdata[server->seen++];
			if (strcmp(hit->path, "/mcp") == 0)
				guarded_serve(server, hit);
		}
	}
	return G_SOURCE_CONTINUE;
}

/* ---- life ---- */

static inline void asker_on_changed(void *user)
{
	struct Asker *a = user;
	if (!a->deaf && a->ide.router)
		router_reread_credentials(a->ide.router);
}

static inline void asker_prepare_servers(struct Asker *a)
{
	static GSourceFuncs functions = {
		.prepare = asker_prepare, .check = asker_has_news, .dispatch = asker_serve};
	for (unsigned i = 0; i < GUARDED; i++) {
		a->servers[i].tools = ADD_TOOL;
		oauth_server_init(&a->servers[i].oauth, a->ide.fixture.loop);
		oauth_server_say_always(&a->servers[i].oauth, "/mcp", OAUTH_SILENT, "", "");
	}
	a->source = g_source_new(&functions, sizeof(struct AskerSource));
	((struct AskerSource *)a->source)->asker = a;
	g_source_attach(a->source, a->ide.fixture.context);
}

/* All but the router, so that switches can be set and sign-ins made before it is there. */
static inline void asker_prepare_with(struct Asker *a, enum KeyringFixtureKind kind)
{
	*a = (struct Asker){0};
	ide_prepare(&a->ide);
	g_main_context_push_thread_default(a->ide.fixture.context);
	a->bank = keyring_fixture_new(kind);
	g_setenv("XDG_STATE_HOME", keyring_fixture_folder(a->bank), TRUE);
	g_unsetenv("BROWSER");
	g_unsetenv("DISPLAY");
	g_unsetenv("WAYLAND_DISPLAY");
	a->own = keyring_new(false, NULL, NULL);
	a->auth = (struct AuthShared){
		.loop = a->ide.fixture.loop,
		.http = a->ide.client,
		.keyring = keyring_new(false, asker_on_changed, a),
	};
	a->browser.fixture = a->ide.fixture;
	a->browser.client = a->ide.client;
	asker_prepare_servers(a);
}

/* INI with @a and @b for the URLs of the servers, besides the peers'. */
static inline void asker_start(struct Asker *a, const char *ini)
{
	g_auto(GStrv) at_a = g_strsplit(ini, "@a", -1);
	g_autofree char *with_a = g_strjoinv(a->servers[0].oauth.url, at_a);
	g_auto(GStrv) at_b = g_strsplit(with_a, "@b", -1);
	g_autofree char *with_b = g_strjoinv(a->servers[1].oauth.url, at_b);
	ide_start(&a->ide, with_b, &a->auth);
}

static inline void asker_init(struct Asker *a, const char *ini)
{
	asker_prepare_with(a, KEYRING_FIXTURE_UNLOCKED);
	asker_start(a, ini);
}

static inline void asker_release(struct Asker *a)
{
	a->deaf = true;
	ide_stop(&a->ide);
	keyring_free(a->own);
	keyring_free(a->auth.keyring);
	g_source_destroy(a->source);
	g_source_unref(a->source);
	for (unsigned i = 0; i < GUARDED; i++)
		oauth_server_release(&a->servers[i].oauth);
	/* What was cancelled ends inside GDBus first. */
	while (g_main_context_iteration(a->ide.fixture.context, FALSE))
		;
	keyring_fixture_free(a->bank);
	g_main_context_pop_thread_default(a->ide.fixture.context);
	g_clear_error(&a->error);
	fixture_release(&a->ide.fixture);
}

#define OAUTH(name, place) "[connector:" name "]\nurl = " place "\nauth = oauth\n"

/* ---- the terminal ---- */

static inline void asker_on_done(const GError *error, void *user)
{
	struct Asker *a = user;
	a->error = error ? g_error_copy(error) : NULL;
	a->done++;
}

static inline void asker_await_done(struct Asker *a, unsigned before)
{
	turn_until(&a->ide.fixture, a->done, before + 1);
	if (a->error)
		fail_msg("%s", a->error->message);
}

/* What `connect NAME` leaves in the keyring: a sign-in to server N with the token ACCESS (the server's to take, or not),
 * without a refresh token. GRANT NULL: a new one. */
static inline void asker_sign_in_as(
	struct Asker *a, const char *name, unsigned n, const char *access, const char *grant)
{
	const struct KeyringKey key = {
		.connector = name, .resource = a->servers[n].oauth.url, .kind = KEYRING_TOKEN};
	g_autofree char *fresh = g_strdup_printf("grant-%u", ++a->grants);
	g_autofree char *json =
		g_strdup_printf("{\"v\":1,\"grant\":\"%s\",\"access_token\":\"%s\"}",
			grant ? grant : fresh, access);
	g_autoptr(Secret) value = secret_new(slice_of(json));
	unsigned before = a->done;
	keyring_store(a->own, &key, value, asker_on_done, a);
	asker_await_done(a, before);
}

static inline void asker_sign_in(struct Asker *a, const char *name, unsigned n, const char *access)
{
	oauth_server_add_tokens(&a->servers[n].oauth, access, NULL, "client");
	asker_sign_in_as(a, name, n, access, NULL);
}

static inline void asker_sign_out(struct Asker *a, const char *name, unsigned n)
{
	const struct KeyringKey key = {
		.connector = name, .resource = a->servers[n].oauth.url, .kind = KEYRING_TOKEN};
	unsigned before = a->done;
	keyring_clear(a->own, &key, asker_on_done, a);
	asker_await_done(a, before);
}

/* The server takes no token any more that it ever gave. */
static inline void asker_revoke(struct Asker *a, unsigned n)
{
	g_hash_table_remove_all(a->servers[n].oauth.valid);
}

/* ---- the IDE ---- */

/* CAPABILITIES: a raw object. */
static inline void asker_greet(struct Asker *a, const char *revision, const char *capabilities)
{
	g_autofree char *text =
		g_strdup_printf(LEGACY("\"init\"", "initialize",
					"\"protocolVersion\":\"%s\",\"capabilities\":%s,"
					"\"clientInfo\":{\"name\":\"me\"}"),
			revision, capabilities);
	ide_say(&a->ide, text);
	g_free(ide_answer(&a->ide, "\"init\""));
}

#define ASKS_URLS "{\"elicitation\":{\"url\":{}}}"
#define ASKABLE_META                                                                               \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientCapabilities\":" ASKS_URLS "}"
/* A request of a modern IDE that can be asked. */
#define ASKABLE(id, method, params) LEGACY(id, method, ASKABLE_META params)
#define CALL(name) "\"name\":\"" name "\""
#define CONNECT(name) "\"name\":\"mcp_mux__connect\",\"arguments\":{\"name\":\"" name "\"}"

/* The tools that the IDE sees once TOOL is among them. */
static inline void asker_await_tool(struct Asker *a, const char *tool)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\"", tool);
	for (;;) {
		g_autofree char *list = ide_list(&a->ide);
		if (strstr(list, quoted))
			return;
		g_free(ide_notice(&a->ide, "notifications/tools/list_changed"));
	}
}

/* A legacy IDE, which can be asked, with connector notes of server 0 signed in with the token "first". */
static inline void asker_init_signed_in(struct Asker *a, const char *ini)
{
	asker_prepare_with(a, KEYRING_FIXTURE_UNLOCKED);
	asker_sign_in(a, "notes", 0, "first");
	asker_start(a, ini);
	asker_greet(a, "2025-11-25", ASKS_URLS);
	asker_await_tool(a, "notes__add");
}

static inline char *asker_member(const char *line, const char *path)
{
	g_auto(GStrv) keys = g_strsplit(path, ".", -1);
	struct Slice at = slice_of(line);
	struct JsonValue value = {0};
	for (char **key = keys; *key; key++) {
		value = json_get(at, *key);
		at = value.raw;
	}
	char *text = json_string_dup(value);
	if (!text)
		fail_msg("%s has no string %s", line, path);
	return text;
}

/* The question that a legacy IDE was asked, for g_free. */
static inline char *asker_question(struct Asker *a)
{
	return ide_notice(&a->ide, "elicitation/create");
}

static inline void asker_say_call(struct Asker *a, const char *id)
{
	g_autofree char *text = g_strdup_printf(LEGACY("%s", "tools/call", CALL("notes__add")), id);
	ide_say(&a->ide, text);
}

static inline void asker_cancel(struct Asker *a, const char *id)
{
	g_autofree char *text =
		g_strdup_printf("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\","
				"\"params\":{\"requestId\":%s}}",
			id);
	ide_say(&a->ide, text);
}

/* A call for which the person is asked, since their sign-in has ended; the question, for g_free. */
static inline char *asker_ask(struct Asker *a, const char *id)
{
	asker_revoke(a, 0);
	asker_say_call(a, id);
	return asker_question(a);
}

/* Turns the loop until N requests wait for the person: a call looks for a sign-in in the keyring first. */
static inline void asker_await_waiting(struct Asker *a, unsigned n)
{
	for (unsigned turns = 0;; turns++) {
		unsigned waiting = 0;
		for (guint i = 0; i < a->ide.router->askings->len; i++) {
			const struct Asking *asking = a->ide.router->askings->pdata[i];
			waiting += asking->waiting.length;
		}
		if (waiting == n)
			return;
		assert_in_range(turns, 0, PATIENCE_MS);
		fixture_turn_for(&a->ide.fixture, 1);
	}
}

static inline void asker_assert_unasked(struct Asker *a)
{
	fixture_turn_for(&a->ide.fixture, 50);
	assert_null(ide_find(&a->ide, "method", "\"elicitation/create\""));
}

static inline void assert_answer(struct Asker *a, const char *id, const char *part)
{
	g_autofree char *answer = ide_answer(&a->ide, id);
	assert_has(answer, part);
}

/* The IDE answers QUESTION; ANSWER is a raw member: `"result":…` or `"error":…`. */
static inline void asker_reply(struct Asker *a, const char *question, const char *answer)
{
	g_autofree char *id = slice_dup(json_get(slice_of(question), "id").raw);
	g_autofree char *text = g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,%s}", id, answer);
	ide_say(&a->ide, text);
}

#define ACCEPT "\"result\":{\"action\":\"accept\"}"
#define DECLINE "\"result\":{\"action\":\"decline\"}"
#define COMPLETE "notifications/elicitation/complete"
#define CANCELLED "notifications/cancelled"

/* The handle of an answer with input_required, for g_free; *URL (may be NULL) likewise. */
static inline char *asker_input_required(const char *answer, char **url)
{
	g_autofree char *type = asker_member(answer, "result.resultType");
	assert_string_equal(type, "input_required");
	if (url)
		*url = asker_member(answer, "result.inputRequests.sign_in.params.url");
	return asker_member(answer, "result.requestState");
}

/* The request of ID again, with PARAMS and the handle; RESPONSES: a raw value. */
static inline void asker_retry(struct Asker *a, const char *id, const char *params,
	const char *handle, const char *responses)
{
	g_autofree char *text = g_strdup_printf(
		ASKABLE("%s", "tools/call", ",%s,\"inputResponses\":%s,\"requestState\":\"%s\""),
		id, params, responses, handle);
	ide_say(&a->ide, text);
}

#define ACCEPTED "{\"sign_in\":{\"action\":\"accept\"}}"

/* ---- the person ---- */

static inline void asker_follow(struct Asker *a, const char *callback, int status)
{
	struct Call call;
	call_init(&call, &a->browser);
	call_start_url(&call, callback);
	turn_until(&a->ide.fixture, call.dones, 1);
	if (call.error)
		fail_msg("%s", call.error->message);
	assert_int_equal(call.status, status);
	call_release(&call);
}

/* The person consents at URL, of server N, and the browser goes back. */
static inline void asker_visit(struct Asker *a, unsigned n, const char *url)
{
	g_autofree char *callback = oauth_server_consent(&a->servers[n].oauth, url);
	asker_follow(a, callback, 200);
}

/* The same for the URL of a question. */
static inline void asker_visit_question(struct Asker *a, unsigned n, const char *question)
{
	g_autofree char *url = asker_member(question, "params.url");
	asker_visit(a, n, url);
}

/* Whether somebody listens for the browser that was sent to URL. */
static inline bool asker_is_awaited(const char *url)
{
	g_autofree char *uri = oauth_param(strchr(url, '?') + 1, "redirect_uri");
	g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_port = htons((uint16_t)g_uri_get_port(parsed)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_there = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return is_there;
}

/* Nothing is listening for the browser, or soon nothing will be. */
static inline void asker_assert_abandoned(struct Asker *a, const char *question)
{
	g_autofree char *url = asker_member(question, "params.url");
	clock_jump(&a->ide.fixture, 6000);
	assert_false(asker_is_awaited(url));
}

/* Turns the loop until that is over. */
static inline void asker_await_end(struct Asker *a, const char *url)
{
	for (unsigned i = 0; asker_is_awaited(url); i++) {
		assert_in_range(i, 0, PATIENCE_MS);
		fixture_turn_for(&a->ide.fixture, 1);
	}
}

#endif
