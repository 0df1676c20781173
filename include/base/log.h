/* The server's own log: lines `mcp-mux: LEVEL [connector] text` on stderr (stdout carries MCP
 * alone). Text from a peer is made harmless here: control characters become `?`, a line is cut at
 * 1,000 bytes. Secrets never come here. */
#ifndef MCP_MUX_BASE_LOG_H
#define MCP_MUX_BASE_LOG_H

#include <glib.h>
#include <stdbool.h>

enum LogLevel { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Sends GLib's own messages to stderr too. Call before anything else in main. */
void log_init(void);

/* Lines above LEVEL are dropped. The level at start is LOG_WARNING. */
void log_set_level(enum LogLevel level);
bool log_enabled(enum LogLevel level);

/* Parses `error`, `warning`, `info` or `debug`; false if it is none of them. */
bool log_level_parse(const char *text, enum LogLevel *level);

/* One line. CONNECTOR may be NULL. Never fails, never blocks on anything but stderr. */
void log_line(enum LogLevel level, const char *connector, const char *format, ...)
	G_GNUC_PRINTF(3, 4);

#define log_error(connector, ...) log_line(LOG_ERROR, connector, __VA_ARGS__)
#define log_warning(connector, ...) log_line(LOG_WARNING, connector, __VA_ARGS__)
#define log_info(connector, ...) log_line(LOG_INFO, connector, __VA_ARGS__)
#define log_debug(connector, ...)                                                                  \
	do {                                                                                       \
		if (log_enabled(LOG_DEBUG))                                                        \
			log_line(LOG_DEBUG, connector, __VA_ARGS__);                               \
	} while (0)

#endif
