#include "list_fixture.h"

#include "base/error.h"

#define TOOL(name) "{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\"}}"

static struct ListRecord *parse(const char *text, char digest[LIST_RECORD_DIGEST_BYTES])
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	g_autoptr(GError) error = NULL;
	struct ListRecord *record = list_record_parse(bytes, digest, &error);
	if (!record)
		assert_int_equal(error->code, MUX_ERROR_SYNTAX);
	else
		assert_true(list_record_read_lists(record, &error));
	return record;
}

static void assert_refused(const char *text, const char *why)
{
	g_autoptr(GBytes) bytes = g_bytes_new(text, strlen(text));
	g_autoptr(GError) error = NULL;
	char digest[LIST_RECORD_DIGEST_BYTES] = "as it was";
	g_autoptr(ListRecord) record = list_record_parse(bytes, digest, &error);
	if (!record)
		assert_string_equal(digest, "as it was");
	else
		assert_false(list_record_read_lists(record, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	if (!strstr(error->message, why))
		fail_msg("\"%s\" lacks \"%s\"", error->message, why);
	for (int kind = 0; record && kind < MCP_LISTS; kind++)
		assert_true(!record->tools && !record->items[kind]);
}

/* CONTENT under its digest. */
static char *sealed(const char *content)
{
	g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, content, -1);
	return g_strdup_printf("{\"v\":1,\"sha256\":\"%s\",\"content\":%s}", hex, content);
}

static void test_what_is_written_is_read_again(void **state)
{
	(void)state;
	g_autoptr(ListRecord) record = list_record("0123", "g \"1\"",
		"{ \"name\" :\"a\\u00e9\",\n\"inputSchema\":{\"type\":"
		"\"object\"},\"x\":1.10}," TOOL("b"));
	record->offers = 5;
	record->instructions = g_strdup("say\n\"please\" é");
	record->items[MCP_PROMPTS] = list_items(MCP_PROMPTS, "{\"name\":\"p\"}");
	record->items[MCP_TEMPLATES] = list_items(MCP_TEMPLATES, "");
	char written[LIST_RECORD_DIGEST_BYTES], read[LIST_RECORD_DIGEST_BYTES];
	g_autofree char *text = list_record_write(record, written);
	g_autoptr(ListRecord) again = parse(text, read);
	assert_string_equal(written, read);
	assert_int_equal(strlen(read), 64);
	assert_string_equal(again->key, "0123");
	assert_string_equal(again->grant, "g \"1\"");
	assert_false(again->modern);
	assert_int_equal(again->offers, 5);
	assert_string_equal(again->instructions, record->instructions);
	assert_true(tool_list_equal(again->tools, record->tools));
	assert_true(item_list_equal(again->items[MCP_PROMPTS], record->items[MCP_PROMPTS]));
	assert_int_equal(again->items[MCP_TEMPLATES]->items->len, 0);
	assert_null(again->items[MCP_RESOURCES]);
	assert_int_equal(again->tools->ttl_ms, -1);
}

static void test_what_is_not_known_is_not_known_again(void **state)
{
	(void)state;
	g_autoptr(ListRecord) record = list_record("k", "", NULL);
	record->modern = true;
	char digest[LIST_RECORD_DIGEST_BYTES];
	g_autofree char *text = list_record_write(record, digest);
	g_autoptr(ListRecord) again = parse(text, digest);
	assert_true(again->modern);
	assert_null(again->instructions);
	assert_null(again->tools);
	for (int kind = 0; kind < MCP_LISTS; kind++)
		assert_null(again->items[kind]);
}

/* `x-mcp-header` counts where the server is modern, and a broken one hides the tool then. */
static void test_tools_are_read_in_the_era_of_their_server(void **state)
{
	(void)state;
	static const char tool[] =
		"{\"name\":\"t\",\"inputSchema\":{\"type\":\"object\",\"properties\":{"
		"\"a\":{\"type\":\"string\",\"x-mcp-header\":\"A\"}}}}";
	for (int modern = 0; modern < 2; modern++) {
		g_autoptr(ListRecord) record = list_record("k", "", tool);
		record->modern = modern;
		char digest[LIST_RECORD_DIGEST_BYTES];
		g_autofree char *text = list_record_write(record, digest);
		g_autoptr(ListRecord) again = parse(text, digest);
		const struct Tool *read = again->tools->tools->pdata[0];
		assert_int_equal(read->headers != NULL, modern);
	}
}

static void test_every_byte_and_every_end_counts(void **state)
{
	(void)state;
	g_autoptr(ListRecord) record = list_record("k", "g", TOOL("a"));
	record->instructions = g_strdup("x");
	char digest[LIST_RECORD_DIGEST_BYTES];
	g_autofree char *text = list_record_write(record, digest);
	size_t len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		g_autofree char *cut = g_strndup(text, i);
		assert_null(parse(cut, digest));
		g_autofree char *changed = g_strdup(text);
		changed[i] ^= 1;
		assert_null(parse(changed, digest));
	}
}

