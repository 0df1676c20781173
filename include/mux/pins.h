/* Pins: the definition of each tool as it was approved, so that a server cannot change what a tool says of itself
 * unnoticed after a person came to trust it. In $XDG_STATE_HOME/mcp-mux/pins/NAME.json, one file for each connector
 * (format/pin_record.h); the first definition seen while the tool is allowed counts as approved. */
#ifndef MCP_MUX_MUX_PINS_H
#define MCP_MUX_MUX_PINS_H

#include "format/config.h"
#include "format/tool.h"

struct Pins;

enum PinState {
	PIN_STATE_NONE, /* it is not pinned: pin_tools = off, or it was never seen while allowed */
	PIN_STATE_APPROVED, /* it is as it was approved */
	PIN_STATE_CHANGED, /* it is not; or nobody can know, see pins_trouble, and pin_tools = block */
};

/* The directory of the files, for g_free. */
char *pins_directory(void);

/* MUX outlives it; its pin_tools is read at each use. LEARN: what is seen for the first time is approved and kept (`serve`);
 * else this only looks. Reads files when it needs them. Uses the default main context. */
struct Pins *pins_new(const struct MuxConfig *mux, bool learn);
/* What pins_keep could not write is tried once more, for a moment. NULL is fine. */
void pins_free(struct Pins *pins);
MUX_AUTOPTR(Pins, pins_free)

/* How TOOL of CONNECTOR, which is allowed, stands to its pin. What is new is approved, if this LEARNs, once pins_keep is
 * called. PINS may be NULL: NONE. */
enum PinState pins_check(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool);
/* The same whatever pin_tools says, and without learning. */
enum PinState pins_compare(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool);
/* Goes up when what pins_check said before may not be so any more. PINS may be NULL. */
unsigned pins_generation(const struct Pins *pins);
/* Whether TOOL, found CHANGED, was not said to be so before, as it is now: true once for each change, and only where this
 * LEARNs. For those who warn. */
bool pins_is_news(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool);

/* The canonical text (format/definition.h) that was approved, empty if none was, or where it was too long to be kept; valid
 * until the next call of any of these. */
struct Slice pins_approved(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool);
/* When it was, RFC 3339; NULL: it was not. Valid likewise. */
const char *pins_approved_at(
	struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool);
/* Why the pins of CONNECTOR are not known, as a sentence about the file; NULL: they are. Valid likewise. */
const char *pins_trouble(struct Pins *pins, const struct ConnectorConfig *connector);

/* Writes down what pins_check found new, under the files' lock and together with what other processes wrote; without syncing,
 * which may take long. Where the lock is held it is done soon, from the main context. A failure is a warning in the log,
 * once. True: other processes wrote meanwhile, perhaps other definitions, so catalogs should be made anew. */
bool pins_keep(struct Pins *pins);
/* Other processes may have written: files that changed are read again at the next use. */
void pins_reread(struct Pins *pins);

/* TOOL as it is now was shown to a person as a change: pins_approve approves no other definition afterwards. Written at
 * once. MUX_ERROR_IO, MUX_ERROR_TIMEOUT (of the lock), MUX_ERROR_FAILED. Blocks. */
bool pins_show(struct Pins *pins, const struct ConnectorConfig *connector, const struct Tool *tool,
	GError **error);
/* TOOL as it is now counts as approved; written at once, and synced. MUX_ERROR_IO, MUX_ERROR_TIMEOUT (of the lock),
 * MUX_ERROR_FAILED where it is not the one that was shown last, or the file cannot take it. Blocks. */
bool pins_approve(struct Pins *pins, const struct ConnectorConfig *connector,
	const struct Tool *tool, GError **error);

#endif
