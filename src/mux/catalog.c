/* The catalog owns what it derived (names, decisions, renderings) and holds references to the tool
 * lists into whose pages the definitions point. Every catalog_set builds all of it again from the
 * lists: names depend on the whole set of exposed tools, and thousands of tools take milliseconds.
 * That makes the result a function of the configuration and the lists alone, in whatever order they
 * came. A connector that is switched off has no tools here.
 *
 * Upstreams are not trusted: a name is only ever shown after names_assign made it legal and unique, and
 * calls are routed by looking the exposed name up. */
#include "mux/catalog.h"

#include "format/json_writer.h"
#include "mux/names.h"

struct Group {
	const struct ConnectorConfig *connector;
	struct ToolList *tools; /* NULL: not known */
	unsigned exposed;
	unsigned allowed;
};

struct Catalog {
	const struct Config *config;
	GPtrArray *groups; /* struct Group, in the order of lists */
	GPtrArray *tools; /* struct CatalogTool, likewise */
	GHashTable *by_name; /* exposed name to struct CatalogTool */
	GString *rendered[2]; /* by LEGACY; NULL until asked for */
};

static void group_free(void *data)
{
	struct Group *group = data;
	tool_list_unref(group->tools);
	g_free(group);
}

static void catalog_tool_free(void *data)
{
	struct CatalogTool *tool = data;
	g_free(tool->exposed);
	g_free(tool->raw_exposed);
	g_free(tool->raw_upstream);
	g_free(tool);
}

static void add_groups(struct Catalog *catalog, bool native)
{
	for (unsigned i = 0; i < catalog->config->connectors->len; i++) {
		const struct ConnectorConfig *connector = catalog->config->connectors->pdata[i];
		if (connector->native != native)
			continue;
		struct Group *group = g_new0(struct Group, 1);
		group->connector = connector;
		g_ptr_array_add(catalog->groups, group);
	}
}

struct Catalog *catalog_new(const struct Config *config)
{
	struct Catalog *catalog = g_new0(struct Catalog, 1);
	catalog->config = config;
	catalog->groups = g_ptr_array_new_with_free_func(group_free);
	catalog->tools = g_ptr_array_new_with_free_func(catalog_tool_free);
	catalog->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	add_groups(catalog, true);
	add_groups(catalog, false);
	return catalog;
}

static void forget_rendered(struct Catalog *catalog)
{
	for (size_t i = 0; i < G_N_ELEMENTS(catalog->rendered); i++) {
		if (catalog->rendered[i])
			g_string_free(g_steal_pointer(&catalog->rendered[i]), TRUE);
	}
}

void catalog_free(struct Catalog *catalog)
{
	if (!catalog)
		return;
	forget_rendered(catalog);
	g_hash_table_unref(catalog->by_name);
	g_ptr_array_unref(catalog->tools);
	g_ptr_array_unref(catalog->groups);
	g_free(catalog);
}

static struct Group *find_group(
	const struct Catalog *catalog, const struct ConnectorConfig *connector)
{
	for (unsigned i = 0; i < catalog->groups->len; i++) {
		struct Group *group = catalog->groups->pdata[i];
		if (group->connector == connector)
			return group;
	}
	return NULL;
}

