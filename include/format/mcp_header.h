/* MCP values in HTTP header fields (MCP 2026-07-28, Streamable HTTP, "Value Encoding" and "Custom
 * Headers from Tool Parameters"). */
#ifndef MCP_MUX_FORMAT_MCP_HEADER_H
#define MCP_MUX_FORMAT_MCP_HEADER_H

#include "format/json.h"

/* Appends VALUE (UTF-8) as a header value: as it is where it is visible ASCII, inner spaces and
 * tabs; in the form =?base64?…?= where it is not, begins or ends with white space, or looks like
 * that form itself. An empty value stays empty. */
void mcp_header_encode(struct Slice value, GString *out);

/* Whether NAME is an HTTP field name (RFC 9110 section 5.1, 1*tchar). */
bool mcp_header_is_token(struct Slice name);

/* Whether VALUE may stand in a header field: no CR, LF, NUL or other control character but tab, no
 * white space at its ends. */
bool mcp_header_is_value(struct Slice value);

/* The `x-mcp-header` annotations of one tool's inputSchema. */
struct ParamHeaders;

/* Reads them from the schema (a validated JSON object). *OUT gets NULL where there are none. False
 * with *WHY (for g_free) set where an annotation breaks the rules: empty, no token, not unique
 * without regard to case, at a place that is not reached through `properties` alone, on a type other
 * than string, integer or boolean. The tool is then to be left out. */
bool param_headers_parse(struct Slice input_schema, struct ParamHeaders **out, char **why);
void param_headers_free(struct ParamHeaders *headers);

/* Calls EACH with `Mcp-Param-NAME` and the encoded value for every annotated parameter that has a
 * value other than null in ARGUMENTS (a validated object, or JSON_NONE). A value of another type than
 * string, integer or boolean, or an integer outside +-(2^53 - 1), is left out: the upstream will say
 * what is wrong with it. */
typedef void ParamHeaderEach(const char *name, const char *value, void *user);
void param_headers_extract(const struct ParamHeaders *headers, struct JsonValue arguments,
	ParamHeaderEach *each, void *user);

#endif
