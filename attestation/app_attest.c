/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The steps of Apple's guide, in its order, with two things on top of it: the
 * COSE key beside the credential id must be the leaf's (two keys in one
 * object would be two stories), and nothing may follow it but the one map of
 * extension data that iOS 27 sends.
 */
#include "attestation/app_attest.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "attestation/cbor_read.h"
#include "base/crypto.h"
#include "base/cursor.h"

#define NONCE_OID "1.2.840.113635.100.8.2"

enum { FLAG_ATTESTED = 0x40, FLAG_EXTENSION = 0x80, CERTIFICATES = 2 };

/* WebAuthn 6.1 with attested credential data. */
struct auth_data {
	struct bytes rp_id_hash;
	uint8_t flags;
	uint32_t counter;
	struct bytes aaguid;
	struct bytes credential_id;
	struct bytes rest; /* COSE key and extension data */
};

static bool
auth_data_read(struct bytes raw, struct auth_data *out)
{
	struct cursor c = cursor_of(raw);

	out->rp_id_hash = cursor_take(&c, 32);
	out->flags = cursor_u8(&c);
	out->counter = cursor_u32be(&c);
	out->aaguid = cursor_take(&c, 16);
	out->credential_id = cursor_take(&c, cursor_u16be(&c));
	out->rest = cursor_take(&c, c.left);
	return cursor_done(&c);
}

static bool
app_id_is(struct bytes rp_id_hash, struct text app_id)
{
	uint8_t hash[32];

	sha256(bytes_of(app_id.at, app_id.len), hash);
	return app_id.len > 0 &&
	       bytes_equal(rp_id_hash, bytes_of(hash, sizeof(hash)));
}

static void
nonce_of(struct bytes auth_data, struct bytes client_data_hash, uint8_t out[32])
{
	const struct bytes parts[] = {auth_data, client_data_hash};

	sha256_parts(parts, 2, out);
}

/* SEQUENCE { [1] { OCTET STRING of 32 } }, in the only DER there is. */
static bool
nonce_judge(struct verdict *v, const struct app_attest_rules *r,
    struct bytes auth_data, X509 *leaf)
{
	static const uint8_t head[] = {0x30, 0x24, 0xa1, 0x22, 0x04, 0x20};
	struct bytes seen = {NULL, 0};
	uint8_t wanted[sizeof(head) + 32];

	memcpy(wanted, head, sizeof(head));
	nonce_of(auth_data, r->client_data_hash, wanted + sizeof(head));
	if (!certificate_extension(leaf, NONCE_OID, &seen))
		seen = bytes_of("", 0);
	return verdict_check(v,
	    r->client_data_hash.len > 0 &&
		bytes_equal(seen, bytes_of(wanted, sizeof(wanted))),
	    (struct check){"app_attest.nonce", SOURCE_HARDWARE, CODE_NONCE,
		verdict_hex(v, seen),
		verdict_hex(v, bytes_of(wanted, sizeof(wanted)))});
}

static bool
key_id_judge(struct verdict *v, const struct app_attest_rules *r, X509 *leaf,
    struct app_attest_facts *out)
{
	struct bytes own = bytes_of(out->key_id, sizeof(out->key_id));
	bool ok = apple_point(leaf, out->point);

	sha256(bytes_of(out->point, sizeof(out->point)), out->key_id);
	return verdict_check(v,
	    ok && (r->key_id.len == 0 || bytes_equal(own, r->key_id)),
	    (struct check){"app_attest.key_id", SOURCE_HARDWARE, CODE_BINDING,
		verdict_hex(v, own), verdict_hex(v, r->key_id)});
}

/* COSE_Key (RFC 9052 7): EC2, ES256, P-256, x, y and nothing else. */
static bool
cose_key_read(struct bytes *in, uint8_t point[65])
{
	struct cbor_read_item map, key, value;
	bool seen[5] = {false};

	if (!cbor_read_kind(in, CBOR_READ_MAP, &map) || map.number != 5)
		return false;
	point[0] = 4;
	for (int i = 0; i < 5; i++) {
		bool negative;
		uint64_t n;

		if (!cbor_read_next(in, &key) || !cbor_read_next(in, &value))
			return false;
		negative = key.kind == CBOR_READ_NEGINT;
		if (!negative && key.kind != CBOR_READ_UINT)
			return false;
		n = key.number;
		if (!negative && n == 1 && !seen[0] &&
		    value.kind == CBOR_READ_UINT && value.number == 2) {
			seen[0] = true; /* kty EC2 */
		} else if (!negative && n == 3 && !seen[1] &&
			   value.kind == CBOR_READ_NEGINT &&
			   value.number == 6) {
			seen[1] = true; /* alg ES256, -7 */
		} else if (negative && n == 0 && !seen[2] &&
			   value.kind == CBOR_READ_UINT && value.number == 1) {
			seen[2] = true; /* crv P-256 */
		} else if (negative && (n == 1 || n == 2) && !seen[n + 2] &&
			   value.kind == CBOR_READ_BYTES &&
			   value.content.len == 32) {
			seen[n + 2] = true; /* x, y */
			memcpy(point + 1 + (n - 1) * 32, value.content.at, 32);
		} else {
			return false;
		}
	}
	return true;
}

