/* One request to a token or revocation endpoint and what its answer means.
 *
 * Nothing in an answer is trusted: tokens go into secrets at once, words of the server are made harmless, and what the
 * request carried is taken out of them. A request that cannot be made (a key that cannot sign) is told from the loop,
 * as if the server had answered. */
#include "auth/grant.h"

#include "auth/refusal.h"
#include "auth/token_form.h"
#include "base/error.h"
#include "format/json.h"
#include "format/json_writer.h"

enum { HIDDEN = 4 };

struct Grant {
	struct Fetch *fetch;
	bool is_port;
	char *who; /* the host, for messages */
	struct Secret *hidden[HIDDEN]; /* what the request carried */
	unsigned n_hidden;
	struct LoopTimer soon; /* tells FAULT */
	GError *fault;
	GrantDone *done; /* of the two, one */
	RevokeDone *revoked;
	void *user;
	bool telling;
};

static void grant_free(struct Grant *grant)
{
	for (unsigned i = 0; i < grant->n_hidden; i++)
		secret_unref(grant->hidden[i]);
	g_clear_error(&grant->fault);
	g_free(grant->who);
	g_free(grant);
}

void grant_cancel(struct Grant *grant)
{
	if (!grant || grant->telling)
		return;
	loop_timer_stop(&grant->soon);
	fetch_cancel(grant->fetch);
	grant_free(grant);
}

/* The end. */
static void tell(
	struct Grant *grant, struct TokenAnswer *answer, const char *code, const GError *error)
{
	grant->telling = true;
	if (grant->revoked)
		grant->revoked(error, grant->user);
	else
		grant->done(answer, code, error, grant->user);
	grant_free(grant);
}

static void on_soon(void *user)
{
	struct Grant *grant = user;
	tell(grant, NULL, NULL, grant->fault);
}

static void hide(struct Grant *grant, struct Secret *secret)
{
	if (secret)
		grant->hidden[grant->n_hidden++] = secret_ref(secret);
}

/* ---- answers ---- */

static GError *refusal_error(const struct Grant *grant, const struct Refusal *refusal, int status)
{
	if (refusal->passing)
		return g_error_new(MUX_ERROR, MUX_ERROR_BUSY, "%s cannot answer now: %s",
			grant->who, refusal->words);
	if (status >= 300 && status < 400)
		return g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"%s answers with a redirect (HTTP %d), which is not followed", grant->who,
			status);
	/* RFC 7009, 2.2.1: it is about this kind of token, not about the client. */
	if (grant->revoked && g_strcmp0(refusal->code, "unsupported_token_type") == 0)
		return g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM,
			"%s does not revoke such tokens: %s", grant->who, refusal->words);
	if (refusal->code || status == 400 || status == 401)
		return g_error_new(
			MUX_ERROR, MUX_ERROR_SIGN_IN, "%s refuses: %s", grant->who, refusal->words);
	return g_error_new(MUX_ERROR, MUX_ERROR_UPSTREAM, "%s gives no answer but %s", grant->who,
		refusal->words);
}

static void tell_refusal(struct Grant *grant, const struct FetchResult *result)
{
	struct Refusal refusal;
	refusal_read(result, grant->hidden, grant->n_hidden, &refusal);
	g_autoptr(GError) error = refusal_error(grant, &refusal, result->status);
	tell(grant, NULL, refusal.code, error);
	refusal_release(&refusal);
}

/* Port's names in place of those of RFC 6749. The document was validated. */
static char *renamed(struct Slice body, size_t *len)
{
	static const char *const names[][2] = {{"accessToken", "access_token"},
		{"expiresIn", "expires_in"}, {"tokenType", "token_type"}};
	GString *text = g_string_sized_new(body.len + 64);
	struct JsonWriter w;
	json_writer_init(&w, text);
	json_begin_object(&w);
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		struct JsonValue value = json_get(body, names[i][0]);
		if (value.type != JSON_NONE)
			json_member_raw(&w, names[i][1], value.raw);
	}
	json_end_object(&w);
	*len = text->len;
	return g_string_free(text, FALSE);
}

static bool parse_port(struct Slice body, struct TokenAnswer *answer, GError **error)
{
	static const char *const names[] = {"accessToken", "expiresIn", "tokenType"};
	if (!json_validate(body, NULL) || json_get(body, "accessToken").type == JSON_NONE)
		return token_answer_parse(body, answer, error);
	if (json_has_duplicate(body, names, G_N_ELEMENTS(names))) {
		g_set_error_literal(error, MUX_ERROR, MUX_ERROR_UPSTREAM,
			"one of accessToken, expiresIn and tokenType is there twice");
		return false;
	}
	size_t len = 0;
	char *text = renamed(body, &len);
	bool ok = token_answer_parse((struct Slice){text, len}, answer, error);
	secret_free_text(text);
	return ok;
}

static void tell_answer(struct Grant *grant, struct Slice body)
{
	struct TokenAnswer answer = {.expires_in = -1};
	g_autoptr(GError) error = NULL;
	bool ok = grant->is_port ? parse_port(body, &answer, &error)
				 : token_answer_parse(body, &answer, &error);
	if (!ok) {
		g_prefix_error(&error, "%s gives no valid token: ", grant->who);
		tell(grant, NULL, NULL, error);
		return;
	}
	tell(grant, &answer, NULL, NULL);
	token_answer_release(&answer);
}

