/* Registrations, token answers and errors. Bodies of these hold secrets: the caller wipes its own, and what is decoded
 * here lies in memory that does not grow, so that there is no copy that would not be wiped. */
#include "format/oauth.h"

#include "base/base64url.h"
#include "base/error.h"
#include "base/text.h"
#include "format/json_writer.h"
#include "format/oauth_parts.h"

#include <openssl/evp.h>

enum { DESCRIPTION_BYTES = 1024 };
static const int64_t LONGEST_LIFE = (int64_t)10 * 365 * 24 * 3600; /* seconds */

/* --- registrations --- */

static bool read_registration(
	const struct JsonValue *values, struct Registration *read, GError **error)
{
	read->client_id = oauth_text(values[0], OAUTH_TEXT_BYTES);
	if (!read->client_id) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the registration's answer has no client_id");
		return false;
	}
	if (!oauth_secret(values[1], OAUTH_FORM_TEXT, OAUTH_TEXT_BYTES, &read->client_secret)) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"client_secret of the registration's answer is too long or holds "
			"control characters");
		return false;
	}
	read->auth_method = oauth_text(values[2], OAUTH_TEXT_BYTES);
	int64_t expires_at = 0;
	if (read->client_secret && json_int64(values[3], &expires_at))
		read->secret_expires_at = MAX(expires_at, 0);
	return true;
}

bool registration_parse(struct Slice json, struct Registration *out, GError **error)
{
	static const char *const members[] = {"client_id", "client_secret",
		"token_endpoint_auth_method", "client_secret_expires_at"};
	struct JsonValue values[G_N_ELEMENTS(members)];
	if (!oauth_read_document(json, "the registration's answer", members, G_N_ELEMENTS(members),
		    values, error))
		return false;
	struct Registration read = {0};
	if (!read_registration(values, &read, error)) {
		registration_release(&read);
		return false;
	}
	*out = read;
	return true;
}

void registration_release(struct Registration *registration)
{
	g_free(registration->client_id);
	secret_unref(registration->client_secret);
	g_free(registration->auth_method);
	*registration = (struct Registration){0};
}

static void write_list(struct JsonWriter *w, const char *key, const char *one, const char *other)
{
	json_key(w, key);
	json_begin_array(w);
	json_cstring(w, one);
	if (other)
		json_cstring(w, other);
	json_end_array(w);
}

char *registration_request(const char *redirect_uri, const char *auth_method, const char *scope)
{
	struct JsonWriter w;
	json_writer_init(&w, g_string_new(NULL));
	json_begin_object(&w);
	json_member_string(&w, "client_name", "mcp-mux");
	json_member_string(&w, "application_type", "native");
	write_list(&w, "redirect_uris", redirect_uri, NULL);
	write_list(&w, "grant_types", "authorization_code", "refresh_token");
	write_list(&w, "response_types", "code", NULL);
	json_member_string(&w, "token_endpoint_auth_method", auth_method);
	if (scope)
		json_member_string(&w, "scope", scope);
	json_end_object(&w);
	return g_string_free(w.out, FALSE);
}

/* --- token answers --- */

enum {
	ACCESS_TOKEN,
	REFRESH_TOKEN,
	TOKEN_TYPE,
	EXPIRES_IN,
	SCOPE,
	ID_TOKEN,
	WORKSPACE_NAME,
	TOKEN_MEMBERS
};
static const char *const token_members[TOKEN_MEMBERS] = {
	[ACCESS_TOKEN] = "access_token",
	[REFRESH_TOKEN] = "refresh_token",
	[TOKEN_TYPE] = "token_type",
	[EXPIRES_IN] = "expires_in",
	[SCOPE] = "scope",
	[ID_TOKEN] = "id_token",
	[WORKSPACE_NAME] = "workspace_name",
};

static bool is_digits(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

/* Seconds from a number of any kind, or from digits in a text. */
static int64_t read_seconds(struct JsonValue value)
{
	g_autofree char *text = value.type == JSON_NUMBER ? slice_dup(value.raw)
							  : oauth_text(value, OAUTH_TEXT_BYTES);
	if (!text || (value.type == JSON_STRING && !is_digits(text)))
		return -1;
	double seconds = g_ascii_strtod(text, NULL);
	if (seconds < 0)
		return -1;
	return seconds < (double)LONGEST_LIFE ? (int64_t)seconds : LONGEST_LIFE;
}

/* The name for people in the CLAIMS of an id_token. */
static char *claimed_account(struct Slice claims)
{
	static const char *const names[] = {"email", "preferred_username", "name", "sub"};
	struct JsonValue values[G_N_ELEMENTS(names)];
	if (!json_validate(claims, NULL) || json_root(claims).type != JSON_OBJECT ||
		json_find_members(claims, names, G_N_ELEMENTS(names), values))
		return NULL;
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		char *name = oauth_text(values[i], OAUTH_TEXT_BYTES);
		if (name)
			return name;
	}
	return NULL;
}

