/* What the tests of servers' requests share: an IDE that declares what it can do, in either era, in front of a server with
 * one tool, in either era. */
#ifndef MCP_MUX_TESTS_INPUTS_FIXTURE_H
#define MCP_MUX_TESTS_INPUTS_FIXTURE_H

#include "router_fixture.h"

#define CAN_ALL                                                                                    \
	"{\"elicitation\":{\"form\":{},\"url\":{}},\"sampling\":{\"tools\":{}},\"roots\":{"        \
	"\"listChanged\":true}}"
#define CANCELLED "notifications/cancelled"
#define FORM(message)                                                                              \
	"{\"mode\":\"form\",\"message\":\"" message "\",\"requestedSchema\":{\"type\":\"object\"," \
	"\"properties\":{\"n\":{\"type\":\"number\",\"default\":1.0}}}}"
/* A server's request: ID raw, PARAMS raw object. */
#define ASKS(id, method, params)                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"" method "\",\"params\":" params "}"
#define ASKS_ROOTS(id) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"method\":\"roots/list\"}"
#define NOTES(method, params)                                                                      \
	"{\"jsonrpc\":\"2.0\",\"method\":\"" method "\",\"params\":" params "}"
#define ADD_CALL(id) LEGACY(id, "tools/call", "\"name\":\"a__add\",\"arguments\":{\"n\":1.0}")

/* ---- legacy IDEs ---- */

static inline void ide_greet(struct Ide *ide, const char *revision, const char *capabilities)
{
	g_autofree char *text =
		g_strdup_printf(LEGACY("\"init\"", "initialize",
					"\"protocolVersion\":\"%s\",\"capabilities\":%s,"
					"\"clientInfo\":{\"name\":\"me\"}"),
			revision, capabilities);
	ide_say(ide, text);
	g_free(ide_answer(ide, "\"init\""));
	ide_say(ide, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}");
}

/* The IDE answers QUESTION, a line of ours; ANSWER: raw `"result":…` or `"error":…`. */
static inline void ide_reply(struct Ide *ide, const char *question, const char *answer)
{
	g_autofree char *id = slice_dup(json_get(slice_of(question), "id").raw);
	g_autofree char *text = g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":%s,%s}", id, answer);
	ide_say(ide, text);
}

/* The string at PATH (keys with dots between), for g_free. */
static inline char *line_string(const char *line, const char *path)
{
	g_auto(GStrv) keys = g_strsplit(path, ".", -1);
	struct JsonValue value = json_root(slice_of(line));
	for (char **key = keys; *key; key++)
		value = json_get(value.raw, *key);
	char *text = json_string_dup(value);
	if (!text)
		fail_msg("%s has no string %s", line, path);
	return text;
}

/* The IDE is told that QUESTION is not needed any more; the notice, for g_free. */
static inline char *ide_await_withdrawn(struct Ide *ide, const char *question)
{
	g_autofree char *id = line_string(question, "id");
	char *notice = ide_notice(ide, CANCELLED);
	g_autofree char *which = line_string(notice, "params.requestId");
	assert_string_equal(which, id);
	return notice;
}

#define assert_withdrawn(ide, question) g_free(ide_await_withdrawn((ide), (question)))

/* ---- modern IDEs ---- */

#define META_WITH(capabilities, more)                                                              \
	"\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\","                   \
	"\"io.modelcontextprotocol/clientCapabilities\":" capabilities more "}"
#define ABLE_CALL_WITH(id, more, arguments)                                                        \
	LEGACY(id, "tools/call",                                                                   \
		META_WITH(CAN_ALL, more) ",\"name\":\"a__add\",\"arguments\":" arguments)
/* A call of an IDE that can do everything. */
#define ABLE_CALL(id) ABLE_CALL_WITH(id, "", "{\"n\":1.0}")

/* The same call again, MORE: raw members of _meta with a comma before them; RESPONSES: a raw value, NULL: none. */
static inline void ide_retry_with(
	struct Ide *ide, const char *id, const char *more, const char *state, const char *responses)
{
	g_autofree char *given =
		responses ? g_strdup_printf(",\"inputResponses\":%s", responses) : g_strdup("");
	g_autofree char *text = g_strdup_printf(
		LEGACY("%s", "tools/call",
			META_WITH(CAN_ALL, "%s") ",\"name\":\"a__add\",\"arguments\":{\"n\":1.0}%s,"
						 "\"requestState\":\"%s\""),
		id, more, given, state);
	ide_say(ide, text);
}

