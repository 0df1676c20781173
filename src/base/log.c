#include "base/log.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 1000 };

static enum LogLevel threshold = LOG_WARNING;

void log_init(void)
{
	g_log_writer_default_set_use_stderr(TRUE);
}

void log_set_level(enum LogLevel level)
{
	threshold = level;
}

bool log_enabled(enum LogLevel level)
{
	return level <= threshold;
}

static const char *const names[] = {"error", "warning", "info", "debug"};

bool log_level_parse(const char *text, enum LogLevel *level)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*level = (enum LogLevel)i;
			return true;
		}
	}
	return false;
}

void log_line(enum LogLevel level, const char *connector, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autoptr(GString) line = g_string_new("mcp-mux: ");
	g_string_append(line, names[level]);
	if (connector)
		g_string_append_printf(line, " [%s]", connector);
	g_string_append_c(line, ' ');
	text_append_printable(line, slice_of(text), LINE_BYTES);
	g_string_append_c(line, '\n');
	/* One write, so that lines of several processes on one stderr do not mix. A log that cannot be
	 * written has nowhere to be reported. */
	if (write(STDERR_FILENO, line->str, line->len) < 0)
		return;
}
