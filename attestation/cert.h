/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 certificates of CPU makers as views on their DER: nothing is copied,
 * and keys are made only when a signature is verified with them. Decoding a
 * certificate with OpenSSL 3.0 costs more than verifying it; this reader takes
 * the profile that Intel and AMD use (RFC 5280, strict DER) and refuses the
 * rest. Signatures themselves are OpenSSL's work.
 */
#ifndef ATTESTATION_CERT_H
#define ATTESTATION_CERT_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "attestation/anchors.h"
#include "attestation/chain.h"
#include "base/fault.h"
#include "base/text.h"

enum cert_signing {
	CERT_ECDSA_SHA256,
	CERT_ECDSA_SHA384,
	CERT_RSA_PSS_SHA384 /* salt of 48 bytes */
};

struct cert {
	struct bytes der;
	struct bytes tbs; /* what is signed */
	enum cert_signing signing;
	struct bytes signature;
	struct bytes serial;	      /* content of the INTEGER, not negative */
	struct bytes issuer, subject; /* whole names */
	struct bytes spki;	      /* whole SubjectPublicKeyInfo */
	struct bytes key; /* point of an EC key; RSAPublicKey of an RSA key */
	int curve;	  /* NID of P-256 or P-384; 0 for RSA */
	struct window window;
	struct bytes extensions; /* content of their SEQUENCE */
	bool ca;
	int pathlen; /* -1: unbounded */
	bool has_usage;
	bool may_sign, may_sign_certs, may_sign_lists;
};

/* Exactly one certificate. INVALID, or UNSUPPORTED for algorithms and
 * critical extensions that are not known. */
bool cert_read(struct bytes der, struct cert *out, struct fault *f);
/* The one common name in the subject; false where there is none or two. */
bool cert_common_name(const struct cert *c, struct text *out);
bool cert_is_named(const struct cert *c, const char *common_name);
/* Content of the extension with that OID (DER content bytes of the OID). */
bool cert_extension(const struct cert *c, struct bytes oid, struct bytes *out);
void cert_spki_sha256(const struct cert *c, uint8_t out[32]);

/* The public key; NULL if it is none. The caller frees it. `like` may be a
 * key of the same curve, which makes it cheap. */
EVP_PKEY *cert_key(const struct cert *c, EVP_PKEY *like);
/* A P-256 or P-384 key from its uncompressed point (65 or 97 bytes). */
EVP_PKEY *key_of_point(struct bytes point, EVP_PKEY *like);

/* May sign evidence and is no authority. UNTRUSTED. */
bool cert_check_leaf(const struct cert *c, struct fault *f);
/* The issuer may sign certificates with `below` authorities under it, its
 * name is the one given, and the signature holds under its key. */
bool cert_check_link(const struct cert *c, const struct cert *issuer,
    EVP_PKEY *issuer_key, size_t below, enum chain_signing signing,
    struct fault *f);
/* The key is the pinned one, and the rest of the certificate is signed by it:
 * a root is taken whole. UNTRUSTED, TAMPERED. `key` is the certificate's. */
bool cert_check_anchor(const struct cert *c, EVP_PKEY *key,
    const struct anchors *anchors, enum anchor_kind kind, struct fault *f);

/* The parts of the above, for what is signed as certificates are (cert_list.h):
 * a whole AlgorithmIdentifier, an Extension, and a signature. */
bool cert_signing_read(struct bytes whole, enum cert_signing *out);
bool cert_take_extension(
    struct bytes *in, struct bytes *oid, bool *critical, struct bytes *value);
bool cert_signing_fits(
    enum cert_signing seen, enum chain_signing wanted, EVP_PKEY *by);
bool cert_signature_holds(enum cert_signing signing, EVP_PKEY *key,
    struct bytes message, struct bytes signature);

/* A list issued by the certificate's subject under its key: as
 * crl_verify_untimed. */
bool cert_verify_list(X509_CRL *crl, const struct cert *issuer,
    EVP_PKEY *issuer_key, struct window *window, struct fault *f);
/* The certificate's serial number stands in the list. */
bool cert_is_listed(X509_CRL *crl, const struct cert *c);

#endif
