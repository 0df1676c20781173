/* RFC 9110, 11.6.1: a list of challenges of which each holds a list, with the same comma in both. What follows a
 * comma tells: NAME=VALUE goes on with the challenge, a name alone begins the next. A token68 may stand behind a
 * scheme instead of parameters; it is looked for first, since "abc=" reads as both.
 *
 * More than the grammar allows is taken where servers send it and nothing else can be meant: bare values with
 * characters that no token has (URLs), empty ones, and no comma between two parameters. */
#include "format/challenge.h"

enum { VALUE_MAX_BYTES = 4 * 1024 };

static const struct {
	const char *name;
	size_t offset;
} fields[] = {
	{"resource_metadata", G_STRUCT_OFFSET(struct Challenge, resource_metadata)},
	{"scope", G_STRUCT_OFFSET(struct Challenge, scope)},
	{"error", G_STRUCT_OFFSET(struct Challenge, error)},
	{"error_description", G_STRUCT_OFFSET(struct Challenge, error_description)},
};

struct Parser {
	const char *at; /* in the NUL-terminated field */
	bool in_challenge; /* of whatever scheme */
	struct Challenge *current; /* NULL unless that is Bearer */
	bool seen[G_N_ELEMENTS(fields)]; /* in the current one */
	struct Challenge *best; /* of those that ended */
};

static bool is_one_of(char c, const char *others)
{
	return g_ascii_isalnum(c) || (c && strchr(others, c));
}

static void skip_spaces(struct Parser *parser)
{
	parser->at += strspn(parser->at, " \t");
}

static struct Slice take_token(struct Parser *parser)
{
	const char *start = parser->at;
	while (is_one_of(*parser->at, "!#$%&'*+-.^_`|~"))
		parser->at++;
	return slice_between(start, parser->at);
}

/* Skips a token68 if one is there, that is to say alone up to the next comma. */
static void skip_token68(struct Parser *parser)
{
	const char *p = parser->at;
	while (is_one_of(*p, "-._~+/"))
		p++;
	if (p == parser->at)
		return;
	p += strspn(p, "=");
	p += strspn(p, " \t");
	if (*p == '\0' || *p == ',')
		parser->at = p;
}

/* NULL if a quoted string does not end. */
static char *take_value(struct Parser *parser)
{
	const char *p = parser->at;
	if (*p != '"') {
		parser->at += strcspn(p, " \t,\"");
		return slice_dup(slice_between(p, parser->at));
	}
	GString *value = g_string_new(NULL);
	for (p++; *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if (!*p) {
			g_string_free(value, TRUE);
			return NULL;
		}
		g_string_append_c(value, *p);
	}
	parser->at = p + 1;
	return g_string_free(value, FALSE);
}

static bool is_harmless(const char *value)
{
	if (!*value || strlen(value) > VALUE_MAX_BYTES || !g_utf8_validate(value, -1, NULL))
		return false;
	for (const char *p = value; *p; p = g_utf8_next_char(p)) {
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			return false;
	}
	return true;
}

static bool is_name(struct Slice text, const char *name)
{
	return text.len == strlen(name) && g_ascii_strncasecmp(text.data, name, text.len) == 0;
}

/* Takes VALUE over. */
static void keep(struct Parser *parser, struct Slice name, char *value)
{
	for (size_t i = 0; parser->current && i < G_N_ELEMENTS(fields); i++) {
		if (!is_name(name, fields[i].name) || parser->seen[i])
			continue;
		parser->seen[i] = true;
		char **member = G_STRUCT_MEMBER_P(parser->current, fields[i].offset);
		if (is_harmless(value))
			*member = g_steal_pointer(&value);
	}
	g_free(value);
}

/* Of several Bearer challenges (a gateway's and the server's own) the first that names metadata counts, else the
 * first. */
static void end_challenge(struct Parser *parser)
{
	struct Challenge *ended = g_steal_pointer(&parser->current);
	bool better =
		ended &&
		(!parser->best || (!parser->best->resource_metadata && ended->resource_metadata));
	challenge_free(better ? parser->best : ended);
	if (better)
		parser->best = ended;
}

static void begin_challenge(struct Parser *parser, struct Slice scheme)
{
	end_challenge(parser);
	parser->in_challenge = true;
	memset(parser->seen, 0, sizeof(parser->seen));
	if (is_name(scheme, "Bearer"))
		parser->current = g_new0(struct Challenge, 1);
}

/* Reads what the parser stands at, a parameter or a scheme; the latter only AFTER_COMMA. False if neither is
 * there. */
static bool take_item(struct Parser *parser, bool after_comma)
{
	struct Slice name = take_token(parser);
	bool spaced = *parser->at == ' ' || *parser->at == '\t';
	skip_spaces(parser);
	if (name.len > 0 && *parser->at == '=' && parser->in_challenge) {
		parser->at++;
		skip_spaces(parser);
		char *value = take_value(parser);
		if (value)
			keep(parser, name, value);
		return value;
	}
	if (name.len == 0 || *parser->at == '=' || !after_comma)
		return false;
	begin_challenge(parser, name);
	if (spaced)
		skip_token68(parser);
	return true;
}

struct Challenge *challenge_parse(const char *value)
{
	struct Parser parser = {.at = value ? value : ""};
	bool after_comma = true;
	for (;;) {
		skip_spaces(&parser);
		if (*parser.at == ',') {
			after_comma = true;
			parser.at++;
			continue;
		}
		/* What is malformed ends the field; what stood before it counts. */
		if (!*parser.at || !take_item(&parser, after_comma))
			break;
		after_comma = false;
	}
	end_challenge(&parser);
	return parser.best;
}

struct Challenge *challenge_copy(const struct Challenge *challenge)
{
	if (!challenge)
		return NULL;
	struct Challenge *copy = g_new0(struct Challenge, 1);
	copy->resource_metadata = g_strdup(challenge->resource_metadata);
	copy->scope = g_strdup(challenge->scope);
	copy->error = g_strdup(challenge->error);
	copy->error_description = g_strdup(challenge->error_description);
	return copy;
}

void challenge_free(struct Challenge *challenge)
{
	if (!challenge)
		return;
	g_free(challenge->resource_metadata);
	g_free(challenge->scope);
	g_free(challenge->error);
	g_free(challenge->error_description);
	g_free(challenge);
}
