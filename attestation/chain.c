/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificates and revocation lists, judged by RFC 5280 as far as device
 * evidence uses it and no further: what is not understood and critical is
 * refused. No store, no system clock, no network.
 */
#include "attestation/chain.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/codec.h"
#include "base/crypto.h"
#include "base/mem.h"

struct window
window_meet(struct window a, struct window b)
{
	if (b.from > a.from)
		a.from = b.from;
	if (b.until < a.until)
		a.until = b.until;
	return a;
}

bool
window_holds(struct window w, int64_t now_ms)
{
	return w.from <= now_ms && now_ms <= w.until;
}

void
chain_free(struct chain *c)
{
	size_t i;

	for (i = 0; i < c->count; i++)
		X509_free(c->at[i]);
	memset(c, 0, sizeof(*c));
}

bool
certificate_read_der(struct bytes der, X509 **out, struct fault *f)
{
	const unsigned char *at = der.at;
	X509 *c;

	if (der.len == 0 || der.len > CERTIFICATE_DER_MAX)
		return fault_set(
		    f, FAULT_INVALID, "certificate of %zu bytes", der.len);
	c = d2i_X509(NULL, &at, (long)der.len);
	if (c == NULL || at != der.at + der.len) {
		X509_free(c);
		ERR_clear_error();
		return fault_set(
		    f, FAULT_INVALID, "not one certificate in DER");
	}
	*out = c;
	return true;
}

#define PEM_BEGIN "-----BEGIN CERTIFICATE-----"
#define PEM_END "-----END CERTIFICATE-----"

static bool
take(struct text *t, const char *s)
{
	size_t len = strlen(s);

	if (t->len < len || memcmp(t->at, s, len) != 0)
		return false;
	t->at += len;
	t->len -= len;
	return true;
}

static void
skip_line_ends(struct text *t)
{
	while (t->len > 0 && (*t->at == '\n' || *t->at == '\r')) {
		t->at++;
		t->len--;
	}
}

/* One block (RFC 7468, the strict form but for the length of lines). */
static bool
read_block(
    struct text *t, uint8_t *der, size_t size, size_t *len, struct fault *f)
{
	char body[BASE64_SIZE(CERTIFICATE_DER_MAX)];
	size_t n = 0;

	if (!take(t, PEM_BEGIN))
		return fault_set(f, FAULT_INVALID,
		    "certificate chain: no BEGIN CERTIFICATE line");
	for (; t->len > 0 && *t->at != '-'; t->at++, t->len--) {
		if (*t->at == '\n' || *t->at == '\r')
			continue;
		if (n == sizeof(body))
			return fault_set(f, FAULT_INVALID,
			    "certificate chain: a block is too long");
		body[n++] = *t->at;
	}
	if (!take(t, PEM_END))
		return fault_set(f, FAULT_INVALID,
		    "certificate chain: no END CERTIFICATE line");
	if (!base64_decode((struct text){body, n}, der, size, len))
		return fault_set(f, FAULT_INVALID,
		    "certificate chain: a block is not base64");
	return true;
}

bool
chain_split_pem(
    struct arena *a, struct text pem, struct chain_blocks *out, struct fault *f)
{
	uint8_t der[CERTIFICATE_DER_MAX];
	size_t len;

	out->count = 0;
	/* Hosts hand the chain on as a C string, NUL included. */
	while (pem.len > 0 && pem.at[pem.len - 1] == '\0')
		pem.len--;
	if (pem.len > CHAIN_PEM_MAX)
		return fault_set(f, FAULT_INVALID,
		    "certificate chain of %zu bytes", pem.len);
	skip_line_ends(&pem);
	while (pem.len > 0) {
		if (out->count == CHAIN_MAX)
			return fault_set(f, FAULT_INVALID,
			    "more than %d certificates", CHAIN_MAX);
		if (!read_block(&pem, der, sizeof(der), &len, f))
			return false;
		out->at[out->count++] = bytes_of(arena_copy(a, der, len), len);
		skip_line_ends(&pem);
	}
	if (out->count == 0)
		return fault_set(f, FAULT_INVALID, "no certificate");
	return true;
}

