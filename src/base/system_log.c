#include "base/system_log.h"

#include <stdbool.h>
#include <syslog.h>

void system_log_line(const char *text)
{
	static bool opened;
	if (!opened)
		openlog("mcp-mux", LOG_PID, LOG_AUTHPRIV);
	opened = true;
	syslog(LOG_AUTHPRIV | LOG_INFO, "%s", text);
}
