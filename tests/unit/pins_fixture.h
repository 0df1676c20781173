/* A folder for files of pins, two processes that learn, and what they log. */
#ifndef MCP_MUX_TESTS_PINS_FIXTURE_H
#define MCP_MUX_TESTS_PINS_FIXTURE_H

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli_fixture.h"
#include "format/definition.h"
#include "format/pin_record.h"
#include "mux/pins.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define URL "https://mcp.example/mcp"

struct Fixture {
	char *folder; /* XDG_STATE_HOME */
	char *path; /* of the file of pins */
	char *aside;
	struct MuxConfig mux;
	struct ConnectorConfig connector;
	struct Pins *pins; /* learn */
	struct Pins *others; /* another process's, learn */
	int stderr_was, log;
};

static inline int set_up(void **state)
{
	struct Fixture *f = g_new0(struct Fixture, 1);
	f->folder = g_dir_make_tmp("pins-XXXXXX", NULL);
	assert_true(g_setenv("XDG_STATE_HOME", f->folder, TRUE));
	f->path = g_build_filename(f->folder, "mcp-mux", "pins", "wiki.json", NULL);
	f->aside = g_strconcat(f->path, ".damaged", NULL);
	f->connector.name = (char *)"wiki";
	f->connector.url = (char *)URL;
	f->mux.pin_tools = PIN_BLOCK;
	f->pins = pins_new(&f->mux, true);
	f->others = pins_new(&f->mux, true);
	g_autofree char *log = g_build_filename(f->folder, "log", NULL);
	f->log = open(log, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	f->stderr_was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	assert_true(f->log >= 0 && f->stderr_was >= 0);
	assert_int_equal(dup2(f->log, STDERR_FILENO), STDERR_FILENO);
	*state = f;
	return 0;
}

static inline int tear_down(void **state)
{
	struct Fixture *f = *state;
	pins_free(f->pins);
	pins_free(f->others);
	assert_int_equal(dup2(f->stderr_was, STDERR_FILENO), STDERR_FILENO);
	close(f->stderr_was);
	close(f->log);
	remove_tree(f->folder);
	g_free(f->folder);
	g_free(f->path);
	g_free(f->aside);
	g_free(f);
	return 0;
}

/* How often WORDS stand in the log. */
static inline unsigned count_in_log(struct Fixture *f, const char *words)
{
	char text[16384];
	ssize_t n = pread(f->log, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	unsigned count = 0;
	for (const char *p = text; (p = strstr(p, words)); p++)
		count++;
	return count;
}

static inline struct Tool tool_of(const char *name, const char *raw)
{
	return (struct Tool){.name = (char *)name, .raw = slice_of(raw)};
}

static inline enum PinState check(
	struct Fixture *f, struct Pins *pins, const char *name, const char *raw)
{
	const struct Tool tool = tool_of(name, raw);
	return pins_check(pins, &f->connector, &tool);
}

static const char *const before = "{\"name\":\"a\",\"description\":\"before\"}";
static const char *const after = "{\"name\":\"a\",\"description\":\"after\"}";
static const char *const later = "{\"name\":\"a\",\"description\":\"later\"}";

static inline void learn(struct Fixture *f, const char *name, const char *raw)
{
	assert_int_equal(check(f, f->pins, name, raw), PIN_STATE_APPROVED);
	assert_false(pins_keep(f->pins));
}

static inline char *contents(const struct Fixture *f)
{
	size_t len = 0;
	char *text = file_read(f->path, PIN_RECORD_MAX, &len, NULL);
	return text;
}

static inline void write_file(const struct Fixture *f, const char *text)
{
	assert_true(file_replace(f->path, slice_of(text), 0600, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
