/* Requests of any method at an upstream, and what its server says on their streams. */
#ifndef MCP_MUX_TESTS_REQUEST_FIXTURE_H
#define MCP_MUX_TESTS_REQUEST_FIXTURE_H

#include "upstream_fixture.h"

struct Wish {
	struct Ask ask; /* first, since its handlers are used */
	unsigned messages; /* that came on its stream */
	char *message; /* the last of them */
	bool takes; /* what the handler says of it */
	void (*on_message)(struct Wish *wish);
};

static inline bool wish_on_message(
	struct UpstreamCall *call, const struct RpcMessage *message, void *user)
{
	struct Wish *wish = user;
	assert_ptr_equal(call, wish->ask.call);
	wish->messages++;
	g_free(wish->message);
	wish->message = slice_dup(message->text);
	if (wish->on_message)
		wish->on_message(wish);
	return wish->takes;
}

static const struct UpstreamCallHandlers wish_handlers = {
	.answer = ask_on_answer,
	.failed = ask_on_failed,
	.progress = ask_on_progress,
	.message = wish_on_message,
};

/* Sends TEXT as REQUEST has it, whose message and params are filled in. */
static inline void wish_start(
	struct Up *u, struct Wish *wish, struct UpstreamRequest request, const char *text)
{
	struct RpcMessage rpc;
	struct McpParams params;
	const char *why;
	wish->ask.u = u;
	assert_true(rpc_parse(slice_of(text), &rpc, NULL));
	assert_true(mcp_params_read(rpc.params, &params, &why));
	request.message = &rpc;
	request.params = &params;
	wish->ask.call = upstream_call(u->up, &request, &wish_handlers, wish);
	assert_int_equal(wish->ask.ended, 0);
}

static inline void wish_release(struct Wish *wish)
{
	ask_release(&wish->ask);
	g_free(wish->message);
}

#define SAID(method, params)                                                                       \
	"{\"jsonrpc\":\"2.0\",\"id\":\"ide\",\"method\":\"" method "\",\"params\":" params "}"

#define EVERYTHING "{\"tools\":{},\"prompts\":{},\"resources\":{},\"completions\":{}}"

/* An upstream that speaks ERA and offers everything. */
static inline void up_init_open(struct Up *u, enum Era era, const char *session, const char *keys)
{
	up_init_with(u, keys);
	if (era == ERA_MODERN)
		up_open_modern(u, EVERYTHING, ADD_TOOL);
	else
		up_open_legacy(u, session, EVERYTHING, ADD_TOOL);
}

/* A legacy IDE's prompts/get, which begins to be answered by a stream. */
static inline struct Hit *wish_start_prompt(struct Up *u, struct Wish *wish)
{
	struct UpstreamRequest request = {.era = ERA_LEGACY, .method = "prompts/get"};
	wish_start(u, wish, request, SAID("prompts/get", "{\"name\":\"own\"}"));
	struct Hit *hit = peer_await(&u->peer, "prompts/get");
	hit_stream(hit, "");
	return hit;
}

/* Answers HIT and waits for it. */
static inline void wish_finish(struct Wish *wish, struct Hit *hit)
{
	hit_result(hit, "{\"done\":1}");
	ask_await(&wish->ask);
	assert_ask_answer(&wish->ask, "\"done\":1");
	wish_release(wish);
}

#endif
