/* Client assertions. The key is the person's own, given to `connect` and kept in the keyring; what can be wrong with
 * it is said in words that do not show it. libcrypto wipes the key that it made, but leaves pieces of the PEM in memory
 * that it frees while it decodes, which nothing here can reach. It would ask for a passphrase on the terminal, which a
 * server that runs for an IDE must never do: the callback refuses. */
#include "format/jws.h"

#include "base/base64url.h"
#include "base/error.h"
#include "format/json_writer.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

enum {
	KEY_BYTES = 64 * 1024, /* an RSA key of 16384 bits takes 13 KiB */
	RSA_BITS = 2048, /* RFC 7518, 3.3 */
	LIFE_S = 5 * 60,
	ID_BYTES = 16,
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)

struct Algorithm {
	const char *name; /* RFC 7518, 3.1; RFC 8037, 3.1 */
	const char *digest; /* NULL: the algorithm has its own */
	int half_bytes; /* of r and of s in an ECDSA signature (RFC 7518, 3.4); 0: none */
};

static const struct Algorithm rs256 = {"RS256", "SHA256", 0};
static const struct Algorithm eddsa = {"EdDSA", NULL, 0};
static const struct {
	const char *curve;
	struct Algorithm algorithm;
} curves[] = {
	{"prime256v1", {"ES256", "SHA256", 32}},
	{"secp384r1", {"ES384", "SHA384", 48}},
	{"secp521r1", {"ES512", "SHA512", 66}},
};

bool jws_is_private_key(struct Slice text)
{
	static const char begin[] = "-----BEGIN ";
	static const char end[] = "PRIVATE KEY-----";
	const char *limit = text.data + text.len;
	for (const char *p = text.data; p && p < limit; p++) {
		p = memmem(p, (size_t)(limit - p), begin, strlen(begin));
		if (!p)
			return false;
		const char *newline = memchr(p, '\n', (size_t)(limit - p));
		size_t line = (size_t)((newline ? newline : limit) - p);
		if (memmem(p, line, end, strlen(end)))
			return true;
	}
	return false;
}

static bool refuse(GError **error, const char *why)
{
	g_set_error(error, MUX_ERROR, MUX_ERROR_SYNTAX, "the private key %s", why);
	return false;
}

/* --- the key --- */

static int refuse_passphrase(char *buffer, int size, int writing, void *user)
{
	(void)buffer;
	(void)size;
	(void)writing;
	*(bool *)user = true;
	return -1;
}

static EVP_PKEY *read_key(struct Slice pem, GError **error)
{
	bool encrypted = false;
	EVP_PKEY *key = NULL;
	BIO *bio = pem.len <= KEY_BYTES ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	if (bio)
		key = PEM_read_bio_PrivateKey(bio, NULL, refuse_passphrase, &encrypted);
	BIO_free(bio);
	if (!key)
		refuse(error,
			encrypted ? "is encrypted: take the passphrase off (openssl pkey does it), "
				    "the keyring protects it"
				  : "cannot be read: it is to be in PEM");
	return key;
}

static const struct Algorithm *choose_by_curve(EVP_PKEY *key)
{
	char curve[64];
	if (!EVP_PKEY_get_utf8_string_param(
		    key, OSSL_PKEY_PARAM_GROUP_NAME, curve, sizeof(curve), NULL))
		return NULL;
	for (unsigned i = 0; i < G_N_ELEMENTS(curves); i++)
		if (strcmp(curve, curves[i].curve) == 0)
			return &curves[i].algorithm;
	return NULL;
}

static const struct Algorithm *choose_algorithm(EVP_PKEY *key, GError **error)
{
	const struct Algorithm *algorithm = NULL;
	if (EVP_PKEY_is_a(key, "RSA")) {
		if (EVP_PKEY_get_bits(key) < RSA_BITS) {
			refuse(error, "is too short: RSA keys need 2048 bits");
			return NULL;
		}
		algorithm = &rs256;
	} else if (EVP_PKEY_is_a(key, "EC")) {
		algorithm = choose_by_curve(key);
	} else if (EVP_PKEY_is_a(key, "ED25519")) {
		algorithm = &eddsa;
	}
	if (!algorithm)
		refuse(error, "is of a kind that is not known here: take RSA, EC on the curve "
			      "P-256, P-384 or P-521, or Ed25519");
	return algorithm;
}

