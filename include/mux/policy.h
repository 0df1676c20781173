/* What may be shown and called: the administrator's allow-list, the user's narrowing of it, the
 * user's toggles. Pure decisions over the configuration; nothing is remembered. */
#ifndef MCP_MUX_MUX_POLICY_H
#define MCP_MUX_MUX_POLICY_H

#include "format/config.h"
#include "format/item.h"
#include "format/tool.h"

enum Verdict {
	VERDICT_EXPOSED,
	VERDICT_NOT_ALLOWED, /* no rule of the allow-list admits it */
	VERDICT_NARROWED, /* the user's own allow-list leaves it out */
	VERDICT_TOGGLED_OFF,
	VERDICT_INVALID, /* its definition may not be shown; tool->invalid says why */
	VERDICT_PIN_CHANGED, /* it is not as it was approved, and pin_tools = block */
};

struct Decision {
	enum Verdict verdict;
	bool allowed; /* by the file that defines the connector (the M of "N of M") */
	const char *rule; /* the pattern that decided: what admits an exposed tool (of the user's
				  list where there is one; the most specific that does), or the toggle;
				  NULL: a default, or no rule */
	struct Place place; /* of that rule, of the list that lacks one, or of the connector */
	bool risky; /* it is exposed, and RULE, a class or glob and not its exact name,
				  admits it though it may be destructive */
};

/* Decides over one tool. */
struct Decision policy_tool(const struct ConnectorConfig *connector, const struct Tool *tool);
/* Makes DECISION, over a tool that would be exposed, that of one whose definition changed, where PIN_TOOLS = block hides
 * it; leaves any other as it is. */
void policy_pin_changed(struct Decision *decision, enum PinMode pin_tools);

/* Decides over a prompt, resource or template as it is listed (a template by its text). */
struct Decision policy_item(
	const struct ConnectorConfig *connector, enum AllowKind kind, const struct Item *item);

/* The same for a prompt's name or a resource's URI, which have no annotations: @read-only and
 * @non-destructive admit all of them. Toggles apply to tools alone. A URI with `.` or `..` among its segments is admitted
 * by its exact text or a class, never by a glob: what allows all below file:///docs/ does not allow file:///docs/../etc. */
struct Decision policy_name(
	const struct ConnectorConfig *connector, enum AllowKind kind, const char *name);

#endif
