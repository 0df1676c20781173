/* The levels of MCP's log messages (RFC 5424 section 6.2.1 as "Logging" of every revision names them). */
#ifndef MCP_MUX_FORMAT_SYSLOG_LEVEL_H
#define MCP_MUX_FORMAT_SYSLOG_LEVEL_H

#include "format/json.h"

enum SyslogLevel {
	SYSLOG_LEVEL_NONE = -1, /* no level, or one that is not known */
	SYSLOG_LEVEL_DEBUG,
	SYSLOG_LEVEL_INFO,
	SYSLOG_LEVEL_NOTICE,
	SYSLOG_LEVEL_WARNING,
	SYSLOG_LEVEL_ERROR,
	SYSLOG_LEVEL_CRITICAL,
	SYSLOG_LEVEL_ALERT,
	SYSLOG_LEVEL_EMERGENCY,
};

/* The level that a string names, compared by decoded value. */
enum SyslogLevel syslog_level_read(struct JsonValue value);
/* Its name; LEVEL is not SYSLOG_LEVEL_NONE. */
const char *syslog_level_name(enum SyslogLevel level);

#endif
