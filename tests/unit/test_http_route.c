/* The way to a server: proxies, and who is trusted. The TLS servers are OpenSSL's own. */
#include "http_fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <sys/wait.h>

/* ---- proxies ---- */

static void answer_each(struct ScriptedConnection *c)
{
	while (scripted_read_request(c))
		scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

static void proxy_answer(struct ScriptedConnection *c)
{
	while (scripted_read_request(c)) {
		if (g_str_has_prefix(c->head->str, "CONNECT"))
			scripted_send(c, "HTTP/1.1 403 Forbidden\r\nX-A: proxy\r\n"
					 "Content-Length: 4\r\n\r\nnope");
		else
			scripted_send(c, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	}
}

static void a_proxy_is_used_except_for_loopback(void **state)
{
	(void)state;
	struct ScriptedServer proxy;
	scripted_server_init(&proxy, proxy_answer);
	g_autofree char *proxy_url = g_strdup_printf("http://127.0.0.1:%u", proxy.port);
	struct HttpOptions options = {.proxy = proxy_url, .max_connections = 8};
	struct Http http;
	http_init(&http, answer_each, &options);
	struct Call call;
	call_init(&call, &http);
	call_run(&call, "/direct");
	assert_answered(&call, 200, "hello");
	assert_int_equal(proxy.requests, 0);
	call_release(&call);

	call_init(&call, &http);
	call_start_url(&call, "http://mcp.example/far");
	turn_until(&http.fixture, call.dones, 1);
	assert_answered(&call, 200, "hello");
	assert_non_null(strstr(proxy.log->str, "GET http://mcp.example/far HTTP/1.1\r\n"));
	call_release(&call);

	call_init(&call, &http);
	call_start_url(&call, "https://mcp.example/far");
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_UNREACHABLE,
		"the proxy did not connect to mcp.example:443 (status 403)");
	assert_int_equal(call.heads + call.datas, 0);
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
	scripted_server_release(&proxy);
}

static void proxy_variables_are_obeyed_but_not_for_loopback(void **state)
{
	(void)state;
	struct ScriptedServer proxy;
	scripted_server_init(&proxy, proxy_answer);
	g_autofree char *proxy_url = g_strdup_printf("http://127.0.0.1:%u", proxy.port);
	g_setenv("http_proxy", proxy_url, TRUE);
	g_setenv("no_proxy", "far.invalid", TRUE);
	struct Http http;
	http_init(&http, answer_each, NULL);
	g_autofree char *by_name = g_strdup_printf("http://localhost:%u/", http.server.port);
	struct {
		const char *url;
		int by_proxy;
	} cases[] = {{by_name, 0}, {"http://mcp.example/", 1}, {"http://far.invalid/", 1}};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct Call call;
		call_init(&call, &http);
		call_start_url(&call, cases[i].url);
		turn_until(&http.fixture, call.dones, 1);
		assert_int_equal(proxy.requests, cases[i].by_proxy);
		if (i == 2)
			assert_non_null(call.error);
		else
			assert_answered(&call, 200, "hello");
		call_release(&call);
	}
	g_unsetenv("http_proxy");
	g_unsetenv("no_proxy");
	http_release(&http);
	scripted_server_release(&proxy);
}

/* Far away, by whatever proxy there is. */
static void run_far(struct Call *call, struct Http *http)
{
	call_init(call, http);
	call_start_url(call, "http://mcp.invalid/far");
	turn_until(&http->fixture, call->dones, 1);
}

