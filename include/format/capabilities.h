/* What a client can do for a server (ClientCapabilities, all revisions), and what of it passes between the eras. */
#ifndef MCP_MUX_FORMAT_CAPABILITIES_H
#define MCP_MUX_FORMAT_CAPABILITIES_H

#include "format/json.h"

enum ClientCan {
	CLIENT_CAN_ELICIT_FORM = 1u << 0, /* `elicitation` without modes means this one */
	CLIENT_CAN_ELICIT_URL = 1u << 1,
	CLIENT_CAN_SAMPLE = 1u << 2,
	CLIENT_CAN_SAMPLE_TOOLS = 1u << 3, /* sampling.tools */
	CLIENT_CAN_LIST_ROOTS = 1u << 4,
	CLIENT_CAN_TELL_ROOTS = 1u << 5, /* roots.listChanged */
};

/* The set of enum ClientCan that CAPABILITIES (a raw object, or empty: none) declares. */
unsigned capabilities_read(struct Slice capabilities);

/* CAPABILITIES as they may be offered to a server, a raw object for g_free; "{}" for an empty slice. Between equal
 * eras all of it passes as it is, apart from the legacy `tasks` (2025-11-25), whose requests are not carried. From one
 * era to the other it is `elicitation`, `sampling` and `roots` (towards a modern server without `listChanged`, of which
 * that era knows nothing), in this order and with their own bytes, and nothing else: extensions and experiments are
 * between equal eras. Members that are no objects are left out. */
char *capabilities_carry(struct Slice capabilities, bool from_modern, bool to_modern);

/* Whether the client that declared them can answer the server's request METHOD (decoded) with PARAMS: a form or URL of
 * elicitation/create by its `mode`, sampling/createMessage (with `tools` or `toolChoice` only with sampling.tools),
 * roots/list. CAN is of capabilities_read. */
bool capabilities_can_answer(unsigned can, const char *method, struct JsonValue params);

#endif
