/* Several header fields of one name in an answer. */
#include "http_fixture.h"

static void answer_with_many_fields(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(c, "HTTP/1.1 103 Early Hints\r\nWWW-Authenticate: hint\r\n\r\n");
	scripted_send(c, "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n"
			 "WWW-Authenticate: Basic realm=\"a, b\"\r\nX-One: 1\r\n"
			 "www-authenticate:\t Bearer scope=x \r\nX-Empty:\r\n"
			 "WWW-AUTHENTICATE: Negotiate,\r\n NTLM\r\n");
	for (unsigned i = 0; i < 70; i++)
		scripted_sendf(c, "X-Many: %u\r\n", i);
	scripted_send(c, "\r\n2\r\nno\r\n0\r\nWWW-Authenticate: late\r\n\r\n");
	scripted_await_eof(c);
}

static void assert_fields(struct Call *call)
{
	static const char *const expected[][2] = {
		{"Www-Authenticate", "Basic realm=\"a, b\", Bearer scope=x, Negotiate, NTLM"},
		{"x-one", "1"}, {"x-empty", ""}, {"x-none", NULL}};
	for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
		g_autofree char *all = http_request_header_all(call->request, expected[i][0]);
		if (g_strcmp0(all, expected[i][1]) != 0)
			fail_msg("%s is \"%s\"", expected[i][0], all);
	}
	g_autofree char *many = http_request_header_all(call->request, "x-many");
	assert_true(g_str_has_prefix(many, "0, 1, 2, "));
	assert_true(g_str_has_suffix(many, ", 62, 63"));
}

static void all_fields_of_a_name_come_joined(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_with_many_fields, NULL);
	call_init(&call, &http);
	call.want_header = "www-authenticate";
	call.on_head = assert_fields;
	call.on_data = assert_fields;
	call.on_done = assert_fields;
	call_run(&call, "/");
	assert_answered(&call, 401, "no");
	assert_string_equal(call.header, "Negotiate, NTLM");
	assert_true(call.datas > 0);
	call_release(&call);
	http_release(&http);
}

static void answer_with_an_empty_field(struct ScriptedConnection *c)
{
	scripted_read_request(c);
	scripted_send(
		c, "HTTP/1.1 200 OK\r\nX-A: one\r\nX-A: \r\nX-B:\r\nContent-Length: 0\r\n\r\n");
	scripted_await_eof(c);
}

static void assert_empty(struct Call *call)
{
	assert_string_equal(http_request_header(call->request, "x-b"), "");
	g_autofree char *all = http_request_header_all(call->request, "x-a");
	assert_string_equal(all, "one, ");
}

static void an_empty_field_is_there(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, answer_with_an_empty_field, NULL);
	call_init(&call, &http);
	call.want_header = "x-a";
	call.on_head = assert_empty;
	call_run(&call, "/");
	assert_answered(&call, 200, "");
	assert_string_equal(call.header, "");
	call_release(&call);
	http_release(&http);
}

static void assert_no_fields(struct Call *call)
{
	assert_null(http_request_header_all(call->request, "www-authenticate"));
}

static void without_an_answer_there_are_no_fields(void **state)
{
	(void)state;
	struct Http http;
	struct Call call;
	http_init(&http, NULL, NULL);
	call_init(&call, &http);
	call.on_done = assert_no_fields;
	call_start_url(&call, "http://127.0.0.1:1/");
	turn_until(&http.fixture, call.dones, 1);
	assert_failed(&call, MUX_ERROR_UNREACHABLE, "127.0.0.1:1");
	call_release(&call);
	http_release(&http);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_fields_of_a_name_come_joined),
		cmocka_unit_test(an_empty_field_is_there),
		cmocka_unit_test(without_an_answer_there_are_no_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