bool
chain_read_pem(struct text pem, struct chain *out, struct fault *f)
{
	struct arena *a = arena_new();
	struct chain_blocks blocks;
	bool read;
	size_t i;

	memset(out, 0, sizeof(*out));
	read = chain_split_pem(a, pem, &blocks, f);
	for (i = 0; read && i < blocks.count; i++)
		read = chain_add_der(out, blocks.at[i], f);
	arena_free(&a);
	if (!read)
		chain_free(out);
	return read;
}

bool
chain_add_der(struct chain *c, struct bytes der, struct fault *f)
{
	if (c->count == CHAIN_MAX)
		return fault_set(
		    f, FAULT_INVALID, "more than %d certificates", CHAIN_MAX);
	if (!certificate_read_der(der, &c->at[c->count], f))
		return false;
	c->count++;
	return true;
}

bool
chain_add(struct chain *c, X509 *certificate)
{
	if (c->count == CHAIN_MAX)
		return false;
	X509_up_ref(certificate);
	c->at[c->count++] = certificate;
	return true;
}

bool
certificate_read_pem(struct text pem, X509 **out, struct fault *f)
{
	struct chain c;

	if (!chain_read_pem(pem, &c, f))
		return false;
	if (c.count != 1) {
		chain_free(&c);
		return fault_set(f, FAULT_INVALID, "more than one certificate");
	}
	*out = c.at[0];
	return true;
}

bool
time_of_asn1(const ASN1_TIME *t, int64_t *ms)
{
	struct tm tm;
	char text[RFC3339_TEXT];
	int n;

	if (t == NULL || !ASN1_TIME_to_tm(t, &tm))
		return false;
	n = snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02dZ",
	    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
	return n > 0 && (size_t)n < sizeof(text) &&
	       time_of_rfc3339(text_of(text), ms);
}

bool
certificate_window(X509 *c, struct window *out, struct fault *f)
{
	if (!time_of_asn1(X509_get0_notBefore(c), &out->from) ||
	    !time_of_asn1(X509_get0_notAfter(c), &out->until))
		return fault_set(f, FAULT_INVALID,
		    "certificate with an unreadable validity");
	out->until += 999; /* RFC 5280 4.1.2.5: the last second counts */
	return true;
}

bool
certificate_same(X509 *a, X509 *b)
{
	unsigned char *x = NULL, *y = NULL;
	int n = i2d_X509(a, &x), m = i2d_X509(b, &y);
	bool same = n > 0 && n == m && memcmp(x, y, (size_t)n) == 0;

	OPENSSL_free(x);
	OPENSSL_free(y);
	return same;
}

bool
certificate_common_name(X509 *c, char *out, size_t size)
{
	const X509_NAME *name = X509_get_subject_name(c);
	int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
	const ASN1_STRING *s;

	if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
		return false;
	s = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
	return text_store((struct text){(const char *)ASN1_STRING_get0_data(s),
			      (size_t)ASN1_STRING_length(s)},
	    out, size);
}

bool
certificate_extension(X509 *c, const char *oid, struct bytes *out)
{
	ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
	const ASN1_OCTET_STRING *data;
	int at;

	if (o == NULL)
		return false;
	at = X509_get_ext_by_OBJ(c, o, -1);
	if (at >= 0 && X509_get_ext_by_OBJ(c, o, at) >= 0)
		at = -1;
	ASN1_OBJECT_free(o);
	if (at < 0)
		return false;
	data = X509_EXTENSION_get_data(X509_get_ext(c, at));
	*out = bytes_of(
	    ASN1_STRING_get0_data(data), (size_t)ASN1_STRING_length(data));
	return true;
}

bool
key_is_curve(EVP_PKEY *key, const char *curve)
{
	char name[32];
	size_t len;

	if (key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_EC ||
	    !EVP_PKEY_get_group_name(key, name, sizeof(name), &len))
		return false;
	return OBJ_sn2nid(name) != NID_undef &&
	       OBJ_sn2nid(name) == EC_curve_nist2nid(curve);
}

