/* Read before the IDE's first answer: so the digest is made by the one-purpose functions of libcrypto, since those that it
 * recommends load its configuration first, which takes longer than all the rest, and GLib's take five times as long. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "format/list_record.h"

#include "base/error.h"
#include "format/json_writer.h"

#include <openssl/sha.h>

/* Members of the file, and of its content. */
enum { FILE_V, FILE_DIGEST, FILE_CONTENT, FILE_MEMBERS };
enum { KEY, GRANT, MODERN, OFFERS, INSTRUCTIONS, TOOLS, PROMPTS, TEMPLATES, MEMBERS };

static const char *const file_keys[FILE_MEMBERS] = {"v", "sha256", "content"};
static const char *const keys[MEMBERS] = {"key", "grant", "modern", "offers", "instructions",
	"tools", "prompts", "resourceTemplates"};

/* Where the lists stand in it. */
static const struct {
	enum McpList list;
	unsigned member;
} lists[] = {{MCP_TOOLS, TOOLS}, {MCP_PROMPTS, PROMPTS}, {MCP_TEMPLATES, TEMPLATES}};

static void drop_lists(struct ListRecord *record)
{
	g_clear_pointer(&record->tools, tool_list_unref);
	for (unsigned i = 0; i < MCP_LISTS; i++)
		g_clear_pointer(&record->items[i], item_list_unref);
}

void list_record_free(struct ListRecord *record)
{
	if (!record)
		return;
	g_free(record->key);
	g_free(record->grant);
	g_free(record->instructions);
	drop_lists(record);
	g_clear_pointer(&record->text, g_bytes_unref);
	g_free(record);
}

static void take_digest(struct Slice content, char digest[LIST_RECORD_DIGEST_BYTES])
{
	static const char hex[] = "0123456789abcdef";
	unsigned char sum[SHA256_DIGEST_LENGTH];
	SHA256_CTX context;
	SHA256_Init(&context);
	SHA256_Update(&context, content.data, content.len);
	SHA256_Final(sum, &context);
	for (size_t i = 0; i < sizeof(sum); i++) {
		digest[2 * i] = hex[sum[i] >> 4];
		digest[2 * i + 1] = hex[sum[i] & 0xf];
	}
	digest[2 * sizeof(sum)] = '\0';
}

/* ---- writing ---- */

static void write_list(struct JsonWriter *w, const struct ListRecord *record, unsigned i)
{
	enum McpList list = lists[i].list;
	const struct ToolList *tools = list == MCP_TOOLS ? record->tools : NULL;
	const struct ItemList *items = list == MCP_TOOLS ? NULL : record->items[list];
	if (!tools && !items)
		return;
	json_key(w, keys[lists[i].member]);
	json_begin_array(w);
	for (guint n = 0; tools && n < tools->tools->len; n++)
		json_raw(w, ((const struct Tool *)tools->tools->pdata[n])->raw);
	for (guint n = 0; items && n < items->items->len; n++)
		json_raw(w, ((const struct Item *)items->items->pdata[n])->raw);
	json_end_array(w);
}

static void write_content(struct JsonWriter *w, const struct ListRecord *record)
{
	json_begin_object(w);
	json_member_string(w, keys[KEY], record->key);
	json_member_string(w, keys[GRANT], record->grant);
	json_member_bool(w, keys[MODERN], record->modern);
	json_member_int(w, keys[OFFERS], record->offers);
	if (record->instructions)
		json_member_string(w, keys[INSTRUCTIONS], record->instructions);
	for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++)
		write_list(w, record, i);
	json_end_object(w);
}

char *list_record_write(const struct ListRecord *record, char digest[LIST_RECORD_DIGEST_BYTES])
{
	g_autoptr(GString) content = g_string_sized_new(4096);
	struct JsonWriter w;
	json_writer_init(&w, content);
	write_content(&w, record);
	struct Slice raw = {content->str, content->len};
	take_digest(raw, digest);
	g_autoptr(GString) out = g_string_sized_new(content->len + 256);
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, file_keys[FILE_V], LIST_RECORD_VERSION);
	json_member_string(&w, file_keys[FILE_DIGEST], digest);
	json_member_raw(&w, file_keys[FILE_CONTENT], raw);
	json_end_object(&w);
	if (out->len > LIST_RECORD_BYTES_MAX)
		return NULL;
	return g_string_free(g_steal_pointer(&out), FALSE);
}

