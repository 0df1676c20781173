/* Request headers as libcurl wants them: a linked list of lines. The nodes and texts are our
 * own, which libcurl only reads, so that they can be wiped; it never copies the list itself. */
#include "net/http_internal.h"

#include "base/error.h"

static bool is_token(const char *name)
{
	if (!*name)
		return false;
	for (const char *p = name; *p; p++) {
		if (!g_ascii_isalnum(*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	}
	return true;
}

static bool is_value(const char *value)
{
	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

/* Takes LINE over. */
static void append(struct HttpHeaders *headers, char *line)
{
	struct curl_slist *node = g_new0(struct curl_slist, 1);
	node->data = line;
	if (headers->last)
		headers->last->next = node;
	else
		headers->first = node;
	headers->last = node;
}

static void node_free(struct curl_slist *node)
{
	explicit_bzero(node->data, strlen(node->data));
	g_free(node->data);
	g_free(node);
}

struct HttpHeaders *http_headers_new(void)
{
	struct HttpHeaders *headers = g_new0(struct HttpHeaders, 1);
	headers->references = 1;
	/* libcurl leaves a header out that is given without a value. A server that ignores `Expect:
	 * 100-continue` would cost a second. */
	append(headers, g_strdup("Expect:"));
	return headers;
}

struct HttpHeaders *http_headers_ref(struct HttpHeaders *headers)
{
	headers->references++;
	return headers;
}

void http_headers_unref(struct HttpHeaders *headers)
{
	if (!headers || --headers->references > 0)
		return;
	struct curl_slist *next;
	for (struct curl_slist *node = headers->first; node; node = next) {
		next = node->next;
		node_free(node);
	}
	g_free(headers);
}

bool http_headers_add(
	struct HttpHeaders *headers, const char *name, const char *value, GError **error)
{
	if (!is_token(name)) {
		g_set_error(
			error, MUX_ERROR, MUX_ERROR_SYNTAX, "this is no header name: %.100s", name);
		return false;
	}
	if (!is_value(value)) {
		/* The value may be a credential: it is not shown. */
		g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX,
			"the value of header %s holds a line break or control character", name);
		return false;
	}
	/* A semicolon is how libcurl takes a header that is to be sent empty. */
	const char *separator = *value ? ": " : ";";
	append(headers, g_strconcat(name, separator, value, NULL));
	return true;
}

static bool is_named(const char *line, const char *name)
{
	size_t n = strlen(name);
	return g_ascii_strncasecmp(line, name, n) == 0 && (line[n] == ':' || line[n] == ';');
}

bool http_headers_replace(
	struct HttpHeaders *headers, const char *name, const char *value, GError **error)
{
	if (!http_headers_add(headers, name, value, error))
		return false;
	struct curl_slist **link = &headers->first;
	while (*link != headers->last) {
		struct curl_slist *node = *link;
		if (!is_named(node->data, name)) {
			link = &node->next;
			continue;
		}
		*link = node->next;
		node_free(node);
	}
	return true;
}

struct HttpHeaders *http_headers_copy(const struct HttpHeaders *headers)
{
	struct HttpHeaders *copy = g_new0(struct HttpHeaders, 1);
	copy->references = 1;
	for (struct curl_slist *node = headers->first; node; node = node->next)
		append(copy, g_strdup(node->data));
	return copy;
}
