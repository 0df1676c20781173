/* Any bytes as a record of the keyring. What is read is written, and read again to the same, unknown members byte for
 * byte; its texts hold no control characters, and its tokens can stand in a header. What is refused is refused in one
 * line that shows none of it. */
#include "base/error.h"
#include "format/json.h"
#include "format/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
	if (!text)
		return;
	g_assert_cmpstr(text, !=, "");
	g_assert_true(g_utf8_validate(text, -1, NULL));
	for (const char *p = text; *p; p = g_utf8_next_char(p))
		g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
}

static void check_token(const struct Secret *token)
{
	struct Slice text = secret_reveal(token);
	for (size_t i = 0; i < text.len; i++)
		g_assert_true(text.data[i] >= ' ' && text.data[i] <= '~');
	g_assert_true(
		!token || (text.len > 0 && text.data[0] != ' ' && text.data[text.len - 1] != ' '));
}

/* The text ends where it says, and is JSON. */
static struct Slice check_written(const struct Secret *written)
{
	struct Slice text = secret_reveal(written);
	g_assert_cmpuint(strlen(text.data), ==, text.len);
	g_assert_true(json_validate(text, NULL));
	return text;
}

static void check_refused(const GError *error)
{
	g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	g_assert_cmpuint(strlen(error->message), <, 200);
	check_text(error->message);
}

/* Each unknown member stands in the record as it does in UNKNOWN. */
static void check_unknown(const char *unknown, struct Slice json)
{
	g_autofree char *object = g_strdup_printf("{%s}", unknown);
	g_assert_true(json_validate(slice_of(object), NULL));
	struct JsonMember member;
	JSON_FOR_EACH_MEMBER (member, slice_of(object)) {
		g_assert_nonnull(memmem(json.data, json.len, member.key.data, member.key.len));
		g_assert_nonnull(
			memmem(json.data, json.len, member.value.raw.data, member.value.raw.len));
	}
}

static void check_equal(const struct TokenRecord *a, const struct TokenRecord *b)
{
	g_assert_cmpstr(a->grant, ==, b->grant);
	g_assert_cmpstr(a->issuer, ==, b->issuer);
	g_assert_cmpstr(a->client_id, ==, b->client_id);
	g_assert_cmpstr(a->auth_method, ==, b->auth_method);
	g_assert_cmpstr(a->redirect_uri, ==, b->redirect_uri);
	g_assert_cmpstr(a->authorization_endpoint, ==, b->authorization_endpoint);
	g_assert_cmpstr(a->token_endpoint, ==, b->token_endpoint);
	g_assert_cmpstr(a->revocation_endpoint, ==, b->revocation_endpoint);
	g_assert_cmpstr(a->resource, ==, b->resource);
	g_assert_cmpstr(a->scope_granted, ==, b->scope_granted);
	g_assert_cmpstr(a->scope_wanted, ==, b->scope_wanted);
	g_assert_true(secret_equal(a->access_token, b->access_token));
	g_assert_true(secret_equal(a->refresh_token, b->refresh_token));
	g_assert_cmpint(a->expires_at, ==, b->expires_at);
	g_assert_cmpint(a->issued_at, ==, b->issued_at);
	g_assert_cmpstr(a->account, ==, b->account);
	g_assert_cmpstr(a->unknown, ==, b->unknown);
}

static void check_token_record(const struct TokenRecord *record, struct Slice json)
{
	const char *const texts[] = {record->grant, record->issuer, record->client_id,
		record->auth_method, record->redirect_uri, record->authorization_endpoint,
		record->token_endpoint, record->revocation_endpoint, record->resource,
		record->scope_granted, record->scope_wanted, record->account};
	for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
		check_text(texts[i]);
	g_assert_nonnull(record->access_token);
	check_token(record->access_token);
	check_token(record->refresh_token);
	g_assert_cmpint(record->expires_at, >=, 0);
	g_assert_cmpint(record->issued_at, >=, 0);
	check_unknown(record->unknown, json);

	g_autoptr(TokenRecord) copy = token_record_copy(record);
	check_equal(record, copy);
	g_autoptr(Secret) written = token_record_write(record);
	g_autoptr(TokenRecord) again = token_record_parse(check_written(written), NULL);
	g_assert_nonnull(again);
	check_equal(record, again);
	g_autoptr(Secret) written_again = token_record_write(again);
	g_assert_true(secret_equal(written, written_again));
}

static void check_client_record(const struct ClientRecord *record, struct Slice json)
{
	check_text(record->client_id);
	check_text(record->auth_method);
	check_text(record->redirect_uri);
	g_assert_nonnull(record->client_id);
	g_assert_cmpint(record->secret_expires_at, >=, 0);
	check_unknown(record->unknown, json);

	g_autoptr(ClientRecord) copy = client_record_copy(record);
	g_autoptr(Secret) written = client_record_write(copy);
	g_autoptr(ClientRecord) again = client_record_parse(check_written(written), NULL);
	g_assert_nonnull(again);
	g_assert_cmpstr(again->client_id, ==, record->client_id);
	g_assert_true(secret_equal(again->client_secret, record->client_secret));
	g_assert_cmpstr(again->auth_method, ==, record->auth_method);
	g_assert_cmpstr(again->redirect_uri, ==, record->redirect_uri);
	g_assert_cmpint(again->secret_expires_at, ==, record->secret_expires_at);
	g_assert_cmpstr(again->unknown, ==, record->unknown);
	g_autoptr(Secret) written_again = client_record_write(again);
	g_assert_true(secret_equal(written, written_again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *copy = g_memdup2(data, size);
	struct Slice json = {copy, size};
	g_autoptr(GError) error = NULL;
	g_autoptr(TokenRecord) token = token_record_parse(json, &error);
	if (token)
		check_token_record(token, json);
	else
		check_refused(error);
	g_clear_error(&error);
	g_autoptr(ClientRecord) client = client_record_parse(json, &error);
	if (client)
		check_client_record(client, json);
	else
		check_refused(error);
	return 0;
}
