#include "wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t wire_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	return p;
}

/* P is at the opening quote; returns what follows the closing one. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\')
			p++;
	return p < end ? p + 1 : end;
}

static const char *skip_value(const char *p, const char *end)
{
	unsigned depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
		} else if (*p == '{' || *p == '[') {
			depth++;
			p++;
		} else if (*p == '}' || *p == ']') {
			if (depth == 0)
				return p;
			depth--;
			p++;
		} else if (depth == 0 &&
			   (*p == ',' || *p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) {
			return p;
		} else {
			p++;
			if (depth == 0)
				continue;
		}
		if (depth == 0)
			return p;
	}
	return end;
}

bool wire_member(struct Span text, const char *name, struct Span *value)
{
	const char *end = text.data + text.len;
	const char *p = skip_space(text.data, end);
	size_t name_len = strlen(name);

	if (p == end || *p != '{')
		return false;
	p = skip_space(p + 1, end);
	while (p < end && *p == '"') {
		const char *key = p + 1;
		p = skip_string(p, end);
		size_t key_len = (size_t)(p - key) - 1;
		p = skip_space(p, end);
		if (p == end || *p != ':')
			return false;
		p = skip_space(p + 1, end);
		const char *from = p;
		p = skip_value(p, end);
		if (key_len == name_len && memcmp(key, name, name_len) == 0) {
			*value = (struct Span){from, (size_t)(p - from)};
			return true;
		}
		p = skip_space(p, end);
		if (p == end || *p != ',')
			return false;
		p = skip_space(p + 1, end);
	}
	return false;
}

bool wire_is(struct Span value, const char *text)
{
	size_t n = strlen(text);

	return value.len == n + 2 && memcmp(value.data + 1, text, n) == 0;
}

void wire_fill_text(char *out, size_t len)
{
	static const char line[] = "2026-11-21T09:30:00Z worker=7 \\\"accepted\\\" took 12.5 ms, "
				   "path C:\\\\data\\\\in, caf\xc3\xa9 \\u00e9 ok\\n";
	size_t unit = sizeof(line) - 1, whole = len / unit * unit;

	for (size_t at = 0; at < whole; at += unit)
		memcpy(out + at, line, unit);
	memset(out + whole, '.', len - whole);
}

uint64_t wire_number(const char *text, uint64_t max, const char *what)
{
	char *end = NULL;
	unsigned long long n = text && *text >= '0' && *text <= '9' ? strtoull(text, &end, 10) : 0;

	if (!end || *end || n > max) {
		fprintf(stderr, "%s: expected a number from 0 to %llu\n", what,
			(unsigned long long)max);
		exit(2);
	}
	return n;
}
