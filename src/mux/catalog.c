/* The catalog owns what it derived (names, decisions, renderings) and holds references to the
 * lists into whose pages the definitions point. Every change builds all of it again from the
 * lists: names depend on the whole set of exposed tools, and thousands of tools take milliseconds.
 * That makes the result a function of the configuration and the lists alone, in whatever order they
 * came. A connector that is switched off has nothing here.
 *
 * Upstreams are not trusted: a name is only ever shown after names_assign made it legal and unique, and
 * calls are routed by looking the exposed name up. */
#include "mux/catalog.h"

#include "base/log.h"
#include "format/json_writer.h"
#include "mux/names.h"

/* Of a tool that was not allowed. */
enum { UNCHECKED = 255 };

/* Changed definitions of one list that are told of one by one. */
enum { CHANGES_TOLD_MAX = 5 };

/* Of one connector: texts of the templates that URIs are compared with. */
enum { TEMPLATES_BYTES_MAX = 32 * 1024 };

struct Group {
	const struct ConnectorConfig *connector;
	struct ToolList *tools; /* NULL: not known */
	struct ItemList *items; /* of a catalog of another kind; NULL: not known */
	unsigned exposed;
	unsigned allowed;
	unsigned shadowed;
	unsigned shadowed_told; /* of them */
	unsigned unmatched; /* templates without uri_template */
	size_t template_bytes; /* of those that have one */
	guint8 *pins; /* enum PinState of each of TOOLS, or UNCHECKED; NULL: none is known */
	unsigned pins_generation; /* when they were found */
	enum PinMode pins_mode; /* likewise */
	bool pins_looked; /* some were found since tell_changes */
};

struct Catalog {
	const struct Config *config;
	enum McpList kind;
	struct Pins *pins; /* NULL: there are none */
	GPtrArray *groups; /* struct Group, in the order of lists */
	GPtrArray *entries; /* struct CatalogEntry, likewise */
	GHashTable *by_name; /* exposed name to the first struct CatalogEntry */
	GHashTable
		*blocked; /* likewise of those that are hidden since they changed; owns the names */
	GString *rendered[2]; /* by LEGACY; NULL until asked for */
};

static void group_free(void *data)
{
	struct Group *group = data;
	tool_list_unref(group->tools);
	item_list_unref(group->items);
	g_free(group->pins);
	g_free(group);
}