static void another_proxy_counts_from_the_next_request_on(void **state)
{
	(void)state;
	struct ScriptedServer proxies[2];
	for (unsigned i = 0; i < 2; i++)
		scripted_server_init(&proxies[i], proxy_answer);
	g_autofree char *one = g_strdup_printf("http://127.0.0.1:%u", proxies[0].port);
	g_autofree char *other = g_strdup_printf("http://127.0.0.1:%u", proxies[1].port);
	struct HttpOptions options = {.proxy = one, .max_connections = 8};
	struct Http http;
	http_init(&http, NULL, &options);
	struct Call call, running;
	run_far(&call, &http);
	assert_answered(&call, 200, "hello");
	call_release(&call);
	call_init(&running, &http);
	call_start_url(&running, "http://mcp.invalid/running");

	options.proxy = other;
	assert_true(http_client_reconfigure(http.client, &options, NULL));
	turn_until(&http.fixture, running.dones, 1);
	assert_answered(&running, 200, "hello");
	call_release(&running);
	assert_int_equal(proxies[0].requests, 2);
	for (unsigned i = 1; i <= 2; i++) {
		run_far(&call, &http);
		assert_answered(&call, 200, "hello");
		call_release(&call);
		assert_int_equal(proxies[1].requests, i);
	}

	/* None: the name is looked for, and no kept connection taken. */
	options.proxy = NULL;
	assert_true(http_client_reconfigure(http.client, &options, NULL));
	run_far(&call, &http);
	assert_non_null(call.error);
	call_release(&call);
	assert_int_equal(proxies[0].requests + proxies[1].requests, 4);
	http_release(&http);
	scripted_server_release(&proxies[0]);
	scripted_server_release(&proxies[1]);
}

static void a_ca_file_that_cannot_be_read_changes_nothing(void **state)
{
	(void)state;
	g_autoptr(GError) error = NULL;
	struct HttpOptions options = {.ca_file = "/nowhere/ca.pem", .max_connections = 8};
	struct Http http;
	http_init(&http, answer_each, NULL);
	assert_false(http_client_reconfigure(http.client, &options, &error));
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
	struct Call call;
	call_init(&call, &http);
	call_run(&call, "/");
	assert_answered(&call, 200, "hello");
	call_release(&call);
	http_release(&http);
}

static void a_ca_file_that_cannot_be_read_is_an_error_at_once(void **state)
{
	(void)state;
	struct Fixture fixture;
	fixture_init(&fixture);
	const char *const paths[] = {"/nonexistent/ca.pem", "/", "/dev/null", "/proc/version"};
	for (unsigned i = 0; i < G_N_ELEMENTS(paths); i++) {
		g_autoptr(GError) error = NULL;
		struct HttpOptions options = {.ca_file = paths[i]};
		assert_null(http_client_new(fixture.loop, &options, &error));
		assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_IO));
		assert_non_null(strstr(error->message, paths[i]));
	}
	fixture_release(&fixture);
}

/* ---- trust ---- */

struct Pki {
	char *openssl; /* the program; NULL: not there, the tests that need it are skipped */
	char *dir;
};

