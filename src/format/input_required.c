#include "format/input_required.h"

#include "base/error.h"
#include "base/text.h"

/* Bytes of a key in messages. */
enum { KEY_SHOWN = 64 };

static void request_free(void *data)
{
	struct InputRequest *request = data;
	g_free(request->method);
	g_free(request);
}

void input_required_free(struct InputRequired *input)
{
	if (!input)
		return;
	g_ptr_array_unref(input->requests);
	g_free(input);
}

static bool refuse(GError **error, const char *what)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM, "input_required: %s", what);
	return false;
}

static bool refuse_request(GError **error, struct Slice raw_key, const char *what)
{
	g_autofree char *key = text_printable(raw_key, KEY_SHOWN);
	g_set_error(
		error, MUX_ERROR, MUX_ERROR_UPSTREAM, "input_required: request %s %s", key, what);
	return false;
}

static bool read_request(
	struct InputRequired *input, const struct JsonMember *member, GError **error)
{
	static const char *const keys[] = {"method", "params"};
	struct JsonValue values[G_N_ELEMENTS(keys)];
	if (member->value.type != JSON_OBJECT)
		return refuse_request(error, member->key, "is no object");
	if (json_find_members(member->value.raw, keys, G_N_ELEMENTS(keys), values))
		return refuse_request(error, member->key, "has a member twice");
	if (values[1].type != JSON_NONE && values[1].type != JSON_OBJECT)
		return refuse_request(error, member->key, "has params that are no object");
	g_autofree char *method = json_string_dup(values[0]);
	if (!method)
		return refuse_request(error, member->key, "has no method");
	struct InputRequest *request = g_new0(struct InputRequest, 1);
	request->key = member->key;
	request->method = g_steal_pointer(&method);
	request->params = values[1];
	g_ptr_array_add(input->requests, request);
	return true;
}

static bool read_requests(struct InputRequired *input, struct Slice requests, GError **error)
{
	g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, requests) {
		if (input->requests->len == INPUT_REQUESTS_MAX) {
			g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
				"input_required: over %d requests", INPUT_REQUESTS_MAX);
			return false;
		}
		/* What cannot be decoded cannot be told from another key either. */
		char *key = json_string_dup((struct JsonValue){JSON_STRING, member.key});
		if (!key)
			return refuse_request(error, member.key, "has a key that is no text");
		if (!g_hash_table_add(keys, key))
			return refuse_request(error, member.key, "is there twice");
		if (!read_request(input, &member, error))
			return false;
	}
	return true;
}

struct InputRequired *input_required_read(struct Slice result, GError **error)
{
	static const char *const keys[] = {"inputRequests", "requestState"};
	struct JsonValue values[G_N_ELEMENTS(keys)];
	const char *twice = json_find_members(result, keys, G_N_ELEMENTS(keys), values);
	const struct JsonValue *requests = &values[0];
	const struct JsonValue *state = &values[1];
	const char *wrong = NULL;
	if (twice)
		wrong = "a member is there twice";
	else if (requests->type == JSON_NONE && state->type == JSON_NONE)
		wrong = "neither inputRequests nor requestState";
	else if (requests->type != JSON_NONE && requests->type != JSON_OBJECT)
		wrong = "inputRequests is no object";
	else if (state->type != JSON_NONE && state->type != JSON_STRING)
		wrong = "requestState is no string";
	if (wrong) {
		refuse(error, wrong);
		return NULL;
	}
	g_autoptr(InputRequired) input = g_new0(struct InputRequired, 1);
	input->requests = g_ptr_array_new_with_free_func(request_free);
	input->state = state->raw;
	if (!read_requests(input, requests->raw, error))
		return NULL;
	return g_steal_pointer(&input);
}
