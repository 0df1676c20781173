/* The order is: the keyring; where it has none, the lock `audit-key`, so that two processes do not make two; the keyring
 * again; a new key, which is used once it is stored. What cannot be had is looked for again when the keyring changes, or
 * after a while. The key goes into libcrypto's state of the digest and is kept nowhere else. */
#include "auth/audit_key.h"

#include "base/base64url.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

enum {
	LOCK_POLL_MS = 30,
	LOCK_MS = 5 * 1000,
	AGAIN_MS = 5 * 1000, /* not every service says that it was unlocked */
};

/* `mcp_mux` is the name of no connector. */
static const struct KeyringKey item = {
	.connector = "mcp_mux",
	.resource = "audit",
	.kind = KEYRING_AUDIT_KEY,
};

struct AuditKey {
	struct Loop *loop;
	struct Keyring *keyring;
	bool wanted;
	struct KeyringCall *call;
	struct LoopTimer poll; /* for the lock */
	int64_t deadline_us;
	struct FileLock *lock;
	struct Secret *made; /* while it is being stored */
	int64_t failed_us; /* monotonic; 0: it did not */
	EVP_MAC_CTX *digest; /* keyed; NULL: the key is not there */
};

struct AuditKey *audit_key_new(struct Loop *loop, struct Keyring *keyring)
{
	struct AuditKey *key = g_new0(struct AuditKey, 1);
	key->loop = loop;
	key->keyring = keyring;
	return key;
}

/* Nothing is under way any more. */
static void end(struct AuditKey *key)
{
	loop_timer_stop(&key->poll);
	g_clear_pointer(&key->lock, file_unlock);
	g_clear_pointer(&key->made, secret_unref);
}

void audit_key_free(struct AuditKey *key)
{
	if (!key)
		return;
	keyring_call_cancel(key->call);
	end(key);
	EVP_MAC_CTX_free(key->digest);
	g_free(key);
}

static void fail(struct AuditKey *key, const char *why)
{
	end(key);
	if (key->failed_us == 0)
		log_info(NULL, "the audit log has no digests of arguments for now: %s", why);
	key->failed_us = g_get_monotonic_time();
}

/* ---- using it ---- */

/* NULL if libcrypto cannot. */
static EVP_MAC_CTX *digest_new(const char *bytes)
{
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *digest = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (digest &&
		EVP_MAC_init(digest, (const unsigned char *)bytes, AUDIT_KEY_BYTES, params) == 1)
		return digest;
	EVP_MAC_CTX_free(digest);
	return NULL;
}

static void take(struct AuditKey *key, struct Secret *value)
{
	size_t len = 0;
	char *bytes = base64url_decode(secret_reveal(value), &len);
	end(key);
	if (!bytes || len != AUDIT_KEY_BYTES)
		fail(key, "its key in the keyring cannot be read");
	else if (!(key->digest = digest_new(bytes)))
		fail(key, "libcrypto has no HMAC");
	if (bytes)
		secret_wipe(bytes, len);
	g_free(bytes);
}

bool audit_key_digest(struct AuditKey *key, struct Slice bytes, char hex[AUDIT_KEY_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char sum[AUDIT_KEY_HEX / 2];
	size_t len = 0;
	/* To begin anew with the same key is a fraction of the cost of beginning with it. */
	if (!key->digest || EVP_MAC_init(key->digest, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(key->digest, (const unsigned char *)bytes.data, bytes.len) != 1 ||
		EVP_MAC_final(key->digest, sum, &len, sizeof(sum)) != 1)
		return false;
	for (size_t i = 0; i < sizeof(sum); i++) {
		hex[2 * i] = digits[sum[i] >> 4];
		hex[2 * i + 1] = digits[sum[i] & 15];
	}
	hex[AUDIT_KEY_HEX] = '\0';
	return true;
}

/* ---- making it ---- */

static void on_stored(const GError *error, void *user)
{
	struct AuditKey *key = user;
	key->call = NULL;
	if (error) {
		fail(key, error->message);
		return;
	}
	g_autoptr(Secret) made = secret_ref(key->made);
	take(key, made);
}

/* What a look into the keyring gave is seen to; whether there is no key yet. */
static bool is_missing(struct AuditKey *key, struct Secret *value, const GError *error)
{
	key->call = NULL;
	if (error)
		fail(key, error->message);
	else if (value)
		take(key, value);
	return !error && !value;
}

static void on_looked_again(struct Secret *value, const GError *error, void *user)
{
	struct AuditKey *key = user;
	if (!is_missing(key, value, error))
		return;
	key->made = secret_take(secret_random_text(AUDIT_KEY_BYTES));
	key->call = keyring_store(key->keyring, &item, key->made, on_stored, key);
}

static void try_lock(void *user)
{
	struct AuditKey *key = user;
	gint64 holder = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *path = file_state_path("locks/audit-key");
	key->lock = file_try_lock(path, &holder, &error);
	if (key->lock)
		key->call = keyring_lookup(key->keyring, &item, on_looked_again, key);
	else if (error)
		fail(key, error->message);
	else if (g_get_monotonic_time() < key->deadline_us)
		loop_timer_start(key->loop, &key->poll, LOCK_POLL_MS, try_lock, key);
	else
		fail(key, "another process has been making its key for long");
}

/* ---- looking for it ---- */

static void on_looked(struct Secret *value, const GError *error, void *user)
{
	struct AuditKey *key = user;
	if (!is_missing(key, value, error))
		return;
	key->deadline_us = g_get_monotonic_time() + (int64_t)LOCK_MS * 1000;
	try_lock(key);
}

bool audit_key_is_awaited(const struct AuditKey *key)
{
	return key->call || key->poll.loop;
}

static void look(struct AuditKey *key)
{
	if (!key->digest && !audit_key_is_awaited(key))
		key->call = keyring_lookup(key->keyring, &item, on_looked, key);
}

void audit_key_want(struct AuditKey *key)
{
	key->wanted = true;
	if (key->failed_us == 0 ||
		g_get_monotonic_time() - key->failed_us > (int64_t)AGAIN_MS * 1000)
		look(key);
}

void audit_key_reread(struct AuditKey *key)
{
	if (key->wanted)
		look(key);
}
