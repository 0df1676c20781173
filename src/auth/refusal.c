#include "auth/refusal.h"

#include "base/text.h"
#include "format/json.h"
#include "format/oauth.h"
#include "format/url.h"

enum {
	WORDS_BYTES = 300,
	HEAD_BYTES = 16, /* by so many of its first bytes a secret is known */
};

bool refusal_is_in(struct Slice body)
{
	if (!json_validate(body, NULL))
		return false;
	return json_get(body, "error").type == JSON_STRING &&
	       json_get(body, "access_token").type == JSON_NONE &&
	       json_get(body, "accessToken").type == JSON_NONE;
}

/* RFC 6749, 4.1.2.1, and what servers say that answer everything with 200. */
static bool code_is_passing(const char *code)
{
	static const char *const passing[] = {"server_error", "temporarily_unavailable",
		"slow_down", "ratelimited", "rate_limited", "internal_error", "fatal_error",
		"request_timeout", "service_unavailable", NULL};
	return code && g_strv_contains(passing, code);
}

static bool status_is_passing(int status)
{
	return status == 408 || status == 425 || status == 429 || status >= 500;
}

/* Takes SECRET out of OUT, be it there in full or cut off. */
static void take_out(GString *out, struct Slice secret)
{
	static const char mark[] = "[…]";
	g_autofree char *head = g_strndup(secret.data, MIN(secret.len, HEAD_BYTES));
	if (!*head)
		return;
	size_t from = 0;
	const char *found;
	while ((found = strstr(out->str + from, head))) {
		size_t n = strlen(head);
		while (n < secret.len && found[n] == secret.data[n])
			n++;
		from = (size_t)(found - out->str);
		g_string_erase(out, (gssize)from, (gssize)n);
		g_string_insert(out, (gssize)from, mark);
		from += strlen(mark);
	}
}

static char *without(const char *text, struct Secret *const *hidden, unsigned n_hidden)
{
	g_autoptr(GString) out = g_string_new(text);
	for (unsigned i = 0; i < n_hidden; i++)
		take_out(out, secret_reveal(hidden[i]));
	return text_printable((struct Slice){out->str, out->len}, WORDS_BYTES);
}

void refusal_read(const struct FetchResult *result, struct Secret *const *hidden, unsigned n_hidden,
	struct Refusal *refusal)
{
	g_autofree char *description = NULL;
	g_autofree char *said = NULL;
	*refusal = (struct Refusal){.passing = status_is_passing(result->status)};
	if (!oauth_error_parse(result->body, &refusal->code, &description)) {
		said = g_strdup_printf("HTTP %d", result->status);
	} else {
		refusal->passing = refusal->passing || code_is_passing(refusal->code);
		said = description && *description
			       ? g_strdup_printf("%s: %s", refusal->code, description)
			       : g_strdup(refusal->code);
	}
	if (refusal->passing && result->retry_after) {
		bool seconds =
			strspn(result->retry_after, "0123456789") == strlen(result->retry_after);
		char *later = g_strdup_printf("%s, retry after %.40s%s", said, result->retry_after,
			seconds ? " seconds" : "");
		g_free(said);
		said = later;
	}
	refusal->words = without(said, hidden, n_hidden);
}

void refusal_release(struct Refusal *refusal)
{
	g_clear_pointer(&refusal->code, g_free);
	g_clear_pointer(&refusal->words, g_free);
}

char *refusal_who(const char *url)
{
	char *host = url_host(url);
	return host ? host : g_strdup("the server");
}
