/* The envelope is collected by the scan that validates the message, so each message is read once; only
 * an error object, which is small, is looked into again. Nothing is believed of a text before its scan
 * has ended: until then the collected slices serve for the id of the error answer alone. */
#include "format/rpc.h"

/* The members that messages are routed by. */
enum Part { PART_JSONRPC, PART_ID, PART_METHOD, PART_PARAMS, PART_RESULT, PART_ERROR, N_PARTS };

struct Envelope {
	struct JsonValue part[N_PARTS];
	unsigned repeated; /* bit N: part N was there twice */
};

static bool collect(const struct JsonMember *member, void *user)
{
	static const char *const names[N_PARTS] = {
		"jsonrpc", "id", "method", "params", "result", "error"};
	struct Envelope *envelope = user;
	for (unsigned i = 0; i < N_PARTS; i++) {
		if (!json_string_is(member->key, slice_of(names[i])))
			continue;
		if (envelope->part[i].type != JSON_NONE)
			envelope->repeated |= 1U << i;
		envelope->part[i] = member->value;
		break;
	}
	return true;
}

static bool is_id(struct JsonValue value)
{
	return value.type == JSON_STRING || json_is_integer(value);
}

static bool is_object_or_none(struct JsonValue value)
{
	return value.type == JSON_OBJECT || value.type == JSON_NONE;
}

static bool is_error_object(struct JsonValue error)
{
	int64_t code;
	return json_int64(json_get(error.raw, "code"), &code) &&
	       json_get(error.raw, "message").type == JSON_STRING;
}

/* Some servers write both members of an answer and leave one null, as JSON-RPC 1.0 had it. */
static void forget_null_half(struct Envelope *e)
{
	struct JsonValue *result = &e->part[PART_RESULT], *error = &e->part[PART_ERROR];
	if (result->type == JSON_OBJECT && error->type == JSON_NULL)
		error->type = JSON_NONE;
	else if (error->type == JSON_OBJECT && result->type == JSON_NULL)
		result->type = JSON_NONE;
}

/* What is wrong with the members that every message has in common, or NULL. */
static const char *common_problem(const struct Envelope *e)
{
	if (e->repeated)
		return "a member is there twice";
	if (!json_string_is(e->part[PART_JSONRPC].raw, SLICE("2.0")))
		return "jsonrpc is not \"2.0\"";
	if (!is_object_or_none(e->part[PART_PARAMS]))
		return "params is no object";
	if (!is_object_or_none(e->part[PART_RESULT]))
		return "result is no object";
	if (!is_object_or_none(e->part[PART_ERROR]))
		return "error is no object";
	unsigned n = 0;
	for (enum Part part = PART_METHOD; part < N_PARTS; part++)
		n += part != PART_PARAMS && e->part[part].type != JSON_NONE;
	return n == 1 ? NULL : "there is not exactly one of method, result and error";
}

/* What is wrong with the members that depend on the message's kind, or NULL and the KIND. */
static const char *kind_problem(const struct Envelope *e, enum RpcKind *kind)
{
	struct JsonValue id = e->part[PART_ID];
	if (e->part[PART_METHOD].type != JSON_NONE) {
		if (e->part[PART_METHOD].type != JSON_STRING)
			return "method is no string";
		if (id.type != JSON_NONE && !is_id(id))
			return "the id is neither a string nor an integer";
		*kind = id.type == JSON_NONE ? RPC_NOTIFICATION : RPC_REQUEST;
	} else if (e->part[PART_RESULT].type != JSON_NONE) {
		if (!is_id(id))
			return "the id of a result is neither a string nor an integer";
		*kind = RPC_RESULT;
	} else {
		if (id.type != JSON_NONE && id.type != JSON_NULL && !is_id(id))
			return "the id of an error is neither a string, an integer nor null";
		if (!is_error_object(e->part[PART_ERROR]))
			return "error lacks an integer code or a string message";
		*kind = RPC_ERROR;
	}
	return NULL;
}

