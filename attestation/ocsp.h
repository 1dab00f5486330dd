/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revocation by an online responder's signed answer (RFC 6960), kept and
 * judged offline, at a time of the caller's choosing. An answer counts only
 * for the one certificate that it was asked about, only under its issuer's
 * key or a key that this issuer named for the purpose, and only while fresh.
 */
#ifndef ATTESTATION_OCSP_H
#define ATTESTATION_OCSP_H

#include "attestation/chain.h"

#define OCSP_BYTES_MAX ((size_t)16384)
#define OCSP_SKEW_MS ((int64_t)300000) /* a responder's clock may be ahead */
#define OCSP_NAME_PREFIX "nvidia/ocsp/"

struct ocsp_rules {
	int64_t now_ms;
	int64_t max_age_s; /* since it was known and signed; 0: any */
	bool allow_hold;   /* "on hold" does not count as revoked */
};

/* Faults: INVALID, LIMIT (its form), UNAVAILABLE (the responder refused),
 * UNTRUSTED (its signer), UNSUPPORTED, TAMPERED (a signature), CONFLICT
 * (about another certificate, or not about one alone), NOT_FOUND (unknown to
 * the responder), REVOKED, NOT_YET_VALID, STALE, and EXPIRED of a signer.
 * "Revoked" stands also in an answer that is stale: only a hold is lifted.
 * *window is set where it holds. */
bool ocsp_verify(struct bytes der, X509 *certificate, X509 *issuer,
    const struct ocsp_rules *r, struct window *window, struct fault *f);

/* Whether an answer is this issuer's, or of whom it named for the purpose, and
 * about the one certificate of that name (below); whatever it says of it, and
 * however old. NOT_FOUND for a name of another issuer; else the faults of
 * ocsp_verify. */
bool ocsp_is_genuine(struct bytes der, const char *name, X509 *issuer,
    int64_t now_ms, struct fault *f);

/* Unix ms; of several parts each time is the earliest. */
struct ocsp_times {
	int64_t produced, this_update;
	int64_t next_update; /* INT64_MAX for none */
};
/* Whether it is an answer at all, and not a refusal, and its times. Nothing of
 * it is proven. */
bool ocsp_peek(struct bytes der, struct ocsp_times *out, struct fault *f);

/* True where the certificate names a responder, wherever that may be. */
bool ocsp_is_offered(X509 *certificate);
/* As collateral: "nvidia/ocsp/<name>/<key>/<serial>", SHA-384 of the issuer's
 * name and key, and the serial number, in hex. In the arena; NULL for a serial
 * number that RFC 5280 does not allow. */
const char *ocsp_name(struct arena *a, X509 *certificate, X509 *issuer);
/* The question that such a name stands for, in DER; INVALID for any other. */
bool ocsp_question(
    struct arena *a, const char *name, struct bytes *out, struct fault *f);

#endif
