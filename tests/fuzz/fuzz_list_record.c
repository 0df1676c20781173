/* Any bytes as a file of the list cache: as they are, and as the content under a digest that is right, so that what lies
 * behind the digest is reached. What is read is written, and read again to the same; nothing in it is shown that must
 * not be; what is refused is refused in one line. */
#include "base/error.h"
#include "format/list_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_lists(const struct ListRecord *a, const struct ListRecord *b)
{
	g_assert_true((a->tools == NULL) == (b->tools == NULL));
	g_assert_true(!a->tools || tool_list_equal(a->tools, b->tools));
	g_assert_null(a->items[MCP_TOOLS]);
	g_assert_null(a->items[MCP_RESOURCES]);
	for (enum McpList list = MCP_TOOLS; list < MCP_LISTS; list++) {
		g_assert_true((a->items[list] == NULL) == (b->items[list] == NULL));
		g_assert_true(!a->items[list] || item_list_equal(a->items[list], b->items[list]));
	}
}

static void check_record(const struct ListRecord *record)
{
	char written[LIST_RECORD_DIGEST_BYTES], read[LIST_RECORD_DIGEST_BYTES];
	g_autofree char *text = list_record_write(record, written);
	g_assert_nonnull(text);
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	g_autoptr(ListRecord) again = list_record_parse(bytes, read, NULL);
	g_assert_nonnull(again);
	g_assert_true(list_record_read_lists(again, NULL));
	g_assert_cmpstr(written, ==, read);
	g_assert_cmpstr(record->key, ==, again->key);
	g_assert_cmpstr(record->grant, ==, again->grant);
	g_assert_cmpstr(record->instructions, ==, again->instructions);
	g_assert_true(record->modern == again->modern && record->offers == again->offers);
	check_lists(record, again);
}

static void check(const char *text, size_t size)
{
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	g_autoptr(GBytes) bytes = g_bytes_new(text, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(ListRecord) record = list_record_parse(bytes, digest, &error);
	g_assert_true(record || strcmp(digest, "") == 0);
	if (record && list_record_read_lists(record, &error)) {
		check_record(record);
		return;
	}
	g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	g_assert_cmpuint(strlen(error->message), <, 200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check((const char *)data, size);
	if (!json_validate((struct Slice){(const char *)data, size}, NULL))
		return 0;
	struct JsonValue content = json_root((struct Slice){(const char *)data, size});
	g_autofree char *hex = g_compute_checksum_for_data(
		G_CHECKSUM_SHA256, (const guchar *)content.raw.data, content.raw.len);
	g_autoptr(GString) text = g_string_new(NULL);
	g_string_append_printf(text, "{\"v\":1,\"sha256\":\"%s\",\"content\":", hex);
	g_string_append_len(text, content.raw.data, (gssize)content.raw.len);
	g_string_append_c(text, '}');
	check(text->str, text->len);
	return 0;
}
