/* Whatever a server puts into WWW-Authenticate, what is taken out of it is harmless text of a bounded size, and
 * a challenge written from it is read back as the same, whatever other challenges stand around it. */
#include "format/challenge.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const char *value)
{
	if (!value)
		return;
	size_t len = strlen(value);
	if (len == 0 || len > 4096 || !g_utf8_validate(value, (gssize)len, NULL))
		abort();
	for (const char *p = value; *p; p = g_utf8_next_char(p)) {
		if (g_unichar_iscntrl(g_utf8_get_char(p)))
			abort();
	}
}

static void check(const struct Challenge *challenge)
{
	check_value(challenge->resource_metadata);
	check_value(challenge->scope);
	check_value(challenge->error);
	check_value(challenge->error_description);
}

static void write_parameter(GString *out, const char *name, const char *value)
{
	if (!value)
		return;
	g_string_append_printf(out, " %s=\"", name);
	for (const char *p = value; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *p);
	}
	g_string_append(out, "\",");
}

static bool is_same(const struct Challenge *a, const struct Challenge *b)
{
	return g_strcmp0(a->resource_metadata, b->resource_metadata) == 0 &&
	       g_strcmp0(a->scope, b->scope) == 0 && g_strcmp0(a->error, b->error) == 0 &&
	       g_strcmp0(a->error_description, b->error_description) == 0;
}

static void check_written(const struct Challenge *challenge)
{
	g_autoptr(GString) field = g_string_new("Basic realm=\"a, Bearer scope=b\", bearer");
	write_parameter(field, "resource_metadata", challenge->resource_metadata);
	write_parameter(field, "scope", challenge->scope);
	write_parameter(field, "error", challenge->error);
	write_parameter(field, "error_description", challenge->error_description);
	g_string_append(field, ", Negotiate YQ==, Digest scope=\"c\"");
	g_autoptr(Challenge) again = challenge_parse(field->str);
	if (!again || !is_same(challenge, again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	g_autofree char *value = g_strndup((const char *)data, size);
	g_autoptr(Challenge) challenge = challenge_parse(value);
	if (challenge) {
		check(challenge);
		check_written(challenge);
		g_autoptr(Challenge) copy = challenge_copy(challenge);
		if (!is_same(challenge, copy))
			abort();
	}
	/* Behind another challenge that is complete it is the same. */
	g_autofree char *second = g_strconcat("Basic realm=\"x\", ", value, NULL);
	g_autoptr(Challenge) behind = challenge_parse(second);
	if (challenge && (!behind || !is_same(challenge, behind)))
		abort();
	return 0;
}
