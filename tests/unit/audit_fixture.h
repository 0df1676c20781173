/* What the tests of mux/audit share: a log in a state folder of the test's own. For one source file of a program
 * alone. */
#ifndef MCP_MUX_TESTS_AUDIT_FIXTURE_H
#define MCP_MUX_TESTS_AUDIT_FIXTURE_H

#include "keyring_test.h"

#include "base/file.h"
#include "base/line_log.h"
#include "base/system_log.h"
#include "cli_fixture.h"
#include "format/config.h"
#include "format/rpc.h"
#include "mux/audit.h"

#include <unistd.h>

static GPtrArray *system_lines; /* char * */

/* In the place of the system's. */
void system_log_line(const char *text)
{
	g_ptr_array_add(system_lines, g_strdup(text));
}

struct Desk {
	char *folder; /* XDG_STATE_HOME */
	char *path;
	struct Config *config;
	struct Audit *audit;
	unsigned seen; /* lines that were looked at */
};

static inline int open_desk(void **state)
{
	struct Desk *desk = g_new0(struct Desk, 1);
	desk->folder = g_dir_make_tmp("audit-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", desk->folder, TRUE));
	desk->path = audit_path();
	system_lines = g_ptr_array_new_with_free_func(g_free);
	*state = desk;
	return 0;
}

static inline int close_desk(void **state)
{
	struct Desk *desk = *state;
	audit_free(desk->audit);
	config_free(desk->config);
	g_ptr_array_unref(system_lines);
	remove_tree(desk->folder);
	g_free(desk->folder);
	g_free(desk->path);
	g_free(desk);
	return 0;
}

/* With these lines of [mux]. */
static inline void begin_with(
	struct Desk *desk, const char *lines, struct Loop *loop, struct Keyring *ring)
{
	g_autofree char *text = g_strdup_printf(
		"[mux]\n%s\n[connector:wiki]\nurl = https://wiki.example/mcp\n", lines);
	const struct ConfigSource source = {"user.ini", slice_of(text)};
	config_free(desk->config);
	audit_free(desk->audit);
	desk->config = config_parse(NULL, &source, NULL);
	assert_non_null(desk->config);
	desk->audit = audit_new(&desk->config->mux, loop, ring);
}

static inline void begin(struct Desk *desk, const char *lines)
{
	begin_with(desk, lines, NULL, NULL);
}

static inline const struct ConnectorConfig *wiki(const struct Desk *desk)
{
	return desk->config->connectors->pdata[0];
}

/* All lines, the last element NULL; for g_strfreev. */
static inline char **lines_of(const struct Desk *desk)
{
	g_autofree char *text = NULL;
	if (!g_file_get_contents(desk->path, &text, NULL, NULL))
		return g_new0(char *, 1);
	size_t len = strlen(text);
	assert_true(len == 0 || text[len - 1] == '\n');
	if (len > 0)
		text[len - 1] = '\0';
	return g_strsplit(text, "\n", -1);
}

/* The next line that was not looked at, and no further one; for g_free. */
static inline char *only_line(struct Desk *desk)
{
	struct AuditEntry entry;
	g_auto(GStrv) lines = lines_of(desk);
	assert_int_equal(g_strv_length(lines), desk->seen + 1);
	char *line = g_strdup(lines[desk->seen++]);
	if (!audit_entry_read(slice_of(line), &entry))
		fail_msg("no line: %s", line);
	return line;
}

#define assert_has(text, part)                                                                     \
	do {                                                                                       \
		const char *has_text = (text), *has_part = (part);                                 \
		if (!strstr(has_text, has_part))                                                   \
			fail_msg("%s lacks %s", has_text, has_part);                               \
	} while (0)

#define assert_lacks(text, part)                                                                   \
	do {                                                                                       \
		const char *has_text = (text), *has_part = (part);                                 \
		if (strstr(has_text, has_part))                                                    \
			fail_msg("%s has %s", has_text, has_part);                                 \
	} while (0)

#define ME "{\"name\":\"me\",\"version\":\"1\"}"

/* Begins the line of METHOD with PARAMS (raw members). */
static inline void call_begin(
	struct Desk *desk, struct AuditCall *call, const char *method, const char *params)
{
	g_autofree char *text = g_strdup_printf("{%s}", params);
	struct McpParams read;
	const char *why;
	*call = (struct AuditCall){0};
	assert_true(json_validate(slice_of(text), NULL));
	assert_true(mcp_params_read(json_root(slice_of(text)), &read, &why));
	audit_call_begin(desk->audit, call, method, SLICE(ME), &read);
	memset(text, '?', strlen(text)); /* nothing of it is kept */
}

static inline void tool_begin(struct Desk *desk, struct AuditCall *call)
{
	call_begin(desk, call, "tools/call", "\"name\":\"wiki__search\",\"arguments\":{\"q\":1}");
}

#endif
