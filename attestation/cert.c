/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a certificate as one pass over its DER, and the few judgements on
 * it that a pinned chain needs. Every field is in its place or the whole is
 * refused; what is critical and not understood is refused.
 */
#include "attestation/cert.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>

#include "attestation/der.h"
#include "base/crypto.h"

#define DER_NULL 0x05
#define DER_UTF8_STRING 0x0c
#define DER_SET 0x31
#define DER_PRINTABLE_STRING 0x13
#define DER_VERSION 0xa0
#define DER_EXTENSIONS 0xa3

/* clang-format off */
/* AlgorithmIdentifiers, whole. */
static const uint8_t ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const uint8_t ecdsa_sha384[] = {0x30, 0x0a, 0x06, 0x08,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
/* RFC 4055: SHA-384, MGF1 with SHA-384, salt 48; AMD's roots write out the
 * default trailer as well. */
#define PSS_BODY \
	0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a
#define PSS_PARAMS \
	0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, \
	0x03, 0x04, 0x02, 0x02, 0x05, 0x00, \
	0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, \
	0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, \
	0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, \
	0xa2, 0x03, 0x02, 0x01, 0x30
static const uint8_t pss[] = {0x30, 0x41, PSS_BODY, 0x30, 0x34, PSS_PARAMS};
static const uint8_t pss_trailer[] = {0x30, 0x46, PSS_BODY, 0x30, 0x39,
	PSS_PARAMS, 0xa3, 0x03, 0x02, 0x01, 0x01};

/* Key algorithms: id-ecPublicKey with a named curve, rsaEncryption. */
static const uint8_t key_p256[] = {0x30, 0x13, 0x06, 0x07,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};
static const uint8_t key_p384[] = {0x30, 0x10, 0x06, 0x07,
	0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05,
	0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t key_rsa[] = {0x30, 0x0d, 0x06, 0x09,
	0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};

static const uint8_t oid_common_name[] = {0x55, 0x04, 0x03};
static const uint8_t oid_key_usage[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_constraints[] = {0x55, 0x1d, 0x13};
/* clang-format on */

#define IS(b, constant)                                                        \
	((b).len == sizeof(constant) &&                                        \
	    memcmp((b).at, (constant), sizeof(constant)) == 0)

static bool
broken(const char *what, struct fault *f)
{
	return fault_set(f, FAULT_INVALID, "certificate: broken %s", what);
}

bool
cert_signing_read(struct bytes whole, enum cert_signing *out)
{
	if (IS(whole, ecdsa_sha256))
		*out = CERT_ECDSA_SHA256;
	else if (IS(whole, ecdsa_sha384))
		*out = CERT_ECDSA_SHA384;
	else if (IS(whole, pss) || IS(whole, pss_trailer))
		*out = CERT_RSA_PSS_SHA384;
	else
		return false;
	return true;
}

/* RFC 5280 4.1.2.2; AMD's leafs have the serial number 0. */
static bool
read_serial(struct bytes *in, struct cert *c)
{
	return der_take(in, DER_INTEGER, &c->serial) && c->serial.len >= 1 &&
	       c->serial.len <= 21 && !(c->serial.at[0] & 0x80) &&
	       !(c->serial.len > 1 && c->serial.at[0] == 0 &&
		   !(c->serial.at[1] & 0x80));
}

static bool
read_validity(struct bytes *in, struct cert *c)
{
	struct bytes both;

	if (!der_take(in, DER_SEQUENCE, &both) ||
	    !der_take_time(&both, &c->window.from) ||
	    !der_take_time(&both, &c->window.until) || both.len != 0)
		return false;
	c->window.until += 999; /* the last second counts */
	return true;
}

static bool
read_key(struct bytes *in, struct cert *c, struct fault *f)
{
	struct bytes algorithm, content;

	if (!der_take_whole(in, DER_SEQUENCE, &c->spki) ||
	    !der_only(c->spki, DER_SEQUENCE, &content) ||
	    !der_take_whole(&content, DER_SEQUENCE, &algorithm) ||
	    !der_take_bits(&content, &c->key) || content.len != 0)
		return broken("key", f);
	if (IS(algorithm, key_p256))
		c->curve = NID_X9_62_prime256v1;
	else if (IS(algorithm, key_p384))
		c->curve = NID_secp384r1;
	else if (!IS(algorithm, key_rsa))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "certificate: a key of no known kind");
	return true;
}

static bool
read_constraints(struct bytes value, struct cert *c)
{
	struct bytes content, part;
	uint32_t n;

	if (!der_only(value, DER_SEQUENCE, &content))
		return false;
	if (der_take(&content, DER_BOOLEAN, &part) &&
	    (!der_bool(part, &c->ca) || !c->ca))
		return false;
	if (der_take(&content, DER_INTEGER, &part)) {
		if (!c->ca || !der_uint(part, &n) || n > 16)
			return false;
		c->pathlen = (int)n;
	}
	return content.len == 0;
}

/* RFC 5280 4.2.1.3: named bits, the first is the highest. */
static bool
read_usage(struct bytes value, struct cert *c)
{
	struct bytes bits;

	if (!der_only(value, DER_BIT_STRING, &bits) || bits.len < 2 ||
	    bits.len > 3 || bits.at[0] > 7)
		return false;
	c->has_usage = true;
	c->may_sign = bits.at[1] & 0xc0;
	c->may_sign_certs = bits.at[1] & 0x04;
	c->may_sign_lists = bits.at[1] & 0x02;
	return true;
}

bool
cert_take_extension(
    struct bytes *in, struct bytes *oid, bool *critical, struct bytes *value)
{
	struct bytes one, flag;

	*critical = false;
	if (!der_take(in, DER_SEQUENCE, &one) || !der_take(&one, DER_OID, oid))
		return false;
	/* DER leaves the default out: a flag is true. */
	if (der_take(&one, DER_BOOLEAN, &flag) &&
	    (!der_bool(flag, critical) || !*critical))
		return false;
	return der_take(&one, DER_OCTET_STRING, value) && one.len == 0;
}

static bool
repeated(struct bytes before, struct bytes oid)
{
	struct bytes seen, value;
	bool critical;

	while (before.len > 0 &&
	       cert_take_extension(&before, &seen, &critical, &value))
		if (bytes_equal(seen, oid))
			return true;
	return false;
}

static bool
read_extensions(struct cert *c, struct fault *f)
{
	struct bytes in = c->extensions, oid, value;
	bool critical, fine = true;

	while (in.len > 0) {
		const uint8_t *start = in.at;

		if (!cert_take_extension(&in, &oid, &critical, &value) ||
		    repeated(bytes_of(c->extensions.at,
				 (size_t)(start - c->extensions.at)),
			oid))
			return broken("or repeated extension", f);
		if (IS(oid, oid_constraints))
			fine = read_constraints(value, c);
		else if (IS(oid, oid_key_usage))
			fine = read_usage(value, c);
		else if (critical)
			return fault_set(f, FAULT_UNSUPPORTED,
			    "certificate: unknown critical extension");
		if (!fine)
			return broken("extension", f);
	}
	return true;
}

static bool
read_tbs(struct cert *c, struct bytes algorithm, struct fault *f)
{
	static const uint8_t v3[] = {0x02, 0x01, 0x02};
	struct bytes in, part;

	if (!der_only(c->tbs, DER_SEQUENCE, &in) ||
	    !der_take(&in, DER_VERSION, &part) || !IS(part, v3))
		return fault_set(
		    f, FAULT_INVALID, "certificate is not of version 3");
	/* RFC 5280 4.1.1.2: inside and outside are the same. */
	if (!read_serial(&in, c) || !der_take_whole(&in, DER_SEQUENCE, &part) ||
	    !bytes_equal(part, algorithm))
		return broken("serial number or algorithm", f);
	if (!der_take_whole(&in, DER_SEQUENCE, &c->issuer) ||
	    !read_validity(&in, c) ||
	    !der_take_whole(&in, DER_SEQUENCE, &c->subject))
		return broken("name or validity", f);
	if (!read_key(&in, c, f))
		return false;
	if (!der_take(&in, DER_EXTENSIONS, &part) || in.len != 0 ||
	    !der_only(part, DER_SEQUENCE, &c->extensions))
		return broken("extensions", f);
	return read_extensions(c, f);
}

bool
cert_read(struct bytes der, struct cert *out, struct fault *f)
{
	struct bytes in, algorithm;

	*out = (struct cert){.der = der, .pathlen = -1};
	if (der.len > CERTIFICATE_DER_MAX ||
	    !der_only(der, DER_SEQUENCE, &in) ||
	    !der_take_whole(&in, DER_SEQUENCE, &out->tbs) ||
	    !der_take_whole(&in, DER_SEQUENCE, &algorithm) ||
	    !der_take_bits(&in, &out->signature) || in.len != 0)
		return fault_set(
		    f, FAULT_INVALID, "not one certificate in DER");
	if (!cert_signing_read(algorithm, &out->signing))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "certificate: signed by an algorithm that is not known");
	return read_tbs(out, algorithm, f);
}

/* One attribute of a name: its value, where it is a common name. */
static bool
take_common_name(struct bytes *names, bool *is, struct text *out)
{
	struct bytes set, pair, oid, value;
	uint8_t tag;

	if (!der_take(names, DER_SET, &set) ||
	    !der_take(&set, DER_SEQUENCE, &pair) || set.len != 0 ||
	    !der_take(&pair, DER_OID, &oid) || !der_next(&pair, &tag, &value) ||
	    pair.len != 0)
		return false;
	*is = IS(oid, oid_common_name);
	if (*is && tag != DER_UTF8_STRING && tag != DER_PRINTABLE_STRING)
		return false;
	if (*is)
		*out = (struct text){(const char *)value.at, value.len};
	return true;
}

bool
cert_common_name(const struct cert *c, struct text *out)
{
	struct bytes names;
	size_t found = 0;
	bool is;

	if (!der_only(c->subject, DER_SEQUENCE, &names))
		return false;
	while (names.len > 0) {
		if (!take_common_name(&names, &is, out))
			return false;
		found += is;
	}
	return found == 1;
}

bool
cert_is_named(const struct cert *c, const char *common_name)
{
	struct text seen;

	return cert_common_name(c, &seen) && text_is(seen, common_name);
}

bool
cert_extension(const struct cert *c, struct bytes oid, struct bytes *out)
{
	struct bytes in = c->extensions, seen;
	bool critical;

	while (in.len > 0 && cert_take_extension(&in, &seen, &critical, out))
		if (bytes_equal(seen, oid))
			return true;
	return false;
}

void
cert_spki_sha256(const struct cert *c, uint8_t out[32])
{
	sha256(c->spki, out);
}

static EVP_PKEY *
key_of_params(const char *kind, OSSL_PARAM_BLD *b)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(b);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *key = NULL;

	if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	ERR_clear_error();
	return key;
}

