#include "report.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

struct Figure {
	char *name, *unit, *detail, *reason;
	double measured, target;
	enum Target kind;
};

struct Report {
	GPtrArray *figures;
};

static void figure_free(void *data)
{
	struct Figure *figure = data;

	g_free(figure->name);
	g_free(figure->unit);
	g_free(figure->detail);
	g_free(figure->reason);
	g_free(figure);
}

struct Report *report_new(void)
{
	struct Report *report = g_new0(struct Report, 1);

	report->figures = g_ptr_array_new_with_free_func(figure_free);
	return report;
}

void report_free(struct Report *report)
{
	if (!report)
		return;
	g_ptr_array_unref(report->figures);
	g_free(report);
}

void report_add(struct Report *report, const char *name, double measured, enum Target kind,
	double target, const char *unit, char *detail)
{
	struct Figure *figure = g_new0(struct Figure, 1);

	*figure = (struct Figure){.name = g_strdup(name),
		.unit = g_strdup(unit),
		.detail = detail,
		.measured = measured,
		.target = target,
		.kind = kind};
	g_ptr_array_add(report->figures, figure);
}

void report_missing(struct Report *report, const char *name, const char *reason)
{
	struct Figure *figure = g_new0(struct Figure, 1);

	figure->name = g_strdup(name);
	figure->reason = g_utf8_make_valid(reason, -1);
	g_ptr_array_add(report->figures, figure);
}

static bool is_reached(const struct Figure *figure)
{
	if (figure->reason)
		return false;
	return figure->kind == AT_MOST ? figure->measured <= figure->target
				       : figure->measured >= figure->target;
}

static const char *verdict(const struct Figure *figure)
{
	return figure->reason ? "not measured" : is_reached(figure) ? "reached" : "missed";
}

/* Enough digits to tell apart what counts. */
static char *format_number(double value)
{
	if (value >= 1000 || value == (double)(long)value)
		return g_strdup_printf("%.0f", value);
	return g_strdup_printf(value >= 100 ? "%.1f" : "%.2f", value);
}

static void print_figure(const struct Figure *figure, int width)
{
	if (figure->reason) {
		fprintf(stdout, "%-*s  not measured: %s\n", width, figure->name, figure->reason);
		return;
	}
	g_autofree char *measured = format_number(figure->measured);
	g_autofree char *target = format_number(figure->target);
	fprintf(stdout, "%-*s  %8s  %-8s %6s  %-14s %s\n", width, figure->name, measured,
		figure->kind == AT_MOST ? "at most" : "at least", target, figure->unit,
		verdict(figure));
}

void report_print(const struct Report *report)
{
	unsigned reached = 0, missing = 0, n = report->figures->len;
	size_t width = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct Figure *figure = report->figures->pdata[i];
		width = MAX(width, strlen(figure->name));
		missing += figure->reason != NULL;
		reached += is_reached(figure);
	}
	fprintf(stdout, "\n%-*s  %8s  %-15s  %-14s %s\n", (int)width, "figure", "measured",
		"target", "unit", "verdict");
	for (unsigned i = 0; i < n; i++)
		print_figure(report->figures->pdata[i], (int)width);
	fprintf(stdout, "\n%u reached, %u missed, %u not measured\n", reached,
		n - reached - missing, missing);
}

static void put_string(GString *out, const char *text)
{
	g_string_append_c(out, '"');
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_c(out, '\\');
		if ((unsigned char)*p < 0x20)
			g_string_append_printf(out, "\\u%04x", (unsigned char)*p);
		else
			g_string_append_c(out, *p);
	}
	g_string_append_c(out, '"');
}

static void put_number(GString *out, double value)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];

	g_string_append(out, g_ascii_formatd(text, sizeof(text), "%.6g", value));
}

static void put_figure(GString *out, const struct Figure *figure)
{
	g_string_append(out, "{\"figure\":");
	put_string(out, figure->name);
	g_string_append(out, ",\"verdict\":");
	put_string(out, verdict(figure));
	if (figure->reason) {
		g_string_append(out, ",\"reason\":");
		put_string(out, figure->reason);
	} else {
		g_string_append(out, ",\"measured\":");
		put_number(out, figure->measured);
		g_string_append(out, figure->kind == AT_MOST ? ",\"at_most\":" : ",\"at_least\":");
		put_number(out, figure->target);
		g_string_append(out, ",\"unit\":");
		put_string(out, figure->unit);
		g_string_append_printf(
			out, ",\"detail\":%s", figure->detail ? figure->detail : "{}");
	}
	g_string_append_c(out, '}');
}

bool report_write(const struct Report *report, const char *path, unsigned rounds, GError **error)
{
	g_autoptr(GString) out = g_string_new("{\"v\":1,\"time\":");
	g_autoptr(GDateTime) now = g_date_time_new_now_utc();
	g_autofree char *time = g_date_time_format_iso8601(now);
	struct utsname system;

	uname(&system);
	put_string(out, time);
	g_string_append(out, ",\"machine\":{\"system\":");
	put_string(out, system.sysname);
	g_string_append(out, ",\"release\":");
	put_string(out, system.release);
	g_string_append(out, ",\"architecture\":");
	put_string(out, system.machine);
	g_string_append_printf(out, ",\"cpus\":%ld},\"rounds\":%u,\"figures\":[\n",
		sysconf(_SC_NPROCESSORS_ONLN), rounds);
	for (unsigned i = 0; i < report->figures->len; i++) {
		g_string_append(out, i ? ",\n" : "");
		put_figure(out, report->figures->pdata[i]);
	}
	g_string_append(out, "\n]}\n");
	return g_file_set_contents(path, out->str, (gssize)out->len, error);
}
