/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verifiers of the bundle's kinds "nvidia", "nvswitch" and "nras": they
 * bring items, policy and collateral together with nvidia.h and nras.h. The
 * last two lean on the GPUs that the first has proven.
 */
#ifndef ATTESTATION_GPU_EVIDENCE_H
#define ATTESTATION_GPU_EVIDENCE_H

#include "attestation/evidence.h"

extern const struct verifier nvidia_verifier;
extern const struct verifier nvswitch_verifier;
extern const struct verifier nras_verifier;

/* Collateral names that an "nvidia" or "nvswitch" item needs, each once,
 * appended to out (room for EVIDENCE_NEEDS_MAX). */
bool gpu_needs(struct arena *a, const json_t *item, const char **out,
    size_t *count, struct fault *f);
/* What the manifests among the collateral need besides, known once they are
 * at hand: answers about their signers. Appended likewise; gpu_needs leaves
 * room for them. */
void gpu_manifest_needs(struct arena *a, const struct collateral *c,
    const char *out[EVIDENCE_NEEDS_MAX], size_t *count);

#endif