static inline void ide_retry(
	struct Ide *ide, const char *id, const char *state, const char *responses)
{
	ide_retry_with(ide, id, "", state, responses);
}

/* The answer to ID wants input: REQUESTS is the raw inputRequests. The handle, for g_free. */
static inline char *ide_await_wanted(struct Ide *ide, const char *id, const char *requests)
{
	g_autofree char *answer = ide_answer(ide, id);
	struct Slice result = json_get(slice_of(answer), "result").raw;
	char *state = line_string(answer, "result.requestState");
	g_autofree char *expected =
		g_strdup_printf("{\"resultType\":\"input_required\",\"inputRequests\":%s,"
				"\"requestState\":\"%s\"}",
			requests, state);
	g_autofree char *is = slice_dup(result);
	assert_string_equal(is, expected);
	assert_true(g_str_has_prefix(state, "mcp-mux.1."));
	return state;
}

/* MUX: keys of [mux] with its head, or "". */
static inline void open_modern_ide(struct Ide *ide, const char *mux, const char *server)
{
	g_autofree char *ini = g_strconcat(mux, CONNECTOR("a", "@0"), NULL);
	ide_init(ide, ini);
	ide_say(ide, LEGACY("\"list\"", "tools/list", META_WITH(CAN_ALL, "")));
	hit_error(peer_await(&ide->peers[0], "server/discover"), 404, -32601, "");
	peer_serve_initialize(&ide->peers[0], "2025-11-25", "S", server);
	peer_serve_tools(&ide->peers[0], ADD_TOOL);
	g_free(ide_answer(ide, "\"list\""));
}

/* ---- servers ---- */

/* A legacy server's session S with the tool add, where the IDE is legacy; CAPABILITIES: of the server. */
static inline void inputs_serve_legacy(struct Ide *ide, unsigned n, const char *capabilities)
{
	peer_serve_initialize(&ide->peers[n], "2025-11-25", "S", capabilities);
	peer_serve_tools(&ide->peers[n], ADD_TOOL);
}

/* An answer to the server: to the request of ID (raw). PART stands in it. */
static inline void peer_await_reply(struct Peer *peer, const char *id, const char *part)
{
	struct Hit *hit = peer_await(peer, "answer");
	assert_header(hit, "Mcp-Session-Id", "S");
	assert_string_equal(hit->id, id);
	assert_has(hit->body, part);
	hit_reply(hit, 202, "", "");
}

/* A call of the server, whose answer is a stream. */
static inline struct Hit *peer_await_call(struct Peer *peer)
{
	struct Hit *hit = peer_await(peer, "tools/call");
	hit_stream(hit, "");
	return hit;
}

/* The end of such a call. */
static inline void hit_finish(struct Hit *hit, const char *result)
{
	hit_event_result(hit, result);
	hit_stream_end(hit);
}

/* The server is told that a call of ours, HIT, is not wanted any more. */
static inline void peer_await_cancel(struct Peer *peer, const struct Hit *hit)
{
	struct Hit *notice = peer_await(peer, CANCELLED);
	g_autofree char *id = g_strdup_printf("\"requestId\":%s", hit->id);
	assert_has(notice->body, id);
	hit_reply(notice, 202, "", "");
}

/* ---- calls that are held ---- */

#define FORM_WANTED(message) "{\"method\":\"elicitation/create\",\"params\":" FORM(message) "}"
#define ROOTS_WANTED "{\"method\":\"roots/list\"}"

static inline struct Hit *open_modern_call(struct Ide *ide, const char *mux)
{
	open_modern_ide(ide, mux, QUIET_TOOLS);
	ide_say(ide, ABLE_CALL("1"));
	return peer_await_call(&ide->peers[0]);
}

/* The call of request 1, which asks for roots under the id 5; its handle, for g_free. */
static inline char *open_held(struct Ide *ide, const char *mux, struct Hit **call)
{
	*call = open_modern_call(ide, mux);
	hit_event(*call, ASKS_ROOTS("5"));
	return ide_await_wanted(ide, "1", "{\"q1\":" ROOTS_WANTED "}");
}

/* The retry ID brings a state that is not known. */
static inline void assert_unknown(struct Ide *ide, const char *id)
{
	g_autofree char *answer = ide_answer(ide, id);
	assert_has(answer, "\"code\":-32602");
	assert_has(answer, "requestState");
}

#endif
