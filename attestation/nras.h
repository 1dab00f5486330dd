/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An answer of NVIDIA's remote attestation service: an overall token and one
 * token a device. It is a second opinion about GPUs, never a substitute for
 * judging their reports; signed and false is a possible answer.
 */
#ifndef ATTESTATION_NRAS_H
#define ATTESTATION_NRAS_H

#include "attestation/eat.h"
#include "attestation/policy.h"
#include "attestation/verdict.h"

#define NRAS_ISSUER "https://nras.attestation.nvidia.com"

enum { NRAS_DEVICES_MAX = 32, NRAS_ANSWER_MAX = 1024 * 1024 };

/* Signatures that were found good before: a token seen again under the same
 * key costs a hash. Everything else about it is judged anew. The caller's,
 * zeroed to begin with. */
enum { NRAS_KEPT_MAX = 64 };
struct nras_kept {
	uint8_t digest[NRAS_KEPT_MAX][32];
	size_t count; /* ever kept; the oldest is overwritten */
};

struct nras_rules {
	const struct anchors *anchors;
	const struct policy_texts *issuers; /* NULL or empty: NVIDIA's */
	struct bytes nonce;		    /* 32 bytes */
	int64_t now_ms;
	int64_t max_age_s;	/* of a token; 0: its own exp alone */
	int64_t devices;	/* how many there must be; -1: at least one */
	struct nras_kept *kept; /* NULL: verify every signature anew */
};

/* [["JWT", overall], {name: token, …}] judged with the service's key set.
 * Checks: nras.answer, nras.token, nras.key, nras.signature, nras.issuer,
 * nras.time, nras.nonce, nras.result, nras.devices; and for each device, with
 * its name as subject, the first six again, nras.claims and
 * nras.device_distinct. */
bool nras_judge(struct verdict *v, const struct nras_rules *r,
    const json_t *answer, struct text jwks);

#endif
