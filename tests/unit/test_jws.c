#include "base/base64url.h"
#include "base/error.h"
#include "format/json.h"
#include "format/jws.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/ui.h>

static const int64_t NOW = 1790000000;
static const char CLIENT[] = "client \"1\"";
static const char AUDIENCE[] = "https://as.example/tenant";

/* The PEM of KEY, encrypted if there is a PASSPHRASE; TRADITIONAL is the form before PKCS #8. */
static struct Secret *pem_of(EVP_PKEY *key, const char *passphrase, bool traditional)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
	const unsigned char *bytes = (const unsigned char *)passphrase;
	int n = passphrase ? (int)strlen(passphrase) : 0;
	int ok = traditional ? PEM_write_bio_PrivateKey_traditional(
				       bio, key, cipher, bytes, n, NULL, NULL)
			     : PEM_write_bio_PrivateKey(bio, key, cipher, bytes, n, NULL, NULL);
	assert_int_equal(ok, 1);
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	struct Secret *pem = secret_new((struct Slice){data, (size_t)len});
	BIO_free(bio);
	return pem;
}

static struct Secret *assert_signed_with(const struct Secret *pem)
{
	g_autoptr(GError) error = NULL;
	struct Secret *assertion = jws_client_assertion(pem, CLIENT, AUDIENCE, NOW, &error);
	if (!assertion)
		fail_msg("%s", error->message);
	assert_null(error);
	assert_int_equal(ERR_peek_error(), 0);
	return assertion;
}

static void assert_refused(struct Slice text, const char *words)
{
	g_autoptr(Secret) pem = secret_new(text);
	g_autoptr(GError) error = NULL;
	assert_null(jws_client_assertion(pem, CLIENT, AUDIENCE, NOW, &error));
	assert_non_null(error);
	assert_true(g_error_matches(error, MUX_ERROR, MUX_ERROR_SYNTAX));
	if (!strstr(error->message, words))
		fail_msg("\"%s\" is not in \"%s\"", words, error->message);
	assert_int_equal(ERR_peek_error(), 0);
}

static void assert_key_refused(EVP_PKEY *key, const char *words)
{
	assert_non_null(key);
	g_autoptr(Secret) pem = pem_of(key, NULL, false);
	assert_refused(secret_reveal(pem), words);
	EVP_PKEY_free(key);
}

static void assert_string_member(struct Slice object, const char *key, const char *text)
{
	g_autofree char *value = json_string_dup(json_get(object, key));
	assert_non_null(value);
	assert_string_equal(value, text);
}

static int64_t int_member(struct Slice object, const char *key)
{
	int64_t value = 0;
	assert_true(json_int64(json_get(object, key), &value));
	return value;
}

static void check_claims(struct Slice claims)
{
	assert_true(json_validate(claims, NULL));
	assert_string_member(claims, "iss", CLIENT);
	assert_string_member(claims, "sub", CLIENT);
	assert_string_member(claims, "aud", AUDIENCE);
	assert_int_equal(int_member(claims, "iat"), NOW);
	assert_int_equal(int_member(claims, "exp"), NOW + 300);
	g_autofree char *id = json_string_dup(json_get(claims, "jti"));
	assert_int_equal(strlen(id), 22);
}

/* The ASN.1 that libcrypto verifies, of r and s next to each other. */
static unsigned char *join_ecdsa(const unsigned char *halves, size_t len, size_t *der_len)
{
	int half = (int)len / 2;
	ECDSA_SIG *signature = ECDSA_SIG_new();
	assert_int_equal(ECDSA_SIG_set0(signature, BN_bin2bn(halves, half, NULL),
				 BN_bin2bn(halves + half, half, NULL)),
		1);
	unsigned char *der = NULL;
	*der_len = (size_t)i2d_ECDSA_SIG(signature, &der);
	ECDSA_SIG_free(signature);
	return der;
}

static bool is_verified(EVP_PKEY *key, const char *digest, struct Slice input,
	const unsigned char *signature, size_t len)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, digest, NULL, NULL, key, NULL), 1);
	bool verified = EVP_DigestVerify(context, signature, len, (const unsigned char *)input.data,
				input.len) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return verified;
}

struct Expected {
	const char *name, *digest;
	size_t signature_bytes;
	bool is_ecdsa;
};

