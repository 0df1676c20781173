/* The sign-ins that are made from a session with an IDE, shared by asking.c (their course) and telling.c (their
 * words). */
#ifndef MCP_MUX_MUX_ASKING_H
#define MCP_MUX_MUX_ASKING_H

#include "auth/sign_in.h"
#include "mux/internal.h"

/* One for each upstream that a request ever wanted a sign-in for, until the upstream leaves. */
struct Asking {
	struct Router *router;
	struct Upstream *up;
	struct SignIn *flow; /* NULL: none is under way, and nobody is in `waiting` */
	unsigned number; /* of it, or of the last one, among all of the router; 0: there was none */
	struct SignIn
		*leaving; /* one whose person is signed in already and may still wait for a page */
	struct LoopTimer page;
	char *grant; /* of the upstream before; NULL: none */
	bool was_open; /* the upstream was, so more is wanted than any good token */
	bool adopted; /* the upstream opens, or has opened, with the new sign-in */
	GError *failed; /* why the last sign-in did not succeed; NULL: it did, or goes on */
	GQueue waiting; /* struct Request that wait for the person */
	GQueue opening; /* struct Request that wait for the upstream after it */
	struct LoopTimer tell;

	/* What the person knows: telling.c */
	bool agreed; /* they may be in the browser */
	bool browser; /* it was opened by us */
	bool asked; /* those who wait were, by elicitation/create */
	char *question; /* the id of that request while the IDE has not answered it */
	char *elicitation; /* elicitationId; NULL: the IDE was never asked */
};

/* Whether the IDE can be asked to open a URL for REQUEST, and the configuration says so. */
bool telling_can_elicit(const struct Request *request);
/* Tells the person of the sign-in, whose URL is known, in the way that fits REQUEST; REQUEST may end by that. */
void telling_request(struct Asking *asking, struct Request *request);
/* The next who wait are asked anew; a question that is still open is taken back. */
void telling_withdraw(struct Asking *asking);
/* The sign-in is over. */
void telling_over(struct Asking *asking, bool completed);

/* Each ends REQUEST with isError, and its call. */
void telling_end(struct Request *request, const char *text);
void telling_end_declined(struct Asking *asking, struct Request *request);
void telling_end_failed(struct Asking *asking, struct Request *request);
void telling_end_with_url(struct Asking *asking, struct Request *request);
void telling_end_unfinished(struct Asking *asking, struct Request *request);
void telling_end_unopened(struct Asking *asking, struct Request *request);

/* The name of the question in inputRequests. */
#define TELLING_KEY "sign_in"

#endif