/* A copy of a key of that curve takes the new point, if it is on it. */
static EVP_PKEY *
key_from_like(struct bytes point, EVP_PKEY *like)
{
	EVP_PKEY *key = EVP_PKEY_dup(like);

	if (key != NULL &&
	    EVP_PKEY_set1_encoded_public_key(key, point.at, point.len) == 1)
		return key;
	EVP_PKEY_free(key);
	ERR_clear_error();
	return NULL;
}

EVP_PKEY *
key_of_point(struct bytes point, EVP_PKEY *like)
{
	const char *curve = point.len == 65 ? "P-256" : "P-384";
	OSSL_PARAM_BLD *b;
	EVP_PKEY *key;

	if ((point.len != 65 && point.len != 97) || point.at[0] != 4)
		return NULL;
	if (like != NULL && key_is_curve(like, curve))
		return key_from_like(point, like);
	b = OSSL_PARAM_BLD_new();
	OSSL_PARAM_BLD_push_utf8_string(
	    b, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0);
	OSSL_PARAM_BLD_push_octet_string(
	    b, OSSL_PKEY_PARAM_PUB_KEY, point.at, point.len);
	key = key_of_params("EC", b);
	OSSL_PARAM_BLD_free(b);
	return key;
}

static EVP_PKEY *
key_of_rsa(struct bytes der)
{
	struct bytes in, n, e;
	OSSL_PARAM_BLD *b;
	BIGNUM *bn, *be;
	EVP_PKEY *key;

	if (!der_only(der, DER_SEQUENCE, &in) ||
	    !der_take(&in, DER_INTEGER, &n) ||
	    !der_take(&in, DER_INTEGER, &e) || in.len != 0 || n.len < 1 ||
	    n.len > 1025 || (n.at[0] & 0x80) || e.len < 1 || e.len > 4 ||
	    (e.at[0] & 0x80))
		return NULL;
	b = OSSL_PARAM_BLD_new();
	bn = BN_bin2bn(n.at, (int)n.len, NULL);
	be = BN_bin2bn(e.at, (int)e.len, NULL);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_N, bn);
	OSSL_PARAM_BLD_push_BN(b, OSSL_PKEY_PARAM_RSA_E, be);
	key = key_of_params("RSA", b);
	OSSL_PARAM_BLD_free(b);
	BN_free(bn);
	BN_free(be);
	return key;
}

