/* What the keyring holds, as JSON: a sign-in's tokens, or a client's registration.
 * Members of the record that this version does not know are kept when it is written again; a newer `v` is not read.
 *
 * What is read has no control characters, and tokens that can stand in a header; what is to be written must be so
 * too, or nobody could read it again. A client's secret may be any text. NULL, 0 and "" are all "nothing to say". */
#ifndef MCP_MUX_FORMAT_RECORD_H
#define MCP_MUX_FORMAT_RECORD_H

#include "base/secret.h"

#include <stdint.h>

/* A sign-in. Strings are NULL where there is nothing to say. */
struct TokenRecord {
	char *grant; /* random, made at the sign-in, kept by refreshes */
	char *issuer;
	char *client_id;
	char *auth_method; /* at the token endpoint: none, client_secret_basic, client_secret_post, private_key_jwt */
	char *redirect_uri;
	char *authorization_endpoint; /* in the member `endpoints` */
	char *token_endpoint;
	char *revocation_endpoint;
	char *resource; /* the `resource` parameter; NULL: not sent */
	char *scope_granted;
	char *scope_wanted; /* the union of all that was asked for */
	struct Secret *access_token; /* or the API key */
	struct Secret *refresh_token;
	int64_t expires_at; /* Unix seconds; 0: not known */
	int64_t issued_at; /* when the access token came; 0: not known */
	char *account;
	char *unknown; /* raw members of other versions, "" or `"x":1,"y":2` */
};
struct TokenRecord *token_record_new(void);
struct TokenRecord *token_record_copy(const struct TokenRecord *record);
void token_record_free(struct TokenRecord *record); /* NULL is fine */
MUX_AUTOPTR(TokenRecord, token_record_free)
/* NULL with MUX_ERROR_SYNTAX: no record (a member of a wrong type or that comes twice means that, too), without an
 * access_token, or of a newer version (the message says which; it holds nothing secret). */
struct TokenRecord *token_record_parse(struct Slice json, GError **error);
struct Secret *token_record_write(const struct TokenRecord *record);

/* A client of an issuer: registered by us, or given by a person. */
struct ClientRecord {
	char *client_id;
	struct Secret *client_secret; /* or a private key in PEM; NULL: none */
	char *auth_method; /* NULL: not known */
	char *redirect_uri; /* of a registration of ours; NULL: given by a person */
	int64_t secret_expires_at; /* Unix seconds; 0: never */
	char *unknown;
};
struct ClientRecord *client_record_new(void);
struct ClientRecord *client_record_copy(const struct ClientRecord *record);
void client_record_free(struct ClientRecord *record); /* NULL is fine */
MUX_AUTOPTR(ClientRecord, client_record_free)
struct ClientRecord *client_record_parse(struct Slice json, GError **error); /* needs a client_id */
struct Secret *client_record_write(const struct ClientRecord *record);

#endif
