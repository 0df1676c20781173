/* The form that goes to a token or revocation endpoint, with the client's authentication (RFC 6749, 2.3; OAuth 2.1,
 * 2.4; RFC 7523, 2.2). For grant.c alone. */
#ifndef MCP_MUX_AUTH_TOKEN_FORM_H
#define MCP_MUX_AUTH_TOKEN_FORM_H

#include "auth/grant.h"

enum { TOKEN_FORM_PARAMETERS = 12 };

/* Borrows what it is given until token_form_body. Zeroed at first. */
struct TokenForm {
	struct {
		const char *name;
		struct Slice value;
	} parameters[TOKEN_FORM_PARAMETERS];
	unsigned n;
	struct Secret *assertion; /* of private_key_jwt */
	struct HttpHeaders *headers; /* NULL: none are wanted */
};
void token_form_release(struct TokenForm *form);

/* NULL adds nothing. */
void token_form_add(struct TokenForm *form, const char *name, const char *value);
void token_form_add_secret(struct TokenForm *form, const char *name, const struct Secret *value);

/* Adds what SPEC's auth_method wants to the parameters or the headers; a client without a secret is only named.
 * MUX_ERROR_SYNTAX if its key cannot sign, or the method is unknown. */
bool token_form_authenticate(struct TokenForm *form, const struct GrantSpec *spec, GError **error);

/* The encoded body. No copy of it is left behind. */
struct Secret *token_form_body(const struct TokenForm *form);

#endif
