/* A session bus of the test's own, and on it a real gnome-keyring-daemon with an unlocked keyring; some 40 ms to
 * start. All processes and files go with keyring_fixture_free; the processes go with the test, too, if that dies.
 * While it is there, DBUS_SESSION_BUS_ADDRESS of this process is the bus's address. One at a time.
 *
 * Needs the packages dbus and gnome-keyring. Every function waits until what it does has happened, and fails the test
 * where that takes longer than ten seconds. None of them turns the main context: struct Keyring calls back in the
 * thread-default context of its creation, so a test with a context of its own pushes that
 * (g_main_context_push_thread_default) before keyring_new. */
#ifndef MCP_MUX_TESTS_KEYRING_FIXTURE_H
#define MCP_MUX_TESTS_KEYRING_FIXTURE_H

#include <gio/gio.h>

struct KeyringFixture;

enum KeyringFixtureKind {
	KEYRING_FIXTURE_UNLOCKED, /* an empty, unlocked default collection */
	KEYRING_FIXTURE_BARE_BUS, /* a bus that has no service and cannot start one */
};

struct KeyringFixture *keyring_fixture_new(enum KeyringFixtureKind kind);
void keyring_fixture_free(struct KeyringFixture *fixture);

/* Locks and unlocks the default collection, as its owner may at any time. */
void keyring_fixture_lock(struct KeyringFixture *fixture);
void keyring_fixture_unlock(struct KeyringFixture *fixture);
/* Stops the daemon (SIGSTOP), so that it is there and silent; lets it go on. */
void keyring_fixture_stop(struct KeyringFixture *fixture);
void keyring_fixture_continue(struct KeyringFixture *fixture);
/* Kills the daemon. The bus starts another one when it is asked for: a locked one, that has read no keyring yet. */
void keyring_fixture_kill(struct KeyringFixture *fixture);
/* The same for the bus itself; and starts one anew at another address, without a daemon. */
void keyring_fixture_kill_bus(struct KeyringFixture *fixture);
void keyring_fixture_restart_bus(struct KeyringFixture *fixture);
/* The same as for the daemon. */
void keyring_fixture_stop_bus(struct KeyringFixture *fixture);
void keyring_fixture_continue_bus(struct KeyringFixture *fixture);

/* The fixture's own connection to the bus, for questions to the service. */
GDBusConnection *keyring_fixture_connection(struct KeyringFixture *fixture);
/* Where the daemon keeps its files. */
const char *keyring_fixture_folder(const struct KeyringFixture *fixture);
/* Whether somebody provides the keyring service now. */
gboolean keyring_fixture_has_service(struct KeyringFixture *fixture);

#endif
