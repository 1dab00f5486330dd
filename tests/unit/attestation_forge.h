/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Evidence of our own making, under test roots: certificates with any
 * extension and signatures as devices write them. The time is fixed, so that
 * the tests say the same every day.
 */
#ifndef TESTS_UNIT_ATTESTATION_FORGE_H
#define TESTS_UNIT_ATTESTATION_FORGE_H

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attestation/anchors.h"
#include "base/mem.h"
#include "base/text.h"

/* 2026-01-15T00:00:00Z, unless the includer has a time of its own. */
#ifndef FORGE_NOW
#define FORGE_NOW ((int64_t)1768435200)
#endif
#define FORGE_NOW_MS (FORGE_NOW * 1000)
#define FORGE_DAY ((int64_t)86400)
#define FORGE_EXTENSIONS 12

struct forged {
	EVP_PKEY *key;
	X509 *x509;
};

struct forge_wish {
	const char *name;  /* common name */
	const char *curve; /* NULL: RSA of 2048 bits */
	bool ca;
	int64_t from, until; /* Unix seconds; both 0: a month around now */
	long serial;
	struct {
		const char *oid;
		struct bytes value;
	} extension[FORGE_EXTENSIONS];
};

static inline void
forge_must(bool ok)
{
	if (!ok)
		abort();
}

/* Signs anew, as AMD does: RSA-PSS, SHA-384, salt 48. */
static inline void
forge_sign_pss(X509 *x, EVP_PKEY *by)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *k;

	forge_must(
	    EVP_DigestSignInit(md, &k, EVP_sha384(), NULL, by) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(k, RSA_PKCS1_PSS_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(k, 48) == 1 &&
	    X509_sign_ctx(x, md) > 0);
	EVP_MD_CTX_free(md);
}

static inline void
forge_extend(X509 *x, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	forge_must(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
}

static inline void
forge_extend_raw(X509 *x, const char *oid, struct bytes value)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	ASN1_OCTET_STRING *s = ASN1_OCTET_STRING_new();
	X509_EXTENSION *e;

	forge_must(ASN1_OCTET_STRING_set(s, value.at, (int)value.len) == 1);
	e = X509_EXTENSION_create_by_OBJ(NULL, o, 0, s);
	forge_must(e != NULL && X509_add_ext(x, e, -1) == 1);
	X509_EXTENSION_free(e);
	ASN1_OCTET_STRING_free(s);
	ASN1_OBJECT_free(o);
}

/* issuer NULL: signed by itself. */
static inline void
forge(
    struct forged *out, const struct forged *issuer, const struct forge_wish *w)
{
	const EVP_MD *digest = EVP_sha256();
	X509_NAME *name = X509_NAME_new();
	X509 *x = X509_new();
	const struct forged *by = issuer != NULL ? issuer : out;

	out->key = w->curve != NULL ? EVP_EC_gen(w->curve) : EVP_RSA_gen(2048);
	out->x509 = x;
	forge_must(out->key != NULL && x != NULL);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(
	    X509_get_serialNumber(x), w->serial != 0 ? w->serial : 1);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	    (const unsigned char *)w->name, -1, -1, 0);
	X509_set_subject_name(x, name);
	X509_NAME_free(name);
	X509_set_issuer_name(x, X509_get_subject_name(by->x509));
	ASN1_TIME_set(X509_getm_notBefore(x),
	    w->from != 0 ? w->from : FORGE_NOW - 30 * FORGE_DAY);
	ASN1_TIME_set(X509_getm_notAfter(x),
	    w->until != 0 ? w->until : FORGE_NOW + 30 * FORGE_DAY);
	X509_set_pubkey(x, out->key);
	forge_extend(x, NID_basic_constraints,
	    w->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	forge_extend(x, NID_key_usage,
	    w->ca ? "critical,keyCertSign,cRLSign"
		  : "critical,digitalSignature");
	for (int i = 0; i < FORGE_EXTENSIONS; i++)
		if (w->extension[i].oid != NULL)
			forge_extend_raw(
			    x, w->extension[i].oid, w->extension[i].value);
	if (EVP_PKEY_get_bits(by->key) == 384)
		digest = EVP_sha384();
	forge_must(X509_sign(x, by->key, digest) > 0);
}

