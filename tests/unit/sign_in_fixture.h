/* One sign-in with all that belongs to it: an authorization server, a keyring, a person's browser; and a clock that the
 * test puts forward. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_SIGN_IN_FIXTURE_H
#define MCP_MUX_TESTS_SIGN_IN_FIXTURE_H

#include "oauth_server.h"

#include "auth/credential_lock.h"
#include "auth/sign_in.h"
#include "client_fixture.h"
#include "http_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

static int64_t clock_ahead_ms;

/* Everything in the process reads time by this, GDBus and libmicrohttpd among it. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	long result = syscall(SYS_clock_gettime, clock, now);
	if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
		now->tv_sec += clock_ahead_ms / 1000;
	return (int)result;
}

/* Puts the clock forward, by whole seconds, so that what is due by then comes at once. */
static inline void clock_jump(struct Fixture *fixture, unsigned ms)
{
	clock_ahead_ms += ms;
	fixture_turn_for(fixture, 20);
}

struct Desk {
	struct Accounts a;
	struct Http browser;
	struct SignInSpec spec;
	struct SignIn *flow;
	bool started; /* sign_in_start has returned */
	unsigned urls, dones;
	char *url; /* as the handler got it */
	struct TokenRecord *record;
	GError *error;
	bool free_in_url, free_in_done;
};

static inline int desk_open(void **state)
{
	struct Desk *d = g_new0(struct Desk, 1);
	accounts_init(&d->a);
	d->a.connector.title = (char *)"My notes";
	d->a.connector.headers = g_ptr_array_new();
	d->a.connector.redirect_host = (char *)"127.0.0.1";
	d->a.connector.resource_parameter = true;
	d->browser.fixture = d->a.fixture;
	d->browser.client = d->a.shared.http;
	d->spec = (struct SignInSpec){.shared = &d->a.shared, .connector = &d->a.connector};
	g_setenv("XDG_STATE_HOME", keyring_fixture_folder(d->a.bank), TRUE);
	*state = d;
	return 0;
}

/* Ends a sign-in and forgets how it went, for another one. */
static inline void desk_clear(struct Desk *d)
{
	sign_in_free(g_steal_pointer(&d->flow));
	g_clear_pointer(&d->url, g_free);
	g_clear_pointer(&d->record, token_record_free);
	g_clear_error(&d->error);
	d->urls = d->dones = 0;
}

static inline int desk_close(void **state)
{
	struct Desk *d = *state;
	desk_clear(d);
	g_ptr_array_unref(d->a.connector.headers);
	accounts_release(&d->a);
	g_free(d);
	return 0;
}

static inline void desk_on_url(struct SignIn *flow, const char *url, void *user)
{
	struct Desk *d = user;
	assert_true(d->started);
	assert_ptr_equal(flow, d->flow);
	assert_int_equal(d->urls + d->dones, 0);
	assert_string_equal(url, sign_in_url(flow));
	d->url = g_strdup(url);
	d->urls++;
	if (d->free_in_url)
		sign_in_free(g_steal_pointer(&d->flow));
}

static inline void desk_on_done(
	struct SignIn *flow, const struct TokenRecord *record, const GError *error, void *user)
{
	struct Desk *d = user;
	assert_true(d->started);
	assert_ptr_equal(flow, d->flow);
	assert_int_equal(d->dones, 0);
	assert_true((record == NULL) == (error != NULL));
	d->dones++;
	d->record = record ? token_record_copy(record) : NULL;
	d->error = error ? g_error_copy(error) : NULL;
	if (d->free_in_done)
		sign_in_free(g_steal_pointer(&d->flow));
}

static inline void desk_start(struct Desk *d)
{
	static const struct SignInHandlers handlers = {desk_on_url, desk_on_done};
	d->started = false;
	d->flow = sign_in_start(&d->spec, &handlers, d);
	d->started = true;
}

