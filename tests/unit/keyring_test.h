/* A test with a real keyring that is unlocked, on a bus of its own. For one source file of a program alone. */
#ifndef MCP_MUX_TESTS_KEYRING_TEST_H
#define MCP_MUX_TESTS_KEYRING_TEST_H

#include "keyring_fixture.h"
#include "keyring_outcome.h"

#include "auth/keyring_internal.h"

struct Test {
	struct KeyringFixture *fixture;
	struct Keyring *keyring;
	unsigned changes;
};

static inline void on_changed(void *user)
{
	++*(unsigned *)user;
}

static inline void start(struct Test *test, enum KeyringFixtureKind kind)
{
	test->changes = 0;
	test->fixture = keyring_fixture_new(kind);
	test->keyring = keyring_new(false, on_changed, &test->changes);
}

static inline int set_up(void **state)
{
	struct Test *test = g_new0(struct Test, 1);
	*state = test;
	start(test, KEYRING_FIXTURE_UNLOCKED);
	return 0;
}

static inline int tear_down(void **state)
{
	struct Test *test = *state;
	keyring_free(test->keyring);
	turn_for(10);
	keyring_fixture_free(test->fixture);
	g_free(test);
	return 0;
}

#endif
