/* What servers listed, kept on disk between runs ($XDG_CACHE_HOME/mcp-mux/lists, files of 0600), so that the first list an
 * IDE sees is complete without waiting for the network: definitions of tools, prompts and resource templates, instructions,
 * and what the server offers; never results, never lists of resources. Files are named CONNECTOR.KEY.json. */
#ifndef MCP_MUX_UPSTREAM_LIST_CACHE_H
#define MCP_MUX_UPSTREAM_LIST_CACHE_H

#include "base/cleanup.h"
#include "format/config.h"
#include "format/list_record.h"

struct ListCache;

/* Over the user's cache directory; does no I/O. */
struct ListCache *list_cache_new(void);
void list_cache_free(struct ListCache *cache); /* NULL is fine */
MUX_AUTOPTR(ListCache, list_cache_free)

/* What is kept of CONNECTOR under KEY, for list_record_free, without the lists; DIGEST as list_record_parse has it. NULL if
 * there is nothing. A file that is not as it was written, that others could have written, or that is another one's under
 * this name is renamed to end with `.damaged`, with a warning in the log. */
struct ListRecord *list_cache_read(struct ListCache *cache, const char *connector, const char *key,
	char digest[LIST_RECORD_DIGEST_BYTES]);
/* Reads the lists of RECORD, which is of list_cache_read. False if they are damaged; it says so, and the file is renamed. */
bool list_cache_read_lists(
	struct ListCache *cache, const char *connector, struct ListRecord *record);
/* Keeps RECORD in place of what there was under its key, unless DIGEST is its content's already; DIGEST is that then. What is
 * too large is not kept, nor is what there was. A failure is worth a debug line. The first write also deletes files of
 * the directory that were not used for 90 days, and the oldest ones where there are too many. Returns the bytes written. */
size_t list_cache_write(struct ListCache *cache, const char *connector,
	const struct ListRecord *record, char digest[LIST_RECORD_DIGEST_BYTES]);
/* Deletes it. */
void list_cache_drop(struct ListCache *cache, const char *connector, const char *key);

/* Deletes what is kept of the connector of that name, whatever account, server or IDE it came from. A failure is a warning in
 * the log. */
void list_cache_forget(const char *connector);

#endif
