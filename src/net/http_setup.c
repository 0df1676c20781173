/* How libcurl is set up: the multi handle, the easy handles and their pool, trust and proxies.
 *
 * A new easy handle costs more than all else of a small request, so handles are kept and only
 * what differs between two requests is set. Trust: a client with both a certificate file and a
 * directory parses the file for every connection (20 to 30 ms for Debian's bundle), so the
 * system's hashed directory is used alone where there is one; only an own ca_file, which is
 * small, comes beside it. */
#include "net/http_internal.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEEPALIVE_SECONDS = 60,
	CA_FILE_MAX_BYTES = 16 * 1024 * 1024,
};

static const char default_ca_path[] = "/etc/ssl/certs";
static const char default_ca_bundle[] = "/etc/ssl/certs/ca-certificates.crt";
static const char loopback_names[] = "localhost,127.0.0.0/8,::1";

/* Whether PATH holds certificates under the names that OpenSSL looks for: HHHHHHHH.N. */
static bool has_hashed_certificates(const char *path)
{
	GDir *dir = g_dir_open(path, 0, NULL);
	if (!dir)
		return false;
	bool found = false;
	const char *name;
	while (!found && (name = g_dir_read_name(dir)))
		found = strlen(name) >= 10 && strspn(name, "0123456789abcdef") == 8 &&
			name[8] == '.' && g_ascii_isdigit(name[9]);
	g_dir_close(dir);
	return found;
}

/* Bundle and own file as one text (a g_ref_string), since libcurl takes one file. */
static char *join_bundle(const char *bundle, const char *ca_file)
{
	g_autofree char *system = NULL;
	g_autofree char *own = NULL;
	if (!g_file_get_contents(ca_file, &own, NULL, NULL))
		return NULL;
	if (!g_file_get_contents(bundle, &system, NULL, NULL))
		return g_ref_string_new(own);
	g_autofree char *both = g_strconcat(system, "\n", own, NULL);
	return g_ref_string_new(both);
}

bool http_check_ca_file(const char *path, GError **error)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *why = fd < 0 ? g_strerror(errno) : NULL;
	if (!why && (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)))
		why = "is no regular file";
	if (!why && st.st_size > CA_FILE_MAX_BYTES)
		why = "is too large for a list of certificates";
	g_autofree char *text = why ? NULL : g_malloc((size_t)st.st_size + 1);
	ssize_t len = why ? 0 : read(fd, text, (size_t)st.st_size);
	if (len < 0)
		why = g_strerror(errno);
	else if (!why && !memmem(text, (size_t)len, "-----BEGIN ", strlen("-----BEGIN ")))
		why = "holds no certificate in PEM form";
	if (fd >= 0)
		close(fd);
	if (why)
		g_set_error(error, MUX_ERROR, MUX_ERROR_IO, "ca_file %s: %s", path, why);
	return !why;
}

static void find_trust(struct HttpClient *client)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);
	const char *path = info->capath ? info->capath : default_ca_path;
	const char *bundle = info->cainfo ? info->cainfo : default_ca_bundle;
	if (has_hashed_certificates(path))
		client->ca_path = g_strdup(path);
	else if (client->ca_file)
		client->ca_blob = join_bundle(bundle, client->ca_file);
	else
		client->ca_bundle = g_strdup(bundle);
}

/* libcurl ignores the variables once it is given a list, so theirs is part of it. */
static char *make_no_proxy(void)
{
	const char *variable = g_getenv("no_proxy");
	if (!variable)
		variable = g_getenv("NO_PROXY");
	if (!variable || !*variable)
		return g_strdup(loopback_names);
	if (strcmp(variable, "*") == 0)
		return g_strdup("*"); /* means everything only when it stands alone */
	return g_strconcat(loopback_names, ",", variable, NULL);
}

static int on_timer(CURLM *multi, long timeout_ms, void *user)
{
	(void)multi;
	struct HttpClient *client = user;
	client->timer_due = timeout_ms == 0;
	if (timeout_ms > 0)
		loop_timer_start(
			client->loop, &client->timer, (unsigned)timeout_ms, http_on_timer, client);
	else
		loop_timer_stop(&client->timer);
	return 0;
}

/* With fewer than there are calls in flight, connections churn. */
static void set_max_connections(struct HttpClient *client)
{
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->max_connections);
}

bool http_setup_start(struct HttpClient *client)
{
	if (client->multi)
		return true;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	CURLM *multi = curl_multi_init();
	if (!multi) {
		curl_global_cleanup();
		return false;
	}
	find_trust(client);
	client->no_proxy = make_no_proxy();
	client->no_headers = http_headers_new();
	client->sockets = http_sockets_new(client);
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, http_sockets_on_change);
	curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, client->sockets);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_TIMERDATA, client);
	client->multi = multi;
	set_max_connections(client);
	return true;
}

static void free_handle(struct HttpHandle *handle)
{
	curl_easy_cleanup(handle->easy);
	g_clear_pointer(&handle->ca_blob, g_ref_string_release);
	g_free(handle->url);
	g_free(handle);
}

static void free_pool(struct HttpClient *client)
{
	struct HttpHandle *handle;
	while ((handle = client->pool)) {
		client->pool = handle->next;
		free_handle(handle);
	}
}

static void forget_trust(struct HttpClient *client)
{
	g_clear_pointer(&client->ca_path, g_free);
	g_clear_pointer(&client->ca_bundle, g_free);
	g_clear_pointer(&client->ca_blob, g_ref_string_release);
}

