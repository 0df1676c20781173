/* A connector and an authorization server for the discovery, on the loopback, but known to the program as
 * https://mcp.test and https://as.test: a server on the network must not do all that one on this machine may.
 * For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_DISCOVERY_FIXTURE_H
#define MCP_MUX_TESTS_DISCOVERY_FIXTURE_H

#include "fast_clock.h"
#include "oauth_server.h"

#include "auth/discovery.h"
#include "auth/fetch.h"
#include "base/error.h"

#include <curl/curl.h>

#define MCP "https://mcp.test"
#define AS "https://as.test"

#define RESOURCE_AT_PATH "/.well-known/oauth-protected-resource/mcp"
#define RESOURCE_AT_ROOT "/.well-known/oauth-protected-resource"
#define OAUTH_AT_ROOT "/.well-known/oauth-authorization-server"
#define OPENID_AT_ROOT "/.well-known/openid-configuration"

/* What a place answers that has nothing to say. /loop leads to itself. */
static const struct {
	int status;
	const char *headers, *body;
} nothings[] = {
	{400, "", "{}"},
	{401, "WWW-Authenticate: Bearer\r\n", ""},
	{403, "", "{\"resource\":\"https://evil.test\",\"issuer\":\"https://evil.test\"}"},
	{404, "", ""},
	{405, "", ""},
	{410, "", ""},
	{501, "", ""},
	{204, "", ""},
	{203, "", "{\"resource\":\"https://evil.test\",\"issuer\":\"https://evil.test\"}"},
	{300, "", ""},
	{302, "Location: https://evil.test/login\r\n", ""},
	{302, "Location: /loop\r\n", ""},
	{200, "Content-Type: text/html\r\n", "<html>sign in</html>"},
	{200, "", ""},
	{200, "", "[]"},
	{200, "", "{\"error\":\"not found\"}"},
	{200, "", "{\"resource\":\"" MCP "\",\"issuer\":\"" AS "\""},
};

static const char *mcp_origin, *as_origin;

/* Takes libcurl to the loopback. The options' other values are as large as pointers, or 64 bits. */
#undef curl_easy_setopt
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
	static CURLcode (*real)(CURL *, CURLoption, ...);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "curl_easy_setopt");
	bool is_wide = option >= CURLOPTTYPE_OFF_T && option < CURLOPTTYPE_BLOB;
	va_list args;
	va_start(args, option);
	curl_off_t wide = is_wide ? va_arg(args, curl_off_t) : 0;
	void *value = is_wide ? NULL : va_arg(args, void *);
	va_end(args);
	g_autofree char *moved = NULL;
	if (option == CURLOPT_URL && g_str_has_prefix(value, MCP))
		moved = g_strconcat(mcp_origin, (char *)value + strlen(MCP), NULL);
	else if (option == CURLOPT_URL && g_str_has_prefix(value, AS))
		moved = g_strconcat(as_origin, (char *)value + strlen(AS), NULL);
	return is_wide ? real(easy, option, wide) : real(easy, option, moved ? moved : value);
}

struct Two {
	struct Fixture fixture;
	struct OauthServer mcp, as; /* nothing is there but /mcp */
	struct HttpClient *http;
	struct MuxConfig mux;
	struct AuthShared shared;
	struct ConnectorConfig connector;
	struct Challenge *challenge; /* what is given; NULL: nothing */
	const char *stored;
	struct Discovery *discovery;
	bool started; /* discovery_start has returned */
	unsigned done;
	struct Discovered found;
	GError *error;
	bool cancel_in_done;
};

static inline void on_done(struct Discovered *discovered, const GError *error, void *user)
{
	struct Two *two = user;
	assert_true(two->started);
	assert_true((discovered == NULL) == (error != NULL));
	two->done++;
	two->error = error ? g_error_copy(error) : NULL;
	if (discovered) {
		two->found = *discovered;
		*discovered = (struct Discovered){0};
	}
	if (two->cancel_in_done)
		discovery_cancel(two->discovery);
}

static inline void two_init(struct Two *two)
{
	struct HttpOptions options = {.max_connections = 8, .user_agent = "mcp-mux-test/1"};
	*two = (struct Two){
		.mux.connect_timeout_ms = 5000,
		.connector = {.url = g_strdup(MCP "/mcp"),
			.resource_parameter = true,
			.headers = g_ptr_array_new()},
	};
	fixture_init(&two->fixture);
	two->http = http_client_new(two->fixture.loop, &options, NULL);
	two->shared =
		(struct AuthShared){.loop = two->fixture.loop, .http = two->http, .mux = &two->mux};
	struct OauthServer *servers[] = {&two->mcp, &two->as};
	for (unsigned i = 0; i < G_N_ELEMENTS(servers); i++) {
		oauth_server_init(servers[i], two->fixture.loop);
		servers[i]->challenge = "";
		servers[i]->resource_metadata = false;
		servers[i]->metadata = false;
		oauth_server_say_always(servers[i], "/loop", 302, "Location: /loop\r\n", "");
	}
	mcp_origin = two->mcp.origin;
	as_origin = two->as.origin;
}

