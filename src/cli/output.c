/* Text of commands on its way to a terminal. Nothing that comes in is trusted: names, titles and
 * errors may be a peer's. Each line is made harmless as a whole, and only then are colours put around
 * it, so no text can bring an escape sequence along. A command's output is gathered and written at
 * once, since a command that fails half-way should print its error alone. */
#include "cli/output.h"

#include "base/error.h"
#include "base/text.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

enum { LINE_BYTES = 4000, CELL_BYTES = 400 };

static const char *const escapes[] = {
	[STYLE_PLAIN] = "",
	[STYLE_HEADING] = "\033[1m",
	[STYLE_GOOD] = "\033[32m",
	[STYLE_WARNING] = "\033[33m",
	[STYLE_BAD] = "\033[31m",
	[STYLE_FAINT] = "\033[2m",
};

struct Output {
	GString *text;
	bool colour;
};

struct Output *output_new(void)
{
	const char *term = g_getenv("TERM");
	struct Output *output = g_new0(struct Output, 1);
	output->text = g_string_new(NULL);
	output->colour =
		!g_getenv("NO_COLOR") && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
	return output;
}

void output_free(struct Output *output)
{
	if (!output)
		return;
	g_string_free(output->text, TRUE);
	g_free(output);
}

/* Appends harmless TEXT in STYLE. */
static void append_styled(struct Output *output, enum OutputStyle style, const char *text)
{
	bool coloured = output->colour && style != STYLE_PLAIN && *text;
	if (coloured)
		g_string_append(output->text, escapes[style]);
	g_string_append(output->text, text);
	if (coloured)
		g_string_append(output->text, "\033[0m");
}

void output_line(struct Output *output, enum OutputStyle style, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *raw = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *text = text_printable(slice_of(raw), LINE_BYTES);
	append_styled(output, style, text);
	g_string_append_c(output->text, '\n');
}

static bool write_stdout(const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, bytes, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (errno != EPIPE)
				output_error("stdout: %s", g_strerror(errno));
			return false;
		}
		bytes += n;
		len -= (size_t)n;
	}
	return true;
}

bool output_flush(struct Output *output)
{
	bool done = write_stdout(output->text->str, output->text->len);
	g_string_truncate(output->text, 0);
	return done;
}

/* What a terminal may obey although JSON allows it raw: DEL, C1, and what text_append_printable
 * counts as harmful besides. */
static bool needs_escape(gunichar c)
{
	return (c >= 0x7f && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f || c == 0x2028 ||
	       c == 0x2029 || (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

bool output_json(const GString *document)
{
	g_autoptr(GString) out = g_string_sized_new(document->len + 1);
	/* Outside of strings JSON is ASCII, so whatever has to be escaped stands inside one. */
	for (const char *p = document->str; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		if (needs_escape(c))
			g_string_append_printf(out, "\\u%04x", c);
		else
			g_string_append_len(out, p, g_utf8_next_char(p) - p);
	}
	g_string_append_c(out, '\n');
	return write_stdout(out->str, out->len);
}

struct Table {
	unsigned columns;
	unsigned *widths;
	GPtrArray *cells; /* char *, harmless, row by row */
	GArray *styles; /* enum OutputStyle, likewise */
};

struct Table *table_new(unsigned columns)
{
	struct Table *table = g_new0(struct Table, 1);
	table->columns = columns;
	table->widths = g_new0(unsigned, columns);
	table->cells = g_ptr_array_new_with_free_func(g_free);
	table->styles = g_array_new(FALSE, FALSE, sizeof(enum OutputStyle));
	return table;
}

void table_free(struct Table *table)
{
	if (!table)
		return;
	g_free(table->widths);
	g_ptr_array_unref(table->cells);
	g_array_unref(table->styles);
	g_free(table);
}

/* Columns of a terminal that TEXT takes. */
static unsigned text_width(const char *text)
{
	unsigned width = 0;
	for (const char *p = text; *p; p = g_utf8_next_char(p)) {
		gunichar c = g_utf8_get_char(p);
		if (!g_unichar_iszerowidth(c))
			width += g_unichar_iswide(c) ? 2 : 1;
	}
	return width;
}

void table_add(struct Table *table, const enum OutputStyle *styles, const char *const *cells)
{
	for (unsigned i = 0; i < table->columns; i++) {
		char *cell = text_printable(slice_of(cells[i]), CELL_BYTES);
		table->widths[i] = MAX(table->widths[i], text_width(cell));
		g_ptr_array_add(table->cells, cell);
	}
	g_array_append_vals(table->styles, styles, table->columns);
}

unsigned table_rows(const struct Table *table)
{
	return table->cells->len / table->columns;
}

/* Whether all cells of the row from column FROM on are empty. */
static bool rest_is_empty(const struct Table *table, unsigned row, unsigned from)
{
	for (unsigned i = from; i < table->columns; i++) {
		const char *cell = table->cells->pdata[row * table->columns + i];
		if (*cell)
			return false;
	}
	return true;
}

void table_print(const struct Table *table, struct Output *output, unsigned indent)
{
	for (unsigned row = 0; row < table_rows(table); row++) {
		g_string_append_printf(output->text, "%*s", (int)indent, "");
		for (unsigned i = 0; i < table->columns && !rest_is_empty(table, row, i); i++) {
			unsigned index = row * table->columns + i;
			const char *cell = table->cells->pdata[index];
			append_styled(output, g_array_index(table->styles, enum OutputStyle, index),
				cell);
			if (!rest_is_empty(table, row, i + 1))
				g_string_append_printf(output->text, "%*s",
					(int)(table->widths[i] - text_width(cell) + 2), "");
		}
		g_string_append_c(output->text, '\n');
	}
}

void table_clear(struct Table *table)
{
	g_ptr_array_set_size(table->cells, 0);
	g_array_set_size(table->styles, 0);
}

void output_error(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *raw = g_strdup_vprintf(format, args);
	va_end(args);
	g_autoptr(GString) line = g_string_new("mcp-mux: ");
	text_append_printable(line, slice_of(raw), LINE_BYTES);
	g_string_append_c(line, '\n');
	/* An error that cannot be told has only the exit status left. */
	if (write(STDERR_FILENO, line->str, line->len) < 0)
		return;
}

int output_fail(const GError *error)
{
	output_error("%s", error->message);
	if (error->domain != MUX_ERROR)
		return CLI_FAILED;
	if (error->code == MUX_ERROR_CONFIG || error->code == MUX_ERROR_USAGE)
		return CLI_USAGE;
	return error->code == MUX_ERROR_SIGN_IN ? CLI_SIGN_IN : CLI_FAILED;
}
