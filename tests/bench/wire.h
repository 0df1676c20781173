/* What the programs of the benchmark share: a clock, a scanner that finds one member of a JSON object,
 * and the text that large answers are made of. Depends on libc alone, and none of it is the product's
 * code: the measuring side must not change when the measured one does. */
#ifndef MCP_MUX_BENCH_WIRE_H
#define MCP_MUX_BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct Span {
	const char *data;
	size_t len; /* bytes */
};

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t wire_now_ns(void);

/* The value of the member NAME of the JSON object TEXT, raw (strings with their quotes). Looks at the
 * outermost level alone, and at bytes up to the member alone; false if there is no such member. For
 * well-formed messages: it does not validate. */
bool wire_member(struct Span text, const char *name, struct Span *value);

/* Whether VALUE is the JSON string TEXT, which needs no escapes. */
bool wire_is(struct Span value, const char *text);

/* The inside of a JSON string of LEN bytes that decodes without error: lines of words with the
 * escapes that logs and source code have (one in some 40 bytes). */
void wire_fill_text(char *out, size_t len);

/* A decimal number from 0 to MAX; ends the program with a message naming WHAT for anything else. */
uint64_t wire_number(const char *text, uint64_t max, const char *what);

#endif
