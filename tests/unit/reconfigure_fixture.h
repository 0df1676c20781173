/* What the tests of mux/reconfigure share: an edit of the configuration under a router that runs. Includes after
 * router_fixture.h. */
#ifndef MCP_MUX_TESTS_RECONFIGURE_FIXTURE_H
#define MCP_MUX_TESTS_RECONFIGURE_FIXTURE_H

#include "router_fixture.h"

#define TOOLS_CHANGED "notifications/tools/list_changed"
#define UPDATED "notifications/resources/updated"

/* The configuration says INI from now on, with @0, @1 and @2 for the peers' URLs. */
static inline void ide_edit(struct Ide *ide, const char *ini)
{
	g_autofree char *text = g_strdup(ini);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		char place[] = {'@', (char)('0' + i), '\0'};
		g_auto(GStrv) parts = g_strsplit(text, place, -1);
		g_free(text);
		text = g_strjoinv(ide->peers[i].url, parts);
	}
	const struct ConfigSource user = {"user.ini", slice_of(text)};
	g_autoptr(GError) error = NULL;
	GPtrArray *gone = NULL;
	struct Config *fresh = config_parse(NULL, &user, &error);
	if (error)
		fail_msg("%s", error->message);
	config_adopt(ide->config, fresh, &gone);
	router_reconfigure(ide->router, gone);
}

/* The session S of peer N is deleted. */
static inline void peer_await_delete(struct Peer *peer)
{
	struct Hit *hit = peer_await(peer, "DELETE");
	assert_header(hit, "Mcp-Session-Id", "S");
	hit_reply(hit, 200, "", "");
}

#endif
