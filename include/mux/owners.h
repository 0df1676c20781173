/* Which upstream something belongs to that was named in passing: resources in results, tasks. Bounded for each upstream
 * by itself, so that none can make us forget what others named: beyond the limits its oldest is forgotten. */
#ifndef MCP_MUX_MUX_OWNERS_H
#define MCP_MUX_MUX_OWNERS_H

#include "upstream/upstream.h"

struct Owners;

enum { OWNERS_NAME_MAX = 8 * 1024 }; /* bytes; longer names are not remembered */

/* Of at most MAX names of each upstream (1 or more) that have MAX_BYTES together, which is OWNERS_NAME_MAX or more. */
struct Owners *owners_new(unsigned max, size_t max_bytes);
void owners_free(struct Owners *owners); /* NULL is fine */
/* NAME is UP's from now on, whoever it belonged to before, and the youngest of its names. UP outlives OWNERS, or gives its
 * names away before. */
void owners_set(struct Owners *owners, const char *name, struct Upstream *up);
/* All names of FROM are TO's from now on, in their order; TO NULL: they are nobody's, which is remembered within the limits
 * of one upstream. FROM is not referred to any more. */
void owners_give(struct Owners *owners, struct Upstream *from, struct Upstream *to);
/* NULL where it is not known, or nobody's. */
struct Upstream *owners_get(const struct Owners *owners, const char *name);
/* Whether NAME belonged to an upstream that is gone, and to no other since. */
bool owners_is_nobodys(const struct Owners *owners, const char *name);

#endif
