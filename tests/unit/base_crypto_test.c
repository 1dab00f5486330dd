/* SPDX-License-Identifier: Apache-2.0 */
/* Digests against FIPS 180-4's examples, P-256 against RFC 6979's vector and
 * itself, key files, and every bad way to give a key or a signature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/crypto.h"

/* RFC 6979 A.2.5: the P-256 key, and its signature of "sample". */
#define RFC_X "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
#define RFC_Y "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
#define RFC_R "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
#define RFC_S "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"

static void
unhex(const char *text, uint8_t *out, size_t size)
{
	size_t n;

	assert_true(hex_decode(text_of(text), out, size, &n));
	assert_int_equal(n, size);
}

static void
digests_of_abc(void **state)
{
	struct bytes abc = bytes_of("abc", 3);
	struct bytes parts[] = {
	    bytes_of("a", 1), bytes_of(NULL, 0), bytes_of("bc", 2)};
	uint8_t want[64];
	uint8_t got[64];

	(void)state;
	unhex("ba7816bf8f01cfea414140de5dae2223"
	      "b00361a396177a9cb410ff61f20015ad",
	    want, 32);
	sha256(abc, got);
	assert_memory_equal(got, want, 32);
	sha256_parts(parts, 3, got);
	assert_memory_equal(got, want, 32);
	unhex("cb00753f45a35e8bb5a03d699ac65007272c32ab0eded163"
	      "1a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
	    want, 48);
	sha384(abc, got);
	assert_memory_equal(got, want, 48);
	unhex("ddaf35a193617abacc417349ae204131"
	      "12e6fa4e89a97ea20a9eeee64b55d39a"
	      "2192992a274fc1a836ba3c23a3feebbd"
	      "454d4423643ce80e2a9ac94fa54ca49f",
	    want, 64);
	sha512(abc, got);
	assert_memory_equal(got, want, 64);
}

static void
randomness_stays_below(void **state)
{
	unsigned seen[6] = {0};

	(void)state;
	assert_true(random_below(0) == 0);
	assert_true(random_below(1) == 0);
	for (int i = 0; i < 3000; i++) {
		uint64_t n = random_below(6);

		assert_true(n < 6);
		seen[n]++;
	}
	for (int i = 0; i < 6; i++) /* 500 each; 17 deviations away */
		assert_in_range(seen[i], 150, 850);
	assert_true(random_below(UINT64_MAX) < UINT64_MAX);
}

static void
verifies_rfc_6979(void **state)
{
	struct ec_key *k;
	uint8_t x[32];
	uint8_t y[32];
	uint8_t hash[32];
	uint8_t sig[64];

	(void)state;
	unhex(RFC_X, x, 32);
	unhex(RFC_Y, y, 32);
	unhex(RFC_R, sig, 32);
	unhex(RFC_S, sig + 32, 32);
	sha256(bytes_of("sample", 6), hash);
	assert_true(ec_key_of_point(x, y, &k, NULL));
	assert_true(ec_verify(k, hash, sig));
	assert_true(ec_verify(k, hash, sig)); /* the context is kept */
	for (int i = 0; i < 64; i++) {
		sig[i] ^= 1;
		assert_false(ec_verify(k, hash, sig));
		sig[i] ^= 1;
	}
	assert_true(ec_verify(k, hash, sig));
	assert_false(ec_sign(k, hash, sig)); /* no private half */
	assert_false(ec_key_write_file(k, "no-such-folder/key", NULL));
	ec_key_free(&k);
	assert_null(k);
	ec_key_free(&k);
}

static void
signs_and_verifies(void **state)
{
	static const uint8_t zeros[64];
	struct ec_key *k = ec_key_generate();
	struct ec_key *other = ec_key_generate();
	uint8_t hash[32];
	uint8_t sig[64];
	uint8_t order[64];

	(void)state;
	unhex("FFFFFFFF00000000FFFFFFFFFFFFFFFF"
	      "BCE6FAADA7179E84F3B9CAC2FC632551"
	      "FFFFFFFF00000000FFFFFFFFFFFFFFFF"
	      "BCE6FAADA7179E84F3B9CAC2FC632551",
	    order, 64);
	for (int i = 0; i < 600; i++) { /* short r or s turn up in 1 of 128 */
		random_bytes(hash, sizeof(hash));
		assert_true(ec_sign(k, hash, sig));
		assert_true(ec_verify(k, hash, sig));
	}
	assert_false(ec_verify(other, hash, sig));
	assert_false(ec_verify(k, hash, zeros));
	assert_false(ec_verify(k, hash, order));
	ec_key_free(&k);
	ec_key_free(&other);
}

static void
points_go_there_and_back(void **state)
{
	struct ec_key *k = ec_key_generate();
	struct ec_key *public_half;
	struct fault f;
	uint8_t x[32];
	uint8_t y[32];
	uint8_t hash[32] = {1};
	uint8_t sig[64];

	(void)state;
	ec_key_point(k, x, y);
	assert_true(ec_key_of_point(x, y, &public_half, &f));
	assert_true(ec_sign(k, hash, sig));
	assert_true(ec_verify(public_half, hash, sig));
	assert_int_equal(
	    EVP_PKEY_eq(ec_key_pkey(k), ec_key_pkey(public_half)), 1);
	ec_key_free(&public_half);
	y[31] ^= 1;
	assert_false(ec_key_of_point(x, y, &public_half, &f));
	assert_int_equal(f.kind, FAULT_INVALID);
	assert_string_equal(f.why, "key: the point is not on the curve P-256");
	assert_null(public_half);
	memset(x, 0, 32);
	memset(y, 0, 32);
	assert_false(ec_key_of_point(x, y, &public_half, &f));
	memset(x, 0xff, 32);
	assert_false(ec_key_of_point(x, y, &public_half, &f));
	ec_key_free(&k);
}

