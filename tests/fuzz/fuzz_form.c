/* Any query: what is found in it is text, and each name has one outcome. The input's lines are a name, a value
 * and a second name: what is encoded is legal, and decodes to the same. */
#include "format/form.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_encoded(struct Slice form)
{
	for (size_t i = 0; i < form.len; i++) {
		if (!g_ascii_isalnum(form.data[i]) &&
			(form.data[i] == 0 || !strchr("-._~%&=", form.data[i])))
			abort();
	}
}

/* Looks NAME up; what comes must be EXPECTED of FIELD. */
static void check_get(
	struct Slice form, const char *name, enum FormField field, const char *expected)
{
	char *value = NULL;
	enum FormField got = form_get(form, name, &value);
	if (got != field || (value != NULL) != (field == FORM_ONCE) ||
		(value && strcmp(value, expected) != 0))
		abort();
	g_free(value);
}

static void check_round(char **texts)
{
	const char *name = texts[0];
	const char *value = texts[1];
	const char *other = texts[2];
	bool is_text = g_utf8_validate(value, -1, NULL);
	bool same = strcmp(name, other) == 0;
	g_autoptr(GString) form = g_string_new(NULL);
	form_append(form, other, "1");
	form_append(form, name, value);
	check_encoded((struct Slice){form->str, form->len});
	struct Slice whole = {form->str, form->len};
	check_get(whole, name, same ? FORM_REPEATED : is_text ? FORM_ONCE : FORM_MALFORMED, value);
	if (!same)
		check_get(whole, other, FORM_ONCE, "1");
	form_append(form, name, NULL);
	if (form->len != whole.len)
		abort();
	form_append(form, name, "");
	check_get((struct Slice){form->str, form->len}, name, FORM_REPEATED, NULL);
}

static void check_query(struct Slice query)
{
	static const char *const names[] = {"code", "state", "iss", "error", ""};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		char *value = NULL;
		enum FormField field = form_get(query, names[i], &value);
		if ((value != NULL) != (field == FORM_ONCE))
			abort();
		if (value && !g_utf8_validate(value, -1, NULL))
			abort();
		/* A value that was found is found again when it is written anew. */
		g_autoptr(GString) again = g_string_new(NULL);
		form_append(again, names[i], value);
		check_get((struct Slice){again->str, again->len}, names[i],
			value ? FORM_ONCE : FORM_ABSENT, value);
		g_free(value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct Slice input = {(const char *)data, size};
	check_query(input);
	g_autofree char *text = slice_dup(input); /* up to the first NUL */
	g_auto(GStrv) texts = g_strsplit(text, "\n", 3);
	/* A name that is no UTF-8 is none. */
	if (g_strv_length(texts) == 3 && g_utf8_validate(texts[0], -1, NULL) &&
		g_utf8_validate(texts[2], -1, NULL))
		check_round(texts);
	g_autoptr(GString) encoded = g_string_new(NULL);
	form_encode(encoded, input);
	check_encoded((struct Slice){encoded->str, encoded->len});
	return 0;
}
