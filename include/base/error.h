/* The one error domain. Lower layers return these; `mux/answer` alone maps the codes to what the
 * IDE sees, and `cli/` to exit statuses. */
#ifndef MCP_MUX_BASE_ERROR_H
#define MCP_MUX_BASE_ERROR_H

#include <glib.h>

#define MUX_ERROR (mux_error_quark())
GQuark mux_error_quark(void);

enum MuxError {
	MUX_ERROR_FAILED, /* anything that has no code of its own */
	MUX_ERROR_CONFIG, /* a configuration file is at fault; the message begins FILE:LINE: */
	MUX_ERROR_USAGE, /* the command line is at fault */
	MUX_ERROR_SYNTAX, /* bytes that do not have the form they must have */
	MUX_ERROR_TOO_LARGE, /* a limit on size was reached */
	MUX_ERROR_IO, /* a file or descriptor failed */
	MUX_ERROR_UNREACHABLE, /* no connection: name, route, TLS, refused, proxy */
	MUX_ERROR_BROKEN, /* the connection ended before the answer was complete */
	MUX_ERROR_TIMEOUT, /* a deadline passed */
	MUX_ERROR_CANCELLED, /* the caller's own wish */
	MUX_ERROR_SIGN_IN, /* 401, or no credentials: a person must sign in */
	MUX_ERROR_FORBIDDEN, /* 403 */
	MUX_ERROR_BUSY, /* 429 or 503, perhaps with Retry-After in the message */
	MUX_ERROR_UPSTREAM, /* the upstream answered something that is no valid answer */
	MUX_ERROR_KEYRING, /* the keyring: no bus, no service, silent, or what it says itself */
	MUX_ERROR_LOCKED, /* the keyring is locked, or its prompt was dismissed */
	MUX_ERROR_SCOPE, /* 403 insufficient_scope: signed in, but not for this */
};

#endif
