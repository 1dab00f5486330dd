/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chains, lists and anchors: the walk of chain.h on OpenSSL's certificates and
 * the views of cert.h on the same bytes must agree, and both must refuse what
 * RFC 5280 refuses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/cert.h"
#include "attestation/chain.h"
#include "attestation/der.h"
#include "base/codec.h"
#include "base/crypto.h"
#include "tests/unit/attestation_forge.h"

struct maker {
	struct arena *a;
	struct anchors *anchors;
	struct forged root, middle, leaf;
};

static int
start(void **state)
{
	struct maker *m = mem_new(sizeof(*m));

	m->a = arena_new();
	forge(&m->root, NULL,
	    &(struct forge_wish){
		.name = "Root", .curve = "P-384", .ca = true, .serial = 1});
	forge(&m->middle, &m->root,
	    &(struct forge_wish){
		.name = "Middle", .curve = "P-256", .ca = true, .serial = 200});
	forge(&m->leaf, &m->middle,
	    &(struct forge_wish){
		.name = "Leaf", .curve = "P-256", .serial = 300});
	m->anchors = anchors_test_new();
	anchors_test_set(m->anchors, ANCHOR_NVIDIA_DEVICE, m->root.x509);
	*state = m;
	return 0;
}

static int
end(void **state)
{
	struct maker *m = *state;

	forged_free(&m->root);
	forged_free(&m->middle);
	forged_free(&m->leaf);
	anchors_test_free(&m->anchors);
	arena_free(&m->a);
	mem_free(m);
	return 0;
}

static bool
walk(struct maker *m, int64_t now, struct window *w, struct fault *f)
{
	struct chain_rules rules = {.anchors = m->anchors,
	    .anchor = ANCHOR_NVIDIA_DEVICE,
	    .signing = CHAIN_ECDSA,
	    .now_ms = now};
	struct chain c = {0};
	bool held;

	chain_add(&c, m->leaf.x509);
	chain_add(&c, m->middle.x509);
	chain_add(&c, m->root.x509);
	held = chain_walk(&c, &rules, w, f);
	chain_free(&c);
	return held;
}

/* The same chain as views. */
static bool
walk_views(struct maker *m, struct fault *f)
{
	struct cert root, middle, leaf;
	EVP_PKEY *root_key, *middle_key;
	bool held;

	if (!cert_read(forged_der(m->a, m->root.x509), &root, f) ||
	    !cert_read(forged_der(m->a, m->middle.x509), &middle, f) ||
	    !cert_read(forged_der(m->a, m->leaf.x509), &leaf, f))
		return false;
	root_key = cert_key(&root, NULL);
	middle_key = cert_key(&middle, NULL);
	held = cert_check_anchor(
		   &root, root_key, m->anchors, ANCHOR_NVIDIA_DEVICE, f) &&
	       cert_check_leaf(&leaf, f) &&
	       cert_check_link(&middle, &root, root_key, 1, CHAIN_ECDSA, f) &&
	       cert_check_link(&leaf, &middle, middle_key, 0, CHAIN_ECDSA, f);
	EVP_PKEY_free(root_key);
	EVP_PKEY_free(middle_key);
	return held;
}

static void
refused(struct maker *m, enum fault_kind kind, const char *why)
{
	struct window w;
	struct fault f = {0};

	assert_false(walk(m, FORGE_NOW_MS, &w, &f));
	assert_string_equal(f.why, why);
	assert_int_equal(f.kind, kind);
	assert_false(walk_views(m, &f));
	assert_string_equal(f.why, why);
	assert_int_equal(f.kind, kind);
}

static void
test_walk(void **state)
{
	struct maker *m = *state;
	const int64_t month = 30 * FORGE_DAY * 1000;
	struct window w;
	struct fault f = {0};

	assert_true(walk(m, FORGE_NOW_MS, &w, &f));
	assert_true(walk_views(m, &f));
	assert_int_equal(w.from, FORGE_NOW_MS - month);
	assert_int_equal(w.until, FORGE_NOW_MS + month + 999);
	assert_true(walk(m, w.from, &w, &f));
	assert_true(walk(m, w.until, &w, &f));
	assert_false(walk(m, w.until + 1, &w, &f));
	assert_int_equal(f.kind, FAULT_EXPIRED);
	assert_string_equal(f.why, "Root expired at 2026-02-14T00:00:00Z");
	assert_false(walk(m, FORGE_NOW_MS - month - 1, &w, &f));
	assert_int_equal(f.kind, FAULT_NOT_YET_VALID);
}

