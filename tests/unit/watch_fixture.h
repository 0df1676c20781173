/* Watches of an upstream's resources, with what became of them. */
#ifndef MCP_MUX_TESTS_WATCH_FIXTURE_H
#define MCP_MUX_TESTS_WATCH_FIXTURE_H

#include "upstream_fixture.h"

#define UPDATED(uri)                                                                               \
	"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{"         \
	"\"uri\":\"" uri "\"}}"

struct Look {
	struct Up *u;
	const char *uri;
	unsigned told;
	GError *error;
	char *object; /* the server's error object, "" for none */
	void (*on_told)(struct Look *look);
};

static inline void look_on_told(const GError *error, struct Slice error_object, void *user)
{
	struct Look *look = user;
	assert_false(look->u->inside);
	look->told++;
	g_clear_error(&look->error);
	look->error = error ? g_error_copy(error) : NULL;
	g_free(look->object);
	look->object = slice_dup(error_object);
	if (look->on_told)
		look->on_told(look);
}

static inline void look_start(struct Up *u, struct Look *look, const char *uri)
{
	bool inside = u->inside;
	look->u = u;
	look->uri = uri;
	u->inside = true;
	upstream_watch(u->up, uri, look_on_told, look);
	u->inside = inside;
}

static inline void look_end(struct Look *look)
{
	bool inside = look->u->inside;
	look->u->inside = true;
	upstream_unwatch(look->u->up, look->uri, look);
	look->u->inside = inside;
}

static inline void look_await(struct Look *look)
{
	turn_until(&look->u->fixture, look->told, 1);
}

static inline void look_release(struct Look *look)
{
	g_clear_error(&look->error);
	g_clear_pointer(&look->object, g_free);
}

#define assert_watched(look)                                                                       \
	do {                                                                                       \
		look_await(look);                                                                  \
		if ((look)->error)                                                                 \
			fail_msg("%s", (look)->error->message);                                    \
		assert_int_equal((look)->told, 1);                                                 \
	} while (0)

#define assert_not_watched(look, wanted_code, part)                                                \
	do {                                                                                       \
		look_await(look);                                                                  \
		assert_int_equal((look)->told, 1);                                                 \
		assert_non_null((look)->error);                                                    \
		if (!strstr((look)->error->message, (part)))                                       \
			fail_msg("\"%s\" lacks \"%s\"", (look)->error->message, (part));           \
		assert_int_equal((look)->error->code, (wanted_code));                              \
	} while (0)

/* What has come to `message` so far, and forgets it. */
#define assert_said(u, lines)                                                                      \
	do {                                                                                       \
		assert_string_equal((u)->said ? (u)->said->str : "", (lines));                     \
		up_forget_messages(u);                                                             \
	} while (0)

/* ---- a legacy server ---- */

#define SUBSCRIBE "{\"resources\":{\"subscribe\":true}}"
#define SUBSCRIBE_TOOLS "{\"tools\":{},\"resources\":{\"subscribe\":true}}"

/* Open, without a word of the server's on a stream of its own. */
static inline void open_legacy(struct Up *u, const char *session)
{
	up_init(u);
	up_open_legacy(u, session, SUBSCRIBE_TOOLS, ADD_TOOL);
	hit_reply(peer_await(&u->peer, "GET"), 405, "", "");
}

/* The next request of METHOD for URI. */
static inline struct Hit *await_request(struct Up *u, const char *method, const char *uri)
{
	g_autofree char *params = g_strdup_printf("\"params\":{\"uri\":\"%s\"}}", uri);
	for (;;) {
		for (GList *link = u->peer.hits.head; link; link = link->next) {
			struct Hit *hit = link->data;
			if (strcmp(hit->label, method) == 0 &&
				g_str_has_suffix(hit->body, params)) {
				g_queue_delete_link(&u->peer.hits, link);
				return hit;
			}
		}
		turn_until(&u->fixture, u->peer.arrived, u->peer.arrived + 1);
	}
}

static inline void accept_watch(struct Up *u, struct Look *look, const char *uri)
{
	look_start(u, look, uri);
	hit_result(await_request(u, "resources/subscribe", uri), "{}");
	assert_watched(look);
}

#endif
