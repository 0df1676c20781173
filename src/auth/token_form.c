/* Text with secrets in it is put together in buffers that are large enough from the start, since one that grows leaves
 * its old bytes in freed memory. */
#include "auth/token_form.h"

#include "base/error.h"
#include "format/form.h"
#include "format/jws.h"

/* Percent-encoding makes three bytes of one at most. */
enum { ENCODED = 3 };

void token_form_release(struct TokenForm *form)
{
	secret_unref(form->assertion);
	http_headers_unref(form->headers);
}

static void add(struct TokenForm *form, const char *name, struct Slice value)
{
	g_assert(form->n < TOKEN_FORM_PARAMETERS);
	form->parameters[form->n].name = name;
	form->parameters[form->n].value = value;
	form->n++;
}

void token_form_add(struct TokenForm *form, const char *name, const char *value)
{
	if (value)
		add(form, name, slice_of(value));
}

void token_form_add_secret(struct TokenForm *form, const char *name, const struct Secret *value)
{
	if (value)
		add(form, name, secret_reveal(value));
}

struct Secret *token_form_body(const struct TokenForm *form)
{
	size_t room = 1;
	for (unsigned i = 0; i < form->n; i++)
		room += strlen(form->parameters[i].name) + 2 +
			ENCODED * form->parameters[i].value.len;
	GString *text = g_string_sized_new(room);
	for (unsigned i = 0; i < form->n; i++)
		form_append_slice(text, form->parameters[i].name, form->parameters[i].value);
	struct Secret *body = secret_new((struct Slice){text->str, text->len});
	secret_free_string(text);
	return body;
}

/* RFC 6749, 2.3.1: both are encoded as in a form before they are joined. */
static bool add_basic(struct TokenForm *form, const struct GrantSpec *spec, GError **error)
{
	struct Slice id = slice_of(spec->client_id);
	struct Slice secret = secret_reveal(spec->client_secret);
	GString *pair = g_string_sized_new(ENCODED * (id.len + secret.len) + 2);
	form_encode(pair, id);
	g_string_append_c(pair, ':');
	form_encode(pair, secret);
	char *encoded = g_base64_encode((const guchar *)pair->str, pair->len);
	char *value = g_strconcat("Basic ", encoded, NULL);
	form->headers = http_headers_new();
	bool ok = http_headers_add(form->headers, "Authorization", value, error);
	secret_free_text(value);
	secret_free_text(encoded);
	secret_free_string(pair);
	return ok;
}

static bool add_assertion(struct TokenForm *form, const struct GrantSpec *spec, GError **error)
{
	const char *audience = spec->issuer ? spec->issuer : spec->endpoint;
	int64_t now = auth_now();
	form->assertion =
		jws_client_assertion(spec->client_secret, spec->client_id, audience, now, error);
	if (!form->assertion)
		return false;
	/* RFC 7521, 4.2 has no need of the client_id, some servers do. */
	token_form_add(form, "client_id", spec->client_id);
	token_form_add(form, "client_assertion_type",
		"urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	token_form_add_secret(form, "client_assertion", form->assertion);
	return true;
}

bool token_form_authenticate(struct TokenForm *form, const struct GrantSpec *spec, GError **error)
{
	const char *method = spec->client_secret && spec->auth_method ? spec->auth_method : "none";
	if (strcmp(method, "client_secret_basic") == 0)
		return add_basic(form, spec, error);
	if (strcmp(method, "private_key_jwt") == 0)
		return add_assertion(form, spec, error);
	bool post = strcmp(method, "client_secret_post") == 0;
	if (!post && strcmp(method, "none") != 0) {
		g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX,
			"the client is to authenticate itself by %.40s, which is not supported",
			method);
		return false;
	}
	token_form_add(form, "client_id", spec->client_id);
	if (post)
		token_form_add_secret(form, "client_secret", spec->client_secret);
	return true;
}
