/* What the tests of prompts, resources and subscriptions share: servers that offer them. */
#ifndef MCP_MUX_TESTS_ITEMS_FIXTURE_H
#define MCP_MUX_TESTS_ITEMS_FIXTURE_H

#include "router_fixture.h"

#define PROMPT(name) "{\"name\":\"" name "\"}"
#define RESOURCE(uri) "{\"uri\":\"" uri "\",\"name\":\"n\"}"
#define TEMPLATE(text) "{\"uriTemplate\":\"" text "\",\"name\":\"n\"}"

/* What a server may offer without ever saying that it changed. */
#define OFFERS_QUIET "{\"tools\":{},\"prompts\":{},\"resources\":{},\"completions\":{}}"
#define OFFERS_ALL                                                                                 \
	"{\"tools\":{\"listChanged\":true},\"prompts\":{\"listChanged\":true},\"resources\":{"     \
	"\"listChanged\":true,\"subscribe\":true},\"completions\":{},\"logging\":{}}"

#define READ(id, uri) LEGACY(id, "resources/read", "\"uri\":\"" uri "\"")
#define NOTICE(method, params)                                                                     \
	"{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":{" params "}}"
#define CANCEL(id) NOTICE("notifications/cancelled", "\"requestId\":" id)

/* A modern request of an IDE that can do CAPABILITIES. PARAMS begin with a comma where there are any. */
#define DECLARING(id, method, capabilities, params)                                                \
	LEGACY(id, method,                                                                         \
		"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","           \
		"\"io.modelcontextprotocol/clientInfo\":{\"name\":\"ide\",\"version\":\"1\"},"     \
		"\"io.modelcontextprotocol/clientCapabilities\":" capabilities "}" params)

/* Opens peer N in that era, without tools. */
static inline void ide_serve(struct Ide *ide, unsigned n, enum Era era, const char *offers)
{
	if (era == ERA_MODERN)
		peer_serve_discover(&ide->peers[n], offers);
	else
		peer_serve_initialize(&ide->peers[n], "2025-11-25", "S", offers);
	peer_serve_tools(&ide->peers[n], "");
}

/* Answers peer N's part of resources and templates. */
static inline void ide_serve_resources(
	struct Ide *ide, unsigned n, const char *resources, const char *templates)
{
	peer_serve_list(&ide->peers[n], MCP_RESOURCES, resources);
	peer_serve_list(&ide->peers[n], MCP_TEMPLATES, templates);
}

/* The strings under KEY in the list RESULT.MEMBER of an answer, each followed by a space, for g_free. */
static inline char *ide_keys(const char *answer, enum McpList list)
{
	GString *keys = g_string_new(NULL);
	struct Slice result = json_get(slice_of(answer), "result").raw;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, json_get(result, mcp_lists[list].member).raw) {
		g_autofree char *key =
			json_string_dup(json_get(item.value.raw, mcp_lists[list].key));
		g_string_append_printf(keys, "%s ", key);
	}
	return g_string_free(keys, FALSE);
}

#define assert_keys(answer, list, wanted)                                                          \
	do {                                                                                       \
		g_autofree char *keys_there = ide_keys((answer), (list));                          \
		assert_string_equal(keys_there, wanted);                                           \
	} while (0)

/* A legacy IDE's list. */
static inline void ide_expect_list(struct Ide *ide, enum McpList list, const char *wanted)
{
	g_autofree char *text = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"id\":\"list\",\"method\":\"%s\"}", mcp_lists[list].method);
	ide_say(ide, text);
	g_autofree char *answer = ide_answer(ide, "\"list\"");
	assert_keys(answer, list, wanted);
}

/* A modern IDE's list. */
static inline void ide_expect_modern_list(struct Ide *ide, enum McpList list, const char *wanted)
{
	g_autofree char *text =
		g_strdup_printf(MODERN("\"list\"", "%s", ""), mcp_lists[list].method);
	ide_say(ide, text);
	g_autofree char *answer = ide_answer(ide, "\"list\"");
	assert_keys(answer, list, wanted);
}

