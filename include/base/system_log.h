/* The system's log, syslog(3), for what an administrator wants to have there besides a user's own file. The server's own
 * log is base/log.h. */
#ifndef MCP_MUX_BASE_SYSTEM_LOG_H
#define MCP_MUX_BASE_SYSTEM_LOG_H

/* One message: facility authpriv (who used what, for administrators alone), level info, as `mcp-mux[PID]`. What
 * cannot be delivered is lost without a word; blocks while the system's logger takes nothing. */
void system_log_line(const char *text);

#endif
