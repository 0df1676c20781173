/* The notification stream of a modern server. */
#ifndef MCP_MUX_TESTS_LISTEN_FIXTURE_H
#define MCP_MUX_TESTS_LISTEN_FIXTURE_H

#include "watch_fixture.h"

#define WATCHING "{\"tools\":{},\"resources\":{\"subscribe\":true}}"
#define TELLING "{\"tools\":{\"listChanged\":true},\"resources\":{\"subscribe\":true}}"
#define TOOLS_CHANGED "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}"
#define A_AND_B "{\"resourceSubscriptions\":[\"x://a\",\"x://b\"]}"
#define ONLY_A "{\"resourceSubscriptions\":[\"x://a\"]}"
#define ONLY_B "{\"resourceSubscriptions\":[\"x://b\"]}"
#define TOOLS "{\"toolsListChanged\":true}"
#define TOOLS_AND_A "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x://a\"]}"
#define TOOLS_AND_B "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x://b\"]}"
#define TOOLS_A_AND_B "{\"toolsListChanged\":true,\"resourceSubscriptions\":[\"x://a\",\"x://b\"]}"

static inline struct Hit *await_listen(struct Up *u, const char *filter)
{
	struct Hit *hit = peer_await(&u->peer, "subscriptions/listen");
	struct Slice params = json_get(slice_of(hit->body), "params").raw;
	g_autofree char *asked = slice_dup(json_get(params, "notifications").raw);
	assert_string_equal(asked, filter);
	return hit;
}

static inline void acknowledge(struct Hit *hit, const char *filter)
{
	g_autofree char *text = g_strdup_printf(
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\","
		"\"params\":{\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":%s},"
		"\"notifications\":%s}}",
		hit->id, filter);
	hit_event(hit, text);
}

/* The server agrees to all of it. */
static inline struct Hit *serve_listen(struct Up *u, const char *filter)
{
	struct Hit *hit = await_listen(u, filter);
	hit_stream(hit, "");
	acknowledge(hit, filter);
	return hit;
}

static inline void open_watching(struct Up *u, const char *capabilities)
{
	up_init(u);
	up_open_modern(u, capabilities, ADD_TOOL);
}

/* Open, and x://a is watched. */
static inline struct Hit *open_with_a(struct Up *u, struct Look *look)
{
	open_watching(u, WATCHING);
	look_start(u, look, "x://a");
	struct Hit *hit = serve_listen(u, ONLY_A);
	assert_watched(look);
	return hit;
}

/* The same, and the server tells of its tools besides. */
static inline struct Hit *open_with_tools_and_a(struct Up *u, struct Look *look)
{
	open_watching(u, TELLING);
	serve_listen(u, TOOLS);
	look_start(u, look, "x://a");
	struct Hit *hit = serve_listen(u, TOOLS_AND_A);
	assert_watched(look);
	fixture_turn_for(&u->fixture, 1);
	clock_jump(&u->fixture, 300); /* the first is heard no more */
	return hit;
}

#endif
