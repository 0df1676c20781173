/* The members of a request's params that mcp-mux looks at, read in one pass (MCP 2026-07-28, "_meta";
 * the older revisions know progressToken alone). */
#ifndef MCP_MUX_FORMAT_PARAMS_H
#define MCP_MUX_FORMAT_PARAMS_H

#include "format/json.h"

#define MCP_META_VERSION "io.modelcontextprotocol/protocolVersion"
#define MCP_META_CLIENT_INFO "io.modelcontextprotocol/clientInfo"
#define MCP_META_CAPABILITIES "io.modelcontextprotocol/clientCapabilities"
#define MCP_META_LOG_LEVEL "io.modelcontextprotocol/logLevel"
#define MCP_META_SUBSCRIPTION "io.modelcontextprotocol/subscriptionId"
#define MCP_META_SERVER_INFO "io.modelcontextprotocol/serverInfo"

/* Members that are absent have type JSON_NONE. */
struct McpParams {
	struct JsonValue all; /* params itself */
	struct JsonValue name;
	struct JsonValue arguments;
	struct JsonValue cursor;
	struct JsonValue uri; /* of resources/read, subscribe, unsubscribe */
	struct JsonValue ref; /* of completion/complete */
	struct JsonValue level; /* of logging/setLevel */
	struct JsonValue task_id; /* taskId of the tasks extension */
	struct JsonValue request_id; /* requestId of notifications/cancelled */
	struct JsonValue notifications; /* the filter of subscriptions/listen */
	struct JsonValue progress_token_param; /* progressToken of notifications/progress */
	struct JsonValue input_responses; /* inputResponses and requestState of a retry */
	struct JsonValue request_state;
	struct JsonValue meta; /* _meta */
	struct JsonValue version; /* the members of _meta, by the keys above */
	struct JsonValue client_info;
	struct JsonValue capabilities;
	struct JsonValue log_level;
	struct JsonValue progress_token; /* _meta.progressToken: string or integer */
};

/* Reads PARAMS (an object or JSON_NONE). False with *WHY (static text) where one of the members above
 * stands twice, or _meta is no object, or the progress token neither string nor integer. */
bool mcp_params_read(struct JsonValue params, struct McpParams *out, const char **why);

/* Whether any of the four reserved per-request members of _meta is there. */
bool mcp_params_is_modern(const struct McpParams *params);

/* Appends _meta's members but the reserved ones, separated by commas, with the progress token replaced by
 * TOKEN (raw JSON) where there is one. Returns how many were written. */
unsigned mcp_params_copy_meta(const struct McpParams *params, struct Slice token, GString *out);

#endif
