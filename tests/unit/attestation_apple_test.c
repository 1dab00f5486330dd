/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apple's objects under roots of our own: an app key and a Mac's statement,
 * with a CBOR writer of a few lines beside them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attestation/app_attest.h"
#include "attestation/apple_mda.h"
#include "attestation/cbor_read.h"
#include "base/crypto.h"
#include "tests/unit/attestation_forge.h"

#define APP "TEAM000001.org.example.agent"
#define OID "1.2.840.113635.100.8."

struct writer {
	uint8_t at[8192];
	size_t len;
};

struct maker {
	struct arena *a;
	struct anchors *anchors;
	struct forged root, middle, leaf;
	uint8_t auth[300]; /* authenticator data under construction */
	size_t auth_len;
	uint8_t hash[32], freshness[32];
};

static void
raw(struct writer *w, const void *at, size_t len)
{
	memcpy(w->at + w->len, at, len);
	w->len += len;
}

static void
head(struct writer *w, unsigned major, size_t n)
{
	uint8_t b[3] = {
	    (uint8_t)(major << 5 | 25), (uint8_t)(n >> 8), (uint8_t)n};

	raw(w, b, 3);
}

static void
text(struct writer *w, const char *s)
{
	head(w, 3, strlen(s));
	raw(w, s, strlen(s));
}

static void
bytes(struct writer *w, struct bytes b)
{
	head(w, 2, b.len);
	raw(w, b.at, b.len);
}

static int
maker_make(void **state)
{
	struct maker *m = mem_new(sizeof(*m));

	m->a = arena_new();
	forge(&m->root, NULL,
	    &(struct forge_wish){.name = "root", .curve = "P-384", .ca = true});
	forge(&m->middle, &m->root,
	    &(struct forge_wish){.name = "CA 1", .curve = "P-384", .ca = true});
	m->anchors = anchors_test_new();
	anchors_test_set(m->anchors, ANCHOR_APPLE_APP_ATTEST, m->root.x509);
	anchors_test_set(m->anchors, ANCHOR_APPLE_ENTERPRISE, m->root.x509);
	memset(m->hash, 7, 32);
	memset(m->freshness, 9, 32);
	*state = m;
	return 0;
}

static int
maker_free(void **state)
{
	struct maker *m = *state;

	forged_free(&m->root);
	forged_free(&m->middle);
	anchors_test_free(&m->anchors);
	arena_free(&m->a);
	mem_free(m);
	return 0;
}

/* rpIdHash, flags, counter, AAGUID, credential id, COSE key. */
static void
auth_data(struct maker *m, EVP_PKEY *key, uint8_t counter, const char *aaguid)
{
	static const uint8_t cose[] = {
	    0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20};
	struct writer w = {.len = 0};
	uint8_t point[97], id[32], rp[32], guid[16] = {0};

	assert_int_equal(forged_point(key, point), 65);
	sha256(bytes_of(point, 65), id);
	sha256(bytes_of(APP, strlen(APP)), rp);
	memcpy(guid, aaguid, strlen(aaguid));
	raw(&w, rp, 32);
	raw(&w, "\x40\0\0\0", 4);
	raw(&w, &counter, 1);
	raw(&w, guid, 16);
	raw(&w, "\0\x20", 2);
	raw(&w, id, 32);
	raw(&w, cose, sizeof(cose));
	raw(&w, point + 1, 32);
	raw(&w, "\x22\x58\x20", 3);
	raw(&w, point + 33, 32);
	memcpy(m->auth, w.at, w.len);
	m->auth_len = w.len;
}

/* A leaf for `key` whose nonce covers m->auth and m->hash. */
static void
app_leaf(struct maker *m, EVP_PKEY *key)
{
	uint8_t nonce[38] = {0x30, 0x24, 0xa1, 0x22, 0x04, 0x20};
	const struct bytes parts[] = {
	    bytes_of(m->auth, m->auth_len), bytes_of(m->hash, 32)};

	sha256_parts(parts, 2, nonce + 6);
	/* forge() makes its own key: put ours in and sign again. */
	forge(&m->leaf, &m->middle,
	    &(struct forge_wish){.name = "leaf",
		.curve = "P-256",
		.extension = {{OID "2", bytes_of(nonce, 38)}}});
	X509_set_pubkey(m->leaf.x509, key);
	forge_must(X509_sign(m->leaf.x509, m->middle.key, EVP_sha384()) > 0);
}

static struct bytes
object(struct maker *m, const char *format, bool with_auth)
{
	struct writer *w = arena_alloc(m->a, sizeof(*w));

	head(w, 5, with_auth ? 3 : 2);
	text(w, "fmt");
	text(w, format);
	text(w, "attStmt");
	head(w, 5, with_auth ? 2 : 1);
	text(w, "x5c");
	head(w, 4, 2);
	bytes(w, forged_der(m->a, m->leaf.x509));
	bytes(w, forged_der(m->a, m->middle.x509));
	if (with_auth) {
		text(w, "receipt");
		bytes(w, bytes_of("r", 1));
		text(w, "authData");
		bytes(w, bytes_of(m->auth, m->auth_len));
	}
	return bytes_of(w->at, w->len);
}

