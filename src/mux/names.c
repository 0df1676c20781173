#include "mux/names.h"

enum { HASH_DIGITS = 8, HASH_DIGITS_MAX = 64 };

static bool is_legal(char c)
{
	return g_ascii_isalnum(c) || c == '_' || c == '-';
}

static bool all_legal(const char *name)
{
	while (*name && is_legal(*name))
		name++;
	return *name == '\0';
}

static char *plain_name(const struct MuxConfig *mux, const struct ExposedName *name)
{
	if (name->connector->native)
		return g_strdup(name->upstream);
	return g_strconcat(name->connector->prefix, mux->separator, name->upstream, NULL);
}

static bool is_own(const struct MuxConfig *mux, const char *plain)
{
	return g_str_has_prefix(plain, NAMES_OWN_PREFIX) &&
	       g_str_has_prefix(plain + strlen(NAMES_OWN_PREFIX), mux->separator);
}

static bool is_usable(
	const struct MuxConfig *mux, const struct ExposedName *name, const char *plain)
{
	bool fits = name->connector->native || strlen(plain) <= mux->max_tool_name;
	return fits && all_legal(plain) && !is_own(mux, plain);
}

/* PLAIN with each character that is not legal made `_`, at most MAX characters of it. */
static char *sanitise(const char *plain, size_t max)
{
	GString *out = g_string_new(NULL);
	for (const char *p = plain; *p && out->len < max; p = g_utf8_next_char(p))
		g_string_append_c(out, is_legal(*p) ? *p : '_');
	return g_string_free(out, FALSE);
}

/* The hex SHA-256 of the connector's and the tool's name; from SALT 1 on of another text each time. */
static char *digest(const struct ExposedName *name, unsigned salt)
{
	g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
	const char *connector = name->connector->name;
	g_checksum_update(checksum, (const guchar *)connector, (gssize)strlen(connector) + 1);
	g_checksum_update(checksum, (const guchar *)name->upstream, (gssize)strlen(name->upstream));
	if (salt) {
		g_autofree char *text = g_strdup_printf("%u", salt);
		g_checksum_update(checksum, (const guchar *)"", 1);
		g_checksum_update(checksum, (const guchar *)text, (gssize)strlen(text));
	}
	return g_strdup(g_checksum_get_string(checksum));
}

/* An alias; ATTEMPT counts those that were taken. Each has more digits than the one before, until no
 * more fit; from then on they are those of another hash. */
static char *alias(const struct MuxConfig *mux, const struct ExposedName *name, const char *plain,
	unsigned attempt)
{
	size_t room = MAX(mux->max_tool_name, HASH_DIGITS + 1);
	size_t longest = MIN(room - 1, (size_t)HASH_DIGITS_MAX);
	size_t wanted = HASH_DIGITS * ((size_t)attempt + 1);
	size_t digits = MIN(wanted, longest);
	g_autofree char *hash = digest(name, wanted > longest ? attempt : 0);
	g_autofree char *base = sanitise(plain, room - 1 - digits);
	char *result = g_strdup_printf("%s_%.*s", base, (int)digits, hash);
	if (!is_own(mux, result))
		return result;
	g_free(result);
	g_autofree char *apart = g_strconcat(name->connector->name, "_", plain, NULL);
	g_autofree char *base_apart = sanitise(apart, room - 1 - digits);
	return g_strdup_printf("%s_%.*s", base_apart, (int)digits, hash);
}

/* The names that tools which need no alias would have: native ones count as taken at once, of the
 * others it is counted how many want the same. */
static void gather(const struct MuxConfig *mux, struct ExposedName *names, size_t n, char **plain,
	GHashTable *taken, GHashTable *wanted)
{
	for (size_t i = 0; i < n; i++) {
		plain[i] = plain_name(mux, &names[i]);
		names[i].exposed = NULL;
		names[i].aliased = !is_usable(mux, &names[i], plain[i]);
		if (names[i].aliased)
			continue;
		if (names[i].connector->native) {
			g_hash_table_add(taken, plain[i]);
			continue;
		}
		unsigned count = GPOINTER_TO_UINT(g_hash_table_lookup(wanted, plain[i]));
		g_hash_table_insert(wanted, plain[i], GUINT_TO_POINTER(count + 1));
	}
}

void names_assign(const struct MuxConfig *mux, struct ExposedName *names, size_t n)
{
	g_auto(GStrv) plain = g_new0(char *, n + 1);
	g_autoptr(GHashTable) taken = g_hash_table_new(g_str_hash, g_str_equal);
	g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);
	gather(mux, names, n, plain, taken, wanted);
	for (size_t i = 0; i < n; i++) {
		if (names[i].aliased)
			continue;
		if (!names[i].connector->native) {
			void *count = g_hash_table_lookup(wanted, plain[i]);
			names[i].aliased = GPOINTER_TO_UINT(count) > 1 ||
					   g_hash_table_contains(taken, plain[i]);
		}
		if (!names[i].aliased)
			names[i].exposed = g_strdup(plain[i]);
	}
	for (size_t i = 0; i < n; i++) {
		if (!names[i].aliased)
			g_hash_table_add(taken, names[i].exposed);
	}
	for (size_t i = 0; i < n; i++) {
		for (unsigned attempt = 0; !names[i].exposed; attempt++) {
			g_autofree char *name = alias(mux, &names[i], plain[i], attempt);
			if (!g_hash_table_contains(taken, name))
				names[i].exposed = g_steal_pointer(&name);
		}
		g_hash_table_add(taken, names[i].exposed);
	}
}
