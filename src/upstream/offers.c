/* What a server says of itself in the answer to initialize or server/discover. */
#include "upstream/internal.h"

enum { INSTRUCTIONS_BYTES = 64 * 1024 };

/* What a member of the server's capabilities means. */
struct Offered {
	const char *member;
	const char *flag; /* inside of it, that must be true; NULL: none */
	enum UpstreamOffer offer;
};

static unsigned read_offers(struct Slice capabilities)
{
	static const struct Offered known[] = {
		{"tools", NULL, UPSTREAM_TOOLS},
		{"tools", "listChanged", UPSTREAM_TELLS_TOOLS},
		{"prompts", NULL, UPSTREAM_PROMPTS},
		{"prompts", "listChanged", UPSTREAM_TELLS_PROMPTS},
		{"resources", NULL, UPSTREAM_RESOURCES},
		{"resources", "listChanged", UPSTREAM_TELLS_RESOURCES},
		{"resources", "subscribe", UPSTREAM_SUBSCRIBE},
		{"completions", NULL, UPSTREAM_COMPLETIONS},
		{"logging", NULL, UPSTREAM_LOGGING},
	};
	unsigned offers = 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
		struct JsonValue value = json_get(capabilities, known[i].member);
		if (value.type != JSON_OBJECT)
			continue;
		if (!known[i].flag || json_get(value.raw, known[i].flag).type == JSON_TRUE)
			offers |= known[i].offer;
	}
	struct Slice extensions = json_get(capabilities, "extensions").raw;
	if (json_get(extensions, "io.modelcontextprotocol/tasks").type == JSON_OBJECT)
		offers |= UPSTREAM_TASKS;
	if (json_get(extensions, "io.modelcontextprotocol/ui").type == JSON_OBJECT)
		offers |= UPSTREAM_APPS;
	return offers;
}

void upstream_take_offers(struct Upstream *up, struct Slice result)
{
	g_free(up->instructions);
	up->instructions = json_string_dup(json_get(result, "instructions"));
	if (up->instructions && strlen(up->instructions) > INSTRUCTIONS_BYTES) {
		char *end = up->instructions + INSTRUCTIONS_BYTES + 1;
		*g_utf8_find_prev_char(up->instructions, end) = '\0';
	}
	up->offers = read_offers(json_get(result, "capabilities").raw);
	up->tells = up->offers &
		    (UPSTREAM_TELLS_TOOLS | UPSTREAM_TELLS_PROMPTS | UPSTREAM_TELLS_RESOURCES);
}
