/* The text of a file of the list cache (upstream/list_cache.h): what a server listed, as it said it, under a digest, so that
 * a file that is not as it was written is found. Version 1:
 *
 *   {"v":1,"sha256":"HEX","content":{"key":…,"grant":…,"modern":…,"offers":…,"instructions":…,
 *    "tools":[…],"prompts":[…],"resourceTemplates":[…]}}
 *
 * The digest is that of content's bytes. Lists that are not known are left out, and so are missing instructions; lists of
 * resources have no place in it, since their titles are data. */
#ifndef MCP_MUX_FORMAT_LIST_RECORD_H
#define MCP_MUX_FORMAT_LIST_RECORD_H

#include "format/item.h"
#include "format/tool.h"

enum {
	LIST_RECORD_VERSION = 1,
	LIST_RECORD_BYTES_MAX = 4 << 20, /* of a file: what takes longer to read is not worth it */
	LIST_RECORD_INSTRUCTIONS_MAX = 64 * 1024, /* bytes */
	LIST_RECORD_DIGEST_BYTES = 65, /* hex digits and a NUL */
};

struct ListRecord {
	char *key; /* what it belongs to besides the account */
	char *grant; /* the sign-in that it was listed for; "" where none is needed */
	bool modern; /* the era in which the server was spoken to */
	unsigned offers; /* a set that the owner knows the meaning of */
	char *instructions; /* the server's; NULL: it has none */
	struct ToolList *tools; /* NULL: not known */
	struct ItemList *items[MCP_LISTS]; /* of MCP_PROMPTS and MCP_TEMPLATES; NULL: not known */
	GBytes *text; /* of one that was read, whose lists were not yet; else NULL */
	struct Slice content; /* inside of it */
};

void list_record_free(struct ListRecord *record); /* NULL is fine */
MUX_AUTOPTR(ListRecord, list_record_free)

/* The text, NUL-terminated, for g_free; DIGEST gets the content's. NULL if it would be longer than LIST_RECORD_BYTES_MAX.
 * What is listed comes from pages that were validated. */
char *list_record_write(const struct ListRecord *record, char digest[LIST_RECORD_DIGEST_BYTES]);

/* Reads TEXT, but for the lists: a reference to it is kept for them. NULL with MUX_ERROR_SYNTAX if anything is not as
 * list_record_write leaves it. DIGEST is the content's then. */
struct ListRecord *list_record_parse(
	GBytes *text, char digest[LIST_RECORD_DIGEST_BYTES], GError **error);
/* Reads the lists of such a one, which takes longer than all the rest; once. Each definition passes what one of a peer's pages
 * does. False with MUX_ERROR_SYNTAX, and it has no lists, if one is not as list_record_write leaves it. */
bool list_record_read_lists(struct ListRecord *record, GError **error);

#endif
