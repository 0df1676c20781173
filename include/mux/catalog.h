/* All tools of all upstreams under their exposed names: legal, unique, bounded in length, the same in
 * every run. Routing goes by this table and never by splitting a name. */
#ifndef MCP_MUX_MUX_CATALOG_H
#define MCP_MUX_MUX_CATALOG_H

#include "base/cleanup.h"
#include "mux/policy.h"

struct Catalog;

struct CatalogTool {
	const struct ConnectorConfig *connector;
	const struct Tool *tool;
	char *exposed; /* NULL where it is not exposed */
	char *raw_exposed; /* the same as a raw JSON string */
	char *raw_upstream; /* its own name as a raw JSON string, as the upstream wrote it */
	bool aliased; /* it had to change, or would have collided */
	struct Decision decision;
};

/* An empty catalog over CONFIG, which must outlive it. */
struct Catalog *catalog_new(const struct Config *config);
void catalog_free(struct Catalog *catalog);
MUX_AUTOPTR(Catalog, catalog_free)

/* Sets the tools of one connector (a reference is taken; NULL: it has none at present). True if
 * what is exposed changed: names, order or definitions. Pointers into the catalog's old tools of any
 * connector are invalid afterwards. */
bool catalog_set(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ToolList *tools);

/* The exposed tool of that name, NULL if there is none. */
const struct CatalogTool *catalog_find(const struct Catalog *catalog, const char *exposed);

/* All tools, hidden ones too, in the order of lists: native, then connectors in the order of the
 * configuration, bytewise by upstream name inside each. Elements are const struct CatalogTool *; owned
 * by the catalog, valid until the next catalog_set. */
const GPtrArray *catalog_tools(const struct Catalog *catalog);

/* Of one connector: how many tools are exposed, and how many the defining file allows. False and
 * zeros if its tools are not known. */
bool catalog_count(const struct Catalog *catalog, const struct ConnectorConfig *connector,
	unsigned *exposed, unsigned *allowed);

/* The items of tools/list, separated by commas, without brackets: definitions as they came, their name
 * apart. LEGACY leaves out an outputSchema whose root is no object (clients of
 * the legacy SDK line reject the whole list for one). Rendered once and kept; valid until the next
 * catalog_set. */
struct Slice catalog_render(struct Catalog *catalog, bool legacy);

#endif
