/* One tool's definition as an upstream's tools/list gave it, and a list of them. */
#ifndef MCP_MUX_FORMAT_TOOL_H
#define MCP_MUX_FORMAT_TOOL_H

#include "base/cleanup.h"
#include "format/json.h"
#include "format/mcp_header.h"

struct Tool {
	char *name; /* decoded */
	struct Slice raw; /* the definition's bytes, inside the list's pages */
	struct Slice raw_name; /* the raw string of its name, inside RAW */
	bool read_only; /* annotations.readOnlyHint is true */
	bool destructive; /* by the annotations: destructiveHint, which defaults to true, and not
				  read-only */
	bool says_non_destructive; /* annotations.destructiveHint is false */
	bool idempotent; /* annotations.idempotentHint is true */
	bool output_is_object; /* no outputSchema, or one whose `type` is "object" */
	struct ParamHeaders *headers; /* NULL where it has none */
	char *ui; /* the resource that shows it (MCP Apps): _meta.ui.resourceUri, or the older
		   * _meta["ui/resourceUri"], decoded; NULL where there is none */
	char *invalid; /* why the tool must not be shown, NULL where it may: its x-mcp-header
				  annotations break the rules, a member is of another type than every
				  revision's schema demands (an SDK client rejects the whole list for
				  one), or a member that is looked at is there twice */
};

/* More tools in one list are an error. */
enum { TOOL_LIST_MAX = 20000 };

/* All tools of one upstream, in the order in which it gave them. Reference-counted, immutable once
 * shared. */
struct ToolList {
	unsigned references;
	GPtrArray *pages; /* GBytes: the texts into which the slices point */
	GPtrArray *tools; /* struct Tool */
	int64_t ttl_ms; /* the least ttlMs of its pages; -1 where none was given */
	GHashTable *names; /* private: the tools' names */
};

struct ToolList *tool_list_new(void);
struct ToolList *tool_list_ref(struct ToolList *list);
void tool_list_unref(struct ToolList *list);
MUX_AUTOPTR(ToolList, tool_list_unref)

/* Adds the tools of one tools/list result. RESULT is the result's raw object inside the bytes of
 * PAGE, of which a reference is kept. *CURSOR gets nextCursor as its raw string (inside PAGE), or an
 * empty slice at the last page. A definition that is no object or has no name (a string that is not
 * empty and holds neither NUL nor a lone surrogate) is left out and counted in *SKIPPED, which goes up
 * by their number; a second tool of the same name as well. CHECK_HEADERS: the upstream is modern, so
 * `x-mcp-header` annotations are read, and broken ones make a tool invalid. False and nothing changed
 * if RESULT has no array `tools` or a nextCursor that is neither string nor null (MUX_ERROR_UPSTREAM),
 * or the list would have more than TOOL_LIST_MAX tools (MUX_ERROR_TOO_LARGE). */
bool tool_list_add_page(struct ToolList *list, GBytes *page, struct Slice result,
	bool check_headers, struct Slice *cursor, unsigned *skipped, GError **error);

/* Whether both lists have the same tools with the same bytes in the same order. */
bool tool_list_equal(const struct ToolList *a, const struct ToolList *b);

#endif
