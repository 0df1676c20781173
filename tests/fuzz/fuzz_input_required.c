/* Any result that asks for input: what is taken of it is all of it, in order and inside it; what is refused leaves an
 * error. */
#include "base/error.h"
#include "format/input_required.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_request(
	const struct InputRequest *request, const struct JsonMember *member, GHashTable *keys)
{
	g_autoptr(GString) key = g_string_new(NULL);
	if (!slice_eq(request->key, member->key) || request->key.data != member->key.data)
		abort();
	if (!json_string_decode(request->key, key) || !g_hash_table_add(keys, g_strdup(key->str)))
		abort();
	struct JsonValue method = json_get(member->value.raw, "method");
	struct JsonValue params = json_get(member->value.raw, "params");
	if (!json_string_is(method.raw, slice_of(request->method)))
		abort();
	if (params.type != request->params.type || !slice_eq(params.raw, request->params.raw))
		abort();
	if (params.type != JSON_NONE && params.type != JSON_OBJECT)
		abort();
}

static void check_input(const struct InputRequired *input, struct Slice result)
{
	struct JsonValue requests = json_get(result, "inputRequests");
	struct JsonValue state = json_get(result, "requestState");
	if (input->requests->len > INPUT_REQUESTS_MAX || !slice_eq(input->state, state.raw))
		abort();
	if (requests.type == JSON_NONE && state.type != JSON_STRING)
		abort();
	g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	unsigned n = 0;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, requests.raw) {
		if (n == input->requests->len)
			abort();
		check_request(input->requests->pdata[n++], &member, keys);
	}
	if (n != input->requests->len)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	if (size == 0 || !json_validate(text, NULL) || json_root(text).type != JSON_OBJECT)
		return 0;
	g_autoptr(GError) error = NULL;
	g_autoptr(InputRequired) input = input_required_read(json_root(text).raw, &error);
	if (!input == !error)
		abort();
	if (input)
		check_input(input, json_root(text).raw);
	else if (error->domain != MUX_ERROR || !g_utf8_validate(error->message, -1, NULL))
		abort();
	return 0;
}
