/* Any result as a list of each kind: what the list says of it stays inside the page, keys are unique, and a page that
 * comes again brings nothing new. */
#include "format/item.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct Slice part, struct Slice whole)
{
	if (part.data < whole.data || part.data + part.len > whole.data + whole.len)
		abort();
}

static void check_item(const struct ItemList *list, const struct Item *item, GHashTable *keys)
{
	check_inside(item->raw_key, item->raw);
	if (!*item->key || !json_string_is(item->raw_key, slice_of(item->key)))
		abort();
	if (!g_hash_table_add(keys, item->key))
		abort();
	if (item->invalid && !*item->invalid)
		abort();
	if (item->invalid)
		return;
	const struct McpListInfo *info = &mcp_lists[list->kind];
	struct JsonValue key = json_get(item->raw, info->key);
	if (!slice_eq(key.raw, item->raw_key) || json_has_duplicate(item->raw, &info->key, 1))
		abort();
	if (json_get(item->raw, "name").type != JSON_STRING)
		abort();
}

static unsigned count(struct Slice result, const char *member)
{
	unsigned n = 0;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, json_get(result, member).raw)
		n++;
	return n;
}

static void check_list(enum McpList kind, GBytes *page, struct Slice result)
{
	g_autoptr(ItemList) list = item_list_new(kind);
	struct Slice cursor = {NULL, 0};
	unsigned skipped = 0;
	if (!item_list_add_page(list, page, result, &cursor, &skipped, NULL)) {
		if (cursor.len || skipped || list->items->len || list->pages->len)
			abort();
		return;
	}
	if (cursor.len)
		check_inside(cursor, result);
	unsigned n = count(result, mcp_lists[kind].member);
	if (list->items->len + skipped != n || list->ttl_ms < -1)
		abort();
	g_autoptr(GHashTable) keys = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned i = 0; i < list->items->len; i++) {
		const struct Item *item = list->items->pdata[i];
		check_inside(item->raw, result);
		check_item(list, item, keys);
	}
	unsigned again = 0;
	g_autoptr(ItemList) other = item_list_new(kind);
	if (!item_list_add_page(other, page, result, &cursor, &again, NULL) || again != skipped ||
		!item_list_equal(list, other))
		abort();
	if (item_list_add_page(list, page, result, &cursor, &skipped, NULL) &&
		(skipped != again + n || !item_list_equal(list, other)))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autoptr(GBytes) page = g_bytes_new(data, size);
	gsize len = 0;
	struct Slice text = {g_bytes_get_data(page, &len), size};
	if (!text.data || !json_validate(text, NULL))
		return 0;
	struct JsonValue root = json_root(text);
	if (root.type != JSON_OBJECT)
		return 0;
	check_list(MCP_PROMPTS, page, root.raw);
	check_list(MCP_RESOURCES, page, root.raw);
	check_list(MCP_TEMPLATES, page, root.raw);
	return 0;
}