/* How the certificate is signed must be what the rules ask for. */
static bool
signing_fits(X509 *c, EVP_PKEY *by, enum chain_signing signing)
{
	int digest, kind, bits;
	uint32_t flags;

	if (!X509_get_signature_info(c, &digest, &kind, &bits, &flags))
		return false;
	if (signing == CHAIN_RSA_PSS)
		return digest == NID_sha384 &&
		       X509_get_signature_nid(c) == NID_rsassaPss &&
		       EVP_PKEY_get_bits(by) >= 3072;
	if (digest != NID_sha256 && digest != NID_sha384 &&
	    digest != NID_sha512)
		return false;
	if (signing == CHAIN_RSA)
		return kind == EVP_PKEY_RSA && EVP_PKEY_get_bits(by) >= 2048;
	return (key_is_curve(by, "P-256") || key_is_curve(by, "P-384")) &&
	       kind == EVP_PKEY_EC;
}

static bool
extensions_known(X509 *c, const char *critical_oid, struct fault *f)
{
	char oid[80];
	int i;

	for (i = 0; i < X509_get_ext_count(c); i++) {
		X509_EXTENSION *e = X509_get_ext(c, i);

		if (!X509_EXTENSION_get_critical(e) ||
		    X509_supported_extension(e))
			continue;
		OBJ_obj2txt(oid, sizeof(oid), X509_EXTENSION_get_object(e), 1);
		if (critical_oid == NULL || strcmp(oid, critical_oid) != 0)
			return fault_set(f, FAULT_UNSUPPORTED,
			    "certificate: unknown critical extension %s", oid);
	}
	return true;
}

/* What every certificate must be (RFC 5280 4.1, 4.2). */
static bool
sound(X509 *c, const struct chain_rules *r, struct fault *f)
{
	if (X509_get_version(c) != X509_VERSION_3)
		return fault_set(
		    f, FAULT_INVALID, "certificate is not of version 3");
	if (X509_get_extension_flags(c) & EXFLAG_INVALID)
		return fault_set(f, FAULT_INVALID,
		    "certificate with a broken or repeated extension");
	return extensions_known(c, r->critical_oid, f);
}

bool
chain_check_leaf(X509 *leaf, const struct chain_rules *r, struct fault *f)
{
	if (!sound(leaf, r, f))
		return false;
	if (X509_check_ca(leaf) == 1)
		return r->leaf_may_be_ca ||
		       fault_set(f, FAULT_UNTRUSTED,
			   "the leaf is a certificate authority");
	if (!(X509_get_key_usage(leaf) &
		(KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION)))
		return fault_set(
		    f, FAULT_UNTRUSTED, "the leaf's key may not sign");
	return true;
}

bool
chain_check_link(X509 *subject, X509 *issuer, size_t below,
    const struct chain_rules *r, struct fault *f)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	long depth;

	if (!sound(issuer, r, f))
		return false;
	/* RFC 5280 6.1.4 (k) to (n). */
	if (X509_check_ca(issuer) != 1 ||
	    !(X509_get_key_usage(issuer) & KU_KEY_CERT_SIGN))
		return fault_set(
		    f, FAULT_UNTRUSTED, "an issuer may not sign certificates");
	depth = X509_get_pathlen(issuer);
	if (depth >= 0 && (size_t)depth < below)
		return fault_set(
		    f, FAULT_UNTRUSTED, "path longer than an issuer allows");
	if (X509_NAME_cmp(X509_get_issuer_name(subject),
		X509_get_subject_name(issuer)) != 0)
		return fault_set(f, FAULT_UNTRUSTED,
		    "issuer and subject names do not follow each other");
	if (key == NULL || !signing_fits(subject, key, r->signing))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "certificate signed in a way that is not accepted");
	if (X509_verify(subject, key) != 1) {
		ERR_clear_error();
		return fault_set(f, FAULT_TAMPERED,
		    "a certificate's signature does not hold");
	}
	return true;
}

bool
chain_check_time(
    X509 *c, int64_t now_ms, struct window *window, struct fault *f)
{
	struct window own;
	char name[64], at[RFC3339_TEXT];

	if (!certificate_window(c, &own, f))
		return false;
	*window = window_meet(*window, own);
	if (window_holds(own, now_ms))
		return true;
	if (!certificate_common_name(c, name, sizeof(name)))
		strncpy(name, "certificate", sizeof(name));
	if (now_ms < own.from) {
		time_to_rfc3339(own.from, at);
		return fault_set(f, FAULT_NOT_YET_VALID,
		    "%s is not valid before %s", name, at);
	}
	time_to_rfc3339(own.until - 999, at);
	return fault_set(f, FAULT_EXPIRED, "%s expired at %s", name, at);
}

