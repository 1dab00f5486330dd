/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was verified once and holds for others: Intel's collateral for a kind
 * of platform, the chains of NVIDIA devices, and who may sign collateral. A
 * verdict that leans on them costs the signatures of its own evidence alone. An
 * entry is of exact bytes under one set of anchors; it goes when the bytes
 * change or a validity ends, and then the verdict is made from the ground,
 * which says why it fails.
 */
#ifndef GATEWAY_KEPT_H
#define GATEWAY_KEPT_H

#include "attestation/nvidia.h"
#include "attestation/tdx_collateral.h"
#include "gateway/collateral_genuine.h"

struct kept;
/* The anchors are borrowed. */
struct kept *kept_new(const struct anchors *anchors);
void kept_free(struct kept **k);

/* The verified collateral of this name, or NULL where it does not hold at the
 * verdict's time. `generation` is that of the body (collaterals_generation).
 * Where it had to be verified now, *fresh is set and what was checked stands
 * in v. It lives until the next call. */
const struct tdx_collateral *kept_tdx(struct kept *k, const char *name,
    uint64_t generation, struct bytes body, bool revocation, struct verdict *v,
    bool *fresh);
struct nvidia_kept *kept_nvidia(struct kept *k);

/* Whether such a body is its maker's (collateral_genuine.h), by what verdicts
 * have taught of NVIDIA's issuers and what came here of AMD's. */
enum genuine kept_judge(struct kept *k, const char *name, struct bytes body,
    int64_t now_ms, struct fault *f);

#endif