static void
test_pinned_by_key(void **state)
{
	struct maker *m = *state;
	struct forged other = {NULL, NULL};

	forge(&other, NULL,
	    &(struct forge_wish){
		.name = "Root", .curve = "P-384", .ca = true, .serial = 1});
	anchors_test_set(m->anchors, ANCHOR_NVIDIA_DEVICE, other.x509);
	refused(m, FAULT_UNTRUSTED,
	    "the chain does not end at NVIDIA Device Identity CA");
	forged_free(&other);
}

static void
test_signature(void **state)
{
	struct maker *m = *state;
	struct forged twin = {NULL, NULL};

	forge(&twin, &m->root,
	    &(struct forge_wish){
		.name = "Middle", .curve = "P-256", .ca = true, .serial = 200});
	forged_free(&m->leaf);
	forge(&m->leaf, &twin,
	    &(struct forge_wish){
		.name = "Leaf", .curve = "P-256", .serial = 300});
	refused(m, FAULT_TAMPERED, "a certificate's signature does not hold");
	forged_free(&twin);
}

static void
test_roles(void **state)
{
	struct maker *m = *state;

	forged_free(&m->middle);
	forged_free(&m->leaf);
	forge(&m->middle, &m->root,
	    &(struct forge_wish){.name = "Middle", .curve = "P-256"});
	forge(&m->leaf, &m->middle,
	    &(struct forge_wish){.name = "Leaf", .curve = "P-256"});
	refused(m, FAULT_UNTRUSTED, "an issuer may not sign certificates");
	forged_free(&m->leaf);
	forge(&m->leaf, &m->middle,
	    &(struct forge_wish){.name = "CA", .curve = "P-256", .ca = true});
	refused(m, FAULT_UNTRUSTED, "the leaf is a certificate authority");
}

static void
test_names_follow(void **state)
{
	struct maker *m = *state;
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)"Other", -1, -1, 0);
	X509_set_issuer_name(m->leaf.x509, name);
	X509_sign(m->leaf.x509, m->middle.key, EVP_sha256());
	X509_NAME_free(name);
	refused(m, FAULT_UNTRUSTED,
	    "issuer and subject names do not follow each other");
}

static void
test_path_length(void **state)
{
	struct maker *m = *state;
	X509_EXTENSION *e = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");

	X509_EXTENSION_free(X509_delete_ext(m->root.x509,
	    X509_get_ext_by_NID(m->root.x509, NID_basic_constraints, -1)));
	X509_add_ext(m->root.x509, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(m->root.x509, m->root.key, EVP_sha384());
	refused(m, FAULT_UNTRUSTED, "path longer than an issuer allows");
}

static void
extend(X509 *x, EVP_PKEY *by, const char *oid, int critical)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	ASN1_OCTET_STRING_set(s, (const unsigned char *)"\x05\x00", 2);
	e = X509_EXTENSION_create_by_OBJ(NULL, o, critical, s);
	X509_add_ext(x, e, -1);
	X509_sign(x, by, EVP_sha256());
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(o);
}

