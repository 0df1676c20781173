/* A file of pins was written by this program, by another version of it, or by whoever may write the person's files. What
 * is read is as strict as what is written. Of other servers' tools only the bytes are kept. */
#include "format/pin_record.h"

#include "base/error.h"
#include "format/definition.h"
#include "format/json.h"
#include "format/json_writer.h"

#include <openssl/evp.h>

enum {
	VERSION = 1,
	TIME_BYTES_MAX = 40,
	TOOL_BYTES = 400, /* of one tool, name and definition apart, at most */
	SLACK_BYTES = 4096, /* of what stands around the tools */
	DEPTH_AROUND = 5, /* objects that a definition stands in */
};

struct PinRecord {
	char *url;
	GHashTable *tools; /* name to struct PinnedTool */
	char *others; /* raw members of `servers` */
	char *unknown; /* raw members of the whole */
	char *server_unknown; /* raw members of the server */
	size_t bytes; /* at most, when written */
};

static void tool_free(void *data)
{
	struct PinnedTool *tool = data;
	if (!tool)
		return;
	g_free(tool->name);
	g_free(tool->approved);
	g_free(tool->definition);
	g_free(tool->sha256);
	g_free(tool->shown);
	g_free(tool->unknown);
	g_free(tool);
}

static struct PinRecord *record_new(const char *url)
{
	struct PinRecord *record = g_new0(struct PinRecord, 1);
	record->url = g_strdup(url);
	record->tools = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, tool_free);
	record->bytes = SLACK_BYTES + 6 * strlen(url);
	return record;
}

struct PinRecord *pin_record_new(const char *url)
{
	struct PinRecord *record = record_new(url);
	record->others = g_strdup("");
	record->unknown = g_strdup("");
	record->server_unknown = g_strdup("");
	return record;
}

void pin_record_free(struct PinRecord *record)
{
	if (!record)
		return;
	g_hash_table_unref(record->tools);
	g_free(record->url);
	g_free(record->others);
	g_free(record->unknown);
	g_free(record->server_unknown);
	g_free(record);
}

/* ---- reading ---- */

static bool refuse(GError **error, const char *why)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX, "no file of pins: %s", why);
	return false;
}

/* The raw members of OBJECT but the N of the KEYS, with commas between. */
static char *read_others(struct Slice object, const char *const *keys, unsigned n)
{
	GString *out = g_string_new(NULL);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, object) {
		bool known = false;
		for (unsigned i = 0; i < n && !known; i++)
			known = json_string_is(member.key, slice_of(keys[i]));
		if (known)
			continue;
		if (out->len > 0)
			g_string_append_c(out, ',');
		g_string_append_len(out, member.key.data, (gssize)member.key.len);
		g_string_append_c(out, ':');
		g_string_append_len(out, member.value.raw.data, (gssize)member.value.raw.len);
	}
	return g_string_free(out, FALSE);
}

/* A digest, NULL where VALUE is none. */
static char *read_digest(struct JsonValue value)
{
	g_autofree char *text = json_string_dup(value);
	if (!text || strlen(text) != PIN_DIGEST_HEX)
		return NULL;
	for (const char *p = text; *p; p++) {
		if (!g_ascii_isdigit(*p) && (*p < 'a' || *p > 'f'))
			return NULL;
	}
	return g_steal_pointer(&text);
}

/* Digits, signs and letters of a time, NULL where VALUE is something else. */
static char *read_time(struct JsonValue value)
{
	g_autofree char *text = json_string_dup(value);
	if (!text || !*text || strlen(text) > TIME_BYTES_MAX)
		return NULL;
	for (const char *p = text; *p; p++) {
		if (!g_ascii_isalnum(*p) && !strchr("-+:. ", *p))
			return NULL;
	}
	return g_steal_pointer(&text);
}

enum ToolKey { TOOL_APPROVED, TOOL_DEFINITION, TOOL_SHA256, TOOL_SHOWN, TOOL_KEYS };
static const char *const tool_keys[TOOL_KEYS] = {"approved", "definition", "sha256", "shown"};

/* NAME is taken over. */
static bool read_tool(struct PinRecord *record, char *name, struct JsonValue value, GError **error)
{
	struct PinnedTool *tool = g_new0(struct PinnedTool, 1);
	struct JsonValue values[TOOL_KEYS];
	tool->name = name;
	const char *twice = json_find_members(value.raw, tool_keys, TOOL_KEYS, values);
	tool->approved = read_time(values[TOOL_APPROVED]);
	if (values[TOOL_DEFINITION].type == JSON_OBJECT) {
		tool->definition = slice_dup(values[TOOL_DEFINITION].raw);
		tool->definition_len = values[TOOL_DEFINITION].raw.len;
	} else if (values[TOOL_DEFINITION].type == JSON_NONE) {
		tool->sha256 = read_digest(values[TOOL_SHA256]);
	}
	tool->shown = read_digest(values[TOOL_SHOWN]);
	tool->unknown = read_others(value.raw, tool_keys, TOOL_KEYS);
	bool whole = value.type == JSON_OBJECT && !twice && tool->approved &&
		     (tool->definition || tool->sha256) &&
		     (tool->shown || values[TOOL_SHOWN].type == JSON_NONE);
	if (whole && !g_hash_table_contains(record->tools, name)) {
		g_hash_table_insert(record->tools, name, tool);
		return true;
	}
	tool_free(tool);
	return refuse(error, whole ? "a tool stands there twice" : "a tool is not understood");
}

