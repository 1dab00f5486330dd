/* SPDX-License-Identifier: Apache-2.0 */
/* DIDs, certificate requests and the certificates an authority issues. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "auth/device.h"
#include "base/codec.h"
#include "base/tls.h"

#define DAY INT64_C(86400000)
#define NOW INT64_C(1790000000000)

/* did:key's own P-256 example: the same multicodec and base58. */
static void
test_did_of_a_known_key(void **state)
{
	static const char spki_hex[] =
	    "3039301306072a8648ce3d020106082a8648ce3d030107032200";
	static const char point_hex[] = "037f235830dd3defa722ef1aa249d6a0ddbba4"
					"f990b0817538933f573640653542";
	uint8_t der[59], point[33];
	const uint8_t *at = der;
	char did[DEVICE_DID_TEXT];
	struct ec_key *k;

	(void)state;
	assert_true(hex_decode(text_of(spki_hex), der, 26, NULL));
	assert_true(hex_decode(text_of(point_hex), point, 33, NULL));
	memcpy(der + 26, point, 33);
	k = ec_key_of_pkey(d2i_PUBKEY(NULL, &at, sizeof der));
	assert_non_null(k);
	device_did(k, did);
	assert_string_equal(
	    did, "did:assay:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169");
	assert_true(text_is_did(text_of(did)));
	ec_key_free(&k);
}

static void
test_dids_differ_and_stay(void **state)
{
	struct ec_key *a = ec_key_generate(), *b = ec_key_generate();
	char one[DEVICE_DID_TEXT], two[DEVICE_DID_TEXT];

	(void)state;
	device_did(a, one);
	device_did(a, two);
	assert_string_equal(one, two);
	device_did(b, two);
	assert_string_not_equal(one, two);
	ec_key_free(&a);
	ec_key_free(&b);
}

static char *
request_pem(struct arena *a, EVP_PKEY *key, EVP_PKEY *signer, const EVP_MD *md)
{
	X509_REQ *req = X509_REQ_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *at, *out;
	long len;

	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, signer, md) > 0);
	PEM_write_bio_X509_REQ(bio, req);
	len = BIO_get_mem_data(bio, &at);
	out = arena_copy(a, at, (size_t)len);
	BIO_free(bio);
	X509_REQ_free(req);
	return out;
}

static void
refuse(const char *pem, const char *why)
{
	struct ec_key *k;
	struct fault f;

	if (csr_read(text_of(pem), &k, &f))
		fail_msg("accepted, wanted: %s", why);
	assert_null(k);
	assert_int_equal(f.kind, FAULT_CSR_INVALID);
	if (strstr(f.why, why) == NULL)
		fail_msg("%s, wanted: %s", f.why, why);
}

static void
test_requests(void **state)
{
	struct arena *a = arena_new();
	struct ec_key *k = ec_key_generate(), *other = ec_key_generate();
	struct ec_key *read;
	EVP_PKEY *p384 = EVP_EC_gen("P-384"), *rsa = EVP_RSA_gen(2048);
	EVP_PKEY *mine = ec_key_pkey(k);
	uint8_t x[32], y[32], rx[32], ry[32];
	struct fault f;
	char *good, *bad;

	(void)state;
	good = csr_write(a, k, &f);
	assert_non_null(good);
	if (!csr_read(text_of(good), &read, &f))
		fail_msg("%s", f.why);
	ec_key_point(k, x, y);
	ec_key_point(read, rx, ry);
	assert_memory_equal(x, rx, 32);
	assert_memory_equal(y, ry, 32);
	ec_key_free(&read);

	refuse("", "0 bytes");
	refuse("-----BEGIN CERTIFICATE REQUEST-----\n", "no PEM PKCS#10");
	refuse(arena_printf(a, "x\n%s", good), "does not begin");
	refuse(arena_printf(a, "%s%s", good, good), "text after");
	refuse(arena_printf(a, "%s.", good), "text after");
	bad = mem_new(CSR_BYTES_MAX + 2);
	memset(bad, '-', CSR_BYTES_MAX + 1);
	refuse(bad, "8193 bytes");
	mem_free(bad);
	refuse(request_pem(a, p384, p384, EVP_sha256()), "P-256");
	refuse(request_pem(a, rsa, rsa, EVP_sha256()), "P-256");
	refuse(request_pem(a, mine, ec_key_pkey(other), EVP_sha256()),
	    "not signed by its own key");
	refuse(request_pem(a, mine, mine, EVP_sha1()),
	    "not signed by its own key");
	bad = arena_string(a, good);
	bad[strlen(bad) / 2] ^= 1;
	assert_false(csr_read(text_of(bad), &read, &f));
	bad = arena_string(a, good);
	for (size_t n = strlen(bad); n > 0; n -= 7) {
		bad[n - 1] = '\0';
		if (csr_read(text_of(bad), &read, &f))
			ec_key_free(&read); /* only its last newline gone */
		if (n < 8)
			break;
	}
	EVP_PKEY_free(p384);
	EVP_PKEY_free(rsa);
	ec_key_free(&k);
	ec_key_free(&other);
	arena_free(&a);
}

static struct authority *
make_authority(const char *name)
{
	struct leaf l = {.common_name = name,
	    .not_before_ms = NOW - DAY,
	    .not_after_ms = NOW + 3650 * DAY,
	    .serial = {1}};
	struct ec_key *k = ec_key_generate();
	struct authority *a = authority_make(&k, &l);

	assert_null(k);
	return a;
}