static void test_a_file_that_is_none(void **state)
{
	(void)state;
	assert_refused("", "cut short");
	assert_refused("[]", "another version");
	assert_refused("{}", "another version");
	assert_refused("{\"v\":2,\"sha256\":\"\",\"content\":{}}", "another version");
	assert_refused("{\"v\":1,\"v\":1,\"sha256\":\"\",\"content\":{}}", "twice");
	assert_refused("{\"v\":1,\"sha256\":\"\",\"content\":[]}", "no content");
	assert_refused("{\"v\":1,\"sha256\":7,\"content\":{}}", "no digest");
	assert_refused("{\"v\":1,\"sha256\":\"\",\"content\":{}}", "not what was written");
}

static void test_a_content_that_others_made(void **state)
{
	(void)state;
#define HEAD "\"key\":\"k\",\"grant\":\"\",\"modern\":true,\"offers\":1"
	static const struct {
		const char *content, *why;
	} cases[] = {
		{"{}", "missing"},
		{"{\"key\":1,\"grant\":\"\",\"modern\":true,\"offers\":1}", "another type"},
		{"{\"key\":\"k\",\"grant\":null,\"modern\":true,\"offers\":1}", "another type"},
		{"{\"key\":\"k\",\"grant\":\"\",\"modern\":1,\"offers\":1}", "another type"},
		{"{\"key\":\"k\",\"grant\":\"\",\"modern\":true,\"offers\":-1}", "another type"},
		{"{\"key\":\"k\",\"grant\":\"\",\"modern\":true,\"offers\":99999999999}",
			"another type"},
		{"{" HEAD ",\"key\":\"k\"}", "twice"},
		{"{" HEAD ",\"instructions\":1}", "another type"},
		{"{" HEAD ",\"instructions\":\"\\u0000\"}", "another type"},
		{"{" HEAD ",\"tools\":{}}", "a list"},
		{"{" HEAD ",\"tools\":[1]}", "a list"},
		{"{" HEAD ",\"tools\":[{}]}", "a list"},
		{"{" HEAD ",\"tools\":[" TOOL("a") "," TOOL("a") "]}", "a list"},
		{"{" HEAD ",\"tools\":[],\"nextCursor\":1}", "a list"},
		{"{" HEAD ",\"prompts\":[{}]}", "a list"},
		{"{" HEAD ",\"resourceTemplates\":7}", "a list"},
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = sealed(cases[i].content);
		assert_refused(text, cases[i].why);
	}
	/* Times of a page, and resources, have no place in it. */
	g_autofree char *text = sealed("{" HEAD ",\"resources\":[{\"uri\":\"a:b\",\"name\":\"n\"}],"
				       "\"tools\":[],\"ttlMs\":5}");
	char digest[LIST_RECORD_DIGEST_BYTES];
	g_autoptr(ListRecord) record = parse(text, digest);
	assert_non_null(record->tools);
	assert_null(record->items[MCP_RESOURCES]);
}

static void test_instructions_have_a_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		g_autofree char *long_text = g_strnfill(LIST_RECORD_INSTRUCTIONS_MAX + over, 'x');
		g_autofree char *content =
			g_strdup_printf("{" HEAD ",\"instructions\":\"%s\"}", long_text);
		g_autofree char *text = sealed(content);
		char digest[LIST_RECORD_DIGEST_BYTES];
		g_autoptr(ListRecord) record = parse(text, digest);
		assert_int_equal(record == NULL, over);
	}
}

static void test_what_is_too_large_is_not_written(void **state)
{
	(void)state;
	g_autofree char *padding = g_strnfill(LIST_RECORD_BYTES_MAX - 400, 'x');
	g_autofree char *tool = g_strdup_printf(
		"{\"name\":\"a\",\"description\":\"%s\",\"inputSchema\":{\"type\":\"object\"}}",
		padding);
	g_autoptr(ListRecord) record = list_record("k", "", tool);
	char digest[LIST_RECORD_DIGEST_BYTES] = "";
	g_autofree char *text = list_record_write(record, digest);
	assert_non_null(text);
	assert_true(strlen(text) <= LIST_RECORD_BYTES_MAX);
	g_free(record->grant);
	record->grant = g_strnfill(400, 'g');
	g_autofree char *more = list_record_write(record, digest);
	assert_null(more);
}

static void test_nothing_is_freed_of_nothing(void **state)
{
	(void)state;
	list_record_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read_again),
		cmocka_unit_test(test_what_is_not_known_is_not_known_again),
		cmocka_unit_test(test_tools_are_read_in_the_era_of_their_server),
		cmocka_unit_test(test_every_byte_and_every_end_counts),
		cmocka_unit_test(test_a_file_that_is_none),
		cmocka_unit_test(test_a_content_that_others_made),
		cmocka_unit_test(test_instructions_have_a_limit),
		cmocka_unit_test(test_what_is_too_large_is_not_written),
		cmocka_unit_test(test_nothing_is_freed_of_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
