#include "base/system_log.h"

#include <glib.h>
#include <stdarg.h>
#include <syslog.h>

#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

/* What was handed to the C library. */
static struct {
	unsigned opened;
	int facility, options, priority;
	GString *text;
} seen;

/* In the place of its own. */
void openlog(const char *name, int options, int facility)
{
	assert_string_equal(name, "mcp-mux");
	seen.opened++;
	seen.options = options;
	seen.facility = facility;
}

static void take(int priority, const char *format, va_list args)
{
	seen.priority = priority;
	g_string_vprintf(seen.text, format, args);
}

#undef syslog
void syslog(int priority, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	take(priority, format, args);
	va_end(args);
}

/* What a compiler that checks formats makes of it. */
/* NOLINTNEXTLINE(readability-redundant-declaration): by the libc's version it may be one */
void __syslog_chk(int priority, int flag, const char *format, ...) G_GNUC_PRINTF(3, 4);
void __syslog_chk(int priority, int flag, const char *format, ...)
{
	va_list args;
	(void)flag;
	va_start(args, format);
	take(priority, format, args);
	va_end(args);
}

static void a_line_is_one_message_for_administrators_and_no_format(void **state)
{
	(void)state;
	seen.text = g_string_new(NULL);
	system_log_line("{\"x\":\"100%s %n\"}");
	assert_string_equal(seen.text->str, "{\"x\":\"100%s %n\"}");
	assert_int_equal(seen.priority, LOG_AUTHPRIV | LOG_INFO);
	assert_int_equal(seen.facility, LOG_AUTHPRIV);
	assert_int_equal(seen.options & LOG_PID, LOG_PID);
	system_log_line("again");
	assert_string_equal(seen.text->str, "again");
	assert_int_equal(seen.opened, 1);
	g_string_free(seen.text, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_one_message_for_administrators_and_no_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
