/* Definitions stay in the bytes of the pages that brought them, which the list keeps; a tool owns its
 * decoded name and what was derived. Everything here comes from an upstream: what one definition has
 * wrong costs that tool alone, and never the list. */
#include "format/tool.h"

#include "base/error.h"

/* The members of a definition that are looked at or that clients check. */
enum Part {
	PART_NAME,
	PART_TITLE,
	PART_DESCRIPTION,
	PART_INPUT_SCHEMA,
	PART_OUTPUT_SCHEMA,
	PART_ANNOTATIONS,
	PART_ICONS,
	PART_EXECUTION,
	PART_META,
	PARTS,
};

enum Hint {
	HINT_TITLE,
	HINT_READ_ONLY,
	HINT_DESTRUCTIVE,
	HINT_IDEMPOTENT,
	HINT_OPEN_WORLD,
	HINTS,
};

/* JSON_TRUE stands for both booleans. */
static const char *const part_keys[PARTS] = {
	[PART_NAME] = "name",
	[PART_TITLE] = "title",
	[PART_DESCRIPTION] = "description",
	[PART_INPUT_SCHEMA] = "inputSchema",
	[PART_OUTPUT_SCHEMA] = "outputSchema",
	[PART_ANNOTATIONS] = "annotations",
	[PART_ICONS] = "icons",
	[PART_EXECUTION] = "execution",
	[PART_META] = "_meta",
};

static const enum JsonType part_types[PARTS] = {
	[PART_NAME] = JSON_STRING,
	[PART_TITLE] = JSON_STRING,
	[PART_DESCRIPTION] = JSON_STRING,
	[PART_INPUT_SCHEMA] = JSON_OBJECT,
	[PART_OUTPUT_SCHEMA] = JSON_OBJECT,
	[PART_ANNOTATIONS] = JSON_OBJECT,
	[PART_ICONS] = JSON_ARRAY,
	[PART_EXECUTION] = JSON_OBJECT,
	[PART_META] = JSON_OBJECT,
};

static const char *const hint_keys[HINTS] = {
	[HINT_TITLE] = "title",
	[HINT_READ_ONLY] = "readOnlyHint",
	[HINT_DESTRUCTIVE] = "destructiveHint",
	[HINT_IDEMPOTENT] = "idempotentHint",
	[HINT_OPEN_WORLD] = "openWorldHint",
};

static const enum JsonType hint_types[HINTS] = {
	[HINT_TITLE] = JSON_STRING,
	[HINT_READ_ONLY] = JSON_TRUE,
	[HINT_DESTRUCTIVE] = JSON_TRUE,
	[HINT_IDEMPOTENT] = JSON_TRUE,
	[HINT_OPEN_WORLD] = JSON_TRUE,
};

static const char *type_name(enum JsonType type)
{
	if (type == JSON_STRING)
		return "string";
	if (type == JSON_TRUE)
		return "boolean";
	return type == JSON_ARRAY ? "array" : "object";
}

/* What is wrong with the members' types, for g_free; NULL if nothing is. */
static char *check_types(const char *where, const char *const *keys, const enum JsonType *types,
	unsigned n, const struct JsonValue *values)
{
	for (unsigned i = 0; i < n; i++) {
		enum JsonType type = values[i].type == JSON_FALSE ? JSON_TRUE : values[i].type;
		if (type != JSON_NONE && type != types[i])
			return g_strdup_printf(
				"%s%s is no %s", where, keys[i], type_name(types[i]));
	}
	return NULL;
}

static bool says_object(struct JsonValue schema)
{
	struct JsonValue type = json_get(schema.raw, "type");
	return type.type == JSON_STRING && json_string_is(type.raw, SLICE("object"));
}

static void read_hints(struct Tool *tool, struct Slice annotations)
{
	struct JsonValue values[HINTS];
	const char *twice = json_find_members(annotations, hint_keys, HINTS, values);
	tool->read_only = values[HINT_READ_ONLY].type == JSON_TRUE;
	tool->says_non_destructive = values[HINT_DESTRUCTIVE].type == JSON_FALSE;
	tool->destructive = !tool->says_non_destructive && !tool->read_only;
	tool->idempotent = values[HINT_IDEMPOTENT].type == JSON_TRUE;
	tool->invalid = check_types("annotations.", hint_keys, hint_types, HINTS, values);
	if (!tool->invalid && twice)
		tool->invalid = g_strdup_printf("annotations.%s is there twice", twice);
}

static void read_input_schema(struct Tool *tool, struct JsonValue schema, bool check_headers)
{
	if (schema.type != JSON_OBJECT) {
		tool->invalid = g_strdup("inputSchema is missing or no object");
		return;
	}
	if (!says_object(schema)) {
		tool->invalid = g_strdup("the type of inputSchema is not \"object\"");
		return;
	}
	char *why = NULL;
	if (check_headers && !param_headers_parse(schema.raw, &tool->headers, &why))
		tool->invalid = why;
}