static int by_upstream_name(const void *a, const void *b)
{
	const struct Tool *const *one = a;
	const struct Tool *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

/* Adds the tools of GROUP, without names as yet. */
static void add_tools(struct Catalog *catalog, struct Group *group)
{
	group->exposed = 0;
	group->allowed = 0;
	if (!group->tools || !group->connector->enabled)
		return;
	g_autoptr(GPtrArray) sorted = g_ptr_array_new();
	g_ptr_array_extend(sorted, group->tools->tools, NULL, NULL);
	g_ptr_array_sort(sorted, by_upstream_name);
	for (unsigned i = 0; i < sorted->len; i++) {
		struct CatalogTool *tool = g_new0(struct CatalogTool, 1);
		tool->connector = group->connector;
		tool->tool = sorted->pdata[i];
		tool->raw_upstream = slice_dup(tool->tool->raw_name);
		tool->decision = policy_tool(group->connector, tool->tool);
		group->exposed += tool->decision.verdict == VERDICT_EXPOSED;
		group->allowed += tool->decision.allowed;
		g_ptr_array_add(catalog->tools, tool);
	}
}

static void name_tools(struct Catalog *catalog)
{
	g_autofree struct ExposedName *names = g_new0(struct ExposedName, catalog->tools->len + 1);
	size_t n = 0;
	for (unsigned i = 0; i < catalog->tools->len; i++) {
		const struct CatalogTool *tool = catalog->tools->pdata[i];
		if (tool->decision.verdict != VERDICT_EXPOSED)
			continue;
		names[n].connector = tool->connector;
		names[n++].upstream = tool->tool->name;
	}
	names_assign(&catalog->config->mux, names, n);
	const struct ExposedName *name = names;
	for (unsigned i = 0; i < catalog->tools->len; i++) {
		struct CatalogTool *tool = catalog->tools->pdata[i];
		if (tool->decision.verdict != VERDICT_EXPOSED)
			continue;
		tool->exposed = name->exposed;
		tool->aliased = name->aliased;
		/* Legal names hold nothing that JSON escapes. */
		tool->raw_exposed = g_strdup_printf("\"%s\"", tool->exposed);
		g_hash_table_insert(catalog->by_name, tool->exposed, tool);
		name++;
	}
}

static void rebuild(struct Catalog *catalog)
{
	g_hash_table_remove_all(catalog->by_name);
	g_ptr_array_set_size(catalog->tools, 0);
	for (unsigned i = 0; i < catalog->groups->len; i++)
		add_tools(catalog, catalog->groups->pdata[i]);
	name_tools(catalog);
}

bool catalog_set(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ToolList *tools)
{
	struct Group *group = find_group(catalog, connector);
	if (!group)
		return false;
	catalog_render(catalog, false);
	GString *before = g_steal_pointer(&catalog->rendered[false]);
	forget_rendered(catalog);
	struct ToolList *old = group->tools;
	group->tools = tools ? tool_list_ref(tools) : NULL;
	rebuild(catalog);
	tool_list_unref(old);
	bool changed =
		!slice_eq((struct Slice){before->str, before->len}, catalog_render(catalog, false));
	g_string_free(before, TRUE);
	return changed;
}

const struct CatalogTool *catalog_find(const struct Catalog *catalog, const char *exposed)
{
	return g_hash_table_lookup(catalog->by_name, exposed);
}

const GPtrArray *catalog_tools(const struct Catalog *catalog)
{
	return catalog->tools;
}

bool catalog_count(const struct Catalog *catalog, const struct ConnectorConfig *connector,
	unsigned *exposed, unsigned *allowed)
{
	const struct Group *group = find_group(catalog, connector);
	bool known = group && group->tools && connector->enabled;
	*exposed = known ? group->exposed : 0;
	*allowed = known ? group->allowed : 0;
	return known;
}

static void render_tool(GString *out, const struct CatalogTool *tool, bool legacy)
{
	bool drop_output = legacy && !tool->tool->output_is_object;
	struct JsonWriter writer;
	struct JsonMember member;
	json_writer_init(&writer, out);
	json_begin_object(&writer);
	JSON_FOR_EACH_MEMBER (member, tool->tool->raw) {
		if (drop_output && json_string_is(member.key, SLICE("outputSchema")))
			continue;
		bool is_name = json_string_is(member.key, SLICE("name"));
		json_key_raw(&writer, member.key);
		json_raw(&writer, is_name ? slice_of(tool->raw_exposed) : member.value.raw);
	}
	json_end_object(&writer);
}

struct Slice catalog_render(struct Catalog *catalog, bool legacy)
{
	GString *out = catalog->rendered[legacy];
	if (!out) {
		out = g_string_new(NULL);
		for (unsigned i = 0; i < catalog->tools->len; i++) {
			const struct CatalogTool *tool = catalog->tools->pdata[i];
			if (!tool->exposed)
				continue;
			if (out->len)
				g_string_append_c(out, ',');
			render_tool(out, tool, legacy);
		}
		json_make_one_line(out->str, out->len);
		catalog->rendered[legacy] = out;
	}
	return (struct Slice){out->str, out->len};
}
