/* The JSON reader against jansson. Both must accept or refuse the same texts, and find the same values
 * in them, but for what jansson is known to do otherwise: it refuses numbers beyond int64 and double,
 * NUL in keys and lone surrogates, nests 2048 deep, and lets a NUL end the document. */

/* Both libraries have these names; jansson's go by others here. */
#define json_string jansson_string
#define json_null jansson_null
#define JSON_OBJECT JANSSON_OBJECT
#define JSON_ARRAY JANSSON_ARRAY
#define JSON_STRING JANSSON_STRING
#define JSON_TRUE JANSSON_TRUE
#define JSON_FALSE JANSSON_FALSE
#define JSON_NULL JANSSON_NULL
#include <jansson.h>
#undef json_string
#undef json_null
#undef json_is_integer
#undef JSON_OBJECT
#undef JSON_ARRAY
#undef JSON_STRING
#undef JSON_TRUE
#undef JSON_FALSE
#undef JSON_NULL

#include "format/json.h"
#include "format/json_writer.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_string(struct Slice raw, struct Slice plain)
{
	bool has_nul = plain.len > 0 && memchr(plain.data, 0, plain.len);
	g_autoptr(GString) out = g_string_new(NULL);
	g_assert_true(json_string_is(raw, plain));
	g_assert_true(json_string_decode(raw, out) == !has_nul);
	g_assert_true(has_nul || slice_eq((struct Slice){out->str, out->len}, plain));

	/* What the writer makes of it reads the same. */
	g_string_truncate(out, 0);
	json_append_quoted(out, plain);
	struct Slice quoted = {out->str, out->len};
	g_assert_true(json_validate(quoted, NULL));
	g_assert_true(json_string_is(quoted, plain));
}

static void check_number(struct JsonValue value, const json_t *expected)
{
	int64_t n;
	bool fits = json_int64(value, &n);
	g_assert_true(!fits || json_is_integer(value));
	if (json_typeof(expected) == JSON_INTEGER)
		g_assert_true(fits && n == json_integer_value(expected));
	else if (fits) /* a double has rounded it */
		g_assert_true(
			fabs((double)n - json_real_value(expected)) <= fabs((double)n) * 1e-15);
}

static void check_value(struct JsonValue value, const json_t *expected);

/* jansson keeps the last of members with one key, so those of such objects are only counted. */
static void check_object(struct Slice raw, const json_t *expected)
{
	size_t n = 0;
	bool duplicate = false;
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, raw) {
		struct JsonValue key_value = {JSON_STRING, member.key};
		g_autofree char *key = json_string_dup(key_value);
		g_assert_nonnull(key);
		g_assert_nonnull(json_object_get(expected, key));
		g_assert_true(json_get(raw, key).type != JSON_NONE);
		const char *const names[] = {key};
		bool twice = json_has_duplicate(raw, names, 1);
		duplicate |= twice;
		if (!twice)
			check_value(member.value, json_object_get(expected, key));
		check_string(member.key, slice_of(key));
		n++;
	}
	g_assert_true(duplicate ? n > json_object_size(expected) : n == json_object_size(expected));
}

static void check_value(struct JsonValue value, const json_t *expected)
{
	static const enum JsonType types[] = {
		[JANSSON_OBJECT] = JSON_OBJECT,
		[JANSSON_ARRAY] = JSON_ARRAY,
		[JANSSON_STRING] = JSON_STRING,
		[JSON_INTEGER] = JSON_NUMBER,
		[JSON_REAL] = JSON_NUMBER,
		[JANSSON_TRUE] = JSON_TRUE,
		[JANSSON_FALSE] = JSON_FALSE,
		[JANSSON_NULL] = JSON_NULL,
	};
	g_assert_true(value.type == types[json_typeof(expected)]);
	if (value.type == JSON_OBJECT)
		check_object(value.raw, expected);
	if (value.type == JSON_STRING)
		check_string(value.raw,
			(struct Slice){json_string_value(expected), json_string_length(expected)});
	if (value.type == JSON_NUMBER)
		check_number(value, expected);
	if (value.type != JSON_ARRAY)
		return;
	size_t n = 0;
	struct JsonMember item;
	JSON_FOR_EACH_MEMBER (item, value.raw) {
		g_assert_true(item.key.len == 0);
		check_value(item.value, json_array_get(expected, n++));
	}
	g_assert_true(n == json_array_size(expected));
}

/* The scan reports what the walk finds. */
static bool compare_member(const struct JsonMember *member, void *user)
{
	struct JsonMember walked;
	g_assert_true(json_next(user, &walked));
	g_assert_true(walked.key.data == member->key.data && walked.key.len == member->key.len);
	g_assert_true(walked.value.type == member->value.type);
	g_assert_true(walked.value.raw.data == member->value.raw.data);
	g_assert_true(walked.value.raw.len == member->value.raw.len);
	return true;
}

static void check_scan(struct Slice text)
{
	struct JsonIter iter = json_iter(text);
	struct JsonValue root;
	g_assert_true(json_scan(text, compare_member, &iter, &root, NULL));
	struct JsonMember more;
	g_assert_false(json_next(&iter, &more));
	g_assert_true(slice_eq(root.raw, json_root(text).raw));

	g_autofree char *line = g_memdup2(text.data, text.len);
	json_make_one_line(line, text.len);
	g_assert_true(json_validate((struct Slice){line, text.len}, NULL));
	g_assert_false(memchr(line, '\n', text.len) || memchr(line, '\r', text.len));
}

/* Walks what was refused: the answers mean nothing, but must stay inside. */
static void walk_broken(struct Slice text)
{
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, text) {
		g_free(json_string_dup(member.value));
		json_get(member.value.raw, "a");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice text = {(const char *)data, size};
	struct JsonFault fault = {0};
	bool valid = json_validate(text, &fault);
	g_assert_true(valid || (fault.reason && fault.offset <= size));
	if (valid)
		check_scan(text);
	else
		walk_broken(text);

	json_error_t error;
	json_t *expected = json_loadb(text.data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (valid && !expected) {
		enum json_error_code code = json_error_code(&error);
		g_assert_true(code == json_error_numeric_overflow ||
			      code == json_error_null_byte_in_key ||
			      g_str_has_prefix(error.text, "invalid Unicode '"));
	} else if (expected && !valid) {
		g_assert_true(
			strcmp(fault.reason, "nested too deep") == 0 || memchr(data, 0, size));
	} else if (expected) {
		check_value(json_root(text), expected);
	}
	json_decref(expected);
	return 0;
}