/* Reads the definition into TOOL, which has nothing but its name yet. */
static void read_definition(
	struct Tool *tool, const char *twice, const struct JsonValue *values, bool check_headers)
{
	struct JsonValue output = values[PART_OUTPUT_SCHEMA];
	tool->output_is_object = output.type == JSON_NONE || says_object(output);
	struct JsonValue annotations = values[PART_ANNOTATIONS];
	read_hints(tool, annotations.type == JSON_OBJECT ? annotations.raw : SLICE("{}"));
	if (!tool->invalid)
		read_input_schema(tool, values[PART_INPUT_SCHEMA], check_headers);
	if (!tool->invalid && twice)
		tool->invalid = g_strdup_printf("%s is there twice", twice);
	if (!tool->invalid)
		tool->invalid = check_types("", part_keys, part_types, PARTS, values);
}

static void tool_free(void *data)
{
	struct Tool *tool = data;
	g_free(tool->name);
	g_free(tool->invalid);
	param_headers_free(tool->headers);
	g_free(tool);
}

struct ToolList *tool_list_new(void)
{
	struct ToolList *list = g_new0(struct ToolList, 1);
	list->references = 1;
	list->pages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	list->tools = g_ptr_array_new_with_free_func(tool_free);
	list->names = g_hash_table_new(g_str_hash, g_str_equal);
	list->ttl_ms = -1;
	return list;
}

struct ToolList *tool_list_ref(struct ToolList *list)
{
	list->references++;
	return list;
}

void tool_list_unref(struct ToolList *list)
{
	if (!list || --list->references > 0)
		return;
	g_hash_table_unref(list->names);
	g_ptr_array_unref(list->tools);
	g_ptr_array_unref(list->pages);
	g_free(list);
}

/* Adds one definition; false if it is to be left out. */
static bool add_tool(struct ToolList *list, struct JsonValue definition, bool check_headers)
{
	if (definition.type != JSON_OBJECT)
		return false;
	struct JsonValue values[PARTS];
	const char *twice = json_find_members(definition.raw, part_keys, PARTS, values);
	g_autofree char *name = json_string_dup(values[PART_NAME]);
	if (!name || !*name || g_hash_table_contains(list->names, name))
		return false;
	struct Tool *tool = g_new0(struct Tool, 1);
	tool->name = g_steal_pointer(&name);
	tool->raw = definition.raw;
	tool->raw_name = values[PART_NAME].raw;
	read_definition(tool, twice, values, check_headers);
	g_hash_table_add(list->names, tool->name);
	g_ptr_array_add(list->tools, tool);
	return true;
}

static void note_ttl(struct ToolList *list, struct JsonValue ttl)
{
	int64_t ttl_ms = 0;
	if (!json_int64(ttl, &ttl_ms))
		return;
	ttl_ms = MAX(ttl_ms, 0);
	if (list->ttl_ms < 0 || ttl_ms < list->ttl_ms)
		list->ttl_ms = ttl_ms;
}

/* Whether a page with these members can be added. */
static bool check_page(
	const struct ToolList *list, struct JsonValue tools, struct JsonValue next, GError **error)
{
	if (tools.type != JSON_ARRAY) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the result of tools/list has no array \"tools\"");
		return false;
	}
	if (next.type != JSON_STRING && next.type != JSON_NULL && next.type != JSON_NONE) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"nextCursor of tools/list is no string");
		return false;
	}
	unsigned n = list->tools->len;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, tools.raw) {
		if (n++ < TOOL_LIST_MAX)
			continue;
		g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE, "tools/list has over %d tools",
			TOOL_LIST_MAX);
		return false;
	}
	return true;
}

bool tool_list_add_page(struct ToolList *list, GBytes *page, struct Slice result,
	bool check_headers, struct Slice *cursor, unsigned *skipped, GError **error)
{
	struct JsonValue tools = json_get(result, "tools");
	struct JsonValue next = json_get(result, "nextCursor");
	if (!check_page(list, tools, next, error))
		return false;
	g_ptr_array_add(list->pages, g_bytes_ref(page));
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, tools.raw) {
		if (!add_tool(list, item.value, check_headers))
			(*skipped)++;
	}
	note_ttl(list, json_get(result, "ttlMs"));
	*cursor = next.type == JSON_STRING ? next.raw : (struct Slice){NULL, 0};
	return true;
}

bool tool_list_equal(const struct ToolList *a, const struct ToolList *b)
{
	if (a->tools->len != b->tools->len)
		return false;
	for (unsigned i = 0; i < a->tools->len; i++) {
		const struct Tool *one = a->tools->pdata[i];
		const struct Tool *other = b->tools->pdata[i];
		if (!slice_eq(one->raw, other->raw))
			return false;
	}
	return true;
}
