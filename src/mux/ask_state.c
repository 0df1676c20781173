/* The requestStates of ours (2026-07-28, "Multi Round-Trip Requests"): each is an unguessable handle to what is kept
 * here, good once, for the same request, for STATE_MS. */
#include "mux/internal.h"

#include "base/secret.h"

enum {
	STATE_MS = 15 * 60 * 1000,
	STATES_MAX =
		10 * 1000, /* then the oldest goes: only an IDE that never comes back gets here */
	STATE_BYTES = 16,
};

#define STATE_PREFIX "mcp-mux.1."

struct Kept {
	struct AskState state;
	char *handle; /* of router->ask_states */
	char *digest;
	int64_t until_us;
	GList link; /* in router->ask_order */
};

static void kept_free(gpointer data)
{
	struct Kept *kept = data;
	g_free(kept->handle);
	g_free(kept->digest);
	g_free(kept);
}

void ask_state_init(struct Router *router)
{
	router->ask_states = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, kept_free);
	g_queue_init(&router->ask_order);
}

void ask_state_release(struct Router *router)
{
	g_hash_table_unref(router->ask_states);
}

static void forget(struct Router *router, struct Kept *kept)
{
	g_queue_unlink(&router->ask_order, &kept->link);
	g_hash_table_remove(router->ask_states, kept->handle);
}

/* Those whose time is over, and the oldest of more than MAX. */
static void forget_old(struct Router *router, unsigned max)
{
	int64_t now = g_get_monotonic_time();
	struct Kept *oldest;
	while ((oldest = g_queue_peek_head(&router->ask_order)) &&
		(oldest->until_us <= now || router->ask_order.length > max))
		forget(router, oldest);
}

char *ask_state_digest(const char *method, const struct McpParams *params)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
	const struct Slice parts[] = {
		slice_of(method), params->name.raw, params->arguments.raw, params->uri.raw};
	for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
		g_autofree char *length = g_strdup_printf("%zu:", parts[i].len);
		g_checksum_update(sum, (const guchar *)length, -1);
		if (parts[i].len > 0)
			g_checksum_update(sum, (const guchar *)parts[i].data, (gssize)parts[i].len);
	}
	return g_strdup(g_checksum_get_string(sum));
}

char *ask_state_add(struct Router *router, const char *digest, const struct AskState *state)
{
	g_autofree char *random = secret_random_text(STATE_BYTES);
	struct Kept *kept = g_new0(struct Kept, 1);
	forget_old(router, STATES_MAX - 1);
	kept->state = *state;
	kept->handle = g_strconcat(STATE_PREFIX, random, NULL);
	kept->digest = g_strdup(digest);
	kept->until_us = g_get_monotonic_time() + (int64_t)STATE_MS * 1000;
	kept->link.data = kept;
	g_queue_push_tail_link(&router->ask_order, &kept->link);
	g_hash_table_insert(router->ask_states, kept->handle, kept);
	return g_strdup(kept->handle);
}

bool ask_state_is_ours(const struct McpParams *params)
{
	g_autofree char *handle = json_string_dup(params->request_state);
	return handle && g_str_has_prefix(handle, STATE_PREFIX);
}

bool ask_state_peek(struct Router *router, const struct McpParams *params, struct AskState *out)
{
	g_autofree char *handle = json_string_dup(params->request_state);
	forget_old(router, STATES_MAX);
	const struct Kept *kept = g_hash_table_lookup(router->ask_states, handle);
	if (kept)
		*out = kept->state;
	return kept != NULL;
}

void ask_state_forget(struct Router *router, const char *handle)
{
	struct Kept *kept = handle ? g_hash_table_lookup(router->ask_states, handle) : NULL;
	if (kept)
		forget(router, kept);
}

void ask_state_forget_upstream(struct Router *router, const struct Upstream *up)
{
	GList *link = router->ask_order.head;
	while (link) {
		struct Kept *kept = link->data;
		link = link->next;
		if (kept->state.up == up)
			forget(router, kept);
	}
}

bool ask_state_take(struct Router *router, const struct McpParams *params, const char *digest,
	struct AskState *out)
{
	g_autofree char *handle = json_string_dup(params->request_state);
	forget_old(router, STATES_MAX);
	struct Kept *kept = g_hash_table_lookup(router->ask_states, handle);
	if (!kept)
		return false;
	bool good = strcmp(kept->digest, digest) == 0;
	if (good)
		*out = kept->state;
	forget(router, kept);
	return good;
}

char *ask_state_strip(const struct RpcMessage *message, size_t *len)
{
	g_autoptr(GString) params = g_string_sized_new(message->params.raw.len);
	struct JsonWriter w;
	json_writer_init(&w, params);
	json_begin_object(&w);
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, message->params.raw) {
		if (json_string_is(member.key, SLICE("inputResponses")) ||
			json_string_is(member.key, SLICE("requestState")))
			continue;
		json_key_raw(&w, member.key);
		json_raw(&w, member.value.raw);
	}
	json_end_object(&w);
	struct Edits edits = {0};
	edits_replace(&edits, message->text, message->params.raw,
		(struct Slice){params->str, params->len});
	return edits_apply(&edits, message->text, len);
}
