/* One table of all names, and a queue for each upstream in the order in which it gave them. */
#include "mux/owners.h"

#include <string.h>

/* What one upstream named. */
struct Share {
	GQueue order; /* struct Owner, that which was named last at the end */
	size_t bytes; /* of their names */
};

struct Owner {
	char *name;
	struct Upstream *up; /* NULL: it is gone */
	struct Share *share; /* of UP */
	GList link; /* in its order */
};

struct Owners {
	unsigned max;
	size_t max_bytes;
	GHashTable *by_name; /* char *name -> struct Owner */
	GHashTable *shares; /* struct Upstream * -> struct Share */
};

static void owner_free(gpointer data)
{
	struct Owner *owner = data;
	g_free(owner->name);
	g_free(owner);
}

struct Owners *owners_new(unsigned max, size_t max_bytes)
{
	struct Owners *owners = g_new0(struct Owners, 1);
	owners->max = max;
	owners->max_bytes = max_bytes;
	owners->by_name = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, owner_free);
	owners->shares = g_hash_table_new_full(NULL, NULL, NULL, g_free);
	return owners;
}

void owners_free(struct Owners *owners)
{
	if (!owners)
		return;
	g_hash_table_unref(owners->by_name);
	g_hash_table_unref(owners->shares);
	g_free(owners);
}

static struct Share *share_of(struct Owners *owners, struct Upstream *up)
{
	struct Share *share = g_hash_table_lookup(owners->shares, up);
	if (!share) {
		share = g_new0(struct Share, 1);
		g_queue_init(&share->order);
		g_hash_table_insert(owners->shares, up, share);
	}
	return share;
}

static void forget(struct Owners *owners, struct Owner *owner)
{
	g_queue_unlink(&owner->share->order, &owner->link);
	owner->share->bytes -= strlen(owner->name);
	g_hash_table_remove(owners->by_name, owner->name);
}

void owners_set(struct Owners *owners, const char *name, struct Upstream *up)
{
	size_t len = strlen(name);
	if (len > OWNERS_NAME_MAX)
		return;
	struct Owner *known = g_hash_table_lookup(owners->by_name, name);
	if (known)
		forget(owners, known);
	struct Share *share = share_of(owners, up);
	while (share->order.length >= owners->max || share->bytes + len > owners->max_bytes)
		forget(owners, share->order.head->data);
	struct Owner *owner = g_new0(struct Owner, 1);
	owner->name = g_strdup(name);
	owner->up = up;
	owner->share = share;
	owner->link.data = owner;
	g_queue_push_tail_link(&share->order, &owner->link);
	share->bytes += len;
	g_hash_table_insert(owners->by_name, owner->name, owner);
}

void owners_give(struct Owners *owners, struct Upstream *from, struct Upstream *to)
{
	struct Share *share = g_hash_table_lookup(owners->shares, from);
	while (share && share->order.head) {
		const struct Owner *owner = share->order.head->data;
		g_autofree char *name = g_strdup(owner->name);
		owners_set(owners, name, to);
	}
	g_hash_table_remove(owners->shares, from);
}

bool owners_is_nobodys(const struct Owners *owners, const char *name)
{
	const struct Owner *owner = g_hash_table_lookup(owners->by_name, name);
	return owner && !owner->up;
}

struct Upstream *owners_get(const struct Owners *owners, const char *name)
{
	const struct Owner *owner = g_hash_table_lookup(owners->by_name, name);
	return owner ? owner->up : NULL;
}
