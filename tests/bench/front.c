/* nginx in front of the fake upstreams: TLS with a certificate made for the run, HTTP/2 by ALPN, one
 * port each, connections to the upstreams kept, and a plain port that tells how many it accepted. */
#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static unsigned free_port(void)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		address.sin_port = 0;
	close(fd);
	return ntohs(address.sin_port);
}

static int connect_to(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool make_certificate(const char *dir, GError **error)
{
	g_autofree char *key = g_build_filename(dir, "key.pem", NULL);
	g_autofree char *certificate = g_build_filename(dir, "ca.pem", NULL);
	g_autofree char *log = g_build_filename(dir, "openssl.log", NULL);
	const char *argv[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
		"ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj",
		"/CN=mcp-mux benchmark", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
		"-out", certificate, NULL};
	struct Child openssl;

	if (!child_start(&openssl, argv, NULL, log, error))
		return false;
	if (child_stop(&openssl, 10000))
		return true;
	g_set_error(error, BENCH_ERROR, 0, "openssl made no certificate");
	return false;
}

static char *configuration(const struct Front *front, const unsigned *backends)
{
	GString *text =
		g_string_new("daemon off;\nmaster_process off;\npid nginx.pid;\n"
			     "error_log error.log;\nevents { worker_connections 1024; }\nhttp {\n"
			     "access_log off;\nkeepalive_requests 1000000;\n"
			     "client_body_temp_path body;\nproxy_temp_path proxy;\n"
			     "fastcgi_temp_path fastcgi;\nuwsgi_temp_path uwsgi;\n"
			     "scgi_temp_path scgi;\n"
			     "ssl_certificate ca.pem;\nssl_certificate_key key.pem;\n");

	for (unsigned i = 0; i < front->n; i++)
		g_string_append_printf(text,
			"upstream u%u { server 127.0.0.1:%u; keepalive 64; }\n"
			"server { listen 127.0.0.1:%u ssl http2; location / { proxy_pass "
			"http://u%u;\n"
			"proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_buffering "
			"off;\n"
			"proxy_read_timeout 1h; } }\n",
			i, backends[i], front->ports[i], i);
	g_string_append_printf(text,
		"server { listen 127.0.0.1:%u; location / { stub_status; } }\n}\n",
		front->status_port);
	return g_string_free(text, FALSE);
}

static bool await_front(const struct Front *front, GError **error)
{
	for (unsigned i = 0; i < 200; i++) {
		int fd = connect_to(front->status_port);
		if (fd >= 0) {
			close(fd);
			return true;
		}
		g_usleep(10000);
	}
	g_autofree char *words = child_last_words(&front->child);
	g_set_error(error, BENCH_ERROR, 0, "nginx does not listen: %s", words);
	return false;
}

static char *find_nginx(void)
{
	char *found = g_find_program_in_path("nginx");

	return found ? found : g_find_program_in_path("/usr/sbin/nginx");
}

bool front_start(struct Bench *bench, struct Front *front, const unsigned *backends, unsigned n,
	GError **error)
{
	g_autofree char *nginx = find_nginx(), *openssl = g_find_program_in_path("openssl");
	g_autofree char *dir = bench_path(bench, "front");
	g_autofree char *file = g_build_filename(dir, "nginx.conf", NULL);
	g_autofree char *log = g_build_filename(dir, "nginx.log", NULL);
	/* nginx does not end with its input: it is to end with us at least. */
	const char *argv[] = {
		"setpriv", "--pdeathsig", "KILL", nginx, "-p", dir, "-e", log, "-c", file, NULL};

	*front = (struct Front){.child = {.in = -1, .out = -1}};
	if (!nginx || !openssl) {
		g_set_error(
			error, BENCH_ERROR, 0, "%s is not installed", nginx ? "openssl" : "nginx");
		return false;
	}
	g_mkdir_with_parents(dir, 0700);
	if (!make_certificate(dir, error))
		return false;
	front->n = n;
	front->ports = g_new0(unsigned, n);
	front->ca_file = g_build_filename(dir, "ca.pem", NULL);
	front->status_port = free_port();
	for (unsigned i = 0; i < n; i++)
		front->ports[i] = free_port();
	g_autofree char *text = configuration(front, backends);
	if (g_file_set_contents(file, text, -1, error) &&
		child_start(&front->child, argv, NULL, log, error) && await_front(front, error))
		return true;
	front_stop(front);
	return false;
}

void front_stop(struct Front *front)
{
	child_stop(&front->child, 0);
	g_free(front->ports);
	g_free(front->ca_file);
	*front = (struct Front){.child = {.in = -1, .out = -1}};
}

bool front_accepted(struct Front *front, unsigned long *accepted, GError **error)
{
	static const char request[] = "GET / HTTP/1.0\r\n\r\n";
	char text[2048] = "";
	size_t len = 0;
	ssize_t n;
	int fd = connect_to(front->status_port);

	if (fd < 0 || write(fd, request, sizeof(request) - 1) < 0) {
		g_set_error(error, BENCH_ERROR, 0, "nginx does not answer");
		return false;
	}
	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	const char *at = strstr(text, "requests\n");
	if (!at) {
		g_set_error(error, BENCH_ERROR, 0, "nginx has no stub_status");
		return false;
	}
	*accepted = strtoul(at + strlen("requests\n"), NULL, 10);
	return true;
}