/* iOS 27 adds the map without setting the flag that announces it. */
static bool
extension_ok(struct bytes rest, bool announced)
{
	struct bytes probe = rest;
	struct cbor_read_item map;

	if (rest.len == 0)
		return !announced;
	return cbor_read_kind(&probe, CBOR_READ_MAP, &map) &&
	       cbor_read_skip(&rest) && rest.len == 0;
}

static bool
cose_judge(struct verdict *v, const struct auth_data *d,
    const struct app_attest_facts *facts)
{
	struct bytes rest = d->rest;
	uint8_t point[65];
	bool ok = cose_key_read(&rest, point) &&
		  extension_ok(rest, d->flags & FLAG_EXTENSION);

	if (!verdict_check(v, ok,
		(struct check){"app_attest.auth_data", SOURCE_HARDWARE,
		    CODE_MALFORMED, "no sound key or something behind it",
		    NULL}))
		return false;
	return verdict_check(v, memcmp(point, facts->point, sizeof(point)) == 0,
	    (struct check){"app_attest.cose_key", SOURCE_HARDWARE,
		CODE_MISMATCH, "another key than the leaf's", NULL});
}

static bool
environment_judge(struct verdict *v, const struct app_attest_rules *r,
    struct bytes aaguid, struct app_attest_facts *out)
{
	static const uint8_t production[16] = "appattest";
	static const uint8_t development[17] = "appattestdevelop";
	bool p = bytes_equal(aaguid, bytes_of(production, 16));

	out->development = bytes_equal(aaguid, bytes_of(development, 16));
	return verdict_check(v,
	    (p && r->allow_production) ||
		(out->development && r->allow_development),
	    (struct check){"app_attest.environment", SOURCE_HARDWARE,
		p || out->development ? CODE_POLICY : CODE_MALFORMED,
		verdict_text(
		    v, (struct text){(const char *)aaguid.at, aaguid.len}),
		r->allow_development && r->allow_production
		    ? "appattest or appattestdevelop"
		: r->allow_development ? "appattestdevelop"
				       : "appattest"});
}

static bool
auth_data_judge(struct verdict *v, const struct app_attest_rules *r,
    const struct auth_data *d, struct app_attest_facts *out)
{
	struct bytes key_id = bytes_of(out->key_id, sizeof(out->key_id));
	bool ok;

	ok = verdict_check(v, d->flags & FLAG_ATTESTED,
	    (struct check){"app_attest.flags", SOURCE_HARDWARE, CODE_MALFORMED,
		verdict_format(v, "0x%02x", d->flags), "0x40 set"});
	ok &= verdict_check(v, app_id_is(d->rp_id_hash, r->app_id),
	    (struct check){"app_attest.app_id", SOURCE_HARDWARE, CODE_BINDING,
		verdict_hex(v, d->rp_id_hash), verdict_text(v, r->app_id)});
	ok &= verdict_check(v, d->counter == 0,
	    (struct check){"app_attest.counter", SOURCE_HARDWARE, CODE_MISMATCH,
		verdict_format(v, "%u", d->counter), "0"});
	ok &= environment_judge(v, r, d->aaguid, out);
	ok &= verdict_check(v, bytes_equal(d->credential_id, key_id),
	    (struct check){"app_attest.credential_id", SOURCE_HARDWARE,
		CODE_MISMATCH, verdict_hex(v, d->credential_id),
		verdict_hex(v, key_id)});
	return cose_judge(v, d, out) && ok;
}

bool
app_attest_judge(struct verdict *v, const struct app_attest_rules *r,
    struct bytes object, struct app_attest_facts *out)
{
	const struct apple_chain_rules chain = {
	    r->anchors, ANCHOR_APPLE_APP_ATTEST, r->now_ms, "app_attest.chain"};
	struct apple_object o;
	struct auth_data d;
	struct fault f = {0};
	X509 *leaf = NULL;
	bool ok = apple_object_read(object, &o, &f);