static inline void
forged_free(struct forged *f)
{
	EVP_PKEY_free(f->key);
	X509_free(f->x509);
	*f = (struct forged){NULL, NULL};
}

static inline struct bytes
forged_der(struct arena *a, X509 *x)
{
	unsigned char *der = NULL;
	int n = i2d_X509(x, &der);
	struct bytes out;

	forge_must(n > 0);
	out = bytes_of(arena_copy(a, der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	return out;
}

/* PEM blocks one after the other, leaf first. */
static inline struct text
forged_pem(struct arena *a, const struct forged *chain, size_t count)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *at;
	struct text text;

	for (size_t i = 0; i < count; i++)
		forge_must(PEM_write_bio_X509(out, chain[i].x509) == 1);
	text.len = (size_t)BIO_get_mem_data(out, &at);
	text.at = arena_copy(a, at, text.len);
	BIO_free(out);
	return text;
}

/* r and s as fixed numbers of `half` bytes, over the message's digest. */
static inline void
forge_sign(EVP_PKEY *key, const EVP_MD *digest, struct bytes message,
    uint8_t *rs, int half)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	uint8_t der[160];
	const uint8_t *at = der;
	size_t len = sizeof(der);
	ECDSA_SIG *sig;

	forge_must(EVP_DigestSignInit(c, NULL, digest, NULL, key) == 1 &&
		   EVP_DigestSign(c, der, &len, message.at, message.len) == 1);
	sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	forge_must(sig != NULL);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), rs, half);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), rs + half, half);
	ECDSA_SIG_free(sig);
	EVP_MD_CTX_free(c);
}

/* The uncompressed point of an EC key; returns its length. */
static inline size_t
forged_point(EVP_PKEY *key, uint8_t out[97])
{
	size_t len = 0;

	forge_must(EVP_PKEY_get_octet_string_param(
		       key, OSSL_PKEY_PARAM_PUB_KEY, out, 97, &len) == 1);
	return len;
}

struct forge_list_wish {
	long serial;	    /* revoked; 0: none */
	int64_t from, next; /* Unix seconds */
	long number;	    /* CRL number; 0: none */
};

static inline void
forge_list_number(X509_CRL *crl, long number)
{
	ASN1_INTEGER *i = ASN1_INTEGER_new();

	ASN1_INTEGER_set(i, number);
	forge_must(X509_CRL_add1_ext_i2d(crl, NID_crl_number, i, 0, 0) == 1);
	ASN1_INTEGER_free(i);
}

static inline struct bytes
forge_list_of(struct arena *a, const struct forged *issuer,
    const struct forge_list_wish *w)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *t = ASN1_TIME_new();
	unsigned char *der = NULL;
	struct bytes out;
	int n;

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->x509));
	ASN1_TIME_set(t, w->from);
	X509_CRL_set1_lastUpdate(crl, t);
	if (w->number != 0)
		forge_list_number(crl, w->number);
	if (w->serial != 0) {
		X509_REVOKED *r = X509_REVOKED_new();
		ASN1_INTEGER *i = ASN1_INTEGER_new();

		ASN1_INTEGER_set(i, w->serial);
		X509_REVOKED_set_serialNumber(r, i);
		X509_REVOKED_set_revocationDate(r, t);
		X509_CRL_add0_revoked(crl, r);
		ASN1_INTEGER_free(i);
	}
	ASN1_TIME_set(t, w->next);
	X509_CRL_set1_nextUpdate(crl, t);
	forge_must(X509_CRL_sign(crl, issuer->key, EVP_sha384()) > 0);
	n = i2d_X509_CRL(crl, &der);
	forge_must(n > 0);
	out = bytes_of(arena_copy(a, der, (size_t)n), (size_t)n);
	OPENSSL_free(der);
	ASN1_TIME_free(t);
	X509_CRL_free(crl);
	return out;
}

/* A list of one revoked serial number, or of none (0), a day old. */
static inline struct bytes
forge_list(
    struct arena *a, const struct forged *issuer, long serial, int64_t next)
{
	const struct forge_list_wish w = {
	    .serial = serial, .from = FORGE_NOW - FORGE_DAY, .next = next};

	return forge_list_of(a, issuer, &w);
}

#endif