/* The same in an id_token (RFC 7519, 3: header, claims and signature with dots between). */
static char *signed_account(struct Slice token)
{
	const char *end = token.data + token.len;
	const char *claims = memchr(token.data, '.', token.len);
	const char *signature = claims ? memchr(claims + 1, '.', (size_t)(end - claims - 1)) : NULL;
	if (!signature)
		return NULL;
	size_t len = 0;
	char *decoded = base64url_decode(slice_between(claims + 1, signature), &len);
	if (!decoded)
		return NULL;
	char *account = claimed_account((struct Slice){decoded, len});
	secret_wipe(decoded, len);
	g_free(decoded);
	return account;
}

static char *read_account(const struct JsonValue *values)
{
	g_autoptr(Secret) token = NULL;
	char *account = NULL;
	if (oauth_secret(values[ID_TOKEN], OAUTH_FORM_TOKEN, OAUTH_TOKEN_BYTES, &token) && token)
		account = signed_account(secret_reveal(token));
	return account ? account : oauth_text(values[WORKSPACE_NAME], OAUTH_TEXT_BYTES);
}

static bool read_token(
	const struct JsonValue *values, unsigned member, struct Secret **out, GError **error)
{
	if (oauth_secret(values[member], OAUTH_FORM_TOKEN, OAUTH_TOKEN_BYTES, out))
		return true;
	g_set_error(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
		"%s of the token answer is too long or holds characters that no token may have",
		token_members[member]);
	return false;
}

static bool check_token_type(struct JsonValue value, GError **error)
{
	if (value.type != JSON_STRING || slice_is(value.raw, "\"\""))
		return true;
	g_autofree char *type = oauth_text(value, OAUTH_TEXT_BYTES);
	if (type && g_ascii_strcasecmp(type, "Bearer") == 0)
		return true;
	g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
		"token_type of the token answer is not Bearer");
	return false;
}

static bool read_token_answer(
	const struct JsonValue *values, struct TokenAnswer *read, GError **error)
{
	if (!read_token(values, ACCESS_TOKEN, &read->access_token, error))
		return false;
	if (!read->access_token) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"the token answer has no access_token");
		return false;
	}
	if (!read_token(values, REFRESH_TOKEN, &read->refresh_token, error) ||
		!check_token_type(values[TOKEN_TYPE], error))
		return false;
	read->expires_in = read_seconds(values[EXPIRES_IN]);
	read->scope = oauth_text(values[SCOPE], OAUTH_TEXT_BYTES);
	read->account = read_account(values);
	return true;
}

bool token_answer_parse(struct Slice json, struct TokenAnswer *out, GError **error)
{
	struct JsonValue values[TOKEN_MEMBERS];
	if (!oauth_read_document(
		    json, "the token answer", token_members, TOKEN_MEMBERS, values, error))
		return false;
	struct TokenAnswer read = {0};
	if (!read_token_answer(values, &read, error)) {
		token_answer_release(&read);
		return false;
	}
	*out = read;
	return true;
}

void token_answer_release(struct TokenAnswer *answer)
{
	secret_unref(answer->access_token);
	secret_unref(answer->refresh_token);
	g_free(answer->scope);
	g_free(answer->account);
	*answer = (struct TokenAnswer){0};
}

/* --- errors --- */

/* A description may have lines, which are made harmless instead of losing it. */
static char *read_description(struct JsonValue value)
{
	g_autofree char *text = json_string_dup(value);
	return text && *text ? text_printable(slice_of(text), DESCRIPTION_BYTES) : NULL;
}

bool oauth_error_parse(struct Slice json, char **code, char **description)
{
	static const char *const members[] = {"error", "error_description"};
	struct JsonValue values[G_N_ELEMENTS(members)];
	if (!oauth_read_document(json, "", members, G_N_ELEMENTS(members), values, NULL))
		return false;
	char *text = oauth_text(values[0], OAUTH_TEXT_BYTES);
	if (!text)
		return false;
	*code = text;
	*description = read_description(values[1]);
	return true;
}

/* --- PKCE --- */

char *pkce_challenge(const struct Secret *verifier)
{
	struct Slice text = secret_reveal(verifier);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool digested = EVP_Digest(text.data, text.len, digest, &len, EVP_sha256(), NULL) == 1;
	g_assert(digested);
	return base64url_encode(digest, len);
}
