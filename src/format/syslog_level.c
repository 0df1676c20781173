#include "format/syslog_level.h"

static const char *const names[] = {
	[SYSLOG_LEVEL_DEBUG] = "debug",
	[SYSLOG_LEVEL_INFO] = "info",
	[SYSLOG_LEVEL_NOTICE] = "notice",
	[SYSLOG_LEVEL_WARNING] = "warning",
	[SYSLOG_LEVEL_ERROR] = "error",
	[SYSLOG_LEVEL_CRITICAL] = "critical",
	[SYSLOG_LEVEL_ALERT] = "alert",
	[SYSLOG_LEVEL_EMERGENCY] = "emergency",
};

enum SyslogLevel syslog_level_read(struct JsonValue value)
{
	if (value.type != JSON_STRING)
		return SYSLOG_LEVEL_NONE;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		if (json_string_is(value.raw, slice_of(names[i])))
			return (enum SyslogLevel)i;
	}
	return SYSLOG_LEVEL_NONE;
}

const char *syslog_level_name(enum SyslogLevel level)
{
	return names[level];
}