static char *dup_or_null(const char *text)
{
	return text && *text ? g_strdup(text) : NULL;
}

void http_setup_options(struct HttpClient *client, const struct HttpOptions *options)
{
	g_free(client->ca_file);
	g_free(client->proxy);
	g_free(client->user_agent);
	client->ca_file = dup_or_null(options->ca_file);
	client->proxy = dup_or_null(options->proxy);
	client->user_agent = dup_or_null(options->user_agent);
	client->max_connections = options->max_connections;
	/* Handles that are in use are not kept: http_setup_recycle. Their connections lie in libcurl's cache, which gives
	 * them out only for the same proxy and the same trust. */
	client->generation++;
	free_pool(client);
	if (!client->multi)
		return;
	forget_trust(client);
	find_trust(client);
	set_max_connections(client);
}

void http_setup_stop(struct HttpClient *client)
{
	free_pool(client);
	if (client->multi) {
		curl_multi_cleanup(client->multi);
		http_sockets_free(client->sockets);
		curl_global_cleanup();
	}
	loop_timer_stop(&client->timer);
	http_headers_unref(client->no_headers);
	g_free(client->no_proxy);
	forget_trust(client);
}

static void set_trust(struct HttpHandle *handle, const struct HttpClient *client)
{
	CURL *easy = handle->easy;
	curl_easy_setopt(easy, CURLOPT_CAPATH, client->ca_path);
	if (client->ca_blob) {
		handle->ca_blob = g_ref_string_acquire(client->ca_blob);
		struct curl_blob blob = {
			handle->ca_blob, strlen(handle->ca_blob), CURL_BLOB_NOCOPY};
		curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
		curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &blob);
	} else {
		curl_easy_setopt(easy, CURLOPT_CAINFO,
			client->ca_bundle ? client->ca_bundle : client->ca_file);
	}
}

/* What never changes on a handle. */
static void set_common(struct HttpHandle *handle, struct HttpClient *client)
{
	CURL *easy = handle->easy;
	curl_easy_setopt(easy, CURLOPT_PRIVATE, handle);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, handle->error);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, http_on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, handle);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, http_on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, handle);
	curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, http_on_before_request);
	curl_easy_setopt(easy, CURLOPT_PREREQDATA, handle);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_sockets_on_close);
	curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, client->sockets);
	curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_SECONDS);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_SECONDS);
	curl_easy_setopt(easy, CURLOPT_NOPROXY, client->no_proxy);
	if (client->proxy)
		curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy);
	if (client->user_agent)
		curl_easy_setopt(easy, CURLOPT_USERAGENT, client->user_agent);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	set_trust(handle, client);
}

static struct HttpHandle *take_handle(struct HttpClient *client)
{
	struct HttpHandle *handle = client->pool;
	if (handle) {
		client->pool = handle->next;
		handle->next = NULL;
		return handle;
	}
	CURL *easy = curl_easy_init();
	if (!easy)
		return NULL;
	handle = g_new0(struct HttpHandle, 1);
	handle->easy = easy;
	handle->generation = client->generation;
	handle->method = HTTP_GET; /* libcurl's default */
	set_common(handle, client);
	return handle;
}

static void set_url(struct HttpHandle *handle, const char *url)
{
	if (g_strcmp0(handle->url, url) == 0)
		return;
	g_free(handle->url);
	handle->url = g_strdup(url);
	curl_easy_setopt(handle->easy, CURLOPT_URL, url);
	bool tls = g_ascii_strncasecmp(url, "https:", 6) == 0;
	if (tls == handle->tls)
		return;
	handle->tls = tls;
	/* HTTP/2 is agreed on inside TLS. While it may be, requests to one host wait for the
	 * first connection to tell instead of opening their own; without TLS they would wait for
	 * nothing. */
	long version = tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
	curl_easy_setopt(handle->easy, CURLOPT_HTTP_VERSION, version);
	curl_easy_setopt(handle->easy, CURLOPT_PIPEWAIT, (long)tls);
}

static void set_method(struct HttpHandle *handle, enum HttpMethod method)
{
	if (handle->method == method)
		return;
	handle->method = method;
	curl_easy_setopt(handle->easy, method == HTTP_POST ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(
		handle->easy, CURLOPT_CUSTOMREQUEST, method == HTTP_DELETE ? "DELETE" : NULL);
}

struct HttpHandle *http_setup_handle(
	struct HttpClient *client, const struct HttpSpec *spec, struct HttpHeaders *headers)
{
	struct HttpHandle *handle = take_handle(client);
	if (!handle)
		return NULL;
	CURL *easy = handle->easy;
	*handle->error = '\0';
	set_url(handle, spec->url);
	set_method(handle, spec->method);
	if (spec->method == HTTP_POST) {
		/* A NULL body would make libcurl read one from stdin. */
		curl_easy_setopt(easy, CURLOPT_POSTFIELDS, spec->body.len ? spec->body.data : "");
		curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body.len);
	}
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, (headers ? headers : client->no_headers)->first);
	if (handle->connect_timeout_ms != spec->connect_timeout_ms) {
		handle->connect_timeout_ms = spec->connect_timeout_ms;
		curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)spec->connect_timeout_ms);
	}
	return handle;
}

void http_setup_recycle(struct HttpClient *client, struct HttpHandle *handle, bool keep)
{
	handle->request = NULL;
	if (!keep || handle->generation != client->generation) {
		free_handle(handle);
		return;
	}
	handle->next = client->pool;
	client->pool = handle;
}
