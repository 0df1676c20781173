/* Any bytes as each document of OAuth. What is read is in the form that the header promises: texts without control
 * characters and within their limits, places that nobody else can read, tokens that fit a header. What is refused
 * leaves the output as it was, in words without control characters. */
#include "base/error.h"
#include "format/json.h"
#include "format/oauth.h"
#include "format/url.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TEXT_BYTES = 8 * 1024, TOKEN_BYTES = 256 * 1024, LIST_BYTES = 32 * 1024 };
enum { UNTOUCHED = 0x5a };

static void check_bounded(const char *text, size_t max_bytes)
{
	if (!text)
		return;
	g_assert_cmpstr(text, !=, "");
	g_assert_cmpuint(strlen(text), <=, max_bytes);
	g_assert_true(g_utf8_validate(text, -1, NULL));
	for (const char *p = text; *p; p = g_utf8_next_char(p))
		g_assert_false(g_unichar_iscntrl(g_utf8_get_char(p)));
}

static void check_text(const char *text)
{
	check_bounded(text, TEXT_BYTES);
}

static void check_place(const char *url)
{
	check_text(url);
	g_assert_true(!url || url_is_secure(url));
}

static void check_list(char **list)
{
	size_t bytes = 0;
	for (char **text = list; text && *text; text++) {
		check_text(*text);
		bytes += strlen(*text);
	}
	g_assert_cmpuint(bytes, <=, LIST_BYTES);
}

static void check_token(const struct Secret *token)
{
	struct Slice text = secret_reveal(token);
	g_assert_cmpuint(text.len, <=, TOKEN_BYTES);
	for (size_t i = 0; i < text.len; i++)
		g_assert_true(text.data[i] >= ' ' && text.data[i] <= '~');
	g_assert_true(
		!token || (text.len > 0 && text.data[0] != ' ' && text.data[text.len - 1] != ' '));
}

static void check_refused(const GError *error, const void *out, size_t size)
{
	g_assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_UPSTREAM));
	check_bounded(error->message, 600);
	for (size_t i = 0; i < size; i++)
		g_assert_cmpint(((const char *)out)[i], ==, UNTOUCHED);
}

static void try_resource(struct Slice json)
{
	struct ResourceMetadata out;
	memset(&out, UNTOUCHED, sizeof(out));
	g_autoptr(GError) error = NULL;
	if (!resource_metadata_parse(json, &out, &error)) {
		check_refused(error, &out, sizeof(out));
		return;
	}
	g_assert_null(error);
	g_assert_nonnull(out.resource);
	check_text(out.resource);
	g_assert_cmpuint(out.servers->len, <=, 16);
	for (unsigned i = 0; i < out.servers->len; i++)
		check_place(out.servers->pdata[i]);
	check_bounded(out.scopes, 2 * LIST_BYTES);
	resource_metadata_release(&out);
}

static void check_same_list(char **a, char **b)
{
	g_assert_cmpint(!a, ==, !b);
	g_assert_true(!a || g_strv_equal((const char *const *)a, (const char *const *)b));
}

/* The copy says the same, and shares nothing with what it was made of. */
static void check_copy(struct ServerMetadata *out)
{
	struct ServerMetadata copy;
	struct ServerMetadata copy_of_copy;
	server_metadata_copy(out, &copy);
	server_metadata_copy(&copy, &copy_of_copy);
	server_metadata_release(&copy);
	g_assert_cmpstr(copy_of_copy.issuer, ==, out->issuer);
	g_assert_cmpstr(copy_of_copy.authorization_endpoint, ==, out->authorization_endpoint);
	g_assert_cmpstr(copy_of_copy.token_endpoint, ==, out->token_endpoint);
	g_assert_cmpstr(copy_of_copy.registration_endpoint, ==, out->registration_endpoint);
	g_assert_cmpstr(copy_of_copy.revocation_endpoint, ==, out->revocation_endpoint);
	g_assert_cmpstr(copy_of_copy.scopes, ==, out->scopes);
	check_same_list(copy_of_copy.auth_methods, out->auth_methods);
	check_same_list(copy_of_copy.challenge_methods, out->challenge_methods);
	check_same_list(copy_of_copy.grant_types, out->grant_types);
	g_assert_cmpint(copy_of_copy.iss_parameter, ==, out->iss_parameter);
	g_assert_cmpint(copy_of_copy.client_documents, ==, out->client_documents);
	g_assert_cmpint(copy_of_copy.assumed, ==, out->assumed);
	server_metadata_release(&copy_of_copy);
}