static bool read_server(struct PinRecord *record, struct JsonValue server, GError **error)
{
	static const char *const key = "tools";
	struct JsonValue tools;
	struct JsonMember member;
	record->server_unknown = read_others(server.raw, &key, 1);
	if (server.type == JSON_NONE)
		return true;
	if (json_find_members(server.raw, &key, 1, &tools) || tools.type != JSON_OBJECT)
		return refuse(error, "the tools of a server are missing, or there twice");
	JSON_FOR_EACH_MEMBER (member, tools.raw) {
		char *name = json_string_dup((struct JsonValue){JSON_STRING, member.key});
		if (!name)
			return refuse(error, "a tool's name is not understood");
		if (!read_tool(record, name, member.value, error))
			return false;
	}
	return true;
}

enum RootKey { ROOT_VERSION, ROOT_SERVERS, ROOT_KEYS };
static const char *const root_keys[ROOT_KEYS] = {"v", "servers"};

static bool read_root(struct PinRecord *record, struct Slice text, GError **error)
{
	struct JsonFault fault;
	struct JsonValue values[ROOT_KEYS], server;
	int64_t version = 0;
	if (!json_validate(text, &fault))
		return refuse(error, fault.reason);
	struct Slice root = json_root(text).raw;
	const char *twice = json_find_members(root, root_keys, ROOT_KEYS, values);
	if (twice || !json_int64(values[ROOT_VERSION], &version) || version < 1)
		return refuse(error, "its version is missing");
	if (version > VERSION) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_FAILED,
			"it was written by a newer mcp-mux (version %" G_GINT64_FORMAT
			" of the form, this one knows %d)",
			version, VERSION);
		return false;
	}
	const char *url = record->url;
	if (values[ROOT_SERVERS].type != JSON_OBJECT)
		return refuse(error, "it names no servers");
	struct Slice servers = values[ROOT_SERVERS].raw;
	if (json_find_members(servers, &url, 1, &server))
		return refuse(error, "a server stands there twice");
	if (server.type != JSON_NONE && server.type != JSON_OBJECT)
		return refuse(error, "a server is not understood");
	record->unknown = read_others(root, root_keys, ROOT_KEYS);
	record->others = read_others(servers, &url, 1);
	return read_server(record, server, error);
}

struct PinRecord *pin_record_parse(struct Slice text, const char *url, GError **error)
{
	if (text.len > PIN_RECORD_MAX) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
			"no file of pins: larger than %d bytes", PIN_RECORD_MAX);
		return NULL;
	}
	g_autoptr(PinRecord) record = record_new(url);
	if (!read_root(record, text, error))
		return NULL;
	record->bytes += text.len;
	return g_steal_pointer(&record);
}

/* ---- writing ---- */

static void append_raw(GString *out, const char *members)
{
	if (*members)
		g_string_append_printf(out, ",%s", members);
}

static void write_tool(struct JsonWriter *w, const struct PinnedTool *tool)
{
	json_key(w, tool->name);
	json_begin_object(w);
	json_member_string(w, tool_keys[TOOL_APPROVED], tool->approved);
	if (tool->definition)
		json_member_raw(w, tool_keys[TOOL_DEFINITION],
			(struct Slice){tool->definition, tool->definition_len});
	else
		json_member_string(w, tool_keys[TOOL_SHA256], tool->sha256);
	if (tool->shown)
		json_member_string(w, tool_keys[TOOL_SHOWN], tool->shown);
	append_raw(w->out, tool->unknown);
	json_end_object(w);
}

static int by_name(const void *a, const void *b)
{
	const struct PinnedTool *const *one = a;
	const struct PinnedTool *const *other = b;
	return strcmp((*one)->name, (*other)->name);
}

char *pin_record_write(const struct PinRecord *record, size_t *len)
{
	GString *out = g_string_sized_new(MIN(record->bytes, PIN_RECORD_MAX));
	GPtrArray *sorted = g_ptr_array_new();
	struct JsonWriter w;
	GHashTableIter iter;
	void *tool;
	g_hash_table_iter_init(&iter, record->tools);
	while (g_hash_table_iter_next(&iter, NULL, &tool))
		g_ptr_array_add(sorted, tool);
	g_ptr_array_sort(sorted, by_name);
	json_writer_init(&w, out);
	json_begin_object(&w);
	json_member_int(&w, root_keys[ROOT_VERSION], VERSION);
	json_key(&w, root_keys[ROOT_SERVERS]);
	json_begin_object(&w);
	json_key(&w, record->url);
	json_begin_object(&w);
	json_key(&w, "tools");
	json_begin_object(&w);
	for (unsigned i = 0; i < sorted->len; i++)
		write_tool(&w, sorted->pdata[i]);
	json_end_object(&w);
	append_raw(out, record->server_unknown);
	json_end_object(&w);
	append_raw(out, record->others);
	json_end_object(&w);
	append_raw(out, record->unknown);
	json_end_object(&w);
	g_ptr_array_unref(sorted);
	*len = out->len;
	return g_string_free(out, FALSE);
}