static const char *
app_judged(struct maker *m, struct bytes o, enum verdict_code code)
{
	const struct app_attest_rules r = {.anchors = m->anchors,
	    .app_id = text_of(APP),
	    .client_data_hash = bytes_of(m->hash, 32),
	    .allow_production = true,
	    .now_ms = FORGE_NOW_MS};
	struct app_attest_facts facts;
	struct verdict v;

	verdict_init(&v, m->a, FORGE_NOW_MS);
	app_attest_judge(&v, &r, o, &facts);
	verdict_conclude(&v);
	if (v.code != code)
		fail_msg("%s: %s", v.failed, v.why);
	return v.failed != NULL ? v.failed : "";
}

static const char *
app_case(struct maker *m, uint8_t counter, const char *aaguid,
    enum verdict_code code)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	const char *failed;

	auth_data(m, key, counter, aaguid);
	app_leaf(m, key);
	failed = app_judged(m, object(m, "apple-appattest", true), code);
	forged_free(&m->leaf);
	EVP_PKEY_free(key);
	return failed;
}

static void
app_keys(void **state)
{
	struct maker *m = *state;

	assert_string_equal(app_case(m, 0, "appattest", CODE_OK), "");
	assert_string_equal(
	    app_case(m, 1, "appattest", CODE_MISMATCH), "app_attest.counter");
	assert_string_equal(app_case(m, 0, "appattestdevelop", CODE_POLICY),
	    "app_attest.environment");
	assert_string_equal(app_case(m, 0, "appattest ", CODE_MALFORMED),
	    "app_attest.environment");
}

