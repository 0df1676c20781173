/* One choice of a client, and what its handler was told. */
#ifndef MCP_MUX_TESTS_CHOICE_FIXTURE_H
#define MCP_MUX_TESTS_CHOICE_FIXTURE_H

#include "client_fixture.h"

#define URI "http://127.0.0.1:4711/callback"

struct Test {
	struct Accounts a;
	struct Discovered discovered;
	/* One choice and what its handler was told. */
	struct ClientChoice *choice;
	bool started, cancels;
	unsigned done, port;
	struct ClientRecord *client;
	GError *error;
};

/* The server says nothing of methods, registers, and knows no documents. */
static inline void setup(struct Test *t)
{
	*t = (struct Test){0};
	accounts_init(&t->a);
	t->discovered.server = (struct ServerMetadata){
		.issuer = t->a.server.origin,
		.registration_endpoint = g_strconcat(t->a.server.origin, "/register", NULL),
	};
}

static inline void forget_result(struct Test *t)
{
	g_clear_pointer(&t->client, client_record_free);
	g_clear_error(&t->error);
	t->done = 0;
}

static inline void teardown(struct Test *t)
{
	forget_result(t);
	g_free(t->discovered.server.registration_endpoint);
	accounts_release(&t->a);
}

static inline void on_chosen(const struct ClientRecord *client, const GError *error, void *user)
{
	struct Test *t = user;
	assert_true(t->started);
	assert_int_equal(t->done, 0);
	assert_true((client == NULL) == (error != NULL));
	t->done++;
	t->client = client ? client_record_copy(client) : NULL;
	t->error = error ? g_error_copy(error) : NULL;
	if (t->cancels)
		client_choice_cancel(t->choice);
	t->choice = NULL;
}

static inline void start(struct Test *t, bool fresh)
{
	forget_result(t);
	t->started = false;
	t->choice = client_choose(
		&t->a.shared, &t->a.connector, &t->discovered, URI, fresh, on_chosen, t);
	t->started = true;
}

static inline void choose(struct Test *t, bool fresh)
{
	start(t, fresh);
	turn_until(&t->a.fixture, t->done, 1);
}

#define assert_chosen(t, wanted_id, wanted_method)                                                 \
	do {                                                                                       \
		if ((t)->error)                                                                    \
			fail_msg("%s", (t)->error->message);                                       \
		assert_string_equal((t)->client->client_id, (wanted_id));                          \
		assert_string_equal((t)->client->auth_method, (wanted_method));                    \
	} while (0)

static inline void say_registered(struct Test *t, const char *body)
{
	oauth_server_say(&t->a.server, "/register", 201, "", body);
}

#endif