static bool refuse(struct RpcFault *fault, int code, const char *reason, size_t offset,
	const struct Envelope *e)
{
	if (!fault)
		return false;
	*fault = (struct RpcFault){.code = code, .reason = reason, .offset = offset};
	if (is_id(e->part[PART_ID]) && !(e->repeated >> PART_ID & 1))
		fault->id = e->part[PART_ID];
	return false;
}

bool rpc_parse(struct Slice text, struct RpcMessage *out, struct RpcFault *fault)
{
	struct Envelope e = {0};
	struct JsonValue root;
	struct JsonFault bad;
	if (!json_scan(text, collect, &e, &root, &bad))
		return refuse(fault, RPC_PARSE_ERROR, bad.reason, bad.offset, &e);

	if (root.type == JSON_ARRAY) {
		struct JsonIter items = json_iter(root.raw);
		struct JsonMember first;
		if (!json_next(&items, &first))
			return refuse(fault, RPC_INVALID_REQUEST, "the batch is empty", 0, &e);
		*out = (struct RpcMessage){.kind = RPC_BATCH, .text = root.raw};
		return true;
	}
	if (root.type != JSON_OBJECT)
		return refuse(fault, RPC_INVALID_REQUEST, "the message is no object", 0, &e);

	enum RpcKind kind = RPC_REQUEST;
	forget_null_half(&e);
	const char *problem = common_problem(&e);
	if (!problem)
		problem = kind_problem(&e, &kind);
	if (problem)
		return refuse(fault, RPC_INVALID_REQUEST, problem, 0, &e);
	*out = (struct RpcMessage){
		.kind = kind,
		.text = root.raw,
		.id = e.part[PART_ID],
		.method = e.part[PART_METHOD].raw,
		.params = e.part[PART_PARAMS],
		.result = e.part[PART_RESULT],
		.error = e.part[PART_ERROR],
	};
	return true;
}

bool rpc_method_is(const struct RpcMessage *message, const char *name)
{
	return json_string_is(message->method, slice_of(name));
}

/* Whether edit A goes before B, which was added later. */
static bool goes_before(const struct Edit *a, const struct Edit *b)
{
	if (a->offset != b->offset)
		return a->offset < b->offset;
	/* An insertion stands before what it is inserted at, even where that is replaced. */
	return a->remove == 0 || b->remove > 0;
}

void edits_replace(struct Edits *edits, struct Slice text, struct Slice part, struct Slice insert)
{
	g_assert(edits->n < EDITS_MAX);
	g_assert(part.data >= text.data && part.data + part.len <= text.data + text.len);
	struct Edit edit = {(size_t)(part.data - text.data), part.len, insert};

	unsigned i = edits->n;
	while (i > 0 && !goes_before(&edits->at[i - 1], &edit))
		i--;
	g_assert(i == 0 || edits->at[i - 1].offset + edits->at[i - 1].remove <= edit.offset);
	g_assert(i == edits->n || edit.offset + edit.remove <= edits->at[i].offset);
	memmove(&edits->at[i + 1], &edits->at[i], (edits->n - i) * sizeof(edit));
	edits->at[i] = edit;
	edits->n++;
}

size_t edits_length(const struct Edits *edits, struct Slice text)
{
	size_t len = text.len;
	for (unsigned i = 0; i < edits->n; i++)
		len = len - edits->at[i].remove + edits->at[i].insert.len;
	return len;
}

static char *put(char *out, const char *data, size_t len)
{
	if (len > 0)
		memcpy(out, data, len);
	return out + len;
}

void edits_write(const struct Edits *edits, struct Slice text, char *out)
{
	size_t done = 0;
	for (unsigned i = 0; i < edits->n; i++) {
		const struct Edit *edit = &edits->at[i];
		out = put(out, text.data + done, edit->offset - done);
		out = put(out, edit->insert.data, edit->insert.len);
		done = edit->offset + edit->remove;
	}
	put(out, text.data + done, text.len - done);
}

char *edits_apply(const struct Edits *edits, struct Slice text, size_t *len)
{
	*len = edits_length(edits, text);
	char *out = g_malloc(*len + 1);
	edits_write(edits, text, out);
	out[*len] = '\0';
	return out;
}
