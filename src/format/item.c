/* As in format/tool, definitions stay in the bytes of the pages that brought them, which the list keeps; an item owns
 * its decoded key. What one definition has wrong costs that item alone, and never the list. */
#include "format/item.h"

#include "format/list_page.h"

/* Bytes of a resource's uri. */
enum { URI_BYTES_MAX = 8 * 1024 };

enum { KEY, TITLE, DESCRIPTION, ICONS, META, COMMON };

/* The members that all kinds have. */
#define COMMON_RULES(key)                                                                          \
	[KEY] = {(key), JSON_STRING, true}, [TITLE] = {"title", JSON_STRING, false},               \
	[DESCRIPTION] = {"description", JSON_STRING, false},                                       \
	[ICONS] = {"icons", JSON_ARRAY, false}, [META] = {"_meta", JSON_OBJECT, false}

enum { PROMPT_ARGUMENTS = COMMON, PROMPT_MEMBERS };

static const struct MemberRule prompt_rules[PROMPT_MEMBERS] = {
	COMMON_RULES("name"),
	[PROMPT_ARGUMENTS] = {"arguments", JSON_ARRAY, false},
};

enum {
	RESOURCE_NAME = COMMON,
	RESOURCE_TYPE,
	RESOURCE_ANNOTATIONS,
	TEMPLATE_MEMBERS,
	RESOURCE_SIZE = TEMPLATE_MEMBERS,
	RESOURCE_MEMBERS
};

static const struct MemberRule template_rules[TEMPLATE_MEMBERS] = {
	COMMON_RULES("uriTemplate"),
	[RESOURCE_NAME] = {"name", JSON_STRING, true},
	[RESOURCE_TYPE] = {"mimeType", JSON_STRING, false},
	[RESOURCE_ANNOTATIONS] = {"annotations", JSON_OBJECT, false},
};

static const struct MemberRule resource_rules[RESOURCE_MEMBERS] = {
	COMMON_RULES("uri"),
	[RESOURCE_NAME] = {"name", JSON_STRING, true},
	[RESOURCE_TYPE] = {"mimeType", JSON_STRING, false},
	[RESOURCE_ANNOTATIONS] = {"annotations", JSON_OBJECT, false},
	[RESOURCE_SIZE] = {"size", JSON_NUMBER, false},
};

static const struct {
	const struct MemberRule *rules;
	unsigned n;
} definitions[MCP_LISTS] = {
	[MCP_PROMPTS] = {prompt_rules, PROMPT_MEMBERS},
	[MCP_RESOURCES] = {resource_rules, RESOURCE_MEMBERS},
	[MCP_TEMPLATES] = {template_rules, TEMPLATE_MEMBERS},
};

static char *check_arguments(struct Slice arguments)
{
	static const struct MemberRule rules[] = {
		{"name", JSON_STRING, true},
		{"title", JSON_STRING, false},
		{"description", JSON_STRING, false},
		{"required", JSON_TRUE, false},
	};
	struct JsonValue values[G_N_ELEMENTS(rules)];
	struct JsonMember argument;
	unsigned i = 0;
	JSON_FOR_EACH_MEMBER (argument, arguments) {
		if (argument.value.type != JSON_OBJECT)
			return g_strdup_printf("arguments[%u] is no object", i);
		g_autofree char *where = g_strdup_printf("arguments[%u].", i++);
		char *wrong = list_page_members(
			where, argument.value.raw, rules, G_N_ELEMENTS(rules), values);
		if (wrong)
			return wrong;
	}
	return NULL;
}

static char *check_annotations(struct Slice annotations)
{
	static const struct MemberRule rules[] = {
		{"audience", JSON_ARRAY, false},
		{"priority", JSON_NUMBER, false},
		{"lastModified", JSON_STRING, false},
	};
	struct JsonValue values[G_N_ELEMENTS(rules)];
	return list_page_members("annotations.", annotations, rules, G_N_ELEMENTS(rules), values);
}

static char *check_uri(const char *uri)
{
	if (strlen(uri) > URI_BYTES_MAX)
		return g_strdup_printf("uri is longer than %d bytes", URI_BYTES_MAX);
	for (const char *p = uri; *p; p = g_utf8_next_char(p)) {
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			return g_strdup("uri holds a control character");
	}
	return NULL;
}

/* What is wrong with the definition of KEY beyond the types of its own members, for g_free; NULL if nothing is. */
static char *check_inside(enum McpList kind, const char *key, const struct JsonValue *values)
{
	if (kind == MCP_PROMPTS)
		return check_arguments(values[PROMPT_ARGUMENTS].raw);
	char *wrong = check_annotations(values[RESOURCE_ANNOTATIONS].raw);
	return wrong || kind == MCP_TEMPLATES ? wrong : check_uri(key);
}

static void item_free(void *data)
{
	struct Item *item = data;
	g_free(item->key);
	g_free(item->invalid);
	g_free(item);
}

struct ItemList *item_list_new(enum McpList kind)
{
	struct ItemList *list = g_new(struct ItemList, 1);
	*list = (struct ItemList){
		.references = 1,
		.kind = kind,
		.pages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref),
		.items = g_ptr_array_new_with_free_func(item_free),
		.ttl_ms = -1,
		.keys = g_hash_table_new(g_str_hash, g_str_equal),
	};
	return list;
}

struct ItemList *item_list_ref(struct ItemList *list)
{
	list->references++;
	return list;
}

void item_list_unref(struct ItemList *list)
{
	if (!list || --list->references > 0)
		return;
	g_hash_table_unref(list->keys);
	g_ptr_array_unref(list->items);
	g_ptr_array_unref(list->pages);
	g_free(list);
}

/* Adds one definition; false if it is to be left out. */
static bool add_item(struct ItemList *list, struct JsonValue definition)
{
	if (definition.type != JSON_OBJECT)
		return false;
	struct JsonValue values[MEMBER_RULES_MAX];
	g_autofree char *wrong = list_page_members("", definition.raw,
		definitions[list->kind].rules, definitions[list->kind].n, values);
	char *key = list_page_key(list->keys, values[KEY]);
	if (!key)
		return false;
	struct Item *item = g_new(struct Item, 1);
	*item = (struct Item){
		.key = key,
		.raw = definition.raw,
		.raw_key = values[KEY].raw,
		.invalid = wrong ? g_steal_pointer(&wrong) : check_inside(list->kind, key, values),
	};
	g_hash_table_add(list->keys, item->key);
	g_ptr_array_add(list->items, item);
	return true;
}

bool item_list_add_page(struct ItemList *list, GBytes *page, struct Slice result,
	struct Slice *cursor, unsigned *skipped, GError **error)
{
	struct ListPage read;
	if (!list_page_read(list->kind, result, list->items->len, ITEM_LIST_MAX, &read, error))
		return false;
	g_ptr_array_add(list->pages, g_bytes_ref(page));
	struct JsonMember definition;
	JSON_FOR_EACH_MEMBER (definition, read.definitions.raw) {
		if (!add_item(list, definition.value))
			(*skipped)++;
	}
	list->ttl_ms = list_page_least_ttl(list->ttl_ms, read.ttl);
	*cursor = read.cursor;
	return true;
}

bool item_list_equal(const struct ItemList *a, const struct ItemList *b)
{
	return list_page_equal(a->items, b->items, offsetof(struct Item, raw));
}
