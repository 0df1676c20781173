/* The figures: gathered, compared with their targets, printed as a table and as JSON. */
#ifndef MCP_MUX_BENCH_REPORT_H
#define MCP_MUX_BENCH_REPORT_H

#include <glib.h>
#include <stdbool.h>

struct Report;

struct Report *report_new(void);
void report_free(struct Report *report);

enum Target { AT_MOST, AT_LEAST };

/* Adds a figure. UNIT is a short text such as "x floor" or "ms"; DETAIL a JSON object with what it was
 * made from, taken over (NULL: none). */
void report_add(struct Report *report, const char *figure, double measured, enum Target kind,
	double target, const char *unit, char *detail);

/* Adds a figure that could not be measured, and why. */
void report_missing(struct Report *report, const char *figure, const char *reason);

/* Prints the table to stdout. */
void report_print(const struct Report *report);

/* Writes {"v":1,"time":…,"machine":…,"rounds":…,"figures":[…]}. */
bool report_write(const struct Report *report, const char *path, unsigned rounds, GError **error);

#endif
