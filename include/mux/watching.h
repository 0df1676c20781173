/* Resources that are watched for the IDE, shared by listen.c (a modern IDE's subscriptions, lists that changed) and
 * watching.c (updates of resources, a legacy IDE's subscriptions). */
#ifndef MCP_MUX_MUX_WATCHING_H
#define MCP_MUX_MUX_WATCHING_H

#include "mux/internal.h"

enum { WATCHES_MAX = 1000 }; /* of one subscription, or of a legacy IDE */

/* A resource that is watched for the IDE. */
struct Watch {
	struct Listens *listens;
	char *uri;
	struct Upstream
		*up; /* NULL: which one serves it is not known yet, or any more, or the watch has
		     * ended by itself */
	bool agreed;
	bool missed; /* it was updated when that could not be told */
	struct Listen *listen; /* modern: whose it is */
	GQueue waiting; /* legacy: struct Request of resources/subscribe that are not answered */
};

/* A subscription of a modern IDE. */
struct Listen {
	GList link; /* in listens->all */
	struct Request *request;
	unsigned
		kinds; /* 1u << enum McpList, that it opted in for; resources stand for their templates */
	unsigned missed; /* the same: that changed before it was acknowledged */
	GPtrArray *watches; /* struct Watch */
	struct LoopTimer limit;
	bool acknowledged;
};

struct Listens {
	struct Router *router;
	GQueue all; /* struct Listen */
	GHashTable *subscribed; /* legacy: char *uri -> struct Watch */
	unsigned given; /* 1u << enum McpList: lists that the IDE has seen */
	unsigned changed; /* the same: to be announced */
	struct LoopTimer announce;
};

struct Watch *watch_new(struct Listens *listens, const char *uri);
void watch_free(void *watch);

/* Tells of what could not be told before, as far as LISTEN (NULL: the legacy IDE) may be told now. */
void watching_catch_up(struct Listens *listens, struct Listen *listen);
/* Subscriptions of the legacy IDE that cannot be made now: their servers are signed out or have failed. Those that lost
 * their server begin at another one that has the resource now, or end. */
void watching_settle(struct Listens *listens);
/* REQUEST (resources/subscribe) is about to end without an answer. */
void watching_cancelled(struct Listens *listens, struct Request *request);

#endif
