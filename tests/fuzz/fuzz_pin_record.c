/* Any bytes as a file of pins. What is read is written, and that is read to the same; what is put in comes out again. What
 * is refused is refused in one line. */
#include "base/error.h"
#include "format/json.h"
#include "format/pin_record.h"

#define URL "http://a/"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refused(const GError *error)
{
	g_assert_nonnull(error);
	g_assert_true(error->domain == MUX_ERROR);
	g_assert_true(g_utf8_validate(error->message, -1, NULL));
	g_assert_null(strpbrk(error->message, "\r\n"));
}

static char *write_json(const struct PinRecord *record, size_t *len)
{
	char *text = pin_record_write(record, len);
	g_assert_true(json_validate((struct Slice){text, *len}, NULL));
	return text;
}

static void check_tool(const struct PinnedTool *tool, const char *name)
{
	g_assert_cmpstr(tool->name, ==, name);
	g_assert_true(g_utf8_validate(tool->approved, -1, NULL));
	g_assert_true(!tool->definition != !tool->sha256);
	if (tool->definition)
		g_assert_true(json_validate(
			(struct Slice){tool->definition, tool->definition_len}, NULL));
	g_assert_true(!tool->shown || strlen(tool->shown) == PIN_DIGEST_HEX);
	/* Whatever it is, comparing works. */
	(void)pin_record_matches(tool, SLICE("{}"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *copy = g_memdup2(data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(PinRecord) record = pin_record_parse((struct Slice){copy, size}, URL, &error);
	if (!record) {
		check_refused(error);
		return 0;
	}
	g_assert_null(error);
	const struct PinnedTool *tool = pin_record_find(record, "a");
	if (tool)
		check_tool(tool, "a");
	size_t len = 0, len_again = 0;
	g_autofree char *text = write_json(record, &len);
	g_autoptr(PinRecord) again = pin_record_parse((struct Slice){text, len}, URL, NULL);
	g_assert_nonnull(again);
	g_autofree char *text_again = write_json(again, &len_again);
	g_assert_true(slice_eq((struct Slice){text, len}, (struct Slice){text_again, len_again}));

	struct Slice canonical = SLICE("{\"name\":\"a\"}");
	g_assert_true(pin_record_put(again, "a", canonical, "2026-11-21T20:47:42.123Z"));
	size_t len_put = 0;
	g_autofree char *text_put = write_json(again, &len_put);
	g_autoptr(PinRecord) last = pin_record_parse((struct Slice){text_put, len_put}, URL, NULL);
	g_assert_nonnull(last);
	g_assert_true(pin_record_matches(pin_record_find(last, "a"), canonical));
	return 0;
}
