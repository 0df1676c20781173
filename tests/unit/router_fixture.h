/* What the tests of mux/router share: an IDE on a socket in front of a router in front of peers. */
#ifndef MCP_MUX_TESTS_ROUTER_FIXTURE_H
#define MCP_MUX_TESTS_ROUTER_FIXTURE_H

#include "fast_clock.h"
#include "mcp_peer.h"

#include "base/error.h"
#include "mux/router.h"

enum { PEERS_MAX = 3 };

static struct Audit *ide_audit; /* of the routers that are made from now on */
static struct ListCache *ide_lists; /* likewise */
static struct Pins *ide_pins; /* likewise */

struct Ide {
	struct Fixture fixture;
	struct HttpClient *client;
	struct Peer peers[PEERS_MAX];
	struct Config *config;
	struct EraStore *eras;
	struct OutQueue *out;
	struct Router *router;
	int fds[2]; /* the router writes to the first */
	struct LoopWatch *watch;
	GString *in;
	GPtrArray *lines; /* char *, those that were heard set to NULL */
	unsigned heard;
	unsigned pressures;
	bool high;
};

static inline void ide_on_output(int fd, GIOCondition condition, void *user)
{
	struct Ide *ide = user;
	char bytes[65536];
	(void)condition;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	assert_true(n > 0);
	g_string_append_len(ide->in, bytes, n);
	const char *end;
	while ((end = memchr(ide->in->str, '\n', ide->in->len))) {
		size_t len = (size_t)(end - ide->in->str);
		/* stdout carries complete messages alone */
		assert_true(json_validate((struct Slice){ide->in->str, len}, NULL));
		g_ptr_array_add(ide->lines, g_strndup(ide->in->str, len));
		g_string_erase(ide->in, 0, (gssize)len + 1);
		ide->heard++;
	}
}

static inline void ide_on_closed(int error_number, void *user)
{
	(void)user;
	fail_msg("the output closed: %s", g_strerror(error_number));
}

static inline void ide_on_out_pressure(bool high, void *user)
{
	(void)high;
	(void)user;
}

static inline void ide_on_pressure(bool high, void *user)
{
	struct Ide *ide = user;
	ide->high = high;
	ide->pressures++;
}

/* All that a router needs, but for the router. */
static inline void ide_prepare(struct Ide *ide)
{
	struct HttpOptions http = {.max_connections = 200, .user_agent = "mcp-mux-test/1"};
	*ide = (struct Ide){0};
	fixture_init(&ide->fixture);
	for (unsigned i = 0; i < PEERS_MAX; i++)
		peer_init(&ide->peers[i], &ide->fixture);
	ide->client = http_client_new(ide->fixture.loop, &http, NULL);
	ide->eras = era_store_new(NULL);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ide->fds), 0);
	ide->in = g_string_new(NULL);
	ide->lines = g_ptr_array_new_with_free_func(g_free);
}

/* INI with @0, @1 and @2 for the peers' URLs; AUTH NULL: there are no accounts. */
static inline void ide_start(struct Ide *ide, const char *ini, struct AuthShared *auth)
{
	static const struct OutHandlers out_handlers = {ide_on_closed, ide_on_out_pressure};
	g_autofree char *text = g_strdup(ini);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		char place[] = {'@', (char)('0' + i), '\0'};
		g_auto(GStrv) parts = g_strsplit(text, place, -1);
		g_free(text);
		text = g_strjoinv(ide->peers[i].url, parts);
	}
	struct ConfigSource user = {"user.ini", slice_of(text)};
	g_autoptr(GError) error = NULL;
	ide->config = config_parse(NULL, &user, &error);
	if (error)
		fail_msg("%s", error->message);
	if (auth)
		auth->mux = &ide->config->mux;
	ide->watch = loop_watch(ide->fixture.loop, ide->fds[1], G_IO_IN, ide_on_output, ide);
	ide->out = out_queue_new(ide->fixture.loop, ide->fds[0], 64 << 20, &out_handlers, ide);
	const struct RouterOptions options = {
		.config = ide->config,
		.upstream = {ide->fixture.loop, ide->client, &ide->config->mux, ide->eras, auth,
			ide_lists},
		.out = ide->out,
		.output_bytes = 64 << 20,
		.config_path = "/home/me/mcp-mux.ini",
		.pressure = ide_on_pressure,
		.user = ide,
		.audit = ide_audit,
		.pins = ide_pins,
	};
	ide->router = router_new(&options);
}

static inline void ide_init(struct Ide *ide, const char *ini)
{
	ide_prepare(ide);
	ide_start(ide, ini, NULL);
}

/* All but the loop. */
static inline void ide_stop(struct Ide *ide)
{
	router_free(ide->router);
	out_queue_free(ide->out);
	loop_unwatch(ide->watch);
	close(ide->fds[0]);
	close(ide->fds[1]);
	http_client_free(ide->client);
	for (unsigned i = 0; i < PEERS_MAX; i++)
		peer_release(&ide->peers[i]);
	era_store_free(ide->eras);
	config_free(ide->config);
	g_string_free(ide->in, TRUE);
	g_ptr_array_unref(ide->lines);
}