static void run(const struct Pki *pki, const char *command)
{
	g_autofree char *line = g_strdup_printf("sh -c \"exec 2>/dev/null; %s\"", command);
	char **argv;
	assert_true(g_shell_parse_argv(line, NULL, &argv, NULL));
	int status = -1;
	assert_true(g_spawn_sync(
		pki->dir, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
	if (status != 0)
		fail_msg("%s", command);
	g_strfreev(argv);
}

static void make_leaf(const struct Pki *pki, const char *name, const char *alt, const char *days)
{
	g_autofree char *request = g_strdup_printf(
		"openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout %s.key "
		"-out %s.csr -subj /CN=%s && echo subjectAltName=%s >%s.ext",
		name, name, name, alt, name);
	run(pki, request);
	g_autofree char *sign = g_strdup_printf("openssl x509 -req -in %s.csr -CA ca.pem -CAkey "
						"ca.key -CAcreateserial -days %s -extfile "
						"%s.ext -out %s.pem",
		name, days, name, name);
	run(pki, sign);
}

static int group_setup(void **state)
{
	struct Pki *pki = g_new0(struct Pki, 1);
	*state = pki;
	pki->openssl = g_find_program_in_path("openssl");
	if (!pki->openssl)
		return 0;
	pki->dir = g_dir_make_tmp("mcp-mux-tls-XXXXXX", NULL);
	run(pki, "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
		 "-keyout ca.key -out ca.pem -subj /CN=test-ca "
		 "-addext basicConstraints=critical,CA:TRUE");
	make_leaf(pki, "good", "IP:127.0.0.1,DNS:localhost", "2");
	make_leaf(pki, "other", "DNS:other.test", "2");
	make_leaf(pki, "expired", "IP:127.0.0.1", "-1");
	run(pki, "echo hello >answer");
	run(pki, "(echo -----BEGIN CERTIFICATE-----; echo AAAA; echo -----END CERTIFICATE-----) "
		 ">bad.pem");
	return 0;
}

static int group_teardown(void **state)
{
	struct Pki *pki = *state;
	if (pki->openssl)
		run(pki, "rm -r $PWD");
	g_free(pki->openssl);
	g_free(pki->dir);
	g_free(pki);
	return 0;
}

struct TlsServer {
	GPid pid;
	int output;
	unsigned port;
};

/* Starts one that answers GET /answer and gives the port that it chose. */
static void tls_server_start(struct TlsServer *server, const struct Pki *pki, const char *name)
{
	g_autofree char *line = g_strdup_printf(
		"openssl s_server -accept 127.0.0.1:0 -cert %s.pem -key %s.key -WWW", name, name);
	g_auto(GStrv) argv = NULL;
	assert_true(g_shell_parse_argv(line, NULL, &argv, NULL));
	assert_true(g_spawn_async_with_pipes(pki->dir, argv, NULL,
		G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
		NULL, &server->pid, NULL, &server->output, NULL, NULL));
	g_autoptr(GString) text = g_string_new(NULL);
	const char *accept;
	while (!(accept = strstr(text->str, "ACCEPT 127.0.0.1:")) || !strchr(accept, '\n')) {
		char bytes[256];
		ssize_t n = read(server->output, bytes, sizeof(bytes));
		assert_true(n > 0);
		g_string_append_len(text, bytes, n);
	}
	server->port = (unsigned)g_ascii_strtoull(accept + 17, NULL, 10);
	assert_true(server->port > 0);
}

static void tls_server_stop(struct TlsServer *server)
{
	kill(server->pid, SIGTERM);
	waitpid(server->pid, NULL, 0);
	close(server->output);
}

/* GETs the answer of a server with the certificate NAME. */
static void run_tls(struct Call *call, struct Http *http, const struct Pki *pki, const char *name,
	const char *ca_file)
{
	if (!pki->openssl)
		skip();
	struct HttpOptions options = {.ca_file = ca_file, .max_connections = 4};
	http_init(http, NULL, &options);
	struct TlsServer server;
	tls_server_start(&server, pki, name);
	call_init(call, http);
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/answer", server.port);
	call_start_url(call, url);
	turn_until(&http->fixture, call->dones, 1);
	tls_server_stop(&server);
}

static void an_unknown_issuer_is_refused_and_ca_file_is_named(void **state)
{
	struct Http http;
	struct Call call;
	run_tls(&call, &http, *state, "good", NULL);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "unknown issuer (ca_file can name it)");
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
}

static void an_issuer_in_ca_file_is_trusted(void **state)
{
	struct Pki *pki = *state;
	struct Http http;
	struct Call call;
	g_autofree char *ca_file = g_build_filename(pki->dir ? pki->dir : "", "ca.pem", NULL);
	run_tls(&call, &http, pki, "good", ca_file);
	assert_answered(&call, 200, "hello\n");
	assert_true(call.was_sent);
	call_release(&call);
	http_release(&http);
}

/* GETs the answer of SERVER. */
static void call_tls(struct Call *call, struct Http *http, const struct TlsServer *server)
{
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/answer", server->port);
	call_init(call, http);
	call_start_url(call, url);
	turn_until(&http->fixture, call->dones, 1);
}

static void trust_can_be_given_and_taken(void **state)
{
	struct Pki *pki = *state;
	if (!pki->openssl)
		skip();
	g_autofree char *ca_file = g_build_filename(pki->dir, "ca.pem", NULL);
	struct HttpOptions none = {.max_connections = 4};
	struct HttpOptions some = {.max_connections = 4, .ca_file = ca_file};
	struct Http http;
	struct TlsServer server;
	struct Call call;
	http_init(&http, NULL, &none);
	tls_server_start(&server, pki, "good");
	for (unsigned i = 0; i < 4; i++) {
		call_tls(&call, &http, &server);
		if (i % 2)
			assert_answered(&call, 200, "hello\n");
		else
			assert_failed(&call, MUX_ERROR_UNREACHABLE, "unknown issuer");
		call_release(&call);
		assert_true(http_client_reconfigure(http.client, i % 2 ? &none : &some, NULL));
	}
	tls_server_stop(&server);
	http_release(&http);
}

static void a_certificate_for_another_host_is_refused(void **state)
{
	struct Pki *pki = *state;
	struct Http http;
	struct Call call;
	g_autofree char *ca_file = g_build_filename(pki->dir ? pki->dir : "", "ca.pem", NULL);
	run_tls(&call, &http, pki, "other", ca_file);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "is for another host");
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
}

