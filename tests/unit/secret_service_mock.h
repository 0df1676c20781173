/* A Secret Service of the test's own, in its own process and context, for what gnome-keyring does not do without a
 * screen: prompts. A test sees each prompt that was put up and answers it, or does not; and every habit of a
 * service that the keyring has to live with can be switched on. Speaks the `plain` algorithm alone. */
#ifndef MCP_MUX_TESTS_SECRET_SERVICE_MOCK_H
#define MCP_MUX_TESTS_SECRET_SERVICE_MOCK_H

#include <gio/gio.h>
#include <stdbool.h>

struct SecretServiceMock {
	/* Habits, to be set at any time. */
	bool locked; /* the one collection */
	bool missing; /* there is no default collection until a prompt has made one */
	bool gone; /* the default collection is named, but is not there */
	bool hides; /* shows no items while it is locked, and a search then is an offence */
	bool digests; /* knows its items by digests while it is locked, as gnome-keyring at first */
	bool locks_items; /* unlocked items still count as locked, for one unlocking more */
	bool prompts_to_store, prompts_to_delete;
	bool keeps; /* says that it deletes, and does not */
	bool obstinate; /* stays locked although the person has answered */
	bool ghost; /* lists an item that is not there */
	bool withholds; /* gives no secret of an item that it has */
	const char *silent; /* the method that is never answered; NULL: none */
	const char *failing; /* the method that fails with FAILURE (the name of a D-Bus error) */
	const char *failure;
	GVariant *dismissal; /* what comes with "dismissed"; NULL: what belongs there */

	/* What happened. */
	unsigned prompts; /* calls of Prompt */
	unsigned dismissals; /* calls of Dismiss */
	unsigned unlocks, searches, offences, creations;

	/* Its own. */
	GDBusConnection *bus;
	GDBusNodeInfo *interfaces;
	bool named;
	GArray *registrations;
	GPtrArray *items; /* struct MockItem */
	GPtrArray *pending; /* struct MockPrompt that was put up and not answered yet */
	unsigned serial;
};

/* Takes the service's name on BUS, which belongs to the test. */
struct SecretServiceMock *secret_service_mock_new(GDBusConnection *bus);
void secret_service_mock_free(struct SecretServiceMock *mock);
/* Gives up the name, as a service that ends. */
void secret_service_mock_vanish(struct SecretServiceMock *mock);

/* The person's answer to the oldest prompt that is up. */
void secret_service_mock_answer(struct SecretServiceMock *mock, bool accepted);

#endif