static void
test_critical_extension(void **state)
{
	struct maker *m = *state;
	struct window w;
	struct fault f = {0};

	extend(m->leaf.x509, m->middle.key, "1.2.3.4", 0);
	assert_true(walk(m, FORGE_NOW_MS, &w, &f));
	assert_true(walk_views(m, &f));
	extend(m->leaf.x509, m->middle.key, "1.2.3.5", 1);
	assert_false(walk(m, FORGE_NOW_MS, &w, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
	assert_false(walk_views(m, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
}

static void
test_repeated_extension(void **state)
{
	struct maker *m = *state;
	struct fault f = {0};

	extend(m->leaf.x509, m->middle.key, "1.2.3.4", 0);
	extend(m->leaf.x509, m->middle.key, "1.2.3.4", 0);
	assert_false(walk_views(m, &f));
	assert_string_equal(f.why, "certificate: broken or repeated extension");
}

static void
test_old_digest(void **state)
{
	struct maker *m = *state;
	struct window w;
	struct fault f = {0};

	X509_sign(m->leaf.x509, m->middle.key, EVP_sha1());
	assert_false(walk(m, FORGE_NOW_MS, &w, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
	assert_false(walk_views(m, &f));
	assert_int_equal(f.kind, FAULT_UNSUPPORTED);
}

/* What OpenSSL reads in a certificate is what the view reads. */
static void
test_view_agrees(void **state)
{
	struct maker *m = *state;
	struct bytes der = forged_der(m->a, m->leaf.x509);
	struct window w;
	struct cert c;
	struct fault f = {0};
	uint8_t a[32], b[32];
	size_t n;

	assert_true(cert_read(der, &c, &f));
	assert_true(certificate_window(m->leaf.x509, &w, &f));
	assert_int_equal(c.window.from, w.from);
	assert_int_equal(c.window.until, w.until);
	assert_true(cert_is_named(&c, "Leaf"));
	assert_false(cert_is_named(&c, "Lea"));
	spki_sha256(m->leaf.x509, a);
	cert_spki_sha256(&c, b);
	assert_memory_equal(a, b, 32);
	assert_false(c.ca);
	assert_true(c.may_sign);
	assert_int_equal(c.serial.len, 2);
	/* Cut anywhere, or longer by one: never a certificate. */
	for (n = 0; n < der.len; n++)
		assert_false(cert_read(bytes_of(der.at, n), &c, &f));
	assert_false(cert_read(
	    bytes_of(arena_copy(m->a, der.at, der.len), der.len + 1), &c, &f));
}

/* No flip of any byte makes another certificate that still verifies. */
static void
test_view_flips(void **state)
{
	struct maker *m = *state;
	struct bytes der = forged_der(m->a, m->leaf.x509);
	uint8_t *at = (uint8_t *)arena_copy(m->a, der.at, der.len);
	struct cert middle, c;
	struct fault f;
	EVP_PKEY *key;
	size_t i;

	assert_true(cert_read(forged_der(m->a, m->middle.x509), &middle, &f));
	key = cert_key(&middle, NULL);
	for (i = 0; i < der.len; i++) {
		at[i] ^= 1;
		assert_false(
		    cert_read(bytes_of(at, der.len), &c, &f) &&
		    cert_check_link(&c, &middle, key, 0, CHAIN_ECDSA, &f));
		at[i] ^= 1;
	}
	EVP_PKEY_free(key);
}

static void
test_keys(void **state)
{
	struct maker *m = *state;
	struct cert c;
	struct fault f = {0};
	EVP_PKEY *plain, *like;
	uint8_t point[65];

	assert_true(cert_read(forged_der(m->a, m->leaf.x509), &c, &f));
	plain = cert_key(&c, NULL);
	like = cert_key(&c, m->middle.key);
	assert_int_equal(EVP_PKEY_eq(plain, m->leaf.key), 1);
	assert_int_equal(EVP_PKEY_eq(like, m->leaf.key), 1);
	EVP_PKEY_free(plain);
	EVP_PKEY_free(like);
	/* A point that is not on the curve is no key. */
	memcpy(point, c.key.at, 65);
	point[64] ^= 1;
	assert_null(key_of_point(bytes_of(point, 65), NULL));
	assert_null(key_of_point(bytes_of(point, 65), m->middle.key));
	assert_null(key_of_point(bytes_of(point, 64), NULL));
}

static void
test_pem(void **state)
{
	struct maker *m = *state;
	const struct forged chain[] = {m->leaf, m->middle, m->root};
	struct text pem = forged_pem(m->a, chain, 3);
	struct chain c;
	struct fault f = {0};
	char *at = arena_printf(m->a, "%s", pem.at);

	assert_true(chain_read_pem(pem, &c, &f));
	assert_int_equal(c.count, 3);
	assert_true(certificate_same(c.at[0], m->leaf.x509));
	chain_free(&c);
	/* Hosts hand on the NUL of a C string. */
	assert_true(chain_read_pem((struct text){at, pem.len + 1}, &c, &f));
	chain_free(&c);
	at[5] = 'b';
	assert_false(chain_read_pem(text_of(at), &c, &f));
	assert_string_equal(
	    f.why, "certificate chain: no BEGIN CERTIFICATE line");
	assert_false(chain_read_pem(text_of(""), &c, &f));
	assert_string_equal(f.why, "no certificate");
	assert_false(chain_read_pem(
	    text_of(arena_printf(m->a, "%stext", pem.at)), &c, &f));
	assert_false(chain_read_pem(
	    text_of(arena_printf(m->a, "%s%s%s", pem.at, pem.at, pem.at)), &c,
	    &f));
	assert_string_equal(f.why, "more than 8 certificates");
	assert_int_equal(c.count, 0);
}

static void
test_lists(void **state)
{
	struct maker *m = *state;
	struct bytes der =
	    forge_list(m->a, &m->middle, 300, FORGE_NOW + FORGE_DAY);
	struct cert middle, leaf;
	struct window w;
	struct fault f = {0};
	X509_CRL *crl;

	assert_true(crl_read(der, &crl, &f));
	assert_true(crl_verify(crl, m->middle.x509, FORGE_NOW_MS, &w, &f));
	assert_true(crl_lists(crl, m->leaf.x509));
	assert_false(crl_lists(crl, m->middle.x509));
	assert_true(cert_read(forged_der(m->a, m->middle.x509), &middle, &f) &&
		    cert_read(forged_der(m->a, m->leaf.x509), &leaf, &f));
	assert_true(cert_verify_list(crl, &middle, m->middle.key, &w, &f));
	assert_true(cert_is_listed(crl, &leaf));
	assert_false(cert_is_listed(crl, &middle));
	assert_false(crl_verify(crl, m->root.x509, FORGE_NOW_MS, &w, &f));
	assert_int_equal(f.kind, FAULT_CONFLICT);
	assert_false(crl_verify(
	    crl, m->middle.x509, FORGE_NOW_MS + 2 * FORGE_DAY * 1000, &w, &f));
	assert_int_equal(f.kind, FAULT_STALE);
	assert_false(crl_verify(
	    crl, m->middle.x509, FORGE_NOW_MS - 2 * FORGE_DAY * 1000, &w, &f));
	assert_int_equal(f.kind, FAULT_NOT_YET_VALID);
	assert_false(cert_verify_list(crl, &middle, m->root.key, &w, &f));
	assert_int_equal(f.kind, FAULT_TAMPERED);
	X509_CRL_free(crl);
	assert_false(crl_read(bytes_of(der.at, der.len - 1), &crl, &f));
	assert_false(crl_read(bytes_of(der.at, 0), &crl, &f));
}

static void
test_der(void **state)
{
	static const uint8_t long_form[] = {0x04, 0x81, 0x01, 0x00};
	static const uint8_t indefinite[] = {0x30, 0x80, 0x00, 0x00};
	static const uint8_t overrun[] = {0x04, 0x05, 0x00};
	static const uint8_t negative[] = {0xff};
	static const uint8_t padded[] = {0x00, 0x01};
	struct bytes in, content;
	uint8_t tag;
	uint32_t n;

	(void)state;
	in = bytes_of(long_form, sizeof(long_form));
	assert_false(der_next(&in, &tag, &content));
	in = bytes_of(indefinite, sizeof(indefinite));
	assert_false(der_next(&in, &tag, &content));
	in = bytes_of(overrun, sizeof(overrun));
	assert_false(der_next(&in, &tag, &content));
	assert_false(der_uint(bytes_of(negative, 1), &n));
	assert_false(der_uint(bytes_of(padded, 2), &n));
	assert_true(der_uint(bytes_of(padded + 1, 1), &n));
	assert_int_equal(n, 1);
}

/* Every pin is 32 bytes of hex, and no two kinds share one. */
static void
test_anchors(void **state)
{
	const struct anchors *a = anchors_pinned();
	uint8_t spki[32];
	X509 *c;
	int i, with = 0;

	(void)state;
	for (i = 0; i < ANCHOR_COUNT; i++) {
		assert_false(anchors_is_test(a, (enum anchor_kind)i));
		memset(spki, 0, sizeof(spki));
		assert_false(anchors_trust(a, (enum anchor_kind)i, spki));
		c = anchors_certificate(a, (enum anchor_kind)i);
		if (c == NULL)
			continue;
		spki_sha256(c, spki);
		assert_true(anchors_trust(a, (enum anchor_kind)i, spki));
		assert_false(anchors_trust(
		    a, (enum anchor_kind)((i + 1) % ANCHOR_COUNT), spki));
		X509_free(c);
		with++;
	}
	assert_int_equal(with, 8);
}

int
main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, start, end)
	const struct CMUnitTest tests[] = {
	    T(test_walk),
	    T(test_pinned_by_key),
	    T(test_signature),
	    T(test_roles),
	    T(test_names_follow),
	    T(test_path_length),
	    T(test_critical_extension),
	    T(test_repeated_extension),
	    T(test_old_digest),
	    T(test_view_agrees),
	    T(test_view_flips),
	    T(test_keys),
	    T(test_pem),
	    T(test_lists),
	    T(test_der),
	    T(test_anchors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
