/* Bytes are read one by one from the descriptor, into a buffer that is wiped: stdio would keep a copy. */
#include "cli/terminal.h"

#include "base/error.h"

#include <errno.h>
#include <termios.h>
#include <unistd.h>

bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static void say(const char *text)
{
	size_t len = strlen(text);
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);
		if (n <= 0)
			return; /* nobody reads it: the answer will be the end of input */
		text += n;
		len -= (size_t)n;
	}
}

/* Reads to the end of a line (which is left out) or of input; false at once at the end of input or an error. */
static bool read_line(GString *line, GError **error)
{
	bool any = false;
	for (;;) {
		char c;
		ssize_t n = read(STDIN_FILENO, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "stdin: %s", g_strerror(errno));
			return false;
		}
		if (n == 0)
			return any;
		any = true;
		if (c == '\n')
			return true;
		if (line->len >= TERMINAL_SECRET_BYTES) {
			g_set_error(error, MUX_ERROR, MUX_ERROR_TOO_LARGE,
				"what was typed is longer than %d KiB",
				TERMINAL_SECRET_BYTES >> 10);
			return false;
		}
		g_string_append_c(line, c);
	}
}

static struct Slice trimmed(const GString *text)
{
	const char *start = text->str;
	const char *end = text->str + text->len;
	while (start < end && g_ascii_isspace(*start))
		start++;
	while (end > start && g_ascii_isspace(end[-1]))
		end--;
	return slice_between(start, end);
}

/* A key in PEM has many lines; its last one begins with END. */
static bool read_answer(GString *text, GError **error)
{
	if (!read_line(text, error))
		return false;
	if (!g_str_has_prefix(text->str, "-----BEGIN "))
		return true;
	size_t last;
	do {
		g_string_append_c(text, '\n');
		last = text->len;
		if (!read_line(text, error))
			return false;
	} while (!g_str_has_prefix(text->str + last, "-----END "));
	return true;
}

static void no_answer(GError **error)
{
	if (error && !*error)
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_IO, "no answer: end of input");
}

struct Secret *terminal_ask_secret(const char *prompt, GError **error)
{
	struct termios before;
	bool hidden = tcgetattr(STDIN_FILENO, &before) == 0;
	if (hidden) {
		struct termios silent = before;
		silent.c_lflag &= ~(tcflag_t)ECHO;
		hidden = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
	}
	say(prompt);
	GString *text = g_string_sized_new(TERMINAL_SECRET_BYTES);
	bool answered = read_answer(text, error);
	if (hidden) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
		say("\n");
	}
	struct Secret *secret = answered ? secret_new(trimmed(text)) : NULL;
	secret_free_string(text);
	if (!secret)
		no_answer(error);
	return secret;
}

char *terminal_ask(const char *prompt, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL);
	say(prompt);
	if (read_line(text, error))
		return slice_dup(trimmed(text));
	no_answer(error);
	return NULL;
}

struct Secret *terminal_read_secret(GError **error)
{
	GString *text = g_string_sized_new(TERMINAL_SECRET_BYTES);
	g_autoptr(GError) fault = NULL;
	while (!fault && read_line(text, &fault))
		g_string_append_c(text, '\n');
	struct Slice value = trimmed(text);
	struct Secret *secret = NULL;
	if (fault)
		g_propagate_error(error, g_steal_pointer(&fault));
	else if (value.len == 0)
		g_set_error_literal(
			error, MUX_ERROR, MUX_ERROR_USAGE, "--key-stdin: nothing came on stdin");
	else
		secret = secret_new(value);
	secret_free_string(text);
	return secret;
}
