/* Prompts, resources and resource templates as an upstream listed them (MCP 2026-07-28, "Prompts", "Resources"). */
#ifndef MCP_MUX_FORMAT_ITEM_H
#define MCP_MUX_FORMAT_ITEM_H

#include "base/cleanup.h"
#include "format/json.h"
#include "format/mcp_list.h"

struct Item {
	char *key; /* decoded: a prompt's name, a resource's uri, a template's uriTemplate */
	struct Slice raw; /* the definition's bytes, inside the list's pages */
	struct Slice raw_key; /* the raw string of the key, inside RAW */
	char *invalid; /* why it must not be shown, NULL where it may: a member is of another type than
			* every revision's schema demands (an SDK client rejects the whole list for
			* one), or one that is looked at is there twice */
};

/* More items in one list are an error. */
enum { ITEM_LIST_MAX = 20000 };

/* All items of one kind of one upstream, in the order in which it gave them. Reference-counted, immutable once
 * shared. */
struct ItemList {
	unsigned references;
	enum McpList kind; /* not MCP_TOOLS */
	GPtrArray *pages; /* GBytes: the texts into which the slices point */
	GPtrArray *items; /* struct Item */
	int64_t ttl_ms; /* the least ttlMs of its pages; -1 where none was given */
	GHashTable *keys; /* private */
};

struct ItemList *item_list_new(enum McpList kind);
struct ItemList *item_list_ref(struct ItemList *list);
void item_list_unref(struct ItemList *list);
MUX_AUTOPTR(ItemList, item_list_unref)

/* Adds the items of one page: as tool_list_add_page (format/tool.h) does it for tools, with the same errors. */
bool item_list_add_page(struct ItemList *list, GBytes *page, struct Slice result,
	struct Slice *cursor, unsigned *skipped, GError **error);

/* Whether both lists have the same items with the same bytes in the same order. */
bool item_list_equal(const struct ItemList *a, const struct ItemList *b);

#endif
