/* What the JSON reader and writer share about bytes, and nobody else needs: runs of plain string bytes,
 * UTF-8, white space. These read untrusted bytes and never look at END or behind it. */
#ifndef MCP_MUX_FORMAT_JSON_BYTES_H
#define MCP_MUX_FORMAT_JSON_BYTES_H

#include "format/json.h"

/* Whether C stands for itself inside a JSON string and is ASCII. */
static inline bool json_byte_is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* Marks the bytes of WORD that are not plain with their top bit. Borrows can mark too much, but only
 * above a byte that is rightly marked, so the lowest mark is exact. */
static inline uint64_t json_word_marks(uint64_t word)
{
	const uint64_t ones = 0x0101010101010101U;
	uint64_t control = word - ones * 0x20;
	uint64_t quote = (word ^ ones * '"') - ones;
	uint64_t backslash = (word ^ ones * '\\') - ones;
	return (word | control | quote | backslash) & ones * 0x80;
}

static inline uint64_t json_load_word(const char *p)
{
	uint64_t word;
	memcpy(&word, p, sizeof(word));
	return GUINT64_FROM_LE(word);
}

/* The first byte from P on that is not plain, or END. */
static inline const char *json_skip_plain(const char *p, const char *end)
{
	while (end - p >= 8) {
		uint64_t marks = json_word_marks(json_load_word(p));
		if (marks)
			return p + __builtin_ctzll(marks) / 8;
		p += 8;
	}
	while (p < end && json_byte_is_plain((unsigned char)*p))
		p++;
	return p;
}

/* The length of the UTF-8 character at P (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF); 0 if there is none. P is before END. */
static inline size_t json_utf8_len(const char *p, const char *end)
{
	const unsigned char *u = (const unsigned char *)p;
	size_t left = (size_t)(end - p);
	unsigned char c = u[0];
	if (c < 0x80)
		return 1;
	if (c < 0xc2 || c > 0xf4 || left < 2)
		return 0;
	unsigned char low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
	unsigned char high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
	if (u[1] < low || u[1] > high)
		return 0;
	size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	if (left < len)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((u[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

static inline bool json_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline bool json_is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline const char *json_skip_space(const char *p, const char *end)
{
	while (p < end && json_is_space(*p))
		p++;
	return p;
}

/* The type of a valid value by its first byte. */
static inline enum JsonType json_type_of(char first)
{
	switch (first) {
	case '{':
		return JSON_OBJECT;
	case '[':
		return JSON_ARRAY;
	case '"':
		return JSON_STRING;
	case 't':
		return JSON_TRUE;
	case 'f':
		return JSON_FALSE;
	case 'n':
		return JSON_NULL;
	case '-':
	case '0' ... '9':
		return JSON_NUMBER;
	default:
		return JSON_NONE;
	}
}

/* FROM is before END. */
static inline struct JsonValue json_value_between(const char *from, const char *end)
{
	return (struct JsonValue){json_type_of(*from), slice_between(from, end)};
}

#endif
