#include "format/list_page.h"

#include "base/error.h"

bool list_page_read(enum McpList kind, struct Slice result, unsigned before, unsigned max,
	struct ListPage *page, GError **error)
{
	const struct McpListInfo *info = &mcp_lists[kind];
	struct JsonValue definitions = json_get(result, info->member);
	struct JsonValue next = json_get(result, "nextCursor");
	if (definitions.type != JSON_ARRAY) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the result of %s has no array \"%s\"", info->method, info->member);
		return false;
	}
	if (next.type != JSON_STRING && next.type != JSON_NULL && next.type != JSON_NONE) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "nextCursor of %s is no string",
			info->method);
		return false;
	}
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, definitions.raw) {
		if (before++ < max)
			continue;
		g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE, "%s has over %u %s",
			info->method, max, info->member);
		return false;
	}
	page->definitions = definitions;
	page->cursor = next.type == JSON_STRING ? next.raw : (struct Slice){NULL, 0};
	page->ttl = json_get(result, "ttlMs");
	return true;
}

int64_t list_page_least_ttl(int64_t so_far, struct JsonValue ttl)
{
	int64_t ttl_ms = 0;
	if (!json_int64(ttl, &ttl_ms))
		return so_far;
	ttl_ms = MAX(ttl_ms, 0);
	return so_far < 0 ? ttl_ms : MIN(so_far, ttl_ms);
}

char *list_page_key(GHashTable *taken, struct JsonValue value)
{
	g_autofree char *key = json_string_dup(value);
	if (!key || !*key || g_hash_table_contains(taken, key))
		return NULL;
	return g_steal_pointer(&key);
}

static struct Slice slice_at(const void *element, size_t offset)
{
	return *(const struct Slice *)((const char *)element + offset);
}

bool list_page_equal(const GPtrArray *a, const GPtrArray *b, size_t offset)
{
	if (a->len != b->len)
		return false;
	for (unsigned i = 0; i < a->len; i++) {
		if (!slice_eq(slice_at(a->pdata[i], offset), slice_at(b->pdata[i], offset)))
			return false;
	}
	return true;
}

static const char *type_name(enum JsonType type)
{
	if (type == JSON_STRING)
		return "string";
	if (type == JSON_NUMBER)
		return "number";
	if (type == JSON_TRUE)
		return "boolean";
	return type == JSON_ARRAY ? "array" : "object";
}

static char *check_member(const char *where, const struct MemberRule *rule, enum JsonType type)
{
	if (type == JSON_FALSE)
		type = JSON_TRUE;
	if (type == JSON_NONE && rule->required)
		return g_strdup_printf("%s%s is missing", where, rule->key);
	if (type != JSON_NONE && type != rule->type)
		return g_strdup_printf("%s%s is no %s", where, rule->key, type_name(rule->type));
	return NULL;
}

char *list_page_members(const char *where, struct Slice object, const struct MemberRule *rules,
	unsigned n, struct JsonValue *values)
{
	const char *keys[MEMBER_RULES_MAX] = {NULL};
	g_assert(n <= MEMBER_RULES_MAX);
	for (unsigned i = 0; i < n; i++)
		keys[i] = rules[i].key;
	const char *twice = json_find_members(object, keys, n, values);
	for (unsigned i = 0; i < n; i++) {
		char *wrong = check_member(where, &rules[i], values[i].type);
		if (wrong)
			return wrong;
	}
	return twice ? g_strdup_printf("%s%s is there twice", where, twice) : NULL;
}
