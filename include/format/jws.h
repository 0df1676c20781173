/* Signed assertions (RFC 7515, RFC 7523): private_key_jwt of a client. Signatures by libcrypto. */
#ifndef MCP_MUX_FORMAT_JWS_H
#define MCP_MUX_FORMAT_JWS_H

#include "base/secret.h"

#include <stdint.h>

/* Whether TEXT looks like a private key in PEM (as against a client secret). */
bool jws_is_private_key(struct Slice text);

/* A client assertion (RFC 7523, 3): header {alg,typ}, claims iss and sub CLIENT_ID, aud AUDIENCE, jti random, iat
 * NOW (Unix seconds), exp five minutes later; signed with the PEM in KEY: RS256 for RSA keys of 2048 bits and more,
 * ES256, ES384 or ES512 by an EC key's curve, EdDSA for Ed25519. NULL with MUX_ERROR_SYNTAX if KEY cannot be read,
 * is encrypted, or is of no such kind; the message does not show it. */
struct Secret *jws_client_assertion(const struct Secret *key, const char *client_id,
	const char *audience, int64_t now, GError **error);

#endif
