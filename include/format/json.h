/* JSON read as slices of the bytes that came in (RFC 8259): a validating reader that allocates
 * nothing, does not recurse and never changes a byte. Values stay raw; strings are decoded only to
 * compare names. The product has no other JSON parser.
 *
 * Validate a document once (json_validate or json_scan); the functions that walk a value take text
 * that was validated and are undefined on any other. */
#ifndef MCP_MUX_FORMAT_JSON_H
#define MCP_MUX_FORMAT_JSON_H

#include "base/slice.h"

#include <stdint.h>

/* Arrays and objects nested deeper than this are refused. */
enum { JSON_MAX_DEPTH = 512 };

enum JsonType {
	JSON_NONE, /* no such value */
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct JsonValue {
	enum JsonType type;
	struct Slice
		raw; /* its exact bytes, without white space around; strings with their quotes */
};

struct JsonMember {
	struct Slice key; /* the raw string, with its quotes */
	struct JsonValue value;
};

/* Where and why a text is no JSON. */
struct JsonFault {
	size_t offset; /* bytes from the start */
	const char *reason; /* static text */
};

/* Whether TEXT is exactly one JSON document in valid UTF-8, white space around it allowed, a byte
 * order mark not. Lone surrogates in \u escapes are accepted (they are pure escapes and pass
 * through); raw invalid UTF-8 is refused. FAULT may be NULL. */
bool json_validate(struct Slice text, struct JsonFault *fault);

/* Validates like json_validate and, in the same pass, hands each member of the outermost object (or
 * item of the outermost array, with an empty key) to EACH, in order, right after the member was
 * validated; the document may still turn out invalid later. ROOT gets the outermost value and may be
 * NULL. EACH returns false to stop: the scan then fails with the reason "stopped". */
typedef bool JsonEach(const struct JsonMember *member, void *user);
bool json_scan(struct Slice text, JsonEach *each, void *user, struct JsonValue *root,
	struct JsonFault *fault);

/* The outermost value of a validated text. */
struct JsonValue json_root(struct Slice text);

/* Walks the members of an object or the items of an array (their key is empty). CONTAINER is the raw
 * text of a validated array or object; on anything else json_next returns false at once. */
struct JsonIter {
	const char *at;
	const char *end;
};
struct JsonIter json_iter(struct Slice container);
bool json_next(struct JsonIter *iter, struct JsonMember *member);

#define JSON_FOR_EACH_MEMBER(member, container)                                                    \
	for (struct JsonIter json_iter_##member = json_iter(container);                            \
		json_next(&json_iter_##member, &(member));)

/* The first member of OBJECT whose decoded key is KEY (NUL-terminated UTF-8); type JSON_NONE if it
 * has none or OBJECT is no object. */
struct JsonValue json_get(struct Slice object, const char *key);

/* Finds the members of OBJECT by their N KEYS, the first of each; VALUES of those that are not there are JSON_NONE. The
 * key of one that is there twice comes back, else NULL. */
const char *json_find_members(
	struct Slice object, const char *const *keys, unsigned n, struct JsonValue *values);

/* Whether any two members of OBJECT whose key is one of the N names have the same decoded key. */
bool json_has_duplicate(struct Slice object, const char *const *names, size_t n);

/* Whether the raw string, decoded, is exactly PLAIN (UTF-8, may hold NUL). Lone surrogates equal
 * nothing. */
bool json_string_is(struct Slice raw_string, struct Slice plain);

/* Appends the decoded string as UTF-8. False (and OUT as it was) if it holds a lone surrogate, or a
 * NUL, which C strings cannot carry. */
bool json_string_decode(struct Slice raw_string, GString *out);

/* The decoded string for the caller to g_free; NULL where json_string_decode says false or VALUE is
 * no string. */
char *json_string_dup(struct JsonValue value);

/* The value of an integer: written without fraction or exponent, or with ones that leave an integer
 * (1.0, 1e3). False if VALUE is no number, no integer or outside int64_t. */
bool json_int64(struct JsonValue value, int64_t *out);

/* Whether VALUE is a number that is an integer, of any size: what json_int64 says but for the range. */
bool json_is_integer(struct JsonValue value);

/* Replaces each CR and LF between tokens by a space, so that the document fits one line of a
 * newline-delimited stream. In place; TEXT was validated, so none can be inside a string. */
void json_make_one_line(char *text, size_t len);

#endif