/* ---- tools ---- */

const struct PinnedTool *pin_record_find(const struct PinRecord *record, const char *name)
{
	return g_hash_table_lookup(record->tools, name);
}

void pin_digest(struct Slice text, char hex[PIN_DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[PIN_DIGEST_HEX / 2];
	int done = EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL);
	g_assert(done == 1);
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex[2 * i] = digits[digest[i] >> 4];
		hex[2 * i + 1] = digits[digest[i] & 15];
	}
	hex[PIN_DIGEST_HEX] = '\0';
}

/* Whether the definition that stands in the file, in other words than ours (a person may have edited it), means CANONICAL. */
static bool means(const struct PinnedTool *tool, struct Slice canonical)
{
	size_t len = 0;
	g_autofree char *text =
		definition_canonical((struct Slice){tool->definition, tool->definition_len}, &len);
	return slice_eq((struct Slice){text, len}, canonical);
}

bool pin_record_matches(const struct PinnedTool *tool, struct Slice canonical)
{
	if (tool->definition)
		return slice_eq(
			       (struct Slice){tool->definition, tool->definition_len}, canonical) ||
		       means(tool, canonical);
	char hex[PIN_DIGEST_HEX + 1];
	pin_digest(canonical, hex);
	return strcmp(tool->sha256, hex) == 0;
}

/* Of TOOL in a file: at most, and at least. */
static size_t most_bytes(const struct PinnedTool *tool)
{
	return TOOL_BYTES + 6 * strlen(tool->name) + strlen(tool->unknown) + tool->definition_len;
}

static size_t least_bytes(const struct PinnedTool *tool)
{
	return tool ? strlen(tool->name) + strlen(tool->unknown) + tool->definition_len : 0;
}

/* TOOL is taken over if there is room for it. */
static bool put(struct PinRecord *record, struct PinnedTool *tool)
{
	size_t bytes =
		record->bytes - least_bytes(pin_record_find(record, tool->name)) + most_bytes(tool);
	if (bytes > PIN_RECORD_MAX) {
		tool_free(tool);
		return false;
	}
	record->bytes = bytes;
	g_hash_table_replace(record->tools, tool->name, tool);
	return true;
}

/* Whether a file with DEFINITION, a server's text, in it can be read again. */
static bool can_be_kept(struct Slice definition)
{
	unsigned depth = 0;
	bool is_string = false;
	if (definition.len > PIN_DEFINITION_MAX)
		return false;
	for (size_t i = 0; i < definition.len; i++) {
		char c = definition.data[i];
		if (c == '"')
			is_string = !is_string;
		else if (is_string && c == '\\')
			i++;
		else if (!is_string && (c == '{' || c == '['))
			depth++;
		else if (!is_string && (c == '}' || c == ']'))
			depth--;
		if (depth > JSON_MAX_DEPTH - DEPTH_AROUND)
			return false;
	}
	return true;
}

bool pin_record_put(
	struct PinRecord *record, const char *name, struct Slice canonical, const char *approved)
{
	const struct PinnedTool *old = pin_record_find(record, name);
	struct PinnedTool *tool = g_new0(struct PinnedTool, 1);
	tool->name = g_strdup(name);
	tool->approved = g_strdup(approved);
	tool->unknown = g_strdup(old ? old->unknown : "");
	if (can_be_kept(canonical)) {
		tool->definition = slice_dup(canonical);
		tool->definition_len = canonical.len;
	} else {
		tool->sha256 = g_malloc(PIN_DIGEST_HEX + 1);
		pin_digest(canonical, tool->sha256);
	}
	return put(record, tool);
}

bool pin_record_copy(struct PinRecord *record, const struct PinnedTool *from)
{
	struct PinnedTool *tool = g_new0(struct PinnedTool, 1);
	*tool = (struct PinnedTool){
		.name = g_strdup(from->name),
		.approved = g_strdup(from->approved),
		.definition = g_strdup(from->definition),
		.definition_len = from->definition_len,
		.sha256 = g_strdup(from->sha256),
		.shown = g_strdup(from->shown),
		.unknown = g_strdup(from->unknown),
	};
	return put(record, tool);
}

void pin_record_set_shown(struct PinRecord *record, const char *name, const char *digest)
{
	struct PinnedTool *tool = g_hash_table_lookup(record->tools, name);
	g_free(tool->shown);
	tool->shown = g_strdup(digest);
}