/* As peer_await, but of several that are on their way that whose body has PART. */
static inline struct Hit *peer_await_with(struct Peer *peer, const char *label, const char *part)
{
	for (;;) {
		for (GList *link = peer->hits.head; link; link = link->next) {
			struct Hit *hit = link->data;
			if (strcmp(hit->label, label) == 0 && strstr(hit->body, part)) {
				g_queue_delete_link(&peer->hits, link);
				return hit;
			}
		}
		if (!fixture_turn(peer->fixture, &peer->arrived, peer->arrived + 1, PATIENCE_MS))
			fail_msg("no %s with %s came", label, part);
	}
}

/* The same of a request of our own about URI. */
static inline struct Hit *peer_await_uri(struct Peer *peer, const char *method, const char *uri)
{
	g_autofree char *params = g_strdup_printf("\"params\":{\"uri\":\"%s\"}", uri);
	return peer_await_with(peer, method, params);
}

/* Waits until all that came on this stream of a legacy server was heard. */
static inline void stream_await_heard(struct Peer *peer, struct Hit *stream)
{
	hit_event(stream, "{\"jsonrpc\":\"2.0\",\"id\":\"heard\",\"method\":\"ping\"}");
	hit_reply(peer_await_with(peer, "answer", "\"heard\""), 202, "", "");
}

/* Nothing was sent to peer N that nobody awaited. */
static inline void peer_expect_nothing(struct Peer *peer)
{
	fixture_turn_for(peer->fixture, 40);
	for (GList *link = peer->hits.head; link; link = link->next) {
		const struct Hit *hit = link->data;
		if (strcmp(hit->label, "GET") != 0 &&
			strcmp(hit->label, "subscriptions/listen") != 0)
			fail_msg("%s came", hit->label);
	}
}

/* ---- a legacy IDE that reads ---- */

/* Reads URI: peer N is asked, and none else. */
static inline void expect_reader(struct Ide *ide, const char *uri, unsigned n)
{
	g_autofree char *text = g_strdup_printf(READ("\"read\"", "%s"), uri);
	ide_say(ide, text);
	struct Hit *hit = peer_await(&ide->peers[n], "resources/read");
	g_autofree char *there =
		json_string_dup(json_get(json_get(slice_of(hit->body), "params").raw, "uri"));
	assert_string_equal(there, uri);
	hit_result(hit, "{\"contents\":[]}");
	g_free(ide_answer(ide, "\"read\""));
}

/* One read of URI, which peers answer if it comes to them. Whether it came to one. */
static inline bool ide_reads(struct Ide *ide, const char *uri)
{
	g_autofree char *text = g_strdup_printf(READ("\"read\"", "%s"), uri);
	g_autofree char *answer = NULL;
	ide_say(ide, text);
	while (!(answer = ide_find(ide, "id", "\"read\""))) {
		fixture_turn_for(&ide->fixture, 1);
		for (unsigned i = 0; i < PEERS_MAX; i++) {
			struct Hit *hit = peer_find(&ide->peers[i], "resources/read");
			if (hit)
				hit_result(hit, "{\"contents\":[]}");
		}
	}
	return !strstr(answer, "\"error\"");
}

/* Waits until what was heard of URI is that somebody has it, or nobody. */
static inline void await_read(struct Ide *ide, const char *uri, bool found)
{
	for (unsigned i = 0; ide_reads(ide, uri) != found; i++) {
		if (i == PATIENCE_MS)
			fail_msg("%s is %sthere", uri, found ? "not " : "");
	}
}

/* Nobody is asked. */
static inline void expect_not_found(struct Ide *ide, const char *uri)
{
	g_autofree char *text = g_strdup_printf(READ("\"read\"", "%s"), uri);
	ide_say(ide, text);
	g_autofree char *answer = ide_answer(ide, "\"read\"");
	g_autofree char *error =
		g_strdup_printf("\"error\":{\"code\":-32002,\"message\":\"Resource not "
				"found: %s\",\"data\":{\"uri\":\"%s\"}}",
			uri, uri);
	assert_has(answer, error);
	for (unsigned i = 0; i < PEERS_MAX; i++)
		assert_null(peer_find(&ide->peers[i], "resources/read"));
}

#endif