/* --- the signature --- */

/* An ECDSA signature as JWS writes it: r and s in their full width, instead of ASN.1. */
static GBytes *join_halves(const unsigned char *der, size_t len, int half_bytes)
{
	g_autoptr(ECDSA_SIG) signature = d2i_ECDSA_SIG(NULL, &der, (long)len);
	unsigned char halves[2 * 66];
	if (!signature ||
		BN_bn2binpad(ECDSA_SIG_get0_r(signature), halves, half_bytes) != half_bytes ||
		BN_bn2binpad(ECDSA_SIG_get0_s(signature), halves + half_bytes, half_bytes) !=
			half_bytes)
		return NULL;
	return g_bytes_new(halves, 2 * (size_t)half_bytes);
}

/* The signature of INPUT in base64url, or NULL. */
static char *sign(EVP_PKEY *key, const struct Algorithm *algorithm, const GString *input)
{
	g_autoptr(EVP_MD_CTX) context = EVP_MD_CTX_new();
	const unsigned char *bytes = (const unsigned char *)input->str;
	size_t len = 0;
	if (!context ||
		EVP_DigestSignInit_ex(context, NULL, algorithm->digest, NULL, NULL, key, NULL) !=
			1 ||
		EVP_DigestSign(context, NULL, &len, bytes, input->len) != 1)
		return NULL;
	g_autofree unsigned char *signature = g_malloc(len);
	if (EVP_DigestSign(context, signature, &len, bytes, input->len) != 1)
		return NULL;
	if (!algorithm->half_bytes)
		return base64url_encode(signature, len);
	g_autoptr(GBytes) halves = join_halves(signature, len, algorithm->half_bytes);
	return halves ? base64url_encode(g_bytes_get_data(halves, NULL), g_bytes_get_size(halves))
		      : NULL;
}

/* --- the assertion --- */

static void append_encoded(GString *out, const GString *json)
{
	g_autofree char *encoded = base64url_encode(json->str, json->len);
	g_string_append(out, encoded);
}

/* Header and claims with a dot between: what is signed, and no secret before it is. */
static GString *signing_input(
	const char *algorithm, const char *client_id, const char *audience, int64_t now)
{
	g_autofree char *id = secret_random_text(ID_BYTES);
	g_autoptr(GString) header = g_string_new(NULL);
	struct JsonWriter w;
	json_writer_init(&w, header);
	json_begin_object(&w);
	json_member_string(&w, "alg", algorithm);
	json_member_string(&w, "typ", "JWT");
	json_end_object(&w);
	g_autoptr(GString) claims = g_string_new(NULL);
	json_writer_init(&w, claims);
	json_begin_object(&w);
	json_member_string(&w, "iss", client_id);
	json_member_string(&w, "sub", client_id);
	json_member_string(&w, "aud", audience);
	json_member_string(&w, "jti", id);
	json_member_int(&w, "iat", now);
	json_member_int(&w, "exp", now + LIFE_S);
	json_end_object(&w);
	GString *input = g_string_new(NULL);
	append_encoded(input, header);
	g_string_append_c(input, '.');
	append_encoded(input, claims);
	return input;
}

static struct Secret *make_assertion(
	struct Slice pem, const char *client_id, const char *audience, int64_t now, GError **error)
{
	g_autoptr(EVP_PKEY) key = read_key(pem, error);
	const struct Algorithm *algorithm = key ? choose_algorithm(key, error) : NULL;
	if (!algorithm)
		return NULL;
	g_autoptr(GString) input = signing_input(algorithm->name, client_id, audience, now);
	char *signature = sign(key, algorithm, input);
	if (!signature) {
		refuse(error, "cannot sign: its parts do not fit each other");
		return NULL;
	}
	struct Secret *assertion = secret_take(g_strconcat(input->str, ".", signature, NULL));
	secret_free_text(signature);
	return assertion;
}

struct Secret *jws_client_assertion(const struct Secret *key, const char *client_id,
	const char *audience, int64_t now, GError **error)
{
	/* libcurl's TLS reads the same queue of errors. */
	ERR_set_mark();
	struct Secret *assertion =
		make_assertion(secret_reveal(key), client_id, audience, now, error);
	ERR_pop_to_mark();
	return assertion;
}
