/* JSON-RPC batches, which MCP had in revision 2025-03-26 alone: the messages are handled one by one, and
 * their answers go out together as one array when the last is there. */
#include "mux/internal.h"

struct Batch {
	struct Router *router;
	GString *answers; /* "[" and what was answered so far */
	unsigned
		pending; /* answers that are still to come, and one while the batch is being read */
};

static void done_one(struct Batch *batch)
{
	if (--batch->pending > 0)
		return;
	if (batch->answers->len > 1) {
		g_string_append_c(batch->answers, ']');
		answer_notify(
			batch->router, (struct Slice){batch->answers->str, batch->answers->len});
	}
	g_string_free(batch->answers, TRUE);
	g_free(batch);
}

void batch_expect(struct Batch *batch)
{
	batch->pending++;
}

bool batch_has_room(const struct Batch *batch, size_t len)
{
	return batch->answers->len + len <= batch->router->config->mux.max_result;
}

void batch_add(struct Batch *batch, struct Slice answer)
{
	if (batch->answers->len > 1)
		g_string_append_c(batch->answers, ',');
	g_string_append_len(batch->answers, answer.data, (gssize)answer.len);
}

void batch_drop(struct Batch *batch)
{
	done_one(batch);
}

void batch_line(struct Router *router, struct Slice text)
{
	struct Batch *batch = g_new0(struct Batch, 1);
	batch->router = router;
	batch->answers = g_string_new("[");
	batch->pending = 1;
	unsigned n = 0;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, text) {
		if (++n > BATCH_MAX) {
			answer_fault(router, batch, (struct Slice){0}, RPC_INVALID_REQUEST,
				"too many messages in one batch; the rest is left out", NULL);
			break;
		}
		router_message(router, item.value.raw, batch);
	}
	done_one(batch);
}