EVP_PKEY *
cert_key(const struct cert *c, EVP_PKEY *like)
{
	if (c->curve == 0)
		return key_of_rsa(c->key);
	if (c->key.len != (c->curve == NID_secp384r1 ? 97u : 65u))
		return NULL;
	return key_of_point(c->key, like);
}

bool
cert_check_leaf(const struct cert *c, struct fault *f)
{
	if (c->ca)
		return fault_set(
		    f, FAULT_UNTRUSTED, "the leaf is a certificate authority");
	if (c->has_usage && !c->may_sign)
		return fault_set(
		    f, FAULT_UNTRUSTED, "the leaf's key may not sign");
	return true;
}

bool
cert_signing_fits(
    enum cert_signing seen, enum chain_signing wanted, EVP_PKEY *by)
{
	switch (seen) {
	case CERT_ECDSA_SHA256:
	case CERT_ECDSA_SHA384:
		return wanted == CHAIN_ECDSA &&
		       EVP_PKEY_get_base_id(by) == EVP_PKEY_EC;
	case CERT_RSA_PSS_SHA384:
		return wanted == CHAIN_RSA_PSS &&
		       EVP_PKEY_get_base_id(by) == EVP_PKEY_RSA &&
		       EVP_PKEY_get_bits(by) >= 3072;
	}
	return false;
}