bool
chain_walk_untimed(const struct chain *c, const struct chain_rules *r,
    struct window *window, struct fault *f)
{
	struct window own;
	uint8_t spki[32];
	size_t i;

	*window = WINDOW_ALWAYS;
	if (c->count == 0)
		return fault_set(f, FAULT_INVALID, "no certificate");
	spki_sha256(c->at[c->count - 1], spki);
	if (!anchors_trust(r->anchors, r->anchor, spki))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the chain does not end at %s", anchor_name(r->anchor));
	/* A lone certificate is the anchor itself, which no evidence needs. */
	if (c->count == 1)
		return fault_set(f, FAULT_UNTRUSTED,
		    "the chain holds nothing but the anchor");
	if (!chain_check_leaf(c->at[0], r, f))
		return false;
	/* From the anchor down, so that nothing is read that is not signed. */
	for (i = c->count - 1; i > 0; i--)
		if (!chain_check_link(c->at[i - 1], c->at[i], i - 1, r, f))
			return false;
	for (i = 0; i < c->count; i++) {
		if (!certificate_window(c->at[i], &own, f))
			return false;
		*window = window_meet(*window, own);
	}
	return true;
}

bool
chain_walk(const struct chain *c, const struct chain_rules *r,
    struct window *window, struct fault *f)
{
	size_t i;

	if (!chain_walk_untimed(c, r, window, f))
		return false;
	for (i = c->count; i > 0; i--)
		if (!chain_check_time(c->at[i - 1], r->now_ms, window, f))
			return false;
	return true;
}

bool
chain_check_root(
    const struct chain *c, const struct chain_rules *r, struct fault *f)
{
	X509 *root = c->at[c->count - 1];
	X509 *pinned = anchors_certificate(r->anchors, r->anchor);
	bool whole = pinned != NULL && certificate_same(root, pinned);

	X509_free(pinned);
	if (whole || X509_verify(root, X509_get0_pubkey(root)) == 1)
		return true;
	ERR_clear_error();
	return fault_set(
	    f, FAULT_TAMPERED, "the root certificate does not sign itself");
}

static X509_CRL *
crl_of_pem(struct bytes b)
{
	BIO *in = BIO_new_mem_buf(b.at, (int)b.len);
	X509_CRL *out = PEM_read_bio_X509_CRL(in, NULL, NULL, NULL);

	BIO_free(in);
	return out;
}

bool
crl_read(struct bytes b, X509_CRL **out, struct fault *f)
{
	const unsigned char *at = b.at;
	X509_CRL *crl;

	if (b.len == 0 || b.len > CRL_DER_MAX)
		return fault_set(
		    f, FAULT_INVALID, "revocation list of %zu bytes", b.len);
	if (b.at[0] == '-') {
		crl = crl_of_pem(b);
		at = b.at + b.len;
	} else {
		crl = d2i_X509_CRL(NULL, &at, (long)b.len);
	}
	if (crl == NULL || at != b.at + b.len) {
		X509_CRL_free(crl);
		ERR_clear_error();
		return fault_set(f, FAULT_INVALID, "not a revocation list");
	}
	*out = crl;
	return true;
}

/* An issuing distribution point or delta indicator narrows what a list says;
 * such a list is no answer to "is it revoked?". */
static bool
crl_is_plain(X509_CRL *crl, struct fault *f)
{
	int i;

	for (i = 0; i < X509_CRL_get_ext_count(crl); i++) {
		X509_EXTENSION *e = X509_CRL_get_ext(crl, i);
		int nid = OBJ_obj2nid(X509_EXTENSION_get_object(e));

		if (nid == NID_delta_crl ||
		    nid == NID_issuing_distribution_point ||
		    (X509_EXTENSION_get_critical(e) && nid != NID_crl_number &&
			nid != NID_authority_key_identifier))
			return fault_set(f, FAULT_UNSUPPORTED,
			    "revocation list that does not cover all its "
			    "issuer's certificates");
	}
	return true;
}

