/* The envelope reader and the splices: what is taken for a message keeps the promises of rpc.h, a
 * fault names an id only where there is one, and replacing the id changes the id alone. */
#include "format/rpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void assert_inside(struct Slice text, struct Slice part)
{
	g_assert_true(part.len == 0 ||
		      (part.data >= text.data && part.data + part.len <= text.data + text.len));
}

static bool is_id(struct JsonValue id)
{
	return id.type == JSON_STRING || json_is_integer(id);
}

static void check_kind(const struct RpcMessage *m)
{
	bool call = m->kind == RPC_REQUEST || m->kind == RPC_NOTIFICATION;
	g_assert_true((m->method.len > 0) == call);
	g_assert_true((m->result.type == JSON_OBJECT) == (m->kind == RPC_RESULT));
	g_assert_true((m->error.type == JSON_OBJECT) == (m->kind == RPC_ERROR));
	switch (m->kind) {
	case RPC_REQUEST:
	case RPC_RESULT:
		g_assert_true(is_id(m->id));
		break;
	case RPC_NOTIFICATION:
	case RPC_BATCH:
		g_assert_true(m->id.type == JSON_NONE);
		break;
	case RPC_ERROR:
		g_assert_true(m->id.type == JSON_NONE || m->id.type == JSON_NULL || is_id(m->id));
		break;
	}
}

/* Sends the message on under another id and puts the first one back: nothing may be lost. */
static void check_splice(const struct RpcMessage *m)
{
	struct Edits away = {0};
	edits_replace(&away, m->text, m->id.raw, SLICE("4711"));
	if (m->params.type == JSON_OBJECT)
		edits_replace(
			&away, m->text, (struct Slice){m->params.raw.data + 1, 0}, SLICE("  "));
	size_t len;
	g_autofree char *there = edits_apply(&away, m->text, &len);

	struct RpcMessage read;
	g_assert_true(rpc_parse((struct Slice){there, len}, &read, NULL));
	g_assert_true(read.kind == m->kind && slice_is(read.id.raw, "4711"));
	g_assert_true(slice_eq(read.method, m->method));

	struct Edits back = {0};
	if (m->params.type == JSON_OBJECT)
		edits_replace(
			&back, read.text, (struct Slice){read.params.raw.data + 1, 2}, SLICE(""));
	edits_replace(&back, read.text, read.id.raw, m->id.raw);
	g_autofree char *again = edits_apply(&back, read.text, &len);
	g_assert_true(slice_eq((struct Slice){again, len}, m->text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	struct RpcMessage m;
	struct RpcFault fault;
	if (!rpc_parse(text, &m, &fault)) {
		g_assert_nonnull(fault.reason);
		g_assert_true(fault.offset <= size);
		g_assert_true((fault.code == RPC_PARSE_ERROR) != json_validate(text, NULL));
		g_assert_true(fault.id.type == JSON_NONE || is_id(fault.id));
		assert_inside(text, fault.id.raw);
		return 0;
	}
	assert_inside(text, m.text);
	assert_inside(m.text, m.id.raw);
	assert_inside(m.text, m.method);
	assert_inside(m.text, m.params.raw);
	assert_inside(m.text, m.result.raw);
	assert_inside(m.text, m.error.raw);
	check_kind(&m);
	rpc_method_is(&m, "tools/call");
	if (m.kind != RPC_BATCH && is_id(m.id))
		check_splice(&m);
	return 0;
}