static void on_fetched(const struct FetchResult *result, void *user)
{
	struct Grant *grant = user;
	grant->fetch = NULL;
	bool success = result->status >= 200 && result->status < 300;
	if (result->error)
		tell(grant, NULL, NULL, result->error);
	else if (!success || (!grant->revoked && refusal_is_in(result->body)))
		tell_refusal(grant, result);
	else if (grant->revoked)
		tell(grant, NULL, NULL, NULL);
	else
		tell_answer(grant, result->body);
}

/* ---- requests ---- */

static struct Grant *grant_new(const struct GrantSpec *spec, void *user)
{
	struct Grant *grant = g_new0(struct Grant, 1);
	grant->who = refusal_who(spec->endpoint);
	grant->user = user;
	hide(grant, spec->client_secret);
	return grant;
}

static void post(struct Grant *grant, const struct AuthShared *shared, const char *url,
	const char *content_type, struct HttpHeaders *headers, struct Secret *body)
{
	struct FetchSpec spec = {
		.method = HTTP_POST,
		.url = url,
		.headers = headers,
		.content_type = content_type,
		.body = body,
		.once = true,
		.max_body = FETCH_TOKEN_BYTES,
	};
	grant->fetch = fetch_start(shared, &spec, on_fetched, grant);
}

/* Sends FORM, which is released, with the client's authentication. */
static void post_form(struct Grant *grant, const struct AuthShared *shared,
	const struct GrantSpec *spec, struct TokenForm *form)
{
	if (token_form_authenticate(form, spec, &grant->fault)) {
		g_autoptr(Secret) body = token_form_body(form);
		post(grant, shared, spec->endpoint, "application/x-www-form-urlencoded",
			form->headers, body);
	} else {
		loop_timer_start(shared->loop, &grant->soon, 0, on_soon, grant);
	}
	token_form_release(form);
}

static void post_grant(
	struct Grant *grant, const struct AuthShared *shared, const struct GrantSpec *spec)
{
	static const char *const types[] = {
		[GRANT_CODE] = "authorization_code",
		[GRANT_REFRESH] = "refresh_token",
		[GRANT_CLIENT_CREDENTIALS] = "client_credentials",
	};
	struct TokenForm form = {0};
	token_form_add(&form, "grant_type", types[spec->kind]);
	if (spec->kind == GRANT_CODE) {
		token_form_add_secret(&form, "code", spec->code);
		token_form_add(&form, "redirect_uri", spec->redirect_uri);
		token_form_add_secret(&form, "code_verifier", spec->verifier);
	} else if (spec->kind == GRANT_REFRESH) {
		token_form_add_secret(&form, "refresh_token", spec->refresh_token);
	}
	token_form_add(&form, "scope", spec->scope);
	token_form_add(&form, "resource", spec->resource);
	post_form(grant, shared, spec, &form);
}

static void post_port(
	struct Grant *grant, const struct AuthShared *shared, const struct GrantSpec *spec)
{
	struct Slice id = slice_of(spec->client_id);
	struct Slice secret = secret_reveal(spec->client_secret);
	/* Escaping makes six bytes of one at most; one that grows would leave its old bytes behind. */
	GString *text = g_string_sized_new(6 * (id.len + secret.len) + 64);
	struct JsonWriter w;
	json_writer_init(&w, text);
	json_begin_object(&w);
	json_key(&w, "clientId");
	json_string(&w, id);
	json_key(&w, "clientSecret");
	json_string(&w, secret);
	json_end_object(&w);
	g_autoptr(Secret) body = secret_new((struct Slice){text->str, text->len});
	secret_free_string(text);
	post(grant, shared, spec->endpoint, "application/json", NULL, body);
}

struct Grant *grant_start(
	const struct AuthShared *shared, const struct GrantSpec *spec, GrantDone *done, void *user)
{
	struct Grant *grant = grant_new(spec, user);
	grant->done = done;
	grant->is_port = spec->kind == GRANT_PORT;
	hide(grant, spec->code);
	hide(grant, spec->verifier);
	hide(grant, spec->refresh_token);
	if (grant->is_port)
		post_port(grant, shared, spec);
	else
		post_grant(grant, shared, spec);
	return grant;
}

struct Grant *revoke_start(const struct AuthShared *shared, const struct GrantSpec *spec,
	struct Secret *token, const char *hint, RevokeDone *done, void *user)
{
	struct Grant *grant = grant_new(spec, user);
	grant->revoked = done;
	hide(grant, token);
	struct TokenForm form = {0};
	token_form_add_secret(&form, "token", token);
	token_form_add(&form, "token_type_hint", hint);
	post_form(grant, shared, spec, &form);
	return grant;
}

/* ---- records ---- */

static void replace_secret(struct Secret **place, struct Secret **value)
{
	secret_unref(*place);
	*place = g_steal_pointer(value);
}

static void replace_text(char **place, char **value)
{
	if (!*value)
		return;
	g_free(*place);
	*place = g_steal_pointer(value);
}

void grant_update_record(struct TokenRecord *record, struct TokenAnswer *answer)
{
	int64_t now = auth_now();
	replace_secret(&record->access_token, &answer->access_token);
	if (answer->refresh_token)
		replace_secret(&record->refresh_token, &answer->refresh_token);
	record->issued_at = now;
	/* A token that is dead on arrival makes no sense: 0 is how some say that it does not end. */
	record->expires_at = answer->expires_in > 0 ? now + answer->expires_in : 0;
	replace_text(&record->scope_granted, &answer->scope);
	replace_text(&record->account, &answer->account);
}