static bool
crl_signing_known(X509_CRL *crl)
{
	switch (X509_CRL_get_signature_nid(crl)) {
	case NID_ecdsa_with_SHA256:
	case NID_ecdsa_with_SHA384:
	case NID_ecdsa_with_SHA512:
	case NID_sha256WithRSAEncryption:
	case NID_sha384WithRSAEncryption:
	case NID_sha512WithRSAEncryption:
	case NID_rsassaPss:
		return true;
	default:
		return false;
	}
}

bool
crl_verify_key(
    X509_CRL *crl, EVP_PKEY *key, struct window *window, struct fault *f)
{
	if (!crl_signing_known(crl))
		return fault_set(f, FAULT_UNSUPPORTED,
		    "revocation list signed in a way that is not accepted");
	if (key == NULL || X509_CRL_verify(crl, key) != 1) {
		ERR_clear_error();
		return fault_set(f, FAULT_TAMPERED,
		    "the revocation list's signature does not hold");
	}
	if (!crl_is_plain(crl, f))
		return false;
	if (!time_of_asn1(X509_CRL_get0_lastUpdate(crl), &window->from) ||
	    !time_of_asn1(X509_CRL_get0_nextUpdate(crl), &window->until))
		return fault_set(
		    f, FAULT_INVALID, "revocation list without its two times");
	window->until += 999;
	return true;
}

bool
crl_verify_untimed(
    X509_CRL *crl, X509 *issuer, struct window *window, struct fault *f)
{
	if (X509_NAME_cmp(
		X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
		return fault_set(
		    f, FAULT_CONFLICT, "revocation list of another issuer");
	if (X509_check_ca(issuer) != 1 ||
	    !(X509_get_key_usage(issuer) & KU_CRL_SIGN))
		return fault_set(f, FAULT_UNTRUSTED,
		    "the issuer may not sign revocation lists");
	return crl_verify_key(crl, X509_get0_pubkey(issuer), window, f);
}

bool
crl_verify(X509_CRL *crl, X509 *issuer, int64_t now_ms, struct window *window,
    struct fault *f)
{
	char at[RFC3339_TEXT];

	if (!crl_verify_untimed(crl, issuer, window, f))
		return false;
	if (now_ms < window->from) {
		time_to_rfc3339(window->from, at);
		return fault_set(f, FAULT_NOT_YET_VALID,
		    "revocation list of %s, which has not come yet", at);
	}
	if (now_ms > window->until) {
		time_to_rfc3339(window->until - 999, at);
		return fault_set(f, FAULT_STALE,
		    "revocation list was to be renewed by %s", at);
	}
	return true;
}

bool
crl_lists(X509_CRL *crl, X509 *certificate)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(crl);
	int i;

	for (i = 0; i < sk_X509_REVOKED_num(all); i++)
		if (ASN1_INTEGER_cmp(X509_REVOKED_get0_serialNumber(
					 sk_X509_REVOKED_value(all, i)),
			serial) == 0)
			return true;
	return false;
}

/* r and s as numbers to the DER form that OpenSSL verifies. */
static bool
signature_holds(EVP_PKEY *key, const EVP_MD *digest, struct bytes message,
    const uint8_t *rs, int half)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(rs, half, NULL);
	BIGNUM *s = BN_bin2bn(rs + half, half, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	bool holds = false;
	int n;

	if (sig == NULL || r == NULL || s == NULL || md == NULL ||
	    !ECDSA_SIG_set0(sig, r, s))
		goto out;
	r = s = NULL;
	n = i2d_ECDSA_SIG(sig, &der);
	holds =
	    n > 0 && EVP_DigestVerifyInit(md, NULL, digest, NULL, key) == 1 &&
	    EVP_DigestVerify(md, der, (size_t)n, message.at, message.len) == 1;
	ERR_clear_error();
out:
	OPENSSL_free(der);
	EVP_MD_CTX_free(md);
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	return holds;
}

bool
signature_p256(EVP_PKEY *key, struct bytes message, const uint8_t rs[64])
{
	return key_is_curve(key, "P-256") &&
	       signature_holds(key, EVP_sha256(), message, rs, 32);
}

bool
signature_p384(EVP_PKEY *key, struct bytes message, const uint8_t rs[96])
{
	return key_is_curve(key, "P-384") &&
	       signature_holds(key, EVP_sha384(), message, rs, 48);
}