static inline void ide_release(struct Ide *ide)
{
	ide_stop(ide);
	fixture_release(&ide->fixture);
}

static inline void ide_say(struct Ide *ide, const char *text)
{
	g_autofree char *line = g_strdup(text); /* which may be changed in place */
	router_line(ide->router, line, strlen(line));
	memset(line, '?', strlen(line));
}

/* The oldest line that was not heard yet and has MEMBER (raw) under KEY; NULL if there is none. */
static inline char *ide_find(struct Ide *ide, const char *key, const char *member)
{
	for (guint i = 0; i < ide->lines->len; i++) {
		char *line = ide->lines->pdata[i];
		if (!line || !slice_is(json_get(slice_of(line), key).raw, member))
			continue;
		ide->lines->pdata[i] = NULL;
		return line;
	}
	return NULL;
}

static inline char *ide_await(struct Ide *ide, const char *key, const char *member)
{
	char *line;
	while (!(line = ide_find(ide, key, member))) {
		if (fixture_turn(&ide->fixture, &ide->heard, ide->heard + 1, PATIENCE_MS))
			continue;
		for (guint i = 0; i < ide->lines->len; i++)
			print_message("heard: %s\n", (char *)ide->lines->pdata[i]);
		fail_msg("no message with %s %s", key, member);
	}
	return line;
}

/* The answer to the request of that id (raw JSON), for g_free. */
static inline char *ide_answer(struct Ide *ide, const char *id)
{
	return ide_await(ide, "id", id);
}

/* A notification of that method, for g_free. */
static inline char *ide_notice(struct Ide *ide, const char *method)
{
	g_autofree char *quoted = g_strdup_printf("\"%s\"", method);
	return ide_await(ide, "method", quoted);
}

/* Nothing that was not asked for may come. */
static inline void ide_hear_nothing(struct Ide *ide)
{
	fixture_turn_for(&ide->fixture, 50);
	for (guint i = 0; i < ide->lines->len; i++) {
		if (ide->lines->pdata[i])
			fail_msg("heard %s", (char *)ide->lines->pdata[i]);
	}
}

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		const char *whole = (text), *wanted = (part);                                      \
		if (!strstr(whole, wanted))                                                        \
			fail_msg("%s lacks %s", whole, wanted);                                    \
	} while (0)

#define assert_lacks(text, part)                                                                   \
	do {                                                                                       \
		const char *whole = (text), *wanted = (part);                                      \
		if (strstr(whole, wanted))                                                         \
			fail_msg("%s has %s", whole, wanted);                                      \
	} while (0)

/* Says TEXT and asserts that the answer to ID has PART. */
static inline void ide_exchange(struct Ide *ide, const char *text, const char *id, const char *part)
{
	ide_say(ide, text);
	g_autofree char *answer = ide_answer(ide, id);
	assert_has(answer, part);
}

#define LEGACY(id, method, params)                                                                 \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":{" params "}}"
#define IDE_META                                                                                   \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"ide\",\"version\":\"1\"},"             \
	"\"io.modelcontextprotocol/clientCapabilities\":{}}"
/* PARAMS begin with a comma where there are any. */
#define MODERN(id, method, params) LEGACY(id, method, IDE_META params)

#define CONNECTOR(name, place) "[connector:" name "]\nurl = " place "\nauth = none\n"
#define NATIVE(place) "[native]\nurl = " place "\nauth = none\n"

static inline void ide_initialize(struct Ide *ide, const char *revision)
{
	g_autofree char *text =
		g_strdup_printf(LEGACY("\"init\"", "initialize",
					"\"protocolVersion\":\"%s\",\"capabilities\":{},"
					"\"clientInfo\":{\"name\":\"me\"}"),
			revision);
	ide_say(ide, text);
	g_free(ide_answer(ide, "\"init\""));
	ide_say(ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
}

/* Opens peer N in the legacy era with these tools. */
static inline void ide_serve_legacy(struct Ide *ide, unsigned n, const char *items)
{
	peer_serve_initialize(&ide->peers[n], "2025-11-25", NULL, QUIET_TOOLS);
	peer_serve_tools(&ide->peers[n], items);
}

static inline void ide_serve_modern(struct Ide *ide, unsigned n, const char *items)
{
	peer_serve_discover(&ide->peers[n], QUIET_TOOLS);
	peer_serve_tools(&ide->peers[n], items);
}

/* The result of tools/list, which waits for what is opening; for g_free. */
static inline char *ide_list(struct Ide *ide)
{
	ide_say(ide, LEGACY("\"list\"", "tools/list", ""));
	return ide_answer(ide, "\"list\"");
}

#endif
