/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X.509 as evidence needs it: bounded parsing, a strict walk from the leaf to
 * a key that is pinned, at a time of the caller's choosing, and revocation
 * lists. OpenSSL's own path building is not used: it looks at the system's
 * clock and store. Everything starts untrusted and must earn its way.
 */
#ifndef ATTESTATION_CHAIN_H
#define ATTESTATION_CHAIN_H

#include <openssl/x509.h>

#include "attestation/anchors.h"
#include "base/fault.h"
#include "base/mem.h"
#include "base/text.h"

#define CHAIN_MAX 8
#define CHAIN_PEM_MAX ((size_t)65536)
#define CERTIFICATE_DER_MAX ((size_t)16384)
#define CRL_DER_MAX ((size_t)8 << 20)

/* Both ends are inside, Unix ms. Intersections only ever shrink it. */
struct window {
	int64_t from;
	int64_t until;
};
#define WINDOW_ALWAYS ((struct window){INT64_MIN, INT64_MAX})
struct window window_meet(struct window a, struct window b);
bool window_holds(struct window w, int64_t now_ms);
/* Unix ms; false for NULL or what is no time. */
bool time_of_asn1(const ASN1_TIME *t, int64_t *ms);

/* Leaf first. A plain value that owns its certificates: chain_free clears. */
struct chain {
	X509 *at[CHAIN_MAX];
	size_t count;
};
void chain_free(struct chain *c);
/* One to CHAIN_MAX CERTIFICATE blocks and nothing between them but line
 * ends; NULs and line ends may follow the last. Fails INVALID. */
bool chain_read_pem(struct text pem, struct chain *out, struct fault *f);
/* The DER of each block, in the arena; the same strictness, nothing parsed. */
struct chain_blocks {
	struct bytes at[CHAIN_MAX];
	size_t count;
};
bool chain_split_pem(struct arena *a, struct text pem, struct chain_blocks *out,
    struct fault *f);
/* Appends one; fails INVALID, also when the chain is full. */
bool chain_add_der(struct chain *c, struct bytes der, struct fault *f);
bool chain_add(struct chain *c, X509 *certificate); /* takes a reference */

/* Exactly one certificate, nothing after it. The caller frees it. */
bool certificate_read_der(struct bytes der, X509 **out, struct fault *f);
bool certificate_read_pem(struct text pem, X509 **out, struct fault *f);
/* Its validity; false (INVALID) where a time cannot be read. */
bool certificate_window(X509 *c, struct window *out, struct fault *f);
bool certificate_same(X509 *a, X509 *b); /* byte for byte */
/* Common name, at most size - 1 bytes; false if there is not exactly one. */
bool certificate_common_name(X509 *c, char *out, size_t size);
/* The content of the OCTET STRING of the extension with that dotted OID;
 * false if it is not there exactly once. Borrowed from c. */
bool certificate_extension(X509 *c, const char *oid, struct bytes *out);

enum chain_signing {
	CHAIN_ECDSA,   /* P-256 or P-384 with SHA-256, 384 or 512 */
	CHAIN_RSA_PSS, /* at least 3072 bits, SHA-384 */
	CHAIN_RSA      /* PKCS #1 v1.5, at least 2048 bits, SHA-256 or more */
};

struct chain_rules {
	const struct anchors *anchors;
	enum anchor_kind anchor;
	enum chain_signing signing;
	int64_t now_ms;
	bool leaf_may_be_ca;
	/* One extension that may be critical although OpenSSL does not know
	 * it, as a dotted OID; NULL for none. */
	const char *critical_oid;
};

/* The last certificate's key is the pinned one; each is signed by the next,
 * whose name it carries as issuer and which may sign certificates (basic
 * constraints, path length, key usage); all are valid now. Faults: INVALID,
 * UNTRUSTED (no pinned key at the end), TAMPERED (a signature), EXPIRED,
 * NOT_YET_VALID, UNSUPPORTED. *window is what is left in common. */
bool chain_walk(const struct chain *c, const struct chain_rules *r,
    struct window *window, struct fault *f);
/* The same without a look at the clock: *window tells when it holds. */
bool chain_walk_untimed(const struct chain *c, const struct chain_rules *r,
    struct window *window, struct fault *f);
/* A chain whose last certificate is a root carries it whole: it is the pinned
 * one byte for byte, or signs itself. The walk looks at its key alone. */
bool chain_check_root(
    const struct chain *c, const struct chain_rules *r, struct fault *f);
/* The parts of the walk, for callers that keep verified upper ends. */
bool chain_check_leaf(X509 *leaf, const struct chain_rules *r, struct fault *f);
bool chain_check_link(X509 *subject, X509 *issuer, size_t below,
    const struct chain_rules *r, struct fault *f);
bool chain_check_time(
    X509 *c, int64_t now_ms, struct window *window, struct fault *f);

/* DER or PEM ("X509 CRL"). The caller frees it with X509_CRL_free. */
bool crl_read(struct bytes b, X509_CRL **out, struct fault *f);
/* Issued and signed by `issuer` (which may sign lists), no critical extension
 * that is not understood, this update begun, next update present and not
 * passed. Faults: INVALID, CONFLICT (another issuer), TAMPERED, STALE,
 * NOT_YET_VALID, UNSUPPORTED. */
bool crl_verify(X509_CRL *crl, X509 *issuer, int64_t now_ms,
    struct window *window, struct fault *f);
/* The same without a look at the clock. */
bool crl_verify_untimed(
    X509_CRL *crl, X509 *issuer, struct window *window, struct fault *f);
/* Signature, extensions and times alone, under a key of the caller's. */
bool crl_verify_key(
    X509_CRL *crl, EVP_PKEY *key, struct window *window, struct fault *f);
/* True when the serial number of the certificate, which the issuer of the
 * list issued, stands in it, whatever the entry's reason. */
bool crl_lists(X509_CRL *crl, X509 *certificate);

/* Signatures as evidence carries them: r and s as fixed big-endian numbers,
 * over the SHA-256 (P-256) or SHA-384 (P-384) of the message. */
bool signature_p256(EVP_PKEY *key, struct bytes message, const uint8_t rs[64]);
bool signature_p384(EVP_PKEY *key, struct bytes message, const uint8_t rs[96]);
/* The curve by name, "P-256" or "P-384". */
bool key_is_curve(EVP_PKEY *key, const char *curve);

#endif