static void check_assertion(struct Slice assertion, EVP_PKEY *key, const struct Expected *expected)
{
	g_autofree char *text = slice_dup(assertion);
	g_auto(GStrv) parts = g_strsplit(text, ".", -1);
	assert_int_equal(g_strv_length(parts), 3);
	size_t len = 0;
	g_autofree char *header = base64url_decode(slice_of(parts[0]), &len);
	g_autofree char *wanted =
		g_strdup_printf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", expected->name);
	assert_string_equal(header, wanted);
	g_autofree char *claims = base64url_decode(slice_of(parts[1]), &len);
	check_claims((struct Slice){claims, len});
	g_autofree char *signature = base64url_decode(slice_of(parts[2]), &len);
	assert_int_equal(len, expected->signature_bytes);
	struct Slice input = {text, strlen(parts[0]) + 1 + strlen(parts[1])};
	unsigned char *bytes = (unsigned char *)signature;
	unsigned char *der = expected->is_ecdsa ? join_ecdsa(bytes, len, &len) : NULL;
	assert_true(is_verified(key, expected->digest, input, der ? der : bytes, len));
	input.len--;
	assert_false(is_verified(key, expected->digest, input, der ? der : bytes, len));
	OPENSSL_free(der);
}

/* KEY, which is freed, signs as EXPECTED, in each form of PEM. */
static void check_key(EVP_PKEY *key, const struct Expected *expected, bool has_traditional)
{
	assert_non_null(key);
	for (int traditional = 0; traditional <= has_traditional; traditional++) {
		g_autoptr(Secret) pem = pem_of(key, NULL, traditional);
		assert_true(jws_is_private_key(secret_reveal(pem)));
		g_autoptr(Secret) assertion = assert_signed_with(pem);
		check_assertion(secret_reveal(assertion), key, expected);
	}
	EVP_PKEY_free(key);
}

static void test_rsa_keys_sign_as_rs256(void **state)
{
	(void)state;
	static const struct Expected rs256 = {"RS256", "SHA256", 256, false};
	static const struct Expected longer = {"RS256", "SHA256", 384, false};
	check_key(EVP_RSA_gen(2048), &rs256, true);
	check_key(EVP_RSA_gen(3072), &longer, false);
}

static void test_keys_on_p256_sign_as_es256(void **state)
{
	(void)state;
	static const struct Expected es256 = {"ES256", "SHA256", 64, true};
	check_key(EVP_EC_gen("P-256"), &es256, true);
}

static void test_keys_on_p384_sign_as_es384(void **state)
{
	(void)state;
	static const struct Expected es384 = {"ES384", "SHA384", 96, true};
	check_key(EVP_EC_gen("P-384"), &es384, true);
}

static void test_keys_on_p521_sign_as_es512(void **state)
{
	(void)state;
	static const struct Expected es512 = {"ES512", "SHA512", 132, true};
	check_key(EVP_EC_gen("P-521"), &es512, true);
}

static void test_ed25519_keys_sign_as_eddsa(void **state)
{
	(void)state;
	static const struct Expected eddsa = {"EdDSA", NULL, 64, false};
	check_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), &eddsa, false);
}

/* One r or s of 256 begins with a zero byte, which ASN.1 leaves out. */
static void test_every_ecdsa_signature_has_its_full_width(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	g_autoptr(Secret) pem = pem_of(key, NULL, false);
	bool padded = false;
	for (int i = 0; i < 20000 && !padded; i++) {
		g_autoptr(Secret) assertion = assert_signed_with(pem);
		const char *signature = strrchr(secret_reveal(assertion).data, '.') + 1;
		size_t len = 0;
		g_autofree char *bytes = base64url_decode(slice_of(signature), &len);
		assert_int_equal(len, 64);
		padded = bytes[0] == 0 || bytes[32] == 0;
		static const struct Expected es256 = {"ES256", "SHA256", 64, true};
		if (padded)
			check_assertion(secret_reveal(assertion), key, &es256);
	}
	assert_true(padded);
	EVP_PKEY_free(key);
}

static void test_each_assertion_has_an_id_of_its_own(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	g_autoptr(Secret) pem = pem_of(key, NULL, false);
	g_autoptr(Secret) one = assert_signed_with(pem);
	g_autoptr(Secret) other = assert_signed_with(pem);
	assert_false(secret_equal(one, other));
	EVP_PKEY_free(key);
}