/* ---- reading ---- */

static bool fail(GError **error, const char *why)
{
	g_set_error_literal(error, MUX_ERROR, MUX_ERROR_SYNTAX, why);
	return false;
}

/* *CONTENT is what the digest of the file says. */
static bool find_content(struct Slice text, struct JsonValue *content,
	char digest[LIST_RECORD_DIGEST_BYTES], GError **error)
{
	struct JsonValue values[FILE_MEMBERS];
	int64_t version;
	if (!json_validate(text, NULL))
		return fail(error, "it is cut short or no JSON");
	if (json_find_members(json_root(text).raw, file_keys, FILE_MEMBERS, values))
		return fail(error, "a member is there twice");
	if (!json_int64(values[FILE_V], &version) || version != LIST_RECORD_VERSION)
		return fail(error, "it is of another version");
	if (values[FILE_CONTENT].type != JSON_OBJECT || values[FILE_DIGEST].type != JSON_STRING)
		return fail(error, "it has no content or no digest");
	take_digest(values[FILE_CONTENT].raw, digest);
	if (!json_string_is(values[FILE_DIGEST].raw, slice_of(digest)))
		return fail(error, "its content is not what was written");
	*content = values[FILE_CONTENT];
	return true;
}

/* What is right by its digest may still have been made by somebody else. */
static bool read_texts(
	struct ListRecord *record, const struct JsonValue values[MEMBERS], GError **error)
{
	int64_t offers;
	record->key = json_string_dup(values[KEY]);
	record->grant = json_string_dup(values[GRANT]);
	record->modern = values[MODERN].type == JSON_TRUE;
	record->instructions = json_string_dup(values[INSTRUCTIONS]);
	bool good = record->key && record->grant &&
		    (record->modern || values[MODERN].type == JSON_FALSE) &&
		    (record->instructions || values[INSTRUCTIONS].type == JSON_NONE) &&
		    json_int64(values[OFFERS], &offers) && offers >= 0 && offers <= G_MAXINT;
	if (!good)
		return fail(error, "a member is missing or of another type");
	if (record->instructions && strlen(record->instructions) > LIST_RECORD_INSTRUCTIONS_MAX)
		return fail(error, "its instructions are too long");
	record->offers = (unsigned)offers;
	return true;
}

/* The content has the form of a page of LIST, and is one. */
static bool read_list(struct ListRecord *record, enum McpList list)
{
	struct Slice cursor;
	unsigned skipped = 0;
	if (list == MCP_TOOLS) {
		record->tools = tool_list_new();
		return tool_list_add_page(record->tools, record->text, record->content,
			       record->modern, &cursor, &skipped, NULL) &&
		       skipped == 0;
	}
	record->items[list] = item_list_new(list);
	return item_list_add_page(record->items[list], record->text, record->content, &cursor,
		       &skipped, NULL) &&
	       skipped == 0;
}

bool list_record_read_lists(struct ListRecord *record, GError **error)
{
	bool good = true;
	for (unsigned i = 0; good && i < G_N_ELEMENTS(lists); i++) {
		struct JsonValue value = json_get(record->content, keys[lists[i].member]);
		good = value.type == JSON_NONE || read_list(record, lists[i].list);
	}
	if (!good)
		drop_lists(record);
	g_clear_pointer(&record->text, g_bytes_unref);
	return good || fail(error, "a list in it cannot be read");
}

struct ListRecord *list_record_parse(
	GBytes *text, char digest[LIST_RECORD_DIGEST_BYTES], GError **error)
{
	struct Slice bytes;
	bytes.data = g_bytes_get_data(text, &bytes.len);
	struct JsonValue content, values[MEMBERS];
	char found[LIST_RECORD_DIGEST_BYTES];
	if (!find_content(bytes, &content, found, error))
		return NULL;
	if (json_find_members(content.raw, keys, MEMBERS, values)) {
		fail(error, "a member is there twice");
		return NULL;
	}
	g_autoptr(ListRecord) record = g_new0(struct ListRecord, 1);
	if (!read_texts(record, values, error))
		return NULL;
	record->text = g_bytes_ref(text);
	record->content = content.raw;
	g_strlcpy(digest, found, LIST_RECORD_DIGEST_BYTES);
	return g_steal_pointer(&record);
}
