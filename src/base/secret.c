#include "base/secret.h"

#include "base/base64url.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <sys/random.h>

struct Secret {
	unsigned references;
	size_t len;
	char bytes[]; /* and a NUL */
};

void secret_wipe(void *bytes, size_t len)
{
	if (len)
		explicit_bzero(bytes, len);
}

struct Secret *secret_new(struct Slice bytes)
{
	struct Secret *secret = g_malloc(sizeof(*secret) + bytes.len + 1);
	secret->references = 1;
	secret->len = bytes.len;
	if (bytes.len)
		memcpy(secret->bytes, bytes.data, bytes.len);
	secret->bytes[bytes.len] = '\0';
	return secret;
}

struct Secret *secret_take(char *text)
{
	if (!text)
		return NULL;
	struct Secret *secret = secret_new(slice_of(text));
	secret_free_text(text);
	return secret;
}

struct Secret *secret_ref(struct Secret *secret)
{
	if (secret)
		secret->references++;
	return secret;
}

void secret_unref(struct Secret *secret)
{
	if (!secret || --secret->references > 0)
		return;
	secret_wipe(secret, sizeof(*secret) + secret->len + 1);
	g_free(secret);
}

struct Slice secret_reveal(const struct Secret *secret)
{
	return secret ? (struct Slice){secret->bytes, secret->len} : (struct Slice){NULL, 0};
}

bool secret_equal(const struct Secret *a, const struct Secret *b)
{
	if (!a || !b)
		return a == b;
	return a->len == b->len && CRYPTO_memcmp(a->bytes, b->bytes, a->len) == 0;
}

char *secret_random_text(unsigned bytes)
{
	char *random = g_malloc(bytes);
	for (size_t used = 0; used < bytes;) {
		ssize_t n = getrandom(random + used, bytes - used, 0);
		if (n < 0 && errno != EINTR)
			g_error("the kernel gives no random bytes: %s", g_strerror(errno));
		if (n > 0)
			used += (size_t)n;
	}
	char *text = base64url_encode(random, bytes);
	secret_wipe(random, bytes);
	g_free(random);
	return text;
}

void secret_free_text(char *text)
{
	if (!text)
		return;
	secret_wipe(text, strlen(text));
	g_free(text);
}

void secret_free_string(GString *string)
{
	if (!string)
		return;
	size_t allocated = string->allocated_len;
	char *text = g_string_free(string, FALSE);
	secret_wipe(text, allocated);
	g_free(text);
}