static void test_a_key_may_stand_among_other_things(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	g_autoptr(Secret) pem = pem_of(key, NULL, true);
	/* What `openssl ecparam -genkey` writes: the curve's name comes first. */
	g_autofree char *text =
		g_strconcat("Bag Attributes: none\n\n-----BEGIN EC PARAMETERS-----\n"
			    "BggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n",
			secret_reveal(pem).data, NULL);
	g_autoptr(Secret) whole = secret_new(slice_of(text));
	assert_true(jws_is_private_key(secret_reveal(whole)));
	g_autoptr(Secret) assertion = assert_signed_with(whole);
	static const struct Expected es256 = {"ES256", "SHA256", 64, true};
	check_assertion(secret_reveal(assertion), key, &es256);
	EVP_PKEY_free(key);
}

static void test_short_rsa_keys_are_refused(void **state)
{
	(void)state;
	assert_key_refused(EVP_RSA_gen(1024), "too short: RSA keys need 2048 bits");
	assert_key_refused(EVP_RSA_gen(2040), "too short: RSA keys need 2048 bits");
}

static void test_keys_of_other_kinds_are_refused(void **state)
{
	(void)state;
	assert_key_refused(EVP_EC_gen("secp256k1"), "is of a kind that is not known here");
	assert_key_refused(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), "is of a kind");
	assert_key_refused(EVP_PKEY_Q_keygen(NULL, NULL, "X25519"), "is of a kind");
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
	EVP_PKEY *pss = NULL;
	assert_int_equal(EVP_PKEY_keygen_init(context), 1);
	assert_int_equal(EVP_PKEY_generate(context, &pss), 1);
	EVP_PKEY_CTX_free(context);
	assert_key_refused(pss, "is of a kind");
}

static void test_a_curve_may_be_written_as_its_equation(void **state)
{
	(void)state;
	static const struct Expected es256 = {"ES256", "SHA256", 64, true};
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_int_equal(EVP_PKEY_set_utf8_string_param(
				 key, OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PKEY_EC_ENCODING_EXPLICIT),
		1);
	check_key(key, &es256, false);
}

static bool terminal_was_asked;

static int note_question(UI *ui)
{
	(void)ui;
	terminal_was_asked = true;
	return 0;
}

static void test_encrypted_keys_are_refused_without_a_question(void **state)
{
	(void)state;
	UI_METHOD *method = UI_create_method("note");
	UI_method_set_opener(method, note_question);
	const UI_METHOD *before = UI_get_default_method();
	UI_set_default_method(method);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	for (int traditional = 0; traditional < 2; traditional++) {
		g_autoptr(Secret) pem = pem_of(key, "passphrase", traditional);
		assert_true(jws_is_private_key(secret_reveal(pem)));
		assert_refused(secret_reveal(pem), "is encrypted: take the passphrase off");
	}
	EVP_PKEY_free(key);
	assert_false(terminal_was_asked);
	UI_set_default_method(before);
	UI_destroy_method(method);
}

