/* What went wrong, in words for a person: the code says what a caller may conclude, the text
 * names the host, never the path or query (they may hold secrets). */
#include "net/http_internal.h"

#include "base/error.h"
#include "base/text.h"

enum { DETAIL_BYTES = 200 };

/* The OpenSSL verification results that have a better explanation than libcurl's (X509_V_ERR_*). */
enum {
	VERIFY_EXPIRED = 10,
	VERIFY_NOT_YET = 9,
	VERIFY_SELF_SIGNED = 18,
	VERIFY_SELF_SIGNED_CHAIN = 19,
	VERIFY_NO_ISSUER = 20,
	VERIFY_NO_LEAF_ISSUER = 21,
};

/* HOST:PORT of URL, for g_free. */
static char *authority_of(const char *url)
{
	g_autoptr(GUri) uri = g_uri_parse(url, G_URI_FLAGS_ENCODED, NULL);
	if (!uri || !g_uri_get_host(uri))
		return g_strdup("the server");
	int port = g_uri_get_port(uri);
	if (port < 0)
		port = strcmp(g_uri_get_scheme(uri), "https") == 0 ? 443 : 80;
	const char *host = g_uri_get_host(uri);
	return g_strdup_printf(strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
}

static const char *certificate_problem(CURL *easy, const char *detail)
{
	long verified = 0;
	curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verified);
	switch (verified) {
	case VERIFY_EXPIRED:
		return "has expired";
	case VERIFY_NOT_YET:
		return "is not valid yet";
	case VERIFY_SELF_SIGNED:
	case VERIFY_SELF_SIGNED_CHAIN:
		return "is self-signed or ends in an unknown root (ca_file can name it)";
	case VERIFY_NO_ISSUER:
	case VERIFY_NO_LEAF_ISSUER:
		return "comes from an unknown issuer (ca_file can name it)";
	default:
		/* The chain is fine then, and libcurl's own check of the name failed. */
		return strstr(detail, "subject name") || strstr(detail, "SubjectAltName")
			       ? "is for another host"
			       : NULL;
	}
}

G_GNUC_PRINTF(1, 2) static GError *unreachable(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	GError *error = g_error_new_valist(MUX_ERROR, MUX_ERROR_UNREACHABLE, format, args);
	va_end(args);
	return error;
}

static GError *connect_error(CURL *easy, const char *authority, const char *detail)
{
	long number = 0;
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
	/* libcurl's text names the host that it tried: news only where that is a proxy. */
	g_autofree char *host = g_strndup(authority, strcspn(authority, ":"));
	if (number != 0 && strstr(detail, host))
		return unreachable("cannot connect to %s: %s", authority, g_strerror((int)number));
	if (number == 0)
		return unreachable("cannot connect to %s (%s)", authority, detail);
	return unreachable(
		"cannot connect to %s: %s (%s)", authority, g_strerror((int)number), detail);
}

static GError *tls_error(CURL *easy, CURLcode result, const char *authority, const char *detail)
{
	if (result == CURLE_PEER_FAILED_VERIFICATION) {
		const char *problem = certificate_problem(easy, detail);
		if (problem)
			return unreachable("the certificate of %s %s", authority, problem);
		return unreachable("the certificate of %s was refused (%s)", authority, detail);
	}
	if (result == CURLE_SSL_CACERT_BADFILE)
		return unreachable("the trusted certificates cannot be read (%s)", detail);
	return unreachable("no secure connection to %s (%s)", authority, detail);
}

/* Nothing of the request has left. */
static GError *unsent_error(
	const struct HttpRequest *request, const char *authority, const char *detail)
{
	CURL *easy = request->handle->easy;
	long proxy_status = 0;
	switch ((int)request->result) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return unreachable("the URL of %s cannot be used (%s)", authority, detail);
	case CURLE_COULDNT_RESOLVE_HOST:
		return unreachable("the address of %s was not found", authority);
	case CURLE_COULDNT_RESOLVE_PROXY:
		return unreachable("the address of the proxy for %s was not found", authority);
	case CURLE_COULDNT_CONNECT:
		return connect_error(easy, authority, detail);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return tls_error(easy, request->result, authority, detail);
	default:
		curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
		if (proxy_status != 0)
			return unreachable("the proxy did not connect to %s (status %ld)",
				authority, proxy_status);
		return unreachable("cannot connect to %s (%s)", authority, detail);
	}
}

static GError *too_large(const struct HttpRequest *request, const char *authority)
{
	if (request->failure == HTTP_FAILURE_HEADERS)
		return g_error_new(MUX_ERROR, MUX_ERROR_TOO_LARGE,
			"the answer of %s has more than %d KiB of headers", authority,
			HTTP_HEADERS_MAX_BYTES / 1024);
	return g_error_new(MUX_ERROR, MUX_ERROR_TOO_LARGE, "the answer of %s is over %.4g MiB",
		authority, (double)request->body.max / (1024.0 * 1024.0));
}

static GError *broken_error(CURLcode result, const char *authority, const char *detail)
{
	const char *what = NULL;
	switch ((int)result) {
	case CURLE_OK:
		what = "ended the connection in the middle of the headers";
		break;
	case CURLE_GOT_NOTHING:
		what = "closed the connection without an answer";
		break;
	case CURLE_PARTIAL_FILE:
		what = "ended the connection in the middle of the answer";
		break;
	default:
		break;
	}
	if (what)
		return g_error_new(MUX_ERROR, MUX_ERROR_BROKEN, "%s %s", authority, what);
	return g_error_new(
		MUX_ERROR, MUX_ERROR_BROKEN, "the exchange with %s broke (%s)", authority, detail);
}

GError *http_error_new(const struct HttpRequest *request)
{
	if (request->failure == HTTP_FAILURE_START)
		return unreachable("the HTTP library cannot start a request");
	bool broke = request->result != CURLE_OK || request->failure != HTTP_FAILURE_NONE;
	/* libcurl is content with a connection that ends inside the headers. */
	if (!broke && request->head_ready)
		return NULL;
	const struct HttpHandle *handle = request->handle;
	g_autofree char *authority = authority_of(handle->url);
	if (request->failure == HTTP_FAILURE_TWICE)
		return broken_error(CURLE_GOT_NOTHING, authority, NULL);
	if (request->failure != HTTP_FAILURE_NONE)
		return too_large(request, authority);
	const char *text = *handle->error ? handle->error : curl_easy_strerror(request->result);
	g_autofree char *detail = text_printable(slice_of(text), DETAIL_BYTES);
	if (request->result == CURLE_OPERATION_TIMEDOUT)
		return g_error_new(MUX_ERROR, MUX_ERROR_TIMEOUT, "no connection to %s within %g s",
			authority, handle->connect_timeout_ms / 1000.0);
	if (!request->sent)
		return unsent_error(request, authority, detail);
	return broken_error(request->result, authority, detail);
}
