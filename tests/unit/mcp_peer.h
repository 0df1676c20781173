/* A peer as an MCP server: the answers that most tests have in common. */
#ifndef MCP_MUX_TESTS_MCP_PEER_H
#define MCP_MUX_TESTS_MCP_PEER_H

#include "peer.h"

#include "format/mcp_list.h"

#define ADD_TOOL "{\"name\":\"add\",\"inputSchema\":{\"type\":\"object\"}}"
#define READ_TOOL                                                                                  \
	"{\"name\":\"look\",\"inputSchema\":{\"type\":\"object\"},\"annotations\":{"               \
	"\"readOnlyHint\":true}}"
#define QUIET_TOOLS "{\"tools\":{}}"
#define CHANGING_TOOLS "{\"tools\":{\"listChanged\":true}}"

/* Answers a handshake that was begun; SESSION may be NULL. Leaves off before tools/list. */
static inline void peer_serve_initialize(
	struct Peer *peer, const char *revision, const char *session, const char *capabilities)
{
	struct Hit *hit = peer_await(peer, "initialize");
	g_autofree char *headers =
		session ? g_strdup_printf("Mcp-Session-Id: %s\r\n", session) : g_strdup("");
	g_autofree char *result = g_strdup_printf(
		"{\"protocolVersion\":\"%s\",\"capabilities\":%s,\"serverInfo\":{\"name\":\"s\","
		"\"version\":\"1\"}}",
		revision, capabilities);
	g_autofree char *text = result_text(hit, result);
	hit_reply(hit, 200, headers, text);
	struct Hit *initialized = peer_await(peer, "notifications/initialized");
	assert_header(initialized, "Mcp-Session-Id", session);
	assert_header(initialized, "MCP-Protocol-Version", revision);
	hit_reply(initialized, 202, "", "");
}

static inline void peer_serve_discover(struct Peer *peer, const char *capabilities)
{
	struct Hit *hit = peer_await(peer, "server/discover");
	g_autofree char *result = g_strdup_printf(
		"{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],"
		"\"capabilities\":%s}",
		capabilities);
	hit_result(hit, result);
}

/* Answers the request for a list with one page of ITEMS. */
static inline void peer_serve_list(struct Peer *peer, enum McpList kind, const char *items)
{
	struct Hit *hit = peer_await(peer, mcp_lists[kind].method);
	g_autofree char *result = g_strdup_printf("{\"%s\":[%s]}", mcp_lists[kind].member, items);
	hit_result(hit, result);
}

static inline void peer_serve_tools(struct Peer *peer, const char *items)
{
	peer_serve_list(peer, MCP_TOOLS, items);
}

#endif
