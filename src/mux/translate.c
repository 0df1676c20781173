/* Results and errors for an IDE of another era than the upstream's. Pure decisions over bytes. */
#include "mux/internal.h"

/* JSON-RPC errors that MCP gave a meaning in some revisions alone. */
enum { RESOURCE_NOT_FOUND = -32002 }; /* until 2025-11-25; -32602 from 2026-07-28 on */

/* ---- results ---- */

/* What a result says of itself, read in one pass. */
struct ResultLook {
	bool empty;
	bool typed; /* has resultType */
	bool complete; /* and it is "complete" */
	bool input_required;
	bool odd_structured; /* has a structuredContent that is no object */
	bool ttl; /* has ttlMs */
	bool scope; /* has cacheScope */
};

static struct ResultLook look_at(struct Slice result)
{
	struct ResultLook look = {.empty = true};
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, result) {
		look.empty = false;
		if (json_string_is(member.key, SLICE("resultType"))) {
			bool text = member.value.type == JSON_STRING;
			look.typed = true;
			look.complete = text && json_string_is(member.value.raw, SLICE("complete"));
			look.input_required =
				text && json_string_is(member.value.raw, SLICE("input_required"));
		} else if (member.value.type != JSON_OBJECT &&
			   json_string_is(member.key, SLICE("structuredContent"))) {
			look.odd_structured = true;
		} else if (json_string_is(member.key, SLICE("ttlMs"))) {
			look.ttl = true;
		} else if (json_string_is(member.key, SLICE("cacheScope"))) {
			look.scope = true;
		}
	}
	return look;
}

/* Legacy clients reject a structuredContent that is no object: it is left out, and put into `content` as text if there is
 * nothing else. */
static char *without_structured(struct Slice result)
{
	struct JsonValue structured = json_get(result, "structuredContent");
	GString *out = g_string_sized_new(result.len);
	struct JsonWriter w;
	json_writer_init(&w, out);
	json_begin_object(&w);
	bool has_content = false;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, result) {
		if (json_string_is(member.key, SLICE("structuredContent")))
			continue;
		if (json_string_is(member.key, SLICE("content"))) {
			struct JsonIter items = json_iter(member.value.raw);
			struct JsonMember item;
			if (!json_next(&items, &item))
				continue;
			has_content = true;
		}
		json_key_raw(&w, member.key);
		json_raw(&w, member.value.raw);
	}
	if (!has_content) {
		json_key(&w, "content");
		json_begin_array(&w);
		json_begin_object(&w);
		json_member_string(&w, "type", "text");
		json_key(&w, "text");
		json_string(&w, structured.raw);
		json_end_object(&w);
		json_end_array(&w);
	}
	json_end_object(&w);
	return g_string_free(out, FALSE);
}

/* The members that S26 demands and a legacy server's result lacks, for g_free. resources/read is the one result besides lists
 * and server/discover that has caching hints (2026-07-28, "Caching"). */
static char *modern_prefix(const struct Request *request, const struct ResultLook *look)
{
	bool is_read = strcmp(request->method, "resources/read") == 0;
	GString *out = g_string_new(NULL);
	if (!look->typed)
		g_string_append(out, "\"resultType\":\"complete\",");
	if (is_read && !look->ttl)
		g_string_append(out, "\"ttlMs\":0,");
	if (is_read && !look->scope)
		g_string_append(out, "\"cacheScope\":\"private\",");
	if (look->empty && out->len > 0)
		g_string_truncate(out, out->len - 1);
	return g_string_free(out, FALSE);
}

enum Translated translate_result(
	const struct Request *request, struct Slice result, char **out, char **prefix)
{
	struct ResultLook look = look_at(result);
	*out = NULL;
	*prefix = NULL;
	if (look.input_required && request->era == ERA_LEGACY)
		return request->kind->inputs ? TRANSLATED_INPUT_REQUIRED : TRANSLATED_UNKNOWN;
	if (look.typed && !look.complete)
		return TRANSLATED_UNKNOWN;
	if (request->era == ERA_LEGACY && look.odd_structured &&
		strcmp(request->method, "tools/call") == 0)
		*out = without_structured(result);
	else if (request->era == ERA_MODERN)
		*prefix = modern_prefix(request, &look);
	return TRANSLATED;
}

/* ---- errors ---- */

static char *with_code(struct Slice error, int code)
{
	g_autofree char *text = g_strdup_printf("%d", code);
	struct Edits edits = {0};
	size_t len;
	edits_replace(&edits, error, json_get(error, "code").raw, slice_of(text));
	return edits_apply(&edits, error, &len);
}

/* A resource that is not there has another code in each era. */
static char *translate_not_found(const struct Request *request, struct Slice error, int64_t code)
{
	if (strcmp(request->method, "resources/read") != 0)
		return NULL;
	if (request->era == ERA_MODERN && code == RESOURCE_NOT_FOUND)
		return with_code(error, RPC_INVALID_PARAMS);
	struct JsonValue uri = json_get(json_get(error, "data").raw, "uri");
	if (request->era == ERA_LEGACY && code == RPC_INVALID_PARAMS && uri.type == JSON_STRING)
		return with_code(error, RESOURCE_NOT_FOUND);
	return NULL;
}

char *translate_error(const struct Request *request, struct Slice error, enum Era from)
{
	int64_t code;
	if (request->era == from || !json_int64(json_get(error, "code"), &code))
		return NULL;
	return translate_not_found(request, error, code);
}
