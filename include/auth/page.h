/* The page on which a person lands after a sign-in: one self-contained HTML page without scripts, in the connector's
 * name, that says what happened and what to do next. */
#ifndef MCP_MUX_AUTH_PAGE_H
#define MCP_MUX_AUTH_PAGE_H

#include <glib.h>

enum PageKind {
	PAGE_CONNECTED, /* DETAIL: the account, or NULL */
	PAGE_REFUSED, /* the server or the person said no; DETAIL: its words */
	PAGE_FAILED, /* something went wrong on our side or in the exchange; DETAIL: the error */
	PAGE_NOT_OURS, /* wrong or missing state: nothing was changed */
	PAGE_OVER, /* this sign-in was decided already */
};

/* TITLE is the connector's title; both texts are a peer's or the configuration's: control characters are made
 * harmless, HTML is escaped, at most 300 characters of DETAIL are shown. For g_free. */
char *page_html(enum PageKind kind, const char *title, const char *detail);

#endif
