/* What the lists of tools, prompts, resources and templates have in common: their pages and their definitions (MCP
 * 2026-07-28, "Pagination"). For format/tool and format/item alone. */
#ifndef MCP_MUX_FORMAT_LIST_PAGE_H
#define MCP_MUX_FORMAT_LIST_PAGE_H

#include "format/json.h"
#include "format/mcp_list.h"

/* One page of a list; the slices are inside it. */
struct ListPage {
	struct JsonValue definitions; /* array */
	struct Slice cursor; /* raw string of nextCursor; empty at the last page */
	struct JsonValue ttl; /* ttlMs, whatever it is */
};

/* Reads RESULT, the raw object that came for a list of KIND which has BEFORE definitions so far and may have MAX. False
 * if it has no array of them or a nextCursor that is neither string nor null (MUX_ERROR_UPSTREAM), or there would be
 * more than MAX (MUX_ERROR_TOO_LARGE). */
bool list_page_read(enum McpList kind, struct Slice result, unsigned before, unsigned max,
	struct ListPage *page, GError **error);

/* The lesser of SO_FAR (-1: none yet) and a page's TTL, in milliseconds; one below 0 counts as 0, one that is no
 * integer not at all. */
int64_t list_page_least_ttl(int64_t so_far, struct JsonValue ttl);

/* The decoded key of a definition, for g_free; NULL if VALUE is no string, is empty, holds NUL or a lone surrogate, or
 * is in TAKEN (by its text) already. */
char *list_page_key(GHashTable *taken, struct JsonValue value);

/* Whether both arrays have as many elements, and those the same bytes in the struct Slice at OFFSET of each. */
bool list_page_equal(const GPtrArray *a, const GPtrArray *b, size_t offset);

/* A member of a definition that is looked at or that clients check. */
struct MemberRule {
	const char *key;
	enum JsonType type; /* that it must be of; JSON_TRUE stands for both booleans */
	bool required;
};

enum { MEMBER_RULES_MAX = 16 };

/* Finds the members of OBJECT by N (at most MEMBER_RULES_MAX) RULES; VALUES are as json_find_members leaves them. Returns
 * what is wrong with them, for g_free, or NULL: one that is required is missing, of another type, or there twice. The
 * message names it as WHERE and its key. */
char *list_page_members(const char *where, struct Slice object, const struct MemberRule *rules,
	unsigned n, struct JsonValue *values);

#endif
