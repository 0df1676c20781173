/* The loopback listener that a browser comes back to after a sign-in (RFC 8252, 7.3), on libmicrohttpd inside
 * the loop: no thread, no descriptor of it is inherited by children. Bound to 127.0.0.1 alone. */
#ifndef MCP_MUX_NET_LISTENER_H
#define MCP_MUX_NET_LISTENER_H

#include "base/cleanup.h"
#include "base/slice.h"
#include "net/loop.h"

struct Listener;
struct ListenerVisit; /* one GET of the path that waits for its page */

/* A browser is there: QUERY is what followed the "?" ("" if nothing), raw, valid inside the handler. VISIT stays
 * until listener_answer, be it in the handler or later, or until the listener is freed. Visits after the first come
 * here too; so does HEAD to nobody (it is answered 405). */
typedef void ListenerHandler(
	struct Listener *listener, struct ListenerVisit *visit, struct Slice query, void *user);

/* Listens for PATH ("/callback") on PORT (0: any free one) of 127.0.0.1, whatever HOST ("127.0.0.1" or "localhost") the
 * redirect URI is to say. Other paths get a 404 page, other methods 405, a Host header that is not ours 400 (DNS
 * rebinding), heads over 32 KiB 431, a body 413; at most 16 connections at once, further ones wait, and each is closed
 * after 30 s in which nothing is read or written unless its visit waits. NULL with MUX_ERROR_IO if the port is
 * taken; the message says which. */
struct Listener *listener_new(struct Loop *loop, const char *host, unsigned port, const char *path,
	ListenerHandler *handler, void *user, GError **error);
/* Closes everything; visits that wait get nothing. Not inside the handler. NULL is fine. */
void listener_free(struct Listener *listener);
MUX_AUTOPTR(Listener, listener_free)

unsigned listener_port(const struct Listener *listener);
/* http://HOST:PORT/PATH */
const char *listener_uri(const struct Listener *listener);

/* The page for a visit (UTF-8 HTML, copied), with the headers that keep it to itself: no-store, no-referrer,
 * nosniff, a Content-Security-Policy without scripts, Connection: close. */
void listener_answer(struct ListenerVisit *visit, unsigned status, const char *html);
/* Whether pages that were answered are still on their way to a browser. */
bool listener_is_busy(const struct Listener *listener);
/* Calls DELIVERED once, from the loop and never before this returned, as soon as the listener is not busy; a second
 * call replaces the first. The listener may be freed inside. */
void listener_when_delivered(struct Listener *listener, void (*delivered)(void *user), void *user);

#endif