static void an_expired_certificate_is_refused(void **state)
{
	struct Pki *pki = *state;
	struct Http http;
	struct Call call;
	g_autofree char *ca_file = g_build_filename(pki->dir ? pki->dir : "", "ca.pem", NULL);
	run_tls(&call, &http, pki, "expired", ca_file);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "has expired");
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
}

static void a_ca_file_with_a_broken_certificate_is_said_to_be_at_fault(void **state)
{
	struct Pki *pki = *state;
	struct Http http;
	struct Call call;
	g_autofree char *ca_file = g_build_filename(pki->dir ? pki->dir : "", "bad.pem", NULL);
	run_tls(&call, &http, pki, "good", ca_file);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "trusted certificates cannot be read");
	call_release(&call);
	http_release(&http);
}

static void answer_in_clear(struct ScriptedConnection *c)
{
	scripted_fill(c);
	scripted_send(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
}

static void a_server_without_tls_is_unreachable(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_in_clear, NULL);
	call_init(&call, &http);
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/", http.server.port);
	call_start_url(&call, url);
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "no secure connection to 127.0.0.1:");
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
}

static void a_handshake_that_hangs_counts_as_connecting(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, scripted_await_eof, NULL);
	call_init(&call, &http);
	g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u/", http.server.port);
	struct HttpSpec spec = {.url = url, .connect_timeout_ms = 150, .max_body = MIB};
	call_start_spec(&call, &spec);
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_TIMEOUT, "within 0.15 s");
	assert_false(call.was_sent);
	call_release(&call);
	http_release(&http);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proxy_is_used_except_for_loopback),
		cmocka_unit_test(proxy_variables_are_obeyed_but_not_for_loopback),
		cmocka_unit_test(another_proxy_counts_from_the_next_request_on),
		cmocka_unit_test(a_ca_file_that_cannot_be_read_changes_nothing),
		cmocka_unit_test(trust_can_be_given_and_taken),
		cmocka_unit_test(a_ca_file_that_cannot_be_read_is_an_error_at_once),
		cmocka_unit_test(an_unknown_issuer_is_refused_and_ca_file_is_named),
		cmocka_unit_test(an_issuer_in_ca_file_is_trusted),
		cmocka_unit_test(a_certificate_for_another_host_is_refused),
		cmocka_unit_test(an_expired_certificate_is_refused),
		cmocka_unit_test(a_ca_file_with_a_broken_certificate_is_said_to_be_at_fault),
		cmocka_unit_test(a_server_without_tls_is_unreachable),
		cmocka_unit_test(a_handshake_that_hangs_counts_as_connecting),
	};
	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
