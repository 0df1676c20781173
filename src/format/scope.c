#include "format/scope.h"

/* RFC 6749, 3.3: scope-token. */
static bool is_token(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (*p <= ' ' || *p > '~' || *p == '"' || *p == '\\')
			return false;
	}
	return *text != '\0';
}

static int compare(const void *a, const void *b, void *user)
{
	(void)user;
	return strcmp(a, b);
}

/* A tree, since peers choose the tokens and could make a hash table slow. */
static GTree *tokens_new(void)
{
	return g_tree_new_full(compare, NULL, g_free, NULL);
}

/* Adds the tokens of SET (NULL: none) to TOKENS, and those that were not there to OUT (NULL: nowhere). */
static void add_tokens(GTree *tokens, const char *set, GString *out)
{
	g_auto(GStrv) words = g_strsplit(set ? set : "", " ", -1);
	for (char **word = words; *word; word++) {
		if (!is_token(*word) || g_tree_lookup_extended(tokens, *word, NULL, NULL))
			continue;
		g_tree_insert(tokens, g_strdup(*word), NULL);
		if (!out)
			continue;
		if (out->len > 0)
			g_string_append_c(out, ' ');
		g_string_append(out, *word);
	}
}

char *scope_union(const char *a, const char *b)
{
	g_autoptr(GTree) tokens = tokens_new();
	GString *out = g_string_new(NULL);
	add_tokens(tokens, a, out);
	add_tokens(tokens, b, out);
	return g_string_free(out, out->len == 0);
}

bool scope_has(const char *set, const char *token)
{
	g_autoptr(GTree) tokens = tokens_new();
	add_tokens(tokens, set, NULL);
	return g_tree_lookup_extended(tokens, token, NULL, NULL);
}

bool scope_covers(const char *set, const char *part)
{
	g_autoptr(GTree) tokens = tokens_new();
	add_tokens(tokens, set, NULL);
	int before = g_tree_nnodes(tokens);
	add_tokens(tokens, part, NULL);
	return g_tree_nnodes(tokens) == before;
}
