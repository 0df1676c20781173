/* Definitions stay in the bytes of the pages that brought them, which the list keeps; a tool owns its
 * decoded name and what was derived. Everything here comes from an upstream: what one definition has
 * wrong costs that tool alone, and never the list. */
#include "format/tool.h"

#include "format/list_page.h"

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

static const struct MemberRule part_rules[PARTS] = {
	[PART_NAME] = {"name", JSON_STRING, false},
	[PART_TITLE] = {"title", JSON_STRING, false},
	[PART_DESCRIPTION] = {"description", JSON_STRING, false},
	[PART_INPUT_SCHEMA] = {"inputSchema", JSON_OBJECT, false},
	[PART_OUTPUT_SCHEMA] = {"outputSchema", JSON_OBJECT, false},
	[PART_ANNOTATIONS] = {"annotations", JSON_OBJECT, false},
	[PART_ICONS] = {"icons", JSON_ARRAY, false},
	[PART_EXECUTION] = {"execution", JSON_OBJECT, false},
	[PART_META] = {"_meta", JSON_OBJECT, false},
};

static const struct MemberRule hint_rules[HINTS] = {
	[HINT_TITLE] = {"title", JSON_STRING, false},
	[HINT_READ_ONLY] = {"readOnlyHint", JSON_TRUE, false},
	[HINT_DESTRUCTIVE] = {"destructiveHint", JSON_TRUE, false},
	[HINT_IDEMPOTENT] = {"idempotentHint", JSON_TRUE, false},
	[HINT_OPEN_WORLD] = {"openWorldHint", JSON_TRUE, false},
};

static bool says_object(struct JsonValue schema)
{
	struct JsonValue type = json_get(schema.raw, "type");
	return type.type == JSON_STRING && json_string_is(type.raw, SLICE("object"));
}

static void read_hints(struct Tool *tool, struct Slice annotations)
{
	struct JsonValue values[HINTS];
	tool->invalid = list_page_members("annotations.", annotations, hint_rules, HINTS, values);
	tool->read_only = values[HINT_READ_ONLY].type == JSON_TRUE;
	tool->says_non_destructive = values[HINT_DESTRUCTIVE].type == JSON_FALSE;
	tool->destructive = !tool->says_non_destructive && !tool->read_only;
	tool->idempotent = values[HINT_IDEMPOTENT].type == JSON_TRUE;
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

/* Reads the resource that shows the tool out of META, the raw _meta. What is there twice comes back, or NULL. */
static const char *read_ui(struct Tool *tool, struct Slice meta)
{
	static const char *const meta_keys[] = {"ui", "ui/resourceUri"};
	static const char *const ui_keys[] = {"resourceUri"};
	struct JsonValue values[G_N_ELEMENTS(meta_keys)];
	struct JsonValue uri;
	const char *twice = json_find_members(meta, meta_keys, G_N_ELEMENTS(meta_keys), values);
	bool uri_twice = json_find_members(values[0].raw, ui_keys, 1, &uri) != NULL;
	tool->ui = json_string_dup(uri);
	if (!tool->ui)
		tool->ui = json_string_dup(values[1]);
	if (twice)
		return twice == meta_keys[0] ? "_meta.ui" : "_meta.ui/resourceUri";
	return uri_twice ? "_meta.ui.resourceUri" : NULL;
}

/* Reads the definition's members into TOOL, which has nothing but its name yet. WRONG is what is wrong with them. */
static void read_definition(
	struct Tool *tool, const char *wrong, const struct JsonValue *values, bool check_headers)
{
	struct JsonValue output = values[PART_OUTPUT_SCHEMA];
	tool->output_is_object = output.type == JSON_NONE || says_object(output);
	struct JsonValue annotations = values[PART_ANNOTATIONS];
	read_hints(tool, annotations.type == JSON_OBJECT ? annotations.raw : SLICE("{}"));
	if (!tool->invalid)
		read_input_schema(tool, values[PART_INPUT_SCHEMA], check_headers);
	if (!tool->invalid)
		tool->invalid = g_strdup(wrong);
	const char *ui_twice = read_ui(tool, values[PART_META].raw);
	if (!tool->invalid && ui_twice)
		tool->invalid = g_strdup_printf("%s is there twice", ui_twice);
}

static void tool_free(void *data)
{
	struct Tool *tool = data;
	g_free(tool->name);
	g_free(tool->ui);
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
	g_autofree char *wrong = list_page_members("", definition.raw, part_rules, PARTS, values);
	char *name = list_page_key(list->names, values[PART_NAME]);
	if (!name)
		return false;
	struct Tool *tool = g_new0(struct Tool, 1);
	tool->name = name;
	tool->raw = definition.raw;
	tool->raw_name = values[PART_NAME].raw;
	read_definition(tool, wrong, values, check_headers);
	g_hash_table_add(list->names, tool->name);
	g_ptr_array_add(list->tools, tool);
	return true;
}

bool tool_list_add_page(struct ToolList *list, GBytes *page, struct Slice result,
	bool check_headers, struct Slice *cursor, unsigned *skipped, GError **error)
{
	struct ListPage read;
	if (!list_page_read(MCP_TOOLS, result, list->tools->len, TOOL_LIST_MAX, &read, error))
		return false;
	g_ptr_array_add(list->pages, g_bytes_ref(page));
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, read.definitions.raw) {
		if (!add_tool(list, item.value, check_headers))
			(*skipped)++;
	}
	list->ttl_ms = list_page_least_ttl(list->ttl_ms, read.ttl);
	*cursor = read.cursor;
	return true;
}

bool tool_list_equal(const struct ToolList *a, const struct ToolList *b)
{
	return list_page_equal(a->tools, b->tools, offsetof(struct Tool, raw));
}
