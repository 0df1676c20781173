/* What the tests of kept lists share: records made of definitions, a cache directory of their own. */
#ifndef MCP_MUX_TESTS_LIST_FIXTURE_H
#define MCP_MUX_TESTS_LIST_FIXTURE_H

#include "format/list_record.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

static inline GBytes *list_page(enum McpList list, const char *definitions, struct Slice *result)
{
	g_autofree char *text =
		g_strdup_printf("{\"%s\":[%s]}", mcp_lists[list].member, definitions);
	assert_true(json_validate(slice_of(text), NULL));
	size_t len = strlen(text);
	GBytes *page = g_bytes_new_take(g_steal_pointer(&text), len);
	result->data = g_bytes_get_data(page, &result->len);
	return page;
}

static inline struct ToolList *list_tools(const char *definitions, bool modern)
{
	struct Slice result, cursor;
	unsigned skipped = 0;
	g_autoptr(GBytes) page = list_page(MCP_TOOLS, definitions, &result);
	struct ToolList *tools = tool_list_new();
	assert_true(tool_list_add_page(tools, page, result, modern, &cursor, &skipped, NULL));
	return tools;
}

static inline struct ItemList *list_items(enum McpList list, const char *definitions)
{
	struct Slice result, cursor;
	unsigned skipped = 0;
	g_autoptr(GBytes) page = list_page(list, definitions, &result);
	struct ItemList *items = item_list_new(list);
	assert_true(item_list_add_page(items, page, result, &cursor, &skipped, NULL));
	return items;
}

/* A record with TOOLS (definitions; NULL: not known). */
static inline struct ListRecord *list_record(const char *key, const char *grant, const char *tools)
{
	struct ListRecord *record = g_new0(struct ListRecord, 1);
	record->key = g_strdup(key);
	record->grant = g_strdup(grant);
	record->tools = tools ? list_tools(tools, false) : NULL;
	return record;
}

static inline int list_remove_one(
	const char *path, const struct stat *status, int type, struct FTW *at)
{
	(void)status;
	(void)type;
	(void)at;
	return remove(path);
}

/* The cache is in a directory of its own until list_close; the directory of lists, for g_free. */
static inline char *list_open(char **folder)
{
	*folder = g_dir_make_tmp("lists-XXXXXX", NULL);
	assert_non_null(*folder);
	g_setenv("XDG_CACHE_HOME", *folder, TRUE);
	return g_build_filename(*folder, "mcp-mux", "lists", NULL);
}

static inline void list_close(char *folder)
{
	nftw(folder, list_remove_one, 8, FTW_DEPTH | FTW_PHYS);
	g_unsetenv("XDG_CACHE_HOME");
	g_free(folder);
}

/* The number of files in DIR, and the name of one, for g_free. */
static inline unsigned list_files(const char *dir, char **name)
{
	unsigned n = 0;
	g_autoptr(GDir) open = g_dir_open(dir, 0, NULL);
	const char *found;
	if (name)
		*name = NULL;
	while (open && (found = g_dir_read_name(open))) {
		n++;
		if (name && !*name)
			*name = g_strdup(found);
	}
	return n;
}

#endif