/* Until the person has the URL. */
static inline void desk_await_url(struct Desk *d)
{
	desk_start(d);
	while (d->urls == 0 && d->dones == 0)
		g_main_context_iteration(d->a.fixture.context, TRUE);
	if (d->error)
		fail_msg("%s", d->error->message);
}

static inline void desk_await_done(struct Desk *d)
{
	turn_until(&d->a.fixture, d->dones, 1);
}

/* The browser follows to URL; the page comes later. */
static inline void desk_visit(struct Desk *d, struct Call *call, const char *url)
{
	call_init(call, &d->browser);
	call_start_url(call, url);
}

static inline void desk_await_page(struct Desk *d, struct Call *call, int status, const char *words)
{
	turn_until(&d->a.fixture, call->dones, 1);
	if (call->error)
		fail_msg("%s", call->error->message);
	if (call->status != status || !strstr(call->body->str, words))
		fail_msg("%d lacks %d \"%s\": %s", call->status, status, words, call->body->str);
	if (status != 200)
		assert_null(strstr(call->body->str, "is connected"));
	call_release(call);
}

/* The callback that the server gives to a person who consents, for g_free. */
static inline char *desk_consent(struct Desk *d)
{
	return oauth_server_consent(&d->a.server, d->url);
}

/* The whole way of a good sign-in, by the browser. */
static inline void desk_sign_in(struct Desk *d)
{
	struct Call call;
	desk_await_url(d);
	g_autofree char *callback = desk_consent(d);
	desk_visit(d, &call, callback);
	desk_await_done(d);
	if (d->error)
		fail_msg("%s", d->error->message);
	desk_await_page(d, &call, 200, "My notes is connected");
}

/* The parameter NAME of the authorization URL, for g_free. */
static inline char *desk_param(const struct Desk *d, const char *name)
{
	return oauth_param(strchr(d->url, '?') + 1, name);
}

#define assert_asks(desk, name, wanted)                                                            \
	do {                                                                                       \
		g_autofree char *asked = desk_param((desk), (name));                               \
		if (g_strcmp0(asked, (wanted)) != 0)                                               \
			fail_msg("%s: %s, not %s", (name), asked ? asked : "none",                 \
				(const char *)(wanted) ? (wanted) : "none");                       \
	} while (0)

/* The port that a browser is sent back to. */
static inline unsigned desk_port(const struct Desk *d)
{
	g_autofree char *uri = desk_param(d, "redirect_uri");
	g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_NONE, NULL);
	return (unsigned)g_uri_get_port(parsed);
}

/* What the keyring holds, parsed; NULL: nothing. */
static inline struct TokenRecord *desk_stored(struct Desk *d)
{
	struct KeyringKey key = accounts_token_key(&d->a);
	struct Secret *value = accounts_get(&d->a, &key);
	return value ? token_record_parse(secret_reveal(value), NULL) : NULL;
}

static inline void assert_nothing_stored(struct Desk *d)
{
	g_autoptr(TokenRecord) record = desk_stored(d);
	assert_null(record);
}

static inline bool desk_stamp_is_there(const struct Desk *d)
{
	g_autofree char *path =
		g_build_filename(keyring_fixture_folder(d->a.bank), "mcp-mux", "stamp", NULL);
	return g_file_test(path, G_FILE_TEST_EXISTS);
}

#define assert_fault(error, wanted_code, wanted_text)                                              \
	do {                                                                                       \
		const GError *actual = (error);                                                    \
		const char *said = actual ? actual->message : "no error";                          \
		if (!actual || !strstr(said, (wanted_text)))                                       \
			fail_msg("\"%s\" lacks \"%s\"", said, (wanted_text));                      \
		assert_true(g_error_matches(actual, MUX_ERROR, (int)(wanted_code)));               \
	} while (0)

#define desk_test(function) cmocka_unit_test_setup_teardown(function, desk_open, desk_close)

#endif
