/* What the demo upstreams of revision 2026-07-28 share: no session, every request on its own with its metadata in
 * `_meta` and mirrored in headers. */
#ifndef MCP_MUX_DEMO_MODERN_H
#define MCP_MUX_DEMO_MODERN_H

#include "server.h"

struct ModernServer {
	const char *name;
	const char *instructions;
	const char *tools_json; /* the array, which never changes */
	/* Answers a tools/call. */
	enum MHD_Result (*call)(
		const struct DemoRequest *request, const struct RpcMessage *message);
};

/* Answers one request to the endpoint. */
enum MHD_Result modern_answer(const struct DemoRequest *request, const struct ModernServer *server);

/* Starts a complete result to the request ID, as demo_begin_result does. */
void modern_begin_result(struct JsonWriter *w, struct JsonValue id);

#endif