static void entry_free(void *data)
{
	struct CatalogEntry *entry = data;
	g_free(entry->exposed);
	g_free(entry->raw_exposed);
	g_free(entry->raw_upstream);
	uri_template_free(entry->uri_template);
	g_free(entry);
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

struct Catalog *catalog_new(const struct Config *config, enum McpList kind)
{
	struct Catalog *catalog = g_new0(struct Catalog, 1);
	catalog->config = config;
	catalog->kind = kind;
	catalog->groups = g_ptr_array_new_with_free_func(group_free);
	catalog->entries = g_ptr_array_new_with_free_func(entry_free);
	catalog->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	catalog->blocked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
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
	g_hash_table_unref(catalog->blocked);
	g_ptr_array_unref(catalog->entries);
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

static int by_own_name(const void *a, const void *b)
{
	const struct CatalogEntry *const *one = a;
	const struct CatalogEntry *const *other = b;
	return strcmp((*one)->own, (*other)->own);
}

static struct CatalogEntry *tool_entry(
	const struct ConnectorConfig *connector, const struct Tool *tool)
{
	struct CatalogEntry *entry = g_new0(struct CatalogEntry, 1);
	entry->tool = tool;
	entry->own = tool->name;
	entry->raw = tool->raw;
	entry->invalid = tool->invalid;
	entry->raw_upstream = slice_dup(tool->raw_name);
	entry->decision = policy_tool(connector, tool);
	return entry;
}

static struct CatalogEntry *item_entry(
	const struct ConnectorConfig *connector, enum McpList kind, const struct Item *item)
{
	struct CatalogEntry *entry = g_new0(struct CatalogEntry, 1);
	entry->own = item->key;
	entry->raw = item->raw;
	entry->invalid = item->invalid;
	entry->raw_upstream = slice_dup(item->raw_key);
	entry->decision =
		policy_item(connector, kind == MCP_PROMPTS ? ALLOW_PROMPTS : ALLOW_RESOURCES, item);
	return entry;
}

/* Forgets what was found of the pins of GROUP's tools, if it may not be so any more. */
static void prepare_pins(const struct Catalog *catalog, struct Group *group)
{
	enum PinMode mode = catalog->config->mux.pin_tools;
	unsigned generation = pins_generation(catalog->pins);
	if (group->pins && group->pins_generation == generation && group->pins_mode == mode)
		return;
	unsigned n = group->tools ? group->tools->tools->len : 0;
	g_free(group->pins);
	group->pins = g_malloc(n + 1);
	memset(group->pins, UNCHECKED, n + 1);
	group->pins_mode = mode;
}

/* The pin of GROUP's tool I. */
static void read_pin(
	const struct Catalog *catalog, struct Group *group, unsigned i, struct CatalogEntry *entry)
{
	if (!entry->decision.allowed || entry->invalid)
		return;
	if (group->pins[i] == UNCHECKED) {
		group->pins[i] = (guint8)pins_check(catalog->pins, group->connector, entry->tool);
		group->pins_looked = true;
	}
	entry->pin = (enum PinState)group->pins[i];
	if (entry->pin == PIN_STATE_CHANGED)
		policy_pin_changed(&entry->decision, group->pins_mode);
}

/* The list of GROUP as entries, in no order. */
static GPtrArray *read_group(const struct Catalog *catalog, struct Group *group)
{
	GPtrArray *entries = g_ptr_array_new();
	if (catalog->pins)
		prepare_pins(catalog, group);
	for (unsigned i = 0; group->tools && i < group->tools->tools->len; i++) {
		struct CatalogEntry *entry =
			tool_entry(group->connector, group->tools->tools->pdata[i]);
		if (catalog->pins)
			read_pin(catalog, group, i, entry);
		g_ptr_array_add(entries, entry);
	}
	group->pins_generation = pins_generation(catalog->pins);
	for (unsigned i = 0; group->items && i < group->items->items->len; i++)
		g_ptr_array_add(entries,
			item_entry(group->connector, catalog->kind, group->items->items->pdata[i]));
	return entries;
}

/* Looking for the template of a URI takes time in proportion to all of them. */
static void read_template(struct Group *group, struct CatalogEntry *entry)
{
	size_t len = strlen(entry->own);
	if (entry->decision.verdict != VERDICT_EXPOSED)
		return;
	if (group->template_bytes + len <= TEMPLATES_BYTES_MAX)
		entry->uri_template = uri_template_new(entry->own);
	if (entry->uri_template)
		group->template_bytes += len;
	else
		group->unmatched++;
}

/* Adds the entries of GROUP, without names as yet. */
static void add_entries(struct Catalog *catalog, struct Group *group)
{
	group->exposed = 0;
	group->allowed = 0;
	group->shadowed = 0;
	group->unmatched = 0;
	group->template_bytes = 0;
	if (!group->connector->enabled)
		return;
	g_autoptr(GPtrArray) sorted = read_group(catalog, group);
	g_ptr_array_sort(sorted, by_own_name);
	for (unsigned i = 0; i < sorted->len; i++) {
		struct CatalogEntry *entry = sorted->pdata[i];
		entry->connector = group->connector;
		if (catalog->kind == MCP_TEMPLATES)
			read_template(group, entry);
		group->exposed += entry->decision.verdict == VERDICT_EXPOSED;
		group->allowed += entry->decision.allowed;
		g_ptr_array_add(catalog->entries, entry);
	}
}

/* Whether ENTRY has an exposed name, or one that is kept for it. */
static bool is_named(const struct CatalogEntry *entry)
{
	return entry->decision.verdict == VERDICT_EXPOSED ||
	       entry->decision.verdict == VERDICT_PIN_CHANGED;
}

static void name_entries(struct Catalog *catalog)
{
	g_autofree struct ExposedName *names =
		g_new0(struct ExposedName, catalog->entries->len + 1);
	size_t n = 0;
	for (unsigned i = 0; i < catalog->entries->len; i++) {
		const struct CatalogEntry *entry = catalog->entries->pdata[i];
		if (!is_named(entry))
			continue;
		names[n].connector = entry->connector;
		names[n++].upstream = entry->own;
	}
	names_assign(&catalog->config->mux, names, n);
	const struct ExposedName *name = names;
	for (unsigned i = 0; i < catalog->entries->len; i++) {
		struct CatalogEntry *entry = catalog->entries->pdata[i];
		if (!is_named(entry))
			continue;
		entry->aliased = name->aliased;
		if (entry->decision.verdict == VERDICT_PIN_CHANGED) {
			g_hash_table_insert(catalog->blocked, name->exposed, entry);
			name++;
			continue;
		}
		entry->exposed = name->exposed;
		/* Legal names hold nothing that JSON escapes. */
		entry->raw_exposed = g_strdup_printf("\"%s\"", entry->exposed);
		g_hash_table_insert(catalog->by_name, entry->exposed, entry);
		name++;
	}
}

/* URIs stay as they are; from the end, so that the first of equals comes to be found. */
static void keep_uris(struct Catalog *catalog)
{
	for (unsigned i = catalog->entries->len; i > 0; i--) {
		struct CatalogEntry *entry = catalog->entries->pdata[i - 1];
		if (entry->decision.verdict != VERDICT_EXPOSED)
			continue;
		entry->exposed = g_strdup(entry->own);
		entry->raw_exposed = g_strdup(entry->raw_upstream);
		struct CatalogEntry *later = g_hash_table_lookup(catalog->by_name, entry->exposed);
		if (later) {
			later->shadowed = true;
			find_group(catalog, later->connector)->shadowed++;
		}
		entry->next = later;
		g_hash_table_replace(catalog->by_name, entry->exposed, entry);
	}
}

const char *catalog_name_of(const struct Catalog *catalog, const struct CatalogEntry *entry)
{
	GHashTableIter iter;
	void *name, *blocked;
	if (entry->exposed)
		return entry->exposed;
	g_hash_table_iter_init(&iter, catalog->blocked);
	while (g_hash_table_iter_next(&iter, &name, &blocked)) {
		if (blocked == entry)
			return name;
	}
	return entry->own;
}

/* NUMBER changes of the same connector were told of before. */
static void tell_change(
	const struct Catalog *catalog, const struct CatalogEntry *entry, unsigned number)
{
	const char *connector = entry->connector->name;
	const char *name = catalog_name_of(catalog, entry);
	bool is_blocked = entry->decision.verdict == VERDICT_PIN_CHANGED;
	if (number < CHANGES_TOLD_MAX)
		log_warning(connector,
			"the definition of its tool %s is not the one that was approved%s: see "
			"mcp-mux diff %s, accept it with mcp-mux approve %s",
			entry->own, is_blocked ? ", so it is hidden" : "", name, name);
	else if (number == CHANGES_TOLD_MAX)
		log_warning(connector, "nor are those of more of its tools: see mcp-mux tools %s",
			connector);
}

/* Says which definitions of GROUP's tools changed, each change once. */
static void tell_changes(const struct Catalog *catalog, struct Group *group)
{
	unsigned told = 0;
	if (!group->pins_looked)
		return;
	group->pins_looked = false;
	for (unsigned i = 0; i < catalog->entries->len; i++) {
		const struct CatalogEntry *entry = catalog->entries->pdata[i];
		if (entry->connector == group->connector && entry->pin == PIN_STATE_CHANGED &&
			pins_is_news(catalog->pins, entry->connector, entry->tool))
			tell_change(catalog, entry, told++);
	}
}

static void rebuild(struct Catalog *catalog)
{
	g_hash_table_remove_all(catalog->by_name);
	g_hash_table_remove_all(catalog->blocked);
	g_ptr_array_set_size(catalog->entries, 0);
	for (unsigned i = 0; i < catalog->groups->len; i++)
		add_entries(catalog, catalog->groups->pdata[i]);
	if (catalog->kind == MCP_TOOLS || catalog->kind == MCP_PROMPTS)
		name_entries(catalog);
	else
		keep_uris(catalog);
	for (unsigned i = 0; i < catalog->groups->len; i++)
		tell_changes(catalog, catalog->groups->pdata[i]);
}

/* Builds anew; whether the IDE sees something else than before. */
static bool is_changed(struct Catalog *catalog)
{
	catalog_render(catalog, false);
	GString *before = g_steal_pointer(&catalog->rendered[false]);
	forget_rendered(catalog);
	rebuild(catalog);
	bool changed =
		!slice_eq((struct Slice){before->str, before->len}, catalog_render(catalog, false));
	g_string_free(before, TRUE);
	return changed;
}

bool catalog_set(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ToolList *tools)
{
	struct Group *group = find_group(catalog, connector);
	if (!group)
		return false;
	catalog_render(catalog, false); /* while the old definitions are there */
	struct ToolList *old = group->tools;
	if (tools != old)
		g_clear_pointer(&group->pins, g_free);
	group->tools = tools ? tool_list_ref(tools) : NULL;
	bool changed = is_changed(catalog);
	tool_list_unref(old);
	return changed;
}

/* What a person who misses something should find in the log: of CONNECTOR's list, and of others that come to be hidden
 * by it. */
static void tell_hidden(struct Catalog *catalog, const struct ConnectorConfig *connector)
{
	const char *method = mcp_lists[catalog->kind].method;
	for (unsigned i = 0; i < catalog->groups->len; i++) {
		struct Group *group = catalog->groups->pdata[i];
		if (group->shadowed > group->shadowed_told)
			log_warning(group->connector->name,
				"%u of what it lists are left out of %s: others list the same URI",
				group->shadowed, method);
		group->shadowed_told = group->shadowed;
		if (group->connector == connector && group->unmatched > 0)
			log_warning(connector->name,
				"%u of its resource templates are not understood, or too long "
				"together: "
				"what they stand for may not be found at it",
				group->unmatched);
	}
}

bool catalog_set_items(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ItemList *items)
{
	struct Group *group = find_group(catalog, connector);
	if (!group)
		return false;
	catalog_render(catalog, false); /* while the old definitions are there */
	struct ItemList *old = group->items;
	group->items = items ? item_list_ref(items) : NULL;
	bool changed = is_changed(catalog);
	item_list_unref(old);
	tell_hidden(catalog, connector);
	return changed;
}

void catalog_set_pins(struct Catalog *catalog, struct Pins *pins)
{
	catalog->pins = pins;
}

const struct CatalogEntry *catalog_find_blocked(const struct Catalog *catalog, const char *exposed)
{
	return g_hash_table_lookup(catalog->blocked, exposed);
}

/* The groups of the configuration as it is now, with the lists that are known. */
static void regroup(struct Catalog *catalog, GPtrArray *old)
{
	add_groups(catalog, true);
	add_groups(catalog, false);
	for (unsigned i = 0; i < catalog->groups->len; i++) {
		struct Group *group = catalog->groups->pdata[i];
		for (unsigned j = 0; j < old->len; j++) {
			struct Group *before = old->pdata[j];
			if (before->connector != group->connector)
				continue;
			group->tools = g_steal_pointer(&before->tools);
			group->items = g_steal_pointer(&before->items);
			group->pins = g_steal_pointer(&before->pins);
			group->pins_generation = before->pins_generation;
			group->pins_mode = before->pins_mode;
		}
	}
}

bool catalog_reconfigure(struct Catalog *catalog)
{
	catalog_render(catalog, false); /* while the old definitions are there */
	g_autoptr(GPtrArray) old = g_steal_pointer(&catalog->groups);
	catalog->groups = g_ptr_array_new_with_free_func(group_free);
	regroup(catalog, old);
	return is_changed(catalog);
}

const struct CatalogEntry *catalog_find(const struct Catalog *catalog, const char *exposed)
{
	return g_hash_table_lookup(catalog->by_name, exposed);
}

const GPtrArray *catalog_entries(const struct Catalog *catalog)
{
	return catalog->entries;
}

bool catalog_count(const struct Catalog *catalog, const struct ConnectorConfig *connector,
	unsigned *exposed, unsigned *allowed)
{
	const struct Group *group = find_group(catalog, connector);
	bool known = group && (group->tools || group->items) && connector->enabled;
	*exposed = known ? group->exposed : 0;
	*allowed = known ? group->allowed : 0;
	return known;
}

static void render_entry(
	GString *out, const struct CatalogEntry *entry, const char *key, bool legacy)
{
	bool drop_output = legacy && entry->tool && !entry->tool->output_is_object;
	struct JsonWriter writer;
	struct JsonMember member;
	json_writer_init(&writer, out);
	json_begin_object(&writer);
	JSON_FOR_EACH_MEMBER (member, entry->raw) {
		if (drop_output && json_string_is(member.key, SLICE("outputSchema")))
			continue;
		bool is_name = json_string_is(member.key, slice_of(key));
		json_key_raw(&writer, member.key);
		json_raw(&writer, is_name ? slice_of(entry->raw_exposed) : member.value.raw);
	}
	json_end_object(&writer);
}

struct Slice catalog_render(struct Catalog *catalog, bool legacy)
{
	GString *out = catalog->rendered[legacy];
	if (!out) {
		out = g_string_new(NULL);
		for (unsigned i = 0; i < catalog->entries->len; i++) {
			const struct CatalogEntry *entry = catalog->entries->pdata[i];
			if (!entry->exposed || entry->shadowed)
				continue;
			if (out->len)
				g_string_append_c(out, ',');
			render_entry(out, entry, mcp_lists[catalog->kind].key, legacy);
		}
		json_make_one_line(out->str, out->len);
		catalog->rendered[legacy] = out;
	}
	return (struct Slice){out->str, out->len};
}
