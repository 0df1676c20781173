/* What a server wants beyond the sign-in's scope, written into the record, where the next sign-in of any process finds
 * it: the lock, the record again, and that with the scope. */
#include "auth/credential_internal.h"

#include "base/log.h"
#include "format/scope.h"

struct ScopeNote {
	struct Credential *credential;
	GList link;
	char *scope;
	struct CredentialLock *waiting;
	struct FileLock *lock;
	struct KeyringCall *keyring;
};

static void note_free(struct ScopeNote *note)
{
	g_queue_unlink(&note->credential->notes, &note->link);
	credential_lock_cancel(note->waiting);
	keyring_call_cancel(note->keyring);
	file_unlock(note->lock);
	g_free(note->scope);
	g_free(note);
}

/* The note serves the next process: without it the scope is asked for when the server wants it again. */
static void note_failed(struct ScopeNote *note, const GError *error)
{
	log_debug(note->credential->connector->name, "the scope was not noted: %s", error->message);
	note_free(note);
}

static void on_noted(const GError *error, void *user)
{
	struct ScopeNote *note = user;
	note->keyring = NULL;
	if (error)
		note_failed(note, error);
	else
		note_free(note);
}

static void on_note_looked(struct Secret *value, const GError *error, void *user)
{
	struct ScopeNote *note = user;
	struct Credential *c = note->credential;
	note->keyring = NULL;
	g_autoptr(GError) fault = NULL;
	g_autoptr(TokenRecord) record =
		value ? token_record_parse(secret_reveal(value), &fault) : NULL;
	if (!record) {
		if (error || fault)
			note_failed(note, error ? error : fault);
		else
			note_free(note);
		return;
	}
	/* Another process may have noted something else. */
	char *wanted = scope_union(record->scope_wanted, note->scope);
	g_free(record->scope_wanted);
	record->scope_wanted = wanted;
	g_autoptr(Secret) text = token_record_write(record);
	note->keyring = keyring_store(c->shared->keyring, &c->key, text, on_noted, note);
}

static void on_note_locked(struct FileLock *lock, const GError *error, void *user)
{
	struct ScopeNote *note = user;
	struct Credential *c = note->credential;
	note->waiting = NULL;
	if (error) {
		note_failed(note, error);
		return;
	}
	note->lock = lock;
	note->keyring = keyring_lookup(c->shared->keyring, &c->key, on_note_looked, note);
}

void scope_note_start(struct Credential *c, const char *scope)
{
	struct ScopeNote *note = g_new0(struct ScopeNote, 1);
	note->credential = c;
	note->scope = g_strdup(scope);
	note->link.data = note;
	g_queue_push_tail_link(&c->notes, &note->link);
	note->waiting = credential_lock_start(
		c->shared->loop, c->connector, CREDENTIAL_LOCK_MS, on_note_locked, note);
}

void scope_note_drop_all(struct Credential *c)
{
	while (c->notes.head)
		note_free(c->notes.head->data);
}