/* A document is taken as that of its own issuer and of no other. */
static void check_issuer(struct Slice json, const char *issuer)
{
	struct ServerMetadata out;
	g_assert_true(server_metadata_parse(json, issuer, &out, NULL));
	g_assert_cmpstr(out.issuer, ==, issuer);
	server_metadata_release(&out);
	g_autofree char *other = g_strconcat(issuer, "/", NULL);
	g_autoptr(GError) error = NULL;
	memset(&out, UNTOUCHED, sizeof(out));
	g_assert_false(server_metadata_parse(json, other, &out, &error));
	check_refused(error, &out, sizeof(out));
}

static void try_server(struct Slice json)
{
	struct ServerMetadata out;
	memset(&out, UNTOUCHED, sizeof(out));
	g_autoptr(GError) error = NULL;
	if (!server_metadata_parse(json, NULL, &out, &error)) {
		check_refused(error, &out, sizeof(out));
		return;
	}
	g_assert_null(error);
	g_assert_nonnull(out.issuer);
	check_place(out.issuer);
	check_place(out.authorization_endpoint);
	check_place(out.token_endpoint);
	check_place(out.registration_endpoint);
	check_place(out.revocation_endpoint);
	check_bounded(out.scopes, 2 * LIST_BYTES);
	check_list(out.auth_methods);
	check_list(out.challenge_methods);
	check_list(out.grant_types);
	g_assert_false(out.assumed);
	check_copy(&out);
	check_issuer(json, out.issuer);
	server_metadata_release(&out);
}

static void try_registration(struct Slice json)
{
	struct Registration out;
	memset(&out, UNTOUCHED, sizeof(out));
	g_autoptr(GError) error = NULL;
	if (!registration_parse(json, &out, &error)) {
		check_refused(error, &out, sizeof(out));
		return;
	}
	g_assert_null(error);
	g_assert_nonnull(out.client_id);
	check_text(out.client_id);
	check_text(out.auth_method);
	check_text(secret_reveal(out.client_secret).data);
	g_assert_cmpint(out.secret_expires_at, >=, 0);
	g_assert_true(out.client_secret || out.secret_expires_at == 0);
	g_autofree char *request = registration_request(out.client_id, "none", out.auth_method);
	g_assert_true(json_validate(slice_of(request), NULL));
	registration_release(&out);
}

static void try_token(struct Slice json)
{
	struct TokenAnswer out;
	memset(&out, UNTOUCHED, sizeof(out));
	g_autoptr(GError) error = NULL;
	if (!token_answer_parse(json, &out, &error)) {
		check_refused(error, &out, sizeof(out));
		return;
	}
	g_assert_null(error);
	g_assert_nonnull(out.access_token);
	check_token(out.access_token);
	check_token(out.refresh_token);
	check_text(out.scope);
	check_text(out.account);
	g_assert_cmpint(out.expires_in, >=, -1);
	g_assert_cmpint(out.expires_in, <=, (gint64)10 * 365 * 24 * 3600);
	g_autofree char *challenge = pkce_challenge(out.access_token);
	g_assert_cmpuint(strlen(challenge), ==, 43);
	token_answer_release(&out);
}

static void try_error(struct Slice json)
{
	char *code = (char *)json.data;
	char *description = (char *)json.data;
	if (!oauth_error_parse(json, &code, &description)) {
		g_assert_true(code == json.data && description == json.data);
		return;
	}
	g_assert_nonnull(code);
	check_text(code);
	check_bounded(description, 1024 + strlen("…"));
	g_free(code);
	g_free(description);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *copy = g_memdup2(data, size);
	struct Slice json = {copy, size};
	try_resource(json);
	try_server(json);
	try_registration(json);
	try_token(json);
	try_error(json);
	return 0;
}
