/* Which lines of the audit log are wanted. Times are compared as texts, which the log's sort as. */
#include "cli/audit.h"

#include "base/error.h"
#include "format/pattern.h"

enum { NUMBER_MAX = 1000 * 1000 };

/* ---- times ---- */

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 60 * 60;
	case 'd':
		return 24 * 60 * 60;
	case 'w':
		return 7 * 24 * 60 * 60;
	default:
		return 0;
	}
}

/* 2h and the like. */
static bool read_ago(const char *text, int64_t now_us, int64_t *time_us)
{
	char *end;
	if (!g_ascii_isdigit(*text))
		return false;
	guint64 n = g_ascii_strtoull(text, &end, 10);
	int64_t unit = unit_seconds(*end);
	if (unit == 0 || end[1] != '\0' || n > NUMBER_MAX)
		return false;
	*time_us = MAX(now_us - (int64_t)n * unit * G_USEC_PER_SEC, 0);
	return true;
}

static bool read_date(const char *text, int64_t *time_us)
{
	enum { DATE_LEN = 10 };
	g_autofree char *whole =
		strlen(text) == DATE_LEN ? g_strconcat(text, "T00:00:00", NULL) : g_strdup(text);
	if (strlen(whole) > DATE_LEN && whole[DATE_LEN] == ' ')
		whole[DATE_LEN] = 'T';
	g_autoptr(GTimeZone) zone = g_time_zone_new_local();
	g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(whole, zone);
	if (!date || whole[4] != '-' || g_date_time_to_unix(date) < 0)
		return false;
	*time_us = g_date_time_to_unix(date) * G_USEC_PER_SEC + g_date_time_get_microsecond(date);
	return true;
}

bool audit_time_read(const char *option, const char *text, int64_t now_us,
	char out[AUDIT_TIME_LEN + 1], GError **error)
{
	int64_t time_us;
	if (!read_ago(text, now_us, &time_us) && !read_date(text, &time_us)) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE,
			"%s “%s” is no time; expected one such as 2h, 3d, 2026-11-21 or "
			"2026-11-21T20:47:42Z",
			option, text);
		return false;
	}
	g_autoptr(GString) written = g_string_new(NULL);
	audit_time_append(written, time_us);
	memcpy(out, written->str, AUDIT_TIME_LEN + 1);
	return true;
}

/* ---- the options ---- */

static bool fail_outcome(const char *word, GError **error)
{
	g_autoptr(GString) known = g_string_new(NULL);
	for (unsigned i = AUDIT_OUTCOME_NONE + 1; i < AUDIT_OUTCOMES; i++)
		g_string_append_printf(
			known, "%s%s", i > 1 ? ", " : "", audit_outcome_name((enum AuditOutcome)i));
	g_set_error(error, MUX_ERROR, MUX_ERROR_USAGE, "--outcome “%s” is none; there are: %s",
		word, known->str);
	return false;
}

static bool read_outcomes(const char *text, unsigned *outcomes, GError **error)
{
	g_auto(GStrv) words = g_strsplit(text, ",", -1);
	for (char **word = words; *word; word++) {
		enum AuditOutcome outcome = audit_outcome_read(g_strstrip(*word));
		if (outcome == AUDIT_OUTCOMES)
			return fail_outcome(*word, error);
		*outcomes |= 1u << outcome;
	}
	return *outcomes != 0 || fail_outcome(text, error);
}

bool audit_filter_init(struct AuditFilter *filter, const struct CliOptions *options, int64_t now_us,
	GError **error)
{
	*filter = (struct AuditFilter){.connector = options->connector, .tool = options->tool};
	return (!options->outcome || read_outcomes(options->outcome, &filter->outcomes, error)) &&
	       (!options->since ||
		       audit_time_read("--since", options->since, now_us, filter->since, error)) &&
	       (!options->until ||
		       audit_time_read("--until", options->until, now_us, filter->until, error));
}

/* ---- lines ---- */

static bool matches_tool(const char *pattern, const struct AuditEntry *entry)
{
	static const enum AuditField fields[] = {
		AUDIT_FIELD_TOOL, AUDIT_FIELD_EXPOSED, AUDIT_FIELD_PROMPT, AUDIT_FIELD_URI};
	for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++) {
		g_autofree char *name = json_string_dup(entry->fields[fields[i]]);
		if (name && pattern_match(pattern, name))
			return true;
	}
	return false;
}

static bool is_connector(const char *wanted, const struct AuditEntry *entry)
{
	struct JsonValue connector = entry->fields[AUDIT_FIELD_CONNECTOR];
	return connector.type == JSON_STRING && json_string_is(connector.raw, slice_of(wanted));
}

bool audit_filter_admits(const struct AuditFilter *filter, const struct AuditEntry *entry)
{
	const char *time = entry->time.data;
	if (*filter->since && memcmp(time, filter->since, AUDIT_TIME_LEN) < 0)
		return false;
	if (*filter->until && memcmp(time, filter->until, AUDIT_TIME_LEN) > 0)
		return false;
	if (filter->outcomes != 0) {
		g_autofree char *name = json_string_dup(entry->fields[AUDIT_FIELD_OUTCOME]);
		enum AuditOutcome outcome = audit_outcome_read(name ? name : "");
		if (outcome == AUDIT_OUTCOMES || !(filter->outcomes & 1u << outcome))
			return false;
	}
	return (!filter->connector || is_connector(filter->connector, entry)) &&
	       (!filter->tool || matches_tool(filter->tool, entry));
}
