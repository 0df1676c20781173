/* The JSON-RPC 2.0 envelope as MCP uses it, read in one validating pass into slices of the message,
 * and the splices that rewrite a message without touching the rest of its bytes. */
#ifndef MCP_MUX_FORMAT_RPC_H
#define MCP_MUX_FORMAT_RPC_H

#include "format/json.h"

enum {
	RPC_PARSE_ERROR = -32700,
	RPC_INVALID_REQUEST = -32600,
	RPC_METHOD_NOT_FOUND = -32601,
	RPC_INVALID_PARAMS = -32602,
	RPC_INTERNAL_ERROR = -32603,
	/* MCP revision 2026-07-28, "Error Codes" */
	RPC_HEADER_MISMATCH = -32020,
	RPC_MISSING_CAPABILITY = -32021,
	RPC_UNSUPPORTED_VERSION = -32022,
};

enum RpcKind { RPC_REQUEST, RPC_NOTIFICATION, RPC_RESULT, RPC_ERROR, RPC_BATCH };

struct RpcMessage {
	enum RpcKind kind;
	struct Slice text; /* the whole message, without white space around */
	struct JsonValue id; /* string or number; JSON_NULL or JSON_NONE in error answers */
	struct Slice method; /* raw string */
	struct JsonValue params; /* object, or JSON_NONE */
	struct JsonValue result; /* object */
	struct JsonValue error; /* object */
};

/* Why a text is no message. The id is there where it could be read (a string or an integer, given once,
 * before the place of a parse error), so that the error answer can carry it. */
struct RpcFault {
	int code; /* RPC_PARSE_ERROR or RPC_INVALID_REQUEST */
	const char *reason; /* static text */
	size_t offset; /* of a parse error */
	struct JsonValue id; /* JSON_NONE if it could not be read */
};

/* Reads one message: validates all of TEXT, and the envelope: `jsonrpc` is "2.0", no duplicate among
 * jsonrpc, id, method, params, result, error; a request's id a string or an integer; params, result
 * and error objects; error with an integer code and a string message; either method or result or
 * error. The id of an error answer may be null or absent, and
 * the other half of an answer may be there as null. Members of other names are left alone. An
 * array of at least one item becomes RPC_BATCH with TEXT alone set (each item is to be read by itself). FAULT
 * may be NULL. */
bool rpc_parse(struct Slice text, struct RpcMessage *out, struct RpcFault *fault);

/* Whether the message's method, decoded, is NAME. */
bool rpc_method_is(const struct RpcMessage *message, const char *name);

/* A replacement of REMOVE bytes at OFFSET of some text by INSERT (borrowed). */
struct Edit {
	size_t offset;
	size_t remove;
	struct Slice insert;
};

enum { EDITS_MAX = 8 };

/* Edits of one text, kept in order of offset; they must not overlap. */
struct Edits {
	struct Edit at[EDITS_MAX];
	unsigned n;
};

/* Adds an edit that replaces PART, which lies inside TEXT, by INSERT. PART may be empty: then INSERT
 * goes before what stands there, after earlier insertions at the same place. More than EDITS_MAX edits
 * or ones that overlap are a mistake of the program and abort it. */
void edits_replace(struct Edits *edits, struct Slice text, struct Slice part, struct Slice insert);

/* The length of TEXT after the edits. */
size_t edits_length(const struct Edits *edits, struct Slice text);

/* Writes TEXT with the edits done into OUT, which has edits_length bytes. */
void edits_write(const struct Edits *edits, struct Slice text, char *out);

/* A new string of edits_length bytes (NUL-terminated besides), for the caller to g_free. */
char *edits_apply(const struct Edits *edits, struct Slice text, size_t *len);

#endif
