/* Any tools/list result: what the list says of it stays inside the page, names are unique, and the
 * same page gives the same list. */
#include "format/tool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct Slice part, struct Slice whole)
{
	if (part.data < whole.data || part.data + part.len > whole.data + whole.len)
		abort();
}

static void check_tool(const struct Tool *tool, struct Slice page, GHashTable *names)
{
	check_inside(tool->raw, page);
	check_inside(tool->raw_name, tool->raw);
	if (!*tool->name || !json_string_is(tool->raw_name, slice_of(tool->name)))
		abort();
	if (!g_hash_table_add(names, tool->name))
		abort();
	if (tool->read_only && tool->destructive)
		abort();
	if (tool->invalid && !*tool->invalid)
		abort();
}

static struct ToolList *read_list(GBytes *page, struct Slice result, bool modern, unsigned *skipped)
{
	struct ToolList *list = tool_list_new();
	struct Slice cursor = {NULL, 0};
	if (tool_list_add_page(list, page, result, modern, &cursor, skipped, NULL)) {
		if (cursor.len)
			check_inside(cursor, result);
		return list;
	}
	if (cursor.len || *skipped || list->tools->len || list->pages->len)
		abort();
	tool_list_unref(list);
	return NULL;
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
	unsigned skipped = 0;
	struct ToolList *modern = read_list(page, root.raw, true, &skipped);
	unsigned skipped_again = 0;
	struct ToolList *legacy = read_list(page, root.raw, false, &skipped_again);
	if (!modern != !legacy || skipped != skipped_again)
		abort();
	if (modern) {
		g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
		for (unsigned i = 0; i < modern->tools->len; i++)
			check_tool(modern->tools->pdata[i], root.raw, names);
		if (!tool_list_equal(modern, legacy))
			abort();
	}
	tool_list_unref(modern);
	tool_list_unref(legacy);
	return 0;
}
