/* What was learnt of servers' eras, in one small JSON file: {"v":1,"urls":{URL:{"legacy":"spoken",
 * "modern":"refused"}}}. Several processes may write it; the last one wins, which costs the others a
 * probe at worst. */
#include "upstream/era.h"

#include "base/file.h"
#include "base/log.h"
#include "format/json.h"
#include "format/json_writer.h"

#include <stdint.h>

enum { MAX_BYTES = 1 << 20, MAX_URLS = 1000 };

const char *const mcp_legacy_revisions[] = {
	"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05", NULL};

bool mcp_is_legacy_revision(const char *revision)
{
	return g_strv_contains(mcp_legacy_revisions, revision);
}

struct Facts {
	enum EraFact fact[ERA_MODERN + 1];
};

struct EraStore {
	char *path;
	GHashTable *facts; /* char *URL -> struct Facts */
	bool changed; /* since it was read */
};

static const char *const era_names[] = {NULL, "legacy", "modern"};
static const char *const fact_names[] = {NULL, "spoken", "refused"};

static struct Facts *facts_of(struct EraStore *store, const char *url)
{
	struct Facts *facts = g_hash_table_lookup(store->facts, url);
	if (!facts) {
		facts = g_new0(struct Facts, 1);
		g_hash_table_insert(store->facts, g_strdup(url), facts);
	}
	return facts;
}

static void read_facts(struct EraStore *store, struct Slice urls)
{
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, urls) {
		struct JsonValue key = {JSON_STRING, member.key};
		g_autofree char *url = json_string_dup(key);
		if (!url || g_hash_table_size(store->facts) >= MAX_URLS)
			continue;
		for (unsigned era = ERA_LEGACY; era <= ERA_MODERN; era++) {
			struct JsonValue value = json_get(member.value.raw, era_names[era]);
			for (unsigned fact = ERA_FACT_SPOKEN; fact <= ERA_FACT_REFUSED; fact++) {
				if (value.type == JSON_STRING &&
					json_string_is(value.raw, slice_of(fact_names[fact])))
					facts_of(store, url)->fact[era] = (enum EraFact)fact;
			}
		}
	}
}

struct EraStore *era_store_new(const char *path)
{
	struct EraStore *store = g_new0(struct EraStore, 1);
	store->path = g_strdup(path);
	store->facts = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	if (!path)
		return store;
	g_autoptr(GError) error = NULL;
	size_t len;
	g_autofree char *text = file_read(path, MAX_BYTES, &len, &error);
	struct Slice all = {text, text ? len : 0};
	if (!text)
		log_debug(NULL, "what is known of servers' eras was not read: %s", error->message);
	else if (!json_validate(all, NULL))
		log_debug(NULL, "%s is no JSON, so it is begun anew", path);
	else
		read_facts(store, json_get(json_root(all).raw, "urls").raw);
	return store;
}

enum EraFact era_store_get(const struct EraStore *store, const char *url, enum Era era)
{
	const struct Facts *facts = g_hash_table_lookup(store->facts, url);
	return facts ? facts->fact[era] : ERA_FACT_NONE;
}

static void write_facts(const struct EraStore *store)
{
	g_autoptr(GString) text = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, text);
	json_begin_object(&w);
	json_member_int(&w, "v", 1);
	json_key(&w, "urls");
	json_begin_object(&w);
	g_autoptr(GList) urls =
		g_list_sort(g_hash_table_get_keys(store->facts), (GCompareFunc)strcmp);
	for (const GList *url = urls; url; url = url->next) {
		const struct Facts *facts = g_hash_table_lookup(store->facts, url->data);
		json_key(&w, url->data);
		json_begin_object(&w);
		for (unsigned era = ERA_LEGACY; era <= ERA_MODERN; era++) {
			if (facts->fact[era] != ERA_FACT_NONE)
				json_member_string(
					&w, era_names[era], fact_names[facts->fact[era]]);
		}
		json_end_object(&w);
	}
	json_end_object(&w);
	json_end_object(&w);
	g_string_append_c(text, '\n');
	g_autoptr(GError) error = NULL;
	if (!file_replace(store->path, (struct Slice){text->str, text->len}, 0600, &error))
		log_debug(NULL, "what is known of servers' eras was not kept: %s", error->message);
}

void era_store_set(struct EraStore *store, const char *url, enum Era era, enum EraFact fact)
{
	if (era_store_get(store, url, era) == fact ||
		(!g_hash_table_contains(store->facts, url) &&
			g_hash_table_size(store->facts) >= MAX_URLS))
		return;
	facts_of(store, url)->fact[era] = fact;
	store->changed = true;
}

void era_store_free(struct EraStore *store)
{
	if (!store)
		return;
	if (store->changed && store->path)
		write_facts(store);
	g_hash_table_unref(store->facts);
	g_free(store->path);
	g_free(store);
}