static void
app_objects_are_whole(void **state)
{
	struct maker *m = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
	struct bytes o;
	uint8_t *copy;

	auth_data(m, key, 0, "appattest");
	app_leaf(m, key);
	o = object(m, "apple-appattest", true);
	assert_string_equal(app_judged(m, o, CODE_OK), "");
	for (size_t len = 0; len < o.len; len++)
		assert_string_equal(
		    app_judged(m, bytes_of(o.at, len), CODE_MALFORMED),
		    "app_attest.object");
	copy = mem_new(o.len + 1);
	memcpy(copy, o.at, o.len);
	assert_string_equal(
	    app_judged(m, bytes_of(copy, o.len + 1), CODE_MALFORMED),
	    "app_attest.object");
	copy[o.len - 1] ^= 1; /* the COSE key: covered by the nonce */
	assert_string_equal(app_judged(m, bytes_of(copy, o.len), CODE_NONCE),
	    "app_attest.nonce");
	mem_free(copy);
	assert_string_equal(
	    app_judged(m, object(m, "apple", true), CODE_UNSUPPORTED),
	    "app_attest.fmt");
	m->hash[0] ^= 1;
	assert_string_equal(app_judged(m, o, CODE_NONCE), "app_attest.nonce");
	m->hash[0] ^= 1;
	forged_free(&m->leaf);
	app_leaf(m, other); /* a genuine leaf of another key */
	assert_string_equal(
	    app_judged(m, object(m, "apple-appattest", true), CODE_MISMATCH),
	    "app_attest.credential_id");
	forged_free(&m->leaf);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

static struct bytes
assertion_of(struct maker *m, EVP_PKEY *key, uint8_t counter)
{
	struct writer *w = arena_alloc(m->a, sizeof(*w)), d = {.len = 0};
	uint8_t rp[32], nonce[32], der[80];
	size_t len = sizeof(der);
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	struct bytes parts[2];

	sha256(bytes_of(APP, strlen(APP)), rp);
	raw(&d, rp, 32);
	raw(&d, "\x40\0\0\0", 4);
	raw(&d, &counter, 1);
	parts[0] = bytes_of(d.at, d.len);
	parts[1] = bytes_of(m->hash, 32);
	sha256_parts(parts, 2, nonce);
	forge_must(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1 &&
		   EVP_DigestSign(c, der, &len, nonce, 32) == 1);
	EVP_MD_CTX_free(c);
	head(w, 5, 2);
	text(w, "signature");
	bytes(w, bytes_of(der, len));
	text(w, "authenticatorData");
	bytes(w, bytes_of(d.at, d.len));
	return bytes_of(w->at, w->len);
}

static void
assertions_only_count_up(void **state)
{
	struct maker *m = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	uint8_t point[97];
	struct app_assertion_rules r = {.app_id = text_of(APP),
	    .client_data_hash = bytes_of(m->hash, 32),
	    .point = point};
	struct bytes o = assertion_of(m, key, 5);
	struct verdict v;
	uint32_t counter;

	forged_point(key, point);
	r.previous_counter = 4;
	verdict_init(&v, m->a, 0);
	assert_true(app_assertion_judge(&v, &r, o, &counter));
	assert_int_equal(counter, 5);
	r.previous_counter = 5;
	verdict_init(&v, m->a, 0);
	assert_false(app_assertion_judge(&v, &r, o, &counter));
	assert_string_equal(v.failed, "app_assertion.counter");
	assert_int_equal(counter, 5);
	r.previous_counter = 0;
	r.app_id = text_of("other");
	verdict_init(&v, m->a, 0);
	assert_false(app_assertion_judge(&v, &r, o, &counter));
	assert_string_equal(v.failed, "app_assertion.app_id");
	assert_int_equal(counter, 0);
	r.app_id = text_of(APP);
	point[20] ^= 1; /* no longer a point of the curve */
	verdict_init(&v, m->a, 0);
	assert_false(app_assertion_judge(&v, &r, o, &counter));
	assert_string_equal(v.failed, "app_assertion.signature");
	verdict_init(&v, m->a, 0);
	assert_false(
	    app_assertion_judge(&v, &r, bytes_of(o.at, o.len - 1), &counter));
	assert_string_equal(v.failed, "app_assertion.object");
	EVP_PKEY_free(key);
}

struct mac {
	const char *serial, *boot;
	struct bytes freshness, sip;
	int64_t until;
};

static const char *
mac_judged(struct maker *m, const struct mac *mac, enum verdict_code code)
{
	const struct apple_mda_rules r = {.anchors = m->anchors,
	    .freshness = bytes_of(m->freshness, 32),
	    .device = text_of("SYN1"),
	    .sip = bytes_of("\x02\x01\x00", 3),
	    .secure_boot = text_of("Full Security"),
	    .now_ms = FORGE_NOW_MS};
	struct apple_mda_facts facts;
	struct verdict v;

	forge(&m->leaf, &m->middle,
	    &(struct forge_wish){.name = "leaf",
		.curve = "P-384",
		.until = mac->until,
		.extension = {
		    {OID "9.1", bytes_of(mac->serial, strlen(mac->serial))},
		    {OID "13.2", bytes_of(mac->boot, strlen(mac->boot))},
		    {OID "11.1", mac->freshness}, {OID "13.1", mac->sip}}});
	verdict_init(&v, m->a, FORGE_NOW_MS);
	apple_mda_judge(&v, &r, object(m, "apple", false), &facts);
	verdict_conclude(&v);
	forged_free(&m->leaf);
	if (v.code != code)
		fail_msg("%s: %s", v.failed, v.why);
	return v.failed != NULL ? v.failed : "";
}

static void
statements_of_a_mac(void **state)
{
	struct maker *m = *state;
	struct mac good = {.serial = "SYN1",
	    .boot = "Full Security",
	    .freshness = bytes_of(m->freshness, 32),
	    .sip = bytes_of("\x02\x01\x00", 3)};
	struct mac mac = good;

	assert_string_equal(mac_judged(m, &mac, CODE_OK), "");
	mac.serial = "SYN10";
	assert_string_equal(
	    mac_judged(m, &mac, CODE_BINDING), "apple_mda.device");
	mac = good;
	mac.boot = "Reduced Security";
	assert_string_equal(
	    mac_judged(m, &mac, CODE_POLICY), "apple_mda.secure_boot");
	mac = good;
	mac.freshness = bytes_of(m->freshness, 31);
	assert_string_equal(
	    mac_judged(m, &mac, CODE_NONCE), "apple_mda.freshness");
	mac = good;
	mac.sip = bytes_of("\x02\x01\x01", 3);
	assert_string_equal(mac_judged(m, &mac, CODE_POLICY), "apple_mda.sip");
	mac = good;
	mac.until = FORGE_NOW - 1;
	assert_string_equal(
	    mac_judged(m, &mac, CODE_EXPIRED), "apple_mda.chain");
}

static void
cbor_is_read_narrowly(void **state)
{
	static const char *const bad[] = {"\x9f\xff", "\xbf\xff", "\xc0\x01",
	    "\xf5", "\xfb\0\0\0\0\0\0\0\0", "\x5f\x41\x61\xff", "\x1c"};
	static const uint8_t lie[] = {
	    0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	static const uint8_t wide[] = {
	    0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	uint8_t deep[20];
	struct cbor_read_item i;
	struct bytes in;

	(void)state;
	for (size_t n = 0; n < sizeof(bad) / sizeof(*bad); n++) {
		in = bytes_of(bad[n], n == 4 ? 9 : strlen(bad[n]));
		assert_false(cbor_read_next(&in, &i));
	}
	in = bytes_of(lie, sizeof(lie));
	assert_false(cbor_read_next(&in, &i));
	in = bytes_of(wide, sizeof(wide));
	assert_false(cbor_read_skip(&in));
	memset(deep, 0x81, sizeof(deep));
	deep[19] = 0;
	in = bytes_of(deep, sizeof(deep));
	assert_false(cbor_read_skip(&in));
	in = bytes_of("\xa1\x61\x61\x82\x01\x20\x07", 7);
	assert_true(cbor_read_skip(&in));
	assert_int_equal(in.len, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(app_keys),
	    cmocka_unit_test(app_objects_are_whole),
	    cmocka_unit_test(assertions_only_count_up),
	    cmocka_unit_test(statements_of_a_mac),
	    cmocka_unit_test(cbor_is_read_narrowly),
	};

	return cmocka_run_group_tests(tests, maker_make, maker_free);
}