static void test_what_is_no_key_is_refused(void **state)
{
	(void)state;
	static const char words[] = "cannot be read: it is to be in PEM";
	assert_refused(SLICE(""), words);
	assert_refused(SLICE("secret"), words);
	assert_refused(SLICE("-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"), words);
	assert_refused(
		SLICE("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), words);
	assert_refused(SLICE("-----BEGIN RSA PRIVATE KEY-----\nMAMCAQA=\n"
			     "-----END RSA PRIVATE KEY-----\n"),
		words);
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	assert_refused((struct Slice){data, (size_t)len}, words);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

static void test_texts_of_more_than_64_kib_are_no_keys(void **state)
{
	(void)state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	g_autoptr(Secret) pem = pem_of(key, NULL, false);
	EVP_PKEY_free(key);
	g_autofree char *space = g_strnfill(64 * 1024 - secret_reveal(pem).len, '\n');
	g_autofree char *most = g_strconcat(space, secret_reveal(pem).data, NULL);
	g_autoptr(Secret) taken = secret_new(slice_of(most));
	g_autoptr(Secret) assertion = assert_signed_with(taken);
	g_autofree char *more = g_strconcat("\n", most, NULL);
	assert_refused(slice_of(more), "cannot be read");
}

/* An RSA key with an even modulus: well-formed, and no arithmetic works with it. */
static EVP_PKEY *broken_rsa(void)
{
	OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	EVP_PKEY *good = EVP_RSA_gen(2048);
	static const char *const names[] = {OSSL_PKEY_PARAM_RSA_N, OSSL_PKEY_PARAM_RSA_E,
		OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1, OSSL_PKEY_PARAM_RSA_FACTOR2,
		OSSL_PKEY_PARAM_RSA_EXPONENT1, OSSL_PKEY_PARAM_RSA_EXPONENT2,
		OSSL_PKEY_PARAM_RSA_COEFFICIENT1};
	BIGNUM *numbers[G_N_ELEMENTS(names)] = {NULL};
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		assert_int_equal(EVP_PKEY_get_bn_param(good, names[i], &numbers[i]), 1);
		if (i == 0 || i == 3 || i == 4)
			BN_clear_bit(numbers[i], 0);
		OSSL_PARAM_BLD_push_BN(builder, names[i], numbers[i]);
	}
	OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY *key = NULL;
	assert_int_equal(EVP_PKEY_fromdata_init(context), 1);
	assert_int_equal(EVP_PKEY_fromdata(context, &key, EVP_PKEY_KEYPAIR, parameters), 1);
	EVP_PKEY_CTX_free(context);
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		BN_clear_free(numbers[i]);
	EVP_PKEY_free(good);
	return key;
}

static void test_a_key_that_cannot_sign_is_refused(void **state)
{
	(void)state;
	assert_key_refused(broken_rsa(), "cannot sign");
}

static void test_errors_of_others_stay_where_they_are(void **state)
{
	(void)state;
	ERR_raise(ERR_LIB_USER, 1);
	g_autoptr(Secret) pem = secret_new(SLICE("secret"));
	assert_null(jws_client_assertion(pem, CLIENT, AUDIENCE, NOW, NULL));
	assert_int_equal(ERR_GET_LIB(ERR_get_error()), ERR_LIB_USER);
	assert_int_equal(ERR_get_error(), 0);
}

static void test_private_keys_are_told_from_secrets(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_key;
	} cases[] = {
		{"-----BEGIN PRIVATE KEY-----\nx", true},
		{"-----BEGIN RSA PRIVATE KEY-----\r\nx", true},
		{" \n-----BEGIN EC PRIVATE KEY-----", true},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\n", true},
		{"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
		 "-----BEGIN PRIVATE KEY-----\n",
			true},
		{"", false},
		{"secret", false},
		{"PRIVATE KEY-----", false},
		{"-----BEGIN PUBLIC KEY-----\n", false},
		{"-----BEGIN CERTIFICATE-----\nPRIVATE KEY-----", false},
		{"-----BEGIN ", false},
		{"-----BEGIN PRIVATE KEY----", false},
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *exact = g_memdup2(cases[i].text, strlen(cases[i].text));
		struct Slice text = {exact, strlen(cases[i].text)};
		if (jws_is_private_key(text) != cases[i].is_key)
			fail_msg("%s", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rsa_keys_sign_as_rs256),
		cmocka_unit_test(test_keys_on_p256_sign_as_es256),
		cmocka_unit_test(test_keys_on_p384_sign_as_es384),
		cmocka_unit_test(test_keys_on_p521_sign_as_es512),
		cmocka_unit_test(test_ed25519_keys_sign_as_eddsa),
		cmocka_unit_test(test_every_ecdsa_signature_has_its_full_width),
		cmocka_unit_test(test_each_assertion_has_an_id_of_its_own),
		cmocka_unit_test(test_a_key_may_stand_among_other_things),
		cmocka_unit_test(test_short_rsa_keys_are_refused),
		cmocka_unit_test(test_keys_of_other_kinds_are_refused),
		cmocka_unit_test(test_a_curve_may_be_written_as_its_equation),
		cmocka_unit_test(test_encrypted_keys_are_refused_without_a_question),
		cmocka_unit_test(test_what_is_no_key_is_refused),
		cmocka_unit_test(test_texts_of_more_than_64_kib_are_no_keys),
		cmocka_unit_test(test_a_key_that_cannot_sign_is_refused),
		cmocka_unit_test(test_errors_of_others_stay_where_they_are),
		cmocka_unit_test(test_private_keys_are_told_from_secrets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
