/* Opens the person's browser: $BROWSER (a command line that gets the URL as its last argument), else xdg-open. */
#ifndef MCP_MUX_AUTH_BROWSER_H
#define MCP_MUX_AUTH_BROWSER_H

#include <glib.h>
#include <stdbool.h>

/* Whether there is a point in trying: BROWSER is set, or DISPLAY or WAYLAND_DISPLAY is and xdg-open exists. */
bool browser_is_there(void);
/* Starts it, with stdin, stdout and stderr on /dev/null (stdout carries MCP), in a session of its own, and does not
 * wait; it is reaped by the loop. URL must be url_is_http. MUX_ERROR_FAILED if it cannot be started. */
bool browser_open(const char *url, GError **error);

#endif
