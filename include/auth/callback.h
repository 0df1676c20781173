/* What an authorization server sends back through the person's browser (RFC 6749, 4.1.2 and 4.1.2.1; RFC 9207, 2.4;
 * MCP 2026-07-28, "Authorization Response Validation"). */
#ifndef MCP_MUX_AUTH_CALLBACK_H
#define MCP_MUX_AUTH_CALLBACK_H

#include "base/secret.h"

struct CallbackExpected {
	const struct Secret *state;
	const char *issuer; /* as recorded from metadata that was validated */
	bool iss_required; /* authorization_response_iss_parameter_supported */
};

enum CallbackKind {
	CALLBACK_FOREIGN, /* wrong or missing state, or neither code nor error: it decides nothing */
	CALLBACK_INVALID, /* of this sign-in, and must not be acted on: wrong or missing iss, parameters repeated */
	CALLBACK_REFUSAL, /* an error */
	CALLBACK_CODE,
};

/* Judges QUERY (raw, without "?"): first its state, in a time that does not depend on where it differs; then its iss,
 * compared byte by byte; then the rest. *CODE is set for CALLBACK_CODE alone. Otherwise ERROR is set: MUX_ERROR_USAGE,
 * MUX_ERROR_UPSTREAM or MUX_ERROR_SIGN_IN, in the order above; nothing of the query stands in its message but the
 * harmless words of a refusal, and for that *REFUSED gets the error code, for g_free. */
enum CallbackKind callback_check(struct Slice query, const struct CallbackExpected *expected,
	struct Secret **code, char **refused, GError **error);

#endif
