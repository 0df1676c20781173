/* The result by which a modern server asks for more input (MCP 2026-07-28, "Multi Round-Trip Requests"). */
#ifndef MCP_MUX_FORMAT_INPUT_REQUIRED_H
#define MCP_MUX_FORMAT_INPUT_REQUIRED_H

#include "base/cleanup.h"
#include "format/json.h"

struct InputRequest {
	struct Slice key; /* raw string, inside the result */
	char *method; /* decoded */
	struct JsonValue params; /* object, or JSON_NONE */
};

enum { INPUT_REQUESTS_MAX = 100 };

struct InputRequired {
	GPtrArray *requests; /* struct InputRequest, in their order; may be empty */
	struct Slice state; /* raw string of requestState; empty where there is none */
};

/* Reads RESULT (a validated object whose resultType is input_required); the slices of what is returned point into it.
 * NULL with MUX_ERROR_UPSTREAM where it breaks the rules: inputRequests is no object, a key stands twice (by decoded
 * value) or a value is no request (an object with a string `method` and, if any, an object `params`), requestState is no string,
 * neither of both is there, or one of them stands twice; with MUX_ERROR_TOO_LARGE beyond INPUT_REQUESTS_MAX. */
struct InputRequired *input_required_read(struct Slice result, GError **error);
void input_required_free(struct InputRequired *input);
MUX_AUTOPTR(InputRequired, input_required_free)

#endif