static inline void two_clear(struct Two *two)
{
	discovered_release(&two->found);
	g_clear_error(&two->error);
	two->done = 0;
}

static inline void two_release(struct Two *two)
{
	two_clear(two);
	challenge_free(two->challenge);
	g_free(two->connector.url);
	g_ptr_array_unref(two->connector.headers);
	http_client_free(two->http);
	oauth_server_release(&two->mcp);
	oauth_server_release(&two->as);
	fixture_release(&two->fixture);
}

static inline void use_url(struct Two *two, const char *url)
{
	g_free(two->connector.url);
	two->connector.url = g_strdup(url);
}

static inline void two_start(struct Two *two)
{
	two_clear(two);
	two->started = false;
	two->discovery = discovery_start(
		&two->shared, &two->connector, two->challenge, two->stored, on_done, two);
	two->started = true;
}

static inline void two_run(struct Two *two)
{
	two_start(two);
	turn_until(&two->fixture, two->done, 1);
}

/* A document of the resource RESOURCE at PATH of mcp. */
static inline void put_resource(
	struct Two *two, const char *path, const char *resource, const char *servers)
{
	g_autofree char *text = g_strdup_printf(
		"{\"resource\":\"%s\",\"authorization_servers\":[%s]}", resource, servers);
	oauth_server_say_always(&two->mcp, path, 200, "", text);
}

/* A document of ISSUER. */
static inline void put_server(struct OauthServer *server, const char *path, const char *issuer)
{
	g_autofree char *text = g_strdup_printf("{\"issuer\":\"%s\","
						"\"authorization_endpoint\":\"%s/authorize\","
						"\"token_endpoint\":\"%s/token\"}",
		issuer, issuer, issuer);
	oauth_server_say_always(server, path, 200, "", text);
}

static inline void name_place(struct Two *two, const char *url)
{
	challenge_free(two->challenge);
	g_autofree char *text = g_strdup_printf("Bearer resource_metadata=\"%s\"", url);
	two->challenge = challenge_parse(text);
	assert_non_null(two->challenge);
}

#define PUT_RESOURCE(two, path) put_resource((two), (path), MCP "/mcp", "\"" AS "\"")

/* What SERVER was asked for since the last time, in order: paths, then NULL. */
static inline void assert_asked(struct OauthServer *server, ...)
{
	g_autoptr(GString) wanted = g_string_new(NULL);
	g_autoptr(GString) came = g_string_new(NULL);
	const char *path;
	va_list args;
	va_start(args, server);
	while ((path = va_arg(args, const char *)))
		g_string_append_printf(
			wanted, "%s %s\n", strcmp(path, "/mcp") == 0 ? "POST" : "GET", path);
	va_end(args);
	for (guint i = 0; i < server->hits->len; i++) {
		const struct OauthHit *hit = server->hits->pdata[i];
		g_string_append_printf(came, "%s %s\n", hit->method, hit->path);
	}
	assert_string_equal(came->str, wanted->str);
}

#define assert_found(two, wanted_issuer, wanted_resource)                                          \
	do {                                                                                       \
		two_run(two);                                                                      \
		if ((two)->error)                                                                  \
			fail_msg("%s", (two)->error->message);                                     \
		assert_string_equal((two)->found.server.issuer, (wanted_issuer));                  \
		const char *expected = (wanted_resource);                                          \
		if (expected)                                                                      \
			assert_string_equal((two)->found.resource, expected);                      \
		else                                                                               \
			assert_null((two)->found.resource);                                        \
	} while (0)

#define assert_fault(two, wanted_code, wanted_text)                                                \
	do {                                                                                       \
		two_run(two);                                                                      \
		assert_non_null((two)->error);                                                     \
		assert_int_equal((two)->error->domain, MUX_ERROR);                                 \
		if (!strstr((two)->error->message, (wanted_text)))                                 \
			fail_msg("\"%s\" lacks \"%s\"", (two)->error->message, (wanted_text));     \
		assert_int_equal((two)->error->code, (wanted_code));                               \
	} while (0)

#endif