	memset(out, 0, sizeof(*out));
	if (ok && (o.auth_data.at == NULL || o.certificates != CERTIFICATES))
		ok = fault_set(&f, FAULT_INVALID,
		    "attestation object: %zu certificates, authData %s",
		    o.certificates,
		    o.auth_data.at != NULL ? "present" : "missing");
	if (!verdict_check_fault(
		v, ok, "app_attest.object", SOURCE_HARDWARE, &f))
		return false;
	if (!verdict_check(v, text_is(o.format, "apple-appattest"),
		(struct check){"app_attest.fmt", SOURCE_HARDWARE,
		    CODE_UNSUPPORTED, verdict_text(v, o.format),
		    "apple-appattest"}))
		return false;
	if (!apple_chain_judge(v, &o, &chain, &leaf))
		return false;
	ok = verdict_check(v, auth_data_read(o.auth_data, &d),
	    (struct check){"app_attest.auth_data", SOURCE_HARDWARE,
		CODE_MALFORMED, "shorter than its fields", NULL});
	if (!ok) {
		X509_free(leaf);
		return false;
	}
	ok = nonce_judge(v, r, o.auth_data, leaf);
	ok &= key_id_judge(v, r, leaf, out);
	ok &= auth_data_judge(v, r, &d, out);
	X509_free(leaf);
	return ok;
}

struct assertion {
	struct bytes signature;
	struct bytes authenticator_data;
	struct bytes rp_id_hash;
	uint32_t counter;
};

static bool
assertion_read(struct bytes raw, struct assertion *out)
{
	struct bytes in = raw;
	struct cbor_read_item map, key, value;
	struct cursor c;

	memset(out, 0, sizeof(*out));
	if (raw.len > APPLE_OBJECT_MAX ||
	    !cbor_read_kind(&in, CBOR_READ_MAP, &map) || map.number != 2)
		return false;
	for (int i = 0; i < 2; i++) {
		struct bytes *at;

		if (!cbor_read_kind(&in, CBOR_READ_TEXT, &key) ||
		    !cbor_read_kind(&in, CBOR_READ_BYTES, &value))
			return false;
		if (cbor_read_is(&key, "signature"))
			at = &out->signature;
		else if (cbor_read_is(&key, "authenticatorData"))
			at = &out->authenticator_data;
		else
			return false;
		if (at->at != NULL)
			return false;
		*at = value.content;
	}
	c = cursor_of(out->authenticator_data);
	out->rp_id_hash = cursor_take(&c, 32);
	cursor_u8(&c);
	out->counter = cursor_u32be(&c);
	return in.len == 0 && cursor_done(&c);
}

static EVP_PKEY *
key_of_point(const uint8_t point[65])
{
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(
		OSSL_PKEY_PARAM_GROUP_NAME, (char *)(uintptr_t) "P-256", 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_PKEY_PARAM_PUB_KEY, (void *)(uintptr_t)point, 65),
	    OSSL_PARAM_construct_end(),
	};
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *key = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	return key;
}

/* The nonce is hashed once more by ECDSA with SHA-256. */
static bool
assertion_signed(const struct assertion *a, const struct app_assertion_rules *r)
{
	EVP_PKEY *key = key_of_point(r->point);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t nonce[32];
	bool ok;

	nonce_of(a->authenticator_data, r->client_data_hash, nonce);
	ok = key != NULL && ctx != NULL && r->client_data_hash.len > 0 &&
	     EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	     EVP_DigestVerify(ctx, a->signature.at, a->signature.len, nonce,
		 sizeof(nonce)) == 1;
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return ok;
}

bool
app_assertion_judge(struct verdict *v, const struct app_assertion_rules *r,
    struct bytes assertion, uint32_t *counter)
{
	struct assertion a;
	bool ok;

	*counter = r->previous_counter;
	if (!verdict_check(v, assertion_read(assertion, &a),
		(struct check){"app_assertion.object", SOURCE_HARDWARE,
		    CODE_MALFORMED,
		    "not a map of signature and authenticatorData", NULL}))
		return false;
	ok = verdict_check(v, app_id_is(a.rp_id_hash, r->app_id),
	    (struct check){"app_assertion.app_id", SOURCE_HARDWARE,
		CODE_BINDING, verdict_hex(v, a.rp_id_hash),
		verdict_text(v, r->app_id)});
	ok &= verdict_check(v, assertion_signed(&a, r),
	    (struct check){"app_assertion.signature", SOURCE_HARDWARE,
		CODE_TAMPERED, "it does not hold under the kept key", NULL});
	ok &= verdict_check(v, a.counter > r->previous_counter,
	    (struct check){"app_assertion.counter", SOURCE_HARDWARE, CODE_NONCE,
		verdict_format(v, "%u", a.counter),
		verdict_format(v, "above %u", r->previous_counter)});
	if (ok)
		*counter = a.counter;
	return ok;
}
