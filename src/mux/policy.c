#include "mux/policy.h"

#include "format/pattern.h"

enum Class { CLASS_NONE, CLASS_ALL, CLASS_READ_ONLY, CLASS_NON_DESTRUCTIVE };

/* What the rules are asked about. */
struct Subject {
	const char *name;
	bool read_only;
	bool non_destructive;
	bool indirect; /* a URI that is_indirect: no glob admits it */
};

static enum Class class_of(const char *rule)
{
	if (strcmp(rule, "@all") == 0)
		return CLASS_ALL;
	if (strcmp(rule, "@read-only") == 0)
		return CLASS_READ_ONLY;
	if (strcmp(rule, "@non-destructive") == 0)
		return CLASS_NON_DESTRUCTIVE;
	return CLASS_NONE;
}

static bool is_glob(const struct AllowRule *rule)
{
	return class_of(rule->text) == CLASS_NONE && strpbrk(rule->text, "*?");
}

/* Whether a server may read URI as another one than it begins like: with `.` or `..` for a segment (RFC 3986, section 3.3),
 * escaped or not, or with escapes that are none. */
static bool is_indirect(const char *uri)
{
	g_autofree char *plain = g_uri_unescape_string(uri, NULL);
	if (!plain)
		return true;
	g_auto(GStrv) segments = g_strsplit_set(plain, ":/\\?#&=;", -1);
	for (char **segment = segments; *segment; segment++) {
		if (strcmp(*segment, ".") == 0 || strcmp(*segment, "..") == 0)
			return true;
	}
	return false;
}

static bool admits(const struct AllowRule *rule, const struct Subject *subject)
{
	switch (class_of(rule->text)) {
	case CLASS_ALL:
		return true;
	case CLASS_READ_ONLY:
		return subject->read_only;
	case CLASS_NON_DESTRUCTIVE:
		return subject->non_destructive;
	case CLASS_NONE:
		break;
	}
	return !(subject->indirect && is_glob(rule)) && pattern_match(rule->text, subject->name);
}

/* A name says most, then globs by what they spell out, classes least. */
static unsigned weight_of(const struct AllowRule *rule)
{
	return class_of(rule->text) == CLASS_NONE ? pattern_weight(rule->text) : 0;
}

/* The most specific rule of LIST that admits the subject (the first of equals), NULL if none does. */
static const struct AllowRule *find_rule(
	const struct AllowList *list, const struct Subject *subject)
{
	const struct AllowRule *best = NULL;
	for (unsigned i = 0; i < list->rules->len; i++) {
		const struct AllowRule *rule = list->rules->pdata[i];
		if (admits(rule, subject) && (!best || weight_of(rule) > weight_of(best)))
			best = rule;
	}
	return best;
}

static bool is_exact(const struct AllowRule *rule)
{
	return class_of(rule->text) == CLASS_NONE && !is_glob(rule);
}

static void admitted_by(
	struct Decision *decision, const struct AllowRule *rule, const struct Subject *subject)
{
	decision->rule = rule->text;
	decision->place = rule->place;
	decision->risky = !is_exact(rule) && !subject->non_destructive;
}

static void hidden_by(
	struct Decision *decision, enum Verdict verdict, const char *rule, struct Place place)
{
	decision->verdict = verdict;
	decision->rule = rule;
	decision->place = place;
	decision->risky = false;
}

/* The two allow-lists: of the file that defines the connector, then the user's own. */
static struct Decision decide(
	const struct ConnectorConfig *connector, enum AllowKind kind, const struct Subject *subject)
{
	const struct AllowList *allowed = &connector->allowed[kind];
	const struct AllowList *narrowed = &connector->narrowed[kind];
	struct Decision decision = {
		.verdict = VERDICT_EXPOSED,
		.allowed = connector->default_all,
		.place = connector->place,
	};
	if (allowed->set) {
		const struct AllowRule *rule = find_rule(allowed, subject);
		decision.allowed = rule != NULL;
		decision.place = allowed->place;
		if (rule)
			admitted_by(&decision, rule, subject);
	}
	if (!decision.allowed) {
		decision.verdict = VERDICT_NOT_ALLOWED;
		return decision;
	}
	if (narrowed->set) {
		const struct AllowRule *rule = find_rule(narrowed, subject);
		if (rule)
			admitted_by(&decision, rule, subject);
		else
			hidden_by(&decision, VERDICT_NARROWED, NULL, narrowed->place);
	}
	return decision;
}

/* The toggle that decides over NAME: the most specific, and of equals the later. NULL if none
 * matches. */
static const struct Toggle *find_toggle(const struct ConnectorConfig *connector, const char *name)
{
	const struct Toggle *best = NULL;
	for (unsigned i = 0; i < connector->toggles->len; i++) {
		const struct Toggle *toggle = connector->toggles->pdata[i];
		if (!pattern_match(toggle->pattern, name))
			continue;
		if (!best || pattern_weight(toggle->pattern) >= pattern_weight(best->pattern))
			best = toggle;
	}
	return best;
}

struct Decision policy_tool(const struct ConnectorConfig *connector, const struct Tool *tool)
{
	const struct Subject subject = {
		.name = tool->name,
		.read_only = tool->read_only,
		.non_destructive = tool->says_non_destructive || tool->read_only,
	};
	struct Decision decision = decide(connector, ALLOW_TOOLS, &subject);
	if (tool->invalid) {
		hidden_by(&decision, VERDICT_INVALID, NULL, connector->place);
		return decision;
	}
	if (decision.verdict != VERDICT_EXPOSED)
		return decision;
	const struct Toggle *toggle = find_toggle(connector, tool->name);
	if (toggle && !toggle->on)
		hidden_by(&decision, VERDICT_TOGGLED_OFF, toggle->pattern, toggle->place);
	return decision;
}

void policy_pin_changed(struct Decision *decision, enum PinMode pin_tools)
{
	if (decision->verdict == VERDICT_EXPOSED && pin_tools == PIN_BLOCK)
		hidden_by(decision, VERDICT_PIN_CHANGED, "pin_tools", (struct Place){0});
}

struct Decision policy_name(
	const struct ConnectorConfig *connector, enum AllowKind kind, const char *name)
{
	const struct Subject subject = {
		.name = name,
		.read_only = true,
		.non_destructive = true,
		.indirect = kind == ALLOW_RESOURCES && is_indirect(name),
	};
	return decide(connector, kind, &subject);
}

struct Decision policy_item(
	const struct ConnectorConfig *connector, enum AllowKind kind, const struct Item *item)
{
	struct Decision decision = policy_name(connector, kind, item->key);
	if (item->invalid)
		hidden_by(&decision, VERDICT_INVALID, NULL, connector->place);
	return decision;
}
