#include "format/capabilities.h"

#include "format/json_writer.h"

enum Feature { FEATURE_ELICITATION, FEATURE_SAMPLING, FEATURE_ROOTS, FEATURES };

static const char *const feature_keys[FEATURES] = {
	[FEATURE_ELICITATION] = "elicitation",
	[FEATURE_SAMPLING] = "sampling",
	[FEATURE_ROOTS] = "roots",
};

static unsigned read_elicitation(struct Slice elicitation)
{
	struct JsonValue form = json_get(elicitation, "form");
	struct JsonValue url = json_get(elicitation, "url");
	if (form.type == JSON_NONE && url.type == JSON_NONE)
		return CLIENT_CAN_ELICIT_FORM;
	return (form.type == JSON_OBJECT ? CLIENT_CAN_ELICIT_FORM : 0u) |
	       (url.type == JSON_OBJECT ? CLIENT_CAN_ELICIT_URL : 0u);
}

unsigned capabilities_read(struct Slice capabilities)
{
	struct JsonValue features[FEATURES];
	json_find_members(capabilities, feature_keys, FEATURES, features);
	unsigned can = 0;
	if (features[FEATURE_ELICITATION].type == JSON_OBJECT)
		can |= read_elicitation(features[FEATURE_ELICITATION].raw);
	if (features[FEATURE_SAMPLING].type == JSON_OBJECT) {
		struct JsonValue tools = json_get(features[FEATURE_SAMPLING].raw, "tools");
		can |= CLIENT_CAN_SAMPLE;
		can |= tools.type == JSON_OBJECT ? CLIENT_CAN_SAMPLE_TOOLS : 0u;
	}
	if (features[FEATURE_ROOTS].type == JSON_OBJECT) {
		struct JsonValue changed = json_get(features[FEATURE_ROOTS].raw, "listChanged");
		can |= CLIENT_CAN_LIST_ROOTS;
		can |= changed.type == JSON_TRUE ? CLIENT_CAN_TELL_ROOTS : 0u;
	}
	return can;
}

/* Writes OBJECT with all its members but those called KEY. */
static void write_without(struct JsonWriter *w, struct Slice object, const char *key)
{
	struct JsonMember member;
	json_begin_object(w);
	JSON_FOR_EACH_MEMBER (member, object) {
		if (json_string_is(member.key, slice_of(key)))
			continue;
		json_key_raw(w, member.key);
		json_raw(w, member.value.raw);
	}
	json_end_object(w);
}

/* Writes what both eras know. */
static void write_translated(struct JsonWriter *w, struct Slice capabilities, bool to_modern)
{
	struct JsonValue features[FEATURES];
	json_find_members(capabilities, feature_keys, FEATURES, features);
	json_begin_object(w);
	for (unsigned i = 0; i < FEATURES; i++) {
		if (features[i].type != JSON_OBJECT)
			continue;
		json_key(w, feature_keys[i]);
		if (i == FEATURE_ROOTS && to_modern)
			write_without(w, features[i].raw, "listChanged");
		else
			json_raw(w, features[i].raw);
	}
	json_end_object(w);
}

char *capabilities_carry(struct Slice capabilities, bool from_modern, bool to_modern)
{
	if (json_root(capabilities).type != JSON_OBJECT)
		return g_strdup("{}");
	bool has_tasks = json_get(capabilities, "tasks").type != JSON_NONE;
	if (from_modern == to_modern && (from_modern || !has_tasks))
		return slice_dup(capabilities);
	GString *out = g_string_sized_new(capabilities.len);
	struct JsonWriter w;
	json_writer_init(&w, out);
	if (from_modern == to_modern)
		write_without(&w, capabilities, "tasks");
	else
		write_translated(&w, capabilities, to_modern);
	return g_string_free(out, FALSE);
}

static bool can_elicit(unsigned can, struct Slice params)
{
	static const char *const keys[] = {"mode"};
	struct JsonValue mode;
	if (json_find_members(params, keys, 1, &mode))
		return false;
	if (mode.type == JSON_NONE || json_string_is(mode.raw, SLICE("form")))
		return can & CLIENT_CAN_ELICIT_FORM;
	return json_string_is(mode.raw, SLICE("url")) && (can & CLIENT_CAN_ELICIT_URL);
}

static bool can_sample(unsigned can, struct Slice params)
{
	bool with_tools = json_get(params, "tools").type != JSON_NONE ||
			  json_get(params, "toolChoice").type != JSON_NONE;
	return (can & CLIENT_CAN_SAMPLE) && (!with_tools || (can & CLIENT_CAN_SAMPLE_TOOLS));
}

bool capabilities_can_answer(unsigned can, const char *method, struct JsonValue params)
{
	if (strcmp(method, "elicitation/create") == 0)
		return can_elicit(can, params.raw);
	if (strcmp(method, "sampling/createMessage") == 0)
		return can_sample(can, params.raw);
	return strcmp(method, "roots/list") == 0 && (can & CLIENT_CAN_LIST_ROOTS);
}