static void
key_files(void **state)
{
	char folder[] = "assay-crypto-XXXXXX";
	char path[64];
	struct ec_key *k = ec_key_generate();
	struct ec_key *again;
	struct fault f;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/key.pem", folder);
	assert_true(ec_key_write_file(k, path, &f));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(ec_key_read_file(path, &again, &f));
	assert_int_equal(EVP_PKEY_eq(ec_key_pkey(k), ec_key_pkey(again)), 1);
	assert_false(ec_key_write_file(k, path, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_int_equal(unlink(path), 0);
	ec_key_free(&again);
	assert_false(ec_key_read_file(path, &again, &f));
	assert_int_equal(f.kind, FAULT_NOT_FOUND);
	assert_null(again);
	assert_int_equal(rmdir(folder), 0);
	ec_key_free(&k);
}

/* The PEM of a key in the given form, in a static buffer. */
static struct text
pem_of(EVP_PKEY *pkey, bool private_half, const EVP_CIPHER *cipher)
{
	static char pem[8192];
	BIO *bio = BIO_new(BIO_s_mem());
	char secret[] = "secret";
	int n;

	if (private_half)
		assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
				     bio, pkey, cipher, secret, 6, NULL, NULL),
		    1);
	else
		assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	n = BIO_read(bio, pem, sizeof(pem));
	assert_true(n > 0);
	BIO_free(bio);
	return (struct text){pem, (size_t)n};
}

static void
pem_public_and_encrypted(void **state)
{
	struct ec_key *k = ec_key_generate();
	struct ec_key *out;
	struct fault f;
	struct text pem = pem_of(ec_key_pkey(k), false, NULL);
	uint8_t hash[32] = {7};
	uint8_t sig[64];

	(void)state;
	assert_true(ec_key_read_pem(pem, &out, &f));
	assert_true(ec_sign(k, hash, sig));
	assert_true(ec_verify(out, hash, sig));
	assert_false(ec_sign(out, hash, sig));
	ec_key_free(&out);
	pem = pem_of(ec_key_pkey(k), true, EVP_aes_128_cbc());
	assert_false(ec_key_read_pem(pem, &out, &f));
	assert_true(strstr(f.why, "no unencrypted PEM key") != NULL);
	ec_key_free(&k);
}

static void
refuses_pem(EVP_PKEY *pkey, const char *sentence)
{
	struct text pem = pem_of(pkey, true, NULL);
	struct ec_key *out;
	struct fault f;

	assert_non_null(pkey);
	assert_false(ec_key_read_pem(pem, &out, &f));
	assert_null(out);
	assert_string_equal(f.why, sentence);
	assert_null(ec_key_of_pkey(pkey)); /* takes it all the same */
}

static EVP_PKEY *
explicit_curve(void)
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");

	assert_int_equal(
	    EVP_PKEY_set_utf8_string_param(pkey, "encoding", "explicit"), 1);
	return pkey;
}

static void
other_keys_are_refused(void **state)
{
	static const char no[] = "key: not an EC key on the named curve P-256";
	EVP_PKEY *spelled = explicit_curve();
	struct text pem = pem_of(spelled, true, NULL);
	struct ec_key *out;
	struct fault f;

	(void)state;
	refuses_pem(EVP_EC_gen("P-384"), no);
	refuses_pem(EVP_EC_gen("secp256k1"), no);
	refuses_pem(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), no);
	assert_false(ec_key_read_pem(pem, &out, &f));
	EVP_PKEY_free(spelled);
	assert_null(ec_key_of_pkey(NULL));
	assert_false(ec_key_read_pem(text_of(""), &out, &f));
	assert_string_equal(
	    f.why, "key: a PEM text has 1 to 16384 bytes, not 0");
	assert_false(ec_key_read_pem(text_of("-----BEGIN"), &out, &f));
}

static void
spki_is_hashed(void **state)
{
	struct ec_key *k = ec_key_generate();
	X509 *certificate = X509_new();
	uint8_t *der = NULL;
	uint8_t want[32];
	uint8_t got[32];
	int len;

	(void)state;
	assert_int_equal(X509_set_pubkey(certificate, ec_key_pkey(k)), 1);
	len = i2d_PUBKEY(ec_key_pkey(k), &der);
	assert_int_equal(len, 91);
	sha256(bytes_of(der, (size_t)len), want);
	spki_sha256(certificate, got);
	assert_memory_equal(got, want, 32);
	OPENSSL_free(der);
	X509_free(certificate);
	ec_key_free(&k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(digests_of_abc),
	    cmocka_unit_test(randomness_stays_below),
	    cmocka_unit_test(verifies_rfc_6979),
	    cmocka_unit_test(signs_and_verifies),
	    cmocka_unit_test(points_go_there_and_back),
	    cmocka_unit_test(key_files),
	    cmocka_unit_test(pem_public_and_encrypted),
	    cmocka_unit_test(other_keys_are_refused),
	    cmocka_unit_test(spki_is_hashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