static int
verify(X509 *leaf, X509 *ca, int purpose, int64_t at_ms)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int result;

	X509_STORE_add_cert(store, ca);
	X509_STORE_CTX_init(ctx, store, leaf, NULL);
	X509_STORE_CTX_set_purpose(ctx, purpose);
	X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT);
	X509_VERIFY_PARAM_set_time(
	    X509_STORE_CTX_get0_param(ctx), (time_t)(at_ms / 1000));
	result = X509_verify_cert(ctx) == 1 ? X509_V_OK
					    : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return result;
}

static void
test_device_certificate(void **state)
{
	struct authority *ca = make_authority("device CA");
	struct authority *other = make_authority("device CA");
	struct ec_key *k = ec_key_generate();
	struct leaf l = {.common_name = "device",
	    .client = true,
	    .server = true,
	    .not_before_ms = NOW,
	    .not_after_ms = NOW + DAY,
	    .serial = {0xff, 2, 3}};
	char did[DEVICE_DID_TEXT], seen[200], serial[64];
	int64_t from, to;
	struct fault f;
	X509 *c;

	(void)state;
	device_did(k, did);
	l.uri = did;
	c = authority_issue(ca, k, &l, &f);
	assert_non_null(c);
	assert_true(certificate_did(c, seen, sizeof seen, &f));
	assert_string_equal(seen, did);
	assert_true(certificate_serial(c, serial, sizeof serial));
	assert_string_equal(serial, "7F020300000000000000000000000000");
	assert_true(certificate_times(c, &from, &to));
	assert_int_equal(from, NOW);
	assert_int_equal(to, NOW + DAY);
	assert_int_equal(verify(c, authority_certificate(ca),
			     X509_PURPOSE_SSL_CLIENT, NOW + 1000),
	    X509_V_OK);
	assert_int_equal(verify(c, authority_certificate(ca),
			     X509_PURPOSE_SSL_SERVER, NOW + 1000),
	    X509_V_OK);
	assert_int_equal(verify(c, authority_certificate(ca),
			     X509_PURPOSE_SSL_CLIENT, NOW + 2 * DAY),
	    X509_V_ERR_CERT_HAS_EXPIRED);
	assert_int_not_equal(verify(c, authority_certificate(other),
				 X509_PURPOSE_SSL_CLIENT, NOW + 1000),
	    X509_V_OK);
	/* A leaf signs nothing. */
	assert_int_equal(X509_check_ca(c), 0);
	assert_int_equal(X509_get_pathlen(authority_certificate(ca)), 0);
	X509_free(c);
	authority_free(&ca);
	authority_free(&other);
	ec_key_free(&k);
}

static void
test_names_are_data(void **state)
{
	struct authority *ca = make_authority("CA");
	struct ec_key *k = ec_key_generate();
	const char *hosts[] = {"127.0.0.1", "::1", "localhost"};
	struct leaf l = {.common_name = "x",
	    .uri = "did:assay:z1,DNS:evil.example",
	    .hosts = hosts,
	    .host_count = 3,
	    .client = true,
	    .not_before_ms = NOW,
	    .not_after_ms = NOW + 99999 * DAY};
	int64_t from, to, ca_to;
	struct fault f;
	X509 *c = authority_issue(ca, k, &l, &f);

	(void)state;
	assert_int_equal(X509_check_host(c, "evil.example", 0, 0, NULL), 0);
	assert_int_equal(X509_check_host(c, "localhost", 0, 0, NULL), 1);
	assert_int_equal(X509_check_ip_asc(c, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(c, "::1", 0), 1);
	assert_int_equal(X509_check_purpose(c, X509_PURPOSE_SSL_SERVER, 0), 0);
	/* It ends with its authority. */
	assert_true(certificate_times(c, &from, &to));
	assert_true(
	    certificate_times(authority_certificate(ca), &from, &ca_to));
	assert_int_equal(to, ca_to);
	X509_free(c);
	/* An authority that has ended issues nothing. */
	l.not_before_ms = NOW + 4000 * DAY;
	assert_null(authority_issue(ca, k, &l, &f));
	assert_int_equal(f.kind, FAULT_INTERNAL);
	authority_free(&ca);
	ec_key_free(&k);
}

static void
test_authority_of_files_that_do_not_match(void **state)
{
	struct authority *ca = make_authority("CA"), *read;
	struct ec_key *wrong = ec_key_generate(), *k = ec_key_generate();
	struct leaf l = {.common_name = "leaf",
	    .client = true,
	    .not_before_ms = NOW,
	    .not_after_ms = NOW + DAY};
	X509 *c = authority_certificate(ca), *leaf;
	struct fault f;

	(void)state;
	leaf = authority_issue(ca, k, &l, &f);
	X509_up_ref(c);
	assert_false(authority_of(c, &wrong, &read, &f));
	assert_non_null(strstr(f.why, "not the certificate's"));
	assert_null(read);
	assert_false(authority_of(leaf, &k, &read, &f));
	assert_non_null(strstr(f.why, "no CA's"));
	authority_free(&ca);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_did_of_a_known_key),
	    cmocka_unit_test(test_dids_differ_and_stay),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_device_certificate),
	    cmocka_unit_test(test_names_are_data),
	    cmocka_unit_test(test_authority_of_files_that_do_not_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
