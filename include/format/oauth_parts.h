/* How the documents of OAuth and the keyring's records are taken out of JSON: shared by oauth.c, oauth_metadata.c and
 * record.c, and by nothing else. */
#ifndef MCP_MUX_FORMAT_OAUTH_PARTS_H
#define MCP_MUX_FORMAT_OAUTH_PARTS_H

#include "base/secret.h"
#include "format/json.h"

enum {
	OAUTH_TEXT_BYTES = 8 * 1024,
	OAUTH_TOKEN_BYTES = 256 * 1024,
	OAUTH_LIST_BYTES = 32 * 1024, /* all texts of one array together */
};

/* The same for the document in JSON, which people know as WHAT. MUX_ERROR_UPSTREAM if it is no JSON object, or holds
 * one of the members twice. */
bool oauth_read_document(struct Slice json, const char *what, const char *const *keys, unsigned n,
	struct JsonValue *values, GError **error);

/* VALUE's text if it is a string that is not empty, no longer than MAX_BYTES, and without control characters (C0,
 * DEL, C1); else NULL. For g_free. */
char *oauth_text(struct JsonValue value, size_t max_bytes);

enum OauthForm {
	OAUTH_FORM_TOKEN, /* can stand in a header: visible ASCII, and spaces between */
	OAUTH_FORM_TEXT, /* no control characters */
	OAUTH_FORM_ANY, /* a key in PEM has lines */
};

/* *OUT gets VALUE's text as a secret, or stays as it was where VALUE is no string or an empty one. False if it is
 * longer than MAX_BYTES or has not that FORM. Copies made on the way are wiped. */
bool oauth_secret(
	struct JsonValue value, enum OauthForm form, size_t max_bytes, struct Secret **out);

#endif
