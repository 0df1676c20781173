/* What all upstreams list of one kind (tools, prompts, resources or resource templates), as the IDE is shown it. Tools
 * and prompts get exposed names: legal, unique, bounded in length, the same in every run; routing goes by this table
 * and never by splitting a name. Resources and templates keep their URIs; of several that have the same one, the
 * first is shown. */
#ifndef MCP_MUX_MUX_CATALOG_H
#define MCP_MUX_MUX_CATALOG_H

#include "base/cleanup.h"
#include "format/item.h"
#include "format/uri_template.h"
#include "mux/pins.h"
#include "mux/policy.h"

struct Catalog;

struct CatalogEntry {
	const struct ConnectorConfig *connector;
	const struct Tool *tool; /* NULL in a catalog of another kind */
	const char *own; /* the upstream's name or URI of it, decoded */
	struct Slice raw; /* its definition */
	const char *invalid; /* why its definition may not be shown; NULL: it may */
	char *exposed; /* NULL where it is not exposed; a URI is exposed as it is */
	char *raw_exposed; /* the same as a raw JSON string */
	char *raw_upstream; /* OWN as a raw JSON string, as the upstream wrote it */
	bool aliased; /* it had to change, or would have collided */
	bool shadowed; /* another connector's of the same URI is listed in its place */
	struct Decision decision;
	struct UriTemplate
		*uri_template; /* of exposed templates; NULL where it is none by RFC 6570, or one
					   * too many */
	enum PinState pin; /* of tools; NONE where the tool is not allowed */
	const struct CatalogEntry
		*next; /* of another connector, exposed under the same URI, later in the order */
};

/* An empty catalog over CONFIG, which must outlive it. */
struct Catalog *catalog_new(const struct Config *config, enum McpList kind);
void catalog_free(struct Catalog *catalog);
MUX_AUTOPTR(Catalog, catalog_free)

/* Sets the tools of one connector (a reference is taken; NULL: it has none at present). True if
 * what is exposed changed: names, order or definitions. Pointers into the catalog's old entries of any
 * connector are invalid afterwards. */
bool catalog_set(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ToolList *tools);
/* The same for a catalog of another kind. */
bool catalog_set_items(
	struct Catalog *catalog, const struct ConnectorConfig *connector, struct ItemList *items);

/* Tools of which the definition is looked up in PINS (which outlives the catalog) from the next catalog_set on: a changed one
 * is marked, and hidden where pin_tools = block. Its name stays reserved, so that no other tool can come to have it. Where
 * PINS learns, a change is a warning in the log, once. What was found of a list is found anew only where the list, the pins
 * (pins_generation) or what may be used changed. */
void catalog_set_pins(struct Catalog *catalog, struct Pins *pins);
/* The entry that would have the name EXPOSED if its definition were as approved (VERDICT_PIN_CHANGED); NULL: none. */
const struct CatalogEntry *catalog_find_blocked(const struct Catalog *catalog, const char *exposed);

/* The name by which people know ENTRY of CATALOG: exposed, or reserved while it is blocked, or its own. */
const char *catalog_name_of(const struct Catalog *catalog, const struct CatalogEntry *entry);

/* Builds all anew, since the configuration or the pins changed; the lists of connectors that are still in it stay. True as
 * catalog_set, and the same holds for pointers into old entries. */
bool catalog_reconfigure(struct Catalog *catalog);

/* The exposed entry of that name or URI, the first in order where a URI has several; NULL if there is none. */
const struct CatalogEntry *catalog_find(const struct Catalog *catalog, const char *exposed);

/* All entries, hidden ones too, in the order of lists: native, then connectors in the order of the
 * configuration, bytewise by upstream name inside each. Elements are const struct CatalogEntry *; owned
 * by the catalog, valid until the next catalog_set. */
const GPtrArray *catalog_entries(const struct Catalog *catalog);

/* Of one connector: how many entries are exposed, and how many the defining file allows. False and
 * zeros if its list is not known. */
bool catalog_count(const struct Catalog *catalog, const struct ConnectorConfig *connector,
	unsigned *exposed, unsigned *allowed);

/* The items of the list, separated by commas, without brackets: definitions as they came, their name
 * apart. LEGACY leaves out an outputSchema whose root is no object (clients of
 * the legacy SDK line reject the whole list for one). Rendered once and kept; valid until the next
 * catalog_set. */
struct Slice catalog_render(struct Catalog *catalog, bool legacy);

#endif