bool
cert_signature_holds(enum cert_signing signing, EVP_PKEY *key,
    struct bytes message, struct bytes signature)
{
	const EVP_MD *digest =
	    signing == CERT_ECDSA_SHA256 ? EVP_sha256() : EVP_sha384();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k = NULL;
	bool holds = false;

	if (EVP_DigestVerifyInit(md, &k, digest, NULL, key) != 1)
		goto out;
	if (signing == CERT_RSA_PSS_SHA384 &&
	    (EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING) != 1 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(k, 48) != 1 ||
		EVP_PKEY_CTX_set_rsa_mgf1_md(k, EVP_sha384()) != 1))
		goto out;
	holds = EVP_DigestVerify(md, signature.at, signature.len, message.at,
		    message.len) == 1;
out:
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return holds;
}

bool
cert_check_link(const struct cert *c, const struct cert *issuer,
    EVP_PKEY *issuer_key, size_t below, enum chain_signing signing,
    struct fault *f)
{
	/* RFC 5280 6.1.4 (k) to (n). */
	if (!issuer->ca || (issuer->has_usage && !issuer->may_sign_certs))
		return fault_set(
		    f, FAULT_UNTRUSTED, "an issuer may not sign certificates");
	if (issuer->pathlen >= 0 && (size_t)issuer->pathlen < below)
		return fault_set(
		    f, FAULT_UNTRUSTED, "path longer than an issuer allows");
	if (!bytes_equal(c->issuer, issuer->subject))
		return fault_set(f, FAULT_UNTRUSTED,
		    "issuer and subject names do not follow each other");
	if (issuer_key == NULL ||
	    !cert_signing_fits(c->signing, signing, issuer_key))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "certificate signed in a way that is not accepted");
	if (!cert_signature_holds(c->signing, issuer_key, c->tbs, c->signature))
		return fault_set(f, FAULT_TAMPERED,
		    "a certificate's signature does not hold");
	return true;
}

bool
cert_check_anchor(const struct cert *c, EVP_PKEY *key,
    const struct anchors *anchors, enum anchor_kind kind, struct fault *f)
{
	uint8_t spki[32], whole[32];

	sha256(c->der, whole);
	if (anchors_is_published(anchors, kind, whole))
		return true;
	cert_spki_sha256(c, spki);
	if (!anchors_trust(anchors, kind, spki))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the chain does not end at %s", anchor_name(kind));
	if (key == NULL || !bytes_equal(c->issuer, c->subject) ||
	    !cert_signature_holds(c->signing, key, c->tbs, c->signature))
		return fault_set(f, FAULT_TAMPERED,
		    "the root's own signature does not hold");
	return true;
}

bool
cert_verify_list(X509_CRL *crl, const struct cert *issuer, EVP_PKEY *issuer_key,
    struct window *window, struct fault *f)
{
	const unsigned char *name = NULL;
	size_t len = 0;

	if (!X509_NAME_get0_der(X509_CRL_get_issuer(crl), &name, &len) ||
	    !bytes_equal(bytes_of(name, len), issuer->subject))
		return fault_set(
		    f, FAULT_CONFLICT, "revocation list of another issuer");
	if (!issuer->ca || (issuer->has_usage && !issuer->may_sign_lists))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the issuer may not sign revocation lists");
	return crl_verify_key(crl, issuer_key, window, f);
}

bool
cert_is_listed(X509_CRL *crl, const struct cert *c)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(crl);
	struct bytes serial = c->serial;
	int i;

	/* Lists hold the number without the zero that keeps it positive. */
	if (serial.len > 1 && serial.at[0] == 0)
		serial = bytes_of(serial.at + 1, serial.len - 1);
	for (i = 0; i < sk_X509_REVOKED_num(all); i++) {
		const ASN1_INTEGER *n = X509_REVOKED_get0_serialNumber(
		    sk_X509_REVOKED_value(all, i));

		if (ASN1_STRING_type(n) == V_ASN1_INTEGER &&
		    bytes_equal(serial, bytes_of(ASN1_STRING_get0_data(n),
					    (size_t)ASN1_STRING_length(n))))
			return true;
	}
	return false;
}
