/* The two eras of MCP and what was learnt of which server speaks which ("Versioning and
 * Compatibility", revision 2026-07-28). */
#ifndef MCP_MUX_UPSTREAM_ERA_H
#define MCP_MUX_UPSTREAM_ERA_H

#include <glib.h>
#include <stdbool.h>

#define MCP_MODERN "2026-07-28"
#define MCP_NEWEST_LEGACY "2025-11-25"

/* What mcp-mux says of itself to either side: an Implementation object. */
#define MCP_IMPLEMENTATION "{\"name\":\"mcp-mux\",\"version\":\"" MCP_MUX_VERSION "\"}"

enum Era { ERA_UNKNOWN, ERA_LEGACY, ERA_MODERN };

/* The legacy revisions, newest first, NULL at the end. */
extern const char *const mcp_legacy_revisions[];
/* Whether REVISION is one of them. */
bool mcp_is_legacy_revision(const char *revision);

/* What is known of one era at one URL. */
enum EraFact { ERA_FACT_NONE, ERA_FACT_SPOKEN, ERA_FACT_REFUSED };

/* The file era.json, read once, written at the end if a fact changed: writing in between would stop the loop
 * for as long as the disk takes. A file that cannot be read or written is worth a debug line: the facts
 * only save a round trip. */
struct EraStore;
/* PATH NULL: nothing is kept on disk. */
struct EraStore *era_store_new(const char *path);
/* Writes what changed, and frees it. NULL is fine. */
void era_store_free(struct EraStore *store);
enum EraFact era_store_get(const struct EraStore *store, const char *url, enum Era era);
void era_store_set(struct EraStore *store, const char *url, enum Era era, enum EraFact fact);

#endif
