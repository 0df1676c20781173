#include "format/pattern.h"

/* Behind the character at P: its first byte and the continuation bytes that follow. Never past a NUL,
 * whatever the bytes are. */
static const char *next_character(const char *p)
{
	p++;
	while (((unsigned char)*p & 0xc0) == 0x80)
		p++;
	return p;
}

bool pattern_match(const char *pattern, const char *name)
{
	/* Where the last star stands and up to where it matched; a mismatch lets it take one more. Stars
	 * before it never need to be tried again. */
	const char *star = NULL;
	const char *taken = NULL;
	while (*name) {
		if (*pattern == '*') {
			star = pattern++;
			taken = name;
		} else if (*pattern == '?') {
			pattern++;
			name = next_character(name);
		} else if (*pattern == *name) {
			pattern++;
			name++;
		} else if (star) {
			pattern = star + 1;
			taken = next_character(taken);
			name = taken;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

unsigned pattern_weight(const char *pattern)
{
	if (!strpbrk(pattern, "*?"))
		return G_MAXUINT;
	unsigned weight = 0;
	for (const char *p = pattern; *p; p = next_character(p)) {
		if (*p != '*' && *p != '?')
			weight++;
	}
	return weight;
}
