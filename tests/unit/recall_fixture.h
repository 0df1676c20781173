/* What the tests of what an upstream keeps on disk share: one upstream after another in front of the same server. For one source
 * file of a program alone. */
#ifndef MCP_MUX_TESTS_RECALL_FIXTURE_H
#define MCP_MUX_TESTS_RECALL_FIXTURE_H

#include "account_fixture.h"
#include "list_fixture.h"

#include "upstream/internal.h"

#define PROMPT(name) "{\"name\":\"" name "\"}"
#define EVERYTHING "{\"tools\":{},\"prompts\":{},\"resources\":{}}"

enum { KEEP_MS = 1000 };

struct Runs {
	char *folder, *dir;
	struct ListCache *cache;
	struct Office o; /* of the tests with accounts */
	struct Up own, *u;
	bool has_account;
};

/* KEYS with `auth = none` or another kind. */
static inline void runs_init(struct Runs *r, const char *keys)
{
	*r = (struct Runs){.has_account = strcmp(keys, "auth = none") != 0};
	r->dir = list_open(&r->folder);
	r->cache = list_cache_new();
	if (r->has_account)
		office_init(&r->o, keys);
	else
		up_init_with(&r->own, keys);
	r->u = r->has_account ? &r->o.u : &r->own;
	r->u->up->shared.lists = r->cache;
}

static inline void runs_release(struct Runs *r)
{
	if (r->has_account)
		office_release(&r->o);
	else
		up_release(&r->own);
	list_cache_free(r->cache);
	g_free(r->dir);
	list_close(r->folder);
}

/* The process ends, and another one begins. */
static inline void next_run(struct Runs *r)
{
	struct Up *u = r->u;
	struct UpstreamShared shared = u->up->shared;
	struct UpstreamHandlers handlers = u->up->handlers;
	const struct ConnectorConfig *connector = u->up->connector;
	upstream_shutdown(u->up);
	upstream_free(u->up);
	u->up = upstream_new(&shared, connector, &handlers, u);
	u->tools = u->states = 0;
	memset(u->items, 0, sizeof(u->items));
	for (GList *link = u->peer.hits.head; link; link = link->next)
		hit_cut(link->data);
	g_queue_clear(&u->peer.hits);
}

static inline bool recall(struct Runs *r, enum Era era)
{
	struct Up *u = r->u;
	unsigned called = u->states + u->tools + u->items[MCP_PROMPTS] + u->items[MCP_TEMPLATES];
	bool found = upstream_recall(u->up, era);
	upstream_recall_lists(u->up);
	assert_int_equal(
		called, u->states + u->tools + u->items[MCP_PROMPTS] + u->items[MCP_TEMPLATES]);
	return found;
}

static inline void await_listed(struct Up *u, enum McpList kind)
{
	while (!u->up->lists[kind].listed)
		turn_until(&u->fixture, u->states, u->states + 1);
}

/* A first run, in which the server has one tool. */
static inline void fill(struct Runs *r, const char *tools)
{
	assert_false(recall(r, ERA_LEGACY));
	up_open_legacy(r->u, NULL, QUIET_TOOLS, tools);
	assert_int_equal(list_files(r->dir, NULL), 0); /* not at once */
	next_run(r);
	assert_int_equal(list_files(r->dir, NULL), 1);
}

static inline const char *tool_at(const struct Up *u, guint i)
{
	struct ToolList *tools = upstream_tools(u->up);
	assert_non_null(tools);
	assert_true(i < tools->tools->len);
	return ((const struct Tool *)tools->tools->pdata[i])->name;
}

static inline char *kept_text(const struct Runs *r)
{
	g_autofree char *name = NULL;
	assert_int_equal(list_files(r->dir, &name), 1);
	g_autofree char *path = g_build_filename(r->dir, name, NULL);
	char *text;
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	return text;
}

#endif
