/* The parts of `audit`: the log's files as one stream of lines, and which lines are wanted. */
#ifndef MCP_MUX_CLI_AUDIT_H
#define MCP_MUX_CLI_AUDIT_H

#include "base/cleanup.h"
#include "cli/cli.h"
#include "format/audit_line.h"

/* The log PATH and the old ones beside it (PATH.1 and so on), oldest first. Does no I/O. */
struct AuditFiles;
struct AuditFiles *audit_files_new(const char *path);
void audit_files_free(struct AuditFiles *files);
MUX_AUTOPTR(AuditFiles, audit_files_free)

/* Hands each line (without its LF) that was not read before to EACH, which returns false to stop; also after the log was
 * renamed meanwhile. A line without an end is left for the next time. False if EACH stopped it, or with MUX_ERROR_IO if
 * a file cannot be read or is none that could be the log; one that is not there is no error. */
typedef bool AuditEach(struct Slice line, void *user);
bool audit_files_read(struct AuditFiles *files, AuditEach *each, void *user, GError **error);
/* How many lines were too long or are without an end now. */
unsigned audit_files_damaged(const struct AuditFiles *files);

/* What --connector, --tool, --outcome, --since and --until say. */
struct AuditFilter {
	const char *connector; /* NULL: any */
	const char *tool; /* a pattern (format/pattern.h); NULL: any */
	unsigned outcomes; /* 1u << enum AuditOutcome; 0: any */
	char since[AUDIT_TIME_LEN + 1], until[AUDIT_TIME_LEN + 1]; /* "": any */
};

/* Reads the options; NOW_US is Unix time in microseconds. MUX_ERROR_USAGE. Strings of OPTIONS are borrowed. */
bool audit_filter_init(struct AuditFilter *filter, const struct CliOptions *options, int64_t now_us,
	GError **error);
bool audit_filter_admits(const struct AuditFilter *filter, const struct AuditEntry *entry);

/* A point in time that a person wrote, as audit_time_append writes it (and a NUL): RFC 3339, a date, both without a zone
 * in local time, or a time before NOW_US such as 90s, 30m, 2h, 3d or 1w. MUX_ERROR_USAGE naming OPTION. */
bool audit_time_read(const char *option, const char *text, int64_t now_us,
	char out[AUDIT_TIME_LEN + 1], GError **error);

#endif
