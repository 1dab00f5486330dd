/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifiers of the bundle's kinds "apple-mda" and "apple-app-attest".
 * What they prove is "device-attested", never "runs in a TEE".
 */
#ifndef ATTESTATION_APPLE_EVIDENCE_H
#define ATTESTATION_APPLE_EVIDENCE_H

#include "attestation/evidence.h"

extern const struct verifier apple_mda_verifier;
extern const struct verifier app_attest_verifier;

/* The freshness code that a statement in a bundle must carry: SHA-256 of the
 * base64 text of the tunnel's public key (DER), so that it holds as long as
 * the key does; a device makes but one statement in seven days. Without a
 * key: SHA-256 of the nonce in lower-case hexadecimal. */
void apple_evidence_freshness(const struct examination *x, uint8_t out[32]);

#endif
