/* An append-only JSON writer into a GString. It sets commas and escapes strings; nesting is the
 * caller's to keep right (a debug build asserts it). Output is one line without spaces. */
#ifndef MCP_MUX_FORMAT_JSON_WRITER_H
#define MCP_MUX_FORMAT_JSON_WRITER_H

#include "base/slice.h"

#include <stdint.h>

struct JsonWriter {
	GString *out; /* borrowed */
	unsigned depth; /* open containers */
	uint64_t filled; /* bit N: the container at depth N has an element already; depth < 64 */
	bool after_key;
};

/* Starts writing at the end of OUT, which stays the caller's. */
void json_writer_init(struct JsonWriter *w, GString *out);

void json_begin_object(struct JsonWriter *w);
void json_end_object(struct JsonWriter *w);
void json_begin_array(struct JsonWriter *w);
void json_end_array(struct JsonWriter *w);

/* A member's key, NUL-terminated UTF-8; its value follows. */
void json_key(struct JsonWriter *w, const char *key);
/* A member's key as the raw string of another document. */
void json_key_raw(struct JsonWriter *w, struct Slice raw_string);

/* A string from UTF-8 text; bytes that are no valid UTF-8 become U+FFFD. NULL data is "". */
void json_string(struct JsonWriter *w, struct Slice text);
void json_cstring(struct JsonWriter *w, const char *text);
void json_int(struct JsonWriter *w, int64_t value);
void json_bool(struct JsonWriter *w, bool value);
void json_null(struct JsonWriter *w);
/* A value in its own bytes; it must be one valid JSON value. */
void json_raw(struct JsonWriter *w, struct Slice value);

/* KEY and value in one call, for objects. */
void json_member_string(struct JsonWriter *w, const char *key, const char *text);
void json_member_int(struct JsonWriter *w, const char *key, int64_t value);
void json_member_bool(struct JsonWriter *w, const char *key, bool value);
void json_member_raw(struct JsonWriter *w, const char *key, struct Slice value);

/* Appends TEXT to OUT as a JSON string with quotes: what json_string does, without a writer. */
void json_append_quoted(GString *out, struct Slice text);

#endif
