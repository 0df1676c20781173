#include "format/json_writer.h"

#include "format/json_bytes.h"

/* `filled` has a bit for each depth, the top level among them. */
enum { WRITER_MAX_DEPTH = 64 };

void json_writer_init(struct JsonWriter *w, GString *out)
{
	*w = (struct JsonWriter){.out = out};
}

/* The comma that is due before another element of the container that is open. */
static void separate(struct JsonWriter *w)
{
	uint64_t bit = (uint64_t)1 << w->depth;
	g_assert(w->depth > 0 || !(w->filled & bit)); /* one document, one value */
	if (w->filled & bit)
		g_string_append_c(w->out, ',');
	w->filled |= bit;
}

static void begin_value(struct JsonWriter *w)
{
	if (!w->after_key)
		separate(w);
	w->after_key = false;
}

static void begin_container(struct JsonWriter *w, char bracket)
{
	begin_value(w);
	g_assert(w->depth + 1 < WRITER_MAX_DEPTH);
	w->depth++;
	w->filled &= ~((uint64_t)1 << w->depth);
	g_string_append_c(w->out, bracket);
}

static void end_container(struct JsonWriter *w, char bracket)
{
	g_assert(w->depth > 0 && !w->after_key);
	w->depth--;
	g_string_append_c(w->out, bracket);
}

void json_begin_object(struct JsonWriter *w)
{
	begin_container(w, '{');
}

void json_end_object(struct JsonWriter *w)
{
	end_container(w, '}');
}

void json_begin_array(struct JsonWriter *w)
{
	begin_container(w, '[');
}

void json_end_array(struct JsonWriter *w)
{
	end_container(w, ']');
}

static void begin_key(struct JsonWriter *w)
{
	g_assert(w->depth > 0 && !w->after_key);
	separate(w);
}

static void end_key(struct JsonWriter *w)
{
	g_string_append_c(w->out, ':');
	w->after_key = true;
}

void json_key(struct JsonWriter *w, const char *key)
{
	begin_key(w);
	json_append_quoted(w->out, slice_of(key));
	end_key(w);
}

void json_key_raw(struct JsonWriter *w, struct Slice raw_string)
{
	begin_key(w);
	g_string_append_len(w->out, raw_string.data, (gssize)raw_string.len);
	end_key(w);
}

void json_string(struct JsonWriter *w, struct Slice text)
{
	begin_value(w);
	json_append_quoted(w->out, text);
}

void json_cstring(struct JsonWriter *w, const char *text)
{
	json_string(w, slice_of(text));
}

void json_int(struct JsonWriter *w, int64_t value)
{
	begin_value(w);
	g_string_append_printf(w->out, "%" G_GINT64_FORMAT, value);
}

void json_bool(struct JsonWriter *w, bool value)
{
	begin_value(w);
	g_string_append(w->out, value ? "true" : "false");
}

void json_null(struct JsonWriter *w)
{
	begin_value(w);
	g_string_append(w->out, "null");
}

void json_raw(struct JsonWriter *w, struct Slice value)
{
	begin_value(w);
	g_assert(value.len > 0);
	g_string_append_len(w->out, value.data, (gssize)value.len);
}

void json_member_string(struct JsonWriter *w, const char *key, const char *text)
{
	json_key(w, key);
	json_cstring(w, text);
}

void json_member_int(struct JsonWriter *w, const char *key, int64_t value)
{
	json_key(w, key);
	json_int(w, value);
}

void json_member_bool(struct JsonWriter *w, const char *key, bool value)
{
	json_key(w, key);
	json_bool(w, value);
}

void json_member_raw(struct JsonWriter *w, const char *key, struct Slice value)
{
	json_key(w, key);
	json_raw(w, value);
}

static void append_escape(GString *out, char c)
{
	static const char from[] = "\"\\\b\f\n\r\t";
	static const char to[] = "\"\\bfnrt";
	const char *found = memchr(from, c, sizeof(from) - 1);
	if (found) {
		const char escape[] = {'\\', to[found - from]};
		g_string_append_len(out, escape, sizeof(escape));
		return;
	}
	static const char hex[] = "0123456789abcdef";
	const char escape[] = {'\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15]};
	g_string_append_len(out, escape, sizeof(escape));
}

void json_append_quoted(GString *out, struct Slice text)
{
	g_string_append_c(out, '"');
	const char *p = text.data ? text.data : "";
	const char *end = p + text.len;
	while (p < end) {
		const char *run = json_skip_plain(p, end);
		g_string_append_len(out, p, run - p);
		p = run;
		if (p == end)
			break;
		if ((unsigned char)*p < 0x80) {
			append_escape(out, *p);
			p++;
			continue;
		}
		size_t n = json_utf8_len(p, end);
		g_string_append_len(out, n ? p : "\xef\xbf\xbd", n ? (gssize)n : 3);
		p += n ? n : 1;
	}
	g_string_append_c(out, '"');
}
